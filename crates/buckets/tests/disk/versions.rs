//! Versioning as S3 has it.

use buckets::disk::{Deleted, DiskError, Versioning, VersionsRequest};

use crate::world::{BUCKET, World, with_bucket};

/// Of each version: its key, its id, whether it is the newest, whether it is a marker.
async fn all(world: &World) -> Vec<(String, String, bool, bool)> {
    let versions = world.versions().await.versions.into_iter();
    versions
        .map(|it| (it.key, it.version_id, it.is_latest, it.object.is_none()))
        .collect()
}

fn row(key: &str, id: &str, is_latest: bool, is_marker: bool) -> (String, String, bool, bool) {
    (key.into(), id.into(), is_latest, is_marker)
}

#[test]
fn without_versioning_there_is_one_null_version_that_nobody_is_told_of() {
    with_bucket(async |world| {
        assert_eq!(world.put("a", "1").await.version_id, None);
        assert_eq!(world.put("a", "2").await.version_id, None);
        assert_eq!(all(&world).await, [row("a", "null", true, false)]);
        assert_eq!(world.get_version("a", "null").await.unwrap(), b"2");
        assert_eq!(world.delete("a", None).await, Deleted::default());
        assert_eq!(all(&world).await, []);
    });
}

#[test]
fn where_it_is_enabled_every_version_stays_and_a_marker_hides_them() {
    with_bucket(async |world| {
        world.put("a", "0").await;
        world.set_versioning(Versioning::Enabled).await;
        let one = world.put("a", "1").await.version_id.unwrap();
        let two = world.put("a", "2").await.version_id.unwrap();
        let deleted = world.delete("a", None).await;
        assert!(deleted.is_delete_marker);
        let marker = deleted.version_id.unwrap();
        let expected = [
            row("a", &marker, true, true),
            row("a", &two, false, false),
            row("a", &one, false, false),
            row("a", "null", false, false),
        ];
        assert_eq!(all(&world).await, expected);
        let hidden = world.get("a").await.unwrap_err();
        assert!(
            matches!(hidden, DiskError::IsDeleteMarker { version_id, .. }
            if version_id == marker)
        );
        let named = world.get_version("a", &marker).await;
        assert!(matches!(named, Err(DiskError::IsDeleteMarker { .. })));
        assert!(world.keys().await.is_empty());
        for (version, bytes) in [("null", b"0"), (&one, b"1"), (&two, b"2")] {
            assert_eq!(world.get_version("a", version).await.unwrap(), bytes);
        }
        assert_eq!(
            world.get_version("a", "x").await,
            Err(DiskError::NoSuchVersion)
        );
        assert_eq!(
            world.get_version("b", &one).await,
            Err(DiskError::NoSuchVersion)
        );
    });
}

#[test]
fn a_marker_that_is_deleted_shows_what_it_hid() {
    with_bucket(async |world| {
        world.set_versioning(Versioning::Enabled).await;
        world.put("a", "1").await;
        let first = world.delete("a", None).await.version_id;
        let second = world.delete("a", None).await.version_id;
        let gone = world.delete("a", second.as_deref()).await;
        assert_eq!((gone.version_id, gone.is_delete_marker), (second, true));
        assert!(world.get("a").await.is_err());
        world.delete("a", first.as_deref()).await;
        assert_eq!(world.get("a").await.unwrap(), b"1");
        assert_eq!(world.keys().await, ["a"]);
    });
}

#[test]
fn a_version_that_is_deleted_is_gone_and_the_one_before_it_is_the_newest() {
    with_bucket(async |world| {
        world.set_versioning(Versioning::Enabled).await;
        let one = world.put("a", "1").await.version_id;
        let two = world.put("a", "2").await.version_id;
        let three = world.put("a", "3").await.version_id;
        world.delete("a", two.as_deref()).await;
        assert_eq!(world.get("a").await.unwrap(), b"3");
        let gone = world.delete("a", three.as_deref()).await;
        assert_eq!(
            (gone.version_id, gone.is_delete_marker),
            (three.clone(), false)
        );
        assert_eq!(world.get("a").await.unwrap(), b"1");
        // What is not there counts as deleted.
        let again = world.delete("a", three.as_deref()).await;
        assert_eq!((again.version_id, again.is_delete_marker), (three, false));
        assert_eq!(world.head_version().await, one);
    });
}

#[test]
fn where_it_is_suspended_the_null_version_is_replaced_and_the_others_stay() {
    with_bucket(async |world| {
        world.set_versioning(Versioning::Enabled).await;
        let one = world.put("a", "1").await.version_id.unwrap();
        world.set_versioning(Versioning::Suspended).await;
        assert_eq!(
            world.put("a", "2").await.version_id.as_deref(),
            Some("null")
        );
        assert_eq!(
            world.put("a", "3").await.version_id.as_deref(),
            Some("null")
        );
        let expected = [row("a", "null", true, false), row("a", &one, false, false)];
        assert_eq!(all(&world).await, expected);
        let deleted = world.delete("a", None).await;
        assert_eq!(
            (deleted.version_id.as_deref(), deleted.is_delete_marker),
            (Some("null"), true)
        );
        let expected = [row("a", "null", true, true), row("a", &one, false, false)];
        assert_eq!(all(&world).await, expected);
        world.delete("a", None).await;
        assert_eq!(all(&world).await, expected);
        world.delete("a", Some("null")).await;
        assert_eq!(world.get("a").await.unwrap(), b"1");
        // A null version below named ones is found, too.
        world.put("a", "4").await;
        world.set_versioning(Versioning::Enabled).await;
        let five = world.put("a", "5").await.version_id.unwrap();
        world.set_versioning(Versioning::Suspended).await;
        world.put("a", "6").await;
        let expected = [
            row("a", "null", true, false),
            row("a", &five, false, false),
            row("a", &one, false, false),
        ];
        assert_eq!(all(&world).await, expected);
    });
}

#[test]
fn pages_of_versions_hold_each_once_even_if_the_one_before_is_gone() {
    with_bucket(async |world| {
        world.set_versioning(Versioning::Enabled).await;
        for key in ["a", "b", "b/1", "b/2", "c"] {
            for _ in 0..3 {
                world.put(key, "").await;
            }
        }
        let whole = world.versions().await.versions;
        assert_eq!(whole.len(), 15);
        for max_entries in [1, 2, 3, 4, 15] {
            let mut request = VersionsRequest {
                max_entries,
                ..VersionsRequest::default()
            };
            let mut seen = Vec::new();
            loop {
                let page = world
                    .disk
                    .list_versions(BUCKET, request.clone())
                    .await
                    .unwrap();
                assert!(page.versions.len() <= max_entries);
                seen.extend(page.versions);
                let Some((key, version)) = page.next else {
                    break;
                };
                (request.after_key, request.after_version) = (Some(key), version);
            }
            assert_eq!(seen, whole, "{max_entries}");
        }
        let second = whole[4].clone();
        world.delete("b", Some(&second.version_id)).await;
        let request = VersionsRequest {
            after_key: Some("b".into()),
            after_version: Some(second.version_id),
            delimiter: Some("/".into()),
            max_entries: 2,
            ..VersionsRequest::default()
        };
        let page = world.disk.list_versions(BUCKET, request).await.unwrap();
        assert_eq!(page.versions, whole[5..6]);
        assert_eq!(page.common_prefixes, ["b/"]);
        assert_eq!(page.next, Some(("b/".into(), None)));
        let request = VersionsRequest {
            after_key: Some("b/".into()),
            delimiter: Some("/".into()),
            max_entries: 2,
            ..VersionsRequest::default()
        };
        let page = world.disk.list_versions(BUCKET, request).await.unwrap();
        assert_eq!(page.versions, whole[12..14]);
        let after_a_key_alone = VersionsRequest {
            after_key: Some("b/2".into()),
            max_entries: 9,
            ..VersionsRequest::default()
        };
        let page = world
            .disk
            .list_versions(BUCKET, after_a_key_alone)
            .await
            .unwrap();
        assert_eq!((page.versions, page.next), (whole[12..].to_vec(), None));
    });
}

impl World {
    async fn head_version(&self) -> Option<String> {
        self.disk.head(BUCKET, "a", None).await.unwrap().version_id
    }
}
