//! The data of records: text to wire ([`parse`]) and back ([`print()`]).
//!
//! One table says which fields the data of each type has; reading, writing, DNSSEC's canonical form
//! and the names that data points to all follow it. Names within data keep the case in which they
//! were entered and are never compressed.

mod form;
mod read;
mod svcb;
mod time;
mod write;

use std::borrow::Cow;
use std::iter;

use thiserror::Error;

use crate::text::{Escapes, Kind, Token, token};
use crate::{Name, RecordType};
use form::{Field, form};

pub(crate) use read::{Grammar, period, read};

/// Why a value is not what its type has. `code` is Route 53's word for it, as its clients know it
/// from `Invalid Resource Record: 'FATAL problem: <code> (<message>) encountered with '<value>''`
/// (spec §8.3, rules 17 to 22).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{code} ({message})")]
pub struct ValueError {
    /// `ARRDATAIllegalIPv4Address`.
    pub code: &'static str,
    /// In a sentence.
    pub message: &'static str,
}

/// The wire form, without compression, of a value as Route 53 takes it (spec §7.3). A type that
/// has no form here takes `\# <bytes> <hex>` alone (RFC 3597 §5).
pub fn parse(record_type: RecordType, value: &str) -> Result<Vec<u8>, ValueError> {
    let grammar = Grammar {
        escapes: Escapes::Octal,
        origin: &[0],
    };
    if let Some(form) = form(record_type).filter(|form| form.is_single()) {
        if value.bytes().any(is_blank) {
            return Err(form.wrong.clone());
        }
        let word = Token {
            text: value,
            kind: Kind::Plain,
            is_glued: false,
        };
        return read(record_type, &mut iter::once(word), grammar);
    }
    let mut at = 0;
    let mut words = iter::from_fn(|| {
        at += value[at..]
            .bytes()
            .take_while(|byte| is_blank(*byte))
            .count();
        let (word, after) = (at < value.len()).then(|| token(value, at, is_blank))?;
        // A line's end is no blank here, and no word could begin with it: it makes one.
        at = after.max(at + usize::from(value.as_bytes()[at] == b'\n'));
        Some(word)
    });
    read(record_type, &mut words, grammar)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The text of a record's data, as Route 53 writes it; data that is not of its type's form is
/// written as `\# <bytes> <hex>` (RFC 3597 §5).
pub fn print(record_type: RecordType, rdata: &[u8]) -> String {
    let mut text = String::with_capacity(rdata.len() + 8);
    write(record_type, rdata, Escapes::Octal, &mut text);
    text
}

/// Appends what [`print()`] says, in Route 53's form or that of zone files.
pub fn write(record_type: RecordType, rdata: &[u8], escapes: Escapes, text: &mut String) {
    let start = text.len();
    let written = form(record_type).and_then(|form| {
        form.split(rdata, |field, bytes| {
            if text.len() > start {
                text.push(' ');
            }
            write::field(field, bytes, escapes, text);
        })
    });
    if written.is_none() {
        text.truncate(start);
        write::unknown(rdata, text);
    }
}

/// The form that is signed: names in the data of the types that RFC 4034 §6.2 lists are in lower
/// case, but not NSEC's (RFC 6840 §5.1).
pub fn canonical(record_type: RecordType, rdata: &[u8]) -> Cow<'_, [u8]> {
    let mut canonical = Cow::Borrowed(rdata);
    let mut at = 0;
    let Some(form) = form(record_type).filter(|form| form.fields.contains(&Field::Name)) else {
        return canonical;
    };
    let split = form.split(rdata, |field, bytes| {
        if field == Field::Name && bytes.iter().any(u8::is_ascii_uppercase) {
            canonical.to_mut()[at..at + bytes.len()].make_ascii_lowercase();
        }
        at += bytes.len();
    });
    match split {
        Some(()) => canonical,
        None => Cow::Borrowed(rdata),
    }
}

/// The name, in wire form, whose addresses whoever asked will want next: of NS, MX, SRV, CNAME,
/// PTR, SVCB and HTTPS. None of another type, or of data that has none. Its case is as entered:
/// [`Name::from_wire`] folds it.
pub fn target_names(record_type: RecordType, rdata: &[u8]) -> Option<&[u8]> {
    let start = match record_type {
        RecordType::NS | RecordType::CNAME | RecordType::PTR => 0,
        RecordType::MX | RecordType::SVCB | RecordType::HTTPS => 2,
        RecordType::SRV => 6,
        _ => return None,
    };
    let rest = rdata.get(start..)?;
    rest.get(..Name::wire_length(rest)?)
}
