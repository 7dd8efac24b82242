//! The local authority: a root of the installation's own, which issues at once. Whoever trusts
//! its certificate trusts what is served here.

use aws_lc_rs::rand;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyUsagePurpose, SerialNumber,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::limits::{
    AUTHORITY_LIFE_SECS, BACKDATED_SECS, COMMON_NAME_CHARS_MAX, LEAF_LIFE_SECS_MAX,
};
use crate::request::{parameters, set_times};
use crate::{Certificate, KeyAlgorithm, MakeError, PrivateKey, pem};

/// What the authority's name says besides its common name.
const ORGANIZATION: &str = "Warmfront";

/// An authority: its certificate and its key.
#[derive(Debug)]
pub struct Authority {
    certificate: Certificate,
    certificate_pem: String,
    key: PrivateKey,
    name: DistinguishedName,
}

impl Authority {
    /// Makes an authority with a key on P-256, which holds for ten years. The common name has at
    /// most 64 characters.
    pub fn make(common_name: &str, now_secs: u64) -> Result<Authority, MakeError> {
        let length = common_name.chars().count();
        if !(1..=COMMON_NAME_CHARS_MAX).contains(&length) {
            let what = format!("its common name has {length} characters, and 1 to 64 are allowed");
            return Err(MakeError::Authority { what });
        }
        let key = PrivateKey::generate(KeyAlgorithm::EcP256)?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = DistinguishedName::new();
        let name = &mut parameters.distinguished_name;
        name.push(DnType::OrganizationName, ORGANIZATION);
        name.push(DnType::CommonName, common_name);
        // It signs certificates of servers and viewers, and no further authorities.
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        parameters.serial_number = Some(serial());
        let from = now_secs.saturating_sub(BACKDATED_SECS);
        set_times(
            &mut parameters,
            from,
            from.saturating_add(AUTHORITY_LIFE_SECS),
        );
        let certificate = parameters.self_signed(&key.signer()?)?;
        Authority::from_parts(&pem::write(pem::CERTIFICATE, certificate.der()), key)
    }

    /// An authority that was made before.
    pub fn from_parts(certificate_pem: &str, key: PrivateKey) -> Result<Authority, MakeError> {
        let refused = |what: String| MakeError::Authority { what };
        let certificate =
            Certificate::from_pem(certificate_pem).map_err(|error| refused(error.to_string()))?;
        if !certificate.is_authority {
            return Err(refused(
                "its certificate is not one of an authority".to_owned(),
            ));
        }
        if !key.is_of(&certificate) {
            return Err(refused("its certificate is for another key".to_owned()));
        }
        let name = name_of(&certificate, &key).ok_or_else(|| {
            refused(format!(
                "its name is not repeated here: {}",
                certificate.subject
            ))
        })?;
        Ok(Authority {
            certificate_pem: certificate.to_pem(),
            certificate,
            key,
            name,
        })
    }

    /// Its certificate in PEM form: what viewers are to trust.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Its certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its private key.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// Issues a certificate for names and a key, for servers and clients: it holds from an hour
    /// ago on (for viewers whose clocks are behind) for `life_secs`, at most 395 days, and not
    /// longer than the authority. The answer is the chain as it is served, in PEM form: the
    /// certificate alone, since who trusts the root has it.
    pub fn issue(
        &self,
        names: &[String],
        key: &PrivateKey,
        now_secs: u64,
        life_secs: u64,
    ) -> Result<String, MakeError> {
        let root = &self.certificate;
        if !root.holds_at(now_secs) {
            return Err(MakeError::AuthorityTime {
                not_before_secs: root.not_before_secs,
                not_after_secs: root.not_after_secs,
            });
        }
        let mut leaf = parameters(names)?;
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.serial_number = Some(serial());
        leaf.use_authority_key_identifier_extension = true;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if key.algorithm().is_rsa() {
            // TLS 1.2 without forward secrecy, which policies of old allow.
            leaf.key_usages.push(KeyUsagePurpose::KeyEncipherment);
        }
        let usages = [
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        leaf.extended_key_usages = usages.to_vec();
        let from = now_secs
            .saturating_sub(BACKDATED_SECS)
            .max(root.not_before_secs);
        let until = from.saturating_add(life_secs.min(LEAF_LIFE_SECS_MAX));
        set_times(&mut leaf, from, until.min(root.not_after_secs));

        let mut issuer = CertificateParams::default();
        issuer.distinguished_name = self.name.clone();
        if let Some(identifier) = &root.key_identifier {
            issuer.key_identifier_method = KeyIdMethod::PreSpecified(identifier.clone());
        }
        let issuer = Issuer::new(issuer, self.key.signer()?);
        let leaf = leaf.signed_by(&key.signer()?, &issuer)?;
        Ok(pem::write(pem::CERTIFICATE, leaf.der()))
    }
}

/// Sixteen bytes that nobody foresees.
fn serial() -> SerialNumber {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).expect("the system has a source of random numbers");
    // Positive, and without a zero in front.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&bytes)
}

/// The name of an authority, if certificates can repeat it byte by byte: as issuers of what it
/// signs they must.
fn name_of(certificate: &Certificate, key: &PrivateKey) -> Option<DistinguishedName> {
    let (_, read) = X509Certificate::from_der(&certificate.der).ok()?;
    let mut name = DistinguishedName::new();
    for attribute in read.subject().iter_attributes() {
        let oid: Vec<u64> = attribute.attr_type().iter()?.collect();
        name.push(DnType::from_oid(&oid), attribute.as_str().ok()?);
    }
    let mut written = CertificateParams::default();
    written.distinguished_name = name.clone();
    let written = written.self_signed(&key.signer().ok()?).ok()?;
    let (_, written) = X509Certificate::from_der(written.der()).ok()?;
    (written.subject().as_raw() == certificate.subject_der).then_some(name)
}
