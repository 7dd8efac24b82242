//! Every bound of the wire, in one place. Sources: spec §1.4 (quotas), §5.2 (sizes).

/// Longest request target (path and query) accepted: spec §1.4, URL 8,192 bytes.
pub const URL_BYTES_MAX: usize = 8_192;

/// Longest request head accepted: URL and header fields together (spec §1.4).
pub const REQUEST_HEAD_BYTES_MAX: usize = 20_480;

/// Most header fields in a request; nginx and hyper draw the line near here too.
pub const REQUEST_FIELDS_MAX: usize = 128;

/// Longest response head taken from an origin (spec §1.4: origin response headers).
pub const RESPONSE_HEAD_BYTES_MAX: usize = 20_480;

/// Longest chunk-size line, extensions included: longer ones only waste our time.
pub const CHUNK_LINE_BYTES_MAX: usize = 256;

/// Longest trailer section after a chunked body; trailers are dropped (spec §5.5).
pub const TRAILER_BYTES_MAX: usize = 4_096;

// Offsets into a request head are stored as u16.
const _: () = assert!(REQUEST_HEAD_BYTES_MAX < u16::MAX as usize);
const _: () = assert!(URL_BYTES_MAX < REQUEST_HEAD_BYTES_MAX);
// `Known` indexes fit a u8 with 255 as "absent".
const _: () = assert!(REQUEST_FIELDS_MAX < u8::MAX as usize);
