//! The bounds of one distribution (spec §1.2–1.4, §2, §3.3). Those of AWS, unless it says so.

/// Aliases.
pub const ALIASES_MAX: usize = 100;
/// Aliases that one update may give up and take, since each is a write of one transaction; some
/// are for the distribution itself. Our own bound.
pub const ALIASES_CHANGED_MAX: usize = 110;
const _: () = assert!(ALIASES_CHANGED_MAX + 10 <= store::limits::TXN_OPERATIONS_COMMON);
/// Origins.
pub const ORIGINS_MAX: usize = 100;
/// Origin groups.
pub const ORIGIN_GROUPS_MAX: usize = 10;
/// Behaviors besides the default one.
pub const BEHAVIORS_MAX: usize = 75;
/// Custom headers of an origin.
pub const CUSTOM_HEADERS_MAX: usize = 30;
/// Key groups of a behavior.
pub const KEY_GROUPS_MAX: usize = 4;
/// Trusted accounts of a behavior.
pub const TRUSTED_SIGNERS_MAX: usize = 5;
/// Functions of a behavior, one an event.
pub const FUNCTIONS_MAX: usize = 2;
/// Lambda functions of a behavior, one an event.
pub const LAMBDAS_MAX: usize = 4;
/// Headers, cookies and query strings, each, in the legacy style.
pub const FORWARDED_NAMES_MAX: usize = 10;
/// Parameters of a template.
pub const PARAMETERS_MAX: usize = 5;

/// Longest caller reference; it is part of a key of the store. Our own bound.
pub const CALLER_REFERENCE_CHARS_MAX: usize = 512;
/// Longest comment.
pub const COMMENT_CHARS_MAX: usize = 128;
/// Longest default root object, origin path or path pattern.
pub const PATH_CHARS_MAX: usize = 255;
/// Longest path of an error page.
pub const ERROR_PAGE_PATH_CHARS_MAX: usize = 4_000;
/// Longest host name.
pub const HOST_CHARS_MAX: usize = 253;
/// Longest id of an origin or an origin group.
pub const ORIGIN_ID_CHARS_MAX: usize = 128;
/// Longest name of a custom header.
pub const HEADER_NAME_CHARS_MAX: usize = 256;
/// Longest value of a custom header.
pub const HEADER_VALUE_CHARS_MAX: usize = 1_783;
/// All custom headers of an origin.
pub const HEADERS_CHARS_MAX: usize = 10_240;
/// Longest name of a query string parameter in the legacy style.
pub const QUERY_NAME_CHARS_MAX: usize = 128;
/// Longest name of a parameter of a template.
pub const PARAMETER_NAME_CHARS_MAX: usize = 128;
/// Longest timeout of an origin, in seconds.
pub const ORIGIN_TIMEOUT_SECS_MAX: i32 = 120;
/// Longest time for a whole response, in seconds. Our own bound.
pub const COMPLETION_TIMEOUT_SECS_MAX: i32 = 3_600;
