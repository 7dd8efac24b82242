//! A service over an empty disk, and those who ask it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use buckets::api::{Claim, Domains, Key, Keyring, Registry, Sender, Service, ServiceConfig, Who};
use buckets::disk::Disk;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use iam::Policy;
use sigv4::{Algorithm, Dialect, Signer};

pub const ACCOUNT: &str = "123456789012";
pub const HOST: &str = "localhost:4566";

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Without a signature.
    Anybody,
    /// By the account's key.
    Root,
    /// By the key of a user who may read alone.
    Reader,
    /// CloudFront for the distribution `E1`.
    Distribution,
    /// CloudFront for the distribution `E2`.
    OtherDistribution,
    /// By the origin access identity `O1`.
    Identity,
    /// By a key that nobody has.
    Stranger,
}

impl By {
    pub fn access_key_id(self) -> &'static str {
        match self {
            By::Anybody => "",
            By::Root => "AKIAROOT",
            By::Reader => "AKIAREADER",
            By::Distribution => "CFOACE1",
            By::OtherDistribution => "CFOACE2",
            By::Identity => "CFOAIO1",
            By::Stranger => "AKIASTRANGER",
        }
    }
}

const SECRET: &str = "secret";

struct Keys;

#[async_trait]
impl Keyring for Keys {
    async fn find(&self, access_key_id: &str) -> Result<Option<Key>, String> {
        let service = |id: &str| Who::Service {
            source_arn: format!("arn:aws:cloudfront::{ACCOUNT}:distribution/{id}"),
            source_account: ACCOUNT.to_owned(),
        };
        let reading = r#"{"Version": "2012-10-17", "Statement":
            {"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"], "Resource": "*"}}"#;
        let who = match access_key_id {
            "AKIAROOT" => Who::Account(Policy::administrator()),
            "AKIAREADER" => Who::User("reader".to_owned(), Policy::parse(reading).unwrap()),
            "CFOACE1" => service("E1"),
            "CFOACE2" => service("E2"),
            "CFOAIO1" => Who::Identity("O1".to_owned()),
            _ => return Ok(None),
        };
        let secret = SECRET.to_owned();
        Ok(Some(Key { secret, who }))
    }
}

/// Names of buckets: those in it from the start are another node's.
#[derive(Default)]
pub struct Names(Mutex<BTreeMap<String, bool>>);

#[async_trait]
impl Registry for Names {
    async fn claim(&self, bucket: &str, _: &str) -> Result<Claim, String> {
        let mut names = self.0.lock().unwrap();
        Ok(match *names.entry(bucket.to_owned()).or_insert(true) {
            true => Claim::Ours,
            false => Claim::Elsewhere,
        })
    }

    async fn release(&self, bucket: &str) -> Result<(), String> {
        self.0.lock().unwrap().remove(bucket);
        Ok(())
    }
}

pub struct World {
    pub service: Service,
    pub names: Arc<Names>,
    _directory: tempfile::TempDir,
}

/// An answer, whole.
#[derive(Debug)]
pub struct Told {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl Told {
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What stands in the first element of that name.
    pub fn element(&self, name: &str) -> String {
        let text = self.text();
        let found = text.split_once(&format!("<{name}>"));
        let found = found.and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
        found.map_or(String::new(), |(value, _)| value.to_owned())
    }

    /// Status and code of an error.
    pub fn refusal(&self) -> (u16, String) {
        (self.status, self.element("Code"))
    }
}

pub fn now_secs() -> u64 {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    now.as_secs()
}

/// A request.
pub struct Ask<'a> {
    pub by: By,
    pub method: &'a str,
    pub host: &'a str,
    pub target: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

impl World {
    pub fn new() -> World {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::open(directory.path(), 0).unwrap();
        let names = Arc::new(Names::default());
        let config = ServiceConfig {
            account_id: ACCOUNT.to_owned(),
            default_region: "us-east-1".to_owned(),
            domains: Domains::new(""),
            patience: Duration::from_secs(30),
        };
        let registry = Arc::clone(&names) as Arc<dyn Registry>;
        World {
            service: Service::new(disk, Arc::new(Keys), registry, config),
            names,
            _directory: directory,
        }
    }

    /// With the bucket `site`, which has `index.html` and `docs/a b.txt`.
    pub async fn with_site() -> World {
        let world = World::new();
        assert_eq!(world.ask(By::Root, "PUT", "/site", b"").await.status, 200);
        for (key, body) in [
            ("index.html", "<h1>hi</h1>"),
            ("docs/a%20b.txt", "0123456789"),
        ] {
            let target = format!("/site/{key}");
            let put = world.ask(By::Root, "PUT", &target, body.as_bytes());
            assert_eq!(put.await.status, 200);
        }
        world
    }

    pub fn taken_elsewhere(&self, name: &str) {
        let mut names = self.names.0.lock().unwrap();
        names.insert(name.to_owned(), false);
    }

    pub async fn ask(&self, by: By, method: &str, target: &str, body: &[u8]) -> Told {
        self.ask_with(by, method, target, &[], body).await
    }

    pub async fn ask_with(
        &self,
        by: By,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Told {
        let host = HOST;
        self.send(&Ask {
            by,
            method,
            host,
            target,
            headers,
            body,
        })
        .await
    }

    pub async fn send(&self, ask: &Ask<'_>) -> Told {
        let (path, query) = ask.target.split_once('?').unwrap_or((ask.target, ""));
        let mut fields = vec![("host", ask.host.as_bytes())];
        fields.extend(
            ask.headers
                .iter()
                .map(|(name, value)| (*name, value.as_bytes())),
        );
        let mut added = Vec::new();
        if ask.by != By::Anybody {
            let request = sigv4::Request {
                method: ask.method,
                path,
                query,
                headers: &fields,
                body: ask.body,
            };
            added = signer(ask.by).sign(&request, now_secs()).unwrap();
        }
        let mut request = Request::builder().method(ask.method).uri(ask.target);
        for (name, value) in &fields {
            request = request.header(*name, *value);
        }
        for (name, value) in &added {
            request = request.header(*name, value);
        }
        if !ask.body.is_empty() {
            request = request.header("content-length", ask.body.len());
        }
        let body = Full::new(Bytes::copy_from_slice(ask.body));
        self.handle(request.body(body).unwrap()).await
    }

    pub async fn handle(&self, request: Request<Full<Bytes>>) -> Told {
        let sender = Sender {
            address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
            now_ms: now_secs() * 1_000,
        };
        let response: Response<buckets::api::Body> = self.service.handle(request, sender).await;
        let (parts, body) = response.into_parts();
        Told {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// Sets a bucket's policy, and no longer blocks public ones.
    pub async fn set_policy(&self, statements: &str) {
        let open = self
            .ask(By::Root, "DELETE", "/site?publicAccessBlock", b"")
            .await;
        assert_eq!(open.status, 204);
        let put = self.put_policy(statements).await;
        assert_eq!(put.status, 204, "{}", put.text());
    }

    pub async fn put_policy(&self, statements: &str) -> Told {
        let policy = format!(r#"{{"Version": "2012-10-17", "Statement": [{statements}]}}"#);
        self.ask(By::Root, "PUT", "/site?policy", policy.as_bytes())
            .await
    }

    pub async fn status(&self, by: By, method: &str, target: &str) -> u16 {
        self.ask(by, method, target, b"").await.status
    }
}

pub fn signer(by: By) -> Signer<'static> {
    Signer {
        algorithm: Algorithm::HmacSha256,
        dialect: Dialect::S3,
        access_key_id: by.access_key_id(),
        secret: SECRET,
        session_token: None,
        region: "eu-central-1",
        service: "s3",
    }
}

/// Anybody may read the site's objects.
pub const PUBLIC: &str = r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::site/*"}"#;

/// The distribution `E1` may, as AWS's console writes it.
pub const OAC: &str = r#"{"Sid": "AllowCloudFrontServicePrincipal", "Effect": "Allow",
    "Principal": {"Service": "cloudfront.amazonaws.com"}, "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::site/*", "Condition": {"StringEquals":
    {"AWS:SourceArn": "arn:aws:cloudfront::123456789012:distribution/E1"}}}"#;
