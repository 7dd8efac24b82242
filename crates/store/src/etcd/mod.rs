//! A store in etcd: many control planes, and edges anywhere.
//!
//! [`Etcd`] speaks etcd's v3 gRPC by messages that are declared here ([`messages`]; why:
//! `docs/decisions/0012-etcd-without-protoc.md`). All keys lie under one prefix; revisions are
//! etcd's, so other tenants of the same etcd leave gaps in them. The system whose leases and
//! revisions the other store imitates needs little translation: [`link`] has the connections,
//! [`watch`] puts responses together to revisions.

mod link;
mod messages;
mod watch;

use async_trait::async_trait;
use prost::Message;
use thiserror::Error;
use tokio::time::timeout;
use tonic::{Code, Status};

use self::{
    link::Links,
    messages::{
        CompactionRequest, DeleteRangeRequest, Done, KeyValue, LeaseGrantRequest,
        LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseRevokeRequest,
        PutRequest, RangeRequest, RangeResponse, Request, RequestOp, ResponseHeader,
        SORT_DESCENDING, TargetUnion, TxnRequest, TxnResponse,
    },
    watch::EtcdWatch,
};
use crate::{
    Compare, Document, LeaseId, Outcome, Page, Range, Revision, Store, StoreError, Txn, Watch,
    Write,
    check::{self, Interval},
    limits,
};

/// Where etcd is, and who we are there.
#[derive(Clone)]
pub struct Options {
    /// `host:port` of its members, or `http://host:port`, `https://host:port`. The first that
    /// answers is used.
    pub endpoints: Vec<String>,
    /// What all keys begin with there.
    pub prefix: String,
    /// If etcd asks for a user.
    pub credentials: Option<Credentials>,
    /// The certificate, in PEM, of the authority that signed etcd's. With it, endpoints without a
    /// scheme are `https`; without it `https` is refused.
    pub ca_pem: Option<Vec<u8>>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            endpoints: Vec::new(),
            prefix: "warmfront/".to_owned(),
            credentials: None,
            ca_pem: None,
        }
    }
}

/// A user of etcd's.
#[derive(Clone)]
pub struct Credentials {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

/// Why settings cannot be used; the operator's fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConnectError {
    /// There is no endpoint.
    #[error("etcd needs an endpoint, such as 127.0.0.1:2379")]
    NoEndpoint,
    /// An endpoint is not an address, or its TLS cannot be set up.
    #[error("etcd's endpoint {address} cannot be used: {reason}")]
    Endpoint {
        /// The endpoint.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// The prefix leaves too little of a key.
    #[error(
        "etcd's prefix has {0} bytes; at most {max} are allowed",
        max = limits::ETCD_PREFIX_BYTES_MAX
    )]
    Prefix(usize),
}

/// A store in etcd. Dropping it ends its calls; watches have connections of their own.
pub struct Etcd {
    links: Links,
    root: String,
}

impl Etcd {
    /// Does not wait for etcd: the first call connects, and so does the next after a failure.
    pub fn connect(options: Options) -> Result<Etcd, ConnectError> {
        let root = options.prefix.clone();
        if root.len() > limits::ETCD_PREFIX_BYTES_MAX {
            return Err(ConnectError::Prefix(root.len()));
        }
        let links = Links::new(options)?;
        Ok(Etcd { links, root })
    }

    /// Forgets changes up to and including this revision, for all tenants of this etcd.
    pub async fn compact(&self, through: Revision) -> Result<(), StoreError> {
        let request = CompactionRequest {
            revision: number(through),
            physical: true,
        };
        match self.call("/etcdserverpb.KV/Compact", request, true).await {
            Ok(Done {}) => Ok(()),
            // It has forgotten more than that already.
            Err(status) if is_compacted(&status) => Ok(()),
            Err(status) => Err(failed(status)),
        }
    }

    fn key(&self, key: &str) -> Vec<u8> {
        format!("{}{key}", self.root).into_bytes()
    }

    async fn call<Q, R>(&self, path: &'static str, request: Q, repeat: bool) -> Result<R, Status>
    where
        Q: Message + Clone + 'static,
        R: Message + Default + 'static,
    {
        self.links.call(path, request, repeat).await
    }
}

#[async_trait]
impl Store for Etcd {
    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Document>>, StoreError> {
        check::keys(keys)?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let range = |key: &&str| RangeRequest {
            key: self.key(key),
            ..RangeRequest::default()
        };
        let request = TxnRequest {
            compare: Vec::new(),
            success: keys
                .iter()
                .map(|key| operation(Request::Range(range(key))))
                .collect(),
        };
        let response: TxnResponse = self
            .call("/etcdserverpb.KV/Txn", request, true)
            .await
            .map_err(failed)?;
        if response.responses.len() != keys.len() {
            return Err(StoreError::Damaged(format!(
                "etcd answered {} of {} keys",
                response.responses.len(),
                keys.len()
            )));
        }
        let found = response.responses.into_iter().map(|response| {
            let mut kvs = response.response_range.unwrap_or_default().kvs;
            kvs.pop().map(|kv| document(&self.root, kv)).transpose()
        });
        found.collect()
    }

    async fn list(&self, range: Range) -> Result<Page, StoreError> {
        let interval = Interval::of_range(&self.root, &range);
        let mut limit = i64::try_from(range.documents_max()).unwrap_or(i64::MAX);
        loop {
            let request = match interval.is_empty() {
                // Only for the revision.
                true => RangeRequest {
                    key: start(&interval),
                    count_only: true,
                    ..RangeRequest::default()
                },
                false => RangeRequest {
                    key: start(&interval),
                    range_end: interval.end.clone().unwrap_or_else(|| vec![0]),
                    limit,
                    sort_order: if range.is_descending {
                        SORT_DESCENDING
                    } else {
                        0
                    },
                    count_only: false,
                },
            };
            match self.call("/etcdserverpb.KV/Range", request, true).await {
                Ok(response) => return page(&self.root, response),
                // The page does not fit into a message.
                Err(status) if status.code() == Code::OutOfRange && limit > 1 => {
                    limit = (limit / 8).max(1);
                }
                Err(status) => return Err(failed(status)),
            }
        }
    }

    async fn commit(&self, txn: Txn) -> Result<Outcome, StoreError> {
        check::txn(&txn)?;
        let compare = txn.compares.iter().map(|compare| self.compare(compare));
        let request = TxnRequest {
            compare: compare.collect(),
            success: txn
                .writes
                .into_iter()
                .map(|write| self.write(write))
                .collect(),
        };
        // Never repeated: the first may have happened.
        let response: Result<TxnResponse, Status> =
            self.call("/etcdserverpb.KV/Txn", request, false).await;
        match response {
            Ok(response) if response.succeeded => Ok(Outcome::Committed(head(response.header)?)),
            Ok(_) => Ok(Outcome::Conflict),
            // The lease has ended.
            Err(status) if status.code() == Code::NotFound => Ok(Outcome::Conflict),
            Err(status) => Err(failed(status)),
        }
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        let link = self.links.separate().await.map_err(failed)?;
        let watch = EtcdWatch::begin(link, &self.root, prefix, after).await?;
        Ok(Box::new(watch))
    }

    async fn grant(&self, ttl_secs: u32) -> Result<LeaseId, StoreError> {
        let request = LeaseGrantRequest {
            ttl: i64::from(ttl_secs).max(1), // etcd takes no 0; it lasts no longer for that.
        };
        // A lease that nobody has heard of ends by itself, so it may be asked for twice.
        let granted = self.call("/etcdserverpb.Lease/LeaseGrant", request, true);
        let response: LeaseGrantResponse = granted.await.map_err(failed)?;
        Ok(LeaseId(response.id))
    }

    async fn renew(&self, lease: LeaseId) -> Result<bool, StoreError> {
        let mut is_last = false;
        loop {
            let link = self.links.current().await.map_err(failed)?;
            let requests = tokio_stream::once(LeaseKeepAliveRequest { id: lease.0 });
            let renewed = async {
                let mut stream = link
                    .streaming("/etcdserverpb.Lease/LeaseKeepAlive", requests)
                    .await?;
                let response: Option<LeaseKeepAliveResponse> = stream.message().await?;
                response.ok_or_else(|| Status::unavailable("etcd ended the stream"))
            };
            let response = timeout(limits::ETCD_READ_TIMEOUT, renewed)
                .await
                .unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")));
            match response {
                Ok(response) => return Ok(response.ttl > 0),
                Err(status) => {
                    // A node may call nothing but this: the next attempt is made elsewhere.
                    let is_broken = status.code() != Code::Unauthenticated;
                    self.links.discard(&link, is_broken).await;
                    if is_last {
                        return Err(failed(status));
                    }
                }
            }
            is_last = true;
        }
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        let request = LeaseRevokeRequest { id: lease.0 };
        let revoked = self.call("/etcdserverpb.Lease/LeaseRevoke", request, true);
        match revoked.await {
            Ok(Done {}) => Ok(()),
            Err(status) if status.code() == Code::NotFound => Ok(()),
            Err(status) => Err(failed(status)),
        }
    }
}

impl Etcd {
    fn compare(&self, compare: &Compare) -> messages::Compare {
        use messages::{RESULT_EQUAL, RESULT_GREATER, TARGET_CREATE, TARGET_MOD};
        let (key, result, target, union) = match compare {
            Compare::Absent(key) => (
                key,
                RESULT_EQUAL,
                TARGET_CREATE,
                TargetUnion::CreateRevision(0),
            ),
            Compare::Present(key) => (
                key,
                RESULT_GREATER,
                TARGET_CREATE,
                TargetUnion::CreateRevision(0),
            ),
            Compare::ModifiedAt(key, revision) => (
                key,
                RESULT_EQUAL,
                TARGET_MOD,
                TargetUnion::ModRevision(number(*revision)),
            ),
        };
        messages::Compare {
            result,
            target,
            key: self.key(key),
            target_union: Some(union),
        }
    }

    fn write(&self, write: Write) -> RequestOp {
        operation(match write {
            Write::Put { key, value, lease } => Request::Put(PutRequest {
                key: self.key(&key),
                value,
                lease: lease.map_or(0, |lease| lease.0),
            }),
            Write::Delete { key } => Request::DeleteRange(DeleteRangeRequest {
                key: self.key(&key),
            }),
        })
    }
}

fn operation(request: Request) -> RequestOp {
    RequestOp {
        request: Some(request),
    }
}

/// etcd takes no empty key; one zero byte is the first there is.
fn start(interval: &Interval) -> Vec<u8> {
    match interval.start.is_empty() {
        true => vec![0],
        false => interval.start.clone(),
    }
}

fn page(root: &str, response: RangeResponse) -> Result<Page, StoreError> {
    let documents = response.kvs.into_iter().map(|kv| document(root, kv));
    Ok(Page {
        documents: documents.collect::<Result<_, _>>()?,
        has_more: response.more,
        revision: head(response.header)?,
    })
}

fn document(root: &str, kv: KeyValue) -> Result<Document, StoreError> {
    Ok(Document {
        key: unrooted(root, &kv.key)?,
        value: kv.value,
        created: revision(kv.create_revision)?,
        modified: revision(kv.mod_revision)?,
    })
}

fn unrooted(root: &str, key: &[u8]) -> Result<String, StoreError> {
    std::str::from_utf8(key)
        .ok()
        .and_then(|key| key.strip_prefix(root))
        .map(str::to_owned)
        .ok_or_else(|| {
            let key = key.escape_ascii();
            StoreError::Damaged(format!(
                "etcd has key {key}, which is not UTF-8 under {root}"
            ))
        })
}

fn head(header: Option<ResponseHeader>) -> Result<Revision, StoreError> {
    let header = header
        .ok_or_else(|| StoreError::Damaged("etcd's answer does not name a revision".into()))?;
    revision(header.revision)
}

fn revision(number: i64) -> Result<Revision, StoreError> {
    u64::try_from(number)
        .map(Revision)
        .map_err(|_| StoreError::Damaged(format!("etcd names revision {number}")))
}

/// A revision as etcd writes it. None comes as far as the greatest.
fn number(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}

fn is_compacted(status: &Status) -> bool {
    status.code() == Code::OutOfRange && status.message().contains("compacted")
}

/// What etcd's errors mean to callers.
fn failed(status: Status) -> StoreError {
    let reason = format!("etcd: {}: {}", status.code(), link::causes(&status));
    match status.code() {
        Code::InvalidArgument if status.message().contains("too many operations") => {
            StoreError::TooLarge(format!(
                "{reason}; changes of many records at once need an etcd that is started with \
                 --max-txn-ops=2200"
            ))
        }
        Code::InvalidArgument => StoreError::TooLarge(reason),
        _ => StoreError::Unavailable(reason),
    }
}
