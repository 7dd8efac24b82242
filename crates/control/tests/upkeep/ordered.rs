//! Certificates of a real ACME server. Skipped where pebble is not installed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use acme::Server;
use control::ControlConfig;
use documents::acm::{self as forms, AcmeAccount, Certificate, State};
use documents::tls::{self, DEFAULT_CERTIFICATE};
use documents::{Role, decode};
use serde_json::{Value, json};
use shapes::route53::ResourceRecordSet;
use store::Store;

use crate::edge::{Edge, apply};
use crate::pebble::{self, Options, Pebble};
use crate::world::{World, config, id, store};

/// An authority, an edge, and name servers.
pub struct Outside {
    edge: Edge,
    pebble: Arc<Pebble>,
    pub store: Arc<dyn Store>,
    dns: tokio::task::JoinHandle<()>,
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.dns.abort();
    }
}

pub async fn outside() -> Option<Outside> {
    if !pebble::is_there() {
        return None;
    }
    let store = store();
    let edge = Edge::start(Arc::clone(&store), config().secrets).await;
    let pebble = Arc::new(
        Pebble::start(&Options {
            http_port: edge.http_port,
            tls_port: edge.tls_port,
            bad_nonces: 5,
            reused_authorizations: 0,
            sleep_secs_max: 0,
            external_account: None,
        })
        .await,
    );
    tokio::spawn(apply(Arc::clone(&store), Role::Edge, None));
    let of_dns = Some(Arc::clone(&pebble));
    let dns = tokio::spawn(apply(Arc::clone(&store), Role::Dns, of_dns));
    Some(Outside {
        edge,
        pebble,
        store,
        dns,
    })
}

pub fn ordering(outside: &Outside) -> ControlConfig {
    ControlConfig {
        domain: "cdn.example.net".to_owned(),
        acme: Some(Server {
            directory_url: outside.pebble.directory_url.clone(),
            root_pem: Some(outside.pebble.root_pem.clone().into_bytes()),
            contact: Some("ops@example.com".to_owned()),
            eab: None,
        }),
        ..config()
    }
}

/// Orders that were started in this minute.
async fn started(world: &World) -> u64 {
    let (pace, _) = world.read::<Value>(forms::PACE).await.unwrap();
    pace["started"].as_u64().unwrap()
}

pub async fn assert_is_of_pebble(world: &World, id: &str) {
    let (x509, material) = world.served(id).await;
    assert!(x509.issuer.contains("Pebble"), "{}", x509.issuer);
    assert!(material.chain_pem.matches("BEGIN CERTIFICATE").count() >= 2);
    let purpose = tls::sealing_purpose(id);
    let key = world.secrets.open(&purpose, &material.sealed_key).unwrap();
    assert!(
        certificates::PrivateKey::from_pkcs8_der(&key)
            .unwrap()
            .is_of(&x509)
    );
}

#[tokio::test]
async fn one_of_several_nodes_orders_a_certificate_and_edges_answer_for_it() {
    let Some(outside) = outside().await else {
        return;
    };
    let mut world = World::idle(ordering(&outside), Arc::clone(&outside.store));
    for _ in 0..3 {
        world.look_after();
    }
    let arn = world.request(&["a.example.com", "b.example.com"]).await;
    let issued = world.until_state(&id(&arn), State::Issued).await;
    assert_eq!(issued.validated, ["a.example.com", "b.example.com"]);
    assert_is_of_pebble(&world, &id(&arn)).await;
    assert_eq!(started(&world).await, 1);
    let (account, _) = world
        .read::<AcmeAccount>(forms::ACME_ACCOUNT)
        .await
        .unwrap();
    assert_eq!(account.directory_url, outside.pebble.directory_url);
    assert!(!account.sealed_credentials.contains("key_pkcs8"));
    world.until_empty("cloudfront/tls/http-challenge/").await;
    world.until_empty("claims/acm-").await;
    assert_eq!(world.describe(&arn).await["Status"], "ISSUED");
}

#[tokio::test]
async fn a_wildcard_is_proven_in_its_zone_and_the_owners_record_set_stays() {
    let Some(outside) = outside().await else {
        return;
    };
    let world = {
        let mut world = World::idle(ordering(&outside), Arc::clone(&outside.store));
        world.look_after();
        world
    };
    let zone = world.zone("example.com").await;
    let ours = "_acme-challenge.example.com";
    world
        .change(&zone, "CREATE", "TXT", ours, &["\"the owner's own\""])
        .await;
    let key = documents::route53::record(&zone, "com.example._acme-challenge.", "TXT", None);
    let (before, _) = world.read::<ResourceRecordSet>(&key).await.unwrap();
    // Two texts at one name, both at a time.
    let arn = world.request(&["*.example.com", "example.com"]).await;
    world.until_state(&id(&arn), State::Issued).await;
    assert_is_of_pebble(&world, &id(&arn)).await;
    world.until_empty(forms::CHALLENGES).await;
    let history: Vec<ResourceRecordSet> = world.history(&key).await;
    let count = |set: &ResourceRecordSet| set.resource_records.as_ref().map_or(0, Vec::len);
    assert_eq!(history.iter().map(count).max(), Some(3));
    assert!(history.iter().all(|set| set.ttl == before.ttl));
    let (after, _) = world.read::<ResourceRecordSet>(&key).await.unwrap();
    assert_eq!(after, before);
    assert_eq!(world.record_sets(&zone).await, (3, 3));
    // A name that had no record set has none again.
    let arn = world.request(&["www.example.com"]).await;
    world.until_state(&id(&arn), State::Issued).await;
    world.until_empty(forms::CHALLENGES).await;
    assert_eq!(world.record_sets(&zone).await, (3, 3));
}

#[tokio::test]
async fn what_cannot_be_proven_in_one_way_is_tried_in_another_later() {
    let Some(outside) = outside().await else {
        return;
    };
    let mut world = World::idle(ordering(&outside), Arc::clone(&outside.store));
    world.look_after();
    outside.edge.has_http.store(false, Ordering::Relaxed);
    let arn = world.request(&["a.example.com"]).await;
    let key = forms::certificate(&id(&arn));
    let failed = world
        .until(&key, |found: &Certificate| found.work.failures == 1)
        .await;
    assert_eq!(failed.state, State::Pending);
    assert!(
        failed.work.last_error.contains("a.example.com"),
        "{}",
        failed.work.last_error
    );
    let wait_ms = failed.work.not_before_ms - world.now_ms();
    assert!((30_000..=60_000).contains(&wait_ms), "{wait_ms}");
    world.pass(60_000);
    world.until_state(&id(&arn), State::Issued).await;
    assert_is_of_pebble(&world, &id(&arn)).await;
    world.until_empty("cloudfront/tls/alpn-challenge/").await;
}

#[tokio::test]
async fn the_default_certificate_is_ordered_once_its_domain_is_hosted() {
    let Some(outside) = outside().await else {
        return;
    };
    let mut world = World::idle(ordering(&outside), Arc::clone(&outside.store));
    world.look_after();
    world.until_state(DEFAULT_CERTIFICATE, State::Issued).await;
    let (local, _) = world.served(DEFAULT_CERTIFICATE).await;
    assert!(local.issuer.contains("Warmfront"), "{}", local.issuer);
    assert!(local.covers("localhost"));
    world.zone("example.net").await;
    let key = tls::key(tls::CERTIFICATE, DEFAULT_CERTIFICATE);
    let is_newer = |served: &tls::Material| {
        certificates::Certificate::from_pem(&served.chain_pem)
            .unwrap()
            .serial
            != local.serial
    };
    world.until(&key, is_newer).await;
    assert_is_of_pebble(&world, DEFAULT_CERTIFICATE).await;
    let (x509, _) = world.served(DEFAULT_CERTIFICATE).await;
    assert!(x509.covers("d1.cdn.example.net") && x509.covers("cdn.example.net"));
    // It is one and the same order, and nothing is ordered again for it.
    world.until_empty("claims/acm-").await;
    let other = world.request(&["x.example.org"]).await;
    world.until_state(&id(&other), State::Issued).await;
    let (same, _) = world.served(DEFAULT_CERTIFICATE).await;
    assert_eq!(same.serial, x509.serial);
}

#[tokio::test]
async fn a_server_that_is_away_leaves_certificates_as_they_are_and_is_asked_again() {
    let Some(outside) = outside().await else {
        return;
    };
    let mut settings = ordering(&outside);
    let [port] = pebble::free_ports();
    let server = settings.acme.as_mut().unwrap();
    server.directory_url = format!("https://127.0.0.1:{port}/dir");
    let mut world = World::idle(settings, Arc::clone(&outside.store));
    world.look_after();
    let arn = world.request(&["a.example.com"]).await;
    let other = world.request(&["b.example.com"]).await;
    let key = forms::certificate(&id(&arn));
    let is_refused = |found: &Certificate| found.work.failures > 0;
    let waits = async {
        tokio::select! {
            found = world.until(&key, is_refused) => found,
            found = async {
                let key = forms::certificate(&id(&other));
                world.until(&key, is_refused).await
            } => found,
        }
    };
    let failed = waits.await;
    assert_eq!(failed.state, State::Pending);
    assert!(
        failed.work.last_error.contains("cannot be reached"),
        "{}",
        failed.work.last_error
    );
    world.until_empty("claims/acm-").await;
    drop(world);
    // Another server is named: an account is made there.
    let mut world = World::idle(ordering(&outside), Arc::clone(&outside.store));
    world.pass(3_600_000);
    world.look_after();
    for arn in [&arn, &other] {
        world.until_state(&id(arn), State::Issued).await;
        assert_is_of_pebble(&world, &id(arn)).await;
    }
    let document = world.store.get(forms::ACME_ACCOUNT).await.unwrap().unwrap();
    let account: AcmeAccount = decode(forms::ACME_ACCOUNT, &document.value).unwrap();
    assert_eq!(account.directory_url, outside.pebble.directory_url);
    // Renewal is an order, too, and makes another key.
    let (old, _) = world.served(&id(&arn)).await;
    world
        .acm("RenewCertificate", json!({ "CertificateArn": arn }))
        .await;
    let key = forms::certificate(&id(&arn));
    world
        .until(&key, |found: &Certificate| found.work.is_renewed)
        .await;
    let (new, _) = world.served(&id(&arn)).await;
    assert_ne!(new.public_key_der, old.public_key_der);
}
