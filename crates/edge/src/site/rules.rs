//! Policies, or legacy `ForwardedValues`, compiled into the rules of keys and forwarding.

use cache::freshness::TtlBounds;
use shapes::cloudfront as cf;

use crate::accept_encoding::EncodingRule;
use crate::forward::{ForwardRule, HeaderRule};
use crate::generated::Generated;
use crate::key::{KeyHeader, KeyRule};
use crate::names::NameRule;

/// What a behavior's policies come to.
pub(super) struct Rules {
    pub key: KeyRule,
    pub forward: ForwardRule,
    pub ttl: TtlBounds,
    pub caching_disabled: bool,
}

/// Rules of a cache policy and, perhaps, an origin request policy.
pub(super) fn of_policies(
    cache: &cf::CachePolicyConfig,
    origin_request: Option<&cf::OriginRequestPolicyConfig>,
    options_cached: bool,
) -> Rules {
    let ttl = TtlBounds {
        min_secs: seconds(Some(cache.min_ttl), 0),
        default_secs: seconds(cache.default_ttl, 86_400),
        max_secs: seconds(cache.max_ttl, 31_536_000),
    };
    let parameters = cache
        .parameters_in_cache_key_and_forwarded_to_origin
        .as_ref();
    let keyed_names = parameters
        .filter(|p| p.headers_config.header_behavior == cf::CachePolicyHeaderBehavior::Whitelist)
        .map(|p| {
            items(
                p.headers_config
                    .headers
                    .as_ref()
                    .and_then(|h| h.items.as_ref()),
            )
        })
        .unwrap_or_default();
    let encoding = parameters.map_or(EncodingRule::default(), |p| EncodingRule {
        gzip: p.enable_accept_encoding_gzip,
        brotli: p.enable_accept_encoding_brotli.unwrap_or(false),
    });
    let key = KeyRule {
        query: parameters.map_or(NameRule::None, keyed_query),
        cookies: parameters.map_or(NameRule::None, keyed_cookies),
        headers: key_headers(&keyed_names, encoding),
        encoding,
    };
    let (headers, generated) = forwarded_headers(&keyed_names, origin_request);
    let forward = ForwardRule {
        query: NameRule::union(
            &key.query,
            &origin_request.map_or(NameRule::None, sent_query),
        ),
        cookies: NameRule::union(
            &key.cookies,
            &origin_request.map_or(NameRule::None, sent_cookies),
        ),
        headers,
        generated,
        encoding,
        legacy: false,
        passes_certificates: false,
        options_cached,
    };
    Rules {
        caching_disabled: ttl.is_caching_disabled(),
        key,
        forward,
        ttl,
    }
}

/// Rules of `ForwardedValues` and the TTLs beside it (spec §3.3).
pub(super) fn of_forwarded_values(
    values: &cf::ForwardedValues,
    ttl: TtlBounds,
    options_cached: bool,
) -> Rules {
    let names = items(values.headers.as_ref().and_then(|h| h.items.as_ref()));
    let all_headers = names.iter().any(|name| name == "*");
    let lists_encoding = names
        .iter()
        .any(|name| name.eq_ignore_ascii_case("accept-encoding"));
    let encoding = EncodingRule {
        gzip: !lists_encoding && !all_headers,
        brotli: false,
    };
    let query_keys = items(
        values
            .query_string_cache_keys
            .as_ref()
            .and_then(|keys| keys.items.as_ref()),
    );
    let (keyed_query, sent_query) = match (values.query_string, query_keys.is_empty()) {
        (false, _) => (NameRule::None, NameRule::None),
        (true, true) => (NameRule::All, NameRule::All),
        (true, false) => (NameRule::Only(query_keys), NameRule::All),
    };
    let cookies = match values.cookies.forward {
        cf::ItemSelection::None => NameRule::None,
        cf::ItemSelection::All => NameRule::All,
        cf::ItemSelection::Whitelist => {
            let names = values.cookies.whitelisted_names.as_ref();
            NameRule::Patterns(items(names.and_then(|n| n.items.as_ref())))
        }
    };
    let listed = if all_headers { Vec::new() } else { names };
    let headers = match all_headers {
        true => HeaderRule::All,
        false => HeaderRule::Only(lower(&listed)),
    };
    Rules {
        key: KeyRule {
            query: keyed_query,
            cookies: cookies.clone(),
            headers: key_headers(&listed, encoding),
            encoding,
        },
        forward: ForwardRule {
            query: sent_query,
            cookies,
            headers,
            generated: generated_of(&listed),
            encoding,
            legacy: true,
            passes_certificates: false,
            options_cached,
        },
        caching_disabled: all_headers || ttl.is_caching_disabled(),
        ttl,
    }
}

pub(super) fn seconds(value: Option<i64>, default: u64) -> u64 {
    value.map_or(default, |secs| u64::try_from(secs).unwrap_or(0))
}

fn items(list: Option<&Vec<String>>) -> Vec<String> {
    list.cloned().unwrap_or_default()
}

fn lower(names: &[String]) -> Vec<String> {
    names.iter().map(|name| name.to_ascii_lowercase()).collect()
}

fn generated_of(names: &[String]) -> Vec<Generated> {
    names
        .iter()
        .filter_map(|name| Generated::from_name(name))
        .collect()
}

fn key_headers(names: &[String], encoding: EncodingRule) -> Vec<KeyHeader> {
    let mut headers: Vec<KeyHeader> = names
        .iter()
        .filter(|name| !(encoding.is_on() && name.eq_ignore_ascii_case("accept-encoding")))
        .map(|name| KeyHeader::new(name))
        .collect();
    headers.sort_by(|a, b| a.name.cmp(&b.name));
    headers.dedup();
    headers
}

fn keyed_query(parameters: &cf::ParametersInCacheKeyAndForwardedToOrigin) -> NameRule {
    let config = &parameters.query_strings_config;
    let names = config.query_strings.as_ref().map(|names| names.items());
    name_rule(config.query_string_behavior.as_str(), names)
}

fn keyed_cookies(parameters: &cf::ParametersInCacheKeyAndForwardedToOrigin) -> NameRule {
    let config = &parameters.cookies_config;
    let names = config.cookies.as_ref().map(|names| names.items());
    name_rule(config.cookie_behavior.as_str(), names)
}

fn sent_query(policy: &cf::OriginRequestPolicyConfig) -> NameRule {
    let config = &policy.query_strings_config;
    let names = config.query_strings.as_ref().map(|names| names.items());
    name_rule(config.query_string_behavior.as_str(), names)
}

fn sent_cookies(policy: &cf::OriginRequestPolicyConfig) -> NameRule {
    let config = &policy.cookies_config;
    let names = config.cookies.as_ref().map(|names| names.items());
    name_rule(config.cookie_behavior.as_str(), names)
}

/// The four shapes of a behavior differ by their types alone: their words mean the same.
fn name_rule(behavior: &str, names: Option<&[String]>) -> NameRule {
    let names = names.unwrap_or_default().to_vec();
    match behavior {
        "all" => NameRule::All,
        "whitelist" => NameRule::Only(names),
        "allExcept" => NameRule::Except(names),
        _ => NameRule::None,
    }
}

/// Viewer fields, and fields that the edge makes, of both policies together.
fn forwarded_headers(
    keyed: &[String],
    policy: Option<&cf::OriginRequestPolicyConfig>,
) -> (HeaderRule, Vec<Generated>) {
    use cf::OriginRequestPolicyHeaderBehavior as Behavior;
    let mut generated = generated_of(keyed);
    let Some(policy) = policy else {
        return (HeaderRule::Only(lower(keyed)), generated);
    };
    let config = &policy.headers_config;
    let names = items(
        config
            .headers
            .as_ref()
            .and_then(|names| names.items.as_ref()),
    );
    let rule = match config.header_behavior {
        Behavior::None => HeaderRule::Only(lower(keyed)),
        Behavior::AllExcept => HeaderRule::Except {
            except: lower(&names),
            keyed: lower(keyed),
        },
        Behavior::AllViewer => HeaderRule::All,
        Behavior::Whitelist | Behavior::AllViewerAndWhitelistCloudFront => {
            for field in generated_of(&names) {
                if !generated.contains(&field) {
                    generated.push(field);
                }
            }
            match config.header_behavior {
                Behavior::Whitelist => HeaderRule::Only([lower(keyed), lower(&names)].concat()),
                _ => HeaderRule::All,
            }
        }
    };
    (rule, generated)
}
