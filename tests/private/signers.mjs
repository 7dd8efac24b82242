// Signs with the JavaScript SDK's signer: reads a list of inputs as JSON, each with `kind` (url or
// cookies), and writes the list of what was made. Run in the folder that has its packages.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(process.cwd() + "/"));
const signer = require("@aws-sdk/cloudfront-signer");

const made = JSON.parse(readFileSync(0, "utf8")).map(({ kind, ...input }) =>
  kind === "url" ? signer.getSignedUrl(input) : signer.getSignedCookies(input));
process.stdout.write(JSON.stringify(made));
