"""What was measured, as Markdown, with the bars it is held to."""

import datetime
import os
import platform
import re
import statistics
import subprocess

NOISE_MAX_CORES = 0.10


def machine():
    """The machine in words that mean something elsewhere."""
    with open("/proc/cpuinfo") as file:
        cpuinfo = file.read()
    model = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    is_virtual = re.search(r"^flags.*\bhypervisor\b", cpuinfo, re.MULTILINE)
    with open("/proc/meminfo") as file:
        memory_kib = int(re.search(r"^MemTotal:\s+(\d+)", file.read(), re.MULTILINE).group(1))
    kernel = re.match(r"\d+(\.\d+)*", platform.release())
    return {
        "cpu": (model.group(1) if model else platform.machine())
        + (" (virtual machine)" if is_virtual else ""),
        "cores": os.cpu_count(),
        "memory": f"{memory_kib / 2**20:.0f} GiB",
        "kernel": "Linux " + (kernel.group(0) if kernel else "?"),
        "system": _first(r'^PRETTY_NAME="?([^"\n]+)', _read("/etc/os-release")),
    }


def versions(root):
    return {
        "Warmfront": "commit " + _first(r"(\w+)", _output("git", "-C", root, "rev-parse",
                                                            "--short", "HEAD")),
        "nginx": _first(r"nginx/([\d.]+)", _output("nginx", "-v")),
        "Varnish": _first(r"varnish-([\d.]+)", _output("varnishd", "-V")),
        "Traffic Server": _first(r"Traffic Server ([\d.]+)", _output("traffic_server", "-V")),
        "HAProxy": _first(r"version ([\d.]+)", _output("haproxy", "-v")),
        "hitch": _first(r"hitch ([\d.]+)", _output("hitch", "--version")),
        "h2load": _first(r"nghttp2/([\d.]+)", _output("h2load", "--version")),
        "OpenSSL": _first(r"OpenSSL ([\d.]+)", _output("openssl", "version")),
        "rustc": _first(r"rustc ([\d.]+)", _output("rustc", "-V")),
    }


def render(results):
    parts = [_head(results), _bars(results)]
    for name, rows in results["rates"].items():
        parts.append(_rate(results["titles"][name], results["units"][name], rows))
    parts += [_protocols(results["rates"]), _aes(results), _idle(results, "idle"),
              _idle(results, "tls_idle"), _burst(results),
              _million(results), _trace(results)]
    parts.append(_notes(results))
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _head(results):
    machine_text = results["machine"]
    programs = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    command = "bench/run tls" if results["is_tls"] else "bench/run"
    return f"""# Results{" over TLS" if results["is_tls"] else ""}

Written by `{command}` on {datetime.date.today()}; `bench/README.md` says how to read it.

- Machine: {machine_text["cpu"]}, {machine_text["cores"]} cores, {machine_text["memory"]};
  {machine_text["system"]}, {machine_text["kernel"]}.
- Programs: {programs}.
- Each server has one worker on core 0; the load generator and the origin are on core 1. Medians of
  {results["rounds"]} interleaved rounds of {results["seconds"]:g} s; access logs on everywhere."""


def _bars(results):
    bars = list(_rate_bars(results["rates"])) + list(_other_bars(results))
    if not bars:
        return ""
    lines = ["## Bars", "", "| bar | allowed | measured | |", "| --- | --- | --- | --- |"]
    lines += [f"| {what} | {allowed} | {measured} | {'met' if is_met else '**missed**'} |"
              for what, allowed, measured, is_met in bars]
    return "\n".join(lines)


def _rate_bars(rates):
    """What is compared, what is allowed, what was measured, and whether it is enough."""
    def against(name, peer, key="cpu_us"):
        rows = rates.get(name, {})
        if "warmfront" in rows and peer in rows:
            return rows["warmfront"]["cpu_us"] / rows[peer][key]
        return None

    at_most = [
        ("hit-1k", "nginx", "1 KiB hit: CPU per request", 0.70),
        ("hit-1k", "loop", "1 KiB hit: CPU per request", 2.0),
        ("miss-1k", "nginx", "miss, proxied: CPU per request", 1.3),
        ("tls-1k", "nginx", "1 KiB hit by TLS 1.3: CPU per request", 0.60),
        ("h2-1k", "nginx", "1 KiB hit by HTTP/2: CPU per request", 0.75),
    ]
    for name, peer, what, allowed in at_most:
        if (ratio := against(name, peer)) is not None:
            yield (f"{what}, to {rates[name][peer]['label']}", f"≤ {allowed:.2f} ×",
                   f"{ratio:.2f} ×", ratio <= allowed)
    at_least = [
        ("hit-64k", "varnish", "64 KiB hit: requests per CPU second", 1.0),
        ("hit-64k", "trafficserver", "64 KiB hit: requests per CPU second", 1.0),
        ("hit-10m", "varnish", "10 MiB hit: bytes per CPU second", 1.0),
        ("tls-handshake", "nginx", "full handshakes per CPU second", 1.5),
        ("tls-resumed", "nginx", "resumed handshakes per CPU second", 1.0),
        ("tls-10m", "nginx", "10 MiB hit by TLS: bytes per CPU second", 1.0),
        ("tls-10m", "hitch", "10 MiB hit by TLS: bytes per CPU second", 1.0),
    ]
    for name, peer, what, allowed in at_least:
        if (ratio := against(name, peer)) is not None:
            measured = f"{1 / ratio:.2f} ×"
            if peer in ("varnish", "hitch"):
                proper = against(name, peer, "cpu_us_proper")
                measured += f" ({1 / proper:.2f} × without its log writer)"
            label = rates[name][peer]["label"]
            yield f"{what}, to {label}", f"≥ {allowed:.2f} ×", measured, 1 / ratio >= allowed


def _other_bars(results):
    if row := results.get("idle", {}).get("warmfront"):
        mib = row["rss_after"] / 2**20
        is_met = mib <= 150 and row["connections"] >= 10_000 and not row["closed"]
        yield f"{row['connections']:,} idle connections, RSS", "≤ 150 MiB", f"{mib:.1f} MiB", is_met
    if row := results.get("million"):
        yield (f"{row['objects']:,} objects of 1 KiB, RSS for each", "≤ 1,274 bytes",
               f"{row['bytes_per_object']:,.0f} bytes",
               row["bytes_per_object"] <= 1274 and row["hits"] == row["lookups"])
    if row := results.get("burst", {}).get("warmfront"):
        is_met = (row["origin_requests"] == 1 and row["requests"] == 5000
                  and row["distinct"] == 1 and not row["errors"] and not row["not_2xx"])
        yield ("5,000 requests for one cold object: origin requests", "1",
               f"{row['origin_requests']:,}", is_met)


def _rate(title, unit, rows):
    if not rows:
        return ""
    nginx = rows.get("nginx", {}).get("cpu_us")
    loop = next((row["cpu_us"] for key, row in rows.items() if key.startswith("loop")), None)
    lines = [
        f"## {title}", "",
        f"| server | CPU µs / {unit} | × nginx | × loop | {unit}s / CPU s | GiB / CPU s "
        f"| {unit}s / s | p50 µs | p99 µs | core busy |",
        "| --- |" + " ---: |" * 9,
    ]
    for key, row in rows.items():
        lines.append(_rate_line(row["label"], row, row["cpu_us"], nginx, loop))
        if key in ("varnish", "hitch"):
            lines.append(_rate_line(row["label"] + " without its log writer", None,
                                    row["cpu_us_proper"], nginx, loop))
    doubts = [f"- {row['label']}: {row['doubt']}." for row in rows.values() if row["doubt"]]
    spreads = [f"{row['label']} {min(row['cpu_us_all']):.1f}–{max(row['cpu_us_all']):.1f}"
               for row in rows.values()]
    lines += ["", "Spread of CPU µs over the rounds: " + ", ".join(spreads) + "."]
    return "\n".join(lines + ([""] + doubts if doubts else []))


def _rate_line(label, row, cpu_us, nginx, loop):
    def ratio(base):
        return f"{cpu_us / base:.2f}" if base else "–"

    rest = " | | | | |"
    if row:
        rest = (f" {row['bytes_per_cpu_sec'] / 2**30:.2f} | {row['requests_per_sec']:,.0f} "
                f"| {_whole(row['p50_us'])} | {_whole(row['p99_us'])} | {row['cpu_busy']:.0%} |")
    return (f"| {label} | {cpu_us:,.2f} | {ratio(nginx)} | {ratio(loop)} "
            f"| {1e6 / max(cpu_us, 1e-9):,.0f} |{rest}")


def _whole(figure):
    return "–" if figure is None else f"{figure:,.0f}"


def _protocols(rates):
    """The protocols of one server against each other; there is no bar."""
    pairs = [("h3-1k", "h2-1k"), ("h3-10m", "h2-10m"), ("h2-10m", "tls-10m")]
    lines = []
    for name, base in pairs:
        ours, other = (rates.get(one, {}).get("warmfront") for one in (name, base))
        if ours and other:
            lines.append(f"| {name} | {base} | {ours['cpu_us'] / other['cpu_us']:.2f} × |")
    head = ["## Protocols against each other", "",
            "| Warmfront's CPU per request | against | |", "| --- | --- | ---: |"]
    return "\n".join(head + lines) if lines else ""


def _aes(results):
    if not (row := results.get("aes")):
        return ""
    lines = [f"## {results['titles']['aes']}", "",
             "| what | GiB / CPU s |", "| --- | ---: |",
             f"| rustls, records of 16 KiB sent nowhere | {row['rustls'] / 2**30:.2f} |",
             f"| `openssl speed -evp aes-128-gcm -bytes 16384` | {row['openssl'] / 2**30:.2f} |"]
    for name in ("tls-10m", "h2-10m", "h3-10m"):
        if ours := results["rates"].get(name, {}).get("warmfront"):
            rate = ours["bytes_per_cpu_sec"]
            lines.append(f"| Warmfront, {name}: {rate / row['rustls']:.0%} of rustls "
                         f"| {rate / 2**30:.2f} |")
    return "\n".join(lines)


def _idle(results, name):
    if not results.get(name):
        return ""
    lines = [f"## {results['titles'][name]}", "",
             "| server | RSS before, MiB | RSS with them, MiB | bytes / connection | closed |",
             "| --- |" + " ---: |" * 4]
    for row in results[name].values():
        each = (row["rss_after"] - row["rss_before"]) / row["connections"]
        lines.append(f"| {row['label']} | {row['rss_before'] / 2**20:.1f} "
                     f"| {row['rss_after'] / 2**20:.1f} | {each:,.0f} "
                     f"| {row['closed'] + row['errors']} |")
    return "\n".join(lines)


def _burst(results):
    if not results.get("burst"):
        return ""
    lines = [f"## {results['titles']['burst']}", "",
             "The origin takes 500 ms to answer.", "",
             "| server | origin requests | complete, equal answers | errors | last answer, ms |",
             "| --- |" + " ---: |" * 4]
    for row in results["burst"].values():
        equal = f"{row['requests']:,}"
        if row["distinct"] != 1:
            equal = f"{row['distinct']} different bodies"
        lines.append(f"| {row['label']} | {row['origin_requests']:,} | {equal} "
                     f"| {row['errors'] + row['not_2xx']} | {row['max_us'] / 1000:,.0f} |")
    return "\n".join(lines)


def _million(results):
    if not (row := results.get("million")):
        return ""
    return f"""## {row["objects"]:,} distinct 1 KiB objects

RSS grew from {row["rss_before"] / 2**20:.1f} MiB to {row["rss_after"] / 2**20:.1f} MiB:
{row["bytes_per_object"]:,.0f} bytes for each object, body included. Filling ran at
{row["fill_per_sec"]:,.0f} misses per second with {row["errors"]} errors; afterwards
{row["hits"]:,} of {row["lookups"]:,} random requests were hits."""


def _trace(results):
    if "trace" not in results:
        return ""
    return f"## Miss ratios on a trace\n\n```\n{results['trace'].strip()}\n```"


def _notes(results):
    notes = [f"- Not measured: {name} ({reason})." for name, reason in results["missing"].items()]
    if results["noise"]:
        typical, worst = statistics.median(results["noise"]), max(results["noise"])
        warning = " **Too noisy to compare closely.**" if worst > NOISE_MAX_CORES else ""
        notes.append(f"- Other work on the machine while measuring: {typical:.3f} cores in the "
                     f"median, {worst:.3f} at worst.{warning}")
    if "wrk_loop_cpu_us" in results:
        notes.append("- Cross-check: under wrk instead of the load generator here, the bare loop "
                     f"takes {results['wrk_loop_cpu_us']:.2f} CPU µs for a 1 KiB request.")
    return "## Notes\n\n" + "\n".join(notes) if notes else ""


def _output(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        return done.stdout + done.stderr
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def _first(pattern, text):
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1) if found else "not found"
