"""Hosted zones and record sets of Route 53: every type, every policy, and what is answered.

What the provider has and is not here, needs a service that is not: `aws_vpc` (EC2) beside
private zones, `aws_kms_key` beside signed ones, `aws_cloudwatch_log_group` beside query logs. Ids
and ARNs stand in their places (see route53_more), which Route 53 never asks those services about.
"""

from route53_case import Route53Case, processes

# A record set that Terraform does not know of.
FOREIGN = """
<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/">
  <ChangeBatch><Changes><Change><Action>CREATE</Action><ResourceRecordSet>
    <Name>foreign.forced.example.com</Name><Type>A</Type><TTL>60</TTL>
    <ResourceRecords><ResourceRecord><Value>192.0.2.1</Value></ResourceRecord></ResourceRecords>
  </ResourceRecordSet></Change></Changes></ChangeBatch>
</ChangeResourceRecordSetsRequest>
"""


class Route53(Route53Case):
    configuration = "route53"
    resources_made = 61
    resources_changed = 51

    @classmethod
    def set_up(cls):
        return {"origin_port": cls.start_site(), "closed_port": processes.free_port()}

    def zone(self, address="aws_route53_zone.main"):
        return self.terraform.resource(address)["zone_id"]

    def assert_answered(self, expected, name, kind, subnet=None):
        with self.subTest(name, kind=kind, subnet=subnet):
            name = f"{name}.main.example.com"
            self.assertEqual(expected, self.answered(self.zone(), name, kind, subnet))

    def test_1_one_apply_makes_everything_and_data_sources_tell_the_same(self):
        self.apply_all()
        # The provider sorts name servers of resources, and not those of data sources.
        self.assert_data_agree(but=("force_destroy", "timeouts", "name_servers"))
        found = {r.address: r.attributes for r in self.terraform.resources()}
        main = found["aws_route53_zone.main"]
        self.assertEqual("main.example.com", main["name"])
        self.assertEqual(main["zone_id"], found["data.aws_route53_zone.tagged"]["zone_id"])
        self.assertEqual(4, len(found["data.aws_route53_zones.all"]["ids"]))
        network = found["data.aws_route53_records.network"]["resource_record_sets"]
        self.assertEqual(
            ["elsewhere", "office", "seoul"], [each["set_identifier"] for each in network])
        shared = found["aws_route53_delegation_set.shared"]["name_servers"]
        for name in ("example.org", "example.net"):
            zone = found[f'aws_route53_zone.shared["{name}"]']
            self.assertEqual(sorted(shared), sorted(zone["name_servers"]))

    def test_2_what_was_applied_is_answered(self):
        self.assert_answered(["192.0.2.1", "192.0.2.9"], "types", "A")
        self.assert_answered(["192.0.2.1", "192.0.2.9"], "alias-simple", "A")
        self.assert_answered(['"*.wild"', '"first"'], "any.wild", "TXT")
        self.assert_answered(["all.first.example.net."], "weighted", "CNAME")
        self.assert_answered(['"first seoul"'], "network", "TXT", "203.0.113.7")
        self.assert_answered(['"first office"'], "alias-group", "TXT", "198.51.100.7")
        self.assert_answered(['"first elsewhere"'], "network", "TXT", "192.0.2.7")
        self.assert_answered("NXDOMAIN", "none", "A")
        self.assert_answered(["127.0.0.1"], "cdn", "A")
        self.assertEqual("home", self.body("cdn.main.example.com", "/index.html"))

    def test_3_what_fails_its_health_check_is_not_answered(self):
        for name, expected in (
            ("failover", ["192.0.2.21"]), ("multivalue", ["192.0.2.31"]), ("tree", ["192.0.2.21"]),
        ):
            def is_answered(name=name, expected=expected):
                return expected == self.answered(self.zone(), f"{name}.main.example.com", "A")

            processes.eventually(f"{name} to be {expected}", is_answered, 40)

    def test_4_then_there_is_nothing_to_do(self):
        self.assert_nothing_to_do()

    def test_5_everything_can_be_changed_in_place(self):
        self.apply_change()
        self.assert_nothing_to_do(changed=True)
        self.assert_answered(["192.0.2.2", "192.0.2.9"], "alias-simple", "A")
        self.assert_answered(['"changed office"'], "network", "TXT", "198.51.100.7")
        self.assert_answered(["192.0.2.22"], "tree", "A")

    def test_6_everything_can_be_imported(self):
        # force_destroy of a zone, allow_overwrite of two record sets, wait_for_deployment.
        self.import_all(changes=4, changed=True)

    def test_7_destroy_leaves_nothing(self):
        self.route53(
            f"hostedzone/{self.zone('aws_route53_zone.forced')}/rrset/", "--data", FOREIGN)
        self.destroy_all("distribution", changed=True)
        self.assert_nothing_left(
            ("hostedzone", "HostedZone"), ("healthcheck", "HealthCheck"),
            ("delegationset", "DelegationSet"), ("cidrcollection", "member"))
