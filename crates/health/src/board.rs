//! What all that checkers say comes to (spec §13.3 and §13.4).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use documents::route53::{HEALTH, HEALTH_CHECK, HealthCheck, Opinion};
use documents::{FormError, Resource, decode, route53};
use parking_lot::Mutex;
use shapes::route53::{HealthCheckConfig, HealthCheckType, InsufficientDataHealthStatus};

/// A check is healthy where more than so many percent of its checkers say so.
const HEALTHY_PERCENT: usize = 18;

/// The state of one check, as it is now. A check that is not known, or not yet, is healthy.
pub struct Cell {
    id: String,
    is_healthy: AtomicBool,
    changed_ms: AtomicU64,
    reason: Mutex<String>,
}

impl Cell {
    fn new(id: &str) -> Cell {
        Cell {
            id: id.to_owned(),
            is_healthy: AtomicBool::new(true),
            changed_ms: AtomicU64::new(0),
            reason: Mutex::new(NOT_KNOWN.to_owned()),
        }
    }

    /// The check's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The state: one relaxed load, and never waits.
    #[inline]
    pub fn is_healthy(&self) -> bool {
        self.is_healthy.load(Ordering::Relaxed)
    }

    /// When the state became what it is, in milliseconds since 1970; 0 if it always was.
    pub fn changed_ms(&self) -> u64 {
        self.changed_ms.load(Ordering::Relaxed)
    }

    /// Why the state is what it is, for people. Takes a lock: not for answers.
    pub fn reason(&self) -> String {
        self.reason.lock().clone()
    }

    /// Says whether the state is another one now.
    fn set(&self, verdict: Verdict, now_ms: u64) -> bool {
        *self.reason.lock() = verdict.reason;
        let has_changed =
            self.is_healthy.swap(verdict.is_healthy, Ordering::Relaxed) != verdict.is_healthy;
        if has_changed {
            self.changed_ms.store(now_ms, Ordering::Relaxed);
        }
        has_changed
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_healthy() {
            "healthy"
        } else {
            "unhealthy"
        };
        write!(formatter, "{} {state}: {}", self.id, self.reason.lock())
    }
}

const NOT_KNOWN: &str = "there is no such health check, and so it counts as healthy";

/// The state of every check, as one node knows it: documents in, states out.
#[derive(Default)]
pub struct Board {
    checks: BTreeMap<String, Check>,
    /// The calculated checks that count a check, by its id.
    parents: BTreeMap<String, BTreeSet<String>>,
}

struct Check {
    cell: Arc<Cell>,
    config: Option<Arc<HealthCheckConfig>>,
    opinions: BTreeMap<String, Opinion>,
    /// What the opinions came to when there were some last, before it was inverted.
    last_known: Option<bool>,
}

/// A state, and why.
struct Verdict {
    is_healthy: bool,
    reason: String,
}

impl Board {
    /// Knows of no check.
    pub fn new() -> Board {
        Board::default()
    }

    /// The cell of a check: always the same one for an id, whether the check is known or not, for
    /// as long as anybody has it.
    pub fn cell(&mut self, check_id: &str) -> Arc<Cell> {
        Arc::clone(&self.check(check_id).cell)
    }

    /// Takes a document that was put, or deleted (`None`), below `route53/health-check/` or
    /// `health/`; others are passed over. One that cannot be read changes nothing.
    pub fn apply(&mut self, key: &str, value: Option<&[u8]>, now_ms: u64) -> Result<(), FormError> {
        let id = if let Some((HEALTH_CHECK, id)) = route53::parse(key) {
            let config = match value {
                Some(bytes) => {
                    let resource = Resource::<HealthCheck>::decode(key, bytes)?;
                    Some(Arc::new(resource.config.config))
                }
                None => None,
            };
            self.configure(id, config);
            id
        } else if let Some((id, node)) = key
            .strip_prefix(HEALTH)
            .and_then(|rest| rest.split_once('/'))
        {
            let opinions = match value {
                Some(bytes) => {
                    let opinion: Opinion = decode(key, bytes)?;
                    let opinions = &mut self.check(id).opinions;
                    opinions.insert(node.to_owned(), opinion);
                    opinions
                }
                None => {
                    let opinions = &mut self.check(id).opinions;
                    opinions.remove(node);
                    opinions
                }
            };
            if !opinions.is_empty() {
                let is_healthy = is_healthy(opinions);
                self.check(id).last_known = Some(is_healthy);
            }
            id
        } else {
            return Ok(());
        };
        self.judge_with_parents(id, now_ms);
        Ok(())
    }

    /// The checks whose documents are known, with their cells, in the order of their ids.
    pub fn checks(&self) -> impl Iterator<Item = (&HealthCheckConfig, &Arc<Cell>)> {
        self.checks
            .values()
            .filter_map(|check| Some((&**check.config.as_ref()?, &check.cell)))
    }

    fn check(&mut self, id: &str) -> &mut Check {
        self.checks.entry(id.to_owned()).or_insert_with(|| Check {
            cell: Arc::new(Cell::new(id)),
            config: None,
            opinions: BTreeMap::new(),
            last_known: None,
        })
    }

    fn configure(&mut self, id: &str, config: Option<Arc<HealthCheckConfig>>) {
        let check = self.check(id);
        if config.is_none() {
            check.last_known = None;
        }
        let old = std::mem::replace(&mut check.config, config.clone());
        for child in children(old.as_deref()) {
            if let Some(parents) = self.parents.get_mut(child) {
                parents.remove(id);
                if parents.is_empty() {
                    self.parents.remove(child);
                }
            }
        }
        for child in children(config.as_deref()) {
            let parents = self.parents.entry(child.clone()).or_default();
            parents.insert(id.to_owned());
        }
    }

    /// Sets a check's cell, and those of the calculated checks that count it. A calculated check
    /// counts no calculated one (spec §13.4), so that this goes no further.
    fn judge_with_parents(&mut self, id: &str, now_ms: u64) {
        if self.judge(id, now_ms) {
            for parent in self.parents.get(id).into_iter().flatten() {
                self.judge(parent, now_ms);
            }
        }
        let is_forgotten = self.checks.get(id).is_some_and(|check| {
            check.config.is_none()
                && check.opinions.is_empty()
                && Arc::strong_count(&check.cell) == 1
        });
        if is_forgotten {
            self.checks.remove(id);
        }
    }

    fn judge(&self, id: &str, now_ms: u64) -> bool {
        let Some(check) = self.checks.get(id) else {
            return false;
        };
        check.cell.set(self.verdict(check), now_ms)
    }

    fn verdict(&self, check: &Check) -> Verdict {
        let Some(config) = &check.config else {
            return Verdict::healthy(NOT_KNOWN);
        };
        let verdict = if config.disabled == Some(true) {
            Verdict::healthy("it is disabled, and so it counts as healthy")
        } else {
            match config.r#type {
                HealthCheckType::Calculated => self.of_children(config),
                HealthCheckType::CloudwatchMetric => of_alarm(config),
                HealthCheckType::RecoveryControl => {
                    Verdict::healthy("routing controls are always on here")
                }
                _ => of_opinions(check),
            }
        };
        match config.inverted {
            Some(true) => verdict.inverted(),
            _ => verdict,
        }
    }

    fn of_children(&self, config: &HealthCheckConfig) -> Verdict {
        let children = children(Some(config));
        // One that is not known counts as healthy, as everywhere.
        let unhealthy: Vec<&str> = children
            .iter()
            .filter_map(|id| self.checks.get(id))
            .filter(|child| !child.cell.is_healthy())
            .map(|child| child.cell.id())
            .collect();
        let threshold = usize::try_from(config.health_threshold.unwrap_or(0)).unwrap_or(0);
        let healthy = children.len() - unhealthy.len();
        let mut reason = format!(
            "{healthy} of {} children are healthy, and {threshold} must be",
            children.len()
        );
        if let Some(first) = unhealthy.first() {
            reason.push_str(&format!("; {first} is not"));
        }
        Verdict {
            is_healthy: healthy >= threshold,
            reason,
        }
    }
}

impl Verdict {
    fn healthy(reason: &str) -> Verdict {
        Verdict {
            is_healthy: true,
            reason: reason.to_owned(),
        }
    }

    fn inverted(self) -> Verdict {
        Verdict {
            is_healthy: !self.is_healthy,
            reason: format!("inverted: {}", self.reason),
        }
    }
}

fn children(config: Option<&HealthCheckConfig>) -> &[String] {
    config
        .filter(|config| config.r#type == HealthCheckType::Calculated)
        .and_then(|config| config.child_health_checks.as_deref())
        .unwrap_or_default()
}

fn is_healthy(opinions: &BTreeMap<String, Opinion>) -> bool {
    healthy_count(opinions) * 100 > opinions.len() * HEALTHY_PERCENT
}

fn healthy_count(opinions: &BTreeMap<String, Opinion>) -> usize {
    let healthy = opinions.values().filter(|opinion| opinion.is_healthy);
    healthy.count()
}

fn of_opinions(check: &Check) -> Verdict {
    let opinions = &check.opinions;
    if opinions.is_empty() {
        let is_healthy = check.last_known.unwrap_or(true);
        let reason = match check.last_known {
            None => "no checker has seen it yet, and so it counts as healthy".to_owned(),
            Some(_) => "its checkers are gone; this is what they said last".to_owned(),
        };
        return Verdict { is_healthy, reason };
    }
    let mut reason = format!(
        "{} of {} checkers see it healthy ({HEALTHY_PERCENT} % rule)",
        healthy_count(opinions),
        opinions.len()
    );
    // What those say that are not heard would only confuse.
    let is_healthy = is_healthy(opinions);
    let speaker = opinions
        .values()
        .filter(|opinion| opinion.is_healthy == is_healthy)
        .max_by_key(|opinion| opinion.checked_ms);
    if let Some(opinion) = speaker {
        reason.push_str(": ");
        reason.push_str(&opinion.status);
    }
    Verdict { is_healthy, reason }
}

/// There are no alarms here, so that there is never enough data (spec §13.4).
fn of_alarm(config: &HealthCheckConfig) -> Verdict {
    let status = config.insufficient_data_health_status;
    let is_healthy = status != Some(InsufficientDataHealthStatus::Unhealthy);
    Verdict {
        is_healthy,
        reason: "there are no alarms here: InsufficientDataHealthStatus decides".to_owned(),
    }
}
