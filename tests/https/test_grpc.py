"""gRPC through the edge: Google's server behind it, Google's client before it."""

import concurrent.futures
import threading
import time

import grpc
from authority import Authority
from aws_case import ALL_VIEWER, CACHING_DISABLED, quantified
from https_case import ALL_METHODS, HttpsCase, name_of

import processes

SERVICE = "warmfront.test.Echo"
MESSAGES = 50
MIB = 1 << 20


def unary(request, context):
    context.send_initial_metadata([("x-first", "head")])
    context.set_trailing_metadata([("x-last", "trailer"), ("x-last-bin", b"\x00\xff")])
    metadata = dict(context.invocation_metadata())
    return request + b" " + metadata.get("x-viewer", "").encode()


def fails(request, context):
    context.set_trailing_metadata([("x-why", "because")])
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not so: ü %")


def slow(request, context):
    deadline = time.monotonic() + 20
    while context.is_active() and time.monotonic() < deadline:
        time.sleep(0.02)
    Server.abandoned.set()
    return b"late"


def counting(request, context):
    for number in range(int(request)):
        yield b"%d" % number


def fails_midway(request, context):
    yield b"one"
    yield b"two"
    context.abort(grpc.StatusCode.DATA_LOSS, "no more")


def summing(requests, context):
    return b"%d" % sum(len(request) for request in requests)


def echoing(requests, context):
    for request in requests:
        yield request.upper()


class Server:
    """gRPC's, over TLS."""

    abandoned = threading.Event()

    def __init__(self, leaf, port=0):
        handlers = {
            "Unary": grpc.unary_unary_rpc_method_handler(unary),
            "Fails": grpc.unary_unary_rpc_method_handler(fails),
            "Slow": grpc.unary_unary_rpc_method_handler(slow),
            "Counting": grpc.unary_stream_rpc_method_handler(counting),
            "FailsMidway": grpc.unary_stream_rpc_method_handler(fails_midway),
            "Summing": grpc.stream_unary_rpc_method_handler(summing),
            "Echoing": grpc.stream_stream_rpc_method_handler(echoing),
        }
        self.server = grpc.server(
            concurrent.futures.ThreadPoolExecutor(16),
            options=[("grpc.max_receive_message_length", 16 * MIB)])
        self.server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(SERVICE, handlers)])
        credentials = grpc.ssl_server_credentials(
            [(leaf.key.encode(), (leaf.certificate + leaf.chain).encode())])
        self.port = self.server.add_secure_port(f"127.0.0.1:{port}", credentials)
        self.server.start()

    def kill(self):
        self.server.stop(0).wait(10)


class GrpcCase(HttpsCase):
    @classmethod
    def set_up(cls):
        authority = Authority()
        trusted = cls.here / "origin-ca.pem"
        trusted.write_text(authority.pem)
        cls.FLAGS = ("--origin-ca", trusted)
        super().set_up()
        cls.leaf = authority.leaf("localhost")
        cls.grpc = cls.start(Server(cls.leaf))
        cls.host = cls().grpc_site(cls.grpc.port)

    def grpc_site(self, port, **changes):
        """The name of a site whose behavior is gRPC's."""
        made = self.site(**{
            "Origins": quantified({
                "Id": "origin", "DomainName": "localhost",
                "CustomOriginConfig": {
                    "HTTPPort": 80, "HTTPSPort": port, "OriginProtocolPolicy": "https-only",
                    "OriginSslProtocols": quantified("TLSv1.2")},
            }),
            "DefaultCacheBehavior": {
                "TargetOriginId": "origin", "ViewerProtocolPolicy": "https-only",
                "CachePolicyId": CACHING_DISABLED,
                # Without Host: the origin's certificate is of its own name.
                "OriginRequestPolicyId": "b689b0a8-53d0-40ab-baf2-68738e2966ac",
                "AllowedMethods": {**quantified(*ALL_METHODS),
                                   "CachedMethods": quantified("GET", "HEAD")},
                "GrpcConfig": {"Enabled": True},
            },
            **changes})
        return name_of(made)

    def channel(self, host=None):
        """To the edge, which is called by the site's name."""
        host = host or self.host
        channel = grpc.secure_channel(
            f"127.0.0.1:{self.port}",
            grpc.ssl_channel_credentials(self.root.read_bytes()),
            options=[("grpc.ssl_target_name_override", host), ("grpc.default_authority", host),
                     ("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0),
                     ("grpc.use_local_subchannel_pool", 1),
                     ("grpc.max_receive_message_length", 16 * MIB)])
        self.addCleanup(channel.close)
        return channel

    def call(self, kind, method, host=None):
        return getattr(self.channel(host), kind)(f"/{SERVICE}/{method}")

    def failed(self, call, *arguments, **more):
        """The error that a call ends with."""
        with self.assertRaises(grpc.RpcError) as caught:
            result = call(*arguments, timeout=more.pop("timeout", 20), **more)
            if hasattr(result, "__iter__"):
                list(result)
        return caught.exception


class Grpc(GrpcCase):
    def test_a_unary_call_has_its_metadata_at_both_ends(self):
        answer, call = self.call("unary_unary", "Unary").with_call(
            b"hello", metadata=[("x-viewer", "seen")], timeout=20)
        self.assertEqual(answer, b"hello seen")
        self.assertEqual(call.code(), grpc.StatusCode.OK)
        self.assertIn(("x-first", "head"), [tuple(pair) for pair in call.initial_metadata()])
        trailing = [tuple(pair) for pair in call.trailing_metadata()]
        self.assertIn(("x-last", "trailer"), trailing)
        self.assertIn(("x-last-bin", b"\x00\xff"), trailing)

    def test_large_messages_pass_both_ways(self):
        message = bytes(range(256)) * (12 * MIB // 256)
        answer = self.call("unary_unary", "Unary")(message, timeout=30)
        self.assertEqual(answer, message + b" ")

    def test_status_and_message_of_a_failed_call_are_the_origins(self):
        error = self.failed(self.call("unary_unary", "Fails"), b"")
        self.assertEqual(error.code(), grpc.StatusCode.FAILED_PRECONDITION)
        self.assertEqual(error.details(), "not so: ü %")
        self.assertIn(("x-why", "because"), [tuple(pair) for pair in error.trailing_metadata()])

    def test_a_method_that_is_not_there_is_unimplemented(self):
        error = self.failed(self.call("unary_unary", "Nothing"), b"")
        self.assertEqual(error.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_a_server_streams(self):
        got = list(self.call("unary_stream", "Counting")(b"500", timeout=20))
        self.assertEqual(got, [b"%d" % number for number in range(500)])

    def test_a_stream_that_fails_midway_gives_what_came_and_the_status(self):
        stream = self.call("unary_stream", "FailsMidway")(b"", timeout=20)
        got = []
        with self.assertRaises(grpc.RpcError) as caught:
            for message in stream:
                got.append(message)
        self.assertEqual(got, [b"one", b"two"])
        self.assertEqual(caught.exception.code(), grpc.StatusCode.DATA_LOSS)

    def test_a_client_streams(self):
        answer = self.call("stream_unary", "Summing")(
            (b"x" * 1000 for _ in range(MESSAGES)), timeout=20)
        self.assertEqual(answer, b"%d" % (1000 * MESSAGES))

    def test_both_stream_and_each_message_is_answered_before_the_next_is_sent(self):
        answered = threading.Semaphore(0)

        def messages():
            for number in range(MESSAGES):
                yield b"message %d" % number
                if not answered.acquire(timeout=10):
                    return

        got = []
        for answer in self.call("stream_stream", "Echoing")(messages(), timeout=30):
            got.append(answer)
            answered.release()
        self.assertEqual(got, [b"MESSAGE %d" % number for number in range(MESSAGES)])

    def test_a_deadline_ends_the_call_at_the_origin_too(self):
        Server.abandoned.clear()
        error = self.failed(self.call("unary_unary", "Slow"), b"", timeout=0.5)
        self.assertEqual(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        self.assertTrue(Server.abandoned.wait(10), "the origin goes on")

    def test_a_call_that_is_cancelled_ends_at_the_origin_too(self):
        Server.abandoned.clear()
        future = self.call("unary_unary", "Slow").future(b"", timeout=20)
        time.sleep(0.3)
        future.cancel()
        self.assertTrue(Server.abandoned.wait(10), "the origin goes on")

    def test_calls_of_one_channel_run_at_the_same_time(self):
        call = self.call("unary_unary", "Unary")
        futures = [call.future(b"%d" % number, timeout=20) for number in range(200)]
        self.assertEqual([future.result() for future in futures],
                         [b"%d " % number for number in range(200)])


class GrpcErrors(GrpcCase):
    def test_an_origin_that_is_down_is_unavailable(self):
        host = self.grpc_site(processes.free_port())
        error = self.failed(self.call("unary_unary", "Unary", host), b"")
        self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE, error)

    def test_an_origin_whose_certificate_nobody_vouches_for_is_unavailable(self):
        stranger = self.start(Server(Authority("Stranger").leaf("localhost")))
        host = self.grpc_site(stranger.port)
        error = self.failed(self.call("unary_unary", "Unary", host), b"")
        self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE, error)

    def test_an_origin_that_goes_away_in_a_stream_is_unavailable(self):
        server = self.start(Server(self.leaf))
        host = self.grpc_site(server.port)
        sent = threading.Event()

        def messages():
            yield b"one"
            sent.wait(20)

        stream = self.call("stream_stream", "Echoing", host)(messages(), timeout=20)
        self.assertEqual(next(stream), b"ONE")
        server.kill()
        with self.assertRaises(grpc.RpcError) as caught:
            next(stream)
        sent.set()
        self.assertIn(caught.exception.code(), (
            grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN,
            grpc.StatusCode.INTERNAL))

    def test_a_site_that_is_not_enabled_for_grpc_answers_with_an_error(self):
        host = self.grpc_site(self.grpc.port, DefaultCacheBehavior={
            "TargetOriginId": "origin", "ViewerProtocolPolicy": "https-only",
            "CachePolicyId": CACHING_DISABLED, "OriginRequestPolicyId": ALL_VIEWER})
        error = self.failed(self.call("unary_unary", "Unary", host), b"")
        self.assertNotEqual(error.code(), grpc.StatusCode.OK)
