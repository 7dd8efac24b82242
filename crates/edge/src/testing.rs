//! Sites for tests, from the JSON that operators write.

use serde_json::{Value, json};

use crate::site::{Policies, Site, compile};

/// The JSON of a distribution with one origin, everything by managed policies.
pub(crate) fn distribution(aliases: &[&str]) -> Value {
    json!({
        "CallerReference": "test",
        "Comment": "",
        "Enabled": true,
        "Aliases": { "Quantity": aliases.len(), "Items": aliases },
        "Origins": { "Quantity": 1, "Items": [{
            "Id": "main",
            "DomainName": "origin.test",
            "CustomOriginConfig": {
                "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only",
            },
        }]},
        "DefaultCacheBehavior": {
            "TargetOriginId": "main",
            "ViewerProtocolPolicy": "allow-all",
            "Compress": true,
            "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
        },
    })
}

/// The site of that JSON.
pub(crate) fn site_of(id: &str, config: &Value) -> Site {
    let config = shapes::from_value(config).expect("the test's distribution is well-formed");
    let domain = format!("d{}.test", id.to_lowercase());
    compile(id, &domain, &config, &Policies::managed()).expect("the test's distribution compiles")
}

/// A site that is known by these names.
pub(crate) fn site_with_aliases(id: &str, aliases: &[&str]) -> Site {
    site_of(id, &distribution(aliases))
}
