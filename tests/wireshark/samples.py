# SPDX-License-Identifier: GPL-3.0-or-later
"""One packet of each kind the protocol knows, made here by hand from the protocol's description, so that the plugin's tables are
compared with something that does not come from them. messages.def says which kinds there are."""
import glob
import os
import re
import struct

from tshark import ROOT

MAGIC, GENERATION = 0x43544442, 0x5EED0001
LOCKING, VOLATILE = 0x7A19D84D, 0x900F773E
REQ_CONTROL, REPLY_CONTROL = 7, 8
ROW = re.compile(r"^CTDB_(OPERATION|CONTROL)\((\w+), (\w+), (\w+), (\w+), (\w+)", re.M)


def rows(kind):
    """[(number, name, request, reply)] of messages.def."""
    with open(os.path.join(ROOT, "libctdbipc/wire/messages.def"), encoding="utf-8") as table:
        return [(int(number, 0), name, request, reply) for what, number, name, request, reply, _ in ROW.findall(table.read())
                if what == kind]


def packet(operation, payload, source=1, destination=0, reqid=1, generation=GENERATION):
    length = -(-(32 + len(payload)) // 8) * 8
    header = struct.pack("<8I", length, MAGIC, 1, generation, operation, destination, source, reqid)
    return (header + payload).ljust(length, b"\0")


def u32(*values):
    return struct.pack(f"<{len(values)}I", *values)


def counted(data):
    return u32(len(data)) + data


def sock_addr(port, *address):
    return struct.pack("<H", 2) + struct.pack(">H", port) + bytes(address) + b"\0" * 20


def sock_addr6(port):
    return struct.pack("<H", 10) + struct.pack(">H", port) + b"\0" * 4 + b"\xfd" + b"\0" * 14 + b"\x07" + b"\0" * 4


def timeval(seconds):
    return struct.pack("<qq", seconds, 250000)


def record(rsn=7, dmaster=1, flags=0x01010000, data=b"value"):
    return struct.pack("<QIII4x", rsn, dmaster, 0, flags) + data


def rec_data(key, value):
    return u32(16 + len(key) + len(value), 5, len(key), len(value)) + key + value


def latency(number):
    return struct.pack("<i4xddd", number, 0.25, 4.0, number * 1.5)


FILE_ID = struct.pack("<QQQ", 0xFD00, 4711, 0)
BUFFER = u32(LOCKING, 2) + rec_data(FILE_ID, record()) + rec_data(b"k", b"")
PUBLIC_IP = u32(2) + sock_addr(0, 10, 0, 0, 9)
IFACE = b"eth0".ljust(18, b"\0") + struct.pack("<HI", 1, 3)
CONNECTION = sock_addr(50000, 10, 1, 1, 1) + sock_addr6(445)
STATISTICS = (u32(*range(25)) + u32(0) + latency(1) + latency(2) + u32(1, 2, 3, 4) + latency(3) + u32(*range(16)) + u32(*range(6)) +
              u32(9) + u32(*range(16)) + u32(0) + latency(4) + latency(5) + u32(6, 0) + timeval(1700000000) + timeval(1700000100) +
              u32(7, 8))
# One of a classic daemon, with a pointer of its own, and one of ours.
HOT = struct.pack("<IIQQ", 12, 0, 0x5581DEAD0010, 4) + struct.pack("<IIHHIQ", 3, 1500, 2, 20, 3, 2) + b"\0" * 24 * 8 + b"key1k2"
STEPS = struct.pack("<6Q", *range(1, 7))
RECOVERY_STATISTICS = struct.pack("<4Q", 1, 2, 3, 4) + STEPS + u32(1) + struct.pack("<IQQQQQ", LOCKING, 5, 6, 7, 8, 9)

SAMPLES = {
    "none": b"", "empty": b"", "any": b"", "i32": struct.pack("<i", -4242), "u32": u32(LOCKING), "u64": struct.pack("<Q", 1 << 40),
    "double": struct.pack("<d", 0.125), "string": b"locking.tdb\0", "stringn": counted(b"MonitorInterval\0"),
    "vnnmap": u32(GENERATION, 3, 0, 1, 2), "dbid_map": u32(2, LOCKING, 0, VOLATILE, 1 | 8),
    "statistics": STATISTICS, "statistics_list": struct.pack("<I4x", 2) + STATISTICS * 2,
    "db_statistics": u32(1, 2, 3, 4) + latency(3) + u32(*range(16)) + latency(4) + u32(5, 6) + u32(*range(16)) + u32(10, 0) + HOT,
    "traverse_start": struct.pack("<IIQ", LOCKING, 3, 0xBE00 << 48 | 77),
    "traverse_start_ext": struct.pack("<IIQB7x", LOCKING, 3, 0xBE00 << 48 | 77, 1),
    "traverse_all": struct.pack("<IIIIQ", LOCKING, 3, 1, 9, 0xBE00 << 48 | 77),
    "traverse_all_ext": struct.pack("<IIIIQB7x", LOCKING, 3, 1, 9, 0xBE00 << 48 | 77, 1),
    "rec_data": rec_data(FILE_ID, record()), "rec_buffer": BUFFER,
    "key_data": struct.pack("<I4x", LOCKING) + record(data=b"") + counted(FILE_ID),
    "push_record": u32(GENERATION, LOCKING) + record(data=b"") + counted(FILE_ID) + counted(b"value"),
    "connection": CONNECTION, "sock_addr": sock_addr(0, 10, 0, 0, 9), "tickle_list": sock_addr(445, 10, 0, 0, 9) + u32(1) + CONNECTION,
    "public_ip": PUBLIC_IP, "public_ip_list": u32(2) + PUBLIC_IP * 2, "public_ip_info": PUBLIC_IP + u32(0, 1) + IFACE,
    "iface": IFACE, "iface_list": u32(2) + IFACE * 2, "addr_info": sock_addr(0, 10, 0, 0, 9) + u32(24) + counted(b"eth0,eth1\0"),
    "tunable": u32(30) + counted(b"MonitorInterval\0"), "tunable_list": u32(*range(62)),
    "node_flag_change": u32(2, 0x20, 0x02), "nodemap": u32(2) + u32(0, 0) + sock_addr(4379, 127, 0, 0, 1) + u32(1, 8) + sock_addr6(4379),
    "ban_state": u32(2, 300), "uptime": b"".join(timeval(1700000000 + i) for i in range(4)),
    "notify_data": struct.pack("<Q", 0xFE00 << 48) + counted(b"note"), "pid_srvid": struct.pack("<iQ", 4242, 99),
    "db_id_padded": u32(LOCKING, 0), "transdb": u32(LOCKING, GENERATION), "pulldb_ext": struct.pack("<IIQ", LOCKING, 0xFFFFFFFF, 0xF001 << 48 | 1),
    "db_vacuum": u32(LOCKING) + b"\1", "echo_data": u32(100) + counted(b"echo"), "db_copies": u32(VOLATILE, 3),
    "lock_waits": u32(1, LOCKING, 4242, 2) + struct.pack("<Q", 1500000000) + counted(FILE_ID) + counted(b"smbd"),
    "link_reports": u32(1, 1, 2) + struct.pack("<Q", 5000) + counted(b"") + struct.pack("<7Q", *range(7)) + u32(2) +
    struct.pack("<2Q", 8, 9),
    "edit_nodes": u32(1, 1, 1, 2) + struct.pack("<Q", 0x1122334455667788) + counted(b"10.0.0.3"),
    "recovery_record": u32(GENERATION, 1, 0, 2) + struct.pack("<qQQ", 1700000000123456789, 5000, 6000) + counted(b"node 2 is gone") +
    u32(1, 1) + struct.pack("<Q", 4000) + RECOVERY_STATISTICS + u32(1, 2),
}

MESSAGES = {
    0xF001 << 48 | 5: BUFFER, 0xF002 << 48: u32(2), 0xF100 << 48: u32(3, 0) + timeval(1700000000) + u32(1, 2), 0xF101 << 48: u32(1), 0xF200 << 48: b"",
    0xF300 << 48: b"10.0.0.9\0", 0xF301 << 48: b"10.0.0.9\0", 0xF302 << 48: b"", 0xF303 << 48: b"", 0xF500 << 48: PUBLIC_IP,
    0xF800 << 48: struct.pack("<I4xQ", 1, 0xCE01 << 48), 0xF900 << 48: u32(1, 2, 0), 0xFA00 << 48: b"",
    0xFB00 << 48: struct.pack("<I4xQ", 1, 0xCE01 << 48), 0xFB01 << 48: u32(2), 0xFB03 << 48: struct.pack("<I4xQI4x", 1, 0xCE01 << 48, 60),
    0xFB04 << 48: struct.pack("<I4xQI4x", 1, 0xCE01 << 48, 60), 0xFC00 << 48: u32(20),
    0xFE00 << 48 | 1: struct.pack("<QIIQ", 10, 0, 1, 2) * 2 + u32(0x301) + b"body", 4242: struct.pack("<QIIQ", 10, 0, 1, 2) * 2 + u32(0x301),
    0xBE00 << 48 | 77: rec_data(FILE_ID, record()), 0xCE01 << 48 | 3: u32(0), 0xEE00 << 48: b"nfsd", 0x1234 << 48: b"nobody's range",
}


def controls():
    """Request and reply of each control, and one that fails."""
    made = []
    for number, name, request, reply in rows("CONTROL"):
        reqid, payload, answer = 0x1000 + len(made), SAMPLES[request], SAMPLES[reply]
        made.append(packet(REQ_CONTROL, struct.pack("<I4xQIII", number, 0, 7, 0, len(payload)) + payload, reqid=reqid))
        made.append(packet(REPLY_CONTROL, struct.pack("<iII", 0, len(answer), 0) + answer, source=0, destination=1, reqid=reqid))
    text = b"ctdb_control to disconnected node"
    made.append(packet(REQ_CONTROL, struct.pack("<I4xQIII", 91, 0, 7, 0, 0), reqid=9))
    made.append(packet(REPLY_CONTROL, struct.pack("<iII", -1, 0, len(text)) + text, source=0, destination=1, reqid=9))
    return made


def messages():
    return [packet(5, struct.pack("<QI", srvid, len(data)) + data, reqid=0) for srvid, data in MESSAGES.items()]


def golden():
    """The packets that codec and fuzz targets read as well, all of the router's and recoveryd's own operations among them."""
    made = []
    for path in sorted(glob.glob(os.path.join(ROOT, "tests/golden/packets/*.bin"))):
        with open(path, "rb") as source:
            made.append(source.read())
    return made


def call(node, to, key, reqid, hops=0, generation=GENERATION):
    return packet(0, u32(1, VOLATILE, 0xFF000001, hops, len(key), 0) + key, node, to, reqid, generation)


def req_dmaster(node, to, new, key, reqid, rsn=9, generation=GENERATION):
    return packet(2, struct.pack("<I4xQIII", VOLATILE, rsn, new, len(key), 5) + key + b"value" + u32(0x10000), node, to, reqid, generation)


def reply_dmaster(node, to, key, reqid, rsn=9, generation=GENERATION):
    return packet(3, struct.pack("<I4xQII", VOLATILE, rsn, len(key), 5) + key + b"value" + u32(0x10000), node, to, reqid, generation)


# ---- what packets travel in ----

def enumerators(path, name):
    """{value: its name without the k} of an enum class of ours."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as source:
        body = re.search(r"enum class %s[^{]*{(.*?)\n};" % name, source.read(), re.S)[1]
    return {int(value): word for word, value in re.findall(r"^\s*k(\w+) = (\d+)", body, re.M)}


CHUNK_DATA, CHUNK_TOLD, CHUNK_PING, CHUNK_PONG = 1, 2, 3, 4
CHUNK_BYTES = 4096


def chunk(kind, sequence, payload=b"", limit=32, received=7):
    return struct.pack("<IIQQQ", 0x43445456, kind, sequence, limit, received) + payload


def chunks(packets, first=0):
    """Packets of a verbs link in as few chunks as they fit into."""
    stream, room = b"".join(packets), CHUNK_BYTES - 32
    pieces = [stream[at:at + room] for at in range(0, len(stream), room)]
    return [chunk(CHUNK_DATA, first + number, piece) for number, piece in enumerate(pieces)]


def connection_frames():
    """[(kind, content)] of every kind of frame about a client's connection."""
    contents = {1: packet(REQ_CONTROL, struct.pack("<I4xQIII", 3, 0, 0, 0, 0), reqid=77), 2: struct.pack("<Q", 40), 3: struct.pack("<Q", 12)}
    return [(kind, contents.get(kind, b"\0" * 8)) for kind in enumerators("libctdbipc/ring/connection_states.h", "ConnectionFrame") if kind != 0]
