//! What a verified signature allows.

use std::net::IpAddr;

use crate::presented::ViewerUrl;
use crate::refusal::Refusal;

/// What a verified signature allows; kept in a table and asked again by every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    expires_secs: u64,
}

impl Grant {
    pub(crate) fn canned(expires_secs: u64) -> Grant {
        Grant { expires_secs }
    }

    pub(crate) fn read(_text: &[u8]) -> Result<Grant, &'static str> {
        Err("custom policies are not read yet")
    }

    /// Whether this viewer may see this URL now. The grant of a canned policy is asked about the
    /// URL that it was verified with, and no other: its URL is in the material.
    pub fn admits(&self, _url: &ViewerUrl<'_>, _ip: IpAddr, now_secs: u64) -> Result<(), Refusal> {
        match now_secs < self.expires_secs {
            true => Ok(()),
            false => Err(Refusal::Expired),
        }
    }
}
