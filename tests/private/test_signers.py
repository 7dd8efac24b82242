"""Links and cookies of signers that others wrote, and `warmfront sign`: what they make is taken,
and what they make for others, for later or for elsewhere is not."""

import datetime
import json
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from botocore.signers import CloudFrontSigner
from private_case import Pair, PrivateCase, in_secs, policy_of

import processes

PROGRAMS = Path(sys.executable).parent
NODE_MODULES = processes.ROOT / "target" / "private-clients" / "node"
SIGNERS = Path(__file__).with_name("signers.mjs")
ALGORITHMS = ("SHA1", "SHA256")
PATHS = ["/private/a.txt", "/private/a%20b%2Bc.txt", "/private/%C3%BC%E2%82%AC/x.txt",
         "/private/b.txt?own=1&more=a%2Fb", "/private/c.txt?x"]


def moment(secs):
    return datetime.datetime.fromtimestamp(in_secs(secs), datetime.timezone.utc)


def by_node(*inputs):
    """What the JavaScript SDK makes of those."""
    done = subprocess.run(
        [str(PROGRAMS / "node"), str(SIGNERS)], cwd=NODE_MODULES, input=json.dumps(inputs),
        capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise AssertionError(f"signers.mjs: {done.stderr}")
    return json.loads(done.stdout)


def by_botocore(pair):
    return CloudFrontSigner(pair.id, pair.sign)


def target(url):
    """What is asked for by a URL, path and query."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def cookie_field(cookies):
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


class SignersCase(PrivateCase):
    def setUp(self):
        if not hasattr(type(self), "host"):
            type(self).curve = Pair("p256")
            self.trust(self.curve)
            group = self.trust(self.pair, self.curve)
            self.pair.group = group
            type(self).host = self.private_site()

    def link(self, url, **headers):
        return self.get(self.host, target(url), **headers)

    def url(self, path="/private/a.txt", scheme="http"):
        return f"{scheme}://{self.host}{path}"


class Accepted(SignersCase):
    def test_links_of_botocore_open_what_they_are_for(self):
        signer = by_botocore(self.pair)
        for path in PATHS:
            with self.subTest(path):
                url = self.url(path)
                plain = path.split("?")[0]
                self.assert_served(
                    self.link(signer.generate_presigned_url(url, moment(600))), plain)
                policy = signer.build_policy(
                    self.url("/private/*"), moment(600), moment(-60), "127.0.0.0/8")
                self.assert_served(
                    self.link(signer.generate_presigned_url(url, policy=policy)), plain)

    def test_links_and_cookies_of_the_javascript_sdk_open_what_they_are_for(self):
        inputs = []
        for pair in (self.pair, self.curve):
            for algorithm in ALGORITHMS:
                common = {"keyPairId": pair.id, "privateKey": pair.pem, "algorithm": algorithm}
                for path in PATHS:
                    for kind in ("url", "cookies"):
                        one = {**common, "kind": kind, "url": self.url(path)}
                        inputs.append({**one, "dateLessThan": moment(600).isoformat()})
                        inputs.append({
                            **one, "dateLessThan": moment(600).isoformat(),
                            "dateGreaterThan": moment(-60).isoformat(),
                            "ipAddress": "127.0.0.1/32"})
                        policy = policy_of(f"*://{self.host}/private/*")
                        inputs.append({**common, "kind": kind, "policy": policy,
                                       **({"url": self.url(path)} if kind == "url" else {})})
        for one, made in zip(inputs, by_node(*inputs)):
            path = target(one.get("url") or self.url())
            with self.subTest(path=path, kind=one["kind"], algorithm=one["algorithm"],
                              pair=one["keyPairId"], made=made):
                if one["kind"] == "url":
                    self.assert_served(self.link(made), path.split("?")[0])
                else:
                    seen = self.get(self.host, path, Cookie=cookie_field(made))
                    self.assert_served(seen, path.split("?")[0])

    def test_what_is_signed_for_https_opens_https_and_not_http(self):
        name = self.host
        certificate = self.certificate(name)
        self.change(self.made["Id"], lambda config: config.update(ViewerCertificate={
            "ACMCertificateArn": certificate, "SSLSupportMethod": "sni-only",
            "MinimumProtocolVersion": "TLSv1.2_2021"}))
        self.await_served(name)
        # The port that was sent is part of the name.
        signer, there = by_botocore(self.pair), f"{name}:{self.port}/private/a.txt"
        secure, plain = (target(signer.generate_presigned_url(f"{scheme}://{there}", moment(600)))
                         for scheme in ("https", "http"))
        for version in ("--http1.1", "--http2"):
            self.assertEqual(self.curl_host(name, secure, version).status, 200)
            self.assertEqual(self.curl_host(name, plain, version).status, 403)
            self.assertEqual(self.curl_host(name, "/private/a.txt", version).status, 403)
        self.assert_refused(self.get(f"{name}:{self.port}", secure), "AccessDenied")
        self.assert_served(self.get(f"{name}:{self.port}", plain))


class WarmfrontSign(SignersCase):
    def sign(self, *arguments, pair=None):
        pair = pair or self.pair
        key = self.here / f"{pair.id}.pem"
        key.write_text(pair.pem)
        done = processes.run_warmfront(
            "sign", *arguments, "--key", key, "--key-pair-id", pair.id)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_links_of_warmfront_sign_open_what_they_are_for(self):
        for pair in (self.pair, self.curve):
            for path in PATHS:
                with self.subTest(path=path, pair=pair.id):
                    made = self.sign(self.url(path), "--expires", "10m", pair=pair)
                    self.assert_served(self.link(made), path.split("?")[0])

    def test_cookies_of_warmfront_sign_open_what_they_are_for(self):
        for pair in (self.pair, self.curve):
            made = self.sign(self.url("/private/"), "--resource", self.url("/private/*"),
                             "--expires", "10m", "--starts", str(in_secs(-60)), "--ip",
                             "127.0.0.0/8", "--cookies", pair=pair)
            self.assertNotIn("\n", made)
            for path in ("/private/one", "/private/two/three?q=1"):
                self.assert_served(self.get(self.host, path, Cookie=made))
            self.assert_refused(self.get(self.host, "/private/one", Cookie=made.split(";")[0]))

    def test_what_warmfront_sign_limits_is_limited(self):
        for flags in (("--ip", "192.0.2.0/24"), ("--starts", "5m")):
            made = self.sign(self.url(), "--expires", "10m", *flags)
            self.assert_refused(self.link(made), "AccessDenied")
        made = self.sign(self.url(), "--expires", "2s")
        processes.eventually(
            "the link to expire", lambda: self.link(made).status == 403 or time.sleep(0.2))


class Refused(SignersCase):
    def test_a_link_that_expired_is_refused(self):
        made = by_botocore(self.pair).generate_presigned_url(self.url(), moment(-2))
        self.assert_refused(self.link(made), "AccessDenied")
        [made] = by_node({
            "kind": "url", "url": self.url(), "keyPairId": self.pair.id,
            "privateKey": self.pair.pem, "dateLessThan": moment(-2).isoformat()})
        self.assert_refused(self.link(made), "AccessDenied")

    def test_a_link_that_was_served_expires_all_the_same(self):
        made = by_botocore(self.pair).generate_presigned_url(self.url(), moment(4))
        self.assert_served(self.link(made))
        processes.eventually(
            "the link to expire", lambda: self.link(made).status == 403 or time.sleep(0.2))
        self.assert_refused(self.link(made), "AccessDenied")

    def test_a_link_that_is_not_valid_yet_is_refused(self):
        signer = by_botocore(self.pair)
        policy = signer.build_policy(self.url(), moment(600), moment(300))
        self.assert_refused(
            self.link(signer.generate_presigned_url(self.url(), policy=policy)), "AccessDenied")

    def test_a_link_for_another_address_is_refused(self):
        signer = by_botocore(self.pair)
        for ip in ("192.0.2.1", "10.0.0.0/8", "128.0.0.0/1"):
            policy = signer.build_policy(self.url(), moment(600), ip_address=ip)
            made = signer.generate_presigned_url(self.url(), policy=policy)
            self.assert_refused(self.link(made), "AccessDenied")
            # The address is the connection's, and no field that anybody can write.
            self.assert_refused(
                self.link(made, X_Forwarded_For="192.0.2.1", CloudFront_Viewer_Address="10.0.0.1:1"))

    def test_a_link_for_another_resource_is_refused(self):
        signer = by_botocore(self.pair)
        made = target(signer.generate_presigned_url(self.url(), moment(600)))
        parameters = made.split("?")[1]
        for path in ("/private/b.txt", "/private/A.txt", "/private/a.txt/", "/private/a.txtx"):
            self.assert_refused(self.get(self.host, f"{path}?{parameters}"), "AccessDenied")
        # A query of one's own is part of what is signed.
        self.assert_refused(self.get(self.host, f"{made}&own=1"), "AccessDenied")
        self.assert_refused(self.get(self.host, f"/private/a.txt?own=1&{parameters}"))

    def test_a_link_of_a_key_that_is_not_trusted_is_refused(self):
        for pair in (self.stranger, self.unknown):
            made = by_botocore(pair).generate_presigned_url(self.url(), moment(600))
            self.assert_refused(self.link(made), "InvalidKey")
        impostor = Pair()
        impostor.id = self.pair.id
        made = by_botocore(impostor).generate_presigned_url(self.url(), moment(600))
        self.assert_refused(self.link(made), "AccessDenied")

    def test_a_link_that_was_tampered_with_is_refused(self):
        made = target(by_botocore(self.pair).generate_presigned_url(self.url(), moment(600)))
        self.assert_served(self.get(self.host, made))
        path, _, parameters = made.partition("?")
        fields = dict(field.split("=", 1) for field in parameters.split("&"))

        def changed(**changes):
            changes = {name.replace("_", "-"): value for name, value in changes.items()}
            left = {**fields, **changes}
            return self.get(self.host, f"{path}?" + "&".join(
                f"{name}={value}" for name, value in left.items() if value is not None))

        signature = fields["Signature"]
        flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
        self.assert_refused(changed(Expires=str(int(fields["Expires"]) + 1)), "AccessDenied")
        self.assert_refused(changed(Signature=flipped), "AccessDenied")
        self.assert_refused(changed(Signature="!!!"), "MalformedSignature")
        self.assert_refused(changed(Signature=""))
        self.assert_refused(changed(Signature=None))
        self.assert_refused(changed(Expires=None))
        self.assert_refused(changed(Expires=""))
        self.assert_refused(changed(Expires="99999999999"))
        self.assert_refused(changed(Expires=f"+{fields['Expires']}"))
        self.assert_refused(changed(Key_Pair_Id=None), "MissingKey")
        self.assert_refused(changed(Key_Pair_Id="K404"), "InvalidKey")
        self.assert_refused(changed(Policy="e30_"))
        self.assert_refused(changed(Policy="no-policy"))
        self.assert_refused(changed(Hash_Algorithm="SHA256"))
        self.assert_refused(changed(Hash_Algorithm="MD5"))

    def test_who_presents_nothing_is_refused(self):
        self.assert_refused(self.get(self.host, "/private/a.txt"), "MissingKey")
        self.assert_refused(self.get(self.host, "/private/"), "MissingKey")
        self.assert_served(self.get(self.host, "/public.txt"))

    def test_a_link_is_refused_once_its_key_has_left_the_group(self):
        leaving = Pair()
        group = self.trust(leaving, self.pair)
        self.change(self.made["Id"], lambda config: config["CacheBehaviors"]["Items"][0].update(
            TrustedKeyGroups={"Enabled": True, "Quantity": 1, "Items": [group]}))
        try:
            made = by_botocore(leaving).generate_presigned_url(self.url(), moment(600))
            self.assert_served(self.link(made))
            got = self.cloudfront.get_key_group(Id=group)
            config = got["KeyGroup"]["KeyGroupConfig"]
            config["Items"].remove(leaving.id)
            self.cloudfront.update_key_group(
                Id=group, IfMatch=got["ETag"], KeyGroupConfig=config)
            processes.eventually("the key to leave", lambda: self.link(made).status == 403)
            self.assert_refused(self.link(made), "InvalidKey")
        finally:
            self.change(
                self.made["Id"], lambda config: config["CacheBehaviors"]["Items"][0].update(
                    TrustedKeyGroups={
                        "Enabled": True, "Quantity": 1, "Items": [self.curve.group]}))
