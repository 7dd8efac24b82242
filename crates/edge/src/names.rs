//! Which query strings and cookies a policy means, and the taking apart of both.

use smallvec::SmallVec;

use crate::deployment;

const DEPLOYMENT_COOKIE: &[u8] = deployment::COOKIE.as_bytes();

use crate::site::wildcard_match;

/// Which names a policy selects (spec §3.2–3.4). Names are case-sensitive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NameRule {
    /// No name.
    None,
    /// Every name.
    All,
    /// These names.
    Only(Vec<String>),
    /// Every name but these.
    Except(Vec<String>),
    /// Names that match one of these wildcard patterns (legacy cookie lists alone).
    Patterns(Vec<String>),
}

impl NameRule {
    /// Whether the name is selected.
    #[inline]
    pub fn selects(&self, name: &[u8]) -> bool {
        let listed = |names: &[String]| names.iter().any(|other| other.as_bytes() == name);
        match self {
            NameRule::None => false,
            NameRule::All => true,
            NameRule::Only(names) => listed(names),
            NameRule::Except(names) => !listed(names),
            NameRule::Patterns(patterns) => patterns
                .iter()
                .any(|pattern| wildcard_match(pattern.as_bytes(), name)),
        }
    }

    /// Whether no name at all is selected.
    pub fn is_none(&self) -> bool {
        matches!(self, NameRule::None)
    }

    /// What is forwarded when a cache policy says `keyed` and an origin request policy says
    /// `more` (the table of spec §3.4).
    pub fn union(keyed: &NameRule, more: &NameRule) -> NameRule {
        use NameRule::{All, Except, None, Only};
        let without = |names: &[String], gone: &[String]| -> Vec<String> {
            names
                .iter()
                .filter(|name| !gone.contains(name))
                .cloned()
                .collect()
        };
        match (keyed, more) {
            (None, rule) | (rule, None) => rule.clone(),
            (All, _) | (_, All) => All,
            (Only(a), Only(b)) => Only([a.clone(), without(b, a)].concat()),
            (Only(a), Except(b)) => Except(without(b, a)),
            (Except(a), Only(b)) => Except(without(a, b)),
            (Except(a), Except(b)) => Except([a.clone(), without(b, a)].concat()),
            // Legacy patterns stand alone: an origin request policy needs a cache policy.
            (rule @ NameRule::Patterns(_), _) | (_, rule @ NameRule::Patterns(_)) => rule.clone(),
        }
    }
}

/// Appends the pairs of a raw query that the rule selects, as they are and in their order.
pub fn select_query(rule: &NameRule, query: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(query) = query.filter(|query| !query.is_empty()) else {
        return;
    };
    match rule {
        NameRule::None => {}
        NameRule::All => out.extend_from_slice(query),
        _ => {
            let start = out.len();
            for pair in query.split(|byte| *byte == b'&') {
                let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
                if pair.is_empty() || !rule.selects(name) {
                    continue;
                }
                if out.len() > start {
                    out.push(b'&');
                }
                out.extend_from_slice(pair);
            }
        }
    }
}

/// Appends the cookies that the rule selects, sorted by name so that their order splits no
/// cache, as one `Cookie` value. A field that is not a list of `name=value` is dropped whole
/// (spec §3.7).
pub fn select_cookies<'a>(
    rule: &NameRule,
    fields: impl Iterator<Item = &'a [u8]>,
    out: &mut Vec<u8>,
) {
    if rule.is_none() {
        return;
    }
    let mut cookies: SmallVec<[(&[u8], &[u8]); 16]> = SmallVec::new();
    for field in fields {
        let before = cookies.len();
        for pair in field.split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
            if pair.is_empty() {
                continue;
            }
            match memchr::memchr(b'=', pair) {
                Some(at) if at > 0 => cookies.push((&pair[..at], pair)),
                _ => {
                    cookies.truncate(before);
                    break;
                }
            }
        }
    }
    // The edge's own cookie is nobody else's, and would split every cache.
    cookies.retain(|(name, _)| rule.selects(name) && *name != DEPLOYMENT_COOKIE);
    cookies.sort_by_key(|(name, _)| *name);
    for (index, (_, pair)) in cookies.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b"; ");
        }
        out.extend_from_slice(pair);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    fn query(rule: &NameRule, query: &str) -> String {
        let mut out = Vec::new();
        select_query(rule, Some(query.as_bytes()), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn cookies(rule: &NameRule, fields: &[&str]) -> String {
        let mut out = Vec::new();
        select_cookies(rule, fields.iter().map(|field| field.as_bytes()), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_query_keeps_its_order_and_its_bytes() {
        assert_eq!(query(&NameRule::All, "b=1&a=%20&&c"), "b=1&a=%20&&c");
        assert_eq!(
            query(&NameRule::Only(names(&["a", "c"])), "b=1&c&a=2&A=3"),
            "c&a=2"
        );
        assert_eq!(
            query(&NameRule::Except(names(&["a"])), "b=1&a=2&a&c="),
            "b=1&c="
        );
        assert_eq!(query(&NameRule::None, "a=1"), "");
    }

    #[test]
    fn cookies_are_sorted_and_malformed_fields_are_dropped() {
        assert_eq!(
            cookies(&NameRule::All, &["b=2; a=1", "c=3"]),
            "a=1; b=2; c=3"
        );
        assert_eq!(cookies(&NameRule::All, &["b=2; junk", "c=3"]), "c=3");
        assert_eq!(
            cookies(&NameRule::Only(names(&["a"])), &["A=2; a=1;"]),
            "a=1"
        );
        assert_eq!(
            cookies(&NameRule::Patterns(names(&["se*"])), &["x=1; session=2"]),
            "session=2"
        );
    }

    proptest! {
        /// Every cell of the table in spec §3.4: a name is forwarded as the table says.
        #[test]
        fn the_union_forwards_what_the_table_says(
            a in rule(), b in rule(), name in "[a-d]"
        ) {
            use NameRule::{All, Except, None, Only};
            let union = NameRule::union(&a, &b);
            let (in_a, in_b) = (a.selects(name.as_bytes()), b.selects(name.as_bytes()));
            let want = match (&a, &b) {
                (None, _) => in_b,
                (_, None) => in_a,
                (All, _) | (_, All) => true,
                (Only(_), _) | (_, Only(_)) => in_a || in_b,
                (Except(_), Except(_)) => in_a && in_b,
                _ => unreachable!(),
            };
            prop_assert_eq!(union.selects(name.as_bytes()), want);
        }

        #[test]
        fn cookie_order_does_not_matter(mut pairs in prop::collection::vec("[a-c]=[0-9]", 0..6)) {
            pairs.sort();
            pairs.dedup_by_key(|pair| pair.as_bytes()[0]);
            let forward = cookies(&NameRule::All, &[&pairs.join("; ")]);
            pairs.reverse();
            prop_assert_eq!(forward, cookies(&NameRule::All, &[&pairs.join(";")]));
        }
    }

    fn rule() -> impl Strategy<Value = NameRule> {
        let list = || prop::collection::vec("[a-d]", 0..3);
        prop_oneof![
            Just(NameRule::None),
            Just(NameRule::All),
            list().prop_map(NameRule::Only),
            list().prop_map(NameRule::Except),
        ]
    }
}
