"""Ceph's object gateway, as Debian has it: S3 by somebody else, who verifies every signature.

A cluster of the least that there is: one monitor, one store of objects in memory, the gateway.
Ordinary processes of whoever runs this, in one directory, on ports of 127.0.0.1.
"""

import contextlib
import http.client
import os
import shutil
import subprocess
import uuid
from pathlib import Path

import processes

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin"
PROGRAMS = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "monmaptool",
            "ceph-authtool")
# Most of it is the gateway that makes its pools.
PATIENCE_SECS = 90

CONFIG = """
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{mon_port}]
keyring = {directory}/keyring
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
run_dir = {directory}
admin_socket =
log_file =
log_to_stderr = true
pid_file =
crash_dir = {directory}
mon_data = {directory}/mon
mon_data_avail_crit = 0
mon_data_avail_warn = 0
osd_data = {directory}/osd
rgw_data = {directory}/rgw
setuser_match_path =
osd_objectstore = memstore
memstore_device_bytes = 1073741824
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
rgw_enable_apis = s3
rgw_thread_pool_size = 32
"""


def missing():
    """What this machine lacks of it."""
    return [program for program in PROGRAMS if shutil.which(program, path=PATH) is None]


class Gateway:
    """A cluster that has started; `key` and `secret` are those of its only user."""

    def __init__(self, directory, key, secret):
        self.directory = Path(directory)
        self.key, self.secret = key, secret
        self.port, self.processes = processes.free_port(), []
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {**os.environ, "PATH": PATH,
                            "CEPH_ARGS": f"-c {self.directory}/ceph.conf"}
        try:
            self.start()
        except BaseException:
            self.kill()
            raise

    def start(self):
        mon_port, fsid = processes.free_port(), str(uuid.uuid4())
        for name in ("mon", "osd", "rgw"):
            (self.directory / name).mkdir()
        (self.directory / "ceph.conf").write_text(
            CONFIG.format(fsid=fsid, mon_port=mon_port, directory=self.directory))
        keyring, monmap = self.directory / "keyring", self.directory / "monmap"
        self.run("ceph-authtool", "-C", keyring, "--gen-key", "-n", "mon.",
                 "--cap", "mon", "allow *")
        for name in ("client.admin", "osd.0"):
            self.run("ceph-authtool", keyring, "--gen-key", "-n", name, "--cap", "mon",
                     "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *")
        self.run("monmaptool", "--create", "--fsid", fsid, "--addv", "a",
                 f"[v2:127.0.0.1:{mon_port}]", monmap)
        self.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
        self.daemon("ceph-mon", "-f", "-i", "a")
        osd = str(uuid.uuid4())
        self.run("ceph", "--connect-timeout", str(PATIENCE_SECS), "osd", "new", osd)
        self.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self.daemon("ceph-osd", "-f", "-i", "0")
        gateway = self.daemon(
            "radosgw", "-f", "--rgw-frontends", f"beast endpoint=127.0.0.1:{self.port}")

        def is_up():
            gateway.check_runs()
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                with contextlib.closing(connection):
                    connection.request("GET", "/")
                    return connection.getresponse().status == 200

        processes.eventually("Ceph's gateway", is_up, PATIENCE_SECS)
        self.run("radosgw-admin", "user", "create", "--uid", "tests", "--display-name", "tests",
                 "--access-key", self.key, "--secret-key", self.secret)

    def run(self, program, *arguments):
        done = subprocess.run(
            [shutil.which(program, path=PATH), *map(str, arguments)], cwd=self.directory,
            env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=PATIENCE_SECS)
        if done.returncode != 0:
            raise AssertionError(f"{program} {' '.join(map(str, arguments))}: {done.stderr}")

    def daemon(self, program, *arguments):
        command = ["/usr/bin/env", f"CEPH_ARGS={self.environment['CEPH_ARGS']}",
                   shutil.which(program, path=PATH), *arguments]
        process = processes.Process(program, command, self.directory)
        self.processes.append(process)
        return process

    def kill(self):
        for process in reversed(self.processes):
            process.kill()
