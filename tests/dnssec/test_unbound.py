"""unbound resolves by our server, validates, and concludes what it may from what it remembers."""

import re
import unittest

import programs
import zones
from case import Case


@unittest.skipUnless(programs.program("unbound"), "unbound is not installed")
@unittest.skipUnless(programs.program("dig"), "dig is not installed")
class Unbound(Case):
    @classmethod
    def set_up(cls):
        cls.server = cls.start(programs.NameServer(cls.here))
        anchor = f"{zones.SIGNED} DS {cls.server.zones[zones.SIGNED].ds}"
        cls.unbound = cls.start(programs.Unbound(cls.directory("good"), cls.server, anchor))

    def ask(self, labels, kind, unbound=None):
        """Response code, flags, and the lines of the answer."""
        name = zones.below(labels, zones.SIGNED) if labels else zones.SIGNED
        said = (unbound or self.unbound).dig(name, kind)
        head = re.search(r"status: (\w+).*?\n;; flags: ([a-z ]*);", said, re.DOTALL)
        self.assertTrue(head, said)
        lines = said.split("ANSWER SECTION:\n")[1].split("\n\n")[0] if "ANSWER SEC" in said else ""
        answers = [line for line in lines.splitlines() if "RRSIG" not in line]
        return head.group(1), head.group(2).split(), "\n".join(answers)

    def check_validated(self, labels, kind, *parts):
        code, flags, answer = self.ask(labels, kind)
        what = f"{labels} {kind}: {code} {flags} {answer}\n{self.unbound.log()[-2000:]}"
        self.assertIn(code, ("NOERROR", "NXDOMAIN"), what)
        self.assertIn("ad", flags, what)
        for part in parts:
            self.assertIn(part, answer, what)
        if not parts:
            # What is denied leads nowhere; a chain of names may lead there.
            self.assertNotRegex(answer, rf"IN\s+{kind}\s", what)

    def test_answers_of_every_kind_are_authentic(self):
        for labels, kind, part in (
            ("", "SOA", "hostmaster"),
            ("", "NS", "ns1."),
            ("", "DNSKEY", "257 3 13"),
            ("", "A", "192.0.2.1"),
            ("", "AAAA", "2001:db8::1"),
            ("www", "A", "192.0.2.9"),
            ("www", "TXT", '"hello" "world"'),
            ("svc", "HTTPS", "h2"),
            ("c1", "A", "192.0.2.9"),
            ("x.y.wild", "A", "192.0.2.30"),
            ("*.wild", "A", "192.0.2.30"),
            ("x.wildcname", "A", "192.0.2.9"),
            ("weighted", "A", "192.0.2.5"),
            ("geo", "A", "192.0.2.61"),
            ("multi", "A", "192.0.2.7"),
            ("alias", "A", "192.0.2.9"),
            ("alias-weighted", "A", "192.0.2.5"),
            ("child", "DS", "13 2"),
            ("child", "DNSKEY", "257 3 13"),
            ("www.child", "A", "192.0.2.80"),
        ):
            with self.subTest(labels=labels, kind=kind):
                self.check_validated(labels, kind, part)

    def test_denials_of_every_kind_are_authentic(self):
        for labels, kind in (
            ("no-such-name", "A"),
            ("a.b.no-such-name", "MX"),
            ("www", "MX"),
            ("www", "DS"),
            ("", "TXT"),
            ("", "CNAME"),
            ("ent", "A"),
            ("b.ent", "A"),
            ("x.wild", "MX"),
            ("there.wild", "A"),
            ("dangling", "A"),
            ("nowhere", "A"),
            ("unsigned", "DS"),
            ("nothing.child", "A"),
        ):
            with self.subTest(labels=labels, kind=kind):
                self.check_validated(labels, kind)

    def test_a_denial_says_nothing_of_other_names_and_types(self):
        for denied, existing in (
            (("zz.www", "A"), ("www", "A")),
            (("www", "MX"), ("www", "AAAA")),
            (("ent", "A"), ("a.b.ent", "A")),
            (("x.there.wild", "A"), ("x2.wild", "A")),
            (("", "TXT"), ("", "CAA")),
            (("wv", "A"), ("www", "A")),
        ):
            with self.subTest(denied=denied, existing=existing):
                self.check_validated(*denied)
                code, flags, answer = self.ask(*existing)
                self.assertEqual(code, "NOERROR")
                self.assertIn("ad", flags)
                self.assertTrue(answer, existing)

    def test_an_unsigned_zone_below_resolves_without_being_authentic(self):
        code, flags, answer = self.ask("www.unsigned", "A")
        self.assertEqual(code, "NOERROR", self.unbound.log()[-2000:])
        self.assertNotIn("ad", flags)
        self.assertIn("192.0.2.90", answer)

    def test_a_chain_that_does_not_begin_at_the_anchor_is_bogus(self):
        wrong = f"{zones.SIGNED} DS {self.server.zones[zones.CHILD].ksk.ds(zones.SIGNED)}"
        unbound = programs.Unbound(self.directory("wrong"), self.server, wrong)
        self.addCleanup(unbound.kill)
        code, flags, answer = self.ask("www", "A", unbound)
        self.assertEqual((code, answer), ("SERVFAIL", ""))
