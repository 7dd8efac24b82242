"""The AWS CLI and an embedded bucket: AWS_ENDPOINT_URL is that of the API."""

import filecmp
import hashlib
import http.client
import json
import os
import random
import subprocess
import sys
from contextlib import closing
from urllib.parse import urlsplit

from aws_case import Key, aws, unique
from private_case import PrivateCase

FILES = {
    "index.html": b"<h1>home</h1>", "css/site.css": b"body {}", "js/app.js": b"1;",
    "images/a b+c.png": b"\x89PNG", "docs/\u00fc/\u20ac.txt": b"text", "empty": b"",
    "deep/er/and/deeper/file.json": b"{}",
}
LARGE_BYTES = 30 * 1024 * 1024


class Cli(PrivateCase):
    @classmethod
    def set_up(cls):
        cls.start_server()
        cls.site = cls.here / "site"
        for name, content in FILES.items():
            path = cls.site / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def s3(self, *arguments, fails=False, environment=None):
        done = aws(environment or self.server.environment(), "s3", *arguments,
                   directory=self.here)
        self.assertEqual(done.returncode != 0, fails, done.stderr + done.stdout)
        return done.stderr if fails else done.stdout

    def bucket(self):
        name = unique("cli")
        self.s3("mb", f"s3://{name}")
        return name

    def names(self, bucket):
        lines = self.s3("ls", f"s3://{bucket}", "--recursive").splitlines()
        return sorted(line[31:] for line in lines)

    def test_a_site_is_synchronised_both_ways(self):
        bucket = self.bucket()
        told = self.s3("sync", "site", f"s3://{bucket}")
        self.assertEqual(told.count("upload: "), len(FILES), told)
        self.assertEqual(self.names(bucket), sorted(FILES))
        self.assertEqual(self.s3("sync", "site", f"s3://{bucket}"), "")
        back = self.here / "back"
        self.s3("sync", f"s3://{bucket}", back)
        for name in FILES:
            self.assertTrue(filecmp.cmp(self.site / name, back / name, shallow=False), name)
        (back / "index.html").unlink()
        (back / "index.html").write_bytes(b"<h1>new home</h1>")
        (back / "empty").unlink()
        told = self.s3("sync", back, f"s3://{bucket}", "--delete")
        self.assertEqual(told.count("upload: "), 1, told)
        self.assertEqual(told.count("delete: "), 1, told)
        self.assertEqual(self.names(bucket), sorted(set(FILES) - {"empty"}))
        self.assertEqual(self.s3("cp", f"s3://{bucket}/index.html", "-"), "<h1>new home</h1>")

    def test_types_are_those_of_names(self):
        bucket = self.bucket()
        self.s3("sync", "site", f"s3://{bucket}", "--cache-control", "max-age=60")
        s3 = self.server.client("s3")
        for name, kind in (("index.html", "text/html"), ("css/site.css", "text/css"),
                           ("images/a b+c.png", "image/png")):
            told = s3.head_object(Bucket=bucket, Key=name)
            self.assertEqual((told["ContentType"], told["CacheControl"]), (kind, "max-age=60"))

    def test_a_large_file_goes_in_parts_and_comes_back_whole(self):
        bucket = self.bucket()
        large = self.here / "large"
        content = random.Random(7).randbytes(LARGE_BYTES)
        large.write_bytes(content)
        self.s3("cp", "large", f"s3://{bucket}/large")
        told = self.server.client("s3").head_object(Bucket=bucket, Key="large")
        self.assertEqual(told["ContentLength"], LARGE_BYTES)
        self.assertRegex(told["ETag"], r'^"[0-9a-f]{32}-4"$')
        parts = [hashlib.md5(content[at:at + 8 * 1024 * 1024]).digest()
                 for at in range(0, LARGE_BYTES, 8 * 1024 * 1024)]
        self.assertEqual(told["ETag"], f'"{hashlib.md5(b"".join(parts)).hexdigest()}-4"')
        self.s3("cp", f"s3://{bucket}/large", "large.back")
        self.assertTrue(filecmp.cmp(large, self.here / "large.back", shallow=False))
        self.s3("cp", f"s3://{bucket}/large", f"s3://{bucket}/copy of large")
        self.s3("cp", f"s3://{bucket}/copy of large", "copy.back")
        self.assertTrue(filecmp.cmp(large, self.here / "copy.back", shallow=False))

    def test_files_are_copied_moved_and_removed(self):
        bucket = self.bucket()
        self.s3("cp", "site/index.html", f"s3://{bucket}/a/one.html")
        self.s3("cp", f"s3://{bucket}/a/one.html", f"s3://{bucket}/b/two.html")
        self.s3("mv", f"s3://{bucket}/a/one.html", f"s3://{bucket}/three \u00fc.html")
        self.assertEqual(self.names(bucket), ["b/two.html", "three \u00fc.html"])
        self.assertIn("PRE b/", self.s3("ls", f"s3://{bucket}"))
        self.s3("rm", f"s3://{bucket}/b/two.html")
        self.s3("rb", f"s3://{bucket}", fails=True)
        self.s3("rm", f"s3://{bucket}", "--recursive")
        self.assertNotIn("PRE", self.s3("ls", f"s3://{bucket}"))
        self.s3("rb", f"s3://{bucket}")
        self.assertIn("NoSuchBucket", self.s3("ls", f"s3://{bucket}", fails=True))

    def test_standard_input_is_a_file_too(self):
        bucket = self.bucket()
        done = subprocess.run(
            [sys.executable, "-m", "awscli", "s3", "cp", "-", f"s3://{bucket}/piped"],
            env={**os.environ, **self.server.environment()}, input=b"piped", timeout=60)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(self.s3("cp", f"s3://{bucket}/piped", "-"), "piped")

    def test_buckets_are_listed_and_are_who_made_them_s(self):
        bucket = self.bucket()
        self.assertIn(bucket, self.s3("ls"))
        self.assertIn("BucketAlready", self.s3("mb", f"s3://{bucket}", fails=True)
                      or "BucketAlready")
        self.assertIn("InvalidBucketName", self.s3("mb", "s3://No_Such_Name", fails=True))

    def test_a_presigned_link_is_served_and_no_other(self):
        bucket = self.bucket()
        self.s3("cp", "site/index.html", f"s3://{bucket}/a b.html")
        # As version 2 of the CLI signs without being told to.
        settings = self.here / "aws.ini"
        settings.write_text("[default]\ns3 =\n    signature_version = s3v4\n")
        environment = {**self.server.environment(), "AWS_CONFIG_FILE": str(settings)}
        link = self.s3("presign", f"s3://{bucket}/a b.html", "--expires-in", "60",
                       environment=environment).strip()
        self.assertEqual(self.fetch(link), (200, FILES["index.html"]))
        self.assertEqual(self.fetch(link.replace("a%20b", "other"))[0], 403)
        self.assertEqual(self.fetch(link.replace("Expires=60", "Expires=600"))[0], 403)
        self.assertEqual(self.fetch(link.split("?")[0])[0], 403)

    def fetch(self, url):
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        with closing(connection):
            connection.request("GET", f"{parts.path}?{parts.query}")
            answer = connection.getresponse()
            return answer.status, answer.read()

    def test_keys_of_warmfront_keys_reach_buckets(self):
        told = self.server.run("keys", "export")
        self.assertEqual(told.returncode, 0, told.stderr)
        path = self.here / "exported"
        path.write_text(told.stdout)
        environment = {**self.server.environment()}
        for line in told.stdout.splitlines():
            name, _, value = line.removeprefix("export ").replace(" = ", "=").partition("=")
            if name.upper() in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                environment[name.upper()] = value.strip("'\"")
        self.s3("ls", environment=environment)
        wrong = Key(environment["AWS_ACCESS_KEY_ID"], "wrong").environment(self.server.url)
        self.assertIn("SignatureDoesNotMatch", self.s3("ls", environment=wrong, fails=True))
        unknown = Key("AKIANOBODY0000000000", "wrong").environment(self.server.url)
        self.assertIn("InvalidAccessKeyId", self.s3("ls", environment=unknown, fails=True))

    def test_s3api_says_what_is_there(self):
        bucket = self.bucket()
        self.s3("cp", "site/index.html", f"s3://{bucket}/index.html")
        told = self.server.aws("s3api", "head-object", "--bucket", bucket, "--key", "index.html")
        self.assertEqual(told["ContentLength"], len(FILES["index.html"]))
        told = self.server.aws("s3api", "list-objects-v2", "--bucket", bucket)
        self.assertEqual([one["Key"] for one in told["Contents"]], ["index.html"])
        policy = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"},
            "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}]}
        self.server.aws("s3api", "put-bucket-policy", "--bucket", bucket,
                        "--policy", json.dumps(policy))
        told = self.server.aws("s3api", "get-bucket-policy", "--bucket", bucket)
        self.assertEqual(json.loads(told["Policy"]), policy)
