//! Invalidations of distributions and of distribution tenants (spec §8).
//!
//! An invalidation is a document that edges watch; the revision at which it was put is that of the
//! ban. Nothing else about it is ever written: whether it is completed is asked of the edges.

mod ledger;
mod rules;

use documents::{Resource, keys};
use shapes::Timestamp;
use shapes::cloudfront::{self as cf, InvalidationBatch, error};
use shapes::schema::ErrorShape;
use store::{Document, Revision};

use self::ledger::Entry as LedgerEntry;
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::{ApiError, Failure};
use crate::nodes::Living;
use crate::service::{Entry, served};
use crate::{limits, resource};

pub(super) use ledger::{InProgress, in_progress, purge};

pub(super) const OPERATIONS: &[Entry] = &[
    served("CreateInvalidation", |call| Box::pin(create(call))),
    served("GetInvalidation", |call| Box::pin(get(call))),
    served("ListInvalidations", |call| Box::pin(list(call))),
    served("CreateInvalidationForDistributionTenant", |call| {
        Box::pin(create_for_tenant(call))
    }),
    served("GetInvalidationForDistributionTenant", |call| {
        Box::pin(get_for_tenant(call))
    }),
    served("ListInvalidationsForDistributionTenant", |call| {
        Box::pin(list_for_tenant(call))
    }),
];

/// What is invalidated: a distribution or a tenant.
struct Owner<'a> {
    noun: &'static str,
    collection: &'static str,
    cfn_type: &'static str,
    missing: &'static ErrorShape,
    id: &'a str,
}

impl<'a> Owner<'a> {
    fn distribution(id: &'a str) -> Owner<'a> {
        Owner {
            noun: "distribution",
            collection: keys::DISTRIBUTION,
            cfn_type: "AWS::CloudFront::Distribution",
            missing: &error::NO_SUCH_DISTRIBUTION,
            id,
        }
    }

    fn tenant(id: &'a str) -> Owner<'a> {
        Owner {
            noun: "distribution tenant",
            collection: keys::DISTRIBUTION_TENANT,
            cfn_type: "AWS::CloudFront::DistributionTenant",
            missing: &error::ENTITY_NOT_FOUND,
            id,
        }
    }

    fn key(&self) -> String {
        keys::resource(self.collection, self.id)
    }

    /// Reads a document together with the owner, which must be there.
    async fn read_with(&self, call: &Call<'_>, key: &str) -> Result<Option<Document>, Failure> {
        let owner_key = self.key();
        let mut documents = call.store().get_many(&[&owner_key, key]).await?;
        let document = documents.pop().flatten();
        if documents.pop().flatten().is_none() {
            let message = format!("There is no {} '{}'.", self.noun, self.id);
            return Err(Failure::api(self.missing, message));
        }
        Ok(document)
    }

    fn location(&self, id: &str) -> String {
        super::location(&format!("{}/{}/invalidation", self.collection, self.id), id)
    }
}

/// Where an invalidation lies.
fn document_key(owner: &str, id: &str) -> String {
    keys::resource(keys::INVALIDATION, &format!("{owner}/{id}"))
}

/// Kind of the claims on an owner's caller references.
fn reference_claim(owner: &str) -> String {
    format!("invalidation/{owner}")
}

async fn create(call: &Call<'_>) -> Answer {
    let input: cf::CreateInvalidationRequest = call.input()?;
    let owner = Owner::distribution(&input.distribution_id);
    let invalidation = create_for(call, &owner, input.invalidation_batch).await?;
    Ok(Reply::of(&cf::CreateInvalidationResult {
        location: Some(owner.location(&invalidation.id)),
        invalidation: Some(invalidation),
    }))
}

async fn create_for_tenant(call: &Call<'_>) -> Answer {
    let input: cf::CreateInvalidationForDistributionTenantRequest = call.input()?;
    let owner = Owner::tenant(&input.id);
    let invalidation = create_for(call, &owner, input.invalidation_batch).await?;
    Ok(Reply::of(
        &cf::CreateInvalidationForDistributionTenantResult {
            location: Some(owner.location(&invalidation.id)),
            invalidation: Some(invalidation),
        },
    ))
}

async fn create_for(
    call: &Call<'_>,
    owner: &Owner<'_>,
    batch: InvalidationBatch,
) -> Result<cf::Invalidation, Failure> {
    let weight = rules::check(&batch)?;
    let claim_kind = reference_claim(owner.id);
    let claim_key = keys::claim(&claim_kind, &batch.caller_reference);
    if let Some(claim) = owner.read_with(call, &claim_key).await? {
        return repeated(call, owner, &String::from_utf8_lossy(&claim.value), &batch).await;
    }
    let edges = Living::edges(call).await?;
    let newest = ledger::newest(call, owner.id).await?;
    let running = ledger::in_progress_of(call, owner.id, newest.as_ref(), &edges).await?;
    rules::check_in_progress(running, weight)?;

    let entry = LedgerEntry::following(newest.as_ref(), &batch, weight, call.now_ms);
    let invalidation = Resource {
        id: entry.id.clone(),
        etag: crate::ids::etag(),
        version: 1,
        created_ms: call.now_ms,
        modified_ms: call.now_ms,
        domain: None,
        config: batch,
    };
    let key = document_key(owner.id, &invalidation.id);
    let change = Change::new()
        .about(owner.cfn_type, owner.id)
        .if_present(owner.key())
        .claim(
            &claim_kind,
            &invalidation.config.caller_reference,
            &invalidation.id,
        )
        .put(&key, invalidation.encode());
    let change = ledger::append(change, owner.id, &entry);
    let change = ledger::trim(call, change, owner.id, entry.number).await?;
    let revision = call.commit(change).await?;
    Ok(output(invalidation, edges.serve(&key, revision)))
}

/// The answer to a caller reference that was there before (spec §16.7).
async fn repeated(
    call: &Call<'_>,
    owner: &Owner<'_>,
    id: &str,
    batch: &InvalidationBatch,
) -> Result<cf::Invalidation, Failure> {
    let key = document_key(owner.id, id);
    // Gone since the claim was read: then so is the claim.
    let document = owner
        .read_with(call, &key)
        .await?
        .ok_or(Failure::Conflict)?;
    let existing = decode(&document)?;
    if existing.config == *batch {
        return shown(call, &document).await;
    }
    // The model has no shape for it (spec §8.2).
    Err(ApiError::common(
        "InvalidationBatchAlreadyExists",
        409,
        format!(
            "CallerReference is '{}', which the invalidation {id} has already, with other paths.",
            batch.caller_reference
        ),
    )
    .into())
}

fn decode(document: &Document) -> Result<Resource<InvalidationBatch>, Failure> {
    Ok(Resource::decode(&document.key, &document.value)?)
}

/// What is shown of an invalidation, with what edges have done about it by now.
async fn shown(call: &Call<'_>, document: &Document) -> Result<cf::Invalidation, Failure> {
    let edges = Living::edges(call).await?;
    let is_completed = edges.serve(&document.key, document.modified);
    Ok(output(decode(document)?, is_completed))
}

fn output(invalidation: Resource<InvalidationBatch>, is_completed: bool) -> cf::Invalidation {
    cf::Invalidation {
        id: invalidation.id,
        status: status(is_completed).to_owned(),
        create_time: Timestamp::from_unix_ms(invalidation.created_ms as i64),
        invalidation_batch: invalidation.config,
    }
}

/// Spec §8.3.
fn status(is_completed: bool) -> &'static str {
    if is_completed {
        "Completed"
    } else {
        "InProgress"
    }
}

async fn get(call: &Call<'_>) -> Answer {
    let input: cf::GetInvalidationRequest = call.input()?;
    let owner = Owner::distribution(&input.distribution_id);
    Ok(Reply::of(&cf::GetInvalidationResult {
        invalidation: Some(find(call, &owner, &input.id).await?),
    }))
}

async fn get_for_tenant(call: &Call<'_>) -> Answer {
    let input: cf::GetInvalidationForDistributionTenantRequest = call.input()?;
    let owner = Owner::tenant(&input.distribution_tenant_id);
    Ok(Reply::of(&cf::GetInvalidationForDistributionTenantResult {
        invalidation: Some(find(call, &owner, &input.id).await?),
    }))
}

async fn find(call: &Call<'_>, owner: &Owner<'_>, id: &str) -> Result<cf::Invalidation, Failure> {
    let document = owner.read_with(call, &document_key(owner.id, id)).await?;
    let document = document.ok_or_else(|| {
        let message = format!(
            "The {} '{}' has no invalidation '{id}'.",
            owner.noun, owner.id
        );
        Failure::api(&error::NO_SUCH_INVALIDATION, message)
    })?;
    shown(call, &document).await
}

async fn list(call: &Call<'_>) -> Answer {
    let input: cf::ListInvalidationsRequest = call.input()?;
    let owner = Owner::distribution(&input.distribution_id);
    let (marker, max_items) = (input.marker, input.max_items);
    Ok(Reply::of(&cf::ListInvalidationsResult {
        invalidation_list: Some(page(call, &owner, marker, max_items).await?),
    }))
}

async fn list_for_tenant(call: &Call<'_>) -> Answer {
    let input: cf::ListInvalidationsForDistributionTenantRequest = call.input()?;
    let owner = Owner::tenant(&input.id);
    let (marker, max_items) = (
        input.marker,
        input.max_items.map(|number| number.to_string()),
    );
    Ok(Reply::of(
        &cf::ListInvalidationsForDistributionTenantResult {
            invalidation_list: Some(page(call, &owner, marker, max_items).await?),
        },
    ))
}

/// A page of an owner's invalidations, the newest first, from the ledger alone.
async fn page(
    call: &Call<'_>,
    owner: &Owner<'_>,
    marker: Option<String>,
    max_items: Option<String>,
) -> Result<cf::InvalidationList, Failure> {
    let marker = marker.unwrap_or_default();
    // One more than a page has at most: whether there is a next one is then known.
    let limit = limits::PAGE_ITEMS_MAX + 1;
    owner.read_with(call, &owner.key()).await?;
    let entries = ledger::newest_first(call, owner.id, &marker, limit).await?;
    let page = resource::page(entries, |(entry, _)| &entry.id, None, max_items.as_deref())?;
    let edges = Living::edges(call).await?;
    let summary = |(entry, modified): (LedgerEntry, Revision)| {
        let key = document_key(owner.id, &entry.id);
        cf::InvalidationSummary {
            status: status(edges.serve(&key, modified)).to_owned(),
            create_time: Timestamp::from_unix_ms(entry.created_ms as i64),
            id: entry.id,
        }
    };
    let items: Vec<cf::InvalidationSummary> = page.items.into_iter().map(summary).collect();
    Ok(cf::InvalidationList {
        marker,
        is_truncated: page.next_marker.is_some(),
        next_marker: page.next_marker,
        max_items: page.max_items,
        quantity: items.len() as i32,
        items: Some(items),
    })
}
