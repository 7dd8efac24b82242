//! One order, from its beginning to the chain of certificates (RFC 8555 §7.4).
//!
//! ```text
//! none -> pending --proofs shown, server told--> ready --request sent--> processing -> valid
//!            \______________________________________\______________________/-> invalid
//! ```
//!
//! The order's state is the server's. If a step failed, and may have come through all the same,
//! the next one begins by looking at that state; so it is safe to repeat steps.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use instant_acme::{
    AuthorizationHandle, AuthorizationStatus, Authorizations, ChallengeStatus, Identifier,
    NewOrder, Order, OrderStatus,
};
use tokio::time::{Instant, timeout_at};

use crate::account::{Account, Session};
use crate::error::AcmeError;
use crate::limits::{FAILURES_MAX, ORDER_SECS_MAX, POLL_MS_MAX, POLL_MS_MIN, WITHDRAW_SECS_MAX};
use crate::solver::{Answer, Kind, Solver, protocol_name};

/// Orders a certificate, and returns its chain in PEM form, its own certificate first.
///
/// `names` are those of the request for the certificate (`csr_der`, PKCS #10), in lower case,
/// wildcards with `*.`. Proofs that the authority already has are not given again. Those that
/// were shown are taken back at the end, whatever the end is; but if the future is dropped, they
/// stay, so what a solver shows should expire by itself.
///
/// # Errors
/// When the authority refuses, cannot be reached or takes longer than `deadline`, or when a proof
/// cannot be shown. Failures that pass were waited for, within bounds.
pub async fn issue(
    account: &Account,
    names: &[String],
    csr_der: &[u8],
    solver: &dyn Solver,
    deadline: Duration,
) -> Result<String, AcmeError> {
    let deadline = Instant::now() + deadline.min(Duration::from_secs(ORDER_SECS_MAX));
    let mut answers = Vec::new();
    let work = run(account, names, csr_der, solver, &mut answers, deadline);
    let outcome = timeout_at(deadline, work)
        .await
        .unwrap_or(Err(AcmeError::Deadline));
    let shown = answers
        .iter()
        .filter(|answer: &&Answer| answer.may_be_shown);
    let all = shown.map(|answer| async move {
        solver.withdraw(&answer.challenge()).await;
        Ok(())
    });
    let longest = Instant::now() + Duration::from_secs(WITHDRAW_SECS_MAX);
    // What could not be taken back in time is left to expire.
    let _ = timeout_at(longest, at_once(all)).await;
    outcome
}

async fn run(
    account: &Account,
    names: &[String],
    csr_der: &[u8],
    solver: &dyn Solver,
    answers: &mut Vec<Answer>,
    deadline: Instant,
) -> Result<String, AcmeError> {
    let mut attempt = Attempt {
        account,
        identifiers: names.iter().cloned().map(Identifier::Dns).collect(),
        csr_der,
        solver,
        answers,
        open: None,
        is_stale: false,
        looked_at: 0,
        is_shown: false,
    };
    let mut failures = 0;
    let mut wait_ms = POLL_MS_MIN;
    loop {
        let mut failed = None;
        match attempt.step().await {
            Ok(Step::Done(chain)) => return Ok(chain),
            Ok(Step::Next) => {
                (failures, wait_ms) = (0, POLL_MS_MIN);
                continue;
            }
            Ok(Step::Wait) => failures = 0,
            Err(error) if error.is_passing() && failures < FAILURES_MAX => {
                failures += 1;
                if error.is_nonce() {
                    continue;
                }
                attempt.is_stale = true;
                failed = Some(error);
            }
            Err(error) => return Err(error),
        }
        let asked = attempt
            .open
            .as_ref()
            .and_then(|(session, _)| session.retry_after.last());
        let wait = Duration::from_millis(wait_ms).max(asked.unwrap_or_default());
        // There is no use in waiting for what cannot come in time.
        if Instant::now() + wait >= deadline {
            return Err(failed.unwrap_or(AcmeError::Deadline));
        }
        tokio::time::sleep(wait).await;
        wait_ms = (wait_ms * 2).min(POLL_MS_MAX);
    }
}

/// What a step came to.
enum Step {
    /// The chain of certificates.
    Done(String),
    /// There is something to do at once.
    Next,
    /// The server has something to do.
    Wait,
}

/// An order on its way.
struct Attempt<'a> {
    account: &'a Account,
    identifiers: Vec<Identifier>,
    csr_der: &'a [u8],
    solver: &'a dyn Solver,
    /// The proofs that the order needs.
    answers: &'a mut Vec<Answer>,
    /// The order, once the server has it.
    open: Option<(Session, Order)>,
    /// The last step failed, and whether it came through is not known.
    is_stale: bool,
    /// Authorizations of the order that were looked at; `answers` are for those.
    looked_at: usize,
    /// All proofs are shown.
    is_shown: bool,
}

impl Attempt<'_> {
    async fn step(&mut self) -> Result<Step, AcmeError> {
        let is_told = self.is_shown && self.answers.iter().all(|answer| answer.is_told);
        let Some((session, order)) = &mut self.open else {
            let session = self.account.session().await?;
            let order = session
                .account
                .new_order(&NewOrder::new(&self.identifiers))
                .await;
            let order = order.map_err(|error| session.error(error))?;
            (self.open, self.is_stale) = (Some((session, order)), false);
            return Ok(Step::Next);
        };
        let is_looked_at = match order.state().status {
            OrderStatus::Pending => is_told,
            OrderStatus::Processing => true,
            _ => self.is_stale,
        };
        if is_looked_at {
            order
                .refresh()
                .await
                .map_err(|error| session.error(error))?;
            self.is_stale = false;
        }
        match order.state().status {
            OrderStatus::Pending if !is_told => self.prove().await,
            OrderStatus::Pending | OrderStatus::Processing => Ok(Step::Wait),
            OrderStatus::Ready => {
                let sent = order.finalize_csr(self.csr_der).await;
                sent.map_err(|error| session.error(error))?;
                match order.state().status {
                    OrderStatus::Valid | OrderStatus::Invalid => Ok(Step::Next),
                    _ => Ok(Step::Wait),
                }
            }
            OrderStatus::Valid => match order.certificate().await {
                Ok(Some(chain)) => Ok(Step::Done(chain)),
                Ok(None) => Ok(Step::Wait),
                Err(error) => Err(session.error(error)),
            },
            OrderStatus::Invalid => Err(refusal(session, order).await),
        }
    }

    /// Takes one step to prove the control over all names: looks at an authorization, or shows
    /// all proofs, or tells the server of one.
    async fn prove(&mut self) -> Result<Step, AcmeError> {
        let (session, order) = self.open.as_mut().expect("only a known order is proven");
        if self.looked_at < order.state().authorizations.len() {
            let mut all = order.authorizations();
            let authorization = nth(session, &mut all, self.looked_at).await?;
            self.answers
                .extend(choose(authorization, self.looked_at, self.solver).await?);
            self.looked_at += 1;
        } else if !self.is_shown {
            let solver = self.solver;
            self.answers
                .iter_mut()
                .for_each(|answer| answer.may_be_shown = true);
            at_once(self.answers.iter().map(|answer| async move {
                solver
                    .present(&answer.challenge())
                    .await
                    .map_err(|error| AcmeError::Unpresented {
                        name: answer.full_name.clone(),
                        detail: error.0,
                    })
            }))
            .await?;
            self.is_shown = true;
        } else if let Some(answer) = self.answers.iter_mut().find(|answer| !answer.is_told) {
            let mut all = order.authorizations();
            let authorization = nth(session, &mut all, answer.authorization).await?;
            tell(session, authorization, answer, self.is_stale).await?;
            answer.is_told = true;
            self.is_stale = false;
        }
        Ok(Step::Next)
    }
}

/// The authorization at a place in an order. Each is asked for once, until the order itself is
/// looked at again, which it is not before all of them are dealt with.
async fn nth<'a>(
    session: &Session,
    all: &'a mut Authorizations<'_>,
    place: usize,
) -> Result<AuthorizationHandle<'a>, AcmeError> {
    for _ in 0..place {
        if let Some(Err(error)) = all.next().await {
            return Err(session.error(error));
        }
    }
    match all.next().await {
        Some(authorization) => authorization.map_err(|error| session.error(error)),
        None => Err(AcmeError::Protocol(
            "an order has lost an authorization".to_owned(),
        )),
    }
}

/// The proof that an authorization needs, of the kind that the solver likes best; nothing if the
/// server has one.
async fn choose(
    mut authorization: AuthorizationHandle<'_>,
    place: usize,
    solver: &dyn Solver,
) -> Result<Option<Answer>, AcmeError> {
    match authorization.status {
        AuthorizationStatus::Valid => return Ok(None),
        AuthorizationStatus::Pending => {}
        _ => return Err(failure(&authorization).unwrap_or_else(|| lapsed(&authorization))),
    }
    let full_name = authorization.identifier().to_string();
    let name = full_name
        .strip_prefix("*.")
        .unwrap_or(&full_name)
        .to_owned();
    let kinds = solver.kinds(&name, authorization.wildcard).await;
    let is_offered = |kind: &Kind| {
        authorization
            .challenges
            .iter()
            .any(|challenge| challenge.r#type == kind.of_protocol())
    };
    let Some(kind) = kinds.into_iter().find(is_offered) else {
        let offered = authorization.challenges.iter();
        let offered = offered.map(|challenge| protocol_name(&challenge.r#type));
        let offered = offered.collect::<Vec<_>>().join(", ");
        return Err(AcmeError::Unsolvable {
            name: full_name,
            offered,
        });
    };
    let challenge = authorization
        .challenge(kind.of_protocol())
        .expect("it was found above");
    let proof = challenge.key_authorization();
    Ok(Some(Answer {
        authorization: place,
        may_be_shown: false,
        is_told: false,
        name,
        full_name,
        kind,
        token: challenge.token.clone(),
        key_authorization: proof.as_str().to_owned(),
        key_authorization_sha256: proof
            .digest()
            .as_ref()
            .try_into()
            .expect("SHA-256 is 32 bytes"),
        dns_value: proof.dns_value(),
    }))
}

/// Tells the server that a proof can be looked at. If it may have been told already, it is asked
/// before, as some servers refuse to be told twice.
async fn tell(
    session: &Session,
    mut authorization: AuthorizationHandle<'_>,
    answer: &Answer,
    is_repeated: bool,
) -> Result<(), AcmeError> {
    if is_repeated {
        authorization
            .refresh()
            .await
            .map_err(|error| session.error(error))?;
    }
    let Some(mut challenge) = authorization.challenge(answer.kind.of_protocol()) else {
        return Ok(());
    };
    if challenge.status == ChallengeStatus::Pending {
        let told = challenge.set_ready().await;
        told.map_err(|error| session.error(error).about(&answer.full_name))?;
    }
    Ok(())
}

/// Why an order is invalid: what one of its authorizations says, or what itself says.
async fn refusal(session: &Session, order: &mut Order) -> AcmeError {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        match authorization {
            Ok(authorization) => {
                if let Some(error) = failure(&authorization) {
                    return error;
                }
            }
            Err(error) => return session.error(error),
        }
    }
    match &order.state().error {
        Some(problem) => AcmeError::of_problem(problem, None),
        None => AcmeError::Protocol("the order is invalid, and nothing says why".to_owned()),
    }
}

/// Why an authorization is not given, if one of its challenges says it.
fn failure(authorization: &AuthorizationHandle<'_>) -> Option<AcmeError> {
    let problem = authorization
        .challenges
        .iter()
        .find_map(|challenge| challenge.error.as_ref())?;
    let name = authorization.identifier().to_string();
    Some(AcmeError::of_problem(problem, None).about(&name))
}

fn lapsed(authorization: &AuthorizationHandle<'_>) -> AcmeError {
    let (name, status) = (authorization.identifier(), authorization.status);
    AcmeError::Protocol(format!(
        "a new order needs an authorization for {name} that is {status:?}"
    ))
}

/// Drives all of them at a time, until one fails or all are done. An order has as many as a
/// certificate has names: few enough to look at each when one of them moves.
async fn at_once<F>(all: impl Iterator<Item = F>) -> Result<(), AcmeError>
where
    F: Future<Output = Result<(), AcmeError>>,
{
    let mut open: Vec<Pin<Box<F>>> = all.map(Box::pin).collect();
    poll_fn(|context| {
        let mut at = 0;
        while at < open.len() {
            match open[at].as_mut().poll(context) {
                Poll::Pending => at += 1,
                Poll::Ready(Ok(())) => drop(open.swap_remove(at)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
        if open.is_empty() {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    })
    .await
}
