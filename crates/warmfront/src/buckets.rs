//! Buckets on this node: their disk, the keys that requests to them are signed with, and what the
//! other nodes are told of them.

use std::sync::Arc;

use async_trait::async_trait;
use buckets::api::{Claim, Domains, Key, Keyring, Registry, Service, ServiceConfig, Who};
use buckets::disk::{Disk, DiskError};
use control::identity::ROOT;
use control::{Control, Objects};
use documents::bucket::{self, Asker, Bucket};
use documents::{decode, encode, keys};
use secrets::Secrets;
use store::{Outcome, Range, Store, StoreError, Txn};
use tokio::time::MissedTickBehavior;

use crate::api::now_ms;
use crate::limits;
use crate::settings::{SettingError, Settings};

/// Opens the directory of buckets.
pub fn open(settings: &Settings) -> Result<Disk, SettingError> {
    let directory = &settings.buckets.directory;
    Disk::open(directory, now_ms() as i64).map_err(|error| {
        let allowed = format!("a directory for buckets, of this node alone: {error}");
        settings.error("buckets", directory.display(), allowed)
    })
}

/// S3's API over the disk.
pub fn serve(
    settings: &Settings,
    disk: Disk,
    control: Arc<Control>,
    secrets: Arc<Secrets>,
    announcer: Arc<Announcer>,
) -> Service {
    let keys = Keys {
        control,
        secrets,
        account_id: settings.account_id.clone(),
    };
    let host = announcer
        .endpoint
        .split_once("://")
        .map_or("", |(_, host)| host);
    let config = ServiceConfig {
        account_id: settings.account_id.clone(),
        default_region: DEFAULT_REGION.to_owned(),
        domains: Domains::new(host),
        patience: limits::SERVER_BODY_TIMEOUT,
    };
    Service::new(disk, Arc::new(keys), announcer, config)
}

/// Where S3 makes buckets whose maker names no region.
const DEFAULT_REGION: &str = "us-east-1";

/// Tells of the buckets that are there, and sweeps what forgotten uploads leave, for ever.
pub async fn keep_up(disk: Disk, announcer: Arc<Announcer>) {
    let mut ticks = tokio::time::interval(limits::UPKEEP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        while let Err(error) = announcer.reconcile(&disk).await {
            tracing::debug!(%error, "buckets are not announced yet");
            tokio::time::sleep(limits::STORE_RETRY).await;
        }
        if let Err(error) = disk.sweep_uploads(now_ms() as i64).await {
            tracing::warn!(%error, "forgotten uploads are not swept");
        }
    }
}

/// The objects of this node's buckets, for the API's own use.
pub struct OwnObjects(pub Disk);

impl std::fmt::Debug for OwnObjects {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("OwnObjects")
    }
}

#[async_trait]
impl Objects for OwnObjects {
    async fn read(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        bytes_max: u64,
    ) -> Result<Vec<u8>, String> {
        let text = |error: DiskError| error.to_string();
        let opened = self.0.open_object(bucket, key, version).await;
        let (info, body) = opened.map_err(text)?;
        if info.size_bytes > bytes_max {
            let size_bytes = info.size_bytes;
            return Err(format!(
                "it has {size_bytes} bytes; {bytes_max} are allowed"
            ));
        }
        let mut chunks = body.read(0..info.size_bytes);
        let mut read = Vec::new();
        while let Some(bytes) = chunks.next().await {
            read.extend_from_slice(&bytes.map_err(text)?);
        }
        Ok(read)
    }
}

/// Whom access keys stand for.
struct Keys {
    control: Arc<Control>,
    secrets: Arc<Secrets>,
    account_id: String,
}

#[async_trait]
impl Keyring for Keys {
    async fn find(&self, access_key_id: &str) -> Result<Option<Key>, String> {
        if let Some(asker) = Asker::of_access_key_id(access_key_id) {
            let secret = self.secrets.derive(&asker.purpose(), 0);
            let secret = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            let account_id = &self.account_id;
            let who = match asker {
                Asker::Distribution(id) => Who::Service {
                    source_arn: format!("arn:aws:cloudfront::{account_id}:distribution/{id}"),
                    source_account: account_id.clone(),
                },
                Asker::Identity(id) => Who::Identity(id),
            };
            return Ok(Some(Key { secret, who }));
        }
        let key = self.control.access_key(access_key_id).await?;
        Ok(key.map(|key| Key {
            secret: key.secret,
            who: match &*key.user_name {
                ROOT => Who::Account(key.policy),
                _ => Who::User(key.user_name, key.policy),
            },
        }))
    }
}

/// Tells the other nodes, by the store, which buckets this one keeps.
pub struct Announcer {
    /// The store.
    pub store: Arc<dyn Store>,
    /// This node's id.
    pub node: String,
    /// Where S3's API is spoken here: `http://10.0.0.1:4566`.
    pub endpoint: String,
}

impl Announcer {
    async fn try_claim(&self, name: &str, region: &str) -> Result<Claim, StoreError> {
        let key = bucket::key(name);
        let ours = Bucket {
            node: self.node.clone(),
            endpoint: self.endpoint.clone(),
            region: region.to_owned(),
        };
        for _ in 0..limits::CLAIM_ATTEMPTS {
            let there = self.store.get(&key).await?;
            let txn = match &there {
                None => Txn::new().if_absent(&key),
                Some(document) => match decode::<Bucket>(&key, &document.value) {
                    Ok(bucket) if bucket == ours => return Ok(Claim::Ours),
                    Ok(bucket) if bucket.node != self.node => return Ok(Claim::Elsewhere),
                    // What nobody can read is nobody's.
                    _ => Txn::new().if_modified_at(&key, document.modified),
                },
            };
            match self.store.commit(txn.put(&key, encode(&ours))).await? {
                Outcome::Committed(_) => return Ok(Claim::Ours),
                // Another node was faster; what it wrote is looked at.
                Outcome::Conflict => {}
            }
        }
        Ok(Claim::Elsewhere)
    }

    async fn try_release(&self, name: &str) -> Result<(), StoreError> {
        let key = bucket::key(name);
        let Some(document) = self.store.get(&key).await? else {
            return Ok(());
        };
        let is_ours =
            decode::<Bucket>(&key, &document.value).is_ok_and(|bucket| bucket.node == self.node);
        if is_ours {
            let txn = Txn::new().if_modified_at(&key, document.modified);
            // A conflict means that it is somebody else's by now.
            self.store.commit(txn.delete(&key)).await?;
        }
        Ok(())
    }

    /// Announces every bucket of the disk, and takes back what is announced in this node's name
    /// and is not there.
    async fn reconcile(&self, disk: &Disk) -> Result<(), StoreError> {
        for bucket in disk.buckets() {
            if self.try_claim(&bucket.name, &bucket.region).await? == Claim::Elsewhere {
                tracing::error!(
                    bucket = bucket.name,
                    "another node keeps a bucket of that name: this one is not read by edges"
                );
            }
        }
        let prefix = keys::collection(keys::BUCKET);
        let mut range = Range {
            prefix: prefix.clone(),
            ..Range::default()
        };
        loop {
            let page = self.store.list(range.clone()).await?;
            for document in &page.documents {
                let name = document.key.strip_prefix(&prefix).unwrap_or_default();
                if disk.bucket(name).is_none() {
                    self.try_release(name).await?;
                }
            }
            match page.documents.last() {
                Some(last) if page.has_more => range.after = Some(last.key.clone()),
                _ => return Ok(()),
            }
        }
    }
}

#[async_trait]
impl Registry for Announcer {
    async fn claim(&self, bucket: &str, region: &str) -> Result<Claim, String> {
        let claimed = self.try_claim(bucket, region).await;
        claimed.map_err(|error| error.to_string())
    }

    async fn release(&self, bucket: &str) -> Result<(), String> {
        let released = self.try_release(bucket).await;
        released.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use store::sqlite::Sqlite;

    use super::*;

    fn announcer(store: &Arc<dyn Store>, node: &str) -> Announcer {
        Announcer {
            store: Arc::clone(store),
            node: node.to_owned(),
            endpoint: format!("http://{node}:4566"),
        }
    }

    async fn announced(store: &Arc<dyn Store>, name: &str) -> Option<Bucket> {
        let key = bucket::key(name);
        let document = store.get(&key).await.unwrap()?;
        Some(decode(&key, &document.value).unwrap())
    }

    #[tokio::test]
    async fn a_name_is_its_first_nodes_until_that_gives_it_back() {
        let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().unwrap());
        let (one, two) = (announcer(&store, "one"), announcer(&store, "two"));
        assert_eq!(one.claim("site", "eu-west-1").await, Ok(Claim::Ours));
        assert_eq!(two.claim("site", "eu-west-1").await, Ok(Claim::Elsewhere));
        two.release("site").await.unwrap();
        let told = announced(&store, "site").await.unwrap();
        assert_eq!((&*told.node, &*told.region), ("one", "eu-west-1"));
        one.release("site").await.unwrap();
        assert_eq!(two.claim("site", "us-east-1").await, Ok(Claim::Ours));
    }

    #[tokio::test]
    async fn a_node_announces_what_is_on_its_disk_and_nothing_else() {
        let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().unwrap());
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::open(directory.path(), 0).unwrap();
        for name in ["moved", "theirs"] {
            let made = disk.create_bucket(name, "us-east-1", "owner", 0);
            made.await.unwrap();
        }
        let (one, two) = (announcer(&store, "one"), announcer(&store, "two"));
        one.claim("gone", "us-east-1").await.unwrap();
        one.claim("moved", "us-east-1").await.unwrap();
        two.claim("theirs", "us-east-1").await.unwrap();
        two.claim("other", "us-east-1").await.unwrap();
        let elsewhere = Announcer {
            endpoint: "http://one:80".to_owned(),
            ..one
        };
        elsewhere.reconcile(&disk).await.unwrap();
        assert_eq!(announced(&store, "gone").await, None);
        let moved = announced(&store, "moved").await.unwrap();
        assert_eq!(moved.endpoint, "http://one:80");
        assert_eq!(announced(&store, "theirs").await.unwrap().node, "two");
        assert_eq!(announced(&store, "other").await.unwrap().node, "two");
    }
}
