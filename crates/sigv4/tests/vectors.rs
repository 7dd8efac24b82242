//! Requests as AWS's own signers sign them: `make_vectors.py` makes `vectors.json`.

#![allow(clippy::unwrap_used)] // In helpers too, which clippy does not see as tests.

use serde::Deserialize;
use sigv4::{Algorithm, Dialect, Form, Request, Signer, Terms, Verified, Verifier, VerifyError};

#[derive(Deserialize)]
struct Document {
    now: u64,
    access_key_id: String,
    secret: String,
    vectors: Vec<Vector>,
}

#[derive(Clone, Deserialize)]
struct Vector {
    name: String,
    service: String,
    dialect: String,
    token: Option<String>,
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Vector {
    fn dialect(&self) -> Dialect {
        match self.dialect.as_str() {
            "s3" => Dialect::S3,
            _ => Dialect::Common,
        }
    }

    fn with_request<T>(&self, then: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<_> = (self.headers.iter())
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        then(&Request {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &headers,
            body: self.body.as_bytes(),
        })
    }

    fn verify(&self, secret: &str, now_secs: u64) -> Result<Verified, VerifyError> {
        self.with_request(|request| {
            let presented = sigv4::parse(request)?;
            let terms = Terms {
                now_secs,
                dialect: self.dialect(),
                region: "us-east-1",
            };
            Verifier::default().verify(request, &presented, secret, &terms)
        })
    }
}

fn document() -> Document {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

#[test]
fn what_the_signers_of_aws_sign_is_accepted_and_read_as_they_meant_it() {
    let document = document();
    assert!(document.vectors.len() > 60);
    for vector in &document.vectors {
        let presented = vector.with_request(sigv4::parse).expect(&vector.name);
        let credential = &presented.credential;
        assert_eq!(credential.access_key_id, document.access_key_id);
        assert_eq!(credential.service, vector.service, "{}", vector.name);
        assert_eq!(presented.session_token, vector.token, "{}", vector.name);
        assert_eq!(presented.signed_secs, document.now, "{}", vector.name);
        let is_asymmetric = vector.name.starts_with("sigv4a");
        assert_eq!(
            credential.region.is_none(),
            is_asymmetric,
            "{}",
            vector.name
        );
        assert_eq!(presented.region_set.is_some(), is_asymmetric);
        let is_presigned = vector.name.contains("presigned");
        assert_eq!(presented.form != Form::Header, is_presigned);
        let verified = vector.verify(&document.secret, document.now);
        assert!(verified.is_ok(), "{}: {verified:?}", vector.name);
    }
}

#[test]
fn another_secret_is_refused() {
    let document = document();
    for vector in &document.vectors {
        assert_eq!(
            vector.verify("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEZ", document.now),
            Err(VerifyError::SignatureMismatch),
            "{}",
            vector.name
        );
    }
}

#[test]
fn an_altered_request_is_refused() {
    let document = document();
    type Alteration = (&'static str, fn(&mut Vector));
    let alterations: [Alteration; 5] = [
        ("method", |vector| vector.method.push('X')),
        ("path", |vector| vector.path.push('x')),
        ("query", |vector| vector.query.push_str("&x")),
        ("host", |vector| {
            let host = |field: &&mut (String, String)| field.0.eq_ignore_ascii_case("host");
            vector.headers.iter_mut().find(host).unwrap().1.push('x');
        }),
        ("body", |vector| vector.body.push('x')),
    ];
    for vector in &document.vectors {
        for (what, alter) in alterations {
            let mut altered = vector.clone();
            alter(&mut altered);
            // S3's presigned URLs and this one leave the body out.
            let is_free = what == "body"
                && (vector.name.starts_with("presigned s3")
                    || vector.name == "s3 unsigned payload");
            let outcome = altered.verify(&document.secret, document.now);
            assert_eq!(outcome.is_ok(), is_free, "{} {what}", vector.name);
        }
    }
}

#[test]
fn our_signer_makes_the_signature_that_botocore_makes() {
    let document = document();
    let mut compared = 0;
    for vector in &document.vectors {
        let presented = vector.with_request(sigv4::parse).expect(&vector.name);
        let has_date = vector.headers.iter().any(|(name, _)| name == "X-Amz-Date");
        // Clients send headers that they did not have yet when they signed.
        let is_whole = ["service", "s3"].contains(&vector.service.as_str())
            && !vector.name.starts_with("s3 object");
        if !is_whole || presented.form != Form::Header || !has_date {
            continue;
        }
        let mut unsigned = vector.clone();
        unsigned.headers.retain(|(name, _)| {
            !["X-Amz-Date", "X-Amz-Security-Token", "Authorization"].contains(&name.as_str())
        });
        let signer = Signer {
            algorithm: Algorithm::HmacSha256,
            dialect: vector.dialect(),
            access_key_id: &document.access_key_id,
            secret: &document.secret,
            session_token: vector.token.as_deref(),
            region: presented.credential.region.as_deref().unwrap(),
            service: &vector.service,
        };
        let added = unsigned.with_request(|request| signer.sign(request, document.now));
        let (_, ours) = added.unwrap().pop().unwrap();
        let theirs = vector
            .headers
            .iter()
            .find(|(name, _)| name == "Authorization");
        assert_eq!(Some(&ours), theirs.map(|field| &field.1), "{}", vector.name);
        compared += 1;
    }
    assert!(compared > 50, "{compared}");
}
