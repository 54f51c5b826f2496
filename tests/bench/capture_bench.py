#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""run-bench capture: what looking at packets costs those who route them.

The same rows without flight recorders, with them (as it is when nobody has configured anything), with a capture on each node whose filter
takes nothing, and with one that takes all, to /dev/null. Modes take turns in each round; printed are medians over the rounds.
With --instructions instead: what one packet of 128 bytes costs, in instructions counted by valgrind, which do not depend on the machine.
"""
import argparse
import contextlib
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from run_bench import System, list_rows, medians
from systems import BUILD, NODES, start_or_stop, write_json
from cluster import Cluster  # of tests/cluster, which `systems` makes known
from netns import NetworkNamespace
from processes import end_on_sigterm

ROWS = ("ping_local", "ping_remote", "message_remote", "one_way_128")
SUMMARY = re.compile(r"(\d+) packets, (\d+) dropped")
HUNG_S = 60
# Mode: packets of the flight recorder, and what is captured (None: nothing).
MODES = {"no recorder": (0, None), "recorder": (4096, None), "filter": (4096, ["--db=nobody.tdb"]), "capture": (4096, [])}
COLLECTED = re.compile(r"Collected : (\d+)")
COSTS = {"none": "", "off": "neither recorder nor capture", "recorder": "the flight recorder", "filter": "more, for a capture that does not want it",
         "capture": "more, for a capture that does"}


def start(directory, namespace, build, packets):
    """A cluster whose daemons' recorders keep so many packets."""
    cluster = Cluster(directory, nodes=NODES, bin_dir=os.path.join(build, "bin"), wrap=namespace.wrap,
                      options={"logging": {"flight recorder": packets}})
    start_or_stop(cluster, lambda: (cluster.start(), cluster.wait_healthy()))
    return cluster


def begun(cluster):
    def captures(path):
        with open(path, errors="replace") as log:
            return log.read().count("capture: begun")
    return sum(captures(node.log_path(name)) for node in cluster.nodes for name in ("ctdb-router", "ctdb-store"))


@contextlib.contextmanager
def captured(cluster, words, dropped):
    """On each node, if words are not None. Adds (packets, dropped) to `dropped`."""
    if words is None:
        yield
        return
    wanted = begun(cluster) + 2 * len(cluster.nodes)
    captures = [subprocess.Popen([cluster.program("ctdb-cli"), "--base", node.base, "capture", "-w", "/dev/null", *words],
                                 stderr=subprocess.PIPE, text=True) for node in cluster.nodes]
    end = time.monotonic() + HUNG_S
    while begun(cluster) < wanted:
        if time.monotonic() > end or any(process.poll() is not None for process in captures):
            raise RuntimeError("a capture does not begin")
        time.sleep(0.01)
    yield
    for process in captures:
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=HUNG_S)[1]
        dropped.append([int(number) for number in SUMMARY.search(said).groups()])


def measure(arguments, clusters, bench):
    """{row: {mode: medians}}, {mode: [(packets, dropped), …]}"""
    systems = {mode: System(mode, ["--native", ",".join(node.setup_socket for node in clusters[packets].nodes)],
                            clusters[packets].daemon_pids) for mode, (packets, _) in MODES.items()}
    samples = {row: {mode: [] for mode in MODES} for row in ROWS}
    dropped = {mode: [] for mode in MODES}
    cpus = set(os.sched_getaffinity(0)) if arguments.cpus == "all" else {int(cpu) for cpu in arguments.cpus.split(",")}
    for row in ROWS:
        for _ in range(arguments.rounds):
            for mode, (packets, words) in MODES.items():
                with captured(clusters[packets], words, dropped[mode]):
                    samples[row][mode].append(systems[mode].run(bench, row, arguments.seconds, cpus))
    return {row: {mode: medians(runs) for mode, runs in modes.items()} for row, modes in samples.items()}, dropped


def show(bench, table, dropped):
    texts = dict(list_rows(bench))
    print(f"operations a second, CPU µs of all daemons for each\n{'row':<52}" + "".join(f"{mode:>24}" for mode in MODES))
    for row, modes in table.items():
        print(f"{texts[row]:<52}" + "".join(f"{modes[mode]['per_second']:>14,.0f}/s {modes[mode]['cpu_us']:>7.2f}" for mode in MODES))
    for mode, counts in dropped.items():
        if counts:
            print(f"{mode}: {sum(c[0] for c in counts):,} packets captured, {sum(c[1] for c in counts):,} dropped")


def instructions(program, mode, count):
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, mode, str(count)],
                          capture_output=True, text=True, check=True, timeout=HUNG_S)
    return int(COLLECTED.search(done.stderr)[1])


def show_costs(build):
    """Of one packet, without the loop around it."""
    if not shutil.which("valgrind"):
        sys.exit("run-bench capture --instructions needs valgrind (apt-get install valgrind)")
    program = os.path.join(build, "bin", "capture-cost")
    each = {mode: (instructions(program, mode, 20000) - instructions(program, mode, 10000)) / 10000 for mode in COSTS}
    times = {mode: statistics.median(float(subprocess.run([program, mode, "1000000"], capture_output=True, text=True, check=True).stdout)
                                     for _ in range(5)) for mode in COSTS}
    for mode, text in COSTS.items():
        if mode != "none":
            print(f"{text:<60} {each[mode] - each['none']:>6.0f} instructions {times[mode] - times['none']:>8.1f} ns")


def main():
    end_on_sigterm()
    parser = argparse.ArgumentParser(prog="run-bench capture", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds a row (default 5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="seconds a row, round and mode (default 1)")
    parser.add_argument("--cpus", default="all", help="CPUs that every process shares, as 0 or 0,1 (default: all)")
    parser.add_argument("--instructions", action="store_true", help="count instructions instead")
    parser.add_argument("--json", metavar="FILE", help="write the results there, too")
    parser.add_argument("--build", default=BUILD, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    bench = os.path.join(arguments.build, "bin", "ctdb-bench")
    if arguments.instructions:
        return show_costs(arguments.build)
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="ctdb-bench-"))
        clusters = {}
        for packets in {packets for packets, _ in MODES.values()}:
            clusters[packets] = start(os.path.join(directory, str(packets)), stack.enter_context(NetworkNamespace()), arguments.build, packets)
            stack.callback(clusters[packets].stop)
        table, dropped = measure(arguments, clusters, bench)
    show(bench, table, dropped)
    if arguments.json:
        write_json(arguments.json, arguments.rounds, table)


if __name__ == "__main__":
    main()
