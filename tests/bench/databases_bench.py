#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""run-bench databases: whole databases of many records, Debian's three-node ctdbd beside ours, in one run.

For each number of records of 100 bytes, filled in equal parts by the three nodes: what a record costs in memory and in the file of
its node, how long a traverse takes, and how long it takes until all of them, deleted, have left the files of all nodes. While
that goes on a client on each node works on records of its own; printed is its longest stall.
"""
import argparse
import os
import statistics
import subprocess
import tempfile
import time

from systems import (BUILD, NODES, OWN_RECORDS, Classic, Ours, OursThroughTheSocket, client, fill, finish, own_records,
                     write_json)
from netns import NetworkNamespace  # of tests/cluster, which `systems` makes known
from processes import memory_bytes

TRAVERSES = 3
LONG_S = 3600
ASK_AGAIN_S = 0.5
SETTLE_S = 2.0


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
            stalls += [line["ended"] - line["begun"] for line in finish(process, LONG_S) if "begun" in line]
        return max(stalls)


def files(system):
    return [system.file(node, "recovery_bench.tdb") for node in range(NODES)]


def delete_all(system, build, records):
    """Each node deletes what it has; of the records of watchers, too."""
    share = records // NODES
    running = [client(build, system.where(node), "delete", *part) for node in range(NODES)
               for part in ((node * share, share), own_records(node, records))]
    for process in running:
        finish(process, LONG_S)


def vacuum_all(system, build):
    """Every node is asked again and again until no file holds anything."""
    empty = subprocess.Popen([os.path.join(build, "bin", "ctdb-load-client"), "wait-empty", *files(system)])
    while True:
        finish(client(build, system.where(0), "vacuum", NODES, 0), LONG_S)
        try:
            if empty.wait(ASK_AGAIN_S) != 0:
                raise RuntimeError("the files could not be read")
            return
        except subprocess.TimeoutExpired:
            continue


def one_run(kind, records, build):
    with tempfile.TemporaryDirectory(prefix="ctdb-databases-") as directory, NetworkNamespace() as namespace:
        system = kind(directory, namespace, build)
        try:
            made = records + NODES * OWN_RECORDS
            memory = memory_bytes(system.pids())
            fill(system, build, records)
            time.sleep(SETTLE_S)  # what daemons put off until they have nothing else to do
            found = {"memory_per_record": (memory_bytes(system.pids()) - memory) / made,
                     "file_per_record": sum(map(disk_bytes, files(system))) / made}
            watched = Watched(system, build, records)
            runs = finish(client(build, system.where(0), "traverse", TRAVERSES, 0), LONG_S)
            found["traverse_s"] = statistics.median(run["seconds"] for run in runs)
            found["traversed"] = min(run["records"] for run in runs)
            found["traverse_stall_s"] = watched.ended()
            begun = time.monotonic()
            delete_all(system, build, records)
            found["delete_s"] = time.monotonic() - begun
            vacuum_all(system, build)
            found["gone_s"] = time.monotonic() - begun
        finally:
            system.stop()
    return found


def disk_bytes(path):
    return os.stat(path).st_blocks * 512 if os.path.exists(path) else 0


ROWS = (("memory_per_record", "memory of all daemons per record, bytes", 1, ".0f"),
        ("file_per_record", "files of all nodes per record, bytes", 1, ".0f"),
        ("traverse_s", "traverse, ms", 1000, ".0f"),
        ("traversed", "  records that it brought", 1, ",.0f"),
        ("traverse_stall_s", "  longest stall of a client of own records, ms", 1000, ".0f"),
        ("delete_s", "delete all, s", 1, ".2f"),
        ("gone_s", "delete all until they have left the files, s", 1, ".2f"))


def measure(arguments):
    kinds = {"classic": Classic, "socket": OursThroughTheSocket, "rings": Ours}
    table = []
    for records in arguments.records:
        samples = {name: [] for name in kinds}
        for _ in range(arguments.rounds):
            for name, kind in kinds.items():
                samples[name].append(one_run(kind, records, arguments.build))
        values = {name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in samples.items()}
        table.append({"records": records, "systems": values})
        print("\n".join(lines(table[-1])), flush=True)
    return table


def lines(entry):
    yield f"{entry['records']:,} records | classic | ours, classic socket | ratio | ours, rings | ratio"
    for key, text, factor, form in ROWS:
        classic, socket, rings = (entry["systems"][name][key] * factor for name in ("classic", "socket", "rings"))

        def ratio(ours):
            return f"{ours / classic:.2f}" if classic else "–"  # noqa: B023

        yield f"{text} | {classic:{form}} | {socket:{form}} | {ratio(socket)} | {rings:{form}} | {ratio(rings)}"


def main():
    parser = argparse.ArgumentParser(prog="run-bench databases", description=__doc__.splitlines()[0])
    parser.add_argument("--records", default="100000,1000000", help="numbers of records (default 100000,1000000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE", help="write the results there, too")
    parser.add_argument("--build", default=BUILD, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.records = [int(part) for part in arguments.records.split(",")]
    table = measure(arguments)
    if arguments.json:
        write_json(arguments.json, arguments.rounds, table)


if __name__ == "__main__":
    main()
