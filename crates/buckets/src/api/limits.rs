//! The bounds of the API.

use std::time::Duration;

/// Longest life of a presigned request, seconds: S3's.
pub const PRESIGNED_SECS_MAX: u64 = 604_800;

/// Longest XML body of a request: a thousand keys to delete, escaped, have room.
pub const XML_BYTES_MAX: usize = 8 << 20;

/// Longest file that a form posts; it is held in memory.
pub const FORM_FILE_BYTES_MAX: u64 = 64 << 20;

/// Longest field of a form, and all of them.
pub const FORM_FIELD_BYTES_MAX: usize = 64 << 10;

/// Longest form.
pub const FORM_BYTES_MAX: u64 = FORM_FILE_BYTES_MAX + FORM_FIELD_BYTES_MAX as u64;

/// How long a form may take to come and to be answered, and so a body of XML: it has its room until
/// then.
pub const POST_TIMEOUT: Duration = Duration::from_secs(300);

/// Fields of a form.
pub const FORM_PARTS_MAX: usize = 100;

/// Rules of cross-origin requests that a bucket may have: S3's.
pub const CORS_RULES_MAX: usize = 100;

/// Routing rules that a website may have: S3's.
pub const ROUTING_RULES_MAX: usize = 50;

/// Forms that are held at once, all together, and bodies of XML likewise; more wait.
pub const BODIES_KIB_MAX: usize = 128 << 10;

const _: () = assert!(FORM_BYTES_MAX as usize <= BODIES_KIB_MAX << 10);
const _: () = assert!(XML_BYTES_MAX <= BODIES_KIB_MAX << 10);
