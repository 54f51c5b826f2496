# SPDX-License-Identifier: GPL-3.0-or-later
"""What the integration tests share: clusters of real processes, a bare client on the classic socket, waiting."""
import os
import socket
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "cluster"))

from chaos import run_chaos  # noqa: E402,F401
from classic import ClassicCluster  # noqa: E402,F401
from cluster import Cluster  # noqa: E402
from netns import NetworkNamespace  # noqa: E402
from network_faults import NetworkFaults  # noqa: E402,F401
from processes import cost_of, memory_bytes  # noqa: E402,F401
from waiting import wait_until  # noqa: E402,F401
from disturbed import STORE_AWAY, Said, SinceHealthy, Undisturbed  # noqa: E402,F401

BUILD = os.environ.get("CTDB_BUILD", os.path.join(ROOT, "build", "dev"))
BIN = os.path.join(BUILD, "bin")


def start_cluster(directory, cleanup, nodes=3, namespace=None, healthy=True, **options):
    """A cluster, healthy unless that is not asked for, in a network namespace, by default in one of its own; `cleanup` (a
    test's addCleanup) is told how to end it. `options` are Cluster's."""
    if namespace is None:
        namespace = NetworkNamespace()
        cleanup(namespace.close)
    cluster = Cluster(directory, nodes=nodes, bin_dir=BIN, wrap=namespace.wrap, **options)
    cleanup(cluster.stop)
    cluster.start()
    if healthy:
        cluster.wait_healthy()
    cluster.since_healthy = SinceHealthy(cluster)
    return cluster


def start_cluster_with_faults(test, prefix, **options):
    """A healthy cluster of three for one test, and what can happen to its network: (cluster, NetworkFaults, NetworkNamespace).
    `options` are Cluster's."""
    directory = tempfile.TemporaryDirectory(prefix=prefix)
    test.addCleanup(directory.cleanup)
    namespace = NetworkNamespace()
    test.addCleanup(namespace.close)
    cluster = start_cluster(directory.name, test.addCleanup, namespace=namespace, **options)
    return cluster, NetworkFaults(namespace), namespace


def run_tool(node, *words):
    """Debian's ctdb tool on a node of ours."""
    environment = dict(os.environ, CTDB_TEST_MODE="1", CTDB_BASE=node.base, CTDB_SOCKET=node.classic_socket)
    return subprocess.run(["ctdb", *words], env=environment, capture_output=True, text=True, timeout=120)


def tool_again(cluster, node, *words):
    """A recovery that comes in between makes some commands of the tool fail, with Debian's ctdbd as well. On a machine that is much too busy
    one may come when nobody wants it: then the command is run again."""
    for _ in range(3):
        since = Said(cluster)
        done = run_tool(cluster.nodes[node], *words)
        if done.returncode == 0 or not since.recoveries():
            break
    return done


def start_counting(test, program, node, api, database, key, count, **options):
    """A client of tests/clients that counts in one record of `database`; `test` (a TestCase with a cluster) ends it."""
    at = test.cluster.nodes[node]
    where = ["--setup", at.setup_socket] if api == "native" else ["--socket", at.classic_socket]
    more = [word for option, value in options.items() for word in (f"--{option}", str(value))]
    process = subprocess.Popen([f"{BIN}/{program}", *where, "--db", database, "--key", key, "--count", str(count), *more],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    test.addCleanup(end_client, process)
    return process


def end_client(process):
    if process.poll() is None:
        process.kill()
        process.communicate()


class Increments:
    """For tests that have `self.cluster` and a name for it in DATABASE: clients that count in one record (ctdb-increment)."""

    DATABASE = "counter.tdb"

    def start(self, node, api, key, count=1, **options):
        return start_counting(self, "ctdb-increment", node, api, self.DATABASE, key, count, **options)

    def finish(self, process):
        out, err = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 0, err)
        return int(out.split()[-1])

    def add(self, node, api, key, count=1):
        """The record's value afterwards."""
        return self.finish(self.start(node, api, key, count))

    def value(self, key, node=0):
        return self.add(node, "native", key, 0)


def assert_counted(test, value, least, most=None, since=None, why=()):
    """A counter that `test` (a TestCase with a cluster) has read: nothing that was acknowledged is lost, nothing counted twice. A node that is
    too late for its lease, on a busy machine, may lose what only it has: never without such a reason in its log, and never in silence.
    `since`: a Said of when it began; `why`: more reasons that are none of a fault, in this test."""
    test.assertLessEqual(value, least if most is None else most, "counted twice")
    if value >= least:
        return
    since = since or Said(test.cluster, now=False)
    test.assertTrue(since.too_late(*why), f"{least - value} increments are lost, and no node was too late for its lease")
    test.assertTrue(since.fallen_back(), f"{least - value} increments are lost in silence; {since.too_late(*why)}")


HEADER = struct.Struct("<8I")
MAGIC = 0x43544442
CURRENT_NODE = 0xF0000001


def packet(operation, body, destnode=CURRENT_NODE, srcnode=0, reqid=1, generation=0, version=1, magic=MAGIC):
    return HEADER.pack(32 + len(body), magic, version, generation, operation, destnode, srcnode, reqid) + body


def control(opcode, data=b"", srvid=0, flags=0, **header):
    return packet(7, struct.pack("<IIQIII", opcode, 0, srvid, 0, flags, len(data)) + data, **header)


class RawClient:
    """A connection to a classic socket that sends what it is told and reads whole packets."""

    def __init__(self, path, timeout=120):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next packet, or None when the daemon has closed the connection."""
        head = self._exactly(4)
        if head is None:
            return None
        rest = self._exactly(struct.unpack("<I", head)[0] - 4)
        return None if rest is None else head + rest

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            try:
                part = self.socket.recv(size - len(data))
            except ConnectionResetError:
                return None
            if not part:
                return None
            data += part
        return data

    def ask(self, opcode, data=b"", **more):
        """Sends a control and returns (status, data, error text) of its answer; other packets are passed over."""
        reqid = more.pop("reqid", 77)
        self.send(control(opcode, data, reqid=reqid, **more))
        while True:
            answer = self.receive()
            if answer is None:
                raise ConnectionError("the daemon closed the connection")
            fields = HEADER.unpack_from(answer)
            if fields[4] == 8 and fields[7] == reqid:
                status, size, error = struct.unpack_from("<iII", answer, 32)
                return status, answer[44:44 + size], answer[44 + size:44 + size + error].decode()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
