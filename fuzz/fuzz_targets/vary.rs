//! `Vary`: names that matter, each once, and material that two different requests never share.

#![no_main]

use cache::vary::{VARY_NAMES_MAX, VaryRule, material, relevant};
use libfuzzer_sys::fuzz_target;
use warmfront_fuzz::{fields, lines};

fuzz_target!(|data: &[u8]| {
    let ([first, second], rest) = lines::<2>(data);
    let response = fields(rest);
    let rule = relevant(
        &response,
        |name| !name.starts_with('x'),
        |name| name == "accept",
    );
    let names = match rule {
        VaryRule::None => return,
        VaryRule::Star(names) | VaryRule::On(names) => names,
    };
    assert!(names.len() <= VARY_NAMES_MAX);
    assert!(
        names.windows(2).all(|two| two[0] < two[1]),
        "sorted, each once"
    );
    for name in &names {
        assert_eq!(**name, *name.to_ascii_lowercase());
        assert!(!name.starts_with('x') && &**name != "accept");
    }
    // Values come from two requests, by turns, some absent.
    let value = |request: &'static str, line, name: &str| match name.len() % 3 {
        0 if request == "one" => None,
        1 => Some(&b"same"[..]),
        _ => Some(line),
    };
    let one = material(&names, |name| value("one", first, name));
    let other = material(&names, |name| value("other", second, name));
    let agree = names
        .iter()
        .all(|name| value("one", first, name) == value("other", second, name));
    assert_eq!(one == other, agree);
});
