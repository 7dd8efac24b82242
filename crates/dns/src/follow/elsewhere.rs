//! Keeping the addresses of names that aliases lead to and that are not served here.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use origin::{AddressFamily, DnsError, Resolve, SystemResolver};

use crate::cells::{Addresses, Elsewhere};
use crate::limits::{ELSEWHERE_IDLE, ELSEWHERE_RETRY, ELSEWHERE_TICK, ELSEWHERE_TTL_MIN};
use crate::world::World;

/// Resolves what is needed, when it is needed, for ever.
pub(super) async fn resolve(world: Arc<ArcSwap<World>>) {
    let resolver = match SystemResolver::new() {
        Ok(resolver) => resolver,
        Err(error) => {
            tracing::error!(%error, "aliases to names elsewhere have no addresses");
            return;
        }
    };
    let mut ticks = tokio::time::interval(ELSEWHERE_TICK);
    loop {
        ticks.tick().await;
        let cells = world.load().elsewheres().all();
        for cell in cells {
            if is_due(&cell, now_ms()) {
                cell.set(look_up(&resolver, &cell).await);
            }
        }
    }
}

/// Whether a name is to be resolved: once at the first, and again when its addresses have run out
/// and somebody has asked for them lately.
fn is_due(cell: &Elsewhere, now_ms: u64) -> bool {
    let known = cell.addresses();
    let Some(addresses) = known.as_ref() else {
        return true;
    };
    let idle_ms = now_ms.saturating_sub(cell.asked_ms());
    addresses.until_ms <= now_ms && idle_ms < ELSEWHERE_IDLE.as_millis() as u64
}

/// What resolvers say now; where they fail, what they said before.
async fn look_up(resolver: &SystemResolver, cell: &Elsewhere) -> Addresses {
    let name = cell.name().to_string();
    let v4 = resolver.resolve(&name, AddressFamily::Ipv4).await;
    let v6 = resolver.resolve(&name, AddressFamily::Ipv6).await;
    let mut ttl = Duration::MAX;
    let mut is_known = false;
    let mut all: Vec<IpAddr> = Vec::new();
    for answer in [v4, v6] {
        match answer {
            Ok(answer) => {
                ttl = ttl.min(answer.ttl);
                all.extend(answer.addresses);
                is_known = true;
            }
            Err(DnsError::NoAddress) => is_known = true,
            Err(error) => tracing::debug!(name, %error, "an alias's target is not resolved"),
        }
    }
    let ttl = match all.is_empty() {
        true => ELSEWHERE_RETRY,
        false => ttl.max(ELSEWHERE_TTL_MIN),
    };
    let until_ms = now_ms().saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
    if !is_known && let Some(old) = cell.addresses().as_ref() {
        return Addresses {
            until_ms,
            ..Addresses::clone(old)
        };
    }
    Addresses {
        v4: all
            .iter()
            .filter_map(|address| match address {
                IpAddr::V4(address) => Some(*address),
                IpAddr::V6(_) => None,
            })
            .collect(),
        v6: all
            .iter()
            .filter_map(|address| match address {
                IpAddr::V6(address) => Some(*address),
                IpAddr::V4(_) => None,
            })
            .collect(),
        until_ms,
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
