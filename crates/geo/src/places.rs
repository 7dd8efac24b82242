//! The areas that Route 53 routes by: continents, countries and subdivisions, as it divides the
//! world (spec §10.4), and AWS's regions.
//!
//! A country's coordinates are a point amid its people, to a degree: databases without coordinates
//! are common, and where the people are is where clients are. A region's are those of its city.

use std::fmt;

use crate::tables;
pub use crate::tables::{CONTINENTS, COUNTRIES, SUBDIVISIONS};

/// Code of the area that is everywhere, and of those of whom it is not known where they are. It
/// takes a country's place in the API; no list has it.
pub const DEFAULT_CODE: &str = "*";
/// What the API calls that.
pub const DEFAULT_NAME: &str = "Default";

/// A continent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Continent {
    /// Two letters.
    pub code: &'static str,
    /// In English.
    pub name: &'static str,
}

/// A country.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Country {
    /// ISO 3166-1 alpha-2.
    pub code: &'static str,
    /// In English.
    pub name: &'static str,
    /// Code of its continent.
    pub continent: &'static str,
    /// Whole degrees north and east.
    whole_degrees: (i8, i16),
}

impl Country {
    /// A row of the table.
    pub(crate) const fn new(
        code: &'static str,
        continent: &'static str,
        whole_degrees: (i8, i16),
        name: &'static str,
    ) -> Country {
        Country {
            code,
            name,
            continent,
            whole_degrees,
        }
    }

    /// Degrees north and east of a point amid its people.
    pub fn coordinates(&self) -> (f64, f64) {
        let (latitude, longitude) = self.whole_degrees;
        (f64::from(latitude), f64::from(longitude))
    }
}

/// A part of a country.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Subdivision {
    /// Code of the country.
    pub country: &'static str,
    /// Code in the country, from ISO 3166-2.
    pub code: &'static str,
    /// In English.
    pub name: &'static str,
}

/// An area.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Area {
    /// A continent.
    Continent(&'static Continent),
    /// A country.
    Country(&'static Country),
    /// A part of a country.
    Subdivision(&'static Country, &'static Subdivision),
}

impl fmt::Display for Area {
    /// Its name, with the country's if it is a part of one.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Area::Continent(continent) => out.write_str(continent.name),
            Area::Country(country) => out.write_str(country.name),
            Area::Subdivision(country, part) => write!(out, "{}, {}", part.name, country.name),
        }
    }
}

/// The continent with that code.
pub fn continent(code: &str) -> Option<&'static Continent> {
    CONTINENTS.iter().find(|continent| continent.code == code)
}

/// The country with that code, which is in upper case.
pub fn country(code: &str) -> Option<&'static Country> {
    COUNTRIES
        .binary_search_by(|country| country.code.cmp(code))
        .ok()
        .map(|at| &COUNTRIES[at])
}

/// The part of a country with that code.
pub fn subdivision(country: &str, code: &str) -> Option<&'static Subdivision> {
    SUBDIVISIONS
        .binary_search_by(|part| (part.country, part.code).cmp(&(country, code)))
        .ok()
        .map(|at| &SUBDIVISIONS[at])
}

/// All areas in the order in which the API lists them: countries by code, each followed by its
/// parts, then continents.
pub fn areas() -> impl Iterator<Item = Area> {
    let countries = COUNTRIES.iter().flat_map(|country| {
        let parts = SUBDIVISIONS
            .iter()
            .filter(|part| part.country == country.code)
            .map(move |part| Area::Subdivision(country, part));
        std::iter::once(Area::Country(country)).chain(parts)
    });
    countries.chain(CONTINENTS.iter().map(Area::Continent))
}

/// Degrees north and east of an AWS region.
pub fn region(code: &str) -> Option<(f64, f64)> {
    find(tables::REGIONS, code)
}

/// All codes of regions that [`region`] knows, in their order.
pub fn regions() -> impl Iterator<Item = &'static str> {
    tables::REGIONS.iter().map(|(code, _)| *code)
}

/// Degrees north and east of an AWS local zone group: a region, a city of three letters and a
/// number, as in `us-west-2-lax-1`. It is at its city; or at its region, if we do not know that.
pub fn local_zone_group(code: &str) -> Option<(f64, f64)> {
    let (rest, number) = code.rsplit_once('-')?;
    let (region_code, city) = rest.rsplit_once('-')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_city = city.len() == 3 && city.bytes().all(|byte| byte.is_ascii_lowercase());
    let region = region(region_code).filter(|_| is_number && is_city)?;
    Some(find(tables::CITIES, city).unwrap_or(region))
}

/// A point of the globe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// From the middle of the Earth towards it, of length 1.
    direction: [f64; 3],
}

impl Point {
    /// The point at so many degrees north and east.
    pub fn at((latitude, longitude): (f64, f64)) -> Point {
        let (north_sin, north_cos) = latitude.to_radians().sin_cos();
        let (east_sin, east_cos) = longitude.to_radians().sin_cos();
        Point {
            direction: [north_cos * east_cos, north_cos * east_sin, north_sin],
        }
    }

    /// The great circle's length to another point, in kilometres: on a sphere, which is half a
    /// percent off the truth.
    pub fn distance_km(&self, to: &Point) -> f64 {
        const EARTH_RADIUS_KM: f64 = 6371.0;
        let chord_squared: f64 = std::iter::zip(self.direction, to.direction)
            .map(|(from, to)| (from - to) * (from - to))
            .sum();
        2.0 * EARTH_RADIUS_KM * (chord_squared.sqrt() / 2.0).min(1.0).asin()
    }
}

fn find(table: &[(&str, (f64, f64))], code: &str) -> Option<(f64, f64)> {
    table
        .binary_search_by(|(known, _)| (*known).cmp(code))
        .ok()
        .map(|at| table[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spec §10.4.
    const MEMBERSHIP: [(&str, &str); 7] = [
        (
            "AF",
            "AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG ER ET GA GH GM GN GQ GW KE KM LR LS LY MA \
             MG ML MR MU MW MZ NA NE NG RE RW SC SD SH SL SN SO SS ST SZ TD TG TN TZ UG YT ZA ZM \
             ZW",
        ),
        ("AN", "AQ GS TF"),
        (
            "AS",
            "AE AF AM AZ BD BH BN BT CC CN GE HK ID IL IN IO IQ IR JO JP KG KH KP KR KW KZ LA LB \
             LK MM MN MO MV MY NP OM PH PK PS QA SA SG SY TH TJ TM TW UZ VN YE",
        ),
        (
            "EU",
            "AD AL AT AX BA BE BG BY CH CY CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT \
             JE LI LT LU LV MC MD ME MK MT NL NO PL PT RO RS RU SE SI SJ SK SM TR UA VA XK",
        ),
        (
            "NA",
            "AG AI AW BB BL BM BQ BS BZ CA CR CU CW DM DO GD GL GP GT HN HT JM KN KY LC MF MQ MS \
             MX NI PA PM PR SV SX TC TT US VC VG VI",
        ),
        (
            "OC",
            "AS AU CK FJ FM GU KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TL TO TV UM VU WF WS",
        ),
        ("SA", "AR BO BR CL CO EC FK GF GY PE PY SR UY VE"),
    ];

    #[test]
    fn every_country_is_in_the_continent_where_route_53_has_it() {
        let mut count = 0;
        for (continent, countries) in MEMBERSHIP {
            for code in countries.split_whitespace() {
                assert_eq!(country(code).unwrap().continent, continent, "{code}");
                count += 1;
            }
        }
        assert_eq!(COUNTRIES.len(), count);
        for code in ["BV", "CX", "EH", "HM", "us", "", "*"] {
            assert_eq!(country(code), None);
        }
    }

    #[test]
    fn areas_are_listed_countries_first_each_with_its_parts_behind_it() {
        let areas: Vec<Area> = areas().collect();
        assert_eq!(
            areas.len(),
            COUNTRIES.len() + SUBDIVISIONS.len() + CONTINENTS.len()
        );
        assert_eq!(areas[0].to_string(), "Andorra");
        let california = areas
            .iter()
            .position(|area| area.to_string() == "California, United States")
            .unwrap();
        assert_eq!(areas[california - 1].to_string(), "Arizona, United States");
        assert_eq!(areas.last().unwrap().to_string(), "South America");
        assert_eq!(subdivision("UA", "30").unwrap().name, "Kyiv");
        assert_eq!(subdivision("US", "30"), None);
        let parts = |code: &str| {
            SUBDIVISIONS
                .iter()
                .filter(|part| part.country == code)
                .count()
        };
        assert_eq!((parts("US"), parts("UA")), (51, 27));
    }

    #[test]
    fn tables_are_sorted_by_code_and_have_sensible_coordinates() {
        assert!(COUNTRIES.is_sorted_by(|one, next| one.code < next.code));
        assert!(CONTINENTS.is_sorted_by(|one, next| one.code < next.code));
        assert!(
            SUBDIVISIONS
                .is_sorted_by(|one, next| (one.country, one.code) < (next.country, next.code))
        );
        assert!(tables::REGIONS.is_sorted_by(|one, next| one.0 < next.0));
        assert!(tables::CITIES.is_sorted_by(|one, next| one.0 < next.0));
        let points = COUNTRIES.iter().map(Country::coordinates);
        for (latitude, longitude) in points.chain(regions().map(|code| region(code).unwrap())) {
            assert!(latitude.abs() <= 90.0 && longitude.abs() <= 180.0);
        }
    }

    #[test]
    fn every_region_of_the_api_has_a_place() {
        for code in "us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 ca-west-1 mx-central-1 \
                     sa-east-1 eu-west-1 eu-west-2 eu-west-3 eu-central-1 eu-central-2 eu-north-1 \
                     eu-south-1 eu-south-2 eusc-de-east-1 af-south-1 me-south-1 me-central-1 \
                     il-central-1 ap-east-1 ap-east-2 ap-south-1 ap-south-2 ap-southeast-1 \
                     ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 \
                     ap-southeast-7 ap-northeast-1 ap-northeast-2 ap-northeast-3 cn-north-1 \
                     cn-northwest-1 us-gov-east-1 us-gov-west-1"
            .split_whitespace()
        {
            assert!(region(code).is_some(), "{code}");
        }
        assert_eq!(region("eu-west-9"), None);
    }

    #[test]
    fn a_local_zone_group_is_at_its_city_or_else_at_its_region() {
        assert_eq!(local_zone_group("us-west-2-lax-1"), Some((34.1, -118.2)));
        assert_eq!(local_zone_group("us-west-2-qqq-1"), region("us-west-2"));
        for wrong in [
            "us-west-2",
            "us-west-9-lax-1",
            "us-west-2-lax-",
            "lax-1",
            "",
        ] {
            assert_eq!(local_zone_group(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn distances_are_those_of_the_globe() {
        let paris = Point::at((48.86, 2.35));
        for (to, want_km) in [
            ((48.86, 2.35), 0.0),
            ((51.51, -0.13), 343.0),
            ((40.71, -74.01), 5837.0),
            ((-33.87, 151.21), 16962.0),
            ((-48.86, -177.65), 20015.0),
        ] {
            let point = Point::at(to);
            let km = paris.distance_km(&point);
            assert!((km - want_km).abs() < 5.0, "{km} to {to:?}");
            assert_eq!(km, point.distance_km(&paris));
        }
        let [east, west] = [179.5, -179.5].map(|longitude| Point::at((0.0, longitude)));
        assert!((east.distance_km(&west) - 111.2).abs() < 0.1);
    }
}
