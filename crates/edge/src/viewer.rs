use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use geo::Location;

/// What the edge knows of the one who asks, besides the request itself.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// The TCP peer.
    pub peer: SocketAddr,
    /// The TLS session, when there is one.
    pub tls: Option<Arc<ViewerTls>>,
    /// Where the peer is, as far as the geographic database knows.
    pub location: Option<Arc<Location>>,
}

/// What is known of a viewer's TLS session.
#[derive(Clone, Debug)]
pub struct ViewerTls {
    /// `TLSv1.3`.
    pub protocol: String,
    /// The cipher suite by OpenSSL's name.
    pub cipher: String,
}

impl Viewer {
    /// A viewer of whom only the address is known.
    pub fn new(peer: SocketAddr) -> Viewer {
        Viewer {
            peer,
            tls: None,
            location: None,
        }
    }

    /// The peer's address; IPv4 mapped into IPv6 is IPv4.
    pub fn ip(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }

    /// Whether the viewer came over TLS.
    pub fn is_https(&self) -> bool {
        self.tls.is_some()
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.is_https() { "https" } else { "http" }
    }

    /// ISO 3166-1 alpha-2, in capitals.
    pub fn country(&self) -> Option<[u8; 2]> {
        self.location.as_ref().and_then(|location| location.country)
    }
}
