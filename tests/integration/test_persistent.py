# SPDX-License-Identifier: GPL-3.0-or-later
"""Persistent and replicated databases: transactions of classic clients, what survives, and what is refused."""
import json
import os
import shutil
import struct
import tempfile
import threading
import unittest

from support import ClassicCluster, NetworkFaults, NetworkNamespace, RawClient, Said, Undisturbed, run_tool, start_cluster, wait_until
from transactions import (DB_ATTACH_REPLICATED, SEQUENCE_KEY, TRANS3_COMMIT, PersistentClient, contents, rec_buffer,
                          record)


class Transactions(unittest.TestCase):
    NAME = "test.tdb"
    NODES = 3

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="ctdb-persistent-")
        self.addCleanup(self.directory.cleanup)
        self.namespace = NetworkNamespace()
        self.addCleanup(self.namespace.close)
        self.cluster = start_cluster(self.directory.name, self.addCleanup, nodes=self.NODES, namespace=self.namespace)

    def client(self, node, **more):
        raw = RawClient(self.cluster.nodes[node].classic_socket, timeout=60)
        self.addCleanup(raw.close)
        return PersistentClient(raw, self.NAME, **more)

    def file(self, node):
        return os.path.join(self.cluster.nodes[node].base, "persistent", f"{self.NAME}.{node}")

    def commit(self, node, key, data):
        """A recovery may come in between, on a busy machine, and nobody know whether it happened: then once more."""
        client = self.client(node)
        for _ in range(3):
            since = Said(self.cluster)
            answer = client.commit([(key, data)])
            if answer == (0, "") or not since.recoveries():
                break
        self.assertEqual(answer, (0, ""))

    def value(self, node, key):
        return contents(self.file(node)).get(key, b"")[24:]

    def assert_equal_copies(self, nodes=None):
        nodes = range(self.NODES) if nodes is None else nodes
        copies = [contents(self.file(node)) for node in nodes]
        for copy in copies[1:]:
            self.assertEqual(copy, copies[0])
        return copies[0]

    def copies_become_equal(self):
        def copy():
            copies = [contents(self.file(node)) for node in range(self.NODES)]
            return copies[0] if all(other == copies[0] for other in copies) else None
        return wait_until(copy, "all nodes have the same contents")

    def stop_nodes(self, *nodes):
        for node in nodes:
            self.cluster.nodes[node].stop()

    def members(self, node):
        """Of the generation that is open there; None: there is none."""
        told = json.loads(self.cluster.nodes[node].cli("-o", "json", "status").stdout)
        return told["generation"] and told["members"]

    def start_nodes(self, *nodes):
        for node in nodes:
            self.cluster.nodes[node].start()


class CommitTest(Transactions, Undisturbed):
    NO_RECOVERIES = True

    def test_a_commit_is_on_every_node_when_it_is_answered(self):
        for number in range(20):
            self.commit(number % 3, b"key", b"value %d" % number)
            for node in range(3):
                self.assertEqual(self.value(node, b"key"), b"value %d" % number)
        copy = self.assert_equal_copies()
        self.assertEqual(struct.unpack("<Q", copy[SEQUENCE_KEY][24:]), (20,))

    def test_a_deletion_and_many_records_in_one_transaction(self):
        client = self.client(1)
        self.assertEqual(client.commit([(b"k%d" % i, b"x" * i) for i in range(1, 200)]), (0, ""))
        self.assertEqual(client.commit([(b"k%d" % i, b"") for i in range(1, 100)]), (0, ""))
        self.assertEqual(len(self.assert_equal_copies()), 101)

    def test_what_is_stale_or_malformed_is_refused_and_nothing_of_it_kept(self):
        client = self.client(0)
        self.assertEqual(client.commit([(b"key", b"old")]), (0, ""))
        before = self.assert_equal_copies()
        status, error = client.commit([(b"key", b"new")], sequence=0)
        self.assertEqual(status, -1)
        self.assertIn("has changed since it was read", error)
        # The same rsn and data of the sequence record, but another transaction was first.
        status, error = client.commit_buffer(rec_buffer(client.db_id, [
            record(b"other", b"new", 1), record(SEQUENCE_KEY, struct.pack("<Q", 1), 1)]))
        self.assertEqual(status, -1)
        self.assertIn("another transaction was committed meanwhile", error)
        good = rec_buffer(client.db_id, [record(b"key", b"new", 7)])
        wrong = {
            "no database": b"", "half an id": good[:6], "unknown database": struct.pack("<I", 1) + good[4:],
            "more records than there are": struct.pack("<II", client.db_id, 2) + good[8:],
            "fewer": struct.pack("<II", client.db_id, 0) + good[8:],
            "a count that lies": struct.pack("<II", client.db_id, 0xFFFFFFFF) + good[8:],
            "cut off": good[:-1], "a key longer than all": good[:16] + struct.pack("<I", 0xFFFFFFF0) + good[20:],
            "no record header": rec_buffer(client.db_id, [struct.pack("<IIII", 20, 0, 3, 1) + b"key" + b"v"]),
        }
        for what, buffer in wrong.items():
            status, error = client.commit_buffer(buffer)
            self.assertEqual(status, -1, what)
            self.assertNotEqual(error, "", what)
        self.assertEqual(self.assert_equal_copies(), before)
        self.commit(2, b"key", b"afterwards")

    def test_keys_of_no_byte_and_of_64_kib(self):
        client = self.client(0)
        self.assertEqual(client.commit([(b"", b"empty key"), (b"k" * 65536, b"long key")]), (0, ""))
        self.assertEqual(len(self.assert_equal_copies()), 3)
        self.assertEqual(client.commit([(b"k" * 65537, b"too long")])[0], -1)

    def test_writers_of_many_databases_at_once(self):
        failed = []

        def write(number):
            raw = RawClient(self.cluster.nodes[number % 3].classic_socket, timeout=120)
            client = PersistentClient(raw, f"many{number}.tdb")
            for i in range(25):
                answer = client.commit([(b"key", b"%d" % i)])
                if answer != (0, ""):
                    failed.append(answer)
            raw.close()

        writers = [threading.Thread(target=write, args=(number,)) for number in range(12)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        self.assertEqual(failed, [])
        for number in range(12):
            copies = [contents(os.path.join(self.cluster.nodes[node].base, "persistent", f"many{number}.tdb.{node}"))
                      for node in range(3)]
            self.assertEqual(copies[0][b"key"][24:], b"24")
            self.assertEqual(copies[1:], copies[:1] * 2)


class CapabilitiesTest(Transactions, Undisturbed):
    def test_a_node_that_may_be_no_location_master_takes_part(self):
        node = self.cluster.nodes[2]
        node.stop()
        with open(os.path.join(node.base, "ctdb.conf"), "a") as conf:
            conf.write("\n[legacy]\nlmaster capability = false\n")
        node.start()
        self.cluster.wait_healthy()
        self.assertIn("LMASTER: NO", run_tool(node, "getcapabilities").stdout)
        for number in range(3):
            self.commit(number, b"key", b"of node %d" % number)
            self.assertEqual(self.assert_equal_copies()[SEQUENCE_KEY][24:], struct.pack("<Q", number + 1))


class DeathTest(Transactions):
    def test_stores_are_killed_while_transactions_are_committed(self):
        """Every acknowledged transaction is there, one that was not is there as a whole or not at all."""
        stop = threading.Event()
        acknowledged = {node: -1 for node in range(3)}

        def write(node):
            name, number = f"w{node}.tdb", 0
            while not stop.is_set():
                try:
                    raw = RawClient(self.cluster.nodes[node].classic_socket, timeout=60)
                    client = PersistentClient(raw, name)
                    while not stop.is_set():
                        status, _ = client.commit([(b"a", b"%d" % number), (b"b", b"%d" % number)])
                        if status == 0:
                            acknowledged[node] = number
                        number += 1
                except (OSError, ConnectionError, AssertionError):
                    stop.wait(0.05)

        writers = [threading.Thread(target=write, args=(node,)) for node in range(3)]
        for writer in writers:
            writer.start()
        for victim in (0, 1, 2, 0, 2, 1):
            before = dict(acknowledged)
            self.cluster.nodes[victim].kill_daemon("ctdb-store")
            wait_until(lambda: all(acknowledged[node] > before[node] + 3 for node in range(3)), "writers go on", 60)
        stop.set()
        for writer in writers:
            writer.join()
        self.cluster.wait_healthy()
        for node in range(3):
            paths = [os.path.join(at.base, "persistent", f"w{node}.tdb.{at.index}") for at in self.cluster.nodes]
            wait_until(lambda: contents(paths[0]) == contents(paths[1]) == contents(paths[2]), "equal copies")
            copy = contents(paths[0])
            self.assertEqual(copy[b"a"], copy[b"b"])
            self.assertGreaterEqual(int(copy[b"a"][24:]), acknowledged[node])

    def test_a_lone_node_refuses_and_the_majoritys_commits_survive(self):
        """The classic daemon lost three of three such commits."""
        self.commit(0, b"key", b"by all")
        client = self.client(2)
        self.stop_nodes(0, 1)
        wait_until(lambda: "takes no part in the cluster" in client.commit([(b"key", b"alone")])[1], "it refuses", 60)
        self.stop_nodes(2)
        self.start_nodes(0, 1)
        wait_until(lambda: self.try_commit(0, b"key", b"by two"), "two nodes of three commit", 60)
        self.stop_nodes(0, 1)
        self.start_nodes(2, 0, 1)
        self.cluster.wait_healthy()
        copy = self.copies_become_equal()
        self.assertEqual(copy[b"key"][24:], b"by two")

    def try_commit(self, node, key, data):
        try:
            return self.client(node).commit([(key, data)])[0] == 0
        except (OSError, AssertionError):
            return False

    def test_an_isolated_node_refuses_and_catches_up(self):
        network = NetworkFaults(self.namespace)
        lone = self.client(2)
        self.commit(0, b"key", b"first")
        network.isolate(2)
        wait_until(lambda: lone.commit([(b"key", b"alone")])[0] == -1, "the isolated node refuses", 60)
        for number in range(10):
            wait_until(lambda: self.try_commit(number % 2, b"key", b"%d" % number), "the others commit", 60)
        self.assertNotEqual(self.value(2, b"key"), b"9")
        network.heal()
        self.cluster.wait_healthy()
        self.assertEqual(self.copies_become_equal()[b"key"][24:], b"9")

    def test_all_nodes_are_killed_at_once(self):
        for number in range(5):
            self.commit(number % 3, b"key", b"%d" % number)
            for node in self.cluster.nodes:
                node.kill()
            self.start_nodes(0, 1, 2)
            self.cluster.wait_healthy()
            self.assertEqual(self.copies_become_equal()[b"key"][24:], b"%d" % number)


class FilesTest(Transactions, Undisturbed):
    def test_a_damaged_file_is_kept_and_made_again(self):
        client = self.client(0)
        self.assertEqual(client.commit([(b"k%d" % i, b"value" * 20) for i in range(500)]), (0, ""))
        before = self.assert_equal_copies()
        for what in ("truncated", "flipped", "another program's", "empty"):
            with self.subTest(what):
                self.stop_nodes(1)
                self.damage(self.file(1), what)
                self.start_nodes(1)
                self.cluster.wait_healthy()
                self.assertEqual(self.copies_become_equal(), before)
        kept = [name for name in os.listdir(os.path.dirname(self.file(1))) if ".corrupted." in name]
        self.assertGreaterEqual(len(kept), 3)

    def test_file_and_copy_are_damaged_and_the_others_have_it(self):
        self.commit(0, b"key", b"value")
        before = self.assert_equal_copies()
        self.stop_nodes(1)
        for path in (self.file(1), self.file(1) + ".committed"):
            self.damage(path, "truncated")
        self.start_nodes(1)
        self.cluster.wait_healthy()
        self.assertEqual(self.copies_become_equal(), before)

    def test_the_log_of_commits_is_damaged(self):
        for number in range(10):
            self.commit(0, b"key%d" % number, b"value")
        before = self.assert_equal_copies()
        log = os.path.join(self.cluster.nodes[1].base, "persistent", "commits.log")
        for what in ("flipped", "truncated", "another program's"):
            with self.subTest(what):
                self.stop_nodes(1)
                self.damage(log, what)
                self.start_nodes(1)
                self.cluster.wait_healthy()
                self.assertEqual(self.copies_become_equal(), before)
        self.commit(1, b"key", b"afterwards")
        self.copies_become_equal()

    @staticmethod
    def damage(path, what):
        size = os.path.getsize(path)
        with open(path, "r+b") as file:
            if what == "truncated":
                file.truncate(size // 2 + 7)
            elif what == "flipped":
                for at in range(20, size, 97):
                    file.seek(at)
                    byte = file.read(1)[0]
                    file.seek(at)
                    file.write(bytes([byte ^ 0x55]))
            elif what == "another program's":
                file.write(b"%PDF-1.4 not a database at all" * 10)
            else:
                file.truncate(0)

    def test_a_node_with_a_new_disk(self):
        for number in range(10):
            self.commit(0, b"key%d" % number, b"value")
        before = self.assert_equal_copies()
        self.stop_nodes(2)
        for folder in ("persistent", "state"):
            where = os.path.join(self.cluster.nodes[2].base, folder)
            for name in os.listdir(where):
                os.unlink(os.path.join(where, name))
        self.start_nodes(2)
        self.cluster.wait_healthy()
        self.assertEqual(self.copies_become_equal(), before)

    def test_the_log_begins_anew_when_it_has_grown(self):
        client = self.client(0)
        big = os.urandom(1 << 20)
        for number in range(40):
            self.assertEqual(client.commit([(b"big%d" % (number % 3), big + b"%d" % number)]), (0, ""))
        log = os.path.join(self.cluster.nodes[0].base, "persistent", "commits.log")
        wait_until(lambda: os.path.getsize(log) < 24 << 20, "the log was begun anew")
        for node in self.cluster.nodes:
            node.kill()
        self.start_nodes(0, 1, 2)
        self.cluster.wait_healthy()
        copy = self.copies_become_equal()
        self.assertEqual(copy[b"big0"][24:], big + b"39")

    def test_a_node_that_was_away_while_the_log_began_anew(self):
        client = self.client(0)
        self.commit(0, b"key", b"before")
        self.stop_nodes(2)
        # Whether the recovery comes before the first of them or ends it is a matter of the machine.
        wait_until(lambda: client.commit([(b"key", b"without it")]) == (0, "") and self.members(0) == 2, "the others go on")
        big = os.urandom(1 << 20)
        for number in range(40):
            self.assertEqual(client.commit([(b"big%d" % (number % 3), big + b"%d" % number)]), (0, ""))
        self.start_nodes(2)
        self.cluster.wait_healthy()
        self.assertEqual(self.copies_become_equal()[b"big0"][24:], big + b"39")


class TakeOverTest(Transactions, Undisturbed):
    NAME = "taken.tdb"

    def test_files_of_a_classic_installation_are_taken_over_where_they_are(self):
        classic = ClassicCluster(os.path.join(self.directory.name, "classic"))
        self.addCleanup(classic.stop)
        classic.start()
        for command in (("attach", self.NAME, "persistent"), ("pstore", self.NAME, "key", "theirs"),
                        ("pstore", self.NAME, "other", "more")):
            self.assertEqual(classic.tool(0, *command).returncode, 0, command)
        classic.stop()
        self.stop_nodes(0, 1, 2)
        for node in range(3):
            shutil.copy(os.path.join(classic.base(node), "db", "persistent", f"{self.NAME}.{node}"), self.file(node))
        self.start_nodes(0, 1, 2)
        self.cluster.wait_healthy()
        self.assertEqual(self.value(2, b"key"), b"theirs")
        client = self.client(1)
        self.assertEqual(client.sequence(), 2)
        self.assertEqual(client.commit([(b"key", b"ours")]), (0, ""))
        copy = self.copies_become_equal()
        self.assertEqual((copy[b"key"][24:], copy[b"other"][24:]), (b"ours", b"more"))


class ReplicatedTest(Transactions, Undisturbed):
    def test_replicated_databases_are_on_every_node_and_survive_a_restart_of_one(self):
        client = self.client(0, opcode=DB_ATTACH_REPLICATED)
        paths = [self.client(node, opcode=DB_ATTACH_REPLICATED).path() for node in range(3)]
        self.assertEqual(client.commit([(b"key", b"value")]), (0, ""))
        for path in paths:
            self.assertEqual(contents(path)[b"key"][24:], b"value")
        self.stop_nodes(0)
        self.start_nodes(0)
        self.cluster.wait_healthy()
        wait_until(lambda: os.path.exists(paths[0]) and contents(paths[0]) == contents(paths[1]), "node 0 has it again")
        self.assertEqual(contents(paths[0])[b"key"][24:], b"value")

    def test_kinds_do_not_mix(self):
        self.client(0)
        raw = RawClient(self.cluster.nodes[1].classic_socket)
        self.addCleanup(raw.close)
        self.assertEqual(raw.ask(DB_ATTACH_REPLICATED, self.NAME.encode() + b"\0")[0], -1)
        status, data, _ = raw.ask(18, self.NAME.encode() + b"\0")  # asked for as volatile: finds what is there
        self.assertEqual(status, 0)
        volatile = raw.ask(18, b"volatile.tdb\0")[1]
        self.assertEqual(raw.ask(61, b"volatile.tdb\0")[0], -1)
        self.assertEqual(raw.ask(TRANS3_COMMIT, rec_buffer(struct.unpack("<I", volatile)[0], []))[0], -1)
        self.assertEqual(raw.ask(139, data)[0], -1)  # detach


if __name__ == "__main__":
    unittest.main()
