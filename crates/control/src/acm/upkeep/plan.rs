//! What is to be done for a certificate now, or when next. Nothing here reads or writes.

use certificates::renewal;
use documents::acm::{Certificate, Source, State};

use crate::limits::{RENEWED_AGAIN_MS_MIN, VALIDATION_MS};

/// A time that does not come.
pub const NEVER: u64 = u64::MAX;

/// What the plan for a certificate depends on besides what is kept of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// An ACME server issues it; otherwise the local authority does, which is always there.
    pub is_by_acme: bool,
    /// It is not issued before all of its names are validated.
    pub is_validated_first: bool,
    /// Somebody is served with it, or has it as a file.
    pub is_used: bool,
    /// What is served is of another authority than the one that issues it.
    pub is_another: bool,
    /// It names a responder, and its issuer is known.
    pub has_responder: bool,
    /// When the OCSP response that is stapled ends, in milliseconds since 1970.
    pub staple_ends_ms: Option<u64>,
    /// When its authority wants it to be renewed, in milliseconds since 1970.
    pub asked_ms: Option<u64>,
    /// When its authority is asked when that is, in milliseconds since 1970.
    pub window_due_ms: Option<u64>,
}

/// What is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing before that time, in milliseconds since 1970.
    Wait(u64),
    /// To look whether its names are validated.
    Validate,
    /// To issue it.
    Issue,
    /// To issue it anew.
    Renew,
    /// To ask its responder; or to take away what it said long ago.
    Staple,
    /// To ask its authority when it is to be renewed.
    Window,
    /// To give it up: nobody has validated its names.
    TimeOut,
}

/// What is next for a certificate.
pub fn plan(certificate: &Certificate, now_ms: u64, facts: &Facts) -> Next {
    match certificate.state {
        State::Pending => pending(certificate, now_ms, facts),
        State::Issued => issued(certificate, now_ms, facts),
        State::Failed { .. } | State::TimedOut | State::Revoked { .. } => Next::Wait(NEVER),
    }
}

fn pending(certificate: &Certificate, now_ms: u64, facts: &Facts) -> Next {
    if certificate.source == Source::Imported {
        return Next::Wait(NEVER);
    }
    // An ACME server validates names too; the local authority does not, and may only be late.
    let ends = facts.is_validated_first || facts.is_by_acme;
    if ends && now_ms >= certificate.created_ms.saturating_add(VALIDATION_MS) {
        return Next::TimeOut;
    }
    let is_validated = |name| certificate.validated.contains(name);
    if facts.is_validated_first && !certificate.names.iter().all(is_validated) {
        return Next::Validate;
    }
    match now_ms < certificate.work.not_before_ms {
        true => Next::Wait(certificate.work.not_before_ms),
        false => Next::Issue,
    }
}

fn issued(certificate: &Certificate, now_ms: u64, facts: &Facts) -> Next {
    let renewal_ms = renewal_ms(certificate, facts);
    if now_ms >= renewal_ms {
        return Next::Renew;
    }
    let asked_ms = match facts.has_responder {
        true => certificate.work.ocsp_due_ms,
        false => NEVER,
    };
    let staple_ms = asked_ms.min(facts.staple_ends_ms.unwrap_or(NEVER));
    if now_ms >= staple_ms {
        return Next::Staple;
    }
    let window_ms = facts.window_due_ms.unwrap_or(NEVER);
    if now_ms >= window_ms {
        return Next::Window;
    }
    Next::Wait(renewal_ms.min(staple_ms).min(window_ms))
}

/// When a certificate is renewed, or that is tried again.
fn renewal_ms(certificate: &Certificate, facts: &Facts) -> u64 {
    if certificate.source == Source::Imported {
        return NEVER;
    }
    let due_ms = if certificate.work.is_wanted || facts.is_another {
        0
    } else if facts.is_by_acme && !facts.is_used {
        // As ACM does. Those of the local authority cost nothing.
        NEVER
    } else {
        let (from, to) = (certificate.not_before_secs, certificate.not_after_secs);
        let due_ms = renewal::due_ms(&certificate.id, from, to);
        // However often its authority wants that, this is no storm.
        let earliest_ms = certificate.issued_ms.saturating_add(RENEWED_AGAIN_MS_MIN);
        let asked_ms = facts.asked_ms.map_or(NEVER, |at_ms| at_ms.max(earliest_ms));
        due_ms.min(asked_ms)
    };
    due_ms.max(certificate.work.not_before_ms)
}
