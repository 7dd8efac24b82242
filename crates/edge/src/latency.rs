//! How far viewers' networks are from here: the round-trip times of their TCP handshakes, which the
//! kernel measures anyway, as one smoothed number a network. Name servers send viewers to the PoP
//! that is nearest by these.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

use parking_lot::Mutex;

use crate::limits::{LATENCY_AGE_MS_MAX, LATENCY_NETWORKS_MAX};

/// A new measurement counts for an eighth, as in TCP's own estimate (RFC 6298 §2).
const WEIGHT: f32 = 0.125;

/// Round-trip times by network.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    networks: Mutex<HashMap<IpAddr, Estimate>>,
}

#[derive(Clone, Copy, Debug)]
struct Estimate {
    milliseconds: f32,
    seen_ms: u64,
}

impl Latencies {
    /// Notes the handshake of a connection that was just accepted.
    pub fn note_connection(&self, socket: &impl AsRawFd, ip: IpAddr, now_ms: u64) {
        if let Some(milliseconds) = handshake_ms(socket) {
            self.note(ip, milliseconds, now_ms);
        }
    }

    fn note(&self, ip: IpAddr, milliseconds: f32, now_ms: u64) {
        let mut networks = self.networks.lock();
        let network = network_of(ip);
        if let Some(known) = networks.get_mut(&network) {
            known.milliseconds += (milliseconds - known.milliseconds) * WEIGHT;
            known.seen_ms = now_ms;
        } else if networks.len() < LATENCY_NETWORKS_MAX {
            let new = Estimate {
                milliseconds,
                seen_ms: now_ms,
            };
            networks.insert(network, new);
        }
    }

    /// All networks, `192.0.2.0/24` or `2001:db8:1::/48`, each with milliseconds to two digits, so
    /// that what hardly changes does not change. Forgets those that have not been seen for long,
    /// and, if there is no room for others, the half that was not seen for longest.
    pub fn sketch(&self, now_ms: u64) -> BTreeMap<String, f32> {
        let mut networks = self.networks.lock();
        networks.retain(|_, known| now_ms.saturating_sub(known.seen_ms) < LATENCY_AGE_MS_MAX);
        let sketch = networks.iter().map(|(network, known)| {
            let bits = if network.is_ipv4() { 24 } else { 48 };
            let text = format!("{network}/{bits}");
            (text, two_digits(known.milliseconds))
        });
        let sketch = sketch.collect();
        if networks.len() >= LATENCY_NETWORKS_MAX {
            let mut seen: Vec<u64> = networks.values().map(|known| known.seen_ms).collect();
            let middle = seen.len() / 2;
            let (_, median, _) = seen.select_nth_unstable(middle);
            let (median, mut left) = (*median, LATENCY_NETWORKS_MAX / 2);
            networks.retain(|_, known| {
                let is_kept = known.seen_ms > median || (known.seen_ms == median && left > 0);
                left -= usize::from(is_kept && left > 0);
                is_kept
            });
        }
        sketch
    }
}

/// The network that shares a number: 24 bits of IPv4, 48 of IPv6.
fn network_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & 0xffff_ff00).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 80 << 80).into(),
    }
}

fn two_digits(milliseconds: f32) -> f32 {
    let shift = 10_f32.powf(1.0 - milliseconds.max(0.01).log10().floor());
    // Through decimals, so that equal numbers are equal as text.
    (milliseconds * shift).round() / shift
}

/// The kernel's estimate of a connection's round-trip time.
#[cfg(target_os = "linux")]
fn handshake_ms(socket: &impl AsRawFd) -> Option<f32> {
    // SAFETY: all of `tcp_info` is integers, for which zeros are values.
    #[allow(unsafe_code)]
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the descriptor is open as long as `socket` is borrowed; the kernel writes at most
    // `length` bytes to `info`, which is as long.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &mut length,
        )
    };
    (result == 0 && info.tcpi_rtt > 0).then_some(info.tcpi_rtt as f32 / 1_000.0)
}

#[cfg(not(target_os = "linux"))]
fn handshake_ms(_: &impl AsRawFd) -> Option<f32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_has_one_smoothed_number() {
        let latencies = Latencies::default();
        latencies.note(ip("192.0.2.1"), 8.0, 0);
        latencies.note(ip("192.0.2.200"), 16.0, 0);
        latencies.note(ip("2001:db8:1:2::1"), 123.4, 0);
        let sketch = latencies.sketch(0);
        let expected = [("192.0.2.0/24", 9.0), ("2001:db8:1::/48", 120.0)];
        let expected = expected.map(|(network, ms)| (network.to_owned(), ms));
        assert_eq!(sketch, expected.into());
    }

    #[test]
    fn networks_that_are_not_seen_any_more_are_forgotten() {
        let latencies = Latencies::default();
        latencies.note(ip("192.0.2.1"), 8.0, 0);
        latencies.note(ip("198.51.100.1"), 8.0, LATENCY_AGE_MS_MAX);
        let sketch = latencies.sketch(LATENCY_AGE_MS_MAX);
        assert_eq!(sketch.keys().collect::<Vec<_>>(), ["198.51.100.0/24"]);
    }

    #[test]
    fn there_is_a_bound_and_what_was_seen_lately_stays() {
        let latencies = Latencies::default();
        for number in 0..2 * LATENCY_NETWORKS_MAX as u32 {
            let ip = Ipv4Addr::from_bits(number << 8);
            latencies.note(ip.into(), 8.0, u64::from(number));
        }
        assert_eq!(latencies.sketch(9).len(), LATENCY_NETWORKS_MAX);
        let left = latencies.sketch(9);
        assert_eq!(left.len(), LATENCY_NETWORKS_MAX / 2);
        assert!(!left.contains_key("0.0.0.0/24"));
        latencies.note(ip("192.0.2.1"), 8.0, 9);
        assert!(latencies.sketch(9).contains_key("192.0.2.0/24"));
    }

    #[test]
    fn a_connection_has_been_measured_by_the_time_it_is_accepted() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let milliseconds = handshake_ms(&stream).unwrap();
        assert!(
            milliseconds > 0.0 && milliseconds < 10_000.0,
            "{milliseconds}"
        );
    }

    #[test]
    fn two_digits_are_enough() {
        for (exact, rounded) in [(0.123, 0.12), (9.96, 10.0), (12.6, 13.0), (187.0, 190.0)] {
            assert_eq!(two_digits(exact), rounded);
        }
    }
}
