//! Certificates of an ACME server: the account, one order, and what a failure means.

use std::sync::Arc;
use std::time::Duration;

use acme::{Account, AcmeError, Server};
use certificates::{Certificate as X509, KeyAlgorithm, PrivateKey};
use documents::acm::{self as forms, AcmeAccount, Certificate, State};
use documents::{FormError, decode, encode};
use store::{Outcome, StoreError, Txn};

use super::solver::StoreSolver;
use super::view::Zones;
use super::worker::Worker;
use crate::acm::local::{IssueError, Issued};
use crate::limits::{ERROR_CHARS_MAX, ORDER_SECS_MAX};

/// Attempts to make the account while another node makes one.
const ATTEMPTS_MAX: usize = 3;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The server refuses, or is away.
    #[error("{0}")]
    Acme(#[from] AcmeError),
    /// It is ours.
    #[error("{0}")]
    Issue(#[from] IssueError),
}

impl From<StoreError> for OrderError {
    fn from(error: StoreError) -> OrderError {
        OrderError::Issue(error.into())
    }
}

impl From<FormError> for OrderError {
    fn from(error: FormError) -> OrderError {
        OrderError::Issue(error.into())
    }
}

impl OrderError {
    /// Whether other orders would fail too: the server is away, or wants to be left alone, or does
    /// not want us at all.
    pub fn is_of_server(&self) -> bool {
        match self {
            OrderError::Issue(_) => false,
            OrderError::Acme(error) => match error {
                AcmeError::Unreachable(_) | AcmeError::Protocol(_) | AcmeError::Settings(_) => true,
                error => ["rateLimited", "serverInternal", "userActionRequired"]
                    .into_iter()
                    .chain(["accountDoesNotExist", "externalAccountRequired"])
                    .chain(["invalidContact", "unsupportedContact"])
                    .any(|kind| error.is_problem(kind)),
            },
        }
    }

    /// How long the server wants the same order not to come again, in milliseconds.
    pub fn retry_after_ms(&self) -> u64 {
        match self {
            OrderError::Acme(AcmeError::Rejected { retry_after, .. }) => {
                retry_after.map_or(0, |after| after.as_millis() as u64)
            }
            _ => 0,
        }
    }

    /// What a certificate that was never issued fails with for ever, if it does: as ACM's
    /// `FailureReason` names it. What is wrong with the account is no fault of the certificate.
    pub fn reason(&self) -> Option<&'static str> {
        let OrderError::Acme(error) = self else {
            return None;
        };
        let is = |kinds: &[&str]| kinds.iter().any(|kind| error.is_problem(kind));
        match error {
            _ if is(&["caa"]) => Some("CAA_ERROR"),
            _ if is(&["rejectedIdentifier", "unsupportedIdentifier"]) => Some("DOMAIN_NOT_ALLOWED"),
            _ if is(&["badCSR", "badPublicKey", "badSignatureAlgorithm"]) => Some("OTHER"),
            _ => None,
        }
    }
}

/// The account at the server; it is made if there is none, or only one at another server.
pub async fn account(worker: &Worker, server: &Server) -> Result<Account, OrderError> {
    let mut known = worker.account.lock().await;
    let secrets = &worker.control.config.secrets;
    for _ in 0..ATTEMPTS_MAX {
        let found = worker.store().get(forms::ACME_ACCOUNT).await?;
        let mut txn = Txn::new().if_absent(forms::ACME_ACCOUNT);
        if let Some(document) = found {
            if let Some((revision, account)) = &*known
                && *revision == document.modified
            {
                return Ok(account.clone());
            }
            let stored: AcmeAccount = decode(forms::ACME_ACCOUNT, &document.value)?;
            if stored.directory_url == server.directory_url {
                let open = secrets.open(forms::ACME_ACCOUNT, &stored.sealed_credentials);
                let open = open.map_err(IssueError::from)?;
                let text = String::from_utf8_lossy(&open);
                let account = Account::restore(server, &text).await?;
                *known = Some((document.modified, account.clone()));
                return Ok(account);
            }
            txn = Txn::new().if_modified_at(forms::ACME_ACCOUNT, document.modified);
        }
        let (account, credentials) = Account::create(server).await?;
        let stored = AcmeAccount {
            directory_url: server.directory_url.clone(),
            sealed_credentials: secrets.seal(forms::ACME_ACCOUNT, credentials.as_bytes()),
        };
        let txn = txn.put(forms::ACME_ACCOUNT, encode(&stored));
        if let Outcome::Committed(revision) = worker.store().commit(txn).await? {
            tracing::info!(server = server.directory_url, "there is an account now");
            *known = Some((revision, account.clone()));
            return Ok(account);
        }
    }
    Err(IssueError::Conflict.into())
}

/// Forgets an account that the server does not know: the next order makes one.
async fn forget_account(worker: &Worker) {
    let Some((revision, _)) = worker.account.lock().await.take() else {
        return;
    };
    let txn = Txn::new()
        .if_modified_at(forms::ACME_ACCOUNT, revision)
        .delete(forms::ACME_ACCOUNT);
    if let Err(error) = worker.store().commit(txn).await {
        tracing::warn!(%error, "an account that is not known any more stays for now");
    }
}

/// Orders a certificate, with a new key.
pub async fn order(
    worker: &Arc<Worker>,
    server: &Server,
    zones: Zones,
    certificate: &Certificate,
) -> Result<Issued, OrderError> {
    let account = account(worker, server).await?;
    // Authorities issue nothing for it; the default certificate has it as long as it is local.
    let names = certificate.names.iter().filter(|name| *name != "localhost");
    let names: Vec<String> = names.cloned().collect();
    let made = |error: &dyn std::fmt::Display| IssueError::Make(error.to_string());
    let algorithm = KeyAlgorithm::from_name(&certificate.key_algorithm)
        .ok_or_else(|| made(&format!("'{}' is no algorithm", certificate.key_algorithm)))?;
    let making = tokio::task::spawn_blocking(move || PrivateKey::generate(algorithm));
    let key = making.await.map_err(|error| made(&error))?;
    let key = key.map_err(|error| made(&error))?;
    let request = certificates::signing_request(&names, &key).map_err(|error| made(&error))?;
    let solver = StoreSolver {
        worker: Arc::clone(worker),
        zones,
        failures: certificate.work.failures,
    };
    let deadline = Duration::from_secs(ORDER_SECS_MAX);
    let ordered = acme::issue(&account, &names, &request, &solver, deadline).await;
    if let Err(error) = &ordered
        && error.is_problem("accountDoesNotExist")
    {
        forget_account(worker).await;
    }
    let chain_pem = ordered?;
    let wrong = |what: String| AcmeError::Protocol(format!("the certificate that came {what}"));
    let x509 = X509::from_pem(&chain_pem).map_err(|error| wrong(error.to_string()))?;
    if !key.is_of(&x509) {
        return Err(wrong("is for another key".to_owned()).into());
    }
    if let Some(name) = names.iter().find(|name| !x509.covers(name)) {
        return Err(wrong(format!("does not have {name}")).into());
    }
    if !x509.holds_at(worker.now_ms() / 1_000) {
        return Err(wrong("does not hold now".to_owned()).into());
    }
    Ok(Issued {
        x509,
        chain_pem,
        key,
    })
}

/// A certificate after an attempt that failed.
pub fn after_failure(certificate: &Certificate, error: &OrderError, now_ms: u64) -> Certificate {
    let mut next = certificate.clone();
    let work = &mut next.work;
    work.failures = work.failures.saturating_add(1);
    work.last_error = error.to_string().chars().take(ERROR_CHARS_MAX).collect();
    work.updated_ms = now_ms;
    let (id, ends_secs) = (&certificate.id, certificate.not_after_secs);
    let again_ms = certificates::renewal::next_attempt_ms(id, work.failures, now_ms, ends_secs);
    // What is served does not end for a server's wish to be left alone.
    let left_ms = ends_secs.saturating_mul(1_000).saturating_sub(now_ms);
    let wished_ms = match certificate.state {
        State::Issued => error.retry_after_ms().min(left_ms / 2),
        _ => error.retry_after_ms(),
    };
    work.not_before_ms = again_ms.max(now_ms.saturating_add(wished_ms));
    if let (State::Pending, Some(reason)) = (&certificate.state, error.reason()) {
        next.state = State::Failed {
            reason: reason.to_owned(),
        };
    }
    next
}
