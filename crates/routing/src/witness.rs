use std::sync::Arc;

use geo::Network;

/// Is told why a choice was made. `()` does not listen, and costs nothing.
pub trait Witness {
    /// Whether to tell; telling takes time.
    fn is_listening(&self) -> bool {
        true
    }

    /// Where the client is, if the group asks for that. Told before its members.
    fn located(&mut self, located: &Located);

    /// What became of a member. Every member is told of once, the best first.
    fn considered(&mut self, considered: &Considered);
}

impl Witness for () {
    #[inline]
    fn is_listening(&self) -> bool {
        false
    }

    fn located(&mut self, _: &Located) {}

    fn considered(&mut self, _: &Considered) {}
}

/// Where a client was taken to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Located {
    /// By the table of [`geo::places`].
    pub continent: Option<&'static str>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<[u8; 2]>,
    /// Code in the country.
    pub subdivision: Option<Arc<str>>,
    /// Degrees north and east.
    pub coordinates: Option<(f64, f64)>,
    /// The network around the client that edges measured round trips to.
    pub measured: Option<Network>,
    /// The location of the CIDR collection; `*` for none.
    pub cidr_location: Option<Arc<str>>,
    /// How that is known.
    pub source: Source,
}

/// How a client's place is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// It is not.
    #[default]
    None,
    /// The geo database has it.
    Database,
    /// The geo database has only a country; the coordinates are those of [`geo::places`] for it.
    Country,
    /// The group's CIDR collection.
    Collection,
}

/// A member, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Considered {
    /// Its place in the list that was compiled.
    pub member: usize,
    /// How far it is, if that counts.
    pub distance: Option<Distance>,
    /// Its share of the answers, if it has one.
    pub weight: Option<u8>,
    /// What became of it.
    pub verdict: Verdict,
}

/// How far a member is from the client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distance {
    /// A round trip that an edge measured.
    Measured {
        /// Milliseconds.
        ms: f32,
    },
    /// A round trip guessed from the way.
    Estimated {
        /// Milliseconds.
        ms: f32,
        /// The great circle's length, in kilometres.
        km: f32,
    },
    /// The way, as a geoproximity group's bias makes it look.
    Biased {
        /// Kilometres as they look.
        biased_km: f32,
        /// The great circle's length, in kilometres.
        km: f32,
    },
    /// Not known.
    Unknown,
}

/// What became of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It answers.
    Chosen,
    /// It answers, since nobody is healthy.
    ChosenUnhealthy,
    /// It would have answered, but is unhealthy.
    Unhealthy,
    /// A nearer one answers.
    Farther,
    /// One for a smaller area, or a primary, answers.
    Behind,
    /// It is for clients elsewhere.
    OtherPlace,
    /// It was not drawn.
    NotDrawn,
    /// It is not drawn while any member with a weight is healthy.
    WeightZero,
}

/// A witness that remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// Where the client is.
    pub located: Option<Located>,
    /// The members, the best first.
    pub considered: Vec<Considered>,
}

impl Witness for Recording {
    fn located(&mut self, located: &Located) {
        self.located = Some(located.clone());
    }

    fn considered(&mut self, considered: &Considered) {
        self.considered.push(*considered);
    }
}
