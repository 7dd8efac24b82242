//! Whatever comes, nothing breaks, and nothing is answered that must not be.

use dns::{Asker, Outcome, Responder, Transport, World};
use hickory_proto::op::{Message, OpCode};
use hickory_proto::serialize::binary::DecodeError;
use proptest::prelude::*;
use serde_json::json;

use crate::lab::{Lab, NOW_MS, ask, rcode, values};

fn lab() -> Lab {
    Lab::new(json!([
        values("www.example.com", "A", 300, &["192.0.2.1"]),
        values("*.wild.example.com", "CNAME", 30, &["www.example.com"]),
        values("child.example.com", "NS", 30, &["ns.child.example.com"]),
    ]))
}

#[test]
fn what_is_no_query_is_not_answered() {
    let mut lab = lab();
    let query = ask("www.example.com A");
    let mut response = query.bytes();
    response[2] |= 0x80;
    for message in [&response[..], &[], &response[..11], &[0; 11]] {
        assert!(lab.try_send(message, &query).is_none());
    }
}

#[test]
fn what_does_not_follow_the_format_is_a_format_error() {
    let mut lab = lab();
    let query = ask("www.example.com A").edns(1232);
    let good = query.bytes();
    let question_end = 12 + 17 + 4;
    let change = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    let wrong = [
        // No question, two, an answer.
        change(&|bytes| bytes[5] = 0),
        change(&|bytes| bytes[5] = 2),
        change(&|bytes| bytes[7] = 1),
        // Cut off in the name, in the type, in the OPT record.
        good[..20].to_vec(),
        good[..question_end - 1].to_vec(),
        good[..good.len() - 1].to_vec(),
        // Something behind, one record less than said, a name that points.
        change(&|bytes| bytes.push(0)),
        change(&|bytes| bytes[11] = 2),
        change(&|bytes| bytes[12] = 0xc0),
        change(&|bytes| bytes[12] = 0x40),
        // An OPT record of a name, two of them.
        [&good[..question_end], b"\x01a", &good[question_end..]].concat(),
        change(&|bytes| {
            bytes[11] = 2;
            bytes.extend_from_slice(&good[question_end..]);
        }),
    ];
    for message in wrong {
        let reply = lab.try_send(&message, &query).expect("it is answered");
        assert_eq!(reply.code(), rcode("FORMERR"), "{message:02x?}");
        assert!(reply.bytes.len() <= message.len() + 11);
    }
    assert_eq!(lab.send(&query).code(), rcode("NOERROR"));
}

#[test]
fn other_kinds_of_queries_are_not_implemented() {
    let mut lab = lab();
    for opcode in [1_u16, 2, 4, 5, 15] {
        let mut query = ask("example.com SOA");
        query.flags = opcode << 11 | 0x0100;
        let bytes = query.bytes();
        let reply = lab.try_send(&bytes, &query).expect("it is answered");
        assert_eq!(reply.code(), rcode("NOTIMP"));
        assert_eq!(
            reply.message.metadata.op_code,
            OpCode::from_u8(opcode as u8)
        );
        assert!(reply.message.metadata.recursion_desired);
    }
}

#[test]
fn a_signed_query_that_is_no_transfer_has_a_key_that_we_do_not_know() {
    let mut lab = lab();
    let query = ask("www.example.com A");
    let mut bytes = query.bytes();
    bytes[11] = 1;
    bytes.extend(b"\x03key\0\0\xfa\0\xff\0\0\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let reply = lab.try_send(&bytes, &query).unwrap();
    assert_eq!(u16::from(reply.code()), 9);
}

#[test]
fn a_buffer_without_room_is_left_alone() {
    let mut lab = lab();
    let mut query = ask("www.example.com A").edns(1232);
    for room in 0..100 {
        query.room = room;
        if let Some(reply) = lab.try_send(&query.bytes(), &query) {
            assert!(reply.bytes.len() <= room);
        }
    }
}

fn respond(world: &World, query: &[u8], transport: Transport, room: usize) -> Option<Vec<u8>> {
    let asker = Asker {
        source: "192.0.2.1:1".parse().unwrap(),
        transport,
        now_ms: NOW_MS,
    };
    let mut out = vec![0; room];
    match Responder::new(1).respond(world, query, &asker, &mut out) {
        Outcome::Answer { bytes, .. } => {
            out.truncate(bytes);
            Some(out)
        }
        _ => None,
    }
}

/// A query with some of its bytes turned.
fn turned() -> impl Strategy<Value = Vec<u8>> {
    let names = prop::sample::select(vec![
        "www.example.com A",
        "x.y.wild.example.com AAAA",
        "a.child.example.com A",
        "example.com ANY",
        "no.example.com DS",
        "nowhere.test A",
    ]);
    let turns = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (names, turns, any::<bool>()).prop_map(|(question, turns, has_subnet)| {
        let query = ask(question).edns(1232).dnssec();
        let query = match has_subnet {
            true => query.subnet("198.51.100.0/24").option(10, &[1; 8]),
            false => query,
        };
        let mut bytes = query.bytes();
        for (at, value) in turns {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn any_bytes_are_answered_within_bounds_or_not_at_all(
        query in prop_oneof![turned(), prop::collection::vec(any::<u8>(), 0..600)],
        room in prop::sample::select(vec![0_usize, 12, 40, 512, 4096]),
    ) {
        let lab = lab();
        for transport in [Transport::Udp, Transport::Tcp] {
            let Some(response) = respond(&lab.world, &query, transport, room) else {
                continue;
            };
            prop_assert!(response.len() <= room);
            prop_assert_eq!(&response[..2], &query[..2]);
            prop_assert!(response[2] & 0x80 != 0);
            match Message::from_vec(&response) {
                // A subnet without a family comes back so; this decoder knows none.
                Err(DecodeError::UnknownAddressFamily(0)) => {}
                message => {
                    prop_assert!(message.is_ok(), "{:?}: {:02x?}", message, response);
                }
            }
        }
    }
}
