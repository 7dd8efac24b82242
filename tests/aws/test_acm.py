"""AWS Certificate Manager, by boto3: every operation, and its errors."""

import datetime
import re

import botocore.exceptions
from authority import Authority, openssl
from aws_case import AwsCase, aws, quantified, unique

import processes

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
ARN = rf"arn:aws:acm:us-east-1:\d{{12}}:certificate/{UUID}"
ABSENT = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-4000-8000-000000000000"
PASSPHRASE = b"correct horse"
DAY = datetime.timedelta(days=1)


class AcmCase(AwsCase):
    @classmethod
    def set_up(cls):
        super().set_up()
        # What the API says to requests that the client would not send, is of interest too.
        cls.acm = cls.server.client("acm", parameter_validation=False)

    def describe(self, arn):
        return self.acm.describe_certificate(CertificateArn=arn)["Certificate"]

    def request(self, *names, **more):
        if names[1:]:
            more["SubjectAlternativeNames"] = list(names[1:])
        return self.acm.request_certificate(
            DomainName=names[0], **{"ValidationMethod": "DNS", **more})["CertificateArn"]

    def issued(self, *names, **more):
        arn = self.request(*names, **more)
        processes.eventually(
            f"{names[0]} to be issued", lambda: self.describe(arn)["Status"] == "ISSUED")
        return arn

    def imported(self, leaf, **more):
        if leaf.chain:
            more["CertificateChain"] = leaf.chain
        return self.acm.import_certificate(
            Certificate=leaf.certificate, PrivateKey=leaf.key, **more)["CertificateArn"]

    def of_viewer(self, arn):
        return {"ACMCertificateArn": arn, "SSLSupportMethod": "sni-only",
                "MinimumProtocolVersion": "TLSv1.2_2021"}

    def listed(self, **filters):
        pages = self.acm.get_paginator("list_certificates").paginate(**filters)
        return [item["CertificateArn"]
                for page in pages for item in page["CertificateSummaryList"]]


class Requests(AcmCase):
    def test_a_certificate_is_issued_at_once_and_tells_what_acm_tells(self):
        name = f"{unique('w')}.example.com"
        arn = self.request(name, f"*.{name}", "other.example.org")
        self.assertRegex(arn, f"^{ARN}$")
        self.acm.get_waiter("certificate_validated").wait(
            CertificateArn=arn, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
        told = self.describe(arn)
        self.assertEqual(
            (told["Status"], told["Type"], told["DomainName"], told["KeyAlgorithm"]),
            ("ISSUED", "AMAZON_ISSUED", name, "RSA-2048"))
        self.assertEqual(
            told["SubjectAlternativeNames"], [name, f"*.{name}", "other.example.org"])
        self.assertEqual(told["Subject"], f"CN={name}")
        self.assertRegex(told["Serial"], r"^[0-9a-f]{2}(:[0-9a-f]{2})+$")
        self.assertEqual(told["InUseBy"], [])
        self.assertIn(told["RenewalEligibility"], ("ELIGIBLE", "INELIGIBLE"))
        self.assertLess(told["NotBefore"], told["NotAfter"])
        self.assertLessEqual(told["CreatedAt"], told["IssuedAt"])
        self.assertIn("TLS_WEB_SERVER_AUTHENTICATION",
                      [usage["Name"] for usage in told["ExtendedKeyUsages"]])
        records = {}
        for option in told["DomainValidationOptions"]:
            self.assertEqual(
                (option["ValidationStatus"], option["ValidationMethod"]), ("SUCCESS", "DNS"))
            record = option["ResourceRecord"]
            self.assertEqual(record["Type"], "CNAME")
            domain = option["DomainName"].removeprefix("*.")
            self.assertRegex(record["Name"], rf"^_[0-9a-f]{{32}}\.{re.escape(domain)}\.$")
            self.assertTrue(record["Value"].startswith("_") and record["Value"].endswith("."))
            records.setdefault(domain, set()).add((record["Name"], record["Value"]))
        self.assertEqual({name: 1, "other.example.org": 1},
                         {domain: len(found) for domain, found in records.items()},
                         "a name and its wildcard have one record")

    def test_what_is_issued_is_a_chain_to_the_root_that_trust_prints(self):
        root = self.here / "root.pem"
        root.write_text(self.server.run("trust").stdout)
        for algorithm, shown in (("RSA_2048", "rsaEncryption"), ("EC_prime256v1", "prime256v1"),
                                 ("EC_secp384r1", "secp384r1")):
            with self.subTest(algorithm):
                arn = self.issued("chain.example.com", KeyAlgorithm=algorithm)
                got = self.acm.get_certificate(CertificateArn=arn)
                leaf, chain = self.here / "leaf.pem", self.here / "chain.pem"
                leaf.write_text(got["Certificate"])
                chain.write_text(got.get("CertificateChain", ""))
                untrusted = ("-untrusted", chain) if chain.read_text() else ()
                told = openssl("verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", root,
                               "-verify_hostname", "chain.example.com", *untrusted, leaf)
                self.assertIn(": OK", told)
                self.assertIn(shown, openssl("x509", "-noout", "-text", "-in", leaf))
                self.assertEqual(self.describe(arn)["KeyAlgorithm"], algorithm.replace("_", "-"))

    def test_the_same_token_and_the_same_parameters_make_one_certificate(self):
        token, name = unique("t").replace("-", ""), "token.example.com"
        first = self.request(name, IdempotencyToken=token)
        self.assertEqual(self.request(name, IdempotencyToken=token), first)
        self.assertNotEqual(self.request(name), first)

    def test_requests_that_cannot_be_are_refused(self):
        call = self.acm.request_certificate
        for parameters in (
            {"DomainName": "no_dots"}, {"DomainName": "a..example.com"},
            {"DomainName": "*.*.example.com"}, {"DomainName": f"{'a' * 64}.example.com"},
            {"DomainName": "www.*.example.com"}, {"DomainName": "example.com",
                                                  "SubjectAlternativeNames": ["-x.example.com"]},
            {"DomainName": "example.com", "KeyAlgorithm": "RSA_512"},
            {"DomainName": "example.com", "ValidationMethod": "PIGEON"},
            {"DomainName": "example.com", "IdempotencyToken": "not a word"},
        ):
            with self.subTest(parameters):
                with self.assertRaises(botocore.exceptions.ClientError) as caught:
                    call(**{"ValidationMethod": "DNS", **parameters})
                self.assertIn(caught.exception.response["Error"]["Code"], (
                    "ValidationException", "InvalidParameterException",
                    "InvalidDomainValidationOptionsException"))

    def test_more_tags_than_allowed_and_reserved_ones_are_refused(self):
        tags = [{"Key": f"k{number}", "Value": ""} for number in range(51)]
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            self.request("tags.example.com", Tags=tags)
        self.assertIn(caught.exception.response["Error"]["Code"],
                      ("TooManyTagsException", "InvalidParameterException"))
        self.refused("InvalidTagException", self.request, "tags.example.com",
                     Tags=[{"Key": "aws:mine", "Value": ""}])


class Imports(AcmCase):
    @classmethod
    def set_up(cls):
        super().set_up()
        cls.authority = Authority()
        cls.issuer = Authority("Issuer", above=cls.authority)

    def test_a_certificate_with_its_chain_is_imported_and_told(self):
        for key, shown in (("p256", "EC-prime256v1"), ("rsa", "RSA-2048")):
            leaf = self.issuer.leaf("imported.example.com", "*.imported.example.com", key=key)
            arn = self.imported(leaf, Tags=[{"Key": "of", "Value": "mine"}])
            told = self.describe(arn)
            self.assertEqual(
                (told["Status"], told["Type"], told["RenewalEligibility"], told["KeyAlgorithm"]),
                ("ISSUED", "IMPORTED", "INELIGIBLE", shown))
            self.assertEqual(
                int(told["Serial"].replace(":", ""), 16), leaf.x509.serial_number)
            self.assertIn("ImportedAt", told)
            self.assertNotIn("DomainValidationOptions", told)
            got = self.acm.get_certificate(CertificateArn=arn)
            self.assertEqual(got["Certificate"].strip(), leaf.certificate.strip())
            self.assertEqual(got["CertificateChain"].strip(), leaf.chain.strip())
            tags = self.acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]
            self.assertEqual(tags, [{"Key": "of", "Value": "mine"}])

    def test_bad_certificates_are_refused(self):
        leaf, other = self.issuer.leaf("a.example.com"), self.issuer.leaf("a.example.com")
        stranger = Authority("Stranger")
        expired = self.issuer.leaf("a.example.com", begins=-9 * DAY, life=2 * DAY)
        early = self.issuer.leaf("a.example.com", begins=9 * DAY)
        good = {"Certificate": leaf.certificate, "PrivateKey": leaf.key,
                "CertificateChain": leaf.chain}
        for what, change in {
            "another key": {"PrivateKey": other.key},
            "another chain": {"CertificateChain": stranger.pem},
            "no certificate": {"Certificate": "nothing"},
            "no key": {"PrivateKey": "nothing"},
            "two certificates": {"Certificate": leaf.certificate + leaf.chain},
            "no chain": {"CertificateChain": "nothing"},
            "expired": {"Certificate": expired.certificate, "PrivateKey": expired.key},
            "not yet": {"Certificate": early.certificate, "PrivateKey": early.key},
            "a key with a passphrase": {"PrivateKey": openssl(
                "pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:x", text=leaf.key)},
            "too large": {"Certificate": leaf.certificate + "\n" * 33_000},
        }.items():
            with self.subTest(what):
                error = self.refused(
                    "ValidationException", self.acm.import_certificate, **{**good, **change})
                self.assertTrue(error["Message"])

    def test_an_import_anew_keeps_the_arn_and_what_is_not_there_is_not_found(self):
        first, second = (self.issuer.leaf("again.example.com") for _ in range(2))
        arn = self.imported(first)
        self.assertEqual(self.imported(second, CertificateArn=arn), arn)
        self.assertEqual(
            int(self.describe(arn)["Serial"].replace(":", ""), 16), second.x509.serial_number)
        self.refused("ResourceNotFoundException", self.imported, second, CertificateArn=ABSENT)
        self.refused("ValidationException", self.imported, second, CertificateArn=arn,
                     Tags=[{"Key": "a", "Value": "b"}])
        asked = self.issued("asked.example.com")
        with self.assertRaises(botocore.exceptions.ClientError):
            self.imported(self.issuer.leaf("asked.example.com"), CertificateArn=asked)

    def test_an_imported_one_is_not_exported_nor_renewed(self):
        arn = self.imported(self.issuer.leaf("mine.example.com"))
        self.refused("ValidationException", self.acm.export_certificate, CertificateArn=arn,
                     Passphrase=PASSPHRASE)
        self.refused("ValidationException", self.acm.renew_certificate, CertificateArn=arn)


class Life(AcmCase):
    def test_what_is_in_use_is_not_deleted(self):
        name = f"{unique('used')}.example.com"
        arn = self.issued(name)
        made = self.make_distribution(
            Aliases=quantified(name), ViewerCertificate=self.of_viewer(arn))
        processes.eventually(
            "InUseBy", lambda: self.describe(arn)["InUseBy"] == [made["ARN"]])
        self.refused("ResourceInUseException", self.acm.delete_certificate, CertificateArn=arn)
        self.change(made["Id"], lambda config: config.update(
            Aliases=quantified(), ViewerCertificate={"CloudFrontDefaultCertificate": True}))

        def is_free():
            return self.describe(arn)["InUseBy"] == []

        processes.eventually("no InUseBy", is_free)
        self.acm.delete_certificate(CertificateArn=arn)
        self.refused(
            "ResourceNotFoundException", self.acm.describe_certificate, CertificateArn=arn)
        self.assertNotIn(arn, self.listed())

    def test_a_distribution_wants_a_certificate_that_is_there_and_covers_its_names(self):
        arn = self.issued("covered.example.com", "*.covered.example.com")
        for aliases, certificate in (
            (["other.example.com"], arn), (["a.b.covered.example.com"], arn),
            (["covered.example.com"], ABSENT),
            (["covered.example.com"], arn.replace("us-east-1", "eu-west-1")),
        ):
            with self.subTest(aliases, certificate=certificate):
                self.refused("InvalidViewerCertificate", self.make_distribution,
                             Aliases=quantified(*aliases),
                             ViewerCertificate=self.of_viewer(certificate))
        self.make_distribution(Aliases=quantified("x.covered.example.com"),
                               ViewerCertificate=self.of_viewer(arn))

    def test_tags_come_and_go_by_both_kinds_of_operations(self):
        arn = self.issued("tagged.example.com", Tags=[{"Key": "a", "Value": "1"}])
        self.acm.add_tags_to_certificate(
            CertificateArn=arn, Tags=[{"Key": "b", "Value": "2"}, {"Key": "c"}])
        self.acm.remove_tags_from_certificate(
            CertificateArn=arn, Tags=[{"Key": "a"}, {"Key": "b", "Value": "not so"}])
        tags = self.acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]
        self.assertEqual({tag["Key"]: tag.get("Value", "") for tag in tags}, {"b": "2", "c": ""})
        for call, more in (
            (self.acm.add_tags_to_certificate, {"Tags": [{"Key": "a"}]}),
            (self.acm.remove_tags_from_certificate, {"Tags": [{"Key": "a"}]}),
            (self.acm.list_tags_for_certificate, {}),
        ):
            self.refused("ResourceNotFoundException", call, CertificateArn=ABSENT, **more)
        self.refused("InvalidTagException", self.acm.add_tags_to_certificate, CertificateArn=arn,
                     Tags=[{"Key": "aws:x", "Value": ""}])
        self.refused("TooManyTagsException", self.acm.add_tags_to_certificate, CertificateArn=arn,
                     Tags=[{"Key": f"k{number}", "Value": ""} for number in range(49)])

    def test_openssl_opens_what_is_exported_with_the_passphrase_alone(self):
        arn = self.issued("exported.example.com", Options={"Export": "ENABLED"})
        got = self.acm.export_certificate(CertificateArn=arn, Passphrase=PASSPHRASE)
        self.assertIn("BEGIN ENCRYPTED PRIVATE KEY", got["PrivateKey"])
        encrypted = self.here / "encrypted.pem"
        encrypted.write_text(got["PrivateKey"])
        right = openssl("pkey", "-in", encrypted, "-passin", f"pass:{PASSPHRASE.decode()}",
                        "-pubout")
        certificate = openssl("x509", "-pubkey", "-noout", text=got["Certificate"])
        self.assertEqual(right, certificate)
        self.assertNotIn("BEGIN PUBLIC KEY", openssl(
            "pkey", "-in", encrypted, "-passin", "pass:wrong", "-pubout"))
        self.assertTrue(got["CertificateChain"])
        for passphrase in (b"abc", b"x" * 129):
            self.refused("ValidationException", self.acm.export_certificate, CertificateArn=arn,
                         Passphrase=passphrase)
        kept = self.issued("kept.example.com")
        self.refused("ValidationException", self.acm.export_certificate, CertificateArn=kept,
                     Passphrase=PASSPHRASE)

    def test_renewal_gives_another_certificate_and_the_same_arn(self):
        arn = self.issued("renewed.example.com", Options={"Export": "ENABLED"})
        self.acm.export_certificate(CertificateArn=arn, Passphrase=PASSPHRASE)
        before = self.describe(arn)["Serial"]
        self.acm.renew_certificate(CertificateArn=arn)
        processes.eventually("another serial", lambda: self.describe(arn)["Serial"] != before)
        told = self.describe(arn)
        self.assertEqual(told["RenewalSummary"]["RenewalStatus"], "SUCCESS")
        self.assertEqual(told["Status"], "ISSUED")

    def test_options_are_updated(self):
        arn = self.issued("options.example.com")
        self.assertEqual(
            self.describe(arn)["Options"]["CertificateTransparencyLoggingPreference"], "ENABLED")
        self.acm.update_certificate_options(
            CertificateArn=arn, Options={"CertificateTransparencyLoggingPreference": "DISABLED"})
        self.assertEqual(
            self.describe(arn)["Options"]["CertificateTransparencyLoggingPreference"], "DISABLED")
        self.refused("ResourceNotFoundException", self.acm.update_certificate_options,
                     CertificateArn=ABSENT,
                     Options={"CertificateTransparencyLoggingPreference": "DISABLED"})

    def test_operations_on_what_is_not_there(self):
        acm = self.acm
        for call, more in (
            (acm.describe_certificate, {}), (acm.get_certificate, {}),
            (acm.delete_certificate, {}), (acm.renew_certificate, {}),
            (acm.export_certificate, {"Passphrase": PASSPHRASE}),
            (acm.resend_validation_email, {"Domain": "a.com", "ValidationDomain": "a.com"}),
        ):
            with self.subTest(call.__name__):
                self.refused("ResourceNotFoundException", call, CertificateArn=ABSENT, **more)
                with self.assertRaises(botocore.exceptions.ClientError) as caught:
                    call(CertificateArn="arn:aws:s3:::nothing-of-the-kind", **more)
                self.assertIn(caught.exception.response["Error"]["Code"],
                              ("InvalidArnException", "ValidationException"))

    def test_the_accounts_configuration_is_kept(self):
        days = self.acm.get_account_configuration()["ExpiryEvents"]["DaysBeforeExpiry"]
        self.assertEqual(days, 45)
        self.acm.put_account_configuration(
            ExpiryEvents={"DaysBeforeExpiry": 30}, IdempotencyToken="t1")
        self.assertEqual(
            self.acm.get_account_configuration()["ExpiryEvents"]["DaysBeforeExpiry"], 30)


class Lists(AcmCase):
    def test_lists_are_filtered_as_acm_filters_them_and_come_in_pages(self):
        rsa = [self.issued(f"rsa{number}.example.com") for number in range(3)]
        curve = self.issued("curve.example.com", KeyAlgorithm="EC_prime256v1")
        mine = self.imported(Authority().leaf("mine.example.com", key="rsa"))
        self.assertEqual(set(self.listed()), {*rsa, mine}, "RSA of 2048 alone, unless asked")
        everything = self.listed(Includes={"keyTypes": ["RSA_2048", "EC_prime256v1"]})
        self.assertEqual(set(everything), {*rsa, curve, mine})
        self.assertEqual(self.listed(Includes={"keyTypes": ["EC_prime256v1"]}), [curve])
        self.assertEqual(self.listed(CertificateStatuses=["PENDING_VALIDATION"]), [])
        self.assertEqual(
            self.listed(SortBy="CREATED_AT", SortOrder="ASCENDING"), [*rsa, mine])
        self.assertEqual(
            self.listed(SortBy="CREATED_AT", SortOrder="DESCENDING"), [mine, *reversed(rsa)])
        page = self.acm.list_certificates(MaxItems=2)
        self.assertEqual(len(page["CertificateSummaryList"]), 2)
        rest = self.acm.list_certificates(MaxItems=2, NextToken=page["NextToken"])
        self.assertEqual(len(rest["CertificateSummaryList"]), 2)
        summary = next(
            item for item in self.acm.list_certificates()["CertificateSummaryList"]
            if item["CertificateArn"] == mine)
        self.assertEqual((summary["Type"], summary["DomainName"], summary["Status"]),
                         ("IMPORTED", "mine.example.com", "ISSUED"))
        with self.assertRaises(botocore.exceptions.ClientError):
            self.acm.list_certificates(NextToken="nonsense")

    def test_the_command_line_client_works_too(self):
        arn = self.server.aws("acm", "request-certificate", "--domain-name", "cli.example.com",
                              "--validation-method", "DNS")["CertificateArn"]
        self.server.aws("acm", "wait", "certificate-validated", "--certificate-arn", arn)
        told = self.server.aws("acm", "describe-certificate", "--certificate-arn", arn)
        self.assertEqual(told["Certificate"]["Status"], "ISSUED")
        done = aws(self.server.environment(), "acm", "delete-certificate",
                   "--certificate-arn", ABSENT)
        self.assertIn("ResourceNotFoundException", done.stderr)


class Waiting(AcmCase):
    """Where names are validated: a request waits for its record."""

    FLAGS = ("--validate-certificates", "on")

    def test_a_request_waits_for_its_record_in_a_zone_that_is_hosted_here(self):
        route53 = self.server.client("route53")
        name = f"{unique('z')}.example.com"
        zone = route53.create_hosted_zone(
            Name=name, CallerReference=unique("ref"))["HostedZone"]["Id"]
        arn = self.request(name, f"*.{name}")
        told = self.describe(arn)
        self.assertEqual(told["Status"], "PENDING_VALIDATION")
        self.refused("RequestInProgressException", self.acm.get_certificate, CertificateArn=arn)
        self.refused("InvalidViewerCertificate", self.make_distribution,
                     Aliases=quantified(name), ViewerCertificate=self.of_viewer(arn))
        record = told["DomainValidationOptions"][0]["ResourceRecord"]
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [{
            "Action": "CREATE", "ResourceRecordSet": {
                "Name": record["Name"], "Type": "CNAME", "TTL": 60,
                "ResourceRecords": [{"Value": record["Value"]}]}}]})
        self.acm.get_waiter("certificate_validated").wait(
            CertificateArn=arn, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        processes.eventually("issue", lambda: self.describe(arn)["Status"] == "ISSUED")

    def test_a_request_that_waits_can_be_deleted(self):
        arn = self.request("waits.example.org")
        self.assertEqual(self.listed(CertificateStatuses=["PENDING_VALIDATION"]), [arn])
        self.acm.delete_certificate(CertificateArn=arn)
        self.assertEqual(self.listed(CertificateStatuses=["PENDING_VALIDATION"]), [])
