# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures of packets that no network card has seen: link type 252, as the router writes them, and TCP."""
import struct

UPPER_PDU = 252
ETHERNET = 1
HEURISTIC_NAME = 13  # tag of the dissector's name


def tag(number, value):
    value += b"\0" * (-len(value) % 4)
    return struct.pack(">HH", number, len(value)) + value


def upper_pdu(packet, heuristic="ctdb_tcp"):
    return tag(HEURISTIC_NAME, heuristic.encode()) + tag(0, b"") + packet


def pcap(frames, link=UPPER_PDU):
    """A file; the frames are a millisecond apart."""
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 26, link)
    for number, frame in enumerate(frames):
        at = 1700000000000000 + number * 1000
        out += struct.pack("<IIII", at // 1000000, at % 1000000, len(frame), len(frame)) + frame
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
