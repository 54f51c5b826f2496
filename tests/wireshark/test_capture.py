# SPDX-License-Identifier: GPL-3.0-or-later
"""Live capture: ctdb-cli capture and the extcap program against a cluster of real processes."""
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from tshark import NOBODY, ROOT, Home

sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))
from bystanders import LEADERS, leave_alone  # noqa: E402
from support import BIN, NetworkNamespace, Undisturbed, end_client, run_tool, start_cluster  # noqa: E402

EXTCAP = os.path.join(ROOT, "wireshark", "extcap", "ctdb-node")
BEATS = "router_node_packets_in"  # grows with each of the leader's heart-beats, or with the answers to one's own
SUMMARY = re.compile(r"(\d+) packets, (\d+) dropped")


class Capture(Undisturbed):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.directory.cleanup)
        cls.namespace = NetworkNamespace()
        cls.addClassCleanup(cls.namespace.close)
        cls.cluster = start_cluster(os.path.join(cls.directory.name, "cluster"), cls.addClassCleanup, namespace=cls.namespace)
        leave_alone(cls.cluster, range(3), *LEADERS)
        os.makedirs(os.path.join(cls.directory.name, "home"))
        cls.home = Home(os.path.join(cls.directory.name, "home"))
        os.chmod(cls.directory.name, 0o755)
        cls.node = cls.cluster.nodes[0]

    def begin(self, *options, name="live.pcapng", node=None):
        """A capture that has begun: its file, or the pipe it writes to, has the packets from now on."""
        path = os.path.join(self.home.path, name)
        logs = [self.log_of(node or self.node, daemon) for daemon in ("ctdb-router", "ctdb-store")]
        begun = [log().count("capture: begun") for log in logs]
        process = subprocess.Popen([f"{BIN}/ctdb-cli", "--base", (node or self.node).base, "capture", "-w", path, *options],
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        self.until(lambda: all(log().count("capture: begun") > before for log, before in zip(logs, begun)))
        return process, path

    @staticmethod
    def until(condition):
        deadline = time.monotonic() + 60
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError("it does not happen")
            time.sleep(0.02)

    @staticmethod
    def log_of(node, daemon):
        def text():
            with open(node.log_path(daemon), encoding="utf-8", errors="replace") as log:
                return log.read()
        return text

    def finish(self, process):
        """(packets, dropped) as the program says when it is interrupted."""
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, said)
        return tuple(int(number) for number in SUMMARY.search(said).groups())

    def cli(self, *words, node=None):
        subprocess.run([f"{BIN}/ctdb-cli", "--base", (node or self.node).base, *words], check=True, capture_output=True)

    def increment(self, node, key, count="5", api="native"):
        where = ["--setup", node.setup_socket] if api == "native" else ["--socket", node.classic_socket]
        subprocess.run([f"{BIN}/ctdb-increment", *where, "--db", "capture.tdb", "--key", key, "--count", count], check=True,
                       capture_output=True, stdin=subprocess.DEVNULL)

    def lines(self, path, fields, *options):
        os.chmod(path, 0o644)
        return self.home.lines(path, fields, *options)

    def test_each_packet_is_there_once_on_each_way_it_takes(self):
        process, path = self.begin()
        for _ in range(20):
            self.cli("ping", "1")
        packets, dropped = self.finish(process)
        found = self.lines(path, ["frame.interface_name", "frame.packet_flags_direction", "ctdbx.operation"], "-Y",
                           "ctdbx.req_control.opcode == 3 || ctdbx.control == 3")
        for row in (["node0-native", "0x00000001", "7"], ["node0-link-node1", "0x00000002", "7"], ["node0-link-node1", "0x00000001", "8"],
                    ["node0-native", "0x00000002", "8"]):
            self.assertEqual(found.count(row), 20, row)
        self.assertEqual(len(found), 80)
        self.assertEqual(dropped, 0)
        self.assertEqual(len(self.lines(path, ["frame.number"])), packets)

    def test_records_that_go_from_store_to_store_are_there_too(self):
        process, path = self.begin()
        for number in range(10):
            for api in ("native", "classic"):
                for node in self.cluster.nodes:
                    self.increment(node, f"key{number}", api=api)
        self.finish(process)
        found = [name for name, in self.lines(path, ["frame.interface_name"], "-Y", "ctdbx.operation in {0,2,3}")]
        for name in ("node0-records-node1", "node0-records-node2", "node0-native", "node0-classic"):
            self.assertIn(name, found)
        wrong = " || ".join(f"ctdbx.expert.{name}" for name in ("too_short", "unexplained", "granted_twice", "rsn_back", "second_reply"))
        self.assertEqual(self.lines(path, ["frame.number", "_ws.expert.message"], "-2", "-Y", wrong), [])

    def test_under_load_the_file_and_the_daemons_count_the_same(self):
        load = [subprocess.Popen([f"{BIN}/ctdb-increment", "--setup", node.setup_socket, "--db", "capture.tdb", "--key", key, "--count", "1000000000"],
                                 stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                for node in self.cluster.nodes for key in ("a", "b")]
        for process in load:
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
        process, path = self.begin("--seconds=5")
        _, said = process.communicate(timeout=120)
        packets, dropped = (int(number) for number in SUMMARY.search(said).groups())
        ended = re.compile(r"capture: ended, (\d+) packets copied, (\d+) dropped")
        counted = []
        for daemon in ("ctdb-router", "ctdb-store"):
            with open(self.node.log_path(daemon), encoding="utf-8", errors="replace") as log:
                counted.append([int(number) for number in ended.findall(log.read())[-1]])
        self.assertEqual([sum(column) for column in zip(*counted)], [packets, dropped])
        self.assertEqual(len(self.lines(path, ["frame.number"])), packets)
        self.assertGreater(packets, 500)

    def counters(self):
        return json.loads(self.node.cli("-o", "json", "stats").stdout)["counters"]

    def counters_of_now(self):
        """The router publishes them ten times a second, when it gets to run. Heart-beats are counted too, and come for ever: when their number
        has changed twice it has done so after this was called."""
        seen = {self.counters()[BEATS]}
        self.until(lambda: seen.add(self.counters()[BEATS]) or len(seen) > 2)
        return self.counters()

    def test_in_five_seconds_of_load_it_has_what_the_routers_counters_count(self):
        """Packets of clients, on both ways, and controls that came from other nodes."""
        def quiet():
            before, after = self.counters_of_now(), self.counters_of_now()
            return before["router_clients"] == 0 and all(before[name] == after[name] for name in wanted)
        # Counter: the packets of the capture.
        wanted = {"router_client_packets_in": 'frame.packet_flags_direction == 1 && frame.interface_name in {"node0-classic", "node0-native"}',
                  "router_client_packets_out": 'frame.packet_flags_direction == 2 && frame.interface_name in {"node0-classic", "node0-native"}',
                  "router_node_req_control": 'frame.packet_flags_direction == 1 && frame.interface_name contains "link" && ctdbx.operation == 7',
                  "router_node_reply_control": 'frame.packet_flags_direction == 1 && frame.interface_name contains "link" && ctdbx.operation == 8'}
        self.until(quiet)
        before = self.counters()
        process, path = self.begin("--buffer=64")
        calls = [subprocess.Popen([f"{BIN}/ctdb-increment", "--socket", node.classic_socket, "--db", "counted.tdb", "--key", "k", "--count", "1000000000"],
                                  stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for node in self.cluster.nodes]
        for client in calls:
            self.addCleanup(end_client, client)
        end = time.monotonic() + 5
        while time.monotonic() < end:
            self.cli("ping", "1")
            self.cli("ping", "0", node=self.cluster.nodes[1])
        for client in calls:
            end_client(client)
        self.until(quiet)
        after = self.counters()
        _, dropped = self.finish(process)
        self.assertEqual(dropped, 0)
        counted = {name: after[name] - before[name] for name in wanted}
        self.assertEqual({name: len(self.lines(path, ["frame.number"], "-Y", packets)) for name, packets in wanted.items()}, counted)
        self.assertGreater(counted["router_client_packets_in"], counted["router_node_req_control"])
        self.assertGreater(counted["router_node_req_control"], 0)

    def test_the_filter_by_database_knows_its_commits(self):
        run_tool(self.node, "attach", "commits.tdb", "persistent")
        process, path = self.begin("--db=commits.tdb")
        for number in range(2):  # both as the coordinator and as the one who asks it
            self.assertEqual(run_tool(self.cluster.nodes[number], "pstore", "commits.tdb", f"key{number}", "value").returncode, 0)
        self.increment(self.node, "another database")
        self.finish(process)
        found = self.lines(path, ["ctdbx.operation", "ctdbx.db_id", "ctdbx.req_control.opcode"])
        listed = json.loads(self.node.cli("-o", "json", "db", "list").stdout)["databases"]
        number = next(database["id"] for database in listed if database["name"] == "commits.tdb")
        self.assertEqual({number} - {line[1].split(",")[0] for line in found}, set())
        self.assertTrue(all(number in line[1] or line[2] in ("61", "119") for line in found), found)
        commits = {int(line[0]) for line in found} & {0x1050, 0x1052, 0x1054, 0x1056}
        self.assertTrue(commits & {0x1050, 0x1052}, found)

    def test_frames_about_connections_in_the_ring_are_there(self):
        """A classic client's connection goes to the store with its first call, and back with its end."""
        process, path = self.begin()
        self.increment(self.node, "handed over", api="classic")
        self.until(lambda: self.counters_of_now()["router_clients"] == 0)
        self.finish(process)
        kinds = [line[0] for line in self.lines(path, ["ctdbx.ring_frame.kind", "ctdbx.ring_frame.endpoint"], "-Y",
                                                'frame.interface_name == "node0-store" && ctdbx.ring_frame.kind')]
        taken, ended = "2", "4"
        self.assertIn(taken, kinds)
        self.assertIn(ended, kinds[kinds.index(taken):])
        self.assertEqual(self.lines(path, ["frame.number"], "-Y", "ctdbx.expert.bad_frame || ctdbx.expert.too_short"), [])

    def test_filters_snap_length_and_redaction(self):
        self.increment(self.node, "secret-key")
        leader = json.loads(self.node.cli("-o", "json", "status").stdout)["leader"]
        peer = str(leader or 2)  # whose heartbeats node 0 answers, or who answers those of node 0
        rows = (["--operation=REQ_CALL", "--redact"], ["--db=capture.tdb", "--snap=60"],
                [f"--node={peer}", "--operation=HEARTBEAT_REPLY"])
        captures = [self.begin(*options, name=f"filtered{number}.pcapng") for number, options in enumerate(rows)]
        for node in self.cluster.nodes:
            self.increment(node, "secret-key")
        self.increment(self.node, "secret-key")
        self.until(lambda: os.path.getsize(captures[2][1]) > 1000)
        for process, _ in captures:
            self.finish(process)
        calls = self.lines(captures[0][1], ["ctdbx.operation", "ctdbx.key"])
        self.assertTrue(calls)
        self.assertEqual({line[0] for line in calls}, {"0"})
        self.assertEqual({line[1].strip("0") for line in calls}, {""})
        with open(captures[0][1], "rb") as whole:
            self.assertNotIn(b"secret", whole.read())
        of_database = self.lines(captures[1][1], ["ctdbx.operation", "frame.cap_len", "frame.len"])
        self.assertIn("0", {line[0] for line in of_database})
        self.assertFalse({line[0] for line in of_database} & {"1", "4", "5", "8", "4131"})  # they name none
        self.assertTrue(all(int(cut) < int(whole) for _, cut, whole in of_database))
        for operation, source, destination in self.lines(captures[2][1], ["ctdbx.operation", "ctdbx.src", "ctdbx.dst"]):
            self.assertEqual(operation, "4131")
            self.assertIn(peer, (source, destination))

    def test_a_reader_that_does_not_read_stops_nobody(self):
        with subprocess.Popen([f"{BIN}/ctdb-cli", "--base", self.node.base, "capture", "-w", "-", "--buffer=1"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            self.assertEqual(process.stdout.read(4), struct.pack("<I", 0x0A0D0D0A))
            process.send_signal(signal.SIGSTOP)
            # ECHO-like load: large values from node to node
            for number in range(30):
                self.cli("record", "put", "capture.tdb", f"big{number % 3}", "x" * 60000, node=self.cluster.nodes[number % 3])
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        self.assertRegex(said.decode(), SUMMARY)

    def test_the_last_packets_are_there_without_a_capture_and_after_a_death(self):
        node = self.cluster.nodes[2]
        self.increment(node, "flight")
        node.kill()
        self.addCleanup(self.cluster.wait_healthy)
        self.addCleanup(node.start)
        path = os.path.join(self.home.path, "last.pcapng")
        done = subprocess.run([f"{BIN}/ctdb-cli", "--base", node.base, "capture", "--last", "-w", path],
                              capture_output=True, text=True, check=True)
        packets = int(SUMMARY.search(done.stderr)[1])
        calls = self.lines(path, ("ctdbx.key",), "-Y", 'ctdbx.key contains "flight"')
        self.assertTrue(calls)
        self.assertEqual(len(self.lines(path, ("frame.number",))), packets)
        few = os.path.join(self.home.path, "few.pcapng")
        self.cli("capture", "--last", "--packets=3", "--db=capture.tdb", "-w", few, node=node)
        self.assertEqual(len(self.lines(few, ("frame.number",))), 3)

    def test_strangers_are_refused(self):
        if os.geteuid() != 0:
            self.skipTest("needs another user")
        for daemon in ("ctdb-router", "ctdb-store"):
            path = os.path.join(self.node.base, f"{daemon}.capture")
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o700)
        # Also when somebody has opened the door: what counts is who it is.
        for folder in (os.path.dirname(self.node.base), self.node.base):
            os.chmod(folder, 0o755)
        os.chmod(os.path.join(self.node.base, "ctdb-router.capture"), 0o777)
        script = ("import socket,sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
                  "print(s.recv(100).hex(), s.recv(100).hex() == '')")
        done = subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "/usr/bin/python3", "-c", script,
                               os.path.join(self.node.base, "ctdb-router.capture")], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stdout.split(), ["434341320100000000000000", "True"], done.stderr)

    def test_what_makes_no_sense_is_named(self):
        for words, problem in ((["--operation=NOTHING"], "there is no 'NOTHING'"), (["--node=x"], "--node: 'x'"), (["--db=0xzz"], "neither a name")):
            done = subprocess.run([f"{BIN}/ctdb-cli", "--base", self.node.base, "capture", "-w", "/dev/null", *words], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn(problem, done.stderr)

    def test_the_extcap_program_answers_and_captures(self):
        # Wireshark runs extcap programs of a user's folder for that user only, so the program itself is asked what Wireshark asks it.
        environment = dict(os.environ, CTDB_BASE=self.node.base, PATH=f"{BIN}:{os.environ['PATH']}")

        def extcap(*words, **options):
            return subprocess.run([EXTCAP, *words], capture_output=True, text=True, env=environment, timeout=60, **options)
        self.assertIn(f"interface {{value=ctdb-node}}{{display=CTDB node {self.node.index} ({self.node.base})}}",
                      extcap("--extcap-interfaces", "--extcap-version=4.0").stdout)
        self.assertIn("dlt {number=252}", extcap("--extcap-interface", "ctdb-node", "--extcap-dlts").stdout)
        self.assertIn("{call=--redact}", extcap("--extcap-interface", "ctdb-node", "--extcap-config").stdout)
        fifo = os.path.join(self.home.path, "fifo")
        os.mkfifo(fifo)
        process = subprocess.Popen([EXTCAP, "--capture", "--extcap-interface", "ctdb-node", "--fifo", fifo, "--operation", "HEARTBEAT_REPLY"],
                                   env=environment, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        with open(fifo, "rb") as pipe:
            out = subprocess.run(["tshark", "-r", "-", "-c", "5", "-T", "fields", "-e", "frame.interface_name"], stdin=pipe, capture_output=True,
                                 text=True, timeout=300).stdout
        self.assertEqual(len(out.splitlines()), 5)

    def test_tshark_lists_it(self):
        # Not for root, whom Wireshark trusts with no program of others.
        home = tempfile.TemporaryDirectory(prefix="ctdb-extcap-")
        self.addCleanup(home.cleanup)
        folder = home.name
        shutil.copy(EXTCAP, folder)
        os.chmod(folder, 0o755)
        environment = dict(os.environ, WIRESHARK_EXTCAP_DIR=folder, CTDB_BASE=self.node.base, HOME="/nonexistent")
        somebody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        done = subprocess.run([*somebody, "tshark", "-D"], capture_output=True, text=True, env=environment, timeout=300)
        self.assertRegex(done.stdout, r"\d+\. ctdb-node \(CTDB node .*\)", done.stderr)


if __name__ == "__main__":
    unittest.main()
