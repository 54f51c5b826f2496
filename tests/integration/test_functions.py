# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions that run where the record is: three nodes add to one counter. What is acknowledged has happened once, what is unknown
at most once, whatever dies meanwhile."""
import tempfile
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor

from support import STORE_AWAY, Said, assert_counted, start_cluster, start_counting, wait_until

COUNT = 10_000
CHUNK = 1_000


class FunctionsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="ctdb-functions-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.cluster = start_cluster(cls.directory.name, cls.addClassCleanup)

    def start(self, node, key, count, copies):
        database = "copied.tdb" if copies > 1 else "single.tdb"
        return start_counting(self, "ctdb-count", node, "native", database, key, count, copies=copies)

    def finish(self, process):
        """(done, unknown, value)"""
        out, err = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 0, err)
        return out.count("+"), out.count("?"), int(out.split()[-1])

    def value(self, key, copies=1, node=0):
        return self.finish(self.start(node, key, 0, copies))[2]

    def test_three_nodes_count_exactly(self):
        for copies in (1, 2):
            with self.subTest(copies=copies):
                since = Said(self.cluster)
                told = [self.finish(run) for run in [self.start(node, "exact", COUNT, copies) for node in range(3)]]
                self.assertEqual(sum(done for done, _, _ in told), 3 * COUNT)
                value, unknown = self.value("exact", copies), sum(one[1] for one in told)
                # Some are unknown if the machine was so busy that the cluster recovered.
                assert_counted(self, value, 3 * COUNT, 3 * COUNT + unknown, since)

    def keep_counting(self, node, key, copies, enough):
        done = unknown = 0
        while done < COUNT // 2 or not enough.is_set():
            told = self.finish(self.start(node, key, CHUNK, copies))
            done, unknown = done + told[0], unknown + told[1]
        return done, unknown

    def in_the_middle(self, key, event, copies, nodes=(0, 1, 2), before=(0, 0), why=()):
        over, since = threading.Event(), Said(self.cluster)
        with ThreadPoolExecutor() as pool:
            counts = [pool.submit(self.keep_counting, node, key, copies, over) for node in nodes]
            try:
                wait_until(lambda: self.value(key, copies, nodes[0]) > CHUNK // 2, "they count")
                event()
                self.cluster.wait_healthy()
            finally:
                over.set()
        done, unknown = (sum(numbers) for numbers in zip(before, *(count.result() for count in counts)))
        value = self.value(key, copies, nodes[0])
        assert_counted(self, value, done, done + unknown, since, why)

    def test_a_store_is_killed(self):
        for victim in range(3):
            with self.subTest(victim=victim):
                self.in_the_middle(f"store{victim}", lambda node=victim: self.cluster.nodes[node].kill_daemon("ctdb-store"), 1,
                                   why=[STORE_AWAY])

    def test_a_router_is_killed(self):
        for victim in range(3):
            with self.subTest(victim=victim):
                self.in_the_middle(f"router{victim}", lambda node=victim: self.cluster.nodes[node].kill_daemon("ctdb-router"), 2,
                                   why=["no quorum"])

    def test_a_node_is_killed(self):
        """It may be the one that has the record; its own clients die with it."""
        def event():
            self.cluster.nodes[2].kill()
            self.cluster.nodes[2].start()
        for turn in range(3):
            with self.subTest(turn=turn):
                done, unknown, _ = self.finish(self.start(2, f"node{turn}", 20, 2))  # it has the record
                self.in_the_middle(f"node{turn}", event, 2, nodes=(0, 1), before=(done, unknown))


if __name__ == "__main__":
    unittest.main()
