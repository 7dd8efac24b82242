//! Traces: read to their end or to the first error, and judged.

#![no_main]

use cache::trace::{RequestReader, simulate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let requests = RequestReader::new(text).take_while(Result::is_ok).count();
    assert!(requests <= text.len());
    if let Ok(report) = simulate(RequestReader::new(text), 1 << 20, 1) {
        let shown = report.to_string();
        assert!(!shown.contains("NaN") && !shown.contains("inf"), "{shown}");
    }
});
