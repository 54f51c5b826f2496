# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that cannot be told to stop is fenced before others take its records over (ARCHITECTURE §5): by its lease, by
its store, by its keeper, by its native clients themselves."""
import os
import signal
import struct
import time
import unittest

from bystanders import leave_alone, some_nodes
from support import HEADER, Increments, RawClient, Said, Undisturbed, assert_counted, end_client, packet, start_cluster_with_faults, wait_until
from histories import lines_of

PING, DB_ATTACH = 0, 18
NULL_CALL, IMMEDIATE_MIGRATION = 0xFF000001, 1  # a call that only brings the record here


class FencingTest(Increments, Undisturbed):
    DATABASE = "fencing.tdb"

    def setUp(self):
        self.cluster, self.network, _ = start_cluster_with_faults(self, "ctdb-fence-")

    # ---- stories ----

    def test_router_of_a_working_node_dies_twice(self):
        """Its store and its clients work on; nobody may take its records, and nothing acknowledged is lost. On a machine so busy that
        a daemon of any node does not get to run for as long as a lease lasts, that node may be left out, and what it changed last be
        lost: never without such a reason in its log, and never in silence."""
        for api in ("native", "classic"):
            with self.subTest(api=api):
                key, since = f"router-{api}", Said(self.cluster)
                leave_alone(self.cluster, (1, 2))
                runs = [self.start(node, api, key, 20000) for node in (0, 1)]
                wait_until(lambda: self.add(2, "native", key, 0) > 500, "increments begin")
                for _ in range(2):
                    self.cluster.nodes[0].kill_daemon("ctdb-router")
                    time.sleep(0.4)
                for run in runs:
                    self.finish(run)
                assert_counted(self, self.value(key, 2), 40000, since=since, why=["no quorum"])

    def of_node_0(self):
        """What its daemons say from now on."""
        return Said(some_nodes(self.cluster, [0]))

    def stopped_daemon(self, name):
        """A record that node 0 owns; then `name` of node 0 is stopped."""
        victim = self.cluster.nodes[0]
        self.add(0, "native", "owned", 10)
        self.add(0, "classic", "owned", 10)
        leave_alone(self.cluster, (1, 2))
        victim.kill_daemon(name, signal.SIGSTOP)
        try:
            wait_until(lambda: victim.lease_left() <= 0, "its lease ends or is revoked")
            # Others take over. (What only node 0 had is lost with it: the record falls back.)
            taken = self.add(1, "native", "owned")
            after = self.add(2, "classic", "owned", 50)
            self.assertEqual(after, taken + 50)
            # On the stopped node nobody can touch it any more.
            blocked = [self.start(0, api, "owned", 1) for api in ("native", "classic")]
            time.sleep(1)
            self.assertEqual([process.poll() for process in blocked], [None, None])
            self.assertEqual(self.add(1, "native", "owned", 0), after)
        finally:
            victim.kill_daemon(name, signal.SIGCONT)
        for process in blocked:
            self.finish(process)
        self.assertEqual(self.add(1, "native", "owned", 0), after + 2)

    def test_stopped_store(self):
        self.stopped_daemon("ctdb-store")

    def test_stopped_recoveryd(self):
        self.stopped_daemon("ctdb-recoveryd")

    def test_stopped_router(self):
        self.stopped_daemon("ctdb-router")

    def test_keeper_is_replaced(self):
        node = self.cluster.nodes[0]
        old = wait_until(node.keeper_pid, "a keeper on duty")
        self.add(0, "native", "kept", 10)
        node.kill_keeper()
        wait_until(lambda: node.keeper_pid() not in (None, old), "another keeper")
        self.assertEqual(self.add(0, "native", "kept", 10), 20)
        self.assertTrue(node.running())

    def test_store_dies_and_nobody_restarts_it(self):
        """The keeper outlives it, fences when the lease has been revoked, and ends."""
        node = self.cluster.nodes[0]
        keeper = wait_until(node.keeper_pid, "a keeper on duty")
        self.add(0, "classic", "left", 10)
        leave_alone(self.cluster, (1, 2))
        node.daemons["ctdb-store"].end(signal.SIGKILL)
        taken = self.add(1, "native", "left")
        blocked = self.start(0, "classic", "left", 1)
        wait_until(lambda: not self.alive(keeper), "the keeper has done its work")
        self.assertEqual(self.add(2, "native", "left", 10), taken + 10)
        self.assertIsNone(blocked.poll())
        node.daemons["ctdb-store"].start()
        self.finish(blocked)
        self.assertEqual(self.add(1, "native", "left", 0), taken + 11)

    def test_a_file_that_the_keeper_cannot_open_is_told_once(self):
        node = self.cluster.nodes[0]
        wait_until(node.keeper_pid, "a keeper on duty")
        self.add(0, "native", "key", 10)
        obstacle = f"{node.base}/volatile/obstacle.tdb.0"
        os.mkdir(obstacle)
        leave_alone(self.cluster, (1, 2))
        said = self.of_node_0()
        node.kill_daemon("ctdb-store", signal.SIGSTOP)
        try:
            wait_until(lambda: said.lines("ctdb-store", "until it can be opened or is gone"), "the keeper names it")
            self.add(1, "native", "key")  # others take over when the clients of node 0 are out
            # Once the store goes on the node may serve anew, and then there is nothing left for the keeper to do.
            os.rmdir(obstacle)
            wait_until(lambda: said.lines("ctdb-store", "the keeper has taken the records of this node away"), "it is done")
            told = said.lines("ctdb-store", "fencing ")
        finally:
            node.kill_daemon("ctdb-store", signal.SIGCONT)
        self.assertEqual(len(told), 1, told)
        self.cluster.wait_healthy()

    def connection_with_the_store(self, node, key):
        """A classic client that has made a call: the store reads its connection now."""
        client = RawClient(self.cluster.nodes[node].classic_socket)
        self.addCleanup(client.close)
        status, db_id, error = client.ask(DB_ATTACH, self.DATABASE.encode() + b"\0")
        self.assertEqual(status, 0, error)
        client.send(packet(0, struct.pack("<IIIIII", IMMEDIATE_MIGRATION, *struct.unpack("<I", db_id), NULL_CALL, 0,
                                          len(key), 0) + key))
        self.assertEqual(HEADER.unpack_from(client.receive())[4], 1)
        return client

    def test_nobody_is_left_to_fence(self):
        """The store is stopped or dead and so is its keeper: classic clients are cut off before others go on."""
        killed = None
        leave_alone(self.cluster, (1, 2))
        for how in (signal.SIGSTOP, signal.SIGKILL):
            with self.subTest(how=how):
                node, said = self.cluster.nodes[0], self.of_node_0()
                key = f"alone-{how.name}"
                killed = wait_until(lambda: node.keeper_pid() != killed and node.keeper_pid(), "a keeper on duty")
                self.add(0, "classic", key, 10)
                quiet = RawClient(node.classic_socket)
                self.addCleanup(quiet.close)
                busy = self.connection_with_the_store(0, key.encode())
                store = node.daemons["ctdb-store"]
                # First it stands still: it would fence if the lease ended before it is killed.
                node.signal_keeper(signal.SIGSTOP)
                store.end(how) if how == signal.SIGKILL else node.kill_daemon("ctdb-store", how)
                node.kill_keeper()
                taken = self.add(1, "native", key)
                self.assertEqual([quiet.receive(), busy.receive()], [None, None])
                self.assertTrue(said.lines("ctdb-recoveryd", "clients are cut off"))
                store.start() if how == signal.SIGKILL else node.kill_daemon("ctdb-store", signal.SIGCONT)
                self.cluster.wait_healthy()
                self.assertEqual(self.add(0, "classic", key, 10), taken + 10)

    @staticmethod
    def alive(pid):
        try:
            with open(f"/proc/{pid}/stat") as stat:
                return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    def test_isolated_node_stops_before_others_go_on(self):
        """By the clients' own clocks: whoever looks at them may look late."""
        paths = {node: os.path.join(self.cluster.directory, f"history.{node}") for node in (0, 2)}

        def history(node):
            return [[int(word) for word in line.split()] for line in lines_of(paths[node])]

        self.add(2, "native", "shared", 10)
        clients = [self.start(2, "native", "shared", history=paths[2])]
        wait_until(lambda: len(history(2)) > 5, "node 2 works")
        leave_alone(self.cluster, (0, 1))
        self.network.isolate(2)
        clients.append(self.start(0, "native", "shared", history=paths[0]))
        wait_until(lambda: len(history(0)) > 20, "node 0 goes on")
        last_ended = max(ended for _, _, ended in history(2))
        self.assertLess(last_ended, min(begun for _, begun, _ in history(0)))
        for client in clients:
            end_client(client)
        self.network.heal()
        self.cluster.wait_healthy()
        self.assertGreater(self.add(2, "native", "shared"), 0)


class ClientGraceTest(Undisturbed):
    def test_a_node_that_stays_out_sends_its_clients_away(self):
        self.cluster, network, _ = start_cluster_with_faults(self, "ctdb-grace-", options={"cluster": {"client grace": 1}})
        clients = [RawClient(node.classic_socket) for node in self.cluster.nodes]
        for client in clients:
            self.addCleanup(client.close)
        leave_alone(self.cluster, (0, 1))
        network.isolate(2)
        self.assertIsNone(clients[2].receive(), "its connection ends")
        for client in clients[:2]:
            client.ask(PING)
        network.heal()
        self.cluster.wait_healthy()


if __name__ == "__main__":
    unittest.main()
