"""Origin access control before two kinds of bucket: the installation's own, and one of Ceph's
object gateway. Both verify signatures; the same distribution gets the same from both."""

import hashlib
import http.client
import json
import unittest
from contextlib import closing
from urllib.parse import quote

import boto3
import ceph
from aws_case import CACHING_DISABLED, CACHING_OPTIMIZED, Key, client, fetch, quantified, unique
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from private_case import PrivateCase, raw

from processes import eventually

ALL_VIEWER_EXCEPT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
BUCKET = "pictures"
KEYS = (
    "plain.txt", "with space.txt", "two  spaces", " leading", "plus+plus.txt", "ü/€/日本.txt",
    "folder/", "a//b", "//a", "percent%2Fslash", "percent%", "percent%zz", "a%20b c+d",
    "question?mark=1&x", "hash#mark", "semi;colon", "colon:at@", "(paren)'*!", "tilde~_-.",
    "a=b&c", "back\\slash", "dots/./x", "dots/../y", "..", "../up", "brackets[]{}|^`",
    'quote"mark', "<angle>", "comma,dollar$", "\u00a0nbsp", "\U0001f600", "%E2%82%AC", "a/b%2F/c",
)
CONTENT = b"0123456789abcdefghijklmnopqrstuvwxyz"


def oac(case, behavior="always", kind="s3"):
    """The id of a new origin access control."""
    return case.cloudfront.create_origin_access_control(OriginAccessControlConfig={
        "Name": unique("oac"), "SigningProtocol": "sigv4", "SigningBehavior": behavior,
        "OriginAccessControlOriginType": kind})["OriginAccessControl"]["Id"]


class Buckets(PrivateCase):
    """What is asked of every kind of bucket."""

    # More queries than every kind takes.
    QUERIES = ()

    @classmethod
    def set_up(cls):
        cls.start_server()
        cls.s3 = cls.make_s3()
        cls.s3.create_bucket(Bucket=BUCKET)
        for key in KEYS:
            cls.s3.put_object(Bucket=BUCKET, Key=key, Body=b"at " + key.encode())
        cls.s3.put_object(Bucket=BUCKET, Key="digits", Body=CONTENT, ContentType="text/x-digits",
                          CacheControl="max-age=60", Metadata={"colour": "blue"})
        cls.sites = {}

    def site(self, access="always", cached=False):
        """The name of a distribution in front of the bucket, made once for each kind."""
        kind = (access, cached)
        if kind not in self.sites:
            control = oac(self, access) if access else ""
            made = self.make_site(self.origin_of(control), cached)
            self.sites[kind] = made["DomainName"]
        return self.sites[kind]

    def make_site(self, origin, cached=False, **changes):
        caching = {"CachePolicyId": CACHING_OPTIMIZED} if cached else {
            "CachePolicyId": CACHING_DISABLED, "OriginRequestPolicyId": ALL_VIEWER_EXCEPT_HOST}
        made = self.make_distribution(
            Origins=quantified({"Id": "origin", **origin}),
            DefaultCacheBehavior=self.behavior(**caching), **changes)
        self.permit(made["ARN"])
        return made

    def permit(self, arn):
        """Lets a distribution in, where a policy of the bucket says who may."""

    def test_objects_are_read_by_any_key(self):
        for key in KEYS:
            for path in {"/" + quote(key, safe="/"), "/" + quote(key, safe="/!'()*~+,;:@$&=")}:
                for cached in (False, True):
                    with self.subTest(key=key, path=path, cached=cached):
                        seen = self.get(self.site(cached=cached), path)
                        self.assertEqual((seen.status, seen.body), (200, f"at {key}"))

    def test_what_is_not_there_is_404(self):
        for path in ("/nothing", "/nothing%20at+all", "/Plain.txt", "/plain.txt/"):
            for cached in (False, True):
                seen = self.get(self.site(cached=cached), path)
                self.assertEqual(seen.status, 404, seen)
                self.assertIn("<Code>NoSuchKey</Code>", seen.body)
                self.assertEqual(self.get(self.site(), path, method="HEAD").status, 404)

    def test_parts_are_read(self):
        for cached in (False, True):
            site = self.site(cached=cached)
            for wanted, part, told in (
                ("bytes=0-3", CONTENT[:4], "bytes 0-3/36"),
                ("bytes=30-", CONTENT[30:], "bytes 30-35/36"),
                ("bytes=-2", CONTENT[-2:], "bytes 34-35/36"),
                ("bytes=30-900", CONTENT[30:], "bytes 30-35/36"),
            ):
                with self.subTest(wanted=wanted, cached=cached):
                    seen = self.get(site, "/digits", Range=wanted)
                    self.assertEqual((seen.status, seen.body.encode()), (206, part), seen)
                    self.assertEqual(seen.field("Content-Range"), told)
            self.assertEqual(self.get(site, "/digits", Range="bytes=36-").status, 416)
            whole = self.get(site, "/digits")
            self.assertEqual((whole.status, whole.body.encode()), (200, CONTENT))

    def test_conditions_are_kept(self):
        etag = f'"{hashlib.md5(CONTENT).hexdigest()}"'
        for cached in (False, True):
            site = self.site(cached=cached)
            since = self.get(site, "/digits").field("Last-Modified")
            for headers, status in (
                ({"If_None_Match": etag}, 304), ({"If_None_Match": '"other"'}, 200),
                ({"If_Match": etag}, 200), ({"If_Match": '"other"'}, 412),
                ({"If_Modified_Since": since}, 304), ({"If_Unmodified_Since": since}, 200),
                ({"If_Unmodified_Since": "Wed, 21 Oct 2015 07:28:00 GMT"}, 412),
                ({"If_Modified_Since": "Wed, 21 Oct 2015 07:28:00 GMT"}, 200),
                ({"If_Range": etag, "Range": "bytes=0-3"}, 206),
            ):
                with self.subTest(headers=headers, cached=cached):
                    self.assertEqual(self.get(site, "/digits", **headers).status, status)

    def test_heads_are_those_of_the_object(self):
        for cached in (False, True):
            for method in ("GET", "HEAD"):
                seen = self.get(self.site(cached=cached), "/digits", method=method)
                self.assertEqual(seen.status, 200, seen)
                for name, value in (
                    ("Content-Type", "text/x-digits"), ("Cache-Control", "max-age=60"),
                    ("x-amz-meta-colour", "blue"), ("Content-Length", "36"),
                    ("ETag", f'"{hashlib.md5(CONTENT).hexdigest()}"'),
                ):
                    self.assertEqual(seen.field(name), value, seen)

    def test_queries_are_signed_as_they_are_sent(self):
        """What is not a query of S3 means nothing to it, but it is part of the signature."""
        for asked in (*self.QUERIES, "a=b", "b=2&a=1", "a", "a=&b", "a=%2B+c", "a=%20", "x=a/b?c",
                      "%C3%BC=%E2%82%AC", "a=b=c", "&a&", "Z=1&a=2&_=3", "a=~-._", "a=%7E",
                      "a=%", "a=%zz", "a=*'()!", "A=%41"):
            with self.subTest(asked):
                seen = self.get(self.site(), f"/plain.txt?{asked}")
                self.assertEqual((seen.status, seen.body), (200, "at plain.txt"), seen)
        seen = self.get(self.site(), "/plain.txt?response-content-type=text%2Fx-told")
        self.assertEqual((seen.status, seen.field("Content-Type")), (200, "text/x-told"), seen)

    def test_objects_are_put_and_deleted_through_the_edge(self):
        for number, key in enumerate(KEYS[:6] + ("a//b", "percent%2Fslash")):
            path = "/up/" + quote(key, safe="/")
            body = f"body {number}".encode()
            for more in ({}, {"x-amz-content-sha256": hashlib.sha256(body).hexdigest()}):
                with self.subTest(key=key, more=more):
                    seen = self.send("PUT", path, body, **{"Content-Type": "text/x-up", **more})
                    self.assertEqual(seen.status, 200, seen)
                    got = self.s3.get_object(Bucket=BUCKET, Key=f"up/{key}")
                    self.assertEqual(got["Body"].read(), body)
                    self.assertEqual(got["ContentType"], "text/x-up")
                    self.assertEqual(self.get(self.site(), path).body.encode(), body)
            self.assertEqual(self.send("DELETE", path).status, 204)
            self.assertEqual(self.get(self.site(), path).status, 404)

    def test_megabytes_are_put_whole(self):
        body = bytes(range(256)) * 4096 * 9
        seen = self.send("PUT", "/up/large", body)
        self.assertEqual(seen.status, 200, seen)
        self.assertEqual(seen.field("ETag"), f'"{hashlib.md5(body).hexdigest()}"')
        got = self.s3.get_object(Bucket=BUCKET, Key="up/large")["Body"].read()
        self.assert_same_bytes(got, body, "up/large")

    def test_a_body_that_is_not_what_its_digest_says_is_refused(self):
        seen = self.send(
            "PUT", "/up/forged", b"forged",
            **{"x-amz-content-sha256": hashlib.sha256(b"other").hexdigest()})
        self.assertEqual(seen.status, 400, seen)
        self.assertEqual(self.get(self.site(), "/up/forged").status, 404)

    def test_without_a_signature_there_is_nothing(self):
        for access in ("never", None):
            for path in ("/plain.txt", "/nothing"):
                seen = self.get(self.site(access), path)
                self.assertEqual(seen.status, 403, seen)
                self.assertIn("<Code>AccessDenied</Code>", seen.body)
            self.assertEqual(self.send("PUT", "/up/never", b"x", site=self.site(access)).status, 403)

    def test_a_viewer_s_own_signature_gives_way_where_it_always_signs(self):
        for value in ("Bearer of nothing", "Basic YTpi",
                      "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, "
                      "SignedHeaders=host, Signature=00"):
            seen = self.get(self.site(), "/plain.txt", Authorization=value,
                            x_amz_date="20200101T000000Z", x_amz_security_token="none",
                            x_amz_content_sha256="0" * 64)
            self.assertEqual((seen.status, seen.body), (200, "at plain.txt"), seen)

    def test_a_viewer_s_own_signature_passes_where_it_has_precedence(self):
        site = self.site("no-override")
        self.assertEqual(self.get(site, "/plain.txt").status, 200)
        for secret, status in ((self.key.secret, 200), (f"{self.key.secret}x", 403)):
            request = AWSRequest("GET", self.origin_url("plain.txt"))
            S3SigV4Auth(Credentials(self.key.id, secret), "s3", "us-east-1").add_auth(request)
            seen = fetch(self.server.http_port, site, "/plain.txt", dict(request.headers.items()))
            self.assertEqual(seen.status, status, seen)

    def send(self, method, path, body=b"", site=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http_port, timeout=60)
        with closing(connection):
            connection.request(
                method, path, body=body, headers={"Host": site or self.site(), **headers})
            answer = connection.getresponse()
            answer.body = answer.read().decode("utf-8", "replace")
            answer.field = answer.getheader
            return answer


class OfCeph(Buckets):
    """`localhost` is the same gateway by another name, and with a wrong secret."""

    @classmethod
    def set_up(cls):
        lacking = ceph.missing()
        if lacking:
            raise unittest.SkipTest(f"no {', '.join(lacking)} (Debian: radosgw, ceph-mon, "
                                    "ceph-osd, ceph-common)")
        cls.key = Key("CEPHTESTS", "of-ceph/tests+1")
        cls.gateway = cls.start(ceph.Gateway(
            cls.directory("ceph"), cls.key.id, cls.key.secret))
        cls.SETTINGS = (
            '[origin_keys]\n'
            f'"127.0.0.1" = "us-east-1 {cls.key.id} {cls.key.secret}"\n'
            f'"localhost" = "us-east-1 {cls.key.id} {cls.key.secret}x"\n')
        super().set_up()

    @classmethod
    def make_s3(cls):
        return client("s3", cls.gateway.url, cls.key, s3={"addressing_style": "path"})

    def origin_of(self, control, name="127.0.0.1", path=f"/{BUCKET}"):
        return {
            "DomainName": name, "OriginPath": path, "OriginAccessControlId": control,
            "CustomOriginConfig": {"HTTPPort": self.gateway.port, "HTTPSPort": 443,
                                   "OriginProtocolPolicy": "http-only"}}

    def origin_url(self, key):
        return f"http://127.0.0.1:{self.gateway.port}/{BUCKET}/{quote(key)}"

    def test_ceph_refuses_a_wrong_secret(self):
        site = self.make_site(self.origin_of(oac(self), "localhost"))["DomainName"]
        seen = self.get(site, "/plain.txt")
        self.assertEqual(seen.status, 403, seen)
        self.assertIn("<Code>SignatureDoesNotMatch</Code>", seen.body)

    def test_an_origin_whose_key_is_not_set_is_not_asked(self):
        site = self.make_site(self.origin_of(oac(self), "127.0.0.2"))["DomainName"]
        seen = self.get(site, "/plain.txt")
        self.assertEqual(seen.status, 502, seen)
        self.assertIn("127.0.0.2", self.server.log())
        self.assertNotIn(self.key.secret, self.server.log())


class OfOurs(Buckets):
    """An embedded bucket, whose policy says which distributions may read it."""

    # Ceph forgets one of two before it verifies.
    QUERIES = ("a=1&a=2",)

    @classmethod
    def make_s3(cls):
        cls.key = cls.server.key
        cls.arns = []
        return cls.server.client("s3", s3={"addressing_style": "path"})

    def origin_of(self, control, path=""):
        return {"DomainName": f"{BUCKET}.s3.us-east-1.amazonaws.com", "OriginPath": path,
                "OriginAccessControlId": control, "S3OriginConfig": {"OriginAccessIdentity": ""}}

    def origin_url(self, key):
        return f"http://{BUCKET}.s3.us-east-1.amazonaws.com/{quote(key)}"

    def permit(self, arn):
        self.arns.append(arn)
        self.put_policy(self.arns)

    def put_policy(self, arns, actions=("s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
                   listing=True):
        condition = {"StringEquals": {"AWS:SourceArn": arns}}
        statement = {"Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"},
                     "Condition": condition}
        statements = [{**statement, "Action": list(actions),
                       "Resource": f"arn:aws:s3:::{BUCKET}/*"}]
        if listing:
            statements.append({**statement, "Action": "s3:ListBucket",
                               "Resource": f"arn:aws:s3:::{BUCKET}"})
        self.s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(
            {"Version": "2012-10-17", "Statement": statements}))

    def test_who_asks_directly_is_refused(self):
        for path, host in ((f"/{BUCKET}/plain.txt", "127.0.0.1"),
                           ("/plain.txt", f"{BUCKET}.s3.us-east-1.amazonaws.com"),
                           ("/plain.txt", f"{BUCKET}.s3.amazonaws.com")):
            for method in ("GET", "HEAD", "PUT", "DELETE"):
                seen = raw(self.server.api_port, [
                    f"{method} {path} HTTP/1.1", f"Host: {host}", "Content-Length: 0"])
                self.assertEqual(seen.status, 403, seen)
        self.assertEqual(self.s3.get_object(Bucket=BUCKET, Key="plain.txt")["Body"].read(),
                         b"at plain.txt")

    def test_another_distribution_is_refused(self):
        allowed = self.site()
        other = self.make_distribution(
            Origins=quantified({"Id": "origin", **self.origin_of(oac(self))}),
            DefaultCacheBehavior=self.behavior(CachePolicyId=CACHING_DISABLED))["DomainName"]
        self.assertEqual(self.get(allowed, "/plain.txt").status, 200)
        seen = self.get(other, "/plain.txt")
        self.assertEqual(seen.status, 403, seen)
        self.assertIn("<Code>AccessDenied</Code>", seen.body)

    def test_without_leave_to_list_what_is_not_there_is_403(self):
        site = self.site()
        self.put_policy(self.arns, listing=False)
        try:
            self.assertEqual(self.get(site, "/nothing").status, 403)
            self.assertEqual(self.get(site, "/plain.txt").status, 200)
        finally:
            self.put_policy(self.arns)
        self.assertEqual(self.get(site, "/nothing").status, 404)

    def test_who_may_read_may_not_write(self):
        site = self.site()
        self.put_policy(self.arns, actions=["s3:GetObject"])
        try:
            self.assertEqual(self.send("PUT", "/up/refused", b"x").status, 403)
            self.assertEqual(self.send("DELETE", "/plain.txt").status, 403)
            self.assertEqual(self.get(site, "/plain.txt").status, 200)
        finally:
            self.put_policy(self.arns)

    def test_an_identity_reads_what_it_may(self):
        made = self.cloudfront.create_cloud_front_origin_access_identity(
            CloudFrontOriginAccessIdentityConfig={
                "CallerReference": unique("oai"), "Comment": ""})["CloudFrontOriginAccessIdentity"]
        origin = {
            "Id": "origin", "DomainName": f"{BUCKET}.s3.us-east-1.amazonaws.com",
            "S3OriginConfig": {
                "OriginAccessIdentity": f"origin-access-identity/cloudfront/{made['Id']}"}}
        site = self.make_distribution(
            Origins=quantified(origin),
            DefaultCacheBehavior=self.behavior(CachePolicyId=CACHING_DISABLED))["DomainName"]
        self.assertEqual(self.get(site, "/plain.txt").status, 403)
        self.site()
        principals = (
            {"AWS": "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity "
                    + made["Id"]},
            {"CanonicalUser": made["S3CanonicalUserId"]},
        )
        for principal in principals:
            with self.subTest(principal):
                self.s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({
                    "Version": "2012-10-17", "Statement": [{
                        "Effect": "Allow", "Principal": principal, "Action": "s3:GetObject",
                        "Resource": f"arn:aws:s3:::{BUCKET}/*"}]}))
                seen = self.get(site, "/plain.txt")
                self.assertEqual((seen.status, seen.body), (200, "at plain.txt"), seen)
                self.put_policy(self.arns)
                self.assertEqual(self.get(site, "/plain.txt").status, 403)

    def test_a_folder_of_the_bucket_may_be_the_origin(self):
        self.s3.put_object(Bucket=BUCKET, Key="release 1/index.html", Body=b"one")
        made = self.make_site(self.origin_of(oac(self), "/release%201"),
                              DefaultRootObject="index.html")
        for path in ("/", "/index.html"):
            seen = self.get(made["DomainName"], path)
            self.assertEqual((seen.status, seen.body), (200, "one"), seen)

    def test_public_access_that_is_blocked_does_not_block_distributions(self):
        site = self.site()
        self.s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration={
            "BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True})
        try:
            self.assertEqual(self.get(site, "/plain.txt").status, 200)
            self.put_policy(self.arns)
            self.assertFalse(
                self.s3.get_bucket_policy_status(Bucket=BUCKET)["PolicyStatus"]["IsPublic"])
        finally:
            self.s3.delete_public_access_block(Bucket=BUCKET)

    def test_a_request_that_is_signed_by_hand_in_a_distribution_s_name_is_refused(self):
        """Its access key id is no secret; only the secret is."""
        self.site()
        distribution = self.arns[0].rsplit("/", 1)[1]
        impostor = boto3.client(
            "s3", endpoint_url=self.server.url, region_name="us-east-1",
            aws_access_key_id=f"CFOAC{distribution}", aws_secret_access_key="guessed",
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}))
        self.refused("SignatureDoesNotMatch", impostor.get_object, Bucket=BUCKET, Key="plain.txt")
        nobody = Key(f"CFOAC{'E' + 'X' * 13}", "guessed")
        with self.assertRaises(Exception):
            client("s3", self.server.url, nobody).get_object(Bucket=BUCKET, Key="plain.txt")

    def test_a_bucket_that_is_made_later_is_found(self):
        name = unique("later")
        made = self.make_distribution(
            Origins=quantified({
                "Id": "origin", "DomainName": f"{name}.s3.us-east-1.amazonaws.com",
                "OriginAccessControlId": oac(self),
                "S3OriginConfig": {"OriginAccessIdentity": ""}}),
            DefaultCacheBehavior=self.behavior(CachePolicyId=CACHING_DISABLED))
        self.s3.create_bucket(Bucket=name)
        self.s3.put_object(Bucket=name, Key="x", Body=b"later")
        self.s3.put_bucket_policy(Bucket=name, Policy=json.dumps({
            "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"},
                "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*",
                "Condition": {"StringEquals": {"aws:SourceArn": made["ARN"]}}}]}))
        seen = eventually("the bucket to be found", lambda: (
            lambda seen: seen if seen.status == 200 else None)(
                self.get(made["DomainName"], "/x")))
        self.assertEqual(seen.body, "later")


def load_tests(loader, _standard, _pattern):
    """Those of kinds of buckets, and not what they have in common."""
    return unittest.TestSuite(
        loader.loadTestsFromTestCase(kind) for kind in (OfCeph, OfOurs))
