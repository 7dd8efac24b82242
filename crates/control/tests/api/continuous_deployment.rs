//! Staging distributions and the policies that send traffic to them.

use control::identity::Policy;
use serde_json::{Value, json};

use crate::distributions::{aliases, disabled, made, updated};
use crate::stored::refused;
use crate::world::{World, distribution};

/// A primary distribution, its copy, and a policy that names the copy; not attached.
struct Deployment {
    primary: String,
    staging: String,
    staging_name: Value,
    policy: String,
}

fn policy(name: &Value) -> Value {
    json!({
        "StagingDistributionDnsNames": { "Quantity": 1, "Items": [name] },
        "Enabled": true,
        "TrafficConfig": { "Type": "SingleWeight", "SingleWeightConfig": { "Weight": 0.05 } },
    })
}

async fn copy(world: &World, primary: &str, reference: &str) -> Value {
    let etag = world.ok("GetDistribution", json!({ "Id": primary })).await["ETag"].clone();
    let input = json!({
        "PrimaryDistributionId": primary, "Staging": true, "IfMatch": etag,
        "CallerReference": reference, "Enabled": true,
    });
    world.ok("CopyDistribution", input).await["Distribution"].clone()
}

async fn deployment(world: &World) -> Deployment {
    let primary = made(world, "p", |c| c["Aliases"] = aliases(&["a.example.com"])).await;
    let staging = copy(world, &primary, "s").await;
    let input = json!({ "ContinuousDeploymentPolicyConfig": policy(&staging["DomainName"]) });
    let output = world.ok("CreateContinuousDeploymentPolicy", input).await;
    let id = |value: &Value| value["Id"].as_str().unwrap().to_owned();
    Deployment {
        primary,
        staging: id(&staging),
        staging_name: staging["DomainName"].clone(),
        policy: id(&output["ContinuousDeploymentPolicy"]),
    }
}

async fn attach(world: &World, deployment: &Deployment) {
    let policy = deployment.policy.clone();
    let input = updated(world, &deployment.primary, |config| {
        config["ContinuousDeploymentPolicyId"] = policy.into();
    });
    world.ok("UpdateDistribution", input.await).await;
}

async fn etag(world: &World, id: &str) -> String {
    let got = world.ok("GetDistribution", json!({ "Id": id })).await;
    got["ETag"].as_str().unwrap().to_owned()
}

/// What deletes, or with a config updates, a policy.
async fn current(world: &World, id: &str) -> Value {
    let got = world
        .ok("GetContinuousDeploymentPolicy", json!({ "Id": id }))
        .await;
    json!({ "Id": id, "IfMatch": got["ETag"] })
}

#[tokio::test]
async fn a_copy_is_a_staging_distribution_without_aliases() {
    let world = World::new();
    let primary = made(&world, "p", |c| {
        c["Aliases"] = aliases(&["a.example.com"]);
        c["Comment"] = "original".into();
    })
    .await;
    let staging = copy(&world, &primary, "s").await;
    let config = &staging["DistributionConfig"];
    assert_eq!(config["Staging"], true);
    assert_eq!(config["Aliases"], json!({ "Quantity": 0 }));
    assert_eq!(config["CallerReference"], "s");
    assert_eq!(config["Comment"], "original");
    assert_ne!(staging["Id"], primary);
    let input = json!({
        "PrimaryDistributionId": primary, "IfMatch": etag(&world, &primary).await,
        "CallerReference": "t",
    });
    refused(&world, "CopyDistribution", input, (400, "InvalidArgument")).await;
    let id = staging["Id"].as_str().unwrap();
    let input = updated(&world, id, |c| c["Aliases"] = aliases(&["b.example.com"])).await;
    refused(
        &world,
        "UpdateDistribution",
        input,
        (400, "InvalidArgument"),
    )
    .await;
}

#[tokio::test]
async fn a_policy_is_made_got_changed_listed_and_deleted() {
    let world = World::new();
    let deployment = deployment(&world).await;
    let id = &deployment.policy;
    let got = world
        .ok("GetContinuousDeploymentPolicyConfig", json!({ "Id": id }))
        .await;
    let mut config = got["ContinuousDeploymentPolicyConfig"].clone();
    assert_eq!(config, policy(&deployment.staging_name));
    config["TrafficConfig"] = json!({
        "Type": "SingleHeader",
        "SingleHeaderConfig": { "Header": "aws-cf-cd-test", "Value": "1" },
    });
    let mut input = current(&world, id).await;
    let stale = input["IfMatch"].clone();
    input["ContinuousDeploymentPolicyConfig"] = config.clone();
    let output = world
        .ok("UpdateContinuousDeploymentPolicy", input.clone())
        .await;
    let changed = &output["ContinuousDeploymentPolicy"]["ContinuousDeploymentPolicyConfig"];
    assert_eq!(changed, &config);
    let error = (412, "PreconditionFailed");
    refused(&world, "UpdateContinuousDeploymentPolicy", input, error).await;
    let list = world
        .ok("ListContinuousDeploymentPolicies", json!({}))
        .await;
    let list = &list["ContinuousDeploymentPolicyList"];
    assert_eq!(
        list["Items"][0]["ContinuousDeploymentPolicy"]["Id"],
        id.as_str()
    );
    let input = json!({ "Id": id, "IfMatch": stale });
    refused(&world, "DeleteContinuousDeploymentPolicy", input, error).await;
    let input = current(&world, id).await;
    world.ok("DeleteContinuousDeploymentPolicy", input).await;
    let error = (404, "NoSuchContinuousDeploymentPolicy");
    refused(
        &world,
        "GetContinuousDeploymentPolicy",
        json!({ "Id": id }),
        error,
    )
    .await;
    let delete = disabled(&world, &deployment.staging).await;
    world.ok("DeleteDistribution", delete).await;
}

#[tokio::test]
async fn policies_keep_to_their_rules() {
    let world = World::new();
    let primary = made(&world, "p", |_| ()).await;
    let got = world.ok("GetDistribution", json!({ "Id": primary })).await;
    let primary_name = got["Distribution"]["DomainName"].clone();
    let name = copy(&world, &primary, "s").await["DomainName"].clone();
    let weight = |weight: f64, idle: i32, maximum: i32| {
        json!({ "Type": "SingleWeight", "SingleWeightConfig": {
            "Weight": weight,
            "SessionStickinessConfig": { "IdleTTL": idle, "MaximumTTL": maximum },
        }})
    };
    let header = |name: &str| json!({ "Type": "SingleHeader", "SingleHeaderConfig": { "Header": name, "Value": "1" } });
    let mut both = weight(0.1, 300, 300);
    both["SingleHeaderConfig"] = header("aws-cf-cd-x")["SingleHeaderConfig"].clone();
    let with = |traffic: &Value| {
        let mut config = policy(&name);
        config["TrafficConfig"] = traffic.clone();
        json!({ "ContinuousDeploymentPolicyConfig": config })
    };
    let operation = "CreateContinuousDeploymentPolicy";
    for traffic in [
        weight(0.16, 300, 300),
        weight(-0.1, 300, 300),
        weight(0.1, 299, 300),
        weight(0.1, 300, 3_601),
        weight(0.1, 600, 300),
        header("x-test"),
        header("aws-cf-cd-a b"),
        both,
        json!({ "Type": "SingleHeader" }),
    ] {
        refused(&world, operation, with(&traffic), (400, "InvalidArgument")).await;
    }
    for names in [
        vec![],
        vec![primary_name],
        vec!["unknown.example.com".into()],
    ] {
        let mut config = policy(&name);
        config["StagingDistributionDnsNames"] = json!({ "Quantity": names.len(), "Items": names });
        let input = json!({ "ContinuousDeploymentPolicyConfig": config });
        refused(&world, operation, input, (400, "InvalidArgument")).await;
    }
    let mut config = policy(&name);
    config["StagingDistributionDnsNames"]["Quantity"] = 2.into();
    let input = json!({ "ContinuousDeploymentPolicyConfig": config });
    refused(&world, operation, input, (400, "InconsistentQuantities")).await;
    world.ok(operation, with(&weight(0.15, 300, 3_600))).await;
}

#[tokio::test]
async fn a_staging_distribution_has_one_policy_and_stays_while_it_has() {
    let world = World::new();
    let deployment = deployment(&world).await;
    let input = json!({ "ContinuousDeploymentPolicyConfig": policy(&deployment.staging_name) });
    let error = (409, "StagingDistributionInUse");
    refused(&world, "CreateContinuousDeploymentPolicy", input, error).await;
    let delete = disabled(&world, &deployment.staging).await;
    refused(&world, "DeleteDistribution", delete, (409, "ResourceInUse")).await;
}

#[tokio::test]
async fn a_policy_is_attached_by_one_primary_distribution_and_stays_while_it_is() {
    let world = World::new();
    let deployment = deployment(&world).await;
    let mut config = distribution("new");
    config["ContinuousDeploymentPolicyId"] = deployment.policy.clone().into();
    let input = json!({ "DistributionConfig": config });
    refused(
        &world,
        "CreateDistribution",
        input,
        (400, "InvalidArgument"),
    )
    .await;
    attach(&world, &deployment).await;
    let delete = current(&world, &deployment.policy).await;
    let in_use = (409, "ContinuousDeploymentPolicyInUse");
    refused(&world, "DeleteContinuousDeploymentPolicy", delete, in_use).await;
    let name = |policy: &str| {
        let policy = policy.to_owned();
        move |config: &mut Value| config["ContinuousDeploymentPolicyId"] = policy.into()
    };
    let other = made(&world, "o", |_| ()).await;
    let input = updated(&world, &other, name(&deployment.policy)).await;
    refused(&world, "UpdateDistribution", input, in_use).await;
    let input = updated(&world, &other, name("404")).await;
    let error = (404, "NoSuchContinuousDeploymentPolicy");
    refused(&world, "UpdateDistribution", input, error).await;
    let input = updated(&world, &deployment.staging, name(&deployment.policy)).await;
    refused(
        &world,
        "UpdateDistribution",
        input,
        (400, "InvalidArgument"),
    )
    .await;
    let input = updated(&world, &deployment.primary, name("")).await;
    world.ok("UpdateDistribution", input).await;
    let delete = current(&world, &deployment.policy).await;
    world.ok("DeleteContinuousDeploymentPolicy", delete).await;
}

#[tokio::test]
async fn what_goes_without_continuous_deployment_is_refused_with_it() {
    let world = World::new();
    let deployment = deployment(&world).await;
    let set = |config: &mut Value| config["HttpVersion"] = "http2and3".into();
    let input = updated(&world, &deployment.staging, set).await;
    refused(
        &world,
        "UpdateDistribution",
        input,
        (400, "InvalidArgument"),
    )
    .await;
    let input = updated(&world, &deployment.primary, set).await;
    world.ok("UpdateDistribution", input).await;
    let input = updated(&world, &deployment.primary, |config| {
        config["ContinuousDeploymentPolicyId"] = deployment.policy.clone().into();
    });
    refused(
        &world,
        "UpdateDistribution",
        input.await,
        (400, "InvalidArgument"),
    )
    .await;
}

#[tokio::test]
async fn promotion_copies_the_staging_config_and_disables_the_policy() {
    let world = World::new();
    let deployment = deployment(&world).await;
    attach(&world, &deployment).await;
    let input = updated(&world, &deployment.staging, |config| {
        config["Comment"] = "better".into();
        config["DefaultRootObject"] = "index.html".into();
    });
    world.ok("UpdateDistribution", input.await).await;
    let primary_etag = etag(&world, &deployment.primary).await;
    let staging_etag = etag(&world, &deployment.staging).await;
    let with = |if_match: String| {
        json!({
            "Id": deployment.primary, "StagingDistributionId": deployment.staging,
            "IfMatch": if_match,
        })
    };
    let operation = "UpdateDistributionWithStagingConfig";
    let stale = with(format!("{primary_etag},E1111111111111"));
    refused(&world, operation, stale, (412, "PreconditionFailed")).await;
    let swapped = with(format!("{staging_etag},{primary_etag}"));
    refused(&world, operation, swapped, (412, "PreconditionFailed")).await;
    let one = with(primary_etag.clone());
    refused(&world, operation, one, (400, "InvalidIfMatchVersion")).await;
    let output = world
        .ok(operation, with(format!("{primary_etag}, {staging_etag}")))
        .await;
    let config = &output["Distribution"]["DistributionConfig"];
    assert_eq!(config["Comment"], "better");
    assert_eq!(config["DefaultRootObject"], "index.html");
    assert_eq!(config["Aliases"], aliases(&["a.example.com"]));
    assert_eq!(config["CallerReference"], "p");
    assert_eq!(config["Staging"], false);
    assert_eq!(config["ContinuousDeploymentPolicyId"], deployment.policy);
    let input = json!({ "Id": deployment.policy });
    let got = world.ok("GetContinuousDeploymentPolicyConfig", input).await;
    assert_eq!(got["ContinuousDeploymentPolicyConfig"]["Enabled"], false);
    assert_eq!(etag(&world, &deployment.staging).await, staging_etag);
}

#[tokio::test]
async fn only_the_staging_distribution_of_the_policy_is_promoted() {
    let world = World::new();
    let deployment = deployment(&world).await;
    let both = || async {
        let (primary, staging) = (&deployment.primary, &deployment.staging);
        format!(
            "{},{}",
            etag(&world, primary).await,
            etag(&world, staging).await
        )
    };
    let operation = "UpdateDistributionWithStagingConfig";
    let input = json!({
        "Id": deployment.primary, "StagingDistributionId": deployment.staging,
        "IfMatch": both().await,
    });
    refused(&world, operation, input, (400, "InvalidArgument")).await;
    attach(&world, &deployment).await;
    let other = copy(&world, &deployment.primary, "other").await["Id"].clone();
    let other_etag = etag(&world, other.as_str().unwrap()).await;
    let primary_etag = etag(&world, &deployment.primary).await;
    let input = json!({
        "Id": deployment.primary, "StagingDistributionId": other,
        "IfMatch": format!("{primary_etag},{other_etag}"),
    });
    refused(&world, operation, input, (400, "InvalidArgument")).await;
}

#[tokio::test]
async fn who_may_not_read_the_staging_distribution_does_not_promote_it() {
    let mut world = World::new();
    let deployment = deployment(&world).await;
    attach(&world, &deployment).await;
    let (primary, staging) = (&deployment.primary, &deployment.staging);
    let if_match = format!(
        "{},{}",
        etag(&world, primary).await,
        etag(&world, staging).await
    );
    let arn = format!("arn:aws:cloudfront::123456789012:distribution/{staging}");
    let document = json!({ "Statement": [
        { "Effect": "Allow", "Action": "*", "Resource": "*" },
        { "Effect": "Deny", "Action": "cloudfront:GetDistribution", "Resource": arn },
    ]});
    world.caller.policy = Policy::parse(&document.to_string()).unwrap();
    for named in [json!(staging), Value::Null] {
        let input = json!({
            "Id": primary, "StagingDistributionId": named, "IfMatch": if_match,
        });
        let operation = "UpdateDistributionWithStagingConfig";
        refused(&world, operation, input, (403, "AccessDenied")).await;
    }
}
