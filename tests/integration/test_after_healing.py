# SPDX-License-Identifier: GPL-3.0-or-later
"""What those who went on have written and deleted stays so when the network is whole again; the classic daemon loses it (reliability.md:
6,515 of 6,515 acknowledged writes; deleted records come back)."""
import json
import unittest

from bystanders import leave_alone
from held_chain import HeldChain
from support import Increments, Undisturbed, run_tool, start_cluster_with_faults, tool_again, wait_until

DATABASE, TRANSACTIONS = "healing.tdb", "healing-persistent.tdb"
WRITES = 300


class AfterHealing(Increments, Undisturbed):
    DATABASE = DATABASE

    def setUp(self):
        self.cluster, self.network, _ = start_cluster_with_faults(self, "ctdb-healing-")

    def tool(self, node, *words):
        done = tool_again(self.cluster, node, *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def heal(self):
        self.network.heal()
        self.cluster.wait_healthy()
        leave_alone(self.cluster, range(3))

    def test_writes_and_deletions_of_those_who_went_on(self):
        self.add(2, "native", "written", 10)
        for node in (0, 1, 2):  # each has a copy then, and node 2 the record
            self.tool(node, "writekey", DATABASE, "deleted", f"by node {node}")
        leave_alone(self.cluster, (0, 1))
        self.network.isolate(2)
        taken = self.add(0, "native", "written", 0)
        finished = [self.start(node, api, "written", WRITES) for node in (0, 1) for api in ("native", "classic")]
        for process in finished:
            self.finish(process)
        self.tool(0, "deletekey", DATABASE, "deleted")
        self.heal()
        for again in ("healed", "recovered"):
            with self.subTest(again):
                for node in (2, 1, 0):
                    self.assertEqual(self.add(node, "native", "written", 0), taken + 4 * WRITES)
                    self.assertIn("size:0", self.tool(node, "readkey", DATABASE, "deleted"))
            self.tool(1, "recover")

    def test_a_client_keeps_a_chain_on_the_node_that_returns(self):
        """Only who wants a record of that chain waits, and nothing of it comes back, whatever happens to the store meanwhile."""
        node = self.cluster.nodes[2]
        for key in ("kept", "free"):
            self.add(2, "native", key, 10)
        holder = HeldChain(self, node, DATABASE)
        leave_alone(self.cluster, (0, 1))
        self.network.isolate(2)
        kept, free = (self.add(0, "native", key) for key in ("kept", "free"))
        holder.take("kept")
        self.heal()
        self.assertEqual(self.add(2, "classic", "free"), free + 1)
        self.assertEqual(self.add(1, "native", "kept"), kept + 1)
        blocked = self.start(2, "classic", "kept", 1)
        waits = wait_until(lambda: json.loads(node.cli("lock", "list", "-o", "json").stdout)["locks"], "the chain is listed")
        self.assertEqual([wait["pid"] for wait in waits], [holder.pid], waits)
        wait_until(lambda: f"(pid {holder.pid}) has kept the lock of key kept" in self.store_log(2), "the log names it")
        self.assertIn("are behind chains that clients keep", self.store_log(2))
        self.assertIsNone(blocked.poll())
        self.assertIsNone(holder.process.poll())
        node.kill_daemon("ctdb-store")
        self.cluster.wait_healthy()
        self.assertEqual(self.add(1, "native", "kept"), kept + 2)
        self.assertEqual(holder.let_go(), 0)
        self.assertEqual(self.finish(blocked), kept + 3)
        self.assertEqual(self.value("kept", 1), kept + 3)

    def store_log(self, node):
        with open(self.cluster.nodes[node].log_path("ctdb-store")) as log:
            return log.read()

    def store(self, node, key, value):
        return run_tool(self.cluster.nodes[node], "-T", "5", "pstore", TRANSACTIONS, key, value).returncode == 0

    def test_transactions_while_two_do_not_see_each_other(self):
        self.tool(0, "attach", TRANSACTIONS, "persistent")
        self.assertTrue(self.store(0, "first", "before"))
        leave_alone(self.cluster, [2])
        self.network.cut(0, 1)
        wait_until(lambda: any(self.cluster.nodes[node].cli("status", "-o", "json").returncode != 0 for node in (0, 1)),
                   "one of the two is out")
        stored = {key: node for node in (0, 1, 2) for key in (f"a{node}", f"b{node}") if self.store(node, key, f"of node {node}")}
        self.assertGreaterEqual(len(stored), 4, f"two of three go on: {stored}")
        self.heal()
        for node in (0, 1, 2):
            for key, by in stored.items():
                self.assertEqual(self.tool(node, "pfetch", TRANSACTIONS, key), f"of node {by}\n")
        found = {self.tool(node, "catdb", TRANSACTIONS) for node in (0, 1, 2)}
        self.assertEqual(len(found), 1, found)


if __name__ == "__main__":
    unittest.main()
