//! EDNS: sizes, truncation, client subnets, cookies, versions.

use dns::cookie::CookieSecret;
use dns::{Cookie, Settings, Transport};
use serde_json::json;

use crate::lab::{Ask, Lab, ask, rcode, values};

fn lab() -> Lab {
    let address = |place: u8| format!("192.0.2.{place}");
    let many: Vec<String> = (0..60).map(address).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let exchanges: Vec<String> = (0..14)
        .map(|place| format!("{place} m{place}.example.com"))
        .collect();
    let exchanges: Vec<&str> = exchanges.iter().map(String::as_str).collect();
    let mut records = vec![
        values("www.example.com", "A", 300, &["192.0.2.1"]),
        values("many.example.com", "A", 300, &many),
        values("mx.example.com", "MX", 300, &exchanges),
    ];
    for place in 0..14 {
        records.push(values(
            &format!("m{place}.example.com"),
            "A",
            60,
            &["192.0.2.7"],
        ));
    }
    Lab::new(json!(records))
}

fn asker(query: &Ask) -> dns::Asker {
    dns::Asker {
        source: (query.source, 1).into(),
        transport: Transport::Udp,
        now_ms: crate::lab::NOW_MS,
    }
}

#[test]
fn a_client_without_edns_gets_512_bytes_and_no_opt() {
    let mut lab = lab();
    assert!(lab.ask("www.example.com A").message.edns.is_none());
    let reply = lab.ask("many.example.com A");
    assert!(reply.is_truncated && reply.message.metadata.truncation);
    assert!(reply.answers().is_empty() && reply.bytes.len() <= 512);
}

#[test]
fn a_client_gets_what_it_can_take_and_no_more_than_we_send() {
    let mut lab = lab();
    let reply = lab.send(&ask("many.example.com A").edns(4096));
    assert_eq!((reply.answers().len(), reply.is_truncated), (60, false));
    let edns = reply.message.edns.as_ref().unwrap();
    assert_eq!((edns.max_payload(), edns.version()), (1232, 0));
    // 12 + 22 + 60 × 16 + 11
    let bytes = 1005;
    assert_eq!(reply.bytes.len(), bytes);
    let reply = lab.send(&ask("many.example.com A").edns(bytes as u16));
    assert_eq!(reply.answers().len(), 60);
    let reply = lab.send(&ask("many.example.com A").edns(bytes as u16 - 1));
    assert!(reply.is_truncated && reply.answers().is_empty());
    assert!(reply.message.edns.is_some());
    // Less than 512 is taken for 512.
    assert!(lab.send(&ask("www.example.com A").edns(0)).bytes.len() > 12);
}

#[test]
fn over_tcp_the_whole_answer_fits() {
    let mut query = ask("many.example.com A");
    query.transport = Transport::Tcp;
    assert_eq!(lab().send(&query).answers().len(), 60);
}

#[test]
fn additions_are_left_out_before_an_answer_is_truncated() {
    let mut lab = lab();
    let reply = lab.send(&ask("mx.example.com MX").edns(1232));
    assert_eq!(reply.answers().len(), 14);
    assert_eq!(reply.additionals().len(), 14);
    let reply = lab.send(&ask("mx.example.com MX").edns(540));
    assert_eq!((reply.answers().len(), reply.additionals().len()), (14, 0));
    assert!(!reply.is_truncated);
}

#[test]
fn another_version_is_badvers_and_unknown_options_are_ignored() {
    let mut lab = lab();
    let mut query = ask("www.example.com A").edns(1232);
    query.edns.as_mut().unwrap().version = 1;
    let reply = lab.send(&query);
    let edns = reply.message.edns.as_ref().unwrap();
    assert_eq!((edns.rcode_high(), edns.version()), (1, 0));
    assert!(reply.answers().is_empty());
    let query = ask("www.example.com A")
        .option(65_001, b"whatever")
        .option(12, &[0; 40]);
    let reply = lab.send(&query);
    assert_eq!((reply.code(), reply.data().len()), (rcode("NOERROR"), 1));
}

#[test]
fn a_client_subnet_comes_back_with_the_scope_of_the_answer() {
    let mut lab = lab();
    for network in [
        "198.51.100.0/24",
        "2001:db8::/48",
        "0.0.0.0/0",
        "198.51.100.7/32",
    ] {
        let reply = lab.send(&ask("www.example.com A").subnet(network));
        // It holds for everybody.
        assert_eq!(reply.scope(), Some(0), "{network}");
        assert_eq!(reply.data(), ["192.0.2.1"]);
    }
    assert_eq!(lab.send(&ask("www.example.com A").edns(1232)).scope(), None);
    // No family, as there is no network.
    let query = ask("www.example.com A").option(8, &[0, 0, 0, 0]);
    let asker = asker(&query);
    let mut out = [0; 512];
    let outcome = lab
        .responder
        .respond(&lab.world, &query.bytes(), &asker, &mut out);
    assert!(matches!(outcome, dns::Outcome::Answer { bytes, .. }
            if out[..bytes].ends_with(&[0, 8, 0, 4, 0, 0, 0, 0])));
}

#[test]
fn client_subnets_that_break_their_rules_are_format_errors() {
    let mut lab = lab();
    let wrong: &[&[u8]] = &[
        &[0, 1, 24, 0, 198, 51],
        &[0, 1, 24, 0, 198, 51, 100, 0],
        &[0, 1, 23, 0, 198, 51, 101],
        &[0, 1, 33, 0, 198, 51, 100, 1, 0],
        &[0, 1, 24, 24, 198, 51, 100],
        &[0, 3, 8, 0, 1],
        &[0, 0, 8, 0, 1],
        &[0, 2, 129, 0],
        &[0, 1, 8],
        &[],
    ];
    for data in wrong {
        let reply = lab.send(&ask("www.example.com A").option(8, data));
        assert_eq!(reply.code(), rcode("FORMERR"), "{data:?}");
        assert!(reply.message.edns.is_some());
    }
}

fn cookies(lab: &mut Lab) {
    lab.build(|builder| {
        builder.set_settings(Settings {
            cookie_secrets: vec![CookieSecret::new([1; 16]), CookieSecret::new([2; 16])],
            server_id: Some(b"ICN1".as_slice().into()),
            ..Settings::default()
        });
    });
}

fn cookie_of(bytes: &[u8]) -> Option<Vec<u8>> {
    let at = bytes
        .windows(4)
        .rposition(|window| *window == [0, 10, 0, 24])?;
    Some(bytes[at + 4..at + 28].to_vec())
}

#[test]
fn a_cookie_comes_back_proves_its_address_and_no_other() {
    let mut lab = lab();
    let with = |cookie: &[u8]| ask("www.example.com A").option(10, cookie);
    assert_eq!(cookie_of(&lab.send(&with(&[7; 8])).bytes), None);
    cookies(&mut lab);
    let state = |lab: &mut Lab, query: &Ask| {
        let asker = asker(query);
        let mut out = [0; 1232];
        match lab
            .responder
            .respond(&lab.world, &query.bytes(), &asker, &mut out)
        {
            dns::Outcome::Answer { facts, .. } => facts.cookie,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(state(&mut lab, &ask("www.example.com A")), Cookie::None);
    assert_eq!(state(&mut lab, &with(&[7; 8])), Cookie::Client);
    let cookie = cookie_of(&lab.send(&with(&[7; 8])).bytes).unwrap();
    assert!(cookie.starts_with(&[7; 8]));
    assert_eq!(state(&mut lab, &with(&cookie)), Cookie::Valid);
    assert_eq!(
        state(&mut lab, &with(&cookie).from("192.0.2.98")),
        Cookie::Client
    );
    assert_eq!(lab.send(&with(&[7; 5])).code(), rcode("FORMERR"));
}

#[test]
fn a_server_says_who_it_is_if_it_is_asked_for_that() {
    let mut lab = lab();
    cookies(&mut lab);
    let has_id = |bytes: &[u8]| {
        bytes
            .windows(8)
            .any(|window| *window == *b"\0\x03\0\x04ICN1")
    };
    assert!(has_id(
        &lab.send(&ask("www.example.com A").option(3, &[])).bytes
    ));
    assert!(!has_id(
        &lab.send(&ask("www.example.com A").edns(1232)).bytes
    ));
}
