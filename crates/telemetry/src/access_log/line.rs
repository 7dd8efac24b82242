//! A growing buffer of finished lines, and the encoders that write into it.
//!
//! The buffer's memory is always initialised, so that a line is formatted with plain stores into
//! a slice: no growth check for each field, no `unsafe`. A line first reserves its worst case.

use std::net::{IpAddr, Ipv6Addr};

/// What a byte becomes in a field: three bytes of text, of which the first `[3]` count.
/// The encoder stores all four bytes and advances by the fourth, which spares a branch.
static ENCODED: [[u8; 4]; 256] = encoded_table();

static DIGIT_PAIRS: [[u8; 2]; 100] = digit_pairs();

/// Bytes looked at together.
const CHUNK: usize = 16;

/// What the encoder wants to see of the buffer for a chunk.
const WINDOW: usize = 68;

/// What a line must reserve beyond the bounds of its fields.
pub(crate) const SLACK_SIZE_BYTES: usize = WINDOW;

const _: () = {
    // The mask is cheap, and beyond all that a chunk can become.
    assert!((WINDOW - 4).is_power_of_two());
    assert!(3 * CHUNK < WINDOW - 4);
};

/// Lines under construction.
#[derive(Debug, Default)]
pub struct LineBuffer {
    /// Initialised to its whole length; only the first `len` bytes mean something.
    bytes: Vec<u8>,
    len: usize,
}

impl LineBuffer {
    /// An empty buffer without memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// What has been written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Number of bytes written.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets what has been written and keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Bytes of memory held.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Lets `write` put at most `bound` bytes behind what is there.
    pub(crate) fn append(&mut self, bound: usize, write: impl FnOnce(&mut Cursor<'_>)) {
        let needed = self.len + bound;
        if self.bytes.len() < needed {
            self.bytes.resize(needed.next_power_of_two().max(4096), 0);
        }
        let mut cursor = Cursor {
            bytes: &mut self.bytes,
            at: self.len,
        };
        write(&mut cursor);
        self.len = cursor.at;
    }
}

/// Writes forward into memory that is known to be large enough.
pub(crate) struct Cursor<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Cursor<'_> {
    #[inline]
    pub fn byte(&mut self, byte: u8) {
        self.bytes[self.at] = byte;
        self.at += 1;
    }

    #[inline]
    pub fn raw(&mut self, text: &[u8]) {
        self.bytes[self.at..self.at + text.len()].copy_from_slice(text);
        self.at += text.len();
    }

    /// A string field: percent-encoded, or `-` when it is empty. At
    /// most `3 * value.len()` bytes.
    #[inline]
    pub fn field(&mut self, value: &[u8]) {
        if value.is_empty() {
            return self.byte(b'-');
        }
        let (chunks, tail) = value.as_chunks::<CHUNK>();
        for chunk in chunks {
            if is_clean(chunk) {
                self.bytes[self.at..self.at + CHUNK].copy_from_slice(chunk);
                self.at += CHUNK;
            } else {
                self.encode(chunk);
            }
        }
        self.encode(tail);
    }

    /// Encodes at most `CHUNK` bytes, through a window of fixed size: the mask, which never
    /// changes anything, lets the compiler leave out the check of each store.
    #[inline]
    fn encode(&mut self, value: &[u8]) {
        debug_assert!(value.len() <= CHUNK);
        let window = self.bytes[self.at..].first_chunk_mut::<WINDOW>();
        let window = window.expect("the line's bound includes a window beyond the last field");
        let mut at = 0;
        for &byte in value {
            let text = ENCODED[usize::from(byte)];
            window[at % (WINDOW - 4)..][..4].copy_from_slice(&text);
            at += usize::from(text[3]);
        }
        self.at += at;
    }

    /// At most 20 digits.
    #[inline]
    pub fn decimal(&mut self, mut value: u64) {
        let mut digits = [0u8; 20];
        let mut start = digits.len();
        while value >= 100 {
            let pair = DIGIT_PAIRS[(value % 100) as usize];
            value /= 100;
            start -= 2;
            digits[start..start + 2].copy_from_slice(&pair);
        }
        if value >= 10 {
            start -= 2;
            digits[start..start + 2].copy_from_slice(&DIGIT_PAIRS[value as usize]);
        } else {
            start -= 1;
            digits[start] = b'0' + value as u8;
        }
        self.raw(&digits[start..]);
    }

    /// Exactly three digits.
    #[inline]
    pub fn three_digits(&mut self, value: u16) {
        debug_assert!(value < 1000);
        self.byte(b'0' + (value / 100 % 10) as u8);
        self.raw(&DIGIT_PAIRS[usize::from(value % 100)]);
    }

    /// Seconds with three decimals, rounded to the nearest.
    #[inline]
    pub fn seconds(&mut self, micros: u64) {
        let millis = micros / 1000 + u64::from(micros % 1000 >= 500);
        self.decimal(millis / 1000);
        self.byte(b'.');
        self.three_digits((millis % 1000) as u16);
    }

    /// At most 39 bytes. An IPv4 address inside IPv6 is written as IPv4: it is the same viewer.
    #[inline]
    pub fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => self.octets(v4.octets()),
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => self.octets(v4.octets()),
                None => self.groups(v6),
            },
        }
    }

    fn octets(&mut self, octets: [u8; 4]) {
        for (index, octet) in octets.into_iter().enumerate() {
            if index > 0 {
                self.byte(b'.');
            }
            if octet >= 100 {
                self.three_digits(u16::from(octet));
            } else {
                self.decimal(u64::from(octet));
            }
        }
    }

    /// RFC 5952: the first longest run of two or more zero groups becomes `::`.
    fn groups(&mut self, address: Ipv6Addr) {
        let groups = address.segments();
        let (start, len) = longest_zero_run(&groups);
        let mut index = 0;
        while index < groups.len() {
            if len >= 2 && index == start {
                self.raw(b"::");
                index += len;
                continue;
            }
            if index > 0 && (len < 2 || index != start + len) {
                self.byte(b':');
            }
            self.group(groups[index]);
            index += 1;
        }
    }

    fn group(&mut self, group: u16) {
        let digits = 4 - (group | 1).leading_zeros() / 4;
        for shift in (0..digits).rev() {
            self.byte(HEX_LOWER[usize::from(group >> (4 * shift) & 15)]);
        }
    }
}

const HEX_LOWER: &[u8; 16] = b"0123456789abcdef";

fn longest_zero_run(groups: &[u16; 8]) -> (usize, usize) {
    let (mut best_start, mut best_len, mut len) = (0, 0, 0);
    for (index, group) in groups.iter().enumerate() {
        len = if *group == 0 { len + 1 } else { 0 };
        if len > best_len {
            (best_start, best_len) = (index + 1 - len, len);
        }
    }
    (best_start, best_len)
}

/// Written without branches, so that the compiler compares all bytes at once.
#[inline]
fn is_clean(chunk: &[u8; CHUNK]) -> bool {
    let mut dirty = 0u8;
    for &byte in chunk {
        dirty |= u8::from(must_encode(byte));
    }
    dirty == 0
}

/// The bytes that CloudFront encodes in a log field: controls, the space, everything from DEL on,
/// and ``< > " # % { } | \ ^ ~ [ ] ` '``.
#[inline]
const fn must_encode(byte: u8) -> bool {
    (byte <= b' ')
        | (byte >= b'{') // { | } ~ DEL and beyond
        | (byte.wrapping_sub(b'[') <= b'^' - b'[') // [ \ ] ^
        | (byte == b'`')
        | (byte == b'"')
        | (byte == b'#')
        | (byte == b'%')
        | (byte == b'\'')
        | (byte == b'<')
        | (byte == b'>')
}

const fn encoded_table() -> [[u8; 4]; 256] {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut table = [[0u8; 4]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = if must_encode(byte as u8) {
            [b'%', HEX[byte >> 4], HEX[byte & 15], 3]
        } else {
            [byte as u8, 0, 0, 1]
        };
        byte += 1;
    }
    table
}

const fn digit_pairs() -> [[u8; 2]; 100] {
    let mut pairs = [[0u8; 2]; 100];
    let mut value = 0;
    while value < 100 {
        pairs[value] = [b'0' + (value / 10) as u8, b'0' + (value % 10) as u8];
        value += 1;
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(bound: usize, write: impl FnOnce(&mut Cursor<'_>)) -> String {
        let mut buffer = LineBuffer::new();
        buffer.append(bound, write);
        String::from_utf8(buffer.as_bytes().to_vec()).expect("only ASCII is written")
    }

    fn field(value: &[u8]) -> String {
        written(3 * value.len() + SLACK_SIZE_BYTES, |cursor| {
            cursor.field(value)
        })
    }

    #[test]
    fn an_empty_field_is_a_dash() {
        assert_eq!(field(b""), "-");
    }

    #[test]
    fn each_class_of_unsafe_byte_is_percent_encoded() {
        assert_eq!(field(b"/a%20b"), "/a%2520b");
        assert_eq!(field(b"a b\tc\nd\re\0"), "a%20b%09c%0Ad%0De%00");
        assert_eq!(
            field(b"<>\"#%{}|\\^~[]`'"),
            "%3C%3E%22%23%25%7B%7D%7C%5C%5E%7E%5B%5D%60%27"
        );
        assert_eq!(field("é".as_bytes()), "%C3%A9");
        assert_eq!(field(&[0x7f, 0x80, 0xff]), "%7F%80%FF");
    }

    #[test]
    fn every_other_printable_byte_stays() {
        let clean =
            b"!$&()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
        assert_eq!(field(clean).as_bytes(), clean);
        let kept = (0..=255u8).filter(|byte| !must_encode(*byte)).count();
        assert_eq!(kept, clean.len());
    }

    #[test]
    fn seconds_have_three_rounded_decimals() {
        let seconds = |micros| written(32, |cursor| cursor.seconds(micros));
        assert_eq!(seconds(0), "0.000");
        assert_eq!(seconds(499), "0.000");
        assert_eq!(seconds(500), "0.001");
        assert_eq!(seconds(1_234_567), "1.235");
        assert_eq!(seconds(59_999_500), "60.000");
        assert_eq!(seconds(u64::MAX), "18446744073709.552");
    }

    #[test]
    fn an_ipv4_viewer_on_an_ipv6_socket_is_written_as_ipv4() {
        let address = "::ffff:192.0.2.7".parse().unwrap();
        assert_eq!(written(48, |cursor| cursor.address(address)), "192.0.2.7");
    }

    proptest! {
        #[test]
        fn a_field_has_no_separators_and_decodes_to_its_value(
            value in proptest::collection::vec(any::<u8>(), 1..200)
        ) {
            let text = field(&value);
            prop_assert!(text.bytes().all(|byte| (33..127).contains(&byte)));
            let mut decoded = Vec::new();
            let mut rest = text.as_bytes();
            while let Some((&byte, after)) = rest.split_first() {
                rest = after;
                if byte == b'%' {
                    let hex = std::str::from_utf8(&rest[..2]).unwrap();
                    decoded.push(u8::from_str_radix(hex, 16).unwrap());
                    rest = &rest[2..];
                } else {
                    decoded.push(byte);
                }
            }
            prop_assert_eq!(decoded, value);
        }

        #[test]
        fn decimals_are_as_the_standard_library_prints_them(value: u64, shift in 0u32..64) {
            let value = value >> shift;
            prop_assert_eq!(written(20, |cursor| cursor.decimal(value)), value.to_string());
        }

        #[test]
        fn addresses_are_as_the_standard_library_prints_them(
            groups in proptest::array::uniform8(prop_oneof![Just(0u16), Just(1), any::<u16>()]),
            octets: [u8; 4],
        ) {
            let v6 = Ipv6Addr::from(groups);
            // The standard library prints the deprecated ::a.b.c.d form with a dotted quad.
            prop_assume!(groups[..6] != [0; 6]);
            prop_assert_eq!(written(48, |cursor| cursor.address(v6.into())),
                v6.to_canonical().to_string());
            let v4 = IpAddr::from(octets);
            prop_assert_eq!(written(48, |cursor| cursor.address(v4)), v4.to_string());
        }
    }
}
