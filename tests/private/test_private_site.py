"""A private site from nothing, by the AWS CLI and warmfront alone: a bucket that only its
distribution reads, and links that expire."""

import json
import subprocess

from aws_case import CACHING_OPTIMIZED, aws, quantified, unique
from private_case import PrivateCase, raw

import processes

FILES = {"index.html": "<h1>members</h1>", "reports/2026 q1+q2.pdf": "%PDF members",
         "\u00fcbersicht.txt": "members"}
HOST = "members.example.test"


class PrivateSite(PrivateCase):
    @classmethod
    def set_up(cls):
        cls.start_server()
        cls.dist = cls.here / "dist"
        for name, content in FILES.items():
            path = cls.dist / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    def written(self, name, content):
        path = self.here / name
        path.write_text(json.dumps(content))
        return f"file://{path}"

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True,
                       stdin=subprocess.DEVNULL, timeout=60)

    def sign(self, url, *flags):
        done = processes.run_warmfront(
            "sign", url, "--key", self.here / "private.pem", "--key-pair-id", self.key_id,
            *(flags or ("--expires", "1h")))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def link(self, path):
        return self.sign(f"http://{HOST}{path}").removeprefix(f"http://{HOST}")

    def test_from_a_folder_to_a_link_that_expires(self):
        server, bucket = self.server, unique("members")
        server.aws("s3api", "create-bucket", "--bucket", bucket)
        self.assertEqual(self.sync(bucket).count("upload: "), len(FILES))
        control = server.aws(
            "cloudfront", "create-origin-access-control", "--origin-access-control-config",
            json.dumps({"Name": bucket, "SigningProtocol": "sigv4", "SigningBehavior": "always",
                        "OriginAccessControlOriginType": "s3"}))["OriginAccessControl"]["Id"]
        self.openssl("genrsa", "-out", self.here / "private.pem", "2048")
        self.openssl("pkey", "-in", self.here / "private.pem", "-pubout", "-out",
                     self.here / "public.pem")
        self.key_id = server.aws(
            "cloudfront", "create-public-key", "--public-key-config", json.dumps({
                "CallerReference": bucket, "Name": bucket,
                "EncodedKey": (self.here / "public.pem").read_text()}))["PublicKey"]["Id"]
        group = server.aws(
            "cloudfront", "create-key-group", "--key-group-config",
            json.dumps({"Name": bucket, "Items": [self.key_id]}))["KeyGroup"]["Id"]
        made = server.aws(
            "cloudfront", "create-distribution", "--distribution-config", self.written(
                "distribution.json", {
                    "CallerReference": bucket, "Comment": "", "Enabled": True,
                    "Aliases": quantified(HOST), "DefaultRootObject": "index.html",
                    "Origins": quantified({
                        "Id": "bucket", "DomainName": f"{bucket}.s3.us-east-1.amazonaws.com",
                        "OriginAccessControlId": control,
                        "S3OriginConfig": {"OriginAccessIdentity": ""}}),
                    "DefaultCacheBehavior": {
                        "TargetOriginId": "bucket", "ViewerProtocolPolicy": "allow-all",
                        "CachePolicyId": CACHING_OPTIMIZED,
                        "TrustedKeyGroups": {"Enabled": True, **quantified(group)}}}))
        made = made["Distribution"]
        self.await_deployed(made["Id"])
        # Nobody reads yet: not even the distribution.
        self.assertEqual(self.get(HOST, self.link("/index.html")).status, 403)
        server.aws("s3api", "put-bucket-policy", "--bucket", bucket, "--policy", json.dumps({
            "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"},
                "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*",
                "Condition": {"StringEquals": {"AWS:SourceArn": made["ARN"]}}}]}))
        server.aws("cloudfront", "create-invalidation", "--distribution-id", made["Id"],
                   "--paths", "/*")
        self.read(bucket)
        self.change_and_remove(bucket, made["Id"])

    def sync(self, bucket):
        done = aws(self.server.environment(), "s3", "sync", "dist", f"s3://{bucket}",
                   "--delete", directory=self.here)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def read(self, bucket):
        processes.eventually(
            "the site", lambda: self.get(HOST, self.link("/index.html")).status == 200)
        names = (("/", "index.html"), ("/index.html", "index.html"),
                 ("/reports/2026%20q1%2Bq2.pdf", "reports/2026 q1+q2.pdf"),
                 ("/%C3%BCbersicht.txt", "\u00fcbersicht.txt"))
        for path, name in names:
            with self.subTest(path):
                seen = self.get(HOST, self.link(path))
                self.assertEqual((seen.status, seen.body), (200, FILES[name]), seen)
                self.assert_refused(self.get(HOST, path), "MissingKey")
        cookies = self.sign(f"http://{HOST}/", "--resource", f"http://{HOST}/*", "--expires",
                            "1h", "--cookies")
        for path, name in names:
            seen = self.get(HOST, path, Cookie=cookies)
            self.assertEqual((seen.status, seen.body, seen.cache), (200, FILES[name], "Hit"))
        # The bucket itself is shut, by every name that it has.
        for path, host in ((f"/{bucket}/index.html", "127.0.0.1"),
                           ("/index.html", f"{bucket}.s3.us-east-1.amazonaws.com"),
                           (f"/{bucket}", "127.0.0.1")):
            seen = raw(self.server.api_port, [f"GET {path} HTTP/1.1", f"Host: {host}"])
            self.assertEqual(seen.status, 403, seen)

    def change_and_remove(self, bucket, distribution):
        (self.dist / "index.html").write_text("<h1>news</h1>")
        (self.dist / "\u00fcbersicht.txt").unlink()
        told = self.sync(bucket)
        self.assertEqual((told.count("upload: "), told.count("delete: ")), (1, 1), told)
        self.server.aws("cloudfront", "create-invalidation", "--distribution-id", distribution,
                        "--paths", "/*")
        processes.eventually("the news", lambda: (
            self.get(HOST, self.link("/index.html")).body == "<h1>news</h1>"))
        # Who may not list is not told what is not there.
        self.assertEqual(self.get(HOST, self.link("/%C3%BCbersicht.txt")).status, 403)
