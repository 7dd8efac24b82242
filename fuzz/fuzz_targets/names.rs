//! Which queries and cookies are selected: parts of what was sent, chosen by the rule, and the
//! same when they are selected again.

#![no_main]

use edge::names::{NameRule, select_cookies, select_query};
use libfuzzer_sys::fuzz_target;
use warmfront_fuzz::lines;

fuzz_target!(|data: &[u8]| {
    let ([kinds, listed, more, query], cookies) = lines::<4>(data);
    let kind = |at: usize| kinds.get(at).copied().unwrap_or(b'n');
    let (rule, other) = (rule(kind(0), listed), rule(kind(1), more));
    check_query(&rule, query);
    check_cookies(&rule, cookies);
    let is_pattern = |rule: &NameRule| matches!(rule, NameRule::Patterns(_));
    if is_pattern(&rule) || is_pattern(&other) {
        return;
    }
    let both = NameRule::union(&rule, &other);
    let names = query.split(|byte| b"=&".contains(byte));
    for name in names.chain(listed.split(|byte| *byte == b' ')) {
        // The one pair whose union the specification makes larger: two exceptions.
        let either = rule.selects(name) || other.selects(name);
        match (&rule, &other) {
            (NameRule::Except(_), NameRule::Except(_)) => assert!(either || !both.selects(name)),
            _ => assert_eq!(both.selects(name), either, "{rule:?} {other:?}"),
        }
    }
});

fn rule(kind: u8, listed: &[u8]) -> NameRule {
    let listed = String::from_utf8_lossy(listed);
    let names = || {
        listed
            .split(' ')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    };
    match kind {
        b'a' => NameRule::All,
        b'o' => NameRule::Only(names()),
        b'e' => NameRule::Except(names()),
        b'p' => NameRule::Patterns(names()),
        _ => NameRule::None,
    }
}

fn check_query(rule: &NameRule, query: &[u8]) {
    let mut selected = Vec::new();
    select_query(rule, Some(query), &mut selected);
    assert!(selected.len() <= query.len());
    let mut again = Vec::new();
    select_query(rule, Some(&selected), &mut again);
    assert_eq!(selected, again);
    let mut sent = query.split(|byte| *byte == b'&');
    for pair in selected
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
    {
        assert!(sent.any(|other| other == pair), "in their order");
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        assert!(rule.selects(name));
    }
    let mut appended = b"?".to_vec();
    select_query(rule, Some(query), &mut appended);
    assert_eq!(
        &appended[1..],
        selected,
        "what was there before changes nothing"
    );
}

fn check_cookies(rule: &NameRule, cookies: &[u8]) {
    let select = |fields: &[u8]| {
        let mut selected = Vec::new();
        select_cookies(rule, fields.split(|byte| *byte == b'\n'), &mut selected);
        selected
    };
    let selected = select(cookies);
    assert_eq!(select(&selected), selected);
    let pairs: Vec<&[u8]> = selected
        .split(|byte| *byte == b';')
        .map(<[u8]>::trim_ascii)
        .collect();
    for pair in pairs.iter().filter(|pair| !pair.is_empty()) {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        assert!(!name.is_empty() && rule.selects(name));
        let mut sent = cookies
            .split(|byte| b";\n".contains(byte))
            .map(<[u8]>::trim_ascii);
        assert!(sent.any(|other| other == *pair));
    }
    let names = pairs
        .iter()
        .map(|pair| pair.split(|byte| *byte == b'=').next());
    assert!(names.is_sorted());
}
