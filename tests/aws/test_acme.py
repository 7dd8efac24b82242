"""Certificates by ACME, from Pebble: answers over HTTP and by our own name servers, failures on
purpose, and renewal before the end."""

import json
import os
import shutil
import unittest

import processes
from authority import Authority
from aws_case import AwsCase, Server, quantified, unique
from cryptography import x509
from origin import Origin

PEBBLE, NAMES = shutil.which("pebble"), shutil.which("pebble-challtestsrv")
LIFE_SECS = 45
# How many of Pebble's nonces it refuses, in percent.
BAD_NONCES = 30


class Pebble(processes.Process):
    """The authority, which asks that name server, and looks for answers at those ports."""

    def __init__(self, directory, dns_port, http_port, tls_port, life_secs=0, **environment):
        port, management = processes.free_port(), processes.free_port()
        authority = Authority("Pebble's own")
        certificate, key = authority.leaf("localhost", "127.0.0.1").write(directory, "pebble")
        self.root = directory / "pebble-root.pem"
        self.root.write_text(authority.pem)
        config = {
            "listenAddress": f"127.0.0.1:{port}",
            "managementListenAddress": f"127.0.0.1:{management}",
            "certificate": str(certificate), "privateKey": str(key),
            "httpPort": http_port, "tlsPort": tls_port, "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
        }
        if life_secs:
            config["certificateValidityPeriod"] = life_secs
        path = directory / "pebble.json"
        path.write_text(json.dumps({"pebble": config}))
        self.url = f"https://localhost:{port}/dir"
        environment = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": str(BAD_NONCES),
                       **environment}
        os.environ.update(environment)
        try:
            super().__init__("pebble", [
                PEBBLE, "-config", str(path), "-strict", "-dnsserver", f"127.0.0.1:{dns_port}",
            ], directory)
        finally:
            for name in environment:
                del os.environ[name]
        processes.eventually("pebble", lambda: processes.is_listening(port))


class Names(processes.Process):
    """A name server that says 127.0.0.1 to every name."""

    def __init__(self, directory):
        self.port, self.management = processes.free_port(), processes.free_port()
        super().__init__("names", [
            NAMES, "-dns01", f"127.0.0.1:{self.port}", "-http01", "", "-https01", "",
            "-tlsalpn01", "", "-management", f"127.0.0.1:{self.management}",
            "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""], directory)
        processes.eventually("names", lambda: processes.is_listening(self.management))


class AcmeServer(Server):
    """Warmfront with that authority; the ports are known before both start."""

    def __init__(self, directory, *flags):
        self.more = flags
        super().__init__(directory)

    def start(self):
        if self.more is None:
            return super().start()
        return None

    def begin(self, pebble):
        self.flags += ["--acme", pebble.url, "--acme-root", pebble.root, *self.more]
        self.more = None
        self.start()


@unittest.skipUnless(PEBBLE and NAMES, "pebble is not installed (pebble)")
class AcmeCase(AwsCase):
    LIFE_SECS = 0

    @classmethod
    def set_up(cls):
        cls.origin = cls.start(Origin())
        directory = cls.directory("server")
        cls.server = AcmeServer(directory, *cls.FLAGS)
        dns_port = cls.name_server()
        cls.pebble = cls.start(Pebble(
            cls.directory("pebble"), dns_port, cls.server.http_port, cls.server.https_port,
            cls.LIFE_SECS))
        cls.server.begin(cls.pebble)
        cls.start(cls.server)
        cls.cloudfront = cls.server.client()
        cls.acm, cls.route53 = cls.server.client("acm"), cls.server.client("route53")

    @classmethod
    def name_server(cls):
        """The port of the one that Pebble asks."""
        return cls.server.dns_port

    def describe(self, arn):
        return self.acm.describe_certificate(CertificateArn=arn)["Certificate"]

    def issued(self, arn, secs=60):
        def is_issued():
            told = self.describe(arn)
            self.assertNotEqual(told["Status"], "FAILED", told)
            return told["Status"] == "ISSUED"

        processes.eventually(f"{arn} to be issued; {self.server.log()[-2000:]}", is_issued, secs)

    def issuer(self, arn):
        got = self.acm.get_certificate(CertificateArn=arn)
        return x509.load_pem_x509_certificate(
            got["Certificate"].encode()).issuer.rfc4514_string()


class OverHttp(AcmeCase):
    """Names that others host: the answer is at the edge."""

    FLAGS = ("--validate-certificates", "off")

    @classmethod
    def name_server(cls):
        return cls.start(Names(cls.directory("names"))).port

    def test_pebble_issues_for_names_that_lead_here(self):
        name = f"{unique('www')}.example.com"
        arn = self.acm.request_certificate(
            DomainName=name, SubjectAlternativeNames=[f"also.{name}"],
            ValidationMethod="DNS")["CertificateArn"]
        self.issued(arn)
        self.assertIn("Pebble", self.issuer(arn))
        self.make_distribution(Aliases=quantified(name), ViewerCertificate=viewer(arn))
        self.assertEqual(self.server.get(name).status, 200)
        answer = self.server.get(name, "/.well-known/acme-challenge/nothing")
        self.assertNotEqual(answer.status, 500)


class Hosted(AcmeCase):
    """Names that are hosted here: records prove them, wildcards too."""

    def zone(self):
        name = f"{unique('z')}.example.com"
        made = self.route53.create_hosted_zone(Name=name, CallerReference=unique("ref"))
        return made["HostedZone"]["Id"].removeprefix("/hostedzone/"), name

    def validated(self, **more):
        """The ARN of a certificate whose record is in its zone."""
        zone, name = self.zone()
        names = [f"{prefix}{name}" for prefix in ("", "*.")]
        arn = self.acm.request_certificate(
            DomainName=names[0], SubjectAlternativeNames=names[1:],
            ValidationMethod="DNS", **more)["CertificateArn"]
        told = self.describe(arn)
        self.assertEqual(told["Status"], "PENDING_VALIDATION")
        records = {(option["ResourceRecord"]["Name"], option["ResourceRecord"]["Value"])
                   for option in told["DomainValidationOptions"]}
        self.route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [{
            "Action": "UPSERT", "ResourceRecordSet": {
                "Name": key, "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": value}]}}
            for key, value in records]})
        self.issued(arn, 90)
        return arn, zone, name


class ByDns(Hosted):
    def test_pebble_issues_a_wildcard_and_no_record_of_the_proof_is_left(self):
        arn, zone, name = self.validated()
        self.assertIn("Pebble", self.issuer(arn))
        got = self.acm.get_certificate(CertificateArn=arn)["Certificate"]
        names = x509.load_pem_x509_certificate(got.encode()).extensions.get_extension_for_class(
            x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
        self.assertEqual(sorted(names), sorted([name, f"*.{name}"]))

        def is_gone():
            records = self.route53.list_resource_record_sets(HostedZoneId=zone)
            return not any(record["Name"].startswith("_acme-challenge")
                           for record in records["ResourceRecordSets"])

        processes.eventually("the proof to go", is_gone)


class Renewal(Hosted):
    """Certificates of less than a minute."""

    LIFE_SECS = LIFE_SECS

    def test_a_certificate_is_renewed_before_its_end(self):
        arn, _, name = self.validated(Options={"Export": "ENABLED"})
        # As ACM, it renews what somebody has.
        self.acm.export_certificate(CertificateArn=arn, Passphrase=b"correct horse")
        first = self.describe(arn)
        self.assertLessEqual((first["NotAfter"] - first["NotBefore"]).total_seconds(),
                             LIFE_SECS + 5, name)

        def is_renewed():
            told = self.describe(arn)
            self.assertEqual(told["Status"], "ISSUED", "it never is expired")
            return told["Serial"] != first["Serial"]

        processes.eventually("a renewal", is_renewed, LIFE_SECS + 10)
        told = self.describe(arn)
        self.assertGreater(told["NotAfter"], first["NotAfter"])
        self.assertEqual(told["RenewalSummary"]["RenewalStatus"], "SUCCESS")


def viewer(arn):
    return {"ACMCertificateArn": arn, "SSLSupportMethod": "sni-only",
            "MinimumProtocolVersion": "TLSv1.2_2021"}
