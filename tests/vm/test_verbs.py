# SPDX-License-Identifier: GPL-3.0-or-later
"""Verbs on a real kernel: soft-RoCE in a guest (guest.py). The transport's conformance suite, and a cluster of three
nodes whose wires are cut."""
import unittest

import guest
from guest_test import BUILD, HUNG_S, GuestTest

DAEMONS = ["ctdb-router", "ctdb-store", "ctdb-recoveryd", "ctdb-cli", "ctdb-increment", "ctdb-bench"]

ON_LOOPBACK = """rdma link add rxelo type rxe netdev lo
export CTDB_VERBS_DEVICE=rxelo CTDB_VERBS_GID_INDEX=1
"""
# For two devices, 2 MiB each.
WITH_HUGE_PAGES = "echo 8 >/proc/sys/vm/nr_hugepages && "


class VerbsTest(GuestTest):
    def run_with_rdma(self, programs, script):
        def boot(work, share):
            return guest.boot(work, self.kernel, guest.make_initramfs(work, self.kernel, programs), share, HUNG_S)
        return self.run_in_guest(programs, script, boot)

    # Also run with the programs of the build with sanitizers (run-tests, stage asan).
    def test_conformance(self):
        text = self.run_with_rdma([BUILD / "bin/router_verbs_device_test"],
                                  ON_LOOPBACK + "./router_verbs_device_test --gtest_brief=1 --gtest_filter='Verbs/*:"
                                  "VerbsRising/*PacketsArrive*:VerbsRising/*ARestart*:VerbsRising/*Quiet*:VerbsOnKernel.*-*HugePages*'"
                                  " && " + WITH_HUGE_PAGES + "./router_verbs_device_test --gtest_brief=1 --gtest_filter=*HugePages*")
        self.assertRegex(text, r"\[  PASSED  \] \d\d tests")
        self.assertRegex(text, r"\[  PASSED  \] 1 test")

    def test_cluster(self):
        text = self.run_with_rdma([BUILD / "bin" / name for name in DAEMONS], ". /host/cluster_steps.sh")
        self.assertIn("ok after a router was killed", text)


if __name__ == "__main__":
    unittest.main()
