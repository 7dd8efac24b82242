//! Policies of access keys and of buckets: refused with a reason, or they decide about anything;
//! those of keys survive being stored.

#![no_main]

use iam::{Connection, Context, Policy, Principal, Request, ResourcePolicy, Scope, decide};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut context = Context::new(&Connection {
        now_ms: 1_795_262_400_000,
        source: Some([192, 0, 2, 7].into()),
        is_tls: true,
        account_id: "123456789012",
    });
    let distribution = "arn:aws:cloudfront::123456789012:distribution/E1";
    context.set("aws:SourceArn", distribution);
    context.set("s3:prefix", "é*");
    let of_key = Policy::parse(text);
    let of_bucket = ResourcePolicy::parse(text, &Scope::of_bucket("arn:aws:s3:::site"));
    if let Ok(policy) = &of_bucket {
        policy.is_public();
    }
    for error in [of_key.as_ref().err(), of_bucket.as_ref().err()]
        .into_iter()
        .flatten()
    {
        assert!(!error.to_string().is_empty());
    }
    let stored = of_key.as_ref().ok().map(|policy| {
        let stored = serde_json::to_string(policy).expect("policies are JSON");
        serde_json::from_str::<Policy>(&stored).expect("what was stored is read")
    });
    let user = Principal::User {
        account_id: "123456789012",
        user_name: "alice",
    };
    let service = Principal::Service {
        name: "cloudfront.amazonaws.com",
    };
    for (principal, action, resource) in [
        (user, "cloudfront:CreateInvalidation", distribution),
        (user, "warmfront:Rollback", "*"),
        (service, "s3:GetObject", "arn:aws:s3:::site/é"),
        (Principal::Anonymous, "s3:GetObject", "arn:aws:s3:::site/a"),
        (Principal::Anonymous, "", ""),
    ] {
        let request = Request {
            principal,
            action,
            resource,
            context: &context,
        };
        decide(of_key.as_ref().ok(), of_bucket.as_ref().ok(), &request);
        if let (Ok(policy), Some(stored)) = (&of_key, &stored) {
            assert_eq!(policy.decide(&request), stored.decide(&request));
        }
    }
});
