# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that come and go while the others run: ctdb-cli node add and remove, Debian's own `ctdb reloadnodes`, nodes files
that differ."""
import json
import os
import tempfile
import unittest

from support import Increments, RawClient, Undisturbed, run_tool, start_cluster, wait_until

RELOAD_NODES_FILE = 72
FOUR = "127.0.0.1\n127.0.0.2\n127.0.0.3\n127.0.0.4\n"


class NodesCase(Increments, Undisturbed):
    DATABASE = "nodes.tdb"

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-nodes-")
        self.addCleanup(directory.cleanup)
        self.cluster = start_cluster(directory.name, self.addCleanup)
        self.first = self.cluster.nodes[:3]

    # ---- what is asked of the cluster ----

    def cli(self, node, *words):
        return self.cluster.nodes[node].cli(*words)

    def status(self, node):
        return json.loads(self.cli(node, "-o", "json", "status").stdout)

    def recoveryd_words(self, node):
        return next(each["status"] for each in self.status(node)["daemons"] if each["daemon"] == "ctdb-recoveryd")

    def log(self, node, daemon="ctdb-recoveryd"):
        with open(self.cluster.nodes[node].log_path(daemon)) as log:
            return log.read()

    def tool(self, node, *words):
        return run_tool(self.cluster.nodes[node], *words)

    def all_healthy(self, nodes):
        for node in nodes:
            node.wait("healthy")

    def lives(self):
        """Which processes the first three nodes are, and how often they were started again."""
        return [(name, daemon.pid, daemon.restarts) for node in self.first for name, daemon in node.daemons.items()]

    def stop_and_wait(self, node):
        node.stop()
        for other in self.first:
            wait_until(lambda: self.status(other.index)["members"] == 3, "the cluster goes on without it")

    def add_fourth(self):
        done = self.cli(0, "node", "add", "127.0.0.4")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        fourth = self.cluster.add_node()
        fourth.start()
        self.all_healthy(self.cluster.nodes)
        return fourth


class NodesTest(NodesCase):
    # ---- ctdb-cli ----

    def test_a_fourth_comes_and_goes_while_clients_count(self):
        lives = self.lives()
        clients = [self.start(node, api, "key", 3000) for node in range(3) for api in ("native", "classic")]
        held = self.start(1, "classic", "held", hold=1)
        self.assertEqual(held.stdout.readline(), "locked\n")
        fourth = self.add_fourth()
        self.assertEqual(fourth.read_nodes_file(), FOUR)
        clients += [self.start(3, api, "key", 3000) for api in ("native", "classic")]
        for client in clients:
            self.finish(client)
        self.assertEqual(self.value("key"), 8 * 3000)
        held.stdin.close()
        self.assertEqual(int(held.stdout.read().split()[-1]), 1)
        self.assertEqual(held.wait(60), 0)
        self.stop_and_wait(fourth)
        done = self.cli(2, "node", "remove", "3")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.all_healthy(self.first)
        self.assertEqual([node.read_nodes_file() for node in self.first], [FOUR.replace("127.0.0.4", "#127.0.0.4")] * 3)
        self.assertEqual(self.add(0, "native", "key"), 8 * 3000 + 1)
        self.assertEqual(self.lives(), lives)

    def test_the_removed_one_is_needed_for_no_majority(self):
        fourth = self.add_fourth()
        self.stop_and_wait(fourth)
        self.assertEqual(self.cli(0, "node", "remove", "3").returncode, 0)
        self.all_healthy(self.first)
        self.first[2].kill()
        wait_until(lambda: self.status(0)["members"] == 2 and self.status(0)["generation"], "two of three go on")

    def test_what_cannot_be_is_refused_and_changes_nothing(self):
        fourth = self.add_fourth()
        refused = {
            ("node", "remove", "3"): "node 3 is active: stop it first",
            ("node", "remove", "7"): "there is no node 7",
            ("node", "add", "127.0.0.2"): "127.0.0.2 is node 1 already",
            ("node", "add", "127.0.0.9", "--id", "2"): "node 2 is there already, with address 127.0.0.3",
        }
        for words, text in refused.items():
            done = self.cli(0, *words)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn(text, done.stderr)
        for words, text in {("node", "add", "host"): "'host' is not an IP address",
                            ("node", "add", "127.0.0.9", "--id", "1024"): "'1024' is not a node number"}.items():
            done = self.cli(0, *words)
            self.assertEqual(done.returncode, 2, words)
            self.assertIn(text, done.stderr)
        fourth.write_nodes_file("127.0.0.1\n127.0.0.2\n127.0.0.3\n127.0.0.4\n127.0.0.8\n")
        done = self.cli(0, "node", "add", "127.0.0.9")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the nodes file of node 3 differs: node 4: none here, 127.0.0.8 there", done.stderr)
        self.assertEqual(json.loads(self.cli(0, "-o", "json", "node", "add", "127.0.0.9").stderr)["exit"], 1)
        self.assertEqual([node.read_nodes_file() for node in self.first], [FOUR] * 3)

    def test_without_a_quorum_nobody_comes(self):
        for node in self.first[1:]:
            node.kill()
        wait_until(lambda: self.status(0)["leader"] is None, "no leader")
        done = self.cli(0, "node", "add", "127.0.0.4")
        self.assertEqual(done.returncode, 1)
        self.assertIn("it knows no leader: who votes cannot change without a quorum", done.stderr)

    def test_numbers_in_front_of_addresses(self):
        for node in self.first:
            node.write_nodes_file("2 127.0.0.3\n0 127.0.0.1\n1 127.0.0.2\n")
        self.assertEqual(self.cli(0, "node", "add", "127.0.0.4", "--id", "3").returncode, 0)
        self.cluster.add_node().start()
        self.all_healthy(self.cluster.nodes)
        self.assertEqual(self.first[1].read_nodes_file(), "2 127.0.0.3\n0 127.0.0.1\n1 127.0.0.2\n3 127.0.0.4\n")
        self.stop_and_wait(self.cluster.nodes[3])
        self.assertEqual(self.cli(0, "node", "remove", "3").returncode, 0)
        self.assertEqual(self.first[1].read_nodes_file(), "2 127.0.0.3\n0 127.0.0.1\n1 127.0.0.2\n")
        self.all_healthy(self.first)

    # ---- Debian's own tool ----

    def test_reloadnodes_of_debian(self):
        fourth = self.cluster.add_node()
        for node in self.cluster.nodes:
            node.write_nodes_file(FOUR)
        done = self.tool(1, "reloadnodes")
        self.assertEqual((done.returncode, done.stdout.split("\n")[0]), (0, "Node 3 is NEW"), done.stderr)
        fourth.start()
        self.all_healthy(self.cluster.nodes)
        self.assertEqual(self.tool(1, "listnodes").stdout, FOUR)
        self.assertIn("Number of nodes:4\n", self.tool(1, "status").stdout)
        self.assertIn("No change in nodes file, skipping unnecessary reload", self.tool(1, "reloadnodes").stderr)
        # One that is there is not taken out.
        for node in self.cluster.nodes:
            node.write_nodes_file(FOUR.replace("127.0.0.4", "#127.0.0.4"))
        self.assertNotEqual(self.tool(1, "reloadnodes").returncode, 0)
        self.stop_and_wait(fourth)
        done = self.tool(1, "reloadnodes")
        self.assertEqual((done.returncode, done.stdout.split("\n")[0]), (0, "Node 3 is DELETED"), done.stderr)
        self.assertIn("Number of nodes:4 (including 1 deleted nodes)\n", self.tool(1, "status").stdout)
        self.all_healthy(self.first)

    # ---- files that differ ----

    def test_a_node_with_another_file_stays_out_and_both_sides_name_it(self):
        odd = next(node for node in self.first if node.index != self.status(0)["leader"] and node.index != 0)
        others = [node for node in self.first if node is not odd]
        odd.stop()
        for node in others:
            wait_until(lambda: self.status(node.index)["members"] == 2, "the cluster goes on without it")
        odd.write_nodes_file(FOUR)
        odd.start()
        there = f"the nodes file of node {odd.index} differs: node 3: none here, 127.0.0.4 there"
        here = "the nodes file of node 0 differs: node 3: 127.0.0.4 here, none there"
        wait_until(lambda: here in self.status(odd.index)["reason"], "it says why")
        for node in others:
            wait_until(lambda: there in self.status(node.index)["reason"], "the others say why")
        wait_until(lambda: here in self.log(odd.index) and there in self.log(0), "both logs say so")
        self.assertIsNone(self.status(odd.index)["generation"])
        self.assertEqual(self.log(0).count("the nodes file of"), 1)
        odd.stop()
        odd.write_nodes_file("127.0.0.1\n127.0.0.2\n127.0.0.3\n")
        odd.start()
        self.all_healthy(self.first)


class NobodyIsStoppedTest(NodesCase):
    NO_RECOVERIES = True  # before the assertions that there was none

    def test_a_file_that_cannot_be_read_ends_nobody(self):
        node, lives, generation = self.first[1], self.lives(), self.status(1)["generation"]
        three = node.read_nodes_file()
        with RawClient(node.classic_socket) as client:
            for wrong in ("127.0.0.1\nno address\n", "", None):
                if wrong is None:
                    os.unlink(node.nodes_file)
                else:
                    node.write_nodes_file(wrong)
                status, _, error = client.ask(RELOAD_NODES_FILE)
                self.assertEqual(status, -1, f"{wrong!r}: {error}")
                self.assertIn(node.nodes_file, error)
        node.write_nodes_file(three)
        self.assertEqual(self.add(1, "native", "key"), 1)
        self.assertEqual((self.lives(), self.status(1)["generation"]), (lives, generation))

    def test_a_reload_that_reaches_only_one_stops_nobody(self):
        self.first[1].write_nodes_file(FOUR)
        generation = self.status(0)["generation"]
        # Debian's tool sees the difference and reloads nothing; a node that is told to all the same goes on.
        self.assertNotEqual(self.tool(0, "reloadnodes").returncode, 0)
        with RawClient(self.first[1].classic_socket) as client:
            self.assertEqual(client.ask(RELOAD_NODES_FILE)[0], 0)
        for node in (0, 2):
            wait_until(lambda: "the nodes file of node 1 differs" in self.recoveryd_words(node), "it is named")
        self.assertEqual(self.add(1, "native", "key"), 1)
        self.assertEqual(self.status(1)["generation"], generation)
        for node in self.first:
            node.write_nodes_file(FOUR)
        self.assertEqual(self.tool(0, "reloadnodes").returncode, 0)
        fourth = self.cluster.add_node()
        fourth.start()
        self.all_healthy(self.cluster.nodes)


if __name__ == "__main__":
    unittest.main()
