//! Arbitrary documents of a shape.

#![allow(dead_code, reason = "not every test needs all of it")]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use shapes::Timestamp;
use shapes::schema::{Kind, Member, Service, Shape};

/// What XML can hold and some that it must escape.
const TEXT: &str = r#"[\PC\t\r\n<>&'"]{0,8}"#;

/// Documents of a shape, the same in every run.
pub fn samples(shape: &'static Shape, count: usize) -> Vec<Value> {
    let documents = documents(shape);
    let mut runner = TestRunner::deterministic();
    (0..count)
        .map(|_| documents.new_tree(&mut runner).unwrap().current())
        .collect()
}

/// Every structure that a service's operations carry.
pub fn structures(service: &Service) -> Vec<&'static Shape> {
    let mut found = BTreeMap::new();
    for operation in service.operations {
        for body in operation.input.iter().chain(&operation.output) {
            collect(body.shape, &mut found);
        }
    }
    found.into_values().collect()
}

fn collect(shape: &'static Shape, found: &mut BTreeMap<&'static str, &'static Shape>) {
    let Kind::Structure { members, .. } = shape.kind else {
        if let Kind::List { item, .. } = shape.kind {
            collect(item, found);
        }
        return;
    };
    if found.insert(shape.name, shape).is_none() {
        members
            .iter()
            .for_each(|member| collect(member.shape, found));
    }
}

/// Documents that a shape allows: optional members come and go.
pub fn documents(shape: &'static Shape) -> BoxedStrategy<Value> {
    within(shape, &[])
}

/// Documents of a shape within those of others; of one that is within itself, the empty one.
fn within(shape: &'static Shape, above: &[&'static str]) -> BoxedStrategy<Value> {
    match &shape.kind {
        Kind::Structure { .. } if above.contains(&shape.name) => Just(json!({})).boxed(),
        Kind::Structure { members, .. } => {
            let above = [above, &[shape.name]].concat();
            let members: Vec<_> = members.iter().map(|one| entries(one, &above)).collect();
            let object = |members: Vec<Option<(String, Value)>>| {
                Value::Object(members.into_iter().flatten().collect::<Map<_, _>>())
            };
            members.prop_map(object).boxed()
        }
        Kind::List { item, .. } => prop::collection::vec(within(item, above), 0..3)
            .prop_map(Value::Array)
            .boxed(),
        Kind::String { choices: [], .. } => TEXT.prop_map(Value::String).boxed(),
        Kind::String { choices, .. } => {
            prop::sample::select(*choices).prop_map(Value::from).boxed()
        }
        Kind::Integer => any::<i32>().prop_map(Value::from).boxed(),
        Kind::Long => any::<i64>().prop_map(Value::from).boxed(),
        Kind::Float | Kind::Double => (-1_000_000..1_000_000)
            .prop_map(|eighths| json!(f64::from(eighths) / 8.0))
            .boxed(),
        Kind::Boolean => any::<bool>().prop_map(Value::from).boxed(),
        Kind::Timestamp => (0..253_402_300_800_000_i64)
            .prop_map(|unix_ms| json!(Timestamp::from_unix_ms(unix_ms)))
            .boxed(),
        Kind::Blob => prop::sample::select(&["", "Zg==", "Zm9v"])
            .prop_map(Value::from)
            .boxed(),
    }
}

fn entries(
    member: &'static Member,
    above: &[&'static str],
) -> BoxedStrategy<Option<(String, Value)>> {
    let entry = within(member.shape, above);
    let entry = entry.prop_map(|value| Some((member.name.to_owned(), value)));
    if member.is_required {
        entry.boxed()
    } else {
        prop_oneof![Just(None), entry].boxed()
    }
}
