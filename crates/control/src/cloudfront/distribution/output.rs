//! Distributions as clients see them: what is stored, and what is known of it besides.

use std::collections::BTreeSet;

use documents::{Resource, keys};
use shapes::Timestamp;
use shapes::cloudfront::{self as cf, DistributionConfig};
use store::Revision;

use super::KIND;
use super::behavior;
use super::references::KEY_GROUP;
use crate::call::Call;
use crate::cloudfront::invalidation;
use crate::error::Failure;
use crate::nodes::Living;

/// A distribution that was put last at a revision.
pub async fn distribution(
    call: &Call<'_>,
    resource: Resource<DistributionConfig>,
    modified: Revision,
) -> Result<cf::Distribution, Failure> {
    let edges = Living::edges(call).await?;
    let in_progress = invalidation::in_progress(call, &resource.id, &edges).await?;
    Ok(cf::Distribution {
        arn: arn(call, &resource.id),
        status: edges.status(&KIND.key(&resource.id), modified).to_owned(),
        last_modified_time: Timestamp::from_unix_ms(resource.modified_ms as i64),
        in_progress_invalidation_batches: i32::try_from(in_progress.batches).unwrap_or(i32::MAX),
        active_trusted_signers: Some(active_signers(&resource.config)),
        active_trusted_key_groups: Some(active_key_groups(call, &resource.config).await?),
        alias_icp_recordals: recordals(&resource.config),
        domain_name: resource.domain.unwrap_or_default(),
        id: resource.id,
        distribution_config: resource.config,
    })
}

/// A distribution in a list.
pub fn summary(
    call: &Call<'_>,
    edges: &Living,
    resource: Resource<DistributionConfig>,
    modified: Revision,
) -> cf::DistributionSummary {
    let recordals = recordals(&resource.config);
    let Resource {
        id,
        etag,
        config,
        domain,
        modified_ms,
        ..
    } = resource;
    cf::DistributionSummary {
        arn: arn(call, &id),
        etag: Some(etag),
        status: edges.status(&KIND.key(&id), modified).to_owned(),
        last_modified_time: Timestamp::from_unix_ms(modified_ms as i64),
        domain_name: domain.unwrap_or_default(),
        aliases: config.aliases.unwrap_or_default(),
        origins: config.origins,
        origin_groups: config.origin_groups,
        default_cache_behavior: config.default_cache_behavior,
        cache_behaviors: config.cache_behaviors.unwrap_or_default(),
        custom_error_responses: config.custom_error_responses.unwrap_or_default(),
        comment: config.comment,
        price_class: config.price_class.unwrap_or(cf::PriceClass::PriceClassAll),
        enabled: config.enabled,
        viewer_certificate: config.viewer_certificate.unwrap_or_default(),
        restrictions: config.restrictions.unwrap_or(cf::Restrictions {
            geo_restriction: cf::GeoRestriction {
                restriction_type: cf::GeoRestrictionType::None,
                quantity: 0,
                items: None,
            },
        }),
        web_acl_id: config.web_acl_id.unwrap_or_default(),
        http_version: config.http_version.unwrap_or(cf::HttpVersion::Http2),
        is_ipv6_enabled: config.is_ipv6_enabled.unwrap_or(false),
        alias_icp_recordals: recordals,
        staging: config.staging.unwrap_or(false),
        connection_mode: config.connection_mode,
        anycast_ip_list_id: config.anycast_ip_list_id,
        viewer_mtls_config: config.viewer_mtls_config,
        connection_function_association: config.connection_function_association,
        id,
    }
}

/// The distribution's ARN.
pub fn arn(call: &Call<'_>, id: &str) -> String {
    call.control.arn(&format!("distribution/{id}"))
}

/// Outside China every alias is approved; without aliases there is nothing to say.
fn recordals(config: &DistributionConfig) -> Option<Vec<cf::AliasICPRecordal>> {
    let aliases = config
        .aliases
        .as_ref()
        .map(|list| list.items())
        .unwrap_or_default();
    let recordals = aliases.iter().map(|alias| cf::AliasICPRecordal {
        cname: Some(alias.clone()),
        icp_recordal_status: Some(cf::ICPRecordalStatus::Approved),
    });
    (!aliases.is_empty()).then(|| recordals.collect())
}

/// The accounts that are trusted. Their keys belong to accounts that are not here.
fn active_signers(config: &DistributionConfig) -> cf::ActiveTrustedSigners {
    let mut accounts = BTreeSet::new();
    for (_, behavior) in behavior::all(config) {
        let signers = behavior.trusted_signers.filter(|signers| signers.enabled);
        accounts.extend(
            signers
                .and_then(|signers| signers.items)
                .unwrap_or_default(),
        );
    }
    let items: Vec<_> = accounts
        .into_iter()
        .map(|account| cf::Signer {
            aws_account_number: Some(account),
            key_pair_ids: Some(cf::KeyPairIds::default()),
        })
        .collect();
    cf::ActiveTrustedSigners {
        enabled: !items.is_empty(),
        quantity: items.len() as i32,
        items: (!items.is_empty()).then_some(items),
    }
}

/// The key groups that are trusted, with the keys that they have now.
async fn active_key_groups(
    call: &Call<'_>,
    config: &DistributionConfig,
) -> Result<cf::ActiveTrustedKeyGroups, Failure> {
    let mut ids = BTreeSet::new();
    for (_, behavior) in behavior::all(config) {
        let groups = behavior.trusted_key_groups.filter(|groups| groups.enabled);
        ids.extend(groups.and_then(|groups| groups.items).unwrap_or_default());
    }
    let mut items = Vec::with_capacity(ids.len());
    for id in ids {
        let key = keys::resource(KEY_GROUP, &id);
        let keys = match call.store().get(&key).await? {
            Some(document) => {
                let group = Resource::<cf::KeyGroupConfig>::decode(&key, &document.value)?;
                group.config.items
            }
            None => Vec::new(),
        };
        items.push(cf::KGKeyPairIds {
            key_group_id: Some(id),
            key_pair_ids: Some(keys.into()),
        });
    }
    Ok(cf::ActiveTrustedKeyGroups {
        enabled: !items.is_empty(),
        quantity: items.len() as i32,
        items: (!items.is_empty()).then_some(items),
    })
}
