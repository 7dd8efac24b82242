"""A running server, AWS's clients that talk to it, and an origin that it serves."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import boto3
import botocore.exceptions
from botocore.config import Config
from case import Case
from origin import Origin

import processes

CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
ALL_VIEWER = "216adef6-5c7f-47e4-b989-5492eafa07d3"
ACCOUNT = "123456789012"

# Nothing of the machine's own is asked: no configuration, no instance metadata, no pager.
CLEAN = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_PAGER": "",
    "AWS_MAX_ATTEMPTS": "1",
}
for name in [name for name in os.environ if name.startswith(("AWS_", "WARMFRONT_"))]:
    del os.environ[name]
os.environ.update(CLEAN)


def quantified(*items):
    """A list as CloudFront has them."""
    return {"Quantity": len(items), "Items": list(items)} if items else {"Quantity": 0}


def unique(stem):
    return f"{stem}-{uuid.uuid4().hex[:12]}"


def distribution_config(port, **changes):
    """The least that makes a distribution in front of a server of this machine."""
    return {
        "CallerReference": unique("ref"),
        "Comment": "",
        "Enabled": True,
        "Origins": quantified({
            "Id": "origin",
            "DomainName": "127.0.0.1",
            "CustomOriginConfig": {
                "HTTPPort": port, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only",
            },
        }),
        "DefaultCacheBehavior": {
            "TargetOriginId": "origin",
            "ViewerProtocolPolicy": "allow-all",
            "CachePolicyId": CACHING_OPTIMIZED,
        },
        **changes,
    }


class Key:
    """An access key."""

    def __init__(self, identifier, secret):
        self.id, self.secret = identifier, secret

    @staticmethod
    def of_file(path):
        pairs = dict(
            line.split(" = ", 1) for line in Path(path).read_text().splitlines() if " = " in line
        )
        return Key(pairs["aws_access_key_id"], pairs["aws_secret_access_key"])

    def environment(self, url):
        return {
            "AWS_ACCESS_KEY_ID": self.id,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": url,
        }


def client(service, url, key, region="us-east-1", **settings):
    settings = {"retries": {"total_max_attempts": 1}, "read_timeout": 30, **settings}
    return boto3.client(
        service, endpoint_url=url, region_name=region, aws_access_key_id=key.id,
        aws_secret_access_key=key.secret, config=Config(**settings),
    )


def aws(environment, *arguments, directory=None):
    """The AWS CLI."""
    return subprocess.run(
        [sys.executable, "-m", "awscli", *map(str, arguments)],
        env={**os.environ, **environment},
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


class Server(processes.Process):
    """A warmfront whose API can be asked. Started again, it has the ports that it had."""

    def __init__(self, directory, *flags):
        self.api_port, self.http_port = processes.free_port(), processes.free_port()
        self.dns_port, self.https_port = processes.free_port(), processes.free_port()
        self.url = f"http://127.0.0.1:{self.api_port}"
        self.data = Path(directory) / "data"
        self.flags = [
            "--data", self.data, "--api", f"127.0.0.1:{self.api_port}",
            "--http", f"127.0.0.1:{self.http_port}", "--dns", f"127.0.0.1:{self.dns_port}",
            "--https", f"127.0.0.1:{self.https_port}", "--workers", "1",
            "--cache-bytes", "64MiB", "--access-logs", "off", *flags,
        ]
        self.directory = Path(directory)
        self.start()

    def start(self):
        """Also starts it again, once it has ended."""
        command = [processes.warmfront_path(), "serve", *map(str, self.flags)]
        super().__init__("warmfront", command, self.directory)

        def is_up():
            # While it was down, its port may have been lent to somebody's outgoing connection.
            if self.child.poll() is not None and "nobody else listens on" in self.output():
                processes.Process.__init__(self, "warmfront", command, self.directory)
            self.check_runs()
            return "metrics" in self.stdout_path.read_text() and self.has_health()

        processes.eventually("warmfront's health", is_up)

    def has_health(self):
        with contextlib.suppress(OSError):
            return fetch(self.api_port, "localhost", "/health").status == 200

    @property
    def key(self):
        """The root key."""
        return Key.of_file(self.data / "credentials")

    def client(self, service="cloudfront", **settings):
        return client(service, self.url, self.key, **settings)

    def environment(self):
        return self.key.environment(self.url)

    def aws(self, *arguments, **settings):
        """The AWS CLI; what it says is JSON, if it says anything."""
        done = aws(self.environment(), *arguments, **settings)
        if done.returncode != 0:
            raise AssertionError(f"aws {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def run(self, *arguments):
        """A command of warmfront's own, with the key of the data directory."""
        return processes.run_warmfront(
            *arguments, "--endpoint", self.url, "--data", self.data, directory=self.directory)

    def get(self, host, path="/", **headers):
        """What a viewer gets. Underscores in names of headers are hyphens."""
        return fetch(self.http_port, host, path, headers)

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.wait(45)


class Seen:
    """A response, as a viewer sees it."""

    def __init__(self, response):
        self.status = response.status
        self.body = response.read().decode("utf-8", "replace")
        self.fields = response.getheaders()

    def field(self, name):
        return next((value for key, value in self.fields if key.lower() == name.lower()), None)

    @property
    def cache(self):
        """The first word of X-Cache."""
        return (self.field("X-Cache") or "none").split()[0]

    def __repr__(self):
        return f"{self.status} {self.fields} {self.body!r}"


def fetch(port, host, path, headers=(), method="GET", body=None):
    """One request, as it is written here: nothing is added but Host."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        headers = {name.replace("_", "-"): value for name, value in dict(headers).items()}
        connection.request(method, path, body=body, headers={"Host": host, **headers})
        return Seen(connection.getresponse())


class AwsCase(Case):
    """Each class has a server of its own, unless it starts others, and an origin."""

    maxDiff = 10_000
    FLAGS = ()

    @classmethod
    def set_up(cls):
        cls.origin = cls.start(Origin())
        cls.server = cls.start(Server(cls.directory("server"), *cls.FLAGS))
        cls.cloudfront = cls.server.client()

    def make_distribution(self, client=None, **changes):
        """A distribution in front of the origin, deployed."""
        client = client or self.cloudfront
        made = client.create_distribution(
            DistributionConfig=distribution_config(self.origin.port, **changes))
        self.await_deployed(made["Distribution"]["Id"], client)
        return made["Distribution"]

    def await_deployed(self, distribution, client=None):
        client = client or self.cloudfront

        def is_deployed():
            got = client.get_distribution(Id=distribution)["Distribution"]
            return got["Status"] == "Deployed"

        processes.eventually(f"{distribution} to be deployed", is_deployed)

    def change(self, distribution, change, client=None):
        """Gets a config, changes it, and puts it back, as every client does."""
        client = client or self.cloudfront
        got = client.get_distribution_config(Id=distribution)
        config = got["DistributionConfig"]
        change(config)
        updated = client.update_distribution(
            Id=distribution, IfMatch=got["ETag"], DistributionConfig=config)
        self.await_deployed(distribution, client)
        return updated

    def refused(self, code, call, *arguments, **parameters):
        """The call fails with that code; the error is returned, as boto3 has it."""
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(*arguments, **parameters)
        error = caught.exception.response["Error"]
        self.assertEqual(error["Code"], code, error)
        return error
