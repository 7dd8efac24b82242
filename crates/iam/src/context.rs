//! What is asked, and under which circumstances.

use std::collections::BTreeMap;
use std::net::IpAddr;

use shapes::Timestamp;

use crate::keys;
use crate::principal::Principal;

/// What is asked, by whom, and under which circumstances.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub principal: Principal<'a>,
    /// `s3:GetObject`, in any case.
    pub action: &'a str,
    /// An ARN, `arn:aws:s3:::bucket/key`, or `*` if it is about nothing in particular.
    pub resource: &'a str,
    /// The circumstances.
    pub context: &'a Context,
}

impl Request<'_> {
    /// All values of a key in lower case; none if the request does not have it.
    pub(crate) fn values(&self, key: &str) -> Vec<String> {
        match self.principal.values(key) {
            Some(values) => values,
            None => self.context.values(key).to_vec(),
        }
    }
}

/// What is known of any request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection<'a> {
    /// When it came, in milliseconds since 1970.
    pub now_ms: u64,
    /// The address that it came from; none if a service asks on nobody's behalf.
    pub source: Option<IpAddr>,
    /// Whether it came over TLS.
    pub is_tls: bool,
    /// The account that the resource is of.
    pub account_id: &'a str,
}

/// The circumstances of a request: keys, which are the same in any case, and their values.
///
/// Keys that follow from the principal (`aws:username`, `aws:PrincipalArn`) are not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// By the key in lower case.
    values: BTreeMap<String, Vec<String>>,
}

impl Context {
    /// With `aws:CurrentTime`, `aws:EpochTime`, `aws:SourceIp`, `aws:SecureTransport` and
    /// `aws:ResourceAccount`.
    pub fn new(connection: &Connection<'_>) -> Context {
        let mut context = Context {
            values: BTreeMap::new(),
        };
        let now_ms = i64::try_from(connection.now_ms).unwrap_or(i64::MAX);
        let now = Timestamp::from_unix_ms(now_ms).to_string();
        context.set("aws:CurrentTime", now);
        context.set("aws:EpochTime", (now_ms / 1_000).to_string());
        context.set("aws:SecureTransport", connection.is_tls.to_string());
        context.set("aws:ResourceAccount", connection.account_id);
        if let Some(source) = connection.source {
            context.set("aws:SourceIp", source.to_canonical().to_string());
        }
        context
    }

    /// Gives a key a value, in place of what it had. The key must be one of
    /// [`keys`](crate::keys), else no policy could ask for it.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        debug_assert!(keys::is_among(key, keys::all()), "no key: {key}");
        self.values
            .insert(key.to_ascii_lowercase(), vec![value.into()]);
    }

    /// Gives a key a value besides those that it has.
    pub fn add(&mut self, key: &str, value: impl Into<String>) {
        debug_assert!(keys::is_among(key, keys::all()), "no key: {key}");
        let values = self.values.entry(key.to_ascii_lowercase()).or_default();
        values.push(value.into());
    }

    fn values(&self, key: &str) -> &[String] {
        self.values.get(key).map_or(&[], Vec::as_slice)
    }
}
