//! Session tickets that every node of an installation opens, without a word between the nodes.
//!
//! ```text
//! 4 bytes    number of the key: rotations since 1970, big endian
//! 12 bytes   nonce, random
//! n bytes    the session, sealed by AES-256-GCM
//! 16 bytes   tag, over the context and the session
//! ```
//!
//! The key of a rotation is derived from the installation's key. A ticket holds in the context
//! that it was issued in: one for which viewers' certificates were verified by a trust store does
//! not open where another trust store, or another version of it, is asked for.
//!
//! Whoever gets hold of the installation's key reads recorded sessions of TLS 1.2 that a ticket
//! was issued for. Sessions of TLS 1.3 do not depend on it: each one exchanges keys anew.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rustls::server::ProducesTickets;
use secrets::Secrets;

use crate::limits::{TICKET_BYTES_MAX, TICKET_KEYS, TICKET_LIFETIME_SECS, TICKET_ROTATION_SECS};

const NUMBER_BYTES: usize = 4;
const TAG_BYTES: usize = 16;

/// The keys of an installation's session tickets.
pub struct Tickets {
    secrets: Arc<Secrets>,
    /// Seconds since 1970.
    clock: Box<dyn Fn() -> u64 + Send + Sync>,
    keys: ArcSwap<Keys>,
}

/// The keys around a moment, oldest first; the last one is that of the next rotation.
struct Keys {
    /// Number of the key in use.
    current: u64,
    keys: Vec<Arc<LessSafeKey>>,
}

impl Tickets {
    /// Of an installation, by the system's clock.
    pub fn new(secrets: Arc<Secrets>) -> Arc<Tickets> {
        let clock = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.map_or(0, |since| since.as_secs())
        };
        Tickets::with_clock(secrets, clock)
    }

    /// Of an installation, by a clock that tells seconds since 1970.
    pub fn with_clock(
        secrets: Arc<Secrets>,
        clock: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Arc<Tickets> {
        let keys = Keys::around(clock() / TICKET_ROTATION_SECS, &secrets, None);
        Arc::new(Tickets {
            secrets,
            clock: Box::new(clock),
            keys: ArcSwap::from_pointee(keys),
        })
    }

    /// Tickets that hold where the context is the same, byte by byte, and nowhere else.
    pub fn for_context(self: &Arc<Tickets>, context: &[u8]) -> Arc<dyn ProducesTickets> {
        Arc::new(ContextTickets {
            tickets: Arc::clone(self),
            context: context.into(),
        })
    }

    /// The keys of now. Threads that come at once when a rotation begins derive the same.
    fn keys(&self) -> arc_swap::Guard<Arc<Keys>> {
        let current = (self.clock)() / TICKET_ROTATION_SECS;
        let keys = self.keys.load();
        if keys.current == current {
            return keys;
        }
        let newer = Keys::around(current, &self.secrets, Some(&keys));
        self.keys.store(Arc::new(newer));
        self.keys.load()
    }

    fn seal(&self, context: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        if plain.len() > TICKET_BYTES_MAX {
            return None;
        }
        let keys = self.keys();
        let number = u32::try_from(keys.current).ok()?;
        let mut ticket = vec![0; NUMBER_BYTES + NONCE_LEN];
        ticket.reserve_exact(plain.len() + TAG_BYTES);
        ticket[..NUMBER_BYTES].copy_from_slice(&number.to_be_bytes());
        aws_lc_rs::rand::fill(&mut ticket[NUMBER_BYTES..]).ok()?;
        let nonce = Nonce::try_assume_unique_for_key(&ticket[NUMBER_BYTES..]).ok()?;
        ticket.extend_from_slice(plain);
        let sealed = &mut ticket[NUMBER_BYTES + NONCE_LEN..];
        let key = keys.of(keys.current)?;
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(context), sealed);
        ticket.extend_from_slice(tag.ok()?.as_ref());
        Some(ticket)
    }

    fn open(&self, context: &[u8], ticket: &[u8]) -> Option<Vec<u8>> {
        let (number, rest) = ticket.split_first_chunk::<NUMBER_BYTES>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        if sealed.len() > TICKET_BYTES_MAX + TAG_BYTES {
            return None;
        }
        let keys = self.keys();
        let key = keys.of(u32::from_be_bytes(*number).into())?;
        let mut plain = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = key.open_in_place(nonce, Aad::from(context), &mut plain);
        let length = opened.ok()?.len();
        plain.truncate(length);
        Some(plain)
    }
}

impl Keys {
    fn around(current: u64, secrets: &Secrets, earlier: Option<&Keys>) -> Keys {
        let newest = current.saturating_add(1);
        let oldest = (newest + 1).saturating_sub(TICKET_KEYS as u64);
        let key = |number| {
            let known = earlier.and_then(|earlier| earlier.of(number));
            known
                .cloned()
                .unwrap_or_else(|| Arc::new(derive(secrets, number)))
        };
        Keys {
            current,
            keys: (oldest..=newest).map(key).collect(),
        }
    }

    fn of(&self, number: u64) -> Option<&Arc<LessSafeKey>> {
        let newest = self.current.saturating_add(1);
        let age = newest.checked_sub(number)?;
        let index = self
            .keys
            .len()
            .checked_sub(1)?
            .checked_sub(usize::try_from(age).ok()?)?;
        self.keys.get(index)
    }
}

fn derive(secrets: &Secrets, number: u64) -> LessSafeKey {
    let key = secrets.derive("tls tickets", number);
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).expect("a key of AES-256 is 32 bytes"))
}

struct ContextTickets {
    tickets: Arc<Tickets>,
    context: Box<[u8]>,
}

impl ProducesTickets for ContextTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        TICKET_LIFETIME_SECS as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.tickets.seal(&self.context, plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.tickets.open(&self.context, cipher)
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl fmt::Debug for ContextTickets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ContextTickets")
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const NOW: u64 = 1_800_000_000;

    /// A node of the installation with the key `key`, and its clock.
    fn node(key: u8, now: u64) -> (Arc<Tickets>, Arc<AtomicU64>) {
        let clock = Arc::new(AtomicU64::new(now));
        let told = Arc::clone(&clock);
        let secrets = Arc::new(Secrets::new([key; secrets::KEY_BYTES]));
        let tickets = Tickets::with_clock(secrets, move || told.load(Ordering::Relaxed));
        (tickets, clock)
    }

    #[test]
    fn a_ticket_opens_on_every_node_of_the_installation_and_on_no_other() {
        let ticket = node(1, NOW).0.seal(b"c", b"session").unwrap();
        assert_eq!(node(1, NOW).0.open(b"c", &ticket).unwrap(), b"session");
        assert_eq!(node(2, NOW).0.open(b"c", &ticket), None);
    }

    #[test]
    fn a_ticket_holds_in_its_context_alone() {
        let (tickets, _) = node(1, NOW);
        let ticket = tickets.for_context(b"store 1").encrypt(b"session").unwrap();
        assert!(tickets.for_context(b"store 1").decrypt(&ticket).is_some());
        assert!(tickets.for_context(b"store 2").decrypt(&ticket).is_none());
        assert!(tickets.for_context(b"").decrypt(&ticket).is_none());
    }

    #[test]
    fn a_ticket_opens_for_its_lifetime_and_not_after_the_rotation_that_follows() {
        let (tickets, clock) = node(1, NOW);
        let ticket = tickets.seal(b"", b"session").unwrap();
        let opens = |now| {
            clock.store(now, Ordering::Relaxed);
            tickets.open(b"", &ticket).is_some()
        };
        assert!(opens(NOW + TICKET_LIFETIME_SECS));
        assert!(!opens(NOW + TICKET_LIFETIME_SECS + TICKET_ROTATION_SECS));
        // The clock is set back: the keys follow.
        assert!(opens(NOW));
        assert!(opens(NOW - TICKET_ROTATION_SECS));
        assert!(!opens(NOW - 2 * TICKET_ROTATION_SECS));
        assert!(!opens(0));
    }

    #[test]
    fn a_rotation_changes_the_key_and_nothing_else() {
        let (tickets, clock) = node(1, NOW);
        let first = tickets.seal(b"", b"session").unwrap();
        clock.store(NOW + TICKET_ROTATION_SECS, Ordering::Relaxed);
        let second = tickets.seal(b"", b"session").unwrap();
        assert_ne!(first[..NUMBER_BYTES], second[..NUMBER_BYTES]);
        assert!(tickets.open(b"", &first).is_some() && tickets.open(b"", &second).is_some());
        assert_eq!(tickets.keys().keys.len(), TICKET_KEYS);
    }

    #[test]
    fn garbage_of_any_length_opens_nothing() {
        let (tickets, _) = node(1, NOW);
        let ticket = tickets.seal(b"", b"session").unwrap();
        for length in 0..ticket.len() {
            assert_eq!(tickets.open(b"", &ticket[..length]), None);
            let mut broken = ticket.clone();
            broken[length] ^= 1;
            assert_eq!(tickets.open(b"", &broken), None, "byte {length}");
        }
        assert_eq!(tickets.open(b"", &vec![0xff; 70_000]), None);
        assert_eq!(tickets.seal(b"", &vec![0; TICKET_BYTES_MAX + 1]), None);
    }
}
