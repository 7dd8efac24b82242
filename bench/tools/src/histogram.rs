//! Latencies in logarithmic buckets: 64 to each power of two, so a percentile is at most 1.6 % off.

use std::time::Instant;

const SUB_BITS: u32 = 6;
const SUB_COUNT: u64 = 1 << SUB_BITS;

/// Counts of durations in nanoseconds.
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_ns: u64,
}

impl Histogram {
    /// Nothing counted yet.
    pub fn new() -> Histogram {
        Histogram {
            counts: vec![0; bucket(u64::MAX) + 1],
            total: 0,
            max_ns: 0,
        }
    }

    /// Counts what has passed since `begin`.
    pub fn record_since(&mut self, begin: Instant) {
        self.record(u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }

    /// Counts one duration.
    pub fn record(&mut self, duration_ns: u64) {
        self.counts[bucket(duration_ns)] += 1;
        self.total += 1;
        self.max_ns = self.max_ns.max(duration_ns);
    }

    /// The duration that `percent` of all do not exceed, in microseconds.
    pub fn percentile_us(&self, percent: f64) -> f64 {
        let wanted = (self.total as f64 * percent / 100.0).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && *count > 0 {
                return upper_bound(index).min(self.max_ns) as f64 / 1000.0;
            }
        }
        0.0
    }

    /// The longest duration, in microseconds.
    pub fn max_us(&self) -> f64 {
        self.max_ns as f64 / 1000.0
    }
}

/// Values below 64 have a bucket each; above, the bucket is the exponent and the 6 bits after the
/// leading one.
fn bucket(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(SUB_BITS + 1);
    let index = u64::from(shift) * SUB_COUNT + (value >> shift);
    usize::try_from(index).expect("there are less than 4,000 buckets")
}

/// The largest value of a bucket.
fn upper_bound(index: usize) -> u64 {
    let index = index as u64;
    if index < 2 * SUB_COUNT {
        return index;
    }
    let shift = index / SUB_COUNT - 1;
    let leading = index % SUB_COUNT + SUB_COUNT;
    (leading << shift) | ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_a_bucket_that_is_at_most_one_part_in_64_wide() {
        for exponent in 0..63 {
            for value in [
                1u64 << exponent,
                (1u64 << exponent) + 1,
                (1u64 << exponent) * 3 / 2,
            ] {
                let bound = upper_bound(bucket(value));
                assert!(
                    bound >= value && bound - value <= value / 64,
                    "{value} {bound}"
                );
            }
        }
        assert_eq!(upper_bound(bucket(u64::MAX)), u64::MAX);
    }

    #[test]
    fn percentiles_of_a_thousand_even_steps_are_near_their_places() {
        let mut histogram = Histogram::new();
        for step in 1..=1000 {
            histogram.record(step * 1000);
        }
        assert!((histogram.percentile_us(50.0) - 500.0).abs() < 10.0);
        assert!((histogram.percentile_us(99.0) - 990.0).abs() < 20.0);
        assert!((histogram.max_us() - 1000.0).abs() < f64::EPSILON);
    }
}
