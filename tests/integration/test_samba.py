# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's unmodified smbd, clustered over our nodes: one on each, one exported directory."""
import functools
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor

from bystanders import RoutersReplaced, leave_alone
from support import ROOT, ClassicCluster, NetworkNamespace, Undisturbed, start_cluster, tool_again, wait_until
from smbd import Samba

# The system's Python has Samba's bindings.
SMB_CLIENT = ["/usr/bin/python3", os.path.join(ROOT, "tests", "cluster", "smb_client.py")]
SHARING_VIOLATION = "0xc0000043"
LOCK_CONFLICT = "0xc0000054"


class SmbClient:
    """tests/cluster/smb_client.py on one node."""

    def __init__(self, namespace, address, errors):
        self.process = subprocess.Popen(namespace.wrap([*SMB_CLIENT, address]), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=errors, text=True)
        self.answer()

    def answer(self):
        line = self.process.stdout.readline().strip()
        if not line:
            raise ConnectionError("the client has ended")
        return line

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def open(self, name, access, share):
        answer = self.ask("open", name, access, share)
        if not answer.startswith("ok"):
            raise PermissionError(answer)
        return int(answer.split()[1])

    def end(self):
        self.process.kill()
        self.process.communicate()


class LockingClient:
    """Debian's smbclient, which alone can lock bytes of a file and keep them. It takes one line at a time from a terminal only."""

    PATIENCE_S = 60
    PROMPT = re.compile(r"smb: .> $")

    def __init__(self, command):
        self.terminal, other_end = pty.openpty()
        self.process = subprocess.Popen(command, stdin=other_end, stdout=other_end, stderr=other_end,
                                        env={**os.environ, "TERM": "dumb"}, start_new_session=True)
        os.close(other_end)
        self.answer()
        self.ask("posix")

    def answer(self):
        text = ""
        while not self.PROMPT.search(text):
            if not select.select([self.terminal], [], [], self.PATIENCE_S)[0]:
                raise TimeoutError(f"smbclient does not answer: {text}")
            text += os.read(self.terminal, 4096).decode()
        return text

    def ask(self, line):
        os.write(self.terminal, (line + "\n").encode())
        return self.answer()

    def open(self, name):
        return re.search(r"fnum (\d+)", self.ask(f"posix_open {name} 0644")).group(1)

    def lock(self, number, begin, count):
        return "failed" not in self.ask(f"lock {number} w {begin:x} {count:x}")

    def end(self):
        if self.process.poll() is not None and self.process.returncode == -signal.SIGKILL:
            return
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


class SambaCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="ctdb-samba-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.namespace = NetworkNamespace()
        cls.addClassCleanup(cls.namespace.close)
        cls.cluster = start_cluster(cls.directory.name, cls.addClassCleanup, namespace=cls.namespace)
        sockets = [node.classic_socket for node in cls.cluster.nodes]
        cls.samba = Samba(os.path.join(cls.directory.name, "samba"), sockets, cls.namespace.wrap)
        cls.addClassCleanup(cls.samba.stop_all)
        cls.samba.start_all()

    def client(self, node):
        client = SmbClient(self.namespace, self.samba.address(node), sys.stderr)
        self.addCleanup(client.end)
        return client

    def locking_client(self, node):
        client = LockingClient(self.namespace.wrap(self.samba.client_command(node, "-m", "NT1", "--option=clientminprotocol=NT1")))
        self.addCleanup(client.end)
        return client

    def opens(self, node, name, access="rw", share="rwd"):
        """Whether a client of that node gets the file."""
        client = self.client(node)
        try:
            client.open(name, access, share)
            return True
        except PermissionError as refused:
            self.assertIn(SHARING_VIOLATION, str(refused))
            return False
        finally:
            client.end()


class FilesTest(SambaCase, Undisturbed):
    NO_RECOVERIES = True

    def test_a_deny_mode_holds_on_the_other_nodes(self):
        for holder in range(3):
            name = f"deny{holder}"
            client = self.client(holder)
            handle = client.open(name, "rw", "r")
            for node in range(3):
                self.assertFalse(self.opens(node, name, "rw", "rwd"), "somebody else may write")
                self.assertTrue(self.opens(node, name, "r", "rwd"), "nobody else may read")
            client.ask("close", handle)
            self.assertTrue(self.opens((holder + 1) % 3, name))

    def test_what_one_node_wrote_another_reads(self):
        writer, reader = self.client(0), self.client(2)
        handle = writer.open("text", "rw", "rwd")
        self.assertEqual(writer.ask("write", handle, "hello"), "ok")
        self.assertEqual(reader.ask("read", reader.open("text", "r", "rwd")), "ok hello")

    def test_the_end_of_a_client_frees_what_it_had(self):
        client = self.client(1)
        client.open("mine", "rw", "-")
        self.assertFalse(self.opens(0, "mine"))
        client.end()
        wait_until(lambda: self.opens(0, "mine"), "the file is free")

    def test_smbstatus_of_every_node_shows_all(self):
        clients = [self.client(node) for node in range(3)]
        for node, client in enumerate(clients):
            client.open(f"status{node}", "rw", "r")
        for node in range(3):
            out = self.samba.run(node, "smbstatus", check=True).stdout
            for other in range(3):
                self.assertRegex(out, rf"(?m)^{other}:\d+ .*DENY_WRITE.*status{other} ")

    def test_registry_and_passwords_are_on_every_node(self):
        self.samba.run(0, "net", "registry", "createkey", r"HKLM\Software\Cluster", check=True)
        self.samba.run(1, "net", "registry", "setvalue", r"HKLM\Software\Cluster", "name", "sz", "value", check=True)
        for node in range(3):
            out = self.samba.run(node, "net", "registry", "getvalue", r"HKLM\Software\Cluster", "name", check=True).stdout
            self.assertIn('"value"', out)
            self.assertIn("root:", self.samba.run(node, "pdbedit", "-L", check=True).stdout)

    def test_smbcontrol_reaches_the_smbds_of_all_nodes(self):
        out = self.samba.run(0, "smbcontrol", "all", "ping", check=True).stdout
        self.assertGreaterEqual({line.split(":")[0] for line in re.findall(r"PONG from pid (\d+:\d+)", out)}, {"1", "2"})


class VerdictsTest(SambaCase, Undisturbed):
    """Samba's own torture tests come to the same verdict on Debian's ctdbd and on our daemons, their two connections on two
    nodes."""
    NO_RECOVERIES = True

    TESTS = ("smb2.lock", "smb2.sharemode", "smb2.deny", "smb2.oplock.exclusive1", "smb2.oplock.batch1",
             "smb2.oplock.batch6", "base.lock", "raw.open")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.classic = ClassicCluster(os.path.join(cls.directory.name, "classic"))
        cls.addClassCleanup(cls.classic.stop)
        cls.classic.start()
        sockets = [cls.classic.socket(node) for node in range(3)]
        cls.classic_samba = Samba(os.path.join(cls.directory.name, "classic-samba"), sockets, cls.classic.wrap)
        cls.addClassCleanup(cls.classic_samba.stop_all)
        cls.classic_samba.start_all()

    @staticmethod
    def verdict(samba, test):
        out = samba.torture(0, test, others=[1]).stdout
        return sorted(re.findall(r"^(success|failure|error|skip): (\S+)", out, re.M))

    def test_torture(self):
        verdicts = {}

        def run(name, samba):
            verdicts[name] = [self.verdict(samba, test) for test in self.TESTS]

        runs = [threading.Thread(target=run, args=each) for each in (("ours", self.samba), ("theirs", self.classic_samba))]
        for each in runs:
            each.start()
        for each in runs:
            each.join()
        for test, ours, theirs in zip(self.TESTS, verdicts["ours"], verdicts["theirs"], strict=True):
            with self.subTest(test):
                self.assertGreater(len(ours), 0)
                if ours != theirs:  # some look at the clock, which a busy machine may make wrong on either
                    ours, theirs = (self.verdict(samba, test) for samba in (self.samba, self.classic_samba))
                self.assertEqual(ours, theirs)

    def test_locktest(self):
        """It takes two nodes of one cluster for two servers, so it stops where their locks first meet: at the same place."""
        ours, theirs = self.samba.locktest(0, 1), self.classic_samba.locktest(0, 1)
        answers = [re.findall(r"^(?:un)?lock .*", done.stdout, re.M) for done in (ours, theirs)]
        self.assertGreater(len(answers[0]), 0, ours.stdout + ours.stderr)
        self.assertEqual((ours.returncode, answers[0]), (theirs.returncode, answers[1]))


class OpenFiles:
    """What four clients of three nodes have open and locked, and that the others keep seeing it."""

    def __init__(self, case):
        self.case, self.told = case, False
        self.holder, self.locker, self.other, self.third = case.client(0), case.locking_client(0), case.client(1), case.client(2)
        self.handle, self.locked = self.holder.open("held", "rw", "r"), self.locker.open("ranges")
        case.assertTrue(self.locker.lock(self.locked, 0, 10))
        self.read, self.ranges = self.other.open("held", "r", "rwd"), self.other.open("ranges", "rw", "rwd")
        wait_until(lambda: sorted(smbd.split(":")[0] for smbd in case.samba.sessions()) == ["0", "0", "1", "2"], "these four sessions")
        self.smbds = case.samba.sessions()

    def end(self):
        for client in (self.holder, self.locker, self.other, self.third):
            client.end()
        wait_until(lambda: not self.case.samba.sessions(), "the sessions end")

    def check(self, at):
        case = self.case
        case.assertEqual(self.holder.ask("write", self.handle, f"text{at:02}"), "ok")
        case.assertEqual(self.other.ask("read", self.read), f"ok text{at:02}")
        case.assertIn(SHARING_VIOLATION, self.third.ask("open", "held", "rw", "rwd"))
        case.assertIn(LOCK_CONFLICT, self.other.ask("write", self.ranges, "x", 5))
        case.assertEqual(self.other.ask("write", self.ranges, "x", 1000), "ok")
        case.assertTrue(self.locker.lock(self.locked, 20 + at, 1))
        case.assertIn(LOCK_CONFLICT, self.other.ask("write", self.ranges, "x", 20 + at))
        case.assertEqual({smbd for smbd in self.smbds if not os.path.exists(f"/proc/{smbd.split(':')[1]}")}, set())


class FaultsTest(SambaCase, Undisturbed):
    def restart(self, node, daemon, number):
        """As an administrator does it, with SIGTERM, or as a fault does."""
        chosen = self.cluster.nodes[node].daemons[daemon]
        old = chosen.pid
        if number == signal.SIGTERM:  # the supervisor starts none again that ended in good order
            chosen.end(number)
            chosen.wait_ended()
            chosen.start()
        else:
            chosen.signal(number)
        wait_until(lambda: chosen.pid not in (None, old), "another one is there")
        self.cluster.wait_healthy()

    def fallen_back(self):
        return sum(json.loads(node.cli("-o", "json", "stats").stdout)["counters"]["store_records_fallen_back"] for node in self.cluster.nodes)

    def log(self, node, daemon):
        with open(node.log_path(daemon), encoding="utf-8") as log:
            return log.readlines()

    def cut_off(self):
        """How many clients a daemon that was in the middle of something for them when it ended has cost, as the other one said
        (ARCHITECTURE §2; one that is told to end has two seconds to come to an end of that, which a busy machine may be too slow for)."""
        lines = [line for node in self.cluster.nodes for daemon in ("ctdb-router", "ctdb-store") for line in self.log(node, daemon)]
        ended = (re.search(r"(\d+) were in the middle of something and will be ended", line) for line in lines)
        return sum(line.count("gone in the middle of something") for line in lines) + sum(int(found[1]) for found in ended if found)

    def with_logs(self, node, check):
        """What the daemons of the node said last stands beside what is wrong."""
        try:
            check()
        except AssertionError as error:
            said = "".join(line for daemon in node.daemons for line in self.log(node, daemon)[-15:])
            raise AssertionError(f"{error}\n{said}") from error

    def test_daemons_restart_one_by_one_under_open_files(self):
        """Sessions, what they have open and what they have locked stay, on the node of the restart and on the others. Where a store is
        not back within the lease, because the machine is too busy, the records of sessions that only its node had are gone, and
        that is told: smbstatus then shows less. So is an smbd for which a daemon was in the middle of something: then all begin anew."""
        self.cluster.since_healthy = RoutersReplaced(self.cluster)
        steps = [(0, number) for number in (signal.SIGTERM, signal.SIGKILL)] + [(1, signal.SIGKILL), (2, signal.SIGTERM)]
        work, cut = OpenFiles(self), self.cut_off()
        for at, (node, number, daemon) in enumerate((*step, daemon) for step in steps for daemon in self.cluster.nodes[0].daemons):
            with self.subTest(node=node, daemon=daemon, signal=number.name):
                self.restart(node, daemon, number)
                if self.cut_off() > cut:
                    work.end()
                    work, cut = OpenFiles(self), self.cut_off()
                self.with_logs(self.cluster.nodes[node], functools.partial(work.check, at))
                work.told = work.told or self.fallen_back() > 0
                if not work.told:
                    self.assertEqual(self.samba.sessions(), work.smbds)

    def calls(self, node):
        stats = json.loads(self.cluster.nodes[node].cli("-o", "json", "stats", check=True).stdout)
        return stats["counters"]["store_calls"]

    def test_a_database_is_detached_under_smbd_and_attached_anew(self):
        """smbd does not look at the status of a call: it asks again and again, not all the time, until there is the database again."""
        def tool(node, *words):
            done = tool_again(self.cluster, node, *words)
            self.assertEqual(done.returncode, 0, done.stderr)

        client = self.client(0)
        client.open("before", "rw", "r")
        for node in range(3):
            tool(node, "setvar", "AllowClientDBAttach", "0")
        tool(0, "detach", "locking.tdb")
        with ThreadPoolExecutor() as pool:
            opened = pool.submit(client.open, "after", "rw", "r")
            asked = self.calls(0)
            wait_until(lambda: self.calls(0) >= asked + 5, "smbd asks for what is no more")
            self.assertFalse(opened.done())
            for node in range(3):
                tool(node, "setvar", "AllowClientDBAttach", "1")
            tool(1, "attach", "locking.tdb")
            opened.result()
        self.assertFalse(self.opens(1, "after"))
        self.assertTrue(self.opens(1, "another"))

    def test_a_node_is_killed_and_the_others_work_on(self):
        clients = [self.client(node) for node in range(3)]
        handles = [client.open(f"work{node}", "rw", "r") for node, client in enumerate(clients)]
        leave_alone(self.cluster, (0, 1))
        self.cluster.nodes[2].kill()
        for node in (0, 1):
            self.assertEqual(clients[node].ask("write", handles[node], "goes-on"), "ok")
            self.assertFalse(self.opens(1 - node, f"work{node}"))
        wait_until(lambda: self.opens(0, "work2"), "what the dead node's client had open is free", 60)
        self.samba.stop(2)
        self.cluster.nodes[2].start()
        self.cluster.wait_healthy()
        self.samba.start(2)
        self.samba.wait_started(2)
        self.assertFalse(self.opens(2, "work0"))

    def test_registry_and_passwords_survive_a_stop_of_all_nodes(self):
        self.samba.run(0, "net", "registry", "createkey", r"HKLM\Software\Kept", check=True)
        self.samba.run(0, "net", "registry", "setvalue", r"HKLM\Software\Kept", "name", "sz", "kept", check=True)
        self.samba.stop_all()
        for node in self.cluster.nodes:
            node.stop()
        for node in self.cluster.nodes:
            node.start()
        self.cluster.wait_healthy()
        for node in range(3):
            self.samba.start(node)
            self.samba.wait_started(node)  # logs in with the password
        for node in range(3):
            out = self.samba.run(node, "net", "registry", "getvalue", r"HKLM\Software\Kept", "name", check=True).stdout
            self.assertIn('"kept"', out)


if __name__ == "__main__":
    unittest.main()
