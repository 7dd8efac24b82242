//! A copy of all documents under a prefix, for nodes that go on while their store is away.
//!
//! [`Replica`] follows a store by [`Replica::advance`] and lies on disk between two starts
//! ([`Replica::save`]; the bytes are [`snapshot`]'s). It never writes documents of the watched
//! prefix, and asks nothing of the store but what [`Store`] promises.
//!
//! A replica knows its store by the document [`ID_KEY`], which the first replica makes. If the
//! store is another one than last time, or has forgotten the changes since, everything is listed
//! again. The pages of a list need not be of one revision, so the watch begins after the first
//! page's and tells again of what later pages had already; changes that are not newer than what is
//! here are passed over.

pub mod snapshot;
pub mod stream;

use std::{
    collections::{BTreeMap, hash_map::RandomState},
    fs::{self, File, OpenOptions},
    hash::BuildHasher,
    io::{self, Read, Write},
    ops::Bound,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use parking_lot::Mutex;

use self::snapshot::Snapshot;
use crate::{
    Batch, Document, Event, Outcome, Range, Revision, Store, StoreError, Txn, Watch, limits,
};

/// Where a store says which one it is.
pub const ID_KEY: &str = "store/id";

/// A copy of a store's documents under a prefix.
pub struct Replica {
    path: PathBuf,
    snapshot: Snapshot,
    follows: Follows,
}

/// What is to be done next to hear of changes.
enum Follows {
    /// Find out which store it is, and watch or list.
    Nothing,
    /// Watch on. (The lock is never waited for; it makes a replica that is shared possible.)
    Watch(Mutex<Box<dyn Watch>>),
}

impl Replica {
    /// Opens the copy that lies there. Without one, or if it is damaged (a warning says so), the
    /// replica begins empty.
    pub fn open(path: &Path, prefix: &str) -> io::Result<Replica> {
        let snapshot = load(path, prefix)?.unwrap_or_else(|| Snapshot {
            prefix: prefix.to_owned(),
            ..Snapshot::default()
        });
        Ok(Replica {
            path: path.to_owned(),
            snapshot,
            follows: Follows::Nothing,
        })
    }

    /// Waits for the next changes, applies them, and returns them. The batches hold what was really
    /// changed here. They are empty if everything was listed anew and nothing was different: then
    /// the replica is known to be as new as its store.
    ///
    /// May be dropped while it waits without losing any. After an error it may be called again, on
    /// the same store or on another one.
    pub async fn advance(&mut self, store: &dyn Store) -> Result<Vec<Batch>, StoreError> {
        loop {
            let Follows::Watch(watch) = &mut self.follows else {
                let batches = self.catch_up(store).await?;
                if !self.is_following() {
                    return Ok(batches);
                }
                continue;
            };
            // Nothing is waited for between here and the return.
            match watch.get_mut().next().await {
                Ok(batches) => {
                    let batches = self.apply(batches);
                    if !batches.is_empty() {
                        return Ok(batches);
                    }
                }
                Err(StoreError::Compacted { .. }) => {
                    self.follows = Follows::Nothing;
                    return self.list(store).await;
                }
                Err(error) => {
                    self.follows = Follows::Nothing;
                    return Err(error);
                }
            }
        }
    }

    /// Whether it is known what is to be heard of next: that what is here was in this store at
    /// [`Replica::revision`], and that every change since will be told of.
    pub fn is_following(&self) -> bool {
        matches!(self.follows, Follows::Watch(_))
    }

    /// Does the part of [`Replica::advance`] that does not wait for changes: finds out which store
    /// it is, and begins to follow it or takes over all that is there. After that, what is here was
    /// in this store at [`Replica::revision`].
    pub async fn catch_up(&mut self, store: &dyn Store) -> Result<Vec<Batch>, StoreError> {
        if self.is_following() {
            return Ok(Vec::new());
        }
        match self.begin(store).await? {
            Some(watch) => {
                self.follows = Follows::Watch(Mutex::new(watch));
                Ok(Vec::new())
            }
            None => self.list(store).await,
        }
    }

    /// Writes the copy to its file, whole or not at all. Blocks while the disk is written to.
    pub fn save(&self) -> io::Result<()> {
        let bytes = snapshot::encode(&self.snapshot);
        let mut new_path = self.path.as_os_str().to_owned();
        new_path.push(".new");
        // One that was left by a crash may have another mode.
        match fs::remove_file(&new_path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new_path)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&new_path, &self.path)?;
        let parent = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(parent)?.sync_all()
    }

    /// Everything that is here, in the order of keys.
    pub fn documents(&self) -> impl DoubleEndedIterator<Item = &Document> {
        self.snapshot.documents.values()
    }

    /// What lies under a key.
    pub fn get(&self, key: &str) -> Option<&Document> {
        self.snapshot.documents.get(key)
    }

    /// What lies under keys that begin so, in the order of keys.
    pub fn range<'replica>(
        &'replica self,
        prefix: &'replica str,
    ) -> impl Iterator<Item = &'replica Document> {
        self.snapshot
            .documents
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .map(|(_, document)| document)
            .take_while(move |document| document.key.starts_with(prefix))
    }

    /// The last revision whose changes are here; 0 if there has been none.
    pub fn revision(&self) -> Revision {
        self.snapshot.revision
    }

    /// A watch after what is here, or nothing if everything must be listed.
    async fn begin(&self, store: &dyn Store) -> Result<Option<Box<dyn Watch>>, StoreError> {
        let (id, head) = identify(store).await?;
        // A store that was put back to an earlier state is not the one that was copied.
        if id != self.snapshot.store_id || head < self.snapshot.revision {
            return Ok(None);
        }
        match store
            .watch(&self.snapshot.prefix, self.snapshot.revision)
            .await
        {
            Ok(watch) => Ok(Some(watch)),
            Err(StoreError::Compacted { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lists everything and takes it over. Returns what is different, as of the first page.
    async fn list(&mut self, store: &dyn Store) -> Result<Vec<Batch>, StoreError> {
        let (store_id, _) = identify(store).await?;
        let mut range = Range {
            prefix: self.snapshot.prefix.clone(),
            ..Range::default()
        };
        let mut first = None;
        let mut documents = BTreeMap::new();
        loop {
            let page = store.list(range.clone()).await?;
            first.get_or_insert(page.revision);
            range.after = page.documents.last().map(|last| last.key.clone());
            let keyed = page.documents.into_iter();
            documents.extend(keyed.map(|document| (document.key.clone(), document)));
            if !page.has_more || range.after.is_none() {
                break;
            }
        }
        // Nothing is waited for from here on.
        let revision = first.unwrap_or_default();
        let events = differences(&self.snapshot.documents, &documents);
        self.snapshot.store_id = store_id;
        self.snapshot.revision = revision;
        self.snapshot.documents = documents;
        Ok(match events.is_empty() {
            true => Vec::new(),
            false => vec![Batch { revision, events }],
        })
    }

    /// Takes over what is new of these batches, and returns that.
    fn apply(&mut self, batches: Vec<Batch>) -> Vec<Batch> {
        let snapshot = &mut self.snapshot;
        let applied = batches.into_iter().filter_map(|mut batch| {
            snapshot.revision = snapshot.revision.max(batch.revision);
            batch.events.retain(|event| {
                let here = snapshot.documents.get(event.key());
                let here = here.map(|document| document.modified);
                match event {
                    Event::Put(document) if here.is_none_or(|here| here < document.modified) => {
                        let document = document.clone();
                        snapshot.documents.insert(document.key.clone(), document);
                        true
                    }
                    Event::Deleted { key } if here.is_some_and(|here| here < batch.revision) => {
                        snapshot.documents.remove(key);
                        true
                    }
                    _ => false,
                }
            });
            (!batch.events.is_empty()).then_some(batch)
        });
        applied.collect()
    }
}

/// The id of the store, which is made if it has none, and the revision that the store is at.
pub async fn identify(store: &dyn Store) -> Result<(String, Revision), StoreError> {
    loop {
        let range = Range {
            prefix: ID_KEY.to_owned(),
            limit: 1,
            ..Range::default()
        };
        let page = store.list(range).await?;
        match page.documents.first() {
            Some(document) if document.key == ID_KEY => {
                let id = std::str::from_utf8(&document.value)
                    .ok()
                    .filter(|id| (1..=limits::STORE_ID_BYTES_MAX).contains(&id.len()))
                    .ok_or_else(|| {
                        StoreError::Damaged(format!("{ID_KEY} is not an id of a store"))
                    })?;
                return Ok((id.to_owned(), page.revision));
            }
            _ => {
                let txn = Txn::new().if_absent(ID_KEY).put(ID_KEY, new_id());
                // Whoever made it: it is read again.
                let (Outcome::Committed(_) | Outcome::Conflict) = store.commit(txn).await?;
            }
        }
    }
}

/// A number that no other store has. Its only use is to be different.
fn new_id() -> String {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    // The hasher's keys come from the system's source of randomness.
    let random = RandomState::new().hash_one(now.as_nanos());
    format!("{:x}-{random:016x}", now.as_nanos())
}

/// What turns the old documents into the new ones, in the order of keys.
fn differences(old: &BTreeMap<String, Document>, new: &BTreeMap<String, Document>) -> Vec<Event> {
    let gone = old.keys().filter(|&key| !new.contains_key(key));
    let gone = gone.map(|key| Event::Deleted { key: key.clone() });
    let put = new
        .values()
        .filter(|&document| old.get(&document.key) != Some(document))
        .map(|document| Event::Put(document.clone()));
    let mut events: Vec<Event> = gone.chain(put).collect();
    events.sort_by(|a, b| a.key().cmp(b.key()));
    events
}

/// Reads a snapshot's file; nothing if there is none that can be used.
fn load(path: &Path, prefix: &str) -> io::Result<Option<Snapshot>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let size_bytes = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(size_bytes.min(limits::SNAPSHOT_BYTES_MAX));
    file.take(limits::SNAPSHOT_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)?;
    let reason = match snapshot::decode(&bytes) {
        Ok(snapshot) if snapshot.prefix == prefix => return Ok(Some(snapshot)),
        Ok(snapshot) => format!("it is of prefix {:?}, not {prefix:?}", snapshot.prefix),
        Err(error) => error.to_string(),
    };
    tracing::warn!(path = %path.display(), reason, "the replica's snapshot cannot be used");
    Ok(None)
}
