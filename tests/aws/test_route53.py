"""The API of Route 53 as boto3 and the AWS CLI see it: what it takes, refuses, lists and pages."""

import base64
import datetime
import json

from aws_case import unique
from dns_case import DnsCase, record_set

import processes

LOCATION = "https://route53.amazonaws.com/2013-04-01/"
VPC = {"VPCRegion": "us-east-1", "VPCId": "vpc-11111111"}
KMS_KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
LOG_GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/route53/example.com"
HTTP_CHECK = {"Type": "HTTP", "FullyQualifiedDomainName": "www.example.com", "Disabled": True}


def policy_document(value="192.0.2.1", kind="A"):
    return json.dumps({
        "AWSPolicyFormatVersion": "2015-10-01", "RecordType": kind, "StartEndpoint": "e",
        "Endpoints": {"e": {"Type": "value", "Value": value}}})


class Route53Case(DnsCase):
    def names(self, zone, **start):
        """Names, types and identifiers of a zone's record sets, in their order."""
        listed = self.route53.list_resource_record_sets(HostedZoneId=zone, **start)
        return [" ".join(filter(None, (found["Name"], found["Type"], found.get("SetIdentifier"))))
                for found in listed["ResourceRecordSets"]]

    def status(self, answer):
        return answer["ResponseMetadata"]["HTTPStatusCode"]

    def assert_made(self, answer, path):
        """What is made is told with where it is."""
        self.assertEqual(self.status(answer), 201)
        self.assertEqual(answer["Location"], LOCATION + path)

    def health_check(self, **config):
        made = self.route53.create_health_check(
            CallerReference=unique("ref"), HealthCheckConfig={**HTTP_CHECK, **config})
        return made["HealthCheck"]["Id"]

    def paged(self, call, page, result):
        """All results of a list that boto3 has no paginator for. `page` makes, of an answer, the
        parameters that go on."""
        found, more = [], {}
        while True:
            answer = call(MaxItems="2", **more)
            self.assertEqual(answer["MaxItems"], "2")
            self.assertLessEqual(len(answer[result]), 2)
            found += answer[result]
            if not answer["IsTruncated"]:
                return found
            more = page(answer)


class Zones(Route53Case):
    def test_a_zone_is_told_with_its_ids_name_servers_and_dates(self):
        name = f"{unique('Z')}.Example.com"
        made = self.route53.create_hosted_zone(
            Name=name, CallerReference=unique("ref"), HostedZoneConfig={"Comment": "ü <&>"})
        zone, change = made["HostedZone"], made["ChangeInfo"]
        self.assertRegex(zone["Id"], r"\A/hostedzone/Z[0-9A-Z]{1,31}\Z")
        self.assert_made(made, zone["Id"].removeprefix("/"))
        self.assertEqual(zone["Name"], f"{name.lower()}.")
        self.assertEqual(zone["Config"], {"Comment": "ü <&>", "PrivateZone": False})
        self.assertEqual(zone["ResourceRecordSetCount"], 2)
        self.assertEqual(change["Status"], "PENDING")
        self.assertRegex(change["Id"], r"\A/change/C[0-9A-Z]{1,31}\Z")
        since = datetime.datetime.now(datetime.timezone.utc) - change["SubmittedAt"]
        self.assertLess(abs(since.total_seconds()), 60)
        servers = made["DelegationSet"]["NameServers"]
        self.assertEqual(len(set(servers)), 4)
        for zone_id in (zone["Id"], zone["Id"].removeprefix("/hostedzone/")):
            got = self.route53.get_hosted_zone(Id=zone_id)
            self.assertEqual(got["HostedZone"], zone)
            self.assertEqual(got["DelegationSet"]["NameServers"], servers)
        waiter = self.route53.get_waiter("resource_record_sets_changed")
        waiter.wait(Id=change["Id"], WaiterConfig={"Delay": 1, "MaxAttempts": 20})
        deleted = self.route53.delete_hosted_zone(Id=zone["Id"])
        self.assertEqual((self.status(deleted), deleted["ChangeInfo"]["Status"]), (200, "PENDING"))
        error = self.refused("NoSuchHostedZone", self.route53.get_hosted_zone, Id=zone["Id"])
        self.assertEqual(
            error["Message"], f"No hosted zone found with ID: {zone['Id'].rpartition('/')[2]}")

    def test_what_cannot_be_a_zone_is_refused_by_its_own_error(self):
        create, reference = self.route53.create_hosted_zone, unique("ref")
        create(Name="once.example.com", CallerReference=reference)
        for code, parameters in (
            ("HostedZoneAlreadyExists", {"Name": "b.example.com", "CallerReference": reference}),
            ("InvalidDomainName", {"Name": "a..example.com"}),
            ("InvalidDomainName", {"Name": "com"}),
            ("NoSuchDelegationSet", {"Name": "b.example.com", "DelegationSetId": "N123"}),
            ("InvalidVPCId", {"Name": "b.example.com", "VPC": {**VPC, "VPCId": "net-1"}}),
        ):
            with self.subTest(code, **parameters):
                self.refused(code, create, **{"CallerReference": unique("ref"), **parameters})
        self.refused("NoSuchChange", self.route53.get_change, Id="C123")

    def test_a_comment_changes_and_goes(self):
        zone, _ = self.zone(HostedZoneConfig={"Comment": "one"})
        update = self.route53.update_hosted_zone_comment
        told = update(Id=zone, Comment="two")["HostedZone"]
        self.assertEqual(told["Config"]["Comment"], "two")
        self.assertNotIn("Comment", update(Id=zone)["HostedZone"]["Config"])

    def test_zones_are_listed_by_id_and_by_name_a_page_at_a_time(self):
        marked = unique("list")
        made = {self.zone(f"{label}.{marked}.example.com")[0] for label in ("c", "a.b", "b", "a")}
        private, _ = self.zone(f"p.{marked}.example.com", VPC=VPC)
        listed = self.paged(
            self.route53.list_hosted_zones, lambda page: {"Marker": page["NextMarker"]},
            "HostedZones")
        ids = [zone["Id"].removeprefix("/hostedzone/") for zone in listed]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertLessEqual(made | {private}, set(ids))
        pages = self.route53.get_paginator("list_hosted_zones").paginate(
            PaginationConfig={"PageSize": 3})
        self.assertEqual([zone["Id"] for page in pages for zone in page["HostedZones"]],
                         [zone["Id"] for zone in listed])
        self.assertEqual(self.route53.get_hosted_zone_count()["HostedZoneCount"], len(ids))
        only = self.route53.list_hosted_zones(HostedZoneType="PrivateHostedZone")["HostedZones"]
        self.assertIn(f"/hostedzone/{private}", [zone["Id"] for zone in only])
        self.assertTrue(all(zone["Config"]["PrivateZone"] for zone in only))

        def next_name(page):
            return {"DNSName": page["NextDNSName"], "HostedZoneId": page["NextHostedZoneId"]}

        named = [zone["Name"] for zone in self.paged(
            self.route53.list_hosted_zones_by_name, next_name, "HostedZones")]
        ours = [name.split(".list-")[0] for name in named if marked in name]
        self.assertEqual(ours, ["a", "b", "a.b", "c", "p"])
        found = self.route53.list_hosted_zones_by_name(DNSName=f"b.{marked}.example.com")
        self.assertEqual(found["HostedZones"][0]["Name"], f"b.{marked}.example.com.")
        self.assertEqual(found["DNSName"], f"b.{marked}.example.com")

    def test_reusable_delegation_sets_give_zones_their_name_servers(self):
        reference = unique("set")
        made = self.route53.create_reusable_delegation_set(CallerReference=reference)
        told = made["DelegationSet"]
        self.assertRegex(told["Id"], r"\A/delegationset/N[0-9A-Z]{1,31}\Z")
        self.assert_made(made, told["Id"].removeprefix("/"))
        self.assertEqual(told["CallerReference"], reference)
        zone, name = self.zone(DelegationSetId=told["Id"])
        got = self.route53.get_hosted_zone(Id=zone)["DelegationSet"]
        self.assertEqual((got["Id"], got["NameServers"]), (told["Id"], told["NameServers"]))
        self.assertEqual(
            self.route53.get_reusable_delegation_set(Id=told["Id"])["DelegationSet"], told)
        limit = self.route53.get_reusable_delegation_set_limit(
            Type="MAX_ZONES_BY_REUSABLE_DELEGATION_SET", DelegationSetId=told["Id"])
        self.assertEqual((limit["Count"], limit["Limit"]["Value"]), (1, 100))
        listed = self.route53.list_hosted_zones(DelegationSetId=told["Id"])["HostedZones"]
        self.assertEqual([found["Id"] for found in listed], [f"/hostedzone/{zone}"])
        for other in (name, f"sub.{name}"):
            self.refused("ConflictingDomainExists", self.zone, other, DelegationSetId=told["Id"])
        create = self.route53.create_reusable_delegation_set
        self.refused("DelegationSetAlreadyCreated", create, CallerReference=reference)
        self.refused("DelegationSetAlreadyReusable", create, CallerReference=unique("set"),
                     HostedZoneId=zone)
        self.refused("HostedZoneNotFound", create, CallerReference=unique("set"),
                     HostedZoneId="Z123")
        delete = self.route53.delete_reusable_delegation_set
        self.refused("DelegationSetInUse", delete, Id=told["Id"])
        self.route53.delete_hosted_zone(Id=zone)
        delete(Id=told["Id"])
        self.refused(
            "NoSuchDelegationSet", self.route53.get_reusable_delegation_set, Id=told["Id"])
        own, _ = self.zone()
        servers = self.route53.get_hosted_zone(Id=own)["DelegationSet"]["NameServers"]
        promoted = create(CallerReference=unique("set"), HostedZoneId=own)["DelegationSet"]
        self.assertEqual(promoted["NameServers"], servers)
        sets = self.paged(
            self.route53.list_reusable_delegation_sets,
            lambda page: {"Marker": page["NextMarker"]}, "DelegationSets")
        self.assertIn(promoted, sets)

    def test_a_private_zone_has_networks_which_come_and_go(self):
        zone, name = self.zone(VPC=VPC, HostedZoneConfig={"PrivateZone": True})
        got = self.route53.get_hosted_zone(Id=zone)
        self.assertTrue(got["HostedZone"]["Config"]["PrivateZone"])
        self.assertEqual(got["VPCs"], [VPC])
        self.assertNotIn("DelegationSet", got)
        other = {"VPCRegion": "eu-west-1", "VPCId": "vpc-22222222"}
        authorize = self.route53.create_vpc_association_authorization
        self.assertEqual(authorize(HostedZoneId=zone, VPC=other)["VPC"], other)
        listed = self.route53.list_vpc_association_authorizations(HostedZoneId=zone)
        self.assertEqual((listed["HostedZoneId"], listed["VPCs"]), (zone, [other]))
        associate = self.route53.associate_vpc_with_hosted_zone
        change = associate(HostedZoneId=zone, VPC=other, Comment="more")["ChangeInfo"]
        self.assertEqual(change["Comment"], "more")
        self.await_in_sync(change["Id"])
        self.route53.delete_vpc_association_authorization(HostedZoneId=zone, VPC=other)
        self.refused("VPCAssociationAuthorizationNotFound",
                     self.route53.delete_vpc_association_authorization, HostedZoneId=zone,
                     VPC=other)
        listed = self.route53.list_hosted_zones_by_vpc(VPCId="vpc-22222222", VPCRegion="eu-west-1")
        self.assertEqual(listed["HostedZoneSummaries"], [
            {"HostedZoneId": zone, "Name": f"{name}.", "Owner": {"OwningAccount": "123456789012"}}])
        limit = self.route53.get_hosted_zone_limit(
            HostedZoneId=zone, Type="MAX_VPCS_ASSOCIATED_BY_ZONE")
        self.assertEqual((limit["Count"], limit["Limit"]["Value"]), (2, 300))
        disassociate = self.route53.disassociate_vpc_from_hosted_zone
        disassociate(HostedZoneId=zone, VPC=VPC)
        self.refused("VPCAssociationNotFound", disassociate, HostedZoneId=zone, VPC=VPC)
        error = self.refused("LastVPCAssociation", disassociate, HostedZoneId=zone, VPC=other)
        self.assertIn("is the last VPC", error["Message"])
        public, _ = self.zone()
        error = self.refused("PublicZoneVPCAssociation", associate, HostedZoneId=public, VPC=VPC)
        self.assertIn("with a public hosted zone", error["Message"])
        self.refused("HostedZoneNotPrivate", self.route53.get_hosted_zone_limit,
                     HostedZoneId=public, Type="MAX_VPCS_ASSOCIATED_BY_ZONE")
        for refused in (self.route53.get_dnssec,):
            self.refused("InvalidArgument", refused, HostedZoneId=zone)
        self.refused("InvalidInput", self.route53.test_dns_answer, HostedZoneId=zone,
                     RecordName=name, RecordType="A")

    def test_tags_of_zones_and_health_checks_come_and_go(self):
        zone, _ = self.zone()
        check = self.health_check()
        change = self.route53.change_tags_for_resource
        for kind, resource in (("hostedzone", zone), ("healthcheck", check)):
            change(ResourceType=kind, ResourceId=resource, AddTags=[
                {"Key": "a", "Value": "1"}, {"Key": "b <&>", "Value": ""}])
            change(ResourceType=kind, ResourceId=resource, RemoveTagKeys=["a"],
                   AddTags=[{"Key": "ü", "Value": "ü"}])
            tags = self.route53.list_tags_for_resource(ResourceType=kind, ResourceId=resource)
            told = tags["ResourceTagSet"]
            self.assertEqual((told["ResourceType"], told["ResourceId"]), (kind, resource))
            expected = [("b <&>", ""), ("ü", "ü")]
            self.assertEqual(
                sorted((tag["Key"], tag["Value"]) for tag in told["Tags"]), expected)
            several = self.route53.list_tags_for_resources(
                ResourceType=kind, ResourceIds=[resource])
            self.assertEqual(several["ResourceTagSets"], [told])
        self.refused("NoSuchHostedZone", change, ResourceType="hostedzone", ResourceId="Z123",
                     RemoveTagKeys=["a"])
        self.refused("NoSuchHealthCheck", self.route53.list_tags_for_resource,
                     ResourceType="healthcheck", ResourceId="none")

    def test_limits_are_told_with_what_is_used(self):
        zone, name = self.zone()
        self.change(zone, record_set(name, "A", "192.0.2.1"))
        limit = self.route53.get_hosted_zone_limit(HostedZoneId=zone, Type="MAX_RRSETS_BY_ZONE")
        self.assertEqual(limit["Count"], 3)
        self.assertGreaterEqual(limit["Limit"]["Value"], 10_000)
        for kind, value in (
            ("MAX_HEALTH_CHECKS_BY_OWNER", 200), ("MAX_HOSTED_ZONES_BY_OWNER", 500),
            ("MAX_TRAFFIC_POLICY_INSTANCES_BY_OWNER", 5), ("MAX_TRAFFIC_POLICIES_BY_OWNER", 50),
            ("MAX_REUSABLE_DELEGATION_SETS_BY_OWNER", 100),
        ):
            limit = self.route53.get_account_limit(Type=kind)
            with self.subTest(kind):
                self.assertEqual(limit["Limit"]["Type"], kind)
                # Not less than AWS has at first.
                self.assertGreaterEqual(limit["Limit"]["Value"], value)

    def test_the_cli_lists_what_boto3_made(self):
        zone, name = self.zone()
        self.change(zone, *[
            record_set(f"{number}.{name}", "TXT", '"a \\"b\\""') for number in range(5)])
        listed = self.server.aws(
            "route53", "list-resource-record-sets", "--hosted-zone-id", zone, "--page-size", "2")
        self.assertEqual(len(listed["ResourceRecordSets"]), 7)
        found = self.server.aws(
            "route53", "list-hosted-zones-by-name", "--dns-name", name, "--max-items", "1")
        self.assertEqual(found["HostedZones"][0]["Id"], f"/hostedzone/{zone}")
        told = self.server.aws(
            "route53", "test-dns-answer", "--hosted-zone-id", zone, "--record-name", f"1.{name}",
            "--record-type", "TXT")
        self.assertEqual(told["RecordData"], ['"a \\"b\\""'])


class RecordSets(Route53Case):
    def message(self, zone, *changes, code="InvalidChangeBatch"):
        """What is wrong with a batch of actions and record sets, which changes nothing."""
        before = self.names(zone)
        error = self.refused(
            code, self.route53.change_resource_record_sets, HostedZoneId=zone, ChangeBatch={
                "Changes": [{"Action": action, "ResourceRecordSet": changed}
                            for action, changed in changes]})
        self.assertEqual(self.names(zone), before)
        return error["Message"]

    def test_all_that_is_wrong_with_a_batch_is_told_at_once(self):
        zone, name = self.zone()
        self.change(zone, record_set(f"here.{name}", "A", "192.0.2.1"))
        message = self.message(
            zone,
            ("CREATE", record_set(f"new.{name}", "A", "192.0.2.1")),
            ("CREATE", record_set(f"here.{name}", "A", "192.0.2.1")),
            ("DELETE", record_set(f"none.{name}", "A", "192.0.2.1")),
            ("UPSERT", record_set("www.example.org", "A", "192.0.2.1")),
            ("UPSERT", record_set(f"bad.{name}", "A", "1.2.3")))
        tried = "resource record set [name='{}." + f"{name}.', type='A'] but it"
        self.assertEqual(message, "[" + ", ".join((
            f"Tried to create {tried.format('here')} already exists",
            f"Tried to delete {tried.format('none')} was not found",
            f"RRSet with DNS name www.example.org. is not permitted in zone {name}.",
            "Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address (Value is not a "
            "valid IPv4 address) encountered with '1.2.3''",
        )) + "]")

    def test_each_rule_has_its_message(self):
        zone, name = self.zone()
        weighted = {"SetIdentifier": "a", "Weight": 1}
        self.change(zone, record_set(f"c.{name}", "CNAME", "x.example.net"),
                    record_set(f"a.{name}", "A", "192.0.2.1"),
                    record_set(f"w.{name}", "A", "192.0.2.1", **weighted))
        in_zone = f"zone {name}."
        target = {"HostedZoneId": zone, "DNSName": f"none.{name}", "EvaluateTargetHealth": False}
        for action, changed, told in (
            ("UPSERT", record_set(name, "CNAME", "x.example.net"),
             f"RRSet of type CNAME with DNS name {name}. is not permitted at apex in {in_zone}"),
            ("CREATE", record_set(f"a.{name}", "CNAME", "x.example.net"),
             f"RRSet of type CNAME with DNS name a.{name}. is not permitted as it conflicts with "
             f"other records with the same DNS name in {in_zone}"),
            ("CREATE", record_set(f"c.{name}", "A", "192.0.2.1"),
             f"RRSet of type A with DNS name c.{name}. is not permitted because a conflicting "
             f"RRSet of type CNAME with the same DNS name already exists in {in_zone}"),
            ("DELETE", record_set(f"a.{name}", "A", "192.0.2.2"),
             f"Tried to delete resource record set [name='a.{name}.', type='A'] but the values "
             "provided do not match the current values"),
            ("UPSERT", record_set(f"a.{name}", "A", "192.0.2.1", **weighted),
             f"RRSet with DNS name a.{name}., type A, SetIdentifier a cannot be created as a "
             "non-weighted set exists with the same name and type."),
            ("CREATE", record_set(f"w.{name}", "A", "192.0.2.1"),
             f"RRSet with DNS name w.{name}., type A cannot be created as other RRSets exist with "
             "the same name and type."),
            ("CREATE", record_set(f"w.{name}", "A", "192.0.2.1", ttl=5, SetIdentifier="b",
                                  Weight=1),
             f"RRSet with DNS name w.{name}. and type A, SetIdentifier b cannot be created as "
             "weighted sets must contain the same TTL."),
            ("CREATE", record_set(f"t.{name}", "A", AliasTarget=target),
             f"Tried to create an alias that targets none.{name}., type A in zone {zone}, but "
             "that target was not found"),
            ("UPSERT", record_set(f"v.{name}", "TXT", "no quotes"), "InvalidCharacterString"),
            ("UPSERT", record_set(f"v.{name}", "AAAA", "::x"), "AAAARRDATAIllegalIPv6Address"),
        ):
            with self.subTest(told):
                message = self.message(zone, (action, changed))
                self.assertTrue(message.startswith("[") and message.endswith("]"), message)
                self.assertIn(told, message)
        found = self.route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        apex = [("DELETE", one) for one in found if one["Type"] in ("NS", "SOA")]
        self.assertEqual(
            self.message(zone, *apex),
            "[A HostedZone must contain at least one NS record for the zone itself., A HostedZone "
            "must contain exactly one SOA record.]")

    def test_what_is_no_change_at_all_is_an_invalid_input(self):
        zone, name = self.zone()
        www = f"www.{name}"
        for told, action, changed in (
            ("but found none in Change with [Action=CREATE, Name=" + www + ", Type=A, "
             "SetIdentifier=null]", "CREATE", {"Name": www, "Type": "A"}),
            ("Missing field 'SetIdentifier' in Change with", "CREATE",
             record_set(www, "A", "192.0.2.1", Weight=1)),
            ("cvc-enumeration-valid: Value 'X' is not facet-valid with respect to enumeration "
             "'[CREATE, DELETE, UPSERT]'. It must be a value from the enumeration.", "X",
             record_set(www, "A", "192.0.2.1")),
            ("Value 'moon-1' is not facet-valid", "CREATE",
             record_set(www, "A", "192.0.2.1", SetIdentifier="a", Region="moon-1")),
        ):
            with self.subTest(told):
                message = self.message(zone, (action, changed), code="InvalidInput")
                self.assertIn(told, message)
        check = record_set(www, "A", "192.0.2.1", HealthCheckId="no-such")
        self.assertEqual(self.message(zone, ("CREATE", check), code="NoSuchHealthCheck"),
                         "A health check with id no-such does not exist.")
        self.refused("NoSuchHostedZone", self.change, "Z123", record_set(www, "A", "192.0.2.1"))

    def test_record_sets_are_listed_by_all_three_markers(self):
        zone, name = self.zone()
        weighted = [record_set(f"w.{name}", "A", "192.0.2.1", SetIdentifier=which, Weight=1)
                    for which in "dbac"]
        self.change(zone, *weighted, record_set(f"w.{name}", "TXT", '"x"'),
                    record_set(f"*.{name}", "A", "192.0.2.1"),
                    record_set(f"a.w.{name}", "A", "192.0.2.1"),
                    record_set(f"b.{name}", "A", "192.0.2.1"))
        rest = [f"w.{name}. A a", f"w.{name}. A b", f"w.{name}. A c", f"w.{name}. A d",
                f"w.{name}. TXT", f"a.w.{name}. A"]
        expected = [f"{name}. NS", f"{name}. SOA", f"\\052.{name}. A", f"b.{name}. A", *rest]
        self.assertEqual(self.names(zone), expected)
        for size in range(1, 6):
            pages = self.route53.get_paginator("list_resource_record_sets").paginate(
                HostedZoneId=zone, PaginationConfig={"PageSize": size})
            sizes = [len(page["ResourceRecordSets"]) for page in pages]
            self.assertEqual((sum(sizes), max(sizes)), (len(expected), size))
        first = self.route53.list_resource_record_sets(HostedZoneId=zone, MaxItems="6")
        self.assertEqual((first["IsTruncated"], first["MaxItems"]), (True, "6"))
        self.assertEqual(
            (first["NextRecordName"], first["NextRecordType"], first["NextRecordIdentifier"]),
            (f"w.{name}.", "A", "c"))
        found = self.names(zone, StartRecordName=f"w.{name}", StartRecordType="A",
                           StartRecordIdentifier="c")
        self.assertEqual(found, rest[2:])
        self.assertEqual(self.names(zone, StartRecordName=f"c.{name}"), rest)
        self.assertEqual(self.names(zone, StartRecordName=f"*.{name}")[0], f"\\052.{name}. A")
        for wrong in ({"StartRecordType": "A"},
                      {"StartRecordName": name, "StartRecordIdentifier": "a"}, {"MaxItems": "0"}):
            with self.subTest(**wrong):
                self.refused("InvalidInput", self.names, zone, **wrong)

    def test_every_policy_is_given_back_as_it_was_sent(self):
        zone, name = self.zone()
        made = self.route53.create_cidr_collection(Name=unique("c"), CallerReference=unique("r"))
        check = self.health_check()
        policies = {
            "weighted": {"Weight": 255},
            "latency": {"Region": "ap-northeast-2"},
            "continent": {"GeoLocation": {"ContinentCode": "EU"}},
            "state": {"GeoLocation": {"CountryCode": "US", "SubdivisionCode": "WA"}},
            "world": {"GeoLocation": {"CountryCode": "*"}},
            "failover": {"Failover": "PRIMARY", "HealthCheckId": check},
            "multivalue": {"MultiValueAnswer": True, "HealthCheckId": check},
            "network": {"CidrRoutingConfig": {
                "CollectionId": made["Collection"]["Id"], "LocationName": "*"}},
            "near": {"GeoProximityLocation": {"AWSRegion": "eu-west-1", "Bias": -99}},
            "nearer": {"GeoProximityLocation": {
                "Coordinates": {"Latitude": "-49.22", "Longitude": "74.01"}, "Bias": 0}},
        }
        sent = [
            record_set(f"{label}.{name}.", "A", "192.0.2.1", SetIdentifier=label, **policy)
            for label, policy in policies.items()]
        sent.append(record_set(f"zz.{name}.", "A", AliasTarget={
            "HostedZoneId": zone, "DNSName": f"weighted.{name}.", "EvaluateTargetHealth": True}))
        self.change(zone, *sent)
        found = self.route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        found = {one["Name"]: one for one in found}
        for one in sent:
            with self.subTest(one["Name"]):
                self.assertEqual(found[one["Name"]], one)
        self.change(zone, *sent, action="DELETE")
        self.assertEqual(self.names(zone), [f"{name}. NS", f"{name}. SOA"])

    def test_a_record_set_becomes_one_of_another_kind_and_is_answered_so(self):
        zone, name = self.zone()
        www, other = f"www.{name}", f"*.w.{name}"
        self.change(zone, record_set(other, "A", "192.0.2.1", ttl=30))
        simple = record_set(www, "A", "192.0.2.2")
        alias = record_set(www, "A", AliasTarget={
            "HostedZoneId": zone, "DNSName": other, "EvaluateTargetHealth": True})
        weighted = record_set(www, "A", "192.0.2.3", SetIdentifier="a", Weight=1)
        cname = record_set(www, "CNAME", f"x.w.{name}")
        chain = sorted([f"x.w.{name}.", "192.0.2.1"])
        last = None
        for kind, values, ttl in (
            (simple, ["192.0.2.2"], 60), (alias, ["192.0.2.1"], 30), (simple, ["192.0.2.2"], 60),
            (weighted, ["192.0.2.3"], 60), (cname, chain, 60), (alias, ["192.0.2.1"], 30),
        ):
            # What has another type or identifier goes in the same batch.
            batch = [{"Action": "DELETE", "ResourceRecordSet": last}] if last else []
            batch.append({"Action": "CREATE", "ResourceRecordSet": kind})
            made = self.route53.change_resource_record_sets(
                HostedZoneId=zone, ChangeBatch={"Changes": batch})
            self.await_in_sync(made["ChangeInfo"]["Id"])
            answer = self.ask(www)
            self.assertEqual((answer.values(), answer.ttls[0]), (values, ttl))
            last = kind
        self.change(zone, simple)
        self.assertEqual(self.ask(www).values(), ["192.0.2.2"])

    def test_no_batch_touches_what_is_protected(self):
        zone, name = self.zone()
        www = record_set(f"www.{name}", "A", "192.0.2.1")
        self.change(zone, www)
        create = self.route53.create_resource_record_set_protections
        protection = {"RecordName": f"www.{name}", "RecordType": "A"}
        create(HostedZoneId=zone, Protections=[{**protection, "Comment": "the shop"}])
        listed = self.route53.list_resource_record_set_protections(HostedZoneId=zone)
        self.assertEqual(len(listed["ResourceRecordSetProtections"]), 1)
        self.assertIn("the shop", self.message(zone, ("DELETE", www)))
        self.refused("ProtectionAlreadyExists", create, HostedZoneId=zone,
                     Protections=[protection])
        self.route53.delete_resource_record_set_protections(
            HostedZoneId=zone, Protections=[protection])
        self.change(zone, www, action="DELETE")

    def test_cidr_collections_have_versions_locations_and_blocks(self):
        name, reference = unique("c"), unique("r")
        create = self.route53.create_cidr_collection
        answer = create(Name=name, CallerReference=reference)
        made = answer["Collection"]
        self.assert_made(answer, f"cidrcollection/{made['Id']}")
        self.assertEqual(made["Arn"], f"arn:aws:route53:::cidrcollection/{made['Id']}")
        self.assertEqual((made["Name"], made["Version"]), (name, 1))
        self.refused("CidrCollectionAlreadyExistsException", create, Name=name,
                     CallerReference=unique("r"))
        change = self.route53.change_cidr_collection
        blocks = {"one": ["192.0.2.0/24", "2001:db8:1::/48"], "two": ["198.51.100.0/24"]}
        done = change(Id=made["Id"], CollectionVersion=1, Changes=[
            {"LocationName": location, "Action": "PUT", "CidrList": cidrs}
            for location, cidrs in blocks.items()])
        self.await_in_sync(done["Id"])
        one = {"LocationName": "one", "Action": "PUT", "CidrList": ["203.0.113.0/24"]}
        self.refused("CidrCollectionVersionMismatchException", change, Id=made["Id"],
                     CollectionVersion=1, Changes=[one])
        listed = self.route53.list_cidr_locations(CollectionId=made["Id"])["CidrLocations"]
        self.assertEqual(sorted(each["LocationName"] for each in listed), ["one", "two"])
        pages = self.route53.get_paginator("list_cidr_blocks").paginate(
            CollectionId=made["Id"], PaginationConfig={"PageSize": 1})
        found = [(each["LocationName"], each["CidrBlock"]) for page in pages
                 for each in page["CidrBlocks"]]
        self.assertEqual(sorted(found), sorted(
            (location, cidr) for location, cidrs in blocks.items() for cidr in cidrs))
        told = self.route53.list_cidr_blocks(CollectionId=made["Id"], LocationName="two")
        self.assertEqual(
            told["CidrBlocks"], [{"CidrBlock": "198.51.100.0/24", "LocationName": "two"}])
        self.refused("NoSuchCidrLocationException", self.route53.list_cidr_blocks,
                     CollectionId=made["Id"], LocationName="three")
        collections = self.route53.list_cidr_collections()["CidrCollections"]
        self.assertIn(made | {"Version": 2}, collections)
        delete = self.route53.delete_cidr_collection
        self.refused("CidrCollectionInUseException", delete, Id=made["Id"])
        zone, apex = self.zone()
        member = record_set(f"www.{apex}", "A", "192.0.2.1", SetIdentifier="x", CidrRoutingConfig={
            "CollectionId": made["Id"], "LocationName": "two"})
        self.change(zone, member)
        empty = [{"LocationName": location, "Action": "DELETE_IF_EXISTS", "CidrList": cidrs}
                 for location, cidrs in blocks.items()]
        self.refused("CidrBlockInUseException", change, Id=made["Id"], Changes=empty)
        self.change(zone, member, action="DELETE")
        change(Id=made["Id"], Changes=empty)
        delete(Id=made["Id"])
        self.refused("NoSuchCidrCollectionException", self.route53.list_cidr_locations,
                     CollectionId=made["Id"])


class Others(Route53Case):
    def test_a_health_check_lives_from_its_defaults_to_its_end(self):
        reference = unique("ref")
        create = self.route53.create_health_check
        config = {"Type": "HTTPS", "FullyQualifiedDomainName": "www.example.com", "Disabled": True}
        answer = create(CallerReference=reference, HealthCheckConfig=config)
        made = answer["HealthCheck"]
        self.assertRegex(made["Id"], r"\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
        self.assert_made(answer, f"healthcheck/{made['Id']}")
        self.assertEqual((made["CallerReference"], made["HealthCheckVersion"]), (reference, 1))
        self.assertEqual(made["HealthCheckConfig"], {
            **config, "RequestInterval": 30, "FailureThreshold": 3, "MeasureLatency": False,
            "Inverted": False, "EnableSNI": True} | (
                {"Port": 443} if "Port" in made["HealthCheckConfig"] else {}))
        again = create(CallerReference=reference, HealthCheckConfig=config)
        self.assertEqual(again["HealthCheck"]["Id"], made["Id"])
        self.refused("HealthCheckAlreadyExists", create, CallerReference=reference,
                     HealthCheckConfig={**config, "Port": 444})
        update = self.route53.update_health_check
        told = update(HealthCheckId=made["Id"], HealthCheckVersion=1, FailureThreshold=5,
                      ResourcePath="health", Inverted=True)["HealthCheck"]
        self.assertEqual(told["HealthCheckVersion"], 2)
        self.assertEqual(told["HealthCheckConfig"]["ResourcePath"], "/health")
        self.refused("HealthCheckVersionMismatch", update, HealthCheckId=made["Id"],
                     HealthCheckVersion=1, FailureThreshold=4)
        told = update(HealthCheckId=made["Id"], ResetElements=["ResourcePath"])["HealthCheck"]
        self.assertNotIn("ResourcePath", told["HealthCheckConfig"])
        self.assertTrue(told["HealthCheckConfig"]["Inverted"])
        got = self.route53.get_health_check(HealthCheckId=made["Id"])["HealthCheck"]
        self.assertEqual(got, told)
        for call in (self.route53.get_health_check_status,
                     self.route53.get_health_check_last_failure_reason):
            self.assertIn("HealthCheckObservations", call(HealthCheckId=made["Id"]))
        others = {self.health_check() for _ in range(4)}
        pages = self.route53.get_paginator("list_health_checks").paginate(
            PaginationConfig={"PageSize": 2})
        listed = [check["Id"] for page in pages for check in page["HealthChecks"]]
        self.assertEqual(listed, sorted(listed))
        self.assertLessEqual(others | {made["Id"]}, set(listed))
        count = self.route53.get_health_check_count()["HealthCheckCount"]
        self.assertEqual(count, len(listed))
        for check in (*others, made["Id"]):
            self.route53.delete_health_check(HealthCheckId=check)
        self.refused("NoSuchHealthCheck", self.route53.get_health_check, HealthCheckId=made["Id"])

    def test_health_checks_of_every_type_are_made_and_wrong_ones_refused(self):
        child = self.health_check()
        for config in (
            {"Type": "TCP", "IPAddress": "203.0.114.1", "Port": 25, "Disabled": True},
            {"Type": "HTTP_STR_MATCH", "FullyQualifiedDomainName": "a.example.com",
             "SearchString": " <ok> ", "Disabled": True},
            {"Type": "CALCULATED", "HealthThreshold": 1, "ChildHealthChecks": [child]},
            {"Type": "CLOUDWATCH_METRIC", "InsufficientDataHealthStatus": "Unhealthy",
             "AlarmIdentifier": {"Region": "eu-west-1", "Name": "cpu"}},
        ):
            with self.subTest(config["Type"]):
                made = self.route53.create_health_check(
                    CallerReference=unique("ref"), HealthCheckConfig=config)["HealthCheck"]
                self.assertEqual(made["HealthCheckConfig"], made["HealthCheckConfig"] | config)
        for told, config in (
            ("Port", {"Type": "TCP", "IPAddress": "203.0.114.1"}),
            ("SearchString", {**HTTP_CHECK, "Type": "HTTP_STR_MATCH"}),
            ("IPAddress", {"Type": "HTTP", "IPAddress": "10.0.0.256"}),
            ("HealthThreshold", {"Type": "CALCULATED", "ChildHealthChecks": [child]}),
            ("RequestInterval", {**HTTP_CHECK, "RequestInterval": 20}),
        ):
            with self.subTest(told):
                error = self.refused(
                    "InvalidInput", self.route53.create_health_check,
                    CallerReference=unique("ref"), HealthCheckConfig=config)
                self.assertIn(told, error["Message"])
        self.assertIn("CheckerIpRanges", self.route53.get_checker_ip_ranges())

    def test_a_traffic_policy_has_versions_and_instances(self):
        zone, apex = self.zone()
        name = unique("policy")
        create = self.route53.create_traffic_policy
        answer = create(Name=name, Document=policy_document(), Comment="one")
        made = answer["TrafficPolicy"]
        self.assert_made(answer, f"trafficpolicy/{made['Id']}/1")
        self.assertEqual((made["Version"], made["Type"], made["Comment"]), (1, "A", "one"))
        self.assertEqual(json.loads(made["Document"]), json.loads(policy_document()))
        self.refused("TrafficPolicyAlreadyExists", create, Name=name, Document=policy_document())
        self.refused("InvalidTrafficPolicyDocument", create, Name=unique("p"), Document="{}")
        second = self.route53.create_traffic_policy_version(
            Id=made["Id"], Document=policy_document("192.0.2.2"))
        self.assert_made(second, f"trafficpolicy/{made['Id']}/2")
        self.route53.update_traffic_policy_comment(Id=made["Id"], Version=2, Comment="two")
        got = self.route53.get_traffic_policy(Id=made["Id"], Version=2)["TrafficPolicy"]
        self.assertEqual((got["Version"], got["Comment"]), (2, "two"))
        versions = self.route53.list_traffic_policy_versions(Id=made["Id"])["TrafficPolicies"]
        self.assertEqual(sorted(each["Version"] for each in versions), [1, 2])

        answer = self.route53.create_traffic_policy_instance(
            HostedZoneId=zone, Name=f"www.{apex}", TTL=60, TrafficPolicyId=made["Id"],
            TrafficPolicyVersion=1)
        instance = answer["TrafficPolicyInstance"]
        self.assert_made(answer, f"trafficpolicyinstance/{instance['Id']}")
        self.await_applied(instance["Id"])
        self.assertEqual(self.ask(f"www.{apex}").values(), ["192.0.2.1"])
        found = self.route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        self.assertEqual(found[-1]["TrafficPolicyInstanceId"], instance["Id"])
        self.route53.update_traffic_policy_instance(
            Id=instance["Id"], TTL=30, TrafficPolicyId=made["Id"], TrafficPolicyVersion=2)
        self.await_applied(instance["Id"])
        answer = self.ask(f"www.{apex}")
        self.assertEqual((answer.values(), answer.ttls), (["192.0.2.2"], [30]))
        self.assertEqual(
            self.route53.get_traffic_policy_instance_count()["TrafficPolicyInstanceCount"], 1)
        for listed in (
            self.route53.list_traffic_policy_instances(),
            self.route53.list_traffic_policy_instances_by_hosted_zone(HostedZoneId=zone),
            self.route53.list_traffic_policy_instances_by_policy(
                TrafficPolicyId=made["Id"], TrafficPolicyVersion=2),
        ):
            self.assertEqual([each["Id"] for each in listed["TrafficPolicyInstances"]],
                             [instance["Id"]])
        self.refused("TrafficPolicyInUse", self.route53.delete_traffic_policy, Id=made["Id"],
                     Version=2)
        self.refused("TrafficPolicyInstanceAlreadyExists",
                     self.route53.create_traffic_policy_instance, HostedZoneId=zone,
                     Name=f"www.{apex}", TTL=60, TrafficPolicyId=made["Id"],
                     TrafficPolicyVersion=1)
        self.route53.delete_traffic_policy_instance(Id=instance["Id"])
        self.refused("NoSuchTrafficPolicyInstance", self.route53.get_traffic_policy_instance,
                     Id=instance["Id"])
        processes.eventually(
            "no answer", lambda: self.ask(f"www.{apex}").rcode == "NXDOMAIN")
        for version in (1, 2):
            self.route53.delete_traffic_policy(Id=made["Id"], Version=version)
        self.refused("NoSuchTrafficPolicy", self.route53.get_traffic_policy, Id="none", Version=1)

    def await_applied(self, instance):
        def is_applied():
            told = self.route53.get_traffic_policy_instance(Id=instance)["TrafficPolicyInstance"]
            return told["State"] == "Applied"

        processes.eventually(f"{instance} to be applied", is_applied)

    def test_the_rules_of_a_traffic_policy_choose_what_is_answered(self):
        zone, apex = self.zone()
        document = json.dumps({
            "AWSPolicyFormatVersion": "2015-10-01", "RecordType": "A", "StartRule": "place",
            "Endpoints": {f"e{number}": {"Type": "value", "Value": f"192.0.2.{number}"}
                          for number in range(1, 5)},
            "Rules": {
                "place": {"RuleType": "geo", "Locations": [
                    {"Country": "KR", "EndpointReference": "e4"},
                    {"IsDefault": True, "RuleReference": "health"}]},
                "health": {
                    "RuleType": "failover",
                    "Primary": {"EndpointReference": "e1", "HealthCheck": self.health_check(
                        Inverted=True)},
                    "Secondary": {"RuleReference": "both"}},
                "both": {"RuleType": "multivalue", "Items": [
                    {"EndpointReference": "e2"}, {"EndpointReference": "e3"}]},
            }})
        made = self.route53.create_traffic_policy(Name=unique("p"), Document=document)
        instance = self.route53.create_traffic_policy_instance(
            HostedZoneId=zone, Name=f"www.{apex}", TTL=60,
            TrafficPolicyId=made["TrafficPolicy"]["Id"], TrafficPolicyVersion=1)
        self.await_applied(instance["TrafficPolicyInstance"]["Id"])
        # Disabled and inverted, a check fails: the primary is none.
        self.await_answer(["192.0.2.2", "192.0.2.3"], f"www.{apex}")
        self.route53.delete_traffic_policy_instance(Id=instance["TrafficPolicyInstance"]["Id"])

    def test_traffic_policies_are_listed_a_page_at_a_time(self):
        made = {self.route53.create_traffic_policy(
            Name=unique("p"), Document=policy_document())["TrafficPolicy"]["Id"]
            for _ in range(5)}
        listed = self.paged(
            self.route53.list_traffic_policies,
            lambda page: {"TrafficPolicyIdMarker": page["TrafficPolicyIdMarker"]},
            "TrafficPolicySummaries")
        latest = {policy["Id"]: policy["LatestVersion"] for policy in listed}
        self.assertEqual(len(latest), len(listed))
        self.assertEqual([latest.get(policy) for policy in made], [1] * 5)

    def test_a_zone_is_signed_by_keys_that_are_told(self):
        zone, name = self.zone()
        told = self.route53.get_dnssec(HostedZoneId=zone)
        self.assertEqual(told["Status"]["ServeSignature"], "NOT_SIGNING")
        self.assertEqual(told["KeySigningKeys"], [])
        enable = self.route53.enable_hosted_zone_dnssec
        self.refused("KeySigningKeyWithActiveStatusNotFound", enable, HostedZoneId=zone)
        parameters = {
            "HostedZoneId": zone, "KeyManagementServiceArn": KMS_KEY, "Name": "ksk_1",
            "Status": "ACTIVE"}
        create = self.route53.create_key_signing_key
        answer = create(**parameters, CallerReference=unique("ref"))
        self.assert_made(answer, f"keysigningkey/{zone}/ksk_1")
        key = answer["KeySigningKey"]
        fields = ("Name", "KmsArn", "Flag", "SigningAlgorithmMnemonic", "SigningAlgorithmType",
                  "DigestAlgorithmMnemonic", "DigestAlgorithmType", "Status")
        self.assertEqual(tuple(key[field] for field in fields), (
            "ksk_1", KMS_KEY, 257, "ECDSAP256SHA256", 13, "SHA-256", 2, "ACTIVE"))
        self.assertEqual(len(base64.b64decode(key["PublicKey"])), 64)
        self.assertRegex(key["DigestValue"], r"\A[0-9A-F]{64}\Z")
        self.assertEqual(key["DSRecord"], f"{key['KeyTag']} 13 2 {key['DigestValue']}")
        self.assertEqual(key["DNSKEYRecord"], f"257 3 13 {key['PublicKey']}")
        for wrong, code in (
            ({}, "KeySigningKeyAlreadyExists"),
            ({"Name": "a-b-c"}, "InvalidKeySigningKeyName"),
            ({"Name": "other", "Status": "DELETING"}, "InvalidKeySigningKeyStatus"),
            ({"Name": "other", "KeyManagementServiceArn": "arn:aws:s3:::a"}, "InvalidKMSArn"),
        ):
            with self.subTest(code):
                self.refused(code, create, **{**parameters, **wrong},
                             CallerReference=unique("ref"))
        self.await_in_sync(enable(HostedZoneId=zone)["ChangeInfo"]["Id"])
        told = self.route53.get_dnssec(HostedZoneId=zone)
        self.assertEqual(told["Status"]["ServeSignature"], "SIGNING")
        self.assertEqual(told["KeySigningKeys"][0]["KeyTag"], key["KeyTag"])
        answer = self.ask(name, "DNSKEY", want_dnssec=True)
        published = [value.replace(" ", "") for value in answer.values("DNSKEY")]
        self.assertIn(key["DNSKEYRecord"].replace(" ", ""), published)
        self.assertEqual(len(answer.values("RRSIG")), 1)
        named = {"HostedZoneId": zone, "Name": "ksk_1"}
        self.refused("KeySigningKeyInUse", self.route53.deactivate_key_signing_key, **named)
        self.refused("InvalidKeySigningKeyStatus", self.route53.delete_key_signing_key, **named)
        self.route53.disable_hosted_zone_dnssec(HostedZoneId=zone)
        self.refused("DNSSECNotFound", self.route53.disable_hosted_zone_dnssec, HostedZoneId=zone)
        self.route53.deactivate_key_signing_key(**named)
        self.await_in_sync(self.route53.delete_key_signing_key(**named)["ChangeInfo"]["Id"])
        self.refused("NoSuchKeySigningKey", self.route53.activate_key_signing_key, **named)
        self.assertEqual(self.ask(name, "DNSKEY").values(), [])

    def test_queries_of_a_zone_are_logged_by_one_config(self):
        zone, _ = self.zone()
        create = self.route53.create_query_logging_config
        answer = create(HostedZoneId=zone, CloudWatchLogsLogGroupArn=LOG_GROUP)
        made = answer["QueryLoggingConfig"]
        self.assert_made(answer, f"queryloggingconfig/{made['Id']}")
        self.assertEqual((made["HostedZoneId"], made["CloudWatchLogsLogGroupArn"]),
                         (zone, LOG_GROUP))
        self.refused("QueryLoggingConfigAlreadyExists", create, HostedZoneId=zone,
                     CloudWatchLogsLogGroupArn=LOG_GROUP)
        other, _ = self.zone()
        error = self.refused("InvalidInput", create, HostedZoneId=other,
                             CloudWatchLogsLogGroupArn="arn:aws:logs:eu-west-1:1:log-group:x")
        self.assertEqual(error["Message"], "The ARN for the CloudWatch Logs log group is invalid")
        create(HostedZoneId=other, CloudWatchLogsLogGroupArn=LOG_GROUP)
        pages = self.route53.get_paginator("list_query_logging_configs").paginate(
            PaginationConfig={"PageSize": 1})
        zones = [found["HostedZoneId"] for page in pages for found in page["QueryLoggingConfigs"]]
        self.assertEqual(sorted(zones), sorted([zone, other]))
        listed = self.route53.list_query_logging_configs(HostedZoneId=zone)
        self.assertEqual(listed["QueryLoggingConfigs"], [made])
        got = self.route53.get_query_logging_config(Id=made["Id"])["QueryLoggingConfig"]
        self.assertEqual(got, made)
        self.route53.delete_query_logging_config(Id=made["Id"])
        self.refused("NoSuchQueryLoggingConfig", self.route53.get_query_logging_config,
                     Id=made["Id"])

    def test_places_are_told_and_listed(self):
        get = self.route53.get_geo_location
        told = get(CountryCode="US", SubdivisionCode="WA")["GeoLocationDetails"]
        self.assertEqual((told["CountryCode"], told["SubdivisionCode"]), ("US", "WA"))
        self.assertEqual(told["SubdivisionName"], "Washington")
        self.assertEqual(get(ContinentCode="EU")["GeoLocationDetails"]["ContinentName"], "Europe")
        self.refused("NoSuchGeoLocation", get, CountryCode="XX")
        found, start = [], {}
        while True:
            page = self.route53.list_geo_locations(MaxItems="100", **start)
            found += page["GeoLocationDetailsList"]
            if not page["IsTruncated"]:
                break
            start = {f"Start{part}": page[f"Next{part}"] for part in (
                "ContinentCode", "CountryCode", "SubdivisionCode") if f"Next{part}" in page}
        places = {tuple(sorted(each.items())) for each in found}
        self.assertEqual(len(places), len(found))
        self.assertGreater(len(places), 290)
        self.assertIn({"ContinentCode": "AF", "ContinentName": "Africa"}, found)
