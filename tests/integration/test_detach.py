# SPDX-License-Identifier: GPL-3.0-or-later
"""A database that the ctdb tool detaches is gone: for who has its file open, when a store is started anew, and for who was away."""
import signal
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor

from bystanders import leave_alone
from support import Said, Undisturbed, start_cluster, tool_again, wait_until
from test_read_copies import Reader


class DetachTest(Undisturbed):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-detach-")
        self.addCleanup(directory.cleanup)
        self.cluster = start_cluster(directory.name, self.addCleanup, hooks=True)

    def tool(self, node, *words):
        done = tool_again(self.cluster, node, *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def clients_may_attach(self, may, nodes=range(3)):
        for node in nodes:
            self.tool(node, "setvar", "AllowClientDBAttach", "1" if may else "0")

    def filled(self, name):
        self.tool(0, "attach", name)
        for node in range(3):
            self.tool(node, "writekey", name, f"key{node}", "old")

    def kill_store(self, node, healthy=True):
        store = self.cluster.nodes[node].daemons["ctdb-store"]
        pid = store.pid
        store.signal(signal.SIGKILL)
        wait_until(lambda: store.pid not in (None, pid), "there is another")
        if healthy:
            self.cluster.wait_healthy()
        else:
            self.cluster.nodes[node].wait("ready")

    def test_it_does_not_come_back_with_a_store_that_was_killed(self):
        for name in ("open.tdb", "closed.tdb", "stays.tdb"):
            self.filled(name)
        # Each call for what is no more is refused after a pause.
        clients = [Reader(self, 0, "native", "open.tdb", "key0", reads=5), Reader(self, 1, "classic", "open.tdb", "key1", reads=5)]
        self.assertEqual([client.read()[0] for client in clients], ["old", "old"])
        self.clients_may_attach(False)
        self.tool(2, "detach", "open.tdb", "closed.tdb")
        for node in range(3):
            wait_until(lambda: self.names(node) == ["stays.tdb"], "every node has let them go")
        for node in range(2):
            self.kill_store(node)
        self.clients_may_attach(True)
        for node in range(3):  # so the recoveries are over
            self.assertIn("[old]", self.tool(0, "readkey", "stays.tdb", f"key{node}"))
        self.assertEqual([self.names(node) for node in range(3)], [["stays.tdb"]] * 3)
        native, classic = clients
        native.tell("read")
        self.assertEqual(native.process.wait(60), 1, "it has read what is no more")
        self.assertEqual(classic.read()[0], "", "a classic client does not look at the status")
        self.tool(1, "attach", "open.tdb")
        for node in range(3):
            self.assertIn("size:0", self.tool(0, "readkey", "open.tdb", f"key{node}"))

    def names(self, node):
        return [word.removeprefix("name:") for word in self.tool(node, "getdbmap").split() if word.startswith("name:")]

    def expect_names(self, *names):
        """On all nodes: a recovery may be under way, after which they have the same."""
        wait_until(lambda: [sorted(self.names(node)) for node in range(3)] == [sorted(names)] * 3, f"all have {names}")

    def detach(self, node, *names, attachable_at=range(3)):
        self.clients_may_attach(False, attachable_at)
        self.tool(node, "detach", *names)
        self.clients_may_attach(True, attachable_at)

    def test_many_at_once(self):
        names = [f"db{number}.tdb" for number in range(5)]
        for name in (*names, "stays.tdb"):
            self.tool(0, "attach", name)
        self.detach(1, *names)
        self.assertEqual(self.names(1), ["stays.tdb"])
        self.expect_names("stays.tdb")

    def test_a_store_that_dies_just_then(self):
        self.filled("gone.tdb")
        self.filled("stays.tdb")
        self.clients_may_attach(False)
        leave_alone(self.cluster, (0, 1))
        store, since = self.cluster.nodes[2].daemons["ctdb-store"], Said(self.cluster)
        store.signal(signal.SIGSTOP)  # so that it does not hear of it
        with ThreadPoolExecutor() as pool:
            detached = pool.submit(self.tool, 0, "detach", "gone.tdb")
            wait_until(lambda: detached.done() or since.recoveries(), "the others have heard of it")
            store.signal(signal.SIGKILL)
            detached.result()
        self.assertEqual(self.names(0), ["stays.tdb"])
        self.cluster.wait_healthy()
        self.expect_names("stays.tdb")

    def test_a_store_that_dies_when_it_is_about_to_let_go(self):
        """It was prepared for the generation in which the database is no more, and has its file still."""
        self.filled("gone.tdb")
        leave_alone(self.cluster, (0, 1))
        dead = self.cluster.nodes[2].die_at("ctdb-store", "STORE_OPEN")
        self.detach(0, "gone.tdb")
        self.assertTrue(dead())
        self.tool(0, "attach", "gone.tdb")
        self.tool(0, "writekey", "gone.tdb", "key0", "new")
        self.cluster.wait_healthy()
        self.expect_names("gone.tdb")
        self.assertIn("[new]", self.tool(1, "readkey", "gone.tdb", "key0"))
        self.assertIn("size:0", self.tool(1, "readkey", "gone.tdb", "key2"))

    def away(self, *names, attached_anew=False):
        """Node 2 is cut off and lives when the databases are detached."""
        leave_alone(self.cluster, (0, 1))
        self.cluster.nodes[2].quiet()
        for node in (0, 1):
            wait_until(lambda: "DISCONNECTED" in self.tool(node, "status"), "the others know")
        self.detach(0, *names, attachable_at=(0, 1))
        for name in names if attached_anew else ():
            self.tool(1, "attach", name)
            self.tool(1, "writekey", name, "key0", "new")
        for node in (0, 1):  # the stores that know are not the same any more
            self.kill_store(node, healthy=False)
        self.cluster.nodes[2].active()
        self.cluster.wait_healthy()

    def test_a_node_that_was_cut_off(self):
        self.filled("gone.tdb")
        self.filled("stays.tdb")
        self.away("gone.tdb")
        self.expect_names("stays.tdb")
        self.tool(2, "attach", "gone.tdb")
        self.expect_names("gone.tdb", "stays.tdb")
        for node in range(3):
            self.assertIn("size:0", self.tool(0, "readkey", "gone.tdb", f"key{node}"))

    def test_a_node_that_was_cut_off_while_it_was_attached_anew(self):
        self.filled("anew.tdb")
        self.away("anew.tdb", attached_anew=True)
        self.expect_names("anew.tdb")
        self.assertIn("[new]", self.tool(2, "readkey", "anew.tdb", "key0"))
        for node in (1, 2):
            self.assertIn("size:0", self.tool(0, "readkey", "anew.tdb", f"key{node}"))

    def test_a_node_that_was_dead(self):
        self.filled("gone.tdb")
        self.filled("stays.tdb")
        leave_alone(self.cluster, (0, 1))
        self.cluster.nodes[2].kill()
        self.detach(0, "gone.tdb", attachable_at=(0, 1))
        self.cluster.nodes[2].start()
        self.cluster.wait_healthy()
        self.expect_names("stays.tdb")

    def test_the_leader_changes(self):
        self.filled("gone.tdb")
        self.filled("stays.tdb")
        leader = int(self.tool(0, "leader"))
        asked = (leader + 1) % 3
        leave_alone(self.cluster, (asked, (leader + 2) % 3))
        dead = self.cluster.nodes[leader].die_at("ctdb-recoveryd", "STORE_RECOVERED")
        self.detach(asked, "gone.tdb")
        self.assertTrue(dead())
        self.cluster.wait_healthy()
        self.expect_names("stays.tdb")

    def test_all_are_stopped_and_started(self):
        self.filled("gone.tdb")
        self.detach(0, "gone.tdb")
        for node in self.cluster.nodes:
            node.kill()
        for node in self.cluster.nodes:
            node.start()
        self.cluster.wait_healthy()
        self.expect_names()
        self.filled("gone.tdb")
        self.expect_names("gone.tdb")


if __name__ == "__main__":
    unittest.main()
