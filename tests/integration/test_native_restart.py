# SPDX-License-Identifier: GPL-3.0-or-later
"""A router that is killed or restarted keeps its native clients: nothing has to be done and no call fails, but what nobody can know."""
import signal
import struct
import tempfile
import threading
import unittest

from bystanders import RoutersReplaced
from native import UNKNOWN, Counting, ctdbipc
from support import STORE_AWAY, RawClient, Undisturbed, assert_counted, start_cluster, wait_until

PING, GET_DEBUG, SET_DEBUG, DUMP_MEMORY = 3, 7, 8, 29
SRVID = 0x5000000000000001


class NativeRestartTest(Counting, Undisturbed):
    DATABASE = "native.tdb"

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-native-restart-")
        self.addCleanup(directory.cleanup)
        self.cluster = start_cluster(directory.name, self.addCleanup)
        self.cluster.since_healthy = RoutersReplaced(self.cluster)
        self.node = self.cluster.nodes[0]
        self.router = self.node.daemons["ctdb-router"]

    def stop_router(self, number):
        self.router.end(number)
        self.router.wait_ended()

    def replace(self, number):
        """Ready again when somebody who comes anew is answered."""
        self.stop_router(number)
        self.router.start()
        wait_until(self.answers, "another router is there")

    def answers(self):
        try:
            with RawClient(self.node.classic_socket) as client:
                return client.ask(GET_DEBUG)[0] == 0
        except OSError:
            return False

    def test_quiet_clients_notice_nothing(self):
        receiver, others = self.client(), [self.client() for _ in range(10)]
        got = []
        for number in range(5):
            receiver.register(SRVID + number, lambda data, number=number: got.append((number, data)))
        kills = (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL)
        for number in kills:
            self.replace(number)
            for client in others:
                client.ping()
            got.clear()
            for service in range(5):
                others[service].send(0, SRVID + service, b"here")
            wait_until(lambda: receiver.wait(0.1) >= 0 and len(got) >= 5, "the messages have come")
            self.assertEqual(sorted(got), [(service, b"here") for service in range(5)])
        wait_until(lambda: receiver.wait(0.1) >= 0 and receiver.restarts_told == len(kills), "it is told")
        self.assertEqual(receiver.stats()["router_restarts"], len(kills))
        self.assertEqual(receiver.stats()["stale"], 0)
        self.cluster.wait_healthy()

    def test_a_blocking_call_waits_for_the_next_router(self):
        client = self.client()
        client.ping()
        self.stop_router(signal.SIGKILL)
        answered = []
        asking = threading.Thread(target=lambda: (client.ping(), answered.append(True)))
        asking.start()
        self.router.start()
        asking.join()
        self.assertEqual(answered, [True])

    def ask_and_change_at_one_that_stands_still(self, asking, changing):
        """How a control that asks and one that changes something end, the router being killed meanwhile; as the node they are for stands still."""
        other = self.cluster.nodes[1].daemons["ctdb-router"]
        self.addCleanup(other.signal, signal.SIGCONT)
        ends = {}

        def run(name, client, *words):
            try:
                ends[name] = client.control(1, *words)[0]
            except ctdbipc.Error as failure:
                ends[name] = failure.code

        threads = [threading.Thread(target=run, args=("asking", asking, GET_DEBUG)),
                   threading.Thread(target=run, args=("changing", changing, SET_DEBUG, struct.pack("<i", 2)))]
        other.signal(signal.SIGSTOP)
        for thread in threads:
            thread.start()
        with RawClient(self.node.classic_socket) as watcher:
            wait_until(lambda: b"in flight 2" in watcher.ask(DUMP_MEMORY)[1] or ends, "they are under way")
        self.replace(signal.SIGKILL)
        threads[1].join()
        other.signal(signal.SIGCONT)
        threads[0].join()
        self.cluster.wait_healthy()
        return ends["asking"], ends["changing"]

    def test_of_a_control_that_changes_something_nobody_knows(self):
        clients = self.client(), self.client()
        for _ in range(5):
            asked, changed = self.ask_and_change_at_one_that_stands_still(*clients)
            if changed != -1:  # on a busy machine the other node may have been silent for too long before the router was killed
                break
        self.assertEqual(changed, UNKNOWN)
        # It was asked again: at that moment the nodes may not have been linked.
        self.assertIn(asked, (0, -1))
        clients[0].ping(1)

    def test_no_increment_fails_or_is_lost(self):
        """Fetch-locks that wait are with the store."""
        def kill_and_end():
            for number in (signal.SIGKILL, signal.SIGTERM) * 3:
                self.replace(number)
                yield

        made = self.count_while(kill_and_end())
        assert_counted(self, self.value("hot"), made)

    def test_one_daemon_after_another_is_replaced_as_for_an_upgrade(self):
        classic = RawClient(self.node.classic_socket)
        self.addCleanup(classic.close)
        load = self.start(0, "classic", "hot", 2000)

        def replace_each():
            for name in ("ctdb-router", "ctdb-store", "ctdb-recoveryd"):
                self.router = self.node.daemons[name]
                self.replace(signal.SIGTERM)
                yield
                self.assertEqual(classic.ask(GET_DEBUG)[0], 0)

        made = self.count_while(replace_each())
        self.finish(load)
        assert_counted(self, self.value("hot"), made + 2000, why=[STORE_AWAY])

    def test_no_message_comes_twice_and_a_loss_is_told(self):
        receiver, sender = self.client(), self.client()
        got, stop = [], threading.Event()
        receiver.register(SRVID, lambda data: got.append(struct.unpack("<Q", data)[0]))
        sent = [0]

        def send():
            while not stop.is_set():
                try:
                    sender.send(0, SRVID, struct.pack("<Q", sent[0] + 1))
                    sent[0] += 1
                except ctdbipc.Error:  # the ring is full: not now
                    sender.wait(0.001)

        sending = threading.Thread(target=send)
        sending.start()
        try:
            for restarts, number in enumerate((signal.SIGKILL, signal.SIGTERM) * 3, 1):
                self.replace(number)
                # Those of the router before may still be in its ring.
                wait_until(lambda: receiver.wait(0.1) >= 0 and receiver.restarts_told == restarts, "it is told")
                before = len(got)
                wait_until(lambda: receiver.wait(0.1) >= 0 and len(got) > before, "messages come")
        finally:
            stop.set()
            sending.join()
        sender.flush()
        wait_until(lambda: receiver.wait(0.1) >= 0 and got[-1] == sent[0], "the last one has come")
        self.assertEqual(got, sorted(set(got)), "in order, and none twice")
        self.assertEqual(receiver.restarts_told, 6)


if __name__ == "__main__":
    unittest.main()
