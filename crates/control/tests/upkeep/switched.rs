//! An ACME server that is named when there are certificates already.

use std::sync::Arc;

use control::ControlConfig;
use documents::acm::State;
use serde_json::json;

use crate::ordered::{assert_is_of_pebble, ordering, outside};
use crate::world::{World, id};

#[tokio::test]
async fn what_the_local_authority_issued_is_ordered_if_somebody_has_a_use_for_it() {
    let Some(outside) = outside().await else {
        return;
    };
    let local = ControlConfig {
        acme: None,
        ..ordering(&outside)
    };
    let world = World::idle(local, Arc::clone(&outside.store));
    let unused = world.request(&["b.example.com"]).await;
    let input = json!({
        "DomainName": "a.example.com", "KeyAlgorithm": "EC_prime256v1",
        "Options": { "Export": "ENABLED" },
    });
    let told = world.acm("RequestCertificate", input).await;
    let exported = told["CertificateArn"].as_str().unwrap();
    let input = json!({ "CertificateArn": exported, "Passphrase": "c2VjcmV0" });
    world.acm("ExportCertificate", input).await;
    let (old, _) = world.served(&id(&unused)).await;
    drop(world);

    let mut world = World::idle(ordering(&outside), Arc::clone(&outside.store));
    world.look_after();
    let key = documents::acm::certificate(&id(exported));
    let is_renewed = |found: &documents::acm::Certificate| found.work.is_renewed;
    let renewed = world.until(&key, is_renewed).await;
    assert_eq!(renewed.state, State::Issued);
    assert_is_of_pebble(&world, &id(exported)).await;
    assert_eq!(world.served(&id(&unused)).await.0.serial, old.serial);
}
