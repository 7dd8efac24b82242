//! Private zones, seen by some networks (spec §6).

use dns::View;
use serde_json::json;

use crate::lab::{Lab, apex, ask, rcode, sets, values, zone};

fn lab() -> Lab {
    let mut lab = Lab::new(json!([values("www.example.com", "A", 300, &["192.0.2.1"])]));
    lab.build(|builder| {
        let view = |vpc: &str, networks: &[(&str, u8)]| View {
            vpc: vpc.into(),
            region: None,
            networks: networks
                .iter()
                .map(|(address, bits)| (address.parse().unwrap(), *bits))
                .collect(),
        };
        builder.set_views(vec![
            view("vpc-1", &[("10.1.0.0", 16), ("2001:db8:1::", 48)]),
            view("vpc-2", &[("10.0.0.0", 8)]),
        ]);
        for (id, name, vpcs, text) in [
            ("P1", "example.com", &["vpc-1"][..], "10.1.1.1"),
            ("P2", "example.com", &["vpc-2"], "10.2.2.2"),
            ("P3", "corp.example.com", &["vpc-1", "vpc-2"], "10.3.3.3"),
        ] {
            builder.put_zone(&zone(id, name, 1, vpcs));
            let host = values(&format!("host.{name}"), "A", 60, &[text]);
            for set in apex(name).into_iter().chain(sets(host)) {
                builder.put_record(id, &set, 1);
            }
        }
    });
    assert_eq!(lab.refusals, []);
    lab
}

#[test]
fn a_network_sees_its_own_private_zones_before_public_ones() {
    let mut lab = lab();
    for (source, address) in [
        ("10.1.2.3", "10.1.1.1"),
        ("10.9.2.3", "10.2.2.2"),
        ("2001:db8:1::7", "10.1.1.1"),
        ("::ffff:10.1.2.3", "10.1.1.1"),
    ] {
        let reply = lab.send(&ask("host.example.com A").from(source));
        assert_eq!(reply.data(), [address], "{source}");
    }
    let reply = lab.send(&ask("host.corp.example.com A").from("10.9.9.9"));
    assert_eq!(reply.data(), ["10.3.3.3"]);
    assert_eq!(reply.zone.as_deref(), Some("P3"));
}

#[test]
fn what_a_private_zone_has_not_is_not_looked_for_in_public() {
    let mut lab = lab();
    let reply = lab.send(&ask("www.example.com A").from("10.1.2.3"));
    assert_eq!(reply.code(), rcode("NXDOMAIN"));
    let reply = lab.send(&ask("x.corp.example.com A").from("10.1.2.3"));
    assert_eq!(reply.code(), rcode("NXDOMAIN"));
}

#[test]
fn others_see_the_public_zone_alone_whatever_subnet_they_tell_of() {
    let mut lab = lab();
    let query = ask("host.example.com A").subnet("10.1.2.0/24");
    assert_eq!(lab.send(&query).code(), rcode("NXDOMAIN"));
    assert_eq!(lab.ask("www.example.com A").data(), ["192.0.2.1"]);
    assert_eq!(
        lab.ask("host.corp.example.com A").zone.as_deref(),
        Some("Z1")
    );
}
