//! A node's copy of its store: refused or read, and what is read can be written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use store::replica::snapshot::{decode, decode_body, encode};

fuzz_target!(|bytes: &[u8]| {
    let _ = decode(bytes);
    // Behind the checksum, which a fuzzer would not guess.
    if let Ok(snapshot) = decode_body(bytes) {
        let again = decode(&encode(&snapshot)).expect("what was written is read");
        assert!(again == snapshot);
    }
});
