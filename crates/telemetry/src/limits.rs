//! Every bound of this crate, with its reason.

/// A worker's lines for one distribution are handed to the writer when they reach this size.
/// Big enough that a hand-over (a lock and a channel send) is rare, small enough to stay in L2.
pub const BATCH_SIZE_BYTES: usize = 64 * 1024;

/// A worker holds at most about this much over all distributions before it hands over everything.
pub const PENDING_SIZE_BYTES_MAX: usize = 1024 * 1024;

/// Lines that wait for the writer, over all workers. Beyond it lines are dropped and counted.
pub const QUEUED_SIZE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Messages that wait for the writer; each carries at least one batch, or a tick.
pub const QUEUED_MESSAGES_MAX: usize = 1024;

/// Empty buffers kept for reuse.
pub const SPARE_BUFFERS_MAX: usize = 64;

/// A buffer that grew beyond this, for a giant line, is not kept for reuse.
pub const SPARE_BUFFER_SIZE_BYTES_MAX: usize = 2 * BATCH_SIZE_BYTES;

/// A string field is cut to this many bytes before it is encoded. The edge refuses requests with
/// longer headers or URLs, so this only bounds a line should another caller not.
pub const FIELD_SIZE_BYTES_MAX: usize = 32 * 1024;

/// Distinct pairs of distribution and prefix in the life of a process.
pub const LOGS_MAX: usize = 1 << 20;

/// File descriptors held open by the writer. Files beyond it are reopened when they are needed.
pub const OPEN_FILES_MAX: usize = 256;

/// A plain file is closed, and the hour continued in another, at this size.
pub const FILE_SIZE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// How long after the end of an hour its files stay open for late batches. Workers flush each
/// second, so this is several flushes.
pub const HOUR_GRACE_SECS: u64 = 5;

/// Compressed in one go between two looks at the queue.
pub const COMPRESSION_STEP_BYTES: usize = 64 * 1024;

/// Directory levels below the log directory: searched for leftovers, allowed in a prefix.
pub const PREFIX_DEPTH_MAX: usize = 16;

/// Length of a log prefix, as in CloudFront.
pub const PREFIX_SIZE_BYTES_MAX: usize = 256;

/// Length of a distribution's id in a file name.
pub const DISTRIBUTION_ID_SIZE_BYTES_MAX: usize = 128;

const _: () = {
    // A single batch always fits the queue, or nothing would ever be written.
    assert!(BATCH_SIZE_BYTES < PENDING_SIZE_BYTES_MAX);
    assert!(PENDING_SIZE_BYTES_MAX + 16 * 3 * FIELD_SIZE_BYTES_MAX < QUEUED_SIZE_BYTES_MAX);
    // Late batches may arrive until the grace is over, which must not reach the hour's end.
    assert!(HOUR_GRACE_SECS < 3600);
};
