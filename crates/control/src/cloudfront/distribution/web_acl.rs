//! The web ACL of a distribution, set without the rest of its config.

use shapes::cloudfront::{self as cf, error};

use super::{Distribution, load, replace};
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;

pub async fn associate(call: &Call<'_>) -> Answer {
    let input: cf::AssociateDistributionWebACLRequest = call.input()?;
    let stored = found(call, &input.id).await?;
    stored.check_if_match(input.if_match.as_deref())?;
    let etag = set(call, &stored, &input.web_acl_arn).await?;
    Ok(Reply::of(&cf::AssociateDistributionWebACLResult {
        id: Some(input.id),
        web_acl_arn: Some(input.web_acl_arn),
        etag: Some(etag),
    }))
}

pub async fn disassociate(call: &Call<'_>) -> Answer {
    let input: cf::DisassociateDistributionWebACLRequest = call.input()?;
    let stored = found(call, &input.id).await?;
    stored.check_if_match(input.if_match.as_deref())?;
    let etag = set(call, &stored, "").await?;
    Ok(Reply::of(&cf::DisassociateDistributionWebACLResult {
        id: Some(input.id),
        etag: Some(etag),
    }))
}

/// These operations have no `NoSuchDistribution` in the model, as the younger ones do not.
async fn found(call: &Call<'_>, id: &str) -> Result<Distribution, Failure> {
    load(call, id).await.map_err(|failure| match failure {
        Failure::Api(known) if known.code == error::NO_SUCH_DISTRIBUTION.code => {
            Failure::api(&error::ENTITY_NOT_FOUND, known.message)
        }
        other => other,
    })
}

async fn set(call: &Call<'_>, stored: &Distribution, arn: &str) -> Result<String, Failure> {
    let mut config = stored.resource.config.clone();
    config.web_acl_id = Some(arn.to_owned());
    let (next, _) = replace(call, stored, config).await?;
    Ok(next.etag)
}
