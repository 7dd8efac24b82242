//! The reduced model: what a codec, a check or a router needs of a service model, and no prose.
//!
//! One shape or operation a line, in name order, so that a change in AWS's model reads as a diff.
//! Members keep the order that they have on the wire, hence the array where botocore has an object.
//! `crates/shapes/generator/model.rs` reads this form.

use serde_json::{Map, Value, json};

use crate::botocore::{Body, Member, Namespace, Operation, Service, Shape};

/// Drops every operation that is not named, and the shapes that only those need.
pub fn keep_operations(service: &mut Service, names: &[&str]) {
    let Service {
        operations, shapes, ..
    } = service;
    operations
        .0
        .retain(|(name, _)| names.contains(&name.as_str()));
    let mut needed: Vec<String> = operations
        .0
        .iter()
        .flat_map(
            |(
                _,
                Operation {
                    input,
                    output,
                    errors,
                    ..
                },
            )| { input.iter().chain(output).chain(errors) },
        )
        .map(|body| body.shape.clone())
        .collect();
    let mut seen = 0;
    while let Some(name) = needed.get(seen) {
        seen += 1;
        let shape = shapes.0.iter().find(|(other, _)| other == name);
        let Some((
            _,
            Shape {
                members,
                member,
                key,
                value,
                ..
            },
        )) = shape
        else {
            continue;
        };
        let members = members.0.iter().map(|(_, member)| member);
        for below in members.chain(member).chain(key).chain(value) {
            if !needed.contains(&below.shape) {
                needed.push(below.shape.clone());
            }
        }
    }
    shapes.0.retain(|(name, _)| needed.contains(name));
}

/// Renders the reduced model of `service` as a JSON document.
pub fn reduce(service: &Service, release: &str) -> Result<String, serde_json::Error> {
    let metadata = &service.metadata;
    let mut text = String::from("{\n");
    for (key, value) in [
        ("source", release),
        ("service", service.name()),
        ("apiVersion", &metadata.api_version),
        ("protocol", &metadata.protocol),
    ] {
        text.push_str(&format!("\"{key}\": {},\n", json!(value)));
    }
    if let Some(prefix) = &metadata.target_prefix {
        text.push_str(&format!("\"targetPrefix\": {},\n", json!(prefix)));
    }
    text.push_str("\"shapes\": {\n");
    text.push_str(&lines(&service.shapes.0, shape)?);
    text.push_str("},\n\"operations\": {\n");
    text.push_str(&lines(&service.operations.0, operation)?);
    text.push_str("}\n}\n");
    Ok(text)
}

fn lines<T>(entries: &[(String, T)], reduce: fn(&T) -> Value) -> Result<String, serde_json::Error> {
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_by_key(|(name, _)| name);
    let mut lines = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        lines.push(format!(
            "{}:{}",
            json!(name),
            serde_json::to_string(&reduce(entry))?
        ));
    }
    Ok(lines.join(",\n") + "\n")
}

fn shape(shape: &Shape) -> Value {
    let mut fields = Fields::default();
    fields.set("type", &shape.kind);
    fields.text("payload", &shape.payload);
    fields.text("locationName", &shape.location_name);
    fields.namespace(&shape.xml_namespace);
    fields.flag("union", shape.union);
    fields.flag("flattened", shape.flattened);
    fields.flag("sensitive", shape.sensitive);
    fields.flag("exception", shape.exception);
    fields.text("timestampFormat", &shape.timestamp_format);
    fields.text("pattern", &shape.pattern);
    for (key, bound) in [("min", &shape.min), ("max", &shape.max)] {
        if let Some(bound) = bound {
            fields.set(key, bound);
        }
    }
    if !shape.choices.is_empty() {
        fields.set("enum", &shape.choices);
    }
    if let Some(error) = &shape.error {
        let mut fault = Fields::default();
        fault.set("httpStatusCode", error.http_status_code);
        fault.flag("senderFault", error.sender_fault);
        fault.text("code", &error.code);
        fields.set("error", fault.0);
    }
    for (key, item) in [
        ("member", &shape.member),
        ("key", &shape.key),
        ("value", &shape.value),
    ] {
        if let Some(item) = item {
            fields.set(key, member(item).0);
        }
    }
    if shape.kind == "structure" {
        let members = shape.members.0.iter().map(|(name, entry)| {
            let mut fields = member(entry);
            fields.set("name", name);
            fields.flag("required", shape.required.contains(name));
            Value::Object(fields.0)
        });
        fields.set("members", members.collect::<Vec<_>>());
    }
    Value::Object(fields.0)
}

fn member(member: &Member) -> Fields {
    let mut fields = Fields::default();
    fields.set("shape", &member.shape);
    fields.text("location", &member.location);
    fields.text("locationName", &member.location_name);
    fields.flag("flattened", member.flattened);
    fields.flag("xmlAttribute", member.xml_attribute);
    fields.namespace(&member.xml_namespace);
    fields.flag("streaming", member.streaming);
    fields.flag("deprecated", member.deprecated);
    fields
}

fn operation(operation: &Operation) -> Value {
    let mut fields = Fields::default();
    fields.set("method", &operation.http.method);
    fields.set("requestUri", &operation.http.request_uri);
    fields.set("responseCode", operation.http.response_code.unwrap_or(200));
    for (key, body) in [("input", &operation.input), ("output", &operation.output)] {
        if let Some(body) = body {
            fields.set(key, reduced_body(body));
        }
    }
    // Their order means nothing, and changes from one botocore to the next.
    let mut errors: Vec<&str> = operation
        .errors
        .iter()
        .map(|error| error.shape.as_str())
        .collect();
    errors.sort_unstable();
    fields.set("errors", errors);
    Value::Object(fields.0)
}

fn reduced_body(body: &Body) -> Value {
    let mut fields = Fields::default();
    fields.set("shape", &body.shape);
    fields.text("locationName", &body.location_name);
    fields.namespace(&body.xml_namespace);
    Value::Object(fields.0)
}

/// An object that leaves out what is absent or false.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, key: &str, value: impl serde::Serialize) {
        self.0.insert(key.into(), json!(value));
    }

    fn text(&mut self, key: &str, value: &Option<String>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    fn flag(&mut self, key: &str, value: bool) {
        if value {
            self.set(key, true);
        }
    }

    fn namespace(&mut self, namespace: &Option<Namespace>) {
        if let Some(Namespace { uri, prefix }) = namespace {
            let mut fields = Fields::default();
            fields.set("uri", uri);
            fields.text("prefix", prefix);
            self.set("xmlNamespace", fields.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = r#"{
        "version": "2.0", "documentation": "<p>Prose.</p>",
        "metadata": {"uid": "cloud-things-2020-05-31", "apiVersion": "2020-05-31",
            "protocol": "rest-xml"},
        "operations": {"MakeThing": {
            "name": "MakeThing2020_05_31", "documentation": "<p>Prose.</p>",
            "http": {"method": "POST", "requestUri": "/thing", "responseCode": 201},
            "input": {"shape": "Thing", "locationName": "T", "xmlNamespace": {"uri": "http://t/"}},
            "errors": [{"shape": "NoThing"}, {"shape": "BadThing"}]
        }},
        "shapes": {
            "string": {"type": "string", "min": 1, "max": 8, "enum": ["b", "a"]},
            "Thing": {
                "type": "structure", "required": ["Zed"], "documentation": "<p>Prose.</p>",
                "members": {
                    "Zed": {"shape": "string", "location": "header", "locationName": "X-Zed"},
                    "Ann": {"shape": "string", "documentation": "<p>Prose.</p>", "deprecated": true}
                }
            },
            "NoThing": {"type": "structure", "members": {}, "exception": true,
                "error": {"httpStatusCode": 404, "senderFault": true}}
        }
    }"#;

    const REDUCED: &str = r#"{
"source": "a test",
"service": "cloud-things",
"apiVersion": "2020-05-31",
"protocol": "rest-xml",
"shapes": {
"NoThing":{"error":{"httpStatusCode":404,"senderFault":true},"exception":true,"members":[],"type":"structure"},
"Thing":{"members":[{"location":"header","locationName":"X-Zed","name":"Zed","required":true,"shape":"string"},{"deprecated":true,"name":"Ann","shape":"string"}],"type":"structure"},
"string":{"enum":["b","a"],"max":8,"min":1,"type":"string"}
},
"operations": {
"MakeThing":{"errors":["BadThing","NoThing"],"input":{"locationName":"T","shape":"Thing","xmlNamespace":{"uri":"http://t/"}},"method":"POST","requestUri":"/thing","responseCode":201}
}
}
"#;

    #[test]
    fn a_reduced_model_keeps_constraints_and_wire_order_and_drops_prose() {
        let service = serde_json::from_str(MODEL).unwrap();
        assert_eq!(reduce(&service, "a test").unwrap(), REDUCED);
    }

    #[test]
    fn the_operations_kept_bring_their_shapes_and_no_others() {
        let model = MODEL.replace(
            r#""operations": {"#,
            r#""operations": {"FindThing": {"name": "FindThing",
                "http": {"method": "POST", "requestUri": "/"}, "errors": [{"shape": "NoThing"}]},"#,
        );
        for (kept, shapes) in [
            ("MakeThing", &["string", "Thing", "NoThing"][..]),
            ("FindThing", &["NoThing"]),
        ] {
            let mut service: Service = serde_json::from_str(&model).unwrap();
            keep_operations(&mut service, &[kept]);
            let names: Vec<_> = service.shapes.0.iter().map(|(name, _)| name).collect();
            assert_eq!(service.operations.0.len(), 1);
            assert_eq!(names, shapes);
        }
    }

    #[test]
    fn an_unknown_trait_is_refused_by_name() {
        let model = MODEL.replace(r#""min": 1"#, r#""novelty": 1"#);
        let error = serde_json::from_str::<Service>(&model)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("unknown field `novelty`"), "{error}");
    }
}
