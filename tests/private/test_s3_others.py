"""Other clients of S3 and an embedded bucket: the JavaScript SDK, and s3cmd."""

import json
import os
import subprocess
import sys
from pathlib import Path

from aws_case import unique
from private_case import PrivateCase

import processes

PROGRAMS = Path(sys.executable).parent
NODE_MODULES = processes.ROOT / "target" / "private-clients" / "node"


class Others(PrivateCase):
    @classmethod
    def set_up(cls):
        cls.start_server()

    def test_the_javascript_sdk_reads_what_it_wrote(self):
        done = subprocess.run(
            [str(PROGRAMS / "node"), str(Path(__file__).with_name("objects.mjs")),
             self.server.url, unique("js")],
            cwd=NODE_MODULES, env={**os.environ, **self.server.environment()},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout), {
            "text": "text", "type": "text/x-js", "stream": "in pieces", "large": True,
            "part": "warm", "keys": ["checked", "large", "stream", "text \u00fc+"],
            "presigned": "text", "missing": "NoSuchKey"})

    def test_s3cmd_keeps_a_folder_and_a_bucket_alike(self):
        folder, back, bucket = self.directory("folder"), self.directory("back"), unique("cmd")
        files = {"a.txt": b"a", "b c/\u00fc+.txt": b"plus", "large": b"x" * (20 << 20)}
        for name, content in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        self.s3cmd("mb", f"s3://{bucket}")
        self.s3cmd("sync", f"{folder}/", f"s3://{bucket}/")
        self.s3cmd("sync", f"s3://{bucket}/", f"{back}/")
        for name, content in files.items():
            self.assert_same_bytes((back / name).read_bytes(), content, name)
        (folder / "a.txt").unlink()
        self.s3cmd("sync", "--delete-removed", f"{folder}/", f"s3://{bucket}/")
        told = self.s3cmd("ls", "--recursive", f"s3://{bucket}")
        self.assertNotIn("a.txt", told)
        self.assertIn("b c/\u00fc+.txt", told)
        self.s3cmd("cp", f"s3://{bucket}/large", f"s3://{bucket}/copy")
        self.s3cmd("del", "--recursive", "--force", f"s3://{bucket}")
        self.s3cmd("rb", f"s3://{bucket}")

    def s3cmd(self, *arguments):
        host, key = self.server.url.removeprefix("http://"), self.server.key
        done = subprocess.run(
            [sys.executable, str(PROGRAMS / "s3cmd"), "--config", os.devnull, "--no-ssl",
             "--host", host, "--host-bucket", host, "--access_key", key.id, "--secret_key",
             key.secret, "--region", "us-east-1", *arguments],
            env={**os.environ, "LC_ALL": "C.UTF-8"}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout
