"""Keys made by openssl, and what RFC 4034 says of them, written from its text."""

import base64
import hashlib
import struct
import subprocess


def openssl(*arguments, data=None):
    done = subprocess.run(
        ["openssl", *arguments], input=data, capture_output=True, check=True, timeout=30,
    )
    return done.stdout


def wire(name):
    labels = [label for label in name.lower().rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


class Key:
    """A private key of P-256 and its records."""

    def __init__(self, flags):
        self.flags = flags
        curve = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        pem = openssl("genpkey", *curve)
        pkcs8 = openssl("pkcs8", "-topk8", "-nocrypt", "-outform", "DER", data=pem)
        self.private_key = base64.b64encode(pkcs8).decode()
        # At the end of X.509's form: 4, x, y.
        self.public_key = openssl("pkey", "-pubout", "-outform", "DER", data=pem)[-64:]

    @property
    def dnskey(self):
        return struct.pack("!HBB", self.flags, 3, 13) + self.public_key

    @property
    def tag(self):
        total = sum(byte << 8 if at % 2 == 0 else byte for at, byte in enumerate(self.dnskey))
        return (total + (total >> 16)) & 0xFFFF

    def ds(self, zone):
        """Data of the DS record, as text."""
        digest = hashlib.sha256(wire(zone) + self.dnskey).hexdigest()
        return f"{self.tag} 13 2 {digest.upper()}"
