# SPDX-License-Identifier: GPL-3.0-or-later
"""One node of ours on a Machine: the plain one, or one of several in a network namespace each."""
import json
import os
import subprocess
import sys

from machine import TOOLS, wait_until
from root import ROOT

sys.path.insert(0, f"{ROOT}/tests/integration")
from bystanders import LEADERS  # noqa: E402,F401
from disturbed import FALLEN_BACK, NO_MEMBER, SILENT  # noqa: E402

DAEMONS = ("router", "recoveryd", "store")
SOCKETS = ("setup", "classic")


class Node:
    def __init__(self, machine, instance=""):
        self.machine = machine
        self._at = f"@{instance}" if instance else ""
        self.name = f"ctdb-{instance}" if instance else "ctdb"
        self.base = f"/etc/{self.name}"
        self.run_directory = f"/run/{self.name}"
        self.target = f"ctdb{self._at}.target"

    def unit(self, daemon):
        return f"ctdb-{daemon}{self._at}.service"

    def sockets(self):
        return [f"ctdb-{name}{self._at}.socket" for name in SOCKETS]

    def units(self):
        return [self.unit(daemon) for daemon in DAEMONS]

    def start(self):
        self.machine.run("systemctl", "start", self.target)

    def stop(self):
        """The target alone would not wait for the daemons."""
        self.machine.run("systemctl", "stop", self.target, *self.units())

    def cli(self, *arguments, check=True):
        return self.machine.run("ctdb-cli", "--base", self.base, *arguments, check=check)

    def wait(self, condition="healthy"):
        self.cli("wait", f"--for={condition}", "--timeout", "200")

    def status(self):
        return json.loads(self.cli("status", "-o", "json", check=False))

    def tool(self, *words):
        """Debian's ctdb tool, which is not in the machine, on this node."""
        done = subprocess.run(["ctdb", *words], capture_output=True, text=True, timeout=60, env={
            **os.environ, "CTDB_TEST_MODE": "1", "CTDB_BASE": self.machine.seen_from_here(self.base),
            "CTDB_SOCKET": self.machine.seen_from_here(f"{self.run_directory}/ctdbd.socket")})
        return done.stdout + done.stderr

    def said(self, daemon, cursor, *texts):
        """The lines of a daemon after `cursor` that have one of the texts."""
        journal = self.machine.journal("-u", self.unit(daemon), "--after-cursor", cursor)
        return [line for line in journal.splitlines() if any(text in line for text in texts)]

    def fallen_back(self, cursor):
        """Of records that are lost. A store's counters say it too, until it is started anew."""
        return self.said("store", cursor, *FALLEN_BACK)

    def disturbances(self, cursor, *more):
        """Of a machine that is too busy, if nobody has done that to the node (integration/disturbed.py); `more` of recoveryd."""
        return self.said("recoveryd", cursor, NO_MEMBER, *more) + self.said("router", cursor, SILENT)

    def status_text(self, daemon):
        return self.machine.show(self.unit(daemon), "StatusText")

    def pid(self, daemon):
        return self.machine.pid_of(self.unit(daemon))

    def out_of_service_s(self, daemon):
        """How long it was when it was last restarted: from the moment systemd saw the end of the old process until the new one was ready, as
        systemd has noted it."""
        end, ready = map(int, self.machine.show(self.unit(daemon), "ActiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic"))
        return (ready - end) / 1e6

    def ready_since_s(self, daemon):
        """On the machine's clock, as /proc/uptime."""
        return int(self.machine.show(self.unit(daemon), "ActiveEnterTimestampMonotonic")) / 1e6

    def restarts(self, daemon):
        return int(self.machine.show(self.unit(daemon), "NRestarts"))

    def processes(self):
        """{daemon: process number}, in one look."""
        shown = self.machine.run("systemctl", "show", "--property=MainPID", *self.units())
        return dict(zip(DAEMONS, (int(line.split("=")[1]) for line in shown.split())))

    def wait_for_another(self, daemon, old):
        """Another process than `old` serves as that daemon."""
        def there():
            pid, state = self.machine.show(self.unit(daemon), "MainPID", "ActiveState")
            return state == "active" and int(pid) not in (0, old)
        wait_until(there, lambda: f"{daemon} is back\n" + self.machine.journal("-n", "40"))

    def increments(self, key, count, api="native"):
        """A client that adds `count` to a record; started, not waited for."""
        return self._counter(key, api, "--count", str(count))

    def holding(self, key):
        """A classic client that keeps a record locked until it is finished."""
        client = self._counter(key, "classic", "--count", "1", "--hold", "1")
        if client.stdout.readline() != "locked\n":
            raise AssertionError("the record was not locked: " + client.communicate()[1])
        return client

    def counting(self, key, api="native"):
        """A client that adds to a record until it is told to stop."""
        return Counting(self, key, api)

    def _counter(self, key, api, *more):
        where = ["--setup", f"{self.run_directory}/setup.socket"] if api == "native" else \
            ["--socket", f"{self.run_directory}/ctdbd.socket"]
        return self.machine.start(f"{TOOLS}/ctdb-increment", *where, "--db", "count.tdb", "--key", key, *more)

    def value(self, key):
        return int(finish(self.increments(key, 0)).split()[-1])


class Counting:
    """Load: what it has done is a history of its own, so that nothing a daemon forgets goes unnoticed."""

    def __init__(self, node, key, api):
        self.node, self.key = node, key
        self._history = f"/tmp/history-{node.name}-{key}"
        self._client = node._counter(key, api, "--history", self._history)

    def done(self):
        text = self.node.machine.run("cat", self._history, check=False)
        return [int(line.split()[0]) for line in text.split("\n")[:-1]]

    def wait_for_more(self):
        before = len(self.done())
        wait_until(lambda: len(self.done()) > before + 20, f"the client of {self.node.name} goes on")

    def stop(self):
        """All values it wrote, in order."""
        finish(self._client)
        return self.done()


def finish(client):
    """What the client said when it had done all; a client that fails is a failure."""
    out, err = client.communicate(timeout=300)
    if client.returncode != 0:
        raise AssertionError(f"a client ended with {client.returncode}: {out}{err}")
    return out
