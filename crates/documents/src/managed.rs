//! The policies that AWS manages: their ids appear in everybody's distributions, so every edge
//! knows them. One table per kind; spec §11.5–11.7.

use shapes::cloudfront::{
    CachePolicyConfig, CachePolicyCookieBehavior as CacheCookies, CachePolicyCookiesConfig,
    CachePolicyHeaderBehavior as CacheHeaders, CachePolicyHeadersConfig,
    CachePolicyQueryStringBehavior as CacheQueries, CachePolicyQueryStringsConfig,
    FrameOptionsList, OriginRequestPolicyConfig, OriginRequestPolicyCookieBehavior as SentCookies,
    OriginRequestPolicyCookiesConfig, OriginRequestPolicyHeaderBehavior as SentHeaders,
    OriginRequestPolicyHeadersConfig, OriginRequestPolicyQueryStringBehavior as SentQueries,
    OriginRequestPolicyQueryStringsConfig, ParametersInCacheKeyAndForwardedToOrigin,
    ReferrerPolicyList, ResponseHeadersPolicyAccessControlAllowMethodsValues as CorsMethod,
    ResponseHeadersPolicyConfig, ResponseHeadersPolicyContentTypeOptions,
    ResponseHeadersPolicyCorsConfig, ResponseHeadersPolicyFrameOptions,
    ResponseHeadersPolicyReferrerPolicy, ResponseHeadersPolicySecurityHeadersConfig,
    ResponseHeadersPolicyStrictTransportSecurity, ResponseHeadersPolicyXSSProtection,
};

/// A row of spec §11.5.
struct Cache {
    id: &'static str,
    name: &'static str,
    /// Minimum, default and maximum.
    ttl_secs: (i64, i64, i64),
    headers: &'static [&'static str],
    all_cookies: bool,
    queries: Queries,
    gzip: bool,
    brotli: bool,
}

enum Queries {
    None,
    All,
    Only(&'static [&'static str]),
}

const YEAR_SECS: i64 = 31_536_000;
const HOST_AND_METHODS: &[&str] = &[
    "Host",
    "Origin",
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
];
const AMPLIFY: &[&str] = &[
    "Authorization",
    "Accept",
    "CloudFront-Viewer-Country",
    "Host",
];

// The names are the API's. Two of them are without `Managed-`, as AWS has them.
#[rustfmt::skip]
const CACHE: [Cache; 11] = [
    Cache { id: "658327ea-f89d-4fab-a63d-7e88639e58f6", name: "Managed-CachingOptimized",
        ttl_secs: (1, 86_400, YEAR_SECS), headers: &[], all_cookies: false,
        queries: Queries::None, gzip: true, brotli: true },
    Cache { id: "b2884449-e4de-46a7-ac36-70bc7f1ddd6d",
        name: "Managed-CachingOptimizedForUncompressedObjects",
        ttl_secs: (1, 86_400, YEAR_SECS), headers: &[], all_cookies: false,
        queries: Queries::None, gzip: false, brotli: false },
    Cache { id: "4135ea2d-6df8-44a3-9df3-4b5a84be39ad", name: "Managed-CachingDisabled",
        ttl_secs: (0, 0, 0), headers: &[], all_cookies: false,
        queries: Queries::None, gzip: false, brotli: false },
    Cache { id: "83da9c7e-98b4-4e11-a168-04f0df8e2c65", name: "UseOriginCacheControlHeaders",
        ttl_secs: (0, 0, YEAR_SECS), headers: HOST_AND_METHODS, all_cookies: true,
        queries: Queries::None, gzip: true, brotli: true },
    Cache { id: "4cc15a8a-d715-48a4-82b8-cc0b614638fe",
        name: "UseOriginCacheControlHeaders-QueryStrings",
        ttl_secs: (0, 0, YEAR_SECS), headers: HOST_AND_METHODS, all_cookies: true,
        queries: Queries::All, gzip: true, brotli: true },
    Cache { id: "08627262-05a9-4f76-9ded-b50ca2e3a84f", name: "Managed-Elemental-MediaPackage",
        ttl_secs: (0, 86_400, YEAR_SECS), headers: &["Origin"], all_cookies: false,
        queries: Queries::Only(&["aws.manifestfilter", "start", "end", "m"]),
        gzip: true, brotli: false },
    Cache { id: "2e54312d-136d-493c-8eb9-b001f22f67d2", name: "Managed-Amplify",
        ttl_secs: (2, 2, 600), headers: &["Authorization", "CloudFront-Viewer-Country", "Host"],
        all_cookies: true, queries: Queries::All, gzip: true, brotli: true },
    Cache { id: "4d1d2f1d-3a71-49ad-9e08-7ea5d843a556", name: "Managed-Amplify-Default",
        ttl_secs: (0, 0, YEAR_SECS), headers: AMPLIFY, all_cookies: true,
        queries: Queries::All, gzip: true, brotli: true },
    Cache { id: "a6bad946-36c3-4c33-aa98-362c74a7fb13", name: "Managed-Amplify-DefaultNoCookies",
        ttl_secs: (0, 0, YEAR_SECS), headers: AMPLIFY, all_cookies: false,
        queries: Queries::All, gzip: true, brotli: true },
    Cache { id: "1c6db51a-a33f-469a-8245-dae26771f530", name: "Managed-Amplify-ImageOptimization",
        ttl_secs: (0, 0, YEAR_SECS), headers: &["Authorization", "Accept", "Host"],
        all_cookies: false, queries: Queries::All, gzip: true, brotli: true },
    Cache { id: "7e5fad67-ee98-4ad0-b05a-394999eefc1a", name: "Managed-Amplify-StaticContent",
        ttl_secs: (0, 0, YEAR_SECS), headers: &["Authorization", "Host"],
        all_cookies: false, queries: Queries::None, gzip: true, brotli: true },
];

/// A row of spec §11.6.
struct OriginRequest {
    id: &'static str,
    name: &'static str,
    headers: SentHeaders,
    names: &'static [&'static str],
    /// Whether all cookies are sent, or none.
    cookies: bool,
    /// Whether the whole query is sent, or none of it.
    query: bool,
}

/// The `CloudFront-*` fields that the policy of June 2022 adds.
const GENERATED_2022_06: &[&str] = &[
    "CloudFront-Forwarded-Proto",
    "CloudFront-Is-Android-Viewer",
    "CloudFront-Is-Desktop-Viewer",
    "CloudFront-Is-IOS-Viewer",
    "CloudFront-Is-Mobile-Viewer",
    "CloudFront-Is-SmartTV-Viewer",
    "CloudFront-Is-Tablet-Viewer",
    "CloudFront-Viewer-Address",
    "CloudFront-Viewer-ASN",
    "CloudFront-Viewer-City",
    "CloudFront-Viewer-Country",
    "CloudFront-Viewer-Country-Name",
    "CloudFront-Viewer-Country-Region",
    "CloudFront-Viewer-Country-Region-Name",
    "CloudFront-Viewer-Http-Version",
    "CloudFront-Viewer-Latitude",
    "CloudFront-Viewer-Longitude",
    "CloudFront-Viewer-Metro-Code",
    "CloudFront-Viewer-Postal-Code",
    "CloudFront-Viewer-Time-Zone",
    "CloudFront-Viewer-TLS",
];
const PREFLIGHT: &[&str] = &[
    "Origin",
    "Access-Control-Request-Headers",
    "Access-Control-Request-Method",
];
const MEDIA_TAILOR: &[&str] = &[
    "Origin",
    "Access-Control-Request-Headers",
    "Access-Control-Request-Method",
    "User-Agent",
    "X-Forwarded-For",
];

#[rustfmt::skip]
const ORIGIN_REQUEST: [OriginRequest; 8] = [
    OriginRequest { id: "216adef6-5c7f-47e4-b989-5492eafa07d3", name: "Managed-AllViewer",
        headers: SentHeaders::AllViewer, names: &[], cookies: true, query: true },
    OriginRequest { id: "b689b0a8-53d0-40ab-baf2-68738e2966ac",
        name: "Managed-AllViewerExceptHostHeader",
        headers: SentHeaders::AllExcept, names: &["Host"], cookies: true, query: true },
    OriginRequest { id: "33f36d7e-f396-46d9-90e0-52428a34d9dc",
        name: "Managed-AllViewerAndCloudFrontHeaders-2022-06",
        headers: SentHeaders::AllViewerAndWhitelistCloudFront, names: GENERATED_2022_06,
        cookies: true, query: true },
    OriginRequest { id: "59781a5b-3903-41f3-afcb-af62929ccde1", name: "Managed-CORS-CustomOrigin",
        headers: SentHeaders::Whitelist, names: &["Origin"], cookies: false, query: false },
    OriginRequest { id: "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf", name: "Managed-CORS-S3Origin",
        headers: SentHeaders::Whitelist, names: PREFLIGHT, cookies: false, query: false },
    OriginRequest { id: "775133bc-15f2-49f9-abea-afb2e0bf67d2",
        name: "Managed-Elemental-MediaTailor-PersonalizedManifests",
        headers: SentHeaders::Whitelist, names: MEDIA_TAILOR, cookies: false, query: true },
    OriginRequest { id: "bf0718e1-ba1e-49d1-88b1-f726733018ae", name: "Managed-HostHeaderOnly",
        headers: SentHeaders::Whitelist, names: &["Host"], cookies: false, query: false },
    OriginRequest { id: "acba4595-bd28-49b8-b9fe-13317c0390fa",
        name: "Managed-UserAgentRefererHeaders",
        headers: SentHeaders::Whitelist, names: &["User-Agent", "Referer"],
        cookies: false, query: false },
];

/// A row of spec §11.7.
struct ResponseHeaders {
    id: &'static str,
    name: &'static str,
    cors: Cors,
    security: bool,
}

enum Cors {
    None,
    Simple,
    Preflight,
}

#[rustfmt::skip]
const RESPONSE_HEADERS: [ResponseHeaders; 5] = [
    ResponseHeaders { id: "60669652-455b-4ae9-85a4-c4c02393f86c", name: "Managed-SimpleCORS",
        cors: Cors::Simple, security: false },
    ResponseHeaders { id: "5cc3b908-e619-4b99-88e5-2cf7f45965bd",
        name: "Managed-CORS-With-Preflight", cors: Cors::Preflight, security: false },
    ResponseHeaders { id: "67f7725c-6f97-4210-82d7-5512b31e9d03",
        name: "Managed-SecurityHeadersPolicy", cors: Cors::None, security: true },
    ResponseHeaders { id: "e61eb60c-9c35-4d20-a928-2b84e02af89c",
        name: "Managed-CORS-and-SecurityHeadersPolicy", cors: Cors::Simple, security: true },
    ResponseHeaders { id: "eaab4381-ed33-4a86-88ca-d9558dc6cd63",
        name: "Managed-CORS-with-preflight-and-SecurityHeadersPolicy",
        cors: Cors::Preflight, security: true },
];

/// The managed cache policies, by id.
pub fn cache() -> impl Iterator<Item = (&'static str, CachePolicyConfig)> {
    CACHE.iter().map(|row| (row.id, row.config()))
}

/// The managed origin request policies, by id.
pub fn origin_request() -> impl Iterator<Item = (&'static str, OriginRequestPolicyConfig)> {
    ORIGIN_REQUEST.iter().map(|row| (row.id, row.config()))
}

/// The managed response headers policies, by id.
pub fn response_headers() -> impl Iterator<Item = (&'static str, ResponseHeadersPolicyConfig)> {
    RESPONSE_HEADERS.iter().map(|row| (row.id, row.config()))
}

/// The list as a shape's list; none where it is empty.
fn listed<T: From<Vec<String>>>(names: &[&str]) -> Option<T> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    (!names.is_empty()).then(|| names.into())
}

impl Cache {
    fn config(&self) -> CachePolicyConfig {
        let (min_ttl, default_ttl, max_ttl) = self.ttl_secs;
        let (query_string_behavior, queries) = match self.queries {
            Queries::None => (CacheQueries::None, [].as_slice()),
            Queries::All => (CacheQueries::All, [].as_slice()),
            Queries::Only(names) => (CacheQueries::Whitelist, names),
        };
        CachePolicyConfig {
            comment: None,
            name: self.name.to_owned(),
            default_ttl: Some(default_ttl),
            max_ttl: Some(max_ttl),
            min_ttl,
            parameters_in_cache_key_and_forwarded_to_origin: Some(
                ParametersInCacheKeyAndForwardedToOrigin {
                    enable_accept_encoding_gzip: self.gzip,
                    enable_accept_encoding_brotli: Some(self.brotli),
                    headers_config: CachePolicyHeadersConfig {
                        header_behavior: match self.headers {
                            [] => CacheHeaders::None,
                            _ => CacheHeaders::Whitelist,
                        },
                        headers: listed(self.headers),
                    },
                    cookies_config: CachePolicyCookiesConfig {
                        cookie_behavior: match self.all_cookies {
                            true => CacheCookies::All,
                            false => CacheCookies::None,
                        },
                        cookies: None,
                    },
                    query_strings_config: CachePolicyQueryStringsConfig {
                        query_string_behavior,
                        query_strings: listed(queries),
                    },
                },
            ),
        }
    }
}

impl OriginRequest {
    fn config(&self) -> OriginRequestPolicyConfig {
        OriginRequestPolicyConfig {
            comment: None,
            name: self.name.to_owned(),
            headers_config: OriginRequestPolicyHeadersConfig {
                header_behavior: self.headers,
                headers: listed(self.names),
            },
            cookies_config: OriginRequestPolicyCookiesConfig {
                cookie_behavior: match self.cookies {
                    true => SentCookies::All,
                    false => SentCookies::None,
                },
                cookies: None,
            },
            query_strings_config: OriginRequestPolicyQueryStringsConfig {
                query_string_behavior: match self.query {
                    true => SentQueries::All,
                    false => SentQueries::None,
                },
                query_strings: None,
            },
        }
    }
}

impl ResponseHeaders {
    fn config(&self) -> ResponseHeadersPolicyConfig {
        ResponseHeadersPolicyConfig {
            name: self.name.to_owned(),
            cors_config: match self.cors {
                Cors::None => None,
                Cors::Simple => Some(any_origin()),
                Cors::Preflight => Some(with_preflight()),
            },
            security_headers_config: self.security.then(security),
            ..ResponseHeadersPolicyConfig::default()
        }
    }
}

fn any_origin() -> ResponseHeadersPolicyCorsConfig {
    ResponseHeadersPolicyCorsConfig {
        access_control_allow_origins: vec!["*".to_owned()].into(),
        access_control_allow_credentials: false,
        origin_override: false,
        ..ResponseHeadersPolicyCorsConfig::default()
    }
}

fn with_preflight() -> ResponseHeadersPolicyCorsConfig {
    use CorsMethod::{Delete, Get, Head, Options, Patch, Post, Put};
    ResponseHeadersPolicyCorsConfig {
        access_control_allow_methods: vec![Delete, Get, Head, Options, Patch, Post, Put].into(),
        access_control_expose_headers: Some(vec!["*".to_owned()].into()),
        ..any_origin()
    }
}

/// The set S of spec §11.7.
fn security() -> ResponseHeadersPolicySecurityHeadersConfig {
    ResponseHeadersPolicySecurityHeadersConfig {
        xss_protection: Some(ResponseHeadersPolicyXSSProtection {
            r#override: false,
            protection: true,
            mode_block: Some(true),
            report_uri: None,
        }),
        frame_options: Some(ResponseHeadersPolicyFrameOptions {
            r#override: false,
            frame_option: FrameOptionsList::Sameorigin,
        }),
        referrer_policy: Some(ResponseHeadersPolicyReferrerPolicy {
            r#override: false,
            referrer_policy: ReferrerPolicyList::StrictOriginWhenCrossOrigin,
        }),
        content_security_policy: None,
        content_type_options: Some(ResponseHeadersPolicyContentTypeOptions { r#override: true }),
        strict_transport_security: Some(ResponseHeadersPolicyStrictTransportSecurity {
            r#override: false,
            include_subdomains: None,
            preload: None,
            access_control_max_age_sec: 31_536_000,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_id_and_name_is_there_once() {
        let of = |all: &[(&'static str, String)]| -> (usize, usize) {
            let ids: BTreeSet<_> = all.iter().map(|(id, _)| *id).collect();
            let names: BTreeSet<_> = all.iter().map(|(_, name)| name).collect();
            assert!(ids.iter().all(|id| id.len() == 36));
            (ids.len(), names.len())
        };
        let cache: Vec<_> = cache().map(|(id, config)| (id, config.name)).collect();
        let origin: Vec<_> = origin_request()
            .map(|(id, config)| (id, config.name))
            .collect();
        let response: Vec<_> = response_headers()
            .map(|(id, config)| (id, config.name))
            .collect();
        assert_eq!(
            (of(&cache), of(&origin), of(&response)),
            ((11, 11), (8, 8), (5, 5))
        );
    }

    #[test]
    fn the_configs_survive_their_json_form() {
        for (id, config) in cache() {
            let json = serde_json::to_value(&config).unwrap();
            assert_eq!(
                shapes::from_value::<CachePolicyConfig>(&json).unwrap(),
                config,
                "{id}"
            );
        }
        for (id, config) in origin_request() {
            let json = serde_json::to_value(&config).unwrap();
            let read = shapes::from_value::<OriginRequestPolicyConfig>(&json).unwrap();
            assert_eq!(read, config, "{id}");
        }
        for (id, config) in response_headers() {
            let json = serde_json::to_value(&config).unwrap();
            let read = shapes::from_value::<ResponseHeadersPolicyConfig>(&json).unwrap();
            assert_eq!(read, config, "{id}");
        }
    }
}
