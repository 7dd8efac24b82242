//! XML, as AWS's REST services write it: a walker over a shape's table in each direction.
//!
//! [`read`] takes an element to the JSON form that [`crate::from_value`] takes, [`write`] goes
//! back. What a document may be is narrow: UTF-8, no document type, no entities but the five that
//! XML has itself, and no more depth, elements and bytes than `limits` says. Prefixes and
//! attributes say nothing to AWS, and are passed over.

mod reader;
mod writer;

pub use reader::read;
pub(crate) use reader::read_at;
pub use writer::{escape, write};

/// Whether XML 1.0 allows a character in a document at all (§2.2), even escaped.
fn is_character(character: char) -> bool {
    matches!(
        character,
        '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..
    )
}
