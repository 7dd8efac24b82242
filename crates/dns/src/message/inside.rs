//! Messages to and from ourselves: queries as a client would send them, and our own responses read
//! again.

use records::{Name, RecordType};

use super::{CLASS_IN, ClientSubnet, HEADER_BYTES};

const RECORD_BYTES: usize = 10;
const CLIENT_SUBNET: u16 = 8;
const POINTERS_MAX: usize = 8;

/// A record of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'m> {
    /// Of the answer, or of another section.
    pub is_answer: bool,
    /// Its owner.
    pub name: Name,
    /// Its type.
    pub record_type: RecordType,
    /// How long it holds, in seconds.
    pub ttl: u32,
    /// Its data.
    pub rdata: &'m [u8],
}

/// A query with EDNS for a name and type, of class IN.
pub fn query(name: &Name, record_type: RecordType, subnet: Option<ClientSubnet>) -> Vec<u8> {
    let mut message = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    message.extend_from_slice(name.wire());
    for word in [record_type.0, CLASS_IN] {
        message.extend_from_slice(&word.to_be_bytes());
    }
    let mut option = Vec::new();
    if let Some(subnet) = subnet {
        let bytes = usize::from(subnet.prefix_bits).div_ceil(8);
        let (family, address) = match subnet.address {
            std::net::IpAddr::V4(v4) => (1_u16, v4.octets().to_vec()),
            std::net::IpAddr::V6(v6) => (2, v6.octets().to_vec()),
        };
        let mut address = address[..bytes.min(address.len())].to_vec();
        let bits_beyond = bytes * 8 - usize::from(subnet.prefix_bits);
        if let Some(last) = address.last_mut() {
            *last &= 0xff_u8 << bits_beyond;
        }
        option.extend_from_slice(&CLIENT_SUBNET.to_be_bytes());
        option.extend_from_slice(&(4 + address.len() as u16).to_be_bytes());
        option.extend_from_slice(&family.to_be_bytes());
        option.extend_from_slice(&[subnet.prefix_bits, 0]);
        option.extend_from_slice(&address);
    }
    message.extend_from_slice(&[0, 0, 41, 0x10, 0, 0, 0, 0, 0]);
    message.extend_from_slice(&(option.len() as u16).to_be_bytes());
    message.extend_from_slice(&option);
    message
}

/// The records of a response of ours, in order; as many as can be read.
pub fn records(response: &[u8]) -> Vec<Record<'_>> {
    let mut records = Vec::new();
    let mut reader = Reader {
        message: response,
        at: HEADER_BYTES,
    };
    let count = |at: usize| {
        let bytes = response.get(at..at + 2);
        bytes.map_or(0, |bytes| {
            usize::from(bytes[0]) << 8 | usize::from(bytes[1])
        })
    };
    if count(4) == 1 && reader.question().is_none() {
        return records;
    }
    let total = count(6) + count(8) + count(10);
    for place in 0..total {
        match reader.record(place < count(6)) {
            Some(record) => records.push(record),
            None => break,
        }
    }
    records
}

/// The scope of the client subnet in a response of ours.
pub fn scope_bits(response: &[u8]) -> Option<u8> {
    let opt = records(response)
        .into_iter()
        .rfind(|record| record.record_type == RecordType::OPT)?;
    let mut rest = opt.rdata;
    while let [code_high, code_low, high, low, after @ ..] = rest {
        let bytes = usize::from(*high) << 8 | usize::from(*low);
        let data = after.get(..bytes)?;
        if u16::from_be_bytes([*code_high, *code_low]) == CLIENT_SUBNET {
            return data.get(3).copied();
        }
        rest = &after[bytes..];
    }
    None
}

struct Reader<'m> {
    message: &'m [u8],
    at: usize,
}

impl<'m> Reader<'m> {
    fn question(&mut self) -> Option<()> {
        self.name()?;
        self.at += 4;
        Some(())
    }

    fn record(&mut self, is_answer: bool) -> Option<Record<'m>> {
        let name = self.name()?;
        let fixed = self.message.get(self.at..)?.first_chunk::<RECORD_BYTES>()?;
        let word = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let from = self.at + RECORD_BYTES;
        self.at = from + usize::from(word(8));
        Some(Record {
            is_answer,
            name,
            record_type: RecordType(word(0)),
            ttl: u32::from(word(4)) << 16 | u32::from(word(6)),
            rdata: self.message.get(from..self.at)?,
        })
    }

    /// A name that may be, or end in, a pointer.
    fn name(&mut self) -> Option<Name> {
        let mut wire = Vec::new();
        let (mut at, mut end) = (self.at, None);
        for _ in 0..records::limits::NAME_BYTES_MAX + POINTERS_MAX {
            let length = *self.message.get(at)?;
            match length {
                0 => {
                    wire.push(0);
                    self.at = end.unwrap_or(at + 1);
                    return Name::from_wire(&wire).ok();
                }
                0xc0.. => {
                    end.get_or_insert(at + 2);
                    let low = *self.message.get(at + 1)?;
                    at = usize::from(length & 0x3f) << 8 | usize::from(low);
                }
                _ => {
                    let next = at + 1 + usize::from(length);
                    wire.extend_from_slice(self.message.get(at..next)?);
                    at = next;
                }
            }
        }
        None
    }
}
