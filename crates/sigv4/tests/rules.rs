//! What is refused, with which code, and what is nearly so and accepted.

#![allow(clippy::unwrap_used)] // In helpers too, which clippy does not see as tests.

use sigv4::limits::{PRESIGNED_EXPIRES_SECS_DEFAULT, S3_SKEW_SECS_MAX, SKEW_SECS_MAX};
use sigv4::{
    Algorithm, Dialect, ErrorStyle, Request, SignError, Signer, Terms, Verified, Verifier,
    VerifyError, parse,
};

/// 2015-08-30T12:36:00Z.
const NOW: u64 = 1_440_938_160;
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const HEADER: &str = "AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1/sts/aws4_request, \
                      SignedHeaders=host;x-amz-date, Signature=";
const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

type Headers = Vec<(String, String)>;

fn headers(pairs: &[(&str, &str)]) -> Headers {
    let owned = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    owned.collect()
}

fn with_request<T>(query: &str, headers: &Headers, then: impl FnOnce(&Request<'_>) -> T) -> T {
    let headers: Vec<_> = (headers.iter())
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    then(&Request {
        method: "GET",
        path: "/",
        query,
        headers: &headers,
        body: b"",
    })
}

fn signer(dialect: Dialect) -> Signer<'static> {
    Signer {
        algorithm: Algorithm::HmacSha256,
        dialect,
        access_key_id: "AKID",
        secret: SECRET,
        session_token: None,
        region: "us-east-1",
        service: "sts",
    }
}

/// The headers of a signed request, the last of which is `authorization`.
fn signed_by(signer: &Signer<'_>, pairs: &[(&str, &str)]) -> Headers {
    let mut all = headers(pairs);
    let added = with_request("", &all, |request| signer.sign(request, NOW).unwrap());
    all.extend(
        added
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value)),
    );
    all
}

fn signed(pairs: &[(&str, &str)]) -> Headers {
    signed_by(&signer(Dialect::Common), pairs)
}

fn verify_at(
    now_secs: u64,
    dialect: Dialect,
    query: &str,
    headers: &Headers,
) -> Result<Verified, VerifyError> {
    with_request(query, headers, |request| {
        let presented = parse(request)?;
        let terms = Terms {
            now_secs,
            dialect,
            region: "us-east-1",
        };
        Verifier::default().verify(request, &presented, SECRET, &terms)
    })
}

fn verify(headers: &Headers) -> Result<Verified, VerifyError> {
    verify_at(NOW, Dialect::Common, "", headers)
}

/// Changes the `authorization` header, which is the last.
fn edited(mut headers: Headers, from: &str, to: &str) -> Headers {
    let value = &mut headers.last_mut().unwrap().1;
    assert!(value.contains(from));
    *value = value.replace(from, to);
    headers
}

fn answer(error: VerifyError, style: ErrorStyle) -> (&'static str, u16) {
    (error.code(style), error.status(style))
}

#[test]
fn a_request_without_a_signature_lacks_a_token() {
    let error = verify(&headers(&[("Host", "a")])).unwrap_err();
    assert_eq!(error, VerifyError::Missing);
    assert_eq!(
        answer(error.clone(), ErrorStyle::Xml),
        ("MissingAuthenticationToken", 403)
    );
    assert_eq!(
        answer(error.clone(), ErrorStyle::Json),
        ("MissingAuthenticationTokenException", 403)
    );
    assert_eq!(answer(error, ErrorStyle::S3), ("AccessDenied", 403));
}

#[test]
fn a_malformed_authorization_is_incomplete_and_the_message_says_what() {
    let good = format!("{HEADER}{ZEROS}");
    for (from, to, said) in [
        ("AWS4-HMAC-SHA256", "Bearer", "\"Bearer\""),
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512", "AWS4-HMAC-SHA512"),
        (
            "Credential=AKID/20150830/us-east-1/sts/aws4_request, ",
            "",
            "lacks Credential",
        ),
        ("SignedHeaders=host;x-amz-date, ", "", "lacks SignedHeaders"),
        (", Signature=", ", Signatur=", "\"Signatur\""),
        (
            ", Signature=",
            ", Signature=1, Signature=",
            "Signature twice",
        ),
        ("us-east-1/", "", "REGION"),
        ("AKID/", "AKID/x/", "KEY-ID"),
        ("AKID/", "/", "KEY-ID"),
        ("AKID/", "A KID/", "KEY-ID"),
        ("20150830", "2015083", "YYYYMMDD"),
        ("20150830", "2015083x", "YYYYMMDD"),
        ("aws4_request", "aws5_request", "aws4_request"),
        ("host;x-amz-date", "Host;x-amz-date", "\"Host\""),
        ("host;x-amz-date", "x-amz-date;host", "sorted"),
        ("host;x-amz-date", "host;host;x-amz-date", "sorted"),
        ("host;x-amz-date", "host;;x-amz-date", "\"\""),
        ("=0000", "=000", "64"),
        ("=0000", "=000A", "64"),
        ("=0000", "=000g", "64"),
    ] {
        assert!(good.contains(from), "{from}");
        let authorization = good.replacen(from, to, 1);
        let fields = [
            ("Host", "a"),
            ("X-Amz-Date", "20150830T123600Z"),
            ("Authorization", &authorization),
        ];
        let error = verify(&headers(&fields)).unwrap_err();
        assert!(matches!(error, VerifyError::Incomplete(_)), "{to}: {error}");
        assert!(error.to_string().contains(said), "{to}: {error}");
        let (code, status) = answer(error, ErrorStyle::Xml);
        assert_eq!((code, status), ("IncompleteSignature", 400));
    }
}

#[test]
fn an_authorization_that_is_too_long_or_names_too_many_headers_is_refused() {
    let long = edited(signed(&[("Host", "a")]), "host;", &"host;".repeat(2_000));
    assert!(verify(&long).unwrap_err().to_string().contains("8192"));
    let names: Vec<_> = (0..200).map(|number| format!("x{number:03}")).collect();
    let many = edited(signed(&[("Host", "a")]), "host;", &(names.join(";") + ";"));
    assert!(verify(&many).unwrap_err().to_string().contains("128"));
}

#[test]
fn what_may_stand_once_is_refused_twice() {
    let request = signed(&[("Host", "a")]);
    for name in ["host", "x-amz-date", "authorization"] {
        let mut twice = request.clone();
        let field = twice
            .iter()
            .find(|field| field.0.eq_ignore_ascii_case(name))
            .unwrap();
        twice.push((name.to_uppercase(), field.1.clone()));
        let error = verify(&twice).unwrap_err();
        assert!(matches!(error, VerifyError::Incomplete(_)), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let presigned = format!("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={ZEROS}");
    let error = verify_at(NOW, Dialect::Common, &presigned, &request).unwrap_err();
    assert!(error.to_string().contains("one in the query"), "{error}");
}

#[test]
fn the_host_the_date_and_every_amz_header_must_be_signed() {
    let not_signed = |headers: &Headers| match verify(headers).unwrap_err() {
        VerifyError::NotSigned(name) => name,
        other => panic!("{other}"),
    };
    let request = signed(&[("Host", "a")]);
    assert_eq!(
        not_signed(&edited(request.clone(), "host;x-amz-date", "x-amz-date")),
        "host"
    );
    assert_eq!(
        not_signed(&edited(request.clone(), ";x-amz-date", "")),
        "x-amz-date"
    );
    for name in [
        "X-Amz-Target",
        "x-amz-security-token",
        "x-amz-content-sha256",
    ] {
        let mut more = headers(&[(name, "x")]);
        more.extend(request.clone());
        assert_eq!(not_signed(&more), name.to_lowercase());
    }
    let mut dated = signed(&[("Host", "a")]);
    dated[1] = (
        "Date".to_owned(),
        "Sun, 30 Aug 2015 12:36:00 GMT".to_owned(),
    );
    assert_eq!(not_signed(&edited(dated, ";x-amz-date", "")), "date");
}

#[test]
fn a_signed_header_that_is_not_there_is_named() {
    let request = edited(signed(&[("Host", "a")]), "host;", "host;if-match;");
    let error = verify(&request).unwrap_err();
    assert_eq!(error, VerifyError::NotSent("if-match".to_owned()));
}

#[test]
fn clocks_may_differ_by_five_minutes_and_for_s3_by_fifteen() {
    for (dialect, skew_secs) in [
        (Dialect::Common, SKEW_SECS_MAX),
        (Dialect::S3, S3_SKEW_SECS_MAX),
    ] {
        let request = signed_by(&signer(dialect), &[("Host", "a")]);
        let at = |now_secs| verify_at(now_secs, dialect, "", &request);
        assert_eq!(at(NOW).unwrap().valid_until_secs, NOW + skew_secs);
        assert!(at(NOW + skew_secs).is_ok() && at(NOW - skew_secs).is_ok());
        let late = at(NOW + skew_secs + 1).unwrap_err();
        let early = at(NOW - skew_secs - 1).unwrap_err();
        assert!(matches!(late, VerifyError::Expired { .. }), "{late}");
        assert!(matches!(early, VerifyError::NotYetValid { .. }), "{early}");
        assert!(late.to_string().contains("20150830T123600Z"), "{late}");
        assert!(
            early
                .to_string()
                .contains(&format!("{} seconds", skew_secs + 1))
        );
        for error in [late, early] {
            let xml = answer(error.clone(), ErrorStyle::Xml);
            assert_eq!(xml, ("SignatureDoesNotMatch", 403));
            let json = answer(error.clone(), ErrorStyle::Json);
            assert_eq!(json, ("InvalidSignatureException", 403));
            assert_eq!(answer(error, ErrorStyle::S3), ("RequestTimeTooSkewed", 403));
        }
    }
}

#[test]
fn the_scope_is_of_the_day_of_the_date() {
    let request = edited(signed(&[("Host", "a")]), "/20150830/", "/20150831/");
    let error = verify(&request).unwrap_err();
    assert!(
        matches!(error, VerifyError::WrongScopeDate { .. }),
        "{error}"
    );
    assert_eq!(
        answer(error, ErrorStyle::Xml),
        ("SignatureDoesNotMatch", 403)
    );
}

#[test]
fn a_presigned_url_is_valid_from_its_date_to_its_end() {
    let host = headers(&[("Host", "a")]);
    let signer = signer(Dialect::S3);
    let query = with_request("x=y", &host, |request| {
        signer.presign(request, NOW, 604_800)
    });
    let query = query.unwrap();
    let at = |now_secs| verify_at(now_secs, Dialect::S3, &query, &host);
    assert!(at(NOW).is_ok() && at(NOW + 604_800).is_ok());
    let error = at(NOW + 604_801).unwrap_err();
    assert_eq!(answer(error, ErrorStyle::S3), ("AccessDenied", 403));
    assert!(at(NOW - S3_SKEW_SECS_MAX - 1).is_err());
    for wrong in ["0", "604801", "-1", "+1", "x", "", "99999999999999999999"] {
        let query = query.replace("Expires=604800", &format!("Expires={wrong}"));
        let error = verify_at(NOW, Dialect::S3, &query, &host).unwrap_err();
        assert!(
            error.to_string().contains("1 to 604800"),
            "{wrong}: {error}"
        );
    }
    let twice = format!("{query}&X-Amz-Expires=1");
    let error = verify_at(NOW, Dialect::S3, &twice, &host).unwrap_err();
    assert!(error.to_string().contains("twice"), "{error}");
    for expires_secs in [0, 604_801] {
        let refused = with_request("", &host, |request| {
            signer.presign(request, NOW, expires_secs)
        });
        assert_eq!(refused, Err(SignError::Expires(expires_secs)));
    }
}

#[test]
fn a_presigned_url_without_an_end_is_valid_for_a_quarter_of_an_hour_but_not_for_s3() {
    let host = headers(&[("Host", "a")]);
    // Made by an independent implementation.
    let query = "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256\
                 &X-Amz-Credential=AKID%2F20150830%2Fus-east-1%2Fsts%2Faws4_request\
                 &X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host\
                 &X-Amz-Signature=fa1cc18ba034bfbd35468b3b9ee18b921133df6c15a1a43937a9f58ad2cd8728";
    let at = |now_secs| verify_at(now_secs, Dialect::Common, query, &host);
    assert!(at(NOW).is_ok() && at(NOW + PRESIGNED_EXPIRES_SECS_DEFAULT).is_ok());
    let late = at(NOW + PRESIGNED_EXPIRES_SECS_DEFAULT + 1).unwrap_err();
    assert!(matches!(
        late,
        VerifyError::Expired {
            is_presigned: true,
            ..
        }
    ));
    let error = verify_at(NOW, Dialect::S3, query, &host).unwrap_err();
    assert!(error.to_string().contains("lacks X-Amz-Expires"), "{error}");
}

#[test]
fn only_s3_accepts_a_body_that_is_not_signed() {
    let fields = [("Host", "a"), ("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD")];
    let s3 = signed_by(&signer(Dialect::S3), &fields);
    assert!(verify_at(NOW, Dialect::S3, "", &s3).is_ok());
    let error = verify(&signed(&fields)).unwrap_err();
    assert_eq!(
        error,
        VerifyError::PayloadForm("UNSIGNED-PAYLOAD".to_owned())
    );
    assert_eq!(
        answer(error, ErrorStyle::Xml),
        ("SignatureDoesNotMatch", 403)
    );
    for value in ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "", "é"] {
        let fields = [("Host", "a"), ("x-amz-content-sha256", value)];
        let request = signed_by(&signer(Dialect::S3), &fields);
        let error = verify_at(NOW, Dialect::S3, "", &request).unwrap_err();
        assert!(matches!(error, VerifyError::PayloadForm(_)), "{error}");
        assert_eq!(answer(error, ErrorStyle::S3), ("InvalidArgument", 400));
    }
}

#[test]
fn a_hash_that_is_not_the_bodys_is_refused_although_it_is_signed() {
    let fields = [("Host", "a"), ("X-Amz-Content-SHA256", ZEROS)];
    let error = verify(&signed(&fields)).unwrap_err();
    assert_eq!(error, VerifyError::PayloadMismatch);
    assert_eq!(
        answer(error.clone(), ErrorStyle::Xml),
        ("SignatureDoesNotMatch", 403)
    );
    assert_eq!(
        answer(error, ErrorStyle::S3),
        ("XAmzContentSHA256Mismatch", 400)
    );
}

#[test]
fn a_region_set_must_cover_the_region_and_be_signed() {
    let with = |region| Signer {
        algorithm: Algorithm::EcdsaP256Sha256,
        region,
        ..signer(Dialect::Common)
    };
    for covering in ["*", "us-east-1", "eu-west-1,us-east-1", "eu-west-1, us-*"] {
        assert!(
            verify(&signed_by(&with(covering), &[("Host", "a")])).is_ok(),
            "{covering}"
        );
    }
    for other in ["us-east-2", "eu-*", "us-east", "", "US-EAST-1"] {
        let error = verify(&signed_by(&with(other), &[("Host", "a")])).unwrap_err();
        assert!(
            matches!(error, VerifyError::WrongRegionSet { .. }),
            "{other}: {error}"
        );
    }
    let request = signed_by(&with("*"), &[("Host", "a")]);
    let unsigned = edited(request.clone(), ";x-amz-region-set", "");
    let error = verify(&unsigned).unwrap_err();
    assert_eq!(error, VerifyError::NotSigned("x-amz-region-set".to_owned()));
    let mut without = request;
    without.retain(|(name, _)| name != "x-amz-region-set");
    assert!(
        verify(&without)
            .unwrap_err()
            .to_string()
            .contains("X-Amz-Region-Set")
    );
}

#[test]
fn a_verifier_that_knows_the_key_still_refuses_another_secret() {
    let verifier = Verifier::default();
    for algorithm in [Algorithm::HmacSha256, Algorithm::EcdsaP256Sha256] {
        let signer = Signer {
            algorithm,
            ..signer(Dialect::Common)
        };
        let fields = signed_by(&signer, &[("Host", "a")]);
        with_request("", &fields, |request| {
            let presented = parse(request).unwrap();
            let terms = Terms {
                now_secs: NOW,
                dialect: Dialect::Common,
                region: "us-east-1",
            };
            let verify = |secret| verifier.verify(request, &presented, secret, &terms);
            for _ in 0..2 {
                assert!(verify(SECRET).is_ok());
                assert_eq!(verify("another"), Err(VerifyError::SignatureMismatch));
            }
        });
    }
}

#[test]
fn what_is_signed_already_or_has_no_host_is_not_signed() {
    let signer = signer(Dialect::Common);
    let sign = |pairs: &[(&str, &str)]| {
        with_request("", &headers(pairs), |request| signer.sign(request, NOW)).unwrap_err()
    };
    assert_eq!(sign(&[("accept", "*/*")]), SignError::NoHost);
    for name in ["Authorization", "X-Amz-Date"] {
        let error = sign(&[("Host", "a"), (name, "x")]);
        assert_eq!(error, SignError::AlreadySigned(name.to_lowercase()));
    }
    let host = headers(&[("Host", "a")]);
    for query in ["X-Amz-Date=1", "a=b&%58-Amz-Date"] {
        let error = SignError::AlreadySigned("X-Amz-Date".to_owned());
        with_request(query, &host, |request| {
            let presigned = signer.presign(request, NOW, 60);
            assert_eq!(presigned.unwrap_err(), error);
            assert_eq!(signer.sign(request, NOW).unwrap_err(), error);
        });
    }
}
