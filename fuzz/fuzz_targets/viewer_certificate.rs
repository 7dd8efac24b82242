//! Viewers' certificates: whatever is shown is read or refused, and what is told of it fits into
//! headers.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rustls::pki_types::CertificateDer;
use tls::ViewerCertificate;

fuzz_target!(|data: &[u8]| {
    let chain = [CertificateDer::from(data), CertificateDer::from(data)];
    let Some(told) = ViewerCertificate::read(&chain) else {
        return;
    };
    let own = [
        &told.serial_number,
        &told.issuer,
        &told.subject,
        &told.validity,
        &told.sha256,
    ];
    let sent = [
        told.pem_url_encoded(),
        told.client_cert(),
        told.client_cert_chain().unwrap(),
    ];
    for text in own.into_iter().chain(&sent) {
        assert!(
            text.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
            "{text}"
        );
    }
});
