#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""run-bench samba: Samba's own benchmarks over three nodes with Debian's smbd, on Debian's ctdbd and on our nodes, in one run.

Each of three clients works on the smbd of another node. Systems take turns in each round; printed are medians over the rounds, and
in brackets the lowest and the highest. CPU and context switches are those of all daemons of a system, without smbd.
"""
import argparse
import contextlib
import os
import re
import statistics
import subprocess
import threading
from dataclasses import dataclass

from systems import BUILD, NODES, start_both
from processes import cost_of, end_on_sigterm
from smbd import Samba  # of tests/cluster, which `systems` makes known


def operations(output, seconds):
    """raw.bench-*: of each client."""
    return [int(count) / seconds for count in re.findall(r"^\[\d+\] (\d+) ops", output, re.M)]


def opens(output, _seconds):
    """smb2.bench.*: the last line has the operations a second over the whole run."""
    return [float(re.findall(r"open\[num/s=(\d+)", output.replace("\r", "\n"))[-1])]


def megabytes(output, _seconds):
    return [float(re.findall(r"Throughput ([\d.]+) MB/sec", output)[-1])]


@dataclass
class Test:
    name: str
    unit: str
    read: object  # (output, seconds) -> the rate of each client, or one of all
    option: str = ""  # of smbd
    remark: str = ""


@dataclass
class Run:
    rates: list
    cpu_us: float  # per operation
    switches: float

    @property
    def all(self):
        return sum(self.rates)


# In raw.bench-open clients run into each other's open files, and smbd waits 200 ms before it tries again, which is most of the time
# whatever is below. When it refuses at once instead, and the client tries again, it is the opens that count.
NO_WAIT = "defer sharing violations = no"
TESTS = (Test("raw.bench-lock", "op", operations), Test("raw.bench-open", "op", operations),
         Test("smb2.bench.path-contention-shared", "open", opens), Test("bench.nbench", "MB", megabytes),
         Test("raw.bench-open", "op", operations, NO_WAIT, " without smbd's wait"))
PATIENCE_S = 10
SETTLED_S = 0.3  # from the end of the measured time until its last operations are over
FILES, BLOCKS, BLOCK_BYTES = 5, 4, 4096


def nbench_load():
    """What each client of bench.nbench does again and again: open, write, lock, read, unlock, close and look at some files."""
    top = r"\clients\client1"  # smbtorture puts the client's number in
    lines = [rf'Mkdir "{path}" NT_STATUS_OK' for path in (r"\clients", top, top + r"\work")]
    for handle in range(1000, 1020):
        name = rf'"{top}\work\file{handle % FILES}"'
        lines.append(f"NTCreateX {name} 0x40 0x5 {handle} NT_STATUS_OK")
        lines += [f"WriteX {handle} {block * BLOCK_BYTES} {BLOCK_BYTES} {BLOCK_BYTES} NT_STATUS_OK" for block in range(BLOCKS)]
        lines += [f"LockX {handle} 0 100 NT_STATUS_OK", f"ReadX {handle} 0 {BLOCK_BYTES} {BLOCK_BYTES} NT_STATUS_OK",
                  f"UnlockX {handle} 0 100 NT_STATUS_OK", f"Close {handle} NT_STATUS_OK",
                  f"QUERY_PATH_INFORMATION {name} 1004 NT_STATUS_OK"]
    return "\n".join([*lines, rf'Deltree "{top}" NT_STATUS_OK', ""])


class Costs:
    """What the daemons cost while the measured time runs."""

    def __init__(self, pids, seconds):
        self._pids = pids
        self._before = cost_of(pids)
        self._after = None
        self._timer = threading.Timer(seconds + SETTLED_S, self._take)
        self._timer.start()

    def _take(self):
        self._after = cost_of(self._pids)

    def result(self):
        self._timer.join()
        return self._after - self._before


def torture(samba, test, seconds, load):
    """What it printed. When its time is over in the middle of an answer raw.bench-* loses its place on that connection, and has
    printed its figures but takes a minute to end."""
    words = [f"--option=torture:timelimit={seconds}", f"--timelimit={seconds}", f"--num-progs={NODES}",
             f"--option=torture:nprocs={NODES}", f"--loadfile={load}"]
    try:
        done = samba.torture(0, test.name, *words, others=range(1, NODES), timeout=seconds + PATIENCE_S)
    except subprocess.TimeoutExpired as late:
        return b"".join(filter(None, (late.stdout, late.stderr))).decode()
    if done.returncode != 0 and "unbalanced" not in done.stdout:  # smbtorture's own word on fairness: the rows have ours
        raise RuntimeError(f"{test.name}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return done.stdout + done.stderr


def measure(samba, pids, test, seconds, load):
    costs = Costs(pids, seconds)
    output = torture(samba, test, seconds, load)
    cost = costs.result()
    rates = test.read(output, seconds)
    count = max(sum(rates) * seconds, 1)
    return Run(rates, cost.cpu_seconds * 1e6 / count, cost.switches / count)


HEADER = ("| benchmark | classic | ours | ratio | CPU µs of daemons, classic / ours | context switches, classic / ours |\n"
          "|---|---|---|---|---|---|")


def spread(values):
    return f"{statistics.median(values):,.1f} ({min(values):,.1f}–{max(values):,.1f})"


def print_rows(test, runs):
    """`runs`: {"classic": a Run of each round, "ours": …}. The worst client has a row of its own where clients are told apart."""
    def row(what, unit, rate, costs):
        classic, ours = ([rate(run) for run in runs[name]] for name in ("classic", "ours"))
        ratio = statistics.median(ours) / statistics.median(classic)
        print(f"| {test.name}{test.remark}{what} | {spread(classic)} {unit} | {spread(ours)} {unit} | {ratio:.2f} | {costs} |", flush=True)

    def both(cost, digits):
        return " / ".join(f"{statistics.median(cost(run) for run in runs[name]):,.{digits}f}" for name in ("classic", "ours"))

    row("", f"{test.unit}/s", lambda run: run.all, f"{both(lambda run: run.cpu_us, 0)} | {both(lambda run: run.switches, 1)}")
    if len(runs["ours"][0].rates) > 1:
        row(", worst client", f"{test.unit}/s", lambda run: min(run.rates), " | ")


def run(arguments, stack):
    directory, clusters = start_both(stack, arguments.build)
    systems = {name: Samba(os.path.join(directory, f"samba-{name}"), cluster.classic_sockets(), cluster.wrap)
               for name, cluster in clusters.items()}
    for system in systems.values():
        stack.callback(system.stop_all)
        system.start_all()
    load = os.path.join(directory, "nbench.txt")
    with open(load, "w") as out:
        out.write(nbench_load())
    print(HEADER)
    for test in TESTS:
        if test.option:
            for system in systems.values():
                system.restart_with(test.option)
        runs = {name: [] for name in systems}
        for _ in range(arguments.rounds):
            for name, system in systems.items():
                runs[name].append(measure(system, clusters[name].pids(), test, arguments.seconds, load))
        print_rows(test, runs)


def main():
    end_on_sigterm()
    parser = argparse.ArgumentParser(prog="run-bench samba", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of each test and round (default 5)")
    parser.add_argument("--build", default=BUILD, help=argparse.SUPPRESS)
    with contextlib.ExitStack() as stack:
        run(parser.parse_args(), stack)


if __name__ == "__main__":
    main()
