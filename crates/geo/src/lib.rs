//! From IP address to location: an `.mmdb` file compiled at load into sorted tables.
//!
//! What it does: reads any file in MaxMind's format that has countries in it (GeoLite2 and GeoIP2,
//! DB-IP, ip-location-db, IPinfo), country-only or with cities, and finds an address by binary
//! search, without touching the file again; and knows the areas that Route 53 divides the world
//! into. What it does not do: ship or fetch a database (the operator names a file), watch the file
//! for changes, or decide anything by location.
//!
//! Read first: [`Geo`], [`Location`], [`Projection`], [`places`].

pub mod limits;
mod network;
pub mod places;
mod projection;
mod record;
mod table;
mod tables;
pub mod testing;
mod tree;

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

pub use network::{Network, NetworkError};
pub use places::region;
pub use projection::Projection;
use table::Table;
use tree::Tree;

/// Where an address is, as far as the database knows. Texts are as they are in the database,
/// English where it has several languages, at most [`limits::TEXT_BYTES_MAX`] bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Location {
    /// ISO 3166-1 alpha-2 code, upper case.
    pub country: Option<[u8; 2]>,
    /// Name of the country.
    pub country_name: Option<Arc<str>>,
    /// Code of the first-level subdivision, without the country: `CA`, `ENG`.
    pub region: Option<Arc<str>>,
    /// Name of the first-level subdivision.
    pub region_name: Option<Arc<str>>,
    /// Name of the city.
    pub city: Option<Arc<str>>,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
    /// Metro code (United States only).
    pub metro_code: Option<u32>,
    /// Postal code.
    pub postal_code: Option<Arc<str>>,
    /// IANA time zone.
    pub time_zone: Option<Arc<str>>,
    /// Number of the autonomous system.
    pub asn: Option<u32>,
}

impl Location {
    /// The country's code as text.
    pub fn country_code(&self) -> Option<&str> {
        self.country
            .as_ref()
            .and_then(|code| std::str::from_utf8(code).ok())
    }
}

/// A compiled database.
#[derive(Clone, Debug)]
pub struct Geo {
    v4: Table<u32>,
    v6: Table<u128>,
    locations: Box<[Location]>,
    database_type: Box<str>,
    built_at_secs: u64,
}

impl Geo {
    /// Reads and compiles a database file.
    pub fn load(path: impl AsRef<Path>) -> Result<Geo, GeoError> {
        let path = path.as_ref();
        let read = || -> std::io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            // One byte over the limit is enough to know.
            File::open(path)?
                .take(limits::FILE_BYTES_MAX + 1)
                .read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|source| GeoError::Read {
            path: path.into(),
            source,
        })?;
        if bytes.len() as u64 > limits::FILE_BYTES_MAX {
            return Err(GeoError::Size { path: path.into() });
        }
        Geo::compile(&bytes).map_err(|source| GeoError::Database {
            path: path.into(),
            source,
        })
    }

    /// Compiles a database from the bytes of its file.
    pub fn compile(database: &[u8]) -> Result<Geo, DatabaseError> {
        let tree = Tree::read(database)?;
        let compiled = tree.compile()?;
        Ok(Geo {
            v4: compiled.v4,
            v6: compiled.v6,
            locations: compiled.locations.into(),
            database_type: tree.database_type().into(),
            built_at_secs: tree.built_at_secs(),
        })
    }

    /// The location of an address. An IPv4 address in IPv6 form (`::ffff:192.0.2.1`) is found as
    /// the IPv4 address that it is; those of 6to4 and Teredo are not taken apart.
    pub fn lookup(&self, address: IpAddr) -> Option<&Location> {
        let index = match address.to_canonical() {
            IpAddr::V4(address) => self.v4.find(address.into()),
            IpAddr::V6(address) => self.v6.find(address.into()),
        };
        self.locations.get(index as usize)
    }

    /// What the database calls itself: `GeoLite2-City`.
    pub fn database_type(&self) -> &str {
        &self.database_type
    }

    /// When the database was built, in seconds since 1970.
    pub fn built_at_secs(&self) -> u64 {
        self.built_at_secs
    }

    /// Whether any of its locations has a country; a database of networks alone has none.
    pub fn has_countries(&self) -> bool {
        self.locations
            .iter()
            .any(|location| location.country.is_some())
    }

    /// How many countries it has.
    pub fn countries(&self) -> usize {
        let codes: HashSet<_> = self.locations.iter().filter_map(|l| l.country).collect();
        codes.len()
    }

    /// How many address ranges and locations it has.
    pub fn counts(&self) -> (usize, usize) {
        (self.v4.len() + self.v6.len(), self.locations.len())
    }
}

/// Why a file cannot be used: always the operator's to mend.
#[derive(Debug, Error)]
pub enum GeoError {
    /// It cannot be read.
    #[error("geo database {path:?} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is too large.
    #[error("geo database {path:?} is larger than {max} bytes", max = limits::FILE_BYTES_MAX)]
    Size {
        /// The file.
        path: PathBuf,
    },
    /// It is no database, or a damaged one.
    #[error("geo database {path:?}: {source}")]
    Database {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: DatabaseError,
    },
}

/// What is wrong with the contents of a database.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// Its structure or one of its records does not follow the format.
    #[error("it is no MaxMind DB file, or damaged ({0})")]
    Format(#[from] maxminddb::MaxMindDbError),
    /// Its search tree has a cycle or shared branches.
    #[error("it is damaged: its search tree does not end")]
    Tree,
    /// It says more than we can hold.
    #[error("it has more than {max} locations", max = limits::LOCATIONS_MAX)]
    Locations,
    /// Nothing in it names a country or a network.
    #[error("none of its records has a country, a city or a network number (it is a {0})")]
    NoLocations(String),
}

#[cfg(test)]
mod tests;
