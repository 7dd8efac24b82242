"""The name server under test, and the programs that judge it, each on free ports of 127.0.0.1."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import zones
from processes import (
    PATIENCE_SECS, ROOT, Process, die_with_parent, eventually, free_port, is_listening,
)

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
PACKAGES = {
    "delv": "bind9-dnsutils", "dig": "bind9-dnsutils", "kdig": "knot-dnsutils",
    "unbound": "unbound", "knotd": "knot", "nsd": "nsd", "openssl": "openssl",
}
KEY_NAME = "secondary.example."
KEY_SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
DIG_KEY = f"hmac-sha256:{KEY_NAME}:{KEY_SECRET}"


def program(name):
    return shutil.which(name, path=PATH)


def missing():
    """Packages of Debian that are not installed."""
    return " ".join(sorted({
        package for name, package in PACKAGES.items() if program(name) is None
    }))


def output(*command, secs=PATIENCE_SECS):
    """What a client says, whatever it thinks of it."""
    done = subprocess.run(
        [program(command[0]), *map(str, command[1:])],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", timeout=secs,
    )
    return done.stdout


class NameServer:
    """Ours."""

    def __init__(self, directory):
        path = os.environ.get("SERVE_DOCUMENTS")
        path = Path(path or ROOT / "target" / "release" / "examples" / "serve_documents")
        if not path.exists():
            raise SystemExit(f"{path} is not there; cargo build --release -p dns --examples")
        self.zones = zones.world()
        self.file = directory / "zones.json"
        zones.write(self.zones, self.file)
        self.errors = directory / "serve_documents.stderr"
        with self.errors.open("wb") as errors:
            self.child = subprocess.Popen(
                [str(path), str(self.file), "127.0.0.1:0",
                 f"{KEY_NAME}=hmac-sha256:{KEY_SECRET}"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                preexec_fn=die_with_parent,
            )
        line = self.child.stdout.readline()
        match = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", line)
        if match is None:
            raise AssertionError(f"it does not listen: {line!r} {self.errors.read_text()}")
        self.port = int(match.group(1))

    def read_again(self):
        """Serves what `zones` is now."""
        zones.write(self.zones, self.file)
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if line != "read again\n":
            raise AssertionError(f"{line!r} {self.errors.read_text()}")

    def dig(self, *arguments):
        return output("dig", "@127.0.0.1", "-p", self.port, "+tries=1", "+time=5", *arguments)

    def kill(self):
        self.child.stdin.close()
        self.child.stdout.close()
        self.child.kill()
        self.child.wait(timeout=PATIENCE_SECS)


UNBOUND_CONFIG = """
server:
    interface: 127.0.0.1@{port}
    do-daemonize: no
    chroot: ""
    username: ""
    directory: "{directory}"
    pidfile: "{directory}/unbound.pid"
    use-syslog: no
    verbosity: 1
    val-log-level: 2
    num-threads: 1
    do-ip6: no
    do-not-query-localhost: no
    module-config: "validator iterator"
    local-zone: "example." nodefault
    aggressive-nsec: yes
    harden-below-nxdomain: yes
    harden-dnssec-stripped: yes
    harden-referral-path: no
    trust-anchor: "{anchor}"
remote-control:
    control-enable: no
"""

UNBOUND_STUB = """
stub-zone:
    name: "{name}"
    stub-addr: 127.0.0.1@{port}
    stub-prime: no
"""


class Unbound(Process):
    """A validating resolver that knows one trust anchor, and where to ask."""

    def __init__(self, directory, server, anchor):
        self.port = free_port()
        config = UNBOUND_CONFIG.format(port=self.port, directory=directory, anchor=anchor)
        for name in (zones.SIGNED, zones.CHILD, zones.UNSIGNED):
            config += UNBOUND_STUB.format(name=name, port=server.port)
        path = directory / "unbound.conf"
        path.write_text(config)
        super().__init__("unbound", [program("unbound"), "-d", "-c", str(path)], directory)
        eventually("unbound", self.is_up)

    def is_up(self):
        self.check_runs()
        return is_listening(self.port)

    def dig(self, *arguments):
        return output(
            "dig", "@127.0.0.1", "-p", self.port, "+tries=1", "+time=10", "+dnssec", *arguments,
        )


KNOT_CONFIG = """
server:
    rundir: "{directory}"
    listen: 127.0.0.1@{port}
database:
    storage: "{directory}"
log:
  - target: stderr
    any: info
key:
  - id: {key}
    algorithm: hmac-sha256
    secret: {secret}
remote:
  - id: primary
    address: 127.0.0.1@{primary}
    key: {key}
zone:
  - domain: {zone}
    storage: "{directory}"
    {from_where}: primary
    zonefile-sync: -1
    refresh-max-interval: 2
"""


class Knot(Process):
    """A secondary."""

    def __init__(self, directory, primary, zone):
        self.port = free_port()
        config = directory / "knot.conf"
        config.write_text(KNOT_CONFIG.format(
            directory=directory, port=self.port, primary=primary, zone=zone,
            key=KEY_NAME.rstrip("."), secret=KEY_SECRET, from_where="mas" "ter",
        ))
        super().__init__("knotd", [program("knotd"), "-c", str(config)], directory)


NSD_CONFIG = """
server:
    ip-address: 127.0.0.1@{port}
    username: ""
    chroot: ""
    zonesdir: "{directory}"
    database: ""
    pidfile: "{directory}/nsd.pid"
    xfrdfile: "{directory}/xfrd.state"
    zonelistfile: "{directory}/zone.list"
    xfrdir: "{directory}"
    server-count: 1
    verbosity: 1
remote-control:
    control-enable: no
key:
    name: "{key}"
    algorithm: hmac-sha256
    secret: "{secret}"
zone:
    name: "{zone}"
    zonefile: "{directory}/zone"
    request-xfr: 127.0.0.1@{primary} {key}
    allow-notify: 127.0.0.1 NOKEY
    max-refresh-time: 2
    min-refresh-time: 1
"""


class Nsd(Process):
    """Another secondary."""

    def __init__(self, directory, primary, zone):
        self.port = free_port()
        config = directory / "nsd.conf"
        config.write_text(NSD_CONFIG.format(
            directory=directory, port=self.port, primary=primary, zone=zone.rstrip("."),
            key=KEY_NAME.rstrip("."), secret=KEY_SECRET,
        ))
        super().__init__("nsd", [program("nsd"), "-d", "-c", str(config)], directory)
