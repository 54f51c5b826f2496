# SPDX-License-Identifier: GPL-3.0-or-later
"""Persistent databases as a classic client works on them: transactions by TRANS3_COMMIT (wire-protocol §8.2.4), and the files as
`tdbdump` of Debian's tdb-tools reads them."""
import re
import struct
import subprocess
import time

SEQUENCE_KEY = b"__db_sequence_number__\0"
DB_ATTACH_PERSISTENT, DB_ATTACH_REPLICATED = 61, 150
GETDBPATH, TRANS3_COMMIT, GET_DB_SEQNUM = 4, 119, 120


def record(key, data, rsn, node=0):
    value = struct.pack("<QIIII", rsn, node, 0, 0, 0) + data
    return struct.pack("<IIII", 16 + len(key) + len(value), 0, len(key), len(value)) + key + value


def rec_buffer(db_id, records):
    return struct.pack("<II", db_id, len(records)) + b"".join(records)


class PersistentClient:
    """`connect` makes a RawClient; the database is attached by its first use."""

    def __init__(self, client, name, opcode=DB_ATTACH_PERSISTENT):
        self.client = client
        status, data, error = client.ask(opcode, name.encode() + b"\0")
        assert status == 0, (status, error)
        self.db_id, = struct.unpack("<I", data)

    def path(self):
        return self.client.ask(GETDBPATH, struct.pack("<I", self.db_id))[1].rstrip(b"\0").decode()

    def sequence(self):
        status, data, error = self.client.ask(GET_DB_SEQNUM, struct.pack("<II", self.db_id, 0))
        assert status == 0, (status, error)
        return struct.unpack("<Q", data)[0]

    def commit(self, pairs, sequence=None):
        """(status, error text). All records of one transaction have its sequence number as rsn: it only grows."""
        new = (self.sequence() if sequence is None else sequence) + 1
        records = [record(key, data, new) for key, data in pairs]
        records.append(record(SEQUENCE_KEY, struct.pack("<Q", new), new))
        return self.commit_buffer(rec_buffer(self.db_id, records))

    def commit_buffer(self, buffer):
        status, _, error = self.client.ask(TRANS3_COMMIT, buffer)
        return status, error


def unescape(text):
    return re.sub(rb"\\([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), text)


def contents(path):
    """key -> value with its 24 bytes of header, as they stand in the file."""
    deadline = time.monotonic() + 30
    while True:
        done = subprocess.run(["tdbdump", path], capture_output=True)
        # Who opens a file to read takes a transaction that is just being written for one that a dead process has left.
        if b"attempt to recover read only database" not in done.stderr or time.monotonic() > deadline:
            break
    done.check_returncode()
    dump = done.stdout
    keys = [unescape(key) for key in re.findall(rb"^key\(\d+\) = \"(.*)\"$", dump, re.M)]
    values = [unescape(value) for value in re.findall(rb"^data\(\d+\) = \"(.*)\"$", dump, re.M)]
    assert len(keys) == len(values)
    return dict(zip(keys, values))
