# SPDX-License-Identifier: GPL-3.0-or-later
"""The flight recorders of router and store can be switched off: then they keep nothing, and ctdb-cli capture --last says so."""
import os
import tempfile
import unittest

from support import start_cluster

RECORDED = ("ctdb-router", "ctdb-store")


class FlightRecorderTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-flight-")
        self.addCleanup(directory.cleanup)
        self.cluster = start_cluster(directory.name, self.addCleanup, nodes=1)
        self.node = self.cluster.nodes[0]

    def last(self):
        path = os.path.join(self.cluster.directory, "last.pcapng")
        return self.node.cli("capture", "--last", "--write", path)

    def recorders(self):
        return sorted(name for name in os.listdir(self.node.base) if name.endswith(".flight"))

    def mapped(self):
        """Daemons that have a flight recorder in their memory."""
        def maps(name):
            with open(f"/proc/{self.node.daemons[name].pid}/maps") as source:
                return source.read()
        return [name for name in RECORDED if ".flight" in maps(name)]

    def start_again(self, packets):
        self.node.stop()
        self.node.options = {"logging": {"flight recorder": packets}}
        self.node.write_configuration()
        self.node.start()
        self.cluster.wait_healthy()

    def test_zero_switches_it_off(self):
        self.assertEqual(self.last().returncode, 0)
        self.assertEqual(self.mapped(), list(RECORDED))
        self.assertEqual(self.recorders(), [f"{name}.flight" for name in RECORDED])
        self.start_again(0)
        self.assertEqual(self.mapped(), [])
        self.assertEqual(self.recorders(), [], "keys of an earlier life are kept")
        done = self.last()
        self.assertEqual(done.returncode, 4)
        self.assertRegex(done.stderr, r"ctdb-router\.flight.*flight recorder = 0.*ctdb\.conf")
        self.start_again(64)
        self.assertEqual(self.mapped(), list(RECORDED))
        self.assertEqual(self.last().returncode, 0)

    def test_what_one_daemon_keeps_is_written_without_the_others(self):
        os.unlink(os.path.join(self.node.base, "ctdb-router.flight"))
        done = self.last()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"without the packets of ctdb-router: .*ctdb-router\.flight")


if __name__ == "__main__":
    unittest.main()
