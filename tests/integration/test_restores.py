# SPDX-License-Identifier: GPL-3.0-or-later
"""Persistent databases replaced as a whole, by Debian's `ctdb` tool and by `ctdb-cli`, beside open transactions, writers and daemons that
die: nobody's transaction is on top of what it was not begun on, and every node has all of the old contents or all of the new ones."""
import os
import random
import signal
import subprocess
import tempfile
import time
import unittest

from support import RawClient, SinceHealthy, Undisturbed, run_tool, start_cluster, start_counting, tool_again, wait_until
from transactions import PersistentClient, contents

WAITS_S = 5  # kWaitForLock of ctdb-store/core/rewrite.cc
LARGE_RECORDS = 24  # of 1 MiB: several entries of the log


class RestoresCase(Undisturbed):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="ctdb-restores-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.cluster = start_cluster(cls.directory.name, cls.addClassCleanup, restarts_max=100)

    def tool(self, node, *words):
        return tool_again(self.cluster, node, *words)

    def start(self, node, api, name, count, **options):
        return start_counting(self, "ctdb-transact", node, api, name, "key", count, **options)

    def finish(self, process):
        out, _ = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 0)
        self.assertEqual([line for line in out.splitlines() if line.startswith("-")], [], "refused")
        return out

    def contents(self, node, name):
        return contents(os.path.join(self.cluster.nodes[node].base, "persistent", f"{name}.{node}"))

    def equal_copies(self, name):
        """By number of records."""
        try:
            return len({len(self.contents(node, name)) for node in range(3)}) == 1
        except subprocess.CalledProcessError:
            return False  # killed in a transaction of libtdb: the next writer finishes that

    def backup(self, name):
        file = os.path.join(self.directory.name, name)
        done = self.tool(0, "backupdb", name, file)
        self.assertEqual(done.returncode, 0, done.stderr)
        return file

    def large_backup(self, name):
        with RawClient(self.cluster.nodes[0].classic_socket, timeout=60) as raw:
            client = PersistentClient(raw, name)
            for number in range(LARGE_RECORDS):
                # A recovery may come in between on a busy machine, and nobody know whether it happened.
                wait_until(lambda change=(b"k%d" % number, b"x" * (1 << 20)): client.commit([change]) == (0, ""), "it is committed")
        return self.backup(name)

    def restore(self, file):
        """How long it took, 0: it failed."""
        begun = time.monotonic()
        done = self.cluster.nodes[0].cli("db", "restore", file, timeout=300)
        return time.monotonic() - begun if done.returncode == 0 else 0


class BesideOthersTest(RestoresCase):
    NO_RECOVERIES = True

    def test_an_open_transaction_is_waited_for(self):
        """And when it stays open nothing is changed."""
        name = "open.tdb"
        self.finish(self.start(0, "native", name, 1))
        file = self.backup(name)
        for api in ("native", "classic"):
            for command, left in ((["restoredb", file], 1), (["wipedb", name], 0)):
                with self.subTest(api=api, command=command[0]):
                    self.assertEqual(self.tool(1, "restoredb", file).returncode, 0)
                    open_one = self.start(0, api, name, 1, hold=1)
                    self.assertEqual(open_one.stdout.readline(), "open\n")
                    refused = run_tool(self.cluster.nodes[1], *command)
                    self.assertNotEqual(refused.returncode, 0, refused.stdout)
                    self.assertEqual(self.finish(open_one), "+ 2\n")
                    done = self.tool(1, *command)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertEqual(self.finish(self.start(2, "native", name, 1)), f"+ {left + 1}\n")
                    self.cluster.since_healthy = SinceHealthy(self.cluster)  # the tool asks for a recovery when it is refused

    def is_let_in(self, node, file):
        """A writer that has a transaction open and no processor for it keeps it out, when it has waited for as long as it does."""
        begun = time.monotonic()
        done = self.tool(node, "restoredb", file)
        if done.returncode != 0:
            self.assertGreaterEqual(time.monotonic() - begun, WAITS_S, done.stderr)
        return done.returncode == 0

    def test_writers_beside_it(self):
        """None is refused or lost in the middle: they wait."""
        name = "busy.tdb"
        self.finish(self.start(0, "native", name, 1))
        file = self.backup(name)
        writers = [self.start(node, api, name, 30) for node in range(3) for api in ("native", "classic")]
        for round in range(6):
            wait_until(lambda node=round % 3: self.is_let_in(node, file), "it is restored", 120)
        for writer in writers:
            self.finish(writer)
        wait_until(lambda: self.contents(0, name) == self.contents(1, name) == self.contents(2, name), "equal copies")


class InTheMiddleTest(RestoresCase):
    def test_a_recovery_in_the_middle_makes_ctdb_cli_begin_anew(self):
        name = "again.tdb"
        file = self.large_backup(name)
        took = [wait_until(lambda: self.restore(file), "it is restored", 120)]

        def began_anew():
            """It stands still while the recovery is under way, so that it does not matter which of them is faster on a busy machine."""
            node = self.cluster.nodes[1]
            begun = time.monotonic()
            with subprocess.Popen([self.cluster.program("ctdb-cli"), "--base", node.base, "db", "restore", file],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as restore:
                time.sleep(random.uniform(0.1, 0.9) * took[-1])
                stopped = time.monotonic()
                restore.send_signal(signal.SIGSTOP)
                try:
                    self.tool(2, "recover")
                finally:
                    restore.send_signal(signal.SIGCONT)
                still = time.monotonic() - stopped
                _, told = restore.communicate(timeout=300)
            self.assertEqual(restore.returncode, 0, told)
            took.append(time.monotonic() - begun - still)
            return "; once more (2 of 5)" in told

        wait_until(began_anew, "a recovery comes in between", 300)
        wait_until(lambda: self.equal_copies(name), "equal copies", 60)
        self.assertEqual(len(self.contents(0, name)), LARGE_RECORDS + 1)

    def test_a_store_is_killed_in_the_middle_of_a_large_one(self):
        name = "large.tdb"
        file = self.large_backup(name)
        took = wait_until(lambda: self.restore(file), "it is restored", 120)  # on a busy machine a recovery may come in between
        self.assertEqual(len(self.contents(0, name)), LARGE_RECORDS + 1)  # and the sequence number
        outcomes = []
        for victim in (0, 1, 2, 0, 1, 2):
            wait_until(lambda: self.tool(0, "wipedb", name).returncode == 0, "it is empty", 120)
            node = self.cluster.nodes[(victim + 1) % 3]
            with subprocess.Popen([self.cluster.program("ctdb-cli"), "--base", node.base, "db", "restore", file],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as restore:
                try:
                    restore.wait(random.uniform(0.3, 1.3) * took)
                except subprocess.TimeoutExpired:
                    pass
                self.cluster.nodes[victim].kill_daemon("ctdb-store")
                restore.wait(300)
            self.cluster.wait_healthy()
            wait_until(lambda: self.equal_copies(name), "equal copies", 60)
            outcomes.append(len(self.contents(0, name)))
            self.assertIn(outcomes[-1], (0, LARGE_RECORDS + 1), "half of it")
        print("records after each kill:", outcomes, flush=True)


if __name__ == "__main__":
    unittest.main()
