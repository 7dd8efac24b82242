//! IAM policy documents: who may do what to which resource, and on which conditions.
//!
//! What it does: reads the policies of access keys ([`Policy`]) and of resources
//! ([`ResourcePolicy`]), and decides about requests by either or both ([`decide`]). Everything in
//! a document is either honoured or refused, with the reason, when it is read; nothing is ignored.
//! `*` stands for any characters, none included, `?` for one; in resources they reach across
//! colons and slashes. Actions are the same in any case, resources are not.
//!
//! What it does not: know who asks, or from where. Whoever asks for a decision says so by a
//! [`Request`] with its [`Context`], and [`keys`] says what belongs into that. There is one
//! account: no policy has a say in another's.
//!
//! Read [`Request`], [`Policy`], `statement.rs` and `condition.rs` first.

mod actions;
mod condition;
mod context;
mod document;
#[cfg(test)]
mod example;
pub mod keys;
pub mod limits;
mod policy;
mod principal;
mod principals;
mod resource_policy;
mod statement;
mod template;

pub use context::{Connection, Context, Request};
pub use policy::{Decision, Policy, PolicyError};
pub use principal::{Principal, canonical_account, canonical_user};
pub use resource_policy::{ResourcePolicy, Scope};

/// AWS's rule within one account: who is denied by either policy may not. Else the account's root
/// and its users may what either policy allows; services, origin access identities and anybody
/// else what the resource's policy allows.
pub fn decide(
    identity: Option<&Policy>,
    resource: Option<&ResourcePolicy>,
    request: &Request<'_>,
) -> Decision {
    let of = |decision: Option<Decision>| decision.unwrap_or(Decision::NotAllowed);
    let own = of(identity.map(|policy| policy.decide(request)));
    let theirs = of(resource.map(|policy| policy.decide(request)));
    let is_own_enough = request.principal.account_id().is_some();
    match (own, theirs) {
        (Decision::Denied, _) | (_, Decision::Denied) => Decision::Denied,
        (_, Decision::Allowed) => Decision::Allowed,
        (Decision::Allowed, _) if is_own_enough => Decision::Allowed,
        _ => Decision::NotAllowed,
    }
}
