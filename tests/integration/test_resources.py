# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node does when its disk is full or its descriptors are used up: it says so, keeps what it has, and goes on when there is
room again."""
import os
import tempfile
import unittest

from support import Increments, RawClient, STORE_AWAY, Undisturbed, assert_counted, start_cluster, start_counting, wait_until
from chaos_clients import DATABASE, ListClient, check_lists
from histories import lines_of
from shortages import FewDescriptors, SmallDisk

PING = 3


class ResourcesTest(Increments, Undisturbed):
    DATABASE = "resources.tdb"

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-resources-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def said(self, daemon, node, text):
        with open(self.cluster.nodes[node].log_path(daemon)) as log:
            return text in log.read()

    def small_disk(self, node, name, kilobytes):
        """`name` of the node's directory on a file system of its own."""
        disk = SmallDisk(os.path.join(self.directory, f"node{node}", name), kilobytes)
        self.addCleanup(disk.close)
        return disk

    def test_descriptors_used_up(self):
        self.cluster = start_cluster(self.directory, self.addCleanup)
        node = self.cluster.nodes[0]
        self.add(0, "native", "k", 10)
        pid = node.daemons["ctdb-router"].pid
        before = RawClient(node.classic_socket)
        self.addCleanup(before.close)
        self.assertGreaterEqual(before.ask(PING)[0], 0)
        limit = FewDescriptors(pid, 6)
        crowd = [RawClient(node.classic_socket) for _ in range(30)]
        try:
            wait_until(limit.used_up, "the descriptors are used up")
            self.assertGreaterEqual(before.ask(PING)[0], 0)
            self.assertEqual(self.add(1, "native", "k", 10), 20)
            wait_until(lambda: self.said("ctdb-router", 0, "Too many open files"), "the log says so")
        finally:
            for client in crowd:
                client.close()
        wait_until(lambda: self.add(0, "classic", "k", 0) == 20, "new clients are served again")
        self.assertEqual(node.daemons["ctdb-router"].pid, pid)

    def test_state_disk_full(self):
        """A vote or a decided generation that cannot be written is not given: the others go on without the node's voice."""
        state = self.small_disk(1, "state", 64)
        self.cluster = start_cluster(self.directory, self.addCleanup)
        self.add(1, "native", "k", 10)
        state.fill()
        self.cluster.nodes[2].kill_daemon("ctdb-store")
        self.assertEqual(self.add(0, "native", "k", 5), 15)
        self.cluster.nodes[0].kill_daemon("ctdb-recoveryd")
        self.assertEqual(self.add(2, "native", "k", 5), 20)
        state.empty()
        self.cluster.wait_healthy()
        self.assertEqual(self.add(1, "native", "k", 5), 25)

    def test_state_disk_full_at_start(self):
        """Recoveryd begins without a file of its own, promises nothing, says why, and takes part when there is room."""
        state = self.small_disk(1, "state", 64)
        state.fill()
        self.cluster = start_cluster(self.directory, self.addCleanup, healthy=False)
        wait_until(lambda: "the state of recoveryd cannot be written" in self.cluster.nodes[1].cli("status").stdout, "node 1 says so")
        pids = self.cluster.daemon_pids()
        self.assertEqual(self.add(0, "native", "k", 10), 10)
        self.assertEqual(os.path.getsize(os.path.join(state.path, "recoveryd.state")), 0)
        state.empty()
        self.cluster.wait_healthy()
        self.assertEqual(self.add(1, "native", "k", 5), 15)
        self.assertEqual(self.cluster.daemon_pids(), pids)

    def test_volatile_disk_full(self):
        """The store cannot take records in; who asks for one waits or is refused, and the other nodes keep theirs."""
        volatile = self.small_disk(1, "volatile", 8192)
        self.cluster = start_cluster(self.directory, self.addCleanup)
        for node in range(3):
            self.add(node, "native", f"k{node}", 10)
        volatile.fill()
        pids = self.cluster.daemon_pids()
        self.assertEqual(self.add(2, "native", "k0", 5), 15)
        waiting = self.start(1, "native", "k2", 5)
        self.assertEqual(self.add(0, "native", "k0", 5), 20)
        volatile.empty()
        self.assertEqual(self.finish(waiting), 15)
        self.assertEqual(self.add(1, "classic", "k0", 5), 25)
        self.assertEqual(self.cluster.daemon_pids(), pids)

    def test_a_store_that_begins_on_a_full_disk_keeps_its_records(self):
        """Clients go on working on its files; whatever it can do with them, nobody else may be given what they have."""
        volatile = self.small_disk(1, "volatile", 8192)
        self.cluster = start_cluster(self.directory, self.addCleanup)
        waiting = [self.start(node, "classic", "shared", 3000) for node in range(3)]
        wait_until(lambda: self.add(1, "classic", "shared", 0) > 100, "they work")
        volatile.fill()
        store = self.cluster.nodes[1].daemons["ctdb-store"].pid
        self.cluster.nodes[1].kill_daemon("ctdb-store")
        wait_until(lambda: self.cluster.nodes[1].daemons["ctdb-store"].pid != store, "there is another")
        volatile.empty()
        for client in waiting:
            self.finish(client)
        assert_counted(self, self.add(0, "classic", "shared", 0), 9000, why=[STORE_AWAY])
        self.assertFalse(self.said("ctdb-store", 1, "are lost"))

    def test_records_that_cannot_grow(self):
        """A client whose change finds no room keeps the old value or is told that it is lost; it goes on when there is room."""
        volatile = self.small_disk(0, "volatile", 8192)
        self.cluster = start_cluster(self.directory, self.addCleanup)
        clients = [ListClient(self.cluster, 0, api, "list") for api in ("native", "classic")]
        for client in clients:
            self.addCleanup(client.kill)
            wait_until(lambda client=client: client.progress() > 10, f"{client} works")
        volatile.fill()
        # There is room in the file yet: others use it up. One of the two may wait for a list that cannot be begun.
        start_counting(self, "ctdb-churn", 0, "native", DATABASE, "filler", 10**7, do="write")
        wait_until(lambda: any(line[0] in "-?" for client in clients for line in lines_of(client.history())),
                   "somebody finds no room", seconds=120)
        volatile.empty()
        for client in clients:
            before = client.progress()
            wait_until(lambda client=client, before=before: client.progress() > before + 10, f"{client} goes on")
            client.end()
            lists = check_lists([client], told=())
            self.assertGreater(lists.elements, 20)
            self.assertEqual(lists.untold, 0)


if __name__ == "__main__":
    unittest.main()
