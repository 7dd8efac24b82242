"""WebSocket through the edge: over HTTP/1.1, and by extended CONNECT over HTTP/2."""

import asyncio
import os
import socket
import threading
import time

import websockets.frames
from aioquic.h3.connection import Setting
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamReset
from h2.settings import SettingCodes
from http3_client import Reset
from http3_client import connect as http3_connect
from https_case import HttpsCase, name_of, uncached
from websockets.streams import StreamReader
from websockets.sync.client import connect
from websockets.sync.server import serve

MIB = 1 << 20
HANDSHAKE = [("sec-websocket-version", "13"), ("sec-websocket-protocol", "echo")]


class Chat:
    """A WebSocket server that sends back what it gets."""

    def __init__(self):
        self.closed = threading.Event()
        self.server = serve(self.talk, "127.0.0.1", 0, subprotocols=["echo"], max_size=8 * MIB)
        self.port = self.server.socket.getsockname()[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def talk(self, connection):
        for message in connection:
            if message == "goodbye":
                connection.close(4000, "as you wish")
                break
            connection.send(message)
        self.closed.set()

    def asked(self, _):
        return 0

    def kill(self):
        self.server.shutdown()


class WebSocket(HttpsCase):
    @classmethod
    def set_up(cls):
        super().set_up()
        cls.origin = cls.chat = cls.start(Chat())
        cls.host = name_of(cls().site(**uncached()))

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        return connect(
            f"wss://{self.host}:{self.port}/chat", sock=plain, ssl=self.context("http/1.1"),
            server_hostname=self.host, max_size=8 * MIB, proxy=None, subprotocols=["echo"])

    def test_messages_of_all_sizes_come_back_over_http_1_1(self):
        with self.connect() as chat:
            self.assertEqual(chat.subprotocol, "echo")
            for message in ("", "hello", "ü" * 70_000, b"\x00\xff", os.urandom(3 * MIB)):
                chat.send(message)
                self.assertEqual(chat.recv(timeout=20), message)
            self.assertTrue(chat.ping().wait(10))

    def test_the_code_that_one_end_closes_with_reaches_the_other(self):
        with self.connect() as chat:
            chat.send("goodbye")
            with self.assertRaises(websockets.exceptions.ConnectionClosed) as caught:
                chat.recv(timeout=20)
            self.assertEqual((caught.exception.rcvd.code, caught.exception.rcvd.reason),
                             (4000, "as you wish"))

    def test_a_viewer_that_goes_away_is_told_to_the_origin(self):
        self.chat.closed.clear()
        with self.connect() as chat:
            chat.send("hello")
            chat.recv(timeout=20)
        self.assertTrue(self.chat.closed.wait(20))

    def test_extended_connect_over_http_2(self):
        with self.tls(self.host, "h2") as stream:
            chat = Http2Chat(stream, f"{self.host}:{self.port}")
            self.assertEqual(chat.open(), 200)
            for message in (b"hello", b"x" * 50_000):
                self.assertEqual(chat.exchange(message), message)

    def test_over_http_3_it_is_not_announced_and_refused(self):
        async def conversation():
            async with http3_connect(self.root, self.host, self.port) as client:
                # What the server announces comes with its first frames.
                await client.get(self.host, "/", method="PROPFIND")
                announced = client.http.received_settings or {}
                stream = client.begin(
                    self.host, "/chat", "CONNECT", HANDSHAKE, protocol="websocket", end=False)
                with self.assertRaises(Reset):
                    await client.event(stream)
                return announced

        announced = asyncio.run(asyncio.wait_for(conversation(), 60))
        self.assertTrue(announced)
        self.assertFalse(announced.get(Setting.ENABLE_CONNECT_PROTOCOL))


def frame_of(message):
    """As clients send it: masked."""
    return websockets.frames.Frame(
        websockets.frames.Opcode.BINARY, message).serialize(mask=True, extensions=[])


def parse(reader):
    """Reads messages of one frame or several."""
    message = b""
    while True:
        frame = yield from websockets.frames.Frame.parse(
            reader.read_exact, mask=False, max_size=8 * MIB, extensions=[])
        message += frame.data
        if frame.fin:
            return message


def advance(parsing):
    """What was read, or None while there is not enough."""
    try:
        next(parsing)
    except StopIteration as done:
        return done.value
    return None


class Http2Chat:
    """WebSocket on one stream of an HTTP/2 connection (RFC 8441)."""

    def __init__(self, stream, authority):
        self.stream, self.authority = stream, authority
        self.http2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        self.http2.initiate_connection()
        self.flush()
        self.reader = StreamReader()
        self.status = None
        self.wait(lambda: self.http2.remote_settings.get(SettingCodes.ENABLE_CONNECT_PROTOCOL))

    def flush(self):
        self.stream.sendall(self.http2.data_to_send())

    def wait(self, is_there, secs=15):
        deadline = time.monotonic() + secs
        while not is_there():
            if time.monotonic() > deadline:
                raise AssertionError("waited in vain")
            for event in self.http2.receive_data(self.stream.recv(65_536)):
                if isinstance(event, ResponseReceived):
                    self.status = int(dict(event.headers)[":status"])
                if isinstance(event, DataReceived):
                    self.reader.feed_data(event.data)
                    self.http2.acknowledge_received_data(
                        event.flow_controlled_length, event.stream_id)
                if isinstance(event, (StreamReset, ConnectionTerminated)):
                    raise AssertionError(f"ended: {event}")
            self.flush()

    def open(self):
        self.http2.send_headers(1, [
            (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"),
            (":authority", self.authority), (":path", "/chat"), *HANDSHAKE])
        self.flush()
        self.wait(lambda: self.status)
        return self.status

    def exchange(self, message):
        data = frame_of(message)
        for start in range(0, len(data), 16_000):
            self.http2.send_data(1, data[start:start + 16_000])
            self.flush()
        parsing = parse(self.reader)
        found = []

        def is_whole():
            got = advance(parsing)
            if got is not None:
                found.append(got)
            return bool(found)

        self.wait(is_whole)
        return found[0]
