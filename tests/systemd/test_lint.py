# SPDX-License-Identifier: GPL-3.0-or-later
"""The units as text: systemd accepts every line of them, and what they give away is counted."""
import os
import re
import subprocess
import unittest

from root import installed_root

UNITS = "usr/lib/systemd/system"
# systemd-analyze security: 0 gives away nothing, 10 everything. The classic daemon's unit has 9.6.
EXPOSURE_MAX = {"ctdb-router": 1.5, "ctdb-store": 0.6, "ctdb-recoveryd": 0.6}


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True, timeout=120)


class LintTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = installed_root()
        cls.units = sorted(name for name in os.listdir(f"{cls.root}/{UNITS}") if name.startswith("ctdb"))

    def test_there_is_a_node_and_a_template_of_it(self):
        plain = [name for name in self.units if "@" not in name]
        self.assertIn("ctdb.target", plain)
        self.assertEqual([name.replace("@", "") for name in self.units if "@" in name and "directory" not in name],
                         plain)

    def test_systemd_accepts_every_line(self):
        names = [name.replace("@.", "@node.") for name in self.units]
        done = analyze("verify", f"--root={self.root}", "--man=no", "--recursive-errors=no", *names)
        about = [line for line in done.stderr.split("\n") if "ctdb" in line]
        self.assertEqual((done.returncode, about), (0, []), done.stderr)

    def test_a_wrong_line_would_be_seen(self):
        path = f"{self.root}/{UNITS}/ctdb-wrong.service"
        with open(path, "w") as out:
            out.write("[Service]\nExecStart=/bin/true\nProtectSistem=yes\n")
        self.addCleanup(os.remove, path)
        done = analyze("verify", f"--root={self.root}", "--man=no", "--recursive-errors=no", "ctdb-wrong.service")
        self.assertIn("ProtectSistem", done.stderr)

    def test_exposure(self):
        for daemon, most in EXPOSURE_MAX.items():
            for suffix in ("", "@"):
                with self.subTest(daemon + suffix):
                    unit = f"{self.root}/{UNITS}/{daemon}{suffix}.service"
                    done = analyze("security", "--offline=yes", unit)
                    found = re.search(r"Overall exposure level for .*: ([0-9.]+)", done.stdout)
                    self.assertTrue(found, done.stdout + done.stderr)
                    self.assertLessEqual(float(found.group(1)), most, done.stdout)


if __name__ == "__main__":
    unittest.main()
