//! Whose signatures open a behavior: its key groups' keys, read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shapes::cloudfront as cf;
use signed::{PublicKey, Signers};

use super::Policies;
use super::rules::Rules;
use crate::names::NameRule;

/// Who may open a behavior.
#[derive(Debug)]
pub struct TrustedSigners {
    /// Their keys. None at all is possible: then nobody opens it.
    pub keys: Signers,
    /// Different for each that was ever compiled, so that what one of them verified opens no other.
    pub generation: u64,
}

/// What the edge takes out of requests to such behaviors: these cookies are its own.
const COOKIES: [&str; 5] = [
    "CloudFront-Expires",
    "CloudFront-Policy",
    "CloudFront-Signature",
    "CloudFront-Key-Pair-Id",
    "CloudFront-Hash-Algorithm",
];

/// The signers of a behavior, where it has any; or the member that is wrong, and why.
///
/// Trusted signers of the old kind are other accounts' keys, of which there are none here: such a
/// behavior is closed to all whom its key groups do not name.
pub(super) fn compile(
    behavior: &cf::CacheBehavior,
    policies: &Policies,
) -> Result<Option<Arc<TrustedSigners>>, (String, String)> {
    let by_accounts = behavior.trusted_signers.as_ref();
    let by_accounts = by_accounts.is_some_and(|signers| signers.enabled);
    let groups = behavior.trusted_key_groups.as_ref();
    let groups = groups.filter(|groups| groups.enabled);
    if !by_accounts && groups.is_none() {
        return Ok(None);
    }
    let private = &policies.private;
    let mut keys = Vec::new();
    let ids = groups.and_then(|groups| groups.items.as_deref());
    for (index, id) in ids.unwrap_or_default().iter().enumerate() {
        let wrong = |message| (format!("TrustedKeyGroups.Items[{index}]"), message);
        let group = private.key_groups.get(id);
        let group = group.ok_or_else(|| wrong(format!("'{id}' is no key group")))?;
        for key_id in &group.items {
            let of_group = |what: String| wrong(format!("public key '{key_id}' of '{id}' {what}"));
            let key = private.public_keys.get(key_id);
            let key = key.ok_or_else(|| of_group("is missing".to_owned()))?;
            let key = PublicKey::from_pem(&key.encoded_key);
            let key = key.map_err(|error| of_group(format!("cannot be read: {error}")))?;
            keys.push((key_id.clone(), key));
        }
    }
    static GENERATION: AtomicU64 = AtomicU64::new(0);
    Ok(Some(Arc::new(TrustedSigners {
        keys: Signers::new(keys),
        generation: GENERATION.fetch_add(1, Ordering::Relaxed),
    })))
}

/// Takes what proves a right to see something out of what is seen: it splits no cache, and no
/// origin gets it. A cookie that a policy lists by its name stays.
pub(super) fn strip(rules: &mut Rules) {
    for query in [&mut rules.key.query, &mut rules.forward.query] {
        let names = std::mem::replace(query, NameRule::None);
        *query = match names {
            NameRule::Only(mut names) => {
                names.retain(|name| !signed::QUERY_NAMES.contains(&name.as_str()));
                NameRule::Only(names)
            }
            names => without(names, &signed::QUERY_NAMES),
        };
    }
    for cookies in [&mut rules.key.cookies, &mut rules.forward.cookies] {
        let names = std::mem::replace(cookies, NameRule::None);
        *cookies = without(names, &COOKIES);
    }
}

/// The rule without these names, but for those that it lists.
fn without(rule: NameRule, gone: &[&str]) -> NameRule {
    let gone = gone.iter().map(|name| (*name).to_owned());
    match rule {
        NameRule::All => NameRule::Except(gone.collect()),
        NameRule::Except(names) => NameRule::Except(names.into_iter().chain(gone).collect()),
        listed => listed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_loses_names_but_for_those_that_it_lists() {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let gone = ["Policy"];
        assert_eq!(
            without(NameRule::All, &gone),
            NameRule::Except(names(&gone))
        );
        assert_eq!(
            without(NameRule::Except(names(&["a"])), &gone),
            NameRule::Except(names(&["a", "Policy"]))
        );
        let listed = NameRule::Only(names(&["Policy"]));
        assert_eq!(without(listed.clone(), &gone), listed);
        assert_eq!(without(NameRule::None, &gone), NameRule::None);
    }
}
