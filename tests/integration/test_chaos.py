# SPDX-License-Identifier: GPL-3.0-or-later
"""A little of ./run-chaos, and its checker against histories that are wrong."""
import os
import time
import unittest

from support import BIN, check_history, run_chaos


class ChaosTest(unittest.TestCase):
    def some(self, nodes, seconds):
        seed = int(time.time())
        try:
            print(run_chaos(os.path.dirname(BIN), nodes, seconds, seed, print))
        except AssertionError as broken:
            self.fail(f"{nodes} nodes, seed {seed}: {broken}")

    def test_three_nodes(self):
        self.some(3, 12)

    def test_five_nodes(self):
        self.some(5, 8)


class CheckerTest(unittest.TestCase):
    GOOD = [(1, 10, 20, 0), (2, 30, 40, 1), (3, 40, 50, 0)]

    def test_a_good_history(self):
        self.assertEqual(check_history("k", list(reversed(self.GOOD)), 0), (3, 0))

    def test_two_at_once(self):
        with self.assertRaisesRegex(AssertionError, "nodes 1 and 0 had it at once"):
            check_history("k", [(1, 10, 20, 0), (2, 30, 41, 1), (3, 40, 50, 0)], 0)

    def test_late_clients_are_bounded(self):
        lines = [(1, 10, 20, 0), (2, 30, 41, 1), (3, 40, 50, 0)]
        self.assertEqual(check_history("k", lines, 0, late=1), (3, 0))

    def test_lost_increments_are_counted(self):
        self.assertEqual(check_history("k", self.GOOD + [(2, 60, 70, 1)], 0), (4, 2))
        self.assertEqual(check_history("k", self.GOOD + [(3, 60, 70, 1)], 0), (4, 1))

    def test_a_counter_that_grows_by_itself(self):
        lines = self.GOOD + [(5, 60, 70, 1)]
        self.assertEqual(check_history("k", lines, 1), (4, 0))
        with self.assertRaisesRegex(AssertionError, "1 times the counter went up"):
            check_history("k", lines, 0)


if __name__ == "__main__":
    unittest.main()
