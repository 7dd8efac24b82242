//! Rules of what viewers meet: names, certificates, countries, the root object (spec §1.2, §1.7,
//! §14).

use std::collections::BTreeSet;

use shapes::cloudfront::{
    self as cf, DistributionConfig, GeoRestrictionType, MinimumProtocolVersion, SSLSupportMethod,
    error,
};

use super::super::behavior;
use super::super::limits::*;
use super::{Rule, ensure, is_token, text};
use crate::call::Call;
use crate::error::Failure;

/// ISO 3166-1, alpha-2.
const COUNTRIES: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR \
    BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ \
    EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW \
    GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY \
    KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV \
    MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY \
    QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG \
    TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA \
    ZM ZW";

pub fn check(call: &Call<'_>, config: &DistributionConfig) -> Rule {
    aliases(call, config)?;
    root_object(config)?;
    if let Some(certificate) = &config.viewer_certificate {
        self::certificate(certificate)?;
    }
    if let Some(restrictions) = &config.restrictions {
        geo(&restrictions.geo_restriction)?;
    }
    web_acl_id(text(&config.web_acl_id))?;
    mutual_tls(config)?;
    let header = config
        .cache_tag_config
        .as_ref()
        .map(|tags| tags.header_name.as_str());
    let is_header = header.is_none_or(|name| is_token(name) && name.len() <= HEADER_NAME_CHARS_MAX);
    ensure(
        is_header,
        &error::INVALID_ARGUMENT,
        "CacheTagConfig.HeaderName",
        || {
            format!(
                "is '{}', which is no header's name",
                header.unwrap_or_default()
            )
        },
    )
}

/// Aliases without a certificate are accepted, unlike by CloudFront:
/// docs/decisions/0014-aliases-without-certificates.md.
fn aliases(call: &Call<'_>, config: &DistributionConfig) -> Rule {
    let aliases = config
        .aliases
        .as_ref()
        .map(|list| list.items())
        .unwrap_or_default();
    let mut seen = BTreeSet::new();
    for (index, alias) in aliases.iter().enumerate() {
        let member = format!("Aliases.Items[{index}]");
        host_name(&member, alias)?;
        ensure(
            seen.insert(alias),
            &error::INVALID_ARGUMENT,
            &member,
            || format!("is '{alias}' a second time"),
        )?;
        let suffix = format!(".{}", call.control.config.domain);
        let label = alias.strip_suffix(&suffix).unwrap_or_default();
        let is_own = label.len() == 14
            && label.starts_with('d')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        ensure(!is_own, &error::INVALID_ARGUMENT, &member, || {
            format!("is '{alias}', which has the form of distributions' own names")
        })?;
    }
    Ok(())
}

/// A host name in lower case, or a wildcard: `*.` and a host name.
pub fn host_name(member: &str, name: &str) -> Rule {
    let plain = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
        (1..=63).contains(&label.len())
            && label.bytes().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_name = name.len() <= HOST_CHARS_MAX && plain.split('.').all(is_label);
    match is_name && plain.contains('.') {
        true => Ok(()),
        false => Err(Failure::api(
            &error::INVALID_ARGUMENT,
            format!(
                "{member} is '{name}'; allowed are host names in lower case, with '*.' in front \
                 or not."
            ),
        )),
    }
}

fn root_object(config: &DistributionConfig) -> Rule {
    let object = text(&config.default_root_object);
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_-.*$/~\"'&".contains(c);
    let is_object = !object.starts_with('/')
        && object.chars().count() <= PATH_CHARS_MAX
        && object.chars().all(is_allowed);
    let shape = &error::INVALID_DEFAULT_ROOT_OBJECT;
    ensure(is_object, shape, "DefaultRootObject", || {
        format!(
            "is '{object}'; allowed are up to {PATH_CHARS_MAX} of A-Z a-z 0-9 and each of \
             _ - . * $ / ~ \" ' &, without a '/' in front"
        )
    })
}

/// Which certificate. Whether ACM's is there is for `viewer_certificate.rs` to say; IAM's never is.
fn certificate(certificate: &cf::ViewerCertificate) -> Rule {
    let acm = certificate.acm_certificate_arn.as_deref();
    let iam = certificate.iam_certificate_id.as_deref();
    let is_default = certificate.cloud_front_default_certificate == Some(true);
    let shape = &error::INVALID_VIEWER_CERTIFICATE;
    let count = [acm.is_some(), iam.is_some(), is_default]
        .iter()
        .filter(|is| **is)
        .count();
    ensure(count == 1, shape, "ViewerCertificate", || {
        format!(
            "has {count} of ACMCertificateArn, IAMCertificateId and CloudFrontDefaultCertificate; \
             one is allowed"
        )
    })?;
    let member = "ViewerCertificate.IAMCertificateId";
    ensure(iam.is_none(), shape, member, || {
        format!(
            "is '{}', and IAM keeps no certificates here: import it with ACM, and name it by \
             ACMCertificateArn",
            iam.unwrap_or_default()
        )
    })?;
    if is_default {
        return Ok(());
    }
    protocol(certificate)
}

/// Policies that nodes speak, all from TLS 1.2 on.
const SPOKEN: [MinimumProtocolVersion; 5] = [
    MinimumProtocolVersion::TLSv1_2_2018,
    MinimumProtocolVersion::TLSv1_2_2019,
    MinimumProtocolVersion::TLSv1_2_2021,
    MinimumProtocolVersion::TLSv1_2_2025,
    MinimumProtocolVersion::TLSv1_3_2025,
];

/// Which versions there are, and how the certificate is chosen.
fn protocol(certificate: &cf::ViewerCertificate) -> Rule {
    let version = certificate
        .minimum_protocol_version
        .unwrap_or(MinimumProtocolVersion::TLSv1_2_2021);
    let method = certificate.ssl_support_method;
    ensure(
        method.is_some(),
        &error::INVALID_ARGUMENT,
        "ViewerCertificate.SSLSupportMethod",
        || "is required with a certificate of one's own".to_owned(),
    )?;
    let speaks_sni = method == Some(SSLSupportMethod::SniOnly);
    ensure(
        speaks_sni,
        &error::INVALID_ARGUMENT,
        "ViewerCertificate.SSLSupportMethod",
        || "asks for addresses of its own, which there are none of; allowed is sni-only".to_owned(),
    )?;
    let member = "ViewerCertificate.MinimumProtocolVersion";
    let is_ssl = version == MinimumProtocolVersion::SSLv3;
    ensure(!is_ssl, &error::INVALID_PROTOCOL_SETTINGS, member, || {
        "is SSLv3, which does not go with sni-only".to_owned()
    })?;
    ensure(
        SPOKEN.contains(&version),
        &error::INVALID_MINIMUM_PROTOCOL_VERSION,
        member,
        || {
            let allowed = SPOKEN.map(MinimumProtocolVersion::as_str).join(", ");
            format!("is {version}; TLS 1.0 and 1.1 are not spoken here: allowed are {allowed}")
        },
    )
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn geo(restriction: &cf::GeoRestriction) -> Rule {
    let countries = restriction.items.as_deref().unwrap_or_default();
    let is_none = restriction.restriction_type == GeoRestrictionType::None;
    let member = "Restrictions.GeoRestriction";
    let shape = &error::INVALID_GEO_RESTRICTION_PARAMETER;
    ensure(is_none == countries.is_empty(), shape, member, || {
        format!(
            "has {} countries, but RestrictionType is {}",
            countries.len(),
            restriction.restriction_type.as_str()
        )
    })?;
    let mut seen = BTreeSet::new();
    for country in countries {
        let is_known = COUNTRIES.split(' ').any(|known| known == country);
        ensure(is_known, &error::INVALID_LOCATION_CODE, member, || {
            format!("has '{country}'; allowed are countries' codes of two capital letters")
        })?;
        ensure(seen.insert(country), shape, member, || {
            format!("has {country} twice")
        })?;
    }
    Ok(())
}

/// Nothing, an ARN of WAFv2, or a bare id of WAF Classic. Web ACLs are not held here yet, so one
/// that has the form is taken to be there.
pub fn web_acl_id(id: &str) -> Rule {
    let parts: Vec<&str> = id.split(':').collect();
    let is_known = match parts.as_slice() {
        ["arn", "aws", "wafv2", "us-east-1", account, acl] => {
            let path: Vec<&str> = acl.split('/').collect();
            let is_path = matches!(path.as_slice(), ["global", "webacl", name, id]
                if !name.is_empty() && !id.is_empty());
            is_account(account) && is_path
        }
        [classic] => {
            let is_hex = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
            classic.is_empty() || classic.len() == 36 && classic.bytes().all(is_hex)
        }
        _ => false,
    };
    ensure(is_known, &error::INVALID_WEB_ACL_ID, "WebACLId", || {
        format!("is '{id}'; allowed are ARNs of global web ACLs, and ids of WAF Classic")
    })
}

/// Certificates of viewers (spec §14.5).
fn mutual_tls(config: &DistributionConfig) -> Rule {
    let Some(mtls) = &config.viewer_mtls_config else {
        return Ok(());
    };
    let shape = &error::INVALID_ARGUMENT;
    let passes = mtls.mode == Some(cf::ViewerMtlsMode::Passthrough);
    let has_store = mtls.trust_store_config.is_some();
    let member = "ViewerMtlsConfig.TrustStoreConfig";
    ensure(has_store != passes, shape, member, || match passes {
        true => "is for the modes required and optional".to_owned(),
        false => "is required".to_owned(),
    })?;
    let speaks_http3 = matches!(
        config.http_version,
        Some(cf::HttpVersion::Http3 | cf::HttpVersion::Http2and3)
    );
    ensure(!speaks_http3, shape, "ViewerMtlsConfig", || {
        "does not go with HTTP/3 in HttpVersion".to_owned()
    })?;
    if passes {
        passed_through(config)?;
    }
    for (at, behavior) in behavior::all(config) {
        let is_https = behavior.viewer_protocol_policy != cf::ViewerProtocolPolicy::AllowAll;
        ensure(
            is_https,
            shape,
            format!("{at}.ViewerProtocolPolicy"),
            || "is allow-all, which does not go with ViewerMtlsConfig".to_owned(),
        )?;
    }
    Ok(())
}

/// What goes with certificates that the origin looks at: each answer is for one viewer alone.
fn passed_through(config: &DistributionConfig) -> Rule {
    const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
    let shape = &error::INVALID_ARGUMENT;
    for (at, behavior) in behavior::all(config) {
        let is_uncached = text(&behavior.cache_policy_id) == CACHING_DISABLED;
        ensure(is_uncached, shape, format!("{at}.CachePolicyId"), || {
            format!("must be {CACHING_DISABLED}, CachingDisabled, in the mode passthrough")
        })?;
        let lambdas = behavior.lambda_function_associations.as_ref();
        let has_lambdas = lambdas.is_some_and(|list| !list.items().is_empty());
        let member = format!("{at}.LambdaFunctionAssociations");
        ensure(!has_lambdas, shape, member, || {
            "do not go with the mode passthrough".to_owned()
        })?;
    }
    for (index, origin) in config.origins.items.iter().enumerate() {
        let shield = origin.origin_shield.as_ref();
        let is_shielded = shield.is_some_and(|shield| shield.enabled);
        let member = format!("Origins.Items[{index}].OriginShield");
        ensure(!is_shielded, shape, member, || {
            "does not go with the mode passthrough".to_owned()
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_in_lower_case_and_wildcards_are_whole_labels() {
        for good in [
            "www.example.com",
            "*.example.com",
            "a_b.example.com",
            "shop.localhost",
        ] {
            assert!(host_name("Alias", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "localhost",
            "WWW.example.com",
            "*x.example.com",
            "a.*.example.com",
            "*",
            "-a.example.com",
            "a..com",
            "http://a.com",
            "a.com:80",
        ] {
            assert!(host_name("Alias", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn web_acls_are_of_two_generations() {
        let arn = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/name/id";
        for good in ["", arn, "473e64fd-f30b-4765-81a0-62ad96dd167a"] {
            assert!(web_acl_id(good).is_ok(), "{good}");
        }
        let regional = arn.replace("global", "regional");
        for bad in [
            "x",
            regional.as_str(),
            "arn:aws:acm:us-east-1:123456789012:certificate/x",
        ] {
            assert!(web_acl_id(bad).is_err(), "{bad}");
        }
    }
}
