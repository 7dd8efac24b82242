//! `ListResourceRecordSets` (spec §9): straight in the store's order, from any place on.

use documents::decode;
use documents::route53 as forms;
use records::Name;
use shapes::route53::{self as r53, ResourceRecordSet};
use store::{Document, Range};

use crate::call::{Answer, Call, Reply};
use crate::error::Failure;
use crate::route53::inputs::{self, Page, invalid_input};
use crate::route53::zone;

/// Most record sets of a page.
const PAGE_SETS_MAX: usize = 300;

const _: () = assert!(PAGE_SETS_MAX < store::limits::PAGE_DOCUMENTS_MAX);

pub(super) async fn list(call: &Call<'_>) -> Answer {
    let input: r53::ListResourceRecordSetsRequest = call.input()?;
    let zone = zone::load(call, &input.hosted_zone_id).await?.resource;
    let limit = inputs::page_size("MaxItems", input.max_items.as_deref(), PAGE_SETS_MAX)?;
    let documents = from(call, &zone.id, &input, limit + 1).await?;
    let mut sets = Vec::with_capacity(documents.len());
    for document in documents {
        sets.push(decode::<ResourceRecordSet>(&document.key, &document.value)?);
    }
    let page = Page::of(sets, limit);
    let (name, record_type, identifier) = match page.next {
        Some(next) => (Some(next.name), Some(next.r#type), next.set_identifier),
        None => (None, None, None),
    };
    Ok(Reply::of(&r53::ListResourceRecordSetsResponse {
        resource_record_sets: page.items,
        is_truncated: name.is_some(),
        next_record_name: name,
        next_record_type: record_type,
        next_record_identifier: identifier,
        max_items: limit.to_string(),
    }))
}

/// Documents of record sets from the start on that is asked for.
async fn from(
    call: &Call<'_>,
    zone: &str,
    input: &r53::ListResourceRecordSetsRequest,
    limit: usize,
) -> Result<Vec<Document>, Failure> {
    let name = input
        .start_record_name
        .as_deref()
        .filter(|name| !name.is_empty());
    let identifier = input.start_record_identifier.as_deref();
    let identifier = identifier.filter(|identifier| !identifier.is_empty());
    let mut first = None;
    let after = match (name, input.start_record_type, identifier) {
        (None, None, None) => None,
        (None, Some(_), _) => {
            let message = "StartRecordType is given without StartRecordName, which it is of.";
            return Err(invalid_input(message));
        }
        (_, None, Some(_)) => {
            let message = "StartRecordIdentifier is given without StartRecordName and \
                           StartRecordType, which it is of.";
            return Err(invalid_input(message));
        }
        (Some(name), record_type, identifier) => {
            let name = Name::parse(name)
                .map_err(|error| invalid_input(format!("StartRecordName is '{name}': {error}.")))?;
            let order_key = name.order_key();
            match record_type {
                // Behind it come the name's own record sets: a space follows.
                None => Some(format!("{}{order_key}", forms::records(zone))),
                Some(record_type) => {
                    let key = forms::record(zone, &order_key, record_type.as_str(), identifier);
                    if key.len() > store::limits::KEY_BYTES_MAX {
                        return Err(invalid_input(
                            "StartRecordName and StartRecordIdentifier are too long.",
                        ));
                    }
                    first = call.store().get(&key).await?;
                    Some(key)
                }
            }
        }
    };
    let range = Range {
        prefix: forms::records(zone),
        after,
        limit,
        is_descending: false,
    };
    let page = call.store().list(range).await?;
    Ok(first.into_iter().chain(page.documents).collect())
}
