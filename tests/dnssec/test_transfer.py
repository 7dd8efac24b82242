"""Zones handed to secondaries: dig and kdig check what they get, Knot and NSD serve it on."""

import re
import unittest

import programs
import zones
from case import Case

from processes import eventually

DIG = unittest.skipUnless(programs.program("dig"), "dig is not installed")


def records(said):
    """Records as a zone file has them, with whatever space between their parts."""
    lines = (line.split() for line in said.splitlines() if line and not line.startswith(";"))
    return [" ".join(parts) for parts in lines if "TSIG" not in parts]


@DIG
class Transfer(Case):
    @classmethod
    def set_up(cls):
        cls.server = cls.start(programs.NameServer(cls.here))
        cls.zone = cls.server.zones[zones.STATIC]

    def transfer(self, *flags, zone=zones.STATIC, kind="AXFR"):
        return self.server.dig("+tcp", *flags, zone, kind)

    def check_whole(self, said):
        got = records(said)
        first, last = got[0], got[-1]
        self.assertEqual(first, last)
        self.assertRegex(first, rf"^{zones.STATIC} 900 IN SOA .* \d+ 7200 900 1209600 86400$")
        values = [
            value for _, record_set in self.zone.record_sets
            for value in record_set["ResourceRecords"]
        ]
        self.assertEqual(len(got), len(values) + 1)
        for expected in (
            "www.static.example. 300 IN A 192.0.2.11",
            "*.wild.static.example. 300 IN CNAME www.static.example.",
            'text.static.example. 300 IN TXT "one" "two"',
            "sub.static.example. 300 IN NS ns.sub.static.example.",
            "ns.sub.static.example. 300 IN A 192.0.2.12",
            "host-2999.static.example. 300 IN A 198.51.11.249",
        ):
            self.assertIn(expected, got)
        return int(first.split()[6])

    def test_who_has_the_key_gets_the_whole_zone(self):
        said = self.transfer("-y", programs.DIG_KEY)
        self.check_whole(said)
        self.assertNotIn("Couldn't verify", said)
        self.assertNotIn("WARNING", said)

    @unittest.skipUnless(programs.program("kdig"), "kdig is not installed")
    def test_kdig_is_content_too(self):
        said = programs.output(
            "kdig", "@127.0.0.1", "-p", self.server.port, "+tcp", "-y", programs.DIG_KEY,
            zones.STATIC, "AXFR",
        )
        self.assertNotRegex(said, r"(?m)^;; (ERROR|WARNING)")
        self.assertIn("host-2999.static.example.", said)

    def test_who_has_no_key_or_another_gets_nothing(self):
        other = programs.DIG_KEY.replace("AAEC", "BBEC")
        unknown = programs.DIG_KEY.replace("secondary", "tertiary")
        sha512 = programs.DIG_KEY.replace("256", "512")
        for flags in ((), ("-y", other), ("-y", unknown), ("-y", sha512)):
            with self.subTest(flags=flags):
                said = self.transfer(*flags)
                self.assertIn("Transfer failed", said)
                self.assertEqual([line for line in records(said) if "SOA" in line], [])

    def test_a_zone_that_is_chosen_from_or_signed_is_refused(self):
        said = self.transfer("-y", programs.DIG_KEY, zone=zones.SIGNED)
        self.assertIn("Transfer failed", said)
        self.assertEqual([line for line in records(said) if "SOA" in line], [])

    def test_the_serial_grows_for_holders_of_the_key_alone(self):
        def serial(*flags):
            said = self.server.dig("+noall", "+answer", *flags, zones.STATIC, "SOA")
            return int(records(said)[0].split()[6])

        before = self.check_whole(self.transfer("-y", programs.DIG_KEY))
        self.assertEqual(serial("-y", programs.DIG_KEY, "+tcp"), before)
        self.assertEqual(serial(), 1)
        new = zones.values(f"new{before}.{zones.STATIC}", "A", 300, "192.0.2.99")
        self.zone.record_sets.append((before + 5, new))
        self.server.read_again()
        self.assertEqual(self.check_whole(self.transfer("-y", programs.DIG_KEY)), before + 5)
        self.assertEqual(serial("-y", programs.DIG_KEY, "+tcp"), before + 5)
        self.assertEqual(serial(), 1)

    def test_who_asks_for_changes_gets_all_or_the_news_that_there_are_none(self):
        self.check_whole(self.transfer("-y", programs.DIG_KEY, kind="IXFR=0"))
        soa = records(self.transfer("-y", programs.DIG_KEY))[0]
        said = self.transfer("-y", programs.DIG_KEY, kind=f"IXFR={soa.split()[6]}")
        self.assertEqual(records(said), [soa])


class Secondary(Case):
    """A secondary serves what we serve, and what we change."""

    def follows(self, kind):
        server = self.start(programs.NameServer(self.directory("primary")))
        secondary = self.start(kind(self.directory("secondary"), server.port, zones.STATIC))

        def ask(name):
            said = programs.output(
                "dig", "@127.0.0.1", "-p", secondary.port, "+short", "+tries=1", "+time=2",
                name, "A",
            )
            secondary.check_runs()
            return re.findall(r"^[\d.]+$", said, re.MULTILINE)

        name = zones.below("host-2999", zones.STATIC)
        eventually("the zone", lambda: ask(name) == ["198.51.11.249"], 20)
        self.assertEqual(len(ask(zones.below("x.wild", zones.STATIC))), 2)
        new = zones.below("new", zones.STATIC)
        self.assertEqual(ask(new), [])
        zone = server.zones[zones.STATIC]
        zone.record_sets.append((9, zones.values(new, "A", 300, "192.0.2.99")))
        server.read_again()
        eventually("the change", lambda: ask(new) == ["192.0.2.99"], 20)

    @DIG
    @unittest.skipUnless(programs.program("knotd"), "Knot is not installed")
    def test_knot_follows(self):
        self.follows(programs.Knot)

    @DIG
    @unittest.skipUnless(programs.program("nsd"), "NSD is not installed")
    def test_nsd_follows(self):
        self.follows(programs.Nsd)
