"""delv asks our server itself, as a resolver would, and follows every signature to the anchor."""

import unittest

import programs
import zones
from case import Case

VALIDATED = "; fully validated"
DENIED = "; negative response, fully validated"
UNSIGNED = "; unsigned answer"


@unittest.skipUnless(programs.program("delv"), "delv is not installed")
class Delv(Case):
    @classmethod
    def set_up(cls):
        cls.server = cls.start(programs.NameServer(cls.here))
        cls.anchor = cls.write_anchor("anchor", cls.server.zones[zones.SIGNED].ds)

    @classmethod
    def write_anchor(cls, name, ds):
        tag, algorithm, kind, digest = ds.split()
        path = cls.here / name
        path.write_text(
            f'trust-anchors {{ "{zones.SIGNED}" static-ds {tag} {algorithm} {kind} "{digest}"; }};'
        )
        return path

    def delv(self, name, kind, *flags, anchor=None):
        return programs.output(
            "delv", "@127.0.0.1", "-p", self.server.port, "-a", anchor or self.anchor,
            f"+root={zones.SIGNED}", *flags, name, kind,
        )

    def check(self, labels, kind, verdict, *parts):
        name = zones.below(labels, zones.SIGNED) if labels else zones.SIGNED
        said = self.delv(name, kind)
        self.assertIn(verdict, said.splitlines(), f"{name} {kind}")
        for part in parts:
            self.assertIn(part, said, f"{name} {kind}")

    def test_answers_are_valid(self):
        for labels, kind, *parts in (
            ("", "SOA", "hostmaster"),
            ("", "NS", "ns1."),
            ("", "DNSKEY", "257 3 13", "256 3 13"),
            ("", "A", "192.0.2.1"),
            ("", "MX", "20 mail2"),
            ("", "CAA", "ca.example"),
            ("www", "A", "192.0.2.9", "192.0.2.10", "192.0.2.11"),
            ("www", "AAAA", "2001:db8::1"),
            ("www", "TXT", '"hello" "world"', '"v=1"'),
            ("svc", "HTTPS", "h2,h3"),
            ("_sip._tcp", "SRV", "5060"),
            ("WwW", "A", "192.0.2.9"),
            ("long", "A", "604800"),
        ):
            with self.subTest(labels=labels, kind=kind):
                self.check(labels, kind, VALIDATED, *parts)

    def test_chains_of_names_are_valid(self):
        for labels, kind, *parts in (
            ("c1", "A", "CNAME", "192.0.2.9"),
            ("c1", "CNAME", "c2."),
            ("x.wildcname", "A", "CNAME", "192.0.2.9"),
        ):
            with self.subTest(labels=labels, kind=kind):
                self.check(labels, kind, VALIDATED, *parts)

    def test_wildcards_stand_for_names_as_if_these_existed(self):
        for labels in ("x.wild", "x.y.z.wild", "*.wild"):
            with self.subTest(labels=labels):
                self.check(labels, "A", VALIDATED, "192.0.2.30")
        self.check("x.wild", "MX", DENIED)
        # A name that exists hides the wildcard, also from what is below it.
        self.check("there.wild", "A", DENIED)
        self.check("x.there.wild", "A", DENIED)

    def test_what_is_chosen_is_valid(self):
        for labels, part in (
            ("weighted", "192.0.2.5"),
            ("geo", "192.0.2.61"),
            ("multi", "192.0.2.7"),
            ("alias", "192.0.2.9"),
            ("alias-weighted", "192.0.2.5"),
        ):
            with self.subTest(labels=labels):
                self.check(labels, "A", VALIDATED, part)
        self.check("", "AAAA", VALIDATED, "2001:db8::1")
        self.check("nowhere", "A", DENIED)

    def test_denials_are_valid(self):
        for labels, kind in (
            ("no-such-name", "A"),
            ("a.b.c.no-such-name", "TXT"),
            ("www", "MX"),
            ("www", "TYPE65000"),
            ("www", "CNAME"),
            ("www", "DS"),
            ("c1.www", "A"),
            ("", "TXT"),
            ("", "CNAME"),
            ("ent", "A"),
            ("b.ent", "A"),
            ("_tcp", "SRV"),
        ):
            with self.subTest(labels=labels, kind=kind):
                self.check(labels, kind, DENIED)

    def test_a_name_that_leads_to_none_is_valid_and_so_is_the_denial(self):
        self.check("dangling", "A", VALIDATED, "CNAME", "NXRRSET")

    def test_names_as_long_as_names_can_be_are_denied(self):
        room = 255 - len(zones.SIGNED) - 1
        for spare in range(4):
            bytes_left = room - spare
            labels = []
            while bytes_left > 1:
                length = min(63, bytes_left - 1)
                labels.append("y" * length)
                bytes_left -= length + 1
            with self.subTest(spare=spare):
                self.check(".".join(labels), "A", DENIED)

    def test_a_zone_below_that_is_signed_is_valid_by_the_ds_record_here(self):
        self.check("child", "DS", VALIDATED, self.server.zones[zones.CHILD].ksk.ds("x")[:5])
        self.check("child", "DNSKEY", VALIDATED)
        self.check("www.child", "A", VALIDATED, "192.0.2.80")
        self.check("nothing.child", "A", DENIED)

    def test_a_zone_below_that_is_not_signed_is_proven_to_be_so(self):
        self.check("unsigned", "DS", DENIED)
        self.check("www.unsigned", "A", UNSIGNED, "192.0.2.90")

    def test_another_key_than_the_anchor_is_not_believed(self):
        ds = self.server.zones[zones.CHILD].ksk.ds(zones.SIGNED)
        anchor = self.write_anchor("wrong-anchor", ds)
        said = self.delv(zones.below("www", zones.SIGNED), "A", anchor=anchor)
        self.assertIn("resolution failed", said)

    def test_signatures_are_over_tcp_as_over_udp(self):
        said = self.delv(zones.SIGNED, "DNSKEY", "+tcp")
        self.assertIn(VALIDATED, said.splitlines())
