# SPDX-License-Identifier: GPL-3.0-or-later
"""The C API for tests, as a program uses it (python/ctdbipc.py): nothing is tried again. One thread at a time uses a client."""
import os
import struct
import sys
import threading

from support import BUILD, ROOT, Increments, wait_until

os.environ["CTDBIPC_LIBRARY"] = os.path.join(BUILD, "libctdbipc", "client", "libctdbipc.so")
sys.path.insert(0, os.path.join(ROOT, "python"))

import ctdbipc  # noqa: E402

UNKNOWN = ctdbipc.ERRORS["UNKNOWN"]


class NativeClient(ctdbipc.Client):
    """Counts how often it was told of another router."""

    def __init__(self, node):
        super().__init__(node.setup_socket, timeout=30)
        self.restarts_told = 0
        self.on_restart(self._restarted)

    def _restarted(self):
        self.restarts_told += 1

    def ping(self, node=ctdbipc.THIS_NODE, timeout=None):
        super().ping(node, timeout)

    @staticmethod
    def increment(db, key):
        """False: it could not be stored, and nothing was."""
        with db.lock(key) as record:
            value = struct.unpack("<Q", record.data)[0] if record.data else 0
            try:
                record.store(struct.pack("<Q", value + 1))
            except ctdbipc.Error:
                return False
        return True


class Counting(Increments):
    """For a TestCase with `self.cluster`: native clients that must not notice what happens to the daemons."""

    def client(self, node=0):
        client = NativeClient(self.cluster.nodes[node])
        self.addCleanup(client.close)
        return client

    def count_while(self, steps):
        """Two clients count in one record while the steps are made, and go on after each; no call of theirs may fail. Returns how often they
        have counted."""
        stop, done, failures = threading.Event(), [], []

        def count(client, db):
            made = 0
            try:
                while not stop.is_set():
                    made += client.increment(db, b"hot")
            except ctdbipc.Error as failure:
                failures.append(str(failure))
            done.append(made)

        clients = [self.client(node) for node in (0, 1)]  # clients of one node would share its file, which is for one thread
        databases = [client.attach(self.DATABASE) for client in clients]
        threads = [threading.Thread(target=count, args=pair) for pair in zip(clients, databases)]
        for thread in threads:
            thread.start()
        try:
            for _ in steps:
                before = self.value("hot", node=2)
                wait_until(lambda before=before: failures or self.value("hot", node=2) > before, "they go on")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failures, [])
        return sum(done)
