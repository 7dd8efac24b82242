//! Policies (spec §9.5): canned ones are rebuilt, custom ones read.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::grant::{Grant, Network};
use crate::limits::{EPOCH_SECS_MAX, POLICY_BYTES_MAX};
use crate::presented::ViewerUrl;
use crate::resource::Resource;

/// The policy that a canned signature is over, rebuilt from the URL. None for URLs in which no
/// signer leaves what would need an escape in JSON: the text could be read as another policy.
pub(crate) fn canned(url: &ViewerUrl<'_>, expires_secs: u64) -> Option<Vec<u8>> {
    let mut text = br#"{"Statement":[{"Resource":""#.to_vec();
    let from = text.len();
    text.extend_from_slice(match url.is_https {
        true => b"https://",
        false => b"http://",
    });
    text.extend(url.host.iter().map(u8::to_ascii_lowercase));
    text.extend_from_slice(url.path);
    let own = url.own_query();
    if !own.is_empty() {
        text.push(b'?');
        text.extend_from_slice(&own);
    }
    let is_plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
    if !text[from..].iter().all(is_plain) {
        return None;
    }
    let rest =
        format!(r#"","Condition":{{"DateLessThan":{{"AWS:EpochTime":{expires_secs}}}}}}}]}}"#);
    text.extend_from_slice(rest.as_bytes());
    Some(text)
}

/// Reads a custom policy. Whatever is not understood is refused, wherever it stands: a condition
/// that is passed over would be one that does not hold.
pub(crate) fn read(text: &[u8]) -> Result<Grant, &'static str> {
    if text.len() > POLICY_BYTES_MAX {
        return Err("too long");
    }
    let text = str::from_utf8(text).map_err(|_| "not UTF-8")?;
    let json = serde_json::from_str(text)
        .map_err(|_| "not JSON in which every object names each member once")?;
    let [statement] = members(json, ["Statement"])?;
    let statement = match statement {
        Some(Json::List(statements)) => match <[Json; 1]>::try_from(statements) {
            Ok([statement]) => statement,
            Err(_) => return Err("there is not exactly one statement"),
        },
        Some(statement) => statement,
        None => return Err("Statement is missing"),
    };
    let [resource, condition] = members(statement, ["Resource", "Condition"])?;
    let resource = match resource {
        None => None,
        Some(Json::Text(resource)) => Some(Resource::parse(&resource)?),
        Some(_) => return Err("Resource is not one string"),
    };
    let condition = condition.ok_or("Condition is missing")?;
    let operators = ["DateLessThan", "DateGreaterThan", "IpAddress"];
    let [before, after, address] = members(condition, operators)?;
    let network = match address
        .map(|keys| members(keys, ["AWS:SourceIp"]))
        .transpose()?
    {
        None => None,
        Some([Some(Json::Text(cidr))]) => {
            let network = Network::parse(&cidr);
            Some(network.ok_or("AWS:SourceIp is neither an IPv4 address nor a network of them")?)
        }
        Some(_) => return Err("AWS:SourceIp is not one string"),
    };
    Ok(Grant {
        expires_secs: epoch_secs(before.ok_or("DateLessThan is missing")?)?,
        not_before_secs: after.map(epoch_secs).transpose()?.unwrap_or(0),
        network,
        resource,
    })
}

fn epoch_secs(keys: Json) -> Result<u64, &'static str> {
    match members(keys, ["AWS:EpochTime"])? {
        [Some(Json::Number(secs))] if secs <= EPOCH_SECS_MAX => Ok(secs),
        _ => Err("AWS:EpochTime is not a whole number from 0 to 2147483647"),
    }
}

/// The members of an object that has no others.
fn members<const N: usize>(
    json: Json,
    names: [&str; N],
) -> Result<[Option<Json>; N], &'static str> {
    let Json::Object(members) = json else {
        return Err("something is not an object that should be one");
    };
    let mut found = [const { None }; N];
    for (name, value) in members {
        match names.iter().position(|known| *known == name) {
            Some(at) => found[at] = Some(value),
            None => return Err("a member is not known"),
        }
    }
    Ok(found)
}

/// JSON as far as policies are made of it, and with no member twice: of readers that take the
/// first and readers that take the last, one would be wrong.
enum Json {
    Text(String),
    Number(u64),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
    /// Negative or broken numbers, true, false and null.
    Other,
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Json, D::Error> {
        from.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = access.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut names = HashSet::new();
        let mut members = Vec::new();
        while let Some((name, value)) = access.next_entry::<String, Json>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom("a member stands twice"));
            }
            members.push((name, value));
        }
        Ok(Json::Object(members))
    }
}
