//! The local authority, and what it issues.
//!
//! It is made when it is needed first: whoever commits it first has made it, and the others take
//! it. Its key lies sealed in the store, so that every node issues as the same authority.

use certificates::authority::Authority;
use certificates::limits::LEAF_LIFE_SECS_MAX;
use certificates::{Certificate as X509, KeyAlgorithm, PrivateKey};
use documents::acm::{self as forms, Certificate, State, Work};
use documents::tls::{self, Material};
use documents::{FormError, decode, encode};
use secrets::{OpenError, Secrets};
use store::{Outcome, StoreError, Txn};

use super::internal;
use crate::Control;
use crate::call::Call;
use crate::error::Failure;

/// Attempts to make the authority, or to put what it issued, while others change the same.
const ATTEMPTS_MAX: usize = 3;

/// Why a certificate is not issued.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssueError {
    /// The store does not answer.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A document in the store cannot be read.
    #[error("{0}")]
    Form(#[from] FormError),
    /// The authority's key cannot be opened: this node has another key of the installation.
    #[error("the local authority's key: {0}")]
    Sealed(#[from] OpenError),
    /// A key or a certificate cannot be made.
    #[error("{0}")]
    Make(String),
    /// Others change the same again and again.
    #[error("others change the same at this moment")]
    Conflict,
}

/// A certificate as it is issued.
pub(crate) struct Issued {
    /// What it says.
    pub x509: X509,
    /// It and what leads to its root, in PEM form.
    pub chain_pem: String,
    /// Its key.
    pub key: PrivateKey,
}

/// The local authority; it is made if there is none.
pub(crate) async fn authority(control: &Control, now_ms: u64) -> Result<Authority, IssueError> {
    let made = |error: certificates::MakeError| IssueError::Make(error.to_string());
    let secrets = &control.config.secrets;
    for _ in 0..ATTEMPTS_MAX {
        if let Some(document) = control.store.get(forms::AUTHORITY).await? {
            let stored: forms::Authority = decode(forms::AUTHORITY, &document.value)?;
            let key = secrets.open(forms::AUTHORITY, &stored.sealed_key)?;
            let key = PrivateKey::from_pkcs8_der(&key)
                .map_err(|error| IssueError::Make(error.to_string()))?;
            return Authority::from_parts(&stored.certificate_pem, key).map_err(made);
        }
        // The installation's name tells roots apart that lie in one trust store.
        let name = format!("Warmfront local authority {}", &secrets.id()[..8]);
        let authority = Authority::make(&name, now_ms / 1_000).map_err(made)?;
        let stored = forms::Authority {
            certificate_pem: authority.certificate_pem().to_owned(),
            sealed_key: secrets.seal(forms::AUTHORITY, authority.key().pkcs8_der()),
        };
        let txn = Txn::new().if_absent(forms::AUTHORITY);
        let txn = txn.put(forms::AUTHORITY, encode(&stored));
        if let Outcome::Committed(_) = control.store.commit(txn).await? {
            return Ok(authority);
        }
    }
    Err(IssueError::Conflict)
}

/// Refuses to seal anything on a node whose key is not the installation's: the others could not
/// open it. The authority tells, which is made if there is none.
pub(crate) async fn check_key(call: &Call<'_>) -> Result<(), Failure> {
    match authority(call.control, call.now_ms).await {
        Ok(_) => Ok(()),
        Err(IssueError::Store(error)) => Err(error.into()),
        Err(error) => Err(internal(&error.to_string())),
    }
}

/// Issues a certificate for names, with a new key of that algorithm (`RSA_2048`, as requests name
/// it). Keys are made off the runtime: those of RSA take a while.
pub(crate) async fn issue(
    control: &Control,
    names: &[String],
    key_algorithm: &str,
    now_ms: u64,
) -> Result<Issued, IssueError> {
    let algorithm = KeyAlgorithm::from_name(key_algorithm)
        .ok_or_else(|| IssueError::Make(format!("'{key_algorithm}' is no algorithm of a key")))?;
    let authority = authority(control, now_ms).await?;
    let names = names.to_vec();
    let issuing = tokio::task::spawn_blocking(move || {
        let key = PrivateKey::generate(algorithm).map_err(|error| error.to_string())?;
        let chain_pem = authority
            .issue(&names, &key, now_ms / 1_000, LEAF_LIFE_SECS_MAX)
            .map_err(|error| error.to_string())?;
        let x509 = X509::from_pem(&chain_pem).map_err(|error| error.to_string())?;
        Ok(Issued {
            x509,
            chain_pem,
            key,
        })
    });
    let issued: Result<Issued, String> = issuing.await.map_err(|_| stopped())?;
    issued.map_err(IssueError::Make)
}

fn stopped() -> IssueError {
    IssueError::Make("the process ends".to_owned())
}

/// What edges serve of a certificate: its key is sealed for them.
pub(crate) fn material(secrets: &Secrets, id: &str, chain_pem: &str, key: &PrivateKey) -> Material {
    Material {
        chain_pem: chain_pem.to_owned(),
        sealed_key: secrets.seal(&tls::sealing_purpose(id), key.pkcs8_der()),
        ocsp_response: None,
    }
}

/// What ACM keeps of a certificate once it is issued, or renewed.
pub(crate) fn issued(certificate: &Certificate, x509: &X509, now_ms: u64) -> Certificate {
    let is_renewed = certificate.state == State::Issued;
    Certificate {
        state: State::Issued,
        issued_ms: now_ms,
        validated: certificate.names.clone(),
        not_before_secs: x509.not_before_secs,
        not_after_secs: x509.not_after_secs,
        work: Work {
            updated_ms: now_ms,
            is_renewed,
            ..Work::default()
        },
        ..certificate.clone()
    }
}

/// Issues a certificate that is asked for and puts it where edges find it. Does nothing to one that
/// is gone, that another one has issued meanwhile, or that never will be issued.
pub(crate) async fn issue_now(control: &Control, id: &str, now_ms: u64) -> Result<(), IssueError> {
    let key = forms::certificate(id);
    for _ in 0..ATTEMPTS_MAX {
        let Some(document) = control.store.get(&key).await? else {
            return Ok(());
        };
        let certificate: Certificate = decode(&key, &document.value)?;
        let is_ours = certificate.source == forms::Source::Requested;
        if !is_ours || certificate.state != State::Pending {
            return Ok(());
        }
        let algorithm = &certificate.key_algorithm;
        let new = issue(control, &certificate.names, algorithm, now_ms).await?;
        let served = material(&control.config.secrets, id, &new.chain_pem, &new.key);
        let txn = Txn::new()
            .if_modified_at(&key, document.modified)
            .put(&key, encode(&issued(&certificate, &new.x509, now_ms)))
            .put(tls::key(tls::CERTIFICATE, id), encode(&served));
        if let Outcome::Committed(_) = control.store.commit(txn).await? {
            return Ok(());
        }
    }
    Err(IssueError::Conflict)
}
