use std::collections::{HashMap, VecDeque};

use crate::{Verified, limits};

/// Remembers requests that were let through for as long as their signatures are valid, and
/// refuses copies of them.
///
/// A copy within [`limits::REPLAY_GRACE_SECS`] of the first is let through: it may be a retry of
/// a client whose connection broke. Memory is bounded by [`limits::REPLAY_ENTRIES_MAX`]; when it
/// is full the request that came first is forgotten, and a copy of that one would be let through
/// again while it is valid. Only requests whose signature was good may be asked about, so
/// that no stranger can fill it. It lives in one process: another one, or the same after a
/// restart, does not know what this one has seen.
#[derive(Debug, Default)]
pub struct ReplayGuard {
    seen: HashMap<[u8; 32], Seen>,
    /// In the order of their first sight.
    order: VecDeque<[u8; 32]>,
}

#[derive(Debug)]
struct Seen {
    first_secs: u64,
    valid_until_secs: u64,
}

impl ReplayGuard {
    /// Whether a request with a good signature is to be let through, `now_secs` being our time in
    /// seconds since the epoch.
    pub fn admit(&mut self, verified: &Verified, now_secs: u64) -> bool {
        if let Some(seen) = self.seen.get(&verified.fingerprint) {
            return now_secs <= seen.first_secs.saturating_add(limits::REPLAY_GRACE_SECS);
        }
        self.make_room(now_secs);
        self.order.push_back(verified.fingerprint);
        let seen = Seen {
            first_secs: now_secs,
            valid_until_secs: verified.valid_until_secs,
        };
        self.seen.insert(verified.fingerprint, seen);
        true
    }

    /// Forgets those at the front whose signature nobody accepts any more, and the first in any
    /// case if there is no room.
    fn make_room(&mut self, now_secs: u64) {
        while let Some(first) = self.order.front() {
            let is_over =
                (self.seen.get(first)).is_none_or(|seen| seen.valid_until_secs < now_secs);
            if !is_over && self.order.len() < limits::REPLAY_ENTRIES_MAX {
                return;
            }
            self.seen.remove(first);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn request(number: u64, valid_until_secs: u64) -> Verified {
        let mut fingerprint = [0; 32];
        fingerprint[..8].copy_from_slice(&number.to_be_bytes());
        Verified {
            fingerprint,
            valid_until_secs,
        }
    }

    #[test]
    fn a_copy_is_a_retry_at_first_and_a_replay_later() {
        let mut guard = ReplayGuard::default();
        let first = request(1, NOW + 300);
        assert!(guard.admit(&first, NOW));
        assert!(guard.admit(&first, NOW + limits::REPLAY_GRACE_SECS));
        assert!(!guard.admit(&first, NOW + limits::REPLAY_GRACE_SECS + 1));
        assert!(!guard.admit(&first, NOW + 300));
        assert!(guard.admit(&request(2, NOW + 300), NOW + 300));
    }

    #[test]
    fn a_retry_does_not_prolong_the_grace() {
        let mut guard = ReplayGuard::default();
        let first = request(1, NOW + 300);
        assert!(guard.admit(&first, NOW));
        assert!(guard.admit(&first, NOW + 10));
        assert!(!guard.admit(&first, NOW + 20));
    }

    #[test]
    fn what_expired_is_forgotten() {
        let mut guard = ReplayGuard::default();
        for number in 0..1_000 {
            assert!(guard.admit(&request(number, NOW + 300), NOW));
        }
        assert!(guard.admit(&request(1_000, NOW + 601), NOW + 301));
        assert_eq!((guard.seen.len(), guard.order.len()), (1, 1));
    }

    #[test]
    fn a_full_guard_forgets_the_first_and_stays_bounded() {
        let mut guard = ReplayGuard::default();
        let all = limits::REPLAY_ENTRIES_MAX as u64;
        for number in 0..=all {
            assert!(guard.admit(&request(number, NOW + 300), NOW));
        }
        assert_eq!(guard.seen.len(), limits::REPLAY_ENTRIES_MAX);
        assert!(guard.admit(&request(0, NOW + 300), NOW + 60));
        assert!(!guard.admit(&request(all, NOW + 300), NOW + 60));
        assert_eq!(guard.order.len(), limits::REPLAY_ENTRIES_MAX);
    }
}
