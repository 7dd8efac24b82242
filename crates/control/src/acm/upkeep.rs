//! What certificates need though nobody calls: names are validated, certificates issued, ordered
//! and renewed, responders asked; and the default certificate is made.
//!
//! It runs on every node that answers the API. All of them see the same documents and plan the same
//! (`plan.rs`); who works on a certificate claims it in the store, with a lease, so that nobody
//! else does, and somebody else may when the node is gone (`claim.rs`). How many orders begin is
//! counted for all nodes together (`pace.rs`). What comes of work is committed only while the claim
//! holds and the certificate is as it was when the work began.
//!
//! Read `plan.rs` first, then [`CertificateUpkeep::run`].

mod claim;
mod lookup;
mod order;
mod pace;
mod plan;
#[cfg(test)]
mod simulation;
mod solver;
mod staple;
mod txt;
mod view;
mod work;
mod worker;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use documents::acm::{self as forms, Certificate, Source};
use documents::tls::{self, DEFAULT_CERTIFICATE};
use documents::{decode, encode, route53};
use records::Name;
use shapes::route53::{RRType, ResourceRecordSet};
use store::limits::GET_KEYS_MAX;
use store::{Event, StoreError, Txn};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::MissedTickBehavior;

pub use lookup::{Cnames, SystemCnames};
use plan::{Facts, Next, plan};
use view::{Entry, Feed, News, Served, Zones};
use work::{Done, Job};
use worker::{Clock, Worker};

use super::{uses, validation};
use crate::Control;
use crate::limits::{
    CERTIFICATES_AT_ONCE, LOOKUP_AGAIN_MS, LOOKUP_AGAIN_MS_MAX, LOOKUPS_AT_ONCE,
    ORDER_PAUSE_MS_MIN, USES_AGAIN_MS, VALIDATIONS_AT_ONCE,
};

/// How often validation is looked at, and claims are kept.
const TICK: Duration = Duration::from_secs(1);

/// Every so many ticks, proofs that were left behind are looked for.
const SWEEP_TICKS: u64 = 60;

/// A certificate that is worked on is not looked at again before this, as long as its documents do
/// not change.
const AGAIN_MS: u64 = 5_000;

/// Looks after all certificates, for ever.
pub struct CertificateUpkeep {
    worker: Arc<Worker>,
    /// By id.
    entries: BTreeMap<String, Entry>,
    served: BTreeMap<String, Served>,
    zones: Zones,
    /// The ARNs of certificates that somebody is served with, and when that was looked at.
    used: (BTreeSet<String>, u64),
    /// The local authority's name, in DER form.
    authority: Option<Vec<u8>>,
    /// This node has another key than the installation's: it can neither open nor seal anything,
    /// and leaves all to others.
    is_stranger: bool,
    /// Work under way, and on which certificates.
    tasks: JoinSet<Done>,
    running: HashMap<String, Id>,
    /// Look-ups under way.
    lookups: JoinSet<(String, Vec<String>)>,
    looked_up: HashMap<String, Id>,
    /// No order begins before, in milliseconds since 1970.
    orders_ms: u64,
    /// The default certificate is not made before, in milliseconds since 1970.
    default_ms: u64,
    /// Where looking for validations goes on.
    validated_to: String,
    ticks: u64,
}

impl CertificateUpkeep {
    /// For an API; `clock` tells the time in milliseconds since 1970.
    pub fn new(
        control: Arc<Control>,
        cnames: Arc<dyn Cnames>,
        clock: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> CertificateUpkeep {
        let clock: Clock = Arc::new(clock);
        CertificateUpkeep {
            worker: Arc::new(Worker::new(control, cnames, clock)),
            entries: BTreeMap::new(),
            served: BTreeMap::new(),
            zones: Zones::default(),
            used: (BTreeSet::new(), 0),
            authority: None,
            is_stranger: false,
            tasks: JoinSet::new(),
            running: HashMap::new(),
            lookups: JoinSet::new(),
            looked_up: HashMap::new(),
            orders_ms: 0,
            default_ms: 0,
            validated_to: String::new(),
            ticks: 0,
        }
    }

    /// Runs until it is dropped; what it had claimed goes with its lease then.
    pub async fn run(mut self) {
        let mut feeds = JoinSet::new();
        let mut follow = |prefix: String| self.follow(&mut feeds, prefix);
        let mut certificates = follow(forms::CERTIFICATES.to_owned());
        let mut materials = follow(tls::key(tls::CERTIFICATE, ""));
        let mut zones = follow(route53::resource(route53::ZONE, ""));
        // Plans are made once all is known.
        let (first_zones, first_served) = (zones.recv().await, materials.recv().await);
        let first = certificates.recv().await;
        let (Some(a), Some(b), Some(c)) = (first_zones, first_served, first) else {
            return;
        };
        self.zones.take(a);
        self.take_served(b);
        self.take_certificates(c);
        self.read_authority().await;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.tick().await,
                Some(news) = certificates.recv() => self.take_certificates(news),
                Some(news) = materials.recv() => self.take_served(news),
                Some(news) = zones.recv() => self.take_zones(news),
                Some(done) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => {
                    self.finish(done);
                }
                Some(found) = self.lookups.join_next_with_id(), if !self.lookups.is_empty() => {
                    if let Some((id, names)) = ended(&mut self.looked_up, found) {
                        self.validated(&id, &names).await;
                    }
                }
                else => return,
            }
            self.work();
        }
    }

    fn follow(&self, feeds: &mut JoinSet<()>, prefix: String) -> Receiver<News> {
        let (sender, receiver) = channel(4);
        let mut feed = Feed::new(Arc::clone(&self.worker.control.store), prefix);
        feeds.spawn(async move { while sender.send(feed.next().await).await.is_ok() {} });
        receiver
    }

    fn take_certificates(&mut self, news: News) {
        let id = |key: &str| key[forms::CERTIFICATES.len()..].to_owned();
        let mut before = BTreeMap::new();
        let events = match news {
            News::All(documents) => {
                before = std::mem::take(&mut self.entries);
                documents.into_iter().map(Event::Put).collect()
            }
            News::Changes(events) => events,
        };
        for event in events {
            let id = id(event.key());
            let old = before.remove(&id).or_else(|| self.entries.remove(&id));
            if let Event::Put(document) = event
                && let Some(entry) = Entry::read(&document, old)
            {
                self.entries.insert(id, entry);
            }
        }
    }

    fn take_served(&mut self, news: News) {
        let prefix = tls::key(tls::CERTIFICATE, "").len();
        let events = match news {
            News::All(documents) => {
                self.served.clear();
                documents.into_iter().map(Event::Put).collect()
            }
            News::Changes(events) => events,
        };
        for event in events {
            let id = event.key()[prefix..].to_owned();
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.until_ms = 0;
            }
            let read = match &event {
                Event::Put(document) => Served::read(document, self.worker.now_ms()),
                Event::Deleted { .. } => None,
            };
            match read {
                Some(served) => drop(self.served.insert(id, served)),
                None => drop(self.served.remove(&id)),
            }
        }
    }

    fn take_zones(&mut self, news: News) {
        self.zones.take(news);
        self.plan_default();
    }

    /// What is next for the default certificate depends on who issued it, and on whether an ACME
    /// server can be shown that the domain is ours.
    fn plan_default(&mut self) {
        if let Some(entry) = self.entries.get_mut(DEFAULT_CERTIFICATE) {
            entry.until_ms = 0;
        }
    }

    fn finish(&mut self, done: Result<(Id, Done), JoinError>) {
        let Some(done) = ended(&mut self.running, done) else {
            return;
        };
        // Other nodes may see before this one that the server is there.
        let latest_ms = self.worker.now_ms() + ORDER_PAUSE_MS_MIN;
        self.orders_ms = match done.is_server_there {
            true => 0,
            false => self.orders_ms.max(done.orders_ms.min(latest_ms)),
        };
        if let (Some(window), Some(entry)) = (done.window, self.entries.get_mut(&done.id)) {
            entry.window = window;
            entry.until_ms = 0;
        }
    }

    /// What is done each second.
    async fn tick(&mut self) {
        let now_ms = self.worker.now_ms();
        if !self.worker.claims.keep().await {
            tracing::warn!("claims were lost; what was under way is given up");
            self.tasks.abort_all();
            self.running.clear();
        }
        if self.authority.is_none() {
            self.read_authority().await;
        }
        if self.worker.control.config.acme.is_some() && now_ms >= self.used.1 + USES_AGAIN_MS {
            self.look_at_uses(now_ms).await;
        }
        if let Err(error) = self.look_at_validations(now_ms).await {
            tracing::warn!(%error, "validation of names is not looked at");
        }
        if self.ticks.is_multiple_of(SWEEP_TICKS) {
            let worker = Arc::clone(&self.worker);
            tokio::spawn(async move {
                if let Err(error) = solver::sweep(&worker, now_ms).await {
                    tracing::warn!(%error, "proofs that were left behind stay for now");
                }
                if let Err(error) = txt::sweep(&worker, now_ms).await {
                    tracing::warn!(%error, "texts that were left behind stay for now");
                }
            });
        }
        self.ticks += 1;
    }

    /// What plans depend on of the local authority, if there is one.
    async fn read_authority(&mut self) {
        let Ok(Some(document)) = self.worker.store().get(forms::AUTHORITY).await else {
            return;
        };
        let Ok(stored) = decode::<forms::Authority>(forms::AUTHORITY, &document.value) else {
            return;
        };
        let secrets = &self.worker.control.config.secrets;
        if let Err(error) = secrets.open(forms::AUTHORITY, &stored.sealed_key) {
            tracing::error!(%error, "this node looks after no certificates");
            self.is_stranger = true;
        }
        let read = certificates::Certificate::from_pem(&stored.certificate_pem).ok();
        self.authority = read.map(|read| read.subject_der);
        // They are known better now.
        self.entries
            .values_mut()
            .for_each(|entry| entry.until_ms = 0);
    }

    async fn look_at_uses(&mut self, now_ms: u64) {
        let call = self.worker.call();
        let Ok(all) = uses::all(&call).await else {
            return;
        };
        let used: BTreeSet<String> = all.into_keys().collect();
        if used != self.used.0 {
            let changed = |arn: &String| used.contains(arn) != self.used.0.contains(arn);
            for entry in self.entries.values_mut() {
                if changed(&entry.certificate.arn) {
                    entry.until_ms = 0;
                }
            }
        }
        self.used = (used, now_ms);
    }

    /// What the plan for a certificate depends on.
    fn facts(&self, entry: &Entry) -> Facts {
        let config = &self.worker.control.config;
        let certificate = &entry.certificate;
        let is_default = certificate.id == DEFAULT_CERTIFICATE;
        // The domain's names can be shown to be ours as names of a zone alone: one is a wildcard.
        let can_order = !is_default || !self.zones.of(&config.domain).is_empty();
        let is_by_acme = config.acme.is_some() && can_order;
        let served = self.served.get(&certificate.id);
        let is_local = match (served, &self.authority) {
            (Some(served), Some(authority)) => served.issuer_der == *authority,
            _ => false,
        };
        let is_used =
            is_default || certificate.is_exported || self.used.0.contains(&certificate.arn);
        let asks = is_by_acme
            && is_used
            && !is_local
            && served.is_some()
            && certificate.source == Source::Requested;
        Facts {
            is_by_acme,
            is_validated_first: config.validate_certificates && !is_default,
            is_used,
            is_another: is_by_acme && is_used && is_local,
            has_responder: served.is_some_and(|served| served.has_responder),
            staple_ends_ms: served.and_then(|served| served.staple_ends_ms),
            asked_ms: entry.window.0,
            window_due_ms: asks.then_some(entry.window.1),
        }
    }

    /// Begins what is due, those first whose end is near, and then who has waited for longest.
    fn work(&mut self) {
        const NEAR_MS: u64 = 3 * 86_400_000;
        if self.is_stranger {
            return;
        }
        let now_ms = self.worker.now_ms();
        self.make_default(now_ms);
        let mut due = Vec::new();
        let mut waits = Vec::new();
        for (id, entry) in &self.entries {
            if now_ms < entry.until_ms || self.running.contains_key(id) {
                continue;
            }
            let facts = self.facts(entry);
            let certificate = &entry.certificate;
            match plan(certificate, now_ms, &facts) {
                Next::Wait(until_ms) => waits.push((id.clone(), until_ms)),
                // That is what each second is for.
                Next::Validate => {}
                Next::Issue | Next::Renew if facts.is_by_acme && now_ms < self.orders_ms => {}
                next => {
                    let ends_ms = certificate.not_after_secs.saturating_mul(1_000);
                    let is_near = ends_ms > 0 && ends_ms < now_ms.saturating_add(NEAR_MS);
                    let since_ms = certificate.work.not_before_ms.max(certificate.created_ms);
                    due.push((!is_near, since_ms, id.clone(), next, facts.is_by_acme));
                }
            }
        }
        for (id, until_ms) in waits {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.until_ms = until_ms;
            }
        }
        due.sort_unstable_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
        for (_, _, id, next, is_by_acme) in due {
            if self.running.len() >= CERTIFICATES_AT_ONCE {
                return;
            }
            self.begin(id, next, is_by_acme, now_ms);
        }
    }

    fn begin(&mut self, id: String, next: Next, is_by_acme: bool, now_ms: u64) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.until_ms = now_ms + AGAIN_MS;
        let job = Job {
            id: id.clone(),
            modified: entry.modified,
            next,
            zones: is_by_acme.then(|| self.zones.clone()),
        };
        let task = self.tasks.spawn(job.run(Arc::clone(&self.worker)));
        self.running.insert(id, task.id());
    }

    /// Makes the default certificate if there is none, or one of another domain.
    fn make_default(&mut self, now_ms: u64) {
        let names = default_names(&self.worker.control.config.domain);
        let entry = self.entries.get(DEFAULT_CERTIFICATE);
        let is_right = entry.is_some_and(|entry| entry.certificate.names == names);
        if is_right || now_ms < self.default_ms || self.running.contains_key(DEFAULT_CERTIFICATE) {
            return;
        }
        self.default_ms = now_ms + AGAIN_MS;
        let modified = entry.map(|entry| entry.modified);
        let worker = Arc::clone(&self.worker);
        let work = work::make_default(worker, names, modified);
        let task = self.tasks.spawn(work);
        self.running
            .insert(DEFAULT_CERTIFICATE.to_owned(), task.id());
    }

    /// Looks for the records that validate names, in hosted zones and elsewhere.
    async fn look_at_validations(&mut self, now_ms: u64) -> Result<(), StoreError> {
        let waiting = self.waiting(now_ms);
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut keys = Vec::new();
        for (id, names) in &waiting {
            for name in names {
                let record = validation::record(&self.worker.control.config, name);
                let Ok(full) = Name::parse(&record.name) else {
                    continue;
                };
                let order_key = full.order_key();
                for zone in self.zones.of(&record.name) {
                    let key = route53::record(zone, &order_key, RRType::Cname.as_str(), None);
                    keys.push((key, id, name, record.value.clone()));
                }
            }
        }
        for keys in keys.chunks(GET_KEYS_MAX) {
            let asked: Vec<&str> = keys.iter().map(|(key, ..)| key.as_str()).collect();
            let documents = self.worker.store().get_many(&asked).await?;
            for ((key, id, name, value), document) in keys.iter().zip(documents) {
                let set = document.and_then(|found| {
                    decode::<ResourceRecordSet>(key, &found.value)
                        .ok()?
                        .resource_records
                });
                let is_right = |target: &str| lookup::is_same(target, value);
                if set.iter().flatten().any(|one| is_right(&one.value)) {
                    found
                        .entry((*id).clone())
                        .or_default()
                        .push((*name).clone());
                }
            }
        }
        for (id, names) in &found {
            self.validated(id, names).await;
        }
        for (id, names) in waiting {
            let hosted = found.get(&id);
            let left: Vec<String> = names
                .into_iter()
                .filter(|name| !hosted.is_some_and(|hosted| hosted.contains(name)))
                .collect();
            if !left.is_empty() {
                self.look_up(id, left, now_ms);
            }
        }
        Ok(())
    }

    /// Some of the certificates that wait for validation, with their names that do; the others come
    /// to their turn.
    fn waiting(&mut self, now_ms: u64) -> Vec<(String, Vec<String>)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = std::mem::take(&mut self.validated_to);
        let mut waiting = Vec::new();
        let mut count = 0;
        for (id, entry) in self
            .entries
            .range::<String, _>((Excluded(&from), Unbounded))
        {
            let facts = self.facts(entry);
            if plan(&entry.certificate, now_ms, &facts) != Next::Validate {
                continue;
            }
            let names = entry.certificate.names.iter();
            let is_open = |name: &&String| !entry.certificate.validated.contains(name);
            let names: Vec<String> = names.filter(is_open).cloned().collect();
            count += names.len();
            waiting.push((id.clone(), names));
            if count >= VALIDATIONS_AT_ONCE {
                self.validated_to = id.clone();
                break;
            }
        }
        waiting
    }

    /// Looks names up outside, now and then.
    fn look_up(&mut self, id: String, names: Vec<String>, now_ms: u64) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let (looks, next_ms) = entry.looks;
        let is_busy = self.lookups.len() >= LOOKUPS_AT_ONCE || self.looked_up.contains_key(&id);
        if is_busy || now_ms < next_ms {
            return;
        }
        let wait_ms = (LOOKUP_AGAIN_MS << looks.min(8)).min(LOOKUP_AGAIN_MS_MAX);
        entry.looks = (looks.saturating_add(1), now_ms + wait_ms);
        let worker = Arc::clone(&self.worker);
        let looked_up = id.clone();
        let task = self.lookups.spawn(async move {
            let mut found = Vec::new();
            for name in names {
                let record = validation::record(&worker.control.config, &name);
                if lookup::leads(&*worker.cnames, &record.name, &record.value).await {
                    found.push(name);
                }
            }
            (id, found)
        });
        self.looked_up.insert(looked_up, task.id());
    }

    /// Notes that names are validated. On a conflict the next look finds them again.
    async fn validated(&mut self, id: &str, names: &[String]) {
        let Some(entry) = self.entries.get(id).filter(|_| !names.is_empty()) else {
            return;
        };
        let mut next: Certificate = entry.certificate.clone();
        let new = names
            .iter()
            .filter(|name| !entry.certificate.validated.contains(name));
        next.validated.extend(new.cloned());
        if next.validated == entry.certificate.validated {
            return;
        }
        next.work.updated_ms = self.worker.now_ms();
        let key = forms::certificate(id);
        let txn = Txn::new()
            .if_modified_at(&key, entry.modified)
            .put(&key, encode(&next));
        if let Err(error) = self.worker.store().commit(txn).await {
            tracing::warn!(%error, id, "names are validated, and that is not noted yet");
        }
    }
}

/// What a task came to, which is not under way any more; nothing, if it was given up or failed.
fn ended<T>(running: &mut HashMap<String, Id>, outcome: Result<(Id, T), JoinError>) -> Option<T> {
    let (id, value) = match outcome {
        Ok((id, value)) => (id, Some(value)),
        Err(error) => {
            if error.is_panic() {
                tracing::error!(%error, "work on a certificate failed");
            }
            (error.id(), None)
        }
    };
    running.retain(|_, task| *task != id);
    value
}

/// The names of the default certificate.
fn default_names(domain: &str) -> Vec<String> {
    let domain = domain.to_ascii_lowercase();
    let mut names = vec![domain.clone(), format!("*.{domain}")];
    if domain != "localhost" {
        names.push("localhost".to_owned());
    }
    names
}
