# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing spins: an idle cluster wakes up for its heartbeats and pings, with an idle client connected too."""
import tempfile
import time
import unittest

from support import RawClient, cost_of, start_cluster


class IdleTest(unittest.TestCase):
    def test_an_idle_cluster_wakes_up_for_its_heartbeats_only(self):
        with tempfile.TemporaryDirectory(prefix="ctdb-idle-") as directory:
            cluster = start_cluster(directory, self.addCleanup)
            with RawClient(cluster.nodes[0].classic_socket) as client:
                client.ask(35)
                pids = cluster.daemon_pids()
                before = cost_of(pids)
                time.sleep(5)  # the window of the measurement, not a wait for something
                spent = cost_of(pids) - before
                # Wake-ups of all three nodes, some 550 in this time; what they cost in CPU time is the machine's affair, unless something spins.
                self.assertLess(spent.switches, 1000, f"{spent.cpu_seconds} s of CPU")
                self.assertLess(spent.cpu_seconds, 0.5, f"{spent.switches} context switches")



if __name__ == "__main__":
    unittest.main()
