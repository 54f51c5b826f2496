# SPDX-License-Identifier: GPL-3.0-or-later
"""Verbs on a real kernel: soft-RoCE in a guest (guest.py). The transport's conformance suite, and a cluster of three
nodes whose wires are cut. CTDB_BUILD is the build."""
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

import guest

HERE = pathlib.Path(__file__).parent
BUILD = pathlib.Path(os.environ.get("CTDB_BUILD", HERE.parent.parent / "build/dev"))
DAEMONS = ["ctdb-router", "ctdb-store", "ctdb-recoveryd", "ctdb-cli", "ctdb-increment", "ctdb-bench"]

# Only ends what hangs.
HUNG_S = 600

ON_LOOPBACK = """rdma link add rxelo type rxe netdev lo
export CTDB_VERBS_DEVICE=rxelo CTDB_VERBS_GID_INDEX=1
"""


class VerbsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        gone = guest.missing_tools()
        if gone:
            raise RuntimeError("missing packages (./install-deps): " + " ".join(gone))
        cls.kernel = guest.fetch_kernel(HERE.parent.parent / "build/vm")

    def run_in_guest(self, programs, script):
        """Runs `script` beside copies of the programs; its output is the message when it fails."""
        with tempfile.TemporaryDirectory(prefix="ctdb-vm-") as directory:
            work = pathlib.Path(directory)
            share = work / "share"
            share.mkdir()
            for path in [*programs, *HERE.glob("*.sh")]:
                shutil.copy(path, share)
            (share / "run.sh").write_text(script)
            initramfs = guest.make_initramfs(work, self.kernel, programs)
            try:
                status = guest.boot(work, self.kernel, initramfs, share, HUNG_S)
            except guest.GuestError as error:
                status = error
            output = share / "output"
            text = output.read_text(errors="replace") if output.exists() else ""
            sys.stderr.write("".join(line + "\n" for line in text.splitlines() if line.startswith(("ok ", "{"))))
            self.assertEqual(status, 0, text[-12000:])
            return text

    # Also run with the programs of the build with sanitizers (run-tests, stage asan).
    def test_conformance(self):
        text = self.run_in_guest([BUILD / "bin/router_verbs_device_test"],
                                 ON_LOOPBACK + "./router_verbs_device_test --gtest_brief=1 --gtest_filter='Verbs/*:"
                                 "VerbsRising/*PacketsArrive*:VerbsRising/*ARestart*:VerbsRising/*Quiet*'")
        self.assertRegex(text, r"\[  PASSED  \] \d\d tests")

    def test_cluster(self):
        text = self.run_in_guest([BUILD / "bin" / name for name in DAEMONS], ". /host/cluster_steps.sh")
        self.assertIn("ok after a router was killed", text)


if __name__ == "__main__":
    unittest.main()
