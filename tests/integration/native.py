# SPDX-License-Identifier: GPL-3.0-or-later
"""The C API for tests, as a program uses it: nothing is tried again. One thread at a time uses a client."""
import ctypes
import os
import struct
import threading

from support import BUILD, Increments, wait_until

UNKNOWN = -20


class Blob(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("size", ctypes.c_size_t)]


class Bytes(ctypes.Structure):
    """A blob that comes back."""
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]

    def get(self):
        return ctypes.string_at(self.data, self.size) if self.size else b""


class Request(ctypes.Structure):
    _fields_ = [("node", ctypes.c_uint32), ("opcode", ctypes.c_uint32), ("srvid", ctypes.c_uint64),
                ("flags", ctypes.c_uint32), ("data", Blob)]


class Reply(ctypes.Structure):
    _fields_ = [("error", ctypes.c_int), ("status", ctypes.c_int32), ("data", Bytes), ("text", ctypes.c_char_p)]


class Stats(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("local_hits", "calls", "controls", "messages_in", "messages_out", "stale", "malformed",
                                                     "sleeps", "undelivered", "too_big", "router_restarts")]


ON_MESSAGE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, Bytes, ctypes.c_void_p)
ON_RESTART = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


def library():
    api = ctypes.CDLL(os.path.join(BUILD, "libctdbipc", "client", "libctdbipc.so"))
    api.ctdb_record_data.restype = Bytes
    api.ctdb_error_text.restype = ctypes.c_char_p
    return api


class Failure(Exception):
    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code = code


class NativeClient:
    def __init__(self, node):
        self.api = library()
        self.client = ctypes.c_void_p()
        self.handlers = []
        self.restarts_told = 0
        self.check(self.api.ctdb_connect(node.setup_socket.encode(), 30000, ctypes.byref(self.client)))
        handler = ON_RESTART(self.restarted)
        self.handlers.append(handler)
        self.check(self.api.ctdb_on_restart(self.client, handler, None))

    def restarted(self, _client, _data):
        self.restarts_told += 1

    def check(self, result):
        if result < 0:
            raise Failure(result, (self.api.ctdb_error_text(self.client) or b"").decode())
        return result

    def close(self):
        self.api.ctdb_disconnect(self.client)
        self.client = None

    def stats(self):
        stats = Stats()
        self.check(self.api.ctdb_get_stats(self.client, ctypes.byref(stats), ctypes.c_size_t(ctypes.sizeof(stats))))
        return stats

    def ping(self, node=0xF0000001):
        self.check(self.api.ctdb_ping(self.client, ctypes.c_uint32(node), -1))

    def control(self, node, opcode, data=b""):
        reply = Reply()
        request = Request(node, opcode, 0, 0, Blob(data, len(data)))
        self.check(self.api.ctdb_control(self.client, ctypes.byref(request), -1, ctypes.byref(reply)))
        return reply.status

    def register(self, srvid, handler):
        """handler(data)"""
        function = ON_MESSAGE(lambda client, srvid, data, private: handler(data.get()))
        self.handlers.append(function)
        self.check(self.api.ctdb_register(self.client, ctypes.c_uint64(srvid), function, None, -1))

    def send(self, node, srvid, data):
        self.check(self.api.ctdb_send_message(self.client, ctypes.c_uint32(node), ctypes.c_uint64(srvid), Blob(data, len(data))))

    def flush(self):
        self.check(self.api.ctdb_flush(self.client, -1))

    def wait(self, timeout_ms):
        return self.check(self.api.ctdb_wait(self.client, timeout_ms))

    def attach(self, name):
        db = ctypes.c_void_p()
        self.check(self.api.ctdb_attach(self.client, name.encode(), 0, -1, ctypes.byref(db)))
        return db

    def increment(self, db, key):
        record = ctypes.c_void_p()
        self.check(self.api.ctdb_fetch_lock(db, Blob(key, len(key)), -1, ctypes.byref(record)))
        old = self.api.ctdb_record_data(record).get()
        value = struct.pack("<Q", (struct.unpack("<Q", old)[0] if old else 0) + 1)
        stored = self.api.ctdb_store(record, Blob(value, len(value)))
        self.check(self.api.ctdb_unlock(record))
        return stored == 0


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
            except Failure as failure:
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
