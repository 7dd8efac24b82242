"""An exported distribution with several origins, behaviors and policies; and its changes."""

import json
import os
import signal

import processes
from case import Case

CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
ALL_VIEWER = "216adef6-5c7f-47e4-b989-5492eafa07d3"
SECURITY_HEADERS = "67f7725c-6f97-4210-82d7-5512b31e9d03"
OWN_CACHE_POLICY = "11111111-1111-4111-8111-111111111111"
OWN_REQUEST_POLICY = "22222222-2222-4222-8222-222222222222"
OWN_RESPONSE_POLICY = "33333333-3333-4333-8333-333333333333"

HOST = "shop.test"

ECHO = """
    location / {
        default_type text/plain;
        add_header Cache-Control "max-age=60";
        return 200 "host=$http_host args=$args cookie=$http_cookie lang=$http_accept_language
 secret=$http_x_secret agent=$http_user_agent uri=$uri method=$request_method\\n";
    }
    location = /api/fails { return 503 "primary\\n"; }
"""


def items(*values):
    return {"Quantity": len(values), "Items": list(values)}


def origin(name, port, path="", headers=()):
    custom = [{"HeaderName": name, "HeaderValue": value} for name, value in headers]
    return {
        "Id": name,
        "DomainName": "127.0.0.1",
        "OriginPath": path,
        "CustomHeaders": items(*custom),
        "CustomOriginConfig": {
            "HTTPPort": port, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only",
            "OriginSslProtocols": items("TLSv1.2"),
            "OriginReadTimeout": 30, "OriginKeepaliveTimeout": 5,
        },
        "ConnectionAttempts": 1,
        "ConnectionTimeout": 2,
    }


def behavior(target, pattern=None, policy=CACHING_OPTIMIZED, **more):
    made = {
        "TargetOriginId": target,
        "ViewerProtocolPolicy": "allow-all",
        "AllowedMethods": items("GET", "HEAD") | {"CachedMethods": items("GET", "HEAD")},
        "Compress": True,
        "CachePolicyId": policy,
        **more,
    }
    return made if pattern is None else {"PathPattern": pattern, **made}


ALL_METHODS = items("GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE") | {
    "CachedMethods": items("GET", "HEAD")
}


def distribution(site_port, api_port, default_policy="allow-all"):
    return {
        "ETag": "E2QWRUHEXAMPLE",
        "Distribution": {
            "Id": "EDFDVBD6EXAMPLE",
            "ARN": "arn:aws:cloudfront::123456789012:distribution/EDFDVBD6EXAMPLE",
            "Status": "Deployed",
            "DomainName": "d111111abcdef8.cloudfront.net",
            "DistributionConfig": {
                "CallerReference": "shop",
                "Aliases": items(HOST, "*.shop.test"),
                "DefaultRootObject": "index.html",
                "Origins": items(
                    origin("site", site_port),
                    origin("api", api_port, headers=[("X-Secret", "open sesame")]),
                    origin("deep", site_port, path="/docs"),
                    origin("gone", processes.free_port()),
                ),
                "OriginGroups": items({
                    "Id": "group",
                    "FailoverCriteria": {"StatusCodes": items(502, 503)},
                    "Members": items({"OriginId": "gone"}, {"OriginId": "site"}),
                }, {
                    "Id": "group-by-status",
                    "FailoverCriteria": {"StatusCodes": items(503)},
                    "Members": items({"OriginId": "api"}, {"OriginId": "site"}),
                }),
                "DefaultCacheBehavior": behavior(
                    "site", ViewerProtocolPolicy=default_policy,
                    ResponseHeadersPolicyId=SECURITY_HEADERS,
                ),
                "CacheBehaviors": items(
                    behavior("group-by-status", "/api/fails"),
                    behavior("api", "/api/*", CACHING_DISABLED, AllowedMethods=ALL_METHODS,
                             OriginRequestPolicyId=ALL_VIEWER),
                    behavior("api", "/shop/*", OWN_CACHE_POLICY,
                             OriginRequestPolicyId=OWN_REQUEST_POLICY,
                             ResponseHeadersPolicyId=OWN_RESPONSE_POLICY),
                    behavior("deep", "/deep/*"),
                    behavior("group", "/css/*.css"),
                    behavior("site", "/secure/*", ViewerProtocolPolicy="https-only"),
                    behavior("site", "/moved/*", ViewerProtocolPolicy="redirect-to-https"),
                    behavior("site", "/images/????.png"),
                ),
                "CustomErrorResponses": items({
                    "ErrorCode": 404, "ResponsePagePath": "/errors/404.html",
                    "ResponseCode": "200", "ErrorCachingMinTTL": 5,
                }),
                "Comment": "The shop",
                "Logging": {
                    "Enabled": True, "IncludeCookies": True, "Bucket": "", "Prefix": "shop/",
                },
                "PriceClass": "PriceClass_All",
                "Enabled": True,
                "ViewerCertificate": {"CloudFrontDefaultCertificate": True},
                "Restrictions": {"GeoRestriction": {"RestrictionType": "none", "Quantity": 0}},
                "WebACLId": "",
                "HttpVersion": "http2",
                "IsIPV6Enabled": True,
            },
        },
    }


CACHE_POLICY = {"CachePolicy": {"Id": OWN_CACHE_POLICY, "CachePolicyConfig": {
    "Name": "shop", "MinTTL": 1, "DefaultTTL": 60, "MaxTTL": 600,
    "ParametersInCacheKeyAndForwardedToOrigin": {
        "EnableAcceptEncodingGzip": True, "EnableAcceptEncodingBrotli": True,
        "HeadersConfig": {"HeaderBehavior": "whitelist", "Headers": items("Accept-Language")},
        "CookiesConfig": {"CookieBehavior": "whitelist", "Cookies": items("currency")},
        "QueryStringsConfig": {"QueryStringBehavior": "allExcept",
                               "QueryStrings": items("utm_source")},
    },
}}}

REQUEST_POLICY = {"OriginRequestPolicy": {"Id": OWN_REQUEST_POLICY, "OriginRequestPolicyConfig": {
    "Name": "shop",
    "HeadersConfig": {"HeaderBehavior": "none"},
    "CookiesConfig": {"CookieBehavior": "whitelist", "Cookies": items("session")},
    "QueryStringsConfig": {"QueryStringBehavior": "none"},
}}}

RESPONSE_POLICY = {"ResponseHeadersPolicy": {
    "Id": OWN_RESPONSE_POLICY,
    "ResponseHeadersPolicyConfig": {
        "Name": "shop",
        "CorsConfig": {
            "AccessControlAllowOrigins": items("https://app.test"),
            "AccessControlAllowHeaders": items("*"),
            "AccessControlAllowMethods": items("GET"),
            "AccessControlAllowCredentials": True,
            "OriginOverride": True,
        },
        "CustomHeadersConfig": items({"Header": "X-Shop", "Value": "open", "Override": True}),
        "RemoveHeadersConfig": items({"Header": "Server"}),
        "ServerTimingHeadersConfig": {"Enabled": True, "SamplingRate": 100},
    },
}}


class Distribution(Case):
    @classmethod
    def set_up(cls):
        cls.start_site()
        empty = cls.directory("api-root")
        cls.api = cls.start(processes.Nginx(empty, cls.directory("api"), ECHO))
        directory = cls.directory("edge")
        cls.file = directory / "shop.json"
        cls.write(distribution(cls.nginx.port, cls.api.port))
        policies = cls.directory("edge/policies")
        for name, policy in (("cache", CACHE_POLICY), ("request", REQUEST_POLICY),
                             ("response", RESPONSE_POLICY)):
            (policies / f"{name}.json").write_text(json.dumps({"ETag": "E1", **policy}))
        cls.edge = cls.start_warmfront("--distribution", "shop.json", "--policies", "policies")

    @classmethod
    def write(cls, content):
        """Replaces the file at once, as careful programs do."""
        text = content if isinstance(content, str) else json.dumps(content, indent=2)
        new = cls.file.with_suffix(".new")
        new.write_text(text)
        os.replace(new, cls.file)

    def ask(self, path, *arguments, host=HOST):
        return self.get(path, "-H", f"Host: {host}", *arguments)

    def seen(self, answer):
        """What the API saw of a request."""
        words = answer.body.decode().split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def test_01_all_names_share_the_objects(self):
        for host, expected in (
            (HOST, "Miss"), ("www.shop.test", "Hit"), ("SHOP.test:80", "Hit"),
            ("a.b.shop.test", "Hit"), ("d111111abcdef8.cloudfront.net", "Hit"),
            ("d111111abcdef8.cdn.localhost", "Hit"),
        ):
            answer = self.ask("/", host=host)
            self.assertEqual((answer.status, answer.cache), (200, expected), host)
            self.assert_same_bytes(answer.body, self.tree["index.html"], host)
        for host in ("localhost", "127.0.0.1", "ashop.test", "evil.test"):
            self.assertEqual(self.ask("/", host=host).status, 403, host)

    def test_02_a_managed_policy_adds_security_headers(self):
        answer = self.ask("/about.html")
        self.assertEqual(answer.field("X-Content-Type-Options"), "nosniff")
        self.assertEqual(answer.field("X-Frame-Options"), "SAMEORIGIN")
        self.assertEqual(answer.field("Referrer-Policy"), "strict-origin-when-cross-origin")
        self.assertIsNone(self.ask("/api/x").field("X-Frame-Options"))

    def test_03_the_optimized_policy_ignores_queries(self):
        self.assertEqual(self.ask("/js/app.js?a").cache, "Miss")
        self.assertEqual(self.ask("/js/app.js?b").cache, "Hit")
        asked = self.nginx.requests("/js/app.js")
        self.assertEqual(len(asked), 1)
        self.assertIn("GET /js/app.js 200", asked[0], "without the query")

    def test_04_the_api_gets_everything_and_nothing_is_kept(self):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            for _ in range(2):
                answer = self.ask("/api/cart?x=1&y=2", "-X", method, "-H", "Cookie: a=1; b=2",
                                  "-H", "Accept-Language: ko", "-A", "viewer/1.0")
                self.assertEqual((answer.status, answer.cache), (200, "Miss"), answer)
                seen = self.seen(answer)
                self.assertEqual(seen["host"], HOST)
                self.assertEqual((seen["args"], seen["lang"]), ("x=1&y=2", "ko"))
                self.assertEqual((seen["agent"], seen["method"]), ("viewer/1.0", method))
                self.assertIn("a=1; b=2", answer.body.decode())
                self.assertIn("secret=open sesame", answer.body.decode())
        refused = self.ask("/about.html", "-X", "DELETE")
        self.assertEqual((refused.status, refused.cache), (403, "Error"))

    def test_05_custom_policies_say_what_is_keyed_and_forwarded(self):
        def ask(query, cookie, language="ko"):
            return self.ask(f"/shop/list?{query}", "-H", f"Cookie: {cookie}",
                            "-H", f"Accept-Language: {language}", "-H", "Origin: https://app.test")

        first = ask("page=1&utm_source=mail", "currency=KRW; session=s1; other=o")
        self.assertEqual(first.cache, "Miss")
        seen = self.seen(first)
        self.assertEqual((seen["args"], seen["lang"]), ("page=1", "ko"))
        text = first.body.decode()
        self.assertIn("currency=KRW", text)
        self.assertIn("session=s1", text, "forwarded, not keyed")
        self.assertNotIn("other=o", text)
        self.assertEqual(ask("page=1&utm_source=ad", "currency=KRW; session=s2").cache, "Hit")
        for other in (("page=2", "currency=KRW"), ("page=1", "currency=EUR"),
                      ("page=1", "currency=KRW", "en")):
            self.assertEqual(ask(*other).cache, "Miss", other)
        self.assertEqual(first.field("X-Shop"), "open")
        self.assertEqual(first.field("Server"), "Warmfront", "instead of the origin's")
        self.assertEqual(first.field("Access-Control-Allow-Origin"), "https://app.test")
        self.assertEqual(first.field("Access-Control-Allow-Credentials"), "true")
        self.assertIn("cdn-cache-miss", first.field("Server-Timing"))
        stranger = self.ask("/shop/list?page=1", "-H", "Cookie: currency=KRW",
                            "-H", "Accept-Language: ko", "-H", "Origin: https://evil.test")
        self.assertEqual(stranger.cache, "Hit")
        self.assertIsNone(stranger.field("Access-Control-Allow-Origin"))
        self.assertIn("cdn-cache-hit", stranger.field("Server-Timing"))

    def test_06_an_origin_path_is_put_in_front(self):
        answer = self.ask("/deep/er/page.html")
        self.assert_same_bytes(answer.body, self.tree["docs/deep/er/page.html"], "origin path")

    def test_07_the_second_origin_answers_when_the_first_does_not(self):
        for expected in ("Miss", "Hit"):
            answer = self.ask("/css/app.css")
            self.assertEqual((answer.status, answer.cache), (200, expected), answer)
            self.assert_same_bytes(answer.body, self.tree["css/app.css"], "failover")
        # By status, the second one's own answer is final: it has no such file.
        answer = self.ask("/api/fails")
        self.assertEqual(len(self.nginx.requests("/api/fails")), 1)
        self.assert_same_bytes(answer.body, self.tree["errors/404.html"], "error page")

    def test_08_viewer_protocol_policies(self):
        self.assertEqual(self.ask("/secure/a").status, 403)
        moved = self.ask("/moved/a?b=c")
        self.assertEqual((moved.status, moved.field("Location")),
                         (301, f"https://{HOST}/moved/a?b=c"))
        self.assertEqual(moved.cache, "Redirect")

    def test_09_an_error_has_its_own_page(self):
        answer = self.ask("/nowhere")
        self.assertEqual((answer.status, answer.cache), (200, "Error"))
        self.assert_same_bytes(answer.body, self.tree["errors/404.html"], "error page")
        self.assertEqual(answer.field("Content-Type"), "text/html")

    def test_10_a_pattern_of_question_marks(self):
        self.assert_same_bytes(self.ask("/images/logo.png").body,
                               self.tree["images/logo.png"], "logo")
        explained = processes.run_warmfront(
            "explain", "--distribution", "shop.json", "--policies", "policies",
            f"http://{HOST}/images/logo.png", directory=self.edge.directory)
        self.assertIn("/images/????.png", explained.stdout, explained.stderr)

    def test_11_changes_are_taken_up_and_mistakes_are_not(self):
        cached = self.ask("/data/list.json")
        self.assertEqual(cached.status, 200)
        secure = distribution(self.nginx.port, self.api.port, "redirect-to-https")
        self.write(secure)
        self.edge.logged("reloaded", 1)
        self.assertEqual(self.ask("/data/list.json").status, 301)

        wrong = distribution(self.nginx.port, self.api.port)
        wrong["Distribution"]["DistributionConfig"]["DefaultCacheBehavior"][
            "TargetOriginId"] = "sight"
        self.write(wrong)
        self.edge.logged("not reloaded")
        self.assertIn("DistributionConfig.DefaultCacheBehavior.TargetOriginId", self.edge.log())
        self.assertIn("shop.json", self.edge.log())
        self.assertEqual(self.ask("/data/list.json").status, 301, "the old one serves on")
        self.write("{ broken")
        self.edge.logged("not reloaded", 2)
        self.assertEqual(self.ask("/data/list.json").status, 301)

        self.write(distribution(self.nginx.port, self.api.port))
        reloads = self.edge.log().count(" reloaded")
        self.edge.signal(signal.SIGHUP)
        self.edge.logged(" reloaded", reloads + 1)
        back = self.ask("/data/list.json")
        self.assertEqual((back.status, back.cache), (200, "Hit"), "objects outlive reloads")

    def test_12_nobody_sees_a_reload(self):
        """Viewers who ask all the time while the site is swapped again and again."""
        documents = [
            distribution(self.nginx.port, self.api.port),
            distribution(self.nginx.port, self.api.port, "https-only"),
        ]

        def ask(_):
            for _ in range(12):
                answer = self.ask("/images/photo.jpg")
                self.assertIn(answer.status, (200, 403))
                if answer.status == 200:
                    self.assert_same_bytes(answer.body, self.tree["images/photo.jpg"], "photo")

        def work(index):
            if index > 0:
                return ask(index)
            for turn in range(8):
                before = self.edge.log().count(" reloaded")
                self.write(documents[turn % 2])
                self.edge.signal(signal.SIGHUP)
                self.edge.logged(" reloaded", before + 1)

        self.for_each(range(7), work, threads=7)

    def test_13_logs_lie_under_their_prefix_with_cookies(self):
        self.ask("/about.html", "-H", "Cookie: seen=yes")
        self.assertEqual(self.edge.stop(), 0)
        files = list((self.edge.data / "logs" / "shop").glob("EDFDVBD6EXAMPLE.*.gz"))
        self.assertGreaterEqual(len(files), 1)
        text = "".join(processes.unzip(file) for file in files)
        self.assertIn("seen=yes", text)
        self.assertIn("\td111111abcdef8.cloudfront.net\t/about.html\t", text)
