"""Zones, as the store has them: a signed one with every kind of answer, one below it that is signed
too, one that is not, and one to be transferred."""

import json

from keys import Key

CREATED_MS = 1_790_000_000_000
ZSK, KSK = 256, 257

SIGNED = "signed.example."
CHILD = "child.signed.example."
UNSIGNED = "unsigned.signed.example."
STATIC = "static.example."


def values(name, kind, ttl, *data):
    return {
        "Name": name, "Type": kind, "TTL": ttl,
        "ResourceRecords": [{"Value": value} for value in data],
    }


def routed(name, kind, identifier, *data, **policy):
    return {**values(name, kind, 60, *data), "SetIdentifier": identifier, **policy}


def alias(name, kind, zone, target):
    return {
        "Name": name, "Type": kind,
        "AliasTarget": {
            "HostedZoneId": zone, "DNSName": target, "EvaluateTargetHealth": False,
        },
    }


def apex(zone):
    numbers = "1 7200 900 1209600 86400"
    return [
        values(zone, "SOA", 900, f"ns1.{zone} hostmaster.{zone} {numbers}"),
        values(zone, "NS", 172800, f"ns1.{zone}", f"ns2.{zone}"),
        values(f"ns1.{zone}", "A", 172800, "127.0.0.1"),
        values(f"ns2.{zone}", "A", 172800, "127.0.0.1"),
    ]


def below(labels, zone):
    return f"{labels}.{zone}"


class Zone:
    """One zone of the file that the server reads."""

    def __init__(self, number, name, record_sets, is_signed):
        self.id = f"Z{number:013}"
        self.name = name
        self.record_sets = [(1, record_set) for record_set in apex(name) + record_sets]
        self.ksk = Key(KSK) if is_signed else None
        # The first signs; the second is published and waits.
        self.zsks = [(0, Key(ZSK)), (1 << 43, Key(ZSK))] if is_signed else []

    def form(self):
        return {
            "zone": {
                "id": self.id, "etag": "E1", "version": 1,
                "created_ms": CREATED_MS, "modified_ms": CREATED_MS,
                "config": {
                    "name": self.name, "caller_reference": self.id,
                    "name_servers": [f"ns{number}.{self.name}"[:-1] for number in (1, 2)],
                    "is_signing": self.ksk is not None,
                },
            },
            "key_signing_keys": [{
                "name": "one", "zone": self.id, "caller_reference": "one", "kms_arn": "arn",
                "is_active": True, "private_key": self.ksk.private_key,
                "created_ms": CREATED_MS, "modified_ms": CREATED_MS,
            }] if self.ksk else [],
            "zone_signing_keys": {"keys": [
                {"private_key": key.private_key, "signs_from_ms": signs_from_ms}
                for signs_from_ms, key in self.zsks
            ]},
            "records": [
                {"modified": modified, "record_set": record_set}
                for modified, record_set in self.record_sets
            ],
        }

    @property
    def ds(self):
        return self.ksk.ds(self.name)


def signed(child):
    """A signed zone that has everything; `child` is another, below it."""

    def at(labels):
        return below(labels, SIGNED)

    zone = "Z0000000000001"
    return Zone(1, SIGNED, [
        values(SIGNED, "A", 300, "192.0.2.1"),
        values(SIGNED, "MX", 300, f"10 {at('mail')}", f"20 {at('mail2')}"),
        values(SIGNED, "CAA", 300, '0 issue "ca.example"'),
        values(at("www"), "A", 300, "192.0.2.10", "192.0.2.11", "192.0.2.9"),
        values(at("www"), "AAAA", 300, "2001:db8::1"),
        values(at("www"), "TXT", 300, '"hello" "world"', '"v=1"'),
        values(at("svc"), "HTTPS", 300, "1 . alpn=h2,h3"),
        values(at("_sip._tcp"), "SRV", 300, f"1 2 5060 {at('www')}"),
        values(at("c1"), "CNAME", 300, at("c2")),
        values(at("c2"), "CNAME", 300, at("www")),
        values(at("dangling"), "CNAME", 300, at("nothing-there")),
        values(at("a.b.ent"), "A", 300, "192.0.2.20"),
        values(at("*.wild"), "A", 300, "192.0.2.30"),
        values(at("there.wild"), "TXT", 300, '"no A here"'),
        values(at("*.wildcname"), "CNAME", 300, at("www")),
        values(at("long"), "A", 2_000_000, "192.0.2.40"),
        values(at("child"), "NS", 300, f"ns1.{CHILD}"),
        values(at("child"), "DS", 300, child.ds),
        values(at("ns1.child"), "A", 300, "127.0.0.1"),
        values(at("unsigned"), "NS", 300, f"ns1.{UNSIGNED}"),
        values(at("ns1.unsigned"), "A", 300, "127.0.0.1"),
        routed(at("weighted"), "A", "one", "192.0.2.51", Weight=1),
        routed(at("weighted"), "A", "two", "192.0.2.52", Weight=1),
        routed(at("geo"), "A", "all", "192.0.2.61", GeoLocation={"CountryCode": "*"}),
        routed(at("geo"), "A", "fr", "192.0.2.62", GeoLocation={"CountryCode": "FR"}),
        routed(at("nowhere"), "A", "fr", "192.0.2.63", GeoLocation={"CountryCode": "FR"}),
        routed(at("multi"), "A", "one", "192.0.2.71", MultiValueAnswer=True),
        routed(at("multi"), "A", "two", "192.0.2.72", MultiValueAnswer=True),
        alias(at("alias"), "A", zone, at("www")),
        alias(at("alias-weighted"), "A", zone, at("weighted")),
        alias(SIGNED, "AAAA", zone, at("www")),
    ], is_signed=True)


def world():
    """All zones, by name."""
    child = Zone(2, CHILD, [values(below("www", CHILD), "A", 300, "192.0.2.80")], is_signed=True)
    unsigned = Zone(
        3, UNSIGNED, [values(below("www", UNSIGNED), "A", 300, "192.0.2.90")], is_signed=False,
    )
    many = [
        values(below(f"host-{number}", STATIC), "A", 300, f"198.51.{number // 250}.{number % 250}")
        for number in range(3000)
    ]
    static = Zone(4, STATIC, [
        values(below("www", STATIC), "A", 300, "192.0.2.10", "192.0.2.11"),
        values(below("*.wild", STATIC), "CNAME", 300, below("www", STATIC)),
        values(below("text", STATIC), "TXT", 300, '"one" "two"'),
        values(below("sub", STATIC), "NS", 300, below("ns.sub", STATIC)),
        values(below("ns.sub", STATIC), "A", 300, "192.0.2.12"),
        *many,
    ], is_signed=False)
    return {zone.name: zone for zone in (signed(child), child, unsigned, static)}


def write(zones, path):
    path.write_text(json.dumps({"zones": [zone.form() for zone in zones.values()]}))
