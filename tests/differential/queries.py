"""The queries that servers are compared by."""

import collections
import random
import struct

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rdataclass
import dns.rdatatype
import dns.zone

ORIGIN = dns.name.from_text("example.test.")
TYPES = ["A", "AAAA", "NS", "SOA", "CNAME", "MX", "TXT", "SRV", "CAA", "PTR", "DS", "HTTPS"]
# Types that are rare, unknown, of DNSSEC without a signature, or of no data.
ODD_TYPES = ["NAPTR", "SVCB", "SSHFP", "TLSA", "SPF", "HINFO", "RRSIG", "NSEC", "DNSKEY", "NSEC3",
             "NSEC3PARAM", "DNAME", "LOC", "TYPE0", "TYPE999", "TYPE65280", "TYPE65535", "MAILB",
             "MAILA", "TSIG", "TKEY"]
ODD_CLASSES = ["CH", "HS", "NONE", "ANY", "CLASS0", "CLASS2", "CLASS32768"]
MISSING_COUNT = 400


Query = collections.namedtuple("Query", "kind message is_by_tcp")


def all_queries(zone_file):
    """Every query, in an order that is the same at each run."""
    by_udp = [Query(kind, message, False) for kind, message in kinds_and_messages(zone_file)]
    by_tcp = [Query("by TCP", query.message, True) for query in by_udp
              if query.kind in ("existing", "wildcard", "chain", "large", "EDNS payload")]
    return by_udp + by_tcp


def kinds_and_messages(zone_file):
    dice = random.Random(1)
    zone = dns.zone.from_file(zone_file, ORIGIN, relativize=False, check_origin=False)
    existing = sorted(zone.nodes)
    between = sorted({name.split(depth)[1] for name in existing
                      for depth in range(len(ORIGIN), len(name))} - set(existing))
    return [
        *existing_queries(existing),
        *(("empty non-terminal", ask(name, kind)) for name in between for kind in TYPES),
        *missing_queries(existing, dice),
        *wildcard_queries(),
        *delegation_queries(),
        *chain_queries(existing),
        *type_queries(existing),
        *class_queries(existing),
        *edns_queries(existing),
        *header_queries(),
        *(("other zones", ask(name, kind)) for kind in TYPES for name in
          [".", "test.", "com.", "other.test.", "www.other.test.", "xexample.test.",
           "example.testx.", "example.test.example."]),
        *letter_queries(existing, dice),
        *large_queries(),
        *malformed_queries(dice),
    ]


def ask(name, kind, edns=False, rdclass="IN", **options):
    message = dns.message.make_query(name, kind, rdclass, use_edns=edns, **options)
    message.flags = dns.flags.Flag(0)
    return wire(message)


def wire(message):
    return message.to_wire(max_size=65535)


def existing_queries(existing):
    for name in existing:
        for kind in TYPES:
            yield "existing", ask(name, kind)
            yield "existing, recursion desired", wire(dns.message.make_query(name, kind))


def missing_queries(existing, dice):
    for _ in range(MISSING_COUNT):
        name = dice.choice(existing)
        letters = "abcdefghijklmnopqrstuvwxyz0123456789-_"
        label = "".join(dice.choices(letters, k=dice.randint(1, 20)))
        depth = dice.randint(len(ORIGIN), len(name))
        missing = dns.name.Name([label.encode()]) + name.split(depth)[1]
        for kind in dice.sample(TYPES, 3):
            yield "missing or covered", ask(missing, kind)
    for name in ["a." * 100 + "example.test.", "missing.www.example.test.", "x.text.example.test.",
                 "x.a.b.c.ent.example.test.", "x.b.c.ent.example.test."]:
        for kind in TYPES:
            yield "missing or covered", ask(name, kind)


def wildcard_queries():
    names = """x.wild x.y.wild a.b.c.d.wild host.wild x.host.wild er.wild x.er.wild deep.er.wild
        x.deep.er.wild *.wild x.*.wild *.*.wild wild x.wildcname *.wildcname x.y.wildcname wildcname
        wildent x.wildent y.wildent y.x.wildent *.x.wildent wild2 *.wild2 sub.*.wild2 x.*.wild2
        x.wild2 sub.x.wild2 x.wildmx www.wilda x.wilda x.www.wilda *.example * x.*""".split()
    for name in names:
        for kind in TYPES:
            yield "wildcard", ask(f"{name}.example.test.", kind)


def delegation_queries():
    for cut in ["deleg", "far", "secure", "below.ent"]:
        for label in ["", "ns1.", "ns.", "host.", "missing.", "a.b.c.", "*."]:
            for kind in [*TYPES, "DNSKEY", "RRSIG", "NSEC"]:
                name = f"{label}{cut}.example.test."
                yield "delegation", ask(name, kind)
                yield "delegation, DNSSEC wanted", ask(name, kind, want_dnssec=True)


def chain_queries(existing):
    for name in existing:
        if any(str(name).startswith(label) for label in ["c1.", "c2.", "c3.", "out.", "dangling.",
                                                         "to"]):
            for kind in [*TYPES, "HINFO", "TYPE999"]:
                yield "chain", ask(name, kind)
                yield "chain", ask(dns.name.Name([b"below"]) + name, kind)


def type_queries(existing):
    for name in existing[::3] + [dns.name.from_text(f"{label}.example.test.") for label in
                                 ["missing", "x.wild", "c1", "host.deleg", "ent"]]:
        for kind in ODD_TYPES:
            yield "odd type", ask(name, kind)
        for edns in [False, 0]:
            yield "ANY", ask(name, "ANY", edns=edns)
    for kind in ["AXFR", "IXFR"]:
        yield "transfer by UDP", ask("example.test.", kind)
        yield "transfer by UDP", ask("www.example.test.", kind)


def class_queries(existing):
    for name in existing[::8] + [dns.name.from_text("other.test."), dns.name.root]:
        for rdclass in ODD_CLASSES:
            for kind in ["A", "SOA", "TXT", "ANY"]:
                yield "odd class", ask(name, kind, rdclass=rdclass)
    for name in ["version.bind.", "hostname.bind.", "id.server.", "version.server."]:
        yield "odd class", ask(name, "TXT", rdclass="CH")


def edns_queries(existing):
    option = dns.edns.GenericOption
    for name in [*existing[::6], dns.name.from_text("missing.example.test."),
                 dns.name.from_text("host.deleg.example.test.")]:
        for payload in [0, 100, 511, 512, 513, 1232, 4096, 65535]:
            yield "EDNS payload", ask(name, "A", edns=0, payload=payload)
            yield "EDNS payload", ask(name, "TXT", edns=0, payload=payload)
        for version in [1, 2, 255]:
            yield "EDNS version", ask(name, "A", edns=version)
        yield "EDNS flags", ask(name, "A", edns=0, ednsflags=dns.flags.DO)
        yield "EDNS flags", ask(name, "A", edns=0, ednsflags=0x7fff)
        for code, data in [(65001, b"x"), (65001, b""), (100, b"y" * 100), (12, b"\0" * 16)]:
            yield "EDNS option unknown", ask(name, "A", edns=0, options=[option(code, data)])


def header_queries():
    for flags in [dns.flags.RD, dns.flags.CD, dns.flags.AD, dns.flags.AA, dns.flags.RA,
                  dns.flags.TC, 0x0040, dns.flags.RD | dns.flags.CD | dns.flags.AD]:
        for name in ["www", "missing", "c1", "host.deleg"]:
            message = dns.message.make_query(f"{name}.example.test.", "A")
            message.flags = dns.flags.Flag(flags)
            yield "header flags", wire(message)
    for opcode in [1, 2, 3, 6, 7, 15]:
        for name in ["www.example.test.", "example.test.", "other.test."]:
            message = dns.message.make_query(name, "A")
            message.set_opcode(opcode)
            yield "opcode", wire(message)
    message = dns.message.make_query("www.example.test.", "A")
    message.flags |= dns.flags.QR
    yield "a response", wire(message)


def letter_queries(existing, dice):
    for name in existing:
        labels = [bytes(dice.choice([byte, byte ^ 0x20]) if chr(byte).isalpha() else byte
                        for byte in label) for label in name.labels]
        for kind in ["A", "TXT", "NS", "MX"]:
            yield "mixed case", ask(dns.name.Name(labels), kind)


def large_queries():
    for name in ["big512.big", "big1232.big"]:
        yield "large", ask(f"{name}.example.test.", "TXT")
        for payload in [512, 600, 1000, 1232, 1400, 2000, 4096]:
            yield "large", ask(f"{name}.example.test.", "TXT", edns=0, payload=payload)


def malformed_queries(dice):
    """What no client sends: lengths, counts and bytes that are wrong."""
    plain = ask("www.example.test.", "A")
    with_edns = ask("www.example.test.", "A", edns=0)
    for length in range(len(plain)):
        yield "cut off", plain[:length]
    for length in range(len(plain), len(with_edns)):
        yield "cut off", with_edns[:length]
    for counts in [(0, 0, 0, 0), (2, 0, 0, 0), (1, 1, 0, 0), (1, 0, 1, 0), (1, 0, 0, 1),
                   (1, 0, 0, 2)]:
        yield "wrong counts", plain[:4] + struct.pack(">HHHH", *counts) + plain[12:]
    yield "wrong counts", plain[:4] + struct.pack(">HHHH", 2, 0, 0, 0) + plain[12:] * 2
    opt = with_edns[len(plain):]
    yield "wrong counts", plain[:10] + b"\0\2" + plain[12:] + opt * 2
    for name in [b"\xc0\x0c", b"\xc0\xff", b"\x40" + b"a" * 64 + b"\0", b"\x80a\0",
                 b"\3www\xc0\x0c",
                 b"".join(b"\x3f" + letter * 63 for letter in (b"a", b"b", b"c", b"d")) + b"\0"]:
        yield "bad name", plain[:12] + name + plain[-4:]
    yield "bytes behind", plain + b"\0"
    yield "bytes behind", plain + b"x" * 100
    for _ in range(200):
        noise = bytearray(with_edns)
        for _ in range(dice.randint(1, 3)):
            noise[dice.randrange(12, len(noise))] = dice.randrange(256)
        yield "noise", bytes(noise)
