"""The DNS servers under measurement: one worker each, no logs, the same zone."""

import os
import shutil

from harness import processes

from . import zones

PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])


class Server:
    """One server, started and pinned."""

    key = title = program = None

    def __init__(self, work, port, zone_file):
        # A number in place of a file: so many records that the server makes itself.
        self.work = os.path.join(work, self.key)
        shutil.rmtree(self.work, ignore_errors=True)
        os.makedirs(self.work)
        self.port, self.zone_file = port, zone_file
        self.log = os.path.join(self.work, "log")
        self.process = None

    def start(self):
        self.process = processes.start(self.command(), processes.SERVER_CORE, self.log)

    def stop(self):
        processes.stop(self.process)

    def cpu_secs(self):
        return processes.cpu_secs(self.process.pid)

    def rss_bytes(self):
        return processes.rss_bytes(self.process.pid)

    def write(self, name, text):
        path = os.path.join(self.work, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    @classmethod
    def is_there(cls):
        return shutil.which(cls.program, path=PATH) is not None


class Warmfront(Server):
    key, title = "warmfront", "Warmfront"
    is_signing = False

    def command(self):
        # The rate limit counts every response and stops none.
        command = [self.program, f"127.0.0.1:{self.port}", "--rate-limit", "4000000"]
        is_made = isinstance(self.zone_file, int)
        command += ["--generate" if is_made else "--zone", zones.APEX, self.zone_file]
        command += ["--sets", zones.ROUTED, self.routed] if self.routed else []
        return command + (["--sign"] if self.is_signing else [])

    routed = None


class WarmfrontSigned(Warmfront):
    key, title, is_signing = "warmfront-signed", "Warmfront, signed", True


class Echo(Server):
    key, title = "echo", "recvmmsg and sendmmsg alone"

    def command(self):
        return [self.program, f"127.0.0.1:{self.port}"]


class Knot(Server):
    key, title, program = "knot", "Knot", "knotd"
    policy = signing = ""

    def command(self):
        return [shutil.which(self.program, path=PATH), "-c", self.write("knot.conf", f"""
server:
  rundir: {self.work}
  listen: 127.0.0.1@{self.port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: {self.work}
log:
  - target: stderr
    any: warning
{self.policy}template:
  - id: default
    storage: {self.work}
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
{self.signing}zone:
  - domain: {zones.APEX}
    file: {self.zone_file}
""")]


class KnotSigned(Knot):
    key, title = "knot-signed", "Knot, signed"
    policy = """policy:
  - id: one
    algorithm: ecdsap256sha256
"""
    signing = """    dnssec-signing: on
    dnssec-policy: one
"""


class Nsd(Server):
    key, title, program = "nsd", "NSD", "nsd"

    def command(self):
        return [shutil.which(self.program, path=PATH), "-d", "-c", self.write("nsd.conf", f"""
server:
  ip-address: 127.0.0.1@{self.port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{self.work}"
  database: ""
  pidfile: ""
  xfrdfile: "{self.work}/xfrd.state"
  zonelistfile: "{self.work}/zone.list"
  xfrdir: "{self.work}"
  logfile: "{self.log}"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: {zones.APEX}
  zonefile: {self.zone_file}
""")]
