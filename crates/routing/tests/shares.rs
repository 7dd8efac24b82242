//! Draws have the shares that they should have. Seeds are fixed, so this fails or passes for ever.

mod common;

use common::*;
use routing::{Atlas, Dice, Group, Rule};

const DRAWS: u32 = 200_000;

/// How far the counts are from the shares: Pearson's statistic. Members with a share of 0 must not
/// have been drawn.
fn chi_squared(counts: &[u32], shares: &[f64]) -> f64 {
    let draws: u32 = counts.iter().sum();
    let total: f64 = shares.iter().sum();
    (counts.iter().zip(shares))
        .map(|(count, share)| {
            if *share == 0.0 {
                assert_eq!(*count, 0);
                return 0.0;
            }
            let want = f64::from(draws) * share / total;
            (f64::from(*count) - want).powi(2) / want
        })
        .sum()
}

/// The value that a true die passes once in about 10 000 times (Wilson and Hilferty).
fn bound(shares: &[f64]) -> f64 {
    let freedom = shares.iter().filter(|share| **share > 0.0).count() as f64 - 1.0;
    let part = 2.0 / (9.0 * freedom);
    freedom * (1.0 - part + 3.72 * part.sqrt()).powi(3)
}

fn counts(group: &Group, members: usize, sick: &[usize], seed: u64) -> Vec<u32> {
    let mut dice = Dice::new(seed);
    let mut counts = vec![0; members];
    for _ in 0..DRAWS {
        for member in choose(group, &client("192.0.2.1"), sick, &mut dice).members {
            counts[usize::from(member)] += 1;
        }
    }
    counts
}

#[test]
fn weights_are_shares_of_those_who_are_left() {
    for (weights, sick, shares) in [
        (&[1u8, 1][..], &[][..], &[1.0, 1.0][..]),
        (&[99, 1], &[], &[99.0, 1.0]),
        (&[255, 255, 255, 1], &[], &[255.0, 255.0, 255.0, 1.0]),
        (&[10, 20, 30, 40], &[], &[10.0, 20.0, 30.0, 40.0]),
        (&[10, 20, 30, 40], &[3], &[10.0, 20.0, 30.0, 0.0]),
        (&[10, 20, 30, 40], &[1, 2], &[10.0, 0.0, 0.0, 40.0]),
        (&[0, 5, 0, 7], &[], &[0.0, 5.0, 0.0, 7.0]),
        (&[0, 5, 0, 7, 0], &[1, 3], &[1.0, 0.0, 1.0, 0.0, 1.0]),
        (&[0, 0, 0], &[], &[1.0, 1.0, 1.0]),
        (&[0, 0, 0], &[1], &[1.0, 0.0, 1.0]),
        // Nobody is healthy: all are taken to be.
        (&[3, 0, 9], &[0, 1, 2], &[3.0, 0.0, 9.0]),
        (&[0, 0, 0], &[0, 1, 2], &[1.0, 1.0, 1.0]),
    ] {
        let members: Vec<(String, Rule)> = (weights.iter().enumerate())
            .map(|(at, weight)| (at.to_string(), Rule::Weighted(*weight)))
            .collect();
        let group = Group::compile(&members, None, &Atlas::new()).unwrap();
        for seed in [1, 2, 3] {
            let counts = counts(&group, weights.len(), sick, seed);
            let far = chi_squared(&counts, shares);
            assert!(
                far < bound(shares),
                "{weights:?} {sick:?}: {counts:?}, {far}"
            );
        }
    }
}

#[test]
fn every_healthy_value_is_answered_as_often() {
    for (members, sick) in [(9, &[][..]), (20, &[0, 7]), (100, &[]), (12, &[0, 1, 2])] {
        let rules: Vec<(String, Rule)> = (0..members)
            .map(|at| (at.to_string(), Rule::Multivalue))
            .collect();
        let group = Group::compile(&rules, None, &Atlas::new()).unwrap();
        let shares: Vec<f64> = (0..members)
            .map(|at| if sick.contains(&at) { 0.0 } else { 1.0 })
            .collect();
        let counts = counts(&group, members, sick, 1);
        assert_eq!(counts.iter().sum::<u32>(), 8 * DRAWS);
        // Eight of one answer differ, which makes counts more even than those of single draws.
        let far = chi_squared(&counts, &shares);
        assert!(far < bound(&shares), "{counts:?}, {far}");
    }
}

#[test]
fn dice_with_the_same_seed_throw_the_same_and_others_do_not() {
    let throws = |seed: u64| {
        let mut dice = Dice::new(seed);
        [dice.throw(), dice.throw(), dice.throw()]
    };
    assert_eq!(throws(5), throws(5));
    assert_ne!(throws(5), throws(6));
    let mut dice = Dice::new(5);
    assert_eq!(dice.below(0), 0);
    assert_eq!(dice.below(1), 0);
    assert!((0..1000).all(|_| dice.below(3) < 3));
}
