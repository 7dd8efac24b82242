//! Signatures: whatever is presented is read or refused, what nobody signed is not accepted, and
//! what we sign is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sigv4::{Algorithm, Dialect, Form, Presented, Request, Signer, Terms, Verifier, limits};
use warmfront_fuzz::{lines, number};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const NOW: u64 = 1_772_368_496;

fuzz_target!(|data: &[u8]| {
    let ([how, method, path, query, body], rest) = lines::<5>(data);
    let how = number(how);
    let dialect = [Dialect::Common, Dialect::S3][(how & 1) as usize];
    let [Ok(method), Ok(path), Ok(query)] = [method, path, query].map(std::str::from_utf8) else {
        return;
    };
    let headers: Vec<(&str, &[u8])> = rest
        .split(|byte| *byte == b'\n')
        .filter_map(field)
        .collect();
    let request = Request {
        method,
        path,
        query,
        headers: &headers,
        body,
    };
    if let Ok(presented) = sigv4::parse(&request) {
        check_presented(&presented);
        // Seeds that hold good signatures are of this secret; no input has one of another.
        let terms = Terms {
            now_secs: presented.signed_secs,
            dialect,
            region: "us-east-1",
        };
        let verifier = Verifier::default();
        assert!(
            verifier
                .verify(&request, &presented, "another", &terms)
                .is_err()
        );
        if let Ok(verified) = verifier.verify(&request, &presented, SECRET, &terms) {
            assert!(verified.valid_until_secs >= presented.signed_secs);
        }
    }
    check_signing(&request, dialect, how);
});

fn field(line: &[u8]) -> Option<(&str, &[u8])> {
    let at = line.iter().position(|byte| *byte == b':')?;
    let name = std::str::from_utf8(&line[..at]).ok()?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let fits = !name.is_empty() && name.bytes().all(is_token);
    fits.then_some((name, &line[at + 1..]))
}

fn check_presented(presented: &Presented) {
    let credential = &presented.credential;
    let is_regional = presented.algorithm == Algorithm::HmacSha256;
    assert_eq!(credential.region.is_some(), is_regional);
    assert_eq!(presented.region_set.is_none(), is_regional);
    assert!(credential.access_key_id.len() <= limits::ACCESS_KEY_ID_BYTES_MAX);
    assert!(presented.signed_headers.len() <= limits::SIGNED_HEADERS_MAX);
    assert!(
        presented
            .signed_headers
            .is_sorted_by(|one, next| one < next)
    );
    if let Form::Query { expires_secs } = presented.form {
        let longest = limits::PRESIGNED_EXPIRES_SECS_MAX;
        assert!(expires_secs.is_none_or(|secs| (1..=longest).contains(&secs)));
    }
}

/// Signs the request, unless it has something of a signature already, and asks for a verdict.
fn check_signing(request: &Request<'_>, dialect: Dialect, how: u64) {
    let names = || {
        request
            .headers
            .iter()
            .map(|field| field.0.to_ascii_lowercase())
    };
    let has_one_host = names().filter(|name| name == "host").count() == 1;
    let is_free = names().all(|name| !name.starts_with("x-amz-"));
    let name_bytes: usize = names().map(|name| name.len() + 1).sum();
    let is_small = request.headers.len() < 100 && name_bytes < 4_096;
    if !(has_one_host && is_free && is_small) {
        return;
    }
    let algorithms = [Algorithm::HmacSha256, Algorithm::EcdsaP256Sha256];
    let signer = Signer {
        algorithm: algorithms[(how >> 1 & 1) as usize],
        dialect,
        access_key_id: "AKIDEXAMPLE",
        secret: SECRET,
        session_token: (how >> 2 & 1 == 1).then_some("token"),
        region: "us-east-1",
        service: "service",
    };
    if let Ok(query) = signer.presign(request, NOW, 60) {
        let query = query.as_str();
        let headers: Vec<_> = (request.headers.iter().copied())
            .filter(|field| !field.0.eq_ignore_ascii_case("authorization"))
            .collect();
        let headers = headers.as_slice();
        check_accepted(
            &Request {
                query,
                headers,
                ..*request
            },
            dialect,
        );
    }
    if let Ok(added) = signer.sign(request, NOW) {
        let mut headers = request.headers.to_vec();
        headers.extend(added.iter().map(|(name, value)| (*name, value.as_bytes())));
        let headers = headers.as_slice();
        check_accepted(
            &Request {
                headers,
                ..*request
            },
            dialect,
        );
    }
}

fn check_accepted(request: &Request<'_>, dialect: Dialect) {
    let presented = sigv4::parse(request).expect("we wrote it");
    let terms = Terms {
        now_secs: NOW,
        dialect,
        region: "us-east-1",
    };
    let verdict =
        |request: &Request<'_>| Verifier::default().verify(request, &presented, SECRET, &terms);
    assert!(verdict(request).is_ok());
    let method = format!("{}X", request.method);
    let method = method.as_str();
    assert!(verdict(&Request { method, ..*request }).is_err());
}
