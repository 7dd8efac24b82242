//! What is particular to a store in a file: who may open it, what survives, and crashes.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod subject;

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use store::{
    Event, Outcome, Range, Revision, Store, StoreError, Txn,
    sqlite::{OpenError, Sqlite},
};
use subject::{block_on, committed, head, told_until};
use tempfile::TempDir;

#[test]
fn what_was_committed_is_there_when_the_file_is_opened_again() {
    block_on(async {
        let (_directory, path) = file();
        let store = Sqlite::open(&path).unwrap();
        let first = committed(&store, Txn::new().put("a", "1").put("b", "1")).await;
        let second = committed(&store, Txn::new().delete("b")).await;
        let lease = store.grant(600).await.unwrap();
        let third = committed(&store, Txn::new().put_leased("c", "1", lease)).await;
        drop(store);

        let store = Sqlite::open(&path).unwrap();
        assert_eq!(head(&store).await, third);
        let documents = store.list(Range::default()).await.unwrap().documents;
        let found = documents.iter().map(|found| (&*found.key, found.created));
        assert_eq!(found.collect::<Vec<_>>(), [("a", first), ("c", third)]);
        let mut watch = store.watch("", first).await.unwrap();
        assert_eq!(told_until(&mut watch, third).await[0].revision, second);
        assert!(store.renew(lease).await.unwrap());
        // No lease is given out twice, even if the last one has gone.
        store.revoke(lease).await.unwrap();
        drop(store);
        let store = Sqlite::open(&path).unwrap();
        assert_ne!(store.grant(600).await.unwrap(), lease);
        assert_eq!(store.get("c").await.unwrap(), None);
    });
}

#[test]
fn a_file_that_is_in_use_is_refused_until_it_is_closed() {
    let (_directory, path) = file();
    let store = Sqlite::open(&path).unwrap();
    let watch = block_on(store.watch("", Revision(0))).unwrap();
    assert!(matches!(Sqlite::open(&path), Err(OpenError::InUse(named)) if named == path));
    drop(store);
    // A watch that is still held has no part of the file.
    Sqlite::open(&path).unwrap();
    drop(watch);
}

#[test]
fn a_file_is_readable_for_its_owner_alone() {
    let (directory, path) = file();
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = Sqlite::open(&path).unwrap();
    block_on(committed(&store, Txn::new().put("a", "1")));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["store", "store-shm", "store-wal", "store.lock"]);
}

#[test]
fn a_file_of_a_newer_program_or_of_another_one_is_refused_and_left_alone() {
    let (directory, path) = file();
    drop(Sqlite::open(&path).unwrap());
    let change = |path: &Path, sql: &str| {
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.execute_batch(sql).unwrap();
    };
    change(&path, "PRAGMA user_version = 2");
    let error = Sqlite::open(&path).err().unwrap();
    assert!(matches!(
        error,
        OpenError::Newer {
            found: 2,
            known: 1,
            ..
        }
    ));
    assert!(error.to_string().contains("version 2"), "{error}");

    let foreign = directory.path().join("foreign");
    change(&foreign, "CREATE TABLE theirs (column)");
    let text = directory.path().join("text");
    std::fs::write(
        &text,
        "not a database, but long enough to be looked at\n".repeat(99),
    )
    .unwrap();
    for path in [foreign, text] {
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(Sqlite::open(&path), Err(OpenError::Foreign(_))));
        assert!(std::fs::read(&path).unwrap() == before);
    }
    let nowhere = directory.path().join("no/such/directory");
    assert!(matches!(Sqlite::open(&nowhere), Err(OpenError::Io { .. })));
}

#[test]
fn a_store_that_is_dropped_ends_its_watches() {
    block_on(async {
        let store = Sqlite::in_memory().unwrap();
        let mut idle = store.watch("", Revision(0)).await.unwrap();
        let (waiting, ()) = tokio::join!(idle.next(), async { drop(store) });
        for _ in 0..2 {
            let error = idle.next().await.unwrap_err();
            assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        }
        assert!(matches!(waiting, Err(StoreError::Unavailable(_))));
    });
}

const CRASHES: u32 = 15;
const PATH_VARIABLE: &str = "STORE_CRASH_TEST_PATH";

#[test]
fn what_was_acknowledged_survives_a_kill_and_nothing_is_half_there() {
    let (_directory, path) = file();
    let mut acknowledged = BTreeMap::new();
    for crash in 0..CRASHES {
        // A different moment each time; within it, wherever the writer just is.
        let patience = 1 + (crash * 37) % 90;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "commits_until_it_is_killed", "--nocapture"])
            .env(PATH_VARIABLE, &path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut count = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            // A last line that is cut off says nothing.
            let line = line.unwrap();
            let Some(words) = line.strip_prefix("acknowledged ") else {
                continue;
            };
            let Some((number, revision)) = words.strip_suffix('.').and_then(|w| w.split_once(' '))
            else {
                continue;
            };
            let revision = Revision(revision.parse().unwrap());
            acknowledged.insert(number.parse::<u64>().unwrap(), revision);
            count += 1;
            if count == patience {
                child.kill().unwrap(); // SIGKILL.
            }
        }
        child.wait().unwrap();
        assert!(
            count >= patience,
            "the child ended by itself after {count} commits"
        );
        block_on(is_whole(&path, &acknowledged));
    }
    println!(
        "{} commits were acknowledged before {CRASHES} kills",
        acknowledged.len()
    );
}

/// Every acknowledged commit is there at its revision, every commit is there with both its
/// documents or not at all, and the changes add up to the documents.
async fn is_whole(path: &Path, acknowledged: &BTreeMap<u64, Revision>) {
    let store = Sqlite::open(path).unwrap();
    let last = head(&store).await;
    let mut watch = store.watch("", Revision(0)).await.unwrap();
    let mut found = BTreeMap::new();
    for (index, batch) in told_until(&mut watch, last).await.into_iter().enumerate() {
        assert_eq!(
            batch.revision,
            Revision(index as u64 + 1),
            "no revision is missing"
        );
        let [Event::Put(a), Event::Put(b)] = &batch.events[..] else {
            panic!("half a commit: {} changes", batch.events.len());
        };
        let number = a.key.strip_prefix("a/").unwrap();
        assert_eq!(b.key, format!("b/{number}"));
        assert_eq!(a.value, b.value);
        found.insert(number.parse::<u64>().unwrap(), batch.revision);
        let documents = store.get_many(&[&a.key, &b.key]).await.unwrap();
        assert_eq!(documents, [Some(a.clone()), Some(b.clone())]);
    }
    for (number, revision) in acknowledged {
        assert_eq!(
            found.get(number),
            Some(revision),
            "commit {number} was acknowledged"
        );
    }
}

/// The child of the test of crashes; by itself it has nothing to do.
#[test]
fn commits_until_it_is_killed() {
    let Some(path) = std::env::var_os(PATH_VARIABLE).map(PathBuf::from) else {
        return;
    };
    block_on(async {
        let store = Sqlite::open(&path).unwrap();
        let first = head(&store).await.0 * 1_000;
        let writer = async |lane: u64| {
            for number in (first + lane..).step_by(4) {
                let value = number.to_string().repeat(1 + (number as usize % 7) * 400);
                let txn = Txn::new()
                    .if_absent(format!("a/{number}"))
                    .put(format!("a/{number}"), value.clone())
                    .put(format!("b/{number}"), value);
                match store.commit(txn).await.unwrap() {
                    Outcome::Committed(revision) => {
                        let line = format!("\nacknowledged {number} {revision}.\n");
                        let mut stdout = std::io::stdout().lock();
                        stdout.write_all(line.as_bytes()).unwrap();
                        stdout.flush().unwrap();
                    }
                    Outcome::Conflict => panic!("{number} is there already"),
                }
            }
        };
        tokio::join!(writer(0), writer(1), writer(2), writer(3));
    });
}

fn file() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store");
    (directory, path)
}
