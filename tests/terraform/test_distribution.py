"""A distribution with a bit of everything, and what viewers see of it."""

import case


class Distribution(case.Case):
    configuration = "distribution"
    resources_made = 14
    resources_changed = 3

    @classmethod
    def set_up(cls):
        return {"origin_port": cls.start_site(), "public_key": case.public_key()}

    @property
    def own_name(self):
        return self.terraform.resource("aws_cloudfront_distribution.shop")["domain_name"]

    def test_1_one_apply_makes_everything_and_data_sources_tell_the_same(self):
        self.apply_all()
        shop = self.terraform.resource("aws_cloudfront_distribution.shop")
        self.assertEqual("Deployed", shop["status"])
        self.assertEqual("Z2FDTNDATAQYW2", shop["hosted_zone_id"])
        self.assert_data_agree()

    def test_2_viewers_see_what_was_applied(self):
        for host in ("shop.test", self.own_name):
            self.assertEqual("home", self.body(host, "/"))
        self.assertEqual("about", self.body("shop.test", "/about.html?page=1"))
        # Of the query string, only `page` is in the cache key.
        again = self.get("shop.test", "/about.html?page=1&other=2")
        self.assertEqual("Hit", again.cache)
        self.assertEqual("Miss", self.get("shop.test", "/about.html?page=2").cache)
        self.assertEqual("first", again.field("X-Answer"))
        self.assertEqual("DENY", again.field("X-Frame-Options"))
        api = self.get("shop.test", "/api/x?a=1", "-A", "a browser")
        self.assertEqual(b"agent=a browser args=a=1 secret=first\n", api.body)
        self.assertEqual("nosniff", api.field("X-Content-Type-Options"))
        old = self.body("shop.test", "/old/x?page=1", "-H", "Accept-Language: de",
                        "-H", "Cookie: theme=dark; other=1")
        self.assertEqual("lang=de cookie=theme=dark args=page=1", old)
        self.assertEqual("backup", self.body("shop.test", "/fails"))
        absent = self.get("shop.test", "/absent")
        self.assertEqual((404, b"not here\n"), (absent.status, absent.body))

    def test_3_then_there_is_nothing_to_do(self):
        self.assert_nothing_to_do()

    def test_4_a_change_in_place_is_what_viewers_see(self):
        self.apply_change()
        for host in ("shop.test", "new.shop.test"):
            self.assertEqual("about", self.body(host, "/"))
        # Stored before; its answer is of now.
        answer = self.get("shop.test", "/about.html?page=1")
        self.assertEqual(("Hit", "changed"), (answer.cache, answer.field("X-Answer")))
        self.assertIn("secret=changed", self.body("shop.test", "/api/x"))
        self.assertEqual(200, self.get("shop.test", "/absent?again").status)
        self.assert_nothing_to_do(changed=True)

    def test_5_everything_can_be_imported(self):
        self.import_all(changes=1, changed=True)

    def test_6_destroy_leaves_nothing_and_viewers_see_nothing(self):
        self.destroy_all(
            "distribution",
            "cache-policy?Type=custom",
            "origin-access-control",
            "key-group",
            "function",
            changed=True,
        )
        self.assertEqual(403, self.get("shop.test", "/").status)
