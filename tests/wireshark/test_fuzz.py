# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets that somebody has damaged, and what they travel in: the plugin, built with sanitizers, neither crashes nor hangs nor reads what is not there.
CTDBX_FUZZ_PACKETS says how many (a nightly run takes a million), CTDBX_FUZZ_SEED which."""
import os
import random
import struct
import tempfile
import unittest

import samples
from pcap import ETHERNET, RoceStream, TcpStream, pcap, ring_frame, upper_pdu
from tshark import ASAN_PLUGIN, Home

PACKETS = int(os.environ.get("CTDBX_FUZZ_PACKETS", "50000"))
SEED = int(os.environ.get("CTDBX_FUZZ_SEED", "1"))
AT_ONCE = 25000
WORDS = (0, 1, 4, 7, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF, 0xFF000003, 24, 1000, 65536)


def mutate(dice, packet):
    """Bits turned over, words that lengths fear, a piece cut out or doubled, another end. The magic number mostly stays."""
    out = bytearray(packet)
    for _ in range(dice.randint(1, 4)):
        how = dice.randrange(6)
        at = dice.randrange(8 if dice.random() < 0.98 else 0, max(len(out), 9))
        if how == 0 and at < len(out):
            out[at] ^= 1 << dice.randrange(8)
        elif how == 1 and at + 4 <= len(out):
            struct.pack_into("<I", out, at & ~3, dice.choice(WORDS))
        elif how == 2 and at + 4 <= len(out):
            struct.pack_into("<I", out, at & ~3, dice.randrange(200))
        elif how == 3:
            del out[at:at + dice.randrange(1, 40)]
        elif how == 4:
            out[at:at] = out[at:at + dice.randrange(1, 40)]
        elif how == 5:
            out = out[:max(at, dice.randrange(1, 64))]
    if dice.random() < 0.7 and len(out) >= 4:
        struct.pack_into("<I", out, 0, len(out))  # so that what follows is looked at
    return bytes(out)


class Fuzz(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.home = Home(directory.name, plugin=ASAN_PLUGIN, asan=True)

    def dissect(self, capture, what, *options):
        done = self.home.run("-n", "-2", "-V", "-r", capture, *options, timeout=3600)
        self.assertEqual((done.returncode, b"Dissector bug" in done.stdout), (0, False),
                         f"{what}\n{done.stderr[-6000:].decode(errors='replace')}")
        return done.stdout

    def test_damaged_packets_do_no_harm(self):
        dice = random.Random(SEED)
        whole = samples.golden() + samples.controls() + samples.messages()
        left, number = PACKETS, 0
        while left > 0:
            # A pair of control packets stays together, so that replies are looked at as what they are.
            starts = [dice.randrange(len(whole)) for _ in range(min(left, AT_ONCE) // 2)]
            packets = [mutate(dice, whole[(start + i) % len(whole)]) for start in starts for i in (0, 1)]
            capture = self.home.place("fuzz.pcap", pcap([upper_pdu(packet) for packet in packets]))
            shown = self.dissect(capture, f"seed {SEED}, part {number}")
            self.assertGreater(shown.count(b"Clustered TDB (all packets)"), len(packets) * 0.95)
            left, number = left - len(packets), number + 1

    def test_damaged_ring_frames_do_no_harm(self):
        dice = random.Random(SEED)
        frames = [ring_frame(content, kind) for kind, content in samples.connection_frames()]
        header = len(frames[0]) - len(samples.connection_frames()[0][1]) - 16
        damaged = [frame[:header] + mutate(dice, frame[header:]) for frame in (dice.choice(frames) for _ in range(PACKETS // 10))]
        self.assertGreater(self.dissect(self.home.place("rings.pcap", pcap(damaged)), f"seed {SEED}").count(b"CTDB ring frame"), len(damaged) * 0.9)

    def test_damaged_chunks_of_verbs_do_no_harm(self):
        dice = random.Random(SEED)
        whole = samples.controls() + samples.golden()
        frames, queue_pair = [], 0
        while len(frames) < PACKETS // 10:
            # A stream that has lost its thread does not find it again soon, so there are many of them.
            queue_pair += 1
            stream, at = RoceStream(queue_pair), dice.randrange(len(whole))
            for chunk in samples.chunks(whole[at:at + 40], dice.randrange(2)):
                frames += stream.send(mutate(dice, chunk) if dice.random() < 0.3 else chunk)
        frames = [frame if dice.random() < 0.9 else frame[:54] + mutate(dice, frame[54:]) for frame in frames]
        # Wireshark 4.0's own dissector of RPC over RDMA takes what is no chunk any more, and aborts over a last piece without a first one.
        shown = self.dissect(self.home.place("chunks.pcap", pcap(frames, ETHERNET)), f"seed {SEED}", "--disable-protocol", "rpcordma")
        self.assertGreater(shown.count(b"CTDB verbs chunk"), len(frames) // 2)
        self.assertGreater(shown.count(b"Clustered TDB (all packets)"), len(frames) // 2)

    def test_damaged_tcp_streams_do_no_harm(self):
        dice = random.Random(SEED)
        stream = bytearray(b"".join(samples.controls() + samples.golden() + samples.messages()) * 20)
        for _ in range(len(stream) // 2000):
            stream[dice.randrange(len(stream))] ^= 1 << dice.randrange(8)
        segments, at, connection = [], 0, 0
        while at < len(stream):
            # A stream that has lost its thread does not find it again, so there are many of them.
            size, tcp = dice.randrange(1, 1400), TcpStream(source_port=40000 + connection)
            for _ in range(10):
                segments.append(tcp.segment(bytes(stream[at:at + size])))
                at += size
            connection += 1
        capture = self.home.place("damaged.pcap", pcap(segments, ETHERNET))
        self.assertGreater(self.dissect(capture, f"seed {SEED}").count(b"Clustered TDB (all packets)"), 1000)


if __name__ == "__main__":
    unittest.main()
