//! The platform's own zone: names of distributions lead to the nearest healthy PoPs (spec §11).
//!
//! It is a zone like others, made by [`crate::Builder::set_platform`]: the domain with SOA and NS,
//! and below it a wildcard, whose addresses are the nearest PoP's.

use documents::route53::Pop;
use records::{Name, RecordType};
use routing::{Atlas, Client, Nearest, Place, Witness};

use crate::limits::POP_ADDRESSES_MAX;
use crate::zone::node::pack;

/// Where distributions are served.
#[derive(Clone, Debug, Default)]
pub(crate) struct Platform {
    /// Distributions' own names lie below it.
    pub domain: Option<Name>,
    pops: Vec<Compiled>,
    places: Vec<Place>,
    nearest: Option<Nearest>,
}

/// A PoP, as answers have it.
#[derive(Clone, Debug)]
struct Compiled {
    code: Box<str>,
    is_healthy: bool,
    v4: (Box<[u8]>, usize),
    v6: (Box<[u8]>, usize),
}

/// What viewers of a network are given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'p> {
    /// The nearest healthy PoP's addresses of the type, packed; none if it has none of the family.
    pub records: &'p [u8],
    pub count: usize,
    /// How many bits of the client's address that depends on.
    pub scope_bits: u8,
}

impl Platform {
    /// The PoPs are these, each with whether an edge lives there, or nobody knows.
    pub fn set_pops(&mut self, pops: &[(Pop, bool)], atlas: &Atlas) {
        self.pops = pops
            .iter()
            .map(|(pop, lives)| compile(pop, *lives))
            .collect();
        let places: Vec<Place> = pops.iter().map(|(pop, _)| place(pop)).collect();
        // A map of distances is dear; that an edge comes or goes changes none.
        if places != self.places || self.nearest.is_none() {
            self.nearest = (!places.is_empty()).then(|| atlas.nearest(&places));
            self.places = places;
        }
    }

    /// Whether anything is served anywhere.
    pub fn is_healthy(&self) -> bool {
        self.pops.iter().any(|pop| pop.is_healthy)
    }

    /// What a client is given; nothing without PoPs.
    pub fn give<W: Witness + ?Sized>(
        &self,
        record_type: RecordType,
        client: &Client,
        witness: &mut W,
    ) -> Option<Given<'_>> {
        let nearest = self.nearest.as_ref()?;
        let is_healthy = |place: usize| self.pops[place].is_healthy;
        let choice = nearest.choose(client, 1, is_healthy, witness);
        let pop = &self.pops[usize::from(*choice.members.first()?)];
        let (records, count) = match record_type {
            RecordType::A => (&pop.v4.0[..], pop.v4.1),
            RecordType::AAAA => (&pop.v6.0[..], pop.v6.1),
            _ => (&[][..], 0),
        };
        Some(Given {
            records,
            count,
            scope_bits: choice.scope_bits,
        })
    }

    /// What a PoP is called, by its place.
    pub fn code(&self, place: usize) -> &str {
        self.pops.get(place).map_or("", |pop| &pop.code)
    }
}

fn compile(pop: &Pop, is_healthy: bool) -> Compiled {
    let family = |is_v4: bool| {
        let addresses = pop.addresses.iter();
        let of_family = addresses.filter(|address| address.is_ipv4() == is_v4);
        let octets: Vec<Vec<u8>> = of_family
            .take(POP_ADDRESSES_MAX)
            .map(|address| match address {
                std::net::IpAddr::V4(v4) => v4.octets().to_vec(),
                std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
            })
            .collect();
        (pack(&octets).into(), octets.len())
    };
    Compiled {
        code: pop.code.as_str().into(),
        is_healthy,
        v4: family(true),
        v6: family(false),
    }
}

fn place(pop: &Pop) -> Place {
    Place {
        code: pop.code.clone(),
        region: pop.region.clone(),
        coordinates: pop.latitude.zip(pop.longitude),
    }
}
