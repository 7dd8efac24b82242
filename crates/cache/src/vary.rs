//! Variants: which request fields a stored response depends on.
//!
//! A field that is not forwarded to the origin cannot have changed its answer, and one that is in
//! the cache key has been compared already. What remains of `Vary` is compared as it was forwarded.

use message::{Fields, list_items};
use smallvec::SmallVec;

/// Names that one response may vary on. A response that lists more is treated as `Vary: *`.
pub const VARY_NAMES_MAX: usize = 16;

/// Names in lower case, sorted, each once.
pub type VaryNames = SmallVec<[Box<str>; 2]>;

/// What the `Vary` of a response comes down to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaryRule {
    /// The cache key says it all.
    None,
    /// It answers no other request: `*`. (With a MinTTL above 0 CloudFront ignores that, and so
    /// does [`crate::freshness::judge`]; the names beside the `*` are then in here.)
    Star(VaryNames),
    /// It answers requests that agree in the values of these fields.
    On(VaryNames),
}

/// Reduces the `Vary` fields of a response. `forwarded` and `keyed` say of a lower-case name
/// whether it reaches the origin, and whether the cache key holds its value.
pub fn relevant(
    fields: &Fields,
    forwarded: impl Fn(&str) -> bool,
    keyed: impl Fn(&str) -> bool,
) -> VaryRule {
    let mut star = false;
    let mut names = VaryNames::new();
    for name in fields.get_all("vary").flat_map(list_items) {
        if name == b"*" {
            star = true;
            continue;
        }
        let Ok(name) = std::str::from_utf8(name) else {
            continue;
        };
        let name = name.to_ascii_lowercase();
        if !forwarded(&name) || keyed(&name) {
            continue;
        }
        let Err(at) = names.binary_search_by(|other| (**other).cmp(&name)) else {
            continue;
        };
        if names.len() == VARY_NAMES_MAX {
            star = true;
            continue;
        }
        names.insert(at, name.into());
    }
    match (star, names.is_empty()) {
        (true, _) => VaryRule::Star(names),
        (false, true) => VaryRule::None,
        (false, false) => VaryRule::On(names),
    }
}

/// The values of these fields in one request, as material for a variant's key. Two requests have
/// the same material if and only if they agree in every field, where an absent field differs from
/// an empty one.
pub fn material<'a>(
    names: &[impl AsRef<str>],
    value_of: impl Fn(&str) -> Option<&'a [u8]>,
) -> Vec<u8> {
    const ABSENT: u32 = u32::MAX;
    let mut out = Vec::with_capacity(64);
    for name in names {
        let name = name.as_ref();
        out.extend_from_slice(&(name.len() as u32).to_le_bytes());
        out.extend_from_slice(name.as_bytes());
        match value_of(name) {
            Some(value) => {
                out.extend_from_slice(&(value.len() as u32).to_le_bytes());
                out.extend_from_slice(value);
            }
            None => out.extend_from_slice(&ABSENT.to_le_bytes()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(values: &[&str]) -> VaryRule {
        let fields = values.iter().map(|value| ("Vary", value)).collect();
        relevant(
            &fields,
            |name| name != "unforwarded",
            |name| name == "accept-encoding",
        )
    }

    fn names(names: &[&str]) -> VaryNames {
        names.iter().map(|name| Box::from(*name)).collect()
    }

    #[test]
    fn only_forwarded_fields_outside_of_the_key_remain() {
        assert_eq!(rule(&[]), VaryRule::None);
        assert_eq!(rule(&["Accept-Encoding, unforwarded"]), VaryRule::None);
        let both = VaryRule::On(names(&["cookie", "origin"]));
        assert_eq!(rule(&["Origin, cookie", "ORIGIN,accept-encoding"]), both);
    }

    #[test]
    fn a_star_counts_wherever_it_stands() {
        assert_eq!(rule(&["*"]), VaryRule::Star(names(&[])));
        assert_eq!(
            rule(&["Origin", "a, *"]),
            VaryRule::Star(names(&["a", "origin"]))
        );
    }

    #[test]
    fn too_many_names_count_as_a_star() {
        let list: Vec<_> = (0..=VARY_NAMES_MAX).map(|n| format!("x{n}")).collect();
        assert!(matches!(rule(&[&list.join(",")]), VaryRule::Star(_)));
        assert!(matches!(rule(&[&list[1..].join(",")]), VaryRule::On(_)));
    }

    #[test]
    fn an_absent_field_differs_from_an_empty_one() {
        let absent = material(&["a"], |_| None);
        let empty = material(&["a"], |_| Some(b""));
        assert_ne!(absent, empty);
    }

    fn any_values() -> impl Strategy<Value = Vec<Option<Vec<u8>>>> {
        prop::collection::vec(prop::option::of(prop::collection::vec(0u8..3, 0..3)), 3)
    }

    proptest! {
        #[test]
        fn material_is_equal_exactly_where_values_are(
            one in any_values(), other in any_values(),
        ) {
            let of = |values: &[Option<Vec<u8>>]| {
                material(&["0", "1", "2"], |name| {
                    values[name.parse::<usize>().unwrap()].as_deref()
                })
            };
            prop_assert_eq!(of(&one) == of(&other), one == other);
        }
    }
}
