//! An API over an empty store, and what the tests say to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use control::identity::{Caller, Policy};
use control::{
    ApiError, Control, ControlConfig, LocalNode, Origin, SiteCheck, TestAnswer, TestQuestion,
};
use documents::{Node, Resource, Role, encode, keys};
use secrets::Secrets;
use serde_json::{Value, json};
use shapes::ShapeError;
use shapes::cloudfront::DistributionConfig;
use store::sqlite::Sqlite;
use store::{Document, Store, Txn};

/// An API and its store.
pub struct World {
    pub control: Control,
    pub store: Arc<dyn Store>,
    pub caller: Caller,
    /// Whose operations are called.
    event_source: &'static str,
    /// The time; every call takes a second.
    now_ms: AtomicU64,
}

/// Every site can be served, but for those whose comment, or an origin's domain name, begins with
/// `unserveable`.
struct Sites;

impl SiteCheck for Sites {
    fn check(
        &self,
        distribution: &Resource<DistributionConfig>,
        _: &[Document],
    ) -> Vec<ShapeError> {
        let config = &distribution.config;
        let origins = config.origins.items.iter();
        let mut texts = origins
            .map(|origin| &origin.domain_name)
            .chain([&config.comment]);
        if !texts.any(|text| text.starts_with("unserveable")) {
            return Vec::new();
        }
        vec![ShapeError {
            path: "DistributionConfig.Comment".to_owned(),
            message: "says that it cannot be served".to_owned(),
        }]
    }
}

/// It explains nothing, and answers questions by telling what was asked.
struct Echo;

impl LocalNode for Echo {
    fn explain(&self, _: &Value) -> Option<Result<Value, String>> {
        None
    }

    fn test_answer(&self, question: &TestQuestion) -> Option<TestAnswer> {
        Some(TestAnswer {
            response_code: "NOERROR".to_owned(),
            values: vec![format!("{question:?}")],
        })
    }
}

/// The config of an API that most tests are content with.
pub fn config() -> ControlConfig {
    ControlConfig {
        account_id: "123456789012".to_owned(),
        domain: "cdn.localhost".to_owned(),
        allow_private_health_checks: true,
        is_control: true,
        secrets: Arc::new(Secrets::new([7; 32])),
        acme: None,
        validate_certificates: false,
        buckets: None,
    }
}

impl World {
    pub fn new() -> World {
        World::of(config())
    }

    /// One of another config.
    pub fn of(config: ControlConfig) -> World {
        let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().unwrap());
        World {
            control: Control::new(Arc::clone(&store), config, Arc::new(Sites), Arc::new(Echo)),
            store,
            caller: Caller {
                access_key_id: "AKIAEXAMPLE".to_owned(),
                user_name: "root".to_owned(),
                arn: "arn:aws:iam::123456789012:root".to_owned(),
                policy: Policy::administrator(),
            },
            event_source: "cloudfront.amazonaws.com",
            now_ms: AtomicU64::new(1_790_000_000_000),
        }
    }

    /// Another node's API over the same store, of another config.
    pub fn beside(&self, config: ControlConfig) -> World {
        let store = Arc::clone(&self.store);
        World {
            control: Control::new(Arc::clone(&store), config, Arc::new(Sites), Arc::new(Echo)),
            store,
            caller: self.caller.clone(),
            event_source: self.event_source,
            now_ms: AtomicU64::new(self.now_ms.load(Ordering::Relaxed)),
        }
    }

    /// One whose operations are Route 53's.
    pub fn route53() -> World {
        World {
            event_source: "route53.amazonaws.com",
            ..World::new()
        }
    }

    /// One whose operations are Route 53's, of another config.
    pub fn with_config(config: ControlConfig) -> World {
        World {
            event_source: "route53.amazonaws.com",
            ..World::of(config)
        }
    }

    /// The time in milliseconds since 1970; a second passes.
    pub fn tick(&self) -> u64 {
        self.now_ms.fetch_add(1_000, Ordering::Relaxed)
    }

    /// Time passes.
    pub fn pass(&self, duration_ms: u64) {
        self.now_ms.fetch_add(duration_ms, Ordering::Relaxed);
    }

    /// What an operation gives; input and output as the AWS CLI has them.
    pub async fn call(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        let source = self.event_source;
        self.call_of(source, "us-east-1", operation, input).await
    }

    /// What an operation of ACM's gives, in a region.
    pub async fn acm(
        &self,
        region: &str,
        operation: &str,
        input: Value,
    ) -> Result<Value, ApiError> {
        let source = "acm.amazonaws.com";
        self.call_of(source, region, operation, input).await
    }

    async fn call_of(
        &self,
        event_source: &'static str,
        region: &str,
        operation: &str,
        input: Value,
    ) -> Result<Value, ApiError> {
        let origin = Origin {
            address: "127.0.0.1".parse().unwrap(),
            user_agent: "test".to_owned(),
            region: region.to_owned(),
            request_id: "request".to_owned(),
            event_source,
        };
        let now_ms = self.tick();
        let caller = &self.caller;
        let answer = self
            .control
            .invoke(operation, input, caller, &origin, now_ms);
        answer.await
    }

    /// What an operation gives that must succeed.
    pub async fn ok(&self, operation: &str, input: Value) -> Value {
        match self.call(operation, input).await {
            Ok(output) => output,
            Err(error) => panic!(
                "{operation}: {} {}: {}",
                error.status, error.code, error.message
            ),
        }
    }

    /// Status and code of an operation that must fail.
    pub async fn fail(&self, operation: &str, input: Value) -> (u16, String) {
        match self.call(operation, input).await {
            Ok(output) => panic!("{operation} succeeds: {output}"),
            Err(error) => (error.status, error.code.to_string()),
        }
    }

    /// Status, code and message of an operation that must fail.
    pub async fn refusal(&self, operation: &str, input: Value) -> (u16, String, String) {
        match self.call(operation, input).await {
            Ok(output) => panic!("{operation} succeeds: {output}"),
            Err(error) => (error.status, error.code.to_string(), error.message),
        }
    }

    /// A living edge that has applied everything up to a revision.
    pub async fn edge(&self, id: &str, applied: u64) {
        self.node(id, Role::Edge, applied).await;
    }

    /// A living node of a role that has applied everything up to a revision.
    pub async fn node(&self, id: &str, role: Role, applied: u64) {
        let node = Node {
            id: id.to_owned(),
            roles: vec![role],
            pop: "LOC1-C1".to_owned(),
            region: None,
            http: Vec::new(),
            started_ms: 0,
            applied,
            refused: Default::default(),
        };
        let txn = Txn::new().put(keys::node(id), encode(&node));
        self.store.commit(txn).await.unwrap();
    }

    /// A distribution of one origin; gives its output.
    pub async fn distribution(&self, caller_reference: &str) -> Value {
        let input = json!({ "DistributionConfig": distribution(caller_reference) });
        self.ok("CreateDistribution", input).await
    }
}

/// A config with all that the API requires, and no more.
pub fn distribution(caller_reference: &str) -> Value {
    json!({
        "CallerReference": caller_reference,
        "Comment": "",
        "Enabled": true,
        "Origins": { "Quantity": 1, "Items": [{
            "Id": "o", "DomainName": "origin.example.com",
            "CustomOriginConfig": {
                "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only",
            },
        }]},
        "DefaultCacheBehavior": {
            "TargetOriginId": "o",
            "ViewerProtocolPolicy": "allow-all",
            "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
        },
    })
}
