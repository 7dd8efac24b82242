//! Every bound of the program itself; those of what it assembles are in their crates.

use std::time::Duration;

/// Longest distribution document: the API takes far less.
pub const DISTRIBUTION_FILE_BYTES_MAX: u64 = 4 << 20;

/// Longest configuration file.
pub const CONFIG_FILE_BYTES_MAX: u64 = 1 << 20;

/// Distributions that one node may be given by files.
pub const DISTRIBUTIONS_MAX: usize = 10_000;

/// How often watched files are looked at. A change is taken up once it has stood still for one
/// round, so that nobody reads half a file.
pub const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// Workers of one node.
pub const WORKERS_MAX: usize = 1024;

/// Smallest cache: anything less holds no page worth the name.
pub const CACHE_BYTES_MIN: u64 = 1 << 20;

/// Largest cache: a slip of the unit, not a machine.
pub const CACHE_BYTES_MAX: u64 = 64 << 40;

/// The cache's size where the machine does not say how much memory it has.
pub const CACHE_BYTES_FALLBACK: u64 = 1 << 30;

/// Largest setting for connections of one client.
pub const CONNECTIONS_PER_CLIENT_MAX: usize = 1_000_000;

/// Connections that the API and the demo origin hold open at once; more wait in the backlog.
pub const SERVER_CONNECTIONS_MAX: usize = 1024;

/// How long a client of the API or the demo origin may take to send a request head.
pub const SERVER_HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the body of a request to the API may take to come.
pub const SERVER_BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Bodies of requests to the API that are held at once, all together; more wait.
pub const API_BODIES_KIB_MAX: usize = 64 << 10;

/// Between attempts to reach a store that is away.
pub const STORE_RETRY: Duration = Duration::from_millis(500);

/// Requests of a generated trace.
pub const TRACE_REQUESTS_MAX: u64 = 1_000_000_000;

/// Popular objects of a generated trace; each takes eight bytes of memory.
pub const TRACE_OBJECTS_MAX: u32 = 100_000_000;

/// How long a command waits for the API's answer.
pub const CLIENT_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest answer that a command takes.
pub const CLIENT_ANSWER_BYTES_MAX: usize = 64 << 20;

/// Longest credentials file.
pub const CREDENTIALS_FILE_BYTES_MAX: u64 = 64 << 10;

/// How long `invalidate --wait` waits for edges.
pub const INVALIDATION_WAIT: Duration = Duration::from_secs(60);

const _: () = assert!(control::limits::BODY_BYTES_MAX < API_BODIES_KIB_MAX << 10);
const _: () = assert!(CACHE_BYTES_MIN < CACHE_BYTES_FALLBACK);
const _: () = assert!(CACHE_BYTES_FALLBACK < CACHE_BYTES_MAX);

/// Most responses per second to one network that can be configured.
pub const DNS_RATE_LIMIT_MAX: usize = 1_000_000;

/// How many there are unless it is configured.
pub const DNS_RATE_LIMIT_DEFAULT: u32 = 200;

/// Longest zone file.
pub const ZONE_FILE_BYTES_MAX: u64 = 256 << 20;

/// Most records of a batch of changes, as the API counts them (spec §8.2).
pub const BATCH_RECORDS_MAX: usize = 1_000;

/// Most characters of all values of a batch, as the API counts them.
pub const BATCH_CHARACTERS_MAX: usize = 32_000;

/// Largest package with a geographic database, or database outside of one.
pub const GEO_PACKAGE_BYTES_MAX: u64 = 256 << 20;

/// What it may unpack to.
pub const GEO_UNPACKED_BYTES_MAX: u64 = 1 << 30;

/// Files in it.
pub const GEO_FILES_MAX: usize = 1_000;

/// Longest file of terms in it.
pub const GEO_NOTICE_BYTES_MAX: u64 = 64 << 10;

/// Files of terms that are kept.
pub const GEO_NOTICES_MAX: usize = 8;

/// Longest name of a package, as npm has it.
pub const GEO_PACKAGE_NAME_BYTES_MAX: usize = 214;

/// What a registry may say of a package: packages with a version a day have megabytes.
pub const GEO_METADATA_BYTES_MAX: usize = 64 << 20;

/// Redirects of one request to a registry.
pub const GEO_REDIRECTS_MAX: usize = 5;

/// How long fetching a package may take, all in all.
pub const GEO_FETCH_TIMEOUT: Duration = Duration::from_secs(600);

/// A database that is older is told to be old.
pub const GEO_AGE_DAYS_MAX: u64 = 90;

/// How often the API's node sees to what has its time, such as keys.
pub const UPKEEP_INTERVAL: Duration = Duration::from_secs(600);

/// How often a node tries to have a bucket's name before another one has it.
pub const CLAIM_ATTEMPTS: usize = 8;
