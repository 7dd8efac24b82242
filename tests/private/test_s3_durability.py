"""What an embedded bucket said it has is there after any end, and nothing of it is torn."""

import hashlib
import json
import random
import signal
import socket
import threading
import traceback

import botocore.exceptions
from aws_case import CACHING_DISABLED, quantified, unique
from private_case import PrivateCase
from test_origin_access import oac

from processes import eventually

MIB = 1024 * 1024
WRITERS = 6
ROUNDS = 3


class Durability(PrivateCase):
    @classmethod
    def set_up(cls):
        cls.start_server()

    def client(self):
        """One that adds no checksums of its own; test_s3_boto3 has those."""
        return self.server.client("s3", connect_timeout=5, max_pool_connections=WRITERS + 2,
                                  request_checksum_calculation="when_required")

    def again(self):
        self.server.kill()
        self.server.start()

    def test_what_was_put_is_there_after_a_restart(self):
        s3, bucket = self.client(), unique("kept")
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="a", Body=b"kept", ContentType="text/x-a",
                      Metadata={"a": "b"}, Tagging="t=1")
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket=bucket, Key="a", Body=b"new")
        upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
        same = {"Bucket": bucket, "Key": "m", "UploadId": upload}
        part = s3.upload_part(PartNumber=1, Body=b"part", **same)["ETag"]
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        s3 = self.client()
        self.assertEqual(s3.get_object(Bucket=bucket, Key="a")["Body"].read(), b"new")
        old = s3.get_object(Bucket=bucket, Key="a", VersionId="null")
        self.assertEqual((old["Body"].read(), old["ContentType"], old["Metadata"]),
                         (b"kept", "text/x-a", {"a": "b"}))
        s3.complete_multipart_upload(MultipartUpload={
            "Parts": [{"PartNumber": 1, "ETag": part}]}, **same)
        self.assertEqual(s3.get_object(Bucket=bucket, Key="m")["Body"].read(), b"part")

    def test_what_was_answered_survives_a_kill_and_nothing_is_torn(self):
        bucket = unique("killed")
        self.client().create_bucket(Bucket=bucket)
        self.broken = []
        # By key: all that was ever sent for it, and the number of the last that was answered.
        sent, answered, lock = {}, {}, threading.Lock()
        for round_number in range(ROUNDS):
            ending = threading.Event()
            writers = [threading.Thread(
                target=self.write, args=(bucket, f"{round_number}-{number}", number, sent,
                                         answered, lock, ending))
                       for number in range(WRITERS)]
            for writer in writers:
                writer.start()
            wanted = len(answered) + WRITERS * 4

            def is_under_way():
                with lock:
                    return len(answered) >= wanted

            eventually("writers", is_under_way, 30)
            ending.set()
            self.server.signal(signal.SIGKILL)
            for writer in writers:
                writer.join(60)
            self.assertEqual(self.broken, [])
            self.again()
            self.check(bucket, sent, answered)
        self.assertGreater(len(answered), ROUNDS * WRITERS * 3)

    def write(self, bucket, stem, seed, sent, answered, lock, ending):
        s3, random_of = self.client(), random.Random(seed)
        for number in range(10_000):
            # Few keys, written over and over, and one of five in parts.
            key = f"{stem}-{number % 7}"
            large = number % 5 == 4
            content = random_of.randbytes(6 * MIB if large else random_of.randrange(1, 300_000))
            with lock:
                sent.setdefault(key, []).append((len(content), hashlib.md5(content).hexdigest()))
                at = len(sent[key]) - 1
            try:
                if large:
                    self.put_in_parts(s3, bucket, key, content)
                else:
                    s3.put_object(Bucket=bucket, Key=key, Body=content)
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError,
                    OSError):
                if not ending.is_set():
                    self.broken.append(traceback.format_exc())
                return
            with lock:
                answered[key] = at

    def put_in_parts(self, s3, bucket, key, content):
        same = {"Bucket": bucket, "Key": key}
        same["UploadId"] = s3.create_multipart_upload(**same)["UploadId"]
        parts = [{"PartNumber": number, "ETag": s3.upload_part(
            PartNumber=number, Body=content[at:at + 5 * MIB], **same)["ETag"]}
            for number, at in enumerate(range(0, len(content), 5 * MIB), 1)]
        s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **same)

    def check(self, bucket, sent, answered):
        """Each object is, whole, the last that was answered, or one that was sent after it."""
        s3 = self.client()
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        listed = {one["Key"]: one for page in pages for one in page.get("Contents", [])}
        self.assertEqual(set(answered) - set(listed), set(), "answered and gone")
        self.assertEqual(set(listed) - set(sent), set(), "there and never sent")
        for key, one in listed.items():
            got = s3.get_object(Bucket=bucket, Key=key)
            content = got["Body"].read()
            told = (len(content), hashlib.md5(content).hexdigest())
            allowed = sent[key][answered.get(key, 0):]
            self.assertIn(told, allowed, key)
            self.assertEqual(got["ETag"], one["ETag"])
            if "-" not in one["ETag"]:
                self.assertEqual(one["ETag"], f'"{told[1]}"')
            self.assertEqual(one["Size"], told[0])

    def test_an_upload_that_breaks_off_leaves_what_was_there(self):
        s3, bucket = self.client(), unique("broken")
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="a", Body=b"whole")
        link = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "a"})
        for number in range(5):
            stream = socket.create_connection(("127.0.0.1", self.server.api_port))
            target = link.removeprefix(self.server.url)
            stream.sendall(
                f"PUT {target} HTTP/1.1\r\nHost: 127.0.0.1:{self.server.api_port}\r\n"
                f"Content-Length: 1000000\r\n\r\n".encode() + b"x" * 1000 * number)
            stream.close()
        self.assertEqual(s3.get_object(Bucket=bucket, Key="a")["Body"].read(), b"whole")
        left = [path for path in self.server.data.rglob("*")
                if path.is_file() and path.stat().st_size in range(1000, 5000, 1000)]
        self.assertEqual(left, [], "what was not finished is left on the disk")

    def test_the_edge_reads_the_bucket_again_after_a_kill(self):
        s3, bucket = self.client(), unique("site")
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="x", Body=b"private")
        made = self.make_distribution(
            Origins=quantified({
                "Id": "origin", "DomainName": f"{bucket}.s3.us-east-1.amazonaws.com",
                "OriginAccessControlId": oac(self),
                "S3OriginConfig": {"OriginAccessIdentity": ""}}),
            DefaultCacheBehavior=self.behavior(CachePolicyId=CACHING_DISABLED))
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({
            "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"},
                "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*",
                "Condition": {"StringEquals": {"AWS:SourceArn": made["ARN"]}}}]}))
        for _ in range(2):
            seen = eventually("the edge to read", lambda: (
                lambda seen: seen if seen.status == 200 else None)(
                    self.get(made["DomainName"], "/x")))
            self.assertEqual(seen.body, "private")
            self.again()
