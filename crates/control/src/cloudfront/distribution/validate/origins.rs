//! Rules of origins and origin groups (spec §1.3, §3.8, §7.1).
//!
//! Three differences from CloudFront are on purpose, since Warmfront runs where developers are: an
//! origin may be an address, such as 127.0.0.1; it may have any name that resolves, such as
//! localhost; and an S3 origin outside of amazonaws.com is taken for a store that speaks S3.

use std::collections::BTreeSet;

use documents::distribution::RESERVED_ORIGIN_FIELDS;
use shapes::cloudfront::{self as cf, DistributionConfig, error};

use super::super::limits::*;
use super::super::references::{Found, ORIGIN_ACCESS_CONTROL};
use super::{Rule, ensure, is_token, template, text};

/// Statuses on which the other member of a group is asked.
const FAILOVER_STATUSES: &[i32] = &[400, 403, 404, 416, 429, 500, 502, 503, 504];

pub fn check(config: &DistributionConfig) -> Rule {
    let origins = &config.origins.items;
    ensure(
        !origins.is_empty(),
        &error::INVALID_ARGUMENT,
        "Origins",
        || "is empty; a distribution needs at least one".to_owned(),
    )?;
    let mut ids = BTreeSet::new();
    for (index, origin) in origins.iter().enumerate() {
        let at = format!("Origins.Items[{index}]");
        let is_id = (1..=ORIGIN_ID_CHARS_MAX).contains(&origin.id.chars().count());
        let is_new = ids.insert(&origin.id);
        ensure(
            is_id && is_new,
            &error::INVALID_ARGUMENT,
            format!("{at}.Id"),
            || {
                format!(
                    "is '{}'; allowed are 1 to 128 characters that no other has",
                    origin.id
                )
            },
        )?;
        kind(&at, origin)?;
        domain(&at, origin)?;
        path(&at, origin)?;
        connection(&at, origin)?;
        custom(&at, origin)?;
        headers(&at, origin)?;
        shield(&at, origin)?;
        access(&at, origin)?;
    }
    Ok(())
}

fn kind(at: &str, origin: &cf::Origin) -> Rule {
    let kinds = [
        origin.s3_origin_config.is_some(),
        origin.custom_origin_config.is_some(),
        origin.vpc_origin_config.is_some(),
    ];
    let count = kinds.iter().filter(|is_there| **is_there).count();
    ensure(count == 1, &error::INVALID_ORIGIN, at, || {
        format!(
            "has {count} of S3OriginConfig, CustomOriginConfig and VpcOriginConfig; exactly one is \
             needed"
        )
    })
}

fn domain(at: &str, origin: &cf::Origin) -> Rule {
    let name = origin.domain_name.as_str();
    let member = format!("{at}.DomainName");
    let plain = template::without_placeholders(name);
    let is_host = !plain.is_empty() && plain.len() <= HOST_CHARS_MAX && is_host(&plain);
    let shape = match origin.s3_origin_config {
        Some(_) => &error::INVALID_ORIGIN,
        None => &error::INVALID_ARGUMENT,
    };
    ensure(is_host, shape, &member, || {
        format!("is '{name}'; allowed is a host name without scheme, port and path")
    })?;
    let is_ours = origin.s3_origin_config.is_none() || !name.ends_with(".amazonaws.com");
    ensure(
        is_ours || is_bucket(name),
        &error::INVALID_ORIGIN,
        &member,
        || format!("is '{name}', which is no S3 bucket; websites of S3 are custom origins"),
    )
}

fn is_host(name: &str) -> bool {
    if let Some(address) = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(inner)
    };
    name.split('.').all(is_label)
}

/// Whether a domain of amazonaws.com is that of a bucket: `b.s3.amazonaws.com`,
/// `b.s3.eu-west-1.amazonaws.com`, `b.s3-eu-west-1.amazonaws.com`, access points and the like.
pub fn is_bucket(domain: &str) -> bool {
    let labels: Vec<&str> = domain.split('.').collect();
    let is_s3 = |label: &&str| {
        let is_website = label.starts_with("s3-website");
        !is_website && (*label == "s3" || label.starts_with("s3-"))
    };
    labels.iter().skip(1).any(is_s3) && !labels.iter().any(|label| label.starts_with("s3-website"))
}

fn path(at: &str, origin: &cf::Origin) -> Rule {
    let path = template::without_placeholders(text(&origin.origin_path));
    let is_path = path.is_empty()
        || path.starts_with('/')
            && !path.ends_with('/')
            && path.chars().count() <= PATH_CHARS_MAX
            && path.bytes().all(|byte| byte.is_ascii_graphic());
    ensure(
        is_path,
        &error::INVALID_RELATIVE_PATH,
        format!("{at}.OriginPath"),
        || {
            format!(
                "is '{path}'; allowed are up to {PATH_CHARS_MAX} characters that begin with '/' \
                 and do not end with one"
            )
        },
    )
}

fn connection(at: &str, origin: &cf::Origin) -> Rule {
    let custom = origin.custom_origin_config.as_ref();
    let vpc = origin.vpc_origin_config.as_ref();
    let s3 = origin.s3_origin_config.as_ref();
    let read = [
        custom.and_then(|custom| custom.origin_read_timeout),
        vpc.and_then(|vpc| vpc.origin_read_timeout),
        s3.and_then(|s3| s3.origin_read_timeout),
    ];
    let read = read.into_iter().flatten().next().unwrap_or(30);
    let keepalive = custom.and_then(|custom| custom.origin_keepalive_timeout);
    let keepalive = keepalive
        .or(vpc.and_then(|vpc| vpc.origin_keepalive_timeout))
        .unwrap_or(5);
    let attempts = origin.connection_attempts.unwrap_or(3);
    let connect = origin.connection_timeout.unwrap_or(10);
    #[rustfmt::skip]
    let bounds = [
        ("OriginReadTimeout", read, ORIGIN_TIMEOUT_SECS_MAX, &error::INVALID_ORIGIN_READ_TIMEOUT),
        ("OriginKeepaliveTimeout", keepalive, ORIGIN_TIMEOUT_SECS_MAX,
            &error::INVALID_ORIGIN_KEEPALIVE_TIMEOUT),
        ("ConnectionAttempts", attempts, 3, &error::INVALID_ARGUMENT),
        ("ConnectionTimeout", connect, 10, &error::INVALID_ARGUMENT),
    ];
    for (member, value, most, shape) in bounds {
        ensure(
            (1..=most).contains(&value),
            shape,
            format!("{at}.{member}"),
            || format!("is {value}; 1 to {most} are allowed"),
        )?;
    }
    let completion = origin.response_completion_timeout.filter(|secs| *secs != 0);
    let is_allowed =
        completion.is_none_or(|secs| (read..=COMPLETION_TIMEOUT_SECS_MAX).contains(&secs));
    let member = format!("{at}.ResponseCompletionTimeout");
    ensure(is_allowed, &error::INVALID_ARGUMENT, member, || {
        format!(
            "is {}; {read} (OriginReadTimeout) to {COMPLETION_TIMEOUT_SECS_MAX} are allowed",
            completion.unwrap_or_default()
        )
    })
}

fn custom(at: &str, origin: &cf::Origin) -> Rule {
    let Some(custom) = &origin.custom_origin_config else {
        return Ok(());
    };
    let at = format!("{at}.CustomOriginConfig");
    for (member, port) in [
        ("HTTPPort", custom.http_port),
        ("HTTPSPort", custom.https_port),
    ] {
        let is_port = matches!(port, 80 | 443 | 1_024..=65_535);
        ensure(
            is_port,
            &error::INVALID_ARGUMENT,
            format!("{at}.{member}"),
            || format!("is {port}; allowed are 80, 443 and 1024 to 65535"),
        )?;
    }
    let is_website = origin
        .domain_name
        .split('.')
        .any(|label| label.starts_with("s3-website"))
        && origin.domain_name.ends_with(".amazonaws.com");
    let is_https = custom.origin_protocol_policy == cf::OriginProtocolPolicy::HttpsOnly;
    let member = format!("{at}.OriginProtocolPolicy");
    ensure(
        !(is_website && is_https),
        &error::INVALID_REQUIRED_PROTOCOL,
        member,
        || "is https-only, but websites of S3 speak HTTP alone".to_owned(),
    )?;
    let certificate = custom.origin_mtls_config.as_ref();
    let certificate = certificate.map(|mtls| mtls.client_certificate_arn.as_str());
    let is_arn = certificate.is_none_or(|arn| arn.starts_with("arn:aws:acm:"));
    let member = format!("{at}.OriginMtlsConfig.ClientCertificateArn");
    ensure(is_arn, &error::INVALID_ARGUMENT, member, || {
        format!(
            "is '{}', which is no ARN of a certificate",
            certificate.unwrap_or_default()
        )
    })
}

fn headers(at: &str, origin: &cf::Origin) -> Rule {
    let headers = origin
        .custom_headers
        .as_ref()
        .map(|list| list.items())
        .unwrap_or_default();
    let at = format!("{at}.CustomHeaders");
    let count = headers.len();
    ensure(
        count <= CUSTOM_HEADERS_MAX,
        &error::TOO_MANY_ORIGIN_CUSTOM_HEADERS,
        &at,
        || format!("has {count} items; {CUSTOM_HEADERS_MAX} are allowed"),
    )?;
    let mut names = BTreeSet::new();
    let mut total = 0;
    for (index, header) in headers.iter().enumerate() {
        let (name, value) = (&header.header_name, &header.header_value);
        let lower = name.to_ascii_lowercase();
        total += name.len() + value.len();
        let member = format!("{at}.Items[{index}].HeaderName");
        let is_name = is_token(name) && name.len() <= HEADER_NAME_CHARS_MAX;
        let is_reserved = RESERVED_ORIGIN_FIELDS.contains(&lower.as_str())
            || lower.starts_with("x-amz-")
            || lower.starts_with("x-edge-");
        ensure(
            is_name && !is_reserved,
            &error::INVALID_ARGUMENT,
            &member,
            || format!("is '{name}', which is no header that may be added to origin requests"),
        )?;
        ensure(
            names.insert(lower),
            &error::INVALID_ARGUMENT,
            &member,
            || format!("is '{name}' a second time"),
        )?;
        let is_value = value.len() <= HEADER_VALUE_CHARS_MAX
            && value
                .bytes()
                .all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
        let member = format!("{at}.Items[{index}].HeaderValue");
        ensure(is_value, &error::INVALID_ARGUMENT, member, || {
            format!("must be up to {HEADER_VALUE_CHARS_MAX} printable characters")
        })?;
    }
    ensure(
        total <= HEADERS_CHARS_MAX,
        &error::TOO_MANY_ORIGIN_CUSTOM_HEADERS,
        &at,
        || format!("has {total} characters of names and values; {HEADERS_CHARS_MAX} are allowed"),
    )
}

fn shield(at: &str, origin: &cf::Origin) -> Rule {
    let Some(shield) = origin
        .origin_shield
        .as_ref()
        .filter(|shield| shield.enabled)
    else {
        return Ok(());
    };
    let region = text(&shield.origin_shield_region);
    let parts: Vec<&str> = region.split('-').collect();
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    let is_region = match parts.as_slice() {
        [area, direction, number] => {
            area.len() == 2
                && is_word(area)
                && is_word(direction)
                && number.len() == 1
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    };
    let member = format!("{at}.OriginShield.OriginShieldRegion");
    ensure(is_region, &error::INVALID_ARGUMENT, member, || {
        format!("is '{region}'; allowed is a region such as us-east-1")
    })
}

/// Origin access identities and controls.
fn access(at: &str, origin: &cf::Origin) -> Rule {
    let s3 = origin.s3_origin_config.as_ref();
    let identity = s3
        .map(|s3| s3.origin_access_identity.as_str())
        .unwrap_or_default();
    let id = identity.strip_prefix("origin-access-identity/cloudfront/");
    let is_identity =
        identity.is_empty() || id.is_some_and(|id| !id.is_empty() && !id.contains('/'));
    let member = format!("{at}.S3OriginConfig.OriginAccessIdentity");
    ensure(
        is_identity,
        &error::INVALID_ORIGIN_ACCESS_IDENTITY,
        member,
        || format!("is '{identity}'; allowed is origin-access-identity/cloudfront/ and an id"),
    )?;
    let control = text(&origin.origin_access_control_id);
    let is_one = control.is_empty() || identity.is_empty();
    ensure(
        is_one,
        &error::ILLEGAL_ORIGIN_ACCESS_CONFIGURATION,
        at,
        || "has both OriginAccessControlId and OriginAccessIdentity; one is allowed".to_owned(),
    )?;
    let is_vpc = origin.vpc_origin_config.is_some();
    ensure(
        control.is_empty() || !is_vpc,
        &error::ILLEGAL_ORIGIN_ACCESS_CONFIGURATION,
        at,
        || "is a VPC origin, which needs no OriginAccessControlId".to_owned(),
    )
}

/// An origin access control signs for one kind of origin: what says otherwise is refused. Names
/// outside of AWS's are taken for what they are said to be.
pub fn access_controls(config: &DistributionConfig, found: &Found) -> Rule {
    use cf::OriginAccessControlOriginTypes as Types;
    for (index, origin) in config.origins.items.iter().enumerate() {
        let id = text(&origin.origin_access_control_id);
        let control = found.get::<cf::OriginAccessControlConfig>(ORIGIN_ACCESS_CONTROL, id)?;
        let Some(control) = control else { continue };
        let name = origin.domain_name.to_ascii_lowercase();
        let is_of_aws = [".amazonaws.com", ".on.aws"]
            .iter()
            .any(|end| name.ends_with(end));
        let r#type = control.config.origin_access_control_origin_type;
        let fits = match r#type {
            _ if !is_of_aws => true,
            Types::S3 => is_bucket(&name),
            Types::Lambda => name.contains(".lambda-url."),
            Types::Mediastore => name.contains(".mediastore."),
            Types::Mediapackagev2 => name.contains(".mediapackagev2."),
        };
        let member = format!("Origins.Items[{index}].DomainName");
        ensure(
            fits,
            &error::INVALID_DOMAIN_NAME_FOR_ORIGIN_ACCESS_CONTROL,
            member,
            || {
                format!(
                    "is '{name}', but the origin access control {id} is for another kind of origin"
                )
            },
        )?;
    }
    Ok(())
}

/// Groups of two origins.
pub fn groups(config: &DistributionConfig) -> Rule {
    let origins = &config.origins.items;
    let mut ids: BTreeSet<&String> = origins.iter().map(|origin| &origin.id).collect();
    let groups = config.origin_groups.iter().flat_map(|list| list.items());
    for (index, group) in groups.enumerate() {
        let at = format!("OriginGroups.Items[{index}]");
        let is_id = (1..=ORIGIN_ID_CHARS_MAX).contains(&group.id.chars().count());
        let is_new = ids.insert(&group.id);
        ensure(
            is_id && is_new,
            &error::INVALID_ARGUMENT,
            format!("{at}.Id"),
            || {
                format!(
                    "is '{}'; allowed are 1 to 128 characters that no other has",
                    group.id
                )
            },
        )?;
        let members = &group.members.items;
        let is_pair = members.len() == 2 && members[0].origin_id != members[1].origin_id;
        ensure(
            is_pair,
            &error::INVALID_ARGUMENT,
            format!("{at}.Members"),
            || "must be two different origins".to_owned(),
        )?;
        for member in members {
            let id = &member.origin_id;
            let is_origin = origins.iter().any(|origin| origin.id == *id);
            ensure(
                is_origin,
                &error::NO_SUCH_ORIGIN,
                format!("{at}.Members"),
                || format!("has '{id}', which is no origin of this distribution"),
            )?;
        }
        let statuses = &group.failover_criteria.status_codes.items;
        let wrong = statuses
            .iter()
            .find(|status| !FAILOVER_STATUSES.contains(status));
        let is_list = !statuses.is_empty() && wrong.is_none();
        let member = format!("{at}.FailoverCriteria.StatusCodes");
        ensure(is_list, &error::INVALID_ARGUMENT, member, || match wrong {
            Some(status) => format!("has {status}; allowed are {FAILOVER_STATUSES:?}"),
            None => format!("is empty; allowed are {FAILOVER_STATUSES:?}"),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses() {
        for good in [
            "localhost",
            "a.example.com",
            "127.0.0.1",
            "[::1]",
            "my_bucket.s3.amazonaws.com",
        ] {
            assert!(is_host(good), "{good}");
        }
        for bad in ["http://a", "a:80", "a/b", "a..b", "[::1", "a b", "é.com"] {
            assert!(!is_host(bad), "{bad}");
        }
    }

    #[test]
    fn buckets_are_told_from_websites() {
        for good in [
            "b.s3.amazonaws.com",
            "a.b.s3.eu-west-1.amazonaws.com",
            "b.s3-eu-west-1.amazonaws.com",
            "b.s3.dualstack.eu-west-1.amazonaws.com",
            "p-1.s3-accesspoint.us-east-1.amazonaws.com",
        ] {
            assert!(is_bucket(good), "{good}");
        }
        for bad in [
            "b.s3-website-us-east-1.amazonaws.com",
            "b.s3-website.us-east-1.amazonaws.com",
            "s3.amazonaws.com",
            "x.execute-api.us-east-1.amazonaws.com",
        ] {
            assert!(!is_bucket(bad), "{bad}");
        }
    }
}
