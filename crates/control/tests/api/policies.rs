//! Cache policies, origin request policies, response headers policies.

use documents::managed;
use serde_json::{Value, json};

use crate::family::{self, Family, conforming, refused};
use crate::world::World;

const CACHE: Family = Family {
    operations: [
        "CreateCachePolicy",
        "GetCachePolicy",
        "GetCachePolicyConfig",
        "UpdateCachePolicy",
        "DeleteCachePolicy",
        "ListCachePolicies",
    ],
    members: ["CachePolicyConfig", "CachePolicy", "CachePolicyList"],
    path: "cache-policy",
    config: |number, _| cache(&format!("policy-{number}"), json!({})),
    name: Some("Name"),
    comment: "Comment",
    codes: [
        "NoSuchCachePolicy",
        "CachePolicyAlreadyExists",
        "CachePolicyInUse",
        "TooManyCachePolicies",
    ],
    quota: 20,
    user: |id| {
        let config = json!({
            "DefaultCacheBehavior": { "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6" },
            "CacheBehaviors": { "Quantity": 1, "Items": [{ "CachePolicyId": id }] },
        });
        ("distribution", config)
    },
};

const ORIGIN_REQUEST: Family = Family {
    operations: [
        "CreateOriginRequestPolicy",
        "GetOriginRequestPolicy",
        "GetOriginRequestPolicyConfig",
        "UpdateOriginRequestPolicy",
        "DeleteOriginRequestPolicy",
        "ListOriginRequestPolicies",
    ],
    members: [
        "OriginRequestPolicyConfig",
        "OriginRequestPolicy",
        "OriginRequestPolicyList",
    ],
    path: "origin-request-policy",
    config: |number, _| origin_request(&format!("policy-{number}"), json!({})),
    name: Some("Name"),
    comment: "Comment",
    codes: [
        "NoSuchOriginRequestPolicy",
        "OriginRequestPolicyAlreadyExists",
        "OriginRequestPolicyInUse",
        "TooManyOriginRequestPolicies",
    ],
    quota: 20,
    user: |id| {
        let behavior = json!({ "OriginRequestPolicyId": id });
        ("distribution", json!({ "DefaultCacheBehavior": behavior }))
    },
};

const RESPONSE_HEADERS: Family = Family {
    operations: [
        "CreateResponseHeadersPolicy",
        "GetResponseHeadersPolicy",
        "GetResponseHeadersPolicyConfig",
        "UpdateResponseHeadersPolicy",
        "DeleteResponseHeadersPolicy",
        "ListResponseHeadersPolicies",
    ],
    members: [
        "ResponseHeadersPolicyConfig",
        "ResponseHeadersPolicy",
        "ResponseHeadersPolicyList",
    ],
    path: "response-headers-policy",
    config: |number, _| {
        response_headers(&format!("policy-{number}"), json!({ "CorsConfig": cors() }))
    },
    name: Some("Name"),
    comment: "Comment",
    codes: [
        "NoSuchResponseHeadersPolicy",
        "ResponseHeadersPolicyAlreadyExists",
        "ResponseHeadersPolicyInUse",
        "TooManyResponseHeadersPolicies",
    ],
    quota: 20,
    user: |id| {
        let behavior = json!({ "ResponseHeadersPolicyId": id });
        ("distribution", json!({ "DefaultCacheBehavior": behavior }))
    },
};

const ALL: [&Family; 3] = [&CACHE, &ORIGIN_REQUEST, &RESPONSE_HEADERS];

fn with(mut document: Value, members: Value) -> Value {
    for (member, value) in members.as_object().unwrap() {
        document[member] = value.clone();
    }
    document
}

fn list(names: &[&str]) -> Value {
    json!({ "Quantity": names.len(), "Items": names })
}

/// A cache policy with other parameters than none.
fn cache(name: &str, parameters: Value) -> Value {
    let parameters = with(
        json!({
            "EnableAcceptEncodingGzip": true,
            "HeadersConfig": { "HeaderBehavior": "none" },
            "CookiesConfig": { "CookieBehavior": "none" },
            "QueryStringsConfig": { "QueryStringBehavior": "none" },
        }),
        parameters,
    );
    json!({
        "Name": name,
        "Comment": "",
        "MinTTL": 1,
        "DefaultTTL": 60,
        "MaxTTL": 600,
        "ParametersInCacheKeyAndForwardedToOrigin": parameters,
    })
}

fn origin_request(name: &str, members: Value) -> Value {
    with(
        json!({
            "Name": name,
            "Comment": "",
            "HeadersConfig": { "HeaderBehavior": "whitelist", "Headers": list(&["Origin"]) },
            "CookiesConfig": { "CookieBehavior": "all" },
            "QueryStringsConfig": { "QueryStringBehavior": "none" },
        }),
        members,
    )
}

fn response_headers(name: &str, members: Value) -> Value {
    with(json!({ "Name": name, "Comment": "" }), members)
}

fn cors() -> Value {
    json!({
        "AccessControlAllowOrigins": list(&["https://*.example.org"]),
        "AccessControlAllowHeaders": list(&["x-amz-*"]),
        "AccessControlAllowMethods": list(&["GET", "PUT"]),
        "AccessControlAllowCredentials": false,
        "AccessControlMaxAgeSec": 600,
        "OriginOverride": true,
    })
}

#[tokio::test]
async fn policies_are_made_got_listed_changed_and_deleted() {
    for family in ALL {
        family::lives(family, &World::new(), "").await;
    }
}

#[tokio::test]
async fn a_policy_name_is_taken_once_for_each_kind() {
    for family in ALL {
        family::names_are_taken(family, &World::new(), "").await;
    }
    let world = World::new();
    for family in ALL {
        family.make(&world, 1, "").await;
    }
}

#[tokio::test]
async fn a_policy_cannot_have_the_name_of_a_managed_one() {
    let world = World::new();
    let config = cache("Managed-CachingOptimized", json!({}));
    let input = json!({ "CachePolicyConfig": config });
    let want = (409, "CachePolicyAlreadyExists");
    refused(&world, "CreateCachePolicy", input, want).await;
}

#[tokio::test]
async fn there_are_twenty_policies_of_a_kind_at_most() {
    for family in ALL {
        family::quota_holds(family, &World::new(), "").await;
    }
}

#[tokio::test]
async fn policies_are_listed_in_pages() {
    for family in ALL {
        family::pages_follow(family, &World::new(), "").await;
    }
}

#[tokio::test]
async fn managed_policies_are_got_and_listed_by_type_but_never_changed() {
    let ids = [
        managed::cache().map(|(id, _)| id).collect::<Vec<_>>(),
        managed::origin_request().map(|(id, _)| id).collect(),
        managed::response_headers().map(|(id, _)| id).collect(),
    ];
    for (family, ids) in ALL.into_iter().zip(ids) {
        let world = World::new();
        let custom = family.make(&world, 1, "").await;
        let [_, get, get_config, update, delete, list] = family.operations;
        let [config, resource, list_member] = family.members;
        for (r#type, quantity) in [
            (json!("managed"), ids.len()),
            (json!("custom"), 1),
            (json!(null), ids.len() + 1),
        ] {
            let output = conforming(&world, list, json!({ "Type": r#type })).await;
            let output = &output[list_member];
            assert_eq!(output["Quantity"], quantity, "{type}");
            for item in output["Items"].as_array().unwrap() {
                let is_custom = item[resource]["Id"] == family.id(&custom);
                let want = if is_custom { "custom" } else { "managed" };
                assert_eq!(item["Type"], want);
            }
        }
        let id = ids[0];
        let got = conforming(&world, get, json!({ "Id": id })).await;
        assert_eq!(family.id(&got), id);
        let of_config = conforming(&world, get_config, json!({ "Id": id })).await;
        assert_eq!(of_config[config], got[resource][config]);
        let input = json!({ "Id": id, "IfMatch": got["ETag"], config: of_config[config] });
        refused(&world, update, input.clone(), (400, "IllegalUpdate")).await;
        refused(&world, delete, input, (400, "IllegalDelete")).await;
    }
}

/// Each config is refused with its code by create, and by update of a policy that is there.
async fn all_refused(family: &Family, configs: Vec<(Value, &str)>) {
    let world = World::new();
    let there = family.make(&world, 1, "").await;
    for (config, code) in configs {
        let input = json!({ family.members[0]: config });
        refused(&world, family.operations[0], input, (400, code)).await;
        let input = json!({
            "Id": family.id(&there), "IfMatch": there["ETag"], family.members[0]: config,
        });
        refused(&world, family.operations[3], input, (400, code)).await;
    }
}

fn many(prefix: &str, count: usize) -> Value {
    let names: Vec<String> = (0..count).map(|n| format!("{prefix}{n}")).collect();
    json!({ "Quantity": count, "Items": names })
}

#[tokio::test]
async fn cache_policies_that_no_edge_could_serve_are_refused() {
    const INVALID: &str = "InvalidArgument";
    let headers = |names: &[&str]| {
        let config = json!({ "HeaderBehavior": "whitelist", "Headers": list(names) });
        json!({ "HeadersConfig": config })
    };
    let cookies = |behavior: &str, names: Value| {
        let config = json!({ "CookieBehavior": behavior, "Cookies": names });
        json!({ "CookiesConfig": config })
    };
    let queries = |behavior: &str, names: Value| {
        let config = json!({ "QueryStringBehavior": behavior, "QueryStrings": names });
        json!({ "QueryStringsConfig": config })
    };
    let of = |parameters: Value| cache("a", parameters);
    let ttls = |ttls: Value| with(of(json!({})), ttls);
    let long = "n".repeat(200);
    let long: Vec<String> = (0..6).map(|n| format!("{long}{n}")).collect();
    let long = json!({ "Quantity": 6, "Items": long });
    let eleven_headers = json!({
        "HeadersConfig": { "HeaderBehavior": "whitelist", "Headers": many("X-", 11) },
    });
    let two_for_one = json!({ "Quantity": 2, "Items": ["a"] });
    all_refused(
        &CACHE,
        vec![
            (cache("", json!({})), INVALID),
            (cache("a b", json!({})), INVALID),
            (cache(&"a".repeat(129), json!({})), INVALID),
            (ttls(json!({ "MinTTL": -1 })), INVALID),
            (ttls(json!({ "MaxTTL": 59 })), INVALID),
            (ttls(json!({ "MinTTL": 601, "DefaultTTL": 601 })), INVALID),
            // Without caching there is no key, and nothing is compressed.
            (
                ttls(json!({ "MinTTL": 0, "DefaultTTL": 0, "MaxTTL": 0 })),
                INVALID,
            ),
            (of(eleven_headers), "TooManyHeadersInCachePolicy"),
            (
                of(cookies("whitelist", many("c", 11))),
                "TooManyCookiesInCachePolicy",
            ),
            (
                of(queries("allExcept", many("q", 11))),
                "TooManyQueryStringsInCachePolicy",
            ),
            (
                of(queries("whitelist", two_for_one)),
                "InconsistentQuantities",
            ),
            (of(queries("whitelist", long)), INVALID),
            (of(queries("whitelist", list(&[]))), INVALID),
            (of(queries("all", list(&["a"]))), INVALID),
            (of(queries("whitelist", list(&["a", "a"]))), INVALID),
            (of(queries("whitelist", list(&["a=b"]))), INVALID),
            (of(cookies("none", list(&["a"]))), INVALID),
            (of(cookies("whitelist", list(&["a;b"]))), INVALID),
            (of(headers(&["Host", "host"])), INVALID),
            (of(headers(&["no name"])), INVALID),
            (of(headers(&["Accept-Encoding"])), INVALID),
            (of(headers(&["Cookie"])), INVALID),
            (of(headers(&["Connection"])), INVALID),
            (of(headers(&["Proxy-Authorization"])), INVALID),
            (of(headers(&["CloudFront-Viewer-Address"])), INVALID),
        ],
    )
    .await;
}

#[tokio::test]
async fn origin_request_policies_that_no_edge_could_serve_are_refused() {
    const INVALID: &str = "InvalidArgument";
    let headers = |behavior: &str, names: Value| {
        let config = json!({ "HeaderBehavior": behavior, "Headers": names });
        origin_request("a", json!({ "HeadersConfig": config }))
    };
    let cookies = json!({ "CookieBehavior": "whitelist", "Cookies": many("c", 11) });
    let queries = json!({ "QueryStringBehavior": "whitelist", "QueryStrings": many("q", 11) });
    all_refused(
        &ORIGIN_REQUEST,
        vec![
            (origin_request("ä", json!({})), INVALID),
            (headers("whitelist", list(&["Authorization"])), INVALID),
            (headers("whitelist", list(&["accept-encoding"])), INVALID),
            (headers("whitelist", list(&["TE"])), INVALID),
            (headers("allExcept", list(&[])), INVALID),
            (headers("allViewer", list(&["Host"])), INVALID),
            (
                headers("allViewerAndWhitelistCloudFront", list(&[])),
                INVALID,
            ),
            (
                headers("whitelist", many("X-", 11)),
                "TooManyHeadersInOriginRequestPolicy",
            ),
            (
                origin_request("a", json!({ "CookiesConfig": cookies })),
                "TooManyCookiesInOriginRequestPolicy",
            ),
            (
                origin_request("a", json!({ "QueryStringsConfig": queries })),
                "TooManyQueryStringsInOriginRequestPolicy",
            ),
        ],
    )
    .await;
    // A list of what is left out may name what cannot be asked for.
    let config = headers("allExcept", list(&["Authorization", "Host"]));
    let input = json!({ "OriginRequestPolicyConfig": config });
    World::new().ok("CreateOriginRequestPolicy", input).await;
}

#[tokio::test]
async fn response_headers_policies_that_no_edge_could_serve_are_refused() {
    const INVALID: &str = "InvalidArgument";
    let of = |members: Value| response_headers("a", members);
    let with_cors = |members: Value| of(json!({ "CorsConfig": with(cors(), members) }));
    let origin = |text: &str| with_cors(json!({ "AccessControlAllowOrigins": list(&[text]) }));
    let security = |members: Value| of(json!({ "SecurityHeadersConfig": members }));
    let custom = |headers: &[(&str, &str)]| {
        let headers: Vec<Value> = headers
            .iter()
            .map(|(name, value)| json!({ "Header": name, "Value": value, "Override": true }))
            .collect();
        json!({ "Quantity": headers.len(), "Items": headers })
    };
    let customs = |headers: &[(&str, &str)]| of(json!({ "CustomHeadersConfig": custom(headers) }));
    let removed = |names: &[&str]| {
        let headers: Vec<Value> = names.iter().map(|name| json!({ "Header": name })).collect();
        let list = json!({ "Quantity": headers.len(), "Items": headers });
        of(json!({ "RemoveHeadersConfig": list }))
    };
    let xss = |members: Value| {
        let xss = with(json!({ "Override": true, "Protection": true }), members);
        security(json!({ "XSSProtection": xss }))
    };
    let csp = |value: &str| {
        let csp = json!({ "Override": true, "ContentSecurityPolicy": value });
        security(json!({ "ContentSecurityPolicy": csp }))
    };
    let timing = |rate: f64| {
        let timing = json!({ "Enabled": true, "SamplingRate": rate });
        of(json!({ "ServerTimingHeadersConfig": timing }))
    };
    let hsts = json!({ "Override": true, "AccessControlMaxAgeSec": -1 });
    let names: Vec<String> = (0..11).map(|n| format!("X-{n}")).collect();
    let pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let cors_twice = of(json!({
        "CorsConfig": cors(),
        "CustomHeadersConfig": custom(&[("access-control-max-age", "1")]),
    }));
    all_refused(
        &RESPONSE_HEADERS,
        vec![
            (of(json!({})), INVALID),
            (
                of(json!({ "Comment": "c".repeat(129), "CorsConfig": cors() })),
                INVALID,
            ),
            (origin("example.*"), INVALID),
            (origin("test.*.example.org"), INVALID),
            (origin("exa*mple.org"), INVALID),
            (origin("https://example.org/path"), INVALID),
            (origin("https://example.org:port"), INVALID),
            (
                with_cors(json!({ "AccessControlAllowOrigins": list(&[]) })),
                INVALID,
            ),
            (
                with_cors(json!({ "AccessControlAllowOrigins": list(&["*", "*"]) })),
                INVALID,
            ),
            (
                with_cors(json!({ "AccessControlAllowHeaders": list(&["a b"]) })),
                INVALID,
            ),
            (with_cors(json!({ "AccessControlMaxAgeSec": -1 })), INVALID),
            (
                with_cors(json!({
                    "AccessControlAllowMethods": { "Quantity": 1, "Items": ["GET", "PUT"] },
                })),
                "InconsistentQuantities",
            ),
            (csp(&"c".repeat(1_784)), "TooLongCSPInResponseHeadersPolicy"),
            (csp("a\nb"), INVALID),
            (
                security(json!({ "StrictTransportSecurity": hsts })),
                INVALID,
            ),
            (
                xss(json!({ "ModeBlock": true, "ReportUri": "https://r.example" })),
                INVALID,
            ),
            (
                xss(json!({ "Protection": false, "ModeBlock": true })),
                INVALID,
            ),
            (timing(100.1), INVALID),
            (timing(0.00001), INVALID),
            (
                customs(&pairs),
                "TooManyCustomHeadersInResponseHeadersPolicy",
            ),
            (customs(&[("X-A", "1"), ("x-a", "2")]), INVALID),
            (customs(&[("no name", "")]), INVALID),
            (customs(&[("X-A", "a\rb")]), INVALID),
            (customs(&[("Content-Length", "1")]), INVALID),
            (customs(&[("x-amz-cf-id", "1")]), INVALID),
            (customs(&[("X-Frame-Options", "DENY")]), INVALID),
            (cors_twice, INVALID),
            (
                removed(&names),
                "TooManyRemoveHeadersInResponseHeadersPolicy",
            ),
            (removed(&["Transfer-Encoding"]), INVALID),
            (removed(&["X-Edge-Anything"]), INVALID),
            (removed(&["X-A", "X-A"]), INVALID),
        ],
    )
    .await;
    let world = World::new();
    let origins = [
        "http://www.example.com",
        "*.example.org",
        "http://example.org:1*3",
        "[::1]:80",
    ];
    let config = with_cors(json!({ "AccessControlAllowOrigins": list(&origins) }));
    let input = json!({ "ResponseHeadersPolicyConfig": config });
    conforming(&world, "CreateResponseHeadersPolicy", input).await;
}

#[tokio::test]
async fn policies_stay_while_a_distribution_names_them() {
    let world = World::new();
    let mut config = crate::world::distribution("reference");
    let mut made = Vec::new();
    for family in ALL {
        let output = family.make(&world, 1, "").await;
        let member = format!("{}Id", family.members[1]);
        config["DefaultCacheBehavior"][member] = json!(family.id(&output));
        made.push(output);
    }
    let input = json!({ "DistributionConfig": config });
    let distribution = world.ok("CreateDistribution", input).await;
    for (family, output) in ALL.into_iter().zip(&made) {
        let input = json!({ "Id": family.id(output), "IfMatch": output["ETag"] });
        let want = (409, family.codes[2]);
        refused(&world, family.operations[4], input, want).await;
    }
    let mut config = distribution["Distribution"]["DistributionConfig"].clone();
    for family in ALL {
        let member = format!("{}Id", family.members[1]);
        config["DefaultCacheBehavior"][member] = json!(null);
    }
    config["DefaultCacheBehavior"]["CachePolicyId"] = json!("658327ea-f89d-4fab-a63d-7e88639e58f6");
    let input = json!({
        "Id": distribution["Distribution"]["Id"],
        "IfMatch": distribution["ETag"],
        "DistributionConfig": config,
    });
    world.ok("UpdateDistribution", input).await;
    for (family, output) in ALL.into_iter().zip(&made) {
        let input = json!({ "Id": family.id(output), "IfMatch": output["ETag"] });
        conforming(&world, family.operations[4], input).await;
    }
}
