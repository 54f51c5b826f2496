# SPDX-License-Identifier: GPL-3.0-or-later
"""Two releases in one cluster: this one, and one that comes after it (tests/later), which says more in each message than this one knows."""
import os
import signal
import tempfile

from bystanders import RoutersReplaced
from native import Counting
from support import BIN, STORE_AWAY, RawClient, Undisturbed, assert_counted, start_cluster, tool_again, wait_until
from transactions import PersistentClient, contents

LATER = os.path.join(BIN, "later")
# Of what came from the other release, and a daemon did not understand.
MISUNDERSTOOD = ("malformed", "breaks the rules", "broke a rule", "broke the rules", "contradicts", "no known operation", "wrong number of descriptors")
DAEMONS = ("ctdb-router", "ctdb-recoveryd", "ctdb-store")


class UpgradeTest(Counting, Undisturbed):
    DATABASE = "upgrade.tdb"
    PERSISTENT = "upgrade-persistent.tdb"

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-upgrade-")
        self.addCleanup(directory.cleanup)
        self.cluster = start_cluster(directory.name, self.addCleanup)
        self.cluster.since_healthy = RoutersReplaced(self.cluster)
        self.commits = 0

    def replace_each_daemon(self, node, programs):
        """As docs/upgrading.md has it, the keeper last."""
        node.install(programs)
        for name in DAEMONS:
            node.daemons[name].end(signal.SIGTERM)
            node.daemons[name].wait_ended()
            node.daemons[name].start()
            self.cluster.wait_healthy()
            yield
        node.kill_keeper()
        wait_until(lambda: self.folder_of(node.keeper_pid()) == programs, "there is another keeper")
        self.assertEqual({self.folder_of(daemon.pid) for daemon in node.daemons.values()}, {programs})
        self.cluster.wait_healthy()
        yield

    @staticmethod
    def folder_of(pid):
        try:
            return os.path.dirname(os.readlink(f"/proc/{pid}/exe"))
        except FileNotFoundError:  # it has ended
            return None

    def all_operations(self):
        """What the two releases say to each other besides: transactions, a new database and its end, traverses, a record's three places."""
        self.commits += 1
        for node in self.cluster.nodes:
            with RawClient(node.classic_socket) as client:
                answer = PersistentClient(client, self.PERSISTENT).commit([(f"key{node.index}".encode(), f"{self.commits}".encode())])
                self.assertEqual(answer, (0, ""))
        copies = [contents(os.path.join(node.base, "persistent", f"{self.PERSISTENT}.{node.index}")) for node in self.cluster.nodes]
        self.assertTrue(copies[0] == copies[1] == copies[2])
        for node in self.cluster.nodes:
            self.tool(node, "writekey", self.DATABASE, f"at{node.index}", f"{self.commits}")
        for node in self.cluster.nodes:
            for other in self.cluster.nodes:
                self.assertIn(f"size:{len(str(self.commits))} ", self.tool(node, "readkey", self.DATABASE, f"at{other.index}"))
            walked = self.tool(node, "catdb", self.DATABASE)
            self.assertEqual([f'"at{other.index}"' in walked for other in self.cluster.nodes], [True] * 3, walked)
        self.attach_and_detach(f"passing{self.commits}.tdb")

    def attach_and_detach(self, name):
        self.tool(self.cluster.nodes[0], "attach", name)
        for allowed in (0, 1):
            for node in self.cluster.nodes:
                self.tool(node, "setvar", "AllowClientDBAttach", f"{allowed}")
            if not allowed:
                self.tool(self.cluster.nodes[self.commits % 3], "detach", name)
        self.assertNotIn(name, self.tool(self.cluster.nodes[2], "getdbmap"))

    def tool(self, node, *words):
        done = tool_again(self.cluster, node.index, *words)
        self.assertEqual(done.returncode, 0, (words, done.stdout + done.stderr))
        return done.stdout + done.stderr

    def assert_understood(self):
        for name in DAEMONS:
            for node in self.cluster.nodes:
                with open(node.log_path(name), errors="replace") as log:
                    self.assertEqual([line for line in log if any(text in line for text in MISUNDERSTOOD)], [], f"node {node.index}")

    def upgrade_and_go_back(self):
        """Each state of the cluster in turn: no, one, two and three nodes of the later release, and two again."""
        self.tool(self.cluster.nodes[0], "attach", self.PERSISTENT, "persistent")
        for node in self.cluster.nodes:
            yield from self.replace_each_daemon(node, LATER)
            self.all_operations()
        yield from self.replace_each_daemon(self.cluster.nodes[1], BIN)
        self.all_operations()

    def test_one_node_after_the_other_under_load(self):
        load = self.start(0, "classic", "hot", 2000)
        made = self.count_while(self.upgrade_and_go_back())
        self.finish(load)
        assert_counted(self, self.value("hot"), made + 2000, why=[STORE_AWAY])
        self.assert_understood()

    def add_with_copy(self, node):
        return self.finish(self.start(node, "native", "kept", 1, copies=2))

    def test_whoever_leads_recovers_with_both(self):
        """The death of a node of either release, and of the leader among them; and what has a copy elsewhere survives it."""
        self.assertEqual(self.add_with_copy(2), 1)
        self.tool(self.cluster.nodes[0], "attach", self.PERSISTENT, "persistent")
        self.cluster.nodes[0].stop()
        self.cluster.nodes[0].install(LATER)
        self.cluster.nodes[0].start()
        self.cluster.wait_healthy()
        for number, node in enumerate(self.cluster.nodes, 2):
            node.kill()
            survivor = (node.index + 1) % 3
            self.assertEqual(self.add_with_copy(survivor), number)
            self.add((node.index + 2) % 3, "classic", "other", 10)
            node.start()
            self.cluster.wait_healthy()
        self.all_operations()
        self.assert_understood()
