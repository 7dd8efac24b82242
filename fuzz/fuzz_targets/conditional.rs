//! Preconditions and entity tags.

#![no_main]

use cache::conditional::{Decision, Preconditions, Validators, evaluate, fields_for_304, weaken};
use libfuzzer_sys::fuzz_target;
use warmfront_fuzz::{fields, lines, number};

fuzz_target!(|data: &[u8]| {
    let ([if_match, if_none_match, unmodified, modified, etag, secs], rest) = lines::<6>(data);
    let some = |value| Some(value).filter(|value: &&[u8]| !value.is_empty());
    let stored = Validators {
        etag: some(etag),
        last_modified_secs: Some(number(secs)),
    };
    let request = Preconditions {
        if_match: some(if_match),
        if_none_match: some(if_none_match),
        if_unmodified_since: some(unmodified),
        if_modified_since: some(modified),
    };
    let decision = evaluate(&request, &stored);
    if request.if_match.is_none() && request.if_unmodified_since.is_none() {
        assert_ne!(decision, Decision::PreconditionFailed);
    }

    // A tag that is well-formed is found, however it stands in the list.
    let opaque = etag.strip_prefix(b"W/").unwrap_or(etag);
    let is_tag = |byte: &u8| *byte > b' ' && *byte != b'"' && *byte != 0x7f;
    let inner = opaque
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    if inner.is_some_and(|inner| inner.iter().all(is_tag)) {
        let list = [b"\"x,\\\", W/\"\" ,", etag, b" , \"y\""].concat();
        let asked = Preconditions {
            if_none_match: Some(&list),
            ..Preconditions::default()
        };
        assert_eq!(evaluate(&asked, &stored), Decision::NotModified);
        let asked = Preconditions {
            if_match: Some(&list),
            ..Preconditions::default()
        };
        let is_strong = !etag.starts_with(b"W/");
        assert_eq!(evaluate(&asked, &stored) == Decision::Proceed, is_strong);
    }
    if let Some(weak) = weaken(etag) {
        assert!(weak.starts_with(b"W/"));
        assert_eq!(weaken(&weak), Some(weak));
    }
    let all = fields(rest);
    let kept = fields_for_304(&all);
    assert!(
        kept.iter()
            .all(|(name, value)| all.iter().any(|field| field == (name, value)))
    );
    assert!(!kept.contains("content-length"));
});
