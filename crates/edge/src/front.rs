//! What the listeners of all protocols have in common: from a request's head to its site, and what
//! is told of an exchange when it is over.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use message::http1::RequestError;
use message::{Fields, Known, Method, RequestHead, Version};
use telemetry::access_log::{DetailedResult, HttpVersion, Protocol, Record, ResultType};
use telemetry::metrics::RejectReason;

use crate::directory::{Directory, Served, without_port};
use crate::error_page::Cause;
use crate::pipeline;
use crate::reply::{Body, Reply};
use crate::site::Site;
use crate::worker::Worker;
use crate::{RequestId, Viewer};

type Swapped = Arc<arc_swap::ArcSwap<Directory>>;

/// The directory, host and site of the request before: mostly the next one's too.
type Last = (Arc<Directory>, Vec<u8>, Arc<Served>);

/// One viewer's connection, whatever protocol it speaks.
pub(crate) struct Front {
    pub worker: Rc<Worker>,
    pub viewer: Viewer,
    /// Who answered the handshake, over TLS.
    host: Option<Arc<tls::Host>>,
    directory: RefCell<arc_swap::Cache<Swapped, Arc<Directory>>>,
    last: RefCell<Option<Last>>,
}

/// The site that serves a request.
pub(crate) struct Found {
    pub served: Arc<Served>,
    /// The cookie that keeps the viewer at a staging distribution.
    pub set_cookie: Option<String>,
}

/// Why a request belongs to no site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub status: u16,
    pub cause: Cause,
    pub reason: RejectReason,
}

impl Refused {
    /// Nobody has this host.
    pub const UNKNOWN_HOST: Refused = Refused {
        status: 403,
        cause: Cause::UnknownHost,
        reason: RejectReason::UnknownHost,
    };

    /// The host is another one's than whose certificate the viewer has seen (RFC 9110 §15.5.20).
    pub const MISDIRECTED: Refused = Refused {
        status: 421,
        cause: Cause::Misdirected,
        reason: RejectReason::Misdirected,
    };

    /// The head did not come in time.
    pub const TOO_SLOW: Refused = Refused {
        status: 408,
        cause: Cause::RequestTimeout,
        reason: RejectReason::HeaderTimeout,
    };

    /// The head is no request.
    pub fn malformed(error: RequestError) -> Refused {
        let reason = match error {
            RequestError::UrlTooLong => RejectReason::UrlTooLong,
            RequestError::HeadTooLarge => RejectReason::HeaderTooBig,
            RequestError::Version => RejectReason::UnsupportedVersion,
            _ => RejectReason::Malformed,
        };
        Refused {
            status: error.status(),
            cause: Cause::Malformed(error),
            reason,
        }
    }
}

/// An exchange as it is accounted for: what came, and what became of it.
pub(crate) struct Accounted<'a> {
    pub request: &'a RequestHead,
    pub served: &'a Served,
    pub reply: &'a Reply,
    pub id: RequestId,
    pub arrived_ms: u64,
    /// Head and body, as they came.
    pub bytes_received: u64,
    pub written: &'a Written,
}

/// What is told of a reply once it is written.
pub(crate) struct Written {
    pub started: Instant,
    /// When the first bytes were handed to the network.
    pub first_byte: Instant,
    pub bytes_sent: u64,
    pub is_complete: bool,
    /// It is not complete because the rest of the body never came.
    pub lacks_body: bool,
}

impl Written {
    /// Nothing is written yet.
    pub fn nothing(started: Instant) -> Written {
        Written {
            started,
            first_byte: started,
            bytes_sent: 0,
            is_complete: false,
            lacks_body: false,
        }
    }
}

impl Front {
    /// `host` is who answered the handshake, over TLS.
    pub fn new(worker: Rc<Worker>, mut viewer: Viewer, host: Option<Arc<tls::Host>>) -> Front {
        let geo = worker.shared.geo.as_ref();
        viewer.location = geo
            .and_then(|geo| geo.lookup(viewer.ip()))
            .cloned()
            .map(Arc::new);
        let directory = arc_swap::Cache::new(Arc::clone(&worker.shared.directory));
        Front {
            worker,
            viewer,
            host,
            directory: RefCell::new(directory),
            last: RefCell::new(None),
        }
    }

    /// The site of the request's host, or its staging distribution if this viewer is to get that.
    pub fn site(&self, request: &RequestHead) -> Result<Found, Refused> {
        let served = self.site_of_host(request)?;
        let found = |served, set_cookie| Found { served, set_cookie };
        let Some(deployment) = &served.site.deployment else {
            return Ok(found(served, None));
        };
        let mut directory = self.directory.borrow_mut();
        // The handshake is not the staging distribution's: nobody has been asked for a certificate
        // that it asks for.
        let is_asked_alike =
            |staging: &&Arc<Served>| staging.site.tls.client_auth == served.site.tls.client_auth;
        let staging = directory.load().staging_of(&served.site);
        let Some(staging) = staging.filter(is_asked_alike) else {
            return Ok(found(served, None));
        };
        let staging = Arc::clone(staging);
        let dice = self.worker.dice.roll() as u32;
        let now_secs = self.worker.now_ms() / 1_000;
        let choice = deployment.choose(request, dice, now_secs);
        let chosen = if choice.is_staging { staging } else { served };
        Ok(found(chosen, choice.set_cookie))
    }

    fn site_of_host(&self, request: &RequestHead) -> Result<Arc<Served>, Refused> {
        let host = request.host().ok_or(Refused::UNKNOWN_HOST)?;
        let mut directory = self.directory.borrow_mut();
        let directory = directory.load();
        let mut last = self.last.borrow_mut();
        if let Some((last, last_host, served)) = &*last
            && Arc::ptr_eq(last, directory)
            && last_host == host
        {
            return Ok(Arc::clone(served));
        }
        let served = directory.find(host).ok_or(Refused::UNKNOWN_HOST)?;
        if !self.is_reached_rightly(host, &served.site) {
            return Err(Refused::MISDIRECTED);
        }
        *last = Some((Arc::clone(directory), host.to_vec(), Arc::clone(served)));
        Ok(Arc::clone(served))
    }

    /// Whether a site may be asked for over this connection: the handshake was its own, or was of
    /// one whose certificate is good for it and that asks no less of viewers. Else a viewer could
    /// reach one site under the name of another (spec §7.3, 421). A site may have begun to ask for
    /// more since its own handshake.
    fn is_reached_rightly(&self, name: &[u8], site: &Site) -> bool {
        let Some(host) = &self.host else { return true };
        let asked = host.client_auth.as_ref().map(|asked| asked.mode());
        let asks_alike = asked == site.tls.client_auth.as_ref().map(|rule| rule.mode);
        if host.site == site.id {
            return asks_alike;
        }
        let name = std::str::from_utf8(without_port(name)).unwrap_or_default();
        host.client_auth.is_none()
            && asks_alike
            && host.policy.serves_like(site.tls.policy)
            && host.covers(&name.to_ascii_lowercase())
    }

    /// The answer to a certificate authority that asks whether a name is ours (RFC 8555 §8.3), by
    /// HTTP in the clear, for whatever host.
    pub fn challenge(&self, request: &RequestHead) -> Option<Reply> {
        let challenges = self.worker.shared.challenges.load();
        if challenges.is_empty() || self.viewer.is_https() || request.method != Method::Get {
            return None;
        }
        let answer = challenges.http(request.path(), self.worker.now_ms())?;
        let mut reply = Reply::new(200, Fields::new(), ResultType::Miss);
        let fields = &mut reply.fields;
        fields.push_trusted(b"Content-Type", b"application/octet-stream");
        reply.length = Some(answer.len() as u64);
        reply.body = Body::Inline(answer.to_owned().into());
        Some(reply)
    }

    /// The reply to what is no request for any site. It is counted, and belongs to no log.
    pub fn refuse(&self, refused: Refused) -> Reply {
        self.worker.shared.rejections.count(refused.reason);
        let id = self.worker.dice.request_id();
        let mut reply = Reply::new(refused.status, Fields::new(), ResultType::Error);
        let now_ms = self.worker.now_ms();
        pipeline::own_page(&mut reply, refused.cause, Method::Get, id, now_ms);
        pipeline::trace_fields(&self.worker, id, &mut reply);
        reply
    }

    /// Counts and logs an exchange.
    pub fn account(&self, exchange: &Accounted<'_>) {
        let Accounted {
            request,
            served,
            reply,
            written,
            ..
        } = *exchange;
        let counters = self.worker.counters(served);
        let (result, detail) = match (written.is_complete, written.lacks_body) {
            (true, _) => (reply.result, reply.detail),
            (false, true) => (ResultType::Error, DetailedResult::OriginReadError),
            (false, false) => (ResultType::Error, DetailedResult::ClientCommError),
        };
        let status = match written.bytes_sent {
            0 => 0,
            _ => reply.status,
        };
        counters.count_exchange(result, status, exchange.bytes_received, written.bytes_sent);
        let first_byte_us = micros(written.first_byte - written.started);
        counters.time_to_first_byte.record(first_byte_us);
        let (Some(log), Some(handle)) = (served.log, &mut *self.worker.log.borrow_mut()) else {
            return;
        };
        let known = |known: Known| request.known(known).unwrap_or_default();
        let time_taken_us = micros(written.started.elapsed());
        let tls = self.viewer.tls.as_deref();
        let encryption = reply.encryption.as_deref();
        let record = Record {
            finished_ms: exchange.arrived_ms + time_taken_us / 1_000,
            time_taken_us,
            time_to_first_byte_us: first_byte_us,
            edge_location: self.worker.shared.pop.as_bytes(),
            viewer_address: self.viewer.ip(),
            viewer_port: self.viewer.peer.port(),
            method: request.method_token(),
            distribution_domain: served.site.domain.as_bytes(),
            path: request.path(),
            query: request.query().unwrap_or_default(),
            referer: known(Known::Referer),
            user_agent: known(Known::UserAgent),
            cookie: known(Known::Cookie),
            host: known(Known::Host),
            x_forwarded_for: known(Known::XForwardedFor),
            request_id: exchange.id.as_bytes(),
            protocol: protocol(reply, self.viewer.is_https()),
            http_version: match request.version {
                Version::Http10 => HttpVersion::Http10,
                Version::Http11 => HttpVersion::Http11,
                Version::Http2 => HttpVersion::Http2,
                Version::Http3 => HttpVersion::Http3,
            },
            tls_protocol: tls.map_or(b"", |tls| tls.protocol.as_bytes()),
            tls_cipher: tls.map_or(b"", |tls| tls.cipher.as_bytes()),
            status,
            bytes_received: exchange.bytes_received,
            bytes_sent: written.bytes_sent,
            result,
            response_result: reply.result,
            detailed_result: detail,
            content_type: reply.fields.get("content-type").unwrap_or_default(),
            content_length: reply.length,
            content_range: reply.range,
            encryption_status: encryption.map_or("", |it| it.status().as_str()),
            encrypted_fields: encryption.and_then(|it| it.fields()),
        };
        handle.write(log, &record);
    }
}

fn protocol(reply: &Reply, is_https: bool) -> Protocol {
    if reply.is_grpc {
        return Protocol::Grpcs;
    }
    match (reply.status == 101, is_https) {
        (false, false) => Protocol::Http,
        (false, true) => Protocol::Https,
        (true, false) => Protocol::Ws,
        (true, true) => Protocol::Wss,
    }
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
