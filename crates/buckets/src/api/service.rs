//! A request's way: what is refused before s3s sees it, s3s with its questions of keys and
//! permissions, and what is done to its answer.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};
use http_body_util::BodyExt;
use hyper::body::Body as HttpBody;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::dto::{ETagCondition, Range};
use s3s::host::{S3Host, VirtualHost};
use s3s::path::S3Path;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3Error, S3ErrorCode, S3Result, StdError, s3_error};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::addressing::{Domains, Host, first_segment, host_of, is_for_s3};
use super::body::Patient;
use super::caller::{Caller, Keyring, Resource, Sender};
use super::form::Completed;
use super::operations::{self, On};
use super::reading::Which;
use super::settings::{AllSettings, Settings};
use super::{Adapter, Registry, cors, error, limits, signature, text, unserved};
use crate::disk::{Disk, DiskError};

/// What the API is told.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// The account that all buckets belong to: twelve digits.
    pub account_id: String,
    /// Where buckets are made whose maker names no region.
    pub default_region: String,
    /// The domains that stand behind buckets' names in hosts.
    pub domains: Domains,
    /// How long nothing of a request's body may come.
    pub patience: Duration,
}

/// S3's API.
pub struct Service {
    pub(super) adapter: Adapter,
    s3: S3Service,
    pub(super) domains: Domains,
    patience: Duration,
    /// Room for bodies of XML that are held in memory, KiB. Who has no key gets to fill it only
    /// where a bucket's policy lets anybody in.
    room: Semaphore,
    /// The same for forms, which anybody may send.
    form_room: Semaphore,
    requests: AtomicU64,
}

impl Service {
    /// Serves the disk to those whose keys the keyring knows.
    pub fn new(
        disk: Disk,
        keyring: Arc<dyn Keyring>,
        registry: Arc<dyn Registry>,
        config: ServiceConfig,
    ) -> Service {
        let adapter = Adapter {
            disk,
            settings: Arc::new(AllSettings::default()),
            registry,
            keyring,
            owner_id: iam::canonical_account(&config.account_id),
            account_id: config.account_id.into(),
            default_region: config.default_region,
        };
        let mut builder = S3ServiceBuilder::new(adapter.clone());
        builder.set_auth(Auth(adapter.clone()));
        builder.set_access(Access(adapter.clone()));
        builder.set_host(config.domains.clone());
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(bounds()))));
        Service {
            adapter,
            s3: builder.build(),
            domains: config.domains,
            patience: config.patience,
            room: Semaphore::new(limits::BODIES_KIB_MAX),
            form_room: Semaphore::new(limits::BODIES_KIB_MAX),
            requests: AtomicU64::new(0),
        }
    }

    /// Whether a request is for S3, judged by its head alone.
    pub fn is_for_s3(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
        let has_bucket = |name: &str| self.adapter.disk.bucket(name).is_some();
        is_for_s3(&self.domains, method, uri, headers, has_bucket)
    }

    /// Answers a request for S3.
    pub async fn handle<B>(&self, request: Request<B>, sender: Sender) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError>,
    {
        let (parts, body) = request.into_parts();
        let mut request = Request::from_parts(parts, ());
        let host = host_of(request.uri(), request.headers()).to_owned();
        let is_head = request.method() == Method::HEAD;
        let host = self.domains.read(&host);
        let is_site = matches!(host, Host::Website(_));
        let mut response = match host {
            Host::Website(bucket) => self.website(&bucket, &request, sender).await,
            host => {
                let bucket = self.bucket_of(&host, request.uri());
                let settings =
                    bucket.and_then(|name| self.adapter.settings.of(&self.adapter.disk, &name));
                match request.method() == Method::OPTIONS {
                    true => preflight(settings.as_deref(), request.headers()),
                    false => {
                        let added = settings.map(|settings| {
                            cors::answer(&settings.cors, request.method(), request.headers())
                        });
                        drop_unreadable(request.headers_mut());
                        let checked = signature::check(request.uri(), request.headers());
                        let mut response = match checked {
                            Ok(()) => self.run(request.map(|()| body), sender).await,
                            Err(error) => refusal(error),
                        };
                        response.headers_mut().extend(added.unwrap_or_default());
                        response
                    }
                }
            }
        };
        if is_head && response.status() != StatusCode::OK {
            // Some clients take what a head's answer says of its body for what follows.
            *response.body_mut() = Body::empty();
        }
        let id = self.request_id(sender);
        finish(response, &id, is_site).await
    }

    /// Lets s3s answer. What it holds in memory waits for its room.
    pub(super) async fn run<B>(&self, mut request: Request<B>, sender: Sender) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError>,
    {
        request.extensions_mut().insert(sender);
        let is_post = request.method() == Method::POST;
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.map(|kind| kind.as_bytes().to_ascii_lowercase());
        let is_form = kind.is_some_and(|kind| kind.starts_with(b"multipart/form-data"));
        let length = request.body().size_hint().upper();
        let patience = self.patience;
        let request = request.map(|body| {
            let body = Patient::new(body, patience);
            match is_post && is_form {
                true => Body::http_body_unsync(Completed::new(body)),
                false => Body::http_body_unsync(body),
            }
        });
        let answering = self.s3.call(request);
        let answered = match (is_post, is_form) {
            (false, _) => Ok(answering.await),
            (true, false) => match room(&self.room, length, limits::XML_BYTES_MAX as u64).await {
                Ok(_held) => tokio::time::timeout(limits::POST_TIMEOUT, answering).await,
                Err(error) => return refusal(error),
            },
            (true, true) => match room(&self.form_room, length, limits::FORM_BYTES_MAX).await {
                Ok(_held) => tokio::time::timeout(limits::POST_TIMEOUT, answering).await,
                Err(error) => return refusal(error),
            },
        };
        match answered {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => refusal(S3ErrorCode::InternalError.into()),
            Err(_) => refusal(S3ErrorCode::RequestTimeout.into()),
        }
    }

    /// The bucket that a request names, whether there is one or not.
    fn bucket_of(&self, host: &Host, uri: &Uri) -> Option<String> {
        match host {
            Host::Bucket(bucket) => Some(bucket.clone()),
            _ => text::path_decoded(first_segment(uri.path())),
        }
    }

    /// Sixteen hexadecimal digits that tell a request from all others of this node.
    fn request_id(&self, sender: Sender) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        // Milliseconds and a count: within one millisecond there are not 2^20 requests.
        let id = (sender.now_ms << 20) ^ (number & 0xF_FFFF);
        format!("{:016X}", id.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }
}

/// Waits for the room of a body of that length, if it is known.
async fn room(
    room: &Semaphore,
    length: Option<u64>,
    most: u64,
) -> Result<SemaphorePermit<'_>, S3Error> {
    let length = length.unwrap_or(most);
    if length > most {
        return Err(s3_error!(
            EntityTooLarge,
            "The body has {length} bytes; {most} are allowed here."
        ));
    }
    let held = room.acquire_many(length.div_ceil(1 << 10) as u32).await;
    Ok(held.expect("nobody closes the semaphore"))
}

/// s3s's bounds, where its own are for other machines. (Its type cannot be built in one go.)
fn bounds() -> S3Config {
    let mut config = S3Config::default();
    config.xml_max_body_size = limits::XML_BYTES_MAX;
    config.post_object_max_file_size = limits::FORM_FILE_BYTES_MAX;
    config.form_max_field_size = limits::FORM_FIELD_BYTES_MAX;
    config.form_max_fields_size = limits::FORM_FIELD_BYTES_MAX;
    config.form_max_parts = limits::FORM_PARTS_MAX;
    config
}

/// What cannot be read of conditions and ranges is as good as not there (RFC 9110 §13.1, §14.2),
/// which s3s does not see so. What is signed stays, since the signature covers it.
pub(super) fn drop_unreadable(headers: &mut HeaderMap) {
    let signed = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let is_readable = |name: &HeaderName, value: &HeaderValue| match *name {
        header::RANGE => value.to_str().is_ok_and(|text| Range::parse(text).is_ok()),
        header::IF_MATCH | header::IF_NONE_MATCH => {
            ETagCondition::parse_http_header(value.as_bytes()).is_ok()
        }
        _ => {
            let text = value.to_str().unwrap_or_default();
            super::convert::http_timestamp(text).is_some()
        }
    };
    for name in [
        header::RANGE,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
    ] {
        let is_bad = headers
            .get(&name)
            .is_some_and(|value| !is_readable(&name, value));
        // A precondition that nobody can read must not pass for one that holds.
        let is_needed = name == header::IF_MATCH;
        if is_bad && !is_needed && !signed.contains(name.as_str()) {
            headers.remove(&name);
        }
    }
}

fn preflight(settings: Option<&Settings>, headers: &HeaderMap) -> Response<Body> {
    if !headers.contains_key(header::ORIGIN) {
        return refusal(s3_error!(
            InvalidRequest,
            "Insufficient information. Origin request header needed."
        ));
    }
    let fields = settings.and_then(|settings| cors::preflight(&settings.cors, headers));
    match fields {
        Some(fields) => {
            let mut response = Response::new(Body::empty());
            *response.headers_mut() = fields;
            response
        }
        None => refusal(error::custom(
            "AccessForbidden",
            StatusCode::FORBIDDEN,
            "CORSResponse: This CORS request is not allowed. No rule of the bucket fits its \
             Origin, Access-Control-Request-Method and Access-Control-Request-Headers.",
        )),
    }
}

/// An error as an answer.
pub(super) fn refusal(error: S3Error) -> Response<Body> {
    let status = error
        .status_code()
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    error.to_http_response().unwrap_or_else(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        response
    })
}

/// What every answer has, and what s3s leaves out of errors. Those of a website are pages, perhaps
/// objects.
async fn finish(mut response: Response<Body>, id: &str, is_site: bool) -> Response<Body> {
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    if response.status() == StatusCode::NOT_MODIFIED {
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_TYPE);
    } else if is_error && !is_site {
        let body = std::mem::take(response.body_mut());
        // It was made in memory.
        let text = body.collect().await.map(|body| body.to_bytes());
        let text = text.unwrap_or_default();
        let text = completed(&String::from_utf8_lossy(&text), id);
        if !text.is_empty() {
            let xml = HeaderValue::from_static("application/xml");
            response.headers_mut().insert(header::CONTENT_TYPE, xml);
        }
        *response.body_mut() = Body::from(text);
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert("x-amz-request-id", id);
    }
    response
}

/// An error with a message and the request's id.
fn completed(xml: &str, id: &str) -> String {
    let Some(end) = xml.rfind("</Error>") else {
        return xml.to_owned();
    };
    let mut added = String::new();
    if !xml.contains("<Message>") {
        let code = xml.split_once("<Code>").map_or("", |(_, rest)| rest);
        let code = code.split('<').next().unwrap_or_default();
        let message = error::message_of(code);
        added.push_str(&format!("<Message>{message}</Message>"));
    }
    if !xml.contains("<RequestId>") {
        added.push_str(&format!("<RequestId>{id}</RequestId>"));
    }
    format!("{}{added}{}", &xml[..end], &xml[end..])
}

impl S3Host for Domains {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let parsed = VirtualHost::new(host);
        Ok(match self.read(host) {
            Host::Bucket(bucket) => parsed.with_bucket(bucket),
            _ => parsed,
        })
    }
}

/// Secrets of access keys.
struct Auth(Adapter);

#[async_trait]
impl S3Auth for Auth {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let key = self.0.key(access_key).await?;
        Ok(SecretKey::from(key.secret))
    }
}

impl Adapter {
    async fn key(&self, access_key_id: &str) -> S3Result<super::Key> {
        match self.keyring.find(access_key_id).await {
            Ok(Some(key)) => Ok(key),
            Ok(None) => Err(s3_error!(
                InvalidAccessKeyId,
                "There is no such access key here; `warmfront keys list` tells those that there are."
            )),
            Err(error) => {
                tracing::error!(%error, "access keys cannot be read");
                Err(s3_error!(
                    ServiceUnavailable,
                    "Access keys cannot be read now."
                ))
            }
        }
    }
}

/// Permissions.
struct Access(Adapter);

#[async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let adapter = &self.0;
        let operation = context.s3_op().name().to_owned();
        let operation = operation.as_str();
        let query = context.uri().query().unwrap_or_default().to_owned();
        let version = version_of(&query);
        let Some((action, on)) = operations::need(operation, version.is_some()) else {
            return Err(error::not_served(format!(
                "{operation} is not implemented."
            )));
        };
        let who = match context.credentials().map(|key| key.access_key.clone()) {
            None => None,
            Some(id) => Some(adapter.key(&id).await?.who),
        };
        let (bucket, key) = match context.s3_path() {
            S3Path::Root => (String::new(), String::new()),
            S3Path::Bucket { bucket } => (bucket.to_string(), String::new()),
            S3Path::Object { bucket, key } => (bucket.to_string(), key.to_string()),
        };
        let sender = context.extensions_mut().get::<Sender>().copied();
        let sender = sender.ok_or(S3ErrorCode::InternalError)?;
        let headers = context.headers();
        let (account_id, is_form) = (&adapter.account_id, operation == "PostObject");
        let mut caller = Caller::new(who, account_id, sender, (&query, headers), is_form);
        let settings = match on {
            On::Everything => None,
            _ if operation == "CreateBucket" => None,
            _ => Some(adapter.settings_of(&bucket)?),
        };
        check_owner(headers, &adapter.account_id)?;
        let region = settings.as_deref().map(|settings| &*settings.bucket.region);
        caller.set_region(region.unwrap_or(&adapter.default_region));
        let resource = match on {
            On::Everything => Resource::Everything,
            On::Bucket => Resource::Bucket(&bucket),
            On::Object => Resource::Object(&bucket, &key),
            On::Itself => {
                let is_public = settings.as_deref().is_some_and(Settings::is_public);
                if !caller.is_signed() && !is_public {
                    return Err(s3_error!(AccessDenied, "Access Denied"));
                }
                context.extensions_mut().insert(Arc::new(caller));
                return Ok(());
            }
        };
        // Only for this decision: the request may be about another object besides.
        let asking = match (&settings, on) {
            (Some(settings), On::Object) => {
                let which = Which {
                    bucket: &bucket,
                    key: &key,
                    version: version.as_deref(),
                };
                adapter.with_tags(&caller, settings, which).await?
            }
            _ => Cow::Borrowed(&caller),
        };
        asking.permit(settings.as_deref(), action, resource)?;
        for action in also(operation, headers) {
            asking.permit(settings.as_deref(), action, resource)?;
        }
        drop(asking);
        unserved::check(operation, headers)?;
        context.extensions_mut().insert(Arc::new(caller));
        Ok(())
    }
}

/// Permissions that an operation needs besides.
fn also(operation: &str, headers: &HeaderMap) -> Vec<&'static str> {
    let is_tagging = headers.contains_key("x-amz-tagging");
    match operation {
        "PutObject" | "CopyObject" | "CreateMultipartUpload" if is_tagging => {
            vec!["s3:PutObjectTagging"]
        }
        "GetObjectAttributes" => vec!["s3:GetObjectAttributes"],
        _ => Vec::new(),
    }
}

impl Adapter {
    /// The caller as conditions on an object's tags see it, if there are any.
    pub(super) async fn with_tags<'c>(
        &self,
        caller: &'c Caller,
        settings: &Settings,
        which: Which<'_>,
    ) -> S3Result<Cow<'c, Caller>> {
        if !settings.asks_for_tags() && !caller.asks_for_tags() {
            return Ok(Cow::Borrowed(caller));
        }
        match self.disk.head(which.bucket, which.key, which.version).await {
            Ok(info) => {
                let mut caller = caller.clone();
                caller.set_object_tags(&info.tags);
                Ok(Cow::Owned(caller))
            }
            // What cannot be known must not pass for no tags.
            Err(error @ (DiskError::Unavailable(_) | DiskError::Damaged(_))) => {
                Err(error::of_disk(error))
            }
            // An object that is not there has no tags.
            Err(_) => Ok(Cow::Borrowed(caller)),
        }
    }
}

fn version_of(query: &str) -> Option<String> {
    let version = text::parameter(query, "versionId");
    version.filter(|version| !version.is_empty())
}

/// Who expects another owner has another bucket in mind.
fn check_owner(headers: &HeaderMap, account_id: &str) -> S3Result<()> {
    for name in [
        "x-amz-expected-bucket-owner",
        "x-amz-source-expected-bucket-owner",
    ] {
        if headers
            .get(name)
            .is_some_and(|owner| owner.as_bytes() != account_id.as_bytes())
        {
            return Err(s3_error!(
                AccessDenied,
                "{name} is not {account_id}, who owns all buckets here."
            ));
        }
    }
    Ok(())
}
