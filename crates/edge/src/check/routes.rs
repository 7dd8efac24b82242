//! Mistakes about who is served, by which behavior, and how.

use message::Method;
use shapes::cloudfront as cf;

use super::origins::{is_public, shares_origin};
use super::{Entry, Subject, Warnings, set};
use crate::site::{GeoRule, OriginProtocol, ViewerProtocol};

/// Nobody is served at all.
pub(super) fn switched_off(subject: &Subject<'_>, warnings: &mut Warnings) {
    if !subject.site.enabled {
        warnings.add("Enabled", "is false: every request is answered with 403");
    }
}

/// Names that say the same twice.
pub(super) fn overlapping_aliases(subject: &Subject<'_>, warnings: &mut Warnings) {
    let aliases = &subject.site.aliases;
    for (index, alias) in aliases.iter().enumerate() {
        let path = format!("Aliases.Items[{index}]");
        if aliases[..index].contains(alias) {
            warnings.add(&path, format!("'{alias}' is there twice"));
        }
        let covering = aliases.iter().find(|other| {
            let suffix = other
                .strip_prefix('*')
                .filter(|suffix| suffix.starts_with('.'));
            *other != alias && suffix.is_some_and(|suffix| alias.ends_with(suffix))
        });
        if let Some(other) = covering {
            let message = format!("'{alias}' is covered by '{other}' already; keep one of them");
            warnings.add(&path, message);
        }
    }
}

/// A list of countries that says nothing.
pub(super) fn nobody_from_nowhere(subject: &Subject<'_>, warnings: &mut Warnings) {
    let path = "Restrictions.GeoRestriction.Items";
    match &subject.site.geo {
        GeoRule::Only(countries) if countries.is_empty() => warnings.add(
            path,
            "is empty in a whitelist: every viewer whose country is known is answered with 403",
        ),
        GeoRule::Except(countries) if countries.is_empty() => {
            warnings.add(path, "is empty in a blacklist: nobody is refused");
        }
        _ => {}
    }
}

/// No access log.
pub(super) fn unlogged(subject: &Subject<'_>, warnings: &mut Warnings) {
    if subject.site.logging.is_none() {
        warnings.add(
            "Logging",
            "is off: when something goes wrong there is no record of it; set Enabled to true",
        );
    }
}

/// `/` without an object, at an origin that has no index pages; or with one that is not to be had.
pub(super) fn root_without_object(subject: &Subject<'_>, warnings: &mut Warnings) {
    let site = subject.site;
    let (index, behavior) = site.behavior(site.object_path(b"/"));
    let origin = &site.origins[behavior.target.primary()];
    if site.default_root_path.is_empty() && origin.is_s3 {
        let message = format!(
            "is empty: / asks the bucket '{}' for its listing, which is an error or shows all \
             names of it; set it to index.html",
            origin.spec.id
        );
        warnings.add("DefaultRootObject", message);
    }
    if !site.default_root_path.is_empty() && index + 1 < site.behaviors.len() {
        let (root_index, _) = site.behavior(b"/");
        if root_index != index {
            let message = format!(
                "/ stands for {}, which behavior '{}' takes, not the one that takes /",
                site.default_root_path,
                behavior.pattern.as_str()
            );
            warnings.add("DefaultRootObject", message);
        }
    }
}

/// Behaviors that no request reaches.
pub(super) fn shadowed_behaviors(subject: &Subject<'_>, warnings: &mut Warnings) {
    for (index, entry) in subject.behaviors.iter().enumerate() {
        let earlier = subject.behaviors[..index]
            .iter()
            .find(|earlier| earlier.compiled.pattern.covers(&entry.compiled.pattern));
        let Some(earlier) = earlier else { continue };
        let wider = earlier.compiled.pattern.as_str();
        if entry.path == "DefaultCacheBehavior" {
            let message = format!(
                "takes no request: '{wider}' of {} takes them all; remove that behavior",
                earlier.path
            );
            warnings.add(&entry.path, message);
        } else {
            let message = format!(
                "'{}' is never reached: '{wider}' of {} comes first and takes all its paths; move \
                 it before that",
                entry.compiled.pattern.as_str(),
                earlier.path
            );
            warnings.add(entry.at("PathPattern"), message);
        }
    }
}

/// Pages for errors that cannot be had when they are needed.
pub(super) fn error_pages(subject: &Subject<'_>, warnings: &mut Warnings) {
    for (index, rule) in subject.site.errors.iter().enumerate() {
        let Some(page) = &rule.page else { continue };
        let at = format!("CustomErrorResponses.Items[{index}].ResponsePagePath");
        let path = page.path.split('?').next().unwrap_or_default();
        let (taken_by, behavior) = subject.site.behavior(path.as_bytes());
        let pattern = behavior.pattern.as_str();
        if behavior.signers.is_some() {
            let message = format!(
                "'{path}' falls to behavior '{pattern}', which needs a signature: the page is \
                 never to be had; give it a behavior of its own without one"
            );
            warnings.add(&at, message);
        }
        let depends_on_it = subject.behaviors.iter().enumerate().any(|(number, other)| {
            // The default takes what is left, the page's own behavior perhaps only the pages.
            (number != taken_by || number + 1 == subject.behaviors.len())
                && shares_origin(&other.compiled.target, &behavior.target)
        });
        if rule.status >= 500 && depends_on_it {
            let message = format!(
                "'{path}' falls to behavior '{pattern}' and so to origin '{}', which other pages \
                 come from too: when it fails, the page for the failure fails with it; keep the \
                 page at another origin",
                behavior.names.target
            );
            warnings.add(&at, message);
        }
        if behavior.caching_disabled {
            let message = format!(
                "'{path}' falls to behavior '{pattern}', which stores nothing: every error asks \
                 the origin for the page once more; give it a behavior that caches"
            );
            warnings.add(&at, message);
        }
    }
}

/// Private content that nobody can see.
pub(super) fn signatures(_: &Subject<'_>, entry: &Entry<'_>, warnings: &mut Warnings) {
    let signers = entry.compiled.signers.as_ref();
    if signers.is_some_and(|signers| signers.keys.is_empty()) {
        warnings.add(
            entry.at("TrustedSigners"),
            "there are no keys of accounts here: the behavior answers everybody with 403; name \
             key groups in TrustedKeyGroups instead",
        );
    }
}

/// Redirects between HTTP and HTTPS that never end.
pub(super) fn redirect_loops(subject: &Subject<'_>, entry: &Entry<'_>, warnings: &mut Warnings) {
    let behavior = entry.compiled;
    let tells_schemes_apart = behavior.key.has_header("cloudfront-forwarded-proto");
    for index in behavior.target.members() {
        let origin = &subject.site.origins[*index];
        if origin.is_s3 || !is_public(&origin.spec.host) {
            continue;
        }
        let id = &origin.spec.id;
        match (behavior.viewer_protocol, origin.protocol) {
            (
                ViewerProtocol::RedirectToHttps | ViewerProtocol::HttpsOnly,
                OriginProtocol::HttpOnly,
            ) => {
                let message = format!(
                    "viewers come by https and '{id}' is asked by http: if it redirects http to \
                     https, as many servers do, the redirect comes back forever; use https-only \
                     as OriginProtocolPolicy"
                );
                warnings.add(entry.at("ViewerProtocolPolicy"), message);
            }
            (ViewerProtocol::AllowAll, OriginProtocol::MatchViewer)
                if !behavior.caching_disabled && !tells_schemes_apart =>
            {
                let message = format!(
                    "allow-all in front of '{id}' with match-viewer: http and https share stored \
                     answers, so that a redirect to https, stored for a viewer by http, is given \
                     to viewers by https forever; use redirect-to-https"
                );
                warnings.add(entry.at("ViewerProtocolPolicy"), message);
            }
            _ => {}
        }
    }
}

/// Methods that do not fit what is behind.
pub(super) fn methods(subject: &Subject<'_>, entry: &Entry<'_>, warnings: &mut Warnings) {
    let behavior = entry.compiled;
    let writes = behavior.methods.contains(Method::Put);
    let bucket = behavior
        .target
        .members()
        .iter()
        .map(|index| &subject.site.origins[*index]);
    if let Some(bucket) = bucket.into_iter().find(|origin| writes && origin.is_s3) {
        let message = format!(
            "lets PUT, POST and DELETE through to the bucket '{}', where nothing but the bucket's \
             policy stops them; allow GET and HEAD",
            bucket.spec.id
        );
        warnings.add(entry.at("AllowedMethods"), message);
    }
    if !writes && entry.looks_dynamic() {
        let message = format!(
            "POST is answered with 403, and '{}' looks as if forms or programs used it; allow all \
             seven methods",
            behavior.pattern.as_str()
        );
        warnings.add(entry.at("AllowedMethods"), message);
    }
}

/// CORS that its preflights never get to.
pub(super) fn preflights(subject: &Subject<'_>, entry: &Entry<'_>, warnings: &mut Warnings) {
    use cf::ResponseHeadersPolicyAccessControlAllowMethodsValues as Allowed;
    let policy = set(&entry.config.response_headers_policy_id)
        .and_then(|id| subject.policies.response_headers(id));
    let Some(cors) = policy.and_then(|policy| policy.cors_config.as_ref()) else {
        return;
    };
    let needs_preflight =
        |method: &Allowed| !matches!(method, Allowed::Get | Allowed::Head | Allowed::Post);
    let expects_preflights = cors
        .access_control_allow_methods
        .items()
        .iter()
        .any(needs_preflight)
        || !cors.access_control_allow_headers.items().is_empty();
    if expects_preflights && !entry.compiled.methods.contains(Method::Options) {
        warnings.add(
            entry.at("AllowedMethods"),
            "does not allow OPTIONS, and the response headers policy is made for preflights: \
             browsers' preflights are answered with 403; allow GET, HEAD and OPTIONS",
        );
    }
}
