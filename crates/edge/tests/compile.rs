//! Distributions as the AWS CLI exports them: what they compile to, what is said of their errors
//! and mistakes, and how requests to them are explained.
//!
//! The texts of `check` and `explain` are compared as a whole with files in `fixtures/`. After a
//! change that is meant, `WRITE_FIXTURES=1 cargo test -p edge --test compile` writes them anew.

use std::path::{Path, PathBuf};

use edge::accept_encoding::EncodingRule;
use edge::check::check;
use edge::explain::{Question, explain};
use edge::forward::HeaderRule;
use edge::generated::Generated;
use edge::names::NameRule;
use edge::site::{
    ErrorPage, ErrorRule, GeoRule, Logging, OriginProtocol, Policies, Site, Target, ViewerProtocol,
    compile,
};
use message::{Known, Method};
use serde_json::{Value, json};
use shapes::cloudfront::DistributionConfig;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn document(name: &str) -> Value {
    let text = std::fs::read_to_string(fixture(name)).expect("the fixture is there");
    serde_json::from_str(&text).expect("the fixture is JSON")
}

fn policies() -> Policies {
    let mut policies = Policies::managed();
    policies
        .load_dir(&fixture("policies"))
        .expect("the fixture's policies are well-formed");
    policies
}

fn shop_config() -> Value {
    document("shop.json")["Distribution"]["DistributionConfig"].take()
}

fn shop() -> Site {
    let config: DistributionConfig =
        shapes::from_value(&shop_config()).expect("the shop is well-formed");
    compile(
        "E2SHOPEXAMPLE1",
        "d111111abcdef8.cloudfront.net",
        &config,
        &policies(),
    )
    .expect("the shop compiles")
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

/// Compares a text with the file that has it, or writes the file.
fn assert_is(name: &str, text: &str) {
    if std::env::var_os("WRITE_FIXTURES").is_some() {
        std::fs::write(fixture(name), text).expect("fixtures can be written");
    }
    let expected = std::fs::read_to_string(fixture(name)).unwrap_or_default();
    assert_eq!(text, expected, "\n--- {name}, as it is now ---\n{text}");
}

#[test]
fn the_distribution_itself_is_compiled() {
    let site = shop();
    assert_eq!(site.id, "E2SHOPEXAMPLE1");
    assert_eq!(site.aliases, names(&["www.shop.example", "*.shop.example"]));
    assert_eq!(site.default_root_path, "/index.html");
    assert_eq!(site.geo, GeoRule::Except(vec![*b"KP", *b"RU"]));
    let logging = Logging {
        prefix: "shop/".to_owned(),
        include_cookies: true,
    };
    assert_eq!(site.logging, Some(logging));
    let page = |path: &str, status| {
        Some(ErrorPage {
            path: path.to_owned(),
            status,
        })
    };
    assert_eq!(
        site.errors,
        [
            ErrorRule {
                status: 404,
                page: page("/errors/404.html", 404),
                min_secs: 60
            },
            ErrorRule {
                status: 503,
                page: page("/errors/busy.html", 503),
                min_secs: 5
            },
            ErrorRule {
                status: 500,
                page: None,
                min_secs: 0
            },
        ]
    );
    assert_eq!(
        (site.error_min_secs(500), site.error_min_secs(502)),
        (0, 10)
    );
}

#[test]
fn origins_are_compiled_with_their_kinds_ports_and_timeouts() {
    let site = shop();
    let kinds: Vec<_> = site.origins.iter().map(|o| (o.protocol, o.is_s3)).collect();
    assert_eq!(
        kinds,
        [
            (OriginProtocol::MatchViewer, true),
            (OriginProtocol::HttpsOnly, false),
            (OriginProtocol::MatchViewer, false),
            (OriginProtocol::HttpOnly, false),
        ]
    );
    let api = &site.origins[1];
    assert_eq!(api.path_prefix, "/v2");
    assert_eq!(
        api.host_fields,
        ["api.shop.example", "api.shop.example:8443"]
    );
    assert_eq!(
        api.custom_fields,
        [("X-Origin-Verify".to_owned(), "a1b2c3".to_owned())]
    );
    let spec = &api.spec;
    assert_eq!(
        (spec.connection_attempts, spec.connection_timeout_ms),
        (2, 4_000)
    );
    assert_eq!(
        (spec.read_timeout_ms, spec.keepalive_timeout_ms),
        (20_000, 15_000)
    );
    assert_eq!(site.origins[3].host_fields[0], "standby.shop.example:8080");
}

#[test]
fn behaviors_keep_their_order_and_find_their_targets() {
    let site = shop();
    let patterns: Vec<&str> = site.behaviors.iter().map(|b| b.pattern.as_str()).collect();
    assert_eq!(
        patterns,
        [
            "/assets/*",
            "/api/*",
            "/products/*",
            "*.php",
            "/checkout/*",
            "/private/*",
            "/errors/*",
            "*"
        ]
    );
    let Target::Group { members, failover } = &site.behaviors[2].target else {
        panic!("/products/* goes to a group")
    };
    assert_eq!(
        (members.as_slice(), failover.statuses.as_slice()),
        (&[2, 3][..], &[500, 502, 503, 504][..])
    );
    assert_eq!(site.behaviors[3].target, Target::Origin(2));
    assert_eq!(
        site.behavior(b"/products/a.php").0,
        2,
        "the first that matches"
    );
    assert_eq!(site.behavior(b"/blog/a.php").0, 3);
    assert_eq!(site.behavior(b"/").0, 7);
    let protocols: Vec<_> = site.behaviors.iter().map(|b| b.viewer_protocol).collect();
    assert_eq!(protocols[1], ViewerProtocol::HttpsOnly);
    assert_eq!(protocols[6], ViewerProtocol::AllowAll);
    let signed: Vec<_> = site.behaviors.iter().map(|b| b.signers.is_some()).collect();
    assert_eq!(signed.iter().position(|signed| *signed), Some(5));
}

#[test]
fn methods_default_to_reading_and_options_is_cached_on_request() {
    let site = shop();
    let (assets, api, private) = (&site.behaviors[0], &site.behaviors[1], &site.behaviors[5]);
    assert!(assets.methods.contains(Method::Options) && assets.options_cached);
    assert!(api.methods.contains(Method::Delete) && !api.options_cached);
    assert!(!api.is_cacheable(Method::Get), "caching is disabled");
    assert!(private.methods.contains(Method::Head) && !private.methods.contains(Method::Options));
    assert!(assets.is_cacheable(Method::Options) && !assets.is_cacheable(Method::Post));
}

#[test]
fn custom_policies_become_key_and_forwarding() {
    let site = shop();
    let behavior = &site.behaviors[2];
    assert_eq!(behavior.key.query, NameRule::Only(names(&["page", "sort"])));
    assert_eq!(behavior.key.cookies, NameRule::Only(names(&["currency"])));
    assert_eq!(behavior.key.headers.len(), 1);
    assert_eq!(behavior.key.headers[0].name, "cloudfront-viewer-country");
    assert_eq!(
        behavior.key.encoding,
        EncodingRule {
            gzip: true,
            brotli: true
        }
    );
    // What is in the key is forwarded in spite of the block list.
    assert_eq!(behavior.forward.query, NameRule::Except(names(&["fbclid"])));
    assert_eq!(behavior.forward.cookies, behavior.key.cookies);
    assert!(behavior.forward.forwards("user-agent", Method::Get));
    assert!(!behavior.forward.forwards("referer", Method::Get));
    assert_eq!(
        behavior.forward.generated,
        [Generated::Country, Generated::City]
    );
    let ttl = behavior.ttl;
    assert_eq!(
        (ttl.min_secs, ttl.default_secs, ttl.max_secs),
        (0, 300, 3_600)
    );
    assert!(
        behavior
            .response_headers
            .as_ref()
            .is_some_and(|p| p.server_timing.is_some())
    );
    let parts = &behavior.names;
    assert_eq!(parts.target, "web-group");
    assert_eq!(parts.cache_policy.as_deref(), Some("Products"));
    assert_eq!(
        parts.origin_request_policy.as_deref(),
        Some("Products-Origin")
    );
    assert_eq!(
        parts.response_headers_policy.as_deref(),
        Some("Shop-Headers")
    );
}

#[test]
fn managed_policies_become_key_and_forwarding() {
    let site = shop();
    let default = &site.behaviors[7];
    assert_eq!(
        (&default.key.query, &default.key.cookies),
        (&NameRule::All, &NameRule::All)
    );
    let keyed: Vec<&str> = default
        .key
        .headers
        .iter()
        .map(|h| h.name.as_str())
        .collect();
    let expected = [
        "host",
        "origin",
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
    ];
    assert_eq!(keyed, expected);
    assert_eq!(default.forward.headers, HeaderRule::All);
    assert!(default.forward.forwards_host());
    let api = &site.behaviors[1];
    let except_host = HeaderRule::Except {
        except: names(&["host"]),
        keyed: Vec::new(),
    };
    assert_eq!(api.forward.headers, except_host);
    assert!(!api.forward.forwards_host());
    assert!(api.forward.forwards("authorization", Method::Get));
}

#[test]
fn legacy_values_become_key_and_forwarding() {
    let site = shop();
    let php = &site.behaviors[3];
    assert_eq!(php.key.query, NameRule::Only(names(&["p"])));
    assert_eq!(
        php.forward.query,
        NameRule::All,
        "all are forwarded, the listed are keyed"
    );
    assert_eq!(
        php.key.cookies,
        NameRule::Patterns(names(&["wp_*", "session?"]))
    );
    assert!(php.key.cookies.selects(b"wp_logged_in") && !php.key.cookies.selects(b"session12"));
    assert_eq!(
        php.key.encoding,
        EncodingRule {
            gzip: true,
            brotli: false
        }
    );
    assert!(php.key.has_header("host") && php.forward.forwards_host());
    assert_eq!(php.forward.generated, [Generated::IsMobile]);
    assert!(php.forward.legacy && php.forward.forwards("x-anything", Method::Get));
    assert_eq!((php.ttl.default_secs, php.ttl.max_secs), (300, 3_600));
    let checkout = &site.behaviors[4];
    assert!(checkout.caching_disabled && !checkout.is_cacheable(Method::Get));
    assert_eq!(checkout.forward.headers, HeaderRule::All);
}

#[test]
fn requests_collapse_unless_cookies_outside_of_the_key_are_forwarded() {
    let mut config = shop_config();
    config["CacheBehaviors"]["Items"][2]["OriginRequestPolicyId"] =
        json!("216adef6-5c7f-47e4-b989-5492eafa07d3");
    let config: DistributionConfig = shapes::from_value(&config).unwrap();
    let site = compile("E1", "d1.test", &config, &policies()).unwrap();
    let mut request = message::RequestHead::default();
    request.start(b"GET", b"/products/a", message::Version::Http11);
    assert!(site.behaviors[2].collapses(&request));
    request.push(b"Cookie", b"session=1");
    assert!(request.known(Known::Cookie).is_some());
    assert!(!site.behaviors[2].collapses(&request));
    assert!(
        shop().behaviors[2].collapses(&request),
        "its policies forward no such cookie"
    );
}

/// What compiling says after one member of the shop was replaced.
fn errors_with(pointer: &str, value: Value) -> Vec<String> {
    let mut config = shop_config();
    let (parent, member) = pointer.rsplit_once('/').expect("a pointer has a slash");
    let parent = config
        .pointer_mut(parent)
        .expect("the fixture has that member");
    match parent {
        Value::Array(items) => items[member.parse::<usize>().expect("an index")] = value,
        _ => parent[member] = value,
    }
    let config = match shapes::from_value::<DistributionConfig>(&config) {
        Ok(config) => config,
        Err(error) => return vec![error.to_string()],
    };
    match compile("E1", "d1.test", &config, &policies()) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_wrong_field_is_named_with_its_value_and_what_is_allowed() {
    let cases: &[(&str, Value, &str)] = &[
        (
            "/Aliases/Items/0",
            json!("https://www.shop.example"),
            "DistributionConfig.Aliases.Items[0]: 'https://www.shop.example' is no host name; a \
             wildcard is '*.' and a name",
        ),
        (
            "/Origins/Items/1/OriginPath",
            json!("v2/"),
            "DistributionConfig.Origins.Items[1].OriginPath: 'v2/' must start with '/' and not \
             end with one",
        ),
        (
            "/Origins/Items/1/DomainName",
            json!("https://api.shop.example"),
            "DistributionConfig.Origins.Items[1].DomainName: 'https://api.shop.example' is no \
             host name; no scheme, port or path belongs here",
        ),
        (
            "/Origins/Items/1/ConnectionAttempts",
            json!(5),
            "DistributionConfig.Origins.Items[1].ConnectionAttempts: 5 is not from 1 to 3",
        ),
        (
            "/Origins/Items/1/CustomOriginConfig/HTTPSPort",
            json!(22),
            "DistributionConfig.Origins.Items[1].CustomOriginConfig.HTTPSPort: 22 is not 80, 443 \
             or from 1024 to 65535",
        ),
        (
            "/Origins/Items/1/CustomHeaders/Items/0/HeaderName",
            json!("Host"),
            "DistributionConfig.Origins.Items[1].CustomHeaders.Items[0].HeaderName: 'Host' is \
             set by the edge alone",
        ),
        (
            "/Origins/Items/3/Id",
            json!("web"),
            "DistributionConfig.Origins.Items[3].Id: 'web' is the id of an earlier origin too",
        ),
        (
            "/OriginGroups/Items/0/Members/Items/1/OriginId",
            json!("web2"),
            "DistributionConfig.OriginGroups.Items[0].Members.Items[1].OriginId: 'web2' is not \
             one of the origins: assets, api, web, web-standby",
        ),
        (
            "/CacheBehaviors/Items/0/PathPattern",
            json!("/a b"),
            "DistributionConfig.CacheBehaviors.Items[0].PathPattern: '/a b' has ' '; allowed are \
             A-Z a-z 0-9 _ - . * ? $ / ~ \" ' @ : + & and %",
        ),
        (
            "/CacheBehaviors/Items/1/TargetOriginId",
            json!("apj"),
            "DistributionConfig.CacheBehaviors.Items[1].TargetOriginId: 'apj' is not one of the \
             origins: assets, api, web, web-standby or origin groups: web-group",
        ),
        (
            "/CacheBehaviors/Items/2/CachePolicyId",
            json!("0f4a1c5e-0000-4000-8000-000000000000"),
            "DistributionConfig.CacheBehaviors.Items[2].CachePolicyId: there is no cache policy \
             '0f4a1c5e-0000-4000-8000-000000000000': neither managed by AWS nor in the directory \
             of policies",
        ),
        (
            "/CacheBehaviors/Items/0/ResponseHeadersPolicyId",
            json!("nope"),
            "DistributionConfig.CacheBehaviors.Items[0].ResponseHeadersPolicyId: there is no \
             response headers policy 'nope': neither managed by AWS nor in the directory of \
             policies",
        ),
        (
            "/CacheBehaviors/Items/3/CachePolicyId",
            json!("658327ea-f89d-4fab-a63d-7e88639e58f6"),
            "DistributionConfig.CacheBehaviors.Items[3].ForwardedValues: cannot be used together \
             with CachePolicyId: keep one of them",
        ),
        (
            "/CacheBehaviors/Items/3/MinTTL",
            json!(7_200),
            "DistributionConfig.CacheBehaviors.Items[3].MinTTL: 7200 is more than MaxTTL 3600",
        ),
        (
            "/DefaultCacheBehavior/AllowedMethods/Items/0",
            json!("POST"),
            "DistributionConfig.DefaultCacheBehavior.AllowedMethods.Items: must be GET and HEAD; \
             or these and OPTIONS; or all seven methods",
        ),
        (
            "/CustomErrorResponses/Items/0/ErrorCode",
            json!(418),
            "DistributionConfig.CustomErrorResponses.Items[0].ErrorCode: 418 is not one of [400, \
             403, 404, 405, 414, 416, 500, 501, 502, 503, 504]",
        ),
        (
            "/CustomErrorResponses/Items/0/ResponsePagePath",
            json!("errors/404.html"),
            "DistributionConfig.CustomErrorResponses.Items[0].ResponsePagePath: 'errors/404.html' \
             must start with '/' and hold no space or control",
        ),
        (
            "/CustomErrorResponses/Items/0/ResponseCode",
            json!(""),
            "DistributionConfig.CustomErrorResponses.Items[0]: ResponsePagePath and ResponseCode \
             go together",
        ),
        (
            "/Restrictions/GeoRestriction/Items/0",
            json!("Russia"),
            "DistributionConfig.Restrictions.GeoRestriction.Items[0]: 'Russia' is not two \
             capital letters (ISO 3166-1)",
        ),
    ];
    for (pointer, value, expected) in cases {
        let errors = errors_with(pointer, value.clone());
        assert_eq!(
            errors.first().map(String::as_str),
            Some(*expected),
            "{pointer}"
        );
    }
}

#[test]
fn every_wrong_field_is_told_at_once() {
    let mut config = shop_config();
    config["DefaultRootObject"] = json!("/index.html");
    config["Origins"]["Items"][0]["ConnectionTimeout"] = json!(99);
    config["DefaultCacheBehavior"]["OriginRequestPolicyId"] = json!("gone");
    let config: DistributionConfig = shapes::from_value(&config).unwrap();
    let errors = compile("E1", "d1.test", &config, &policies()).unwrap_err();
    let paths: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "DistributionConfig.DefaultRootObject",
            "DistributionConfig.Origins.Items[0].ConnectionTimeout",
            "DistributionConfig.DefaultCacheBehavior.OriginRequestPolicyId",
        ]
    );
    assert!(check(&config, &policies()).is_empty(), "errors come first");
}

fn warnings(config: &Value) -> String {
    let config: DistributionConfig =
        shapes::from_value(config).expect("the document is well-formed");
    check(&config, &policies())
        .iter()
        .map(|warning| format!("{warning}\n"))
        .collect()
}

#[test]
fn mistakes_are_told_with_what_happens_and_what_to_do() {
    assert_is("mistakes.warnings", &warnings(&document("mistakes.json")));
    assert_is("shop.warnings", &warnings(&shop_config()));
}

#[test]
fn a_distribution_without_mistakes_has_no_warnings() {
    let config = json!({
        "CallerReference": "plain", "Comment": "", "Enabled": true,
        "Logging": { "Enabled": true, "IncludeCookies": false, "Bucket": "", "Prefix": "" },
        "Origins": { "Quantity": 1, "Items": [{
            "Id": "main", "DomainName": "origin.example",
            "CustomOriginConfig": {
                "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "https-only",
            },
        }]},
        "CacheBehaviors": { "Quantity": 1, "Items": [{
            "PathPattern": "/api/*", "TargetOriginId": "main",
            "ViewerProtocolPolicy": "redirect-to-https",
            "AllowedMethods": { "Quantity": 7, "Items":
                ["HEAD", "DELETE", "POST", "GET", "OPTIONS", "PUT", "PATCH"] },
            "Compress": false,
            "CachePolicyId": "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
            "OriginRequestPolicyId": "b689b0a8-53d0-40ab-baf2-68738e2966ac",
        }]},
        "DefaultCacheBehavior": {
            "TargetOriginId": "main", "ViewerProtocolPolicy": "redirect-to-https",
            "Compress": true, "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
        },
    });
    assert_eq!(warnings(&config), "");
}

fn question(method: &str, url: &str, country: &str, headers: &[(&str, &str)]) -> Question {
    // 1 April 2026, noon.
    let mut question = Question::new(url, 1_775_044_800);
    question.method = method.to_owned();
    question.country = Some(country.to_owned());
    question.viewer = [192, 0, 2, 7].into();
    question.headers = pairs(headers);
    question
}

fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn a_cached_page_is_explained() {
    let url = "https://www.shop.example/products/shoes?page=2&utm_source=mail&fbclid=x1";
    let mut question = question(
        "GET",
        url,
        "DE",
        &[
            (
                "User-Agent",
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            ),
            ("Accept", "text/html"),
            ("Accept-Language", "de"),
            ("Accept-Encoding", "gzip, deflate, br, zstd"),
            ("Referer", "https://news.example/"),
            ("Cookie", "session=4711; currency=EUR"),
        ],
    );
    question.response = Some((
        200,
        pairs(&[
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", "18000"),
            (
                "Cache-Control",
                "max-age=86400, stale-while-revalidate=30, stale-if-error=600",
            ),
            ("Vary", "Accept-Encoding, User-Agent, Accept-Language"),
            ("Set-Cookie", "currency=EUR; Path=/"),
            ("X-Powered-By", "PHP/8.4"),
        ]),
    ));
    assert_is("page.explained", &explain(&shop(), &question).unwrap());
}

#[test]
fn a_refused_and_failing_request_is_explained() {
    let mut question = question(
        "GET",
        "http://img.shop.example/",
        "KP",
        &[
            ("Accept-Encoding", "gzip"),
            ("Authorization", "Basic dTpw"),
            ("If-None-Match", "\"v1\""),
        ],
    );
    question.response = Some((
        503,
        pairs(&[("Retry-After", "5"), ("Content-Length", "20")]),
    ));
    assert_is("failure.explained", &explain(&shop(), &question).unwrap());
}

#[test]
fn an_uncached_call_to_the_api_is_explained() {
    let mut question = question(
        "POST",
        "https://d111111abcdef8.cloudfront.net/api/orders",
        "CH",
        &[
            ("Content-Type", "application/json"),
            ("Content-Length", "2"),
            ("Authorization", "Bearer x"),
            ("Cookie", "session=4711"),
        ],
    );
    question.response = Some((201, pairs(&[("Cache-Control", "no-store")])));
    assert_is("call.explained", &explain(&shop(), &question).unwrap());
}

#[test]
fn a_preflight_at_a_foreign_host_is_explained() {
    let mut question = question(
        "OPTIONS",
        "https://cdn.example/assets/font.woff2",
        "FR",
        &[
            ("Origin", "https://www.shop.example"),
            ("Access-Control-Request-Method", "GET"),
        ],
    );
    question.response = Some((200, pairs(&[("Vary", "Origin"), ("Server", "AmazonS3")])));
    assert_is("preflight.explained", &explain(&shop(), &question).unwrap());
}

#[test]
fn a_legacy_behavior_is_explained() {
    let mut question = question(
        "GET",
        "https://www.shop.example/blog/a.php?p=1&x=2",
        "AT",
        &[
            ("User-Agent", "Mozilla/5.0 (iPhone)"),
            ("Cookie", "wp_x=1; other=2"),
            ("Origin", "https://a.example"),
        ],
    );
    question.response = Some((200, pairs(&[("Cache-Control", "private"), ("Vary", "*")])));
    assert_is("legacy.explained", &explain(&shop(), &question).unwrap());
}
