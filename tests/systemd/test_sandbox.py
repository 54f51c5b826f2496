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


# Which probe shows that a restriction of the units denies.
SHOWN_BY = {
    "NoNewPrivileges": "new privileges", "CapabilityBoundingSet": "capabilities", "ProtectSystem": "write /usr", "ReadOnlyPaths": "write /run",
    "ProtectHome": "see /root", "PrivateTmp": "see /tmp of others", "PrivateDevices": "see a device", "PrivateUsers": "users of the machine",
    "PrivateMounts": "mounts of the machine", "ProtectKernelTunables": "write kernel tunables", "ProtectKernelModules": "kernel module",
    "ProtectKernelLogs": "kernel log", "ProtectControlGroups": "write control groups", "ProtectClock": "clock", "ProtectHostname": "host name",
    "RestrictNamespaces": "new user namespace", "RestrictRealtime": "real-time class", "RestrictSUIDSGID": "set-user-id file",
    "LockPersonality": "other personality", "MemoryDenyWriteExecute": "executable memory", "SystemCallFilter": "bpf",
    "InaccessiblePaths": "list databases", "RestrictAddressFamilies": "netlink socket", "PrivateNetwork": "see the network",
    "ProtectProc": "see process 1",
}
# Those of which a machine in systemd-nspawn shows nothing; test_lint.py has the score that counts them.
NOT_SHOWN = {
    "AmbientCapabilities": "gives nothing, which CapabilityBoundingSet bounds already",
    "DevicePolicy": "behind PrivateDevices; nspawn lets nobody make another device",
    "DeviceAllow": "allows", "LimitMEMLOCK": "allows", "OOMScoreAdjust": "no restriction", "UMask": "no restriction",
    "IPAddressDeny": "behind PrivateNetwork and RestrictAddressFamilies",
    "KeyringMode": "nspawn denies keyrings to all", "RemoveIPC": "tidies up, denies nothing",
    "TasksMax": "in nspawn there is no controller for it",
    "SystemCallArchitectures": "a probe would have to be a 32-bit program", "SystemCallErrorNumber": "how, not what",
}


class Restrictions(unittest.TestCase):
    def test_each_has_a_probe_or_a_reason(self):
        words = set()
        for name in ("sandbox", "ctdb-router.service", "ctdb-store.service", "ctdb-recoveryd.service"):
            with open(f"{HERE}/../../systemd/{name}.in") as unit:
                words |= set(re.findall(r"^([A-Za-z]+)=", unit.read().split("[Service]")[-1], re.M))
        kinds = r"(Restrict|Protect|Private|Inaccessible|ReadOnly|NoNew|Capab|Ambient|Device|System|Lock|Memory|Remove|Keyring|IPAddress|Tasks|Limit|OOMScore|UMask)"
        restrictions = {word for word in words if re.match(kinds, word) and word != "RestartPreventExitStatus"}
        self.assertEqual(restrictions, set(SHOWN_BY) | set(NOT_SHOWN))

    def test_the_probes_it_is_shown_by_exist(self):
        with open(f"{HERE}/probe.py") as probe:
            known = set(re.findall(r'^    "([^"]+)": ', probe.read(), re.M))
        self.assertEqual(set(SHOWN_BY.values()) - known, set())


class SandboxTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.machine = Machine()
        cls.addClassCleanup(cls.machine.close)
        with open(f"{HERE}/probe.py") as probe:
            cls.machine.write("/usr/share/probe.py", probe.read())
        cls.machine.run("sh", "-c", "touch /tmp/marker /root/marker; ip link set lo up; ip link add here type veth peer name there; "
                        "mkdir -p /var/lib/ctdb/state /var/lib/ctdb/volatile /var/lib/ctdb/persistent")
        cls.machine.run("sh", "-c", "readlink /proc/1/ns/mnt >/usr/share/machine-mounts")
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
