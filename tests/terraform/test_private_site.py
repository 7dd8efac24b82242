"""The example of a private site, as it is."""

import json
import os
import shutil
import subprocess

import case
from buckets_case import BucketsCase
from case import processes

EXAMPLE = processes.ROOT / "examples" / "private"
PAGES = {
    name: (EXAMPLE / "site" / name).read_text() for name in ("index.html", "members/report.html")
}
HOST = "members.localhost"


class Example(case.Workspace):
    """The example, word for word, and the environment that its README asks for."""

    def __init__(self, directory, environment):
        self.directory, self.environment = directory, environment
        kept = shutil.ignore_patterns(".*", "*.pem", "terraform.tfstate*")
        shutil.copytree(EXAMPLE, directory, dirs_exist_ok=True, ignore=kept)


class PrivateSite(BucketsCase):
    resources_made = 9

    @classmethod
    def set_up(cls):
        cls.keys = cls.directory("keys")
        for arguments in (("genrsa", "-out", "private.pem", "2048"),
                          ("rsa", "-in", "private.pem", "-pubout", "-out", "public.pem")):
            subprocess.run(["openssl", *arguments], cwd=cls.keys, check=True,
                           capture_output=True, timeout=60)
        return {}

    @classmethod
    def workspace(cls, name):
        workspace = Example(cls.directory(name), cls.environment())
        shutil.copy(cls.keys / "public.pem", workspace.directory)
        return workspace

    @classmethod
    def environment(cls):
        """Nothing but what `warmfront keys export` prints."""
        told = processes.run_warmfront(
            "keys", "export", "--endpoint", cls.edge.api_url, "--data", cls.edge.data,
            "--output", "json")
        exported = json.loads(told.stdout)
        return {
            name: value for name, value in super().environment().items()
            if name in ("PATH", "HOME", "CHECKPOINT_DISABLE", "TF_CLI_CONFIG_FILE")
        } | exported | {"AWS_CONFIG_FILE": os.devnull}

    def signed(self, path):
        """The path with a signature for it, as the command makes it."""
        url = f"http://{HOST}:{self.edge.port}"
        key_id = self.terraform.resource("aws_cloudfront_public_key.signer")["id"]
        told = processes.run_warmfront(
            "sign", url + path, "--key", self.keys / "private.pem", "--key-pair-id", key_id,
            "--expires", "1h")
        self.assertEqual(0, told.returncode, told.stderr)
        return told.stdout.strip().removeprefix(url)

    def seen(self, path):
        answer = self.get(f"{HOST}:{self.edge.port}", path)
        return answer.status, answer.body.decode()

    def test_1_one_apply_makes_everything(self):
        self.apply_all()

    def test_2_then_there_is_nothing_to_do(self):
        self.assert_nothing_to_do()

    def test_3_the_site_is_read_at_the_edge_and_by_members_where_it_is_theirs(self):
        self.assertEqual((200, PAGES["index.html"]), self.seen("/"))
        self.assertEqual((200, PAGES["members/report.html"]),
                         self.seen(self.signed("/members/report.html")))
        status, told = self.seen("/members/report.html")
        self.assertEqual(403, status)
        self.assertIn("<Code>MissingKey</Code>", told)

    def test_4_nobody_reads_the_bucket_itself(self):
        name = self.terraform.resource("aws_s3_bucket.site")["bucket_regional_domain_name"]
        for path, host in (("/members-site/index.html", "localhost"),
                           ("/members-site", "localhost"), ("/index.html", name), ("/", name)):
            self.assertEqual(403, self.anybody(path, "-H", f"Host: {host}").status, path)
        self.assertEqual(200, self.s3("/members-site/index.html").status)

    def test_5_a_changed_object_is_served_after_an_invalidation(self):
        page = self.terraform.directory / "site" / "index.html"
        page.write_text("<h1>Changed</h1>\n")
        self.assertIn("Resources: 0 added, 1 changed, 0 destroyed", self.terraform.apply())
        self.assert_nothing_to_do()
        self.assertEqual((200, PAGES["index.html"]), self.seen("/"))
        done = processes.run_warmfront(
            "invalidate", HOST, "/*", "--wait", "--endpoint", self.edge.api_url,
            "--data", self.edge.data)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual((200, "<h1>Changed</h1>\n"), self.seen("/"))

    def test_6_destroy_leaves_nothing_also_of_what_others_put_there(self):
        put = self.s3("/members-site/others/1", "-X", "PUT", "--data-binary", "x")
        self.assertEqual(200, put.status, put.body)
        self.destroy_all("distribution", "origin-access-control", "key-group", "public-key")
        self.assertEqual([], self.buckets())
        self.assertEqual(403, self.get(HOST, "/").status)
