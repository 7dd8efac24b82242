"""What viewers see when the origin fails: nothing, wherever something was kept."""

import os
import time

import processes
from case import Case
from processes import PATIENCE_SECS

LOCATIONS = """
    location /brief/ {
        alias ROOT/docs/;
        add_header Cache-Control "max-age=1";
    }
    location /strict/ {
        alias ROOT/docs/;
        add_header Cache-Control "max-age=1, stale-if-error=0";
    }
    location /behind/ {
        alias ROOT/docs/;
        add_header Cache-Control "max-age=1, stale-while-revalidate=3600";
    }
    location = /maybe {
        add_header Cache-Control "max-age=1" always;
        if (-f ROOT/broken) { return 503 "down\\n"; }
        return 200 "up\\n";
    }
    location /slow/ {
        alias ROOT/images/;
        limit_rate 60k;
    }
"""


class Failures(Case):
    @classmethod
    def set_up(cls):
        cls.start_site(LOCATIONS.replace("ROOT", str(cls.here / "root")))
        cls.edge = cls.start_warmfront("--origin", cls.nginx.url)

    def test_1_expired_objects_are_revalidated(self):
        first = self.get("/brief/index.html?again")
        self.assertEqual((first.status, first.cache), (200, "Miss"))
        time.sleep(2.1)
        again = self.get("/brief/index.html?again")
        self.assertEqual((again.status, again.cache), (200, "RefreshHit"))
        self.assert_same_bytes(again.body, self.tree["docs/index.html"], "after a 304")
        asked = self.nginx.requests("/brief/index.html?again")
        self.assertEqual(len(asked), 2, asked)
        self.assertIn(" 304 ", asked[1])
        etag = first.field("ETag").replace('"', "\\x22")
        self.assertIn(f"if_none_match={etag}", asked[1])

    def test_2_a_changed_file_is_fetched_anew(self):
        path = "/brief/deep/er/page.html"
        self.assertEqual(self.get(path).status, 200)
        file = self.here / "root/docs/deep/er/page.html"
        file.write_bytes(b"<p>It changed.</p>\n")
        later = time.time() + 60
        os.utime(file, (later, later))
        time.sleep(2.1)
        answer = self.get(path)
        self.assertEqual((answer.cache, answer.body), ("Miss", b"<p>It changed.</p>\n"))

    def test_3_what_is_served_while_it_is_revalidated_does_not_wait(self):
        path = "/behind/index.html"
        self.assertEqual(self.get(path).cache, "Miss")
        time.sleep(2.1)
        answer = self.get(path)
        self.assertEqual(answer.status, 200)
        self.assertGreaterEqual(int(answer.field("Age")), 1, "the old one, at once")

        def is_young():
            return int(self.get(path).field("Age") or 0) == 0

        processes.eventually("a refreshed one", is_young)
        self.assertGreaterEqual(len(self.nginx.requests(path)), 2)

    def test_4_an_origin_that_answers_503_is_hidden(self):
        self.assertEqual(self.get("/maybe").body, b"up\n")
        broken = self.here / "root/broken"
        broken.write_text("")
        time.sleep(2.1)
        answer = self.get("/maybe")
        self.assertEqual((answer.status, answer.body), (200, b"up\n"), answer)
        self.assertGreaterEqual(int(answer.field("Age")), 2)
        unseen = self.get("/maybe?unseen")
        self.assertEqual((unseen.status, unseen.cache, unseen.body), (503, "Error", b"down\n"))
        broken.unlink()

    def test_5_an_origin_that_is_gone_is_hidden_where_something_was_kept(self):
        for path in ("/brief/index.html", "/strict/index.html", "/css/app.css"):
            self.assertEqual(self.get(path).status, 200)
        time.sleep(2.1)
        self.nginx.kill()
        kept = self.get("/css/app.css")
        self.assertEqual((kept.status, kept.cache), (200, "Hit"))
        for _ in range(2):
            stale = self.get("/brief/index.html")
            self.assertEqual(stale.status, 200, stale)
            self.assert_same_bytes(stale.body, self.tree["docs/index.html"], "stale")
        refused = self.get("/strict/index.html")
        self.assertEqual((refused.status, refused.cache), (502, "Error"), "stale-if-error=0")
        unseen = self.get("/about.html")
        self.assertEqual((unseen.status, unseen.cache), (502, "Error"))
        self.assertIn(b"502", unseen.body)
        self.assertNotIn(b"nginx", unseen.body.lower())
        posted = self.get("/about.html", "-X", "POST", "-d", "x")
        self.assertIn(posted.status, (502, 504), posted)
        self.assertGreaterEqual(
            self.edge.metric("warmfront_stale_responses_total"), 2, self.edge.metrics_text()
        )
        self.assertGreaterEqual(self.edge.metric("warmfront_origin_errors_total"), 1)
        # It comes back, and so do the pages; errors are kept for ten seconds at most.
        self.nginx.start(self.nginx.directory)
        self.assertEqual(self.get("/docs/index.html").status, 200, "not asked for before")
        processes.eventually(
            "the page after the error", lambda: self.get("/about.html").status == 200, 20
        )

    def test_6_a_body_that_breaks_off_is_not_kept(self):
        path = "/slow/photo.jpg"
        with processes.slow_download(self.edge.url + path) as download:
            processes.eventually(
                "its beginning", lambda: self.edge.metric("warmfront_flights_in_progress") >= 1
            )
            self.nginx.kill()
            self.assertNotEqual(download.wait(timeout=PATIENCE_SECS), 0, "seen as broken")
        self.nginx.start(self.nginx.directory)
        whole = self.get(path)
        self.assertEqual((whole.status, whole.cache), (200, "Miss"))
        self.assert_same_bytes(whole.body, self.tree["images/photo.jpg"], path)

    def test_7_the_beginning_of_a_cold_range_does_not_wait_for_the_rest_of_the_file(self):
        # All of it takes the origin five seconds.
        answer = self.get("/slow/photo.jpg?range", "-r", "0-99", max_time=20)
        self.assert_same_bytes(answer.body[:100], self.tree["images/photo.jpg"][:100], "range")
        self.assertLess(answer.meta["time_starttransfer"], 2.5)
