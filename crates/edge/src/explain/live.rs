//! What a running edge has for a request: the stored response, its age, and the invalidation that
//! removed an earlier one.

use std::sync::Arc;

use cache::bans::Ban;
use cache::freshness::State;
use cache::object::{Object, ObjectKind};
use cache::vary;
use message::{Method, format_http_date};

use super::page::{Page, duration};
use super::{Question, QuestionError, Subject};
use crate::directory::Served;
use crate::forward::ForwardSource;
use crate::key::{KeyMaterial, KeySource};
use crate::lookup::{marker_names, state_of};
use crate::request_id::RequestId;
use crate::worker::Shared;
use crate::{objects, prepare};

/// What a running edge says of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// The distribution that takes it.
    pub distribution: String,
    /// The explanation, for people.
    pub text: String,
    /// What is stored for it.
    pub stored: Option<Stored>,
    /// The newest invalidation that matches it.
    pub ban: Option<Ban>,
}

/// A stored response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its status.
    pub status: u16,
    /// `fresh`, `stale, served while it is revalidated`, …
    pub state: &'static str,
    /// Its age as `Age` tells it.
    pub age_secs: u64,
    /// For how long it stays fresh.
    pub remaining_secs: u64,
    /// Length of the complete body.
    pub total_bytes: u64,
}

/// Why a running edge says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LiveError {
    /// It is no request.
    #[error(transparent)]
    Question(#[from] QuestionError),
    /// No site has the host's name.
    #[error("no distribution on this node has the name '{0}'")]
    UnknownHost(String),
}

pub(crate) fn explain(shared: &Shared, question: &Question) -> Result<Live, LiveError> {
    let (scheme, request) = super::request_of(question)?;
    let host = request.host().unwrap_or_default().to_vec();
    let directory = shared.directory.load();
    let served = directory.find(&host);
    let served = served
        .ok_or_else(|| LiveError::UnknownHost(String::from_utf8_lossy(&host).into_owned()))?;
    let mut viewer = super::viewer_of(question, scheme)?;
    if viewer.location.is_none() {
        let location = shared.geo.as_ref().and_then(|geo| geo.lookup(viewer.ip()));
        viewer.location = location.cloned().map(Arc::new);
    }
    let mut subject = super::subject(&served.site, &request, &viewer, question.now_secs);
    subject.knows_countries = shared.knows_countries();
    let mut page = super::page_of(&subject, question)?;
    let (stored, ban) = find(shared, served, &subject);
    tell_keys(shared, &subject, &mut page);
    tell_health(shared, &subject, &mut page);
    page.section("In this node's cache");
    tell(stored.as_ref(), ban.as_ref(), &mut page);
    Ok(Live {
        distribution: served.site.id.clone(),
        text: page.finish(),
        stored,
        ban,
    })
}

/// Origins that this node cannot sign requests for.
fn tell_keys(shared: &Shared, subject: &Subject<'_>, page: &mut Page) {
    let members = subject.behavior.target.members();
    for origin in members.iter().map(|index| &subject.site.origins[*index]) {
        let access = origin.access.as_ref();
        if let Some(Err(host)) = access.map(|access| shared.origin_keys.find(access)) {
            page.warn(format!(
                "requests to '{}' are signed, and the setting origin_keys of this node has no key \
                 for {host}: viewers get 502",
                origin.spec.id
            ));
        }
    }
}

/// What health checks say of the origins, where they say that one fails.
fn tell_health(shared: &Shared, subject: &Subject<'_>, page: &mut Page) {
    let is_https = subject.viewer.is_https();
    let members = subject.behavior.target.members();
    let origins = members.iter().map(|index| &subject.site.origins[*index]);
    let health = &shared.origin_health;
    let first = health.first(subject.request.method, origins.clone(), is_https);
    let mut has_heading = false;
    for (number, origin) in origins.enumerate() {
        let Some(cell) = health.failing(origin, is_https) else {
            continue;
        };
        if !has_heading {
            page.section("Health checks that fail");
            has_heading = true;
        }
        let consequence = match number < first {
            true => "not asked",
            false => "asked in its turn all the same",
        };
        let words = format!("{consequence}; check {}: {}", cell.id(), cell.reason());
        page.row(&origin.spec.id, words);
    }
}

/// The stored response and the newest ban of a request.
fn find(
    shared: &Shared,
    served: &Arc<Served>,
    subject: &Subject<'_>,
) -> (Option<Stored>, Option<Ban>) {
    let object = subject
        .is_cacheable()
        .then(|| object(shared, served, subject));
    let object = object.flatten();
    let path = prepare::banned_path(subject.behavior, subject.path, subject.request.query());
    let tags = object.as_ref().map(objects::tags).unwrap_or_default();
    let ban = shared.store.ban_for(served.site.scope, &path, tags);
    let stored = object.map(|object| {
        let meta = object.meta();
        let state = state_of(&meta, subject.now_secs);
        let remaining_secs = match state {
            State::Fresh { remaining_secs } => u64::from(remaining_secs),
            _ => 0,
        };
        let here_secs = subject
            .now_secs
            .saturating_sub(u64::from(meta.stored_at_secs));
        Stored {
            status: meta.status,
            state: words(state),
            age_secs: u64::from(meta.initial_age_secs) + here_secs,
            remaining_secs,
            total_bytes: meta.total_bytes,
        }
    });
    (stored, ban)
}

fn object(shared: &Shared, served: &Served, subject: &Subject<'_>) -> Option<Object> {
    let mut material = KeyMaterial::default();
    let source = KeySource {
        distribution: &served.site.id,
        request: subject.request,
        path: subject.path,
        encodings: subject.encodings,
        viewer: subject.viewer,
    };
    let rule = &subject.behavior.key;
    rule.write(source, &mut Vec::new(), &mut material);
    let mut key = shared.hasher.key(&material.bytes);
    let mut object = shared.store.get(&key);
    if let Some(marker) = object
        .as_ref()
        .filter(|object| object.kind() == ObjectKind::VaryMarker)
    {
        let names = marker_names(marker);
        let id = RequestId::from_bits(0, 0);
        let source = ForwardSource {
            request: subject.request,
            viewer: subject.viewer,
            encodings: subject.encodings,
            request_id: &id,
            via: &shared.via,
        };
        let forward = &subject.behavior.forward;
        let values: Vec<Option<Vec<u8>>> = names
            .iter()
            .map(|name| forward.forwarded_value(name, source))
            .collect();
        let material = vary::material(&names, |wanted| {
            let at = names.iter().position(|name| name == wanted)?;
            values[at].as_deref()
        });
        key = shared.hasher.variant(key, &material);
        object = shared.store.get(&key);
    }
    if object.is_none() && subject.request.method == Method::Head {
        object = shared.store.get(&shared.hasher.variant(key, b"HEAD"));
    }
    object
}

fn words(state: State) -> &'static str {
    match state {
        State::Fresh { .. } => "fresh",
        State::StaleWhileRevalidate => "stale, served while it is revalidated",
        State::Stale {
            usable_if_error: true,
        } => "stale, served only if the origin fails",
        State::Stale { .. } => "stale",
    }
}

fn tell(stored: Option<&Stored>, ban: Option<&Ban>, page: &mut Page) {
    match stored {
        Some(stored) => {
            page.row(
                "stored",
                format!("status {}, {} bytes", stored.status, stored.total_bytes),
            );
            page.row("age", duration(stored.age_secs));
            let state = match stored.remaining_secs {
                0 => stored.state.to_owned(),
                secs => format!("{} for another {}", stored.state, duration(secs)),
            };
            page.row("state", state);
        }
        None => page.row("stored", "nothing"),
    }
    if let Some(ban) = ban {
        let at = format_http_date(ban.at_ms / 1_000);
        page.row(
            "invalidation",
            format!("{} removed what was fetched before {at}", ban.id),
        );
    }
}
