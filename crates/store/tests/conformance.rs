//! What [`Store`] promises, sentence by sentence, for every store there is.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod subject;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use store::{
    Batch, Document, Event, LeaseId, Outcome, Page, Range, Revision, Store, StoreError, Txn, Watch,
    limits,
};
use subject::{Subject, block_on, committed, head, told_until, watch_error};

macro_rules! for_every_store {
    ($($behavior:ident,)*) => {
        mod sqlite_in_memory {
            $(#[test] fn $behavior() {
                super::run(super::Subject::sqlite_in_memory(), super::$behavior);
            })*
        }
        mod sqlite_on_disk {
            $(#[test] fn $behavior() {
                super::run(super::Subject::sqlite_on_disk(), super::$behavior);
            })*
        }
        mod etcd {
            $(#[test] fn $behavior() {
                super::run(super::Subject::etcd(), super::$behavior);
            })*
        }
    };
}

for_every_store! {
    nothing_lies_under_a_key_that_was_not_put,
    a_document_says_when_it_was_created_and_modified_and_is_created_anew_after_a_deletion,
    every_commit_has_a_greater_revision_and_one_that_changes_nothing_has_the_stores,
    a_transaction_happens_whole_if_all_its_comparisons_hold,
    a_transaction_does_nothing_if_one_of_its_comparisons_does_not_hold,
    comparisons_are_judged_before_the_writes_of_their_transaction,
    a_modification_at_revision_0_is_an_absence,
    get_many_answers_in_the_order_of_the_keys_and_names_what_is_not_there,
    lists_are_ordered_bytewise_and_within_their_prefix,
    pages_forwards_and_backwards_hold_every_document_once,
    a_page_begins_after_a_key_that_need_not_exist,
    a_page_is_never_longer_than_the_limit,
    what_is_beyond_the_limits_is_refused_and_what_is_at_them_is_taken,
    a_watch_tells_of_the_past_and_then_of_what_happens,
    a_watch_tells_only_of_its_prefix,
    a_watch_tells_of_a_revision_in_one_batch_in_the_order_of_keys,
    a_watch_that_is_dropped_while_it_waits_loses_nothing,
    a_watch_does_not_tell_of_what_was_before_it_began,
    a_watch_of_forgotten_changes_says_what_is_remembered,
    a_slow_watcher_of_large_documents_is_told_of_everything,
    a_lease_that_is_not_renewed_ends_and_its_documents_with_it,
    a_lease_that_is_renewed_goes_on,
    a_lease_that_is_revoked_takes_its_documents_along_in_one_revision,
    a_put_under_another_lease_or_none_detaches_a_document,
    a_put_under_a_lease_that_has_ended_is_a_conflict,
    of_a_thousand_conditional_updates_exactly_one_wins,
    concurrent_increments_are_all_counted,
}

fn run<F: AsyncFn(&Subject)>(subject: Option<Subject>, behavior: F) {
    if let Some(subject) = subject {
        block_on(behavior(&subject));
    }
}

async fn nothing_lies_under_a_key_that_was_not_put(subject: &Subject) {
    let store = subject.store();
    assert_eq!(store.get("a").await.unwrap(), None);
    let page = store.list(Range::default()).await.unwrap();
    assert_eq!((page.documents.len(), page.has_more), (0, false));
}

async fn a_document_says_when_it_was_created_and_modified_and_is_created_anew_after_a_deletion(
    subject: &Subject,
) {
    let store = subject.store();
    let first = committed(store, Txn::new().put("a", "1")).await;
    let second = committed(store, Txn::new().put("a", "2")).await;
    assert_eq!(
        store.get("a").await.unwrap(),
        Some(document("a", "2", first, second))
    );
    committed(store, Txn::new().delete("a")).await;
    assert_eq!(store.get("a").await.unwrap(), None);
    let third = committed(store, Txn::new().put("a", "")).await;
    assert_eq!(
        store.get("a").await.unwrap(),
        Some(document("a", "", third, third))
    );
}

async fn every_commit_has_a_greater_revision_and_one_that_changes_nothing_has_the_stores(
    subject: &Subject,
) {
    let store = subject.store();
    let first = committed(store, Txn::new().put("a", "1")).await;
    let second = committed(store, Txn::new().put("b", "1").delete("c")).await;
    assert_eq!(second, Revision(first.0 + 1));
    assert_eq!(head(store).await, second);
    for nothing in [
        Txn::new(),
        Txn::new().delete("none"),
        Txn::new().if_present("a"),
    ] {
        assert_eq!(committed(store, nothing).await, second);
    }
    // The same value again is a change.
    let third = committed(store, Txn::new().put("a", "1")).await;
    assert!(third > second);
}

async fn a_transaction_happens_whole_if_all_its_comparisons_hold(subject: &Subject) {
    let store = subject.store();
    let first = committed(store, Txn::new().put("a", "1").put("b", "1")).await;
    let txn = Txn::new()
        .if_absent("c")
        .if_present("a")
        .if_modified_at("b", first)
        .put("c", "2")
        .put("a", "2")
        .delete("b");
    let second = committed(store, txn).await;
    let documents = store.get_many(&["a", "b", "c"]).await.unwrap();
    assert_eq!(
        documents,
        [
            Some(document("a", "2", first, second)),
            None,
            Some(document("c", "2", second, second))
        ]
    );
}

async fn a_transaction_does_nothing_if_one_of_its_comparisons_does_not_hold(subject: &Subject) {
    let store = subject.store();
    let first = committed(store, Txn::new().put("a", "1")).await;
    let second = committed(store, Txn::new().put("b", "1")).await;
    for txn in [
        Txn::new().if_absent("a"),
        Txn::new().if_present("c"),
        Txn::new().if_modified_at("a", second),
        Txn::new().if_modified_at("c", first),
        Txn::new().if_present("a").if_absent("b"),
        Txn::new().if_modified_at("a", Revision(0)),
    ] {
        let txn = txn.put("a", "2").put("d", "2").delete("b");
        assert_eq!(store.commit(txn).await.unwrap(), Outcome::Conflict);
    }
    let page = store.list(Range::default()).await.unwrap();
    assert_eq!(page.revision, second);
    assert_eq!(
        page.documents,
        [
            document("a", "1", first, first),
            document("b", "1", second, second)
        ]
    );
}

async fn comparisons_are_judged_before_the_writes_of_their_transaction(subject: &Subject) {
    let store = subject.store();
    let txn = Txn::new().if_absent("a").put("a", "1");
    let first = committed(store, txn.clone()).await;
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Conflict);
    let txn = Txn::new().if_modified_at("a", first).delete("a");
    committed(store, txn.clone()).await;
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Conflict);
}

async fn a_modification_at_revision_0_is_an_absence(subject: &Subject) {
    let store = subject.store();
    let txn = Txn::new().if_modified_at("a", Revision(0)).put("a", "1");
    committed(store, txn.clone()).await;
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Conflict);
}

async fn get_many_answers_in_the_order_of_the_keys_and_names_what_is_not_there(subject: &Subject) {
    let store = subject.store();
    let first = committed(store, Txn::new().put("a", "1").put("c", "3")).await;
    let c = Some(document("c", "3", first, first));
    let a = Some(document("a", "1", first, first));
    let documents = store.get_many(&["c", "b", "a", "c"]).await.unwrap();
    assert_eq!(documents, [c.clone(), None, a, c]);
    assert_eq!(store.get_many(&[]).await.unwrap(), []);
}

async fn lists_are_ordered_bytewise_and_within_their_prefix(subject: &Subject) {
    let store = subject.store();
    let keys = [
        "a",
        "a/",
        "a/B",
        "a/b",
        "a/é",
        "a/\u{10ffff}",
        "a0",
        "A/b",
        "ab",
    ];
    for key in keys {
        committed(store, Txn::new().put(key, "1")).await;
    }
    for prefix in ["", "a", "a/", "a/é", "b"] {
        let expected: BTreeSet<&str> = keys
            .into_iter()
            .filter(|key| key.starts_with(prefix))
            .collect();
        let expected: Vec<&str> = expected.into_iter().collect();
        let mut range = Range {
            prefix: prefix.into(),
            ..Range::default()
        };
        assert_eq!(keys_of(&store.list(range.clone()).await.unwrap()), expected);
        range.is_descending = true;
        let reversed: Vec<&str> = expected.into_iter().rev().collect();
        assert_eq!(keys_of(&store.list(range).await.unwrap()), reversed);
    }
}

async fn pages_forwards_and_backwards_hold_every_document_once(subject: &Subject) {
    let store = subject.store();
    let keys: Vec<String> = (0..25).map(|index| format!("p/{index:02}")).collect();
    let txn = keys.iter().fold(Txn::new(), |txn, key| txn.put(key, "1"));
    let revision = committed(store, txn.put("o", "1").put("q", "1")).await;
    for is_descending in [false, true] {
        for limit in [1, 7, 24, 25, 26] {
            let mut range = Range {
                prefix: "p/".into(),
                limit,
                is_descending,
                after: None,
            };
            let mut found = Vec::new();
            loop {
                let page = store.list(range.clone()).await.unwrap();
                assert_eq!(page.revision, revision);
                assert!(page.documents.len() <= limit);
                found.extend(page.documents.iter().map(|document| document.key.clone()));
                assert_eq!(page.has_more, found.len() < keys.len());
                if !page.has_more {
                    break;
                }
                range.after = found.last().cloned();
            }
            if is_descending {
                found.reverse();
            }
            assert_eq!(found, keys);
        }
    }
}

async fn a_page_begins_after_a_key_that_need_not_exist(subject: &Subject) {
    let store = subject.store();
    committed(
        store,
        Txn::new().put("p/b", "1").put("p/d", "1").put("r", "1"),
    )
    .await;
    for (after, forwards, backwards) in [
        ("a", &["p/b", "p/d"][..], &[][..]),
        ("p/", &["p/b", "p/d"], &[]),
        ("p/b", &["p/d"], &[]),
        ("p/c", &["p/d"], &["p/b"]),
        ("p/d", &[], &["p/b"]),
        ("p/e", &[], &["p/d", "p/b"]),
        ("z", &[], &["p/d", "p/b"]),
    ] {
        for (is_descending, expected) in [(false, forwards), (true, backwards)] {
            let range = Range {
                prefix: "p/".into(),
                after: Some(after.into()),
                limit: 10,
                is_descending,
            };
            let page = store.list(range).await.unwrap();
            assert_eq!(keys_of(&page), expected, "after {after}");
            assert!(!page.has_more);
            assert_eq!(page.revision, head(store).await);
        }
    }
}

async fn a_page_is_never_longer_than_the_limit(subject: &Subject) {
    let store = subject.store();
    for hundred in 0..11 {
        let txn = (0..100).fold(Txn::new(), |txn, index| {
            txn.put(format!("{hundred:02}/{index:02}"), "1")
        });
        committed(store, txn).await;
    }
    for limit in [0, limits::PAGE_DOCUMENTS_MAX, 5_000] {
        let range = Range {
            limit,
            ..Range::default()
        };
        let page = store.list(range).await.unwrap();
        assert_eq!(page.documents.len(), limits::PAGE_DOCUMENTS_MAX);
        assert!(page.has_more);
    }
}

async fn what_is_beyond_the_limits_is_refused_and_what_is_at_them_is_taken(subject: &Subject) {
    let store = subject.store();
    let before = head(store).await;
    let key = "k".repeat(limits::KEY_BYTES_MAX);
    let many = |count| (0..count).fold(Txn::new(), |txn, index| txn.delete(format!("{index}")));
    for refused in [
        Txn::new().put(format!("{key}k"), "1"),
        Txn::new().put("a", vec![0; limits::VALUE_BYTES_MAX + 1]),
        many(limits::TXN_OPERATIONS_MAX + 1),
        Txn::new().put("a", "1").put("a", "2"),
        Txn::new().put("", "1"),
    ] {
        let error = store.commit(refused).await.unwrap_err();
        assert!(matches!(error, StoreError::TooLarge(_)), "{error}");
    }
    let too_many = vec!["a"; limits::GET_KEYS_MAX + 1];
    let error = store.get_many(&too_many).await.unwrap_err();
    assert!(matches!(error, StoreError::TooLarge(_)), "{error}");
    assert_eq!(head(store).await, before);

    let value = vec![7; limits::VALUE_BYTES_MAX];
    committed(store, Txn::new().put(&*key, value.clone())).await;
    assert_eq!(store.get(&key).await.unwrap().unwrap().value, value);
    let keys = vec![&*key; limits::GET_KEYS_MAX];
    let documents = store.get_many(&keys).await.unwrap();
    assert!(documents.iter().flatten().all(|found| found.value == value));
    assert_eq!(documents.len(), limits::GET_KEYS_MAX);
    committed(store, many(limits::TXN_OPERATIONS_MAX)).await;
    let full = (0..limits::TXN_OPERATIONS_MAX).fold(Txn::new(), |txn, index| {
        let key = format!("{index}");
        txn.if_absent(key.clone()).put(key, vec![1; 500])
    });
    committed(store, full).await;
}

async fn a_watch_tells_of_the_past_and_then_of_what_happens(subject: &Subject) {
    let store = subject.store();
    let start = head(store).await;
    let first = committed(store, Txn::new().put("a", "1")).await;
    let second = committed(store, Txn::new().put("a", "2")).await;
    let mut watch = store.watch("", start).await.unwrap();
    assert_eq!(
        told_until(&mut watch, second).await,
        [
            batch(first, [put("a", "1", first, first)]),
            batch(second, [put("a", "2", first, second)])
        ]
    );
    let third = committed(store, Txn::new().delete("a")).await;
    committed(store, Txn::new().delete("a")).await; // Nothing to tell of.
    let fourth = committed(store, Txn::new().put("a", "4")).await;
    assert_eq!(
        told_until(&mut watch, fourth).await,
        [
            batch(third, [deleted("a")]),
            batch(fourth, [put("a", "4", fourth, fourth)])
        ]
    );
    let mut watch = store.watch("", third).await.unwrap();
    assert_eq!(
        told_until(&mut watch, fourth).await,
        [batch(fourth, [put("a", "4", fourth, fourth)])]
    );
}

async fn a_watch_tells_only_of_its_prefix(subject: &Subject) {
    let store = subject.store();
    let start = head(store).await;
    let mut live = store.watch("p/", start).await.unwrap();
    committed(store, Txn::new().put("p", "1").put("p0", "1")).await;
    let mixed = Txn::new().put("a", "1").put("p/a", "1").put("q", "1");
    let first = committed(store, mixed).await;
    committed(store, Txn::new().delete("a")).await;
    let second = committed(store, Txn::new().delete("p/a").delete("q")).await;
    let expected = [
        batch(first, [put("p/a", "1", first, first)]),
        batch(second, [deleted("p/a")]),
    ];
    assert_eq!(told_until(&mut live, second).await, expected);
    let mut past = store.watch("p/", start).await.unwrap();
    assert_eq!(told_until(&mut past, second).await, expected);
}

async fn a_watch_tells_of_a_revision_in_one_batch_in_the_order_of_keys(subject: &Subject) {
    let store = subject.store();
    let start = head(store).await;
    let mut watch = store.watch("", start).await.unwrap();
    let mut last = start;
    for _ in 0..20 {
        // Backwards, and so large that it does not fit into one message of any transport.
        let txn = (0..100).rev().fold(Txn::new(), |txn, index| {
            txn.put(format!("{index:02}"), vec![1; 11_000])
        });
        last = committed(store, txn).await;
    }
    let expected: Vec<String> = (0..100).map(|index| format!("{index:02}")).collect();
    let batches = told_until(&mut watch, last).await;
    assert_eq!(batches.len(), 20);
    for batch in batches {
        let keys: Vec<&str> = batch.events.iter().map(Event::key).collect();
        assert_eq!(keys, expected);
    }
}

async fn a_watch_that_is_dropped_while_it_waits_loses_nothing(subject: &Subject) {
    let store = subject.store();
    let start = head(store).await;
    let mut watch = store.watch("", start).await.unwrap();
    let mut told = Vec::new();
    let mut expected = Vec::new();
    for index in 0..50_u64 {
        let revision = committed(store, Txn::new().put("a", index.to_string())).await;
        expected.push(revision);
        for patience_us in [0, 30, 300] {
            let patience = Duration::from_micros(patience_us + index);
            if let Ok(batches) = tokio::time::timeout(patience, watch.next()).await {
                told.extend(batches.unwrap().into_iter().map(|batch| batch.revision));
            }
        }
    }
    if told.last() != expected.last() {
        let rest = told_until(&mut watch, *expected.last().unwrap()).await;
        told.extend(rest.into_iter().map(|batch| batch.revision));
    }
    assert_eq!(told, expected);
}

async fn a_watch_does_not_tell_of_what_was_before_it_began(subject: &Subject) {
    let store = subject.store();
    let first = committed(store, Txn::new().put("a", "1")).await;
    let mut now = store.watch("", first).await.unwrap();
    // A watch may begin in the future: it waits until it has come.
    let mut future = store.watch("", Revision(first.0 + 1)).await.unwrap();
    let second = committed(store, Txn::new().put("a", "2")).await;
    let third = committed(store, Txn::new().put("a", "3")).await;
    assert_eq!(told_until(&mut now, third).await[0].revision, second);
    assert_eq!(told_until(&mut future, third).await[0].revision, third);
}

async fn a_watch_of_forgotten_changes_says_what_is_remembered(subject: &Subject) {
    let store = subject.store();
    let mut revisions = Vec::new();
    for index in 0..10 {
        revisions.push(committed(store, Txn::new().put("a", index.to_string())).await);
    }
    let gone = committed(store, Txn::new().delete("a")).await;
    let last = committed(store, Txn::new().put("b", "1")).await;
    subject.compact(gone).await;
    for after in [Revision(0), revisions[0], revisions[9]] {
        let StoreError::Compacted { after: told, first } = watch_error(store, "", after).await
        else {
            panic!("forgotten changes are a reason of their own");
        };
        assert_eq!((told, first), (after, gone));
    }
    // The first revision that it names is one that can be begun after.
    let mut watch = store.watch("", gone).await.unwrap();
    assert_eq!(
        told_until(&mut watch, last).await,
        [batch(last, [put("b", "1", last, last)])]
    );
    // What there is stays.
    assert_eq!(keys_of(&store.list(Range::default()).await.unwrap()), ["b"]);
}

async fn a_slow_watcher_of_large_documents_is_told_of_everything(subject: &Subject) {
    let store = subject.store();
    let start = head(store).await;
    let mut watch = store.watch("", start).await.unwrap();
    let mut expected = Vec::new();
    for index in 0..60 {
        let txn = Txn::new().put(format!("{}", index % 3), vec![index; 900_000]);
        expected.push((committed(store, txn).await, index));
    }
    let told: Vec<(Revision, u8)> = told_until(&mut watch, expected[59].0)
        .await
        .into_iter()
        .map(|batch| match &batch.events[..] {
            [Event::Put(document)] if document.value.len() == 900_000 => {
                (batch.revision, document.value[0])
            }
            events => panic!("{} events", events.len()),
        })
        .collect();
    assert_eq!(told, expected);
}

async fn a_lease_that_is_not_renewed_ends_and_its_documents_with_it(subject: &Subject) {
    let store = subject.store();
    let lease = store.grant(1).await.unwrap();
    let txn = Txn::new().put_leased("b", "1", lease).put("c", "1");
    let put = committed(store, txn.put_leased("a", "1", lease)).await;
    let mut watch = store.watch("", put).await.unwrap();
    let batches = watch.next().await.unwrap();
    assert!(batches[0].revision > put);
    assert_eq!(batches[0].events, [deleted("a"), deleted("b")]);
    let page = store.list(Range::default()).await.unwrap();
    assert_eq!(keys_of(&page), ["c"]);
    assert!(!store.renew(lease).await.unwrap());
}

async fn a_lease_that_is_renewed_goes_on(subject: &Subject) {
    let store = subject.store();
    let renewed = store.grant(2).await.unwrap();
    let other = store.grant(2).await.unwrap();
    let txn = Txn::new().put_leased("a", "1", renewed);
    let put = committed(store, txn.put_leased("b", "1", other)).await;
    let mut watch = store.watch("", put).await.unwrap();
    let told = async {
        loop {
            tokio::select! {
                batches = watch.next() => return batches.unwrap(),
                () = tokio::time::sleep(Duration::from_millis(300)) => {
                    assert!(store.renew(renewed).await.unwrap());
                }
            }
        }
    };
    assert_eq!(told.await[0].events, [deleted("b")]);
    assert!(store.renew(renewed).await.unwrap());
    assert!(store.get("a").await.unwrap().is_some());
}

async fn a_lease_that_is_revoked_takes_its_documents_along_in_one_revision(subject: &Subject) {
    let store = subject.store();
    let lease = store.grant(60).await.unwrap();
    let txn = Txn::new().put_leased("b", "1", lease).put("c", "1");
    let put = committed(store, txn.put_leased("a", "1", lease)).await;
    store.revoke(lease).await.unwrap();
    let gone = Revision(put.0 + 1);
    assert_eq!(head(store).await, gone);
    let mut watch = store.watch("", put).await.unwrap();
    assert_eq!(
        told_until(&mut watch, gone).await,
        [batch(gone, [deleted("a"), deleted("b")])]
    );
    assert!(!store.renew(lease).await.unwrap());
    // Once more, and one that never was: nothing happens.
    store.revoke(lease).await.unwrap();
    store.revoke(LeaseId(4_711)).await.unwrap();
    assert_eq!(head(store).await, gone);
}

async fn a_put_under_another_lease_or_none_detaches_a_document(subject: &Subject) {
    let store = subject.store();
    let old = store.grant(60).await.unwrap();
    let new = store.grant(60).await.unwrap();
    let txn = ["a", "b", "c"]
        .into_iter()
        .fold(Txn::new(), |txn, key| txn.put_leased(key, "1", old));
    committed(store, txn).await;
    committed(store, Txn::new().put("a", "2").put_leased("b", "2", new)).await;
    store.revoke(old).await.unwrap();
    let page = store.list(Range::default()).await.unwrap();
    assert_eq!(keys_of(&page), ["a", "b"]);
    store.revoke(new).await.unwrap();
    let page = store.list(Range::default()).await.unwrap();
    assert_eq!(keys_of(&page), ["a"]);
}

async fn a_put_under_a_lease_that_has_ended_is_a_conflict(subject: &Subject) {
    let store = subject.store();
    let lease = store.grant(60).await.unwrap();
    store.revoke(lease).await.unwrap();
    let before = head(store).await;
    for lease in [lease, LeaseId(4_711)] {
        let txn = Txn::new().put("a", "1").put_leased("b", "1", lease);
        assert_eq!(store.commit(txn).await.unwrap(), Outcome::Conflict);
    }
    assert_eq!(head(store).await, before);
}

async fn of_a_thousand_conditional_updates_exactly_one_wins(subject: &Subject) {
    let store = subject.store();
    let mut modified = Revision(0);
    for round in 0..5 {
        let updates = (0..1_000).map(|index| {
            let txn = Txn::new().if_modified_at("a", modified);
            store.commit(txn.put("a", format!("{round}/{index}")))
        });
        let outcomes = at_once(updates).await;
        let winners: Vec<(usize, Revision)> = outcomes
            .into_iter()
            .enumerate()
            .filter_map(|(index, outcome)| match outcome.unwrap() {
                Outcome::Committed(revision) => Some((index, revision)),
                Outcome::Conflict => None,
            })
            .collect();
        let [(index, revision)] = winners[..] else {
            panic!("{} winners", winners.len());
        };
        let document = store.get("a").await.unwrap().unwrap();
        assert_eq!(document.modified, revision);
        assert_eq!(document.value, format!("{round}/{index}"));
        modified = revision;
    }
}

async fn concurrent_increments_are_all_counted(subject: &Subject) {
    let store = subject.store();
    let increment = async || {
        for _ in 0..20 {
            loop {
                let found = store.get("n").await.unwrap();
                let (count, modified) = found.map_or((0, Revision(0)), |document| {
                    let text = std::str::from_utf8(&document.value).unwrap();
                    (text.parse::<u32>().unwrap(), document.modified)
                });
                let txn = Txn::new().if_modified_at("n", modified);
                let txn = txn.put("n", (count + 1).to_string());
                if store.commit(txn).await.unwrap() != Outcome::Conflict {
                    break;
                }
            }
        }
    };
    at_once((0..8).map(|_| increment())).await;
    let document = store.get("n").await.unwrap().unwrap();
    assert_eq!(document.value, "160");
}

/// Drives many futures on this task until all are done.
async fn at_once<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut are_done = true;
        for (future, output) in &mut pending {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => are_done = false,
                }
            }
        }
        match are_done {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    pending
        .into_iter()
        .map(|(_, output)| output.expect("all are done"))
        .collect()
}

fn document(key: &str, value: &str, created: Revision, modified: Revision) -> Document {
    Document {
        key: key.into(),
        value: Bytes::copy_from_slice(value.as_bytes()),
        created,
        modified,
    }
}

fn put(key: &str, value: &str, created: Revision, modified: Revision) -> Event {
    Event::Put(document(key, value, created, modified))
}

fn deleted(key: &str) -> Event {
    Event::Deleted { key: key.into() }
}

fn batch<const N: usize>(revision: Revision, events: [Event; N]) -> Batch {
    Batch {
        revision,
        events: events.into(),
    }
}

fn keys_of(page: &Page) -> Vec<&str> {
    page.documents
        .iter()
        .map(|document| &*document.key)
        .collect()
}

const _: fn() = || {
    fn shared<T: Send + Sync + ?Sized>() {}
    shared::<Arc<dyn Store>>();
    fn moved<T: Send + ?Sized>() {}
    moved::<Box<dyn Watch>>();
};
