//! Conditions: what must be so for a statement to count.
//!
//! ```text
//! "Condition": {"StringEquals": {"aws:SourceArn": ["arn:…", "arn:…"]}, "Bool": {…}}
//! ```
//!
//! All of them must hold. One holds if a value of its key meets one of its own values; of an
//! operator that is negated (`…Not…`), if none does. A request that does not have the key meets
//! nothing: what is negated holds then, and so does all with `IfExists`. With `ForAllValues:` each
//! value of the key is asked by itself and all must hold, also where there are none; with
//! `ForAnyValue:` one must.

use std::net::IpAddr;

use geo::Network;
use serde_json::Value;
use shapes::Timestamp;

use crate::document::clipped;
use crate::template::{Syntax, Template, matches_arn};
use crate::{PolicyError, Request, keys};

/// One operator about one key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    /// In lower case.
    pub key: String,
    pub test: Test,
    pub is_negated: bool,
    pub is_if_exists: bool,
    pub quantifier: Option<Quantifier>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    /// `ForAllValues:`
    All,
    /// `ForAnyValue:`
    Any,
}

/// What a value is held against; one of those listed must fit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    /// Not about values: whether there are none.
    Null(Vec<bool>),
    Equals {
        texts: Vec<Template>,
        is_case_ignored: bool,
    },
    Like(Vec<Template>),
    /// Parts of ARNs.
    Arn(Vec<Vec<Template>>),
    Number(Order, Vec<f64>),
    /// Milliseconds since 1970.
    Date(Order, Vec<i64>),
    Bool(Vec<bool>),
    Address(Vec<Network>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy)]
enum Form {
    Null,
    Equals,
    EqualsIgnoringCase,
    Like,
    Arn,
    Number(Order),
    Date(Order),
    Bool,
    Address,
}

/// Each operator, and whether it is negated. `BinaryEquals` is not among them: no key has such
/// values.
const OPERATORS: [(&str, Form, bool); 26] = [
    ("StringEquals", Form::Equals, false),
    ("StringNotEquals", Form::Equals, true),
    ("StringEqualsIgnoreCase", Form::EqualsIgnoringCase, false),
    ("StringNotEqualsIgnoreCase", Form::EqualsIgnoringCase, true),
    ("StringLike", Form::Like, false),
    ("StringNotLike", Form::Like, true),
    ("ArnEquals", Form::Arn, false),
    ("ArnNotEquals", Form::Arn, true),
    ("ArnLike", Form::Arn, false),
    ("ArnNotLike", Form::Arn, true),
    ("NumericEquals", Form::Number(Order::Equal), false),
    ("NumericNotEquals", Form::Number(Order::Equal), true),
    ("NumericLessThan", Form::Number(Order::Less), false),
    (
        "NumericLessThanEquals",
        Form::Number(Order::LessOrEqual),
        false,
    ),
    ("NumericGreaterThan", Form::Number(Order::Greater), false),
    (
        "NumericGreaterThanEquals",
        Form::Number(Order::GreaterOrEqual),
        false,
    ),
    ("DateEquals", Form::Date(Order::Equal), false),
    ("DateNotEquals", Form::Date(Order::Equal), true),
    ("DateLessThan", Form::Date(Order::Less), false),
    ("DateLessThanEquals", Form::Date(Order::LessOrEqual), false),
    ("DateGreaterThan", Form::Date(Order::Greater), false),
    (
        "DateGreaterThanEquals",
        Form::Date(Order::GreaterOrEqual),
        false,
    ),
    ("Bool", Form::Bool, false),
    ("IpAddress", Form::Address, false),
    ("NotIpAddress", Form::Address, true),
    ("Null", Form::Null, false),
];

/// Reads a `Condition`.
pub(crate) fn parse(
    place: &str,
    value: Value,
    has_variables: bool,
) -> Result<Vec<Condition>, PolicyError> {
    let Value::Object(operators) = value else {
        return Err(PolicyError(format!("{place} must be an object")));
    };
    let mut conditions: Vec<Condition> = Vec::new();
    for (name, members) in operators {
        let (operator, quantifier, is_if_exists) = operator(place, &name)?;
        let (_, form, is_negated) = *operator;
        let place = format!("{place}.{name}");
        let Value::Object(members) = members else {
            return Err(PolicyError(format!("{place} must be an object")));
        };
        if members.is_empty() {
            return Err(PolicyError(format!("{place} names no key")));
        }
        let first = conditions.len();
        for (key, values) in members {
            check_key(&place, &key)?;
            let place = format!("{place}.{key}");
            let key = key.to_ascii_lowercase();
            if conditions[first..].iter().any(|other| other.key == key) {
                return Err(PolicyError(format!(
                    "{place} is there twice, in different case; keys are the same in any"
                )));
            }
            conditions.push(Condition {
                key,
                test: test(&place, form, written(&place, values)?, has_variables)?,
                is_negated,
                is_if_exists,
                quantifier,
            });
        }
    }
    Ok(conditions)
}

type Operator = (&'static str, Form, bool);

fn operator(
    place: &str,
    written: &str,
) -> Result<(&'static Operator, Option<Quantifier>, bool), PolicyError> {
    let (quantifier, name) = match written.split_once(':') {
        Some(("ForAllValues", name)) => (Some(Quantifier::All), name),
        Some(("ForAnyValue", name)) => (Some(Quantifier::Any), name),
        _ => (None, written),
    };
    let (name, is_if_exists) = match name.strip_suffix("IfExists") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let found = OPERATORS.iter().find(|(known, ..)| *known == name);
    match found {
        Some((_, Form::Null, _)) if is_if_exists || quantifier.is_some() => {
            Err(PolicyError(format!(
                "{place} has the operator '{written}'; Null is about whether there are values, and \
                 has neither IfExists nor ForAllValues nor ForAnyValue"
            )))
        }
        Some(operator) => Ok((operator, quantifier, is_if_exists)),
        None => {
            let known: Vec<&str> = OPERATORS.iter().map(|(name, ..)| *name).collect();
            Err(PolicyError(format!(
                "{place} has the operator '{}'; allowed are {}, with ForAllValues: or \
                 ForAnyValue: before, and IfExists behind",
                clipped(written),
                known.join(", ")
            )))
        }
    }
}

fn check_key(place: &str, key: &str) -> Result<(), PolicyError> {
    if keys::is_among(key, keys::all()) {
        return Ok(());
    }
    let known: Vec<&str> = keys::all().collect();
    Err(PolicyError(format!(
        "{place} has the key '{}', which no request has a value of; allowed are {}",
        clipped(key),
        known.join(", ")
    )))
}

/// The values as texts: numbers and truth values may stand without quotes.
fn written(place: &str, values: Value) -> Result<Vec<String>, PolicyError> {
    let items = match values {
        Value::Array(items) => items,
        one => vec![one],
    };
    let texts = items.into_iter().map(|item| match item {
        Value::String(text) => Some(text),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    let texts: Option<Vec<String>> = texts.collect();
    let texts = texts.filter(|texts| !texts.is_empty());
    texts.ok_or_else(|| {
        PolicyError(format!(
            "{place} must be a text, a number, true or false, or a list of them that is not empty"
        ))
    })
}

fn test(
    place: &str,
    form: Form,
    values: Vec<String>,
    has_variables: bool,
) -> Result<Test, PolicyError> {
    let syntax = |has_wildcards| Syntax {
        has_wildcards,
        has_variables,
    };
    let template = |text: &str, has_wildcards| Template::parse(text, syntax(has_wildcards));
    let arn = |text: &str| Template::parse_arn(text, syntax(true));
    let known =
        |what: Option<_>, allowed: &str| what.ok_or_else(|| format!("allowed is {allowed}"));
    let number = |text: &str| {
        let allowed = "a number of at most 15 digits, such as 10 or -0.5";
        number(text).ok_or_else(|| format!("allowed is {allowed}"))
    };
    let date = |text: &str| {
        let allowed = "a time such as 2026-11-21T00:00:00Z, or seconds since 1970";
        date_ms(text).ok_or_else(|| format!("allowed is {allowed}"))
    };
    let truth = |text: &str| known(truth(text), "true or false");
    let network = |text: &str| {
        let allowed = "an address or a block of them, such as 192.0.2.0/24 or 2001:db8::/32";
        network(text).ok_or_else(|| format!("allowed is {allowed}"))
    };
    Ok(match form {
        Form::Null => Test::Null(each(place, &values, truth)?),
        Form::Equals | Form::EqualsIgnoringCase => Test::Equals {
            texts: each(place, &values, |text| template(text, false))?,
            is_case_ignored: matches!(form, Form::EqualsIgnoringCase),
        },
        Form::Like => Test::Like(each(place, &values, |text| template(text, true))?),
        Form::Arn => Test::Arn(each(place, &values, arn)?),
        Form::Number(order) => Test::Number(order, each(place, &values, number)?),
        Form::Date(order) => Test::Date(order, each(place, &values, date)?),
        Form::Bool => Test::Bool(each(place, &values, truth)?),
        Form::Address => Test::Address(each(place, &values, network)?),
    })
}

fn each<T>(
    place: &str,
    values: &[String],
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, PolicyError> {
    let values = values.iter().map(|value| {
        let error = |what| PolicyError(format!("{place} is '{}': {what}", clipped(value)));
        read(value).map_err(error)
    });
    values.collect()
}

fn truth(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Of so few digits that an `f64` holds it as it stands, near enough to compare.
fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_fine = is_number(whole) && is_number(fraction) && whole.len() + fraction.len() <= 16;
    text.parse().ok().filter(|_| is_fine)
}

/// Milliseconds since 1970, of ISO 8601 with or without the time of day, or of seconds since 1970.
fn date_ms(text: &str) -> Option<i64> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse::<i64>().ok()?.checked_mul(1_000);
    }
    let time = Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")));
    time.map(Timestamp::unix_ms)
}

fn network(text: &str) -> Option<Network> {
    match text.parse::<IpAddr>() {
        Ok(address @ IpAddr::V4(_)) => Network::new(address, 32),
        Ok(address @ IpAddr::V6(_)) => Network::new(address, 128),
        Err(_) => text.parse().ok(),
    }
}

impl Condition {
    /// Whether it holds for a request.
    pub fn holds(&self, request: &Request<'_>) -> bool {
        let values = request.values(&self.key);
        if let Test::Null(wanted) = &self.test {
            return wanted.contains(&values.is_empty());
        }
        if values.is_empty() && self.is_if_exists {
            return true;
        }
        let mut values = values.iter();
        let fits = |value: &String| self.test.fits(value, request);
        match self.quantifier {
            None => values.any(fits) != self.is_negated,
            Some(Quantifier::All) => values.all(|value| fits(value) != self.is_negated),
            Some(Quantifier::Any) => values.any(|value| fits(value) != self.is_negated),
        }
    }
}

impl Test {
    fn fits(&self, value: &str, request: &Request<'_>) -> bool {
        match self {
            Test::Null(_) => false,
            Test::Equals {
                texts,
                is_case_ignored,
            } => {
                texts
                    .iter()
                    .filter_map(|text| text.text(request))
                    .any(|text| match is_case_ignored {
                        true => text.to_lowercase() == value.to_lowercase(),
                        false => text == value,
                    })
            }
            Test::Like(texts) => texts.iter().any(|text| text.matches(value, request)),
            Test::Arn(arns) => arns.iter().any(|arn| matches_arn(arn, value, request)),
            Test::Number(order, numbers) => number(value)
                .is_some_and(|value| numbers.iter().any(|number| order.holds(&value, number))),
            Test::Date(order, times) => date_ms(value)
                .is_some_and(|value| times.iter().any(|time| order.holds(&value, time))),
            Test::Bool(wanted) => truth(value).is_some_and(|value| wanted.contains(&value)),
            Test::Address(networks) => value
                .parse::<IpAddr>()
                .is_ok_and(|address| networks.iter().any(|network| network.contains(address))),
        }
    }
}

impl Order {
    fn holds<T: PartialOrd>(self, value: &T, bound: &T) -> bool {
        match self {
            Order::Equal => value == bound,
            Order::Less => value < bound,
            Order::LessOrEqual => value <= bound,
            Order::Greater => value > bound,
            Order::GreaterOrEqual => value >= bound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{ALICE, context_with};
    use serde_json::json;

    /// Whether a condition holds, of a request by alice with these values.
    fn holds(condition: Value, values: &[(&str, &str)]) -> bool {
        let conditions = parse("Condition", condition, true).unwrap();
        let request = Request {
            principal: ALICE,
            action: "s3:GetObject",
            resource: "arn:aws:s3:::site/a",
            context: &context_with(values),
        };
        conditions.iter().all(|condition| condition.holds(&request))
    }

    fn refusal(condition: Value) -> String {
        let refused = parse("Statement[0].Condition", condition, true);
        refused.unwrap_err().to_string()
    }

    #[test]
    fn each_operator_compares_in_its_way() {
        let e1 = "arn:aws:cloudfront::123456789012:distribution/E1";
        for (operator, key, wanted, value, fits) in [
            ("StringEquals", "s3:prefix", json!("a"), "a", true),
            ("StringEquals", "s3:prefix", json!("a"), "A", false),
            ("StringEquals", "s3:prefix", json!("*"), "a", false),
            ("StringEquals", "s3:prefix", json!("*"), "*", true),
            ("StringEquals", "s3:prefix", json!(["b", "a"]), "a", true),
            (
                "StringEquals",
                "s3:prefix",
                json!("${aws:username}"),
                "alice",
                true,
            ),
            ("StringEqualsIgnoreCase", "s3:prefix", json!("É"), "é", true),
            (
                "StringEqualsIgnoreCase",
                "s3:prefix",
                json!("a"),
                "b",
                false,
            ),
            ("StringLike", "s3:prefix", json!("a*"), "a:b/c", true),
            ("StringLike", "s3:prefix", json!("a?"), "a", false),
            (
                "StringLike",
                "s3:prefix",
                json!("${aws:username}/*"),
                "alice/x",
                true,
            ),
            ("ArnEquals", "aws:SourceArn", json!(e1), e1, true),
            (
                "ArnEquals",
                "aws:SourceArn",
                json!("arn:aws:cloudfront::*:*"),
                e1,
                true,
            ),
            (
                "ArnLike",
                "aws:SourceArn",
                json!("arn:aws:s3::*:*"),
                e1,
                false,
            ),
            ("ArnLike", "aws:SourceArn", json!(e1), "no arn", false),
            ("NumericEquals", "s3:max-keys", json!(10), "10", true),
            ("NumericEquals", "s3:max-keys", json!("10.0"), "10", true),
            ("NumericEquals", "s3:max-keys", json!(10), "ten", false),
            (
                "NumericLessThan",
                "s3:TlsVersion",
                json!("1.2"),
                "1.1",
                true,
            ),
            ("NumericLessThan", "s3:TlsVersion", json!(1.2), "1.2", false),
            (
                "NumericLessThanEquals",
                "s3:TlsVersion",
                json!(1.2),
                "1.2",
                true,
            ),
            ("NumericGreaterThan", "s3:max-keys", json!(9), "10", true),
            ("NumericGreaterThan", "s3:max-keys", json!(10), "10", false),
            (
                "NumericGreaterThanEquals",
                "s3:max-keys",
                json!(-1),
                "0",
                true,
            ),
            ("Bool", "s3:if-match", json!(true), "TRUE", true),
            ("Bool", "s3:if-match", json!("true"), "false", false),
            ("Bool", "s3:if-match", json!("false"), "other", false),
            (
                "IpAddress",
                "s3:prefix",
                json!("192.0.2.0/24"),
                "192.0.2.9",
                true,
            ),
            (
                "IpAddress",
                "s3:prefix",
                json!("192.0.2.9"),
                "192.0.2.9",
                true,
            ),
            (
                "IpAddress",
                "s3:prefix",
                json!("192.0.2.9"),
                "192.0.2.8",
                false,
            ),
            (
                "IpAddress",
                "s3:prefix",
                json!("0.0.0.0/0"),
                "2001:db8::1",
                false,
            ),
            (
                "IpAddress",
                "s3:prefix",
                json!("2001:db8::/32"),
                "2001:db8::1",
                true,
            ),
            (
                "IpAddress",
                "s3:prefix",
                json!("192.0.2.0/24"),
                "no address",
                false,
            ),
        ] {
            let fit = holds(json!({ operator: { key: wanted } }), &[(key, value)]);
            assert_eq!(fit, fits, "{operator} {wanted} {value}");
        }
    }

    #[test]
    fn what_is_negated_says_the_opposite_also_of_what_cannot_be_read() {
        for (positive, negated, wanted, values) in [
            (
                "StringEquals",
                "StringNotEquals",
                json!(["a", "b"]),
                ["a", "c"],
            ),
            (
                "StringEqualsIgnoreCase",
                "StringNotEqualsIgnoreCase",
                json!("a"),
                ["A", "c"],
            ),
            ("StringLike", "StringNotLike", json!("a*"), ["ab", "b"]),
            (
                "ArnEquals",
                "ArnNotEquals",
                json!("arn:a:b:c:d:*"),
                ["arn:a:b:c:d:e", "x"],
            ),
            (
                "ArnLike",
                "ArnNotLike",
                json!("arn:a:b:c:d:*"),
                ["arn:a:b:c:d:e", "x"],
            ),
            ("NumericEquals", "NumericNotEquals", json!(1), ["1", "x"]),
            (
                "DateEquals",
                "DateNotEquals",
                json!("2026-11-21"),
                ["1795219200", "x"],
            ),
            (
                "IpAddress",
                "NotIpAddress",
                json!("192.0.2.0/24"),
                ["192.0.2.1", "x"],
            ),
        ] {
            for (value, fits) in values.into_iter().zip([true, false]) {
                let values = [("s3:prefix", value)];
                let holds =
                    |operator: &str| holds(json!({ operator: { "s3:prefix": wanted } }), &values);
                assert_eq!(holds(positive), fits, "{positive} {value}");
                assert_eq!(holds(negated), !fits, "{negated} {value}");
            }
        }
    }

    #[test]
    fn times_are_compared_in_whatever_form_they_stand() {
        // It is 2026-11-21T12:00:00Z.
        for (operator, wanted, fits) in [
            ("DateLessThan", json!("2026-11-21T12:00:01Z"), true),
            ("DateLessThan", json!("2026-11-21T12:00:00Z"), false),
            ("DateLessThanEquals", json!("2026-11-21T12:00:00Z"), true),
            ("DateGreaterThan", json!("2026-11-21"), true),
            ("DateGreaterThan", json!("2026-11-21T13:00:00+02:00"), true),
            ("DateGreaterThanEquals", json!(1_795_262_400), true),
            ("DateEquals", json!("1795262400"), true),
            ("DateEquals", json!("2026-11-21T12:00:00.001Z"), false),
        ] {
            for key in ["aws:CurrentTime", "aws:EpochTime"] {
                let fit = holds(json!({ operator: { key: wanted } }), &[]);
                assert_eq!(fit, fits, "{operator} {key} {wanted}");
            }
        }
    }

    #[test]
    fn a_key_that_is_absent_meets_nothing() {
        let absent = |condition: Value| holds(condition, &[]);
        for (operator, fits) in [
            ("StringEquals", false),
            ("StringNotEquals", true),
            ("StringLike", false),
            ("StringNotLike", true),
            ("StringEqualsIfExists", true),
            ("StringNotEqualsIfExists", true),
            ("ForAllValues:StringEquals", true),
            ("ForAllValues:StringNotEquals", true),
            ("ForAnyValue:StringEquals", false),
            ("ForAnyValue:StringNotEquals", false),
            ("ForAnyValue:StringEqualsIfExists", true),
        ] {
            let condition = json!({ operator: { "s3:prefix": "*" } });
            assert_eq!(absent(condition), fits, "{operator}");
        }
        assert!(!absent(
            json!({ "Bool": { "aws:MultiFactorAuthPresent": "false" } })
        ));
        assert!(absent(
            json!({ "BoolIfExists": { "aws:MultiFactorAuthPresent": true } })
        ));
        assert!(absent(
            json!({ "NotIpAddress": { "aws:VpcSourceIp": "10.0.0.0/8" } })
        ));
        assert!(!absent(json!({ "NumericLessThan": { "s3:max-keys": 10 } })));
    }

    #[test]
    fn if_exists_changes_nothing_where_the_key_is_there() {
        let there = [("s3:prefix", "a")];
        for (operator, fits) in [
            ("StringEqualsIfExists", false),
            ("StringLikeIfExists", true),
        ] {
            let condition = json!({ operator: { "s3:prefix": "*" } });
            assert_eq!(holds(condition, &there), fits, "{operator}");
        }
    }

    #[test]
    fn null_says_whether_a_key_is_there() {
        let there = [("s3:prefix", "")];
        for (wanted, when_absent) in [(json!(true), true), (json!("false"), false)] {
            let condition = json!({ "Null": { "s3:prefix": wanted } });
            assert_eq!(holds(condition.clone(), &[]), when_absent);
            assert_eq!(holds(condition, &there), !when_absent);
        }
    }

    #[test]
    fn values_of_a_key_that_has_several_are_asked_one_by_one() {
        let key = "s3:RequestObjectTagKeys";
        let both = [(key, "a"), (key, "b")];
        for (operator, wanted, fits) in [
            ("ForAllValues:StringEquals", json!(["a", "b", "c"]), true),
            ("ForAllValues:StringEquals", json!(["a"]), false),
            ("ForAllValues:StringNotEquals", json!(["c"]), true),
            ("ForAllValues:StringNotEquals", json!(["a"]), false),
            ("ForAnyValue:StringEquals", json!(["a"]), true),
            ("ForAnyValue:StringEquals", json!(["c"]), false),
            ("ForAnyValue:StringNotEquals", json!(["a"]), true),
            ("ForAnyValue:StringNotEquals", json!(["a", "b"]), false),
            ("StringEquals", json!("a"), true),
            ("StringNotEquals", json!("a"), false),
        ] {
            let condition = json!({ operator: { key: wanted } });
            assert_eq!(holds(condition, &both), fits, "{operator} {wanted}");
        }
    }

    #[test]
    fn all_conditions_must_hold_and_keys_are_the_same_in_any_case() {
        let both = json!({
            "StringEquals": { "AWS:SourceAccount": "1", "S3:PREFIX": "a" },
            "Bool": { "aws:securetransport": "true" },
        });
        let values = [("aws:SourceAccount", "1"), ("s3:prefix", "a")];
        assert!(holds(both.clone(), &values));
        assert!(!holds(both, &values[..1]));
        assert!(holds(json!({}), &[]));
    }

    #[test]
    fn what_follows_from_the_principal_and_the_connection_needs_no_telling() {
        for (key, value) in [
            ("aws:username", "alice"),
            ("aws:PrincipalArn", "arn:aws:iam::123456789012:user/alice"),
            ("aws:PrincipalAccount", "123456789012"),
            ("aws:PrincipalType", "User"),
            ("aws:PrincipalIsAWSService", "false"),
            ("aws:ViaAWSService", "false"),
            ("aws:SourceIp", "192.0.2.7"),
            ("aws:SecureTransport", "true"),
            ("aws:ResourceAccount", "123456789012"),
            ("aws:EpochTime", "1795262400"),
        ] {
            let condition = json!({ "StringEquals": { key: value } });
            assert!(holds(condition, &[]), "{key}");
        }
    }

    #[test]
    fn what_would_not_be_evaluated_is_refused_by_name() {
        for (condition, words) in [
            (json!([]), ["Condition", "object"]),
            (json!(null), ["Condition", "object"]),
            (
                json!({ "stringEquals": { "s3:prefix": "a" } }),
                ["'stringEquals'", "StringEquals"],
            ),
            (
                json!({ "BinaryEquals": { "s3:prefix": "YQ==" } }),
                ["'BinaryEquals'", "Null"],
            ),
            (
                json!({ "ForSome:Bool": { "s3:prefix": "a" } }),
                ["'ForSome:Bool'", "ForAllValues"],
            ),
            (
                json!({ "NullIfExists": { "s3:prefix": "a" } }),
                ["'NullIfExists'", "IfExists"],
            ),
            (
                json!({ "ForAnyValue:Null": { "s3:prefix": "a" } }),
                ["Null", "ForAnyValue"],
            ),
            (json!({ "StringEquals": {} }), ["StringEquals", "no key"]),
            (json!({ "StringEquals": "a" }), ["StringEquals", "object"]),
            (
                json!({ "StringEquals": { "aws:Sourcearn2": "a" } }),
                ["'aws:Sourcearn2'", "aws:SourceArn"],
            ),
            (
                json!({ "StringEquals": { "s3:ExistingObjectTag/": "a" } }),
                ["ObjectTag/'", "key"],
            ),
            (
                json!({ "StringEquals": { "s3:prefix": [] } }),
                ["s3:prefix", "not empty"],
            ),
            (
                json!({ "StringEquals": { "s3:prefix": null } }),
                ["s3:prefix", "text"],
            ),
            (
                json!({ "StringEquals": { "s3:prefix": [["a"]] } }),
                ["s3:prefix", "text"],
            ),
            (
                json!({ "StringEquals": { "s3:prefix": "a", "S3:prefix": "b" } }),
                ["prefix", "twice"],
            ),
            (
                json!({ "StringEquals": { "s3:prefix": "${x}" } }),
                ["'x'", "variable"],
            ),
            (
                json!({ "NumericEquals": { "s3:max-keys": "ten" } }),
                ["'ten'", "number"],
            ),
            (
                json!({ "NumericEquals": { "s3:max-keys": "1e5" } }),
                ["'1e5'", "number"],
            ),
            (
                json!({ "NumericEquals": { "s3:max-keys": "inf" } }),
                ["'inf'", "number"],
            ),
            (
                json!({ "DateLessThan": { "aws:CurrentTime": "soon" } }),
                ["'soon'", "time"],
            ),
            (
                json!({ "DateLessThan": { "aws:CurrentTime": "2026-02-30" } }),
                ["02-30", "time"],
            ),
            (
                json!({ "Bool": { "aws:SecureTransport": "yes" } }),
                ["'yes'", "true"],
            ),
            (json!({ "Null": { "s3:prefix": "a" } }), ["'a'", "true"]),
            (
                json!({ "IpAddress": { "aws:SourceIp": "192.0.2.0/33" } }),
                ["/33", "block"],
            ),
            (
                json!({ "IpAddress": { "aws:SourceIp": "192.0.2.*" } }),
                ["192.0.2.*", "block"],
            ),
            (
                json!({ "ArnLike": { "aws:SourceArn": "*" } }),
                ["'*'", "six parts"],
            ),
        ] {
            let message = refusal(condition.clone());
            for word in words {
                assert!(message.contains(word), "{condition}: {message}");
            }
        }
    }
}
