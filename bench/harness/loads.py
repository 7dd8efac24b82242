"""How load is made: by `bench-tools`, and by h2load for HTTP/2."""

import os
import re

from harness.tls_servers import NAME

# One suite and one group for all, as `bench-tools` has them.
TLS_OF_H2LOAD = ["--tls13-ciphers=TLS_AES_128_GCM_SHA256", "--groups=X25519"]
HANDSHAKES = {
    "handshake": [],
    "resumed": ["--resume", "yes"],
    "resumed-1.2": ["--resume", "yes", "--tls", "1.2"],
}


def command(tools, server, rate, *more):
    """What asks `server` by `rate`'s protocol; it prints one line of JSON."""
    common = ["--addr", server.address, "--connections", rate.connections, *more]
    if rate.protocol in HANDSHAKES:
        return [tools, "handshakes", *HANDSHAKES[rate.protocol], "--host", NAME, *common]
    words = [tools, "load", "--path", rate.path, "--unique", rate.unique, *common]
    if rate.protocol == "h3":
        return [*words, *words_of(server, "h3"), "--streams", rate.streams]
    return [*words, *words_of(server)]


def words_of(server, protocol="tls"):
    """What a server over TLS wants to be asked with."""
    return ["--host", f"{NAME}:{server.port}", "--protocol", protocol] if server.is_tls else []


def h2load(server, rate, seconds, folder):
    """What asks by HTTP/2, for so long. It goes through the paths in turn."""
    urls = os.path.join(folder, f"{rate.name}.urls")
    with open(urls, "w") as file:
        for number in range(rate.unique):
            file.write(f"https://{NAME}:{server.port}{rate.path.format(number)}\n")
    duration = f"{round(seconds * 1000)}ms"
    return ["h2load", "-t", "1", "-c", rate.connections, "-m", rate.streams, "-D", duration,
            f"--connect-to={server.address}", *TLS_OF_H2LOAD, "-i", urls]


def h2load_counts(output, seconds):
    """What h2load says, in the words of `bench-tools`; it knows no percentiles."""
    def number(pattern):
        return float(re.search(pattern, output).group(1))

    done = number(r"requests: .* (\d+) done")
    return {
        "requests": int(done),
        "errors": int(number(r"(\d+) errored") + number(r"(\d+) timeout")),
        # At the end some have their status, and not their last byte.
        "not_2xx": max(0, int(done - number(r"status codes: (\d+) 2xx"))),
        "bytes": int(number(r"\((\d+)\) data")),
        "seconds": seconds,
        "p50_us": None,
        "p99_us": None,
    }
