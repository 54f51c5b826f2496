# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of tests/clients that use libctdbshare by commands on standard input, and what they say of the time."""
import itertools
import subprocess
import tempfile
import unittest

from support import BIN, Undisturbed, end_client, start_cluster, wait_until

ALL = "rwd"


class ShareClient:
    """One of them, on node `pnn` (0 on a local directory). `holding`: a command by which one at a time gets hold of the file {}; each begins with that
    on a file of its own, so that others can tell when it is known to be dead."""

    def __init__(self, test, pnn, program, database, holding, *options):
        self.pnn = pnn
        self.process = subprocess.Popen([f"{BIN}/{program}", "--db", database, *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)
        test.addCleanup(end_client, self.process)
        if self.answer() != "ready":
            raise AssertionError(self.process.stderr.read())
        self.holding = holding.format(f"alive-{self.who().replace(' ', '-')}")
        self.ask(self.holding)

    def tell(self, line):
        self.process.stdin.write(line + "\n")

    def answer(self):
        return self.process.stdout.readline().strip()

    def ask(self, line):
        self.tell(line)
        return self.answer()

    def who(self):
        return f"{self.pnn} {self.process.pid}"

    def kill(self, witness):
        """Its node hears of the end in its own time, and until then says that it lives: the witness, another one, waits for that. Not
        again if it was killed before."""
        if self.process.returncode is not None:
            return
        self.process.kill()
        self.process.wait()
        wait_until(lambda: not witness.ask(self.holding).startswith("conflict"), "its end is known")


class Opener(ShareClient):
    """A ctdb-opendb of a test with assertions."""

    def __init__(self, test, pnn, *options):
        super().__init__(test, pnn, "ctdb-opendb", "locking.tdb", "open {} n rwd -", *options)
        self.test = test

    def open(self, access="r", share="rwd", more="", file="f", name="n"):
        """The handle."""
        return self.opened(self.ask(f"open {file} {name} {access} {share} {more}"))

    def opened(self, answer, lease=None):
        """The handle of a file that was opened, and got this lease."""
        self.test.assertRegex(answer, r"^open \d+")
        handle, *level = answer.split()[1:]
        if lease is not None:
            self.test.assertEqual(level, [lease])
        return int(handle)

    def close(self, handle, file="f"):
        return self.ask(f"close {file} {handle}")


class OnNodes(Undisturbed):
    """Tests whose clients are on three nodes: `at(place)` is a client's node and options."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="ctdb-share-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.cluster = start_cluster(cls.directory.name, cls.addClassCleanup)

    def at(self, place):
        return place, "--setup", self.cluster.nodes[place].setup_socket, "--copies", "2"


class OnDirectory(unittest.TestCase):
    """The same on one directory: no daemons, no messages, the same rules."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-share-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def at(self, _place):
        return 0, "--local", self.directory


class Openers:
    """For tests that are OnNodes or OnDirectory: an Opener at each place and one that watches. Nobody is left behind whom nobody has met."""

    MEETS, MEETS_GETS = "open f n rwd -", None  # everybody who has the file; and the lease that is then given

    def setUp(self):
        super().setUp()
        self.watcher = self.opener(0)
        self.a, self.b, self.c = (self.opener(place) for place in range(3))

    def tearDown(self):
        for opener in (self.a, self.b, self.c):
            opener.kill(self.watcher)
        self.assertEqual(self.watcher.close(self.watcher.opened(self.watcher.ask(self.MEETS), self.MEETS_GETS)), "last")
        self.assertEqual(self.watcher.ask("list f"), "")
        super().tearDown()

    def opener(self, place):
        return Opener(self, *self.at(place))


def at_the_same_time(held):
    """Pairs of what was held at some time together, of tuples that begin with when it began and when it ended."""
    open_ones = []
    for one in sorted(held):
        open_ones = [other for other in open_ones if other[1] >= one[0]]
        yield from zip(open_ones, itertools.repeat(one))
        open_ones.append(one)
