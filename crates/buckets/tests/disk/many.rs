//! Many at once.

use buckets::disk::DiskError;
use tokio::task::JoinSet;

use crate::world::{BUCKET, get, request, with_bucket, written};

#[test]
fn of_many_puts_to_one_key_one_is_there_whole() {
    with_bucket(async |world| {
        let mut tasks = JoinSet::new();
        for number in 0..32u8 {
            let disk = world.disk.clone();
            tasks.spawn(async move {
                let written = written(&disk, vec![number; 100_000 + usize::from(number)]).await;
                disk.put(request("a"), written, 1).await.unwrap();
            });
            let disk = world.disk.clone();
            tasks.spawn(async move {
                match get(&disk, BUCKET, "a", None).await {
                    Ok((_, bytes)) => assert_is_whole(&bytes),
                    Err(error) => assert_eq!(error, DiskError::NoSuchKey),
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        assert_is_whole(&world.get("a").await.unwrap());
        let world = world.reopened();
        assert_is_whole(&world.get("a").await.unwrap());
        assert_eq!(world.files(), (1, 0));
    });
}

fn assert_is_whole(bytes: &[u8]) {
    assert_eq!(bytes.len(), 100_000 + usize::from(bytes[0]));
    assert!(bytes.iter().all(|byte| *byte == bytes[0]));
}

#[test]
fn of_many_puts_that_want_the_key_absent_one_succeeds() {
    with_bucket(async |world| {
        let mut tasks = JoinSet::new();
        for number in 0..16u8 {
            let disk = world.disk.clone();
            tasks.spawn(async move {
                let written = written(&disk, vec![number]).await;
                let mut request = request("a");
                request.condition = buckets::disk::Condition::IsAbsent;
                disk.put(request, written, 1).await
            });
        }
        let results = tasks.join_all().await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        world.delete("none", None).await;
        assert_eq!(world.files(), (1, 0));
    });
}

#[test]
fn a_reader_has_the_object_that_it_opened_whatever_becomes_of_it() {
    with_bucket(async |world| {
        let bytes: Vec<u8> = (0..2_000_000u32)
            .map(|number| (number % 247) as u8)
            .collect();
        world.put("a", bytes.clone()).await;
        let (info, body) = world.disk.open_object(BUCKET, "a", None).await.unwrap();
        let (_, unread) = world.disk.open_object(BUCKET, "a", None).await.unwrap();
        let mut chunks = body.read(0..info.size_bytes);
        let mut read = chunks.next().await.unwrap().unwrap().to_vec();
        world.put("a", "new").await;
        world.delete("a", None).await;
        world.disk.delete_bucket(BUCKET).await.unwrap();
        assert_eq!(world.files(), (1, 0));
        while let Some(chunk) = chunks.next().await {
            read.extend_from_slice(&chunk.unwrap());
        }
        assert!(read == bytes);
        drop(chunks);
        assert_eq!(world.files(), (1, 0));
        drop(unread);
        // A thread removes the file now that its last reader is gone.
        while world.files() != (0, 0) {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn readers_of_a_key_that_is_replaced_all_the_time_never_miss_it() {
    with_bucket(async |world| {
        world.put("a", "first").await;
        let mut tasks = JoinSet::new();
        for number in 0..4 {
            let disk = world.disk.clone();
            tasks.spawn(async move {
                for round in 0..25 {
                    let written = written(&disk, format!("{number} {round}")).await;
                    disk.put(request("a"), written, 1).await.unwrap();
                }
            });
            let disk = world.disk.clone();
            tasks.spawn(async move {
                for _ in 0..100 {
                    get(&disk, BUCKET, "a", None).await.unwrap();
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
    });
}
