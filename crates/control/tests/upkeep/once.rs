//! What is issued within a request is issued once, though the upkeep hears of it meanwhile.

use documents::acm::State;
use documents::keys;
use documents::tls::DEFAULT_CERTIFICATE;
use serde_json::{Value, json};

use crate::world::{World, config};

#[tokio::test]
async fn a_certificate_that_is_issued_at_once_is_issued_once() {
    let world = World::new(config());
    world.until_state(DEFAULT_CERTIFICATE, State::Issued).await;
    for number in 0..4 {
        // Keys of RSA are not made at once.
        let input = json!({ "DomainName": format!("a{number}.example.com") });
        let output = world.acm("RequestCertificate", input).await;
        let arn = output["CertificateArn"].as_str().unwrap();
        let first = world.describe(arn).await;
        assert_eq!(first["Status"], "ISSUED");
        world.until_empty(&keys::claim("acm-work", "")).await;
        let told = world.describe(arn).await;
        assert_eq!(told["Serial"], first["Serial"]);
        assert_eq!(told["RenewalSummary"], Value::Null);
    }
}
