"""The servers of the TLS scenarios: each with one worker, the same certificate and key for
bench.test (ECDSA, P-256), sessions resumed by tickets, and HTTP/2 where it can."""

import http.client
import os
import socket
import ssl
import subprocess
import time
import urllib.request

from harness import api, processes, servers

NAME = "bench.test"
SERVED_TIMEOUT_SECS = 30


class OverTls:
    """What all have in common."""

    is_tls = True

    def pem(self):
        """Paths of the chain, of the key, and of both in one file."""
        chain, key, both = (os.path.join(self.setup.memory, name)
                            for name in ("chain.pem", "key.pem", "both.pem"))
        if not os.path.exists(both):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", f"/CN={NAME}",
                 "-addext", f"subjectAltName=DNS:{NAME}", "-keyout", key, "-out", chain],
                check=True, stderr=subprocess.DEVNULL, timeout=20)
            with open(both, "w") as file:
                for path in (chain, key):
                    with open(path) as part:
                        file.write(part.read())
        return chain, key, both


class Warmfront(OverTls, servers.Warmfront):
    """A distribution with an alias and a certificate of the local authority: two of the chain's
    certificates travel where the others have one."""

    def launch(self):
        ports = [processes.free_port() for _ in range(2)]
        self.run([
            self.setup.warmfront, "serve",
            "--http", f"127.0.0.1:{ports[0]}",
            "--https", self.address,
            "--api", f"127.0.0.1:{ports[1]}",
            "--dns", "127.0.0.1:0",
            "--data", self.cache,
            "--access-logs", os.path.join(self.work, "logs"),
            "--workers", "1",
            "--cache-bytes", "4GiB",
        ])
        processes.wait_for_port(ports[1], self.running, self.log_path)
        self.await_health(f"http://127.0.0.1:{ports[1]}/health")
        self.configure(api.Api(ports[1], os.path.join(self.cache, "credentials")))
        self.await_served()

    def await_health(self, url):
        """The address is taken early; the API answers once it answers."""
        deadline = time.monotonic() + SERVED_TIMEOUT_SECS
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(url, timeout=5):
                    return
            except OSError:
                time.sleep(0.05)
        raise processes.Failed("the API does not answer")

    def configure(self, client):
        answer = client.acm("RequestCertificate", DomainName=NAME, KeyAlgorithm="EC_prime256v1")
        arn = answer["CertificateArn"]
        deadline = time.monotonic() + SERVED_TIMEOUT_SECS
        while client.acm("DescribeCertificate", CertificateArn=arn)["Certificate"]["Status"] \
                != "ISSUED":
            if time.monotonic() > deadline:
                raise processes.Failed("the certificate is not issued")
            time.sleep(0.05)
        port = int(self.setup.origin_address.split(":")[1])
        config = api.distribution("bench", port, alias=NAME, certificate=arn)
        client.must("POST", "/distribution", config)

    def await_served(self):
        deadline = time.monotonic() + SERVED_TIMEOUT_SECS
        while (status := self.status_of("/k/0")) != 200:
            if time.monotonic() > deadline:
                raise processes.Failed(f"answers {status}")
            time.sleep(0.05)

    def status_of(self, path):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as plain, \
                    context.wrap_socket(plain, server_hostname=NAME) as stream:
                connection = http.client.HTTPConnection(NAME)
                connection.sock = stream
                connection.request("GET", path)
                return connection.getresponse().status
        except OSError as error:
            return error


class Nginx(OverTls, servers.Nginx):
    listens = "ssl http2"

    def launch(self):
        chain, key, _ = self.pem()
        self.more = f"""
        ssl_certificate {chain};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:sessions:50m;
        http2_max_concurrent_streams 256;"""
        super().launch()


class NginxTuned(Nginx):
    name = servers.NginxTuned.name
    label = servers.NginxTuned.label
    open_file_cache = servers.NginxTuned.open_file_cache
    for_small = servers.NginxTuned.for_small


class Haproxy(OverTls, servers.Server):
    """Its cache is for small objects alone. It writes its log line by line."""

    name = "haproxy"
    label = "HAProxy"

    def launch(self):
        _, _, both = self.pem()
        config = self.write("haproxy.cfg", f"""
global
    nbthread 1
    maxconn 4000
    log stdout format raw local0
    ssl-default-bind-options ssl-min-ver TLSv1.2
    tune.h2.max-concurrent-streams 256
defaults
    mode http
    log global
    option httplog
    timeout connect 5s
    timeout client 600s
    timeout server 600s
    timeout http-keep-alive 600s
cache objects
    total-max-size 1024
    max-object-size 1000000
    max-age 3600
frontend all
    bind {self.address} ssl crt {both} alpn h2,http/1.1
    http-request cache-use objects
    http-response cache-store objects
    default_backend origin
backend origin
    server origin {self.setup.origin_address}
""")
        self.run(["haproxy", "-db", "-f", config])


class Hitch(OverTls, servers.Varnish):
    """Varnish, with hitch before it for TLS."""

    name = "hitch"
    label = "Varnish with hitch"

    def __init__(self, setup):
        super().__init__(setup)
        self.varnish_port = processes.free_port()

    @property
    def listens(self):
        return f"127.0.0.1:{self.varnish_port},PROXY"

    def launch(self):
        super().launch()
        _, _, both = self.pem()
        config = self.write("hitch.conf", f"""
frontend = "[127.0.0.1]:{self.port}"
backend = "[127.0.0.1]:{self.varnish_port}"
pem-file = "{both}"
workers = 1
backlog = 4096
write-proxy-v2 = on
tls-protos = TLSv1.2 TLSv1.3
alpn-protos = "http/1.1"
keepalive = 600
ocsp-dir = ""
""")
        user = ["--user=nobody"] if os.geteuid() == 0 else []
        self.run(["hitch", f"--config={config}", *user])

    def cpu_secs(self):
        """As of the others: varnishd and hitch are the server proper, varnishncsa is not."""
        varnishd, log_writer, hitch = (processes.cpu_secs(one.pid) for one in self.running)
        return varnishd + log_writer + hitch, varnishd + hitch


class Loop(OverTls, servers.Loop):
    """The bare loop over rustls."""

    label = "bare rustls loop"

    def launch(self):
        chain, key, _ = self.pem()
        self.run([
            self.setup.tools, "loop", "--addr", self.address, "--size", self.size_bytes,
            "--chain", chain, "--key", key,
        ])


class Loop10MiB(Loop):
    name = servers.Loop10MiB.name
    size_bytes = servers.Loop10MiB.size_bytes
