//! Stored heads: what goes in comes out, and damage does no harm.

#![no_main]

use cache::headblock;
use libfuzzer_sys::fuzz_target;
use message::Fields;
use warmfront_fuzz::fields;

fuzz_target!(|data: &[u8]| {
    let sent = fields(data);
    let block = headblock::encode(&sent);
    let mut stored = Fields::new();
    headblock::decode_into(&block, &mut stored);
    let pairs = |fields: &Fields| -> Vec<(Vec<u8>, Vec<u8>)> {
        let lower = |(name, value): (&[u8], &[u8])| (name.to_ascii_lowercase(), value.to_vec());
        fields.iter().map(lower).collect()
    };
    assert_eq!(pairs(&sent), pairs(&stored));
    let mut wire = Vec::new();
    headblock::write_wire(&block, &mut wire);
    assert_eq!(wire, stored.as_wire());
    for (name, _) in sent.iter() {
        let name = std::str::from_utf8(name).expect("names are ASCII");
        let found = headblock::find(&block, name).expect("it is in there");
        assert_eq!(Some(&*found.to_bytes()), sent.get(name));
    }

    // Arbitrary bytes where a block should be.
    let mut damaged = Fields::new();
    headblock::decode_into(data, &mut damaged);
    let _ = headblock::find(data, "etag").map(|value| value.date_secs());
});
