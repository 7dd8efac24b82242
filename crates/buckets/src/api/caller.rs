//! Who asks, and what they may: access keys, and the decision of every request by the caller's
//! policy, the bucket's policy, and the block of public access.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderMap;
use iam::{Connection, Context, Decision, Policy, Principal};
use s3s::{S3Error, S3ErrorCode, S3Result};

use super::settings::{self, Settings};
use super::{convert, text};

/// An access key: how its requests are signed, and in whose name.
#[derive(Clone, Debug)]
pub struct Key {
    /// What signatures are made with.
    pub secret: String,
    /// Whom it stands for.
    pub who: Who,
}

/// Whom an access key stands for.
#[derive(Clone, Debug)]
pub enum Who {
    /// The account itself.
    Account(Policy),
    /// A user of the account, by name.
    User(String, Policy),
    /// CloudFront, on behalf of a distribution.
    Service {
        /// `arn:aws:cloudfront::<account>:distribution/<id>`.
        source_arn: String,
        /// The account that the distribution belongs to.
        source_account: String,
    },
    /// A distribution with the origin access identity of that id.
    Identity(String),
}

/// The name of the service that distributions read buckets as.
pub const SERVICE: &str = "cloudfront.amazonaws.com";

/// The access keys that requests may be signed with.
#[async_trait]
pub trait Keyring: Send + Sync + 'static {
    /// The key of that id; an error says why nobody knows at the moment.
    async fn find(&self, access_key_id: &str) -> Result<Option<Key>, String>;
}

/// The sender of a request, as it comes with it.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    /// The address that it came from.
    pub address: IpAddr,
    /// When, in milliseconds since 1970.
    pub now_ms: u64,
}

/// Who asks, and what is known of the request besides.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Nobody, if it is not signed.
    who: Option<Who>,
    account_id: Arc<str>,
    context: Context,
    asks_for_tags: bool,
    /// When it asks, in milliseconds since 1970.
    pub now_ms: u64,
}

/// What a request is about.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    /// No bucket in particular.
    Everything,
    /// A bucket.
    Bucket(&'a str),
    /// An object.
    Object(&'a str, &'a str),
}

/// What a policy asks of requests with a body that is not read by the policy.
const HEADERS: &[&str] = &[
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-metadata-directive",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
    "if-match",
    "if-none-match",
];

impl Caller {
    /// From a request: its head, its sender, and whom its signature stands for. `is_form` says
    /// whether it is a browser's form, whose signature is among its fields.
    pub fn new(
        who: Option<Who>,
        account_id: &Arc<str>,
        sender: Sender,
        (query, headers): (&str, &HeaderMap),
        is_form: bool,
    ) -> Caller {
        let mut context = Context::new(&Connection {
            now_ms: sender.now_ms,
            source: Some(sender.address),
            is_tls: false,
            account_id,
        });
        context.set("s3:ResourceAccount", &**account_id);
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        for name in HEADERS {
            if let Some(value) = header(name) {
                context.set(&format!("s3:{name}"), value);
            }
        }
        for (name, key) in [("referer", "aws:Referer"), ("user-agent", "aws:UserAgent")] {
            if let Some(value) = header(name) {
                context.set(key, value);
            }
        }
        if let Some(Who::Service {
            source_arn,
            source_account,
        }) = &who
        {
            context.set("aws:SourceArn", source_arn.as_str());
            context.set("aws:SourceAccount", source_account.as_str());
        }
        add_query(&mut context, query);
        if let Some(tags) = header("x-amz-tagging") {
            add_tags(&mut context, tags);
        }
        if who.is_some() {
            let is_in_query = text::parameter(query, "X-Amz-Signature").is_some();
            let kind = match (is_form, is_in_query) {
                (true, _) => "POST",
                (false, true) => "REST-QUERY-STRING",
                (false, false) => "REST-HEADER",
            };
            let signed_ms = text::parameter(query, "X-Amz-Date");
            let signed_ms = signed_ms.and_then(|date| convert::amz_date_ms(&date));
            if let Some(signed_ms) = signed_ms.filter(|_| kind == "REST-QUERY-STRING") {
                let age_ms = sender.now_ms.saturating_sub(signed_ms);
                context.set("s3:signatureAge", age_ms.to_string());
            }
            context.set("s3:authType", kind);
            context.set("s3:signatureversion", "AWS4-HMAC-SHA256");
        }
        // Whatever of the kind a policy says is in its text, in a condition or in a variable.
        let asks_for_tags = match &who {
            Some(Who::Account(policy) | Who::User(_, policy)) => {
                serde_json::to_string(policy).is_ok_and(|text| settings::asks_for_tags(&text))
            }
            _ => false,
        };
        Caller {
            who,
            account_id: Arc::clone(account_id),
            context,
            asks_for_tags,
            now_ms: sender.now_ms,
        }
    }

    /// Whether the request is signed.
    pub fn is_signed(&self) -> bool {
        self.who.is_some()
    }

    /// Whether its own policy asks for the tags of objects.
    pub fn asks_for_tags(&self) -> bool {
        self.asks_for_tags
    }

    /// The region of the bucket that is asked for, whatever region the request is signed for.
    pub fn set_region(&mut self, region: &str) {
        self.context.set("aws:RequestedRegion", region);
    }

    /// Whether conditions on the tags of objects can be decided: with these, from here on.
    pub fn set_object_tags(&mut self, tags: &[(String, String)]) {
        for (key, value) in tags {
            let key = format!("s3:ExistingObjectTag/{key}");
            self.context.set(&key, value.as_str());
        }
    }

    /// The same of the tags that objects shall get.
    pub fn set_request_tags(&mut self, tags: &[(String, String)]) {
        for (key, value) in tags.iter().filter(|(key, _)| !key.is_empty()) {
            let name = format!("s3:RequestObjectTag/{key}");
            self.context.set(&name, value.as_str());
            self.context.add("s3:RequestObjectTagKeys", key.as_str());
        }
    }

    /// The ARN or another name to know it by in messages and as the maker of uploads.
    pub fn name(&self) -> String {
        let principal = self.principal();
        match principal {
            Principal::Anonymous => "anonymous".to_owned(),
            Principal::Service { name } => name.to_owned(),
            _ => principal.arn().unwrap_or_default(),
        }
    }

    fn principal(&self) -> Principal<'_> {
        let account_id = &self.account_id;
        match &self.who {
            None => Principal::Anonymous,
            Some(Who::Account(_)) => Principal::Account { account_id },
            Some(Who::User(user_name, _)) => Principal::User {
                account_id,
                user_name,
            },
            Some(Who::Service { .. }) => Principal::Service { name: SERVICE },
            Some(Who::Identity(id)) => Principal::OriginAccessIdentity { id },
        }
    }

    /// Whether it may do that. `settings` are those of the bucket, if there is one.
    pub fn may(&self, settings: Option<&Settings>, action: &str, resource: Resource<'_>) -> bool {
        self.decide(settings, action, resource) == Decision::Allowed
    }

    /// Refuses what it may not do.
    pub fn permit(
        &self,
        settings: Option<&Settings>,
        action: &str,
        resource: Resource<'_>,
    ) -> S3Result<()> {
        let why = match self.decide(settings, action, resource) {
            Decision::Allowed => return Ok(()),
            Decision::Denied => "with an explicit deny in a policy",
            Decision::NotAllowed => "because no policy allows it",
        };
        // Who is not known is told nothing.
        let message = match self.who {
            None => "Access Denied".to_owned(),
            Some(_) => format!(
                "{} is not authorized to perform: {action} on resource: {} {why}",
                self.name(),
                resource.arn()
            ),
        };
        Err(S3Error::with_message(S3ErrorCode::AccessDenied, message))
    }

    fn decide(
        &self,
        settings: Option<&Settings>,
        action: &str,
        resource: Resource<'_>,
    ) -> Decision {
        let principal = self.principal();
        let arn = resource.arn();
        let request = iam::Request {
            principal,
            action,
            resource: &arn,
            context: &self.context,
        };
        let identity = match &self.who {
            Some(Who::Account(policy) | Who::User(_, policy)) => Some(policy),
            _ => None,
        };
        // Else a bucket whose policy denies everybody could never be used again.
        let is_root = matches!(principal, Principal::Account { .. });
        let is_way_out = is_root
            && [
                "s3:GetBucketPolicy",
                "s3:PutBucketPolicy",
                "s3:DeleteBucketPolicy",
            ]
            .contains(&action);
        let policy = settings.filter(|_| !is_way_out);
        let policy = policy.and_then(|settings| settings.policy.as_ref());
        if settings.is_some_and(Settings::is_closed) && !is_root {
            return Decision::NotAllowed;
        }
        let is_restricted = settings.is_some_and(|settings| {
            settings.public_access.restrict_public_buckets && settings.is_public()
        });
        let is_insider =
            principal.account_id().is_some() || matches!(principal, Principal::Service { .. });
        if is_restricted && !is_insider {
            return Decision::NotAllowed;
        }
        iam::decide(identity, policy, &request)
    }
}

impl Resource<'_> {
    /// `arn:aws:s3:::bucket/key`.
    pub fn arn(&self) -> String {
        match self {
            Resource::Everything => "*".to_owned(),
            Resource::Bucket(bucket) => bucket_arn(bucket),
            Resource::Object(bucket, key) => format!("{}/{key}", bucket_arn(bucket)),
        }
    }
}

/// `arn:aws:s3:::bucket`.
pub fn bucket_arn(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}

fn add_query(context: &mut Context, query: &str) {
    for parameter in query.split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let key = match &*text::form_decoded(name) {
            "prefix" => "s3:prefix",
            "delimiter" => "s3:delimiter",
            "max-keys" => "s3:max-keys",
            "versionId" => "s3:VersionId",
            _ => continue,
        };
        context.set(key, text::form_decoded(value));
    }
}

fn add_tags(context: &mut Context, tags: &str) {
    for tag in tags.split('&').filter(|tag| !tag.is_empty()) {
        let (key, value) = tag.split_once('=').unwrap_or((tag, ""));
        let key = text::form_decoded(key);
        if key.is_empty() {
            continue;
        }
        let name = format!("s3:RequestObjectTag/{key}");
        context.set(&name, text::form_decoded(value));
        context.add("s3:RequestObjectTagKeys", key);
    }
}
