# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mistake of the two files, as an administrator meets it: one line with the remedy in `systemctl status`, exit status 78, no second start.
Where else what is wrong with configuration and nodes is shown:

  mistakes of ctdb.conf and nodes, each daemon by itself    integration/test_configuration.py (CASES, which are used here)
  a change for the worse while the node runs                test_one_node.py, test_reload_says_what_needs_a_restart
  own address missing: waits                                test_one_node.py, vm/test_systemd.py
  key file the router may not read                          test_one_node.py, test_a_key_that_the_router_may_not_read
  another key, cluster name or nodes file on another node   test_three_nodes.py, integration/test_poser.py, test_nodes.py
  path or port taken, read-only and full directories        test_one_node.py, integration/test_configuration.py
  comments, deleted lines, numbers, witnesses               unit/runtime/nodes_file_test.cc
"""
import os
import sys
import unittest

from machine import Machine
from node import Node
from root import ROOT

sys.path.insert(0, f"{ROOT}/tests/integration")
from test_configuration import CASES, GOOD_NODES, make  # noqa: E402

FILES = ("ctdb.conf", "nodes")
# {what: (file, mode, who owns it, what the line says)}
RIGHTS = {
    "may not be read": ("ctdb.conf", 0o600, r"ctdb\.conf.*ermission denied"),
    "nodes may not be read": ("nodes", 0o600, r"nodes.*ermission denied"),
    "everybody may change it": ("ctdb.conf", 0o666, r"ctdb\.conf: everybody may change it \(chmod o-w "),
    "everybody may change nodes": ("nodes", 0o666, r"nodes: everybody may change it \(chmod o-w "),
}


class WrongConfigurationTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.machine = Machine()
        cls.addClassCleanup(cls.machine.close)
        cls.node = Node(cls.machine)
        cls.machine.run("ip", "link", "set", "lo", "up")

    def configure(self, *contents):
        for name, content in zip(FILES, contents):
            path = self.machine.seen_from_here(f"/etc/ctdb/{name}")
            if os.path.exists(path):
                os.remove(path)
            if content is not None:
                make(path, content)

    def check(self):
        return self.machine.run("sh", "-c", "ctdb-cli config check 2>&1", check=False)

    def is_told(self, pattern):
        unit = self.node.unit("router")
        self.machine.run("systemctl", "reset-failed", check=False)
        self.machine.run("systemctl", "start", unit, check=False)
        state = self.machine.show(unit, "ActiveState", "ExecMainStatus", "NRestarts", "StatusText")
        self.assertEqual(state[:3], ["failed", "78", "0"])
        self.assertRegex(state[3], pattern)
        self.assertIn(" (", state[3], "no remedy")
        return state[3].rsplit(" (", 1)[1].rstrip(")")

    def test_mistakes_in_the_files(self):
        for name, (conf, nodes, pattern) in CASES.items():
            with self.subTest(name):
                self.configure(conf, nodes)
                remedy = self.is_told(pattern)
                self.assertIn(remedy, self.check())

    def test_rights(self):
        for name, (file, mode, pattern) in RIGHTS.items():
            with self.subTest(name):
                self.configure("", GOOD_NODES)
                os.chmod(self.machine.seen_from_here(f"/etc/ctdb/{file}"), mode)
                self.is_told(pattern)
                self.assertIn(f"chmod {'o-w' if mode & 2 else 'a+r'} /etc/ctdb/{file}", self.check())

    def test_a_key_that_the_router_may_not_read_is_seen_before_the_start(self):
        self.configure("", "127.0.0.1\n")
        self.machine.write("/etc/ctdb/cluster.key", "0123456789" * 5, "640")
        self.addCleanup(self.machine.run, "rm", "/etc/ctdb/cluster.key")
        self.assertIn("the router's user may not read it", self.check())
        self.machine.run("chgrp", "ctdb-router", "/etc/ctdb/cluster.key")
        self.assertIn("good: ", self.check())

    def test_once_it_is_mended_it_starts(self):
        self.configure("[cluster]\nport = many\n", GOOD_NODES)
        self.is_told("'many' is not a port")
        self.configure("", "127.0.0.1\n")
        self.machine.run("systemctl", "reset-failed", check=False)
        self.node.start()
        self.node.wait()
        self.node.stop()


if __name__ == "__main__":
    unittest.main()
