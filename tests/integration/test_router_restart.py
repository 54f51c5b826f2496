# SPDX-License-Identifier: GPL-3.0-or-later
"""A router that is killed or restarted keeps its classic clients: their connections, what they have registered, and their calls."""
import os
import signal
import socket
import struct
import tempfile
import threading
import unittest

from bystanders import RoutersReplaced
from support import HEADER, Increments, RawClient, Undisturbed, assert_counted, control, packet, run_tool, start_cluster, wait_until

PING, DB_ATTACH, REGISTER_SRVID, DUMP_MEMORY, GET_PNN, CHECK_PID_SRVID = 3, 18, 23, 29, 35, 151
SRVID = 0x5000000000000001
CALL, REPLY_CALL, MESSAGE = 0, 1, 5
LARGE = 3 << 20


def message(srvid, data):
    return packet(MESSAGE, struct.pack("<QI", srvid, len(data)) + data, destnode=0)


def connections(pid):
    """The sockets of a process, as the kernel numbers them."""
    found = set()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


class RouterRestartTest(Increments, Undisturbed):
    DATABASE = "router.tdb"

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-router-restart-")
        self.addCleanup(directory.cleanup)
        self.cluster = start_cluster(directory.name, self.addCleanup)
        self.cluster.since_healthy = RoutersReplaced(self.cluster)
        self.node = self.cluster.nodes[0]
        self.router = self.node.daemons["ctdb-router"]

    def client(self):
        client = RawClient(self.node.classic_socket)
        self.addCleanup(client.close)
        return client

    def let_it_finish(self):
        """Who has an answer may be quicker than the router, which is not done with it before its turn ends: a turn later all others are."""
        with RawClient(self.node.classic_socket) as client:
            self.assertEqual(client.ask(GET_PNN)[0], 0)

    def replace(self, number):
        self.let_it_finish()
        old = self.router.pid
        if number == signal.SIGTERM:  # the supervisor starts no router again that ended in good order
            self.router.end(number)
            self.router.wait_ended()
            self.router.start()
        else:
            self.router.signal(number)
        wait_until(lambda: self.router.pid not in (None, old) and self.listens(), "another router is there")

    def listens(self):
        try:
            RawClient(self.node.classic_socket).close()
            return True
        except OSError:
            return False

    def receive_message(self, client, srvid):
        while True:
            got = client.receive()
            self.assertIsNotNone(got, "the connection has ended")
            if HEADER.unpack_from(got)[4] == MESSAGE and struct.unpack_from("<Q", got, 32)[0] == srvid:
                return got[44:44 + struct.unpack_from("<I", got, 40)[0]]

    def test_quiet_clients_notice_nothing(self):
        clients = [self.client() for _ in range(20)]
        for number, client in enumerate(clients):
            self.assertEqual(client.ask(REGISTER_SRVID, srvid=SRVID + number)[0], 0)
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            self.replace(number)
            for client in clients:
                self.assertEqual(client.ask(GET_PNN)[0], 0)
            sender = self.client()
            for at, client in enumerate(clients):
                sender.send(message(SRVID + at, b"here"))
                self.assertEqual(self.receive_message(client, SRVID + at), b"here")
        self.cluster.wait_healthy()

    def at_the_store(self):
        """A client whose connection the store has: it has asked for a record."""
        client = self.client()
        database = client.ask(DB_ATTACH, self.DATABASE.encode() + b"\0")[1]
        client.send(packet(CALL, database + struct.pack("<5I", 0, 0, 0, 1, 0) + b"k"))
        self.assertEqual(HEADER.unpack_from(client.receive())[4], REPLY_CALL)
        return client

    def listening(self, client, srvid):
        self.assertEqual(client.ask(REGISTER_SRVID, srvid=srvid)[0], 0)
        return client, srvid

    def replaced_in_the_middle(self, number, senders, readers):
        """Each of `senders` has sent a part of its packet, each of `readers` has got a part of one, when the router goes:
        nobody notices."""
        begun, other = [], self.client()
        for client, whole in senders:
            sent = 20 if len(whole) < LARGE else LARGE // 2
            client.send(whole[:sent])
            begun.append((client, whole[sent:]))
        for _, srvid in readers:
            other.send(message(srvid, b"large" * (LARGE // 5)))
        for client, _ in readers:
            client.socket.recv(1, socket.MSG_PEEK)
        self.replace(number)
        for client, rest in begun:
            client.send(rest)
            self.assertIsNotNone(client.receive(), f"{len(rest)} bytes were missing")
        for client, srvid in readers:
            self.assertTrue(self.receive_message(client, srvid) == b"large" * (LARGE // 5))

    def test_packets_that_are_under_way_are_not_cut(self):
        asks = control(GET_PNN)
        near, far = [self.client() for _ in range(100)], [self.at_the_store() for _ in range(10)]
        large, large_far = self.listening(self.client(), SRVID), self.listening(self.at_the_store(), SRVID + 1)
        readers = [self.listening(self.client(), SRVID + 2), self.listening(self.at_the_store(), SRVID + 3)]
        senders = [(client, asks) for client in near + far]
        senders += [(client, message(srvid, b"x" * LARGE)) for client, srvid in (large, large_far)]
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            self.replaced_in_the_middle(number, senders, readers)
        self.cluster.wait_healthy()

    def test_other_nodes_never_hear_that_they_are_dead(self):
        """Those take what a dead client had."""
        client, asking = self.client(), RawClient(self.cluster.nodes[1].classic_socket)
        self.addCleanup(asking.close)
        self.assertEqual(client.ask(REGISTER_SRVID, srvid=SRVID)[0], 0)
        question = struct.pack("<IQ", os.getpid(), SRVID)
        heard = []

        def exists():
            status, _, error = asking.ask(CHECK_PID_SRVID, question, destnode=0)
            heard.append((status, error))
            return (status, error) == (0, "")

        self.assertTrue(exists())
        for _ in range(3):
            self.replace(signal.SIGKILL)
            wait_until(exists, "the nodes are linked again")
        self.assertLessEqual({answer for answer in heard if answer != (0, "")},
                             {(-1, "ctdb_control to disconnected node"), (-1, "node is disconnected")})

    def test_what_is_sent_while_there_is_no_router_is_answered(self):
        client = self.client()
        self.assertEqual(client.ask(GET_PNN)[0], 0)
        self.let_it_finish()
        self.router.end(signal.SIGKILL)
        self.router.wait_ended()
        answer = []
        asking = threading.Thread(target=lambda: answer.append(client.ask(GET_PNN)[0]))
        asking.start()
        self.router.start()
        asking.join()
        self.assertEqual(answer, [0])

    def test_a_control_that_was_under_way_is_refused(self):
        client, other = self.client(), self.cluster.nodes[1].daemons["ctdb-router"]
        self.addCleanup(other.signal, signal.SIGCONT)
        # On a busy machine the other node may have been silent for too long before that router was killed.
        answers = []
        while not answers or "disconnected" in answers[-1][2] and len(answers) < 5:
            wait_until(lambda: client.ask(PING, destnode=1)[0] >= 0, "the nodes are linked")
            other.signal(signal.SIGSTOP)
            asking = threading.Thread(target=lambda: answers.append(client.ask(PING, destnode=1)))
            asking.start()
            watcher, before = self.client(), len(answers)
            wait_until(lambda: b"in flight 1" in watcher.ask(DUMP_MEMORY)[1] or len(answers) > before, "it is under way")
            self.replace(signal.SIGKILL)
            asking.join()
            other.signal(signal.SIGCONT)
            self.cluster.wait_healthy()
        self.assertEqual((answers[-1][0], answers[-1][2]), (-1, "ctdb-router was restarted before it answered"))
        self.assertGreaterEqual(client.ask(PING, destnode=1)[0], 0)

    def test_a_client_with_a_record_locked_keeps_its_connection(self):
        """Its connection is with the store."""
        holder = self.start(0, "classic", "held", hold=1)
        self.assertEqual(holder.stdout.readline(), "locked\n")
        before = connections(holder.pid)
        self.replace(signal.SIGKILL)
        self.assertEqual(connections(holder.pid), before)
        holder.stdin.write("\n")
        self.assertEqual(self.finish(holder), 1)
        self.assertEqual(self.add(1, "classic", "held", 1), 2)

    def test_nothing_is_lost_under_load(self):
        self.add(0, "native", "hot", 1)
        loads = [self.start(node, api, "hot", 3000) for node in (0, 1) for api in ("classic", "native")]
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            before = self.value("hot", node=2)
            self.replace(number)
            wait_until(lambda: self.value("hot", node=2) > before or all(load.poll() is not None for load in loads), "they go on")
        for load in loads:
            self.finish(load)
        assert_counted(self, self.value("hot"), 12001)

    def test_the_classic_tool_works_as_ever(self):
        self.replace(signal.SIGKILL)
        self.cluster.wait_healthy()
        done = run_tool(self.node, "status")
        self.assertIn("pnn:0", done.stdout, done.stderr)

    def test_without_a_store_they_end(self):
        client = self.client()
        self.assertEqual(client.ask(GET_PNN)[0], 0)
        for name in ("ctdb-store", "ctdb-router"):
            self.node.daemons[name].signal(signal.SIGSTOP)
        for name in ("ctdb-store", "ctdb-router"):
            self.node.daemons[name].signal(signal.SIGKILL)
        self.assertIsNone(client.receive())
        self.cluster.wait_healthy()


if __name__ == "__main__":
    unittest.main()
