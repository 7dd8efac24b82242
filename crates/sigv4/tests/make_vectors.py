#!/usr/bin/env python3
"""Makes vectors.json: requests as AWS's own signers sign them, with a fixed clock and fixed keys.

    pip install 'botocore[crt]'
    python3 make_vectors.py > vectors.json

SigV4 comes from botocore's own signers, where a name says so and for SigV4A from the CRT; a SigV4A
signature is another one each time, so that a new run changes those lines. What is written is what
goes over the wire: the header `Host` that Python's HTTP client adds, and values in UTF-8. Headers
that are not signed and are made by chance or name versions are left out.
"""

import contextlib
import datetime
import hashlib
import io
import json
import sys
from unittest import mock
from urllib.parse import urlsplit

import botocore.auth
import botocore.crt.auth
import botocore.session
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

NOW = datetime.datetime(2026, 3, 1, 12, 34, 56, tzinfo=datetime.timezone.utc)
KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEA//+==" * 4
ARN = "arn%3Aaws%3Acloudfront%3A%3A123456789012%3Akey-value-store%2F6f2c"

CHANCE = {"user-agent", "amz-sdk-invocation-id", "amz-sdk-request"}
OWN_SIGNERS = {
    "v4": botocore.auth.SigV4Auth,
    "v4-query": botocore.auth.SigV4QueryAuth,
    "s3v4": botocore.auth.S3SigV4Auth,
    "s3v4-query": botocore.auth.S3SigV4QueryAuth,
}

vectors = []


def wire(request):
    """A signed AWSRequest as it is sent."""
    prepared = request.prepare() if isinstance(request, AWSRequest) else request
    split = urlsplit(prepared.url)
    headers = [
        (name, value.decode() if isinstance(value, bytes) else value)
        for name, value in request.headers.items()
    ]
    if not any(name.lower() == "host" for name, _ in headers):
        headers.insert(0, ("Host", botocore.auth._host_from_url(prepared.url)))
    body = prepared.body or b""
    body = body.read() if hasattr(body, "read") else body
    body = body.encode() if isinstance(body, str) else body
    return {
        "method": prepared.method,
        "path": split.path or "/",
        "query": split.query,
        "headers": headers,
        "body": body.decode(),
    }


@contextlib.contextmanager
def signing(crt):
    """The fixed clock, and which signers clients use."""
    now = lambda remove_tzinfo=True: NOW
    signers = {} if crt else OWN_SIGNERS
    with mock.patch("botocore.auth.get_current_datetime", now), \
            mock.patch("botocore.crt.auth.get_current_datetime", now), \
            mock.patch.dict(botocore.auth.AUTH_TYPE_MAPS, signers):
        yield


def add(name, signer_class, service, url, *, method="GET", headers=(), data=b"", token=None,
        region="us-east-1", dialect="common", context=None, **arguments):
    """One request, written by hand and signed."""
    request = AWSRequest(method=method, url=url, data=data)
    for field, value in headers:
        request.headers.add_header(field, value)
    request.context.update(context or {})
    signer = signer_class(Credentials(KEY, SECRET, token), service, region, **arguments)
    with signing(crt=True):
        signer.add_auth(request)
    note(name, wire(request), service, dialect, token)


def note(name, sent, service, dialect="common", token=None):
    vectors.append({"name": name, "service": service, "dialect": dialect, "token": token, **sent})


def header(name, url="https://example.amazonaws.com/", service="service", **rest):
    add(name, botocore.auth.SigV4Auth, service, url, **rest)


def s3(name, url, **rest):
    add(name, botocore.auth.S3SigV4Auth, "s3", url, dialect="s3", **rest)


def asymmetric(name, url, signer=botocore.crt.auth.CrtSigV4AsymAuth, **rest):
    service = "cloudfront-keyvaluestore"
    add(name, signer, service, url, **{"region": "*", **rest})


def client(service, endpoint, token=None, **config):
    session = botocore.session.Session()
    session.set_credentials(KEY, SECRET, token)
    return session.create_client(
        service, region_name="us-east-1", endpoint_url=endpoint, config=Config(**config)
    )


def call(name, service, operation, parameters, crt=False, endpoint="http://localhost:4566",
         **config):
    """One request as a client of botocore makes it, from the operation's model."""
    sent = []

    class Sent(Exception):
        pass

    def keep(request, **_):
        sent.append(wire(request))
        raise Sent

    with signing(crt), contextlib.suppress(Sent):
        caller = client(service, endpoint, **config)
        caller.meta.events.register("before-send", keep)
        getattr(caller, operation)(**parameters)
    [one] = sent
    one["headers"] = [field for field in one["headers"] if field[0].lower() not in CHANCE]
    note(name, one, service, "s3" if service == "s3" else "common")


def presigned(name, service, operation, parameters, endpoint, crt=False, token=None):
    """One URL that a client of botocore presigns."""
    method = "PUT" if operation.startswith("put") else "GET"
    version = "s3v4" if service == "s3" else "v4"
    with signing(crt):
        caller = client(service, endpoint, token, signature_version=version)
        url = caller.generate_presigned_url(operation, parameters, 3600, method)
    request = AWSRequest(method=method, url=url)
    note(name, wire(request), service, "s3" if service == "s3" else "common", token)


BASE = "https://example.amazonaws.com"

# Methods and paths.
for method in ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"]:
    header(f"method {method}", method=method)
for name, path in {
    "no path": "",
    "dot": "/./",
    "dots": "/a/../b/./c",
    "dots up to the root": "/a/..",
    "dots beyond the root": "/../../a",
    "double slashes": "//a//b//",
    "trailing slash": "/a/b/",
    "encoded space": "/a%20b",
    "raw utf-8": "/\u1234",
    "encoded utf-8": "/%E1%88%B4",
    "encoded slash": "/a%2Fb",
    "lower-case escape": "/a%2fb",
    "encoded percent": "/100%25",
    "arn": f"/key-value-stores/{ARN}/keys",
    "raw colons": "/tags/arn:aws:lambda:us-east-1:1:function:f",
    "unreserved": "/-._~0123456789ABCZabcz",
    "sub-delimiters": "/!$&'()*+,;=@",
}.items():
    header(f"path {name}", BASE + path)

# Queries.
for name, query in {
    "two in order": "Param1=value1&Param2=value2",
    "two out of order": "Param2=value2&Param1=value1",
    "repeated name": "a=2&a=1&a=10",
    "same name and value": "a=1&a=1",
    "empty value": "a=&b=1",
    "name without value": "WithTags&Operation",
    "name that begins another": "a-b=1&a=2&a.b=3&a1=4",
    "encoded plus": "a=b%2Bc",
    "encoded space": "a=b%20c",
    "encoded equals": "a=b%3Dc",
    "encoded ampersand": "a=b%26c",
    "encoded slash": f"Resource={ARN}",
    "encoded utf-8": "%E1%88%B4=%C3%A9",
    "unreserved": "-._~a=-._~a",
    "upper and lower case": "b=1&B=2&a=3&A=4",
}.items():
    header(f"query {name}", f"{BASE}/?{query}")

# Headers.
for name, headers in {
    "one": [("My-Header1", "value1")],
    "inner spaces": [("My-Header1", "  a   b   c  ")],
    "quoted inner spaces": [("My-Header1", '"a   b   c"')],
    "inner tab": [("My-Header1", "a\t b")],
    "empty": [("My-Header1", "")],
    "repeated": [("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")],
    "repeated in another case": [("My-Header1", "b"), ("my-header1", " a  c ")],
    "utf-8": [("My-Header1", "\u1234 caf\u00e9")],
    "not signed": [("User-Agent", "x"), ("Expect", "100-continue"), ("X-Amzn-Trace-Id", "y")],
    "host with port": [("Host", "localhost:4566")],
    "date instead of x-amz-date": [("Date", "replaced")],
    "content hash": [("X-Amz-Content-SHA256", hashlib.sha256(b"").hexdigest())],
    "if-match": [("If-Match", "E2QWRUHAPOMQZL")],
}.items():
    header(f"header {name}", headers=headers)
header("port that is not the scheme's", "http://localhost:4566/")
header("port of the scheme", "https://localhost:443/")
header("ipv6 host", "http://[::1]:4566/")
header("session token", token=TOKEN)
header("another region", region="eu-central-1", service="wafv2")

# Bodies.
FORM = [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")]
header("body form", method="POST", headers=FORM, data="Action=GetCallerIdentity&Version=2011-06-15")
header("body utf-8", method="PUT", data="caf\u00e9 \u1234")
header("body stream", method="PUT", data=io.BytesIO(b"seekable"))

# S3.
S3 = "http://bucket.localhost:4566"
s3("s3 get", S3 + "/key")
s3("s3 path as sent", S3 + "//a/../b%20c%2Fd/./e~+()")
s3("s3 put", S3 + "/key", method="PUT", data=b"content")
s3("s3 unsigned payload", "https://bucket.localhost/key", method="PUT", data=b"content",
   headers=[("Content-MD5", "mgNkuembtIDdJeHwKEyFVQ==")],
   context={"has_streaming_input": True})

# Presigned URLs.

def query_auth(name, url=BASE + "/", **rest):
    add(name, botocore.auth.SigV4QueryAuth, "service", url, **rest)


query_auth("presigned")
query_auth("presigned with parameters", BASE + "/a?b=c%20d&A=%2B&e=")
query_auth("presigned for a week", expires=604800)
query_auth("presigned for a second", expires=1)
query_auth("presigned with a token", token=TOKEN)
query_auth("presigned with headers", headers=[("My-Header1", "a  b")])
LOCAL = "http://localhost:4566"
presigned("presigned cloudfront", "cloudfront", "get_distribution", {"Id": "E123"}, LOCAL)
presigned("presigned cloudfront list", "cloudfront", "list_distributions", {"MaxItems": "3"}, LOCAL)
presigned("presigned sts", "sts", "get_caller_identity", {}, LOCAL)
BUCKET = {"Bucket": "bucket", "Key": "a b/\u00e9+(c)//./d"}
presigned("presigned s3", "s3", "get_object", BUCKET, LOCAL)
presigned("presigned s3 by the crt", "s3", "get_object", BUCKET, LOCAL, crt=True)
presigned("presigned s3 with a token", "s3", "put_object", BUCKET, LOCAL, token=TOKEN)

# Whole clients.
call("cloudfront list", "cloudfront", "list_distributions", {"Marker": "a/b c+d", "MaxItems": "2"})
call("cloudfront tags", "cloudfront", "list_tags_for_resource",
     {"Resource": "arn:aws:cloudfront::123456789012:distribution/E123"})
call("cloudfront tag", "cloudfront", "tag_resource",
     {"Resource": "arn:aws:cloudfront::123456789012:distribution/E123",
      "Tags": {"Items": [{"Key": "caf\u00e9", "Value": "a b"}]}})
call("cloudfront delete", "cloudfront", "delete_distribution", {"Id": "E1", "IfMatch": "E2QW"})
call("cloudfront invalidate", "cloudfront", "create_invalidation",
     {"DistributionId": "E1", "InvalidationBatch": {
         "Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": "1"}})
call("sts identity", "sts", "get_caller_identity", {})
call("iam user", "iam", "get_user", {})
call("route53 zone", "route53", "get_hosted_zone", {"Id": "/hostedzone/Z1"})
call("lambda tags", "lambda", "list_tags",
     {"Resource": "arn:aws:lambda:us-east-1:123456789012:function:f"})
call("acm list", "acm", "list_certificates", {})
call("wafv2 list", "wafv2", "list_web_acls", {"Scope": "CLOUDFRONT"})
call("s3 object", "s3", "get_object", BUCKET, s3={"addressing_style": "path"})
call("s3 object by the crt", "s3", "get_object", BUCKET, crt=True, s3={"addressing_style": "path"})
call("cloudfront tags by the crt", "cloudfront", "list_tags_for_resource",
     {"Resource": "arn:aws:cloudfront::123456789012:distribution/E123"}, crt=True)
call("route53 zone by the crt", "route53", "get_hosted_zone", {"Id": "Z1"}, crt=True)

# SigV4A.
KVS = "http://123456789012.localhost:4566"
asymmetric("sigv4a describe", f"{KVS}/key-value-stores/{ARN}")
asymmetric("sigv4a list", f"{KVS}/key-value-stores/{ARN}/keys?MaxResults=10&NextToken=a%2Fb%3D")
asymmetric("sigv4a put", f"{KVS}/key-value-stores/{ARN}/keys/a%2Fb%20c", method="PUT",
           headers=[("If-Match", "KV1"), ("Content-Type", "application/json")],
           data='{"Value": "caf\u00e9"}')
asymmetric("sigv4a with a token", f"{KVS}/key-value-stores/{ARN}", token=TOKEN)
asymmetric("sigv4a two regions", f"{KVS}/a/./b//c", region="eu-west-1,us-east-1")
asymmetric("sigv4a presigned", f"{KVS}/key-value-stores/{ARN}",
           signer=botocore.crt.auth.CrtSigV4AsymQueryAuth, expires=60)

document = {
    "now": int(NOW.timestamp()),
    "access_key_id": KEY,
    "secret": SECRET,
    "vectors": vectors,
}
json.dump(document, sys.stdout, indent=1, ensure_ascii=False)
sys.stdout.write("\n")
