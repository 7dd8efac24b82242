//! A histogram of durations whose buckets are powers of two, so that recording is a count of
//! leading zeros and two additions.

use super::counters::Counter;

/// The first bucket ends at 2^6 µs = 64 µs: a hit takes less.
const FIRST_BOUND_LOG2: u32 = 6;

/// Buckets with an upper bound: 64 µs, 128 µs, … 2^26 µs = 67.1 s, beyond any origin timeout.
pub const BUCKETS: usize = 21;

/// Durations by bucket, and their sum. Written by one thread, read by any.
#[derive(Debug)]
pub struct Histogram {
    /// The last one has no upper bound.
    counts: [Counter; BUCKETS + 1],
    sum_us: Counter,
}

impl Histogram {
    pub(crate) const fn new() -> Self {
        Self {
            counts: [const { Counter::new() }; BUCKETS + 1],
            sum_us: Counter::new(),
        }
    }

    /// Counts a duration. Only the owning worker's thread may call this.
    #[inline]
    pub fn record(&self, duration_us: u64) {
        self.counts[bucket(duration_us)].increment();
        self.sum_us.add(duration_us);
    }

    pub(crate) fn add_to(&self, totals: &mut HistogramTotals) {
        for (total, count) in totals.counts.iter_mut().zip(&self.counts) {
            *total += count.value();
        }
        totals.sum_us = totals.sum_us.wrapping_add(self.sum_us.value());
    }
}

/// A histogram added up over workers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HistogramTotals {
    pub counts: [u64; BUCKETS + 1],
    pub sum_us: u64,
}

/// The upper bound of a bucket, which belongs to the bucket.
pub(crate) const fn bound_us(bucket: usize) -> u64 {
    1 << (FIRST_BOUND_LOG2 + bucket as u32)
}

#[inline]
fn bucket(duration_us: u64) -> usize {
    // The number of bits of duration - 1 is the smallest k with duration <= 2^k.
    let log2_ceiling = u64::BITS - duration_us.saturating_sub(1).leading_zeros();
    (log2_ceiling.saturating_sub(FIRST_BOUND_LOG2) as usize).min(BUCKETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket_and_the_next_microsecond_does_not() {
        assert_eq!(bucket(0), 0);
        assert_eq!(bucket(1), 0);
        for index in 0..BUCKETS {
            assert_eq!(bucket(bound_us(index)), index);
            assert_eq!(bucket(bound_us(index) + 1), index + 1);
        }
        assert_eq!(bucket(u64::MAX), BUCKETS);
    }

    #[test]
    fn a_histogram_adds_up_over_workers() {
        let (first, second) = (Histogram::new(), Histogram::new());
        first.record(10);
        first.record(65);
        second.record(64);
        let mut totals = HistogramTotals::default();
        first.add_to(&mut totals);
        second.add_to(&mut totals);
        assert_eq!(totals.counts[..3], [2, 1, 0]);
        assert_eq!(totals.sum_us, 139);
    }
}
