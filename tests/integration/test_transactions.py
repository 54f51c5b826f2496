# SPDX-License-Identifier: GPL-3.0-or-later
"""Transactions of the C API beside those of classic clients on one persistent database: our test client with the lock of the
ctdb tool's library, Debian's `ctdb` and `net`. All of them exclude each other, and nothing that was acknowledged is lost."""
import os
import random
import re
import struct
import tempfile
import threading
import unittest

from support import NetworkNamespace, Undisturbed, start_cluster, start_counting, tool_again, wait_until
from smbd import Samba
from transactions import SEQUENCE_KEY, contents

NAME = "count.tdb"
APIS = ("native", "events", "classic")


class TransactionsCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="ctdb-transact-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.namespace = NetworkNamespace()
        cls.addClassCleanup(cls.namespace.close)
        cls.cluster = start_cluster(cls.directory.name, cls.addClassCleanup, namespace=cls.namespace)

    def start(self, node, api, key, count, name=NAME, **options):
        """`api`: native, classic, or events: native from an event loop."""
        if api == "events":
            api, options["events"] = "native", 1
        return start_counting(self, "ctdb-transact", node, api, name, key, count, **options)

    def finish(self, process):
        out, _ = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 0)
        refused = [line for line in out.splitlines() if line.startswith("-")]
        self.assertEqual(refused, [], "somebody did not keep to the lock")
        return out

    def tool(self, node, *words):
        return tool_again(self.cluster, node, *words)

    def contents(self, node=0, name=NAME):
        return contents(os.path.join(self.cluster.nodes[node].base, "persistent", f"{name}.{node}"))

    def value(self, key, name=NAME):
        return int(self.contents(name=name).get(key.encode(), b"\0" * 24 + b"0")[24:])

    def sequence(self, name=NAME):
        value = self.contents(name=name).get(SEQUENCE_KEY)
        return struct.unpack("<Q", value[24:])[0] if value else 0


class TogetherTest(TransactionsCase, Undisturbed):
    NO_RECOVERIES = True

    def test_native_and_classic_increments_of_all_nodes(self):
        self.finish(self.start(0, "native", "mixed-first", 1))
        before = self.sequence()
        runs = [self.start(node, api, "mixed", 40) for node in range(3) for api in APIS]
        for run in runs:
            self.finish(run)
        self.assertEqual(self.value("mixed"), 9 * 40)
        self.assertEqual(self.sequence() - before, 9 * 40)
        for node in (1, 2):
            self.assertEqual(self.contents(node), self.contents(0))

    def test_sixteen_native_writers(self):
        runs = [self.start(number % 3, "native", "sixteen", 20) for number in range(16)]
        for run in runs:
            self.finish(run)
        self.assertEqual(self.value("sixteen"), 16 * 20)

    def test_the_ctdb_tool_waits_and_is_waited_for(self):
        self.finish(self.start(0, "native", "tool", 1))
        before = self.sequence()
        counting = [self.start(node, "native", "tool", 60) for node in (0, 1)]
        for number in range(15):
            done = self.tool(number % 3, "pstore", NAME, "theirs", f"value {number}")
            self.assertEqual(done.returncode, 0, done.stderr)
        for run in counting:
            self.finish(run)
        self.assertEqual(self.value("tool"), 121)
        self.assertEqual(self.sequence() - before, 120 + 15)

    def test_nobody_gets_in_while_a_transaction_is_open(self):
        """Whoever did would make the open one a conflict: it is the first of all the same."""
        for api in APIS:
            open_one = self.start(0, api, f"open-{api}", 1, hold=1)
            self.assertEqual(open_one.stdout.readline(), "open\n")
            others = [self.start(1, "native", f"open-{api}", 1), self.start(2, "classic", f"open-{api}", 1),
                      self.start(0, "native", f"open-{api}", 1)]
            self.assertEqual(self.value(f"open-{api}"), 0)
            self.assertEqual(self.finish(open_one), "+ 1\n")
            self.assertEqual(sorted(self.finish(other) for other in others), ["+ 2\n", "+ 3\n", "+ 4\n"])

    def gives_up(self, node, *command):
        """In a second, which on a busy machine may be over before it gets to the transaction."""
        done = node.cli("--timeout", "1", *command)
        self.assertEqual(done.returncode, 3, done.stdout)
        return "transaction is open" in done.stderr

    def test_a_database_is_restored_or_wiped_when_no_transaction_is_open(self):
        """What one was begun on is what it is committed on."""
        self.finish(self.start(0, "native", "restored", 1, name="whole.tdb"))
        file = os.path.join(self.directory.name, "restored")
        node = self.cluster.nodes[1]
        self.assertEqual(node.cli("db", "backup", "whole.tdb", file).returncode, 0)
        for api in APIS:
            for command in (["db", "restore", file], ["db", "wipe", "whole.tdb"]):
                with self.subTest(api=api, command=command):
                    self.assertEqual(node.cli("db", "restore", file).returncode, 0)
                    open_one = self.start(0, api, "restored", 1, name="whole.tdb", hold=1)
                    self.assertEqual(open_one.stdout.readline(), "open\n")
                    wait_until(lambda command=command: self.gives_up(node, *command), "it waits for the transaction")
                    self.assertEqual(self.finish(open_one), "+ 2\n")
                    self.assertEqual(node.cli(*command).returncode, 0)
                    left = 0 if command[1] == "wipe" else 1
                    self.assertEqual(self.finish(self.start(2, "native", "restored", 1, name="whole.tdb")), f"+ {left + 1}\n")

    def test_one_that_dies_with_an_open_transaction_blocks_nobody(self):
        for api in APIS:
            victim = self.start(0, api, f"dead-{api}", 1, hold=1)
            self.assertEqual(victim.stdout.readline(), "open\n")
            waiting = [self.start(node, "native", f"dead-{api}", 1) for node in range(3)]
            victim.kill()
            for run in waiting:
                self.finish(run)
            self.assertEqual(self.value(f"dead-{api}"), 3)

    def test_net_of_samba(self):
        """Its lock has another format in the same record; registry.tdb is the database."""
        sockets = [node.classic_socket for node in self.cluster.nodes]
        samba = Samba(os.path.join(self.directory.name, "samba"), sockets, self.namespace.wrap)
        key = r"HKLM\Software\Counting"
        samba.run(0, "net", "registry", "createkey", key, check=True)
        failed = []

        def set_values(node):
            for number in range(12):
                done = samba.run(node, "net", "registry", "setvalue", key, f"v{node}.{number}", "sz", "x")
                if done.returncode != 0:
                    failed.append(done.stdout + done.stderr)

        counting = [self.start(node, "native", "beside", 40, name="registry.tdb") for node in range(3)]
        setting = [threading.Thread(target=set_values, args=(node,)) for node in range(3)]
        for each in setting:
            each.start()
        for each in setting:
            each.join()
        for run in counting:
            self.finish(run)
        self.assertEqual(failed, [])
        self.assertEqual(self.value("beside", "registry.tdb"), 120)
        out = samba.run(1, "net", "registry", "enumerate", key, check=True).stdout
        names = set(re.findall(r"Valuename\s*= (\S+)", out))
        self.assertEqual(names, {f"v{node}.{number}" for node in range(3) for number in range(12)})


class DeathTest(TransactionsCase):
    """Two acknowledged increments never have the same value, whatever dies: then one of them would be lost."""

    def setUp(self):
        self.lines = []
        self.killed = 0
        self.stop = threading.Event()

    def write(self, node, api, key):
        """Writers, one after the other, until the test is over; each may be killed."""
        while not self.stop.is_set():
            process = self.start(node, api, key, 0)
            self.writers[(node, api)] = process
            reader = threading.Thread(target=lambda: self.lines.extend(process.stdout), daemon=True)
            reader.start()
            while process.poll() is None and not self.stop.is_set():
                self.stop.wait(0.02)
            process.stdin.close()
            process.wait(150)
            reader.join()

    def acknowledged(self):
        return sum(line.startswith("+") for line in list(self.lines))

    def go_on(self, more=25):
        before = self.acknowledged()
        wait_until(lambda: self.acknowledged() > before + more, "writers go on", 90)

    def check(self, key, events):
        self.writers = {}
        threads = [threading.Thread(target=self.write, args=(node, api, key))
                   for node in range(3) for api in APIS]
        for thread in threads:
            thread.start()
        try:
            self.go_on()
            for event in events:
                event()
                self.go_on()
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()
        self.cluster.wait_healthy()
        values = [int(line.split()[1]) for line in self.lines if line.startswith("+")]
        self.assertEqual(len(values), len(set(values)), "an acknowledged increment is lost")
        unknown = sum(line.startswith("?") for line in self.lines)
        wait_until(lambda: self.contents(1) == self.contents(0) == self.contents(2), "equal copies")
        self.assertGreaterEqual(self.value(key), max(values))
        self.assertLessEqual(self.value(key), len(values) + unknown + self.killed)

    def kill_writer(self):
        place = random.choice(list(self.writers))
        self.writers[place].kill()
        self.killed += 1

    def test_writers_are_killed(self):
        self.check("writers", [self.kill_writer] * 20)

    def test_stores_and_nodes_are_killed(self):
        def kill_store(node):
            self.killed += len(APIS)  # a transaction of each writer there may be neither acknowledged nor told as unknown
            self.cluster.nodes[node].kill_daemon("ctdb-store")

        def kill_node(node):
            self.killed += len(APIS)
            self.cluster.nodes[node].kill()
            self.go_on()
            self.cluster.nodes[node].start()
            self.cluster.wait_healthy()

        self.check("nodes", [lambda: kill_store(0), lambda: kill_node(1), lambda: kill_store(2), lambda: kill_node(0)])


if __name__ == "__main__":
    unittest.main()
