//! Requests as AWS's clients send them: written by the model, signed for several regions.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use control::identity::{AccessKey, install_root_key, new_root_key};
use http::Response;
use serde_json::Value;
use shapes::schema::Operation;
use sigv4::{Algorithm, Dialect, Request, Signer};

use crate::world::World;

/// A client of one service, with the root's key.
pub struct Client {
    key: AccessKey,
    service: &'static str,
    /// The time; every request takes a second.
    now_ms: AtomicU64,
}

impl Client {
    pub async fn new(world: &World, service: &'static str) -> Client {
        let now_ms = 1_790_000_000_000;
        let key = new_root_key(now_ms);
        assert!(install_root_key(&*world.store, &key).await.unwrap());
        Client {
            key,
            service,
            now_ms: AtomicU64::new(now_ms),
        }
    }

    /// The answer to a request for an operation.
    pub async fn send(
        &self,
        world: &World,
        operation: &'static Operation,
        input: &Value,
    ) -> Response<Bytes> {
        let request = shapes::rest::write_request(operation, input);
        let parts = request.target.split_once('?');
        let (path, query) = parts.unwrap_or((&request.target, ""));
        let mut headers: Vec<(&str, &[u8])> = vec![("host", b"localhost:4566")];
        let own = request.headers.iter();
        headers.extend(own.map(|(name, value)| (name.as_str(), value.as_bytes())));
        let signed = Request {
            method: request.method,
            path,
            query,
            headers: &headers,
            body: &request.body,
        };
        let signer = Signer {
            algorithm: Algorithm::EcdsaP256Sha256,
            dialect: Dialect::Common,
            access_key_id: &self.key.id,
            secret: &self.key.secret,
            session_token: None,
            region: "*",
            service: self.service,
        };
        let now_ms = self.now_ms.fetch_add(1_000, Ordering::Relaxed);
        let added = signer.sign(&signed, now_ms / 1_000).unwrap();
        headers.extend(added.iter().map(|(name, value)| (*name, value.as_bytes())));
        let sent = http::Request::builder()
            .method(request.method)
            .uri(&request.target);
        let sent = headers
            .into_iter()
            .fold(sent, |sent, (name, value)| sent.header(name, value));
        let sent = sent.body(Bytes::from(request.body)).unwrap();
        let peer = "127.0.0.1".parse().unwrap();
        world.control.handle(sent, peer, now_ms).await
    }
}
