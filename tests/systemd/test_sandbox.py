# SPDX-License-Identifier: GPL-3.0-or-later
"""Each restriction of the units denies: the same probe runs in each daemon's sandbox, with that daemon's user and as
root, and once with no sandbox at all, where what is denied elsewhere must work."""
import json
import os
import re
import unittest

from machine import Machine

HERE = os.path.dirname(os.path.abspath(__file__))
NETWORK = {"internet socket", "internet 6 socket", "see the network"}
OWN = {
    "ctdb-router": NETWORK | {"write /etc/ctdb"},
    "ctdb-store": {"write /var/lib/ctdb/volatile", "write /var/lib/ctdb/persistent", "list databases", "see process 1"},
    "ctdb-recoveryd": {"write /var/lib/ctdb/state"},
}
EVERYBODY = {"unix socket", "write /run/ctdb"}
# systemd-nspawn itself denies this to all: only test_lint.py speaks for it.
NOT_FOR_ANYBODY_HERE = {"write kernel tunables"}


class SandboxTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.machine = Machine()
        cls.addClassCleanup(cls.machine.close)
        with open(f"{HERE}/probe.py") as probe:
            cls.machine.write("/usr/share/probe.py", probe.read())
        cls.machine.run("sh", "-c", "touch /tmp/marker /root/marker; ip link set lo up; ip link add here type veth peer name there; "
                        "mkdir -p /var/lib/ctdb/state /var/lib/ctdb/volatile /var/lib/ctdb/persistent")
        cls.free = json.loads(cls.machine.run("python3", "/usr/share/probe.py"))

    def probe_in(self, daemon, user=None):
        """The daemon's own unit, but for what it runs and how long."""
        text = self.machine.run("cat", f"/usr/lib/systemd/system/{daemon}.service")
        text = re.sub(r"(?m)^(Wants|After|Sockets|Restart\w*|WatchdogSec|PartOf|ExecReload|ExecStopPost|KillMode)=.*\n", "", text)
        text = re.sub(r"(?m)^ExecStart=.*", f"ExecStart=/usr/bin/python3 /usr/share/probe.py\n"
                                            f"StandardOutput=file:/tmp/{daemon}.json", text)
        text = text.replace("Type=notify", "Type=oneshot")
        if user:
            text = re.sub(r"(?m)^User=.*", f"User={user}", text)
        self.machine.write("/run/systemd/system/ctdb-probe.service", text)
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("rm", "-f", f"/tmp/{daemon}.json")
        self.machine.run("systemctl", "start", "ctdb-probe.service")
        return json.loads(self.machine.run("cat", f"/tmp/{daemon}.json"))

    def done(self, outcome):
        return {name for name, what in outcome.items() if what == "done"}

    def test_without_a_sandbox_all_of_it_works(self):
        self.assertEqual(set(self.free) - self.done(self.free) - NOT_FOR_ANYBODY_HERE, set(), self.free)

    def test_each_daemon_can_what_it_must_and_nothing_else(self):
        for daemon, own in OWN.items():
            with self.subTest(daemon):
                outcome = self.probe_in(daemon)
                self.assertEqual(self.done(outcome), own | EVERYBODY, outcome)

    def test_root_in_the_same_sandbox_can_no_more(self):
        for daemon, own in OWN.items():
            with self.subTest(daemon):
                self.machine.run("sh", "-c", "chown -R root:root /var/lib/ctdb; chmod 775 /run/ctdb")
                outcome = self.probe_in(daemon, "root")
                self.assertLessEqual(self.done(outcome), own | EVERYBODY | {"see process 1", "change of an owner"},
                                     outcome)


if __name__ == "__main__":
    unittest.main()
