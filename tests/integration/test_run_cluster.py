# SPDX-License-Identifier: GPL-3.0-or-later
"""./run-cluster as a stranger uses it."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from support import BIN, BUILD, Cluster, NetworkNamespace, ROOT, Said, Undisturbed, wait_until
import control
from cluster import ClusterError


class RunClusterTest(Undisturbed):
    @classmethod
    def setUpClass(cls):
        cls.namespace = NetworkNamespace()
        cls.addClassCleanup(cls.namespace.close)

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-run-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def command(self, *arguments):
        return self.namespace.wrap([os.path.join(ROOT, "run-cluster"), *arguments])

    def run_cluster(self, *arguments):
        return subprocess.run(self.command(*arguments), env=dict(os.environ, CTDB_BUILD=BUILD), capture_output=True,
                              text=True, timeout=300)

    def nothing_is_left(self):
        """Helpers of a store that has ended see that by themselves."""
        wait_until(lambda: not processes_below(self.directory), lambda: f"nothing is left running: {processes_below(self.directory)}")

    def test_exec_ends_with_the_commands_status_and_leaves_nothing_running(self):
        self.cluster = Cluster(self.directory, bin_dir=BIN)  # where its logs are
        self.cluster.since_healthy = Said(self.cluster, now=False)
        done = self.run_cluster("--dir", self.directory, "--exec", "sh", "-c",
                                f"{BIN}/ctdb-cli --base $CTDB_CLUSTER_DIR/node1 -o json status && exit 7")
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertTrue(json.loads(done.stdout[done.stdout.index("{"):])["healthy"])
        self.assertTrue(os.path.isdir(os.path.join(self.directory, "node2")))
        self.nothing_is_left()

    def test_exec_of_something_that_does_not_exist(self):
        done = self.run_cluster("--exec", "/nowhere/at/all")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/nowhere/at/all", done.stderr)

    def test_wrong_arguments(self):
        for arguments in (["--nodes", "0"], ["--nodes", "x"], ["--nonsense"], ["node", "0", "explode", "--dir", "x"],
                          ["--nodes", "1", "--witness"]):
            done = self.run_cluster(*arguments)
            self.assertEqual(done.returncode, 2, (arguments, done.stderr))

        done = self.run_cluster("--dir", "/proc/none", "--exec", "true")
        self.assertEqual((done.returncode, done.stderr), (1, "run-cluster: --dir /proc/none: No such file or directory\n"))

    def test_what_did_not_begin_leaves_nothing_behind(self):
        with tempfile.TemporaryDirectory() as nothing:
            done = subprocess.run(self.command("--exec", "true"), env=dict(os.environ, CTDB_BUILD=nothing, TMPDIR=self.directory),
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stderr), (1, f"run-cluster: {nothing}/bin/ctdb-router is missing: build it first\n"))
        self.assertEqual(os.listdir(self.directory), [])

    def test_wrong_arguments_of_the_other_programs(self):
        for words, why in ((["run-bench", "nonsense"], "there is no 'nonsense': recovery, "),
                           (["tests/cluster/chaos.py", "--nodes", "1"], "--nodes must be 2 or more"),
                           (["tests/cluster/chaos.py", "--nodes", "three"], "--nodes"),
                           (["tests/cluster/chaos.py", "--seconds", "0"], "--seconds 1 or more")):
            script = [sys.executable] if words[0].endswith(".py") else []
            done = subprocess.run([*script, os.path.join(ROOT, words[0]), *words[1:]], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2, words)
            self.assertIn(why, done.stderr)

    def test_help_of_the_other_programs_builds_nothing(self):
        for words in (["run-bench"], ["run-bench", "verbs"], ["run-chaos"], ["run-tests"], ["run-sim"], ["install-deps"]):
            done = subprocess.run([os.path.join(ROOT, words[0]), *words[1:], "--help"], stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, env={"PATH": self.only_python()}, timeout=60)
            self.assertEqual(done.returncode, 0, (words, done.stderr))
            self.assertIn(words[0], done.stdout)

    def only_python(self):
        """A folder with what the scripts need to say something, and nothing to build with."""
        folder = os.path.join(self.directory, "bin")
        os.makedirs(folder, exist_ok=True)
        for program in ("bash", "dirname", "nproc", "python3", "sed", "env"):
            link = os.path.join(folder, program)
            if not os.path.exists(link):
                os.symlink(shutil.which(program), link)
        return folder

    def test_one_node_and_five(self):
        for nodes in ("1", "5"):
            done = self.run_cluster("--nodes", nodes, "--exec", "true")
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_two_and_a_witness(self):
        done = self.run_cluster("--nodes", "2", "--witness", "--dir", self.directory, "--exec", "sh", "-c",
                                f"{BIN}/ctdb-cli --base $CTDB_CLUSTER_DIR/node2 status")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("this is node 2, 127.0.0.3, a witness", done.stdout)

    def test_nodes_can_be_killed_started_silenced_and_woken(self):
        running = subprocess.Popen(self.command("--dir", self.directory), env=dict(os.environ, CTDB_BUILD=BUILD),
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(running.stdout.close)
        try:
            shown = []
            for line in running.stdout:
                shown.append(line)
                if "Ctrl-C" in line:
                    break
            text = "".join(shown)
            self.assertIn(os.path.join(self.directory, "node0", "ctdbd.socket"), text)
            self.assertIn("hello from node 0", text)
            for down, up in (("kill", "start"), ("stop", "start"), ("quiet", "active")):
                self.act(2, down)
                wait_until(lambda: self.node_flags(2) != "OK", f"node 2 is seen as gone after {down}")
                self.act(2, up)
                wait_until(lambda: self.node_flags(2) == "OK", f"node 2 is back after {up}")
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(60)
        self.nothing_is_left()

    def act(self, node, what):
        done = self.run_cluster("node", str(node), what, "--dir", self.directory)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_node_that_is_not_there(self):
        cluster = Cluster(self.directory, bin_dir=BIN)
        server = control.ControlServer(cluster)
        self.addCleanup(server.close)
        with self.assertRaisesRegex(ClusterError, "^there is no node 9; nodes are 0 to 2$"):
            control.act(self.directory, 9, "kill")

    def test_a_second_one_in_the_same_folder_disturbs_nobody(self):
        server = control.ControlServer(Cluster(self.directory, bin_dir=BIN))
        self.addCleanup(server.close)
        for _ in range(20):
            done = self.run_cluster("--dir", self.directory, "--exec", "true")
            self.assertIn("a cluster is running", done.stderr)
            with self.assertRaisesRegex(ClusterError, "^there is no node 9"):
                control.act(self.directory, 9, "kill")

    def node_flags(self, node):
        done = subprocess.run(["ctdb", "-X", "nodestatus", str(node)], capture_output=True, text=True, timeout=60,
                              env=dict(os.environ, CTDB_TEST_MODE="1", CTDB_BASE=f"{self.directory}/node0",
                                       CTDB_SOCKET=f"{self.directory}/node0/ctdbd.socket"))
        return "OK" if done.returncode == 0 else done.stdout


def processes_below(directory):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as source:
                command = source.read()
        except OSError:
            continue
        if command.startswith(BIN.encode()) and directory.encode() in command:
            found.append(command)
    return found


if __name__ == "__main__":
    unittest.main()
