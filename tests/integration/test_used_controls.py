# SPDX-License-Identifier: GPL-3.0-or-later
"""Every control that smbd and winbindd 4.17 or the `ctdb` tool send (wire-protocol §9.1, §9.2), well formed, with the answer it must
get; every other one with the error that is documented. Who is a living process is told by peer credentials."""
import os
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

from support import RawClient, Undisturbed, start_cluster, wait_until

OK, NO, NOT_PUBLIC, UNKNOWN_TUNABLE = 0, -1, 1, -22
VOLATILE, PERSISTENT, REPLICATED = b"used.tdb\0", b"used-persistent.tdb\0", b"used-replicated.tdb\0"
ADDRESS = struct.pack("<H", socket.AF_INET) + struct.pack(">H", 445) + socket.inet_aton("192.0.2.1") + bytes(20)
CONNECTION = ADDRESS + ADDRESS
PUBLIC_IP = struct.pack("<I", 0) + ADDRESS
ADDR_INFO = ADDRESS + struct.pack("<II", 24, 3) + b"lo\0"
TUNABLE = b"AllowClientDBAttach\0"
SRVID, OTHER_SRVID = 0xBE00000000001234, 0xBE00000000005678

PROCESS_EXISTS, PING, REGISTER_SRVID, CHECK_PID_SRVID = 0, 3, 23, 151

# Of §9.1 and §9.2, without SHUTDOWN, which ends the node, and what changes public addresses.
USED = {0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 18, 20, 23, 24, 25, 26, 29, 30, 35, 44, 46, 48, 49, 50, 55, 61, 67, 69, 72, 78, 80, 90, 91, 99,
        101, 102, 104, 105, 109, 114, 115, 119, 120, 122, 123, 124, 125, 127, 128, 129, 131, 132, 133, 134, 138, 139, 140, 141, 142,
        143, 144, 147, 148, 149, 151, 157, 158}
OBSOLETE = (2, 10, 11, 12, 13, 14, 19, 28, 31, 32, 34, 37, 38, 39, 40, 41, 42, 43, 51, 54, 57, 58, 59, 60, 62, 65, 66, 68, 73, 75, 76,
            79, 83, 84, 85, 86, 92, 93, 94, 95, 96, 100, 103, 106, 107, 108, 111, 112, 113, 116, 117, 118, 130, 136)


def u32(*numbers):
    return struct.pack(f"<{len(numbers)}I", *numbers)


def tunable(value):
    return u32(value, len(TUNABLE)) + TUNABLE


def name_of_tunable(name):
    return u32(len(name)) + name


class UsedControlsTest(Undisturbed):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="ctdb-controls-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.cluster = start_cluster(cls.directory.name, cls.addClassCleanup, nodes=2)

    def connect(self, node=0):
        client = RawClient(self.cluster.nodes[node].classic_socket)
        self.addCleanup(client.close)
        return client

    def rows(self, client):
        """(number, name, payload, status, bytes of the answer or None for any), in an order that makes sense; a status of None:
        any that is not negative."""
        volatile, persistent, replicated = (struct.unpack("<I", client.ask(opcode, name)[1])[0]
                                            for opcode, name in ((18, VOLATILE), (61, PERSISTENT), (150, REPLICATED)))
        db, pdb, pid = u32(volatile), u32(persistent), os.getpid()
        header = bytes(24)
        key_data = u32(volatile, 0) + header + u32(3) + b"key"
        sequence = b"__db_sequence_number__\0"
        value = struct.pack("<QIIII", 1, 0, 0, 0, 0) + struct.pack("<Q", 1)
        commit = u32(persistent, 1, 16 + len(sequence) + len(value), 0, len(sequence), len(value)) + sequence + value
        traverse = u32(volatile, 7) + struct.pack("<Q", SRVID)
        return [
            # smbd, winbindd (§9.1)
            (35, "GET_PNN", b"", 0, 0), (91, "GET_NODEMAP", b"", OK, 4 + 2 * 36),
            (REGISTER_SRVID, "REGISTER_SRVID", b"", OK, 0), (18, "DB_ATTACH", VOLATILE, OK, 4),
            (61, "DB_ATTACH_PERSISTENT", PERSISTENT, OK, 4), (150, "DB_ATTACH_REPLICATED", REPLICATED, OK, 4),
            (26, "ENABLE_SEQNUM", db, OK, 0), (4, "GETDBPATH", db, OK, None), (149, "DB_OPEN_FLAGS", db, OK, 4),
            (129, "SET_DB_READONLY", db, OK, 0), (129, "SET_DB_READONLY", pdb, NO, 0),
            (128, "SCHEDULE_FOR_DELETION", key_data, OK, 0), (119, "TRANS3_COMMIT", commit, OK, 0),
            (20, "TRAVERSE_START", traverse, OK, 0), (CHECK_PID_SRVID, "CHECK_PID_SRVID", struct.pack("<iQ", pid, SRVID), OK, 0),
            (PROCESS_EXISTS, "PROCESS_EXISTS", struct.pack("<i", pid), OK, 0), (90, "GET_PUBLIC_IPS", b"", OK, 4),
            (44, "TCP_CLIENT", CONNECTION, OK, 0), (114, "REGISTER_NOTIFY", struct.pack("<QI", SRVID, 2) + b"hi", OK, 0),
            (115, "DEREGISTER_NOTIFY", struct.pack("<Q", SRVID), OK, 0), (115, "DEREGISTER_NOTIFY", struct.pack("<Q", SRVID), NO, 0),
            # the tool (§9.2)
            (1, "STATISTICS", b"", OK, None), (PING, "PING", b"", None, 0), (5, "GETVNNMAP", b"", OK, 8 + 2 * 4),
            (7, "GET_DEBUG", b"", OK, 4), (8, "SET_DEBUG", u32(2), OK, 0), (9, "GET_DBMAP", b"", OK, None),
            (15, "GET_RECMODE", b"", 0, 0), (17, "STATISTICS_RESET", b"", OK, 0), (25, "GET_DBNAME", db, OK, len(VOLATILE)),
            (29, "DUMP_MEMORY", b"", OK, None), (30, "GET_PID", b"", None, 0), (46, "TCP_REMOVE", CONNECTION, OK, 0),
            (48, "SET_TUNABLE", tunable(0), OK, 0), (49, "GET_TUNABLE", name_of_tunable(TUNABLE), OK, 4),
            (49, "GET_TUNABLE", name_of_tunable(b"NoSuch\0"), UNKNOWN_TUNABLE, 0), (50, "LIST_TUNABLES", b"", OK, None),
            (53, "GET_ALL_TUNABLES", b"", OK, None), (55, "GET_TCP_TICKLE_LIST", ADDRESS, NOT_PUBLIC, 0),
            (69, "UPTIME", b"", OK, 64), (72, "RELOAD_NODES_FILE", b"", OK, 0), (78, "DEL_PUBLIC_IP", ADDR_INFO, NO, 0),
            (80, "GET_CAPABILITIES", b"", OK, 4), (99, "GET_RECLOCK_FILE", b"", OK, 0), (104, "SET_LMASTERROLE", u32(1), OK, 0),
            (105, "SET_RECMASTERROLE", u32(1), OK, 0), (110, "GET_BAN_STATE", b"", OK, 8),
            (109, "SET_BAN_STATE", u32(1, 60), NO, 0),  # of another node
            (120, "GET_DB_SEQNUM", pdb + u32(0), OK, 8), (122, "DB_GET_HEALTH", db, OK, 0), (121, "DB_SET_HEALTHY", db, OK, 0),
            (123, "GET_PUBLIC_IP_INFO", ADDRESS, NO, 0), (124, "GET_IFACES", b"", OK, 4),
            (125, "SET_IFACE_LINK_STATE", b"lo".ljust(18, b"\0") + struct.pack("<HI", 1, 0), NO, 0),
            (127, "GET_STAT_HISTORY", b"", OK, None), (131, "TRAVERSE_START_EXT", traverse + bytes(8), OK, 0),
            (132, "GET_DB_STATISTICS", db, OK, None), (133, "SET_DB_STICKY", db, OK, 0), (133, "SET_DB_STICKY", pdb, NO, 0),
            (134, "RELOAD_PUBLIC_IPS", b"", OK, 0), (138, "GET_RUNSTATE", b"", OK, 4), (140, "GET_NODES_FILE", b"", OK, 4 + 2 * 36),
            (141, "DB_FREEZE", db, OK, 0), (143, "DB_TRANSACTION_START", db + u32(9), OK, 0), (67, "WIPE_DATABASE", db + u32(9), OK, 0),
            (147, "DB_PUSH_START", u32(volatile, 0xFFFFFFFF) + struct.pack("<Q", OTHER_SRVID), OK, 0),
            (148, "DB_PUSH_CONFIRM", db, OK, 4), (144, "DB_TRANSACTION_COMMIT", db + u32(9), OK, 0),
            (145, "DB_TRANSACTION_CANCEL", db, OK, 0), (142, "DB_THAW", db, OK, 0), (155, "DB_VACUUM", db + b"\1", OK, 0),
            (139, "DB_DETACH", u32(replicated), NO, 0),  # the tool refuses persistent ones itself
            (139, "DB_DETACH", db, OK, 0), (157, "DISABLE_NODE", b"", OK, 0), (158, "ENABLE_NODE", b"", OK, 0),
            (101, "STOP_NODE", b"", OK, 0), (102, "CONTINUE_NODE", b"", OK, 0), (16, "SET_RECMODE", u32(1), OK, 0),
            (24, "DEREGISTER_SRVID", b"", OK, 0), (24, "DEREGISTER_SRVID", b"", 2, 0),
        ]

    def test_every_control_that_is_used_gets_its_answer(self):
        client = self.connect()
        rows = self.rows(client)
        self.assertEqual(USED - {number for number, *_ in rows}, set())
        self.addCleanup(self.cluster.wait_healthy)
        for number, name, payload, status, size in rows:
            with self.subTest(name, number=number):
                got, data, error = client.ask(number, payload, srvid=SRVID)
                if status is None:
                    self.assertGreaterEqual(got, 0, error)
                else:
                    self.assertEqual(got, status, error)
                if size is not None:
                    self.assertEqual(len(data), size)

    def test_what_is_obsolete_or_unknown_or_of_another_size_is_refused(self):
        client = self.connect()
        for number in (*OBSOLETE, 163, 500, 0xFFFF):
            status, data, error = client.ask(number)
            self.assertEqual((status, data), (NO, b""), number)
            self.assertTrue(error, number)
        for number, payload in ((PROCESS_EXISTS, bytes(5)), (CHECK_PID_SRVID, bytes(11)), (4, bytes(3)), (5, b"x"), (69, b"x"),
                                (120, bytes(4)), (110, b"x"), (132, bytes(5)), (138, b"x")):
            self.assertEqual(client.ask(number, payload)[0], NO, number)

    # ---- living processes ----

    def exists(self, client, pid):
        return client.ask(PROCESS_EXISTS, struct.pack("<i", pid), destnode=0)[0] == OK

    def registered(self, client, pid, srvid):
        return client.ask(CHECK_PID_SRVID, struct.pack("<iQ", pid, srvid), destnode=0)[0] == OK

    def start_process(self):
        """Another process with two connections, of which each has a registration of its own."""
        script = ("import sys\nsys.path.insert(0, sys.argv[1])\nfrom support import RawClient\n"
                  "clients = [RawClient(sys.argv[2]) for _ in range(2)]\n"
                  "for client, srvid in zip(clients, sys.argv[3:]): assert client.ask(23, srvid=int(srvid))[0] == 0\n"
                  "for line in iter(lambda: print('ok', flush=True) or sys.stdin.readline(), ''): clients.pop().close()\n")
        process = subprocess.Popen([sys.executable, "-c", script, os.path.dirname(os.path.abspath(__file__)),
                                    self.cluster.nodes[0].classic_socket, str(SRVID), str(OTHER_SRVID)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "ok\n")
        return process

    def test_a_process_with_several_connections(self):
        """Asked by a client of the same node and by one of another; no word of the process itself is believed."""
        process = self.start_process()
        for client in (self.connect(0), self.connect(1)):
            self.assertTrue(self.exists(client, process.pid))
            self.assertTrue(self.registered(client, process.pid, SRVID))
            self.assertTrue(self.registered(client, process.pid, OTHER_SRVID), "of its other connection")
            self.assertFalse(self.registered(client, process.pid, 1))
            self.assertFalse(self.exists(client, 1), "it lives and is no client")
            self.assertFalse(self.registered(client, os.getpid(), SRVID), "of another process")
        process.stdin.write("\n")  # the connection with OTHER_SRVID ends
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "ok\n")
        client = self.connect(1)
        wait_until(lambda: not self.registered(client, process.pid, OTHER_SRVID), "its end is known")
        self.assertTrue(self.exists(client, process.pid))
        self.assertTrue(self.registered(client, process.pid, SRVID))
        process.kill()
        wait_until(lambda: not self.exists(client, process.pid), "the end of the process is known")
        self.assertFalse(self.registered(client, process.pid, SRVID))


if __name__ == "__main__":
    unittest.main()
