use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use geo::Location;
use tls::{Negotiated, ViewerCertificate};

/// What the edge knows of the one who asks, besides the request itself.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// The TCP peer.
    pub peer: SocketAddr,
    /// The TLS session, when there is one.
    pub tls: Option<Arc<Negotiated>>,
    /// Where the peer is, as far as the geographic database knows.
    pub location: Option<Arc<Location>>,
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

    /// A viewer that has shaken hands.
    pub fn over_tls(peer: SocketAddr, negotiated: Negotiated) -> Viewer {
        Viewer {
            tls: Some(Arc::new(negotiated)),
            ..Viewer::new(peer)
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

    /// The certificate that the viewer has shown, where it was asked for one.
    pub fn certificate(&self) -> Option<&ViewerCertificate> {
        self.tls.as_ref()?.viewer_certificate.as_ref()
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
