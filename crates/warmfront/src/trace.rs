//! `warmfront trace`: the cache's policy judged by a trace of requests.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cache::trace::{
    OneHitWonders, Request, RequestReader, Synthetic, TraceError, footprint_bytes, simulate,
};
use thiserror::Error;

use crate::arguments::TraceArguments;
use crate::settings::{parse_size, print_size};

/// Why a trace is not run.
#[derive(Debug, Error)]
pub enum TraceCommandError {
    /// The file cannot be opened.
    #[error("{}: {error}", .file.display())]
    Open {
        /// The trace.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file is no trace.
    #[error("{}: {error}", .file.display())]
    Trace {
        /// The trace.
        file: PathBuf,
        /// What is wrong with it.
        error: TraceError,
    },
    /// The capacity is none.
    #[error(
        "--capacity is {0:?}; it must be a size such as 4GiB, 512MiB or 1073741824, or a share \
         of all the trace's objects from 0% to 100%, such as 5%"
    )]
    Capacity(String),
}

/// Runs the trace and prints what came of it.
pub fn trace(arguments: &TraceArguments) -> Result<ExitCode, TraceCommandError> {
    let capacity = Capacity::parse(&arguments.capacity)?;
    let trace = match &arguments.file {
        Some(file) => Trace::File(file.clone()),
        None => Trace::Generated(Synthetic {
            seed: arguments.seed,
            requests: arguments.requests,
            objects: arguments.objects,
            zipf_exponent: arguments.zipf,
            one_hit_wonders: OneHitWonders::OfRequests(arguments.one_hit_wonders),
            ..Synthetic::default()
        }),
    };
    let (capacity_bytes, footprint) = match capacity {
        Capacity::Bytes(bytes) => (bytes, None),
        Capacity::Share(share) => {
            let footprint = trace.footprint_bytes()?;
            ((footprint as f64 * share) as u64, Some(footprint))
        }
    };
    // The store is asked for as many shards as it has at most.
    let shards = cache::limits::RAM_SHARDS_MAX;
    let report = match &trace {
        Trace::File(file) => simulate(open(file)?, capacity_bytes, shards).map_err(|error| {
            TraceCommandError::Trace {
                file: file.clone(),
                error,
            }
        })?,
        Trace::Generated(synthetic) => {
            simulate(synthetic.requests().map(Ok), capacity_bytes, shards)
                .expect("a generated trace has no lines that could be wrong")
        }
    };
    let mut text = report.to_string();
    if let Some(footprint) = footprint {
        let (capacity, all) = (print_size(capacity_bytes), print_size(footprint));
        text.push_str(&format!(
            "capacity: {capacity}, {} of {all}\n",
            arguments.capacity
        ));
    }
    crate::print(&text);
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, PartialEq)]
enum Capacity {
    Bytes(u64),
    /// Of the footprint.
    Share(f64),
}

impl Capacity {
    fn parse(text: &str) -> Result<Capacity, TraceCommandError> {
        let share = |percent: &str| {
            let percent = percent
                .parse::<f64>()
                .ok()
                .filter(|p| (0.0..=100.0).contains(p))?;
            Some(Capacity::Share(percent / 100.0))
        };
        let capacity = match text.strip_suffix('%') {
            Some(percent) => share(percent),
            None => parse_size(text)
                .filter(|size| *size > 0)
                .map(Capacity::Bytes),
        };
        capacity.ok_or_else(|| TraceCommandError::Capacity(text.to_owned()))
    }
}

enum Trace {
    File(PathBuf),
    Generated(Synthetic),
}

impl Trace {
    /// What it would take to keep everything. A file is read through for it.
    fn footprint_bytes(&self) -> Result<u64, TraceCommandError> {
        match self {
            Trace::Generated(synthetic) => Ok(footprint_bytes(synthetic.requests())),
            Trace::File(file) => {
                let mut failed = None;
                let requests = open(file)?.map_while(|request: Result<Request, _>| {
                    request.map_err(|error| failed = Some(error)).ok()
                });
                let bytes = footprint_bytes(requests);
                match failed {
                    None => Ok(bytes),
                    Some(error) => Err(TraceCommandError::Trace {
                        file: file.clone(),
                        error,
                    }),
                }
            }
        }
    }
}

fn open(file: &Path) -> Result<RequestReader<BufReader<File>>, TraceCommandError> {
    let opened = File::open(file);
    let opened = opened.map_err(|error| TraceCommandError::Open {
        file: file.to_owned(),
        error,
    })?;
    Ok(RequestReader::new(BufReader::with_capacity(
        1 << 16,
        opened,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_are_sizes_or_shares() {
        let parse = |text| Capacity::parse(text).ok();
        assert_eq!(parse("64MiB"), Some(Capacity::Bytes(64 << 20)));
        assert_eq!(parse("5%"), Some(Capacity::Share(0.05)));
        for wrong in ["", "0", "%", "-1%", "101%", "NaN%", "lots"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
