//! The RAM store against a plain map: it may forget, but never lies, and never exceeds its budget.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cache::key::CacheKey;
use cache::object::{Meta, Object};
use cache::ram::RamStore;
use cache::store::{Inserted, Store};
use proptest::prelude::*;

/// Small enough that a few dozen objects of the sizes below fill it.
const CAPACITY_BYTES: u64 = 256 << 10;

#[derive(Clone, Debug)]
enum Operation {
    Get(u8),
    Insert { key: u8, body_bytes: usize },
    Remove(u8),
    RetainAbove(u8),
}

fn operation() -> impl Strategy<Value = Operation> {
    let size = prop_oneof![8 => 0..2_000usize, 4 => 0..40_000usize, 1 => 200_000..300_000usize];
    prop_oneof![
        6 => any::<u8>().prop_map(Operation::Get),
        6 => (any::<u8>(), size)
            .prop_map(|(key, body_bytes)| Operation::Insert { key, body_bytes }),
        1 => any::<u8>().prop_map(Operation::Remove),
        1 => (0..32u8).prop_map(Operation::RetainAbove),
    ]
}

fn key(number: u8) -> CacheKey {
    let mixed = (u128::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    CacheKey::from_bits(mixed)
}

/// An object whose bytes all follow from its key and version.
fn object(number: u8, version: u32, body_bytes: usize) -> Object {
    let meta = Meta {
        stored_at_secs: version,
        ..Meta::new(key(number))
    };
    let body = vec![number ^ version as u8; body_bytes];
    Object::new(&meta, &[number], b"extra", &version.to_be_bytes(), &[&body])
        .expect("its parts are short")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_returned_is_what_was_stored_last(
        operations in prop::collection::vec(operation(), 1..600)
    ) {
        let store = RamStore::new(CAPACITY_BYTES, 4);
        let mut model: HashMap<u8, (u32, usize)> = HashMap::new();
        for (version, operation) in (1..).zip(operations) {
            match operation {
                Operation::Get(number) => {
                    let Some(found) = store.get(&key(number)) else { continue };
                    let expected = model.get(&number).map(|&(version, body_bytes)| {
                        object(number, version, body_bytes)
                    });
                    let expected = expected.expect("it was stored and not removed since");
                    prop_assert_eq!(found.meta(), expected.meta());
                    prop_assert_eq!(found.path(), expected.path());
                    prop_assert_eq!(found.extra(), expected.extra());
                    prop_assert_eq!(found.head(), expected.head());
                    prop_assert_eq!(found.body(), expected.body());
                }
                Operation::Insert { key: number, body_bytes } => {
                    match store.insert(object(number, version, body_bytes)) {
                        Inserted::Stored => {
                            model.insert(number, (version, body_bytes));
                            prop_assert!(store.get(&key(number)).is_some());
                        }
                        Inserted::Refused => {
                            model.remove(&number);
                            prop_assert!(store.get(&key(number)).is_none());
                        }
                    }
                }
                Operation::Remove(number) => {
                    let had = store.get(&key(number)).is_some();
                    prop_assert_eq!(store.remove(&key(number)), had);
                    prop_assert!(store.get(&key(number)).is_none());
                    model.remove(&number);
                }
                Operation::RetainAbove(least) => {
                    for shard in 0..store.shard_count() {
                        store.retain(shard, |object| object.path()[0] >= least);
                    }
                    model.retain(|&number, _| number >= least);
                }
            }
            let usage = store.usage();
            prop_assert!(usage.bytes <= CAPACITY_BYTES, "{} bytes", usage.bytes);
            prop_assert!(usage.objects <= model.len() as u64);
        }
    }
}

#[test]
fn an_object_larger_than_the_store_is_refused_and_its_predecessor_gone() {
    let store = RamStore::new(CAPACITY_BYTES, 1);
    assert_eq!(store.insert(object(1, 1, 10)), Inserted::Stored);
    assert_eq!(
        store.insert(object(1, 2, CAPACITY_BYTES as usize)),
        Inserted::Refused
    );
    assert!(store.get(&key(1)).is_none());
    assert_eq!(store.usage().refused, 1);
}

#[test]
fn a_store_of_no_bytes_keeps_nothing() {
    let store = RamStore::new(0, 0);
    assert_eq!(store.insert(object(1, 1, 10)), Inserted::Refused);
    assert_eq!(store.usage().bytes, 0);
}

#[test]
fn a_refreshed_object_keeps_its_rank() {
    let store = RamStore::new(CAPACITY_BYTES, 1);
    store.insert(object(0, 1, 1000));
    store.get(&key(0));
    store.insert(object(0, 2, 1000));
    for number in 1..=255 {
        store.insert(object(number, 1, 2000));
    }
    let kept = store
        .get(&key(0))
        .expect("it was used before it was refreshed");
    assert_eq!(kept.meta().stored_at_secs, 2);
}

#[test]
fn an_evicted_object_lives_while_somebody_reads_it() {
    let store = RamStore::new(CAPACITY_BYTES, 1);
    store.insert(object(0, 7, 1000));
    let read = store.get(&key(0)).unwrap();
    let body = read.body_bytes();
    store.remove(&key(0));
    for number in 1..=255 {
        store.insert(object(number, 1, 2000));
    }
    assert_eq!(read.body(), object(0, 7, 1000).body());
    drop(read);
    drop(store);
    assert_eq!(&body[..], object(0, 7, 1000).body());
}

#[test]
fn threads_see_whole_objects_only() {
    let store = RamStore::new(64 * CAPACITY_BYTES, 8);
    let store: &(dyn Store + Sync) = &store;
    let failed = AtomicBool::new(false);
    thread::scope(|scope| {
        for thread in 0..4u32 {
            let failed = &failed;
            scope.spawn(move || {
                let mut random = u64::from(thread) + 1;
                for round in 0..30_000u32 {
                    random = random
                        .wrapping_mul(0x5851_f42d_4c95_7f2d)
                        .wrapping_add(0x1405_7b7e);
                    let number = (random >> 40) as u8;
                    match (random >> 50) % 16 {
                        0 => drop(store.remove(&key(number))),
                        1..=4 => {
                            let body_bytes = (random >> 20) as usize % 100_000;
                            store.insert(object(number, round, body_bytes));
                        }
                        _ => {
                            let Some(found) = store.get(&key(number)) else {
                                continue;
                            };
                            let expected = number ^ found.meta().stored_at_secs as u8;
                            let whole = found.key() == key(number)
                                && found.path() == [number]
                                && found.body().iter().all(|&byte| byte == expected);
                            failed.fetch_or(!whole, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    assert!(!failed.into_inner());
}
