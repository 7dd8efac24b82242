use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn a_place_is_told_by_its_codes() {
    let world = World::route53();
    for (asked, told) in [
        (
            json!({ "ContinentCode": "EU" }),
            json!({ "ContinentCode": "EU", "ContinentName": "Europe" }),
        ),
        (
            json!({ "CountryCode": "DE" }),
            json!({ "CountryCode": "DE", "CountryName": "Germany" }),
        ),
        (
            json!({ "CountryCode": "US", "SubdivisionCode": "WA" }),
            json!({ "CountryCode": "US", "CountryName": "United States",
                "SubdivisionCode": "WA", "SubdivisionName": "Washington" }),
        ),
        (
            json!({ "CountryCode": "*" }),
            json!({ "CountryCode": "*", "CountryName": "Default" }),
        ),
    ] {
        let got = world.ok("GetGeoLocation", asked).await;
        assert_eq!(got["GeoLocationDetails"], told);
    }
}

#[tokio::test]
async fn places_that_are_none_are_not_found_and_mixed_ones_are_wrong() {
    let world = World::route53();
    for asked in [
        json!({ "ContinentCode": "XX" }),
        json!({ "CountryCode": "ZZ" }),
        json!({ "CountryCode": "DE", "SubdivisionCode": "WA" }),
    ] {
        let missing = (404, "NoSuchGeoLocation".to_owned());
        assert_eq!(world.fail("GetGeoLocation", asked).await, missing);
    }
    for asked in [
        json!({}),
        json!({ "ContinentCode": "EU", "CountryCode": "DE" }),
        json!({ "SubdivisionCode": "WA" }),
    ] {
        let wrong = (400, "InvalidInput".to_owned());
        assert_eq!(world.fail("GetGeoLocation", asked).await, wrong);
    }
}

#[tokio::test]
async fn all_places_are_listed_countries_with_their_parts_first() {
    let world = World::route53();
    let mut places: Vec<String> = Vec::new();
    let mut input = json!({ "MaxItems": "70" });
    loop {
        let page = world.ok("ListGeoLocations", input).await;
        assert_eq!(page["MaxItems"], "70");
        let text =
            |place: &Value, member: &str| place[member].as_str().unwrap_or_default().to_owned();
        let list = page["GeoLocationDetailsList"].as_array().unwrap().iter();
        places.extend(list.map(|place| {
            let codes = ["ContinentCode", "CountryCode", "SubdivisionCode"];
            codes.map(|code| text(place, code)).join(",")
        }));
        if page["IsTruncated"] == false {
            break;
        }
        input = json!({ "MaxItems": "70",
            "StartContinentCode": page["NextContinentCode"],
            "StartCountryCode": page["NextCountryCode"],
            "StartSubdivisionCode": page["NextSubdivisionCode"] });
    }
    assert_eq!(places[0], ",AD,");
    let us = places.iter().position(|place| place == ",US,").unwrap();
    assert_eq!(places[us + 1], ",US,AK");
    assert_eq!(places[places.len() - 7..][0], "AF,,");
    assert_eq!(places.last().unwrap(), "SA,,");
    let distinct: std::collections::BTreeSet<&String> = places.iter().collect();
    assert_eq!(distinct.len(), places.len());
    assert!(places.len() > 280, "{}", places.len());
}
