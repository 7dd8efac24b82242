//! Requests of secondaries: whatever is presented is read or refused, and what nobody signed is not
//! accepted.

#![no_main]

use dns::transfer::{TransferKeys, is_signed_by};
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "hmac-sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHhA=";

fuzz_target!(|data: &[u8]| {
    let keys = TransferKeys::parse([("secondary.example", SECRET)]).expect("it is a key");
    assert!(!is_signed_by(&keys, data, 1_790_000_000));
});
