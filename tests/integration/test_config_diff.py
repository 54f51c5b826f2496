# SPDX-License-Identifier: GPL-3.0-or-later
"""ctdb-cli config diff: which settings are not the same on the nodes that run, by name, node and value."""
import json
import signal
import tempfile
import unittest

from support import Undisturbed, run_tool, start_cluster, wait_until

SAME, DIFFERENT = 0, 1


class ConfigDiffTest(Undisturbed):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-diff-")
        self.addCleanup(directory.cleanup)
        self.cluster = start_cluster(directory.name, self.addCleanup)

    def diff(self, node=0):
        """{setting: [value of each node]}; None: not all of them have answered."""
        done = self.cluster.nodes[node].cli("-o", "json", "config", "diff")
        said = json.loads(done.stdout or "{}")
        if said.get("nodes_asked") != 3:
            return None
        found = {}
        for row in said.get("differences", []):
            found.setdefault(row["setting"], []).append(row["value"])
            self.assertEqual(row["node"], len(found[row["setting"]]) - 1)
        self.assertEqual((said["same"], done.returncode), (not found, DIFFERENT if found else SAME), done.stderr)
        return found

    def becomes(self, wanted, node=0):
        """The router asks nobody: it says what daemons that are connected were started with, and one that has just begun may not be."""
        wait_until(lambda: self.diff(node) == wanted, lambda: f"that is what differs: {wanted}, not {self.diff(node)}")

    def restart(self, node, name):
        daemon = self.cluster.nodes[node].daemons[name]
        old = daemon.pid
        daemon.signal(signal.SIGTERM)
        wait_until(lambda: daemon.pid not in (None, old), f"{name} runs again")
        self.cluster.wait_healthy()

    def test_what_differs_is_named_with_node_and_value(self):
        self.assertEqual(self.cluster.nodes[1].cli("config", "diff").stdout, "the same on nodes 0, 1, 2\n")
        odd = self.cluster.nodes[1]
        odd.options = {"database": {"copies": "smb*.tdb=2 *=1", "record limit": "4M"}, "cluster": {"client grace": 60}}
        odd.write_configuration()
        self.assertEqual(self.diff(), {}, "the daemons do not use it yet")
        self.restart(1, "ctdb-store")
        of_store = {"[database] copies": ["", "smb*.tdb=2 *=1", ""], "[database] record limit": ["", "*=4194304", ""]}
        self.becomes(of_store)
        self.becomes(of_store, 2)
        self.restart(1, "ctdb-recoveryd")
        self.becomes({**of_store, "[cluster] client grace": ["120", "60", "120"]})
        odd.options = {}
        odd.write_configuration()
        for name in ("ctdb-store", "ctdb-recoveryd"):
            self.restart(1, name)
        self.becomes({})

    def test_tunables_and_nodes_are_those_in_use(self):
        self.assertEqual(run_tool(self.cluster.nodes[2], "setvar", "RecoverTimeout", "31").returncode, 0)
        found = {"tunable RecoverTimeout": ["30", "30", "31"]}
        self.assertEqual(self.diff(), found)
        done = self.cluster.nodes[0].cli("config", "diff")
        self.assertRegex(done.stdout, r"""\ANOT THE SAME on nodes 0, 1, 2: tunable RecoverTimeout

SETTING +NODE +VALUE
tunable RecoverTimeout +0 +30
tunable RecoverTimeout +1 +30
tunable RecoverTimeout +2 +31
\Z""")
        node = self.cluster.nodes[1]
        listed = node.read_nodes_file()
        node.write_nodes_file(listed + "127.0.0.4\n")
        self.assertEqual(self.diff(), found, "it has not been read anew")
        node.daemons["ctdb-router"].signal(signal.SIGHUP)
        three = ", ".join(f"{number} {each.address}" for number, each in enumerate(self.cluster.nodes))
        wait_until(lambda: (self.diff() or {}).get("nodes") == [three, three + ", 3 127.0.0.4", three], "the other list is in use")

    def test_a_daemon_that_does_not_run_says_nothing(self):
        node = self.cluster.nodes[1]
        node.options = {"database": {"copies": "*=2"}}
        node.write_configuration()
        self.restart(1, "ctdb-store")
        self.becomes({"[database] copies": ["", "*=2", ""]})
        node.daemons["ctdb-store"].end(signal.SIGTERM)
        self.becomes({})  # what it was started with is history


if __name__ == "__main__":
    unittest.main()
