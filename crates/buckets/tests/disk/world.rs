//! A disk in a directory of its own, and short ways to ask it.

use std::{cell::Cell, fs, future::Future, path::Path};

use buckets::disk::{
    Algorithm, Condition, Configuration, DeleteTarget, Deleted, Disk, DiskError, ListRequest,
    ObjectInfo, Put, PutRequest, Versioning, Versions, VersionsRequest, Written,
};
use bytes::Bytes;
use tempfile::TempDir;

pub const BUCKET: &str = "site";
/// One that the disk's configuration tests name.
pub const KIND: Configuration = Configuration::Website;

pub struct World {
    pub dir: TempDir,
    pub disk: Disk,
    pub now_ms: Cell<i64>,
}

/// Runs a test with a disk that has an empty bucket.
pub fn with_bucket<F: Future<Output = ()>>(test: impl FnOnce(World) -> F) {
    block_on(async {
        let world = World::new().await;
        test(world).await;
    });
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

impl World {
    pub async fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), 0).unwrap();
        disk.create_bucket(BUCKET, "eu-north-1", "me", 1)
            .await
            .unwrap();
        World {
            dir,
            disk,
            now_ms: Cell::new(1_000),
        }
    }

    /// The next millisecond.
    pub fn tick(&self) -> i64 {
        self.now_ms.set(self.now_ms.get() + 1);
        self.now_ms.get()
    }

    pub async fn put(&self, key: &str, bytes: impl Into<Bytes>) -> Put {
        self.put_if(key, bytes, Condition::None).await.unwrap()
    }

    pub async fn put_if(
        &self,
        key: &str,
        bytes: impl Into<Bytes>,
        condition: Condition,
    ) -> Result<Put, DiskError> {
        let written = written(&self.disk, bytes).await;
        let request = PutRequest {
            condition,
            ..request(key)
        };
        self.disk.put(request, written, self.tick()).await
    }

    pub async fn get(&self, key: &str) -> Result<Vec<u8>, DiskError> {
        Ok(get(&self.disk, BUCKET, key, None).await?.1)
    }

    pub async fn get_version(&self, key: &str, version: &str) -> Result<Vec<u8>, DiskError> {
        Ok(get(&self.disk, BUCKET, key, Some(version)).await?.1)
    }

    pub async fn delete(&self, key: &str, version: Option<&str>) -> Deleted {
        let target = DeleteTarget {
            key: key.to_owned(),
            version_id: version.map(str::to_owned),
            condition: Condition::None,
        };
        self.disk.delete(BUCKET, target, self.tick()).await.unwrap()
    }

    pub async fn set_versioning(&self, versioning: Versioning) {
        self.disk.set_versioning(BUCKET, versioning).await.unwrap();
    }

    pub async fn versions(&self) -> Versions {
        let request = VersionsRequest {
            max_entries: 1_000,
            ..VersionsRequest::default()
        };
        self.disk.list_versions(BUCKET, request).await.unwrap()
    }

    pub async fn keys(&self) -> Vec<String> {
        let request = ListRequest {
            max_entries: 1_000,
            ..ListRequest::default()
        };
        let listing = self.disk.list(BUCKET, request).await.unwrap();
        listing.objects.into_iter().map(|entry| entry.key).collect()
    }

    /// Opens the directory again.
    pub fn reopened(self) -> World {
        let World { dir, disk, now_ms } = self;
        drop(disk);
        let disk = Disk::open(dir.path(), now_ms.get()).unwrap();
        World { dir, disk, now_ms }
    }

    /// Files of blobs and temporary ones.
    pub fn files(&self) -> (usize, usize) {
        files(self.dir.path())
    }
}

pub fn request(key: &str) -> PutRequest {
    PutRequest {
        bucket: BUCKET.into(),
        key: key.into(),
        ..PutRequest::default()
    }
}

pub async fn written(disk: &Disk, bytes: impl Into<Bytes>) -> Written {
    let mut staged = disk.stage(Algorithm::Crc64Nvme);
    staged.write(bytes.into()).await.unwrap();
    staged.finish().await.unwrap()
}

pub async fn get(
    disk: &Disk,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> Result<(ObjectInfo, Vec<u8>), DiskError> {
    let (info, body) = disk.open_object(bucket, key, version).await?;
    let mut chunks = body.read(0..info.size_bytes);
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    assert_eq!(bytes.len() as u64, info.size_bytes);
    Ok((info, bytes))
}

pub fn files(dir: &Path) -> (usize, usize) {
    let count = |path: &Path| fs::read_dir(path).unwrap().count();
    let blobs = fs::read_dir(dir.join("blobs")).unwrap();
    let blobs = blobs.map(|entry| count(&entry.unwrap().path())).sum();
    (blobs, count(&dir.join("tmp")))
}

/// What a crash would leave: a directory as it is now.
pub fn copied(from: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    copy_dir(from, to.path());
    to
}

fn copy_dir(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => {
                fs::create_dir(&target).unwrap();
                copy_dir(&entry.path(), &target);
            }
            false => drop(fs::copy(entry.path(), &target).unwrap()),
        }
    }
}
