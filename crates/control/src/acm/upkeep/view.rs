//! What the upkeep knows of the store without asking it: certificates, what is served of them, and
//! public zones.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use certificates::limits::OCSP_LIFE_SECS;
use certificates::{chain, ocsp};
use documents::acm::Certificate;
use documents::route53::{Zone, parse};
use documents::tls::Material;
use documents::{Resource, decode};
use store::{Document, Event, Range, Revision, Store, StoreError, Watch};

/// What changed in a part of the store.
pub enum News {
    /// All that there is.
    All(Vec<Document>),
    /// What changed since.
    Changes(Vec<Event>),
}

/// A part of the store as it changes.
pub struct Feed {
    store: Arc<dyn Store>,
    prefix: String,
    watch: Option<Box<dyn Watch>>,
}

impl Feed {
    /// Of all keys with a prefix.
    pub fn new(store: Arc<dyn Store>, prefix: String) -> Feed {
        Feed {
            store,
            prefix,
            watch: None,
        }
    }

    /// Waits for news, the first of which are all that there is. A store that is away is waited
    /// for. May be dropped while it waits.
    pub async fn next(&mut self) -> News {
        const PATIENCE: Duration = Duration::from_secs(1);
        loop {
            let error = match &mut self.watch {
                None => match self.begin().await {
                    Ok(all) => return News::All(all),
                    Err(error) => error,
                },
                Some(watch) => match watch.next().await {
                    Ok(batches) => {
                        let events = batches.into_iter().flat_map(|batch| batch.events);
                        return News::Changes(events.collect());
                    }
                    Err(error) => error,
                },
            };
            self.watch = None;
            tracing::debug!(%error, prefix = self.prefix, "looking again");
            tokio::time::sleep(PATIENCE).await;
        }
    }

    async fn begin(&mut self) -> Result<Vec<Document>, StoreError> {
        let mut range = Range {
            prefix: self.prefix.clone(),
            ..Range::default()
        };
        let mut all = Vec::new();
        let mut first = None;
        loop {
            let page = self.store.list(range.clone()).await?;
            // What changes between two pages is told again.
            let after: Revision = *first.get_or_insert(page.revision);
            range.after = page.documents.last().map(|last| last.key.clone());
            let is_last = !page.has_more || page.documents.is_empty();
            all.extend(page.documents);
            if is_last {
                self.watch = Some(self.store.watch(&self.prefix, after).await?);
                return Ok(all);
            }
        }
    }
}

/// A certificate as far as it is worked on.
pub struct Entry {
    /// What is kept of it.
    pub certificate: Certificate,
    /// When that was put.
    pub modified: Revision,
    /// Nothing is to be done before, in milliseconds since 1970.
    pub until_ms: u64,
    /// When its authority wants it to be renewed, and when it is asked again; in milliseconds
    /// since 1970.
    pub window: (Option<u64>, u64),
    /// How often its names were looked up outside, and when they are looked up again.
    pub looks: (u32, u64),
}

impl Entry {
    /// Of a document; what is known of the certificate besides stays.
    pub fn read(document: &Document, before: Option<Entry>) -> Option<Entry> {
        let certificate: Certificate = match decode(&document.key, &document.value) {
            Ok(certificate) => certificate,
            Err(error) => {
                tracing::error!(%error, "a certificate is not looked after");
                return None;
            }
        };
        let before = before.filter(|before| before.certificate.issued_ms == certificate.issued_ms);
        let (window, looks) = before.map_or(((None, 0), (0, 0)), |old| (old.window, old.looks));
        Some(Entry {
            certificate,
            modified: document.modified,
            until_ms: 0,
            window,
            looks,
        })
    }
}

/// What is served of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Whether it names a responder, and its issuer comes with it.
    pub has_responder: bool,
    /// The name of who issued it, in DER form.
    pub issuer_der: Vec<u8>,
    /// When the response that is stapled ends, in milliseconds since 1970.
    pub staple_ends_ms: Option<u64>,
}

impl Served {
    /// Of a document.
    pub fn read(document: &Document, now_ms: u64) -> Option<Served> {
        let material: Material = decode(&document.key, &document.value).ok()?;
        let chain = chain::read(material.chain_pem.as_bytes()).ok()?;
        let leaf = chain.first()?;
        let has_responder = leaf.ocsp_url.is_some() && chain.len() > 1;
        let ends = |response: &String| {
            let der = BASE64.decode(response).ok()?;
            let read = ocsp::read(&der, leaf, chain.get(1)?, now_ms / 1_000).ok()?;
            let unsaid_secs = read.this_update_secs.saturating_add(OCSP_LIFE_SECS);
            let ends_secs = read.next_update_secs.unwrap_or(unsaid_secs);
            Some(ends_secs.saturating_mul(1_000))
        };
        Some(Served {
            has_responder,
            issuer_der: leaf.issuer_der.clone(),
            // One that is not good any more ended long ago.
            staple_ends_ms: material
                .ocsp_response
                .as_ref()
                .map(|response| ends(response).unwrap_or(0)),
        })
    }
}

/// The public zones: ids by name, which ends with a dot.
#[derive(Clone, Debug, Default)]
pub struct Zones {
    by_name: BTreeMap<String, Vec<String>>,
    names: BTreeMap<String, String>,
}

impl Zones {
    /// Takes news in.
    pub fn take(&mut self, news: News) {
        match news {
            News::All(documents) => {
                *self = Zones::default();
                documents.iter().for_each(|document| self.put(document));
            }
            News::Changes(events) => {
                for event in &events {
                    match event {
                        Event::Put(document) => self.put(document),
                        Event::Deleted { key } => self.forget(key),
                    }
                }
            }
        }
    }

    fn put(&mut self, document: &Document) {
        self.forget(&document.key);
        let Ok(zone) = Resource::<Zone>::decode(&document.key, &document.value) else {
            return;
        };
        if !zone.config.is_private {
            let ids = self.by_name.entry(zone.config.name.clone()).or_default();
            ids.push(zone.id.clone());
            self.names.insert(zone.id, zone.config.name);
        }
    }

    fn forget(&mut self, key: &str) {
        let id = parse(key).map_or("", |(_, id)| id);
        let Some(name) = self.names.remove(id) else {
            return;
        };
        if let Some(ids) = self.by_name.get_mut(&name) {
            ids.retain(|other| other != id);
            if ids.is_empty() {
                self.by_name.remove(&name);
            }
        }
    }

    /// The ids of the zones that a name lies in, of the longest name that has any. The name may
    /// end with a dot, or not.
    pub fn of(&self, name: &str) -> &[String] {
        let full = format!("{}.", name.trim_end_matches('.'));
        let mut rest = full.as_str();
        loop {
            if let Some(ids) = self.by_name.get(rest) {
                return ids;
            }
            match rest.split_once('.') {
                Some((_, above)) if !above.is_empty() => rest = above,
                _ => return &[],
            }
        }
    }
}
