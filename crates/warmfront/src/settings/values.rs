//! What values of settings may look like.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::limits;

pub(super) const ADDRESS: &str =
    "an IP address and a port, such as 127.0.0.1:8080, 0.0.0.0:80 or [::]:8080";
pub(super) const DOMAIN: &str =
    "a domain name of letters, digits, '-' and '.', such as cdn.localhost";
pub(super) const POP: &str =
    "three capital letters, a number, '-', a letter and a number, such as LOC1-C1 or ICN57-P2";

pub(super) const STORE: &str = "sqlite, or etcd://HOST:PORT (several with commas between; a user as etcd://USER:PASSWORD@HOST)";

/// Where documents are kept.
#[derive(Clone, PartialEq, Eq)]
pub enum StorePlace {
    /// In a file of the data directory.
    Embedded,
    /// In etcd.
    Etcd {
        /// `HOST:PORT` of each member.
        endpoints: Vec<String>,
        /// User and password, if etcd asks for them.
        user: Option<(String, String)>,
    },
}

impl std::fmt::Debug for StorePlace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StorePlace::Embedded => formatter.write_str("sqlite"),
            // Without the password.
            StorePlace::Etcd { endpoints, .. } => {
                write!(formatter, "etcd://{}", endpoints.join(","))
            }
        }
    }
}

pub(super) fn parse_store(text: &str) -> Option<StorePlace> {
    if text == "sqlite" {
        return Some(StorePlace::Embedded);
    }
    let rest = text.strip_prefix("etcd://")?.trim_end_matches('/');
    let (user, hosts) = match rest.rsplit_once('@') {
        Some((user, hosts)) => {
            let (name, password) = user.split_once(':')?;
            (Some((name.to_owned(), password.to_owned())), hosts)
        }
        None => (None, rest),
    };
    let endpoints: Vec<String> = hosts
        .split(',')
        .map(|host| host.trim().to_owned())
        .collect();
    let is_endpoint = |endpoint: &String| {
        endpoint
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    endpoints
        .iter()
        .all(is_endpoint)
        .then_some(StorePlace::Etcd { endpoints, user })
}

pub(super) fn parse_account_id(text: &str) -> Option<String> {
    let is_id = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then(|| text.to_owned())
}

/// Where the default distribution's origin is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginUrl {
    /// Whether it is asked by TLS.
    pub is_https: bool,
    /// Name or address; IPv6 in brackets.
    pub host: String,
    /// The port, the scheme's own unless given.
    pub port: u16,
    /// Put before every path: empty, or `/…` without a `/` at its end.
    pub path: String,
}

impl OriginUrl {
    pub(super) const ALLOWED: &str = "an http:// or https:// URL with a host, and perhaps a port \
        (80, 443 or from 1024) and a path; no user, query or fragment";

    pub(super) fn parse(text: &str) -> Option<OriginUrl> {
        let (scheme, rest) = text.split_once("://")?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (host, port) = match authority.rfind(':') {
            Some(at) if !authority[at..].contains(']') => {
                (&authority[..at], port(&authority[at + 1..])?)
            }
            _ => (authority, if is_https { 443 } else { 80 }),
        };
        let is_path = |byte: u8| byte.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&byte);
        if !is_host(host) || !path.bytes().all(is_path) {
            return None;
        }
        let (host, path) = (
            host.to_ascii_lowercase(),
            path.trim_end_matches('/').to_owned(),
        );
        Some(OriginUrl {
            is_https,
            host,
            port,
            path,
        })
    }
}

impl std::fmt::Display for OriginUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(
            formatter,
            "{scheme}://{}:{}{}",
            self.host, self.port, self.path
        )
    }
}

fn port(text: &str) -> Option<u16> {
    let is_allowed = |port: &u16| matches!(port, 80 | 443 | 1024..);
    text.parse().ok().filter(is_allowed)
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let has_only_numbers = host
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    (1..=253).contains(&host.len())
        && host.bytes().all(is_name_byte)
        && (!has_only_numbers || host.parse::<Ipv4Addr>().is_ok())
}

/// `4GiB`, `512MiB`, `64KiB`, `1TiB`, `10MB` (a million each), plain bytes.
pub fn parse_size(text: &str) -> Option<u64> {
    const UNITS: &[(&str, u64)] = &[
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("tib", 1 << 40),
        ("kb", 1_000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("tb", 1_000_000_000_000),
        ("b", 1),
        ("", 1),
    ];
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = lower.split_at(digits);
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// A size for people: `5.9 GiB`.
pub fn print_size(bytes: u64) -> String {
    const UNITS: &[&str] = &["bytes", "KiB", "MiB", "GiB", "TiB"];
    let step = |number: f64| number / 1024.0;
    let mut number = bytes as f64;
    let mut unit = 0;
    while number >= 1024.0 && unit + 1 < UNITS.len() {
        number = step(number);
        unit += 1;
    }
    match number.fract() == 0.0 {
        true => format!("{number} {}", UNITS[unit]),
        false => format!("{number:.1} {}", UNITS[unit]),
    }
}

pub(super) fn parse_domain(text: &str) -> Option<String> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // Distributions' names put a label of up to 14 bytes and a dot before it.
    (text.len() <= 238 && text.split('.').all(is_label)).then(|| text.to_ascii_lowercase())
}

pub(super) fn parse_pop(text: &str) -> Option<String> {
    let (place, cluster) = text.split_once('-')?;
    let is_number = |text: &str| {
        (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let (letters, number) = place.split_at_checked(3)?;
    let (kind, size) = cluster.split_at_checked(1)?;
    let is_capital = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase());
    (is_capital(letters) && is_number(number) && is_capital(kind) && is_number(size))
        .then(|| text.to_owned())
}

/// A quarter of the memory that this process may use.
pub(super) fn default_cache_bytes() -> u64 {
    match memory_bytes() {
        Some(bytes) => (bytes / 4).clamp(limits::CACHE_BYTES_MIN, limits::CACHE_BYTES_MAX),
        None => limits::CACHE_BYTES_FALLBACK,
    }
}

/// The machine's memory, or what the control group leaves of it.
fn memory_bytes() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| total_of(&text));
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let group = group.and_then(|text| text.trim().parse().ok());
    match (machine, group) {
        (Some(machine), Some(group)) => Some(u64::min(machine, group)),
        (one, other) => one.or(other),
    }
}

fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn origin(text: &str) -> Option<String> {
        OriginUrl::parse(text).map(|origin| origin.to_string())
    }

    #[test]
    fn origins_have_a_scheme_a_host_and_perhaps_a_port_and_a_path() {
        let same = |text: &str| assert_eq!(origin(text).as_deref(), Some(text));
        same("http://localhost:3000");
        same("https://www.example.com:443/site/a");
        same("http://[::1]:8000");
        assert_eq!(
            origin("HTTP://Example.com/").as_deref(),
            Some("http://example.com:80")
        );
        assert_eq!(
            origin("https://10.0.0.1/a/").as_deref(),
            Some("https://10.0.0.1:443/a")
        );
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "localhost:3000",
            "ftp://a.test",
            "http://",
            "http://a b",
            "http://u@a.test",
            "http://a.test:99999",
            "http://a.test:22",
            "http://a.test:",
            "http://a.test/?q",
            "http://a.test?q",
            "http://[::1",
            "http://::1",
            "http://1.2.3",
            "http://a.test/#f",
        ] {
            assert_eq!(origin(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("4GiB"), Some(4 << 30));
        assert_eq!(parse_size("512 mib"), Some(512 << 20));
        assert_eq!(parse_size("10MB"), Some(10_000_000));
        assert_eq!(parse_size("123"), Some(123));
        for wrong in ["", "GiB", "-1", "1.5GiB", "4 G", "99999999999TiB", "lots"] {
            assert_eq!(parse_size(wrong), None, "{wrong}");
        }
        assert_eq!(print_size(4 << 30), "4 GiB");
        assert_eq!(print_size(1_600_000), "1.5 MiB");
    }

    #[test]
    fn points_of_presence_look_like_those_of_the_original() {
        for right in ["LOC1-C1", "ICN57-P2", "FRA50-C1"] {
            assert_eq!(parse_pop(right).as_deref(), Some(right));
        }
        for wrong in [
            "",
            "LOC",
            "loc1-c1",
            "LOC1",
            "LOC-C1",
            "LOC1-1",
            "LO1-C1",
            "LOC1-C",
            "é€1-C1",
        ] {
            assert_eq!(parse_pop(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_memory_of_a_machine_is_read() {
        assert_eq!(
            total_of("MemTotal:       16 kB\nMemFree: 1 kB\n"),
            Some(16_384)
        );
        assert_eq!(total_of("MemTotal: lots"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panicking(text in "\\PC{0,30}") {
            let _ = (OriginUrl::parse(&text), parse_size(&text), parse_domain(&text));
            let _ = parse_pop(&text);
            let _ = OriginUrl::parse(&format!("http://{text}"));
        }
    }
}
