#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""run-bench databases: whole databases of many records, Debian's three-node ctdbd beside ours, in one run.

For each number of records of 100 bytes, made in equal parts by the three nodes: how long that takes, what a record costs in memory and in the file of
its node, how long a traverse takes, and how long it takes until all of them, deleted, have left the files of all nodes. While
that goes on a client on each node works on records of its own; printed is its longest stall.
"""
import argparse
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from systems import (BUILD, NODES, OWN_RECORDS, Classic, Ours, OursThroughTheSocket, client, fill, finish, own_records,
                     run_all, write_json)
from netns import NetworkNamespace  # of tests/cluster, which `systems` makes known
from processes import cost_of, end_on_sigterm, memory_bytes

TRAVERSES = 3
TRAVERSES_S_MAX = 60
MANY = 500_000  # so many records are measured once: a round of the three systems takes up to an hour
# What takes longer is given up and shown as "–": a step of one system must not keep the others from being measured.
STEP_S_MAX = 1800
GONE_S_MAX = 600
ASK_AGAIN_S = 0.5
SETTLE_S = 2.0


class Progress:
    """Says on standard error what is done now and how long the last step took: a run of 10^6 records takes many minutes."""

    def __init__(self, what):
        self.what = what
        self.begun = time.monotonic()

    def step(self, text):
        now = time.monotonic()
        print(f"{self.what}: {text} ({now - self.begun:.1f} s)", file=sys.stderr, flush=True)
        self.begun = now


class Watched:
    """A client on each node at work on its own records; ended() is its longest operation of all, in seconds."""

    def __init__(self, system, build, records):
        self.processes = [client(build, system.where(node), "watch", *own_records(node, records)) for node in range(NODES)]
        for process in self.processes:
            process.stdout.readline()

    def ended(self):
        stalls = [0.0]
        for process in self.processes:
            process.stdin.close()
            process.stdin = None
            stalls += [line["ended"] - line["begun"] for line in finish(process, STEP_S_MAX) if "begun" in line]
        return max(stalls)


def files(system):
    return [system.file(node, "recovery_bench.tdb") for node in range(NODES)]


def traverse_all(system, build):
    """TRAVERSES of them, fewer when they take long: what each has brought, and how long it took."""
    runs = []
    while len(runs) < TRAVERSES and sum(run["seconds"] for run in runs) < TRAVERSES_S_MAX:
        runs += finish(client(build, system.where(0), "traverse", 1, 0), STEP_S_MAX)
    return runs


def delete_all(system, build, records):
    """Each node deletes what it has; of the records of watchers, too."""
    share = records // NODES
    run_all([client(build, system.where(node), "delete", *part) for node in range(NODES)
             for part in ((node * share, share), own_records(node, records))], STEP_S_MAX)


def vacuum_all(system, build):
    """Every node is asked again and again until no file holds anything; false: some do after GONE_S_MAX."""
    empty = subprocess.Popen([os.path.join(build, "bin", "ctdb-load-client"), "wait-empty", *files(system)])
    deadline = time.monotonic() + GONE_S_MAX
    try:
        while time.monotonic() < deadline:
            finish(client(build, system.where(0), "vacuum", NODES, 0), STEP_S_MAX)
            try:
                if empty.wait(ASK_AGAIN_S) != 0:
                    raise RuntimeError("the files could not be read")
                return True
            except subprocess.TimeoutExpired:
                continue
        return False
    finally:
        empty.kill()
        empty.wait()


def one_run(kind, records, build):
    found = {key: math.nan for key, *_ in ROWS}
    with tempfile.TemporaryDirectory(prefix="ctdb-databases-") as directory, NetworkNamespace() as namespace:
        system = kind(directory, namespace, build)
        try:
            measure_one(system, records, build, Progress(f"{records:,} records, {kind.__name__}"), found)
        except subprocess.TimeoutExpired:
            print(f"{records:,} records, {kind.__name__}: a step took longer than {STEP_S_MAX} s, the rest is left out",
                  file=sys.stderr, flush=True)
        finally:
            system.stop()
    return found


def measure_one(system, records, build, progress, found):
    made = records + NODES * OWN_RECORDS
    memory = memory_bytes(system.pids())
    spent, begun = everybodys_cpu(system), time.monotonic()
    fill(system, build, records)
    found["fill_s"] = time.monotonic() - begun
    found["fill_cpu"] = (everybodys_cpu(system) - spent) / made
    progress.step("filled")
    time.sleep(SETTLE_S)  # what daemons put off until they have nothing else to do
    found["memory_per_record"] = (memory_bytes(system.pids()) - memory) / made
    found["file_per_record"] = sum(map(disk_bytes, files(system))) / made
    watched = Watched(system, build, records)
    runs = traverse_all(system, build)
    found["traverse_s"] = statistics.median(run["seconds"] for run in runs)
    found["traversed"] = min(run["records"] for run in runs)
    found["traverse_stall_s"] = watched.ended()
    progress.step(f"traversed {len(runs)} times")
    begun = time.monotonic()
    delete_all(system, build, records)
    found["delete_s"] = time.monotonic() - begun
    progress.step("deleted")
    gone = vacuum_all(system, build)
    found["gone_s"] = time.monotonic() - begun if gone else math.nan
    progress.step("gone from the files" if gone else "not gone from the files, given up")


def everybodys_cpu(system):
    """Of the daemons, and of the clients that have ended."""
    clients = resource.getrusage(resource.RUSAGE_CHILDREN)
    return cost_of(system.pids()).cpu_seconds + clients.ru_utime + clients.ru_stime


def disk_bytes(path):
    return os.stat(path).st_blocks * 512 if os.path.exists(path) else 0


ROWS = (("fill_s", "make all, s", 1, ".2f"),
        ("fill_cpu", "  CPU of daemons and clients per record, µs", 1e6, ".0f"),
        ("memory_per_record", "memory of all daemons per record, bytes", 1, ".0f"),
        ("file_per_record", "files of all nodes per record, bytes", 1, ".0f"),
        ("traverse_s", "traverse, ms", 1000, ".0f"),
        ("traversed", "  records that it brought", 1, ",.0f"),
        ("traverse_stall_s", "  longest stall of a client of own records, ms", 1000, ".0f"),
        ("delete_s", "delete all, s", 1, ".2f"),
        ("gone_s", "delete all until they have left the files, s", 1, ".2f"))


KINDS = {"classic": Classic, "socket": OursThroughTheSocket, "rings": Ours}
NOTHING = {key: math.nan for key, *_ in ROWS}


def measure(arguments):
    kinds = {name: KINDS[name] for name in arguments.systems}
    table = []
    for records in arguments.records:
        samples = {name: [] for name in kinds}
        for _ in range(arguments.rounds if records < MANY else 1):
            for name, kind in kinds.items():
                samples[name].append(one_run(kind, records, arguments.build))
        values = {name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in samples.items()}
        table.append({"records": records, "systems": values})
        print("\n".join(lines(table[-1])), flush=True)
    return table


def lines(entry):
    yield f"{entry['records']:,} records | classic | ours, classic socket | ratio | ours, rings | ratio"
    for key, text, factor, form in ROWS:
        classic, socket, rings = (entry["systems"].get(name, NOTHING)[key] * factor for name in KINDS)

        def ratio(ours):
            return "–" if not classic or math.isnan(ours / classic) else f"{ours / classic:.2f}"  # noqa: B023

        classic_text, socket_text, rings_text = (
            "–" if math.isnan(value) else f"{value:{form}}" for value in (classic, socket, rings))
        yield f"{text} | {classic_text} | {socket_text} | {ratio(socket)} | {rings_text} | {ratio(rings)}"


def main():
    end_on_sigterm()
    parser = argparse.ArgumentParser(prog="run-bench databases", description=__doc__.splitlines()[0])
    parser.add_argument("--records", default="100000,1000000", help="numbers of records (default 100000,1000000)")
    parser.add_argument("--rounds", type=int, default=3, help=f"(default 3; {MANY:,} records and more are measured once)")
    parser.add_argument("--systems", default=",".join(KINDS), help="which of them (default all)")
    parser.add_argument("--json", metavar="FILE", help="write the results there, too")
    parser.add_argument("--build", default=BUILD, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.records = [int(part) for part in arguments.records.split(",")]
    arguments.systems = arguments.systems.split(",")
    if unknown := set(arguments.systems) - set(KINDS):
        parser.error(f"--systems: {', '.join(sorted(unknown))}: there are {', '.join(KINDS)}")
    table = measure(arguments)
    if arguments.json:
        write_json(arguments.json, arguments.rounds, table)


if __name__ == "__main__":
    main()
