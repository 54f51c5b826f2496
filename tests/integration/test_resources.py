# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node does when its disk is full or its descriptors are used up: it says so, keeps what it has, and goes on when there is
room again."""
import os
import resource
import subprocess
import tempfile
import unittest

from support import Increments, RawClient, start_cluster, wait_until

PING = 3


class ResourcesTest(Increments, unittest.TestCase):
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
        path = os.path.join(self.directory, f"node{node}", name)
        os.makedirs(path)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", path], check=True)
        self.addCleanup(subprocess.run, ["umount", "--lazy", path], check=True)
        return path

    def fill_disk(self, path):
        with open(os.path.join(path, "filler"), "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(1024))
            except OSError:
                pass
        return lambda: os.unlink(os.path.join(path, "filler"))

    def test_descriptors_used_up(self):
        self.cluster = start_cluster(self.directory, self.addCleanup)
        node = self.cluster.nodes[0]
        self.add(0, "native", "k", 10)
        pid = node.daemons["ctdb-router"].pid
        used = len(os.listdir(f"/proc/{pid}/fd"))
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        before = RawClient(node.classic_socket)
        self.addCleanup(before.close)
        self.assertGreaterEqual(before.ask(PING)[0], 0)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 6, limits[1]))
        crowd = [RawClient(node.classic_socket) for _ in range(30)]
        try:
            wait_until(lambda: len(os.listdir(f"/proc/{pid}/fd")) >= used + 6, "the descriptors are used up")
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
        empty = self.fill_disk(state)
        self.cluster.nodes[2].kill_daemon("ctdb-store")
        self.assertEqual(self.add(0, "native", "k", 5), 15)
        self.cluster.nodes[0].kill_daemon("ctdb-recoveryd")
        self.assertEqual(self.add(2, "native", "k", 5), 20)
        empty()
        self.cluster.wait_healthy()
        self.assertEqual(self.add(1, "native", "k", 5), 25)

    def test_volatile_disk_full(self):
        """The store cannot take records in; who asks for one waits or is refused, and the other nodes keep theirs."""
        volatile = self.small_disk(1, "volatile", 8192)
        self.cluster = start_cluster(self.directory, self.addCleanup)
        for node in range(3):
            self.add(node, "native", f"k{node}", 10)
        empty = self.fill_disk(volatile)
        pids = self.cluster.daemon_pids()
        self.assertEqual(self.add(2, "native", "k0", 5), 15)
        waiting = self.start(1, "native", "k2", 5)
        self.assertEqual(self.add(0, "native", "k0", 5), 20)
        empty()
        self.assertEqual(self.finish(waiting), 15)
        self.assertEqual(self.add(1, "classic", "k0", 5), 25)
        self.assertEqual(self.cluster.daemon_pids(), pids)


if __name__ == "__main__":
    unittest.main()
