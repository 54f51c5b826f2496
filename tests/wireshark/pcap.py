# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures of packets that no network card has seen: link type 252, as the router writes them, and TCP."""
import struct

UPPER_PDU = 252
ETHERNET = 1
DISSECTOR_NAME, HEURISTIC_NAME = 12, 13  # tags


def tag(number, value):
    value += b"\0" * (-len(value) % 4)
    return struct.pack(">HH", number, len(value)) + value


def upper_pdu(packet, heuristic="ctdb_tcp"):
    return tag(HEURISTIC_NAME, heuristic.encode()) + tag(0, b"") + packet


def ring_frame(content, flags=0, endpoint=5):
    """As it is in a ring of shared memory, named for our plugin."""
    header = struct.pack("<4I", len(content), endpoint, flags, ~len(content) & 0xFFFFFFFF)
    return tag(DISSECTOR_NAME, b"ctdbx_ring") + tag(0, b"") + header + content


def pcap(frames, link=UPPER_PDU, missing=0):
    """A file; the frames are a millisecond apart, and `missing` bytes of each were not captured."""
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 26, link)
    for number, frame in enumerate(frames):
        at = 1700000000000000 + number * 1000
        out += struct.pack("<IIII", at // 1000000, at % 1000000, len(frame), len(frame) + missing) + frame
    return out


class TcpStream:
    """Frames of one direction of a connection between 127.0.0.1 and 127.0.0.2."""

    def __init__(self, port=4379, source_port=40000):
        self.ports = source_port, port
        self.sequence = 1

    def segment(self, data):
        tcp = struct.pack(">HHIIBBHHH", *self.ports, self.sequence, 1, 0x50, 0x18, 65535, 0, 0)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(data), 0, 0x4000, 64, 6, 0, bytes((127, 0, 0, 1)),
                         bytes((127, 0, 0, 2)))
        self.sequence += len(data)
        return b"\0" * 12 + b"\x08\0" + ip + tcp + data


class RoceStream:
    """Frames of one direction between two queue pairs on 127.0.0.1 and 127.0.0.2, as RoCE version 2 sends them."""
    MTU = 1024
    FIRST, MIDDLE, LAST, ONLY = 0, 1, 2, 4

    def __init__(self, queue_pair=17):
        self.queue_pair = queue_pair
        self.number = 0

    def _frame(self, opcode, piece):
        pad = -len(piece) % 4
        base = struct.pack(">BBHII", opcode, 0x40 | pad << 4, 0xFFFF, self.queue_pair, self.number)
        self.number += 1
        udp = base + piece + b"\0" * pad + b"\0" * 4
        udp = struct.pack(">HHHH", 50000, 4791, 8 + len(udp), 0) + udp
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0x4000, 64, 17, 0, bytes((127, 0, 0, 1)), bytes((127, 0, 0, 2)))
        return b"\0" * 12 + b"\x08\0" + ip + udp

    def send(self, message):
        """The frames of one message."""
        pieces = [message[at:at + self.MTU] for at in range(0, len(message), self.MTU)]
        if len(pieces) == 1:
            return [self._frame(self.ONLY, message)]
        return [self._frame(self.FIRST if at == 0 else self.LAST if at == len(pieces) - 1 else self.MIDDLE, piece)
                for at, piece in enumerate(pieces)]
