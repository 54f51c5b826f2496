# SPDX-License-Identifier: GPL-3.0-or-later
"""What one recovery costs as nodes grow: packets and bytes on the wire per node, and how long it takes.

Real nodes: all share one network namespace, so what its loopback interface carried between the kill of a node and half a second
after the recovery, less what it carries in as long a time without one, is what the recovery cost. Packets are those of TCP. Larger clusters in the simulator (ctdb-sim --growth), which counts what the
routers of the survivors send each other until the last of them is open again, heart-beats included, nothing below.
"""
import json
import os
import signal
import statistics
import subprocess
import tempfile
import time

from cluster import Cluster
from netns import NetworkNamespace

RECORDS_PER_NODE = 1000
AFTER_S = 0.5
PATIENCE_S = 60


def carried(namespace):
    """(packets, bytes) that loopback has carried so far."""
    text = subprocess.run(namespace.wrap(["cat", "/proc/net/dev"]), stdout=subprocess.PIPE, text=True, check=True).stdout
    fields = next(line for line in text.splitlines() if line.strip().startswith("lo:")).split()
    return int(fields[2]), int(fields[1])


def counter(node, name):
    return json.loads(node.cli("-o", "json", "stats", check=True).stdout)["counters"][name]


def difference(later, earlier):
    return tuple(a - b for a, b in zip(later, earlier))


def fill(cluster, build):
    clients = [subprocess.Popen([os.path.join(build, "bin", "ctdb-load-client"), "--native", node.setup_socket, "fill",
                                 str(node.index * RECORDS_PER_NODE), str(RECORDS_PER_NODE)], stdout=subprocess.DEVNULL)
               for node in cluster.nodes]
    if any(client.wait() != 0 for client in clients):
        raise RuntimeError("the records could not be made")


def recovered(nodes, before):
    """Every survivor has finished a recovery more than before."""
    return all(counter(node, "recoveryd_recoveries") > count for node, count in zip(nodes, before))


def one_run(count, build):
    with tempfile.TemporaryDirectory(prefix="ctdb-growth-") as directory, NetworkNamespace() as namespace:
        with Cluster(directory, nodes=count, bin_dir=os.path.join(build, "bin"), wrap=namespace.wrap) as cluster:
            fill(cluster, build)
            survivors = cluster.nodes[:-1]
            before = [counter(node, "recoveryd_recoveries") for node in survivors]
            start, begun = carried(namespace), time.monotonic()
            cluster.nodes[-1].begin_stop(signal.SIGKILL)
            cluster.nodes[-1].kill_keeper()
            while not recovered(survivors, before):
                if time.monotonic() > begun + PATIENCE_S:
                    raise RuntimeError(f"{count} nodes: no recovery in {PATIENCE_S} s")
                time.sleep(0.01)
            time.sleep(AFTER_S)
            spent, seconds = difference(carried(namespace), start), time.monotonic() - begun
            idle_start = carried(namespace)
            time.sleep(seconds)
            idle = difference(carried(namespace), idle_start)
            lasted = max(counter(node, "recoveryd_recovery_last_us") for node in survivors)
    packets, size = (max(0, a - b) / len(survivors) for a, b in zip(spent, idle))
    return {"packets": packets, "bytes": size, "ms": lasted / 1000}


def measure(counts, build, rounds):
    rows = []
    for count in counts:
        runs = [one_run(count, build) for _ in range(rounds)]
        row = {"nodes": count, **{key: statistics.median(run[key] for run in runs) for key in runs[0]}}
        rows.append(row)
        print(f"{count:>3} nodes, {RECORDS_PER_NODE:,} records each: {row['packets']:,.0f} packets and "
              f"{row['bytes'] / 1000:,.0f} kB per surviving node, {row['ms']:.0f} ms", flush=True)
    return rows


def simulate(counts, build):
    """The same in the simulator."""
    words = [os.path.join(build, "bin", "ctdb-sim"), "--growth", ",".join(str(count) for count in counts),
             "--records", str(RECORDS_PER_NODE), "--json"]
    return json.loads(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout)


def markdown(real, simulated):
    """The table of docs/benchmarks.md."""
    def cells(rows, nodes):
        row = next((row for row in rows if row["nodes"] == nodes), None)
        if row is None:
            return ["–"] * 3
        return [f"{row['packets']:,.0f}", f"{row['bytes'] / 1000:,.0f}", f"{row['ms']:.0f} ms"]
    lines = [f"| nodes, {RECORDS_PER_NODE:,} records each | TCP packets per surviving node | kB | recovery | "
             "simulated: messages per surviving node | kB | recovery |", "|" + "---|" * 7]
    for nodes in sorted({row["nodes"] for row in real + simulated}):
        lines.append("| " + " | ".join([str(nodes)] + cells(real, nodes) + cells(simulated, nodes)) + " |")
    return "\n".join(lines) + "\n"


WIDTH, HEIGHT, LEFT, BOTTOM = 460, 320, 60, 50  # of one panel
COLOURS = {"real nodes": "#2060b0", "simulated": "#b04020"}
PANELS = (("messages per surviving node (real: TCP packets)", "packets", 1), ("kB per surviving node", "bytes", 1000))


def draw(real, simulated, path):
    """Messages and bytes per node over nodes, side by side."""
    width = WIDTH * len(PANELS)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{HEIGHT}" fill="white"/>']
    for number, (title, key, unit) in enumerate(PANELS):
        parts += [f'<g transform="translate({number * WIDTH} 0)">', *panel(title, key, unit, real, simulated), "</g>"]
    with open(path, "w") as out:
        out.write("\n".join([*parts, "</svg>"]) + "\n")


def panel(title, key, unit, real, simulated):
    series = {name: rows for name, rows in (("real nodes", real), ("simulated", simulated)) if rows}
    all_rows = real + simulated
    most_nodes, most = max(row["nodes"] for row in all_rows), max(row[key] for row in all_rows) * 1.15

    def at(nodes, size):
        return (LEFT + (WIDTH - LEFT - 20) * nodes / most_nodes, HEIGHT - BOTTOM - (HEIGHT - BOTTOM - 30) * size / most)

    parts = [f'<text x="{LEFT}" y="18">{title}, {RECORDS_PER_NODE:,} records a node</text>',
             f'<line x1="{LEFT}" y1="{HEIGHT - BOTTOM}" x2="{WIDTH - 20}" y2="{HEIGHT - BOTTOM}" stroke="black"/>',
             f'<line x1="{LEFT}" y1="30" x2="{LEFT}" y2="{HEIGHT - BOTTOM}" stroke="black"/>']
    for number, (name, rows) in enumerate(series.items()):
        colour = COLOURS[name]
        points = [at(row["nodes"], row[key]) for row in rows]
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="'
                     + " ".join(f"{x:.1f},{y:.1f}" for x, y in points) + '"/>')
        parts.append(f'<text x="{LEFT + 12}" y="{44 + 16 * number}" fill="{colour}">{name}</text>')
        for row, (x, y) in zip(rows, points):
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
            if row["nodes"] >= most_nodes / 8:
                parts.append(f'<text x="{x - 4:.1f}" y="{y - 8:.1f}" text-anchor="end">{row[key] / unit:,.0f}</text>')
    for nodes in sorted({row["nodes"] for row in all_rows}):
        if nodes in (3, 16) or nodes > 16:
            parts.append(f'<text x="{at(nodes, 0)[0]:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{nodes}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 10}" text-anchor="middle">nodes</text>')
    return parts
