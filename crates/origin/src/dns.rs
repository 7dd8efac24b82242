use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::limits::{
    ADDRESSES_MAX, ANSWER_AGE_SECS_MAX, ANSWER_AGE_SECS_MIN, FAILURE_AGE_SECS, NAMES_MAX,
    RESOLVE_TIMEOUT_MS, STALE_ANSWER_AGE_SECS_MAX,
};
use crate::{AddressFamily, DnsError};

/// The addresses of a name and how long they hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// At least one address.
    pub addresses: Vec<IpAddr>,
    /// Time to live.
    pub ttl: Duration,
}

/// What [`Resolve::resolve`] returns.
pub type ResolveFuture<'a> = Pin<Box<dyn Future<Output = Result<Answer, DnsError>> + 'a>>;

/// Where addresses come from. Asked only for names that are neither IP literals nor
/// `localhost`, and that are not remembered.
pub trait Resolve {
    /// Looks a name up.
    fn resolve<'a>(&'a self, name: &'a str, family: AddressFamily) -> ResolveFuture<'a>;
}

/// The system's name servers and hosts file. One for each worker, since its sockets live on the
/// worker's runtime.
pub struct SystemResolver {
    resolver: TokioResolver,
}

impl SystemResolver {
    /// Reads `/etc/resolv.conf` and `/etc/hosts`. A machine without name servers still resolves
    /// what its hosts file names; anything else then fails look-up by look-up.
    pub fn new() -> Result<SystemResolver, NetError> {
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|error| {
            tracing::warn!(%error, "no usable /etc/resolv.conf: only the hosts file resolves");
            let nowhere = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
            TokioResolver::builder_with_config(nowhere, TokioRuntimeProvider::default())
        });
        // Remembering is done by `Names`, with bounds of our own.
        builder.options_mut().cache_size = 0;
        Ok(SystemResolver {
            resolver: builder.build()?,
        })
    }

    /// Asks these name servers, over UDP and TCP, instead of those of `/etc/resolv.conf`; the
    /// hosts file still comes first.
    pub fn with_servers(servers: &[SocketAddr]) -> Result<SystemResolver, NetError> {
        let servers = servers.iter().map(|server| {
            let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
            (udp.port, tcp.port) = (server.port(), server.port());
            NameServerConfig::new(server.ip(), true, vec![udp, tcp])
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        builder.options_mut().cache_size = 0;
        Ok(SystemResolver {
            resolver: builder.build()?,
        })
    }

    async fn look_up(&self, name: &str, family: AddressFamily) -> Result<Answer, DnsError> {
        let v4 = async {
            match family {
                AddressFamily::Ipv6 => None,
                _ => Some(self.resolver.ipv4_lookup(name).await),
            }
        };
        let v6 = async {
            match family {
                AddressFamily::Ipv4 => None,
                _ => Some(self.resolver.ipv6_lookup(name).await),
            }
        };
        let (v4, v6) = tokio::join!(v4, v6);
        let mut answer = Answer {
            addresses: Vec::new(),
            ttl: Duration::MAX,
        };
        let mut error = DnsError::NoAddress;
        for result in [v4, v6].into_iter().flatten() {
            match result {
                Ok(lookup) => {
                    let until = Instant::from_std(lookup.valid_until());
                    answer.ttl = answer
                        .ttl
                        .min(until.saturating_duration_since(Instant::now()));
                    let addresses =
                        lookup
                            .answers()
                            .iter()
                            .filter_map(|record| match &record.data {
                                RData::A(address) => Some(IpAddr::V4(address.0)),
                                RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                                _ => None,
                            });
                    answer.addresses.extend(addresses);
                }
                Err(fault) if fault.is_no_records_found() => {}
                Err(fault) => {
                    tracing::debug!(name, error = %fault, "look-up failed");
                    error = DnsError::ResolverFailed;
                }
            }
        }
        if answer.addresses.is_empty() {
            Err(error)
        } else {
            Ok(answer)
        }
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str, family: AddressFamily) -> ResolveFuture<'a> {
        Box::pin(self.look_up(name, family))
    }
}

/// Addresses written down beforehand: for tests, and for origins pinned to addresses. The family
/// wanted is not looked at.
#[derive(Clone, Debug, Default)]
pub struct FixedResolver {
    answers: HashMap<String, Answer>,
}

impl FixedResolver {
    /// No name resolves.
    pub fn new() -> FixedResolver {
        FixedResolver::default()
    }

    /// Adds a name.
    pub fn with(mut self, name: &str, addresses: &[IpAddr]) -> FixedResolver {
        let ttl = Duration::from_secs(ANSWER_AGE_SECS_MAX);
        self.answers.insert(
            name.to_owned(),
            Answer {
                addresses: addresses.to_vec(),
                ttl,
            },
        );
        self
    }
}

impl Resolve for FixedResolver {
    fn resolve<'a>(&'a self, name: &'a str, _: AddressFamily) -> ResolveFuture<'a> {
        let answer = self.answers.get(name).cloned().ok_or(DnsError::NoAddress);
        Box::pin(std::future::ready(answer))
    }
}

/// The addresses of names that need no look-up: IP literals (with or without brackets) and
/// `localhost` with everything below it, which never leaves the machine (RFC 6761 §6.3).
fn local_addresses(name: &str) -> Option<Rc<[IpAddr]>> {
    let literal = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(name);
    if let Ok(address) = literal.parse::<IpAddr>() {
        return Some(Rc::new([address]));
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let last_label = name.rsplit('.').next().unwrap_or(name);
    let loopback = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];
    last_label
        .eq_ignore_ascii_case("localhost")
        .then(|| Rc::new(loopback) as Rc<[IpAddr]>)
}

/// What is known about one name; pure, with `now` passed in.
#[derive(Debug, Default)]
struct Knowledge {
    addresses: Option<Rc<[IpAddr]>>,
    /// Until when `addresses` are used without asking.
    fresh_until: Option<Instant>,
    /// Until when `addresses` are used if the resolver fails.
    stale_until: Option<Instant>,
    failure: Option<(DnsError, Instant)>,
}

impl Knowledge {
    /// The answer that can be given without asking.
    fn answer(&self, now: Instant) -> Option<Result<Rc<[IpAddr]>, DnsError>> {
        if let (Some(addresses), Some(until)) = (&self.addresses, self.fresh_until)
            && now < until
        {
            return Some(Ok(Rc::clone(addresses)));
        }
        match self.failure {
            Some((error, until)) if now < until => Some(Err(error)),
            _ => None,
        }
    }

    fn learn(&mut self, now: Instant, result: Result<Answer, DnsError>) {
        let retry_at = now + Duration::from_secs(FAILURE_AGE_SECS);
        let is_usable = self.stale_until.is_some_and(|until| now < until);
        match result {
            Ok(mut answer) if !answer.addresses.is_empty() => {
                let (min, max) = (ANSWER_AGE_SECS_MIN, ANSWER_AGE_SECS_MAX);
                let ttl = answer
                    .ttl
                    .clamp(Duration::from_secs(min), Duration::from_secs(max));
                answer.addresses.truncate(ADDRESSES_MAX);
                let stale = Duration::from_secs(STALE_ANSWER_AGE_SECS_MAX);
                *self = Knowledge {
                    addresses: Some(answer.addresses.into()),
                    fresh_until: Some(now + ttl),
                    stale_until: Some(now + ttl + stale),
                    failure: None,
                };
            }
            // The servers are silent, which says nothing about the addresses.
            Err(DnsError::ResolverFailed) if is_usable => self.fresh_until = Some(retry_at),
            Err(error) => {
                *self = Knowledge {
                    failure: Some((error, retry_at)),
                    ..Knowledge::default()
                };
            }
            Ok(_) => {
                let failure = Some((DnsError::NoAddress, retry_at));
                *self = Knowledge {
                    failure,
                    ..Knowledge::default()
                };
            }
        }
    }

    fn is_forgettable(&self, now: Instant) -> bool {
        self.answer(now).is_none()
    }
}

#[derive(Default)]
struct Entry {
    knowledge: RefCell<Knowledge>,
    is_asking: Cell<bool>,
    answered: Notify,
}

/// A worker's memory of names. Concurrent look-ups of one name are one question.
pub(crate) struct Names {
    resolver: Rc<dyn Resolve>,
    entries: RefCell<HashMap<(String, AddressFamily), Rc<Entry>>>,
}

impl Names {
    pub(crate) fn new(resolver: Rc<dyn Resolve>) -> Names {
        Names {
            resolver,
            entries: RefCell::default(),
        }
    }

    /// The addresses of a name: at least one.
    pub(crate) async fn look_up(
        &self,
        name: &str,
        family: AddressFamily,
    ) -> Result<Rc<[IpAddr]>, DnsError> {
        if let Some(addresses) = local_addresses(name) {
            return Ok(addresses);
        }
        let entry = self.entry(name, family);
        loop {
            if let Some(answer) = entry.knowledge.borrow().answer(Instant::now()) {
                return answer;
            }
            // Registered before the question is asked, so that its answer cannot be missed.
            let answered = entry.answered.notified();
            if !entry.is_asking.replace(true) {
                self.ask(&entry, name, family);
            }
            answered.await;
        }
    }

    /// Asks in a task of its own: whoever asked first may go away without stranding the others.
    fn ask(&self, entry: &Rc<Entry>, name: &str, family: AddressFamily) {
        let resolver = Rc::clone(&self.resolver);
        let name = name.to_owned();
        // Settles when dropped, so that even a resolver that panics leaves nobody waiting.
        let question = Question {
            entry: Rc::clone(entry),
            result: Cell::new(None),
        };
        tokio::task::spawn_local(async move {
            let bound = Duration::from_millis(RESOLVE_TIMEOUT_MS);
            let result = tokio::time::timeout(bound, resolver.resolve(&name, family)).await;
            question.result.set(result.ok());
        });
    }

    fn entry(&self, name: &str, family: AddressFamily) -> Rc<Entry> {
        let mut entries = self.entries.borrow_mut();
        if entries.len() >= NAMES_MAX {
            let now = Instant::now();
            entries.retain(|_, entry| {
                entry.is_asking.get() || !entry.knowledge.borrow().is_forgettable(now)
            });
            if entries.len() >= NAMES_MAX {
                entries.clear(); // Those being asked live on with their askers.
            }
        }
        Rc::clone(entries.entry((name.to_owned(), family)).or_default())
    }
}

struct Question {
    entry: Rc<Entry>,
    result: Cell<Option<Result<Answer, DnsError>>>,
}

impl Drop for Question {
    fn drop(&mut self) {
        let result = self.result.take().unwrap_or(Err(DnsError::ResolverFailed));
        self.entry
            .knowledge
            .borrow_mut()
            .learn(Instant::now(), result);
        self.entry.is_asking.set(false);
        self.entry.answered.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::LocalSet;

    const ONE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const TWO: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    /// Gives its answers one after the other, each after a second, and counts questions.
    struct Scripted {
        answers: RefCell<Vec<Result<Answer, DnsError>>>,
        questions: Cell<usize>,
    }

    impl Scripted {
        fn new(mut answers: Vec<Result<Answer, DnsError>>) -> Rc<Scripted> {
            answers.reverse();
            Rc::new(Scripted {
                answers: RefCell::new(answers),
                questions: Cell::new(0),
            })
        }
    }

    impl Resolve for Scripted {
        fn resolve<'a>(&'a self, _: &'a str, _: AddressFamily) -> ResolveFuture<'a> {
            self.questions.set(self.questions.get() + 1);
            let answer = self
                .answers
                .borrow_mut()
                .pop()
                .expect("one question too many");
            Box::pin(async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                answer
            })
        }
    }

    fn answer(address: IpAddr, ttl_secs: u64) -> Result<Answer, DnsError> {
        Ok(Answer {
            addresses: vec![address],
            ttl: Duration::from_secs(ttl_secs),
        })
    }

    async fn pass(secs: u64) {
        tokio::time::advance(Duration::from_secs(secs)).await;
    }

    fn run(script: Vec<Result<Answer, DnsError>>, test: impl AsyncFnOnce(Rc<Names>, &Scripted)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let scripted = Scripted::new(script);
        let names = Rc::new(Names::new(Rc::clone(&scripted) as Rc<dyn Resolve>));
        LocalSet::new().block_on(&runtime, test(names, &scripted));
    }

    async fn ask(names: &Names) -> Result<IpAddr, DnsError> {
        names
            .look_up("a.example", AddressFamily::Ipv4)
            .await
            .map(|addresses| addresses[0])
    }

    #[test]
    fn literals_and_localhost_need_no_resolver() {
        run(vec![], async |names, _| {
            for (name, want) in [
                ("192.0.2.1", vec!["192.0.2.1"]),
                ("[::1]", vec!["::1"]),
                ("::1", vec!["::1"]),
                ("LocalHost", vec!["127.0.0.1", "::1"]),
                ("a.b.localhost.", vec!["127.0.0.1", "::1"]),
            ] {
                let got = names.look_up(name, AddressFamily::Ipv4).await.unwrap();
                let got: Vec<_> = got.iter().map(IpAddr::to_string).collect();
                assert_eq!(got, want, "{name}");
            }
            assert_eq!(local_addresses("notlocalhost"), None);
            assert_eq!(local_addresses("localhost.example"), None);
        });
    }

    #[test]
    fn an_answer_is_used_for_its_time_to_live_and_within_bounds() {
        let script = vec![
            answer(ONE, 60),
            answer(TWO, 0),
            answer(ONE, 9_999),
            answer(TWO, 9),
        ];
        run(script, async |names, resolver| {
            assert_eq!(ask(&names).await, Ok(ONE));
            pass(59).await;
            assert_eq!((ask(&names).await, resolver.questions.get()), (Ok(ONE), 1));
            pass(1).await;
            assert_eq!((ask(&names).await, resolver.questions.get()), (Ok(TWO), 2));
            assert_eq!((ask(&names).await, resolver.questions.get()), (Ok(TWO), 2));
            pass(1).await;
            assert_eq!((ask(&names).await, resolver.questions.get()), (Ok(ONE), 3));
            pass(ANSWER_AGE_SECS_MAX).await;
            assert_eq!((ask(&names).await, resolver.questions.get()), (Ok(TWO), 4));
        });
    }

    #[test]
    fn concurrent_look_ups_are_one_question_that_outlives_who_asked() {
        run(vec![answer(ONE, 60)], async |names, resolver| {
            let first = tokio::task::spawn_local({
                let names = Rc::clone(&names);
                async move { ask(&names).await }
            });
            tokio::task::yield_now().await;
            first.abort();
            let (a, b) = tokio::join!(ask(&names), ask(&names));
            assert_eq!((a, b, resolver.questions.get()), (Ok(ONE), Ok(ONE), 1));
        });
    }

    #[test]
    fn a_silent_resolver_leaves_old_answers_usable_for_a_while() {
        let failed = || Err(DnsError::ResolverFailed);
        run(
            vec![answer(ONE, 5), failed(), failed(), failed()],
            async |names, resolver| {
                assert_eq!(ask(&names).await, Ok(ONE));
                pass(5).await;
                assert_eq!((ask(&names).await, resolver.questions.get()), (Ok(ONE), 2));
                assert_eq!((ask(&names).await, resolver.questions.get()), (Ok(ONE), 2));
                pass(FAILURE_AGE_SECS).await;
                assert_eq!((ask(&names).await, resolver.questions.get()), (Ok(ONE), 3));
                pass(STALE_ANSWER_AGE_SECS_MAX).await;
                assert_eq!(ask(&names).await, Err(DnsError::ResolverFailed));
            },
        );
    }

    #[test]
    fn a_name_that_is_gone_is_gone_at_once_and_believed_for_a_second() {
        let gone = || Err(DnsError::NoAddress);
        run(
            vec![answer(ONE, 5), gone(), answer(TWO, 5)],
            async |names, resolver| {
                assert_eq!(ask(&names).await, Ok(ONE));
                pass(5).await;
                assert_eq!(
                    (ask(&names).await, resolver.questions.get()),
                    (Err(DnsError::NoAddress), 2)
                );
                assert_eq!(
                    (ask(&names).await, resolver.questions.get()),
                    (Err(DnsError::NoAddress), 2)
                );
                pass(FAILURE_AGE_SECS).await;
                assert_eq!((ask(&names).await, resolver.questions.get()), (Ok(TWO), 3));
            },
        );
    }
}
