//! XML documents of CloudFront's shapes: what is read and fits is written and read again as the
//! same, and nothing that is read panics.
//!
//! The first line of an input names the shape; where none has that name it is DistributionConfig.

#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use shapes::cloudfront::{DistributionConfig, SERVICE};
use shapes::schema::{Kind, Shape};
use shapes::{Structure, check_bounds, check_types, limits, xml};
use warmfront_fuzz::lines;

/// Every shape that an operation carries, by name.
static SHAPES: LazyLock<BTreeMap<&'static str, &'static Shape>> = LazyLock::new(|| {
    let mut shapes = BTreeMap::new();
    for operation in SERVICE.operations {
        for body in operation.input.iter().chain(&operation.output) {
            collect(body.shape, &mut shapes);
        }
    }
    shapes
});

fn collect(shape: &'static Shape, shapes: &mut BTreeMap<&'static str, &'static Shape>) {
    if shapes.insert(shape.name, shape).is_some() {
        return;
    }
    match shape.kind {
        Kind::Structure { members, .. } => members.iter().for_each(|m| collect(m.shape, shapes)),
        Kind::List { item, .. } => collect(item, shapes),
        _ => {}
    }
}

fuzz_target!(|data: &[u8]| {
    let ([name], document) = lines(data);
    let shape = std::str::from_utf8(name)
        .ok()
        .and_then(|name| SHAPES.get(name));
    let shape = *shape.unwrap_or(&DistributionConfig::SHAPE);
    let decoded = match xml::read(shape, shape.name, document) {
        Ok(decoded) => decoded,
        Err(error) => {
            assert!(!error.message.is_empty());
            return;
        }
    };
    assert!(decoded.unknown.len() <= limits::PROBLEMS_MAX);
    assert!(shapes::unknown_members(shape, &decoded.value).is_empty());

    let written = xml::write(shape, shape.name, Some("urn:x"), &decoded.value);
    let again = xml::read(shape, shape.name, &written).expect("what is written is XML");
    assert!(again.unknown.is_empty());
    assert_eq!(again.value, decoded.value);
    // Whatever was read, its types can be judged.
    let _ = check_types(shape, &decoded.value);
    let _ = check_bounds(shape, &decoded.value);
});
