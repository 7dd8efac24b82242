//! What an answer costs beyond its socket calls, what a record takes in memory, and how long a
//! change of one record takes.
//!
//! ```sh
//! cargo run --release -p dns --example answer_bench
//! ```

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use dns::{Asker, Builder, Outcome, Responder, Settings, Transport, World};
use documents::Resource;
use documents::route53::Zone;
use records::{Name, RecordType};
use serde_json::{Value, json};

/// Counts what is allocated, and how often.
struct Counting;

static ALLOCATED_BYTES: AtomicUsize = AtomicUsize::new(0);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

#[allow(unsafe_code)]
// SAFETY: every call is passed on as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED_BYTES.fetch_add(layout.size().max(16) + 8, Ordering::Relaxed);
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as our caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED_BYTES.fetch_sub(layout.size().max(16) + 8, Ordering::Relaxed);
        // SAFETY: as our caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROUNDS: usize = 1_000_000;

fn main() {
    println!("records   question                     ns/answer  allocations");
    for count in [1, 1_000_000] {
        bench(count);
    }
}

fn bench(count: usize) {
    let before = ALLOCATED_BYTES.load(Ordering::Relaxed);
    let began = Instant::now();
    let world = world(count);
    let load_ms = began.elapsed().as_millis();
    let bytes = ALLOCATED_BYTES.load(Ordering::Relaxed) - before;

    let names: Vec<String> = (0..4096)
        .map(|place: usize| format!("host-{}.example.com", place * 7919 % count))
        .collect();
    let missing: Vec<String> = (0..4096)
        .map(|place| format!("missing-{place}.example.com"))
        .collect();
    let ask = |names: &[String], subnet: bool| -> Vec<Vec<u8>> {
        names.iter().map(|name| query(name, subnet)).collect()
    };
    let weighted = vec!["weighted.example.com".to_owned()];
    for (label, queries) in [
        ("simple", ask(&names, false)),
        ("simple, client subnet", ask(&names, true)),
        ("weighted, client subnet", ask(&weighted, true)),
        ("NXDOMAIN", ask(&missing, false)),
    ] {
        run(&world, count, label, &queries);
    }
    println!(
        "{count:>9}  loaded in {load_ms} ms, {} bytes a record",
        bytes / count.max(2)
    );
    if count > 1 {
        change(&world);
    }
}

fn run(world: &World, count: usize, label: &str, queries: &[Vec<u8>]) {
    let mut responder = Responder::new(1);
    let asker = Asker {
        source: "192.0.2.1:5353".parse().expect("it is an address"),
        transport: Transport::Udp,
        now_ms: 1_790_000_000_000,
    };
    let mut out = [0; 4096];
    let mut best_ns = u128::MAX;
    let mut allocations = 0;
    for _ in 0..5 {
        let allocations_before = ALLOCATIONS.load(Ordering::Relaxed);
        let began = Instant::now();
        for round in 0..ROUNDS {
            let query = &queries[round % queries.len()];
            let outcome = responder.respond(world, black_box(query), &asker, &mut out);
            assert!(matches!(outcome, Outcome::Answer { .. }));
        }
        best_ns = best_ns.min(began.elapsed().as_nanos());
        allocations = ALLOCATIONS.load(Ordering::Relaxed) - allocations_before;
    }
    let ns = best_ns as f64 / ROUNDS as f64;
    println!("{count:>9}  {label:28} {ns:9.1}  {allocations:11}");
}

/// Changes one record at a time.
fn change(world: &World) {
    let mut world = world.clone();
    let mut worst_us = 0;
    let began = Instant::now();
    const CHANGES: u32 = 1000;
    for place in 0..CHANGES {
        let one = Instant::now();
        let mut builder = Builder::new(&world);
        let name = format!("host-{}.example.com", place * 997);
        put(&mut builder, &values(&name, "A", "192.0.2.77"));
        world = builder.finish().0;
        worst_us = worst_us.max(one.elapsed().as_micros());
    }
    let mean_us = began.elapsed().as_micros() / u128::from(CHANGES);
    println!("           one record changed in {mean_us} µs, at most {worst_us} µs");
}

fn world(count: usize) -> World {
    let mut builder = Builder::new(&World::empty(7, Settings::default()));
    let zone: Resource<Zone> = serde_json::from_value(json!({
        "id": "Z1", "etag": "", "version": 1, "created_ms": 1, "modified_ms": 1,
        "config": {"name": "example.com.", "caller_reference": "1", "name_servers": []},
    }))
    .expect("it is a zone");
    builder.put_zone(&zone);
    let soa = "ns1.example.com. hostmaster.example.com. 1 7200 900 1209600 300";
    put(&mut builder, &values("example.com", "SOA", soa));
    for place in 0..4_u8 {
        let mut set = values("weighted.example.com", "A", &format!("192.0.2.{place}"));
        set["SetIdentifier"] = json!(place.to_string());
        set["Weight"] = json!(10 + place);
        put(&mut builder, &set);
    }
    for place in 0..count {
        let address = format!(
            "10.{}.{}.{}",
            place >> 16 & 255,
            place >> 8 & 255,
            place & 255
        );
        put(
            &mut builder,
            &values(&format!("host-{place}.example.com"), "A", &address),
        );
    }
    let (world, refusals) = builder.finish();
    assert_eq!(refusals, []);
    world
}

fn values(name: &str, record_type: &str, value: &str) -> Value {
    json!({"Name": name, "Type": record_type, "TTL": 300, "ResourceRecords": [{"Value": value}]})
}

fn put(builder: &mut Builder, set: &Value) {
    let text = set.to_string();
    let set = serde_json::from_str(&text).expect("it is a record set");
    builder.put_record("Z1", &set, 1);
}

fn query(name: &str, has_subnet: bool) -> Vec<u8> {
    let name = Name::parse(name).expect("it is a name");
    let subnet = has_subnet.then(|| dns::message::ClientSubnet {
        address: "198.51.100.0".parse().expect("it is an address"),
        prefix_bits: 24,
    });
    dns::message::inside::query(&name, RecordType::A, subnet)
}
