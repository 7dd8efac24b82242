//! IAM policy documents: who may do what to which resource, and on which conditions.
//!
//! Read [`Policy`] first.

mod context;
pub mod keys;
pub mod limits;
mod policy;
mod principal;
mod resource_policy;

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
    let own = of(identity.map(|policy| policy.decide(request.action, request.resource)));
    let theirs = of(resource.map(|policy| policy.decide(request)));
    let is_own_enough = request.principal.account_id().is_some();
    match (own, theirs) {
        (Decision::Denied, _) | (_, Decision::Denied) => Decision::Denied,
        (_, Decision::Allowed) => Decision::Allowed,
        (Decision::Allowed, _) if is_own_enough => Decision::Allowed,
        _ => Decision::NotAllowed,
    }
}
