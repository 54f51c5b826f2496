# SPDX-License-Identifier: GPL-3.0-or-later
"""Two nodes and a witness: the death of one of the two, or of the witness, does not stop the other; a node that is alone stops."""
import json
import tempfile
import unittest

from bystanders import leave_alone
from support import Increments, NetworkFaults, NetworkNamespace, Undisturbed, run_tool, start_cluster, wait_until

WITNESS = 2


class WitnessTest(Increments, Undisturbed):
    DATABASE = "two.tdb"

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-witness-")
        self.addCleanup(directory.cleanup)
        namespace = NetworkNamespace()
        self.addCleanup(namespace.close)
        self.cluster = start_cluster(directory.name, self.addCleanup, nodes=2, witness=True, namespace=namespace)
        self.network = NetworkFaults(namespace)

    def status(self, node):
        return json.loads(self.cluster.nodes[node].cli("-o", "json", "status").stdout)

    def serves_alone(self, node):
        told = self.status(node)
        return told["members"] == 1 and told["generation"] is not None

    def test_of_the_two_either_may_be_killed(self):
        for dies in (0, 1):
            other = 1 - dies
            self.assertEqual(self.status(other)["failures_survived"], 1)
            before = self.value("key", other)
            leave_alone(self.cluster, [other, WITNESS])
            self.cluster.nodes[dies].kill()
            wait_until(lambda: self.serves_alone(other), "the other goes on")
            self.assertEqual(self.status(other)["failures_survived"], 0)
            self.assertEqual(self.add(other, "native", "key", 50), before + 50)
            self.assertEqual(self.add(other, "classic", "key", 50), before + 100)
            self.cluster.nodes[dies].start()
            self.cluster.wait_healthy()
            self.assertEqual(self.value("key", dies), before + 100)

    def test_the_witness_dies_and_both_go_on(self):
        generation = self.status(0)["generation"]
        self.cluster.nodes[WITNESS].kill()
        for node in (0, 1):
            wait_until(lambda: "the witness, node 2, is not reachable" in self.status(node)["reason"], "its death is named")
            self.assertEqual(self.status(node)["failures_survived"], 0)
            self.add(node, "native", "key", 10)
        self.assertEqual(self.status(0)["generation"], generation, "nobody was disturbed")
        # With one of the two gone as well, the last one stops, and goes on when the witness is back.
        leave_alone(self.cluster, [WITNESS])
        self.cluster.nodes[0].kill()
        wait_until(lambda: "no quorum: 1 of 3 nodes reachable" in self.status(1)["reason"], "the last one stops")
        waiting = self.start(1, "native", "key")
        self.cluster.nodes[WITNESS].start()
        self.assertEqual(self.finish(waiting), 21)

    def test_of_two_that_do_not_see_each_other_exactly_one_goes_on(self):
        for node in (0, 1):
            self.add(node, "native", "key", 10)
        leave_alone(self.cluster, [WITNESS])
        self.network.cut(0, 1)
        alone = wait_until(lambda: [node for node in (0, 1) if self.serves_alone(node)], "one of the two goes on")
        self.assertEqual(len(alone), 1)
        inside, out = alone[0], 1 - alone[0]
        leave_alone(self.cluster, [inside, WITNESS])
        wait_until(lambda: self.status(out)["generation"] is None, "the other is out")
        waiting = self.start(out, "native", "key")
        before = self.value("key", inside)  # what only the other had is lost with it
        self.assertEqual(self.add(inside, "native", "key", 100), before + 100)
        self.assertTrue(self.serves_alone(inside))
        self.assertIsNone(waiting.poll(), "a client of the node that is out was let at the record")
        self.network.heal()
        self.cluster.wait_healthy()
        leave_alone(self.cluster, range(3))
        self.assertEqual(self.finish(waiting), before + 101)

    def test_it_is_shown_as_what_it_is(self):
        for node in (0, 1, WITNESS):
            listed = json.loads(self.cluster.nodes[node].cli("-o", "json", "node", "list", check=True).stdout)["nodes"]
            self.assertEqual([(each["state"], each["witness"]) for each in listed],
                             [("OK", False), ("OK", False), ("WITNESS", True)])
            told = self.status(node)
            self.assertEqual((told["healthy"], told["members"], told["nodes"], told["witnesses"], told["failures_survived"],
                              told["witness"]), (True, 2, 2, 1, 1, node == WITNESS))
            text = self.cluster.nodes[node].cli("status", check=True).stdout
            self.assertIn("2 of 2 nodes take part, and a witness\n1 more node may fail", text)
        self.assertNotIn("ctdb-store", self.cluster.nodes[WITNESS].daemons)
        for node in (0, WITNESS):
            shown = run_tool(self.cluster.nodes[node], "status")
            self.assertRegex(shown.stdout, r"pnn:2 127\.0\.0\.3 +STOPPED\|INACTIVE", shown.stderr)
            self.assertNotIn("lmaster:2", shown.stdout)
        refused = run_tool(self.cluster.nodes[0], "continue", "-n", "2")
        self.assertNotEqual(refused.returncode, 0, "it stays what it is")

    def test_a_witness_is_added_to_a_cluster_that_runs(self):
        self.cluster.nodes[0].cli("node", "remove", "2", check=True)
        self.cluster.nodes[WITNESS].stop()
        wait_until(lambda: self.status(0)["witnesses"] == 0 and self.status(0)["failures_survived"] == 0, "it is gone")
        self.cluster.nodes[1].cli("node", "add", "--witness", "--id=2", "127.0.0.3", check=True)
        self.assertEqual(self.cluster.nodes[0].read_nodes_file(), self.cluster.nodes[1].read_nodes_file())
        self.cluster.nodes[WITNESS].write_nodes_file(self.cluster.nodes[1].read_nodes_file())
        self.cluster.nodes[WITNESS].start()
        wait_until(lambda: self.status(0)["failures_survived"] == 1, "it votes")
        self.cluster.nodes[0].kill()
        wait_until(lambda: self.serves_alone(1), "the other goes on")


if __name__ == "__main__":
    unittest.main()
