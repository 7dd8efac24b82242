"""Processes under measurement: starting them pinned, reading what they cost, ending them by pid."""

import os
import re
import resource
import signal
import socket
import subprocess
import time

SERVER_CORE = "0"
LOAD_CORE = "1"
START_TIMEOUT_SECS = 40
STOP_TIMEOUT_SECS = 10
TICKS_PER_SEC = os.sysconf("SC_CLK_TCK")

_running = []


class Failed(Exception):
    """A server or a tool did not do what it should; the message says what."""


def raise_open_files():
    """Children inherit the hard limit of open files as their soft one. Returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pinned(core):
    """What to put before a command to keep it on a core."""
    return ["taskset", "-c", core]


def put_first():
    """Lets this process (a child about to execute) go before other work, where we may."""
    # Autogroups share the processor between sessions whatever the niceness of their processes.
    for path, act in (("/proc/self/autogroup", _write_priority), (None, lambda _: os.nice(-15))):
        try:
            act(path)
        except OSError:
            pass


def _write_priority(path):
    with open(path, "w") as file:
        file.write("-15")


def start(command, core, log_path, env=None):
    """Starts `command` pinned to `core`, its output in `log_path`."""
    with open(log_path, "ab") as log:
        process = subprocess.Popen(
            [*pinned(core), *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **(env or {})},
            start_new_session=True,
            preexec_fn=put_first,
        )
    _running.append(process)
    return process


def stop(process):
    """Ends a process that `start` returned, and what it started, by pid."""
    family = descendants(process.pid)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_SECS)
        except subprocess.TimeoutExpired:
            pass
    for pid, started in family.items():
        if _start_time(pid) == started:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    process.wait()
    if process in _running:
        _running.remove(process)


def stop_all():
    for process in reversed(_running[:]):
        stop(process)


def wait_for_port(port, processes, log_path):
    """Waits until something listens; a process that ends meanwhile is an error."""
    deadline = time.monotonic() + START_TIMEOUT_SECS
    while time.monotonic() < deadline:
        for process in processes:
            if process.poll() is not None:
                raise Failed(f"ended with status {process.returncode} at start{_tail(log_path)}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise Failed(f"does not listen after {START_TIMEOUT_SECS} s{_tail(log_path)}")


def cpu_secs(root_pid):
    """User and system time of a process and all that it started, threads included."""
    return sum(_cpu_ticks(pid) for pid in descendants(root_pid)) / TICKS_PER_SEC


def rss_bytes(root_pid):
    """Resident memory of a process and all that it started."""
    return sum(_rss_bytes(pid) for pid in descendants(root_pid))


def descendants(root_pid):
    """The process and its descendants, as pid to start time (which tells a reused pid apart)."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat_fields(int(name))
            if fields:
                parents[int(name)] = int(fields[1])
    family = {}
    wave = [root_pid]
    while wave:
        family.update({pid: _start_time(pid) for pid in wave if pid in parents})
        wave = [pid for pid, parent in parents.items() if parent in wave]
    return family


def _stat_fields(pid):
    """Fields of /proc/PID/stat from the third on: the name before them may hold anything."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()
    except OSError:
        return None


def _start_time(pid):
    fields = _stat_fields(pid)
    return fields[19] if fields else None


def _cpu_ticks(pid):
    fields = _stat_fields(pid)
    return int(fields[11]) + int(fields[12]) if fields else 0


def _rss_bytes(pid):
    try:
        with open(f"/proc/{pid}/status") as status:
            found = re.search(r"^VmRSS:\s+(\d+) kB", status.read(), re.MULTILINE)
            return int(found.group(1)) * 1024 if found else 0
    except OSError:
        return 0


def _tail(log_path):
    try:
        with open(log_path, errors="replace") as log:
            lines = log.read().strip().splitlines()[-5:]
            return ": " + " / ".join(lines) if lines else ""
    except OSError:
        return ""
