# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on a real cluster, at random, while clients count in a few records; and the check of what the clients saw.

Promises checked (ARCHITECTURE §5):
- Two native clients never have one record locked at the same time, whatever happens. (A classic client that holds a lock when its
  node's lease ends uses the record once more; no more of them than there were faults.)
- A counter never loses an acknowledged increment, unless a store has logged that a record fell back to an older copy.
- When the faults are over everybody goes on.
"""
import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

from cluster import DAEMONS, ROOT, Cluster
from netns import NetworkNamespace
from network_faults import NetworkFaults

DATABASE = "chaos.tdb"
KEYS = 2  # of each kind of client
PATIENCE_S = 60


class Client:
    def __init__(self, chaos, node, api, key):
        self.chaos, self.node, self.api, self.key = chaos, node, api, f"{api}-{key}"
        self.history = os.path.join(chaos.cluster.directory, f"history.{self.key}.{node}")
        self.start()

    def start(self):
        at = self.chaos.cluster.nodes[self.node]
        where = ["--setup", at.setup_socket] if self.api == "native" else ["--socket", at.classic_socket]
        self.process = subprocess.Popen(
            [self.chaos.cluster.program("ctdb-increment"), *where, "--db", DATABASE, "--key", self.key,
             "--history", self.history], stdin=subprocess.PIPE)

    def restart(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.start()

    def operations(self):
        """[(value, begun, ended)] so far."""
        try:
            with open(self.history) as source:
                lines = source.read().split("\n")[:-1]  # what a killed client had not written to its end is no line
        except FileNotFoundError:
            return []
        return [tuple(int(word) for word in line.split()) for line in lines]

    def end(self):
        self.process.stdin.close()
        return self.process.wait(PATIENCE_S)


class Chaos:
    def __init__(self, cluster, namespace, seed, say=lambda text: None):
        self.cluster, self.say = cluster, say
        self.network = NetworkFaults(namespace, len(cluster.nodes))
        self.random = random.Random(seed)
        self.clients = [Client(self, node.index, api, key) for node in cluster.nodes for api in ("native", "classic")
                        for key in range(KEYS)]
        self.client_kills = self.injected = 0
        self.faults = {name[6:]: getattr(self, name) for name in sorted(dir(self)) if name.startswith("fault_")}

    # ---- faults; each ends what it began ----

    def node(self):
        return self.random.choice(self.cluster.nodes)

    def pair(self):
        return self.random.sample(range(len(self.cluster.nodes)), 2)

    def rest(self, longest=1.0):
        time.sleep(self.random.uniform(0, longest))

    def fault_kill_daemon(self):
        self.node().kill_daemon(self.random.choice(DAEMONS))

    def fault_kill_two_daemons(self):
        node = self.node()
        for name in self.random.sample(DAEMONS, 2):
            node.kill_daemon(name)

    def fault_kill_in_recovery(self):
        """The first kill makes a recovery; the second, a few milliseconds later, meets it in some phase."""
        self.node().kill_daemon("ctdb-store")
        self.rest(0.02)
        self.node().kill_daemon(self.random.choice(DAEMONS))

    def fault_stop_daemon(self):
        node, name = self.node(), self.random.choice(DAEMONS)
        node.kill_daemon(name, signal.SIGSTOP)
        self.rest(4)
        node.kill_daemon(name, signal.SIGCONT)

    def fault_kill_keeper(self):
        self.node().kill_keeper()

    def fault_kill_node(self):
        node = self.node()
        node.kill()
        self.rest(3)
        node.start()

    def fault_restart_node(self):
        node = self.node()
        node.stop()
        node.start()

    def fault_reset(self):
        for _ in range(self.random.randint(1, 10)):
            self.network.reset(*self.pair())

    def fault_cut(self):
        self.network.cut(*self.pair())
        self.rest(4)
        self.network.heal()

    def fault_cut_one_way(self):
        self.network.drop(*self.pair())
        self.rest(4)
        self.network.heal()

    def fault_isolate(self):
        self.network.isolate(self.node().index)
        self.rest(4)
        self.network.heal()

    def fault_quiet(self):
        node = self.node()
        if node.cli("node", "quiet").returncode == 0:
            self.rest(2)
        node.cli("node", "active")

    def fault_kill_client(self):
        self.client_kills += 1
        self.random.choice(self.clients).restart()

    # ---- the run ----

    def run(self, seconds):
        counts = dict.fromkeys(self.faults, 0)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            name = self.random.choice(list(self.faults))
            self.say(name)
            self.faults[name]()
            counts[name] += 1
            self.injected += 1
            self.rest()
        return counts

    def go_on(self):
        """After the last fault: every node is healthy, and every client works."""
        self.network.heal()
        self.cluster.wait_healthy(PATIENCE_S)
        before = [len(client.operations()) for client in self.clients]
        deadline = time.monotonic() + PATIENCE_S
        for client, count in zip(self.clients, before):
            while len(client.operations()) <= count:
                if time.monotonic() > deadline:
                    raise AssertionError(f"the client of node {client.node} for {client.key} does not go on")
                time.sleep(0.05)

    def end_clients(self):
        for client in self.clients:
            status = client.end()
            if status != 0:
                raise AssertionError(f"the client of node {client.node} for {client.key} ended with status {status}")

    def kill_clients(self):
        for client in self.clients:
            if client.process.poll() is None:
                client.process.kill()
                client.process.wait()
            if client.process.stdin:
                client.process.stdin.close()

    def fallen_back(self):
        """True when some store has said that records fell back."""
        def said(node):
            with open(node.log_path("ctdb-store")) as log:
                return "fallen back" in log.read()
        return any(said(node) for node in self.cluster.nodes)

    def check(self):
        """Raises AssertionError, or returns (operations, increments lost in ways that were told)."""
        by_key = {}
        for client in self.clients:
            by_key.setdefault(client.key, []).extend((*line, client.node) for line in client.operations())
        histories = [check_history(key, lines, *((self.client_kills, 0) if key.startswith("native") else
                                                 (self.client_kills + self.injected, self.injected)))
                     for key, lines in sorted(by_key.items())]
        lost = sum(history[1] for history in histories)
        if lost and not self.fallen_back():
            raise AssertionError(f"{lost} increments are lost, and no store has said that a record fell back")
        return sum(history[0] for history in histories), lost


def check_history(key, lines, unknown, late=0):
    """`lines`: [(value, begun, ended, node)] of one counter. `unknown`: how often an increment may have happened without a
    line. `late`: how often a client may have had the record when another had it already.
    Returns (operations, increments lost); raises AssertionError when that was exceeded."""
    lines = sorted(lines, key=lambda line: line[1])
    lost = jumps = overlaps = 0
    for (value, _, ended, node), (next_value, next_begun, _, next_node) in zip(lines, lines[1:]):
        if next_begun < ended:
            overlaps += 1
            if overlaps > late:
                raise AssertionError(f"{key}: nodes {node} and {next_node} had it at once, {value} until {ended} and "
                                     f"{next_value} from {next_begun}, {overlaps} times")
        if next_value <= value:
            lost += value + 1 - next_value
        elif next_value > value + 1:
            jumps += 1
    if jumps > unknown:  # increments of which no line tells, or lost ones that came back
        raise AssertionError(f"{key}: {jumps} times the counter went up by more than clients say, at most {unknown} can be "
                             "explained")
    return len(lines), lost


def run_chaos(build, nodes, seconds, seed, say=lambda text: None):
    """Returns one line of figures; raises AssertionError when a promise is broken."""
    with tempfile.TemporaryDirectory(prefix="ctdb-chaos-") as directory, NetworkNamespace() as namespace:
        with Cluster(directory, nodes=nodes, bin_dir=os.path.join(build, "bin"), wrap=namespace.wrap,
                     restarts_max=1000) as cluster:
            chaos = Chaos(cluster, namespace, seed, say)
            try:
                counts = chaos.run(seconds)
                chaos.go_on()
                chaos.end_clients()
                operations, lost = chaos.check()
            except BaseException:
                keep(directory, say)
                raise
            finally:
                chaos.kill_clients()
    faults = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    return (f"{nodes} nodes, {seconds} s, seed {seed}: {operations:,} increments, {lost:,} lost with a node and told; "
            f"{sum(counts.values())} faults: {faults}")


def keep(directory, say):
    """Logs and histories of a failed run, for a person to read."""
    kept = tempfile.mkdtemp(prefix="ctdb-chaos-failed-")
    subprocess.run(["cp", "-r", "--no-preserve=ownership", "--", directory, kept], check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    say(f"logs and histories are in {kept}")


def main(words):
    parser = argparse.ArgumentParser(prog="run-chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", default="3,5", help="numbers of nodes, one run each (default 3,5)")
    parser.add_argument("--seconds", type=int, default=600, help="of each run (default 600)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first run (default: the time)")
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "dev"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    for seed, nodes in enumerate(arguments.nodes.split(","), arguments.seed):
        try:
            print(run_chaos(arguments.build, int(nodes), arguments.seconds, seed, lambda text: print(text, file=sys.stderr)))
        except AssertionError as broken:
            print(f"{nodes} nodes, seed {seed}: BROKEN: {broken}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
