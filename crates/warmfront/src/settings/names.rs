//! Values that are tables: a name, and what it stands for.
//!
//! In a file they are tables (`[pops]`, `ICN1 = "ap-northeast-2 192.0.2.1"`), elsewhere `NAME=VALUE`.

use std::net::IpAddr;

use documents::route53::Pop;
use edge::{OriginKey, OriginKeys};

use super::{Reader, SettingError};

pub(super) const PAIR: &str = "NAME=VALUE; in a file, a table of names and values";

pub(super) const POPS: &str = "a code such as ICN1, then a region or LATITUDE,LONGITUDE, then \
    addresses: ICN1 = \"ap-northeast-2 192.0.2.1 2001:db8::1\"";

pub(super) const VPCS: &str = "the id of a VPC, then perhaps its region, then networks: \
    vpc-1a2b3c4d = \"eu-west-1 10.0.0.0/8\"";

pub(super) const ORIGIN_KEYS: &str = "a host name or *.SUFFIX, then the region, the access key \
    id, its secret and perhaps a session token: \
    \"*.s3.eu-west-1.amazonaws.com\" = \"eu-west-1 AKIA… …\"";

/// Keys for private origins, by their names.
pub(super) fn origin_keys(reader: &Reader<'_>) -> Result<OriginKeys, SettingError> {
    let mut keys = OriginKeys::default();
    let pairs = reader.table("origin_keys", ORIGIN_KEYS, |name, value| {
        let key = OriginKey::parse(value)?;
        OriginKeys::is_name(name).then(|| (name.to_owned(), key))
    })?;
    for (name, key) in pairs {
        keys.insert(&name, key);
    }
    Ok(keys)
}

/// Networks whose clients see the private zones of a VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vpc {
    /// `vpc-1a2b3c4d`.
    pub id: String,
    /// The region that its clients are in.
    pub region: Option<String>,
    /// Addresses and lengths of prefixes.
    pub networks: Vec<(IpAddr, u8)>,
}

/// `ICN1`, `"ap-northeast-2 192.0.2.1"`.
pub(super) fn pop(code: &str, value: &str) -> Option<Pop> {
    let is_code = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let mut words = value.split_ascii_whitespace();
    let place = words.next()?;
    let (region, coordinates) = match place.split_once(',') {
        Some((latitude, longitude)) => {
            let degrees = |text: &str, most: f64| {
                let degrees: f64 = text.parse().ok()?;
                (degrees.abs() <= most).then_some(degrees)
            };
            (
                None,
                Some((degrees(latitude, 90.0)?, degrees(longitude, 180.0)?)),
            )
        }
        None => {
            geo::region(place)?;
            (Some(place.to_owned()), None)
        }
    };
    let addresses: Vec<IpAddr> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
    (is_code && !addresses.is_empty()).then(|| Pop {
        code: code.to_owned(),
        region,
        latitude: coordinates.map(|(latitude, _)| latitude),
        longitude: coordinates.map(|(_, longitude)| longitude),
        addresses,
    })
}

/// `vpc-1`, `"eu-west-1 10.0.0.0/8"`.
pub(super) fn vpc(id: &str, value: &str) -> Option<Vpc> {
    let mut words = value.split_ascii_whitespace().peekable();
    let region = words.next_if(|word| !word.contains('/')).map(str::to_owned);
    if region
        .as_deref()
        .is_some_and(|region| geo::region(region).is_none())
    {
        return None;
    }
    let networks: Vec<_> = words.map(network).collect::<Option<_>>()?;
    (id.starts_with("vpc-") && !networks.is_empty()).then(|| Vpc {
        id: id.to_owned(),
        region,
        networks,
    })
}

/// `10.0.0.0/8`.
fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/')?;
    let (address, bits): (IpAddr, u8) = (address.parse().ok()?, bits.parse().ok()?);
    let most = if address.is_ipv4() { 32 } else { 128 };
    (bits <= most).then_some((address, bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pop_is_a_place_and_addresses() {
        let seoul = pop("ICN1", "ap-northeast-2 192.0.2.1 2001:db8::1").unwrap();
        assert_eq!(seoul.region.as_deref(), Some("ap-northeast-2"));
        assert_eq!(seoul.addresses.len(), 2);
        let here = pop("LAX3", "33.9,-118.4 192.0.2.1").unwrap();
        assert_eq!((here.latitude, here.longitude), (Some(33.9), Some(-118.4)));
        for wrong in [
            "",
            "nowhere-1 192.0.2.1",
            "ap-northeast-2",
            "91,0 192.0.2.1",
            "1,2 x",
        ] {
            assert_eq!(pop("ICN1", wrong), None, "{wrong}");
        }
        assert_eq!(pop("ICN 1", "1,2 192.0.2.1"), None);
    }

    #[test]
    fn a_vpc_is_networks_and_perhaps_a_region() {
        let office = vpc("vpc-1", "eu-west-1 10.0.0.0/8 fd00::/8").unwrap();
        assert_eq!(office.region.as_deref(), Some("eu-west-1"));
        assert_eq!(office.networks.len(), 2);
        assert!(vpc("vpc-1", "10.0.0.0/8").unwrap().region.is_none());
        for wrong in ["", "eu-west-1", "10.0.0.0/33", "mars-1 10.0.0.0/8"] {
            assert_eq!(vpc("vpc-1", wrong), None, "{wrong}");
        }
    }
}
