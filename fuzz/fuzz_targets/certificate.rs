//! Certificates: whatever is read in one, or in a chain of them, is written so that it is read as
//! the same; what covers a name is a name.

#![no_main]

use certificates::{Certificate, chain, covers, is_certificate_name};
use libfuzzer_sys::fuzz_target;

fn check(read: &Certificate) {
    assert_eq!(Certificate::from_pem(read.to_pem()).as_ref(), Ok(read));
    for name in &read.names {
        assert!(is_certificate_name(name) && *name == name.to_ascii_lowercase());
        assert!(read.covers(name) && covers(name, &name.replacen('*', "w", 1)));
    }
    let _ = read.is_signed_by(read);
}

fuzz_target!(|data: &[u8]| {
    if let Ok(read) = Certificate::from_der(data) {
        assert_eq!(read.der, data);
        check(&read);
    }
    if let Ok(read) = chain::read(data) {
        let written = chain::to_pem(read.iter().map(|certificate| &certificate.der));
        assert_eq!(chain::read(written.as_bytes()).as_ref(), Ok(&read));
        read.iter().for_each(check);
    }
});
