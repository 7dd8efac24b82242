//! What compiles and is hardly meant: the classic mistakes in distributions, and what a
//! distribution asks for that the edge does not do yet. Nothing is passed over in silence.

mod keys;
mod lifetimes;
mod origins;
mod routes;
mod unserved;

use documents::distribution::as_behavior;
use shapes::cloudfront as cf;

use crate::site::{Behavior, Policies, Site, compile};

/// Something in a distribution that is hardly meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// `DistributionConfig.CacheBehaviors.Items[0].CachePolicyId`.
    pub path: String,
    /// What happens, and what to do.
    pub message: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.path, self.message)
    }
}

/// Looks for mistakes in a distribution that compiles, and finds none in one that does not: the
/// errors of [`compile`] come first.
pub fn check(config: &cf::DistributionConfig, policies: &Policies) -> Vec<Warning> {
    let Ok(site) = compile("E", "d", config, policies) else {
        return Vec::new();
    };
    let subject = Subject::new(config, policies, &site);
    let mut warnings = Warnings::default();
    for examine in ROUTES_AND_ORIGINS {
        examine(&subject, &mut warnings);
    }
    for entry in &subject.behaviors {
        for examine in BEHAVIORS {
            examine(&subject, entry, &mut warnings);
        }
    }
    unserved::distribution(&subject, &mut warnings);
    warnings.0
}

type Examine = fn(&Subject<'_>, &mut Warnings);
type ExamineBehavior = fn(&Subject<'_>, &Entry<'_>, &mut Warnings);

/// What is looked for in a distribution as a whole.
const ROUTES_AND_ORIGINS: &[Examine] = &[
    routes::switched_off,
    routes::overlapping_aliases,
    routes::nobody_from_nowhere,
    routes::unlogged,
    routes::root_without_object,
    routes::shadowed_behaviors,
    origins::plain_http,
    origins::old_tls,
    origins::impatience,
    origins::groups,
    lifetimes::long_lived_errors,
    lifetimes::errors_as_success,
    routes::error_pages,
];

/// What is looked for in every behavior.
const BEHAVIORS: &[ExamineBehavior] = &[
    routes::signatures,
    routes::redirect_loops,
    routes::methods,
    routes::preflights,
    keys::everything_in_the_key,
    keys::telling_headers,
    keys::raw_accept_encoding,
    keys::shared_answers,
    lifetimes::least_lifetime,
    lifetimes::default_lifetime,
    lifetimes::compression,
    origins::viewer_host,
    unserved::behavior,
];

/// A distribution as it is written, and compiled.
struct Subject<'a> {
    config: &'a cf::DistributionConfig,
    policies: &'a Policies,
    site: &'a Site,
    behaviors: Vec<Entry<'a>>,
}

/// A behavior as it is written, and compiled.
struct Entry<'a> {
    /// Where it is in the document, without `DistributionConfig`.
    path: String,
    config: cf::CacheBehavior,
    compiled: &'a Behavior,
}

impl<'a> Subject<'a> {
    fn new(
        config: &'a cf::DistributionConfig,
        policies: &'a Policies,
        site: &'a Site,
    ) -> Subject<'a> {
        let listed = config
            .cache_behaviors
            .as_ref()
            .map_or(&[][..], |list| list.items());
        let default = as_behavior(config.default_cache_behavior.clone());
        let written = listed
            .iter()
            .cloned()
            .enumerate()
            .map(|(index, behavior)| (format!("CacheBehaviors.Items[{index}]"), behavior))
            .chain([("DefaultCacheBehavior".to_owned(), default)]);
        // What compiles has one behavior for each that is written, in the same order.
        let behaviors = written
            .zip(&site.behaviors)
            .map(|((path, config), compiled)| Entry {
                path,
                config,
                compiled,
            })
            .collect();
        Subject {
            config,
            policies,
            site,
            behaviors,
        }
    }
}

impl Entry<'_> {
    /// The path of a member.
    fn at(&self, member: &str) -> String {
        format!("{}.{member}", self.path)
    }

    /// The member that decides about the key, in either style.
    fn policy_path(&self) -> String {
        match self.compiled.names.cache_policy {
            Some(_) => self.at("CachePolicyId"),
            None => self.at("ForwardedValues"),
        }
    }

    /// Where the TTLs are.
    fn ttl_path(&self, member: &str) -> String {
        match self.compiled.names.cache_policy {
            Some(_) => self.at("CachePolicyId"),
            None => self.at(member),
        }
    }

    /// Whether its paths look as if a program answered them.
    fn looks_dynamic(&self) -> bool {
        const WORDS: [&str; 12] = [
            "api", "graphql", "login", "logout", "account", "admin", "cart", "checkout", "session",
            "auth", "wp-admin", "cgi-bin",
        ];
        const ENDINGS: [&str; 6] = [".php", ".jsp", ".aspx", ".asp", ".cgi", ".do"];
        let pattern = self.compiled.pattern.as_str().to_ascii_lowercase();
        pattern
            .split(['/', '*', '?', '.'])
            .any(|word| WORDS.contains(&word))
            || ENDINGS
                .iter()
                .any(|ending| pattern.trim_end_matches('*').ends_with(ending))
    }

    /// Whether answers are stored unless the origin forbids it.
    fn stores_by_default(&self) -> bool {
        let ttl = self.compiled.ttl;
        !self.compiled.caching_disabled && ttl.default_secs.max(ttl.min_secs) > 0
    }
}

/// The warnings so far.
#[derive(Default)]
struct Warnings(Vec<Warning>);

impl Warnings {
    fn add(&mut self, path: impl AsRef<str>, message: impl Into<String>) {
        let path = format!("DistributionConfig.{}", path.as_ref());
        let warning = Warning {
            path,
            message: message.into(),
        };
        // The members of a group can share a mistake.
        if !self.0.contains(&warning) {
            self.0.push(warning);
        }
    }
}

/// An optional text that is there and not empty: the API takes "" for "none".
fn set(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|text| !text.is_empty())
}
