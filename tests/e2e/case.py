"""What the test classes have in common."""

import shutil
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import processes
import site_tree


class Case(unittest.TestCase):
    """Each class has a directory of its own, and starts what it needs in `set_up`."""

    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.here = Path(tempfile.mkdtemp(prefix="warmfront-e2e-"))
        cls.addClassCleanup(shutil.rmtree, cls.here, ignore_errors=True)
        cls.set_up()

    @classmethod
    def set_up(cls):
        pass

    @classmethod
    def directory(cls, name):
        directory = cls.here / name
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    @classmethod
    def start(cls, process):
        cls.addClassCleanup(process.kill)
        return process

    @classmethod
    def start_site(cls, locations=""):
        """A real site: the tree and the nginx that serves it."""
        root = cls.directory("root")
        cls.tree = site_tree.write(root)
        cls.nginx = cls.start(processes.Nginx(root, cls.directory("nginx"), locations))

    @classmethod
    def start_warmfront(cls, *flags, name="edge", **settings):
        return cls.start(processes.Warmfront(cls.directory(name), *flags, **settings))

    def curl(self, url, *arguments, **settings):
        return processes.curl(self.here, url, *arguments, **settings)

    def get(self, path, *arguments, **settings):
        return self.curl(self.edge.url + path, *arguments, **settings)

    def for_each(self, items, check, threads=6):
        """Checks in threads; the first failure is the test's."""
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(check, items):
                pass

    def assert_same_bytes(self, got, want, what):
        if got == want:
            return
        at = next(
            (index for index, pair in enumerate(zip(got, want)) if pair[0] != pair[1]),
            min(len(got), len(want)),
        )
        self.fail(f"{what}: {len(got)} bytes for {len(want)}, different from byte {at}")
