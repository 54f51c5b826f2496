#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""run-bench recovery: what clients see of a node's death, Debian's three-node ctdbd beside ours, in one run.

For each number of records, filled in equal parts by the three nodes: on both surviving nodes watchers increment random
ones of them, and one works on records that nobody else asks for. All daemons of a node are killed with SIGKILL, or stopped
with SIGSTOP ("hung"). Per run: how long after it some client was waiting all the time, the longest stall of those who work on
records of their own, and how much of each daemon was resident before it and at most from then on. --growth instead: what one
recovery costs as nodes grow (recovery_growth.py).
"""
import argparse
import statistics
import sys
import tempfile
import time

from systems import (BUILD, NODES, SHARED_RECORDS_MIN, Classic, Ours, OursThroughTheSocket, client, fill, finish, own_records,
                     write_json)
import recovery_growth  # with those of tests/cluster, which `systems` makes known
from netns import NetworkNamespace
from processes import end_on_sigterm, peak_memory_bytes, reset_peak_memory

WATCHERS = 2  # a node, beside the one on its own records
SETTLE_S = 1.0
STALL_S = 0.02  # an operation that takes longer has waited for somebody
QUIET_S = 3.0   # nobody has stalled for so long: it is over
GIVE_UP_S = 180
VICTIMS = ("other", "leader", "hung")
# How long after the fault everything is over, ours and classic, which notices a hung node after 25 to 30 s.
OVER_S = 2 * QUIET_S
CLASSIC_OVER_S = {"other": 5 * QUIET_S, "leader": 5 * QUIET_S, "hung": 60.0}


class Watchers:
    """Clients on the nodes that will survive, their output read as it comes."""

    def __init__(self, system, build, nodes, records):
        shared = max(records // NODES * NODES, SHARED_RECORDS_MIN)
        self.processes = [(False, client(build, system.where(n), "watch", 0, shared))
                          for n in nodes for _ in range(WATCHERS)]
        self.processes += [(True, client(build, system.where(n), "watch", *own_records(n, records))) for n in nodes]
        for _, process in self.processes:
            if "ready" not in process.stdout.readline():
                raise RuntimeError(process.stderr.read().strip())

    def stop(self):
        """[(works on its own node's records, [(begun, ended)])] of all."""
        for _, process in self.processes:
            process.stdin.close()
            process.stdin = None
        found = []
        for own, process in self.processes:
            lines = finish(process, GIVE_UP_S)
            found.append((own, [(line["begun"], line["ended"]) for line in lines if "begun" in line]))
        return found


def one_run(kind, victim_kind, records, build):
    with tempfile.TemporaryDirectory(prefix="ctdb-recovery-") as directory, NetworkNamespace() as namespace:
        system = kind(directory, namespace, build)
        try:
            fill(system, build, records)
            leader = system.leader()
            victim = leader if victim_kind == "leader" else (leader + 1) % NODES
            survivors = [node for node in range(NODES) if node != victim]
            watchers = Watchers(system, build, survivors, records)
            time.sleep(SETTLE_S)  # the rate before the kill is not measured, but clients must be under way
            daemons = [system.daemons(node) for node in survivors]
            reset_peak_memory(pid for each in daemons for pids in each.values() for pid in pids)
            before = largest(daemons)
            killed = time.monotonic()
            if victim_kind == "hung":
                system.hang(victim)
            else:
                system.kill(victim)
            time.sleep(CLASSIC_OVER_S[victim_kind] if kind is Classic else OVER_S)
            stalls = watchers.stop()
            peak = largest(daemons)
        finally:
            system.stop()
    own = [ended - begun for is_own, mine in stalls if is_own for begun, ended in mine if ended > killed]
    return {"served_s": outage(stalls, killed), "own_stall_s": max(own, default=0.0),
            **{f"before {name}": size for name, size in before.items()},
            **{f"peak {name}": size for name, size in peak.items()}}


def largest(daemons):
    """By daemon: the peak of the node where it is largest."""
    return {name: max(peak_memory_bytes(each[name]) for each in daemons) for name in daemons[0]}


def outage(stalls, killed):
    """How long after the kill somebody was waiting all the time."""
    end = killed
    for begun, ended in sorted(pair for _, mine in stalls for pair in mine):
        if ended > end and ended - begun > STALL_S and begun <= max(end, killed + STALL_S):
            end = ended
    return end - killed


def measure(arguments):
    kinds = {"classic": Classic, "ours": Ours, "socket": OursThroughTheSocket}
    rows = []
    for records in arguments.records:
        for victim in arguments.victims:
            row = {"records": records, "victim": victim, "systems": {}}
            samples = {name: [] for name in arguments.systems}
            for _ in range(arguments.rounds):
                for name in arguments.systems:
                    samples[name].append(one_run(kinds[name], victim, records, arguments.build))
            for name, runs in samples.items():
                row["systems"][name] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            rows.append(row)
            print(format_row(row), flush=True)
    return rows


def what_happened(victim):
    return {"other": "a node killed", "leader": "the leader killed", "hung": "a node stopped"}[victim]


def format_row(row):
    parts = [f"{row['records']:>9,} records, {what_happened(row['victim'])}"]
    for name, values in row["systems"].items():
        parts.append(f"{name} served again after {values['served_s']:.3f} s (own records: "
                     f"{values['own_stall_s'] * 1000:.0f} ms; MB: {format_memory(values)})")
    classic, ours = row["systems"].get("classic"), row["systems"].get("ours")
    if classic and ours and ours["served_s"]:
        parts.append(f"{classic['served_s'] / ours['served_s']:.1f} times sooner")
    return "; ".join(parts)


def format_memory(values):
    return ", ".join(f"{name[5:]} {values['before ' + name[5:]] / 1e6:.0f} -> {size / 1e6:.0f}"
                     for name, size in values.items() if name.startswith("peak "))


def parse_arguments(words):
    parser = argparse.ArgumentParser(prog="run-bench recovery", description=__doc__.splitlines()[0])
    parser.add_argument("--records", default="0,100000,1000000", help="numbers of records (default 0,100000,1000000)")
    parser.add_argument("--victims", default=",".join(VICTIMS), help=f"of {', '.join(VICTIMS)} (all)")
    parser.add_argument("--growth", metavar="NODES", help="instead: one recovery's cost with so many nodes, e.g. 3,5,9,16")
    parser.add_argument("--simulated", metavar="NODES", default="3,5,9,16,64,256",
                        help="with --growth: in the simulator with so many (default 3,5,9,16,64,256)")
    parser.add_argument("--picture", metavar="FILE", help="with --growth: a plot, SVG")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--systems", default="classic,ours", help="of classic, ours, socket (ours, classic clients)")
    parser.add_argument("--json", metavar="FILE", help="write the results there, too")
    parser.add_argument("--build", default=BUILD, help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    arguments.records = [int(part) for part in arguments.records.split(",")]
    arguments.systems = arguments.systems.split(",")
    arguments.victims = arguments.victims.split(",")
    for victim in arguments.victims:
        if victim not in VICTIMS:
            parser.error(f"--victims {victim}: of {', '.join(VICTIMS)}")
    return arguments


def numbers(text):
    return [int(part) for part in text.split(",") if part]


def main(words):
    end_on_sigterm()
    arguments = parse_arguments(words)
    if arguments.growth:
        real = recovery_growth.measure(numbers(arguments.growth), arguments.build, arguments.rounds)
        simulated = recovery_growth.simulate(numbers(arguments.simulated), arguments.build)
        print(recovery_growth.markdown(real, simulated), end="")
        if arguments.picture:
            recovery_growth.draw(real, simulated, arguments.picture)
        rows = {"real": real, "simulated": simulated}
    else:
        rows = measure(arguments)
    if arguments.json:
        write_json(arguments.json, arguments.rounds, rows)


if __name__ == "__main__":
    main(sys.argv[1:])
