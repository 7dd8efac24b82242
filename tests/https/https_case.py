"""A running server with TLS, sites on it with certificates, and viewers that trust its root."""

import contextlib
import socket
import ssl

from authority import openssl
from aws_case import (
    ALL_VIEWER, CACHING_DISABLED, AwsCase, Origin, Server, quantified, unique,
)
from cryptography import x509

import processes

ALL_METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"]


class HttpsServer(Server):
    """A warmfront whose root viewers are to trust."""

    def write_root(self, path):
        """The root of its authority, as a file."""
        told = self.run("trust")
        if told.returncode != 0:
            raise AssertionError(f"warmfront trust: {told.stderr}")
        path.write_text(told.stdout)
        return path

    def resident_bytes(self):
        """How much memory it has."""
        with open(f"/proc/{self.child.pid}/status") as status:
            line = next(line for line in status if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024


class HttpsCase(AwsCase):
    """Each class has a server of its own, and an origin in front of which sites are made."""

    @classmethod
    def set_up(cls):
        cls.origin = cls.start(Origin())
        cls.server = cls.start(HttpsServer(cls.directory("server"), *cls.FLAGS))
        cls.cloudfront = cls.server.client()
        cls.acm = cls.server.client("acm")
        cls.root = cls.server.write_root(cls.here / "root.pem")

    def certificate(self, *names, **more):
        """The ARN of a new certificate, issued."""
        more = {"ValidationMethod": "DNS", **more}
        if names[1:]:
            more["SubjectAlternativeNames"] = list(names[1:])
        arn = self.acm.request_certificate(DomainName=names[0], **more)["CertificateArn"]

        def is_issued():
            told = self.acm.describe_certificate(CertificateArn=arn)["Certificate"]
            return told["Status"] == "ISSUED"

        processes.eventually(f"{arn} to be issued", is_issued)
        return arn

    def imported(self, leaf, **more):
        """The ARN of a certificate of the tests' own."""
        more = {**more, "CertificateChain": leaf.chain} if leaf.chain else more
        return self.acm.import_certificate(
            Certificate=leaf.certificate, PrivateKey=leaf.key, **more)["CertificateArn"]

    def site(self, *aliases, certificate=None, policy="TLSv1.2_2021", **changes):
        """A distribution of those names in front of the origin; which is told."""
        aliases = aliases or (f"{unique('www')}.example.test",)
        viewer = {
            "ACMCertificateArn": certificate or self.certificate(*aliases),
            "SSLSupportMethod": "sni-only", "MinimumProtocolVersion": policy,
        }
        made = self.make_distribution(**{
            "Aliases": quantified(*aliases), "ViewerCertificate": viewer,
            "HttpVersion": "http2and3", **changes})
        self.await_served(aliases[0])
        return made

    def await_served(self, name):
        """Until the edge shows a certificate for that name."""
        def is_served():
            with contextlib.suppress(OSError):
                with self.tls(name, verify=False) as stream:
                    shown = stream.getpeercert(binary_form=True)
                    return name in names_of(shown)

        processes.eventually(f"a certificate for {name}", is_served)

    @property
    def port(self):
        return self.server.https_port

    def curl_host(self, host, path="/", *arguments, port=None, **settings):
        """One request to that host, whose certificate is to be of the server's root."""
        port = port or self.port
        return self.curl(
            f"https://{host}:{port}{path}", "--cacert", str(self.root), "--resolve",
            f"*:{port}:127.0.0.1", "--noproxy", "*", *arguments, **settings)

    def context(self, *protocols, verify=True):
        context = ssl.create_default_context(cafile=str(self.root))
        if not verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context

    def tls(self, name, *protocols, verify=True, port=None, context=None):
        """A connection whose handshake is done."""
        context = context or self.context(*protocols, verify=verify)
        plain = socket.create_connection(("127.0.0.1", port or self.port), timeout=20)
        try:
            return context.wrap_socket(plain, server_hostname=name)
        except BaseException:
            plain.close()
            raise

    def s_client(self, *arguments, text="", port=None):
        """What OpenSSL's client says of a connection."""
        return openssl(
            "s_client", "-connect", f"127.0.0.1:{port or self.port}", "-CAfile", self.root,
            *arguments, text=text)


def name_of(distribution):
    """The first alias of a distribution."""
    return distribution["DistributionConfig"]["Aliases"]["Items"][0]


def names_of(der):
    """DNS names of a certificate."""
    certificate = x509.load_der_x509_certificate(der)
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return found.value.get_values_for_type(x509.DNSName)


def uncached(**changes):
    """A default behavior that passes everything on: all methods, all of the viewer's headers."""
    return {"DefaultCacheBehavior": {
        "TargetOriginId": "origin", "ViewerProtocolPolicy": "allow-all",
        "CachePolicyId": CACHING_DISABLED, "OriginRequestPolicyId": ALL_VIEWER,
        "AllowedMethods": {**quantified(*ALL_METHODS),
                           "CachedMethods": quantified("GET", "HEAD")},
        **changes,
    }}
