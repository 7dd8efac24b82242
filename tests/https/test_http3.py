"""HTTP/3, as a client of another make (aioquic) speaks it: files, bodies, moves, and what is
meant to harm."""

import asyncio
import contextlib
import hashlib
import json
import os

from aioquic.buffer import encode_uint_var
from https_case import HttpsCase, name_of, uncached
from http3_client import Reset, connect
from viewers_origin import ViewersOrigin, noise

MIB = 1 << 20
GROWTH_BYTES_MAX = 48 * MIB
HEADERS_FRAME = 1


class Http3Case(HttpsCase):
    @classmethod
    def set_up(cls):
        super().set_up()
        cls.origin = cls.start(ViewersOrigin())
        case = cls()
        cls.host = name_of(case.site())
        cls.api = name_of(case.site(**uncached()))

    def talk(self, conversation, host=None, **settings):
        """Runs it with a connection."""
        async def run():
            async with connect(self.root, host or self.host, self.port, **settings) as client:
                return await conversation(client)

        return asyncio.run(asyncio.wait_for(run(), 60))


class Http3(Http3Case):
    def test_a_file_is_got_and_comes_from_the_cache_that_others_share(self):
        async def conversation(client):
            return await client.get(self.host, "/bytes/1000")

        first, second = self.talk(conversation), self.talk(conversation)
        over_tcp = self.curl_host(self.host, "/bytes/1000")
        for answer, cache in ((first, "Miss"), (second, "Hit")):
            self.assertEqual(answer.status, 200)
            self.assertEqual(bytes(answer.body), noise(1000))
            self.assertTrue(answer.field("x-cache").startswith(cache), answer.fields)
        self.assertEqual(over_tcp.cache, "Hit")
        self.assertEqual(over_tcp.body, noise(1000))

    def test_a_head_has_no_body(self):
        async def conversation(client):
            return await client.get(self.host, "/bytes/2000", method="HEAD")

        answer = self.talk(conversation)
        self.assertEqual((answer.status, bytes(answer.body)), (200, b""))
        self.assertEqual(answer.field("content-length"), "2000")

    def test_a_mebibyte_that_is_posted_arrives_whole(self):
        sent = os.urandom(MIB)

        async def conversation(client):
            return await client.get(self.api, "/post", method="POST", body=sent)

        told = json.loads(bytes(self.talk(conversation, self.api).body))
        self.assertEqual((told["method"], told["size"]), ("POST", MIB))
        self.assertEqual(told["sha256"], hashlib.sha256(sent).hexdigest())

    def test_parts_of_a_file_are_what_was_asked_for(self):
        content = noise(3 * MIB + 5)

        async def conversation(client):
            wanted = ["bytes=0-0", "bytes=1048570-1048599", "bytes=-7", f"bytes={3 * MIB}-"]
            return [
                await client.get(self.host, f"/bytes/{len(content)}", fields=[("range", part)])
                for part in wanted]

        expected = [content[:1], content[1048570:1048600], content[-7:], content[3 * MIB:]]
        for answer, part in zip(self.talk(conversation), expected, strict=True):
            self.assertEqual(answer.status, 206)
            self.assert_same_bytes(bytes(answer.body), part, answer.field("content-range"))

    def test_ten_mebibytes_arrive_whole(self):
        async def conversation(client):
            return await client.get(self.host, f"/bytes/{10 * MIB}")

        for _ in range(2):
            self.assert_same_bytes(bytes(self.talk(conversation).body), noise(10 * MIB), "file")

    def test_streams_of_one_connection_do_not_wait_for_each_other(self):
        async def conversation(client):
            large = client.begin(self.host, f"/bytes/{10 * MIB}")
            small = [client.begin(self.host, f"/bytes/{10_000 + number}") for number in range(90)]
            answers = await asyncio.gather(*map(client.finish, small))
            return answers, await client.finish(large)

        answers, large = self.talk(conversation)
        for number, answer in enumerate(answers):
            self.assertEqual(bytes(answer.body), noise(10_000 + number))
        self.assert_same_bytes(bytes(large.body), noise(10 * MIB), "the large one")

    def test_a_client_that_moves_keeps_its_connection(self):
        async def conversation(client):
            before = await client.get(self.host, "/bytes/500")
            ports = await client.move()
            after = [await client.get(self.host, f"/bytes/{600 + n}") for n in range(3)]
            return before, ports, after

        before, ports, after = self.talk(conversation)
        self.assertNotEqual(*ports)
        self.assertEqual(bytes(before.body), noise(500))
        for number, answer in enumerate(after):
            self.assertEqual(bytes(answer.body), noise(600 + number))

    def test_a_client_that_moves_in_a_download_gets_the_rest(self):
        async def conversation(client):
            stream = client.begin(self.host, f"/bytes/{5 * MIB}?moved")
            for _ in range(5):
                await client.event(stream)
            await client.move()
            return await client.finish(stream)

        self.assert_same_bytes(bytes(self.talk(conversation).body), noise(5 * MIB), "file")

    def test_a_request_that_is_given_up_leaves_the_others(self):
        async def conversation(client):
            stream = client.begin(self.host, f"/bytes/{10 * MIB}?given-up")
            await client.event(stream)
            client.cancel(stream)
            return await client.get(self.host, "/bytes/700")

        self.assertEqual(bytes(self.talk(conversation).body), noise(700))

    def test_an_error_page_comes_over_http_3_too(self):
        async def conversation(client):
            return await client.get(self.host, "/", method="PROPFIND")

        self.assertIn(self.talk(conversation).status, (403, 405, 501))

    def test_a_host_of_another_certificate_is_misdirected(self):
        async def conversation(client):
            return await client.get(self.api, "/")

        self.assertEqual(self.talk(conversation, self.host).status, 421)

    def test_a_distribution_without_http_3_is_not_served_by_it(self):
        other = name_of(self.site(HttpVersion="http2"))

        async def conversation(client):
            return await client.get(other, "/bytes/10")

        # There, no handshake succeeds.
        with self.assertRaises(ConnectionError):
            self.talk(conversation, other)


class Hostile(Http3Case):
    def assert_survives(self, before):
        self.server.check_runs()
        self.assertEqual(self.curl_host(self.host, "/bytes/10").status, 200)

        async def conversation(client):
            return await client.get(self.host, "/bytes/10")

        self.assertEqual(self.talk(conversation).status, 200)
        grown = self.server.resident_bytes() - before
        self.assertLess(grown, GROWTH_BYTES_MAX, f"{grown / MIB:.0f} MiB more")

    def test_fields_that_expand_without_bound_are_refused(self):
        """QPACK bomb: a byte for each field of the static table."""
        before = self.server.resident_bytes()

        # GET, https, /, and then a field of two bytes' worth half a million times.
        section = b"\x00\x00\xd1\xd7\xc1" + b"\xdf" * 500_000
        frame = encode_uint_var(HEADERS_FRAME) + encode_uint_var(len(section)) + section

        async def conversation(client):
            for _ in range(20):
                stream = client.begin_raw(frame)
                with contextlib.suppress(Reset):
                    await client.event(stream)
                    self.assertIn(client.streams[stream][0].status, (400, 431))

        try:
            self.talk(conversation)
        except (ConnectionError, TimeoutError):
            pass
        self.assert_survives(before)

    def test_streams_that_are_reset_at_once_do_not_drown_the_origin(self):
        before = self.server.resident_bytes()
        asked = len(self.origin.requests)

        async def conversation(client):
            for number in range(5_000):
                if client.terminated.done():
                    break
                stream = client.begin(self.api, f"/reset/{number}")
                client.cancel(stream)
                if number % 50 == 0:
                    await asyncio.sleep(0)

        try:
            self.talk(conversation, self.api)
        except (ConnectionError, TimeoutError):
            pass
        self.assertLess(len(self.origin.requests) - asked, 2_500)
        self.assert_survives(before)

    def test_who_takes_nothing_holds_no_more_than_a_little(self):
        before = self.server.resident_bytes()

        async def conversation(client):
            client.take_nothing()
            for number in range(90):
                client.begin(self.host, f"/bytes/{10 * MIB}?{number % 2}")
            await asyncio.sleep(2)

        self.talk(conversation)
        self.assert_survives(before)
