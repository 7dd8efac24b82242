//! Runs the real binary, and speaks HTTP to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Far longer than anything takes, so that what hangs fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The binary with these arguments, in a directory, with no settings in the environment.
pub fn warmfront(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warmfront"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WARMFRONT_") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(directory)
        .args(arguments)
        .stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub fn run(directory: &Path, arguments: &[&str]) -> Output {
    warmfront(directory, arguments).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A running `warmfront serve`; killed when it is dropped.
pub struct Server {
    child: Child,
    pub viewer_address: SocketAddr,
    pub api_address: SocketAddr,
    pub first_words: String,
    log: Receiver<String>,
}

impl Server {
    /// Serves on free ports, and waits for the first words.
    pub fn start(directory: &Path, arguments: &[&str]) -> Server {
        let free = "127.0.0.1:0";
        let free_ports = [
            "serve", "--http", free, "--https", free, "--api", free, "--dns", free,
        ];
        let mut command = warmfront(directory, &[&free_ports, arguments].concat());
        command.args(["--workers", "2", "--cache-bytes", "64MiB"]);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, log) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut first_words = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        while !first_words.contains("/metrics\n") {
            let read = stdout.read_line(&mut first_words).unwrap();
            if read == 0 {
                let log: Vec<String> = log.iter().collect();
                panic!("it ended early: {first_words}{}", log.join("\n"));
            }
        }
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        let address = |name: &str| {
            let line = first_words
                .lines()
                .find(|line| line.trim_start().starts_with(name));
            let address = line.unwrap().split("http://").nth(1).unwrap();
            address.split('/').next().unwrap().parse().unwrap()
        };
        let (viewer_address, api_address) = (address("serving"), address("metrics"));
        Server {
            child,
            viewer_address,
            api_address,
            first_words,
            log,
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", "localhost", path)
    }

    pub fn ask(&self, method: &str, host: &str, path: &str) -> Answer {
        ask(self.viewer_address, method, host, path, &[])
    }

    pub fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        assert!(
            Command::new("sh")
                .args(["-c", &command])
                .status()
                .unwrap()
                .success()
        );
    }

    /// The next line of the log with that in it.
    pub fn logged(&self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("{part:?} was not logged, but {seen:#?}"),
            }
        }
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> ExitStatus {
        eventually("the end", || self.child.try_wait().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks until there is an answer.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn field(&self, name: &str) -> &str {
        let found = self
            .fields
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.as_str())
    }

    /// The first word of `X-Cache`.
    pub fn cache(&self) -> &str {
        self.field("x-cache").split(' ').next().unwrap_or("")
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One request on one connection. A body is what comes until its end.
pub fn ask(
    address: SocketAddr,
    method: &str,
    host: &str,
    path: &str,
    fields: &[(&str, &str)],
) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in fields {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if method == "POST" {
        request.push_str("Content-Length: 0\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes
        .windows(4)
        .position(|part| part == b"\r\n\r\n")
        .expect("a whole head");
    let head = text(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let split = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_owned(), value.trim().to_owned())
    };
    Answer {
        status,
        fields: lines.map(split).collect(),
        body: bytes.split_off(end + 4),
    }
}
