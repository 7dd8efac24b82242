use documents::Role;
use serde_json::{Value, json};

use super::{change, private_zone, set, vpc, zone, zone_of};
use crate::wire::Ask;
use crate::world::World;

#[tokio::test]
async fn a_new_zone_has_four_name_servers_and_records_of_them_and_is_pending() {
    let world = World::route53();
    let made = zone_of(
        &world,
        json!({ "Name": "WWW.Example.com", "HostedZoneConfig": { "Comment": "ours" } }),
    )
    .await;
    let zone = &made["HostedZone"];
    let id = zone["Id"].as_str().unwrap();
    assert!(id.starts_with("/hostedzone/Z"), "{id}");
    assert_eq!(zone["Name"], "www.example.com.");
    assert_eq!(zone["ResourceRecordSetCount"], 2);
    assert_eq!(
        zone["Config"],
        json!({ "Comment": "ours", "PrivateZone": false })
    );
    assert_eq!(made["ChangeInfo"]["Status"], "PENDING");
    let bare = id.trim_start_matches("/hostedzone/");
    let location = format!("https://route53.amazonaws.com/2013-04-01/hostedzone/{bare}");
    assert_eq!(made["Location"], location);
    let servers = made["DelegationSet"]["NameServers"].as_array().unwrap();
    assert_eq!(servers.len(), 4);
    assert_eq!(made["DelegationSet"].get("Id"), None);

    let sets = world
        .ok("ListResourceRecordSets", json!({ "HostedZoneId": id }))
        .await;
    let sets = &sets["ResourceRecordSets"];
    assert_eq!(
        (&sets[0]["Type"], &sets[0]["TTL"]),
        (&json!("NS"), &json!(172_800))
    );
    let values = sets[0]["ResourceRecords"].as_array().unwrap().iter();
    let values: Vec<_> = values
        .map(|record| record["Value"].as_str().unwrap())
        .collect();
    for (server, value) in servers.iter().zip(&values) {
        let server = server.as_str().unwrap();
        assert!(
            server.starts_with("ns-") && server.ends_with(".dns.cdn.localhost"),
            "{server}"
        );
        assert_eq!(*value, format!("{server}."));
    }
    let soa = format!(
        "{} hostmaster.cdn.localhost. 1 7200 900 1209600 86400",
        values[0]
    );
    assert_eq!(
        sets[1],
        json!({ "Name": "www.example.com.", "Type": "SOA", "TTL": 900,
                "ResourceRecords": [{ "Value": soa }] })
    );
    for id in [id, bare] {
        let got = world.ok("GetHostedZone", json!({ "Id": id })).await;
        assert_eq!(got["HostedZone"], made["HostedZone"]);
        assert_eq!(got["DelegationSet"], made["DelegationSet"]);
        assert_eq!(got.get("VPCs"), None);
    }
}

#[tokio::test]
async fn zones_of_one_name_have_no_name_server_in_common() {
    let world = World::route53();
    let mut servers = std::collections::HashSet::new();
    for _ in 0..20 {
        let made = zone_of(&world, json!({ "Name": "example.com" })).await;
        for server in made["DelegationSet"]["NameServers"].as_array().unwrap() {
            assert!(servers.insert(server.to_string()), "{server}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_a_zone_is_refused() {
    let world = World::route53();
    let fail = |name: &str| {
        let input = json!({ "Name": name, "CallerReference": "x" });
        world.fail("CreateHostedZone", input)
    };
    let long = format!("{}.com", "a".repeat(64));
    for name in [
        "com",
        ".",
        "*.example.com",
        "a..com",
        "a b.com",
        "ä.com",
        &long,
    ] {
        assert_eq!(
            fail(name).await,
            (400, "InvalidDomainName".to_owned()),
            "{name}"
        );
    }
    assert_eq!(fail("").await.0, 400);
    let private = json!({ "Name": "a.b", "CallerReference": "x", "HostedZoneConfig": {
        "PrivateZone": true } });
    assert_eq!(
        world.fail("CreateHostedZone", private).await,
        (400, "InvalidVPCId".to_owned())
    );
    let both = json!({ "Name": "a.b", "CallerReference": "x", "VPC": vpc("vpc-1"),
        "DelegationSetId": "N1" });
    assert_eq!(
        world.fail("CreateHostedZone", both).await,
        (400, "InvalidInput".to_owned())
    );
    let unknown = json!({ "Name": "a.b", "CallerReference": "x", "DelegationSetId": "N1" });
    assert_eq!(
        world.fail("CreateHostedZone", unknown).await,
        (400, "NoSuchDelegationSet".to_owned())
    );
    assert_eq!(world.content("route53/").await, "");
}

#[tokio::test]
async fn a_reference_makes_one_zone_even_when_that_is_gone() {
    let world = World::route53();
    let input = json!({ "Name": "a.b", "CallerReference": "once" });
    let made = world.ok("CreateHostedZone", input.clone()).await;
    let taken = (409, "HostedZoneAlreadyExists".to_owned());
    assert_eq!(world.fail("CreateHostedZone", input.clone()).await, taken);
    let id = &made["HostedZone"]["Id"];
    world.ok("DeleteHostedZone", json!({ "Id": id })).await;
    assert_eq!(world.fail("CreateHostedZone", input).await, taken);
}

#[tokio::test]
async fn a_zone_is_deleted_when_it_has_nothing_but_what_every_zone_has() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    change(
        &world,
        &id,
        &[("CREATE", set("a.example.com", "A", &["192.0.2.1"]))],
    )
    .await;
    let (status, code, message) = world.refusal("DeleteHostedZone", json!({ "Id": id })).await;
    assert_eq!((status, &*code), (400, "HostedZoneNotEmpty"));
    assert_eq!(
        message,
        "The specified hosted zone contains non-required resource record sets and so cannot be \
         deleted."
    );
    change(
        &world,
        &id,
        &[("DELETE", set("a.example.com", "A", &["192.0.2.1"]))],
    )
    .await;
    let gone = world.ok("DeleteHostedZone", json!({ "Id": id })).await;
    let change = &gone["ChangeInfo"];
    assert_eq!(change["Status"], "PENDING");
    world.ok("GetChange", json!({ "Id": change["Id"] })).await;
    assert_eq!(world.content("route53/").await, "");
    assert_eq!(world.content("zones/").await, "");
    let (status, code, message) = world.refusal("GetHostedZone", json!({ "Id": id })).await;
    assert_eq!((status, &*code), (404, "NoSuchHostedZone"));
    let bare = id.trim_start_matches("/hostedzone/");
    assert_eq!(message, format!("No hosted zone found with ID: {bare}"));
}

#[tokio::test]
async fn comments_and_features_change() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let told = world
        .ok(
            "UpdateHostedZoneComment",
            json!({ "Id": id, "Comment": "new" }),
        )
        .await;
    assert_eq!(told["HostedZone"]["Config"]["Comment"], "new");
    let told = world
        .ok("UpdateHostedZoneComment", json!({ "Id": id }))
        .await;
    assert_eq!(told["HostedZone"]["Config"].get("Comment"), None);
    world
        .ok(
            "UpdateHostedZoneFeatures",
            json!({ "HostedZoneId": id, "EnableAcceleratedRecovery": true }),
        )
        .await;
    let got = world.ok("GetHostedZone", json!({ "Id": id })).await;
    let features = &got["HostedZone"]["Features"];
    assert_eq!(features["AcceleratedRecoveryStatus"], "ENABLED");
}

#[tokio::test]
async fn zones_are_listed_in_pages_and_by_kind() {
    let world = World::route53();
    let mut ids = Vec::new();
    for name in ["a.com", "b.com", "c.com"] {
        ids.push(zone(&world, name).await);
    }
    let private = private_zone(&world, "d.com").await;
    ids.push(private.clone());
    ids.sort();
    let mut seen = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let input = json!({ "MaxItems": "3", "Marker": marker });
        let page = world.ok("ListHostedZones", input).await;
        assert_eq!(
            (&page["MaxItems"], page.get("Marker").cloned()),
            (&json!("3"), marker.map(Value::from))
        );
        let zones = page["HostedZones"].as_array().unwrap().iter();
        seen.extend(zones.map(|zone| zone["Id"].as_str().unwrap().to_owned()));
        marker = page["NextMarker"].as_str().map(str::to_owned);
        assert_eq!(page["IsTruncated"], marker.is_some());
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, ids);
    let input = json!({ "HostedZoneType": "PrivateHostedZone" });
    let page = world.ok("ListHostedZones", input).await;
    assert_eq!(page["HostedZones"].as_array().unwrap().len(), 1);
    assert_eq!(page["HostedZones"][0]["Id"], private);
    let count = world.ok("GetHostedZoneCount", json!({})).await;
    assert_eq!(count["HostedZoneCount"], 4);
}

#[tokio::test]
async fn zones_are_listed_by_name_from_the_right() {
    let world = World::route53();
    for name in [
        "www.example.com",
        "example.org",
        "example.com",
        "a.example.com",
    ] {
        zone(&world, name).await;
    }
    let twin = zone(&world, "example.com").await;
    let names = |page: &Value| -> Vec<String> {
        let zones = page["HostedZones"].as_array().unwrap().iter();
        zones
            .map(|zone| zone["Name"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = world.ok("ListHostedZonesByName", json!({})).await;
    assert_eq!(
        names(&all),
        [
            "example.com.",
            "example.com.",
            "a.example.com.",
            "www.example.com.",
            "example.org."
        ]
    );
    let input = json!({ "DNSName": "b.example.com", "MaxItems": "1" });
    let page = world.ok("ListHostedZonesByName", input).await;
    assert_eq!(names(&page), ["www.example.com."]);
    assert_eq!(page["DNSName"], "b.example.com");
    assert_eq!(page["NextDNSName"], "example.org.");
    assert!(page["NextHostedZoneId"].is_string() && page["IsTruncated"] == true);

    let input = json!({ "DNSName": "example.com", "HostedZoneId": twin, "MaxItems": "1" });
    let page = world.ok("ListHostedZonesByName", input).await;
    assert_eq!(page["HostedZones"][0]["Id"], twin);
    let input = json!({ "HostedZoneId": twin });
    assert_eq!(
        world.fail("ListHostedZonesByName", input).await.1,
        "InvalidInput"
    );
}

#[tokio::test]
async fn limits_are_told_with_what_is_used() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let account = |kind: &str| world.ok("GetAccountLimit", json!({ "Type": kind }));
    assert_eq!(account("MAX_HOSTED_ZONES_BY_OWNER").await["Count"], 1);
    assert_eq!(
        account("MAX_REUSABLE_DELEGATION_SETS_BY_OWNER").await["Limit"]["Value"],
        100
    );
    let of_zone = |kind: &str| json!({ "HostedZoneId": id, "Type": kind });
    let told = world
        .ok("GetHostedZoneLimit", of_zone("MAX_RRSETS_BY_ZONE"))
        .await;
    assert_eq!(told["Count"], 2);
    let kind = of_zone("MAX_VPCS_ASSOCIATED_BY_ZONE");
    assert_eq!(
        world.fail("GetHostedZoneLimit", kind).await,
        (400, "HostedZoneNotPrivate".to_owned())
    );
}

#[tokio::test]
async fn over_http_zones_are_made_with_a_location_and_found_by_ids_with_their_kind() {
    let world = World::route53();
    let root = world.root().await;
    world.node("dns", Role::Dns, 0).await;
    let body = "<CreateHostedZoneRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">\
                <Name>example.com</Name><CallerReference>r</CallerReference>\
                </CreateHostedZoneRequest>";
    let ask = Ask::new("route53", "POST", "/2013-04-01/hostedzone", body);
    let told = world.ask(&ask, &root).await;
    assert_eq!(told.status, 201, "{}", told.text);
    let id = told.element("Id").unwrap().to_owned();
    let location = told.headers["location"].to_str().unwrap();
    assert_eq!(
        location,
        format!("https://route53.amazonaws.com/2013-04-01{id}")
    );
    let bare = id.trim_start_matches("/hostedzone/");
    for path in [
        format!("/2013-04-01/hostedzone/{bare}"),
        format!("/2013-04-01/hostedzone/%2Fhostedzone%2F{bare}"),
        format!("/2013-04-01/hostedzone/{id}"),
    ] {
        let told = world
            .ask(&Ask::new("route53", "GET", &path, ""), &root)
            .await;
        assert_eq!(told.status, 200, "{path}: {}", told.text);
    }
    let batch = "<ChangeResourceRecordSetsRequest \
                 xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeBatch><Changes>\
                 <Change><Action>MAKE</Action><ResourceRecordSet><Name>a.example.com</Name>\
                 <Type>A</Type><TTL>60</TTL><ResourceRecords><ResourceRecord><Value>192.0.2.1\
                 </Value></ResourceRecord></ResourceRecords></ResourceRecordSet></Change>\
                 </Changes></ChangeBatch></ChangeResourceRecordSetsRequest>";
    let path = format!("/2013-04-01/hostedzone/{bare}/rrset");
    for path in [path.clone(), format!("{path}/")] {
        let told = world
            .ask(&Ask::new("route53", "POST", &path, batch), &root)
            .await;
        assert_eq!(
            told.error(),
            (400, "InvalidInput".to_owned()),
            "{}",
            told.text
        );
        let message = "Invalid XML ; cvc-enumeration-valid: Value 'MAKE' is not facet-valid with \
                       respect to enumeration '[CREATE, DELETE, UPSERT]'. It must be a value from \
                       the enumeration.";
        let text = told.text.replace("&#39;", "'").replace("&apos;", "'");
        assert!(text.contains(message), "{text}");
        let good = batch.replace("MAKE", "UPSERT");
        let told = world
            .ask(&Ask::new("route53", "POST", &path, &good), &root)
            .await;
        assert_eq!(told.status, 200, "{}", told.text);
    }
    let told = world
        .ask(&Ask::new("route53", "POST", &path, "<a>"), &root)
        .await;
    assert_eq!(
        told.error(),
        (400, "InvalidInput".to_owned()),
        "{}",
        told.text
    );
}

#[tokio::test]
async fn a_test_answer_is_what_the_node_answers_to_a_question_that_was_checked() {
    let world = World::route53();
    let made = zone_of(&world, json!({ "Name": "example.com" })).await;
    let id = made["HostedZone"]["Id"].as_str().unwrap();
    let input = |members: Value| {
        let question = json!({ "HostedZoneId": id, "RecordName": "A.example.com",
            "RecordType": "AAAA" });
        super::with(question, members)
    };
    let subnet = json!({ "ResolverIP": "192.0.2.1", "EDNS0ClientSubnetIP": "2001:db8::" });
    let told = world.ok("TestDNSAnswer", input(subnet)).await;
    assert_eq!(told["Nameserver"], made["DelegationSet"]["NameServers"][0]);
    assert_eq!(told["RecordName"], "a.example.com.");
    assert_eq!(
        (&told["ResponseCode"], &told["Protocol"]),
        (&json!("NOERROR"), &json!("UDP"))
    );
    let asked = told["RecordData"][0].as_str().unwrap();
    for part in ["a.example.com.", "AAAA", "192.0.2.1", "2001:db8::, 64"] {
        assert!(asked.contains(part), "{asked}");
    }
    for members in [
        json!({ "RecordName": "example.org" }),
        json!({ "EDNS0ClientSubnetMask": "24" }),
        json!({ "ResolverIP": "x" }),
    ] {
        let failed = world.fail("TestDNSAnswer", input(members.clone())).await;
        assert_eq!(failed, (400, "InvalidInput".to_owned()), "{members}");
    }
    let private = json!({ "HostedZoneId": private_zone(&world, "example.com").await });
    assert_eq!(
        world.fail("TestDNSAnswer", input(private)).await.1,
        "InvalidInput"
    );
}

#[tokio::test]
async fn a_key_may_be_for_one_zone_alone() {
    let world = World::route53();
    let root = world.root().await;
    let (mine, other) = (
        zone(&world, "example.com").await,
        zone(&world, "example.org").await,
    );
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "route53:*",
        "Resource": format!("arn:aws:route53:::{}", &mine[1..]),
    }]});
    let key = world.key(&root, "dev", policy).await;
    for (path, status) in [
        (format!("/2013-04-01{mine}"), 200),
        (format!("/2013-04-01{mine}/rrset"), 200),
        (format!("/2013-04-01/hostedzone/{mine}"), 200),
        (format!("/2013-04-01{other}"), 403),
        (format!("/2013-04-01{other}/rrset"), 403),
        ("/2013-04-01/hostedzone".to_owned(), 403),
    ] {
        let told = world
            .ask(&Ask::new("route53", "GET", &path, ""), &key)
            .await;
        assert_eq!(told.status, status, "{path}: {}", told.text);
    }
}
