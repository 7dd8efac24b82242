//! The bounds of this crate. They are those of etcd, so that what fits one store fits the other.

use std::time::Duration;

/// Longest key.
pub const KEY_BYTES_MAX: usize = 1_024;

/// Longest value. etcd takes requests of 1.5 MiB.
pub const VALUE_BYTES_MAX: usize = 1_000_000;

/// Most comparisons, and most writes, of one transaction. etcd takes as many if it is started with
/// `--max-txn-ops=2200`; otherwise it refuses what goes beyond 128.
pub const TXN_OPERATIONS_MAX: usize = 2_100;

/// As many as etcd takes without being told: what whatever can do with less keeps to.
pub const TXN_OPERATIONS_COMMON: usize = 120;

/// All keys and values of one transaction.
pub const TXN_BYTES_MAX: usize = 1_200_000;

/// Most documents of one page.
pub const PAGE_DOCUMENTS_MAX: usize = 1_000;

/// Most keys that are read at once.
pub const GET_KEYS_MAX: usize = 120;

const _: () = assert!(TXN_OPERATIONS_COMMON < TXN_OPERATIONS_MAX);
const _: () = assert!(VALUE_BYTES_MAX < TXN_BYTES_MAX && TXN_BYTES_MAX < 1_500_000);

/// Bytes of keys and values after which a page, or what a watch tells at once, ends.
pub const PAGE_BYTES_MAX: usize = 16 << 20;

/// Changes after which what a watch tells at once ends, with the revision that it has begun.
pub const WATCH_EVENTS_MAX: usize = 1_000;

/// SQLite: threads that read.
pub const READER_THREADS: usize = 2;

/// SQLite: most reads that wait for a thread; further ones wait to be taken.
pub const READS_WAITING_MAX: usize = 1_024;

/// SQLite: most transactions that become durable together.
pub const GROUP_TXNS_MAX: usize = 1_024;

/// SQLite: what the transactions that wait for the writer may weigh; further ones wait outside.
pub const WRITES_WAITING_KIB_MAX: usize = 64 << 10;

/// SQLite: what a transaction weighs at least, so that small ones are bounded in number too.
pub const WRITE_KIB_MIN: usize = 16;

/// SQLite: longest time between two looks at the leases.
pub const LEASE_TICK_MS: u64 = 250;

/// SQLite: changes that watches can begin before.
pub const EVENTS_KEPT_MAX: i64 = 100_000;

/// SQLite: bytes of keys and values of those changes.
pub const EVENTS_KEPT_BYTES_MAX: i64 = 256 << 20;

/// SQLite: changes beyond that before the oldest are forgotten.
pub const EVENTS_SLACK: i64 = 1_000;

/// Longest id of a store.
pub const STORE_ID_BYTES_MAX: usize = 64;

/// Largest file of a replica.
pub const SNAPSHOT_BYTES_MAX: usize = 4 << 30;

/// etcd: how long a connection may take to come about.
pub const ETCD_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// etcd: how long a call may take that is made once.
pub const ETCD_CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// etcd: how long each of the two attempts of a call may take that can be repeated.
pub const ETCD_READ_TIMEOUT: Duration = Duration::from_millis(2_500);

/// etcd: longest prefix of all keys.
pub const ETCD_PREFIX_BYTES_MAX: usize = 256;

/// etcd: largest message that is taken: the answer to most keys of longest values.
pub const ETCD_RESPONSE_BYTES_MAX: usize = 128 << 20;

const _: () = assert!(
    GET_KEYS_MAX * (VALUE_BYTES_MAX + KEY_BYTES_MAX + ETCD_PREFIX_BYTES_MAX + 64)
        < ETCD_RESPONSE_BYTES_MAX
);
