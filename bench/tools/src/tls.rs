//! TLS of the tools: one cipher suite and one group for all that is measured, so that servers are
//! compared and not their preferences.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, ProtocolVersion,
    ServerConfig, SignatureScheme,
};

/// One read of a socket: some records of full size.
const SOCKET_READ_BYTES: usize = 128 * 1024;

/// AES-128-GCM and X25519, with the keys of ECDSA that the certificates have.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        ],
        // The second is the keys' own, which TLS 1.2 wants to see here too; shares are the first's.
        kx_groups: vec![kx_group::X25519, kx_group::SECP256R1],
        ..default_provider()
    })
}

/// What a viewer here speaks. It believes every certificate, which costs the server nothing.
pub fn client_config(alpn: &[u8], is_tls12: bool) -> Result<ClientConfig, rustls::Error> {
    let versions = if is_tls12 { [&TLS12] } else { [&TLS13] };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous))
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// What the bare loop speaks, with the chain and the key in these files.
pub fn server_config(chain: &Path, key: &Path) -> io::Result<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect)
        .map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(io::Error::other)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(io::Error::other)?;
    Ok(config)
}

/// A viewer's connection, encrypted or not. Reads and writes as a non-blocking socket does.
pub enum Transport {
    /// As it is.
    Plain(TcpStream),
    /// By TLS.
    Tls(Box<TlsClient>),
}

impl Transport {
    /// The socket.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Transport::Plain(socket) => socket,
            Transport::Tls(client) => &client.socket,
        }
    }

    /// Content that has come, `WouldBlock` where there is none, 0 at the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Plain(socket) => socket.read(buffer),
            Transport::Tls(client) => client.read(buffer),
        }
    }

    /// Sends all of `bytes`, or fails.
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Transport::Plain(socket) => socket.write_all(bytes),
            Transport::Tls(client) => client.write_all(bytes),
        }
    }

    /// Whether nothing more comes after a read that did not fill the buffer: records may be left
    /// behind it, or parts of one.
    pub fn is_drained_by_short_reads(&self) -> bool {
        matches!(self, Transport::Plain(_))
    }
}

/// A viewer's side of TLS on a non-blocking socket.
pub struct TlsClient {
    connection: ClientConnection,
    socket: TcpStream,
    /// What one read of the socket brought; `from..to` is still to be decrypted.
    arrived: Vec<u8>,
    from: usize,
    to: usize,
}

impl TlsClient {
    /// A client whose handshake has not begun.
    pub fn new(config: Arc<ClientConfig>, name: &str, socket: TcpStream) -> io::Result<TlsClient> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(TlsClient {
            connection,
            socket,
            arrived: vec![0; SOCKET_READ_BYTES],
            from: 0,
            to: 0,
        })
    }

    /// Shakes hands as far as what has come allows; the kind of handshake once it is over.
    pub fn shake(&mut self) -> io::Result<Option<HandshakeKind>> {
        self.flush()?;
        while self.connection.is_handshaking() {
            match self.receive() {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => self.flush()?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(self.connection.handshake_kind())
    }

    /// Shakes hands on a socket that blocks meanwhile.
    pub fn shake_to_the_end(&mut self) -> io::Result<()> {
        self.socket.set_nonblocking(false)?;
        while self.shake()?.is_none() {}
        self.socket.set_nonblocking(true)
    }

    /// Whether the server has sent all that it sends by itself: with TLS 1.3 its tickets follow
    /// what it makes of our last message.
    pub fn is_settled(&self) -> bool {
        self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_2)
            || self.connection.tls13_tickets_received() > 0
    }

    /// Says that nothing more comes from here. What the server still says can be read.
    pub fn finish(&mut self) -> io::Result<()> {
        self.connection.send_close_notify();
        self.flush()?;
        self.socket.shutdown(std::net::Shutdown::Write)
    }

    /// As [`Transport::read`].
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        loop {
            match self.connection.reader().read(&mut buffer[filled..]) {
                Ok(0) => return Ok(filled),
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => match self.receive() {
                    Ok(0) => return Ok(filled),
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock && filled > 0 => {
                        return Ok(filled);
                    }
                    Err(error) => return Err(error),
                },
                Err(error) => return Err(error),
            }
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.connection.writer().write_all(bytes)?;
        self.flush()
    }

    /// Takes in some of what has come; 0 at the end.
    fn receive(&mut self) -> io::Result<usize> {
        if self.from == self.to {
            self.to = self.socket.read(&mut self.arrived)?;
            self.from = 0;
        }
        let mut rest = &self.arrived[self.from..self.to];
        let taken = self.connection.read_tls(&mut rest)?;
        self.from += taken;
        self.connection
            .process_new_packets()
            .map_err(io::Error::other)?;
        Ok(taken)
    }

    /// What is sent here is far smaller than a socket's buffer.
    fn flush(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.socket)?;
        }
        Ok(())
    }
}

/// Believes every certificate, and every signature.
#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
        ]
    }
}
