//! Zone files: whatever is read in one is written so that it is read as the same, and whatever is
//! wrong is in one of its lines.

#![no_main]

use libfuzzer_sys::fuzz_target;
use records::Name;
use records::zone_file::{self, Limits};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let zone = Name::parse("example.com").expect("a name");
    match zone_file::parse(&text, &zone, Limits::default()) {
        Ok(records) => {
            let mut written = String::new();
            zone_file::write(&zone, &records, &mut written).expect("a String takes all");
            assert_eq!(
                zone_file::parse(&written, &zone, Limits::default()),
                Ok(records)
            );
        }
        Err(errors) => {
            let lines = text.lines().count();
            assert!(!errors.is_empty() && errors.len() <= Limits::default().errors);
            assert!(errors.iter().all(|error| (1..=lines).contains(&error.line)));
        }
    }
});
