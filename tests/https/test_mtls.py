"""Viewers' certificates: required, optional, or passed on; and what the origin is told of them."""

import datetime
import http.client
import ssl
import urllib.parse

from authority import Authority
from aws_case import quantified
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from https_case import HttpsCase, name_of, uncached, unique

import processes

BUCKET, KEY = "trusted", "bundles/viewers.pem"
HEADERS = ("Serial-Number", "Issuer", "Subject", "Present", "Sha256", "Validity", "Pem")


class Mtls(HttpsCase):
    @classmethod
    def set_up(cls):
        cls.viewers = Authority("Viewers' root")
        cls.issuer = Authority("Viewers' issuer", above=cls.viewers)
        super().set_up()
        cls.buckets = cls.server.client("s3")
        cls.buckets.create_bucket(Bucket=BUCKET)
        cls.put_bundle(cls.viewers.pem)
        case = cls()
        cls.store = case.trust_store()
        cls.policy = case.policy()
        cls.client = cls.issuer.leaf(subject="viewer one", usage="client")
        cls.stranger = Authority("Stranger").leaf(subject="stranger", usage="client")
        cls.expired = cls.issuer.leaf(
            subject="expired", usage="client", begins=-datetime.timedelta(days=10),
            life=datetime.timedelta(days=5))

    @classmethod
    def put_bundle(cls, pem):
        cls.buckets.put_object(Bucket=BUCKET, Key=KEY, Body=pem.encode())

    def trust_store(self):
        made = self.cloudfront.create_trust_store(
            Name=unique("store"), CaCertificatesBundleSource={
                "CaCertificatesBundleS3Location": {
                    "Bucket": BUCKET, "Key": KEY, "Region": "us-east-1"}})["TrustStore"]

        def is_active():
            told = self.cloudfront.get_trust_store(Identifier=made["Id"])["TrustStore"]
            self.assertNotEqual(told["Status"], "failed", told)
            return told["Status"] == "active" and told

        told = processes.eventually("the trust store", is_active)
        self.assertEqual(told["NumberOfCaCertificates"], 1)
        return made["Id"]

    def policy(self):
        """An origin request policy with all headers that tell of certificates."""
        names = [f"CloudFront-Viewer-Cert-{name}" for name in HEADERS]
        made = self.cloudfront.create_origin_request_policy(OriginRequestPolicyConfig={
            "Name": unique("policy"),
            "HeadersConfig": {"HeaderBehavior": "allViewerAndWhitelistCloudFront",
                              "Headers": quantified(*names)},
            "CookiesConfig": {"CookieBehavior": "none"},
            "QueryStringsConfig": {"QueryStringBehavior": "none"}})
        return made["OriginRequestPolicy"]["Id"]

    def mtls_site(self, mode, **more):
        config = {"Mode": mode}
        if mode != "passthrough":
            config["TrustStoreConfig"] = {"TrustStoreId": self.store, **more}
        return name_of(self.site(
            HttpVersion="http2", ViewerMtlsConfig=config,
            **uncached(ViewerProtocolPolicy="https-only", OriginRequestPolicyId=self.policy)))

    def ask(self, host, leaf=None, fields=()):
        """The status, and the request's head as the origin had it."""
        context = self.context("http/1.1")
        if leaf:
            context.load_cert_chain(*leaf.write(self.here, unique("client")))
        with self.tls(host, context=context) as stream:
            connection = http.client.HTTPConnection(host)
            connection.sock = stream
            before = len(self.origin.requests)
            connection.request("GET", "/mtls", headers={"Host": host, **dict(fields)})
            status = connection.getresponse().status
        told = self.origin.requests[before:]
        return status, {name.lower(): value for name, value in told[-1][1].items()} if told else {}

    def assert_no_handshake(self, host, leaf=None):
        # With TLS 1.3 the client learns of it with what it reads first.
        with self.assertRaises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
            self.ask(host, leaf)

    def test_where_a_certificate_is_required_none_or_a_bad_one_ends_the_handshake(self):
        host = self.mtls_site("required")
        self.assertEqual(self.ask(host, self.client)[0], 200)
        for leaf in (None, self.stranger, self.expired):
            with self.subTest(leaf and leaf.x509.subject):
                self.assert_no_handshake(host, leaf)

    def test_where_it_is_optional_none_is_fine_and_a_bad_one_is_not(self):
        host = self.mtls_site("optional")
        status, head = self.ask(host)
        self.assertEqual((status, head.get("cloudfront-viewer-cert-present")), (200, "0"))
        status, head = self.ask(host, self.client)
        self.assertEqual((status, head.get("cloudfront-viewer-cert-present")), (200, "1"))
        for leaf in (self.stranger, self.expired):
            self.assert_no_handshake(host, leaf)

    def test_the_origin_is_told_of_the_certificate_and_nobody_else_can_say_it(self):
        host = self.mtls_site("optional")
        lie = {"CloudFront-Viewer-Cert-Subject": "CN=root", "CloudFront-Viewer-Cert-Pem": "x"}
        _, head = self.ask(host, self.client, lie)
        told = {name: head.get(f"cloudfront-viewer-cert-{name.lower()}") for name in HEADERS}
        certificate = self.client.x509
        self.assertEqual(told["Present"], "1")
        self.assertEqual(int(told["Serial-Number"].replace(":", ""), 16),
                         certificate.serial_number)
        self.assertIn("viewer one", told["Subject"])
        self.assertIn("issuer", told["Issuer"])
        self.assertEqual(
            told["Sha256"].lower().replace(":", ""), certificate.fingerprint(hashes.SHA256()).hex())
        pem = urllib.parse.unquote(told["Pem"])
        self.assertEqual(
            x509.load_pem_x509_certificate(pem.encode()).fingerprint(hashes.SHA256()),
            certificate.fingerprint(hashes.SHA256()))
        self.assertTrue(told["Validity"])
        _, head = self.ask(host, fields=lie)
        self.assertEqual(head.get("cloudfront-viewer-cert-present"), "0")
        for name in ("subject", "pem"):
            self.assertNotIn(f"cloudfront-viewer-cert-{name}", head)

    def test_an_expired_certificate_passes_where_that_is_to_be_ignored(self):
        host = self.mtls_site("required", IgnoreCertificateExpiry=True)
        self.assertEqual(self.ask(host, self.expired)[0], 200)
        self.assert_no_handshake(host, self.stranger)

    def test_the_authorities_are_named_where_that_is_wanted(self):
        wanted = self.mtls_site("required", AdvertiseTrustStoreCaNames=True)
        other = self.mtls_site("required")
        for host, is_named in ((wanted, True), (other, False)):
            told = self.s_client("-servername", host)
            self.assertEqual("Viewers' root" in told, is_named, told)

    def test_what_is_passed_through_is_told_as_rfc_9440_says(self):
        host = self.mtls_site("passthrough")
        for leaf, chain in ((self.client, 1), (self.stranger, 0)):
            status, head = self.ask(host, leaf, {"Client-Cert": ":bGll:"})
            self.assertEqual(status, 200)
            self.assertRegex(head.get("client-cert", ""), r"^:[A-Za-z0-9+/=]+:$")
            self.assertNotEqual(head["client-cert"], ":bGll:")
            self.assertEqual(len(head.get("client-cert-chain", "").split(", "))
                             if "client-cert-chain" in head else 0, chain)
        status, head = self.ask(host, fields={"Client-Cert": ":bGll:"})
        self.assertEqual(status, 200)
        self.assertNotIn("client-cert", head)

    def test_curl_shows_its_certificate_by_both_versions(self):
        host = self.mtls_site("required")
        certificate, key = self.client.write(self.here, "curl")
        for flag in ("--http1.1", "--http2"):
            answer = self.curl_host(
                host, "/mtls", flag, "--cert", str(certificate), "--key", str(key))
            self.assertEqual(answer.status, 200)

    def test_a_session_of_one_viewer_is_no_pass_for_another_site(self):
        """A ticket of a site without viewers' certificates must not open one that requires
        them."""
        host, other = self.mtls_site("required"), name_of(self.site())
        session = self.here / "other.session"
        self.s_client("-servername", other, "-alpn", "http/1.1", "-ign_eof",
                      "-sess_out", session,
                      text=f"GET / HTTP/1.1\r\nHost: {other}\r\nConnection: close\r\n\r\n")
        self.assertTrue(session.exists())
        told = self.s_client("-servername", host, "-alpn", "http/1.1", "-ign_eof",
                             "-sess_in", session,
                             text=f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
        self.assertNotIn(" 200 ", told)

    def test_http_3_is_refused_beside_viewers_certificates(self):
        self.refused("InvalidArgument", self.site, ViewerMtlsConfig={
            "Mode": "required", "TrustStoreConfig": {"TrustStoreId": self.store}},
            HttpVersion="http2and3", **uncached(ViewerProtocolPolicy="https-only"))

    def test_a_trust_store_that_is_updated_counts_at_once(self):
        extra = Authority("Second root")
        late = extra.leaf(subject="late", usage="client")
        host = self.mtls_site("required")
        self.assert_no_handshake(host, late)
        self.put_bundle(self.viewers.pem + extra.pem)
        self.addCleanup(self.put_bundle, self.viewers.pem)
        etag = self.cloudfront.get_trust_store(Identifier=self.store)["ETag"]
        self.cloudfront.update_trust_store(
            Id=self.store, IfMatch=etag, CaCertificatesBundleSource={
                "CaCertificatesBundleS3Location": {
                    "Bucket": BUCKET, "Key": KEY, "Region": "us-east-1"}})

        def passes():
            try:
                return self.ask(host, late)[0] == 200
            except (ssl.SSLError, ConnectionError, http.client.HTTPException):
                return False

        processes.eventually("the new root to count", passes)
