"""What is refused, by which code, and that nothing has changed then."""

import datetime
import json
import unittest.mock

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
from aws_case import AwsCase, Key, client, distribution_config, fetch, quantified, unique

NAMESPACE = "http://cloudfront.amazonaws.com/doc/2020-05-31/"
DISTRIBUTIONS = "/2020-05-31/distribution"


def at(minutes):
    """Some minutes from now it is so late for botocore's signers."""
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    return unittest.mock.patch.object(
        botocore.auth, "get_current_datetime", lambda *_, **__: moment)


class Refusals(AwsCase):
    """Each test ends with a look at all that there is: it must be as it was before."""

    @classmethod
    def set_up(cls):
        super().set_up()
        cls.made = cls.cloudfront.create_distribution(
            DistributionConfig=distribution_config(cls.origin.port))["Distribution"]

    def everything(self):
        listed = self.cloudfront.list_distributions()["DistributionList"]["Items"]
        invalidations = self.cloudfront.list_invalidations(DistributionId=self.made["Id"])
        policies = self.cloudfront.list_cache_policies(Type="custom")["CachePolicyList"]
        keys = json.loads(self.server.run("keys", "list", "--output", "json").stdout)
        invalidations = invalidations["InvalidationList"].get("Items", [])
        for item in [*listed, *invalidations]:
            # It changes by itself.
            item.pop("Status")
        return listed, invalidations, policies, keys

    def setUp(self):
        self.before = self.everything()

    def assert_nothing_changed(self):
        self.assertEqual(self.everything(), self.before)

    def signed(self, method, path, body=b"", *, minutes=0, headers=(), **after):
        """A request, signed by botocore's signer some minutes from now; `after` changes it behind
        its signature."""
        key = self.server.key
        request = botocore.awsrequest.AWSRequest(
            method=method, url=f"{self.server.url}{path}", data=body,
            headers={"Host": f"127.0.0.1:{self.server.api_port}", **dict(headers)})
        signer = botocore.auth.SigV4Auth(
            botocore.credentials.Credentials(key.id, key.secret), "cloudfront", "us-east-1")
        with at(minutes):
            signer.add_auth(request)
        fields = {name: value for name, value in request.headers.items() if name != "Host"}
        fields.update(after.get("headers_after", {}))
        return fetch(
            self.server.api_port, f"127.0.0.1:{self.server.api_port}",
            after.get("path_after", path), fields, after.get("method_after", method),
            after.get("body_after", body) or None)

    def assert_error(self, answer, status, code):
        self.assertEqual(answer.status, status, answer)
        self.assertIn(f"<Code>{code}</Code>", answer.body)
        self.assertIn("<RequestId>", answer.body)
        self.assertTrue(answer.field("Content-Type").startswith("text/xml"), answer)


class Signatures(Refusals):
    def test_a_wrong_secret_and_an_unknown_key_are_told_apart(self):
        key = self.server.key
        for service, ask in (
            ("cloudfront", lambda asked: asked.list_distributions),
            ("sts", lambda asked: asked.get_caller_identity),
        ):
            wrong = client(service, self.server.url, Key(key.id, "x" * 40))
            self.refused("SignatureDoesNotMatch", ask(wrong))
            unknown = client(service, self.server.url, Key("AKIA" + "A" * 16, key.secret))
            self.refused("InvalidClientTokenId", ask(unknown))
        trail = client("cloudtrail", self.server.url, Key("AKIA" + "A" * 16, key.secret))
        self.refused("UnrecognizedClientException", trail.lookup_events)
        self.assert_nothing_changed()

    def test_what_is_altered_behind_its_signature_is_refused(self):
        batch = (f'<InvalidationBatch xmlns="{NAMESPACE}"><Paths><Quantity>1</Quantity><Items>'
                 f'<Path>/a</Path></Items></Paths><CallerReference>{unique("r")}'
                 '</CallerReference></InvalidationBatch>').encode()
        path = f"{DISTRIBUTIONS}/{self.made['Id']}/invalidation"
        for change in (
            {"body_after": batch.replace(b"/a", b"/b")},
            {"path_after": f"{path}?MaxItems=1"},
            {"path_after": path.replace(self.made["Id"], "EOTHER")},
            {"method_after": "PUT"},
            {"headers_after": {"X-Amz-Date": "20200101T000000Z"}},
        ):
            with self.subTest(str(change)):
                answer = self.signed("POST", path, batch, **change)
                self.assertEqual(answer.status, 403, answer)
                self.assertRegex(answer.body, "<Code>(SignatureDoesNotMatch|RequestExpired|"
                                 "IncompleteSignature|InvalidSignatureException)</Code>")
        self.assert_nothing_changed()

    def test_a_clock_that_is_wrong_is_refused_and_one_that_is_a_little_off_is_not(self):
        for minutes, status in ((0, 200), (4, 200), (-4, 200), (20, 403), (-20, 403)):
            answer = self.signed("GET", DISTRIBUTIONS, minutes=minutes)
            self.assertEqual(answer.status, status, f"{minutes}: {answer}")
        self.assertRegex(answer.body, "<Code>(SignatureDoesNotMatch|RequestExpired)</Code>")
        self.assertRegex(answer.body, r"expired|too old|20\d{6}T\d{6}Z")

    def test_a_presigned_url_is_good_for_its_request_and_its_time(self):
        url = self.cloudfront.generate_presigned_url(
            "get_distribution", Params={"Id": self.made["Id"]}, ExpiresIn=60)
        path = url.removeprefix(self.server.url)
        host = f"127.0.0.1:{self.server.api_port}"
        answer = fetch(self.server.api_port, host, path)
        self.assertEqual(answer.status, 200, answer)
        self.assertIn(f"<Id>{self.made['Id']}</Id>", answer.body)
        other = path.replace(self.made["Id"], "EOTHER")
        self.assert_error(fetch(self.server.api_port, host, other), 403, "SignatureDoesNotMatch")
        longer = path.replace("X-Amz-Expires=60", "X-Amz-Expires=6000")
        self.assertNotEqual(longer, path)
        self.assert_error(fetch(self.server.api_port, host, longer), 403, "SignatureDoesNotMatch")
        deleting = fetch(self.server.api_port, host, path, method="DELETE")
        self.assert_error(deleting, 403, "SignatureDoesNotMatch")
        for minutes, status in ((0, 200), (-1, 200), (-20, 403), (-60, 403), (30, 403)):
            answer = fetch(self.server.api_port, host, self.presigned(path, minutes))
            self.assertEqual(answer.status, status, f"{minutes}: {answer}")

    def presigned(self, path, minutes):
        """A path that is signed some minutes from now, for two minutes, by botocore's signer."""
        request = botocore.awsrequest.AWSRequest(
            method="GET", url=f"{self.server.url}{path.split('?')[0]}")
        key = self.server.key
        signer = botocore.auth.SigV4QueryAuth(
            botocore.credentials.Credentials(key.id, key.secret), "cloudfront", "us-east-1",
            expires=120)
        with at(minutes):
            signer.add_auth(request)
        return request.url.removeprefix(self.server.url)

    def test_what_is_not_signed_is_refused(self):
        host = f"127.0.0.1:{self.server.api_port}"
        for method, path in (("GET", DISTRIBUTIONS), ("DELETE", f"{DISTRIBUTIONS}/E1"),
                             ("POST", f"{DISTRIBUTIONS}?WithTags")):
            answer = fetch(self.server.api_port, host, path, method=method)
            self.assert_error(answer, 403, "MissingAuthenticationToken")
        for method, path in (("POST", "/"), ("GET", "/"), ("GET", "/favicon.ico")):
            answer = fetch(self.server.api_port, host, path, method=method)
            self.assertEqual(answer.status, 403, answer)
            self.assertIn("MissingAuthenticationToken", answer.body)
        for value in ("Basic YTpi", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a"):
            answer = fetch(self.server.api_port, host, DISTRIBUTIONS, {"Authorization": value})
            self.assertIn(answer.status, (400, 403), answer)
            self.assertRegex(answer.body, "<Code>(MissingAuthenticationToken|"
                             "IncompleteSignature|InvalidSignatureException)</Code>")
        self.assert_nothing_changed()

    def test_a_session_of_elsewhere_is_none_here(self):
        answer = self.signed("GET", DISTRIBUTIONS, headers={"X-Amz-Security-Token": "t"})
        self.assert_error(answer, 403, "InvalidClientTokenId")
        self.assertIn("AWS_SESSION_TOKEN", answer.body)


class Bodies(Refusals):
    def post(self, body, path=DISTRIBUTIONS, **settings):
        return self.signed("POST", path, body, **settings)

    def test_malformed_xml_and_wrong_roots_are_refused(self):
        config = f'<DistributionConfig xmlns="{NAMESPACE}">'
        for body in (
            b"", b" ", b"<", b"{}", b"<a></b>", b"\xff\xfe", config.encode(),
            b"<CachePolicyConfig/>", f"{config}<Bogus/></DistributionConfig>".encode(),
            b'<!DOCTYPE a [<!ENTITY b "c">]><DistributionConfig>&b;</DistributionConfig>',
            b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><DistributionConfig/>',
            f"{config}<Enabled>perhaps</Enabled></DistributionConfig>".encode(),
            f"{config}<Enabled>true</Enabled><Enabled>true</Enabled>"
            "</DistributionConfig>".encode(),
            f"{config}{'<a>' * 1000}{'</a>' * 1000}</DistributionConfig>".encode(),
        ):
            with self.subTest(body[:60]):
                answer = self.post(body)
                self.assertEqual(answer.status, 400, answer)
                self.assertRegex(answer.body, "<Code>(MalformedXML|MalformedInput|"
                                 "InvalidArgument|MissingBody)</Code>")
                self.assertNotIn("root:", answer.body)
        self.assert_nothing_changed()

    def test_what_is_too_long_is_refused(self):
        body = b"<DistributionConfig>" + b" " * (5 << 20) + b"</DistributionConfig>"
        try:
            answer = self.post(body)
        except (BrokenPipeError, ConnectionResetError):
            # The server need not read what it will not take.
            answer = None
        if answer:
            self.assertEqual(answer.status, 413, answer)
        self.assert_nothing_changed()

    def test_paths_that_are_no_operation_are_refused(self):
        for method, path in (("GET", "/2020-05-31/nothing"), ("PATCH", DISTRIBUTIONS),
                             ("GET", "/2019-03-26/distribution"), ("GET", "/"),
                             ("GET", f"{DISTRIBUTIONS}/%zz"), ("GET", f"{DISTRIBUTIONS}/%00")):
            with self.subTest(f"{method} {path}"):
                answer = self.signed(method, path)
                self.assertIn(answer.status, (400, 403, 404, 405), answer)
                self.assertIn("<Code>", answer.body)


class Resources(Refusals):
    def test_stale_missing_and_strange_etags_are_told_apart(self):
        cloudfront, identifier = self.cloudfront, self.made["Id"]
        got = cloudfront.get_distribution_config(Id=identifier)
        config = {**got["DistributionConfig"], "Comment": "changed"}
        stale = got["ETag"]
        cloudfront.update_distribution(Id=identifier, IfMatch=stale, DistributionConfig=config)
        self.before = self.everything()
        config = {**config, "Comment": "changed again"}
        update = cloudfront.update_distribution
        self.refused("PreconditionFailed", update, Id=identifier, IfMatch=stale,
                     DistributionConfig=config)
        self.refused("InvalidIfMatchVersion", update, Id=identifier, DistributionConfig=config)
        self.refused("InvalidIfMatchVersion", update, Id=identifier, IfMatch="no etag",
                     DistributionConfig=config)
        current = cloudfront.get_distribution(Id=identifier)["ETag"]
        self.refused("DistributionNotDisabled", cloudfront.delete_distribution, Id=identifier,
                     IfMatch=current)
        self.refused("PreconditionFailed", cloudfront.delete_distribution, Id=identifier,
                     IfMatch=stale)
        self.assert_nothing_changed()

    def test_what_is_not_there_is_named(self):
        cloudfront = self.cloudfront
        for code, call, parameters in (
            ("NoSuchDistribution", cloudfront.get_distribution, {"Id": "ENOTHING12345"}),
            ("NoSuchDistribution", cloudfront.list_invalidations,
             {"DistributionId": "ENOTHING12345"}),
            ("NoSuchInvalidation", cloudfront.get_invalidation,
             {"DistributionId": self.made["Id"], "Id": "INOTHING"}),
            ("NoSuchCachePolicy", cloudfront.get_cache_policy, {"Id": "ENOTHING"}),
            ("NoSuchPublicKey", cloudfront.get_public_key, {"Id": "KNOTHING"}),
            ("NoSuchFunctionExists", cloudfront.describe_function, {"Name": "nothing"}),
            ("EntityNotFound", cloudfront.describe_key_value_store, {"Name": "nothing"}),
            ("NoSuchContinuousDeploymentPolicy",
             cloudfront.get_continuous_deployment_policy, {"Id": "ENOTHING"}),
        ):
            self.refused(code, call, **parameters)

    def test_configs_that_cannot_be_are_refused_by_their_own_codes(self):
        good = distribution_config(self.origin.port)
        behavior = good["DefaultCacheBehavior"]

        def refused(code, **changes):
            error = self.refused(
                code, self.cloudfront.create_distribution,
                DistributionConfig={**good, "CallerReference": unique("r"), **changes})
            return error["Message"]

        message = refused("NoSuchOrigin", DefaultCacheBehavior={
            **behavior, "TargetOriginId": "elsewhere"})
        self.assertIn("elsewhere", message)
        refused("NoSuchCachePolicy", DefaultCacheBehavior={
            **behavior, "CachePolicyId": "99999999-9999-4999-8999-999999999999"})
        refused("InconsistentQuantities", Origins={**good["Origins"], "Quantity": 2})
        refused("InvalidDefaultRootObject", DefaultRootObject="/index.html")
        refused("InvalidErrorCode", CustomErrorResponses=quantified({"ErrorCode": 299}))
        refused("InvalidLocationCode", Restrictions={"GeoRestriction": {
            "RestrictionType": "whitelist", **quantified("XX")}})
        refused("InvalidViewerCertificate", ViewerCertificate={
            "ACMCertificateArn": "arn:aws:acm:us-west-2:123456789012:certificate/x",
            "SSLSupportMethod": "sni-only"})
        same = {**behavior, "PathPattern": "/a/*"}
        refused("InvalidArgument", CacheBehaviors=quantified(same, same))
        self.assert_nothing_changed()

    def test_invalidations_of_bad_paths_are_refused(self):
        for code, paths in (
            ("InvalidArgument", ["no-slash"]), ("InvalidArgument", ["/a*b"]),
            ("InvalidArgument", []), ("InvalidArgument", ["/" + "a" * 4_001]),
            ("BatchTooLarge", [f"/{index}" for index in range(3_001)]),
            ("TooManyInvalidationsInProgress", [f"/{index}/*" for index in range(16)]),
        ):
            with self.subTest(f"{code} {len(paths)}"):
                self.refused(code, self.cloudfront.create_invalidation,
                             DistributionId=self.made["Id"], InvalidationBatch={
                                 "CallerReference": unique("r"), "Paths": quantified(*paths)})
        self.refused("InconsistentQuantities", self.cloudfront.create_invalidation,
                     DistributionId=self.made["Id"], InvalidationBatch={
                         "CallerReference": unique("r"),
                         "Paths": {"Quantity": 2, "Items": ["/a"]}})
        self.assert_nothing_changed()


class Races(Refusals):
    """A thousand changes at once: every round has exactly one winner."""

    ROUNDS, AT_ONCE = 64, 16

    def test_of_those_that_change_the_same_version_one_wins(self):
        identifier = self.made["Id"]
        clients = [self.server.client() for _ in range(self.AT_ONCE)]
        for round_number in range(self.ROUNDS):
            got = self.cloudfront.get_distribution_config(Id=identifier)
            outcomes = []

            def update(index):
                config = {**got["DistributionConfig"], "Comment": f"{round_number} {index}"}
                try:
                    done = clients[index].update_distribution(
                        Id=identifier, IfMatch=got["ETag"], DistributionConfig=config)
                    outcomes.append((index, done["ETag"]))
                except botocore.exceptions.ClientError as error:
                    outcomes.append((None, error.response["Error"]["Code"]))

            self.for_each(range(self.AT_ONCE), update, threads=self.AT_ONCE)
            winners = [outcome for outcome in outcomes if outcome[0] is not None]
            losers = {outcome[1] for outcome in outcomes if outcome[0] is None}
            self.assertEqual((len(outcomes), len(winners)), (self.AT_ONCE, 1), outcomes)
            self.assertEqual(losers, {"PreconditionFailed"})
            now = self.cloudfront.get_distribution_config(Id=identifier)
            self.assertEqual((now["DistributionConfig"]["Comment"], now["ETag"]),
                             (f"{round_number} {winners[0][0]}", winners[0][1]))

    def test_of_those_that_want_one_alias_one_gets_it(self):
        outcomes, alias = [], f"{unique('www')}.example.com"
        clients = [self.server.client() for _ in range(self.AT_ONCE)]

        def create(client):
            config = distribution_config(self.origin.port, Aliases=quantified(alias))
            try:
                client.create_distribution(DistributionConfig=config)
                outcomes.append("made")
            except botocore.exceptions.ClientError as error:
                outcomes.append(error.response["Error"]["Code"])

        self.for_each(clients, create, threads=self.AT_ONCE)
        self.assertEqual(sorted(outcomes), ["CNAMEAlreadyExists"] * (self.AT_ONCE - 1) + ["made"])


class Permissions(Refusals):
    def user(self, policy, name="user"):
        done = self.server.run(
            "keys", "create", "--user", name, "--policy", policy, "--output", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        made = json.loads(done.stdout)["AccessKey"]
        self.before = self.everything()
        return Key(made["AccessKeyId"], made["SecretAccessKey"])

    def denied(self, action, call, **parameters):
        error = self.refused("AccessDenied", call, **parameters)
        self.assertIn(action, error["Message"])

    def invalidation(self):
        return {"DistributionId": self.made["Id"], "InvalidationBatch": {
            "CallerReference": unique("r"), "Paths": quantified("/a")}}

    def test_read_only_keys_read_and_change_nothing(self):
        cloudfront = client("cloudfront", self.server.url, self.user("read-only"))
        self.assertEqual(cloudfront.get_distribution(Id=self.made["Id"])["Distribution"]["Id"],
                         self.made["Id"])
        self.assertGreaterEqual(
            cloudfront.list_distributions()["DistributionList"]["Quantity"], 1)
        self.denied("cloudfront:CreateDistribution", cloudfront.create_distribution,
                    DistributionConfig=distribution_config(self.origin.port))
        self.denied("cloudfront:UpdateDistribution", cloudfront.update_distribution,
                    Id=self.made["Id"], IfMatch="E",
                    DistributionConfig=distribution_config(self.origin.port))
        self.denied("cloudfront:DeleteDistribution", cloudfront.delete_distribution,
                    Id=self.made["Id"], IfMatch="E")
        self.denied("cloudfront:CreateInvalidation", cloudfront.create_invalidation,
                    **self.invalidation())
        self.denied("cloudfront:TagResource", cloudfront.tag_resource,
                    Resource=self.made["ARN"], Tags={"Items": [{"Key": "a", "Value": "b"}]})
        self.assert_nothing_changed()

    def test_invalidate_only_keys_invalidate_and_do_nothing_else(self):
        key = self.user("invalidate-only", "robot")
        cloudfront = client("cloudfront", self.server.url, key)
        made = cloudfront.create_invalidation(**self.invalidation())["Invalidation"]
        got = cloudfront.get_invalidation(DistributionId=self.made["Id"], Id=made["Id"])
        self.assertEqual(got["Invalidation"]["Id"], made["Id"])
        self.before = self.everything()
        self.denied("cloudfront:CreateDistribution", cloudfront.create_distribution,
                    DistributionConfig=distribution_config(self.origin.port))
        self.denied("cloudfront:DeleteDistribution", cloudfront.delete_distribution,
                    Id=self.made["Id"], IfMatch="E")
        trail = client("cloudtrail", self.server.url, key)
        with self.assertRaises(trail.exceptions.ClientError) as caught:
            trail.lookup_events()
        self.assertIn("AccessDenied", caught.exception.response["Error"]["Code"])
        self.assert_nothing_changed()

    def test_a_policy_of_a_file_counts_for_what_it_names(self):
        path = self.here / "policy.json"
        other = self.make_distribution()
        path.write_text(json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["cloudfront:Get*", "cloudfront:CreateInvalidation"],
             "Resource": self.made["ARN"]},
            {"Effect": "Deny", "Action": "cloudfront:GetDistributionConfig", "Resource": "*"},
        ]}))
        cloudfront = client("cloudfront", self.server.url, self.user(str(path), "narrow"))
        cloudfront.get_distribution(Id=self.made["Id"])
        cloudfront.create_invalidation(**self.invalidation())
        self.before = self.everything()
        self.denied("cloudfront:GetDistribution", cloudfront.get_distribution, Id=other["Id"])
        self.denied("cloudfront:GetDistributionConfig", cloudfront.get_distribution_config,
                    Id=self.made["Id"])
        self.denied("cloudfront:CreateInvalidation", cloudfront.create_invalidation,
                    **{**self.invalidation(), "DistributionId": other["Id"]})
        self.denied("cloudfront:ListDistributions", cloudfront.list_distributions)
        self.assert_nothing_changed()

    def test_a_deleted_key_is_one_no_more(self):
        key = self.user("read-only", "gone")
        cloudfront = client("cloudfront", self.server.url, key)
        cloudfront.list_distributions()
        self.assertEqual(self.server.run("keys", "delete", key.id).returncode, 0)
        self.refused("InvalidClientTokenId", cloudfront.list_distributions)

    def test_policies_that_are_none_are_refused_with_what_is_allowed(self):
        done = self.server.run("keys", "create", "--user", "x", "--policy", "readonly")
        self.assertNotEqual(done.returncode, 0)
        for name in ("administrator", "read-only", "invalidate-only"):
            self.assertIn(name, done.stderr)
        self.assert_nothing_changed()
