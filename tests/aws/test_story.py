"""The main story: a distribution is made, served, changed, invalidated, disabled and deleted."""

import json
import time

from aws_case import CACHING_DISABLED, AwsCase, distribution_config, fetch, quantified, unique

import processes


class ByBoto3(AwsCase):
    def deployed(self, distribution):
        """Waits as users do."""
        started = time.monotonic()
        self.cloudfront.get_waiter("distribution_deployed").wait(
            Id=distribution, WaiterConfig={"Delay": 1, "MaxAttempts": 5})
        self.assertLess(time.monotonic() - started, 4, "deployed within seconds")

    def invalidate(self, distribution, *paths):
        """Invalidates and waits."""
        batch = {"CallerReference": unique("inv"), "Paths": quantified(*paths)}
        made = self.cloudfront.create_invalidation(
            DistributionId=distribution, InvalidationBatch=batch)
        started = time.monotonic()
        self.cloudfront.get_waiter("invalidation_completed").wait(
            DistributionId=distribution, Id=made["Invalidation"]["Id"],
            WaiterConfig={"Delay": 1, "MaxAttempts": 5})
        self.assertLess(time.monotonic() - started, 4, "completed within seconds")
        return made["Invalidation"]

    def assert_new_then_hit(self, host, path):
        first = self.server.get(host, path)
        self.assertEqual((first.status, first.cache), (200, "Miss"), first)
        second = self.server.get(host, path)
        self.assertEqual((second.cache, second.body), ("Hit", first.body))
        return first.body

    def test_from_its_creation_to_its_end(self):
        cloudfront, server = self.cloudfront, self.server
        config = distribution_config(self.origin.port, Comment="a shop")
        made = cloudfront.create_distribution(DistributionConfig=config)
        identifier, host = made["Distribution"]["Id"], made["Distribution"]["DomainName"]
        self.assertEqual(made["ResponseMetadata"]["HTTPStatusCode"], 201)
        self.assertRegex(identifier, r"^E[A-Z0-9]{12,13}$")
        self.assertRegex(host, r"^d[a-z0-9]{12,14}\.cdn\.localhost$")
        self.deployed(identifier)

        self.assert_new_then_hit(host, "/a.txt")
        self.assert_new_then_hit(host, "/b/c.txt")

        # Two changes of the configuration: each is served once it is said to be.
        self.assertIn("/ ", server.get(host, "/").body)
        self.change(identifier, lambda config: config.update(DefaultRootObject="home.html"))
        self.assertTrue(server.get(host, "/").body.startswith("/home.html "))
        self.change(identifier, lambda config: config.update(CacheBehaviors=quantified({
            **config["DefaultCacheBehavior"], "PathPattern": "/api/*",
            "CachePolicyId": CACHING_DISABLED,
        })))
        bodies = {server.get(host, "/api/x").body for _ in range(3)}
        self.assertEqual(len(bodies), 3, "nothing under /api/ is kept")
        self.assertEqual(server.get(host, "/a.txt").cache, "Hit", "and all else is as it was")

        # Invalidations: what they name is gone, and nothing else.
        self.invalidate(identifier, "/a.txt")
        self.assertEqual(server.get(host, "/b/c.txt").cache, "Hit")
        self.assert_new_then_hit(host, "/a.txt")
        self.invalidate(identifier, "/b/*", "/nowhere")
        self.assertEqual(server.get(host, "/a.txt").cache, "Hit")
        self.assert_new_then_hit(host, "/b/c.txt")
        self.invalidate(identifier, "/*")
        self.assert_new_then_hit(host, "/a.txt")
        self.assert_new_then_hit(host, "/b/c.txt")

        self.change(identifier, lambda config: config.update(Enabled=False))
        disabled = server.get(host, "/a.txt")
        self.assertEqual(disabled.status, 403, disabled)
        etag = cloudfront.get_distribution(Id=identifier)["ETag"]
        cloudfront.delete_distribution(Id=identifier, IfMatch=etag)
        self.refused("NoSuchDistribution", cloudfront.get_distribution, Id=identifier)
        self.refused(
            "NoSuchDistribution", cloudfront.delete_distribution, Id=identifier, IfMatch=etag)
        processes.eventually("the host to be gone",
                             lambda: server.get(host, "/a.txt").status in (403, 421))
        listed = cloudfront.list_distributions()["DistributionList"]
        self.assertNotIn(identifier, [item["Id"] for item in listed.get("Items", [])])

    def test_tags_of_responses_name_what_an_invalidation_removes(self):
        self.origin.by_path.update({
            "/one": {"Cache-Tag": "red, fruit"}, "/two": {"Cache-Tag": "fruit"},
            "/three": {"Cache-Tag": "blue"},
        })
        made = self.make_distribution(CacheTagConfig={"HeaderName": "Cache-Tag"})
        host = made["DomainName"]
        before = {path: self.assert_new_then_hit(host, path) for path in self.origin.by_path}
        self.invalidate(made["Id"], "#red")
        self.assertEqual(self.server.get(host, "/two").body, before["/two"])
        self.assertEqual(self.server.get(host, "/three").body, before["/three"])
        self.assert_new_then_hit(host, "/one")
        self.invalidate(made["Id"], "#fruit", "#unknown")
        self.assert_new_then_hit(host, "/one")
        self.assert_new_then_hit(host, "/two")
        self.assertEqual(self.server.get(host, "/three").body, before["/three"])

    def test_an_alias_is_served_as_soon_as_it_is_deployed(self):
        made = self.make_distribution()
        alias = f"{unique('www')}.example.com"
        self.assertEqual(self.server.get(alias, "/").status, 403)
        self.change(made["Id"], lambda config: config.update(Aliases=quantified(alias)))
        self.assertEqual(self.server.get(alias, "/").status, 200)
        other = distribution_config(self.origin.port, Aliases=quantified(alias))
        error = self.refused(
            "CNAMEAlreadyExists", self.cloudfront.create_distribution, DistributionConfig=other)
        self.assertIn(alias, error["Message"])
        conflicts = self.cloudfront.list_conflicting_aliases(
            DistributionId=made["Id"], Alias=alias)["ConflictingAliasesList"]
        self.assertEqual(conflicts["Quantity"], 0)
        self.change(made["Id"], lambda config: config.update(Aliases=quantified()))
        self.assertEqual(self.server.get(alias, "/").status, 403)

    def test_a_policy_that_changes_changes_the_distributions_that_name_it(self):
        def policy(name, *queries):
            return {
                "Name": name, "MinTTL": 0, "DefaultTTL": 60, "MaxTTL": 3600,
                "ParametersInCacheKeyAndForwardedToOrigin": {
                    "EnableAcceptEncodingGzip": False,
                    "HeadersConfig": {"HeaderBehavior": "none"},
                    "CookiesConfig": {"CookieBehavior": "none"},
                    "QueryStringsConfig": {
                        "QueryStringBehavior": "whitelist", "QueryStrings": quantified(*queries),
                    },
                },
            }

        name = unique("policy")
        made = self.cloudfront.create_cache_policy(CachePolicyConfig=policy(name, "a"))
        identifier = made["CachePolicy"]["Id"]
        behavior = distribution_config(self.origin.port)["DefaultCacheBehavior"]
        distribution = self.make_distribution(
            DefaultCacheBehavior={**behavior, "CachePolicyId": identifier})
        host = distribution["DomainName"]
        first = self.server.get(host, "/q?a=1&b=1").body
        self.assertEqual(self.server.get(host, "/q?a=1&b=2").body, first, "b is not in the key")
        self.refused("CachePolicyInUse", self.cloudfront.delete_cache_policy,
                     Id=identifier, IfMatch=made["ETag"])
        self.cloudfront.update_cache_policy(
            Id=identifier, IfMatch=made["ETag"], CachePolicyConfig=policy(name, "a", "b"))
        processes.eventually("b to be in the key", lambda: len(
            {self.server.get(host, f"/q?a=1&b={b}").body for b in range(3)}) == 3)

    def test_a_caller_reference_makes_one_distribution(self):
        config = distribution_config(self.origin.port)
        first = self.cloudfront.create_distribution(DistributionConfig=config)
        for changes in ({}, {"Comment": "another"}):
            error = self.refused(
                "DistributionAlreadyExists", self.cloudfront.create_distribution,
                DistributionConfig={**config, **changes})
            self.assertIn(first["Distribution"]["Id"], error["Message"])
        self.assertEqual(1, sum(
            item["Id"] == first["Distribution"]["Id"]
            for item in self.cloudfront.list_distributions()["DistributionList"]["Items"]))


class ByTheAwsCli(AwsCase):
    def write(self, name, content):
        path = self.here / name
        path.write_text(json.dumps(content))
        return f"file://{path}"

    def test_from_its_creation_to_its_end(self):
        aws, server = self.server.aws, self.server
        config = distribution_config(self.origin.port, Comment="by the CLI")
        made = aws("cloudfront", "create-distribution", "--distribution-config",
                   self.write("config.json", config))
        identifier, host = made["Distribution"]["Id"], made["Distribution"]["DomainName"]
        aws("cloudfront", "wait", "distribution-deployed", "--id", identifier)
        first = server.get(host, "/a.txt")
        self.assertEqual((first.status, first.cache), (200, "Miss"))
        self.assertEqual(server.get(host, "/a.txt").cache, "Hit")

        listed = aws("cloudfront", "list-distributions", "--query",
                     f"DistributionList.Items[?Id=='{identifier}'].[Comment,DomainName]")
        self.assertEqual(listed, [["by the CLI", host]])

        got = aws("cloudfront", "get-distribution-config", "--id", identifier)
        got["DistributionConfig"]["DefaultRootObject"] = "home.html"
        updated = aws(
            "cloudfront", "update-distribution", "--id", identifier, "--if-match", got["ETag"],
            "--distribution-config", self.write("update.json", got["DistributionConfig"]))
        self.assertNotEqual(updated["ETag"], got["ETag"])
        aws("cloudfront", "wait", "distribution-deployed", "--id", identifier)
        self.assertTrue(server.get(host, "/").body.startswith("/home.html "))

        # `--default-root-object` is an update by itself, with the config read before.
        aws("cloudfront", "update-distribution", "--id", identifier,
            "--default-root-object", "start.html")
        aws("cloudfront", "wait", "distribution-deployed", "--id", identifier)
        self.assertTrue(server.get(host, "/").body.startswith("/start.html "))

        invalidation = aws("cloudfront", "create-invalidation", "--distribution-id", identifier,
                           "--paths", "/a.txt", "/b*")["Invalidation"]
        self.assertEqual(invalidation["InvalidationBatch"]["Paths"]["Quantity"], 2)
        aws("cloudfront", "wait", "invalidation-completed", "--distribution-id", identifier,
            "--id", invalidation["Id"])
        second = server.get(host, "/a.txt")
        self.assertEqual(second.cache, "Miss")
        self.assertNotEqual(second.body, first.body)
        self.assertEqual(
            aws("cloudfront", "list-invalidations", "--distribution-id", identifier, "--query",
                "InvalidationList.Items[].[Id,Status]"), [[invalidation["Id"], "Completed"]])

        got = aws("cloudfront", "get-distribution-config", "--id", identifier)
        got["DistributionConfig"]["Enabled"] = False
        updated = aws(
            "cloudfront", "update-distribution", "--id", identifier, "--if-match", got["ETag"],
            "--distribution-config", self.write("off.json", got["DistributionConfig"]))
        aws("cloudfront", "wait", "distribution-deployed", "--id", identifier)
        self.assertEqual(server.get(host, "/a.txt").status, 403)
        aws("cloudfront", "delete-distribution", "--id", identifier, "--if-match",
            updated["ETag"])
        with self.assertRaisesRegex(AssertionError, "NoSuchDistribution"):
            aws("cloudfront", "get-distribution", "--id", identifier)

    def test_the_shortest_way_is_an_origin_domain_name(self):
        made = self.server.aws("cloudfront", "create-distribution", "--origin-domain-name",
                               "shop.example.com", "--default-root-object", "index.html")
        config = made["Distribution"]["DistributionConfig"]
        self.assertEqual(config["Origins"]["Items"][0]["DomainName"], "shop.example.com")
        self.assertEqual(config["DefaultRootObject"], "index.html")
        self.assertIn("ForwardedValues", config["DefaultCacheBehavior"])

    def test_a_skeleton_is_taken_with_its_untouched_fields(self):
        aws = self.server.aws
        skeleton = aws("cloudfront", "create-distribution", "--generate-cli-skeleton")
        config = skeleton["DistributionConfig"]
        least = distribution_config(self.origin.port)
        # Lists and what they name are written by hand, and so are the references to other
        # resources; what is left as it was generated is empty text, 0 and the first choices.
        for name in ("CallerReference", "Enabled", "Origins", "DefaultCacheBehavior"):
            config[name] = least[name]
        for name in ("Aliases", "OriginGroups", "CacheBehaviors", "CustomErrorResponses"):
            config[name] = {"Quantity": 0}
        config["Restrictions"]["GeoRestriction"] = {"RestrictionType": "none", "Quantity": 0}
        for name in ("TenantConfig", "CacheTagConfig", "ViewerMtlsConfig", "ConnectionMode",
                     "AnycastIpListId", "ConnectionFunctionAssociation", "Staging"):
            config.pop(name, None)
        config["ViewerCertificate"] = {"CloudFrontDefaultCertificate": True}
        config["Logging"]["Enabled"] = False
        config["HttpVersion"] = "http2"
        made = aws("cloudfront", "create-distribution", "--cli-input-json",
                   self.write("skeleton.json", skeleton))["Distribution"]
        aws("cloudfront", "wait", "distribution-deployed", "--id", made["Id"])
        self.assertEqual(self.server.get(made["DomainName"], "/s").status, 200)

    def test_errors_read_as_cloudfront_s_own(self):
        with self.assertRaisesRegex(
            AssertionError, r"An error occurred \(NoSuchDistribution\) when calling the "
            r"GetDistribution operation: .*ENOSUCHTHING"):
            self.server.aws("cloudfront", "get-distribution", "--id", "ENOSUCHTHING")


class Api(AwsCase):
    def test_viewers_reach_no_api_and_the_api_serves_no_site(self):
        made = self.make_distribution()
        self.assertEqual(self.server.get(made["DomainName"], "/2020-05-31/distribution").status,
                         200, "a path of the site like any other")
        answer = fetch(self.server.api_port, made["DomainName"], "/index.html")
        self.assertEqual(answer.status, 403, answer)
        self.assertIn("MissingAuthenticationToken", answer.body)
