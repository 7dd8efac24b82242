"""An HTTP/3 client: aioquic's connection, with what tests want of it."""

import asyncio
import contextlib
import ssl

from aioquic.asyncio import connect as quic_connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, ErrorCode, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, ProtocolNegotiated, StreamReset

PATIENCE_SECS = 20


class Reset(Exception):
    """The server has reset the stream."""


class Connection(H3Connection):
    """aioquic takes the length that the answer to a HEAD tells for that of a body."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.heads = set()

    def _check_content_length(self, stream):
        if stream.stream_id not in self.heads:
            super()._check_content_length(stream)


class Response:
    def __init__(self):
        self.fields, self.body, self.trailers = [], bytearray(), []

    @property
    def status(self):
        return int(self.field(":status"))

    def field(self, name):
        return next((value for key, value in self.fields if key == name), None)


class Http3(QuicConnectionProtocol):
    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.http = None
        self.streams = {}
        self.terminated = asyncio.get_running_loop().create_future()

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated):
            self.http = Connection(self._quic)
        if isinstance(event, ConnectionTerminated) and not self.terminated.done():
            self.terminated.set_result(event)
            for _, queue in self.streams.values():
                queue.put_nowait(ConnectionError(f"{event.error_code:#x} {event.reason_phrase}"))
        if isinstance(event, StreamReset) and event.stream_id in self.streams:
            self.streams[event.stream_id][1].put_nowait(Reset(f"{event.error_code:#x}"))
        for told in self.http.handle_event(event) if self.http else ():
            if isinstance(told, (HeadersReceived, DataReceived)) and told.stream_id in self.streams:
                self.streams[told.stream_id][1].put_nowait(told)

    def begin(self, host, path="/", method="GET", fields=(), body=None, end=True, protocol=None):
        """Sends a request; the number of its stream."""
        stream = self._quic.get_next_available_stream_id()
        self.streams[stream] = (Response(), asyncio.Queue())
        head = [(":method", method), (":scheme", "https"), (":authority", host), (":path", path)]
        # Extended CONNECT (RFC 9220).
        head += [(":protocol", protocol)] if protocol else []
        head += fields
        if method == "HEAD":
            self.http.heads.add(stream)
        self.http.send_headers(
            stream, [(name.encode(), value.encode()) for name, value in head],
            end_stream=end and body is None)
        if body is not None:
            self.http.send_data(stream, body, end_stream=end)
        self.transmit()
        return stream

    def begin_raw(self, data):
        """Sends bytes as they are for a request's stream; its number."""
        stream = self._quic.get_next_available_stream_id()
        self.streams[stream] = (Response(), asyncio.Queue())
        self._quic.send_stream_data(stream, data, end_stream=True)
        self.transmit()
        return stream

    def send(self, stream, data, end=False):
        self.http.send_data(stream, data, end_stream=end)
        self.transmit()

    def take_nothing(self):
        """From now on, the server is allowed no more bytes than it was told so far."""
        self._quic._write_connection_limits = lambda **_: None
        self._quic._write_stream_limits = lambda **_: None

    async def event(self, stream):
        """What comes next on that stream; its response is filled on the way."""
        response, queue = self.streams[stream]
        event = await asyncio.wait_for(queue.get(), PATIENCE_SECS)
        if isinstance(event, Exception):
            raise event
        if isinstance(event, HeadersReceived):
            fields = [(name.decode(), value.decode("latin-1")) for name, value in event.headers]
            if response.fields:
                response.trailers = fields
            else:
                response.fields = fields
        else:
            response.body += event.data
        return event

    async def finish(self, stream):
        """The response, once it is whole."""
        while not (await self.event(stream)).stream_ended:
            pass
        return self.streams.pop(stream)[0]

    async def get(self, host, path="/", **more):
        return await self.finish(self.begin(host, path, **more))

    def cancel(self, stream):
        self._quic.stop_stream(stream, ErrorCode.H3_REQUEST_CANCELLED)
        with contextlib.suppress(AssertionError):
            self._quic.reset_stream(stream, ErrorCode.H3_REQUEST_CANCELLED)
        self.transmit()

    async def move(self):
        """Goes on from another port, with another connection id; both ports."""
        loop = asyncio.get_running_loop()
        old = self._transport
        ports = [old.get_extra_info("sockname")[1]]
        await loop.create_datagram_endpoint(
            lambda: self, local_addr=(old.get_extra_info("sockname")[0], 0))
        ports.append(self._transport.get_extra_info("sockname")[1])
        self.change_connection_id()
        old.close()
        return ports


@contextlib.asynccontextmanager
async def connect(root, name, port, **settings):
    """A connection to that port of this machine, to that name."""
    configuration = QuicConfiguration(
        alpn_protocols=H3_ALPN, server_name=name, verify_mode=ssl.CERT_REQUIRED,
        max_data=64 << 20, max_stream_data=16 << 20, **settings)
    configuration.load_verify_locations(cafile=str(root))
    async with quic_connect(
            "127.0.0.1", port, configuration=configuration, create_protocol=Http3) as client:
        await client.wait_connected()
        yield client
