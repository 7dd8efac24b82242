//! Proofs of the control of names: documents that every edge answers with, and texts in zones.

use std::sync::Arc;

use acme::{Challenge, Kind, SolveError, Solver};
use async_trait::async_trait;
use documents::tls::{self, AlpnChallenge, HttpChallenge};
use documents::{Role, decode, encode};
use serde::Deserialize;
use store::{Outcome, Range, StoreError, Txn};

use super::txt::{self, Txt};
use super::view::Zones;
use super::worker::Worker;
use crate::limits::{CHALLENGE_MS, CHALLENGE_TOKEN_BYTES_MAX};

/// What shows the proofs of one order.
pub struct StoreSolver {
    /// With what.
    pub worker: Arc<Worker>,
    /// The public zones as the order begins.
    pub zones: Zones,
    /// How many orders failed before: the next one is tried in another way.
    pub failures: u32,
}

fn failed(error: impl std::fmt::Display) -> SolveError {
    SolveError(error.to_string())
}

/// Kinds of proof for a name, the best one first.
fn kinds(is_wildcard: bool, is_hosted: bool, failures: u32) -> Vec<Kind> {
    let mut kinds = match (is_wildcard, is_hosted) {
        (true, true) => vec![Kind::Dns01],
        (true, false) => Vec::new(),
        (false, true) => vec![Kind::Dns01, Kind::Http01, Kind::TlsAlpn01],
        (false, false) => vec![Kind::Http01, Kind::TlsAlpn01],
    };
    if !kinds.is_empty() {
        let turn = failures as usize % kinds.len();
        kinds.rotate_left(turn);
    }
    kinds
}

impl StoreSolver {
    fn texts(&self, name: &str, value: &str) -> Vec<Txt> {
        let full = format!("_acme-challenge.{name}");
        let zones = self.zones.of(&full).iter();
        let text = |zone: &String| Txt {
            zone: zone.clone(),
            name: full.clone(),
            text: value.to_owned(),
        };
        zones.map(text).collect()
    }

    /// Puts a document for edges, and returns when they have it.
    async fn put(&self, key: &str, value: Vec<u8>) -> Result<(), SolveError> {
        let put = Txn::new().put(key, value);
        match self.worker.store().commit(put).await.map_err(failed)? {
            Outcome::Committed(revision) => {
                self.worker.shown(Role::Edge, key, revision).await;
                Ok(())
            }
            Outcome::Conflict => Err(failed("the store refused the document")),
        }
    }
}

fn http_key(token: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_token = (1..=CHALLENGE_TOKEN_BYTES_MAX).contains(&token.len());
    (is_token && token.bytes().all(is_plain)).then(|| tls::key(tls::HTTP_CHALLENGE, token))
}

#[async_trait]
impl Solver for StoreSolver {
    async fn kinds(&self, name: &str, is_wildcard: bool) -> Vec<Kind> {
        let is_hosted = !self.zones.of(&format!("_acme-challenge.{name}")).is_empty();
        kinds(is_wildcard, is_hosted, self.failures)
    }

    async fn present(&self, challenge: &Challenge<'_>) -> Result<(), SolveError> {
        let now_ms = self.worker.now_ms();
        let expires_ms = now_ms + CHALLENGE_MS;
        match *challenge {
            Challenge::Http01 {
                token,
                key_authorization,
                ..
            } => {
                let key = http_key(token)
                    .ok_or_else(|| SolveError("the token is none of RFC 8555".to_owned()))?;
                let answer = HttpChallenge {
                    key_authorization: key_authorization.to_owned(),
                    expires_ms,
                };
                self.put(&key, encode(&answer).into()).await
            }
            Challenge::TlsAlpn01 {
                name,
                key_authorization_sha256,
            } => {
                let key = tls::key(tls::ALPN_CHALLENGE, name);
                let made =
                    certificates::alpn_challenge(name, &key_authorization_sha256, now_ms / 1_000);
                let (certificate_pem, private) = made.map_err(failed)?;
                let secrets = &self.worker.control.config.secrets;
                let answer = AlpnChallenge {
                    certificate_pem,
                    sealed_key: secrets.seal(&key, private.pkcs8_der()),
                    expires_ms,
                };
                self.put(&key, encode(&answer).into()).await
            }
            Challenge::Dns01 { name, value } => {
                let texts = self.texts(name, value);
                if texts.is_empty() {
                    return Err(SolveError(format!("there is no hosted zone of {name}")));
                }
                for text in &texts {
                    txt::show(&self.worker, text).await.map_err(failed)?;
                }
                Ok(())
            }
        }
    }

    async fn withdraw(&self, challenge: &Challenge<'_>) {
        let gone = match *challenge {
            Challenge::Http01 { token, .. } => http_key(token),
            Challenge::TlsAlpn01 { name, .. } => Some(tls::key(tls::ALPN_CHALLENGE, name)),
            Challenge::Dns01 { name, value } => {
                for text in &self.texts(name, value) {
                    if let Err(error) = txt::hide(&self.worker, text).await {
                        tracing::warn!(%error, name, "a text stays until it is swept away");
                    }
                }
                None
            }
        };
        if let Some(key) = gone
            && let Err(error) = self.worker.store().commit(Txn::new().delete(&key)).await
        {
            tracing::warn!(%error, key, "an answer stays until it is swept away");
        }
    }
}

/// Takes away what others left behind for edges.
pub async fn sweep(worker: &Worker, now_ms: u64) -> Result<(), StoreError> {
    /// What both kinds have.
    #[derive(Deserialize)]
    struct Expiring {
        expires_ms: u64,
    }
    for collection in [tls::HTTP_CHALLENGE, tls::ALPN_CHALLENGE] {
        let range = Range {
            prefix: tls::key(collection, ""),
            limit: 100,
            ..Range::default()
        };
        let found = worker.store().list(range).await?.documents.into_iter();
        let old = found.filter(|document| {
            let read = decode::<Expiring>(&document.key, &document.value);
            read.is_ok_and(|answer| answer.expires_ms <= now_ms)
        });
        let txn = old.fold(Txn::new(), |txn, document| txn.delete(document.key));
        if !txn.writes.is_empty() {
            worker.store().commit(txn).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_proof_changes_with_each_failure() {
        let first = |failures| kinds(false, true, failures)[0];
        assert_eq!(first(0), Kind::Dns01);
        assert_eq!(first(1), Kind::Http01);
        assert_eq!(first(2), Kind::TlsAlpn01);
        assert_eq!(first(3), Kind::Dns01);
        assert_eq!(kinds(false, false, 0), [Kind::Http01, Kind::TlsAlpn01]);
        assert_eq!(kinds(false, false, 1), [Kind::TlsAlpn01, Kind::Http01]);
        assert_eq!(kinds(true, true, 5), [Kind::Dns01]);
        assert_eq!(kinds(true, false, 0), []);
    }

    #[test]
    fn a_token_that_is_none_makes_no_key() {
        assert!(http_key("aZ09-_").is_some());
        for wrong in ["", "a/b", "../x", "a b", &"x".repeat(257)] {
            assert_eq!(http_key(wrong), None, "{wrong}");
        }
    }
}
