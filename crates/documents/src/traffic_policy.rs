//! Documents of traffic policies (spec §14): what the API checks and name servers follow.
//!
//! [`parse`] gives the tree of a document that is sound as a graph: every reference has its
//! target, and none leads back to itself. Whether values are of the record type is for others to
//! say, since names and records are not known here. Parts that nothing refers to are kept.
//!
//! Numbers and booleans may be texts (`"Weight": "10"`), as AWS's own examples have them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use shapes::ShapeError;
use shapes::route53::{
    Coordinates, GeoLocation, GeoProximityLocation, RRType, ResourceRecordSetRegion,
};

use crate::limits::{DOCUMENT_BYTES_MAX, ERRORS_MAX, RULES_ON_ALL_WAYS_MAX, RULES_ON_ONE_WAY_MAX};

const VERSIONS: [&str; 2] = ["2015-10-01", "2023-05-09"];

/// What a document says.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    /// The type of the records that it makes.
    pub record_type: RRType,
    /// Where each query begins.
    pub start: Target,
    /// By the names that references have for them.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// By the names that references have for them.
    pub rules: BTreeMap<String, Rule>,
}

/// What a reference leads to; it exists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The endpoint of that name.
    Endpoint(String),
    /// The rule of that name.
    Rule(String),
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A record's value.
    Value(String),
    /// The domain name of a distribution: an alias to it.
    Distribution(String),
    /// Something of AWS's that is known by its name alone: an alias that is resolved elsewhere.
    Alias {
        /// `s3-website`.
        kind: String,
        /// Where it is, if the document says so.
        region: Option<String>,
        /// Its DNS name.
        name: String,
    },
}

/// How one branch is chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// The first while it is healthy.
    Failover {
        /// While it is healthy.
        primary: Branch,
        /// Otherwise.
        secondary: Branch,
    },
    /// By the querier's place; the default has the country `*`.
    Geo(Vec<(GeoLocation, Branch)>),
    /// The region with the lowest latency.
    Latency(Vec<(ResourceRecordSetRegion, Branch)>),
    /// By chance, in proportion to weights of 0 to 255.
    Weighted(Vec<(u8, Branch)>),
    /// Up to eight healthy ones together. All lead to endpoints.
    Multivalue(Vec<Branch>),
    /// The nearest, with biases.
    Geoproximity(Vec<(GeoProximityLocation, Branch)>),
}

impl Rule {
    /// What may be chosen.
    pub fn branches(&self) -> Vec<&Branch> {
        match self {
            Rule::Failover { primary, secondary } => vec![primary, secondary],
            Rule::Geo(items) => items.iter().map(|(_, branch)| branch).collect(),
            Rule::Latency(items) => items.iter().map(|(_, branch)| branch).collect(),
            Rule::Weighted(items) => items.iter().map(|(_, branch)| branch).collect(),
            Rule::Multivalue(items) => items.iter().collect(),
            Rule::Geoproximity(items) => items.iter().map(|(_, branch)| branch).collect(),
        }
    }
}

/// What may be chosen by a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Where it leads.
    pub target: Target,
    /// Whether it is unhealthy where everything behind it is.
    pub evaluate_target_health: bool,
    /// The health check that must be healthy for it.
    pub health_check: Option<String>,
}

/// Reads a document. All that is wrong with it is told, with where in it that is, up to a bound.
pub fn parse(document: &str) -> Result<Tree, Vec<ShapeError>> {
    let mut reader = Reader::default();
    let tree = reader.document(document);
    match tree {
        Some(tree) if reader.errors.is_empty() => Ok(tree),
        _ => Err(reader.errors),
    }
}

#[derive(Default)]
struct Reader {
    errors: Vec<ShapeError>,
}

impl Reader {
    /// Notes what is wrong at a path; gives nothing, for want of something sound.
    fn wrong<T>(&mut self, path: &str, message: impl Into<String>) -> Option<T> {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(ShapeError {
                path: path.to_owned(),
                message: message.into(),
            });
        }
        None
    }

    fn document(&mut self, document: &str) -> Option<Tree> {
        if document.len() > DOCUMENT_BYTES_MAX {
            let message = format!(
                "has {} bytes; at most {DOCUMENT_BYTES_MAX} are allowed",
                document.len()
            );
            return self.wrong("Document", message);
        }
        let value: Value = match serde_json::from_str(document) {
            Ok(value) => value,
            Err(error) => return self.wrong("Document", format!("is no JSON: {error}")),
        };
        let Value::Object(root) = value else {
            return self.wrong("Document", "is no JSON object");
        };
        match root.get("AWSPolicyFormatVersion").and_then(Value::as_str) {
            Some(version) if VERSIONS.contains(&version) => {}
            _ => self.wrong("AWSPolicyFormatVersion", one_of(&VERSIONS))?,
        }
        let record_type = self.record_type(&root);
        let start = self.start(&root);
        let mut endpoints = BTreeMap::new();
        for (name, endpoint) in self.named(&root, "Endpoints") {
            let path = format!("Endpoints.{name}");
            if let Some(endpoint) = self.endpoint(&path, endpoint, record_type) {
                endpoints.insert(name.clone(), endpoint);
            }
        }
        let mut rules = BTreeMap::new();
        for (name, rule) in self.named(&root, "Rules") {
            if let Some(rule) = self.rule(&format!("Rules.{name}"), rule) {
                rules.insert(name.clone(), rule);
            }
        }
        let tree = Tree {
            record_type: record_type?,
            start: start?,
            endpoints,
            rules,
        };
        // A graph with holes would only repeat what is already told.
        if self.errors.is_empty() {
            self.check_graph(&tree);
        }
        Some(tree)
    }

    fn record_type(&mut self, root: &Map<String, Value>) -> Option<RRType> {
        let named = root.get("RecordType").and_then(Value::as_str);
        let choices = RRType::ALL.iter().copied();
        let mut choices = choices.filter(|choice| !matches!(choice, RRType::Soa | RRType::Ns));
        match choices.find(|choice| Some(choice.as_str()) == named) {
            Some(record_type) => Some(record_type),
            None => self.wrong("RecordType", "must be a record type other than SOA and NS"),
        }
    }

    fn start(&mut self, root: &Map<String, Value>) -> Option<Target> {
        let named = |member: &str| root.get(member)?.as_str().map(str::to_owned);
        match (named("StartEndpoint"), named("StartRule")) {
            (Some(endpoint), None) => Some(Target::Endpoint(endpoint)),
            (None, Some(rule)) => Some(Target::Rule(rule)),
            (None, None) => self.wrong("StartRule", "or StartEndpoint is needed"),
            (Some(_), Some(_)) => self.wrong("StartRule", "and StartEndpoint exclude each other"),
        }
    }

    /// The members of an object that may be absent.
    fn named<'v>(
        &mut self,
        root: &'v Map<String, Value>,
        member: &str,
    ) -> Vec<(&'v String, &'v Map<String, Value>)> {
        let Some(value) = root.get(member).filter(|value| !value.is_null()) else {
            return Vec::new();
        };
        let Some(object) = value.as_object() else {
            self.wrong::<()>(member, "is no object");
            return Vec::new();
        };
        let mut members = Vec::with_capacity(object.len());
        for (name, value) in object {
            match value.as_object() {
                Some(value) => members.push((name, value)),
                None => drop(self.wrong::<()>(&format!("{member}.{name}"), "is no object")),
            }
        }
        members
    }

    fn endpoint(
        &mut self,
        path: &str,
        endpoint: &Map<String, Value>,
        record_type: Option<RRType>,
    ) -> Option<Endpoint> {
        const ALIASES: [&str; 5] = [
            "elastic-load-balancer",
            "application-load-balancer",
            "network-load-balancer",
            "s3-website",
            "elastic-beanstalk",
        ];
        let text = |member: &str| endpoint.get(member)?.as_str().map(str::to_owned);
        let kind = text("Type").unwrap_or_default();
        let Some(value) = text("Value").filter(|value| !value.is_empty()) else {
            return self.wrong(&format!("{path}.Value"), "is needed");
        };
        if kind == "value" {
            return Some(Endpoint::Value(value));
        }
        if kind != "cloudfront" && !ALIASES.contains(&kind.as_str()) {
            let message = format!(
                "'{kind}' must be value, cloudfront or {}",
                ALIASES.join(", ")
            );
            return self.wrong(&format!("{path}.Type"), message);
        }
        if !matches!(record_type, None | Some(RRType::A | RRType::Aaaa)) {
            let message = format!("'{kind}' is for policies of type A and AAAA");
            return self.wrong(&format!("{path}.Type"), message);
        }
        Some(match kind.as_str() {
            "cloudfront" => Endpoint::Distribution(value),
            _ => Endpoint::Alias {
                kind,
                region: text("Region"),
                name: value,
            },
        })
    }

    fn rule(&mut self, path: &str, rule: &Map<String, Value>) -> Option<Rule> {
        let kind = rule.get("RuleType").and_then(Value::as_str);
        match kind.unwrap_or_default() {
            "failover" => {
                let primary = self.side(path, rule, "Primary");
                let secondary = self.side(path, rule, "Secondary");
                Some(Rule::Failover {
                    primary: primary?,
                    secondary: secondary?,
                })
            }
            "geo" => self
                .items(path, rule, "Locations", Reader::place)
                .map(Rule::Geo),
            "latency" => self
                .items(path, rule, "Regions", Reader::region)
                .map(Rule::Latency),
            "weighted" => self
                .items(path, rule, "Items", Reader::weight)
                .map(Rule::Weighted),
            "multivalue" => {
                let items = self.items(path, rule, "Items", |_, _, _| Some(()))?;
                let branches: Vec<Branch> = items.into_iter().map(|(_, branch)| branch).collect();
                let is_rule = |branch: &Branch| matches!(branch.target, Target::Rule(_));
                match branches.iter().position(is_rule) {
                    Some(index) => self.wrong(
                        &format!("{path}.Items[{index}].RuleReference"),
                        "is not for multivalue rules, which have endpoints",
                    ),
                    None => Some(Rule::Multivalue(branches)),
                }
            }
            "geoproximity" => self
                .items(path, rule, "GeoproximityLocations", Reader::proximity)
                .map(Rule::Geoproximity),
            other => {
                let message = format!(
                    "'{other}' must be failover, geo, latency, weighted, multivalue or geoproximity"
                );
                self.wrong(&format!("{path}.RuleType"), message)
            }
        }
    }

    fn side(&mut self, path: &str, rule: &Map<String, Value>, member: &str) -> Option<Branch> {
        let path = format!("{path}.{member}");
        match rule.get(member).and_then(Value::as_object) {
            Some(side) => self.branch(&path, side),
            None => self.wrong(&path, "is needed"),
        }
    }

    /// The members of a list: what each is chosen by, and where it leads. No two of them may be
    /// chosen by the same, but for weights.
    fn items<T: PartialEq>(
        &mut self,
        path: &str,
        rule: &Map<String, Value>,
        member: &str,
        read: fn(&mut Reader, &str, &Map<String, Value>) -> Option<T>,
    ) -> Option<Vec<(T, Branch)>> {
        let path = format!("{path}.{member}");
        let items = rule.get(member).and_then(Value::as_array);
        let Some(items) = items.filter(|items| !items.is_empty()) else {
            return self.wrong(&path, "must be a list that is not empty");
        };
        let mut all: Vec<(T, Branch)> = Vec::with_capacity(items.len());
        let mut is_sound = true;
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Some(item) = item.as_object() else {
                is_sound = false;
                self.wrong::<()>(&path, "is no object");
                continue;
            };
            let key = read(self, &path, item);
            let branch = self.branch(&path, item);
            match (key, branch) {
                (Some(key), Some(_))
                    if member != "Items" && all.iter().any(|(known, _)| *known == key) =>
                {
                    is_sound = false;
                    self.wrong::<()>(&path, "is for the same place as an item before it");
                }
                (Some(key), Some(branch)) => all.push((key, branch)),
                _ => is_sound = false,
            }
        }
        is_sound.then_some(all)
    }

    fn branch(&mut self, path: &str, item: &Map<String, Value>) -> Option<Branch> {
        let text = |member: &str| item.get(member)?.as_str().map(str::to_owned);
        let target = match (text("EndpointReference"), text("RuleReference")) {
            (Some(endpoint), None) => Target::Endpoint(endpoint),
            (None, Some(rule)) => Target::Rule(rule),
            _ => self.wrong(path, "needs either EndpointReference or RuleReference")?,
        };
        let evaluate = self.boolean(path, item, "EvaluateTargetHealth")?;
        Some(Branch {
            target,
            evaluate_target_health: evaluate.unwrap_or(false),
            health_check: text("HealthCheck").filter(|id| !id.is_empty()),
        })
    }

    fn place(&mut self, path: &str, item: &Map<String, Value>) -> Option<GeoLocation> {
        let text = |member: &str| {
            let text = item.get(member)?.as_str();
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let (continent, country) = (text("Continent"), text("Country"));
        let subdivision = text("Subdivision");
        let is_default = self.boolean(path, item, "IsDefault")?.unwrap_or(false);
        let none = GeoLocation {
            continent_code: None,
            country_code: None,
            subdivision_code: None,
        };
        match (is_default, continent, country, subdivision) {
            (true, None, None, None) => Some(GeoLocation {
                country_code: Some("*".to_owned()),
                ..none
            }),
            (false, Some(continent), None, None) => Some(GeoLocation {
                continent_code: Some(continent),
                ..none
            }),
            (false, None, Some(country), subdivision) => Some(GeoLocation {
                country_code: Some(country),
                subdivision_code: subdivision,
                ..none
            }),
            // AWS's editor writes the default so as well.
            (true, None, Some(country), None) if country == "*" => Some(GeoLocation {
                country_code: Some(country),
                ..none
            }),
            _ => self.wrong(
                path,
                "needs one of IsDefault, Continent, or Country (with or without Subdivision)",
            ),
        }
    }

    fn region(&mut self, path: &str, item: &Map<String, Value>) -> Option<ResourceRecordSetRegion> {
        let named = item.get("Region").and_then(Value::as_str);
        let named = named.unwrap_or_default();
        let mut known = ResourceRecordSetRegion::ALL.iter().copied();
        match known.find(|region| region.as_str() == named) {
            Some(region) => Some(region),
            None => self.wrong(
                &format!("{path}.Region"),
                format!("'{named}' is no region that latency is known of"),
            ),
        }
    }

    fn weight(&mut self, path: &str, item: &Map<String, Value>) -> Option<u8> {
        let weight = number(item.get("Weight")).and_then(|number| u8::try_from(number).ok());
        match weight {
            Some(weight) => Some(weight),
            None => self.wrong(&format!("{path}.Weight"), "must be a number from 0 to 255"),
        }
    }

    fn proximity(&mut self, path: &str, item: &Map<String, Value>) -> Option<GeoProximityLocation> {
        // Version 2023-05-09 has the place in an object of its own.
        let place = item.get("Location").and_then(Value::as_object);
        let place = place.unwrap_or(item);
        let text = |member: &str| match place.get(member)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let bias = match item.get("Bias").filter(|bias| !bias.is_null()) {
            None => None,
            bias => match number(bias) {
                Some(bias @ -99..=99) => Some(bias as i32),
                _ => self.wrong(&format!("{path}.Bias"), "must be a number from -99 to 99")?,
            },
        };
        let named = text("LocationName").or_else(|| text("Region"));
        let named = named.map(|name| name.trim_start_matches("aws:route53:").to_owned());
        let (latitude, longitude) = (text("Latitude"), text("Longitude"));
        let is_zone = place.get("Type").and_then(Value::as_str) == Some("LocalZone");
        let mut location = GeoProximityLocation {
            aws_region: None,
            local_zone_group: None,
            coordinates: None,
            bias,
        };
        match (named, latitude, longitude) {
            (Some(zone), None, None) if is_zone => location.local_zone_group = Some(zone),
            (Some(region), None, None) => location.aws_region = Some(region),
            (None, Some(latitude), Some(longitude))
                if is_degrees(&latitude, 90.0) && is_degrees(&longitude, 180.0) =>
            {
                location.coordinates = Some(Coordinates {
                    latitude,
                    longitude,
                });
            }
            _ => self.wrong(
                path,
                "needs a region, or Latitude (-90 to 90) and Longitude (-180 to 180)",
            )?,
        }
        Some(location)
    }

    /// A boolean that may be absent; nothing at all if it is none.
    fn boolean(
        &mut self,
        path: &str,
        item: &Map<String, Value>,
        member: &str,
    ) -> Option<Option<bool>> {
        match item.get(member) {
            None | Some(Value::Null) => Some(None),
            Some(Value::Bool(is)) => Some(Some(*is)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Some(Some(true)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Some(Some(false)),
            Some(_) => self.wrong(&format!("{path}.{member}"), "must be true or false"),
        }
    }

    /// Every reference has its target, and no rule leads back to itself.
    fn check_graph(&mut self, tree: &Tree) {
        let exists = |target: &Target| match target {
            Target::Endpoint(name) => tree.endpoints.contains_key(name),
            Target::Rule(name) => tree.rules.contains_key(name),
        };
        if !exists(&tree.start) {
            let (member, name) = match &tree.start {
                Target::Endpoint(name) => ("StartEndpoint", name),
                Target::Rule(name) => ("StartRule", name),
            };
            self.wrong::<()>(member, format!("'{name}' is not there"));
        }
        for (name, rule) in &tree.rules {
            for branch in rule.branches() {
                if !exists(&branch.target) {
                    let (Target::Endpoint(target) | Target::Rule(target)) = &branch.target;
                    let message = format!("refers to '{target}', which is not there");
                    self.wrong::<()>(&format!("Rules.{name}"), message);
                }
            }
        }
        let mut sizes = BTreeMap::new();
        for name in tree.rules.keys() {
            if size(tree, name, RULES_ON_ONE_WAY_MAX, &mut sizes).is_none() {
                let message = format!(
                    "leads back to itself, or to more than {RULES_ON_ONE_WAY_MAX} rules one after \
                     another"
                );
                self.wrong::<()>(&format!("Rules.{name}"), message);
            }
        }
        if let Target::Rule(start) = &tree.start
            && let Some(Some(size)) = sizes.get(start.as_str())
            && size.rules > RULES_ON_ALL_WAYS_MAX
        {
            let message = format!(
                "leads to {} rules on all ways together; at most {RULES_ON_ALL_WAYS_MAX} are \
                 allowed",
                size.rules
            );
            self.wrong::<()>("StartRule", message);
        }
    }
}

/// What follows from a rule on, itself included.
#[derive(Clone, Copy)]
struct Size {
    /// Rules on the longest way.
    depth: usize,
    /// Rules on all ways.
    rules: usize,
}

/// Nothing if there are more than `most` rules on a way, as on the way round a cycle. Each rule is
/// looked at once.
fn size<'t>(
    tree: &'t Tree,
    name: &'t str,
    most: usize,
    known: &mut BTreeMap<&'t str, Option<Size>>,
) -> Option<Size> {
    let most = most.checked_sub(1)?;
    if let Some(known) = known.get(name) {
        return *known;
    }
    // Whoever comes here again on the way has gone round.
    known.insert(name, None);
    let mut whole = Some(Size { depth: 1, rules: 1 });
    for branch in tree.rules.get(name)?.branches() {
        if let Target::Rule(next) = &branch.target {
            let below = size(tree, next, most, known);
            let sum = whole.zip(below).map(|(whole, below)| Size {
                depth: whole.depth.max(below.depth + 1),
                rules: whole.rules.saturating_add(below.rules),
            });
            whole = sum.filter(|size| size.depth <= RULES_ON_ONE_WAY_MAX);
        }
    }
    known.insert(name, whole);
    whole
}

fn one_of(choices: &[&str]) -> String {
    format!("must be one of {}", choices.join(", "))
}

/// A number, or a text of one.
fn number(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn is_degrees(text: &str, most: f64) -> bool {
    let degrees: Option<f64> = text.parse().ok();
    degrees.is_some_and(|degrees| degrees.abs() <= most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(rules: Value, endpoints: Value) -> Value {
        json!({
            "AWSPolicyFormatVersion": "2015-10-01", "RecordType": "A",
            "StartRule": "start", "Rules": rules, "Endpoints": endpoints,
        })
    }

    fn values(names: &[&str]) -> Value {
        let value = |name: &&str| {
            let value = json!({ "Type": "value", "Value": "192.0.2.1" });
            ((*name).to_owned(), value)
        };
        Value::Object(names.iter().map(value).collect())
    }

    /// Where a document is wrong.
    fn wrong(document: &Value) -> Vec<String> {
        let errors = parse(&document.to_string()).unwrap_err();
        errors.into_iter().map(|error| error.path).collect()
    }

    #[test]
    fn a_tree_of_every_rule_is_read() {
        let rules = json!({
            "start": { "RuleType": "failover",
                "Primary": { "RuleReference": "geo", "EvaluateTargetHealth": "true" },
                "Secondary": { "EndpointReference": "e", "HealthCheck": "check" } },
            "geo": { "RuleType": "geo", "Locations": [
                { "Continent": "EU", "RuleReference": "latency" },
                { "Country": "US", "Subdivision": "WA", "RuleReference": "many" },
                { "IsDefault": true, "RuleReference": "near" } ] },
            "latency": { "RuleType": "latency", "Regions": [
                { "Region": "eu-west-1", "RuleReference": "weighted" } ] },
            "weighted": { "RuleType": "weighted", "Items": [
                { "Weight": "10", "EndpointReference": "e" },
                { "Weight": 0, "EndpointReference": "d" } ] },
            "many": { "RuleType": "multivalue", "Items": [{ "EndpointReference": "e" }] },
            "near": { "RuleType": "geoproximity", "GeoproximityLocations": [
                { "Region": "aws:route53:us-east-1", "Bias": "-5", "EndpointReference": "e" },
                { "Location": { "Type": "Coordinate", "Latitude": "1", "Longitude": 2.5 },
                  "EndpointReference": "e" } ] },
        });
        let endpoints = json!({
            "e": { "Type": "value", "Value": "192.0.2.1" },
            "d": { "Type": "cloudfront", "Value": "d1.cdn.localhost" },
        });
        let tree = parse(&document(rules, endpoints).to_string()).unwrap();
        assert_eq!(tree.start, Target::Rule("start".to_owned()));
        let Rule::Failover { primary, secondary } = &tree.rules["start"] else {
            panic!("{tree:?}");
        };
        assert!(primary.evaluate_target_health && !secondary.evaluate_target_health);
        assert_eq!(secondary.health_check.as_deref(), Some("check"));
        let Rule::Geo(places) = &tree.rules["geo"] else {
            panic!("{tree:?}");
        };
        assert_eq!(places[2].0.country_code.as_deref(), Some("*"));
        let Rule::Weighted(items) = &tree.rules["weighted"] else {
            panic!("{tree:?}");
        };
        assert_eq!((items[0].0, items[1].0), (10, 0));
        let Rule::Geoproximity(places) = &tree.rules["near"] else {
            panic!("{tree:?}");
        };
        assert_eq!(places[0].0.aws_region.as_deref(), Some("us-east-1"));
        assert_eq!(places[0].0.bias, Some(-5));
        assert_eq!(places[1].0.coordinates.as_ref().unwrap().longitude, "2.5");
    }

    #[test]
    fn a_reference_to_nothing_is_told_where_it_is() {
        let rule = json!({ "RuleType": "multivalue", "Items": [{ "EndpointReference": "x" }] });
        let rules = json!({ "start": rule });
        assert_eq!(wrong(&document(rules, values(&["e"]))), ["Rules.start"]);
        assert_eq!(wrong(&document(json!({}), json!({}))), ["StartRule"]);
    }

    #[test]
    fn rules_that_go_round_are_told_and_shared_ones_are_not() {
        let to = |a: &str, b: &str| {
            json!({ "RuleType": "failover",
                "Primary": { "RuleReference": a }, "Secondary": { "RuleReference": b } })
        };
        let leaf = json!({ "RuleType": "multivalue", "Items": [{ "EndpointReference": "e" }] });
        let round = json!({ "start": to("a", "leaf"), "a": to("start", "leaf"), "leaf": leaf });
        let told = wrong(&document(round, values(&["e"])));
        assert!(told.contains(&"Rules.start".to_owned()), "{told:?}");
        assert!(!told.contains(&"Rules.leaf".to_owned()), "{told:?}");
        let shared = json!({ "start": to("a", "b"), "a": to("leaf", "leaf"),
            "b": to("leaf", "a"), "leaf": leaf });
        assert!(parse(&document(shared, values(&["e"])).to_string()).is_ok());
    }

    #[test]
    fn a_chain_of_too_many_rules_is_refused_in_time() {
        let count = 500;
        let mut rules = Map::new();
        for index in 0..count {
            let next = format!("r{}", index + 1);
            let rule = json!({ "RuleType": "failover",
                "Primary": { "RuleReference": next }, "Secondary": { "RuleReference": next } });
            let name = if index == 0 {
                "start".to_owned()
            } else {
                format!("r{index}")
            };
            rules.insert(name, rule);
        }
        let leaf = json!({ "RuleType": "multivalue", "Items": [{ "EndpointReference": "e" }] });
        rules.insert(format!("r{count}"), leaf);
        let told = wrong(&document(Value::Object(rules), values(&["e"])));
        assert_eq!(told.len(), ERRORS_MAX);
    }

    #[test]
    fn ways_that_double_at_each_rule_are_counted_and_not_walked() {
        let doubling = |rules: usize| {
            let mut all = Map::new();
            for index in 0..rules {
                let next = match index + 1 {
                    last if last == rules => json!({ "EndpointReference": "e" }),
                    next => json!({ "RuleReference": format!("r{next}") }),
                };
                let name = match index {
                    0 => "start".to_owned(),
                    _ => format!("r{index}"),
                };
                let rule = json!({ "RuleType": "failover", "Primary": next, "Secondary": next });
                all.insert(name, rule);
            }
            document(Value::Object(all), values(&["e"]))
        };
        assert!(parse(&doubling(10).to_string()).is_ok());
        assert_eq!(wrong(&doubling(11)), ["StartRule"]);
        assert_eq!(wrong(&doubling(16)), ["StartRule"]);
        assert!(wrong(&doubling(17)).contains(&"Rules.start".to_owned()));
    }

    #[test]
    fn what_is_no_such_document_says_where() {
        let sound = json!({
            "AWSPolicyFormatVersion": "2023-05-09", "RecordType": "TXT",
            "StartEndpoint": "e", "Endpoints": values(&["e"]),
        });
        assert!(parse(&sound.to_string()).is_ok());
        for (member, value, path) in [
            (
                "AWSPolicyFormatVersion",
                json!("2016-01-01"),
                "AWSPolicyFormatVersion",
            ),
            ("RecordType", json!("NS"), "RecordType"),
            ("StartRule", json!("e"), "StartRule"),
            ("StartEndpoint", json!("f"), "StartEndpoint"),
            ("Endpoints", json!([]), "Endpoints"),
            (
                "Endpoints",
                json!({ "e": { "Type": "value" } }),
                "Endpoints.e.Value",
            ),
            (
                "Endpoints",
                json!({ "e": { "Type": "x", "Value": "v" } }),
                "Endpoints.e.Type",
            ),
            (
                "Endpoints",
                json!({ "e": { "Type": "cloudfront", "Value": "v" } }),
                "Endpoints.e.Type",
            ),
            (
                "Rules",
                json!({ "r": { "RuleType": "odd" } }),
                "Rules.r.RuleType",
            ),
        ] {
            let mut document = sound.clone();
            document[member] = value;
            assert_eq!(wrong(&document)[0], path);
        }
        for text in ["", "[]", "{", "null"] {
            assert_eq!(parse(text).unwrap_err()[0].path, "Document", "{text:?}");
        }
    }

    #[test]
    fn items_say_which_of_them_is_wrong() {
        for (rule, path) in [
            (
                json!({ "RuleType": "weighted", "Items": [
                { "Weight": 1, "EndpointReference": "e" },
                { "Weight": 256, "EndpointReference": "e" } ] }),
                "Rules.start.Items[1].Weight",
            ),
            (
                json!({ "RuleType": "latency", "Regions": [
                { "Region": "moon", "EndpointReference": "e" } ] }),
                "Rules.start.Regions[0].Region",
            ),
            (
                json!({ "RuleType": "latency", "Regions": [
                { "Region": "eu-west-1", "EndpointReference": "e" },
                { "Region": "eu-west-1", "EndpointReference": "e" } ] }),
                "Rules.start.Regions[1]",
            ),
            (
                json!({ "RuleType": "geo", "Locations": [
                { "Continent": "EU", "Country": "DE", "EndpointReference": "e" } ] }),
                "Rules.start.Locations[0]",
            ),
            (
                json!({ "RuleType": "multivalue", "Items": [{ "RuleReference": "start" }] }),
                "Rules.start.Items[0].RuleReference",
            ),
            (
                json!({ "RuleType": "failover", "Primary": { "EndpointReference": "e" } }),
                "Rules.start.Secondary",
            ),
            (
                json!({ "RuleType": "geoproximity", "GeoproximityLocations": [
                { "Latitude": "91", "Longitude": "0", "EndpointReference": "e" } ] }),
                "Rules.start.GeoproximityLocations[0]",
            ),
            (
                json!({ "RuleType": "geo", "Locations": [] }),
                "Rules.start.Locations",
            ),
        ] {
            let document = document(json!({ "start": rule }), values(&["e"]));
            assert_eq!(wrong(&document), [path]);
        }
    }
}
