//! Where a miss goes, and the request as it is sent.

use documents::bucket::Asker;
use field_encryption::{Choice, Rules, Status};
use message::{Fields, Known, Method, RequestHead};
use origin::Scheme;

use super::Subject;
use super::page::{Page, count, list, text};
use crate::forward::{Conditions, ForwardSource};
use crate::site::{AccessKey, Origin, OriginAccess, Target};
use crate::{RequestId, encryption, origin_access};

/// Stands for the names that differ from node to node and from request to request.
const EDGE: &str = "<edge>";

/// What an origin gets.
pub(super) struct Sent {
    pub target: Vec<u8>,
    pub fields: Fields,
}

/// What the origin of that index gets.
pub(super) fn compose(subject: &Subject<'_>, index: usize) -> Sent {
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
    let forward = &subject.behavior.forward;
    let mut fields = forward.fields(source, host, &conditions, &origin.custom_fields);
    let mut target = origin.target(subject.path, subject.request, forward);
    origin_access::describe(origin, subject.request, scheme, &mut target, &mut fields);
    Sent { target, fields }
}

pub(super) fn explain(subject: &Subject<'_>, sent: &Sent, page: &mut Page) {
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
    if let Some(access) = &origin.access {
        page.row("signed", signature(access));
    }
    if let Some(rules) = subject.behavior.encryption.as_deref()
        && !subject.request.method.is_safe()
    {
        page.row("body", body(rules, subject.request));
    }
    page.row(
        "patience",
        format!(
            "{} to connect, {} s each; {} s between two reads",
            count(u64::from(spec.connection_attempts), "attempt"),
            spec.connection_timeout_ms / 1_000,
            spec.read_timeout_ms / 1_000
        ),
    );
    request(subject, sent, page);
}

/// What field-level encryption does with a body, if there is one.
fn body(rules: &Rules, request: &RequestHead) -> String {
    match encryption::choose(rules, request) {
        Choice::Encrypt(_) => "fields of its form are encrypted".to_owned(),
        Choice::Forward(status) => format!("forwarded as it is: {status}"),
        Choice::Refuse(refusal) => {
            let status = Status::Refused(refusal);
            format!("refused with 400, {status}: {}", refusal.reason())
        }
    }
}

/// Which requests are signed, and with which key.
fn signature(access: &OriginAccess) -> String {
    let (signing, service) = (access.signing.as_str(), access.service.signing_name());
    let key = match &access.key {
        AccessKey::Setting(host) => format!("the key that origin_keys has for {host}"),
        AccessKey::Installation { asker, region } => {
            let asker = match asker {
                Asker::Distribution(id) => format!("distribution {id}"),
                Asker::Identity(id) => format!("origin access identity {id}"),
            };
            format!("as {asker}; the bucket is this installation's, in {region}")
        }
    };
    format!("{signing}, for {service}: {key}")
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

fn request(subject: &Subject<'_>, sent: &Sent, page: &mut Page) {
    let method = text(subject.request.method_token());
    page.section(match subject.is_cacheable() {
        true => "Origin request on a miss",
        false => "Origin request",
    });
    let is_part = subject.is_cacheable()
        && subject.request.method == Method::Get
        && subject.request.known(Known::Range).is_some();
    page.verbatim(&format!("{method} {} HTTP/1.1", text(&sent.target)));
    for (name, value) in sent.fields.iter() {
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
