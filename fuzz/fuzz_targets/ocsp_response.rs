//! OCSP responses: nothing counts but what was signed, by keys that nobody has any more: what is
//! in the seeds.

#![no_main]

use std::sync::LazyLock;

use certificates::Certificate;
use certificates::ocsp::{self, Status};
use libfuzzer_sys::fuzz_target;

const LEAF: &str = "\
-----BEGIN CERTIFICATE-----
MIICAjCCAaigAwIBAgIDAPABMAoGCCqGSM49BAMCMCAxDTALBgNVBAoMBFRlc3Qx
DzANBgNVBAMMBmlzc3VlcjAeFw0yNjExMjExODU0NDdaFw0zNjExMTgxODU0NDda
MBYxFDASBgNVBAMMC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD
QgAE68OG0HhAxXDxSGyEiuHqnrxwFxtJes2c1C0xdlAZD8baStuYUQFLw/pMeloo
L9HIi2/hOly42lrTTc9+EAUQSKOB2jCB1zAJBgNVHRMEAjAAMCUGA1UdEQQeMByC
C2V4YW1wbGUuY29tgg0qLmV4YW1wbGUuY29tMA4GA1UdDwEB/wQEAwIHgDAdBgNV
HSUEFjAUBggrBgEFBQcDAQYIKwYBBQUHAwIwNAYIKwYBBQUHAQEEKDAmMCQGCCsG
AQUFBzABhhhodHRwOi8vb2NzcC5leGFtcGxlLmNvbS8wHQYDVR0OBBYEFETjOcWd
KPy4wDHNpM8A+V+cxEXWMB8GA1UdIwQYMBaAFH0RqTUCUQfBEai9OLGUe47tRAHF
MAoGCCqGSM49BAMCA0gAMEUCIB/guxMqcQNyozGCB1Z5KlEAuRq+piJSlfKiByT9
us/iAiEAiyWXzsxSPnDvjjxfb2phqSpiNxqaxjywcP9h6EGHLuY=
-----END CERTIFICATE-----";

const ISSUER: &str = "\
-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUMNseRa2SBTFJ83jvK7ZCaUnlEfQwCgYIKoZIzj0EAwIw
IDENMAsGA1UECgwEVGVzdDEPMA0GA1UEAwwGaXNzdWVyMB4XDTI2MTEyMTE4NTQ0
N1oXDTM2MTExODE4NTQ0N1owIDENMAsGA1UECgwEVGVzdDEPMA0GA1UEAwwGaXNz
dWVyMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZsJoAQER1ew2/C7d8WRvPsjh
EomzNjyIvqGYMGDDkDYAbttX9viRF/g6IgCw/INSOODKfVhe7w3isoQOiDUvtaNT
MFEwHQYDVR0OBBYEFH0RqTUCUQfBEai9OLGUe47tRAHFMB8GA1UdIwQYMBaAFH0R
qTUCUQfBEai9OLGUe47tRAHFMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID
SAAwRQIgUrxUPwyfGkUULxdAGI3pa4TiGhkeS0rIuptLWvp3lPMCIQDmDO3qTmhK
DzpqaHQYhfncSNaZbzjIee4OqA/ywnWa9A==
-----END CERTIFICATE-----";

/// Some hours after the seeds were signed.
const NOW: u64 = SIGNED + 20_000;
const SIGNED: u64 = 1_795_287_287;

static CERTIFICATES: LazyLock<[Certificate; 2]> =
    LazyLock::new(|| [LEAF, ISSUER].map(|pem| Certificate::from_pem(pem).expect("a certificate")));

fuzz_target!(|data: &[u8]| {
    let [leaf, issuer] = &*CERTIFICATES;
    if let Ok(response) = ocsp::read(data, leaf, issuer, NOW) {
        assert!(response.this_update_secs.abs_diff(SIGNED) < 60);
        assert!(response.next_update_secs.is_none_or(|next| next > NOW));
        let superseded = Status::Revoked {
            at_secs: 1_767_323_045,
            reason: "SUPERSEDED",
        };
        assert!([Status::Good, superseded].contains(&response.status));
    }
});
