//! The life of a distribution: made, got, changed, deleted.

use documents::keys;
use serde_json::{Value, json};
use store::Txn;

use crate::stored::{documents, refused};
use crate::world::{World, distribution};

/// What `UpdateDistribution` takes: the config as it is, with `change` made to it.
pub async fn updated(world: &World, id: &str, change: impl FnOnce(&mut Value)) -> Value {
    let got = world.ok("GetDistributionConfig", json!({ "Id": id })).await;
    let mut config = got["DistributionConfig"].clone();
    change(&mut config);
    json!({ "Id": id, "IfMatch": got["ETag"], "DistributionConfig": config })
}

/// The id of a distribution made with `change` to its config.
pub async fn made(world: &World, reference: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut config = distribution(reference);
    change(&mut config);
    let input = json!({ "DistributionConfig": config });
    let output = world.ok("CreateDistribution", input).await;
    output["Distribution"]["Id"].as_str().unwrap().to_owned()
}

/// Disables a distribution and gives what deletes it.
pub async fn disabled(world: &World, id: &str) -> Value {
    let input = updated(world, id, |config| config["Enabled"] = false.into()).await;
    let output = world.ok("UpdateDistribution", input).await;
    json!({ "Id": id, "IfMatch": output["ETag"] })
}

pub fn aliases(names: &[&str]) -> Value {
    json!({ "Quantity": names.len(), "Items": names })
}

#[tokio::test]
async fn a_distribution_is_made_with_an_id_a_name_and_a_whole_config() {
    let world = World::new();
    let output = world.distribution("r").await;
    let made = &output["Distribution"];
    let id = made["Id"].as_str().unwrap();
    assert!(id.len() == 14 && id.starts_with('E'), "{id}");
    let arn = format!("arn:aws:cloudfront::123456789012:distribution/{id}");
    assert_eq!(made["ARN"], arn);
    let name = made["DomainName"].as_str().unwrap();
    assert!(
        name.starts_with('d') && name.ends_with(".cdn.localhost"),
        "{name}"
    );
    assert_eq!(made["Status"], "Deployed", "there are no edges to wait for");
    assert_eq!(made["InProgressInvalidationBatches"], 0);
    let none = json!({ "Enabled": false, "Quantity": 0 });
    assert_eq!(made["ActiveTrustedSigners"], none);
    assert_eq!(made["ActiveTrustedKeyGroups"], none);
    assert_eq!(made["DistributionConfig"]["PriceClass"], "PriceClass_All");
    let location = format!("https://cloudfront.amazonaws.com/2020-05-31/distribution/{id}");
    assert_eq!(output["Location"], location);
    let got = world.ok("GetDistribution", json!({ "Id": id })).await;
    assert_eq!(
        (&got["Distribution"], &got["ETag"]),
        (made, &output["ETag"])
    );
}

#[tokio::test]
async fn an_update_of_what_was_got_changes_nothing_but_the_version() {
    let world = World::new();
    let id = made(&world, "r", |config| {
        config["Aliases"] = aliases(&["www.example.com", "*.example.org"]);
    })
    .await;
    let before = world.ok("GetDistribution", json!({ "Id": id })).await;
    let input = updated(&world, &id, |_| ()).await;
    let after = world.ok("UpdateDistribution", input).await;
    assert_ne!(after["ETag"], before["ETag"]);
    let config = |output: &Value| output["Distribution"]["DistributionConfig"].clone();
    assert_eq!(config(&after), config(&before));
    assert_eq!(
        after["Distribution"]["AliasICPRecordals"][1],
        json!({ "CNAME": "*.example.org", "ICPRecordalStatus": "APPROVED" })
    );
}

#[tokio::test]
async fn a_stale_etag_is_refused_and_nothing_changes() {
    let world = World::new();
    let id = made(&world, "r", |_| ()).await;
    let stale = updated(&world, &id, |config| config["Comment"] = "late".into()).await;
    let input = updated(&world, &id, |config| config["Comment"] = "early".into()).await;
    world.ok("UpdateDistribution", input).await;
    let failed = (412, "PreconditionFailed");
    refused(&world, "UpdateDistribution", stale.clone(), failed).await;
    let delete = json!({ "Id": id, "IfMatch": stale["IfMatch"] });
    refused(&world, "DeleteDistribution", delete, failed).await;
    for if_match in [Value::Null, "".into(), "nonsense".into()] {
        let mut input = stale.clone();
        input["IfMatch"] = if_match;
        refused(
            &world,
            "UpdateDistribution",
            input,
            (400, "InvalidIfMatchVersion"),
        )
        .await;
    }
}

#[tokio::test]
async fn an_unknown_id_is_no_such_distribution() {
    let world = World::new();
    let error = (404, "NoSuchDistribution");
    for id in ["E1", "", "../x", "E1/x"] {
        for operation in [
            "GetDistribution",
            "GetDistributionConfig",
            "DeleteDistribution",
        ] {
            refused(&world, operation, json!({ "Id": id }), error).await;
        }
    }
    let mut input = json!({ "Id": "E1", "IfMatch": "E1111111111111" });
    input["DistributionConfig"] = distribution("r");
    refused(&world, "UpdateDistribution", input, error).await;
}

#[tokio::test]
async fn a_caller_reference_makes_one_distribution_until_that_is_deleted() {
    let world = World::new();
    let id = made(&world, "r", |_| ()).await;
    let input = json!({ "DistributionConfig": distribution("r") });
    let error = (409, "DistributionAlreadyExists");
    refused(&world, "CreateDistribution", input.clone(), error).await;
    let other = updated(&world, &id, |config| config["CallerReference"] = "s".into()).await;
    refused(&world, "UpdateDistribution", other, (400, "IllegalUpdate")).await;
    let delete = disabled(&world, &id).await;
    world.ok("DeleteDistribution", delete).await;
    world.ok("CreateDistribution", input).await;
}

#[tokio::test]
async fn an_alias_is_one_distributions_until_it_gives_it_up() {
    let world = World::new();
    let one = made(&world, "1", |c| c["Aliases"] = aliases(&["a.example.com"])).await;
    let two = made(&world, "2", |c| c["Aliases"] = aliases(&["*.example.com"])).await;
    let take = |config: &mut Value| {
        config["Aliases"] = aliases(&["*.example.com", "a.example.com"]);
    };
    let input = updated(&world, &two, take).await;
    refused(
        &world,
        "UpdateDistribution",
        input,
        (409, "CNAMEAlreadyExists"),
    )
    .await;
    let mut third = distribution("3");
    third["Aliases"] = aliases(&["a.example.com"]);
    let third = json!({ "DistributionConfig": third });
    refused(
        &world,
        "CreateDistribution",
        third.clone(),
        (409, "CNAMEAlreadyExists"),
    )
    .await;
    let input = updated(&world, &one, |c| c["Aliases"] = aliases(&["b.example.com"])).await;
    world.ok("UpdateDistribution", input).await;
    let input = updated(&world, &two, take).await;
    world.ok("UpdateDistribution", input).await;
    let delete = disabled(&world, &two).await;
    world.ok("DeleteDistribution", delete).await;
    world.ok("CreateDistribution", third).await;
}

#[tokio::test]
async fn an_update_without_a_member_that_must_stay_is_illegal() {
    let world = World::new();
    let id = made(&world, "r", |_| ()).await;
    for member in [
        "Aliases",
        "DefaultRootObject",
        "CacheBehaviors",
        "CustomErrorResponses",
        "Logging",
        "PriceClass",
        "ViewerCertificate",
        "Restrictions",
        "WebACLId",
        "HttpVersion",
    ] {
        let without = |config: &mut Value| {
            config.as_object_mut().unwrap().remove(member).unwrap();
        };
        let input = updated(&world, &id, without).await;
        refused(&world, "UpdateDistribution", input, (400, "IllegalUpdate")).await;
    }
    let input = updated(&world, &id, |config| config["Staging"] = true.into()).await;
    refused(&world, "UpdateDistribution", input, (400, "IllegalUpdate")).await;
}

#[tokio::test]
async fn what_edges_could_not_serve_is_not_accepted() {
    let world = World::new();
    let mut config = distribution("r");
    config["Comment"] = "unserveable".into();
    let input = json!({ "DistributionConfig": config });
    refused(
        &world,
        "CreateDistribution",
        input,
        (400, "InvalidArgument"),
    )
    .await;
    let id = made(&world, "r", |_| ()).await;
    let input = updated(&world, &id, |config| {
        config["Comment"] = "unserveable".into()
    })
    .await;
    refused(
        &world,
        "UpdateDistribution",
        input,
        (400, "InvalidArgument"),
    )
    .await;
}

#[tokio::test]
async fn a_distribution_is_deployed_once_every_edge_serves_it() {
    let world = World::new();
    world.edge("slow", 0).await;
    world.edge("fast", u64::MAX).await;
    let id = made(&world, "r", |_| ()).await;
    let get = || async { world.ok("GetDistribution", json!({ "Id": id })).await };
    assert_eq!(get().await["Distribution"]["Status"], "InProgress");
    let list = world.ok("ListDistributions", json!({})).await;
    assert_eq!(list["DistributionList"]["Items"][0]["Status"], "InProgress");
    world.edge("slow", u64::MAX).await;
    assert_eq!(get().await["Distribution"]["Status"], "Deployed");
    world.edge("slow", 0).await;
    let gone = Txn::new().delete(keys::node("slow"));
    world.store.commit(gone).await.unwrap();
    assert_eq!(
        get().await["Distribution"]["Status"],
        "Deployed",
        "it lives no more"
    );
}

#[tokio::test]
async fn invalidations_that_edges_have_yet_to_apply_are_counted() {
    let world = World::new();
    let id = made(&world, "r", |_| ()).await;
    world.edge("slow", 0).await;
    let input = json!({ "DistributionId": id, "InvalidationBatch": {
        "CallerReference": "i", "Paths": { "Quantity": 1, "Items": ["/*"] },
    }});
    world.ok("CreateInvalidation", input).await;
    let got = world.ok("GetDistribution", json!({ "Id": id })).await;
    assert_eq!(got["Distribution"]["InProgressInvalidationBatches"], 1);
    world.edge("slow", u64::MAX).await;
    let got = world.ok("GetDistribution", json!({ "Id": id })).await;
    assert_eq!(got["Distribution"]["InProgressInvalidationBatches"], 0);
}

#[tokio::test]
async fn only_what_is_disabled_and_deployed_is_deleted() {
    let world = World::new();
    let id = made(&world, "r", |_| ()).await;
    let got = world.ok("GetDistribution", json!({ "Id": id })).await;
    let enabled = json!({ "Id": id, "IfMatch": got["ETag"] });
    refused(
        &world,
        "DeleteDistribution",
        enabled,
        (409, "DistributionNotDisabled"),
    )
    .await;
    world.edge("slow", 0).await;
    let delete = disabled(&world, &id).await;
    refused(
        &world,
        "DeleteDistribution",
        delete.clone(),
        (412, "PreconditionFailed"),
    )
    .await;
    world.edge("slow", u64::MAX).await;
    world.ok("DeleteDistribution", delete).await;
    let error = (404, "NoSuchDistribution");
    refused(&world, "GetDistribution", json!({ "Id": id }), error).await;
}

#[tokio::test]
async fn what_belongs_to_a_distribution_goes_with_it() {
    let world = World::new();
    let bare = documents(&world).await;
    assert_eq!(bare, []);
    let id = made(&world, "r", |c| c["Aliases"] = aliases(&["a.example.com"])).await;
    let arn = format!("arn:aws:cloudfront::123456789012:distribution/{id}");
    let tags = json!({ "Resource": arn, "Tags": { "Items": [{ "Key": "k", "Value": "v" }] } });
    world.ok("TagResource", tags).await;
    let input = json!({ "DistributionId": id, "InvalidationBatch": {
        "CallerReference": "i", "Paths": { "Quantity": 1, "Items": ["/*"] },
    }});
    world.ok("CreateInvalidation", input).await;
    let input = json!({ "DistributionId": id, "MonitoringSubscription": {
        "RealtimeMetricsSubscriptionConfig": { "RealtimeMetricsSubscriptionStatus": "Enabled" },
    }});
    world.ok("CreateMonitoringSubscription", input).await;
    let delete = disabled(&world, &id).await;
    world.ok("DeleteDistribution", delete).await;
    let left: Vec<String> = documents(&world).await.into_iter().map(|d| d.key).collect();
    let is_kept = |key: &String| key.starts_with("guards/") || key.starts_with("history/");
    assert!(left.iter().all(is_kept), "{left:?}");
}

#[tokio::test]
async fn a_template_is_not_deleted_while_it_has_a_tenant() {
    let world = World::new();
    let id = made(&world, "t", |c| c["ConnectionMode"] = "tenant-only".into()).await;
    let tenant = json!({
        "DistributionId": id, "Name": "tenant",
        "Domains": [{ "Domain": "t.example.com" }],
    });
    world.ok("CreateDistributionTenant", tenant).await;
    let delete = disabled(&world, &id).await;
    refused(&world, "DeleteDistribution", delete, (409, "ResourceInUse")).await;
}

#[tokio::test]
async fn trusted_key_groups_are_told_with_the_keys_that_they_have() {
    let world = World::new();
    let key = crate::family::public_key(1, crate::family::RSA_2048);
    let key = world
        .ok("CreatePublicKey", json!({ "PublicKeyConfig": key }))
        .await;
    let key = key["PublicKey"]["Id"].clone();
    let group = json!({ "KeyGroupConfig": { "Name": "g", "Items": [key] } });
    let group = world.ok("CreateKeyGroup", group).await["KeyGroup"]["Id"].clone();
    let trusted = json!({ "Enabled": true, "Quantity": 1, "Items": [group] });
    let id = made(&world, "r", |config| {
        config["DefaultCacheBehavior"]["TrustedKeyGroups"] = trusted;
    })
    .await;
    let got = world.ok("GetDistribution", json!({ "Id": id })).await;
    assert_eq!(
        got["Distribution"]["ActiveTrustedKeyGroups"],
        json!({ "Enabled": true, "Quantity": 1, "Items": [{
            "KeyGroupId": group, "KeyPairIds": { "Quantity": 1, "Items": [key] },
        }]})
    );
}

#[tokio::test]
async fn a_web_acl_is_associated_and_disassociated_without_the_config() {
    let world = World::new();
    let id = made(&world, "r", |_| ()).await;
    let arn = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/name/id";
    let etag = world.ok("GetDistribution", json!({ "Id": id })).await["ETag"].clone();
    let input = json!({ "Id": id, "IfMatch": etag, "WebACLArn": "nonsense" });
    let error = (400, "InvalidWebACLId");
    refused(&world, "AssociateDistributionWebACL", input, error).await;
    let input = json!({ "Id": id, "IfMatch": etag, "WebACLArn": arn });
    let output = world.ok("AssociateDistributionWebACL", input.clone()).await;
    assert_eq!(output["WebACLArn"], arn);
    let error = (412, "PreconditionFailed");
    refused(&world, "AssociateDistributionWebACL", input, error).await;
    let config = || async {
        world.ok("GetDistributionConfig", json!({ "Id": id })).await["DistributionConfig"].clone()
    };
    assert_eq!(config().await["WebACLId"], arn);
    let input = json!({ "Id": id, "IfMatch": output["ETag"] });
    world.ok("DisassociateDistributionWebACL", input).await;
    assert_eq!(config().await["WebACLId"], "");
}

#[tokio::test]
async fn an_alias_moves_from_one_distribution_to_another_at_once() {
    let world = World::new();
    let one = made(&world, "1", |c| c["Aliases"] = aliases(&["a.example.com"])).await;
    let two = made(&world, "2", |_| ()).await;
    let input = json!({ "TargetDistributionId": two, "Alias": "a.example.com" });
    world.ok("AssociateAlias", input.clone()).await;
    let of = |id: String| {
        let world = &world;
        async move {
            let got = world.ok("GetDistributionConfig", json!({ "Id": id })).await;
            got["DistributionConfig"]["Aliases"].clone()
        }
    };
    assert_eq!(of(one.clone()).await, json!({ "Quantity": 0 }));
    assert_eq!(of(two.clone()).await, aliases(&["a.example.com"]));
    let before = documents(&world).await;
    world.ok("AssociateAlias", input).await;
    assert_eq!(documents(&world).await, before, "it has it already");
    let input = updated(&world, &one, |c| c["Aliases"] = aliases(&["a.example.com"])).await;
    refused(
        &world,
        "UpdateDistribution",
        input,
        (409, "CNAMEAlreadyExists"),
    )
    .await;
}

#[tokio::test]
async fn a_domain_moves_only_from_what_is_disabled() {
    let world = World::new();
    let one = made(&world, "1", |c| c["Aliases"] = aliases(&["a.example.com"])).await;
    let two = world.distribution("2").await;
    let target = json!({ "DistributionId": two["Distribution"]["Id"] });
    let input = json!({
        "Domain": "a.example.com", "TargetResource": target, "IfMatch": two["ETag"],
    });
    let operation = "UpdateDomainAssociation";
    refused(&world, operation, input.clone(), (400, "IllegalUpdate")).await;
    disabled(&world, &one).await;
    let output = world.ok(operation, input.clone()).await;
    assert_eq!(output["ResourceId"], two["Distribution"]["Id"]);
    assert_ne!(output["ETag"], two["ETag"]);
    refused(
        &world,
        operation,
        input.clone(),
        (412, "PreconditionFailed"),
    )
    .await;
    let mut unknown = input;
    unknown["TargetResource"] = json!({ "DistributionId": "E1" });
    refused(&world, operation, unknown, (404, "EntityNotFound")).await;
}

#[tokio::test]
async fn a_domain_moves_from_a_distribution_to_a_tenant() {
    let world = World::new();
    let one = made(&world, "1", |c| c["Aliases"] = aliases(&["a.example.com"])).await;
    disabled(&world, &one).await;
    let template = made(&world, "t", |c| c["ConnectionMode"] = "tenant-only".into()).await;
    let tenant = json!({
        "DistributionId": template, "Name": "tenant",
        "Domains": [{ "Domain": "t.example.com" }],
    });
    let tenant = world.ok("CreateDistributionTenant", tenant).await;
    let id = tenant["DistributionTenant"]["Id"].as_str().unwrap();
    let input = json!({
        "Domain": "a.example.com", "IfMatch": tenant["ETag"],
        "TargetResource": { "DistributionTenantId": id },
    });
    world.ok("UpdateDomainAssociation", input).await;
    let input = json!({ "Domain": "a.example.com" });
    let got = world.ok("GetDistributionTenantByDomain", input).await;
    assert_eq!(got["DistributionTenant"]["Id"], id);
}

/// Names of hosts, from one number to another.
fn hosts(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers
        .map(|number| format!("h{number}.example.com"))
        .collect()
}

#[tokio::test]
async fn more_than_half_of_a_hundred_aliases_change_at_once() {
    let world = World::new();
    let of = |hosts: &[String]| json!({ "Quantity": hosts.len(), "Items": hosts });
    let id = made(&world, "r", |c| c["Aliases"] = of(&hosts(0..100))).await;
    let input = updated(&world, &id, |c| c["Aliases"] = of(&hosts(56..156))).await;
    refused(
        &world,
        "UpdateDistribution",
        input,
        (400, "InvalidArgument"),
    )
    .await;
    let input = updated(&world, &id, |c| c["Aliases"] = of(&hosts(55..155))).await;
    world.ok("UpdateDistribution", input).await;
    let input = disabled(&world, &id).await;
    world.ok("DeleteDistribution", input).await;
}

#[tokio::test]
async fn no_domain_moves_to_a_tenant_that_is_full() {
    let world = World::new();
    let template = made(&world, "t", |c| c["ConnectionMode"] = "tenant-only".into()).await;
    let domains = hosts(0..100).into_iter();
    let domains: Vec<_> = domains.map(|host| json!({ "Domain": host })).collect();
    let tenant = json!({ "DistributionId": template, "Name": "tenant", "Domains": domains });
    let tenant = world.ok("CreateDistributionTenant", tenant).await;
    let input = json!({
        "Domain": "a.example.com", "IfMatch": tenant["ETag"],
        "TargetResource": { "DistributionTenantId": tenant["DistributionTenant"]["Id"] },
    });
    let error = (400, "InvalidArgument");
    refused(&world, "UpdateDomainAssociation", input, error).await;
}
