use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use geo::places::{self, Point};
use geo::{Geo, Location, Projection};
use smallvec::SmallVec;

use crate::latencies::{RoundTrip, Sources};
use crate::{Distance, GeoCode, Latencies, Located, Source, limits};

/// Candidates by their number, the best first.
pub(crate) type Order = SmallVec<[u16; 8]>;

/// The first candidate, where there is none.
pub(crate) const NOBODY: u16 = u16::MAX;

/// What a map is drawn of: groups with equal plans share a map. Candidates are numbered in their
/// order here, which also decides between equals.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Plan {
    /// The nearest in time is the best.
    Time(Box<[Spot]>),
    /// The nearest in space is the best.
    Space(Box<[Spot]>),
    /// The one for the smallest area is the best.
    Area(Box<[GeoCode]>),
}

/// A candidate that is at a place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Spot {
    /// The point of presence, if it is one.
    pub pop: Option<String>,
    /// The AWS region.
    pub region: Option<String>,
    /// Where that is.
    pub coordinates: Option<MicroDegrees>,
    /// −99 to 99.
    pub bias: i8,
}

/// Millionths of degrees north and east: about 10 cm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MicroDegrees(i32, i32);

impl MicroDegrees {
    /// `None` if there are no such coordinates.
    pub fn new((latitude, longitude): (f64, f64)) -> Option<MicroDegrees> {
        let is_valid = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
        let micro = |degrees: f64| (degrees * 1e6).round() as i32;
        is_valid.then(|| MicroDegrees(micro(latitude), micro(longitude)))
    }

    fn point(self) -> Point {
        Point::at((f64::from(self.0) / 1e6, f64::from(self.1) / 1e6))
    }
}

impl Plan {
    /// Where which candidates are the best, as far as a database tells.
    pub fn draw(&self, geo: Option<&Geo>) -> Projection<Order> {
        let of_all = |order: &dyn Fn(Option<&Location>) -> Order| match geo {
            Some(geo) => geo.project(order),
            None => Projection::constant(order(None)),
        };
        match self {
            Plan::Area(codes) => {
                let areas = Areas::new(codes);
                of_all(&|location| areas.order(location))
            }
            Plan::Time(spots) | Plan::Space(spots) => {
                let is_time = matches!(self, Plan::Time(_));
                let field = Field::new(spots, is_time, &Latencies::default());
                of_all(&|location| field.order(point(location), &[]))
            }
        }
    }

    /// What was drawn, with what was measured on top; `None` if nothing was that counts.
    pub fn draw_measured(
        &self,
        drawn: &Projection<Order>,
        geo: Option<&Geo>,
        latencies: &Latencies,
    ) -> Option<Projection<Order>> {
        let Plan::Time(spots) = self else {
            return None;
        };
        let field = Field::new(spots, true, latencies);
        let mut measured = (latencies.networks())
            .filter(|(_, trips)| field.knows(trips))
            .peekable();
        measured.peek()?;
        Some(drawn.overlay(measured.map(|(network, trips)| {
            // All of a network goes one way, whatever parts of it are elsewhere.
            let location = geo.and_then(|geo| geo.lookup(network.address()));
            (network, field.order(point(location), trips))
        })))
    }

    /// What was known of an address when that was drawn: where it is, and how far each candidate
    /// is from there, if that counts.
    pub fn explain(
        &self,
        address: IpAddr,
        geo: Option<&Geo>,
        latencies: &Latencies,
    ) -> (Located, Vec<Distance>) {
        let lookup = |address| geo.and_then(|geo| geo.lookup(address));
        let (field, around) = match self {
            Plan::Area(_) => return (located(lookup(address)), Vec::new()),
            Plan::Space(spots) => (Field::new(spots, false, latencies), None),
            Plan::Time(spots) => {
                let field = Field::new(spots, true, latencies);
                let around = latencies.around(address, |trips| field.knows(trips));
                (field, around)
            }
        };
        let (from, trips) = match around {
            Some((network, trips)) => (network.address(), trips),
            None => (address, &[][..]),
        };
        let distances = field.distances(point(lookup(from)), trips).collect();
        let located = Located {
            measured: around.map(|(network, _)| network),
            ..located(lookup(address))
        };
        (located, distances)
    }
}

/// Where a location is taken to be: a country's people, if nothing is known more exactly.
fn coordinates(location: Option<&Location>) -> Option<((f64, f64), Source)> {
    let location = location?;
    match (location.latitude, location.longitude) {
        (Some(latitude), Some(longitude)) => Some(((latitude, longitude), Source::Database)),
        _ => {
            let country = places::country(location.country_code()?)?;
            Some((country.coordinates(), Source::Country))
        }
    }
}

fn point(location: Option<&Location>) -> Option<Point> {
    coordinates(location).map(|(coordinates, _)| Point::at(coordinates))
}

/// What a witness is told of a location.
fn located(location: Option<&Location>) -> Located {
    let coordinates = coordinates(location);
    let country = location.and_then(|location| location.country_code());
    Located {
        continent: country
            .and_then(places::country)
            .map(|country| country.continent),
        country: location.and_then(|location| location.country),
        subdivision: location.and_then(|location| location.region.as_ref().map(Arc::clone)),
        coordinates: coordinates.map(|(coordinates, _)| coordinates),
        source: match (coordinates, country) {
            (Some((_, source)), _) => source,
            (None, Some(_)) => Source::Database,
            (None, None) => Source::None,
        },
        ..Located::default()
    }
}

/// Candidates at places, made ready for many questions.
struct Field {
    spots: Vec<FieldSpot>,
    /// For each candidate all candidates in the order of their distance from it. Empty if there
    /// are so few that nobody asks.
    neighbours: Vec<Order>,
}

struct FieldSpot {
    point: Option<Point>,
    /// What a distance is multiplied with; `None` if time counts.
    bias: Option<f64>,
    sources: Sources,
}

impl Field {
    fn new(spots: &[Spot], is_time: bool, latencies: &Latencies) -> Field {
        let spots: Vec<FieldSpot> = spots
            .iter()
            .map(|spot| FieldSpot {
                point: spot.coordinates.map(MicroDegrees::point),
                bias: (!is_time).then(|| bias_factor(spot.bias)),
                sources: latencies.sources(spot.pop.as_deref(), spot.region.as_deref()),
            })
            .collect();
        let mut field = Field {
            spots,
            neighbours: Vec::new(),
        };
        if field.spots.len() > limits::RANKS_EXACT {
            field.neighbours = field
                .spots
                .iter()
                .map(|spot| field.nearest(spot.point, &[], field.spots.len()))
                .collect();
        }
        field
    }

    fn knows(&self, trips: &[RoundTrip]) -> bool {
        self.spots
            .iter()
            .any(|spot| spot.sources.shortest_ms(trips).is_some())
    }

    fn distances(
        &self,
        from: Option<Point>,
        trips: &[RoundTrip],
    ) -> impl Iterator<Item = Distance> {
        self.spots.iter().map(move |spot| {
            if let Some(ms) = spot.sources.shortest_ms(trips) {
                return Distance::Measured { ms };
            }
            let (Some(from), Some(to)) = (&from, &spot.point) else {
                return Distance::Unknown;
            };
            let km = from.distance_km(to);
            match spot.bias {
                Some(factor) => Distance::Biased {
                    biased_km: (km * factor) as f32,
                    km: km as f32,
                },
                None => Distance::Estimated {
                    ms: round_trip_ms(km) as f32,
                    km: km as f32,
                },
            }
        })
    }

    /// All candidates, the nearest first; see [`limits::RANKS_EXACT`].
    fn order(&self, from: Option<Point>, trips: &[RoundTrip]) -> Order {
        // Where nothing is known, names decide, to the last.
        let is_known = from.is_some() || !trips.is_empty();
        if self.neighbours.is_empty() || !is_known {
            return self.nearest(from, trips, self.spots.len());
        }
        let nearest = self.nearest(from, trips, limits::RANKS_EXACT);
        let mut order = nearest.clone();
        let others = self.neighbours[usize::from(nearest[0])].iter();
        order.extend(others.filter(|other| !nearest.contains(other)).copied());
        order
    }

    /// The `most` nearest candidates, the nearest first.
    fn nearest(&self, from: Option<Point>, trips: &[RoundTrip], most: usize) -> Order {
        let mut ranked: SmallVec<[(f32, u16); 64]> = self
            .distances(from, trips)
            .zip(0..)
            .map(|(distance, candidate)| (distance.length(), candidate))
            .collect();
        let compare = |(one, first): &(f32, u16), (other, second): &(f32, u16)| {
            one.total_cmp(other).then(first.cmp(second))
        };
        if most < ranked.len() {
            ranked.select_nth_unstable_by(most, compare);
            ranked.truncate(most);
        }
        ranked.sort_unstable_by(compare);
        ranked.iter().map(|(_, candidate)| *candidate).collect()
    }
}

impl Distance {
    /// What is compared, within one group.
    fn length(&self) -> f32 {
        match self {
            Distance::Measured { ms } | Distance::Estimated { ms, .. } => *ms,
            Distance::Biased { biased_km, .. } => *biased_km,
            Distance::Unknown => f32::INFINITY,
        }
    }
}

/// A guess at a round trip where none is measured. In 1 ms light goes 100 km through fibre and
/// back; fibres are about 1.6 times as long as great circles; and the way to and from the
/// fibre takes 2 ms.
fn round_trip_ms(km: f64) -> f64 {
    2.0 + km / 100.0 * 1.6
}

/// What a distance is multiplied with (spec §10.5).
fn bias_factor(bias: i8) -> f64 {
    let bias = f64::from(bias.clamp(-99, 99));
    if bias > 0.0 {
        1.0 - bias / 100.0
    } else {
        1.0 / (1.0 + bias / 100.0)
    }
}

/// Candidates by their area.
#[derive(Default)]
struct Areas<'a> {
    subdivisions: HashMap<(&'a str, &'a str), Order>,
    countries: HashMap<&'a str, Order>,
    continents: HashMap<&'a str, Order>,
    default: Order,
}

impl<'a> Areas<'a> {
    fn new(codes: &'a [GeoCode]) -> Areas<'a> {
        let mut areas = Areas::default();
        for (code, candidate) in codes.iter().zip(0..) {
            match code {
                GeoCode::Default => &mut areas.default,
                GeoCode::Continent(code) => areas.continents.entry(code).or_default(),
                GeoCode::Country(code) => areas.countries.entry(code).or_default(),
                GeoCode::Subdivision {
                    country,
                    subdivision,
                } => areas
                    .subdivisions
                    .entry((country, subdivision))
                    .or_default(),
            }
            .push(candidate);
        }
        areas
    }

    /// Those whose area the location is in, the smallest first.
    fn order(&self, location: Option<&Location>) -> Order {
        let country = location.and_then(Location::country_code);
        let subdivision = location.and_then(|location| location.region.as_deref());
        let continent = country
            .and_then(places::country)
            .map(|country| country.continent);
        let levels = [
            country
                .zip(subdivision)
                .and_then(|area| self.subdivisions.get(&area)),
            country.and_then(|area| self.countries.get(area)),
            continent.and_then(|area| self.continents.get(area)),
            Some(&self.default),
        ];
        levels.into_iter().flatten().flatten().copied().collect()
    }
}
