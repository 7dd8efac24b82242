//! The web ACL of a distribution, set without the rest of its config.

use shapes::cloudfront as cf;

use super::{Distribution, load, replace};
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;

pub async fn associate(call: &Call<'_>) -> Answer {
    let input: cf::AssociateDistributionWebACLRequest = call.input()?;
    let stored = load(call, &input.id).await?;
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
    let stored = load(call, &input.id).await?;
    stored.check_if_match(input.if_match.as_deref())?;
    let etag = set(call, &stored, "").await?;
    Ok(Reply::of(&cf::DisassociateDistributionWebACLResult {
        id: Some(input.id),
        etag: Some(etag),
    }))
}

async fn set(call: &Call<'_>, stored: &Distribution, arn: &str) -> Result<String, Failure> {
    let mut config = stored.resource.config.clone();
    config.web_acl_id = Some(arn.to_owned());
    let (next, _) = replace(call, stored, config).await?;
    Ok(next.etag)
}
