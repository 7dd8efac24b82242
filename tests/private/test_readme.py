"""The README's private site, word for word: what it says to type, and what it says is printed."""

import os
import re
import shutil
import subprocess
import sys

from private_case import PrivateCase

import processes

SECTION = "## A private site"
MARK = "=== next"
# What is another every time.
CHANGING = (
    (r"\bK[0-9A-Z]{13}\b", "KEY"), (r"\bE[0-9A-Z]{13}\b", "DISTRIBUTION"),
    (r"Expires=\d+", "Expires=N"), (r"Signature=[^&\s]+", "Signature=S"),
)


def steps(text):
    """Commands, each with the lines that it is to print; continued lines are its own."""
    found = []
    for block in re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(([line[2:]], []))
            elif found and line.startswith("    ") and not found[-1][1]:
                found[-1][0].append(line)
            elif line:
                found[-1][1].append(line)
    return [("\n".join(command), printed) for command, printed in found]


class Readme(PrivateCase):
    @classmethod
    def set_up(cls):
        cls.start_server()

    def shown(self, line):
        for pattern, name in CHANGING:
            line = re.sub(pattern, name, line)
        return line

    def ported(self, text):
        return text.replace(":8080", f":{self.server.http_port}").replace(
            ":4566", f":{self.server.api_port}")

    def test_what_it_shows_is_what_happens(self):
        readme = (processes.ROOT / "README.md").read_text()
        self.assertIn(SECTION, readme)
        told = steps(readme.split(SECTION)[1].split("\n## ")[0])
        self.assertGreater(len(told), 8)
        folder, programs = self.here / "private", self.directory("programs")
        shutil.copytree(processes.ROOT / "examples" / "private", folder)
        (programs / "warmfront").symlink_to(processes.warmfront_path())
        (programs / "aws").write_text(f'#!/bin/sh\nexec {sys.executable} -m awscli "$@"\n')
        (programs / "aws").chmod(0o755)
        script = "".join(f"{self.ported(command)}\necho\necho '{MARK}'\n" for command, _ in told)
        done = subprocess.run(
            ["bash", "-c", script], cwd=folder, stdin=subprocess.DEVNULL, timeout=120,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={
                **os.environ, **self.server.environment(),
                "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"})
        outputs = done.stdout.split(MARK)
        self.assertEqual(len(outputs), len(told) + 1, done.stdout)
        for (command, printed), output in zip(told, outputs):
            with self.subTest(command):
                lines = [line for line in re.split(r"[\r\n]+", output)
                         if line.strip() and not line.startswith("Completed ")]
                self.compare(printed, lines)

    def compare(self, wanted, lines):
        """Lines as shown, in any order; an ellipsis is for any text."""
        wanted = sorted(self.shown(self.ported(line)) for line in wanted)
        lines = sorted(self.shown(line).rstrip() for line in lines)
        self.assertEqual(len(lines), len(wanted), (wanted, lines))
        for line, want in zip(lines, wanted):
            pattern = ".*".join(re.escape(part) for part in want.split("\u2026"))
            self.assertRegex(line, f"^{pattern}$")
