"""Restriction by country, with the database that anybody may use, where its registry is reached;
and without one, a refusal that says why."""

import unittest

from aws_case import quantified, unique
from private_case import PrivateCase, SecretOrigin

import processes

PAGE = "configured to block access from your country"


class WithoutDatabase(PrivateCase):
    @classmethod
    def set_up(cls):
        cls.origin = cls.start(SecretOrigin())
        cls.start_server()

    def test_a_restriction_without_a_database_serves_nobody_and_says_why(self):
        for kind in ("whitelist", "blacklist"):
            host = f"{unique('geo')}.example.test"
            try:
                self.make_distribution(Aliases=quantified(host), Restrictions={
                    "GeoRestriction": {"RestrictionType": kind, **quantified("DE")}})
            except self.cloudfront.exceptions.ClientError as error:
                self.assertIn("geo", str(error).lower())
                continue
            for method in ("GET", "HEAD", "POST"):
                more = {"Content_Length": "0"} if method == "POST" else {}
                seen = self.get(host, "/", method=method, **more)
                self.assertEqual(seen.status, 503, seen)
                self.assertNotIn("secret", seen.body)
        self.assertEqual(self.origin.paths(), [])
        self.assertIn("geo", self.server.log().lower())

    def test_without_a_restriction_nothing_is_missing(self):
        made = self.make_distribution()
        self.assertEqual(self.get(made["DomainName"], "/").status, 200)


class WithDatabase(PrivateCase):
    @classmethod
    def set_up(cls):
        data = cls.directory("server") / "data"
        fetched = processes.run_warmfront("geo", "fetch", "--data", data, timeout=120)
        if fetched.returncode != 0:
            raise unittest.SkipTest(
                "warmfront geo fetch: " + fetched.stderr.strip().splitlines()[-1])
        cls.told = fetched.stdout + fetched.stderr
        cls.origin = cls.start(SecretOrigin())
        cls.start_server()

    def restricted(self, kind, *countries):
        host = f"{unique('geo')}.example.test"
        self.make_distribution(
            Aliases=quantified(host),
            Restrictions={"GeoRestriction": {
                "RestrictionType": kind, **quantified(*countries)}},
            CustomErrorResponses=quantified())
        return host

    def explained(self, host, ip):
        """What would become of a viewer from there."""
        done = processes.run_warmfront(
            "explain", f"http://{host}/", "--ip", ip, "--endpoint", self.server.url,
            "--data", self.server.data, directory=self.server.directory)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_fetching_says_what_was_installed(self):
        self.assertIn("geo-whois-asn-country-mmdb", self.told)
        self.assertTrue((self.server.data / "geo" / "country.mmdb").stat().st_size > 1_000_000)

    def test_an_address_of_no_country_is_served(self):
        """127.0.0.1 is nowhere: the spec lets it pass."""
        for kind in ("whitelist", "blacklist"):
            self.assertEqual(self.get(self.restricted(kind, "DE"), "/").status, 200)
