use serde_json::{Value, json};

use super::{private_zone, vpc, zone, zone_of};
use crate::world::World;

fn about(zone: &str, id: &str) -> Value {
    json!({ "HostedZoneId": zone, "VPC": vpc(id) })
}

#[tokio::test]
async fn a_private_zone_has_networks_and_no_delegation() {
    let world = World::route53();
    let made = zone_of(
        &world,
        json!({ "Name": "example.com", "VPC": vpc("vpc-1") }),
    )
    .await;
    assert_eq!(made["HostedZone"]["Config"]["PrivateZone"], true);
    assert_eq!(made.get("DelegationSet"), None);
    assert_eq!(made["VPC"], vpc("vpc-1"));
    let id = made["HostedZone"]["Id"].as_str().unwrap();
    let told = world
        .ok("AssociateVPCWithHostedZone", about(id, "vpc-2"))
        .await;
    assert_eq!(told["ChangeInfo"]["Status"], "PENDING");
    let got = world.ok("GetHostedZone", json!({ "Id": id })).await;
    assert_eq!(got["VPCs"], json!([vpc("vpc-1"), vpc("vpc-2")]));
    assert_eq!(got.get("DelegationSet"), None);
    world
        .ok("DisassociateVPCFromHostedZone", about(id, "vpc-1"))
        .await;
    let got = world.ok("GetHostedZone", json!({ "Id": id })).await;
    assert_eq!(got["VPCs"], json!([vpc("vpc-2")]));
    let last = world
        .refusal("DisassociateVPCFromHostedZone", about(id, "vpc-2"))
        .await;
    assert_eq!((last.0, &*last.1), (400, "LastVPCAssociation"));
    assert!(
        last.2
            .starts_with("The VPC that you're trying to disassociate from"),
        "{}",
        last.2
    );
    let other = world
        .fail("DisassociateVPCFromHostedZone", about(id, "vpc-9"))
        .await;
    assert_eq!(other, (404, "VPCAssociationNotFound".to_owned()));
}

#[tokio::test]
async fn a_network_sees_one_private_zone_of_a_name() {
    let world = World::route53();
    private_zone(&world, "example.com").await;
    let again = json!({ "Name": "example.com", "CallerReference": "x", "VPC": vpc("vpc-1") });
    let conflict = (400, "ConflictingDomainExists".to_owned());
    assert_eq!(world.fail("CreateHostedZone", again).await, conflict);
    let other = zone_of(
        &world,
        json!({ "Name": "example.com", "VPC": vpc("vpc-2") }),
    )
    .await;
    let id = other["HostedZone"]["Id"].as_str().unwrap();
    let failed = world
        .fail("AssociateVPCWithHostedZone", about(id, "vpc-1"))
        .await;
    assert_eq!(failed, conflict);
    let public = zone(&world, "example.com").await;
    let failed = world
        .refusal("AssociateVPCWithHostedZone", about(&public, "vpc-1"))
        .await;
    assert_eq!((failed.0, &*failed.1), (400, "PublicZoneVPCAssociation"));
    let bad = world
        .refusal("AssociateVPCWithHostedZone", about(id, "subnet-1"))
        .await;
    assert_eq!(
        (bad.0, &*bad.1, &*bad.2),
        (400, "InvalidVPCId", "Invalid or missing VPC Id.")
    );
}

#[tokio::test]
async fn zones_of_a_network_are_listed() {
    let world = World::route53();
    for name in ["a.com", "b.com", "c.com"] {
        private_zone(&world, name).await;
    }
    let mut names = Vec::new();
    let mut token = Value::Null;
    loop {
        let input = json!({ "VPCId": "vpc-1", "VPCRegion": "eu-west-1", "MaxItems": "2",
            "NextToken": token });
        let page = world.ok("ListHostedZonesByVPC", input).await;
        for zone in page["HostedZoneSummaries"].as_array().unwrap() {
            assert_eq!(zone["Owner"], json!({ "OwningAccount": "123456789012" }));
            assert!(zone["HostedZoneId"].as_str().unwrap().starts_with('Z'));
            names.push(zone["Name"].as_str().unwrap().to_owned());
        }
        token = page["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    names.sort();
    assert_eq!(names, ["a.com.", "b.com.", "c.com."]);
    let input = json!({ "VPCId": "vpc-1", "VPCRegion": "us-east-1" });
    let none = world.ok("ListHostedZonesByVPC", input).await;
    assert_eq!(none["HostedZoneSummaries"], json!([]));
    let bad = json!({ "VPCId": "vpc-1", "VPCRegion": "eu-west-1", "NextToken": "%" });
    let failed = world.fail("ListHostedZonesByVPC", bad).await;
    assert_eq!(failed, (400, "InvalidPaginationToken".to_owned()));
}

#[tokio::test]
async fn authorisations_are_kept_until_they_are_taken_back() {
    let world = World::route53();
    let id = private_zone(&world, "example.com").await;
    for vpc in ["vpc-2", "vpc-3", "vpc-2"] {
        world
            .ok("CreateVPCAssociationAuthorization", about(&id, vpc))
            .await;
    }
    let list = || {
        world.ok(
            "ListVPCAssociationAuthorizations",
            json!({ "HostedZoneId": id }),
        )
    };
    assert_eq!(list().await["VPCs"], json!([vpc("vpc-2"), vpc("vpc-3")]));
    let input = json!({ "HostedZoneId": id, "MaxResults": "1" });
    let page = world.ok("ListVPCAssociationAuthorizations", input).await;
    assert_eq!(page["VPCs"], json!([vpc("vpc-2")]));
    let input = json!({ "HostedZoneId": id, "NextToken": page["NextToken"] });
    let page = world.ok("ListVPCAssociationAuthorizations", input).await;
    assert_eq!(page["VPCs"], json!([vpc("vpc-3")]));
    world
        .ok("DeleteVPCAssociationAuthorization", about(&id, "vpc-2"))
        .await;
    assert_eq!(list().await["VPCs"], json!([vpc("vpc-3")]));
    let failed = world
        .fail("DeleteVPCAssociationAuthorization", about(&id, "vpc-2"))
        .await;
    assert_eq!(
        failed,
        (404, "VPCAssociationAuthorizationNotFound".to_owned())
    );
}
