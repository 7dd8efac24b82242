//! DNS cookies (RFC 7873) in the form that servers of one name share (RFC 9018).
//!
//! A cookie proves that its owner receives what is sent to the address that it asks from. Whoever
//! shows one is exempt from the [response rate limit](crate::rrl).
//!
//! ```text
//! the option's data (24 bytes)
//!  0  client cookie (8)
//!  8  version, 1 (1)
//!  9  reserved, 0 (3)
//! 12  seconds since 1970, modulo 2^32, big endian (4)
//! 16  SipHash-2-4 of bytes 0 to 16 and the client's address, by the secret, little endian (8)
//! ```
//!
//! Nodes that share an address must share the secret: the cookie of one is shown to another.

use std::fmt;
use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

/// Bytes of the part that the client chooses.
pub const CLIENT_COOKIE_BYTES: usize = 8;

/// Bytes of the part that we add.
pub const SERVER_COOKIE_BYTES: usize = 16;

/// Bytes of a whole cookie.
pub const COOKIE_BYTES: usize = CLIENT_COOKIE_BYTES + SERVER_COOKIE_BYTES;

/// Most bytes of a cookie of whichever server (RFC 7873 §4).
pub const FOREIGN_COOKIE_BYTES_MAX: usize = 40;

/// An older cookie is not accepted (RFC 9018 §4.3).
pub const AGE_SECS_MAX: u32 = 3600;

/// A cookie from further ahead is not accepted; clocks of nodes differ by less (RFC 9018 §4.3).
pub const AHEAD_SECS_MAX: u32 = 300;

const VERSION: u8 = 1;
const TIMESTAMP_AT: usize = 12;
const HASH_AT: usize = 16;

/// What cookies are made and checked with. It prints nothing of itself.
#[derive(Clone)]
pub struct CookieSecret([u8; 16]);

/// What a query's cookie option is worth (RFC 7873 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieCheck {
    /// Its length is none that the option may have: a format error.
    Malformed,
    /// A client's part alone, or with a server's part that is too old, of another address or of
    /// another secret. It is answered with a new cookie, and proves nothing.
    Unproven([u8; CLIENT_COOKIE_BYTES]),
    /// The client received what we sent to this address, within the last hour.
    Proven([u8; CLIENT_COOKIE_BYTES]),
}

impl CookieSecret {
    /// Any sixteen bytes that nobody else knows.
    pub fn new(secret: [u8; 16]) -> CookieSecret {
        CookieSecret(secret)
    }

    /// What the data of a cookie option is worth that `client` showed at `now_secs` (since 1970).
    pub fn check(&self, option: &[u8], client: IpAddr, now_secs: u64) -> CookieCheck {
        let Some((&client_cookie, server_cookie)) = option.split_first_chunk() else {
            return CookieCheck::Malformed;
        };
        match server_cookie.len() {
            0 | SERVER_COOKIE_BYTES => {}
            SERVER_COOKIE_BYTES_MIN..=SERVER_COOKIE_BYTES_MAX => {}
            _ => return CookieCheck::Malformed,
        }
        match <&[u8; COOKIE_BYTES]>::try_from(option) {
            Ok(cookie) if self.is_ours(cookie, client, now_secs) => {
                CookieCheck::Proven(client_cookie)
            }
            _ => CookieCheck::Unproven(client_cookie),
        }
    }

    /// The data of the cookie option of a response.
    pub fn make(
        &self,
        client_cookie: [u8; CLIENT_COOKIE_BYTES],
        client: IpAddr,
        now_secs: u64,
    ) -> [u8; COOKIE_BYTES] {
        let mut cookie = [0; COOKIE_BYTES];
        cookie[..CLIENT_COOKIE_BYTES].copy_from_slice(&client_cookie);
        cookie[CLIENT_COOKIE_BYTES] = VERSION;
        // Timestamps are compared modulo 2^32 (RFC 9018 §4.3).
        cookie[TIMESTAMP_AT..HASH_AT].copy_from_slice(&(now_secs as u32).to_be_bytes());
        let hash = self.hash(&cookie, client);
        cookie[HASH_AT..].copy_from_slice(&hash);
        cookie
    }

    fn is_ours(&self, cookie: &[u8; COOKIE_BYTES], client: IpAddr, now_secs: u64) -> bool {
        if cookie[CLIENT_COOKIE_BYTES] != VERSION {
            return false;
        }
        let made_secs = cookie[TIMESTAMP_AT..HASH_AT].try_into();
        let made_secs = u32::from_be_bytes(made_secs.expect("four bytes lie between"));
        let age_secs = (now_secs as u32).wrapping_sub(made_secs);
        let is_timely = age_secs <= AGE_SECS_MAX || age_secs.wrapping_neg() <= AHEAD_SECS_MAX;
        // Compared whole, so that the time taken tells nothing of where they differ.
        let hash = self.hash(cookie, client);
        let pairs = hash.iter().zip(&cookie[HASH_AT..]);
        is_timely && pairs.fold(0, |sum, (ours, theirs)| sum | (ours ^ theirs)) == 0
    }

    /// Over everything before the hash, the reserved bytes as they are, and the address.
    fn hash(&self, cookie: &[u8; COOKIE_BYTES], client: IpAddr) -> [u8; 8] {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(&cookie[..HASH_AT]);
        match client {
            IpAddr::V4(client) => hasher.write(&client.octets()),
            IpAddr::V6(client) => hasher.write(&client.octets()),
        }
        hasher.finish().to_le_bytes()
    }
}

impl fmt::Debug for CookieSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CookieSecret")
    }
}

const SERVER_COOKIE_BYTES_MIN: usize = 8;
const SERVER_COOKIE_BYTES_MAX: usize = FOREIGN_COOKIE_BYTES_MAX - CLIENT_COOKIE_BYTES;

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";
    const NOW_SECS: u64 = 1_559_731_985;

    fn bytes(hex: &str) -> Vec<u8> {
        let pairs = (0..hex.len()).step_by(2);
        pairs
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }

    fn secret(hex: &str) -> CookieSecret {
        CookieSecret::new(bytes(hex).try_into().unwrap())
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// RFC 9018, appendix A.
    #[test]
    fn cookies_are_those_that_other_servers_make() {
        for (key, client, now_secs, client_cookie, server_cookie) in [
            (
                SECRET,
                "198.51.100.100",
                NOW_SECS,
                "2464c4abcf10c957",
                "010000005cf79f111f8130c3eee29480",
            ),
            (
                SECRET,
                "203.0.113.203",
                1_559_734_700,
                "fc93fc62807ddb86",
                "010000005cf7a9acf73a7810aca2381e",
            ),
            (
                "445536bcd2513298075a5d379663c962",
                "2001:db8:220:1:59de:d0f4:8769:82b8",
                1_559_741_961,
                "22681ab97d52c298",
                "010000005cf7c609a6bb79d16625507a",
            ),
        ] {
            let client_cookie = bytes(client_cookie).try_into().unwrap();
            let made = secret(key).make(client_cookie, address(client), now_secs);
            assert_eq!(made[8..], bytes(server_cookie), "{client}");
        }
    }

    /// RFC 9018, appendix A.3: another implementation set bits there.
    #[test]
    fn reserved_bits_are_hashed_as_they_are() {
        let cookie = bytes("fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5");
        let checked = secret(SECRET).check(&cookie, address("203.0.113.203"), 1_559_727_985);
        assert_eq!(
            checked,
            CookieCheck::Proven(bytes("fc93fc62807ddb86").try_into().unwrap())
        );
    }

    #[test]
    fn a_cookie_proves_one_address_for_an_hour() {
        let secret = secret(SECRET);
        let (own, other) = (address("192.0.2.1"), address("192.0.2.2"));
        let cookie = secret.make([7; 8], own, NOW_SECS);
        let proven = |cookie: &[u8], client, now_secs| {
            secret.check(cookie, client, now_secs) == CookieCheck::Proven([7; 8])
        };
        for now_secs in [NOW_SECS - 300, NOW_SECS, NOW_SECS + 3600] {
            assert!(proven(&cookie, own, now_secs), "{now_secs}");
        }
        for now_secs in [NOW_SECS - 301, NOW_SECS + 3601, 0] {
            assert!(!proven(&cookie, own, now_secs), "{now_secs}");
        }
        assert!(!proven(&cookie, other, NOW_SECS));
        for at in 8..COOKIE_BYTES {
            let mut forged = cookie;
            forged[at] ^= 1;
            assert!(!proven(&forged, own, NOW_SECS), "byte {at}");
        }
        let other_secret = CookieSecret::new([1; 16]);
        assert_eq!(
            other_secret.check(&cookie, own, NOW_SECS),
            CookieCheck::Unproven([7; 8])
        );
    }

    #[test]
    fn ages_are_told_across_the_end_of_32_bits() {
        let (secret, client) = (secret(SECRET), address("192.0.2.1"));
        let made_secs = u64::from(u32::MAX) - 10;
        let cookie = secret.make([7; 8], client, made_secs);
        let later = secret.check(&cookie, client, made_secs + 20);
        assert_eq!(later, CookieCheck::Proven([7; 8]));
    }

    #[test]
    fn lengths_are_those_of_a_cookie() {
        let secret = secret(SECRET);
        let check = |length| secret.check(&[7; 64][..length], address("::1"), NOW_SECS);
        for length in [0, 7, 9, 15, 41, 64] {
            assert_eq!(check(length), CookieCheck::Malformed, "{length}");
        }
        for length in [8, 16, 24, 40] {
            assert_eq!(check(length), CookieCheck::Unproven([7; 8]), "{length}");
        }
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        assert_eq!(format!("{:?}", secret(SECRET)), "CookieSecret");
    }
}
