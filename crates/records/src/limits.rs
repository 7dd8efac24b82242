//! The bounds of this crate.

/// Longest label, without its length (RFC 1035 §2.3.4).
pub const LABEL_BYTES_MAX: usize = 63;

/// Longest name in wire form, with all lengths and the root (RFC 1035 §2.3.4).
pub const NAME_BYTES_MAX: usize = 255;

/// Longest text of a name: each byte of 255 but the root's can be `\ooo`, and a length is a dot.
pub const NAME_TEXT_BYTES_MAX: usize = 1_024;

/// Longest data of a record: its length has 16 bits.
pub const RDATA_BYTES_MAX: usize = 65_535;

/// Longest character string of a TXT record (RFC 1035 §3.3).
pub const STRING_BYTES_MAX: usize = 255;
