# SPDX-License-Identifier: GPL-3.0-or-later
"""Each restriction of the units denies: the same probe runs in each daemon's sandbox, with that daemon's user and as
root, and once with no sandbox at all, where what is denied elsewhere must work."""
import json
import os
import re
import unittest

from machine import Machine

HERE = os.path.dirname(os.path.abspath(__file__))
NETWORK = {"internet socket", "internet 6 socket", "see the network", "packet to this machine"}
OWN = {
    "ctdb-router": NETWORK | {"write /etc/ctdb"},
    "ctdb-store": {"write /var/lib/ctdb/volatile", "write /var/lib/ctdb/persistent", "list databases", "see process 1", "many tasks"},
    "ctdb-recoveryd": {"write /var/lib/ctdb/state"},
}
EVERYBODY = {"unix socket", "write /run/ctdb"}
# What systemd-nspawn does not enforce, or itself denies to all: tests/vm/test_systemd.py shows it in a guest.
FOR_A_GUEST = {"write kernel tunables", "other device", "many tasks", "packet to this machine", "32-bit program"}


# Which probe shows that a restriction of the units denies.
SHOWN_BY = {
    "NoNewPrivileges": "new privileges", "CapabilityBoundingSet": "capabilities", "ProtectSystem": "write /usr", "ReadOnlyPaths": "write /run",
    "ProtectHome": "see /root", "PrivateTmp": "see /tmp of others", "PrivateDevices": "see a device", "PrivateUsers": "users of the machine",
    "PrivateMounts": "mounts of the machine", "ProtectKernelTunables": "write kernel tunables", "ProtectKernelModules": "kernel module",
    "ProtectKernelLogs": "kernel log", "ProtectControlGroups": "write control groups", "ProtectClock": "clock", "ProtectHostname": "host name",
    "RestrictNamespaces": "new user namespace", "RestrictRealtime": "real-time class", "RestrictSUIDSGID": "set-user-id file",
    "LockPersonality": "other personality", "MemoryDenyWriteExecute": "executable memory", "SystemCallFilter": "bpf",
    "InaccessiblePaths": "list databases", "RestrictAddressFamilies": "netlink socket", "PrivateNetwork": "see the network",
    "ProtectProc": "see process 1", "DevicePolicy": "other device", "TasksMax": "many tasks",
    "IPAddressDeny": "packet to this machine", "SystemCallArchitectures": "32-bit program",
}
# Those of which no probe shows anything; test_lint.py has the score that counts them.
NOT_SHOWN = {
    "AmbientCapabilities": "gives nothing, which CapabilityBoundingSet bounds already",
    "DeviceAllow": "allows", "LimitMEMLOCK": "allows", "OOMScoreAdjust": "no restriction", "UMask": "no restriction",
    "KeyringMode": "nspawn denies keyrings to all", "RemoveIPC": "tidies up, denies nothing",
    "SystemCallErrorNumber": "how, not what",
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
    not_here = FOR_A_GUEST
    probed = 0

    @classmethod
    def make_machine(cls):
        machine = Machine()
        cls.addClassCleanup(machine.close)
        return machine

    @classmethod
    def setUpClass(cls):
        cls.machine = cls.make_machine()
        with open(f"{HERE}/probe.py") as probe:
            cls.machine.write("/usr/share/probe.py", probe.read())
        cls.machine.run("sh", "-c", "touch /tmp/marker /root/marker; ip link set lo up; ip link add here type veth peer name there; "
                        "mknod -m 666 /usr/share/probe-device c 1 11 2>/dev/null; mkdir -p /var/lib/ctdb/state /var/lib/ctdb/volatile /var/lib/ctdb/persistent")
        cls.machine.run("sh", "-c", "readlink /proc/1/ns/mnt >/usr/share/machine-mounts")
        cls.free = json.loads(cls.machine.run("python3", "/usr/share/probe.py"))

    def probe_in(self, daemon, user=None, without="", only=()):
        """The daemon's own unit, but for what it runs and how long, and the restrictions `without` (a pattern); the probes `only`."""
        # Another name each time: a new unit needs no reload, which is slow where processors are emulated.
        SandboxTest.probed += 1
        name = f"ctdb-probe-{SandboxTest.probed}"
        text = self.machine.run("cat", f"/usr/lib/systemd/system/{daemon}.service")
        text = re.sub(r"(?m)^(Wants|After|Sockets|Restart\w*|WatchdogSec|PartOf|ExecReload|ExecStopPost|KillMode)=.*\n", "", text)
        text = re.sub(rf"(?m)^({without})=.*\n", "", text) if without else text
        chosen = " ".join(f'"{probe}"' for probe in only)
        text = re.sub(r"(?m)^ExecStart=.*", f"ExecStart=/usr/bin/python3 /usr/share/probe.py {chosen}\n"
                                            f"StandardOutput=file:/tmp/{name}.json", text)
        text = text.replace("Type=notify", "Type=oneshot")
        if user:
            text = re.sub(r"(?m)^User=.*", f"User={user}", text)
        self.machine.write(f"/run/systemd/system/{name}.service", text)
        self.machine.run("systemctl", "start", f"{name}.service")
        return json.loads(self.machine.run("cat", f"/tmp/{name}.json"))

    def done(self, outcome):
        return {name for name, what in outcome.items() if what == "done"}

    def test_without_a_sandbox_all_of_it_works(self):
        self.assertEqual(set(self.free) - self.done(self.free) - self.not_here, set(), self.free)

    def test_each_daemon_can_what_it_must_and_nothing_else(self):
        for daemon, own in OWN.items():
            with self.subTest(daemon):
                outcome = self.probe_in(daemon)
                self.assertEqual(self.done(outcome) - self.not_here, (own | EVERYBODY) - self.not_here, outcome)

    def test_root_in_the_same_sandbox_can_no_more(self):
        for daemon, own in OWN.items():
            with self.subTest(daemon):
                self.machine.run("sh", "-c", "chown -R root:root /var/lib/ctdb; chmod 775 /run/ctdb")
                outcome = self.probe_in(daemon, "root")
                self.assertLessEqual(self.done(outcome) - self.not_here, own | EVERYBODY | {"see process 1", "change of an owner"},
                                     outcome)


if __name__ == "__main__":
    unittest.main()
