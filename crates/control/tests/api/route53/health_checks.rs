use control::ControlConfig;
use documents::route53::{Opinion, opinion};
use documents::{Node, Role, encode, keys};
use serde_json::{Value, json};
use store::Txn;

use super::with;
use crate::stored::refused;
use crate::world::{World, config};

fn http() -> Value {
    json!({ "Type": "HTTP", "IPAddress": "192.0.2.7", "Port": 8080 })
}

async fn create(world: &World, reference: &str, config: Value) -> Value {
    let input = json!({ "CallerReference": reference, "HealthCheckConfig": config });
    world.ok("CreateHealthCheck", input).await
}

/// Makes a check; gives its id.
async fn check(world: &World, reference: &str, config: Value) -> String {
    let made = create(world, reference, config).await;
    made["HealthCheck"]["Id"].as_str().unwrap().to_owned()
}

async fn invalid(world: &World, config: Value) -> String {
    let input = json!({ "CallerReference": "new", "HealthCheckConfig": config });
    let (status, code, message) = world.refusal("CreateHealthCheck", input).await;
    assert_eq!((status, &*code), (400, "InvalidInput"), "{message}");
    message
}

#[tokio::test]
async fn a_check_has_the_defaults_of_its_type() {
    let world = World::route53();
    let made = create(&world, "a", http()).await;
    let check = &made["HealthCheck"];
    let id = check["Id"].as_str().unwrap();
    assert_eq!((id.len(), &check["HealthCheckVersion"]), (36, &json!(1)));
    assert_eq!(check["CallerReference"], "a");
    let location = format!("https://route53.amazonaws.com/2013-04-01/healthcheck/{id}");
    assert_eq!(made["Location"], location);
    let expected = json!({
        "Type": "HTTP", "IPAddress": "192.0.2.7", "Port": 8080, "RequestInterval": 30,
        "FailureThreshold": 3, "MeasureLatency": false, "EnableSNI": false,
        "Inverted": false, "Disabled": false,
    });
    assert_eq!(check["HealthCheckConfig"], expected);
    let got = world
        .ok("GetHealthCheck", json!({ "HealthCheckId": id }))
        .await;
    assert_eq!(got["HealthCheck"], *check);

    let config = json!({
        "Type": "HTTPS_STR_MATCH", "FullyQualifiedDomainName": "www.example.com",
        "SearchString": "ok", "ResourcePath": "health?x=1", "IPAddress": "",
    });
    let config = &create(&world, "b", config).await["HealthCheck"]["HealthCheckConfig"];
    assert_eq!(
        (&config["EnableSNI"], &config["ResourcePath"]),
        (&json!(true), &json!("/health?x=1"))
    );
    assert_eq!((config.get("Port"), config.get("IPAddress")), (None, None));

    let alarm = json!({ "Type": "CLOUDWATCH_METRIC",
        "AlarmIdentifier": { "Region": "eu-west-1", "Name": "a" } });
    let config = &create(&world, "c", alarm).await["HealthCheck"]["HealthCheckConfig"];
    assert_eq!(config["InsufficientDataHealthStatus"], "LastKnownStatus");
    assert_eq!(config.get("RequestInterval"), None);
}

#[tokio::test]
async fn a_reference_stands_for_one_check_for_ever() {
    let world = World::route53();
    let made = create(&world, "a", http()).await;
    let again = create(&world, "a", with(http(), json!({ "Inverted": false }))).await;
    assert_eq!(again, made);
    let taken = (409, "HealthCheckAlreadyExists");
    let other = json!({ "CallerReference": "a",
        "HealthCheckConfig": with(http(), json!({ "Port": 81 })) });
    refused(&world, "CreateHealthCheck", other, taken).await;
    let id = json!({ "HealthCheckId": made["HealthCheck"]["Id"] });
    world.ok("DeleteHealthCheck", id.clone()).await;
    let same = json!({ "CallerReference": "a", "HealthCheckConfig": http() });
    refused(&world, "CreateHealthCheck", same, taken).await;
    refused(
        &world,
        "GetHealthCheck",
        id.clone(),
        (404, "NoSuchHealthCheck"),
    )
    .await;
    refused(&world, "DeleteHealthCheck", id, (404, "NoSuchHealthCheck")).await;
}

#[tokio::test]
async fn a_config_that_no_checker_could_act_on_is_refused_by_the_member_that_is_wrong() {
    let world = World::route53();
    let child = check(&world, "child", http()).await;
    let calculated = json!({ "Type": "CALCULATED", "HealthThreshold": 1,
        "ChildHealthChecks": [child] });
    let parent = check(&world, "parent", calculated.clone()).await;
    let many: Vec<String> = (0..256).map(|n| n.to_string()).collect();
    for (config, member) in [
        (
            json!({ "Type": "HTTP" }),
            "IPAddress or FullyQualifiedDomainName",
        ),
        (json!({ "Type": "TCP", "IPAddress": "192.0.2.7" }), "Port"),
        (
            json!({ "Type": "HTTP_STR_MATCH", "IPAddress": "192.0.2.7" }),
            "SearchString",
        ),
        (
            json!({ "Type": "CALCULATED", "HealthThreshold": 1 }),
            "ChildHealthChecks",
        ),
        (
            json!({ "Type": "CALCULATED", "ChildHealthChecks": [child] }),
            "HealthThreshold",
        ),
        (json!({ "Type": "CLOUDWATCH_METRIC" }), "AlarmIdentifier"),
        (json!({ "Type": "RECOVERY_CONTROL" }), "RoutingControlArn"),
        (with(http(), json!({ "IPAddress": "192.0.2" })), "IPAddress"),
        (with(http(), json!({ "Port": 0 })), "Port"),
        (with(http(), json!({ "Port": 65_536 })), "Port"),
        (
            with(http(), json!({ "RequestInterval": 20 })),
            "RequestInterval",
        ),
        (
            with(http(), json!({ "FailureThreshold": 11 })),
            "FailureThreshold",
        ),
        (with(http(), json!({ "SearchString": "x" })), "SearchString"),
        (with(http(), json!({ "EnableSNI": true })), "EnableSNI"),
        (
            with(http(), json!({ "HealthThreshold": 1 })),
            "HealthThreshold",
        ),
        (
            with(http(), json!({ "ChildHealthChecks": [child] })),
            "ChildHealthChecks",
        ),
        (
            with(http(), json!({ "Regions": ["us-east-1", "us-west-1"] })),
            "Regions",
        ),
        (
            with(
                http(),
                json!({ "Regions": ["us-east-1", "us-east-1", "us-west-1"] }),
            ),
            "Regions",
        ),
        (
            with(
                http(),
                json!({ "FullyQualifiedDomainName": "*.example.com" }),
            ),
            "Fully",
        ),
        (
            with(http(), json!({ "FullyQualifiedDomainName": "a..b" })),
            "Fully",
        ),
        (
            with(http(), json!({ "ResourcePath": "x".repeat(256) })),
            "ResourcePath",
        ),
        (with(calculated.clone(), json!({ "Port": 80 })), "Port"),
        (
            with(calculated.clone(), json!({ "HealthThreshold": 257 })),
            "HealthThreshold",
        ),
        (
            with(calculated.clone(), json!({ "ChildHealthChecks": [parent] })),
            "calculated",
        ),
        (
            with(calculated.clone(), json!({ "ChildHealthChecks": ["none"] })),
            "none",
        ),
        (
            with(calculated.clone(), json!({ "ChildHealthChecks": ["a/b"] })),
            "a/b",
        ),
        (
            with(
                calculated.clone(),
                json!({ "ChildHealthChecks": [child, child] }),
            ),
            "twice",
        ),
        (
            with(calculated.clone(), json!({ "ChildHealthChecks": many })),
            "ChildHealthChecks",
        ),
    ] {
        let message = invalid(&world, config.clone()).await;
        assert!(message.contains(member), "{config}: {message}");
    }
    let count = world.ok("GetHealthCheckCount", json!({})).await;
    assert_eq!(count["HealthCheckCount"], 2);
}

#[tokio::test]
async fn private_endpoints_are_checked_only_where_that_is_allowed() {
    let world = World::with_config(ControlConfig {
        allow_private_health_checks: false,
        ..config()
    });
    for address in ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fd00::1"] {
        let message = invalid(&world, with(http(), json!({ "IPAddress": address }))).await;
        assert!(message.contains(address), "{message}");
    }
    let named = json!({ "Type": "HTTP", "FullyQualifiedDomainName": "127.0.0.1" });
    assert!(
        invalid(&world, named)
            .await
            .contains("FullyQualifiedDomainName")
    );
    create(
        &world,
        "public",
        with(http(), json!({ "IPAddress": "198.51.101.1" })),
    )
    .await;
    let world = World::route53();
    create(
        &world,
        "private",
        with(http(), json!({ "IPAddress": "10.0.0.1" })),
    )
    .await;
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_counts_the_version() {
    let world = World::route53();
    let config = with(
        http(),
        json!({ "FullyQualifiedDomainName": "www.example.com", "ResourcePath": "/a",
            "Regions": ["us-east-1", "us-west-1", "eu-west-1"] }),
    );
    let id = check(&world, "a", config).await;
    let update = |members: Value| with(json!({ "HealthCheckId": id }), members);
    let updated = world
        .ok(
            "UpdateHealthCheck",
            update(json!({ "Port": 81, "HealthCheckVersion": 1 })),
        )
        .await;
    let check = &updated["HealthCheck"];
    assert_eq!(check["HealthCheckVersion"], 2);
    let config = &check["HealthCheckConfig"];
    assert_eq!(
        (&config["Port"], &config["ResourcePath"]),
        (&json!(81), &json!("/a"))
    );

    let stale = (409, "HealthCheckVersionMismatch");
    let input = update(json!({ "Port": 82, "HealthCheckVersion": 1 }));
    refused(&world, "UpdateHealthCheck", input, stale).await;

    let reset = json!({ "ResetElements": ["FullyQualifiedDomainName", "Regions", "ResourcePath"] });
    let updated = world.ok("UpdateHealthCheck", update(reset)).await;
    let config = &updated["HealthCheck"]["HealthCheckConfig"];
    for member in ["FullyQualifiedDomainName", "Regions", "ResourcePath"] {
        assert_eq!(config.get(member), None, "{member}");
    }
    assert_eq!(config["IPAddress"], "192.0.2.7");
    let got = world
        .ok("GetHealthCheck", json!({ "HealthCheckId": id }))
        .await;
    assert_eq!(got["HealthCheck"], updated["HealthCheck"]);
    let invalid = (400, "InvalidInput");
    refused(
        &world,
        "UpdateHealthCheck",
        update(json!({ "SearchString": "x" })),
        invalid,
    )
    .await;
}

#[tokio::test]
async fn an_address_may_change_and_not_come() {
    let world = World::route53();
    let id = check(&world, "a", http()).await;
    let input = json!({ "HealthCheckId": id, "IPAddress": "192.0.2.8" });
    let updated = world.ok("UpdateHealthCheck", input).await;
    assert_eq!(
        updated["HealthCheck"]["HealthCheckConfig"]["IPAddress"],
        "192.0.2.8"
    );
    let named = json!({ "Type": "HTTP", "FullyQualifiedDomainName": "www.example.com" });
    let id = check(&world, "b", named).await;
    let input = json!({ "HealthCheckId": id, "IPAddress": "192.0.2.8" });
    refused(&world, "UpdateHealthCheck", input, (400, "InvalidInput")).await;
    let input = json!({ "HealthCheckId": id, "ResetElements": ["FullyQualifiedDomainName"] });
    refused(&world, "UpdateHealthCheck", input, (400, "InvalidInput")).await;
}

#[tokio::test]
async fn children_can_be_reset_and_go_though_they_are_counted() {
    let world = World::route53();
    let child = check(&world, "child", http()).await;
    let config = json!({ "Type": "CALCULATED", "HealthThreshold": 1,
        "ChildHealthChecks": [child] });
    let parent = check(&world, "parent", config).await;
    world
        .ok("DeleteHealthCheck", json!({ "HealthCheckId": child }))
        .await;
    let reset = json!({ "HealthCheckId": parent, "ResetElements": ["ChildHealthChecks"] });
    let updated = world.ok("UpdateHealthCheck", reset).await;
    let config = &updated["HealthCheck"]["HealthCheckConfig"];
    assert_eq!(config["ChildHealthChecks"], json!([]));
}

#[tokio::test]
async fn checks_are_listed_by_id_a_page_at_a_time() {
    let world = World::route53();
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(check(&world, &number.to_string(), http()).await);
    }
    ids.sort();
    let mut found: Vec<String> = Vec::new();
    let mut marker = json!("");
    loop {
        let input = json!({ "MaxItems": "2", "Marker": marker });
        let page = world.ok("ListHealthChecks", input).await;
        assert_eq!((&page["Marker"], &page["MaxItems"]), (&marker, &json!("2")));
        let checks = page["HealthChecks"].as_array().unwrap().iter();
        found.extend(checks.map(|check| check["Id"].as_str().unwrap().to_owned()));
        marker = page["NextMarker"].clone();
        assert_eq!(page["IsTruncated"], !marker.is_null());
        if marker.is_null() {
            break;
        }
    }
    assert_eq!(found, ids);
    let bad = json!({ "MaxItems": "0" });
    refused(&world, "ListHealthChecks", bad, (400, "InvalidInput")).await;
}

fn thinks(region: &str, address: &str, failure: Option<&str>) -> Opinion {
    Opinion {
        region: region.to_owned(),
        address: address.to_owned(),
        is_healthy: true,
        status: "Success: HTTP Status Code 200, OK".to_owned(),
        checked_ms: 1_790_000_000_000,
        last_failure: failure.map(|text| (text.to_owned(), 1_789_000_000_000)),
    }
}

#[tokio::test]
async fn what_checkers_see_is_told_with_where_they_are() {
    let world = World::route53();
    let id = check(&world, "a", http()).await;
    let input = json!({ "HealthCheckId": id });
    let none = world.ok("GetHealthCheckStatus", input.clone()).await;
    assert_eq!(none["HealthCheckObservations"], json!([]));
    let failure = "Failure: Connection timed out.";
    let first = thinks("eu-west-1", "192.0.2.1", None);
    let second = thinks("ap-northeast-2", "2001:db8::1", Some(failure));
    let txn = Txn::new()
        .put(opinion(&id, "n1"), encode(&first))
        .put(opinion(&id, "n2"), encode(&second))
        .put(opinion("another", "n1"), encode(&first));
    world.store.commit(txn).await.unwrap();
    let status = world.ok("GetHealthCheckStatus", input.clone()).await;
    let report = json!({ "Status": "Success: HTTP Status Code 200, OK",
        "CheckedTime": "2026-09-21T14:13:20.000Z" });
    let told = json!([
        { "Region": "eu-west-1", "IPAddress": "192.0.2.1", "StatusReport": report },
        { "Region": "ap-northeast-2", "IPAddress": "2001:db8::1", "StatusReport": report },
    ]);
    assert_eq!(status["HealthCheckObservations"], told);
    let last = world.ok("GetHealthCheckLastFailureReason", input).await;
    let last = last["HealthCheckObservations"].as_array().unwrap();
    assert_eq!(last.len(), 1);
    assert_eq!(last[0]["StatusReport"]["Status"], failure);
    assert_eq!(last[0]["Region"], "ap-northeast-2");
}

#[tokio::test]
async fn what_has_no_endpoint_has_no_status() {
    let world = World::route53();
    let child = check(&world, "child", http()).await;
    let config = json!({ "Type": "CALCULATED", "HealthThreshold": 0,
        "ChildHealthChecks": [child] });
    let input = json!({ "HealthCheckId": check(&world, "parent", config).await });
    for operation in ["GetHealthCheckStatus", "GetHealthCheckLastFailureReason"] {
        refused(&world, operation, input.clone(), (400, "InvalidInput")).await;
        let missing = json!({ "HealthCheckId": "none" });
        refused(&world, operation, missing, (404, "NoSuchHealthCheck")).await;
    }
}

#[tokio::test]
async fn checkers_are_known_by_the_addresses_that_they_have_and_tell() {
    let world = World::route53();
    let node = |id: &str, role, http: &[&str]| Node {
        id: id.to_owned(),
        roles: vec![role],
        pop: "LOC1-C1".to_owned(),
        region: None,
        http: http.iter().map(|address| (*address).to_owned()).collect(),
        started_ms: 0,
        applied: 0,
        refused: Default::default(),
    };
    let checker = node("n1", Role::Health, &["192.0.2.1:80", "0.0.0.0:80"]);
    let edge = node("n2", Role::Edge, &["192.0.2.9:80"]);
    let opinion_of = thinks("eu-west-1", "2001:db8::1", None);
    let txn = Txn::new()
        .put(keys::node("n1"), encode(&checker))
        .put(keys::node("n2"), encode(&edge))
        .put(opinion("c", "n1"), encode(&opinion_of));
    world.store.commit(txn).await.unwrap();
    let told = world.ok("GetCheckerIpRanges", json!({})).await;
    assert_eq!(
        told["CheckerIpRanges"],
        json!(["192.0.2.1/32", "2001:db8::1/128"])
    );
}

#[tokio::test]
async fn one_reference_at_the_same_moment_is_one_check() {
    let world = World::route53();
    let (a, b) = tokio::join!(
        create(&world, "same", http()),
        create(&world, "same", http()),
    );
    assert_eq!(a, b);
    let count = world.ok("GetHealthCheckCount", json!({})).await;
    assert_eq!(count["HealthCheckCount"], 1);
}
