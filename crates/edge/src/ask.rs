//! Asking origins: which one, with what it is shown, and what is counted of it.

use std::borrow::Cow;

use origin::{FetchError, OriginResponse, OriginSpec, RequestBody};
use telemetry::metrics::OriginErrorKind;

use crate::exchange::Exchange;
use crate::forward::Conditions;
use crate::origin_access;
use crate::site::{Origin, Target};
use crate::worker::Worker;

/// Asks the origin, or the members of the group one after the other.
pub(crate) async fn ask(
    worker: &Worker,
    exchange: &Exchange<'_>,
    conditions: &Conditions,
) -> Result<OriginResponse, FetchError> {
    ask_with(worker, exchange, conditions, RequestBody::Empty, false).await
}

pub(crate) async fn ask_with(
    worker: &Worker,
    exchange: &Exchange<'_>,
    conditions: &Conditions,
    body: RequestBody,
    upgrade: bool,
) -> Result<OriginResponse, FetchError> {
    let site = &exchange.served.site;
    let counters = worker.counters(exchange.served);
    counters.origin_fetches.increment();
    let (body, digest) = match body {
        RequestBody::Empty => (body, None),
        body => Box::pin(origin_access::read_body(worker, exchange, body)).await?,
    };
    let digest = digest.as_deref();
    let compose = |origin: &Origin, body| {
        let mut request = exchange.compose(worker, origin, conditions, body, upgrade);
        origin_access::settle(worker, exchange, origin, digest, &mut request)?;
        Ok::<_, FetchError>(request)
    };
    let answer = match &exchange.behavior().target {
        Target::Origin(index) => {
            let origin = &site.origins[*index];
            match compose(origin, body) {
                Ok(request) => {
                    let spec = with_identity(worker, origin);
                    worker.origins.fetch(&spec, request).await
                }
                Err(error) => Err(error),
            }
        }
        Target::Group { members, failover } => {
            let mut body = Some(body);
            let mut members = without_failing(worker, exchange, members);
            if exchange.is_grpc() {
                // Calls do not fail over (spec §5.7).
                members = &members[..1];
            }
            let specs: Vec<_> = members
                .iter()
                .map(|index| with_identity(worker, &site.origins[*index]))
                .collect();
            let specs: Vec<&OriginSpec> = specs.iter().map(|spec| &**spec).collect();
            let compose = |member: usize| {
                let origin = &site.origins[members[member]];
                // Only requests without a body are sent a second time.
                compose(origin, body.take().unwrap_or(RequestBody::Empty))
            };
            // In a box, so that the usual fetch has room for one origin only.
            let group = origin::group::fetch_group(
                &worker.origins,
                exchange.request.method,
                failover,
                &specs,
                compose,
            );
            let answer = Box::pin(group).await;
            answer.result
        }
    };
    match &answer {
        Ok(response) => {
            counters
                .origin_first_byte
                .record(response.timing.first_byte_us);
            counters
                .bytes_from_origin
                .add(response.body.length().unwrap_or(0));
            if response.head.status >= 500 {
                counters.count_origin_error(OriginErrorKind::Status5xx);
            }
        }
        Err(error) => {
            if let Some(kind) = error_kind(*error) {
                counters.count_origin_error(kind);
            }
            tracing::debug!(distribution = %site.id, %error, "origin fetch failed");
        }
    }
    answer
}

/// The origin, with what it is shown if it asks who we are. Where that is not here, it is shown
/// nothing, and refuses the handshake.
fn with_identity<'s>(worker: &Worker, origin: &'s Origin) -> Cow<'s, OriginSpec> {
    let Some(id) = &origin.client_certificate else {
        return Cow::Borrowed(&origin.spec);
    };
    let client_identity = worker.shared.client_identities.load().get(id).cloned();
    Cow::Owned(OriginSpec {
        client_identity,
        ..origin.spec.clone()
    })
}

/// The members of a group from the one on that is to be asked first.
fn without_failing<'m>(
    worker: &Worker,
    exchange: &Exchange<'_>,
    members: &'m [usize],
) -> &'m [usize] {
    let site = &exchange.served.site;
    let first = worker.shared.origin_health.first(
        exchange.request.method,
        members.iter().map(|index| &site.origins[*index]),
        exchange.viewer.is_https(),
    );
    if first > 0 {
        let origin = &site.origins[members[0]].spec.id;
        tracing::debug!(distribution = %site.id, %origin, "its health check fails: not asked");
    }
    &members[first..]
}

fn error_kind(error: FetchError) -> Option<OriginErrorKind> {
    Some(match error {
        FetchError::Dns(_) => OriginErrorKind::Dns,
        FetchError::Connect(_) | FetchError::NoHttp2 => OriginErrorKind::Connect,
        FetchError::ConnectTimeout => OriginErrorKind::ConnectTimeout,
        FetchError::Tls(_) => OriginErrorKind::Tls,
        FetchError::WriteTimeout => OriginErrorKind::Write,
        FetchError::ReadTimeout => OriginErrorKind::ReadTimeout,
        FetchError::CompletionTimeout => OriginErrorKind::CompletionTimeout,
        FetchError::Closed | FetchError::Reset(_) | FetchError::Incomplete => OriginErrorKind::Read,
        FetchError::InvalidResponse => OriginErrorKind::InvalidResponse,
        FetchError::HeadTooBig => OriginErrorKind::HeaderTooBig,
        FetchError::ViewerBody(_)
        | FetchError::InvalidRequest
        | FetchError::TooManyConnections
        | FetchError::NotSigned(_) => return None,
    })
}
