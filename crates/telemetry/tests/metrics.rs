//! The metrics page, read back by a small strict parser of the Prometheus text format 0.0.4.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use telemetry::access_log::{LogTotals, ResultType};
use telemetry::metrics::{BUCKETS, NodeGauges, OriginErrorKind, Registry, RejectReason};

/// Samples by name and sorted labels.
type Samples = BTreeMap<(String, BTreeMap<String, String>), f64>;

/// Panics with the line on anything that the format does not allow, or that would make a scrape
/// ambiguous: a family twice, samples apart from their family, a series twice.
fn parse(page: &str) -> Samples {
    assert!(page.ends_with('\n'));
    let (mut samples, mut families) = (Samples::new(), BTreeSet::new());
    let (mut family, mut kind) = (String::new(), String::new());
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').expect(line);
            assert!(
                !text.is_empty() && families.insert(name.to_owned()),
                "{line}"
            );
            let kind_line = lines.next().expect(line);
            kind = kind_line
                .strip_prefix(&format!("# TYPE {name} "))
                .expect(line)
                .to_owned();
            assert!(
                ["counter", "gauge", "histogram"].contains(&kind.as_str()),
                "{kind_line}"
            );
            assert_eq!(kind == "counter", name.ends_with("_total"), "{kind_line}");
            family = name.to_owned();
        } else {
            let (name, labels, value) = parse_sample(line);
            let suffix = name.strip_prefix(&family).expect(line);
            match kind.as_str() {
                "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}"),
                _ => assert_eq!(suffix, "", "{line}"),
            }
            assert!(
                samples.insert((name, labels), value).is_none(),
                "twice: {line}"
            );
        }
    }
    samples
}

fn parse_sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let name_end = line.find(['{', ' ']).expect(line);
    let (name, mut rest) = line.split_at(name_end);
    let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    assert!(!name.is_empty() && is_name(name), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").expect(line);
            assert!(!label.is_empty() && is_name(label), "{line}");
            let (value, after) = parse_label_value(after);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            if let Some(after) = after.strip_prefix('}') {
                rest = after;
                break;
            }
            rest = after.strip_prefix(',').expect(line);
        }
    }
    let value = rest.strip_prefix(' ').expect(line);
    (name.to_owned(), labels, value.parse().expect(line))
}

fn parse_label_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((index, char)) = chars.next() {
        match char {
            '"' => return (value, &text[index + 1..]),
            '\\' => value.push(match chars.next() {
                Some((_, 'n')) => '\n',
                Some((_, char @ ('\\' | '"'))) => char,
                other => panic!("escape {other:?} in {text}"),
            }),
            _ => value.push(char),
        }
    }
    panic!("no end of label in {text}");
}

fn render(registry: &Registry, gauges: &NodeGauges) -> Samples {
    let mut page = String::new();
    registry.render(&mut page, gauges);
    parse(&page)
}

fn value(samples: &Samples, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels = labels
        .iter()
        .map(|&(label, text)| (label.to_owned(), text.to_owned()));
    samples.get(&(name.to_owned(), labels.collect())).copied()
}

#[test]
fn an_empty_node_has_a_well_formed_page() {
    let samples = render(&Registry::new(2), &NodeGauges::default());
    assert_eq!(
        value(&samples, "warmfront_open_connections", &[]),
        Some(0.0)
    );
}

#[test]
fn counters_are_added_up_over_workers() {
    let registry = Registry::new(2);
    let site = registry.register("E1");
    site.worker(0)
        .count_exchange(ResultType::Hit, 200, 100, 1000);
    site.worker(1)
        .count_exchange(ResultType::Hit, 200, 100, 1000);
    site.worker(1).count_exchange(ResultType::Error, 0, 50, 0);
    site.worker(1).count_exchange(ResultType::Miss, 418, 50, 10);
    site.worker(0).count_origin_error(OriginErrorKind::Dns);
    site.worker(0).origin_fetches.increment();
    site.worker(0).bytes_from_origin.add(77);
    let samples = render(&registry, &NodeGauges::default());
    let get =
        |name: &str, label, text| value(&samples, name, &[("distribution", "E1"), (label, text)]);
    assert_eq!(get("warmfront_requests_total", "result", "Hit"), Some(2.0));
    assert_eq!(get("warmfront_requests_total", "result", "Miss"), Some(1.0));
    assert_eq!(
        get("warmfront_viewer_bytes_total", "direction", "in"),
        Some(300.0)
    );
    assert_eq!(
        get("warmfront_viewer_bytes_total", "direction", "out"),
        Some(2010.0)
    );
    assert_eq!(
        get("warmfront_origin_errors_total", "kind", "dns"),
        Some(1.0)
    );
    let status = |class, status| {
        let labels = [("distribution", "E1"), ("class", class), ("status", status)];
        value(&samples, "warmfront_responses_total", &labels)
    };
    assert_eq!(status("2xx", "200"), Some(2.0));
    assert_eq!(status("none", "000"), Some(1.0));
    assert_eq!(status("4xx", "other"), Some(1.0));
    let site = [("distribution", "E1")];
    assert_eq!(
        value(&samples, "warmfront_origin_fetches_total", &site),
        Some(1.0)
    );
    assert_eq!(
        value(&samples, "warmfront_origin_bytes_total", &site),
        Some(77.0)
    );
}

#[test]
fn a_histogram_is_cumulative_and_in_seconds() {
    let registry = Registry::new(2);
    let site = registry.register("E1");
    site.worker(0).origin_first_byte.record(64);
    site.worker(1).origin_first_byte.record(1_000_000);
    site.worker(1).origin_first_byte.record(100_000_000);
    let samples = render(&registry, &NodeGauges::default());
    let bucket = |bound| {
        let labels = [("distribution", "E1"), ("le", bound)];
        value(
            &samples,
            "warmfront_origin_first_byte_seconds_bucket",
            &labels,
        )
    };
    assert_eq!(bucket("0.000064"), Some(1.0));
    assert_eq!(bucket("0.524288"), Some(1.0));
    assert_eq!(bucket("1.048576"), Some(2.0));
    assert_eq!(bucket("67.108864"), Some(2.0));
    assert_eq!(bucket("+Inf"), Some(3.0));
    let get = |suffix: &str| {
        let name = format!("warmfront_origin_first_byte_seconds{suffix}");
        value(&samples, &name, &[("distribution", "E1")])
    };
    assert_eq!(get("_count"), Some(3.0));
    assert_eq!(get("_sum"), Some(101.000064));
    let buckets = samples
        .keys()
        .filter(|(name, _)| name == "warmfront_origin_first_byte_seconds_bucket");
    assert_eq!(buckets.count(), BUCKETS + 1);
}

#[test]
fn labels_survive_every_character() {
    let registry = Registry::new(1);
    let id = "a\"b\\c\nd{e},f=é";
    registry.register(id).worker(0).flights.add(3);
    let samples = render(&registry, &NodeGauges::default());
    assert_eq!(
        value(&samples, "warmfront_flights_total", &[("distribution", id)]),
        Some(3.0)
    );
}

#[test]
fn a_reload_keeps_the_totals_of_sites_that_stay_and_forgets_the_others() {
    let registry = Registry::new(1);
    for id in ["E1", "E2", "E3"] {
        registry.register(id).worker(0).flights.increment();
    }
    registry.register("E1").worker(0).flights.increment();
    registry.retain(|id| id != "E2");
    registry.unregister("E3");
    let samples = render(&registry, &NodeGauges::default());
    let flights = |id| value(&samples, "warmfront_flights_total", &[("distribution", id)]);
    assert_eq!(
        (flights("E1"), flights("E2"), flights("E3")),
        (Some(2.0), None, None)
    );
}

#[test]
fn the_node_s_own_numbers_are_on_the_page() {
    let gauges = NodeGauges {
        cache_size_bytes: 1 << 53,
        log: LogTotals {
            lines_dropped: 5,
            ..LogTotals::default()
        },
        rejections: Arc::default(),
        ..NodeGauges::default()
    };
    gauges.rejections.count(RejectReason::UrlTooLong);
    let samples = render(&Registry::new(1), &gauges);
    assert_eq!(
        value(&samples, "warmfront_cache_bytes", &[]),
        Some((1u64 << 53) as f64)
    );
    let dropped = value(
        &samples,
        "warmfront_log_lines_total",
        &[("outcome", "dropped")],
    );
    assert_eq!(dropped, Some(5.0));
    let name = "warmfront_rejected_requests_total";
    assert_eq!(
        value(&samples, name, &[("reason", "url_too_long")]),
        Some(1.0)
    );
    assert_eq!(value(&samples, name, &[("reason", "malformed")]), Some(0.0));
}
