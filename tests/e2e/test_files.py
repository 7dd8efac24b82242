"""One default distribution (`--origin`) in front of a real site: the bytes are the site's own."""

import email.parser
import email.policy
import gzip
import json
import random
import subprocess
import unittest
from pathlib import Path

import processes
from case import Case
from site_tree import MIB, url_path

LOCATIONS = """
    location = /moved { return 302 /about.html; }
    location = /cookie {
        add_header Set-Cookie "session=1";
        add_header Cache-Control "no-store";
        return 200 "yours alone\\n";
    }
    location = /query { add_header Cache-Control "max-age=60"; return 200 "$args\\n"; }
    location = /refused { return 403 "no\\n"; }
    location /slow/ {
        alias ROOT/large/;
        add_header Cache-Control "max-age=60";
        limit_rate 12m;
    }
    location /zipped/ {
        alias ROOT/css/;
        add_header Cache-Control "max-age=60";
        gzip on; gzip_types text/css; gzip_proxied any; gzip_vary on;
    }
"""


class Files(Case):
    @classmethod
    def set_up(cls):
        cls.start_site(LOCATIONS.replace("ROOT", str(cls.here / "root")))
        cls.edge = cls.start_warmfront("--origin", cls.nginx.url)

    def test_every_file_is_the_same_cold_and_warm(self):
        def check(item):
            path, content = item
            want = self.curl(self.nginx.url + url_path(path))
            self.assert_same_bytes(want.body, content, f"nginx itself: {path}")
            for expected in ("Miss", "Hit", "Hit"):
                # In a query of its own: other tests ask for the same files.
                answer = self.get(url_path(path) + "?same")
                self.assertEqual((answer.status, answer.cache), (200, expected), path)
                self.assert_same_bytes(answer.body, content, f"{path} ({expected})")
                for name in ("Content-Type", "Content-Length", "ETag", "Last-Modified",
                             "Cache-Control", "Accept-Ranges"):
                    self.assertEqual(answer.field(name), want.field(name), f"{path}: {name}")
                self.assertEqual(answer.field("Age") is None, expected == "Miss", path)
                self.assertRegex(answer.field("Via"), r"^1\.1 [0-9a-f]{32} \(Warmfront\)$")
                self.assertRegex(answer.field("X-Amz-Cf-Id"), r"^[A-Za-z0-9_-]{54}==$")
                self.assertEqual(answer.field("X-Amz-Cf-Pop"), "LOC1-C1")
                self.assertIsNotNone(answer.field("Date"))
            asked = self.nginx.requests(f"GET {url_path(path)}?same ")
            self.assertEqual(len(asked), 1, asked)

        self.for_each(self.tree.items(), check, threads=8)

    def test_many_files_come_over_one_connection(self):
        paths = [path for path in self.tree if path.startswith("many/")]
        directory = self.directory("many")
        for _ in range(2):
            lines = []
            for path in paths:
                lines.append(f'url = "{self.edge.url}{url_path(path)}?kept"')
                lines.append(f'output = "{directory / Path(path).name}"')
            config = self.here / "many.curl"
            config.write_text("\n".join(lines))
            done = subprocess.run(
                ["curl", "-sS", "--max-time", "60", "-w", "%{num_connects}\\n",
                 "-K", str(config)],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=70,
            )
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(sum(map(int, done.stdout.split())), 1, "one connection")
            for path in paths:
                got = (directory / Path(path).name).read_bytes()
                self.assert_same_bytes(got, self.tree[path], path)

    def test_ranges_are_parts_of_the_file_cold_and_warm(self):
        dice = random.Random(7)
        cases = []
        for path in ("large/50m.bin", f"sizes/{2 * MIB + 1}.bin", f"sizes/{3 * MIB + 12345}.bin",
                     "images/photo.jpg", "css/app.css", "one.txt"):
            size = len(self.tree[path])
            spans = {(0, 0), (size - 1, size - 1), (0, size - 1)}
            for _ in range(6):
                first = dice.randrange(size)
                spans.add((first, min(size - 1, first + dice.choice([0, 1, 999, 70_000, MIB]))))
            if size > 2 * MIB:
                spans |= {(MIB - 1, MIB), (MIB, 2 * MIB - 1), (MIB - 5, min(size, 2 * MIB + 5) - 1)}
            cases += [(path, first, last) for first, last in sorted(spans)]

        def check(case):
            path, first, last = case
            content = self.tree[path]
            # Asked for cold, then as part of what is there.
            url = f"{url_path(path)}?{first}-{last}"
            for _ in range(2):
                answer = self.get(url, "-r", f"{first}-{last}")
                what = f"{path} {first}-{last} {answer}"
                self.assertEqual(answer.status, 206, what)
                self.assertEqual(
                    answer.field("Content-Range"), f"bytes {first}-{last}/{len(content)}", what
                )
                self.assertEqual(answer.field("Content-Length"), str(last - first + 1), what)
                self.assert_same_bytes(answer.body, content[first : last + 1], what)

        self.for_each(cases, check)

    def test_open_and_suffix_ranges_of_what_is_there(self):
        path = f"/sizes/{3 * MIB + 12_345}.bin"
        content = self.tree[path[1:]]
        self.assertEqual(self.get(path).status, 200)
        for text, part in (
            ("100-", content[100:]),
            ("-100", content[-100:]),
            (f"-{len(content) + 5}", content),
            (f"{len(content) - 3}-{len(content) + 99}", content[-3:]),
        ):
            answer = self.get(path, "-r", text)
            self.assertEqual(answer.status, 206, f"{text} {answer}")
            self.assert_same_bytes(answer.body, part, text)
        answer = self.get(path, "-r", f"{len(content)}-")
        self.assertEqual(answer.status, 416, answer)
        self.assertEqual(answer.field("Content-Range"), f"bytes */{len(content)}")
        for text in ("bytes=5-3", "lines=1-2", "bytes=x", "bytes="):
            answer = self.get(path, "-H", f"Range: {text}")
            self.assertEqual((answer.status, len(answer.body)), (200, len(content)), text)

    def test_several_ranges_are_a_multipart_body(self):
        for path in ("/images/photo.jpg", f"/sizes/{2 * MIB + 1}.bin"):
            content = self.tree[path[1:]]
            self.assertEqual(self.get(path).status, 200)
            spans = [(0, 9), (500, 500), (MIB // 8, MIB // 8 + 4999), (len(content) - 7, None)]
            text = ",".join(f"{a}-{'' if b is None else b}" for a, b in spans)
            answer = self.get(path, "-r", text)
            self.assertEqual(answer.status, 206, answer)
            kind = answer.field("Content-Type")
            self.assertTrue(kind.startswith("multipart/byteranges; boundary="), kind)
            self.assertEqual(answer.field("Content-Length"), str(len(answer.body)))
            head = f"Content-Type: {kind}\r\n\r\n".encode()
            message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
                head + answer.body
            )
            parts = message.get_payload()
            self.assertEqual(len(parts), len(spans))
            for part, (first, last) in zip(parts, spans):
                last = len(content) - 1 if last is None else last
                self.assertEqual(
                    part["Content-Range"], f"bytes {first}-{last}/{len(content)}"
                )
            # The parser is for text; bytes are compared as they came.
            boundary = kind.split("boundary=")[1].strip('"').encode()
            bodies = answer.body.split(b"--" + boundary)[1:-1]
            for body, (first, last) in zip(bodies, spans):
                last = len(content) - 1 if last is None else last
                got = body.split(b"\r\n\r\n", 1)[1][:-2]
                self.assert_same_bytes(got, content[first : last + 1], f"{path} {first}")
            # Neither descending nor overlapping ones are taken apart.
            for text in ("10-20,0-5", "0-10,5-15"):
                answer = self.get(path, "-r", text)
                self.assertEqual((answer.status, len(answer.body)), (200, len(content)), text)

    def test_if_range_takes_the_whole_when_the_file_is_another(self):
        path = "/images/photo.jpg"
        etag = self.get(path).field("ETag")
        same = self.get(path, "-r", "0-9", "-H", f"If-Range: {etag}")
        self.assertEqual((same.status, len(same.body)), (206, 10))
        other = self.get(path, "-r", "0-9", "-H", 'If-Range: "other"')
        self.assertEqual((other.status, len(other.body)), (200, len(self.tree[path[1:]])))

    def test_conditional_requests_are_answered_without_a_body(self):
        for path in ("/css/app.css", f"/sizes/{2 * MIB}.bin"):
            first = self.get(path)
            etag, modified = first.field("ETag"), first.field("Last-Modified")
            before = len(self.nginx.requests(path))
            for condition in (
                f"If-None-Match: {etag}",
                f'If-None-Match: "x", W/{etag}',
                "If-None-Match: *",
                f"If-Modified-Since: {modified}",
            ):
                answer = self.get(path, "-H", condition)
                self.assertEqual((answer.status, answer.body), (304, b""), condition)
                self.assertEqual(answer.field("ETag"), etag)
                self.assertEqual(answer.cache, "Hit")
                self.assertIsNone(answer.field("Content-Length"))
            for condition in (
                'If-None-Match: "other"',
                "If-Modified-Since: Thu, 01 Jan 2004 00:00:00 GMT",
            ):
                answer = self.get(path, "-H", condition)
                self.assertEqual(answer.status, 200, condition)
                self.assert_same_bytes(answer.body, self.tree[path[1:]], condition)
            self.assertEqual(len(self.nginx.requests(path)), before, "answered by the edge")

    def test_head_has_the_fields_of_get(self):
        for path in ("/index.html", "/large/50m.bin", "/empty.txt"):
            want = self.curl(self.nginx.url + path, "-I")
            cold = self.get(path + "?head", "-I")
            self.assertEqual((cold.status, cold.body), (200, b""))
            self.assertEqual(cold.field("Content-Length"), want.field("Content-Length"), path)
            got = self.get(path + "?head")
            self.assert_same_bytes(got.body, self.tree[path[1:]], path)
            warm = self.get(path + "?head", "-I")
            self.assertEqual(warm.cache, "Hit", path)
            for name in ("Content-Type", "Content-Length", "ETag", "Last-Modified"):
                self.assertEqual(warm.field(name), want.field(name), f"{path} {name}")

    def test_what_is_not_there_is_kept_as_an_error(self):
        first = self.get("/nowhere.html")
        again = self.get("/nowhere.html")
        for answer in (first, again):
            self.assertEqual((answer.status, answer.cache), (404, "Error"))
        self.assertIn(b"404", first.body)
        self.assertEqual(len(self.nginx.requests("/nowhere.html")), 1)
        self.assertEqual(self.get("/refused").status, 403)

    def test_a_directory_leads_to_its_slash(self):
        answer = self.get("/docs")
        self.assertEqual((answer.status, answer.field("Location")), (301, "/docs/"))
        followed = self.get("/docs", "-L")
        self.assert_same_bytes(followed.body, self.tree["docs/index.html"], "/docs/")
        self.assert_same_bytes(self.get("/").body, self.tree["index.html"], "/")
        moved = self.get("/moved")
        self.assertEqual((moved.status, moved.field("Location")), (302, "/about.html"))

    def test_text_is_compressed_on_the_way(self):
        for path in ("/css/app.css", "/js/app.js", "/about.html", "/data/list.json",
                     "/images/icon.svg", "/large/9m.txt"):
            content = self.tree[path[1:]]
            for coding in ("gzip", "br"):
                for expected in ("Miss", "Hit"):
                    answer = self.get(
                        f"{path}?{coding}", "--compressed", "-H", f"Accept-Encoding: {coding}"
                    )
                    what = f"{path} {coding} {answer}"
                    self.assertEqual((answer.status, answer.cache), (200, expected), what)
                    self.assertEqual(answer.field("Content-Encoding"), coding, what)
                    self.assertEqual(answer.field("Vary"), "Accept-Encoding", what)
                    self.assertTrue(answer.field("ETag").startswith('W/"'), what)
                    self.assert_same_bytes(answer.body, content, what)
                    self.assertLess(answer.meta["size_download"], len(content) / 3, what)
                etag = answer.field("ETag")
                same = self.get(f"{path}?{coding}", "-H", f"Accept-Encoding: {coding}",
                                "-H", f"If-None-Match: {etag}")
                self.assertEqual(same.status, 304, f"{path} {coding} {same}")
            plain = self.get(f"{path}?gzip")
            self.assertIsNone(plain.field("Content-Encoding"))
            self.assert_same_bytes(plain.body, content, f"{path} for who takes no coding")

    def test_what_is_small_or_compressed_already_is_left_alone(self):
        for path in ("/images/large.png", "/images/photo.jpg", "/many/000.txt"):
            answer = self.get(path, "--compressed")
            self.assertIsNone(answer.field("Content-Encoding"), path)
            self.assert_same_bytes(answer.body, self.tree[path[1:]], path)
        for expected in ("Miss", "Hit"):
            answer = self.get("/zipped/app.css", "-H", "Accept-Encoding: gzip")
            self.assertEqual((answer.field("Content-Encoding"), answer.cache),
                             ("gzip", expected))
            self.assert_same_bytes(gzip.decompress(answer.body), self.tree["css/app.css"],
                                   "compressed by the origin")

    def test_queries_make_different_objects(self):
        for query in ("a=1", "a=2", "b=1&a=1", "a=%31"):
            for expected in ("Miss", "Hit"):
                answer = self.get(f"/query?{query}")
                self.assertEqual((answer.cache, answer.body.decode()), (expected, f"{query}\n"))

    def test_what_must_not_be_kept_is_not(self):
        for _ in range(2):
            answer = self.get("/cookie")
            self.assertEqual((answer.cache, answer.body), ("Miss", b"yours alone\n"))
        self.assertEqual(len(self.nginx.requests("GET /cookie")), 2)

    def test_methods_that_change_things_go_through(self):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            for _ in range(2):
                answer = self.get("/index.html", "-X", method, "--data-binary", "x" * 3000)
                self.assertEqual(answer.status, 405, f"{method} {answer}")
            asked = self.nginx.requests(f"{method} /index.html 405")
            self.assertEqual(len(asked), 2, method)

    def test_one_fetch_serves_all_who_ask_at_once(self):
        path = "/slow/9m.txt"

        def check(_):
            answer = self.get(path, max_time=40)
            self.assert_same_bytes(answer.body, self.tree["large/9m.txt"], path)

        self.for_each(range(24), check, threads=24)
        self.assertEqual(len(self.nginx.requests(f"GET {path} 200")), 1)

    def test_other_hosts_are_refused(self):
        answer = self.get("/index.html", "-H", "Host: other.test")
        self.assertEqual(answer.status, 403, answer)
        own = self.edge.first_words.split("(d")[1].split(",")[0]
        self.assertEqual(self.get("/index.html", "-H", f"Host: d{own}").status, 200)
        self.assertEqual(self.get("/index.html", "--http1.0").status, 200)

    def test_a_viewer_that_leaves_in_the_middle_harms_nobody(self):
        path = "/slow/50m.bin"
        left = subprocess.run(
            ["curl", "-sS", "-o", "/dev/null", "--max-time", "0.3", self.edge.url + path],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=20,
        )
        self.assertEqual(left.returncode, 28, "it left")
        answer = self.get(path, "-r", "0-999999", max_time=40)
        self.assert_same_bytes(answer.body[:1_000_000], self.tree["large/50m.bin"][:1_000_000],
                               path)


if __name__ == "__main__":
    unittest.main()
