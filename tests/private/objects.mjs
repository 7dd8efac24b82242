// The JavaScript SDK's S3: writes objects in each way that it has, reads them back, and writes as
// JSON what it saw. Arguments: endpoint and bucket; keys are in the environment. Run in the folder
// that has its packages.

import { createRequire } from "node:module";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(process.cwd() + "/"));
const { S3Client, ...commands } = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");

const [endpoint, Bucket] = process.argv.slice(2);
const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true });
const send = (name, input) => client.send(new commands[`${name}Command`]({ Bucket, ...input }));
const digest = (content) => createHash("sha256").update(content).digest("hex");
const large = Buffer.alloc(12 * 1024 * 1024 + 3, "warm");

await send("CreateBucket", {});
await send("PutObject", { Key: "text ü+", Body: "text", ContentType: "text/x-js" });
await send("PutObject", {
  Key: "stream", Body: Readable.from([Buffer.from("in "), Buffer.from("pieces")]),
  ContentLength: 9,
});
await new Upload({ client, params: { Bucket, Key: "large", Body: Readable.from([large]) } }).done();
await send("PutObject", { Key: "checked", Body: "checked", ChecksumAlgorithm: "SHA256" });
const presigned = await getSignedUrl(client, new commands.GetObjectCommand({
  Bucket, Key: "text ü+",
}), { expiresIn: 60 });
const text = await send("GetObject", { Key: "text ü+" });
const missing = await send("GetObject", { Key: "nothing" }).catch((error) => error.name);
const seen = {
  text: await text.Body.transformToString(),
  type: text.ContentType,
  stream: await (await send("GetObject", { Key: "stream" })).Body.transformToString(),
  large: digest(await (await send("GetObject", { Key: "large" })).Body.transformToByteArray())
    === digest(large),
  part: await (await send("GetObject", { Key: "large", Range: "bytes=4-7" }))
    .Body.transformToString(),
  keys: (await send("ListObjectsV2", {})).Contents.map((one) => one.Key),
  presigned: await (await fetch(presigned)).text(),
  missing,
};
await send("DeleteObjects", { Delete: { Objects: seen.keys.map((Key) => ({ Key })) } });
await send("DeleteBucket", {});
process.stdout.write(JSON.stringify(seen));
