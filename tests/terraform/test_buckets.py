"""Buckets, their objects, and all that they are set to."""

import random

from buckets_case import BucketsCase
from case import CONFIGURATIONS, processes

# The provider's uploads are in parts of 5 MiB.
LARGE_BYTES = 11 << 20


class Buckets(BucketsCase):
    configuration = "buckets"
    resources_made = 23
    resources_changed = 12

    @classmethod
    def set_up(cls):
        cls.large = random.Random(1).randbytes(LARGE_BYTES)
        path = cls.directory("files") / "large"
        path.write_bytes(cls.large)
        return {"large_file": str(path)}

    def test_1_one_apply_makes_everything_and_data_sources_tell_the_same(self):
        self.apply_all()
        # The bucket itself was read before its website was set; objects have two ids.
        self.assert_data_agree(but=("id", "website_endpoint", "website_domain"))
        far = self.terraform.resource("aws_s3_bucket.far")
        self.assertEqual("eu-central-1", far["region"])
        site = self.terraform.resource("aws_s3_bucket.site")
        self.assertEqual("shop-site.s3.us-east-1.amazonaws.com",
                         site["bucket_regional_domain_name"])
        found = self.terraform.resource("data.aws_s3_objects.files")
        self.assertEqual(["away", "error.html", "index.html", "sorry.html"], found["keys"])
        self.assertEqual(["copies/", "files/", "hidden/"], found["common_prefixes"])
        owner = self.terraform.resource("data.aws_canonical_user_id.me")["id"]
        self.assertEqual(self.texts("/", "ID"), [owner])

    def test_2_then_there_is_nothing_to_do(self):
        self.assert_nothing_to_do()

    def test_3_what_was_applied_is_served(self):
        index = self.anybody("/shop-site/index.html")
        self.assertEqual((200, b"<h1>first</h1>\n"), (index.status, index.body))
        self.assertEqual(
            ("max-age=30", "inline", "en", "text/html; charset=utf-8", "first", "7"),
            tuple(map(index.field, ("Cache-Control", "Content-Disposition", "Content-Language",
                                    "Content-Type", "x-amz-meta-author",
                                    "x-amz-meta-build-number"))))
        resource = self.terraform.resource("aws_s3_object.index")
        self.assertEqual(resource["version_id"], index.field("x-amz-version-id"))
        copy = self.anybody("/shop-site/copies/index.html")
        self.assertEqual((index.body, "first"), (copy.body, copy.field("x-amz-meta-author")))
        source = self.anybody("/shop-site/files/a%20b%2Bc%20%C3%BC%26%281%29.tf")
        written = (CONFIGURATIONS / "buckets" / "main.tf").read_bytes()
        self.assertEqual((200, written), (source.status, source.body))
        large = self.anybody("/shop-site/files/large")
        self.assertTrue(large.body == self.large)
        self.assertRegex(large.field("ETag"), r'\A"[0-9a-f]{32}-3"\Z')
        # What the policy denies, and buckets without one.
        self.assertEqual(403, self.anybody("/shop-site/hidden/tagged.txt").status)
        self.assertEqual(200, self.s3("/shop-site/hidden/tagged.txt").status)
        self.assertEqual(403, self.anybody("/www.shop.test/far.json").status)

    def test_4_the_website_and_cross_origin_rules_are_served(self):
        site = self.terraform.resource("aws_s3_bucket_website_configuration.site")
        host = site["website_endpoint"]
        self.assertEqual("shop-site.s3-website-us-east-1.amazonaws.com", host)
        for path, status, seen in (
                ("/", 200, b"<h1>first</h1>\n"), ("/none", 404, b"error.html\n")):
            for answer in (self.anybody(path, "-H", f"Host: {host}"), self.get("site.test", path)):
                self.assertEqual((status, seen), (answer.status, answer.body), path)
        for path, status, location in (
                ("/old/x", 302, "https://shop.test/new/x"),
                ("/lost/x", 301, f"http://{host}/found.html"),
                ("/away", 301, "https://shop.test/away")):
            answer = self.anybody(path, "-H", f"Host: {host}")
            self.assertEqual((status, location), (answer.status, answer.field("Location")), path)
        plain = self.terraform.resource("aws_s3_bucket_website_configuration.plain")
        moved = self.anybody("/x", "-H", f"Host: {plain['website_endpoint']}")
        self.assertEqual((301, "https://shop.test/x"), (moved.status, moved.field("Location")))
        asked = self.anybody(
            "/shop-site/x", "-X", "OPTIONS", "-H", "Origin: https://a.shop.test",
            "-H", "Access-Control-Request-Method: PUT")
        self.assertEqual(
            (200, "https://a.shop.test", "3000"),
            (asked.status, asked.field("Access-Control-Allow-Origin"),
             asked.field("Access-Control-Max-Age")))

    def test_5_everything_can_be_changed_in_place(self):
        before = self.terraform.resource("aws_s3_object.tagged")["version_id"]
        self.apply_change()
        self.assert_nothing_to_do(changed=True)
        index = self.anybody("/shop-site/index.html")
        self.assertEqual((b"<h1>changed</h1>\n", "changed", "max-age=60"),
                         (index.body, index.field("x-amz-meta-author"),
                          index.field("Cache-Control")))
        host = self.terraform.resource("data.aws_s3_bucket.site")["website_endpoint"]
        self.assertEqual(b"sorry.html\n", self.anybody("/none", "-H", f"Host: {host}").body)
        # What was there before is a version still; tags are changed without a new one.
        versions = self.texts("/shop-site?prefix=index.html&versions=", "VersionId")
        self.assertEqual(2, len(versions))
        self.assertEqual(before, self.terraform.resource("aws_s3_object.tagged")["version_id"])
        self.assertEqual(200, self.anybody("/shop-site/hidden/tagged.txt").status)
        self.assertEqual(["changed"], self.texts("/shop-site/hidden/tagged.txt?tagging=", "Value"))

    def test_6_everything_can_be_imported(self):
        self.terraform.apply(changed=True, copied=False)
        self.import_all(changes=8, changed=True, copied=False)

    def contents(self):
        """The files that hold objects."""
        blobs = self.edge.data / "buckets" / "blobs"
        return [path for path in blobs.rglob("*") if path.is_file()]

    def test_7_a_bucket_that_is_not_empty_is_destroyed_if_that_was_said(self):
        # Versions and markers of deletions that Terraform knows nothing of.
        for path in ("/shop-site/more/1", "/shop-site/more/2%20%2B%C3%BC"):
            self.assertEqual(200, self.s3(path, "-X", "PUT", "--data-binary", "x").status)
            self.assertEqual(204, self.s3(path, "-X", "DELETE").status)
        self.assertNotEqual([], self.contents())
        self.destroy_all("distribution", changed=True, copied=False)
        self.assertEqual([], self.buckets())
        self.assertEqual(404, self.s3("/shop-site/index.html").status)
        processes.eventually("an empty disk", lambda: not self.contents())
