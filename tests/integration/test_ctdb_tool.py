# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's unmodified `ctdb` tool against our nodes, its output compared with that against Debian's own ctdbd."""
import concurrent.futures
import os
import re
import struct
import tempfile
import unittest

from bystanders import LEADERS
from support import ClassicCluster, RawClient, SinceHealthy, Undisturbed, start_cluster, tool_again

MASKS = [
    (re.compile(r"\(\d{3} \d\d:\d\d:\d\d\)"), "(AGE)"),
    (re.compile(r"\s*(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}"), " DATE"),
    (re.compile(r"time=[\d.]+ sec"), "time=T sec"),
    (re.compile(r"\(\d+ clients\)"), "(N clients)"),
    (re.compile(r"Generation:\d+"), "Generation:G"),
    (re.compile(r"Leader:\d+"), "Leader:L"),
    (re.compile(r"last recovery/failover: [\d.]+ seconds"), "last recovery/failover: T seconds"),
    (re.compile(r"path:( ?)\S+/"), r"path:\1DIR/"),
    (re.compile(r"rsn: \d+"), "rsn: R"),
    (re.compile(r"flags: 0x[0-9a-f]+"), "flags: F"),
]


def masked(text):
    for pattern, replacement in MASKS:
        text = pattern.sub(replacement, text)
    return text


def only_labels(text):
    """For statistics: what is reported, not the figures; latencies and dates masked."""
    return re.sub(r"[ \t]+", " ", re.sub(r"\d+(\.\d+)?", "N", masked(text)))


def without_keys(text):
    """The classic daemon sorts its hot keys a second later."""
    return only_labels(re.sub(r"Key:[0-9a-f]*", "Key:", text))


CLASSIC = None
CLASSIC_SAID = 0  # in its logs, when it was healthy
OURS = None
# What the classic daemons' logs have of a machine that is too busy, or of a test that changes the cluster.
CLASSIC_DISTURBED = ("Leader broadcast timeout", "Recovery mode set to ACTIVE")


def classic_lines():
    lines = []
    for node in range(CLASSIC.count):
        with open(os.path.join(CLASSIC.base(node), "log.ctdb"), errors="replace") as log:
            lines += [line for line in log if any(text in line for text in CLASSIC_DISTURBED)]
    return lines


def setUpModule():
    global CLASSIC, OURS
    directory = tempfile.TemporaryDirectory(prefix="ctdb-tool-")
    unittest.addModuleCleanup(directory.cleanup)
    CLASSIC = ClassicCluster(os.path.join(directory.name, "classic"))
    unittest.addModuleCleanup(CLASSIC.stop)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        starting = pool.submit(CLASSIC.start)  # takes 9 s
        OURS = start_cluster(os.path.join(directory.name, "ours"), unittest.addModuleCleanup)
        starting.result()
    watch()


def watch():
    """What disturbs either system from now on."""
    global CLASSIC_SAID
    OURS.since_healthy, CLASSIC_SAID = SinceHealthy(OURS), len(classic_lines())


def said():
    """What our daemons have said last, for a failure."""
    lines = []
    for node in OURS.nodes:
        for daemon in ("ctdb-recoveryd", "ctdb-store"):
            with open(node.log_path(daemon), encoding="utf-8") as log:
                lines += log.readlines()[-8:]
    return "".join(lines)


class TwoSystems(Undisturbed):
    NO_RECOVERIES = True

    @classmethod
    def shared_cluster(cls):
        return OURS

    @classmethod
    def begin_anew(cls):
        """The classic one too: both are to have gone through the same."""
        unittest.doModuleCleanups()
        setUpModule()

    def doCleanups(self):
        """Tests that change nothing of the cluster find another leader, or no answer, only if the machine was too busy; on either system."""
        done = super().doCleanups()
        if self.NO_RECOVERIES:
            self._disturbances += OURS.since_healthy.lines("ctdb-recoveryd", *LEADERS) + classic_lines()[CLASSIC_SAID:]
        return done

    def both(self, node, *command, mask=masked):
        """Runs the command on both systems, asserts that exit status and output agree, returns our result."""
        theirs = CLASSIC.tool(node, *command)
        ours = self.tool(node, *command)
        self.assertEqual((ours.returncode, mask(ours.stdout), mask(ours.stderr)),
                         (theirs.returncode, mask(theirs.stdout), mask(theirs.stderr)), f"{command}\n{said()}")
        return ours

    def tool(self, node, *command):
        return tool_again(OURS, node, *command)

    def ok(self, node, *command, mask=masked):
        result = self.both(node, *command, mask=mask)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout


class AskingTest(TwoSystems):

    def test_ping(self):
        self.assertIn("response from 0", self.ok(0, "ping"))
        self.assertIn("response from 2", self.ok(0, "ping", "-n", "2"))

    def test_memory_reports_are_text(self):
        """Their own of each system, but no command waits for ever."""
        for command in ("dumpmemory", "rddumpmemory"):
            self.assertNotEqual(self.ok(1, command, mask=lambda text: bool(text)), "")

    def test_ping_all_is_refused_by_this_release_of_the_tool(self):
        self.assertNotEqual(self.both(0, "ping", "-n", "all").returncode, 0)

    def test_pnn(self):
        self.assertEqual([self.ok(node, "pnn").strip() for node in range(3)], ["0", "1", "2"])

    def test_getpid_is_the_router(self):
        pid = int(self.ok(0, "getpid", mask=only_labels))
        with open(f"/proc/{pid}/comm") as source:
            self.assertEqual(source.read().strip(), "ctdb-router")

    def test_listnodes(self):
        self.assertEqual(self.ok(1, "listnodes").split(), ["127.0.0.1", "127.0.0.2", "127.0.0.3"])

    def test_status(self):
        self.assertIn("pnn:1 127.0.0.2        OK (THIS NODE)", self.ok(1, "status"))

    def test_status_machine_readable(self):
        self.ok(2, "status", "-Y")
        self.ok(2, "-X", "status")

    def test_nodestatus(self):
        self.ok(0, "nodestatus")
        self.ok(0, "nodestatus", "all")
        self.ok(0, "nodestatus", "1,2")

    def test_recmaster_is_unknown_to_this_release_of_the_tool(self):
        self.assertNotEqual(self.both(0, "recmaster").returncode, 0)

    def test_leader_is_the_same_on_all_nodes(self):
        leaders = {self.ok(node, "leader", mask=only_labels).strip() for node in range(3)}
        self.assertEqual(len(leaders), 1)
        self.assertIn(leaders.pop(), ("0", "1", "2"))

    def test_runstate(self):
        self.assertEqual(self.ok(0, "runstate").strip(), "RUNNING")
        self.ok(0, "runstate", "RUNNING")
        self.assertNotEqual(self.both(0, "runstate", "STARTUP").returncode, 0)

    def test_uptime(self):
        self.assertIn("Duration of last recovery/failover", self.ok(0, "uptime"))

    def test_statistics(self):
        self.assertIn("total_calls", self.ok(0, "statistics", mask=only_labels))
        self.ok(0, "statisticsreset")

    def test_process_exists(self):
        with RawClient(OURS.nodes[0].classic_socket), RawClient(CLASSIC.socket(0)):
            self.ok(0, "process-exists", str(os.getpid()))
        self.assertNotEqual(self.both(0, "process-exists", "1").returncode, 0)

    def test_tunables(self):
        names = self.ok(0, "listvars")
        self.assertIn("VacuumInterval", names)
        self.ok(0, "getvar", "vacuuminterval")
        self.ok(0, "setvar", "VacuumInterval", "17")
        self.assertIn("= 17", self.ok(0, "getvar", "VacuumInterval"))
        self.ok(0, "setvar", "VacuumInterval", "10")
        self.assertNotEqual(self.both(0, "getvar", "NoSuchThing").returncode, 0)
        self.assertNotEqual(self.both(0, "setvar", "NoSuchThing", "1").returncode, 0)

    def test_records_move_between_nodes(self):
        self.ok(0, "attach", "moving.tdb")
        self.assertIn("name:moving.tdb", self.ok(0, "getdbmap"))
        self.assertIn("HEALTH: OK", self.ok(0, "getdbstatus", "moving.tdb"))
        self.ok(0, "writekey", "moving.tdb", "key", "first")
        for node in (1, 2, 0):
            self.assertIn("[first]", self.ok(node, "readkey", "moving.tdb", "key"))
        self.ok(2, "writekey", "moving.tdb", "key", "second value")
        self.assertIn("[second value]", self.ok(0, "readkey", "moving.tdb", "key"))
        self.ok(1, "writekey", "moving.tdb", "other", "x")
        self.assertIn("Dumped 2 records", self.ok(0, "catdb", "moving.tdb", mask=sorted_records))
        self.ok(1, "deletekey", "moving.tdb", "key")
        self.assertIn("size:0", self.ok(0, "readkey", "moving.tdb", "key"))
        self.assertIn("Dumped 1 records", self.ok(2, "catdb", "moving.tdb", mask=sorted_records))

    def test_a_database_is_detached_when_clients_may_not_attach(self):
        self.ok(0, "attach", "leaving.tdb")
        self.ok(1, "writekey", "leaving.tdb", "key", "value")
        self.assertNotEqual(self.both(0, "detach", "leaving.tdb").returncode, 0)
        for node in range(3):
            self.ok(node, "setvar", "AllowClientDBAttach", "0")
        try:
            self.assertNotEqual(self.both(2, "attach", "other.tdb").returncode, 0)
            self.ok(0, "detach", "leaving.tdb")
        finally:
            for node in range(3):
                self.ok(node, "setvar", "AllowClientDBAttach", "1")
        for node in range(3):
            self.assertNotIn("leaving.tdb", self.tool(node, "getdbmap").stdout)
            self.assertNotIn("leaving.tdb", CLASSIC.tool(node, "getdbmap").stdout)
        self.ok(0, "attach", "leaving.tdb")
        self.assertIn("size:0", self.ok(0, "readkey", "leaving.tdb", "key"))

    def test_database_statistics_name_the_hot_keys(self):
        self.ok(0, "attach", "hot.tdb")
        for round in range(3):
            for node in (1, 2, 0):
                self.ok(node, "writekey", "hot.tdb", "hot key", str(round))
        text = self.ok(0, "dbstatistics", "hot.tdb", mask=without_keys)
        self.assertRegex(text, "Count:[1-9][0-9]* Key:" + b"hot key".hex())
        self.ok(0, "statisticsreset")
        self.assertNotIn(b"hot key".hex(), self.ok(0, "dbstatistics", "hot.tdb", mask=without_keys))

    def test_unknown_database(self):
        self.assertNotEqual(self.both(0, "getdbstatus", "nowhere.tdb").returncode, 0)

    def test_a_database_attached_on_one_node_is_on_all(self):
        self.ok(1, "attach", "everywhere.tdb")
        for node in range(3):
            self.assertIn("name:everywhere.tdb", self.tool(node, "getdbmap").stdout)


class PersistentTest(TwoSystems):
    def test_transactions(self):
        for kind in ("persistent", "replicated"):
            name = f"{kind}.tdb"
            self.ok(0, "attach", name, kind)
            self.assertIn(kind.upper(), self.ok(1, "getdbmap"))
            self.ok(0, "getdbstatus", name)
            self.ok(0, "pstore", name, "key", "value")
            for node in range(3):
                self.assertEqual(self.ok(node, "pfetch", name, "key"), "value\n")
                self.assertIn("0x1", self.ok(node, "getdbseqnum", name))
            self.ok(1, "pstore", name, "key", "second value")
            self.assertEqual(self.ok(2, "pfetch", name, "key"), "second value\n")
            self.ok(2, "catdb", name, mask=sorted_records)
            self.ok(2, "pdelete", name, "key")
            self.assertEqual(self.ok(0, "pfetch", name, "key").strip(), "")
            for flag in ("setdbreadonly", "setdbsticky"):
                self.assertNotEqual(self.both(0, flag, name).returncode, 0)

    def test_a_file_of_changes(self):
        self.ok(1, "attach", "changes.tdb", "persistent")
        with tempfile.NamedTemporaryFile("w") as changes:
            changes.write('"a" "1"\n"b" "2"\n\n"a" "3"\nnonsense\n')
            changes.flush()
            self.both(1, "ptrans", "changes.tdb", changes.name)
        for key in ("a", "b", "c"):
            self.both(0, "pfetch", "changes.tdb", key)

    def test_volatile_databases_have_no_transactions(self):
        self.ok(0, "attach", "no-transactions.tdb")
        self.assertNotEqual(self.both(0, "pstore", "no-transactions.tdb", "key", "value").returncode, 0)


class WholeDatabaseTest(TwoSystems):
    """`wipedb`, `backupdb`, `restoredb` and `dumpdbbackup`."""

    KINDS = {"volatile": (), "persistent": ("persistent",), "replicated": ("replicated",)}

    def fill(self, name, kind, keys):
        command = "writekey" if kind == "volatile" else "pstore"
        for number, key in enumerate(keys):
            self.ok(number % 3, command, name, key, f"value of {key}")

    def text_of(self, name, key, kind):
        command = "readkey" if kind == "volatile" else "pfetch"
        return [self.ok(node, command, name, key) for node in range(3)]

    def records_of(self, node, name):
        return re.search(r"Dumped (\d+) records", self.tool(node, "catdb", name).stdout).group(1)

    def test_wipedb(self):
        for kind, words in self.KINDS.items():
            with self.subTest(kind):
                name = f"wiped-{kind}.tdb"
                self.ok(0, "attach", name, *words)
                self.ok(0, "wipedb", name)  # when it is empty
                self.fill(name, kind, ["a", "b", "c", "d"])
                self.assertIn(f"Database {name} wiped", self.ok(1, "wipedb", name))
                for node in range(3):
                    self.assertIn("Dumped 0 records", self.ok(node, "catdb", name))
                for key in ("a", "b"):
                    self.text_of(name, key, kind)
                self.fill(name, kind, ["a", "e"])
                self.assertEqual(self.records_of(2, name), self.ours_and_theirs(2, name))

    def ours_and_theirs(self, node, name):
        return re.search(r"Dumped (\d+) records", CLASSIC.tool(node, "catdb", name).stdout).group(1)

    def test_backup_and_restore(self):
        for kind, words in self.KINDS.items():
            with self.subTest(kind):
                name, keys = f"backed-{kind}.tdb", [f"key {number}" for number in range(20)]
                self.ok(0, "attach", name, *words)
                self.fill(name, kind, keys)
                if kind == "volatile":  # the tool saves what its node's file has
                    for key in keys:
                        self.ok(0, "readkey", name, key)
                with tempfile.TemporaryDirectory() as folder:
                    files = [os.path.join(folder, of) for of in ("ours", "theirs")]
                    for run, file in zip((self.tool, CLASSIC.tool), files):
                        self.assertEqual(run(0, "backupdb", name, file).returncode, 0)
                    self.assertIn("Dumped 2", self.same(0, files, "dumpdbbackup"))
                    self.fill(name, kind, [keys[0], "new"])
                    self.same(1, files, "restoredb")
                    for key in (keys[0], keys[19], "new"):
                        self.text_of(name, key, kind)
                    # Each other's files, under another name.
                    other = f"moved-{kind}.tdb"
                    self.same(2, files[::-1], "restoredb", other)
                    self.text_of(other, keys[7], kind)
                self.fill(name, kind, [keys[1]])
                self.assertEqual(self.records_of(1, name), self.ours_and_theirs(1, name))

    def same(self, node, files, command, *more):
        ours, theirs = self.tool(node, command, files[0], *more), CLASSIC.tool(node, command, files[1], *more)
        dates = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d|\w{3} \w{3} [ \d]\d [\d:]+ \d{4}")
        mask = (lambda text: "\n".join(sorted(dates.sub("DATE", masked(text)).split("\n"))))
        self.assertEqual((ours.returncode, mask(ours.stdout), mask(ours.stderr)),
                         (theirs.returncode, mask(theirs.stdout), mask(theirs.stderr)), said())
        return ours.stdout

    def test_a_large_restore(self):
        """More than one message and, of a persistent database, more than one transaction of the log would take."""
        for kind, words in self.KINDS.items():
            with self.subTest(kind), tempfile.TemporaryDirectory() as folder:
                name = f"large-{kind}.tdb"
                self.ok(0, "attach", name, *words)
                command = "writekey" if kind == "volatile" else "pstore"
                self.ok(0, command, name, "k0", "small")
                for number in range(12):
                    value = os.path.join(folder, "value")
                    with open(value, "w") as out:
                        out.write(chr(65 + number) * 100_000)
                    with open(value) as content:
                        self.assertEqual(self.tool(0, command, name, f"k{number}", content.read()).returncode, 0)
                file = os.path.join(folder, "file")
                self.assertEqual(self.tool(0, "backupdb", name, file).returncode, 0)
                self.assertEqual(self.tool(1, "wipedb", name).returncode, 0)
                self.assertEqual(self.records_of(1, name), "0")
                self.assertEqual(self.tool(2, "restoredb", file).returncode, 0)
                self.assertEqual(self.records_of(0, name), "12" if kind == "volatile" else "13")  # the sequence number
                read = "readkey" if kind == "volatile" else "pfetch"
                self.assertIn("L" * 100_000, self.tool(1, read, name, "k11").stdout)

    def test_records_can_be_used_while_a_tool_is_at_it(self):
        """Whoever has a record goes on with it, and records move again when the tool has gone in the middle."""
        name = "frozen.tdb"
        self.ok(0, "attach", name)
        self.ok(0, "writekey", name, "key", "value")
        with RawClient(OURS.nodes[1].classic_socket) as raw:
            db_id, = struct.unpack("<I", raw.ask(18, name.encode() + b"\0")[1])
            self.assertEqual(raw.ask(67, struct.pack("<II", db_id, 7))[0], -1, "not frozen")
            for opcode, data in ((141, struct.pack("<I", db_id)), (143, struct.pack("<II", db_id, 7)),
                                 (67, struct.pack("<II", db_id, 7))):
                self.assertEqual(raw.ask(opcode, data)[0], 0, opcode)
            self.assertEqual(raw.ask(144, struct.pack("<II", db_id, 8))[0], -1, "another transaction")
            self.assertEqual(raw.ask(148, struct.pack("<I", db_id))[0], -1, "nobody pushes")
            self.assertIn("[value]", self.tool(0, "readkey", name, "key").stdout)
        self.assertIn("[value]", self.tool(1, "readkey", name, "key").stdout)


def sorted_records(text):
    """catdb's records come in any order (and with any dmaster: it depends on who read last)."""
    blocks = masked(text).strip().split("\n\n")
    return sorted(re.sub(r"dmaster: \d+", "dmaster: D", block) for block in blocks)


class ClusterChangingTest(TwoSystems):
    """Commands that change the cluster: each leaves it as it was."""
    NO_RECOVERIES = False

    @classmethod
    def tearDownClass(cls):
        """Its recoveries are none that the next ones have to allow for."""
        watch()

    def generation(self):
        return re.search(r"Generation:(\d+)", self.tool(0, "status").stdout).group(1)

    def test_recover_makes_a_new_generation_and_keeps_records(self):
        self.ok(0, "attach", "kept.tdb")
        self.ok(0, "writekey", "kept.tdb", "key", "value")
        before = self.generation()
        self.ok(0, "recover")
        self.assertNotEqual(self.generation(), before)
        self.assertIn("[value]", self.ok(1, "readkey", "kept.tdb", "key"))

    def test_disable_and_enable(self):
        self.ok(1, "disable")
        self.assertIn("DISABLED", self.both(1, "nodestatus").stdout)
        self.both(0, "nodestatus", "all")
        self.ok(1, "enable")
        self.ok(1, "nodestatus")

    def test_stop_and_continue(self):
        self.ok(2, "attach", "stopped.tdb")
        self.ok(0, "writekey", "stopped.tdb", "key", "value")
        self.ok(2, "stop")
        self.assertIn("STOPPED|INACTIVE", self.both(2, "nodestatus").stdout)
        self.both(0, "nodestatus", "all")
        self.assertIn("[value]", self.ok(1, "readkey", "stopped.tdb", "key"))
        self.ok(2, "continue")
        self.ok(2, "nodestatus")
        self.assertIn("[value]", self.ok(2, "readkey", "stopped.tdb", "key"))


if __name__ == "__main__":
    unittest.main()
