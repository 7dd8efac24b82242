use documents::route53::{self as forms, TrafficPolicyInstance};
use documents::{Resource, Role};
use serde_json::{Value, json};

use super::{change, set, with, zone};
use crate::stored::refused;
use crate::world::World;

/// The document of a policy that answers with one value.
fn document(kind: &str, value: &str) -> String {
    json!({
        "AWSPolicyFormatVersion": "2015-10-01", "RecordType": kind, "StartEndpoint": "e",
        "Endpoints": { "e": { "Type": "value", "Value": value } },
    })
    .to_string()
}

/// The document of a policy of one rule, `r`, and one endpoint, `e`.
fn ruled(kind: &str, value: &str, rule: &Value) -> String {
    json!({
        "AWSPolicyFormatVersion": "2023-05-09", "RecordType": kind, "StartRule": "r",
        "Rules": { "r": rule }, "Endpoints": { "e": { "Type": "value", "Value": value } },
    })
    .to_string()
}

/// Makes a policy of type A; gives its id.
async fn policy(world: &World, name: &str) -> String {
    let input = json!({ "Name": name, "Document": document("A", "192.0.2.1") });
    let made = world.ok("CreateTrafficPolicy", input).await;
    made["TrafficPolicy"]["Id"].as_str().unwrap().to_owned()
}

async fn version(world: &World, policy: &str, document: String) -> Value {
    let input = json!({ "Id": policy, "Document": document });
    world.ok("CreateTrafficPolicyVersion", input).await["TrafficPolicy"].clone()
}

fn of(policy: &str, version: i32) -> Value {
    json!({ "Id": policy, "Version": version })
}

fn used(zone: &str, name: &str, policy: &str, version: i32) -> Value {
    json!({ "HostedZoneId": zone, "Name": name, "TTL": 60, "TrafficPolicyId": policy,
        "TrafficPolicyVersion": version })
}

async fn instance(world: &World, input: Value) -> Value {
    let made = world.ok("CreateTrafficPolicyInstance", input).await;
    made["TrafficPolicyInstance"].clone()
}

#[tokio::test]
async fn a_policy_begins_with_version_one() {
    let world = World::route53();
    let text = document("A", "192.0.2.1");
    let input = json!({ "Name": "p", "Document": text, "Comment": "ours" });
    let made = world.ok("CreateTrafficPolicy", input.clone()).await;
    let told = &made["TrafficPolicy"];
    let id = told["Id"].as_str().unwrap();
    let expected = json!({ "Id": id, "Version": 1, "Name": "p", "Type": "A",
        "Document": text, "Comment": "ours" });
    assert_eq!(*told, expected);
    let location = format!("https://route53.amazonaws.com/2013-04-01/trafficpolicy/{id}/1");
    assert_eq!(made["Location"], location);
    assert_eq!(
        world.ok("GetTrafficPolicy", of(id, 1)).await["TrafficPolicy"],
        *told
    );
    let taken = (409, "TrafficPolicyAlreadyExists");
    refused(&world, "CreateTrafficPolicy", input, taken).await;
    for missing in [of(id, 2), of("none", 1), of("a/b", 1)] {
        refused(
            &world,
            "GetTrafficPolicy",
            missing,
            (404, "NoSuchTrafficPolicy"),
        )
        .await;
    }
}

#[tokio::test]
async fn versions_are_counted_and_only_comments_change() {
    let world = World::route53();
    let id = policy(&world, "p").await;
    let second = version(&world, &id, document("AAAA", "2001:db8::1")).await;
    assert_eq!(
        (&second["Version"], &second["Type"]),
        (&json!(2), &json!("AAAA"))
    );
    let input = with(of(&id, 1), json!({ "Comment": "old" }));
    let told = world.ok("UpdateTrafficPolicyComment", input).await;
    assert_eq!(told["TrafficPolicy"]["Comment"], "old");
    let listed = world.ok("ListTrafficPolicies", json!({})).await;
    let summary = json!([{ "Id": id, "Name": "p", "Type": "AAAA", "LatestVersion": 2,
        "TrafficPolicyCount": 2 }]);
    assert_eq!(listed["TrafficPolicySummaries"], summary);
    assert_eq!(listed["IsTruncated"], false);
    let versions = json!({ "Id": id, "MaxItems": "1" });
    let first = world
        .ok("ListTrafficPolicyVersions", versions.clone())
        .await;
    assert_eq!(
        (&first["IsTruncated"], &first["TrafficPolicyVersionMarker"]),
        (&json!(true), &json!("2"))
    );
    let marker = json!({ "TrafficPolicyVersionMarker": "2" });
    let rest = world
        .ok("ListTrafficPolicyVersions", with(versions, marker))
        .await;
    assert_eq!(rest["TrafficPolicies"], json!([second]));
    let missing = (404, "NoSuchTrafficPolicy");
    let other = json!({ "Id": "none", "Document": document("A", "192.0.2.1") });
    refused(&world, "CreateTrafficPolicyVersion", other, missing).await;
}

#[tokio::test]
async fn a_document_that_is_not_sound_is_refused_with_all_that_is_wrong() {
    let world = World::route53();
    let id = policy(&world, "p").await;
    let unknown = json!({
        "AWSPolicyFormatVersion": "2015-10-01", "RecordType": "A", "StartRule": "r",
        "Rules": { "r": { "RuleType": "failover", "Primary": { "EndpointReference": "x" },
            "Secondary": { "RuleReference": "r" } } },
    });
    let places = json!({ "RuleType": "geo",
        "Locations": [{ "Country": "ZZ", "EndpointReference": "e" }] });
    let several = json!({ "RuleType": "multivalue", "Items": [{ "EndpointReference": "e" }] });
    for (text, parts) in [
        ("nonsense".to_owned(), vec!["JSON"]),
        (
            document("A", "2001:db8::1"),
            vec!["Endpoints.e.Value", "2001:db8::1"],
        ),
        (document("MX", "nonsense"), vec!["Endpoints.e.Value"]),
        (document("NS", "ns.example.com"), vec!["RecordType"]),
        (ruled("A", "192.0.2.1", &places), vec!["Rules.r", "ZZ"]),
        (
            ruled("CNAME", "a.example", &several),
            vec!["Rules.r", "CNAME"],
        ),
        (unknown.to_string(), vec!["'x'", "back to itself"]),
    ] {
        for (operation, input) in [
            (
                "CreateTrafficPolicy",
                json!({ "Name": "q", "Document": text }),
            ),
            (
                "CreateTrafficPolicyVersion",
                json!({ "Id": id, "Document": text }),
            ),
        ] {
            let (status, code, message) = world.refusal(operation, input).await;
            assert_eq!(
                (status, &*code),
                (400, "InvalidTrafficPolicyDocument"),
                "{message}"
            );
            assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        }
    }
}

#[tokio::test]
async fn a_deleted_version_is_told_of_and_not_listed() {
    let world = World::route53();
    let id = policy(&world, "p").await;
    version(&world, &id, document("A", "192.0.2.2")).await;
    world.ok("DeleteTrafficPolicy", of(&id, 2)).await;
    world.ok("GetTrafficPolicy", of(&id, 2)).await;
    let missing = (404, "NoSuchTrafficPolicy");
    refused(&world, "DeleteTrafficPolicy", of(&id, 2), missing).await;
    let comment = with(of(&id, 2), json!({ "Comment": "x" }));
    refused(&world, "UpdateTrafficPolicyComment", comment, missing).await;
    let zone = zone(&world, "example.com").await;
    let input = used(&zone, "www.example.com", &id, 2);
    refused(&world, "CreateTrafficPolicyInstance", input, missing).await;
    let listed = world.ok("ListTrafficPolicies", json!({})).await;
    let summary = &listed["TrafficPolicySummaries"][0];
    assert_eq!(summary["LatestVersion"], 1);
    assert_eq!(summary["TrafficPolicyCount"], 1);
    // A number is never given twice.
    let third = version(&world, &id, document("A", "192.0.2.3")).await;
    assert_eq!(third["Version"], 3);
    world.ok("DeleteTrafficPolicy", of(&id, 3)).await;
    world.ok("DeleteTrafficPolicy", of(&id, 1)).await;
    let listed = world.ok("ListTrafficPolicies", json!({})).await;
    assert_eq!(listed["TrafficPolicySummaries"], json!([]));
    world.ok("GetTrafficPolicy", of(&id, 1)).await;
    assert_ne!(policy(&world, "p").await, id);
}

#[tokio::test]
async fn policies_are_listed_by_id_a_page_at_a_time() {
    let world = World::route53();
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(policy(&world, name).await);
    }
    ids.sort();
    let first = world
        .ok("ListTrafficPolicies", json!({ "MaxItems": "2" }))
        .await;
    assert_eq!(first["TrafficPolicyIdMarker"], ids[2].as_str());
    let marker = json!({ "TrafficPolicyIdMarker": ids[2] });
    let rest = world.ok("ListTrafficPolicies", marker).await;
    assert_eq!(rest["TrafficPolicySummaries"][0]["Id"], ids[2].as_str());
    assert_eq!(rest["TrafficPolicySummaries"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_instance_has_a_record_set_and_its_tree() {
    let world = World::route53();
    let zone = zone(&world, "example.com").await;
    let policy = policy(&world, "p").await;
    let made = instance(&world, used(&zone, "WWW.example.com", &policy, 1)).await;
    let id = made["Id"].as_str().unwrap();
    let bare = zone.trim_start_matches("/hostedzone/");
    let expected = json!({ "Id": id, "HostedZoneId": bare, "Name": "www.example.com.",
        "TTL": 60, "State": "Applied", "Message": "", "TrafficPolicyId": policy,
        "TrafficPolicyVersion": 1, "TrafficPolicyType": "A" });
    assert_eq!(made, expected);
    let got = world
        .ok("GetTrafficPolicyInstance", json!({ "Id": id }))
        .await;
    assert_eq!(got["TrafficPolicyInstance"], expected);
    let listed = json!({ "HostedZoneId": zone, "StartRecordName": "www.example.com" });
    let listed = world.ok("ListResourceRecordSets", listed).await;
    let record = json!({ "Name": "www.example.com.", "Type": "A", "TTL": 60,
        "TrafficPolicyInstanceId": id });
    assert_eq!(listed["ResourceRecordSets"], json!([record]));
    let key = forms::resource(forms::TRAFFIC_POLICY_INSTANCE, id);
    let stored = world.store.get(&key).await.unwrap().unwrap();
    let stored = Resource::<TrafficPolicyInstance>::decode(&key, &stored.value).unwrap();
    assert_eq!(stored.config.document, document("A", "192.0.2.1"));
    let count = world.ok("GetTrafficPolicyInstanceCount", json!({})).await;
    assert_eq!(count["TrafficPolicyInstanceCount"], 1);
    let zone_told = world.ok("GetHostedZone", json!({ "Id": zone })).await;
    assert_eq!(zone_told["HostedZone"]["ResourceRecordSetCount"], 3);
    let in_use = (400, "TrafficPolicyInUse");
    refused(&world, "DeleteTrafficPolicy", of(&policy, 1), in_use).await;

    world
        .ok("DeleteTrafficPolicyInstance", json!({ "Id": id }))
        .await;
    let missing = (404, "NoSuchTrafficPolicyInstance");
    refused(
        &world,
        "GetTrafficPolicyInstance",
        json!({ "Id": id }),
        missing,
    )
    .await;
    assert_eq!(
        super::listed(&world, &zone).await,
        ["example.com. NS", "example.com. SOA"]
    );
    world.ok("DeleteTrafficPolicy", of(&policy, 1)).await;
}

#[tokio::test]
async fn an_instance_is_applied_when_every_name_server_has_it() {
    let world = World::route53();
    let zone = zone(&world, "example.com").await;
    let policy = policy(&world, "p").await;
    version(&world, &policy, document("A", "192.0.2.2")).await;
    world.node("dns", Role::Dns, 1).await;
    let made = instance(&world, used(&zone, "www.example.com", &policy, 1)).await;
    assert_eq!(made["State"], "Creating");
    let state = async || {
        let input = json!({ "Id": made["Id"] });
        let got = world.ok("GetTrafficPolicyInstance", input).await;
        got["TrafficPolicyInstance"]["State"].clone()
    };
    assert_eq!(state().await, "Creating");
    world.node("dns", Role::Dns, u64::MAX).await;
    assert_eq!(state().await, "Applied");
    world.node("dns", Role::Dns, 1).await;
    let update = json!({ "Id": made["Id"], "TTL": 30, "TrafficPolicyId": policy,
        "TrafficPolicyVersion": 2 });
    let updated = world.ok("UpdateTrafficPolicyInstance", update).await;
    let updated = &updated["TrafficPolicyInstance"];
    assert_eq!(updated["State"], "Updating");
    assert_eq!(
        (&updated["TTL"], &updated["TrafficPolicyVersion"]),
        (&json!(30), &json!(2))
    );
    let stored = world.content("route53/traffic-policy-instance/").await;
    assert!(stored.contains("192.0.2.2"), "{stored}");
    let listed = json!({ "HostedZoneId": zone, "StartRecordName": "www.example.com" });
    let listed = world.ok("ListResourceRecordSets", listed).await;
    assert_eq!(listed["ResourceRecordSets"][0]["TTL"], 30);
}

#[tokio::test]
async fn an_instance_that_cannot_be_is_refused() {
    let world = World::route53();
    let zone = zone(&world, "example.com").await;
    let policy = policy(&world, "p").await;
    let other = version(&world, &policy, document("AAAA", "2001:db8::1")).await;
    assert_eq!(other["Version"], 2);
    let alias = set("alias.example.com", "CNAME", &["www.example.net"]);
    let plain = set("plain.example.com", "A", &["192.0.2.9"]);
    change(&world, &zone, &[("CREATE", alias), ("CREATE", plain)]).await;
    let made = instance(&world, used(&zone, "www.example.com", &policy, 1)).await;
    let name = |name: &str| used(&zone, name, &policy, 1);
    let invalid = (400, "InvalidInput");
    for (input, error) in [
        (
            name("www.example.com"),
            (409, "TrafficPolicyInstanceAlreadyExists"),
        ),
        (name("www.example.net"), invalid),
        (name("a..b"), invalid),
        (name("alias.example.com"), invalid),
        (name("plain.example.com"), invalid),
        (
            used("Z1", "www.example.com", &policy, 1),
            (404, "NoSuchHostedZone"),
        ),
        (
            used(&zone, "x.example.com", &policy, 3),
            (404, "NoSuchTrafficPolicy"),
        ),
        (with(name("x.example.com"), json!({ "TTL": -1 })), invalid),
    ] {
        refused(&world, "CreateTrafficPolicyInstance", input, error).await;
    }
    let checked = json!({ "RuleType": "weighted",
        "Items": [{ "Weight": 1, "EndpointReference": "e", "HealthCheck": "none" }] });
    version(&world, &policy, ruled("A", "192.0.2.1", &checked)).await;
    let input = used(&zone, "x.example.com", &policy, 3);
    refused(&world, "CreateTrafficPolicyInstance", input, invalid).await;
    let protected = json!({ "HostedZoneId": zone, "Protections": [
        { "RecordName": "kept.example.com", "RecordType": "A" } ] });
    world
        .ok("CreateResourceRecordSetProtections", protected)
        .await;
    refused(
        &world,
        "CreateTrafficPolicyInstance",
        name("kept.example.com"),
        invalid,
    )
    .await;
    let other_type = json!({ "Id": made["Id"], "TTL": 60, "TrafficPolicyId": policy,
        "TrafficPolicyVersion": 2 });
    refused(
        &world,
        "UpdateTrafficPolicyInstance",
        other_type,
        (400, "ConflictingTypes"),
    )
    .await;
    // Another type at the same name is another instance.
    instance(&world, used(&zone, "www.example.com", &policy, 2)).await;
}

#[tokio::test]
async fn a_batch_does_not_write_the_record_sets_of_instances() {
    let world = World::route53();
    let zone = zone(&world, "example.com").await;
    let policy = policy(&world, "p").await;
    let made = instance(&world, used(&zone, "www.example.com", &policy, 1)).await;
    let mine = set("www.example.com", "A", &["192.0.2.1"]);
    super::refused(&world, &zone, &[("UPSERT", mine)]).await;
    let own = json!({ "Name": "www.example.com", "Type": "A", "TTL": 60,
        "TrafficPolicyInstanceId": made["Id"] });
    super::refused(&world, &zone, &[("DELETE", own)]).await;
}

#[tokio::test]
async fn instances_are_listed_by_zone_name_and_type() {
    let world = World::route53();
    let zones = [
        zone(&world, "example.com").await,
        zone(&world, "example.net").await,
    ];
    let policies = [policy(&world, "p").await, policy(&world, "q").await];
    version(&world, &policies[0], document("TXT", "\"t\"")).await;
    for (zone, name, policy, version) in [
        (0, "b.example.com", 0, 1),
        (0, "a.b.example.com", 1, 1),
        (0, "b.example.com", 0, 2),
        (0, "a.example.com", 0, 1),
        (1, "x.example.net", 0, 1),
    ] {
        instance(&world, used(&zones[zone], name, &policies[policy], version)).await;
    }
    let names = |page: &Value| -> Vec<String> {
        let found = page["TrafficPolicyInstances"].as_array().unwrap().iter();
        let text = |one: &Value, member: &str| one[member].as_str().unwrap().to_owned();
        found
            .map(|one| format!("{} {}", text(one, "Name"), text(one, "TrafficPolicyType")))
            .collect()
    };
    let of_first = [
        "a.example.com. A",
        "b.example.com. A",
        "b.example.com. TXT",
        "a.b.example.com. A",
    ];
    let input = json!({ "HostedZoneId": zones[0], "MaxItems": "2" });
    let page = world
        .ok("ListTrafficPolicyInstancesByHostedZone", input)
        .await;
    assert_eq!(names(&page), of_first[..2]);
    let input = json!({ "HostedZoneId": zones[0],
        "TrafficPolicyInstanceNameMarker": page["TrafficPolicyInstanceNameMarker"],
        "TrafficPolicyInstanceTypeMarker": page["TrafficPolicyInstanceTypeMarker"] });
    let page = world
        .ok("ListTrafficPolicyInstancesByHostedZone", input)
        .await;
    assert_eq!(names(&page), of_first[2..]);
    assert_eq!(page["IsTruncated"], false);

    let mut all = Vec::new();
    let mut markers = json!({});
    loop {
        let input = with(json!({ "MaxItems": "2" }), markers);
        let page = world.ok("ListTrafficPolicyInstances", input).await;
        all.extend(names(&page));
        if page["IsTruncated"] == false {
            break;
        }
        markers = json!({ "HostedZoneIdMarker": page["HostedZoneIdMarker"],
            "TrafficPolicyInstanceNameMarker": page["TrafficPolicyInstanceNameMarker"],
            "TrafficPolicyInstanceTypeMarker": page["TrafficPolicyInstanceTypeMarker"] });
    }
    assert_eq!(all.len(), 5);
    assert!(all.windows(4).any(|part| *part == of_first), "{all:?}");

    let by_policy = json!({ "TrafficPolicyId": policies[1], "TrafficPolicyVersion": 1 });
    let page = world
        .ok("ListTrafficPolicyInstancesByPolicy", by_policy)
        .await;
    assert_eq!(names(&page), ["a.b.example.com. A"]);
    let none = json!({ "TrafficPolicyId": "none", "TrafficPolicyVersion": 1 });
    let missing = (404, "NoSuchTrafficPolicy");
    refused(&world, "ListTrafficPolicyInstancesByPolicy", none, missing).await;
}

#[tokio::test]
async fn a_version_does_not_go_while_an_instance_of_it_comes() {
    let world = World::route53();
    let zone = zone(&world, "example.com").await;
    for round in 0..20 {
        let policy = policy(&world, &format!("p{round}")).await;
        let input = used(&zone, &format!("w{round}.example.com"), &policy, 1);
        let (made, deleted) = tokio::join!(
            world.call("CreateTrafficPolicyInstance", input),
            world.call("DeleteTrafficPolicy", of(&policy, 1)),
        );
        assert_ne!(made.is_ok(), deleted.is_ok(), "{made:?} {deleted:?}");
    }
}
