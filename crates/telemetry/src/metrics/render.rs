//! The Prometheus text exposition format 0.0.4.

use std::fmt::{Display, Write};

use super::counters::{OriginErrorKind, RejectReason, STATUS_SLOTS, SiteTotals, status_labels};
use super::histogram::{BUCKETS, HistogramTotals, bound_us};
use super::registry::NodeGauges;
use crate::access_log::ResultType;

type Sites = [(String, SiteTotals)];

/// Families in a fixed order, and within each the sites in theirs: two scrapes compare.
pub(super) fn render(out: &mut String, sites: &Sites, gauges: &NodeGauges) {
    let mut page = Page { out };
    render_exchanges(&mut page, sites);
    render_origin(&mut page, sites);
    render_node(&mut page, gauges);
    render_log(&mut page, gauges);
}

fn render_exchanges(page: &mut Page<'_>, sites: &Sites) {
    let name = "warmfront_requests_total";
    page.family(name, "counter", "Finished exchanges by final result type.");
    for (site, totals) in sites {
        for result in ResultType::ALL {
            let count = totals.requests[result as usize];
            // The common results are there from the start, so that rates have a beginning.
            if count > 0
                || matches!(
                    result,
                    ResultType::Hit | ResultType::Miss | ResultType::Error
                )
            {
                page.sample(
                    name,
                    &[("distribution", site), ("result", result.as_str())],
                    count,
                );
            }
        }
    }
    let name = "warmfront_responses_total";
    page.family(
        name,
        "counter",
        "Responses to viewers by status; 000 if the viewer left first.",
    );
    for (site, totals) in sites {
        for slot in (0..STATUS_SLOTS).filter(|&slot| totals.responses.0[slot] > 0) {
            let (class, status) = status_labels(slot);
            let labels = [
                ("distribution", site.as_str()),
                ("class", class),
                ("status", &status),
            ];
            page.sample(name, &labels, totals.responses.0[slot]);
        }
    }
    let name = "warmfront_viewer_bytes_total";
    page.family(
        name,
        "counter",
        "Bytes exchanged with viewers, headers included.",
    );
    for (site, totals) in sites {
        let labels = |direction| [("distribution", site.as_str()), ("direction", direction)];
        page.sample(name, &labels("in"), totals.bytes_from_viewers);
        page.sample(name, &labels("out"), totals.bytes_to_viewers);
    }
    page.site_counter(
        sites,
        "warmfront_stale_responses_total",
        "Responses served stale.",
        |t| t.stale_served,
    );
    page.site_histogram(
        sites,
        "warmfront_time_to_first_byte_seconds",
        "From the first byte of a request to the first byte of its response.",
        |totals| &totals.time_to_first_byte,
    );
}

fn render_origin(page: &mut Page<'_>, sites: &Sites) {
    page.site_counter(
        sites,
        "warmfront_origin_fetches_total",
        "Requests to origins.",
        |t| t.origin_fetches,
    );
    let help = "Conditional requests to origins for stored objects.";
    page.site_counter(sites, "warmfront_revalidations_total", help, |t| {
        t.revalidations
    });
    let help = "Bytes of bodies received from origins.";
    page.site_counter(sites, "warmfront_origin_bytes_total", help, |t| {
        t.bytes_from_origin
    });
    page.site_counter(sites, "warmfront_flights_total", "Flights begun.", |t| {
        t.flights
    });
    let help = "Exchanges that followed the flight of another.";
    page.site_counter(sites, "warmfront_collapsed_followers_total", help, |t| {
        t.collapsed_followers
    });
    let name = "warmfront_origin_errors_total";
    page.family(name, "counter", "Failed fetches by kind.");
    for (site, totals) in sites {
        for kind in OriginErrorKind::ALL {
            let count = totals.origin_errors[kind as usize];
            if count > 0 {
                page.sample(
                    name,
                    &[("distribution", site), ("kind", kind.as_str())],
                    count,
                );
            }
        }
    }
    page.site_histogram(
        sites,
        "warmfront_origin_first_byte_seconds",
        "From a request to an origin to the first byte of its response.",
        |totals| &totals.origin_first_byte,
    );
}

fn render_node(page: &mut Page<'_>, gauges: &NodeGauges) {
    let NodeGauges {
        open_connections,
        accepted_connections,
        refused_connections,
        ..
    } = *gauges;
    page.gauge(
        "warmfront_open_connections",
        "Viewer connections open.",
        open_connections,
    );
    let help = "Viewer connections accepted.";
    page.counter(
        "warmfront_accepted_connections_total",
        help,
        accepted_connections,
    );
    let help = "Viewer connections refused because of a bound.";
    page.counter(
        "warmfront_refused_connections_total",
        help,
        refused_connections,
    );
    let name = "warmfront_tls_handshakes_total";
    page.family(name, "counter", "TLS handshakes with viewers.");
    for (result, count) in ["full", "resumed", "failed"].iter().zip(gauges.handshakes) {
        page.sample(name, &[("result", result)], count);
    }
    page.gauge(
        "warmfront_cache_objects",
        "Objects in the cache.",
        gauges.cache_objects,
    );
    page.gauge(
        "warmfront_cache_bytes",
        "Bytes that the cache takes.",
        gauges.cache_size_bytes,
    );
    let help = "Bytes that the cache may take.";
    page.gauge(
        "warmfront_cache_capacity_bytes",
        help,
        gauges.cache_capacity_bytes,
    );
    let help = "Objects evicted for others.";
    page.counter(
        "warmfront_cache_evictions_total",
        help,
        gauges.cache_evictions,
    );
    let help = "Objects that admission to the cache refused.";
    page.counter(
        "warmfront_cache_refusals_total",
        help,
        gauges.cache_refusals,
    );
    let help = "Fetches in progress.";
    page.gauge(
        "warmfront_flights_in_progress",
        help,
        gauges.flights_in_progress,
    );
    let name = "warmfront_rejected_requests_total";
    page.family(
        name,
        "counter",
        "Requests refused before they belonged to a distribution.",
    );
    for reason in RejectReason::ALL {
        page.sample(
            name,
            &[("reason", reason.as_str())],
            gauges.rejections.value(reason),
        );
    }
}

fn render_log(page: &mut Page<'_>, gauges: &NodeGauges) {
    let name = "warmfront_log_lines_total";
    page.family(
        name,
        "counter",
        "Access log lines written, dropped (backlog), lost (disk error).",
    );
    page.sample(name, &[("outcome", "written")], gauges.log.lines_written);
    page.sample(name, &[("outcome", "dropped")], gauges.log.lines_dropped);
    page.sample(name, &[("outcome", "lost")], gauges.log.lines_lost);
    let help = "Failed operations on access log files.";
    page.counter("warmfront_log_errors_total", help, gauges.log.write_errors);
}

struct Page<'a> {
    out: &'a mut String,
}

impl Page<'_> {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.print(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn site_counter(
        &mut self,
        sites: &Sites,
        name: &str,
        help: &str,
        value: impl Fn(&SiteTotals) -> u64,
    ) {
        self.family(name, "counter", help);
        for (site, totals) in sites {
            self.sample(name, &[("distribution", site)], value(totals));
        }
    }

    fn site_histogram(
        &mut self,
        sites: &Sites,
        name: &str,
        help: &str,
        histogram: impl Fn(&SiteTotals) -> &HistogramTotals,
    ) {
        self.family(name, "histogram", help);
        for (site, totals) in sites {
            self.histogram(name, site, histogram(totals));
        }
    }

    fn histogram(&mut self, name: &str, site: &str, totals: &HistogramTotals) {
        let bucket_name = format!("{name}_bucket");
        let mut cumulative = 0;
        for (bucket, count) in totals.counts.iter().enumerate() {
            cumulative += count;
            let bound = if bucket < BUCKETS {
                (bound_us(bucket) as f64 / 1e6).to_string()
            } else {
                "+Inf".to_owned()
            };
            self.sample(
                &bucket_name,
                &[("distribution", site), ("le", &bound)],
                cumulative,
            );
        }
        let labels = [("distribution", site)];
        self.sample(&format!("{name}_sum"), &labels, totals.sum_us as f64 / 1e6);
        self.sample(&format!("{name}_count"), &labels, cumulative);
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.out.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            self.out.push(if index == 0 { '{' } else { ',' });
            self.out.push_str(label);
            self.out.push_str("=\"");
            push_label_value(self.out, text);
            self.out.push('"');
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        self.print(format_args!(" {value}\n"));
    }

    fn print(&mut self, text: std::fmt::Arguments<'_>) {
        self.out
            .write_fmt(text)
            .expect("a string accepts all that is written to it");
    }
}

/// The format escapes three characters in a label's value, and no others.
fn push_label_value(out: &mut String, value: &str) {
    for char in value.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            _ => out.push(char),
        }
    }
}
