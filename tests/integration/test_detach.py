# SPDX-License-Identifier: GPL-3.0-or-later
"""A database that the ctdb tool detaches is gone: for who has its file open, and when a store is started anew."""
import signal
import tempfile
import unittest

from support import Undisturbed, start_cluster, tool_again, wait_until
from test_read_copies import Reader


class DetachTest(Undisturbed):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-detach-")
        self.addCleanup(directory.cleanup)
        self.cluster = start_cluster(directory.name, self.addCleanup)

    def tool(self, node, *words):
        done = tool_again(self.cluster, node, *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def clients_may_attach(self, may):
        for node in range(3):
            self.tool(node, "setvar", "AllowClientDBAttach", "1" if may else "0")

    def filled(self, name):
        self.tool(0, "attach", name)
        for node in range(3):
            self.tool(node, "writekey", name, f"key{node}", "old")

    def kill_store(self, node):
        store = self.cluster.nodes[node].daemons["ctdb-store"]
        pid = store.pid
        store.signal(signal.SIGKILL)
        wait_until(lambda: store.pid not in (None, pid), "there is another")
        self.cluster.wait_healthy()

    def test_it_does_not_come_back_with_a_store_that_was_killed(self):
        for name in ("open.tdb", "closed.tdb", "stays.tdb"):
            self.filled(name)
        clients = [Reader(self, 0, "native", "open.tdb", "key0"), Reader(self, 1, "classic", "open.tdb", "key1")]
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


if __name__ == "__main__":
    unittest.main()
