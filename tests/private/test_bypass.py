"""Ways around a signature that do not lead anywhere: spellings, duplicates, methods, stored
answers, other sites, other schemes, requests that wait for each other."""

import asyncio
import contextlib
import http.client
import itertools
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import http3_client
from aws_case import ALL_VIEWER, CACHING_DISABLED, quantified, unique
from private_case import (
    SECRET, Pair, PrivateCase, canned, cookies, custom, in_secs, policy_of, query, raw,
)

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")

# Each is /private/x.txt to some origin: to one that decodes, that resolves dots, that merges
# slashes, that decodes twice, that takes backslashes for slashes.
SPELLINGS = (
    "/public/../private/x.txt", "/public/%2e%2e/private/x.txt", "/public/%2E./private/x.txt",
    "/public/.%2e/private/x.txt", "/./private/x.txt", "/%2e/private/x.txt", "//private/x.txt",
    "///private//x.txt", "/%70rivate/x.txt", "/p%72ivate/x.txt", "/private%2Fx.txt",
    "/private%2fx.txt", "/%2Fprivate/x.txt", "/public%2F..%2Fprivate/x.txt",
    "/public/..%2Fprivate/x.txt", "/public%2f%2e%2e%2fprivate%2fx.txt", "/%2570rivate/x.txt",
    "/private%252Fx.txt", "/public/..//private/x.txt", "/public/x/../../private/x.txt",
    "/..//private/x.txt", "/../private/x.txt", "/private/../private/x.txt",
    "/public/%252e%252e/private/x.txt", "/public/..\\private/x.txt", "/\\private/x.txt",
    "/public%5c..%5cprivate%5cx.txt", "/private\\x.txt", "/public/.//../private/x.txt",
)


class SpellingsOfPaths(PrivateCase):
    def setUp(self):
        if not hasattr(type(self), "host"):
            type(self).host = self.private_site()
        self.assert_served(self.get(self.host, self.signed(self.host, "/private/x.txt")))

    def test_no_spelling_of_a_private_path_is_served_unsigned(self):
        for path in SPELLINGS:
            for asked in (path, f"{path}?", f"{path}?a=b"):
                with self.subTest(asked):
                    before = len(self.origin.paths())
                    seen = self.get(self.host, asked)
                    self.assertIn(seen.status, (400, 403), seen)
                    self.assertNotIn(SECRET, seen.body)
                    self.assertEqual(self.origin.paths()[before:], [])

    def test_an_absolute_target_is_judged_as_any_other(self):
        for target in (f"http://{self.host}/private/x.txt", f"HTTP://{self.host}/private/x.txt",
                       f"http://{self.host}:80/private/x.txt",
                       f"http://user@{self.host}/private/x.txt",
                       f"https://{self.host}/private/x.txt"):
            with self.subTest(target):
                seen = self.get(self.host, target)
                self.assertIn(seen.status, (400, 403, 421), seen)
                self.assertNotIn(SECRET, seen.body)
                # The host of the target is the one that counts, whatever the field says.
                seen = self.get("elsewhere.example.test", target)
                self.assertIn(seen.status, (400, 403, 421), seen)
                self.assertNotIn(SECRET, seen.body)

    def test_spellings_of_the_host_do_not_open_anything(self):
        for host in (self.host.upper(), f"{self.host}.", f"{self.host}:80", f"{self.host}:",
                     f"{self.host}:8080", f"www.{self.host}", f"{self.host}..",
                     f" {self.host}", f"{self.host}\t"):
            with self.subTest(host):
                seen = self.get(host, "/private/x.txt")
                self.assertIn(seen.status, (400, 403, 404, 421), seen)
                self.assertNotIn(SECRET, seen.body)

    def test_two_hosts_are_refused(self):
        seen = raw(self.server.http_port, [
            f"GET {self.signed(self.host, '/private/x.txt')} HTTP/1.1",
            f"Host: {self.host}", "Host: elsewhere.example.test"])
        self.assertEqual(seen.status, 400, seen)

    def test_a_wildcard_does_not_reach_out_of_its_folder(self):
        """The signature allows /private/mine/*; what comes after is another folder's."""
        parameters = query(custom(self.pair, policy_of(f"http://{self.host}/private/mine/*")))
        self.assert_served(self.get(self.host, f"/private/mine/a?{parameters}"))
        for path in ("/private/mine/../x.txt", "/private/mine/%2e%2e/x.txt",
                     "/private/mine/..%2fx.txt", "/private/mine/%2e%2e%2fx.txt",
                     "/private/mine/a/../../x.txt", "/private/mine/%252e%252e/x.txt",
                     "/private/mine/..\\x.txt", "/private/mine/..%5cx.txt",
                     "/private/mine/.%2e//x.txt", "/private/mine/./../x.txt"):
            with self.subTest(path):
                before = len(self.origin.paths())
                seen = self.get(self.host, f"{path}?{parameters}")
                self.assertIn(seen.status, (400, 403), seen)
                self.assertEqual(self.origin.paths()[before:], [])


class Parameters(PrivateCase):
    def setUp(self):
        if not hasattr(type(self), "host"):
            type(self).host = self.private_site(private="*")
            type(self).own = self.made["DomainName"]
        self.url = f"http://{self.host}/x.txt"
        self.good = canned(self.pair, self.url)

    def ask(self, parameters, path="/x.txt", **headers):
        return self.get(self.host, f"{path}?{parameters}", **headers)

    def test_names_of_parameters_are_taken_as_they_are(self):
        good = query(self.good)
        self.assert_served(self.ask(good))
        for name, other in itertools.chain(
                ((name, name.lower()) for name in self.good),
                ((name, name.upper()) for name in self.good),
                ((name, f"%{ord(name[0]):x}{name[1:]}") for name in self.good),
                ((name, f" {name}") for name in ("Expires",)),
                ((name, f"{name}%00") for name in self.good),
                ((name, f"{name}[]") for name in self.good)):
            with self.subTest(other):
                seen = self.ask(good.replace(name, other).replace(" ", "%20"))
                self.assert_refused(seen)

    def test_other_separators_are_no_separators(self):
        for separator in (";", "&amp;", "%26", "|", "?"):
            with self.subTest(separator):
                self.assert_refused(self.ask(query(self.good).replace("&", separator)))

    def test_a_parameter_that_is_there_twice_does_not_make_a_choice_for_the_signer(self):
        """Whichever of two counts, it is one and the same for policy, signature and key."""
        later = {**self.good, "Expires": str(int(self.good["Expires"]) + 100_000)}
        self.assert_refused(self.ask(query(later)), "AccessDenied")
        expired = canned(self.pair, self.url, until=in_secs(-100))
        for name in self.good:
            for pair in ((self.good, later), (later, self.good), (self.good, expired)):
                first, second = pair
                asked = query(first) + f"&{name}={second[name]}"
                with self.subTest(asked):
                    seen = self.ask(asked)
                    self.assertIn(seen.status, (200, 400, 403), seen)
        for asked in (f"{query(expired)}&Expires={self.good['Expires']}",
                      f"Expires={self.good['Expires']}&{query(expired)}",
                      f"{query(later)}&Signature={self.good['Signature']}",
                      f"Signature={self.good['Signature']}&{query(later)}"):
            with self.subTest(asked):
                self.assert_refused(self.ask(asked))

    def test_a_policy_and_a_time_do_not_mix(self):
        """A valid custom policy that expired is not saved by a time that has no signature."""
        old = custom(self.pair, policy_of(self.url, until=in_secs(-100)))
        self.assert_refused(self.ask(f"{query(old)}&Expires={in_secs(600)}"))
        self.assert_refused(self.ask(f"Expires={in_secs(600)}&{query(old)}"))
        elsewhere = custom(self.pair, policy_of("http://elsewhere.example.test/*"))
        self.assert_refused(self.ask(f"{query(elsewhere)}&Expires={in_secs(600)}"))

    def test_empty_parameters_and_fragments_change_what_is_asked_for(self):
        for asked in (f"&{query(self.good)}", f"{query(self.good)}&", f"a&{query(self.good)}",
                      f"{query(self.good)}#fragment", f"{query(self.good)}%23fragment"):
            with self.subTest(asked):
                seen = self.ask(asked)
                self.assertIn(seen.status, (200, 400, 403), seen)
                if seen.status == 200:
                    # At most nothing was added: what the origin saw is what was signed.
                    self.assertIn(asked, (f"&{query(self.good)}", f"{query(self.good)}&"))

    def test_a_query_counts_and_cookies_beside_it_do_not(self):
        good = cookies(self.good)
        bad = query(canned(self.unknown, self.url))
        self.assert_served(self.get(self.host, "/x.txt", Cookie=good))
        self.assert_refused(self.ask(bad, Cookie=good), "InvalidKey")
        for name in self.good:
            self.assert_refused(self.ask(f"{name}=", Cookie=good))
        self.assert_refused(self.ask("Policy=x", Cookie=good))
        # The other way round, what cookies say does no harm.
        broken = cookies(canned(self.unknown, self.url))
        self.assert_served(self.ask(query(self.good), Cookie=broken))

    def test_cookies_are_read_by_their_exact_names(self):
        good = cookies(self.good)
        self.assert_served(self.get(self.host, "/x.txt", Cookie=f"a=b; {good}; c"))
        for name in self.good:
            for other in (name.lower(), name.upper(), f"X-{name}"):
                with self.subTest(other):
                    asked = good.replace(f"CloudFront-{name}=", f"CloudFront-{other}=")
                    if asked != good:
                        self.assert_refused(self.get(self.host, "/x.txt", Cookie=asked))
        self.assert_refused(self.get(self.host, "/x.txt", Cookie=good.replace("; ", ", ")))
        self.assert_refused(self.get(self.host, "/x.txt", Set_Cookie=good))

    def test_cookies_in_two_fields_are_those_of_one(self):
        parts = cookies(self.good).split("; ")
        seen = raw(self.server.http_port, [
            "GET /x.txt HTTP/1.1", f"Host: {self.host}",
            *[f"Cookie: {part}" for part in parts]])
        self.assertIn(seen.status, (200, 403), seen)

    def test_policies_that_say_too_much_are_refused(self):
        until = in_secs(600)
        condition = f'"Condition":{{"DateLessThan":{{"AWS:EpochTime":{until}}}}}'
        statement = f'{{"Resource":"{self.url}",{condition}}}'
        old = f'{{"Resource":"{self.url}","Condition":{{"DateLessThan":{{"AWS:EpochTime":1}}}}}}'
        for policy in (
            "", "{}", "[]", "null", '{"Statement":[]}', '{"Statement":null}',
            f'{{"Statement":[{old},{statement}]}}', f'{{"Statement":[{statement},{old}]}}',
            f'{{"Statement":[{{"Resource":"{self.url}"}}]}}',
            f'{{"Statement":[{{"Resource":"{self.url}","Condition":{{}}}}]}}',
            f'{{"Statement":[{{"Resource":7,{condition}}}]}}',
            f'{{"Statement":[{{"Resource":"",{condition}}}]}}',
            f'{{"Statement":[{statement}]}}trailing',
            '{"Statement":[{"Resource":"%s","Condition":{"DateLessThan":{"AWS:EpochTime":"%d"}}}]}'
            % (self.url, until),
            '{"Statement":[{"Resource":"%s","Condition":{"DateLessThan":{"AWS:EpochTime":-1}}}]}'
            % self.url,
            '{"Statement":[{"Resource":"%s","Condition":{"DateGreaterThan":{"AWS:EpochTime":1}}}]}'
            % self.url,
            '{"Statement":[{"Resource":"%s","Condition":{"DateLessThan":{"AWS:EpochTime":%d},'
            '"IpAddress":{"AWS:SourceIp":"::/0"}}}]}' % (self.url, until),
            '{"Statement":[{"Resource":"%s","Condition":{"DateLessThan":{"AWS:EpochTime":%d},'
            '"IpAddress":{"AWS:SourceIp":"nonsense"}}}]}' % (self.url, until),
            '{"Statement":[{"Resource":"%s","Condition":{"DateLessThan":{"AWS:EpochTime":%d},'
            '"Sorcery":{"AWS:SourceIp":"127.0.0.1"}}}]}' % (self.url, until),
        ):
            with self.subTest(policy):
                self.assert_refused(self.ask(query(custom(self.pair, policy))))

    def test_an_enormous_policy_is_refused_and_does_no_harm(self):
        policy = policy_of(f"{self.url}*" + "*a" * 2000 + "b")
        for _ in range(3):
            seen = self.ask(query(custom(self.pair, policy)))
            self.assertIn(seen.status, (400, 403, 414, 431), seen)
        started = time.monotonic()
        wildcards = policy_of(f"http://{self.host}/" + "*a" * 300 + "*b")
        self.assert_refused(self.ask(query(custom(self.pair, wildcards)), "/" + "a" * 3000))
        self.assertLess(time.monotonic() - started, 2)
        self.assert_served(self.ask(query(self.good)))

    def test_a_signature_for_another_name_does_not_open_this_one(self):
        other = self.private_site(private="*")
        for host, url in ((self.host, f"http://{other}/x.txt"), (other, self.url)):
            self.assert_refused(
                self.get(host, f"/x.txt?{query(canned(self.pair, url))}"), "AccessDenied")
        # Without a resource, or with one for all, any site that trusts the key is open.
        for policy in (policy_of(None), policy_of("*"), policy_of("http://*/*")):
            with self.subTest(policy):
                parameters = query(custom(self.pair, policy))
                self.assert_served(self.get(self.host, f"/x.txt?{parameters}"))

    def test_the_own_name_of_a_distribution_is_another_name(self):
        own = self.own
        good = query(canned(self.pair, f"http://{own}/x.txt"))
        self.assert_served(self.get(own, f"/x.txt?{good}"))
        self.assert_refused(self.get(self.host, f"/x.txt?{good}"), "AccessDenied")
        self.assert_refused(self.get(own, f"/x.txt?{query(self.good)}"), "AccessDenied")

    def test_a_stranger_s_site_does_not_open_mine(self):
        """Whose key opens one distribution opens no other that does not name it."""
        owner = Pair()
        group = self.trust(owner)
        theirs = self.private_site(private=None, DefaultCacheBehavior=self.behavior(group))
        self.assert_served(self.get(
            theirs, f"/x.txt?{query(custom(owner, policy_of('*')))}"))
        self.assert_refused(self.ask(query(custom(owner, policy_of("*")))), "InvalidKey")


class StoredAnswers(PrivateCase):
    """What is stored for one who may see it is not told to one who may not."""

    def setUp(self):
        if not hasattr(type(self), "host"):
            host = f"{unique('www')}.example.test"
            type(self).host = self.private_site(
                host, private="/private/*", HttpVersion="http2and3", ViewerCertificate={
                    "ACMCertificateArn": self.certificate(host), "SSLSupportMethod": "sni-only",
                    "MinimumProtocolVersion": "TLSv1.2_2021"})
            self.await_served(host)

    def stored(self, path):
        """The answer of the store, for whom it is meant."""
        self.assert_served(self.get(self.host, self.signed(self.host, path)))
        seen = self.get(self.host, self.signed(self.host, path, until=in_secs(700)))
        self.assertEqual(seen.cache, "Hit", seen)
        return seen

    def test_differently_signed_links_share_what_is_stored(self):
        first = self.get(self.host, self.signed(self.host, "/private/shared", until=in_secs(500)))
        self.assertEqual(first.cache, "Miss", first)
        presented = (
            self.signed(self.host, "/private/shared", until=in_secs(501)),
            self.signed(self.host, "/private/shared", algorithm="SHA256"),
            "/private/shared?" + query(custom(self.pair, policy_of("*"))),
            "/private/shared?" + query(custom(self.pair, policy_of("*"), "SHA256")),
        )
        for path in presented:
            seen = self.get(self.host, path)
            self.assertEqual((seen.status, seen.cache, seen.body), (200, "Hit", first.body))
        by_cookie = self.get(
            self.host, "/private/shared", Cookie=cookies(custom(self.pair, policy_of("*"))))
        self.assertEqual((by_cookie.status, by_cookie.cache), (200, "Hit"))
        self.assertEqual(self.origin.paths().count("/private/shared"), 1)

    def test_the_origin_sees_nothing_of_a_signature(self):
        site = self.private_site(private=None, DefaultCacheBehavior=self.behavior(
            self.pair.group, CachePolicyId=CACHING_DISABLED, OriginRequestPolicyId=ALL_VIEWER))
        for path, wanted in (("/seen/1", "/seen/1"), ("/seen/2?a=b&c=d", "/seen/2?a=b&c=d"),
                             ("/seen/3?Expired=1&signature=2", "/seen/3?Expired=1&signature=2")):
            for algorithm in ("SHA1", "SHA256"):
                seen = self.get(site, self.signed(site, path, algorithm=algorithm))
                self.assert_served(seen)
                self.assertEqual(self.origin.paths()[-1], wanted)
        parameters = custom(self.pair, policy_of("*"))
        names = list(parameters)
        mixed = f"/seen/4?{names[2]}={parameters[names[2]]}&z=1&{names[0]}=" \
            f"{parameters[names[0]]}&y=2&{names[1]}={parameters[names[1]]}"
        self.assert_served(self.get(site, mixed))
        self.assertEqual(self.origin.paths()[-1], "/seen/4?z=1&y=2")

    def test_where_nobody_signs_those_names_are_data(self):
        site = self.private_site(private=None, DefaultCacheBehavior=self.behavior(
            CachePolicyId=CACHING_DISABLED, OriginRequestPolicyId=ALL_VIEWER))
        self.assert_served(self.get(site, "/data?Expires=1&Signature=2&Key-Pair-Id=3&Policy=4"))
        self.assertEqual(
            self.origin.paths()[-1], "/data?Expires=1&Signature=2&Key-Pair-Id=3&Policy=4")

    def test_what_is_stored_is_not_told_to_the_unsigned(self):
        self.stored("/private/kept")
        fields = (
            {}, {"Range": "bytes=0-3"}, {"If_None_Match": '"1"'}, {"If_None_Match": "*"},
            {"If_Modified_Since": "Wed, 21 Oct 2025 07:28:00 GMT"}, {"If_Match": '"1"'},
            {"If_Match": '"2"'}, {"If_Unmodified_Since": "Wed, 21 Oct 2005 07:28:00 GMT"},
            {"Range": "bytes=900-"}, {"If_Range": '"1"', "Range": "bytes=0-3"},
            {"Cache_Control": "only-if-cached"}, {"Cookie": "CloudFront-Key-Pair-Id=x"},
            {"Authorization": "Bearer x"}, {"X_Original_URL": "/public"},
            {"X_HTTP_Method_Override": "GET"}, {"Origin": "https://elsewhere.example.test"},
            {"Upgrade": "websocket", "Sec_WebSocket_Version": "13",
             "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ=="},
            {"Access_Control_Request_Method": "GET", "Origin": "https://elsewhere.example.test"},
        )
        asked = self.origin.asked("/private/kept")
        for headers in fields:
            for method in METHODS:
                with self.subTest(method=method, headers=headers):
                    more = {"Content_Length": "0"} if method in ("POST", "PUT", "PATCH") else {}
                    seen = self.get(
                        self.host, "/private/kept", method=method, **headers, **more)
                    self.assertEqual(seen.status, 403, seen)
                    self.assertNotIn(SECRET, seen.body)
                    self.assertIsNone(seen.field("ETag"), seen)
                    self.assertIsNone(seen.field("Age"), seen)
                    self.assertIsNone(seen.field("Last-Modified"), seen)
        self.assertEqual(self.origin.asked("/private/kept"), asked)

    def test_a_connection_that_was_let_in_once_is_asked_every_time(self):
        signed = self.signed(self.host, "/private/again")
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http_port, timeout=30)
        with contextlib.closing(connection):
            for _ in range(3):
                for path, status in ((signed, 200), ("/private/again", 403)):
                    connection.request("GET", path, headers={"Host": self.host})
                    answer = connection.getresponse()
                    body = answer.read().decode()
                    self.assertEqual((answer.status, SECRET in body), (status, status == 200))
        # And one whose cookies came with another request.
        good = cookies(custom(self.pair, policy_of("*")))
        url = f"https://{self.host}:{self.port}/private/again"
        for version in ("--http1.1", "--http2"):
            told = subprocess.run(
                ["curl", "-sS", version, "--cacert", str(self.root), "--resolve",
                 f"{self.host}:{self.port}:127.0.0.1", "-w", "%{http_code} %{num_connects};",
                 "-o", "/dev/null", "-H", f"Cookie: {good}", url, "--next", version, "-sS",
                 "--cacert", str(self.root), "--resolve", f"{self.host}:{self.port}:127.0.0.1",
                 "-w", "%{http_code} %{num_connects}", "-o", "/dev/null", url],
                capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
            self.assertEqual(told.stdout, "200 1;403 0", told.stderr)

    def test_a_refusal_is_not_what_the_signed_get(self):
        for method in ("GET", "HEAD"):
            self.assert_refused(self.get(self.host, "/private/later", method=method))
        self.assert_served(self.get(self.host, self.signed(self.host, "/private/later")))

    def test_nor_over_tls_by_any_version(self):
        host = self.host
        # The port that was sent is part of the name.
        signed = "/private/tls?" + query(
            canned(self.pair, f"https://{host}:{self.port}/private/tls"))
        for version in ("--http1.0", "--http1.1", "--http2"):
            self.assertEqual(self.curl_host(host, signed, version).status, 200)
            for arguments in ((), ("-I",), ("-r", "0-3"), ("-H", 'If-None-Match: "1"'),
                              ("-X", "OPTIONS"), ("-X", "POST"),
                              ("-H", "If-Modified-Since: Wed, 21 Oct 2025 07:28:00 GMT")):
                with self.subTest(version=version, arguments=arguments):
                    seen = self.curl_host(host, "/private/tls", version, *arguments)
                    self.assertEqual(seen.status, 403, seen)
                    self.assertNotIn(SECRET.encode(), seen.body)
                    self.assertIsNone(seen.field("ETag"))
            for path in ("/public/../private/tls", "/%70rivate/tls", "//private/tls",
                         "/private%2Ftls"):
                with self.subTest(version=version, path=path):
                    seen = self.curl_host(host, path, version)
                    self.assertIn(seen.status, (400, 403), seen)
                    self.assertNotIn(SECRET.encode(), seen.body)

    def test_nor_over_http3(self):
        asyncio.run(self.over_http3(f"{self.host}:{self.port}"))

    async def over_http3(self, host):
        signed = "/private/quic?" + query(canned(self.pair, f"https://{host}/private/quic"))
        async with http3_client.connect(self.root, self.host, self.port) as client:
            for _ in range(2):
                seen = await client.get(host, signed)
                self.assertEqual(seen.status, 200)
                for method in METHODS:
                    for field in (("range", "bytes=0-3"), ("if-none-match", '"1"'),
                                  ("cookie", "CloudFront-Key-Pair-Id=x")):
                        with self.subTest(method=method, field=field):
                            seen = await client.get(
                                host, "/private/quic", method=method, fields=[field])
                            self.assertEqual(seen.status, 403)
                            self.assertNotIn(SECRET.encode(), seen.body)
                for path in SPELLINGS:
                    with self.subTest(path):
                        seen = await client.get(host, path)
                        self.assertIn(seen.status, (400, 403))
                        self.assertNotIn(SECRET.encode(), seen.body)

    def test_the_signed_get_what_methods_and_conditions_say(self):
        self.stored("/private/all")
        path = self.signed(self.host, "/private/all")
        self.assertEqual(self.get(self.host, path, method="HEAD").status, 200)
        self.assertEqual(self.get(self.host, path, If_None_Match='"1"').status, 304)
        self.assertEqual(self.get(self.host, path, If_Match='"2"').status, 412)
        ranged = self.get(self.host, path, Range="bytes=0-9")
        self.assertEqual((ranged.status, ranged.body), (206, SECRET[:10]))

    def test_a_public_behavior_does_not_tell_what_a_private_one_stored(self):
        """Two behaviors with the same origin and cache policy, and paths that both could have."""
        site = self.private_site(private="/private/*")
        self.assert_served(self.get(site, self.signed(site, "/private/p")))
        self.change(self.made["Id"], lambda config: config["CacheBehaviors"]["Items"][0].update(
            PathPattern="/private/only-this"))
        # The path is public now: but it is asked for anew or told from the store as the owner
        # wanted. What stays private is refused.
        self.assert_refused(self.get(site, "/private/only-this"), "MissingKey")
        self.assertEqual(self.get(site, "/private/p").status, 200)

    def test_a_path_that_becomes_private_is_not_told_any_more(self):
        site = self.private_site(private="/elsewhere/*")
        self.assert_served(self.get(site, "/kept"))
        self.assertEqual(self.get(site, "/kept").cache, "Hit")
        self.change(self.made["Id"], lambda config: config["DefaultCacheBehavior"].update(
            TrustedKeyGroups={"Enabled": True, "Quantity": 1, "Items": [self.pair.group]}))
        self.assert_refused(self.get(site, "/kept"), "MissingKey")
        self.assert_refused(self.get(site, "/kept", If_None_Match='"1"'), "MissingKey")

    def test_custom_error_pages_of_refusals_are_public_and_nothing_else(self):
        errors = quantified({"ErrorCode": 403, "ResponsePagePath": "/errors/login.html",
                             "ResponseCode": "200", "ErrorCachingMinTTL": 10})
        site = self.private_site(
            private="*", CustomErrorResponses=errors,
            CacheBehaviors=quantified(self.behavior(PathPattern="/errors/*")))
        seen = self.get(site, "/account")
        self.assertEqual(seen.status, 200, seen)
        self.assertTrue(seen.body.startswith(f"{SECRET} /errors/login.html"), seen)
        # The page stands in for what was asked, and is not what a signed viewer gets there.
        signed = self.get(site, self.signed(site, "/account"))
        self.assertTrue(signed.body.startswith(f"{SECRET} /account"), signed)
        for path in ("/account", "/errors/../account", "/account/../errors/login.html",
                     "/errors/%2e%2e/account", "/errors%2f..%2faccount"):
            self.assertNotIn("/account ", self.get(site, path).body)
        before = len(self.origin.paths())
        # A page that is private itself is told to nobody.
        site = self.private_site(private="*", CustomErrorResponses=errors)
        self.assert_refused(self.get(site, "/account"), "MissingKey")
        self.assert_refused(self.get(site, "/errors/login.html"), "MissingKey")
        self.assertEqual(self.origin.paths()[before:], [])

    def test_the_default_root_object_is_as_private_as_its_path(self):
        site = self.private_site(private="/index.html", DefaultRootObject="index.html")
        for path in ("/", "/?a", "//", "/index.html"):
            with self.subTest(path):
                seen = self.get(site, path)
                self.assertNotIn(f"{SECRET} /index.html", seen.body, seen)


class Waiting(PrivateCase):
    """Requests for one object that is on its way."""

    def test_an_unsigned_viewer_does_not_share_the_fetch_of_a_signed_one(self):
        host = self.private_site()
        signed = self.signed(host, "/private/slow/x")
        self.origin.gate.clear()
        with ThreadPoolExecutor(8) as pool:
            good = [pool.submit(self.get, host, signed) for _ in range(2)]
            deadline = time.monotonic() + 10
            while not self.origin.asked("/private/slow/x") and time.monotonic() < deadline:
                time.sleep(0.02)
            self.assertEqual(self.origin.asked("/private/slow/x"), 1)
            # They are answered while the fetch is still under way.
            for method in ("GET", "HEAD"):
                self.assert_refused(self.get(host, "/private/slow/x", method=method))
            bad = [pool.submit(self.get, host, "/private/slow/x") for _ in range(4)]
            for answer in bad:
                self.assert_refused(answer.result(10), "MissingKey")
            self.origin.gate.set()
            for answer in good:
                self.assert_served(answer.result(20))
        self.assertEqual(self.origin.asked("/private/slow/x"), 1)
        self.assert_refused(self.get(host, "/private/slow/x"), "MissingKey")

    def test_many_at_once_get_what_they_may_have(self):
        host = self.private_site()
        self.origin.gate.set()
        failures, lock = [], threading.Lock()

        def ask(number):
            path = f"/private/many/{number % 5}"
            is_signed = number % 3 != 0
            asked = self.signed(host, path, until=in_secs(600 + number)) if is_signed else path
            seen = self.get(host, asked)
            if (seen.status == 200) != is_signed or (SECRET in seen.body) != is_signed:
                with lock:
                    failures.append((asked, seen))

        self.for_each(range(240), ask, threads=16)
        self.assertEqual(failures, [])
        self.assertEqual(
            sum(self.origin.asked(f"/private/many/{number}") for number in range(5)), 5)
