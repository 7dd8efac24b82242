//! Watches of etcd.

use async_trait::async_trait;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tonic::{Status, Streaming};

use super::{
    document, failed,
    link::Link,
    messages::{self, EVENT_DELETE, WatchCreateRequest, WatchRequest, WatchResponse},
    revision, unrooted,
};
use crate::{Batch, Event, Revision, StoreError, Watch, check::Interval, limits};

/// A stream of etcd's responses, put together to whole revisions.
pub(super) struct EtcdWatch {
    stream: Streaming<WatchResponse>,
    gather: Gather,
    is_over: bool,
    /// The stream lasts as long as its connection.
    _link: Link,
}

impl EtcdWatch {
    pub async fn begin(
        link: Link,
        root: &str,
        prefix: &str,
        after: Revision,
    ) -> Result<EtcdWatch, StoreError> {
        let interval = Interval::of_prefix(format!("{root}{prefix}").as_bytes());
        let create = WatchCreateRequest {
            key: interval.start,
            range_end: interval.end.unwrap_or_else(|| vec![0]),
            // Not one later: etcd forgets deletions of the very revision that it compacts at, and
            // would not say so to a watch that starts there. What was seen before is dropped.
            start_revision: super::number(after).max(1),
            fragment: true,
        };
        let create = WatchRequest {
            create_request: Some(create),
        };
        // The stream of requests stays open; its end would end the watch.
        let requests = tokio_stream::once(create).chain(tokio_stream::pending());
        let begun = async {
            let mut stream = link
                .streaming("/etcdserverpb.Watch/Watch", requests)
                .await
                .map_err(failed)?;
            let first = received(stream.message().await)?;
            Ok((stream, first))
        };
        let (stream, first) = timeout(limits::ETCD_CALL_TIMEOUT, begun)
            .await
            .map_err(|_| failed(Status::deadline_exceeded("no answer to a watch")))??;
        let mut watch = EtcdWatch {
            stream,
            gather: Gather::new(root, after),
            is_over: false,
            _link: link,
        };
        // Nothing but that the watch was made, unless it was refused.
        watch.gather.take(first)?;
        Ok(watch)
    }
}

#[async_trait]
impl Watch for EtcdWatch {
    async fn next(&mut self) -> Result<Vec<Batch>, StoreError> {
        while !self.is_over {
            let batches = received(self.stream.message().await)
                .and_then(|response| self.gather.take(response));
            match batches {
                Ok(batches) if batches.is_empty() => {}
                Ok(batches) => return Ok(batches),
                Err(error) => {
                    self.is_over = true;
                    return Err(error);
                }
            }
        }
        Err(StoreError::Unavailable("the watch is over".into()))
    }
}

fn received(message: Result<Option<WatchResponse>, Status>) -> Result<WatchResponse, StoreError> {
    message
        .map_err(failed)?
        .ok_or_else(|| StoreError::Unavailable("etcd ended the watch".into()))
}

/// Makes batches of whole revisions from responses, which etcd splits anywhere if they are large.
struct Gather {
    root: String,
    /// Up to here nothing is told.
    after: Revision,
    /// The revision that the next response goes on with.
    partial: Option<Batch>,
}

impl Gather {
    fn new(root: &str, after: Revision) -> Gather {
        Gather {
            root: root.to_owned(),
            after,
            partial: None,
        }
    }

    /// The revisions that are whole with this response.
    fn take(&mut self, response: WatchResponse) -> Result<Vec<Batch>, StoreError> {
        if response.compact_revision != 0 {
            return Err(StoreError::Compacted {
                after: self.after,
                first: revision(response.compact_revision)?,
            });
        }
        if response.canceled {
            let reason = format!("etcd ended the watch: {}", response.cancel_reason);
            return Err(StoreError::Unavailable(reason));
        }
        let mut batches: Vec<Batch> = self.partial.take().into_iter().collect();
        for event in response.events {
            let (revision, event) = self.event(event)?;
            if revision <= self.after {
                continue;
            }
            match batches.last_mut() {
                Some(last) if last.revision == revision => last.events.push(event),
                Some(last) if last.revision > revision => {
                    return Err(StoreError::Damaged(format!(
                        "etcd told of revision {revision} after {}",
                        last.revision
                    )));
                }
                _ => batches.push(Batch {
                    revision,
                    events: vec![event],
                }),
            }
        }
        if response.fragment {
            self.partial = batches.pop();
        }
        for batch in &mut batches {
            batch.events.sort_by(|a, b| a.key().cmp(b.key()));
        }
        Ok(batches)
    }

    fn event(&self, event: messages::Event) -> Result<(Revision, Event), StoreError> {
        let kv = event
            .kv
            .ok_or_else(|| StoreError::Damaged("etcd told of a change without a key".into()))?;
        let revision = revision(kv.mod_revision)?;
        let event = match event.r#type {
            EVENT_DELETE => Event::Deleted {
                key: unrooted(&self.root, &kv.key)?,
            },
            _ => Event::Put(document(&self.root, kv)?),
        };
        Ok((revision, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::messages::KeyValue;

    #[test]
    fn a_revision_that_is_split_over_responses_is_told_of_when_it_is_whole() {
        let mut gather = Gather::new("r/", Revision(4));
        let mut take = |fragment, events: &[(&str, i64)]| {
            let told = gather.take(response(fragment, events)).unwrap();
            let keyed = |batch: Batch| {
                let keys = batch.events.iter().map(|event| event.key().to_owned());
                (batch.revision.0, keys.collect::<Vec<_>>().concat())
            };
            told.into_iter().map(keyed).collect::<Vec<_>>()
        };
        assert_eq!(take(false, &[]), []);
        // What was before the watch is passed over.
        assert_eq!(take(true, &[("z", 4), ("b", 5)]), []);
        assert_eq!(take(true, &[("c", 5)]), []);
        assert_eq!(take(true, &[("a", 5), ("d", 6)]), [(5, "abc".into())]);
        assert_eq!(take(false, &[("c", 6)]), [(6, "cd".into())]);
        assert_eq!(
            take(false, &[("a", 7), ("a", 8), ("b", 8)]),
            [(7, "a".into()), (8, "ab".into())]
        );
    }

    #[test]
    fn a_response_that_cannot_be_is_an_error() {
        for events in [
            &[("a", 6), ("a", 5)][..], // Backwards.
            &[("a", -1)],
        ] {
            let error = Gather::new("r/", Revision(4)).take(response(false, events));
            assert!(matches!(error, Err(StoreError::Damaged(_))));
        }
        let error = Gather::new("q/", Revision(4)).take(response(false, &[("a", 5)]));
        assert!(matches!(error, Err(StoreError::Damaged(_))));
    }

    #[test]
    fn a_watch_that_is_ended_says_why() {
        let compacted = WatchResponse {
            canceled: true,
            compact_revision: 9,
            ..WatchResponse::default()
        };
        assert_eq!(
            Gather::new("", Revision(4)).take(compacted),
            Err(StoreError::Compacted {
                after: Revision(4),
                first: Revision(9)
            })
        );
        let canceled = WatchResponse {
            canceled: true,
            cancel_reason: "permission denied".into(),
            ..WatchResponse::default()
        };
        let error = Gather::new("", Revision(4)).take(canceled).unwrap_err();
        assert!(error.to_string().contains("permission denied"), "{error}");
    }

    fn response(fragment: bool, events: &[(&str, i64)]) -> WatchResponse {
        let event = |&(key, mod_revision): &(&str, i64)| messages::Event {
            r#type: 0,
            kv: Some(KeyValue {
                key: format!("r/{key}").into(),
                mod_revision,
                ..KeyValue::default()
            }),
        };
        WatchResponse {
            fragment,
            events: events.iter().map(event).collect(),
            ..WatchResponse::default()
        }
    }
}
