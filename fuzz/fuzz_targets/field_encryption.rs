//! Field-level encryption: any body, cut anywhere, is taken or refused; what is taken has the same
//! names in the same order, and the values that are not encrypted are the same bytes.

#![no_main]

use std::sync::{Arc, LazyLock};

use field_encryption::{Encryptor, Key, Profile};
use libfuzzer_sys::fuzz_target;

/// Nobody has the private half.
const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
    MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA3e1rYYHN4QT7JjuN9xJm\n\
    VM07lZi+pC6GFU2ZP39rJzE+FTNTcH7XeYO55s6FPghOxpBxvwhK986hIu7IaIWn\n\
    WctmSqnX3jp6xsmEr+Xo8iJNgLF4TE4AV0P05INFsWCZXGE112RiOjZzQ4Ftd8od\n\
    T6yEyoFassKsEmmMlwCy3jCrWa0PtLA1gN7UWCB7kZvgnoChwLP0l8Kz6XqDo2YY\n\
    ZYTr9qqO3X9YTPkVgJ+YL7XoJUQhys10yIcVptvhKqc3F+7e+BAZrxari2YIpn8Q\n\
    HNR6XwZbnhectxjKX9kfkDcT1422jTf94j6/RbwWFPgEWy+tcRFpbBve5SuVLLuG\n\
    LQIDAQAB\n\
    -----END PUBLIC KEY-----";

static PROFILE: LazyLock<Arc<Profile>> = LazyLock::new(|| {
    let key = Key::new("provider", "name", PEM).expect("a good key");
    let mut profile = Profile::new();
    let patterns = ["a".to_owned(), "b[*".to_owned()];
    profile.add(key, &patterns).expect("short patterns");
    Arc::new(profile)
});

fuzz_target!(|data: &[u8]| {
    // The first byte says where the pieces end: at every so many bytes.
    let Some((step, body)) = data.split_first() else {
        return;
    };
    let mut encryptor = Encryptor::new(Arc::clone(&PROFILE));
    let mut out = Vec::new();
    for piece in body.chunks(usize::from(*step).max(1)) {
        if encryptor.push(piece, &mut out).is_err() {
            return;
        }
    }
    if encryptor.finish(&mut out).is_err() {
        return;
    }
    let (before, after) = (fields(body), fields(&out));
    assert_eq!(before.len(), after.len());
    let mut encrypted = 0;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.0, after.0);
        if before.1 != after.1 {
            encrypted += 1;
            assert!(after.1.len() > 500);
        }
    }
    assert_eq!(encrypted, encryptor.encrypted_fields());
});

/// Names and what follows them, as they stand.
fn fields(body: &[u8]) -> Vec<(&[u8], &[u8])> {
    let fields = body.split(|byte| *byte == b'&');
    let halves = fields.map(|field| {
        let end = field.iter().position(|byte| *byte == b'=');
        field.split_at(end.unwrap_or(field.len()))
    });
    halves.collect()
}
