"""An HTTP/2 client of frames, which does what no client should."""

import contextlib
import socket
import ssl
import time

from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame, DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, RstStreamFrame,
    SettingsFrame, WindowUpdateFrame,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_BYTES_MAX = 16_384


class Closed(Exception):
    """The server has closed the connection, or reset it."""


class RawHttp2:
    """Over a connection whose handshake is done and chose `h2`."""

    def __init__(self, stream, host, settings=()):
        self.stream, self.host = stream, host
        self.encoder = Encoder()
        self.rest = b""
        self.goaway = None
        self.write(PREFACE + SettingsFrame(0, settings=dict(settings)).serialize())

    def write(self, data):
        try:
            self.stream.sendall(data)
        except (OSError, ssl.SSLError) as error:
            raise Closed from error

    def send(self, *frames):
        self.write(b"".join(frame.serialize() for frame in frames))

    def fields(self, path="/", method="GET", more=()):
        return [(":method", method), (":scheme", "https"), (":authority", self.host),
                (":path", path), *more]

    def headers(self, identifier, path="/", method="GET", more=(), flags=("END_STREAM",)):
        """A request in one frame."""
        block = self.encoder.encode(self.fields(path, method, more))
        return HeadersFrame(identifier, data=block, flags=["END_HEADERS", *flags])

    def read(self, secs=10):
        """The next frame, or None after that time."""
        deadline = time.monotonic() + secs
        while True:
            if len(self.rest) >= 9:
                frame, length = Frame.parse_frame_header(memoryview(self.rest[:9]))
                if len(self.rest) >= 9 + length:
                    frame.parse_body(memoryview(self.rest[9:9 + length]))
                    self.rest = self.rest[9 + length:]
                    if isinstance(frame, GoAwayFrame):
                        self.goaway = frame
                    return frame
            self.stream.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                got = self.stream.recv(65_536)
            except (TimeoutError, socket.timeout):
                return None
            except (OSError, ssl.SSLError) as error:
                raise Closed from error
            if not got:
                raise Closed
            self.rest += got

    def until(self, is_it, secs=10):
        """The first frame of which that is true, or None after that time; pings and settings are
        answered on the way."""
        deadline = time.monotonic() + secs
        while (left := deadline - time.monotonic()) > 0:
            frame = self.read(left)
            if frame is None:
                return None
            if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
                self.send(SettingsFrame(0, flags=["ACK"]))
            if isinstance(frame, PingFrame) and "ACK" not in frame.flags:
                self.send(PingFrame(0, frame.opaque_data, flags=["ACK"]))
            if is_it(frame):
                return frame
        return None

    def get(self, identifier=1, path="/", secs=10):
        """Whether that request gets a head and an end."""
        self.send(self.headers(identifier, path))
        return self.until(lambda frame: frame.stream_id == identifier
                          and "END_STREAM" in frame.flags, secs) is not None

    def is_ended(self, secs=10):
        """Whether the server says that it is over, within that time."""
        with contextlib.suppress(Closed):
            self.until(lambda frame: isinstance(frame, GoAwayFrame) and frame.error_code, secs)
            return self.goaway is not None
        return True

    @property
    def error(self):
        """The code of its last word, if it said one."""
        return self.goaway and self.goaway.error_code


__all__ = [
    "Closed", "ContinuationFrame", "DataFrame", "FRAME_BYTES_MAX", "Frame", "GoAwayFrame",
    "HeadersFrame", "PingFrame", "RawHttp2", "RstStreamFrame", "SettingsFrame",
    "WindowUpdateFrame",
]
