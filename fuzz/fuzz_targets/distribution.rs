//! Distribution documents, from JSON to a site: wrong ones are refused with a path, right ones
//! serve, and none of them panics.

#![no_main]

use std::sync::LazyLock;

use edge::site::{Policies, compile};
use libfuzzer_sys::fuzz_target;
use shapes::Structure;
use shapes::cloudfront::DistributionConfig;

static POLICIES: LazyLock<Policies> = LazyLock::new(Policies::managed);

fuzz_target!(|text: &str| {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else {
        assert!(shapes::from_json::<DistributionConfig>(text).is_err());
        return;
    };
    let value = value.get("DistributionConfig").unwrap_or(&value);
    let errors = shapes::check_types(DistributionConfig::SHAPE, value);
    let _ = shapes::check_bounds(DistributionConfig::SHAPE, value);
    let _ = shapes::unknown_members(DistributionConfig::SHAPE, value);
    let config = shapes::from_value::<DistributionConfig>(value);
    assert_eq!(
        config.is_ok(),
        errors.is_empty(),
        "{errors:?} {:?}",
        config.err()
    );
    let Ok(config) = config else {
        return;
    };
    let written = serde_json::to_value(&config).expect("it came from JSON");
    let again = shapes::from_value::<DistributionConfig>(&written);
    assert_eq!(again.as_ref(), Ok(&config), "the same once it was written");

    match compile("E1", "d1.test", &config, &POLICIES) {
        Err(errors) => {
            assert!(!errors.is_empty());
            assert!(errors.iter().all(|error| !error.message.is_empty()));
        }
        Ok(site) => {
            assert!(!site.behaviors.is_empty() && !site.origins.is_empty());
            for path in [&b"/"[..], b"/a/b.css?", b"/%2e/\xff"] {
                let (index, behavior) = site.behavior(path);
                assert!(
                    behavior
                        .target
                        .members()
                        .iter()
                        .all(|at| *at < site.origins.len())
                );
                assert!(behavior.pattern.matches(path) || index + 1 == site.behaviors.len());
                let _ = site.object_path(path);
            }
            let _ = (
                site.error_rule(404),
                site.error_min_secs(503),
                site.geo.allows(None),
            );
        }
    }
    let _ = edge::check::check(&config, &POLICIES);
});
