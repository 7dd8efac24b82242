"""Runs the three servers, asks them all, and compares. Started by `run`, which see."""

import argparse
import collections
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype

from deliberate import reason_for
from queries import all_queries

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ZONE = HERE / "example.test.zone"
PAGE = ROOT / "bench" / "DNS.md"
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
# Queries on their way to one server at once, and how long their last answer is waited for.
WINDOW = 100
SILENCE_SECS = 0.2
SILENCE_ALONE_SECS = 0.1
START_SECS_MAX = 20
TYPES_OF_NAMES = [dns.rdatatype.from_text(kind) for kind in
                  ("NS", "SOA", "CNAME", "PTR", "MX", "SRV")]


class Server:
    """One of the three, on a port of its own."""

    def __init__(self, name, work):
        self.name, self.work = name, work / name
        self.work.mkdir()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        with open(self.work / "log", "wb") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.connect(("127.0.0.1", self.port))

    def command(self):
        if self.name == "warmfront":
            binary = os.environ.get("SERVE_ZONE", ROOT / "target/release/examples/serve_zone")
            return [binary, f"127.0.0.1:{self.port}", "--rate-limit", "off",
                    "--zone", "example.test", ZONE]
        program = {"knot": "knotd", "nsd": "nsd"}[self.name]
        config = self.work / "config"
        config.write_text((HERE / f"{self.name}.conf").read_text().format(
            work=self.work, port=self.port, zone=ZONE))
        options = ["-d"] if self.name == "nsd" else []
        return [shutil.which(program, path=PATH), *options, "-c", config]

    def wait(self):
        question = dns.message.make_query("example.test.", "SOA").to_wire()
        self.socket.settimeout(0.1)
        deadline = time.monotonic() + START_SECS_MAX
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.socket.send(question)
                if self.socket.recv(4096)[3] & 15 == 0:
                    return
            except OSError:
                time.sleep(0.05)
        sys.exit(f"dns: {self.name} does not start: {(self.work / 'log').read_text()[-2000:]}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ask_all(self, queries):
        """The answer to each, or nothing. Identifiers are the queries' places."""
        answers = [None] * len(queries)
        by_udp = [at for at, query in enumerate(queries) if not query.is_by_tcp]
        for start in range(0, len(by_udp), WINDOW):
            missing = set(by_udp[start:start + WINDOW])
            self.ask_by_udp(queries, missing, answers, SILENCE_SECS)
            # Alone: beside others that deserve no answer, NSD loses some that do.
            for at in sorted(missing):
                self.ask_by_udp(queries, {at}, answers, SILENCE_ALONE_SECS)
        by_tcp = [at for at, query in enumerate(queries) if query.is_by_tcp]
        for start in range(0, len(by_tcp), WINDOW):
            self.ask_by_tcp(queries, by_tcp[start:start + WINDOW], answers)
        return answers

    def ask_by_udp(self, queries, missing, answers, silence_secs):
        for at in missing:
            self.socket.send(struct.pack(">H", at) + queries[at].message[2:])
        self.socket.settimeout(silence_secs)
        while missing:
            try:
                answer = self.socket.recv(65535)
            except TimeoutError:
                break
            at = struct.unpack(">H", answer[:2])[0]
            if at in missing:
                missing.discard(at)
                answers[at] = answer

    def ask_by_tcp(self, queries, places, answers):
        """All at once over one connection."""
        messages = [struct.pack(">H", at) + queries[at].message[2:] for at in places]
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"".join(struct.pack(">H", len(m)) + m for m in messages))
            with connection.makefile("rb") as stream:
                for _ in places:
                    length = struct.unpack(">H", stream.read(2))[0]
                    answer = stream.read(length)
                    answers[struct.unpack(">H", answer[:2])[0]] = answer


Seen = collections.namedtuple("Seen", "rcode flags question answer authority additional edns size")
SILENT = Seen("silent", (), b"", (), (), (), None, 0)


def decode(wire):
    """What is compared of an answer."""
    if wire is None:
        return SILENT
    try:
        message = dns.message.from_wire(wire)
    except Exception as error:  # The decoder has many.
        return SILENT._replace(rcode=f"undecodable: {error!r}")
    question = b"".join(rrset.name.to_wire() + struct.pack(">HH", rrset.rdtype, rrset.rdclass)
                        for rrset in message.question)
    flags = (dns.opcode.to_text(message.opcode()), dns.flags.to_text(message.flags))
    is_truncated = message.flags & dns.flags.TC
    sections = [() if is_truncated else section(rrsets) for rrsets in
                (message.answer, message.authority, message.additional)]
    return Seen(dns.rcode.to_text(message.rcode()), flags, question, *sections,
                message.edns if message.edns >= 0 else None, len(wire))


def section(rrsets):
    """Records as a set: their order, and that of their values, is nobody's promise."""
    return tuple(sorted(
        (str(rrset.name).lower(), rrset.ttl, dns.rdatatype.to_text(rrset.rdtype), data(rdata))
        for rrset in rrsets for rdata in rrset))


def data(rdata):
    """Names in data have the letters of the question where a server compresses them so."""
    text = rdata.to_text()
    return text.lower() if rdata.rdtype in TYPES_OF_NAMES else text


def differences(ours, theirs):
    """The fields that differ. Additional records are compared where they are needed: referrals."""
    fields = [field for field in ("rcode", "flags", "question", "answer", "authority", "edns")
              if getattr(ours, field) != getattr(theirs, field)]
    has_servers = any(kind == "NS" for _, _, kind, _ in ours.authority)
    is_referral = has_servers and "AA" not in " ".join(ours.flags).split()
    if is_referral and ours.additional != theirs.additional:
        fields.append("additional")
    return fields


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--show", type=int, default=10)
    parser.add_argument("--kind")
    options = parser.parse_args()
    queries = [query for query in all_queries(str(ZONE)) if options.kind in (None, query.kind)]
    servers = []
    work = Path(tempfile.mkdtemp(prefix="warmfront-dns-"))
    try:
        for name in ("warmfront", "knot", "nsd"):
            servers.append(Server(name, work))
        for server in servers:
            server.wait()
        with ThreadPoolExecutor(len(servers)) as pool:
            answers = list(pool.map(lambda server: server.ask_all(queries), servers))
        seen = [list(map(decode, of_server)) for of_server in answers]
        ended = [server.name for server in servers if server.process.poll() is not None]
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(work, ignore_errors=True)
    if ended:
        sys.exit(f"dns: {', '.join(ended)} ended while it was asked")
    return judge(queries, seen, options)


def judge(queries, seen, options):
    counts = collections.defaultdict(collections.Counter)
    reasons = collections.Counter()
    shown = failed = 0
    for query, ours, knot, nsd in zip(queries, *seen):
        row = counts[query.kind]
        row["asked"] += 1
        fields = [differences(ours, theirs) for theirs in (knot, nsd)]
        row["knot"] += not fields[0]
        row["nsd"] += not fields[1]
        row["peers"] += not differences(knot, nsd)
        if not all(fields):
            continue
        reason = reason_for(query, ours, knot, nsd)
        if reason:
            row["deliberate"] += 1
            reasons[reason] += 1
            continue
        row["failed"] += 1
        failed += 1
        if shown < options.show:
            shown += 1
            show(query, fields, ours, knot, nsd)
    text = table(counts, reasons)
    print(text)
    if options.save:
        save(text)
    total = sum(row["asked"] for row in counts.values())
    print(f"dns: {total - failed} passed, {failed} failed")
    return 1 if failed else 0


def show(query, fields, ours, knot, nsd):
    try:
        asked = str(dns.message.from_wire(query.message).question[0])
    except Exception:  # The decoder has many.
        asked = query.message.hex()
    print(f"\n{query.kind}: {asked}; differs from Knot in {fields[0]}, from NSD in {fields[1]}")
    for name, answer in (("warmfront", ours), ("knot", knot), ("nsd", nsd)):
        print(f"  {name:10} {answer.rcode} {answer.flags} EDNS {answer.edns} {answer.size} bytes")
        for part in ("answer", "authority", "additional"):
            for record in getattr(answer, part):
                print(f"             {part}: {' '.join(map(str, record))}")


def table(counts, reasons):
    lines = ["| queries | asked | as Knot | as NSD | deliberate | other | Knot as NSD |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    total = collections.Counter()
    for kind, row in counts.items():
        total.update(row)
        lines.append(line(kind, row))
    lines.append(line("all", total))
    if reasons:
        lines += ["", "Deliberate differences from both:", ""]
        lines += [f"- {reason} ({count} queries)" for reason, count in sorted(reasons.items())]
    return "\n".join(lines) + "\n"


def line(kind, row):
    return (f"| {kind} | {row['asked']} | {row['knot']} | {row['nsd']} | {row['deliberate']} | "
            f"{row['failed']} | {row['peers']} |")


def save(text):
    """Replaces what stands between the marks."""
    page = PAGE.read_text()
    begin, end = "<!-- differential: begin -->\n", "<!-- differential: end -->\n"
    pattern = re.escape(begin) + ".*?" + re.escape(end)
    PAGE.write_text(re.sub(pattern, lambda _: f"{begin}\n{text}\n{end}", page, flags=re.DOTALL))


if __name__ == "__main__":
    sys.exit(main())
