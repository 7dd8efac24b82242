//! Life of a call: bounds, signature, service, permission, input, operation, answer.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use serde_json::Value;
use shapes::rest::{self, Router};
use shapes::schema::{Operation, Service};

use crate::call::{Answer, Call, Origin, Reply};
use crate::error::{ApiError, Failure};
use crate::identity::{self, Caller};
use crate::service::{self, Entry};
use crate::{Control, audit, cloudfront, cloudtrail, iam, ids, key_values, limits, sts, warmfront};

/// A request that is known to be from whom it says, for the service that it is signed for.
pub(crate) struct Admitted<'a> {
    pub parts: &'a http::request::Parts,
    pub body: &'a Bytes,
    pub caller: Caller,
    pub origin: Origin,
    pub now_ms: u64,
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
        let mut form = form_of_path(parts.uri.path());
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
        let presented = sigv4::parse(&signed).map_err(signature_error)?;
        let service = presented.service().to_owned();
        *form = form_of_service(&service);
        let key = identity::find(self, presented.access_key_id()).await?;
        let key = key.ok_or_else(|| {
            ApiError::common(
                "InvalidClientTokenId",
                403,
                format!(
                    "There is no access key '{}' here; `warmfront keys list` tells those that \
                     there are.",
                    presented.access_key_id()
                ),
            )
        })?;
        self.signatures
            .verify(&signed, &presented, &key.secret, now_ms / 1_000)
            .map_err(signature_error)?;
        let header = |name: &str| {
            let value = parts.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let origin = Origin {
            address: peer,
            user_agent: header("user-agent"),
            region: presented.region().unwrap_or("us-east-1").to_owned(),
            request_id: request_id.to_owned(),
            event_source: event_source(&service),
        };
        let caller = key.caller(&self.config.account_id);
        let admitted = Admitted {
            parts,
            body,
            caller,
            origin,
            now_ms,
        };
        Ok((service, admitted))
    }

    async fn dispatch(
        &self,
        service: &str,
        admitted: &Admitted<'_>,
    ) -> Result<Response<Bytes>, Failure> {
        match service {
            "cloudfront" => {
                let model = &shapes::cloudfront::SERVICE;
                self.rest(model, "cloudfront", cloudfront::find, admitted)
                    .await
            }
            "cloudfront-keyvaluestore" => {
                let model = &shapes::cloudfront_keyvaluestore::SERVICE;
                self.rest(model, service, key_values::find, admitted).await
            }
            "cloudtrail" => cloudtrail::answer(self, admitted).await,
            "sts" => sts::answer(self, admitted).await,
            "iam" => iam::answer(self, admitted).await,
            "warmfront" => warmfront::answer(self, admitted).await,
            other => Err(ApiError::common(
                "InvalidSignatureException",
                403,
                format!(
                    "The request is signed for '{other}'; here are cloudfront, \
                     cloudfront-keyvaluestore, cloudtrail, iam, sts and warmfront."
                ),
            )
            .into()),
        }
    }

    /// A call of a service that speaks REST, in XML or JSON.
    async fn rest(
        &self,
        model: &'static Service,
        action_prefix: &str,
        find: fn(&str) -> Option<&'static Entry>,
        admitted: &Admitted<'_>,
    ) -> Result<Response<Bytes>, Failure> {
        let uri = &admitted.parts.uri;
        let query = uri.query().unwrap_or_default();
        let found = Router::new(model)
            .find(admitted.parts.method.as_str(), uri.path(), query)
            .map_err(|error| ApiError::common("UnknownOperationException", 404, error.to_string()))?;
        let operation = found.operation;
        let headers = text_headers(admitted.parts);
        let read = rest::read_request(model, &found, query, &headers, admitted.body);
        let input = match read {
            Ok(input) => input,
            Err(error) => {
                // What may not be done at all is said before what is wrong with it.
                self.permit(admitted, action_prefix, operation, &Value::Null)?;
                return Err(request_error(&error).into());
            }
        };
        self.permit(admitted, action_prefix, operation, &input)?;
        let entry = find(operation.name).ok_or_else(|| not_implemented(operation))?;
        let call = Call {
            control: self,
            operation,
            input,
            caller: &admitted.caller,
            origin: &admitted.origin,
            now_ms: admitted.now_ms,
        };
        let reply = self.run(&call, entry.run).await?;
        let mut response = rest::write_response(model, operation, &reply.output);
        for (name, value) in reply.headers {
            response.headers.push((name.to_owned(), value));
        }
        Ok(http_response(response))
    }

    /// Refuses what the caller may not do.
    pub(crate) fn permit(
        &self,
        admitted: &Admitted<'_>,
        action_prefix: &str,
        operation: &Operation,
        input: &Value,
    ) -> Result<(), Failure> {
        let action = service::action(action_prefix, operation);
        let arns = identity::arns(self, operation, input);
        let refused = arns
            .iter()
            .find(|arn| !admitted.caller.policy.decide(&action, arn).is_allowed());
        let Some(arn) = refused else { return Ok(()) };
        Err(ApiError::common(
            "AccessDenied",
            403,
            format!(
                "User: {} is not authorized to perform: {action} on resource: {arn}",
                admitted.caller.arn
            ),
        )
        .into())
    }

    /// A call of CloudFront's without a request around it: its input and its output are the JSON
    /// that the AWS CLI takes and prints. Permission is not asked.
    pub async fn invoke(
        &self,
        operation: &str,
        input: Value,
        caller: &Caller,
        origin: &Origin,
        now_ms: u64,
    ) -> Result<Value, ApiError> {
        let operations = shapes::cloudfront::OPERATIONS;
        let operation = operations
            .iter()
            .find(|known| known.name == operation)
            .ok_or_else(|| {
                let message = format!("CloudFront has no operation {operation}.");
                ApiError::common("UnknownOperationException", 404, message)
            })?;
        let entry = cloudfront::find(operation.name).ok_or_else(|| not_implemented(operation))?;
        if let Some(shape) = operation.input.as_ref().map(|input| input.shape)
            && let Some(error) = shapes::check_types(shape, &input).first()
        {
            return Err(ApiError::common("MalformedXML", 400, error.to_string()));
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
        reply.map(|reply| reply.output).map_err(Failure::into_api_error)
    }

    /// Runs an operation, again if another changed what it is based on, and records a failure.
    pub(crate) async fn run(
        &self,
        call: &Call<'_>,
        run: for<'c> fn(&'c Call<'c>) -> crate::call::Answering<'c>,
    ) -> Answer {
        let mut answer: Result<Reply, Failure> = Err(Failure::Conflict);
        for _ in 0..limits::CONFLICT_ATTEMPTS_MAX {
            answer = run(call).await;
            if !matches!(answer, Err(Failure::Conflict)) {
                break;
            }
        }
        let error = match answer {
            Ok(reply) => return Ok(reply),
            Err(failure) => failure.into_api_error(),
        };
        if !service::is_read_only(call.operation.name) {
            let (key, value) = audit::failure(call, &error);
            // The client is told of its failure whether this can be noted or not.
            if let Err(error) = self.store.commit(store::Txn::new().put(key, value)).await {
                tracing::error!(%error, "a failed call is not in the audit record");
            }
        }
        Err(error.into())
    }
}

fn text_headers(parts: &http::request::Parts) -> Vec<(&str, &str)> {
    let headers = parts.headers.iter();
    headers
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect()
}

fn http_response(response: rest::Response) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(response.body));
    *answer.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::OK);
    let content_type = response.content_type.map(|kind| ("content-type", kind));
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

fn not_implemented(operation: &Operation) -> ApiError {
    let message = format!("{} is not implemented.", operation.name);
    ApiError {
        is_senders_fault: true,
        ..ApiError::common("NotImplemented", 501, message)
    }
}

fn request_error(error: &rest::RequestError) -> ApiError {
    let code = match error {
        rest::RequestError::MissingBody => "MissingBody",
        _ => "MalformedXML",
    };
    ApiError::common(code, 400, error.to_string())
}

fn signature_error(error: sigv4::VerifyError) -> ApiError {
    ApiError::common(error.code(), error.status(), error.to_string())
}

fn form_of_path(path: &str) -> ErrorForm {
    if path == "/" || path.starts_with("/key-value-stores") {
        ErrorForm::Json
    } else {
        ErrorForm::Xml(CLOUDFRONT_NAMESPACE)
    }
}

fn form_of_service(service: &str) -> ErrorForm {
    match service {
        "cloudfront" => ErrorForm::Xml(CLOUDFRONT_NAMESPACE),
        "sts" => ErrorForm::Xml(sts::NAMESPACE),
        "iam" => ErrorForm::Xml(iam::NAMESPACE),
        _ => ErrorForm::Json,
    }
}

fn event_source(service: &str) -> &'static str {
    match service {
        "cloudfront" => "cloudfront.amazonaws.com",
        "cloudfront-keyvaluestore" => "cloudfront-keyvaluestore.amazonaws.com",
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
    let (content_type, body) = match form {
        ErrorForm::Xml(namespace) => {
            let message = shapes::xml::escape(&error.message);
            let body = format!(
                "<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{kind}</Type>\
                 <Code>{}</Code><Message>{message}</Message></Error>\
                 <RequestId>{request_id}</RequestId></ErrorResponse>",
                error.code
            );
            ("text/xml", body)
        }
        ErrorForm::Json => {
            let body = serde_json::json!({
                "__type": error.code, "message": error.message, "Message": error.message,
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
        && let Ok(code) = HeaderValue::from_str(&error.code)
    {
        headers.insert("x-amzn-errortype", code);
    }
    response
}
