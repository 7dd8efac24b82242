//! OCSP with OpenSSL as the responder.

#![allow(clippy::unwrap_used)]

mod common;

use certificates::Certificate;
use certificates::ocsp::{OcspError, Response, Status, read, request};
use common::{DAY, NOW, OpenSsl, make};

/// An issuer, somebody to whom it delegates answering, somebody else, and certificates.
struct World {
    openssl: OpenSsl,
    leaf: Certificate,
    issuer: Certificate,
}

fn world() -> Option<World> {
    let openssl = OpenSsl::find()?;
    let leaf = "basicConstraints=CA:FALSE\nsubjectAltName=DNS:example.com\n";
    openssl.write("leaf.cnf", leaf);
    openssl.write("delegate.cnf", "extendedKeyUsage=OCSPSigning\n");
    openssl.write("plain.cnf", "extendedKeyUsage=serverAuth\n");
    let subject = |name: &str| format!("-subj /O=Test/CN={name}");
    for name in ["issuer", "stranger"] {
        openssl.run(&format!(
            "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out {name}.key"
        ));
        let subject = subject(name);
        openssl.run(&format!(
            "req -x509 -key {name}.key {subject} -out {name}.pem"
        ));
    }
    let made = [
        ("leaf", "issuer", "leaf"),
        ("delegate", "issuer", "delegate"),
        ("plain", "issuer", "plain"),
        ("foreign", "stranger", "delegate"),
    ];
    for ((name, by, extensions), serial) in made.into_iter().zip(0xf001..) {
        openssl.run(&format!(
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {name}.key"
        ));
        let subject = subject(name);
        openssl.run(&format!(
            "req -new -key {name}.key {subject} -out {name}.csr"
        ));
        openssl.run(&format!(
            "x509 -req -in {name}.csr -CA {by}.pem -CAkey {by}.key -set_serial {serial} \
             -extfile {extensions}.cnf -days 30 -out {name}.pem"
        ));
    }
    let read = |name: &str| Certificate::from_pem(openssl.read(name)).unwrap();
    let (leaf, issuer) = (read("leaf.pem"), read("issuer.pem"));
    Some(World {
        openssl,
        leaf,
        issuer,
    })
}

impl World {
    /// What the responder says: the line of its index for the certificate, who signs, and more
    /// arguments.
    fn answer(&self, line: &str, signer: &str, more: &str) -> Vec<u8> {
        self.openssl.write("index.txt", line.replace(' ', "\t"));
        self.openssl
            .write("request.der", request(&self.leaf, &self.issuer));
        self.openssl.run(&format!(
            "ocsp -index index.txt -CA issuer.pem -rsigner {signer}.pem -rkey {signer}.key \
             -reqin request.der -respout response.der {more}"
        ));
        self.openssl.read("response.der")
    }

    fn read(&self, der: &[u8], now: u64) -> Result<Response, OcspError> {
        read(der, &self.leaf, &self.issuer, now)
    }

    /// By the clock of the machine, which the responder goes by.
    fn now(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.unwrap().as_secs()
    }
}

const GOOD: &str = "V 491231235959Z  F001 unknown /O=Test/CN=leaf\n";
const REVOKED: &str = "R 491231235959Z 260102030405Z,keyCompromise F001 unknown /O=Test/CN=leaf\n";

#[test]
fn a_responder_tells_how_a_certificate_stands() {
    let Some(world) = world() else { return };
    let status = |line| {
        let answer = world.answer(line, "issuer", "-ndays 7");
        world.read(&answer, world.now()).unwrap().status
    };
    assert_eq!(status(GOOD), Status::Good);
    // 2026-01-02 03:04:05
    let (at_secs, reason) = (1_767_323_045, "KEY_COMPROMISE");
    assert_eq!(status(REVOKED), Status::Revoked { at_secs, reason });
    let without = REVOKED.replace(",keyCompromise", "");
    let reason = "UNSPECIFIED";
    assert_eq!(status(&without), Status::Revoked { at_secs, reason });
    assert_eq!(status(&GOOD.replace("F001", "F009")), Status::Unknown);
}

#[test]
fn who_answers_is_the_issuer_or_whom_it_lets_answer() {
    let Some(world) = world() else { return };
    for signer in ["issuer", "delegate"] {
        for more in ["-ndays 7", "-ndays 7 -resp_key_id"] {
            let answer = world.answer(GOOD, signer, more);
            let read = world.read(&answer, world.now()).unwrap();
            assert_eq!(read.status, Status::Good, "{signer} {more}");
        }
    }
    let without = world.answer(GOOD, "issuer", "-ndays 7 -resp_no_certs");
    assert!(world.read(&without, world.now()).is_ok());
    for signer in ["stranger", "plain", "foreign", "leaf"] {
        let answer = world.answer(GOOD, signer, "-ndays 7");
        assert_eq!(
            world.read(&answer, world.now()),
            Err(OcspError::Signer),
            "{signer}"
        );
    }
    let without = world.answer(GOOD, "delegate", "-ndays 7 -resp_no_certs");
    assert_eq!(world.read(&without, world.now()), Err(OcspError::Signer));
}

#[test]
fn an_answer_counts_in_its_time_alone() {
    let Some(world) = world() else { return };
    let answer = world.answer(GOOD, "issuer", "-ndays 7");
    let response = world.read(&answer, world.now()).unwrap();
    let (this, next) = (
        response.this_update_secs,
        response.next_update_secs.unwrap(),
    );
    assert_eq!(next - this, 7 * DAY);
    assert!(world.now() - this < 60);
    assert!(world.read(&answer, next).is_ok());
    let outdated = OcspError::Outdated {
        outdated_secs: next,
    };
    assert_eq!(world.read(&answer, next + 1), Err(outdated));
    assert!(world.read(&answer, this - 300).is_ok());
    let early = OcspError::Early {
        this_update_secs: this,
    };
    assert_eq!(world.read(&answer, this - 301), Err(early));

    let endless = world.answer(GOOD, "issuer", "");
    let response = world.read(&endless, world.now()).unwrap();
    assert_eq!(response.next_update_secs, None);
    let outdated_secs = response.this_update_secs + DAY;
    assert!(world.read(&endless, outdated_secs).is_ok());
    let outdated = OcspError::Outdated { outdated_secs };
    assert_eq!(world.read(&endless, outdated_secs + 1), Err(outdated));
    // The delegate's certificate has an end, too.
    let by_delegate = world.answer(GOOD, "delegate", "-ndays 60");
    assert!(world.read(&by_delegate, world.now() + 29 * DAY).is_ok());
    let late = world.read(&by_delegate, world.now() + 31 * DAY);
    assert_eq!(late, Err(OcspError::Signer));
}

#[test]
fn an_answer_for_another_certificate_or_with_a_touched_byte_is_refused() {
    let Some(world) = world() else { return };
    let (answer, now) = (world.answer(GOOD, "delegate", "-ndays 7"), world.now());
    let other = Certificate::from_pem(world.openssl.read("plain.pem")).unwrap();
    assert_eq!(
        read(&answer, &other, &world.issuer, now),
        Err(OcspError::Other)
    );
    let expected = world.read(&answer, now);
    for at in 0..answer.len() {
        let mut touched = answer.clone();
        touched[at] ^= 1;
        let read = world.read(&touched, now);
        assert!(read.is_err() || read == expected, "{at}: {read:?}");
        assert!(world.read(&answer[..at], now).is_err(), "{at}");
    }
    let long = [&answer[..], &[0]].concat();
    assert_eq!(world.read(&long, now), Err(OcspError::Form));
}

#[test]
fn openssl_verifies_the_request_and_finds_the_certificate_in_it() {
    let Some(world) = world() else { return };
    world
        .openssl
        .write("ours.der", request(&world.leaf, &world.issuer));
    let ours = world.openssl.run("ocsp -reqin ours.der -req_text");
    world
        .openssl
        .run("ocsp -issuer issuer.pem -cert leaf.pem -no_nonce -reqout theirs.der");
    assert_eq!(
        world.openssl.read("ours.der"),
        world.openssl.read("theirs.der"),
        "{ours}"
    );
}

#[test]
fn a_responder_that_does_not_answer_is_told_apart_from_nonsense() {
    let issuer = make("issuer", true, None, |_| {});
    let leaf = make("example.com", false, Some(&issuer), |_| {});
    let read = |der: &[u8]| read(der, &leaf.certificate, &issuer.certificate, NOW).unwrap_err();
    assert_eq!(
        read(&[0x30, 3, 0x0a, 1, 6]),
        OcspError::Refused { status: 6 }
    );
    assert_eq!(
        read(&[0x30, 3, 0x0a, 1, 3]),
        OcspError::Refused { status: 3 }
    );
    for nonsense in [&[][..], &[0x30, 0], &[0x30, 3, 0x0a, 1, 0], b"<html>"] {
        assert_eq!(read(nonsense), OcspError::Form);
    }
    assert_eq!(read(&[0; 70_000]), OcspError::TooLong { bytes: 70_000 });
}
