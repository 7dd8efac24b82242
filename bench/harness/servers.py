"""The servers under test, each as a cache on 127.0.0.1 in front of the same origin.

All have one worker, access logs switched on and written to a file, an answer header that tells
hits from misses, and enough memory that nothing is evicted. What a good operator would set is set:
keep-alive to the origin, large connection limits, logs buffered.
"""

import os
import shutil

from harness import processes

CACHE_SIZE = "4G"


class Server:
    """One server: how to start it, and what it costs."""

    name = "?"
    label = "?"
    is_tls = False

    def __init__(self, setup):
        self.setup = setup
        self.port = processes.free_port()
        self.work = os.path.join(setup.work, self.name)
        # Caches that live in files lie in memory, so that no disk is measured.
        self.cache = os.path.join(setup.memory, self.name)
        self.running = []

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def log_path(self):
        return os.path.join(self.work, "output.log")

    def start(self):
        for folder in (self.work, self.cache):
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)
        self.launch()
        processes.wait_for_port(self.port, self.running, self.log_path)

    def stop(self):
        for process in reversed(self.running):
            processes.stop(process)
        self.running = []
        shutil.rmtree(self.cache, ignore_errors=True)

    def launch(self):
        raise NotImplementedError

    def run(self, command, env=None):
        process = processes.start(command, processes.SERVER_CORE, self.log_path, env)
        self.running.append(process)

    def write(self, name, text):
        path = os.path.join(self.work, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def cpu_secs(self):
        """CPU time so far: of everything, and of the server proper without its log writer."""
        each = [processes.cpu_secs(process.pid) for process in self.running]
        return sum(each), each[0]

    def rss_bytes(self):
        return sum(processes.rss_bytes(process.pid) for process in self.running)


class Warmfront(Server):
    name = "warmfront"
    label = "Warmfront"

    def launch(self):
        self.run([
            self.setup.warmfront, "serve",
            "--origin", f"http://{self.setup.origin_address}",
            "--http", self.address,
            "--https", "off",
            "--api", f"127.0.0.1:{processes.free_port()}",
            "--dns", "127.0.0.1:0",
            "--data", self.cache,
            "--access-logs", os.path.join(self.work, "logs"),
            "--workers", "1",
            "--cache-bytes", "4GiB",
        ])


class Nginx(Server):
    name = "nginx"
    label = "nginx"
    open_file_cache = ""
    # For small objects, one segment for head and body; for those larger than the loopback
    # interface's segments this would wait for the viewer's delayed acknowledgement.
    for_small = "tcp_nopush on;"
    # What follows the address after `listen`, and what else the server has.
    listens = ""
    more = ""

    def launch(self):
        user = "user root;" if os.geteuid() == 0 else ""
        temporary = "".join(
            f"    {kind}_temp_path {self.cache}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config = self.write("nginx.conf", f"""
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile {self.setup.open_files};
pid {self.work}/nginx.pid;
error_log {self.work}/error.log;
events {{ worker_connections {self.setup.open_files - 100}; }}
http {{
{temporary}
    sendfile on;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    access_log {self.work}/access.log combined buffer=64k flush=1s;
    {self.open_file_cache}
    proxy_cache_path {self.cache}/objects levels=1:2 keys_zone=objects:64m max_size={CACHE_SIZE}
        inactive=1h use_temp_path=off;
    upstream origin {{
        server {self.setup.origin_address};
        keepalive 128;
        keepalive_requests 1000000000;
    }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    add_header X-Cache $upstream_cache_status;
    server {{
        listen {self.address} backlog=16384 {self.listens};
        {self.more}
        proxy_cache objects;
        proxy_cache_lock on;
        proxy_cache_revalidate on;
        location / {{ proxy_pass http://origin; }}
        location /k/ {{ proxy_pass http://origin; {self.for_small} }}
        location /nocache/ {{ proxy_pass http://origin; proxy_cache off; }}
    }}
}}
""")
        self.run(["nginx", "-p", self.work, "-e", f"{self.work}/error.log", "-c", config])


class NginxTuned(Nginx):
    """nginx as fast as we could make it: it keeps the descriptors of cached objects open, which is
    seldom set, and reads small ones into memory instead of calling `sendfile`."""

    name = "nginx-tuned"
    label = "nginx with open_file_cache"
    open_file_cache = "open_file_cache max=100000 inactive=1h; open_file_cache_valid 1h;"
    for_small = "sendfile off;"


class Varnish(Server):
    name = "varnish"
    label = "Varnish"

    @property
    def listens(self):
        return self.address

    def launch(self):
        host, port = self.setup.origin_address.split(":")
        vcl = self.write("bench.vcl", f"""
vcl 4.1;
backend origin {{ .host = "{host}"; .port = "{port}"; }}
sub vcl_recv {{
    if (req.url ~ "^/nocache/") {{ return (pass); }}
}}
sub vcl_deliver {{
    set resp.http.X-Cache = "MISS";
    if (obj.hits > 0) {{ set resp.http.X-Cache = "HIT"; }}
}}
""")
        self.run([
            "varnishd", "-F", "-j", "none", "-n", self.cache, "-a", self.listens, "-f", vcl,
            "-s", f"malloc,{CACHE_SIZE}", "-T", "none",
            "-p", "thread_pools=1", "-p", "thread_pool_min=100", "-p", "thread_pool_max=1000",
            "-p", "listen_depth=16384", "-p", "timeout_idle=600",
        ])
        processes.wait_for_port(int(self.listens.split(":")[1].split(",")[0]), self.running,
                                self.log_path)
        # Varnish itself writes its log to shared memory; this process brings it to a file.
        self.run(["varnishncsa", "-n", self.cache, "-w", f"{self.work}/access.log"])


class TrafficServer(Server):
    name = "trafficserver"
    label = "Traffic Server"

    def launch(self):
        folders = {name: os.path.join(self.work, name) for name in ("etc", "run", "log")}
        for folder in folders.values():
            os.makedirs(folder, exist_ok=True)
        # The directories, readable for everybody: the server may give up root.
        root = self.write("runroot.yaml", f"""
prefix: /usr
exec_prefix: /usr
bindir: /usr/bin
sbindir: /usr/sbin
sysconfdir: {folders["etc"]}
datadir: {self.cache}
libdir: /usr/lib/trafficserver
libexecdir: /usr/lib/trafficserver/modules
localstatedir: {folders["run"]}
runtimedir: {folders["run"]}
logdir: {folders["log"]}
cachedir: {self.cache}
""")
        self.write("etc/storage.config", f"{self.cache} {CACHE_SIZE}\n")
        self.write("etc/remap.config", f"map / http://{self.setup.origin_address}/\n")
        self.write("etc/plugin.config", "")
        self.write("etc/ip_allow.yaml", """
ip_allow:
  - {apply: in, ip_addrs: 127.0.0.0/8, action: allow, methods: ALL}
""")
        self.write("etc/logging.yaml", """
logging:
  formats:
    - name: squid
      format: >-
        %<cqtq> %<ttms> %<chi> %<crc>/%<pssc> %<psql> %<cqhm> %<cquc> %<caun> %<phr>/%<shn> %<psct>
  logs:
    - {filename: access, format: squid, mode: ascii}
""")
        user = "CONFIG proxy.config.admin.user_id STRING #-1\n" if os.geteuid() == 0 else ""
        self.write("etc/records.config", user + f"""
CONFIG proxy.config.http.server_ports STRING {self.port}:ip-in=127.0.0.1
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 1
CONFIG proxy.config.exec_thread.affinity INT 0
CONFIG proxy.config.accept_threads INT 0
CONFIG proxy.config.task_threads INT 1
CONFIG proxy.config.cache.threads_per_disk INT 2
CONFIG proxy.config.cache.ram_cache.size INT {CACHE_SIZE}
CONFIG proxy.config.cache.ram_cache_cutoff INT 64M
CONFIG proxy.config.net.connections_throttle INT {self.setup.open_files}
CONFIG proxy.config.net.max_connections_in INT {self.setup.open_files}
CONFIG proxy.config.net.listen_backlog INT 16384
CONFIG proxy.config.http.keep_alive_no_activity_timeout_in INT 600
CONFIG proxy.config.http.keep_alive_no_activity_timeout_out INT 600
CONFIG proxy.config.http.insert_response_via_str INT 2
CONFIG proxy.config.http.cache.open_write_fail_action INT 5
CONFIG proxy.config.cache.enable_read_while_writer INT 1
CONFIG proxy.config.http.cache.max_open_read_retries INT 100
CONFIG proxy.config.http.cache.open_read_retry_time INT 20
CONFIG proxy.config.url_remap.remap_required INT 1
CONFIG proxy.config.reverse_proxy.enabled INT 1
CONFIG proxy.config.log.logging_enabled INT 3
CONFIG proxy.config.log.rolling_enabled INT 0
CONFIG proxy.config.log.max_space_mb_for_logs INT 20000
CONFIG proxy.config.crash_log_helper STRING NULL
CONFIG proxy.config.diags.debug.enabled INT 0
""")
        self.run(["traffic_server", f"--run-root={root}"], {"TS_RUNROOT": root})


class Loop(Server):
    """The bare epoll loop, which answers everything with a constant of the scenario's size."""

    name = "loop"
    label = "bare epoll loop"
    size_bytes = 1024

    def launch(self):
        self.run([
            self.setup.tools, "loop", "--addr", self.address, "--size", self.size_bytes,
        ])


class Loop64KiB(Loop):
    name = "loop-64k"
    size_bytes = 64 * 1024


class Loop10MiB(Loop):
    name = "loop-10m"
    size_bytes = 10 * 1024 * 1024
