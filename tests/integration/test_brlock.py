# SPDX-License-Identifier: GPL-3.0-or-later
"""Byte-range locks (ctdb_brlock.h): conflicts and waiting between three nodes and on a local directory, owners that die, and
that no two writers ever have the same byte."""
import tempfile
import unittest

from share_clients import OnDirectory, OnNodes, ShareClient, at_the_same_time
from support import start_cluster, wait_until

WHOLE = "1 1 write windows 0 100"
HAMMERS, COUNT, BYTES = 6, 350, 64


class Locker(ShareClient):
    """A ctdb-brlock."""

    def __init__(self, test, pnn, *options):
        super().__init__(test, pnn, "ctdb-brlock", "brlock.tdb", f"lock {{}} {WHOLE}", *options)

    def place(self, start=0, size=100):
        return f"{self.who()} {start} {size}"


class Rules:
    """For tests that are OnNodes or OnDirectory: a Locker at each place and one that watches."""

    def wait_in_queue(self, locker):
        """`locker` is then the last in the queue of the file `f`."""
        locker.tell(f"wait 120000 f {WHOLE}")
        wait_until(lambda: self.watcher.ask("list f").endswith(f"waiting {locker.place()}"), "it waits")

    def setUp(self):
        super().setUp()
        self.watcher = self.locker(0)
        self.a, self.b, self.c = (self.locker(place) for place in range(3))

    def tearDown(self):
        for locker in (self.a, self.b, self.c):
            locker.kill(self.watcher)
        # Nobody is left behind whom nobody has met.
        self.assertEqual(self.watcher.ask(f"lock f {WHOLE}"), "ok")
        self.assertEqual(self.watcher.ask(f"unlock f {WHOLE}"), "ok")
        self.assertEqual(self.watcher.ask("list f"), "")
        super().tearDown()

    def locker(self, place):
        return Locker(self, *self.at(place))

    def test_conflicts(self):
        self.assertEqual(self.a.ask("lock f 1 1 write windows 0 10"), "ok")
        in_the_way = f"conflict {self.a.place(0, 10)}"
        self.assertEqual(self.b.ask("lock f 1 1 write windows 9 10"), in_the_way)
        self.assertEqual(self.b.ask("test f 1 1 read windows 0 1"), in_the_way)
        self.assertEqual(self.c.ask("lock f 1 1 read posix 5 1"), in_the_way)
        self.assertEqual(self.c.ask("io f 1 1 read windows 5 1"), in_the_way)
        self.assertEqual(self.a.ask("io f 1 1 write windows 5 1"), "ok")
        self.assertEqual(self.c.ask("lock f 1 1 read windows 10 10"), "ok")
        self.assertEqual(self.watcher.ask("list f"), f"held {self.a.place(0, 10)}, held {self.c.place(10, 10)}")
        self.assertEqual(self.a.ask("unlock f 1 1 write windows 0 11"), "not found")
        self.assertEqual(self.b.ask("unlock f 1 1 write windows 0 10"), "not found")
        self.assertEqual(self.a.ask("unlock f 1 1 write windows 0 10"), "ok")
        self.assertEqual(self.b.ask("test f 1 1 write windows 9 1"), "ok")
        self.assertEqual(self.b.ask("lock f 1 1 write windows 9 1"), "ok")
        self.assertEqual(self.a.ask("lock f 1 1 write posix 0 0"), "invalid argument")
        self.assertEqual(self.a.ask("lock f 1 1 write windows 18446744073709551615 2"), "invalid argument")

    def test_a_closed_handle_takes_its_locks_along(self):
        for what in ("1 1 write windows 0 1", "1 2 write windows 1 1", "1 2 write posix 2 1"):
            self.assertEqual(self.a.ask(f"lock f {what}"), "ok")
        self.assertEqual(self.a.ask("close f 1 1"), "ok")
        self.assertEqual(self.watcher.ask("list f"), f"held {self.a.place(1, 1)}")

    def test_waiters_get_it_in_order(self):
        self.assertEqual(self.a.ask(f"lock f {WHOLE}"), "ok")
        self.wait_in_queue(self.b)
        self.wait_in_queue(self.c)
        self.assertEqual(self.a.ask(f"unlock f {WHOLE}"), "ok")
        self.assertEqual(self.b.answer(), "ok")
        self.assertEqual(self.watcher.ask("list f"), f"held {self.b.place()}, waiting {self.c.place()}")
        self.assertEqual(self.b.ask(f"unlock f {WHOLE}"), "ok")
        self.assertEqual(self.c.answer(), "ok")
        for waiter in (self.b, self.c):
            self.assertLessEqual(int(waiter.ask("messages")), 1, "woken in vain")

    def test_who_waited_in_vain_is_in_nobodys_way(self):
        self.assertEqual(self.a.ask("lock f 1 1 read windows 0 1"), "ok")
        self.assertEqual(self.b.ask("lock f 1 1 read windows 99 1"), "ok")  # the record is here: 50 ms are enough
        self.assertEqual(self.b.ask(f"wait 50 f {WHOLE}"), f"conflict {self.a.place(0, 1)}")
        self.assertEqual(self.watcher.ask("list f"), f"held {self.a.place(0, 1)}, held {self.b.place(99, 1)}")
        self.assertEqual(self.c.ask("wait 120000 f 1 1 read windows 0 1"), "ok")

    def test_locks_of_a_killed_process_are_free(self):
        self.assertEqual(self.a.ask(f"lock f {WHOLE}"), "ok")
        self.a.kill(self.watcher)
        self.assertEqual(self.b.ask(f"test f {WHOLE}"), "ok")
        self.assertEqual(self.b.ask(f"lock f {WHOLE}"), "ok")
        self.wait_in_queue(self.c)
        self.b.kill(self.watcher)
        self.assertEqual(self.c.answer(), "ok")

    def test_a_killed_waiter_holds_nobody_up(self):
        self.assertEqual(self.a.ask(f"lock f {WHOLE}"), "ok")
        self.wait_in_queue(self.b)
        self.wait_in_queue(self.c)
        self.b.kill(self.watcher)
        self.assertEqual(self.a.ask(f"unlock f {WHOLE}"), "ok")
        self.assertEqual(self.c.answer(), "ok")

    def hammer(self):
        """How many messages came to those who did it."""
        lockers = [self.locker(number % 3) for number in range(HAMMERS)]
        for seed, locker in enumerate(lockers):
            locker.tell(f"hammer g {COUNT} {seed} {BYTES}")
        held = []
        for number, locker in enumerate(lockers):
            told = [line.split() for line in locker.answer().split(",")]
            self.assertEqual([len(words) for words in told], [5] * COUNT, told[-1])
            held += [(int(begun), int(ended), int(start), int(size), kind, number) for start, size, kind, begun, ended in told]
        for end_of, one in at_the_same_time(held):
            both_read = end_of[4] == one[4] == "read"
            apart = end_of[2] + end_of[3] <= one[2] or one[2] + one[3] <= end_of[2]
            self.assertTrue(both_read or apart, f"{end_of} and {one}")
        self.assertEqual(self.watcher.ask("list g"), "")
        return sum(int(locker.ask("messages")) for locker in lockers)


class ClusterBrlockTest(Rules, OnNodes):
    def test_no_two_writers_have_the_same_byte(self):
        self.assertGreater(self.hammer(), 0, "nobody was woken")

    def test_locks_of_a_closed_owner_are_free(self):
        self.assertEqual(self.a.ask(f"lock f {WHOLE}"), "ok")
        self.assertEqual(self.a.ask("reopen"), "ok")
        self.assertEqual(self.b.ask(f"lock f {WHOLE}"), "ok")

    def test_a_record_of_something_else_is_named(self):
        self.cluster.nodes[1].cli("record", "put", "brlock.tdb", "h", "this is something else", check=True)
        self.assertEqual(self.a.ask(f"lock h {WHOLE}"), "local database failed: no record of locks: it begins otherwise")


class LocalBrlockTest(Rules, OnDirectory):
    def test_no_two_writers_have_the_same_byte(self):
        self.assertEqual(self.hammer(), 0)

    def test_locks_of_a_closed_owner_stay_until_the_process_ends(self):
        self.assertEqual(self.a.ask(f"lock f {WHOLE}"), "ok")
        self.assertEqual(self.a.ask("reopen"), "ok")
        self.assertEqual(self.b.ask(f"lock f {WHOLE}"), f"conflict {self.a.place()}")
        self.assertEqual(self.a.ask(f"lock f {WHOLE}"), f"conflict {self.a.place()}", "it is another one now")
        self.a.kill(self.watcher)
        self.assertEqual(self.b.ask(f"lock f {WHOLE}"), "ok")


class NodeDeathBrlockTest(unittest.TestCase):
    def test_locks_of_a_killed_node_are_free(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-brlock-")
        self.addCleanup(directory.cleanup)
        cluster = start_cluster(directory.name, self.addCleanup)
        holder, waiter, other = (Locker(self, node, "--setup", cluster.nodes[node].setup_socket, "--copies", "2") for node in (2, 1, 0))
        self.assertEqual(holder.ask(f"lock f {WHOLE}"), "ok")
        self.assertEqual(other.ask("lock f 1 1 read windows 100 1"), "ok")
        waiter.tell(f"wait 120000 f {WHOLE}")
        wait_until(lambda: waiter.place() in other.ask("list f"), "it waits")
        self.assertEqual(holder.ask("lock f 1 1 write windows 101 1"), "ok")  # the record is there
        cluster.nodes[2].kill()
        self.assertEqual(waiter.answer(), "ok")
        self.assertEqual(other.ask("lock f 1 1 write windows 101 1"), "ok")
        self.assertEqual(other.ask("list f"), f"held {other.place(100, 1)}, held {waiter.place()}, held {other.place(101, 1)}")


if __name__ == "__main__":
    unittest.main()
