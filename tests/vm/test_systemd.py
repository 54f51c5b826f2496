# SPDX-License-Identifier: GPL-3.0-or-later
"""Our units under a systemd whose kernel enforces all of it, in an emulated guest: memory, tasks, addresses, devices, and a clock that jumps.
What systemd-nspawn can show is in tests/systemd. Nothing is timed here."""
import unittest

import guest
from systemd_guest import SystemdGuest, wait_until
from node import DAEMONS, Node
import test_sandbox

ADDRESS = "10.1.0.1"
HOUR = 3600
# Until the process is gone: the kernel first takes what it can get back.
OUT_OF_MEMORY = """
cd /sys/fs/cgroup/system.slice/$1
most=$(cat memory.current)
while kill -0 $2 2>/dev/null; do most=$((most * 3 / 4)); echo $most >memory.max; done 2>/dev/null
# It may be gone with the process.
echo max 2>/dev/null >memory.max || true
"""


def setUpModule():
    global machine, said_while_waiting, went_on
    gone = guest.missing_tools()
    if gone:
        raise RuntimeError("missing packages (./install-deps): " + " ".join(gone))
    kernel = guest.fetch_kernel(guest.HERE.parent.parent / "build/vm")
    machine = SystemdGuest(kernel, {"/etc/ctdb/nodes": ADDRESS + "\n"}, ["ctdb.target"])
    unittest.addModuleCleanup(machine.close)
    node = Node(machine)
    wait_until(lambda: node.status_text("router").startswith("waiting: "), "the router waits for its address")
    said_while_waiting = node.status_text("router")
    machine.run("ip", "addr", "add", f"{ADDRESS}/32", "dev", "lo")
    node.wait()
    went_on = node.status()


class EnforcedTest(unittest.TestCase):
    def setUp(self):
        self.node = Node(machine)

    def journal_since(self, cursor):
        return machine.journal("--after-cursor", cursor)

    def test_an_address_that_comes_late(self):
        self.assertIn("/etc/ctdb/nodes: no address of this file", said_while_waiting)
        self.assertTrue(went_on["healthy"], went_on)

    def test_out_of_memory(self):
        loads = [self.node.counting("memory"), self.node.counting("memory-classic", "classic")]
        for load in loads:
            load.wait_for_more()
        for daemon in DAEMONS:
            before, cursor = self.node.processes(), machine.cursor()
            machine.run("sh", "-c", OUT_OF_MEMORY, "sh", self.node.unit(daemon), str(before[daemon]))
            self.node.wait_for_another(daemon, before[daemon])
            self.node.wait()
            self.assertIn("killed by the OOM killer", self.journal_since(cursor))
            for load in loads:
                load.wait_for_more()
            after = self.node.processes()
            self.assertEqual({other for other in DAEMONS if after[other] != before[other]}, {daemon})
        for load in loads:
            values = load.stop()
            self.assertEqual(values, list(range(1, len(values) + 1)), "a change was lost")

    def test_limits_that_a_unit_sets(self):
        router = self.node.pid("router")
        self.assertRegex(machine.run("cat", f"/proc/{router}/limits"), r"Max locked memory +536870912 ")
        most = {}
        for daemon, pid in self.node.processes().items():
            self.assertEqual(machine.run("cat", f"/proc/{pid}/oom_score_adj").strip(), "-500")
            most[daemon] = machine.run("cat", f"/sys/fs/cgroup/system.slice/{self.node.unit(daemon)}/pids.max").strip()
        self.assertEqual(most, {"router": "8", "recoveryd": "8", "store": "512"})

    def jump(self, load):
        """Five hours on and twelve back, under load; whether the node has been a member all the time."""
        generation = self.node.status()["generation"]
        for hours in (5, -12):
            now = int(machine.run("date", "+%s"))
            machine.run("date", "-s", f"@{now + hours * HOUR}")
            load.wait_for_more()
            for daemon in self.node.status()["daemons"]:
                self.assertIn(daemon["uptime_s"], range(HOUR), "it has to do with the clock")
        self.node.wait()
        return self.node.status()["generation"] == generation

    def test_a_clock_that_jumps(self):
        before, cursor = self.node.processes(), machine.cursor()
        load = self.node.counting("clock")
        load.wait_for_more()
        # An emulated machine may stand still for longer than a lease lasts, and then gives it up rightly.
        self.assertTrue(any(self.jump(load) for _ in range(3)), "no jump without a recovery")
        values = load.stop()
        self.assertEqual(values, list(range(1, len(values) + 1)), "a change was lost")
        self.assertEqual(self.node.processes(), before)
        self.assertNotIn("Watchdog", self.journal_since(cursor))


class GuestSandboxTest(test_sandbox.SandboxTest):
    not_here = frozenset()
    test_root_in_the_same_sandbox_can_no_more = None  # it takes the node's files away from its daemons

    @classmethod
    def make_machine(cls):
        return machine

    def test_no_packets_even_with_a_network(self):
        for daemon in ("ctdb-store", "ctdb-recoveryd"):
            outcome = self.probe_in(daemon, without="PrivateNetwork|RestrictAddressFamilies",
                                    only=("internet socket", "packet to this machine"))
            self.assertEqual(outcome["internet socket"], "done", outcome)
            self.assertIn("not permitted", outcome["packet to this machine"])


if __name__ == "__main__":
    unittest.main()
