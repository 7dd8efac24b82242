//! By what right an origin is asked: origin access controls, origin access identities, and
//! buckets of this installation (spec §7.6, §7.7).

use documents::bucket::{Asker, Bucket};
use origin::{AddressFamily, OriginSpec};
use shapes::cloudfront as cf;
use shapes::cloudfront::{
    OriginAccessControlOriginTypes as OriginType, OriginAccessControlSigningBehaviors as Behavior,
};

use super::policies::{Private, bucket_of, website_of};
use super::{Origin, OriginProtocol};

/// How the edge proves to an origin who asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OriginAccess {
    /// Which requests are signed, and where the signature stands.
    pub signing: Signing,
    /// Whose rules the signature follows.
    pub service: Service,
    /// With which key.
    pub key: AccessKey,
}

/// `SigningBehavior`. An origin that is `never` signed for has no [`OriginAccess`].
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Signing {
    /// Every request, in the place of what the viewer sent as `Authorization`.
    Always,
    /// Those in which no `Authorization` of the viewer's reaches the origin.
    NoOverride,
    /// Every request, in the query: the viewer's `Authorization` goes its own way.
    AlwaysAmzAuth,
}

impl Signing {
    /// As the API has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Signing::Always => Behavior::Always.as_str(),
            Signing::NoOverride => Behavior::NoOverride.as_str(),
            Signing::AlwaysAmzAuth => Behavior::AlwaysAmzAuth.as_str(),
        }
    }
}

/// `OriginAccessControlOriginType`.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Service {
    /// S3, or whatever speaks its protocol.
    S3,
    /// A function URL of Lambda's.
    Lambda,
    /// A container of MediaStore's.
    MediaStore,
    /// A channel of MediaPackage's.
    MediaPackageV2,
}

impl Service {
    /// The name that signatures are for.
    pub fn signing_name(self) -> &'static str {
        match self {
            Service::S3 => "s3",
            Service::Lambda => "lambda",
            Service::MediaStore => "mediastore",
            Service::MediaPackageV2 => "mediapackagev2",
        }
    }
}

/// Where the key for an origin comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AccessKey {
    /// From the installation's key: the bucket is one of its own, made in that region.
    Installation {
        /// In whose name it is asked.
        asker: Asker,
        /// The bucket's region.
        region: String,
    },
    /// From the node's setting `origin_keys`, by the origin's domain name in lower case.
    Setting(String),
}

/// What an origin says of access, or the member at fault and what is wrong with it.
/// `distribution` is the id that origins know the asker by.
pub(super) fn compile(
    origin: &cf::Origin,
    private: &Private,
    distribution: &str,
) -> Result<Option<OriginAccess>, (&'static str, String)> {
    let control = origin.origin_access_control_id.as_deref();
    let control = control.filter(|id| !id.is_empty());
    let identity = origin.s3_origin_config.as_ref();
    let identity = identity.map(|s3| s3.origin_access_identity.as_str());
    let identity = identity.filter(|path| !path.is_empty());
    let asked = match (control, identity) {
        (None, None) => return Ok(None),
        (Some(id), None) => {
            let asker = Asker::Distribution(distribution.to_owned());
            of_control(origin, id, private)
                .map_err(|message| ("OriginAccessControlId", message))?
                .map(|(signing, service)| (signing, service, asker))
        }
        (None, Some(path)) => {
            let id = of_identity(path, private)
                .map_err(|message| ("S3OriginConfig.OriginAccessIdentity", message))?;
            Some((Signing::Always, Service::S3, Asker::Identity(id)))
        }
        (Some(_), Some(path)) => {
            let message = format!("is there besides OriginAccessIdentity '{path}': keep one");
            return Err(("OriginAccessControlId", message));
        }
    };
    Ok(asked.map(|(signing, service, asker)| OriginAccess {
        signing,
        service,
        key: match bucket(origin, private) {
            Some(bucket) => AccessKey::Installation {
                asker,
                region: bucket.region.clone(),
            },
            None => AccessKey::Setting(origin.domain_name.to_ascii_lowercase()),
        },
    }))
}

/// What a control asks for; nothing where it is switched off.
fn of_control(
    origin: &cf::Origin,
    id: &str,
    private: &Private,
) -> Result<Option<(Signing, Service)>, String> {
    let control = private.access_controls.get(id).ok_or_else(|| {
        format!("'{id}' is no origin access control that is known here (see `policies`)")
    })?;
    let service = match control.origin_access_control_origin_type {
        OriginType::S3 => Service::S3,
        OriginType::Lambda => Service::Lambda,
        OriginType::Mediastore => Service::MediaStore,
        OriginType::Mediapackagev2 => Service::MediaPackageV2,
    };
    let signing = match control.signing_behavior {
        Behavior::Never => return Ok(None),
        Behavior::Always => Signing::Always,
        Behavior::NoOverride => Signing::NoOverride,
        Behavior::AlwaysAmzAuth if service == Service::Lambda => Signing::AlwaysAmzAuth,
        Behavior::AlwaysAmzAuth => {
            return Err(format!(
                "'{id}' is always-amz-auth, which is for lambda alone"
            ));
        }
    };
    if service != Service::S3 && origin.s3_origin_config.is_some() {
        let name = service.signing_name();
        return Err(format!("'{id}' is for {name}, and this is an S3 origin"));
    }
    Ok(Some((signing, service)))
}

/// The id of an identity.
fn of_identity(path: &str, private: &Private) -> Result<String, String> {
    const FORM: &str = "origin-access-identity/cloudfront/";
    let id = path
        .strip_prefix(FORM)
        .ok_or_else(|| format!("'{path}' is not '{FORM}' and an id"))?;
    match private.access_identities.contains(id) {
        true => Ok(id.to_owned()),
        false => Err(format!(
            "'{id}' is no origin access identity that is known here (see `policies`)"
        )),
    }
}

/// The bucket of this installation that an S3 origin means, or whose website a custom one means.
pub(super) fn bucket<'p>(origin: &cf::Origin, private: &'p Private) -> Option<&'p Bucket> {
    let name = match origin.s3_origin_config {
        Some(_) => bucket_of(&origin.domain_name),
        None => website_of(&origin.domain_name),
    };
    private.buckets.get(name?)
}

/// Leads an origin to where its bucket is kept instead of where its name resolves to. Its name
/// stays what it is asked by.
pub(super) fn lead(bucket: &Bucket, origin: &mut Origin) -> Result<(), String> {
    let place = place(&bucket.endpoint);
    let (is_https, host, port) = place.ok_or_else(|| {
        let endpoint = &bucket.endpoint;
        format!("its bucket is announced at '{endpoint}', which is no http://HOST:PORT")
    })?;
    let spec = OriginSpec {
        host: host.to_owned(),
        http_port: port,
        https_port: port,
        address_family: AddressFamily::DualStack,
        ..origin.spec.clone()
    };
    origin.spec = spec;
    origin.keeps_host = true;
    origin.protocol = match is_https {
        true => OriginProtocol::HttpsOnly,
        false => OriginProtocol::HttpOnly,
    };
    Ok(())
}

/// `http://10.0.0.1:4566`: whether by TLS, the host, the port.
fn place(endpoint: &str) -> Option<(bool, &str, u16)> {
    let (scheme, rest) = endpoint.split_once("://")?;
    let is_https = match scheme {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let usual = if is_https { 443 } else { 80 };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, usual),
    };
    let is_host = !host.is_empty() && !host.contains(['/', '@', '?']);
    is_host.then_some((is_https, host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_found_by_its_name_at_s3_and_its_website_by_a_custom_origins() {
        let kept = Bucket {
            node: "n1".into(),
            endpoint: "http://127.0.0.1:4566".into(),
            region: "us-east-1".into(),
        };
        let mut private = Private::default();
        private.buckets.insert("site".into(), kept.clone());
        let origin = |domain: &str, is_s3: bool| {
            let kind = match is_s3 {
                true => serde_json::json!({ "OriginAccessIdentity": "" }),
                false => serde_json::json!({
                    "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only",
                }),
            };
            let member = ["CustomOriginConfig", "S3OriginConfig"][usize::from(is_s3)];
            let json = serde_json::json!({ "Id": "o", "DomainName": domain, member: kind });
            shapes::from_value::<cf::Origin>(&json).unwrap()
        };
        for (domain, is_s3, is_found) in [
            ("site.s3.us-east-1.amazonaws.com", true, true),
            ("site.s3-website-us-east-1.amazonaws.com", false, true),
            ("site.s3-website.us-east-1.amazonaws.com", false, true),
            ("site.s3.us-east-1.amazonaws.com", false, false),
            ("other.s3.us-east-1.amazonaws.com", true, false),
            ("site.example.com", true, false),
        ] {
            let origin = origin(domain, is_s3);
            let found = bucket(&origin, &private);
            assert_eq!(found, is_found.then_some(&kept), "{domain}");
        }
    }

    #[test]
    fn an_endpoint_is_a_scheme_a_host_and_perhaps_a_port() {
        assert_eq!(
            place("http://10.0.0.1:4566"),
            Some((false, "10.0.0.1", 4566))
        );
        assert_eq!(place("http://[::1]:4566/"), Some((false, "[::1]", 4566)));
        assert_eq!(place("https://[::1]"), Some((true, "[::1]", 443)));
        assert_eq!(place("http://store.test"), Some((false, "store.test", 80)));
        for wrong in [
            "10.0.0.1:4566",
            "ftp://a:1",
            "http://",
            "http://a:x",
            "http://a:1/b",
            "http://u@a:1",
        ] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
