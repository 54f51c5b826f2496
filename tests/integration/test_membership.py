# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is a member when the network between nodes fails in parts, connections are reset, or a client holds a lock: what the
classic daemon was measured to get wrong (cluster-semantics §20), on real processes."""
import json
import threading
import time
import unittest
from xml.etree import ElementTree

from bystanders import LEADERS, leave_alone
from support import Increments, Said, Undisturbed, start_cluster_with_faults, wait_until

RESETS = 1000
PROGRESS_S = 2  # the promise to clients


class MembershipCase(Increments, Undisturbed):
    DATABASE = "member.tdb"

    def setUp(self):
        self.cluster, self.network, self.namespace = start_cluster_with_faults(self, "ctdb-member-")

    # ---- what is asked of the cluster ----

    def status(self, node):
        return json.loads(self.cluster.nodes[node].cli("-o", "json", "status").stdout)

    def known_leader(self):
        return wait_until(lambda: [pnn for pnn in [self.status(0)["leader"]] if pnn is not None], "a leader is known")[0]

    def states(self, node):
        listed = json.loads(self.cluster.nodes[node].cli("-o", "json", "node", "list").stdout)
        return [each["state"] for each in listed["nodes"]]

    def locks(self, node):
        return json.loads(self.cluster.nodes[node].cli("-o", "json", "lock", "list", check=True).stdout)["locks"]

    def store_log(self, node):
        with open(self.cluster.nodes[node].log_path("ctdb-store")) as log:
            return log.read()

    def takes_part(self, node):
        return self.status(node)["generation"] is not None

    def out_of(self, *nodes):
        """[The one of `nodes` that takes no part and says why], while the other two of three are members together; else [].
        All of that at once: who is out for a moment, as everybody is in a recovery, need not be out in the end."""
        told = [self.status(node) for node in range(3)]
        out = [node for node in nodes if told[node]["generation"] is None]
        together = {(told[node]["generation"], told[node]["members"]) for node in range(3) if node not in out}
        if len(out) != 1 or len(together) != 1 or together.pop()[1] != 2:
            return []
        return out if "cannot reach each other" in told[out[0]]["reason"] else []


class MembershipTest(MembershipCase):
    # ---- two nodes that cannot see each other ----

    def test_of_two_nodes_that_cannot_reach_each_other_one_stays_out_and_says_why(self):
        leader = self.known_leader()
        follower = (leader + 1) % 3
        for node in (leader, follower):
            self.add(node, "native", "key")
        leave_alone(self.cluster, [(leader + 2) % 3])
        self.network.cut(leader, follower)
        # The follower, unless the leader lost its office for another reason.
        out = wait_until(lambda: self.out_of(leader, follower), "one stays out and says why")[0]
        inside = [node for node in range(3) if node != out]
        leave_alone(self.cluster, inside)
        # Those that are in go on; who is out waits, and nothing it does counts.
        waiting = self.start(out, "native", "key")
        before = self.value("key", inside[0])
        for node in inside:
            self.add(node, "native", "key", 100)
        self.assertEqual(self.value("key", inside[0]), before + 200)
        self.assertIsNone(waiting.poll(), "a client of the node that is out was let at the record")
        self.network.heal()
        self.cluster.wait_healthy()
        leave_alone(self.cluster, range(3))
        self.assertEqual(self.finish(waiting), before + 201)

    def test_two_followers_that_cannot_reach_each_other(self):
        leader = self.known_leader()
        one, other = [node for node in range(3) if node != leader]
        leave_alone(self.cluster, [leader], *LEADERS)
        self.network.cut(one, other)
        wait_until(lambda: self.out_of(one, other), "one stays out and says why")
        self.network.heal()
        self.cluster.wait_healthy()

    def test_a_node_that_hears_but_is_not_heard(self):
        leader = self.known_leader()
        mute = (leader + 1) % 3
        self.add(mute, "native", "mute", 10)
        leave_alone(self.cluster, [node for node in range(3) if node != mute])
        self.network.drop(mute, *[node for node in range(3) if node != mute])
        wait_until(lambda: not self.takes_part(mute) and self.status(leader)["members"] == 2, "it stays out")
        self.add(leader, "native", "mute", 10)
        self.network.heal()
        self.cluster.wait_healthy()

    # ---- resets ----

    def test_a_thousand_resets_stop_no_client(self):
        stop = threading.Event()
        counts, longest = {}, {}

        def work(node, api):
            counts[node, api], longest[node, api] = 0, 0.0
            while not stop.is_set():
                begun = time.monotonic()
                self.add(node, api, "hot", 100)
                counts[node, api] += 100
                longest[node, api] = max(longest[node, api], time.monotonic() - begun)

        workers = [threading.Thread(target=work, args=(node, api)) for node in range(3) for api in ("native", "classic")]
        for worker in workers:
            worker.start()
        try:
            for number in range(RESETS):
                self.network.reset(number % 3, (number + 1) % 3)
        finally:
            stop.set()
            for worker in workers:
                worker.join()
        self.assertGreater(min(counts.values()), 0)
        lost = sum(counts.values()) - self.value("hot")
        # A node that gets no processor for longer than its lease loses what only it has, and that is told.
        told = any("fallen back" in line for node in self.cluster.nodes for line in open(node.log_path("ctdb-store"), encoding="utf-8"))
        self.assertTrue(lost == 0 or lost > 0 and told, f"{lost} increments are lost; {longest}")


class TwoRecoveries(Said):
    """One when a node dies and one when it is back; of the first it is asked what the last one was."""

    def recoveries(self):
        found = super().recoveries()
        return found if len(found) > 2 else []


class HeldLockTest(MembershipCase):
    NO_RECOVERIES = True  # but for those two

    def setUp(self):
        super().setUp()
        self.cluster.since_healthy = TwoRecoveries(self.cluster)

    def test_a_held_chain_lock_delays_only_its_chain_and_bans_nobody(self):
        self.add(0, "native", "held")
        holder = self.start(0, "native", "held", hold=1)
        self.assertEqual(holder.stdout.readline(), "locked\n")
        generation = self.status(1)["generation"]
        self.cluster.nodes[2].kill()
        wait_until(lambda: self.status(1)["generation"] != generation and self.status(1)["members"] == 2,
                   "the recovery goes on in spite of the lock")
        for number in range(20):
            self.add(number % 2, "native", f"other-{number}")
        self.check_last_recovery()
        asking = self.start(1, "native", "held")
        self.cluster.nodes[2].start()
        self.cluster.wait_healthy()
        self.assertIsNone(asking.poll(), "the record left while its chain was locked")
        locks = wait_until(lambda: self.locks(1), "the lock is shown")
        self.assertEqual([(lock["database"], lock["node"], lock["pid"]) for lock in locks],
                         [("member.tdb", 0, holder.pid)])
        self.assertEqual((locks[0]["key"], locks[0]["program"]), ("held", "ctdb-increment"))
        wait_until(lambda: f"(pid {holder.pid}) has kept the lock of key held" in self.store_log(0), "the log names it")
        self.assertEqual(self.states(0), ["OK"] * 3)
        self.finish(holder)  # ends its input
        self.assertEqual(self.finish(asking), 3)

    def check_last_recovery(self):
        """After the death of node 2: what is told of the recovery, by a node that need not have led it."""
        picture = f"{self.cluster.directory}/recovery.svg"
        told = json.loads(self.cluster.nodes[1].cli("-o", "json", "recovery", "last", picture, check=True).stdout)
        self.assertIn("node 2 left", told["reason"])
        self.assertEqual((told["members"], told["left"]), ("0,1", "2"))
        self.assertEqual({step["node"] for step in told["steps"]}, {0, 1})
        self.assertIn("member.tdb", {database["database"] for database in told["databases"]})
        texts = [each.text for each in ElementTree.parse(picture).iter("{http://www.w3.org/2000/svg}text")]
        self.assertIn("node 0", texts)
        self.assertIn("member.tdb", texts)


if __name__ == "__main__":
    unittest.main()
