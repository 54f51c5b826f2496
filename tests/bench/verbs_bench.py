#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""run-bench verbs: messages there and back over an RDMA device, router to router and client to client, event-driven and adaptive (looking for the
answer for up to 20 µs, with more than two processors), beside ib_send_lat (package perftest; else ibv_rc_pingpong) with and without events on the
same device in the same run. One way is half of there and back, as ib_send_lat has it.

Both ends are on this machine; between two machines: `ctdb-bench verbs --as 1` on one, `--as 0` on the other.
"""
import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "cluster"))

from cluster import Cluster  # noqa: E402
from processes import cost_of, end_on_sigterm  # noqa: E402

SIZES = (64, 128, 256, 512)
HUNG_S = 120


def parse_arguments():
    parser = argparse.ArgumentParser(prog="run-bench verbs", description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="", help="RDMA device (default: the one that has the address)")
    parser.add_argument("--gid-index", type=int, default=-1, help="of the address on the device")
    parser.add_argument("--rounds", type=int, default=3, help="rounds a row (default 3)")
    parser.add_argument("--seconds", type=float, default=1.0, help="seconds a row and round (default 1)")
    parser.add_argument("--json", metavar="FILE", help="write the results there, too")
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "dev"), help=argparse.SUPPRESS)
    return parser.parse_args()


def device_options(arguments):
    return [*(["--device", arguments.device] if arguments.device else []), "--gid-index", str(arguments.gid_index)]


def router_to_router(arguments, wire, spins):
    """{size: row} of round trips."""
    bench = os.path.join(arguments.build, "bin", "ctdb-bench")
    command = [bench, "verbs", "--wire", wire, "--only", "round_trip", "--seconds", str(arguments.seconds),
               "--sizes", ",".join(map(str, SIZES)), *(["--spin"] if spins else [])]
    if wire == "verbs":
        command += device_options(arguments)
    done = subprocess.run(command, capture_output=True, text=True, timeout=HUNG_S)
    if done.returncode != 0:
        sys.exit(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"{command} failed")
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {size: row for size, row in zip(SIZES, rows)}


def client_to_client(arguments, spins):
    """{size: row} of messages to a client of another node and back; the CPU time is that of all daemons."""
    options = {"verbs": {"gid index": str(arguments.gid_index)} if arguments.gid_index >= 0 else {},
               "cluster": {"spin": "adaptive" if spins else "never"}}
    if arguments.device:
        options["verbs"]["device"] = arguments.device
    rows = {}
    with tempfile.TemporaryDirectory(prefix="ctdb-bench-") as directory:
        cluster = Cluster(directory, nodes=3, bin_dir=os.path.join(arguments.build, "bin"), options=options)
        cluster.start()
        try:
            cluster.wait_healthy()
            command = [os.path.join(arguments.build, "bin", "ctdb-bench"), "--native", ",".join(node.setup_socket for node in cluster.nodes),
                       "--seconds", str(arguments.seconds), *(["--spin"] if spins else [])]
            for size in SIZES:
                before = cost_of(cluster.daemon_pids())
                done = subprocess.run([*command, "--bytes", str(size), "message_remote"], capture_output=True, text=True, check=True, timeout=HUNG_S)
                rows[size] = json.loads(done.stdout)
                spent = cost_of(cluster.daemon_pids()) - before
                rows[size]["cpu_us"] = spent.cpu_seconds * 1e6 / max(rows[size]["operations"], 1)
        finally:
            cluster.stop()
    return rows


class Peer:
    """What measures the device without us: its command, and how its output says a round trip in microseconds."""

    def __init__(self, name, command, pattern, factor):
        self.name, self.command, self.pattern, self.factor = name, command, re.compile(pattern, re.M), factor

    def round_trip(self, size):
        command = [*self.command, "-s", str(size)]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + HUNG_S
            while True:
                done = subprocess.run([*command, "127.0.0.1"], capture_output=True, text=True, timeout=HUNG_S)
                found = self.pattern.search(done.stdout)
                if found:
                    return float(found.group(1)) * self.factor
                if server.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
                time.sleep(0.1)  # until the server listens
        finally:
            if server.poll() is None:
                server.send_signal(signal.SIGTERM)
            server.wait()


def peers(arguments):
    """(polling, event-driven)."""
    device = ["-d", arguments.device] if arguments.device else []
    if shutil.which("ib_send_lat"):
        command = ["ib_send_lat", "-n", "10000", "-F", *device]
        if arguments.gid_index >= 0:
            command += ["-x", str(arguments.gid_index)]
        pattern = r"^\s*\d+\s+\d+\s+[\d.]+\s+[\d.]+\s+([\d.]+)"  # bytes, iterations, min, max, typical: one way
        return Peer("ib_send_lat", command, pattern, 2), Peer("ib_send_lat -e", [*command, "-e"], pattern, 2)
    command = ["ibv_rc_pingpong", "-n", "10000", *device]
    if arguments.gid_index >= 0:
        command += ["-g", str(arguments.gid_index)]
    pattern = r"= ([\d.]+) usec/iter"
    return Peer("ibv_rc_pingpong", command, pattern, 1), Peer("ibv_rc_pingpong -e", [*command, "-e"], pattern, 1)


# Name: what is measured, with its arguments.
OURS = {"routers": (router_to_router, "verbs", False), "routers, adaptive": (router_to_router, "verbs", True),
        "routers, TCP": (router_to_router, "tcp", False),
        "clients": (client_to_client, False), "clients, adaptive": (client_to_client, True)}


def measure(arguments):
    polling, waiting = peers(arguments)
    ours = {name: [] for name in OURS}
    theirs = {peer.name: {size: [] for size in SIZES} for peer in (polling, waiting)}
    for _ in range(arguments.rounds):
        for name, (how, *words) in OURS.items():
            ours[name].append(how(arguments, *words))
        for peer in (polling, waiting):
            for size in SIZES:
                theirs[peer.name][size].append(peer.round_trip(size))
    rows = [{"size": size, "name": name, "round_trip_us": statistics.median(sample[size]["median_us"] for sample in samples),
             "cpu_us": statistics.median(sample[size]["cpu_us"] for sample in samples)} for name, samples in ours.items() for size in SIZES]
    return {"rows": rows, "polling": polling.name, "waiting": waiting.name,
            "theirs_us": {name: {size: statistics.median(times) for size, times in sizes.items()} for name, sizes in theirs.items()}}


def show(result):
    polling, waiting = (result["theirs_us"][result[which]] for which in ("polling", "waiting"))
    print(f"medians in µs; ratios to {result['polling']} and {result['waiting']}\n"
          f"{'':<20} {'bytes':>6} {'one way':>9} {'and back':>9} {'CPU':>7} {'polling':>8} {'waiting':>8}")
    for row in result["rows"]:
        took, size = row["round_trip_us"], row["size"]
        print(f"{row['name']:<20} {size:>6} {took / 2:>9.2f} {took:>9.2f} {row['cpu_us']:>7.2f} {took / polling[size]:>8.2f} {took / waiting[size]:>8.2f}")
    for name, times in result["theirs_us"].items():
        for size, took in times.items():
            print(f"{name:<20} {size:>6} {took / 2:>9.2f} {took:>9.2f}")


def main():
    end_on_sigterm()
    arguments = parse_arguments()
    result = measure(arguments)
    show(result)
    if arguments.json:
        with open(arguments.json, "w") as out:
            json.dump(result, out, indent=1)
            out.write("\n")


if __name__ == "__main__":
    main()
