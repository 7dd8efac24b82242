"""Processes under test: a real nginx and the real warmfront, each on free ports of 127.0.0.1.

Every process is ended by its own id when the test class ends, and dies with this one however it
ends. Every wait is bounded.
"""

import contextlib
import ctypes
import gzip
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECS = 15
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)


def warmfront_path():
    path = os.environ.get("WARMFRONT") or ROOT / "target" / "release" / "warmfront"
    if not os.access(path, os.X_OK):
        raise SystemExit(f"{path} is not there; cargo build --release makes it")
    return os.path.abspath(path)


def nginx_path():
    path = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        raise SystemExit("nginx is not installed")
    return path


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def eventually(what, ask, secs=PATIENCE_SECS):
    """Asks until there is a true answer."""
    deadline = time.monotonic() + secs
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {secs} s for {what}")
        time.sleep(0.05)


def free_port():
    with contextlib.closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def is_listening(port):
    with contextlib.closing(socket.socket()) as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """A child process with its output in files of its own directory."""

    def __init__(self, name, arguments, directory):
        self.name = name
        self.directory = Path(directory)
        self.stdout_path = self.directory / f"{name}.stdout"
        self.stderr_path = self.directory / f"{name}.stderr"
        with self.stdout_path.open("wb") as stdout, self.stderr_path.open("wb") as stderr:
            self.child = subprocess.Popen(
                arguments,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                preexec_fn=die_with_parent,
            )

    def output(self):
        return self.stdout_path.read_text() + self.stderr_path.read_text()

    def log(self):
        return self.stderr_path.read_text()

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, secs=PATIENCE_SECS):
        return self.child.wait(timeout=secs)

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait(timeout=PATIENCE_SECS)

    def check_runs(self):
        if self.child.poll() is not None:
            raise AssertionError(f"{self.name} ended early:\n{self.output()}")


NGINX_CONFIG = """
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{ worker_connections 2048; }}
http {{
    types {{
        text/html html; text/css css; application/javascript js; image/png png; image/jpeg jpg;
        text/plain txt; application/json json; image/svg+xml svg; application/octet-stream bin;
    }}
    default_type application/octet-stream;
    log_format origin '$request_method $request_uri $status host=$http_host range=$http_range '
        'if_none_match=$http_if_none_match';
    access_log {directory}/access.log origin;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    sendfile on;
    keepalive_timeout 60;
    absolute_redirect off;
    client_max_body_size 64m;
    server {{
        listen 127.0.0.1:{port} {listen};
        root {root};
        index index.html;
        add_header Cache-Control "max-age=3600" always;
        {locations}
    }}
}}
"""


class Nginx(Process):
    """An nginx that serves a directory tree; `locations` is more of its configuration."""

    def __init__(self, root, directory, locations="", listen="backlog=4096"):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = Path(directory) / "nginx.conf"
        config.write_text(
            NGINX_CONFIG.format(
                directory=directory, port=self.port, root=root, locations=locations, listen=listen
            )
        )
        self.start(directory)

    def start(self, directory):
        """Also starts it again, on the same port, once it was killed."""
        super().__init__(
            "nginx",
            [nginx_path(), "-e", f"{directory}/error.log", "-p", f"{directory}",
             "-c", f"{directory}/nginx.conf"],
            directory,
        )

        def is_up():
            self.check_runs()
            return is_listening(self.port)

        eventually("nginx", is_up)

    def requests(self, part=""):
        """Lines of its access log with that in them."""
        log = self.directory / "access.log"
        return [line for line in log.read_text().splitlines() if part in line]


class Warmfront(Process):
    """`warmfront serve` with flags."""

    def __init__(self, directory, *flags, http="127.0.0.1:0", data="data"):
        arguments = [
            warmfront_path(), "serve", "--http", http, "--api", "127.0.0.1:0",
            "--dns", "127.0.0.1:0", "--https", "127.0.0.1:0", "--data", data,
            "--cache-bytes", "512MiB", *map(str, flags),
        ]
        super().__init__("warmfront", arguments, directory)
        self.data = self.directory / data

        def first_words():
            self.check_runs()
            text = self.stdout_path.read_text()
            return text if "metrics" in text and text.endswith("\n") else None

        self.first_words = eventually("warmfront's first words", first_words)
        self.port = int(re.search(r"serving +http://[^:]+:(\d+)", self.first_words).group(1))
        https = re.search(r"serving +https://[^:]+:(\d+)", self.first_words)
        self.https_port = https and int(https.group(1))
        self.api_url = re.search(r"metrics +(http://\S+)/metrics", self.first_words).group(1)
        self.url = f"http://127.0.0.1:{self.port}"
        match = re.search(r"site +(\w+) ", self.first_words)
        self.distribution = match and match.group(1)

    def metrics_text(self):
        with urllib.request.urlopen(f"{self.api_url}/metrics", timeout=PATIENCE_SECS) as answer:
            return answer.read().decode()

    def metric(self, name, **labels):
        """Sum of the samples of that name with those labels."""
        return sum(
            sample.value
            for sample in parse_metrics(self.metrics_text())
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def logged(self, part, times=1):
        """Waits until that stands in the log so often."""
        eventually(f"{part!r} in the log", lambda: self.log().count(part) >= times)

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.wait(45)


class Sample:
    """One line of the Prometheus text format."""

    PATTERN = re.compile(
        r'(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)'
        r'(?:\{(?P<labels>(?:[a-zA-Z_]\w*="(?:[^"\\]|\\.)*",?)*)\})? '
        r"(?P<value>[-+]?(?:[0-9.]+(?:e[-+]?\d+)?|Inf|NaN))"
    )

    def __init__(self, line):
        match = self.PATTERN.fullmatch(line)
        if match is None:
            raise AssertionError(f"no sample of the Prometheus format: {line!r}")
        self.name = match["name"]
        self.labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match["labels"] or ""))
        self.value = float(match["value"])


def parse_metrics(text):
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [Sample(line) for line in lines]


def run_warmfront(*arguments, directory=None, timeout=60):
    """Any other command than serve."""
    return subprocess.run(
        [warmfront_path(), *map(str, arguments)],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


class Answer:
    """What curl got."""

    def __init__(self, head, body, meta):
        # The last head: before it there may be those of 1xx and of redirects.
        block = [part for part in head.split("\r\n\r\n") if part][-1]
        status_line, *lines = block.split("\r\n")
        self.status = int(status_line.split()[1])
        self.fields = [tuple(line.split(": ", 1)) for line in map(pad, lines) if line]
        self.body = body
        self.meta = meta

    def all(self, name):
        return [value for other, value in self.fields if other.lower() == name.lower()]

    def field(self, name):
        """The one value of a field, or nothing; a repeated one fails the test."""
        values = self.all(name)
        if len(values) > 1:
            raise AssertionError(f"{name} is there {len(values)} times: {self.fields}")
        return values[0].strip() if values else None

    @property
    def cache(self):
        """The first word of X-Cache."""
        return (self.field("X-Cache") or "none").split()[0]

    def __repr__(self):
        return f"{self.status} {self.fields} {len(self.body)} bytes"


def pad(line):
    return line if ": " in line or not line else line.replace(":", ": ", 1)


counter_lock = threading.Lock()
counter = 0


def curl(directory, url, *arguments, max_time=30):
    """One request by the curl that everybody has."""
    global counter
    with counter_lock:
        counter += 1
        stem = Path(directory) / f"curl-{counter}"
    body, head = stem.with_suffix(".body"), stem.with_suffix(".head")
    done = subprocess.run(
        ["curl", "-sS", "--path-as-is", "--max-time", str(max_time), "-o", str(body),
         "-D", str(head), "-w", "%{json}", *arguments, url],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=max_time + 10,
    )
    if done.returncode != 0:
        raise AssertionError(f"curl {' '.join(arguments)} {url}: {done.stderr.strip()}")
    # With -I, what curl writes out is the head once more.
    content = body.read_bytes() if body.exists() and "-I" not in arguments else b""
    answer = Answer(head.read_bytes().decode("latin-1"), content, json.loads(done.stdout))
    body.unlink(missing_ok=True)
    head.unlink(missing_ok=True)
    return answer


@contextlib.contextmanager
def slow_download(url):
    """A curl that is under way."""
    child = subprocess.Popen(
        ["curl", "-sS", "-o", "/dev/null", "--max-time", "60", url],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait(timeout=PATIENCE_SECS)


def unzip(file):
    with gzip.open(file, "rt", encoding="latin-1") as text:
        return text.read()
