//! The bounds of this crate.

use std::time::Duration;

/// What we say that we take over UDP, and the most that we send, unless configured otherwise: what
/// crosses every path of today without fragments (DNS flag day 2020).
pub const UDP_PAYLOAD_BYTES: u16 = 1232;

/// The most that may be configured (spec §16).
pub const UDP_PAYLOAD_BYTES_MAX: u16 = 4096;

/// What a client without EDNS takes (RFC 1035 §4.2.1).
pub const UDP_PAYLOAD_BYTES_MIN: u16 = 512;

/// The longest message over TCP.
pub const MESSAGE_BYTES_MAX: usize = 65_535;

/// How many CNAMEs are followed within a zone (spec §16).
pub const CNAMES_MAX: usize = 10;

/// How deep aliases may lead to aliases (spec §11).
pub const ALIAS_DEPTH_MAX: usize = 10;

/// How many members' health is looked at for one query, over all groups that it leads to: trees of
/// aliases may lead to the same groups in many ways. Members beyond count as healthy.
pub const EVALUATIONS_PER_QUERY_MAX: u32 = 4096;

/// The most addresses of a PoP that are answered.
pub const POP_ADDRESSES_MAX: usize = 8;

/// The time to live of the platform's own answers (spec §11).
pub const PLATFORM_TTL_SECS: u32 = 60;

/// The time to live of the platform's name servers (spec §23).
pub const PLATFORM_NS_TTL_SECS: u32 = 172_800;

/// The longest time to live in a signed zone: a week (spec §7.4).
pub const SIGNED_TTL_SECS_MAX: u32 = 604_800;

/// The most addresses of a name elsewhere that are kept, of each family.
pub const ELSEWHERE_ADDRESSES_MAX: usize = 16;

/// The longest time to live of an answer out of names elsewhere.
pub const ELSEWHERE_TTL_SECS_MAX: u32 = 60;

/// Signatures that one thread keeps.
pub const SIGNATURES_MAX: usize = dnssec::limits::SIGNATURES_MAX;

/// How often the copy of the store is saved, when it has changed.
pub const COPY_INTERVAL: Duration = Duration::from_secs(30);

/// Between two looks at the names elsewhere.
pub const ELSEWHERE_TICK: Duration = Duration::from_millis(500);

/// How long a name's addresses are kept fresh after somebody needed them.
pub const ELSEWHERE_IDLE: Duration = Duration::from_secs(600);

/// Between attempts to resolve a name that has no addresses.
pub const ELSEWHERE_RETRY: Duration = Duration::from_secs(5);

/// Addresses are kept at least so long, whatever their time to live.
pub const ELSEWHERE_TTL_MIN: Duration = Duration::from_secs(5);
