# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that is stopped gives its records away first, says how many and how long it took, and ends whatever the others do."""
import re
import signal
import tempfile
import unittest

from support import Increments, Undisturbed, start_cluster

LEAVING_MS = 3000  # kLeavingMax of ctdb-store/shell.cc
KEYS = [f"k{number}" for number in range(8)]


class StoppingTest(Increments, Undisturbed):
    DATABASE = "stopping.tdb"

    def setUp(self):
        self.took_ms, self.nothing_is_kept = 0, True
        directory = tempfile.TemporaryDirectory(prefix="ctdb-stopping-")
        self.addCleanup(directory.cleanup)
        self.cluster = start_cluster(directory.name, self.addCleanup)
        for key in KEYS:
            self.assertEqual(self.add(0, "native", key, 5), 5)
        self.store = self.cluster.nodes[0].daemons["ctdb-store"]

    def end_store(self):
        """What its log says about the records; it must not have to be killed."""
        said = []
        self.store.say = said.append
        self.store.end(signal.SIGTERM)
        self.store.wait_ended()
        self.assertEqual([line for line in said if "killing it" in line], [])
        with open(self.cluster.nodes[0].log_path("ctdb-store")) as log:
            found = re.findall(r"handed over (\d+) records? to other nodes in (\d+) ms(, not the other \d+)?", log.read())
        self.took_ms = max((int(took) for _, took, _ in found), default=0)
        return [(given, rest) for given, _, rest in found]

    def doCleanups(self):
        """A store that does not get to run for three seconds gives away what it can in none."""
        done = super().doCleanups()
        if self.nothing_is_kept and self.took_ms >= LEAVING_MS:
            self._disturbances.append(f"{self.took_ms} ms for {len(KEYS)} records\n")
        return done

    def test_it_says_what_it_gave(self):
        self.assertEqual(self.end_store(), [(str(len(KEYS)), "")])
        for key in KEYS:
            self.assertEqual(self.value(key, node=1), 5)

    def test_a_client_with_a_record_locked_does_not_keep_it(self):
        self.nothing_is_kept = False
        holder = self.start(0, "native", KEYS[0], hold=1)
        self.assertEqual(holder.stdout.readline(), "locked\n")
        self.assertEqual(self.end_store(), [(str(len(KEYS) - 1), ", not the other 1")])
        self.store.start()
        holder.stdin.write("\n")
        self.assertEqual(self.finish(holder), 6)
        self.assertEqual(self.value(KEYS[0], node=1), 6)

    def test_peers_that_do_not_answer_do_not_keep_it(self):
        """What is sent is theirs: they take it when they go on."""
        others = [node.daemons["ctdb-store"] for node in self.cluster.nodes[1:]]
        for other in others:
            other.signal(signal.SIGSTOP)
        given = self.end_store()
        for other in others:
            other.signal(signal.SIGCONT)
        self.assertEqual(given, [(str(len(KEYS)), "")])
        self.store.start()
        self.cluster.wait_healthy()
        for key in KEYS:
            self.assertEqual(self.value(key, node=1), 5)


if __name__ == "__main__":
    unittest.main()
