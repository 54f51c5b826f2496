# SPDX-License-Identifier: GPL-3.0-or-later
"""Open files (ctdb_opendb.h): share modes, deletion and owners that die, between three nodes and on a local directory, and that no two
opens that exclude each other are ever there together, nor another one with one that caches what it writes."""
import tempfile
import unittest

from share_clients import ALL, OnDirectory, OnNodes, Opener, Openers, at_the_same_time
from support import start_cluster, wait_until

HAMMERS, COUNT = 6, 250
NEEDED = {"r": "r", "w": "w", "a": "w", "x": "r", "d": "d"}


class Rules(Openers):
    def test_conflicts(self):
        handle = self.a.open("rw", "r")
        in_the_way = f"conflict {self.a.who()} rw r"
        self.assertEqual(self.b.ask(f"open f n w {ALL}"), in_the_way, "writing is not shared")
        self.assertEqual(self.b.ask("open f other r r"), in_the_way, "the name does not matter")
        self.assertEqual(self.c.ask(f"open f n d {ALL}"), in_the_way)
        reader = self.b.open("r", "rw", name="other")
        stat = self.c.open("s", "-")
        self.assertEqual(self.watcher.ask("list f"),
                         f"{self.a.who()} n rw r, {self.b.who()} other r rw, {self.c.who()} n s -")
        self.assertEqual(self.b.close(handle), "not found", "it is not his")
        self.assertEqual(self.a.close(handle), "closed")
        self.assertEqual(self.a.close(handle), "not found")
        self.assertEqual(self.c.close(self.c.open("w", ALL)), "closed")
        self.assertEqual(self.b.close(reader), "last", "of this name")
        self.assertEqual(self.c.close(stat), "last")

    def test_what_cannot_be(self):
        self.assertEqual(self.a.close(77), "not found")
        for verb in ("deleted f 77", "set f 77 t", "unset f 77"):
            self.assertEqual(self.a.ask(verb), "not found")

    def test_the_last_one_deletes(self):
        first, other = self.a.open("rd", ALL), self.b.open("r", ALL)
        self.assertEqual(self.a.ask(f"set f {first} credentials"), "ok")
        pending = f"pending {self.a.who()} rd {ALL}"
        self.assertEqual(self.c.ask(f"open f n r {ALL}"), pending)
        self.assertEqual(self.c.ask("open f n s -"), pending, "also for the attributes")
        elsewhere = self.c.open(name="hard-link")
        self.assertEqual(self.watcher.ask("list f"), f"{self.a.who()} n rd {ALL} pending, {self.b.who()} n r {ALL} pending, "
                                                     f"{self.c.who()} hard-link r {ALL}")
        self.assertEqual(self.a.close(first), "closed")
        self.assertEqual(self.b.close(other), "delete n credentials")
        self.assertEqual(self.c.ask(f"open f n r {ALL}"), f"pending {self.b.who()} r {ALL}", "until it is deleted")
        self.assertEqual(self.b.close(other), "delete n credentials")
        self.assertEqual(self.b.ask(f"deleted f {other}"), "ok")
        self.assertEqual(self.c.close(self.c.open()), "last")
        self.assertEqual(self.c.close(elsewhere), "last")

    def test_deleted_when_the_handle_is_closed(self):
        first = self.a.open("d", ALL, "delete=first")
        other, third = self.b.open(), self.c.open("d", ALL, "delete=third")
        self.assertEqual(self.watcher.ask("list f"), f"{self.a.who()} n d {ALL} on-close, {self.b.who()} n r {ALL}, "
                                                     f"{self.c.who()} n d {ALL} on-close")
        self.assertEqual(self.a.close(first), "closed")
        self.assertEqual(self.a.ask(f"open f n r {ALL}"), f"pending {self.b.who()} r {ALL}")
        self.assertEqual(self.b.ask(f"unset f {other}"), "ok")
        self.assertEqual(self.a.close(self.a.open()), "closed")
        self.assertEqual(self.b.close(other), "closed")
        self.assertEqual(self.c.close(third), "delete n third")
        self.assertEqual(self.c.ask(f"deleted f {third}"), "ok")

    def test_a_renamed_file_is_that_of_all(self):
        first, second, link = self.a.open("rd", ALL, "delete=t"), self.b.open(), self.c.open(name="link")
        self.assertEqual(self.b.ask(f"rename f {second} new"), "ok")
        self.assertEqual(self.watcher.ask("list f"), f"{self.a.who()} new rd {ALL} on-close, {self.b.who()} new r {ALL}, "
                                                     f"{self.c.who()} link r {ALL}")
        self.assertEqual(self.b.close(second), "closed")
        self.assertEqual(self.a.close(first), "delete new t")
        self.assertEqual(self.c.ask(f"rename f {link} new"), "pending")
        self.assertEqual(self.a.ask(f"rename f {first} newer"), "pending")
        self.assertEqual(self.a.ask(f"deleted f {first}"), "ok")
        self.assertEqual(self.a.ask(f"rename f {first} newer"), "not found")
        self.assertEqual(self.c.ask(f"rename f {link} new"), "ok")
        self.assertEqual(self.c.close(link), "last")

    def test_opens_of_a_killed_process_are_gone(self):
        self.a.open("rw", "-")
        self.a.kill(self.watcher)
        handle = self.b.open("rw", "-")
        self.assertEqual(self.watcher.ask("list f"), f"{self.b.who()} n rw -")
        self.assertEqual(self.b.ask(f"set f {handle} t"), "ok")
        self.b.kill(self.watcher)
        self.c.close(self.c.open())  # what should be deleted was nobody's any more

    def test_who_is_left_by_the_dead_deletes(self):
        handle = self.a.open("rd", ALL, "delete=t")
        self.b.open()
        self.c.open()
        self.b.kill(self.watcher)
        self.c.kill(self.watcher)
        self.assertEqual(self.a.close(handle), "delete n t")
        self.assertEqual(self.watcher.ask("list f"), f"{self.a.who()} n rd {ALL} pending")
        self.assertEqual(self.a.ask(f"deleted f {handle}"), "ok")

    def test_no_two_exclude_each_other(self):
        openers = [self.opener(number % 3) for number in range(HAMMERS)]
        for seed, opener in enumerate(openers):
            opener.tell(f"hammer g {COUNT} {seed}")
        held = []
        for opener in openers:
            told = [line.split() for line in opener.answer().split(",")]
            self.assertEqual([len(words) for words in told], [6] * COUNT, told[-1])
            held += [(int(begun), int(ended), access, share, level, int(cached)) for access, share, level, begun, ended, cached in told]
        together = 0
        for one, other in at_the_same_time(held):
            together += 1
            for this, that in ((one, other), (other, one)):
                self.assertIn(NEEDED[this[2]], that[3], f"{one} and {other}")
                self.assertTrue("w" not in this[4] or this[5] <= that[0] or that[1] <= this[0], f"{one} caches what it writes, beside {other}")
        self.assertGreater(together, 0, "nobody was there with another one")
        self.assertGreater(sum("w" in one[4] for one in held), 0, "nobody cached what it writes")
        self.assertGreater(sum(one[5] < one[1] for one in held), 0, "nobody gave anything back")
        self.assertEqual(self.watcher.ask("list g"), "")


class ClusterOpendbTest(Rules, OnNodes):
    def test_opens_of_a_closed_owner_are_gone(self):
        self.a.open("rw", "-")
        self.assertEqual(self.a.ask("reopen"), "ok")
        self.b.open("rw", "-")

    def test_who_has_a_renamed_file_open_is_told(self):
        self.a.open()
        mine = self.b.open()
        self.b.open("s", "-")
        self.c.open(name="link")
        self.assertEqual(self.b.ask(f"rename f {mine} new"), "ok")
        told = []
        wait_until(lambda: told.append(self.a.ask("told")) or told[-1] == "renamed f n new", "it is told")
        for opener in (self.b, self.c):
            self.assertEqual(opener.ask("told"), "", "it knows, or it has another name")

    def test_a_record_of_something_else_is_named(self):
        self.cluster.nodes[1].cli("record", "put", "locking.tdb", "h", "this is something else", check=True)
        self.assertEqual(self.a.ask(f"open h n r {ALL}"), "local database failed: no record of open files: it has 22 bytes")


class LocalOpendbTest(Rules, OnDirectory):
    def test_opens_of_a_closed_owner_stay_until_the_process_ends(self):
        self.a.open("rw", "-")
        self.assertEqual(self.a.ask("reopen"), "ok")
        for opener in (self.b, self.a):
            self.assertEqual(opener.ask("open f n r r"), f"conflict {self.a.who()} rw -")
        self.a.kill(self.watcher)
        self.b.open("rw", "-")


class NodeDeathOpendbTest(unittest.TestCase):
    def test_opens_of_a_killed_node_are_gone(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-opendb-")
        self.addCleanup(directory.cleanup)
        cluster = start_cluster(directory.name, self.addCleanup)
        holder, opener, other = (Opener(self, node, "--setup", cluster.nodes[node].setup_socket, "--copies", "2")
                                 for node in (2, 1, 0))
        other.open("r", ALL)
        mine = opener.open("rd", ALL, "delete=t", name="m")
        holder.open("r", "rd", name="m")  # the record is there
        cluster.nodes[2].kill()
        handle = opener.open("w", ALL)
        self.assertEqual(other.ask("list f"), f"{other.who()} n r {ALL}, {opener.who()} m rd {ALL} on-close, "
                                              f"{opener.who()} n w {ALL}")
        self.assertEqual(opener.close(mine), "delete m t")
        self.assertEqual(opener.close(handle), "closed")


if __name__ == "__main__":
    unittest.main()
