//! Buckets: made, configured, deleted; the directory: opened by one alone.

use std::{fs, os::unix::fs::PermissionsExt};

use buckets::{
    disk::{Configuration, Disk, DiskError, OpenError, UploadRequest, Usage, Versioning},
    limits,
};

use crate::world::{BUCKET, KIND, World, with_bucket};

#[test]
fn a_bucket_is_there_once_with_what_its_maker_said() {
    with_bucket(async |world| {
        let bucket = world.disk.bucket(BUCKET).unwrap();
        assert_eq!(
            (&*bucket.region, &*bucket.owner, bucket.created_ms),
            ("eu-north-1", "me", 1)
        );
        assert_eq!(bucket.versioning, Versioning::Unversioned);
        let again = world.disk.create_bucket(BUCKET, "x", "y", 2).await;
        assert_eq!(again, Err(DiskError::BucketExists(BUCKET.into())));
        let invalid = world.disk.create_bucket("../x", "x", "y", 2).await;
        assert!(matches!(
            invalid,
            Err(DiskError::Invalid {
                field: "bucket",
                ..
            })
        ));
        world
            .disk
            .create_bucket("another", "x", "y", 2)
            .await
            .unwrap();
        let names: Vec<_> = world
            .disk
            .buckets()
            .iter()
            .map(|it| it.name.clone())
            .collect();
        assert_eq!(names, ["another", BUCKET]);
    });
}

#[test]
fn a_configuration_is_seen_at_once_survives_and_is_bounded() {
    with_bucket(async |world| {
        let text = "x".repeat(limits::POLICY_BYTES_MAX);
        let configure = |kind, value| world.disk.configure(BUCKET, kind, value);
        configure(Configuration::Policy, Some(text.clone()))
            .await
            .unwrap();
        configure(KIND, Some("<w/>".into())).await.unwrap();
        configure(Configuration::Cors, Some("c".into()))
            .await
            .unwrap();
        configure(Configuration::Cors, None).await.unwrap();
        let too_long = configure(Configuration::Policy, Some(format!("{text}x"))).await;
        assert!(matches!(
            too_long,
            Err(DiskError::Invalid {
                field: "policy",
                ..
            })
        ));
        world.set_versioning(Versioning::Suspended).await;
        let before = world.disk.bucket(BUCKET).unwrap();
        assert_eq!(before.configurations.len(), 2);
        assert_eq!(before.configurations[&KIND], "<w/>");
        let world = world.reopened();
        assert_eq!(world.disk.bucket(BUCKET).unwrap(), before);
        let nowhere = world.disk.configure("nowhere", KIND, None).await;
        assert_eq!(nowhere, Err(DiskError::NoSuchBucket("nowhere".into())));
    });
}

#[test]
fn a_bucket_with_a_version_or_a_marker_is_not_deleted_one_with_uploads_is() {
    with_bucket(async |world| {
        let delete = || world.disk.delete_bucket(BUCKET);
        let not_empty = Err(DiskError::BucketNotEmpty(BUCKET.into()));
        world.set_versioning(Versioning::Enabled).await;
        let marker = world.delete("a", None).await.version_id.unwrap();
        assert_eq!(delete().await, not_empty);
        world.delete("a", Some(&marker)).await;
        let put = world.put("a", "1").await;
        assert_eq!(delete().await, not_empty);
        world.delete("a", put.version_id.as_deref()).await;
        world
            .disk
            .configure(BUCKET, KIND, Some("w".into()))
            .await
            .unwrap();
        let upload = UploadRequest {
            bucket: BUCKET.into(),
            key: "a".into(),
            ..UploadRequest::default()
        };
        world.disk.create_upload(upload, 1).await.unwrap();
        delete().await.unwrap();
        assert_eq!(world.disk.bucket(BUCKET), None);
        assert_eq!(delete().await, Err(DiskError::NoSuchBucket(BUCKET.into())));
        // Nothing of it is in one of the same name.
        world.disk.create_bucket(BUCKET, "r", "o", 2).await.unwrap();
        let bucket = world.disk.bucket(BUCKET).unwrap();
        assert_eq!(bucket.versioning, Versioning::Unversioned);
        assert!(bucket.configurations.is_empty());
    });
}

#[test]
fn versioning_is_not_undone() {
    with_bucket(async |world| {
        world.set_versioning(Versioning::Unversioned).await;
        world.set_versioning(Versioning::Enabled).await;
        let undone = world
            .disk
            .set_versioning(BUCKET, Versioning::Unversioned)
            .await;
        assert!(matches!(undone, Err(DiskError::Invalid { .. })));
        world.set_versioning(Versioning::Suspended).await;
        world.set_versioning(Versioning::Enabled).await;
        let bucket = world.disk.bucket(BUCKET).unwrap();
        assert_eq!(bucket.versioning, Versioning::Enabled);
    });
}

#[test]
fn usage_counts_versions_and_their_bytes() {
    with_bucket(async |world| {
        world.put("a", "123").await;
        world.put("a", "12").await;
        world.put("b", "").await;
        let usage = |objects, bytes| vec![(BUCKET.to_owned(), Usage { objects, bytes })];
        assert_eq!(world.disk.usage().await.unwrap(), usage(2, 2));
        world.set_versioning(Versioning::Enabled).await;
        world.put("a", "1234").await;
        world.delete("a", None).await;
        assert_eq!(world.disk.usage().await.unwrap(), usage(3, 6));
        world.delete("a", Some("null")).await;
        assert_eq!(world.disk.usage().await.unwrap(), usage(2, 4));
    });
}

#[test]
fn two_disks_never_share_a_directory() {
    with_bucket(async |world| {
        let error = Disk::open(world.dir.path(), 0).err().unwrap();
        assert!(matches!(error, OpenError::InUse(_)), "{error}");
        assert!(error.to_string().contains("in use by another process"));
        world.reopened();
    });
}

#[test]
fn a_directory_of_a_newer_program_or_another_database_is_refused() {
    with_bucket(async |world| {
        let World { dir, disk, .. } = world;
        drop(disk);
        let index = dir.path().join("index.db");
        let sql = rusqlite::Connection::open(&index).unwrap();
        sql.pragma_update(None, "user_version", 99).unwrap();
        let error = Disk::open(dir.path(), 0).err().unwrap();
        assert!(
            matches!(error, OpenError::Newer { found: 99, .. }),
            "{error}"
        );
        sql.pragma_update(None, "application_id", 5).unwrap();
        let error = Disk::open(dir.path(), 0).err().unwrap();
        assert!(matches!(error, OpenError::Foreign(_)), "{error}");
        drop(sql);
        fs::write(
            &index,
            "not a database, but long enough to be looked at\n".repeat(50),
        )
        .unwrap();
        let error = Disk::open(dir.path(), 0).err().unwrap();
        assert!(matches!(error, OpenError::Foreign(_)), "{error}");
    });
}

#[test]
fn a_directory_that_lost_its_index_is_refused_and_nothing_is_swept() {
    with_bucket(async |world| {
        world.put("a", "precious").await;
        let files = world.files();
        let World { dir, disk, .. } = world;
        drop(disk);
        let (index, away) = (dir.path().join("index.db"), dir.path().join("away"));
        fs::rename(&index, &away).unwrap();
        let error = Disk::open(dir.path(), 0).err().unwrap();
        assert!(matches!(error, OpenError::NoIndex(_)), "{error}");
        fs::rename(&away, &index).unwrap();
        let disk = Disk::open(dir.path(), 0).unwrap();
        assert_eq!(disk.usage().await.unwrap()[0].1.objects, 1);
        assert_eq!(files, (1, 0));
    });
}

#[test]
fn nobody_else_reads_the_directory() {
    with_bucket(async |world| {
        world.put("a", "secret").await;
        for path in ["index.db", "index.db-wal", "lock"] {
            let mode = fs::metadata(world.dir.path().join(path))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o077, 0, "{path}");
        }
        for path in ["blobs", "tmp"] {
            let mode = fs::metadata(world.dir.path().join(path))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o077, 0, "{path}");
        }
    });
}
