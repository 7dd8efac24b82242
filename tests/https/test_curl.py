"""HTTPS as curl and OpenSSL's client see it: versions, redirects, names, resumption, staples."""

import shutil
import ssl

from aws_case import quantified
from authority import Authority, Responder
from https_case import HttpsCase, HttpsServer, name_of, names_of, unique

import processes

HSTS = "max-age=63072000; includeSubDomains; preload"


class Resuming(HttpsCase):
    host = "www.example.test"

    def assert_resumes(self, version, session, first, second, host):
        request = f"GET /resumed HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        session.unlink(missing_ok=True)
        name = ("-servername", host, "-alpn", "http/1.1", version, "-ign_eof")
        told = self.s_client(*name, "-sess_out", session, text=request, port=first)
        self.assertIn("New, ", told)
        self.assertIn(" 200 ", told)
        self.assertTrue(session.exists(), "no session was given")
        told = self.s_client(*name, "-sess_in", session, text=request, port=second)
        self.assertIn("Reused, ", told)
        self.assertIn(" 200 ", told)


class Https(Resuming):
    @classmethod
    def set_up(cls):
        super().set_up()
        cls().site(cls.host)

    def test_curl_gets_a_site_by_http_1_and_http_2_with_the_root_that_trust_prints(self):
        bodies = set()
        for flags, version in (
            (("--http1.1",), "1.1"), (("--http2",), "2"), ((), "2"),
            (("--http1.1", "--tls-max", "1.2"), "1.1"), (("--http2", "--tls-max", "1.2"), "2"),
            (("--http2", "--tlsv1.3"), "2"),
        ):
            with self.subTest(flags):
                answer = self.curl_host(self.host, "/page", *flags)
                self.assertEqual((answer.status, answer.meta["http_version"]), (200, version))
                bodies.add(answer.body)
        self.assertEqual(len(bodies), 1, "the same object by every version")
        answer = self.curl_host(self.host, "/page", "--http1.0")
        self.assertEqual(answer.status, 200)

    def test_without_the_root_curl_refuses(self):
        with self.assertRaisesRegex(AssertionError, "certificate"):
            self.curl(f"https://{self.host}:{self.port}/", "--connect-to",
                      f"::127.0.0.1:{self.port}", "--noproxy", "*")

    def test_the_default_certificate_is_for_the_names_of_all_distributions(self):
        made = self.make_distribution()
        answer = self.curl_host(made["DomainName"], "/default")
        self.assertEqual(answer.status, 200)
        with self.tls("d111.cdn.localhost") as stream:
            names = names_of(stream.getpeercert(binary_form=True))
        self.assertEqual(sorted(names), ["*.cdn.localhost", "cdn.localhost", "localhost"])

    def test_http_is_redirected_to_https_where_https_is(self):
        made = self.site(DefaultCacheBehavior={
            "TargetOriginId": "origin", "ViewerProtocolPolicy": "redirect-to-https",
            "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"})
        host = name_of(made)
        http = f"{host}:{self.server.http_port}"
        direct = self.server.get(http, "/a?b=c")
        self.assertEqual(direct.status, 301)
        self.assertEqual(direct.field("Location"), f"https://{host}:{self.port}/a?b=c")
        followed = self.curl(
            f"http://{http}/a?b=c", "-L", "--cacert", str(self.root), "--noproxy", "*",
            "--resolve", f"{http}:127.0.0.1", "--resolve", f"{host}:{self.port}:127.0.0.1")
        self.assertEqual((followed.status, followed.meta["scheme"]), (200, "HTTPS"))
        self.assertTrue(followed.body.startswith(b"/a"))

    def test_strict_transport_security_of_the_origin_passes(self):
        self.origin.by_path["/hsts"] = {"Strict-Transport-Security": HSTS}
        for flag in ("--http1.1", "--http2"):
            answer = self.curl_host(self.host, "/hsts", flag)
            self.assertEqual(answer.field("strict-transport-security"), HSTS)

    def test_alt_svc_says_where_http_3_is_where_the_distribution_has_it(self):
        told = self.curl_host(self.host, "/alt", "--http2").field("alt-svc")
        self.assertRegex(told or "", rf'h3=":{self.port}"')
        for version in ("http1.1", "http2"):
            made = self.site(HttpVersion=version)
            host = name_of(made)
            answer = self.curl_host(host, "/alt")
            self.assertIsNone(answer.field("alt-svc"), version)
            self.assertEqual(
                answer.meta["http_version"], "1.1" if version == "http1.1" else "2")

    def test_a_host_of_another_certificate_is_misdirected(self):
        other = name_of(self.site())
        for flag in ("--http1.1", "--http2"):
            with self.subTest(flag):
                answer = self.curl_host(self.host, "/guard", flag, "-H", f"Host: {other}")
                self.assertEqual(answer.status, 421, answer)
        answer = self.curl_host(other, "/guard")
        self.assertEqual(answer.status, 200)

    def test_hosts_of_one_certificate_share_a_connection(self):
        names = [f"{unique(stem)}.example.test" for stem in "ab"]
        certificate = self.certificate(*names)
        for name in names:
            self.site(name, certificate=certificate)
        answer = self.curl_host(names[0], "/shared", "-H", f"Host: {names[1]}")
        self.assertEqual(answer.status, 200, answer)

    def test_a_name_that_nobody_has_and_no_name_get_the_default_certificate(self):
        for arguments in (("-servername", "unknown.example.org"), ("-noservername",)):
            told = self.s_client(*arguments, "-showcerts")
            self.assertIn("cdn.localhost", told, arguments)
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.tls("unknown.example.org").close()

    def test_sessions_are_resumed(self):
        session = self.here / "session.pem"
        for version in ("-tls1_2", "-tls1_3"):
            with self.subTest(version):
                self.assert_resumes(version, session, self.port, self.port, self.host)


class Alert(HttpsCase):
    FLAGS = ("--unknown-names", "alert")

    def test_a_name_that_nobody_has_gets_an_alert(self):
        told = self.s_client("-servername", "unknown.example.org")
        self.assertRegex(told, "unrecognized name|alert number 112")
        made = self.make_distribution()
        self.assertEqual(self.curl_host(made["DomainName"]).status, 200)


class Nodes(Resuming):
    """Two nodes of one installation: what they share is in the data directory."""

    @classmethod
    def set_up(cls):
        super().set_up()
        cls().site(cls.host)
        cls.server.stop()
        other = cls.directory("other")
        shutil.copytree(cls.server.data, other / "data")
        cls.second = cls.start(HttpsServer(other))
        cls.server.start()

    def test_a_ticket_of_one_is_good_at_the_other(self):
        session = self.here / "session-of-one.pem"
        for version in ("-tls1_2", "-tls1_3"):
            with self.subTest(version):
                self.assert_resumes(
                    version, session, self.port, self.second.https_port, self.host)


class Staples(HttpsCase):
    def test_what_the_responder_says_is_stapled(self):
        # Who asks must know the issuer: the chain has it.
        authority = Authority("Issuer", above=Authority())
        responder = self.start(Responder(authority))
        leaf = authority.leaf("stapled.example.test", responder=responder.url)
        self.site("stapled.example.test", certificate=self.imported(leaf))

        def is_stapled():
            told = self.s_client("-servername", "stapled.example.test", "-status")
            return "OCSP Response Status: successful" in told and "Cert Status: good" in told

        processes.eventually("a staple", is_stapled, 60)
        plain = self.site("plain.example.test")
        self.assertEqual(plain["DistributionConfig"]["Aliases"], quantified("plain.example.test"))
        told = self.s_client("-servername", "plain.example.test", "-status")
        self.assertIn("OCSP response: no response sent", told)
