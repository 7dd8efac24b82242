//! The routing policies, sentence by sentence (spec §10, §12).

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use common::*;
use geo::testing::Datum;
use routing::{
    Atlas, Considered, Dice, Distance, Group, Latencies, Place, Recording, RoutingError, Rule,
    Source, Verdict,
};

fn world() -> Atlas {
    let atlas = Atlas::new();
    atlas.replace_geo(database(&[
        (
            "10.1.0.0/16",
            city(Some("US"), Some("CA"), Some((34.0, -118.0))),
        ),
        ("10.2.0.0/16", city(Some("US"), None, Some((40.7, -74.0)))),
        (
            "10.3.0.0/16",
            city(Some("DE"), Some("BE"), Some((52.5, 13.4))),
        ),
        ("10.4.0.0/16", city(Some("UA"), Some("30"), None)),
        ("10.5.0.0/16", city(Some("KR"), None, None)),
        ("10.6.0.0/16", city(Some("ZZ"), None, None)),
        ("2001:db8::/32", city(Some("DE"), None, Some((50.1, 8.7)))),
    ]));
    atlas
}

fn verdicts(recording: &Recording) -> Vec<(usize, Verdict)> {
    (recording.considered.iter())
        .map(|considered| (considered.member, considered.verdict))
        .collect()
}

#[test]
fn the_primary_answers_while_it_is_healthy_and_when_nobody_is() {
    for (rules, primary, secondary) in [([PRIMARY, SECONDARY], 0, 1), ([SECONDARY, PRIMARY], 1, 0)]
    {
        let group = group(&Atlas::new(), rules);
        let at = "192.0.2.1";
        assert_eq!(one(&group, at, &[]), Some(primary));
        assert_eq!(one(&group, at, &[usize::from(secondary)]), Some(primary));
        assert_eq!(one(&group, at, &[usize::from(primary)]), Some(secondary));
        assert_eq!(one(&group, at, &[0, 1]), Some(primary));
    }
    let alone = group(&Atlas::new(), [SECONDARY]);
    assert_eq!(one(&alone, "192.0.2.1", &[0]), Some(0));
}

#[test]
fn the_smallest_area_answers_and_larger_ones_when_it_is_unhealthy() {
    let areas = ["*", "continent NA", "US", "US-CA", "continent EU", "UA-30"];
    let group = group(&world(), areas.map(area));
    let california = "10.1.2.3";
    assert_eq!(one(&group, california, &[]), Some(3));
    assert_eq!(one(&group, california, &[3]), Some(2));
    assert_eq!(one(&group, california, &[3, 2]), Some(1));
    assert_eq!(one(&group, california, &[3, 2, 1]), Some(0));
    // Others are healthy, but not for this client.
    assert_eq!(one(&group, california, &[3, 2, 1, 0]), Some(3));
    assert_eq!(one(&group, "10.2.0.1", &[]), Some(2));
    assert_eq!(one(&group, "10.2.0.1", &[2]), Some(1));
    assert_eq!(one(&group, "10.3.0.1", &[]), Some(4));
    assert_eq!(one(&group, "10.4.0.1", &[]), Some(5));
    assert_eq!(one(&group, "2001:db8::1", &[]), Some(4));
    for unknown in ["10.5.0.1", "10.6.0.1", "10.7.0.1", "2001:db9::1"] {
        assert_eq!(one(&group, unknown, &[]), Some(0), "{unknown}");
    }
}

#[test]
fn without_a_default_clients_elsewhere_get_no_answer() {
    let group = group(&world(), ["US", "continent EU"].map(area));
    assert_eq!(chosen(&group, "10.5.0.1", &[]).0, []);
    assert_eq!(chosen(&group, "192.0.2.1", &[]).0, []);
    let choice = choose(&group, &client("10.5.0.1"), &[0, 1], &mut Dice::new(1));
    assert!(!choice.is_fallback);
}

#[test]
fn scopes_are_as_wide_as_the_answer_holds() {
    let group = group(&world(), ["*", "US", "US-CA"].map(area));
    // 10.1 and 10.2 differ for the group; 10.0 and 10.3 are alike, and all that follow.
    assert_eq!(chosen(&group, "10.1.2.0/24", &[]), (vec![2], 16));
    assert_eq!(chosen(&group, "10.2.2.0/24", &[]), (vec![1], 16));
    assert_eq!(chosen(&group, "10.4.2.0/24", &[]), (vec![0], 14));
    assert_eq!(chosen(&group, "192.0.2.0/24", &[]), (vec![0], 1));
    assert_eq!(chosen(&group, "2001:db8::/48", &[]), (vec![0], 0));
    let same = common::group(&world(), [PRIMARY, SECONDARY]);
    assert_eq!(chosen(&same, "10.1.2.0/24", &[]).1, 0);
}

#[test]
fn a_scope_narrows_when_the_best_is_unhealthy_and_places_differ_in_the_next() {
    let group = group(
        &world(),
        ["sa-east-1", "eu-west-1", "me-south-1"].map(latency),
    );
    // Ireland is the best for all from 10.0 to 10.4; its neighbour 10.2 prefers Brazil next.
    assert_eq!(chosen(&group, "10.3.0.0/24", &[]), (vec![1], 14));
    assert_eq!(chosen(&group, "10.3.0.0/24", &[1]), (vec![2], 16));
    assert_eq!(chosen(&group, "10.2.0.0/24", &[1]), (vec![0], 16));
}

#[test]
fn the_nearest_region_answers_and_the_next_one_when_it_is_unhealthy() {
    let regions = ["us-east-1", "us-west-1", "eu-central-1", "ap-northeast-2"];
    let group = group(&world(), regions.map(latency));
    for (from, order) in [
        ("10.1.0.1", [1, 0]),
        ("10.2.0.1", [0, 1]),
        ("10.3.0.1", [2, 0]),
        // Only the country is known of these.
        ("10.4.0.1", [2, 3]),
        ("10.5.0.1", [3, 2]),
        ("2001:db8::1", [2, 0]),
    ] {
        assert_eq!(one(&group, from, &[]), Some(order[0]), "{from}");
        let sick = [usize::from(order[0])];
        assert_eq!(one(&group, from, &sick), Some(order[1]), "{from}");
        assert_eq!(one(&group, from, &[0, 1, 2, 3]), Some(order[0]), "{from}");
    }
}

#[test]
fn clients_nobody_knows_of_go_by_the_names_of_regions() {
    let regions = ["us-east-1", "eu-central-1", "ap-northeast-2"];
    for atlas in [world(), Atlas::new()] {
        let group = group(&atlas, regions.map(latency));
        assert_eq!(one(&group, "192.0.2.1", &[]), Some(2));
        assert_eq!(one(&group, "192.0.2.1", &[2]), Some(1));
        assert_eq!(one(&group, "192.0.2.1", &[2, 1]), Some(0));
        let told = told(&group, "192.0.2.1", &[]);
        assert_eq!(told.located.unwrap().source, Source::None);
        assert_eq!(told.considered[0].distance, Some(Distance::Unknown));
    }
}

#[test]
fn what_was_measured_counts_more_than_where_a_network_is() {
    let atlas = world();
    let group = group(&atlas, ["us-east-1", "us-west-1"].map(latency));
    let nearest = atlas.nearest(&[
        Place {
            code: "IAD1".to_owned(),
            region: Some("us-east-1".to_owned()),
            coordinates: None,
        },
        Place {
            code: "SFO1".to_owned(),
            region: Some("us-west-1".to_owned()),
            coordinates: Some((37.6, -122.4)),
        },
    ]);
    let pop = |from: &str| {
        let choice = nearest.choose(&client(from), 1, |_| true, &mut ());
        (choice.members.to_vec(), choice.scope_bits)
    };
    assert_eq!(chosen(&group, "10.1.2.0/24", &[]), (vec![1], 16));
    assert_eq!(pop("10.1.2.0/24").0, [1]);

    let mut latencies = Latencies::default();
    let network = (ip("10.1.2.0"), 24);
    assert!(latencies.add(network, "IAD1", Some("us-east-1"), 9.0));
    assert!(latencies.add(network, "IAD2", Some("us-east-1"), 5.0));
    assert!(latencies.add(network, "SFO1", Some("us-west-1"), 7.0));
    atlas.replace_latencies(latencies);
    // Of a region's points of presence the nearest counts; each of them counts for itself.
    assert_eq!(chosen(&group, "10.1.2.0/24", &[]), (vec![0], 24));
    assert_eq!(chosen(&group, "10.1.3.0/24", &[]), (vec![1], 24));
    assert_eq!(chosen(&group, "10.1.128.0/24", &[]), (vec![1], 17));
    assert_eq!(pop("10.1.2.0/24").0, [1]);
    let told = told(&group, "10.1.2.77", &[]);
    assert_eq!(
        told.located.unwrap().measured,
        Some("10.1.2.0/24".parse().unwrap())
    );
    let measured = |ms| Some(Distance::Measured { ms });
    assert_eq!(told.considered[0].distance, measured(5.0));
    assert_eq!(told.considered[1].distance, measured(7.0));

    atlas.replace_latencies(Latencies::default());
    assert_eq!(chosen(&group, "10.1.2.0/24", &[]), (vec![1], 16));
}

#[test]
fn measurements_that_make_no_sense_are_not_taken() {
    let mut latencies = Latencies::default();
    let network = (ip("10.1.2.0"), 24);
    for milliseconds in [-1.0, f32::NAN, f32::INFINITY, 1e9] {
        assert!(!latencies.add(network, "IAD1", None, milliseconds));
    }
    assert!(!latencies.add((ip("10.1.2.0"), 33), "IAD1", None, 1.0));
    assert!(latencies.is_empty());
}

#[test]
fn maps_are_drawn_anew_when_another_database_comes() {
    let atlas = Atlas::new();
    let group = group(&atlas, ["us-east-1", "eu-central-1"].map(latency));
    assert_eq!(one(&group, "10.2.0.1", &[]), Some(1));
    atlas.replace_geo(world().geo());
    assert_eq!(one(&group, "10.2.0.1", &[]), Some(0));
    atlas.replace_geo(None);
    assert_eq!(one(&group, "10.2.0.1", &[]), Some(1));
}

#[test]
fn bias_draws_a_place_nearer_or_farther() {
    let atlas = Atlas::new();
    atlas.replace_geo(database(&[(
        "10.0.0.0/8",
        city(None, None, Some((0.0, 10.0))),
    )]));
    let between = |bias_west: i8, bias_east: i8| {
        let rules = [near(0.0, 0.0, bias_west), near(0.0, 30.0, bias_east)];
        one(&group(&atlas, rules), "10.0.0.1", &[])
    };
    // 1110 km to the west, 2220 km to the east.
    assert_eq!(between(0, 0), Some(0));
    assert_eq!(between(0, 49), Some(0));
    assert_eq!(between(0, 51), Some(1));
    assert_eq!(between(-49, 0), Some(0));
    assert_eq!(between(-51, 0), Some(1));
    assert_eq!(between(99, 99), Some(0));
    let sick_west = group(&atlas, [near(0.0, 0.0, 99), near(0.0, 30.0, 0)]);
    assert_eq!(one(&sick_west, "10.0.0.1", &[0]), Some(1));
    let told = told(&sick_west, "10.0.0.1", &[]);
    let Some(Distance::Biased { biased_km, km }) = told.considered[0].distance else {
        panic!("{told:?}");
    };
    assert!((km - 1112.0).abs() < 1.0 && (biased_km - 11.12).abs() < 0.1);
}

#[test]
fn of_equally_near_members_the_lower_identifier_answers() {
    let members = [
        ("second".to_owned(), near(1.0, 1.0, 0)),
        ("first".to_owned(), near(1.0, 1.0, 0)),
    ];
    let group = Group::compile(&members, None, &world()).unwrap();
    assert_eq!(one(&group, "10.1.0.1", &[]), Some(1));
}

#[test]
fn beyond_the_exact_ranks_everyone_is_still_asked() {
    let regions: Vec<&str> = geo::places::regions().collect();
    let members: Vec<(String, Rule)> = (regions.iter())
        .map(|region| (region.to_string(), latency(region)))
        .collect();
    let group = Group::compile(&members, None, &world()).unwrap();
    let far = regions
        .iter()
        .position(|region| *region == "ap-southeast-6")
        .unwrap();
    let sick: Vec<usize> = (0..regions.len()).filter(|member| *member != far).collect();
    let choice = choose(&group, &client("10.3.0.1"), &sick, &mut Dice::new(1));
    assert_eq!(
        (choice.members.to_vec(), choice.is_fallback),
        (vec![far as u16], false)
    );
    let all: Vec<usize> = (0..regions.len()).collect();
    let choice = choose(&group, &client("10.3.0.1"), &all, &mut Dice::new(1));
    let berlin = regions
        .iter()
        .position(|region| *region == "eusc-de-east-1")
        .unwrap();
    assert_eq!(
        (choice.members.to_vec(), choice.is_fallback),
        (vec![berlin as u16], true)
    );
}

#[test]
fn the_narrowest_block_that_all_of_a_subnet_is_in_counts() {
    let blocks = BTreeMap::from([
        ("office", vec!["10.1.0.0/16", "2001:db8:1::/48"]),
        ("floor", vec!["10.1.7.0/24"]),
        ("nobody", vec!["10.2.0.0/16"]),
    ]);
    let blocks: BTreeMap<String, Vec<String>> = (blocks.into_iter())
        .map(|(name, blocks)| {
            (
                name.to_owned(),
                blocks.iter().map(|b| b.to_string()).collect(),
            )
        })
        .collect();
    let compile = |locations: &[&str]| {
        let members: Vec<(String, Rule)> = (locations.iter())
            .map(|location| (location.to_string(), cidr(location)))
            .collect();
        Group::compile(&members, Some(&blocks), &Atlas::new()).unwrap()
    };
    let group = compile(&["*", "office", "floor"]);
    for (from, want, scope_bits) in [
        ("10.1.7.9", 2, 24),
        ("10.1.7.0/24", 2, 24),
        ("10.1.6.0/24", 1, 24),
        ("10.1.128.0/24", 1, 17),
        // All of it is in the office, part of it on the floor; more bits would have told.
        ("10.1.0.0/16", 1, 22),
        ("10.1.6.0/23", 1, 24),
        // Part of it is in the office.
        ("10.0.0.0/8", 0, 16),
        ("10.2.0.0/16", 0, 16),
        ("10.2.0.1", 0, 15),
        ("192.0.2.1", 0, 1),
        ("2001:db8:1::/56", 1, 48),
        ("2001:db8::/32", 0, 48),
        ("::ffff:10.1.7.9", 2, 120),
    ] {
        assert_eq!(
            chosen(&group, from, &[]),
            (vec![want], scope_bits),
            "{from}"
        );
    }
    assert_eq!(one(&group, "10.1.7.9", &[2]), Some(0));
    assert_eq!(one(&group, "10.1.7.9", &[2, 0]), Some(2));
    let told = told(&group, "10.1.7.9", &[2]);
    assert_eq!(
        told.located.clone().unwrap().cidr_location,
        Some("floor".into())
    );
    assert_eq!(
        verdicts(&told),
        [
            (2, Verdict::Unhealthy),
            (0, Verdict::Chosen),
            (1, Verdict::OtherPlace)
        ]
    );

    let without_default = compile(&["office"]);
    assert_eq!(one(&without_default, "10.1.7.9", &[]), None);
    assert_eq!(one(&without_default, "10.1.6.9", &[]), Some(0));
}

#[test]
fn weight_zero_answers_only_if_nobody_with_a_weight_is_healthy() {
    let group = group(&Atlas::new(), [0, 10, 0, 20].map(Rule::Weighted));
    let draws = |sick: &[usize]| -> BTreeSet<u16> {
        let mut dice = Dice::new(7);
        (0..500)
            .flat_map(|_| choose(&group, &client("::1"), sick, &mut dice).members)
            .collect()
    };
    assert_eq!(draws(&[]), BTreeSet::from([1, 3]));
    assert_eq!(draws(&[1]), BTreeSet::from([3]));
    assert_eq!(draws(&[1, 3]), BTreeSet::from([0, 2]));
    assert_eq!(draws(&[1, 2, 3]), BTreeSet::from([0]));
    assert_eq!(draws(&[0, 1, 2, 3]), BTreeSet::from([1, 3]));
}

#[test]
fn up_to_eight_healthy_values_are_answered() {
    let group = group(&Atlas::new(), [const { Rule::Multivalue }; 20]);
    let mut dice = Dice::new(7);
    let mut seen = BTreeSet::new();
    let mut orders = BTreeSet::new();
    for _ in 0..500 {
        let choice = choose(&group, &client("::1"), &[3, 4], &mut dice);
        let members: BTreeSet<u16> = choice.members.iter().copied().collect();
        assert_eq!(
            (members.len(), choice.scope_bits, choice.is_fallback),
            (8, 0, false)
        );
        seen.extend(members);
        orders.insert(choice.members[0]);
    }
    assert_eq!((seen.len(), orders.len()), (18, 18));
    let nearly_all: Vec<usize> = (2..20).collect();
    let choice = choose(&group, &client("::1"), &nearly_all, &mut dice);
    assert_eq!(
        choice.members.iter().copied().collect::<BTreeSet<_>>(),
        BTreeSet::from([0, 1])
    );
    let all: Vec<usize> = (0..20).collect();
    let choice = choose(&group, &client("::1"), &all, &mut dice);
    assert_eq!((choice.members.len(), choice.is_fallback), (8, true));
}

#[test]
fn large_groups_are_drawn_from_as_a_whole() {
    let members = |rule: Rule| -> Vec<(String, Rule)> {
        (0..1024)
            .map(|at| (format!("{at:04}"), rule.clone()))
            .collect()
    };
    for (rule, sick) in [
        (Rule::Multivalue, 0..0),
        (Rule::Weighted(1), 0..0),
        (Rule::Weighted(0), 0..1000),
        (Rule::Multivalue, 0..1020),
    ] {
        let group = Group::compile(&members(rule), None, &Atlas::new()).unwrap();
        let mut dice = Dice::new(7);
        let mut seen = BTreeSet::new();
        for _ in 0..2000 {
            let is_healthy = |member: usize| !sick.contains(&member);
            let choice = group.choose(&client("::1"), &mut dice, is_healthy, &mut ());
            seen.extend(choice.members);
        }
        assert!(
            seen.iter()
                .all(|member| !sick.contains(&usize::from(*member)))
        );
        assert!(seen.len() > (1024 - sick.len()) * 8 / 10, "{}", seen.len());
    }
    let mut too_many = members(Rule::Multivalue);
    too_many.push(("x".to_owned(), Rule::Multivalue));
    let refused = Group::compile(&too_many, None, &Atlas::new()).unwrap_err();
    assert_eq!(refused, RoutingError::TooMany(1025));
}

#[test]
fn members_that_make_no_group_are_refused() {
    let refused = |rules: Vec<Rule>| {
        let members: Vec<_> = rules
            .into_iter()
            .map(|rule| ("m".to_owned(), rule))
            .collect();
        Group::compile(&members, None, &Atlas::new()).unwrap_err()
    };
    assert_eq!(refused(vec![]), RoutingError::Empty);
    let mixed = refused(vec![Rule::Weighted(1), PRIMARY]);
    assert_eq!(mixed, RoutingError::Mixed("m".to_owned(), "m".to_owned()));
    let region = refused(vec![latency("eu-west-9")]);
    assert!(matches!(region, RoutingError::Region { .. }));
    assert_eq!(refused(vec![cidr("*")]), RoutingError::NoCollection);
    for (latitude, longitude, bias) in [(91.0, 0.0, 0), (0.0, f64::NAN, 0), (0.0, 0.0, 100)] {
        let refused = refused(vec![near(latitude, longitude, bias)]);
        assert!(matches!(refused, RoutingError::Coordinates { .. }));
    }
    let blocks = BTreeMap::from([("home".to_owned(), vec!["10.0.0.0".to_owned()])]);
    let members = [("m".to_owned(), cidr("*"))];
    let block = Group::compile(&members, Some(&blocks), &Atlas::new()).unwrap_err();
    assert_eq!(
        block.to_string(),
        "location \"home\" of the CIDR collection has the block \"10.0.0.0\", which is none"
    );
}

#[test]
fn points_of_presence_are_chosen_by_distance_several_at_a_time() {
    let atlas = world();
    let place = |code: &str, region: &str| Place {
        code: code.to_owned(),
        region: Some(region.to_owned()),
        coordinates: None,
    };
    let nearest = atlas.nearest(&[
        place("ICN1", "ap-northeast-2"),
        place("FRA1", "eu-central-1"),
        place("IAD1", "us-east-1"),
    ]);
    let choose = |from: &str, most: usize, sick: &[usize]| {
        let is_healthy = |place: usize| !sick.contains(&place);
        let choice = nearest.choose(&client(from), most, is_healthy, &mut ());
        (choice.members.to_vec(), choice.is_fallback)
    };
    assert_eq!(choose("10.3.0.1", 1, &[]), (vec![1], false));
    assert_eq!(choose("10.3.0.1", 2, &[]), (vec![1, 2], false));
    assert_eq!(choose("10.3.0.1", 2, &[1]), (vec![2, 0], false));
    assert_eq!(choose("10.3.0.1", 2, &[1, 2]), (vec![0], false));
    assert_eq!(choose("10.3.0.1", 2, &[0, 1, 2]), (vec![1, 2], true));
    assert_eq!(choose("10.3.0.1", 1, &[0, 1, 2]), (vec![1], true));
    let nowhere = atlas.nearest(&[]);
    for most in [1, 2] {
        let choice = nowhere.choose(&client("10.3.0.1"), most, |_| true, &mut ());
        assert!(choice.members.is_empty() && !choice.is_fallback);
    }
}

#[test]
fn a_witness_is_told_where_the_client_is_and_what_became_of_everybody() {
    let group = group(
        &world(),
        ["us-east-1", "eu-central-1", "eu-west-1"].map(latency),
    );
    let told = told(&group, "10.3.0.1", &[1]);
    let located = told.located.clone().unwrap();
    assert_eq!(
        (located.continent, located.country),
        (Some("EU"), Some(*b"DE"))
    );
    assert_eq!(located.subdivision.as_deref(), Some("BE"));
    assert_eq!(located.coordinates, Some((52.5, 13.4)));
    assert_eq!(located.source, Source::Database);
    assert_eq!(
        verdicts(&told),
        [
            (1, Verdict::Unhealthy),
            (2, Verdict::Chosen),
            (0, Verdict::Farther)
        ]
    );
    let Some(Distance::Estimated { ms, km }) = told.considered[0].distance else {
        panic!("{told:?}");
    };
    assert!(
        (km - 423.0).abs() < 5.0 && (ms - 8.8).abs() < 0.2,
        "{ms} {km}"
    );

    let country = common::told(&group, "10.5.0.1", &[]);
    assert_eq!(country.located.unwrap().source, Source::Country);

    let weighted = common::group(&Atlas::new(), [0, 255, 1].map(Rule::Weighted));
    let told = common::told(&weighted, "10.3.0.1", &[1]);
    let member = |member, weight, verdict| Considered {
        member,
        distance: None,
        weight: Some(weight),
        verdict,
    };
    let want = [
        member(1, 255, Verdict::Unhealthy),
        member(2, 1, Verdict::Chosen),
        member(0, 0, Verdict::WeightZero),
    ];
    assert_eq!((told.located, &told.considered[..]), (None, &want[..]));
}

#[test]
fn of_everybody_a_witness_is_told_once_for_every_policy_and_health() {
    let atlas = world();
    let members = [
        ["us-east-1", "eu-central-1", "sa-east-1"].map(latency),
        ["*", "US", "DE"].map(area),
        [near(1.0, 1.0, 0), near(2.0, 2.0, 0), near(3.0, 3.0, 9)],
        [PRIMARY, SECONDARY, SECONDARY],
        [0, 1, 2].map(Rule::Weighted),
        [Rule::Multivalue, Rule::Multivalue, Rule::Multivalue],
    ];
    for rules in members {
        let name = format!("{rules:?}");
        let group = group(&atlas, rules);
        for sick in [&[][..], &[0], &[1], &[0, 1], &[1, 2], &[0, 2], &[0, 1, 2]] {
            let told = told(&group, "10.3.0.1", sick);
            let mut members: Vec<usize> = told
                .considered
                .iter()
                .map(|considered| considered.member)
                .collect();
            members.sort_unstable();
            assert_eq!(members, [0, 1, 2], "{name} {sick:?}");
            for considered in &told.considered {
                let is_sick = sick.contains(&considered.member);
                match considered.verdict {
                    Verdict::Chosen => assert!(!is_sick, "{name} {sick:?}"),
                    Verdict::Unhealthy | Verdict::ChosenUnhealthy => {
                        assert!(is_sick, "{name} {sick:?}");
                    }
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn a_country_only_database_is_enough_for_latency() {
    let atlas = Atlas::new();
    atlas.replace_geo(database(&[
        ("10.1.0.0/16", Datum::country("BR")),
        ("10.2.0.0/16", Datum::country("JP")),
    ]));
    let group = Arc::new(group(&atlas, ["sa-east-1", "ap-northeast-1"].map(latency)));
    assert_eq!(one(&group, "10.1.0.1", &[]), Some(0));
    assert_eq!(one(&group, "10.2.0.1", &[]), Some(1));
}
