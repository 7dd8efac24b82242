//! The bounds of this crate.

use std::time::Duration;

/// A check is healthy where more than so many percent of its checkers say so (spec §13.3).
pub const HEALTHY_PERCENT: usize = 18;

/// Most nodes that probe one check.
pub const CHECKERS_MAX: usize = 16;

/// How long the look-up of a name may take, all its servers and attempts together.
pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(4);

/// How long connecting may take, with the TLS handshake if there is one (spec §13.1).
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// How long connecting may take where nothing else is checked (spec §13.1).
pub const TCP_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the head of the response may take, from the connection on (spec §13.1).
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the beginning of the body may take, from the head on (spec §13.1).
pub const BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest head of a response (spec §13.2).
pub const HEAD_BYTES_MAX: usize = 16 << 10;

/// Most fields in it.
pub const HEAD_FIELDS_MAX: usize = 128;

/// Most responses of class 1xx before the one that counts.
pub const INTERIM_HEADS_MAX: usize = 8;

/// The search string must lie within so many bytes of the body, decoded (spec §13.1).
pub const SEARCHED_BYTES: usize = 5_120;

/// What is read of a body's bytes to get so far, coded as they are: coding makes bodies longer
/// only by a little, and whoever sends more is up to something.
pub const BODY_BYTES_MAX: usize = 64 << 10;

/// Bytes that are read at once.
pub const READ_BYTES: usize = 4 << 10;

/// Probes at once on one node; further ones wait for one of these to end.
pub const PROBES_MAX: usize = 1_024;

/// First probes in a second, of checks that come together.
pub const FIRST_PROBES_PER_SEC: u32 = 50;

/// Checks that one node probes; what is beyond them is left to others, and said.
pub const CHECKS_MAX: usize = 20_000;

/// Equal observations in a row that change an opinion, of a check that says nothing (spec §13.1).
pub const FAILURE_THRESHOLD: u32 = 3;

/// Between two probes of a check that says nothing (spec §13.1).
pub const REQUEST_INTERVAL_SECS: u32 = 30;

/// An opinion is written again after so long, although it is the same.
pub const REFRESH: Duration = Duration::from_secs(50);

/// How often it is looked for those.
pub const REFRESH_TICK: Duration = Duration::from_secs(5);

const _: () = assert!(REFRESH.as_secs() + REFRESH_TICK.as_secs() < 60);

/// Opinions that are written at once.
pub const OPINIONS_PER_TXN: usize = store::limits::TXN_OPERATIONS_MAX;

/// Between two attempts to reach a store that is away.
pub const STORE_RETRY: Duration = Duration::from_secs(1);
