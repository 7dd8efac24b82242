use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts the connections of each client, so that one cannot take them all. A client is an IPv4
/// address, or an IPv6 network of 64 bits: whoever has one address of it has all of them.
pub(crate) struct Clients {
    max_per_client: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

impl Clients {
    pub fn new(max_per_client: usize) -> Clients {
        Clients {
            max_per_client,
            counts: Mutex::default(),
        }
    }

    /// Counts a connection of that address; `false` when its client has too many already.
    pub fn enter(&self, ip: IpAddr) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(client_of(ip)).or_insert(0);
        let may_enter = *count < self.max_per_client;
        if may_enter {
            *count += 1;
        }
        may_enter
    }

    /// A connection of that address has ended.
    pub fn leave(&self, ip: IpAddr) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let client = client_of(ip);
        if let Some(count) = counts.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&client);
            }
        }
    }
}

fn client_of(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

/// One connection's place among its client's; given back when it is dropped.
pub(crate) struct Place {
    pub shared: Arc<crate::worker::Shared>,
    pub ip: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.clients.leave(self.ip);
        self.shared
            .open
            .fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_no_more_connections_than_its_bound() {
        let clients = Clients::new(2);
        let ip = "192.0.2.1".parse().unwrap();
        assert!(clients.enter(ip) && clients.enter(ip));
        assert!(!clients.enter(ip));
        assert!(!clients.enter(ip), "asking does not count");
        assert!(clients.enter("192.0.2.2".parse().unwrap()));
        clients.leave(ip);
        assert!(clients.enter(ip));
    }
    #[test]
    fn addresses_of_one_ipv6_network_are_one_client() {
        let clients = Clients::new(2);
        assert!(clients.enter("2001:db8::1".parse().unwrap()));
        assert!(clients.enter("2001:db8::2".parse().unwrap()));
        assert!(!clients.enter("2001:db8::3".parse().unwrap()));
        assert!(clients.enter("2001:db8:0:1::1".parse().unwrap()));
        clients.leave("2001:db8::2".parse().unwrap());
        assert!(clients.enter("2001:db8::4".parse().unwrap()));
    }
}
