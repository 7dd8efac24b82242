//! Streaming distributions, for RTMP: nobody can make one, at AWS either since 2020. There are
//! none, and what would make or change one answers 501.

use shapes::cloudfront as cf;

use crate::call::{Answer, Call, Reply};
use crate::limits;
use crate::service::{Entry, served};

pub(super) const OPERATIONS: &[Entry] = &[served("ListStreamingDistributions", |call| {
    Box::pin(list(call))
})];

async fn list(call: &Call<'_>) -> Answer {
    let input: cf::ListStreamingDistributionsRequest = call.input()?;
    Ok(Reply::of(&cf::ListStreamingDistributionsResult {
        streaming_distribution_list: Some(cf::StreamingDistributionList {
            marker: input.marker.unwrap_or_default(),
            next_marker: None,
            max_items: limits::PAGE_ITEMS_MAX as i32,
            is_truncated: false,
            quantity: 0,
            items: None,
        }),
    }))
}
