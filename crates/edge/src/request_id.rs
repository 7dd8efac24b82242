use std::cell::Cell;

/// The id of one exchange: `X-Amz-Cf-Id` to viewer and origin, `x-edge-request-id` in the log.
/// 54 bytes that look like base64, with `==` behind them, as tools expect.
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct RequestId([u8; RequestId::LEN]);

impl RequestId {
    /// Length in bytes.
    pub const LEN: usize = 56;

    /// The id that these bits spell.
    pub fn from_bits(high: u64, low: u64) -> RequestId {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut id = [b'='; RequestId::LEN];
        // 54 characters of 6 bits from 128 bits: the bits are stirred on before each ten.
        let (mut a, mut b) = (high, low);
        for ten in id[..RequestId::LEN - 2].chunks_mut(10) {
            a = stir(a ^ b);
            b = b.rotate_left(23) ^ a;
            let mut bits = a;
            for place in ten {
                *place = ALPHABET[(bits & 63) as usize];
                bits >>= 6;
            }
        }
        RequestId(id)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("the alphabet is ASCII")
    }

    /// The bytes of the text.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes the numbers of one worker that need not be secret: request ids, sampling. The sequence
/// is splitmix64 from a random seed.
#[derive(Debug)]
pub struct Dice(Cell<u64>);

impl Dice {
    /// The sequence of that seed.
    pub fn new(seed: u64) -> Dice {
        Dice(Cell::new(seed))
    }

    /// The next number.
    #[inline]
    pub fn roll(&self) -> u64 {
        let next = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(next);
        stir(next)
    }

    /// A request id that no other exchange of this edge has, for all practical purposes.
    pub fn request_id(&self) -> RequestId {
        RequestId::from_bits(self.roll(), self.roll())
    }
}

/// The finaliser of splitmix64.
#[inline]
fn stir(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_distinct_and_well_formed() {
        let dice = Dice::new(7);
        let ids: HashSet<String> = (0..10_000)
            .map(|_| dice.request_id().as_str().to_owned())
            .collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 56 && id.ends_with("==")));
    }
}
