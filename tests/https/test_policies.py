"""Security policies, as sslyze and testssl measure them."""

import json
import os
import shutil
import subprocess
import unittest

from https_case import HttpsCase
from sslyze import (
    Scanner, ScanCommand, ServerNetworkConfiguration, ServerNetworkLocation, ServerScanRequest,
    ServerScanStatusEnum,
)
from sslyze.mozilla_tls_profile.tls_config_checker import (
    SCAN_COMMANDS_NEEDED_BY_MOZILLA_CHECKER, MozillaTlsConfiguration,
    ServerNotCompliantWithTlsConfiguration, TlsConfigurationEnum,
    check_server_against_tls_configuration,
)

TESTSSL = os.environ.get("TESTSSL") or shutil.which("testssl")
TLS13 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"}
CHACHA13 = {"TLS_CHACHA20_POLY1305_SHA256"}
GCM = {"ECDHE-{}-AES128-GCM-SHA256", "ECDHE-{}-AES256-GCM-SHA384"}
CHACHA = {"ECDHE-{}-CHACHA20-POLY1305"}
CBC_SHA2 = {"ECDHE-{}-AES128-SHA256", "ECDHE-{}-AES256-SHA384"}
RSA_EXCHANGE = {"AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA256"}
# CloudFront's table; and what of it is not offered: suites with CBC, and key exchange by RSA.
POLICIES = {
    "TLSv1.2_2018": (TLS13 | CHACHA13, GCM | CHACHA | CBC_SHA2 | RSA_EXCHANGE),
    "TLSv1.2_2019": (TLS13 | CHACHA13, GCM | CHACHA | CBC_SHA2),
    "TLSv1.2_2021": (TLS13 | CHACHA13, GCM | CHACHA),
    "TLSv1.2_2025": (TLS13, GCM),
    "TLSv1.3_2025": (TLS13 | CHACHA13, set()),
}
NOT_OFFERED = CBC_SHA2 | RSA_EXCHANGE
TOO_OLD = ("TLSv1", "TLSv1_2016", "TLSv1.1_2016")
KEYS = {"ECDSA": "EC_prime256v1", "RSA": "RSA_2048"}
OLD_PROTOCOLS = ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1")
SUITES = [ScanCommand(f"{name}_cipher_suites") for name in (*OLD_PROTOCOLS, "tls_1_2", "tls_1_3")]
# testssl's words for what is no fault, or could not be tried; and what is none of a server whose
# authority is its own: nobody revokes its certificates but by making others.
HARMLESS = {"OK", "INFO", "DEBUG", "WARN"}
OF_A_LOCAL_AUTHORITY = {"cert_revocation"}
# What Mozilla says of certificates, and is none of policies: that sslyze knows the root, and that
# they live shorter than ACM's 395 days.
OF_ITS_CERTIFICATE = {"certificate_path_validation", "maximum_certificate_lifespan"}


class Policies(HttpsCase):
    @classmethod
    def set_up(cls):
        super().set_up()
        cls.hosts = {}
        case = cls()
        for policy in POLICIES:
            for kind, algorithm in KEYS.items():
                host = f"{policy.lower().replace('_', '-').replace('.', '-')}-{kind.lower()}.test"
                certificate = case.certificate(host, KeyAlgorithm=algorithm)
                case.site(host, certificate=certificate, policy=policy)
                cls.hosts[policy, kind] = host

    def scan(self, hosts, commands=SUITES):
        """By host: what sslyze found."""
        scanner = Scanner()
        scanner.queue_scans([
            ServerScanRequest(
                server_location=ServerNetworkLocation(host, self.port, "127.0.0.1"),
                network_configuration=ServerNetworkConfiguration(host),
                scan_commands=set(commands))
            for host in hosts])
        found = {}
        for result in scanner.get_results():
            self.assertEqual(result.scan_status, ServerScanStatusEnum.COMPLETED, result)
            found[result.server_location.hostname] = result
        return found

    def test_suites_are_those_of_the_policy_but_for_what_is_not_offered(self):
        found = self.scan(self.hosts.values())
        for (policy, kind), host in self.hosts.items():
            tls13, tls12 = POLICIES[policy]
            with self.subTest(policy, key=kind):
                result = found[host].scan_result
                expected = {name.format(kind) for name in tls12 - NOT_OFFERED}
                self.assertEqual(accepted(result.tls_1_3_cipher_suites), tls13)
                self.assertEqual(accepted(result.tls_1_2_cipher_suites), expected)
                for old in OLD_PROTOCOLS:
                    self.assertEqual(accepted(getattr(result, f"{old}_cipher_suites")), set(), old)

    def test_the_default_certificate_has_all_of_them(self):
        made = self.make_distribution()["DomainName"]
        result = self.scan([made])[made].scan_result
        self.assertEqual(accepted(result.tls_1_3_cipher_suites), TLS13 | CHACHA13)
        self.assertEqual(
            {name.replace("ECDSA", "{}") for name in accepted(result.tls_1_2_cipher_suites)},
            GCM | CHACHA)

    def test_mozilla_calls_the_policies_intermediate_and_modern(self):
        wanted = {
            self.hosts["TLSv1.2_2021", "ECDSA"]: TlsConfigurationEnum.MOZILLA_INTERMEDIATE,
            self.hosts["TLSv1.2_2021", "RSA"]: TlsConfigurationEnum.MOZILLA_INTERMEDIATE,
            self.hosts["TLSv1.3_2025", "ECDSA"]: TlsConfigurationEnum.MOZILLA_MODERN,
        }
        found = self.scan(wanted, SCAN_COMMANDS_NEEDED_BY_MOZILLA_CHECKER)
        for host, result in found.items():
            with self.subTest(host):
                issues = {}
                try:
                    check_server_against_tls_configuration(
                        result, MozillaTlsConfiguration.get(wanted[host]))
                except ServerNotCompliantWithTlsConfiguration as error:
                    issues = {name: text for name, text in error.issues.items()
                              if name not in OF_ITS_CERTIFICATE}
                self.assertEqual({}, issues)

    @unittest.skipIf(TESTSSL is None, "testssl is not installed (testssl.sh)")
    def test_testssl_finds_no_fault_and_grade_a_where_it_grades(self):
        host = self.hosts["TLSv1.2_2021", "ECDSA"]
        report = self.here / "testssl.json"
        subprocess.run(
            [TESTSSL, "--quiet", "--color", "0", "--warnings", "off", "--jsonfile", str(report),
             "--ip", "127.0.0.1", "--add-ca", str(self.root), "--nodns", "none", "--sneaky",
             "--protocols", "--server-defaults", "--server-preference", "--fs",
             "--vulnerable", f"{host}:{self.port}"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=240)
        found = json.loads(report.read_text())
        faults = [entry for entry in found if entry["severity"] not in HARMLESS
                  and entry["id"] not in OF_A_LOCAL_AUTHORITY]
        self.assertGreater(len(found), 60)
        self.assertEqual([], faults)
        for entry in found:
            if entry["id"] == "overall_grade":
                self.assertIn(entry["finding"], ("A", "A+"))

    def test_policies_with_older_protocols_are_refused_and_the_message_says_why(self):
        certificate = self.certificate("old.test")
        for policy in TOO_OLD:
            with self.subTest(policy):
                error = self.refused(
                    "InvalidMinimumProtocolVersion", self.site, "old.test",
                    certificate=certificate, policy=policy)
                self.assertIn(policy, error["Message"])
                self.assertRegex(error["Message"], r"1\.1")
                for allowed in POLICIES:
                    self.assertIn(allowed, error["Message"])
        self.refused("InvalidProtocolSettings", self.site, "old.test", certificate=certificate,
                     policy="SSLv3")

    def test_a_policy_that_changes_is_served_soon(self):
        host = self.hosts["TLSv1.2_2019", "RSA"]
        identifier = next(
            item["Id"] for page in self.cloudfront.get_paginator("list_distributions").paginate()
            for item in page["DistributionList"]["Items"] if host in item["Aliases"]["Items"])
        self.assertEqual(self.curl_host(host, "/", "--tls-max", "1.2").status, 200)
        self.change(identifier, lambda config: config["ViewerCertificate"].update(
            MinimumProtocolVersion="TLSv1.3_2025"))
        with self.assertRaisesRegex(AssertionError, "alert|protocol version"):
            self.curl_host(host, "/", "--tls-max", "1.2")
        self.assertEqual(self.curl_host(host, "/", "--tlsv1.3").status, 200)
        self.change(identifier, lambda config: config["ViewerCertificate"].update(
            MinimumProtocolVersion="TLSv1.2_2019"))


def accepted(attempt):
    """OpenSSL's names of the suites that were accepted."""
    if attempt.result is None:
        raise AssertionError(f"not scanned: {attempt.error_reason} {attempt.error_trace}")
    return {each.cipher_suite.openssl_name for each in attempt.result.accepted_cipher_suites}
