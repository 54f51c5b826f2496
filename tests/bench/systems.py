# SPDX-License-Identifier: GPL-3.0-or-later
"""The systems that benchmarks compare, Debian's three-node ctdbd and our three nodes, and clients that fill and watch them."""
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[1:1] = [os.path.join(ROOT, "tests", "cluster"), os.path.join(ROOT, "tests", "integration")]

from classic import ClassicCluster  # noqa: E402
from cluster import Cluster  # noqa: E402
from netns import NetworkNamespace  # noqa: E402
from processes import with_children  # noqa: E402

NODES = 3
BUILD = os.path.join(ROOT, "build", "dev")
OWN_RECORDS = 1000  # a node
FILLERS = 8  # a node
SHARED_RECORDS_MIN = 3000  # so that watchers do not wait for each other


def start_or_stop(cluster, start):
    try:
        start()
    except BaseException:
        cluster.stop()
        raise


class Classic:
    name = "classic"

    def __init__(self, directory, _namespace, _build):
        self.cluster = ClassicCluster(directory, NODES)
        start_or_stop(self.cluster, self.cluster.start)

    def classic_sockets(self):
        return [self.cluster.socket(node) for node in range(NODES)]

    def wrap(self, command):
        """The command as it runs beside the daemons."""
        return self.cluster.wrap(command)

    def where(self, node):
        return ["--classic", self.cluster.socket(node)]

    def file(self, node, database):
        return os.path.join(self.cluster.base(node), "db", "volatile", f"{database}.{node}")

    def leader(self):
        return int(self.cluster.tool(0, "leader").stdout)

    def pids(self, node=None):
        return self.cluster.daemon_pids(node)

    def daemons(self, node):
        return {"ctdbd": self.pids(node)}

    def kill(self, node):
        for pid in self.pids(node):
            os.kill(pid, signal.SIGKILL)

    def hang(self, node):
        for pid in self.pids(node):
            os.kill(pid, signal.SIGSTOP)

    def stop(self):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(pid, signal.SIGCONT)
        self.cluster.stop()


class Ours:
    name = "ours"

    def __init__(self, directory, namespace, build):
        self.cluster = Cluster(directory, nodes=NODES, bin_dir=os.path.join(build, "bin"), wrap=namespace.wrap)
        self.wrap = namespace.wrap
        start_or_stop(self.cluster, lambda: (self.cluster.start(), self.cluster.wait_healthy()))

    def classic_sockets(self):
        return [node.classic_socket for node in self.cluster.nodes]

    def where(self, node):
        return ["--native", self.cluster.nodes[node].setup_socket]

    def file(self, node, database):
        return os.path.join(self.cluster.nodes[node].base, "volatile", f"{database}.{node}")

    def leader(self):
        return json.loads(self.cluster.nodes[0].cli("-o", "json", "status", check=True).stdout)["leader"]

    def pids(self, node=None):
        nodes = self.cluster.nodes if node is None else [self.cluster.nodes[node]]
        return with_children(daemon.pid for each in nodes for daemon in each.daemons.values() if daemon.pid)

    def daemons(self, node):
        """With the processes each has started."""
        return {name: with_children([daemon.pid]) for name, daemon in self.cluster.nodes[node].daemons.items()}

    def kill(self, node):
        children = set(self.pids(node)) - {daemon.pid for daemon in self.cluster.nodes[node].daemons.values()}
        self.cluster.nodes[node].begin_stop(signal.SIGKILL)  # and they are not started again
        for pid in children:
            with contextlib.suppress(ProcessLookupError):  # it has ended with its parent
                os.kill(pid, signal.SIGKILL)

    def hang(self, node):
        for daemon in self.cluster.nodes[node].daemons.values():
            daemon.signal(signal.SIGSTOP)

    def stop(self):
        self.cluster.stop()


class OursThroughTheSocket(Ours):
    name = "socket"

    def where(self, node):
        return ["--classic", self.cluster.nodes[node].classic_socket]


def client(build, where, what, *words):
    return subprocess.Popen([os.path.join(build, "bin", "ctdb-load-client"), *where, what, *map(str, words)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process, seconds):
    out, err = process.communicate(timeout=seconds)
    if process.returncode != 0:
        raise RuntimeError(err.strip())
    return [json.loads(line) for line in out.splitlines()]


def fill(system, build, records):
    """Making a record is waiting for its location master, most of all: several clients a node share that."""
    share = records // NODES
    run_all([client(build, system.where(node), "fill", *part) for node in range(NODES)
             for part in (*shares(node * share, share, FILLERS), own_records(node, records))], 1800)


def run_all(processes, seconds):
    """Until all have ended; when one takes longer than that, none is left."""
    try:
        for process in processes:
            finish(process, seconds)
    finally:
        for process in processes:
            process.kill()


def shares(first, count, parts):
    """(first, count) of each part."""
    bounds = [first + count * part // parts for part in range(parts + 1)]
    return [(begin, end - begin) for begin, end in zip(bounds, bounds[1:])]


def own_records(node, records):
    """First and count of those that only the clients of this node use."""
    return max(records, SHARED_RECORDS_MIN) + node * OWN_RECORDS, OWN_RECORDS


def start_both(stack, build):
    """(directory, {"classic": …, "ours": …}); `stack` (contextlib.ExitStack) ends them and removes it."""
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="ctdb-bench-"))
    namespace = stack.enter_context(NetworkNamespace())
    systems = {}
    for kind in (Classic, Ours):
        systems[kind.name] = kind(os.path.join(directory, kind.name), namespace, build)
        stack.callback(systems[kind.name].stop)
    return directory, systems


HEADER = "| row | classic | ours | ratio |\n|---|---|---|---|"


def print_row(what, values, unit, digits=1):
    """`values`: {"classic": one number a round, "ours": …}."""
    classic, ours = (statistics.median(values[name]) for name in ("classic", "ours"))
    print(f"| {what} | {classic:,.{digits}f} {unit} | {ours:,.{digits}f} {unit} | {ours / classic:.2f} |", flush=True)


def write_json(path, rounds, rows):
    with open(path, "w") as out:
        json.dump({"schema": 1, "rounds": rounds, "rows": rows}, out, indent=1)
        out.write("\n")
