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
use std::time::Duration;

use cache::bans::Ban;
use documents::{Node, Refusal, encode, keys};
use store::replica::Replica;
use store::{Batch, LeaseId, Outcome, Store, StoreError, Txn};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use crate::limits;
use crate::site::Site;
use crate::updates::Updates;
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
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let presence = Presence {
            store: Arc::clone(&store),
            node,
            lease: None,
            current: None,
            acknowledged: None,
        };
        let mut task = Task {
            follower: self,
            updates,
            store,
            presence,
            is_unsaved: false,
        };
        let thread = std::thread::Builder::new().name("edge-follow".into());
        let thread = thread.spawn(move || {
            if !is_served {
                task.serve_all();
            }
            runtime.block_on(task.run(stopped));
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
    presence: Presence,
    is_unsaved: bool,
}

/// What the loop of a task was woken by.
enum Event {
    Changes(Result<Vec<Batch>, StoreError>),
    RenewalFailed(StoreError),
    Save,
}

impl Task {
    async fn run(&mut self, mut stopped: watch::Receiver<bool>) {
        tokio::select! {
            _ = stopped.wait_for(|is_stopped| *is_stopped) => {}
            () = self.follow() => {}
        }
        self.save();
        if let Some(lease) = self.presence.lease {
            // The lease ends by itself soon if the store is away.
            let _ = tokio::time::timeout(Duration::from_secs(2), self.store.revoke(lease)).await;
        }
    }

    async fn follow(&mut self) {
        let mut renewals = tokio::time::interval(limits::LEASE_RENEWAL);
        let mut saves = tokio::time::interval(limits::SNAPSHOT_INTERVAL);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        saves.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut away_since: Option<Instant> = None;
        loop {
            let event = {
                let Follower { replica, sites } = &mut self.follower;
                // To wait for a change may be broken off; a list would begin again each time.
                let may_save = self.is_unsaved && replica.is_following();
                let changes = next_changes(replica, &*self.store);
                tokio::pin!(changes);
                loop {
                    tokio::select! {
                        changes = &mut changes => break Event::Changes(changes),
                        _ = renewals.tick() => match self.presence.renew(sites.refused()).await {
                            // Without one, the store was not asked.
                            Ok(()) if self.presence.lease.is_some() => {
                                note_back(&mut away_since);
                            }
                            Ok(()) => {}
                            Err(error) => break Event::RenewalFailed(error),
                        },
                        _ = saves.tick(), if may_save => break Event::Save,
                    }
                }
            };
            let outcome = match event {
                Event::Changes(Ok(batches)) => {
                    self.apply(&batches);
                    let Follower { replica, sites } = &self.follower;
                    self.presence.current = Some(replica.revision().0);
                    self.presence.acknowledge(sites.refused()).await
                }
                Event::Changes(Err(error)) => {
                    self.presence.current = None;
                    Err(error)
                }
                Event::RenewalFailed(error) => Err(error),
                Event::Save => {
                    self.save();
                    // That says nothing of the store.
                    continue;
                }
            };
            match outcome {
                Ok(()) => note_back(&mut away_since),
                Err(error) => {
                    if away_since.is_none() {
                        tracing::warn!(%error, "the store is away; what is served stays as it is");
                        away_since = Some(Instant::now());
                    }
                    tokio::time::sleep(limits::STORE_RETRY).await;
                }
            }
        }
    }

    fn serve_all(&mut self) {
        let documents = self.follower.replica.documents();
        let plan = self.follower.sites.load(documents);
        self.serve(plan);
    }

    fn apply(&mut self, batches: &[Batch]) {
        let mut plan = self.follower.sites.apply(batches);
        self.is_unsaved |= !batches.is_empty();
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
        let refused = self.updates.update_each(&plan.gone, plan.sites);
        ids.retain(|id| refused.iter().all(|(other, _)| other != id));
        let sites = &mut self.follower.sites;
        sites.accept(&ids);
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

fn note_back(away_since: &mut Option<Instant>) {
    if let Some(since) = away_since.take() {
        let secs = since.elapsed().as_secs();
        tracing::info!(secs, "the store is back");
    }
}

/// What the store knows of this node.
struct Presence {
    store: Arc<dyn Store>,
    node: Node,
    lease: Option<LeaseId>,
    /// The store's revision that is served; nothing while it is not known that the copy is one of
    /// this store. Nothing is said until then: a node that has not caught up must not hold others'
    /// changes for served.
    current: Option<u64>,
    acknowledged: Option<(u64, BTreeMap<String, Refusal>)>,
}

impl Presence {
    /// Tells the store what is served, if that is news.
    async fn acknowledge(&mut self, refused: &BTreeMap<String, Refusal>) -> Result<(), StoreError> {
        let Some(applied) = self.current else {
            return Ok(());
        };
        let is_known = self
            .acknowledged
            .as_ref()
            .is_some_and(|(known, known_refused)| *known == applied && known_refused == refused);
        if is_known {
            return Ok(());
        }
        self.node.applied = applied;
        self.node.refused.clone_from(refused);
        self.acknowledged = None;
        // The lease may have ended while the store was away; the second is a new one.
        for _ in 0..2 {
            let lease = match self.lease {
                Some(lease) => lease,
                None => *self
                    .lease
                    .insert(self.store.grant(limits::LEASE_SECS).await?),
            };
            let key = keys::node(&self.node.id);
            let txn = Txn::new().put_leased(key, encode(&self.node), lease);
            match self.store.commit(txn).await {
                Ok(Outcome::Committed(_)) => {
                    self.acknowledged = Some((applied, self.node.refused.clone()));
                    return Ok(());
                }
                Ok(Outcome::Conflict) => self.lease = None,
                Err(error) => {
                    self.lease = None;
                    return Err(error);
                }
            }
        }
        let reason = "the node's lease ended as soon as it began";
        Err(StoreError::Unavailable(reason.to_owned()))
    }

    async fn renew(&mut self, refused: &BTreeMap<String, Refusal>) -> Result<(), StoreError> {
        if let Some(lease) = self.lease
            && !self.store.renew(lease).await?
        {
            self.lease = None;
            self.acknowledged = None;
        }
        self.acknowledge(refused).await
    }
}
