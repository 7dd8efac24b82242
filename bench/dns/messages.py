"""Queries in wire form, as files for `dnsperf -B`: each behind its length in two bytes."""

import ipaddress
import struct

TYPES = {"A": 1, "NS": 2, "SOA": 6, "TXT": 16, "AAAA": 28}
OPT = 41
PAYLOAD_BYTES = 1232
DO = 0x8000
CLIENT_SUBNET = 8


def query(name, kind="A", subnet=None, wants_dnssec=False):
    """A query of class IN with EDNS; `subnet` is `192.0.2.0/24`."""
    labels = name.rstrip(".").split(".")
    wire = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
    options = client_subnet(subnet) if subnet else b""
    opt = struct.pack(">BHHIH", 0, OPT, PAYLOAD_BYTES, DO if wants_dnssec else 0, len(options))
    header = struct.pack(">HHHHHH", 0, 0, 1, 0, 0, 1)
    return header + wire + struct.pack(">HH", TYPES[kind], 1) + opt + options


def client_subnet(subnet):
    network = ipaddress.ip_network(subnet)
    bits = network.prefixlen
    address = network.network_address.packed[:(bits + 7) // 8]
    family = 1 if network.version == 4 else 2
    return struct.pack(">HHHBB", CLIENT_SUBNET, 4 + len(address), family, bits, 0) + address


def write(path, queries):
    with open(path, "wb") as file:
        for message in queries:
            file.write(struct.pack(">H", len(message)) + message)
