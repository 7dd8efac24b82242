//! NSEC records that deny what was asked for, and nothing else (RFC 9824, RFC 4470).
//!
//! The record's owner is the name that was asked for, whether it exists or not; the next name is
//! the one right after it; and the bitmap leaves out what was asked for. So no answer tells of
//! other names, none has to be known beforehand, and a resolver never concludes from one answer
//! that another record is not there.
//!
//! ```text
//! data of an NSEC record (RFC 4034 §4.1)
//!   next name         1 to 255 bytes, uncompressed
//!   for each block of 256 types that has any, in order:
//!     block           1 byte: the type's upper half
//!     length          1 byte, 1 to 32
//!     bitmap          a bit for each type, the highest bit of the first byte for the lowest
//! ```

use records::RecordType;
use records::limits::NAME_BYTES_MAX;

/// Longest data of an NSEC record from here: the next name, and two blocks of bitmap, one for types
/// below 256 and one for CAA.
pub const NSEC_BYTES_MAX: usize = NAME_BYTES_MAX + 2 + 32 + 2 + 1;

/// What record sets may have anywhere, and thus what a denial of one type claims may be there: so a
/// type that is added is not denied by what a resolver remembers. NS, SOA, DS and CNAME are not
/// among them, as each of these would change what the proof says.
const TYPES: [RecordType; 14] = [
    RecordType::A,
    RecordType::PTR,
    RecordType::HINFO,
    RecordType::MX,
    RecordType::TXT,
    RecordType::AAAA,
    RecordType::SRV,
    RecordType::NAPTR,
    RecordType::SSHFP,
    RecordType::TLSA,
    RecordType::SVCB,
    RecordType::HTTPS,
    RecordType::SPF,
    RecordType::CAA,
];

/// What there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The name: neither it nor anything below it exists, and no wildcard stands for it. It is
    /// answered without an error, and the bitmap has NXNAME (RFC 9824 §3.1).
    Name,
    /// Any type at a name that only has names below it (RFC 9824 §3.2).
    EmptyNonTerminal,
    /// This type at a name that has others, or that a wildcard stands for.
    Type(RecordType),
    /// This type at the apex, which has NS, SOA and DNSKEY besides.
    ApexType(RecordType),
    /// DS at a delegation: what is below is not signed (RFC 4035 §3.1.4.1).
    Delegation,
}

/// Writes the data of the NSEC record for `owner` (wire form, lower case) in the zone `apex`, to
/// the start of `buffer`; returns its length.
pub fn write(
    owner: &[u8],
    apex: &[u8],
    denial: Denial,
    buffer: &mut [u8; NSEC_BYTES_MAX],
) -> usize {
    let at = next_name(owner, apex, buffer);
    let mut types = Bitmap::default();
    types.add(RecordType::RRSIG);
    types.add(RecordType::NSEC);
    let denied = match denial {
        Denial::Name => {
            types.add(RecordType::NXNAME);
            None
        }
        Denial::EmptyNonTerminal => None,
        Denial::Type(denied) => Some(denied),
        Denial::ApexType(denied) => {
            types.add(RecordType::NS);
            types.add(RecordType::SOA);
            types.add(RecordType::DNSKEY);
            Some(denied)
        }
        Denial::Delegation => {
            types.add(RecordType::NS);
            None
        }
    };
    if let Some(denied) = denied {
        for there in TYPES {
            types.add(there);
        }
        types.remove(denied);
    }
    at + types.write(&mut buffer[at..])
}

/// Writes the name right after `owner` among those of the zone: the zone's own, if there is none.
/// `\000.` before it, where that is not too long; else the next name of the same length or less
/// (RFC 4471 §3.1.2). Returns its length.
fn next_name(owner: &[u8], apex: &[u8], buffer: &mut [u8]) -> usize {
    if owner.len() + 2 <= NAME_BYTES_MAX {
        buffer[..2].copy_from_slice(&[1, 0]);
        buffer[2..2 + owner.len()].copy_from_slice(owner);
        return 2 + owner.len();
    }
    let mut rest = owner;
    while rest.len() > apex.len() {
        let length = usize::from(rest[0]);
        let (label, parent) = rest[1..].split_at(length);
        // Room for one byte more: `a` is followed by `a\000`.
        if rest.len() < NAME_BYTES_MAX && length < 63 && rest.len() == owner.len() {
            return write_name(label, Some(0), parent, buffer);
        }
        // `a\255` is followed by `b`; upper case comes after `@` nowhere, as it counts as lower.
        let kept = label.iter().rposition(|byte| *byte != 0xff);
        if let Some(at) = kept {
            let last = match label[at] {
                b'@' => b'[',
                byte => byte + 1,
            };
            return write_name(&label[..at], Some(last), parent, buffer);
        }
        rest = parent;
    }
    buffer[..apex.len()].copy_from_slice(apex);
    apex.len()
}

fn write_name(label: &[u8], last: Option<u8>, parent: &[u8], buffer: &mut [u8]) -> usize {
    let length = label.len() + usize::from(last.is_some());
    buffer[0] = length as u8;
    buffer[1..=label.len()].copy_from_slice(label);
    if let Some(last) = last {
        buffer[length] = last;
    }
    buffer[1 + length..1 + length + parent.len()].copy_from_slice(parent);
    1 + length + parent.len()
}

/// Types below 512: all that have a name here.
#[derive(Default)]
struct Bitmap {
    blocks: [[u8; 32]; 2],
}

impl Bitmap {
    fn add(&mut self, record_type: RecordType) {
        if let Some((byte, bit)) = self.place(record_type) {
            *byte |= bit;
        }
    }

    fn remove(&mut self, record_type: RecordType) {
        if let Some((byte, bit)) = self.place(record_type) {
            *byte &= !bit;
        }
    }

    fn place(&mut self, record_type: RecordType) -> Option<(&mut u8, u8)> {
        let block = self.blocks.get_mut(usize::from(record_type.0 >> 8))?;
        let place = usize::from(record_type.0 & 0xff);
        Some((&mut block[place / 8], 0x80 >> (place % 8)))
    }

    fn write(&self, buffer: &mut [u8]) -> usize {
        let mut end = 0;
        for (number, block) in self.blocks.iter().enumerate() {
            let Some(last) = block.iter().rposition(|byte| *byte != 0) else {
                continue;
            };
            buffer[end] = number as u8;
            buffer[end + 1] = last as u8 + 1;
            buffer[end + 2..end + 3 + last].copy_from_slice(&block[..=last]);
            end += 3 + last;
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use records::Name;

    use super::*;

    fn rdata(owner: &str, denial: Denial) -> Vec<u8> {
        let owner = Name::parse(owner).unwrap();
        let apex = Name::parse("example.com").unwrap();
        let mut buffer = [0; NSEC_BYTES_MAX];
        let length = write(owner.wire(), apex.wire(), denial, &mut buffer);
        buffer[..length].to_vec()
    }

    /// Reads the types out of a record's data, as a validator does.
    fn types(rdata: &[u8]) -> Vec<RecordType> {
        let mut rest = rdata;
        while rest[0] > 0 {
            rest = &rest[1 + usize::from(rest[0])..];
        }
        rest = &rest[1..];
        let mut types = Vec::new();
        while let [block, length, after @ ..] = rest {
            let (bytes, after) = after.split_at(usize::from(*length));
            assert!((1..=32).contains(length) && bytes.last() != Some(&0));
            for place in 0..u16::from(*length) * 8 {
                if bytes[usize::from(place / 8)] & (0x80 >> (place % 8)) > 0 {
                    types.push(RecordType(u16::from(*block) << 8 | place));
                }
            }
            rest = after;
        }
        assert!(rest.is_empty());
        types
    }

    #[test]
    fn a_name_is_denied_with_its_successor_and_nxname() {
        let rdata = rdata("no.example.com", Denial::Name);
        assert!(rdata.starts_with(b"\x01\x00\x02no\x07example\x03com\0"));
        let bitmap = [0, 17, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80];
        assert_eq!(rdata[18..], bitmap);
        let expected = [RecordType::RRSIG, RecordType::NSEC, RecordType::NXNAME];
        assert_eq!(types(&rdata), expected);
    }

    #[test]
    fn what_is_denied_is_not_in_the_bitmap_and_the_rest_may_be_there() {
        let at_name = types(&rdata("www.example.com", Denial::Type(RecordType::MX)));
        assert!(at_name.contains(&RecordType::A) && at_name.contains(&RecordType::CAA));
        for absent in ["MX", "NS", "SOA", "DS", "CNAME", "DNSKEY", "NXNAME"] {
            assert!(!at_name.contains(&absent.parse().unwrap()), "{absent}");
        }
        let caa = types(&rdata("www.example.com", Denial::Type(RecordType::CAA)));
        assert!(!caa.contains(&RecordType::CAA));
        let unknown = types(&rdata("www.example.com", Denial::Type(RecordType(65_000))));
        assert!(unknown.contains(&RecordType::A));
        let at_apex = types(&rdata("example.com", Denial::ApexType(RecordType::A)));
        for present in ["NS", "SOA", "DNSKEY", "MX"] {
            assert!(at_apex.contains(&present.parse().unwrap()), "{present}");
        }
        assert!(!at_apex.contains(&RecordType::A));
    }

    #[test]
    fn names_without_records_and_delegations_have_what_rfcs_say() {
        let rest = [RecordType::RRSIG, RecordType::NSEC];
        assert_eq!(
            types(&rdata("ent.example.com", Denial::EmptyNonTerminal)),
            rest
        );
        let delegation = [RecordType::NS, RecordType::RRSIG, RecordType::NSEC];
        assert_eq!(
            types(&rdata("sub.example.com", Denial::Delegation)),
            delegation
        );
    }

    /// A name of exactly 255 bytes, or less, that starts with these labels.
    fn long(first: &[u8], bytes: usize) -> Name {
        let mut name = Name::parse("example.com").unwrap();
        while name.wire().len() + 1 + first.len() < bytes {
            let room = bytes - name.wire().len() - 1 - first.len() - 1;
            let label = vec![b'x'; if room == 64 { 62 } else { room.min(63) }];
            name = name.child(&label).unwrap();
        }
        let name = name.child(first).unwrap();
        assert_eq!(name.wire().len(), bytes);
        name
    }

    fn next(owner: &Name) -> Vec<u8> {
        let mut buffer = [0; NSEC_BYTES_MAX];
        let apex = Name::parse("example.com").unwrap();
        let length = next_name(owner.wire(), apex.wire(), &mut buffer);
        buffer[..length].to_vec()
    }

    #[test]
    fn a_name_too_long_for_another_label_has_a_successor_too() {
        assert!(next(&long(b"abc", 253)).starts_with(b"\x01\x00\x03abc"));
        assert!(next(&long(b"abc", 254)).starts_with(b"\x04abc\x00"));
        assert!(
            next(&long(&[b'a'; 63], 254)).starts_with(&[&[63][..], &[b'a'; 62], b"b"].concat())
        );
        assert!(next(&long(b"abc", 255)).starts_with(b"\x03abd"));
        assert!(next(&long(b"ab@", 255)).starts_with(b"\x03ab["));
        assert!(next(&long(b"ab\xff", 255)).starts_with(b"\x02ac"));
        let parent = long(b"\xff\xff", 255).parent().unwrap();
        let after = next(&long(b"\xff\xff", 255));
        assert_eq!(after.len(), parent.wire().len());
        assert_eq!(
            after[1 + usize::from(after[0])..],
            parent.parent().unwrap().wire()[..]
        );
    }

    #[test]
    fn after_the_last_name_comes_the_zone() {
        let mut name = Name::parse("example.com").unwrap();
        for length in [63, 63, 63, 49] {
            name = name.child(&vec![0xff; length]).unwrap();
        }
        assert_eq!(name.wire().len(), 255);
        assert_eq!(next(&name), Name::parse("example.com").unwrap().wire());
    }

    /// Canonical order (RFC 4034 §6.1).
    fn order(name: &Name) -> Vec<Vec<u8>> {
        let mut labels: Vec<Vec<u8>> = name.labels().map(<[u8]>::to_vec).collect();
        labels.reverse();
        labels
    }

    proptest! {
        #[test]
        fn the_next_name_is_a_name_of_the_zone_and_comes_after(
            first in prop::collection::vec(any::<u8>(), 1..=63),
            bytes in 240_usize..=255,
        ) {
            let owner = long(&first, bytes);
            let next = Name::from_wire(&next(&owner)).unwrap();
            prop_assert!(next.is_within(&Name::parse("example.com").unwrap()));
            prop_assert!(order(&next) > order(&owner), "{next:?}");
        }
    }
}
