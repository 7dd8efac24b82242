//! A check's endpoint as probes need it (spec §13.1 and §13.2).

use std::net::IpAddr;

use shapes::route53::{HealthCheckConfig, HealthCheckType};
use thiserror::Error;

/// What a probe connects to, says, and wants to hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where.
    pub place: Place,
    /// The port there.
    pub port: u16,
    /// What is asked; nothing where a connection is enough.
    pub question: Option<Question>,
}

/// Where an endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// There.
    Address(IpAddr),
    /// Where its name leads to at the time of each probe, by IPv4 alone.
    Name(String),
}

/// A question in HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Whether it is asked over TLS.
    pub is_tls: bool,
    /// The name that the handshake asks for.
    pub server_name: Option<String>,
    /// The bytes of the request.
    pub request: Vec<u8>,
    /// What the beginning of the body must hold.
    pub search: Option<Vec<u8>>,
}

/// Why a check has no endpoint that can be probed; the fault of whoever wrote it past the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// Its state follows from something else: other checks, an alarm.
    #[error("it is of a type that has no endpoint")]
    NoEndpoint,
    /// There is nothing to connect to.
    #[error("it has neither an IPAddress nor a FullyQualifiedDomainName that can be used")]
    NoPlace,
    /// There is no port to connect to.
    #[error("its Port is not one of 1 to 65535")]
    NoPort,
    /// There is nothing to search for.
    #[error("it has no SearchString")]
    NoSearch,
}

impl Target {
    /// The endpoint of a check.
    pub fn new(id: &str, config: &HealthCheckConfig) -> Result<Target, TargetError> {
        let (is_tls, default_port) = match config.r#type {
            HealthCheckType::Http | HealthCheckType::HttpStrMatch => (Some(false), Some(80)),
            HealthCheckType::Https | HealthCheckType::HttpsStrMatch => (Some(true), Some(443)),
            HealthCheckType::Tcp => (None, None),
            _ => return Err(TargetError::NoEndpoint),
        };
        let name = config.fully_qualified_domain_name.as_deref();
        // It becomes part of a request.
        let name = name.filter(|name| {
            !name.is_empty() && name.len() <= 255 && name.bytes().all(|b| b.is_ascii_graphic())
        });
        let address = match config.ip_address.as_deref() {
            Some(address) => Some(address.parse().map_err(|_| TargetError::NoPlace)?),
            // A name may be written that is none.
            None => name.and_then(|name| name.parse().ok()),
        };
        let place = match (address, name) {
            (Some(address), _) => Place::Address(address),
            (None, Some(name)) => Place::Name(name.to_owned()),
            (None, None) => return Err(TargetError::NoPlace),
        };
        let port = match config.port {
            Some(port) => u16::try_from(port).ok().filter(|port| *port > 0),
            None => default_port,
        };
        let port = port.ok_or(TargetError::NoPort)?;
        let search = match config.r#type {
            HealthCheckType::HttpStrMatch | HealthCheckType::HttpsStrMatch => {
                let search = config.search_string.as_deref();
                let search = search.filter(|search| !search.is_empty());
                Some(search.ok_or(TargetError::NoSearch)?.as_bytes().to_vec())
            }
            _ => None,
        };
        let question = is_tls.map(|is_tls| {
            let is_usual_port = Some(port) == default_port;
            let host = host(name, address, (!is_usual_port).then_some(port));
            let says_name = is_tls && config.enable_sni.unwrap_or(true);
            Question {
                is_tls,
                server_name: name.filter(|_| says_name).map(str::to_owned),
                request: request(id, &host, config.resource_path.as_deref()),
                search,
            }
        });
        Ok(Target {
            place,
            port,
            question,
        })
    }
}

fn host(name: Option<&str>, address: Option<IpAddr>, port: Option<u16>) -> String {
    let mut host = match (name, address) {
        (Some(name), _) => name.to_owned(),
        (None, Some(IpAddr::V6(address))) => format!("[{address}]"),
        (None, Some(IpAddr::V4(address))) => address.to_string(),
        (None, None) => String::new(),
    };
    if let Some(port) = port {
        host.push_str(&format!(":{port}"));
    }
    host
}

/// The request as AWS's checkers send it, so that endpoints which know them know these.
fn request(id: &str, host: &str, path: Option<&str>) -> Vec<u8> {
    let mut request = b"GET ".to_vec();
    let path = path.unwrap_or_default();
    if !path.starts_with('/') {
        request.push(b'/');
    }
    for byte in path.bytes() {
        if byte.is_ascii_graphic() {
            request.push(byte);
        } else {
            request.extend(format!("%{byte:02X}").bytes());
        }
    }
    // An id is a UUID; what is not must not become a field of its own.
    let id: String = id.chars().filter(char::is_ascii_graphic).collect();
    let fields = format!(
        " HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nUser-Agent: \
         Amazon-Route53-Health-Check-Service (ref {id}; report http://amzn.to/1vsZADi)\r\n\
         Accept: */*\r\nAccept-Encoding: identity,gzip,deflate\r\n\r\n"
    );
    request.extend(fields.bytes());
    request
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn target(config: Value) -> Result<Target, TargetError> {
        Target::new("check-1", &shapes::from_value(&config).unwrap())
    }

    fn head(config: Value) -> String {
        let question = target(config).unwrap().question.unwrap();
        String::from_utf8(question.request).unwrap()
    }

    #[test]
    fn a_request_says_who_asks_and_for_what() {
        let text = head(json!({"Type": "HTTP", "FullyQualifiedDomainName": "a.example"}));
        assert_eq!(
            text,
            "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\
             User-Agent: Amazon-Route53-Health-Check-Service \
             (ref check-1; report http://amzn.to/1vsZADi)\r\n\
             Accept: */*\r\nAccept-Encoding: identity,gzip,deflate\r\n\r\n"
        );
    }

    #[test]
    fn the_port_is_in_host_unless_it_is_the_usual_one() {
        for (kind, port, host) in [
            ("HTTP", json!(80), "a.example"),
            ("HTTP", json!(443), "a.example:443"),
            ("HTTPS", json!(443), "a.example"),
            ("HTTPS", json!(null), "a.example"),
            ("HTTPS", json!(80), "a.example:80"),
            ("HTTP", json!(8080), "a.example:8080"),
        ] {
            let mut config = json!({"Type": kind, "FullyQualifiedDomainName": "a.example"});
            if !port.is_null() {
                config["Port"] = port;
            }
            let text = head(config);
            assert!(text.contains(&format!("\r\nHost: {host}\r\n")), "{text}");
        }
    }

    #[test]
    fn an_address_is_the_host_where_there_is_no_name() {
        let text = head(json!({"Type": "HTTP", "IPAddress": "192.0.2.1"}));
        assert!(text.contains("\r\nHost: 192.0.2.1\r\n"), "{text}");
        let text = head(json!({"Type": "HTTP", "IPAddress": "2001:db8::1", "Port": 81}));
        assert!(text.contains("\r\nHost: [2001:db8::1]:81\r\n"), "{text}");
        let both = json!({
            "Type": "HTTP", "IPAddress": "192.0.2.1", "FullyQualifiedDomainName": "a.example",
        });
        assert_eq!(
            target(both.clone()).unwrap().place,
            Place::Address([192, 0, 2, 1].into())
        );
        assert!(head(both).contains("\r\nHost: a.example\r\n"));
    }

    #[test]
    fn a_path_gets_its_slash_and_cannot_add_lines() {
        let path = |path: &str| {
            let config = json!({"Type": "HTTP", "IPAddress": "192.0.2.1", "ResourcePath": path});
            head(config).lines().next().unwrap().to_owned()
        };
        assert_eq!(path("a/b?c=d"), "GET /a/b?c=d HTTP/1.1");
        assert_eq!(path("/a b\r\nX: y"), "GET /a%20b%0D%0AX:%20y HTTP/1.1");
    }

    #[test]
    fn the_name_is_said_in_the_handshake_unless_that_is_turned_off() {
        let name = |config: Value| target(config).unwrap().question.unwrap().server_name;
        let mut config = json!({"Type": "HTTPS", "FullyQualifiedDomainName": "a.example"});
        assert_eq!(name(config.clone()).as_deref(), Some("a.example"));
        config["EnableSNI"] = json!(false);
        assert_eq!(name(config), None);
    }

    #[test]
    fn what_cannot_be_probed_says_why() {
        for (config, error) in [
            (json!({"Type": "CALCULATED"}), TargetError::NoEndpoint),
            (json!({"Type": "HTTP"}), TargetError::NoPlace),
            (
                json!({"Type": "HTTP", "FullyQualifiedDomainName": "a b"}),
                TargetError::NoPlace,
            ),
            (
                json!({"Type": "HTTP", "IPAddress": "192.0.2"}),
                TargetError::NoPlace,
            ),
            (
                json!({"Type": "TCP", "IPAddress": "192.0.2.1"}),
                TargetError::NoPort,
            ),
            (
                json!({"Type": "HTTP", "IPAddress": "192.0.2.1", "Port": 70_000}),
                TargetError::NoPort,
            ),
            (
                json!({"Type": "HTTP_STR_MATCH", "IPAddress": "192.0.2.1"}),
                TargetError::NoSearch,
            ),
        ] {
            assert_eq!(target(config.clone()), Err(error), "{config}");
        }
    }
}
