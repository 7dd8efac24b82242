//! Which permission each operation of S3 needs, and for what (AWS's table of S3's actions).

/// What a permission is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// No bucket in particular.
    Everything,
    /// The bucket.
    Bucket,
    /// The object.
    Object,
    /// The keys that the operation names in its body: it asks for itself.
    Itself,
}

/// The permission that an operation needs before anything is read of it; nothing where the
/// operation is not known. `has_version` says whether it names a version.
pub fn need(operation: &str, has_version: bool) -> Option<(&'static str, On)> {
    if let Some(need) = of_object(operation, has_version) {
        return Some((need, On::Object));
    }
    Some(match operation {
        "ListBuckets" => ("s3:ListAllMyBuckets", On::Everything),
        "DeleteObjects" => ("s3:DeleteObject", On::Itself),
        // A form names its key in a field.
        "PostObject" => ("s3:PutObject", On::Itself),
        _ => (of_bucket(operation)?, On::Bucket),
    })
}

fn of_object(operation: &str, has_version: bool) -> Option<&'static str> {
    let by_version = |with, without| if has_version { with } else { without };
    Some(match operation {
        "GetObject" | "HeadObject" | "GetObjectAttributes" => {
            by_version("s3:GetObjectVersion", "s3:GetObject")
        }
        "PutObject"
        | "CopyObject"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload" => "s3:PutObject",
        "AbortMultipartUpload" => "s3:AbortMultipartUpload",
        "ListParts" => "s3:ListMultipartUploadParts",
        "DeleteObject" => by_version("s3:DeleteObjectVersion", "s3:DeleteObject"),
        "GetObjectTagging" => by_version("s3:GetObjectVersionTagging", "s3:GetObjectTagging"),
        "PutObjectTagging" => by_version("s3:PutObjectVersionTagging", "s3:PutObjectTagging"),
        "DeleteObjectTagging" => {
            by_version("s3:DeleteObjectVersionTagging", "s3:DeleteObjectTagging")
        }
        "GetObjectAcl" => by_version("s3:GetObjectVersionAcl", "s3:GetObjectAcl"),
        "PutObjectAcl" => by_version("s3:PutObjectVersionAcl", "s3:PutObjectAcl"),
        "GetObjectRetention" => "s3:GetObjectRetention",
        "PutObjectRetention" => "s3:PutObjectRetention",
        "GetObjectLegalHold" => "s3:GetObjectLegalHold",
        "PutObjectLegalHold" => "s3:PutObjectLegalHold",
        "GetObjectTorrent" => "s3:GetObjectTorrent",
        "RestoreObject" => "s3:RestoreObject",
        "SelectObjectContent" => "s3:GetObject",
        _ => return None,
    })
}

fn of_bucket(operation: &str) -> Option<&'static str> {
    Some(match operation {
        "CreateBucket" => "s3:CreateBucket",
        "DeleteBucket" => "s3:DeleteBucket",
        "HeadBucket" | "ListObjects" | "ListObjectsV2" => "s3:ListBucket",
        "ListObjectVersions" => "s3:ListBucketVersions",
        "ListMultipartUploads" => "s3:ListBucketMultipartUploads",
        "GetBucketLocation" => "s3:GetBucketLocation",
        "GetBucketPolicy" => "s3:GetBucketPolicy",
        "PutBucketPolicy" => "s3:PutBucketPolicy",
        "DeleteBucketPolicy" => "s3:DeleteBucketPolicy",
        "GetBucketPolicyStatus" => "s3:GetBucketPolicyStatus",
        "GetPublicAccessBlock" => "s3:GetBucketPublicAccessBlock",
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => "s3:PutBucketPublicAccessBlock",
        "GetBucketCors" => "s3:GetBucketCORS",
        "PutBucketCors" | "DeleteBucketCors" => "s3:PutBucketCORS",
        "GetBucketWebsite" => "s3:GetBucketWebsite",
        "PutBucketWebsite" => "s3:PutBucketWebsite",
        "DeleteBucketWebsite" => "s3:DeleteBucketWebsite",
        "GetBucketTagging" => "s3:GetBucketTagging",
        "PutBucketTagging" | "DeleteBucketTagging" => "s3:PutBucketTagging",
        "GetBucketVersioning" => "s3:GetBucketVersioning",
        "PutBucketVersioning" => "s3:PutBucketVersioning",
        "GetBucketOwnershipControls" => "s3:GetBucketOwnershipControls",
        "PutBucketOwnershipControls" | "DeleteBucketOwnershipControls" => {
            "s3:PutBucketOwnershipControls"
        }
        "GetBucketAcl" => "s3:GetBucketAcl",
        "PutBucketAcl" => "s3:PutBucketAcl",
        "GetBucketEncryption" => "s3:GetEncryptionConfiguration",
        "PutBucketEncryption" | "DeleteBucketEncryption" => "s3:PutEncryptionConfiguration",
        "GetBucketLifecycleConfiguration" => "s3:GetLifecycleConfiguration",
        "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle" => {
            "s3:PutLifecycleConfiguration"
        }
        "GetBucketReplication" => "s3:GetReplicationConfiguration",
        "PutBucketReplication" | "DeleteBucketReplication" => "s3:PutReplicationConfiguration",
        "GetBucketLogging" => "s3:GetBucketLogging",
        "PutBucketLogging" => "s3:PutBucketLogging",
        "GetBucketNotificationConfiguration" => "s3:GetBucketNotification",
        "PutBucketNotificationConfiguration" => "s3:PutBucketNotification",
        "GetBucketRequestPayment" => "s3:GetBucketRequestPayment",
        "PutBucketRequestPayment" => "s3:PutBucketRequestPayment",
        "GetBucketAccelerateConfiguration" => "s3:GetAccelerateConfiguration",
        "PutBucketAccelerateConfiguration" => "s3:PutAccelerateConfiguration",
        "GetObjectLockConfiguration" => "s3:GetBucketObjectLockConfiguration",
        "PutObjectLockConfiguration" => "s3:PutBucketObjectLockConfiguration",
        "GetBucketAnalyticsConfiguration" | "ListBucketAnalyticsConfigurations" => {
            "s3:GetAnalyticsConfiguration"
        }
        "PutBucketAnalyticsConfiguration" | "DeleteBucketAnalyticsConfiguration" => {
            "s3:PutAnalyticsConfiguration"
        }
        "GetBucketInventoryConfiguration" | "ListBucketInventoryConfigurations" => {
            "s3:GetInventoryConfiguration"
        }
        "PutBucketInventoryConfiguration" | "DeleteBucketInventoryConfiguration" => {
            "s3:PutInventoryConfiguration"
        }
        "GetBucketMetricsConfiguration" | "ListBucketMetricsConfigurations" => {
            "s3:GetMetricsConfiguration"
        }
        "PutBucketMetricsConfiguration" | "DeleteBucketMetricsConfiguration" => {
            "s3:PutMetricsConfiguration"
        }
        "GetBucketIntelligentTieringConfiguration"
        | "ListBucketIntelligentTieringConfigurations" => "s3:GetIntelligentTieringConfiguration",
        "PutBucketIntelligentTieringConfiguration"
        | "DeleteBucketIntelligentTieringConfiguration" => "s3:PutIntelligentTieringConfiguration",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_needs_a_permission_of_its_own() {
        let need = |has_version| need("GetObject", has_version).unwrap().0;
        assert_eq!(need(false), "s3:GetObject");
        assert_eq!(need(true), "s3:GetObjectVersion");
        assert_eq!(super::need("CreateSession", false), None);
    }
}
