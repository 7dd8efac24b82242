//! Dates: what is written is read back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use message::{format_http_date, parse_http_date};

fuzz_target!(|value: &[u8]| {
    let Some(secs) = parse_http_date(value) else {
        return;
    };
    let written = format_http_date(secs);
    assert_eq!(written.len(), 29);
    assert_eq!(parse_http_date(written.as_bytes()), Some(secs));
});
