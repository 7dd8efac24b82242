//! Following the store: a node's copy of what concerns edges, and the thread that keeps the edge
//! as the copy says.
//!
//! 1. [`Follower::open`] reads the copy from disk, so that a node serves although its store is
//!    away; [`Follower::sites`] are served from the start.
//! 2. [`Follower::start`] goes on with a thread that waits for changes, bans what invalidations
//!    name, compiles what is touched and swaps it in, and then says so: the node's own document,
//!    bound to a lease, tells the revision that it has applied.
//! 3. While the store does not answer, everything stays as it is, and the thread tries on.

mod sites;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use cache::bans::Ban;
use documents::tls::TLS;
use documents::{Node, Refusal, encode, keys, route53};
use presence::Presence;
use store::replica::Replica;
use store::{Batch, Event, LeaseId, Store, StoreError, Txn};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::limits;
use crate::site::Site;
use crate::updates::{COUNTRIES_UNKNOWN, Updates};
use sites::{Plan, Sites};

/// A node's copy of what concerns edges, not yet followed.
pub struct Follower {
    replica: Replica,
    sites: Sites,
}

/// A thread that follows the store. Dropped, it ends and gives the node's lease back.
pub struct Following {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Reads the copy that lies at `path`; without one, it begins empty.
    pub fn open(path: &Path) -> io::Result<Follower> {
        Ok(Follower {
            replica: Replica::open(path, keys::CLOUDFRONT)?,
            sites: Sites::new(),
        })
    }

    /// Everything that the copy says is to be served. What does not compile is logged and left out.
    pub fn sites(&mut self) -> Vec<Site> {
        let documents = self.replica.documents();
        self.sites.load(documents).sites
    }

    /// Follows the store from now on. `node` is what this node says of itself. Where
    /// [`Follower::sites`] could not be served together with others, `is_served` is false: then
    /// each of them is tried by itself.
    pub fn start(
        self,
        is_served: bool,
        updates: Updates,
        store: Arc<dyn Store>,
        node: Node,
    ) -> io::Result<Following> {
        let documents = self.replica.documents();
        let documents = documents.filter(|document| document.key.starts_with(TLS));
        let known: Vec<Event> = documents.cloned().map(Event::Put).collect();
        updates.set_tls(known.iter());
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut task = Task {
            follower: self,
            updates,
            store,
            is_unsaved: false,
        };
        let thread = std::thread::Builder::new().name("edge-follow".into());
        let thread = thread.spawn(move || {
            if !is_served {
                task.serve_all();
            }
            runtime.block_on(task.run(node, stopped));
        })?;
        Ok(Following {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Task {
    follower: Follower,
    updates: Updates,
    store: Arc<dyn Store>,
    is_unsaved: bool,
}

/// What the loop of a task was woken by.
enum News {
    Changes(Result<Vec<Batch>, StoreError>),
    Latencies,
    Save,
}

impl Task {
    async fn run(&mut self, node: Node, mut stopped: watch::Receiver<bool>) {
        let mut latencies = Latencies {
            key: route53::latencies(&node.id),
            told: route53::Latencies {
                pop: node.pop.clone(),
                region: node.region.clone(),
                networks: BTreeMap::new(),
            },
            lease: None,
        };
        let presence = Presence::start(Arc::clone(&self.store), node);
        tokio::select! {
            _ = stopped.wait_for(|is_stopped| *is_stopped) => {}
            () = self.follow(&presence, &mut latencies) => {}
        }
        self.save();
        presence.end().await;
    }

    async fn follow(&mut self, presence: &Presence, latencies: &mut Latencies) {
        let mut sketches = tokio::time::interval(limits::LATENCY_INTERVAL);
        sketches.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut saves = tokio::time::interval(limits::SNAPSHOT_INTERVAL);
        saves.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let event = {
                let replica = &mut self.follower.replica;
                // To wait for a change may be broken off; a list would begin again each time.
                let may_save = self.is_unsaved && replica.is_following();
                tokio::select! {
                    changes = next_changes(replica, &*self.store) => News::Changes(changes),
                    _ = saves.tick(), if may_save => News::Save,
                    _ = sketches.tick(), if replica.is_following() => News::Latencies,
                }
            };
            match event {
                News::Changes(Ok(batches)) => {
                    self.apply(&batches);
                    let revision = self.follower.replica.revision().0;
                    presence.say(Some(revision), &self.refused());
                }
                News::Changes(Err(error)) => {
                    tracing::debug!(%error, "the store is not followed");
                    presence.say(None, &self.refused());
                    tokio::time::sleep(presence::limits::STORE_RETRY).await;
                }
                News::Latencies => {
                    let lease = *presence.lease().borrow();
                    let txn = latencies.news(self.updates.latencies(), lease);
                    // Beside, so that no change waits for it; what is lost is told of next time.
                    if let Some(txn) = txn {
                        let store = Arc::clone(&self.store);
                        tokio::spawn(async move { store.commit(txn).await });
                    }
                }
                News::Save => self.save(),
            }
        }
    }

    /// Everything that cannot be served, by key.
    fn refused(&self) -> BTreeMap<String, Refusal> {
        let mut refused = self.updates.refused_tls();
        refused.extend(self.follower.sites.refused().clone());
        refused
    }

    fn serve_all(&mut self) {
        let documents = self.follower.replica.documents();
        let plan = self.follower.sites.load(documents);
        self.serve(plan);
    }

    fn apply(&mut self, batches: &[Batch]) {
        let mut plan = self.follower.sites.apply(batches);
        self.is_unsaved |= !batches.is_empty();
        let events = batches.iter().flat_map(|batch| &batch.events);
        let of_tls: Vec<&Event> = events
            .filter(|event| event.key().starts_with(TLS))
            .collect();
        if !of_tls.is_empty() {
            self.updates.set_tls(of_tls.into_iter());
        }
        self.ban(&plan.bans);
        let bans = std::mem::take(&mut plan.bans);
        if self.serve(plan) {
            // Once more: meanwhile the old sites may have fetched, and `/` stood for another path.
            self.ban(&bans);
        }
    }

    fn ban(&self, bans: &[(String, Vec<String>, Ban)]) {
        for (distribution, items, ban) in bans {
            let items = items.iter().map(String::as_str);
            self.updates.ban(distribution, items, ban);
        }
    }

    /// Says whether there was anything to change.
    fn serve(&mut self, plan: Plan) -> bool {
        if plan.gone.is_empty() && plan.sites.is_empty() {
            return false;
        }
        let mut ids: Vec<String> = plan.sites.iter().map(|site| site.id.clone()).collect();
        tracing::info!(changed = ids.len(), gone = plan.gone.len(), "sites");
        let sites = plan.sites.iter();
        let refusing: Vec<String> = sites
            .filter(|site| self.updates.refuses_all(site))
            .map(|site| site.id.clone())
            .collect();
        let refused = self.updates.update_each(&plan.gone, plan.sites);
        ids.retain(|id| refused.iter().all(|(other, _)| other != id));
        let sites = &mut self.follower.sites;
        sites.accept(&ids);
        for id in refusing.iter().filter(|id| ids.contains(id)) {
            sites.note_taken(id, COUNTRIES_UNKNOWN);
        }
        for (id, error) in refused {
            sites.refuse(&id, error.to_string());
        }
        true
    }

    fn save(&mut self) {
        if !std::mem::take(&mut self.is_unsaved) {
            return;
        }
        if let Err(error) = self.follower.replica.save() {
            tracing::error!(%error, "the node's copy of its store is not saved");
            self.is_unsaved = true;
        }
    }
}

/// The next changes; none once it is known that the copy is one of this store.
async fn next_changes(replica: &mut Replica, store: &dyn Store) -> Result<Vec<Batch>, StoreError> {
    match replica.is_following() {
        true => replica.advance(store).await,
        false => replica.catch_up(store).await,
    }
}

/// What the store was told of the round-trip times that this node measures.
struct Latencies {
    key: String,
    told: route53::Latencies,
    lease: Option<LeaseId>,
}

impl Latencies {
    /// Tells of what has changed, as long as the node lives.
    fn news(&mut self, networks: BTreeMap<String, f32>, lease: Option<LeaseId>) -> Option<Txn> {
        let now = lease?;
        let is_told = self.lease == lease || networks.is_empty();
        if is_told && self.told.networks == networks {
            return None;
        }
        self.lease = lease;
        self.told.networks = networks;
        Some(Txn::new().put_leased(self.key.clone(), encode(&self.told), now))
    }
}
