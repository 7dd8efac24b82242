//! A bucket's website endpoint: requests become anonymous requests of S3, and their answers pages.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use s3s::Body;

use super::caller::Sender;
use super::service::Service;
use super::text::{path_decoded, url_encoded};
use super::website::{Asked, Step, Website, error_page};

/// What of a browser's request is asked of S3, too.
const PASSED_ON: &[http::HeaderName] = &[
    header::RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::ORIGIN,
];

impl Service {
    /// Answers a request to a bucket's website.
    pub(super) async fn website(
        &self,
        bucket: &str,
        request: &Request<()>,
        sender: Sender,
    ) -> Response<Body> {
        let method = request.method();
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut response = page(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", bucket);
            let allowed = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(header::ALLOW, allowed);
            return response;
        }
        let Some(settings) = self.adapter.settings.of(&self.adapter.disk, bucket) else {
            return page(StatusCode::NOT_FOUND, "NoSuchBucket", bucket);
        };
        let Some(website) = &settings.website else {
            let code = "NoSuchWebsiteConfiguration";
            return page(StatusCode::NOT_FOUND, code, bucket);
        };
        let path = request.uri().path();
        let key = path_decoded(path.strip_prefix('/').unwrap_or(path));
        let Some(key) = key else {
            return page(StatusCode::BAD_REQUEST, "InvalidURI", bucket);
        };
        let host = request.headers().get(header::HOST);
        let asked = Asked {
            host: host.and_then(|host| host.to_str().ok()).unwrap_or_default(),
            key: &key,
            path_and_query: request
                .uri()
                .path_and_query()
                .map_or("/", |all| all.as_str()),
        };
        let visit = Visit {
            service: self,
            bucket,
            method,
            sender,
        };
        let mut response = visit.answer(website, &asked, request.headers()).await;
        let fields = super::cors::answer(&settings.cors, method, request.headers());
        response.headers_mut().extend(fields);
        response
    }
}

/// A browser at a website.
struct Visit<'a> {
    service: &'a Service,
    bucket: &'a str,
    method: &'a Method,
    sender: Sender,
}

impl Visit<'_> {
    async fn answer(
        &self,
        website: &Website,
        asked: &Asked<'_>,
        headers: &HeaderMap,
    ) -> Response<Body> {
        let key = match website.begin(asked) {
            Step::Redirect(status, location) => return redirect(status, &location),
            Step::Object(key) => key,
        };
        let mut response = self.read(self.method, &key, headers).await;
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            let location = response
                .headers_mut()
                .remove("x-amz-website-redirect-location");
            return match location
                .as_ref()
                .and_then(|location| location.to_str().ok())
            {
                Some(location) => redirect(StatusCode::MOVED_PERMANENTLY, location),
                None => response,
            };
        }
        if !matches!(status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) {
            return self.error(website, status, response).await;
        }
        if let Some(index) = website.directory_index(asked.key) {
            let found = self.read(&Method::HEAD, &index, &HeaderMap::new()).await;
            if found.status().is_success()
                && let Step::Redirect(status, location) = Website::directory(asked.key)
            {
                return redirect(status, &location);
            }
        }
        if let Some(Step::Redirect(status, location)) = website.redirect(asked, Some(status)) {
            return redirect(status, &location);
        }
        self.error(website, status, response).await
    }

    /// The bucket's page for errors, or ours.
    async fn error(
        &self,
        website: &Website,
        status: StatusCode,
        response: Response<Body>,
    ) -> Response<Body> {
        if let Some(key) = &website.error {
            let mut response = self.read(self.method, key, &HeaderMap::new()).await;
            if response.status().is_success() {
                *response.status_mut() = status;
                let fields = response.headers_mut();
                fields.remove("x-amz-website-redirect-location");
                // It is no part of what was asked for.
                fields.remove(header::ACCEPT_RANGES);
                return response;
            }
        }
        let range = response.headers().get(header::CONTENT_RANGE).cloned();
        let text = response
            .into_body()
            .collect()
            .await
            .map(|body| body.to_bytes());
        let text = text.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let code = text
            .split_once("<Code>")
            .and_then(|(_, rest)| rest.split('<').next());
        let code = code.filter(|code| !code.is_empty()).unwrap_or("Error");
        let mut response = page(status, code, self.bucket);
        if let Some(range) = range {
            response.headers_mut().insert(header::CONTENT_RANGE, range);
        }
        response
    }

    /// An object as anybody reads it.
    async fn read(&self, method: &Method, key: &str, headers: &HeaderMap) -> Response<Body> {
        let path = format!("/{}/{}", self.bucket, url_encoded(key));
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.method_mut() = method.clone();
        match path.parse() {
            Ok(uri) => *request.uri_mut() = uri,
            Err(_) => return page(StatusCode::BAD_REQUEST, "InvalidURI", self.bucket),
        }
        // The path begins with the bucket at this host.
        let host = HeaderValue::from_static("s3.localhost");
        request.headers_mut().insert(header::HOST, host);
        for name in PASSED_ON {
            if let Some(value) = headers.get(name) {
                request.headers_mut().insert(name.clone(), value.clone());
            }
        }
        for name in [header::REFERER, header::USER_AGENT] {
            if let Some(value) = headers.get(&name) {
                request.headers_mut().insert(name, value.clone());
            }
        }
        super::service::drop_unreadable(request.headers_mut());
        self.service.run(request, self.sender).await
    }
}

fn redirect(status: StatusCode, location: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    // Keys of redirects are stored as they were sent, and may have what fields cannot.
    match HeaderValue::from_str(location) {
        Ok(location) => {
            response.headers_mut().insert(header::LOCATION, location);
            response
        }
        Err(_) => page(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InvalidRedirect",
            location,
        ),
    }
}

fn page(status: StatusCode, code: &str, about: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(error_page(status, code, about)));
    *response.status_mut() = status;
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}
