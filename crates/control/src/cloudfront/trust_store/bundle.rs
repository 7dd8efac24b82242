//! Bundles of certificates in buckets.

use certificates::chain;
use shapes::cloudfront as cf;

use super::refused;
use crate::call::Call;
use crate::error::Failure;
use crate::limits;

/// The certificates of a bundle.
pub struct Bundle {
    /// In PEM form, with nothing else around them.
    pub pem: String,
    /// How many they are.
    pub certificates: usize,
}

/// Reads a bundle; refuses one that holds anything but certificates of authorities.
pub async fn read(
    call: &Call<'_>,
    source: &cf::CaCertificatesBundleSource,
) -> Result<Bundle, Failure> {
    let Some(at) = &source.ca_certificates_bundle_s3_location else {
        return Err(refused("CaCertificatesBundleS3Location is required"));
    };
    let Some(buckets) = &call.control.config.buckets else {
        return Err(refused("there are no buckets here"));
    };
    let version = at.version.as_deref().filter(|version| !version.is_empty());
    // Nobody reads by the installation's rights what his key's policy does not let him read.
    let action = match version {
        Some(_) => "s3:GetObjectVersion",
        None => "s3:GetObject",
    };
    call.permit(action, &format!("arn:aws:s3:::{}/{}", at.bucket, at.key))?;
    let most = limits::BUNDLE_BYTES_MAX;
    let text = buckets.read(&at.bucket, &at.key, version, most).await;
    let bundle = text.and_then(|text| of(&text));
    bundle.map_err(|problem| refused(format!("{}/{}: {problem}", at.bucket, at.key)))
}

/// The certificates of a text.
fn of(text: &[u8]) -> Result<Bundle, String> {
    let all = chain::read(text).map_err(|error| error.to_string())?;
    if all.is_empty() {
        return Err("it holds no certificate in PEM form".to_owned());
    }
    if let Some(other) = all.iter().find(|certificate| !certificate.is_authority) {
        let subject = &other.subject;
        return Err(format!(
            "the certificate of '{subject}' is not one of an authority"
        ));
    }
    let pem = chain::to_pem(all.iter().map(|certificate| &certificate.der));
    if pem.len() > limits::CHAIN_BYTES_MAX {
        let (length, most) = (pem.len(), limits::CHAIN_BYTES_MAX);
        return Err(format!("it has {length} bytes; {most} are allowed"));
    }
    Ok(Bundle {
        certificates: all.len(),
        pem,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_holds_certificates_of_authorities_alone() {
        use certificates::authority::Authority;
        use certificates::{KeyAlgorithm, PrivateKey};
        let now_secs = 1_790_000_000;
        let root = Authority::make("root", now_secs).unwrap();
        let bundle = of(format!("# root\n{0}{0}", root.certificate_pem()).as_bytes()).unwrap();
        assert_eq!(bundle.certificates, 2);
        assert!(bundle.pem.starts_with("-----BEGIN"), "{}", bundle.pem);
        let key = PrivateKey::generate(KeyAlgorithm::EcP256).unwrap();
        let names = ["www.example.com".to_owned()];
        let leaf = root.issue(&names, &key, now_secs, 86_400).unwrap();
        for bad in ["", "text", leaf.as_str()] {
            assert!(of(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
