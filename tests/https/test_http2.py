"""HTTP/2: what h2spec says of it, and what clients do that want to bring a server down."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import unittest
import xml.etree.ElementTree

from https_case import HttpsCase, name_of, uncached
from raw_http2 import (
    FRAME_BYTES_MAX, Closed, ContinuationFrame, DataFrame, HeadersFrame, PingFrame, RawHttp2,
    RstStreamFrame, SettingsFrame, WindowUpdateFrame,
)
from viewers_origin import ViewersOrigin

MIB = 1 << 20
BIG = f"/bytes/{10 * MIB}"
# What a connection that misbehaves may cost, with room for what the allocator keeps.
GROWTH_BYTES_MAX = 48 * MIB
H2SPEC = os.environ.get("H2SPEC") or shutil.which("h2spec")
# The edge answers a GET with a body at once, with an error, and resets the stream: what h2spec
# sends then, it ignores, as RFC 9113 §5.1 has it, where h2spec waits for another reset.
RACES = {
    "closed: Sends a DATA frame after sending RST_STREAM frame",
    "closed: Sends a HEADERS frame after sending RST_STREAM frame",
    "Sends a second HEADERS frame without the END_STREAM flag",
    "Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a "
    "stream",
}
INITIAL_WINDOW_SIZE = SettingsFrame.INITIAL_WINDOW_SIZE


class Http2(HttpsCase):
    @classmethod
    def set_up(cls):
        super().set_up()
        cls.origin = cls.start(ViewersOrigin())
        cls.host = name_of(cls().site(**uncached()))

    def connect(self, **settings):
        stream = self.tls(self.host, "h2")
        self.addCleanup(stream.close)
        self.assertEqual(stream.selected_alpn_protocol(), "h2")
        return RawHttp2(stream, self.host, **settings)

    @contextlib.contextmanager
    def bounded(self):
        """Meanwhile others are served, and memory does not grow beyond what a connection may
        cost."""
        before = self.server.resident_bytes()
        yield
        self.server.check_runs()
        self.assertTrue(self.connect().get(path="/others", secs=20), "others are served")
        self.assertEqual(self.curl_host(self.host, "/others", max_time=20).status, 200)
        grown = self.server.resident_bytes() - before
        self.assertLess(grown, GROWTH_BYTES_MAX, f"{grown / MIB:.0f} MiB more")


@unittest.skipUnless(H2SPEC, "h2spec is not installed (H2SPEC names it)")
class H2spec(HttpsCase):
    @classmethod
    def set_up(cls):
        # It knows no name but localhost; and what it sends after a request must not come after
        # the answer.
        cls.slow = cls.start(ViewersOrigin(delay_secs=0.3))
        cls.FLAGS = ("--origin", f"http://127.0.0.1:{cls.slow.port}")
        super().set_up()
        cls().await_served("localhost")

    def test_h2spec_passes(self):
        report = self.here / "h2spec.xml"
        subprocess.run(
            [H2SPEC, "--tls", "--insecure", "--host", "localhost", "--port", str(self.port),
             "--timeout", "3", "--strict", "--junit-report", str(report)],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=240)
        cases = list(xml.etree.ElementTree.parse(report).iter("testcase"))
        failed = [(case.get("package"), case.get("classname")) for case in cases
                  if any(child.tag in ("failure", "error") for child in case)
                  and case.get("classname") not in RACES]
        self.assertGreater(len(cases), 140)
        self.assertEqual([], failed)


class Conformance(Http2):
    @unittest.skipIf(shutil.which("h2load") is None, "h2load is not installed (nghttp2-client)")
    def test_h2load_gets_every_answer(self):
        done = subprocess.run(
            ["h2load", "-n", "2000", "-c", "10", "-m", "20", "--connect-to",
             f"127.0.0.1:{self.port}", f"https://{self.host}:{self.port}/bytes/1000"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        self.assertIn("2000 succeeded, 0 failed, 0 errored", done.stdout)
        self.assertIn("Application protocol: h2", done.stdout)

    def test_names_of_fields_are_in_lower_case_and_hop_by_hop_ones_are_gone(self):
        answer = self.curl_host(self.host, "/names", "--http2")
        for name, _ in answer.fields:
            self.assertEqual(name, name.lower())
            self.assertNotIn(name, ("connection", "keep-alive", "transfer-encoding", "upgrade"))

    def test_a_body_of_many_frames_arrives_whole(self):
        body = self.here / "body"
        sent = os.urandom(3 * MIB)
        body.write_bytes(sent)
        answer = self.curl_host(self.host, "/post", "--http2", "--data-binary", f"@{body}")
        self.assertEqual(json.loads(answer.body)["sha256"], hashlib.sha256(sent).hexdigest())

    def test_a_padded_request_is_answered_and_its_padding_counts_for_the_window(self):
        http2 = self.connect()
        block = http2.encoder.encode(http2.fields("/padded", "POST"))
        http2.send(HeadersFrame(1, data=block, flags=["END_HEADERS"]))
        settings = http2.until(is_settings).settings
        windows = {0: 65_535, 1: settings.get(INITIAL_WINDOW_SIZE, 65_535)}
        padded = DataFrame(1, b"x", pad_length=255, flags=["PADDED"])
        for _ in range(1_000):
            while min(windows.values()) < 257:
                update = http2.until(lambda frame: isinstance(frame, WindowUpdateFrame))
                self.assertIsNotNone(update, windows)
                windows[update.stream_id] += update.window_increment
            http2.send(padded)
            windows = {stream: left - 257 for stream, left in windows.items()}
        http2.send(DataFrame(1, b"", flags=["END_STREAM"]))
        end = http2.until(lambda frame: frame.stream_id == 1 and "END_STREAM" in frame.flags)
        self.assertIsNotNone(end)


class Hostile(Http2):
    def test_streams_that_are_reset_at_once_end_the_connection_before_the_origin_drowns(self):
        """Rapid reset (CVE-2023-44487)."""
        with self.bounded():
            asked = self.origin.asked("/reset")
            http2 = self.connect()
            with contextlib.suppress(Closed):
                for round_ in range(200):
                    frames = []
                    for number in range(100):
                        identifier = 1 + 2 * (round_ * 100 + number)
                        frames += [http2.headers(identifier, "/reset"),
                                   RstStreamFrame(identifier, error_code=8)]
                    http2.send(*frames)
            self.assertTrue(http2.is_ended())
            self.assertLess(self.origin.asked("/reset") - asked, 5_000)

    def test_resets_that_the_server_is_made_to_send_end_the_connection(self):
        """Made you reset (CVE-2025-8671): each stream gets what makes the server reset it."""
        with self.bounded():
            http2 = self.connect()
            with contextlib.suppress(Closed):
                for number in range(20_000):
                    identifier = 1 + 2 * number
                    http2.send(http2.headers(identifier, "/made"),
                               WindowUpdateFrame(identifier, window_increment=(1 << 31) - 1))
            self.assertTrue(http2.is_ended())

    def test_continuations_without_end_are_cut_off(self):
        with self.bounded():
            http2 = self.connect()
            block = http2.encoder.encode(http2.fields("/continued"))
            sent = 0
            with contextlib.suppress(Closed):
                http2.send(HeadersFrame(1, data=block, flags=["END_STREAM"]))
                while sent < 256 * MIB:
                    # A literal field without indexing, name and value of Huffman's none.
                    part = (b"\x00\x01a\x7f\x81\x7d" + b"v" * 16_128)[:FRAME_BYTES_MAX]
                    http2.send(ContinuationFrame(1, data=part))
                    sent += len(part)
            self.assertLess(sent, 16 * MIB)
            self.assertTrue(http2.is_ended())

    def test_empty_continuations_without_end_are_cut_off(self):
        with self.bounded():
            http2 = self.connect()
            block = http2.encoder.encode(http2.fields("/continued"))
            sent = 0
            with contextlib.suppress(Closed):
                http2.send(HeadersFrame(1, data=block, flags=["END_STREAM"]))
                while sent < 2_000_000:
                    http2.send(*[ContinuationFrame(1, data=b"")] * 1_000)
                    sent += 1_000
            self.assertLess(sent, 2_000_000)

    def test_fields_that_expand_without_bound_are_refused(self):
        """HPACK bomb: one field of the dynamic table, as often as fits."""
        with self.bounded():
            http2 = self.connect()
            first = http2.encoder.encode(http2.fields("/bomb", more=[("x", "b" * 3_900)]))
            http2.send(HeadersFrame(1, data=first, flags=["END_HEADERS", "END_STREAM"]))
            # Index 62: what came last into the dynamic table (RFC 7541 §2.3.3).
            for identifier in range(3, 23, 2):
                bomb = http2.encoder.encode(http2.fields("/bomb")) + b"\xbe" * 15_000
                with contextlib.suppress(Closed):
                    http2.send(HeadersFrame(
                        identifier, data=bomb, flags=["END_HEADERS", "END_STREAM"]))
            with contextlib.suppress(Closed):
                while http2.read(1) is not None:
                    pass
            self.assertLessEqual(self.origin.asked("/bomb"), 1, "bombs reached the origin")

    def test_settings_and_pings_whose_answers_nobody_reads_end_the_connection(self):
        frames = {
            "settings": SettingsFrame(0, settings={INITIAL_WINDOW_SIZE: 65_535}).serialize(),
            "pings": PingFrame(0, b"12345678").serialize(),
        }
        for name, frame in frames.items():
            with self.subTest(name), self.bounded():
                http2 = self.connect()
                http2.stream.settimeout(5)
                sent = 0
                # What fills the buffers of both kernels is no more than some MiB.
                with contextlib.suppress(Closed, TimeoutError):
                    while sent < 64 * MIB:
                        http2.write(frame * 2_000)
                        sent += len(frame) * 2_000
                self.assertLess(sent, 64 * MIB)

    def test_empty_data_without_end_is_cut_off(self):
        with self.bounded():
            http2 = self.connect()
            block = http2.encoder.encode(http2.fields("/empty", "POST"))
            http2.send(HeadersFrame(1, data=block, flags=["END_HEADERS"]))
            sent = 0
            with contextlib.suppress(Closed):
                while sent < 1_000_000:
                    http2.write(DataFrame(1, b"").serialize() * 1_000)
                    sent += 1_000
            self.assertLess(sent, 1_000_000)

    def test_who_takes_nothing_holds_no_more_than_a_little(self):
        """Windows of nothing, and of a byte now and then."""
        with self.bounded():
            http2 = self.connect(settings={INITIAL_WINDOW_SIZE: 0})
            streams = range(1, 81, 2)
            http2.send(*[http2.headers(stream, BIG) for stream in streams])
            for _ in range(20):
                with contextlib.suppress(Closed):
                    http2.send(*[WindowUpdateFrame(stream, window_increment=1)
                                 for stream in streams])
                    http2.read(0.05)

    def test_more_streams_than_were_allowed_are_refused(self):
        http2 = self.connect(settings={INITIAL_WINDOW_SIZE: 0})
        settings = http2.until(is_settings)
        allowed = settings.settings.get(SettingsFrame.MAX_CONCURRENT_STREAMS)
        self.assertIsNotNone(allowed, "the server says how many")
        self.assertLessEqual(allowed, 1_000)
        refused = 0
        for number in range(allowed + 10):
            http2.send(http2.headers(1 + 2 * number, BIG))
        with contextlib.suppress(Closed):
            while (frame := http2.read(2)) is not None:
                refused += isinstance(frame, RstStreamFrame) and frame.error_code == 7
        self.assertTrue(refused >= 10 or http2.goaway, refused)

    def test_a_connection_that_says_nothing_is_closed(self):
        """Within a time that the server chooses: here only that it does not cost others."""
        with self.bounded():
            idle = [self.tls(self.host, "h2") for _ in range(200)]
            for stream in idle:
                self.addCleanup(stream.close)


def is_settings(frame):
    return isinstance(frame, SettingsFrame) and "ACK" not in frame.flags
