//! `ImportCertificate`.

use certificates::import::{Imported, check};
use documents::acm::{self as forms, Certificate, Source, State, Work};
use documents::{encode, tls};
use shapes::acm::{self as model, error};

use super::held::{self, Held};
use super::request::check_quota;
use super::{CFN_TYPE, check_bounds, invalid, local, tags, uses};
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::Failure;
use crate::{ids, limits};

pub async fn import(call: &Call<'_>) -> Answer {
    check_bounds(call)?;
    let input: model::ImportCertificateRequest = call.input()?;
    let chain = input.certificate_chain.as_ref().map(|chain| &*chain.0);
    let (certificate, key) = (&input.certificate.0, &input.private_key.0);
    let imported = check(certificate, key, chain, call.now_ms / 1_000)
        .map_err(|error| invalid(call, format!("{error}.")))?;
    let length = imported.chain_pem.len();
    if length > limits::CHAIN_BYTES_MAX {
        let message = format!(
            "Certificate and CertificateChain have {length} bytes; {} are allowed.",
            limits::CHAIN_BYTES_MAX
        );
        return Err(Failure::api(&error::LIMIT_EXCEEDED_EXCEPTION, message));
    }
    let (certificate, change) = match &input.certificate_arn {
        None => new(call, &imported, input.tags).await?,
        Some(_) if input.tags.is_some_and(|tags| !tags.is_empty()) => {
            let message = "Tags: a certificate that is imported again keeps the tags it has; \
                           AddTagsToCertificate changes them.";
            return Err(invalid(call, message));
        }
        Some(arn) => again(call, &imported, held::load(call, arn).await?).await?,
    };
    local::check_key(call).await?;
    let id = &certificate.id;
    let secrets = &call.control.config.secrets;
    let served = local::material(secrets, id, &imported.chain_pem, &imported.key);
    let change = change.put(tls::key(tls::CERTIFICATE, id), encode(&served));
    call.commit(change).await?;
    Ok(Reply::of(&model::ImportCertificateResponse {
        certificate_arn: Some(certificate.arn),
    }))
}

fn algorithm(imported: &Imported) -> String {
    imported.key.algorithm().request_name().to_owned()
}

/// The names that are told of it: its common name is the first one, if it is one of them.
fn names(all: &[String], common_name: Option<&str>) -> Vec<String> {
    let mut names = all.to_vec();
    let is_common = |name: &String| common_name.is_some_and(|it| name.eq_ignore_ascii_case(it));
    if let Some(at) = names.iter().position(is_common) {
        names[..=at].rotate_right(1);
    }
    names
}

async fn new(
    call: &Call<'_>,
    imported: &Imported,
    tags: Option<Vec<model::Tag>>,
) -> Result<(Certificate, Change), Failure> {
    check_quota(call).await?;
    let uuid = ids::uuid();
    let leaf = &imported.leaf;
    let certificate = Certificate {
        id: format!("{}/{uuid}", held::region(call)?),
        arn: held::arn(call, &uuid),
        names: names(&leaf.names, leaf.common_name.as_deref()),
        source: Source::Imported,
        state: State::Issued,
        key_algorithm: algorithm(imported),
        created_ms: call.now_ms,
        issued_ms: call.now_ms,
        validated: Vec::new(),
        is_exportable: false,
        is_exported: false,
        is_unlogged: false,
        not_before_secs: leaf.not_before_secs,
        not_after_secs: leaf.not_after_secs,
        work: Work::default(),
    };
    let key = forms::certificate(&certificate.id);
    let change = Change::new()
        .about(CFN_TYPE, &certificate.arn)
        .if_absent(&key)
        .put(&key, encode(&certificate));
    let change = tags::attach(call, change, &certificate.arn, tags)?;
    Ok((certificate, change))
}

/// In the place of one that was imported: the kind of its key stays, and as long as somebody is
/// served with it so do the names that it covers.
async fn again(
    call: &Call<'_>,
    imported: &Imported,
    held: Held,
) -> Result<(Certificate, Change), Failure> {
    let old = &held.certificate;
    if old.source != Source::Imported {
        let message = format!("The certificate '{}' was not imported.", old.arn);
        return Err(invalid(call, message));
    }
    let algorithm = algorithm(imported);
    if algorithm != old.key_algorithm {
        let message = format!(
            "PrivateKey is of {algorithm}; the certificate '{}' has {}, and keeps that.",
            old.arn, old.key_algorithm
        );
        return Err(invalid(call, message));
    }
    let leaf = &imported.leaf;
    let next = Certificate {
        names: names(&leaf.names, leaf.common_name.as_deref()),
        state: State::Issued,
        issued_ms: call.now_ms,
        not_before_secs: leaf.not_before_secs,
        not_after_secs: leaf.not_after_secs,
        work: Work::default(),
        ..old.clone()
    };
    let change = held.put(&next);
    let Some(lost) = old.names.iter().find(|name| !leaf.covers(name)) else {
        return Ok((next, change));
    };
    match uses::unused(call, change, &old.arn).await? {
        Ok(change) => Ok((next, change)),
        Err(users) => Err(invalid(
            call,
            format!(
                "Certificate does not cover '{lost}', which the certificate '{}' does, and {} is \
                 served with it.",
                old.arn, users[0]
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_name_is_the_domain_name() {
        let all = ["a.example", "b.example", "c.example"].map(str::to_owned);
        let first = |common_name| names(&all, common_name).join(" ");
        assert_eq!(first(Some("C.example")), "c.example a.example b.example");
        assert_eq!(first(Some("a.example")), all.join(" "));
        assert_eq!(first(Some("A person")), all.join(" "));
        assert_eq!(first(None), all.join(" "));
    }
}
