# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases of open files (ctdb_opendb.h): what is given, how others have it given back, and holders that do not answer or die, between three
nodes and on a local directory."""
import tempfile
import unittest

from share_clients import ALL, OnDirectory, OnNodes, Opener, Openers
from support import start_cluster, wait_until


class Rules(Openers):
    MEETS, MEETS_GETS = "open f n rwd - lease=mine:rhw", "rhw"  # nobody's lease is left either

    def lease(self, opener, key, level, given=None, access="r", share=ALL, more=""):
        """A handle with that lease."""
        answer = opener.ask(f"open f n {access} {share} lease={key}:{level} {more}")
        return opener.opened(answer, given or level)

    def wait_in_vain_for(self, opener, what):
        """`opener` then waits for a lease."""
        opener.tell(f"{what} ms=120000")
        wait_until(lambda: "!" in self.watcher.ask("list f"), "it waits")

    def ask_at_once(self, opener, what):
        """With a time-out of 0: when the record is there."""
        answers = []
        wait_until(lambda: opener.ask("list f") and answers.append(opener.ask(f"{what} ms=0")) or answers[-1] != "timed out", "it is there")
        return answers[-1]

    def test_what_is_given(self):
        first = self.lease(self.a, "k", "rhw")
        self.assertEqual(self.watcher.ask("list f"), f"{self.a.who()} n r {ALL} rhw")
        second = self.lease(self.a, "k", "r", "rhw")
        third = self.lease(self.a, "k", "-", "rhw", access="s")
        self.assertEqual(self.a.close(first), "closed")
        self.assertEqual(self.a.close(second), "closed")
        self.assertEqual(self.a.ask("give f k r"), "ok")
        self.assertEqual(self.a.ask("give f k rh"), "invalid argument")
        self.assertEqual(self.a.ask("give f other r"), "not found")
        self.assertEqual(self.b.ask("give f k r"), "not found", "it is not his")
        self.lease(self.b, "b", "rhw", more="flags=d", given="rh")
        self.lease(self.c, "c", "rhw", more="flags=l", given="-")
        self.assertEqual(self.a.close(third), "closed")
        self.assertEqual(self.a.ask("told"), "")

    def test_another_one_breaks_writing(self):
        self.lease(self.a, "k", "rhw")
        self.assertEqual(self.a.ask("answer yes"), "ok")
        self.b.open("s")
        self.assertEqual(self.a.ask("told"), "", "the attributes are not the file")
        self.lease(self.b, "b", "rhw", "rh")
        self.assertEqual(self.a.ask("told"), "k rh")
        self.assertEqual(self.watcher.ask("list f"), f"{self.a.who()} n r {ALL} rh, {self.b.who()} n s {ALL}, {self.b.who()} n r {ALL} rh")

    def test_overwriting_breaks_all(self):
        for opener, key in ((self.a, "k"), (self.c, "c")):
            self.lease(opener, key, "rh")
            self.assertEqual(opener.ask("answer yes"), "ok")
        self.b.open("w", more="flags=o")
        self.assertEqual((self.a.ask("told"), self.c.ask("told")), ("k -", "c -"))

    def test_who_needs_no_open_breaks_too(self):
        self.lease(self.a, "k", "rh")
        self.lease(self.b, "b", "rh")
        self.assertEqual(self.b.ask("break f b rh 0"), "ok")
        self.b.tell("break f b - 120000")
        wait_until(lambda: self.a.ask("told") == "k -", "it was told")
        self.assertEqual(self.a.ask("answer yes"), "ok")
        self.assertEqual(self.b.answer(), "ok")
        self.assertEqual(self.watcher.ask("list f"), f"{self.a.who()} n r {ALL}, {self.b.who()} n r {ALL} rh")

    def test_an_answer_is_waited_for(self):
        self.lease(self.a, "k", "rhw")
        self.wait_in_vain_for(self.b, f"open f n r {ALL}")
        self.assertEqual(self.watcher.ask("list f"), f"{self.a.who()} n r {ALL} rhw!")
        self.assertEqual(self.a.ask("give f k rhw"), "invalid argument", "not less than before")
        self.assertEqual(self.a.ask("give f k rh"), "ok")
        self.b.opened(self.b.answer())

    def test_who_gave_up_may_come_again(self):
        self.lease(self.a, "k", "rhw")
        for _ in range(2):
            self.assertEqual(self.ask_at_once(self.b, f"open f n r {ALL}"), f"breaking {self.a.who()} r {ALL}")
        self.assertEqual(self.b.ask(f"open f n r {ALL} ms=20"), f"breaking {self.a.who()} r {ALL}")
        self.assertEqual(self.a.ask("give f k r"), "ok")
        self.b.open()

    def test_all_who_wait_go_on(self):
        handle = self.lease(self.a, "k", "rhw")
        self.wait_in_vain_for(self.b, f"open f n r {ALL}")
        self.c.tell(f"open f n r {ALL} flags=o")
        self.assertEqual(self.a.close(handle), "last")
        self.b.opened(self.b.answer())
        self.c.opened(self.c.answer())

    def test_more_is_broken_than_was_told_first(self):
        self.lease(self.a, "k", "rhw")
        self.assertEqual(self.ask_at_once(self.b, f"open f n r {ALL}"), f"breaking {self.a.who()} r {ALL}")
        self.c.tell(f"open f n r {ALL} flags=o")
        wait_until(lambda: self.a.ask("told") == "k rh", "it was told of the first")
        self.assertEqual(self.a.ask("give f k rh"), "ok")
        wait_until(lambda: self.a.ask("told") == "k -", "and of the second")
        self.assertEqual(self.a.ask("give f k -"), "ok")
        self.c.opened(self.c.answer())

    def test_cached_handles_are_closed_for_others(self):
        handle = self.lease(self.a, "k", "rh", access="rw", share="-")
        self.wait_in_vain_for(self.b, f"open f n r {ALL}")
        wait_until(lambda: self.a.ask("told") == "k r", "it was told")
        self.assertEqual(self.a.close(handle), "last")
        self.b.opened(self.b.answer())

    def test_a_handle_in_use_stays(self):
        self.lease(self.a, "k", "rh", access="rw", share="-")
        self.assertEqual(self.a.ask("answer yes"), "ok")
        self.assertEqual(self.b.ask(f"open f n r {ALL}"), f"conflict {self.a.who()} rw -")
        self.assertEqual(self.a.ask("told"), "k r")

    def test_who_does_not_answer_loses_it(self):
        self.lease(self.a, "k", "rhw")
        self.assertEqual(self.b.ask("break-time 1500"), "ok")
        self.b.open()
        self.assertEqual(self.watcher.ask("list f"), f"{self.a.who()} n r {ALL} rh, {self.b.who()} n r {ALL}")

    def test_leases_of_a_killed_process_are_gone(self):
        self.lease(self.a, "k", "rhw")
        self.wait_in_vain_for(self.b, f"open f n r {ALL} lease=b:rhw")
        self.a.kill(self.watcher)
        self.b.opened(self.b.answer(), "rhw")
        self.wait_in_vain_for(self.c, f"open f n r {ALL}")
        self.c.kill(self.watcher)
        self.assertEqual(self.b.ask("give f b r"), "ok")

    def test_own_leases_are_broken_too(self):
        self.lease(self.a, "k", "rhw")
        self.assertEqual(self.a.ask("answer yes"), "ok")
        self.lease(self.a, "other", "rhw", "rh")
        self.assertEqual(self.a.ask("told"), "k rh")


class ClusterLeasesTest(Rules, OnNodes):
    def test_who_lost_it_is_told(self):
        self.lease(self.a, "k", "rhw")
        self.assertEqual(self.b.ask("break-time 0"), "ok")
        self.b.open()
        told = []
        wait_until(lambda: told.append(self.a.ask("told")) or "k rh forced" in told[-1], "it was told")

    def test_who_waits_is_woken(self):
        self.lease(self.a, "k", "rhw")
        self.wait_in_vain_for(self.b, f"open f n r {ALL}")
        self.assertEqual(self.a.ask("give f k rh"), "ok")
        self.b.opened(self.b.answer())
        wait_until(lambda: int(self.b.ask("messages")) > 0, "the message has come, if not before it looked itself")


class LocalLeasesTest(Rules, OnDirectory):
    """The same rules."""


class NodeDeathLeasesTest(unittest.TestCase):
    def test_leases_of_a_killed_node_are_gone(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-leases-")
        self.addCleanup(directory.cleanup)
        cluster = start_cluster(directory.name, self.addCleanup)
        holder, opener, other = (Opener(self, node, "--setup", cluster.nodes[node].setup_socket, "--copies", "2")
                                 for node in (2, 1, 0))
        holder.opened(holder.ask(f"open f n r {ALL} lease=k:rhw"), "rhw")
        opener.tell(f"open f n r {ALL} lease=b:rhw")
        wait_until(lambda: "!" in other.ask("list f"), "it waits")
        cluster.nodes[2].kill()
        opener.opened(opener.answer(), "rhw")
        self.assertEqual(other.ask("list f"), f"{opener.who()} n r {ALL} rhw")


if __name__ == "__main__":
    unittest.main()
