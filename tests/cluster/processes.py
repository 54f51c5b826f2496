# SPDX-License-Identifier: GPL-3.0-or-later
"""What processes cost, read from /proc, and how they end."""
import os
import signal
import sys
from dataclasses import dataclass


@dataclass
class Cost:
    cpu_seconds: float = 0.0
    switches: int = 0

    def __sub__(self, other):
        return Cost(self.cpu_seconds - other.cpu_seconds, self.switches - other.switches)


TICKS = os.sysconf("SC_CLK_TCK")


def _read(path):
    with open(path) as source:
        return source.read()


def cost_of(pids):
    """CPU and context switches so far of living processes, the children they have reaped included."""
    total = Cost()
    for pid in pids:
        try:
            total.cpu_seconds += int(_read(f"/proc/{pid}/schedstat").split()[0]) / 1e9
            fields = _read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()
            total.cpu_seconds += (int(fields[13]) + int(fields[14])) / TICKS  # cutime, cstime
            for line in _read(f"/proc/{pid}/status").splitlines():
                if "ctxt_switches" in line:
                    total.switches += int(line.split()[1])
        except (OSError, IndexError):
            continue  # ended meanwhile
    return total


def memory_bytes(pids):
    """Proportional set size: shared pages are counted once over all who share them."""
    total = 0
    for pid in pids:
        try:
            for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        except OSError:
            continue
    return total


def reset_peak_memory(pids):
    """What is resident now is the peak of these processes until there is more."""
    for pid in pids:
        try:
            with open(f"/proc/{pid}/clear_refs", "w") as out:
                out.write("5")
        except OSError:
            continue


def peak_memory_bytes(pids):
    """The most that was resident at one time since the process began or reset_peak_memory(), summed over the processes; shared
    pages, mapped files too, count for each."""
    total = 0
    for pid in pids:
        try:
            for line in _read(f"/proc/{pid}/status").splitlines():
                if line.startswith("VmHWM:"):
                    total += int(line.split()[1]) * 1024
        except OSError:
            continue
    return total


def pin(pids, cpus):
    for pid in pids:
        try:
            os.sched_setaffinity(pid, cpus)
        except OSError:
            continue


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as source:
            direct = [int(child) for child in source.read().split()]
    except OSError:
        return []
    return direct + [below for child in direct for below in children_of(child)]


def with_children(pids):
    """Those processes and all that they have started."""
    own = list(pids)
    return own + [child for pid in own for child in children_of(pid)]


def end_on_sigterm():
    """SIGTERM ends this program as Ctrl-C does, so that what it has started ends with it."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
