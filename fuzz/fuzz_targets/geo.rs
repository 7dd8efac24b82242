//! `.mmdb` files: refused or compiled, and then asked for every kind of address.

#![no_main]

use geo::Geo;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|database: &[u8]| {
    let Ok(geo) = Geo::compile(database) else {
        return;
    };
    for address in [
        "0.0.0.0",
        "1.2.3.4",
        "81.2.69.160",
        "255.255.255.255",
        "::",
        "2001:db8::1",
        "::ffff:1.2.3.4",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ] {
        let address = address.parse().expect("an address");
        if let Some(location) = geo.lookup(address) {
            let code = location.country_code();
            assert!(code.is_none_or(|code| code.len() == 2));
            assert!(
                location
                    .city
                    .as_ref()
                    .is_none_or(|city| { city.len() <= geo::limits::TEXT_BYTES_MAX })
            );
        }
    }
    let _ = (geo.database_type(), geo.built_at_secs(), geo.counts());
});
