//! The operations, as s3s calls them: each is passed on to the file that has it.

use async_trait::async_trait;
use http::StatusCode;
use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::error::{custom, not_served, of_disk};
use super::{Adapter, Claim, caller_of, convert, unserved};
use crate::disk::Configuration;

type Answer<T> = S3Result<S3Response<T>>;

fn answer<T>(output: T) -> Answer<T> {
    Ok(S3Response::new(output))
}

const NO_POLICY: (&str, &str) = ("NoSuchBucketPolicy", "The bucket policy does not exist");

#[async_trait]
impl S3 for Adapter {
    async fn list_buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> Answer<ListBucketsOutput> {
        let input = request.input;
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = input.continuation_token.unwrap_or_default();
        let most = usize::try_from(input.max_buckets.unwrap_or(10_000))
            .unwrap_or(0)
            .max(1);
        let all = self.disk.buckets();
        let mut fitting = all.iter().filter(|bucket| {
            let region = input.bucket_region.as_ref();
            bucket.name.starts_with(&prefix)
                && bucket.name > after
                && region.is_none_or(|region| bucket.region == region.as_str())
        });
        let page: Vec<Bucket> = fitting
            .by_ref()
            .take(most)
            .map(|bucket| Bucket {
                bucket_region: Some(bucket.region.clone()),
                creation_date: Some(convert::timestamp(bucket.created_ms)),
                name: Some(bucket.name.clone()),
            })
            .collect();
        let has_more = fitting.next().is_some();
        let last = page.last().and_then(|bucket| bucket.name.clone());
        answer(ListBucketsOutput {
            continuation_token: last.filter(|_| has_more),
            buckets: Some(page),
            owner: Some(convert::owner(&self.owner_id)),
            prefix: input.prefix,
        })
    }

    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> Answer<CreateBucketOutput> {
        let now_ms = caller_of(&request)?.now_ms;
        let name = request.input.bucket;
        let configuration = request.input.create_bucket_configuration;
        let region = configuration.and_then(|configuration| configuration.location_constraint);
        let region = region.map(|region| region.as_str().to_owned());
        let region = region.unwrap_or_else(|| self.default_region.clone());
        if self.disk.bucket(&name).is_some() {
            return Err(s3_error!(
                BucketAlreadyOwnedByYou,
                "Your previous request to create the named bucket succeeded and you already own it."
            ));
        }
        match self.registry.claim(&name, &region).await {
            Ok(Claim::Ours) => {}
            Ok(Claim::Elsewhere) => {
                return Err(s3_error!(
                    BucketAlreadyExists,
                    "A bucket of that name is kept by another node of this installation."
                ));
            }
            Err(error) => {
                let message = format!("The bucket cannot be announced: {error}");
                return Err(S3Error::with_message(
                    S3ErrorCode::ServiceUnavailable,
                    message,
                ));
            }
        }
        let made = self
            .disk
            .create_bucket(&name, &region, &self.owner_id, now_ms as i64)
            .await;
        if let Err(error) = made {
            if self.disk.bucket(&name).is_none() {
                self.release(&name).await;
            }
            return Err(of_disk(error));
        }
        answer(CreateBucketOutput {
            location: Some(format!("/{name}")),
        })
    }

    async fn delete_bucket(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> Answer<DeleteBucketOutput> {
        let name = request.input.bucket;
        self.disk.delete_bucket(&name).await.map_err(of_disk)?;
        self.release(&name).await;
        answer(DeleteBucketOutput::default())
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
        let settings = self.settings_of(&request.input.bucket)?;
        answer(HeadBucketOutput {
            bucket_region: Some(settings.bucket.region.clone()),
            ..HeadBucketOutput::default()
        })
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> Answer<GetBucketLocationOutput> {
        let region = self
            .settings_of(&request.input.bucket)?
            .bucket
            .region
            .clone();
        // The first region has no name there.
        let named = Some(region).filter(|region| region != "us-east-1");
        answer(GetBucketLocationOutput {
            location_constraint: Some(named.unwrap_or_default().into()),
        })
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        self.read_object(request).await
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        self.read_head(request).await
    }

    async fn get_object_attributes(
        &self,
        request: S3Request<GetObjectAttributesInput>,
    ) -> Answer<GetObjectAttributesOutput> {
        self.read_attributes(request).await
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        self.write_object(request).await
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        self.copy(request).await
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> Answer<DeleteObjectOutput> {
        self.remove(request).await
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> Answer<DeleteObjectsOutput> {
        self.remove_many(request).await
    }

    async fn get_object_tagging(
        &self,
        request: S3Request<GetObjectTaggingInput>,
    ) -> Answer<GetObjectTaggingOutput> {
        self.read_tags(request).await
    }

    async fn put_object_tagging(
        &self,
        request: S3Request<PutObjectTaggingInput>,
    ) -> Answer<PutObjectTaggingOutput> {
        self.write_tags(request).await
    }

    async fn delete_object_tagging(
        &self,
        request: S3Request<DeleteObjectTaggingInput>,
    ) -> Answer<DeleteObjectTaggingOutput> {
        self.remove_tags(request).await
    }

    async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> Answer<ListObjectsOutput> {
        self.list_v1(request).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> Answer<ListObjectsV2Output> {
        self.list_v2(request).await
    }

    async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> Answer<ListObjectVersionsOutput> {
        self.list_versions(request).await
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> Answer<ListMultipartUploadsOutput> {
        self.list_uploads(request).await
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        self.begin_upload(request).await
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
        self.write_part(request).await
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> Answer<UploadPartCopyOutput> {
        self.copy_part(request).await
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<CompleteMultipartUploadOutput> {
        self.complete(request).await
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> Answer<AbortMultipartUploadOutput> {
        self.abort(request).await
    }

    async fn list_parts(&self, request: S3Request<ListPartsInput>) -> Answer<ListPartsOutput> {
        self.list_upload_parts(request).await
    }

    async fn get_bucket_policy(
        &self,
        request: S3Request<GetBucketPolicyInput>,
    ) -> Answer<GetBucketPolicyOutput> {
        let policy = self.text(&request.input.bucket, Configuration::Policy, NO_POLICY)?;
        answer(GetBucketPolicyOutput {
            policy: Some(policy),
        })
    }

    async fn put_bucket_policy(
        &self,
        request: S3Request<PutBucketPolicyInput>,
    ) -> Answer<PutBucketPolicyOutput> {
        let input = request.input;
        self.set_policy(&input.bucket, input.policy).await?;
        answer(PutBucketPolicyOutput::default())
    }

    async fn delete_bucket_policy(
        &self,
        request: S3Request<DeleteBucketPolicyInput>,
    ) -> Answer<DeleteBucketPolicyOutput> {
        let bucket = &request.input.bucket;
        self.set_text(bucket, Configuration::Policy, None).await?;
        answer(DeleteBucketPolicyOutput::default())
    }

    async fn get_bucket_policy_status(
        &self,
        request: S3Request<GetBucketPolicyStatusInput>,
    ) -> Answer<GetBucketPolicyStatusOutput> {
        let bucket = &request.input.bucket;
        self.text(bucket, Configuration::Policy, NO_POLICY)?;
        let is_public = self.settings_of(bucket)?.is_public();
        answer(GetBucketPolicyStatusOutput {
            policy_status: Some(PolicyStatus {
                is_public: Some(is_public),
            }),
        })
    }

    async fn get_public_access_block(
        &self,
        request: S3Request<GetPublicAccessBlockInput>,
    ) -> Answer<GetPublicAccessBlockOutput> {
        let block = self.public_access(&request.input.bucket)?;
        answer(GetPublicAccessBlockOutput {
            public_access_block_configuration: Some(block),
        })
    }

    async fn put_public_access_block(
        &self,
        request: S3Request<PutPublicAccessBlockInput>,
    ) -> Answer<PutPublicAccessBlockOutput> {
        let input = request.input;
        let block = input.public_access_block_configuration;
        self.set_public_access(&input.bucket, Some(block)).await?;
        answer(PutPublicAccessBlockOutput::default())
    }

    async fn delete_public_access_block(
        &self,
        request: S3Request<DeletePublicAccessBlockInput>,
    ) -> Answer<DeletePublicAccessBlockOutput> {
        self.set_public_access(&request.input.bucket, None).await?;
        answer(DeletePublicAccessBlockOutput::default())
    }

    async fn get_bucket_cors(
        &self,
        request: S3Request<GetBucketCorsInput>,
    ) -> Answer<GetBucketCorsOutput> {
        let rules = self.cors(&request.input.bucket)?;
        answer(GetBucketCorsOutput {
            cors_rules: Some(rules),
        })
    }

    async fn put_bucket_cors(
        &self,
        request: S3Request<PutBucketCorsInput>,
    ) -> Answer<PutBucketCorsOutput> {
        let input = request.input;
        self.set_cors(&input.bucket, input.cors_configuration)
            .await?;
        answer(PutBucketCorsOutput::default())
    }

    async fn delete_bucket_cors(
        &self,
        request: S3Request<DeleteBucketCorsInput>,
    ) -> Answer<DeleteBucketCorsOutput> {
        self.set_text(&request.input.bucket, Configuration::Cors, None)
            .await?;
        answer(DeleteBucketCorsOutput::default())
    }

    async fn get_bucket_website(
        &self,
        request: S3Request<GetBucketWebsiteInput>,
    ) -> Answer<GetBucketWebsiteOutput> {
        answer(self.website(&request.input.bucket)?)
    }

    async fn put_bucket_website(
        &self,
        request: S3Request<PutBucketWebsiteInput>,
    ) -> Answer<PutBucketWebsiteOutput> {
        let input = request.input;
        self.set_website(&input.bucket, input.website_configuration)
            .await?;
        answer(PutBucketWebsiteOutput::default())
    }

    async fn delete_bucket_website(
        &self,
        request: S3Request<DeleteBucketWebsiteInput>,
    ) -> Answer<DeleteBucketWebsiteOutput> {
        let bucket = &request.input.bucket;
        self.set_text(bucket, Configuration::Website, None).await?;
        answer(DeleteBucketWebsiteOutput::default())
    }

    async fn get_bucket_tagging(
        &self,
        request: S3Request<GetBucketTaggingInput>,
    ) -> Answer<GetBucketTaggingOutput> {
        let tag_set = self.bucket_tags(&request.input.bucket)?;
        answer(GetBucketTaggingOutput { tag_set })
    }

    async fn put_bucket_tagging(
        &self,
        request: S3Request<PutBucketTaggingInput>,
    ) -> Answer<PutBucketTaggingOutput> {
        let input = request.input;
        self.set_bucket_tags(&input.bucket, input.tagging.tag_set)
            .await?;
        answer(PutBucketTaggingOutput::default())
    }

    async fn delete_bucket_tagging(
        &self,
        request: S3Request<DeleteBucketTaggingInput>,
    ) -> Answer<DeleteBucketTaggingOutput> {
        self.set_text(&request.input.bucket, Configuration::Tags, None)
            .await?;
        answer(DeleteBucketTaggingOutput::default())
    }

    async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> Answer<GetBucketVersioningOutput> {
        answer(GetBucketVersioningOutput {
            status: self.versioning(&request.input.bucket)?,
            ..GetBucketVersioningOutput::default()
        })
    }

    async fn put_bucket_versioning(
        &self,
        request: S3Request<PutBucketVersioningInput>,
    ) -> Answer<PutBucketVersioningOutput> {
        let input = request.input;
        self.set_versioning(&input.bucket, input.versioning_configuration)
            .await?;
        answer(PutBucketVersioningOutput::default())
    }

    async fn get_bucket_ownership_controls(
        &self,
        request: S3Request<GetBucketOwnershipControlsInput>,
    ) -> Answer<GetBucketOwnershipControlsOutput> {
        if !self.has_ownership(&request.input.bucket)? {
            return Err(not_found(
                "OwnershipControlsNotFoundError",
                "The bucket ownership controls were not found",
            ));
        }
        let enforced = ObjectOwnership::BUCKET_OWNER_ENFORCED;
        answer(GetBucketOwnershipControlsOutput {
            ownership_controls: Some(OwnershipControls {
                rules: vec![OwnershipControlsRule {
                    object_ownership: ObjectOwnership::from_static(enforced),
                }],
            }),
        })
    }

    async fn put_bucket_ownership_controls(
        &self,
        request: S3Request<PutBucketOwnershipControlsInput>,
    ) -> Answer<PutBucketOwnershipControlsOutput> {
        let input = request.input;
        let [rule] = &input.ownership_controls.rules[..] else {
            return Err(s3_error!(MalformedXML, "There must be one rule."));
        };
        self.set_ownership(&input.bucket, &rule.object_ownership)
            .await?;
        answer(PutBucketOwnershipControlsOutput::default())
    }

    async fn delete_bucket_ownership_controls(
        &self,
        request: S3Request<DeleteBucketOwnershipControlsInput>,
    ) -> Answer<DeleteBucketOwnershipControlsOutput> {
        self.forget_ownership(&request.input.bucket).await?;
        answer(DeleteBucketOwnershipControlsOutput::default())
    }

    async fn get_bucket_acl(
        &self,
        request: S3Request<GetBucketAclInput>,
    ) -> Answer<GetBucketAclOutput> {
        self.settings_of(&request.input.bucket)?;
        answer(GetBucketAclOutput {
            grants: Some(vec![self.grant()]),
            owner: Some(convert::owner(&self.owner_id)),
        })
    }

    async fn put_bucket_acl(
        &self,
        request: S3Request<PutBucketAclInput>,
    ) -> Answer<PutBucketAclOutput> {
        self.check_acl(request.input.access_control_policy.as_ref())?;
        answer(PutBucketAclOutput::default())
    }

    async fn get_object_acl(
        &self,
        request: S3Request<GetObjectAclInput>,
    ) -> Answer<GetObjectAclOutput> {
        let caller = caller_of(&request)?;
        let input = &request.input;
        let which = super::reading::Which {
            bucket: &input.bucket,
            key: &input.key,
            version: input.version_id.as_deref(),
        };
        self.info(caller, which).await?;
        answer(GetObjectAclOutput {
            grants: Some(vec![self.grant()]),
            owner: Some(convert::owner(&self.owner_id)),
            ..GetObjectAclOutput::default()
        })
    }

    async fn put_object_acl(
        &self,
        request: S3Request<PutObjectAclInput>,
    ) -> Answer<PutObjectAclOutput> {
        self.check_acl(request.input.access_control_policy.as_ref())?;
        answer(PutObjectAclOutput::default())
    }

    // What there is not, told as not configured: clients read it.

    async fn get_bucket_encryption(
        &self,
        _: S3Request<GetBucketEncryptionInput>,
    ) -> Answer<GetBucketEncryptionOutput> {
        Err(not_found(
            "ServerSideEncryptionConfigurationNotFoundError",
            "The server side encryption configuration was not found",
        ))
    }

    async fn delete_bucket_encryption(
        &self,
        _: S3Request<DeleteBucketEncryptionInput>,
    ) -> Answer<DeleteBucketEncryptionOutput> {
        answer(DeleteBucketEncryptionOutput::default())
    }

    async fn put_bucket_encryption(
        &self,
        _: S3Request<PutBucketEncryptionInput>,
    ) -> Answer<PutBucketEncryptionOutput> {
        Err(not_served(
            "Objects are not encrypted by the store; encrypt its disk.",
        ))
    }

    async fn get_bucket_lifecycle_configuration(
        &self,
        _: S3Request<GetBucketLifecycleConfigurationInput>,
    ) -> Answer<GetBucketLifecycleConfigurationOutput> {
        Err(not_found(
            "NoSuchLifecycleConfiguration",
            "The lifecycle configuration does not exist",
        ))
    }

    async fn delete_bucket_lifecycle(
        &self,
        _: S3Request<DeleteBucketLifecycleInput>,
    ) -> Answer<DeleteBucketLifecycleOutput> {
        answer(DeleteBucketLifecycleOutput::default())
    }

    async fn put_bucket_lifecycle_configuration(
        &self,
        _: S3Request<PutBucketLifecycleConfigurationInput>,
    ) -> Answer<PutBucketLifecycleConfigurationOutput> {
        Err(not_served("Objects do not expire here; delete them."))
    }

    async fn get_bucket_replication(
        &self,
        _: S3Request<GetBucketReplicationInput>,
    ) -> Answer<GetBucketReplicationOutput> {
        Err(not_found(
            "ReplicationConfigurationNotFoundError",
            "The replication configuration was not found",
        ))
    }

    async fn put_bucket_replication(
        &self,
        _: S3Request<PutBucketReplicationInput>,
    ) -> Answer<PutBucketReplicationOutput> {
        Err(not_served("Buckets are not replicated."))
    }

    async fn get_object_lock_configuration(
        &self,
        _: S3Request<GetObjectLockConfigurationInput>,
    ) -> Answer<GetObjectLockConfigurationOutput> {
        Err(not_found(
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
        ))
    }

    async fn put_object_lock_configuration(
        &self,
        _: S3Request<PutObjectLockConfigurationInput>,
    ) -> Answer<PutObjectLockConfigurationOutput> {
        Err(not_served("Buckets have no object lock here."))
    }

    async fn get_bucket_logging(
        &self,
        _: S3Request<GetBucketLoggingInput>,
    ) -> Answer<GetBucketLoggingOutput> {
        answer(GetBucketLoggingOutput::default())
    }

    async fn put_bucket_logging(
        &self,
        request: S3Request<PutBucketLoggingInput>,
    ) -> Answer<PutBucketLoggingOutput> {
        match request.input.bucket_logging_status.logging_enabled {
            None => answer(PutBucketLoggingOutput::default()),
            Some(_) => Err(not_served(
                "Requests to buckets are not logged into buckets.",
            )),
        }
    }

    async fn get_bucket_notification_configuration(
        &self,
        _: S3Request<GetBucketNotificationConfigurationInput>,
    ) -> Answer<GetBucketNotificationConfigurationOutput> {
        answer(GetBucketNotificationConfigurationOutput::default())
    }

    async fn put_bucket_notification_configuration(
        &self,
        request: S3Request<PutBucketNotificationConfigurationInput>,
    ) -> Answer<PutBucketNotificationConfigurationOutput> {
        let asked = request.input.notification_configuration;
        match asked == NotificationConfiguration::default() {
            true => answer(PutBucketNotificationConfigurationOutput::default()),
            false => Err(not_served("Nobody is notified of changes in buckets.")),
        }
    }

    async fn get_bucket_request_payment(
        &self,
        _: S3Request<GetBucketRequestPaymentInput>,
    ) -> Answer<GetBucketRequestPaymentOutput> {
        answer(GetBucketRequestPaymentOutput {
            payer: Some(Payer::from_static(Payer::BUCKET_OWNER)),
        })
    }

    async fn put_bucket_request_payment(
        &self,
        request: S3Request<PutBucketRequestPaymentInput>,
    ) -> Answer<PutBucketRequestPaymentOutput> {
        let payer = request.input.request_payment_configuration.payer;
        match payer.as_str() == Payer::BUCKET_OWNER {
            true => answer(PutBucketRequestPaymentOutput::default()),
            false => Err(not_served("Nobody pays for requests.")),
        }
    }

    async fn get_bucket_accelerate_configuration(
        &self,
        _: S3Request<GetBucketAccelerateConfigurationInput>,
    ) -> Answer<GetBucketAccelerateConfigurationOutput> {
        answer(GetBucketAccelerateConfigurationOutput::default())
    }

    async fn list_bucket_analytics_configurations(
        &self,
        _: S3Request<ListBucketAnalyticsConfigurationsInput>,
    ) -> Answer<ListBucketAnalyticsConfigurationsOutput> {
        answer(ListBucketAnalyticsConfigurationsOutput::default())
    }

    async fn list_bucket_inventory_configurations(
        &self,
        _: S3Request<ListBucketInventoryConfigurationsInput>,
    ) -> Answer<ListBucketInventoryConfigurationsOutput> {
        answer(ListBucketInventoryConfigurationsOutput::default())
    }

    async fn list_bucket_metrics_configurations(
        &self,
        _: S3Request<ListBucketMetricsConfigurationsInput>,
    ) -> Answer<ListBucketMetricsConfigurationsOutput> {
        answer(ListBucketMetricsConfigurationsOutput::default())
    }

    async fn list_bucket_intelligent_tiering_configurations(
        &self,
        _: S3Request<ListBucketIntelligentTieringConfigurationsInput>,
    ) -> Answer<ListBucketIntelligentTieringConfigurationsOutput> {
        answer(ListBucketIntelligentTieringConfigurationsOutput::default())
    }

    async fn get_bucket_analytics_configuration(
        &self,
        _: S3Request<GetBucketAnalyticsConfigurationInput>,
    ) -> Answer<GetBucketAnalyticsConfigurationOutput> {
        Err(no_such_configuration())
    }

    async fn get_bucket_inventory_configuration(
        &self,
        _: S3Request<GetBucketInventoryConfigurationInput>,
    ) -> Answer<GetBucketInventoryConfigurationOutput> {
        Err(no_such_configuration())
    }

    async fn get_bucket_metrics_configuration(
        &self,
        _: S3Request<GetBucketMetricsConfigurationInput>,
    ) -> Answer<GetBucketMetricsConfigurationOutput> {
        Err(no_such_configuration())
    }

    async fn get_bucket_intelligent_tiering_configuration(
        &self,
        _: S3Request<GetBucketIntelligentTieringConfigurationInput>,
    ) -> Answer<GetBucketIntelligentTieringConfigurationOutput> {
        Err(no_such_configuration())
    }
}

fn no_such_configuration() -> S3Error {
    not_found(
        "NoSuchConfiguration",
        "The specified configuration does not exist.",
    )
}

/// What is not configured. s3s knows some of these codes by another status.
fn not_found(code: &'static str, message: &'static str) -> S3Error {
    custom(code, StatusCode::NOT_FOUND, message)
}

impl Adapter {
    /// What the owner has of everything.
    fn grant(&self) -> Grant {
        Grant {
            grantee: Some(Grantee {
                display_name: None,
                email_address: None,
                id: Some(self.owner_id.clone()),
                type_: Type::from_static(Type::CANONICAL_USER),
                uri: None,
            }),
            permission: Some(Permission::from_static(Permission::FULL_CONTROL)),
        }
    }

    /// An ACL that says what is so anyway is taken. Those in fields were judged before.
    fn check_acl(&self, policy: Option<&AccessControlPolicy>) -> S3Result<()> {
        let grants = policy.and_then(|policy| policy.grants.as_deref());
        let is_own = |grant: &Grant| {
            let grantee = grant
                .grantee
                .as_ref()
                .and_then(|grantee| grantee.id.as_deref());
            let permission = grant.permission.as_ref().map(Permission::as_str);
            grantee == Some(&*self.owner_id) && permission == Some(Permission::FULL_CONTROL)
        };
        match grants.unwrap_or_default().iter().all(is_own) {
            true => Ok(()),
            false => Err(unserved::no_acls()),
        }
    }

    /// Takes back the announcement of a bucket that is gone. If that fails, the next start does it.
    async fn release(&self, name: &str) {
        if let Err(error) = self.registry.release(name).await {
            tracing::warn!(bucket = name, %error, "a bucket that is gone is still announced");
        }
    }
}
