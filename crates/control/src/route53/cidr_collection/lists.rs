//! Lists of collections, their locations and their blocks. A page begins with what its token names.

use documents::Resource;
use documents::route53::CidrCollection;
use shapes::route53::{self as r53, error};

use super::KIND;
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;
use crate::resource::Stored;
use crate::route53::inputs::{self, PAGE_ITEMS_MAX, Page, invalid_input};

/// Where a page begins, and how long it may be.
fn start(token: Option<&str>, max_results: Option<&str>) -> Result<(String, usize), Failure> {
    let limit = inputs::page_size("MaxResults", max_results, PAGE_ITEMS_MAX)?;
    let start = match token.filter(|token| !token.is_empty()) {
        None => String::new(),
        Some(token) => inputs::read_token(token).ok_or_else(|| {
            invalid_input(format!(
                "NextToken is '{token}', which is none of this list's."
            ))
        })?,
    };
    Ok((start, limit))
}

pub(super) async fn collections(call: &Call<'_>) -> Answer {
    let input: r53::ListCidrCollectionsRequest = call.input()?;
    let (start, limit) = start(input.next_token.as_deref(), input.max_results.as_deref())?;
    let documents = call.list_all(&KIND.prefix()).await?.into_iter();
    let page = Page::of(documents.filter(|document| document.key >= start), limit);
    let mut collections = Vec::with_capacity(page.items.len());
    for document in &page.items {
        let stored = Resource::<CidrCollection>::decode(&document.key, &document.value)?;
        collections.push(r53::CollectionSummary {
            arn: Some(super::arn(&stored.id)),
            id: Some(stored.id),
            name: Some(stored.config.name),
            version: Some(stored.version as i64),
        });
    }
    Ok(Reply::of(&r53::ListCidrCollectionsResponse {
        next_token: page.next.map(|next| inputs::token(&next.key)),
        cidr_collections: Some(collections),
    }))
}

pub(super) async fn locations(call: &Call<'_>) -> Answer {
    let input: r53::ListCidrLocationsRequest = call.input()?;
    let (start, limit) = start(input.next_token.as_deref(), input.max_results.as_deref())?;
    let stored: Stored<CidrCollection> = KIND.load(call, &input.collection_id).await?;
    let locations = stored.resource.config.locations.into_keys();
    let page = Page::of(locations.filter(|location| *location >= start), limit);
    let locations = page.items.into_iter().map(|location| r53::LocationSummary {
        location_name: Some(location),
    });
    Ok(Reply::of(&r53::ListCidrLocationsResponse {
        next_token: page.next.map(|next| inputs::token(&next)),
        cidr_locations: Some(locations.collect()),
    }))
}

pub(super) async fn blocks(call: &Call<'_>) -> Answer {
    let input: r53::ListCidrBlocksRequest = call.input()?;
    let (start, limit) = start(input.next_token.as_deref(), input.max_results.as_deref())?;
    let stored: Stored<CidrCollection> = KIND.load(call, &input.collection_id).await?;
    let mut locations = stored.resource.config.locations;
    if let Some(wanted) = input.location_name.filter(|name| !name.is_empty()) {
        if !locations.contains_key(&wanted) {
            let message = format!("There is no location '{wanted}' in this CIDR collection.");
            return Err(Failure::api(
                &error::NO_SUCH_CIDR_LOCATION_EXCEPTION,
                message,
            ));
        }
        locations.retain(|location, _| *location == wanted);
    }
    let blocks = locations.into_iter().flat_map(|(location, blocks)| {
        let owned = blocks.into_iter();
        owned.map(move |block| (location.clone(), block))
    });
    // Where the block is gone that a page was to begin with, it begins where it would have been.
    let place = |(location, block): &(String, String)| format!("{location} {block}");
    let mut blocks: Vec<_> = blocks.collect();
    blocks.sort_by_cached_key(place);
    let page = Page::of(
        blocks.into_iter().filter(|block| place(block) >= start),
        limit,
    );
    let summaries = page
        .items
        .into_iter()
        .map(|(location, block)| r53::CidrBlockSummary {
            cidr_block: Some(block),
            location_name: Some(location),
        });
    Ok(Reply::of(&r53::ListCidrBlocksResponse {
        cidr_blocks: Some(summaries.collect()),
        next_token: page.next.as_ref().map(|next| inputs::token(&place(next))),
    }))
}
