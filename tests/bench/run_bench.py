#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""run-bench: the same client program against Debian's three-node ctdbd and against our three nodes, in one run.

Each row is measured in rounds; within a round the systems take turns, so that whatever else the machine does hits all of
them, and each round begins with another one: on a virtual processor who comes first after a rest is not as fast. Printed and written are medians over the rounds and ratios of one run. Every process of a system, the clients
included, runs on the same CPUs.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "cluster"))

from classic import ClassicCluster  # noqa: E402
from cluster import Cluster  # noqa: E402
from netns import NetworkNamespace  # noqa: E402
from processes import cost_of, end_on_sigterm, memory_bytes, pin, with_children  # noqa: E402

NODES = 3
RATE_ROWS = ("hot_", "many_", "one_way_", "count_", "contended_")
# What only one way of ours has.
RING_ONLY = ("plain_tdb", "change_copies_2", "change_copies_3")


class System:
    """One system under test: how the client program reaches it and which processes it consists of."""

    def __init__(self, name, client_arguments, daemon_pids):
        self.name = name
        self.client_arguments = client_arguments
        self.daemon_pids = daemon_pids

    def run(self, bench, row, seconds, cpus):
        pids = self.daemon_pids()
        pin(pids, cpus)
        before = cost_of(pids)
        done = subprocess.run([bench, *self.client_arguments, "--seconds", str(seconds), row], capture_output=True,
                              text=True, timeout=120 + 20 * seconds, preexec_fn=lambda: os.sched_setaffinity(0, cpus))
        if done.returncode != 0:
            raise RuntimeError(f"{row} on {self.name} failed: {done.stderr.strip()}")
        spent = cost_of(pids) - before
        result = json.loads(done.stdout)
        operations = max(result["operations"], 1)
        return {
            "us": result["median_us"] or result["seconds"] / operations * 1e6,
            "per_second": result["operations"] / result["seconds"],
            "cpu_us": spent.cpu_seconds / operations * 1e6,
            "switches": spent.switches / operations,
            "slowest_client": result["slowest_client"],
            "longest_wait": result["longest_wait"],
        }


def list_rows(bench):
    out = subprocess.run([bench, "--list"], capture_output=True, text=True, check=True).stdout
    return [line.split("\t") for line in out.splitlines()]


def medians(samples):
    return {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}


def measure(bench, systems, rows, rounds, seconds, cpus):
    table = []
    for row, text in rows:
        wanted = systems if row not in RING_ONLY else systems[-1:]
        samples = {system.name: [] for system in wanted}
        for number in range(rounds):
            first = number % len(wanted)
            for system in wanted[first:] + wanted[:first]:
                samples[system.name].append(system.run(bench, row, seconds, cpus))
        entry = {"row": row, "text": text, "rate": row.startswith(RATE_ROWS),
                 "systems": {name: medians(runs) for name, runs in samples.items()}}
        table.append(entry)
        print(format_row(entry), *fairness(entry), sep="\n", flush=True)
    return table


def fairness(entry):
    """Of rows on one contended record, a line each: who waited longer than the others, as multiples of the mean wait."""
    return [f"{name}: mean wait of the slowest client {values['slowest_client']:.2f}, longest single wait "
            f"{values['longest_wait']:.1f} times the mean of {values['us'] / 1000:.2f} ms"
            for name, values in entry["systems"].items() if values["slowest_client"]]


def ratio(entry, name):
    """Ours over classic: below 1 is faster for times, above 1 is faster for rates."""
    classic = entry["systems"].get("classic")
    ours = entry["systems"].get(name)
    if not classic or not ours:
        return None
    key = "per_second" if entry["rate"] else "us"
    return ours[key] / classic[key] if classic[key] else None


HEADER = (f"{'row':<54} {'classic':>12} {'ours, socket':>13} {'ratio':>6} {'ours, ring':>12} {'ratio':>6}"
          f" {'cpu/op classic':>14} {'socket':>8} {'ring':>8} {'switches':>9} {'socket':>7} {'ring':>6}")


def format_row(entry):
    def figure(name):
        values = entry["systems"].get(name)
        if not values:
            return "-"
        return f"{values['per_second']:,.0f}/s" if entry["rate"] else f"{values['us']:.2f} µs"

    def quotient(name):
        value = ratio(entry, name)
        return "-" if value is None else f"{value:.2f}"

    def other(name, key, digits):
        values = entry["systems"].get(name)
        return "-" if not values else f"{values[key]:.{digits}f}"

    return (f"{entry['text']:<54} {figure('classic'):>12} {figure('socket'):>13} {quotient('socket'):>6}"
            f" {figure('ring'):>12} {quotient('ring'):>6}"
            f" {other('classic', 'cpu_us', 1):>14} {other('socket', 'cpu_us', 1):>8} {other('ring', 'cpu_us', 1):>8}"
            f" {other('classic', 'switches', 2):>9} {other('socket', 'switches', 2):>7}"
            f" {other('ring', 'switches', 2):>6}")


def start_ours(directory, namespace, build):
    cluster = Cluster(directory, nodes=NODES, bin_dir=os.path.join(build, "bin"), wrap=namespace.wrap)
    begun = time.monotonic()
    cluster.start()
    cluster.wait_healthy()
    return cluster, time.monotonic() - begun


def idle_cost(pids, seconds=5.0):
    before = cost_of(pids)
    time.sleep(seconds)  # idleness can only be measured by waiting
    spent = cost_of(pids) - before
    return {"cpu_percent": spent.cpu_seconds / seconds * 100, "switches_per_second": spent.switches / seconds}


def machine():
    model = "unknown"
    with open("/proc/cpuinfo") as source:
        for line in source:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": platform.release(), "system": platform.machine()}


def parse_arguments():
    parser = argparse.ArgumentParser(prog="run-bench", description=__doc__.splitlines()[0],
                                     epilog="others: run-bench recovery|databases|persistent|capture|samba|verbs, each with --help")
    parser.add_argument("--rounds", type=int, default=5, help="rounds a row (default 5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="seconds a row, round and system (default 1)")
    parser.add_argument("--cpus", default="all", help="CPUs that every process shares, as 0 or 0,1 (default: all)")
    parser.add_argument("--rows", default="", help="only these rows, comma separated (ctdb-bench --list names them)")
    parser.add_argument("--json", metavar="FILE", help="write the results there, too")
    parser.add_argument("--markdown", metavar="FILE", help="append the table there, for docs/benchmarks.md")
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "dev"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.seconds <= 0:
        parser.error("--rounds and --seconds must be positive")
    return arguments


def chosen_rows(bench, names):
    rows = list_rows(bench)
    if not names:
        return rows
    wanted = names.split(",")
    unknown = set(wanted) - {row for row, _ in rows}
    if unknown:
        sys.exit(f"run-bench: unknown rows: {', '.join(sorted(unknown))} (ctdb-bench --list names them)")
    return [row for row in rows if row[0] in wanted]


def systems_of(classic, ours):
    def joined(paths):
        return ",".join(paths)

    return [System("classic", ["--classic", joined(classic.socket(i) for i in range(NODES))], classic.daemon_pids),
            System("socket", ["--classic", joined(node.classic_socket for node in ours.nodes)], ours.daemon_pids),
            System("ring", ["--native", joined(node.setup_socket for node in ours.nodes)], ours.daemon_pids)]


def measure_whole(classic, ours):
    """What is seen of a cluster that does nothing."""
    pids = {"classic": classic.daemon_pids(), "ours": with_children(ours.daemon_pids())}
    return {"idle": {name: idle_cost(found) for name, found in pids.items()},
            "memory_bytes_per_node": {name: memory_bytes(found) / NODES for name, found in pids.items()}}


def run(arguments, cpus, rows, bench, directory, namespace):
    classic = ClassicCluster(os.path.join(directory, "classic"), NODES)
    ours = None
    try:
        start = {"classic": classic.start()}
        ours, start["ours"] = start_ours(os.path.join(directory, "ours"), namespace, arguments.build)
        whole = dict(measure_whole(classic, ours), start_seconds=start)
        print(f"CPUs {sorted(cpus)}, {arguments.rounds} rounds of {arguments.seconds} s\n{HEADER}", flush=True)
        table = measure(bench, systems_of(classic, ours), rows, arguments.rounds, arguments.seconds, cpus)
    finally:
        if ours:
            ours.stop()
        classic.stop()
    return {"schema": 1, "machine": machine(), "cpus": sorted(cpus), "rounds": arguments.rounds,
            "seconds": arguments.seconds, "whole": whole,
            "rows": [dict(entry, ratio={n: ratio(entry, n) for n in ("socket", "ring")}) for entry in table]}


def main():
    end_on_sigterm()
    arguments = parse_arguments()
    bench = os.path.join(arguments.build, "bin", "ctdb-bench")
    cpus = set(os.sched_getaffinity(0)) if arguments.cpus == "all" else {int(c) for c in arguments.cpus.split(",")}
    rows = chosen_rows(bench, arguments.rows)
    os.sched_setaffinity(0, cpus)
    with tempfile.TemporaryDirectory(prefix="ctdb-bench-") as directory, NetworkNamespace() as namespace:
        result = run(arguments, cpus, rows, bench, directory, namespace)
    print("\n".join(whole_lines(result["whole"])))
    if arguments.markdown:
        with open(arguments.markdown, "a") as out:
            out.write(markdown(result))
    if arguments.json:
        with open(arguments.json, "w") as out:
            json.dump(result, out, indent=1)
            out.write("\n")


def cell(entry, name):
    values = entry["systems"].get(name)
    if not values:
        return "–"
    return f"{values['per_second']:,.0f}/s" if entry["rate"] else f"{values['us']:.2f} µs"


def markdown(result):
    """The same figures as a table for docs/benchmarks.md."""
    def cost(entry, key, digits):
        values = [entry["systems"].get(name) for name in ("classic", "socket", "ring")]
        return " / ".join("–" if v is None else f"{v[key]:.{digits}f}" for v in values)

    lines = [f"## CPUs {result['cpus']}, {result['rounds']} rounds of {result['seconds']} s", "",
             "| row | classic | ours, classic socket | ratio | ours, rings | ratio | CPU µs per operation | context switches |",
             "|---|---|---|---|---|---|---|---|"]
    for entry in result["rows"]:
        ratios = ["–" if entry["ratio"][n] is None else f"{entry['ratio'][n]:.2f}" for n in ("socket", "ring")]
        lines.append(f"| {entry['text']} | {cell(entry, 'classic')} | {cell(entry, 'socket')} | {ratios[0]} | "
                     f"{cell(entry, 'ring')} | {ratios[1]} | {cost(entry, 'cpu_us', 1)} | {cost(entry, 'switches', 2)} |")
    fair = [f"- {entry['text']}, {line}" for entry in result["rows"] for line in fairness(entry)]
    return "\n".join(lines + [""] + fair + [f"- {line}" for line in whole_lines(result["whole"])] + [""])


def whole_lines(whole):
    start, idle, memory = whole["start_seconds"], whole["idle"], whole["memory_bytes_per_node"]
    return [f"start until healthy: classic {start['classic']:.2f} s, ours {start['ours']:.2f} s",
            f"idle, all three nodes: classic {idle['classic']['cpu_percent']:.2f} % CPU, ours "
            f"{idle['ours']['cpu_percent']:.2f} %",
            f"memory of an idle node: classic {memory['classic'] / 1e6:.1f} MB, ours {memory['ours'] / 1e6:.1f} MB"]


if __name__ == "__main__":
    main()
