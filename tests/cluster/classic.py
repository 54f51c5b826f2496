# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's own ctdbd on loopback: the peer that benchmark and comparisons run against. A black box; it is started as
its package documents (CTDB_TEST_MODE), in a network namespace of its own because its port is fixed.
"""
import os
import shutil
import signal
import subprocess
import time

from netns import NetworkNamespace

PACKAGE_DIR = "/etc/ctdb"
HELPER_FILES = ("functions", "notify.sh", "debug-hung-script.sh")


class ClassicCluster:
    def __init__(self, directory, nodes=3):
        self.directory = os.path.abspath(directory)
        self.count = nodes
        self._namespace = None
        self._inputs = []
        for index in range(nodes):
            self._write_node(index)

    def base(self, index):
        return os.path.join(self.directory, f"node{index}")

    def socket(self, index):
        return os.path.join(self.base(index), "run", "ctdbd.socket")

    def _write_node(self, index):
        base = self.base(index)
        for folder in ("run", "var", "db/volatile", "db/persistent", "db/state", "events/legacy",
                       "events/notification", "share/events/legacy"):
            os.makedirs(os.path.join(base, folder), exist_ok=True)
        for name in HELPER_FILES:
            source = os.path.join(PACKAGE_DIR, name)
            if os.path.exists(source):
                shutil.copy(source, base)
        with open(os.path.join(base, "public_addresses"), "w"):
            pass
        with open(os.path.join(base, "nodes"), "w") as out:
            out.writelines(f"127.0.0.{i + 1}\n" for i in range(self.count))
        with open(os.path.join(base, "ctdb.conf"), "w") as out:
            out.write(f"""[logging]
location = file:{base}/log.ctdb
log level = NOTICE
[cluster]
cluster lock = {self.directory}/lock
node address = 127.0.0.{index + 1}
[database]
volatile database directory = {base}/db/volatile
persistent database directory = {base}/db/persistent
state database directory = {base}/db/state
[failover]
disabled = true
[legacy]
realtime scheduling = false
""")

    def start(self):
        """Starts all nodes; returns the seconds until every node says it is healthy."""
        self._namespace = NetworkNamespace()
        begun = time.monotonic()
        for index in range(self.count):
            environment = dict(os.environ, CTDB_TEST_MODE="yes", CTDB_BASE=self.base(index))
            # In test mode the daemon ends when its standard input does.
            read_end, write_end = os.pipe()
            subprocess.run(self._namespace.wrap(["ctdbd"]), env=environment, stdin=read_end, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
            os.close(read_end)
            self._inputs.append(write_end)
        deadline = begun + 300  # only ends what hangs
        while not all(self.healthy(i) for i in range(self.count)):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the classic cluster did not become healthy, see {self.directory}/node*/log.ctdb")
            time.sleep(0.05)
        return time.monotonic() - begun

    def wrap(self, command):
        """The command as it runs beside the daemons."""
        return self._namespace.wrap(command)

    def tool(self, index, *arguments, timeout=120):
        environment = dict(os.environ, CTDB_TEST_MODE="yes", CTDB_BASE=self.base(index),
                           CTDB_SOCKET=self.socket(index))
        return subprocess.run(["ctdb", *arguments], env=environment, capture_output=True, text=True, timeout=timeout)

    def healthy(self, index):
        try:
            return self.tool(index, "nodestatus", "all", timeout=10).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def daemon_pids(self, index=None):
        """All processes of all nodes or of one, children included."""
        bases = [self.base(i) for i in (range(self.count) if index is None else [index])]
        found = set()
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/environ", "rb") as source:
                    environment = source.read()
                with open(f"/proc/{entry}/comm") as source:
                    name = source.read().strip()
            except OSError:
                continue
            if name.startswith("ctdb") and any(
                    f"CTDB_BASE={base}\0".encode() in environment for base in bases):
                found.add(int(entry))
        return sorted(found)

    def stop(self):
        for index in range(self.count):
            try:
                self.tool(index, "shutdown", timeout=10)
            except subprocess.TimeoutExpired:
                pass
        deadline = time.monotonic() + 10
        while self.daemon_pids() and time.monotonic() < deadline:
            time.sleep(0.05)
        for pid in self.daemon_pids():
            os.kill(pid, signal.SIGKILL)
        for write_end in self._inputs:
            os.close(write_end)
        self._inputs = []
        if self._namespace:
            self._namespace.close()
            self._namespace = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
