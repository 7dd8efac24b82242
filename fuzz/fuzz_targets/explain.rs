//! Requests and responses as people write them on the command line, explained by the code that
//! serves.

#![no_main]

use std::sync::LazyLock;

use edge::explain::{Question, explain};
use edge::site::{Policies, Site, compile};
use libfuzzer_sys::fuzz_target;
use warmfront_fuzz::{fields, lines, number};

static SITE: LazyLock<Site> = LazyLock::new(|| {
    let config = shapes::from_json(include_str!("../corpus/distribution/several-behaviors"));
    let config = config.expect("it is in the corpus");
    compile("E1", "d1.test", &config, &Policies::managed()).expect("it is right")
});

fuzz_target!(|data: &[u8]| {
    let ([url, method, status], rest) = lines::<3>(data);
    let (Ok(url), Ok(method)) = (std::str::from_utf8(url), std::str::from_utf8(method)) else {
        return;
    };
    // The fields of request and response are told apart by an empty line.
    let middle = rest
        .windows(2)
        .position(|two| two == b"\n\n")
        .unwrap_or(rest.len());
    let texts = |data: &[u8]| -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        fields(data)
            .iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    };
    let status = number(status) as u16;
    let question = Question {
        method: method.to_owned(),
        headers: texts(&rest[..middle]),
        response: (status > 0).then(|| (status, texts(&rest[middle..]))),
        ..Question::new(url, 1_800_000_000)
    };
    if let Ok(text) = explain(&SITE, &question) {
        assert!(text.ends_with('\n') && !text.contains('\r'));
    }
});
