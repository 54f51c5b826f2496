#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""run-bench persistent: transactions (TRANS3_COMMIT), Debian's ctdbd and our nodes in one run; --samba: its own benchmarks.

The same client program commits on both systems, one writer or one on each of 16 databases, spread over the three nodes.
Systems take turns in each round; printed are medians over the rounds.
"""
import argparse
import os
import re
import statistics
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "cluster"))
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))

from smbd import Samba  # noqa: E402
from support import ClassicCluster, NetworkNamespace, RawClient, start_cluster  # noqa: E402
from transactions import PersistentClient  # noqa: E402

NODES = 3
TORTURE = ("raw.bench-lock", "raw.bench-open", "smb2.bench.path-contention-shared")


def commits(sockets, writers, seconds):
    """(commits per second, median milliseconds of one)."""
    times, stop = [], threading.Event()

    def write(number):
        client = PersistentClient(RawClient(sockets[number % NODES], timeout=60), f"bench{number}.tdb")
        while not stop.is_set():
            begun = time.monotonic()
            status, error = client.commit([(b"key", os.urandom(100))])
            if status != 0:
                raise RuntimeError(f"commit: {status} {error}")
            times.append(time.monotonic() - begun)

    for number in range(writers):  # the databases are there before it begins
        PersistentClient(RawClient(sockets[number % NODES], timeout=60), f"bench{number}.tdb").commit([(b"key", b"0")])
    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return len(times) / (time.monotonic() - begun), statistics.median(times) * 1e3


def torture_rate(samba, test, seconds):
    """Operations per second over connections to all nodes."""
    done = samba.torture(0, test, f"--option=torture:timelimit={seconds}", "--option=torture:nprocs=3", other=1, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(f"{test}: {done.stdout[-500:]}{done.stderr[-500:]}")
    per_client = re.findall(r"^\[\d+\] (\d+) ops", done.stdout, re.M)
    if per_client:
        return sum(map(int, per_client)) / seconds
    return float(re.findall(r"([\d.]+) ?(?:ops/s|ops/second|/s)", done.stdout)[-1])


def measure(systems, what, rounds, run):
    samples = {name: [] for name in systems}
    for _ in range(rounds):
        for name in systems:
            samples[name].append(run(systems[name]))
    return what, samples


def print_row(what, values, unit):
    classic, ours = (statistics.median(values[name]) for name in ("classic", "ours"))
    print(f"{what:<52} {classic:>10,.1f} {unit:<5} {ours:>10,.1f} {unit:<5} {ours / classic:>6.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="run-bench persistent", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--samba", action="store_true", help="Samba's own benchmarks, too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ctdb-bench-") as directory:
        endings = []
        try:
            run(arguments, directory, lambda end, *more: endings.append((end, more)))
        finally:
            for end, more in reversed(endings):
                end(*more)


def run(arguments, directory, at_end):
    classic = ClassicCluster(os.path.join(directory, "classic"), NODES)
    at_end(classic.stop)
    classic.start()
    namespace = NetworkNamespace()
    at_end(namespace.close)
    ours = start_cluster(os.path.join(directory, "ours"), at_end, namespace=namespace)
    sockets = {"classic": [classic.socket(node) for node in range(NODES)],
               "ours": [node.classic_socket for node in ours.nodes]}
    print(f"{'row':<52} {'classic':>16} {'ours':>16} {'ratio':>6}")
    for writers in (1, 16):
        _, samples = measure(sockets, "", arguments.rounds, lambda at: commits(at, writers, arguments.seconds))
        rates = {name: [rate for rate, _ in runs] for name, runs in samples.items()}
        times = {name: [each for _, each in runs] for name, runs in samples.items()}
        print_row(f"persistent commits, {writers} writer{'s' * (writers > 1)}", rates, "/s")
        print_row("  one commit, median", times, "ms")
    if not arguments.samba:
        return
    samba = {"classic": Samba(os.path.join(directory, "samba-classic"), sockets["classic"], classic.wrap),
             "ours": Samba(os.path.join(directory, "samba-ours"), sockets["ours"], namespace.wrap)}
    for each in samba.values():
        at_end(each.stop_all)
        each.start_all()
    for test in TORTURE:
        _, samples = measure(samba, "", arguments.rounds, lambda at: torture_rate(at, test, int(arguments.seconds)))
        print_row(test, samples, "op/s")


if __name__ == "__main__":
    main()
