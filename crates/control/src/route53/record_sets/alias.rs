//! Aliases: what they may have as their target (spec §11, §8.3 rules 14, 15 and 30).

use std::collections::{BTreeSet, HashMap};

use documents::route53::DISTRIBUTIONS_ZONE;
use records::Name;
use shapes::route53::{AliasTarget, RRType, ResourceRecordSet};

use super::Problems;
use super::references::References;
use super::values::{Bounds, name_problem};
use super::working::Working;
use crate::call::Call;
use crate::error::Failure;
use crate::limits;

/// Names that are read to follow a batch's aliases.
const NAMES_READ_MAX: usize = 10_000;

const NOT_FOUND: &str = "that target was not found";

/// AWS's own domain of distributions: aliases to it are resolved elsewhere.
const CLOUDFRONT_DOMAIN: &str = "cloudfront.net";

/// What is wrong with an alias by itself; whether its target is there is asked after the batch.
pub(super) fn check(
    set: &ResourceRecordSet,
    zone_id: &str,
    zone: &Bounds<'_>,
    domain: &str,
    references: &References,
) -> Vec<String> {
    let Some(target) = &set.alias_target else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    let kind = set.r#type;
    if matches!(kind, RRType::Ns | RRType::Soa) {
        problems.push(format!(
            "RRSet with DNS name {}, type {kind} cannot be an alias",
            set.name
        ));
    }
    let name = match Name::parse(&target.dns_name) {
        Ok(name) => name,
        Err(error) => {
            problems.push(name_problem(&target.dns_name, error));
            return problems;
        }
    };
    let id = target.hosted_zone_id.as_str();
    if id == DISTRIBUTIONS_ZONE {
        problems.extend(of_distribution(set, target, &name, zone, domain));
    } else if id == zone_id {
        if !name.is_within(zone.apex) {
            problems.extend(outside(set, target));
        }
    } else if references.has_zone(id) {
        problems.push(refused(
            set,
            target,
            "the target of an alias is in the zone of the alias, or none of this installation's",
        ));
    } else if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        problems.push(refused(set, target, "this is no id of a hosted zone"));
    }
    problems
}

fn of_distribution(
    set: &ResourceRecordSet,
    target: &AliasTarget,
    name: &Name,
    zone: &Bounds<'_>,
    domain: &str,
) -> Vec<String> {
    let mut problems = Vec::new();
    if zone.is_private {
        let why = "a private zone has no aliases to CloudFront distributions";
        problems.push(refused(set, target, why));
    }
    if target.evaluate_target_health {
        problems.push(
            "EvaluateTargetHealth cannot be set to true for a CloudFront distribution".to_owned(),
        );
    }
    if !matches!(set.r#type, RRType::A | RRType::Aaaa | RRType::Https) {
        let why = "CloudFront distributions have records of types A, AAAA and HTTPS";
        problems.push(refused(set, target, why));
    }
    let is_below = |parent: &str| Name::parse(parent).is_ok_and(|parent| name.is_within(&parent));
    if !is_below(domain) && !is_below(CLOUDFRONT_DOMAIN) {
        problems.extend(outside(set, target));
    }
    problems
}

fn refused(set: &ResourceRecordSet, target: &AliasTarget, why: &str) -> String {
    format!(
        "Tried to create an alias that targets {}, type {} in zone {}, but {why}",
        target.dns_name, set.r#type, target.hosted_zone_id
    )
}

/// What is not in the target's zone is not found there either: both are told.
fn outside(set: &ResourceRecordSet, target: &AliasTarget) -> [String; 2] {
    [
        "the alias target name does not lie within the target zone",
        NOT_FOUND,
    ]
    .map(|why| refused(set, target, why))
}

/// Why an alias does not lead to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Astray {
    Loop,
    TooLong,
}

/// How long the longest chain of aliases is from a group on, if it ends.
type Depths = HashMap<(String, RRType), Result<usize, Astray>>;

impl Working<'_> {
    /// Whether the targets of the batch's aliases are there, and none leads back to itself.
    pub(super) async fn check_aliases(
        &mut self,
        call: &Call<'_>,
        problems: &mut Problems,
    ) -> Result<(), Failure> {
        let mut aliases = Vec::new();
        for (index, set) in self.written() {
            if let Some(target) = &set.alias_target
                && target.hosted_zone_id == self.zone_id()
                && let Ok(name) = Name::parse(&target.dns_name)
            {
                aliases.push((index, set.clone(), target.clone(), name.order_key()));
            }
        }
        let mut names: BTreeSet<String> = aliases.iter().map(|alias| alias.3.clone()).collect();
        let mut read = 0;
        for _ in 0..=limits::ALIAS_DEPTH_MAX {
            read += names.len();
            if names.is_empty() || read > NAMES_READ_MAX {
                break;
            }
            self.load_names(call, &names).await?;
            let next = names.iter().flat_map(|name| self.targets_of_name(name));
            names = next.filter(|name| !self.is_loaded(name)).collect();
        }
        let mut depths = Depths::new();
        for (index, set, target, order_key) in aliases {
            if self.group(&order_key, set.r#type).next().is_none() {
                problems.add(index, refused(&set, &target, NOT_FOUND));
                continue;
            }
            let mut path = Vec::new();
            match self.depth(&order_key, set.r#type, &mut path, &mut depths) {
                Ok(_) => {}
                Err(Astray::Loop) => {
                    problems.add(
                        index,
                        refused(&set, &target, "it would lead back to itself"),
                    );
                }
                Err(Astray::TooLong) => {
                    let why = format!(
                        "the chain of aliases would be longer than {}",
                        limits::ALIAS_DEPTH_MAX
                    );
                    problems.add(index, refused(&set, &target, &why));
                }
            }
        }
        Ok(())
    }

    /// Names that aliases at a name lead to within the zone.
    fn targets_of_name(&self, order_key: &str) -> Vec<String> {
        let sets = self.at_name(order_key);
        sets.filter_map(|set| self.target_in_zone(set)).collect()
    }

    fn target_in_zone(&self, set: &ResourceRecordSet) -> Option<String> {
        let target = set.alias_target.as_ref()?;
        if target.hosted_zone_id != self.zone_id() {
            return None;
        }
        Some(Name::parse(&target.dns_name).ok()?.order_key())
    }

    fn depth(
        &self,
        order_key: &str,
        kind: RRType,
        path: &mut Vec<String>,
        depths: &mut Depths,
    ) -> Result<usize, Astray> {
        if path.iter().any(|above| above == order_key) {
            return Err(Astray::Loop);
        }
        if path.len() >= limits::ALIAS_DEPTH_MAX {
            return Err(Astray::TooLong);
        }
        let known = (order_key.to_owned(), kind);
        if let Some(depth) = depths.get(&known) {
            return match depth {
                Ok(depth) if path.len() + depth >= limits::ALIAS_DEPTH_MAX => Err(Astray::TooLong),
                depth => *depth,
            };
        }
        path.push(order_key.to_owned());
        let mut deepest = Ok(0);
        for set in self.group(order_key, kind) {
            if let Some(target) = self.target_in_zone(set)
                && let Ok(above) = deepest
            {
                let below = self.depth(&target, kind, path, depths);
                deepest = below.map(|below| above.max(below + 1));
            }
        }
        path.pop();
        // What is astray here may be too long only from where this path began.
        if deepest.is_ok() {
            depths.insert(known, deepest);
        }
        deepest
    }
}
