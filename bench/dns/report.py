"""What was measured, as tables of DNS.md, with the bars it is held to."""

import datetime
import re
import subprocess

from harness import report as cache_report

machine = cache_report.machine
BARS = [
    # What, of which scenario and server, against which, and how many times that at most.
    ("simple answer against Knot", ("simple", "warmfront"), ("simple", "knot"), 1.0),
    ("simple answer against the bare loop", ("simple", "warmfront"), ("simple", "echo"), 1.4),
    ("weighted against simple", ("weighted", "warmfront"), ("simple", "warmfront"), 1.25),
    ("latency against simple", ("latency", "warmfront"), ("simple", "warmfront"), 1.25),
    ("geolocation against simple", ("geo", "warmfront"), ("simple", "warmfront"), 1.25),
    ("signed against simple", ("signed", "warmfront-signed"), ("simple", "warmfront"), 1.5),
]
LOAD_SECS_MAX = 5
BYTES_PER_RECORD_MAX = 300


def versions(root):
    return {
        "Warmfront": "commit " + _output(r"(\w+)", "git", "-C", root, "rev-parse", "--short",
                                         "HEAD"),
        "Knot": _output(r"([\d.]+)", "/usr/sbin/knotd", "--version"),
        "NSD": _output(r"([\d.]+)", "/usr/sbin/nsd", "-v"),
        "dnsperf": _output(r"Version ([\d.]+)", "dnsperf", "-h"),
        "rustc": _output(r"rustc ([\d.]+)", "rustc", "-V"),
    }


def render(results, titles):
    programs = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    about = results["machine"]
    head = f"""Written by `bench/run-dns` on {datetime.date.today()}: {about["cpu"]}, {about["cores"]}
cores, {about["memory"]}; {about["system"]}, {about["kernel"]}; {programs}. Medians of
{results["rounds"]} rounds of {results["seconds"]} s in which all take turns."""
    parts = [head, _bars(results), _rates(results["rows"], titles), _million(results["million"])]
    return "\n\n".join(part for part in parts if part) + "\n"


def _bars(results):
    lines = ["| bar | at most | measured | |", "| --- | --- | --- | --- |"]
    for what, row, other, allowed in BARS:
        figures = [results["rows"].get(scenario, {}).get(server)
                   for scenario, server in (row, other)]
        if all(figures):
            ratio = figures[0]["cpu_us"] / figures[1]["cpu_us"]
            lines.append(f"| CPU per query, {what} | {allowed:g} × | {ratio:.2f} × | "
                         f"{_verdict(ratio <= allowed)} |")
    ours = results["million"].get("warmfront")
    if ours:
        lines.append(f"| a million records, from start to answer | {LOAD_SECS_MAX} s | "
                     f"{ours['load_secs']:.1f} s | {_verdict(ours['load_secs'] < LOAD_SECS_MAX)} |")
        size = ours["bytes_per_record"]
        lines.append(f"| a million records, memory for each | {BYTES_PER_RECORD_MAX} bytes | "
                     f"{size:.0f} bytes | {_verdict(size < BYTES_PER_RECORD_MAX)} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _verdict(is_met):
    return "met" if is_met else "**missed**"


def _rates(rows, titles):
    if not rows:
        return ""
    lines = ["| answers | server | CPU µs per query | queries/s | core busy | lost | bytes |",
             "| --- | --- | ---: | ---: | ---: | ---: | ---: |"]
    for scenario, servers in rows.items():
        for row in servers.values():
            lines.append(f"| {titles[scenario]} | {row['title']} | {row['cpu_us']:.2f} | "
                         f"{row['queries_per_sec']:,.0f} | {row['busy']:.0%} | {row['lost']:.0f} | "
                         f"{row['response_bytes']:.0f} |")
    return "\n".join(lines)


def _million(million):
    if not million:
        return ""
    lines = ["| a million A records | from start to answer | memory for each |",
             "| --- | ---: | ---: |"]
    for row in million.values():
        lines.append(f"| {row['title']} | {row['load_secs']:.1f} s | "
                     f"{row['bytes_per_record']:.0f} bytes |")
    return "\n".join(lines)


def save(path, section, text):
    """Replaces what stands between the section's marks."""
    with open(path) as file:
        page = file.read()
    begin, end = f"<!-- {section}: begin -->\n", f"<!-- {section}: end -->\n"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    with open(path, "w") as file:
        file.write(before + begin + "\n" + text + "\n" + end + after)


def _output(pattern, *command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return "?"
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else "?"
