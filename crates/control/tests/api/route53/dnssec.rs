use documents::route53::{self as forms, ZoneSigningKeys};
use documents::{Role, decode};
use serde_json::{Value, json};

use super::{change, private_zone, set, zone};
use crate::stored::{documents, refused};
use crate::world::World;

const DAY_MS: u64 = 86_400_000;

fn arn(number: u32) -> String {
    format!("arn:aws:kms:us-east-1:123456789012:key/{number:08}-1111-4222-8333-444444444444")
}

fn key(zone: &str, name: &str, status: &str, number: u32) -> Value {
    json!({ "CallerReference": name, "HostedZoneId": zone, "Name": name, "Status": status,
        "KeyManagementServiceArn": arn(number) })
}

fn named(zone: &str, name: &str) -> Value {
    json!({ "HostedZoneId": zone, "Name": name })
}

fn of(zone: &str) -> Value {
    json!({ "HostedZoneId": zone })
}

/// A zone that is signed by a key called `first`.
async fn signed(world: &World, name: &str) -> String {
    let id = zone(world, name).await;
    world
        .ok("CreateKeySigningKey", key(&id, "first", "ACTIVE", 1))
        .await;
    world.ok("EnableHostedZoneDNSSEC", of(&id)).await;
    id
}

async fn zone_signing_keys(world: &World, zone: &str) -> Option<ZoneSigningKeys> {
    let zone = zone.trim_start_matches("/hostedzone/");
    let key = forms::resource(forms::ZONE_SIGNING_KEYS, zone);
    let document = world.store.get(&key).await.unwrap()?;
    Some(decode(&key, &document.value).unwrap())
}

async fn is_signing(world: &World, zone: &str) -> bool {
    let told = world.ok("GetDNSSEC", of(zone)).await;
    match told["Status"]["ServeSignature"].as_str().unwrap() {
        "SIGNING" => true,
        "NOT_SIGNING" => false,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_key_is_told_with_all_that_a_parent_and_a_validator_need() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let made = world
        .ok("CreateKeySigningKey", key(&id, "first", "ACTIVE", 1))
        .await;
    let told = &made["KeySigningKey"];
    assert_eq!(made["ChangeInfo"]["Status"], "PENDING");
    let bare = id.trim_start_matches("/hostedzone/");
    let location = format!("https://route53.amazonaws.com/2013-04-01/keysigningkey/{bare}/first");
    assert_eq!(made["Location"], location);
    for (member, value) in [
        ("Name", json!("first")),
        ("KmsArn", json!(arn(1))),
        ("Flag", json!(257)),
        ("SigningAlgorithmMnemonic", json!("ECDSAP256SHA256")),
        ("SigningAlgorithmType", json!(13)),
        ("DigestAlgorithmMnemonic", json!("SHA-256")),
        ("DigestAlgorithmType", json!(2)),
        ("Status", json!("ACTIVE")),
    ] {
        assert_eq!(told[member], value, "{member}");
    }
    let text = |member: &str| told[member].as_str().unwrap();
    assert_eq!(
        text("DNSKEYRecord"),
        format!("257 3 13 {}", text("PublicKey"))
    );
    let ds = format!("{} 13 2 {}", told["KeyTag"], text("DigestValue"));
    assert_eq!(text("DSRecord"), ds);
    assert_eq!(text("DigestValue").len(), 64);
    let got = world.ok("GetDNSSEC", of(&id)).await;
    assert_eq!(got["KeySigningKeys"], json!([told]));
    assert_eq!(got["Status"]["ServeSignature"], "NOT_SIGNING");
}

#[tokio::test]
async fn a_key_that_cannot_be_made_is_refused_by_its_own_error() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let private = private_zone(&world, "internal.example").await;
    let with_arn = |arn: &str| {
        let mut input = key(&id, "first", "ACTIVE", 1);
        input["KeyManagementServiceArn"] = arn.into();
        input
    };
    let arn_error = (400, "InvalidKMSArn");
    for (input, error) in [
        (
            key(&id, "ab", "ACTIVE", 1),
            (400, "InvalidKeySigningKeyName"),
        ),
        (
            key(&id, "a-b-c", "ACTIVE", 1),
            (400, "InvalidKeySigningKeyName"),
        ),
        (
            key(&id, "first", "SLEEPING", 1),
            (400, "InvalidKeySigningKeyStatus"),
        ),
        (with_arn(""), arn_error),
        (
            with_arn("arn:aws:kms:us-east-1:123456789012:alias/a"),
            arn_error,
        ),
        (with_arn("arn:aws:iam::123456789012:role/a"), arn_error),
        (key("Z1", "first", "ACTIVE", 1), (404, "NoSuchHostedZone")),
        (key(&private, "first", "ACTIVE", 1), (400, "InvalidInput")),
    ] {
        refused(&world, "CreateKeySigningKey", input, error).await;
    }
    refused(&world, "GetDNSSEC", of(&private), (400, "InvalidArgument")).await;
    world
        .ok("CreateKeySigningKey", key(&id, "first", "ACTIVE", 1))
        .await;
    let taken = (409, "KeySigningKeyAlreadyExists");
    for same in [
        key(&id, "first", "ACTIVE", 2),
        key(&id, "second", "ACTIVE", 1),
    ] {
        refused(&world, "CreateKeySigningKey", same, taken).await;
    }
    world
        .ok("CreateKeySigningKey", key(&id, "second", "INACTIVE", 2))
        .await;
    let third = key(&id, "third", "ACTIVE", 3);
    refused(
        &world,
        "CreateKeySigningKey",
        third,
        (400, "TooManyKeySigningKeys"),
    )
    .await;
}

#[tokio::test]
async fn a_zone_is_signed_by_an_active_key_and_keys_of_its_own() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let no_key = (400, "KeySigningKeyWithActiveStatusNotFound");
    refused(&world, "EnableHostedZoneDNSSEC", of(&id), no_key).await;
    refused(
        &world,
        "DisableHostedZoneDNSSEC",
        of(&id),
        (400, "DNSSECNotFound"),
    )
    .await;
    world
        .ok("CreateKeySigningKey", key(&id, "first", "INACTIVE", 1))
        .await;
    refused(&world, "EnableHostedZoneDNSSEC", of(&id), no_key).await;
    world.ok("ActivateKeySigningKey", named(&id, "first")).await;
    assert_eq!(zone_signing_keys(&world, &id).await, None);
    world.node("dns", Role::Dns, 1).await;
    let told = world.ok("EnableHostedZoneDNSSEC", of(&id)).await;
    let change = json!({ "Id": told["ChangeInfo"]["Id"] });
    assert_eq!(
        world.ok("GetChange", change).await["ChangeInfo"]["Status"],
        "PENDING"
    );
    assert!(is_signing(&world, &id).await);
    let keys = zone_signing_keys(&world, &id).await.unwrap();
    assert_eq!(keys.keys.len(), 1);
    let twice = (400, "InvalidSigningStatus");
    refused(&world, "EnableHostedZoneDNSSEC", of(&id), twice).await;
    world.ok("DisableHostedZoneDNSSEC", of(&id)).await;
    assert!(!is_signing(&world, &id).await);
    assert_eq!(zone_signing_keys(&world, &id).await, None);
}

#[tokio::test]
async fn the_last_active_key_of_a_signed_zone_stays() {
    let world = World::route53();
    let id = signed(&world, "example.com").await;
    let first = named(&id, "first");
    let in_use = (400, "KeySigningKeyInUse");
    refused(&world, "DeactivateKeySigningKey", first.clone(), in_use).await;
    let active = (400, "InvalidKeySigningKeyStatus");
    refused(&world, "DeleteKeySigningKey", first.clone(), active).await;
    world
        .ok("CreateKeySigningKey", key(&id, "second", "INACTIVE", 2))
        .await;
    refused(&world, "DeactivateKeySigningKey", first.clone(), in_use).await;
    world
        .ok("ActivateKeySigningKey", named(&id, "second"))
        .await;
    world.ok("DeactivateKeySigningKey", first.clone()).await;
    world.ok("DeleteKeySigningKey", first.clone()).await;
    let missing = (404, "NoSuchKeySigningKey");
    for operation in [
        "ActivateKeySigningKey",
        "DeactivateKeySigningKey",
        "DeleteKeySigningKey",
    ] {
        refused(&world, operation, first.clone(), missing).await;
    }
    let got = world.ok("GetDNSSEC", of(&id)).await;
    let keys = got["KeySigningKeys"].as_array().unwrap();
    assert_eq!((keys.len(), &keys[0]["Name"]), (1, &json!("second")));
}

#[tokio::test]
async fn a_key_that_a_parent_here_vouches_for_keeps_signing() {
    let world = World::route53();
    let parent = zone(&world, "example.com").await;
    let id = signed(&world, "sub.example.com").await;
    world
        .ok("CreateKeySigningKey", key(&id, "second", "ACTIVE", 2))
        .await;
    let got = world.ok("GetDNSSEC", of(&id)).await;
    let ds = got["KeySigningKeys"][0]["DSRecord"]
        .as_str()
        .unwrap()
        .to_lowercase();
    let delegation = set("sub.example.com", "NS", &["ns.example.net."]);
    let ds = set("sub.example.com", "DS", &[&ds]);
    change(
        &world,
        &parent,
        &[("CREATE", delegation), ("CREATE", ds.clone())],
    )
    .await;
    let vouched = (400, "KeySigningKeyInParentDSRecord");
    refused(
        &world,
        "DeactivateKeySigningKey",
        named(&id, "first"),
        vouched,
    )
    .await;
    refused(&world, "DisableHostedZoneDNSSEC", of(&id), vouched).await;
    world
        .ok("DeactivateKeySigningKey", named(&id, "second"))
        .await;
    change(&world, &parent, &[("DELETE", ds)]).await;
    world.ok("DisableHostedZoneDNSSEC", of(&id)).await;
}

#[tokio::test]
async fn a_zone_with_keys_stays_until_they_are_gone() {
    let world = World::route53();
    let id = signed(&world, "example.com").await;
    let gone = json!({ "Id": id });
    let not_empty = (400, "HostedZoneNotEmpty");
    refused(&world, "DeleteHostedZone", gone.clone(), not_empty).await;
    world.ok("DisableHostedZoneDNSSEC", of(&id)).await;
    world
        .ok("DeactivateKeySigningKey", named(&id, "first"))
        .await;
    world.ok("DeleteKeySigningKey", named(&id, "first")).await;
    world.ok("DeleteHostedZone", gone).await;
    assert!(world.content("route53/").await.is_empty());
}

#[tokio::test]
async fn zone_signing_keys_are_replaced_in_time_however_often_somebody_sees_to_it() {
    let world = World::route53();
    let id = signed(&world, "example.com").await;
    let first = zone_signing_keys(&world, &id).await.unwrap();
    let start_ms = world.tick();
    let upkeep = async |days: u64| {
        let now_ms = start_ms + days * DAY_MS;
        // As on two nodes at once.
        tokio::join!(world.control.upkeep(now_ms), world.control.upkeep(now_ms));
        zone_signing_keys(&world, &id).await.unwrap()
    };
    assert_eq!(upkeep(1).await, first);
    let two = upkeep(20).await;
    assert_eq!((two.keys.len(), &two.keys[0]), (2, &first.keys[0]));
    assert_eq!(upkeep(20).await, two);
    let last = upkeep(30).await;
    assert_eq!(last.keys, two.keys[1..]);
}

#[tokio::test]
async fn a_zone_that_is_no_longer_signed_has_no_keys_made() {
    let world = World::route53();
    let id = signed(&world, "example.com").await;
    world.ok("DisableHostedZoneDNSSEC", of(&id)).await;
    world.control.upkeep(world.tick() + 100 * DAY_MS).await;
    assert_eq!(zone_signing_keys(&world, &id).await, None);
}

#[tokio::test]
async fn private_keys_are_told_to_nobody() {
    let world = World::route53();
    let id = signed(&world, "example.com").await;
    let lies = documents(&world).await;
    let is_key = |key: &str| key.starts_with("route53/key-signing-key/");
    let lies = lies.iter().find(|document| is_key(&document.key)).unwrap();
    let stored: Value = serde_json::from_slice(&lies.value).unwrap();
    let private = stored["private_key"].as_str().unwrap();
    let told = world.ok("GetDNSSEC", of(&id)).await.to_string();
    assert!(!told.contains(private));
    for line in world.content("").await.lines() {
        assert_eq!(line.contains(private), is_key(line), "{line}");
    }
}

#[tokio::test]
async fn of_many_keys_that_come_at_once_a_zone_takes_two() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let create = |number: u32| {
        let input = key(&id, &format!("key_{number}"), "ACTIVE", number);
        world.call("CreateKeySigningKey", input)
    };
    let (a, b, c, d) = tokio::join!(create(1), create(2), create(3), create(4));
    let made = [a, b, c, d].iter().filter(|made| made.is_ok()).count();
    assert_eq!(made, 2);
    let told = world.ok("GetDNSSEC", of(&id)).await;
    assert_eq!(told["KeySigningKeys"].as_array().unwrap().len(), 2);
}
