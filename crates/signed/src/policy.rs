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

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::Refusal;

    const URL: ViewerUrl<'_> = ViewerUrl {
        is_https: true,
        host: b"h",
        path: b"/a",
        query: None,
    };

    const END: &str = r#""DateLessThan":{"AWS:EpochTime":200}"#;

    /// A policy of a resource and further conditions.
    fn policy(more: &str) -> String {
        format!(r#"{{"Statement":[{{"Resource":"https://h/*","Condition":{{{END}{more}}}}}]}}"#)
    }

    fn ask(policy: &str, address: &str, now_secs: u64) -> Result<(), Refusal> {
        let address: IpAddr = address.parse().unwrap();
        let grant = read(policy.as_bytes()).unwrap();
        grant.admits(&URL, address, now_secs)
    }

    #[test]
    fn it_begins_with_its_first_second_and_ends_before_its_last() {
        let policy = policy(r#","DateGreaterThan":{"AWS:EpochTime":100}"#);
        assert_eq!(ask(&policy, "::1", 99), Err(Refusal::NotYetValid));
        assert_eq!(ask(&policy, "::1", 100), Ok(()));
        assert_eq!(ask(&policy, "::1", 199), Ok(()));
        assert_eq!(ask(&policy, "::1", 200), Err(Refusal::Expired));
        assert_eq!(ask(&policy, "::1", u64::MAX), Err(Refusal::Expired));
    }

    #[test]
    fn addresses_are_of_ipv4_and_in_the_network() {
        for (cidr, address, is_in) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1/32", "::ffff:192.0.2.1", true),
            ("192.0.2.77/24", "192.0.2.1", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("128.0.0.0/1", "255.1.1.1", true),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("0.0.0.0/0", "::1", false),
        ] {
            let policy = policy(&format!(r#","IpAddress":{{"AWS:SourceIp":"{cidr}"}}"#));
            let expected = if is_in { Ok(()) } else { Err(Refusal::Address) };
            assert_eq!(ask(&policy, address, 1), expected, "{cidr} {address}");
        }
    }

    #[test]
    fn without_a_resource_it_is_about_everything() {
        let policy = format!(r#"{{"Statement":{{"Condition":{{{END}}}}}}}"#);
        assert_eq!(ask(&policy, "::1", 1), Ok(()));
    }

    #[test]
    fn members_may_come_in_any_order_among_blanks_and_escapes() {
        let policy = format!(
            "\n{{ \"Statement\" : {{ \"Condition\" : {{ {END} }} ,\t\
             \"\\u0052esource\" : \"https:\\/\\/h\\/\\u0061\" }} }}\r\n"
        );
        assert_eq!(ask(&policy, "::1", 1), Ok(()));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let date = |value: &str| policy("").replace(r#"{"AWS:EpochTime":200}"#, value);
        let address = |value: &str| policy(&format!(r#","IpAddress":{value}"#));
        let resource = |value: &str| policy("").replace(r#""https://h/*""#, value);
        let one = policy("")
            .replace(r#"{"Statement":["#, "")
            .replace("]}", "");
        for bad in [
            String::new(),
            "null".to_owned(),
            "[]".to_owned(),
            "{}".to_owned(),
            r#"{"Statement":[]}"#.to_owned(),
            r#"{"Statement":["Resource"]}"#.to_owned(),
            r#"[["https://h/*"]]"#.to_owned(),
            format!(r#"{{"Statement":[{one},{one}]}}"#),
            format!(r#"{{"Statement":[[{one}]]}}"#),
            format!(r#"{{"Statement":{one},"Statement":{one}}}"#),
            format!(r#"{{"Statement":{one},"Version":"2012-10-17"}}"#),
            format!(r#"{{"statement":{one}}}"#),
            policy("") + "x",
            format!("\u{feff}{}", policy("")),
            policy(&format!(",{END}")),
            policy(r#","DateLessTh\u0061n":{"AWS:EpochTime":900}"#),
            policy(r#","DateEquals":{"AWS:EpochTime":100}"#),
            policy(r#","dateGreaterThan":{"AWS:EpochTime":100}"#),
            policy(r#","Bool":{"aws:SecureTransport":"true"}"#),
            policy(r#","DateGreaterThan":{}"#),
            policy(r#","DateGreaterThan":null"#),
            policy("").replace(END, ""),
            policy("").replace("DateLessThan", "DateGreaterThan"),
            policy("").replace(r#""Condition""#, r#""Effect":"Allow","Condition""#),
            policy("").replace(r#""Resource""#, r#""Resource":"https://h/b","Resource""#),
            date("200"),
            date("[200]"),
            date(r#"{"AWS:EpochTime":"200"}"#),
            date(r#"{"AWS:EpochTime":-1}"#),
            date(r#"{"AWS:EpochTime":-0}"#),
            date(r#"{"AWS:EpochTime":200.5}"#),
            date(r#"{"AWS:EpochTime":2e2}"#),
            date(r#"{"AWS:EpochTime":2147483648}"#),
            date(r#"{"AWS:EpochTime":99999999999999999999}"#),
            date(r#"{"AWS:EpochTime":[200]}"#),
            date(r#"{"aws:EpochTime":200}"#),
            date(r#"{"AWS:EpochTime":200,"AWS:EpochTime":900}"#),
            date(r#"{"AWS:EpochTime":200,"AWS:SourceIp":"192.0.2.1"}"#),
            address(r#"{"AWS:SourceIp":["192.0.2.1"]}"#),
            address(r#"{"AWS:SourceIp":"2001:db8::/32"}"#),
            address(r#"{"AWS:SourceIp":"192.0.2.0/33"}"#),
            address(r#"{"AWS:SourceIp":"192.0.2.0/"}"#),
            address(r#"{"AWS:SourceIp":"192.0.2.0/+8"}"#),
            address(r#"{"AWS:SourceIp":"192.0.2.0/08"}"#),
            address(r#"{"AWS:SourceIp":"192.0.2"}"#),
            address(r#"{"AWS:SourceIp":"192.0.2.1, 192.0.2.2"}"#),
            address(r#"{"AWS:SourceIp":""}"#),
            address("{}"),
            resource(r#"["https://h/*"]"#),
            resource(r#"["https://h/a",["*"]]"#),
            resource("null"),
            resource("{}"),
            resource(r#""""#),
            resource(r#""ftp://h/*""#),
            policy("") + &" ".repeat(POLICY_BYTES_MAX),
            "[".repeat(POLICY_BYTES_MAX),
        ] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(read(&[policy("").as_bytes(), b"\xff"].concat()).is_err());
        assert_eq!(
            ask(&policy(""), "::1", 1),
            Ok(()),
            "what they were made from is understood"
        );
    }

    #[test]
    fn canned_policies_are_rebuilt_from_the_url_without_our_parameters() {
        for (query, expected) in [
            (None, "/a"),
            (Some(""), "/a"),
            (Some("Expires=1&Signature=s&Key-Pair-Id=k"), "/a"),
            (Some("x=1&Expires=1"), "/a?x=1"),
            (Some("Expires=1&x=1"), "/a?x=1"),
            (
                Some("x=1&Expires=1&y=2&Hash-Algorithm=SHA1&&z"),
                "/a?x=1&y=2&&z",
            ),
            (
                Some("expires=1&Policyx=2&xPolicy=3&%45xpires=4"),
                "/a?expires=1&Policyx=2&xPolicy=3&%45xpires=4",
            ),
            (Some("x=1?y=%20&Policy"), "/a?x=1?y=%20"),
        ] {
            let query = query.map(str::as_bytes);
            let text = canned(
                &ViewerUrl {
                    query,
                    host: b"H:80",
                    ..URL
                },
                7,
            )
            .unwrap();
            let expected = format!(
                r#"{{"Statement":[{{"Resource":"https://h:80{expected}","Condition":{}"#,
                r#"{"DateLessThan":{"AWS:EpochTime":7}}}]}"#
            );
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
    }

    #[test]
    fn urls_that_could_spell_another_policy_have_no_canned_one() {
        for path in [&b"/\""[..], b"/\\", b"/\n", br#"/*","Condition":{"#] {
            assert_eq!(canned(&ViewerUrl { path, ..URL }, 7), None);
        }
    }
}
