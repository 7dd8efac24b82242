//! What `bench/run` measures with: the bare epoll loop (the limit), the origin, and the load
//! generator. Each runs on one thread, so that pinning it to a core is all there is to control.
//! It is no general tool: HTTP/1.1 over IPv4 without TLS.
//!
//! Read `bare::serve` first, then `load::run` and `origin::serve`.

mod bare;
mod histogram;
mod http;
mod load;
mod origin;
mod sys;

use std::collections::HashMap;
use std::net::SocketAddrV4;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

const USAGE: &str = "usage:
  bench-tools loop   --addr A:P --size BYTES
  bench-tools origin --addr A:P
  bench-tools load   --addr A:P --path /PATH [--connections 64] [--seconds S] [--requests N]
                     [--unique N] [--order random|up] [--host H] [--header 'Name: value']
    {} in the path stands for a number below --unique
  bench-tools burst  --addr A:P --path /PATH --connections N [--seconds S] [--host H]
    opens N connections, then sends one request on each at once, and compares the bodies
  bench-tools hold   --addr A:P --path /PATH --connections N --seconds S [--host H]
    opens N connections, makes one request on each, and keeps them open for S seconds";

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
        "loop" => bare::serve(options.addr()?, options.required("size")?).map_err(say),
        "origin" => origin::serve(options.addr()?).map_err(say),
        "load" => {
            let plan = options.plan()?;
            if plan.duration.is_none() && plan.requests.is_none() {
                return Err("load needs --seconds or --requests".to_owned());
            }
            let report = load::run(&plan).map_err(say)?;
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
        const NAMES: [&str; 9] = [
            "addr",
            "size",
            "path",
            "connections",
            "seconds",
            "requests",
            "unique",
            "order",
            "host",
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
        let seconds: Option<f64> = self.optional("seconds")?;
        let duration = seconds
            .map(Duration::try_from_secs_f64)
            .transpose()
            .map_err(|error| format!("--seconds: {error}"))?;
        let order: String = self
            .optional("order")?
            .unwrap_or_else(|| "random".to_owned());
        if order != "random" && order != "up" {
            return Err(format!("--order {order}: allowed are random and up"));
        }
        Ok(load::Plan {
            addr,
            path: self.required("path")?,
            host: self.optional("host")?.unwrap_or_else(|| addr.to_string()),
            headers: self.headers.clone(),
            connections: self.optional("connections")?.unwrap_or(64),
            duration,
            requests: self.optional("requests")?,
            unique: self.optional("unique")?.unwrap_or(1),
            is_in_order: order == "up",
        })
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
