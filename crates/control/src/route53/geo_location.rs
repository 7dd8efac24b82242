//! The places that record sets can be for (spec §10.4, §19).

use geo::places::{self, Area};
use shapes::route53::{self as r53, error};

use super::inputs::{self, PAGE_ITEMS_MAX, Page, invalid_input};
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;
use crate::service::{Entry, served};

pub(super) const OPERATIONS: &[Entry] = &[
    served("GetGeoLocation", |call| Box::pin(get(call))),
    served("ListGeoLocations", |call| Box::pin(list(call))),
];

fn details(area: Area) -> r53::GeoLocationDetails {
    let some = |text: &str| Some(text.to_owned());
    let none = r53::GeoLocationDetails::default();
    match area {
        Area::Continent(continent) => r53::GeoLocationDetails {
            continent_code: some(continent.code),
            continent_name: some(continent.name),
            ..none
        },
        Area::Country(country) => r53::GeoLocationDetails {
            country_code: some(country.code),
            country_name: some(country.name),
            ..none
        },
        Area::Subdivision(country, part) => r53::GeoLocationDetails {
            country_code: some(country.code),
            country_name: some(country.name),
            subdivision_code: some(part.code),
            subdivision_name: some(part.name),
            ..none
        },
    }
}

/// The place where those are of whom it is not known where they are.
fn everywhere() -> r53::GeoLocationDetails {
    r53::GeoLocationDetails {
        country_code: Some(places::DEFAULT_CODE.to_owned()),
        country_name: Some(places::DEFAULT_NAME.to_owned()),
        ..r53::GeoLocationDetails::default()
    }
}

async fn get(call: &Call<'_>) -> Answer {
    let input: r53::GetGeoLocationRequest = call.input()?;
    let part = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (continent, country) = (part(input.continent_code), part(input.country_code));
    let subdivision = part(input.subdivision_code);
    let found = match (&continent, &country, &subdivision) {
        (Some(continent), None, None) => {
            places::continent(continent).map(|continent| details(Area::Continent(continent)))
        }
        (None, Some(country), None) if country == places::DEFAULT_CODE => Some(everywhere()),
        (None, Some(country), None) => {
            places::country(country).map(|country| details(Area::Country(country)))
        }
        (None, Some(country), Some(part)) => places::country(country)
            .zip(places::subdivision(country, part))
            .map(|(country, part)| details(Area::Subdivision(country, part))),
        _ => {
            return Err(invalid_input(
                "Either ContinentCode is needed, or CountryCode, with or without SubdivisionCode.",
            ));
        }
    };
    let found = found.ok_or_else(|| {
        let codes = [continent, country, subdivision].into_iter().flatten();
        let codes: Vec<String> = codes.collect();
        let message = format!("The geolocation '{}' does not exist.", codes.join(" "));
        Failure::api(&error::NO_SUCH_GEO_LOCATION, message)
    })?;
    Ok(Reply::of(&r53::GetGeoLocationResponse {
        geo_location_details: found,
    }))
}

/// Where a place lies in the list: countries, each followed by its parts, then continents.
fn order<'a>(
    continent: Option<&'a str>,
    country: Option<&'a str>,
    subdivision: Option<&'a str>,
) -> (bool, &'a str, &'a str) {
    match continent {
        Some(continent) => (true, continent, ""),
        None => (
            false,
            country.unwrap_or_default(),
            subdivision.unwrap_or_default(),
        ),
    }
}

async fn list(call: &Call<'_>) -> Answer {
    let input: r53::ListGeoLocationsRequest = call.input()?;
    let limit = inputs::page_size("MaxItems", input.max_items.as_deref(), PAGE_ITEMS_MAX)?;
    fn part(text: &Option<String>) -> Option<&str> {
        text.as_deref().filter(|text| !text.is_empty())
    }
    let (continent, country) = (
        part(&input.start_continent_code),
        part(&input.start_country_code),
    );
    let subdivision = part(&input.start_subdivision_code);
    if continent.is_some() && country.is_some() || subdivision.is_some() && country.is_none() {
        return Err(invalid_input(
            "A list starts either at StartContinentCode or at StartCountryCode, with or without \
             StartSubdivisionCode.",
        ));
    }
    let start = order(continent, country, subdivision);
    let places = places::areas().filter(|area| {
        let place = match area {
            Area::Continent(continent) => order(Some(continent.code), None, None),
            Area::Country(country) => order(None, Some(country.code), None),
            Area::Subdivision(country, part) => order(None, Some(country.code), Some(part.code)),
        };
        place >= start
    });
    let page = Page::of(places.map(details), limit);
    let next = page.next.unwrap_or_default();
    Ok(Reply::of(&r53::ListGeoLocationsResponse {
        geo_location_details_list: page.items,
        is_truncated: next != r53::GeoLocationDetails::default(),
        next_continent_code: next.continent_code,
        next_country_code: next.country_code,
        next_subdivision_code: next.subdivision_code,
        max_items: limit.to_string(),
    }))
}
