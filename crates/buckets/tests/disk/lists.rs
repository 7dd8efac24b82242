//! Lists of objects, compared with what a list without an index would give.

use std::collections::BTreeSet;

use buckets::disk::{Disk, DiskError, ListRequest, Listing};
use proptest::prelude::*;

use crate::world::{BUCKET, World, block_on, request, with_bucket, written};

async fn list(disk: &Disk, request: ListRequest) -> Listing {
    disk.list(BUCKET, request).await.unwrap()
}

fn keys(listing: &Listing) -> Vec<&str> {
    listing
        .objects
        .iter()
        .map(|entry| entry.key.as_str())
        .collect()
}

#[test]
fn a_list_with_a_delimiter_is_a_directory() {
    with_bucket(async |world| {
        for key in [
            "index.html",
            "css/a.css",
            "css/b/c.css",
            "img/",
            "img/x.png",
            "zoo",
        ] {
            world.put(key, key.to_owned()).await;
        }
        let request = |prefix: &str, delimiter: Option<&str>| ListRequest {
            prefix: prefix.into(),
            delimiter: delimiter.map(str::to_owned),
            max_entries: 1_000,
            ..ListRequest::default()
        };
        let root = list(&world.disk, request("", Some("/"))).await;
        assert_eq!(keys(&root), ["index.html", "zoo"]);
        assert_eq!(root.common_prefixes, ["css/", "img/"]);
        assert_eq!(root.next, None);
        assert_eq!(
            (root.objects[0].size_bytes, root.objects[0].modified_ms),
            (10, 1_001)
        );
        let css = list(&world.disk, request("css/", Some("/"))).await;
        assert_eq!(
            (keys(&css), css.common_prefixes.as_slice()),
            (vec!["css/a.css"], ["css/b/".to_owned()].as_slice(),)
        );
        let img = list(&world.disk, request("img/", Some("/"))).await;
        assert_eq!(keys(&img), ["img/", "img/x.png"]);
        let all = list(&world.disk, request("", Some(""))).await;
        assert_eq!(all.objects.len(), 6);
    });
}

#[test]
fn a_page_of_nothing_ends_the_list_and_an_unknown_bucket_has_none() {
    with_bucket(async |world| {
        world.put("a", "").await;
        assert_eq!(
            list(&world.disk, ListRequest::default()).await,
            Listing::default()
        );
        let nowhere = world.disk.list("nowhere", ListRequest::default()).await;
        assert_eq!(nowhere, Err(DiskError::NoSuchBucket("nowhere".into())));
    });
}

#[test]
fn no_page_is_longer_than_the_bound() {
    with_bucket(async |world| {
        put_all(
            &world,
            (0..1_001).map(|number| format!("{number:04}")).collect(),
        )
        .await;
        let request = ListRequest {
            max_entries: usize::MAX,
            ..ListRequest::default()
        };
        let page = list(&world.disk, request).await;
        assert_eq!(
            (page.objects.len(), page.next.as_deref()),
            (1_000, Some("0999"))
        );
    });
}

/// Objects without bytes, together.
async fn put_all(world: &World, keys: Vec<String>) {
    let mut tasks = tokio::task::JoinSet::new();
    for key in keys {
        let disk = world.disk.clone();
        tasks.spawn(async move {
            let written = written(&disk, "").await;
            disk.put(request(&key), written, 1).await.unwrap();
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
}

/// Keys and common prefixes in order.
fn naive(keys: &BTreeSet<String>, request: &ListRequest) -> Vec<(String, bool)> {
    let after = request.after.as_deref().unwrap_or_default();
    let mut entries = BTreeSet::new();
    for key in keys.iter().filter(|key| key.as_str() > after) {
        let Some(rest) = key.strip_prefix(&request.prefix) else {
            continue;
        };
        let delimiter = request.delimiter.as_deref().unwrap_or("\0");
        match rest.split_once(delimiter) {
            None => entries.insert((key.clone(), false)),
            Some((first, _)) => {
                let common_prefix = format!("{}{first}{delimiter}", request.prefix);
                common_prefix != after && entries.insert((common_prefix, true))
            }
        };
    }
    entries.into_iter().collect()
}

fn entries(listing: &Listing) -> Vec<(String, bool)> {
    let objects = listing
        .objects
        .iter()
        .map(|entry| (entry.key.clone(), false));
    let prefixes = listing
        .common_prefixes
        .iter()
        .map(|prefix| (prefix.clone(), true));
    let all: BTreeSet<_> = objects.chain(prefixes).collect();
    all.into_iter().collect()
}

/// Few characters, so that keys share prefixes; of every length in UTF-8, and such as come in
/// another order in UTF-16.
fn text(length: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    let characters = vec!['a', 'b', '/', '/', '.', 'é', '\u{e000}', '😀', '\u{10ffff}'];
    prop::collection::vec(prop::sample::select(characters), length)
        .prop_map(|all| all.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn lists_are_those_of_a_sorted_set(
        keys in prop::collection::btree_set(text(1..8), 0..60),
        questions in prop::collection::vec(
            (text(0..3), prop::option::of(text(1..3)), prop::option::of(text(0..5)), 1..20usize),
            30,
        ),
    ) {
        block_on(async {
            let world = World::new().await;
            put_all(&world, keys.iter().cloned().collect()).await;
            for (prefix, delimiter, after, max_entries) in questions {
                let mut request = ListRequest { prefix, delimiter, after, max_entries };
                let expected = naive(&keys, &request);
                let mut seen = Vec::new();
                loop {
                    let page = list(&world.disk, request.clone()).await;
                    let found = entries(&page);
                    prop_assert!(found.len() <= max_entries);
                    prop_assert_eq!(page.next.is_some(), seen.len() + found.len() < expected.len());
                    seen.extend(found);
                    if page.next.is_none() {
                        break;
                    }
                    request.after = page.next;
                }
                prop_assert_eq!(seen, expected);
            }
            Ok(())
        })?;
    }
}
