//! An etcd of a test's own.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use store::etcd::{Etcd, Options};
use tempfile::TempDir;

/// A member that is a cluster by itself; it is killed when it is dropped.
pub struct EtcdServer {
    directory: TempDir,
    client_port: u16,
    peer_port: u16,
    arguments: Vec<String>,
    process: Option<Child>,
}

#[allow(dead_code, reason = "not every suite uses everything")]
impl EtcdServer {
    /// Nothing if the `etcd` program is not there.
    pub fn start() -> Option<EtcdServer> {
        EtcdServer::start_with(&[])
    }

    pub fn start_with(arguments: &[&str]) -> Option<EtcdServer> {
        let version = Command::new("etcd").arg("--version").output();
        if version.is_err() {
            println!("skipped: there is no etcd program here (Debian: etcd-server)");
            return None;
        }
        // Somebody else may take a port between its choice and its use.
        for _ in 0..5 {
            let mut server = EtcdServer {
                directory: TempDir::new().unwrap(),
                client_port: free_port(),
                peer_port: free_port(),
                arguments: arguments.iter().map(|&argument| argument.into()).collect(),
                process: None,
            };
            if server.run() {
                return Some(server);
            }
        }
        panic!("etcd does not start");
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.client_port)
    }

    pub fn client(&self) -> Etcd {
        let endpoints = vec![self.address()];
        Etcd::connect(Options {
            endpoints,
            ..Options::default()
        })
        .unwrap()
    }

    /// Kills it, without a chance to tidy up.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Starts it again with what it had.
    pub fn restart(&mut self) {
        self.stop();
        assert!(self.run(), "etcd does not start again");
    }

    fn run(&mut self) -> bool {
        let scheme = match self
            .arguments
            .iter()
            .any(|one| one.starts_with("--cert-file"))
        {
            true => "https",
            false => "http",
        };
        let client = format!("{scheme}://{}", self.address());
        let peer = format!("http://127.0.0.1:{}", self.peer_port);
        let mut process = Command::new("etcd")
            .args(["--name", "test"])
            .args(["--data-dir".as_ref(), self.directory.path().as_os_str()])
            .args([
                "--listen-client-urls",
                &client,
                "--advertise-client-urls",
                &client,
            ])
            .args([
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
            ])
            .args(["--initial-cluster", &format!("test={peer}")])
            .args(["--max-txn-ops", "2200"])
            .args(["--heartbeat-interval", "20", "--election-timeout", "200"])
            .args(["--logger", "zap", "--log-level", "info"])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stderr.take().unwrap());
        let mut lines = lines.lines().map_while(Result::ok);
        let is_ready = lines.any(|line| line.contains("serving client traffic"));
        self.process = Some(process);
        if !is_ready {
            self.stop();
            return false;
        }
        // Its log must be read, or it would wait for us.
        std::thread::spawn(move || lines.for_each(drop));
        self.is_listening()
    }

    fn is_listening(&self) -> bool {
        let address = self.address().parse().unwrap();
        let patience = Duration::from_secs(5);
        std::net::TcpStream::connect_timeout(&address, patience).is_ok()
    }
}

impl Drop for EtcdServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
