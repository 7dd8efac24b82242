//! That the RAM store takes no more than its budget from the system, whatever the sizes of what it
//! stores. Alone in its process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use cache::key::CacheKey;
use cache::object::{Meta, Object};
use cache::ram::RamStore;
use cache::trace::Synthetic;

#[test]
fn web_like_objects_stay_within_the_configured_bytes() {
    const CAPACITY_BYTES: u64 = 512 << 20;
    const THREADS: u64 = 4;
    let baseline_bytes = resident_bytes();
    let store = RamStore::new(CAPACITY_BYTES, 64);
    let peak_bytes = AtomicU64::new(0);
    thread::scope(|scope| {
        for seed in 0..THREADS {
            let (store, peak_bytes) = (&store, &peak_bytes);
            let trace = Synthetic {
                seed,
                requests: 100_000,
                ..Synthetic::default()
            };
            scope.spawn(move || {
                for (number, request) in trace.requests().enumerate() {
                    if store.get(&request.key).is_none() {
                        let size = request.size_bytes.min(1 << 20) as usize;
                        store.insert(object(request.key, b"/some/path", size));
                    }
                    // In place of a second that has passed.
                    if seed == 0 && number % 200 == 0 {
                        store.upkeep();
                        peak_bytes.fetch_max(resident_bytes(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let peak_bytes = peak_bytes.into_inner() - baseline_bytes;
    let usage = store.usage();
    println!(
        "{} bytes of {CAPACITY_BYTES} counted, at most {peak_bytes} resident",
        usage.bytes
    );
    assert!(usage.bytes <= CAPACITY_BYTES);
    assert!(peak_bytes <= CAPACITY_BYTES, "{peak_bytes}");
}

fn object(key: CacheKey, path: &[u8], body_bytes: usize) -> Object {
    static BODY: [u8; 1 << 20] = [b'x'; 1 << 20];
    Object::new(
        &Meta::new(key),
        path,
        b"",
        &[b'h'; 80],
        &[&BODY[..body_bytes]],
    )
    .expect("its parts are short")
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("its second number");
    pages * 4096
}
