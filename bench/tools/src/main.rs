//! What `bench/run` measures with: the bare epoll loop (the limit), the origin, and the load
//! generator. Each runs on one thread, so that pinning it to a core is all there is to control.
//! It is no general tool: HTTP/1.1 and HTTP/3 over IPv4; HTTP/2 is left to h2load.
//!
//! Read `bare::serve` first, then `load::run` and `origin::serve`; for TLS, `tls::Transport`.

mod bare;
mod bare_tls;
mod handshakes;
mod histogram;
mod http;
mod http3;
mod load;
mod origin;
mod sys;
mod tls;

use std::collections::HashMap;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

const USAGE: &str = "usage:
  bench-tools loop   --addr A:P --size BYTES [--chain FILE --key FILE]
    over TLS with a chain and a key (PEM)
  bench-tools origin --addr A:P
  bench-tools load   --addr A:P --path /PATH [--connections 64] [--seconds S] [--requests N]
                     [--unique N] [--order random|up] [--host H] [--header 'Name: value']
                     [--protocol http|tls|h3] [--streams 20]
    {} in the path stands for a number below --unique; h3 keeps --streams open on each connection
  bench-tools burst  --addr A:P --path /PATH --connections N [--seconds S] [--host H]
    opens N connections, then sends one request on each at once, and compares the bodies
  bench-tools hold   --addr A:P --path /PATH --connections N --seconds S [--host H]
                     [--protocol http|tls]
    opens N connections, makes one request on each, and keeps them open for S seconds
  bench-tools handshakes --addr A:P --host NAME --connections N --seconds S
                     [--resume yes] [--tls 1.3|1.2]
    shakes hands and closes, over and over
  bench-tools encrypt --chain FILE --key FILE --seconds S
    bytes that rustls alone encrypts in a second";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let outcome = Options::parse(words).and_then(|options| run(&command, &options));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("bench-tools: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &str, options: &Options) -> Result<(), String> {
    let say = |error: std::io::Error| format!("{command}: {error}");
    sys::raise_open_files().map_err(say)?;
    match command {
        "loop" => {
            let (addr, size_bytes) = (options.addr()?, options.required("size")?);
            match options.values.contains_key("chain") {
                true => bare_tls::serve(addr, size_bytes, options.server_config()?).map_err(say),
                false => bare::serve(addr, size_bytes).map_err(say),
            }
        }
        "encrypt" => {
            let (config, duration) = (options.server_config()?, options.duration()?);
            let duration = duration.ok_or("encrypt needs --seconds")?;
            let bytes_per_sec = bare_tls::encrypt(config, duration).map_err(say)?;
            println!("{{\"bytes_per_sec\": {bytes_per_sec:.0}}}");
            Ok(())
        }
        "handshakes" => {
            let report = handshakes::run(&options.handshakes()?).map_err(say)?;
            println!("{}", report.to_json());
            Ok(())
        }
        "origin" => origin::serve(options.addr()?).map_err(say),
        "load" => {
            let plan = options.plan()?;
            if plan.duration.is_none() && plan.requests.is_none() {
                return Err("load needs --seconds or --requests".to_owned());
            }
            let report = match options.word("protocol", &["http", "tls", "h3"])? {
                "h3" => http3::run(&plan, options.optional("streams")?.unwrap_or(20)),
                _ => load::run(&plan),
            };
            let report = report.map_err(say)?;
            println!("{}", report.to_json());
            Ok(())
        }
        "burst" => {
            let report = load::burst(&options.plan()?).map_err(say)?;
            println!("{}", report.to_json());
            Ok(())
        }
        "hold" => {
            let plan = options.plan()?;
            let hold = plan.duration.ok_or("hold needs --seconds")?;
            load::hold(&plan, hold).map_err(say)
        }
        _ => Err(USAGE.to_owned()),
    }
}

/// `--name value` pairs; `--header` may come several times.
struct Options {
    values: HashMap<String, String>,
    headers: Vec<String>,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
        const NAMES: [&str; 15] = [
            "addr",
            "size",
            "path",
            "connections",
            "seconds",
            "requests",
            "unique",
            "order",
            "host",
            "chain",
            "key",
            "protocol",
            "streams",
            "resume",
            "tls",
        ];
        let mut options = Options {
            values: HashMap::new(),
            headers: Vec::new(),
        };
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").unwrap_or_default().to_owned();
            let value = words
                .next()
                .ok_or_else(|| format!("{word} needs a value\n{USAGE}"))?;
            if name == "header" {
                options.headers.push(value);
            } else if NAMES.contains(&name.as_str()) {
                options.values.insert(name, value);
            } else {
                return Err(format!("{word} is not an option\n{USAGE}"));
            }
        }
        Ok(options)
    }

    fn addr(&self) -> Result<SocketAddrV4, String> {
        self.required("addr")
    }

    fn plan(&self) -> Result<load::Plan, String> {
        let addr = self.addr()?;
        Ok(load::Plan {
            addr,
            path: self.required("path")?,
            host: self.optional("host")?.unwrap_or_else(|| addr.to_string()),
            headers: self.headers.clone(),
            connections: self.optional("connections")?.unwrap_or(64),
            duration: self.duration()?,
            requests: self.optional("requests")?,
            unique: self.optional("unique")?.unwrap_or(1),
            is_in_order: self.word("order", &["random", "up"])? == "up",
            is_tls: self.word("protocol", &["http", "tls", "h3"])? == "tls",
        })
    }

    fn handshakes(&self) -> Result<handshakes::Plan, String> {
        Ok(handshakes::Plan {
            addr: self.addr()?,
            name: self.required("host")?,
            connections: self.required("connections")?,
            duration: self.duration()?.ok_or("handshakes needs --seconds")?,
            is_resuming: self.word("resume", &["no", "yes"])? == "yes",
            is_tls12: self.word("tls", &["1.3", "1.2"])? == "1.2",
        })
    }

    fn server_config(&self) -> Result<rustls::ServerConfig, String> {
        let (chain, key): (PathBuf, PathBuf) = (self.required("chain")?, self.required("key")?);
        tls::server_config(&chain, &key).map_err(|error| format!("--chain or --key: {error}"))
    }

    fn duration(&self) -> Result<Option<Duration>, String> {
        let seconds: Option<f64> = self.optional("seconds")?;
        seconds
            .map(Duration::try_from_secs_f64)
            .transpose()
            .map_err(|error| format!("--seconds: {error}"))
    }

    /// One of the words that are allowed; the first of them where none is given.
    fn word<'a>(&self, name: &str, allowed: &[&'a str]) -> Result<&'a str, String> {
        let Some(value) = self.values.get(name) else {
            return Ok(allowed[0]);
        };
        let found = allowed.iter().find(|word| *word == value);
        found
            .copied()
            .ok_or_else(|| format!("--{name} {value}: allowed are {}", allowed.join(", ")))
    }

    fn required<T: FromStr>(&self, name: &str) -> Result<T, String> {
        self.optional(name)?
            .ok_or_else(|| format!("--{name} is missing\n{USAGE}"))
    }

    fn optional<T: FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        let Some(value) = self.values.get(name) else {
            return Ok(None);
        };
        value
            .parse()
            .map(Some)
            .map_err(|_| format!("--{name} {value}: not understood"))
    }
}
