#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""run-bench persistent: transactions (TRANS3_COMMIT), Debian's ctdbd and our nodes in one run.

The same client program commits on both systems, one writer or one on each of 16 databases, spread over the three nodes.
Systems take turns in each round; printed are medians over the rounds.
"""
import argparse
import contextlib
import os
import re
import signal
import statistics
import subprocess
import tempfile
import threading
import time

from systems import BUILD, HEADER, NODES, print_row, start_both
from support import RawClient  # of tests/integration, which `systems` makes known
from processes import end_on_sigterm
from transactions import PersistentClient

SYNCS_S = 2.0


def commits(sockets, writers, seconds):
    """(commits, commits per second, median milliseconds of one)."""
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
    return len(times), len(times) / (time.monotonic() - begun), statistics.median(times) * 1e3


def syncs(pids, sockets, writers, seconds):
    """Calls of fsync, fdatasync and msync by all daemons per commit. strace makes them slow, so nothing else is measured meanwhile."""
    with tempfile.NamedTemporaryFile("r", prefix="ctdb-bench-") as counts:
        words = ["strace", "-f", "-c", "-e", "trace=fsync,fdatasync,msync", "-o", counts.name]
        tracer = subprocess.Popen([*words, *(word for pid in pids for word in ("-p", str(pid)))], stderr=subprocess.PIPE, text=True)
        for _ in pids:
            while "attached" not in tracer.stderr.readline():  # each process is a line, its threads more
                pass
        done, _, _ = commits(sockets, writers, seconds)
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=60)
        return sum(int(line.split()[3]) for line in counts if re.search(r" (fsync|fdatasync|msync)$", line)) / done


def run(arguments, stack):
    _, systems = start_both(stack, arguments.build)
    sockets = {name: system.classic_sockets() for name, system in systems.items()}
    print(HEADER)
    for writers in (1, 16):
        runs = [{name: commits(sockets[name], writers, arguments.seconds) for name in sockets} for _ in range(arguments.rounds)]
        print_row(f"persistent commits, {writers} writer{'s' * (writers > 1)}",
                  {name: [run[name][1] for run in runs] for name in sockets}, "/s")
        print_row("one commit, median", {name: [run[name][2] for run in runs] for name in sockets}, "ms")
        print_row("calls of fsync, fdatasync and msync per commit, all nodes",
                  {name: [syncs(system.pids(), sockets[name], writers, SYNCS_S)] for name, system in systems.items()}, "", 2)


def main():
    end_on_sigterm()
    parser = argparse.ArgumentParser(prog="run-bench persistent", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--build", default=BUILD, help=argparse.SUPPRESS)
    with contextlib.ExitStack() as stack:
        run(parser.parse_args(), stack)


if __name__ == "__main__":
    main()
