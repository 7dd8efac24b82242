//! Endpoints of health checks say what they like.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    health::is_healthy_response(data, Some(b"needle"));
});
