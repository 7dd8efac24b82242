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
