//! Response rate limiting: what a spoofed address can be made to receive is bounded.
//!
//! UDP has no proof of the asker's address, so a server answers whoever is named as sender. The
//! limit counts responses that are alike by the network that they go to. What is over the limit is
//! dropped, but for every second one, which goes out truncated and empty: no larger than its query,
//! and a real client then asks by TCP, which proves its address. So does a [cookie](crate::cookie).
//!
//! Alike are, within one network (/24 of IPv4, /56 of IPv6), responses of one [`Category`] with one
//! [subject](crate::Facts::subject): answers of one name (of one wildcard for all that it covers),
//! denials of names in one zone, referrals of one cut; and all errors.
//!
//! Each thread has a [`Limiter`] of its own: a table of fixed size, without a lock and without
//! allocation. The sockets of one address share the queries by the asker's address and port, so
//! that what a network gets from several threads is at most the limit times their number.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher13;

use crate::answer::Category;
use crate::server::limits::{RRL_SETS_COUNT, RRL_WAYS_COUNT};

/// How many responses go to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Responses a second for one network and kind; as many may come at once after silence.
    /// None: no limit.
    pub responses_per_sec: Option<u32>,
    /// Which of the limited responses go out truncated: with 2 every second one, with 1 all of
    /// them, with 0 none.
    pub slip: u32,
    /// Whether 127.0.0.0/8 and ::1 are not limited. Not by themselves: a spoofed one stays on this
    /// machine, but what proxies to this server may be here too.
    pub is_loopback_exempt: bool,
}

impl Default for RateLimit {
    /// 200 a second. Networks of busy resolvers ask one name less often, as they cache.
    fn default() -> Self {
        RateLimit {
            responses_per_sec: Some(200),
            slip: 2,
            is_loopback_exempt: false,
        }
    }
}

/// What becomes of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes out.
    Send,
    /// Its header and question go out, marked as truncated.
    Truncate,
    /// Nothing goes out.
    Drop,
}

/// The counts of one thread.
pub struct Limiter {
    limit: RateLimit,
    /// Keyed, so that nobody can choose networks that share a set.
    hasher: SipHasher13,
    sets: Box<[Set]>,
}

/// One cache line.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Set([Bucket; RRL_WAYS_COUNT]);

/// A token bucket. All zero is a free one.
#[derive(Clone, Copy, Default)]
struct Bucket {
    /// The part of the hash that is not the set's index; never 0 in a bucket in use.
    tag: u32,
    /// When `credit` was right; milliseconds modulo 2^32.
    filled_ms: u32,
    /// Thousandths of responses.
    credit: u32,
    /// Responses limited so far.
    limited: u32,
}

/// What one response costs.
const CREDIT_PER_RESPONSE: u32 = 1000;

/// Most responses a second that a limit can name; a bucket's credit stays below 2^32.
pub const RESPONSES_PER_SEC_MAX: u32 = 4_000_000;

impl Limiter {
    /// With a key that nobody else knows. A limit of zero a second is one of one.
    pub fn new(limit: RateLimit, key: [u8; 16]) -> Limiter {
        let sets = match limit.responses_per_sec {
            Some(_) => RRL_SETS_COUNT,
            None => 0,
        };
        Limiter {
            limit,
            hasher: SipHasher13::new_with_key(&key),
            sets: vec![Set::default(); sets].into(),
        }
    }

    /// What becomes of a response to `client` at `now_ms` of a clock that does not go back; if it
    /// does, more goes out for once.
    #[inline]
    pub fn check(
        &mut self,
        client: IpAddr,
        category: Category,
        subject: u64,
        now_ms: u64,
    ) -> Verdict {
        let Some(per_sec) = self.limit.responses_per_sec else {
            return Verdict::Send;
        };
        if self.limit.is_loopback_exempt && client.is_loopback() {
            return Verdict::Send;
        }
        let per_sec = per_sec.clamp(1, RESPONSES_PER_SEC_MAX);
        let slip = self.limit.slip;
        let now_ms = now_ms as u32;
        let hash = self.hash(client, category, subject);
        let bucket = self.bucket(hash, per_sec, now_ms);
        bucket.fill(per_sec, now_ms);
        if bucket.credit >= CREDIT_PER_RESPONSE {
            bucket.credit -= CREDIT_PER_RESPONSE;
            return Verdict::Send;
        }
        bucket.limited = bucket.limited.wrapping_add(1);
        match slip {
            0 => Verdict::Drop,
            slip if bucket.limited.is_multiple_of(slip) => Verdict::Truncate,
            _ => Verdict::Drop,
        }
    }

    /// The bucket of these responses; the one of its set that rested longest gives way if there is
    /// none. Under attack those in use are the attacked networks'.
    fn bucket(&mut self, hash: u64, per_sec: u32, now_ms: u32) -> &mut Bucket {
        let tag = (hash >> 32) as u32 | 1;
        let Set(set) = &mut self.sets[hash as usize % RRL_SETS_COUNT];
        let known = set.iter().position(|bucket| bucket.tag == tag);
        let way = known.unwrap_or_else(|| {
            let rest_ms = |bucket: &Bucket| match bucket.tag {
                0 => u64::from(u32::MAX) + 1,
                _ => u64::from(now_ms.wrapping_sub(bucket.filled_ms)),
            };
            let ways = 0..RRL_WAYS_COUNT;
            let rested = ways.max_by_key(|&way| rest_ms(&set[way]));
            rested.expect("a set has ways")
        });
        if known.is_none() {
            set[way] = Bucket {
                tag,
                filled_ms: now_ms,
                credit: per_sec * CREDIT_PER_RESPONSE,
                limited: 0,
            };
        }
        &mut set[way]
    }

    fn hash(&self, client: IpAddr, category: Category, subject: u64) -> u64 {
        let mut hasher = self.hasher;
        match client {
            IpAddr::V4(client) => hasher.write_u32(client.to_bits() >> 8),
            IpAddr::V6(client) => hasher.write_u64((client.to_bits() >> 72) as u64 | 1 << 63),
        }
        hasher.write_u64(match category {
            // What is wrong with queries is without end.
            Category::Error => 0,
            Category::Answer | Category::NameError | Category::NoData => subject,
        });
        hasher.write_u8(category as u8);
        hasher.finish()
    }
}

impl Bucket {
    fn fill(&mut self, per_sec: u32, now_ms: u32) {
        let rest_ms = now_ms.wrapping_sub(self.filled_ms);
        let earned = u64::from(rest_ms) * u64::from(per_sec);
        let full = u64::from(per_sec * CREDIT_PER_RESPONSE);
        self.credit = (u64::from(self.credit) + earned).min(full) as u32;
        self.filled_ms = now_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(per_sec: u32, slip: u32) -> Limiter {
        let limit = RateLimit {
            responses_per_sec: Some(per_sec),
            slip,
            is_loopback_exempt: false,
        };
        Limiter::new(limit, [7; 16])
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How many of `count` responses at one moment went out whole, truncated, and not.
    fn flood(limiter: &mut Limiter, client: &str, now_ms: u64) -> [usize; 3] {
        flood_of(limiter, client, (Category::Answer, 1), now_ms)
    }

    fn flood_of(
        limiter: &mut Limiter,
        client: &str,
        (category, subject): (Category, u64),
        now_ms: u64,
    ) -> [usize; 3] {
        let mut verdicts = [0; 3];
        for _ in 0..100 {
            verdicts[limiter.check(address(client), category, subject, now_ms) as usize] += 1;
        }
        verdicts
    }

    #[test]
    fn what_is_over_the_limit_is_dropped_and_every_second_one_is_truncated() {
        let mut limiter = limiter(20, 2);
        assert_eq!(flood(&mut limiter, "192.0.2.1", 0), [20, 40, 40]);
        // Half a second earns half of it; a long rest no more than one second's.
        assert_eq!(flood(&mut limiter, "192.0.2.1", 500), [10, 45, 45]);
        let later = flood(&mut limiter, "192.0.2.1", 1_000_000);
        assert_eq!(later, [20, 40, 40]);
    }

    #[test]
    fn a_steady_rate_at_the_limit_is_never_limited() {
        let mut limiter = limiter(200, 2);
        for n in 0..10_000 {
            let verdict = limiter.check(address("192.0.2.1"), Category::Error, 1, n * 5);
            assert_eq!(verdict, Verdict::Send);
        }
    }

    #[test]
    fn slip_says_which_of_the_limited_are_truncated() {
        for (slip, expected) in [(0, [20, 0, 80]), (1, [20, 80, 0]), (4, [20, 20, 60])] {
            let verdicts = flood(&mut limiter(20, slip), "192.0.2.1", 0);
            assert_eq!(verdicts, expected, "slip {slip}");
        }
    }

    #[test]
    fn a_network_is_limited_as_one() {
        let mut limiter = limiter(20, 0);
        for (client, sent) in [
            ("192.0.2.1", 20),
            ("192.0.2.254", 0),
            ("192.0.3.1", 20),
            ("2001:db8::1", 20),
            ("2001:db8:0:ff::2", 0),
            ("2001:db8:0:100::1", 20),
        ] {
            let verdicts = flood(&mut limiter, client, 0);
            assert_eq!(verdicts[0], sent, "{client}");
        }
    }

    #[test]
    fn categories_and_subjects_are_limited_apart_and_errors_together() {
        let mut limiter = limiter(20, 0);
        for (category, subject, sent) in [
            (Category::Answer, 1, 20),
            (Category::Answer, 2, 20),
            (Category::NameError, 1, 20),
            (Category::NoData, 1, 20),
            (Category::Error, 1, 20),
            (Category::Answer, 1, 0),
            (Category::NameError, 1, 0),
            (Category::Error, 2, 0),
        ] {
            let verdicts = flood_of(&mut limiter, "192.0.2.1", (category, subject), 0);
            assert_eq!(verdicts[0], sent, "{category:?} {subject}");
        }
    }

    #[test]
    fn loopback_is_exempt_only_if_it_is_said() {
        for (is_loopback_exempt, sent) in [(false, 20), (true, 100)] {
            let limit = RateLimit {
                responses_per_sec: Some(20),
                slip: 2,
                is_loopback_exempt,
            };
            let mut limiter = Limiter::new(limit, [7; 16]);
            for client in ["127.0.0.1", "::1"] {
                assert_eq!(flood(&mut limiter, client, 0)[0], sent);
            }
            assert_eq!(flood(&mut limiter, "192.0.2.1", 0)[0], 20);
        }
    }

    #[test]
    fn without_a_limit_everything_goes_out_and_there_is_no_table() {
        let limit = RateLimit {
            responses_per_sec: None,
            ..RateLimit::default()
        };
        let mut limiter = Limiter::new(limit, [7; 16]);
        let sent = flood(&mut limiter, "192.0.2.1", 0);
        assert_eq!((sent, limiter.sets.len()), ([100, 0, 0], 0));
    }

    #[test]
    fn the_least_and_the_most_limits_do_not_overflow() {
        for per_sec in [0, 1, RESPONSES_PER_SEC_MAX, u32::MAX] {
            let mut limiter = limiter(per_sec, 2);
            for now_ms in [0, 1, u64::from(u32::MAX), 1 << 40, u64::MAX] {
                limiter.check(address("192.0.2.1"), Category::Error, 1, now_ms);
            }
        }
    }

    #[test]
    fn an_attacked_network_stays_limited_while_countless_others_ask() {
        let mut limiter = limiter(20, 0);
        let mut sent = 0;
        for n in 0..200_000_u32 {
            // A second in all; every second query has a network of its own.
            let now_ms = u64::from(n / 200);
            let passing = IpAddr::V4((0x0a00_0000 + (n << 8)).into());
            limiter.check(passing, Category::Answer, 1, now_ms);
            let verdict = limiter.check(address("192.0.2.1"), Category::Answer, 1, now_ms);
            sent += usize::from(verdict == Verdict::Send);
        }
        assert!((20..=41).contains(&sent), "{sent}");
    }
}
