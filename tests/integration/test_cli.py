# SPDX-License-Identifier: GPL-3.0-or-later
"""ctdb-cli on real daemons: what it prints and how it ends."""
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import unittest

from bystanders import LEADERS, leave_alone
from support import BIN, ROOT, Undisturbed, run_tool, start_cluster, tool_again, wait_until

SCHEMA = os.path.join(ROOT, "docs", "ctdb-cli.schema.json")
OK, FAILED, USAGE, NOT_HEALTHY, NO_DAEMON, CONFIG = 0, 1, 2, 3, 4, 78


class CliTest(Undisturbed):
    NO_RECOVERIES = True

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="ctdb-cli-")
        cls.addClassCleanup(folder.cleanup)
        cls.cluster = start_cluster(folder.name, cls.addClassCleanup)
        leave_alone(cls.cluster, range(3), *LEADERS)
        cls.documents = tempfile.TemporaryDirectory(prefix="ctdb-cli-json-")
        cls.addClassCleanup(cls.documents.cleanup)
        cls.addClassCleanup(cls.check_documents)

    @classmethod
    def check_documents(cls):
        """Debian's own Python has the library that reads schemas. None: the cluster is begun anew before any test has asked for one."""
        instances = [word for name in os.listdir(cls.documents.name)
                     for word in ("-i", os.path.join(cls.documents.name, name))]
        if not instances:
            return
        done = subprocess.run(["/usr/bin/python3", "-W", "ignore", "-m", "jsonschema", *instances, SCHEMA],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(f"{SCHEMA} does not allow it:\n{done.stdout}{done.stderr}")

    def cli(self, node, *arguments, status=OK):
        done = self.cluster.nodes[node].cli(*arguments)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def json(self, node, *arguments, status=OK):
        done = self.cli(node, "-o", "json", *arguments, status=status)
        document = json.loads(done.stdout)
        self.keep_to_be_checked(done.stdout)
        self.assertEqual(document["schema"], 1)
        return document

    def keep_to_be_checked(self, document):
        with tempfile.NamedTemporaryFile("w", dir=self.documents.name, delete=False) as out:
            out.write(document)

    def test_status_of_a_healthy_node(self):
        text = self.cli(1, "status").stdout
        self.assertRegex(text, r"""\Ahealthy
leader [012], generation \d+, 3 of 3 nodes take part
1 more node may fail, one after the other, and the others go on
this node may be restarted now
this is node 1, 127\.0\.0\.2, of cluster 'ctdb'

DAEMON          STATE +PID +UPTIME S +STATUS
ctdb-router     alive .*
ctdb-store      alive .*
ctdb-recoveryd  alive .*
\Z""")
        document = self.json(1, "status")
        pids = {daemon["daemon"]: daemon["pid"] for daemon in document.pop("daemons")}
        self.assertEqual(pids, {name: daemon.pid for name, daemon in self.cluster.nodes[1].daemons.items()})
        self.assertIn(document.pop("leader"), (0, 1, 2))
        self.assertGreater(document.pop("generation"), 1)
        self.assertEqual(document, {"schema": 1, "command": "status", "healthy": True, "reason": "", "members": 3,
                                    "nodes": 3, "witnesses": 0, "failures_survived": 1, "may_restart": True,
                                    "no_restart_reason": "", "runstate": "RUNNING",
                                    "recovering": False, "members_lost": 0, "records_fallen_back": 0,
                                    "records_left_behind": 0, "node": 1, "address": "127.0.0.2", "witness": False,
                                    "cluster": "ctdb"})

    def test_health_in_one_line(self):
        self.assertEqual(self.cli(1, "health").stdout, "healthy\n")
        self.assertEqual(self.cli(1, "health", "--local").stdout, "healthy\n")
        self.assertEqual(self.json(2, "health", "--local"),
                         {"schema": 1, "command": "health", "healthy": True, "reason": ""})

    def test_local_health_asks_nobody_and_waits_for_nothing(self):
        """So it takes a few milliseconds of the processor (docs/benchmarks.md) whatever hangs: no connection, no sleep, a small number of system calls."""
        with tempfile.NamedTemporaryFile("r") as trace:
            done = subprocess.run(["strace", "-f", "-o", trace.name, f"{BIN}/ctdb-cli", "--base", self.cluster.nodes[1].base, "health", "--local"],
                                  capture_output=True, text=True, check=True)
            self.assertEqual(done.stdout, "healthy\n")
            calls = re.findall(r"^\d+ +(\w+)\(", trace.read(), re.M)
        waiting = {"connect", "accept4", "sendto", "sendmsg", "recvfrom", "recvmsg", "poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait",
                   "nanosleep", "clock_nanosleep", "clone", "clone3", "fork", "vfork", "wait4", "flock", "fsync"}
        self.assertEqual(set(calls) & waiting, set())
        self.assertIn("openat", calls)
        self.assertLess(len(calls), 400)

    def test_the_configuration_is_checked(self):
        checked = self.json(1, "config", "check")
        self.assertEqual((checked["good"], checked["node"], checked["address"]), (True, 1, "127.0.0.2"))
        self.assertRegex(self.cli(1, "config", "check").stdout, r"\Agood.*: node 1, 127\.0\.0\.2, of cluster 'ctdb'\n")

    def test_events_begin_with_how_it_is(self):
        lines = self.cli(1, "-o", "json", "events", "--seconds=1").stdout.splitlines()
        for line in lines:
            self.keep_to_be_checked(line)
        found = [json.loads(line) for line in lines]
        self.assertEqual([event["event"] for event in found][:7], ["daemon"] * 3 + ["leader", "members", "voters", "health"])
        self.assertEqual((found[4]["members"], found[5]["needed"], found[6]["healthy"]), (3, 2, True))
        self.cli(1, "events", "--seconds=0", status=USAGE)

    def test_the_configuration_is_compared(self):
        self.assertEqual(self.json(1, "config", "diff"), {"schema": 1, "command": "config diff", "same": True, "nodes_asked": 3})
        at = self.cluster.nodes[2]
        self.assertEqual(run_tool(at, "setvar", "RecoverTimeout", "31").returncode, OK)
        self.addCleanup(run_tool, at, "setvar", "RecoverTimeout", "30")
        differences = self.json(1, "config", "diff", status=FAILED)["differences"]
        self.assertEqual(differences, [{"setting": "tunable RecoverTimeout", "node": node, "value": value}
                                       for node, value in enumerate(("30", "30", "31"))])

    def test_watch_shows_it_again(self):
        node = self.cluster.nodes[0]
        command = [self.cluster.program("ctdb-cli"), "--base", node.base, "node", "list", "--watch"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
            headings = 0
            for line in watching.stdout:
                headings += line.startswith("NODE")
                if headings == 3:
                    break
            watching.send_signal(signal.SIGINT)
        self.assertEqual(headings, 3)

    def test_all_nodes_name_the_same_leader_and_generation(self):
        seen = {(s["leader"], s["generation"]) for s in (self.json(node, "status") for node in range(3))}
        self.assertEqual(len(seen), 1)

    def test_a_record_moves_to_who_asks_and_its_version_grows(self):
        put = self.json(0, "record", "put", "cli-move.tdb", "greeting", "hello")
        self.assertEqual((put["command"], put["db"], put["key"], put["value"], put["bytes"], put["dmaster"]),
                         ("record put", "cli-move.tdb", "greeting", "hello", 5, 0))
        rsn = put["rsn"]
        for node in (1, 2, 0):
            got = self.json(node, "record", "get", "cli-move.tdb", "greeting")
            self.assertEqual((got["value"], got["dmaster"]), ("hello", node))
            self.assertGreater(got["rsn"], rsn)
            rsn = got["rsn"]
        text = self.cli(0, "record", "get", "cli-move.tdb", "greeting").stdout
        self.assertRegex(text, r"\Avalue: hello\nbytes: 5\ndmaster: 0\nrsn: \d+\nmay_be_older: no\n\Z")

    def test_bytes_that_are_no_text(self):
        self.cli(0, "record", "put", "cli-bytes.tdb", "hex:00ff0a", "hex:de00ad")
        self.assertEqual(self.json(1, "record", "get", "cli-bytes.tdb", "hex:00ff0a")["value"], "hex:de00ad")
        self.cli(0, "record", "get", "cli-bytes.tdb", "hex:0", status=USAGE)
        self.cli(0, "record", "get", "cli-bytes.tdb", "", status=USAGE)

    def test_a_deleted_record_is_empty_everywhere(self):
        self.cli(0, "record", "put", "cli-delete.tdb", "key", "value")
        self.assertEqual(self.json(1, "record", "delete", "cli-delete.tdb", "key")["bytes"], 0)
        self.assertEqual(self.json(2, "record", "get", "cli-delete.tdb", "key")["bytes"], 0)

    def test_attach_list_and_dump(self):
        self.cli(0, "db", "attach", "cli-dump.tdb")
        for node in range(3):
            self.cli(node, "record", "put", "cli-dump.tdb", f"key{node}", "x" * node or "empty soon")
        self.cli(0, "record", "delete", "cli-dump.tdb", "key0")
        listed = {entry["name"]: entry for entry in self.json(2, "db", "list")["databases"]}
        self.assertEqual(listed["cli-dump.tdb"]["kind"], "volatile")
        self.assertRegex(listed["cli-dump.tdb"]["id"], r"\A0x[0-9a-f]{8}\Z")
        self.assertTrue(listed["cli-dump.tdb"]["path"].startswith(self.cluster.nodes[2].base))
        dump = self.json(1, "db", "dump", "cli-dump.tdb")
        self.assertEqual(dump["count"], 2)
        self.assertEqual([(r["key"], r["value"], r["dmaster"]) for r in dump["records"]],
                         [("key1", "x", 1), ("key2", "xx", 2)])
        done = self.cli(1, "db", "dump", "cli-nothing.tdb", status=FAILED)
        self.assertEqual(done.stderr, "ctdb-cli: no database 'cli-nothing.tdb' is attached ('db list' shows which are)\n")

    def test_a_record_of_a_persistent_database(self):
        self.assertEqual(run_tool(self.cluster.nodes[0], "attach", "cli-kept.tdb", "persistent").returncode, 0)
        put = self.json(0, "record", "put", "cli-kept.tdb", "key", "value")
        self.assertEqual((put["command"], put["value"], put["bytes"]), ("record put", "value", 5))
        for node in range(3):
            self.assertEqual(self.json(node, "record", "get", "cli-kept.tdb", "key")["value"], "value")
        self.assertEqual(run_tool(self.cluster.nodes[1], "pfetch", "cli-kept.tdb", "key").stdout, "value\n")
        self.assertEqual(self.json(2, "record", "delete", "cli-kept.tdb", "key")["bytes"], 0)
        self.assertEqual(self.json(0, "record", "get", "cli-kept.tdb", "key")["bytes"], 0)
        self.assertIn("functions are for volatile databases", self.cli(0, "record", "add", "cli-kept.tdb", "key", "1", status=FAILED).stderr)

    def test_functions_work_where_the_record_is(self):
        self.json(2, "record", "put", "cli-functions.tdb", "log", "one")
        self.assertEqual(self.json(0, "record", "append", "cli-functions.tdb", "log", " two")["bytes"], 7)
        got = self.json(2, "record", "get", "cli-functions.tdb", "log")
        self.assertEqual((got["value"], got["dmaster"]), ("one two", 2))
        self.assertTrue(self.json(1, "record", "swap", "cli-functions.tdb", "log", "one two", "three")["swapped"])
        refused = self.json(0, "record", "swap", "cli-functions.tdb", "log", "one two", "four", status=FAILED)
        self.assertEqual((refused["swapped"], refused["value"]), (False, "three"))
        for node, amount, counter in ((0, "5", 5), (1, "-7", -2), (2, "0", -2)):
            self.assertEqual(self.json(node, "record", "add", "cli-functions.tdb", "n", amount)["counter"], counter)
        self.assertIn("the record is not a counter", self.cli(0, "record", "add", "cli-functions.tdb", "log", "1", status=FAILED).stderr)
        self.cli(0, "record", "add", "cli-functions.tdb", "n", "many", status=USAGE)

    def test_records_that_move_most(self):
        for turn in range(12):
            self.json(turn % 3, "record", "put", "cli-hot.tdb", "hot key", str(turn))
        rows = self.json(1, "db", "hot", "cli-hot.tdb")["records"]
        self.assertEqual({row["key"] for row in rows}, {"hot key"})
        self.assertEqual({row["node"] for row in rows}, {0, 1, 2})
        self.assertGreaterEqual(min(row["moves_per_second"] for row in rows), 1)
        self.assertIn("cli-hot.tdb", self.cli(0, "db", "hot").stdout)
        self.assertIn("no database", self.cli(0, "db", "hot", "nowhere.tdb", status=FAILED).stderr)

    def test_locks_that_are_waited_for(self):
        at = self.cluster.nodes[0]
        holder = subprocess.Popen([f"{BIN}/ctdb-increment", "--setup", at.setup_socket, "--db", "cli-lock.tdb", "--key",
                                   "held", "--hold", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.assertEqual(holder.stdout.readline(), "locked\n")
        waiter = subprocess.Popen([f"{BIN}/ctdb-increment", "--setup", self.cluster.nodes[1].setup_socket, "--db",
                                   "cli-lock.tdb", "--key", "held"], stdout=subprocess.PIPE, text=True)
        wait_until(lambda: self.json(2, "lock", "list")["locks"], "somebody waits")
        row, = self.json(2, "lock", "top", "--seconds", "1")["locks"]
        self.assertEqual((row["database"], row["key"], row["node"], row["pid"]), ("cli-lock.tdb", "held", 0, holder.pid))
        self.assertEqual(row["program"], "ctdb-increment")
        self.assertGreater(row["looks"], 1)
        self.assertEqual(row["records_max"], 1)
        holder.communicate("")
        self.assertEqual(waiter.communicate()[0], "2\n")
        self.assertIn("a number from 1", self.cli(0, "lock", "top", "--seconds", "0", status=USAGE).stderr)

    def test_ping(self):
        for node in range(3):
            self.assertRegex(self.cli(0, "ping", str(node)).stdout, rf"\Anode {node} answered in \d+\.\d\d\d ms\n\Z")
        self.assertRegex(self.cli(2, "ping").stdout, r"\Anode 2 answered in ")
        self.assertEqual(self.cli(0, "ping", "7", status=NO_DAEMON).stderr, "ctdb-cli: there is no node 7 ('node list' shows which there are)\n")
        self.cli(0, "ping", "one", status=USAGE)

    def test_node_list(self):
        leader = self.json(0, "status")["leader"]
        self.assertEqual(self.json(1, "node", "list")["nodes"],
                         [{"node": i, "address": f"127.0.0.{i + 1}", "state": "OK", "leader": i == leader,
                           "this_node": i == 1, "witness": False, "ban_left_s": None} for i in range(3)])

    def test_link_list(self):
        links = self.json(0, "link", "list")["links"]
        self.assertEqual([(link["node"], link["peer"]) for link in links],
                         [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)])
        for link in links:
            self.assertEqual((link["kind"], link["verbs_out"], link["rtt_p50_us"]), ("tcp", 0, None))
            self.assertIn("RDMA", link["why_not_verbs"])

    def test_stats_counts(self):
        before = self.json(0, "stats")["counters"]
        self.cli(0, "ping")
        self.assertEqual(before.keys(), self.json(0, "stats")["counters"].keys())
        # Counters are written at most every 100 ms.
        wait_until(lambda: self.json(0, "stats")["counters"]["router_client_req_control"] >
                   before["router_client_req_control"], "the ping is counted")
        self.assertIn("clients connected now, both kinds", self.cli(0, "stats").stdout)

    def test_metrics(self):
        lines = self.cli(1, "metrics").stdout.splitlines()
        self.assertEqual(lines[-1], "# EOF")
        samples = [re.fullmatch(r'(ctdb_\w+)(?:\{daemon="([\w-]+)"\})? (\d+)', line) for line in lines if not line.startswith("# ")]
        self.assertNotIn(None, samples)
        found = {(sample[1], sample[2]): int(sample[3]) for sample in samples}
        self.assertEqual(len(found), len(samples))
        self.assertEqual((found["ctdb_healthy", None], found["ctdb_daemon_alive", "ctdb-store"]), (1, 1))
        self.assertEqual({name[len("ctdb_"):] for name, daemon in found if daemon is None} - {"healthy", "ready"},
                         set(self.json(1, "stats")["counters"]))
        self.assertIn("ctdb_healthy 1\n", self.json(1, "metrics")["text"])

    def test_every_number_that_is_alerted_on_is_there(self):
        with open(os.path.join(ROOT, "docs", "ctdb-alerts.yml"), encoding="utf-8") as rules:
            expressions = re.findall(r"^        expr:(.*(?:\n          .*)*)", rules.read(), re.M)
        wanted = {name for expression in expressions for name in re.findall(r"\bctdb_\w+", expression)}
        self.assertGreater(len(wanted), 15)
        self.assertEqual(wanted - set(re.findall(r"^(ctdb_\w+)[{ ]", self.cli(1, "metrics").stdout, re.M)), set())

    def test_wait(self):
        self.assertEqual(self.cli(0, "wait", "--for=healthy").stdout, "healthy\n")
        self.assertEqual(self.json(0, "wait", "--for=leader")["condition"], "leader")
        self.cli(0, "wait", "--for=luck", status=USAGE)

    def test_a_socket_instead_of_a_configuration(self):
        where = ("--socket", self.cluster.nodes[2].setup_socket)
        program = self.cluster.program("ctdb-cli")

        def run(*arguments):
            return subprocess.run([program, *where, *arguments], capture_output=True, text=True, check=True).stdout

        self.assertTrue(run("status").startswith("healthy\n"))
        self.assertTrue(run("ping").startswith("node 2 answered"))
        self.assertIn("dmaster: 2\n", run("record", "put", "cli-socket.tdb", "key", "value"))

    def test_capture(self):
        with tempfile.TemporaryDirectory(prefix="ctdb-cli-") as folder:
            file = os.path.join(folder, "some.pcapng")
            some = self.json(0, "capture", "-w", file, "--seconds=1")
            self.assertGreater(some["packets"], 0)  # heart-beats
            self.assertEqual(some["dropped"], 0)
            self.assertGreater(self.json(0, "capture", "-w", file, "--last")["packets"], 0)
            none = self.json(0, "capture", "-w", file, "--operation=REQ_CONTROL", "--node=1", "--db=none.tdb", "--seconds=1")
            self.assertEqual((none["packets"], none["dropped"]), (0, 0))
        piped = subprocess.run([self.cluster.program("ctdb-cli"), "--base", self.cluster.nodes[0].base, "-o", "json", "capture", "-w", "-",
                                "--packets=1"], capture_output=True, check=True)
        self.assertTrue(piped.stdout.startswith(b"\n\r\r\n") and b"schema" not in piped.stdout, piped.stdout)
        self.cli(0, "capture", "-w", "/nonexistent", "--buffer=0", status=USAGE)

    def test_what_a_capture_drops_last_is_counted(self):
        """No packet comes after it that could tell."""
        with tempfile.TemporaryDirectory(prefix="ctdb-cli-") as folder:
            file = os.path.join(folder, "few.pcapng")
            capture = subprocess.Popen([self.cluster.program("ctdb-cli"), "--base", self.cluster.nodes[0].base, "-o", "json", "capture", "-w", file,
                                        "--rate=1", "--seconds=3", "--operation=REQ_CONTROL"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            while capture.poll() is None:
                self.cli(0, "ping")
            few = json.loads(capture.stdout.read())
        with open(self.cluster.nodes[0].log_path("ctdb-router"), encoding="utf-8") as log:
            packets, dropped = re.findall(r"capture: ended, (\d+) packets copied, (\d+) dropped", log.read())[-1]
        self.assertEqual((few["packets"], few["dropped"]), (int(packets), int(dropped)))
        self.assertGreater(few["dropped"], 0)

    def test_errors_are_json_too(self):
        done = self.cli(0, "-o", "json", "db", "dump", "cli-nothing.tdb", status=FAILED)
        self.assertEqual(done.stdout, "")
        self.assertEqual(json.loads(done.stderr), {
            "schema": 1, "command": "db dump", "exit": 1,
            "error": "no database 'cli-nothing.tdb' is attached ('db list' shows which are)"})
        for words, status in ((("capture", "-w", "/nonexistent/file", "--last"), FAILED), (("ping", "77"), NO_DAEMON), (("nonsense",), USAGE),
                              (("record", "get"), USAGE), (("wait", "--for=luck"), USAGE)):
            done = self.cli(0, "-o", "json", *words, status=status)
            self.assertEqual((done.stdout, json.loads(done.stderr)["exit"]), ("", status))
            self.keep_to_be_checked(done.stderr)


class CliInTroubleTest(unittest.TestCase):
    """Its own cluster: what the command says when daemons hang or are dead."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ctdb-cli-")
        self.addCleanup(folder.cleanup)
        self.cluster = start_cluster(folder.name, self.addCleanup)
        self.node = self.cluster.nodes[0]

    def stopped(self, *daemons):
        for name in daemons:
            self.node.kill_daemon(name, signal.SIGSTOP)
            self.addCleanup(self.node.kill_daemon, name, signal.SIGCONT)

    def test_status_and_stats_answer_when_every_daemon_hangs(self):
        self.stopped(*self.node.daemons)
        wait_until(lambda: self.node.cli("status").stdout.count("is stopped") == 3, "all three are seen to be stopped")
        done = self.node.cli("status")
        self.assertEqual(done.returncode, NOT_HEALTHY)
        self.assertTrue(done.stdout.startswith("NOT HEALTHY: ctdb-router is stopped"), done.stdout)
        self.assertEqual(self.node.cli("stats").returncode, OK)
        done = self.node.cli("health", "--local")
        self.assertEqual((done.returncode, done.stdout.split(":")[0]), (NOT_HEALTHY, "NOT HEALTHY"))

    def test_what_asks_a_daemon_that_hangs_ends_in_time(self):
        self.stopped("ctdb-router")
        done = self.node.cli("ping", "--timeout", "0.3")
        self.assertEqual(done.returncode, NOT_HEALTHY, done.stderr)

    def test_who_asks_all_nodes_hears_those_that_answer(self):
        """One that hangs neither takes the others' time nor is its silence theirs."""
        other = self.cluster.nodes[1]
        for name in ("quick.tdb", "quicker.tdb"):
            self.assertEqual(other.cli("record", "put", name, "key", "value").returncode, OK)
        self.stopped("ctdb-store")
        wait_until(lambda: "only 2 of 3 nodes take part" in other.cli("status").stdout, "the others go on without it")
        for words in (("lock", "list"), ("lock", "top", "--seconds", "1"), ("db", "hot")):
            with self.subTest(words):
                silent = {f"node 0: {'GET_DB_STATISTICS' if words[0] == 'db' else 'GET_LOCK_WAITS'}: no answer in time"}

                def only_it(words=words, silent=silent):
                    """The others may be too late, too, on a busy machine, and who asks as well."""
                    done = other.cli("--timeout", "2", *words)
                    return done if set(re.findall(r"node \d: .*?no answer in time", done.stderr)) == silent else None

                done = wait_until(only_it, f"only node 0 is silent, {words}")
                self.assertEqual(done.returncode, FAILED, done.stderr)
                self.assertIn("DATABASE", done.stdout)

    def test_events_tell_what_happens(self):
        command = [self.cluster.program("ctdb-cli"), "--base", self.node.base, "-o", "json", "events"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
            self.addCleanup(watching.kill)

            last = {}  # of each kind and daemon

            def until(wanted):
                """It looks ten times a second at most: what does not last may not be told."""
                while not wanted():
                    event = json.loads(watching.stdout.readline() or self.fail(f"it has ended: {last}"))
                    last[event.get("daemon", event["event"])] = event

            until(lambda: last.get("health", {}).get("healthy"))
            other, store = self.cluster.nodes[2], self.node.daemons["ctdb-store"]
            other.kill()
            until(lambda: last["members"]["members"] == 2 and last["members"]["generation"] and "2 of 3" in last["health"]["reason"])
            self.assertFalse(last["health"]["healthy"])
            other.start()
            until(lambda: last["members"]["members"] == 3 and last["health"]["healthy"])
            old = store.pid
            store.end(signal.SIGKILL)
            until(lambda: last["ctdb-store"]["state"] == "dead" and not last["health"]["healthy"])
            store.wait_ended()
            store.start()
            until(lambda: last["ctdb-store"]["state"] == "alive" and last["ctdb-store"]["pid"] != old and last["health"]["healthy"])
            watching.send_signal(signal.SIGINT)

    def test_a_dead_node(self):
        self.node.kill()
        done = self.node.cli("status")
        self.assertEqual(done.returncode, NO_DAEMON)
        self.assertRegex(done.stdout, r"\ANOT HEALTHY: ctdb-router is dead \(pid \d+\); ctdb-store is dead")
        self.assertEqual(self.node.cli("ping").returncode, NO_DAEMON)
        self.assertEqual(self.node.cli("health").returncode, NO_DAEMON)
        other = self.cluster.nodes[1]
        wait_until(lambda: "only 2 of 3 nodes take part" in other.cli("status").stdout, "the others go on without it")
        self.assertEqual(other.cli("wait", "--for=ready").returncode, OK)
        self.assertEqual(other.cli("ping", "0").returncode, NO_DAEMON)

    def test_who_ends_a_wait_is_told_what_was_missing(self):
        program = self.cluster.program("ctdb-cli")
        for node in self.cluster.nodes[1:]:
            node.kill()
        wait_until(lambda: self.node.cli("health").returncode == NOT_HEALTHY, "it sees that the others are gone")
        with tempfile.TemporaryDirectory(prefix="ctdb-cli-") as folder, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(os.path.join(folder, "notify"))
            manager.settimeout(60)
            waits = subprocess.Popen([program, "--base", self.node.base, "wait", "--for=healthy", "--timeout=600"], stderr=subprocess.PIPE,
                                     text=True, env={**os.environ, "NOTIFY_SOCKET": os.path.join(folder, "notify")})
            self.assertRegex(manager.recv(4096).decode(), "^STATUS=waiting, not healthy: .")
            waits.terminate()
            said = waits.communicate()[1]
        self.assertRegex(said, "^not healthy: .*\n$")
        self.assertEqual(waits.returncode, -signal.SIGTERM)

    def test_quiet_and_active(self):
        self.assertEqual(self.node.cli("node", "quiet").stdout, "this node is quiet\n")
        other = self.cluster.nodes[1]
        wait_until(lambda: re.search(r"^ *0  127\.0\.0\.1 .*DISCONNECTED", other.cli("node", "list").stdout, re.M),
                   "the others see it disconnected")
        wait_until(lambda: self.node.cli("status").returncode == NOT_HEALTHY, "it sees that itself")
        self.assertEqual(self.node.cli("node", "active").stdout, "this node is active\n")
        self.cluster.wait_healthy()

    def test_a_ban_is_seen_everywhere(self):
        banned, other = self.cluster.nodes[1:]
        self.assertEqual(tool_again(self.cluster, 1, "ban", "600").returncode, OK)
        wait_until(lambda: "banned for 600 seconds, until " in banned.cli("status").stdout, "the node itself says so")
        for node in (self.node, other):
            wait_until(lambda: "node 1: banned" in node.cli("status").stdout, "the others say so")
            shown = json.loads(node.cli("-o", "json", "node", "list").stdout)["nodes"]
            self.assertEqual([each["ban_left_s"] is None for each in shown], [True, False, True])
            self.assertTrue(0 < shown[1]["ban_left_s"] <= 600, shown)
        self.assertEqual(tool_again(self.cluster, 1, "unban").returncode, OK)
        self.cluster.wait_healthy()

    def test_wrong_configuration(self):
        with open(f"{self.node.base}/ctdb.conf", "a") as out:
            out.write("[cluster]\n  nonsense = 1\n")
        done = self.node.cli("status")
        self.assertEqual(done.returncode, CONFIG)
        self.assertRegex(done.stderr, r"ctdb-cli: .*/node0/ctdb\.conf:\d+: option 'nonsense' in \[cluster\] is unknown")
        done = self.node.cli("config", "check")
        self.assertEqual((done.returncode, done.stdout.splitlines()[0]), (CONFIG, "WRONG: no daemon starts with it"))
        self.assertRegex(done.stdout, r"node0/ctdb\.conf +\d+ +yes +option 'nonsense' in \[cluster\] is unknown")


if __name__ == "__main__":
    unittest.main()
