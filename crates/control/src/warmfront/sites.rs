//! What is served, and by whom.

use documents::{Node, Resource, decode, keys};
use serde::Deserialize;
use serde_json::{Value, json};
use shapes::cloudfront::DistributionConfig;
use store::{Document, Range};

use super::{input, reply, time};
use crate::call::{Answer, Call};
use crate::error::Failure;
use crate::nodes::Living;

/// Distributions of one page.
const PAGE_SITES_MAX: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct ListSites {
    /// The id of the last distribution of the page before.
    marker: Option<String>,
    max_items: Option<usize>,
}

pub(super) async fn list(call: &Call<'_>) -> Answer {
    let input: ListSites = input(call)?;
    let edges = Living::edges(call).await?;
    let collection = keys::collection(keys::DISTRIBUTION);
    let page = call.store().list(Range {
        after: input.marker.map(|id| format!("{collection}{id}")),
        prefix: collection,
        limit: input
            .max_items
            .unwrap_or(PAGE_SITES_MAX)
            .clamp(1, PAGE_SITES_MAX),
        is_descending: false,
    });
    let page = page.await?;
    let mut sites = Vec::with_capacity(page.documents.len());
    for document in &page.documents {
        sites.push(site(document, &edges)?);
    }
    let last = sites.last().map(|site| site["Id"].clone());
    Ok(reply(json!({
        "Sites": sites,
        "NextMarker": last.filter(|_| page.has_more),
        "Nodes": nodes(call).await?,
    })))
}

fn site(document: &Document, edges: &Living) -> Result<Value, Failure> {
    let distribution = Resource::<DistributionConfig>::decode(&document.key, &document.value)?;
    let config = &distribution.config;
    let aliases = config.aliases.as_ref();
    let aliases: Vec<&String> = aliases.iter().flat_map(|list| list.items()).collect();
    let origins = config.origins.items().iter();
    let origins: Vec<&String> = origins.map(|origin| &origin.domain_name).collect();
    Ok(json!({
        "Id": distribution.id,
        "DomainName": distribution.domain,
        "Aliases": aliases,
        "Enabled": config.enabled,
        "Staging": config.staging.unwrap_or(false),
        "Status": edges.status(&document.key, document.modified),
        "Origins": origins,
        "Comment": config.comment,
        "ETag": distribution.etag,
        "Revision": document.modified.0,
        "LastModifiedTime": time(distribution.modified_ms),
    }))
}

async fn nodes(call: &Call<'_>) -> Result<Vec<Value>, Failure> {
    let mut nodes = Vec::new();
    for document in call.list_all(keys::NODES).await? {
        let node: Node = decode(&document.key, &document.value)?;
        let refused = node.refused.iter().map(|(key, refusal)| {
            json!({ "Key": key, "Revision": refusal.revision, "Message": refusal.message })
        });
        nodes.push(json!({
            "Id": node.id,
            "Roles": node.roles,
            "Pop": node.pop,
            "Http": node.http,
            "StartTime": time(node.started_ms),
            "Applied": node.applied,
            "Refused": refused.collect::<Vec<_>>(),
        }));
    }
    Ok(nodes)
}
