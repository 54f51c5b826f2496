# SPDX-License-Identifier: GPL-3.0-or-later
"""Each daemon dies by SIGKILL in each step of a recovery that concerns it, on the leader and on another node: the recovery starts
again, everybody goes on, and nothing that was acknowledged is lost without a word."""
import json
import struct
import subprocess
import tempfile
import unittest

from bystanders import leave_alone
from support import BIN, Increments, RawClient, Undisturbed, start_cluster, wait_until

SET_RECMODE, RECOVERY_ACTIVE = 16, struct.pack("<I", 1)

# The steps in their order (ARCHITECTURE §5); who dies when the packet reaches it.
ON_EVERY_MEMBER = {
    "ctdb-recoveryd": ["STORE_RECOVERED", "HEARTBEAT", "RECOVERY_COMMIT"],
    "ctdb-store": ["STORE_RECOVER", "RECORD_DATABASES", "RECORD_CLAIMS", "RECORD_CLAIMS_END", "RECORD_ASSIGN_END",
                   "STORE_OPEN"],
    "ctdb-router": ["STORE_RECOVER", "STORE_RECOVERED", "CLUSTER_STATE", "STORE_OPEN"],
}
ON_A_FOLLOWER = {  # the leader sends these to itself without a packet, or not at all
    "ctdb-recoveryd": ["RECOVERY_BEGIN"],
    "ctdb-router": ["RECOVERY_BEGIN", "RECOVERY_REPORT", "RECOVERY_COMMIT"],
}
ON_THE_LEADER = {
    "ctdb-recoveryd": ["RECOVERY_REPORT", "HEARTBEAT_REPLY"],
    "ctdb-router": ["RECOVERY_BEGIN", "RECOVERY_REPORT", "RECOVERY_COMMIT"],
}
NEVER_AT_THE_LEADER = {"HEARTBEAT", "RECOVERY_COMMIT"}  # it does not send these to itself


class PhasesTest(Increments, Undisturbed):
    DATABASE = "phases.tdb"

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-phases-")
        self.addCleanup(directory.cleanup)
        self.cluster = start_cluster(directory.name, self.addCleanup, hooks=True, restarts_max=100)
        self.fill(0)

    def fill(self, node):
        """Has the node own many records, so that every node is the lmaster of some."""
        subprocess.run([f"{BIN}/ctdb-load-client", "--native", self.cluster.nodes[node].setup_socket, "fill", "0", "300"],
                       check=True, stdout=subprocess.DEVNULL)

    def leader(self):
        """As node 0 knows it; None: it knows none now."""
        return json.loads(self.cluster.nodes[0].cli("-o", "json", "status").stdout)["leader"]

    def known_leader(self):
        """The cluster is healthy, but on a busy machine a leader may lose its lease at any time."""
        return wait_until(lambda: [pnn for pnn in [self.leader()] if pnn is not None], "a leader is known")[0]

    def recover(self, node):
        with RawClient(self.cluster.nodes[node].classic_socket) as client:
            self.assertEqual(client.ask(SET_RECMODE, RECOVERY_ACTIVE)[0], 0)

    def told(self):
        """Some store has said that records fell back."""
        for node in self.cluster.nodes:
            with open(node.log_path("ctdb-store")) as log:
                if "fallen back" in log.read():
                    return True
        return False

    def dies_in_its_role(self, daemon, operation, on_leader):
        """Whether it did; False: another node has become the leader before, and the packet may never have come."""
        leader = self.known_leader()
        victim = leader if on_leader else (leader + 1) % 3
        bystander = next(node for node in range(3) if node not in (leader, victim))
        died = self.cluster.nodes[victim].die_at(daemon, operation)
        self.recover(bystander)
        wait_until(lambda: died() or self.leader() not in (leader, None), f"{daemon} of node {victim} dies at {operation}")
        return died() or not self.cluster.nodes[victim].live_on(daemon, operation)

    def dies(self, daemon, operation, on_leader):
        for node in range(3):
            self.expected[f"{node}"] = self.add(node, "native", f"{node}", 5)
        while not self.dies_in_its_role(daemon, operation, on_leader):
            self.cluster.wait_healthy()
        self.cluster.wait_healthy()
        for node in range(3):
            value = self.add((node + 1) % 3, "native", f"{node}", 1)
            if value != self.expected[f"{node}"] + 1:
                self.assertTrue(self.told(), f"record {node}: {value}, {self.expected}")

    def all(self, steps, on_leader, never=()):
        self.expected = {}
        for daemon, operations in steps.items():
            for operation in operations:
                if operation in never and daemon == "ctdb-recoveryd":
                    continue
                with self.subTest(daemon=daemon, operation=operation, on_leader=on_leader):
                    self.dies(daemon, operation, on_leader)

    def test_on_another_member(self):
        self.all(ON_EVERY_MEMBER, False)
        self.all(ON_A_FOLLOWER, False)

    def test_on_the_leader(self):
        self.all(ON_EVERY_MEMBER, True, NEVER_AT_THE_LEADER)
        self.all(ON_THE_LEADER, True)

    def dies_with_a_holder(self, on_leader):
        """The owner of records is lost; the one who still has them, older ones, dies when it is told to go on with them: it is a holder,
        and another node their location master."""
        leader = self.known_leader()
        holder = leader if on_leader else (leader + 1) % 3
        owner = next(node for node in range(3) if node not in (holder, leader))
        self.fill(holder)
        self.assertEqual(self.add(holder, "native", "held", 5), 5)
        self.fill(owner)
        self.assertEqual(self.add(owner, "native", "held", 1), 6)
        died = self.cluster.nodes[holder].die_at("ctdb-store", "RECORD_ASSIGN")
        leave_alone(self.cluster, [node for node in range(3) if node != owner])
        self.cluster.nodes[owner].kill()
        wait_until(died, f"ctdb-store of node {holder} dies at RECORD_ASSIGN")
        self.cluster.nodes[owner].start()
        self.cluster.wait_healthy()
        # The holder's copy; or nothing, when its store did not come back in time.
        self.assertIn(self.add(holder, "native", "held", 0), (5, 0))
        self.assertTrue(self.told())

    def test_a_holder_among_the_members(self):
        self.dies_with_a_holder(False)

    def test_a_holder_that_leads(self):
        self.dies_with_a_holder(True)


if __name__ == "__main__":
    unittest.main()
