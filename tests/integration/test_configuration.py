# SPDX-License-Identifier: GPL-3.0-or-later
"""A wrong configuration: file, line, remedy, exit status 78, nothing started."""
import os
import re
import subprocess
import tempfile
import unittest

from support import BIN

DAEMONS = ("ctdb-router", "ctdb-store", "ctdb-recoveryd")
MEBIBYTE = 1 << 20
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
    "UTF-16": ("[cluster]\nport = 4379\n".encode("utf-16"), GOOD_NODES, r"ctdb\.conf:1: .*NUL.*UTF-8"),
    "100 MiB": (100 * MEBIBYTE, GOOD_NODES, r"ctdb\.conf: .*1 MiB"),
    "a line of 1 MiB": ("[cluster]\n#" + "x" * (MEBIBYTE - 100), GOOD_NODES, r"ctdb\.conf:2: .*4096"),
    "nodes: UTF-16": ("", GOOD_NODES.encode("utf-16"), r"nodes:1: .*NUL.*UTF-8"),
    "nodes: 100 MiB": ("", 100 * MEBIBYTE, r"nodes: .*1 MiB"),
    "nodes: 10,000 lines": ("", "".join(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}\n" for i in range(10000)), r"nodes: .*more than"),
    "nodes: IPv6 with a zone": ("", "127.0.0.1\nfe80::1%eth0\n", r"nodes:2: .*fe80"),
    "not in nodes": ("[cluster]\nnode address = 127.0.0.9\n", GOOD_NODES, r"127\.0\.0\.9.*nodes"),
}


def make(path, content):
    """A text, bytes, or a file of that many zeros."""
    with open(path, "wb") as out:
        if isinstance(content, int):
            out.truncate(content)
        else:
            out.write(content if isinstance(content, bytes) else content.encode())


class ConfigurationTest(unittest.TestCase):
    def test_wrong_configurations(self):
        for name, (conf, nodes, pattern) in CASES.items():
            for daemon in DAEMONS:
                with self.subTest(name, daemon=daemon), tempfile.TemporaryDirectory(prefix="ctdb-conf-") as base:
                    make(os.path.join(base, "ctdb.conf"), conf)
                    if nodes is not None:
                        make(os.path.join(base, "nodes"), nodes)
                    before = sorted(os.listdir(base))
                    done = subprocess.run([f"{BIN}/{daemon}", "--base", base], capture_output=True, text=True,
                                          timeout=120)
                    self.assertEqual(done.returncode, 78, done.stderr)
                    self.assertTrue(re.search(pattern, done.stderr), done.stderr)
                    self.assertIn("(", done.stderr, "no remedy")
                    self.assertEqual(sorted(os.listdir(base)), before, "something was started or made")

    def test_lines_that_end_as_on_windows_are_read(self):
        with tempfile.TemporaryDirectory(prefix="ctdb-conf-") as base:
            make(os.path.join(base, "ctdb.conf"), "[cluster]\r\nport = 46000\r\n")
            make(os.path.join(base, "nodes"), "127.0.0.1\r\n127.0.0.2\r\n")
            done = subprocess.run([f"{BIN}/ctdb-router", "--base", base, "--check"], capture_output=True, text=True, timeout=120)
            self.assertIn(done.returncode, (0, 78), done.stderr)
            self.assertNotIn("nodes:", done.stderr)
            self.assertNotIn("ctdb.conf:", done.stderr)


@unittest.skipIf(os.geteuid() != 0, "needs to mount")
class DirectoriesTest(unittest.TestCase):
    """A directory for data that is of no use: one line with the remedy when the daemon starts, not with the first record."""
    DIRECTORIES = {"volatile": "ctdb-store", "persistent": "ctdb-store", "state": "ctdb-recoveryd"}

    def start(self, name, mount):
        """The daemon in a mount name space of its own, `mount` done on the directory first."""
        base = tempfile.TemporaryDirectory(prefix="ctdb-dirs-")
        self.addCleanup(base.cleanup)
        make(os.path.join(base.name, "ctdb.conf"), "[cluster]\nnode address = 127.0.0.1\n")
        make(os.path.join(base.name, "nodes"), GOOD_NODES)
        path = os.path.join(base.name, name)
        os.mkdir(path)
        process = subprocess.Popen(["unshare", "--mount", "sh", "-ec", mount + '; exec "$2" --base "$3"', "sh", path,
                                    f"{BIN}/{self.DIRECTORIES[name]}", base.name], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return path, process

    def test_one_that_cannot_be_written_is_a_mistake_of_the_configuration(self):
        for name in self.DIRECTORIES:
            for mount in ('mount -t tmpfs -o ro tmpfs "$1"', 'rmdir "$1"; touch "$1"'):
                with self.subTest(name, mount=mount):
                    path, process = self.start(name, mount)
                    _, said = process.communicate(timeout=120)
                    self.assertEqual(process.returncode, 78, said)
                    wanted = f"no files can be made in {re.escape(path)} .*'{name} database directory' in section .database. of ctdb.conf"
                    self.assertRegex(said, wanted)

    def test_one_that_is_full_is_told(self):
        for name in self.DIRECTORIES:
            with self.subTest(name):
                path, process = self.start(name, 'mount -t tmpfs -o size=64k tmpfs "$1"; dd if=/dev/zero of="$1/filler" bs=1k 2>/dev/null || true')
                for line in process.stderr:
                    if f"{path} is full: make room there" in line:
                        break
                else:
                    self.fail("it says nothing")


if __name__ == "__main__":
    unittest.main()
