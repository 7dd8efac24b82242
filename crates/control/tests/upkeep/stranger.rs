//! A node that has another key than the installation's.

use std::sync::Arc;
use std::time::Duration;

use control::ControlConfig;
use documents::acm::{self as forms, Certificate, State};
use documents::tls::DEFAULT_CERTIFICATE;
use secrets::Secrets;

use crate::world::{World, config, id, store, validating};

#[tokio::test]
async fn a_node_with_another_key_leaves_certificates_alone() {
    let store = store();
    let mut ours = World::idle(config(), Arc::clone(&store));
    ours.look_after();
    ours.until_state(DEFAULT_CERTIFICATE, State::Issued).await;
    drop(ours);
    // Nobody who can issue it looks after it yet.
    let waiting = World::idle(validating(), Arc::clone(&store));
    let arn = waiting.request(&["a.example.com"]).await;
    let key = forms::certificate(&id(&arn));
    let (_, before) = waiting.read::<Certificate>(&key).await.unwrap();
    let default = forms::certificate(DEFAULT_CERTIFICATE);
    let (_, default_before) = waiting.read::<Certificate>(&default).await.unwrap();

    let other = ControlConfig {
        secrets: Arc::new(Secrets::new([8; 32])),
        domain: "other.localhost".to_owned(),
        ..config()
    };
    let mut stranger = World::idle(other, Arc::clone(&store));
    stranger.look_after();
    let noted = stranger.until(&key, |found: &Certificate| found.work.failures > 0);
    let noted = tokio::time::timeout(Duration::from_secs(1), noted).await;
    assert!(noted.is_err(), "it notes a failure that is its own alone");
    for (key, before) in [(&key, before), (&default, default_before)] {
        let (_, after) = waiting.read::<Certificate>(key).await.unwrap();
        assert_eq!(after, before, "{key}");
    }

    let mut ours = World::idle(config(), store);
    ours.look_after();
    ours.until_state(&id(&arn), State::Issued).await;
}
