//! Origin request policies (spec §3.4).

use documents::{keys, managed};
use shapes::cloudfront::{
    OriginRequestPolicyConfig, OriginRequestPolicyCookieBehavior as Cookies,
    OriginRequestPolicyHeaderBehavior as Headers,
    OriginRequestPolicyQueryStringBehavior as Queries, error,
};

use super::family::{self, Claim, Family, User, invalid, named_by_behaviors};
use super::name_lists::{self, NameList, is_hop_by_hop};
use crate::error::Failure;
use crate::ids::IdForm;
use crate::resource::Kind;
use crate::service::{Entry, served};

pub(super) const KIND: Kind = Kind {
    noun: "origin request policy",
    collection: keys::ORIGIN_REQUEST_POLICY,
    id: IdForm::Uuid,
    cfn_type: "AWS::CloudFront::OriginRequestPolicy",
    missing: &error::NO_SUCH_ORIGIN_REQUEST_POLICY,
};

static FAMILY: Family<OriginRequestPolicyConfig> = Family {
    kind: &KIND,
    claims: &[Claim {
        kind: "name/origin-request-policy",
        member: "Name",
        what: |config| &config.name,
    }],
    taken: &error::ORIGIN_REQUEST_POLICY_ALREADY_EXISTS,
    is_repeatable: false,
    quota: (20, &error::TOO_MANY_ORIGIN_REQUEST_POLICIES),
    check,
    check_change: family::all_may_change,
    needs: family::nothing_needed,
    users: &[User {
        collection: keys::DISTRIBUTION,
        noun: "distribution",
        names: |config| named_by_behaviors(config, "OriginRequestPolicyId"),
    }],
    in_use: &error::ORIGIN_REQUEST_POLICY_IN_USE,
    facts: family::no_facts,
    managed: || managed::origin_request().collect(),
};

pub(super) const OPERATIONS: &[Entry] = &[
    served("CreateOriginRequestPolicy", |call| {
        Box::pin(FAMILY.create(call))
    }),
    served("GetOriginRequestPolicy", |call| Box::pin(FAMILY.get(call))),
    served("GetOriginRequestPolicyConfig", |call| {
        Box::pin(FAMILY.get(call))
    }),
    served("UpdateOriginRequestPolicy", |call| {
        Box::pin(FAMILY.update(call))
    }),
    served("DeleteOriginRequestPolicy", |call| {
        Box::pin(FAMILY.delete(call))
    }),
    served("ListOriginRequestPolicies", |call| {
        Box::pin(FAMILY.list(call))
    }),
];

/// Refuses all that edges refuse, and more.
fn check(config: &OriginRequestPolicyConfig) -> Result<(), Failure> {
    name_lists::check_policy(&config.name, config.comment.as_deref())?;
    let lists = lists(config);
    name_lists::check(&lists)?;
    // A list of what is not forwarded may name anything.
    if config.headers_config.header_behavior != Headers::Whitelist {
        return Ok(());
    }
    for (index, name) in lists[0].names.iter().enumerate() {
        let lower = name.to_ascii_lowercase();
        let is_refused = ["authorization", "accept-encoding", "cookie"].contains(&lower.as_str());
        if is_refused || is_hop_by_hop(&lower) {
            let path = format!("HeadersConfig.Headers.Items[{index}]");
            return Err(invalid(path, format!("{name} cannot be listed here")));
        }
    }
    Ok(())
}

fn lists(config: &OriginRequestPolicyConfig) -> [NameList<'_>; 3] {
    let headers = &config.headers_config;
    let cookies = &config.cookies_config;
    let queries = &config.query_strings_config;
    [
        NameList {
            path: "HeadersConfig.Headers".to_owned(),
            behavior: headers.header_behavior.as_str(),
            takes_list: matches!(
                headers.header_behavior,
                Headers::Whitelist | Headers::AllExcept | Headers::AllViewerAndWhitelistCloudFront
            ),
            names: headers.headers.as_ref().map_or(&[], |list| list.items()),
            of: name_lists::Of::Headers,
            too_many: &error::TOO_MANY_HEADERS_IN_ORIGIN_REQUEST_POLICY,
        },
        NameList {
            path: "CookiesConfig.Cookies".to_owned(),
            behavior: cookies.cookie_behavior.as_str(),
            takes_list: matches!(
                cookies.cookie_behavior,
                Cookies::Whitelist | Cookies::AllExcept
            ),
            names: cookies.cookies.as_ref().map_or(&[], |list| list.items()),
            of: name_lists::Of::Cookies,
            too_many: &error::TOO_MANY_COOKIES_IN_ORIGIN_REQUEST_POLICY,
        },
        NameList {
            path: "QueryStringsConfig.QueryStrings".to_owned(),
            behavior: queries.query_string_behavior.as_str(),
            takes_list: matches!(
                queries.query_string_behavior,
                Queries::Whitelist | Queries::AllExcept
            ),
            names: queries
                .query_strings
                .as_ref()
                .map_or(&[], |list| list.items()),
            of: name_lists::Of::QueryStrings,
            too_many: &error::TOO_MANY_QUERY_STRINGS_IN_ORIGIN_REQUEST_POLICY,
        },
    ]
}
