"""One control plane and two edges as processes of their own, with a real etcd between them."""

import contextlib
import itertools
import json
import shutil
import threading
import time
import unittest
import urllib.error
import urllib.request

import botocore.exceptions
from aws_case import AwsCase, Server, client, distribution_config, quantified, unique
from origin import Origin

import processes

# How long a node is not heard of before it counts as dead.
LEASE_SECS = 10


class Etcd(processes.Process):
    """An etcd of one member."""

    def __init__(self, directory):
        self.port, self.peer_port = processes.free_port(), processes.free_port()
        self.store = f"etcd://127.0.0.1:{self.port}"
        self.start(directory)

    def start(self, directory):
        """Also starts it again, on the same port with the same data, once it was killed."""
        url, peers = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.peer_port}"
        super().__init__(
            "etcd",
            ["etcd", "--data-dir", f"{directory}/etcd", "--log-level", "error",
             "--listen-client-urls", url, "--advertise-client-urls", url,
             "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers,
             "--initial-cluster", f"default={peers}", "--unsafe-no-fsync",
             "--max-txn-ops", "2200"],
            directory,
        )

        def is_up():
            self.check_runs()
            with contextlib.suppress(OSError, urllib.error.URLError):
                with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
                    return json.loads(answer.read())["health"] == "true"

        processes.eventually("etcd", is_up, secs=30)


@unittest.skipUnless(shutil.which("etcd"), "etcd is not installed (Debian: etcd-server)")
class Apart(AwsCase):
    """Each test has an etcd, a control plane and two edges."""

    @classmethod
    def set_up(cls):
        cls.origin = cls.start(Origin())

    def setUp(self):
        self.directories = (self.directory(f"{self.id()}-{number}") for number in itertools.count())
        self.etcd = self.started(Etcd(next(self.directories)))
        self.control = self.node("control")
        self.edges = [self.node("edge"), self.node("edge")]
        self.cloudfront = self.control.client()

    def started(self, process):
        self.addCleanup(process.kill)
        return process

    def node(self, roles):
        directory = next(self.directories)
        return self.started(Server(directory, "--roles", roles, "--store", self.etcd.store))

    def on_both(self, host, path="/"):
        return [edge.get(host, path) for edge in self.edges]

    def both_show(self, host, root):
        """Both edges have served that root object once it was said to be deployed."""
        bodies = [answer.body.split(" ")[0] for answer in self.on_both(host)]
        self.assertEqual(bodies, [f"/{root}"] * 2)

    def client_of(self, server):
        """One that has the key of the first control plane."""
        return client("cloudfront", server.url, self.control.key)

    def restart_etcd(self):
        self.etcd.start(self.etcd.directory)

    def is_answered(self):
        with contextlib.suppress(botocore.exceptions.ClientError):
            return self.cloudfront.list_distributions()

    def test_changes_and_invalidations_reach_both_edges(self):
        made = self.make_distribution(DefaultRootObject="a.html")
        host = made["DomainName"]
        self.both_show(host, "a.html")
        for number in range(20):
            root = f"{number}.html"
            self.change(made["Id"], lambda config: config.update(DefaultRootObject=root))
            self.both_show(host, root)
        for _ in range(10):
            self.assertEqual([answer.cache for answer in self.on_both(host, "/x")], ["Miss"] * 2)
            self.assertEqual([answer.cache for answer in self.on_both(host, "/x")], ["Hit"] * 2)
            invalidation = self.cloudfront.create_invalidation(
                DistributionId=made["Id"], InvalidationBatch={
                    "CallerReference": unique("i"), "Paths": quantified("/x")})["Invalidation"]

            def is_completed():
                got = self.cloudfront.get_invalidation(
                    DistributionId=made["Id"], Id=invalidation["Id"])
                return got["Invalidation"]["Status"] == "Completed"

            processes.eventually("the invalidation", is_completed)
        self.assertEqual([answer.cache for answer in self.on_both(host, "/x")], ["Miss"] * 2)
        nodes = json.loads(self.control.run("ls", "--output", "json").stdout)["Nodes"]
        self.assertEqual(sorted(node["Http"][0] for node in nodes),
                         sorted(f"127.0.0.1:{edge.http_port}" for edge in self.edges))

    def test_without_etcd_edges_serve_on_and_the_api_says_503(self):
        made = self.make_distribution(DefaultRootObject="a.html")
        host = made["DomainName"]
        self.both_show(host, "a.html")
        stopped = self.edges[1]
        copy = stopped.data / "replica"
        processes.eventually("the edge's copy on disk", lambda: copy.exists()
                             and made["Id"].encode() in copy.read_bytes())
        self.etcd.kill()
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            self.cloudfront.list_distributions()
        answer = caught.exception.response
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 503)
        self.assertEqual(answer["Error"]["Code"], "ServiceUnavailable")
        self.both_show(host, "a.html")
        self.assertEqual([answer.status for answer in self.on_both(host, "/new")], [200] * 2)

        # An edge that starts now serves what it was told before.
        stopped.kill()
        stopped.start()
        self.both_show(host, "a.html")

        self.restart_etcd()
        processes.eventually("the API", self.is_answered, secs=30)
        self.change(made["Id"], lambda config: config.update(DefaultRootObject="b.html"))
        self.both_show(host, "b.html")

    def test_etcd_may_stop_and_come_back_under_load(self):
        made = self.make_distribution(DefaultRootObject="a.html")
        host = made["DomainName"]
        self.both_show(host, "a.html")
        stopped, acknowledged, refused, wrong = threading.Event(), [], [], []

        def view(edge):
            while not stopped.is_set():
                answer = edge.get(host, "/a.txt")
                if answer.status != 200:
                    wrong.append(answer)

        def change():
            client = self.control.client()
            while not stopped.is_set():
                try:
                    config = distribution_config(self.origin.port)
                    made = client.create_distribution(DistributionConfig=config)
                    acknowledged.append(made["Distribution"])
                except botocore.exceptions.ClientError as error:
                    refused.append(error.response["ResponseMetadata"]["HTTPStatusCode"])
                time.sleep(0.01)

        threads = [threading.Thread(target=view, args=(edge,)) for edge in self.edges]
        threads += [threading.Thread(target=change) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            processes.eventually("changes", lambda: len(acknowledged) >= 10)
            self.etcd.kill()
            processes.eventually("refusals", lambda: len(refused) >= 2, secs=30)
            self.restart_etcd()
            known = len(acknowledged)
            processes.eventually("changes again", lambda: len(acknowledged) >= known + 10, secs=45)
        finally:
            stopped.set()
            for thread in threads:
                thread.join(timeout=60)
        self.assertEqual(wrong, [], "viewers notice nothing")
        self.assertEqual(set(refused), {503})
        for made in acknowledged:
            self.await_deployed(made["Id"])
        for edge in self.edges:
            for made in acknowledged:
                self.assertEqual(edge.get(made["DomainName"], "/").status, 200, made["Id"])

    def test_a_killed_edge_holds_nothing_back_beyond_its_lease(self):
        made = self.make_distribution(DefaultRootObject="a.html")
        self.edges[1].kill()
        got = self.cloudfront.get_distribution_config(Id=made["Id"])
        config = {**got["DistributionConfig"], "DefaultRootObject": "b.html"}
        started = time.monotonic()
        self.cloudfront.update_distribution(
            Id=made["Id"], IfMatch=got["ETag"], DistributionConfig=config)
        status = self.cloudfront.get_distribution(Id=made["Id"])["Distribution"]["Status"]
        self.assertEqual(status, "InProgress", "the dead edge may live")
        processes.eventually("the live edge", lambda: self.edges[0].get(
            made["DomainName"]).body.startswith("/b.html"), secs=2)

        def is_deployed():
            got = self.cloudfront.get_distribution(Id=made["Id"])
            return got["Distribution"]["Status"] == "Deployed"

        processes.eventually("it to be deployed", is_deployed, secs=LEASE_SECS + 5)
        self.assertLess(time.monotonic() - started, LEASE_SECS + 3)

        # Back again, it has what it missed before anything waits for it.
        self.edges[1].start()
        self.assertTrue(processes.eventually(
            "what it missed", lambda: self.edges[1].get(
                made["DomainName"]).body.startswith("/b.html"), secs=5))

    def test_control_planes_are_many_and_have_nothing_of_their_own(self):
        other = self.node("control")
        self.assertFalse((other.data / "credentials").exists(), "the key was told once")
        client = self.client_of(other)
        made = self.make_distribution(DefaultRootObject="a.html")
        self.change(made["Id"], lambda config: config.update(DefaultRootObject="b.html"), client)
        self.both_show(made["DomainName"], "b.html")
        got = self.cloudfront.get_distribution_config(Id=made["Id"])
        self.assertEqual(got["DistributionConfig"]["DefaultRootObject"], "b.html")

        # Of two that change the same at once one wins, whomever they ask.
        clients, outcomes = [self.cloudfront, client] * 4, []

        def update(client):
            config = {**got["DistributionConfig"], "Comment": unique("c")}
            try:
                client.update_distribution(
                    Id=made["Id"], IfMatch=got["ETag"], DistributionConfig=config)
                outcomes.append("updated")
            except botocore.exceptions.ClientError as error:
                outcomes.append(error.response["Error"]["Code"])

        self.for_each(clients, update, threads=8)
        self.assertEqual(sorted(outcomes), ["PreconditionFailed"] * 7 + ["updated"])

        self.control.kill()
        self.change(made["Id"], lambda config: config.update(DefaultRootObject="c.html"), client)
        self.both_show(made["DomainName"], "c.html")

    def test_a_control_plane_may_start_before_its_store(self):
        self.etcd.kill()
        early = self.node("control")
        self.restart_etcd()
        client = self.client_of(early)

        def is_answered():
            with contextlib.suppress(botocore.exceptions.ClientError):
                return client.list_distributions()

        processes.eventually("an answer", is_answered, secs=30)
        made = self.make_distribution(client)
        self.assertEqual([answer.status for answer in self.on_both(made["DomainName"])], [200] * 2)

    def test_an_edge_waits_for_a_store_that_it_has_never_seen(self):
        made = self.make_distribution()
        self.etcd.kill()
        new = self.node("edge")
        self.assertEqual(new.get(made["DomainName"]).status, 403, "it knows of nothing")
        processes.eventually("its word of it", lambda: "store is away" in new.log())
        self.restart_etcd()
        processes.eventually("what the store says", lambda: new.get(
            made["DomainName"]).status == 200, secs=30)
        processes.eventually("its word of it", lambda: "store is back" in new.log())
        # Who follows health checks beside the edge has a word of its own.
        told = "\n".join(line for line in new.log().splitlines() if "health" not in line)
        self.assertEqual((told.count("store is away"), told.count("store is back")), (1, 1), told)

    def test_an_edge_that_leaves_holds_nothing_back(self):
        made = self.make_distribution(DefaultRootObject="a.html")
        self.assertEqual(self.edges[1].stop(), 0)
        started = time.monotonic()
        self.change(made["Id"], lambda config: config.update(DefaultRootObject="b.html"))
        self.assertLess(time.monotonic() - started, 3, "it gave its lease back")
