//! What threads count, and its Prometheus text.

use std::fmt::Write;
use std::sync::Arc;

use telemetry::metrics::Counter;

use crate::answer::{Facts, Transport};

/// One thread's. Two cache lines are the unit of sharing: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Counters {
    queries_udp: Counter,
    queries_tcp: Counter,
    /// By response code; those without a name here together at the end.
    responses: [Counter; RCODES.len() + 1],
    truncated: Counter,
    /// What was no query, or had no room.
    pub discarded: Counter,
    pub limited_dropped: Counter,
    pub limited_truncated: Counter,
    pub transfers: Counter,
    pub connections_accepted: Counter,
    pub connections_refused: Counter,
    pub connections_closed: Counter,
}

/// Response codes (IANA) with their names.
const RCODES: [(u16, &str); 10] = [
    (0, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (5, "REFUSED"),
    (9, "NOTAUTH"),
    (10, "NOTZONE"),
    (16, "BADVERS"),
    (23, "BADCOOKIE"),
];

/// A family without labels: its name, its help, and where it is.
type Plain = (&'static str, &'static str, fn(&Counters) -> &Counter);

/// What a response code is called.
pub(crate) fn rcode_name(rcode: u16) -> Option<&'static str> {
    let known = RCODES.iter().find(|(known, _)| *known == rcode);
    known.map(|(_, name)| *name)
}

impl Counters {
    pub fn queries_of(&self, transport: Transport) -> &Counter {
        match transport {
            Transport::Udp => &self.queries_udp,
            Transport::Tcp => &self.queries_tcp,
        }
    }

    #[inline]
    pub fn count(&self, facts: &Facts<'_>) {
        let slot = match facts.rcode {
            rcode @ 0..=5 => usize::from(rcode),
            rcode => RCODES
                .iter()
                .position(|(known, _)| *known == rcode)
                .unwrap_or(RCODES.len()),
        };
        self.responses[slot].increment();
        if facts.is_truncated {
            self.truncated.increment();
        }
    }
}

/// The counters of all threads of a server.
#[derive(Debug)]
pub struct Metrics {
    threads: Vec<Arc<Counters>>,
}

impl Metrics {
    pub(super) fn new(threads: Vec<Arc<Counters>>) -> Metrics {
        Metrics { threads }
    }

    /// Queries so far, by either transport.
    pub fn queries(&self) -> u64 {
        self.sum(|counters| &counters.queries_udp) + self.sum(|counters| &counters.queries_tcp)
    }

    /// Responses that the rate limit dropped or truncated so far.
    pub fn limited(&self) -> u64 {
        self.sum(|counters| &counters.limited_dropped)
            + self.sum(|counters| &counters.limited_truncated)
    }

    /// Appends the Prometheus text (format 0.0.4).
    pub fn render(&self, out: &mut String) {
        let name = "warmfront_dns_queries_total";
        family(out, name, "counter", "DNS queries by transport.");
        let (udp, tcp) = (self.sum(|c| &c.queries_udp), self.sum(|c| &c.queries_tcp));
        sample(out, name, "transport=\"udp\"", udp);
        sample(out, name, "transport=\"tcp\"", tcp);

        let name = "warmfront_dns_responses_total";
        family(out, name, "counter", "DNS responses by their code.");
        for slot in 0..=RCODES.len() {
            let rcode = RCODES.get(slot).map_or("other", |(_, rcode)| rcode);
            let count = self.sum(|counters| &counters.responses[slot]);
            // The common ones are there from the start, so that rates have a beginning.
            if count > 0 || matches!(rcode, "NOERROR" | "NXDOMAIN" | "REFUSED") {
                sample(out, name, &format!("rcode=\"{rcode}\""), count);
            }
        }

        let name = "warmfront_dns_rate_limited_total";
        let help = "DNS responses over the rate limit, by what became of them.";
        family(out, name, "counter", help);
        let dropped = self.sum(|counters| &counters.limited_dropped);
        sample(out, name, "action=\"drop\"", dropped);
        let truncated = self.sum(|counters| &counters.limited_truncated);
        sample(out, name, "action=\"truncate\"", truncated);

        let plain: [Plain; 5] = [
            (
                "warmfront_dns_truncated_total",
                "DNS responses that did not fit into a datagram.",
                |counters| &counters.truncated,
            ),
            (
                "warmfront_dns_discarded_total",
                "Messages on DNS sockets that deserve no response.",
                |counters| &counters.discarded,
            ),
            (
                "warmfront_dns_transfers_total",
                "Zone transfers asked for.",
                |counters| &counters.transfers,
            ),
            (
                "warmfront_dns_accepted_connections_total",
                "DNS connections accepted.",
                |counters| &counters.connections_accepted,
            ),
            (
                "warmfront_dns_refused_connections_total",
                "DNS connections over a limit, closed at once.",
                |counters| &counters.connections_refused,
            ),
        ];
        for (name, help, counter) in plain {
            family(out, name, "counter", help);
            sample(out, name, "", self.sum(counter));
        }

        let name = "warmfront_dns_open_connections";
        family(out, name, "gauge", "DNS connections open.");
        let accepted = self.sum(|counters| &counters.connections_accepted);
        let closed = self.sum(|counters| &counters.connections_closed);
        // The two are read one after the other.
        sample(out, name, "", accepted.saturating_sub(closed));
    }

    fn sum(&self, counter: impl Fn(&Counters) -> &Counter) -> u64 {
        let values = self.threads.iter().map(|thread| counter(thread).value());
        values.sum()
    }
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a `String` does not fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn sample(out: &mut String, name: &str, labels: &str, value: u64) {
    let _ = match labels {
        "" => writeln!(out, "{name} {value}"),
        labels => writeln!(out, "{name}{{{labels}}} {value}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_summed_and_families_are_always_there() {
        let threads: Vec<Arc<Counters>> = (0..2).map(|_| Arc::default()).collect();
        for thread in &threads {
            thread.queries_of(Transport::Udp).add(3);
            thread.responses[3].increment();
            thread.limited_dropped.increment();
        }
        threads[0].connections_accepted.add(2);
        threads[0].connections_closed.increment();
        let metrics = Metrics::new(threads);
        let mut text = String::new();
        metrics.render(&mut text);
        for line in [
            "warmfront_dns_queries_total{transport=\"udp\"} 6\n",
            "warmfront_dns_queries_total{transport=\"tcp\"} 0\n",
            "warmfront_dns_responses_total{rcode=\"NXDOMAIN\"} 2\n",
            "warmfront_dns_responses_total{rcode=\"NOERROR\"} 0\n",
            "warmfront_dns_rate_limited_total{action=\"drop\"} 2\n",
            "# TYPE warmfront_dns_open_connections gauge\n",
            "warmfront_dns_open_connections 1\n",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("SERVFAIL"));
        assert_eq!((metrics.queries(), metrics.limited()), (6, 2));
    }

    #[test]
    fn the_first_codes_lie_at_their_numbers() {
        for (at, (rcode, _)) in RCODES.iter().enumerate().take(6) {
            assert_eq!(usize::from(*rcode), at);
        }
    }
}
