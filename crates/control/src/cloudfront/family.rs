//! Families: kinds of resources whose operations are alike.
//!
//! A cache policy, a public key and a key group are made, got, changed, deleted and listed in one
//! way; they differ in names and in rules. The names are the service's model's: which member of an
//! input is the config, what an output holds, which members a list has ([`fill`]). The rules are a
//! [`Family`], one a kind. All else is written here, once.
//!
//! A kind that fits is a `Kind`, a `static FAMILY: Family<Config>`, and a table of operations:
//!
//! ```text
//! served("CreateKeyGroup", |call| Box::pin(FAMILY.create(call))),
//! served("GetKeyGroup", |call| Box::pin(FAMILY.get(call))),
//! served("GetKeyGroupConfig", |call| Box::pin(FAMILY.get(call))),
//! served("UpdateKeyGroup", |call| Box::pin(FAMILY.update(call))),
//! served("DeleteKeyGroup", |call| Box::pin(FAMILY.delete(call))),
//! served("ListKeyGroups", |call| Box::pin(FAMILY.list(call))),
//! ```
//!
//! One that nearly fits takes the steps: [`Family::creation`] and [`Family::change`] give a change
//! that may be added to before it is committed, and [`Family::reply`] says what became of it.
//!
//! What a resource needs (a key group its keys) must be there when the resource is committed, and
//! what others use is not deleted: whoever names a resource commits with `if_present` and touches
//! its own collection, whoever deletes one looks through the collections of its users under their
//! guards. Whichever commits first, the other one runs again and sees it.

use documents::{Resource, keys};
use serde_json::{Map, Value, json};
use shapes::cloudfront::error;
use shapes::schema::{self, ErrorShape, Shape};
use shapes::{ShapeError, Structure, Timestamp};

use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::{ApiError, Failure};
use crate::resource::{self, Kind, Stored};

/// The rules of a kind of resource. `C` is its config, whose shape's name is also the name of the
/// config in inputs and outputs.
pub(super) struct Family<C: 'static> {
    /// What it is, and where it lies.
    pub kind: &'static Kind,
    /// What each resource has for itself, such as its name.
    pub claims: &'static [Claim<C>],
    /// The error when another has it.
    pub taken: &'static ErrorShape,
    /// Whether making what is there already, with the same config, gives what is there
    /// (spec §16.7).
    pub is_repeatable: bool,
    /// How many there may be, and the error beyond (spec §1.4).
    pub quota: (usize, &'static ErrorShape),
    /// What is wrong with a config beyond its shape's types and bounds.
    pub check: fn(&C) -> Result<(), Failure>,
    /// What is wrong with a change from one config to another: things that stay as they are.
    pub check_change: fn(&C, &C) -> Result<(), Failure>,
    /// Resources that a config names and that must be there.
    pub needs: fn(&C) -> Vec<Need>,
    /// Who may name a resource of this kind.
    pub users: &'static [User],
    /// The error when one does and the resource is to be deleted.
    pub in_use: &'static ErrorShape,
    /// What outputs hold besides the config, its members, `Id`, `ETag`, `CreatedTime`,
    /// `LastModifiedTime`, `Type` and `Location`.
    pub facts: fn(&Resource<C>) -> Value,
    /// Those that AWS manages, by id: listed and got, never changed.
    pub managed: fn() -> Vec<(&'static str, C)>,
}

/// Something that only one resource of a kind may have.
pub(super) struct Claim<C: 'static> {
    /// [`keys::claim`]: `name/cache-policy`.
    pub kind: &'static str,
    /// The member of the config that says it.
    pub member: &'static str,
    /// What a config says there.
    pub what: fn(&C) -> &str,
}

/// A resource that a config names.
pub(super) struct Need {
    /// What it must be.
    pub kind: &'static Kind,
    /// Which.
    pub id: String,
    /// Where in the config it is named.
    pub path: String,
    /// The error when there is none.
    pub missing: &'static ErrorShape,
    /// What its config, in JSON form, lacks; an error is `InvalidArgument`.
    pub fits: fn(&Value) -> Result<(), &'static str>,
}

/// A collection whose resources may name a resource of another kind.
pub(super) struct User {
    /// Where they lie.
    pub collection: &'static str,
    /// What one is called in a sentence: "distribution".
    pub noun: &'static str,
    /// The ids, or names, that a config names, in JSON form.
    pub names: fn(&Value) -> Vec<&str>,
}

/// For [`Family::check_change`]: everything may change.
pub(super) fn all_may_change<C>(_: &C, _: &C) -> Result<(), Failure> {
    Ok(())
}

/// For [`Family::needs`]: nothing.
pub(super) fn nothing_needed<C>(_: &C) -> Vec<Need> {
    Vec::new()
}

/// For [`Family::facts`]: none.
pub(super) fn no_facts<C>(_: &Resource<C>) -> Value {
    Value::Null
}

/// For [`Family::managed`]: none.
pub(super) fn none_managed<C>() -> Vec<(&'static str, C)> {
    Vec::new()
}

/// For [`Need::fits`]: whatever there is.
pub(super) fn any_fits(_: &Value) -> Result<(), &'static str> {
    Ok(())
}

impl<C: Structure + PartialEq + Send + Sync> Family<C> {
    /// `Create…`: makes one of what the input says.
    pub async fn create(&self, call: &Call<'_>) -> Answer {
        let config = self.config(call)?;
        if self.is_repeatable
            && let Some(id) = self.taken(call, None, &config).await?
        {
            let stored = self.kind.load::<C>(call, &id).await?;
            if stored.resource.config == config {
                return Ok(self.reply(call, &stored.resource));
            }
        }
        let resource = self.kind.first_version(call, config);
        let change = self.creation(call, &resource).await?;
        call.commit(change).await?;
        Ok(self.reply(call, &resource))
    }

    /// `Get…` and `Get…Config`: their outputs say what of it they want.
    pub async fn get(&self, call: &Call<'_>) -> Answer {
        let resource = self.find(call, id(call)).await?;
        Ok(self.reply(call, &resource))
    }

    /// `Update…`: puts the input's config in place of the resource's.
    pub async fn update(&self, call: &Call<'_>) -> Answer {
        let stored = self.changeable(call, &error::ILLEGAL_UPDATE).await?;
        let config = self.config(call)?;
        let resource = stored.next_version(call, config);
        let change = self.change(call, &stored, &resource).await?;
        call.commit(change).await?;
        Ok(self.reply(call, &resource))
    }

    /// `Delete…`: only what nobody uses.
    pub async fn delete(&self, call: &Call<'_>) -> Answer {
        let stored = self.changeable(call, &error::ILLEGAL_DELETE).await?;
        let resource = &stored.resource;
        let mut change = self
            .unused(call, stored.change(self.kind), &resource.id)
            .await?;
        for claim in self.claims {
            change = change.release(claim.kind, (claim.what)(&resource.config));
        }
        call.commit(change.remove(call, &stored.key, resource.version))
            .await?;
        Ok(Reply::empty())
    }

    /// `List…`: managed ones first, then the others in the order of their making; `Type` leaves
    /// out the ones or the others.
    pub async fn list(&self, call: &Call<'_>) -> Answer {
        let wanted = call.text("Type");
        let mut all = Vec::new();
        if wanted != Some("custom") {
            let managed = (self.managed)().into_iter();
            all.extend(managed.map(|(id, config)| super::managed_resource(id, config)));
        }
        if wanted != Some("managed") {
            let stored = self.kind.load_all::<C>(call).await?.into_iter();
            all.extend(stored.map(|stored| stored.resource));
        }
        self.reply_with_page(call, all)
    }

    /// A page of these, as an output of a list holds it.
    pub fn reply_with_page(&self, call: &Call<'_>, all: Vec<Resource<C>>) -> Answer {
        let marker = call.text("Marker");
        let max_items = call.text("MaxItems");
        let page = resource::page(all, |resource| &resource.id, marker, max_items)?;
        let mut facts = Map::new();
        facts.insert("Marker".into(), json!(marker.unwrap_or_default()));
        facts.insert("MaxItems".into(), json!(page.max_items));
        facts.insert("IsTruncated".into(), json!(page.next_marker.is_some()));
        facts.insert("Quantity".into(), json!(page.items.len()));
        if let Some(marker) = page.next_marker {
            facts.insert("NextMarker".into(), json!(marker));
        }
        let Some(output) = &call.operation.output else {
            return Ok(Reply::empty());
        };
        if let Some((member, item)) = listed(output.shape)
            && !page.items.is_empty()
        {
            let items = page.items.iter();
            let items = items.map(|resource| fill(item, &self.facts(call, resource), C::SHAPE));
            facts.insert(member.into(), items.collect());
        }
        Ok(Reply::of(&fill(output.shape, &facts, C::SHAPE)))
    }

    /// What an operation answers about one resource.
    pub fn reply(&self, call: &Call<'_>, resource: &Resource<C>) -> Reply {
        match &call.operation.output {
            None => Reply::empty(),
            Some(output) => {
                let facts = self.facts(call, resource);
                Reply::of(&fill(output.shape, &facts, C::SHAPE))
            }
        }
    }

    /// A resource by its id, managed ones included.
    pub async fn find(&self, call: &Call<'_>, id: &str) -> Result<Resource<C>, Failure> {
        let mut managed = (self.managed)().into_iter();
        match managed.find(|(managed, _)| *managed == id) {
            Some((id, config)) => Ok(super::managed_resource(id, config)),
            None => Ok(self.kind.load(call, id).await?.resource),
        }
    }

    /// The input's config, if there is nothing wrong with it.
    pub fn config(&self, call: &Call<'_>) -> Result<C, Failure> {
        let value = call.input.get(C::SHAPE.name).unwrap_or(&Value::Null);
        let config: C = shapes::from_value(value).map_err(|error| {
            ApiError::common("MalformedXML", 400, below::<C>(error).to_string())
        })?;
        let errors = shapes::check_bounds(C::SHAPE, value);
        if let Some(error) = errors.into_iter().next() {
            let shape = match error.path.ends_with("Quantity") {
                true => &error::INCONSISTENT_QUANTITIES,
                false => &error::INVALID_ARGUMENT,
            };
            return Err(Failure::api(shape, below::<C>(error).to_string()));
        }
        (self.check)(&config)?;
        Ok(config)
    }

    /// The change that makes a resource: what it has for itself is free, the quota has room, what
    /// it needs is there.
    pub async fn creation(
        &self,
        call: &Call<'_>,
        resource: &Resource<C>,
    ) -> Result<Change, Failure> {
        let guard = call.guard(self.kind.collection).await?;
        self.refuse_taken(call, None, &resource.config).await?;
        let (most, exceeded) = self.quota;
        let collection = keys::collection(self.kind.collection);
        if call.list_all(&collection).await?.len() >= most {
            let noun = self.kind.noun;
            let message = format!("There are {most} already, of kind {noun}; no more are allowed.");
            return Err(Failure::api(exceeded, message));
        }
        let mut change = self
            .kind
            .creation(call, resource)
            .if_still(keys::guard(self.kind.collection), guard);
        for claim in self.claims {
            change = change.claim(claim.kind, (claim.what)(&resource.config), &resource.id);
        }
        self.with_needs(call, change, &resource.config).await
    }

    /// The change that puts the next version of a resource in the place of a stored one.
    pub async fn change(
        &self,
        call: &Call<'_>,
        stored: &Stored<C>,
        next: &Resource<C>,
    ) -> Result<Change, Failure> {
        let (old, new) = (&stored.resource.config, &next.config);
        (self.check_change)(old, new)?;
        self.refuse_taken(call, Some(&next.id), new).await?;
        let mut change = stored.change(self.kind).save(call, &stored.key, next);
        for claim in self.claims {
            let (old, new) = ((claim.what)(old), (claim.what)(new));
            if old != new {
                let released = change.release(claim.kind, old);
                change = released.claim(claim.kind, new, &next.id);
            }
        }
        self.with_needs(call, change, new).await
    }

    /// The resource that the input is about, if it may be changed as its `If-Match` says; a
    /// managed one never may.
    pub async fn changeable(
        &self,
        call: &Call<'_>,
        illegal: &'static ErrorShape,
    ) -> Result<Stored<C>, Failure> {
        let id = id(call);
        if (self.managed)().iter().any(|(managed, _)| *managed == id) {
            let noun = self.kind.noun;
            let message = format!("The {noun} {id} is a managed one, which nobody changes.");
            return Err(Failure::api(illegal, message));
        }
        let stored = self.kind.load(call, id).await?;
        stored.check_if_match(call.text("IfMatch"))?;
        Ok(stored)
    }

    /// The change, if nobody names the resource, and as long as nobody does.
    pub async fn unused(
        &self,
        call: &Call<'_>,
        mut change: Change,
        id: &str,
    ) -> Result<Change, Failure> {
        for user in self.users {
            let guard = call.guard(user.collection).await?;
            let documents = call.list_all(&keys::collection(user.collection)).await?;
            for document in documents {
                let resource = Resource::<Value>::decode(&document.key, &document.value)?;
                if (user.names)(&resource.config).contains(&id) {
                    let message = format!(
                        "The {} {id} is used by the {} {}.",
                        self.kind.noun, user.noun, resource.id
                    );
                    return Err(Failure::api(self.in_use, message));
                }
            }
            change = change.if_still(keys::guard(user.collection), guard);
        }
        Ok(change)
    }

    /// The id of another than `own` that has something which a config asks for.
    async fn taken(
        &self,
        call: &Call<'_>,
        own: Option<&str>,
        config: &C,
    ) -> Result<Option<String>, Failure> {
        for claim in self.claims {
            let what = (claim.what)(config);
            let of_managed =
                |(id, config): (&str, C)| ((claim.what)(&config) == what).then(|| id.to_owned());
            if let Some(id) = (self.managed)().into_iter().find_map(of_managed) {
                return Ok(Some(id));
            }
            let owner = call.claimed(claim.kind, what).await?;
            if let Some(id) = owner.filter(|id| Some(id.as_str()) != own) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    async fn refuse_taken(
        &self,
        call: &Call<'_>,
        own: Option<&str>,
        config: &C,
    ) -> Result<(), Failure> {
        let Some(id) = self.taken(call, own, config).await? else {
            return Ok(());
        };
        let claims: Vec<&str> = self.claims.iter().map(|claim| claim.member).collect();
        Err(Failure::api(
            self.taken,
            format!(
                "The {} {id} has that {} already.",
                self.kind.noun,
                claims.join(" or ")
            ),
        ))
    }

    /// The change, as long as everything that the config needs is there.
    async fn with_needs(
        &self,
        call: &Call<'_>,
        mut change: Change,
        config: &C,
    ) -> Result<Change, Failure> {
        for need in (self.needs)(config) {
            let path = format!("{}.{}", C::SHAPE.name, need.path);
            let (noun, id) = (need.kind.noun, &need.id);
            let found = need.kind.load::<Value>(call, id).await;
            let found = found.map_err(|failure| match failure {
                Failure::Api(_) => {
                    let message = format!("{path}: there is no {noun} '{id}'.");
                    Failure::api(need.missing, message)
                }
                other => other,
            })?;
            if let Err(lack) = (need.fits)(&found.resource.config) {
                let message = format!("{path}: the {noun} '{id}' {lack}.");
                return Err(Failure::api(&error::INVALID_ARGUMENT, message));
            }
            change = change.if_present(&found.key);
        }
        Ok(change)
    }

    /// All that outputs may want to know of a resource.
    fn facts(&self, call: &Call<'_>, resource: &Resource<C>) -> Map<String, Value> {
        let is_managed = (self.managed)().iter().any(|(id, _)| *id == resource.id);
        let time = |ms: u64| json!(Timestamp::from_unix_ms(ms as i64));
        let path = call.operation.uri.split('?').next().unwrap_or_default();
        let collection = path.trim_start_matches("/2020-05-31/");
        let mut facts = Map::new();
        facts.insert("Id".into(), json!(resource.id));
        facts.insert("ETag".into(), json!(resource.etag));
        facts.insert("CreatedTime".into(), time(resource.created_ms));
        facts.insert("LastModifiedTime".into(), time(resource.modified_ms));
        let r#type = if is_managed { "managed" } else { "custom" };
        facts.insert("Type".into(), json!(r#type));
        let location = super::location(collection, &resource.id);
        facts.insert("Location".into(), json!(location));
        facts.insert(C::SHAPE.name.into(), json!(resource.config));
        if let Value::Object(more) = (self.facts)(resource) {
            facts.extend(more);
        }
        facts
    }
}

/// A structure made of what is known. A member is, in this order: what is known under its name;
/// what the config has under that name, if it is a config's member; if it is a structure, filled
/// likewise; or left out. (Text that must be there and is not in the config is empty.)
fn fill(shape: &'static Shape, facts: &Map<String, Value>, config: &'static Shape) -> Value {
    let said = facts.get(config.name);
    let mut output = Map::new();
    for member in members(shape) {
        let name = member.name;
        let is_of_config = members(config).iter().any(|known| known.name == name);
        let value = match (facts.get(name), &member.shape.kind) {
            (Some(value), _) => Some(value.clone()),
            (None, kind) if is_of_config => {
                let must_be_text =
                    member.is_required && matches!(kind, schema::Kind::String { .. });
                let value = said.and_then(|config| config.get(name)).cloned();
                value.or_else(|| must_be_text.then(|| json!("")))
            }
            (None, schema::Kind::Structure { .. }) => Some(fill(member.shape, facts, config)),
            (None, _) => None,
        };
        if let Some(value) = value {
            output.insert(name.to_owned(), value);
        }
    }
    Value::Object(output)
}

/// The list that an output of a list holds: the name of the member, and the shape of its items.
fn listed(shape: &'static Shape) -> Option<(&'static str, &'static Shape)> {
    members(shape)
        .iter()
        .find_map(|member| match member.shape.kind {
            schema::Kind::List { item, .. } => Some((member.name, item)),
            schema::Kind::Structure { .. } => listed(member.shape),
            _ => None,
        })
}

fn members(shape: &'static Shape) -> &'static [schema::Member] {
    match &shape.kind {
        schema::Kind::Structure { members, .. } => members,
        _ => &[],
    }
}

fn id<'c>(call: &'c Call<'_>) -> &'c str {
    call.text("Id").unwrap_or_default()
}

/// An error in a config, with its path from the input on.
fn below<C: Structure>(error: ShapeError) -> ShapeError {
    let path = match error.path.as_str() {
        "" => C::SHAPE.name.to_owned(),
        path => format!("{}.{path}", C::SHAPE.name),
    };
    ShapeError { path, ..error }
}

/// `InvalidArgument` about a member of a config.
pub(super) fn invalid(path: impl AsRef<str>, message: impl AsRef<str>) -> Failure {
    let message = format!("{}: {}", path.as_ref(), message.as_ref());
    Failure::api(&error::INVALID_ARGUMENT, message)
}

/// Most characters of a name, where the spec does not say another number.
pub(super) const NAME_CHARS_MAX: usize = 128;
/// Most characters of a comment.
pub(super) const COMMENT_CHARS_MAX: usize = 128;
/// Most bytes of a caller reference, which becomes part of a key of the store.
const CALLER_REFERENCE_BYTES_MAX: usize = 512;

/// Refuses names that are empty, too long, or of other characters than letters, digits and `also`.
pub(super) fn check_name(member: &str, name: &str, also: &str) -> Result<(), Failure> {
    let length = name.chars().count();
    if length == 0 || length > NAME_CHARS_MAX {
        let message = format!("has {length} characters; 1 to {NAME_CHARS_MAX} are allowed");
        return Err(invalid(member, message));
    }
    let is_allowed = |c: &char| c.is_ascii_alphanumeric() || also.contains(*c);
    match name.chars().find(|c| !is_allowed(c)) {
        None => Ok(()),
        Some(c) => Err(invalid(
            member,
            format!("'{name}' has '{c}'; allowed are letters, digits and each of '{also}'"),
        )),
    }
}

/// Refuses texts that are too long or have control characters.
pub(super) fn check_text(member: &str, text: Option<&str>, most: usize) -> Result<(), Failure> {
    let text = text.unwrap_or_default();
    let length = text.chars().count();
    if length > most {
        let message = format!("has {length} characters; at most {most} are allowed");
        return Err(invalid(member, message));
    }
    match text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        true => Err(invalid(member, "has a control character")),
        false => Ok(()),
    }
}

/// Refuses caller references that are empty or too long.
pub(super) fn check_caller_reference(reference: &str) -> Result<(), Failure> {
    match reference.len() {
        1..=CALLER_REFERENCE_BYTES_MAX => Ok(()),
        length => Err(invalid(
            "CallerReference",
            format!("has {length} bytes; 1 to {CALLER_REFERENCE_BYTES_MAX} are allowed"),
        )),
    }
}

/// Refuses another caller reference than the one that a resource was made with.
pub(super) fn keep_caller_reference(old: &str, new: &str) -> Result<(), Failure> {
    match old == new {
        true => Ok(()),
        false => Err(Failure::api(
            &error::ILLEGAL_UPDATE,
            format!("CallerReference: is '{new}', but must stay '{old}'"),
        )),
    }
}

/// The items of a list within a document: `{"Quantity": 1, "Items": [..]}`.
pub(super) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["Items"].as_array().into_iter().flatten()
}

/// All behaviors of a distribution's config, the default one first.
pub(super) fn behaviors(config: &Value) -> impl Iterator<Item = &Value> {
    std::iter::once(&config["DefaultCacheBehavior"]).chain(items(&config["CacheBehaviors"]))
}

/// What behaviors of a distribution's config say in a member: the ids of their cache policies.
pub(super) fn named_by_behaviors<'v>(config: &'v Value, member: &str) -> Vec<&'v str> {
    let named = behaviors(config).filter_map(|behavior| behavior[member].as_str());
    named.collect()
}
