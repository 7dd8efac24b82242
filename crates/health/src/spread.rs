//! Which nodes probe which checks: all nodes reckon alike, and need not talk.
//!
//! Each node has a rank at each check, by a hash of both ("rendezvous hashing"): the first
//! [`limits::CHECKERS_MAX`] probe it. When a node comes or goes, only the checks that it probes
//! change hands.

use std::collections::BTreeMap;
use std::hash::Hasher;

use shapes::route53::HealthCheckRegion;
use siphasher::sip::SipHasher13;

use crate::limits;

/// The nodes that check, by their ids, with their regions.
pub(crate) type Nodes = BTreeMap<String, Option<String>>;

/// Whether node `own` is one of those that probe a check. Where some nodes are in the regions that
/// the check lists, it is one of these.
pub(crate) fn probes(
    own: &str,
    nodes: &Nodes,
    check: &str,
    regions: Option<&[HealthCheckRegion]>,
) -> bool {
    let is_listed = |region: &Option<String>| {
        let region = region.as_deref();
        regions.is_none_or(|regions| regions.iter().any(|listed| Some(listed.as_str()) == region))
    };
    let is_anywhere = !nodes.values().any(is_listed);
    let mut candidates = nodes
        .iter()
        .filter(|(_, region)| is_anywhere || is_listed(region));
    let rank = rank(check, own);
    let is_candidate = candidates.clone().any(|(node, _)| node == own);
    // Of two equal ranks both count as before the other; hashes of 64 bits leave that open.
    let before = candidates
        .by_ref()
        .filter(|(node, _)| node.as_str() != own && self::rank(check, node) >= rank);
    is_candidate && before.take(limits::CHECKERS_MAX).count() < limits::CHECKERS_MAX
}

/// The same on every node and in every version: or checks would be probed by too many or by none.
fn rank(check: &str, node: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(check.as_bytes());
    hasher.write_u8(0xff);
    hasher.write(node.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: usize) -> Nodes {
        (0..count).map(|n| (format!("n{n}"), None)).collect()
    }

    fn checkers(nodes: &Nodes, check: &str) -> Vec<String> {
        let all = nodes.keys();
        all.filter(|node| probes(node, nodes, check, None))
            .cloned()
            .collect()
    }

    #[test]
    fn all_of_a_few_nodes_probe_and_sixteen_of_many() {
        for count in [1, 2, 16, 17, 100] {
            let nodes = nodes(count);
            for check in ["a", "b", "c"] {
                assert_eq!(checkers(&nodes, check).len(), count.min(16), "{count}");
            }
        }
    }

    #[test]
    fn checks_are_spread_evenly_over_many_nodes() {
        let nodes = nodes(64);
        let mut counts = BTreeMap::new();
        for check in 0..1_000 {
            for node in checkers(&nodes, &format!("check-{check}")) {
                *counts.entry(node).or_insert(0) += 1;
            }
        }
        // 250 on average; a binomial is within 6 standard deviations of 14.
        assert_eq!(counts.len(), 64);
        assert!(counts.values().all(|count| (166..=334).contains(count)));
    }

    #[test]
    fn a_node_that_goes_leaves_the_others_as_they_are() {
        let all = nodes(40);
        let mut fewer = all.clone();
        fewer.remove("n7");
        for check in 0..50 {
            let check = format!("check-{check}");
            let (before, after) = (checkers(&all, &check), checkers(&fewer, &check));
            let kept = before.iter().filter(|node| after.contains(node)).count();
            let had_it = before.iter().any(|node| node == "n7");
            assert_eq!(kept, if had_it { 15 } else { 16 });
        }
    }

    #[test]
    fn nodes_in_the_listed_regions_are_taken_where_there_are_some() {
        let mut nodes = nodes(3);
        nodes.insert("eu".to_owned(), Some("eu-west-1".to_owned()));
        let regions = [HealthCheckRegion::EuWest1, HealthCheckRegion::UsEast1];
        assert!(probes("eu", &nodes, "a", Some(&regions)));
        assert!(!probes("n1", &nodes, "a", Some(&regions)));
        let elsewhere = [HealthCheckRegion::SaEast1];
        assert!(probes("eu", &nodes, "a", Some(&elsewhere)));
        assert!(probes("n1", &nodes, "a", Some(&elsewhere)));
        assert!(!probes("unknown", &nodes, "a", None));
    }
}
