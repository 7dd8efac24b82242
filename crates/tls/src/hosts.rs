//! Who answers a handshake: by the name that a viewer asks for.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerConfig};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;

use crate::client::ClientAuth;
use crate::identity::Identity;
use crate::limits::{NAME_BYTES_MAX, TICKETS_PER_HANDSHAKE};
use crate::policy::Policy;
use crate::tickets::Tickets;

/// What `h2` is called in a handshake (RFC 7301).
pub const ALPN_HTTP_2: &[u8] = b"h2";
/// What HTTP/1.1 is called in a handshake.
pub const ALPN_HTTP_1: &[u8] = b"http/1.1";
/// What HTTP/1.0 is called in a handshake: some who speak it offer nothing else.
const ALPN_HTTP_1_0: &[u8] = b"http/1.0";
/// What HTTP/3 is called in a handshake.
pub const ALPN_HTTP_3: &[u8] = b"h3";

/// What a viewer gets over TCP where [`Hosts::find`] finds nobody: the fatal alert
/// unrecognized_name (RFC 6066 §3), as it is sent before anything is encrypted. Then the
/// connection is closed.
pub const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// What a distribution wants of handshakes for its names.
#[derive(Clone, Debug)]
pub struct HostSpec {
    /// Id of the distribution.
    pub site: String,
    /// Its names in lower case, exact ones and `*.wildcards`. A name belongs to the first one that
    /// has it.
    pub names: Vec<String>,
    /// The certificate that is served.
    pub identity: Arc<Identity>,
    /// Protocols and suites.
    pub policy: Policy,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
    /// Whether HTTP/3 is offered. Where viewers' certificates are asked for it is not.
    pub http3: bool,
    /// How viewers are asked for certificates, if they are.
    pub client_auth: Option<Arc<ClientAuth>>,
}

/// What is done for a viewer who asks for no name that is known, or for none at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownName {
    /// It gets the default certificate, if there is one.
    #[default]
    Default,
    /// It gets an alert.
    Alert,
}

/// Who answers for some names.
pub struct Host {
    /// Id of the distribution; empty for the default one, unless its spec says another.
    pub site: String,
    /// The certificate that is served.
    pub identity: Arc<Identity>,
    /// Protocols and suites.
    pub policy: Policy,
    /// Whether HTTP/3 is offered.
    pub http3: bool,
    /// How viewers are asked for certificates, if they are.
    pub client_auth: Option<Arc<ClientAuth>>,
    /// For handshakes over TCP.
    pub config: Arc<ServerConfig>,
}

impl Host {
    /// Whether a request for this name may come over a connection that this host answered: whether
    /// its certificate covers the name. The guard against domain fronting also wants
    /// [`Host::same_terms`].
    pub fn covers(&self, name: &str) -> bool {
        self.identity.covers(name)
    }

    /// Whether a viewer who came by this host's handshake has passed all that the other's asks.
    pub fn same_terms(&self, other: &Host) -> bool {
        let digest = |auth: &Option<Arc<ClientAuth>>| auth.as_ref().map(|auth| *auth.digest());
        self.policy.serves_like(other.policy)
            && digest(&self.client_auth) == digest(&other.client_auth)
    }
}

/// All hosts by name. Immutable; a change makes a new one, and handshakes go over to it whole.
#[derive(Default)]
pub struct Hosts {
    exact: HashMap<Box<str>, Arc<Host>>,
    /// `*.example.com` under `.example.com`.
    wildcard: HashMap<Box<str>, Arc<Host>>,
    default: Option<Arc<Host>>,
    unknown: UnknownName,
    configs: HashMap<Terms, Arc<ServerConfig>>,
}

/// All that the configuration of a handshake over TCP depends on. The tickets' secrets do not
/// change while a node runs.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Terms {
    identity: [u8; 32],
    policy: Policy,
    http2: bool,
    client_auth: Option<[u8; 32]>,
}

impl Hosts {
    /// The hosts of these distributions. `default` answers where no name is known; its names are
    /// its own, too. Configurations are shared among hosts of equal terms, and with `previous`, so
    /// that a change of one distribution among many costs little.
    pub fn new(
        specs: Vec<HostSpec>,
        default: Option<HostSpec>,
        unknown: UnknownName,
        tickets: &Arc<Tickets>,
        previous: Option<&Hosts>,
    ) -> Hosts {
        let mut hosts = Hosts {
            unknown,
            ..Hosts::default()
        };
        for spec in specs {
            hosts.add(spec, tickets, previous);
        }
        hosts.default = default.map(|spec| hosts.add(spec, tickets, previous));
        hosts
    }

    fn add(
        &mut self,
        spec: HostSpec,
        tickets: &Arc<Tickets>,
        previous: Option<&Hosts>,
    ) -> Arc<Host> {
        let terms = Terms {
            identity: *spec.identity.digest(),
            policy: spec.policy,
            http2: spec.http2,
            client_auth: spec.client_auth.as_ref().map(|auth| *auth.digest()),
        };
        let config = match self.configs.get(&terms) {
            Some(config) => Arc::clone(config),
            None => {
                let known = previous.and_then(|previous| previous.configs.get(&terms));
                let config = known.cloned().unwrap_or_else(|| tcp_config(&spec, tickets));
                self.configs.insert(terms, Arc::clone(&config));
                config
            }
        };
        let host = Arc::new(Host {
            site: spec.site,
            identity: spec.identity,
            policy: spec.policy,
            http3: spec.http3 && spec.client_auth.is_none(),
            client_auth: spec.client_auth,
            config,
        });
        for name in spec.names {
            let (map, key) = match name.strip_prefix('*') {
                Some(suffix) => (&mut self.wildcard, suffix),
                None => (&mut self.exact, name.as_str()),
            };
            map.entry(key.into()).or_insert_with(|| Arc::clone(&host));
        }
        host
    }

    /// Who answers a viewer who asks for a name (server_name, RFC 6066 §3) in any case: the host
    /// of the full name, then that of the longest wildcard, then the default one. None: an alert,
    /// unrecognized_name.
    pub fn find(&self, server_name: Option<&str>) -> Option<&Arc<Host>> {
        let known = server_name.and_then(|name| self.find_known(name));
        known.or(match self.unknown {
            UnknownName::Default => self.default.as_ref(),
            UnknownName::Alert => None,
        })
    }

    /// Who answers for a name, without the default: for the `Host` of a request on a connection
    /// that another name was asked for on.
    pub fn find_known(&self, name: &str) -> Option<&Arc<Host>> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let mut lower = [0; NAME_BYTES_MAX];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        let name = std::str::from_utf8(lower).ok()?;
        if let Some(host) = self.exact.get(name) {
            return Some(host);
        }
        if self.wildcard.is_empty() {
            return None;
        }
        let dots = name.match_indices('.').map(|(at, _)| &name[at..]);
        dots.filter_map(|suffix| self.wildcard.get(suffix)).next()
    }

    /// The one configuration for handshakes over QUIC: TLS 1.3 without early data, for HTTP/3. At
    /// each handshake it looks up who answers, and refuses who does not offer HTTP/3.
    pub fn quic_config(hosts: Arc<ArcSwap<Hosts>>, tickets: &Arc<Tickets>) -> Arc<ServerConfig> {
        let provider = Arc::clone(Policy::FORCED_DEFAULT.provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has suites of TLS 1.3");
        let resolver = Arc::new(QuicResolver(hosts));
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![ALPN_HTTP_3.to_vec()];
        set_common(&mut config, tickets, b"quic");
        Arc::new(config)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = formatter.debug_struct("Host");
        let text = text.field("site", &self.site).field("policy", &self.policy);
        text.finish_non_exhaustive()
    }
}

impl fmt::Debug for Hosts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = formatter.debug_struct("Hosts");
        let names = self.exact.len() + self.wildcard.len();
        let text = text
            .field("names", &names)
            .field("configs", &self.configs.len());
        text.finish_non_exhaustive()
    }
}

fn tcp_config(spec: &HostSpec, tickets: &Arc<Tickets>) -> Arc<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(spec.policy.provider()))
        .with_protocol_versions(spec.policy.versions())
        .expect("every policy has suites for each of its protocols");
    let builder = match &spec.client_auth {
        Some(auth) => builder.with_client_cert_verifier(auth.verifier()),
        None => builder.with_no_client_auth(),
    };
    let resolver = SingleCertAndKey::from(Arc::clone(spec.identity.certified_key()));
    let mut config = builder.with_cert_resolver(Arc::new(resolver));
    if spec.http2 {
        config.alpn_protocols.push(ALPN_HTTP_2.to_vec());
    }
    config.alpn_protocols.push(ALPN_HTTP_1.to_vec());
    config.alpn_protocols.push(ALPN_HTTP_1_0.to_vec());
    let mut context = spec.policy.name().as_bytes().to_vec();
    if let Some(auth) = &spec.client_auth {
        context.extend_from_slice(auth.digest());
    }
    set_common(&mut config, tickets, &context);
    Arc::new(config)
}

fn set_common(config: &mut ServerConfig, tickets: &Arc<Tickets>, context: &[u8]) {
    config.ignore_client_order = true;
    config.max_early_data_size = 0;
    config.send_tls13_tickets = TICKETS_PER_HANDSHAKE;
    config.ticketer = tickets.for_context(context);
    // Nothing of a session is kept here: another node would not have it.
    config.session_storage = Arc::new(NoServerSessionStorage {});
}

/// Looks up who answers at each handshake.
struct QuicResolver(Arc<ArcSwap<Hosts>>);

impl ResolvesServerCert for QuicResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let hosts = self.0.load();
        let host = hosts.find(hello.server_name()).filter(|host| host.http3)?;
        // The configuration has every suite of TLS 1.3; this host's policy may have fewer, and
        // those come first. So it is enough that the viewer offers one of them.
        let suites = &host.policy.provider().cipher_suites;
        let has_suite = suites
            .iter()
            .any(|suite| hello.cipher_suites().contains(&suite.suite()));
        has_suite.then(|| Arc::clone(host.identity.certified_key()))
    }
}

impl fmt::Debug for QuicResolver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("QuicResolver")
    }
}
