//! Configs that CloudFront refuses, each with its error; nothing changes in the store.

use serde_json::{Value, json};

use crate::distributions::made;
use crate::stored::refused;
use crate::world::{World, distribution};

/// Sets a member by its path: `Origins.Items.0.OriginPath`. A null removes it.
fn set(config: &mut Value, path: &str, value: Value) {
    let (parents, member) = path.rsplit_once('.').unwrap_or(("", path));
    let mut place = config;
    for step in parents.split('.').filter(|step| !step.is_empty()) {
        place = match step.parse::<usize>() {
            Ok(index) => &mut place[index],
            Err(_) => &mut place[step],
        };
    }
    match value {
        Value::Null => {
            place.as_object_mut().unwrap().remove(member);
        }
        value => place[member] = value,
    }
}

fn list(items: Vec<Value>) -> Value {
    json!({ "Quantity": items.len(), "Items": items })
}

fn repeated(count: usize, item: impl Fn(usize) -> Value) -> Value {
    list((0..count).map(item).collect())
}

fn behavior(pattern: &str) -> Value {
    let mut behavior = distribution("")["DefaultCacheBehavior"].clone();
    behavior["PathPattern"] = pattern.into();
    behavior
}

fn origin(id: &str) -> Value {
    let mut origin = distribution("")["Origins"]["Items"][0].clone();
    origin["Id"] = id.into();
    origin
}

/// The default behavior in the legacy style, with a member set.
fn legacy(member: &str, value: Value) -> Value {
    let mut behavior = distribution("")["DefaultCacheBehavior"].clone();
    set(&mut behavior, "CachePolicyId", Value::Null);
    behavior["ForwardedValues"] = json!({ "QueryString": false, "Cookies": { "Forward": "none" } });
    set(&mut behavior, member, value);
    behavior
}

/// Every config of the table is refused with the code beside it: on creation, and on an update.
async fn all_refused(table: Vec<(&str, Value, u16, &str)>) {
    let world = World::new();
    let id = made(&world, "r", |_| ()).await;
    let got = world.ok("GetDistributionConfig", json!({ "Id": id })).await;
    for (path, value, status, code) in table {
        let mut config = distribution("new");
        set(&mut config, path, value.clone());
        let input = json!({ "DistributionConfig": config });
        assert_refused(
            &world,
            "CreateDistribution",
            input,
            status,
            code,
            path,
            &value,
        )
        .await;
        let mut config = got["DistributionConfig"].clone();
        set(&mut config, path, value.clone());
        let input = json!({ "Id": id, "IfMatch": got["ETag"], "DistributionConfig": config });
        assert_refused(
            &world,
            "UpdateDistribution",
            input,
            status,
            code,
            path,
            &value,
        )
        .await;
    }
}

async fn assert_refused(
    world: &World,
    operation: &str,
    input: Value,
    status: u16,
    code: &str,
    path: &str,
    value: &Value,
) {
    let before = crate::stored::documents(world).await;
    let error = match world.call(operation, input).await {
        Ok(_) => panic!("{operation} succeeds with {path} {value}"),
        Err(error) => error,
    };
    let is = (error.status, error.code.as_ref());
    assert_eq!(
        is,
        (status, code),
        "{operation} {path} {value}: {}",
        error.message
    );
    assert_eq!(
        crate::stored::documents(world).await,
        before,
        "{path} {value}"
    );
}

/// The config with a member set is accepted.
async fn all_accepted(table: Vec<(&str, Value)>) {
    let world = World::new();
    for (index, (path, value)) in table.into_iter().enumerate() {
        let mut config = distribution(&index.to_string());
        set(&mut config, path, value.clone());
        let input = json!({ "DistributionConfig": config });
        if let Err(error) = world.call("CreateDistribution", input).await {
            panic!("{path} {value}: {} {}", error.code, error.message);
        }
    }
}

#[tokio::test]
async fn more_than_a_quota_is_too_many() {
    let cname = |n| json!(format!("a{n}.example.com"));
    let lambda = |n| {
        json!({
            "LambdaFunctionARN": format!("arn:aws:lambda:us-east-1:123456789012:function:f:{n}"),
            "EventType": "viewer-request",
        })
    };
    let function = |n| {
        json!({
            "FunctionARN": format!("arn:aws:cloudfront::123456789012:function/f{n}"),
            "EventType": "viewer-request",
        })
    };
    let group = |n: usize| {
        json!({
            "Id": format!("g{n}"),
            "FailoverCriteria": { "StatusCodes": list(vec![json!(500)]) },
            "Members": list(vec![json!({ "OriginId": "o" }), json!({ "OriginId": "p" })]),
        })
    };
    let header = |n| json!({ "HeaderName": format!("x-{n}"), "HeaderValue": "v" });
    let trusted = |items: Value| json!({ "Enabled": true, "Quantity": items["Quantity"], "Items": items["Items"] });
    let name = |n| json!(format!("n{n}"));
    let whitelist = json!({ "Forward": "whitelist", "WhitelistedNames": repeated(11, name) });
    let mut queries = legacy("ForwardedValues.QueryStringCacheKeys", repeated(11, name));
    queries["ForwardedValues"]["QueryString"] = true.into();
    #[rustfmt::skip]
    all_refused(vec![
        ("Aliases", repeated(101, cname), 400, "TooManyDistributionCNAMEs"),
        ("Origins", repeated(101, |n| origin(&format!("o{n}"))), 400, "TooManyOrigins"),
        ("OriginGroups", repeated(11, group), 400, "TooManyOriginGroupsPerDistribution"),
        ("CacheBehaviors", repeated(76, |n| behavior(&format!("/{n}"))), 400,
            "TooManyCacheBehaviors"),
        ("Origins.Items.0.CustomHeaders", repeated(31, header), 400, "TooManyOriginCustomHeaders"),
        ("DefaultCacheBehavior.LambdaFunctionAssociations", repeated(5, lambda), 400,
            "TooManyLambdaFunctionAssociations"),
        ("DefaultCacheBehavior.FunctionAssociations", repeated(3, function), 400,
            "TooManyFunctionAssociations"),
        ("DefaultCacheBehavior.TrustedKeyGroups", trusted(repeated(5, name)), 400,
            "TooManyKeyGroupsAssociatedToDistribution"),
        ("DefaultCacheBehavior.TrustedSigners", trusted(repeated(6, |_| json!("self"))), 400,
            "TooManyTrustedSigners"),
        ("DefaultCacheBehavior", legacy("ForwardedValues.Headers", repeated(11, name)), 400,
            "TooManyHeadersInForwardedValues"),
        ("DefaultCacheBehavior", legacy("ForwardedValues.Cookies", whitelist), 400,
            "TooManyCookieNamesInWhiteList"),
        ("DefaultCacheBehavior", queries, 400, "TooManyQueryStringParameters"),
    ])
    .await;
}

#[tokio::test]
async fn a_quantity_is_the_number_of_items() {
    let off_by_one = |mut list: Value| {
        list["Quantity"] = (list["Quantity"].as_i64().unwrap() + 1).into();
        list
    };
    let methods = json!({ "Quantity": 3, "Items": ["GET", "HEAD"] });
    #[rustfmt::skip]
    all_refused(vec![
        ("Aliases", off_by_one(list(vec!["a.example.com".into()])), 400, "InconsistentQuantities"),
        ("Aliases", json!({ "Quantity": 1 }), 400, "InconsistentQuantities"),
        ("Origins", off_by_one(list(vec![origin("o")])), 400, "InconsistentQuantities"),
        ("CacheBehaviors", off_by_one(list(vec![])), 400, "InconsistentQuantities"),
        ("DefaultCacheBehavior.AllowedMethods", methods, 400, "InconsistentQuantities"),
    ])
    .await;
}

#[tokio::test]
async fn origins_keep_to_their_rules() {
    let at = "Origins.Items.0";
    let custom = |member: &str, value: Value| {
        let mut origin = origin("o");
        origin["CustomOriginConfig"][member] = value;
        list(vec![origin])
    };
    let s3 = |domain: &str, identity: &str| {
        json!({
            "Id": "o", "DomainName": domain,
            "S3OriginConfig": { "OriginAccessIdentity": identity },
        })
    };
    let header = |name: &str| list(vec![json!({ "HeaderName": name, "HeaderValue": "v" })]);
    let mut both = s3("b.s3.amazonaws.com", "origin-access-identity/cloudfront/E1");
    both["OriginAccessControlId"] = "E2".into();
    let mut website = origin("o");
    website["DomainName"] = "b.s3-website-us-east-1.amazonaws.com".into();
    website["CustomOriginConfig"]["OriginProtocolPolicy"] = "https-only".into();
    let origins = |origin: Value| list(vec![origin]);
    let mut table = vec![
        (
            format!("{at}.CustomOriginConfig"),
            Value::Null,
            400,
            "InvalidOrigin",
        ),
        (
            format!("{at}.S3OriginConfig"),
            json!({ "OriginAccessIdentity": "" }),
            400,
            "InvalidOrigin",
        ),
        (
            format!("{at}.OriginPath"),
            "no-slash".into(),
            400,
            "InvalidRelativePath",
        ),
        (
            format!("{at}.OriginPath"),
            "/slash/".into(),
            400,
            "InvalidRelativePath",
        ),
        (
            format!("{at}.ConnectionAttempts"),
            4.into(),
            400,
            "InvalidArgument",
        ),
        (
            format!("{at}.ConnectionTimeout"),
            0.into(),
            400,
            "InvalidArgument",
        ),
        (
            format!("{at}.ResponseCompletionTimeout"),
            29.into(),
            400,
            "InvalidArgument",
        ),
        (
            format!("{at}.OriginShield"),
            json!({ "Enabled": true }),
            400,
            "InvalidArgument",
        ),
        (
            format!("{at}.OriginAccessControlId"),
            "E404".into(),
            400,
            "InvalidOriginAccessControl",
        ),
        (
            "Origins".into(),
            custom("HTTPPort", 81.into()),
            400,
            "InvalidArgument",
        ),
        (
            "Origins".into(),
            custom("OriginReadTimeout", 121.into()),
            400,
            "InvalidOriginReadTimeout",
        ),
        (
            "Origins".into(),
            custom("OriginKeepaliveTimeout", 0.into()),
            400,
            "InvalidOriginKeepaliveTimeout",
        ),
        (
            "Origins".into(),
            origins(website),
            400,
            "InvalidRequiredProtocol",
        ),
        (
            "Origins".into(),
            origins(both),
            400,
            "IllegalOriginAccessConfiguration",
        ),
        (
            "Origins".into(),
            origins(s3("b.s3.amazonaws.com", "E1")),
            400,
            "InvalidOriginAccessIdentity",
        ),
        (
            "Origins".into(),
            origins(s3(
                "b.s3.amazonaws.com",
                "origin-access-identity/cloudfront/E404",
            )),
            400,
            "InvalidOriginAccessIdentity",
        ),
        (
            "Origins".into(),
            origins(s3("b.s3-website-us-east-1.amazonaws.com", "")),
            400,
            "InvalidOrigin",
        ),
        (
            "Origins".into(),
            origins(s3("not a bucket", "")),
            400,
            "InvalidOrigin",
        ),
        (
            "Origins".into(),
            list(vec![origin("o"), origin("o")]),
            400,
            "InvalidArgument",
        ),
        (
            "Origins".into(),
            origins(json!({
                "Id": "o", "DomainName": "x.internal",
                "VpcOriginConfig": { "VpcOriginId": "vo_404" },
            })),
            404,
            "EntityNotFound",
        ),
    ];
    for name in ["Host", "x-amz-x", "X-Edge-Y", "Cookie", "via", "a b", ""] {
        table.push((
            format!("{at}.CustomHeaders"),
            header(name),
            400,
            "InvalidArgument",
        ));
    }
    for domain in ["", "http://a.example.com", "a.example.com:80", "a/b"] {
        table.push((
            format!("{at}.DomainName"),
            domain.into(),
            400,
            "InvalidArgument",
        ));
    }
    let table = table
        .iter()
        .map(|(path, value, status, code)| (path.as_str(), value.clone(), *status, *code));
    all_refused(table.collect()).await;
    all_accepted(vec![
        ("Origins.Items.0.DomainName", "localhost".into()),
        ("Origins.Items.0.DomainName", "127.0.0.1".into()),
        ("Origins.Items.0.DomainName", "[::1]".into()),
        ("Origins.Items.0.OriginPath", "/a/b".into()),
        ("Origins.Items.0.CustomHeaders", header("Authorization")),
        ("Origins", origins(s3("b.s3.eu-west-1.amazonaws.com", ""))),
        ("Origins", origins(s3("minio.internal", ""))),
    ])
    .await;
}

#[tokio::test]
async fn an_origin_access_control_fits_its_origin() {
    let world = World::new();
    let input = json!({ "OriginAccessControlConfig": {
        "Name": "c", "SigningProtocol": "sigv4", "SigningBehavior": "always",
        "OriginAccessControlOriginType": "s3",
    }});
    let output = world.ok("CreateOriginAccessControl", input).await;
    let id = output["OriginAccessControl"]["Id"].clone();
    let with = |domain: &str| {
        let mut config = distribution(domain);
        config["Origins"] = list(vec![json!({
            "Id": "o", "DomainName": domain, "OriginAccessControlId": id,
            "CustomOriginConfig": {
                "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "https-only",
            },
        })]);
        json!({ "DistributionConfig": config })
    };
    world
        .ok("CreateDistribution", with("b.s3.us-east-1.amazonaws.com"))
        .await;
    let input = with("x.lambda-url.us-east-1.on.aws");
    let error = (400, "InvalidDomainNameForOriginAccessControl");
    refused(&world, "CreateDistribution", input, error).await;
}

#[tokio::test]
async fn origin_groups_are_pairs() {
    let group = |members: &[&str], statuses: &[i32]| {
        let members = members.iter().map(|id| json!({ "OriginId": id })).collect();
        let statuses = statuses.iter().map(|status| json!(status)).collect();
        list(vec![json!({
            "Id": "g", "Members": list(members),
            "FailoverCriteria": { "StatusCodes": list(statuses) },
        })])
    };
    all_refused(vec![
        (
            "OriginGroups",
            group(&["o"], &[500]),
            400,
            "InvalidArgument",
        ),
        (
            "OriginGroups",
            group(&["o", "o"], &[500]),
            400,
            "InvalidArgument",
        ),
        (
            "OriginGroups",
            group(&["o", "p"], &[500]),
            404,
            "NoSuchOrigin",
        ),
    ])
    .await;
    let with = |groups: Value| {
        let mut config = distribution("r");
        config["Origins"] = list(vec![origin("o"), origin("p")]);
        config["OriginGroups"] = groups;
        config["DefaultCacheBehavior"]["TargetOriginId"] = "g".into();
        json!({ "DistributionConfig": config })
    };
    let world = World::new();
    let bad = with(group(&["o", "p"], &[200]));
    refused(&world, "CreateDistribution", bad, (400, "InvalidArgument")).await;
    world
        .ok("CreateDistribution", with(group(&["o", "p"], &[500, 404])))
        .await;
}

#[tokio::test]
async fn behaviors_keep_to_their_rules() {
    let one = |member: &str, value: Value| {
        let mut behavior = behavior("/x");
        set(&mut behavior, member, value);
        list(vec![behavior])
    };
    let methods = |names: &[&str]| json!({ "Quantity": names.len(), "Items": names });
    let mut cached = methods(&["GET", "HEAD"]);
    cached["CachedMethods"] = methods(&["GET", "HEAD", "OPTIONS"]);
    let forwarded = json!({ "QueryString": false, "Cookies": { "Forward": "none" } });
    let key_groups = json!({ "Enabled": true, "Quantity": 1, "Items": ["404"] });
    let signers = |account: &str| json!({ "Enabled": true, "Quantity": 1, "Items": [account] });
    let twice = list(vec![behavior("/a"), behavior("a")]);
    let log = |account: &str| {
        json!(format!(
            "arn:aws:cloudfront::{account}:realtime-log-config/404"
        ))
    };
    #[rustfmt::skip]
    all_refused(vec![
        ("CacheBehaviors", list(vec![behavior("")]), 400, "InvalidArgument"),
        ("CacheBehaviors", list(vec![behavior("/a b")]), 400, "InvalidArgument"),
        ("CacheBehaviors", list(vec![behavior(&"a".repeat(256))]), 400, "InvalidArgument"),
        ("CacheBehaviors", twice, 400, "InvalidArgument"),
        ("CacheBehaviors", one("TargetOriginId", "404".into()), 404, "NoSuchOrigin"),
        ("DefaultCacheBehavior.TargetOriginId", "404".into(), 404, "NoSuchOrigin"),
        ("CacheBehaviors", one("AllowedMethods", methods(&["GET"])), 400, "InvalidArgument"),
        ("CacheBehaviors", one("AllowedMethods", methods(&["GET", "HEAD", "PUT"])), 400,
            "InvalidArgument"),
        ("CacheBehaviors", one("AllowedMethods", cached), 400, "InvalidArgument"),
        ("CacheBehaviors", one("CachePolicyId", Value::Null), 400, "InvalidArgument"),
        ("CacheBehaviors", one("ForwardedValues", forwarded), 400, "InvalidArgument"),
        ("CacheBehaviors", one("MinTTL", 5.into()), 400, "InvalidArgument"),
        ("CacheBehaviors", one("CachePolicyId", "404".into()), 404, "NoSuchCachePolicy"),
        ("CacheBehaviors", one("OriginRequestPolicyId", "404".into()), 404,
            "NoSuchOriginRequestPolicy"),
        ("CacheBehaviors", one("ResponseHeadersPolicyId", "404".into()), 404,
            "NoSuchResponseHeadersPolicy"),
        ("CacheBehaviors", one("TrustedKeyGroups", key_groups), 400,
            "TrustedKeyGroupDoesNotExist"),
        ("CacheBehaviors", one("TrustedSigners", signers("me")), 400,
            "TrustedSignerDoesNotExist"),
        ("CacheBehaviors", one("TrustedSigners", json!({ "Enabled": true, "Quantity": 0 })), 400,
            "InvalidArgument"),
        ("CacheBehaviors", one("FieldLevelEncryptionId", "404".into()), 400,
            "IllegalFieldLevelEncryptionConfigAssociationWithCacheBehavior"),
        ("CacheBehaviors", one("RealtimeLogConfigArn", "x".into()), 400, "InvalidArgument"),
        ("CacheBehaviors", one("RealtimeLogConfigArn", log("123456789012")), 404,
            "NoSuchRealtimeLogConfig"),
        ("CacheBehaviors", one("RealtimeLogConfigArn", log("111111111111")), 401,
            "RealtimeLogConfigOwnerMismatch"),
        ("CacheBehaviors", one("GrpcConfig", json!({ "Enabled": true })), 400, "InvalidArgument"),
    ])
    .await;
}

#[tokio::test]
async fn functions_keep_to_their_events() {
    let at = "DefaultCacheBehavior.FunctionAssociations";
    let lambdas = "DefaultCacheBehavior.LambdaFunctionAssociations";
    let function = |event: &str| {
        json!({
            "FunctionARN": "arn:aws:cloudfront::123456789012:function/404", "EventType": event,
        })
    };
    let lambda = |version: &str, event: &str, body: bool| {
        json!({
            "LambdaFunctionARN": format!("arn:aws:lambda:us-east-1:123456789012:function:f{version}"),
            "EventType": event, "IncludeBody": body,
        })
    };
    let foreign = json!({
        "FunctionARN": "arn:aws:cloudfront::111111111111:function/f", "EventType": "viewer-request",
    });
    let bad = "InvalidFunctionAssociation";
    let bad_lambda = "InvalidLambdaFunctionAssociation";
    let two = |one: Value| list(vec![one.clone(), one]);
    all_refused(vec![
        (at, list(vec![function("origin-request")]), 400, bad),
        (at, list(vec![function("viewer-request")]), 400, bad),
        (at, two(function("viewer-request")), 400, bad),
        (at, list(vec![foreign]), 400, bad),
        (
            lambdas,
            list(vec![lambda("", "viewer-request", false)]),
            400,
            bad_lambda,
        ),
        (
            lambdas,
            list(vec![lambda(":$LATEST", "viewer-request", false)]),
            400,
            bad_lambda,
        ),
        (
            lambdas,
            list(vec![lambda(":1", "viewer-response", true)]),
            400,
            bad_lambda,
        ),
        (
            lambdas,
            two(lambda(":1", "viewer-request", false)),
            400,
            bad_lambda,
        ),
    ])
    .await;
    all_accepted(vec![(
        lambdas,
        list(vec![lambda(":1", "origin-request", true)]),
    )])
    .await;
}

#[tokio::test]
async fn the_legacy_style_keeps_to_its_rules() {
    let at = "DefaultCacheBehavior";
    let cookies = |forward: &str, names: &[&str]| {
        let names = names.iter().map(|name| json!(name)).collect();
        let value = json!({ "Forward": forward, "WhitelistedNames": list(names) });
        legacy("ForwardedValues.Cookies", value)
    };
    let headers = |names: &[&str]| {
        legacy(
            "ForwardedValues.Headers",
            list(names.iter().map(|name| json!(name)).collect()),
        )
    };
    let mut all = headers(&["*"]);
    all["MinTTL"] = 1.into();
    let keys = list(vec!["a".into()]);
    let mut short = legacy("MinTTL", 9.into());
    short["MaxTTL"] = 5.into();
    #[rustfmt::skip]
    all_refused(vec![
        (at, short, 400, "InvalidTTLOrder"),
        (at, legacy("MaxTTL", (-1).into()), 400, "InvalidTTLOrder"),
        (at, legacy("MinTTL", (-1).into()), 400, "InvalidArgument"),
        (at, cookies("whitelist", &[]), 400, "InvalidForwardCookies"),
        (at, cookies("none", &["a"]), 400, "InvalidForwardCookies"),
        (at, cookies("whitelist", &["a b"]), 400, "InvalidForwardCookies"),
        (at, headers(&["*", "Accept"]), 400, "InvalidArgument"),
        (at, all, 400, "InvalidArgument"),
        (at, legacy("ForwardedValues.QueryStringCacheKeys", keys), 400,
            "InvalidQueryStringParameters"),
        (at, legacy("OriginRequestPolicyId", "216adef6-5c7f-47e4-b989-5492eafa07d3".into()), 400,
            "InvalidArgument"),
    ])
    .await;
    let mut config = distribution("r");
    config["Origins"] = list(vec![json!({
        "Id": "o", "DomainName": "b.s3.amazonaws.com",
        "S3OriginConfig": { "OriginAccessIdentity": "" },
    })]);
    config["DefaultCacheBehavior"] = headers(&["Host"]);
    let input = json!({ "DistributionConfig": config });
    let error = (400, "InvalidHeadersForS3Origin");
    refused(&World::new(), "CreateDistribution", input, error).await;
    all_accepted(vec![
        (at, headers(&["*"])),
        (at, cookies("whitelist", &["session*", "a?"])),
        (at, legacy("MaxTTL", 60.into())),
    ])
    .await;
}

#[tokio::test]
async fn error_responses_keep_to_their_rules() {
    let response = |code: i32, path: &str, response: &str| json!({ "ErrorCode": code, "ResponsePagePath": path, "ResponseCode": response });
    let one = |response: Value| list(vec![response]);
    let at = "CustomErrorResponses";
    let twice = list(vec![response(404, "", ""), response(404, "", "")]);
    all_refused(vec![
        (at, one(response(418, "/x", "200")), 400, "InvalidErrorCode"),
        (
            at,
            one(response(404, "/x", "301")),
            400,
            "InvalidResponseCode",
        ),
        (
            at,
            one(response(404, "x", "200")),
            400,
            "InvalidRelativePath",
        ),
        (at, one(response(404, "/x", "")), 400, "InvalidArgument"),
        (at, twice, 400, "InvalidArgument"),
    ])
    .await;
    all_accepted(vec![
        (
            at,
            one(json!({ "ErrorCode": 404, "ErrorCachingMinTTL": 0 })),
        ),
        (at, one(response(403, "/index.html", "200"))),
    ])
    .await;
}

#[tokio::test]
async fn what_viewers_meet_keeps_to_its_rules() {
    let geo = |kind: &str, codes: &[&str]| {
        json!({ "GeoRestriction": {
            "RestrictionType": kind, "Quantity": codes.len(), "Items": codes,
        }})
    };
    let arn = "arn:aws:acm:us-east-1:123456789012:certificate/abc";
    let acm = |arn: &str, method: &str, version: &str| {
        json!({
            "ACMCertificateArn": arn, "SSLSupportMethod": method,
            "MinimumProtocolVersion": version,
        })
    };
    let two = json!({
        "ACMCertificateArn": arn, "IAMCertificateId": "ASCA1", "SSLSupportMethod": "sni-only",
    });
    let elsewhere = arn.replace("us-east-1", "eu-west-1");
    let alias = |name: &str| list(vec![name.into()]);
    let certificate = "ViewerCertificate";
    let mtls = json!({ "Mode": "required" });
    #[rustfmt::skip]
    all_refused(vec![
        ("Aliases", alias("a.*.example.com"), 400, "InvalidArgument"),
        ("Aliases", alias("WWW.example.com"), 400, "InvalidArgument"),
        ("Aliases", alias("d0123456789abc.cdn.localhost"), 400, "InvalidArgument"),
        ("Aliases", list(vec!["a.example.com".into(), "a.example.com".into()]), 400,
            "InvalidArgument"),
        ("DefaultRootObject", "/index.html".into(), 400, "InvalidDefaultRootObject"),
        ("DefaultRootObject", "a b".into(), 400, "InvalidDefaultRootObject"),
        ("Comment", "c".repeat(129).into(), 400, "InvalidArgument"),
        ("Restrictions", geo("whitelist", &[]), 400, "InvalidGeoRestrictionParameter"),
        ("Restrictions", geo("none", &["DE"]), 400, "InvalidGeoRestrictionParameter"),
        ("Restrictions", geo("whitelist", &["XX"]), 400, "InvalidLocationCode"),
        ("Restrictions", geo("blacklist", &["de"]), 400, "InvalidLocationCode"),
        ("WebACLId", "nonsense".into(), 400, "InvalidWebACLId"),
        (certificate, acm(&elsewhere, "sni-only", "TLSv1.2_2021"), 400,
            "InvalidViewerCertificate"),
        (certificate, two, 400, "InvalidViewerCertificate"),
        (certificate, acm(arn, "sni-only", "SSLv3"), 400, "InvalidProtocolSettings"),
        (certificate, acm(arn, "vip", "TLSv1.2_2021"), 400, "InvalidArgument"),
        (certificate, acm(arn, "static-ip", "TLSv1.2_2021"), 400, "InvalidArgument"),
        (certificate, acm(arn, "sni-only", "TLSv1"), 400, "InvalidMinimumProtocolVersion"),
        (certificate, acm(arn, "sni-only", "TLSv1_2016"), 400, "InvalidMinimumProtocolVersion"),
        (certificate, acm(arn, "sni-only", "TLSv1.1_2016"), 400, "InvalidMinimumProtocolVersion"),
        (certificate, acm(arn, "sni-only", "TLSv1.2_2021"), 400, "InvalidViewerCertificate"),
        (certificate, json!({ "IAMCertificateId": "ASCA1", "SSLSupportMethod": "sni-only" }), 400,
            "InvalidViewerCertificate"),
        ("ViewerMtlsConfig", mtls, 400, "InvalidArgument"),
        ("CacheTagConfig", json!({ "HeaderName": "a b" }), 400, "InvalidArgument"),
        ("AnycastIpListId", "aip_404".into(), 404, "EntityNotFound"),
        ("Logging", json!({
            "Enabled": true, "IncludeCookies": false, "Bucket": "here", "Prefix": "",
        }), 400, "InvalidArgument"),
    ])
    .await;
    all_accepted(vec![
        ("Aliases", alias("*.example.com")),
        ("Restrictions", geo("blacklist", &["DE", "KR"])),
        ("WebACLId", "473e64fd-f30b-4765-81a0-62ad96dd167a".into()),
        ("DefaultRootObject", "dir/index.html".into()),
    ])
    .await;
}

#[tokio::test]
async fn templates_go_without_what_tenants_bring() {
    let template = |member: &str, value: Value| {
        let mut config = distribution(member);
        config["ConnectionMode"] = "tenant-only".into();
        config["TenantConfig"] = json!({ "ParameterDefinitions": [{
            "Name": "zone", "Definition": { "StringSchema": { "Required": true } },
        }]});
        set(&mut config, member, value);
        json!({ "DistributionConfig": config })
    };
    let world = World::new();
    let error = (400, "InvalidArgument");
    let domain = "Origins.Items.0.DomainName";
    for (member, value) in [
        ("Aliases", list(vec!["a.example.com".into()])),
        ("DefaultCacheBehavior", legacy("MinTTL", 0.into())),
        (domain, "{{unknown}}.example.com".into()),
        ("ConnectionMode", "direct".into()),
    ] {
        refused(&world, "CreateDistribution", template(member, value), error).await;
    }
    let good = template(domain, "{{zone}}.example.com".into());
    world.ok("CreateDistribution", good).await;
}
