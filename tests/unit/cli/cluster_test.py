# SPDX-License-Identifier: GPL-3.0-or-later
"""run-cluster and its supervisor on stand-ins for the daemons: shell scripts in a folder of their own."""
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(ROOT, "tests", "cluster"))

import cluster as cluster_module  # noqa: E402
from cluster import Cluster, ClusterError  # noqa: E402
from waiting import wait_until  # noqa: E402

LASTING = "exec sleep 1000"


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class StandIns(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ctdb-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.build = os.path.join(self.folder, "build")
        self.dir = os.path.join(self.folder, "c")
        os.makedirs(os.path.join(self.build, "bin"))
        for name in cluster_module.DAEMONS:
            self.program(name, LASTING)
        self.program("ctdb-cli", """case "$*" in
  *record*) echo '{"value": "hello", "dmaster": 0, "rsn": 1}' ;;
  *) echo "ctdb-cli $*" ;;
esac""")
        self.port = self.free_port()

    @staticmethod
    def free_port():
        """Below those that the kernel gives to connections of others meanwhile."""
        while True:
            with socket.socket() as probe:
                try:
                    probe.bind(("0.0.0.0", random.randrange(10240, 32768)))
                    return probe.getsockname()[1]
                except OSError:
                    continue

    def program(self, name, script):
        path = os.path.join(self.build, "bin", name)
        with open(path + ".new", "w") as out:
            out.write(f"#!/bin/sh\n{script}\n")
        os.chmod(path + ".new", 0o755)
        os.rename(path + ".new", path)


class SupervisorTest(StandIns):
    def setUp(self):
        super().setUp()
        self.said = []
        self.cluster = Cluster(self.dir, nodes=2, bin_dir=os.path.join(self.build, "bin"), port=self.port,
                               say=self.said.append)
        self.addCleanup(self.cluster.stop)

    def test_writes_each_nodes_configuration(self):
        self.cluster.start()
        with open(os.path.join(self.dir, "node1", "ctdb.conf")) as source:
            self.assertEqual(source.read().split("\n", 1)[1],
                             f"[cluster]\n  node address = 127.0.0.2\n  port = {self.port}\n  key file = {self.dir}/cluster.key\n")
        self.assertEqual(os.stat(f"{self.dir}/cluster.key").st_mode & 0o777, 0o600)
        self.assertGreaterEqual(os.stat(f"{self.dir}/cluster.key").st_size, 32)
        with open(os.path.join(self.dir, "node1", "nodes")) as source:
            self.assertEqual(source.read(), "127.0.0.1\n127.0.0.2\n")

    def test_starts_and_stops_all_daemons(self):
        self.cluster.start()
        pids = self.cluster.daemon_pids()
        self.assertEqual(len(pids), 6)
        self.cluster.stop()
        self.assertEqual(self.cluster.daemon_pids(), [])
        self.assertFalse(any(is_alive(pid) for pid in pids))

    def test_starts_a_daemon_again_that_died(self):
        self.cluster.start()
        store = self.cluster.nodes[1].daemons["ctdb-store"]
        before = store.pid
        self.cluster.nodes[1].kill_daemon("ctdb-store")
        wait_until(lambda: store.pid not in (None, before), "the store is back")
        self.assertEqual(self.said, ["node 1: ctdb-store was ended by SIGKILL, starting it again"])
        self.assertEqual(store.restarts, 1)

    def test_a_killed_node_stays_down_until_it_is_started(self):
        self.cluster.start()
        self.cluster.nodes[0].kill()
        self.assertEqual(len(self.cluster.daemon_pids()), 3)
        self.cluster.nodes[0].start()
        self.assertEqual(len(self.cluster.daemon_pids()), 6)
        self.assertEqual(self.said, [])

    def test_a_stopped_process_is_ended_all_the_same(self):
        self.cluster.start()
        self.cluster.nodes[0].kill_daemon("ctdb-router", signal.SIGSTOP)
        self.cluster.nodes[0].stop()
        self.assertEqual(len(self.cluster.daemon_pids()), 3)
        self.assertEqual(self.said, [])

    def test_wrong_configuration_is_not_tried_again(self):
        self.program("ctdb-router", "exit 78")
        self.cluster.start()
        router = self.cluster.nodes[0].daemons["ctdb-router"]
        wait_until(lambda: router.failed, "the supervisor gave up")
        self.assertIn("configuration is wrong", router.failed)
        self.assertEqual(router.restarts, 0)
        with self.assertRaisesRegex(ClusterError, "configuration is wrong"):
            self.cluster.wait_healthy()

    def test_gives_up_on_a_daemon_that_dies_too_often(self):
        # Starting six processes one after the other may take a busy machine longer than ten seconds.
        self.addCleanup(setattr, cluster_module, "RESTART_WINDOW_S", cluster_module.RESTART_WINDOW_S)
        cluster_module.RESTART_WINDOW_S = 1000
        self.program("ctdb-recoveryd", "exit 1")
        self.cluster.start()
        recoveryd = self.cluster.nodes[0].daemons["ctdb-recoveryd"]
        wait_until(lambda: recoveryd.failed, "the supervisor gave up")
        self.assertIn("too often", recoveryd.failed)
        self.assertEqual(recoveryd.restarts, cluster_module.RESTARTS_MAX)

    def test_missing_programs_are_named(self):
        os.unlink(os.path.join(self.build, "bin", "ctdb-store"))
        with self.assertRaisesRegex(ClusterError, "ctdb-store is missing"):
            self.cluster.start()

    def test_a_configuration_of_somebody_else_is_left_alone(self):
        os.makedirs(os.path.join(self.dir, "node0"))
        path = os.path.join(self.dir, "node0", "ctdb.conf")
        with open(path, "w") as out:
            out.write("[cluster]\n")
        with self.assertRaisesRegex(ClusterError, "was not written by run-cluster"):
            self.cluster.start()
        with open(path) as source:
            self.assertEqual(source.read(), "[cluster]\n")

    def test_a_port_in_use_is_named(self):
        with socket.socket() as other:
            other.bind(("127.0.0.2", self.port))
            other.listen(1)
            with self.assertRaisesRegex(ClusterError, f"127.0.0.2 port {self.port} is in use"):
                self.cluster.start()
        self.assertEqual(self.cluster.daemon_pids(), [])


class CommandTest(StandIns):
    """The program as users see it: its words and exit statuses."""

    def command(self, *arguments):
        return ["python3", os.path.join(ROOT, "tests", "cluster", "run_cluster.py"), *arguments]

    def run_it(self, *arguments):
        environment = dict(os.environ, CTDB_BUILD=self.build, TMPDIR=self.folder)
        return subprocess.run(self.command(*arguments), env=environment, capture_output=True, text=True, timeout=120)

    def refused(self, status, text, *arguments):
        done = self.run_it(*arguments)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(text, done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_refuses_wrong_arguments_with_status_2(self):
        self.refused(2, "--nodes 0: between 1 and 250 are possible", "--nodes", "0")
        self.refused(2, "invalid int value: 'many'", "--nodes", "many")
        self.refused(2, "--port 0: between 1 and 65535 are possible", "--port", "0")
        self.refused(2, "--exec needs a command", "--exec")
        self.refused(2, "unrecognized arguments: extra", "extra")
        self.refused(2, "is not a folder", "--dir", "/etc/passwd")
        self.refused(2, "choose a shorter --dir", "--dir", os.path.join(self.folder, "x" * 90))
        self.refused(2, "required: --dir", "node", "0", "kill")
        self.refused(2, "invalid choice: 'explode'", "node", "0", "explode", "--dir", self.dir)
        self.assertFalse(os.path.exists(self.dir))

    def test_no_cluster_to_act_on(self):
        self.refused(1, "no cluster runs in", "node", "0", "kill", "--dir", self.dir)

    def test_exec_ends_with_the_commands_status_and_tells_it_the_folder(self):
        done = self.run_it("--port", str(self.port), "--dir", self.dir, "--exec", "sh", "-c",
                           "echo $CTDB_CLUSTER_DIR; exit 7")
        self.assertEqual((done.returncode, done.stdout), (7, self.dir + "\n"), done.stderr)

    def test_exec_passes_options_on_and_removes_its_temporary_folder(self):
        done = self.run_it("--port", str(self.port), "--exec", "sh", "-c", 'echo "$0 $1"; echo $CTDB_CLUSTER_DIR', "--nodes",
                           "x")
        words, folder = done.stdout.splitlines()
        self.assertEqual((done.returncode, words), (0, "--nodes x"), done.stderr)
        self.assertFalse(os.path.exists(folder))

    def test_exec_of_nothing_that_exists(self):
        self.refused(1, "no-such-program: No such file or directory", "--port", str(self.port), "--exec",
                     "no-such-program")

    def test_a_cluster_that_does_not_get_healthy_is_stopped_and_its_logs_are_kept(self):
        self.program("ctdb-cli", "echo no leader >&2; exit 3")
        done = self.run_it("--port", str(self.port), "--exec", "true")
        self.assertEqual(done.returncode, 1)
        self.assertIn("is not healthy after", done.stderr)
        kept = done.stderr.split("logs are kept in ")[1].split("/node*")[0]
        self.assertTrue(os.path.exists(os.path.join(kept, "node0", "log.ctdb-router")))

    def started(self):
        process = subprocess.Popen(self.command("--port", str(self.port), "--dir", self.dir, "--nodes", "2"),
                                   env=dict(os.environ, CTDB_BUILD=self.build), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (process.kill(), process.communicate()))
        shown = ""
        while "Ctrl-C stops" not in shown:
            line = process.stdout.readline()
            self.assertTrue(line, process.stderr.read() if not line else "")
            shown += line
        return process, shown


    def test_shows_sockets_status_and_the_record_and_stops_on_sigterm(self):
        process, shown = self.started()
        for part in ("cluster of 2 nodes in " + self.dir, f"node 1: 127.0.0.2 port {self.port}",
                     f"{self.dir}/node1/ctdbd.socket", f"ctdb-cli --base {self.dir}/node0 status",
                     "put on node 0: value 'hello', dmaster 0, rsn 1", "get on node 1: value 'hello'"):
            self.assertIn(part, shown)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(60), 0)
        self.assertFalse(os.path.exists(os.path.join(self.dir, "cluster.socket")))

    def test_acts_on_nodes_while_it_runs(self):
        self.started()
        for action in ("quiet", "active", "kill", "start", "stop", "start"):
            done = self.run_it("node", "1", action, "--dir", self.dir)
            self.assertEqual((done.returncode, done.stderr), (0, ""), action)
        self.refused(1, "nodes are 0 to 1", "node", "2", "kill", "--dir", self.dir)
        self.refused(1, "nodes are 0 to 1", "node", "-1", "kill", "--dir", self.dir)
        self.refused(1, "is running in", "--port", str(self.port), "--dir", self.dir, "--exec", "true")

    def pids(self):
        with open(os.path.join(self.folder, "pids"), "a+") as source:
            source.seek(0)
            return source.read().split()

    def test_no_daemon_outlives_a_killed_run_cluster(self):
        for name in cluster_module.DAEMONS:
            self.program(name, f"echo $$ >> {self.folder}/pids; {LASTING}")
        process, _ = self.started()
        # run-cluster knows of each that it was begun, and not that it has come so far.
        wait_until(lambda: len(self.pids()) == 6, lambda: f"six daemons write their numbers: {self.pids()}")
        pids = self.pids()
        process.kill()
        wait_until(lambda: not any(is_alive(pid) for pid in pids), "the daemons end")


if __name__ == "__main__":
    unittest.main()
