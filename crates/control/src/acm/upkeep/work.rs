//! One piece of work on one certificate.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use acme::Server;
use certificates::chain;
use documents::acm::{self as forms, Certificate, Source, State, Work};
use documents::tls::{self, DEFAULT_CERTIFICATE, Material};
use documents::{decode, encode};
use store::{Outcome, Revision, StoreError, Txn};

use super::claim::{Claim, Ordering};
use super::order::{self, OrderError};
use super::plan::Next;
use super::staple;
use super::view::Zones;
use super::worker::Worker;
use crate::acm::local::{self, IssueError, Issued};
use crate::limits::WINDOW_AGAIN_MS_MIN;

/// As requests name it: small, and quick to make.
const DEFAULT_ALGORITHM: &str = "EC_prime256v1";

/// Attempts to put what was issued beside what others change.
const ATTEMPTS_MAX: usize = 5;

/// What became of a piece of work, besides what is in the store.
#[derive(Debug, Default)]
pub struct Done {
    /// The certificate's id.
    pub id: String,
    /// No order begins before, in milliseconds since 1970.
    pub orders_ms: u64,
    /// An order has shown that the ACME server is there.
    pub is_server_there: bool,
    /// When its authority wants it to be renewed, and when it is asked again.
    pub window: Option<(Option<u64>, u64)>,
}

/// A piece of work.
pub struct Job {
    /// The certificate's id.
    pub id: String,
    /// It is as it was put then; otherwise nothing is done.
    pub modified: Revision,
    /// What is to be done.
    pub next: Next,
    /// The public zones, if an ACME server issues it.
    pub zones: Option<Zones>,
}

impl Job {
    /// Does it. What fails is noted beside the certificate, or logged; it is planned again.
    pub async fn run(self, worker: Arc<Worker>) -> Done {
        let mut done = Done {
            id: self.id.clone(),
            ..Done::default()
        };
        if let Err(error) = self.try_run(&worker, &mut done).await {
            tracing::warn!(%error, id = done.id, "work on a certificate waits for the store");
        }
        done
    }

    async fn try_run(self, worker: &Arc<Worker>, done: &mut Done) -> Result<(), StoreError> {
        let server = worker.control.config.acme.as_ref();
        match (self.next, server, self.zones.clone()) {
            (Next::Issue | Next::Renew, Some(server), Some(zones)) => {
                let now_ms = worker.now_ms();
                match worker
                    .claims
                    .take_order(&self.id, self.modified, now_ms)
                    .await?
                {
                    Ordering::Held(claim) => {
                        let outcome = self.order(worker, &claim, server, zones).await;
                        worker.claims.release(claim).await;
                        done.is_server_there = outcome?;
                    }
                    Ordering::Taken => {}
                    Ordering::Wait(until_ms) => done.orders_ms = until_ms,
                }
                Ok(())
            }
            (Next::Wait(_) | Next::Validate, ..) => Ok(()),
            _ => {
                let Some(claim) = worker.claims.take(&self.id).await? else {
                    return Ok(());
                };
                let outcome = self.others(worker, &claim, done).await;
                worker.claims.release(claim).await;
                outcome
            }
        }
    }

    /// The certificate, if it is still the one that was planned for.
    async fn read(&self, worker: &Worker) -> Result<Option<Certificate>, StoreError> {
        let key = forms::certificate(&self.id);
        let found = worker.store().get(&key).await?;
        let found = found.filter(|document| document.modified == self.modified);
        Ok(found.and_then(|document| decode(&key, &document.value).ok()))
    }

    async fn others(
        &self,
        worker: &Worker,
        claim: &Claim,
        done: &mut Done,
    ) -> Result<(), StoreError> {
        let Some(certificate) = self.read(worker).await? else {
            return Ok(());
        };
        match self.next {
            Next::TimeOut => {
                let next = Certificate {
                    state: State::TimedOut,
                    ..certificate
                };
                self.note(worker, claim, &next).await
            }
            Next::Staple => staple::refresh(worker, claim, &certificate, self.modified).await,
            Next::Window => {
                done.window = Some(window(worker, &certificate).await?);
                Ok(())
            }
            _ => {
                let issued = self.issue(worker, claim, &certificate).await;
                match issued {
                    Ok(()) => Ok(()),
                    Err(IssueError::Store(error)) => Err(error),
                    Err(error) => {
                        let error = OrderError::Issue(error);
                        self.failed(worker, claim, &certificate, &error).await
                    }
                }
            }
        }
    }

    /// Issues it by the local authority, if it still is as it was planned for.
    async fn issue(
        &self,
        worker: &Worker,
        claim: &Claim,
        certificate: &Certificate,
    ) -> Result<(), IssueError> {
        let (control, now_ms) = (&worker.control, worker.now_ms());
        let algorithm = &certificate.key_algorithm;
        let new = local::issue(control, &certificate.names, algorithm, now_ms).await?;
        let served = local::material(&control.config.secrets, &self.id, &new.chain_pem, &new.key);
        let key = forms::certificate(&self.id);
        let txn = claim
            .hold(Txn::new())
            .if_modified_at(&key, self.modified)
            .put(&key, encode(&local::issued(certificate, &new.x509, now_ms)))
            .put(tls::key(tls::CERTIFICATE, &self.id), encode(&served));
        // On a conflict it was issued within its request, or changed: it is planned again.
        worker.store().commit(txn).await?;
        Ok(())
    }

    /// Orders it; says whether the server is there.
    async fn order(
        &self,
        worker: &Arc<Worker>,
        claim: &Claim,
        server: &Server,
        zones: Zones,
    ) -> Result<bool, StoreError> {
        let Some(certificate) = self.read(worker).await? else {
            return Ok(false);
        };
        let ordered = order::order(worker, server, zones, &certificate).await;
        let is_server_away = ordered.as_ref().is_err_and(OrderError::is_of_server);
        worker
            .claims
            .ordered(worker.now_ms(), is_server_away)
            .await?;
        match ordered {
            Ok(issued) => {
                tracing::info!(id = self.id, names = ?certificate.names, "issued by ACME");
                put(worker, claim, &certificate, &issued).await?;
            }
            Err(error) => self.failed(worker, claim, &certificate, &error).await?,
        }
        Ok(!is_server_away)
    }

    async fn failed(
        &self,
        worker: &Worker,
        claim: &Claim,
        certificate: &Certificate,
        error: &OrderError,
    ) -> Result<(), StoreError> {
        let now_ms = worker.now_ms();
        let is_over = certificate.state == State::Issued
            && certificate.not_after_secs.saturating_mul(1_000) < now_ms;
        match is_over {
            true => tracing::error!(
                %error, id = self.id,
                "a certificate that is over is still served: it cannot be renewed"
            ),
            false => tracing::warn!(%error, id = self.id, "a certificate is not issued"),
        }
        let next = order::after_failure(certificate, error, now_ms);
        self.note(worker, claim, &next).await
    }

    /// Puts what is kept of the certificate, if it is still as it was.
    async fn note(
        &self,
        worker: &Worker,
        claim: &Claim,
        next: &Certificate,
    ) -> Result<(), StoreError> {
        let key = forms::certificate(&self.id);
        let txn = claim
            .hold(Txn::new())
            .if_modified_at(&key, self.modified)
            .put(&key, encode(next));
        worker.store().commit(txn).await.map(|_| ())
    }
}

/// Puts what an order has come to. What others changed of the certificate meanwhile stays; if it is
/// gone, or not wanted any more, nothing is put.
async fn put(
    worker: &Worker,
    claim: &Claim,
    ordered: &Certificate,
    issued: &Issued,
) -> Result<(), StoreError> {
    let id = &ordered.id;
    let key = forms::certificate(id);
    let secrets = &worker.control.config.secrets;
    let served = local::material(secrets, id, &issued.chain_pem, &issued.key);
    for _ in 0..ATTEMPTS_MAX {
        let Some(document) = worker.store().get(&key).await? else {
            return Ok(());
        };
        let Ok(now) = decode::<Certificate>(&key, &document.value) else {
            return Ok(());
        };
        if now.names != ordered.names || !matches!(now.state, State::Pending | State::Issued) {
            return Ok(());
        }
        let next = local::issued(&now, &issued.x509, worker.now_ms());
        let txn = claim
            .hold(Txn::new())
            .if_modified_at(&key, document.modified)
            .put(&key, encode(&next))
            .put(tls::key(tls::CERTIFICATE, id), encode(&served));
        if let Outcome::Committed(_) = worker.store().commit(txn).await? {
            return Ok(());
        }
    }
    tracing::warn!(id, "a certificate was issued and cannot be put");
    Ok(())
}

/// When the authority of a certificate wants it to be renewed, and when it is asked again.
async fn window(
    worker: &Worker,
    certificate: &Certificate,
) -> Result<(Option<u64>, u64), StoreError> {
    let key = tls::key(tls::CERTIFICATE, &certificate.id);
    let later_ms = worker.now_ms() + WINDOW_AGAIN_MS_MIN;
    let found = worker.store().get(&key).await?;
    let material = found.and_then(|found| decode::<Material>(&key, &found.value).ok());
    let chain = material.and_then(|served| chain::read(served.chain_pem.as_bytes()).ok());
    let leaf = chain.and_then(|chain| chain.into_iter().next());
    let (Some(leaf), Some(server)) = (leaf, &worker.control.config.acme) else {
        return Ok((None, later_ms));
    };
    let asked = match order::account(worker, server).await {
        Ok(account) => acme::renewal_window(&account, &leaf.der).await,
        Err(OrderError::Acme(error)) => Err(error),
        Err(error) => {
            tracing::warn!(%error, "an ACME server is not asked for a window");
            return Ok((None, later_ms));
        }
    };
    match asked {
        Ok(Some(window)) => {
            let mut hasher = DefaultHasher::new();
            certificate.id.hash(&mut hasher);
            let length = (window.ends_secs - window.starts_secs).max(1);
            let at_secs = window.starts_secs + hasher.finish() % length;
            let again_ms = worker.now_ms() + window.again_after_secs.saturating_mul(1_000);
            Ok((Some(at_secs.saturating_mul(1_000)), again_ms.max(later_ms)))
        }
        Ok(None) => Ok((None, later_ms)),
        Err(error) => {
            tracing::debug!(%error, id = certificate.id, "no window of its renewal");
            Ok((None, later_ms))
        }
    }
}

/// Makes the default certificate by the local authority, in place of what was put then.
pub async fn make_default(
    worker: Arc<Worker>,
    names: Vec<String>,
    modified: Option<Revision>,
) -> Done {
    let made = try_make_default(&worker, names, modified).await;
    if let Err(error) = made {
        tracing::error!(%error, "there is no certificate for the names of distributions");
    }
    Done {
        id: DEFAULT_CERTIFICATE.to_owned(),
        ..Done::default()
    }
}

async fn try_make_default(
    worker: &Worker,
    names: Vec<String>,
    modified: Option<Revision>,
) -> Result<(), IssueError> {
    let now_ms = worker.now_ms();
    let control = &worker.control;
    let new = local::issue(control, &names, DEFAULT_ALGORITHM, now_ms).await?;
    let certificate = Certificate {
        id: DEFAULT_CERTIFICATE.to_owned(),
        arn: String::new(),
        names,
        source: Source::Requested,
        state: State::Pending,
        key_algorithm: DEFAULT_ALGORITHM.to_owned(),
        created_ms: now_ms,
        issued_ms: 0,
        validated: Vec::new(),
        is_exportable: false,
        is_exported: false,
        is_unlogged: false,
        not_before_secs: 0,
        not_after_secs: 0,
        work: Work::default(),
    };
    let id = &certificate.id;
    let key = forms::certificate(id);
    let served = local::material(&control.config.secrets, id, &new.chain_pem, &new.key);
    let txn = match modified {
        Some(modified) => Txn::new().if_modified_at(&key, modified),
        None => Txn::new().if_absent(&key),
    };
    let txn = txn
        .put(
            &key,
            encode(&local::issued(&certificate, &new.x509, now_ms)),
        )
        .put(tls::key(tls::CERTIFICATE, id), encode(&served));
    // On a conflict another node was faster.
    worker.store().commit(txn).await?;
    Ok(())
}
