//! What AWS refuses in a policy beyond its shape (spec §3.2, §3.4).

use shapes::ShapeError;
use shapes::cloudfront::{
    CachePolicyConfig, CachePolicyCookieBehavior, CachePolicyHeaderBehavior,
    CachePolicyQueryStringBehavior, OriginRequestPolicyConfig, OriginRequestPolicyHeaderBehavior,
    ParametersInCacheKeyAndForwardedToOrigin,
};

use super::error;

/// A cache policy's times to live, with AWS's defaults filled in (spec §3.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Ttls {
    /// The least time that an object is kept.
    min_secs: u64,
    /// How long it is kept where the origin says nothing.
    default_secs: u64,
    /// The most time that it is kept.
    max_secs: u64,
}

impl Ttls {
    /// Of a policy; what is negative is taken as zero, and `validate_cache` refuses it.
    fn of(config: &CachePolicyConfig) -> Ttls {
        let secs = |ttl: i64| u64::try_from(ttl).unwrap_or(0);
        let min_secs = secs(config.min_ttl);
        // The default for the one that is left out gives way to what is said about the others.
        let default_secs = match (config.default_ttl, config.max_ttl) {
            (Some(ttl), _) => secs(ttl),
            (None, Some(max)) => secs(max).min(86_400),
            (None, None) => 86_400,
        };
        let default_secs = default_secs.max(min_secs);
        let max_secs = config.max_ttl.map_or(31_536_000, secs).max(default_secs);
        Ttls {
            min_secs,
            default_secs,
            max_secs,
        }
    }

    /// Whether nothing is ever kept: no collapsing, no compression, no error caching.
    fn is_caching_disabled(self) -> bool {
        self.max_secs == 0
    }
}

/// Refuses what AWS refuses in a cache policy (spec §3.2), except for names of generated headers
/// that belong to no key.
pub(super) fn validate_cache(config: &CachePolicyConfig) -> Result<(), ShapeError> {
    check_ttls(config)?;
    let Some(parameters) = &config.parameters_in_cache_key_and_forwarded_to_origin else {
        return Ok(());
    };
    let at = |member: &str| format!("ParametersInCacheKeyAndForwardedToOrigin.{member}");
    check_lists(parameters, at)?;
    let brotli = parameters.enable_accept_encoding_brotli.unwrap_or(false);
    let encoded = parameters.enable_accept_encoding_gzip || brotli;
    let headers = parameters
        .headers_config
        .headers
        .as_ref()
        .map_or(&[][..], |list| list.items());
    for (index, name) in headers.iter().enumerate() {
        let path = || at(&format!("HeadersConfig.Headers.Items[{index}]"));
        if encoded && name.eq_ignore_ascii_case("accept-encoding") {
            let message = "Accept-Encoding cannot be listed while EnableAcceptEncodingGzip or \
                           EnableAcceptEncodingBrotli is true";
            return Err(error(path(), message));
        }
        if is_hop_by_hop(name) || name.eq_ignore_ascii_case("cookie") {
            return Err(error(
                path(),
                format!("{name} cannot be part of a cache key"),
            ));
        }
    }
    if Ttls::of(config).is_caching_disabled() {
        check_disabled(parameters, at)?;
    }
    Ok(())
}

fn check_ttls(config: &CachePolicyConfig) -> Result<(), ShapeError> {
    let ttls = [
        ("MinTTL", Some(config.min_ttl)),
        ("DefaultTTL", config.default_ttl),
        ("MaxTTL", config.max_ttl),
    ];
    for (member, ttl) in ttls {
        if let Some(ttl) = ttl.filter(|ttl| *ttl < 0) {
            return Err(error(member, format!("{ttl} is negative")));
        }
    }
    // A default below the minimum is raised to it; a maximum below either is a mistake.
    let Some(max) = config.max_ttl else {
        return Ok(());
    };
    for (member, ttl) in &ttls[..2] {
        if let Some(ttl) = ttl.filter(|ttl| *ttl > max) {
            return Err(error(
                "MaxTTL",
                format!("{max} is less than {member}, {ttl}"),
            ));
        }
    }
    Ok(())
}

/// A behavior that takes a list has one, and the others have none.
fn check_lists(
    parameters: &ParametersInCacheKeyAndForwardedToOrigin,
    at: impl Fn(&str) -> String,
) -> Result<(), ShapeError> {
    use {
        CachePolicyCookieBehavior as Cookies, CachePolicyHeaderBehavior as Headers,
        CachePolicyQueryStringBehavior as Queries,
    };
    let headers = &parameters.headers_config;
    let cookies = &parameters.cookies_config;
    let queries = &parameters.query_strings_config;
    let lists = [
        (
            "HeadersConfig.Headers",
            headers.header_behavior.as_str(),
            headers.header_behavior == Headers::Whitelist,
            headers
                .headers
                .as_ref()
                .map_or(0, |list| list.items().len()),
        ),
        (
            "CookiesConfig.Cookies",
            cookies.cookie_behavior.as_str(),
            matches!(
                cookies.cookie_behavior,
                Cookies::Whitelist | Cookies::AllExcept
            ),
            cookies
                .cookies
                .as_ref()
                .map_or(0, |list| list.items().len()),
        ),
        (
            "QueryStringsConfig.QueryStrings",
            queries.query_string_behavior.as_str(),
            matches!(
                queries.query_string_behavior,
                Queries::Whitelist | Queries::AllExcept
            ),
            queries
                .query_strings
                .as_ref()
                .map_or(0, |list| list.items().len()),
        ),
    ];
    lists
        .into_iter()
        .try_for_each(|(member, behavior, takes_list, names)| {
            check_list(at(member), behavior, takes_list, names)
        })
}

fn check_list(
    path: String,
    behavior: &str,
    takes_list: bool,
    names: usize,
) -> Result<(), ShapeError> {
    match (takes_list, names) {
        (true, 0) => Err(error(
            path,
            format!("empty, and the behavior is {behavior}"),
        )),
        (false, 1..) => Err(error(
            path,
            format!("{names} names, and the behavior is {behavior}"),
        )),
        _ => Ok(()),
    }
}

/// Without caching there is no key to put anything into.
fn check_disabled(
    parameters: &ParametersInCacheKeyAndForwardedToOrigin,
    at: impl Fn(&str) -> String,
) -> Result<(), ShapeError> {
    let header_behavior = parameters.headers_config.header_behavior;
    let cookie_behavior = parameters.cookies_config.cookie_behavior;
    let query_behavior = parameters.query_strings_config.query_string_behavior;
    let wrong = [
        (
            "EnableAcceptEncodingGzip",
            parameters.enable_accept_encoding_gzip,
        ),
        (
            "EnableAcceptEncodingBrotli",
            parameters.enable_accept_encoding_brotli.unwrap_or(false),
        ),
        (
            "HeadersConfig.HeaderBehavior",
            header_behavior != CachePolicyHeaderBehavior::None,
        ),
        (
            "CookiesConfig.CookieBehavior",
            cookie_behavior != CachePolicyCookieBehavior::None,
        ),
        (
            "QueryStringsConfig.QueryStringBehavior",
            query_behavior != CachePolicyQueryStringBehavior::None,
        ),
    ];
    match wrong.into_iter().find(|(_, is_wrong)| *is_wrong) {
        Some((member, _)) => Err(error(
            at(member),
            "must be false or none, because MinTTL, DefaultTTL and MaxTTL are 0, which disables \
             caching; an origin request policy forwards without caching",
        )),
        None => Ok(()),
    }
}

/// Refuses what AWS refuses in an origin request policy (spec §3.4).
pub(super) fn validate_origin_request(
    config: &OriginRequestPolicyConfig,
) -> Result<(), ShapeError> {
    use OriginRequestPolicyHeaderBehavior::{
        AllExcept, AllViewerAndWhitelistCloudFront, Whitelist,
    };
    let behavior = config.headers_config.header_behavior;
    let headers = config
        .headers_config
        .headers
        .as_ref()
        .map_or(&[][..], |list| list.items());
    let takes_list = matches!(
        behavior,
        Whitelist | AllExcept | AllViewerAndWhitelistCloudFront
    );
    check_list(
        "HeadersConfig.Headers".into(),
        behavior.as_str(),
        takes_list,
        headers.len(),
    )?;
    for (index, name) in headers.iter().enumerate().filter(|_| behavior == Whitelist) {
        let path = format!("HeadersConfig.Headers.Items[{index}]");
        let is_refused = ["authorization", "accept-encoding", "cookie"]
            .iter()
            .any(|refused| name.eq_ignore_ascii_case(refused));
        if is_refused || is_hop_by_hop(name) {
            return Err(error(path, format!("{name} cannot be listed here")));
        }
    }
    Ok(())
}

/// Headers that end at the edge.
fn is_hop_by_hop(name: &str) -> bool {
    const NAMES: [&str; 6] = [
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    NAMES.iter().any(|other| name.eq_ignore_ascii_case(other))
        || name
            .get(..6)
            .is_some_and(|start| start.eq_ignore_ascii_case("proxy-"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cache_config, parameters};
    use super::*;
    use serde_json::{Value, json};

    fn cache(members: Value) -> CachePolicyConfig {
        let mut config = cache_config();
        for (member, value) in members.as_object().unwrap() {
            config[member] = value.clone();
        }
        shapes::from_value(&config).unwrap()
    }

    #[test]
    fn the_times_to_live_are_in_order() {
        for (ttls, want) in [
            (json!({"MinTTL": 0}), Ok((0, 86_400, 31_536_000))),
            (
                json!({"MinTTL": 100_000}),
                Ok((100_000, 100_000, 31_536_000)),
            ),
            (
                json!({"MinTTL": 5, "DefaultTTL": 1, "MaxTTL": 9}),
                Ok((5, 5, 9)),
            ),
            (json!({"MinTTL": 0, "MaxTTL": 60}), Ok((0, 60, 60))),
            (
                json!({"MinTTL": 40_000_000}),
                Ok((40_000_000, 40_000_000, 40_000_000)),
            ),
            (
                json!({"MinTTL": 0, "DefaultTTL": 0, "MaxTTL": 0}),
                Ok((0, 0, 0)),
            ),
            (
                json!({"MinTTL": 5, "MaxTTL": 4}),
                Err("MaxTTL: 4 is less than MinTTL, 5"),
            ),
            (
                json!({"MinTTL": 0, "DefaultTTL": 5, "MaxTTL": 4}),
                Err("MaxTTL: 4 is less than DefaultTTL, 5"),
            ),
            (
                json!({"MinTTL": 0, "DefaultTTL": -2}),
                Err("DefaultTTL: -2 is negative"),
            ),
        ] {
            let config = cache(ttls);
            let got = validate_cache(&config)
                .map_err(|error| error.to_string())
                .map(|()| {
                    let ttls = Ttls::of(&config);
                    (ttls.min_secs, ttls.default_secs, ttls.max_secs)
                });
            assert_eq!(got, want.map_err(str::to_owned));
        }
    }

    #[test]
    fn a_policy_that_disables_caching_has_no_key() {
        let whitelist = |list: &str, behavior: &str| {
            let names = json!({"Quantity": 1, "Items": ["a"]});
            json!({behavior: "whitelist", list: names})
        };
        for (member, value) in [
            ("EnableAcceptEncodingGzip", json!(true)),
            ("EnableAcceptEncodingBrotli", json!(true)),
            ("HeadersConfig", whitelist("Headers", "HeaderBehavior")),
            ("CookiesConfig", json!({"CookieBehavior": "all"})),
            (
                "QueryStringsConfig",
                whitelist("QueryStrings", "QueryStringBehavior"),
            ),
        ] {
            let mut parameters = parameters();
            parameters[member] = value;
            let with = |ttls: Value| {
                let mut members = ttls;
                members["ParametersInCacheKeyAndForwardedToOrigin"] = parameters.clone();
                validate_cache(&cache(members))
            };
            assert_eq!(
                with(json!({"MinTTL": 0, "DefaultTTL": 0, "MaxTTL": 1})),
                Ok(())
            );
            let error = with(json!({"MinTTL": 0, "DefaultTTL": 0, "MaxTTL": 0})).unwrap_err();
            let want = format!("ParametersInCacheKeyAndForwardedToOrigin.{member}");
            assert!(error.path.starts_with(&want), "{error}");
        }
    }

    #[test]
    fn lists_fit_their_behaviors_and_names_fit_a_key() {
        let headers = |names: &[&str], gzip: bool| {
            let mut parameters = parameters();
            parameters["EnableAcceptEncodingGzip"] = json!(gzip);
            parameters["HeadersConfig"] = json!({"HeaderBehavior": "whitelist",
                "Headers": {"Quantity": names.len(), "Items": names}});
            validate_cache(&cache(
                json!({"ParametersInCacheKeyAndForwardedToOrigin": parameters}),
            ))
            .map_err(|error| {
                error
                    .path
                    .rsplit("HeadersConfig.")
                    .next()
                    .unwrap()
                    .to_owned()
            })
        };
        assert_eq!(
            headers(&["Host", "Authorization", "Accept-Encoding"], false),
            Ok(())
        );
        assert_eq!(
            headers(&["Host", "accept-encoding"], true),
            Err("Headers.Items[1]".into())
        );
        for name in [
            "Connection",
            "cookie",
            "TE",
            "Upgrade",
            "Proxy-Authorization",
        ] {
            assert_eq!(
                headers(&[name], false),
                Err("Headers.Items[0]".into()),
                "{name}"
            );
        }
        assert_eq!(headers(&[], false), Err("Headers".into()));
        let mut parameters = parameters();
        parameters["CookiesConfig"] =
            json!({"CookieBehavior": "all", "Cookies": {"Quantity": 1, "Items": ["a"]}});
        let config = cache(json!({"ParametersInCacheKeyAndForwardedToOrigin": parameters}));
        assert_eq!(
            validate_cache(&config).unwrap_err().message,
            "1 names, and the behavior is all"
        );
    }

    #[test]
    fn an_origin_request_policy_cannot_list_authorization() {
        let config = |behavior: &str, names: &[&str]| {
            let config: OriginRequestPolicyConfig = shapes::from_value(&json!({
                "Name": "x",
                "HeadersConfig": {"HeaderBehavior": behavior,
                    "Headers": {"Quantity": names.len(), "Items": names}},
                "CookiesConfig": {"CookieBehavior": "none"},
                "QueryStringsConfig": {"QueryStringBehavior": "none"},
            }))
            .unwrap();
            validate_origin_request(&config).map_err(|error| error.path)
        };
        assert_eq!(config("whitelist", &["Host", "Origin"]), Ok(()));
        let second = || Err("HeadersConfig.Headers.Items[1]".to_owned());
        assert_eq!(config("whitelist", &["Host", "authorization"]), second());
        assert_eq!(config("whitelist", &["Host", "Accept-Encoding"]), second());
        assert_eq!(config("allExcept", &["Host", "Authorization"]), Ok(()));
        assert_eq!(
            config("allExcept", &[]),
            Err("HeadersConfig.Headers".to_owned())
        );
        assert_eq!(
            config("allViewer", &["A"]),
            Err("HeadersConfig.Headers".to_owned())
        );
    }
}
