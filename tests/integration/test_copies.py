# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases with two copies: what a client was told to be kept survives the death of the node that had it."""
import json
import random
import subprocess
import tempfile
import unittest

from support import BIN, Increments, Undisturbed, start_cluster, wait_until

ROUNDS = 6
ENOUGH = 10_000_000  # clients count until they are killed


class CopiesTest(Increments, Undisturbed):
    DATABASE = "copied.tdb"

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-copies-")
        self.addCleanup(directory.cleanup)
        self.cluster = start_cluster(directory.name, self.addCleanup)

    def cli(self, node, *words):
        out = subprocess.run([f"{BIN}/ctdb-cli", "--base", self.cluster.nodes[node].base, "-o", "json", "--timeout", "60", *words],
                             capture_output=True, text=True, check=True).stdout
        return json.loads(out)

    @staticmethod
    def told(process):
        """One line of a client that counts."""
        process.lines = getattr(process, "lines", "") + process.stdout.readline()

    @staticmethod
    def account(process):
        """Ends a client that counts: (acknowledged, unknown)."""
        process.kill()
        told = process.lines + process.stdout.read()
        process.wait()
        return told.count("+"), told.count("?") + 1  # one more may have been under way

    def kill_owner(self, key, seed):
        """Everybody counts; a node dies with its clients, in every second round the one that has the record; the others go on."""
        dice = random.Random(seed)
        clients = {node: self.start(node, "native", key, ENOUGH, copies=2) for node in range(3)}
        for client in clients.values():
            self.told(client)  # it counts
        victim = dice.randrange(3)
        wait_until(lambda: dice.random() < 0.2, "some time")
        told = []
        if seed % 2 == 1:  # the victim has the record for certain
            told += [self.account(clients.pop(node)) for node in list(clients) if node != victim]
            self.add(victim, "native", key, 0)
        self.cluster.nodes[victim].kill()
        told.append(self.account(clients.pop(victim)))
        # The others have the record only when they have gone on without the victim, or it did not have it.
        self.value(key, (victim + 1) % 3)
        told += [self.account(client) for client in clients.values()]
        self.cluster.nodes[victim].start()
        self.cluster.wait_healthy()
        return sum(acknowledged for acknowledged, _ in told), sum(unknown for _, unknown in told)

    def test_increments_while_owners_die(self):
        least = most = 0
        for seed in range(ROUNDS):
            acknowledged, unknown = self.kill_owner("counter", seed)
            least += acknowledged
            most += acknowledged + unknown
            value = self.value("counter", seed % 3)
            self.assertGreaterEqual(value, least, f"round {seed}: acknowledged increments are lost")
            self.assertLessEqual(value, most, f"round {seed}")
            least = value  # what was unknown is known now
            most = value

    def test_one_change_and_a_deletion(self):
        self.cli(1, "db", "attach", self.DATABASE, "--copies", "2")
        for node in (0, 2):
            wait_until(lambda: self.cli(node, "db", "attach", self.DATABASE)["copies"] == 2, "every node has heard of it")
        self.cli(1, "record", "put", self.DATABASE, "changed", "older")
        self.cli(2, "record", "put", self.DATABASE, "deleted", "older")
        self.cli(0, "record", "put", self.DATABASE, "changed", "newest")
        self.cli(0, "record", "delete", self.DATABASE, "deleted")
        self.cluster.nodes[0].kill()
        self.assertEqual(self.cli(1, "record", "get", self.DATABASE, "changed")["value"], "newest")
        self.assertEqual(self.cli(2, "record", "get", self.DATABASE, "changed")["value"], "newest")
        self.assertEqual(self.cli(1, "record", "get", self.DATABASE, "deleted")["value"], "")


class ConfiguredCopiesTest(Undisturbed):
    """[database] copies of ctdb.conf: databases have them from the beginning, whoever attaches them."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-copies-")
        self.addCleanup(directory.cleanup)
        self.cluster = start_cluster(directory.name, self.addCleanup,
                                     options={"database": {"copies": "single.tdb=1 smbXsrv_*.tdb=3 *.tdb=2"}})

    def test_by_name_and_a_change_survives_its_owner(self):
        def cli(node, *words):
            return json.loads(self.cluster.nodes[node].cli("-o", "json", "--timeout", "60", *words, check=True, timeout=120).stdout)

        for name, copies in (("single.tdb", 1), ("smbXsrv_session_global.tdb", 3), ("other.tdb", 2)):
            self.assertEqual(cli(0, "db", "attach", name)["copies"], copies)
            self.assertEqual(cli(1, "db", "attach", name)["copies"], copies)
        cli(0, "record", "put", "other.tdb", "key", "newest")
        self.cluster.nodes[0].kill()
        self.assertEqual(cli(1, "record", "get", "other.tdb", "key")["value"], "newest")


if __name__ == "__main__":
    unittest.main()
