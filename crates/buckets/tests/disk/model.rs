//! Random changes, compared with a model in memory after each.

use std::collections::{BTreeMap, BTreeSet};

use buckets::disk::{
    CompleteRequest, CopyRequest, DeleteTarget, Disk, DiskError, ListRequest, PartChoice,
    PutRequest, Tags, UploadRequest, Usage, Versioning, VersionsRequest,
};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::world::{block_on, files, get, written};

const BUCKETS: [&str; 2] = ["first", "second"];
const KEYS: [&str; 5] = ["a", "a/", "a/b", "é", "\u{10ffff}"];

#[derive(Clone, Debug)]
enum Op {
    Put(usize, usize, usize),
    /// Of the key's versions, the one with this number counted from the newest, or none.
    Delete(usize, usize, Option<usize>),
    DeleteMany(usize, Vec<(usize, Option<usize>)>),
    Copy((usize, usize, Option<usize>), (usize, usize)),
    Versioning(usize, bool),
    Tag(usize, usize, Option<usize>),
    Upload(usize, usize, usize),
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    let at = || (0..BUCKETS.len(), 0..KEYS.len());
    let version = || prop::option::of(0..4usize);
    prop_oneof![
        6 => (at(), 0..4usize).prop_map(|((bucket, key), size)| Op::Put(bucket, key, size)),
        4 => (at(), version()).prop_map(|((bucket, key), it)| Op::Delete(bucket, key, it)),
        1 => (0..BUCKETS.len(), prop::collection::vec((0..KEYS.len(), version()), 0..6))
            .prop_map(|(bucket, all)| Op::DeleteMany(bucket, all)),
        3 => (at(), version(), at())
            .prop_map(|((bucket, key), it, to)| Op::Copy((bucket, key, it), to)),
        2 => (0..BUCKETS.len(), any::<bool>()).prop_map(|(bucket, is)| Op::Versioning(bucket, is)),
        1 => (at(), version()).prop_map(|((bucket, key), it)| Op::Tag(bucket, key, it)),
        1 => (at(), 0..4usize).prop_map(|((bucket, key), size)| Op::Upload(bucket, key, size)),
        1 => Just(Op::Reopen),
    ]
}

#[derive(Clone, Debug, PartialEq)]
struct Version {
    id: String,
    /// None of a marker.
    bytes: Option<Vec<u8>>,
    tags: Tags,
    /// Of the put that made the bytes.
    origin: usize,
}

#[derive(Default)]
struct Model {
    versioning: Versioning,
    /// The oldest first.
    keys: BTreeMap<&'static str, Vec<Version>>,
}

impl Model {
    /// What is called so: the version counted from the newest, or one that is nowhere.
    fn name(&self, key: &str, number: Option<usize>) -> Option<String> {
        let versions = self.keys.get(key).map(Vec::as_slice).unwrap_or_default();
        number.map(|number| match versions.iter().rev().nth(number) {
            Some(version) => version.id.clone(),
            None => "nowhere".into(),
        })
    }

    fn find(&mut self, key: &str, id: Option<&str>) -> Option<&mut Version> {
        let versions = self.keys.get_mut(key)?;
        let found = match id {
            None => versions.last_mut(),
            Some(id) => versions.iter_mut().find(|version| version.id == id),
        };
        found.filter(|version| version.bytes.is_some())
    }

    fn add(&mut self, key: &'static str, version: Version) {
        let versions = self.keys.entry(key).or_default();
        versions.retain(|other| other.id != version.id);
        versions.push(version);
    }

    /// What a put is called, given what it was called.
    fn check_id(&self, id: Option<String>) -> String {
        match self.versioning {
            Versioning::Unversioned => assert_eq!(id, None),
            Versioning::Suspended => assert_eq!(id.as_deref(), Some("null")),
            Versioning::Enabled => assert_ne!(id.as_deref().unwrap(), "null"),
        }
        id.unwrap_or_else(|| "null".into())
    }

    fn delete(&mut self, key: &'static str, id: Option<String>, answer: buckets::disk::Deleted) {
        let versions = self.keys.entry(key).or_default();
        match id {
            Some(id) => {
                let gone = versions.iter().position(|version| version.id == id);
                let gone = gone.map(|index| versions.remove(index));
                let is_marker = gone.is_some_and(|version| version.bytes.is_none());
                assert_eq!(
                    (answer.version_id, answer.is_delete_marker),
                    (Some(id), is_marker)
                );
            }
            None if self.versioning == Versioning::Unversioned => {
                versions.clear();
                assert_eq!(answer, buckets::disk::Deleted::default());
            }
            None => {
                assert!(answer.is_delete_marker);
                let id = self.check_id(answer.version_id);
                let marker = Version {
                    id,
                    bytes: None,
                    tags: vec![],
                    origin: 0,
                };
                self.add(key, marker);
            }
        }
    }
}

struct Game {
    dir: TempDir,
    disk: Disk,
    models: [Model; 2],
    step: usize,
}

impl Game {
    async fn start() -> Game {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), 0).unwrap();
        for bucket in BUCKETS {
            disk.create_bucket(bucket, "r", "o", 0).await.unwrap();
        }
        Game {
            dir,
            disk,
            models: Default::default(),
            step: 0,
        }
    }

    fn bytes(&self, size: usize) -> Vec<u8> {
        let line = format!("{} ", self.step);
        line.bytes()
            .cycle()
            .take([0, 1, 100, 300_000][size])
            .collect()
    }

    async fn play(mut self, op: Op) -> Game {
        self.step += 1;
        match op {
            Op::Put(bucket, key, size) => self.put(bucket, KEYS[key], size).await,
            Op::Delete(bucket, key, number) => {
                let key = KEYS[key];
                let version_id = self.models[bucket].name(key, number);
                let target = DeleteTarget {
                    key: key.into(),
                    version_id: version_id.clone(),
                    ..DeleteTarget::default()
                };
                let answer = self.disk.delete(BUCKETS[bucket], target, 1).await.unwrap();
                self.models[bucket].delete(key, version_id, answer);
            }
            Op::DeleteMany(bucket, all) => self.delete_many(bucket, all).await,
            Op::Copy(from, to) => self.copy(from, to).await,
            Op::Versioning(bucket, is_enabled) => {
                let versioning = match is_enabled {
                    true => Versioning::Enabled,
                    false => Versioning::Suspended,
                };
                self.disk
                    .set_versioning(BUCKETS[bucket], versioning)
                    .await
                    .unwrap();
                self.models[bucket].versioning = versioning;
            }
            Op::Tag(bucket, key, number) => self.tag(bucket, KEYS[key], number).await,
            Op::Upload(bucket, key, size) => self.upload(bucket, KEYS[key], size).await,
            Op::Reopen => {
                let Game {
                    dir,
                    disk,
                    models,
                    step,
                } = self;
                drop(disk);
                let disk = Disk::open(dir.path(), 0).unwrap();
                return Game {
                    dir,
                    disk,
                    models,
                    step,
                };
            }
        }
        self
    }

    async fn put(&mut self, bucket: usize, key: &'static str, size: usize) {
        let bytes = self.bytes(size);
        let request = PutRequest {
            bucket: BUCKETS[bucket].into(),
            key: key.into(),
            ..PutRequest::default()
        };
        let written = written(&self.disk, bytes.clone()).await;
        let put = self.disk.put(request, written, 1).await.unwrap();
        self.added(bucket, key, put.version_id, bytes);
    }

    fn added(&mut self, bucket: usize, key: &'static str, id: Option<String>, bytes: Vec<u8>) {
        let id = self.models[bucket].check_id(id);
        let version = Version {
            id,
            bytes: Some(bytes),
            tags: vec![],
            origin: self.step,
        };
        self.models[bucket].add(key, version);
    }

    async fn delete_many(&mut self, bucket: usize, all: Vec<(usize, Option<usize>)>) {
        let named: Vec<_> = all
            .into_iter()
            .map(|(key, number)| (KEYS[key], self.models[bucket].name(KEYS[key], number)))
            .collect();
        let target = |(key, id): &(&str, Option<String>)| DeleteTarget {
            key: (*key).into(),
            version_id: id.clone(),
            ..DeleteTarget::default()
        };
        let targets = named.iter().map(target).collect();
        let answers = self
            .disk
            .delete_many(BUCKETS[bucket], targets, 1)
            .await
            .unwrap();
        assert_eq!(answers.len(), named.len());
        for ((key, id), answer) in named.into_iter().zip(answers) {
            self.models[bucket].delete(key, id, answer.unwrap());
        }
    }

    async fn copy(&mut self, from: (usize, usize, Option<usize>), to: (usize, usize)) {
        let source_version = self.models[from.0].name(KEYS[from.1], from.2);
        let request = CopyRequest {
            source_bucket: BUCKETS[from.0].into(),
            source_key: KEYS[from.1].into(),
            source_version: source_version.clone(),
            bucket: BUCKETS[to.0].into(),
            key: KEYS[to.1].into(),
            ..CopyRequest::default()
        };
        let copied = self.disk.copy(request, 1).await;
        let source = self.models[from.0].find(KEYS[from.1], source_version.as_deref());
        match source.cloned() {
            Some(version) => {
                let id = self.models[to.0].check_id(copied.unwrap().version_id);
                self.models[to.0].add(KEYS[to.1], Version { id, ..version });
            }
            None => assert!(copied.is_err()),
        }
    }

    async fn tag(&mut self, bucket: usize, key: &'static str, number: Option<usize>) {
        let id = self.models[bucket].name(key, number);
        let tags = vec![("step".to_owned(), self.step.to_string())];
        let done = self
            .disk
            .set_tags(BUCKETS[bucket], key, id.as_deref(), tags.clone())
            .await;
        match self.models[bucket].find(key, id.as_deref()) {
            Some(version) => {
                assert!(done.is_ok());
                version.tags = tags;
            }
            None => assert!(done.is_err()),
        }
    }

    async fn upload(&mut self, bucket: usize, key: &'static str, size: usize) {
        let bytes = self.bytes(size);
        let bucket_name = BUCKETS[bucket];
        let request = UploadRequest {
            bucket: bucket_name.into(),
            key: key.into(),
            ..UploadRequest::default()
        };
        let id = self.disk.create_upload(request, 1).await.unwrap().id;
        for (number, bytes) in [(1, vec![1; 9]), (1, bytes.clone()), (2, vec![2; 9])] {
            let written = written(&self.disk, bytes).await;
            self.disk
                .put_part(bucket_name, key, &id, number, written, 1)
                .await
                .unwrap();
        }
        let parts = self
            .disk
            .list_parts(bucket_name, key, &id, 0, 9)
            .await
            .unwrap()
            .parts;
        let request = CompleteRequest {
            bucket: bucket_name.into(),
            key: key.into(),
            upload_id: id,
            parts: vec![PartChoice {
                number: 1,
                etag: parts[0].etag.clone(),
                checksum: None,
            }],
            ..CompleteRequest::default()
        };
        let put = self.disk.complete_upload(request, 1).await.unwrap();
        self.added(bucket, key, put.version_id, bytes);
    }

    /// Whether the disk is as the models say.
    async fn check(&mut self) {
        let mut origins = BTreeSet::new();
        let mut usage = Vec::new();
        for (name, model) in BUCKETS.into_iter().zip(&mut self.models) {
            let mut sum = Usage::default();
            let mut listed = Vec::new();
            let mut live = Vec::new();
            for (key, versions) in &model.keys {
                for (number, version) in versions.iter().rev().enumerate() {
                    let is_marker = version.bytes.is_none();
                    listed.push((
                        (*key).to_owned(),
                        version.id.clone(),
                        number == 0,
                        is_marker,
                    ));
                    let found = get(&self.disk, name, key, Some(&version.id)).await;
                    let newest = match number {
                        0 => Some(get(&self.disk, name, key, None).await),
                        _ => None,
                    };
                    for found in std::iter::once(found).chain(newest) {
                        match (&version.bytes, found) {
                            (Some(bytes), Ok((info, found))) => {
                                assert!(*bytes == found);
                                assert_eq!(info.tags, version.tags);
                            }
                            (None, Err(DiskError::IsDeleteMarker { .. })) => {}
                            (bytes, found) => panic!("{bytes:?} is {found:?}"),
                        }
                    }
                    if let Some(bytes) = &version.bytes {
                        sum.objects += 1;
                        sum.bytes += bytes.len() as u64;
                        if !bytes.is_empty() {
                            origins.insert(version.origin);
                        }
                        if number == 0 {
                            live.push((*key).to_owned());
                        }
                    }
                }
                if versions.is_empty() {
                    let none = get(&self.disk, name, key, None).await;
                    assert_eq!(none.err(), Some(DiskError::NoSuchKey));
                }
            }
            let request = VersionsRequest {
                max_entries: 1_000,
                ..VersionsRequest::default()
            };
            let found = self
                .disk
                .list_versions(name, request)
                .await
                .unwrap()
                .versions;
            let row = |it: buckets::disk::VersionEntry| {
                (it.key, it.version_id, it.is_latest, it.object.is_none())
            };
            assert_eq!(found.into_iter().map(row).collect::<Vec<_>>(), listed);
            let request = ListRequest {
                max_entries: 1_000,
                ..ListRequest::default()
            };
            let found = self.disk.list(name, request).await.unwrap().objects;
            assert_eq!(found.into_iter().map(|it| it.key).collect::<Vec<_>>(), live);
            usage.push((name.to_owned(), sum));
        }
        assert_eq!(self.disk.usage().await.unwrap(), usage);
        // A change that comes later finds the files of those before it removed.
        self.disk.sweep_uploads(0).await.unwrap();
        // Files are removed before the next change, or by a thread whose reader has just gone.
        let mut patience = 1_000_000;
        while files(self.dir.path()) != (origins.len(), 0) && patience > 0 {
            tokio::task::yield_now().await;
            patience -= 1;
        }
        assert_eq!(files(self.dir.path()), (origins.len(), 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_disk_is_what_the_model_is(ops in prop::collection::vec(op(), 1..50)) {
        block_on(async {
            let mut game = Game::start().await;
            for op in ops {
                game = game.play(op).await;
                game.check().await;
            }
        });
    }
}
