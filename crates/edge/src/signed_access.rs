//! Signed access: whether what a request presents opens the behavior that it asks for (spec §9).
//!
//! Verifying a signature costs more than a hit does, so that what was verified is remembered: the
//! next request with the same signature is only asked for its time, address and URL.

use std::net::IpAddr;

use cache::key::KeyHasher;
use message::{Known, RequestHead};
use parking_lot::Mutex;
use signed::{Grant, Presented, Refusal, ViewerUrl, spelling};

use crate::limits;
use crate::site::{self, Behavior, Site, TrustedSigners};

/// Signatures that were verified lately, and what each allows. Of a fixed size; a forgotten one
/// costs a verification. What is refused is not remembered: it could push out what is good.
pub(crate) struct Grants {
    hasher: KeyHasher,
    sets: Box<[Mutex<Set>]>,
}

/// Grants that lie together by their hash; the next one to be replaced goes round.
#[derive(Default)]
struct Set {
    entries: [Option<Entry>; limits::GRANTS_PER_SET],
    next: usize,
}

struct Entry {
    /// All that verifying depended on, so that nothing that was changed passes for it.
    material: Box<[u8]>,
    grant: Grant,
}

impl Grants {
    /// None yet. The seed is secret: nobody outside can make signatures that all lie together.
    pub fn new(seed: [u8; 16]) -> Grants {
        Grants {
            hasher: KeyHasher::new(seed),
            sets: (0..limits::GRANT_SETS).map(|_| Mutex::default()).collect(),
        }
    }

    /// By the beginning, in which the key's id and most of the signature stand.
    fn set(&self, material: &[u8]) -> &Mutex<Set> {
        let first = &material[..material.len().min(limits::GRANT_HASHED_BYTES)];
        &self.sets[self.hasher.key(first).bits() as usize % self.sets.len()]
    }

    /// What a remembered grant says to a request; nothing if there is none.
    fn ask(
        &self,
        material: &[u8],
        url: &ViewerUrl<'_>,
        ip: IpAddr,
        now_secs: u64,
    ) -> Option<Result<(), Refusal>> {
        let set = self.set(material).lock();
        let mut entries = set.entries.iter().flatten();
        let entry = entries.find(|entry| *entry.material == *material)?;
        Some(entry.grant.admits(url, ip, now_secs))
    }

    fn remember(&self, material: &[u8], grant: Grant) {
        if material.len() > limits::GRANT_BYTES_MAX {
            return;
        }
        let mut set = self.set(material).lock();
        let at = set.next;
        set.next = (at + 1) % limits::GRANTS_PER_SET;
        let material = material.into();
        set.entries[at] = Some(Entry { material, grant });
    }
}

/// A request, as far as its signature goes.
#[derive(Clone, Copy)]
pub(crate) struct Claim<'a> {
    pub request: &'a RequestHead,
    pub is_https: bool,
    pub ip: IpAddr,
    pub now_secs: u64,
}

impl Claim<'_> {
    /// Whether the request opens whatever it asks for. `behavior` is the one that serves it. If an
    /// origin may take its path for one that falls to another behavior, it has to open that one
    /// too: what is private there is private by all its spellings. If it cannot be told which one
    /// that is, it has to open them all.
    pub fn check(
        &self,
        grants: Option<&Grants>,
        site: &Site,
        behavior: &Behavior,
    ) -> Result<(), Refusal> {
        if site.behaviors.iter().all(|it| it.signers.is_none()) {
            return Ok(());
        }
        if let Some(signers) = &behavior.signers {
            self.opens(grants, signers)?;
        }
        let readings = site::readings(self.request.path());
        if !readings.is_empty() && spelling::is_ambiguous(self.request.path()) {
            let mut all = site.behaviors.iter().filter_map(|it| it.signers.as_ref());
            return all.try_for_each(|signers| self.opens(grants, signers));
        }
        for path in readings {
            let path = site.object_path(&path);
            let mut behaviors = site.behaviors.iter();
            let other = behaviors.find(|other| other.pattern.matches_decoded(path));
            if let Some(signers) = other.and_then(|other| other.signers.as_ref()) {
                self.opens(grants, signers)?;
            }
        }
        Ok(())
    }

    fn opens(&self, grants: Option<&Grants>, signers: &TrustedSigners) -> Result<(), Refusal> {
        let request = self.request;
        let presented = match request.query().and_then(Presented::in_query) {
            Some(presented) => presented?,
            None => Presented::in_cookies(request.known_all(Known::Cookie))?,
        };
        let url = ViewerUrl {
            is_https: self.is_https,
            host: request.host().unwrap_or_default(),
            path: request.path(),
            query: request.query(),
        };
        let Some(grants) = grants else {
            let grant = presented.verify(&url, &signers.keys)?;
            return grant.admits(&url, self.ip, self.now_secs);
        };
        let mut material = Vec::with_capacity(1_024);
        material.extend_from_slice(&signers.generation.to_le_bytes());
        presented.write_material(&url, &mut material);
        if let Some(answer) = grants.ask(&material, &url, self.ip, self.now_secs) {
            return answer;
        }
        let grant = presented.verify(&url, &signers.keys)?;
        let answer = grant.admits(&url, self.ip, self.now_secs);
        grants.remember(&material, grant);
        answer
    }
}
