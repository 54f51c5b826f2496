# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile bytes on the sockets of real daemons: the sender is cut off or answered, nobody else notices."""
import os
import struct
import subprocess
import tempfile
import unittest

from support import BIN, HEADER, ROOT, RawClient, Undisturbed, control, memory_bytes, packet, start_cluster

GET_PNN, PING, DB_ATTACH, TRAVERSE_START, REGISTER_SRVID = 35, 3, 18, 20, 23
GOLDEN = os.path.join(ROOT, "tests", "golden", "packets")


class BadInputTest(Undisturbed):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="ctdb-bad-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.cluster = start_cluster(cls.directory.name, cls.addClassCleanup, nodes=2)
        cls.bystander = RawClient(cls.cluster.nodes[0].classic_socket)
        cls.addClassCleanup(cls.bystander.close)
        cls.pids = cls.cluster.daemon_pids()

    def connect(self):
        return RawClient(self.cluster.nodes[0].classic_socket)

    def tearDown(self):
        """Whatever a test sent: the same processes live, and another client is served by both nodes."""
        self.assertEqual(self.cluster.daemon_pids(), self.pids)
        self.assertEqual(self.bystander.ask(GET_PNN)[0], 0)
        self.assertGreaterEqual(self.bystander.ask(PING, destnode=1)[0], 0)

    def assert_closed(self, data):
        with self.connect() as client:
            client.send(data)
            self.assertIsNone(client.receive())

    def assert_skipped(self, data):
        """The bytes are passed over and the connection goes on."""
        with self.connect() as client:
            client.send(data)
            self.assertEqual(client.ask(GET_PNN)[0], 0)

    def test_length_zero_closes(self):
        self.assert_closed(struct.pack("<I", 0) + bytes(60))

    def test_short_length_is_skipped(self):
        for length in range(4, 32):
            self.assert_skipped(struct.pack("<I", length) + bytes(length - 4))

    def test_wrong_magic_or_version_is_skipped(self):
        self.assert_skipped(packet(7, bytes(28), magic=0x12345678))
        self.assert_skipped(packet(7, bytes(28), version=2))

    def test_operations_a_client_may_not_send_are_skipped(self):
        for operation in (1, 2, 3, 4, 6, 8, 9, 11, 0x1000, 0x1010, 0x1012, 0x1020, 0x1031, 0x1041, 0xFFFFFFFF):
            self.assert_skipped(packet(operation, bytes(64)))

    def test_unaligned_length_is_normal(self):
        with self.connect() as client:
            client.send(control(GET_PNN, b"xyz"))
            self.assertEqual(HEADER.unpack_from(client.receive())[4], 8)

    def test_four_gigabytes_are_refused_before_memory_is_taken(self):
        before = memory_bytes(self.pids)
        for _ in range(20):
            self.assert_closed(struct.pack("<I", 0xFFFFFFF8) + packet(7, bytes(28))[4:])
        self.assertLess(memory_bytes(self.pids) - before, 64 << 20)

    def test_inner_lengths_beyond_the_packet(self):
        huge = 0xFFFFFFF0
        for body in (struct.pack("<IIIIII", 0, 0, 0xFF000002, 0, huge, 0), struct.pack("<IIIIII", 0, 0, 0, 0, 4, huge)):
            self.assert_skipped(packet(0, body))
        self.assert_skipped(packet(5, struct.pack("<QI", 1, huge)))
        self.assert_skipped(packet(7, struct.pack("<IIQIII", 3, 0, 0, 0, 0, huge)))
        self.assert_skipped(packet(10, struct.pack("<QII", 1, 0, huge)))

    def test_every_control_with_every_small_payload_is_answered(self):
        with self.connect() as client:
            for opcode in list(range(0, 164)) + [0x1002, 0xFFFF, 0xFFFFFFFF]:
                if opcode in (36,):  # SHUTDOWN ends the node: another test's subject
                    continue
                for size in (0, 1, 3, 4, 5, 8, 12, 16, 24, 60):
                    if opcode in (16, 101, 102, 104, 105, 109, 157, 158, 7, 8):
                        size = 3  # those change the cluster when the payload is right
                    try:
                        client.ask(opcode, b"\xff" * size)
                    except TimeoutError:
                        self.fail(f"control {opcode} with {size} bytes was not answered")

    def test_corrupted_golden_packets(self):
        names = sorted(n for n in os.listdir(GOLDEN) if n.endswith(".bin"))
        self.assertGreater(len(names), 10)
        before = memory_bytes(self.pids)
        for name in names:
            with open(os.path.join(GOLDEN, name), "rb") as source:
                golden = source.read()
            if struct.unpack_from("<I", golden, 16)[0] == 7:
                continue  # controls: a corrupted opcode could be one that stops the node; the unit tests do these
            self.corrupt_each_byte(golden)
        self.assertLess(memory_bytes(self.pids) - before, 64 << 20)

    def corrupt_each_byte(self, golden):
        client = self.connect()
        for position in range(len(golden)):
            bad = bytearray(golden)
            bad[position] ^= 0xFF
            try:
                client.send(bytes(bad))
            except (BrokenPipeError, ConnectionResetError):
                client = self.connect()
            if position < 4:  # the length is wrong: what follows is not aligned to packets any more
                client.close()
                client = self.connect()
        client.close()

    def test_a_client_that_does_not_read_hurts_nobody(self):
        with self.connect() as deaf:
            deaf.socket.setblocking(False)
            try:
                for _ in range(200_000):
                    deaf.send(control(GET_PNN))
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                pass
            self.assertEqual(self.bystander.ask(GET_PNN)[0], 0)

    def start_traverse(self, client, db_id, srvid):
        self.assertEqual(client.ask(REGISTER_SRVID, srvid=srvid)[0], 0)
        self.assertEqual(client.ask(TRAVERSE_START, struct.pack("<IIQ", db_id, 9, srvid))[0], 0)

    def test_a_traverse_client_that_does_not_read_hurts_nobody(self):
        """What is on its way to it is more than waits for it at once; others work on the same records, and then it reads on."""
        node, name, count = self.cluster.nodes, "deaf.tdb", 40
        for number in range(count):
            node[number % 2].cli("record", "put", name, f"key{number}", str(number) * 50_000, check=True)
        db_id, = struct.unpack("<I", self.bystander.ask(DB_ATTACH, name.encode() + b"\0")[1])
        with self.connect() as deaf, self.connect() as dying:
            self.start_traverse(deaf, db_id, 0xBE00000000000001)
            self.start_traverse(dying, db_id, 0xBE00000000000002)
            for number in range(2):
                node[number].cli("record", "put", name, f"key{number}", "changed", check=True)
            dying.close()
            self.assertEqual(self.bystander.ask(GET_PNN)[0], 0)
            keys = set()
            while True:
                body = deaf.receive()[44:]
                _, _, key_size, data_size = struct.unpack_from("<IIII", body)
                if key_size == 0 and data_size == 0:
                    break
                self.assertGreaterEqual(data_size, 24, "it is complete")
                keys.add(body[16:16 + key_size].decode())
            self.assertEqual(keys, {f"key{number}" for number in range(count)})

    def test_a_client_that_scribbles_over_its_rings_is_cut_off(self):
        for channel in ("0", "1"):
            for damage in ("head", "tail", "length", "check", "zero", "packet", "noise"):
                with self.subTest(channel=channel, damage=damage):
                    done = subprocess.run([f"{BIN}/ctdb-scribble", self.cluster.nodes[0].setup_socket, channel, damage],
                                          capture_output=True, text=True, timeout=60)
                    self.assertEqual(done.returncode, 0, done.stderr)

    def test_bytes_from_strangers_on_the_link_port(self):
        for data in (b"GET / HTTP/1.0\r\n\r\n", bytes(4096), packet(0x1000, bytes(100)),
                     struct.pack("<I", 0xFFFFFFF8) + bytes(2000), packet(0, bytes(64), destnode=0)):
            self.cluster.nodes[0].send_to_port(data)


if __name__ == "__main__":
    unittest.main()
