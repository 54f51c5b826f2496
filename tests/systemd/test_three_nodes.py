# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of three nodes on one machine, each in a network namespace of its own (ctdb@NAME.target), under load."""
import json
import unittest

from machine import Machine, wait_until
from node import DAEMONS, Node

NAMES = ("a", "b", "c")
NETWORK = """
ip link add bridge type bridge && ip link set bridge up
number=1
for name in a b c; do
  ip netns add $name
  ip link add to-$name type veth peer name eth0 netns $name
  ip link set to-$name master bridge up
  ip -n $name link set lo up
  ip -n $name link set eth0 up
  ip -n $name addr add 10.2.0.$number/24 dev eth0
  install -d -m 775 -g ctdb-router /etc/ctdb-$name
  printf '10.2.0.1\\n10.2.0.2\\n10.2.0.3\\n' >/etc/ctdb-$name/nodes
  (umask 027; echo 0123456789012345678901234567890123456789 >/etc/ctdb-$name/cluster.key)
  chgrp ctdb-router /etc/ctdb-$name/cluster.key
  number=$((number + 1))
done
"""
CUT = """
table inet cut {
  chain input {
    type filter hook input priority 0
    iifname eth0 drop
  }
}
"""


class ThreeNodesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.machine = Machine()
        cls.addClassCleanup(cls.machine.close)
        cls.machine.run("sh", "-e", "-c", NETWORK)
        cls.nodes = [Node(cls.machine, name) for name in NAMES]
        cls.machine.run("systemctl", "start", *[node.target for node in cls.nodes])
        for node in cls.nodes:
            node.wait()

    def setUp(self):
        self.machine.run("systemctl", "reset-failed")
        self.loads, self.begun = [], self.machine.cursor()

    def begin_load(self, key):
        self.loads = [node.counting(key) for node in self.nodes]
        self.wait_for_more()

    def wait_for_more(self):
        for load in self.loads:
            load.wait_for_more()

    def fallen_back(self, since=None):
        """What this cluster has said of records for which an older copy had to be taken."""
        return [line for node in self.nodes for line in node.fallen_back(since or self.begun)]

    def end_load(self):
        """Nothing was lost, or it was reported."""
        self.wait_for_more()
        values = sorted(value for load in self.loads for value in load.stop())
        if not self.fallen_back():
            self.assertEqual(values, list(range(1, len(values) + 1)))
        for node in self.nodes:
            node.wait()

    def test_a_record_moves(self):
        for turn, node in enumerate(self.nodes, 1):
            node.cli("record", "put", "move.tdb", "key", str(turn))
        self.assertIn("3", self.nodes[0].cli("record", "get", "move.tdb", "key"))

    def test_the_routers_may_change_their_nodes_files(self):
        files = [f"/etc/ctdb-{name}/nodes" for name in NAMES]
        before = self.machine.run("cat", *files)
        self.nodes[0].cli("node", "add", "10.2.0.4")
        self.assertEqual(self.machine.run("cat", *files).count("10.2.0.4"), 3)
        self.nodes[0].cli("node", "remove", "3")
        self.assertNotIn("\n10.2.0.4", self.machine.run("cat", *files))
        self.assertEqual(before.count("10.2.0.3"), 3)
        for node in self.nodes:
            node.wait()

    def test_daemons_are_killed_under_load(self):
        self.begin_load("killed")
        for node, daemon in zip(self.nodes, DAEMONS):
            old = node.pid(daemon)
            self.machine.kill(node.unit(daemon))
            node.wait_for_another(daemon, old)
            for other in self.nodes:
                other.wait()
            self.wait_for_more()
        self.end_load()

    def test_programs_are_replaced_one_after_another(self):
        self.begin_load("upgrade")
        self.machine.run("sh", "-e", "-c", "cd /usr/sbin; for program in ctdb-router ctdb-store ctdb-recoveryd; do "
                         "cp $program $program.new; mv $program.new $program; done")
        for node in self.nodes:
            for daemon in DAEMONS:
                self.machine.run("systemctl", "restart", node.unit(daemon))
                for other in self.nodes:
                    other.wait()
                self.wait_for_more()
        self.end_load()
        for node in self.nodes:
            for daemon in DAEMONS:
                program = self.machine.run("readlink", f"/proc/{node.pid(daemon)}/exe").strip()
                self.assertEqual(program, f"/usr/sbin/ctdb-{daemon}", "it runs the old one")

    def test_a_node_that_is_cut_off_stops_serving_and_comes_back(self):
        alone, rest = self.nodes[2], self.nodes[:2]
        alone.increments("cut", 1).communicate()
        self.machine.run("ip", "netns", "exec", "c", "nft", "-f", "-", stdin=CUT)
        wait_until(lambda: alone.status()["recovering"] and not alone.status()["healthy"], "it knows that it is alone")
        self.assertNotEqual(alone.status()["reason"], "")
        wait_until(lambda: all(node.status()["members"] == 2 for node in rest), "the others go on as two")
        load = rest[0].counting("go-on")
        load.wait_for_more()
        load.stop()
        self.machine.run("ip", "netns", "exec", "c", "nft", "delete", "table", "inet", "cut")
        for node in self.nodes:
            node.wait()
        value = self.nodes[2].value("go-on")
        self.assertTrue(value == len(load.done()) or self.fallen_back(), f"{value}, not {len(load.done())}, and nobody has said so")

    def in_each_network(self, *words, **options):
        for name in NAMES:
            self.machine.run("ip", "netns", "exec", name, *words, **options)

    def test_a_boot_before_the_network_is_there_and_over_a_slow_one(self):
        for node in self.nodes:
            node.stop()
        self.in_each_network("nft", "-f", "-", stdin=CUT)
        for node in self.nodes:
            node.start()
        first = self.nodes[0]
        wait_until(lambda: "no link to 1 2" in first.status_text("router"), lambda: first.status_text("router"))
        wait_until(lambda: "quorum" in first.status_text("recoveryd"), lambda: first.status_text("recoveryd"))
        self.assertFalse(first.status()["healthy"])
        self.addCleanup(self.in_each_network, "tc", "qdisc", "del", "dev", "eth0", "root", check=False)
        self.in_each_network("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "128kbit", "burst", "4kb", "latency", "2s")
        self.in_each_network("nft", "delete", "table", "inet", "cut")
        for node in self.nodes:
            node.wait()
        first.cli("--timeout", "100", "record", "put", "slow.tdb", "key", "value")
        self.assertIn("value", self.nodes[1].cli("--timeout", "100", "record", "get", "slow.tdb", "key"))

    def test_a_node_with_another_key_says_so_and_the_start_ends(self):
        odd = self.nodes[2]
        odd.stop()
        key = "/etc/ctdb-c/cluster.key"
        right = self.machine.run("cat", key)
        self.machine.write(key, "9876543210" * 4 + "\n", "640")
        odd.start()
        why = "it does not know this cluster's key (give both nodes the same [cluster] key file"
        for daemon in DAEMONS:
            self.assertEqual(self.machine.show(odd.unit(daemon), "ActiveState"), "active")
        wait_until(lambda: why in odd.status_text("router") and why in odd.status()["reason"],
                   lambda: odd.status_text("router") + "\n" + odd.status()["reason"])
        wait_until(lambda: why in self.nodes[0].status()["reason"], lambda: self.nodes[0].status()["reason"])
        wait_until(lambda: "no link to 0 (" in odd.status_text("router"), lambda: odd.status_text("router"))
        self.machine.write(key, right, "640")
        self.machine.run("systemctl", "restart", odd.unit("router"))
        for node in self.nodes:
            node.wait()
        wait_until(lambda: "(" not in odd.status_text("router"), lambda: odd.status_text("router"))

    def test_a_node_that_stops_gives_its_records_away_first(self):
        node, other = self.nodes[1], self.nodes[0]
        keys = [f"only-here-{number}" for number in range(10)]
        for key in keys:
            node.cli("record", "put", "stop.tdb", key, f"value of {key}")
        self.addCleanup(node.start)  # the tests that follow need it
        cursor = self.machine.cursor()
        node.stop()
        # The journal and not the status line: systemd forgets a stopped unit that no enabled one names.
        said = self.machine.journal("-u", node.unit("store"), "--after-cursor", cursor)
        self.assertRegex(said, r"handed over \d+ records to other nodes in \d+ ms\n")
        wait_until(lambda: other.status()["members"] == 2, "the others go on as two")
        self.assertFalse(other.status()["healthy"])
        for key in keys:
            got = json.loads(other.cli("record", "get", "stop.tdb", key, "-o", "json"))
            self.assertEqual(got["value"], f"value of {key}")
        if not any(each.disturbances(cursor) for each in self.nodes if each != node):
            self.assertEqual(self.fallen_back(cursor), [])
        node.start()
        for each in self.nodes:
            each.wait()


if __name__ == "__main__":
    unittest.main()
