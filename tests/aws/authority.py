"""A certificate authority of the tests' own, for what is imported, for origins and for viewers."""

import datetime
import ipaddress
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def new_key(kind):
    """`rsa`, or the name of a curve."""
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key({"p256": ec.SECP256R1(), "p384": ec.SECP384R1()}[kind])


def key_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()).decode()


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def named(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def san(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Leaf:
    """A certificate and its key, both PEM, and the chain that leads to the root."""

    def __init__(self, certificate, key, chain):
        self.x509 = certificate
        self.certificate, self.key, self.chain = pem(certificate), key_pem(key), chain
        self.serial = f"{certificate.serial_number:x}"

    def write(self, directory, stem):
        """Two files: the certificate with its chain, and the key."""
        certificate, key = directory / f"{stem}.pem", directory / f"{stem}.key"
        certificate.write_text(self.certificate + self.chain)
        key.write_text(self.key)
        return certificate, key


class Authority:
    """A root; with an issuer above, what lies between one and its leaves."""

    def __init__(self, name="Test root", above=None, key="p256"):
        self.name, self.above, self.key = named(name), above, new_key(key)
        builder = self.builder(
            self.name, self.key.public_key(), 365 * DAY, above, -30 * DAY).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(
            x509.KeyUsage(False, False, False, False, False, True, True, False, False), True)
        self.x509 = builder.sign((above or self).key, hashes.SHA256())
        self.pem = pem(self.x509)

    def builder(self, subject, public_key, life, issuer=None, begins=-DAY):
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        issuer = issuer or self
        return (
            x509.CertificateBuilder().subject_name(subject).issuer_name(issuer.name)
            .public_key(public_key).serial_number(x509.random_serial_number())
            .not_valid_before(now + begins).not_valid_after(now + begins + life)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                issuer.key.public_key()), False)
        )

    @property
    def chain(self):
        """What a leaf of this one is served with: all above it but the root."""
        return "" if self.above is None else self.pem + self.above.chain

    def leaf(self, *names, key="p256", subject=None, usage="server", responder=None,
             life=90 * DAY, begins=-DAY):
        """A certificate for servers of those names, or for a client with none."""
        key = new_key(key)
        subject = named(subject or names[0])
        builder = self.builder(subject, key.public_key(), life, begins=begins)
        builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
        builder = builder.add_extension(
            x509.KeyUsage(True, False, False, False, False, False, False, False, False), True)
        purpose = {"server": ExtendedKeyUsageOID.SERVER_AUTH,
                   "client": ExtendedKeyUsageOID.CLIENT_AUTH}[usage]
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), False)
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([san(name) for name in names]), False)
        if responder:
            access = x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(responder))
            builder = builder.add_extension(x509.AuthorityInformationAccess([access]), False)
        return Leaf(builder.sign(self.key, hashes.SHA256()), key, self.chain)


class Responder:
    """An OCSP responder that vouches for whatever that authority has issued."""

    def __init__(self, authority):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                asked = self.rfile.read(int(self.headers["Content-Length"]))
                answer = vouch(authority, ocsp.load_der_ocsp_request(asked))
                self.send_response(200)
                self.send_header("Content-Type", "application/ocsp-response")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def kill(self):
        self.server.shutdown()
        self.server.server_close()


def vouch(authority, request):
    """That the certificate is good, for a day."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
        request.issuer_name_hash, request.issuer_key_hash, request.serial_number,
        request.hash_algorithm, ocsp.OCSPCertStatus.GOOD, now, now + DAY, None, None)
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, authority.x509)
    response = builder.sign(authority.key, hashes.SHA256())
    return response.public_bytes(serialization.Encoding.DER)


def openssl(*arguments, text=""):
    """What it prints, and on stderr too, whether it fails or not."""
    done = subprocess.run(
        ["openssl", *map(str, arguments)], input=text.encode(), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=60)
    return done.stdout.decode("utf-8", "replace")
