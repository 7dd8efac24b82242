//! Traces out of a seed, with what makes web traffic hard to cache.

use super::Request;
use crate::key::CacheKey;

/// What a synthetic trace is like. Equal descriptions make equal traces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Synthetic {
    /// Everything random follows from it.
    pub seed: u64,
    /// Length of the trace.
    pub requests: u64,
    /// Objects that are asked for again and again.
    pub objects: u32,
    /// Their popularity: the k-th most popular is asked for in proportion to k^-exponent.
    pub zipf_exponent: f64,
    /// Besides them, objects that are asked for once.
    pub one_hit_wonders: OneHitWonders,
    /// How large objects are.
    pub sizes: Sizes,
    /// By which factor the least popular object is larger than the most popular one, on the
    /// average; 1 makes sizes independent of popularity.
    pub unpopular_larger: f64,
    /// What happens in the middle of the trace.
    pub pattern: Pattern,
}

/// How many objects are asked for once only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OneHitWonders {
    /// This share of all requests asks for one.
    OfRequests(f64),
    /// This share of all objects is one.
    OfObjects(f64),
}

/// How large objects are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sizes {
    /// Lognormal with a median of 12,000 bytes, a deviation of e^1.8, and no less than 200 bytes
    /// nor more than 10 MB: the mean is about five times the median.
    Web,
    /// All alike.
    Equal(u64),
}

/// What happens in the middle of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Nothing.
    Steady,
    /// From one request to the next, popularity belongs to other objects.
    Shift,
    /// For a tenth of the trace, every request asks for something new.
    Scan,
}

impl Default for Synthetic {
    /// A million requests for 100,000 objects by Zipf's law with exponent 0.9, web-like sizes,
    /// and a third of the requests for one-hit wonders.
    fn default() -> Self {
        Self {
            seed: 1,
            requests: 1_000_000,
            objects: 100_000,
            zipf_exponent: 0.9,
            one_hit_wonders: OneHitWonders::OfRequests(1.0 / 3.0),
            sizes: Sizes::Web,
            unpopular_larger: 1.0,
            pattern: Pattern::Steady,
        }
    }
}

impl Synthetic {
    /// The trace's requests, one for each unit of time.
    pub fn requests(&self) -> impl Iterator<Item = Request> + use<> {
        let trace = *self;
        let popularity = Zipf::new(trace.objects, trace.zipf_exponent);
        let one_hit_share = trace.one_hit_share();
        let scan = match trace.pattern {
            Pattern::Scan => trace.requests / 2..trace.requests / 2 + trace.requests / 10,
            Pattern::Steady | Pattern::Shift => 0..0,
        };
        let mut random = Random(trace.seed);
        (0..trace.requests).map(move |time| {
            let is_new = random.unit() < one_hit_share || scan.contains(&time);
            let rank = popularity.rank(random.unit());
            let id = if is_new {
                u64::from(u32::MAX) + time
            } else if trace.pattern == Pattern::Shift && time >= trace.requests / 2 {
                u64::from((rank ^ 0x5bd1).wrapping_add(trace.objects / 2) % trace.objects)
            } else {
                u64::from(rank)
            };
            Request {
                time: time as f64,
                key: trace.key(id),
                size_bytes: trace.size_bytes(id),
            }
        })
    }

    /// The share of requests that ask for a one-hit wonder.
    fn one_hit_share(&self) -> f64 {
        match self.one_hit_wonders {
            OneHitWonders::OfRequests(share) => share,
            // As many as make the share, besides the popular objects.
            OneHitWonders::OfObjects(share) => {
                let count = f64::from(self.objects) * share / (1.0 - share);
                (count / self.requests as f64).min(1.0)
            }
        }
    }

    fn key(&self, id: u64) -> CacheKey {
        let mut random = Random(self.seed ^ id.wrapping_mul(0xd6e8_feb8_6659_fd93));
        CacheKey::from_bits(u128::from(random.next()) << 64 | u128::from(random.next()))
    }

    fn size_bytes(&self, id: u64) -> u64 {
        match self.sizes {
            Sizes::Equal(size_bytes) => size_bytes,
            Sizes::Web => {
                let mut random = Random(!self.seed ^ id.wrapping_mul(0xa076_1d64_78bd_642f));
                let popular = (id as f64 / f64::from(self.objects)).min(1.0) - 0.5;
                let logarithm =
                    12_000f64.ln() + 1.8 * random.normal() + self.unpopular_larger.ln() * popular;
                logarithm.exp().clamp(200.0, 10e6) as u64
            }
        }
    }
}

/// Ranks by Zipf's law.
struct Zipf {
    cumulative: Vec<f64>,
}

impl Zipf {
    fn new(count: u32, exponent: f64) -> Self {
        let mut sum = 0.0;
        let cumulative = (1..=count.max(1)).map(|rank| {
            sum += f64::from(rank).powf(-exponent);
            sum
        });
        Self {
            cumulative: cumulative.collect(),
        }
    }

    /// The rank, from 0, at this point of [0, 1).
    fn rank(&self, unit: f64) -> u32 {
        let last = self.cumulative.len() - 1;
        let at = unit * self.cumulative[last];
        self.cumulative.partition_point(|&sum| sum <= at).min(last) as u32
    }
}

/// `SplitMix64`: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Uniform in [0, 1).
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Normal with mean 0 and deviation 1.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn counts(trace: &Synthetic) -> HashMap<CacheKey, (u64, u64)> {
        let mut counts = HashMap::new();
        for request in trace.requests() {
            let entry = counts.entry(request.key).or_insert((0, request.size_bytes));
            entry.0 += 1;
            assert_eq!(entry.1, request.size_bytes, "an object keeps its size");
        }
        counts
    }

    #[test]
    fn equal_seeds_make_equal_traces() {
        let trace = Synthetic {
            requests: 1000,
            ..Synthetic::default()
        };
        assert!(trace.requests().eq(trace.requests()));
        let other = Synthetic { seed: 2, ..trace };
        assert!(!trace.requests().eq(other.requests()));
    }

    #[test]
    fn one_hit_wonders_are_the_share_that_was_asked_for() {
        let trace = Synthetic {
            requests: 300_000,
            objects: 1000,
            ..Synthetic::default()
        };
        let once = counts(&trace)
            .values()
            .filter(|(count, _)| *count == 1)
            .count();
        assert!(
            (98_000..102_000).contains(&once),
            "{once} of 300000 requests"
        );

        let one_hit_wonders = OneHitWonders::OfObjects(1.0 / 3.0);
        let counts = counts(&Synthetic {
            one_hit_wonders,
            ..trace
        });
        let once = counts.values().filter(|(count, _)| *count == 1).count();
        let share = once as f64 / counts.len() as f64;
        assert!((0.30..0.36).contains(&share), "{share} of the objects");
    }

    #[test]
    fn sizes_are_web_like() {
        let counts = counts(&Synthetic {
            requests: 100_000,
            ..Synthetic::default()
        });
        let mut sizes: Vec<u64> = counts.values().map(|(_, size)| *size).collect();
        sizes.sort_unstable();
        let median = sizes[sizes.len() / 2];
        let mean = sizes.iter().sum::<u64>() / sizes.len() as u64;
        assert!((11_000..13_000).contains(&median), "median {median}");
        assert!((45_000..75_000).contains(&mean), "mean {mean}");
        assert!(sizes[0] >= 200 && sizes[sizes.len() - 1] <= 10_000_000);
    }

    #[test]
    fn the_most_popular_object_is_asked_for_in_proportion_to_its_rank() {
        let trace = Synthetic {
            objects: 1000,
            zipf_exponent: 1.0,
            one_hit_wonders: OneHitWonders::OfRequests(0.0),
            ..Synthetic::default()
        };
        let counts = counts(&trace);
        let count = |rank| counts[&trace.key(rank)].0 as f64;
        assert!((9.0..11.0).contains(&(count(0) / count(9))));
    }
}
