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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::{Bounds, Kind, Member, Shape};

    const fn shape(name: &'static str, kind: Kind) -> Shape {
        Shape {
            name,
            kind,
            bounds: Bounds {
                min: None,
                max: None,
            },
            is_sensitive: false,
        }
    }

    static TEXT: Shape = shape(
        "Text",
        Kind::String {
            choices: &[],
            pattern: None,
        },
    );
    static TEXTS: Shape = shape(
        "Texts",
        Kind::List {
            item: &TEXT,
            wire_name: "member",
            is_flattened: true,
        },
    );
    static STRUCTURE: Shape = shape(
        "Structure",
        Kind::Structure {
            members: &[
                Member::new("Tags", &TEXTS).wire_name("Tag"),
                Member::new("Name", &TEXT),
            ],
            payload: None,
            is_union: false,
        },
    );

    // No service here has flattened lists yet, but most others that speak XML do.
    #[test]
    fn items_of_a_flattened_list_stand_beside_its_siblings() {
        let value = json!({"Name": "n", "Tags": ["a", "b"]});
        let written = write(&STRUCTURE, "S", None, &value);
        let written = String::from_utf8(written).unwrap();
        assert!(written.ends_with("<S><Tag>a</Tag><Tag>b</Tag><Name>n</Name></S>"));

        let apart = b"<S><Tag>a</Tag><Name>n</Name><Tag>b</Tag></S>";
        let read = read(&STRUCTURE, "S", apart).unwrap();
        assert_eq!((read.value, read.unknown), (value, vec![]));
    }
}
