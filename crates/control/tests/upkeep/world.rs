//! An API with its upkeep over a store, and a clock that can be moved.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use certificates::Certificate as X509;
use control::identity::{Caller, Policy};
use control::{CertificateUpkeep, Cnames, Control, ControlConfig, LocalNode, Origin, SiteCheck};
use documents::acm::{self as forms, Certificate};
use documents::tls::{self, Material};
use documents::{Resource, decode, route53};
use secrets::Secrets;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shapes::ShapeError;
use shapes::cloudfront::DistributionConfig;
use store::sqlite::Sqlite;
use store::{Document, Event, Range, Revision, Store};
use tokio::task::JoinHandle;

/// Longest wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

struct Sites;

impl SiteCheck for Sites {
    fn check(&self, _: &Resource<DistributionConfig>, _: &[Document]) -> Vec<ShapeError> {
        Vec::new()
    }
}

struct Nobody;

impl LocalNode for Nobody {
    fn explain(&self, _: &Value) -> Option<Result<Value, String>> {
        None
    }
}

/// CNAME records of the world.
#[derive(Default)]
pub struct Records(pub Mutex<HashMap<String, String>>);

#[async_trait]
impl Cnames for Records {
    async fn cname(&self, name: &str) -> Option<String> {
        self.0.lock().unwrap().get(name).cloned()
    }
}

/// An API, and what looks after its certificates.
pub struct World {
    pub control: Arc<Control>,
    pub store: Arc<dyn Store>,
    pub secrets: Arc<Secrets>,
    pub records: Arc<Records>,
    /// Milliseconds that the clock is ahead of the machine's.
    ahead_ms: Arc<AtomicU64>,
    upkeeps: Vec<JoinHandle<()>>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.upkeeps.iter().for_each(JoinHandle::abort);
    }
}

pub fn store() -> Arc<dyn Store> {
    Arc::new(Sqlite::in_memory().unwrap())
}

/// Without an ACME server, and without validation.
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

pub fn validating() -> ControlConfig {
    ControlConfig {
        validate_certificates: true,
        ..config()
    }
}

fn machine_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_millis() as u64
}

impl World {
    /// With one upkeep.
    pub fn new(config: ControlConfig) -> World {
        let mut world = World::idle(config, store());
        world.look_after();
        world
    }

    /// Nobody looks after its certificates yet.
    pub fn idle(config: ControlConfig, store: Arc<dyn Store>) -> World {
        let secrets = Arc::clone(&config.secrets);
        let control = Control::new(
            Arc::clone(&store),
            config,
            Arc::new(Sites),
            Arc::new(Nobody),
        );
        World {
            control: Arc::new(control),
            store,
            secrets,
            records: Arc::default(),
            ahead_ms: Arc::default(),
            upkeeps: Vec::new(),
        }
    }

    /// One more node looks after them.
    pub fn look_after(&mut self) {
        let ahead_ms = Arc::clone(&self.ahead_ms);
        let clock = move || machine_ms() + ahead_ms.load(Ordering::Relaxed);
        let cnames = Arc::clone(&self.records) as Arc<dyn Cnames>;
        let upkeep = CertificateUpkeep::new(Arc::clone(&self.control), cnames, clock);
        self.upkeeps.push(tokio::spawn(upkeep.run()));
    }

    pub fn now_ms(&self) -> u64 {
        machine_ms() + self.ahead_ms.load(Ordering::Relaxed)
    }

    /// The clock goes on at once.
    pub fn pass(&self, ms: u64) {
        self.ahead_ms.fetch_add(ms, Ordering::Relaxed);
    }

    pub async fn call(&self, event_source: &'static str, operation: &str, input: Value) -> Value {
        let origin = Origin {
            address: "127.0.0.1".parse().unwrap(),
            user_agent: "test".to_owned(),
            region: "us-east-1".to_owned(),
            request_id: "request".to_owned(),
            event_source,
        };
        let caller = Caller {
            access_key_id: "AKIAEXAMPLE".to_owned(),
            user_name: "root".to_owned(),
            arn: "arn:aws:iam::123456789012:root".to_owned(),
            policy: Policy::administrator(),
        };
        let now_ms = self.now_ms();
        let answer = self
            .control
            .invoke(operation, input, &caller, &origin, now_ms);
        match answer.await {
            Ok(output) => output,
            Err(error) => panic!("{operation}: {}: {}", error.code, error.message),
        }
    }

    pub async fn acm(&self, operation: &str, input: Value) -> Value {
        self.call("acm.amazonaws.com", operation, input).await
    }

    pub async fn route53(&self, operation: &str, input: Value) -> Value {
        self.call("route53.amazonaws.com", operation, input).await
    }

    /// The ARN of a certificate that is asked for.
    pub async fn request(&self, names: &[&str]) -> String {
        let input = json!({
            "DomainName": names[0], "SubjectAlternativeNames": names, "ValidationMethod": "DNS",
            "KeyAlgorithm": "EC_prime256v1",
        });
        let output = self.acm("RequestCertificate", input).await;
        output["CertificateArn"].as_str().unwrap().to_owned()
    }

    pub async fn describe(&self, arn: &str) -> Value {
        let input = json!({ "CertificateArn": arn });
        self.acm("DescribeCertificate", input).await["Certificate"].clone()
    }

    /// The records that validate a certificate's names: names and values.
    pub async fn validations(&self, arn: &str) -> Vec<(String, String)> {
        let told = self.describe(arn).await;
        let options = told["DomainValidationOptions"].as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let records = options.iter().map(|option| &option["ResourceRecord"]);
        records
            .map(|record| (text(&record["Name"]), text(&record["Value"])))
            .collect()
    }

    /// The id of a new public zone.
    pub async fn zone(&self, name: &str) -> String {
        let input = json!({ "Name": name, "CallerReference": name });
        let told = self.route53("CreateHostedZone", input).await;
        let id = told["HostedZone"]["Id"].as_str().unwrap();
        id.strip_prefix("/hostedzone/").unwrap().to_owned()
    }

    /// Changes a record set of a zone.
    pub async fn change(&self, zone: &str, action: &str, kind: &str, name: &str, values: &[&str]) {
        let records: Vec<Value> = values
            .iter()
            .map(|value| json!({ "Value": value }))
            .collect();
        let input = json!({ "HostedZoneId": zone, "ChangeBatch": { "Changes": [{
            "Action": action,
            "ResourceRecordSet": {
                "Name": name, "Type": kind, "TTL": 300, "ResourceRecords": records,
            },
        }] } });
        self.route53("ChangeResourceRecordSets", input).await;
    }

    pub async fn read<T: DeserializeOwned>(&self, key: &str) -> Option<(T, Revision)> {
        let document = self.store.get(key).await.unwrap()?;
        Some((decode(key, &document.value).unwrap(), document.modified))
    }

    pub async fn keys(&self, prefix: &str) -> Vec<String> {
        let range = Range {
            prefix: prefix.to_owned(),
            ..Range::default()
        };
        let found = self.store.list(range).await.unwrap().documents;
        found.into_iter().map(|document| document.key).collect()
    }

    pub async fn certificate(&self, id: &str) -> Certificate {
        self.read(&forms::certificate(id)).await.unwrap().0
    }

    /// The certificate that is served, and its chain.
    pub async fn served(&self, id: &str) -> (X509, Material) {
        let key = tls::key(tls::CERTIFICATE, id);
        let (material, _) = self.read::<Material>(&key).await.unwrap();
        (X509::from_pem(&material.chain_pem).unwrap(), material)
    }

    /// Waits until a document is as it must be, and gives it.
    pub async fn until<T: DeserializeOwned>(&self, key: &str, is: impl Fn(&T) -> bool) -> T {
        let waiting = async {
            let mut watch = self.store.watch(key, Revision(0)).await.unwrap();
            loop {
                if let Some((value, _)) = self.read::<T>(key).await
                    && is(&value)
                {
                    return value;
                }
                watch.next().await.unwrap();
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(value) => value,
            Err(_) => {
                let document = self.store.get(key).await.unwrap();
                let text = document.map(|document| document.value);
                panic!("{key} stays as it is: {text:?}")
            }
        }
    }

    /// All that a document has been, up to now.
    pub async fn history<T: DeserializeOwned>(&self, key: &str) -> Vec<T> {
        let (_, last) = self.read::<Value>(key).await.unwrap();
        let mut watch = self.store.watch(key, Revision(0)).await.unwrap();
        let (mut all, mut seen) = (Vec::new(), Revision(0));
        while seen < last {
            for batch in watch.next().await.unwrap() {
                seen = batch.revision;
                for event in batch.events {
                    if let Event::Put(document) = event {
                        all.push(decode(key, &document.value).unwrap());
                    }
                }
            }
        }
        all
    }

    /// Waits until there is nothing any more under a prefix.
    pub async fn until_empty(&self, prefix: &str) {
        let waiting = async {
            let mut watch = self.store.watch(prefix, Revision(0)).await.unwrap();
            while !self.keys(prefix).await.is_empty() {
                watch.next().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "{:?} stay", self.keys(prefix).await);
    }

    /// Waits until a certificate is in a state.
    pub async fn until_state(&self, id: &str, state: forms::State) -> Certificate {
        let key = forms::certificate(id);
        self.until(&key, |found: &Certificate| found.state == state)
            .await
    }

    /// How many record sets a zone counts, and how many it has.
    pub async fn record_sets(&self, zone: &str) -> (u64, usize) {
        let key = route53::zone_state(zone);
        let (state, _) = self.read::<route53::ZoneState>(&key).await.unwrap();
        let keys = self.keys(&route53::records(zone)).await;
        (state.record_set_count, keys.len())
    }
}

/// The id of a certificate by its ARN.
pub fn id(arn: &str) -> String {
    tls::certificate_id(arn).unwrap()
}
