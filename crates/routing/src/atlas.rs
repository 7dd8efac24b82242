use std::collections::HashMap;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use geo::Geo;
use parking_lot::Mutex;

use crate::map::{Drawn, Map, Mapped};
use crate::plan::{MicroDegrees, Plan, Spot};
use crate::{Choice, Client, Latencies, Witness, limits};

/// What is known about where clients are, and the maps that groups have of it.
///
/// A map is drawn for each list of places that a group has, and shared by groups with the same
/// list. When the knowledge changes, maps are drawn anew and swapped; groups stay as they are.
#[derive(Debug, Default)]
pub struct Atlas {
    state: Mutex<State>,
    /// Held while maps are drawn anew, so that of two replacements the later one stays. Taken
    /// before `state`.
    redrawing: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    geo: Option<Arc<Geo>>,
    latencies: Arc<Latencies>,
    maps: HashMap<Plan, Weak<Map>>,
    /// Maps that nobody has any more are forgotten when there are so many.
    sweep_at: usize,
}

impl Atlas {
    /// An atlas that knows nothing.
    pub fn new() -> Atlas {
        Atlas::default()
    }

    /// Takes another database, or none. Draws all maps anew, on this thread: for a database of
    /// cities that is a fraction of a second each. Choices are made by the old maps meanwhile.
    pub fn replace_geo(&self, geo: Option<Arc<Geo>>) {
        let _later_ones_wait = self.redrawing.lock();
        self.redraw(|state| state.geo = geo, |_| true);
    }

    /// Takes other measurements, all at once. Lays them over the maps of latency, on this thread;
    /// what the database says of them is not drawn again, so that takes a part of that time.
    pub fn replace_latencies(&self, latencies: Latencies) {
        let _later_ones_wait = self.redrawing.lock();
        self.redraw(
            |state| state.latencies = Arc::new(latencies),
            |plan| matches!(plan, Plan::Time(_)),
        );
    }

    /// The database.
    pub fn geo(&self) -> Option<Arc<Geo>> {
        self.state.lock().geo.clone()
    }

    /// Puts points of presence in the order of a client's distance. Those behind the first
    /// [`limits::MEMBERS_MAX`] are left out.
    pub fn nearest(&self, places: &[Place]) -> Nearest {
        let places = &places[..places.len().min(limits::MEMBERS_MAX)];
        let mut members: Box<[u16]> = (0..places.len() as u16).collect();
        members.sort_by_key(|member| &places[usize::from(*member)].code);
        let spots = members
            .iter()
            .map(|member| {
                let place = &places[usize::from(*member)];
                let of_region = || place.region.as_deref().and_then(geo::region);
                Spot {
                    pop: Some(place.code.clone()),
                    region: place.region.clone(),
                    coordinates: place
                        .coordinates
                        .and_then(MicroDegrees::new)
                        .or_else(|| of_region().and_then(MicroDegrees::new)),
                    bias: 0,
                }
            })
            .collect();
        let map = self.map(Plan::Time(spots));
        Nearest {
            mapped: Mapped { map, members },
        }
    }

    /// The map of that plan.
    pub(crate) fn map(&self, plan: Plan) -> Arc<Map> {
        let mut state = self.state.lock();
        loop {
            if let Some(map) = state.maps.get(&plan).and_then(Weak::upgrade) {
                return map;
            }
            let (geo, latencies) = (state.geo.clone(), state.latencies.clone());
            // Drawing takes a while; others need not wait for it.
            drop(state);
            let drawn = Drawn::new(&plan, geo, latencies, None);
            state = self.state.lock();
            if drawn.is_of(state.geo.as_ref(), &state.latencies) {
                return state.enter(plan, drawn);
            }
        }
    }

    /// Draws those maps anew, after a change of the state. The caller holds `redrawing`.
    fn redraw(&self, change: impl FnOnce(&mut State), is_changed: impl Fn(&Plan) -> bool) {
        // Whatever map is entered after this is drawn of the new state.
        let (geo, latencies, maps) = {
            let mut state = self.state.lock();
            change(&mut state);
            let maps: Vec<Arc<Map>> = state.maps.values().filter_map(Weak::upgrade).collect();
            (state.geo.clone(), state.latencies.clone(), maps)
        };
        for map in maps.into_iter().filter(|map| is_changed(&map.plan)) {
            let last = map.drawn.load_full();
            let drawn = Drawn::new(&map.plan, geo.clone(), latencies.clone(), Some(&last));
            map.drawn.store(Arc::new(drawn));
        }
    }
}

impl State {
    /// Enters a map, unless somebody did so before.
    fn enter(&mut self, plan: Plan, drawn: Drawn) -> Arc<Map> {
        if let Some(map) = self.maps.get(&plan).and_then(Weak::upgrade) {
            return map;
        }
        if self.maps.len() >= self.sweep_at {
            self.maps.retain(|_, map| map.strong_count() > 0);
            self.sweep_at = 2 * self.maps.len() + 64;
        }
        let map = Arc::new(Map {
            plan: plan.clone(),
            drawn: ArcSwap::from_pointee(drawn),
        });
        self.maps.insert(plan, Arc::downgrade(&map));
        map
    }
}

/// Where a point of presence is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place {
    /// Its code, as in [`Latencies::add`].
    pub code: String,
    /// The AWS region that it is in or near: where it is if it has no coordinates of its own, and
    /// whose measurements count if it has none of its own.
    pub region: Option<String>,
    /// Degrees north and east.
    pub coordinates: Option<(f64, f64)>,
}

/// Points of presence, to be put in the order of a client's distance.
#[derive(Clone, Debug)]
pub struct Nearest {
    mapped: Mapped,
}

impl Nearest {
    /// The `most` nearest healthy places, the nearest first, by their place in the list that was
    /// given; if nobody is healthy, the nearest ones. Empty only if there are no places.
    #[inline]
    pub fn choose<W: Witness + ?Sized>(
        &self,
        client: &Client,
        most: usize,
        is_healthy: impl FnMut(usize) -> bool,
        witness: &mut W,
    ) -> Choice {
        if most == 1 {
            self.mapped.choose(client, is_healthy, witness)
        } else {
            self.mapped
                .choose_several(client, most, is_healthy, witness)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Group, Rule};

    fn latency(atlas: &Atlas, regions: [&str; 2]) -> Group {
        let member = |region: &str| {
            let rule = Rule::Latency {
                region: region.to_owned(),
            };
            (format!("in {region}"), rule)
        };
        Group::compile(&regions.map(member), None, atlas).expect("regions are known")
    }

    #[test]
    fn groups_with_the_same_places_share_a_map_and_unused_ones_are_forgotten() {
        let atlas = Atlas::new();
        let maps = || {
            let mut state = atlas.state.lock();
            state.maps.retain(|_, map| map.strong_count() > 0);
            state.maps.len()
        };
        let one = latency(&atlas, ["eu-west-1", "us-east-1"]);
        let same = latency(&atlas, ["us-east-1", "eu-west-1"]);
        assert_eq!(maps(), 1);
        let other = latency(&atlas, ["us-east-1", "eu-west-2"]);
        assert_eq!(maps(), 2);
        drop((one, other));
        assert_eq!(maps(), 1);
        drop(same);
        assert_eq!(maps(), 0);
    }

    #[test]
    fn maps_that_nobody_has_do_not_pile_up() {
        let atlas = Atlas::new();
        for bias in -99..=99i8 {
            let rule = Rule::Geoproximity {
                latitude: 1.0,
                longitude: 1.0,
                bias,
            };
            Group::compile(&[(String::new(), rule)], None, &atlas).expect("coordinates are fine");
            assert!(atlas.state.lock().maps.len() <= 66);
        }
    }
}
