//! What a bucket is set to: its configurations, read from their texts.

use std::collections::HashMap;
use std::sync::Arc;

use iam::{ResourcePolicy, Scope};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::caller::bucket_arn;
use super::cors;
use super::website::Website;
use crate::disk::{Bucket, Configuration, Disk};

/// The block of public access. A new bucket has all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAccess {
    /// Public ACLs are refused: they are anyway.
    pub block_public_acls: bool,
    /// Public ACLs mean nothing: there are none.
    pub ignore_public_acls: bool,
    /// Public policies are refused.
    pub block_public_policy: bool,
    /// A public policy lets in the account and services alone.
    pub restrict_public_buckets: bool,
}

impl PublicAccess {
    /// Everything is blocked.
    pub const ALL: PublicAccess = PublicAccess::same(true);
    /// Nothing is blocked.
    pub const NONE: PublicAccess = PublicAccess::same(false);

    const fn same(is_on: bool) -> PublicAccess {
        PublicAccess {
            block_public_acls: is_on,
            ignore_public_acls: is_on,
            block_public_policy: is_on,
            restrict_public_buckets: is_on,
        }
    }
}

/// What a bucket is set to.
#[derive(Debug)]
pub struct Settings {
    /// The bucket.
    pub bucket: Arc<Bucket>,
    /// Its policy.
    pub policy: Option<ResourcePolicy>,
    /// Its block of public access.
    pub public_access: PublicAccess,
    /// Its cross-origin rules.
    pub cors: Vec<cors::Rule>,
    /// How it is a website.
    pub website: Option<Website>,
    is_closed: bool,
    has_block: bool,
    asks_for_tags: bool,
}

impl Settings {
    fn read(bucket: Arc<Bucket>) -> Settings {
        let text = |configuration| {
            bucket
                .configurations
                .get(&configuration)
                .map(String::as_str)
        };
        let arn = bucket_arn(&bucket.name);
        let mut is_closed = false;
        let policy = text(Configuration::Policy).and_then(|text| {
            let policy = ResourcePolicy::parse(text, &Scope::of_bucket(&arn));
            // It was read when it was put, so an older program took what this one does not. It may
            // have denied something.
            is_closed |= policy.is_err();
            policy.ok()
        });
        let block = text(Configuration::PublicAccessBlock);
        // What cannot be read blocks.
        let block = block.and_then(|text| serde_json::from_str(text).ok());
        let block: Option<PublicAccess> = block.unwrap_or(Some(PublicAccess::ALL));
        let cors = text(Configuration::Cors).and_then(|text| serde_json::from_str(text).ok());
        let website = text(Configuration::Website).and_then(|text| serde_json::from_str(text).ok());
        Settings {
            policy,
            has_block: block.is_some(),
            public_access: block.unwrap_or(PublicAccess::NONE),
            asks_for_tags: text(Configuration::Policy).is_some_and(asks_for_tags),
            cors: cors.unwrap_or_default(),
            website,
            is_closed,
            bucket,
        }
    }

    /// Whether its policy lets anybody in.
    pub fn is_public(&self) -> bool {
        self.policy.as_ref().is_some_and(ResourcePolicy::is_public)
    }

    /// Whether it has a block of public access that is told of.
    pub fn has_public_access_block(&self) -> bool {
        self.has_block
    }

    /// Whether its policy asks for the tags of objects.
    pub fn asks_for_tags(&self) -> bool {
        self.asks_for_tags
    }

    /// Whether its policy cannot be read, so that only the account may do anything.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }
}

/// Whether a policy asks for the tags of objects, by its text. One with escapes might, too.
pub fn asks_for_tags(policy: &str) -> bool {
    let text = policy.to_ascii_lowercase();
    text.contains("existingobjecttag") || text.contains("\\u")
}

/// The settings of all buckets, read once.
#[derive(Debug, Default)]
pub struct AllSettings {
    read: Mutex<HashMap<String, Arc<Settings>>>,
}

impl AllSettings {
    /// Those of a bucket as it is now, if there is one of that name.
    pub fn of(&self, disk: &Disk, name: &str) -> Option<Arc<Settings>> {
        let Some(bucket) = disk.bucket(name) else {
            self.read.lock().remove(name);
            return None;
        };
        if let Some(settings) = self.read.lock().get(name)
            && Arc::ptr_eq(&settings.bucket, &bucket)
        {
            return Some(Arc::clone(settings));
        }
        let settings = Arc::new(Settings::read(bucket));
        let mut read = self.read.lock();
        read.insert(name.to_owned(), Arc::clone(&settings));
        Some(settings)
    }
}
