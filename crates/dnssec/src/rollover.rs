//! When zone signing keys come, sign, and go.
//!
//! Keys are published before they sign and after (RFC 6781 §4.1.1.1), so that every signature that
//! a resolver has can be validated with every set of keys that it has. Key signing keys are their
//! owner's to replace.
//!
//! ```text
//! first   ├──────────── signs 21 days ────────────┤── published 7 days ──┤
//! second                            ├─ published ─┼──────────── signs 21 days ── …
//!                                       2 days
//! ```

use documents::route53::{ZoneSigningKey, ZoneSigningKeys};

use crate::key::{KeyError, KeyPair};
use crate::limits::{ZSK_PUBLISHED_AFTER_MS, ZSK_PUBLISHED_BEFORE_MS, ZSK_SIGNS_MS};

/// Brings a zone's signing keys to where they are at `now_ms` (since 1970): removes one that is
/// done, makes one that is due. Returns whether anything changed and must be stored. Nothing is
/// ever due at a certain instant: whoever comes late goes on from there, with the same times in
/// between.
pub fn rollover(now_ms: u64, keys: &mut ZoneSigningKeys) -> Result<bool, KeyError> {
    let Some(newest) = keys.keys.last() else {
        keys.keys.push(made(now_ms)?);
        return Ok(true);
    };
    // A newer one, if there is any, is only waiting.
    let due_ms = newest.signs_from_ms + ZSK_SIGNS_MS - ZSK_PUBLISHED_BEFORE_MS;
    if now_ms >= due_ms {
        keys.keys.push(made(now_ms + ZSK_PUBLISHED_BEFORE_MS)?);
        return Ok(true);
    }
    // All before the one that has been signing for long enough.
    let signs_long = |key: &ZoneSigningKey| key.signs_from_ms + ZSK_PUBLISHED_AFTER_MS <= now_ms;
    let done = keys.keys.iter().rposition(signs_long).unwrap_or(0);
    keys.keys.drain(..done);
    Ok(done > 0)
}

fn made(signs_from_ms: u64) -> Result<ZoneSigningKey, KeyError> {
    Ok(ZoneSigningKey {
        private_key: KeyPair::generate()?.to_base64()?,
        signs_from_ms,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY_MS: u64 = 86_400_000;

    fn signer(now_ms: u64, keys: &ZoneSigningKeys) -> &ZoneSigningKey {
        let come = keys.keys.iter().rev();
        let mut come = come.filter(|key| key.signs_from_ms <= now_ms);
        come.next().unwrap_or(&keys.keys[0])
    }

    #[test]
    fn a_zone_without_keys_has_one_that_signs_at_once() {
        let mut keys = ZoneSigningKeys::default();
        assert_eq!(rollover(1_000, &mut keys), Ok(true));
        assert_eq!(keys.keys.len(), 1);
        assert_eq!(keys.keys[0].signs_from_ms, 1_000);
        assert_eq!(rollover(1_000, &mut keys), Ok(false));
        KeyPair::from_base64(&keys.keys[0].private_key).unwrap();
    }

    #[test]
    fn a_key_is_replaced_after_three_weeks_and_gone_after_four() {
        let mut keys = ZoneSigningKeys::default();
        let mut events = Vec::new();
        for hour in 0..(60 * 24) {
            let before = keys.keys.len();
            if rollover(hour * DAY_MS / 24, &mut keys).unwrap() {
                events.push((hour / 24, before, keys.keys.len()));
            }
        }
        let expected = [(0, 0, 1), (19, 1, 2), (28, 2, 1), (40, 1, 2), (49, 2, 1)];
        assert_eq!(events, expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// However late and irregularly it is called: the model is what resolvers may still have.
        #[test]
        fn what_any_resolver_has_can_be_validated_with_any_keys_that_it_has(
            steps in prop::collection::vec((0_u64..40 * 24, 0_u8..4), 1..40),
        ) {
            let mut now_ms = 1_700_000_000_000;
            let mut keys = ZoneSigningKeys::default();
            rollover(now_ms, &mut keys).unwrap();
            // Sets of keys, and signers, each with when it was seen last.
            let mut sets: Vec<(u64, Vec<String>)> = Vec::new();
            let mut signers: Vec<(u64, String)> = Vec::new();
            for (hours, size) in steps {
                // Time goes by in hours, so that signers and sets are seen as they change.
                for _ in 0..=hours >> (size * 2) {
                    now_ms += DAY_MS / 24;
                    let published = keys.keys.iter().map(|key| key.private_key.clone());
                    sets.push((now_ms, published.collect()));
                    signers.push((now_ms, signer(now_ms, &keys).private_key.clone()));
                    // Of equal ones, the last time counts.
                    sets.dedup_by(|new, old| new.1 == old.1 && { old.0 = new.0; true });
                    signers.dedup_by(|new, old| new.1 == old.1 && { old.0 = new.0; true });
                    sets.retain(|(seen, _)| now_ms - seen <= DAY_MS);
                    signers.retain(|(seen, _)| now_ms - seen <= 7 * DAY_MS);
                    for (_, set) in &sets {
                        // Today's signature, with a set of keys of a day ago.
                        prop_assert!(set.contains(&signer(now_ms, &keys).private_key));
                    }
                    for (_, signer) in &signers {
                        // A signature of a week ago, with today's keys.
                        prop_assert!(keys.keys.iter().any(|key| key.private_key == *signer));
                    }
                    prop_assert!((1..=3).contains(&keys.keys.len()));
                }
                rollover(now_ms, &mut keys).unwrap();
                rollover(now_ms, &mut keys).unwrap();
                prop_assert_eq!(rollover(now_ms, &mut keys), Ok(false));
            }
        }
    }
}
