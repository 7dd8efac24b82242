//! Policies of access keys: refused with a reason, or they decide about anything and survive being
//! stored.

#![no_main]

use control::identity::Policy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Policy::parse(text) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(policy) => {
            let stored = serde_json::to_string(&policy).expect("policies are JSON");
            let again: Policy = serde_json::from_str(&stored).expect("what was stored is read");
            for (action, resource) in [
                (
                    "cloudfront:CreateInvalidation",
                    "arn:aws:cloudfront::1:distribution/E1",
                ),
                ("warmfront:Rollback", "*"),
                ("", ""),
            ] {
                assert_eq!(
                    policy.decide(action, resource).is_allowed(),
                    again.decide(action, resource).is_allowed()
                );
            }
        }
    }
});
