//! Session tickets: what was not issued here opens nothing, and what was opens where it was.

#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use secrets::Secrets;
use tls::Tickets;

static TICKETS: LazyLock<Arc<Tickets>> = LazyLock::new(|| {
    Tickets::with_clock(Arc::new(Secrets::new([7; secrets::KEY_BYTES])), || {
        1_800_000_000
    })
});

fuzz_target!(|data: &[u8]| {
    let here = TICKETS.for_context(b"here");
    assert_eq!(here.decrypt(data), None);
    if let Some(ticket) = here.encrypt(data) {
        assert_eq!(here.decrypt(&ticket).as_deref(), Some(data));
        assert_eq!(TICKETS.for_context(b"there").decrypt(&ticket), None);
    }
});
