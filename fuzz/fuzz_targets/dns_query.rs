//! Queries to the name server: whatever comes is answered within its room or not at all, and the
//! response can be read again.

#![no_main]

use std::sync::LazyLock;

use dns::message::inside;
use dns::{Asker, Builder, Outcome, Responder, Settings, Transport, World};
use libfuzzer_sys::fuzz_target;

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let mut builder = Builder::new(&World::empty(1, Settings::default()));
    let zone = r#"{"id": "Z1", "etag": "", "version": 1, "created_ms": 1, "modified_ms": 1,
        "config": {"name": "a.", "caller_reference": "1", "name_servers": []}}"#;
    builder.put_zone(&serde_json::from_str(zone).expect("it is a zone"));
    for (name, record_type, value) in [
        ("a", "SOA", "n.a. h.a. 1 7200 900 1209600 60"),
        ("a", "NS", "n.a."),
        ("n.a", "A", "192.0.2.1"),
        ("*.w.a", "CNAME", "n.a."),
        ("c.a", "NS", "n.c.a."),
        ("n.c.a", "AAAA", "2001:db8::1"),
        ("m.a", "MX", "1 n.a."),
    ] {
        let set = serde_json::json!({
            "Name": name,
            "Type": record_type,
            "TTL": 60,
            "ResourceRecords": [{"Value": value}],
        });
        let set = serde_json::from_value(set).expect("it is a record set");
        builder.put_record("Z1", &set, 1);
    }
    builder.finish().0
});

fuzz_target!(|query: &[u8]| {
    let mut responder = Responder::new(1);
    for (transport, room) in [(Transport::Udp, 4096), (Transport::Tcp, 100)] {
        let asker = Asker {
            source: "192.0.2.9:5353".parse().expect("it is an address"),
            transport,
            now_ms: 1_790_000_000_000,
        };
        let mut out = [0; 4096];
        let outcome = responder.respond(&WORLD, query, &asker, &mut out[..room]);
        if let Outcome::Answer { bytes, .. } = outcome {
            let response = &out[..bytes];
            assert!(bytes <= room && response[..2] == query[..2] && response[2] & 0x80 != 0);
            let counts = [6, 8, 10].map(|at| usize::from(response[at + 1]));
            assert_eq!(
                inside::records(response).len(),
                counts.iter().sum::<usize>()
            );
        }
    }
});
