//! Life of a call: bounds, signature, service, permission, input, operation, answer.

use std::net::IpAddr;
use std::sync::{LazyLock, PoisonError};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use serde_json::Value;
use shapes::ShapeError;
use shapes::rest::{self, Found, RouteError, Router};
use shapes::schema::{Operation, Protocol, Service};
use sigv4::{Dialect, ErrorStyle, Presented, Terms, Verified};

use crate::call::{Answer, Call, Origin, Reply};
use crate::error::{ApiError, Failure};
use crate::identity::{self, Caller, Circumstances};
use crate::service::{self, Entry, Run};
use crate::{
    Control, acm, audit, cloudfront, cloudtrail, iam, ids, key_values, limits, route53, sts,
    warmfront,
};

/// A request that is known to be from whom it says, for the service that it is signed for.
pub(crate) struct Admitted<'a> {
    pub parts: &'a http::request::Parts,
    pub body: &'a Bytes,
    pub caller: Caller,
    pub origin: Origin,
    pub now_ms: u64,
    /// By which a copy of the request is known.
    pub signature: Verified,
}

/// How a service writes its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorForm {
    /// `<ErrorResponse>` in a namespace, as REST-XML and the query protocol have it.
    Xml(&'static str),
    /// `{"__type": …}`, as the JSON protocols have it.
    Json,
}

const CLOUDFRONT_NAMESPACE: &str = "http://cloudfront.amazonaws.com/doc/2020-05-31/";
const ROUTE53_NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

/// Signatures for several regions must be for this one too: global services are in it.
const REGION: &str = "us-east-1";

static CLOUDFRONT: LazyLock<Router> = LazyLock::new(|| Router::new(&shapes::cloudfront::SERVICE));
static ROUTE53: LazyLock<Router> = LazyLock::new(|| Router::new(&shapes::route53::SERVICE));
static KEY_VALUES: LazyLock<Router> =
    LazyLock::new(|| Router::new(&shapes::cloudfront_keyvaluestore::SERVICE));

impl Control {
    /// Answers a request; `peer` is who sent it, `now_ms` when, in milliseconds since 1970.
    pub async fn handle(
        &self,
        request: Request<Bytes>,
        peer: IpAddr,
        now_ms: u64,
    ) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let request_id = ids::uuid();
        let mut form = form_of_request(&parts);
        let admitted = self.admit(&parts, &body, peer, now_ms, &request_id, &mut form);
        let outcome = match admitted.await {
            Ok((service, admitted)) => self.dispatch(&service, &admitted).await,
            Err(failure) => Err(failure),
        };
        let mut response = match outcome {
            Ok(response) => response,
            Err(failure) => error_response(form, &failure.into_api_error(), &request_id),
        };
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert("x-amzn-requestid", id);
        }
        response
    }

    /// Who sent it, and for which service: by its signature. Sets the form of errors to the
    /// service's as soon as that is known.
    async fn admit<'a>(
        &self,
        parts: &'a http::request::Parts,
        body: &'a Bytes,
        peer: IpAddr,
        now_ms: u64,
        request_id: &str,
        form: &mut ErrorForm,
    ) -> Result<(String, Admitted<'a>), Failure> {
        if body.len() > limits::BODY_BYTES_MAX {
            return Err(ApiError::common(
                "RequestEntityTooLarge",
                413,
                format!(
                    "The body has {} bytes; at most {} are allowed.",
                    body.len(),
                    limits::BODY_BYTES_MAX
                ),
            )
            .into());
        }
        let headers: Vec<(&str, &[u8])> = parts
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let signed = sigv4::Request {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &headers,
            body,
        };
        let presented = sigv4::parse(&signed).map_err(|error| signature_error(error, *form))?;
        let service = presented.credential.service.clone();
        *form = form_of_service(&service).unwrap_or(*form);
        let secret = self.key_of(&presented, *form).await?;
        let terms = Terms {
            now_secs: now_ms / 1_000,
            dialect: Dialect::Common,
            region: REGION,
        };
        let signature = self
            .signatures
            .verify(&signed, &presented, &secret.secret, &terms)
            .map_err(|error| signature_error(error, *form))?;
        let header = |name: &str| {
            let value = parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let origin = Origin {
            address: peer,
            user_agent: header("user-agent"),
            region: presented
                .credential
                .region
                .unwrap_or_else(|| REGION.to_owned()),
            request_id: request_id.to_owned(),
            event_source: event_source(&service),
        };
        let caller = secret.caller(&self.config.account_id);
        let admitted = Admitted {
            parts,
            body,
            caller,
            origin,
            now_ms,
            signature,
        };
        Ok((service, admitted))
    }

    /// The access key that a request claims to be signed with.
    async fn key_of(
        &self,
        presented: &Presented,
        form: ErrorForm,
    ) -> Result<identity::AccessKey, Failure> {
        let code = match form {
            ErrorForm::Xml(_) => "InvalidClientTokenId",
            ErrorForm::Json => "UnrecognizedClientException",
        };
        let id = &presented.credential.access_key_id;
        if presented.session_token.is_some() {
            let message = "The request has a session token, and no access key of this \
                           installation is one of a session: is AWS_SESSION_TOKEN set from \
                           elsewhere?";
            return Err(ApiError::common(code, 403, message).into());
        }
        let key = identity::find(self, id).await?;
        key.ok_or_else(|| {
            let message = format!(
                "There is no access key '{id}' here; `warmfront keys list` tells those that \
                 there are."
            );
            ApiError::common(code, 403, message).into()
        })
    }

    async fn dispatch(
        &self,
        service: &str,
        admitted: &Admitted<'_>,
    ) -> Result<Response<Bytes>, Failure> {
        if !self.config.is_control && !is_about_the_node(service, admitted) {
            return Err(not_control().into());
        }
        match service {
            "acm" => {
                let service = &shapes::acm::SERVICE;
                self.json(service, acm::find, acm::input_error, admitted)
                    .await
            }
            "cloudfront" => {
                self.rest(&CLOUDFRONT, service, cloudfront::find, admitted)
                    .await
            }
            "cloudfront-keyvaluestore" => {
                self.rest(&KEY_VALUES, service, key_values::find, admitted)
                    .await
            }
            "route53" => self.rest(&ROUTE53, service, route53::find, admitted).await,
            "cloudtrail" => {
                let service = &shapes::cloudtrail::SERVICE;
                let (find, input_error) = (cloudtrail::find, cloudtrail::input_error);
                self.json(service, find, input_error, admitted).await
            }
            "sts" => sts::answer(self, admitted).await,
            "iam" => iam::answer(self, admitted).await,
            "warmfront" => warmfront::answer(self, admitted).await,
            other => Err(ApiError::common(
                "NotImplemented",
                501,
                format!(
                    "The request is signed for '{other}', which is not implemented; here are acm, \
                     cloudfront, cloudfront-keyvaluestore, cloudtrail, iam, route53, sts and \
                     warmfront."
                ),
            )
            .into()),
        }
    }

    /// A call of a service that speaks REST, in XML or JSON.
    async fn rest(
        &self,
        router: &Router,
        action_prefix: &str,
        find: fn(&str) -> Option<&'static Entry>,
        admitted: &Admitted<'_>,
    ) -> Result<Response<Bytes>, Failure> {
        let uri = &admitted.parts.uri;
        let query = uri.query().unwrap_or_default();
        let method = admitted.parts.method.as_str();
        let path = match action_prefix {
            "route53" => route53::path(method, uri.path()),
            _ => uri.path().into(),
        };
        let found = router.find(method, &path, query).map_err(route_error)?;
        let operation = found.operation;
        let headers = text_headers(admitted.parts);
        let (input, fault) = match rest::read_request(&found, query, &headers, admitted.body) {
            Ok(input) => (input, None),
            Err(error) => {
                let known = found.placeholders.iter();
                let known = known.map(|(name, value)| ((*name).to_owned(), value.as_str().into()));
                (
                    Value::Object(known.collect()),
                    Some(request_error(&error, operation.protocol, action_prefix)),
                )
            }
        };
        let call = admitted.call(self, operation, input);
        let run = find(operation.name).map(|entry| entry.run);
        let reply = self
            .answer(&call, action_prefix, admitted, fault, run)
            .await?;
        let mut response = rest::write_response(operation, &reply.output);
        for (name, value) in reply.headers {
            response.headers.push((name.to_owned(), value));
        }
        Ok(http_response(response))
    }

    /// A call of a service that speaks AWS's JSON protocol: a header names the operation.
    async fn json(
        &self,
        service: &'static Service,
        find: fn(&str) -> Option<&'static Entry>,
        input_error: fn(&'static Operation, &rest::RequestError) -> ApiError,
        admitted: &Admitted<'_>,
    ) -> Result<Response<Bytes>, Failure> {
        let name = target(admitted, service.target_prefix.unwrap_or_default())?;
        let operation = service.operation(name);
        let operation = operation.ok_or_else(|| not_implemented(name))?;
        let found = Found {
            operation,
            placeholders: Vec::new(),
        };
        let (input, fault) = match rest::read_request(&found, "", &[], admitted.body) {
            Ok(input) => (input, None),
            Err(error) => (Value::Null, Some(input_error(operation, &error))),
        };
        let call = admitted.call(self, operation, input);
        let run = find(operation.name).map(|entry| entry.run);
        let answer = self.answer(&call, service.name, admitted, fault, run);
        let reply = answer.await?;
        Ok(http_response(rest::write_response(
            operation,
            &reply.output,
        )))
    }

    /// Runs an operation if the caller may, its input has no `fault`, it is implemented, and the
    /// request is no copy of an earlier one; in this order: what may not be done at all is said
    /// before what is wrong with it. What is refused is recorded like what fails.
    pub(crate) async fn answer(
        &self,
        call: &Call<'_>,
        action_prefix: &str,
        admitted: &Admitted<'_>,
        fault: Option<ApiError>,
        run: Option<Run>,
    ) -> Answer {
        let checked = || {
            self.permit(call, action_prefix)?;
            match fault {
                Some(fault) => return Err(fault),
                None => self.refuse_copy(call.operation, admitted)?,
            }
            run.ok_or_else(|| not_implemented(call.operation.name))
        };
        match checked() {
            Ok(run) => self.run(call, run).await,
            Err(error) => {
                self.record_failure(call, &error).await;
                Err(error.into())
            }
        }
    }

    /// Refuses what the caller may not do.
    pub(crate) fn permit(&self, call: &Call<'_>, service: &str) -> Result<(), ApiError> {
        let arn = |resource: &str| match service {
            "acm" => {
                let (region, account) = (&call.origin.region, &self.config.account_id);
                format!("arn:aws:acm:{region}:{account}:{resource}")
            }
            _ => self.arn(resource),
        };
        for need in identity::needs(arn, service, call.operation, &call.input) {
            call.permit(&need.action, &need.resource)?;
        }
        Ok(())
    }

    /// Refuses a request that would change something a second time. See [`sigv4::ReplayGuard`].
    fn refuse_copy(&self, operation: &Operation, admitted: &Admitted<'_>) -> Result<(), ApiError> {
        if service::is_read_only(operation.name) {
            return Ok(());
        }
        // The guard is whole at any moment, so poison means nothing.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.admit(&admitted.signature, admitted.now_ms / 1_000) {
            return Ok(());
        }
        let message = format!(
            "This very request was taken more than {} seconds ago; sign it anew to repeat it.",
            sigv4::limits::REPLAY_GRACE_SECS
        );
        Err(ApiError::common("SignatureDoesNotMatch", 403, message))
    }

    /// A call of CloudFront's, Route 53's or ACM's, by the origin's event source, without a request
    /// around it: its input and its output are the JSON that the AWS CLI takes and prints.
    /// Permission is not asked.
    pub async fn invoke(
        &self,
        operation: &str,
        input: Value,
        caller: &Caller,
        origin: &Origin,
        now_ms: u64,
    ) -> Result<Value, ApiError> {
        let is_of = |service| origin.event_source == event_source(service);
        let (is_route53, is_acm) = (is_of("route53"), is_of("acm"));
        let (service, entry) = match (is_route53, is_acm) {
            (true, _) => (&shapes::route53::SERVICE, route53::find(operation)),
            (_, true) => (&shapes::acm::SERVICE, acm::find(operation)),
            _ => (&shapes::cloudfront::SERVICE, cloudfront::find(operation)),
        };
        let operation = service.operation(operation).ok_or_else(|| {
            let message = format!("There is no operation {operation}.");
            ApiError::common("UnknownOperationException", 404, message)
        })?;
        let entry = entry.ok_or_else(|| not_implemented(operation.name))?;
        if let Some(shape) = operation.input.as_ref().map(|input| input.shape)
            && let Some(error) = shapes::check_types(shape, &input).into_iter().next()
        {
            let code = match parameter_code(std::slice::from_ref(&error)) {
                _ if is_route53 => {
                    return Err(route53::request_error(&rest::RequestError::Body(vec![
                        error,
                    ])));
                }
                _ if is_acm => {
                    return Err(acm::input_error(
                        operation,
                        &rest::RequestError::Body(vec![error]),
                    ));
                }
                "InvalidArgument" => "MalformedXML",
                code => code,
            };
            return Err(ApiError::common(code, 400, error.to_string()));
        }
        let call = Call {
            control: self,
            operation,
            input,
            caller,
            origin,
            now_ms,
        };
        let reply = self.run(&call, entry.run).await;
        reply
            .map(|reply| reply.output)
            .map_err(Failure::into_api_error)
    }

    /// Runs an operation, again if another changed what it is based on, and records a failure.
    ///
    /// Calls that meet others again and again go one after the other: then the one whose turn it
    /// is meets newcomers alone, and each comes to its end however many there are. (An operation
    /// that runs another one tells of its conflicts itself, so that nobody waits for his own turn.)
    pub(crate) async fn run(&self, call: &Call<'_>, run: Run) -> Answer {
        let mut answer = attempt(call, run, limits::CONFLICT_ATTEMPTS_AT_ONCE).await;
        if matches!(answer, Err(Failure::Conflict)) {
            let _turn = self.turn.lock().await;
            answer = attempt(call, run, limits::CONFLICT_ATTEMPTS_MAX).await;
        }
        let error = match answer {
            Ok(reply) => return Ok(reply),
            Err(failure) => failure.into_api_error(),
        };
        self.record_failure(call, &error).await;
        Err(error.into())
    }

    async fn record_failure(&self, call: &Call<'_>, error: &ApiError) {
        if service::is_read_only(call.operation.name) {
            return;
        }
        let (key, value) = audit::failure(call, error);
        // The client is told of its failure whether this can be noted or not.
        if let Err(error) = self.store.commit(store::Txn::new().put(key, value)).await {
            tracing::error!(%error, "a failed call is not in the audit record");
        }
        audit::sweep(self, call.now_ms).await;
    }
}

impl Admitted<'_> {
    /// The call that the request makes.
    pub(crate) fn call<'c>(
        &'c self,
        control: &'c Control,
        operation: &'static Operation,
        input: Value,
    ) -> Call<'c> {
        Call {
            control,
            operation,
            input,
            caller: &self.caller,
            origin: &self.origin,
            now_ms: self.now_ms,
        }
    }

    /// Refuses what the caller's policy does not allow.
    pub(crate) fn permit(
        &self,
        control: &Control,
        action: &str,
        resource: &str,
    ) -> Result<(), ApiError> {
        let circumstances = Circumstances {
            account_id: &control.config.account_id,
            origin: &self.origin,
            now_ms: self.now_ms,
        };
        self.caller.permit(action, resource, &circumstances)
    }
}

/// Runs an operation until it meets no other, at most so often.
async fn attempt(call: &Call<'_>, run: Run, most: usize) -> Answer {
    let mut answer: Result<Reply, Failure> = Err(Failure::Conflict);
    for _ in 0..most {
        answer = run(call).await;
        if !matches!(answer, Err(Failure::Conflict)) {
            break;
        }
    }
    answer
}

pub(crate) fn text_headers(parts: &http::request::Parts) -> Vec<(&str, &str)> {
    let headers = parts.headers.iter();
    headers
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect()
}

pub(crate) fn http_response(response: rest::Response) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(response.body));
    *answer.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::OK);
    let content_type = response.content_type.as_deref();
    let content_type = content_type.map(|kind| ("content-type", kind));
    let headers = response.headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in headers.chain(content_type) {
        let name = http::HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}

/// The operation that a call in AWS's JSON protocol asks for, if it is one to this service.
pub(crate) fn target<'a>(admitted: &Admitted<'a>, prefix: &str) -> Result<&'a str, ApiError> {
    let parts = admitted.parts;
    if parts.method != http::Method::POST {
        let message = format!("The method is {}; allowed is POST.", parts.method);
        return Err(ApiError::common("MethodNotAllowed", 405, message));
    }
    let target = parts.headers.get("x-amz-target");
    let target = target
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let name = target.strip_prefix(prefix);
    let name = name.and_then(|rest| rest.strip_prefix('.'));
    let name = name.filter(|name| !name.is_empty());
    name.ok_or_else(|| {
        let message = format!("X-Amz-Target is '{target}'; here it begins with '{prefix}.'.");
        ApiError::common("UnknownOperationException", 400, message)
    })
}

/// The answer to an operation that the service has, but not this one.
pub(crate) fn not_implemented(operation: &str) -> ApiError {
    ApiError {
        is_senders_fault: true,
        ..ApiError::common(
            "NotImplemented",
            501,
            format!("{operation} is not implemented."),
        )
    }
}

/// Whether a request is for what every node answers: how it came to an answer of its own.
fn is_about_the_node(service: &str, admitted: &Admitted<'_>) -> bool {
    let name = (service == "warmfront").then(|| target(admitted, "Warmfront"));
    matches!(name, Some(Ok("Explain" | "ExplainDns")))
}

/// The answer of a node that does not have the role `control` to all else.
fn not_control() -> ApiError {
    let message = "This node does not have the role 'control'; ask one that has it. It answers \
                   `warmfront explain` and `warmfront dns explain`, and nothing else.";
    ApiError {
        is_senders_fault: true,
        ..ApiError::common("NotImplemented", 501, message)
    }
}

fn route_error(error: RouteError) -> ApiError {
    match error {
        RouteError::NoSuchPath => {
            ApiError::common("UnknownOperationException", 404, error.to_string())
        }
        RouteError::MethodNotAllowed { .. } => {
            ApiError::common("MethodNotAllowed", 405, error.to_string())
        }
    }
}

/// The answer to a request that does not fit its operation.
pub(crate) fn request_error(
    error: &rest::RequestError,
    protocol: Protocol,
    service: &str,
) -> ApiError {
    let code = match error {
        _ if service == "route53" => return route53::request_error(error),
        // One code for everything, as services that speak JSON have it.
        _ if protocol != Protocol::RestXml => "ValidationException",
        rest::RequestError::MissingBody => "MissingBody",
        rest::RequestError::Parameters(errors) => parameter_code(errors),
        rest::RequestError::Body(_) | rest::RequestError::UnknownMembers(_) => "MalformedXML",
    };
    ApiError::common(code, 400, error.to_string())
}

/// A missing entity tag has a code of its own (spec §1.5).
fn parameter_code(errors: &[ShapeError]) -> &'static str {
    match errors.first() {
        Some(error) if error.path == "IfMatch" => "InvalidIfMatchVersion",
        _ => "InvalidArgument",
    }
}

fn signature_error(error: sigv4::VerifyError, form: ErrorForm) -> ApiError {
    let style = match form {
        ErrorForm::Xml(_) => ErrorStyle::Xml,
        ErrorForm::Json => ErrorStyle::Json,
    };
    ApiError::common(error.code(style), error.status(style), error.to_string())
}

/// Before anything else is known: by where the request goes and what it holds.
fn form_of_request(parts: &http::request::Parts) -> ErrorForm {
    let is_form = || {
        let content_type = parts.headers.get("content-type");
        let text = content_type.and_then(|value| value.to_str().ok());
        text.is_some_and(|text| text.starts_with("application/x-www-form-urlencoded"))
    };
    match parts.uri.path() {
        "/" if is_form() || parts.uri.query().is_some() => ErrorForm::Xml(sts::NAMESPACE),
        "/" => ErrorForm::Json,
        path if path.starts_with("/key-value-stores") => ErrorForm::Json,
        path if path.starts_with("/2013-04-01") => ErrorForm::Xml(ROUTE53_NAMESPACE),
        _ => ErrorForm::Xml(CLOUDFRONT_NAMESPACE),
    }
}

/// Nothing for services that are not here: the request itself tells best what its sender reads.
fn form_of_service(service: &str) -> Option<ErrorForm> {
    Some(match service {
        "cloudfront" => ErrorForm::Xml(CLOUDFRONT_NAMESPACE),
        "route53" => ErrorForm::Xml(ROUTE53_NAMESPACE),
        "sts" => ErrorForm::Xml(sts::NAMESPACE),
        "iam" => ErrorForm::Xml(iam::NAMESPACE),
        "acm" | "cloudfront-keyvaluestore" | "cloudtrail" | "warmfront" => ErrorForm::Json,
        _ => return None,
    })
}

fn event_source(service: &str) -> &'static str {
    match service {
        "acm" => "acm.amazonaws.com",
        "cloudfront" => "cloudfront.amazonaws.com",
        "cloudfront-keyvaluestore" => "cloudfront-keyvaluestore.amazonaws.com",
        "route53" => "route53.amazonaws.com",
        "iam" => "iam.amazonaws.com",
        "sts" => "sts.amazonaws.com",
        "cloudtrail" => "cloudtrail.amazonaws.com",
        _ => "warmfront",
    }
}

fn error_response(form: ErrorForm, error: &ApiError, request_id: &str) -> Response<Bytes> {
    let kind = if error.is_senders_fault {
        "Sender"
    } else {
        "Receiver"
    };
    let code = match (form, &*error.code) {
        // The same refusal has another name there.
        (ErrorForm::Json, "AccessDenied") => "AccessDeniedException",
        (_, code) => code,
    };
    let (content_type, body) = match form {
        ErrorForm::Xml(namespace) => {
            let message = shapes::xml::escape(&error.message);
            let body = format!(
                "<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=\"{namespace}\"><Error>\
                 <Type>{kind}</Type><Code>{}</Code><Message>{message}</Message></Error>\
                 <RequestId>{request_id}</RequestId></ErrorResponse>",
                code
            );
            ("text/xml", body)
        }
        ErrorForm::Json => {
            let body = serde_json::json!({
                "__type": code, "message": error.message, "Message": error.message,
            });
            ("application/json", body.to_string())
        }
    };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() =
        StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(content_type));
    if form == ErrorForm::Json
        && let Ok(code) = HeaderValue::from_str(code)
    {
        headers.insert("x-amzn-errortype", code);
    }
    response
}
