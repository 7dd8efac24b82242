//! Viewers who show certificates.

use std::sync::Arc;

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, PKCS_ECDSA_P384_SHA384,
    PKCS_ED25519, PKCS_RSA_SHA256, SerialNumber, date_time_ymd,
};
use rustls::version::{TLS12, TLS13};
use tls::{ClientAuth, ClientAuthSpec, Failure, Mode, Negotiated, TrustError, ViewerCertificate};

use crate::world::{Authority, Viewer, ViewerKey, connect, hosts, spec};

fn auth_spec(mode: Mode, trust_pem: &str, context: &str) -> ClientAuthSpec {
    ClientAuthSpec {
        mode,
        trust_pem: trust_pem.to_owned(),
        advertise_names: false,
        ignore_expiry: false,
        context: context.to_owned(),
    }
}

pub fn auth(mode: Mode, trust_pem: &str, context: &str) -> ClientAuth {
    ClientAuth::new(&auth_spec(mode, trust_pem, context)).unwrap()
}

/// What comes of a viewer with this key, by both protocols.
fn come(
    auth: &ClientAuthSpec,
    key: Option<&ViewerKey>,
) -> Result<Option<ViewerCertificate>, Failure> {
    let authority = Authority::new("root");
    let mut spec = spec("A", &["a.test"], &authority.identity(&["a.test"]));
    spec.client_auth = Some(Arc::new(ClientAuth::new(auth).unwrap()));
    let hosts = hosts(vec![spec]);
    let [first, second] = [&TLS12, &TLS13].map(|version| {
        let mut viewer = Viewer::new().versions(&[version]);
        if let Some(key) = key {
            viewer = viewer.key(key);
        }
        let connected = connect(&hosts, &viewer.config(&authority), "a.test");
        let (server, _) = connected.map_err(|error| Failure::of(&error).expect("its fault"))?;
        Ok(Negotiated::of(&server).unwrap().viewer_certificate)
    });
    assert_eq!(first, second);
    first
}

#[test]
fn a_required_certificate_must_be_there_and_trusted() {
    let trust = Authority::new("viewers");
    let required = auth_spec(Mode::Required, &trust.pem, "");
    assert!(
        come(&required, Some(&trust.viewer(|_| {})))
            .unwrap()
            .is_some()
    );
    assert_eq!(come(&required, None), Err(Failure::Missing));
    let other = Authority::new("others").viewer(|_| {});
    assert_eq!(come(&required, Some(&other)), Err(Failure::Untrusted));
    let forged = Authority::new("viewers").viewer(|_| {});
    assert_eq!(come(&required, Some(&forged)), Err(Failure::Invalid));
}

#[test]
fn an_optional_certificate_may_be_absent_but_not_bad() {
    let trust = Authority::new("viewers");
    let optional = auth_spec(Mode::Optional, &trust.pem, "");
    assert!(
        come(&optional, Some(&trust.viewer(|_| {})))
            .unwrap()
            .is_some()
    );
    assert_eq!(come(&optional, None), Ok(None));
    let other = Authority::new("others").viewer(|_| {});
    assert_eq!(come(&optional, Some(&other)), Err(Failure::Untrusted));
}

#[test]
fn what_passes_through_is_not_verified_but_bounded() {
    let through = auth_spec(Mode::Passthrough, "", "");
    let others = Authority::new("others");
    assert_eq!(come(&through, None), Ok(None));
    let mut key = others.viewer(|params| {
        params.not_after = date_time_ymd(2001, 1, 1);
    });
    assert_eq!(
        come(&through, Some(&key)).unwrap().unwrap().subject,
        "CN=viewer"
    );
    key.chain.extend(vec![others.der.clone(); 3]);
    assert_eq!(come(&through, Some(&key)).unwrap().unwrap().chain.len(), 4);
    key.chain.push(others.der.clone());
    assert_eq!(
        come(&through, Some(&key)),
        Err(Failure::MaxChainDepthExceeded)
    );
    key.chain.truncate(1);
    key.chain.push(vec![0x30, 0x00].into());
    assert_eq!(come(&through, Some(&key)), Err(Failure::Invalid));
}

#[test]
fn a_chain_has_a_largest_size() {
    let others = Authority::new("others");
    let key = others.viewer(|params| {
        let name = "n".repeat(40_000);
        params
            .distinguished_name
            .push(DnType::OrganizationName, name);
    });
    let through = auth_spec(Mode::Passthrough, "", "");
    assert_eq!(come(&through, Some(&key)), Err(Failure::MaxSizeExceeded));
}

#[test]
fn an_intermediate_authority_comes_with_the_viewer() {
    let trust = Authority::new("viewers");
    let below = trust.below("department");
    let required = auth_spec(Mode::Required, &trust.pem, "");
    let mut key = below.viewer(|_| {});
    assert_eq!(come(&required, Some(&key)), Err(Failure::Untrusted));
    key.chain.push(below.der.clone());
    let certificate = come(&required, Some(&key)).unwrap().unwrap();
    assert_eq!(certificate.issuer, "CN=department");
    assert_eq!(
        certificate
            .client_cert_chain()
            .unwrap()
            .matches(':')
            .count(),
        2
    );
}

#[test]
fn expired_certificates_pass_where_expiry_is_ignored_and_nothing_else_is_wrong() {
    let trust = Authority::new("viewers");
    let strict = auth_spec(Mode::Required, &trust.pem, "");
    let lenient = ClientAuthSpec {
        ignore_expiry: true,
        ..strict.clone()
    };
    let expire = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    };
    let expired = trust.viewer(expire);
    assert_eq!(come(&strict, Some(&expired)), Err(Failure::Expired));
    assert!(come(&lenient, Some(&expired)).is_ok());

    let others = Authority::new("viewers").viewer(expire);
    assert!(come(&lenient, Some(&others)).is_err());
    let for_servers = trust.viewer(|params| {
        expire(params);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    assert!(come(&lenient, Some(&for_servers)).is_err());
    let to_come = trust.viewer(|params| params.not_before = date_time_ymd(2500, 1, 1));
    assert_eq!(come(&strict, Some(&to_come)), Err(Failure::NotYetValid));
    assert_eq!(come(&lenient, Some(&to_come)), Err(Failure::NotYetValid));
}

#[test]
fn a_resumed_session_does_not_outlive_its_certificate() {
    let trust = Authority::new("viewers");
    let required = auth_spec(Mode::Required, &trust.pem, "");
    let certificate = come(&required, Some(&trust.viewer(|_| {})))
        .unwrap()
        .unwrap();
    let last = certificate.not_after_secs;
    let holds = |spec: &ClientAuthSpec, now| {
        ClientAuth::new(spec)
            .unwrap()
            .still_holds(&certificate, now)
    };
    assert!(holds(&required, last) && !holds(&required, last + 1));
    let lenient = ClientAuthSpec {
        ignore_expiry: true,
        ..required
    };
    assert!(holds(&lenient, last + 1));
    assert!(holds(&auth_spec(Mode::Passthrough, "", ""), last + 1));
}

#[test]
fn kinds_of_keys_are_those_that_viewers_may_have() {
    let trust = Authority::new("viewers");
    let required = auth_spec(Mode::Required, &trust.pem, "");
    let params = CertificateParams::default();
    for kind in [&PKCS_RSA_SHA256, &PKCS_ECDSA_P384_SHA384] {
        let key = trust.sign(&params, KeyPair::generate_for(kind).unwrap());
        assert!(come(&required, Some(&key)).is_ok(), "{kind:?}");
    }
    // The viewer sees that its kind of key is not asked for, and shows none.
    let key = trust.sign(&params, KeyPair::generate_for(&PKCS_ED25519).unwrap());
    assert_eq!(come(&required, Some(&key)), Err(Failure::Missing));
}

#[test]
fn authorities_names_are_told_where_they_are_to_be() {
    let trust = Authority::new("viewers");
    let mut spec = auth_spec(Mode::Required, &trust.pem, "");
    let key = trust.viewer(|_| {});
    spec.advertise_names = true;
    assert!(come(&spec, Some(&key)).is_ok());
    let names = (0..900).map(|number| Authority::new(&format!("{number:060}")).pem);
    spec.trust_pem = names.collect();
    let error = ClientAuth::new(&spec).unwrap_err();
    assert!(
        matches!(error, TrustError::TooManyNames { bytes } if bytes > 60_000),
        "{error}"
    );
    spec.advertise_names = false;
    assert!(ClientAuth::new(&spec).is_ok());
}

#[test]
fn a_bundle_that_is_none_is_refused() {
    let error = |pem: &str| ClientAuth::new(&auth_spec(Mode::Optional, pem, "")).unwrap_err();
    assert_eq!(error(""), TrustError::Empty);
    assert_eq!(error("no bundle"), TrustError::Empty);
    let broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    assert!(matches!(error(broken), TrustError::Read(_)));
}

#[test]
fn a_viewers_certificate_is_told_as_headers_have_it() {
    let trust = Authority::new("viewers");
    let key = trust.viewer(|params| {
        params.not_before = date_time_ymd(2023, 9, 21);
        params.not_after = date_time_ymd(2123, 9, 20);
        params.serial_number = Some(SerialNumber::from_slice(&[0xfa, 0x3f, 0x05]));
        let name = &mut params.distinguished_name;
        name.push(DnType::OrganizationName, "Ä, Ltd");
        name.push(DnType::CountryName, "DE");
    });
    let required = auth_spec(Mode::Required, &trust.pem, "");
    let certificate = come(&required, Some(&key)).unwrap().unwrap();
    assert_eq!(certificate.serial_number, "fa:3f:05");
    assert_eq!(certificate.issuer, "CN=viewers");
    assert_eq!(certificate.subject, "C=DE,O=\\C3\\84\\, Ltd,CN=viewer");
    let validity = "NotBefore=2023-09-21T00:00:00Z;NotAfter=2123-09-20T00:00:00Z";
    assert_eq!(certificate.validity, validity);
    assert_eq!(certificate.sha256.len(), 64);
    assert_eq!(certificate.chain, key.chain);
    assert_eq!(certificate.client_cert_chain(), None);
    let client_cert = certificate.client_cert();
    assert!(client_cert.starts_with(":MII") && client_cert.ends_with(':'));
    let pem = certificate.pem_url_encoded();
    assert!(pem.starts_with("-----BEGIN%20CERTIFICATE-----%0AMII"));
    assert!(pem.ends_with("%0A-----END%20CERTIFICATE-----%0A"));
    let decoded = pem
        .replace("%0A", "\n")
        .replace("%20", " ")
        .replace("%2B", "+");
    let decoded = decoded.replace("%2F", "/").replace("%3D", "=");
    let read = certificates::Certificate::from_pem(&decoded).unwrap();
    assert_eq!(read.to_pem(), decoded);
    assert_eq!(read.der, key.chain[0].as_ref());
}
