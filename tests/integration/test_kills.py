# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients killed (-9) in the middle of writes, as many as CTDB_KILLS says: no torn value of a native client is ever seen, what classic
clients leave is told, and the files are sound in the end."""
import os
import subprocess
import tempfile
import unittest

from support import BIN, Undisturbed, start_cluster, wait_until

KILLS = int(os.environ.get("CTDB_KILLS", "300"))
DATABASE = "killed.tdb"


class KillsTest(Undisturbed):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-kills-")
        self.addCleanup(directory.cleanup)
        self.cluster = start_cluster(directory.name, self.addCleanup)

    def kill_writers(self, api, *options):
        at = self.cluster.nodes[0]
        where = ["--setup", at.setup_socket] if api == "native" else ["--socket", at.classic_socket]
        done = subprocess.run([f"{BIN}/ctdb-kill", *where, "--db", DATABASE, "--key", f"{api}-", "--count", str(KILLS), *options],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=36000)
        told = [line.split(" ", 1) for line in done.stdout.splitlines()]
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        figures = {name: int(value) for name, value in told if name != "key"}
        self.assertGreaterEqual(figures["kills"], KILLS)
        return figures, [value for name, value in told if name == "key"]

    def said(self, what):
        with open(self.cluster.nodes[0].log_path("ctdb-store"), errors="replace") as log:
            return [line for line in log if what in line]

    def check(self):
        path = os.path.join(self.cluster.nodes[0].base, "volatile", f"{DATABASE}.0")
        return subprocess.run(["tdbtool", path, "check"], capture_output=True, text=True).stdout

    def the_file_is_sound_in_the_end(self):
        wait_until(lambda: "Database integrity is OK" in self.check(), "the file is sound", 60)

    def report(self, api, figures):
        print(f"{api}: {figures}, {len(self.said('may be torn'))} values told, {len(self.said('it is repaired'))} files repaired, "
              f"{len(self.said('gone from its file'))} records lost and told", flush=True)

    def test_native_writers_that_are_killed_leave_whole_values(self):
        for options in ((), ("--growth", "1"), ("--keys", "100000000")):
            figures, torn = self.kill_writers("native", *options)
            self.report(f"native {options}", figures)
            self.assertEqual((figures["torn"], torn), (0, []))
            self.the_file_is_sound_in_the_end()
        self.assertEqual(self.said("may be torn"), [])
        self.assertEqual(self.said("gone from its file"), [])

    def test_torn_values_of_classic_writers_are_told(self):
        figures, torn = self.kill_writers("classic", "--growth", "1", "--writers", "1")
        self.report("classic, one at a time", figures)
        self.the_file_is_sound_in_the_end()
        told = "".join(self.said("may be torn") + self.said("gone from its file"))
        untold = [key for key in torn if f"key {key}:" not in told and f"{DATABASE} {key}\n" not in told]
        self.assertEqual(untold, [], "torn or gone, and nobody has said so")

    def test_damage_by_classic_writers_that_compete_is_repaired(self):
        for options in (("--growth", "1"), ("--keys", "100000000")):
            figures, _ = self.kill_writers("classic", *options)  # who takes the lock of a dead one over makes it look like any other
            self.report(f"classic {options}", figures)
            self.the_file_is_sound_in_the_end()


if __name__ == "__main__":
    unittest.main()
