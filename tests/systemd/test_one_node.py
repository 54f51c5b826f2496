# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of one node under systemd: boot without its address, readiness, load while its daemons are killed and
stopped, reload, mistakes, crash loops, the end."""
import json
import os
import re
import shutil
import signal
import unittest

from machine import Machine, sockets_of, wait_until
from node import DAEMONS, Node, finish
from root import BUILD

ADDRESS = "10.1.0.1"
BACK_WITHIN_S, WATCHDOG_S = 3, 10


class OneNodeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.machine = Machine()
        cls.addClassCleanup(cls.machine.close)
        cls.node = Node(cls.machine)
        cls.machine.write("/etc/ctdb/nodes", ADDRESS + "\n")
        cls.machine.run("ip", "link", "set", "lo", "up")

    def setUp(self):
        self.configure("")
        self.node.stop()
        self.machine.run("sh", "-c", "systemctl reset-failed; rm -f /run/ctdb/*.ended", check=False)

    def start(self):
        self.machine.run("ip", "addr", "replace", f"{ADDRESS}/32", "dev", "lo")
        self.node.start()
        self.node.wait()

    def configure(self, text):
        self.machine.write("/etc/ctdb/ctdb.conf", text)

    def active(self, unit):
        return self.machine.show(unit, "ActiveState")

    def test_waits_for_its_address_and_says_so(self):
        self.machine.run("ip", "addr", "flush", "dev", "lo")
        self.machine.run("systemctl", "start", "--no-block", "ctdb.target", "ctdb-healthy.target")
        wait_until(lambda: "no address of this file" in self.node.status_text("router"), "the router says what is missing")
        self.assertTrue(self.node.status_text("router").startswith("waiting: /etc/ctdb/nodes: "))
        self.assertEqual(self.active("ctdb-router.service"), "activating")
        self.assertNotEqual(self.active("ctdb-healthy.target"), "active")
        self.machine.run("ip", "addr", "add", f"{ADDRESS}/32", "dev", "lo")
        wait_until(lambda: self.active("ctdb-healthy.target") == "active", "the node takes part")
        self.assertTrue(self.node.status()["healthy"])

    def waiting_text(self):
        return self.machine.show("ctdb-healthy.service", "StatusText")

    def set_for_now(self, unit, setting):
        directory = f"/etc/systemd/system/{unit}.d"
        self.machine.run("mkdir", "-p", directory)
        self.machine.write(f"{directory}/test.conf", setting)
        self.machine.run("systemctl", "daemon-reload")
        self.addCleanup(self.machine.run, "sh", "-c", f"rm -r {directory}; systemctl daemon-reload")

    def wait_healthy_after_all(self):
        """Nobody asks for the target again."""
        wait_until(lambda: self.active("ctdb-healthy.target") == "active", lambda: self.machine.journal("-n", "40"))
        self.assertEqual(self.waiting_text(), "ready")

    def test_who_waits_for_the_other_nodes_in_vain_is_told(self):
        self.machine.run("ip", "addr", "replace", f"{ADDRESS}/32", "dev", "lo")
        # It has not been a cluster by itself yet, which it would stay until others have joined.
        self.machine.run("sh", "-c", "rm -rf /var/lib/ctdb/state/*")
        self.machine.write("/etc/ctdb/nodes", f"{ADDRESS}\n10.1.0.2\n10.1.0.3\n")
        self.addCleanup(self.machine.write, "/etc/ctdb/nodes", ADDRESS + "\n")
        # In that time the command must have begun to wait, or it has nothing to say.
        self.set_for_now("ctdb-healthy.service", "[Service]\nTimeoutStartSec=10\n")
        # The daemons first: on a busy machine they may need these seconds to begin.
        self.machine.run("systemctl", "start", "ctdb.target")
        wait_until(lambda: "1 of 3 nodes reachable" in self.node.status()["reason"], lambda: self.node.status()["reason"])
        before = self.machine.cursor()
        self.assertNotEqual(self.machine.status_of("systemctl", "start", "ctdb-healthy.target"), 0,
                            self.machine.journal("--after-cursor", before, "--output=short-monotonic"))
        said = self.machine.journal("-u", "ctdb-healthy.service", "--after-cursor", before)
        self.assertRegex(said, r"(?m)^not ready: .*1 of 3 nodes reachable")
        self.assertRegex(self.waiting_text(), "^waiting, not ready: .*1 of 3 nodes reachable")
        self.machine.write("/etc/ctdb/nodes", ADDRESS + "\n")
        self.machine.run("systemctl", "restart", *self.node.units())
        self.wait_healthy_after_all()

    def test_who_waits_for_the_address_in_vain_is_told(self):
        self.machine.run("ip", "addr", "flush", "dev", "lo")
        self.set_for_now("ctdb-healthy.target", "[Unit]\nJobTimeoutSec=3\n")
        self.assertNotEqual(self.machine.status_of("systemctl", "start", "ctdb-healthy.target"), 0)
        wait_until(lambda: "no address of this file" in self.node.status_text("router"), "the router says what is missing")
        self.assertEqual(self.active("ctdb-router.service"), "activating")
        self.machine.run("ip", "addr", "add", f"{ADDRESS}/32", "dev", "lo")
        self.wait_healthy_after_all()

    def test_when_the_start_is_over_it_serves(self):
        self.start()
        self.assertEqual(self.node.value("fresh"), 0)
        self.assertEqual(self.active("ctdb.target"), "active")
        self.assertEqual({unit: self.active(unit) for unit in self.node.units()},
                         {unit: "active" for unit in self.node.units()})
        wait_until(lambda: self.node.status_text("recoveryd").startswith("RUNNING, leader 0"), "recoveryd says so")
        wait_until(lambda: "ctdb-store connected; ctdb-recoveryd connected" in self.node.status_text("router"), "the router")

    def test_each_daemon_has_its_own_user(self):
        self.start()
        for daemon in DAEMONS:
            user = self.machine.run("ps", "-o", "user:32=", "-p", str(self.node.pid(daemon))).strip()
            self.assertEqual(user, f"ctdb-{daemon}")

    def test_functions_of_a_plugin(self):
        """Loaded inside the store's sandbox: its own users, a system it cannot write, no memory both writable and executable."""
        plugin = "/usr/local/lib/ctdb-example-functions.so"
        inside = self.machine.seen_from_here(plugin)
        os.makedirs(os.path.dirname(inside), exist_ok=True)
        shutil.copy(os.path.join(BUILD, "examples", "example_functions.so"), inside)
        self.configure(f"[database]\nfunctions = {plugin}\n")
        self.start()
        self.node.cli("record", "append", "jobs.tdb", "queue", "line")
        said = json.loads(self.node.cli("-o", "json", "record", "call", "jobs.tdb", "queue", "take-line"))
        self.assertEqual((said["done"], said["answer"]), (True, "line"))
        self.assertIn("functions of plug-ins: keep-larger, take-line", self.machine.journal("-u", "ctdb-store.service"))

    def test_a_killed_store_takes_its_records_up_again(self):
        self.start()
        load = self.node.counting("store")
        others = {daemon: self.node.pid(daemon) for daemon in ("router", "recoveryd")}
        for _ in range(3):
            load.wait_for_more()
            old = self.node.pid("store")
            self.machine.kill("ctdb-store.service")
            self.node.wait_for_another("store", old)
        load.wait_for_more()
        values = load.stop()
        self.assertEqual(values, list(range(1, len(values) + 1)), "a change was lost")
        self.assertEqual({daemon: self.node.pid(daemon) for daemon in others}, others)
        self.node.wait()

    def test_clients_do_not_notice_the_death_of_recoveryd(self):
        self.start()
        load = self.node.counting("recoveryd")
        load.wait_for_more()
        old = self.node.pid("recoveryd")
        self.machine.kill("ctdb-recoveryd.service")
        self.node.wait_for_another("recoveryd", old)
        load.wait_for_more()
        values = load.stop()
        self.assertEqual(values, list(range(1, len(values) + 1)))
        self.node.wait()

    def test_clients_of_a_killed_router_connect_again_and_nothing_is_lost(self):
        self.start()
        loads = [self.node.counting("native"), self.node.counting("classic", "classic")]
        for load in loads:
            load.wait_for_more()
        old = self.node.pid("router")
        self.machine.kill("ctdb-router.service")
        self.node.wait_for_another("router", old)
        for load in loads:
            load.wait_for_more()
            values = load.stop()
            self.assertEqual(values, list(range(1, len(values) + 1)))
        self.node.wait()

    def test_a_router_that_is_replaced_keeps_its_classic_clients(self):
        self.start()
        client = self.node.holding("kept")
        before = sockets_of(client)
        self.assertEqual(len(before), 1)
        old = self.node.pid("router")
        self.machine.kill("ctdb-router.service")
        self.node.wait_for_another("router", old)
        self.node.wait()
        self.machine.run("systemctl", "restart", "ctdb-router.service")
        self.node.wait()
        self.assertEqual(sockets_of(client), before)
        finish(client)
        self.assertEqual(self.node.value("kept"), 1)

    def kill(self, daemon):
        old = self.node.pid(daemon)
        self.machine.kill(self.node.unit(daemon))
        self.node.wait_for_another(daemon, old)
        self.node.wait()
        return self.node.out_of_service_s(daemon)

    def test_a_killed_daemon_is_back_in_time(self):
        """Also one that the kernel has killed for want of memory, which is the same to its unit; that it does, vm/test_systemd.py shows. A busy
        machine may be slow a few times, but not always."""
        self.start()
        for daemon in DAEMONS:
            with self.subTest(daemon):
                seconds = []
                while not seconds or seconds[-1] >= BACK_WITHIN_S and len(seconds) < 4:
                    seconds.append(self.kill(daemon))
                self.assertLess(min(seconds), BACK_WITHIN_S)

    def hang_all(self):
        """How long each was away."""
        old = self.node.processes()
        begun = float(self.machine.run("cat", "/proc/uptime").split()[0])
        for daemon in DAEMONS:
            self.machine.kill(self.node.unit(daemon), signal.SIGSTOP)
        for daemon in DAEMONS:
            self.node.wait_for_another(daemon, old[daemon])
        self.node.wait()
        return {daemon: self.node.ready_since_s(daemon) - begun for daemon in DAEMONS}

    def test_daemons_that_hang_are_replaced(self):
        self.start()
        seconds = self.hang_all()
        self.assertEqual({daemon: self.node.restarts(daemon) for daemon in DAEMONS}, dict.fromkeys(DAEMONS, 1))
        self.assertIn("Watchdog timeout", self.machine.journal("-u", "ctdb-store.service"))
        for _ in range(3):  # once more, see above
            if max(seconds.values()) < WATCHDOG_S + BACK_WITHIN_S:
                break
            seconds = self.hang_all()
        self.assertLess(max(seconds.values()), WATCHDOG_S + BACK_WITHIN_S, seconds)
        self.node.wait()
        self.assertEqual(self.node.value("after"), 0)

    def test_reload_says_what_needs_a_restart(self):
        self.start()
        self.configure("[cluster]\nport = 4400\n[logging]\nlog level = INFO\n")
        self.machine.run("systemctl", "reload", *self.node.units())
        for daemon in DAEMONS:
            wait_until(lambda: "needs a restart to use the new port" in self.node.status_text(daemon), daemon)
        self.configure("[cluster]\nport = many\n")
        self.machine.run("systemctl", "reload", *self.node.units())
        for daemon in DAEMONS:
            wait_until(lambda: "ctdb.conf:2: 'many' is not a port" in self.node.status_text(daemon), daemon)
        self.configure("")
        self.machine.run("systemctl", "reload", *self.node.units())
        for daemon in DAEMONS:
            wait_until(lambda: "reload refused" not in self.node.status_text(daemon), daemon)
        self.assertTrue(self.node.status()["healthy"])

    def test_a_wrong_configuration_is_not_tried_again(self):
        self.configure("[cluster]\nquorum = sometimes\n")
        self.machine.run("systemctl", "start", "ctdb.target", check=False)
        for daemon in DAEMONS:
            unit = self.node.unit(daemon)
            self.assertEqual(self.machine.show(unit, "ActiveState", "ExecMainStatus", "NRestarts"), ["failed", "78", "0"])
            self.assertIn("ctdb.conf:2: 'sometimes' is not a quorum rule", self.node.status_text(daemon))
        self.assertIn("ctdb.conf:2: ", self.machine.run("sh", "-c", "ctdb-cli status 2>&1", check=False))

    def is_refused_with(self, daemon, text):
        """What only an administrator can change is not tried again."""
        unit = self.node.unit(daemon)
        before = self.machine.cursor()
        self.machine.run("systemctl", "start", "--no-block", "ctdb.target")

        def refused():
            return (self.machine.show(unit, "ActiveState", "ExecMainStatus", "NRestarts") == ["failed", "78", "0"]
                    and text in self.node.status_text(daemon) and text in self.node.status()["reason"])

        wait_until(refused, lambda: self.machine.journal("-u", unit))
        if daemon == "router":
            # Connections of the other daemons waited at its sockets.
            self.assertLessEqual(self.active_of_sockets(), {"inactive", "failed"})
        started = self.machine.journal("-u", unit, "--after-cursor", before, "--grep", text)
        self.assertEqual(len(started.strip().split("\n")), 1, "it was begun more than once: " + started)

    def active_of_sockets(self):
        return {self.active(unit) for unit in self.node.sockets()}

    def listener(self, family, address):
        """A program in the machine that listens; its number there."""
        code = (f"import os, socket; s = socket.socket(socket.{family}); s.bind({address!r}); s.listen(); "
                "print(os.getpid(), flush=True); input()")
        program = self.machine.start("python3", "-c", code)
        self.addCleanup(program.communicate, "\n")
        return int(program.stdout.readline())

    def test_a_path_that_another_program_has(self):
        self.start()
        self.node.stop()
        self.machine.run("systemctl", "stop", *self.node.sockets())
        self.machine.run("rm", "/run/ctdb/ctdbd.socket")
        pid = self.listener("AF_UNIX", "/run/ctdb/ctdbd.socket")
        before = self.machine.cursor()
        self.is_refused_with("router", "/run/ctdb/ctdbd.socket is taken by ")
        said = self.machine.journal("-u", "ctdb-classic.socket", "--after-cursor", before)
        self.assertIn(f"/run/ctdb/ctdbd.socket is taken by python3 (process {pid}) (stop it first", said)
        self.machine.run("python3", "-c", "import socket; socket.socket(socket.AF_UNIX).connect('/run/ctdb/ctdbd.socket')")

    def test_a_port_that_another_program_has(self):
        self.start()
        self.node.stop()
        pid = self.listener("AF_INET", (ADDRESS, 4379))
        self.is_refused_with("router", f"port 4379 of {ADDRESS} is taken by a program that cannot be seen from here")
        # In its sandbox the router sees no other process; the command that it names does.
        command = re.search('"(ss [^"]*)" names it', self.node.status_text("router")).group(1)
        self.assertIn(f'"python3",pid={pid},', self.machine.run("sh", "-c", command))

    def test_ctdb_shutdown_lasts_until_the_target_is_started(self):
        self.start()
        self.assertEqual(self.node.tool("shutdown"), "")
        wait_until(lambda: all(self.active(unit) == "inactive" for unit in self.node.units()),
                   lambda: self.machine.journal("-n", "40"))
        self.assertEqual(self.active_of_sockets(), {"inactive"})
        for unit in self.node.units():
            self.assertEqual(self.machine.show(unit, "Result", "NRestarts"), ["success", "0"])
        self.assertIn("shut down on request", self.node.status_text("router"))
        self.assertIn("shut down on request", self.node.status()["reason"])
        self.node.start()
        self.node.wait()

    def test_a_key_that_the_router_may_not_read(self):
        self.start()
        self.node.stop()
        self.machine.write("/etc/ctdb/cluster.key", "0123456789" * 5, "640")
        self.addCleanup(self.machine.run, "rm", "/etc/ctdb/cluster.key")
        self.is_refused_with("router", "cluster.key may not be read by the router's user (chgrp")

    def test_databases_that_cannot_be_written(self):
        self.start()
        self.node.stop()
        self.configure("[database]\nvolatile database directory = /usr/share/ctdb-volatile\n")
        self.is_refused_with("store", "making directory /usr/share/ctdb-volatile: Read-only file system")

    def test_the_journal_knows_priorities(self):
        self.start()
        self.assertIn("no [cluster] key file", self.machine.journal("-u", "ctdb-router.service", "-p", "warning"))
        self.assertNotIn("ctdb-router started", self.machine.journal("-u", "ctdb-router.service", "-p", "warning"))

    def test_a_crash_loop_stops_and_says_why(self):
        self.start()
        self.node.stop()
        self.machine.run("sh", "-c", "cd /run/ctdb; echo nonsense >ctdb-node.page; chmod 664 ctdb-node.page")
        self.addCleanup(self.machine.run, "rm", "/run/ctdb/ctdb-node.page")
        self.machine.run("systemctl", "start", "--no-block", "ctdb.target")
        why = "the node page is unusable"
        for daemon in DAEMONS:
            unit = self.node.unit(daemon)
            wait_until(lambda: self.machine.show(unit, "ActiveState") == "failed",
                       lambda: self.machine.run("systemctl", "status", unit, check=False))
            shown = self.machine.run("systemctl", "status", "--no-pager", unit, check=False)
            self.assertIn(f'Status: "not started: {why}', shown)
            self.assertIn("Start request repeated too quickly", shown)
        reasons = self.node.status()["reason"]
        for daemon in DAEMONS:
            self.assertIn(f"ctdb-{daemon} is dead", reasons)
        self.assertIn(why, reasons)
        self.assertIn("exit status 1", reasons)

    def test_stop_leaves_nothing_behind(self):
        self.start()
        self.node.stop()
        wait_until(lambda: not self.machine.run("pgrep", "-u", "ctdb-store,ctdb-router,ctdb-recoveryd", check=False),
                   "all processes, the keeper too, end")
        for unit in self.node.units():
            self.assertEqual(self.machine.show(unit, "ActiveState", "Result"), ["inactive", "success"])

    def test_whoever_needs_the_router_starts_it(self):
        self.start()
        old = self.node.pid("router")
        self.machine.kill("ctdb-router.service", signal.SIGTERM)
        self.node.wait_for_another("router", old)
        self.node.wait()


if __name__ == "__main__":
    unittest.main()
