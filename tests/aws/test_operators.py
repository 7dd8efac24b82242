"""What operators see: the record of changes, and warmfront's own commands."""

import datetime
import json

from aws_case import AwsCase, Key, Server, client, distribution_config, quantified, unique
from origin import Origin

import processes


class Trail(AwsCase):
    def setUp(self):
        self.trail = self.server.client("cloudtrail")

    def events(self, **attribute):
        """All events with that attribute, the newest first."""
        attributes = [{"AttributeKey": key, "AttributeValue": value}
                      for key, value in attribute.items()]
        pages = self.trail.get_paginator("lookup_events").paginate(LookupAttributes=attributes)
        return [event for page in pages for event in page["Events"]]

    def test_changes_and_failures_are_recorded_with_who_and_what(self):
        started = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=2)
        made = self.server.run("keys", "create", "--user", "ada", "--policy", "read-only",
                               "--output", "json")
        ada = json.loads(made.stdout)["AccessKey"]
        distribution = self.make_distribution(Comment="recorded")
        self.change(distribution["Id"], lambda config: config.update(Comment="changed"))
        as_ada = client("cloudfront", self.server.url,
                        Key(ada["AccessKeyId"], ada["SecretAccessKey"]))
        self.refused("AccessDenied", as_ada.delete_distribution, Id=distribution["Id"],
                     IfMatch="E")
        self.refused("DistributionNotDisabled", self.cloudfront.delete_distribution,
                     Id=distribution["Id"],
                     IfMatch=self.cloudfront.get_distribution(Id=distribution["Id"])["ETag"])

        changed = self.events(ResourceName=distribution["Id"])
        self.assertEqual([event["EventName"] for event in changed],
                         ["UpdateDistribution", "CreateDistribution"])
        # What failed has touched no resource; its parameters say which one was meant.
        events = self.events(EventName="DeleteDistribution") + changed
        told = [(event["EventName"], event["Username"]) for event in events]
        self.assertEqual(told, [
            ("DeleteDistribution", "root"), ("DeleteDistribution", "ada"),
            ("UpdateDistribution", "root"), ("CreateDistribution", "root")])
        details = [json.loads(event["CloudTrailEvent"]) for event in events]
        self.assertEqual([detail.get("errorCode") for detail in details],
                         ["DistributionNotDisabled", "AccessDenied", None, None])
        for event, detail in zip(events, details):
            self.assertEqual(event["EventSource"], "cloudfront.amazonaws.com")
            self.assertEqual(detail["eventName"], event["EventName"])
            self.assertEqual(detail["sourceIPAddress"], "127.0.0.1")
            self.assertIn("Boto3", detail["userAgent"])
            self.assertGreater(event["EventTime"], started)
        self.assertEqual(details[1]["userIdentity"]["arn"], "arn:aws:iam::123456789012:user/ada")
        self.assertEqual([detail["requestParameters"]["id"] for detail in details[:3]],
                         [distribution["Id"]] * 3)
        self.assertIn("distributionConfig", details[3]["requestParameters"])
        self.assertEqual({event["EventName"] for event in self.events(Username="ada")},
                         {"DeleteDistribution"})
        self.assertEqual(len(self.events(EventName="CreateAccessKey")), 1)
        self.assertNotIn(ada["SecretAccessKey"], json.dumps(self.events(), default=str))
        self.assertEqual(self.events(EventName="GetDistribution"), [], "reads change nothing")
        later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        self.assertEqual(self.trail.lookup_events(
            StartTime=later, EndTime=later + datetime.timedelta(hours=1))["Events"], [])

    def test_pages_of_the_record_have_each_event_once(self):
        config = {"SigningProtocol": "sigv4", "SigningBehavior": "always",
                  "OriginAccessControlOriginType": "s3"}
        for _ in range(60):
            self.cloudfront.create_origin_access_control(
                OriginAccessControlConfig={**config, "Name": unique("oac")})
        events = self.events(EventName="CreateOriginAccessControl")
        self.assertEqual(len(events), 60)
        self.assertEqual(len({event["EventId"] for event in events}), 60)
        times = [event["EventTime"] for event in events]
        self.assertEqual(times, sorted(times, reverse=True))


class Commands(AwsCase):
    def run_in(self, *arguments, status=0):
        done = self.server.run(*arguments)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if status == 0 else done.stderr

    def json(self, *arguments):
        return json.loads(self.run_in(*arguments, "--output", "json"))

    def url(self, host, path="/"):
        return f"http://{host}{path}"

    def test_ls_lists_sites_and_the_nodes_that_serve_them(self):
        alias = f"{unique('www')}.example.com"
        made = self.make_distribution(Aliases=quantified(alias))
        site = next(site for site in self.json("ls")["Sites"] if site["Id"] == made["Id"])
        self.assertEqual(site["Status"], "Deployed")
        self.assertEqual((site["DomainName"], site["Aliases"]), (made["DomainName"], [alias]))
        # The name server and the checker of the process say for themselves what they have.
        nodes = [node for node in self.json("ls")["Nodes"] if "edge" in node["Roles"]]
        self.assertEqual(len(nodes), 1)
        self.assertEqual(nodes[0]["Http"], [f"127.0.0.1:{self.server.http_port}"])
        self.assertGreaterEqual(nodes[0]["Applied"], site["Revision"])
        text = self.run_in("ls")
        line = next(line for line in text.splitlines() if made["Id"] in line)
        for part in ("Deployed", made["DomainName"], alias, "127.0.0.1"):
            self.assertIn(part, line)
        self.assertIn(nodes[0]["Id"], text)

    def test_invalidate_takes_a_host_and_the_next_request_is_a_miss(self):
        made = self.make_distribution()
        host = made["DomainName"]
        first = self.server.get(host, "/a").body
        self.assertEqual(self.server.get(host, "/a").body, first)
        told = self.json("invalidate", "--wait", host, "/a", "/b/*")
        self.assertEqual(told["Invalidation"]["Status"], "Completed")
        self.assertEqual(self.server.get(host, "/a").cache, "Miss")
        self.server.get(host, "/b/c")
        text = self.run_in("invalidate", "--wait", made["Id"], "/*")
        self.assertIn("Completed", text)
        self.assertEqual(self.server.get(host, "/b/c").cache, "Miss")
        error = self.run_in("invalidate", "nobody.example.com", "/*", status=1)
        self.assertIn("nobody.example.com", error)

    def test_history_tells_versions_and_rollback_goes_back_to_one(self):
        made = self.make_distribution(DefaultRootObject="first.html")
        host, identifier = made["DomainName"], made["Id"]
        self.change(identifier, lambda config: config.update(DefaultRootObject="second.html"))
        self.assertTrue(self.server.get(host).body.startswith("/second.html"))
        versions = self.json("history", identifier)["Versions"]
        self.assertEqual([version["Operation"] for version in versions],
                         ["UpdateDistribution", "CreateDistribution"])
        self.assertEqual({version["By"].rpartition(":")[2] for version in versions}, {"root"})
        first = versions[-1]["Revision"]
        text = self.run_in("history", host)
        self.assertIn(str(first), text)
        self.assertIn("CreateDistribution", text)

        stale = versions[-1]["ETag"]
        error = self.run_in(
            "rollback", identifier, "--to", first, "--if-match", stale, status=1)
        self.assertIn("PreconditionFailed", error)
        told = self.json("rollback", identifier, "--to", first)
        self.assertEqual(self.cloudfront.get_distribution(Id=identifier)["ETag"], told["ETag"])
        self.assertNotIn(told["ETag"], [version["ETag"] for version in versions])
        self.await_deployed(identifier)
        self.assertTrue(self.server.get(host).body.startswith("/first.html"))
        self.assertEqual(len(self.json("history", identifier)["Versions"]), 3)
        error = self.run_in("rollback", identifier, "--to", "999999", status=1)
        self.assertIn("999999", error)
        error = self.run_in("history", "ENOTHING", status=1)
        self.assertIn("ENOTHING", error)

    def test_explain_names_the_stored_object_and_what_removed_the_one_before(self):
        made = self.make_distribution()
        host = made["DomainName"]
        nothing = self.json("explain", self.url(host, "/a"))
        self.assertEqual(nothing["Distribution"], made["Id"])
        self.assertIsNone(nothing["Stored"])
        self.assertIsNone(nothing["Invalidation"])

        self.server.get(host, "/a")
        told = self.json("explain", self.url(host, "/a"))
        self.assertEqual((told["Stored"]["Status"], told["Stored"]["State"]), (200, "fresh"))
        self.assertLess(told["Stored"]["AgeSecs"], 10)
        self.assertGreater(told["Stored"]["RemainingSecs"], 3_500)
        self.assertEqual(self.json("explain", self.url(host, "/b"))["Stored"], None)

        invalidation = self.json("invalidate", "--wait", host, "/a*")["Invalidation"]["Id"]
        told = self.json("explain", self.url(host, "/a"))
        self.assertIsNone(told["Stored"])
        self.assertEqual(told["Invalidation"]["Id"], invalidation)
        text = self.run_in("explain", self.url(host, "/a"))
        for part in (invalidation, made["Id"], "Managed-CachingOptimized", "nothing"):
            self.assertIn(part, text)
        self.server.get(host, "/a")
        text = self.run_in("explain", self.url(host, "/a"))
        self.assertRegex(text, r"age +\d+ s")
        error = self.run_in("explain", "http://nobody.example.com/", status=1)
        self.assertIn("nobody.example.com", error)

    def test_a_command_without_a_server_says_what_to_do(self):
        done = processes.run_warmfront(
            "ls", "--endpoint", f"http://127.0.0.1:{processes.free_port()}",
            "--data", self.server.data)
        self.assertEqual(done.returncode, 1)
        self.assertIn("warmfront serve", done.stderr)
        done = processes.run_warmfront(
            "ls", "--endpoint", self.server.url, "--data", self.directory("empty"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("AWS_ACCESS_KEY_ID", done.stderr)


class FilesBeside(AwsCase):
    @classmethod
    def set_up(cls):
        cls.origin = cls.start(Origin())
        path = cls.here / "shop.json"
        path.write_text(json.dumps(distribution_config(
            cls.origin.port, Aliases=quantified("shop.test"), DefaultRootObject="file.html")))
        cls.server = cls.start(Server(cls.directory("server"), "--distribution", path))
        cls.cloudfront = cls.server.client()

    def test_a_name_of_a_file_s_distribution_is_not_taken_and_ls_says_why(self):
        config = distribution_config(
            self.origin.port, Aliases=quantified("shop.test"), DefaultRootObject="api.html")
        made = self.cloudfront.create_distribution(DistributionConfig=config)["Distribution"]
        nodes = processes.eventually("the refusal", lambda: [
            node for node in json.loads(self.server.run("ls", "--output", "json").stdout)["Nodes"]
            if node["Refused"]])
        self.assertIn("shop.test", nodes[0]["Refused"][0]["Message"])
        self.assertTrue(self.server.get("shop.test").body.startswith("/file.html "))
        got = self.cloudfront.get_distribution(Id=made["Id"])["Distribution"]
        self.assertEqual(got["Status"], "InProgress", "nobody serves it")
        self.assertIn("shop.test", self.server.run("ls").stdout.split("does not serve")[1])

        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.assertTrue(self.server.get("shop.test").body.startswith("/file.html "))
        self.change(made["Id"], lambda config: config.update(Aliases=quantified("tea.test")))
        self.assertTrue(self.server.get("tea.test").body.startswith("/api.html "))


class Many(AwsCase):
    COUNT = 250

    def test_paginators_return_each_distribution_once(self):
        made = set()

        def make(index):
            config = distribution_config(self.origin.port, Comment=str(index))
            got = self.cloudfront.create_distribution(DistributionConfig=config)
            made.add(got["Distribution"]["Id"])

        self.for_each(range(self.COUNT), make, threads=8)
        self.assertEqual(len(made), self.COUNT)
        for size in (None, 7, 100, 250):
            pages = self.cloudfront.get_paginator("list_distributions").paginate(
                PaginationConfig={"PageSize": size} if size else {})
            listed, count = [], 0
            for page in pages:
                items = page["DistributionList"].get("Items", [])
                self.assertEqual(page["DistributionList"]["Quantity"], len(items))
                self.assertLessEqual(len(items), size or 100)
                listed += [item["Id"] for item in items]
                count += 1
            self.assertEqual((len(listed), set(listed)), (self.COUNT, made), size)
            self.assertEqual(count, -(-self.COUNT // (size or 100)) if size != 250 else count)
        ids = self.server.aws("cloudfront", "list-distributions", "--query",
                              "DistributionList.Items[].Id")
        self.assertEqual((len(ids), set(ids)), (self.COUNT, made), "the AWS CLI likewise")
        sites = json.loads(self.server.run("ls", "--output", "json").stdout)["Sites"]
        self.assertEqual({site["Id"] for site in sites}, made)
