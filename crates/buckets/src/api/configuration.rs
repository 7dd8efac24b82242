//! What buckets are set to: policy, block of public access, CORS, website, tags, versioning,
//! ownership. What S3 has besides is told as not configured.

use http::StatusCode;
use iam::{ResourcePolicy, Scope};
use s3s::dto::{
    BucketVersioningStatus, CORSConfiguration, CORSRule, Condition, ErrorDocument,
    GetBucketWebsiteOutput, IndexDocument, ObjectOwnership, Protocol,
    PublicAccessBlockConfiguration, Redirect, RedirectAllRequestsTo, RoutingRule, Tag,
    VersioningConfiguration, WebsiteConfiguration,
};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use serde::Serialize;

use super::caller::bucket_arn;
use super::error::{custom, not_served, of_disk};
use super::settings::PublicAccess;
use super::website::{self, Website};
use super::{Adapter, convert, cors, limits};
use crate::disk::{Configuration, Tags, Versioning};

impl Adapter {
    async fn set<T: Serialize>(
        &self,
        bucket: &str,
        configuration: Configuration,
        value: &T,
    ) -> S3Result<()> {
        let text = serde_json::to_string(value).map_err(S3Error::internal_error)?;
        self.set_text(bucket, configuration, Some(text)).await
    }

    /// Sets a configuration, or with nothing removes it.
    pub(super) async fn set_text(
        &self,
        bucket: &str,
        configuration: Configuration,
        text: Option<String>,
    ) -> S3Result<()> {
        let set = self.disk.configure(bucket, configuration, text).await;
        set.map_err(of_disk)
    }

    /// The text of a configuration, or what S3 calls its absence.
    pub(super) fn text(
        &self,
        bucket: &str,
        configuration: Configuration,
        absence: (&'static str, &'static str),
    ) -> S3Result<String> {
        let settings = self.settings_of(bucket)?;
        let text = settings.bucket.configurations.get(&configuration);
        let (code, message) = absence;
        text.cloned()
            .ok_or_else(|| custom(code, StatusCode::NOT_FOUND, message))
    }

    pub(super) async fn set_policy(&self, bucket: &str, text: String) -> S3Result<()> {
        let settings = self.settings_of(bucket)?;
        let arn = bucket_arn(bucket);
        let policy = ResourcePolicy::parse(&text, &Scope::of_bucket(&arn));
        let policy = policy.map_err(|error| {
            S3Error::with_message(S3ErrorCode::MalformedPolicy, error.to_string())
        })?;
        if settings.public_access.block_public_policy && policy.is_public() {
            return Err(s3_error!(
                AccessDenied,
                "The policy lets anybody in, and public policies are blocked by the \
                 BlockPublicPolicy setting of the bucket's block of public access."
            ));
        }
        self.set_text(bucket, Configuration::Policy, Some(text))
            .await
    }

    pub(super) async fn set_public_access(
        &self,
        bucket: &str,
        block: Option<PublicAccessBlockConfiguration>,
    ) -> S3Result<()> {
        let block = block.map(|block| PublicAccess {
            block_public_acls: block.block_public_acls == Some(true),
            ignore_public_acls: block.ignore_public_acls == Some(true),
            block_public_policy: block.block_public_policy == Some(true),
            restrict_public_buckets: block.restrict_public_buckets == Some(true),
        });
        // `null`: that there is none is a setting, too, since new buckets have one.
        self.set(bucket, Configuration::PublicAccessBlock, &block)
            .await
    }

    pub(super) fn public_access(&self, bucket: &str) -> S3Result<PublicAccessBlockConfiguration> {
        let settings = self.settings_of(bucket)?;
        if !settings.has_public_access_block() {
            return Err(custom(
                "NoSuchPublicAccessBlockConfiguration",
                StatusCode::NOT_FOUND,
                "The public access block configuration was not found",
            ));
        }
        let block = settings.public_access;
        Ok(PublicAccessBlockConfiguration {
            block_public_acls: Some(block.block_public_acls),
            block_public_policy: Some(block.block_public_policy),
            ignore_public_acls: Some(block.ignore_public_acls),
            restrict_public_buckets: Some(block.restrict_public_buckets),
        })
    }

    pub(super) async fn set_cors(
        &self,
        bucket: &str,
        configuration: CORSConfiguration,
    ) -> S3Result<()> {
        let rules: Vec<cors::Rule> = configuration
            .cors_rules
            .into_iter()
            .map(kept_rule)
            .collect();
        if rules.is_empty() || rules.len() > limits::CORS_RULES_MAX {
            let most = limits::CORS_RULES_MAX;
            return Err(s3_error!(
                MalformedXML,
                "There are {} rules; allowed are 1 to {most}.",
                rules.len()
            ));
        }
        if let Some(problem) = rules.iter().find_map(cors::Rule::problem) {
            return Err(s3_error!(InvalidRequest, "{problem}."));
        }
        self.set(bucket, Configuration::Cors, &rules).await
    }

    pub(super) fn cors(&self, bucket: &str) -> S3Result<Vec<CORSRule>> {
        let settings = self.settings_of(bucket)?;
        if settings.cors.is_empty() {
            return Err(s3_error!(
                NoSuchCORSConfiguration,
                "The CORS configuration does not exist"
            ));
        }
        Ok(settings.cors.iter().map(told_rule).collect())
    }

    pub(super) async fn set_website(
        &self,
        bucket: &str,
        configuration: WebsiteConfiguration,
    ) -> S3Result<()> {
        let website = kept_website(configuration)?;
        if let Some(problem) = website.problem() {
            return Err(s3_error!(InvalidArgument, "{problem}."));
        }
        self.set(bucket, Configuration::Website, &website).await
    }

    pub(super) fn website(&self, bucket: &str) -> S3Result<GetBucketWebsiteOutput> {
        let settings = self.settings_of(bucket)?;
        let website = settings.website.as_ref().ok_or_else(|| {
            s3_error!(
                NoSuchWebsiteConfiguration,
                "The specified bucket does not have a website configuration"
            )
        })?;
        Ok(told_website(website))
    }

    pub(super) async fn set_bucket_tags(&self, bucket: &str, set: Vec<Tag>) -> S3Result<()> {
        let tags = convert::tags(set)?;
        if tags.len() > crate::limits::BUCKET_TAGS_MAX {
            let most = crate::limits::BUCKET_TAGS_MAX;
            return Err(s3_error!(
                InvalidTag,
                "There are {} tags; {most} are allowed.",
                tags.len()
            ));
        }
        self.set(bucket, Configuration::Tags, &tags).await
    }

    pub(super) fn bucket_tags(&self, bucket: &str) -> S3Result<Vec<Tag>> {
        let absence = ("NoSuchTagSet", "The TagSet does not exist");
        let text = self.text(bucket, Configuration::Tags, absence)?;
        let tags: Tags = serde_json::from_str(&text).map_err(S3Error::internal_error)?;
        Ok(convert::tag_set(&tags))
    }

    pub(super) async fn set_versioning(
        &self,
        bucket: &str,
        configuration: VersioningConfiguration,
    ) -> S3Result<()> {
        if configuration
            .mfa_delete
            .is_some_and(|mfa| mfa.as_str() == "Enabled")
        {
            return Err(not_served("There is no MfaDelete here."));
        }
        let status = configuration.status.as_ref();
        let versioning = match status.map(BucketVersioningStatus::as_str) {
            Some("Enabled") => Versioning::Enabled,
            Some("Suspended") => Versioning::Suspended,
            _ => {
                return Err(s3_error!(
                    IllegalVersioningConfigurationException,
                    "Status must be Enabled or Suspended."
                ));
            }
        };
        let set = self.disk.set_versioning(bucket, versioning).await;
        set.map_err(of_disk)
    }

    pub(super) fn versioning(&self, bucket: &str) -> S3Result<Option<BucketVersioningStatus>> {
        let status = match self.settings_of(bucket)?.bucket.versioning {
            Versioning::Unversioned => return Ok(None),
            Versioning::Enabled => BucketVersioningStatus::ENABLED,
            Versioning::Suspended => BucketVersioningStatus::SUSPENDED,
        };
        Ok(Some(BucketVersioningStatus::from_static(status)))
    }

    pub(super) async fn set_ownership(
        &self,
        bucket: &str,
        ownership: &ObjectOwnership,
    ) -> S3Result<()> {
        if ownership.as_str() != ObjectOwnership::BUCKET_OWNER_ENFORCED {
            return Err(super::unserved::no_acls());
        }
        let text = Some(ownership.as_str().to_owned());
        self.set_text(bucket, Configuration::Ownership, text).await
    }

    /// Whether the bucket's ownership is told of. It is the same when it is not.
    pub(super) fn has_ownership(&self, bucket: &str) -> S3Result<bool> {
        let settings = self.settings_of(bucket)?;
        let text = settings
            .bucket
            .configurations
            .get(&Configuration::Ownership);
        Ok(text.is_none_or(|text| text != REMOVED))
    }

    pub(super) async fn forget_ownership(&self, bucket: &str) -> S3Result<()> {
        let text = Some(REMOVED.to_owned());
        self.set_text(bucket, Configuration::Ownership, text).await
    }
}

/// The text of a configuration that new buckets have and that was removed from this one.
const REMOVED: &str = "removed";

fn kept_rule(rule: CORSRule) -> cors::Rule {
    cors::Rule {
        id: rule.id,
        origins: rule.allowed_origins,
        methods: rule.allowed_methods,
        headers: rule.allowed_headers.unwrap_or_default(),
        exposed: rule.expose_headers.unwrap_or_default(),
        max_age_secs: rule.max_age_seconds,
    }
}

fn told_rule(rule: &cors::Rule) -> CORSRule {
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    CORSRule {
        allowed_headers: some(&rule.headers),
        allowed_methods: rule.methods.clone(),
        allowed_origins: rule.origins.clone(),
        expose_headers: some(&rule.exposed),
        id: rule.id.clone(),
        max_age_seconds: rule.max_age_secs,
    }
}

fn kept_website(configuration: WebsiteConfiguration) -> S3Result<Website> {
    let protocol = |protocol: Option<Protocol>| protocol.map(|it| it.as_str().to_owned());
    let number = |text: Option<String>, name: &str| -> S3Result<Option<u16>> {
        let parsed = text.map(|text| text.parse().map_err(|_| (text, name)));
        parsed.transpose().map_err(|(text, name)| {
            S3Error::with_message(
                S3ErrorCode::InvalidArgument,
                format!("{name} is '{text}'; it must be a status."),
            )
        })
    };
    let rules = configuration.routing_rules.unwrap_or_default().into_iter();
    let rules = rules.map(|rule| {
        let condition = rule.condition.unwrap_or_default();
        let redirect = rule.redirect;
        Ok(website::Rule {
            prefix: condition.key_prefix_equals,
            status: number(
                condition.http_error_code_returned_equals,
                "HttpErrorCodeReturnedEquals",
            )?,
            redirect: website::Redirect {
                protocol: protocol(redirect.protocol),
                host: redirect.host_name,
                prefix: redirect.replace_key_prefix_with,
                key: redirect.replace_key_with,
                status: number(redirect.http_redirect_code, "HttpRedirectCode")?,
            },
        })
    });
    Ok(Website {
        index: configuration.index_document.map(|index| index.suffix),
        error: configuration.error_document.map(|error| error.key),
        all_to: configuration
            .redirect_all_requests_to
            .map(|to| website::AllTo {
                host: to.host_name,
                protocol: protocol(to.protocol),
            }),
        rules: rules.collect::<S3Result<_>>()?,
    })
}

fn told_website(website: &Website) -> GetBucketWebsiteOutput {
    let protocol = |protocol: &Option<String>| protocol.clone().map(Protocol::from);
    let number = |status: Option<u16>| status.map(|status| status.to_string());
    let rules = website.rules.iter().map(|rule| {
        let has_condition = rule.prefix.is_some() || rule.status.is_some();
        RoutingRule {
            condition: has_condition.then(|| Condition {
                http_error_code_returned_equals: number(rule.status),
                key_prefix_equals: rule.prefix.clone(),
            }),
            redirect: Redirect {
                host_name: rule.redirect.host.clone(),
                http_redirect_code: number(rule.redirect.status),
                protocol: protocol(&rule.redirect.protocol),
                replace_key_prefix_with: rule.redirect.prefix.clone(),
                replace_key_with: rule.redirect.key.clone(),
            },
        }
    });
    let error = website.error.clone();
    let index = website.index.clone();
    GetBucketWebsiteOutput {
        error_document: error.map(|key| ErrorDocument { key }),
        index_document: index.map(|suffix| IndexDocument { suffix }),
        redirect_all_requests_to: website.all_to.as_ref().map(|to| RedirectAllRequestsTo {
            host_name: to.host.clone(),
            protocol: protocol(&to.protocol),
        }),
        routing_rules: (!website.rules.is_empty()).then(|| rules.collect()),
    }
}
