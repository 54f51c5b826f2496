# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages for administrators, as somebody follows them who does not know better: what stands in them is run as it is printed, on three
machines with one network."""
import re
import subprocess
import unittest

from machine import TOOLS, Machine
from node import LEADERS, Node, finish
from root import ROOT

PAGES = ("first-cluster.md", "moving-from-ctdbd.md", "upgrading.md", "when-something-is-wrong.md")
DOMAIN = "10.0.0"
# What the pages take for granted.
SERVICES = ("ctdb", "smbd", "winbind")
SERVICE = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
# As an installation leaves them: other files of the same names.
NEW_PROGRAMS = "cd /usr/sbin; for program in ctdb-*; do cp -p $program $program.new; mv $program.new $program; done"
# Without an end of their own.
ENDLESS = ("--watch", "capture -w", "events")


def page(name):
    with open(f"{ROOT}/docs/{name}") as text:
        return text.read()


def blocks(name):
    return re.findall(r"^```\n(.*?)^```$", page(name), re.M | re.S)


def inline(name, program):
    """Commands in the text, without those that stand for more (…)."""
    found = re.findall(rf"`({program} [^`]+)`", re.sub(r"^```.*?^```$", "", page(name), flags=re.M | re.S))
    return [command for command in dict.fromkeys(found) if "…" not in command]


def join_network(machines):
    def on(number, *words):
        machines[number].run("ip", *words)

    on(0, "link", "add", "name", "bridge0", "type", "bridge")
    on(0, "link", "set", "bridge0", "up")
    on(0, "addr", "add", f"{DOMAIN}.1/24", "dev", "bridge0")
    for number, machine in enumerate(machines[1:], 1):
        subprocess.run(["nsenter", "--target", str(machines[0].init), "--net", "ip", "link", "add", "name", f"to{number}",
                        "type", "veth", "peer", "name", "eth0", "netns", str(machine.init)], check=True)
        on(0, "link", "set", f"to{number}", "master", "bridge0", "up")
        on(number, "link", "set", "eth0", "up")
        on(number, "addr", "add", f"{DOMAIN}.{number + 1}/24", "dev", "eth0")


class PagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.machines = []
        for _ in range(3):
            cls.machines.append(Machine())
            cls.addClassCleanup(cls.machines[-1].close)
        join_network(cls.machines)
        for machine in cls.machines:
            for name in SERVICES:
                machine.write(f"/etc/systemd/system/{name}.service", SERVICE)
        cls.follow_first_cluster()

    @classmethod
    def on_each(cls, block):
        """At the same time on all."""
        for running in [machine.start("sh", "-ec", block) for machine in cls.machines]:
            finish(running)

    @classmethod
    def follow_first_cluster(cls):
        install, nodes, key, group, start, cls.records, _, cls.samba = blocks("first-cluster.md")
        first = cls.machines[0]
        cls.on_each(install.strip().split("\n")[-1])  # the build is what is tested
        cls.on_each(nodes)
        first.run("sh", "-ec", key)
        for machine in cls.machines[1:]:
            machine.write("/etc/ctdb/cluster.key", first.run("cat", "/etc/ctdb/cluster.key"), "640")  # scp -p
        cls.on_each(group)
        cls.on_each(start)

    def setUp(self):
        self.cursors = [(Node(machine), machine.cursor()) for machine in self.machines]

    def run_undisturbed(self, machine, command):
        """Once more if it failed and the machine was too busy for one of the nodes: then the answer may have been right."""
        for left in (2, 1, 0):
            try:
                return machine.run("sh", "-ec", command)
            except RuntimeError:
                if left == 0 or not any(node.disturbances(cursor, *LEADERS) for node, cursor in self.cursors):
                    raise
            for node, _ in self.cursors:
                node.wait()

    def run_all(self, machine, commands):
        """Each by itself; those without an end are ended."""
        for command in commands:
            command = re.sub(r"\bDB\b", "demo.tdb", re.sub(r"\bKEY\b", "greeting", command))
            if any(word in command for word in ENDLESS):
                command = f"timeout --preserve-status --signal=INT 1 {command} || [ $? = 130 ]"
            with self.subTest(command):
                self.run_undisturbed(machine, f"cd /tmp; {command}")

    def put_a_record(self):
        put, get = self.records.strip().split("\n")
        self.run_undisturbed(self.machines[0], put)
        return self.run_undisturbed(self.machines[1], get)

    def test_a_record_moves(self):
        said = self.put_a_record()
        self.assertRegex(said, r"dmaster: +1")
        self.assertIn("hello", said)

    def test_samba_waits(self):
        self.machines[0].run("sh", "-ec", self.samba)
        self.assertIn("ctdb-healthy.target", self.machines[0].show("smbd.service", "After"))

    def test_commands_in_the_text(self):
        self.put_a_record()
        commands = [command for name in PAGES for command in inline(name, "ctdb-cli")]
        self.assertGreater(len(commands), 15)
        # The last of all: nobody starts that node.
        commands.sort(key=lambda command: (" add " in command, " delete " in command))
        self.run_all(self.machines[1], commands)
        self.machines[1].run("ctdb-cli", "node", "remove", "3")
        for machine in self.machines:
            Node(machine).wait()

    def test_upgrading(self):
        """Under load, and nothing of the old release is left."""
        install, replace = blocks("upgrading.md")
        nodes = [Node(machine) for machine in self.machines]
        loads = {api: [node.counting(f"upgrade-{api}", api) for node in nodes] for api in ("native", "classic")}
        for machine in self.machines:
            machine.run("sh", "-ec", NEW_PROGRAMS)
            machine.run("sh", "-ec", install.strip().split("\n")[-1])
            self.assertTrue(machine.run("sh", "-ec", replace).startswith("healthy\n"))
            for load in loads["native"] + loads["classic"]:
                load.wait_for_more()
        values = {api: sorted(value for load in counting for value in load.stop()) for api, counting in loads.items()}
        fallen_back = [line for node, cursor in self.cursors for line in node.fallen_back(cursor)]
        for counted in values.values():
            self.assertTrue(fallen_back or counted == list(range(1, len(counted) + 1)), "nothing is lost, or it is told")
        for machine in self.machines:
            programs = machine.run("sh", "-c", "for pid in $(pgrep -f ^/usr/sbin/ctdb-); do readlink /proc/$pid/exe; done")
            self.assertGreater(programs.count("ctdb-"), 2)
            self.assertNotIn("deleted", programs)

    @staticmethod
    def commit(machine, count):
        """Adds to a counter in a persistent database; its value."""
        return int(finish(machine.start(f"{TOOLS}/ctdb-transact", "--setup", "/run/ctdb/setup.socket", "--db", "kept.tdb",
                                        "--key", "key", "--count", str(count))).split()[-1])

    def test_moving_in_place(self):
        change, = blocks("moving-from-ctdbd.md")
        self.assertEqual(self.commit(self.machines[0], 5), 5)
        for machine in self.machines:
            Node(machine).stop()
        # As the classic daemon leaves it behind.
        self.on_each("systemctl disable ctdb.target; cd /var/lib/ctdb/persistent; rm -rf *.committed *commits.log; chown -R root:root .; "
                     "systemctl enable --now ctdb smbd winbind")
        self.on_each(change)
        for node, _ in self.cursors:
            node.wait()
        for number, machine in enumerate(self.machines, 6):
            self.assertEqual(self.commit(machine, 1), number)
            self.assertEqual(machine.show("ctdb.service", "ActiveState", "UnitFileState"), ["inactive", "disabled"])


if __name__ == "__main__":
    unittest.main()
