# SPDX-License-Identifier: GPL-3.0-or-later
"""`[database] record limit`: what is larger is refused with a reason by whoever would write it, and nothing of it is written."""
import json
import os
import tempfile
import unittest

from support import RawClient, Undisturbed, run_tool, start_cluster, wait_until
from transactions import PersistentClient, contents

LIMIT = 8192
TOO_BIG = "[database] record limit"


class RecordSizesTest(Undisturbed):
    NO_RECOVERIES = True

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="ctdb-sizes-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.cluster = start_cluster(cls.directory.name, cls.addClassCleanup,
                                    options={"database": {"record limit": "free*=1M 8K"}})

    def cli(self, node, *words, status=0):
        done = self.cluster.nodes[node].cli(*words)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def value(self, node, name, key):
        return json.loads(self.cli(node, "-o", "json", "record", "get", name, key))["value"]

    def refusals(self):
        """Of all stores."""
        total = 0
        for node in self.cluster.nodes:
            total += json.loads(node.cli("-o", "json", "stats").stdout)["counters"]["store_records_too_large"]
        return total

    def test_native_programs(self):
        self.cli(0, "record", "put", "sizes.tdb", "k", "x" * LIMIT)
        refused = self.cli(1, "record", "put", "sizes.tdb", "k", "y" * (LIMIT + 1), status=1)
        self.assertIn(f"record k would have {LIMIT + 1} bytes, and sizes.tdb may have {LIMIT} in one", refused)
        self.assertEqual(self.value(2, "sizes.tdb", "k"), "x" * LIMIT)
        self.cli(0, "record", "put", "free.tdb", "k", "x" * (LIMIT + 1))

    def test_functions_where_the_record_is(self):
        self.cli(0, "record", "put", "functions.tdb", "k", "x" * (LIMIT - 1))
        self.assertIn(str(LIMIT), self.cli(1, "record", "append", "functions.tdb", "k", "y"))
        before = self.refusals()
        self.assertIn(TOO_BIG, self.cli(2, "record", "append", "functions.tdb", "k", "z", status=1))
        self.assertIn(TOO_BIG, self.cli(2, "record", "swap", "functions.tdb", "k", "x" * (LIMIT - 1) + "y", "z" * (LIMIT + 1), status=1))
        wait_until(lambda: self.refusals() >= before + 2, "both are counted")
        self.assertEqual(self.value(2, "functions.tdb", "k"), "x" * (LIMIT - 1) + "y")

    def test_transactions_of_classic_clients(self):
        raw = RawClient(self.cluster.nodes[1].classic_socket, timeout=60)
        self.addCleanup(raw.close)
        client = PersistentClient(raw, "sizes-pers.tdb")
        self.assertEqual(client.commit([(b"k", b"x" * LIMIT), (b"other", b"1")]), (0, ""))
        before = self.refusals()
        status, error = client.commit([(b"other", b"2"), (b"k", b"y" * (LIMIT + 1))])
        self.assertEqual((status, error),
                         (-1, f"record k would have {LIMIT + 1} bytes, and sizes-pers.tdb may have {LIMIT} in one ({TOO_BIG})"))
        wait_until(lambda: self.refusals() > before, "it is counted")
        for node in range(3):
            file = os.path.join(self.cluster.nodes[node].base, "persistent", f"sizes-pers.tdb.{node}")
            self.assertEqual({key: value[24:] for key, value in contents(file).items() if key in (b"k", b"other")},
                             {b"k": b"x" * LIMIT, b"other": b"1"})
        self.assertEqual(client.commit([(b"k", b"small")]), (0, ""))

    def test_what_classic_clients_write_is_told(self):
        """Into the file by themselves (Debian's tool does). It is refused nowhere and not lost, but named and counted."""
        node = self.cluster.nodes[0]
        self.assertEqual(run_tool(node, "attach", "classic.tdb").returncode, 0)
        self.assertEqual(run_tool(node, "writekey", "classic.tdb", "large", "x" * (LIMIT + 1)).returncode, 0)
        for reader in (1, 0, 2):
            self.assertEqual(self.value(reader, "classic.tdb", "large"), "x" * (LIMIT + 1))

        def found():
            return json.loads(self.cli(0, "-o", "json", "stats"))["counters"]["store_records_over_limit"]
        wait_until(lambda: found() == 1, "it is counted once")
        with open(node.log_path("ctdb-store"), errors="replace") as log:
            told = [line for line in log if "classic.tdb: record large has" in line]
        self.assertEqual(len(told), 1, told)
        self.assertIn(TOO_BIG, told[0])

    def test_restores(self):
        """Of a backup of a database that may have more."""
        for kind, put in (("volatile", "writekey"), ("persistent", "pstore")):
            with self.subTest(kind):
                name, file = f"free-{kind}.tdb", os.path.join(self.directory.name, kind)
                attached = [] if kind == "volatile" else [kind]
                for database in (name, f"sizes-{kind}.tdb"):
                    self.assertEqual(run_tool(self.cluster.nodes[0], "attach", database, *attached).returncode, 0)
                    self.assertEqual(run_tool(self.cluster.nodes[0], put, database, "k", "there").returncode, 0)
                self.assertEqual(run_tool(self.cluster.nodes[0], put, name, "k", "x" * (LIMIT + 1)).returncode, 0)
                self.cli(0, "db", "backup", name, file)
                self.cli(1, "db", "restore", file)
                self.assertIn(TOO_BIG, self.cli(1, "db", "restore", file, f"sizes-{kind}.tdb", status=1))
                rows = json.loads(self.cli(2, "-o", "json", "db", "dump", f"sizes-{kind}.tdb"))["records"]
                self.assertEqual([row["value"] for row in rows if row["key"] == "k"], ["there"])


if __name__ == "__main__":
    unittest.main()
