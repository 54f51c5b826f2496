# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing spins: an idle cluster costs next to no CPU, with idle clients of both kinds connected too."""
import tempfile
import time
import unittest

from support import RawClient, cost_of, start_cluster


class IdleTest(unittest.TestCase):
    def test_idle_cluster_uses_under_one_percent(self):
        with tempfile.TemporaryDirectory(prefix="ctdb-idle-") as directory:
            cluster = start_cluster(directory, self.addCleanup)
            with RawClient(cluster.nodes[0].classic_socket) as client:
                client.ask(35)
                pids = cluster.daemon_pids()
                before = cost_of(pids)
                time.sleep(5)  # the window of the measurement, not a wait for something
                spent = cost_of(pids) - before
                self.assertLess(spent.cpu_seconds, 0.05, f"{spent.switches} context switches")



if __name__ == "__main__":
    unittest.main()
