//! The stages before the cache: host, state, country, behavior, protocol, method, signature.

use std::sync::Arc;

use message::Method;
use telemetry::metrics::Registry;

use super::Subject;
use super::page::{Page, list, text};
use crate::directory::{Directory, Served};
use crate::signed_access::Claim;
use crate::site::{Behavior, GeoRule, Site, SiteTls, Target, ViewerProtocol};
use crate::updates::COUNTRIES_UNKNOWN;

const METHODS: [Method; 7] = [
    Method::Get,
    Method::Head,
    Method::Options,
    Method::Put,
    Method::Post,
    Method::Patch,
    Method::Delete,
];

pub(super) fn explain(subject: &Subject<'_>, page: &mut Page) {
    let site = subject.site;
    page.section("Site");
    page.row("distribution", format!("{} ({})", site.id, site.domain));
    host(subject, page);
    page.row(
        "enabled",
        match site.enabled {
            true => "yes",
            false => "no",
        },
    );
    country(subject, page);

    page.section("Behavior");
    page.row(
        "path",
        match subject.path == subject.request.path() {
            true => text(subject.path),
            false => format!("{} (DefaultRootObject, in place of /)", text(subject.path)),
        },
    );
    behaviors(subject, page);
    protocol(subject, page);
    method(subject, page);
    signature(subject, page);
    outcome(subject, page);
}

/// What the stages come to; they are asked in this order.
fn outcome(subject: &Subject<'_>, page: &mut Page) {
    let (site, behavior) = (subject.site, subject.behavior);
    let is_open = subject.viewer.is_https() || behavior.viewer_protocol == ViewerProtocol::AllowAll;
    let refusal = if !site.enabled {
        "403, as the distribution is not enabled"
    } else if is_without_countries(subject) {
        "503, as countries are restricted and this node has no geographic database"
    } else if !site.geo.allows(subject.viewer.country()) {
        "403, as the country is not served"
    } else if !is_open && behavior.viewer_protocol == ViewerProtocol::RedirectToHttps {
        "a redirect to https"
    } else if !is_open {
        "403, as https is required"
    } else if !behavior.methods.contains(subject.request.method) {
        "403, as the method is not allowed"
    } else if signed_access(subject).is_err() {
        "403, as no signature opens it"
    } else {
        page.row("outcome", "goes on to the cache");
        return;
    };
    let page_path = site.error_rule(403).and_then(|rule| rule.page.as_ref());
    let page_note = match page_path.filter(|_| refusal.starts_with("403")) {
        Some(page) => format!(" (with {} as its page)", page.path),
        None => String::new(),
    };
    page.row(
        "outcome",
        format!("{refusal}{page_note}; the rest of this page is what it would get otherwise"),
    );
}

/// Asked of the code that serves, without what it remembers.
fn signed_access(subject: &Subject<'_>) -> Result<(), signed::Refusal> {
    let claim = Claim {
        request: subject.request,
        is_https: subject.viewer.is_https(),
        ip: subject.viewer.ip(),
        now_secs: subject.now_secs,
    };
    claim.check(None, subject.site, subject.behavior)
}

fn signature(subject: &Subject<'_>, page: &mut Page) {
    let answer = signed_access(subject);
    if let Some(signers) = &subject.behavior.signers {
        let keys: Vec<String> = signers.keys.ids().map(str::to_owned).collect();
        page.row("signature", format!("required, by one of: {}", list(&keys)));
    }
    match answer {
        Ok(()) if subject.behavior.signers.is_some() => page.row("signed", "yes, and it opens it"),
        Ok(()) => {}
        Err(refusal) => page.row("signed", format!("{}: {refusal}", refusal.code())),
    }
}

fn host(subject: &Subject<'_>, page: &mut Page) {
    let host = subject.request.host().unwrap_or_default();
    let site = subject.site;
    let found = match name_of(site, host) {
        Some(name) if name == site.domain => "the distribution's own name".to_owned(),
        Some(name) if name.starts_with('*') => format!("alias {name}"),
        Some(_) => "alias, by its full name".to_owned(),
        None => {
            let names: Vec<_> = std::iter::once(&site.domain)
                .chain(&site.aliases)
                .cloned()
                .collect();
            page.warn(format!(
                "This distribution does not take the host {}; its names are {}. Explained is what \
                 it would do.",
                text(host),
                list(&names)
            ));
            "not a name of this distribution".to_owned()
        }
    };
    page.row("host", format!("{}: {found}", text(host)));
}

/// The name by which the site takes the host: asked of the directory that serves, in which each
/// name has a site of its own.
fn name_of(site: &Site, host: &[u8]) -> Option<String> {
    let registry = Registry::new(1);
    let mut names: Vec<&String> = std::iter::once(&site.domain).chain(&site.aliases).collect();
    names.sort();
    names.dedup();
    let sites = names.into_iter().map(|name| {
        let site = Site {
            id: name.clone(),
            scope: 0,
            domain: name.clone(),
            aliases: Vec::new(),
            enabled: true,
            default_root_path: String::new(),
            origins: Vec::new(),
            behaviors: Vec::new(),
            errors: Vec::new(),
            geo: GeoRule::Unrestricted,
            cache_tag: None,
            deployment: None,
            is_staging: false,
            tls: SiteTls::default(),
            logging: None,
        };
        Arc::new(Served::new(site, registry.register(name), None))
    });
    let directory = Directory::new(&sites.collect::<Vec<_>>()).ok()?;
    directory.find(host).map(|served| served.site.id.clone())
}

/// Whether countries are restricted where none can be told.
fn is_without_countries(subject: &Subject<'_>) -> bool {
    subject.site.geo != GeoRule::Unrestricted && !subject.knows_countries
}

fn country(subject: &Subject<'_>, page: &mut Page) {
    let codes =
        |countries: &[[u8; 2]]| list(&countries.iter().map(|code| text(code)).collect::<Vec<_>>());
    let rule = match &subject.site.geo {
        GeoRule::Unrestricted => "no restriction".to_owned(),
        GeoRule::Only(countries) => format!("only {} served", codes(countries)),
        GeoRule::Except(countries) => format!("{} not served", codes(countries)),
    };
    if is_without_countries(subject) {
        page.warn(COUNTRIES_UNKNOWN);
        page.row("country", format!("503 to all ({rule})"));
        return;
    }
    let country = subject.viewer.country();
    let words = match (country, subject.site.geo.allows(country)) {
        (None, _) => format!("not known, and therefore served ({rule})"),
        (Some(code), true) => format!("{}: served ({rule})", text(&code)),
        (Some(code), false) => format!("{}: 403 ({rule})", text(&code)),
    };
    page.row("country", words);
}

fn behaviors(subject: &Subject<'_>, page: &mut Page) {
    let site = subject.site;
    let last = site.behaviors.len() - 1;
    for (index, behavior) in site.behaviors.iter().enumerate() {
        let matches = behavior.pattern.matches(subject.path);
        let verdict = match (index == subject.behavior_index, matches) {
            (true, _) if index == last && last == 0 => "takes the request: the only behavior",
            (true, _) if index == last => "takes the request: the default, no pattern matched",
            (true, _) => "takes the request: the first pattern that matches",
            (false, true) if index == last => "not asked: it is the default",
            (false, true) => "matches too, but comes later",
            (false, false) => "does not match",
        };
        let pattern = behavior.pattern.as_str();
        let to = match &behavior.target {
            Target::Origin(_) => "origin",
            Target::Group { .. } => "origin group",
        };
        let label = format!("{}. {pattern}", index + 1);
        page.row(
            &label,
            format!("{verdict} ({to} {})", behavior.names.target),
        );
    }
}

fn protocol(subject: &Subject<'_>, page: &mut Page) {
    let is_https = subject.viewer.is_https();
    let is_read = matches!(subject.request.method, Method::Get | Method::Head);
    let words = match (subject.behavior.viewer_protocol, is_https) {
        (ViewerProtocol::AllowAll, _) => format!("{}: served (allow-all)", subject.viewer.scheme()),
        (policy, true) => format!("https: served ({})", policy_name(policy)),
        (ViewerProtocol::HttpsOnly, false) => "http: 403 (https-only)".to_owned(),
        (ViewerProtocol::RedirectToHttps, false) => format!(
            "http: {} to https (redirect-to-https)",
            if is_read { 301 } else { 307 }
        ),
    };
    page.row("viewer protocol", words);
}

fn policy_name(policy: ViewerProtocol) -> &'static str {
    match policy {
        ViewerProtocol::AllowAll => "allow-all",
        ViewerProtocol::HttpsOnly => "https-only",
        ViewerProtocol::RedirectToHttps => "redirect-to-https",
    }
}

fn method(subject: &Subject<'_>, page: &mut Page) {
    let token = text(subject.request.method_token());
    let verdict = match subject.behavior.methods.contains(subject.request.method) {
        true => "allowed",
        false => "403",
    };
    page.row(
        "method",
        format!(
            "{token}: {verdict} ({} allowed)",
            list(&methods(subject.behavior))
        ),
    );
}

fn methods(behavior: &Behavior) -> Vec<String> {
    let allowed = METHODS
        .iter()
        .filter(|method| behavior.methods.contains(**method));
    allowed.map(|method| method.as_str().to_owned()).collect()
}
