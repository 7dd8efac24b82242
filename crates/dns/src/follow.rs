//! Following the store: a name server's copy of what answers are made of, and the thread that puts
//! the next world into the place of the last.
//!
//! 1. [`Follower::open`] reads the copy from disk, so that a name server answers although its store
//!    is away.
//! 2. [`Follower::start`] goes on with a thread that waits for changes, compiles what they touch
//!    and swaps the world; then it says so in the node's own document.
//! 3. While the store does not answer, everything stays as it is, and the thread tries on.
//!
//! The world is the copy: record sets are kept in no other form than the one that answers are made
//! of. Only what is small (zones, policies, keys) is kept as documents besides.

mod copy;
mod elsewhere;
mod pops;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use documents::{Node, route53};
use health::Board;
use parking_lot::Mutex;
use presence::Presence;
use store::{Batch, Range, Store, StoreError, Watch, replica};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use crate::compile::Builder;
use crate::limits;
use crate::query_log::QueryLog;
use crate::world::{Settings, View, World};
use copy::Copy;
use pops::Surroundings;

/// What a follower is told at its start.
#[derive(Clone)]
pub struct FollowConfig {
    /// Where the copy lies between two starts.
    pub copy: PathBuf,
    /// What the operator says of answers.
    pub settings: Settings,
    /// Which networks see which private zones.
    pub views: Vec<View>,
    /// Distributions' own names lie under this one: `cdn.localhost`.
    pub domain: String,
    /// Where addresses are.
    pub geo: Option<Arc<geo::Geo>>,
    /// The state of health checks.
    pub board: Arc<Mutex<Board>>,
    /// What is told which zones' queries are logged.
    pub query_log: Option<Arc<QueryLog>>,
}

/// A name server's copy of its store, not yet followed.
pub struct Follower {
    world: Arc<ArcSwap<World>>,
    copy: Copy,
}

/// A thread that follows the store. Dropped, it ends and gives the node's lease back.
pub struct Following {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Reads the copy; without one, it begins empty.
    pub fn open(config: FollowConfig) -> io::Result<Follower> {
        let seed =
            std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), std::process::id());
        let mut builder =
            Builder::new(&World::empty(seed, config.settings).with_health(config.board));
        builder.set_views(config.views);
        builder.set_platform(Some(&config.domain), &[]);
        builder.set_geo(config.geo);
        let (world, _) = builder.finish();
        let (copy, world) = Copy::open(config.copy, config.query_log, world)?;
        Ok(Follower {
            world: Arc::new(ArcSwap::from_pointee(world)),
            copy,
        })
    }

    /// What answers are made of, from now on and after every change.
    pub fn world(&self) -> &Arc<ArcSwap<World>> {
        &self.world
    }

    /// Follows the store from now on. `node` is what this node says of itself.
    pub fn start(self, store: Arc<dyn Store>, node: Node) -> io::Result<Following> {
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let task = Task {
            world: self.world,
            copy: self.copy,
            store,
            watch: None,
            is_unsaved: false,
            saving: None,
        };
        let thread = std::thread::Builder::new().name("dns-follow".into());
        let thread = thread.spawn(move || {
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, task.run(node, stopped));
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
    world: Arc<ArcSwap<World>>,
    copy: Copy,
    store: Arc<dyn Store>,
    /// Changes after the copy's revision, while it is known that the copy is one of this store.
    watch: Option<Box<dyn Watch>>,
    is_unsaved: bool,
    /// The copy on its way to the disk, which takes seconds if it is large.
    saving: Option<JoinHandle<io::Result<()>>>,
}

/// What the loop of a task was woken by.
enum Event {
    Changes(Result<Vec<Batch>, StoreError>),
    Surroundings(Surroundings),
    Save,
}

impl Task {
    async fn run(mut self, node: Node, mut stopped: watch::Receiver<bool>) {
        let presence = Presence::start(Arc::clone(&self.store), node);
        let (told, surroundings) = mpsc::channel(1);
        let pops = tokio::task::spawn_local(pops::follow(Arc::clone(&self.store), told));
        let world = Arc::clone(&self.world);
        let elsewhere = tokio::task::spawn_local(elsewhere::resolve(world));
        tokio::select! {
            _ = stopped.wait_for(|is_stopped| *is_stopped) => {}
            () = self.follow(&presence, surroundings) => {}
        }
        pops.abort();
        elsewhere.abort();
        self.finish_saving();
        self.save();
        self.finish_saving();
        presence.end().await;
    }

    async fn follow(&mut self, presence: &Presence, mut told: mpsc::Receiver<Surroundings>) {
        let mut saves = tokio::time::interval(limits::COPY_INTERVAL);
        saves.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_unsaved = self.is_unsaved;
            let event = match self.watch.as_mut() {
                // To catch up is not broken off: a list would begin again each time.
                None => match self.catch_up().await {
                    Ok(()) => {
                        presence.say(Some(self.copy.revision().0), self.copy.refused());
                        continue;
                    }
                    Err(error) => Event::Changes(Err(error)),
                },
                Some(watch) => tokio::select! {
                    changes = watch.next() => Event::Changes(changes),
                    Some(surroundings) = told.recv() => Event::Surroundings(surroundings),
                    _ = saves.tick(), if is_unsaved => Event::Save,
                },
            };
            match event {
                Event::Changes(Ok(batches)) => {
                    self.apply(&batches);
                    presence.say(Some(self.copy.revision().0), self.copy.refused());
                }
                Event::Changes(Err(error)) => {
                    tracing::debug!(%error, "the store is not followed");
                    self.watch = None;
                    presence.say(None, self.copy.refused());
                    if !matches!(error, StoreError::Compacted { .. }) {
                        tokio::time::sleep(presence::limits::STORE_RETRY).await;
                    }
                }
                Event::Surroundings(surroundings) => {
                    let mut builder = Builder::new(&self.world.load());
                    surroundings.put(&mut builder);
                    self.swap(builder);
                }
                Event::Save => self.save(),
            }
        }
    }

    /// Finds out which store it is, and begins to follow it or takes over all that is there.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        let store = Arc::clone(&self.store);
        let (id, head) = replica::identify(&*store).await?;
        // A store that was put back to an earlier state is not the one that was copied.
        if self.copy.is_of(&id) && self.copy.revision() <= head {
            match store.watch(route53::ROUTE53, self.copy.revision()).await {
                Ok(watch) => {
                    self.watch = Some(watch);
                    return Ok(());
                }
                Err(StoreError::Compacted { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.list(id).await
    }

    /// Lists everything and takes it over, all at once.
    async fn list(&mut self, id: String) -> Result<(), StoreError> {
        let mut builder = Builder::new(&self.world.load());
        let mut copy = self.copy.begin_anew(&mut builder);
        let mut range = Range {
            prefix: route53::ROUTE53.to_owned(),
            ..Range::default()
        };
        let mut first = None;
        loop {
            let page = self.store.list(range.clone()).await?;
            first.get_or_insert(page.revision);
            range.after = page.documents.last().map(|last| last.key.clone());
            for document in page.documents {
                copy.put(document, &mut builder);
            }
            if !page.has_more || range.after.is_none() {
                break;
            }
        }
        // The pages need not be of one revision: the watch tells again of what later ones had.
        copy.is_now(id, first.unwrap_or_default());
        copy.settle(&mut builder);
        self.copy = copy;
        self.swap(builder);
        self.is_unsaved = true;
        let watch = self.store.watch(route53::ROUTE53, self.copy.revision());
        self.watch = Some(watch.await?);
        Ok(())
    }

    fn apply(&mut self, batches: &[Batch]) {
        let mut builder = Builder::new(&self.world.load());
        for batch in batches {
            self.copy.apply(batch, &mut builder);
        }
        self.copy.settle(&mut builder);
        self.swap(builder);
        self.is_unsaved |= !batches.is_empty();
    }

    fn swap(&mut self, builder: Builder) {
        let (world, refusals) = builder.finish();
        self.copy.refuse(refusals);
        self.world.store(Arc::new(world));
    }

    /// Has the copy written to disk by a thread of its own, unless the last is still on its way.
    fn save(&mut self) {
        if self
            .saving
            .as_ref()
            .is_some_and(|saving| !saving.is_finished())
        {
            return;
        }
        self.finish_saving();
        if !std::mem::take(&mut self.is_unsaved) {
            return;
        }
        let (copy, world) = (self.copy.clone(), self.world.load_full());
        let thread = std::thread::Builder::new().name("dns-copy".into());
        match thread.spawn(move || copy.save(&world)) {
            Ok(saving) => self.saving = Some(saving),
            Err(error) => self.note_unsaved(&error),
        }
    }

    /// Waits until what is on its way to the disk is there.
    fn finish_saving(&mut self) {
        let saved = self.saving.take().map(JoinHandle::join);
        // What a panicking thread had to say, it said.
        if let Some(Ok(Err(error))) = saved {
            self.note_unsaved(&error);
        }
    }

    fn note_unsaved(&mut self, error: &io::Error) {
        tracing::error!(%error, "the name server's copy of its store is not saved");
        self.is_unsaved = true;
    }
}
