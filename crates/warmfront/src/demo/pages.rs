//! What the demo origin answers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use hyper::body::Bytes;
use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    IF_NONE_MATCH, IF_RANGE, RANGE,
};
use hyper::{Method, Request, Response, StatusCode};

use super::large::{Content, LARGE_BYTES, selected};

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const SLOWNESS: Duration = Duration::from_secs(2);
/// News stay the same for so long.
const EDITION_SECS: u64 = 600;

/// The site and its state.
pub struct Pages {
    index: String,
    assets: [Asset; 3],
    is_broken: AtomicBool,
    /// Requests that came this far.
    requests: AtomicU64,
    visits: AtomicU64,
    started_at: Instant,
}

/// A file whose name changes with its content.
struct Asset {
    path: String,
    content_type: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(extension: &str, content_type: &'static str, content: &'static str) -> Asset {
        let hash = content.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        Asset {
            path: format!("/assets/app.{hash:08x}.{extension}"),
            content_type,
            content,
        }
    }
}

impl Pages {
    /// Nothing broken, nobody here yet.
    pub fn new() -> Pages {
        let assets = [
            Asset::new("css", "text/css; charset=utf-8", include_str!("app.css")),
            Asset::new(
                "js",
                "text/javascript; charset=utf-8",
                include_str!("app.js"),
            ),
            Asset::new("svg", "image/svg+xml", include_str!("app.svg")),
        ];
        let index = include_str!("index.html")
            .replace("{{css}}", &assets[0].path)
            .replace("{{js}}", &assets[1].path)
            .replace("{{svg}}", &assets[2].path);
        Pages {
            index,
            assets,
            is_broken: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            visits: AtomicU64::new(0),
            started_at: Instant::now(),
        }
    }

    /// Answers a request.
    pub async fn answer<B>(&self, request: &Request<B>) -> Response<Content> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let path = request.uri().path();
        if path == "/slow" {
            tokio::time::sleep(SLOWNESS).await;
        }
        match (request.method(), path) {
            (&Method::POST, "/demo/break" | "/demo/mend") => self.switch(path == "/demo/break"),
            (&Method::GET | &Method::HEAD, _) => self.page(request, path, number),
            _ => respond(
                StatusCode::METHOD_NOT_ALLOWED,
                TEXT,
                "no-store",
                "Not here.\n",
            ),
        }
    }

    fn switch(&self, is_broken: bool) -> Response<Content> {
        self.is_broken.store(is_broken, Ordering::Relaxed);
        let text = match is_broken {
            true => "/flaky answers 503 from now on.\n",
            false => "/flaky is well again.\n",
        };
        respond(StatusCode::OK, TEXT, "no-store", text)
    }

    fn page<B>(&self, request: &Request<B>, path: &str, number: u64) -> Response<Content> {
        let ok = |content_type, cache_control, text: &str| {
            respond(StatusCode::OK, content_type, cache_control, text)
        };
        match path {
            "/" | "/index.html" => ok(HTML, "max-age=60", &self.index),
            "/hello.txt" => ok(TEXT, "max-age=300", "Hello from the demo origin.\n"),
            "/news" => self.news(request),
            "/flaky" => self.flaky(number),
            "/slow" => ok(
                TEXT,
                "max-age=30",
                &format!("This took two seconds, once. Origin request {number}.\n"),
            ),
            "/large.bin" => large(request),
            "/api/time" => {
                let now = SystemTime::UNIX_EPOCH
                    .elapsed()
                    .unwrap_or_default()
                    .as_secs();
                let text = format!("{{\"unix_secs\": {now}, \"origin_request\": {number}}}\n");
                ok(JSON, "max-age=2, stale-while-revalidate=10", &text)
            }
            "/api/visits" => {
                let visits = self.visits.fetch_add(1, Ordering::Relaxed) + 1;
                ok(JSON, "no-store", &format!("{{\"visits\": {visits}}}\n"))
            }
            "/demo/state" => {
                let is_broken = self.is_broken.load(Ordering::Relaxed);
                let text = format!("{{\"broken\": {is_broken}, \"origin_requests\": {number}}}\n");
                ok(JSON, "no-store", &text)
            }
            "/errors/404.html" => ok(HTML, "max-age=60", include_str!("404.html")),
            _ => match self.assets.iter().find(|asset| asset.path == path) {
                Some(asset) => ok(
                    asset.content_type,
                    "max-age=31536000, immutable",
                    asset.content,
                ),
                None => respond(StatusCode::NOT_FOUND, TEXT, "max-age=5", "Not found.\n"),
            },
        }
    }

    fn news<B>(&self, request: &Request<B>) -> Response<Content> {
        let edition = self.started_at.elapsed().as_secs() / EDITION_SECS + 1;
        let etag = format!("\"edition-{edition}\"");
        let field = request
            .headers()
            .get(IF_NONE_MATCH)
            .map(HeaderValue::as_bytes);
        // A weak comparison: the edge may have made the tag weak when it compressed.
        let is_known = field.is_some_and(|field| {
            let mut tags = field.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            tags.any(|tag| tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
        });
        let text = format!("Edition {edition}: nothing happened, quickly.\n");
        let mut response = match is_known {
            true => respond(StatusCode::NOT_MODIFIED, TEXT, "max-age=5", ""),
            false => respond(StatusCode::OK, TEXT, "max-age=5", &text),
        };
        set(&mut response, ETAG, &etag);
        response
    }

    fn flaky(&self, number: u64) -> Response<Content> {
        if self.is_broken.load(Ordering::Relaxed) {
            return respond(
                StatusCode::SERVICE_UNAVAILABLE,
                TEXT,
                "no-store",
                "Out of order.\n",
            );
        }
        let text = format!("All is well. Origin request {number}.\n");
        respond(StatusCode::OK, TEXT, "max-age=3, stale-if-error=600", &text)
    }
}

fn large<B>(request: &Request<B>) -> Response<Content> {
    const LARGE_ETAG: &str = "\"large-1\"";
    let field = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let is_same = field(IF_RANGE).is_none_or(|tag| tag == LARGE_ETAG);
    let range = field(RANGE).filter(|_| is_same).and_then(selected);
    let mut response = respond(
        StatusCode::OK,
        "application/octet-stream",
        "max-age=3600",
        "",
    );
    set(&mut response, ETAG, LARGE_ETAG);
    set(&mut response, ACCEPT_RANGES, "bytes");
    if field(IF_NONE_MATCH) == Some(LARGE_ETAG) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    match range {
        None => {
            *response.body_mut() = Content::Large {
                at: 0,
                end: LARGE_BYTES,
            }
        }
        Some(range) if range.is_empty() => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            set(
                &mut response,
                CONTENT_RANGE,
                &format!("bytes */{LARGE_BYTES}"),
            );
        }
        Some(range) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let text = format!("bytes {}-{}/{LARGE_BYTES}", range.start, range.end - 1);
            set(&mut response, CONTENT_RANGE, &text);
            *response.body_mut() = Content::Large {
                at: range.start,
                end: range.end,
            };
        }
    }
    response
}

fn respond(
    status: StatusCode,
    content_type: &'static str,
    cache_control: &'static str,
    text: &str,
) -> Response<Content> {
    let mut response = Response::new(Content::Whole(Some(Bytes::copy_from_slice(
        text.as_bytes(),
    ))));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
    response
}

/// Values are our own, made of digits and what is written here.
fn set(response: &mut Response<Content>, name: HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).expect("our own values are printable");
    response.headers_mut().insert(name, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(pages: &Pages, path: &str, fields: &[(&str, &str)]) -> Response<Content> {
        ask(pages, "GET", path, fields)
    }

    fn ask(pages: &Pages, method: &str, path: &str, fields: &[(&str, &str)]) -> Response<Content> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(pages.answer(&request.body(()).unwrap()))
    }

    fn field<'a>(response: &'a Response<Content>, name: &str) -> &'a str {
        response
            .headers()
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn the_page_links_assets_that_are_there() {
        let pages = Pages::new();
        assert!(!pages.index.contains("{{"));
        for asset in &pages.assets {
            assert!(pages.index.contains(&asset.path), "{}", asset.path);
            let response = get(&pages, &asset.path, &[]);
            assert_eq!(response.status(), 200);
            assert_eq!(
                field(&response, "cache-control"),
                "max-age=31536000, immutable"
            );
        }
        assert_eq!(get(&pages, "/missing", &[]).status(), 404);
    }

    #[test]
    fn known_news_are_not_sent_again() {
        let pages = Pages::new();
        let etag = field(&get(&pages, "/news", &[]), "etag").to_owned();
        assert_eq!(
            get(&pages, "/news", &[("if-none-match", &etag)]).status(),
            304
        );
        let weak = format!("\"other\", W/{etag}");
        assert_eq!(
            get(&pages, "/news", &[("if-none-match", &weak)]).status(),
            304
        );
        assert_eq!(
            get(&pages, "/news", &[("if-none-match", "\"other\"")]).status(),
            200
        );
    }

    #[test]
    fn the_flaky_page_breaks_and_mends() {
        let pages = Pages::new();
        assert_eq!(get(&pages, "/flaky", &[]).status(), 200);
        assert_eq!(ask(&pages, "POST", "/demo/break", &[]).status(), 200);
        assert_eq!(get(&pages, "/flaky", &[]).status(), 503);
        assert_eq!(ask(&pages, "POST", "/demo/mend", &[]).status(), 200);
        assert_eq!(get(&pages, "/flaky", &[]).status(), 200);
        assert_eq!(ask(&pages, "POST", "/news", &[]).status(), 405);
    }

    #[test]
    fn parts_of_the_large_file_are_sent() {
        let pages = Pages::new();
        let response = get(&pages, "/large.bin", &[("range", "bytes=16-47")]);
        assert_eq!(response.status(), 206);
        assert_eq!(field(&response, "content-range"), "bytes 16-47/67108864");
        let other = [("range", "bytes=16-47"), ("if-range", "\"other\"")];
        assert_eq!(get(&pages, "/large.bin", &other).status(), 200);
        let beyond = get(&pages, "/large.bin", &[("range", "bytes=67108864-")]);
        assert_eq!(beyond.status(), 416);
        assert_eq!(field(&beyond, "content-range"), "bytes */67108864");
    }
}
