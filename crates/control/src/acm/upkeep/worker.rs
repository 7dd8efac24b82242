//! What all work on certificates has at hand, and how it asks the API for what is the API's.

use std::sync::Arc;
use std::time::Duration;

use acme::Account;
use bytes::Bytes;
use documents::Role;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use shapes::schema::Operation;
use store::{Revision, Store};
use tokio::sync::Mutex;

use super::claim::Claims;
use super::lookup::Cnames;
use crate::call::{Call, Origin};
use crate::identity::{Caller, Policy};
use crate::limits::CHALLENGE_SHOWN_MS_MAX;
use crate::nodes::Living;
use crate::{ApiError, Control};

/// The time, in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// In the audit record.
const SERVICE: &str = "acm.amazonaws.com";

/// How often nodes are asked whether they show a proof.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What all work on certificates has at hand.
pub struct Worker {
    pub control: Arc<Control>,
    pub clock: Clock,
    pub cnames: Arc<dyn Cnames>,
    pub claims: Claims,
    /// The account at the ACME server, and when it was put into the store.
    pub account: Mutex<Option<(Revision, Account)>>,
    /// Connections to responders.
    pub http: Client<HttpConnector, Full<Bytes>>,
    caller: Caller,
    origin: Origin,
    operation: &'static Operation,
}

impl Worker {
    /// Of an API.
    pub fn new(control: Arc<Control>, cnames: Arc<dyn Cnames>, clock: Clock) -> Worker {
        let account_id = &control.config.account_id;
        let operation = shapes::acm::SERVICE.operation("RenewCertificate");
        Worker {
            claims: Claims::new(Arc::clone(&control.store)),
            account: Mutex::default(),
            http: Client::builder(TokioExecutor::new()).build_http(),
            caller: Caller {
                access_key_id: String::new(),
                user_name: SERVICE.to_owned(),
                arn: format!(
                    "arn:aws:iam::{account_id}:role/aws-service-role/{SERVICE}/\
                     AWSServiceRoleForCertificateManager"
                ),
                policy: Policy::administrator(),
            },
            origin: Origin {
                address: std::net::Ipv4Addr::LOCALHOST.into(),
                user_agent: SERVICE.to_owned(),
                region: "us-east-1".to_owned(),
                request_id: String::new(),
                event_source: "route53.amazonaws.com",
            },
            operation: operation.expect("ACM's model has the operation"),
            control,
            cnames,
            clock,
        }
    }

    pub fn store(&self) -> &dyn Store {
        &*self.control.store
    }

    /// The time, in milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        (self.clock)()
    }

    /// A call of the service's own, for what is asked of calls.
    pub fn call(&self) -> Call<'_> {
        Call {
            control: &self.control,
            operation: self.operation,
            input: Value::Null,
            caller: &self.caller,
            origin: &self.origin,
            now_ms: self.now_ms(),
        }
    }

    /// An operation of Route 53's, in the name of the service: as everybody's it is checked,
    /// counted and recorded.
    pub async fn route53(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        let (caller, origin) = (&self.caller, &self.origin);
        let now_ms = self.now_ms();
        let answer = self
            .control
            .invoke(operation, input, caller, origin, now_ms);
        answer.await
    }

    /// Waits until all living nodes of a role have what was put, within bounds: a node that is
    /// stuck does not keep others from being asked.
    pub async fn shown(&self, role: Role, key: &str, revision: Revision) {
        let shown = async {
            loop {
                match Living::of(&self.call(), role).await {
                    Ok(nodes) if nodes.serve(key, revision) => return,
                    _ => tokio::time::sleep(LOOK_AGAIN).await,
                }
            }
        };
        let longest = Duration::from_millis(CHALLENGE_SHOWN_MS_MAX);
        if tokio::time::timeout(longest, shown).await.is_err() {
            tracing::warn!(
                key,
                "not all nodes have it yet; the ACME server is told all the same"
            );
        }
    }
}
