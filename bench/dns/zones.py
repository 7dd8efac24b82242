"""The zones that servers are measured with."""

import json
import random

APEX = "example.com"
ROUTED = "routed.example"
NAMES = 10_000
GROUPS = 1_000
QUERIES = 50_000
REGIONS = ["us-east-1", "us-west-2", "eu-central-1", "ap-southeast-1", "sa-east-1"]
CONTINENTS = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"]

HEAD = """$ORIGIN {apex}.
$TTL 300
@ IN SOA ns1 hostmaster 1 7200 900 1209600 86400
@ NS ns1
@ NS ns2
ns1 A 192.0.2.1
ns2 A 192.0.2.2
"""


def write_zone(path, names=NAMES):
    """One A record for each name, as a zone file."""
    with open(path, "w") as file:
        file.write(HEAD.format(apex=APEX))
        for n in range(names):
            file.write(f"www{n} A {_address(n)}\n")


def write_routed(path):
    """Groups by policy, as record sets of Route 53, one a line."""
    base = [
        _record_set(ROUTED, "NS", ["ns1.routed.example.", "ns2.routed.example."]),
        _record_set(ROUTED, "SOA", [f"ns1.{ROUTED}. h.{ROUTED}. 1 7200 900 1209600 86400"]),
    ]
    with open(path, "w") as file:
        for record_set in base + [member for n in range(GROUPS) for member in _groups(n)]:
            file.write(json.dumps(record_set) + "\n")


def _groups(n):
    for at, weight in enumerate((10, 20, 30, 40)):
        yield _member(f"weighted{n}", at, Weight=weight)
    for at, region in enumerate(REGIONS):
        yield _member(f"latency{n}", at, Region=region)
    for at, continent in enumerate(CONTINENTS):
        yield _member(f"geo{n}", at, GeoLocation={"ContinentCode": continent})
    yield _member(f"geo{n}", len(CONTINENTS), GeoLocation={"CountryCode": "*"})


def _member(label, at, **policy):
    record_set = _record_set(f"{label}.{ROUTED}", "A", [_address(at)])
    return {**record_set, "SetIdentifier": f"member-{at}", **policy}


def _record_set(name, kind, values):
    records = [{"Value": value} for value in values]
    return {"Name": name + ".", "Type": kind, "TTL": 60, "ResourceRecords": records}


def _address(n):
    return f"198.{18 + (n >> 16 & 1)}.{n >> 8 & 255}.{n & 255}"


def names(kind):
    """The names that are asked for, in a fixed order that repeats nothing soon."""
    dice = random.Random(1)
    if kind == "missing":
        return [f"nx{dice.randrange(1_000_000)}.{APEX}" for _ in range(QUERIES)]
    if kind in ("weighted", "latency", "geo"):
        return [f"{kind}{dice.randrange(GROUPS)}.{ROUTED}" for _ in range(QUERIES)]
    return [f"www{dice.randrange(NAMES)}.{APEX}" for _ in range(QUERIES)]


def subnets():
    """Viewers' networks, all over the database."""
    dice = random.Random(2)
    while True:
        yield f"{dice.randrange(1, 224)}.{dice.randrange(256)}.{dice.randrange(256)}.0/24"
