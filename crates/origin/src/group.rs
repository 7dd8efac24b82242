//! Origin groups (spec §7.4): when the next member is asked, and asking it.
//!
//! The documentation of 2025 lets an unreachable primary fail over only when 503 is listed and a
//! slow one only when 504 is; that of 2023 had no such condition. Here an error fails over when
//! the list holds the status that the viewer would get for it (502, or 504 when it is a timeout),
//! and an unreachable origin also when it holds 503. So whoever wrote a list for either reading
//! gets the failover meant.

use message::Method;

use crate::{Client, FetchError, OriginRequest, OriginResponse, OriginSpec};

/// The failover criteria of an origin group.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FailoverRule {
    /// Statuses that send the request on to the next member.
    pub statuses: Vec<u16>,
}

/// What asking one member came to.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// A response head with this status.
    Status(u16),
    /// No response.
    Error(FetchError),
}

/// What to do about an outcome.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// Ask the next member.
    Failover,
    /// This is the answer.
    Final,
}

impl FailoverRule {
    /// Decides about the outcome of a member that is not the last one.
    pub fn decide(&self, outcome: Outcome) -> Decision {
        let is_listed = |status: u16| self.statuses.contains(&status);
        let fails_over = match outcome {
            Outcome::Status(status) => is_listed(status),
            Outcome::Error(error) if !error.is_origin_failure() => false,
            Outcome::Error(error) if error.is_connection_failure() => {
                is_listed(503) || is_listed(502) || (error.is_timeout() && is_listed(504))
            }
            Outcome::Error(error) => is_listed(error.status()),
        };
        if fails_over {
            Decision::Failover
        } else {
            Decision::Final
        }
    }
}

/// The answer of a group.
#[derive(Debug)]
pub struct GroupAnswer {
    /// The index of the member that gave it.
    pub member: usize,
    /// The answer itself.
    pub result: Result<OriginResponse, FetchError>,
}

impl GroupAnswer {
    /// The status that the viewer gets when there is no response: that of the error, but 504 when
    /// the request failed over and the last member could not be reached either.
    pub fn error_status(&self) -> Option<u16> {
        let error = self.result.as_ref().err()?;
        let is_unreachable = self.member > 0 && error.is_connection_failure();
        Some(if is_unreachable { 504 } else { error.status() })
    }
}

/// Asks the members in order until one answer is final. Every request starts at the first: there
/// is no memory. `compose` makes the request for a member by its index, or says why it cannot; it
/// is called once for each member asked. Methods other than GET, HEAD and OPTIONS ask the first
/// member only.
///
/// # Panics
/// When there is no member: a group has at least one.
pub async fn fetch_group(
    client: &Client,
    method: Method,
    rule: &FailoverRule,
    members: &[&OriginSpec],
    mut compose: impl FnMut(usize) -> Result<OriginRequest, FetchError>,
) -> GroupAnswer {
    assert!(!members.is_empty(), "an origin group has members");
    let mut member = 0;
    loop {
        let may_fail_over = is_failover_method(method) && member + 1 < members.len();
        let result = match compose(member) {
            Ok(request) => client.fetch(members[member], request).await,
            Err(error) => Err(error),
        };
        let outcome = match &result {
            Ok(response) => Outcome::Status(response.head.status),
            Err(error) => Outcome::Error(*error),
        };
        if !may_fail_over || rule.decide(outcome) == Decision::Final {
            return GroupAnswer { member, result };
        }
        tracing::debug!(origin = %members[member].id, ?outcome, "failing over");
        member += 1;
    }
}

fn is_failover_method(method: Method) -> bool {
    matches!(method, Method::Get | Method::Head | Method::Options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BodyError, DnsError, TlsFailure};
    use std::io::ErrorKind;

    #[test]
    fn the_failover_table() {
        let refused = FetchError::Connect(ErrorKind::ConnectionRefused);
        let unknown = FetchError::Dns(DnsError::NoAddress);
        let untrusted = FetchError::Tls(TlsFailure::UntrustedIssuer);
        let table: &[(&[u16], Outcome, bool)] = &[
            (&[500], Outcome::Status(500), true),
            (&[500], Outcome::Status(502), false),
            (&[404], Outcome::Status(404), true),
            (&[404], Outcome::Status(200), false),
            (&[], Outcome::Status(500), false),
            (&[503], Outcome::Error(refused), true),
            (&[502], Outcome::Error(refused), true),
            (&[504], Outcome::Error(refused), false),
            (&[500, 404], Outcome::Error(refused), false),
            (&[503], Outcome::Error(unknown), true),
            (&[503], Outcome::Error(untrusted), true),
            (&[503], Outcome::Error(FetchError::ConnectTimeout), true),
            (&[504], Outcome::Error(FetchError::ConnectTimeout), true),
            (&[500], Outcome::Error(FetchError::ConnectTimeout), false),
            (&[504], Outcome::Error(FetchError::ReadTimeout), true),
            (&[503], Outcome::Error(FetchError::ReadTimeout), false),
            (&[504], Outcome::Error(FetchError::CompletionTimeout), true),
            (&[502], Outcome::Error(FetchError::InvalidResponse), true),
            (&[503], Outcome::Error(FetchError::InvalidResponse), false),
            (&[502], Outcome::Error(FetchError::Closed), true),
            (
                &[400, 502, 503],
                Outcome::Error(FetchError::ViewerBody(BodyError::Closed)),
                false,
            ),
            (
                &[400, 502, 503],
                Outcome::Error(FetchError::InvalidRequest),
                false,
            ),
            (
                &[502, 503, 504],
                Outcome::Error(FetchError::TooManyConnections),
                false,
            ),
        ];
        for (statuses, outcome, fails_over) in table {
            let rule = FailoverRule {
                statuses: statuses.to_vec(),
            };
            let want = if *fails_over {
                Decision::Failover
            } else {
                Decision::Final
            };
            assert_eq!(rule.decide(*outcome), want, "{statuses:?} {outcome:?}");
        }
    }

    #[test]
    fn an_unreachable_last_member_is_a_504_and_an_unreachable_only_one_a_502() {
        let refused = FetchError::Connect(ErrorKind::ConnectionRefused);
        let answer = |member, error| GroupAnswer {
            member,
            result: Err(error),
        };
        assert_eq!(answer(0, refused).error_status(), Some(502));
        assert_eq!(answer(1, refused).error_status(), Some(504));
        assert_eq!(
            answer(1, FetchError::InvalidResponse).error_status(),
            Some(502)
        );
    }
}
