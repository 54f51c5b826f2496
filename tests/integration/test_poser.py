# SPDX-License-Identifier: GPL-3.0-or-later
"""An unprivileged local process that poses as a node that is down: refused, named in the log, and nothing else happens."""
import os
import socket
import struct
import tempfile
import traceback
import unittest

from support import HEADER, NetworkNamespace, packet, start_cluster, wait_until

HELLO, HELLO_REFUSED = 0x1000, 0x1001
NOBODY = 65534


def hello(source, destination, proof=bytes(48), versions=(1, 1)):
    name = b"ctdb"
    body = struct.pack("<IIQQQI", *versions, 0, 0x1234, 1 << 40, len(name)) + name + proof
    return packet(HELLO, body, srcnode=source, destnode=destination)


def all_of(connection):
    said = b""
    try:
        while part := connection.recv(4096):
            said += part
    except ConnectionResetError:
        pass
    return said


class PoserTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-poser-")
        self.addCleanup(directory.cleanup)
        self.namespace = NetworkNamespace()
        self.addCleanup(self.namespace.close)
        self.cluster = start_cluster(directory.name, self.addCleanup, namespace=self.namespace)

    def as_nobody(self, work):
        """Runs work(), which returns bytes, in a process without rights in the cluster's network, and returns them."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                self.namespace.enter()
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
                os.write(writing, work())
            except Exception:  # the parent sees that nothing was said; this says why
                traceback.print_exc()
            finally:
                os._exit(0)
        os.close(writing)
        with open(reading, "rb") as source:
            said = source.read()
        os.waitpid(child, 0)
        return said

    def log(self, node):
        with open(self.cluster.nodes[node].log_path("ctdb-router")) as log:
            return log.read()

    def linked(self, node, other):
        """How often the two were: on a busy machine a link may go down by itself."""
        return self.log(node).count(f"link to node {other.index} ({other.address}) is up")

    def operations(self, said):
        found = []
        while len(said) >= HEADER.size:
            fields = HEADER.unpack_from(said)
            found.append(fields[4])
            said = said[fields[0]:]
        return found

    def dial(self, source, destination, said):
        """What is answered to who says that from the address of a node that is down."""
        def work():
            with socket.socket() as connection:
                connection.bind((source.address, 0))
                connection.connect((destination.address, self.cluster.port))
                connection.sendall(said)
                return all_of(connection)
        return self.as_nobody(work)

    def test_one_of_a_release_too_far_away(self):
        """Both sides are told which of the two is to be upgraded, and the administrator sees it first."""
        down, node = self.cluster.nodes[2], self.cluster.nodes[0]
        down.kill()
        for versions, older in (((77, 78), 0), ((0, 0), 2)):
            reason = (f"no common version: {versions[0]} to {versions[1]} there, 1 to 2 here "
                      f"(node {older} has the older release: upgrade it)")
            said = self.dial(down, node, hello(2, 0, versions=versions))
            self.assertEqual(self.operations(said), [HELLO_REFUSED])
            self.assertIn(reason.encode(), said)
            wait_until(lambda: f"no link to 2 ({reason})" in node.cli("status").stdout.splitlines()[0], "status says it in its first line")
            self.assertIn(f"no link to node 2 (127.0.0.3): {reason}", self.log(0))
        down.start()
        self.cluster.wait_healthy()

    def test_one_that_dials(self):
        down, victim = self.cluster.nodes[2], self.cluster.nodes[0]
        down.kill()
        before, linked = self.cluster.daemon_pids(), self.linked(0, down)

        for proof, reason in ((bytes(48), "it has no cluster key"), (b"x" * 48, "it does not know this cluster's key")):
            said = self.dial(down, victim, hello(2, 0, proof))
            self.assertEqual(self.operations(said), [HELLO_REFUSED])
            self.assertIn(reason.encode(), said)
            wait_until(lambda: reason in self.log(0), "the router's log names it")
        self.assertEqual(self.linked(0, down), linked)
        self.assertEqual(self.cluster.daemon_pids(), before)
        down.start()
        self.cluster.wait_healthy()

    def test_one_that_listens(self):
        down = self.cluster.nodes[0]
        down.kill()
        linked = {node: self.linked(node, down) for node in (1, 2)}

        def listen():
            with socket.create_server((down.address, self.cluster.port)) as listener:
                listener.settimeout(60)
                connection, (peer, _) = listener.accept()
                with connection:
                    connection.settimeout(60)
                    source = int(peer.rsplit(".", 1)[1]) - 1
                    connection.sendall(hello(0, source, b"x" * 48))
                    return struct.pack("<I", source) + all_of(connection)

        said = self.as_nobody(listen)
        node = struct.unpack_from("<I", said)[0]
        self.assertEqual(self.operations(said[4:]), [HELLO, HELLO_REFUSED])
        wait_until(lambda: "does not know this cluster's key" in self.log(node), "the router's log names it")
        self.assertEqual(self.linked(node, down), linked[node])
        down.start()
        self.cluster.wait_healthy()


if __name__ == "__main__":
    unittest.main()
