//! Where the edges are, which of them live, and how far viewers' networks are from them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use documents::route53::{LATENCY, Latencies, POPS, Pop};
use documents::{Node, Role, decode, keys};
use serde::de::DeserializeOwned;
use store::replica::Replica;
use store::{Store, StoreError};
use tokio::sync::mpsc;

use crate::compile::Builder;

/// What answers need to know of the world besides zones.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Surroundings {
    /// Points of presence, each with whether an edge lives there.
    pops: Vec<(Pop, bool)>,
    /// What edges measured.
    latencies: Vec<Latencies>,
}

impl Surroundings {
    /// Puts them into the next world.
    pub fn put(&self, builder: &mut Builder) {
        builder.set_pops(&self.pops);
        let mut table = routing::Latencies::default();
        for measured in &self.latencies {
            for (network, milliseconds) in &measured.networks {
                if let Some(network) = parse_network(network) {
                    let region = measured.region.as_deref();
                    table.add(network, &measured.pop, region, *milliseconds);
                }
            }
        }
        builder.set_latencies(table);
    }
}

/// `192.0.2.0/24`.
fn parse_network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/')?;
    Some((address.parse().ok()?, bits.parse().ok()?))
}

/// Tells of the surroundings whenever they have changed. Ends when nobody listens any more.
pub(super) async fn follow(store: Arc<dyn Store>, told: mpsc::Sender<Surroundings>) {
    // Nothing of it is kept on disk: without its store, a name server takes every PoP for healthy.
    let open = |prefix| Replica::open(Path::new("/nonexistent"), prefix);
    let (Ok(mut pops), Ok(mut nodes), Ok(mut latencies)) =
        (open(POPS), open(keys::NODES), open(LATENCY))
    else {
        return;
    };
    let mut last = None;
    loop {
        let advanced = async {
            for replica in [&mut pops, &mut nodes, &mut latencies] {
                while !replica.is_following() {
                    replica.catch_up(&*store).await?;
                }
            }
            Ok::<(), StoreError>(())
        };
        let known = advanced.await;
        if known.is_ok() {
            let now = Surroundings {
                pops: all_pops(read(&pops), &read(&nodes)),
                latencies: read(&latencies),
            };
            if last.as_ref() != Some(&now) {
                if told.send(now.clone()).await.is_err() {
                    return;
                }
                last = Some(now);
            }
        }
        let changed = match known {
            Ok(()) => tokio::select! {
                changed = pops.advance(&*store) => changed,
                changed = nodes.advance(&*store) => changed,
                changed = latencies.advance(&*store) => changed,
            },
            Err(error) => Err(error),
        };
        if let Err(error) = changed {
            tracing::debug!(%error, "the store is not followed");
            tokio::time::sleep(presence::limits::STORE_RETRY).await;
        }
    }
}

/// What can be read of the documents; the rest is somebody else's to mend.
fn read<T: DeserializeOwned>(replica: &Replica) -> Vec<T> {
    let documents = replica.documents();
    documents
        .filter_map(|document| decode(&document.key, &document.value).ok())
        .collect()
}

/// The points of presence and whether an edge lives in each. Where nobody says what there is, they
/// are where edges live: each at the addresses that it listens on.
fn all_pops(pops: Vec<Pop>, nodes: &[Node]) -> Vec<(Pop, bool)> {
    let edges = || nodes.iter().filter(|node| node.roles.contains(&Role::Edge));
    if !pops.is_empty() {
        let lives = |pop: &Pop| edges().any(|node| is_of(node, &pop.code));
        return pops
            .into_iter()
            .map(|pop| {
                let is_alive = lives(&pop);
                (pop, is_alive)
            })
            .collect();
    }
    let mut found: BTreeMap<&str, (Option<&String>, BTreeSet<IpAddr>)> = BTreeMap::new();
    for node in edges() {
        let addresses = node.http.iter().filter_map(|address| address.parse().ok());
        let addresses = addresses.map(|address: std::net::SocketAddr| address.ip());
        let (region, known) = found.entry(&node.pop).or_default();
        *region = region.or(node.region.as_ref());
        known.extend(addresses.filter(|address| !address.is_unspecified()));
    }
    let pops = found.into_iter().map(|(code, (region, addresses))| Pop {
        code: code.to_owned(),
        region: region.cloned(),
        latitude: None,
        longitude: None,
        addresses: addresses.into_iter().collect(),
    });
    pops.map(|pop| (pop, true)).collect()
}

/// Whether a node is of a PoP: it calls itself so, or that and more behind a `-`.
fn is_of(node: &Node, code: &str) -> bool {
    let rest = node.pop.strip_prefix(code);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(pop: &str, http: &[&str]) -> Node {
        Node {
            id: pop.to_owned(),
            roles: vec![Role::Edge],
            pop: pop.to_owned(),
            region: None,
            http: http.iter().map(|address| (*address).to_owned()).collect(),
            started_ms: 0,
            applied: 0,
            refused: BTreeMap::new(),
        }
    }

    fn pop(code: &str) -> Pop {
        Pop {
            code: code.to_owned(),
            region: None,
            latitude: None,
            longitude: None,
            addresses: vec!["192.0.2.1".parse().unwrap()],
        }
    }

    #[test]
    fn a_pop_lives_while_one_of_its_edges_does() {
        let nodes = [edge("ICN1-C2", &[]), edge("NRT12", &[])];
        let pops = all_pops(vec![pop("ICN1"), pop("NRT1")], &nodes);
        assert!(pops[0].1, "ICN1-C2 is an edge of ICN1");
        assert!(!pops[1].1, "NRT12 is not one of NRT1");
    }

    #[test]
    fn without_a_table_pops_are_where_edges_listen() {
        let nodes = [
            edge("LOC1-C1", &["127.0.0.1:8080", "[::1]:8080"]),
            edge("LOC1-C1", &["127.0.0.2:80", "0.0.0.0:80"]),
        ];
        let pops = all_pops(Vec::new(), &nodes);
        assert_eq!(pops.len(), 1);
        let addresses: Vec<String> = pops[0].0.addresses.iter().map(IpAddr::to_string).collect();
        assert_eq!(addresses, ["127.0.0.1", "127.0.0.2", "::1"]);
    }
}
