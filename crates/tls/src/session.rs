//! What a handshake came to.

use rustls::{
    CipherSuite, CommonState, HandshakeKind, NamedGroup, ProtocolVersion, ServerConnection,
};

use crate::hosts::{ALPN_HTTP_1, ALPN_HTTP_2, ALPN_HTTP_3};
use crate::viewer_certificate::ViewerCertificate;

/// What is spoken over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// HTTP/1.1; also where the viewer offers nothing.
    Http1,
    /// HTTP/2.
    Http2,
    /// HTTP/3.
    Http3,
    /// Nothing: the handshake itself proves who has a name (RFC 8737).
    AlpnChallenge,
}

/// What a handshake came to. Names are OpenSSL's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// `TLSv1.2`, `TLSv1.3`.
    pub protocol: &'static str,
    /// `ECDHE-ECDSA-AES128-GCM-SHA256`, `TLS_AES_128_GCM_SHA256`.
    pub cipher: &'static str,
    /// `X25519MLKEM768`, `X25519`, `prime256v1`, …; None where a session of TLS 1.2 was resumed.
    pub curve: Option<&'static str>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// What is spoken now.
    pub spoken: Spoken,
    /// The name that the viewer asked for.
    pub server_name: Option<String>,
    /// The certificate that the viewer has shown, now or in the session that was resumed.
    pub viewer_certificate: Option<ViewerCertificate>,
}

impl Negotiated {
    /// Of a connection over TCP. None: the handshake is not over yet.
    pub fn of(connection: &ServerConnection) -> Option<Negotiated> {
        if connection.is_handshaking() {
            return None;
        }
        let name = connection.server_name().map(str::to_owned);
        Some(Negotiated::of_state(connection, name))
    }

    fn of_state(state: &CommonState, server_name: Option<String>) -> Negotiated {
        let suite = state.negotiated_cipher_suite().map(|suite| suite.suite());
        let group = state.negotiated_key_exchange_group();
        Negotiated {
            protocol: protocol_name(state.protocol_version()),
            cipher: suite.map_or("-", cipher_name),
            curve: group.and_then(|group| curve_name(group.name())),
            resumed: state.handshake_kind() == Some(HandshakeKind::Resumed),
            spoken: spoken(state.alpn_protocol()),
            server_name,
            viewer_certificate: state.peer_certificates().and_then(ViewerCertificate::read),
        }
    }
}

fn protocol_name(version: Option<ProtocolVersion>) -> &'static str {
    match version {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "-",
    }
}

/// OpenSSL's name of a suite that rustls speaks; `-` of others.
pub fn cipher_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => {
            "ECDHE-ECDSA-CHACHA20-POLY1305"
        }
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        _ => "-",
    }
}

/// OpenSSL's name of a group of which keys are exchanged; None of others.
pub fn curve_name(group: NamedGroup) -> Option<&'static str> {
    match group {
        NamedGroup::X25519MLKEM768 => Some("X25519MLKEM768"),
        NamedGroup::secp256r1MLKEM768 => Some("SecP256r1MLKEM768"),
        NamedGroup::X25519 => Some("X25519"),
        NamedGroup::secp256r1 => Some("prime256v1"),
        NamedGroup::secp384r1 => Some("secp384r1"),
        _ => None,
    }
}

fn spoken(alpn: Option<&[u8]>) -> Spoken {
    match alpn {
        Some(ALPN_HTTP_3) => Spoken::Http3,
        Some(ALPN_HTTP_2) => Spoken::Http2,
        Some(crate::challenge::ALPN_ACME) => Spoken::AlpnChallenge,
        Some(ALPN_HTTP_1) | Some(_) | None => Spoken::Http1,
    }
}
