//! Which origins a health check sees failing: so that a group's first origin is not tried in vain.
//!
//! A check and an origin are about the same thing where they have the same name and port: the
//! `DomainName` of the origin and the `IPAddress` of the check or, without one, its
//! `FullyQualifiedDomainName`. Checks that are inverted say something else than that an endpoint
//! is well, and do not count.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use health::{Board, Cell, Place, Target};
use message::Method;

use crate::site::Origin;

/// The checks of origins, as a node knows them.
#[derive(Default)]
pub(crate) struct OriginHealth {
    endpoints: ArcSwap<Endpoints>,
    /// Of the board's configs that the endpoints were made from.
    version: AtomicU64,
}

/// Ports and cells by name, in lower case.
type Endpoints = HashMap<String, Vec<(u16, Arc<Cell>)>>;

impl OriginHealth {
    /// Takes over what the board has; nothing is done where it has no other checks than before.
    pub fn update(&self, board: &Board) {
        let version = board.configs_version();
        if self.version.swap(version, Ordering::Relaxed) == version {
            return;
        }
        let mut endpoints = Endpoints::new();
        for (config, cell) in board.checks() {
            if config.inverted == Some(true) {
                continue;
            }
            let Ok(target) = Target::new(cell.id(), config) else {
                continue;
            };
            let name = match target.place {
                Place::Address(address) => address.to_string(),
                Place::Name(name) => name.trim_end_matches('.').to_ascii_lowercase(),
            };
            let cells = endpoints.entry(name).or_default();
            cells.push((target.port, Arc::clone(cell)));
        }
        self.endpoints.store(Arc::new(endpoints));
    }

    /// A check that sees the origin failing, if there is one.
    pub fn failing(&self, origin: &Origin, viewer_is_https: bool) -> Option<Arc<Cell>> {
        let endpoints = self.endpoints.load();
        if endpoints.is_empty() {
            return None;
        }
        let port = origin.spec.port(origin.scheme(viewer_is_https));
        let host = origin.spec.host.as_str();
        let cells = match address(host) {
            // However it is written.
            Some(address) => endpoints.get(&address.to_string()),
            None => endpoints.get(host.trim_end_matches('.')),
        };
        let failing = |(at, cell): &&(u16, Arc<Cell>)| *at == port && !cell.is_healthy();
        let (_, cell) = cells?.iter().find(failing)?;
        Some(Arc::clone(cell))
    }

    /// Which of a group's origins is asked first: the first that no check sees failing. Where all
    /// fail, the first of all, as if there were no checks; and so for requests that never go on to
    /// the next.
    pub fn first<'o>(
        &self,
        method: Method,
        origins: impl IntoIterator<Item = &'o Origin>,
        viewer_is_https: bool,
    ) -> usize {
        if !method.is_safe() || self.endpoints.load().is_empty() {
            return 0;
        }
        let mut origins = origins.into_iter();
        let well = origins.position(|origin| self.failing(origin, viewer_is_https).is_none());
        well.unwrap_or(0)
    }
}

fn address(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}
