# SPDX-License-Identifier: GPL-3.0-or-later
"""A recoveryd that is killed, the leader's too, and started anew beside a store that stays open: the generation goes on, and clients
notice nothing. What was lost meanwhile is a reason for another one."""
import json
import struct
import tempfile
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from support import Increments, RawClient, assert_counted, start_cluster, wait_until

CHUNK = 500
STOP_NODE, CONTINUE_NODE, SET_BAN_STATE = 101, 102, 109


class LeaderChangeTest(Increments, unittest.TestCase):
    DATABASE = "leader_change.tdb"

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-leader-change-")
        self.addCleanup(directory.cleanup)
        self.cluster = start_cluster(directory.name, self.addCleanup, restarts_max=100)

    def status(self, node):
        return json.loads(self.cluster.nodes[node].cli("-o", "json", "status").stdout or "{}")

    def leader(self):
        """All nodes agree on it; None: they do not now."""
        leaders = {self.status(node).get("leader") for node in range(3)}
        return leaders.pop() if len(leaders) == 1 else None

    def known_leader(self):
        return wait_until(lambda: [pnn for pnn in [self.leader()] if pnn is not None], "a leader is known")[0]

    def generations(self):
        return [self.status(node).get("generation") for node in range(3)]

    def recoveryd(self, node):
        return self.cluster.nodes[node].daemons["ctdb-recoveryd"]

    def kill_recoveryd(self, node):
        """And waits until its successor takes part."""
        before = self.recoveryd(node).restarts
        self.cluster.nodes[node].kill_daemon("ctdb-recoveryd")
        wait_until(lambda: self.recoveryd(node).restarts > before and self.recoveryd(node).pid, "recoveryd is back")
        self.cluster.wait_healthy()
        self.known_leader()

    def tell(self, node, opcode, data=b""):
        with RawClient(self.cluster.nodes[node].classic_socket) as operator:
            self.assertEqual(operator.ask(opcode, data)[0], 0)

    def ban(self, node, seconds):
        self.tell(node, SET_BAN_STATE, struct.pack("<II", node, seconds))

    def keep_counting(self, api, node, enough):
        done = 0
        while not enough.is_set():
            self.finish(self.start(node, api, "hot", CHUNK))
            done += CHUNK
        return done

    def test_under_load_nobody_notices(self):
        generations = self.generations()
        over = threading.Event()
        with ThreadPoolExecutor() as pool:
            counts = [pool.submit(self.keep_counting, api, node, over) for node in range(3) for api in ("native", "classic")]
            try:
                wait_until(lambda: self.value("hot") > CHUNK, "increments begin")
                for _ in range(3):
                    self.kill_recoveryd(self.known_leader())
                    self.kill_recoveryd((self.known_leader() + 1) % 3)
            finally:
                over.set()
            made = sum(count.result() for count in counts)
            assert_counted(self, self.value("hot"), made)
        if not self.cluster.since_healthy.disturbances():
            self.assertEqual(self.generations(), generations)

    def test_a_node_that_was_stopped_stays_so(self):
        self.stays_out(lambda node: self.tell(node, STOP_NODE), lambda node: self.tell(node, CONTINUE_NODE),
                       "stopped by the administrator")

    def test_a_node_that_was_banned_stays_so(self):
        self.stays_out(lambda node: self.ban(node, 600), lambda node: self.ban(node, 0), "banned for ")

    def stays_out(self, put_out, let_in, reason):
        victim = (self.known_leader() + 1) % 3
        other = (victim + 1) % 3
        put_out(victim)
        wait_until(lambda: self.status(other)["members"] == 2 and self.status(other)["generation"], "the others go on")
        generation = self.status(other)["generation"]
        before = self.recoveryd(victim).restarts
        self.cluster.nodes[victim].kill_daemon("ctdb-recoveryd")
        wait_until(lambda: self.recoveryd(victim).restarts > before and self.recoveryd(victim).pid, "recoveryd is back")
        wait_until(lambda: reason in self.status(victim)["reason"], "it says why it is out")
        time.sleep(1)  # the leader would have taken it in
        self.assertIsNone(self.status(victim)["generation"])
        if not self.cluster.since_healthy.disturbances():
            self.assertEqual(self.status(other)["generation"], generation)
        let_in(victim)
        self.cluster.wait_healthy()

    def test_all_at_once(self):
        generations = self.generations()
        for node in range(3):
            self.cluster.nodes[node].kill_daemon("ctdb-recoveryd")
        wait_until(lambda: all(self.recoveryd(node).restarts > 0 for node in range(3)), "recoveryds are back")
        self.cluster.wait_healthy()
        self.known_leader()
        if not self.cluster.since_healthy.disturbances():
            self.assertEqual(self.generations(), generations)

    def test_a_store_that_was_restarted_meanwhile_needs_a_recovery(self):
        leader = self.known_leader()
        before = wait_until(lambda: self.generations()[leader], "a generation is open")
        self.cluster.nodes[leader].kill_daemon("ctdb-recoveryd")
        self.cluster.nodes[leader].kill_daemon("ctdb-store")
        wait_until(lambda: all(generation is not None and generation > before for generation in self.generations()),
                   "a newer generation is open")
        self.cluster.wait_healthy()


if __name__ == "__main__":
    unittest.main()
