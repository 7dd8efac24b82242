//! One call: an operation of a service, what it was given, and by whom.

use std::net::IpAddr;
use std::pin::Pin;

use serde::Serialize;
use serde_json::Value;
use shapes::Structure;
use shapes::schema::Operation;
use store::{Document, Outcome, Range, Revision, Store};

use crate::change::Change;
use crate::error::{ApiError, Failure};
use crate::identity::{Caller, Circumstances};
use crate::{Control, audit, limits};

/// One call on its way.
pub struct Call<'a> {
    /// The API.
    pub control: &'a Control,
    /// Which operation.
    pub operation: &'static Operation,
    /// What it was given, in the JSON form of the operation's input; types are checked.
    pub input: Value,
    /// Who calls.
    pub caller: &'a Caller,
    /// About the request, for the audit record.
    pub origin: &'a Origin,
    /// When it came, in milliseconds since 1970.
    pub now_ms: u64,
}

/// Where a call came from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The client's address.
    pub address: IpAddr,
    /// Its `User-Agent`.
    pub user_agent: String,
    /// `us-east-1`, as its signature says.
    pub region: String,
    /// The id of this request.
    pub request_id: String,
    /// `cloudfront.amazonaws.com`.
    pub event_source: &'static str,
}

/// What a call gives back: the operation's output, in JSON form.
#[derive(Debug)]
pub struct Reply {
    /// Members of the output shape; those that travel in headers included.
    pub output: Value,
    /// Headers besides.
    pub headers: Vec<(&'static str, String)>,
}

impl Reply {
    /// An output.
    pub fn of(output: &impl Serialize) -> Reply {
        Reply {
            output: serde_json::to_value(output).expect("shapes are JSON"),
            headers: Vec::new(),
        }
    }

    /// Nothing but success.
    pub fn empty() -> Reply {
        Reply {
            output: Value::Object(serde_json::Map::new()),
            headers: Vec::new(),
        }
    }

    /// Adds a header that the model does not have.
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }
}

/// What becomes of a call.
pub type Answer = Result<Reply, Failure>;

/// A call under way.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

impl<'a> Call<'a> {
    /// The store.
    pub fn store(&self) -> &'a dyn Store {
        &*self.control.store
    }

    /// The input as its struct.
    pub fn input<T: Structure>(&self) -> Result<T, Failure> {
        let read = shapes::from_value(&self.input);
        read.map_err(|error| ApiError::common("MalformedXML", 400, error.to_string()).into())
    }

    /// A text member of the input, such as an id in the path.
    pub fn text(&self, member: &str) -> Option<&str> {
        self.input.get(member)?.as_str()
    }

    /// Refuses what the caller's policy does not allow.
    pub fn permit(&self, action: &str, resource: &str) -> Result<(), ApiError> {
        let circumstances = Circumstances {
            account_id: &self.control.config.account_id,
            origin: self.origin,
            now_ms: self.now_ms,
        };
        self.caller.permit(action, resource, &circumstances)
    }

    /// Every document under a prefix, in the order of keys.
    pub async fn list_all(&self, prefix: &str) -> Result<Vec<Document>, Failure> {
        let mut all: Vec<Document> = Vec::new();
        loop {
            let range = Range {
                prefix: prefix.to_owned(),
                after: all.last().map(|document| document.key.clone()),
                limit: store::limits::PAGE_DOCUMENTS_MAX,
                is_descending: false,
            };
            let page = self.store().list(range).await?;
            all.extend(page.documents);
            if !page.has_more || all.len() >= limits::COLLECTION_ITEMS_MAX {
                return Ok(all);
            }
        }
    }

    /// Commits a change together with its audit record. If what it was based on does not hold any
    /// more, the call is run again.
    pub async fn commit(&self, change: Change) -> Result<Revision, Failure> {
        let change = audit::record(self, change);
        match self.store().commit(change.into_txn()).await? {
            Outcome::Committed(revision) => {
                audit::sweep(self.control, self.now_ms).await;
                Ok(revision)
            }
            Outcome::Conflict => Err(Failure::Conflict),
        }
    }
}
