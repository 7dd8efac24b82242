//! What one worker counts for one site.

use std::sync::atomic::{AtomicU64, Ordering};

use super::histogram::{Histogram, HistogramTotals};
use crate::access_log::ResultType;

/// A number that one thread increases and any thread reads.
///
/// There is one writer, so an increase is a load and a store, without the locked instruction that
/// costs twenty cycles on the hit path. Two writers would lose counts, and nothing else.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Zero.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds. Only the owning worker's thread may call this.
    #[inline]
    pub fn add(&self, amount: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(amount),
            Ordering::Relaxed,
        );
    }

    /// Adds one. Only the owning worker's thread may call this.
    #[inline]
    pub fn increment(&self) {
        self.add(1);
    }

    /// The number as of now.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters of one (worker, site). Two cache lines are the unit of sharing: processors fetch
/// them in pairs.
#[derive(Debug)]
#[repr(align(128))]
pub struct SiteCounters {
    /// Bytes sent to viewers, with headers.
    pub bytes_to_viewers: Counter,
    /// Bytes received from viewers, with headers.
    pub bytes_from_viewers: Counter,
    /// Bytes received from origins, with headers.
    pub bytes_from_origin: Counter,
    /// Requests sent to origins, revalidations included.
    pub origin_fetches: Counter,
    /// Requests to origins that were conditional on a stored object.
    pub revalidations: Counter,
    /// Responses served stale, for whatever reason.
    pub stale_served: Counter,
    /// Flights begun.
    pub flights: Counter,
    /// Exchanges that followed a flight begun by another.
    pub collapsed_followers: Counter,
    /// From the request's first byte to the response's first byte.
    pub time_to_first_byte: Histogram,
    /// From the request to the origin to the first byte of its response.
    pub origin_first_byte: Histogram,
    requests: [Counter; ResultType::ALL.len()],
    responses: [Counter; STATUS_SLOTS],
    origin_errors: [Counter; OriginErrorKind::ALL.len()],
}

impl Default for SiteCounters {
    fn default() -> Self {
        Self::new()
    }
}

impl SiteCounters {
    /// All zero.
    pub const fn new() -> Self {
        Self {
            bytes_to_viewers: Counter::new(),
            bytes_from_viewers: Counter::new(),
            bytes_from_origin: Counter::new(),
            origin_fetches: Counter::new(),
            revalidations: Counter::new(),
            stale_served: Counter::new(),
            flights: Counter::new(),
            collapsed_followers: Counter::new(),
            time_to_first_byte: Histogram::new(),
            origin_first_byte: Histogram::new(),
            requests: [const { Counter::new() }; ResultType::ALL.len()],
            responses: [const { Counter::new() }; STATUS_SLOTS],
            origin_errors: [const { Counter::new() }; OriginErrorKind::ALL.len()],
        }
    }

    /// Counts a finished exchange: its result, its status (0 if the viewer left before there was
    /// one), and its bytes.
    #[inline]
    pub fn count_exchange(
        &self,
        result: ResultType,
        status: u16,
        bytes_from_viewer: u64,
        bytes_to_viewer: u64,
    ) {
        self.requests[result as usize].increment();
        self.responses[status_slot(status)].increment();
        self.bytes_from_viewers.add(bytes_from_viewer);
        self.bytes_to_viewers.add(bytes_to_viewer);
    }

    /// Counts a fetch that failed.
    #[inline]
    pub fn count_origin_error(&self, kind: OriginErrorKind) {
        self.origin_errors[kind as usize].increment();
    }

    pub(crate) fn add_to(&self, totals: &mut SiteTotals) {
        let add = |total: &mut u64, counter: &Counter| *total += counter.value();
        add(&mut totals.bytes_to_viewers, &self.bytes_to_viewers);
        add(&mut totals.bytes_from_viewers, &self.bytes_from_viewers);
        add(&mut totals.bytes_from_origin, &self.bytes_from_origin);
        add(&mut totals.origin_fetches, &self.origin_fetches);
        add(&mut totals.revalidations, &self.revalidations);
        add(&mut totals.stale_served, &self.stale_served);
        add(&mut totals.flights, &self.flights);
        add(&mut totals.collapsed_followers, &self.collapsed_followers);
        let add_all = |totals: &mut [u64], counters: &[Counter]| {
            for (total, counter) in totals.iter_mut().zip(counters) {
                *total += counter.value();
            }
        };
        add_all(&mut totals.requests, &self.requests);
        add_all(&mut totals.responses.0, &self.responses);
        add_all(&mut totals.origin_errors, &self.origin_errors);
        self.time_to_first_byte
            .add_to(&mut totals.time_to_first_byte);
        self.origin_first_byte.add_to(&mut totals.origin_first_byte);
    }
}

/// Counters of a site added up over workers.
#[derive(Debug, Clone, Default)]
pub(crate) struct SiteTotals {
    pub bytes_to_viewers: u64,
    pub bytes_from_viewers: u64,
    pub bytes_from_origin: u64,
    pub origin_fetches: u64,
    pub revalidations: u64,
    pub stale_served: u64,
    pub flights: u64,
    pub collapsed_followers: u64,
    pub time_to_first_byte: HistogramTotals,
    pub origin_first_byte: HistogramTotals,
    pub requests: [u64; ResultType::ALL.len()],
    pub responses: StatusTotals,
    pub origin_errors: [u64; OriginErrorKind::ALL.len()],
}

/// Responses by status slot. The standard library has no default for an array this long.
#[derive(Debug, Clone)]
pub(crate) struct StatusTotals(pub [u64; STATUS_SLOTS]);

impl Default for StatusTotals {
    fn default() -> Self {
        Self([0; STATUS_SLOTS])
    }
}

/// Statuses that are counted one by one. Others are counted by their class.
const STATUSES: [u16; 27] = [
    200, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 410, 412, 413, 414, 416,
    421, 429, 431, 500, 501, 502, 503, 504,
];

/// Classes 1xx to 5xx, and whatever is no status (0: the viewer left).
const CLASSES: usize = 6;

pub(crate) const STATUS_SLOTS: usize = STATUSES.len() + CLASSES;

static SLOT_BY_STATUS: [u8; 600] = slot_by_status();

#[inline]
fn status_slot(status: u16) -> usize {
    SLOT_BY_STATUS
        .get(usize::from(status))
        .map_or(STATUSES.len(), |&slot| usize::from(slot))
}

const fn slot_by_status() -> [u8; 600] {
    let mut slots = [STATUSES.len() as u8; 600];
    let mut status = 100;
    while status < 600 {
        slots[status] = (STATUSES.len() + status / 100) as u8;
        status += 1;
    }
    let mut slot = 0;
    while slot < STATUSES.len() {
        slots[STATUSES[slot] as usize] = slot as u8;
        slot += 1;
    }
    slots
}

/// The labels `class` and `status` of a slot.
pub(crate) fn status_labels(slot: usize) -> (&'static str, String) {
    const CLASS_NAMES: [&str; CLASSES] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
    match STATUSES.get(slot) {
        Some(&status) => (CLASS_NAMES[usize::from(status / 100)], status.to_string()),
        None if slot == STATUSES.len() => (CLASS_NAMES[0], "000".to_owned()),
        None => (CLASS_NAMES[slot - STATUSES.len()], "other".to_owned()),
    }
}

macro_rules! named_kinds {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$variant_doc:meta])* $variant:ident => $text:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every value, in the order of its discriminant.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$variant),*];

            /// The label in metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

named_kinds! {
    /// How a fetch from an origin failed.
    OriginErrorKind {
        /// The name did not resolve.
        Dns => "dns",
        /// No connection.
        Connect => "connect",
        /// No connection in time.
        ConnectTimeout => "connect_timeout",
        /// No TLS session, or no valid certificate.
        Tls => "tls",
        /// The request could not be sent.
        Write => "write",
        /// No response, or a pause in it, beyond the read timeout.
        ReadTimeout => "read_timeout",
        /// The whole response took longer than the completion timeout.
        CompletionTimeout => "completion_timeout",
        /// The connection failed within the response.
        Read => "read",
        /// The response is not HTTP.
        InvalidResponse => "invalid_response",
        /// The response's header exceeds the limit.
        HeaderTooBig => "header_too_big",
        /// The response's range is not the one asked for.
        ContentRange => "content_range",
        /// A status of 5xx.
        Status5xx => "status_5xx",
    }
}

named_kinds! {
    /// Why a request was refused before it belonged to a site, and so is in no log.
    RejectReason {
        /// Not HTTP, or ambiguous enough to smuggle a request.
        Malformed => "malformed",
        /// The URL exceeds the limit.
        UrlTooLong => "url_too_long",
        /// The header exceeds a limit.
        HeaderTooBig => "header_too_big",
        /// The header did not arrive in time.
        HeaderTimeout => "header_timeout",
        /// No distribution answers for the host.
        UnknownHost => "unknown_host",
        /// The host does not belong to the connection's certificate.
        Misdirected => "misdirected",
        /// The HTTP version is not supported.
        UnsupportedVersion => "unsupported_version",
    }
}

/// Requests rejected, by reason. Shared by all workers: rejections are rare, or an attack that
/// pays for more than the contention.
#[derive(Debug, Default)]
pub struct Rejections([AtomicU64; RejectReason::ALL.len()]);

impl Rejections {
    /// Counts one.
    pub fn count(&self, reason: RejectReason) {
        self.0[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The number so far.
    pub fn value(&self, reason: RejectReason) -> u64 {
        self.0[reason as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_statuses_are_counted_one_by_one_and_others_by_class() {
        let labels = |status| status_labels(status_slot(status));
        assert_eq!(labels(200), ("2xx", "200".to_owned()));
        assert_eq!(labels(504), ("5xx", "504".to_owned()));
        assert_eq!(labels(226), ("2xx", "other".to_owned()));
        assert_eq!(labels(101), ("1xx", "other".to_owned()));
        assert_eq!(labels(418), ("4xx", "other".to_owned()));
        assert_eq!(labels(0), ("none", "000".to_owned()));
        assert_eq!(labels(99), ("none", "000".to_owned()));
        assert_eq!(labels(999), ("none", "000".to_owned()));
    }

    #[test]
    fn counters_of_two_workers_share_no_cache_line() {
        assert_eq!(align_of::<SiteCounters>(), 128);
        assert_eq!(size_of::<SiteCounters>() % 128, 0);
    }
}
