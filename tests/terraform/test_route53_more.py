"""Health checks, traffic policies, signing, query logging and private zones of Route 53."""

from route53_case import Route53Case


class Route53More(Route53Case):
    configuration = "route53_more"
    resources_made = 24
    resources_changed = 15

    @classmethod
    def set_up(cls):
        return {"origin_port": cls.start_site()}

    def test_1_one_apply_makes_everything_and_data_sources_tell_the_same(self):
        self.apply_all()
        self.assert_data_agree(but=("force_destroy", "timeouts", "name_servers", "vpc_id"))
        found = {r.address: r.attributes for r in self.terraform.resources()}
        exclusive = found["data.aws_route53_records.exclusive"]["resource_record_sets"]
        self.assertEqual(["NS", "SOA", "CNAME", "CNAME", "A"], [each["type"] for each in exclusive])
        check = found["aws_route53_health_check.http"]
        self.assertEqual(f"arn:aws:route53:::healthcheck/{check['id']}", check["arn"])

    def test_2_a_traffic_policy_is_answered_by_its_rules(self):
        zone = self.terraform.resource("aws_route53_zone.main")["zone_id"]
        self.assertEqual(["192.0.2.3"], self.answered(zone, "places.more.example.com", "A"))
        self.assertEqual(['"here"'], self.answered(zone, "one.more.example.com", "TXT"))

    def test_3_a_signed_zone_tells_what_its_parent_needs(self):
        key = self.terraform.resource("aws_route53_key_signing_key.main")
        self.assertEqual(f"{key['key_tag']} 13 2 {key['digest_value']}", key["ds_record"])
        self.assertEqual(f"257 3 13 {key['public_key']}", key["dnskey_record"])
        told = self.route53(f"hostedzone/{key['hosted_zone_id']}/dnssec")
        self.assertEqual("SIGNING", told.findtext("Status/ServeSignature"))

    def test_4_then_there_is_nothing_to_do(self):
        self.assert_nothing_to_do()

    def test_5_everything_can_be_changed_in_place(self):
        self.apply_change()
        self.assert_nothing_to_do(changed=True)

    def test_6_everything_can_be_imported(self):
        # force_destroy of a zone; and all records of it are read once they are written.
        self.import_all(changes=2, changed=True)

    def test_7_destroy_leaves_nothing(self):
        self.destroy_all(changed=True)
        self.assert_nothing_left(
            ("hostedzone", "HostedZone"), ("healthcheck", "HealthCheck"),
            ("trafficpolicies", "TrafficPolicySummary"),
            ("trafficpolicyinstances", "TrafficPolicyInstance"),
            ("queryloggingconfig", "QueryLoggingConfig"))
