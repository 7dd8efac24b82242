//! From documents to sites: what a change makes necessary, and nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cache::bans::Ban;
use documents::distribution::as_behavior;
use documents::tenant::{ConnectionGroup, Tenant, config_of};
use documents::{FormError, Refusal, Resource, keys};
use serde::de::DeserializeOwned;
use shapes::ShapeError;
use shapes::cloudfront::{ConnectionMode, DistributionConfig, InvalidationBatch, Origin};
use store::{Batch, Document, Event};

use crate::site::{Policies, Site, bucket_of, compile, compile_tenant, website_of};

/// The documents that sites are made of, as far as compiling needs them.
pub(crate) struct Sites {
    policies: Policies,
    distributions: HashMap<String, Distribution>,
    tenants: HashMap<String, Instance>,
    groups: HashMap<String, ConnectionGroup>,
    /// Documents that cannot be served, by key.
    refused: BTreeMap<String, Refusal>,
    /// Ids of those that compile, but cannot be served beside the others; any change may mend that.
    waiting: BTreeSet<String>,
}

struct Distribution {
    resource: Resource<DistributionConfig>,
    revision: u64,
    /// Ids of the policies that it names.
    uses: Vec<String>,
}

/// A tenant of a template.
struct Instance {
    tenant: Tenant,
    revision: u64,
}

/// What a change asks of the edge.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Distributions whose cached objects go, with what the invalidation names.
    pub bans: Vec<(String, Vec<String>, Ban)>,
    /// Ids that are not served any more.
    pub gone: Vec<String>,
    /// What is served from now on.
    pub sites: Vec<Site>,
}

/// What of a batch is to be compiled again.
#[derive(Default)]
struct Dirty {
    distributions: BTreeSet<String>,
    tenants: BTreeSet<String>,
    policies: BTreeSet<String>,
}

impl Sites {
    pub fn new() -> Sites {
        Sites {
            policies: Policies::managed(),
            distributions: HashMap::new(),
            tenants: HashMap::new(),
            groups: HashMap::new(),
            refused: BTreeMap::new(),
            waiting: BTreeSet::new(),
        }
    }

    /// Documents that cannot be served, by key.
    pub fn refused(&self) -> &BTreeMap<String, Refusal> {
        &self.refused
    }

    /// Notes that the edge did not take a site.
    pub fn refuse(&mut self, id: &str, message: String) {
        self.waiting.insert(id.to_owned());
        self.note(id, message);
    }

    /// Notes that the edge took a site, and refuses everybody for it: it has said so in its log.
    pub fn note_taken(&mut self, id: &str, message: &str) {
        let Some((key, revision)) = self.document(id) else {
            return;
        };
        let message = message.to_owned();
        // If it is there still after the site was accepted, a newer document could not be read.
        let refusal = Refusal { revision, message };
        self.refused.entry(key).or_insert(refusal);
    }

    fn note(&mut self, id: &str, message: String) {
        let Some((key, revision)) = self.document(id) else {
            return;
        };
        let refusal = Refusal { revision, message };
        match self.refused.get(&key) {
            // A newer document could not even be read; that is what there is to say.
            Some(known) if known.revision > revision => return,
            Some(known) if *known == refusal => return,
            _ => {}
        }
        tracing::error!(
            distribution = id,
            message = refusal.message,
            "the old site serves on"
        );
        self.refused.insert(key, refusal);
    }

    /// Key and revision of the document that a site is made of.
    fn document(&self, id: &str) -> Option<(String, u64)> {
        let (collection, revision) = match (self.distributions.get(id), self.tenants.get(id)) {
            (Some(distribution), _) => (keys::DISTRIBUTION, distribution.revision),
            (None, Some(instance)) => (keys::DISTRIBUTION_TENANT, instance.revision),
            (None, None) => return None,
        };
        Some((keys::resource(collection, id), revision))
    }

    /// Takes up all documents at once, at the start, when there is nothing cached to ban.
    pub fn load<'d>(&mut self, documents: impl Iterator<Item = &'d Document>) -> Plan {
        let mut dirty = Dirty::default();
        for document in documents {
            if !matches!(keys::parse(&document.key), Some((keys::INVALIDATION, _))) {
                self.take(
                    &Event::Put(document.clone()),
                    &mut dirty,
                    &mut Plan::default(),
                );
            }
        }
        let mut plan = Plan::default();
        self.compile(dirty, &mut plan);
        plan
    }

    /// Takes up changes.
    pub fn apply(&mut self, batches: &[Batch]) -> Plan {
        let (mut dirty, mut plan) = (Dirty::default(), Plan::default());
        for event in batches.iter().flat_map(|batch| &batch.events) {
            self.take(event, &mut dirty, &mut plan);
        }
        plan.bans.sort_by_key(|(_, _, ban)| ban.revision);
        self.compile(dirty, &mut plan);
        plan
    }

    fn take(&mut self, event: &Event, dirty: &mut Dirty, plan: &mut Plan) {
        let Some((collection, id)) = keys::parse(event.key()) else {
            return;
        };
        let taken = match event {
            Event::Put(document) => self.put(collection, id, document, dirty, plan),
            Event::Deleted { key } => {
                self.delete(collection, id, key, dirty, plan);
                Ok(())
            }
        };
        match (taken, event) {
            (Err(error), Event::Put(document)) => {
                tracing::error!(%error, "a document is passed over");
                let refusal = Refusal {
                    revision: document.modified.0,
                    message: error.message,
                };
                self.refused.insert(document.key.clone(), refusal);
            }
            (Ok(()), _) => {
                self.refused.remove(event.key());
            }
            (Err(_), Event::Deleted { .. }) => {}
        }
    }

    fn put(
        &mut self,
        collection: &str,
        id: &str,
        document: &Document,
        dirty: &mut Dirty,
        plan: &mut Plan,
    ) -> Result<(), FormError> {
        match collection {
            keys::DISTRIBUTION => {
                let resource: Resource<DistributionConfig> = read(document)?;
                let distribution = Distribution {
                    uses: policies_of(&resource.config),
                    revision: document.modified.0,
                    resource,
                };
                self.distributions.insert(id.to_owned(), distribution);
                dirty.distributions.insert(id.to_owned());
                return Ok(());
            }
            keys::DISTRIBUTION_TENANT => {
                let instance = Instance {
                    tenant: config(document)?,
                    revision: document.modified.0,
                };
                self.tenants.insert(id.to_owned(), instance);
                dirty.tenants.insert(id.to_owned());
                return Ok(());
            }
            keys::CONNECTION_GROUP => {
                self.groups.insert(id.to_owned(), config(document)?);
                dirty.tenants.extend(self.tenants_of_group(id));
                return Ok(());
            }
            keys::INVALIDATION => {
                let Some((distribution, _)) = id.split_once('/') else {
                    return Ok(());
                };
                let invalidation: Resource<InvalidationBatch> = read(document)?;
                let ban = Ban {
                    revision: document.modified.0,
                    id: invalidation.id.into(),
                    at_ms: invalidation.created_ms,
                };
                let items = invalidation.config.paths.items().to_vec();
                // An invalidation of a template is one of all its tenants.
                let tenants = self.tenants_of_template(distribution);
                for owner in tenants.into_iter().chain([distribution.to_owned()]) {
                    plan.bans.push((owner, items.clone(), ban.clone()));
                }
                return Ok(());
            }
            _ if self.policies.put(collection, id, document)? => {}
            _ => return Ok(()),
        }
        dirty.policies.insert(id.to_owned());
        Ok(())
    }

    fn delete(
        &mut self,
        collection: &str,
        id: &str,
        key: &str,
        dirty: &mut Dirty,
        plan: &mut Plan,
    ) {
        match collection {
            keys::DISTRIBUTION => {
                self.distributions.remove(id);
                self.refused.remove(key);
                self.waiting.remove(id);
                dirty.distributions.remove(id);
                dirty.tenants.extend(self.tenants_of_template(id));
                plan.gone.push(id.to_owned());
            }
            keys::DISTRIBUTION_TENANT => {
                self.tenants.remove(id);
                self.refused.remove(key);
                self.waiting.remove(id);
                dirty.tenants.remove(id);
                plan.gone.push(id.to_owned());
            }
            keys::CONNECTION_GROUP => {
                self.groups.remove(id);
                dirty.tenants.extend(self.tenants_of_group(id));
            }
            _ if self.policies.remove(collection, id) => {
                dirty.policies.insert(id.to_owned());
            }
            _ => {}
        }
    }

    fn compile(&mut self, mut dirty: Dirty, plan: &mut Plan) {
        self.policies.private.spread(&mut dirty.policies);
        if !dirty.policies.is_empty() {
            let users = self.distributions.iter().filter(|(_, distribution)| {
                let mut uses = distribution.uses.iter();
                uses.any(|id| dirty.policies.contains(id))
            });
            dirty.distributions.extend(users.map(|(id, _)| id.clone()));
        }
        for id in dirty.distributions {
            let Some(distribution) = self.distributions.get(&id) else {
                continue;
            };
            let config = &distribution.resource.config;
            if config.connection_mode == Some(ConnectionMode::TenantOnly) {
                // A template is served as its tenants alone.
                self.waiting.remove(&id);
                plan.gone.push(id.clone());
                dirty.tenants.extend(self.tenants_of_template(&id));
                continue;
            }
            self.compile_one(id, plan);
        }
        for id in dirty.tenants {
            self.compile_one(id, plan);
        }
        if plan.sites.is_empty() && plan.gone.is_empty() {
            return;
        }
        // What they wait for may be free now.
        for id in std::mem::take(&mut self.waiting) {
            self.compile_one(id, plan);
        }
    }

    fn compile_one(&mut self, id: String, plan: &mut Plan) {
        self.waiting.remove(&id);
        // It may have come back in the same change.
        plan.gone.retain(|gone| *gone != id);
        match self.site(&id) {
            Some(Ok(site)) => plan.sites.push(site),
            Some(Err(message)) => self.note(&id, message),
            None => plan.gone.push(id),
        }
    }

    /// Notes that the edge took what it was given, but for what it refuses from here on.
    pub fn accept(&mut self, ids: &[String]) {
        for id in ids {
            if let Some((key, revision)) = self.document(id)
                // A newer document that could not be read is not served by that.
                && self.refused.get(&key).is_some_and(|known| known.revision <= revision)
            {
                self.refused.remove(&key);
            }
        }
    }

    /// Compiles the distribution or the tenant of that id; nothing if there is none, or if its
    /// template is still missing.
    pub fn site(&self, id: &str) -> Option<Result<Site, String>> {
        if let Some(distribution) = self.distributions.get(id) {
            let Resource { domain, config, .. } = &distribution.resource;
            let domain = domain.as_deref().unwrap_or_default();
            return Some(told(compile(id, domain, config, &self.policies)));
        }
        let Instance { tenant, .. } = self.tenants.get(id)?;
        let template = self.distributions.get(&tenant.distribution_id)?;
        let config = config_of(&template.resource.config, tenant);
        Some(
            config
                .map_err(|error| error.to_string())
                .and_then(|mut config| {
                    let group = self.groups.get(&tenant.connection_group_id);
                    config.enabled &= group.is_none_or(|group| group.enabled);
                    let distribution = &tenant.distribution_id;
                    told(compile_tenant(id, distribution, &config, &self.policies))
                }),
        )
    }

    fn tenants_of_template(&self, id: &str) -> Vec<String> {
        self.tenants_where(|tenant| tenant.distribution_id == id)
    }

    fn tenants_of_group(&self, id: &str) -> Vec<String> {
        self.tenants_where(|tenant| tenant.connection_group_id == id)
    }

    fn tenants_where(&self, is_meant: impl Fn(&Tenant) -> bool) -> Vec<String> {
        let meant = self.tenants.iter();
        let meant = meant.filter(|(_, instance)| is_meant(&instance.tenant));
        meant.map(|(id, _)| id.clone()).collect()
    }
}

/// What is wrong with a site, in one line.
fn told(compiled: Result<Site, Vec<ShapeError>>) -> Result<Site, String> {
    compiled.map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        errors.join("; ")
    })
}

fn read<C: DeserializeOwned>(document: &Document) -> Result<Resource<C>, FormError> {
    Resource::decode(&document.key, &document.value)
}

fn config<C: DeserializeOwned>(document: &Document) -> Result<C, FormError> {
    Ok(read(document)?.config)
}

/// Ids of the policies that a distribution names, and of whatever else it is compiled with.
fn policies_of(config: &DistributionConfig) -> Vec<String> {
    let behaviors = config.cache_behaviors.iter();
    let behaviors = behaviors.flat_map(|behaviors| behaviors.items().iter().cloned());
    let mut uses: Vec<String> = behaviors
        .chain([as_behavior(config.default_cache_behavior.clone())])
        .flat_map(|behavior| {
            let groups = behavior.trusted_key_groups.and_then(|groups| groups.items);
            let ids = [
                behavior.cache_policy_id,
                behavior.origin_request_policy_id,
                behavior.response_headers_policy_id,
                behavior.field_level_encryption_id,
            ];
            ids.into_iter().flatten().chain(groups.unwrap_or_default())
        })
        .chain(config.continuous_deployment_policy_id.clone())
        .chain(config.origins.items.iter().flat_map(used_by_origin))
        .filter(|id| !id.is_empty())
        .collect();
    uses.sort();
    uses.dedup();
    uses
}

/// Ids of what an origin names, and the name of its bucket.
fn used_by_origin(origin: &Origin) -> Vec<String> {
    let identity = origin.s3_origin_config.as_ref();
    let identity = identity.map(|s3| s3.origin_access_identity.as_str());
    let identity = identity.and_then(|path| path.rsplit('/').next());
    let domain_name = &origin.domain_name;
    let bucket = bucket_of(domain_name).or_else(|| website_of(domain_name));
    let control = origin.origin_access_control_id.as_deref();
    let named = [identity, bucket, control].into_iter().flatten();
    named.map(str::to_owned).collect()
}
