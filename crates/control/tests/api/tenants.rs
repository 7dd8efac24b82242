//! Distribution tenants, and their invalidations.

use documents::{Resource, Tenant, keys};
use serde_json::{Value, json};

use crate::invalidations::documents;
use crate::world::{World, distribution};

const WEB_ACL: &str = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/x/1";

/// A template with the parameters `tenant`, which is required, and `region`.
async fn template(world: &World) -> String {
    let mut config = distribution("template");
    config["ConnectionMode"] = json!("tenant-only");
    config["Origins"]["Items"][0]["DomainName"] = json!("{{tenant}}.{{region}}.example.com");
    config["TenantConfig"] = json!({ "ParameterDefinitions": [
        { "Name": "tenant", "Definition": { "StringSchema": { "Required": true } } },
        { "Name": "region", "Definition": {
            "StringSchema": { "Required": false, "DefaultValue": "eu" },
        }},
    ]});
    let input = json!({ "DistributionConfig": config });
    let output = world.ok("CreateDistribution", input).await;
    output["Distribution"]["Id"].as_str().unwrap().to_owned()
}

fn tenant(template: &str, name: &str, domains: &[&str]) -> Value {
    let domains: Vec<Value> = domains.iter().map(|d| json!({ "Domain": d })).collect();
    json!({
        "DistributionId": template, "Name": name, "Domains": domains,
        "Parameters": [{ "Name": "tenant", "Value": name }],
    })
}

async fn create(world: &World, template: &str, name: &str, domains: &[&str]) -> Value {
    world
        .ok("CreateDistributionTenant", tenant(template, name, domains))
        .await
}

/// The input of an update or a deletion, with these members besides.
fn change(output: &Value, members: Value) -> Value {
    let mut input = json!({ "Id": output["DistributionTenant"]["Id"], "IfMatch": output["ETag"] });
    input
        .as_object_mut()
        .unwrap()
        .extend(members.as_object().unwrap().clone());
    input
}

async fn update(world: &World, output: &Value, members: Value) -> Value {
    world
        .ok("UpdateDistributionTenant", change(output, members))
        .await
}

fn refusal(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn a_tenant_is_stored_where_edges_look_and_told_as_it_was_given() {
    let world = World::new();
    let template = template(&world).await;
    let mut input = tenant(&template, "acme", &["Shop.Acme.example", "*.acme.example"]);
    input["Tags"] = json!({ "Items": [{ "Key": "plan", "Value": "gold" }] });
    input["Customizations"] = json!({
        "GeoRestrictions": { "RestrictionType": "whitelist", "Locations": ["DE"] },
    });
    let output = world.ok("CreateDistributionTenant", input.clone()).await;
    let created = &output["DistributionTenant"];
    let id = created["Id"].as_str().unwrap();
    assert!(id.starts_with("dt_"), "{id}");
    let arn = format!("arn:aws:cloudfront::123456789012:distribution-tenant/{id}");
    assert_eq!(created["Arn"], json!(arn));
    assert_eq!(created["DistributionId"], json!(template));
    assert_eq!(created["Enabled"], true);
    assert_eq!(created["Status"], "Deployed");
    for member in ["Name", "Parameters", "Customizations", "Tags"] {
        assert_eq!(created[member], input[member], "{member}");
    }
    let active = |domain: &str| json!({ "Domain": domain, "Status": "active" });
    let domains = json!([active("shop.acme.example"), active("*.acme.example")]);
    assert_eq!(created["Domains"], domains);

    let key = keys::resource(keys::DISTRIBUTION_TENANT, id);
    let document = world.store.get(&key).await.unwrap().unwrap();
    let stored = Resource::<Tenant>::decode(&key, &document.value).unwrap();
    assert_eq!(
        stored.config.domains,
        ["shop.acme.example", "*.acme.example"]
    );

    for identifier in [id, "acme", &arn] {
        let got = world
            .ok("GetDistributionTenant", json!({ "Identifier": identifier }))
            .await;
        assert_eq!(got, output);
    }
    let by_domain = json!({ "Domain": "SHOP.acme.example" });
    assert_eq!(
        world.ok("GetDistributionTenantByDomain", by_domain).await,
        output
    );
    for unknown in ["acme.example", "x.acme.example"] {
        let input = json!({ "Domain": unknown });
        let missing = refusal(404, "EntityNotFound");
        assert_eq!(
            world.fail("GetDistributionTenantByDomain", input).await,
            missing
        );
    }
}

#[tokio::test]
async fn the_first_tenant_without_a_group_makes_the_default_one_and_others_share_it() {
    let world = World::new();
    let template = template(&world).await;
    let one = create(&world, &template, "one", &["one.example"]).await;
    let two = create(&world, &template, "two", &["two.example"]).await;
    let group = &one["DistributionTenant"]["ConnectionGroupId"];
    assert_eq!(two["DistributionTenant"]["ConnectionGroupId"], *group);
    let found = world
        .ok("GetConnectionGroup", json!({ "Identifier": group }))
        .await;
    assert_eq!(found["ConnectionGroup"]["IsDefault"], true);
    let groups = world.ok("ListConnectionGroups", json!({})).await;
    assert_eq!(groups["ConnectionGroups"].as_array().unwrap().len(), 1);

    let input = json!({ "Id": group, "IfMatch": found["ETag"], "Enabled": false });
    let disabled = world.ok("UpdateConnectionGroup", input).await;
    let input = json!({ "Id": group, "IfMatch": disabled["ETag"] });
    let refused = refusal(409, "CannotDeleteEntityWhileInUse");
    assert_eq!(world.fail("DeleteConnectionGroup", input).await, refused);
}

#[tokio::test]
async fn a_group_stays_as_long_as_a_tenant_is_in_it() {
    let world = World::new();
    let template = template(&world).await;
    let input = json!({ "Name": "shops", "Enabled": false });
    let group = world.ok("CreateConnectionGroup", input).await;
    let id = &group["ConnectionGroup"]["Id"];
    let mut input = tenant(&template, "acme", &["acme.example"]);
    input["ConnectionGroupId"] = id.clone();
    let acme = world.ok("CreateDistributionTenant", input.clone()).await;
    assert_eq!(acme["DistributionTenant"]["ConnectionGroupId"], *id);
    let delete = json!({ "Id": id, "IfMatch": group["ETag"] });
    let refused = refusal(409, "CannotDeleteEntityWhileInUse");
    assert_eq!(
        world.fail("DeleteConnectionGroup", delete.clone()).await,
        refused
    );
    let acme = update(&world, &acme, json!({ "Enabled": false })).await;
    world
        .ok("DeleteDistributionTenant", change(&acme, json!({})))
        .await;
    world.ok("DeleteConnectionGroup", delete).await;
    let missing = refusal(404, "EntityNotFound");
    assert_eq!(world.fail("CreateDistributionTenant", input).await, missing);
}

#[tokio::test]
async fn a_refused_tenant_changes_no_document() {
    let world = World::new();
    let template = template(&world).await;
    let direct = world.distribution("direct").await;
    let direct = direct["Distribution"]["Id"].as_str().unwrap();
    create(&world, &template, "there", &["there.example"]).await;
    let before = documents(&world).await;
    let with = |member: &str, value: Value| {
        let mut input = tenant(&template, "acme", &["acme.example"]);
        input[member] = value;
        input
    };
    let given = |name: &str, value: &str| json!({ "Name": name, "Value": value });
    for (input, refused) in [
        (
            with("DistributionId", json!("E0")),
            refusal(404, "EntityNotFound"),
        ),
        (
            with("DistributionId", json!(direct)),
            refusal(409, "InvalidAssociation"),
        ),
        (
            with("ConnectionGroupId", json!("cg_0")),
            refusal(404, "EntityNotFound"),
        ),
        (
            with("Name", json!("there")),
            refusal(409, "EntityAlreadyExists"),
        ),
        (with("Name", json!("a_b")), refusal(400, "InvalidArgument")),
        (with("Domains", json!([])), refusal(400, "InvalidArgument")),
        (
            with("Domains", json!([{ "Domain": "a b" }])),
            refusal(400, "InvalidArgument"),
        ),
        (
            with("Domains", json!([{ "Domain": "There.example" }])),
            refusal(409, "CNAMEAlreadyExists"),
        ),
        // `tenant` is required.
        (
            with("Parameters", json!([])),
            refusal(400, "InvalidArgument"),
        ),
        (
            with(
                "Parameters",
                json!([given("tenant", "a"), given("other", "b")]),
            ),
            refusal(400, "InvalidArgument"),
        ),
        (
            with(
                "Parameters",
                json!([given("tenant", "a"), given("tenant", "b")]),
            ),
            refusal(400, "InvalidArgument"),
        ),
        (
            with("Parameters", json!([given("tenant", "")])),
            refusal(400, "InvalidArgument"),
        ),
        (
            with("Parameters", json!([given("tenant", "a b")])),
            refusal(400, "InvalidArgument"),
        ),
        (
            with("Parameters", json!([given("tenant", &"a".repeat(257))])),
            refusal(400, "InvalidArgument"),
        ),
        // Edges could not serve what comes of it.
        (
            with("Parameters", json!([given("tenant", "unserveable")])),
            refusal(400, "InvalidArgument"),
        ),
        (
            with(
                "Customizations",
                json!({ "WebAcl": { "Action": "override" } }),
            ),
            refusal(400, "InvalidArgument"),
        ),
        (
            with(
                "ManagedCertificateRequest",
                json!({ "ValidationTokenHost": "cloudfront" }),
            ),
            refusal(400, "UnsupportedOperation"),
        ),
        (
            with("Tags", json!({ "Items": [{ "Key": "aws:x" }] })),
            refusal(400, "InvalidTagging"),
        ),
    ] {
        let answer = world.fail("CreateDistributionTenant", input.clone()).await;
        assert_eq!(answer, refused, "{input:.300}");
    }
    assert_eq!(documents(&world).await, before);
}

#[tokio::test]
async fn a_host_name_is_one_distributions_or_one_tenants() {
    let world = World::new();
    let template = template(&world).await;
    let acme = create(&world, &template, "acme", &["www.example.com"]).await;
    let aliased = |name: &str| {
        let mut config = distribution(name);
        config["Aliases"] = json!({ "Quantity": 1, "Items": [name] });
        json!({ "DistributionConfig": config })
    };
    let taken = refusal(409, "CNAMEAlreadyExists");
    let input = aliased("www.example.com");
    assert_eq!(world.fail("CreateDistribution", input.clone()).await, taken);
    // A wildcard beside it is another name.
    world
        .ok("CreateDistribution", aliased("*.example.com"))
        .await;
    let other = tenant(&template, "other", &["*.Example.com"]);
    assert_eq!(world.fail("CreateDistributionTenant", other).await, taken);

    // What is given up is free.
    let moved = json!({ "Domains": [{ "Domain": "new.example.com" }] });
    update(&world, &acme, moved).await;
    world.ok("CreateDistribution", input).await;
    let owner = world
        .store
        .get(&keys::claim("alias", "new.example.com"))
        .await
        .unwrap();
    let id = acme["DistributionTenant"]["Id"].as_str().unwrap();
    assert_eq!(owner.unwrap().value, id.as_bytes());
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_is_deployed_when_edges_have_it() {
    let world = World::new();
    let template = template(&world).await;
    let acme = create(
        &world,
        &template,
        "acme",
        &["acme.example", "www.acme.example"],
    )
    .await;
    world.edge("n", 1).await;
    let members = json!({
        "Domains": [{ "Domain": "www.acme.example" }, { "Domain": "shop.acme.example" }],
        "Parameters": [{ "Name": "tenant", "Value": "b" }, { "Name": "region", "Value": "us" }],
    });
    let updated = update(&world, &acme, members).await;
    let (old, new) = (&acme["DistributionTenant"], &updated["DistributionTenant"]);
    assert_eq!(new["Status"], "InProgress");
    assert_eq!(new["Parameters"][1]["Value"], "us");
    for member in [
        "Id",
        "Name",
        "Arn",
        "ConnectionGroupId",
        "CreatedTime",
        "Enabled",
    ] {
        assert_eq!(new[member], old[member], "{member}");
    }
    assert_ne!(updated["ETag"], acme["ETag"]);
    world.edge("n", u64::MAX).await;
    let got = world
        .ok("GetDistributionTenant", json!({ "Identifier": "acme" }))
        .await;
    assert_eq!(got["DistributionTenant"]["Status"], "Deployed");

    let before = documents(&world).await;
    let stale = change(&acme, json!({ "Enabled": false }));
    let refused = refusal(412, "PreconditionFailed");
    assert_eq!(world.fail("UpdateDistributionTenant", stale).await, refused);
    let needed = change(&updated, json!({ "Parameters": [] }));
    let refused = refusal(400, "InvalidArgument");
    assert_eq!(
        world.fail("UpdateDistributionTenant", needed).await,
        refused
    );
    assert_eq!(documents(&world).await, before);
}

#[tokio::test]
async fn only_a_disabled_tenant_is_deleted_and_all_that_it_had_goes_with_it() {
    let world = World::new();
    let template = template(&world).await;
    let before = documents(&world).await;
    let acme = create(&world, &template, "acme", &["acme.example"]).await;
    let id = &acme["DistributionTenant"]["Id"];
    let refused = refusal(409, "ResourceNotDisabled");
    assert_eq!(
        world
            .fail("DeleteDistributionTenant", change(&acme, json!({})))
            .await,
        refused
    );
    let batch = json!({
        "CallerReference": "r", "Paths": { "Quantity": 1, "Items": ["/*"] },
    });
    let input = json!({ "Id": id, "InvalidationBatch": batch });
    world
        .ok("CreateInvalidationForDistributionTenant", input)
        .await;
    let acme = update(&world, &acme, json!({ "Enabled": false })).await;
    world
        .ok("DeleteDistributionTenant", change(&acme, json!({})))
        .await;
    let missing = refusal(404, "EntityNotFound");
    assert_eq!(
        world
            .fail("GetDistributionTenant", json!({ "Identifier": id }))
            .await,
        missing
    );

    // Left are the default group, guards, and histories.
    let known: Vec<String> = before.into_iter().map(|(key, _)| key).collect();
    let left: Vec<String> = documents(&world)
        .await
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    let of_group = |key: &str| key.contains("connection-group");
    let strange = left.iter().find(|key| {
        !known.contains(key)
            && !of_group(key)
            && !key.starts_with("guards/")
            && !key.starts_with(keys::HISTORY)
    });
    assert_eq!(strange, None);
    create(&world, &template, "acme", &["acme.example"]).await;
}

#[tokio::test]
async fn a_template_stays_as_long_as_it_has_tenants() {
    let world = World::new();
    let template = template(&world).await;
    create(&world, &template, "acme", &["acme.example"]).await;
    let output = world
        .ok("GetDistributionConfig", json!({ "Id": template }))
        .await;
    let mut config = output["DistributionConfig"].clone();
    config["Enabled"] = json!(false);
    let input = json!({ "Id": template, "IfMatch": output["ETag"], "DistributionConfig": config });
    let output = world.ok("UpdateDistribution", input).await;
    let input = json!({ "Id": template, "IfMatch": output["ETag"] });
    let (status, _) = world.fail("DeleteDistribution", input).await;
    assert_eq!(status, 409);
}

#[tokio::test]
async fn a_web_acl_is_put_and_taken_alone() {
    let world = World::new();
    let template = template(&world).await;
    let acme = create(&world, &template, "acme", &["acme.example"]).await;
    let id = &acme["DistributionTenant"]["Id"];
    let input = json!({ "Id": id, "WebACLArn": WEB_ACL, "IfMatch": acme["ETag"] });
    let associated = world
        .ok("AssociateDistributionTenantWebACL", input.clone())
        .await;
    assert_eq!(
        (&associated["Id"], &associated["WebACLArn"]),
        (id, &json!(WEB_ACL))
    );
    let refused = refusal(412, "PreconditionFailed");
    assert_eq!(
        world.fail("AssociateDistributionTenantWebACL", input).await,
        refused
    );
    let input = json!({ "Id": id, "WebACLArn": "no ARN" });
    let refused = refusal(400, "InvalidArgument");
    assert_eq!(
        world.fail("AssociateDistributionTenantWebACL", input).await,
        refused
    );

    let listed = |arn: &str| {
        let input = json!({ "WebACLArn": arn });
        let world = &world;
        async move {
            let output = world
                .ok("ListDistributionTenantsByCustomization", input)
                .await;
            output["DistributionTenantList"].as_array().unwrap().len()
        }
    };
    assert_eq!((listed(WEB_ACL).await, listed("other").await), (1, 0));
    let got = world
        .ok("GetDistributionTenant", json!({ "Identifier": id }))
        .await;
    let customizations = &got["DistributionTenant"]["Customizations"];
    assert_eq!(
        customizations["WebAcl"],
        json!({ "Action": "override", "Arn": WEB_ACL })
    );
    assert_eq!(got["ETag"], associated["ETag"]);

    world
        .ok("DisassociateDistributionTenantWebACL", json!({ "Id": id }))
        .await;
    assert_eq!(listed(WEB_ACL).await, 0);
    let both = json!({ "WebACLArn": "a", "CertificateArn": "b" });
    let refused = refusal(400, "InvalidArgument");
    assert_eq!(
        world
            .fail("ListDistributionTenantsByCustomization", both)
            .await,
        refused
    );
}

#[tokio::test]
async fn lists_are_filtered_and_in_pages() {
    let world = World::new();
    let template = template(&world).await;
    let group = world
        .ok("CreateConnectionGroup", json!({ "Name": "shops" }))
        .await;
    let group = &group["ConnectionGroup"]["Id"];
    for (n, name) in ["one", "two", "three"].into_iter().enumerate() {
        let mut input = tenant(&template, name, &[&format!("{name}.example")]);
        if n > 0 {
            input["ConnectionGroupId"] = group.clone();
        }
        world.ok("CreateDistributionTenant", input).await;
    }
    let names = |output: &Value| -> Vec<String> {
        let tenants = output["DistributionTenantList"].as_array().unwrap();
        let names = tenants
            .iter()
            .map(|tenant| tenant["Name"].as_str().unwrap().to_owned());
        names.collect()
    };
    let first = world
        .ok("ListDistributionTenants", json!({ "MaxItems": 2 }))
        .await;
    assert_eq!(names(&first), ["one", "two"]);
    let input = json!({ "MaxItems": 2, "Marker": first["NextMarker"] });
    let second = world.ok("ListDistributionTenants", input).await;
    assert_eq!(
        (names(&second), second.get("NextMarker")),
        (vec!["three".to_owned()], None)
    );

    for (filter, expected) in [
        (json!({ "ConnectionGroupId": group }), vec!["two", "three"]),
        (
            json!({ "DistributionId": template }),
            vec!["one", "two", "three"],
        ),
        (json!({ "DistributionId": "E0" }), vec![]),
    ] {
        let input = json!({ "AssociationFilter": filter });
        let output = world.ok("ListDistributionTenants", input).await;
        assert_eq!(names(&output), expected);
    }
    let both = json!({ "DistributionId": template, "ConnectionGroupId": group });
    let input = json!({ "AssociationFilter": both });
    let refused = refusal(400, "InvalidArgument");
    assert_eq!(world.fail("ListDistributionTenants", input).await, refused);
}

#[tokio::test]
async fn there_are_no_managed_certificates_and_dns_is_not_asked() {
    let world = World::new();
    let template = template(&world).await;
    create(
        &world,
        &template,
        "acme",
        &["acme.example", "www.acme.example"],
    )
    .await;
    let missing = refusal(404, "EntityNotFound");
    let input = json!({ "Identifier": "acme" });
    assert_eq!(
        world
            .fail("GetManagedCertificateDetails", input.clone())
            .await,
        missing
    );
    let answer = world.ok("VerifyDnsConfiguration", input).await;
    let list = answer["DnsConfigurationList"].as_array().unwrap();
    assert_eq!(list.len(), 2);
    assert!(
        list.iter()
            .all(|one| one["Status"] == "unknown-configuration")
    );
    let input = json!({ "Identifier": "acme", "Domain": "WWW.acme.example" });
    let answer = world.ok("VerifyDnsConfiguration", input).await;
    assert_eq!(
        answer["DnsConfigurationList"][0]["Domain"],
        "www.acme.example"
    );
    let input = json!({ "Identifier": "acme", "Domain": "other.example" });
    let refused = refusal(400, "InvalidArgument");
    assert_eq!(world.fail("VerifyDnsConfiguration", input).await, refused);
    let input = json!({ "Identifier": "nobody" });
    assert_eq!(world.fail("VerifyDnsConfiguration", input).await, missing);
}

#[tokio::test]
async fn a_tenants_invalidations_are_its_own() {
    let world = World::new();
    let template = template(&world).await;
    let acme = create(&world, &template, "acme", &["acme.example"]).await;
    let other = create(&world, &template, "other", &["other.example"]).await;
    let id = &acme["DistributionTenant"]["Id"];
    world.edge("n", 1).await;
    let batch = json!({ "CallerReference": "r", "Paths": { "Quantity": 1, "Items": ["/*"] } });
    let input = json!({ "Id": id, "InvalidationBatch": batch });
    let made = world
        .ok("CreateInvalidationForDistributionTenant", input)
        .await;
    let invalidation = &made["Invalidation"];
    assert_eq!(invalidation["Status"], "InProgress");
    let invalidation_id = invalidation["Id"].as_str().unwrap();
    let owned = format!("{}/{invalidation_id}", id.as_str().unwrap());
    let key = keys::resource(keys::INVALIDATION, &owned);
    assert!(world.store.get(&key).await.unwrap().is_some());

    let get = "GetInvalidationForDistributionTenant";
    let of = |tenant: &Value| json!({ "DistributionTenantId": tenant, "Id": invalidation_id });
    assert_eq!(world.ok(get, of(id)).await["Invalidation"], *invalidation);
    let others = &other["DistributionTenant"]["Id"];
    assert_eq!(
        world.fail(get, of(others)).await,
        refusal(404, "NoSuchInvalidation")
    );
    assert_eq!(
        world.fail(get, of(&json!("dt_0"))).await,
        refusal(404, "EntityNotFound")
    );

    let list = "ListInvalidationsForDistributionTenant";
    let output = world.ok(list, json!({ "Id": id, "MaxItems": 1 })).await;
    assert_eq!(
        output["InvalidationList"]["Items"][0]["Id"],
        invalidation_id
    );
    let output = world.ok(list, json!({ "Id": others })).await;
    assert_eq!(output["InvalidationList"]["Quantity"], 0);
}
