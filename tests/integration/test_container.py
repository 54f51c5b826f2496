# SPDX-License-Identifier: GPL-3.0-or-later
"""A node in containers: each daemon is process 1 of a pid namespace of its own, as a user without rights, and nothing can be written but
the node's directory. What they share is that and the network (docs/containers.md)."""
import os
import signal
import subprocess
import tempfile
import unittest

from support import BIN, NetworkNamespace, wait_until

DAEMONS = ("ctdb-router", "ctdb-store", "ctdb-recoveryd")
NOBODY = 65534
# Everything read-only, but what is named; then a user without rights and without a way to any.
ENTRY = ('mount --bind "$1" "$1"; mount -o remount,bind,ro /; mount -t proc proc /proc; shift; '
         f'exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"')


class Container:
    """`command` as process 1."""

    def __init__(self, namespace, directory, command, **options):
        self.outer = subprocess.Popen(namespace.wrap(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", ENTRY, "sh",
                                                      directory, *command]), text=True, **options)

    def pid(self):
        """Of process 1, as this test sees it."""
        with open(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children") as children:
            return int(children.read().split()[0])

    def end(self, number):
        """The status with which process 1 ended."""
        os.kill(self.pid(), number)
        return self.outer.wait(60)


class ContainerTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-container-")
        self.addCleanup(directory.cleanup)
        os.chmod(directory.name, 0o755)
        self.base = os.path.join(directory.name, "node")
        os.mkdir(self.base)
        for name, text in (("nodes", "127.0.0.1\n"), ("ctdb.conf", "[cluster]\nnode address = 127.0.0.1\n[database]\ntdb mutexes = false\n")):
            with open(os.path.join(self.base, name), "w") as out:
                out.write(text)
        os.chown(self.base, NOBODY, NOBODY)
        self.namespace = NetworkNamespace()
        self.addCleanup(self.namespace.close)
        self.daemons = {name: self.start(name) for name in DAEMONS}
        self.wait_healthy()

    def start(self, name):
        log = open(os.path.join(os.path.dirname(self.base), f"log.{name}"), "a")
        container = Container(self.namespace, self.base, [f"{BIN}/{name}", "--base", self.base], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        self.addCleanup(container.outer.wait)
        self.addCleanup(container.outer.kill)
        return container

    def contained(self, *command):
        return Container(self.namespace, self.base, ["env", "CTDB_TEST_MODE=1", f"CTDB_BASE={self.base}",
                                                     f"CTDB_SOCKET={self.base}/ctdbd.socket", *command],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def output_of(self, container):
        out, _ = container.outer.communicate(timeout=120)
        self.assertEqual(container.outer.returncode, 0, out)
        return out

    def run_contained(self, *command):
        return self.output_of(self.contained(*command))

    def cli(self, *words):
        """In a container of its own, too."""
        return self.run_contained(f"{BIN}/ctdb-cli", "--base", self.base, *words)

    def wait_healthy(self):
        self.cli("--timeout", "60", "wait", "--for=healthy")

    def test_clients_of_other_containers(self):
        self.cli("record", "put", "demo.tdb", "greeting", "hello")
        self.assertIn("value: hello", self.cli("record", "get", "demo.tdb", "greeting"))
        self.run_contained("ctdb", "attach", "kept.tdb", "persistent")
        self.run_contained("ctdb", "pstore", "kept.tdb", "key", "value")
        self.assertIn("hello", self.run_contained("ctdb", "catdb", "demo.tdb"))

    def test_two_clients_that_are_process_1_count_in_one_record(self):
        clients = [self.contained(f"{BIN}/ctdb-increment", "--setup", f"{self.base}/setup.socket", "--db", "counter.tdb", "--key", "key",
                                  "--count", "20000") for _ in range(2)]
        for client in clients:
            self.output_of(client)
        self.assertEqual(self.output_of(self.contained(f"{BIN}/ctdb-increment", "--setup", f"{self.base}/setup.socket", "--db",
                                                       "counter.tdb", "--key", "key", "--count", "1")).split()[-1], "40001")

    def test_status_sees_daemons_of_other_pid_namespaces(self):
        self.assertEqual(self.cli("status").count("  alive "), 3)
        from_outside = subprocess.run([f"{BIN}/ctdb-cli", "--base", self.base, "health", "--local"], capture_output=True, text=True)
        self.assertEqual((from_outside.returncode, from_outside.stdout), (0, "healthy\n"))
        self.daemons["ctdb-recoveryd"].end(signal.SIGKILL)
        from_outside = subprocess.run([f"{BIN}/ctdb-cli", "--base", self.base, "health", "--local"], capture_output=True, text=True)
        self.assertEqual(from_outside.returncode, 3)
        self.assertIn("ctdb-recoveryd is dead", from_outside.stdout)

    def test_each_ends_on_sigterm_and_is_replaced(self):
        self.cli("record", "put", "demo.tdb", "greeting", "hello")
        for name in DAEMONS:
            self.assertEqual(self.daemons[name].end(signal.SIGTERM), 0, name)
            self.daemons[name] = self.start(name)
            self.wait_healthy()

    def test_a_store_that_is_killed_takes_its_keeper_along_and_comes_back(self):
        self.cli("record", "put", "demo.tdb", "greeting", "hello")
        self.daemons["ctdb-store"].end(signal.SIGKILL)
        self.daemons["ctdb-store"] = self.start("ctdb-store")
        self.wait_healthy()
        self.cli("record", "put", "demo.tdb", "greeting", "hello again")

    def test_no_child_is_left_unburied(self):
        """Process 1 inherits what others leave behind."""
        store = self.daemons["ctdb-store"].pid()
        spawner, = (child for child in children_of(store) if children_of(child))
        family = [spawner, *children_of(spawner)]
        self.assertGreater(len(family), 1)
        os.kill(spawner, signal.SIGKILL)
        wait_until(lambda: not any(map(state_of, family)), lambda: f"none of them is left: {[(pid, state_of(pid)) for pid in family]}")
        self.cli("record", "put", "demo.tdb", "greeting", "hello")


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return [int(child) for child in children.read().split()]


def state_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    unittest.main()
