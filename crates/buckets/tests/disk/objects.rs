//! Objects: put, read, copied, deleted, tagged.

use std::fs;

use buckets::{
    disk::{
        Algorithm, Attributes, ChecksumKind, Condition, CopyRequest, DeleteTarget, Deleted,
        DiskError, PutRequest, Versioning,
    },
    limits,
};
use bytes::Bytes;

use crate::world::{BUCKET, get, request, with_bucket, written};

#[test]
fn what_was_put_is_read_with_all_that_was_said_of_it() {
    with_bucket(async |world| {
        let attributes = Attributes {
            content_type: Some("text/html".into()),
            cache_control: Some("max-age=5".into()),
            content_encoding: Some("br".into()),
            content_disposition: Some("inline".into()),
            content_language: Some("sv".into()),
            expires: Some("whenever".into()),
            website_redirect: Some("/x".into()),
            metadata: [("å".into(), "\"\n".into())].into(),
        };
        let tags = vec![("b".into(), "1".into()), ("a".into(), String::new())];
        let request = PutRequest {
            attributes: attributes.clone(),
            tags: tags.clone(),
            ..request("a")
        };
        let put = world
            .disk
            .put(request, written(&world.disk, "123456789").await, 77)
            .await;
        let put = put.unwrap();
        let world = world.reopened();
        let (info, bytes) = get(&world.disk, BUCKET, "a", None).await.unwrap();
        assert_eq!(bytes, b"123456789");
        assert_eq!((info.attributes, info.tags), (attributes, tags));
        assert_eq!(info.etag, "25f9e794323b453885f5181f1b624d0b");
        assert_eq!(
            (info.modified_ms, info.size_bytes, info.version_id),
            (77, 9, None)
        );
        assert_eq!(info.parts_count, None);
        assert_eq!((put.etag, put.checksum), (info.etag, info.checksum));
    });
}

#[test]
fn every_checksum_is_that_of_its_standard() {
    with_bucket(async |world| {
        // The check values of the CRC catalogue, and of Python's hashlib.
        let all = [
            (Algorithm::Crc32, "y/Q5Jg=="),
            (Algorithm::Crc32c, "4waSgw=="),
            (Algorithm::Crc64Nvme, "rosUhgp5mIg="),
            (Algorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (
                Algorithm::Sha256,
                "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
            ),
        ];
        for (algorithm, value) in all {
            let mut staged = world.disk.stage(algorithm);
            staged.write(Bytes::from_static(b"1234")).await.unwrap();
            staged.write(Bytes::from_static(b"56789")).await.unwrap();
            let written = staged.finish().await.unwrap();
            let checksum = written.checksum().clone();
            assert_eq!(
                (checksum.algorithm, checksum.kind),
                (algorithm, ChecksumKind::FullObject)
            );
            assert_eq!(checksum.value, value, "{algorithm:?}");
            world.disk.put(request("a"), written, 1).await.unwrap();
            let info = world.disk.head(BUCKET, "a", None).await.unwrap();
            assert_eq!(info.checksum, checksum);
        }
    });
}

#[test]
fn any_range_is_read_of_an_object_that_came_in_chunks_of_any_size() {
    with_bucket(async |world| {
        let bytes: Vec<u8> = (0..3_000_000u32)
            .map(|number| (number % 251) as u8)
            .collect();
        let mut staged = world.disk.stage(Algorithm::Crc32);
        for chunk in bytes.chunks(700_001) {
            staged.write(Bytes::copy_from_slice(chunk)).await.unwrap();
            staged.write(Bytes::new()).await.unwrap();
        }
        let written = staged.finish().await.unwrap();
        assert_eq!(written.size_bytes(), 3_000_000);
        world.disk.put(request("a"), written, 1).await.unwrap();
        let ranges = [
            0..3_000_000,
            0..1,
            2_999_999..3_000_000,
            262_143..262_145,
            5..5,
            9..700_000,
        ];
        for range in ranges {
            let (_, body) = world.disk.open_object(BUCKET, "a", None).await.unwrap();
            let mut chunks = body.read(range.clone());
            let mut read = Vec::new();
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk.unwrap();
                assert!(!chunk.is_empty() && chunk.len() <= limits::READ_CHUNK_BYTES);
                read.extend_from_slice(&chunk);
            }
            assert_eq!(
                read,
                bytes[range.start as usize..range.end as usize],
                "{range:?}"
            );
        }
        let (_, body) = world.disk.open_object(BUCKET, "a", None).await.unwrap();
        assert!(body.read(3_000_000..9_000_000).next().await.is_none());
    });
}

#[test]
fn an_object_of_no_bytes_has_no_file() {
    with_bucket(async |world| {
        let put = world.put("folder/", "").await;
        assert_eq!(put.etag, "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(world.get("folder/").await.unwrap(), b"");
        assert_eq!(world.files(), (0, 0));
    });
}

#[test]
fn what_is_replaced_or_deleted_leaves_no_file() {
    with_bucket(async |world| {
        world.put("a", "1").await;
        world.put("a", "2").await;
        world.put("b", "3").await;
        assert_eq!(world.delete("b", None).await, Deleted::default());
        assert_eq!(world.delete("b", None).await, Deleted::default());
        assert_eq!(world.get("a").await.unwrap(), b"2");
        assert_eq!(world.get("b").await, Err(DiskError::NoSuchKey));
        // The writer's thread removes files after it has answered, and before its next change.
        world.delete("b", None).await;
        assert_eq!(world.files(), (1, 0));
    });
}

#[test]
fn what_is_given_up_leaves_no_file() {
    with_bucket(async |world| {
        let mut staged = world.disk.stage(Algorithm::Crc32);
        staged.write(vec![1; 2 << 20].into()).await.unwrap();
        staged.write(Bytes::from_static(b"x")).await.unwrap();
        let written = staged.finish().await.unwrap();
        assert_eq!(world.files(), (1, 0));
        drop(written);
        assert_eq!(world.files(), (0, 0));
        let nowhere = PutRequest {
            bucket: "nowhere".into(),
            ..request("a")
        };
        let refused = world
            .disk
            .put(nowhere, crate::world::written(&world.disk, "1").await, 1);
        assert_eq!(
            refused.await,
            Err(DiskError::NoSuchBucket("nowhere".into()))
        );
        assert_eq!(world.files(), (0, 0));
    });
}

#[test]
fn what_is_beyond_the_bounds_is_refused() {
    with_bucket(async |world| {
        let put = |request| async {
            let written = written(&world.disk, "1").await;
            world.disk.put(request, written, 1).await
        };
        let longest = "k".repeat(limits::KEY_BYTES_MAX);
        put(request(&longest)).await.unwrap();
        let refused = put(request(&format!("{longest}k"))).await;
        assert!(matches!(
            refused,
            Err(DiskError::Invalid { field: "key", .. })
        ));
        let mut heavy = request("a");
        heavy
            .attributes
            .metadata
            .insert("x".into(), "y".repeat(limits::METADATA_BYTES_MAX));
        let refused = put(heavy).await;
        assert!(matches!(
            refused,
            Err(DiskError::Invalid {
                field: "metadata",
                ..
            })
        ));
        let mut tagged = request("a");
        tagged.tags = (0..11)
            .map(|number| (number.to_string(), String::new()))
            .collect();
        let refused = put(tagged).await;
        assert!(matches!(
            refused,
            Err(DiskError::Invalid { field: "tags", .. })
        ));
        assert_eq!(world.keys().await, [longest]);
    });
}

#[test]
fn conditions_of_puts_are_judged_by_what_is_there() {
    with_bucket(async |world| {
        let refused = Err(DiskError::PreconditionFailed);
        let matches = |etag: &str| Condition::Matches(etag.into());
        let put = |condition| world.put_if("a", "1", condition);
        assert_eq!(put(matches("*")).await, Err(DiskError::NoSuchKey));
        let etag = put(Condition::IsAbsent).await.unwrap().etag;
        assert_eq!(put(Condition::IsAbsent).await, refused);
        assert_eq!(put(matches("x")).await, refused);
        put(matches(&etag)).await.unwrap();
        put(matches("*")).await.unwrap();
        world.set_versioning(Versioning::Enabled).await;
        world.delete("a", None).await;
        // A marker is an absence.
        assert_eq!(put(matches(&etag)).await, Err(DiskError::NoSuchKey));
        put(Condition::IsAbsent).await.unwrap();
        assert_eq!(put(Condition::IsAbsent).await, refused);
    });
}

#[test]
fn conditions_of_deletions_are_judged_by_what_is_there() {
    with_bucket(async |world| {
        let delete = |etag: &str| {
            let target = DeleteTarget {
                key: "a".into(),
                version_id: None,
                condition: Condition::Matches(etag.into()),
            };
            world.disk.delete(BUCKET, target, 1)
        };
        assert_eq!(delete("*").await, Err(DiskError::NoSuchKey));
        let etag = world.put("a", "1").await.etag;
        assert_eq!(delete("x").await, Err(DiskError::PreconditionFailed));
        assert_eq!(world.get("a").await.unwrap(), b"1");
        delete(&etag).await.unwrap();
        assert_eq!(world.get("a").await, Err(DiskError::NoSuchKey));
    });
}

#[test]
fn many_are_deleted_at_once_and_each_is_answered() {
    with_bucket(async |world| {
        world.put("a", "1").await;
        world.put("b", "2").await;
        let target = |key: &str, condition| DeleteTarget {
            key: key.into(),
            version_id: None,
            condition,
        };
        let targets = vec![
            target("b", Condition::Matches("x".into())),
            target("a", Condition::None),
            target("c", Condition::None),
        ];
        let answers = world.disk.delete_many(BUCKET, targets, 1).await.unwrap();
        let done = || Ok(Deleted::default());
        assert_eq!(
            answers,
            [Err(DiskError::PreconditionFailed), done(), done()]
        );
        assert_eq!(world.keys().await, ["b"]);
        let too_many = vec![DeleteTarget::default(); limits::DELETE_KEYS_MAX + 1];
        assert!(world.disk.delete_many(BUCKET, too_many, 1).await.is_err());
    });
}

fn copy(from: &str, to: &str) -> CopyRequest {
    CopyRequest {
        source_bucket: BUCKET.into(),
        source_key: from.into(),
        bucket: BUCKET.into(),
        key: to.into(),
        ..CopyRequest::default()
    }
}

#[test]
fn a_copy_shares_the_bytes_and_outlives_the_original() {
    with_bucket(async |world| {
        let put = world.put("a", "bytes").await;
        world
            .disk
            .create_bucket("other", "r", "o", 1)
            .await
            .unwrap();
        let there = CopyRequest {
            bucket: "other".into(),
            ..copy("a", "b")
        };
        let copied = world.disk.copy(there, 5).await.unwrap();
        assert_eq!((copied.etag, copied.modified_ms), (put.etag, 5));
        assert_eq!(world.files(), (1, 0));
        world.delete("a", None).await;
        let world = world.reopened();
        assert_eq!(
            get(&world.disk, "other", "b", None).await.unwrap().1,
            b"bytes"
        );
        let none = world.disk.copy(copy("a", "c"), 6).await;
        assert_eq!(none, Err(DiskError::NoSuchKey));
    });
}

#[test]
fn a_copy_onto_itself_changes_what_is_kept_with_it_alone() {
    with_bucket(async |world| {
        world.put("a", "bytes").await;
        let mut request = copy("a", "a");
        request.attributes = Some(Attributes {
            content_type: Some("text/css".into()),
            ..Attributes::default()
        });
        request.tags = Some(vec![("t".into(), "1".into())]);
        world.disk.copy(request, 5).await.unwrap();
        let (info, bytes) = get(&world.disk, BUCKET, "a", None).await.unwrap();
        assert_eq!(bytes, b"bytes");
        assert_eq!(info.attributes.content_type.as_deref(), Some("text/css"));
        // What is not said is the source's.
        world.disk.copy(copy("a", "b"), 6).await.unwrap();
        let copied = world.disk.head(BUCKET, "b", None).await.unwrap();
        assert_eq!(
            (copied.attributes, copied.tags),
            (info.attributes, info.tags)
        );
        world.delete("a", None).await;
        world.delete("b", None).await;
        world.delete("b", None).await;
        assert_eq!(world.files(), (0, 0));
    });
}

#[test]
fn a_copy_of_what_has_changed_since_it_was_judged_is_refused() {
    with_bucket(async |world| {
        world.put("a", "1").await;
        let judged = world.disk.head(BUCKET, "a", None).await.unwrap().sequence;
        let mut request = copy("a", "b");
        request.source_sequence = Some(judged);
        world.disk.copy(request.clone(), 1).await.unwrap();
        world.put("a", "1").await;
        assert_eq!(
            world.disk.copy(request, 1).await,
            Err(DiskError::PreconditionFailed)
        );
    });
}

#[test]
fn tags_are_replaced_and_removed_without_a_new_version() {
    with_bucket(async |world| {
        world.set_versioning(Versioning::Enabled).await;
        let old = world.put("a", "1").await.version_id;
        let new = world.put("a", "2").await.version_id;
        let tags = vec![("k".to_owned(), "v".to_owned())];
        let set = |version: Option<String>, tags: &_| {
            let tags = Vec::clone(tags);
            let disk = world.disk.clone();
            async move { disk.set_tags(BUCKET, "a", version.as_deref(), tags).await }
        };
        assert_eq!(set(old.clone(), &tags).await, Ok(old.clone()));
        let head = |version: Option<String>| {
            let disk = world.disk.clone();
            async move { disk.head(BUCKET, "a", version.as_deref()).await.unwrap() }
        };
        assert_eq!(head(old.clone()).await.tags, tags);
        assert_eq!(head(None).await.tags, []);
        assert_eq!(set(None, &tags).await, Ok(new));
        assert_eq!(set(old.clone(), &Vec::new()).await, Ok(old.clone()));
        assert_eq!(head(old).await.tags, []);
        assert_eq!(head(None).await.tags, tags);
        assert_eq!(
            set(Some("x".into()), &tags).await,
            Err(DiskError::NoSuchVersion)
        );
    });
}

#[test]
fn a_missing_or_short_file_is_the_error_of_its_object_alone() {
    with_bucket(async |world| {
        world.put("a", "12345").await;
        let blob = fs::read_dir(world.dir.path().join("blobs"))
            .unwrap()
            .flat_map(|dir| fs::read_dir(dir.unwrap().path()).unwrap())
            .next();
        let path = blob.unwrap().unwrap().path();
        world.put("b", "1").await;
        fs::write(&path, "1234").unwrap();
        assert!(matches!(world.get("a").await, Err(DiskError::Damaged(_))));
        fs::remove_file(&path).unwrap();
        assert!(matches!(world.get("a").await, Err(DiskError::Damaged(_))));
        let world = world.reopened();
        assert!(matches!(world.get("a").await, Err(DiskError::Damaged(_))));
        assert_eq!(world.get("b").await.unwrap(), b"1");
        assert_eq!(world.keys().await, ["a", "b"]);
        world.put("a", "new").await;
        assert_eq!(world.get("a").await.unwrap(), b"new");
    });
}

#[test]
fn a_row_that_cannot_be_read_is_the_error_of_its_object_alone() {
    with_bucket(async |world| {
        world.put("a", "1").await;
        world.put("b", "2").await;
        let sql = rusqlite::Connection::open(world.dir.path().join("index.db")).unwrap();
        sql.execute("UPDATE versions SET attributes = '?' WHERE key = x'61'", [])
            .unwrap();
        assert!(matches!(world.get("a").await, Err(DiskError::Damaged(_))));
        assert_eq!(world.get("b").await.unwrap(), b"2");
        assert_eq!(world.keys().await, ["a", "b"]);
        world.put("a", "3").await;
        assert_eq!(world.get("a").await.unwrap(), b"3");
    });
}

#[test]
fn a_disk_that_takes_no_files_is_an_error_and_what_was_there_stays() {
    with_bucket(async |world| {
        world.put("a", "1").await;
        let tmp = world.dir.path().join("tmp");
        fs::remove_dir(&tmp).unwrap();
        let mut staged = world.disk.stage(Algorithm::Crc32);
        staged.write(Bytes::from_static(b"2")).await.unwrap();
        assert!(matches!(
            staged.finish().await,
            Err(DiskError::Unavailable(_))
        ));
        let mut staged = world.disk.stage(Algorithm::Crc32);
        staged.write(vec![1; 1 << 20].into()).await.unwrap();
        assert!(staged.write(vec![1; 1 << 20].into()).await.is_err());
        assert!(staged.finish().await.is_err());
        assert_eq!(world.get("a").await.unwrap(), b"1");
        fs::create_dir(&tmp).unwrap();
        world.put("a", "2").await;
        assert_eq!(world.get("a").await.unwrap(), b"2");
    });
}

#[test]
fn a_change_that_fails_midway_is_undone_and_those_that_came_with_it_are_made() {
    with_bucket(async |world| {
        world.put("a", "1").await;
        world.put("b", "2").await;
        let sql = rusqlite::Connection::open(world.dir.path().join("index.db")).unwrap();
        // What replaces "a" finds out late that something is missing.
        let query = "DELETE FROM contents WHERE id IN
            (SELECT content FROM versions WHERE key = x'61')";
        assert_eq!(sql.execute(query, []).unwrap(), 1);
        let before = (world.versions().await, world.disk.usage().await);
        for _ in 0..8 {
            let put = |key| world.put_if(key, "3", Condition::None);
            let (a, b, c) = tokio::join!(put("a"), put("b"), put("c"));
            assert!(matches!(a, Err(DiskError::Damaged(_))));
            assert!(b.is_ok() && c.is_ok());
        }
        let after = world.versions().await;
        assert_eq!(after.versions[0], before.0.versions[0]);
        assert_eq!(after.versions.len(), 3);
        assert_eq!(world.get("a").await.unwrap(), b"1");
        let usage = world.disk.usage().await.unwrap();
        assert_eq!((usage[0].1.objects, usage[0].1.bytes), (3, 3));
        assert_eq!(before.1.unwrap()[0].1.objects, 2);
        world.delete("none", None).await;
        assert_eq!(world.files(), (3, 0));
    });
}

#[test]
fn a_directory_in_a_directory_that_is_not_there_is_made() {
    with_bucket(async |world| {
        let dir = world.dir.path().join("some/where");
        drop(buckets::disk::Disk::open(&dir, 0).unwrap());
        assert!(dir.join("index.db").exists());
    });
}
