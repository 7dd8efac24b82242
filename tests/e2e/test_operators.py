"""What operators see: logs, metrics, answers of the commands, starts and stops."""

import json
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import processes
from case import Case
from test_distribution import CACHING_OPTIMIZED, behavior, distribution

LOCATIONS = """
    location /slow/ {
        alias ROOT/images/;
        add_header Cache-Control "max-age=60";
        limit_rate 100k;
    }
"""

FIELDS = (
    "date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) "
    "cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header "
    "cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher "
    "x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port "
    "time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len sc-range-start "
    "sc-range-end"
).split()


def read_log(files):
    """Lines as dictionaries; what cannot be read fails."""
    lines = []
    for file in files:
        version, fields, *rest = processes.unzip(file).splitlines()
        assert version == "#Version: 1.0", version
        assert fields.split(" ")[1:] == FIELDS, fields
        for line in rest:
            values = line.split("\t")
            assert len(values) == len(FIELDS), line
            lines.append(dict(zip(FIELDS, values)))
    return lines


class AccessLogs(Case):
    @classmethod
    def set_up(cls):
        cls.start_site()
        cls.edge = cls.start_warmfront("--origin", cls.nginx.url, "--workers", "2")

    def test_every_exchange_has_its_line_and_files_are_zipped_at_the_end(self):
        asked = []

        def ask(path, *arguments):
            answer = self.get(path, *arguments)
            asked.append((answer.field("X-Amz-Cf-Id"), path, answer, arguments))
            return answer

        for _ in range(2):
            ask("/css/app.css?x=%20y&z", "-A", "an agent/1.0 (it's \"so\")",
                "-e", "http://a.test/ b")
            ask("/images/photo.jpg", "-r", "10-19")
            ask("/nowhere")
        ask("/with%20space.txt", "-H", "X-Forwarded-For: 192.0.2.7, 10.0.0.1")
        ask("/index.html", "-I")
        ask("/index.html", "-X", "POST", "-d", "a=b")
        self.for_each([f"/many/{index:03}.txt" for index in range(200)], ask)
        self.assertEqual(self.edge.stop(), 0)

        logs = self.edge.data / "logs"
        self.assertEqual(list(logs.glob("*.log")), [], "all of them compressed")
        files = list(logs.glob(f"{self.edge.distribution}.*.gz"))
        self.assertGreaterEqual(len(files), 1)
        for file in files:
            self.assertRegex(
                file.name, rf"^{self.edge.distribution}\.\d{{4}}-\d\d-\d\d-\d\d\.[0-9a-f]{{8}}\.gz$"
            )
        lines = {line["x-edge-request-id"]: line for line in read_log(files)}
        self.assertEqual(len(lines), len(asked))
        for request, path, answer, arguments in asked:
            line = lines[request]
            stem, _, query = path.partition("?")
            what = f"{path} {line}"
            # What was encoded already, and `%` itself, is encoded as the log's rules say.
            self.assertEqual(urllib.parse.unquote(urllib.parse.unquote(line["cs-uri-stem"])),
                             urllib.parse.unquote(stem), what)
            self.assertEqual(line["sc-status"], str(answer.status), what)
            self.assertEqual(line["x-edge-result-type"], answer.cache, what)
            self.assertEqual(line["c-ip"], "127.0.0.1")
            self.assertEqual(line["c-port"], str(answer.meta["local_port"]))
            self.assertEqual(line["x-edge-location"], "LOC1-C1")
            self.assertEqual(line["x-host-header"], f"127.0.0.1:{self.edge.port}")
            self.assertRegex(line["cs(Host)"], r"^d[0-9a-z]+\.cdn\.localhost$")
            self.assertEqual((line["cs-protocol"], line["cs-protocol-version"]),
                             ("http", "HTTP/1.1"))
            self.assertEqual((line["ssl-protocol"], line["cs(Cookie)"]), ("-", "-"))
            self.assertEqual(query == "", line["cs-uri-query"] == "-", what)
            got = answer.meta["size_header"] + (
                0 if "-I" in arguments else answer.meta["size_download"])
            self.assertEqual(line["sc-bytes"], str(got), what)
            sent = answer.meta["size_request"] + answer.meta["size_upload"]
            self.assertIn(line["cs-bytes"], (str(sent), str(answer.meta["size_request"])), what)
            self.assertLess(float(line["time-to-first-byte"]), float(line["time-taken"]) + 0.001)
            self.assertRegex(f"{line['date']} {line['time']}", r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")
        by_path = {}
        for request, path, answer, _ in asked:
            by_path.setdefault(path, []).append(lines[request])
        part = by_path["/images/photo.jpg"][0]
        self.assertEqual((part["sc-range-start"], part["sc-range-end"]), ("10", "19"))
        self.assertEqual(part["sc-content-len"], "10")
        css = by_path["/css/app.css?x=%20y&z"][1]
        self.assertEqual(css["cs(User-Agent)"], "an%20agent/1.0%20(it%27s%20%22so%22)")
        self.assertEqual(css["cs(Referer)"], "http://a.test/%20b")
        self.assertEqual(css["x-edge-result-type"], "Hit")
        forwarded = by_path["/with%20space.txt"][0]["x-forwarded-for"]
        self.assertEqual(forwarded.replace("%20", " "), "192.0.2.7, 10.0.0.1")


class Metrics(Case):
    @classmethod
    def set_up(cls):
        cls.start_site()
        cls.edge = cls.start_warmfront("--origin", cls.nginx.url)

    def test_metrics_are_true_and_well_formed(self):
        for _ in range(3):
            self.assertEqual(self.get("/css/app.css").status, 200)
        self.assertEqual(self.get("/large/9m.txt").status, 200)
        self.assertEqual(self.get("/nowhere").status, 404)
        self.assertEqual(self.get("/", "-H", "Host: other.test").status, 403)
        own = {"distribution": self.edge.distribution}
        metric = lambda name, **labels: self.edge.metric(name, **own, **labels)

        processes.eventually(
            "five requests", lambda: metric("warmfront_requests_total") == 5)
        self.assertEqual(metric("warmfront_requests_total", result="Hit"), 2)
        self.assertEqual(metric("warmfront_requests_total", result="Miss"), 2)
        self.assertEqual(metric("warmfront_requests_total", result="Error"), 1)
        self.assertEqual(metric("warmfront_responses_total", status="200"), 4)
        self.assertEqual(metric("warmfront_origin_fetches_total"), 3)
        sent = len(self.tree["css/app.css"]) * 3 + len(self.tree["large/9m.txt"])
        self.assertGreater(metric("warmfront_viewer_bytes_total", direction="out"), sent)
        self.assertLess(metric("warmfront_viewer_bytes_total", direction="out"), sent + 10_000)
        fetched = len(self.tree["css/app.css"]) + len(self.tree["large/9m.txt"])
        self.assertGreater(metric("warmfront_origin_bytes_total"), fetched)
        self.assertEqual(
            self.edge.metric("warmfront_rejected_requests_total", reason="unknown_host"), 1)
        self.assertGreaterEqual(self.edge.metric("warmfront_cache_objects"), 10)

        text = self.edge.metrics_text()
        seen, typed = set(), set()
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                self.assertNotIn(name, typed, "typed once")
                self.assertIn(kind, ("counter", "gauge", "histogram"))
                typed.add(name)
            elif not line.startswith("#"):
                sample = processes.Sample(line)
                family = sample.name
                for suffix in ("_bucket", "_sum", "_count"):
                    if family.endswith(suffix) and family.removesuffix(suffix) in typed:
                        family = family.removesuffix(suffix)
                self.assertIn(family, typed, line)
                key = (sample.name, tuple(sorted(sample.labels.items())))
                self.assertNotIn(key, seen, "each sample once")
                seen.add(key)
        first_bytes = [
            (float(sample.labels["le"].replace("+Inf", "inf")), sample.value)
            for sample in processes.parse_metrics(text)
            if sample.name == "warmfront_time_to_first_byte_seconds_bucket"
        ]
        self.assertEqual(first_bytes, sorted(first_bytes), "buckets only grow")
        self.assertEqual(first_bytes[-1], (float("inf"), 5))

    def test_health_is_told(self):
        with urllib.request.urlopen(f"{self.edge.api_url}/health", timeout=10) as answer:
            self.assertEqual((answer.status, answer.read()), (200, b"ok\n"))
        with self.assertRaises(urllib.error.HTTPError) as missing:
            urllib.request.urlopen(f"{self.edge.api_url}/nothing", timeout=10)
        self.assertEqual(missing.exception.code, 403)


class Commands(Case):
    def write(self, name, content):
        (self.here / name).write_text(json.dumps(content))

    def run_in(self, *arguments):
        return processes.run_warmfront(*arguments, directory=self.here)

    def test_check_passes_what_is_right_and_names_what_is_wrong(self):
        good = distribution(8000, 8001)
        config = good["Distribution"]["DistributionConfig"]
        config["CacheBehaviors"]["Items"] = [
            item for item in config["CacheBehaviors"]["Items"]
            if not item["CachePolicyId"].startswith("1111")
        ]
        config["CacheBehaviors"]["Quantity"] = len(config["CacheBehaviors"]["Items"])
        self.write("good.json", good)
        done = self.run_in("check", "good.json")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout.splitlines()[-1], r"^ok")

        config["DefaultCacheBehavior"]["CachePolicyId"] = "99999999-9999-4999-8999-999999999999"
        config["Origins"]["Items"][0]["ConnectionTimeout"] = 11
        self.write("wrong.json", good)
        done = self.run_in("check", "wrong.json")
        self.assertEqual(done.returncode, 1, done.stdout)
        for part in ("wrong.json: DistributionConfig.DefaultCacheBehavior.CachePolicyId",
                     "wrong.json: DistributionConfig.Origins.Items[0].ConnectionTimeout",
                     "2 errors"):
            self.assertIn(part, done.stdout)

    def test_check_warns_of_a_behavior_that_no_request_reaches(self):
        shadowed = distribution(8000, 8001)
        config = shadowed["Distribution"]["DistributionConfig"]
        config["CacheBehaviors"] = {"Quantity": 2, "Items": [
            behavior("site", "/images/*"), behavior("api", "/images/old/*", CACHING_OPTIMIZED)]}
        self.write("shadowed.json", shadowed)
        done = self.run_in("check", "shadowed.json")
        self.assertEqual(done.returncode, 0, done.stdout)
        warning = [line for line in done.stdout.splitlines() if "Items[1]" in line]
        self.assertTrue(warning and "/images/*" in warning[0], done.stdout)
        self.assertEqual(self.run_in("check", "--strict", "shadowed.json").returncode, 1)

    def test_explain_tells_the_whole_way_of_a_request(self):
        plain = distribution(8000, 8001)
        config = plain["Distribution"]["DistributionConfig"]
        items = [item for item in config["CacheBehaviors"]["Items"]
                 if not item["CachePolicyId"].startswith("1111")]
        config["CacheBehaviors"] = {"Quantity": len(items), "Items": items}
        self.write("a.json", plain)
        done = self.run_in(
            "explain", "--distribution", "a.json", "-H", "Accept-Language: ko", "-b", "a=b",
            "--response", "Cache-Control: max-age=60, s-maxage=90",
            "http://shop.test/js/app.js?q=1")
        self.assertEqual(done.returncode, 0, done.stderr)
        for part in ("EDFDVBD6EXAMPLE", "Managed-CachingOptimized", "/js/app.js", "s-maxage=90",
                     "GET /js/app.js HTTP/1.1", "MinTTL 1 s"):
            self.assertIn(part, done.stdout)
        api = self.run_in("explain", "--distribution", "a.json", "-b", "a=b",
                          "http://shop.test/api/cart?q=1")
        for part in ("/api/*", "Managed-CachingDisabled", "GET /api/cart?q=1 HTTP/1.1",
                     "Cookie: a=b", "Host: shop.test"):
            self.assertIn(part, api.stdout)
        wrong = self.run_in("explain", "--distribution", "a.json", "shop.test/")
        self.assertEqual(wrong.returncode, 1)
        self.assertTrue(wrong.stderr.startswith("warmfront: "), wrong.stderr)

    def test_trace_judges_the_policy_beside_lru(self):
        lines = ["time,id,size"]
        for turn in range(3000):
            lines.append(f"{turn},hot{turn % 10},1000")
            lines.append(f"{turn},once{turn},1000")
        (self.here / "trace.csv").write_text("\n".join(lines) + "\n")
        done = self.run_in("trace", "trace.csv", "--capacity", "15kB")
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = {line.split("  ")[0]: line.split() for line in done.stdout.splitlines()}
        ours, lru = float(rows["warmfront"][1]), float(rows["plain LRU"][2])
        self.assertLess(ours, lru, done.stdout)
        self.assertGreaterEqual(ours, 0.5, "half of the requests are for something new")
        (self.here / "broken.csv").write_text("1,a,1\n2,b\n")
        done = self.run_in("trace", "broken.csv", "--capacity", "1MiB")
        self.assertEqual(done.returncode, 1)
        self.assertIn("line 2", done.stderr)


class StartsAndStops(Case):
    @classmethod
    def set_up(cls):
        cls.start_site(LOCATIONS.replace("ROOT", str(cls.here / "root")))

    def test_what_a_killed_one_left_does_not_keep_the_next_from_starting(self):
        first = self.start_warmfront("--origin", self.nginx.url, name="killed")
        for index in range(20):
            answer = self.curl(f"{first.url}/many/{index:03}.txt")
            self.assertEqual(answer.status, 200)
        logs = first.data / "logs"
        # Lines leave for the disk within a second or so.
        processes.eventually("lines on disk", lambda: any(
            "/many/000.txt" in file.read_text() for file in logs.glob("*.log")))
        first.signal(signal.SIGKILL)
        self.assertEqual(first.wait(), -signal.SIGKILL)
        left = list(logs.glob("*.log"))
        self.assertEqual(len(left), 1)

        second = self.start_warmfront(
            "--origin", self.nginx.url, name="killed", http=f"127.0.0.1:{first.port}")
        answer = self.curl(f"{second.url}/many/000.txt")
        self.assertEqual((answer.status, answer.cache), (200, "Miss"), "memory is gone")
        processes.eventually("the old log", lambda: not left[0].exists())
        self.assertEqual(second.stop(), 0)
        lines = read_log(logs.glob("*.gz"))
        self.assertGreaterEqual(len(lines), 2)
        self.assertIn("/many/000.txt", {line["cs-uri-stem"] for line in lines})

    def test_a_running_response_ends_before_the_stop(self):
        edge = self.start_warmfront("--origin", self.nginx.url, name="stopped")
        target = self.here / "photo.jpg"
        download = subprocess.Popen(
            ["curl", "-sS", "-o", str(target), "--max-time", "30",
             f"{edge.url}/slow/photo.jpg"], stdin=subprocess.DEVNULL)
        processes.eventually("its beginning",
                             lambda: target.exists() and target.stat().st_size > 0)
        edge.signal(signal.SIGTERM)
        processes.eventually("no new connections", lambda: not processes.is_listening(edge.port))
        self.assertEqual(download.wait(timeout=30), 0)
        self.assert_same_bytes(target.read_bytes(), self.tree["images/photo.jpg"], "photo")
        self.assertEqual(edge.wait(), 0)

    def refusal(self, *flags):
        """What `serve` says where it must not start."""
        try:
            done = processes.run_warmfront(
                "serve", "--origin", self.nginx.url, "--api", "127.0.0.1:0",
                "--dns", "127.0.0.1:0", "--https", "off", *flags,
                directory=self.directory("refused"), timeout=10)
        except subprocess.TimeoutExpired:
            self.fail(f"it serves with {flags}")
        self.assertEqual(done.returncode, 1, done.stdout)
        return done.stderr

    def test_an_address_that_another_one_serves_on_is_refused(self):
        edge = self.start_warmfront("--origin", self.nginx.url, name="first")
        address = f"127.0.0.1:{edge.port}"
        said = self.refusal("--http", address, "--access-logs", "off")
        self.assertIn(f"cannot listen on {address}", said)

    def test_a_log_directory_that_another_one_writes_is_refused(self):
        edge = self.start_warmfront("--origin", self.nginx.url, name="writer")
        said = self.refusal("--http", "127.0.0.1:0", "--access-logs", edge.data / "logs")
        self.assertIn("access_logs", said)


class Demo(Case):
    """What the README shows."""

    @classmethod
    def set_up(cls):
        cls.edge = cls.start_warmfront()

    def test_the_first_head_request_is_a_miss_and_the_second_a_hit(self):
        cold = self.get("/hello.txt", "-I")
        self.assertEqual((cold.status, cold.field("X-Cache")), (200, "Miss from cloudfront"))
        self.assertIsNone(cold.field("Age"))
        warm = self.get("/hello.txt", "-I")
        self.assertEqual((warm.status, warm.field("X-Cache")), (200, "Hit from cloudfront"))
        self.assertRegex(warm.field("Age"), r"^\d+$")
        whole = self.get("/hello.txt")
        self.assertEqual(whole.body, b"Hello from the demo origin.\n")
        for answer in (cold, warm, whole):
            self.assertEqual(answer.field("Content-Length"), str(len(whole.body)), answer)

    def test_every_command_that_it_proposes_works(self):
        commands = [line.strip().rsplit(" # ", 1)[0].strip()
                    for line in self.edge.first_words.splitlines() if " # " in line]
        self.assertGreaterEqual(len(commands), 4)
        for command in commands:
            done = subprocess.run(
                ["bash", "-c", command.replace("curl ", "curl -sS -f --max-time 20 ")],
                stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 0, f"{command}: {done.stderr}")
            self.assertNotEqual(done.stdout, b"", command)

    def test_the_page_and_all_that_it_links_are_there(self):
        page = self.get("/", "--compressed")
        self.assertEqual(page.status, 200)
        text = page.body.decode()
        links = {part.split('"')[0] for name in ("href", "src")
                 for part in text.split(f'{name}="')[1:]}
        local = [link for link in links if link.startswith("/")]
        self.assertGreaterEqual(len(local), 3, links)
        for link in local:
            if link.startswith("/large"):
                continue
            status = self.get(link, "--compressed").status
            self.assertLess(status, 600, link)
            if "/assets/" in link:
                self.assertEqual(status, 200, link)
