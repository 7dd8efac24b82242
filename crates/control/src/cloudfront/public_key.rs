//! Public keys (spec §9.4): what signed URLs are checked by, and fields encrypted with.

use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use documents::keys;
use serde_json::Value;
use shapes::cloudfront::{PublicKeyConfig, error};

use super::family::{self, COMMENT_CHARS_MAX, Claim, Family, User, invalid, items};
use super::{field_level_encryption, key_group};
use crate::error::Failure;
use crate::ids::IdForm;
use crate::resource::Kind;
use crate::service::{Entry, served};

pub(super) const KIND: Kind = Kind {
    noun: "public key",
    collection: keys::PUBLIC_KEY,
    id: IdForm::Letter('K'),
    cfn_type: "AWS::CloudFront::PublicKey",
    missing: &error::NO_SUCH_PUBLIC_KEY,
};

static FAMILY: Family<PublicKeyConfig> = Family {
    kind: &KIND,
    claims: &[
        Claim {
            kind: "name/public-key",
            member: "Name",
            what: |config| &config.name,
        },
        Claim {
            kind: "reference/public-key",
            member: "CallerReference",
            what: |config| &config.caller_reference,
        },
    ],
    taken: &error::PUBLIC_KEY_ALREADY_EXISTS,
    is_repeatable: false,
    quota: (10, &error::TOO_MANY_PUBLIC_KEYS),
    check,
    check_change,
    needs: family::nothing_needed,
    users: &[
        User {
            collection: key_group::KIND.collection,
            noun: "key group",
            names: |config| {
                let keys = config["Items"].as_array().into_iter().flatten();
                keys.filter_map(Value::as_str).collect()
            },
        },
        User {
            collection: field_level_encryption::PROFILE.collection,
            noun: "field-level encryption profile",
            names: |config| {
                let entities = items(&config["EncryptionEntities"]);
                entities
                    .filter_map(|entity| entity["PublicKeyId"].as_str())
                    .collect()
            },
        },
    ],
    in_use: &error::PUBLIC_KEY_IN_USE,
    facts: family::no_facts,
    managed: family::none_managed,
};

pub(super) const OPERATIONS: &[Entry] = &[
    served("CreatePublicKey", |call| Box::pin(FAMILY.create(call))),
    served("GetPublicKey", |call| Box::pin(FAMILY.get(call))),
    served("GetPublicKeyConfig", |call| Box::pin(FAMILY.get(call))),
    served("UpdatePublicKey", |call| Box::pin(FAMILY.update(call))),
    served("DeletePublicKey", |call| Box::pin(FAMILY.delete(call))),
    served("ListPublicKeys", |call| Box::pin(FAMILY.list(call))),
];

/// Longest `EncodedKey`; one of RSA 2048 has 451 bytes.
const ENCODED_KEY_BYTES_MAX: usize = 4_096;

fn check(config: &PublicKeyConfig) -> Result<(), Failure> {
    family::check_caller_reference(&config.caller_reference)?;
    family::check_name("Name", &config.name, "-_.")?;
    let comment = config.comment.as_deref();
    family::check_text("Comment", comment, COMMENT_CHARS_MAX)?;
    match parse(&config.encoded_key) {
        Ok(_) => Ok(()),
        Err(message) => Err(invalid("EncodedKey", message)),
    }
}

fn check_change(old: &PublicKeyConfig, new: &PublicKeyConfig) -> Result<(), Failure> {
    let fixed = [
        (
            "CallerReference",
            &old.caller_reference,
            &new.caller_reference,
        ),
        ("Name", &old.name, &new.name),
        ("EncodedKey", &old.encoded_key, &new.encoded_key),
    ];
    match fixed.iter().find(|(_, old, new)| old.trim() != new.trim()) {
        None => Ok(()),
        Some((member, ..)) => Err(Failure::api(
            &error::CANNOT_CHANGE_IMMUTABLE_PUBLIC_KEY_FIELDS,
            format!("{member}: cannot be changed; only Comment can"),
        )),
    }
}

/// What a key can be used with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RSA of 2,048 bits.
    Rsa2048,
    /// ECDSA on the curve P-256.
    EcdsaP256,
}

/// The algorithm of a key in PEM, or why it is none.
pub(super) fn parse(pem: &str) -> Result<Algorithm, &'static str> {
    const NOT_PEM: &str = "is not PEM of a public key: -----BEGIN PUBLIC KEY-----, base64, \
                           -----END PUBLIC KEY-----";
    if pem.len() > ENCODED_KEY_BYTES_MAX {
        return Err("is longer than any key that is allowed");
    }
    let body = pem
        .trim()
        .strip_prefix("-----BEGIN PUBLIC KEY-----")
        .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"))
        .ok_or(NOT_PEM)?;
    let base64: String = body.split_ascii_whitespace().collect();
    let der = STANDARD.decode(base64).map_err(|_| NOT_PEM)?;
    if let Ok(key) = PublicEncryptingKey::from_der(&der) {
        return match key.key_size_bits() {
            2_048 => Ok(Algorithm::Rsa2048),
            _ => Err("is an RSA key of another size than 2,048 bits"),
        };
    }
    // A lone point would be accepted, too; what PEM promises is a sequence.
    let is_sequence = der.first() == Some(&0x30);
    match ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &der) {
        Ok(_) if is_sequence => Ok(Algorithm::EcdsaP256),
        _ => Err("is neither an RSA key of 2,048 bits nor an ECDSA key on the curve P-256"),
    }
}

/// For a profile of field-level encryption: keys that can encrypt.
pub(super) fn can_encrypt(config: &Value) -> Result<(), &'static str> {
    match parse(config["EncodedKey"].as_str().unwrap_or_default()) {
        Ok(Algorithm::Rsa2048) => Ok(()),
        _ => Err("is not an RSA key; no other can encrypt"),
    }
}
