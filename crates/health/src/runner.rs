//! A node that checks: it finds out what it is to probe, probes it, and writes what it thinks.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use documents::{Node, Role, keys};
use origin::SystemResolver;
use presence::Presence;
use store::{Batch, Event, Store};
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::checker::{Checker, News};
use crate::follow::{Following, checks_prefix, follow_prefix, now_ms};
use crate::limits;
use crate::outbox::Outbox;
use crate::plan::{Job, Plan};
use crate::probe::{Patience, Prober};

/// How a node checks.
#[derive(Clone, Debug)]
pub struct RunnerConfig {
    /// The id of its document. No other node, of whatever role, has it.
    pub node: String,
    /// The place, as `X-Amz-Cf-Pop` has it.
    pub pop: String,
    /// The AWS region that it is in or near: `eu-west-1`.
    pub region: String,
    /// Its address, as endpoints see it.
    pub address: String,
    /// What the intervals of checks are multiplied by: 1, and less in tests.
    pub interval_scale: f64,
    /// How long endpoints are waited for.
    pub patience: Patience,
}

impl RunnerConfig {
    /// A node that checks as AWS's checkers do.
    pub fn new(node: &str, region: &str, address: &str) -> RunnerConfig {
        RunnerConfig {
            node: node.to_owned(),
            pop: String::new(),
            region: region.to_owned(),
            address: address.to_owned(),
            interval_scale: 1.0,
            patience: Patience::default(),
        }
    }
}

/// A node that checks: it says so by a document of its own, and its opinions go with that. Dropped,
/// it ends.
pub struct Runner {
    _following: Following,
}

impl Runner {
    /// Begins to check, on a thread of its own. A store that is away is waited for, and meanwhile
    /// what was to be probed is probed on.
    pub fn start(store: Arc<dyn Store>, config: RunnerConfig) -> io::Result<Runner> {
        let following = Following::start("health", move |stopped| run(store, config, stopped))?;
        Ok(Runner {
            _following: following,
        })
    }
}

async fn run(store: Arc<dyn Store>, config: RunnerConfig, mut stopped: watch::Receiver<bool>) {
    let resolver = match SystemResolver::new() {
        Ok(resolver) => resolver,
        Err(error) => {
            tracing::error!(%error, "name resolution cannot be set up; this node checks nothing");
            return;
        }
    };
    let presence = Presence::start(Arc::clone(&store), node(&config));
    let leases = presence.lease();
    let work = Work {
        plan: RefCell::new(Plan::new(&config.node, &config.region)),
        listed: Cell::default(),
        probes: RefCell::default(),
        presence,
        tools: Rc::new(Tools {
            prober: Prober::new(Rc::new(resolver), config.patience),
            seats: Semaphore::new(limits::PROBES_MAX),
            outbox: Outbox::new(&config.node),
            config,
        }),
    };
    let (checks, nodes) = (checks_prefix(), keys::NODES);
    tokio::select! {
        _ = stopped.wait_for(|is_stopped| *is_stopped) => {}
        () = follow_prefix(&*store, &checks, |batches| work.apply(batches, (true, false))) => {}
        () = follow_prefix(&*store, nodes, |batches| work.apply(batches, (false, true))) => {}
        () = work.tools.outbox.write(&*store, leases) => {}
    }
    work.presence.end().await;
}

/// What this node says of itself.
fn node(config: &RunnerConfig) -> Node {
    Node {
        id: config.node.clone(),
        roles: vec![Role::Health],
        pop: config.pop.clone(),
        region: Some(config.region.clone()),
        http: Vec::new(),
        started_ms: now_ms(),
        applied: 0,
        refused: BTreeMap::new(),
    }
}

/// What is being done.
struct Work {
    plan: RefCell<Plan>,
    /// Whether all checks and all nodes have been listed: before that, this node would take what
    /// is not its own.
    listed: Cell<(bool, bool)>,
    probes: RefCell<BTreeMap<String, Probe>>,
    presence: Presence,
    tools: Rc<Tools>,
}

/// What all probes share.
struct Tools {
    prober: Prober,
    seats: Semaphore,
    outbox: Outbox,
    config: RunnerConfig,
}

/// A check that is probed by a task.
struct Probe {
    job: Rc<RefCell<Arc<Job>>>,
    task: AbortHandle,
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Work {
    fn apply(&self, batches: &[Batch], listed: (bool, bool)) {
        let before = self.listed.get();
        let listed = (before.0 || listed.0, before.1 || listed.1);
        self.listed.set(listed);
        let mut plan = self.plan.borrow_mut();
        let mut is_news = listed != before;
        for event in batches.iter().flat_map(|batch| &batch.events) {
            let value = match event {
                Event::Put(document) => Some(&document.value[..]),
                Event::Deleted { .. } => None,
            };
            match plan.apply(event.key(), value) {
                Ok(is_other) => is_news |= is_other,
                Err(error) => {
                    tracing::warn!(%error, "a document of health checks is passed over");
                }
            }
        }
        if listed == (true, true) && is_news {
            // Nobody waits for checkers to have applied something: that they live is enough.
            self.presence.say(Some(0), &BTreeMap::new());
            self.take_up(plan.jobs());
        }
    }

    /// Probes these and nothing else. What was probed before goes on, if in another way.
    fn take_up(&self, jobs: BTreeMap<String, Arc<Job>>) {
        let mut probes = self.probes.borrow_mut();
        probes.retain(|id, _| {
            let stays = jobs.contains_key(id);
            if !stays {
                self.tools.outbox.remove(id);
            }
            stays
        });
        let new = jobs.len().saturating_sub(probes.len());
        for (id, job) in jobs {
            match probes.get(&id) {
                Some(probe) => *probe.job.borrow_mut() = job,
                None => {
                    let spread = self.spread(new, &job);
                    let job = Rc::new(RefCell::new(job));
                    let tools = Rc::clone(&self.tools);
                    let task = probe(tools, id.clone(), Rc::clone(&job), spread);
                    let task = tokio::task::spawn_local(task).abort_handle();
                    probes.insert(id, Probe { job, task });
                }
            }
        }
    }

    /// How long the first probe of one of so many new checks waits: so that a node that begins
    /// does not look everywhere at once, and no two nodes look at the same time.
    fn spread(&self, new: usize, job: &Job) -> Duration {
        let new = u32::try_from(new).unwrap_or(u32::MAX);
        let together = Duration::from_secs(1) * (new / limits::FIRST_PROBES_PER_SEC + 1);
        let longest = together.min(self.tools.interval(job));
        // The keys of a hasher come from the system's source of randomness.
        let random = RandomState::new().hash_one(new);
        longest.mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

impl Tools {
    fn interval(&self, job: &Job) -> Duration {
        let interval = Duration::from_secs(job.interval_secs.into());
        interval.mul_f64(self.config.interval_scale)
    }
}

/// Probes a check for ever, once each interval.
async fn probe(tools: Rc<Tools>, id: String, job: Rc<RefCell<Arc<Job>>>, first: Duration) {
    let mut next = Instant::now() + first;
    let mut checker = Checker::new(job.borrow().threshold);
    loop {
        tokio::time::sleep_until(next).await;
        let current = Arc::clone(&job.borrow());
        let observation = {
            let _seat = tools.seats.acquire().await;
            tools.prober.probe(&current.target).await
        };
        // The interval is from start to start, but two probes never overlap.
        next = (next + tools.interval(&current)).max(Instant::now());
        if job.borrow().target != current.target {
            // It was of another endpoint than the one that matters now.
            continue;
        }
        checker.set_threshold(current.threshold);
        let news = checker.observe(observation, now_ms());
        let config = &tools.config;
        if let Some(opinion) = checker.opinion(&config.region, &config.address) {
            tools.outbox.put(&id, opinion, news == News::Changed);
        }
    }
}
