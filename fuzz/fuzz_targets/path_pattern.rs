//! Path patterns: matched as a slow and simple matcher does, and covering soundly.

#![no_main]

use edge::site::{PathPattern, wildcard_match};
use libfuzzer_sys::fuzz_target;
use warmfront_fuzz::lines;

fuzz_target!(|data: &[u8]| {
    let ([one, other], path) = lines::<2>(data);
    let path = &path[..path.len().min(300)];
    let pattern = |text: &[u8]| PathPattern::parse(std::str::from_utf8(text).ok()?).ok();
    let raw = &one[..one.len().min(100)];
    assert_eq!(wildcard_match(raw, path), slow_match(raw, path));
    let Some(one) = pattern(one) else {
        return;
    };
    assert!(one.as_str().starts_with(['/', '*']));
    let with_slash = [b"/", path].concat();
    let matches = one.matches(&with_slash);
    assert_eq!(
        matches,
        slow_match(one.as_str().as_bytes(), &with_slash),
        "{one:?}"
    );
    assert_eq!(
        pattern(one.as_str().as_bytes())
            .as_ref()
            .map(PathPattern::as_str),
        Some(one.as_str())
    );
    assert!(PathPattern::everything().covers(&one));
    let Some(other) = pattern(other) else {
        return;
    };
    if one.covers(&other) && other.matches(&with_slash) {
        assert!(matches, "{one:?} covers {other:?}");
    }
});

/// By a table: whether the first bytes of the pattern match the first bytes of the path.
fn slow_match(pattern: &[u8], path: &[u8]) -> bool {
    let mut row = vec![false; path.len() + 1];
    row[0] = true;
    for token in pattern {
        let mut next = vec![false; path.len() + 1];
        for at in 0..=path.len() {
            next[at] = match token {
                b'*' => row[at] || (at > 0 && next[at - 1]),
                b'?' => at > 0 && row[at - 1],
                byte => at > 0 && row[at - 1] && path[at - 1] == *byte,
            };
        }
        row = next;
    }
    row[path.len()]
}
