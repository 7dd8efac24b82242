//! The default certificate, validation, and the local authority.

use std::time::Instant;

use documents::acm::{self as forms, Certificate, Source, State};
use documents::encode;
use documents::tls::{self, DEFAULT_CERTIFICATE};
use serde_json::json;
use store::Txn;

use crate::world::{World, config, id, store, validating};

const DAY_MS: u64 = 86_400_000;

#[tokio::test]
async fn the_default_certificate_is_there_at_once_and_clients_are_not_told_of_it() {
    let started = Instant::now();
    let mut world = World::idle(config(), store());
    // Several nodes start at once.
    for _ in 0..3 {
        world.look_after();
    }
    let made = world.until_state(DEFAULT_CERTIFICATE, State::Issued).await;
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    assert_eq!(
        made.names,
        ["cdn.localhost", "*.cdn.localhost", "localhost"]
    );
    let (x509, material) = world.served(DEFAULT_CERTIFICATE).await;
    for name in ["cdn.localhost", "d1.cdn.localhost", "localhost"] {
        assert!(x509.covers(name), "{name}");
    }
    assert_eq!(
        x509.key_algorithm.map(|key| key.request_name()),
        Some("EC_prime256v1")
    );
    let purpose = tls::sealing_purpose(DEFAULT_CERTIFICATE);
    assert!(world.secrets.open(&purpose, &material.sealed_key).is_ok());
    let listed = world.acm("ListCertificates", json!({})).await;
    assert_eq!(listed["CertificateSummaryList"], json!([]));
}

#[tokio::test]
async fn another_domain_has_another_default_certificate() {
    let store = store();
    let mut world = World::idle(config(), store.clone());
    world.look_after();
    world.until_state(DEFAULT_CERTIFICATE, State::Issued).await;
    drop(world);
    let mut other = config();
    other.domain = "CDN.example.net".to_owned();
    let mut world = World::idle(other, store);
    world.look_after();
    let key = forms::certificate(DEFAULT_CERTIFICATE);
    world
        .until(&key, |found: &Certificate| {
            found.names == ["cdn.example.net", "*.cdn.example.net", "localhost"]
        })
        .await;
    let (x509, _) = world.served(DEFAULT_CERTIFICATE).await;
    assert!(x509.covers("d1.cdn.example.net") && !x509.covers("cdn.localhost"));
}

#[tokio::test]
async fn a_record_in_a_hosted_zone_validates_a_name_within_about_a_second() {
    let world = World::new(validating());
    let zone = world.zone("example.com").await;
    let arn = world
        .request(&["example.com", "*.example.com", "www.example.com"])
        .await;
    let records = world.validations(&arn).await;
    // The first two have one.
    assert_eq!(records[0], records[1]);
    world
        .change(&zone, "CREATE", "CNAME", &records[0].0, &[&records[0].1])
        .await;
    let key = forms::certificate(&id(&arn));
    let part = world
        .until(&key, |found: &Certificate| !found.validated.is_empty())
        .await;
    assert_eq!(part.validated, ["example.com", "*.example.com"]);
    assert_eq!(part.state, State::Pending);
    // A record that says something else proves nothing.
    world
        .change(
            &zone,
            "CREATE",
            "CNAME",
            &records[2].0,
            &["other.example.net"],
        )
        .await;
    let started = Instant::now();
    world
        .change(&zone, "UPSERT", "CNAME", &records[2].0, &[&records[2].1])
        .await;
    world.until_state(&id(&arn), State::Issued).await;
    assert!(
        started.elapsed().as_millis() < 4_000,
        "{:?}",
        started.elapsed()
    );
    assert_eq!(world.describe(&arn).await["Status"], "ISSUED");
    let (x509, _) = world.served(&id(&arn)).await;
    assert!(x509.covers("www.example.com") && x509.covers("any.example.com"));
}

#[tokio::test]
async fn a_name_is_validated_by_looking_it_up_along_a_short_chain() {
    let world = World::new(validating());
    let arn = world.request(&["a.example.org"]).await;
    let (name, value) = world.validations(&arn).await.remove(0);
    let chain = |length: usize| {
        let mut records = world.records.0.lock().unwrap();
        records.clear();
        let mut from = name.clone();
        for step in 1..length {
            let next = format!("step-{step}.example.net.");
            records.insert(from, next.clone());
            from = next;
        }
        // Names compare in any case.
        records.insert(from, value.to_ascii_uppercase());
    };
    chain(5);
    world.until_state(&id(&arn), State::Issued).await;
    let other = world.request(&["b.example.org"]).await;
    let (name, value) = world.validations(&other).await.remove(0);
    {
        let mut records = world.records.0.lock().unwrap();
        for step in 0..6 {
            let at = |step: usize| format!("long-{step}.example.net.");
            let from = if step == 0 { name.clone() } else { at(step) };
            let to = if step == 5 {
                value.clone()
            } else {
                at(step + 1)
            };
            records.insert(from, to);
        }
    }
    world.pass(4 * DAY_MS);
    world.until_state(&id(&other), State::TimedOut).await;
    assert_eq!(
        world.describe(&other).await["Status"],
        "VALIDATION_TIMED_OUT"
    );
}

#[tokio::test]
async fn certificates_are_renewed_with_new_keys_under_their_arns_and_imported_ones_never() {
    let world = World::new(config());
    let arn = world.request(&["a.example.com"]).await;
    let before = world.until_state(&id(&arn), State::Issued).await;
    let (old, _) = world.served(&id(&arn)).await;
    let imported = Certificate {
        id: "us-east-1/imported".to_owned(),
        source: Source::Imported,
        ..before.clone()
    };
    let key = forms::certificate(&imported.id);
    let (_, material) = world.served(&id(&arn)).await;
    let put = Txn::new()
        .put(&key, encode(&imported))
        .put(tls::key(tls::CERTIFICATE, &imported.id), encode(&material));
    world.store.commit(put).await.unwrap();
    // Two thirds of 395 days.
    world.pass(264 * DAY_MS);
    let renewed = world
        .until(&forms::certificate(&id(&arn)), |found: &Certificate| {
            found.work.is_renewed
        })
        .await;
    let (new, _) = world.served(&id(&arn)).await;
    assert_ne!(new.public_key_der, old.public_key_der);
    assert!(renewed.not_after_secs > before.not_after_secs + 200 * 86_400);
    assert_eq!((renewed.arn, &renewed.names), (arn.clone(), &before.names));
    assert_eq!(world.certificate(&imported.id).await, imported);
    // And whenever somebody wants it.
    world
        .acm("RenewCertificate", json!({ "CertificateArn": arn }))
        .await;
    let key = tls::key(tls::CERTIFICATE, &id(&arn));
    let is_newer = |served: &tls::Material| {
        certificates::Certificate::from_pem(&served.chain_pem)
            .unwrap()
            .serial
            != new.serial
    };
    world.until(&key, is_newer).await;
    assert!(!world.certificate(&id(&arn)).await.work.is_wanted);
}

#[tokio::test]
async fn what_another_node_has_claimed_is_left_to_it_until_it_is_gone() {
    let mut world = World::idle(validating(), store());
    let arn = world.request(&["a.example.com"]).await;
    let lease = world.store.grant(600).await.unwrap();
    let claim = format!("claims/acm-work/{}", id(&arn));
    let held = Txn::new().put_leased(&claim, "", lease);
    world.store.commit(held).await.unwrap();
    let (name, value) = world.validations(&arn).await.remove(0);
    world.records.0.lock().unwrap().insert(name, value);
    world.look_after();
    let key = forms::certificate(&id(&arn));
    let validated = world
        .until(&key, |found: &Certificate| !found.validated.is_empty())
        .await;
    assert_eq!(validated.state, State::Pending);
    // Another one is issued meanwhile, so that there was time for this one.
    let other = world.request(&["b.example.com"]).await;
    let (name, value) = world.validations(&other).await.remove(0);
    world.records.0.lock().unwrap().insert(name, value);
    world.until_state(&id(&other), State::Issued).await;
    assert_eq!(world.certificate(&id(&arn)).await.state, State::Pending);
    world.store.revoke(lease).await.unwrap();
    world.until_state(&id(&arn), State::Issued).await;
    world.until_empty("claims/acm-work/").await;
}
