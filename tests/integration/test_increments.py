# SPDX-License-Identifier: GPL-3.0-or-later
"""No increment is lost: one counter, three nodes at once, through both APIs, with nodes and daemons dying meanwhile."""
import tempfile
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor, wait

from support import Increments, STORE_AWAY, Said, assert_counted, start_cluster, wait_until

COUNT = 10_000
CHUNK = 1_000


class IncrementsTest(Increments, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="ctdb-inc-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.cluster = start_cluster(cls.directory.name, cls.addClassCleanup)

    def setUp(self):
        self.since = Said(self.cluster)

    def test_native(self):
        runs = [self.start(node, "native", "native", COUNT) for node in range(3)]
        for run in runs:
            self.finish(run)
        assert_counted(self, self.value("native"), 3 * COUNT, since=self.since)

    def test_classic(self):
        runs = [self.start(node, "classic", "classic", COUNT) for node in range(3)]
        for run in runs:
            self.finish(run)
        assert_counted(self, self.value("classic"), 3 * COUNT, since=self.since)

    def test_both_at_once_on_one_key(self):
        runs = [self.start(node, api, "mixed", COUNT // 5) for node in range(3) for api in ("native", "classic")]
        for run in runs:
            self.finish(run)
        assert_counted(self, self.value("mixed"), 6 * (COUNT // 5), since=self.since)

    def keep_counting(self, key, api, node, enough):
        """Increments in chunks until `enough` is set and COUNT are done; returns how many were acknowledged."""
        done = 0
        while done < COUNT or not enough.is_set():
            self.finish(self.start(node, api, key, CHUNK))
            done += CHUNK
        return done

    def in_the_middle(self, key, event, nodes=(0, 1), why=()):
        """Increments from `nodes` by both APIs; `event` happens while they work; nothing may be lost."""
        for api in ("native", "classic"):
            with self.subTest(api=api), ThreadPoolExecutor() as pool:
                name, over = f"{key}-{api}", threading.Event()
                counts = [pool.submit(self.keep_counting, name, api, node, over) for node in nodes]
                try:
                    wait_until(lambda: self.value(name, nodes[0]) > CHUNK, "increments begin")
                    event()
                    self.cluster.wait_healthy()
                finally:
                    over.set()
                wait(counts)
                assert_counted(self, self.value(name, nodes[0]), sum(count.result() for count in counts), since=self.since, why=why)

    def test_a_node_that_owns_nothing_is_killed_and_restarted(self):
        def event():
            self.cluster.nodes[2].kill()
            self.cluster.nodes[2].start()
        self.in_the_middle("node", event)

    def test_recoveryd_of_a_working_node_is_killed(self):
        self.in_the_middle("recoveryd", lambda: self.cluster.nodes[0].kill_daemon("ctdb-recoveryd"), nodes=(0, 1, 2))

    def test_store_of_another_node_is_killed(self):
        self.in_the_middle("store", lambda: self.cluster.nodes[2].kill_daemon("ctdb-store"), why=[STORE_AWAY])

    def test_router_of_another_node_is_killed(self):
        self.in_the_middle("router", lambda: self.cluster.nodes[2].kill_daemon("ctdb-router"), why=["no quorum"])

    def test_store_of_a_working_node_is_killed(self):
        # Clients keep their connection to the router; unanswered calls are put to the new store.
        self.in_the_middle("own-store", lambda: self.cluster.nodes[0].kill_daemon("ctdb-store"), nodes=(0, 1, 2), why=[STORE_AWAY])


if __name__ == "__main__":
    unittest.main()
