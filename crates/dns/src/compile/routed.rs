//! From the record sets of one name and type, or a traffic policy's tree, to a choice.

use std::collections::BTreeMap;

use documents::limits::{RULES_ON_ALL_WAYS_MAX, RULES_ON_ONE_WAY_MAX};
use documents::route53::{DISTRIBUTIONS_ZONE, TrafficPolicyInstance};
use documents::traffic_policy::{self, Branch, Endpoint, Tree};
use records::{Name, RecordType};
use routing::{GeoCode, Group, Role, Rule};
use shapes::route53::{
    AliasTarget, GeoLocation, GeoProximityLocation, ResourceRecordSet, ResourceRecordSetFailover,
};

use super::record::{Values, of_texts, target_name, values};
use crate::world::World;
use crate::zone::routed::{Choice, Content, Member, Target};

/// What is around the record sets that are compiled.
pub(super) struct Surroundings<'w> {
    pub world: &'w World,
    /// The zone's id and name.
    pub zone: &'w str,
    pub apex: &'w Name,
}

impl Surroundings<'_> {
    /// Compiles all record sets of a name and type that are not simple; in words, why it cannot be.
    pub fn choice(&self, sets: &[ResourceRecordSet]) -> Result<Choice, String> {
        let is_member = |set: &&ResourceRecordSet| set.set_identifier.is_some();
        let members: Vec<&ResourceRecordSet> = sets.iter().filter(is_member).collect();
        if members.is_empty() {
            // The last one to come, while another one goes.
            let Some(set) = sets.last() else {
                return Ok(Choice::default());
            };
            if let Some(instance) = &set.traffic_policy_instance_id {
                return match self.world.instances.get(instance) {
                    Some(instance) => self.instance(instance),
                    // It comes, and this then once more.
                    None => Ok(Choice::default()),
                };
            }
            return Ok(Choice {
                group: None,
                members: [self.member(set)?].into(),
            });
        }
        let mut rules = Vec::with_capacity(members.len());
        let mut blocks = None;
        for set in &members {
            let identifier = set.set_identifier.clone().unwrap_or_default();
            if let Some(cidr) = &set.cidr_routing_config {
                let collection = self.world.collections.get(&cidr.collection_id);
                blocks = collection.map(|collection| &collection.locations);
            }
            rules.push((identifier, rule(set)?));
        }
        let compiled: Result<Vec<Member>, String> =
            members.iter().map(|set| self.member(set)).collect();
        self.group(&rules, compiled?, blocks)
    }

    fn group(
        &self,
        rules: &[(String, Rule)],
        members: Vec<Member>,
        blocks: Option<&BTreeMap<String, Vec<String>>>,
    ) -> Result<Choice, String> {
        let group = Group::compile(rules, blocks, &self.world.atlas);
        Ok(Choice {
            group: Some(group.map_err(|error| error.to_string())?.into()),
            members: members.into(),
        })
    }

    fn member(&self, set: &ResourceRecordSet) -> Result<Member, String> {
        let health = set.health_check_id.as_deref();
        let (ttl, content) = match &set.alias_target {
            Some(alias) => {
                let content = Content::Alias {
                    target: self.target(alias)?,
                    is_health_evaluated: alias.evaluate_target_health,
                };
                (0, content)
            }
            None => of_values(values(set)?),
        };
        Ok(Member {
            label: set.set_identifier.as_deref().unwrap_or_default().into(),
            ttl,
            health: health.map(|id| self.world.health.lock().cell(id)),
            content,
        })
    }

    fn target(&self, alias: &AliasTarget) -> Result<Target, String> {
        let name = target_name(alias)?;
        let zone = alias.hosted_zone_id.trim_start_matches("/hostedzone/");
        if zone == DISTRIBUTIONS_ZONE {
            return Ok(self.distribution(name));
        }
        if zone != self.zone {
            return Ok(Target::Elsewhere(self.world.elsewheres.cell(&name)));
        }
        match name.is_within(self.apex) {
            true => Ok(Target::Here(name)),
            false => Err(format!("AliasTarget.DNSName {name} is not in zone {zone}")),
        }
    }

    /// A distribution of this platform, or of another's.
    fn distribution(&self, name: Name) -> Target {
        let domain = self.world.platform.domain.as_ref();
        match domain.is_some_and(|domain| name != *domain && name.is_within(domain)) {
            true => Target::Platform(name),
            false => Target::Elsewhere(self.world.elsewheres.cell(&name)),
        }
    }

    /// The tree of a traffic policy in use.
    fn instance(&self, instance: &TrafficPolicyInstance) -> Result<Choice, String> {
        let tree = traffic_policy::parse(&instance.document).map_err(|errors| {
            let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
            format!("the traffic policy's document: {}", texts.join("; "))
        })?;
        let mut policy = Policy {
            around: self,
            tree: &tree,
            record_type: instance
                .record_type
                .parse()
                .map_err(|()| format!("RecordType {:?} is unknown", instance.record_type))?,
            ttl: instance.ttl,
            rules: 0,
        };
        let start = Branch {
            target: tree.start.clone(),
            evaluate_target_health: false,
            health_check: None,
        };
        Ok(Choice {
            group: None,
            members: [policy.member(&start, 0)?].into(),
        })
    }
}

fn of_values(values: Values) -> (u32, Content) {
    let content = Content::Values {
        count: values.count,
        records: values.records,
    };
    (values.ttl, content)
}

/// A traffic policy that is compiled.
struct Policy<'a> {
    around: &'a Surroundings<'a>,
    tree: &'a Tree,
    record_type: RecordType,
    ttl: i64,
    /// How many were compiled.
    rules: usize,
}

impl Policy<'_> {
    fn member(&mut self, branch: &Branch, depth: usize) -> Result<Member, String> {
        let (label, (ttl, content)) = match &branch.target {
            traffic_policy::Target::Endpoint(name) => {
                (name, self.endpoint(name, branch.evaluate_target_health)?)
            }
            traffic_policy::Target::Rule(name) => {
                let content = Content::Nested {
                    choice: self.rule(name, depth)?,
                    is_health_evaluated: branch.evaluate_target_health,
                };
                (name, (0, content))
            }
        };
        let health = branch.health_check.as_deref();
        Ok(Member {
            label: label.as_str().into(),
            ttl,
            health: health.map(|id| self.around.world.health.lock().cell(id)),
            content,
        })
    }

    fn endpoint(&self, name: &str, is_health_evaluated: bool) -> Result<(u32, Content), String> {
        let endpoint = self.tree.endpoints.get(name);
        let endpoint = endpoint.ok_or_else(|| format!("endpoint {name:?} is not there"))?;
        let read = |text: &str| {
            Name::parse(text).map_err(|error| format!("endpoint {name:?}: {text:?}: {error}"))
        };
        let target = match endpoint {
            Endpoint::Value(value) => {
                let texts = std::iter::once(value.as_str());
                let values = of_texts(self.record_type, texts, self.ttl);
                return Ok(of_values(values?));
            }
            Endpoint::Distribution(text) => self.around.distribution(read(text)?),
            Endpoint::Alias { name: text, .. } => {
                Target::Elsewhere(self.around.world.elsewheres.cell(&read(text)?))
            }
        };
        let content = Content::Alias {
            target,
            is_health_evaluated,
        };
        Ok((0, content))
    }

    fn rule(&mut self, name: &str, depth: usize) -> Result<Choice, String> {
        self.rules += 1;
        if depth >= RULES_ON_ONE_WAY_MAX || self.rules > RULES_ON_ALL_WAYS_MAX {
            return Err(format!(
                "the traffic policy has more than {RULES_ON_ALL_WAYS_MAX} rules on all ways together, \
                 or more than {RULES_ON_ONE_WAY_MAX} on one way"
            ));
        }
        let tree = self.tree;
        let rule = tree.rules.get(name);
        let rule = rule.ok_or_else(|| format!("rule {name:?} is not there"))?;
        let mut rules = Vec::new();
        let mut members = Vec::new();
        for (at, (how, branch)) in parts(rule)?.into_iter().enumerate() {
            rules.push((at.to_string(), how));
            members.push(self.member(branch, depth + 1)?);
        }
        self.around.group(&rules, members, None)
    }
}

/// The branches of a rule, and how each is chosen.
fn parts(rule: &traffic_policy::Rule) -> Result<Vec<(Rule, &Branch)>, String> {
    use traffic_policy::Rule as Kind;
    Ok(match rule {
        Kind::Failover { primary, secondary } => vec![
            (Rule::Failover(Role::Primary), primary),
            (Rule::Failover(Role::Secondary), secondary),
        ],
        Kind::Geo(items) => {
            let items = items
                .iter()
                .map(|(place, to)| Ok((geolocation(place)?, to)));
            items.collect::<Result<_, String>>()?
        }
        Kind::Latency(items) => {
            let items = items.iter().map(|(region, branch)| {
                let region = region.as_str().to_owned();
                (Rule::Latency { region }, branch)
            });
            items.collect()
        }
        Kind::Weighted(items) => {
            let items = items.iter();
            items
                .map(|(weight, branch)| (Rule::Weighted(*weight), branch))
                .collect()
        }
        Kind::Multivalue(items) => {
            let items = items.iter();
            items.map(|branch| (Rule::Multivalue, branch)).collect()
        }
        Kind::Geoproximity(items) => {
            let items = items
                .iter()
                .map(|(place, to)| Ok((geoproximity(place)?, to)));
            items.collect::<Result<_, String>>()?
        }
    })
}

/// How a member of a group is chosen (spec §10).
fn rule(set: &ResourceRecordSet) -> Result<Rule, String> {
    if let Some(weight) = set.weight {
        let weight = u8::try_from(weight);
        return weight
            .map(Rule::Weighted)
            .map_err(|_| "Weight is none of 0 to 255".to_owned());
    }
    if let Some(region) = &set.region {
        let region = region.as_str().to_owned();
        return Ok(Rule::Latency { region });
    }
    if let Some(place) = &set.geo_location {
        return geolocation(place);
    }
    if let Some(place) = &set.geo_proximity_location {
        return geoproximity(place);
    }
    if let Some(failover) = set.failover {
        return Ok(Rule::Failover(match failover {
            ResourceRecordSetFailover::Primary => Role::Primary,
            ResourceRecordSetFailover::Secondary => Role::Secondary,
        }));
    }
    if let Some(cidr) = &set.cidr_routing_config {
        let location = cidr.location_name.clone();
        return Ok(Rule::Cidr { location });
    }
    match set.multi_value_answer {
        Some(true) => Ok(Rule::Multivalue),
        _ => Err("it has a SetIdentifier and no routing policy".to_owned()),
    }
}

fn geolocation(place: &GeoLocation) -> Result<Rule, String> {
    let code = GeoCode::new(
        place.continent_code.as_deref(),
        place.country_code.as_deref(),
        place.subdivision_code.as_deref(),
    );
    let code = code.ok_or("GeoLocation names no continent, country or subdivision of one")?;
    Ok(Rule::Geolocation(code))
}

fn geoproximity(place: &GeoProximityLocation) -> Result<Rule, String> {
    let unknown = |text: &str| format!("GeoProximityLocation: {text:?} is unknown");
    let (latitude, longitude) = match (
        &place.aws_region,
        &place.local_zone_group,
        &place.coordinates,
    ) {
        (Some(region), ..) => geo::places::region(region).ok_or_else(|| unknown(region))?,
        (_, Some(group), _) => {
            geo::places::local_zone_group(group).ok_or_else(|| unknown(group))?
        }
        (_, _, Some(at)) => {
            let degrees = |text: &str| text.trim().parse::<f64>().map_err(|_| unknown(text));
            (degrees(&at.latitude)?, degrees(&at.longitude)?)
        }
        _ => return Err("GeoProximityLocation names no place".to_owned()),
    };
    let bias = i8::try_from(place.bias.unwrap_or(0));
    Ok(Rule::Geoproximity {
        latitude,
        longitude,
        bias: bias.map_err(|_| "GeoProximityLocation.Bias is none of -99 to 99".to_owned())?,
    })
}
