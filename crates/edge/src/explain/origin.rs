//! Where a miss goes, and the request as it is sent.

use message::{Fields, Known, Method};
use origin::Scheme;

use super::Subject;
use super::page::{Page, count, list, text};
use crate::RequestId;
use crate::forward::{Conditions, ForwardSource};
use crate::site::{Origin, Target};

/// Stands for the names that differ from node to node and from request to request.
const EDGE: &str = "<edge>";

/// The fields that the origin of that index gets.
pub(super) fn compose(subject: &Subject<'_>, index: usize) -> Fields {
    let origin = &subject.site.origins[index];
    let scheme = origin.scheme(subject.viewer.is_https());
    let source = ForwardSource {
        request: subject.request,
        viewer: subject.viewer,
        encodings: subject.encodings,
        request_id: &RequestId::from_bits(0, 0),
        via: EDGE,
    };
    let conditions = match subject.is_cacheable() {
        true => Conditions::None,
        false => Conditions::Viewer,
    };
    let host = origin.host_field(scheme).as_bytes();
    subject
        .behavior
        .forward
        .fields(source, host, &conditions, &origin.custom_fields)
}

pub(super) fn explain(subject: &Subject<'_>, sent: &Fields, page: &mut Page) {
    page.section("Origin");
    let site = subject.site;
    let names = &subject.behavior.names;
    match &subject.behavior.target {
        Target::Origin(index) => {
            page.row(&names.target, place(subject, &site.origins[*index]));
        }
        Target::Group { members, failover } => {
            let statuses: Vec<String> = failover.statuses.iter().map(u16::to_string).collect();
            page.row(
                "group",
                format!("{}: the next on {}", names.target, list(&statuses)),
            );
            for (number, index) in members.iter().enumerate() {
                let origin = &site.origins[*index];
                let label = format!("{}. {}", number + 1, origin.spec.id);
                page.row(&label, place(subject, origin));
            }
            if !subject.request.method.is_safe() {
                page.row(
                    "failover",
                    "no: only GET, HEAD and OPTIONS go on to the next",
                );
            }
        }
    }
    let origin = &site.origins[subject.behavior.target.primary()];
    let spec = &origin.spec;
    page.row(
        "patience",
        format!(
            "{} to connect, {} s each; {} s between two reads",
            count(u64::from(spec.connection_attempts), "attempt"),
            spec.connection_timeout_ms / 1_000,
            spec.read_timeout_ms / 1_000
        ),
    );
    request(subject, origin, sent, page);
}

fn place(subject: &Subject<'_>, origin: &Origin) -> String {
    let scheme = origin.scheme(subject.viewer.is_https());
    let name = match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let kind = if origin.is_s3 { " (S3)" } else { "" };
    format!(
        "{name}://{}:{}{}{kind}",
        origin.spec.host,
        origin.spec.port(scheme),
        origin.path_prefix
    )
}

fn request(subject: &Subject<'_>, origin: &Origin, sent: &Fields, page: &mut Page) {
    let method = text(subject.request.method_token());
    page.section(match subject.is_cacheable() {
        true => "Origin request on a miss",
        false => "Origin request",
    });
    let forward = &subject.behavior.forward;
    let target = origin.target(subject.path, subject.request, forward);
    let is_part = subject.is_cacheable()
        && subject.request.method == Method::Get
        && subject.request.known(Known::Range).is_some();
    page.verbatim(&format!("{method} {} HTTP/1.1", text(&target)));
    for (name, value) in sent.iter() {
        // A new id is made for every request.
        let value = match name.eq_ignore_ascii_case(b"x-amz-cf-id") {
            true => "<request id>".to_owned(),
            false => text(value),
        };
        page.verbatim(&format!("{}: {value}", text(name)));
    }
    if is_part {
        page.verbatim("Range: <the chunk that has the first byte of the viewer's>");
    }
}
