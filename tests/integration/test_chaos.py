# SPDX-License-Identifier: GPL-3.0-or-later
"""A little of ./run-chaos, and its checkers against histories that are wrong."""
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from support import BIN, run_chaos, wait_until
from cluster import ROOT
from histories import ListCheck, Lists, check_counter, read_lists
from processes import with_children


class ChaosTest(unittest.TestCase):
    def some(self, nodes, seconds):
        seed = int(time.time())
        try:
            print(run_chaos(os.path.dirname(BIN), nodes, seconds, seed, say=print))
        except AssertionError as broken:
            self.fail(f"{nodes} nodes, seed {seed}: {broken}")

    def test_three_nodes(self):
        self.some(3, 12)

    def test_five_nodes(self):
        self.some(5, 8)

    def test_sigterm_ends_what_was_started(self):
        chaos = subprocess.Popen([sys.executable, os.path.join(ROOT, "tests", "cluster", "chaos.py"), "--nodes", "3",
                                  "--seconds", "600", "--build", os.path.dirname(BIN)],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wait_until(lambda: len(with_children([chaos.pid])) > 9, "daemons and clients to be started")
        started = with_children([chaos.pid])
        chaos.terminate()
        out, _ = chaos.communicate()
        self.assertEqual(chaos.returncode, 128 + signal.SIGTERM, out)
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in started), "all of them to end")


class CounterCheckTest(unittest.TestCase):
    GOOD = [(1, 10, 20, 0), (2, 30, 40, 1), (3, 40, 50, 0)]

    def test_a_good_history(self):
        self.assertEqual(check_counter("k", list(reversed(self.GOOD)), 0), (3, 0))

    def test_two_at_once(self):
        with self.assertRaisesRegex(AssertionError, "nodes 1 and 0 had it at once"):
            check_counter("k", [(1, 10, 20, 0), (2, 30, 41, 1), (3, 40, 50, 0)], 0)

    def test_late_clients_are_bounded(self):
        lines = [(1, 10, 20, 0), (2, 30, 41, 1), (3, 40, 50, 0)]
        self.assertEqual(check_counter("k", lines, 0, late=1), (3, 0))

    def test_lost_increments_are_counted(self):
        self.assertEqual(check_counter("k", self.GOOD + [(2, 60, 70, 1)], 0), (4, 2))
        self.assertEqual(check_counter("k", self.GOOD + [(3, 60, 70, 1)], 0), (4, 1))

    def test_a_counter_that_grows_by_itself(self):
        lines = self.GOOD + [(5, 60, 70, 1)]
        self.assertEqual(check_counter("k", lines, 1), (4, 0))
        with self.assertRaisesRegex(AssertionError, "1 times the counter went up"):
            check_counter("k", lines, 0)


A1, A2, B1, B2, C1 = (writer << 32 | number for writer, number in ((1, 0), (1, 1), (2, 0), (2, 1), (3, 0)))


class ListCheckTest(unittest.TestCase):
    """Writers 1 and 2 lock, writer 3 calls; node = writer."""

    def check(self, *files, **options):
        """`files`: what writers 1, 2, … have written of list 0."""
        lists = {}
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "history")
            for writer, lines in enumerate(files, 1):
                with open(path, "w") as out:
                    out.writelines(f"{line}\n" for line in lines)
                last = read_lists(path, writer, writer, lists)
                self.assertEqual(last >> 32, writer)
        return ListCheck("k", lists[0], options.pop("killed", ()), **options).run()

    def assert_broken(self, text, *files, **options):
        with self.assertRaisesRegex(AssertionError, text):
            self.check(*files, **options)

    def test_a_good_history(self):
        self.assertEqual(self.check([f"= 0 10 20 0 0 {A1}", f"= 0 50 60 0 1 {B1} {C1} {A2}"], [f"= 0 30 40 0 0 {A1} {B1}"],
                                    [f"+ 0 35 55 24 {C1}", f"- 0 {C1 + 1}"]), Lists(4, 0, 0))

    def test_the_last_element_of_a_killed_writer_needs_no_line(self):
        files = [f"= 0 10 20 0 0 {A1}"], [f"= 0 30 40 0 0 {A1} {A2} {B1}"]
        self.assertEqual(self.check(*files, killed={A2}), Lists(3, 0, 0))
        self.assert_broken("nobody has added 1/1", *files)

    def test_one_of_which_nobody_knows_may_be_there(self):
        self.assertEqual(self.check([f"= 0 10 20 0 0 {A1}", f"= 0 50 50 0 1 {C1}"], [], [f"? 0 30 {C1}"]), Lists(2, 0, 0))
        self.assertEqual(self.check([f"= 0 10 20 0 0 {A1}", "= 0 50 50 0 1"], [], [f"? 0 30 {C1}"]), Lists(1, 0, 0))

    def test_two_at_once(self):
        files = [f"= 0 10 31 0 0 {A1}"], [f"= 0 30 40 0 0 {A1} {B1}"]
        self.assert_broken("nodes 1 and 2 had it at once", *files)
        self.assertEqual(self.check(*files, late=1), Lists(2, 0, 0))

    def test_lost_without_a_word(self):
        files = [f"= 0 10 20 0 0 {A1}", f"= 0 30 40 0 1 {A2}"], [f"= 0 50 60 0 0 {A1} {B1}"]
        self.assert_broken("1 elements from 1/1 on are missing", *files)
        self.assertEqual(self.check(*files, told=True), Lists(3, 1, 0))

    def test_lost_and_the_record_says_so(self):
        self.assertEqual(self.check([f"= 0 10 20 0 0 {A1}", f"= 0 30 40 0 1 {A2}"], [f"= 0 50 60 1 0 {A1} {B1}"]), Lists(3, 1, 0))

    def test_a_call_that_nobody_has_seen(self):
        files = [f"= 0 10 20 0 0 {A1}", "= 0 50 60 0 1"], [], [f"+ 0 30 40 16 {C1}"]
        self.assert_broken("1 elements from 3/0 on are missing", *files)
        self.assertEqual(self.check(*files, told=True), Lists(2, 1, 0))

    def test_all_of_it_lost_with_the_last_node_that_knew_it(self):
        self.assertEqual(self.check([f"= 0 10 20 0 0 {A1}", f"= 0 30 40 0 1 {A2}"], [f"= 0 60 70 0 0 {B1}"]), Lists(3, 2, 2))

    def test_one_that_comes_back(self):
        self.assert_broken("1/1 was missing and is there again", [f"= 0 10 20 0 0 {A1}", f"= 0 30 40 0 1 {A2}"],
                           [f"= 0 50 60 1 0 {A1} {B1}", f"= 0 70 80 1 1 {A2} {B2}"])

    def test_a_changed_order(self):
        self.assert_broken("2/0 was missing and is there again, or in another place", [f"= 0 10 20 0 0 {A1}"],
                           [f"= 0 30 40 0 0 {A1} {B1}", f"= 0 50 60 0 0 {B1} {A1} {B2}"], told=True)

    def test_calls_in_a_wrong_order(self):
        self.assert_broken("3/0 was there at 20 and is behind 3/1, which was tried at 30", [f"= 0 50 50 0 0 {C1 + 1} {C1}"],
                           [], [f"+ 0 10 20 16 {C1}", f"+ 0 30 40 8 {C1 + 1}"])

    def test_a_call_in_another_place(self):
        self.assert_broken("3/0 is number 1, and its writer was told that the list has 16 bytes", [f"= 0 50 50 0 0 {C1}"], [],
                           [f"+ 0 10 20 16 {C1}"])

    def test_twice(self):
        self.assert_broken("1/0 is in it twice", [f"= 0 10 20 0 0 {A1}", f"= 0 30 40 0 1 {A1} {A2}"])

    def test_refused_and_there(self):
        self.assert_broken("nobody has added 3/0", [f"= 0 30 40 0 0 {C1} {A1}"], [], [f"- 0 {C1}"])

    def test_before_it_was_tried(self):
        self.assert_broken("before it was tried at 50", [f"= 0 30 40 0 0 {C1} {A1}"], [], [f"+ 0 50 60 8 {C1}"])

    def test_not_seen_although_it_was_there(self):
        self.assert_broken("3/0 was there at 20, not at 30", ["= 0 30 30 0 0", f"= 0 50 50 0 0 {C1}"], [], [f"+ 0 10 20 8 {C1}"])

    def test_torn(self):
        self.assert_broken("12 bytes is no list", ["! 0 12"])


if __name__ == "__main__":
    unittest.main()
