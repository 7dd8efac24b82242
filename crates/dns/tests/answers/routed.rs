//! Groups, their health, and trees of them (spec §10, §12, §14).

use std::collections::{BTreeMap, BTreeSet};

use documents::route53::{CidrCollection, TrafficPolicyInstance};
use serde_json::{Value, json};

use crate::lab::{Lab, alias, ask, rcode, values, with};

fn weighted(name: &str, identifier: &str, weight: u8, address: &str, check: Option<&str>) -> Value {
    let more = json!({"SetIdentifier": identifier, "Weight": weight});
    checked(with(values(name, "A", 60, &[address]), more), check)
}

fn failover(set: Value, role: &str, check: Option<&str>) -> Value {
    checked(
        with(set, json!({"SetIdentifier": role, "Failover": role})),
        check,
    )
}

fn checked(set: Value, check: Option<&str>) -> Value {
    match check {
        Some(check) => with(set, json!({"HealthCheckId": check})),
        None => set,
    }
}

fn sicken(lab: &Lab, checks: &[&str], is_healthy: bool) {
    for check in checks {
        lab.set_health(check, is_healthy);
    }
}

/// All that is answered in many tries.
fn seen(lab: &mut Lab, question: &str) -> BTreeSet<String> {
    (0..200).flat_map(|_| lab.ask(question).data()).collect()
}

#[test]
fn weights_are_shares_and_none_is_chosen_twice_in_one_answer() {
    let mut lab = Lab::new(json!([
        weighted("www.example.com", "a", 3, "192.0.2.1", None),
        weighted("www.example.com", "b", 1, "192.0.2.2", None),
        weighted("www.example.com", "c", 0, "192.0.2.3", None),
    ]));
    let mut counts = BTreeMap::new();
    for _ in 0..4000 {
        let [one] = &lab.ask("www.example.com A").data()[..] else {
            panic!("one answers");
        };
        *counts.entry(one.clone()).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 2);
    assert!((2850..3150).contains(&counts["192.0.2.1"]), "{counts:?}");
}

#[test]
fn the_unhealthy_are_passed_over_and_all_count_as_healthy_if_none_is() {
    let mut lab = Lab::new(json!([
        weighted("www.example.com", "a", 1, "192.0.2.1", Some("one")),
        weighted("www.example.com", "b", 1, "192.0.2.2", Some("two")),
    ]));
    assert_eq!(seen(&mut lab, "www.example.com A").len(), 2);
    sicken(&lab, &["one"], false);
    assert_eq!(
        seen(&mut lab, "www.example.com A"),
        ["192.0.2.2".to_owned()].into()
    );
    sicken(&lab, &["two"], false);
    assert_eq!(seen(&mut lab, "www.example.com A").len(), 2);
    sicken(&lab, &["one"], true);
    assert_eq!(
        seen(&mut lab, "www.example.com A"),
        ["192.0.2.1".to_owned()].into()
    );
}

#[test]
fn the_secondary_answers_while_the_primary_is_unhealthy_and_the_primary_if_both_are() {
    let mut lab = Lab::new(json!([
        failover(
            values("www.example.com", "A", 60, &["192.0.2.1"]),
            "PRIMARY",
            Some("one")
        ),
        failover(
            values("www.example.com", "A", 60, &["192.0.2.2"]),
            "SECONDARY",
            Some("two")
        ),
    ]));
    assert_eq!(lab.ask("www.example.com A").data(), ["192.0.2.1"]);
    sicken(&lab, &["one"], false);
    assert_eq!(lab.ask("www.example.com A").data(), ["192.0.2.2"]);
    sicken(&lab, &["two"], false);
    assert_eq!(lab.ask("www.example.com A").data(), ["192.0.2.1"]);
}

#[test]
fn up_to_eight_of_a_multivalue_group_answer_together() {
    let address = |place: u8| format!("192.0.2.{place}");
    let records: Vec<Value> = (1..=12)
        .map(|place| {
            let more = json!({"SetIdentifier": place.to_string(), "MultiValueAnswer": true});
            let set = values("www.example.com", "A", u32::from(place), &[&address(place)]);
            checked(
                with(set, more),
                Some(if place > 3 { "many" } else { "few" }),
            )
        })
        .collect();
    let mut lab = Lab::new(json!(records));
    let reply = lab.ask("www.example.com A");
    assert_eq!(reply.data().len(), 8);
    let ttls: BTreeSet<u32> = reply
        .message
        .answers
        .iter()
        .map(|record| record.ttl)
        .collect();
    assert_eq!(ttls.len(), 1, "records of one answer live equally long");
    assert_eq!(seen(&mut lab, "www.example.com A").len(), 12);
    sicken(&lab, &["many"], false);
    assert_eq!(
        lab.ask("www.example.com A").data(),
        [address(1), address(2), address(3)]
    );
}

#[test]
fn evaluated_branches_are_skipped_if_nobody_in_them_is_healthy_and_others_entered() {
    for (is_evaluated, expected) in [(true, "192.0.2.9"), (false, "192.0.2.1")] {
        let mut lab = Lab::new(json!([
            failover(
                alias("www.example.com", "A", "branch.example.com", is_evaluated),
                "PRIMARY",
                None
            ),
            failover(
                values("www.example.com", "A", 60, &["192.0.2.9"]),
                "SECONDARY",
                None
            ),
            weighted("branch.example.com", "a", 1, "192.0.2.1", Some("leaf")),
        ]));
        assert_eq!(lab.ask("www.example.com A").data(), ["192.0.2.1"]);
        sicken(&lab, &["leaf"], false);
        assert_eq!(lab.ask("www.example.com A").data(), [expected]);
    }
}

#[test]
fn a_check_on_an_alias_hides_a_healthy_branch() {
    let primary = alias("www.example.com", "A", "branch.example.com", true);
    let mut lab = Lab::new(json!([
        failover(primary, "PRIMARY", Some("alias")),
        failover(
            values("www.example.com", "A", 60, &["192.0.2.9"]),
            "SECONDARY",
            None
        ),
        weighted("branch.example.com", "a", 1, "192.0.2.1", None),
    ]));
    sicken(&lab, &["alias"], false);
    assert_eq!(lab.ask("www.example.com A").data(), ["192.0.2.9"]);
}

#[test]
fn a_single_record_is_answered_although_unhealthy_and_hides_what_leads_to_it() {
    let mut lab = Lab::new(json!([
        checked(
            values("leaf.example.com", "A", 60, &["192.0.2.1"]),
            Some("leaf")
        ),
        failover(
            alias("www.example.com", "A", "leaf.example.com", true),
            "PRIMARY",
            None
        ),
        failover(
            values("www.example.com", "A", 60, &["192.0.2.9"]),
            "SECONDARY",
            None
        ),
    ]));
    sicken(&lab, &["leaf"], false);
    assert_eq!(lab.ask("leaf.example.com A").data(), ["192.0.2.1"]);
    assert_eq!(lab.ask("www.example.com A").data(), ["192.0.2.9"]);
}

#[test]
fn a_geolocation_group_without_a_default_has_no_answer_for_those_who_are_nowhere() {
    let place = json!({"SetIdentifier": "eu", "GeoLocation": {"ContinentCode": "EU"}});
    let default = json!({"SetIdentifier": "else", "GeoLocation": {"CountryCode": "*"}});
    let set = |address: &str, more: &Value| {
        with(values("www.example.com", "A", 60, &[address]), more.clone())
    };
    let mut lab = Lab::new(json!([set("192.0.2.1", &place)]));
    let reply = lab.ask("www.example.com A");
    assert_eq!(
        (reply.code(), reply.authorities().len()),
        (rcode("NOERROR"), 1)
    );
    let mut lab = Lab::new(json!([
        set("192.0.2.1", &place),
        set("192.0.2.2", &default)
    ]));
    assert_eq!(lab.ask("www.example.com A").data(), ["192.0.2.2"]);
}

fn collection(home: &str) -> CidrCollection {
    CidrCollection {
        name: "nets".to_owned(),
        caller_reference: "1".to_owned(),
        locations: [("home".to_owned(), vec![home.to_owned()])].into(),
    }
}

#[test]
fn networks_of_a_collection_choose_by_client_subnet_and_the_scope_says_for_whom() {
    let set = |location: &str, address: &str| {
        let routing = json!({"CollectionId": "C1", "LocationName": location});
        let more = json!({"SetIdentifier": location, "CidrRoutingConfig": routing});
        with(values("www.example.com", "A", 60, &[address]), more)
    };
    let mut lab = Lab::empty();
    // Records come before what they name.
    lab.build(|builder| {
        let all = json!([set("home", "192.0.2.1"), set("*", "192.0.2.2")]);
        let records = crate::lab::apex("example.com")
            .into_iter()
            .chain(crate::lab::sets(all));
        for record in records {
            builder.put_record("Z1", &record, 1);
        }
        builder.put_collection("C1", &collection("198.51.100.0/24"));
        builder.put_zone(&crate::lab::zone("Z1", "example.com", 1, &[]));
    });
    assert_eq!(lab.refusals, []);
    let query = |network: &str| ask("www.example.com A").subnet(network);
    let reply = lab.send(&query("198.51.100.0/24"));
    assert_eq!(reply.data(), ["192.0.2.1"]);
    assert!(
        (1..=24).contains(&reply.scope().unwrap()),
        "{:?}",
        reply.scope()
    );
    assert_eq!(lab.send(&query("203.0.113.0/24")).data(), ["192.0.2.2"]);
    assert_eq!(
        lab.send(&ask("www.example.com A").from("198.51.100.9"))
            .data(),
        ["192.0.2.1"]
    );
    lab.build(|builder| builder.put_collection("C1", &collection("203.0.113.0/24")));
    assert_eq!(lab.send(&query("198.51.100.0/24")).data(), ["192.0.2.2"]);
    assert_eq!(lab.send(&query("203.0.113.0/24")).data(), ["192.0.2.1"]);
}

fn instance(document: &Value) -> TrafficPolicyInstance {
    TrafficPolicyInstance {
        zone: "Z1".to_owned(),
        name: "www.example.com.".to_owned(),
        ttl: 45,
        policy: "p".to_owned(),
        policy_version: 1,
        record_type: "A".to_owned(),
        document: document.to_string(),
    }
}

#[test]
fn the_tree_of_a_traffic_policy_answers_by_the_same_rules() {
    let document = json!({
        "AWSPolicyFormatVersion": "2015-10-01",
        "RecordType": "A",
        "StartRule": "top",
        "Endpoints": {
            "e1": {"Type": "value", "Value": "192.0.2.1"},
            "e2": {"Type": "value", "Value": "192.0.2.2"},
            "e3": {"Type": "value", "Value": "192.0.2.3"},
        },
        "Rules": {
            "top": {
                "RuleType": "failover",
                "Primary": {"RuleReference": "pool", "EvaluateTargetHealth": true},
                "Secondary": {"EndpointReference": "e3"},
            },
            "pool": {
                "RuleType": "weighted",
                "Items": [
                    {"Weight": "1", "EndpointReference": "e1", "HealthCheck": "one"},
                    {"Weight": "1", "EndpointReference": "e2", "HealthCheck": "two"},
                ],
            },
        },
    });
    let record = json!({
        "Name": "www.example.com", "Type": "A", "TrafficPolicyInstanceId": "I1",
    });
    let mut lab = Lab::new(record);
    assert_eq!(lab.ask("www.example.com A").authorities().len(), 1);
    lab.build(|builder| builder.put_instance("I1", &instance(&document)));
    assert_eq!(lab.refusals, []);
    assert_eq!(seen(&mut lab, "www.example.com A").len(), 2);
    assert_eq!(lab.ask("www.example.com A").message.answers[0].ttl, 45);
    sicken(&lab, &["one"], false);
    assert_eq!(lab.ask("www.example.com A").data(), ["192.0.2.2"]);
    sicken(&lab, &["two"], false);
    assert_eq!(lab.ask("www.example.com A").data(), ["192.0.2.3"]);
}

#[test]
fn explanations_tell_who_was_unhealthy_and_why() {
    let lab = Lab::new(json!([
        failover(
            values("www.example.com", "A", 60, &["192.0.2.1"]),
            "PRIMARY",
            Some("one")
        ),
        failover(
            values("www.example.com", "A", 60, &["192.0.2.2"]),
            "SECONDARY",
            None
        ),
    ]));
    sicken(&lab, &["one"], false);
    let question = dns::explain::Question {
        name: records::Name::parse("www.example.com").unwrap(),
        record_type: crate::lab::record_type("A"),
        source: "192.0.2.50".parse().unwrap(),
        client_subnet: None,
    };
    let explanation = dns::explain::explain(&lab.world, &question, crate::lab::NOW_MS, 1);
    let told = serde_json::to_value(&explanation).unwrap();
    assert_eq!(told["zone"], "Z1");
    assert_eq!(told["rcode"], "NOERROR");
    assert_eq!(told["answers"][0]["value"], "192.0.2.2");
    let group = &told["steps"][2];
    assert_eq!(group["step"], "group");
    let candidate = |name: &str| {
        let candidates = group["candidates"].as_array().unwrap();
        candidates
            .iter()
            .find(|candidate| candidate["name"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(candidate("PRIMARY")["verdict"], "unhealthy");
    assert_eq!(
        candidate("PRIMARY")["health"],
        "one is unhealthy: 0 of 1 checkers see it healthy (18 % rule): it says so"
    );
    assert_eq!(candidate("SECONDARY")["verdict"], "chosen");
}
