# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions of plug-ins: run where the record is, by name; what a store refuses to load, and what it does with a function that lies."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from support import BIN, BUILD, Undisturbed, start_cluster, wait_until

EXAMPLE = os.path.join(BUILD, "examples", "example_functions.so")
BAD = os.path.join(BUILD, "examples", "bad_functions.so")


class PluginFilesTest(unittest.TestCase):
    """Nothing is started with them: file, reason, remedy, exit status 78."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-plugin-files-")
        self.addCleanup(directory.cleanup)
        self.base = directory.name
        with open(os.path.join(self.base, "nodes"), "w") as out:
            out.write("127.0.0.1\n")
        self.plugin = os.path.join(self.base, "f.so")
        shutil.copy(EXAMPLE, self.plugin)
        os.chmod(self.plugin, 0o644)

    def end_of(self, *command):
        with open(os.path.join(self.base, "ctdb.conf"), "w") as out:
            out.write(f"[database]\nfunctions = {self.plugin}\n")
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout + done.stderr

    def refused(self, text, by_check=True):
        for command in ([f"{BIN}/ctdb-cli", "--base", self.base, "config", "check"] if by_check else None,
                        [f"{BIN}/ctdb-store", "--base", self.base]):
            if command is None:
                continue
            with self.subTest(command=command[0]):
                status, said = self.end_of(*command)
                self.assertEqual(status, 78, said)
                self.assertIn(self.plugin, said)
                self.assertIn(text, said)

    def test_a_good_one(self):
        status, said = self.end_of(f"{BIN}/ctdb-cli", "--base", self.base, "config", "check")
        self.assertEqual(status, 0, said)

    def test_one_that_others_may_change(self):
        os.chmod(self.plugin, 0o666)
        self.refused("chmod go-w")

    def test_one_that_is_not_there(self):
        os.unlink(self.plugin)
        self.refused("No such file")

    def test_one_that_is_no_library(self):
        with open(self.plugin, "w") as out:
            out.write("hello\n")
        self.refused("cannot be loaded", by_check=False)


class PluginsTest(Undisturbed):
    NO_RECOVERIES = True

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="ctdb-plugins-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.cluster = start_cluster(cls.directory.name, cls.addClassCleanup,
                                    options={"database": {"functions": f"{EXAMPLE} {BAD}", "record limit": "8K"}})

    def cli(self, node, *words, status=0):
        done = self.cluster.nodes[node].cli("-o", "json", *words)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return json.loads(done.stdout) if done.stdout else json.loads(done.stderr)

    def test_a_queue_of_lines_for_all_nodes(self):
        for node, line in enumerate(("one", "two", "three")):
            self.cli(node, "record", "append", "jobs.tdb", "queue", f"hex:{line.encode().hex()}0a")
        owner = self.cli(0, "record", "get", "jobs.tdb", "queue")["dmaster"]
        taken = [self.cli(node, "record", "call", "jobs.tdb", "queue", "take-line") for node in (2, 1, 0)]
        self.assertEqual([(one["done"], one["answer"]) for one in taken], [(True, "one"), (True, "two"), (True, "three")])
        none_left = self.cli(1, "record", "call", "jobs.tdb", "queue", "take-line", status=1)
        self.assertEqual((none_left["done"], none_left["answer"]), (False, ""))
        self.assertEqual(self.cli(owner, "record", "get", "jobs.tdb", "queue")["value"], "")

    def test_one_that_refuses(self):
        said = self.cli(1, "record", "call", "jobs.tdb", "number", "keep-larger", "short", status=1)
        self.assertIn("record and argument must have 8 bytes", json.dumps(said))

    def test_one_that_nobody_has(self):
        said = self.cli(1, "record", "call", "jobs.tdb", "number", "keep-smaller", status=1)
        self.assertRegex(json.dumps(said), r"node [012] has no function 'keep-smaller'")
        self.cli(1, "record", "call", "jobs.tdb", "number", "no name", status=2)

    def test_those_that_lie_change_nothing(self):
        self.cli(0, "record", "put", "lies.tdb", "k", "as it was")
        for name, text in (("returns-nonsense", "it returned 77"), ("claims-a-large-value", "8193 bytes where 8192"),
                           ("claims-a-large-answer", "an answer of")):
            said = self.cli(1, "record", "call", "lies.tdb", "k", name, status=1)
            self.assertIn(f"function '{name}' broke its contract", json.dumps(said))
            self.assertIn(text, json.dumps(said))
        self.assertEqual(self.cli(2, "record", "get", "lies.tdb", "k")["value"], "as it was")
        wait_until(lambda: sum(self.cli(node, "stats")["counters"]["store_functions_faulty"] for node in range(3)) == 3,
                   "all three are counted")


if __name__ == "__main__":
    unittest.main()
