//! What all that checkers say comes to (spec §13.3 and §13.4).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use documents::route53::{HEALTH, HEALTH_CHECK, HealthCheck, Opinion};
use documents::{FormError, Resource, decode, route53};
use parking_lot::Mutex;
use shapes::route53::{HealthCheckConfig, HealthCheckType, InsufficientDataHealthStatus};

use crate::limits::HEALTHY_PERCENT;

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
#[derive(Debug, Default)]
pub struct Board {
    checks: BTreeMap<String, Check>,
    /// The calculated checks that count a check, by its id.
    parents: BTreeMap<String, BTreeSet<String>>,
    configs_version: u64,
}

#[derive(Debug)]
struct Check {
    cell: Arc<Cell>,
    config: Option<Arc<HealthCheckConfig>>,
    opinions: BTreeMap<String, Opinion>,
    /// What the opinions came to when there were some last, before it was inverted.
    last_known: Option<bool>,
}

impl Check {
    fn note_last_known(&mut self) {
        let config = self.config.as_ref();
        if config.is_none_or(|config| is_disabled(config)) {
            // What is not probed is not known to be as it was.
            self.last_known = None;
        } else if !self.opinions.is_empty() {
            self.last_known = Some(is_healthy(&self.opinions));
        }
    }
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
            let opinion: Option<Opinion> = match value {
                Some(bytes) => Some(decode(key, bytes)?),
                None => None,
            };
            let opinions = &mut self.check(id).opinions;
            match opinion {
                Some(opinion) => opinions.insert(node.to_owned(), opinion),
                None => opinions.remove(node),
            };
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

    /// Grows whenever [`Board::checks`] gives other configs or cells than before.
    pub fn configs_version(&self) -> u64 {
        self.configs_version
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
        self.configs_version += 1;
        let old = std::mem::replace(&mut self.check(id).config, config.clone());
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
        self.check(id).note_last_known();
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
        let verdict = if is_disabled(config) {
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

pub(crate) fn is_disabled(config: &HealthCheckConfig) -> bool {
    config.disabled == Some(true)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// A board that is written to as the store's followers do.
    #[derive(Default)]
    struct Story {
        board: Board,
        now_ms: u64,
    }

    impl Story {
        fn apply(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), FormError> {
            self.now_ms += 1;
            self.board.apply(key, value, self.now_ms)
        }

        fn check(&mut self, id: &str, config: Value) -> Arc<Cell> {
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
            self.apply(&key, Some(&resource.encode())).unwrap();
            self.board.cell(id)
        }

        fn delete(&mut self, id: &str) {
            self.apply(&route53::resource(HEALTH_CHECK, id), None)
                .unwrap();
        }

        fn opinion(&mut self, id: &str, node: &str, is_healthy: bool) {
            let word = if is_healthy { "Success" } else { "Failure" };
            let opinion = Opinion {
                region: "eu-west-1".to_owned(),
                address: "192.0.2.1".to_owned(),
                is_healthy,
                status: format!("{word}: {node}"),
                checked_ms: self.now_ms,
                last_failure: None,
            };
            let key = route53::opinion(id, node);
            self.apply(&key, Some(&documents::encode(&opinion)))
                .unwrap();
        }

        fn gone(&mut self, id: &str, node: &str) {
            self.apply(&route53::opinion(id, node), None).unwrap();
        }
    }

    fn http() -> Value {
        json!({"Type": "HTTP", "IPAddress": "192.0.2.1"})
    }

    #[test]
    fn more_than_18_percent_of_the_checkers_make_a_check_healthy() {
        for (healthy, checkers, want) in [
            (0, 1, false),
            (1, 1, true),
            (1, 5, true),
            (1, 6, false),
            (2, 11, true),
            (2, 12, false),
            (18, 100, false),
            (19, 100, true),
        ] {
            let mut story = Story::default();
            let cell = story.check("c", http());
            for node in 0..checkers {
                story.opinion("c", &format!("n{node}"), node < healthy);
            }
            assert_eq!(cell.is_healthy(), want, "{healthy} of {checkers}");
        }
    }

    #[test]
    fn a_check_is_healthy_until_somebody_has_looked_and_then_what_was_seen_last() {
        let mut story = Story::default();
        let early = story.board.cell("c");
        assert!(early.is_healthy());
        let cell = story.check("c", http());
        assert!(Arc::ptr_eq(&early, &cell));
        assert!(cell.is_healthy() && cell.changed_ms() == 0);
        story.opinion("c", "n1", false);
        assert!(!cell.is_healthy());
        let changed_ms = cell.changed_ms();
        assert_eq!(changed_ms, story.now_ms);
        assert_eq!(
            cell.reason(),
            "0 of 1 checkers see it healthy (18 % rule): Failure: n1"
        );
        story.gone("c", "n1");
        assert!(!cell.is_healthy(), "{cell:?}");
        assert!(cell.reason().contains("checkers are gone"), "{cell:?}");
        assert_eq!(cell.changed_ms(), changed_ms);
        story.opinion("c", "n2", true);
        assert!(cell.is_healthy());
    }

    #[test]
    fn inverted_checks_are_the_other_way_round_from_the_start() {
        let mut story = Story::default();
        let mut config = http();
        config["Inverted"] = json!(true);
        let cell = story.check("c", config.clone());
        assert!(!cell.is_healthy());
        story.opinion("c", "n1", false);
        assert!(cell.is_healthy());
        config["Disabled"] = json!(true);
        story.check("c", config.clone());
        assert!(!cell.is_healthy(), "disabled and inverted");
        config["Inverted"] = json!(false);
        story.check("c", config);
        assert!(cell.is_healthy(), "disabled alone");
    }

    #[test]
    fn a_check_that_was_disabled_begins_anew() {
        let mut story = Story::default();
        let cell = story.check("c", http());
        story.opinion("c", "n1", false);
        let mut disabled = http();
        disabled["Disabled"] = json!(true);
        story.check("c", disabled);
        story.gone("c", "n1");
        story.check("c", http());
        assert!(cell.is_healthy(), "{cell:?}");
    }

    #[test]
    fn a_deleted_check_is_healthy_and_its_cell_stays_for_whoever_has_it() {
        let mut story = Story::default();
        let cell = story.check("c", http());
        story.opinion("c", "n1", false);
        story.delete("c");
        assert!(cell.is_healthy());
        story.gone("c", "n1");
        assert!(Arc::ptr_eq(&cell, &story.board.cell("c")));
        drop(cell);
        story.delete("c");
        assert!(story.board.checks.is_empty(), "nobody has it any more");
    }

    fn calculated(children: &[&str], threshold: i32) -> Value {
        json!({
            "Type": "CALCULATED", "ChildHealthChecks": children, "HealthThreshold": threshold,
        })
    }

    #[test]
    fn a_calculated_check_counts_its_healthy_children() {
        let mut story = Story::default();
        let mut inverted = http();
        inverted["Inverted"] = json!(true);
        let mut disabled = http();
        disabled["Disabled"] = json!(true);
        // Also where the children come after it.
        let two = story.check("two", calculated(&["a", "b", "c"], 2));
        let none = story.check("none", calculated(&["a", "b", "c"], 0));
        let four = story.check("four", calculated(&["a", "b", "c"], 4));
        story.check("a", http());
        story.check("b", inverted);
        story.check("c", disabled);
        assert!(two.is_healthy(), "a and c: {two:?}");
        assert!(none.is_healthy() && !four.is_healthy());
        story.opinion("a", "n1", false);
        assert!(!two.is_healthy(), "c alone: {two:?}");
        assert_eq!(
            two.reason(),
            "1 of 3 children are healthy, and 2 must be; a is not"
        );
        story.opinion("b", "n1", false);
        assert!(two.is_healthy(), "b, inverted, and c: {two:?}");
        assert!(none.is_healthy() && !four.is_healthy());
        story.delete("a");
        story.check("two", calculated(&["b"], 1));
        story.opinion("b", "n1", true);
        assert!(!two.is_healthy(), "b alone counts: {two:?}");
    }

    #[test]
    fn calculated_checks_of_each_other_end() {
        let mut story = Story::default();
        story.check("a", calculated(&["b"], 1));
        story.check("b", calculated(&["a", "b"], 3));
        story.check("a", calculated(&["a", "b"], 2));
        assert!(!story.board.cell("b").is_healthy());
    }

    #[test]
    fn without_alarms_there_is_never_enough_data() {
        let mut story = Story::default();
        for (status, want) in [
            (json!("Healthy"), true),
            (json!("Unhealthy"), false),
            (json!("LastKnownStatus"), true),
        ] {
            let config = json!({
                "Type": "CLOUDWATCH_METRIC",
                "AlarmIdentifier": {"Region": "us-east-1", "Name": "a"},
                "InsufficientDataHealthStatus": status,
            });
            assert_eq!(story.check("c", config).is_healthy(), want, "{status}");
        }
        let config = json!({"Type": "RECOVERY_CONTROL", "RoutingControlArn": "arn:x"});
        assert!(story.check("r", config).is_healthy());
    }

    #[test]
    fn what_cannot_be_read_changes_nothing() {
        let mut story = Story::default();
        let cell = story.check("c", http());
        story.opinion("c", "n1", false);
        for key in ["route53/health-check/c", "health/c/n1"] {
            let error = story.apply(key, Some(b"{")).unwrap_err();
            assert_eq!(error.key, key);
        }
        story.apply("health/c", Some(b"{")).unwrap();
        story.apply("route53/zone/Z1", Some(b"{")).unwrap();
        assert!(!cell.is_healthy());
    }

    /// What may happen to a board.
    #[derive(Clone, Debug)]
    enum Step {
        Check(usize, bool, bool),
        Calculated(i32),
        Delete(usize),
        Opinion(usize, usize, bool),
        Gone(usize, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..3_usize, any::<bool>(), prop::bool::weighted(0.2))
                .prop_map(|(check, inverted, disabled)| Step::Check(check, inverted, disabled)),
            (0..5_i32).prop_map(Step::Calculated),
            (0..4_usize).prop_map(Step::Delete),
            (0..3_usize, 0..7_usize, any::<bool>())
                .prop_map(|(check, node, healthy)| Step::Opinion(check, node, healthy)),
            (0..3_usize, 0..7_usize).prop_map(|(check, node)| Step::Gone(check, node)),
        ]
    }

    /// The rules of the spec, from all that has happened.
    #[derive(Default)]
    struct Model {
        checks: BTreeMap<usize, (bool, bool)>,
        threshold: Option<usize>,
        opinions: BTreeMap<(usize, usize), bool>,
        last: BTreeMap<usize, bool>,
    }

    impl Model {
        fn take(&mut self, step: &Step) {
            match *step {
                Step::Check(check, inverted, disabled) => {
                    self.checks.insert(check, (inverted, disabled));
                }
                Step::Calculated(threshold) => self.threshold = Some(threshold as usize),
                Step::Delete(3) => self.threshold = None,
                Step::Delete(check) => {
                    self.checks.remove(&check);
                }
                Step::Opinion(check, node, healthy) => {
                    self.opinions.insert((check, node), healthy);
                }
                Step::Gone(check, node) => {
                    self.opinions.remove(&(check, node));
                }
            }
            for check in 0..3 {
                let is_probed = matches!(self.checks.get(&check), Some((_, false)));
                match self.by_opinions(check) {
                    _ if !is_probed => self.last.remove(&check),
                    Some(state) => self.last.insert(check, state),
                    None => None,
                };
            }
        }

        fn by_opinions(&self, check: usize) -> Option<bool> {
            let all = self.opinions.iter().filter(|((of, _), _)| *of == check);
            let states: Vec<bool> = all.map(|(_, state)| *state).collect();
            let healthy = states.iter().filter(|state| **state).count();
            (!states.is_empty()).then(|| healthy as f64 / states.len() as f64 > 0.18)
        }

        fn state(&self, check: usize) -> bool {
            match self.checks.get(&check) {
                None => true,
                Some((inverted, true)) => !inverted,
                Some((inverted, false)) => {
                    let seen = self.by_opinions(check);
                    let seen = seen.or_else(|| self.last.get(&check).copied());
                    seen.unwrap_or(true) != *inverted
                }
            }
        }

        fn calculated(&self) -> bool {
            let healthy = (0..3).filter(|check| self.state(*check)).count();
            self.threshold.is_none_or(|threshold| healthy >= threshold)
        }
    }

    proptest! {
        #[test]
        fn a_board_says_what_the_rules_say_whatever_happened(
            steps in proptest::collection::vec(step(), 1..60),
        ) {
            let (mut story, mut model) = (Story::default(), Model::default());
            let id = |check: usize| format!("c{check}");
            for step in &steps {
                model.take(step);
                match *step {
                    Step::Check(check, inverted, disabled) => {
                        let mut config = http();
                        config["Inverted"] = json!(inverted);
                        config["Disabled"] = json!(disabled);
                        story.check(&id(check), config);
                    }
                    Step::Calculated(threshold) => {
                        story.check("c3", calculated(&["c0", "c1", "c2"], threshold));
                    }
                    Step::Delete(check) => story.delete(&id(check)),
                    Step::Opinion(check, node, healthy) => {
                        story.opinion(&id(check), &format!("n{node}"), healthy);
                    }
                    Step::Gone(check, node) => story.gone(&id(check), &format!("n{node}")),
                }
                for check in 0..3 {
                    let cell = story.board.cell(&id(check));
                    prop_assert_eq!(cell.is_healthy(), model.state(check), "{:?}", cell);
                }
                let cell = story.board.cell("c3");
                prop_assert_eq!(cell.is_healthy(), model.calculated(), "{:?}", cell);
            }
        }
    }
}
