//! Zone files (RFC 1035 §5), read whole and written whole.
//!
//! Read are `$ORIGIN`, `$TTL` (RFC 2308), periods with units (`1h30m`), parentheses, comments, and
//! records of class IN whose name, TTL and class may be left out. `$INCLUDE` and `$GENERATE` are
//! refused: a file is all that is read, and says each record itself. Whether the records make a
//! zone (one SOA, nothing beside a CNAME) is for others to say.

mod entries;

use std::borrow::Borrow;
use std::fmt::{self, Write};

use thiserror::Error;

use crate::limits::{TTL_SECS_MAX, ZONE_FILE_ERRORS_MAX, ZONE_FILE_RECORDS_MAX};
use crate::rdata::{self, Grammar};
use crate::text::{Escapes, Kind, Token};
use crate::{Name, RecordType};
use entries::{Entries, Entry};

/// A record of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose it is.
    pub name: Name,
    /// Seconds, at most 2147483647.
    pub ttl: u32,
    /// Never a type that is of queries alone.
    pub record_type: RecordType,
    /// In wire form, of the form that its type has.
    pub rdata: Vec<u8>,
}

/// What is wrong with a file: its author's fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {message}")]
pub struct ZoneFileError {
    /// From 1. Of an entry over several lines it is the first.
    pub line: usize,
    /// A sentence, without the dot.
    pub message: String,
}

/// How much is read of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A file with more is refused.
    pub records: usize,
    /// After so many, the rest is not looked at.
    pub errors: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            records: ZONE_FILE_RECORDS_MAX,
            errors: ZONE_FILE_ERRORS_MAX,
        }
    }
}

/// The records of a file in their order, or all that is wrong with it. `origin` is the zone's
/// name: what `@` is until `$ORIGIN` says otherwise, and what all names must be within.
pub fn parse(text: &str, origin: &Name, limits: Limits) -> Result<Vec<Record>, Vec<ZoneFileError>> {
    let mut reader = Reader {
        zone: origin,
        origin: origin.clone(),
        owner: None,
        default_ttl: None,
        last_ttl: None,
    };
    let mut entries = Entries::new(text);
    let (mut records, mut errors) = (Vec::new(), Vec::new());
    while let Some(entry) = entries.next() {
        let line = entry.line;
        let read = reader.entry(&entry);
        let is_full = records.len() >= limits.records;
        let message = match read {
            Ok(Some(_)) if is_full => format!("a file has at most {} records", limits.records),
            Ok(Some(record)) => {
                records.push(record);
                continue;
            }
            Ok(None) => continue,
            Err(message) => message,
        };
        errors.push(ZoneFileError { line, message });
        if is_full || errors.len() >= limits.errors {
            break;
        }
    }
    match errors.is_empty() {
        true => Ok(records),
        false => Err(errors),
    }
}

/// What entries say for those after them.
struct Reader<'z> {
    zone: &'z Name,
    origin: Name,
    owner: Option<Name>,
    default_ttl: Option<u32>,
    last_ttl: Option<u32>,
}

impl Reader<'_> {
    fn entry(&mut self, entry: &Entry<'_, '_>) -> Result<Option<Record>, String> {
        let (first, rest) = match (entry.tokens, entry.is_indented) {
            ([first, rest @ ..], false) => (Some(*first), rest),
            (tokens, _) => (None, tokens),
        };
        let is_directive = first.is_some_and(|first| first.text.starts_with('$'));
        match first {
            Some(first) if is_directive && first.kind == Kind::Plain => {
                match entry.fault {
                    Some(fault) => return Err(fault.to_owned()),
                    None => self.directive(first.text, rest)?,
                }
                return Ok(None);
            }
            // A wrong name is said once, not again for each record after it that leaves it out.
            Some(first) => {
                let name = self.name(first).and_then(|name| self.within(name));
                self.owner = Some(
                    name.as_ref()
                        .map_or_else(|_| self.zone.clone(), Name::clone),
                );
                name?;
            }
            None => {}
        }
        match (entry.fault, &self.owner) {
            (Some(fault), _) => Err(fault.to_owned()),
            (None, None) => Err("the first record has no name".to_owned()),
            (None, Some(owner)) => {
                let name = owner.clone();
                self.record(name, rest).map(Some)
            }
        }
    }

    fn directive(&mut self, directive: &str, values: &[Token<'_>]) -> Result<(), String> {
        let is = |name: &str| directive.eq_ignore_ascii_case(name);
        if is("$INCLUDE") {
            return Err("$INCLUDE is not taken: the other file's records must be here".to_owned());
        }
        if is("$GENERATE") {
            return Err("$GENERATE is not taken: each record must be written out".to_owned());
        }
        let [value] = values else {
            return Err(format!("{directive} has {} values, not one", values.len()));
        };
        if is("$ORIGIN") {
            self.origin = self.name(*value)?;
        } else if is("$TTL") {
            self.default_ttl = Some(ttl(value.text)?);
        } else {
            return Err(format!("{directive} is neither $ORIGIN nor $TTL"));
        }
        Ok(())
    }

    fn name(&self, token: Token<'_>) -> Result<Name, String> {
        if token.kind != Kind::Plain {
            return Err(format!(
                "the name {} is in quotation marks",
                excerpt(token.text)
            ));
        }
        let name = match token.text {
            "@" => Ok(self.origin.clone()),
            text => Name::read(text, Escapes::Decimal, self.origin.wire()),
        };
        name.map_err(|error| format!("the name {}: {error}", excerpt(token.text)))
    }

    fn within(&self, name: Name) -> Result<Name, String> {
        match name.is_within(self.zone) {
            true => Ok(name),
            false => Err(format!("the name {name} is not within {}", self.zone)),
        }
    }

    fn record(&mut self, name: Name, tokens: &[Token<'_>]) -> Result<Record, String> {
        let (mut own_ttl, mut has_class, mut rest) = (None, false, tokens);
        let record_type = loop {
            let [token, after @ ..] = rest else {
                return Err("there is no type".to_owned());
            };
            rest = after;
            if token.text.starts_with(|digit: char| digit.is_ascii_digit()) && own_ttl.is_none() {
                own_ttl = Some(ttl(token.text)?);
            } else if !has_class && is_class(token.text)? {
                has_class = true;
            } else {
                break record_type(token.text)?;
            }
        };
        let grammar = Grammar {
            escapes: Escapes::Decimal,
            origin: self.origin.wire(),
        };
        let rdata = rdata::read(record_type, &mut rest.iter().copied(), grammar);
        let rdata = rdata.map_err(|error| {
            let words: Vec<&str> = rest.iter().take(8).map(|token| token.text).collect();
            format!(
                "{record_type} {}: {}",
                excerpt(&words.join(" ")),
                error.message
            )
        })?;
        let ttl = own_ttl.or(self.default_ttl).or(self.last_ttl);
        let ttl = ttl.or_else(|| match (record_type, rdata.last_chunk()) {
            // Its last field is the TTL of what does not exist, once that of all (RFC 2308 §4).
            (RecordType::SOA, Some(minimum)) => Some(u32::from_be_bytes(*minimum)),
            _ => None,
        });
        let ttl = ttl.ok_or("there is no TTL, neither here nor by $TTL before")?;
        self.last_ttl = Some(ttl);
        Ok(Record {
            name,
            ttl: ttl.min(TTL_SECS_MAX),
            record_type,
            rdata,
        })
    }
}

fn ttl(text: &str) -> Result<u32, String> {
    let ttl = rdata::period(text).filter(|ttl| *ttl <= TTL_SECS_MAX);
    ttl.ok_or_else(|| {
        format!(
            "the TTL {} is not 0 to {TTL_SECS_MAX} seconds",
            excerpt(text)
        )
    })
}

/// Whether it is the class; any other than IN is an error.
fn is_class(text: &str) -> Result<bool, String> {
    let is = |class: &str| text.eq_ignore_ascii_case(class);
    let is_numbered = text
        .get(..5)
        .is_some_and(|head| head.eq_ignore_ascii_case("CLASS"));
    if is("IN") || is("CLASS1") {
        return Ok(true);
    }
    match is_numbered || is("CH") || is("HS") || is("CS") {
        true => Err(format!("the class {} is not IN", excerpt(text))),
        false => Ok(false),
    }
}

fn record_type(text: &str) -> Result<RecordType, String> {
    match text.parse() {
        // Types of queries, messages and denials, not of data (RFC 6895 §3.1).
        Ok(RecordType::OPT | RecordType(0 | 128..=255)) => {
            Err(format!("the type {} is none of records", excerpt(text)))
        }
        Ok(record_type) => Ok(record_type),
        Err(()) => Err(format!("the type {} is not known", excerpt(text))),
    }
}

/// As much of a file as a message quotes.
fn excerpt(text: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    let shown = text.chars().map(|character| match character.is_control() {
        true => char::REPLACEMENT_CHARACTER,
        false => character,
    });
    let ellipsis = text.chars().nth(CHARACTERS_MAX).map(|_| '…');
    let shown: String = shown.take(CHARACTERS_MAX).chain(ellipsis).collect();
    format!("'{shown}'")
}

/// Writes a file that [`parse`] reads as the same records: one a line, with names relative to
/// `origin` on the left and whole ones within data. Data that is not of its type's form is written
/// (RFC 3597 §5), but not read again.
pub fn write(
    origin: &Name,
    records: impl IntoIterator<Item = impl Borrow<Record>>,
    file: &mut impl Write,
) -> fmt::Result {
    let mut line = String::from("$ORIGIN ");
    Escapes::Decimal.write_name(origin.wire(), &mut line);
    writeln!(file, "{line}")?;
    for record in records {
        let record: &Record = record.borrow();
        line.clear();
        write_owner(&record.name, origin, &mut line);
        write!(line, "\t{}\tIN\t{}\t", record.ttl, record.record_type)?;
        rdata::write(
            record.record_type,
            &record.rdata,
            Escapes::Decimal,
            &mut line,
        );
        line.push('\n');
        file.write_str(&line)?;
    }
    Ok(())
}

fn write_owner(name: &Name, origin: &Name, line: &mut String) {
    if name == origin {
        line.push('@');
        return;
    }
    let is_relative = !origin.is_root() && name.is_within(origin);
    let wire = match is_relative {
        // A name's wire form that is followed by no root is written with a dot at its end too.
        true => &name.wire()[..name.wire().len() - origin.wire().len()],
        false => name.wire(),
    };
    Escapes::Decimal.write_name(wire, line);
    if is_relative {
        line.pop();
    }
}
