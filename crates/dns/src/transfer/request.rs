//! Requests of secondaries, read in place.

use records::{Name, RecordType};

use super::tsig::Tsig;
use crate::message::{self, CLASS_IN};

/// What a secondary asks.
#[derive(Debug)]
pub(super) struct Request<'q> {
    pub message: &'q [u8],
    /// The name that it asks about.
    pub name: Name,
    pub record_type: RecordType,
    /// Where the question ends.
    pub question_end: usize,
    /// The serial of the zone that the secondary has (RFC 1995 §3).
    pub serial: Option<u32>,
    pub has_edns: bool,
    pub tsig: Option<Tsig<'q>>,
}

/// A message that is not as RFC 1035 §4.1 says, or whose signature is not its last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl<'q> Request<'q> {
    pub fn read(message: &'q [u8]) -> Result<Request<'q>, Malformed> {
        let query = message::read(message).map_err(|_| Malformed)?;
        if query.qclass != CLASS_IN {
            return Err(Malformed);
        }
        let mut request = Request {
            message,
            name: Name::from_wire(query.name).map_err(|_| Malformed)?,
            record_type: query.qtype,
            question_end: query.question_end(),
            serial: None,
            has_edns: query.edns.is_some(),
            tsig: None,
        };
        let count = |at| number(message, at).ok_or(Malformed);
        let (authorities, additionals) = (count(8)?, count(10)?);
        let mut at = request.question_end;
        for _ in 0..authorities {
            let record = Record::read(message, at)?;
            if record.record_type == RecordType::SOA {
                // Behind two names, which may be compressed, five numbers; the serial is the first.
                let numbers = record.rdata.last_chunk::<20>().ok_or(Malformed)?;
                let [a, b, c, d, ..] = *numbers;
                request.serial = Some(u32::from_be_bytes([a, b, c, d]));
            }
            at = record.end;
        }
        for place in 1..=additionals {
            let record = Record::read(message, at)?;
            if record.record_type == RecordType::TSIG {
                if place < additionals {
                    return Err(Malformed);
                }
                request.tsig = Some(Tsig::read(&record, at)?);
            }
            at = record.end;
        }
        Ok(request)
    }
}

/// A record as it lies in a message.
pub(super) struct Record<'q> {
    /// Its name as it was sent.
    pub name: &'q [u8],
    pub record_type: RecordType,
    pub rdata: &'q [u8],
    /// Where the next begins.
    end: usize,
}

impl<'q> Record<'q> {
    fn read(message: &'q [u8], at: usize) -> Result<Record<'q>, Malformed> {
        let name_end = skip_name(message, at)?;
        let record_type = number(message, name_end).ok_or(Malformed)?;
        let rdata_at = name_end + 10;
        let length = number(message, name_end + 8).ok_or(Malformed)?;
        let end = rdata_at + usize::from(length);
        Ok(Record {
            name: &message[at..name_end],
            record_type: RecordType(record_type),
            rdata: message.get(rdata_at..end).ok_or(Malformed)?,
            end,
        })
    }
}

/// A number of 16 bits.
pub(super) fn number(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// Where a name ends that begins at `at`: behind the root or a pointer.
pub(super) fn skip_name(message: &[u8], mut at: usize) -> Result<usize, Malformed> {
    loop {
        let length = *message.get(at).ok_or(Malformed)?;
        at += match length {
            0 => return Ok(at + 1),
            1..=63 => 1 + usize::from(length),
            0xc0.. => return Ok(at + 2),
            _ => return Err(Malformed),
        };
    }
}
