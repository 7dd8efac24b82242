"""boto3 and an embedded bucket: every family of operations, and the errors as AWS names them."""

import base64
import hashlib
import http.client
import io
import json
import random
import re
import time
import uuid
import zlib
from contextlib import closing
from urllib.parse import urlsplit

import botocore.exceptions
from aws_case import Key, client, unique
from boto3.s3.transfer import TransferConfig
from private_case import PrivateCase

from processes import eventually

MIB = 1024 * 1024


class S3Case(PrivateCase):
    @classmethod
    def set_up(cls):
        cls.start_server()
        cls.s3 = cls.server.client("s3")
        # Left alone, boto3 presigns with version 2 where it does not know the endpoint.
        cls.s3v4 = cls.server.client("s3", signature_version="s3v4")
        cls.url, cls.key = cls.server.url, cls.server.key

    def bucket(self, *keys):
        name = unique("boto")
        self.s3.create_bucket(Bucket=name)
        for key in keys:
            self.s3.put_object(Bucket=name, Key=key, Body=key.encode())
        return name

    def read(self, bucket, key, **more):
        return self.s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()

    def plain(self, method, url, body=None, **headers):
        """A request with nothing but what its URL says."""
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(connection):
            connection.request(method, target, body=body, headers=headers)
            answer = connection.getresponse()
            answer.body = answer.read()
            return answer


class Objects(S3Case):
    def test_an_object_is_as_it_was_put(self):
        bucket = self.bucket()
        made = self.s3.put_object(
            Bucket=bucket, Key="a", Body=b"content", ContentType="text/x-a",
            CacheControl="max-age=5", ContentDisposition="inline", ContentEncoding="identity",
            ContentLanguage="de", Metadata={"one": "1", "two": "zwei"})
        etag = f'"{hashlib.md5(b"content").hexdigest()}"'
        self.assertEqual(made["ETag"], etag)
        for told in (self.s3.get_object(Bucket=bucket, Key="a"),
                     self.s3.head_object(Bucket=bucket, Key="a")):
            self.assertEqual(told["ETag"], etag)
            self.assertEqual(told["ContentLength"], 7)
            self.assertEqual(told["ContentType"], "text/x-a")
            self.assertEqual(told["CacheControl"], "max-age=5")
            self.assertEqual(told["ContentDisposition"], "inline")
            self.assertEqual(told["ContentLanguage"], "de")
            self.assertEqual(told["Metadata"], {"one": "1", "two": "zwei"})
            self.assertEqual(told["AcceptRanges"], "bytes")
        self.s3.put_object(Bucket=bucket, Key="b", Body=b"")
        self.assertEqual(self.s3.head_object(Bucket=bucket, Key="b")["ContentType"],
                         "binary/octet-stream")
        self.assertEqual(self.read(bucket, "b"), b"")

    def test_transfers_with_threads_come_back_whole(self):
        bucket = self.bucket()
        content = random.Random(11).randbytes(33 * MIB + 7)
        config = TransferConfig(
            multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=8)
        source, copy = self.here / "source", self.here / "copy"
        source.write_bytes(content)
        self.s3.upload_file(str(source), bucket, "large \u00fc", Config=config)
        self.s3.download_file(bucket, "large \u00fc", str(copy), Config=config)
        self.assert_same_bytes(copy.read_bytes(), content, "large")
        self.s3.upload_fileobj(io.BytesIO(content), bucket, "object", Config=config)
        back = io.BytesIO()
        self.s3.download_fileobj(bucket, "object", back, Config=config)
        self.assert_same_bytes(back.getvalue(), content, "object")
        self.s3.copy({"Bucket": bucket, "Key": "large \u00fc"}, bucket, "copied", Config=config)
        self.assert_same_bytes(self.read(bucket, "copied"), content, "copied")

    def test_parts_that_are_put_in_any_order_are_put_together_by_number(self):
        bucket = self.bucket()
        upload = self.s3.create_multipart_upload(
            Bucket=bucket, Key="m", ContentType="text/x-m", Metadata={"a": "b"})["UploadId"]
        same = {"Bucket": bucket, "Key": "m", "UploadId": upload}
        parts = {1: b"a" * 5 * MIB, 2: b"b" * 5 * MIB, 7: b"end"}
        etags = {number: self.s3.upload_part(PartNumber=number, Body=parts[number], **same)["ETag"]
                 for number in (7, 2, 1)}
        etags[2] = self.s3.upload_part(PartNumber=2, Body=b"B" * 5 * MIB, **same)["ETag"]
        listed = self.s3.list_parts(**same)["Parts"]
        self.assertEqual([(part["PartNumber"], part["Size"]) for part in listed],
                         [(1, 5 * MIB), (2, 5 * MIB), (7, 3)])
        uploads = self.s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
        self.assertEqual([one["UploadId"] for one in uploads], [upload])
        self.refused("NoSuchKey", self.s3.get_object, Bucket=bucket, Key="m")
        chosen = [{"PartNumber": number, "ETag": etags[number]} for number in (1, 2, 7)]
        self.refused("InvalidPartOrder", self.s3.complete_multipart_upload,
                     MultipartUpload={"Parts": chosen[::-1]}, **same)
        self.refused("InvalidPart", self.s3.complete_multipart_upload, MultipartUpload={
            "Parts": [{"PartNumber": 3, "ETag": etags[1]}]}, **same)
        self.s3.complete_multipart_upload(MultipartUpload={"Parts": chosen}, **same)
        self.assert_same_bytes(
            self.read(bucket, "m"), b"a" * 5 * MIB + b"B" * 5 * MIB + b"end", "m")
        told = self.s3.head_object(Bucket=bucket, Key="m")
        self.assertTrue(told["ETag"].endswith('-3"'))
        self.assertEqual((told["ContentType"], told["Metadata"]), ("text/x-m", {"a": "b"}))
        self.assertNotIn("Uploads", self.s3.list_multipart_uploads(Bucket=bucket))
        self.refused("NoSuchUpload", self.s3.upload_part, PartNumber=1, Body=b"x", **same)

    def test_a_part_that_is_too_small_is_refused_and_an_upload_can_be_given_up(self):
        bucket = self.bucket()
        upload = self.s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
        same = {"Bucket": bucket, "Key": "m", "UploadId": upload}
        parts = [{"PartNumber": number, "ETag": self.s3.upload_part(
            PartNumber=number, Body=b"small", **same)["ETag"]} for number in (1, 2)]
        self.refused("EntityTooSmall", self.s3.complete_multipart_upload,
                     MultipartUpload={"Parts": parts}, **same)
        self.s3.abort_multipart_upload(**same)
        self.refused("NoSuchUpload", self.s3.list_parts, **same)
        self.s3.delete_bucket(Bucket=bucket)

    def test_ranges_and_conditions_are_kept(self):
        bucket = self.bucket("0123456789")
        same = {"Bucket": bucket, "Key": "0123456789"}
        for wanted, content in (("bytes=0-3", b"0123"), ("bytes=7-", b"789"),
                                ("bytes=-2", b"89"), ("bytes=8-100", b"89")):
            told = self.s3.get_object(Range=wanted, **same)
            self.assertEqual((told["Body"].read(), told["ResponseMetadata"]["HTTPStatusCode"]),
                             (content, 206))
        self.refused("InvalidRange", self.s3.get_object, Range="bytes=10-", **same)
        etag = self.s3.head_object(**same)["ETag"]
        modified = self.s3.head_object(**same)["LastModified"]
        self.refused("304", self.s3.get_object, IfNoneMatch=etag, **same)
        self.refused("304", self.s3.head_object, IfModifiedSince=modified, **same)
        self.refused("PreconditionFailed", self.s3.get_object, IfMatch='"x"', **same)
        self.assertEqual(self.read(IfMatch=etag, **{"bucket": bucket, "key": "0123456789"}),
                         b"0123456789")

    def test_a_conditional_put_is_made_once(self):
        bucket = self.bucket()
        won, lost = [], []

        def put(number):
            try:
                self.s3.put_object(Bucket=bucket, Key="once", Body=b"%d" % number, IfNoneMatch="*")
                won.append(number)
            except botocore.exceptions.ClientError as error:
                lost.append(error.response["Error"]["Code"])

        self.for_each(range(12), put, threads=12)
        self.assertEqual(len(won), 1, lost)
        self.assertLessEqual(set(lost), {"PreconditionFailed", "ConditionalRequestConflict"})
        self.assertEqual(self.read(bucket, "once"), b"%d" % won[0])
        etag = self.s3.head_object(Bucket=bucket, Key="once")["ETag"]
        self.refused("PreconditionFailed", self.s3.put_object, Bucket=bucket, Key="once",
                     Body=b"x", IfMatch='"00000000000000000000000000000000"')
        self.s3.put_object(Bucket=bucket, Key="once", Body=b"next", IfMatch=etag)
        self.assertEqual(self.read(bucket, "once"), b"next")

    def test_what_is_written_at_once_is_one_of_what_was_written(self):
        bucket = self.bucket()
        contents = [bytes([65 + number]) * (200_000 + number) for number in range(8)]

        def put(content):
            self.s3.put_object(Bucket=bucket, Key="raced", Body=content)
            self.assertIn(self.read(bucket, "raced"), contents)

        self.for_each(contents * 3, put, threads=8)

    def test_objects_are_copied_with_what_belongs_to_them(self):
        bucket, other = self.bucket(), self.bucket()
        self.s3.put_object(Bucket=bucket, Key="a b/\u00fc+", Body=b"x", ContentType="text/x-a",
                           Metadata={"a": "1"}, Tagging="t=1")
        source = {"Bucket": bucket, "Key": "a b/\u00fc+"}
        self.s3.copy_object(CopySource=source, Bucket=other, Key="copy")
        told = self.s3.head_object(Bucket=other, Key="copy")
        self.assertEqual((told["ContentType"], told["Metadata"]), ("text/x-a", {"a": "1"}))
        tags = self.s3.get_object_tagging(Bucket=other, Key="copy")["TagSet"]
        self.assertEqual(tags, [{"Key": "t", "Value": "1"}])
        self.s3.copy_object(CopySource=source, Bucket=other, Key="copy", Metadata={"b": "2"},
                            MetadataDirective="REPLACE", ContentType="text/x-b")
        told = self.s3.head_object(Bucket=other, Key="copy")
        self.assertEqual((told["ContentType"], told["Metadata"]), ("text/x-b", {"b": "2"}))
        self.refused("InvalidRequest", self.s3.copy_object, CopySource=source, **source)
        self.refused("NoSuchKey", self.s3.copy_object, Bucket=other, Key="x",
                     CopySource={"Bucket": bucket, "Key": "nothing"})

    def test_many_are_deleted_at_once_and_deleting_nothing_succeeds(self):
        keys = [f"key {number} <&>\u00fc" for number in range(20)]
        bucket = self.bucket(*keys)
        told = self.s3.delete_objects(Bucket=bucket, Delete={
            "Objects": [{"Key": key} for key in [*keys[:15], "nothing"]]})
        self.assertEqual(sorted(one["Key"] for one in told["Deleted"]),
                         sorted([*keys[:15], "nothing"]))
        self.assertNotIn("Errors", told)
        left = self.s3.list_objects_v2(Bucket=bucket)["Contents"]
        self.assertEqual([one["Key"] for one in left], sorted(keys[15:]))
        told = self.s3.delete_objects(Bucket=bucket, Delete={
            "Objects": [{"Key": key} for key in keys[15:]], "Quiet": True})
        self.assertNotIn("Deleted", told)
        self.s3.delete_object(Bucket=bucket, Key="nothing")
        self.refused("NoSuchKey", self.s3.get_object, Bucket=bucket, Key=keys[0])
        self.refused("404", self.s3.head_object, Bucket=bucket, Key=keys[0])

    def test_checksums_are_kept_and_wrong_ones_refused(self):
        bucket, body = self.bucket(), b"checked" * 1000
        for name, value in (
            ("CRC32", base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()),
            ("SHA256", base64.b64encode(hashlib.sha256(body).digest()).decode()),
            ("SHA1", base64.b64encode(hashlib.sha1(body).digest()).decode()),
            ("CRC32C", None), ("CRC64NVME", None),
        ):
            with self.subTest(name):
                same = {"Bucket": bucket, "Key": name}
                self.s3.put_object(Body=body, ChecksumAlgorithm=name, **same)
                told = self.s3.head_object(ChecksumMode="ENABLED", **same)
                self.assertIn(f"Checksum{name}", told)
                if value is not None:
                    self.assertEqual(told[f"Checksum{name}"], value)
                    self.s3.put_object(Body=body, **{f"Checksum{name}": value}, **same)
                # Reading it, boto3 compares.
                self.assertEqual(self.read(bucket, name, ChecksumMode="ENABLED"), body)
                wrong = base64.b64encode(
                    b"\0" * len(base64.b64decode(told[f"Checksum{name}"]))).decode()
                self.refused("BadDigest", self.s3.put_object, Body=body,
                             **{f"Checksum{name}": wrong}, **same)
                self.assertEqual(self.read(bucket, name), body)
        self.refused("BadDigest", self.s3.put_object, Bucket=bucket, Key="md5", Body=body,
                     ContentMD5=base64.b64encode(b"\0" * 16).decode())
        self.refused("InvalidDigest", self.s3.put_object, Bucket=bucket, Key="md5", Body=body,
                     ContentMD5="nonsense")

    def test_checksums_of_parts_make_one_of_the_whole(self):
        bucket = self.bucket()
        for name in ("CRC32", "SHA256", "CRC64NVME"):
            with self.subTest(name):
                same = {"Bucket": bucket, "Key": name}
                same["UploadId"] = self.s3.create_multipart_upload(
                    ChecksumAlgorithm=name, **same)["UploadId"]
                parts = []
                for number, size in ((1, 5 * MIB), (2, 99)):
                    told = self.s3.upload_part(PartNumber=number, Body=b"x" * size,
                                               ChecksumAlgorithm=name, **same)
                    parts.append({"PartNumber": number, "ETag": told["ETag"],
                                  f"Checksum{name}": told[f"Checksum{name}"]})
                self.s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **same)
                told = self.s3.head_object(Bucket=bucket, Key=name, ChecksumMode="ENABLED")
                kind = "FULL_OBJECT" if name == "CRC64NVME" else "COMPOSITE"
                self.assertEqual(told["ChecksumType"], kind)
                self.assertEqual(told[f"Checksum{name}"].endswith("-2"), kind == "COMPOSITE")

    def test_tags_are_kept(self):
        bucket = self.bucket("a")
        tags = [{"Key": "one", "Value": "1"}, {"Key": "zwei \u00fc", "Value": "a=b&c"}]
        for put, get, delete, more in (
            (self.s3.put_object_tagging, self.s3.get_object_tagging,
             self.s3.delete_object_tagging, {"Key": "a"}),
            (self.s3.put_bucket_tagging, self.s3.get_bucket_tagging,
             self.s3.delete_bucket_tagging, {}),
        ):
            put(Bucket=bucket, Tagging={"TagSet": tags}, **more)
            got = get(Bucket=bucket, **more)["TagSet"]
            self.assertEqual(sorted(got, key=lambda tag: tag["Key"]), tags)
            delete(Bucket=bucket, **more)
        self.assertEqual(self.s3.get_object_tagging(Bucket=bucket, Key="a")["TagSet"], [])
        self.refused("NoSuchTagSet", self.s3.get_bucket_tagging, Bucket=bucket)
        self.refused("InvalidTag", self.s3.put_object_tagging, Bucket=bucket, Key="a",
                     Tagging={"TagSet": [{"Key": "a" * 129, "Value": ""}]})


class Lists(S3Case):
    def test_pages_follow_each_other(self):
        keys = sorted(
            [f"{folder}/{number:03}" for folder in ("a", "b \u00fc") for number in range(25)]
            + ["top", "a", "a/", "\U0001f600", "\uffff"], key=lambda key: key.encode())
        bucket = self.bucket(*keys)
        for name in ("list_objects_v2", "list_objects"):
            for size in (1, 7, 1000):
                pages = self.s3.get_paginator(name).paginate(
                    Bucket=bucket, PaginationConfig={"PageSize": size})
                got = [one["Key"] for page in pages for one in page.get("Contents", [])]
                self.assertEqual(got, keys)
                pages = self.s3.get_paginator(name).paginate(
                    Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size})
                pages = list(pages)
                self.assertEqual(
                    [one["Key"] for page in pages for one in page.get("Contents", [])],
                    [key for key in keys if "/" not in key])
                self.assertEqual(
                    [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", [])],
                    ["a/", "b \u00fc/"])
        told = self.s3.list_objects_v2(Bucket=bucket, Prefix="a/", StartAfter="a/020")
        self.assertEqual([one["Key"] for one in told["Contents"]],
                         [f"a/{number:03}" for number in range(21, 25)])
        self.assertEqual(self.s3.list_objects_v2(Bucket=bucket, Prefix="none")["KeyCount"], 0)
        self.assertEqual(self.s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"], 0)

    def test_versions_are_kept_listed_and_restored(self):
        bucket = self.bucket()
        self.assertNotIn("Status", self.s3.get_bucket_versioning(Bucket=bucket))
        self.s3.put_object(Bucket=bucket, Key="k", Body=b"before")
        self.s3.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        ids = [self.s3.put_object(Bucket=bucket, Key="k", Body=body)["VersionId"]
               for body in (b"one", b"two")]
        self.assertEqual(self.read(bucket, "k"), b"two")
        self.assertEqual(self.read(bucket, "k", VersionId=ids[0]), b"one")
        self.assertEqual(self.read(bucket, "k", VersionId="null"), b"before")
        gone = self.s3.delete_object(Bucket=bucket, Key="k")
        self.assertTrue(gone["DeleteMarker"])
        self.refused("NoSuchKey", self.s3.get_object, Bucket=bucket, Key="k")
        self.assertNotIn("Contents", self.s3.list_objects_v2(Bucket=bucket))
        listed = self.s3.list_object_versions(Bucket=bucket)
        self.assertEqual([one["VersionId"] for one in listed["Versions"]],
                         [ids[1], ids[0], "null"])
        self.assertEqual([one["IsLatest"] for one in listed["DeleteMarkers"]], [True])
        self.refused("MethodNotAllowed", self.s3.get_object, Bucket=bucket, Key="k",
                     VersionId=gone["VersionId"])
        self.s3.delete_object(Bucket=bucket, Key="k", VersionId=gone["VersionId"])
        self.assertEqual(self.read(bucket, "k"), b"two")
        self.s3.delete_object(Bucket=bucket, Key="k", VersionId=ids[1])
        self.assertEqual(self.read(bucket, "k"), b"one")
        self.refused("NoSuchVersion", self.s3.get_object, Bucket=bucket, Key="k",
                     VersionId=ids[1])
        self.refused("BucketNotEmpty", self.s3.delete_bucket, Bucket=bucket)
        self.s3.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
        self.s3.put_object(Bucket=bucket, Key="k", Body=b"null again")
        self.assertEqual(self.read(bucket, "k", VersionId="null"), b"null again")
        self.assertEqual(self.read(bucket, "k", VersionId=ids[0]), b"one")


class Settings(S3Case):
    def test_what_a_bucket_is_set_to_is_told_and_deleted(self):
        bucket = self.bucket()
        policy = json.dumps({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{bucket}/*"}]})
        website = {"IndexDocument": {"Suffix": "index.html"},
                   "ErrorDocument": {"Key": "error.html"}}
        rules = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://a.example.test"],
                  "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60}]
        block = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": False,
                 "RestrictPublicBuckets": False}
        self.refused("NoSuchBucketPolicy", self.s3.get_bucket_policy, Bucket=bucket)
        self.refused("NoSuchWebsiteConfiguration", self.s3.get_bucket_website, Bucket=bucket)
        self.refused("NoSuchCORSConfiguration", self.s3.get_bucket_cors, Bucket=bucket)
        self.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
        self.s3.put_bucket_policy(Bucket=bucket, Policy=policy)
        self.s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=website)
        self.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
        told = self.s3.get_bucket_policy(Bucket=bucket)["Policy"]
        self.assertEqual(json.loads(told), json.loads(policy))
        self.assertTrue(self.s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"])
        told = self.s3.get_bucket_website(Bucket=bucket)
        self.assertEqual({name: told[name] for name in website}, website)
        self.assertEqual(self.s3.get_bucket_cors(Bucket=bucket)["CORSRules"], rules)
        told = self.s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        self.assertEqual(told, block)
        self.s3.delete_bucket_policy(Bucket=bucket)
        self.s3.delete_bucket_website(Bucket=bucket)
        self.s3.delete_bucket_cors(Bucket=bucket)
        self.s3.delete_public_access_block(Bucket=bucket)
        self.refused("NoSuchBucketPolicy", self.s3.get_bucket_policy, Bucket=bucket)
        self.refused("NoSuchPublicAccessBlockConfiguration", self.s3.get_public_access_block,
                     Bucket=bucket)

    def test_a_public_bucket_is_read_by_all_until_that_is_blocked(self):
        bucket = self.bucket("open.txt")
        url = f"{self.url}/{bucket}/open.txt"
        self.assertEqual(self.plain("GET", url).status, 403)
        public = {"BlockPublicAcls": False, "IgnorePublicAcls": False,
                  "BlockPublicPolicy": False, "RestrictPublicBuckets": False}
        self.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=public)
        self.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({
            "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{bucket}/*"}]}))
        self.assertEqual(self.plain("GET", url).body, b"open.txt")
        self.assertEqual(self.plain("PUT", url, b"x").status, 403)
        self.assertEqual(self.plain("GET", f"{self.url}/{bucket}").status, 403)
        self.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={
            **public, "RestrictPublicBuckets": True})
        self.assertEqual(self.plain("GET", url).status, 403)
        self.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={
            **public, "BlockPublicPolicy": True})
        self.refused("AccessDenied", self.s3.put_bucket_policy, Bucket=bucket, Policy=json.dumps({
            "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": "*", "Action": "s3:*",
                "Resource": f"arn:aws:s3:::{bucket}/*"}]}))

    def test_a_policy_that_says_no_counts_for_its_owner_s_users(self):
        bucket = self.bucket("a.txt", "secret/b.txt")
        self.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({
            "Version": "2012-10-17", "Statement": [{
                "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{bucket}/secret/*"}]}))
        self.assertEqual(self.read(bucket, "a.txt"), b"a.txt")
        self.refused("AccessDenied", self.s3.get_object, Bucket=bucket, Key="secret/b.txt")
        self.s3.delete_bucket_policy(Bucket=bucket)
        self.assertEqual(self.read(bucket, "secret/b.txt"), b"secret/b.txt")

    def test_policies_that_make_no_sense_are_refused(self):
        bucket, other = self.bucket(), self.bucket()
        self.s3.delete_public_access_block(Bucket=bucket)
        good = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{bucket}/*"}
        for policy in ("{", "{}", json.dumps({"Version": "2012-10-17", "Statement": []})):
            self.refused("MalformedPolicy", self.s3.put_bucket_policy, Bucket=bucket,
                         Policy=policy)
        for change in ({"Effect": "Maybe"}, {"Resource": f"arn:aws:s3:::{other}/*"},
                       {"Action": "s3:NoSuchThing"}, {"Principal": None}, {"More": "x"}):
            statement = {**good, **change}
            with self.subTest(change):
                self.refused("MalformedPolicy", self.s3.put_bucket_policy, Bucket=bucket,
                             Policy=json.dumps({"Version": "2012-10-17",
                                                "Statement": [statement]}))

    def test_browsers_of_other_sites_are_told_what_they_may(self):
        bucket = self.bucket("a.txt")
        self.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [{
            "AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["https://*.example.test"],
            "AllowedHeaders": ["x-*"], "MaxAgeSeconds": 60}]})
        link = self.s3v4.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": "a.txt"})
        told = self.plain("GET", link, Origin="https://a.example.test")
        self.assertEqual((told.status, told.getheader("Access-Control-Allow-Origin")),
                         (200, "https://a.example.test"))
        told = self.plain("GET", link, Origin="https://elsewhere.test")
        self.assertEqual((told.status, told.getheader("Access-Control-Allow-Origin")), (200, None))
        url = f"{self.url}/{bucket}/a.txt"
        asked = {"Origin": "https://a.example.test", "Access_Control_Request_Method": "PUT",
                 "Access_Control_Request_Headers": "x-one"}
        told = self.plain("OPTIONS", url, **asked)
        self.assertEqual((told.status, told.getheader("Access-Control-Max-Age")), (200, "60"))
        for change in ({"Origin": "https://elsewhere.test"},
                       {"Access_Control_Request_Method": "DELETE"},
                       {"Access_Control_Request_Headers": "authorization"}):
            self.assertEqual(self.plain("OPTIONS", url, **{**asked, **change}).status, 403)

    def test_a_website_has_an_index_an_error_page_and_redirects(self):
        bucket = self.bucket("index.html", "error.html", "docs/index.html", "page.html")
        self.s3.delete_public_access_block(Bucket=bucket)
        self.s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={
            "IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"},
            "RoutingRules": [{"Condition": {"KeyPrefixEquals": "old/"},
                              "Redirect": {"ReplaceKeyPrefixWith": "docs/"}}]})
        host = f"{bucket}.s3-website-us-east-1.amazonaws.com"

        def ask(path):
            return self.plain("GET", self.url + path, Host=host)

        # Who may not list is not told what is not there.
        for actions, missing in ((["s3:GetObject"], 403),
                                 (["s3:GetObject", "s3:ListBucket"], 404)):
            self.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({
                "Version": "2012-10-17", "Statement": [{
                    "Effect": "Allow", "Principal": "*", "Action": action,
                    "Resource": f"arn:aws:s3:::{bucket}" + (
                        "" if action == "s3:ListBucket" else "/*")} for action in actions]}))
            for path, status, body in (
                ("/", 200, b"index.html"), ("/page.html", 200, b"page.html"),
                ("/docs/", 200, b"docs/index.html"), ("/nothing", missing, b"error.html"),
            ):
                told = ask(path)
                self.assertEqual((told.status, told.body), (status, body), path)
        told = ask("/docs")
        self.assertEqual((told.status, told.getheader("Location")), (302, "/docs/"))
        told = ask("/old/page")
        self.assertEqual(told.status, 301)
        self.assertTrue(told.getheader("Location").endswith("/docs/page"))


class Signatures(S3Case):
    def test_presigned_links_read_and_write_what_they_are_for(self):
        bucket, name = self.bucket("get me+\u00fc"), "put me"
        link = self.s3v4.generate_presigned_url("get_object", Params={
            "Bucket": bucket, "Key": "get me+\u00fc", "ResponseContentType": "text/x-told"})
        told = self.plain("GET", link)
        self.assertEqual((told.status, told.body, told.getheader("Content-Type")),
                         (200, "get me+\u00fc".encode(), "text/x-told"))
        self.assertEqual(self.plain("PUT", link, b"x").status, 403)
        self.assertEqual(self.plain("DELETE", link).status, 403)
        self.assertEqual(self.plain("GET", link.replace("x-told", "x-other")).status, 403)
        link = self.s3v4.generate_presigned_url("put_object", Params={
            "Bucket": bucket, "Key": name, "ContentType": "text/x-put"})
        self.assertEqual(self.plain("PUT", link, b"put", Content_Type="text/other").status, 403)
        self.assertEqual(self.plain("PUT", link, b"put", Content_Type="text/x-put").status, 200)
        self.assertEqual(self.read(bucket, name), b"put")
        expired = self.s3v4.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": name}, ExpiresIn=1)
        eventually("the link to expire", lambda: (
            self.plain("GET", expired).status == 403 or time.sleep(0.2)))

    def test_links_of_version_2_are_refused_with_a_word_of_version_4(self):
        """Left alone, boto3 makes such for an endpoint that it does not know."""
        link = self.s3.generate_presigned_url(
            "get_object", Params={"Bucket": self.bucket("a"), "Key": "a"})
        self.assertIn("AWSAccessKeyId=", link)
        told = self.plain("GET", link)
        self.assertIn(told.status, (400, 403))
        self.assertRegex(told.body.decode(), "(?i)version 4|AWS4-HMAC-SHA256|SigV4|s3v4")

    def test_forms_upload_what_their_policy_allows(self):
        bucket = self.bucket()
        form = self.s3v4.generate_presigned_post(
            bucket, "up/${filename}", Fields={"Content-Type": "text/x-form"},
            Conditions=[["starts-with", "$key", "up/"], {"Content-Type": "text/x-form"},
                        ["content-length-range", 1, 10]])

        def send(content, **changes):
            boundary = uuid.uuid4().hex
            lines = []
            for name, value in {**form["fields"], **changes}.items():
                lines += [f"--{boundary}", f'Content-Disposition: form-data; name="{name}"', "",
                          value]
            lines += [f"--{boundary}",
                      'Content-Disposition: form-data; name="file"; filename="a.txt"',
                      "Content-Type: text/plain", "", content, f"--{boundary}--", ""]
            return self.plain("POST", form["url"], "\r\n".join(lines).encode(),
                              Content_Type=f"multipart/form-data; boundary={boundary}")

        told = send("content")
        self.assertEqual(told.status, 204, told.body)
        self.assertEqual(self.read(bucket, "up/a.txt"), b"content")
        self.assertEqual(
            self.s3.head_object(Bucket=bucket, Key="up/a.txt")["ContentType"], "text/x-form")
        for content, changes in (("longer than ten", {}), ("content", {"key": "elsewhere"}),
                                 ("content", {"Content-Type": "text/html"}),
                                 ("content", {"policy": "e30="}), ("", {})):
            with self.subTest(content=content, changes=changes):
                self.assertIn(send(content, **changes).status, (400, 403))
        self.refused("NoSuchKey", self.s3.get_object, Bucket=bucket, Key="elsewhere")

    def test_errors_are_named_as_aws_names_them(self):
        bucket = self.bucket("a")
        for code, call, parameters in (
            ("NoSuchBucket", self.s3.list_objects_v2, {"Bucket": unique("nothing")}),
            ("NoSuchBucket", self.s3.put_object, {"Bucket": unique("nothing"), "Key": "a"}),
            ("NoSuchKey", self.s3.get_object, {"Bucket": bucket, "Key": "nothing"}),
            ("404", self.s3.head_bucket, {"Bucket": unique("nothing")}),
            ("BucketNotEmpty", self.s3.delete_bucket, {"Bucket": bucket}),
            ("NoSuchUpload", self.s3.abort_multipart_upload,
             {"Bucket": bucket, "Key": "a", "UploadId": "nothing"}),
            ("NoSuchVersion", self.s3.get_object,
             {"Bucket": bucket, "Key": "a", "VersionId": "nothing"}),
            ("KeyTooLongError", self.s3.put_object, {"Bucket": bucket, "Key": "k" * 1025}),
        ):
            with self.subTest(code):
                if code == "NoSuchVersion":
                    with self.assertRaises(botocore.exceptions.ClientError) as caught:
                        call(**parameters)
                    told = caught.exception.response["Error"]["Code"]
                    self.assertIn(told, ("NoSuchVersion", "InvalidArgument"))
                else:
                    self.refused(code, call, **parameters)
        wrong = client("s3", self.url, Key(self.key.id, "wrong"))
        self.refused("SignatureDoesNotMatch", wrong.list_buckets)
        nobody = client("s3", self.url, Key("AKIANOBODY0000000000", "x"))
        self.refused("InvalidAccessKeyId", nobody.list_buckets)

    def test_names_of_buckets_are_those_of_aws(self):
        for name in ("ab", "A-capital", "under_score", "-hyphen", "192.168.0.1", "a..b",
                     "x" * 64, "xn--thing", "thing-s3alias"):
            with self.subTest(name):
                try:
                    self.s3.create_bucket(Bucket=name)
                    self.fail(f"{name} was made")
                except botocore.exceptions.ClientError as error:
                    self.assertEqual(error.response["Error"]["Code"], "InvalidBucketName")
                except botocore.exceptions.ParamValidationError:
                    pass

    def test_a_key_may_what_its_policy_says(self):
        bucket = self.bucket("a.txt")
        policy = self.here / "policy.json"
        policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": ["s3:GetObject"],
            "Resource": f"arn:aws:s3:::{bucket}/*"}]}))
        made = self.server.run(
            "keys", "create", "--user", "reader", "--policy", policy, "--output", "json")
        self.assertEqual(made.returncode, 0, made.stderr)
        found = re.search(r"(AKIA[A-Z0-9]+)", made.stdout)
        secret = re.search(r'"Secret[A-Za-z]*": "([^"]+)"', made.stdout)
        self.assertTrue(found and secret, re.sub(r'": "[^"]*"', "", made.stdout))
        reader = client("s3", self.url, Key(found[1], secret[1]))
        same = {"Bucket": bucket, "Key": "a.txt"}
        self.assertEqual(reader.get_object(**same)["Body"].read(), b"a.txt")
        self.refused("AccessDenied", reader.put_object, Body=b"x", **same)
        self.refused("AccessDenied", reader.list_objects_v2, Bucket=bucket)
        self.refused("AccessDenied", reader.list_buckets)
        self.refused("AccessDenied", reader.delete_object, **same)
        self.refused("AccessDenied", reader.delete_bucket, Bucket=bucket)
        self.refused("AccessDenied", reader.get_object, Bucket=bucket, Key="nothing")
        # What the bucket's own policy says of everybody holds as well.
        self.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({
            "Version": "2012-10-17", "Statement": [{
                "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{bucket}/*"}]}))
        self.refused("AccessDenied", reader.get_object, **same)
