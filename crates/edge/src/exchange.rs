use std::rc::Rc;
use std::sync::Arc;

use cache::key::CacheKey;
use message::RequestHead;
use origin::{OriginRequest, Protocol, RequestBody};

use crate::accept_encoding::Encodings;
use crate::directory::Served;
use crate::forward::{Conditions, ForwardSource};
use crate::key::{KeyMaterial, KeySource};
use crate::site::{Behavior, Origin};
use crate::worker::Worker;
use crate::{RequestId, Viewer, grpc};

/// One viewer request on its way through the edge, after the stages that choose its behavior.
#[derive(Clone, Copy)]
pub(crate) struct Exchange<'a> {
    pub request: &'a RequestHead,
    pub viewer: &'a Viewer,
    pub served: &'a Arc<Served>,
    pub behavior_index: usize,
    /// The path after the default root object was put in.
    pub path: &'a [u8],
    pub encodings: Encodings,
    pub id: RequestId,
    /// When the request came, in milliseconds since 1970.
    pub now_ms: u64,
}

impl<'a> Exchange<'a> {
    pub fn behavior(&self) -> &'a Behavior {
        &self.served.site.behaviors[self.behavior_index]
    }

    pub fn now_secs(&self) -> u64 {
        self.now_ms / 1_000
    }

    /// Whether the answer may be stored and shared at all.
    pub fn is_cacheable(&self) -> bool {
        self.behavior().is_cacheable(self.request.method)
    }

    /// Whether it is a call of gRPC.
    pub fn is_grpc(&self) -> bool {
        grpc::is_call(self.request, self.behavior())
    }

    /// Whether simultaneous requests share one fetch.
    pub fn collapses(&self) -> bool {
        self.behavior().collapses(self.request)
    }

    /// The cache key, before variants.
    pub fn key(&self, worker: &Worker) -> CacheKey {
        let mut scratch = worker.scratch.borrow_mut();
        let (bytes, value) = &mut *scratch;
        let mut material = KeyMaterial {
            bytes: std::mem::take(bytes),
        };
        material.bytes.clear();
        let source = KeySource {
            distribution: &self.served.site.id,
            request: self.request,
            path: self.path,
            encodings: self.encodings,
            viewer: self.viewer,
        };
        self.behavior().key.write(source, value, &mut material);
        let key = worker.shared.hasher.key(&material.bytes);
        *bytes = material.bytes;
        key
    }

    pub fn forward_source<'s>(&'s self, worker: &'s Worker) -> ForwardSource<'s> {
        ForwardSource {
            request: self.request,
            viewer: self.viewer,
            encodings: self.encodings,
            request_id: &self.id,
            via: &worker.shared.via,
        }
    }

    /// The request as an origin gets it.
    pub fn compose(
        &self,
        worker: &Worker,
        origin: &Origin,
        conditions: &Conditions,
        body: RequestBody,
        upgrade: bool,
    ) -> OriginRequest {
        let forward = &self.behavior().forward;
        let scheme = origin.scheme(self.viewer.is_https());
        let host = origin.host_field(scheme);
        let source = self.forward_source(worker);
        let sni = self.request.host().filter(|_| forward.forwards_host());
        let mut fields = forward.fields(source, host.as_bytes(), conditions, &origin.custom_fields);
        let is_grpc = self.is_grpc();
        if is_grpc {
            grpc::forward(self.request, &mut fields);
        }
        OriginRequest {
            method: self.request.method,
            scheme,
            protocol: match is_grpc {
                true => Protocol::Http2,
                false => Protocol::Http1,
            },
            target: origin.target(self.path, self.request, forward),
            fields,
            sni: sni.map(|host| String::from_utf8_lossy(host).into_owned()),
            body,
            upgrade,
        }
    }

    /// The exchange for tasks that outlive the request.
    pub fn snapshot(&self) -> Rc<Snapshot> {
        Rc::new(Snapshot {
            request: self.request.clone(),
            viewer: self.viewer.clone(),
            served: Arc::clone(self.served),
            behavior_index: self.behavior_index,
            path: self.path.to_vec(),
            encodings: self.encodings,
            id: self.id,
            now_ms: self.now_ms,
        })
    }
}

/// An exchange that owns what it is about.
pub(crate) struct Snapshot {
    request: RequestHead,
    viewer: Viewer,
    pub served: Arc<Served>,
    behavior_index: usize,
    path: Vec<u8>,
    encodings: Encodings,
    id: RequestId,
    now_ms: u64,
}

impl Snapshot {
    pub fn exchange(&self) -> Exchange<'_> {
        Exchange {
            request: &self.request,
            viewer: &self.viewer,
            served: &self.served,
            behavior_index: self.behavior_index,
            path: &self.path,
            encodings: self.encodings,
            id: self.id,
            now_ms: self.now_ms,
        }
    }
}
