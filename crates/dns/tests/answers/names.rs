//! Which name answers: existing ones, wildcards, cuts, CNAMEs, and denials.

use dns::{Category, Transport};
use serde_json::json;

use crate::lab::{Lab, apex, ask, rcode, sets, values, with, zone};

fn lab() -> Lab {
    Lab::new(json!([
        values("www.example.com", "A", 300, &["192.0.2.1"]),
        values("www.example.com", "TXT", 60, &["\"hello\""]),
        values("two.example.com", "A", 300, &["192.0.2.1", "192.0.2.2"]),
        values("a.b.c.example.com", "A", 300, &["192.0.2.3"]),
        values("*.wild.example.com", "A", 30, &["192.0.2.4"]),
        values("host.wild.example.com", "TXT", 30, &["\"x\""]),
        values("deep.sub.wild.example.com", "A", 30, &["192.0.2.5"]),
        values(
            "child.example.com",
            "NS",
            3600,
            &["ns1.child.example.com", "ns.other.test"]
        ),
        values("ns1.child.example.com", "A", 3600, &["192.0.2.6"]),
        values("ns1.child.example.com", "AAAA", 3600, &["2001:db8::6"]),
        values("one.example.com", "CNAME", 60, &["two.example.com"]),
        values("out.example.com", "CNAME", 60, &["www.elsewhere.test"]),
        values("gone.example.com", "CNAME", 60, &["missing.example.com"]),
        values("into.example.com", "CNAME", 60, &["www.child.example.com"]),
        values(
            "mail.example.com",
            "MX",
            60,
            &["10 www.example.com", "20 mx.other.test"]
        ),
        values(
            "_sip._tcp.example.com",
            "SRV",
            60,
            &["1 2 5060 two.example.com"]
        ),
    ]))
}

const SOA: &str =
    "example.com. 300 IN SOA ns1.dns.test. hostmaster.dns.test. 1 7200 900 1209600 300";

#[test]
fn a_record_is_answered_with_authority_and_nothing_else() {
    let reply = lab().ask("www.example.com A");
    assert_eq!(reply.answers(), ["www.example.com. 300 IN A 192.0.2.1"]);
    assert!(reply.is_authoritative());
    assert!(reply.authorities().is_empty() && reply.additionals().is_empty());
    assert_eq!(
        (reply.category, reply.zone.as_deref()),
        (Category::Answer, Some("Z1"))
    );
    // Header, question, and one record behind a pointer.
    assert_eq!(reply.bytes.len(), 12 + 17 + 4 + 16);
}

#[test]
fn the_question_comes_back_byte_for_byte_and_recursion_is_not_offered() {
    let mut query = ask("www.example.com A");
    query.name = b"\x03wWw\x07eXaMPle\x03COM\0".to_vec();
    query.flags = 0x0130;
    let reply = lab().send(&query);
    assert_eq!(reply.bytes[12..29], query.name[..]);
    // QR, AA and RD; neither RA nor AD nor CD.
    assert_eq!(reply.bytes[2..4], [0x85, 0]);
    assert_eq!(reply.data(), ["192.0.2.1"]);
}

#[test]
fn several_values_take_turns_in_being_the_first() {
    let mut lab = lab();
    let mut first = [0; 2];
    for _ in 0..200 {
        let reply = lab.ask("two.example.com A");
        assert_eq!(reply.data(), ["192.0.2.1", "192.0.2.2"]);
        let is_second = reply.message.answers[0].data.to_string().ends_with(".2");
        first[usize::from(is_second)] += 1;
    }
    assert!(first.iter().all(|count| *count > 50), "{first:?}");
}

#[test]
fn a_name_that_does_not_exist_is_denied_with_the_zones_soa() {
    let reply = lab().ask("missing.example.com A");
    assert_eq!(reply.code(), rcode("NXDOMAIN"));
    assert_eq!(reply.authorities(), [SOA]);
    assert!(reply.is_authoritative() && reply.answers().is_empty());
    assert_eq!(reply.category, Category::NameError);
}

#[test]
fn a_type_that_a_name_has_not_and_a_name_that_only_has_names_below_are_no_errors() {
    let mut lab = lab();
    for question in [
        "www.example.com AAAA",
        "b.c.example.com A",
        "c.example.com A",
        "example.com A",
        "www.example.com TYPE65000",
    ] {
        let reply = lab.ask(question);
        assert_eq!(reply.code(), rcode("NOERROR"), "{question}");
        assert_eq!(reply.authorities(), [SOA], "{question}");
        assert_eq!(reply.category, Category::NoData);
    }
}

#[test]
fn a_wildcard_stands_in_for_what_does_not_exist_below_its_parent() {
    let mut lab = lab();
    for (question, expected) in [
        (
            "x.wild.example.com A",
            "x.wild.example.com. 30 IN A 192.0.2.4",
        ),
        (
            "x.y.wild.example.com A",
            "x.y.wild.example.com. 30 IN A 192.0.2.4",
        ),
        (
            "*.wild.example.com A",
            "*.wild.example.com. 30 IN A 192.0.2.4",
        ),
    ] {
        assert_eq!(lab.ask(question).answers(), [expected]);
    }
    let one = lab.ask("x.wild.example.com A").subject;
    assert_eq!(lab.ask("z.wild.example.com A").subject, one);
    // The name exists; it has names below it; the closest name that exists is another.
    for question in [
        "host.wild.example.com A",
        "sub.wild.example.com A",
        "wild.example.com A",
        "x.wild.example.com MX",
    ] {
        let reply = lab.ask(question);
        assert_eq!(
            (reply.code(), reply.answers().len()),
            (rcode("NOERROR"), 0),
            "{question}"
        );
    }
    for question in ["x.sub.wild.example.com A", "x.host.wild.example.com A"] {
        assert_eq!(lab.ask(question).code(), rcode("NXDOMAIN"), "{question}");
    }
}

#[test]
fn names_at_and_below_a_cut_are_referred_with_glue_and_without_authority() {
    let mut lab = lab();
    for question in [
        "child.example.com A",
        "x.y.child.example.com A",
        "child.example.com NS",
    ] {
        let reply = lab.ask(question);
        assert!(
            !reply.is_authoritative() && reply.answers().is_empty(),
            "{question}"
        );
        let expected = [
            "child.example.com. 3600 IN NS ns.other.test.",
            "child.example.com. 3600 IN NS ns1.child.example.com.",
        ];
        assert_eq!(reply.authorities(), expected);
        let glue = [
            "ns1.child.example.com. 3600 IN A 192.0.2.6",
            "ns1.child.example.com. 3600 IN AAAA 2001:db8::6",
        ];
        assert_eq!(reply.additionals(), glue);
        assert_eq!(reply.category, Category::NoData);
    }
    let reply = lab.ask("child.example.com DS");
    assert!(reply.is_authoritative());
    assert_eq!(reply.authorities(), [SOA]);
}

#[test]
fn cnames_are_followed_within_the_zone_and_no_further() {
    let mut lab = lab();
    let reply = lab.ask("one.example.com A");
    let expected = [
        "one.example.com. 60 IN CNAME two.example.com.",
        "two.example.com. 300 IN A 192.0.2.1",
        "two.example.com. 300 IN A 192.0.2.2",
    ];
    assert_eq!(reply.answers(), expected);
    let only = ["out.example.com. 60 IN CNAME www.elsewhere.test."];
    assert_eq!(lab.ask("out.example.com A").answers(), only);
    let reply = lab.ask("one.example.com CNAME");
    assert_eq!(reply.answers(), expected[..1]);
    let reply = lab.ask("gone.example.com A");
    assert_eq!(
        (reply.code(), reply.answers().len()),
        (rcode("NXDOMAIN"), 1)
    );
    assert_eq!(reply.authorities(), [SOA]);
    let reply = lab.ask("one.example.com MX");
    assert_eq!(
        (reply.code(), reply.authorities().len()),
        (rcode("NOERROR"), 1)
    );
    let reply = lab.ask("into.example.com A");
    assert!(reply.is_authoritative());
    assert_eq!((reply.answers().len(), reply.authorities().len()), (1, 2));
}

#[test]
fn a_loop_of_cnames_is_answered_once_around() {
    let mut lab = Lab::new(json!([
        values("loop.example.com", "CNAME", 60, &["pool.example.com"]),
        values("pool.example.com", "CNAME", 60, &["loop.example.com"]),
        values("self.example.com", "CNAME", 60, &["self.example.com"]),
        values("*.wild.example.com", "CNAME", 60, &["x.wild.example.com"]),
    ]));
    for (question, answers) in [
        ("loop.example.com A", 2),
        ("self.example.com A", 1),
        ("y.wild.example.com A", 2),
    ] {
        let reply = lab.ask(question);
        assert_eq!(reply.code(), rcode("NOERROR"), "{question}");
        assert_eq!(reply.answers().len(), answers, "{question}");
    }
}

#[test]
fn of_a_long_chain_of_cnames_ten_are_followed() {
    let link = |at: usize| {
        let (name, target) = (format!("n{at}.example.com"), format!("n{}", at + 1));
        values(&name, "CNAME", 60, &[&format!("{target}.example.com")])
    };
    let reply = Lab::new((0..15).map(link).collect()).ask("n0.example.com A");
    assert_eq!(reply.code(), rcode("NOERROR"));
    assert_eq!(reply.answers().len(), 11);
}

#[test]
fn what_holds_a_zone_together_holds_whatever_health_check_it_names() {
    let ds = format!("1 13 2 {}", "ab".repeat(32));
    let records = [
        values("child.example.com", "NS", 60, &["ns.other.test"]),
        values("child.example.com", "DS", 60, &[&ds]),
    ];
    let checked = |set| with(set, json!({"HealthCheckId": "h1"}));
    let mut lab = Lab::new(records.into_iter().map(checked).collect());
    let soa = apex("example.com").into_iter().map(|mut set| {
        set.health_check_id = Some("h1".to_owned());
        set
    });
    let apex: Vec<_> = soa.collect();
    lab.build(|builder| {
        for set in &apex {
            builder.put_record("Z1", set, 8);
        }
    });
    let reply = lab.ask("missing.example.com A");
    assert_eq!(
        (reply.code(), reply.authorities()),
        (rcode("NXDOMAIN"), vec![SOA.to_owned()])
    );
    let reply = lab.ask("www.child.example.com A");
    assert!(!reply.is_authoritative());
    assert_eq!(
        reply.authorities(),
        ["child.example.com. 60 IN NS ns.other.test."]
    );
    assert_eq!(lab.ask("child.example.com DS").answers().len(), 1);
}

#[test]
fn addresses_of_targets_in_the_zone_are_added() {
    let mut lab = lab();
    let reply = lab.ask("mail.example.com MX");
    assert_eq!(reply.answers().len(), 2);
    assert_eq!(reply.additionals(), ["www.example.com. 300 IN A 192.0.2.1"]);
    assert_eq!(lab.ask("_sip._tcp.example.com SRV").additionals().len(), 2);
}

#[test]
fn whoever_asks_for_anything_gets_one_type() {
    let mut lab = lab();
    assert_eq!(lab.ask("www.example.com ANY").data(), ["192.0.2.1"]);
    assert_eq!(lab.ask("one.example.com ANY").data(), ["two.example.com."]);
    assert_eq!(lab.ask("c.example.com ANY").authorities(), [SOA]);
}

#[test]
fn other_zones_classes_and_transfers_by_datagram_are_refused() {
    let mut lab = lab();
    let mut chaos = ask("version.bind TXT");
    chaos.class = 3;
    let mut any_class = ask("www.example.com A");
    any_class.class = 255;
    for query in [
        ask("www.example.net A"),
        ask("com A"),
        ask(". NS"),
        ask("badexample.com A"),
        ask("example.com AXFR"),
        chaos,
        any_class,
    ] {
        let reply = lab.send(&query);
        assert_eq!(reply.code(), rcode("REFUSED"), "{query:?}");
        assert!(!reply.is_authoritative());
        assert_eq!(reply.message.all_sections().count(), 0);
        assert_eq!(reply.category, Category::Error);
    }
}

#[test]
fn the_narrowest_zone_answers_and_the_oldest_of_one_name() {
    let mut lab = lab();
    lab.build(|builder| {
        let zones = [
            ("Z2", "sub.example.com", 5),
            ("Z3", "sub.example.com", 4),
            ("Z4", "sub.example.com", 6),
        ];
        for (id, name, created_ms) in zones {
            builder.put_zone(&zone(id, name, created_ms, &[]));
            let text = format!("\"{id}\"");
            let records = sets(json!([values(name, "TXT", 60, &[&text])]));
            for set in apex(name).into_iter().chain(records) {
                builder.put_record(id, &set, 1);
            }
        }
    });
    assert_eq!(lab.ask("sub.example.com TXT").data(), ["Z3"]);
    assert_eq!(lab.ask("x.sub.example.com A").zone.as_deref(), Some("Z3"));
    // What is above the cut is in the zone above.
    assert_eq!(lab.ask("sub.example.com DS").zone.as_deref(), Some("Z1"));
    lab.build(|builder| builder.delete_zone("Z3"));
    assert_eq!(lab.ask("sub.example.com TXT").data(), ["Z2"]);
}

#[test]
fn transfers_by_tcp_are_for_others_to_answer() {
    let mut lab = lab();
    let query = ask("example.com AXFR").bytes();
    let asker = dns::Asker {
        source: "192.0.2.1:53".parse().unwrap(),
        transport: Transport::Tcp,
        now_ms: 0,
    };
    let mut out = [0; 512];
    let outcome = lab.responder.respond(&lab.world, &query, &asker, &mut out);
    assert!(matches!(
        outcome,
        dns::Outcome::Transfer { zone, is_incremental: false } if **zone.id() == *"Z1"
    ));
}

#[test]
fn the_longest_names_are_looked_up() {
    let mut lab = lab();
    let label = "x".repeat(63);
    let long = format!("{label}.{label}.{label}.{}", "y".repeat(48));
    let reply = lab.ask(&format!("{long}.example.com A"));
    assert_eq!(reply.code(), rcode("NXDOMAIN"));
    let many = "a.".repeat(116);
    let reply = lab.ask(&format!("{many}wild.example.com A"));
    assert_eq!(reply.data(), ["192.0.2.4"]);
}
