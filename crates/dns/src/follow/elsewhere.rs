//! Keeping the addresses of names that aliases lead to and that are not served here.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use origin::{AddressFamily, Answer, DnsError, Resolve, SystemResolver};

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
                look_up(&resolver, &cell).await;
            }
        }
    }
}

/// Whether a name is to be resolved: once at the first, and again when its addresses have run out
/// and somebody has asked for them lately.
fn is_due(cell: &Elsewhere, now_ms: u64) -> bool {
    let known = cell.addresses();
    let Some(addresses) = known.as_ref() else {
        let since_ms = now_ms.saturating_sub(cell.failed_ms());
        return since_ms >= ELSEWHERE_RETRY.as_millis() as u64;
    };
    let idle_ms = now_ms.saturating_sub(cell.asked_ms());
    addresses.until_ms <= now_ms && idle_ms < ELSEWHERE_IDLE.as_millis() as u64
}

/// Takes over what resolvers say now.
async fn look_up(resolver: &SystemResolver, cell: &Elsewhere) {
    let name = cell.name().to_string();
    let v4 = resolver.resolve(&name, AddressFamily::Ipv4).await;
    let v6 = resolver.resolve(&name, AddressFamily::Ipv6).await;
    for error in [&v4, &v6]
        .into_iter()
        .filter_map(|said| said.as_ref().err())
    {
        if !matches!(error, DnsError::NoAddress) {
            tracing::debug!(name, %error, "an alias's target is not resolved");
        }
    }
    let now_ms = now_ms();
    match renewed(cell.addresses().as_deref(), v4, v6, now_ms) {
        Some(addresses) => cell.set(addresses),
        None => cell.fail(now_ms),
    }
}

/// What is known after resolvers said this: of a family for which they failed, what was known
/// before. Nothing, if there was nothing and they found nothing: then nobody can tell that there
/// is no address.
fn renewed(
    before: Option<&Addresses>,
    v4: Result<Answer, DnsError>,
    v6: Result<Answer, DnsError>,
    now_ms: u64,
) -> Option<Addresses> {
    let mut ttl = Duration::MAX;
    let mut has_failed = false;
    // The addresses of a family; nothing if those of before stay.
    let mut take = |said: Result<Answer, DnsError>| match said {
        Ok(answer) => {
            ttl = ttl.min(answer.ttl);
            Some(answer.addresses)
        }
        Err(DnsError::NoAddress) => Some(Vec::new()),
        Err(_) => {
            has_failed = true;
            None
        }
    };
    let (v4, v6) = (take(v4), take(v6));
    let mut addresses = before.cloned().unwrap_or_default();
    if let Some(v4) = v4 {
        let v4 = v4.into_iter().filter_map(|address| match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        });
        addresses.v4 = v4.collect();
    }
    if let Some(v6) = v6 {
        let v6 = v6.into_iter().filter_map(|address| match address {
            IpAddr::V6(address) => Some(address),
            IpAddr::V4(_) => None,
        });
        addresses.v6 = v6.collect();
    }
    let has_none = addresses.v4.is_empty() && addresses.v6.is_empty();
    if has_none && has_failed && before.is_none() {
        return None;
    }
    let ttl = match has_none || has_failed {
        true => ELSEWHERE_RETRY,
        false => ttl.max(ELSEWHERE_TTL_MIN),
    };
    let lasts_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
    addresses.until_ms = now_ms.saturating_add(lasts_ms);
    Some(addresses)
}

fn now_ms() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(address: &str, ttl_secs: u64) -> Result<Answer, DnsError> {
        Ok(Answer {
            addresses: vec![address.parse().unwrap()],
            ttl: Duration::from_secs(ttl_secs),
        })
    }

    fn known() -> Addresses {
        let both = renewed(None, found("192.0.2.1", 60), found("2001:db8::1", 90), 1000);
        both.unwrap()
    }

    #[test]
    fn addresses_hold_as_long_as_the_shorter_family_says() {
        assert_eq!(known().until_ms, 61_000);
        let short = renewed(None, found("192.0.2.1", 0), Err(DnsError::NoAddress), 1000);
        assert_eq!(short.unwrap().until_ms, 6_000);
    }

    #[test]
    fn a_family_that_cannot_be_resolved_keeps_its_addresses_whatever_the_other_is_told() {
        let old = known();
        for v6 in [Err(DnsError::NoAddress), found("2001:db8::2", 60)] {
            let new = renewed(Some(&old), Err(DnsError::ResolverFailed), v6, 70_000).unwrap();
            assert_eq!(new.v4, old.v4);
            assert_ne!(new.v6, old.v6);
            assert_eq!(new.until_ms, 75_000);
        }
        let none = renewed(
            Some(&old),
            Err(DnsError::NoAddress),
            Err(DnsError::NoAddress),
            0,
        );
        let none = none.unwrap();
        assert!(none.v4.is_empty() && none.v6.is_empty());
    }

    #[test]
    fn that_there_is_no_address_is_not_known_before_both_families_were_resolved() {
        let failed = || Err(DnsError::ResolverFailed);
        assert_eq!(renewed(None, failed(), failed(), 0), None);
        assert_eq!(renewed(None, failed(), Err(DnsError::NoAddress), 0), None);
        let one = renewed(None, failed(), found("2001:db8::1", 60), 0).unwrap();
        assert_eq!((one.v4.len(), one.v6.len()), (0, 1));
    }
}
