//! Requests as clients sign and send them, and what is answered.

use ::http::{HeaderMap, Request};
use bytes::Bytes;
use control::identity::{AccessKey, install_root_key, new_root_key};
use serde_json::{Value, json};
use shapes::rest;
use shapes::schema::Service;
use sigv4::{Algorithm, Dialect, Signer};
use store::Range;

use crate::world::World;

/// A request, before it is signed.
#[derive(Clone)]
pub struct Ask {
    pub service: &'static str,
    pub method: &'static str,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// An answer.
pub struct Told {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Ask {
    pub fn new(service: &'static str, method: &'static str, target: &str, body: &str) -> Ask {
        Ask {
            service,
            method,
            target: target.to_owned(),
            headers: vec![("Host".to_owned(), "localhost:4566".to_owned())],
            body: body.as_bytes().to_vec(),
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Ask {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// An operation of CloudFront's, input as the AWS CLI takes it.
    pub fn cloudfront(operation: &str, input: Value) -> Ask {
        Ask::rest("cloudfront", &shapes::cloudfront::SERVICE, operation, input)
    }

    /// An operation of Route 53's.
    pub fn route53(operation: &str, input: Value) -> Ask {
        Ask::rest("route53", &shapes::route53::SERVICE, operation, input)
    }

    fn rest(name: &'static str, model: &'static Service, operation: &str, input: Value) -> Ask {
        let operation = model.operation(operation).unwrap();
        let request = rest::write_request(operation, &input);
        let mut ask = Ask::new(name, request.method, &request.target, "");
        ask.headers.extend(request.headers);
        ask.body = request.body;
        ask
    }

    /// An operation of a service that speaks AWS's JSON protocol.
    pub fn json(service: &'static str, operation: &str, input: Value) -> Ask {
        let prefix = match service {
            "acm" => "CertificateManager",
            "cloudtrail" => "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101",
            _ => "Warmfront",
        };
        Ask::new(service, "POST", "/", &input.to_string())
            .header("Content-Type", "application/x-amz-json-1.1")
            .header("X-Amz-Target", &format!("{prefix}.{operation}"))
    }

    /// A call in the query protocol.
    pub fn form(service: &'static str, form: &str) -> Ask {
        Ask::new(service, "POST", "/", form)
            .header("Content-Type", "application/x-www-form-urlencoded")
    }

    /// The request as it is without a signature.
    pub fn unsigned(&self) -> Request<Bytes> {
        let mut request = Request::builder().method(self.method).uri(&self.target);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Bytes::from(self.body.clone())).unwrap()
    }

    pub fn signed(&self, key: &AccessKey, now_secs: u64) -> Request<Bytes> {
        let headers: Vec<(&str, &[u8])> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let parts = sigv4::Request {
            method: self.method,
            path,
            query,
            headers: &headers,
            body: &self.body,
        };
        let signer = Signer {
            algorithm: Algorithm::HmacSha256,
            dialect: Dialect::Common,
            access_key_id: &key.id,
            secret: &key.secret,
            session_token: None,
            region: "us-east-1",
            service: self.service,
        };
        let mut request = self.unsigned();
        for (name, value) in signer.sign(&parts, now_secs).unwrap() {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        request
    }
}

impl Told {
    /// Status and code of an error.
    pub fn error(&self) -> (u16, String) {
        let code = match serde_json::from_str::<Value>(&self.text) {
            Ok(value) => value["__type"].as_str().map(str::to_owned),
            Err(_) => self.element("Code").map(str::to_owned),
        };
        let code = code.unwrap_or_else(|| panic!("no error: {}", self.text));
        (self.status, code)
    }

    /// What is in the first XML element of that name.
    pub fn element(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0)
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        serde_json::from_str(&self.text).unwrap()
    }
}

impl World {
    /// The key that the first start makes.
    pub async fn root(&self) -> AccessKey {
        let key = new_root_key(self.tick());
        assert!(install_root_key(&*self.store, &key).await.unwrap());
        key
    }

    /// A key of a policy: a name, or a document.
    pub async fn key(&self, root: &AccessKey, user: &str, policy: Value) -> AccessKey {
        let input = json!({ "UserName": user, "Policy": policy });
        let made = self
            .ask(&Ask::json("warmfront", "CreateAccessKey", input), root)
            .await;
        let made = made.json()["AccessKey"].clone();
        AccessKey {
            id: made["AccessKeyId"].as_str().unwrap().to_owned(),
            secret: made["SecretAccessKey"].as_str().unwrap().to_owned(),
            ..root.clone()
        }
    }

    /// Signs and sends, at the same second.
    pub async fn ask(&self, ask: &Ask, key: &AccessKey) -> Told {
        let now_ms = self.tick();
        self.send(ask.signed(key, now_ms / 1_000), now_ms).await
    }

    pub async fn send(&self, request: Request<Bytes>, now_ms: u64) -> Told {
        let peer = "192.0.2.7".parse().unwrap();
        let answer = self.control.handle(request, peer, now_ms).await;
        let (parts, body) = answer.into_parts();
        Told {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// Everything in the store under a prefix, as one text.
    pub async fn content(&self, prefix: &str) -> String {
        let range = Range {
            prefix: prefix.to_owned(),
            ..Range::default()
        };
        let page = self.store.list(range).await.unwrap();
        assert!(!page.has_more);
        let lines = page.documents.iter().map(|document| {
            let value = String::from_utf8_lossy(&document.value);
            format!("{}@{} {value}\n", document.key, document.modified)
        });
        lines.collect()
    }

    /// Everything but the audit record.
    pub async fn state(&self) -> String {
        let all = self.content("").await;
        let lines = all.lines().filter(|line| !line.starts_with("audit/"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// CloudTrail's events, the newest first.
    pub async fn events(&self, key: &AccessKey, input: Value) -> Value {
        let told = self
            .ask(&Ask::json("cloudtrail", "LookupEvents", input), key)
            .await;
        told.json()
    }
}

/// A cache policy's config with all that the API requires.
pub fn cache_policy(name: &str) -> Value {
    json!({
        "Name": name,
        "MinTTL": 1,
        "ParametersInCacheKeyAndForwardedToOrigin": {
            "EnableAcceptEncodingGzip": false,
            "HeadersConfig": { "HeaderBehavior": "none" },
            "CookiesConfig": { "CookieBehavior": "none" },
            "QueryStringsConfig": { "QueryStringBehavior": "none" },
        },
    })
}
