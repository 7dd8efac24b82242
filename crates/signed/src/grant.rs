//! What a verified signature allows.

use std::net::{IpAddr, Ipv4Addr};

use crate::policy;
use crate::presented::ViewerUrl;
use crate::refusal::Refusal;
use crate::resource::Resource;

/// What a verified signature allows; kept in a table and asked again by every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub(crate) expires_secs: u64,
    /// 0 if the policy names none.
    pub(crate) not_before_secs: u64,
    pub(crate) network: Option<Network>,
    /// None is everything; also of canned policies, whose URL is signed.
    pub(crate) resource: Option<Resource>,
}

impl Grant {
    pub(crate) fn canned(expires_secs: u64) -> Grant {
        Grant {
            expires_secs,
            not_before_secs: 0,
            network: None,
            resource: None,
        }
    }

    /// What a custom policy would allow if it were signed, or why it would be refused; for tools
    /// that show or check policies. Nothing may be served for it.
    pub fn read_unverified(policy: &[u8]) -> Result<Grant, &'static str> {
        policy::read(policy)
    }

    /// Whether this viewer may see this URL now: `now_secs`, since 1970, is before the end, and is
    /// the start or after it. The grant of a canned policy is asked about the URL that it was
    /// verified with and no other: [`crate::Presented::write_material`] writes that URL.
    pub fn admits(&self, url: &ViewerUrl<'_>, ip: IpAddr, now_secs: u64) -> Result<(), Refusal> {
        if now_secs >= self.expires_secs {
            return Err(Refusal::Expired);
        }
        if now_secs < self.not_before_secs {
            return Err(Refusal::NotYetValid);
        }
        if self.network.is_some_and(|network| !network.has(ip)) {
            return Err(Refusal::Address);
        }
        match self.is_about(url) {
            true => Ok(()),
            false => Err(Refusal::Resource),
        }
    }

    pub(crate) fn is_about(&self, url: &ViewerUrl<'_>) -> bool {
        let resource = self.resource.as_ref();
        resource.is_none_or(|resource| resource.admits(url))
    }
}

/// Addresses of IPv4 that have a prefix in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: u32,
    mask: u32,
}

impl Network {
    /// An address, or one with `/` and the length of the prefix. Bits behind it do not count.
    pub(crate) fn parse(text: &str) -> Option<Network> {
        let (address, length) = match text.split_once('/') {
            None => (text, 32),
            Some((address, length)) => {
                let is_number = length.bytes().all(|byte| byte.is_ascii_digit());
                let is_plain = is_number && (length == "0" || !length.starts_with('0'));
                (address, length.parse().ok().filter(|_| is_plain)?)
            }
        };
        let address: Ipv4Addr = address.parse().ok()?;
        let mask = match length {
            0 => 0,
            1..=32 => u32::MAX << (32_u32 - length),
            _ => return None,
        };
        Some(Network {
            address: address.to_bits() & mask,
            mask,
        })
    }

    /// Addresses of IPv6 are in none, but those that are mapped from IPv4.
    fn has(self, ip: IpAddr) -> bool {
        let address = match ip {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(address) => address.to_ipv4_mapped(),
        };
        address.is_some_and(|address| address.to_bits() & self.mask == self.address)
    }
}
