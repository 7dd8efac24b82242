//! Settings: what flags, the environment and the configuration file say, in falling precedence.

mod buckets;
mod file;
mod names;
mod tls;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::arguments::ServeArguments;
use crate::geo::default_database;
use crate::limits;

pub use self::buckets::BucketSettings;
pub use self::tls::TlsSettings;
pub use documents::Role;
pub use names::Vpc;
pub use values::{OriginUrl, StorePlace, parse_size, print_size};

/// The default configuration file, which need not exist.
const DEFAULT_CONFIG: &str = "warmfront.toml";

/// Everything that `serve` can be told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The origin of the default distribution.
    pub origin: Option<OriginUrl>,
    /// Distribution documents.
    pub distributions: Vec<PathBuf>,
    /// Directory of custom policies.
    pub policies: Option<PathBuf>,
    /// The configuration file, which may be absent.
    pub config: PathBuf,
    /// Where viewers are served.
    pub http: Vec<SocketAddr>,
    /// What is said of TLS.
    pub tls: TlsSettings,
    /// What is said of buckets.
    pub buckets: BucketSettings,
    /// Where everything is kept that must survive.
    pub data: PathBuf,
    /// What this node does.
    pub roles: Vec<Role>,
    /// Where documents are kept.
    pub store: StorePlace,
    /// The account that all resources belong to: twelve digits.
    pub account_id: String,
    /// Where the API and metrics are served.
    pub api: SocketAddr,
    /// Where DNS is answered, over UDP and TCP.
    pub dns: Vec<SocketAddr>,
    /// Responses per second to one network of what is alike; without it, no limit.
    pub dns_rate_limit: Option<u32>,
    /// Where query logs go.
    pub query_logs: Option<PathBuf>,
    /// Keys of those who may transfer zones: name, and `algorithm:base64`.
    pub transfer_keys: Vec<(String, String)>,
    /// The AWS region that this node is in or near.
    pub region: Option<String>,
    /// All points of presence; none, and those of the store stay as they are.
    pub pops: Vec<documents::route53::Pop>,
    /// Networks that see private zones.
    pub vpcs: Vec<Vpc>,
    /// Serving threads.
    pub workers: usize,
    /// Memory for objects.
    pub cache_bytes: u64,
    /// Where access logs go.
    pub access_logs: Option<PathBuf>,
    /// The `.mmdb` file: named, or that of `warmfront geo fetch` if it is there.
    pub geo: Option<PathBuf>,
    /// What distributions' own names end in.
    pub domain: String,
    /// This point of presence.
    pub pop: String,
    /// Connections of one address.
    pub connections_per_client: usize,
    /// Certificates to trust for origins.
    pub origin_ca: Option<PathBuf>,
    /// Access keys for private origins, by host.
    pub origin_keys: edge::OriginKeys,
    /// How to log.
    pub log: LogSettings,
    given: BTreeMap<&'static str, Given>,
}

/// How the program logs what it does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogSettings {
    /// The least that is logged; nothing at all if absent.
    pub level: Option<tracing::Level>,
    /// Whether lines are JSON.
    pub is_json: bool,
}

/// A setting's name and kind.
struct Setting {
    name: &'static str,
    /// Whether it may have several values.
    is_list: bool,
    /// Whether its values are `NAME=VALUE`, which files have as tables.
    is_table: bool,
    /// Whether a change is taken up while serving.
    is_live: bool,
    /// Whether its values are told to nobody, for what they hold.
    is_secret: bool,
}

/// All settings. `serve`'s flags have these names with `-`, the environment in capitals behind
/// `WARMFRONT_`.
const SETTINGS: &[Setting] = &[
    live("origin", false),
    live("distribution", true),
    live("policies", false),
    live("domain", false),
    fixed("data", false),
    fixed("roles", true),
    fixed("store", false),
    fixed("account_id", false),
    fixed("http", true),
    fixed("https", true),
    fixed("http3", false),
    fixed("secrets", false),
    fixed("unknown_names", false),
    fixed("acme", false),
    fixed("acme_root", false),
    fixed("acme_contact", false),
    Setting {
        is_secret: true,
        ..fixed("acme_key", false)
    },
    fixed("validate_certificates", false),
    fixed("buckets", false),
    fixed("bucket_endpoint", false),
    fixed("api", false),
    fixed("dns", true),
    fixed("dns_rate_limit", false),
    fixed("query_logs", false),
    secret_table("transfer_keys"),
    fixed("region", false),
    table("pops"),
    table("vpcs"),
    fixed("workers", false),
    fixed("cache_bytes", false),
    fixed("access_logs", false),
    fixed("geo", false),
    fixed("pop", false),
    fixed("connections_per_client", false),
    fixed("origin_ca", false),
    secret_table("origin_keys"),
    fixed("log_level", false),
    fixed("log_format", false),
];

const fn live(name: &'static str, is_list: bool) -> Setting {
    Setting {
        name,
        is_list,
        is_table: false,
        is_live: true,
        is_secret: false,
    }
}

const fn fixed(name: &'static str, is_list: bool) -> Setting {
    Setting {
        name,
        is_list,
        is_table: false,
        is_live: false,
        is_secret: false,
    }
}

const fn table(name: &'static str) -> Setting {
    Setting {
        name,
        is_list: true,
        is_table: true,
        is_live: false,
        is_secret: false,
    }
}

const fn secret_table(name: &'static str) -> Setting {
    Setting {
        is_secret: true,
        ..table(name)
    }
}

fn setting(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// What was said for a setting, and where.
#[derive(Clone, Debug, PartialEq)]
struct Given {
    values: Vec<String>,
    source: Source,
}

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// On the command line, by this flag.
    Flag(String),
    /// In the environment, by this variable.
    Environment(String),
    /// In a file.
    File {
        /// The configuration file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// Nowhere.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag(flag) => write!(formatter, "flag {flag}"),
            Source::Environment(variable) => write!(formatter, "environment {variable}"),
            Source::File { path, line } => write!(formatter, "{}:{line}", path.display()),
            Source::Default => formatter.write_str("default"),
        }
    }
}

/// Why settings cannot be used; the operator's to mend.
#[derive(Debug, Error)]
pub enum SettingError {
    /// A value that its setting does not take.
    #[error("{name} is {value:?} ({origin}); it must be {allowed}")]
    Value {
        /// The setting.
        name: &'static str,
        /// What was given.
        value: String,
        /// Where.
        origin: Source,
        /// What it takes.
        allowed: String,
    },
    /// A key that is no setting.
    #[error("{}:{line}: {key} is no setting; {}", .path.display(), suggestion(.key))]
    Unknown {
        /// The configuration file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The key.
        key: String,
    },
    /// A file that is no TOML.
    #[error("{}:{line}: {message}", .path.display())]
    Syntax {
        /// The configuration file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A file that cannot be read.
    #[error("config is {path:?} ({origin}); it must be a readable file of at most {max} bytes: {error}",
        max = limits::CONFIG_FILE_BYTES_MAX)]
    Read {
        /// The configuration file.
        path: PathBuf,
        /// Where it was named.
        origin: Source,
        /// What the system says.
        error: std::io::Error,
    },
}

/// The nearest setting, or all of them.
fn suggestion(key: &str) -> String {
    let normal = key.replace('-', "_").to_ascii_lowercase();
    let distance = |setting: &&Setting| edit_distance(&normal, setting.name);
    let nearest = SETTINGS
        .iter()
        .min_by_key(distance)
        .expect("there are settings");
    if edit_distance(&normal, nearest.name) <= 1 + nearest.name.len() / 3 {
        return format!("did you mean {}?", nearest.name);
    }
    let names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
    format!("settings are {}", names.join(", "))
}

/// Insertions, deletions and replacements from one word to the other.
fn edit_distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, byte) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other_byte) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(byte != other_byte);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

/// Where settings are read from again, at the start and at each reload.
#[derive(Debug)]
pub struct Sources {
    flags: BTreeMap<&'static str, Given>,
    environment: BTreeMap<&'static str, Given>,
    config: Option<(PathBuf, Source)>,
}

impl Sources {
    /// From the command line, and from the environment as `variable` knows it. A variable that is
    /// empty counts as absent: many tools can set variables but not unset them.
    pub fn new(
        arguments: &ServeArguments,
        log_level: Option<&str>,
        log_format: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Sources {
        let mut flags = BTreeMap::new();
        for (name, values) in flag_values(arguments, log_level, log_format) {
            if !values.is_empty() {
                let source = Source::Flag(format!("--{}", name.replace('_', "-")));
                flags.insert(name, Given { values, source });
            }
        }
        let mut environment = BTreeMap::new();
        for setting in SETTINGS {
            let name = variable_of(setting.name);
            if let Some(text) = variable(&name).filter(|text| !text.is_empty()) {
                let values = match setting.is_list {
                    true => text
                        .split(',')
                        .map(|value| value.trim().to_owned())
                        .collect(),
                    false => vec![text],
                };
                environment.insert(
                    setting.name,
                    Given {
                        values,
                        source: Source::Environment(name),
                    },
                );
            }
        }
        let config = variable_of("config");
        let from_environment = variable(&config).filter(|text| !text.is_empty());
        let config = match (&arguments.config, from_environment) {
            (Some(path), _) => Some((path.clone(), Source::Flag("--config".to_owned()))),
            (None, Some(path)) => Some((path.into(), Source::Environment(config))),
            (None, None) => None,
        };
        Sources {
            flags,
            environment,
            config,
        }
    }

    /// Reads the configuration file, and everything together.
    pub fn read(&self) -> Result<Settings, SettingError> {
        let (path, given) = match &self.config {
            Some((path, source)) => (path.clone(), file::read(path, source)?),
            None => {
                let path = PathBuf::from(DEFAULT_CONFIG);
                let given = match path.exists() {
                    true => file::read(&path, &Source::Default)?,
                    false => BTreeMap::new(),
                };
                (path, given)
            }
        };
        let mut together = given;
        together.extend(self.environment.clone());
        together.extend(self.flags.clone());
        Settings::from_given(path, together)
    }
}

fn variable_of(name: &str) -> String {
    format!("WARMFRONT_{}", name.to_ascii_uppercase())
}

fn flag_values(
    arguments: &ServeArguments,
    log_level: Option<&str>,
    log_format: Option<&str>,
) -> Vec<(&'static str, Vec<String>)> {
    let one = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
    let text = |value: Option<&str>| value.map(str::to_owned).into_iter().collect::<Vec<_>>();
    vec![
        ("origin", one(&arguments.origin)),
        ("distribution", arguments.distribution.clone()),
        ("policies", one(&arguments.policies)),
        ("domain", one(&arguments.domain)),
        ("data", one(&arguments.data)),
        ("roles", arguments.roles.clone()),
        ("store", one(&arguments.store)),
        ("account_id", one(&arguments.account_id)),
        ("http", arguments.http.clone()),
        ("https", arguments.https.clone()),
        ("http3", one(&arguments.http3)),
        ("secrets", one(&arguments.secrets)),
        ("unknown_names", one(&arguments.unknown_names)),
        ("acme", one(&arguments.acme)),
        ("acme_root", one(&arguments.acme_root)),
        ("acme_contact", one(&arguments.acme_contact)),
        ("acme_key", one(&arguments.acme_key)),
        (
            "validate_certificates",
            one(&arguments.validate_certificates),
        ),
        ("buckets", one(&arguments.buckets)),
        ("bucket_endpoint", one(&arguments.bucket_endpoint)),
        ("api", one(&arguments.api)),
        ("dns", arguments.dns.clone()),
        ("dns_rate_limit", one(&arguments.dns_rate_limit)),
        ("query_logs", one(&arguments.query_logs)),
        ("transfer_keys", arguments.transfer_keys.clone()),
        ("region", one(&arguments.region)),
        ("pops", arguments.pops.clone()),
        ("vpcs", arguments.vpcs.clone()),
        ("workers", one(&arguments.workers)),
        ("cache_bytes", one(&arguments.cache_bytes)),
        ("access_logs", one(&arguments.access_logs)),
        ("geo", one(&arguments.geo)),
        ("pop", one(&arguments.pop)),
        (
            "connections_per_client",
            one(&arguments.connections_per_client),
        ),
        ("origin_ca", one(&arguments.origin_ca)),
        ("origin_keys", arguments.origin_keys.clone()),
        ("log_level", text(log_level)),
        ("log_format", text(log_format)),
    ]
}

impl Settings {
    fn from_given(
        config: PathBuf,
        given: BTreeMap<&'static str, Given>,
    ) -> Result<Settings, SettingError> {
        let reader = Reader { given: &given };
        let data = reader
            .path("data")?
            .unwrap_or_else(|| "warmfront-data".into());
        let access_logs = match reader.text("access_logs") {
            Some("off") => None,
            Some(_) => reader.path("access_logs")?,
            None => Some(data.join("logs")),
        };
        let query_logs = match reader.text("query_logs") {
            Some("off") => None,
            Some(_) => reader.path("query_logs")?,
            None => Some(data.join("query-logs")),
        };
        let distributions = reader.files("distribution")?;
        if distributions.len() > limits::DISTRIBUTIONS_MAX {
            let count = format!("{} files", distributions.len());
            let allowed = format!("at most {} files", limits::DISTRIBUTIONS_MAX);
            return Err(reader.error("distribution", &count, allowed));
        }
        let roles = reader.roles()?;
        let store = reader
            .parse("store", values::parse_store, values::STORE)?
            .unwrap_or(StorePlace::Embedded);
        if !roles.contains(&Role::Control) && store == StorePlace::Embedded {
            let allowed = "etcd://… on a node without the role control: a store in a file belongs \
                           to one process";
            return Err(reader.error("store", "sqlite", allowed));
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Settings {
            origin: reader.parse("origin", OriginUrl::parse, OriginUrl::ALLOWED)?,
            distributions,
            policies: reader.existing("policies", Path::is_dir, "a directory")?,
            domain: reader
                .parse("domain", values::parse_domain, values::DOMAIN)?
                .unwrap_or_else(|| "cdn.localhost".to_owned()),
            config,
            roles,
            store,
            account_id: reader
                .parse("account_id", values::parse_account_id, "twelve digits")?
                .unwrap_or_else(|| "123456789012".to_owned()),
            tls: TlsSettings::read(&reader, &data)?,
            buckets: BucketSettings::read(&reader, &data)?,
            http: reader.addresses("http", SocketAddr::from(([127, 0, 0, 1], 8080)))?,
            api: reader
                .parse("api", |text| text.parse().ok(), values::ADDRESS)?
                .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 4566))),
            dns: reader.addresses("dns", SocketAddr::from(([127, 0, 0, 1], 5300)))?,
            dns_rate_limit: match reader.text("dns_rate_limit") {
                Some("off") => None,
                _ => reader
                    .number("dns_rate_limit", 1, limits::DNS_RATE_LIMIT_MAX)?
                    .map(|number| number as u32)
                    .or(Some(limits::DNS_RATE_LIMIT_DEFAULT)),
            },
            query_logs,
            transfer_keys: reader.table("transfer_keys", names::PAIR, |name, value| {
                Some((name.to_owned(), value.to_owned()))
            })?,
            region: reader.parse(
                "region",
                |text| geo::region(text).map(|_| text.to_owned()),
                "an AWS region, such as eu-west-1",
            )?,
            pops: reader.table("pops", names::POPS, names::pop)?,
            vpcs: reader.table("vpcs", names::VPCS, names::vpc)?,
            workers: reader
                .number("workers", 1, limits::WORKERS_MAX)?
                .unwrap_or(cores.min(limits::WORKERS_MAX)),
            cache_bytes: reader.cache_bytes()?,
            access_logs,
            geo: match reader.text("geo") {
                Some("off") => None,
                Some(_) => reader.existing("geo", Path::is_file, "\"off\", or an .mmdb file")?,
                None => Some(default_database(&data)).filter(|file| file.is_file()),
            },
            data,
            pop: reader
                .parse("pop", values::parse_pop, values::POP)?
                .unwrap_or_else(|| "LOC1-C1".to_owned()),
            connections_per_client: reader
                .number(
                    "connections_per_client",
                    1,
                    limits::CONNECTIONS_PER_CLIENT_MAX,
                )?
                .unwrap_or(edge::limits::CONNECTIONS_PER_CLIENT_MAX),
            origin_ca: reader.existing("origin_ca", Path::is_file, "a file of PEM certificates")?,
            origin_keys: names::origin_keys(&reader)?,
            log: reader.log()?,
            given,
        })
    }

    /// Whether no file says what is to be served, so that a demo site is welcome. A node that is an
    /// edge alone has its sites from others.
    pub fn wants_demo(&self) -> bool {
        let is_whole = self.is_edge() && self.is_control();
        is_whole && self.origin.is_none() && self.distributions.is_empty()
    }

    /// Whether this node serves viewers.
    pub fn is_edge(&self) -> bool {
        self.roles.contains(&Role::Edge)
    }

    /// Whether this node answers the API.
    pub fn is_control(&self) -> bool {
        self.roles.contains(&Role::Control)
    }

    /// Whether this node answers DNS.
    pub fn is_dns(&self) -> bool {
        self.roles.contains(&Role::Dns)
    }

    /// Whether this node checks the health of endpoints.
    pub fn is_health(&self) -> bool {
        self.roles.contains(&Role::Health)
    }

    /// Settings that differ in `later` and are taken up by a new start alone, each with the value
    /// and its place.
    pub fn waiting_for_restart(&self, later: &Settings) -> Vec<String> {
        let values =
            |settings: &Settings, name| settings.given.get(name).map(|given| given.values.clone());
        let changed = SETTINGS
            .iter()
            .filter(|setting| !setting.is_live)
            .filter(|setting| values(self, setting.name) != values(later, setting.name));
        let described = changed.map(|setting| match later.given.get(setting.name) {
            Some(given) if setting.is_secret => format!("{} ({})", setting.name, given.source),
            Some(given) => {
                format!(
                    "{} = {:?} ({})",
                    setting.name,
                    given.values.join(","),
                    given.source
                )
            }
            None => format!("{} is no longer set", setting.name),
        });
        described.collect()
    }

    /// Where a setting was given.
    pub fn source(&self, name: &str) -> Source {
        self.given
            .get(name)
            .map_or(Source::Default, |given| given.source.clone())
    }

    /// An error about a setting whose value turned out wrong only when it was used.
    pub fn error(
        &self,
        name: &'static str,
        value: impl fmt::Display,
        allowed: String,
    ) -> SettingError {
        let value = value.to_string();
        SettingError::Value {
            name,
            value,
            origin: self.source(name),
            allowed,
        }
    }
}

impl LogSettings {
    /// For commands that read no configuration file.
    pub fn from_flags(
        level: Option<&str>,
        format: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<LogSettings, SettingError> {
        let sources = Sources::new(&ServeArguments::default(), level, format, variable);
        let mut given = sources.environment;
        given.extend(sources.flags);
        Reader { given: &given }.log()
    }
}

/// Turns text into values, and says where wrong text came from.
struct Reader<'a> {
    given: &'a BTreeMap<&'static str, Given>,
}

impl Reader<'_> {
    fn text(&self, name: &'static str) -> Option<&str> {
        self.given.get(name)?.values.last().map(String::as_str)
    }

    fn error(&self, name: &'static str, value: &str, allowed: impl Into<String>) -> SettingError {
        let origin = self
            .given
            .get(name)
            .map_or(Source::Default, |given| given.source.clone());
        SettingError::Value {
            name,
            value: value.to_owned(),
            origin,
            allowed: allowed.into(),
        }
    }

    fn parse<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
        allowed: &str,
    ) -> Result<Option<T>, SettingError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        parse(text)
            .map(Some)
            .ok_or_else(|| self.error(name, text, allowed))
    }

    fn number(
        &self,
        name: &'static str,
        min: usize,
        max: usize,
    ) -> Result<Option<usize>, SettingError> {
        let parse = |text: &str| {
            text.parse()
                .ok()
                .filter(|number| (min..=max).contains(number))
        };
        self.parse(name, parse, &format!("a whole number from {min} to {max}"))
    }

    fn addresses(
        &self,
        name: &'static str,
        default: SocketAddr,
    ) -> Result<Vec<SocketAddr>, SettingError> {
        let Some(given) = self.given.get(name) else {
            return Ok(vec![default]);
        };
        let parse = |text: &String| {
            text.parse()
                .map_err(|_| self.error(name, text, values::ADDRESS))
        };
        given.values.iter().map(parse).collect()
    }

    /// Paths in a configuration file are meant from where it lies, others from here.
    fn located(&self, name: &'static str, text: &str) -> PathBuf {
        match self.given.get(name).map(|given| &given.source) {
            Some(Source::File { path, .. }) => path
                .parent()
                .map_or_else(|| text.into(), |directory| directory.join(text)),
            _ => text.into(),
        }
    }

    fn roles(&self) -> Result<Vec<Role>, SettingError> {
        let Some(given) = self.given.get("roles") else {
            return Ok(vec![Role::Control, Role::Edge, Role::Dns, Role::Health]);
        };
        let mut roles = Vec::new();
        // A flag may name several at once, as the environment does.
        for text in given.values.iter().flat_map(|value| value.split(',')) {
            roles.push(match text.trim() {
                "control" => Role::Control,
                "edge" => Role::Edge,
                "dns" => Role::Dns,
                "health" => Role::Health,
                other => {
                    let allowed = "control, edge, dns, health, or several of them";
                    return Err(self.error("roles", other, allowed));
                }
            });
        }
        roles.sort();
        roles.dedup();
        Ok(roles)
    }

    /// Values of the form `NAME=VALUE`, no name twice.
    fn table<T>(
        &self,
        name: &'static str,
        allowed: &str,
        read: impl Fn(&str, &str) -> Option<T>,
    ) -> Result<Vec<T>, SettingError> {
        let values = self.given.get(name).map(|given| given.values.as_slice());
        let mut seen = BTreeSet::new();
        let mut read_all = Vec::new();
        for text in values.unwrap_or_default() {
            let pair = text.split_once('=').ok_or(names::PAIR);
            let pair = pair.map(|(key, value)| (key.trim(), value.trim()));
            let is_secret = setting(name).is_some_and(|setting| setting.is_secret);
            let shown = match (is_secret, text.split_once('=')) {
                (false, _) => text.clone(),
                (true, Some((key, _))) => format!("{key}=…"),
                (true, None) => "…".to_owned(),
            };
            let (key, value) = pair.map_err(|allowed| self.error(name, &shown, allowed))?;
            if !seen.insert(key) {
                return Err(self.error(name, &shown, "a name that is there once"));
            }
            read_all.push(read(key, value).ok_or_else(|| self.error(name, &shown, allowed))?);
        }
        Ok(read_all)
    }

    fn path(&self, name: &'static str) -> Result<Option<PathBuf>, SettingError> {
        match self.text(name) {
            Some("") => Err(self.error(name, "", "a path")),
            text => Ok(text.map(|text| self.located(name, text))),
        }
    }

    fn existing(
        &self,
        name: &'static str,
        is_there: impl Fn(&Path) -> bool,
        allowed: &str,
    ) -> Result<Option<PathBuf>, SettingError> {
        let path = self.path(name)?;
        match &path {
            Some(path) if !is_there(path) => {
                let allowed = format!("{allowed} that exists");
                Err(self.error(name, &path.display().to_string(), allowed))
            }
            _ => Ok(path),
        }
    }

    fn files(&self, name: &'static str) -> Result<Vec<PathBuf>, SettingError> {
        let Some(given) = self.given.get(name) else {
            return Ok(Vec::new());
        };
        let locate = |text: &String| {
            let path = self.located(name, text);
            match path.is_file() {
                true => Ok(path),
                false => Err(self.error(name, text, "a file that exists")),
            }
        };
        given.values.iter().map(locate).collect()
    }

    fn cache_bytes(&self) -> Result<u64, SettingError> {
        let allowed = format!(
            "a size from {} to {}, such as 4GiB, 512MiB or 1073741824",
            print_size(limits::CACHE_BYTES_MIN),
            print_size(limits::CACHE_BYTES_MAX),
        );
        let range = limits::CACHE_BYTES_MIN..=limits::CACHE_BYTES_MAX;
        let parse = |text: &str| parse_size(text).filter(|size| range.contains(size));
        let given = self.parse("cache_bytes", parse, &allowed)?;
        Ok(given.unwrap_or_else(values::default_cache_bytes))
    }

    fn log(&self) -> Result<LogSettings, SettingError> {
        let level = |text: &str| match text {
            "off" => Some(None),
            "error" => Some(Some(tracing::Level::ERROR)),
            "warn" => Some(Some(tracing::Level::WARN)),
            "info" => Some(Some(tracing::Level::INFO)),
            "debug" => Some(Some(tracing::Level::DEBUG)),
            "trace" => Some(Some(tracing::Level::TRACE)),
            _ => None,
        };
        let levels = "off, error, warn, info, debug or trace";
        let format = |text: &str| match text {
            "text" => Some(false),
            "json" => Some(true),
            _ => None,
        };
        Ok(LogSettings {
            level: self
                .parse("log_level", level, levels)?
                .unwrap_or(Some(tracing::Level::INFO)),
            is_json: self
                .parse("log_format", format, "text or json")?
                .unwrap_or(false),
        })
    }
}

#[cfg(test)]
mod tests;
