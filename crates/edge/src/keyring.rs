//! What this node speaks TLS with: certificates, authorities of viewers' certificates, and answers
//! to challenges, as the store says; and the hosts that are made of these and of the sites.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use documents::tls::{self as form, AlpnChallenge, HttpChallenge, Material, TrustBundle};
use documents::{Refusal, decode};
use origin::ClientIdentity;
use rustls::ServerConfig;
use secrets::Secrets;
use store::{Document, Event};
use tls::{ClientAuth, ClientAuthSpec, HostSpec, Hosts, Identity, Tickets};

use crate::directory::Served;
use crate::limits;
use crate::site::{ClientAuthRule, Site};

/// What `*.wildcard` certificates and names are made of in the store, opened and read.
pub(crate) struct Keyring {
    secrets: Arc<Secrets>,
    tickets: Arc<Tickets>,
    /// By the certificate's id.
    identities: HashMap<String, Arc<Identity>>,
    /// By the trust store's id.
    trust: HashMap<String, TrustBundle>,
    /// What sites ask of viewers' certificates, made once for all that ask the same of one bundle.
    client_auth: HashMap<Terms, Arc<ClientAuth>>,
    challenges: Challenges,
    /// Sites that are not reached over TLS, and why: told once, not at every change of others.
    missing: BTreeMap<String, String>,
    /// Documents that cannot be served, by key.
    refused: BTreeMap<String, Refusal>,
}

/// What is asked of viewers' certificates: the rule, and the version of the bundle.
type Terms = (ClientAuthRule, u64);

/// Answers to those who want to know whether a name is ours (RFC 8555 §8.3, RFC 8737).
#[derive(Clone, Default)]
pub(crate) struct Challenges {
    http: HashMap<String, HttpChallenge>,
    alpn: HashMap<String, (Arc<ServerConfig>, u64)>,
}

impl Challenges {
    /// Whether nothing is answered: mostly so, and then nothing is looked at.
    pub fn is_empty(&self) -> bool {
        self.http.is_empty() && self.alpn.is_empty()
    }

    /// What is answered at `/.well-known/acme-challenge/<token>`.
    pub fn http(&self, path: &[u8], now_ms: u64) -> Option<&str> {
        let token = path.strip_prefix(b"/.well-known/acme-challenge/")?;
        let challenge = self.http.get(std::str::from_utf8(token).ok()?)?;
        (now_ms < challenge.expires_ms).then_some(challenge.key_authorization.as_str())
    }

    /// What answers a handshake for a name.
    pub fn alpn(&self, server_name: &str, now_ms: u64) -> Option<&Arc<ServerConfig>> {
        let (config, expires_ms) = self.alpn.get(server_name)?;
        (now_ms < *expires_ms).then_some(config)
    }
}

impl Keyring {
    pub fn new(secrets: Arc<Secrets>, tickets: Arc<Tickets>) -> Keyring {
        Keyring {
            secrets,
            tickets,
            identities: HashMap::new(),
            trust: HashMap::new(),
            client_auth: HashMap::new(),
            challenges: Challenges::default(),
            missing: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// What sessions are resumed with.
    pub fn tickets(&self) -> &Arc<Tickets> {
        &self.tickets
    }

    /// Documents that cannot be served, by key.
    pub fn refused(&self) -> &BTreeMap<String, Refusal> {
        &self.refused
    }

    /// The answers to challenges.
    pub fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    /// The certificates as they are shown to origins that ask who we are.
    pub fn client_identities(&self) -> HashMap<String, ClientIdentity> {
        let each = self.identities.iter().map(|(id, identity)| {
            let certified = Arc::clone(identity.certified_key());
            (id.clone(), ClientIdentity::of(id, certified))
        });
        each.collect()
    }

    /// Takes up a change. What cannot be used is passed over, and whatever had its key before
    /// serves on.
    pub fn take(&mut self, event: &Event) {
        let Some((collection, id)) = form::parse(event.key()) else {
            return;
        };
        match event {
            Event::Put(document) => match self.put(collection, id, document) {
                Ok(()) => {
                    self.refused.remove(&document.key);
                }
                Err(message) => {
                    tracing::error!(key = document.key, message, "the old one serves on");
                    let revision = document.modified.0;
                    let refusal = Refusal { revision, message };
                    self.refused.insert(document.key.clone(), refusal);
                }
            },
            Event::Deleted { key } => {
                self.refused.remove(key);
                match collection {
                    form::CERTIFICATE => drop(self.identities.remove(id)),
                    form::TRUST_STORE => drop(self.trust.remove(id)),
                    form::HTTP_CHALLENGE => drop(self.challenges.http.remove(id)),
                    form::ALPN_CHALLENGE => drop(self.challenges.alpn.remove(id)),
                    _ => {}
                }
            }
        }
    }

    fn put(&mut self, collection: &str, id: &str, document: &Document) -> Result<(), String> {
        let (key, bytes) = (&document.key, &document.value);
        match collection {
            form::CERTIFICATE => {
                let material: Material = read(key, bytes)?;
                let identity = self.identity(id, &material)?;
                self.identities.insert(id.to_owned(), Arc::new(identity));
            }
            form::TRUST_STORE => {
                let bundle: TrustBundle = read(key, bytes)?;
                self.trust.insert(id.to_owned(), bundle);
            }
            form::HTTP_CHALLENGE => {
                let challenge = read(key, bytes)?;
                bounded(&self.challenges.http, id)?;
                self.challenges.http.insert(id.to_owned(), challenge);
            }
            form::ALPN_CHALLENGE => {
                let challenge: AlpnChallenge = read(key, bytes)?;
                bounded(&self.challenges.alpn, id)?;
                let private = self.open(key, &challenge.sealed_key)?;
                let config = tls::alpn_config(&challenge.certificate_pem, &private)
                    .map_err(|error| error.to_string())?;
                let answer = (config, challenge.expires_ms);
                self.challenges.alpn.insert(id.to_owned(), answer);
            }
            _ => {}
        }
        Ok(())
    }

    fn identity(&self, id: &str, material: &Material) -> Result<Identity, String> {
        let private = self.open(&form::sealing_purpose(id), &material.sealed_key)?;
        let ocsp = material.ocsp_response.as_ref();
        let ocsp = ocsp.and_then(|response| BASE64.decode(response).ok());
        Identity::new(&material.chain_pem, &private, ocsp).map_err(|error| error.to_string())
    }

    fn open(&self, purpose: &str, sealed: &str) -> Result<Vec<u8>, String> {
        let opened = self.secrets.open(purpose, sealed);
        opened.map_err(|error| format!("its private key cannot be opened: {error}"))
    }

    /// The hosts of these sites. Whoever is in `previous` with the same terms is taken from there.
    pub fn hosts<'s>(
        &mut self,
        sites: impl Iterator<Item = &'s Arc<Served>>,
        unknown: tls::UnknownName,
        previous: &Hosts,
    ) -> Hosts {
        let default = self.identities.get(form::DEFAULT_CERTIFICATE).cloned();
        let (mut used, mut missing) = (HashMap::new(), BTreeMap::new());
        let mut specs = Vec::new();
        for served in sites.filter(|served| !served.site.is_staging) {
            let site = &served.site;
            match self.spec(site, default.as_ref(), &mut used) {
                Ok(spec) => specs.extend(spec),
                Err(message) => {
                    if self.missing.get(&site.id) != Some(&message) {
                        tracing::error!(site = site.id, message, "not reached over TLS");
                    }
                    missing.insert(site.id.clone(), message);
                }
            }
        }
        (self.client_auth, self.missing) = (used, missing);
        let default = default.map(|identity| HostSpec {
            site: String::new(),
            names: identity.certificate().names.clone(),
            identity,
            policy: tls::Policy::FORCED_DEFAULT,
            http2: true,
            http3: false,
            client_auth: None,
        });
        Hosts::new(specs, default, unknown, &self.tickets, Some(previous))
    }

    /// How a site is presented; not at all while its certificate or its authorities are missing:
    /// it is safer not to be reached than to be reached without them. Nothing, and no error, while
    /// there is no default certificate yet.
    fn spec(
        &self,
        site: &Site,
        default: Option<&Arc<Identity>>,
        used: &mut HashMap<Terms, Arc<ClientAuth>>,
    ) -> Result<Option<HostSpec>, String> {
        let identity = match &site.tls.certificate {
            Some(id) => self.identities.get(id),
            None => default,
        };
        let identity = match (identity, &site.tls.certificate) {
            (Some(identity), _) => identity,
            (None, Some(id)) => return Err(format!("there is no certificate '{id}'")),
            (None, None) => return Ok(None),
        };
        let client_auth = match &site.tls.client_auth {
            Some(rule) => Some(self.client_auth(rule, used)?),
            None => None,
        };
        let domain = Some(&site.domain).filter(|domain| !domain.is_empty());
        Ok(Some(HostSpec {
            site: site.id.clone(),
            names: domain.into_iter().chain(&site.aliases).cloned().collect(),
            identity: Arc::clone(identity),
            policy: site.tls.policy,
            http2: site.tls.http2,
            http3: site.tls.http3,
            client_auth,
        }))
    }

    fn client_auth(
        &self,
        rule: &ClientAuthRule,
        used: &mut HashMap<Terms, Arc<ClientAuth>>,
    ) -> Result<Arc<ClientAuth>, String> {
        let bundle = match &rule.trust_store {
            Some(id) => Some(
                self.trust
                    .get(id)
                    .ok_or_else(|| format!("there is no trust store '{id}'"))?,
            ),
            None => None,
        };
        let terms = (rule.clone(), bundle.map_or(0, |bundle| bundle.version));
        if let Some(made) = used.get(&terms).or_else(|| self.client_auth.get(&terms)) {
            let made = Arc::clone(made);
            used.insert(terms, Arc::clone(&made));
            return Ok(made);
        }
        let store = rule.trust_store.as_deref().unwrap_or_default();
        let made = ClientAuth::new(&ClientAuthSpec {
            mode: rule.mode,
            trust_pem: bundle.map_or(String::new(), |bundle| bundle.pem.clone()),
            advertise_names: rule.advertises_names,
            ignore_expiry: rule.ignores_expiry,
            context: format!("{store}/{}", terms.1),
        });
        let made = Arc::new(made.map_err(|error| error.to_string())?);
        used.insert(terms, Arc::clone(&made));
        Ok(made)
    }
}

fn read<T: serde::de::DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, String> {
    decode(key, bytes).map_err(|error| error.message)
}

/// Whether one more challenge is taken.
fn bounded<T>(challenges: &HashMap<String, T>, id: &str) -> Result<(), String> {
    match challenges.len() < limits::CHALLENGES_MAX || challenges.contains_key(id) {
        true => Ok(()),
        false => Err(format!("there are {} challenges already", challenges.len())),
    }
}
