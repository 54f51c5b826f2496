# SPDX-License-Identifier: GPL-3.0-or-later
"""A record that falls back to an older copy says so (ctdb.h, ctdb_record_may_be_older)."""
import json
import subprocess
import tempfile
import unittest

from support import BIN, Undisturbed, start_cluster, wait_until


class OlderTest(Undisturbed):
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
        self.assertIn("fallen back or gone: older.tdb back", self.log(1) + self.log(2))

    def status(self, node):
        out = subprocess.run([f"{BIN}/ctdb-cli", "--base", self.cluster.nodes[node].base, "-o", "json", "status"],
                             capture_output=True, text=True, check=True).stdout
        return json.loads(out)

    def log(self, node):
        with open(self.cluster.nodes[node].log_path("ctdb-store")) as log:
            return log.read()

    def test_what_only_the_dead_node_knew_is_told_when_it_is_back(self):
        keys = [f"only{number}" for number in range(12)]  # node 0 is the location master of some
        for key in keys:
            self.record(0, "put", key, "nowhere else")
        self.cluster.nodes[0].kill()
        wait_until(lambda: self.record(2, "get", "none")["value"] == "", "the others go on")
        self.cluster.nodes[0].start()
        self.cluster.wait_healthy()
        said = self.log(0)
        for key in keys:
            self.assertEqual(said.count(f"left behind: older.tdb {key}\n"), 1, key)
        self.assertGreaterEqual(self.status(0)["records_left_behind"], len(keys))
        self.assertEqual(self.status(1)["members_lost"], 1)
        self.assertTrue(any(key not in self.log(1) + self.log(2) for key in keys), "of some nobody else knew")


if __name__ == "__main__":
    unittest.main()
