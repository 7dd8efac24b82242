//! Pebble, the test server of the authors of ACME (Debian: package `pebble`), with its DNS
//! server: each test has its own, on ports of 127.0.0.1 that were free.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::https::self_signed;

const PEBBLE: &str = "/usr/bin/pebble";
const CHALLTESTSRV: &str = "/usr/bin/pebble-challtestsrv";

/// Whether a test can be run; says so if not.
pub fn is_there() -> bool {
    let is_there = Path::new(PEBBLE).exists() && Path::new(CHALLTESTSRV).exists();
    if !is_there {
        eprintln!("skipped: {PEBBLE} and {CHALLTESTSRV} are not there (Debian: package pebble)");
    }
    is_there
}

/// How pebble is run.
pub struct Options {
    /// Where it looks for answers over HTTP, at 127.0.0.1.
    pub http_port: u16,
    /// Where it looks for answers in handshakes, at 127.0.0.1.
    pub tls_port: u16,
    /// Percentage of good nonces that it refuses.
    pub bad_nonces: u32,
    /// Percentage of valid authorizations that it takes for new orders.
    pub reused_authorizations: u32,
    /// Longest time, in seconds, that it sleeps before it looks at an answer.
    pub sleep_secs_max: u32,
    /// Key id and HMAC key of the only external account, which is demanded then.
    pub external_account: Option<(&'static str, &'static str)>,
}

/// A running pebble. Both processes end when it is dropped.
pub struct Pebble {
    server: Child,
    dns: Child,
    dns_management: u16,
    /// Its directory.
    pub directory_url: String,
    /// Root of its own HTTPS.
    pub root_pem: String,
    _directory: TempDir,
}

impl Pebble {
    /// Starts it, and waits until it listens.
    pub async fn start(options: &Options) -> Self {
        // A port that was free may be somebody else's a moment later.
        for _ in 0..3 {
            if let Some(pebble) = Self::try_start(options).await {
                return pebble;
            }
        }
        panic!("pebble does not start");
    }

    async fn try_start(options: &Options) -> Option<Self> {
        let [port, dns_port, dns_management] = free_ports();
        let directory = TempDir::new().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let (certificate, key) = self_signed();
        std::fs::write(path("certificate.pem"), &certificate).unwrap();
        std::fs::write(path("key.pem"), key).unwrap();
        let external = options.external_account;
        let keys = external
            .map(|(id, key)| format!("{id:?}: {key:?}"))
            .unwrap_or_default();
        let config = format!(
            r#"{{"pebble": {{
                "listenAddress": "127.0.0.1:{port}",
                "managementListenAddress": "",
                "certificate": {:?},
                "privateKey": {:?},
                "httpPort": {},
                "tlsPort": {},
                "ocspResponderURL": "",
                "externalAccountBindingRequired": {},
                "externalAccountMACKeys": {{{keys}}}
            }}}}"#,
            path("certificate.pem"),
            path("key.pem"),
            options.http_port,
            options.tls_port,
            external.is_some(),
        );
        std::fs::write(path("pebble.json"), config).unwrap();
        let dns = Command::new(CHALLTESTSRV)
            .args(["-dns01", &format!("127.0.0.1:{dns_port}")])
            .args(["-management", &format!("127.0.0.1:{dns_management}")])
            .args(["-http01", "", "-https01", "", "-tlsalpn01", ""])
            .args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut command = Command::new(PEBBLE);
        command
            .args(["-config", &path("pebble.json"), "-strict"])
            .args(["-dnsserver", &format!("127.0.0.1:{dns_port}")])
            .env("PEBBLE_WFE_NONCEREJECT", options.bad_nonces.to_string())
            .env(
                "PEBBLE_AUTHZREUSE",
                options.reused_authorizations.to_string(),
            )
            .env_remove("PEBBLE_VA_ALWAYS_VALID");
        match options.sleep_secs_max {
            0 => command.env("PEBBLE_VA_NOSLEEP", "1"),
            secs => command.env("PEBBLE_VA_SLEEPTIME", secs.to_string()),
        };
        let server = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut pebble = Self {
            server,
            dns,
            dns_management,
            directory_url: format!("https://127.0.0.1:{port}/dir"),
            root_pem: certificate,
            _directory: directory,
        };
        let listens = listens(&mut pebble.server, port).await
            && listens(&mut pebble.dns, dns_management).await;
        listens.then_some(pebble)
    }

    /// Adds a text to those at a name.
    pub fn add_txt(&self, name: &str, value: &str) {
        self.manage(
            "/set-txt",
            &format!(r#"{{"host": "{name}.", "value": "{value}"}}"#),
        );
    }

    /// Removes all texts at a name.
    pub fn clear_txt(&self, name: &str) {
        self.manage("/clear-txt", &format!(r#"{{"host": "{name}."}}"#));
    }

    fn manage(&self, path: &str, body: &str) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.dns_management)).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for process in [&mut self.server, &mut self.dns] {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Ports that nobody listens at.
pub fn free_ports<const N: usize>() -> [u16; N] {
    // All at a time, so that they differ.
    let listeners = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// Waits until a process listens; says no if it ends instead.
async fn listens(process: &mut Child, port: u16) -> bool {
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until && process.try_wait().unwrap().is_none() {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}
