# SPDX-License-Identifier: GPL-3.0-or-later
"""Quorum by cluster lock with Debian's etcd helper (ctdb_etcd_lock) and Debian's etcd-server, as ctdb-etcd(7) has it."""
import json
import os
import signal
import subprocess
import tempfile
import unittest

from support import BIN, Cluster, Increments, NetworkNamespace, Said, assert_counted, wait_until

HELPER = "/usr/libexec/ctdb/ctdb_etcd_lock"
CLIENT, PEER = "http://127.0.0.1:2379", "http://127.0.0.1:2380"


class EtcdLockTest(Increments, unittest.TestCase):
    DATABASE = "etcd.tdb"

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-etcd-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.namespace = NetworkNamespace()
        self.addCleanup(self.namespace.close)
        self.start_etcd()
        register = os.path.join(self.directory, "register")
        self.cluster = Cluster(self.directory, bin_dir=BIN, wrap=self.namespace.wrap,
                               options={"cluster": {"quorum": "lock", "lock register": register}})
        for node in self.cluster.nodes:
            node.options = {"cluster": {"cluster lock": self.lock_of(node)}}
        self.addCleanup(self.cluster.stop)
        self.cluster.start()
        self.cluster.wait_healthy(180)  # one that meets another at the lock waits 12 s and more before it tries again

    @staticmethod
    def lock_of(node):
        """It asks the ctdb tool which node this is. The path: Debian's Python has the module that it needs."""
        return f"!/usr/bin/env PATH=/usr/sbin:/usr/bin:/bin CTDB_TEST_MODE=1 CTDB_BASE={node.base} CTDB_SOCKET={node.classic_socket} {HELPER}"

    def start_etcd(self):
        log = open(os.path.join(self.directory, "log.etcd"), "ab")
        self.addCleanup(log.close)
        self.etcd = subprocess.Popen(
            self.namespace.wrap(["etcd", "--data-dir", os.path.join(self.directory, "etcd"), "--enable-v2",
                                 "--listen-client-urls", CLIENT, "--advertise-client-urls", CLIENT,
                                 "--listen-peer-urls", PEER, "--initial-advertise-peer-urls", PEER,
                                 "--initial-cluster", f"default={PEER}"]),
            stdout=log, stderr=log)
        self.addCleanup(self.end_etcd, self.etcd)
        wait_until(self.etcd_answers, "etcd answers")

    @staticmethod
    def end_etcd(etcd):
        etcd.kill()
        etcd.wait()

    def etcd_answers(self):
        return subprocess.run(self.namespace.wrap(["etcdctl", "--endpoints", CLIENT, "endpoint", "health"]),
                              capture_output=True, env=dict(os.environ, ETCDCTL_API="3"), timeout=60).returncode == 0

    def status(self, node):
        return json.loads(self.cluster.nodes[node].cli("-o", "json", "status").stdout)

    @staticmethod
    def stopped(told):
        return told["generation"] is None and told["leader"] is None and "no leader" in told["reason"]

    def test_the_holder_dies_and_another_gets_the_lock(self):
        leader = wait_until(lambda: [pnn for pnn in [self.status(0)["leader"]] if pnn is not None], "a leader is known")[0]
        since = Said(self.cluster)
        others = [node for node in range(3) if node != leader]
        self.add(others[0], "native", "key", 100)
        self.cluster.nodes[leader].kill()
        wait_until(lambda: all(self.status(node)["members"] == 2 and self.status(node)["generation"] for node in others),
                   "the others go on", 180)
        wait_until(lambda: self.status(others[0])["leader"] in others, "one of them leads")
        counted = self.add(others[1], "classic", "key", 100)
        assert_counted(self, counted, 200, since=since)
        self.cluster.nodes[leader].start()
        self.cluster.wait_healthy(300)  # whoever leads may have lost its office meanwhile
        assert_counted(self, self.add(leader, "native", "key", 100), counted + 100, since=since)

    def test_without_etcd_nobody_leads_and_nothing_is_lost(self):
        self.add(1, "native", "key", 100)
        since = Said(self.cluster)
        self.etcd.send_signal(signal.SIGKILL)
        self.etcd.wait()
        for node in range(3):
            wait_until(lambda: self.stopped(self.status(node)), lambda: f"the cluster stops: {self.status(node)}", 180)
        waiting = self.start(2, "native", "key")
        self.start_etcd()
        self.cluster.wait_healthy(300)
        assert_counted(self, self.finish(waiting), 101, since=since)


if __name__ == "__main__":
    unittest.main()
