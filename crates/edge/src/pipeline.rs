//! The stages that an exchange walks, in the order in which CloudFront documents them
//! (spec §0). To see what happens to a request, read [`answer`] from top to bottom.

use std::rc::Rc;
use std::sync::Arc;

use cache::freshness::State;
use message::{Known, Method, RequestHead, Version, list_items};
use origin::RequestBody;
use telemetry::access_log::ResultType;

use crate::directory::{Served, without_port};
use crate::error_page::{self, Cause};
use crate::exchange::Exchange;
use crate::lookup::{Lookup, lookup};
use crate::reply::{Body, Failure, Reply};
use crate::signed_access::Claim;
use crate::site::{Behavior, GeoRule, Site, ViewerProtocol};
use crate::worker::Worker;
use crate::{RequestId, Viewer, encryption, fetch, forward, grpc, limits, respond};

/// A request as a listener hands it over: the host's site is found, the head is read.
pub(crate) struct Arrival<'a> {
    pub request: &'a RequestHead,
    pub viewer: &'a Viewer,
    pub served: &'a Arc<Served>,
    pub id: RequestId,
    pub now_ms: u64,
    pub has_body: bool,
}

/// Walks the stages and gives the reply. A hit never waits: everything up to the first
/// `await` is straight-line code.
pub(crate) async fn answer(
    worker: &Rc<Worker>,
    arrival: &Arrival<'_>,
    body: impl FnOnce() -> RequestBody,
) -> Reply {
    let (mut reply, behavior, is_grpc) = match admit(worker, arrival) {
        Ok(exchange) => {
            let mut reply = match from_store(worker, &exchange) {
                Ok(reply) => reply,
                Err(lookup) => {
                    let has_body = arrival.has_body;
                    Box::pin(encryption::miss(worker, &exchange, lookup, has_body, body)).await
                }
            };
            let is_grpc = exchange.is_grpc();
            if reply.status >= 400 && !is_grpc {
                reply = Box::pin(custom_error_response(worker, arrival, reply)).await;
            }
            (reply, exchange.behavior(), is_grpc)
        }
        Err(refusal) => {
            let site = &arrival.served.site;
            let behavior = site.behavior(site.object_path(arrival.request.path())).1;
            let is_grpc = grpc::is_call(arrival.request, behavior);
            let reply = match refusal {
                Refusal::Redirect(status) => redirect_to_https(worker, arrival, status),
                Refusal::Error(failure) if is_grpc => Reply::error(failure),
                Refusal::Error(failure) => {
                    let reply = Reply::error(failure);
                    Box::pin(custom_error_response(worker, arrival, reply)).await
                }
            };
            (reply, behavior, is_grpc)
        }
    };
    reply.is_grpc = is_grpc;
    if is_grpc && reply.cause.is_some() {
        grpc::fail(&mut reply);
    }
    error_body(arrival, &mut reply);
    response_headers_policy(worker, arrival, behavior, &mut reply);
    alternative_service(worker, arrival, &mut reply);
    trace_fields(worker, arrival.id, &mut reply);
    reply
}

/// Why a request goes no further.
enum Refusal {
    /// To HTTPS, with this status.
    Redirect(u16),
    Error(Failure),
}

/// The stages before the cache. Each says why it refuses, or nothing.
fn admit<'a>(worker: &Worker, arrival: &'a Arrival<'a>) -> Result<Exchange<'a>, Refusal> {
    let (request, site) = (arrival.request, &arrival.served.site);
    loops(request)?;
    enabled(site)?;
    geo_restriction(worker, arrival.viewer, site)?;
    web_acl(request)?;
    // What `/` stands for, before the choice of a behavior, which sees the object's path.
    let path = site.object_path(request.path());
    let (behavior_index, behavior) = site.behavior(path);
    viewer_protocol(arrival, behavior.viewer_protocol)?;
    methods(arrival, behavior.methods.contains(request.method))?;
    signed_access(worker, arrival, behavior)?;
    viewer_request_function(request)?;
    Ok(Exchange {
        request,
        viewer: arrival.viewer,
        served: arrival.served,
        behavior_index,
        path,
        encodings: encodings(request, behavior),
        id: arrival.id,
        now_ms: arrival.now_ms,
    })
}

fn refuse(status: u16, cause: Cause) -> Result<(), Refusal> {
    Err(Refusal::Error(Failure::new(status, cause)))
}

/// A request that has passed here more than once already is a loop (RFC 8586).
fn loops(request: &RequestHead) -> Result<(), Refusal> {
    let passes = request
        .get_all("cdn-loop")
        .flat_map(list_items)
        .filter(|item| item.starts_with(forward::LOOP_NAME.as_bytes()))
        .count();
    if passes > limits::LOOP_DEPTH_MAX {
        refuse(403, Cause::LoopDetected)
    } else {
        Ok(())
    }
}

fn enabled(site: &Site) -> Result<(), Refusal> {
    if site.enabled {
        Ok(())
    } else {
        refuse(403, Cause::DistributionDisabled)
    }
}

/// Viewers of an unknown country pass (spec §14.1), but not where nobody's country can be known:
/// then the restriction would be none.
fn geo_restriction(worker: &Worker, viewer: &Viewer, site: &Site) -> Result<(), Refusal> {
    if site.geo == GeoRule::Unrestricted {
        Ok(())
    } else if !worker.shared.knows_countries() {
        refuse(503, Cause::CountriesUnknown)
    } else if site.geo.allows(viewer.country()) {
        Ok(())
    } else {
        refuse(403, Cause::GeoBlocked)
    }
}

/// The place of web ACLs. They are evaluated here once they are built.
fn web_acl(_request: &RequestHead) -> Result<(), Refusal> {
    Ok(())
}

fn viewer_protocol(arrival: &Arrival<'_>, policy: ViewerProtocol) -> Result<(), Refusal> {
    if arrival.viewer.is_https() || policy == ViewerProtocol::AllowAll {
        return Ok(());
    }
    match (policy, arrival.request.method) {
        (ViewerProtocol::HttpsOnly, _) => refuse(403, Cause::HttpsRequired),
        (_, Method::Get | Method::Head) => Err(Refusal::Redirect(301)),
        (_, _) if arrival.request.version == Version::Http10 => refuse(403, Cause::HttpsRequired),
        (_, _) => Err(Refusal::Redirect(307)),
    }
}

fn methods(arrival: &Arrival<'_>, is_allowed: bool) -> Result<(), Refusal> {
    if !is_allowed {
        return refuse(403, Cause::MethodNotAllowed);
    }
    if arrival.has_body && matches!(arrival.request.method, Method::Get | Method::Head) {
        return refuse(403, Cause::BodyNotAllowed);
    }
    Ok(())
}

fn signed_access(
    worker: &Worker,
    arrival: &Arrival<'_>,
    behavior: &Behavior,
) -> Result<(), Refusal> {
    let claim = Claim {
        request: arrival.request,
        is_https: arrival.viewer.is_https(),
        ip: arrival.viewer.ip(),
        now_secs: arrival.now_ms / 1_000,
    };
    let answer = claim.check(Some(&worker.shared.grants), &arrival.served.site, behavior);
    answer.or_else(|refusal| {
        tracing::debug!(id = arrival.id.as_str(), ?refusal, "no access by signature");
        refuse(403, Cause::Signature(refusal))
    })
}

/// The place of functions that see the viewer's request.
fn viewer_request_function(_request: &RequestHead) -> Result<(), Refusal> {
    Ok(())
}

fn encodings(request: &RequestHead, behavior: &Behavior) -> crate::accept_encoding::Encodings {
    // HTTP/1.0 clients get no compression (spec §5.6).
    let field = request
        .known(Known::AcceptEncoding)
        .filter(|_| request.version > Version::Http10);
    behavior.key.encoding.normalise(field)
}

/// The reply out of the store, or what is missing.
#[inline]
fn from_store(worker: &Rc<Worker>, exchange: &Exchange<'_>) -> Result<Reply, Lookup> {
    if !exchange.is_cacheable() || forward::is_websocket_upgrade(exchange.request) {
        let key = cache::key::CacheKey::from_bits(0);
        return Err(Lookup {
            base: key,
            key,
            found: None,
        });
    }
    let mut lookup = lookup(worker, exchange);
    match lookup.found.take() {
        Some((object, State::Fresh { .. })) => {
            match respond::from_object(worker, exchange, &object, ResultType::Hit) {
                Some(reply) => Ok(reply),
                None => Err(lookup),
            }
        }
        Some((object, State::StaleWhileRevalidate)) => {
            worker.counters(exchange.served).stale_served.increment();
            match respond::from_object(worker, exchange, &object, ResultType::Hit) {
                Some(reply) => {
                    fetch::revalidate_in_background(worker, exchange, lookup, object);
                    Ok(reply)
                }
                None => Err(lookup),
            }
        }
        stale => {
            lookup.found = stale;
            Err(lookup)
        }
    }
}

/// Puts a page of the site in the place of an error (spec §4.6). The page is fetched as if a
/// viewer had asked for it by GET, through the behavior that its path has; if that fails, the
/// viewer gets that failure, and no page for it.
async fn custom_error_response(worker: &Rc<Worker>, arrival: &Arrival<'_>, reply: Reply) -> Reply {
    let site = &arrival.served.site;
    // Such a page would be served to viewers whom the restriction may be there for.
    let is_own = matches!(
        reply.cause,
        Some(Cause::Overloaded | Cause::CountriesUnknown)
    );
    let page = site
        .error_rule(reply.status)
        .and_then(|rule| rule.page.as_ref());
    let Some(page) = page.filter(|_| !is_own) else {
        return reply;
    };
    let mut request = RequestHead::default();
    request.start(b"GET", page.path.as_bytes(), arrival.request.version);
    for (name, value) in arrival.request.iter() {
        let lower = name.to_ascii_lowercase();
        // It is a page whatever was asked for: no part of one, and no WebSocket.
        let is_of_another = [&b"range"[..], b"upgrade"].contains(&&lower[..]);
        if !is_of_another && !lower.starts_with(b"if-") && !lower.starts_with(b"content-") {
            request.push(name, value);
        }
    }
    let (behavior_index, behavior) = site.behavior(request.path());
    if behavior.signers.is_some() {
        // Nobody has shown a signature for the page.
        return reply;
    }
    let exchange = Exchange {
        request: &request,
        viewer: arrival.viewer,
        served: arrival.served,
        behavior_index,
        path: request.path(),
        encodings: encodings(&request, behavior),
        id: arrival.id,
        now_ms: arrival.now_ms,
    };
    let mut answer = match from_store(worker, &exchange) {
        Ok(reply) => reply,
        Err(lookup) => fetch::miss(worker, &exchange, lookup, RequestBody::Empty).await,
    };
    if answer.status == 200 {
        answer.status = page.status;
        answer.detail = reply.detail;
    }
    if arrival.request.method == Method::Head {
        answer.body = Body::Empty;
    }
    answer.result = ResultType::Error;
    answer.origin = reply.origin.or(answer.origin);
    answer.encryption = reply.encryption;
    answer
}

/// Fields by policy, after the cache: they are never stored, and redirects and errors of the edge's
/// own have them too (spec §11.1).
fn response_headers_policy(
    worker: &Worker,
    arrival: &Arrival<'_>,
    behavior: &Behavior,
    reply: &mut Reply,
) {
    let Some(policy) = &behavior.response_headers else {
        return;
    };
    policy.apply(arrival.request, &mut reply.fields);
    if let Some(timing) = &policy.server_timing
        && timing.should_send(arrival.request, worker.dice.roll() as u32)
    {
        respond::server_timing(worker, arrival.id, arrival.now_ms, reply);
    }
}

/// Tells viewers over TCP that HTTP/3 is spoken here (RFC 7838), where it is.
fn alternative_service(worker: &Worker, arrival: &Arrival<'_>, reply: &mut Reply) {
    let is_wanted = arrival.served.site.tls.http3
        && arrival.viewer.is_https()
        && arrival.request.version != Version::Http3;
    let field = &worker.shared.alt_svc_field;
    if is_wanted && !field.is_empty() {
        reply.fields.append_wire(|out| out.extend_from_slice(field));
    }
}

/// A viewer who named the port of HTTP is sent to the port of HTTPS; one who named none is where
/// both have their usual ones.
fn redirect_to_https(worker: &Worker, arrival: &Arrival<'_>, status: u16) -> Reply {
    let request = arrival.request;
    let host = request.host().unwrap_or_default();
    let name = without_port(host);
    let port = match worker.shared.https_port {
        Some(port) if name.len() < host.len() && port != 443 => format!(":{port}"),
        _ => String::new(),
    };
    let location = [b"https://", name, port.as_bytes(), request.target()].concat();
    let mut reply = Reply::new(status, message::Fields::new(), ResultType::Redirect);
    let mut page = Vec::new();
    error_page::write_redirect(status, &location, &mut page);
    own_fields(arrival.now_ms, &mut reply.fields);
    reply.fields.push(b"Location", &location);
    set_page(request.method, page, HTML, &mut reply);
    reply
}

/// Writes the edge's own page where nothing has replaced it.
fn error_body(arrival: &Arrival<'_>, reply: &mut Reply) {
    if let Some(cause) = reply.cause {
        own_page(
            reply,
            cause,
            arrival.request.method,
            arrival.id,
            arrival.now_ms,
        );
    }
}

/// Fills in a page of the edge's own. For requests that belong to no site, too.
pub(crate) fn own_page(
    reply: &mut Reply,
    cause: Cause,
    method: Method,
    id: RequestId,
    now_ms: u64,
) {
    let mut page = Vec::new();
    let content_type: &[u8] = match cause {
        Cause::Signature(refusal) => {
            error_page::write_refusal(refusal, &mut page);
            b"text/xml"
        }
        _ => {
            error_page::write(reply.status, cause, id.as_str(), &mut page);
            HTML
        }
    };
    own_fields(now_ms, &mut reply.fields);
    set_page(method, page, content_type, reply);
}

fn own_fields(now_ms: u64, fields: &mut message::Fields) {
    fields.push_trusted(b"Server", b"Warmfront");
    fields.push_with(b"Date", |out| message::write_http_date(now_ms / 1_000, out));
}

const HTML: &[u8] = b"text/html; charset=utf-8";

fn set_page(method: Method, page: Vec<u8>, content_type: &[u8], reply: &mut Reply) {
    reply.fields.push_trusted(b"Content-Type", content_type);
    reply.length = Some(page.len() as u64);
    if method != Method::Head {
        reply.body = Body::Inline(page.into());
    }
}

/// What tells how a reply came to be, on every reply (spec §17.1).
pub(crate) fn trace_fields(worker: &Worker, id: RequestId, reply: &mut Reply) {
    let fields = &mut reply.fields;
    fields.append_wire(|out| {
        out.extend_from_slice(b"X-Cache: ");
        out.extend_from_slice(reply.result.as_str().as_bytes());
        out.extend_from_slice(b" from cloudfront\r\n");
        out.extend_from_slice(&worker.shared.common_fields);
        out.extend_from_slice(b"X-Amz-Cf-Id: ");
        out.extend_from_slice(id.as_bytes());
        out.extend_from_slice(b"\r\n");
    });
}
