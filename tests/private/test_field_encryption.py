"""Forms whose fields are encrypted at the edge, decrypted with the AWS Encryption SDK."""

import base64
import contextlib
import http.client
import ssl
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aws_encryption_sdk
from authority import Authority
from aws_case import CACHING_DISABLED, quantified, unique
from aws_encryption_sdk.identifiers import (
    Algorithm, CommitmentPolicy, EncryptionKeyType, WrappingAlgorithm,
)
from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
from aws_encryption_sdk.key_providers.raw import RawMasterKeyProvider
from https_case import ALL_METHODS, HttpsCase, name_of
from private_case import Pair

FORM = "application/x-www-form-urlencoded"
PROVIDER = "my provider"
# Of AWS: what viewers send, without Host, since the origin's certificate is of its own name.
ALL_VIEWER_EXCEPT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac"


class FormOrigin:
    """Keeps the forms that it gets, by HTTPS, with their fields."""

    def __init__(self, leaf, directory):
        (directory / "origin.pem").write_text(leaf.certificate + leaf.chain + leaf.key)
        self.forms = []
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                origin.forms.append((dict(self.headers.items()), self.body()))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_PUT = do_PATCH = do_POST

            def body(self):
                if self.headers["Transfer-Encoding"] != "chunked":
                    return self.rfile.read(int(self.headers["Content-Length"] or 0))
                whole = b""
                while size := int(self.rfile.readline(), 16):
                    whole += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return whole

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "origin.pem")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def kill(self):
        self.server.shutdown()
        self.server.server_close()


class Opener(RawMasterKeyProvider):
    """What has the private key."""

    provider_id = PROVIDER

    def __init__(self, **_):
        self.pem = None

    def _get_raw_key(self, key_id):
        return WrappingKey(
            wrapping_algorithm=WrappingAlgorithm.RSA_OAEP_SHA256_MGF1, wrapping_key=self.pem,
            wrapping_key_type=EncryptionKeyType.PRIVATE)


class FieldEncryption(HttpsCase):
    @classmethod
    def set_up(cls):
        authority = Authority()
        trusted = cls.here / "origin-ca.pem"
        trusted.write_text(authority.pem)
        cls.FLAGS = ("--origin-ca", trusted)
        super().set_up()
        cls.forms = cls.start(FormOrigin(authority.leaf("localhost"), cls.here))
        cls.pair, cls.key_name = Pair(), unique("key")
        cls.encryption = cls.make_encryption()
        cls.host = name_of(cls().encrypting_site())

    @classmethod
    def make_encryption(cls):
        """A config by which forms have `card` and `secret_…` encrypted; its id."""
        key = cls.cloudfront.create_public_key(PublicKeyConfig={
            "CallerReference": unique("r"), "Name": cls.key_name,
            "EncodedKey": cls.pair.public_pem})["PublicKey"]["Id"]
        profile = cls.cloudfront.create_field_level_encryption_profile(
            FieldLevelEncryptionProfileConfig={
                "Name": unique("profile"), "CallerReference": unique("r"),
                "EncryptionEntities": quantified({
                    "PublicKeyId": key, "ProviderId": PROVIDER,
                    "FieldPatterns": quantified("card", "secret_*")}),
            })["FieldLevelEncryptionProfile"]["Id"]
        return cls.cloudfront.create_field_level_encryption_config(
            FieldLevelEncryptionConfig={
                "CallerReference": unique("r"),
                "QueryArgProfileConfig": {
                    "ForwardWhenQueryArgProfileIsUnknown": False,
                    "QueryArgProfiles": quantified({"QueryArg": "a", "ProfileId": profile})},
                "ContentTypeProfileConfig": {
                    "ForwardWhenContentTypeIsUnknown": True,
                    "ContentTypeProfiles": quantified({
                        "Format": "URLEncoded", "ProfileId": profile, "ContentType": FORM})},
            })["FieldLevelEncryption"]["Id"]

    def encrypting_site(self, **changes):
        return self.site(
            Origins=quantified({
                "Id": "origin", "DomainName": "localhost",
                "CustomOriginConfig": {
                    "HTTPPort": 80, "HTTPSPort": self.forms.port,
                    "OriginProtocolPolicy": "https-only",
                    "OriginSslProtocols": quantified("TLSv1.2")},
            }),
            DefaultCacheBehavior={
                "TargetOriginId": "origin", "ViewerProtocolPolicy": "https-only",
                "CachePolicyId": CACHING_DISABLED, "OriginRequestPolicyId": ALL_VIEWER_EXCEPT_HOST,
                "AllowedMethods": {**quantified(*ALL_METHODS),
                                   "CachedMethods": quantified("GET", "HEAD")},
                "FieldLevelEncryptionId": self.encryption, **changes})

    def send(self, body, path="/", content_type=FORM, method="POST", **headers):
        """What the site answers to that body, and what its origin got, if it got anything."""
        before = len(self.forms.forms)
        stream = self.tls(self.host)
        connection = http.client.HTTPConnection(self.host)
        connection.sock = stream
        try:
            # What is refused is answered before all of it was sent.
            with contextlib.suppress(OSError):
                connection.request(method, path, body=body, headers={
                    "Content-Type": content_type, **headers},
                    encode_chunked=not isinstance(body, bytes))
            response = connection.getresponse()
            return response.status, response.read().decode(), self.forms.forms[before:]
        finally:
            connection.close()

    def decrypt(self, value):
        """The value, and the header of its message."""
        opener = Opener()
        opener.pem = self.pair.pem.encode()
        opener.add_master_key(self.key_name)
        client = aws_encryption_sdk.EncryptionSDKClient(
            commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
        message = base64.b64decode(value, validate=True)
        return client.decrypt(source=message, key_provider=opener)

    def test_the_sdk_decrypts_what_the_edge_encrypted(self):
        values = {
            "name": "J\u00f6 & Co", "card": "4111 1111 1111 1111", "secret_": "",
            "secret_frame": "f" * 4096, "secret_long": "+&=%\u20ac" * 2000, "Card": "5500",
        }
        status, _, [(fields, body)] = self.send(urllib.parse.urlencode(values).encode())
        self.assertEqual((status, fields["Transfer-Encoding"]), (200, "chunked"))
        self.assertNotIn("Content-Length", fields)
        form = dict(urllib.parse.parse_qsl(
            body.decode(), keep_blank_values=True, strict_parsing=True))
        self.assertEqual(list(form), list(values))
        for name, value in values.items():
            with self.subTest(name):
                if name in ("name", "Card"):
                    self.assertEqual(form[name], value)
                    continue
                plain, header = self.decrypt(form[name])
                self.assertEqual(plain.decode(), value)
                suite = Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384
                self.assertEqual(header.algorithm, suite)
                [key] = header.encrypted_data_keys
                self.assertEqual(key.key_provider.provider_id, PROVIDER)
                self.assertEqual(key.key_provider.key_info, self.key_name.encode())

    def test_pieces_and_other_methods_are_encrypted_as_well(self):
        for method in ("POST", "PUT", "PATCH"):
            with self.subTest(method):
                pieces = iter([b"a=1&ca", b"rd=41", b"%3", b"1&b=2"])
                status, _, [(_, body)] = self.send(pieces, method=method, path="/?fle-profile=a")
                self.assertEqual(status, 200)
                form = dict(urllib.parse.parse_qsl(body.decode()))
                self.assertEqual(self.decrypt(form.pop("card"))[0], b"411")
                self.assertEqual(form, {"a": "1", "b": "2"})

    def test_a_form_over_http_2_is_encrypted(self):
        before = len(self.forms.forms)
        seen = self.curl_host(
            self.host, "/", "--http2", "--data-urlencode", "card=4 1", "--data", "x=1")
        self.assertEqual(seen.status, 200, seen)
        [(_, body)] = self.forms.forms[before:]
        form = dict(urllib.parse.parse_qsl(body.decode()))
        self.assertEqual((self.decrypt(form["card"])[0], form["x"]), (b"4 1", "1"))

    def test_what_breaks_a_rule_is_refused_and_never_completed(self):
        for body, settings in (
            (b"card=" + b"v" * 16_385, {}),
            (b"&".join(b"a=b" for _ in range(11)), {}),
            (b"card=%zz", {}),
            (b"x=" + b"v" * (1 << 20), {}),
            (b"card=1", {"path": "/?fle-profile=other"}),
            (b"card=1", {"path": "/?fle-profile="}),
            (b"card=1", {"content_type": "form"}),
            (b"card=1", {"Content-Encoding": "gzip"}),
        ):
            with self.subTest(body[:20], **settings):
                status, page, forms = self.send(body, **settings)
                self.assertEqual((status, forms), (400, []))
                self.assertIn("FieldLevelEncryptionId of this behavior", page)

    def test_other_content_passes_as_the_config_says(self):
        status, _, [(fields, body)] = self.send(b'{"card":1}', content_type="application/json")
        self.assertEqual((status, body), (200, b'{"card":1}'))
        self.assertEqual(fields["Content-Length"], "10")

    def test_behaviors_that_send_fields_in_the_clear_are_refused(self):
        code = "IllegalFieldLevelEncryptionConfigAssociationWithCacheBehavior"
        self.refused(code, self.encrypting_site, ViewerProtocolPolicy="allow-all")
        self.refused(code, self.encrypting_site, AllowedMethods=quantified("GET", "HEAD"))
