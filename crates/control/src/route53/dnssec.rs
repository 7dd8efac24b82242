//! DNSSEC of public zones (spec §15): key signing keys, which their owner makes and replaces, and
//! whether a zone is signed. Its zone signing keys are nobody's to see: `upkeep.rs`.
//!
//! Keys are made here and lie in the store; the ARN that AWS would ask KMS by is a label. All that
//! is written here compares the zone's state and puts it, so that nothing happens to keys of a zone
//! at once.

mod parent;
mod upkeep;

use ::dnssec::{ALGORITHM, DIGEST_TYPE, KSK_FLAGS, KeyError, KeyPair};
use documents::route53::{self as forms, KeySigningKey, Zone, ZoneSigningKeys, ZoneState};
use documents::{decode, encode};
use records::Name;
use shapes::Timestamp;
use shapes::route53::{self as r53, error};
use store::{Document, Revision};

use super::inputs::{self, invalid_input};
use super::{arn, changes, zone};
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::{ApiError, Failure};
use crate::resource::Stored;
use crate::service::{Entry, served};

/// Key signing keys of a zone (spec §3).
const KEYS_MAX: usize = 2;

const ACTIVE: &str = "ACTIVE";
const INACTIVE: &str = "INACTIVE";

pub(super) const OPERATIONS: &[Entry] = &[
    served("CreateKeySigningKey", |call| Box::pin(create(call))),
    served("ActivateKeySigningKey", |call| Box::pin(activate(call))),
    served("DeactivateKeySigningKey", |call| Box::pin(deactivate(call))),
    served("DeleteKeySigningKey", |call| Box::pin(delete(call))),
    served("EnableHostedZoneDNSSEC", |call| Box::pin(enable(call))),
    served("DisableHostedZoneDNSSEC", |call| Box::pin(disable(call))),
    served("GetDNSSEC", |call| Box::pin(get(call))),
];

/// A zone and its key signing keys.
struct Signed {
    zone: Stored<Zone>,
    apex: Name,
    state: ZoneState,
    read: Revision,
    keys: Vec<(Document, KeySigningKey)>,
}

impl Signed {
    async fn load(call: &Call<'_>, id: &str) -> Result<Signed, Failure> {
        let zone = zone::load(call, id).await;
        let zone = zone.map_err(|failure| match (call.operation.name, failure) {
            // Their errors are about keys alone (spec §2).
            (
                "ActivateKeySigningKey" | "DeactivateKeySigningKey" | "DeleteKeySigningKey",
                Failure::Api(_),
            ) => {
                let message = format!("There is no hosted zone {id}, nor a key of it.");
                Failure::api(&error::NO_SUCH_KEY_SIGNING_KEY, message)
            }
            (_, failure) => failure,
        })?;
        let id = &zone.resource.id;
        if zone.resource.config.is_private {
            // The one code among these that is not InvalidInput (spec §2).
            let shape = match call.operation.name {
                "GetDNSSEC" => &error::INVALID_ARGUMENT,
                _ => &error::INVALID_INPUT,
            };
            let message = format!("The hosted zone {id} is private; DNSSEC is for public ones.");
            return Err(Failure::api(shape, message));
        }
        let (state, read) = zone::state(call, id).await?;
        let mut keys = Vec::new();
        for document in call.list_all(&key(id, "")).await? {
            let key: KeySigningKey = decode(&document.key, &document.value)?;
            keys.push((document, key));
        }
        Ok(Signed {
            apex: zone::apex(&zone.resource)?,
            zone,
            state,
            read,
            keys,
        })
    }

    fn id(&self) -> &str {
        &self.zone.resource.id
    }

    fn is_signing(&self) -> bool {
        self.zone.resource.config.is_signing
    }

    fn active(&self) -> usize {
        let keys = self.keys.iter();
        keys.filter(|(_, key)| key.is_active).count()
    }

    fn key(&self, name: &str) -> Result<&(Document, KeySigningKey), Failure> {
        let found = self.keys.iter().find(|(_, key)| key.name == name);
        found.ok_or_else(|| {
            let message = format!(
                "There is no key-signing key '{name}' of the hosted zone {}.",
                self.id()
            );
            Failure::api(&error::NO_SUCH_KEY_SIGNING_KEY, message)
        })
    }

    /// A change that happens only if nothing has happened to the zone's keys.
    fn change(&self) -> Change {
        let state = forms::zone_state(self.id());
        Change::new()
            .about(zone::KIND.cfn_type, self.id())
            .if_still(&state, Some(self.read))
            .put(state, encode(&self.state))
    }

    /// A change of whether the zone is signed.
    fn signing(&self, call: &Call<'_>, is_signing: bool) -> Change {
        let zone = Zone {
            is_signing,
            ..self.zone.resource.config.clone()
        };
        let zone = self.zone.next_version(call, zone);
        self.change()
            .if_still(&self.zone.key, Some(self.zone.modified))
            .touch(zone::KIND.collection)
            .save(call, &self.zone.key, &zone)
    }

    /// Refuses what would leave resolvers without a key that a parent here vouches for.
    async fn check_parent(&self, call: &Call<'_>, key: &KeySigningKey) -> Result<(), Failure> {
        let Ok(pair) = KeyPair::from_base64(&key.private_key) else {
            return Ok(());
        };
        let record = pair.ds_record(&self.apex);
        match parent::zone_with_ds(call, &self.apex, &record).await? {
            None => Ok(()),
            Some(parent) => {
                let message = format!(
                    "The key-signing key '{}' is in a DS record of the parent zone {parent}; \
                     delete that first, and wait until its TTL has passed.",
                    key.name
                );
                let shape = &error::KEY_SIGNING_KEY_IN_PARENT_DS_RECORD;
                Err(Failure::api(shape, message))
            }
        }
    }
}

fn key(zone: &str, name: &str) -> String {
    forms::resource(forms::KEY_SIGNING_KEY, &format!("{zone}/{name}"))
}

fn no_key(error: KeyError) -> Failure {
    ApiError::common("InternalFailure", 500, error.to_string()).into()
}

fn output(key: &KeySigningKey, apex: &Name) -> r53::KeySigningKey {
    let (status, pair) = match KeyPair::from_base64(&key.private_key) {
        Ok(pair) if key.is_active => (ACTIVE.to_owned(), Ok(pair)),
        Ok(pair) => (INACTIVE.to_owned(), Ok(pair)),
        Err(error) => ("INTERNAL_FAILURE".to_owned(), Err(error.to_string())),
    };
    let told = r53::KeySigningKey {
        name: Some(key.name.clone()),
        kms_arn: Some(key.kms_arn.clone()),
        flag: Some(i32::from(KSK_FLAGS)),
        signing_algorithm_mnemonic: Some("ECDSAP256SHA256".to_owned()),
        signing_algorithm_type: Some(i32::from(ALGORITHM)),
        digest_algorithm_mnemonic: Some("SHA-256".to_owned()),
        digest_algorithm_type: Some(i32::from(DIGEST_TYPE)),
        status: Some(status),
        created_date: Some(Timestamp::from_unix_ms(key.created_ms as i64)),
        last_modified_date: Some(Timestamp::from_unix_ms(key.modified_ms as i64)),
        ..r53::KeySigningKey::default()
    };
    match pair {
        Ok(pair) => r53::KeySigningKey {
            key_tag: Some(i32::from(pair.key_tag(KSK_FLAGS))),
            digest_value: Some(pair.digest_value(apex)),
            public_key: Some(pair.public_key_base64()),
            ds_record: Some(pair.ds_record(apex)),
            dnskey_record: Some(pair.dnskey_record()),
            ..told
        },
        Err(message) => r53::KeySigningKey {
            status_message: Some(message),
            ..told
        },
    }
}

fn check_new(input: &r53::CreateKeySigningKeyRequest) -> Result<(), Failure> {
    let name = &input.name;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !(3..=128).contains(&name.len()) || !name.bytes().all(is_allowed) {
        let message =
            format!("Name is '{name}'; allowed are 3 to 128 letters, digits and underscores.");
        return Err(Failure::api(&error::INVALID_KEY_SIGNING_KEY_NAME, message));
    }
    if ![ACTIVE, INACTIVE].contains(&input.status.as_str()) {
        let message = format!(
            "Status is '{}'; allowed are ACTIVE and INACTIVE.",
            input.status
        );
        return Err(Failure::api(
            &error::INVALID_KEY_SIGNING_KEY_STATUS,
            message,
        ));
    }
    let kms_arn = &input.key_management_service_arn;
    let key = arn::parse(kms_arn, "kms").and_then(|(_, resource)| resource.strip_prefix("key/"));
    match key.is_some_and(|key| !key.is_empty()) {
        true => inputs::check_word("CallerReference", &input.caller_reference),
        false => {
            let message = format!(
                "KeyManagementServiceArn is '{kms_arn}'; allowed is the ARN of a key of KMS."
            );
            Err(Failure::api(&error::INVALID_KMS_ARN, message))
        }
    }
}

async fn create(call: &Call<'_>) -> Answer {
    let input: r53::CreateKeySigningKeyRequest = call.input()?;
    check_new(&input)?;
    inputs::check_bounds(call)?;
    let signed = Signed::load(call, &input.hosted_zone_id).await?;
    let arn = input.key_management_service_arn;
    let mut known = signed.keys.iter().map(|(_, key)| key);
    if known.any(|key| key.name == input.name || key.kms_arn == arn) {
        let message = format!(
            "The hosted zone {} has a key-signing key '{}', or one with the ARN '{arn}', already.",
            signed.id(),
            input.name
        );
        return Err(Failure::api(
            &error::KEY_SIGNING_KEY_ALREADY_EXISTS,
            message,
        ));
    }
    if signed.keys.len() >= KEYS_MAX {
        let message = format!(
            "The hosted zone {} has {} key-signing keys, which is the most.",
            signed.id(),
            signed.keys.len()
        );
        return Err(Failure::api(&error::TOO_MANY_KEY_SIGNING_KEYS, message));
    }
    let pair = KeyPair::generate().map_err(no_key)?;
    let made = KeySigningKey {
        name: input.name,
        zone: signed.id().to_owned(),
        caller_reference: input.caller_reference,
        kms_arn: arn,
        is_active: input.status == ACTIVE,
        private_key: pair.to_base64().map_err(no_key)?,
        created_ms: call.now_ms,
        modified_ms: call.now_ms,
    };
    let at = key(signed.id(), &made.name);
    let change = signed.change().if_absent(&at).put(at, encode(&made));
    Ok(Reply::of(&r53::CreateKeySigningKeyResponse {
        change_info: changes::commit(call, change, None).await?,
        key_signing_key: output(&made, &signed.apex),
        location: inputs::location(&format!("keysigningkey/{}/{}", signed.id(), made.name)),
    }))
}

/// Puts a key as it is to be.
async fn put(
    call: &Call<'_>,
    signed: &Signed,
    (document, key): &(Document, KeySigningKey),
    is_active: bool,
) -> Result<r53::ChangeInfo, Failure> {
    let key = KeySigningKey {
        is_active,
        modified_ms: call.now_ms,
        ..key.clone()
    };
    let change = signed
        .change()
        .if_still(&document.key, Some(document.modified))
        .put(&document.key, encode(&key));
    changes::commit(call, change, None).await
}

async fn activate(call: &Call<'_>) -> Answer {
    let input: r53::ActivateKeySigningKeyRequest = call.input()?;
    let signed = Signed::load(call, &input.hosted_zone_id).await?;
    let change_info = put(call, &signed, signed.key(&input.name)?, true).await?;
    Ok(Reply::of(&r53::ActivateKeySigningKeyResponse {
        change_info,
    }))
}

async fn deactivate(call: &Call<'_>) -> Answer {
    let input: r53::DeactivateKeySigningKeyRequest = call.input()?;
    let signed = Signed::load(call, &input.hosted_zone_id).await?;
    let found = signed.key(&input.name)?;
    if signed.is_signing() && found.1.is_active {
        if signed.active() == 1 {
            let message = format!(
                "The key-signing key '{}' is the only active one of the hosted zone {}, which is \
                 signed.",
                input.name,
                signed.id()
            );
            return Err(Failure::api(&error::KEY_SIGNING_KEY_IN_USE, message));
        }
        signed.check_parent(call, &found.1).await?;
    }
    let change_info = put(call, &signed, found, false).await?;
    Ok(Reply::of(&r53::DeactivateKeySigningKeyResponse {
        change_info,
    }))
}

async fn delete(call: &Call<'_>) -> Answer {
    let input: r53::DeleteKeySigningKeyRequest = call.input()?;
    let signed = Signed::load(call, &input.hosted_zone_id).await?;
    let (document, key) = signed.key(&input.name)?;
    if key.is_active {
        let message = format!(
            "The key-signing key '{}' is active; deactivate it before it is deleted.",
            key.name
        );
        return Err(Failure::api(
            &error::INVALID_KEY_SIGNING_KEY_STATUS,
            message,
        ));
    }
    let change = signed
        .change()
        .if_still(&document.key, Some(document.modified))
        .delete(&document.key);
    let change_info = changes::commit(call, change, None).await?;
    Ok(Reply::of(&r53::DeleteKeySigningKeyResponse { change_info }))
}

async fn enable(call: &Call<'_>) -> Answer {
    let input: r53::EnableHostedZoneDNSSECRequest = call.input()?;
    let signed = Signed::load(call, &input.hosted_zone_id).await?;
    if signed.is_signing() {
        let message = format!("The hosted zone {} is signed already.", signed.id());
        return Err(Failure::api(&error::INVALID_SIGNING_STATUS, message));
    }
    if signed.active() == 0 {
        let message = format!(
            "The hosted zone {} has no active key-signing key.",
            signed.id()
        );
        let shape = &error::KEY_SIGNING_KEY_WITH_ACTIVE_STATUS_NOT_FOUND;
        return Err(Failure::api(shape, message));
    }
    let mut keys = ZoneSigningKeys::default();
    ::dnssec::rollover(call.now_ms, &mut keys).map_err(no_key)?;
    let at = forms::resource(forms::ZONE_SIGNING_KEYS, signed.id());
    let change = signed.signing(call, true).put(at, encode(&keys));
    let change_info = changes::commit(call, change, None).await?;
    Ok(Reply::of(&r53::EnableHostedZoneDNSSECResponse {
        change_info,
    }))
}

async fn disable(call: &Call<'_>) -> Answer {
    let input: r53::DisableHostedZoneDNSSECRequest = call.input()?;
    let signed = Signed::load(call, &input.hosted_zone_id).await?;
    if !signed.is_signing() {
        let message = format!("The hosted zone {} is not signed.", signed.id());
        return Err(Failure::api(&error::DNSSEC_NOT_FOUND, message));
    }
    for (_, key) in &signed.keys {
        signed.check_parent(call, key).await?;
    }
    let at = forms::resource(forms::ZONE_SIGNING_KEYS, signed.id());
    let change = signed.signing(call, false).delete(at);
    let change_info = changes::commit(call, change, None).await?;
    Ok(Reply::of(&r53::DisableHostedZoneDNSSECResponse {
        change_info,
    }))
}

async fn get(call: &Call<'_>) -> Answer {
    let input: r53::GetDNSSECRequest = call.input()?;
    if input.hosted_zone_id.is_empty() {
        return Err(invalid_input("HostedZoneId is empty."));
    }
    let signed = Signed::load(call, &input.hosted_zone_id).await?;
    let status = match signed.is_signing() {
        true => "SIGNING",
        false => "NOT_SIGNING",
    };
    let keys = signed.keys.iter();
    Ok(Reply::of(&r53::GetDNSSECResponse {
        status: r53::DNSSECStatus {
            serve_signature: Some(status.to_owned()),
            status_message: None,
        },
        key_signing_keys: keys.map(|(_, key)| output(key, &signed.apex)).collect(),
    }))
}
