# SPDX-License-Identifier: GPL-3.0-or-later
"""Quorum by cluster lock: who holds it goes on, alone too; who has lost it stops before another goes on. With our helper, with
Debian's, and with one that is held by a stranger."""
import json
import os
import signal
import subprocess
import tempfile
import unittest

from bystanders import LEADERS, leave_alone
from support import Increments, NetworkFaults, NetworkNamespace, Said, Undisturbed, assert_counted, run_tool, start_cluster, wait_until

DEBIANS_HELPER = "/usr/libexec/ctdb/ctdb_mutex_fcntl_helper"


class ClusterLockTest(Increments, Undisturbed):
    DATABASE = "locked.tdb"

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-lock-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.lock = os.path.join(directory.name, "lock")

    def begin(self, wait=True, **options):
        namespace = NetworkNamespace()
        self.addCleanup(namespace.close)
        options = {"quorum": "lock", "cluster lock": self.lock, **{key.replace("_", " "): word for key, word in options.items()}}
        self.cluster = start_cluster(self.directory, self.addCleanup, namespace=namespace, healthy=wait, options={"cluster": options})
        self.network = NetworkFaults(namespace)

    def status(self, node):
        return json.loads(self.cluster.nodes[node].cli("-o", "json", "status").stdout)

    def known_leader(self):
        return wait_until(lambda: [pnn for pnn in [self.status(0)["leader"]] if pnn is not None], "a leader is known")[0]

    def holder(self):
        """The process that has the mutex, by the kernel's own list."""
        at = os.stat(self.lock).st_ino
        with open("/proc/locks") as locks:
            for line in locks:
                words = line.split()
                if words[1] != "->" and words[5].endswith(f":{at}") and words[6] == "0":
                    return int(words[4])
        return None

    def test_the_holder_goes_on_alone_and_the_others_stop(self):
        self.begin()
        leader = self.known_leader()
        others = [node for node in range(3) if node != leader]
        self.add(leader, "native", "key", 100)
        leave_alone(self.cluster, [leader], *LEADERS)
        self.network.isolate(leader)
        wait_until(lambda: self.status(leader)["members"] == 1 and self.status(leader)["generation"], "the holder goes on")
        wait_until(lambda: all("another node has the cluster lock" in self.status(node)["reason"] for node in others),
                   "the others say why they do not")
        self.assertEqual(self.add(leader, "native", "key", 100), 200)
        waiting = self.start(others[0], "native", "key")
        self.assertEqual(self.add(leader, "classic", "key", 100), 300)
        self.assertIsNone(waiting.poll(), "a client of a node that is out was let at the record")
        self.network.heal()
        self.cluster.wait_healthy()
        self.assertEqual(self.finish(waiting), 301)

    def test_when_the_holder_dies_another_takes_over(self):
        self.begin()
        victim = self.known_leader()
        others = [node for node in range(3) if node != victim]
        self.add(others[0], "native", "key", 10)
        since = Said(self.cluster)
        self.cluster.nodes[victim].kill()
        wait_until(lambda: all(self.status(node)["members"] == 2 and self.status(node)["generation"] for node in others),
                   "the others go on")
        assert_counted(self, self.add(others[1], "native", "key", 10), 20, since=since)
        # And when only one is left, which knows of all before by the register.
        last = next(node for node in others if node != self.status(others[0])["leader"])
        self.cluster.nodes[next(node for node in others if node != last)].kill()
        wait_until(lambda: self.status(last)["members"] == 1 and self.status(last)["generation"], "the last goes on")
        for node in self.cluster.nodes:
            node.start()
        self.cluster.wait_healthy()

    def test_a_helper_that_dies_costs_an_election(self):
        self.begin()
        self.add(1, "native", "key", 10)
        held, since = wait_until(self.holder, "somebody has it"), Said(self.cluster)
        os.kill(held, signal.SIGKILL)
        wait_until(lambda: self.holder() not in (None, held), "somebody has it again")
        self.cluster.wait_healthy()
        assert_counted(self, self.add(2, "native", "key", 10), 20, since=since)

    def test_a_leader_that_hangs_keeps_the_lock_from_nobody(self):
        self.begin()
        leader = self.known_leader()
        other = (leader + 1) % 3
        self.cluster.nodes[leader].kill_daemon("ctdb-recoveryd", signal.SIGSTOP)
        try:
            wait_until(lambda: self.status(other)["leader"] not in (None, leader), "another leads")
            self.add(other, "native", "key", 10)
        finally:
            self.cluster.nodes[leader].kill_daemon("ctdb-recoveryd", signal.SIGCONT)
        self.cluster.wait_healthy()

    def test_debians_helper_and_what_its_tool_is_told(self):
        command = f"!{DEBIANS_HELPER} {self.lock}"
        self.begin(cluster_lock=command, lock_register=os.path.join(self.directory, "register"))
        told = run_tool(self.cluster.nodes[1], "getreclock")
        self.assertEqual((told.returncode, told.stdout), (0, command + "\n"), told.stderr)
        with open(f"/proc/{wait_until(self.holder, 'somebody has it')}/comm") as name:
            self.assertTrue("ctdb_mutex_fcntl_helper".startswith(name.read().strip()))
        self.cluster.nodes[self.known_leader()].kill()
        alive = [node for node in range(3) if self.cluster.nodes[node].running()]
        wait_until(lambda: all(self.status(node)["members"] == 2 for node in alive), "the others go on")

    def test_a_stranger_that_has_the_lock(self):
        stranger = subprocess.Popen([DEBIANS_HELPER, self.lock], stdout=subprocess.PIPE)
        self.addCleanup(stranger.stdout.close)
        self.addCleanup(stranger.wait)
        self.addCleanup(stranger.kill)
        self.assertEqual(stranger.stdout.read(1), b"0")
        self.begin(wait=False)
        for node in range(3):
            wait_until(lambda: "another node has the cluster lock" in self.status(node)["reason"], "it says why it waits")
        stranger.terminate()
        self.cluster.wait_healthy(120)


if __name__ == "__main__":
    unittest.main()
