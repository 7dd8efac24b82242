use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use hashbrown::{Equivalent, HashMap};
use hyper::client::conn::http1::SendRequest;
use rustls::pki_types::ServerName;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::http2;
use crate::limits::{
    RESTING_POOL_AGE_SECS_MAX, RESTING_POOLS_MAX, SHUNNED_ADDRESS_SECS, SHUNNED_ADDRESSES_MAX,
};
use crate::timer::LazyTimer;
use crate::tls::{PoolTls, TlsTerms};
use crate::upload::Upload;
use crate::{
    AddressFamily, ClientIdentity, FetchError, PoolLimits, Protocol, Scheme, TlsRoots, TlsVersion,
};

/// What connections must have in common to stand in for one another.
#[derive(Hash, Eq, PartialEq)]
struct PoolKey {
    host: String,
    port: u16,
    scheme: Scheme,
    sni: Option<String>,
    family: AddressFamily,
    tls_minimum: TlsVersion,
    protocol: Protocol,
    identity: Option<ClientIdentity>,
}

/// A [`PoolKey`] by reference, hashed alike, so that looking up allocates nothing.
#[derive(Copy, Clone, Hash)]
pub(crate) struct PoolName<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) scheme: Scheme,
    pub(crate) sni: Option<&'a str>,
    pub(crate) family: AddressFamily,
    pub(crate) tls_minimum: TlsVersion,
    pub(crate) protocol: Protocol,
    pub(crate) identity: Option<&'a ClientIdentity>,
}

impl Equivalent<PoolKey> for PoolName<'_> {
    fn equivalent(&self, key: &PoolKey) -> bool {
        self.host == key.host
            && self.port == key.port
            && self.scheme == key.scheme
            && self.sni == key.sni.as_deref()
            && self.family == key.family
            && self.tls_minimum == key.tls_minimum
            && self.protocol == key.protocol
            && self.identity == key.identity.as_ref()
    }
}

/// An established connection. Dropping it ends its task at once and closes the socket.
pub(crate) struct Link {
    pub(crate) sender: SendRequest<Upload>,
    /// For the head and the body of whatever exchange runs; kept armed between exchanges.
    pub(crate) timer: LazyTimer,
    pub(crate) _task: TaskGuard,
    pub(crate) seat: Seat,
}

/// Ends a connection's task when dropped.
pub(crate) struct TaskGuard(pub(crate) AbortHandle);

impl Drop for TaskGuard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One of the connections that a worker may have open.
pub(crate) struct Seat {
    total: Rc<Cell<usize>>,
    pool: Rc<Cell<usize>>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.total.set(self.total.get() - 1);
        self.pool.set(self.pool.get() - 1);
    }
}

struct Idle {
    link: Link,
    expires_at: Instant,
}

/// The connections to one key, and what is remembered about its addresses.
pub(crate) struct Pool {
    idle: RefCell<Vec<Idle>>,
    /// The connections that carry many exchanges at once; HTTP/2 has no others.
    pub(crate) links: http2::Links,
    open: Rc<Cell<usize>>,
    pub(crate) tls: Option<PoolTls>,
    /// When a connection was last opened: how fresh its TLS sessions are.
    opened_at: Cell<Option<Instant>>,
    /// Addresses that failed lately, and until when they are tried last.
    shunned: RefCell<Vec<(IpAddr, Instant)>>,
    /// Counts connections, so that they take the addresses in turn.
    next_address: Cell<usize>,
}

impl Pool {
    fn new(tls: Option<PoolTls>) -> Pool {
        Pool {
            idle: RefCell::default(),
            links: http2::Links::default(),
            open: Rc::default(),
            tls,
            opened_at: Cell::default(),
            shunned: RefCell::default(),
            next_address: Cell::new(0),
        }
    }

    /// Whether connections use it, or may before this is over.
    fn is_in_use(self: &Rc<Self>) -> bool {
        self.open.get() > 0 || Rc::strong_count(self) > 1
    }

    /// The addresses in the order in which to try them: in turn, those that failed lately last.
    pub(crate) fn order(&self, addresses: &[IpAddr], now: Instant) -> Vec<IpAddr> {
        let turn = self.next_address.get();
        self.next_address.set(turn.wrapping_add(1));
        let mut ordered = addresses.to_vec();
        // `localhost` is two families of one machine: the order is a preference there.
        if !addresses.iter().all(IpAddr::is_loopback) {
            ordered.rotate_left(turn % addresses.len().max(1));
        }
        let mut shunned = self.shunned.borrow_mut();
        shunned.retain(|(_, until)| now < *until);
        ordered.sort_by_key(|address| shunned.iter().any(|(other, _)| other == address));
        ordered
    }

    /// Remembers that an address failed.
    pub(crate) fn shun(&self, address: IpAddr, now: Instant) {
        let mut shunned = self.shunned.borrow_mut();
        shunned.retain(|(other, _)| *other != address);
        if shunned.len() >= SHUNNED_ADDRESSES_MAX {
            shunned.remove(0);
        }
        shunned.push((address, now + Duration::from_secs(SHUNNED_ADDRESS_SECS)));
    }
}

/// All pools of a worker.
pub(crate) struct Pools {
    pools: RefCell<HashMap<PoolKey, Rc<Pool>>>,
    limits: PoolLimits,
    open: Rc<Cell<usize>>,
    idle: Rc<Cell<usize>>,
}

impl Pools {
    pub(crate) fn new(limits: PoolLimits) -> Pools {
        Pools {
            pools: RefCell::default(),
            limits,
            open: Rc::default(),
            idle: Rc::default(),
        }
    }

    /// The pool of that name, made when there is none. `InvalidRequest` when no server name can
    /// be made of the host.
    pub(crate) fn pool(
        &self,
        name: PoolName<'_>,
        roots: &TlsRoots,
    ) -> Result<Rc<Pool>, FetchError> {
        let mut pools = self.pools.borrow_mut();
        if let Some(pool) = pools.get(&name) {
            return Ok(Rc::clone(pool));
        }
        let tls = match name.scheme {
            Scheme::Http => None,
            Scheme::Https => Some(pool_tls(name, roots).ok_or(FetchError::InvalidRequest)?),
        };
        let pool = Rc::new(Pool::new(tls));
        // Every pool here has an open connection or was asked for since the last sweep; those
        // that have none are dropped before the map can grow past the connections allowed.
        if pools.len() >= self.limits.open_total {
            pools.retain(|_, pool| pool.is_in_use());
        }
        let key = PoolKey {
            host: name.host.to_owned(),
            port: name.port,
            scheme: name.scheme,
            sni: name.sni.map(str::to_owned),
            family: name.family,
            tls_minimum: name.tls_minimum,
            protocol: name.protocol,
            identity: name.identity.cloned(),
        };
        pools.insert(key, Rc::clone(&pool));
        Ok(pool)
    }

    /// Takes the idle connection that was used last, closing expired ones on the way.
    pub(crate) fn check_out(&self, pool: &Pool, now: Instant) -> Option<Link> {
        let mut idle = pool.idle.borrow_mut();
        let mut at = idle.len();
        while at > 0 {
            at -= 1;
            let candidate = &idle[at];
            let is_usable = !candidate.link.sender.is_closed() && now < candidate.expires_at;
            if is_usable && !candidate.link.sender.is_ready() {
                continue; // Its task has yet to notice the end of the last exchange.
            }
            let candidate = idle.remove(at);
            self.idle.set(self.idle.get() - 1);
            if is_usable {
                return Some(candidate.link);
            }
        }
        None
    }

    /// Keeps a connection for the next exchange, or closes it when there are enough. Says
    /// whether it was kept.
    pub(crate) fn check_in(&self, pool: &Pool, link: Link, expires_at: Instant) -> bool {
        let mut idle = pool.idle.borrow_mut();
        if !self.has_room_for_idle(idle.len()) || link.sender.is_closed() {
            return false;
        }
        idle.push(Idle { link, expires_at });
        self.idle.set(self.idle.get() + 1);
        true
    }

    /// Takes one of the connections that may be open; idle ones of this pool never stand in the
    /// way, since they would have been used instead.
    pub(crate) fn take_seat(&self, pool: &Pool, now: Instant) -> Result<Seat, FetchError> {
        if self.open.get() >= self.limits.open_total && self.idle.get() > 0 {
            self.close_idle(now, true);
        }
        if self.open.get() >= self.limits.open_total || pool.open.get() >= self.limits.open_per_pool
        {
            return Err(FetchError::TooManyConnections);
        }
        pool.opened_at.set(Some(now));
        self.open.set(self.open.get() + 1);
        pool.open.set(pool.open.get() + 1);
        Ok(Seat {
            total: Rc::clone(&self.open),
            pool: Rc::clone(&pool.open),
        })
    }

    /// Closes idle connections that expired or were closed by their origin, and forgets pools
    /// without connections. Says whether there is anything left to look at.
    pub(crate) fn sweep(&self, now: Instant) -> bool {
        self.close_idle(now, false);
        self.forget(now);
        self.idle.get() > 0
            || self
                .pools
                .borrow()
                .values()
                .any(|pool| !pool.links.is_empty())
    }

    /// Forgets the pools without connections. Those with TLS sessions stay for a while: the next
    /// connection resumes one.
    fn forget(&self, now: Instant) {
        let memory = Duration::from_secs(RESTING_POOL_AGE_SECS_MAX);
        let rests_since = |pool: &Pool| {
            let opened_at = pool.opened_at.get().filter(|_| pool.tls.is_some());
            opened_at.filter(|at| now < *at + memory)
        };
        let mut pools = self.pools.borrow_mut();
        let mut resting = Vec::new();
        pools.retain(|_, pool| {
            let rests_since = rests_since(pool);
            let is_in_use = pool.is_in_use();
            resting.extend(rests_since.filter(|_| !is_in_use));
            is_in_use || rests_since.is_some()
        });
        if resting.len() > RESTING_POOLS_MAX {
            let surplus = resting.len() - RESTING_POOLS_MAX;
            let newest_forgotten = *resting.select_nth_unstable(surplus - 1).1;
            pools.retain(|_, pool| {
                pool.is_in_use() || rests_since(pool).is_some_and(|at| at > newest_forgotten)
            });
        }
    }

    /// Counts the idle connections of this worker; for those that count themselves.
    pub(crate) fn idle_count(&self) -> Rc<Cell<usize>> {
        Rc::clone(&self.idle)
    }

    /// Whether one more connection of this pool may be kept idle.
    pub(crate) fn has_room_for_idle(&self, idle_in_pool: usize) -> bool {
        idle_in_pool < self.limits.idle_per_pool && self.idle.get() < self.limits.idle_total
    }

    fn close_idle(&self, now: Instant, all: bool) {
        for pool in self.pools.borrow().values() {
            let mut idle = pool.idle.borrow_mut();
            let before = idle.len();
            idle.retain(|idle| !all && now < idle.expires_at && !idle.link.sender.is_closed());
            self.idle.set(self.idle.get() - (before - idle.len()));
            pool.links.close_idle(now, all);
        }
    }

    /// Connections open, and how many of them are idle.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.open.get(), self.idle.get())
    }
}

fn pool_tls(name: PoolName<'_>, roots: &TlsRoots) -> Option<PoolTls> {
    let parse = |name: &str| ServerName::try_from(name.to_owned()).ok();
    let host = name.host.strip_suffix('.').unwrap_or(name.host);
    let host = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    let host = parse(host);
    let (server_name, other_name) = match (name.sni.and_then(parse), host) {
        (Some(sni), Some(host)) if sni != host => (sni, Some(host)),
        (Some(sni), _) => (sni, None),
        (None, Some(host)) => (host, None),
        (None, None) => return None,
    };
    Some(roots.pool_tls(TlsTerms {
        minimum: name.tls_minimum,
        protocol: name.protocol,
        server_name,
        other_name,
        identity: name.identity,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread", start_paused = true)]
    async fn addresses_take_turns_and_failing_ones_come_last_for_a_while() {
        let pool = Pool::new(None);
        let [a, b, c] = [1, 2, 3].map(|n| IpAddr::from([192, 0, 2, n]));
        let now = Instant::now();
        assert_eq!(pool.order(&[a, b, c], now), [a, b, c]);
        assert_eq!(pool.order(&[a, b, c], now), [b, c, a]);
        pool.shun(c, now);
        assert_eq!(pool.order(&[a, b, c], now), [a, b, c]);
        assert_eq!(pool.order(&[a, b, c], now), [a, b, c]);
        let later = now + Duration::from_secs(SHUNNED_ADDRESS_SECS);
        assert_eq!(pool.order(&[a, b, c], later), [b, c, a]);
    }

    #[test]
    fn seats_are_bounded_per_pool_and_overall() {
        let limits = PoolLimits {
            open_total: 3,
            open_per_pool: 2,
            ..PoolLimits::default()
        };
        let pools = Pools::new(limits);
        let roots = TlsRoots::mozilla();
        let name = |host| PoolName {
            host,
            port: 80,
            scheme: Scheme::Http,
            sni: None,
            family: AddressFamily::Ipv4,
            tls_minimum: TlsVersion::Tls12,
            protocol: Protocol::Http1,
            identity: None,
        };
        let now = Instant::now();
        let (a, b) = (
            pools.pool(name("a"), &roots).unwrap(),
            pools.pool(name("b"), &roots).unwrap(),
        );
        let first = pools.take_seat(&a, now).unwrap();
        let _second = pools.take_seat(&a, now).unwrap();
        assert!(matches!(
            pools.take_seat(&a, now),
            Err(FetchError::TooManyConnections)
        ));
        let _third = pools.take_seat(&b, now).unwrap();
        assert!(matches!(
            pools.take_seat(&b, now),
            Err(FetchError::TooManyConnections)
        ));
        drop(first);
        assert!(pools.take_seat(&b, now).is_ok());
        assert!(Rc::ptr_eq(&a, &pools.pool(name("a"), &roots).unwrap()));
    }
}
