//! The command line's side of the API: one signed request after another, each on a connection of
//! its own, to a server that runs already.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use serde_json::{Value, json};
use shapes::rest;
use shapes::schema::Service;
use sigv4::{Algorithm, Dialect, Signer};
use thiserror::Error;
use tokio::net::TcpStream;

use crate::arguments::ConnectionArguments;
use crate::limits;
use crate::server::Stream;
use crate::store::credentials_file;

const ENDPOINT: &str = "http://127.0.0.1:4566";
const REGION: &str = "us-east-1";

/// Why a command that asks a server fails; the message says what to do.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The endpoint is none.
    #[error("the endpoint is {0:?}; it must be http://, a host and a port, such as {ENDPOINT}")]
    Endpoint(String),
    /// There is nobody.
    #[error(
        "no server answers at {endpoint} ({error}): start one by `warmfront serve`, or name \
         another by --endpoint or WARMFRONT_ENDPOINT"
    )]
    NoServer {
        /// Where.
        endpoint: String,
        /// Why not.
        error: io::Error,
    },
    /// There is no key to sign with.
    #[error(
        "there is no access key: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, and {} \
         cannot be read ({error}); `warmfront serve` writes it at its first start, and --data \
         names another directory",
        path.display()
    )]
    NoCredentials {
        /// The file that was looked for.
        path: PathBuf,
        /// Why it cannot be read.
        error: io::Error,
    },
    /// The file of keys has none.
    #[error(
        "{} has no aws_access_key_id and aws_secret_access_key in its section [default]",
        path.display()
    )]
    Credentials {
        /// The file.
        path: PathBuf,
    },
    /// The server says no.
    #[error("{code}: {message}{hint}")]
    Refused {
        /// `AccessDenied`.
        code: String,
        /// In the server's words.
        message: String,
        /// What to do besides.
        hint: String,
    },
    /// The server does not speak this API, or breaks off.
    #[error("{endpoint} gives no answer that can be understood: {message}")]
    Answer {
        /// Who.
        endpoint: String,
        /// What is wrong.
        message: String,
    },
}

/// An access key.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AKIA…`.
    pub id: String,
    /// What signs.
    pub secret: String,
}

/// Whom to ask, and as whom.
pub struct Client {
    /// `127.0.0.1:4566`.
    authority: String,
    credentials: Credentials,
    /// The key comes from the environment, not from the data directory.
    is_from_environment: bool,
}

/// A variable of the environment.
pub type Variable<'v> = &'v dyn Fn(&str) -> Option<String>;

impl Client {
    /// A client as flags and the environment have it. Nothing is connected yet.
    pub fn new(
        arguments: &ConnectionArguments,
        variable: Variable<'_>,
    ) -> Result<Self, ClientError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let (id, secret) = (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY"));
        let given = id
            .zip(secret)
            .map(|(id, secret)| Credentials { id, secret });
        let is_from_environment = given.is_some();
        Ok(Client {
            authority: authority(&endpoint(arguments, variable))?,
            credentials: match given {
                Some(credentials) => credentials,
                None => Credentials::read(&data(arguments, variable))?,
            },
            is_from_environment,
        })
    }

    /// An operation of CloudFront's: input and output as the AWS CLI has them.
    pub async fn cloudfront(&self, name: &str, input: &Value) -> Result<Value, ClientError> {
        let service = &shapes::cloudfront::SERVICE;
        self.operation("cloudfront", service, name, input).await
    }

    /// An operation of Route 53's: input and output as the AWS CLI has them.
    pub async fn route53(&self, name: &str, input: &Value) -> Result<Value, ClientError> {
        let service = &shapes::route53::SERVICE;
        self.operation("route53", service, name, input).await
    }

    async fn operation(
        &self,
        signed_for: &'static str,
        service: &'static Service,
        name: &str,
        input: &Value,
    ) -> Result<Value, ClientError> {
        let operation = service.operation(name);
        let operation = operation.expect("commands name operations of the model");
        let request = rest::write_request(operation, input);
        let mut headers = request.headers;
        headers.extend(
            request
                .content_type
                .map(|kind| ("content-type".into(), kind)),
        );
        let asked = Asked {
            service: signed_for,
            method: request.method,
            target: &request.target,
            headers,
            body: request.body,
        };
        let answer = self.ask(asked).await?;
        let headers = answer.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        rest::read_response(operation, &headers, &answer.body)
            .map_err(|error| self.not_understood(error))
    }

    /// An operation of Warmfront's own.
    pub async fn warmfront(&self, name: &str, input: &Value) -> Result<Value, ClientError> {
        let asked = Asked {
            service: "warmfront",
            method: "POST",
            target: "/",
            headers: vec![
                (
                    "content-type".to_owned(),
                    "application/x-amz-json-1.1".to_owned(),
                ),
                ("x-amz-target".to_owned(), format!("Warmfront.{name}")),
            ],
            body: input.to_string().into_bytes(),
        };
        let answer = self.ask(asked).await?;
        serde_json::from_slice(&answer.body).map_err(|error| self.not_understood(error))
    }

    async fn ask(&self, mut asked: Asked<'_>) -> Result<Answer, ClientError> {
        self.sign(&mut asked);
        let answering = tokio::time::timeout(limits::CLIENT_TIMEOUT, self.send(asked));
        let answer = match answering.await {
            Ok(answer) => answer?,
            Err(_) => {
                let secs = limits::CLIENT_TIMEOUT.as_secs();
                return Err(self.not_understood(format!("nothing within {secs} seconds")));
            }
        };
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        match problem(&answer.body) {
            Some((code, message)) => Err(ClientError::Refused {
                hint: self.hint(&code),
                code,
                message,
            }),
            None => Err(self.not_understood(format!("status {}", answer.status))),
        }
    }

    fn sign(&self, asked: &mut Asked<'_>) {
        asked
            .headers
            .push(("host".to_owned(), self.authority.clone()));
        let headers: Vec<_> = asked
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let (path, query) = asked.target.split_once('?').unwrap_or((asked.target, ""));
        let request = sigv4::Request {
            method: asked.method,
            path,
            query,
            headers: &headers,
            body: &asked.body,
        };
        let signer = Signer {
            algorithm: Algorithm::HmacSha256,
            dialect: Dialect::Common,
            access_key_id: &self.credentials.id,
            secret: &self.credentials.secret,
            session_token: None,
            region: REGION,
            service: asked.service,
        };
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let added = signer
            .sign(&request, now.as_secs())
            .expect("the request has a host and no signature yet");
        let added = added.into_iter();
        asked
            .headers
            .extend(added.map(|(name, value)| (name.to_owned(), value)));
    }

    async fn send(&self, asked: Asked<'_>) -> Result<Answer, ClientError> {
        let stream = TcpStream::connect(&self.authority).await;
        let stream = stream.map_err(|error| ClientError::NoServer {
            endpoint: self.endpoint(),
            error,
        })?;
        let understood = |error: hyper::Error| self.not_understood(error);
        let handshake = http1::handshake(Stream(stream)).await;
        let (mut sender, connection) = handshake.map_err(understood)?;
        let connection = tokio::spawn(connection);
        let mut request = Request::builder().method(asked.method).uri(asked.target);
        for (name, value) in &asked.headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::new(Bytes::from(asked.body)))
            .map_err(|error| self.not_understood(error))?;
        let response = sender.send_request(request).await.map_err(understood)?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, limits::CLIENT_ANSWER_BYTES_MAX).collect();
        let body = body.await.map_err(|error| self.not_understood(error))?;
        connection.abort();
        let headers = parts
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: headers.collect(),
            body: body.to_bytes(),
        })
    }

    fn hint(&self, code: &str) -> String {
        let is_unknown = matches!(code, "InvalidClientTokenId" | "UnrecognizedClientException");
        match is_unknown && self.is_from_environment {
            true => " The key is AWS_ACCESS_KEY_ID of the environment; without that variable, \
                     the one in the data directory is taken."
                .to_owned(),
            false => String::new(),
        }
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.authority)
    }

    fn not_understood(&self, message: impl ToString) -> ClientError {
        ClientError::Answer {
            endpoint: self.endpoint(),
            message: message.to_string(),
        }
    }
}

struct Asked<'a> {
    service: &'static str,
    method: &'static str,
    /// Path and query.
    target: &'a str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Credentials {
    /// The key in the data directory.
    pub fn read(data: &Path) -> Result<Credentials, ClientError> {
        Credentials::in_file(credentials_file(data))
    }

    /// The key in a file.
    pub fn in_file(path: PathBuf) -> Result<Credentials, ClientError> {
        let mut text = String::new();
        let read = File::open(&path).and_then(|file| {
            file.take(limits::CREDENTIALS_FILE_BYTES_MAX)
                .read_to_string(&mut text)
        });
        match read {
            Err(error) => Err(ClientError::NoCredentials { path, error }),
            Ok(_) => Credentials::parse(&text).ok_or(ClientError::Credentials { path }),
        }
    }

    /// Out of the section `[default]` of AWS's shared credentials file.
    fn parse(text: &str) -> Option<Credentials> {
        let mut is_default = false;
        let (mut id, mut secret) = (None, None);
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                is_default = line == "[default]";
            } else if let (true, Some((name, value))) = (is_default, line.split_once('=')) {
                let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
                match name.trim() {
                    "aws_access_key_id" => id = value,
                    "aws_secret_access_key" => secret = value,
                    _ => {}
                }
            }
        }
        let (id, secret) = (id?, secret?);
        Some(Credentials { id, secret })
    }
}

/// The endpoint as it was given.
pub fn endpoint(arguments: &ConnectionArguments, variable: Variable<'_>) -> String {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let given = arguments.endpoint.clone();
    given
        .or_else(|| set("WARMFRONT_ENDPOINT"))
        .or_else(|| set("AWS_ENDPOINT_URL"))
        .unwrap_or_else(|| ENDPOINT.to_owned())
}

/// The data directory, as `serve` finds it, but for its configuration file.
pub fn data(arguments: &ConnectionArguments, variable: Variable<'_>) -> PathBuf {
    let given = arguments.data.clone();
    let given = given.or_else(|| variable("WARMFRONT_DATA").map(PathBuf::from));
    given.unwrap_or_else(|| PathBuf::from("warmfront-data"))
}

/// Host and port of an endpoint.
pub fn authority(endpoint: &str) -> Result<String, ClientError> {
    let refused = || ClientError::Endpoint(endpoint.to_owned());
    let rest = endpoint.strip_prefix("http://").ok_or_else(refused)?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let parsed: hyper::http::uri::Authority = authority.parse().map_err(|_| refused())?;
    if parsed.host().is_empty() || authority.contains('@') {
        return Err(refused());
    }
    Ok(match parsed.port_u16() {
        Some(_) => authority.to_owned(),
        None => format!("{authority}:80"),
    })
}

/// Code and message of an error, in XML or JSON.
fn problem(body: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(body).ok()?;
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        let member = |name: &str| Some(value.get(name)?.as_str()?.to_owned());
        return Some((member("__type")?, member("message")?));
    }
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        let (inside, _) = rest.split_once(&format!("</{name}>"))?;
        Some(unescape(inside))
    };
    Some((element("Code")?, element("Message")?))
}

fn unescape(text: &str) -> String {
    // The ampersand last: `&amp;lt;` is the text `&lt;`.
    let named = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
    ];
    let text = named
        .iter()
        .fold(text.to_owned(), |text, (name, is)| text.replace(name, is));
    text.replace("&#39;", "'").replace("&amp;", "&")
}

/// Runs what a command asks of a server.
pub fn run<T>(asking: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| ClientError::NoServer {
        endpoint: "this machine".to_owned(),
        error,
    })?;
    runtime.block_on(asking)
}

/// Waits between two looks at something.
pub async fn pause() {
    tokio::time::sleep(POLL_INTERVAL).await;
}

const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A list of texts as AWS has it.
pub fn quantified(items: &[String]) -> Value {
    json!({ "Quantity": items.len(), "Items": items })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(endpoint: Option<&str>, data: Option<&Path>) -> ConnectionArguments {
        ConnectionArguments {
            endpoint: endpoint.map(str::to_owned),
            data: data.map(Path::to_owned),
        }
    }

    #[test]
    fn the_endpoint_is_the_flags_then_warmfronts_then_awss() {
        let both = |name: &str| Some(format!("http://{}", name.to_lowercase()));
        let aws = |name: &str| both(name).filter(|_| name.starts_with("AWS"));
        let asked = connection(Some("http://flag"), None);
        assert_eq!(endpoint(&asked, &both), "http://flag");
        let asked = connection(None, None);
        assert_eq!(endpoint(&asked, &both), "http://warmfront_endpoint");
        assert_eq!(endpoint(&asked, &aws), "http://aws_endpoint_url");
        assert_eq!(endpoint(&asked, &|_| None), ENDPOINT);
    }

    #[test]
    fn an_endpoint_is_http_a_host_and_a_port() {
        assert_eq!(authority("http://[::1]:4566/").unwrap(), "[::1]:4566");
        assert_eq!(authority("http://cdn.example").unwrap(), "cdn.example:80");
        for wrong in [
            "https://x",
            "localhost:4566",
            "http://",
            "http://u@h",
            "http://h/path",
        ] {
            let message = authority(wrong).unwrap_err().to_string();
            assert!(message.contains("http://127.0.0.1:4566"), "{message}");
        }
    }

    #[test]
    fn keys_are_read_from_the_default_section_alone() {
        let text = "# mine\n[other]\naws_access_key_id = A\n[default]\naws_access_key_id = AKIA1\n\
                    aws_secret_access_key=s/+=\n[more]\naws_secret_access_key = no\n";
        let read = Credentials::parse(text).unwrap();
        assert_eq!((read.id.as_str(), read.secret.as_str()), ("AKIA1", "s/+="));
        assert!(Credentials::parse("[default]\naws_access_key_id = A\n").is_none());
        assert!(Credentials::parse("aws_access_key_id = A\naws_secret_access_key = b").is_none());
    }

    #[test]
    fn a_missing_key_says_what_makes_one() {
        let directory = tempfile::tempdir().unwrap();
        let asked = connection(None, Some(directory.path()));
        let error = Client::new(&asked, &|_| None).err().unwrap();
        let message = error.to_string();
        assert!(message.contains("warmfront serve"), "{message}");
        assert!(message.contains("credentials"), "{message}");
        // The environment's comes first.
        let both = |name: &str| name.starts_with("AWS_").then(|| "x".to_owned());
        let endpoint = connection(Some(ENDPOINT), Some(directory.path()));
        assert!(Client::new(&endpoint, &both).unwrap().is_from_environment);
    }

    #[test]
    fn errors_are_read_in_both_forms() {
        let xml = b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
                    <Message>a &amp;lt; &lt;b&gt;</Message></Error></ErrorResponse>";
        let (code, message) = problem(xml).unwrap();
        assert_eq!(
            (code.as_str(), message.as_str()),
            ("AccessDenied", "a &lt; <b>")
        );
        let json = br#"{"__type": "X", "message": "m"}"#;
        assert_eq!(problem(json).unwrap(), ("X".to_owned(), "m".to_owned()));
        assert_eq!(problem(b"<html>"), None);
    }

    #[test]
    fn no_server_is_an_error_that_says_how_to_start_one() {
        // A port that nobody listens on any more.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let client = Client {
            authority: address.to_string(),
            credentials: Credentials {
                id: "AKIA".to_owned(),
                secret: "s".to_owned(),
            },
            is_from_environment: false,
        };
        let error = run(client.warmfront("ListSites", &json!({}))).unwrap_err();
        assert!(error.to_string().contains("warmfront serve"), "{error}");
    }
}
