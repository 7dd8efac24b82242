//! Certificates that distributions, and tenants of them, are served with (spec §14.4).
//!
//! One that is named must be there and cover every name that it is named for, and be issued when it
//! is named first: what has one that has expired since can still be changed, and disabled. The
//! change that names it happens only if it is still as it was read. Names without a certificate
//! are served too: docs/decisions/0014-aliases-without-certificates.md.

use documents::acm::{self as forms, Certificate};
use documents::decode;
use documents::tenant::Tenant;
use shapes::acm::{CertificateStatus, KeyAlgorithm};
use shapes::cloudfront::{self as cf, error};
use shapes::schema::ErrorShape;

use crate::acm::{held, told};
use crate::call::Call;
use crate::change::Change;
use crate::error::Failure;

/// Where CloudFront's certificates are.
const REGION: &str = "us-east-1";

/// Kinds of keys that edges show: viewers take no others.
const KEY_ALGORITHMS: [KeyAlgorithm; 5] = [
    KeyAlgorithm::Rsa2048,
    KeyAlgorithm::Rsa3072,
    KeyAlgorithm::Rsa4096,
    KeyAlgorithm::EcPrime256v1,
    KeyAlgorithm::EcSecp384r1,
];

/// The change, as long as the certificate of a distribution's config, if it names one of ACM's, is
/// one that can be served for all of its aliases.
pub(super) async fn of_distribution(
    call: &Call<'_>,
    change: Change,
    old: Option<&cf::DistributionConfig>,
    config: &cf::DistributionConfig,
) -> Result<Change, Failure> {
    let aliases = config.aliases.as_ref().map(|list| list.items());
    let wanted = Wanted {
        path: "DistributionConfig.ViewerCertificate.ACMCertificateArn",
        names: aliases.unwrap_or_default(),
        shape: &error::INVALID_VIEWER_CERTIFICATE,
        is_new: old.and_then(arn) != arn(config),
    };
    wanted.hold(call, change, arn(config)).await
}

/// Likewise for a tenant, whose own certificate, or else its template's, is in the config that
/// comes of both.
pub(super) async fn of_tenant(
    call: &Call<'_>,
    change: Change,
    old: Option<&Tenant>,
    tenant: &Tenant,
    served: &cf::DistributionConfig,
) -> Result<Change, Failure> {
    let own = |tenant: &Tenant| {
        let customizations = tenant.customizations.as_ref()?;
        Some(customizations.certificate.as_ref()?.arn.clone())
    };
    let own_arn = own(tenant);
    let wanted = Wanted {
        path: "Customizations.Certificate.Arn",
        names: &tenant.domains,
        shape: &error::INVALID_ARGUMENT,
        // The template's was looked at when the template named it.
        is_new: own_arn.is_some() && old.and_then(own) != own_arn,
    };
    wanted.hold(call, change, arn(served)).await
}

fn arn(config: &cf::DistributionConfig) -> Option<&str> {
    let certificate = config.viewer_certificate.as_ref()?;
    certificate.acm_certificate_arn.as_deref()
}

/// What is asked of a certificate.
struct Wanted<'a> {
    /// Where it is named.
    path: &'static str,
    /// The names that it must cover.
    names: &'a [String],
    /// The error if it does not do.
    shape: &'static ErrorShape,
    /// Whether it is named first.
    is_new: bool,
}

impl Wanted<'_> {
    async fn hold(
        &self,
        call: &Call<'_>,
        change: Change,
        arn: Option<&str>,
    ) -> Result<Change, Failure> {
        let Some(arn) = arn else {
            return Ok(change);
        };
        let refused = |why: &str| {
            let message = format!(
                "The specified SSL certificate doesn't exist, isn't in us-east-1 region, isn't \
                 valid, or doesn't include a valid certificate chain: {} is '{arn}', {why}.",
                self.path
            );
            Failure::api(self.shape, message)
        };
        let account_id = &call.control.config.account_id;
        let id = held::id_of(account_id, arn);
        let id = id.ok_or_else(|| refused("which is no certificate of this account"))?;
        if !id.starts_with(&format!("{REGION}/")) {
            return Err(refused("which is of another region"));
        }
        let key = forms::certificate(&id);
        let document = call.store().get(&key).await?;
        let document = document.ok_or_else(|| refused("and there is none"))?;
        let certificate: Certificate = decode(&key, &document.value)?;
        let status = told::status(&certificate, call.now_ms);
        if self.is_new && status != CertificateStatus::Issued {
            return Err(refused(&format!("whose status is {status}")));
        }
        let algorithm = &certificate.key_algorithm;
        if !KEY_ALGORITHMS
            .iter()
            .any(|allowed| allowed.as_str() == algorithm)
        {
            let allowed = KEY_ALGORITHMS.map(KeyAlgorithm::as_str).join(", ");
            let why = format!("whose key is of {algorithm}; allowed are {allowed}");
            return Err(refused(&why));
        }
        self.check_names(arn, &certificate)?;
        Ok(change.if_still(key, Some(document.modified)))
    }

    fn check_names(&self, arn: &str, certificate: &Certificate) -> Result<(), Failure> {
        let is_covered = |name: &str| {
            let mut patterns = certificate.names.iter();
            patterns.any(|pattern| certificates::covers(pattern, name))
        };
        match self.names.iter().find(|name| !is_covered(name)) {
            None => Ok(()),
            Some(name) => Err(Failure::api(
                self.shape,
                format!(
                    "The certificate that is attached must cover every alternate domain name \
                     (CNAME): '{name}' is none of the names of {} '{arn}', which are {}.",
                    self.path,
                    certificate.names.join(", ")
                ),
            )),
        }
    }
}
