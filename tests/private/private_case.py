"""A running server with private behaviors, keys whose public halves it knows, and an origin that
tells a secret at every path."""

import base64
import contextlib
import http.client
import json
import socket
import threading
import time

from authority import key_pem, new_key
from aws_case import CACHING_OPTIMIZED, Origin, Seen, quantified, unique
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from https_case import HttpsCase, HttpsServer

HASHES = {"SHA1": hashes.SHA1, "SHA256": hashes.SHA256}
ALL_METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"]
SECRET = "the secret at"


class SecretOrigin(Origin):
    """Answers `the secret at PATH, N`; what lies below /slow/ waits until `gate` is set."""

    def __init__(self, **headers):
        self.gate = threading.Event()
        super().__init__(**{"ETag": '"1"', "Content-Type": "text/plain",
                            "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT", **headers})

    def answer(self, request):
        told = super().answer(request)
        if "/slow/" in request.path:
            self.gate.wait(20)
        return f"{SECRET} {told}"

    def paths(self):
        with self.lock:
            return [path for path, _ in self.requests]


class Pair:
    """A key pair; `id` is what CloudFront calls it, once it knows it."""

    def __init__(self, kind="rsa"):
        self.private = new_key(kind)
        self.pem = key_pem(self.private)
        self.public_pem = self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        self.id = self.group = None

    def sign(self, message, algorithm="SHA1"):
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            return self.private.sign(message, ec.ECDSA(HASHES[algorithm]()))
        return self.private.sign(message, padding.PKCS1v15(), HASHES[algorithm]())


def encoded(content):
    """Base64 as CloudFront has it in URLs."""
    return base64.b64encode(content).decode().translate(str.maketrans("+=/", "-_~"))


def in_secs(secs):
    return int(time.time()) + secs


def policy_of(resource, until=None, since=None, ip=None):
    """A custom policy, as JSON; without a resource for None."""
    condition = {"DateLessThan": {"AWS:EpochTime": until or in_secs(600)}}
    if since is not None:
        condition["DateGreaterThan"] = {"AWS:EpochTime": since}
    if ip is not None:
        condition["IpAddress"] = {"AWS:SourceIp": ip}
    statement = {"Condition": condition}
    if resource is not None:
        statement = {"Resource": resource, **statement}
    return json.dumps({"Statement": [statement]}, separators=(",", ":"))


def custom(pair, policy, algorithm="SHA1"):
    """The parameters of a custom policy, made by hand."""
    policy = policy.encode()
    made = {"Policy": encoded(policy), "Signature": encoded(pair.sign(policy, algorithm)),
            "Key-Pair-Id": pair.id}
    return made if algorithm == "SHA1" else {**made, "Hash-Algorithm": algorithm}


def canned(pair, url, until=None, algorithm="SHA1"):
    """The parameters of a canned policy, made by hand."""
    until = until or in_secs(600)
    policy = ('{"Statement":[{"Resource":"%s","Condition":{"DateLessThan":'
              '{"AWS:EpochTime":%d}}}]}' % (url, until))
    made = {"Expires": str(until), "Signature": encoded(pair.sign(policy.encode(), algorithm)),
            "Key-Pair-Id": pair.id}
    return made if algorithm == "SHA1" else {**made, "Hash-Algorithm": algorithm}


def query(parameters):
    return "&".join(f"{name}={value}" for name, value in parameters.items())


def cookies(parameters):
    """The field that presents them as cookies."""
    return "; ".join(f"CloudFront-{name}={value}" for name, value in parameters.items())


def raw(port, head, body=b"", context=None, name=None):
    """What a server answers to those bytes; `head` has lines without their ends."""
    stream = socket.create_connection(("127.0.0.1", port), timeout=30)
    if context is not None:
        stream = context.wrap_socket(stream, server_hostname=name)
    with contextlib.closing(stream):
        lines = head if isinstance(head, list) else [head]
        content = b"\r\n".join(
            line if isinstance(line, bytes) else line.encode("latin-1") for line in lines)
        stream.sendall(content + b"\r\nConnection: close\r\n\r\n" + body)
        method = content.split(b" ", 1)[0].decode()
        response = http.client.HTTPResponse(stream, method=method)
        response.begin()
        return Seen(response)


class PrivateCase(HttpsCase):
    """Each class has a server and an origin of its own, and keys: `pair` is trusted, `stranger` is
    known to the server and in no key group, `unknown` is known to nobody."""

    SETTINGS = ""

    @classmethod
    def set_up(cls):
        cls.start_server()
        cls.pair, cls.stranger, cls.unknown = Pair(), Pair(), Pair()
        cls.trust(cls.pair)
        cls.stranger.id = cls.public_key(cls.stranger)
        cls.unknown.id = "K00000000000"

    @classmethod
    def start_server(cls):
        cls.origin = cls.start(SecretOrigin())
        flags = list(cls.FLAGS)
        if cls.SETTINGS:
            settings = cls.directory("settings") / "warmfront.toml"
            settings.write_text(cls.SETTINGS)
            flags += ["--config", settings]
        cls.server = cls.start(HttpsServer(cls.directory("server"), *flags))
        cls.cloudfront, cls.acm = cls.server.client(), cls.server.client("acm")
        cls.root = cls.server.write_root(cls.here / "root.pem")

    @classmethod
    def public_key(cls, pair):
        made = cls.cloudfront.create_public_key(PublicKeyConfig={
            "CallerReference": unique("key"), "Name": unique("key"),
            "EncodedKey": pair.public_pem})
        return made["PublicKey"]["Id"]

    @classmethod
    def trust(cls, *pairs):
        """A new key group of those pairs; its id."""
        for pair in pairs:
            pair.id = pair.id or cls.public_key(pair)
        group = cls.cloudfront.create_key_group(KeyGroupConfig={
            "Name": unique("group"), "Items": [pair.id for pair in pairs]})["KeyGroup"]["Id"]
        for pair in pairs:
            pair.group = group
        return group

    def behavior(self, *groups, **changes):
        """A behavior that is opened by keys of those groups, and caches by path alone."""
        return {
            "TargetOriginId": "origin", "ViewerProtocolPolicy": "allow-all",
            "CachePolicyId": CACHING_OPTIMIZED,
            "AllowedMethods": {**quantified(*ALL_METHODS),
                               "CachedMethods": quantified("GET", "HEAD")},
            **({"TrustedKeyGroups": {"Enabled": True, **quantified(*groups)}} if groups else {}),
            **changes,
        }

    def private_site(self, *aliases, private="/private/*", **changes):
        """A distribution of those names, private where that pattern matches; its first name."""
        aliases = aliases or (f"{unique('www')}.example.test",)
        behaviors = {"DefaultCacheBehavior": self.behavior()}
        if private == "*":
            behaviors = {"DefaultCacheBehavior": self.behavior(self.pair.group)}
        elif private:
            behaviors["CacheBehaviors"] = quantified(
                self.behavior(self.pair.group, PathPattern=private))
        type(self).made = self.make_distribution(
            **{"Aliases": quantified(*aliases), **behaviors, **changes})
        return aliases[0]

    def get(self, host, path, method="GET", **headers):
        """One request over HTTP, as it is written here; `_` in names of headers is `-`."""
        fields = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return raw(self.server.http_port, [f"{method} {path} HTTP/1.1", f"Host: {host}", *fields])

    def signed(self, host, path, pair=None, **settings):
        """The path with a signature of a canned policy, made by hand."""
        parameters = canned(pair or self.pair, f"http://{host}{path}", **settings)
        return f"{path}{'&' if '?' in path else '?'}{query(parameters)}"

    def assert_served(self, seen, path=""):
        self.assertEqual(seen.status, 200, seen)
        self.assertTrue(seen.body.startswith(f"{SECRET} {path}"), seen)
        return seen

    def assert_refused(self, seen, code=None):
        """A refusal of signed access, as CloudFront words it."""
        self.assertEqual(seen.status, 403, seen)
        self.assertNotIn(SECRET, seen.body)
        if code is not None:
            self.assertIn(f"<Code>{code}</Code>", seen.body, seen)
            self.assertEqual(seen.field("Content-Type"), "text/xml", seen)
            self.assertEqual(seen.field("X-Cache"), "Error from cloudfront", seen)
        return seen
