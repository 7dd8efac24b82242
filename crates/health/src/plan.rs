//! Which checks this node probes: what the store says of checks and nodes, and what follows.

use std::collections::BTreeMap;
use std::sync::Arc;

use documents::route53::{HEALTH_CHECK, HealthCheck};
use documents::{FormError, Node, Resource, Role, decode, keys, route53};
use shapes::route53::HealthCheckConfig;

use crate::board::is_disabled;
use crate::limits;
use crate::spread::{self, Nodes};
use crate::target::{Target, TargetError};

/// A check that is to be probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub target: Target,
    /// Equal observations in a row that change an opinion.
    pub threshold: u32,
    /// Between two probes.
    pub interval_secs: u32,
}

/// What is known of all checks, and of all nodes that probe.
pub(crate) struct Plan {
    own: String,
    checks: BTreeMap<String, Check>,
    nodes: Nodes,
}

struct Check {
    config: HealthCheckConfig,
    /// None: there is nothing to probe.
    job: Option<Arc<Job>>,
}

impl Plan {
    /// Of a node alone, and nothing to do.
    pub fn new(own: &str, region: &str) -> Plan {
        Plan {
            own: own.to_owned(),
            checks: BTreeMap::new(),
            nodes: [(own.to_owned(), Some(region.to_owned()))].into(),
        }
    }

    /// Takes a document that was put, or deleted, below `route53/health-check/` or `nodes/`. Says
    /// whether there may be other jobs then; nodes write often, and mostly of other things.
    pub fn apply(&mut self, key: &str, value: Option<&[u8]>) -> Result<bool, FormError> {
        if let Some((HEALTH_CHECK, id)) = route53::parse(key) {
            match value {
                Some(bytes) => {
                    let resource = Resource::<HealthCheck>::decode(key, bytes)?;
                    let config = resource.config.config;
                    let old = self.checks.get(id);
                    if old.is_some_and(|old| old.config == config) {
                        return Ok(false);
                    }
                    let job = Job::new(id, &config).map(Arc::new);
                    self.checks.insert(id.to_owned(), Check { config, job });
                    return Ok(true);
                }
                None => return Ok(self.checks.remove(id).is_some()),
            }
        }
        if let Some(id) = key.strip_prefix(keys::NODES)
            // That this one lives is known here first.
            && id != self.own
        {
            let node: Option<Node> = match value {
                Some(bytes) => Some(decode(key, bytes)?),
                None => None,
            };
            return Ok(
                match node.filter(|node| node.roles.contains(&Role::Health)) {
                    Some(node) => {
                        let region = node.region.clone();
                        self.nodes.insert(id.to_owned(), node.region) != Some(region)
                    }
                    None => self.nodes.remove(id).is_some(),
                },
            );
        }
        Ok(false)
    }

    /// What this node is to probe, by the checks' ids.
    pub fn jobs(&self) -> BTreeMap<String, Arc<Job>> {
        let mut jobs = BTreeMap::new();
        for (id, Check { config, job }) in &self.checks {
            let Some(job) = job else {
                continue;
            };
            let regions = config.regions.as_deref().filter(|list| !list.is_empty());
            if !spread::probes(&self.own, &self.nodes, id, regions) {
                continue;
            }
            if jobs.len() == limits::CHECKS_MAX {
                tracing::error!(
                    probed = jobs.len(),
                    checks = self.checks.len(),
                    "there are more health checks than this node can probe: add nodes"
                );
                break;
            }
            jobs.insert(id.clone(), Arc::clone(job));
        }
        jobs
    }
}

impl Job {
    fn new(id: &str, config: &HealthCheckConfig) -> Option<Job> {
        if is_disabled(config) {
            return None;
        }
        let target = match Target::new(id, config) {
            Ok(target) => target,
            Err(TargetError::NoEndpoint) => return None,
            Err(error) => {
                tracing::warn!(check = %id, %error, "a health check cannot be probed");
                return None;
            }
        };
        let threshold = config.failure_threshold;
        let threshold = threshold.and_then(|threshold| u32::try_from(threshold).ok());
        Some(Job {
            target,
            threshold: threshold.unwrap_or(limits::FAILURE_THRESHOLD).clamp(1, 10),
            interval_secs: match config.request_interval {
                Some(10) => 10,
                _ => limits::REQUEST_INTERVAL_SECS,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn put_check(plan: &mut Plan, id: &str, config: Value) -> bool {
        let resource = Resource {
            id: id.to_owned(),
            etag: String::new(),
            version: 1,
            created_ms: 0,
            modified_ms: 0,
            domain: None,
            config: HealthCheck {
                caller_reference: String::new(),
                config: shapes::from_value(&config).unwrap(),
            },
        };
        let key = route53::resource(HEALTH_CHECK, id);
        plan.apply(&key, Some(&resource.encode())).unwrap()
    }

    fn put_node(plan: &mut Plan, id: &str, roles: &[Role]) {
        let node = Node {
            id: id.to_owned(),
            roles: roles.to_vec(),
            pop: "TST1-C1".to_owned(),
            region: None,
            http: Vec::new(),
            started_ms: 0,
            applied: 0,
            refused: BTreeMap::new(),
        };
        let bytes = documents::encode(&node);
        plan.apply(&keys::node(id), Some(&bytes)).unwrap();
    }

    fn http() -> Value {
        json!({"Type": "HTTP", "IPAddress": "192.0.2.1"})
    }

    #[test]
    fn what_says_nothing_is_probed_each_30_seconds_and_believed_after_three() {
        let mut plan = Plan::new("n1", "eu-west-1");
        put_check(&mut plan, "a", http());
        let mut fast = http();
        fast["RequestInterval"] = json!(10);
        fast["FailureThreshold"] = json!(1);
        put_check(&mut plan, "b", fast.clone());
        assert!(!put_check(&mut plan, "b", fast), "that is nothing new");
        let jobs = plan.jobs();
        assert_eq!((jobs["a"].interval_secs, jobs["a"].threshold), (30, 3));
        assert_eq!((jobs["b"].interval_secs, jobs["b"].threshold), (10, 1));
        plan.apply("route53/health-check/a", None).unwrap();
        assert!(plan.jobs().keys().eq(["b"]));
    }

    #[test]
    fn what_is_disabled_or_has_no_endpoint_is_not_probed() {
        let mut plan = Plan::new("n1", "eu-west-1");
        let mut disabled = http();
        disabled["Disabled"] = json!(true);
        put_check(&mut plan, "a", disabled);
        put_check(&mut plan, "b", json!({"Type": "HTTP"}));
        let children = json!({"Type": "CALCULATED", "ChildHealthChecks": ["a"]});
        put_check(&mut plan, "c", children);
        assert!(plan.jobs().is_empty());
    }

    #[test]
    fn nodes_of_other_roles_do_not_probe() {
        let mut plan = Plan::new("n0", "eu-west-1");
        for check in 0..100 {
            put_check(&mut plan, &format!("c{check}"), http());
        }
        for node in 0..40 {
            put_node(&mut plan, &format!("edge{node}"), &[Role::Edge, Role::Dns]);
        }
        assert_eq!(plan.jobs().len(), 100);
        for node in 1..40 {
            put_node(&mut plan, &format!("n{node}"), &[Role::Edge, Role::Health]);
        }
        let shared = plan.jobs().len();
        assert!(
            (10..=70).contains(&shared),
            "{shared} of 100, 16 of 40 nodes"
        );
        for node in 1..40 {
            plan.apply(&keys::node(&format!("n{node}")), None).unwrap();
        }
        // What the store says of this node itself may be late.
        plan.apply(&keys::node("n0"), None).unwrap();
        assert_eq!(plan.jobs().len(), 100);
    }
}
