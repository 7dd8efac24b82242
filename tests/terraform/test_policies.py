"""Policies, origin access, keys, field-level encryption, logs, VPC origins: all that distributions
are made of."""

import case


class Policies(case.Case):
    configuration = "policies"
    resources_made = 17
    resources_changed = 17

    @classmethod
    def set_up(cls):
        return {"public_keys": case.in_threads(*[case.public_key] * 3)}

    def test_1_one_apply_makes_everything_and_data_sources_tell_the_same(self):
        self.apply_all()
        self.assert_data_agree()

    def test_2_data_sources_know_what_aws_manages(self):
        found = {r.address: r.attributes for r in self.terraform.resources() if r.is_data}
        managed = {address: data for address, data in found.items() if ".managed[" in address}
        self.assertEqual(19, len(managed))
        for address, data in managed.items():
            self.assertIn(data["name"], address)
        optimized = managed['data.aws_cloudfront_cache_policy.managed["Managed-CachingOptimized"]']
        self.assertEqual("658327ea-f89d-4fab-a63d-7e88639e58f6", optimized["id"])
        self.assertEqual(86400, optimized["default_ttl"])
        identities = "data.aws_cloudfront_origin_access_identities"
        identity = self.terraform.resource("aws_cloudfront_origin_access_identity.main")
        for name in ("all", "first"):
            self.assertEqual([identity["id"]], found[f"{identities}.{name}"]["ids"])
        owner = found["data.aws_cloudfront_log_delivery_canonical_user_id.here"]
        self.assertRegex(owner["id"], r"\A[0-9a-f]{64}\Z")
        self.assertEqual("123456789012", found["data.aws_caller_identity.me"]["account_id"])

    def test_3_then_there_is_nothing_to_do(self):
        self.assert_nothing_to_do()

    def test_4_everything_can_be_changed_in_place(self):
        self.apply_change()
        self.assert_nothing_to_do(changed=True)

    def test_5_everything_can_be_imported(self):
        self.import_all(changed=True)

    def test_6_destroy_leaves_nothing(self):
        self.destroy_all(
            "cache-policy?Type=custom",
            "origin-request-policy?Type=custom",
            "response-headers-policy?Type=custom",
            "origin-access-control",
            "origin-access-identity/cloudfront",
            "key-group",
            "public-key",
            "field-level-encryption",
            "field-level-encryption-profile",
            "realtime-log-config",
            "vpc-origin",
            changed=True,
        )
