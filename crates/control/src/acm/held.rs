//! A certificate in the store.

use documents::acm::{self as forms, Certificate};
use documents::tls::{self, Material};
use documents::{decode, encode};
use shapes::acm::error;
use store::Revision;

use super::{CFN_TYPE, invalid, known};
use crate::call::Call;
use crate::change::Change;
use crate::error::Failure;

/// A certificate as it lies in the store.
pub(crate) struct Held {
    /// What it is.
    pub certificate: Certificate,
    /// When it was put last.
    pub modified: Revision,
}

impl Held {
    /// A change that happens only if the certificate is still as it was read.
    pub fn change(&self) -> Change {
        let id = &self.certificate.id;
        Change::new()
            .about(CFN_TYPE, &self.certificate.arn)
            .if_still(forms::certificate(id), Some(self.modified))
    }

    /// A change that puts another form of it.
    pub fn put(&self, next: &Certificate) -> Change {
        self.change()
            .put(forms::certificate(&next.id), encode(next))
    }
}

/// The ARN of a certificate of this account in the call's region.
pub fn arn(call: &Call<'_>, uuid: &str) -> String {
    let (region, account) = (&call.origin.region, &call.control.config.account_id);
    format!("arn:aws:acm:{region}:{account}:certificate/{uuid}")
}

/// The region that a call is for, which is part of keys.
pub fn region<'c>(call: &'c Call<'_>) -> Result<&'c str, Failure> {
    const BYTES_MAX: usize = 32;
    let region = call.origin.region.as_str();
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match (1..=BYTES_MAX).contains(&region.len()) && region.bytes().all(is_plain) {
        true => Ok(region),
        false => Err(invalid(
            call,
            format!("The region is '{region}', which none is called."),
        )),
    }
}

/// The id of a certificate by its ARN, if that is one of a certificate at all; the account must be
/// this one.
pub fn id_of(account_id: &str, arn: &str) -> Option<String> {
    const BYTES_MAX: usize = 256;
    let id = tls::certificate_id(arn)?;
    let (region, uuid) = id.split_once('/')?;
    let is_ours = arn == format!("arn:aws:acm:{region}:{account_id}:certificate/{uuid}");
    (is_ours && !uuid.contains('/') && arn.len() <= BYTES_MAX).then_some(id)
}

/// The certificate of an ARN.
pub async fn load(call: &Call<'_>, arn: &str) -> Result<Held, Failure> {
    if tls::certificate_id(arn).is_none() {
        let message = format!("'{arn}' is no ARN of a certificate.");
        return Err(
            match known(call.operation, &[&error::INVALID_ARN_EXCEPTION]) {
                Some(shape) => Failure::api(shape, message),
                None => invalid(call, message),
            },
        );
    }
    let missing = |why: &str| {
        let message = format!("There is no certificate '{arn}'{why}.");
        Failure::api(&error::RESOURCE_NOT_FOUND_EXCEPTION, message)
    };
    let account_id = &call.control.config.account_id;
    let id = id_of(account_id, arn).ok_or_else(|| missing(" in this account"))?;
    let region = region(call)?;
    if !id.starts_with(&format!("{region}/")) {
        return Err(missing(&format!(" in {region}, for which the request is")));
    }
    let key = forms::certificate(&id);
    let document = call.store().get(&key).await?.ok_or_else(|| missing(""))?;
    Ok(Held {
        certificate: decode(&key, &document.value)?,
        modified: document.modified,
    })
}

/// What edges serve of a certificate, if it is issued.
pub async fn material(call: &Call<'_>, id: &str) -> Result<Option<Material>, Failure> {
    let key = tls::key(tls::CERTIFICATE, id);
    let document = call.store().get(&key).await?;
    let read = document.map(|document| decode(&key, &document.value));
    Ok(read.transpose()?)
}

/// Every certificate of a region, in the order of their ids.
pub async fn all(call: &Call<'_>, region: &str) -> Result<Vec<Certificate>, Failure> {
    let prefix = format!("{}{region}/", forms::CERTIFICATES);
    let documents = call.list_all(&prefix).await?;
    let read = documents.iter();
    let read = read.map(|document| decode(&document.key, &document.value));
    Ok(read.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_of_this_account() {
        let ours = "arn:aws:acm:eu-west-1:123456789012:certificate/1b";
        let id = Some("eu-west-1/1b".to_owned());
        assert_eq!(id_of("123456789012", ours), id);
        for other in [
            "arn:aws:acm:eu-west-1:210987654321:certificate/1b",
            "arn:aws:acm:eu-west-1:123456789012:certificate/1/b",
            "arn:aws-cn:acm:eu-west-1:123456789012:certificate/1b",
            "",
        ] {
            assert_eq!(id_of("123456789012", other), None, "{other}");
        }
    }
}
