"""A certificate that is replaced under load: nobody's request fails, and the new one is shown."""

import http.client
import threading
import time

from authority import Authority
from cryptography import x509
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, ResponseReceived, StreamEnded, StreamReset
from https_case import HttpsCase

import processes

ROTATIONS = 4


class Load:
    """Clients in threads, until they are told to stop."""

    def __init__(self, case, host):
        self.case, self.host = case, host
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self.done, self.failures, self.serials = {}, [], set()
        kinds = {self.kept: 3, self.anew: 3, self.http2: 2}
        self.threads = [threading.Thread(target=self.work, args=(kind,), daemon=True)
                        for kind, number in kinds.items() for _ in range(number)]
        for thread in self.threads:
            thread.start()

    def work(self, kind):
        while not self.stopped.is_set():
            try:
                kind()
            except Exception as error:  # All that can go wrong is a failed request.
                with self.lock:
                    self.failures.append(f"{kind.__name__}: {error!r}")

    def count(self, kind):
        with self.lock:
            self.done[kind] = self.done.get(kind, 0) + 1

    def request(self, connection):
        connection.request("GET", "/load", headers={"Host": self.host})
        response = connection.getresponse()
        body = response.read()
        if response.status != 200 or not body.startswith(b"/load"):
            raise AssertionError(f"{response.status} {body[:100]}")

    def open(self, *protocols):
        stream = self.case.tls(self.host, *protocols)
        shown = x509.load_der_x509_certificate(stream.getpeercert(binary_form=True))
        with self.lock:
            self.serials.add(shown.serial_number)
        connection = http.client.HTTPConnection(self.host)
        connection.sock = stream
        return connection

    def kept(self):
        """One connection for all of its requests."""
        connection = self.open("http/1.1")
        while not self.stopped.is_set():
            self.request(connection)
            self.count("kept")
        connection.close()

    def anew(self):
        """A connection for each request."""
        connection = self.open("http/1.1")
        self.request(connection)
        connection.close()
        self.count("anew")

    def http2(self):
        """One connection, its requests after each other."""
        stream = self.case.tls(self.host, "h2")
        http2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        http2.initiate_connection()
        number = -1
        while not self.stopped.is_set():
            number += 2
            http2.send_headers(number, [
                (":method", "GET"), (":scheme", "https"), (":authority", self.host),
                (":path", "/load")], end_stream=True)
            self.finish(stream, http2)
            self.count("http2")
        stream.close()

    @staticmethod
    def finish(stream, http2):
        while True:
            stream.sendall(http2.data_to_send())
            for event in http2.receive_data(stream.recv(65_536)):
                if isinstance(event, ResponseReceived) and dict(event.headers)[":status"] != "200":
                    raise AssertionError(event)
                if isinstance(event, (ConnectionTerminated, StreamReset)):
                    raise AssertionError(event)
                if isinstance(event, StreamEnded):
                    return

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(30)


class Rotation(HttpsCase):
    def serial(self, host):
        with self.tls(host, verify=False) as stream:
            shown = x509.load_der_x509_certificate(stream.getpeercert(binary_form=True))
        return shown.serial_number

    def rotate(self, host, new):
        """Calls `new` some times under load; it replaces the certificate and tells its serial
        number, or nothing if it does not know."""
        load = Load(self, host)
        try:
            for _ in range(ROTATIONS):
                old = self.serial(host)
                wanted = new()

                def is_shown(wanted=wanted, old=old):
                    shown = self.serial(host)
                    return shown == wanted if wanted else shown != old

                processes.eventually("the new certificate", is_shown)
                time.sleep(0.5)
        finally:
            load.stop()
        self.assertEqual([], load.failures[:5])
        self.assertEqual({"kept", "anew", "http2"}, set(load.done))
        self.assertGreater(min(load.done.values()), 50, load.done)
        self.assertGreaterEqual(len(load.serials), ROTATIONS)

    def test_a_certificate_is_imported_anew_under_load(self):
        authority = Authority()
        host = "imported.example.test"
        leaf = authority.leaf(host)
        arn = self.imported(leaf)
        self.site(host, certificate=arn)
        self.root.write_text(self.root.read_text() + authority.pem)

        def again():
            leaf = authority.leaf(host)
            self.imported(leaf, CertificateArn=arn)
            return leaf.x509.serial_number

        self.rotate(host, again)

    def test_a_certificate_is_renewed_under_load(self):
        host = "renewed.example.test"
        arn = self.certificate(host, Options={"Export": "ENABLED"})
        self.site(host, certificate=arn)

        def again():
            self.acm.renew_certificate(CertificateArn=arn)

        self.rotate(host, again)
