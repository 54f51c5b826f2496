# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing spins: an idle cluster wakes up for its heartbeats and pings, with an idle client connected too."""
import tempfile
import time
import unittest

from support import RawClient, cost_of, start_cluster


SWITCHES, CPU = 200, 0.1  # of all three nodes, in a second
WINDOWS = 6


class IdleTest(unittest.TestCase):
    @staticmethod
    def spent(pids):
        """Wake-ups and seconds of CPU time in a second."""
        begun, before = time.monotonic(), cost_of(pids)
        time.sleep(5)  # the window of the measurement, not a wait for something
        spent, seconds = cost_of(pids) - before, time.monotonic() - begun
        return spent.switches / seconds, spent.cpu_seconds / seconds

    def test_an_idle_cluster_wakes_up_for_its_heartbeats_only(self):
        with tempfile.TemporaryDirectory(prefix="ctdb-idle-") as directory:
            cluster = start_cluster(directory, self.addCleanup)
            with RawClient(cluster.nodes[0].classic_socket) as client:
                client.ask(35)
                pids = cluster.daemon_pids()
                # Some 70 wake-ups; what they cost in CPU time is the machine's affair, unless something spins. On a busy machine leases end, and
                # recoveries cost more: what spins or wakes up more often does so in every window.
                windows = []
                while len(windows) < WINDOWS:
                    switches, seconds = self.spent(pids)
                    if switches < SWITCHES and seconds < CPU:
                        return
                    windows.append((switches, seconds))
                self.fail(f"wake-ups and CPU time a second: {windows}")

if __name__ == "__main__":
    unittest.main()
