//! Functions, which have two stages: the one that is worked on, and the one that runs. CloudFront's
//! functions and its connection functions have that in common (spec §12.1, §14.5).
//!
//! Each stage is a resource of its own with an entity tag of its own, under the same id. Publishing
//! copies the one to the other; what clients compare is the stage that is worked on alone.

use std::collections::BTreeSet;

use documents::{Resource, keys};
use serde_json::Value;
use shapes::cloudfront::{self as cf, FunctionStage, error};
use shapes::schema::ErrorShape;

use super::family::{Family, Need, any_fits, invalid};
use super::{inputs, key_value_store};
use crate::call::Call;
use crate::change::Change;
use crate::error::Failure;
use crate::resource::{Kind, Stored};

/// What lies in the store for a stage: name, config and code. Tags lie elsewhere.
pub(super) type Function = cf::CreateFunctionRequest;

/// A kind of function.
pub(super) struct Stages {
    /// The stage that is worked on. Distributions are the only users.
    pub family: &'static Family<Function>,
    /// The stage that runs.
    pub live: &'static Kind,
    /// The longest code, and the error beyond.
    pub code: (usize, &'static ErrorShape),
}

/// A function in both stages.
pub(super) struct Staged {
    /// The stage that is worked on.
    pub development: Stored<Function>,
    /// The stage that runs, once it was published.
    pub live: Option<Stored<Function>>,
}

/// One line of a list.
pub(super) struct Listed {
    /// What comes after it is asked for by this: the id, and the stage of the one that runs.
    pub marker: String,
    pub stage: FunctionStage,
    pub function: Resource<Function>,
    pub status: &'static str,
}

/// `Status` of a function that was never published.
pub(super) const UNPUBLISHED: &str = "UNPUBLISHED";

/// For [`Family::needs`]: the key value store that a function reads.
pub(super) fn needs(function: &Function) -> Vec<Need> {
    let associations = function
        .function_config
        .key_value_store_associations
        .as_ref();
    let stores = associations.map_or(&[][..], |associations| associations.items());
    let need = |(index, store): (usize, &cf::KeyValueStoreAssociation)| Need {
        kind: &key_value_store::KIND,
        id: key_value_store::id_of_arn(&store.key_value_store_arn).to_owned(),
        path: format!("FunctionConfig.KeyValueStoreAssociations.Items[{index}]"),
        missing: &error::INVALID_ARGUMENT,
        fits: any_fits,
    };
    stores.iter().enumerate().map(need).collect()
}

impl Stages {
    /// Reads a function.
    pub async fn load(&self, call: &Call<'_>, id: &str) -> Result<Staged, Failure> {
        let development = self.family.kind.load(call, id).await?;
        let key = self.live.key(id);
        let live = match call.store().get(&key).await? {
            Some(document) => Some(Stored {
                resource: Resource::decode(&key, &document.value)?,
                modified: document.modified,
                key,
            }),
            None => None,
        };
        Ok(Staged { development, live })
    }

    /// Reads a function that the client's `If-Match` allows to change.
    pub async fn changeable(
        &self,
        call: &Call<'_>,
        id: &str,
        if_match: &str,
    ) -> Result<Staged, Failure> {
        let staged = self.load(call, id).await?;
        staged.development.check_if_match(Some(if_match))?;
        Ok(staged)
    }

    /// Refuses what is no function.
    pub fn check(&self, call: &Call<'_>, function: &Function) -> Result<(), Failure> {
        let (most, too_large) = self.code;
        let size_bytes = function.function_code.0.len();
        if size_bytes > most {
            let message =
                format!("The function's code has {size_bytes} bytes; at most {most} are allowed.");
            return Err(Failure::api(too_large, message));
        }
        inputs::check_bounds(call)?;
        let config = &function.function_config;
        match needs(function).len() {
            0 => Ok(()),
            1 if config.runtime == cf::FunctionRuntime::CloudfrontJs2_0 => Ok(()),
            1 => Err(invalid(
                "FunctionConfig.Runtime",
                format!(
                    "'{}' has no key value stores; 'cloudfront-js-2.0' has",
                    config.runtime.as_str()
                ),
            )),
            many => Err(invalid(
                "FunctionConfig.KeyValueStoreAssociations",
                format!("has {many} stores; 1 is allowed"),
            )),
        }
    }

    /// `Status` of a function: the same in both stages.
    pub async fn status(&self, call: &Call<'_>, staged: &Staged) -> Result<&'static str, Failure> {
        match staged.live {
            Some(_) => {
                let used = self.used(call).await?;
                Ok(published_status(&used, &staged.development.resource.id))
            }
            None => Ok(UNPUBLISHED),
        }
    }

    /// Every function in the stage, or in both: sorted by id, the stage that is worked on first.
    pub async fn list(
        &self,
        call: &Call<'_>,
        stage: Option<FunctionStage>,
    ) -> Result<Vec<Listed>, Failure> {
        let used = self.used(call).await?;
        let live = self.live.load_all::<Function>(call).await?;
        let published: BTreeSet<String> = live.iter().map(|f| f.resource.id.clone()).collect();
        let mut all = Vec::new();
        if stage != Some(FunctionStage::Live) {
            let development = self.family.kind.load_all::<Function>(call).await?;
            all.extend(
                development
                    .into_iter()
                    .map(|f| (FunctionStage::Development, f)),
            );
        }
        if stage != Some(FunctionStage::Development) {
            all.extend(live.into_iter().map(|f| (FunctionStage::Live, f)));
        }
        all.sort_by(|(_, a), (_, b)| a.resource.id.cmp(&b.resource.id));
        let listed = all
            .into_iter()
            .map(|(stage, Stored { resource, .. })| Listed {
                marker: match stage {
                    FunctionStage::Development => resource.id.clone(),
                    FunctionStage::Live => format!("{}/LIVE", resource.id),
                },
                status: match published.contains(&resource.id) {
                    true => published_status(&used, &resource.id),
                    false => UNPUBLISHED,
                },
                stage,
                function: resource,
            });
        Ok(listed.collect())
    }

    /// The ids of all functions of the kind that distributions name.
    async fn used(&self, call: &Call<'_>) -> Result<BTreeSet<String>, Failure> {
        let mut used = BTreeSet::new();
        for user in self.family.users {
            for document in call.list_all(&keys::collection(user.collection)).await? {
                let resource = Resource::<Value>::decode(&document.key, &document.value)?;
                used.extend(
                    (user.names)(&resource.config)
                        .into_iter()
                        .map(str::to_owned),
                );
            }
        }
        Ok(used)
    }

    /// Makes the stage that is worked on anew.
    pub async fn update(
        &self,
        call: &Call<'_>,
        staged: &Staged,
        function: Function,
    ) -> Result<Resource<Function>, Failure> {
        self.check(call, &function)?;
        let next = staged.development.next_version(call, function);
        let change = self.family.change(call, &staged.development, &next).await?;
        call.commit(change).await?;
        Ok(next)
    }

    /// Copies the stage that is worked on to the one that runs. Gives that and its status.
    pub async fn publish(
        &self,
        call: &Call<'_>,
        staged: &Staged,
    ) -> Result<(Resource<Function>, &'static str), Failure> {
        let Staged { development, live } = staged;
        let used = self.used(call).await?;
        let function = development.resource.config.clone();
        let id = &development.resource.id;
        let published = match live {
            Some(live) => live.next_version(call, function),
            None => self.live.first_version_named(call, id.clone(), function),
        };
        let key = self.live.key(id);
        let change = development
            .change(self.family.kind)
            .if_still(&key, live.as_ref().map(|live| live.modified))
            .touch(self.live.collection)
            .save(call, &key, &published);
        call.commit(change).await?;
        let status = published_status(&used, id);
        Ok((published, status))
    }

    /// The change that deletes both stages, as long as no distribution names the function.
    pub async fn deletion(&self, call: &Call<'_>, staged: &Staged) -> Result<Change, Failure> {
        let Staged { development, live } = staged;
        let Resource { id, version, .. } = &development.resource;
        let change = development.change(self.family.kind);
        let mut change = self.family.unused(call, change, id).await?;
        for claim in self.family.claims {
            change = change.release(claim.kind, (claim.what)(&development.resource.config));
        }
        let change = change.remove(call, &development.key, *version);
        let live_key = self.live.key(id);
        Ok(match live {
            None => change.if_still(&live_key, None),
            Some(live) => change
                .if_still(&live_key, Some(live.modified))
                .touch(self.live.collection)
                .remove(call, &live_key, live.resource.version),
        })
    }
}

impl Staged {
    /// One stage of the function; the one that is worked on if the client does not say.
    pub fn into_stage(
        self,
        stages: &Stages,
        stage: Option<FunctionStage>,
    ) -> Result<(FunctionStage, Resource<Function>), Failure> {
        let live = match stage {
            None | Some(FunctionStage::Development) => {
                return Ok((FunctionStage::Development, self.development.resource));
            }
            Some(FunctionStage::Live) => self.live,
        };
        let id = &self.development.resource.id;
        let live = live.ok_or_else(|| stages.live.missing(id))?;
        Ok((FunctionStage::Live, live.resource))
    }
}

/// What is accepted is in place before it is answered, so that none is ever `IN_PROGRESS`.
fn published_status(used: &BTreeSet<String>, id: &str) -> &'static str {
    match used.contains(id) {
        true => "DEPLOYED",
        false => "UNASSOCIATED",
    }
}
