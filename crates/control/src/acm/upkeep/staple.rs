//! What responders say of certificates, for edges to staple it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use certificates::limits::OCSP_RESPONSE_BYTES_MAX;
use certificates::ocsp::{self, Status};
use certificates::{Certificate as X509, chain, renewal};
use documents::acm::{self as forms, Certificate};
use documents::tls::{self, Material};
use documents::{decode, encode};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use store::{Revision, StoreError, Txn};

use super::claim::Claim;
use super::worker::Worker;
use crate::limits::{OCSP_AGAIN_MS, OCSP_MS_MAX};

/// Asks the responder of a certificate, and puts what it says beside what is served. What it said
/// before stays until it ends if it says nothing, or nothing good, now.
pub async fn refresh(
    worker: &Worker,
    claim: &Claim,
    certificate: &Certificate,
    modified: Revision,
) -> Result<(), StoreError> {
    let id = &certificate.id;
    let (key, served_key) = (forms::certificate(id), tls::key(tls::CERTIFICATE, id));
    let Some(served) = worker.store().get(&served_key).await? else {
        return Ok(());
    };
    let Ok(mut material) = decode::<Material>(&served_key, &served.value) else {
        return Ok(());
    };
    let now_ms = worker.now_ms();
    let mut next = certificate.clone();
    next.work.ocsp_due_ms = now_ms + OCSP_AGAIN_MS;
    let chain = chain::read(material.chain_pem.as_bytes()).unwrap_or_default();
    let before = material.ocsp_response.clone();
    if let [leaf, issuer, ..] = chain.as_slice() {
        match ask(worker, leaf, issuer).await {
            Ok((der, response)) if response.status == Status::Good => {
                material.ocsp_response = Some(BASE64.encode(der));
                let (this, next_secs) = (response.this_update_secs, response.next_update_secs);
                // One whose half is over already is not asked for again and again.
                let due_ms = renewal::ocsp_due_ms(id, this, next_secs);
                next.work.ocsp_due_ms = due_ms.max(now_ms + OCSP_AGAIN_MS / 12);
            }
            Ok((_, response)) => {
                tracing::warn!(id, status = ?response.status, "a certificate is not good any more");
            }
            Err(error) => tracing::warn!(id, error, "a responder says nothing of a certificate"),
        }
        // What ended is worse than nothing.
        let holds = |response: &String| {
            let der = BASE64.decode(response).unwrap_or_default();
            ocsp::read(&der, leaf, issuer, now_ms / 1_000).is_ok()
        };
        material.ocsp_response = material.ocsp_response.filter(holds);
    } else {
        material.ocsp_response = None;
    }
    let mut txn = claim
        .hold(Txn::new())
        .if_modified_at(&key, modified)
        .put(&key, encode(&next));
    if material.ocsp_response != before {
        txn = txn
            .if_modified_at(&served_key, served.modified)
            .put(&served_key, encode(&material));
    }
    // On a conflict, somebody else has put another certificate there, and that one is asked about.
    worker.store().commit(txn).await?;
    Ok(())
}

/// What the responder says, checked.
async fn ask(
    worker: &Worker,
    leaf: &X509,
    issuer: &X509,
) -> Result<(Bytes, ocsp::Response), String> {
    let url = leaf.ocsp_url.as_deref().unwrap_or_default();
    if !url.starts_with("http://") {
        return Err(format!(
            "the responder is {url:?}; those with http:// are asked"
        ));
    }
    let question = Full::new(Bytes::from(ocsp::request(leaf, issuer)));
    let request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(
            CONTENT_TYPE,
            HeaderValue::from_static("application/ocsp-request"),
        )
        .body(question)
        .map_err(|error| error.to_string())?;
    let asking = async {
        let answer = worker.http.request(request).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status() != StatusCode::OK {
            return Err(format!("it answered {}", answer.status()));
        }
        let body = Limited::new(answer.into_body(), OCSP_RESPONSE_BYTES_MAX);
        let body = body.collect().await.map_err(|error| error.to_string())?;
        Ok(body.to_bytes())
    };
    let longest = Duration::from_millis(OCSP_MS_MAX);
    let der = tokio::time::timeout(longest, asking).await;
    let der = der.map_err(|_| format!("no answer within {OCSP_MS_MAX} ms"))??;
    let read = ocsp::read(&der, leaf, issuer, worker.now_ms() / 1_000);
    let response = read.map_err(|error| error.to_string())?;
    Ok((der, response))
}
