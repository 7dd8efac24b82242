//! The members that a change must have, and those that it must not have together (spec §7.1, §8.3
//! rules 25, 27 and 28): what AWS's service refuses as input that is no change.

use shapes::route53::{self as r53, ResourceRecordSetRegion};

use super::group::Policy;
use crate::error::Failure;
use crate::route53::inputs::invalid_input;

/// Refuses the first change that has not the form of one.
pub(super) fn check(changes: &[r53::Change]) -> Result<(), Failure> {
    changes.iter().try_for_each(check_one)
}

fn check_one(change: &r53::Change) -> Result<(), Failure> {
    let set = &change.resource_record_set;
    let refuse = |what: &str| {
        let identifier = set.set_identifier.as_deref().unwrap_or("null");
        Err(invalid_input(format!(
            "Invalid request: {what} in Change with [Action={}, Name={}, Type={}, \
             SetIdentifier={identifier}]",
            change.action.as_str(),
            set.name,
            set.r#type
        )))
    };
    let has_values = set
        .resource_records
        .as_ref()
        .is_some_and(|all| !all.is_empty());
    let sources = [
        set.alias_target.is_some(),
        set.ttl.is_some() && has_values,
        set.traffic_policy_instance_id.is_some(),
    ];
    let is_mixed = set.alias_target.is_some() && (set.ttl.is_some() || has_values);
    let expected = "Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or \
                    TrafficPolicyInstanceId]";
    match sources.into_iter().filter(|is_given| *is_given).count() {
        0 => return refuse(&format!("{expected}, but found none")),
        1 if !is_mixed => {}
        _ => return refuse(&format!("{expected}, but found more than one")),
    }
    let expected = "Expected exactly one of [Weight, Region, Failover, GeoLocation, \
                    CidrRoutingConfig, GeoProximityLocation, or MultiValueAnswer]";
    match (Policy::all_of(set).len(), &set.set_identifier) {
        (0, None) | (1, Some(_)) => {}
        (0, Some(_)) => return refuse(&format!("{expected}, but found none")),
        (1, None) => return refuse("Missing field 'SetIdentifier'"),
        _ => return refuse(&format!("{expected}, but found more than one")),
    }
    if set.multi_value_answer == Some(false) {
        return refuse("MultiValueAnswer is false, which is said by leaving it out,");
    }
    if let Some(location) = &set.geo_location
        && let Err(what) = check_geo_location(location)
    {
        return refuse(&what);
    }
    if let Some(location) = &set.geo_proximity_location
        && let Err(what) = check_geo_proximity(location)
    {
        return refuse(&what);
    }
    Ok(())
}

/// A continent, or a country, or a part of a country.
pub(in crate::route53) fn check_geo_location(location: &r53::GeoLocation) -> Result<(), String> {
    use geo::places::{DEFAULT_CODE, continent, country, subdivision};
    let unknown = |what: &str, code: &str| Err(format!("{what} '{code}' is not known"));
    let codes = (
        location.continent_code.as_deref(),
        location.country_code.as_deref(),
        location.subdivision_code.as_deref(),
    );
    match codes {
        (Some(code), None, None) => match continent(code) {
            Some(_) => Ok(()),
            None => unknown("ContinentCode", code),
        },
        (None, Some(DEFAULT_CODE), None) => Ok(()),
        (None, Some(code), part) => match (country(code), part) {
            (None, _) => unknown("CountryCode", code),
            (Some(_), None) => Ok(()),
            (Some(_), Some(part)) => match subdivision(code, part) {
                Some(_) => Ok(()),
                None => unknown("SubdivisionCode", part),
            },
        },
        _ => Err(
            "GeoLocation has neither ContinentCode alone nor CountryCode with or without \
             SubdivisionCode"
                .to_owned(),
        ),
    }
}

/// A region, a local zone group, or coordinates; and a bias.
pub(in crate::route53) fn check_geo_proximity(
    location: &r53::GeoProximityLocation,
) -> Result<(), String> {
    match (
        &location.aws_region,
        &location.local_zone_group,
        &location.coordinates,
    ) {
        (Some(region), None, None) => {
            let mut known = ResourceRecordSetRegion::ALL.iter();
            match known.any(|known| known.as_str() == region) {
                true => Ok(()),
                false => Err(format!("AWSRegion '{region}' is not known")),
            }
        }
        (None, Some(group), None) => match geo::places::local_zone_group(group) {
            Some(_) => Ok(()),
            None => Err(format!("LocalZoneGroup '{group}' is not known")),
        },
        (None, None, Some(coordinates)) => {
            check_degrees("Latitude", &coordinates.latitude, 90.0)?;
            check_degrees("Longitude", &coordinates.longitude, 180.0)
        }
        _ => Err(
            "GeoProximityLocation has not exactly one of AWSRegion, LocalZoneGroup and Coordinates"
                .to_owned(),
        ),
    }
}

fn check_degrees(member: &str, text: &str, most: f64) -> Result<(), String> {
    let decimals = text
        .split_once('.')
        .map_or(0, |(_, decimals)| decimals.len());
    let is_plain = text
        .bytes()
        .all(|b| b.is_ascii_digit() || b"+-.".contains(&b));
    match text.parse::<f64>() {
        Ok(degrees) if is_plain && degrees.abs() <= most && decimals <= 2 => Ok(()),
        _ => Err(format!(
            "{member} '{text}' is not a number from -{most} to {most} with at most two decimals"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_known_and_of_one_kind() {
        let of = |continent: &str, country: &str, part: &str| {
            let code = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            check_geo_location(&r53::GeoLocation {
                continent_code: code(continent),
                country_code: code(country),
                subdivision_code: code(part),
            })
            .is_ok()
        };
        assert!(of("EU", "", "") && of("", "DE", "") && of("", "US", "CA") && of("", "*", ""));
        for bad in [
            ("EU", "DE", ""),
            ("", "", ""),
            ("", "*", "CA"),
            ("XX", "", ""),
        ] {
            assert!(!of(bad.0, bad.1, bad.2), "{bad:?}");
        }
        assert!(!of("", "QQ", "") && !of("", "DE", "CA"));
    }

    #[test]
    fn coordinates_have_two_decimals_at_most() {
        for good in ["0", "-90", "49.22", "+1.5"] {
            assert!(check_degrees("Latitude", good, 90.0).is_ok(), "{good}");
        }
        for bad in ["", "90.01", "1.234", "NaN", "1e1", "x"] {
            assert!(check_degrees("Latitude", bad, 90.0).is_err(), "{bad}");
        }
    }
}
