"""Restarts: what was acknowledged is there again, and served."""

import signal
import threading

import botocore.exceptions
from aws_case import AwsCase, distribution_config, quantified, unique

import processes


class Restarts(AwsCase):
    def snapshot(self):
        """All that the API tells, without what changes by itself."""
        cloudfront = self.cloudfront
        distributions = cloudfront.list_distributions()["DistributionList"].get("Items", [])
        told = []
        for item in distributions:
            got = cloudfront.get_distribution(Id=item["Id"])
            invalidations = cloudfront.list_invalidations(DistributionId=item["Id"])
            told.append((
                got["ETag"], got["Distribution"]["DistributionConfig"],
                got["Distribution"]["LastModifiedTime"],
                [item["Id"] for item in invalidations["InvalidationList"].get("Items", [])],
                cloudfront.list_tags_for_resource(Resource=item["ARN"])["Tags"],
            ))
        functions = [
            (item["Name"], cloudfront.get_function(Name=item["Name"])["FunctionCode"].read())
            for item in cloudfront.list_functions()["FunctionList"].get("Items", [])]
        policies = cloudfront.list_cache_policies(Type="custom")["CachePolicyList"]
        return told, functions, policies.get("Items", [])

    def fill(self):
        made = self.make_distribution(Comment=unique("kept"))
        self.cloudfront.tag_resource(
            Resource=made["ARN"], Tags={"Items": [{"Key": "a", "Value": "b"}]})
        self.cloudfront.create_invalidation(DistributionId=made["Id"], InvalidationBatch={
            "CallerReference": unique("i"), "Paths": quantified("/a")})
        self.cloudfront.create_function(
            Name=unique("f"), FunctionCode=b"function handler(event) { return event.request; }",
            FunctionConfig={"Comment": "", "Runtime": "cloudfront-js-2.0"})
        self.cloudfront.create_cache_policy(CachePolicyConfig={
            "Name": unique("p"), "MinTTL": 1})
        return made

    def assert_as_before(self, made, before):
        self.server.start()
        self.cloudfront = self.server.client()
        self.assertEqual(self.server.get(made["DomainName"], "/x").status, 200,
                         "served from the first moment")
        self.assertEqual(self.snapshot(), before)
        self.await_deployed(made["Id"])
        self.change(made["Id"], lambda config: config.update(DefaultRootObject="later.html"))
        self.assertTrue(self.server.get(made["DomainName"]).body.startswith("/later.html"))

    def test_after_a_stop_all_is_there_and_served(self):
        made = self.fill()
        before = self.snapshot()
        self.assertEqual(self.server.stop(), 0)
        self.assert_as_before(made, before)

    def test_after_a_kill_all_is_there_and_served(self):
        made = self.fill()
        before = self.snapshot()
        self.server.kill()
        self.assert_as_before(made, before)

    def test_what_was_acknowledged_before_a_kill_under_load_is_there(self):
        acknowledged, stopped = [], threading.Event()

        def work():
            client = self.server.client()
            while not stopped.is_set():
                config = distribution_config(self.origin.port)
                try:
                    made = client.create_distribution(DistributionConfig=config)
                except botocore.exceptions.BotoCoreError:
                    return
                acknowledged.append((made["Distribution"]["Id"], made["ETag"]))

        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        processes.eventually("fifty distributions", lambda: len(acknowledged) >= 50, secs=60)
        self.server.signal(signal.SIGKILL)
        self.server.wait()
        stopped.set()
        for worker in workers:
            worker.join(timeout=60)
        self.server.start()
        cloudfront = self.server.client()
        for identifier, etag in acknowledged:
            self.assertEqual(cloudfront.get_distribution(Id=identifier)["ETag"], etag)
        pages = cloudfront.get_paginator("list_distributions").paginate()
        listed = {item["Id"] for page in pages for item in page["DistributionList"]["Items"]}
        self.assertLessEqual({identifier for identifier, _ in acknowledged}, listed)
        last = cloudfront.get_distribution(Id=acknowledged[-1][0])["Distribution"]
        self.await_deployed(last["Id"], cloudfront)
        self.assertEqual(self.server.get(last["DomainName"], "/").status, 200)
