//! Aliases: to names of the zone, to distributions, and to names elsewhere.

use dns::cells::Addresses;
use documents::route53::{DISTRIBUTIONS_ZONE, Pop};
use records::Name;
use serde_json::json;

use crate::lab::{Lab, NOW_MS, alias, alias_of, ask, rcode, sets, values, with, zone};

fn pop(code: &str, region: &str, addresses: &[&str]) -> Pop {
    Pop {
        code: code.to_owned(),
        region: Some(region.to_owned()),
        latitude: None,
        longitude: None,
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
    }
}

fn with_platform(lab: &mut Lab, records: serde_json::Value) {
    lab.build(|builder| {
        builder.set_platform(Some("cdn.test"), &["ns1.cdn.test".to_owned()]);
        let near = pop("ICN1", "ap-northeast-2", &["203.0.113.1", "203.0.113.2"]);
        builder.set_pops(&[(near, true)]);
        for set in sets(records) {
            builder.put_record("Z1", &set, 9);
        }
    });
    assert_eq!(lab.refusals, []);
}

#[test]
fn an_alias_answers_with_its_targets_records_under_its_own_name() {
    let mut lab = Lab::new(json!([
        values("target.example.com", "A", 77, &["192.0.2.1", "192.0.2.2"]),
        alias("example.com", "A", "target.example.com", false),
        alias("second.example.com", "A", "example.com", true),
        alias("*.any.example.com", "A", "second.example.com", false),
    ]));
    for name in ["example.com", "second.example.com", "x.any.example.com"] {
        let reply = lab.ask(&format!("{name} A"));
        let expected = ["1", "2"].map(|last| format!("{name}. 77 IN A 192.0.2.{last}"));
        assert_eq!(reply.answers(), expected);
    }
    // The type of the alias alone.
    let reply = lab.ask("second.example.com AAAA");
    assert_eq!(
        (reply.code(), reply.authorities().len()),
        (rcode("NOERROR"), 1)
    );
}

#[test]
fn an_alias_of_a_cname_is_a_cname() {
    let mut lab = Lab::new(json!([
        values("real.example.com", "CNAME", 60, &["www.elsewhere.test"]),
        alias("also.example.com", "CNAME", "real.example.com", false),
    ]));
    let expected = ["also.example.com. 60 IN CNAME www.elsewhere.test."];
    assert_eq!(lab.ask("also.example.com A").answers(), expected);
}

#[test]
fn an_alias_whose_target_is_gone_has_no_records() {
    let mut lab = Lab::new(json!([alias(
        "www.example.com",
        "A",
        "gone.example.com",
        false
    )]));
    let reply = lab.ask("www.example.com A");
    assert_eq!(
        (reply.code(), reply.authorities().len()),
        (rcode("NOERROR"), 1)
    );
}

#[test]
fn aliases_in_a_circle_are_a_failure() {
    let mut lab = Lab::new(json!([
        alias("one.example.com", "A", "two.example.com", true),
        alias("two.example.com", "A", "one.example.com", true),
    ]));
    let reply = lab.ask("one.example.com A");
    assert_eq!(reply.code(), rcode("SERVFAIL"));
    assert!(!reply.is_authoritative());
}

#[test]
fn ten_aliases_one_behind_the_other_are_followed_and_no_more() {
    let mut records = vec![values("n0.example.com", "A", 60, &["192.0.2.1"])];
    for place in 1..=12 {
        let (name, target) = (place, place - 1);
        let name = format!("n{name}.example.com");
        records.push(alias(&name, "A", &format!("n{target}.example.com"), false));
    }
    let mut lab = Lab::new(json!(records));
    assert_eq!(lab.ask("n10.example.com A").data(), ["192.0.2.1"]);
    assert_eq!(lab.ask("n12.example.com A").code(), rcode("SERVFAIL"));
}

#[test]
fn trees_of_aliases_that_meet_again_are_looked_through_with_a_bound() {
    let mut records = vec![];
    for level in 0..9 {
        for member in 0..30 {
            let name = format!("l{level}.example.com");
            let target = format!("l{}.example.com", level + 1);
            let more = json!({"SetIdentifier": member.to_string(), "Weight": 1});
            records.push(with(alias(&name, "A", &target, true), more));
        }
    }
    let more = json!({"SetIdentifier": "x", "Weight": 1, "HealthCheckId": "sick"});
    records.push(with(
        values("l9.example.com", "A", 60, &["192.0.2.1"]),
        more,
    ));
    let mut lab = Lab::new(json!(records));
    lab.set_health("sick", false);
    assert_eq!(lab.ask("l0.example.com A").data(), ["192.0.2.1"]);
}

#[test]
fn distributions_are_at_the_nearest_pops_and_so_are_aliases_to_them() {
    let mut lab = Lab::new(json!([]));
    let records = json!([
        alias_of(
            DISTRIBUTIONS_ZONE,
            "example.com",
            "A",
            "d111.cdn.test",
            false
        ),
        alias_of(
            DISTRIBUTIONS_ZONE,
            "example.com",
            "AAAA",
            "d111.cdn.test",
            false
        ),
    ]);
    with_platform(&mut lab, records);
    for name in ["example.com", "d111.cdn.test"] {
        let expected = ["1", "2"].map(|last| format!("{name}. 60 IN A 203.0.113.{last}"));
        assert_eq!(lab.ask(&format!("{name} A")).answers(), expected);
        // The PoP has no such address.
        let reply = lab.ask(&format!("{name} AAAA"));
        assert_eq!(
            (reply.code(), reply.authorities().len()),
            (rcode("NOERROR"), 1)
        );
    }
    assert_eq!(lab.ask("cdn.test NS").data(), ["ns1.cdn.test."]);
    assert_eq!(lab.ask("cdn.test SOA").answers().len(), 1);
}

#[test]
fn a_pop_without_live_edges_is_passed_over_unless_there_is_no_other() {
    let mut lab = Lab::new(json!([]));
    with_platform(&mut lab, json!([]));
    let near = pop("ICN1", "ap-northeast-2", &["203.0.113.1"]);
    let far = pop("FRA1", "eu-central-1", &["203.0.113.9", "2001:db8::9"]);
    lab.build(|builder| builder.set_pops(&[(near.clone(), false), (far.clone(), true)]));
    assert_eq!(lab.ask("d1.cdn.test A").data(), ["203.0.113.9"]);
    assert_eq!(lab.ask("d1.cdn.test AAAA").data(), ["2001:db8::9"]);
    lab.build(|builder| builder.set_pops(&[(near, false), (far, false)]));
    assert_eq!(lab.ask("d1.cdn.test A").answers().len(), 1);
    lab.build(|builder| builder.set_pops(&[]));
    assert_eq!(lab.ask("d1.cdn.test A").code(), rcode("SERVFAIL"));
}

#[test]
fn a_target_elsewhere_is_answered_once_it_is_resolved() {
    let mut lab = Lab::new(json!([
        alias_of("Z9", "www.example.com", "A", "lb.elsewhere.test", false),
        alias_of("Z9", "www.example.com", "AAAA", "lb.elsewhere.test", false),
    ]));
    assert_eq!(lab.ask("www.example.com A").code(), rcode("SERVFAIL"));
    let cells = lab.world.elsewheres().all();
    assert_eq!(cells.len(), 1);
    assert_eq!(*cells[0].name(), Name::parse("lb.elsewhere.test").unwrap());
    assert_eq!(cells[0].asked_ms(), NOW_MS);
    cells[0].set(Addresses {
        v4: vec!["198.51.100.7".parse().unwrap()],
        v6: vec![],
        until_ms: NOW_MS + 30_000,
    });
    let expected = ["www.example.com. 30 IN A 198.51.100.7"];
    assert_eq!(lab.ask("www.example.com A").answers(), expected);
    let reply = lab.ask("www.example.com AAAA");
    assert_eq!(
        (reply.code(), reply.authorities().len()),
        (rcode("NOERROR"), 1)
    );
    drop(cells);
    lab.build(|builder| builder.delete_zone("Z1"));
    assert_eq!(lab.world.elsewheres().all().len(), 0);
}

#[test]
fn a_hosted_zone_of_the_platforms_name_does_not_hide_it() {
    let mut lab = Lab::new(json!([]));
    with_platform(&mut lab, json!([]));
    lab.build(|builder| builder.put_zone(&zone("Z7", "cdn.test", 1, &[])));
    assert_eq!(lab.send(&ask("d1.cdn.test A")).answers().len(), 2);
}
