//! Signed answers and compact denials (spec §15).

use dnssec::{KeyPair, ZoneKeys};
use records::Name;
use serde_json::json;

use crate::lab::{Lab, ask, rcode, values, with};

fn lab() -> Lab {
    let mut lab = Lab::new(json!([
        values(
            "www.example.com",
            "A",
            1_000_000,
            &["192.0.2.1", "192.0.2.2"]
        ),
        values("ent.www2.example.com", "A", 60, &["192.0.2.1"]),
        values("*.wild.example.com", "A", 30, &["192.0.2.4"]),
        values("child.example.com", "NS", 3600, &["ns.child.example.com"]),
        values("ns.child.example.com", "A", 3600, &["192.0.2.6"]),
        values("safe.example.com", "NS", 3600, &["ns.other.test"]),
        values(
            "safe.example.com",
            "DS",
            3600,
            &["1 13 2 00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF"]
        ),
        values("one.example.com", "CNAME", 60, &["www.example.com"]),
        with(
            values("w.example.com", "A", 60, &["192.0.2.7"]),
            json!({"SetIdentifier": "a", "Weight": 1}),
        ),
    ]));
    let keys = ZoneKeys::new(
        Name::parse("example.com").unwrap(),
        vec![KeyPair::generate().unwrap()],
        vec![(0, KeyPair::generate().unwrap())],
    );
    lab.build(|builder| builder.set_keys("Z1", Some(keys.unwrap())));
    lab
}

/// The types of a section, in order.
fn types(records: &[hickory_proto::rr::Record]) -> Vec<String> {
    records
        .iter()
        .map(|record| record.record_type().to_string())
        .collect()
}

#[test]
fn every_set_of_an_answer_is_signed_for_those_who_want_that() {
    let mut lab = lab();
    let reply = lab.send(&ask("www.example.com A").dnssec());
    assert_eq!(types(&reply.message.answers), ["A", "A", "RRSIG"]);
    // At most a week.
    assert!(
        reply
            .message
            .answers
            .iter()
            .all(|record| record.ttl == 604_800)
    );
    assert!(reply.message.edns.as_ref().unwrap().flags().dnssec_ok);
    assert_eq!(
        types(&lab.ask("www.example.com A").message.answers),
        ["A", "A"]
    );
    let reply = lab.send(&ask("one.example.com A").dnssec());
    assert_eq!(
        types(&reply.message.answers),
        ["CNAME", "RRSIG", "A", "A", "RRSIG"]
    );
    for question in ["x.wild.example.com A", "w.example.com A", "example.com SOA"] {
        let reply = lab.send(&ask(question).dnssec());
        assert_eq!(types(&reply.message.answers)[1..], ["RRSIG"], "{question}");
        assert!(reply.message.authorities.is_empty());
    }
}

#[test]
fn the_keys_are_at_the_apex() {
    let mut lab = lab();
    let reply = lab.send(&ask("example.com DNSKEY").dnssec());
    assert_eq!(types(&reply.message.answers), ["DNSKEY", "DNSKEY", "RRSIG"]);
    lab.build(|builder| builder.set_keys("Z1", None));
    let reply = lab.send(&ask("example.com DNSKEY").dnssec());
    assert_eq!(types(&reply.message.answers), [""; 0]);
    assert_eq!(types(&reply.message.authorities), ["SOA"]);
}

#[test]
fn denials_are_proven_without_a_name_error() {
    let mut lab = lab();
    for question in [
        "missing.example.com A",
        "www.example.com MX",
        "www2.example.com A",
        "example.com AAAA",
        "child.example.com DS",
    ] {
        let reply = lab.send(&ask(question).dnssec());
        assert_eq!(reply.code(), rcode("NOERROR"), "{question}");
        let expected = ["SOA", "RRSIG", "NSEC", "RRSIG"];
        assert_eq!(types(&reply.message.authorities), expected, "{question}");
        let owner = question.split(' ').next().unwrap();
        assert_eq!(
            reply.message.authorities[2].name.to_string(),
            format!("{owner}.")
        );
    }
    assert_eq!(lab.ask("missing.example.com A").code(), rcode("NXDOMAIN"));
}

#[test]
fn referrals_say_whether_what_is_below_is_signed() {
    let mut lab = lab();
    let reply = lab.send(&ask("x.child.example.com A").dnssec());
    assert_eq!(types(&reply.message.authorities), ["NS", "NSEC", "RRSIG"]);
    assert_eq!(types(&reply.message.additionals), ["A"]);
    let reply = lab.send(&ask("x.safe.example.com A").dnssec());
    assert_eq!(types(&reply.message.authorities), ["NS", "DS", "RRSIG"]);
    let reply = lab.send(&ask("safe.example.com DS").dnssec());
    assert_eq!(types(&reply.message.answers), ["DS", "RRSIG"]);
}
