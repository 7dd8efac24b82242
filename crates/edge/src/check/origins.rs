//! Mistakes about origins and groups of them.

use std::net::IpAddr;

use shapes::cloudfront as cf;

use super::{Entry, Subject, Warnings};
use crate::site::{OriginProtocol, Target, ViewerProtocol};

/// Longest patience with a member of a group before the next is asked.
const FAILOVER_WAIT_LONG_SECS: i32 = 10;
/// Below this, ordinary slow pages fail.
const READ_TIMEOUT_SHORT_MS: u32 = 5_000;

/// Visitors are told that the way is secure, and half of it is not.
pub(super) fn plain_http(subject: &Subject<'_>, warnings: &mut Warnings) {
    for (index, origin) in subject.site.origins.iter().enumerate() {
        let viewers_are_secure = subject.behaviors.iter().any(|entry| {
            entry.compiled.viewer_protocol != ViewerProtocol::AllowAll
                && entry.compiled.target.members().contains(&index)
        });
        let is_plain = origin.protocol == OriginProtocol::HttpOnly && !origin.is_s3;
        if is_plain && viewers_are_secure && is_public(&origin.spec.host) {
            let message = format!(
                "http-only: viewers come by https, and their requests, cookies included, go to {} \
                 unencrypted; use https-only",
                origin.spec.host
            );
            warnings.add(
                at(index, "CustomOriginConfig.OriginProtocolPolicy"),
                message,
            );
        }
    }
}

/// Whether traffic to the host crosses the Internet. The website endpoints of S3 speak nothing
/// but HTTP, and do not know cookies.
pub(super) fn is_public(host: &str) -> bool {
    if is_s3_website(host) {
        return false;
    }
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => !(ip.is_private() || ip.is_loopback() || ip.is_link_local()),
        Ok(IpAddr::V6(ip)) => {
            !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local())
        }
        Err(_) => {
            const PRIVATE: [&str; 5] = [".internal", ".local", ".localhost", ".lan", ".home.arpa"];
            host.contains('.') && !PRIVATE.iter().any(|suffix| host.ends_with(suffix))
        }
    }
}

fn is_s3_website(host: &str) -> bool {
    host.contains(".s3-website-") || host.contains(".s3-website.")
}

fn is_s3_bucket(host: &str) -> bool {
    host.ends_with(".amazonaws.com") && (host.contains(".s3.") || host.contains(".s3-"))
}

/// TLS versions that are not spoken any more.
pub(super) fn old_tls(subject: &Subject<'_>, warnings: &mut Warnings) {
    for (index, origin) in subject.config.origins.items.iter().enumerate() {
        let protocols = origin
            .custom_origin_config
            .as_ref()
            .and_then(|custom| custom.origin_ssl_protocols.as_ref());
        let Some(protocols) = protocols else { continue };
        if !protocols.items.contains(&cf::SslProtocol::TLSv1_2) {
            warnings.add(
                at(index, "CustomOriginConfig.OriginSslProtocols"),
                "lists no version that is safe; TLS 1.2 and 1.3 are spoken all the same, and \
                 nothing older: an origin that has neither answers 502",
            );
        }
    }
}

/// Timeouts that turn slow pages into errors.
pub(super) fn impatience(subject: &Subject<'_>, warnings: &mut Warnings) {
    for (index, origin) in subject.config.origins.items.iter().enumerate() {
        let spec = &subject.site.origins[index].spec;
        let member = match &origin.custom_origin_config {
            Some(_) => "CustomOriginConfig.OriginReadTimeout",
            None => "S3OriginConfig.OriginReadTimeout",
        };
        if spec.read_timeout_ms < READ_TIMEOUT_SHORT_MS {
            let message = format!(
                "{} s: a page that takes longer to begin becomes a 504; the default is 30",
                spec.read_timeout_ms / 1_000
            );
            warnings.add(at(index, member), message);
        }
    }
}

/// Groups that do not do what groups are for.
pub(super) fn groups(subject: &Subject<'_>, warnings: &mut Warnings) {
    let groups = subject
        .config
        .origin_groups
        .as_ref()
        .map_or(&[][..], |groups| groups.items());
    for (index, group) in groups.iter().enumerate() {
        let at = |member: &str| format!("OriginGroups.Items[{index}].{member}");
        if let [first, second] = group.members.items.as_slice()
            && first.origin_id == second.origin_id
        {
            let message = format!(
                "'{}' twice: what fails at the first try is tried at the same origin again; name \
                 another origin",
                first.origin_id
            );
            warnings.add(at("Members.Items[1].OriginId"), message);
        }
        let statuses = &group.failover_criteria.status_codes.items;
        if !statuses
            .iter()
            .any(|status| [502, 503, 504].contains(status))
        {
            warnings.add(
                at("FailoverCriteria.StatusCodes"),
                "has none of 502, 503 and 504: an origin that cannot be reached or takes too long \
                 does not fail over; add them",
            );
        }
        first_member_patience(subject, group, warnings);
        let is_written_to = subject.behaviors.iter().any(|entry| {
            entry.config.target_origin_id == group.id
                && entry.compiled.methods.contains(message::Method::Post)
        });
        if is_written_to {
            warnings.add(
                at("Members"),
                "a behavior allows POST to this group: requests other than GET, HEAD and OPTIONS \
                 never go to the second member",
            );
        }
    }
}

fn first_member_patience(subject: &Subject<'_>, group: &cf::OriginGroup, warnings: &mut Warnings) {
    let Some(first) = group.members.items.first() else {
        return;
    };
    let origins = &subject.config.origins.items;
    let Some(index) = origins
        .iter()
        .position(|origin| origin.id == first.origin_id)
    else {
        return;
    };
    let attempts = origins[index].connection_attempts.unwrap_or(3);
    let timeout_secs = origins[index].connection_timeout.unwrap_or(10);
    if attempts * timeout_secs > FAILOVER_WAIT_LONG_SECS {
        let message = format!(
            "{attempts} attempts of {timeout_secs} s each: when this origin cannot be reached, \
             viewers wait {} s before the second member of group '{}' is asked; lower \
             ConnectionAttempts or ConnectionTimeout",
            attempts * timeout_secs,
            group.id
        );
        warnings.add(at(index, "ConnectionAttempts"), message);
    }
}

/// The viewer's `Host` at an origin that does not know it.
pub(super) fn viewer_host(subject: &Subject<'_>, entry: &Entry<'_>, warnings: &mut Warnings) {
    if !entry.compiled.forward.forwards_host() {
        return;
    }
    let path = match entry.compiled.key.has_header("host") {
        true => entry.policy_path(),
        false => entry.at("OriginRequestPolicyId"),
    };
    for index in entry.compiled.target.members() {
        let origin = &subject.site.origins[*index];
        let (id, host) = (&origin.spec.id, &origin.spec.host);
        if origin.keeps_host {
            // It gets its own name all the same.
            continue;
        }
        if origin.is_s3 || is_s3_bucket(host) || is_s3_website(host) {
            let message = format!(
                "forwards the viewer's Host to '{id}': S3 finds the bucket by Host, and knows no \
                 bucket of that name; use Managed-AllViewerExceptHostHeader or \
                 Managed-CORS-S3Origin"
            );
            warnings.add(&path, message);
        } else if origin.protocol != OriginProtocol::HttpOnly {
            let message = format!(
                "forwards the viewer's Host to '{id}' over https: the certificate of {host} must \
                 name every alias of this distribution, or every request fails with 502"
            );
            warnings.add(&path, message);
        }
    }
}

/// Whether another behavior depends on this one's origins.
pub(super) fn shares_origin(one: &Target, other: &Target) -> bool {
    one.members()
        .iter()
        .any(|index| other.members().contains(index))
}

fn at(index: usize, member: &str) -> String {
    format!("Origins.Items[{index}].{member}")
}
