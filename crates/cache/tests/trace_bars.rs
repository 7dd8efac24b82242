//! The bars for the RAM store's policy: on a skewed trace with web-like sizes, at 5 % of the
//! footprint, at most 0.80 of plain LRU's object misses and 0.90 of its byte misses.

use cache::trace::{OneHitWonders, Pattern, Report, Sizes, Synthetic, footprint_bytes, simulate};

fn run(trace: Synthetic, share_of_footprint: f64) -> Report {
    let footprint = footprint_bytes(trace.requests()) as f64;
    simulate(
        trace.requests().map(Ok),
        (footprint * share_of_footprint) as u64,
        64,
    )
    .expect("a synthetic trace has no errors")
}

fn assert_bars(report: &Report, objects: f64, bytes: f64) {
    assert!(report.object_misses_to_lru() <= objects, "{report}");
    assert!(report.byte_misses_to_lru() <= bytes, "{report}");
}

fn a_third_of_objects() -> Synthetic {
    let one_hit_wonders = OneHitWonders::OfObjects(1.0 / 3.0);
    Synthetic {
        one_hit_wonders,
        ..Synthetic::default()
    }
}

#[test]
fn the_bars_hold_where_a_third_of_requests_are_for_one_hit_wonders() {
    for seed in [1, 7] {
        assert_bars(
            &run(
                Synthetic {
                    seed,
                    ..Synthetic::default()
                },
                0.05,
            ),
            0.80,
            0.90,
        );
    }
}

#[test]
fn the_bars_hold_where_a_third_of_objects_are_one_hit_wonders() {
    for seed in [1, 7] {
        assert_bars(
            &run(
                Synthetic {
                    seed,
                    ..a_third_of_objects()
                },
                0.05,
            ),
            0.80,
            0.90,
        );
    }
}

#[test]
fn neither_scans_nor_shifts_of_popularity_make_it_worse_than_lru() {
    for pattern in [Pattern::Scan, Pattern::Shift] {
        assert_bars(
            &run(
                Synthetic {
                    pattern,
                    ..Synthetic::default()
                },
                0.05,
            ),
            0.90,
            0.95,
        );
        assert_bars(
            &run(
                Synthetic {
                    pattern,
                    ..a_third_of_objects()
                },
                0.05,
            ),
            0.80,
            0.95,
        );
    }
}

#[test]
fn objects_of_one_size_are_kept_by_popularity_alone() {
    let sizes = Sizes::Equal(16 << 10);
    assert_bars(
        &run(
            Synthetic {
                sizes,
                ..a_third_of_objects()
            },
            0.05,
        ),
        0.90,
        0.90,
    );
}
