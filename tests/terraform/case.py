"""What the test classes have in common: the life of a configuration, from plan to destroy.

Each class has one configuration, a server of its own, and tests that depend on each other in the
order of their names: a class ends at its first failure.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import processes  # noqa: E402

CONFIGURATIONS = HERE / "configurations"
COMMAND_SECS_MAX = 300
PLUGINS = [Path("/opt/tf-plugins"), Path("/usr/local/share/tf-plugins"), Path("~/tf-plugins")]

# What import ids are made of, where that is not `id` alone.
IMPORT_IDS = {
    "aws_cloudfront_key_value_store": "{name}",
    "aws_cloudfrontkeyvaluestore_keys_exclusive": "{key_value_store_arn}",
    "aws_route53_records_exclusive": "{zone_id}",
    "aws_route53_traffic_policy": "{id}/{version}",
    "aws_s3_object": "{bucket}/{key}",
}

PAGES = {
    "index.html": "home",
    "about.html": "about",
    "errors/404.html": "not here",
    "backup/fails": "backup",
    "blue/index.html": "blue",
    "green/index.html": "green",
}

LOCATIONS = """
    location = /fails { return 503 "primary\\n"; }
    location /api/ { return 200 "agent=$http_user_agent args=$args secret=$http_x_secret\\n"; }
    location /old/ {
        add_header X-Powered-By nginx;
        return 200 "lang=$http_accept_language cookie=$http_cookie args=$args\\n";
    }
"""


def plugins():
    """The folder that `terraform init -plugin-dir` takes, or nothing."""
    named = os.environ.get("WARMFRONT_TF_PLUGINS")
    places = [Path(named)] if named else PLUGINS
    return next((str(place) for path in places if (place := path.expanduser()).is_dir()), None)


def missing():
    """Why nothing can be tested here, or nothing."""
    if shutil.which("terraform") is None:
        return "terraform is not installed"
    if plugins() is None:
        return (
            "no folder of Terraform's plugins (WARMFRONT_TF_PLUGINS, or "
            f"{', '.join(map(str, PLUGINS))})"
        )
    return None


class Workspace:
    """A directory with a configuration, and a state of its own."""

    def __init__(self, directory, configuration, environment):
        self.directory = directory
        self.environment = environment
        for path in [CONFIGURATIONS / "provider.tf", *(CONFIGURATIONS / configuration).iterdir()]:
            shutil.copy(path, directory)

    def run(self, *arguments, codes=(0,)):
        done = subprocess.run(
            ["terraform", *arguments],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECS_MAX,
            preexec_fn=processes.die_with_parent,
        )
        if done.returncode not in codes:
            raise AssertionError(f"terraform {' '.join(arguments)}: {done.stdout}")
        return done.returncode, done.stdout

    def init_like(self, other):
        """What `init` makes does not depend on the directory; it reads all of the provider."""
        shutil.copy(other.directory / ".terraform.lock.hcl", self.directory)
        shutil.copytree(
            other.directory / ".terraform", self.directory / ".terraform", symlinks=True
        )

    def init(self):
        self.run("init", "-no-color", "-input=false", f"-plugin-dir={plugins()}")

    def apply(self, **variables):
        """Its last words: `Resources: 1 added, 0 changed, 0 destroyed`."""
        _, output = self.run(
            "apply", "-no-color", "-input=false", "-auto-approve", *flags(variables)
        )
        return next(line for line in output.splitlines() if line.startswith("Apply complete!"))

    def differences(self, **variables):
        """What a plan would do; nothing if nothing."""
        code, output = self.run(
            "plan", "-no-color", "-input=false", "-detailed-exitcode", *flags(variables),
            codes=(0, 2),
        )
        return output if code == 2 else ""

    def destroy(self, **variables):
        self.run("destroy", "-no-color", "-input=false", "-auto-approve", *flags(variables))

    def resources(self):
        """All that stands in the state: mode, type, name, instance key, attributes."""
        path = self.directory / "terraform.tfstate"
        for resource in json.loads(path.read_text())["resources"]:
            for instance in resource["instances"]:
                yield Resource(resource, instance)

    def resource(self, address):
        return next(r.attributes for r in self.resources() if r.address == address)


def flags(variables):
    return [f"-var={name}={text(value)}" for name, value in variables.items()]


def text(value):
    """A variable's value as Terraform takes it: texts bare."""
    return value if isinstance(value, str) else json.dumps(value)


class Resource:
    def __init__(self, resource, instance):
        self.is_data = resource["mode"] == "data"
        self.type = resource["type"]
        key = instance.get("index_key")
        index = "" if key is None else f"[{json.dumps(key)}]"
        self.address = f"{'data.' * self.is_data}{self.type}.{resource['name']}{index}"
        self.attributes = instance["attributes"]

    @property
    def import_id(self):
        return IMPORT_IDS.get(self.type, "{id}").format_map(self.attributes)


class Case(unittest.TestCase):
    """`configuration` names a directory of configurations/."""

    maxDiff = 4000
    configuration = None
    # What a first apply makes, and what one with `changed` changes, without making anything anew.
    resources_made = resources_changed = 0

    def run(self, result=None):
        # Without this, the failures of all later tests would follow.
        if result is not None:
            result.failfast = True
        return super().run(result)

    @classmethod
    def setUpClass(cls):
        cls.here = Path(tempfile.mkdtemp(prefix="warmfront-terraform-"))
        cls.addClassCleanup(shutil.rmtree, cls.here, ignore_errors=True)
        cls.edge = processes.Warmfront(cls.directory("edge"))
        cls.addClassCleanup(cls.edge.kill)
        port = cls.edge.api_url.rsplit(":", 1)[1]
        cls.variables = {"api_port": int(port), **cls.set_up()}
        cls.terraform = cls.workspace("first")
        cls.terraform.init()

    @classmethod
    def set_up(cls):
        """Starts what the configuration needs; gives its variables."""
        return {}

    @classmethod
    def directory(cls, name):
        directory = cls.here / name
        directory.mkdir(parents=True)
        return directory

    @classmethod
    def start_site(cls):
        """A real site; its port."""
        root = cls.directory("root")
        for name, text in PAGES.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        cls.nginx = processes.Nginx(root, cls.directory("nginx"), LOCATIONS)
        cls.addClassCleanup(cls.nginx.kill)
        return cls.nginx.port

    @classmethod
    def workspace(cls, name):
        """A directory with the configuration, and an empty state."""
        return Workspace(cls.directory(name), cls.configuration, cls.environment())

    @classmethod
    def environment(cls):
        """Nothing of the user's own settings of Terraform and AWS; the key that the server made."""
        kept = {
            name: value for name, value in os.environ.items()
            if not name.startswith(("TF_", "AWS_")) and not name.upper().endswith("_PROXY")
        }
        config = cls.here / "terraformrc"
        config.touch()
        return kept | {
            "AWS_SHARED_CREDENTIALS_FILE": str(cls.edge.data / "credentials"),
            "AWS_CONFIG_FILE": os.devnull,
            "CHECKPOINT_DISABLE": "1",
            "TF_CLI_CONFIG_FILE": str(config),
            "TF_IN_AUTOMATION": "1",
            **{f"TF_VAR_{name}": text(value) for name, value in cls.variables.items()},
            # The values of key value stores are asked of the account's own name below localhost,
            # which not every system resolves. The API takes such requests as a proxy would.
            "HTTP_PROXY": cls.edge.api_url,
        }

    def apply_all(self):
        words = self.terraform.apply()
        made = self.resources_made
        self.assertIn(f"Resources: {made} added, 0 changed, 0 destroyed", words)

    def apply_change(self):
        words = self.terraform.apply(changed=True)
        changed = self.resources_changed
        self.assertIn(f"Resources: 0 added, {changed} changed, 0 destroyed", words)

    def assert_nothing_to_do(self, terraform=None, **variables):
        self.assertEqual("", (terraform or self.terraform).differences(**variables))

    def assert_data_agree(self, *, but=()):
        """Every data source that has a resource's type and name tells the same as that one."""
        resources = {r.address: r for r in self.terraform.resources()}
        compared = 0
        for data in filter(lambda r: r.is_data, resources.values()):
            resource = resources.get(data.address.removeprefix("data."))
            if resource is None:
                continue
            for name in data.attributes.keys() & resource.attributes.keys() - set(but):
                with self.subTest(data.address, attribute=name):
                    # The provider has both for an empty list.
                    values = (data.attributes[name] or None, resource.attributes[name] or None)
                    self.assertEqual(*values)
            compared += 1
        self.assertGreater(compared, 0)

    def import_all(self, changes=0, **variables):
        """Imports everything into another state. What the provider wants to know of a resource and
        the API does not tell, as whether a function is to be published, it changes once."""
        other = self.workspace("imported")
        other.init_like(self.terraform)
        blocks = [
            f"import {{\n  to = {r.address}\n  id = {json.dumps(r.import_id, ensure_ascii=False)}\n"
            "}\n"
            for r in self.terraform.resources() if not r.is_data
        ]
        (other.directory / "imports.tf").write_text("".join(blocks))
        self.assertIn(
            f"Resources: {len(blocks)} imported, 0 added, {changes} changed, 0 destroyed",
            other.apply(**variables),
        )
        # Without changes, what was imported is as it is configured: that was the plan.
        if changes:
            self.assert_nothing_to_do(other, **variables)

    def destroy_all(self, *lists, **variables):
        """Destroys everything; the lists (paths of the API) are as empty as can be then."""
        self.terraform.destroy(**variables)
        self.assertEqual([], list(self.terraform.resources()))
        for path in lists:
            self.assertEqual([], self.listed(path), path)

    def listed(self, path):
        """The items of a list of the API, as text, asked by curl with the root key."""
        text = (self.edge.data / "credentials").read_text()
        words = dict(line.split(" = ") for line in text.splitlines() if " = " in line)
        answer = processes.curl(
            self.here, f"{self.edge.api_url}/2020-05-31/{path}",
            "--aws-sigv4", "aws:amz:us-east-1:cloudfront",
            "--user", f"{words['aws_access_key_id']}:{words['aws_secret_access_key']}",
        )
        self.assertEqual(200, answer.status, answer.body)
        root = xml.etree.ElementTree.fromstring(answer.body)
        items = next((part for part in root if part.tag.endswith("Items")), [])
        return [xml.etree.ElementTree.tostring(item).decode() for item in items]

    def get(self, host, path, *arguments):
        """A viewer's request."""
        return processes.curl(
            self.here, self.edge.url + path, "-H", f"Host: {host}", *arguments
        )

    def body(self, host, path, *arguments):
        return self.get(host, path, *arguments).body.decode().strip()


def public_key():
    """A new one, PEM."""
    private = subprocess.run(
        ["openssl", "genrsa", "2048"], check=True, capture_output=True, timeout=60
    )
    public = subprocess.run(
        ["openssl", "rsa", "-pubout"],
        input=private.stdout, check=True, capture_output=True, timeout=60,
    )
    return public.stdout.decode()


def in_threads(*tasks):
    with ThreadPoolExecutor(len(tasks)) as pool:
        return [made.result() for made in [pool.submit(task) for task in tasks]]
