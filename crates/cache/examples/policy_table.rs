//! Prints how the RAM store's policy does against plain LRU on synthetic traces: the table of
//! `docs/internals/ram-store.md`.

use std::thread;

use cache::trace::{OneHitWonders, Pattern, Report, Sizes, Synthetic, footprint_bytes, simulate};

/// What a store is usually asked for.
const SHARDS: usize = 64;

fn main() {
    println!("| trace | capacity | LRU objects | LRU bytes | ours/LRU objects | ours/LRU bytes |");
    println!("|---|---|---|---|---|---|");
    let cases = cases();
    let (first, second) = cases.split_at(cases.len() / 2);
    thread::scope(|scope| {
        let first = scope.spawn(|| first.iter().map(row).collect::<String>());
        let second: String = second.iter().map(row).collect();
        print!(
            "{}{second}",
            first.join().expect("simulations do not panic")
        );
    });
}

fn cases() -> Vec<(String, f64, Synthetic)> {
    let requests = Synthetic::default();
    let objects = Synthetic {
        one_hit_wonders: OneHitWonders::OfObjects(1.0 / 3.0),
        ..requests
    };
    let mut cases = Vec::new();
    for (reading, base) in [("requests", requests), ("objects", objects)] {
        let mut case = |name: String, share: f64, trace: Synthetic| {
            cases.push((format!("⅓ of {reading}: {name}"), share, trace));
        };
        for seed in 1..=4 {
            case(format!("seed {seed}"), 0.05, Synthetic { seed, ..base });
        }
        case(
            "3 million".into(),
            0.05,
            Synthetic {
                requests: 3_000_000,
                ..base
            },
        );
        for share in [0.01, 0.1, 0.2] {
            case("seed 1".into(), share, base);
        }
        for zipf_exponent in [0.7, 1.1] {
            case(
                format!("Zipf {zipf_exponent}"),
                0.05,
                Synthetic {
                    zipf_exponent,
                    ..base
                },
            );
        }
        for unpopular_larger in [0.1, 10.0] {
            let name = format!("unpopular × {unpopular_larger}");
            case(
                name,
                0.05,
                Synthetic {
                    unpopular_larger,
                    ..base
                },
            );
        }
        case(
            "scan".into(),
            0.05,
            Synthetic {
                pattern: Pattern::Scan,
                ..base
            },
        );
        case(
            "shift".into(),
            0.05,
            Synthetic {
                pattern: Pattern::Shift,
                ..base
            },
        );
        case(
            "16 KiB each".into(),
            0.05,
            Synthetic {
                sizes: Sizes::Equal(16 << 10),
                ..base
            },
        );
    }
    cases
}

fn row((name, share, trace): &(String, f64, Synthetic)) -> String {
    let capacity_bytes = (footprint_bytes(trace.requests()) as f64 * share) as u64;
    let report = simulate(trace.requests().map(Ok), capacity_bytes, SHARDS)
        .expect("a synthetic trace has no errors");
    let Report { lru, .. } = &report;
    format!(
        "| {name} | {:.0} % | {:.3} | {:.3} | {:.3} | {:.3} |\n",
        share * 100.0,
        report.object_miss_ratio(lru),
        report.byte_miss_ratio(lru),
        report.object_misses_to_lru(),
        report.byte_misses_to_lru(),
    )
}
