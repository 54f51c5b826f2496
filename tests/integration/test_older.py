# SPDX-License-Identifier: GPL-3.0-or-later
"""A record that falls back to an older copy says so (ctdb.h, ctdb_record_may_be_older)."""
import json
import subprocess
import tempfile
import unittest

from support import BIN, start_cluster, wait_until


class OlderTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-older-")
        self.addCleanup(directory.cleanup)
        self.cluster = start_cluster(directory.name, self.addCleanup)

    def record(self, node, verb, *words):
        out = subprocess.run([f"{BIN}/ctdb-cli", "--base", self.cluster.nodes[node].base, "-o", "json", "--timeout", "30", "record",
                              verb, "older.tdb", *words], capture_output=True, text=True, check=True).stdout
        return json.loads(out)

    def test_mark_after_the_owner_died(self):
        self.record(1, "put", "back", "older")
        self.record(0, "put", "back", "newest")
        self.record(0, "put", "alone", "newest")
        self.assertFalse(self.record(0, "get", "back")["may_be_older"])
        self.cluster.nodes[0].kill()
        wait_until(lambda: self.record(2, "get", "back")["value"] == "older", "the others go on")
        back = self.record(2, "get", "back")
        self.assertEqual((back["value"], back["may_be_older"]), ("older", True))
        self.assertTrue(self.record(1, "get", "back")["may_be_older"])
        self.assertFalse(self.record(1, "put", "back", "new")["may_be_older"])
        self.assertFalse(self.record(2, "get", "back")["may_be_older"])
        self.assertFalse(self.record(2, "put", "other", "x")["may_be_older"])
        logs = ""
        for node in (1, 2):
            with open(self.cluster.nodes[node].log_path("ctdb-store")) as log:
                logs += log.read()
        self.assertIn("fallen back or gone: older.tdb back", logs)


if __name__ == "__main__":
    unittest.main()
