# SPDX-License-Identifier: GPL-3.0-or-later
"""A wrong configuration: file, line, remedy, exit status 78, nothing started."""
import os
import re
import subprocess
import tempfile
import unittest

from support import BIN

DAEMONS = ("ctdb-router", "ctdb-store", "ctdb-recoveryd")
GOOD_NODES = "127.0.0.1\n127.0.0.2\n"
CASES = {
    "unknown option": ("[cluster]\nnode adress = 127.0.0.1\n", GOOD_NODES, r"ctdb\.conf:2: .*adress.*node address"),
    "value out of range": ("[cluster]\nport = 70000\n", GOOD_NODES, r"ctdb\.conf:2: "),
    "not an option line": ("[cluster]\nwhat is this\n", GOOD_NODES, r"ctdb\.conf:2: "),
    "set twice": ("[cluster]\nport = 1\nport = 2\n", GOOD_NODES, r"ctdb\.conf:3: "),
    "binary": ("\0\1\2", GOOD_NODES, r"ctdb\.conf"),
    "nodes: not an address": ("", "127.0.0.1\nhello\n", r"nodes:2: .*hello"),
    "nodes: twice": ("", "127.0.0.1\n127.0.0.1\n", r"nodes:2: "),
    "nodes: empty": ("", "", r"nodes: .*no node"),
    "nodes: missing": ("", None, r"nodes: "),
    "not in nodes": ("[cluster]\nnode address = 127.0.0.9\n", GOOD_NODES, r"127\.0\.0\.9.*nodes"),
}


class ConfigurationTest(unittest.TestCase):
    def test_wrong_configurations(self):
        for name, (conf, nodes, pattern) in CASES.items():
            for daemon in DAEMONS:
                with self.subTest(name, daemon=daemon), tempfile.TemporaryDirectory(prefix="ctdb-conf-") as base:
                    with open(os.path.join(base, "ctdb.conf"), "w") as out:
                        out.write(conf)
                    if nodes is not None:
                        with open(os.path.join(base, "nodes"), "w") as out:
                            out.write(nodes)
                    before = sorted(os.listdir(base))
                    done = subprocess.run([f"{BIN}/{daemon}", "--base", base], capture_output=True, text=True,
                                          timeout=30)
                    self.assertEqual(done.returncode, 78, done.stderr)
                    self.assertTrue(re.search(pattern, done.stderr), done.stderr)
                    self.assertIn("(", done.stderr, "no remedy")
                    self.assertEqual(sorted(os.listdir(base)), before, "something was started or made")


if __name__ == "__main__":
    unittest.main()
