//! Crashes: a copy of the directory as it is between two steps, and a process that is killed.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use buckets::disk::{Algorithm, Disk, DiskError, UploadRequest};
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::world::{BUCKET, block_on, copied, files, get, request, with_bucket, written};

/// What a process finds in the directory after a crash: the bytes of "a", and files.
async fn after_a_crash(dir: &Path) -> (Result<Vec<u8>, DiskError>, (usize, usize)) {
    let copy = copied(dir);
    let disk = Disk::open(copy.path(), 0).unwrap();
    let bytes = get(&disk, BUCKET, "a", None).await.map(|(_, bytes)| bytes);
    (bytes, files(copy.path()))
}

#[test]
fn a_crash_at_any_step_of_a_put_leaves_the_old_or_the_new_and_no_other_file() {
    with_bucket(async |world| {
        let dir = world.dir.path();
        world.put("a", "old").await;
        let old = (Ok(b"old".to_vec()), (1, 0));
        let mut staged = world.disk.stage(Algorithm::Crc32);
        let new = vec![1; 3 << 20];
        staged
            .write(Bytes::copy_from_slice(&new[..1 << 20]))
            .await
            .unwrap();
        staged
            .write(Bytes::copy_from_slice(&new[1 << 20..]))
            .await
            .unwrap();
        assert_eq!(files(dir), (1, 1));
        assert_eq!(after_a_crash(dir).await, old);
        let written = staged.finish().await.unwrap();
        assert_eq!(files(dir), (2, 0));
        assert_eq!(after_a_crash(dir).await, old);
        world.disk.put(request("a"), written, 1).await.unwrap();
        assert_eq!(after_a_crash(dir).await, (Ok(new), (1, 0)));
    });
}

#[test]
fn a_file_that_was_to_be_removed_is_removed_after_a_crash() {
    with_bucket(async |world| {
        world.put("a", "old").await;
        let reader = world.disk.open_object(BUCKET, "a", None).await.unwrap();
        world.put("a", "new").await;
        assert_eq!(world.files(), (2, 0));
        let found = after_a_crash(world.dir.path()).await;
        assert_eq!(found, (Ok(b"new".to_vec()), (1, 0)));
        drop(reader);
    });
}

#[test]
fn a_crash_in_an_upload_keeps_its_parts() {
    with_bucket(async |world| {
        let upload = UploadRequest {
            bucket: BUCKET.into(),
            key: "a".into(),
            ..UploadRequest::default()
        };
        let upload = world.disk.create_upload(upload, 1).await.unwrap();
        let part = written(&world.disk, "part").await;
        world
            .disk
            .put_part(BUCKET, "a", &upload.id, 1, part, 1)
            .await
            .unwrap();
        let copy = copied(world.dir.path());
        let disk = Disk::open(copy.path(), 1).unwrap();
        let parts = disk
            .list_parts(BUCKET, "a", &upload.id, 0, 9)
            .await
            .unwrap();
        assert_eq!(parts.parts.len(), 1);
        assert_eq!(files(copy.path()), (1, 0));
    });
}

#[test]
fn files_that_are_not_ours_are_left_alone() {
    with_bucket(async |world| {
        let note = world.dir.path().join("blobs/00/note.txt");
        fs::write(&note, "mine").unwrap();
        let world = world.reopened();
        assert_eq!(
            fs::read_to_string(world.dir.path().join("blobs/00/note.txt")).unwrap(),
            "mine"
        );
    });
}

const DIR: &str = "BUCKETS_TEST_DIR";
const VICTIM: &str = "crashes::objects_are_put_until_the_process_is_killed";
const KEYS: usize = 4;

/// Puts objects until the process is killed, and tells which ones are acknowledged: what the test
/// below runs. Without its directory there is nothing to do.
#[test]
fn objects_are_put_until_the_process_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    block_on(async {
        let disk = Disk::open(Path::new(&dir), 0).unwrap();
        let mut tasks = JoinSet::new();
        for key in 0..KEYS {
            let disk = disk.clone();
            tasks.spawn(async move {
                for round in 1.. {
                    let written = written(&disk, content(key, round)).await;
                    disk.put(request(&key.to_string()), written, 1)
                        .await
                        .unwrap();
                    println!("\nput {key} {round}");
                }
            });
        }
        tasks.join_all().await;
    });
}

/// Bytes that say which they are.
fn content(key: usize, round: usize) -> Vec<u8> {
    let line = format!("{key} {round}\n");
    let length = [10, 5_000, 300_000, 1_500_000][(key + round) % 4];
    line.bytes().cycle().take(length.max(line.len())).collect()
}

#[test]
fn a_process_that_is_killed_leaves_every_acknowledged_object_or_a_newer_one_whole() {
    for acknowledged_max in [1, 7, 30, 61] {
        with_bucket(async |world| {
            let world = world;
            let crate::world::World { dir, disk, .. } = world;
            drop(disk);
            let acknowledged = run_victim(dir.path(), acknowledged_max);
            let disk = Disk::open(dir.path(), 0).unwrap();
            let mut there = 0;
            for (key, acknowledged) in acknowledged.into_iter().enumerate() {
                let bytes = match get(&disk, BUCKET, &key.to_string(), None).await {
                    Ok((_, bytes)) => bytes,
                    Err(error) => {
                        assert_eq!((error, acknowledged), (DiskError::NoSuchKey, 0));
                        continue;
                    }
                };
                there += 1;
                let text = String::from_utf8(bytes).unwrap();
                let mut words = text.lines().next().unwrap().split(' ');
                assert_eq!(words.next().unwrap(), key.to_string());
                let round: usize = words.next().unwrap().parse().unwrap();
                assert!(round >= acknowledged, "{key}: {round} after {acknowledged}");
                assert!(text.into_bytes() == content(key, round));
            }
            assert_eq!(files(dir.path()), (there, 0));
        });
    }
}

/// Runs the victim until it has acknowledged so many. Returns the last round of each key.
fn run_victim(dir: &Path, acknowledged_max: usize) -> [usize; KEYS] {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", VICTIM, "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut last = [0; KEYS];
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let puts = lines.map(Result::unwrap).filter_map(|line| {
        let (key, round) = line.strip_prefix("put ")?.split_once(' ')?;
        Some((key.parse::<usize>().unwrap(), round.parse().unwrap()))
    });
    for (key, round) in puts.take(acknowledged_max) {
        last[key] = round;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    last
}
