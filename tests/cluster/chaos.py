# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on a real cluster, at random, while clients count in a few records and append to lists; and the check of what they saw.

Promises checked (ARCHITECTURE §5):
- Two native clients never have one record locked at the same time, whatever happens. (A classic client that holds a lock when its
  node's lease ends uses the record once more; no more of them than there were faults.)
- A counter never loses an acknowledged increment, unless a store has logged that a record fell back to an older copy.
- A list has every element once, where it was put, and in the order in which they were added, under a lock or by ctdb_append(). What is
  lost with a record that fell back is the end of the list; the record says so or a store has logged its key, or, of many, their number; it
  does not come back. (Nobody tells of a record that is on its way when giver and receiver die (ARCHITECTURE §4): in a run with deaths of
  two nodes one list of each kind may be such a one.)
- When the faults are over everybody goes on.
"""
import argparse
import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

from chaos_clients import PATIENCE_S, CounterClient, ListClient, check_lists
from cluster import DAEMONS, ROOT, Cluster
from histories import check_counter
from netns import NetworkNamespace
from network_faults import NetworkFaults
from processes import end_on_sigterm
from shortages import FewDescriptors, SmallDisk

KEYS = 2  # counters of each kind of client
TOLD = re.compile("fallen back|left behind|and [0-9]+ more of them")
DISKS = {"volatile": 64 << 10, "state": 64}  # KiB


class Chaos:
    """`disks`: of each node {directory: SmallDisk}; `only`: names of the faults to inject, none means all."""

    def __init__(self, cluster, namespace, disks, seed, only=(), say=lambda text: None):
        self.cluster, self.disks, self.say = cluster, disks, say
        self.network = NetworkFaults(namespace, len(cluster.nodes))
        self.random = random.Random(seed)
        self.counters = [CounterClient(cluster, node.index, api, key) for node in cluster.nodes
                         for api in ("native", "classic") for key in range(KEYS)]
        self.lists = [ListClient(cluster, node.index, api, "list", calls) for node in cluster.nodes
                      for api, calls in (("native", False), ("native", True), ("classic", False))]
        self.clients = self.counters + self.lists
        self.client_kills = self.injected = 0
        self.killed_nodes = set()  # of which a daemon was
        self.faults = {name: getattr(self, f"fault_{name}") for name in FAULTS if name in only or not only}

    # ---- faults; each ends what it began ----

    def node(self):
        return self.random.choice(self.cluster.nodes)

    def pair(self):
        return self.random.sample(range(len(self.cluster.nodes)), 2)

    def victim(self):
        node = self.node()
        self.killed_nodes.add(node.index)
        return node

    def rest(self, longest=1.0):
        time.sleep(self.random.uniform(0, longest))

    def fault_kill_daemon(self):
        self.victim().kill_daemon(self.random.choice(DAEMONS))

    def fault_kill_two_daemons(self):
        node = self.victim()
        for name in self.random.sample(DAEMONS, 2):
            node.kill_daemon(name)

    def fault_kill_in_recovery(self):
        """The first kill makes a recovery; the second, a few milliseconds later, meets it in some phase."""
        self.victim().kill_daemon("ctdb-store")
        self.rest(0.02)
        self.victim().kill_daemon(self.random.choice(DAEMONS))

    def fault_stop_daemon(self):
        node, name = self.node(), self.random.choice(DAEMONS)
        node.kill_daemon(name, signal.SIGSTOP)
        self.rest(4)
        node.kill_daemon(name, signal.SIGCONT)

    def fault_kill_keeper(self):
        self.node().kill_keeper()

    def fault_kill_node(self):
        node = self.victim()
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

    def fault_disk_full(self):
        """Of records or of what recoveryd keeps; in one of two times a daemon has to start on it."""
        node = self.victim()
        disk = self.disks[node.index][self.random.choice(list(DISKS))]
        disk.fill()
        self.rest()
        if self.random.random() < 0.5:
            node.kill_daemon(self.random.choice(DAEMONS))
        self.rest(3)
        disk.empty()

    def fault_no_descriptors(self):
        daemon = self.node().daemons[self.random.choice(DAEMONS)]
        limit = FewDescriptors(daemon.pid, self.random.randint(0, 3))
        self.rest(3)
        limit.restore()

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
        before = [client.progress() for client in self.clients]
        deadline = time.monotonic() + PATIENCE_S
        for client, count in zip(self.clients, before):
            while client.progress() <= count:
                if time.monotonic() > deadline:
                    raise AssertionError(f"{client} does not go on")
                time.sleep(0.05)

    def end_clients(self):
        for client in self.clients:
            client.end()

    def kill_clients(self):
        for client in self.clients:
            client.kill()

    def told(self):
        """What the stores have said of records that are lost."""
        said = []
        for node in self.cluster.nodes:
            with open(node.log_path("ctdb-store")) as log:
                said += [line for line in log if TOLD.search(line)]
        return said

    def check_counters(self):
        """Raises AssertionError, or returns (increments, those lost in ways that were told)."""
        by_key = {}
        for client in self.counters:
            by_key.setdefault(client.key, []).extend((*line, client.node) for line in client.operations())
        histories = [check_counter(key, lines, *((self.client_kills, 0) if key.startswith("native") else
                                                 (self.client_kills + self.injected, self.injected)))
                     for key, lines in sorted(by_key.items())]
        lost = sum(history[1] for history in histories)
        if lost and not self.told():
            raise AssertionError(f"{lost} increments are lost, and no store has said that a record fell back")
        return sum(history[0] for history in histories), lost

    def check_lists(self):
        """Raises AssertionError, or returns what the lists are (histories.Lists)."""
        told = self.told()
        native, classic = ([client for client in self.lists if client.api == api] for api in ("native", "classic"))
        on_the_way = int(len(self.killed_nodes) > 1)
        return check_lists(native, told, 0, on_the_way) + check_lists(classic, told, self.injected, on_the_way)


FAULTS = sorted(name[6:] for name in dir(Chaos) if name.startswith("fault_"))


def run_chaos(build, nodes, seconds, seed, only=(), say=lambda text: None):
    """Returns one line of figures; raises AssertionError when a promise is broken."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="ctdb-chaos-"))
        namespace = stack.enter_context(NetworkNamespace())
        disks = [{name: stack.enter_context(contextlib.closing(SmallDisk(os.path.join(directory, f"node{node}", name), size)))
                  for name, size in DISKS.items()} for node in range(nodes)]
        with Cluster(directory, nodes=nodes, bin_dir=os.path.join(build, "bin"), wrap=namespace.wrap,
                     restarts_max=1000) as cluster:
            chaos = Chaos(cluster, namespace, disks, seed, only, say)
            try:
                counts = chaos.run(seconds)
                say("the faults are over")
                chaos.go_on()
                say("everybody goes on")
                chaos.end_clients()
                (increments, lost), lists = chaos.check_counters(), chaos.check_lists()
            except Exception:
                keep(directory, say)
                raise
            finally:
                chaos.kill_clients()
    faults = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    return (f"{nodes} nodes, {seconds} s, seed {seed}: {increments:,} increments, {lost:,} of them lost with a node and told; "
            f"{lists.elements:,} elements of lists, {lists.lost:,} of them lost and told, {lists.untold:,} of these by the "
            f"number of records only; {sum(counts.values())} faults: {faults}")


def keep(directory, say):
    """Logs and histories of a failed run, for a person to read."""
    kept = tempfile.mkdtemp(prefix="ctdb-chaos-failed-")
    subprocess.run(["cp", "-r", "--no-preserve=ownership", "--", directory, kept], check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    say(f"logs and histories are in {kept}")


def numbers(text):
    return [int(number) for number in text.split(",")]


def main(words):
    end_on_sigterm()
    parser = argparse.ArgumentParser(prog="run-chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=numbers, default=[3, 5], help="numbers of nodes, one run each (default 3,5)")
    parser.add_argument("--seconds", type=int, default=600, help="of each run (default 600)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first run (default: the time)")
    parser.add_argument("--faults", type=lambda text: text.split(","), default=[], help="inject only these: " + ", ".join(FAULTS))
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "dev"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    if unknown := set(arguments.faults) - set(FAULTS):
        parser.error(f"--faults: there is no {', '.join(sorted(unknown))}")
    if min(arguments.nodes) < 2 or arguments.seconds < 1:
        parser.error("--nodes must be 2 or more, as many faults are between two; --seconds 1 or more")
    for seed, nodes in enumerate(arguments.nodes, arguments.seed):
        try:
            print(run_chaos(arguments.build, nodes, arguments.seconds, seed, arguments.faults,
                            lambda text: print(text, file=sys.stderr)))
        except AssertionError as broken:
            print(f"{nodes} nodes, seed {seed}: BROKEN: {broken}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
