//! Worlds made from worlds: changes, what is refused, and documents out of them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use shapes::route53::ResourceRecordSet;

use crate::lab::{Lab, alias, apex, rcode, sets, values, with, zone};

fn key(name: &str, record_type: &str, identifier: Option<&str>) -> String {
    let name = records::Name::parse(name).unwrap();
    documents::route53::record("Z1", &name.order_key(), record_type, identifier)
}

fn documents(lab: &Lab) -> BTreeMap<String, (Value, u64)> {
    let documents = lab.world.documents();
    documents
        .map(|document| {
            let value = serde_json::from_slice(&document.value).unwrap();
            (document.key, (value, document.modified.0))
        })
        .collect()
}

#[test]
fn a_changed_record_is_answered_and_the_old_world_stays_as_it_was() {
    let mut lab = Lab::new(json!([values("www.example.com", "A", 300, &["192.0.2.1"])]));
    let old = lab.world.clone();
    let changed = sets(values("www.example.com", "A", 60, &["192.0.2.9"]));
    lab.build(|builder| builder.put_record("Z1", &changed[0], 8));
    assert_eq!(
        lab.ask("www.example.com A").answers(),
        ["www.example.com. 60 IN A 192.0.2.9"]
    );
    let new = std::mem::replace(&mut lab.world, old);
    assert_eq!(
        lab.ask("www.example.com A").answers(),
        ["www.example.com. 300 IN A 192.0.2.1"]
    );
    lab.world = new;
    lab.build(|builder| builder.delete_record(&key("www.example.com", "A", None)));
    assert_eq!(lab.ask("www.example.com A").code(), rcode("NXDOMAIN"));
}

#[test]
fn names_above_come_and_go_with_what_is_below_them() {
    let mut lab = Lab::new(json!([
        values("a.b.c.example.com", "A", 300, &["192.0.2.1"]),
        values("z.b.c.example.com", "A", 300, &["192.0.2.1"]),
    ]));
    assert_eq!(lab.ask("c.example.com A").code(), rcode("NOERROR"));
    lab.build(|builder| builder.delete_record(&key("a.b.c.example.com", "A", None)));
    assert_eq!(lab.ask("a.b.c.example.com A").code(), rcode("NXDOMAIN"));
    assert_eq!(lab.ask("b.c.example.com A").code(), rcode("NOERROR"));
    lab.build(|builder| builder.delete_record(&key("z.b.c.example.com", "A", None)));
    for name in ["z.b.c", "b.c", "c"] {
        let reply = lab.ask(&format!("{name}.example.com A"));
        assert_eq!(reply.code(), rcode("NXDOMAIN"), "{name}");
    }
}

#[test]
fn what_a_name_was_leaves_nothing_behind() {
    let mut lab = Lab::new(json!([
        values("*.w.example.com", "A", 300, &["192.0.2.1"]),
        values("cut.example.com", "NS", 300, &["ns.other.test"]),
    ]));
    assert_eq!(lab.ask("x.w.example.com A").data().len(), 1);
    assert!(!lab.ask("x.cut.example.com A").is_authoritative());
    lab.build(|builder| {
        builder.delete_record(&key("*.w.example.com", "A", None));
        builder.delete_record(&key("cut.example.com", "NS", None));
    });
    assert_eq!(lab.ask("x.w.example.com A").code(), rcode("NXDOMAIN"));
    assert_eq!(lab.ask("x.cut.example.com A").code(), rcode("NXDOMAIN"));
    assert_eq!(lab.world.zone("Z1").unwrap().record_sets(), 2);
}

#[test]
fn a_record_set_may_turn_from_simple_to_group_and_back_in_any_order_of_changes() {
    let simple = || sets(values("www.example.com", "A", 300, &["192.0.2.1"])).remove(0);
    let member = |identifier: &str, address: &str| {
        let more = json!({"SetIdentifier": identifier, "Weight": 1});
        sets(with(values("www.example.com", "A", 300, &[address]), more)).remove(0)
    };
    let mut lab = Lab::new(json!([]));
    lab.build(|builder| builder.put_record("Z1", &simple(), 1));
    lab.build(|builder| {
        builder.put_record("Z1", &member("a", "192.0.2.2"), 2);
        builder.put_record("Z1", &member("b", "192.0.2.2"), 2);
        builder.delete_record(&key("www.example.com", "A", None));
    });
    assert_eq!(lab.ask("www.example.com A").data(), ["192.0.2.2"]);
    assert_eq!(documents(&lab).len(), 4);
    lab.build(|builder| {
        builder.put_record("Z1", &simple(), 3);
        builder.delete_record(&key("www.example.com", "A", Some("a")));
        builder.delete_record(&key("www.example.com", "A", Some("b")));
    });
    assert_eq!(lab.ask("www.example.com A").data(), ["192.0.2.1"]);
    let lead = sets(alias("www.example.com", "A", "ns.example.com", false)).remove(0);
    lab.build(|builder| builder.put_record("Z1", &lead, 4));
    assert_eq!(lab.ask("www.example.com A").data(), Vec::<String>::new());
    lab.build(|builder| builder.put_record("Z1", &simple(), 5));
    assert_eq!(lab.ask("www.example.com A").data(), ["192.0.2.1"]);
    assert_eq!(documents(&lab).len(), 3);
}

#[test]
fn documents_come_out_as_they_went_in() {
    let more = json!({"SetIdentifier": "x y", "Weight": 1, "HealthCheckId": "check"});
    let mut records = vec![
        values("www.example.com.", "A", 300, &["192.0.2.1", "192.0.2.2"]),
        values("\\052.example.com.", "TXT", 1, &["\"a b\" \"c\""]),
        values("m.example.com.", "MX", 0, &["10 mail.example.com."]),
        alias("example.com.", "A", "www.example.com.", true),
        with(values("w.example.com.", "AAAA", 60, &["2001:db8::1"]), more),
    ];
    let lab = Lab::new(json!(records));
    records.extend(
        apex("example.com")
            .iter()
            .map(|set| serde_json::to_value(set).unwrap()),
    );
    let documents = documents(&lab);
    assert_eq!(documents.len(), records.len());
    for record in records {
        let set: ResourceRecordSet = serde_json::from_value(record).unwrap();
        let identifier = set.set_identifier.as_deref();
        let key = key(&set.name, set.r#type.as_str(), identifier);
        let (value, modified) = &documents[&key];
        let found: ResourceRecordSet = serde_json::from_value(value.clone()).unwrap();
        let dotted = |set: &ResourceRecordSet| ResourceRecordSet {
            name: records::Name::parse(&set.name).unwrap().to_string(),
            ..set.clone()
        };
        assert_eq!((dotted(&found), *modified), (dotted(&set), 7));
    }
    let zone = lab.world.zone("Z1").unwrap();
    assert_eq!((zone.documents().count(), zone.record_sets()), (7, 7));
}

#[test]
fn what_cannot_be_read_is_refused_and_what_was_there_stays() {
    let mut lab = Lab::new(json!([values("www.example.com", "A", 300, &["192.0.2.1"])]));
    let wrong = [
        values("www.example.com", "A", 300, &["192.0.2.256"]),
        values("www.example.net", "A", 300, &["192.0.2.1"]),
        values("www..example.com", "A", 300, &["192.0.2.1"]),
        values("empty.example.com", "A", 300, &[]),
        json!({"Name": "nothing.example.com", "Type": "A"}),
        with(
            values("rule.example.com", "A", 300, &["192.0.2.1"]),
            json!({"SetIdentifier": "a"}),
        ),
        alias("loose.example.com", "A", "www.example.net", false),
    ];
    let count = wrong.len();
    lab.build(|builder| {
        for set in sets(json!(wrong)) {
            builder.put_record("Z1", &set, 9);
        }
        let orphan = sets(values("www.example.org", "A", 300, &["192.0.2.1"])).remove(0);
        builder.put_record("Z404", &orphan, 9);
    });
    assert_eq!(lab.refusals.len(), count + 1, "{:#?}", lab.refusals);
    let first = &lab.refusals[0];
    assert_eq!(first.key, key("www.example.com", "A", None));
    assert!(first.message.contains("192.0.2.256"), "{}", first.message);
    assert_eq!(lab.ask("www.example.com A").data(), ["192.0.2.1"]);
}

#[test]
fn records_that_come_before_their_zone_wait_for_it() {
    let mut lab = Lab::empty();
    lab.build(|builder| {
        let record = sets(values("www.example.com", "A", 300, &["192.0.2.1"]));
        for set in apex("example.com").into_iter().chain(record) {
            builder.put_record("Z1", &set, 1);
        }
        builder.put_zone(&zone("Z1", "example.com", 1, &[]));
    });
    assert_eq!(lab.refusals, []);
    assert_eq!(lab.ask("www.example.com A").data(), ["192.0.2.1"]);
    lab.build(|builder| builder.put_zone(&zone("Z1", "example.com", 1, &[])));
    assert_eq!(
        lab.ask("www.example.com A").data(),
        ["192.0.2.1"],
        "it is the same zone"
    );
}

#[test]
fn a_cleared_world_has_nothing_but_the_platform() {
    let mut lab = Lab::new(json!([]));
    lab.build(|builder| builder.set_platform(Some("cdn.test"), &[]));
    lab.build(|builder| builder.clear());
    assert_eq!(lab.ask("example.com SOA").code(), rcode("REFUSED"));
    assert_eq!(lab.ask("cdn.test SOA").answers().len(), 1);
    assert_eq!(lab.world.documents().count(), 0);
}

#[test]
fn thousands_of_names_are_found_after_thousands_of_changes() {
    let name = |place: u32| format!("host-{place}.n{}.example.com", place % 7);
    let mut lab = Lab::new(json!([]));
    for round in 0..8 {
        lab.build(|builder| {
            for place in (round * 1000..).take(1000) {
                let address = format!("10.{}.{}.{}", place >> 16, place >> 8 & 255, place & 255);
                let set = sets(values(&name(place), "A", 60, &[&address])).remove(0);
                builder.put_record("Z1", &set, u64::from(place));
            }
            for place in (round * 1000..).take(1000).step_by(5) {
                builder.delete_record(&key(&name(place), "A", None));
            }
        });
    }
    assert_eq!(lab.world.zone("Z1").unwrap().record_sets(), 6400 + 2);
    for place in 0..8000 {
        let reply = lab.ask(&format!("{} A", name(place)));
        assert_eq!(reply.data().len(), usize::from(place % 5 != 0), "{place}");
    }
}

/// A change of one record set: its name, its type, and what it says; nothing if it goes.
type Change = (&'static str, &'static str, Option<Option<u8>>);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let names = prop::sample::select(vec![
        "a", "b.a", "c.b.a", "*.a", "*.b.a", "d.c.b.a", "e", "*.e", "x.y.e",
    ]);
    let types = prop::sample::select(vec!["A", "NS", "CNAME"]);
    // A simple record set, or the member of a group of that name.
    let says = prop::option::of(prop::option::of(0_u8..3));
    prop::collection::vec((names, types, says), 1..40)
}

fn record(name: &str, record_type: &str, member: Option<u8>) -> (String, ResourceRecordSet) {
    let name = format!("{name}.example.com");
    let value = match record_type {
        "A" => "192.0.2.1",
        _ => "e.example.com",
    };
    let member = member.filter(|_| record_type == "A");
    let mut set = values(&name, record_type, 60, &[value]);
    let identifier = member.map(|member| member.to_string());
    if let Some(identifier) = &identifier {
        set = with(set, json!({"SetIdentifier": identifier, "Weight": 1}));
    }
    let key = key(&name, record_type, identifier.as_deref());
    (key, sets(set).remove(0))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// However a world came to be, it answers as one that was made of its documents at once.
    #[test]
    fn a_world_of_many_changes_is_as_one_made_at_once(changes in changes()) {
        let mut lab = Lab::new(json!([]));
        let mut all = BTreeMap::new();
        for chunk in changes.chunks(3) {
            lab.build(|builder| {
                for (name, record_type, says) in chunk {
                    let (key, set) = record(name, record_type, says.flatten());
                    match says {
                        Some(_) => {
                            builder.put_record("Z1", &set, 1);
                            all.insert(key, set);
                        }
                        None => {
                            builder.delete_record(&key);
                            all.remove(&key);
                        }
                    }
                }
            });
            prop_assert_eq!(&lab.refusals, &[]);
        }
        // Of a name and type that is both, the group answers: as many changes can come in between.
        let mut anew = Lab::new(json!([]));
        anew.build(|builder| {
            for set in all.values().rev() {
                builder.put_record("Z1", set, 1);
            }
        });
        let found = documents(&lab);
        let keys: Vec<&String> = found.keys().filter(|key| !key.contains("example. ")).collect();
        prop_assert_eq!(keys, all.keys().collect::<Vec<_>>());
        for name in ["a", "b.a", "q.b.a", "d.c.b.a", "q.a", "e", "y.e", "x.y.e", "q.e", "n"] {
            for record_type in ["A", "NS", "CNAME"] {
                let question = format!("{name}.example.com {record_type}");
                let (one, other) = (lab.ask(&question), anew.ask(&question));
                prop_assert_eq!(one.bytes[2..].to_vec(), other.bytes[2..].to_vec(), "{}", question);
            }
        }
    }
}
