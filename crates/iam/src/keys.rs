//! The keys that conditions and variables may have: those that somebody gives values to, so that
//! no condition is accepted and then never looked at.
//!
//! Keys are the same in any case. A name here that ends with `/` is that of a family, of which a
//! tag's key is the rest: `s3:ExistingObjectTag/team`.

/// Those that follow from the principal alone (`Principal::values`).
pub(crate) const OF_PRINCIPALS: &[&str] = &[
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalIsAWSService",
    "aws:PrincipalServiceName",
    "aws:PrincipalServiceNamesList",
    "aws:PrincipalType",
    "aws:userid",
    "aws:username",
    "aws:ViaAWSService",
];

/// Those that [`Context::new`](crate::Context::new) gives values to.
pub(crate) const OF_CONNECTIONS: &[&str] = &[
    "aws:CurrentTime",
    "aws:EpochTime",
    "aws:ResourceAccount",
    "aws:SecureTransport",
    "aws:SourceIp",
];

/// Those that whoever asks for a decision about any request gives values to, as far as the request
/// has them.
pub const OF_REQUESTS: &[&str] = &[
    "aws:RequestedRegion",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:UserAgent",
];

/// Those that whoever asks for a decision about buckets and objects gives values to besides, as
/// far as the request has them; `s3:x-amz-…` are the headers of that name.
pub const OF_BUCKETS: &[&str] = &[
    "aws:Referer",
    "s3:authType",
    "s3:delimiter",
    "s3:ExistingObjectTag/",
    "s3:if-match",
    "s3:if-none-match",
    "s3:max-keys",
    "s3:prefix",
    "s3:RequestObjectTag/",
    "s3:RequestObjectTagKeys",
    "s3:ResourceAccount",
    "s3:signatureAge",
    "s3:signatureversion",
    "s3:TlsVersion",
    "s3:VersionId",
    "s3:x-amz-acl",
    "s3:x-amz-content-sha256",
    "s3:x-amz-copy-source",
    "s3:x-amz-metadata-directive",
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-storage-class",
    "s3:x-amz-website-redirect-location",
];

/// Those that no request has here, since there are no networks of that kind, no organizations, no
/// sessions, no tags of users and no access points. On AWS, too, a request has them only where
/// there are: conditions on them are decided as for any key that is absent.
pub(crate) const ABSENT: &[&str] = &[
    "aws:CalledVia",
    "aws:CalledViaFirst",
    "aws:CalledViaLast",
    "aws:FederatedProvider",
    "aws:MultiFactorAuthAge",
    "aws:MultiFactorAuthPresent",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:PrincipalTag/",
    "aws:ResourceOrgID",
    "aws:ResourceOrgPaths",
    "aws:SourceIdentity",
    "aws:SourceOrgID",
    "aws:SourceOrgPaths",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:TokenIssueTime",
    "aws:VpcSourceIp",
    "s3:AccessPointNetworkOrigin",
    "s3:DataAccessPointAccount",
    "s3:DataAccessPointArn",
];

/// All that a document may name.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    let lists = [
        OF_PRINCIPALS,
        OF_CONNECTIONS,
        OF_REQUESTS,
        OF_BUCKETS,
        ABSENT,
    ];
    lists.into_iter().flatten().copied()
}

/// Whether a key is one of a list, in whatever case.
pub(crate) fn is_among(key: &str, mut list: impl Iterator<Item = &'static str>) -> bool {
    list.any(|known| match known.strip_suffix('/') {
        Some(_) => key
            .split_at_checked(known.len())
            .is_some_and(|(family, tag)| known.eq_ignore_ascii_case(family) && !tag.is_empty()),
        None => known.eq_ignore_ascii_case(key),
    })
}
