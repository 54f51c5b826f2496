# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleted records leave the files of all nodes, while daemons are killed and recoveries come, and none comes back. As many as
CTDB_DELETES says (a million takes some minutes)."""
import json
import os
import random
import signal
import struct
import subprocess
import tempfile
import threading
import unittest

from support import BIN, RawClient, Undisturbed, control, start_cluster, wait_until
from transactions import DB_ATTACH_PERSISTENT, contents

SET_RECMODE = 16
ROUNDS = 5
DELETES = int(os.environ.get("CTDB_DELETES", "10000"))
DATABASE = "churn.tdb"
# libtdb keeps some deleted records in each chain for re-use (tunables DatabaseHashSize and DatabaseMaxDead), of this test's size each.
DEAD_ROOM = 100001 * 5 * 128


class Faults:
    """Daemons killed and recoveries asked for, one after the other, as long as it is entered."""

    def __init__(self, cluster, seed):
        self.cluster, self.random = cluster, random.Random(seed)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.count = 0

    def run(self):
        while not self.over.wait(self.random.uniform(0.2, 0.8)):
            node = self.random.choice(self.cluster.nodes)
            what = self.random.choice(("ctdb-store", "ctdb-store", "ctdb-recoveryd", "recover"))
            if what == "recover":
                self.recover(node)
            else:
                node.daemons[what].signal(signal.SIGKILL)
            self.count += 1

    @staticmethod
    def recover(node):
        try:
            with RawClient(node.classic_socket) as client:
                client.send(control(SET_RECMODE, struct.pack("<I", 1), flags=1))  # no reply wanted
        except OSError:
            pass  # its router is being killed

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


class DeletedRecordsTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-deleted-")
        self.addCleanup(directory.cleanup)
        self.cluster = start_cluster(directory.name, self.addCleanup, restarts_max=1000,
                                     options={"database": {"vacuum interval": 1}})

    def begin(self, node, api, what, key, count):
        at = self.cluster.nodes[node]
        where = ["--setup", at.setup_socket] if api == "native" else ["--socket", at.classic_socket]
        return subprocess.Popen([f"{BIN}/ctdb-churn", *where, "--db", DATABASE, "--key", key, "--count", str(count), "--do", what],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self, process):
        """How many records had data before, and how many of these did not say that they may be older."""
        out, err = process.communicate(timeout=3600)
        self.assertEqual(process.returncode, 0, err)
        return [int(number) for number in out.split()]

    def visit(self, node, api, what, key, count):
        return self.end(self.begin(node, api, what, key, count))

    def file(self, node):
        return os.path.join(self.cluster.nodes[node].base, "volatile", f"{DATABASE}.{node}")

    def look(self, node, prefix, count):
        """How many records are back. A deletion may be lost with the files of the node that made it, when its lease ended before its
        store was back; but then the older copy that became the record says so."""
        back, unmarked = self.visit(node, "native", "look", prefix, count)
        self.assertEqual(unmarked, 0, f"{unmarked} of {back} deleted records are back and do not say that they may be older")
        return back

    def nothing_is_left(self, what):
        for node in range(3):
            wait_until(lambda: not contents(self.file(node)), f"{what}: node {node} has forgotten them", 120)

    def sizes(self):
        return [os.path.getsize(self.file(node)) for node in range(3)]

    def churn(self, number, count):
        """Every key is written on two nodes and deleted on the third, all nodes at the same time. How many are back."""
        prefixes = [f"round{number}-{part}-" for part in range(3)]
        apis = ("native", "classic")
        for step, what in enumerate(("write", "write", "delete")):
            running = [self.begin((part + step) % 3, apis[(part + number + step) % 2], what, prefix, count)
                       for part, prefix in enumerate(prefixes)]
            for process in running:
                self.end(process)
        return prefixes

    def test_deleted_records_leave_all_files_and_none_comes_back(self):
        count = max(1, DELETES // (3 * ROUNDS))
        first = None
        faults = deleted = 0
        prefixes = []
        for number in range(ROUNDS):
            with Faults(self.cluster, number) as injected:
                mine = self.churn(number, count)
            self.cluster.wait_healthy()
            prefixes += mine
            faults += injected.count
            deleted += 3 * count
            back = sum(self.look(part, prefix, count) for part, prefix in enumerate(mine))
            for part, prefix in enumerate(mine):
                self.visit(part, "native", "delete", prefix, count)
            self.nothing_is_left(f"round {number}")
            first = first or self.sizes()
            print(f"round {number}: {deleted} deleted, {faults} faults, {back} fell back, files of {self.sizes()} bytes", flush=True)
        for before, after in zip(first, self.sizes()):
            self.assertLessEqual(after, 2 * before + DEAD_ROOM, "the files grow")
        # Nodes die whole, and come back.
        for node in self.cluster.nodes:
            node.kill()
            self.cluster.nodes[(node.index + 1) % 3].start()
            node.start()
            self.cluster.wait_healthy()
        self.assertEqual(sum(self.look(1, prefix, count) for prefix in prefixes[:6]), 0)
        self.nothing_is_left("at the end")


class VacuumNowTest(Undisturbed):
    NO_RECOVERIES = True

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-vacuum-")
        self.addCleanup(directory.cleanup)
        self.cluster = start_cluster(directory.name, self.addCleanup, options={"database": {"vacuum interval": 86400}})

    def cli(self, node, *words, status=0):
        done = self.cluster.nodes[node].cli("-o", "json", *words)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def vacuum(self, node):
        told = json.loads(self.cli(node, "db", "vacuum", DATABASE).stdout)
        return told["removed"], told["left"]

    def test_what_is_deleted_goes_when_it_is_asked_for(self):
        for number in range(6):
            self.cli(number % 3, "record", "put", DATABASE, f"key{number}", "value")
        for number in range(4):
            self.cli((number + 1) % 3, "record", "delete", DATABASE, f"key{number}")
        self.assertEqual(self.vacuum(2), (4, 0))
        self.assertEqual(self.vacuum(0), (0, 0))
        kept = {key for node in range(3) for key in
                contents(os.path.join(self.cluster.nodes[node].base, "volatile", f"{DATABASE}.{node}"))}
        self.assertEqual(kept, {b"key4", b"key5"})

    def test_what_it_cannot_do(self):
        self.assertIn("no database 'none.tdb' is attached", self.cli(0, "db", "vacuum", "none.tdb", status=1).stderr)
        with RawClient(self.cluster.nodes[0].classic_socket) as client:
            self.assertEqual(client.ask(DB_ATTACH_PERSISTENT, b"kept.tdb\0")[0], 0)
        self.assertIn("kept.tdb is not volatile", self.cli(0, "db", "vacuum", "kept.tdb", status=1).stderr)


if __name__ == "__main__":
    unittest.main()
