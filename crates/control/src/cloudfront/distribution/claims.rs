//! What only one may have: a host name, a caller reference, a continuous deployment policy.
//!
//! Host names are claimed by distributions and by distribution tenants alike.

use std::collections::BTreeSet;

use documents::keys;
use shapes::cloudfront::{self as cf, error};
use shapes::schema::ErrorShape;

use super::limits::ALIASES_CHANGED_MAX;
use crate::call::Call;
use crate::change::Change;
use crate::error::Failure;

/// Kind of the claims on aliases and on tenants' domains, in lower case; the owner is the id of the
/// distribution or the tenant.
pub const HOST_NAME: &str = "alias";
/// Kind of the claims on distributions' own names; the owner is the distribution.
pub const OWN_NAME: &str = "domain-name";
/// Kind of the claims on continuous deployment policies; the owner is the primary distribution.
pub const DEPLOYMENT_POLICY: &str = "primary-of-policy";
/// Kind of the claims on staging distributions; the owner is the policy that names it.
pub const STAGING: &str = "policy-of-staging";
const CALLER_REFERENCE: &str = "caller-reference/distribution";

/// Kind of a claim, and what is claimed.
type Claim = (&'static str, String);

/// What a config has for itself.
fn of(config: &cf::DistributionConfig) -> BTreeSet<Claim> {
    let aliases = config.aliases.iter().flat_map(|list| list.items());
    let mut claims: BTreeSet<Claim> = aliases
        .map(|alias| (HOST_NAME, alias.to_ascii_lowercase()))
        .collect();
    claims.insert((CALLER_REFERENCE, config.caller_reference.clone()));
    let policy = config.continuous_deployment_policy_id.as_ref();
    if let Some(policy) = policy.filter(|policy| !policy.is_empty()) {
        claims.insert((DEPLOYMENT_POLICY, policy.clone()));
    }
    claims
}

/// Adds to a change that a distribution gives up what its old config had and takes what the new
/// one has; refuses what another has.
pub async fn transfer(
    call: &Call<'_>,
    mut change: Change,
    id: &str,
    old: Option<&cf::DistributionConfig>,
    new: Option<&cf::DistributionConfig>,
) -> Result<Change, Failure> {
    let old = old.map(of).unwrap_or_default();
    let new = new.map(of).unwrap_or_default();
    let taken: Vec<&Claim> = new.difference(&old).collect();
    let given_up: Vec<&Claim> = old.difference(&new).collect();
    check_number(&taken, &given_up)?;
    let claim_keys: Vec<String> = taken
        .iter()
        .map(|(kind, what)| keys::claim(kind, what))
        .collect();
    let owners = read(call, &claim_keys).await?;
    for ((kind, what), owner) in taken.iter().zip(owners) {
        if let Some(owner) = owner {
            return Err(refusal(kind, what, &owner));
        }
        change = change.claim(kind, what, id);
    }
    for (kind, what) in given_up {
        change = change.release(kind, what);
    }
    Ok(change)
}

/// Each is a write of one transaction, which has room for so many.
fn check_number(taken: &[&Claim], given_up: &[&Claim]) -> Result<(), Failure> {
    let names = |claims: &[&Claim]| claims.iter().filter(|(kind, _)| *kind == HOST_NAME).count();
    let (taken, given_up) = (names(taken), names(given_up));
    match taken + given_up <= ALIASES_CHANGED_MAX {
        true => Ok(()),
        false => Err(Failure::api(
            &error::INVALID_ARGUMENT,
            format!(
                "Aliases: {taken} are taken and {given_up} given up; one update may change \
                 {ALIASES_CHANGED_MAX} of them."
            ),
        )),
    }
}

async fn read(call: &Call<'_>, keys: &[String]) -> Result<Vec<Option<String>>, Failure> {
    let mut owners = Vec::with_capacity(keys.len());
    for keys in keys.chunks(store::limits::GET_KEYS_MAX) {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        for document in call.store().get_many(&keys).await? {
            owners.push(document.map(|found| String::from_utf8_lossy(&found.value).into_owned()));
        }
    }
    Ok(owners)
}

fn refusal(kind: &str, what: &str, owner: &str) -> Failure {
    let (shape, message): (&'static ErrorShape, String) = match kind {
        HOST_NAME => (
            &error::CNAME_ALREADY_EXISTS,
            format!(
                "One or more of the CNAMEs you provided are already associated with a different \
                 resource: '{what}' with {owner}."
            ),
        ),
        DEPLOYMENT_POLICY => (
            &error::CONTINUOUS_DEPLOYMENT_POLICY_IN_USE,
            format!("The continuous deployment policy {what} is the policy of {owner} already."),
        ),
        _ => (
            &error::DISTRIBUTION_ALREADY_EXISTS,
            format!("The caller reference '{what}' is that of the distribution {owner} already."),
        ),
    };
    Failure::api(shape, message)
}
