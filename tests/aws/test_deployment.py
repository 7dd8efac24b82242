"""Staging distributions and continuous deployment, as viewers see them; tenants likewise."""

from aws_case import AwsCase, distribution_config, quantified, unique

import processes

COOKIE = "warmfront-deployment"


class ContinuousDeployment(AwsCase):
    def staged(self, traffic):
        """A primary whose copy answers by another root object, and a policy between them."""
        cloudfront = self.cloudfront
        primary = self.make_distribution(
            DefaultRootObject="old.html", Comment="primary",
            Aliases=quantified(f"{unique('www')}.example.com"))
        etag = cloudfront.get_distribution(Id=primary["Id"])["ETag"]
        staging = cloudfront.copy_distribution(
            PrimaryDistributionId=primary["Id"], Staging=True, IfMatch=etag,
            CallerReference=unique("copy"), Enabled=True)["Distribution"]
        config = staging["DistributionConfig"]
        self.assertTrue(config["Staging"])
        self.assertEqual((config["Comment"], config["Aliases"]["Quantity"]), ("primary", 0))
        self.change(staging["Id"], lambda config: config.update(DefaultRootObject="new.html"))
        policy = {
            "StagingDistributionDnsNames": quantified(staging["DomainName"]), "Enabled": True,
            "TrafficConfig": traffic,
        }
        made = cloudfront.create_continuous_deployment_policy(
            ContinuousDeploymentPolicyConfig=policy)
        self.assertEqual(
            made["ContinuousDeploymentPolicy"]["ContinuousDeploymentPolicyConfig"], policy)
        identifier = made["ContinuousDeploymentPolicy"]["Id"]
        self.change(primary["Id"], lambda config: config.update(
            ContinuousDeploymentPolicyId=identifier))
        return primary, staging, identifier

    def side(self, host, **headers):
        return self.server.get(host, "/", **headers).body.split(".")[0]

    def test_a_header_leads_to_staging_until_it_is_promoted(self):
        cloudfront = self.cloudfront
        primary, staging, policy = self.staged({
            "Type": "SingleHeader",
            "SingleHeaderConfig": {"Header": "aws-cf-cd-try", "Value": "yes"}})
        host = primary["DistributionConfig"]["Aliases"]["Items"][0]
        self.assertEqual(self.side(host), "/old")
        self.assertEqual(self.side(host, aws_cf_cd_try="yes"), "/new")
        self.assertEqual(self.side(host, aws_cf_cd_try="no"), "/old")
        self.assertEqual(self.server.get(staging["DomainName"]).status, 403,
                         "a staging distribution has no viewers of its own")

        self.refused("ContinuousDeploymentPolicyInUse",
                     cloudfront.delete_continuous_deployment_policy, Id=policy,
                     IfMatch=cloudfront.get_continuous_deployment_policy(Id=policy)["ETag"])
        etags = [cloudfront.get_distribution(Id=made["Id"])["ETag"]
                 for made in (primary, staging)]
        self.refused("PreconditionFailed", cloudfront.update_distribution_with_staging_config,
                     Id=primary["Id"], StagingDistributionId=staging["Id"],
                     IfMatch=", ".join(reversed(etags)))
        promoted = cloudfront.update_distribution_with_staging_config(
            Id=primary["Id"], StagingDistributionId=staging["Id"], IfMatch=", ".join(etags))
        config = promoted["Distribution"]["DistributionConfig"]
        self.assertEqual(config["DefaultRootObject"], "new.html")
        self.assertEqual(config["Aliases"]["Items"], [host])
        self.assertFalse(config["Staging"])
        self.await_deployed(primary["Id"])
        self.assertEqual(self.side(host), "/new")

    def test_a_share_of_viewers_is_on_staging_and_its_cookie_keeps_it_there(self):
        primary, _, _ = self.staged({
            "Type": "SingleWeight", "SingleWeightConfig": {
                "Weight": 0.15,
                "SessionStickinessConfig": {"IdleTTL": 300, "MaximumTTL": 600}}})
        host = primary["DomainName"]
        seen = [self.server.get(host, "/") for _ in range(600)]
        sides = [answer.body.split(".")[0] for answer in seen]
        # Of 600 with 0.15 each: 90, and by far fewer than one run in 10⁹ beyond these bounds.
        self.assertTrue(35 < sides.count("/new") < 150, sides.count("/new"))
        for side in ("/new", "/old"):
            cookie = seen[sides.index(side)].field("Set-Cookie").split(";")[0]
            self.assertTrue(cookie.startswith(f"{COOKIE}="), cookie)
            kept = {self.side(host, Cookie=cookie) for _ in range(60)}
            self.assertEqual(kept, {side})

    def test_a_policy_that_is_off_sends_nobody_to_staging(self):
        primary, _, policy = self.staged({
            "Type": "SingleHeader",
            "SingleHeaderConfig": {"Header": "aws-cf-cd-try", "Value": "yes"}})
        host = primary["DomainName"]
        self.assertEqual(self.side(host, aws_cf_cd_try="yes"), "/new")
        got = self.cloudfront.get_continuous_deployment_policy_config(Id=policy)
        config = {**got["ContinuousDeploymentPolicyConfig"], "Enabled": False}
        self.cloudfront.update_continuous_deployment_policy(
            Id=policy, IfMatch=got["ETag"], ContinuousDeploymentPolicyConfig=config)
        processes.eventually(
            "the policy to be off", lambda: self.side(host, aws_cf_cd_try="yes") == "/old")


class Tenants(AwsCase):
    def template(self):
        """A distribution of which tenants are instances, each with a path of its own."""
        config = distribution_config(
            self.origin.port, ConnectionMode="tenant-only",
            TenantConfig={"ParameterDefinitions": [
                {"Name": "shop", "Definition": {"StringSchema": {"Required": True}}}]})
        config["Origins"]["Items"][0]["OriginPath"] = "/{{shop}}"
        for name in ("Aliases", "PriceClass", "IsIPV6Enabled"):
            config.pop(name, None)
        made = self.cloudfront.create_distribution(DistributionConfig=config)["Distribution"]
        self.await_deployed(made["Id"])
        return made["Id"]

    def tenant(self, template, shop, **changes):
        domain = f"{unique(shop)}.example.com"
        made = self.cloudfront.create_distribution_tenant(
            DistributionId=template, Name=unique("tenant"), Domains=[{"Domain": domain}],
            Parameters=[{"Name": "shop", "Value": shop}], **changes)
        return domain, made["DistributionTenant"], made["ETag"]

    def await_tenant(self, identifier):
        processes.eventually(f"{identifier} to be deployed", lambda: self.cloudfront
                             .get_distribution_tenant(Identifier=identifier)
                             ["DistributionTenant"]["Status"] == "Deployed")

    def test_each_tenant_is_served_by_its_own_parameters(self):
        cloudfront, template = self.cloudfront, self.template()
        domain_a, tenant_a, etag = self.tenant(template, "a")
        domain_b, tenant_b, _ = self.tenant(template, "b")
        for tenant in (tenant_a, tenant_b):
            self.await_tenant(tenant["Id"])
        first = self.server.get(domain_a, "/x")
        self.assertEqual(first.body.split()[0], "/a/x")
        self.assertEqual(self.server.get(domain_b, "/x").body.split()[0], "/b/x")
        self.assertEqual(self.server.get(domain_a, "/x").cache, "Hit")

        made = cloudfront.create_invalidation_for_distribution_tenant(
            Id=tenant_a["Id"],
            InvalidationBatch={"CallerReference": unique("i"), "Paths": quantified("/x")})
        cloudfront.get_waiter("invalidation_for_distribution_tenant_completed").wait(
            DistributionTenantId=tenant_a["Id"], Id=made["Invalidation"]["Id"],
            WaiterConfig={"Delay": 1, "MaxAttempts": 5})
        self.assertEqual(self.server.get(domain_a, "/x").cache, "Miss")
        self.assertEqual(self.server.get(domain_b, "/x").cache, "Hit")

        found = cloudfront.get_distribution_tenant_by_domain(Domain=domain_b)
        self.assertEqual(found["DistributionTenant"]["Id"], tenant_b["Id"])
        listed = cloudfront.list_distribution_tenants(
            AssociationFilter={"DistributionId": template})["DistributionTenantList"]
        self.assertEqual({item["Id"] for item in listed}, {tenant_a["Id"], tenant_b["Id"]})

        updated = cloudfront.update_distribution_tenant(
            Id=tenant_a["Id"], IfMatch=etag, Parameters=[{"Name": "shop", "Value": "c"}])
        self.await_tenant(tenant_a["Id"])
        self.assertEqual(self.server.get(domain_a, "/y").body.split()[0], "/c/y")
        self.refused("CNAMEAlreadyExists", cloudfront.create_distribution_tenant,
                     DistributionId=template, Name=unique("tenant"),
                     Domains=[{"Domain": domain_a}],
                     Parameters=[{"Name": "shop", "Value": "d"}])
        off = cloudfront.update_distribution_tenant(
            Id=tenant_a["Id"], IfMatch=updated["ETag"], Enabled=False)
        self.await_tenant(tenant_a["Id"])
        self.assertEqual(self.server.get(domain_a, "/y").status, 403)
        cloudfront.delete_distribution_tenant(Id=tenant_a["Id"], IfMatch=off["ETag"])
        self.refused("EntityNotFound", cloudfront.get_distribution_tenant,
                     Identifier=tenant_a["Id"])

    def test_connection_groups_are_made_changed_and_deleted(self):
        cloudfront = self.cloudfront
        made = cloudfront.create_connection_group(
            Name=unique("group"), Ipv6Enabled=True,
            Tags={"Items": [{"Key": "a", "Value": "b"}]})
        group = made["ConnectionGroup"]
        self.assertTrue(group["RoutingEndpoint"].endswith(".cdn.localhost"), group)
        found = cloudfront.get_connection_group_by_routing_endpoint(
            RoutingEndpoint=group["RoutingEndpoint"])
        self.assertEqual(found["ConnectionGroup"]["Id"], group["Id"])
        domain, tenant, etag = self.tenant(self.template(), "a", ConnectionGroupId=group["Id"])
        self.await_tenant(tenant["Id"])
        self.assertEqual(self.server.get(domain, "/").status, 200)
        updated = cloudfront.update_connection_group(
            Id=group["Id"], IfMatch=made["ETag"], Ipv6Enabled=False, Enabled=False)
        self.assertFalse(updated["ConnectionGroup"]["Ipv6Enabled"])
        with self.assertRaises(cloudfront.exceptions.ClientError):
            cloudfront.delete_connection_group(Id=group["Id"], IfMatch=updated["ETag"])
        off = cloudfront.update_distribution_tenant(
            Id=tenant["Id"], IfMatch=etag, Enabled=False)
        self.await_tenant(tenant["Id"])
        cloudfront.delete_distribution_tenant(Id=tenant["Id"], IfMatch=off["ETag"])
        cloudfront.delete_connection_group(Id=group["Id"], IfMatch=updated["ETag"])
        self.refused("EntityNotFound", cloudfront.get_connection_group, Identifier=group["Id"])
