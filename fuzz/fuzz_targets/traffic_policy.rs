//! Documents of traffic policies: whatever is read is a graph without holes, and whatever is not
//! says why.

#![no_main]

use documents::traffic_policy::{Target, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    match parse(&text) {
        Ok(tree) => {
            let branches = tree.rules.values().flat_map(|rule| rule.branches());
            let targets = branches.map(|branch| &branch.target);
            for target in targets.chain([&tree.start]) {
                assert!(match target {
                    Target::Endpoint(name) => tree.endpoints.contains_key(name),
                    Target::Rule(name) => tree.rules.contains_key(name),
                });
            }
        }
        Err(errors) => assert!(!errors.is_empty()),
    }
});
