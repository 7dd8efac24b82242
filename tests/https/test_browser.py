"""A page in Chromium: over HTTP/2 at first, and over HTTP/3 once Alt-Svc has told of it."""

import base64
import contextlib
import hashlib
import json
import re
import shutil
import time
import unittest

import processes
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from https_case import HttpsCase
from websockets.sync.client import connect

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


class Chromium(processes.Process):
    """Headless, steered through its debugging port (the Chrome DevTools Protocol).

    It knows no names but those of this machine. Its own check of certificates takes those whose
    key is named; and since it speaks HTTP/3 only with those of roots that it came with, but for
    hosts of some origin that is to be asked by HTTP/3 at any rate, it is told such an origin: one
    at a port that nothing asks for.
    """

    def __init__(self, directory, host, key):
        super().__init__("chromium", [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--remote-debugging-port=0",
            f"--user-data-dir={directory}/profile",
            "--host-resolver-rules=MAP *.localhost 127.0.0.1, MAP localhost 127.0.0.1, "
            "MAP * ~NOTFOUND",
            f"--ignore-certificate-errors-spki-list={key}",
            f"--origin-to-force-quic-on={host}:1", "about:blank"], directory)

        def told():
            self.check_runs()
            return re.search(r"DevTools listening on (ws://\S+)", self.log())

        self.url = processes.eventually("Chromium", told, 40).group(1)

    @contextlib.contextmanager
    def page(self):
        with connect(self.url, max_size=None, proxy=None) as socket:
            yield Page(socket)


class Page:
    """One tab."""

    def __init__(self, socket):
        self.socket, self.calls, self.events = socket, 0, []
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call(
            "Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Network.enable")

    def call(self, method, **parameters):
        self.calls += 1
        message = {"id": self.calls, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while (told := json.loads(self.socket.recv(timeout=30))).get("id") != self.calls:
            self.events.append(told)
        if "error" in told:
            raise AssertionError(f"{method}: {told['error']}")
        return told["result"]

    def open(self, url):
        """Its protocol (`h2`, `h3`), and what a script of the page says of it."""
        self.events.clear()
        failure = self.call("Page.navigate", url=url).get("errorText")
        if failure:
            raise AssertionError(f"{url}: {failure}")
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(json.loads(self.socket.recv(timeout=30)))
        responses = [event["params"]["response"] for event in self.events
                     if event.get("method") == "Network.responseReceived"]
        response = next(response for response in responses if response["url"] == url)
        return response["protocol"], self.evaluate(
            "performance.getEntriesByType('navigation')[0].nextHopProtocol")

    def evaluate(self, expression):
        return self.call("Runtime.evaluate", expression=expression)["result"].get("value")


@unittest.skipUnless(CHROMIUM, "Chromium is not installed (chromium)")
class Browser(HttpsCase):
    def test_a_page_comes_by_http_3_once_alt_svc_told_of_it(self):
        self.origin.headers["Content-Type"] = "text/html"
        made = self.make_distribution(HttpVersion="http2and3")
        host = made["DomainName"]
        chromium = self.start(Chromium(self.directory("chromium"), host, self.key_of(host)))
        with chromium.page() as page:
            self.assertEqual(page.open(f"https://{host}:{self.port}/first"), ("h2", "h2"))
            self.assertIn("/first", page.evaluate("document.body.innerText"))
            deadline = time.monotonic() + 20
            protocols = ("h2", "h2")
            number = 0
            while protocols == ("h2", "h2") and time.monotonic() < deadline:
                number += 1
                protocols = page.open(f"https://{host}:{self.port}/page-{number}")
            self.assertEqual(protocols, ("h3", "h3"))
            self.assertIn(f"/page-{number}", page.evaluate("document.body.innerText"))
            text = page.evaluate("document.body.innerText")
            self.assertEqual(page.open(f"https://{host}:{self.port}/page-{number}")[0], "h3")
            self.assertEqual(page.evaluate("document.body.innerText"), text)

    def test_without_http_3_the_page_stays_on_http_2(self):
        self.origin.headers["Content-Type"] = "text/html"
        host = self.make_distribution(HttpVersion="http2")["DomainName"]
        chromium = self.start(Chromium(self.directory("plain"), host, self.key_of(host)))
        with chromium.page() as page:
            for number in range(3):
                self.assertEqual(
                    page.open(f"https://{host}:{self.port}/{number}"), ("h2", "h2"))

    def key_of(self, host):
        """The SHA-256 of the public key that it shows, as Chromium's flag takes it."""
        with self.tls(host) as stream:
            shown = x509.load_der_x509_certificate(stream.getpeercert(binary_form=True))
        key = shown.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(key).digest()).decode()
