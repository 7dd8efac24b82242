//! DNSSEC: keys, signatures made on line, and compact denial of existence (spec §15).
//!
//! What it does: ECDSA P-256 keys ([`KeyPair`], algorithm 13 of RFC 6605), the keys of a zone and
//! what they publish ([`ZoneKeys`]), RRSIG records for whatever set of records an answer turns out
//! to have ([`SignatureCache`]; RFC 4034), NSEC records that deny one name or one type and nothing
//! else ([`nsec`]; RFC 9824), and the schedule by which zone signing keys replace each other
//! ([`rollover`]).
//!
//! What it does not do: validate, sign with other algorithms, NSEC3, or know zones and messages: it
//! is told what is answered. It reads no clock; callers say what time it is.
//!
//! Read [`ZoneKeys`] first, then [`SignatureCache`].

mod cache;
mod key;
pub mod limits;
pub mod nsec;
mod rollover;
mod zone;

pub use cache::SignatureCache;
pub use key::{
    ALGORITHM, DIGEST_TYPE, KSK_FLAGS, KeyError, KeyPair, PUBLIC_KEY_BYTES, SIGNATURE_BYTES,
    ZSK_FLAGS,
};
pub use rollover::rollover;
pub use zone::{Rrset, Rrsig, Signer, ZoneKeys};
