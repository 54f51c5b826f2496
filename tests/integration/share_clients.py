# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of tests/clients that use libctdbshare by commands on standard input, and what they say of the time."""
import itertools
import subprocess

from support import BIN, end_client, wait_until


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


def at_the_same_time(held):
    """Pairs of what was held at some time together, of tuples that begin with when it began and when it ended."""
    open_ones = []
    for one in sorted(held):
        open_ones = [other for other in open_ones if other[1] >= one[0]]
        yield from zip(open_ones, itertools.repeat(one))
        open_ones.append(one)
