# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python module, as its users have it: on two nodes, and on a local directory."""
import os
import re
import select
import struct
import tempfile
import unittest

from native import ctdbipc
from support import BIN, ROOT, Undisturbed, start_cluster

SERVICE = 0x6400000000000001
HEADER = os.path.join(ROOT, "libctdbipc", "include", "ctdb.h")


def header():
    with open(HEADER) as text:
        return text.read()


class HeaderTest(unittest.TestCase):
    def test_errors_are_those_of_the_header(self):
        named = re.findall(r"\bCTDB_ERR_(\w+) =\s+(-\d+)", header())
        self.assertEqual({name: int(number) for name, number in named}, ctdbipc.ERRORS)

    def test_groups_of_nodes_are_those_of_the_header(self):
        named = dict(re.findall(r"#define CTDB_PNN_(\w+) (0x\w+)u", header()))
        self.assertEqual([int(named[name], 16) for name in ("CURRENT", "ALL", "ACTIVE", "CONNECTED")],
                         [ctdbipc.THIS_NODE, ctdbipc.ALL_NODES, ctdbipc.ACTIVE_NODES, ctdbipc.CONNECTED_NODES])


class Common:
    """What works on nodes and in a local directory; self.client() connects."""

    def assert_error(self, name, function, *arguments, **options):
        with self.assertRaises(ctdbipc.Error) as caught:
            function(*arguments, **options)
        self.assertEqual(caught.exception.code, ctdbipc.ERRORS[name], caught.exception)

    def test_records(self):
        with self.client() as client:
            db = client.attach("records.tdb")
            self.assertEqual(db.read("nothing"), b"")
            with db.lock("key") as record:
                self.assertEqual((record.data, record.may_be_older), (b"", False))
                record.store("välue")
            self.assertEqual(db.read(b"key"), "välue".encode())
            with self.assertRaises(ZeroDivisionError), db.lock("key"):
                _ = 1 / 0
            with db.lock("key") as record:
                record.delete()
            self.assertEqual(db.read("key"), b"")
            self.assert_error("INVALID", record.store, "too late")
            db.detach()
            self.assert_error("INVALID", db.read, "key")

    def test_functions(self):
        with self.client() as client:
            db = client.attach("functions.tdb")
            self.assertEqual((db.add("counter", 5), db.add("counter", -2)), (5, 3))
            self.assertEqual(db.read("counter"), struct.pack("<q", 3))
            self.assertIsNone(db.compare_and_swap("text", "", "one"))
            self.assertEqual(db.compare_and_swap("text", "other", "two"), b"one")
            self.assertEqual(db.append("text", " more or less"), 16)
            self.assert_error("NO_COUNTER", db.add, "text")

    def test_transactions(self):
        with self.client() as client:
            db = client.attach("kept.tdb", persistent=True)
            with db.transaction() as transaction:
                transaction.store("one", "1")
                transaction.store("two", "2")
                transaction.delete("two")
                self.assertEqual((transaction.read("one"), db.read("one")), (b"1", b""))
            self.assertEqual((db.read("one"), db.read("two")), (b"1", b""))
            with self.assertRaises(ZeroDivisionError), db.transaction() as transaction:
                transaction.store("one", "another")
                _ = 1 / 0
            self.assertEqual(db.read("one"), b"1")
            self.assert_error("INVALID", transaction.read, "one")

    def test_what_is_closed(self):
        client = self.client()
        db = client.attach("records.tdb")
        client.close()
        client.close()
        self.assert_error("INVALID", db.read, "key")
        self.assert_error("INVALID", client.attach, "records.tdb")


class LocalTest(Common, unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-python-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def client(self):
        return ctdbipc.Client.local(self.directory)


class NodesTest(Common, Undisturbed):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-python-")
        cls.addClassCleanup(directory.cleanup)
        cls.cluster = start_cluster(directory.name, cls.addClassCleanup, nodes=2)

    def client(self, node=0):
        return ctdbipc.Client(self.cluster.nodes[node].setup_socket)

    def cli(self, *words):
        return ctdbipc.cli(*words, base=self.cluster.nodes[0].base, program=f"{BIN}/ctdb-cli")

    def test_nobody_there(self):
        with self.assertRaisesRegex(ctdbipc.Error, "/nowhere.*No such file") as caught:
            ctdbipc.Client("/nowhere")
        self.assertEqual(caught.exception.code, ctdbipc.ERRORS["SYSTEM"])

    def test_a_record_moves(self):
        with self.client(0) as first, self.client(1) as second:
            self.assertEqual((first.pnn, second.pnn), (0, 1))
            with first.attach("moving.tdb").lock("key") as record:
                record.store("from the first")
            self.assertEqual(second.attach("moving.tdb").read("key"), b"from the first")

    def test_messages(self):
        with self.client(0) as first, self.client(1) as second:
            got = []
            second.register(SERVICE, got.append)
            first.send(1, SERVICE, "hello")
            while not got:
                select.select([second], [], [])
                second.service()
            self.assertEqual(got, [b"hello"])
            second.deregister(SERVICE)

    def test_what_is_counted(self):
        with self.client() as client:
            client.send(ctdbipc.THIS_NODE, SERVICE, "to nobody")
            client.flush()
            self.assertEqual(client.stats()["messages_out"], 1)

    def test_what_a_handler_raises(self):
        with self.client() as client:
            client.register(SERVICE, lambda data: int(data))
            client.send(ctdbipc.THIS_NODE, SERVICE, "no number")
            with self.assertRaises(ValueError):
                while True:
                    client.wait()

    def test_controls(self):
        with self.client() as client:
            client.ping()
            client.ping(1)
            self.assertEqual(client.control(1, 35)[0], 1)  # GET_PNN
            self.assert_error("REMOTE", client.ping, 7)

    def test_cli(self):
        self.assertTrue(self.cli("status")["healthy"])
        self.assertEqual(self.cli("record", "put", "cli.tdb", "key", "value")["value"], "value")
        with self.assertRaisesRegex(ctdbipc.CliError, "nosuch.tdb") as caught:
            self.cli("db", "dump", "nosuch.tdb")
        self.assertEqual((caught.exception.exit, caught.exception.answer["command"]), (1, "db dump"))


if __name__ == "__main__":
    unittest.main()
