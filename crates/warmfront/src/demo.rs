//! The demo: a small site of our own with a distribution in front of it, so that the first
//! command shows hits, misses, revalidation and stale answers without anything else installed.
//!
//! [`pages`] is what the origin answers; here are its start, its distribution, and what to try.

mod large;
mod pages;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use hyper::Request;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::distributions::{
    CACHE_BY_ORIGIN, Document, all_methods, custom_origin, default_behavior, listed, logging,
};
use crate::server;
use crate::settings::OriginUrl;
use pages::Pages;

/// `CachingOptimized`: a long life, and nothing but the path in the key.
const CACHE_LONG: &str = "658327ea-f89d-4fab-a63d-7e88639e58f6";
/// `CachingDisabled`.
const CACHE_NEVER: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
/// `AllViewerExceptHostHeader`.
const ALL_BUT_HOST: &str = "b689b0a8-53d0-40ab-baf2-68738e2966ac";

/// The running demo origin.
#[derive(Debug)]
pub struct Demo {
    address: SocketAddr,
}

impl Demo {
    /// Starts it on a port of this machine's own that is free.
    pub fn start() -> io::Result<Demo> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let pages = Arc::new(Pages::new());
        let address = server::spawn("demo", listener, move |request: Request<Incoming>, _| {
            let pages = Arc::clone(&pages);
            async move { pages.answer(&request).await }
        })?;
        Ok(Demo { address })
    }

    /// Its distribution.
    pub fn document(&self, domain: &str) -> Document {
        let origin = OriginUrl {
            is_https: false,
            host: self.address.ip().to_string(),
            port: self.address.port(),
            path: String::new(),
        };
        Document::made("the demo site".to_owned(), &config(&origin), domain)
    }
}

fn config(origin: &OriginUrl) -> Value {
    let behaviors = vec![
        behavior("/assets/*", CACHE_LONG, false),
        behavior("/api/*", CACHE_BY_ORIGIN, true),
        behavior("/large.bin", CACHE_LONG, false),
        behavior("/demo/*", CACHE_NEVER, true),
    ];
    json!({
        "CallerReference": "warmfront-demo",
        "Comment": "The demo site that is built into Warmfront",
        "Enabled": true,
        "Aliases": listed(vec!["localhost".into(), "127.0.0.1".into()]),
        "DefaultRootObject": "index.html",
        "Origins": listed(vec![custom_origin(origin)]),
        "DefaultCacheBehavior": default_behavior(),
        "CacheBehaviors": listed(behaviors),
        "CustomErrorResponses": listed(vec![json!({
            "ErrorCode": 404,
            "ResponsePagePath": "/errors/404.html",
            "ResponseCode": "404",
            "ErrorCachingMinTTL": 10,
        })]),
        "Logging": logging(),
    })
}

fn behavior(path_pattern: &str, cache_policy: &str, is_dynamic: bool) -> Value {
    let mut behavior = json!({
        "PathPattern": path_pattern,
        "TargetOriginId": "origin",
        "ViewerProtocolPolicy": "allow-all",
        // Only what can be stored is compressed.
        "Compress": cache_policy != CACHE_NEVER,
        "CachePolicyId": cache_policy,
    });
    if is_dynamic {
        behavior["AllowedMethods"] = all_methods();
        behavior["OriginRequestPolicyId"] = ALL_BUT_HOST.into();
    }
    behavior
}

/// What to try, for the first words.
pub fn commands_to_try(port: u16) -> String {
    let url = format!("http://localhost:{port}");
    let commands = [
        (
            format!("curl -I {url}/hello.txt"),
            "a Miss; again, a Hit and its Age",
        ),
        (
            format!("curl -I {url}/news"),
            "again after 5 s: a RefreshHit",
        ),
        (format!("time curl {url}/slow"), "2 s; again, at once"),
        (
            format!("curl -X POST {url}/demo/break"),
            "/flaky fails; who has asked before sees no failure",
        ),
        (format!("curl -r 16-47 {url}/large.bin"), "a part of 64 MiB"),
    ];
    let mut text = format!("Open {url}/ in a browser, or try\n");
    let width = commands
        .iter()
        .map(|(command, _)| command.len())
        .max()
        .unwrap_or(0);
    for (command, what) in commands {
        text.push_str(&format!("  {command:<width$}  # {what}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use edge::site::Policies;

    use super::*;

    #[test]
    fn the_demo_compiles_and_check_warns_of_nothing_but_wide_keys() {
        let demo = Demo {
            address: ([127, 0, 0, 1], 40_000).into(),
        };
        let document = demo.document("cdn.localhost");
        let site = document.compile(&Policies::managed()).unwrap();
        assert_eq!(site.behaviors.len(), 5);
        assert_eq!(site.behavior(b"/assets/app.css").0, 0);
        assert_eq!(site.behavior(b"/news").0, 4);
        assert_eq!(site.default_root_path, "/index.html");
        assert!(site.error_rule(404).is_some());
        // Keys with all cookies and query strings are what the managed policy for any origin has.
        let warnings = edge::check::check(&document.config, &Policies::managed());
        let is_wide_key = |path: &str| path.ends_with("CachePolicyId");
        assert!(
            warnings.iter().all(|warning| is_wide_key(&warning.path)),
            "{warnings:?}"
        );
    }
}
