use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts the connections of each address, so that one client cannot take them all.
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

    /// Counts a connection of that address; `false` when it has too many already.
    pub fn enter(&self, ip: IpAddr) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(ip).or_insert(0);
        let may_enter = *count < self.max_per_client;
        if may_enter {
            *count += 1;
        }
        may_enter
    }

    /// A connection of that address has ended.
    pub fn leave(&self, ip: IpAddr) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&ip);
            }
        }
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
        assert!(clients.enter("192.0.2.2".parse().unwrap()));
        clients.leave(ip);
        assert!(clients.enter(ip));
    }
}
