//! What a small object really costs, as the system counts it. Alone in its process.

use cache::key::{CacheKey, KeyHasher};
use cache::object::{Meta, Object};
use cache::ram::RamStore;

#[test]
fn a_million_small_objects_cost_at_most_250_bytes_each_besides_their_bodies() {
    const OBJECTS: u64 = 1_000_000;
    let keys = KeyHasher::new([1; 16]);
    let object = |number: u64| {
        let path = format!("/assets/file-{number:07}");
        object(keys.key(path.as_bytes()), path.as_bytes(), 1024)
    };
    let baseline_bytes = resident_bytes();
    // Just enough room, so that all of it is used, ghosts included, when more than a million
    // have come by.
    let store = RamStore::new(OBJECTS * object(0).size_bytes() * 8 / 7, 64);
    for number in 0..OBJECTS {
        store.insert(object(number));
    }
    let filled = per_object(&store, baseline_bytes);
    for number in OBJECTS..OBJECTS * 3 / 2 {
        store.insert(object(number));
    }
    let turned_over = per_object(&store, baseline_bytes);
    println!("resident bytes for each 1 KiB object: {filled} filled, {turned_over} turned over");
    assert!(store.usage().objects > OBJECTS * 99 / 100);
    assert!(filled <= 1024 + 250, "{filled}");
    assert!(turned_over <= 1024 + 250, "{turned_over}");
}

fn per_object(store: &RamStore, baseline_bytes: u64) -> u64 {
    (resident_bytes() - baseline_bytes) / store.usage().objects
}

fn object(key: CacheKey, path: &[u8], body_bytes: usize) -> Object {
    static BODY: [u8; 1024] = [b'x'; 1024];
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
