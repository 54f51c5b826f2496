# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that keeps a chain of a node's database file locked, as a classic client does that stands still: libtdb and nothing else."""
import os
import struct
import subprocess
import sys

from support import RawClient

DB_ATTACH, DB_OPEN_FLAGS = 18, 149

# Takes the chain when the record's header does not say that it is the node's, as a client finds it that has come too late.
KEEPER = """
import ctypes, os, sys
class Data(ctypes.Structure):
    _fields_ = [("at", ctypes.c_char_p), ("size", ctypes.c_size_t)]
tdb = ctypes.CDLL("libtdb.so.1", use_errno=True)
tdb.tdb_open.restype = ctypes.c_void_p
tdb.tdb_fetch.restype = Data
tdb.tdb_fetch.argtypes = tdb.tdb_chainlock.argtypes = tdb.tdb_chainunlock.argtypes = [ctypes.c_void_p, Data]
path, flags, key, owner = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode(), int(sys.argv[4])
handle = tdb.tdb_open(path.encode(), 0, flags, os.O_RDWR, 0)
assert handle, os.strerror(ctypes.get_errno())
name = Data(key, len(key))
while True:
    assert tdb.tdb_chainlock(handle, name) == 0
    found = tdb.tdb_fetch(handle, name)
    assert found.size >= 24, found.size
    if int.from_bytes(ctypes.string_at(ctypes.cast(found.at, ctypes.c_void_p).value, found.size)[8:12], "little") != owner:
        break
    assert tdb.tdb_chainunlock(handle, name) == 0
print("kept", flush=True)
sys.stdin.read()
assert tdb.tdb_chainunlock(handle, name) == 0
"""


class HeldChain:
    """Made while `node` serves: it asks for the database. `test` ends it."""

    def __init__(self, test, node, database):
        self.test, self.process = test, None
        with RawClient(node.classic_socket) as client:
            status, db_id, error = client.ask(DB_ATTACH, database.encode() + b"\0")
            test.assertEqual(status, 0, error)
            status, flags, error = client.ask(DB_OPEN_FLAGS, db_id)
            test.assertEqual(status, 0, error)
        path = os.path.join(node.base, "volatile", f"{database}.{node.index}")
        self.file = [path, str(struct.unpack("<i", flags[:4])[0])]
        self.node = node.index

    def take(self, key):
        """Returns when the key's chain is kept and its header says that another node owns the record, or nobody."""
        self.process = subprocess.Popen([sys.executable, "-c", KEEPER, *self.file, key, str(self.node)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.test.addCleanup(self.end)
        self.test.assertEqual(self.process.stdout.readline(), "kept\n")

    @property
    def pid(self):
        return self.process.pid

    def let_go(self):
        self.process.stdin.close()
        return self.process.wait()

    def end(self):
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()
