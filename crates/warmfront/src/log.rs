//! Where the program says what it does: standard error.

use std::io;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings::LogSettings;

/// Logs from here on. Later calls change nothing.
pub fn start(settings: LogSettings) {
    let level = settings
        .level
        .map_or(LevelFilter::OFF, LevelFilter::from_level);
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_target(settings.is_json)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()));
    // s3s calls every refusal an error, and shows requests with all that their heads hold.
    let targets = Targets::new()
        .with_default(level)
        .with_target("s3s", LevelFilter::OFF);
    let started = match settings.is_json {
        true => subscriber.json().finish().with(targets).try_init(),
        false => subscriber.finish().with(targets).try_init(),
    };
    // An error means that there is one already, which is as well.
    drop(started);
}
