//! Following the store: what checkers and checks are at, on every node that wants to know.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use documents::route53::{HEALTH, HEALTH_CHECK, resource};
use parking_lot::Mutex;
use store::replica::Replica;
use store::{Batch, Event, Store, StoreError};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::{Board, limits};

/// A thread that follows the store. Dropped, it ends.
pub struct Following {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// Keeps a board as the store's documents have it, on a thread of its own. While the store is away
/// everything stays as it is; before it was reached, every check is healthy. `on_change` is called
/// after changes, with the board locked.
pub fn follow(
    store: Arc<dyn Store>,
    board: Arc<Mutex<Board>>,
    on_change: impl FnMut(&Board) + Send + 'static,
) -> io::Result<Following> {
    let on_change = Mutex::new(on_change);
    Following::start("health-follow", move |mut stopped| async move {
        let apply = |batches: &[Batch]| {
            let events = batches.iter().flat_map(|batch| &batch.events);
            let mut board = board.lock();
            let mut has_changed = false;
            for event in events {
                has_changed = true;
                let value = match event {
                    Event::Put(document) => Some(&document.value[..]),
                    Event::Deleted { .. } => None,
                };
                if let Err(error) = board.apply(event.key(), value, now_ms()) {
                    tracing::warn!(%error, "a document of health checks is passed over");
                }
            }
            if has_changed {
                (on_change.lock())(&board);
            }
        };
        let checks = checks_prefix();
        tokio::select! {
            _ = stopped.wait_for(|is_stopped| *is_stopped) => {}
            () = follow_prefix(&*store, &checks, apply) => {}
            () = follow_prefix(&*store, HEALTH, apply) => {}
        }
    })
}

impl Following {
    /// Runs a task on a thread of its own, with a runtime of its own. It is told when it is to end.
    pub(crate) fn start<Run: Future<Output = ()>>(
        name: &str,
        run: impl FnOnce(watch::Receiver<bool>) -> Run + Send + 'static,
    ) -> io::Result<Following> {
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || {
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, run(stopped));
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

/// Key prefix of the checks.
pub(crate) fn checks_prefix() -> String {
    resource(HEALTH_CHECK, "")
}

/// Tells of everything under a prefix, and then of every change, for ever. The first call comes
/// when all that there is has been listed; batches may be empty.
pub(crate) async fn follow_prefix(
    store: &dyn Store,
    prefix: &str,
    mut on_change: impl FnMut(&[Batch]),
) {
    // No path names no file: it is read as nothing, and never saved.
    let mut replica = match Replica::open(Path::new(""), prefix) {
        Ok(replica) => replica,
        Err(error) => {
            tracing::error!(%error, prefix, "cannot follow the store");
            return;
        }
    };
    let mut away_since: Option<Instant> = None;
    loop {
        let changes = match replica.is_following() {
            true => replica.advance(store).await,
            false => replica.catch_up(store).await,
        };
        match changes {
            Ok(batches) => {
                if let Some(since) = away_since.take() {
                    let secs = since.elapsed().as_secs();
                    tracing::info!(secs, prefix, "the store is back");
                }
                on_change(&batches);
            }
            Err(error) => {
                note_away(&mut away_since, &error);
                tokio::time::sleep(limits::STORE_RETRY).await;
            }
        }
    }
}

pub(crate) fn note_away(away_since: &mut Option<Instant>, error: &StoreError) {
    if away_since.is_none() {
        tracing::warn!(%error, "the store is away; health stays as it is");
        *away_since = Some(Instant::now());
    }
}

/// The time, in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
