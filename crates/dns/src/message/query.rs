//! Queries, read in place.

use records::RecordType;
use records::limits::{LABEL_BYTES_MAX, NAME_BYTES_MAX};

use super::HEADER_BYTES;
use super::edns::{self, Edns};

const RESPONSE: u16 = 0x8000;
const TYPE_AND_CLASS_BYTES: usize = 4;
/// Type, class, time to live and length.
const RECORD_BYTES: usize = 10;
/// A name that is a pointer.
const POINTER: u8 = 0xc0;

/// A query that can be read. It lies where it was received.
#[derive(Clone, Copy, Debug)]
pub struct Query<'q> {
    /// The second word of the header.
    pub flags: u16,
    /// The name that is asked for, in wire form and the client's case. It begins at byte 12.
    pub name: &'q [u8],
    /// The type that is asked for.
    pub qtype: RecordType,
    /// The class.
    pub qclass: u16,
    /// What EDNS says.
    pub edns: Option<Edns<'q>>,
    /// Whether it is signed (RFC 8945).
    pub has_tsig: bool,
}

/// Why there is no query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It is too short for a header, or a response: it is not answered.
    Silent,
    /// Its kind is not known here; if its question can be read, that ends there.
    Kind {
        /// Where the question ends, or the header.
        question_end: usize,
    },
    /// It does not follow the format.
    Format {
        /// Where the question ends, or the header.
        question_end: usize,
        /// Whether it has EDNS: the response does then.
        has_edns: bool,
    },
}

impl Query<'_> {
    /// Where the question ends.
    pub fn question_end(&self) -> usize {
        HEADER_BYTES + self.name.len() + TYPE_AND_CLASS_BYTES
    }
}

/// Reads a query: one question, at most one OPT, nothing behind it.
#[inline]
pub fn read(message: &[u8]) -> Result<Query<'_>, Malformed> {
    let header = message.first_chunk::<HEADER_BYTES>();
    let header = header.ok_or(Malformed::Silent)?;
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let flags = word(2);
    if flags & RESPONSE != 0 {
        return Err(Malformed::Silent);
    }
    let question = match word(4) {
        1 => question(message),
        _ => None,
    };
    let question_end = question.map_or(HEADER_BYTES, |(end, ..)| end);
    if flags >> 11 & 15 != 0 {
        return Err(Malformed::Kind { question_end });
    }
    let malformed = |has_edns| Malformed::Format {
        question_end,
        has_edns,
    };
    let Some((_, name, qtype, qclass)) = question.filter(|_| word(6) == 0) else {
        return Err(malformed(false));
    };
    let mut query = Query {
        flags,
        name,
        qtype,
        qclass,
        edns: None,
        has_tsig: false,
    };
    let rest = Rest {
        message,
        at: question_end,
    };
    match rest.read(word(8), word(10), &mut query) {
        Some(()) => Ok(query),
        None => Err(malformed(query.edns.is_some())),
    }
}

/// The question: where it ends, its name, type and class.
#[inline]
fn question(message: &[u8]) -> Option<(usize, &[u8], RecordType, u16)> {
    let mut at = HEADER_BYTES;
    loop {
        match usize::from(*message.get(at)?) {
            0 => break,
            length @ 1..=LABEL_BYTES_MAX => at += 1 + length,
            // A pointer could only lead into the header.
            _ => return None,
        }
    }
    let name = &message[HEADER_BYTES..=at];
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let rest = message[at + 1..].first_chunk::<TYPE_AND_CLASS_BYTES>()?;
    let qtype = RecordType(u16::from_be_bytes([rest[0], rest[1]]));
    let qclass = u16::from_be_bytes([rest[2], rest[3]]);
    Some((at + 1 + TYPE_AND_CLASS_BYTES, name, qtype, qclass))
}

/// What follows the question.
struct Rest<'q> {
    message: &'q [u8],
    at: usize,
}

impl<'q> Rest<'q> {
    #[inline]
    fn read(mut self, authorities: u16, additionals: u16, query: &mut Query<'q>) -> Option<()> {
        for _ in 0..authorities {
            // What a client has of a zone that it asks the changes of (RFC 1995 §3).
            self.record()?;
        }
        for _ in 0..additionals {
            if query.has_tsig {
                return None;
            }
            let record = self.record()?;
            match record.record_type {
                RecordType::OPT => {
                    let is_first = query.edns.is_none();
                    // Known before it is read: a malformed one is answered with one, too.
                    let edns = query.edns.insert(Edns::new(record.class, record.ttl));
                    if !is_first || !record.is_of_root {
                        return None;
                    }
                    edns::read_options(record.rdata, edns)?;
                }
                RecordType::TSIG => query.has_tsig = true,
                _ => {}
            }
        }
        (self.at == self.message.len()).then_some(())
    }

    #[inline]
    fn record(&mut self) -> Option<Record<'q>> {
        let is_of_root = *self.message.get(self.at)? == 0;
        self.skip_name()?;
        let fixed = self.message.get(self.at..)?.first_chunk::<RECORD_BYTES>()?;
        let word = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        self.at += RECORD_BYTES;
        let end = self.at + usize::from(word(8));
        let rdata = self.message.get(self.at..end)?;
        self.at = end;
        Some(Record {
            is_of_root,
            record_type: RecordType(word(0)),
            class: word(2),
            ttl: u32::from(word(4)) << 16 | u32::from(word(6)),
            rdata,
        })
    }

    fn skip_name(&mut self) -> Option<()> {
        loop {
            let length = *self.message.get(self.at)?;
            match length {
                0 => {
                    self.at += 1;
                    return Some(());
                }
                POINTER.. => {
                    self.at += 2;
                    return Some(());
                }
                1..=63 => self.at += 1 + usize::from(length),
                _ => return None,
            }
        }
    }
}

struct Record<'q> {
    is_of_root: bool,
    record_type: RecordType,
    class: u16,
    ttl: u32,
    rdata: &'q [u8],
}
