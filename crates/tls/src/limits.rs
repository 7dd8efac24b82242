//! Every bound of handshakes, in one place.

/// A session ticket's key is used for so long: all nodes change it at the same time. Short enough
/// that one key never seals as many tickets as random nonces bear (2^32: 1.2 million a second).
pub const TICKET_ROTATION_SECS: u64 = 3_600;

/// A session ticket opens for so long, and for up to one rotation more.
pub const TICKET_LIFETIME_SECS: u64 = 24 * 3_600;

/// Keys whose tickets are opened: those of the lifetime, the one in use, and the next, which a
/// node with a faster clock may use already.
pub const TICKET_KEYS: usize = (TICKET_LIFETIME_SECS / TICKET_ROTATION_SECS) as usize + 2;

/// Largest session that is put into a ticket: with a viewer's certificates it may be long, and
/// viewers must send it back in their first packets. Larger ones are not resumed.
pub const TICKET_BYTES_MAX: usize = 8 * 1_024;

/// Tickets after a full handshake of TLS 1.3.
pub const TICKETS_PER_HANDSHAKE: usize = 2;

/// Certificates that a viewer may present, its own one among them (spec §14.5).
pub const CLIENT_CHAIN_MAX: usize = 4;

/// Bytes of all certificates that a viewer may present.
pub const CLIENT_CHAIN_BYTES_MAX: usize = 32 * 1_024;

/// Bytes of the names of authorities that viewers are told, with their lengths: they go into one
/// message of the handshake.
pub const ADVERTISED_BYTES_MAX: usize = 32 * 1_024;

/// Longest name that a viewer can ask for: what DNS allows.
pub const NAME_BYTES_MAX: usize = 253;

const _: () = assert!(TICKET_LIFETIME_SECS.is_multiple_of(TICKET_ROTATION_SECS));
// RFC 8446 §4.6.1: a ticket lives for at most seven days.
const _: () = assert!(TICKET_LIFETIME_SECS + TICKET_ROTATION_SECS <= 7 * 24 * 3_600);
const _: () = assert!(TICKET_BYTES_MAX < u16::MAX as usize);
