//! Forms go in in pieces, and come out with the named fields encrypted and nothing else changed.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no tests to Clippy"
)]

mod sdk;

use std::sync::{Arc, LazyLock};

use field_encryption::limits::{BODY_BYTES_MAX, FRAME_BYTES, VALUE_BYTES_MAX};
use field_encryption::{Encryptor, Fault, Key, KeyError, Profile, Refusal};
use proptest::prelude::*;
use sdk::{decrypt, decrypt_value, profile, public_pem};

static CARD: LazyLock<Arc<Profile>> = LazyLock::new(|| profile(&["card", "secret_*", "a[b].c-d"]));

fn run<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Result<(String, u32), Fault> {
    let mut encryptor = Encryptor::new(Arc::clone(&CARD));
    let mut out = Vec::new();
    for piece in pieces {
        encryptor.push(piece, &mut out)?;
    }
    encryptor.finish(&mut out)?;
    Ok((
        String::from_utf8(out).unwrap(),
        encryptor.encrypted_fields(),
    ))
}

fn encrypted(body: &str) -> (String, u32) {
    run([body.as_bytes()]).unwrap()
}

fn refused(body: &str) -> Refusal {
    match run([body.as_bytes()]) {
        Err(Fault::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// The form with what its encrypted values say in brackets.
fn opened(form: &str) -> String {
    let fields = form.split('&').map(|field| match field.split_once('=') {
        Some((name, value)) => match decrypt_value(value) {
            Some(opened) => format!("{name}=<{}>", opened.plaintext.escape_ascii()),
            None => field.to_owned(),
        },
        None => field.to_owned(),
    });
    fields.collect::<Vec<_>>().join("&")
}

fn names(form: &str) -> Vec<&str> {
    let fields = form.split('&');
    fields
        .map(|field| field.split('=').next().unwrap())
        .collect()
}

#[test]
fn named_fields_are_encrypted_and_the_rest_passes_unchanged() {
    let (form, count) = encrypted("name=J%C3%B6+%zz&card=4111+1111%2B&x&=&secret_=&secret_a=b=c");
    assert_eq!(
        opened(&form),
        "name=J%C3%B6+%zz&card=<4111 1111+>&x&=&secret_=<>&secret_a=<b=c>"
    );
    assert_eq!(count, 3);
}

#[test]
fn an_encrypted_value_says_whose_key_opens_it() {
    let (form, _) = encrypted("card=1");
    let opened = decrypt_value(form.strip_prefix("card=").unwrap()).unwrap();
    assert_eq!(opened.provider_id, b"provider");
    assert_eq!(opened.key_name, b"name");
}

#[test]
fn the_same_value_is_never_encrypted_alike() {
    let (form, _) = encrypted("card=1&card=1");
    let (first, second) = form.split_once('&').unwrap();
    assert_ne!(first, second);
    assert_eq!(opened(&form), "card=<1>&card=<1>");
}

#[test]
fn names_are_compared_by_what_they_mean_and_by_case() {
    for (form, expected) in [
        ("c%61rd=1", "c%61rd=<1>"),
        ("%63%61%72%64=1", "%63%61%72%64=<1>"),
        ("a%5Bb%5D.c-d=1", "a%5Bb%5D.c-d=<1>"),
        ("Card=1", "Card=1"),
        ("card+=1", "card+=1"),
        ("cards=1", "cards=1"),
        ("car=1", "car=1"),
        ("secret=1", "secret=1"),
        ("secret%5fx=1", "secret%5fx=<1>"),
        ("&&card=1&", "&&card=<1>&"),
        ("card", "card"),
        ("card%3D=1", "card%3D=1"),
        ("", ""),
    ] {
        assert_eq!(opened(&encrypted(form).0), expected);
    }
    let long = format!("secret_{}=1", "x".repeat(100_000));
    assert!(opened(&encrypted(&long).0).ends_with("x=<1>"));
}

#[test]
fn a_star_alone_is_every_field() {
    let mut encryptor = Encryptor::new(profile(&["*"]));
    let mut out = Vec::new();
    encryptor.push(b"=1&b=2", &mut out).unwrap();
    encryptor.finish(&mut out).unwrap();
    assert_eq!(opened(&String::from_utf8(out).unwrap()), "=<1>&b=<2>");
}

#[test]
fn long_values_have_several_frames() {
    for (length, frames) in [
        (0, 1),
        (1, 1),
        (FRAME_BYTES - 1, 1),
        (FRAME_BYTES, 2),
        (FRAME_BYTES + 1, 2),
        (VALUE_BYTES_MAX, 5),
    ] {
        let value = "v".repeat(length);
        let (form, _) = encrypted(&format!("card={value}"));
        let opened = decrypt_value(&form["card=".len()..]).unwrap();
        assert_eq!((opened.plaintext.len(), opened.frames), (length, frames));
        assert_eq!(opened.plaintext, value.as_bytes());
    }
}

#[test]
fn a_value_has_its_bound_by_what_it_means() {
    let value = "%61".repeat(VALUE_BYTES_MAX);
    assert_eq!(encrypted(&format!("card={value}")).1, 1);
    assert_eq!(refused(&format!("card={value}+")), Refusal::FieldLength);
    let other = "v".repeat(10 * VALUE_BYTES_MAX);
    assert_eq!(encrypted(&format!("x={other}")).0.len(), other.len() + 2);
}

#[test]
fn the_eleventh_field_is_refused_whether_encrypted_or_not() {
    let ten = ["a=b"; 10].join("&");
    assert_eq!(encrypted(&format!("&{ten}&&")).1, 0);
    assert_eq!(refused(&format!("{ten}&c")), Refusal::FieldNumber);
}

#[test]
fn a_body_over_its_bound_is_refused() {
    let most = BODY_BYTES_MAX as usize;
    let body = format!("x={}", "v".repeat(most - 2));
    assert_eq!(encrypted(&body).0, body);
    assert_eq!(refused(&format!("{body}v")), Refusal::RequestLength);
}

#[test]
fn wrong_escapes_are_refused_where_they_matter() {
    for body in [
        "c%zz=1",
        "c%4=1",
        "c%",
        "%&a=b",
        "card=%",
        "card=%4&a=b",
        "card=%zz",
    ] {
        assert_eq!(refused(body), Refusal::MalformedInput, "{body}");
    }
    assert_eq!(encrypted("a=%&b=%zz").0, "a=%&b=%zz");
}

#[test]
fn a_refused_body_stays_refused_and_gives_nothing_of_the_value() {
    let mut encryptor = Encryptor::new(Arc::clone(&CARD));
    let mut out = Vec::new();
    let refused = Err(Fault::Refused(Refusal::MalformedInput));
    encryptor.push(b"a=b&card=4111", &mut out).unwrap();
    assert_eq!(encryptor.push(b"%zz&c=d", &mut out), refused);
    assert_eq!(encryptor.push(b"1", &mut out), refused);
    assert_eq!(encryptor.finish(&mut out), refused);
    assert_eq!(out, b"a=b&card=");
    assert_eq!(encryptor.encrypted_fields(), 0);
}

#[test]
fn a_message_that_was_changed_anywhere_is_not_opened() {
    use base64::Engine as _;
    let (form, _) = encrypted("card=4111");
    let value = form["card=".len()..]
        .replace("%2B", "+")
        .replace("%2F", "/")
        .replace("%3D", "=");
    let message = base64::engine::general_purpose::STANDARD
        .decode(value)
        .unwrap();
    assert_eq!(decrypt(&message).unwrap().plaintext, b"4111");
    // Not within the names of the key, which only say where to look.
    let names = message.windows(8).position(|it| it == b"provider").unwrap();
    for at in (0..message.len()).filter(|at| !(names..names + 14).contains(at)) {
        let mut changed = message.clone();
        changed[at] ^= 1;
        assert!(decrypt(&changed).is_none(), "byte {at}");
    }
    for length in 0..message.len() {
        assert!(decrypt(&message[..length]).is_none());
    }
}

#[test]
fn keys_that_cannot_encrypt_are_told() {
    let key = |pem: &str| Key::new("p", "n", pem).map(drop);
    assert_eq!(key(&public_pem()), Ok(()));
    assert_eq!(
        key("-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----"),
        Err(KeyError::Pem)
    );
    assert_eq!(key(""), Err(KeyError::Pem));
    let p256 = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n\
        6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n\
        -----END PUBLIC KEY-----";
    assert_eq!(key(p256), Err(KeyError::Algorithm));
    let long = "n".repeat(513);
    assert_eq!(
        Key::new("p", &long, &public_pem()).map(drop),
        Err(KeyError::Name)
    );
    let added = Profile::new().add(
        Key::new("p", "n", &public_pem()).unwrap(),
        &["x".repeat(129)],
    );
    assert!(added.is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is cut wherever: the same fields come out in the same order, the same are
    /// encrypted, and all say what they said.
    #[test]
    fn where_a_body_is_cut_does_not_matter(
        fields in prop::collection::vec(
            ("(card|c%61rd|secret_[a-z]?|x|[a-z%=+]{0,6})", "(=[a-z0-9+%=]{0,40}|=%[0-9a-f]{2}|)"),
            0..7,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let fields = fields.iter().map(|(name, value)| format!("{name}{value}"));
        let form = fields.collect::<Vec<_>>().join("&");
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(form.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut start = 0;
        for cut in cuts.into_iter().chain([form.len()]) {
            pieces.push(&form.as_bytes()[start..cut]);
            start = cut;
        }
        let whole = run([form.as_bytes()]);
        let in_pieces = run(pieces);
        match (whole, in_pieces) {
            (Ok((whole, count)), Ok((pieces, count_in_pieces))) => {
                prop_assert_eq!(opened(&whole), opened(&pieces));
                prop_assert_eq!(count, count_in_pieces);
                prop_assert_eq!(names(&form), names(&whole));
            }
            (whole, pieces) => prop_assert_eq!(whole, pieces),
        }
    }

    #[test]
    fn any_bytes_are_taken_or_refused(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6),
    ) {
        let mut encryptor = Encryptor::new(Arc::clone(&CARD));
        let mut out = Vec::new();
        let all = pieces.iter().try_for_each(|piece| encryptor.push(piece, &mut out));
        let all = all.and_then(|()| encryptor.finish(&mut out));
        if all.is_ok() && encryptor.encrypted_fields() == 0 {
            prop_assert_eq!(out, pieces.concat());
        }
    }
}
