//! The program: arguments, settings, assembly of the crates, and nothing that they should do.
//!
//! What it does: reads what it is told ([`settings`]), compiles distributions from files
//! ([`distributions`], [`sites`]), starts the edge and lets it go on through reloads to a graceful
//! stop ([`serve`]), and brings a demo site along ([`demo`]). `check`, `explain` and `trace` are
//! front doors to other crates. What it does not do: serve viewers, decide anything about a
//! request.
//! Read first: [`arguments`], then [`serve`].

mod api;
mod arguments;
mod buckets;
mod check;
mod client;
mod demo;
mod distributions;
mod dns;
mod explain;
mod geo;
mod history;
mod invalidate;
mod keys;
mod limits;
mod list;
mod log;
mod name_server;
mod node;
mod reload;
mod serve;
mod server;
mod settings;
mod sign;
mod sites;
mod store;
mod table;
mod trace;
mod trust;
mod upkeep;
mod zone;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use settings::{LogSettings, Sources};

/// For what a request needs for a moment. Cached objects lie in the system's heap, apart from it,
/// so that neither leaves holes in the other (see `cache`'s `block.rs`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    run(&arguments).unwrap_or_else(|error| {
        eprintln!("warmfront: {error}");
        ExitCode::FAILURE
    })
}

fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let (level, format) = (
        arguments.log_level.as_deref(),
        arguments.log_format.as_deref(),
    );
    let variable = |name: &str| std::env::var_os(name)?.into_string().ok();
    if let Command::Serve(serve) = &arguments.command {
        return Ok(serve::serve(&Sources::new(serve, level, format, variable))?);
    }
    log::start(LogSettings::from_flags(level, format, variable)?);
    match &arguments.command {
        Command::Serve(_) => unreachable!("it has been served above"),
        Command::Check(arguments) => Ok(check::check(arguments, &variable)?),
        Command::Explain(asked) => Ok(explain::explain(asked, arguments.output, &variable)?),
        Command::Trace(arguments) => Ok(trace::trace(arguments)?),
        Command::Keys(keys) => Ok(keys::keys(keys, arguments.output, &variable)?),
        Command::Invalidate(paths) => {
            Ok(invalidate::invalidate(paths, arguments.output, &variable)?)
        }
        Command::Ls(asked) => Ok(list::list(asked, arguments.output, &variable)?),
        Command::History(asked) => Ok(history::history(asked, arguments.output, &variable)?),
        Command::Rollback(asked) => Ok(history::rollback(asked, arguments.output, &variable)?),
        Command::Zone(asked) => Ok(zone::zone(asked, arguments.output, &variable)?),
        Command::Geo(asked) => Ok(geo::geo(asked, arguments.output, &variable)?),
        Command::Sign(asked) => Ok(sign::sign(asked, arguments.output)?),
        Command::Trust(asked) => Ok(trust::trust(asked, arguments.output, &variable)?),
        Command::Dns(asked) => Ok(dns::dns(asked, arguments.output, &variable)?),
    }
}

/// Prints to standard output. Whoever closed it has seen enough.
fn print(text: &str) {
    let mut output = std::io::stdout().lock();
    let _ = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
}
