#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""run-bench samba: Samba's own benchmarks over three nodes with Debian's smbd, on Debian's ctdbd and on our nodes, in one run.

Each of three clients works on the smbd of another node. Systems take turns in each round; printed are medians over the rounds.
"""
import argparse
import contextlib
import os
import re

from systems import BUILD, HEADER, NODES, print_row, start_both
from smbd import Samba  # of tests/cluster, which `systems` makes known


def operations(output, seconds):
    """raw.bench-*, of the client that comes off worst: one whose records stay with its node is many times faster than the others
    on both systems, for as long as they stay."""
    return min(map(int, re.findall(r"^\[\d+\] (\d+) ops", output, re.M))) / seconds


def opens(output, _seconds):
    """smb2.bench.*: the last line has the operations a second over the whole run."""
    return float(re.findall(r"open\[num/s=(\d+)", output.replace("\r", "\n"))[-1])


def megabytes(output, _seconds):
    return float(re.findall(r"Throughput ([\d.]+) MB/sec", output)[-1])


# name, unit, how its output is read
TESTS = (("raw.bench-lock", "op/s a client", operations), ("raw.bench-open", "op/s a client", operations),
         ("smb2.bench.path-contention-shared", "open/s", opens), ("bench.nbench", "MB/s", megabytes))
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


def rate(samba, test, read, seconds, load):
    done = samba.torture(0, test, f"--option=torture:timelimit={seconds}", f"--timelimit={seconds}", f"--num-progs={NODES}",
                         f"--option=torture:nprocs={NODES}", f"--loadfile={load}", others=range(1, NODES))
    if done.returncode != 0 and "unbalanced" not in done.stdout:  # smbtorture's own word on fairness: `operations` has ours
        raise RuntimeError(f"{test}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return read(done.stdout + done.stderr, seconds)


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
    for test, unit, read in TESTS:
        runs = [{name: rate(system, test, read, arguments.seconds, load) for name, system in systems.items()}
                for _ in range(arguments.rounds)]
        print_row(test, {name: [run[name] for run in runs] for name in systems}, unit)


def main():
    parser = argparse.ArgumentParser(prog="run-bench samba", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of each test and round (default 5)")
    parser.add_argument("--build", default=BUILD, help=argparse.SUPPRESS)
    with contextlib.ExitStack() as stack:
        run(parser.parse_args(), stack)


if __name__ == "__main__":
    main()
