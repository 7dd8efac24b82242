//! `Accept-Encoding`: only what is named is accepted, and the fast way agrees with the slow one.

#![no_main]

use edge::accept_encoding::EncodingRule;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    let lower = value.to_ascii_lowercase();
    let names = |part: &[u8]| lower.windows(part.len()).any(|window| window == part);
    for (gzip, brotli) in [(false, false), (true, false), (false, true), (true, true)] {
        let rule = EncodingRule { gzip, brotli };
        let encodings = rule.normalise(Some(value));
        assert!(!encodings.gzip || (gzip && (names(b"gzip") || names(b"*"))));
        assert!(!encodings.brotli || (brotli && names(b"br")));
        assert!(!encodings.absent);
        // A comma more says nothing more; it leaves the fast way.
        let padded = [b", ", value].concat();
        assert_eq!(rule.normalise(Some(&padded)), encodings);
        // What goes to the origin means the same there.
        let forwarded = encodings.forwarded().expect("the viewer sent the field");
        let again = rule.normalise(Some(forwarded));
        assert_eq!(
            (again.gzip, again.brotli),
            (encodings.gzip, encodings.brotli)
        );
        assert_eq!(again.key(), encodings.key());
    }
});
