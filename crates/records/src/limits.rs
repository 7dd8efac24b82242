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

/// Longest TTL: the bit above is no part of it (RFC 2181 §8).
pub const TTL_SECS_MAX: u32 = i32::MAX as u32;

/// Most words of an entry of a zone file: as many as there are empty strings in the longest data,
/// and what stands before them.
pub const ENTRY_WORDS_MAX: usize = RDATA_BYTES_MAX + 4;

/// Most records of a zone file, unless its reader says otherwise.
pub const ZONE_FILE_RECORDS_MAX: usize = 2_000_000;

/// Most errors that are listed of a zone file, unless its reader says otherwise.
pub const ZONE_FILE_ERRORS_MAX: usize = 100;
