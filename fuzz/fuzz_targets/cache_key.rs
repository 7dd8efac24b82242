//! Keys: the material can be read back part by part, so two requests share it only if they agree
//! in every part.

#![no_main]

use edge::Viewer;
use edge::accept_encoding::EncodingRule;
use edge::key::{KeyHeader, KeyMaterial, KeyRule, KeySink, KeySource, PartKind};
use edge::names::NameRule;
use libfuzzer_sys::fuzz_target;
use message::http1::{Parsed, parse_request};
use message::{Known, RequestHead};
use warmfront_fuzz::lines;

fuzz_target!(|data: &[u8]| {
    let ([kinds, names, headers], wire) = lines::<3>(data);
    let mut request = RequestHead::default();
    let Ok(Parsed::Complete { .. }) = parse_request(wire, &mut request) else {
        return;
    };
    let names = String::from_utf8_lossy(names);
    let rule = |kind: Option<&u8>| match kind {
        Some(b'a') => NameRule::All,
        Some(b'o') => NameRule::Only(names.split(' ').map(str::to_owned).collect()),
        Some(b'e') => NameRule::Except(names.split(' ').map(str::to_owned).collect()),
        _ => NameRule::None,
    };
    let encoding = EncodingRule {
        gzip: kinds.contains(&b'g'),
        brotli: kinds.contains(&b'b'),
    };
    let headers = String::from_utf8_lossy(headers);
    let rule = KeyRule {
        query: rule(kinds.first()),
        cookies: rule(kinds.get(1)),
        headers: headers.split(' ').map(KeyHeader::new).collect(),
        encoding,
    };
    let viewer = Viewer::new(([192, 0, 2, 1], 50_000).into());
    let source = KeySource {
        distribution: "E1",
        request: &request,
        path: request.path(),
        encodings: encoding.normalise(request.known(Known::AcceptEncoding)),
        viewer: &viewer,
    };
    let mut scratch = b"left".to_vec();
    let (mut material, mut parts) = (KeyMaterial::default(), Parts::default());
    rule.write(source, &mut scratch, &mut material);
    rule.write(source, &mut scratch, &mut parts);
    assert_eq!(read(&material.bytes), parts.0);
    assert_eq!(parts.0[0].0, PartKind::Distribution as u8);
});

type Part = (u8, Vec<u8>, Option<Vec<u8>>);

#[derive(Default)]
struct Parts(Vec<Part>);

impl KeySink for Parts {
    fn part(&mut self, kind: PartKind, name: &[u8], value: Option<&[u8]>) {
        self.0
            .push((kind as u8, name.to_vec(), value.map(<[u8]>::to_vec)));
    }
}

/// Kind, length of the name, length of the value (the largest: absent), name, value.
fn read(mut material: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    while let [kind, a, b, c, d, rest @ ..] = material {
        let (name, rest) = rest.split_at(usize::from(u16::from_le_bytes([*a, *b])));
        let length = u16::from_le_bytes([*c, *d]);
        let (value, rest) = match length {
            u16::MAX => (None, rest),
            length => {
                let (value, rest) = rest.split_at(usize::from(length));
                (Some(value.to_vec()), rest)
            }
        };
        parts.push((*kind, name.to_vec(), value));
        material = rest;
    }
    assert!(material.is_empty());
    parts
}
