"""Fields of forms that only their addressee can read: the Python AWS Encryption SDK opens what the
origin gets, and the origin never sees what was in it."""

import base64
import http.client
import ssl
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode

import aws_encryption_sdk
from authority import Authority
from aws_case import CACHING_DISABLED, quantified, unique
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError
from aws_encryption_sdk.identifiers import EncryptionKeyType, WrappingAlgorithm
from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
from aws_encryption_sdk.key_providers.raw import RawMasterKeyProvider
from private_case import Pair, PrivateCase

from processes import eventually

FORM = "application/x-www-form-urlencoded"
PROVIDER = "forms of tests"
HOST = "forms.example.test"


class FormsOrigin:
    """Speaks TLS, and remembers what it was sent: method, path, head and body."""

    def __init__(self, directory, authority):
        certificate, key = authority.leaf("127.0.0.1").write(directory, "origin")
        self.requests, self.lock = [], threading.Lock()
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.body()
                with origin.lock:
                    origin.requests.append((self.command, self.path, dict(self.headers), body))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            do_PUT = do_PATCH = do_GET = do_POST

            def body(self):
                if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = []
                while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                """The edge ends what it refuses in the middle."""

        self.server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def kill(self):
        self.server.shutdown()
        self.server.server_close()


class Provider(RawMasterKeyProvider):
    """Has the private key of one name."""

    provider_id = PROVIDER

    def _get_raw_key(self, key_id):
        return WrappingKey(
            wrapping_key=self.config.pem,
            wrapping_key_type=EncryptionKeyType.PRIVATE,
            wrapping_algorithm=WrappingAlgorithm.RSA_OAEP_SHA256_MGF1)


def opened(message, name, pair):
    """The text of a message; an error of the SDK if the key is another."""
    provider = Provider()
    provider.config.pem = pair.pem.encode()
    provider.add_master_key(name)
    client = aws_encryption_sdk.EncryptionSDKClient()
    text, header = client.decrypt(source=message, key_provider=provider)
    return text, header


class FieldEncryption(PrivateCase):
    @classmethod
    def set_up(cls):
        authority = Authority("Origins' root")
        roots = cls.directory("origin") / "root.pem"
        roots.write_text(authority.pem)
        cls.FLAGS = ("--origin-ca", roots)
        cls.forms = cls.start(FormsOrigin(cls.directory("origin"), authority))
        cls.start_server()
        cls.pair, cls.other = Pair(), Pair()
        case = cls()
        cls.name = unique("rsa")
        cls.key_id = case.public_key_named(cls.name, cls.pair)
        cls.other_name = unique("rsa")
        cls.other_id = case.public_key_named(cls.other_name, cls.other)
        cls.profile = case.make_profile(cls.key_id, "card", "secret*")
        cls.second = case.make_profile(cls.other_id, "card")
        cls.site = case.make_site(case.make_config())

    def public_key_named(self, name, pair):
        return self.cloudfront.create_public_key(PublicKeyConfig={
            "CallerReference": name, "Name": name, "EncodedKey": pair.public_pem,
        })["PublicKey"]["Id"]

    def make_profile(self, key, *patterns):
        made = self.cloudfront.create_field_level_encryption_profile(
            FieldLevelEncryptionProfileConfig={
                "Name": unique("profile"), "CallerReference": unique("ref"),
                "EncryptionEntities": quantified({
                    "PublicKeyId": key, "ProviderId": PROVIDER,
                    "FieldPatterns": quantified(*patterns)})})
        return made["FieldLevelEncryptionProfile"]["Id"]

    def make_config(self, forward=True):
        made = self.cloudfront.create_field_level_encryption_config(
            FieldLevelEncryptionConfig={
                "CallerReference": unique("ref"),
                "QueryArgProfileConfig": {
                    "ForwardWhenQueryArgProfileIsUnknown": forward,
                    "QueryArgProfiles": quantified(
                        {"QueryArg": "second", "ProfileId": self.second})},
                "ContentTypeProfileConfig": {
                    "ForwardWhenContentTypeIsUnknown": forward,
                    "ContentTypeProfiles": quantified({
                        "Format": "URLEncoded", "ProfileId": self.profile,
                        "ContentType": FORM})}})
        return made["FieldLevelEncryption"]["Id"]

    def make_site(self, config, host=HOST):
        certificate = self.certificate(host)
        self.make_distribution(
            Aliases=quantified(host),
            ViewerCertificate={
                "ACMCertificateArn": certificate, "SSLSupportMethod": "sni-only",
                "MinimumProtocolVersion": "TLSv1.2_2021"},
            HttpVersion="http2",
            Origins=quantified({
                "Id": "origin", "DomainName": "127.0.0.1",
                "CustomOriginConfig": {
                    "HTTPPort": 80, "HTTPSPort": self.forms.port,
                    "OriginProtocolPolicy": "https-only",
                    "OriginSslProtocols": quantified("TLSv1.2")}}),
            DefaultCacheBehavior=self.behavior(
                ViewerProtocolPolicy="https-only", FieldLevelEncryptionId=config,
                CachePolicyId=CACHING_DISABLED,
                OriginRequestPolicyId="b689b0a8-53d0-40ab-baf2-68738e2966ac"))
        self.await_served(host)
        return host

    def send(self, body, path="/form", method="POST", kind=FORM, host=HOST, chunked=False):
        """What the viewer gets, and what the origin got."""
        before = len(self.forms.requests)
        stream = self.tls(host)
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.sock = stream
        content = body if isinstance(body, bytes) else body.encode()
        with closing(connection):
            connection.request(
                method, path, headers={"Host": host, "Content-Type": kind},
                body=iter([content[:7], content[7:]]) if chunked else content,
                encode_chunked=chunked)
            answer = connection.getresponse()
            answer.read()
        with self.forms.lock:
            got = self.forms.requests[before:]
        return answer.status, got[-1] if got else None

    def fields(self, got):
        return parse_qsl(got[3].decode(), keep_blank_values=True, strict_parsing=True)

    def open(self, value, name=None, pair=None):
        return opened(base64.b64decode(value, validate=True), name or self.name,
                      pair or self.pair)[0].decode()

    def test_the_sdk_opens_what_the_origin_gets(self):
        sent = [("name", "Ann & Bob"), ("card", "4111 1111+1111=1111"), ("secret", ""),
                ("secret-two", "\u00fc\u20ac\U0001f600 %41"), ("note", "x=y")]
        for method in ("POST", "PUT", "PATCH"):
            for chunked in (False, True):
                status, got = self.send(urlencode(sent), method=method, chunked=chunked)
                self.assertEqual((status, got[0]), (200, method))
                self.assertNotIn(b"4111", got[3])
                fields = self.fields(got)
                self.assertEqual([name for name, _ in fields], [name for name, _ in sent])
                for (name, text), (_, value) in zip(sent, fields):
                    with self.subTest(method=method, name=name, chunked=chunked):
                        if name == "card" or name.startswith("secret"):
                            self.assertEqual(self.open(value), text)
                        else:
                            self.assertEqual(value, text)

    def test_nobody_else_opens_it(self):
        _, got = self.send("card=4111")
        [(_, value)] = self.fields(got)
        self.assertEqual(self.open(value), "4111")
        with self.assertRaises(AWSEncryptionSDKClientError):
            self.open(value, pair=self.other)
        with self.assertRaises(AWSEncryptionSDKClientError):
            self.open(value, name=self.other_name)
        content = bytearray(base64.b64decode(value))
        content[-150] ^= 1
        with self.assertRaises(Exception):
            opened(bytes(content), self.name, self.pair)

    def test_each_message_is_another(self):
        values = {self.fields(self.send("card=4111")[1])[0][1] for _ in range(4)}
        self.assertEqual(len(values), 4)

    def test_values_as_long_as_they_may_be_come_through(self):
        for size in (1, 4095, 4096, 4097, 16 * 1024):
            text = "v" * size
            status, got = self.send(f"a=b&card={text}&c=d")
            self.assertEqual(status, 200)
            fields = dict(self.fields(got))
            self.assertEqual(self.open(fields["card"]), text)
            self.assertEqual((fields["a"], fields["c"]), ("b", "d"))

    def test_what_is_too_much_is_refused(self):
        for body in ("card=" + "v" * (16 * 1024 + 1),
                     "&".join(f"secret{number}=x" for number in range(11)),
                     "a=" + "v" * 1024 * 1024 + "&card=4111"):
            status, _ = self.send(body)
            self.assertEqual(status, 400, body[:40])
        self.assertFalse(
            any(b"4111" in body for _, _, _, body in self.forms.requests))

    def test_a_query_chooses_another_profile(self):
        _, got = self.send("card=4111&secret=s", "/form?fle-profile=second")
        fields = dict(self.fields(got))
        self.assertEqual(self.open(fields["card"], self.other_name, self.other), "4111")
        self.assertEqual(fields["secret"], "s")

    def test_what_is_no_form_passes_or_is_refused_as_configured(self):
        status, got = self.send('{"card": "4111"}', kind="application/json")
        self.assertEqual((status, got[3]), (200, b'{"card": "4111"}'))
        strict = self.make_site(self.make_config(forward=False), "strict.example.test")
        for body, path, kind, wanted in (
            ('{"card": "4111"}', "/form", "application/json", 400),
            ("card=4111", "/form?fle-profile=unknown", FORM, 400),
            ("card=4111", "/form", FORM, 200),
            ("card=4111", "/form", f"{FORM}; charset=UTF-8", 200),
        ):
            status, got = self.send(body, path, kind=kind, host=strict)
            self.assertEqual(status, wanted, (path, kind))
            if wanted == 400:
                self.assertIsNone(got)
            else:
                self.assertEqual(self.open(self.fields(got)[0][1]), "4111")

    def test_names_are_told_apart_as_the_origin_tells_them(self):
        """A name that only an origin's decoder makes one of those is one of those."""
        for body in ("c%61rd=4111", "%63ard=4111", "a=b&c%61%72d=4111", "card=4111&card=4111"):
            with self.subTest(body):
                status, got = self.send(body)
                if status == 200:
                    self.assertNotIn(b"4111", got[3])
                    for name, value in self.fields(got):
                        if name == "card":
                            self.assertEqual(self.open(value), "4111")

    def test_it_comes_by_http2_as_well(self):
        before = len(self.forms.requests)
        seen = self.curl_host(HOST, "/form", "--http2", "-d", "card=4111&a=b")
        self.assertEqual(seen.status, 200)
        eventually("the form", lambda: len(self.forms.requests) > before)
        fields = dict(self.fields(self.forms.requests[-1]))
        self.assertEqual((self.open(fields["card"]), fields["a"]), ("4111", "b"))
