# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the captures of our own cluster anew, of three nodes that do what there is to do: own-live.pcapng.gz by ctdb-cli on node 0, and own-tcp.pcap.gz by
dumpcap, which sees links from their beginning. Then make_expected.py; read the difference.
    python3 tests/wireshark/make_captures.py"""
import gzip
import os
import shutil
import signal
import subprocess
import sys
import time

from tshark import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))
from support import BIN, Cluster, NetworkNamespace, run_tool, wait_until  # noqa: E402

# It is in the packets.
PLACE = "/tmp/ctdb-golden"
DATABASE = "golden.tdb"
READ_ONLY_COMMANDS = (["status"], ["listnodes"], ["pnn"], ["leader"], ["uptime"], ["statistics"], ["getdbmap"], ["getdbstatus", DATABASE], ["listvars"],
                      ["getvar", "TraverseTimeout"], ["getcapabilities"], ["runstate"], ["ping"], ["getpid"], ["getdebug"], ["catdb", DATABASE], ["cattdb", DATABASE],
                      ["dbstatistics", DATABASE], ["recover"], ["event", "status", "legacy", "monitor"], ["process-exists", "1"], ["ip"])


def increment(node, key, api):
    where = ["--setup", node.setup_socket] if api == "native" else ["--socket", node.classic_socket]
    subprocess.run([f"{BIN}/ctdb-increment", *where, "--db", DATABASE, "--key", key, "--count", "2"], check=True, capture_output=True,
                   stdin=subprocess.DEVNULL)


def live(cluster):
    """What a cluster does, but its beginning."""
    nodes = cluster.nodes
    for api in ("native", "classic"):
        for key in ("first", "second"):
            for node in nodes:
                increment(node, key, api)
    for words in READ_ONLY_COMMANDS:
        run_tool(nodes[0], *words)
        run_tool(nodes[0], *words, "-n", "1")
    run_tool(nodes[0], "attach", "kept.tdb", "persistent")
    for node in nodes:
        run_tool(node, "pstore", "kept.tdb", f"from{node.index}", "value")
    run_tool(nodes[1], "setvar", "RerecoveryTimeout", "11")
    run_tool(nodes[1], "stop")
    wait_until(lambda: "STOPPED" in run_tool(nodes[0], "status").stdout, "a node is stopped")
    run_tool(nodes[1], "continue")
    cluster.wait_healthy()
    run_tool(nodes[2], "ban", "2")
    cluster.wait_healthy()
    nodes[2].kill_daemon("ctdb-store")
    cluster.wait_healthy()
    for node in nodes:
        increment(node, "first", "native")


def main():
    shutil.rmtree(PLACE, ignore_errors=True)
    os.makedirs(PLACE)
    namespace = NetworkNamespace()
    tcp, own = os.path.join(PLACE, "own-tcp.pcap"), os.path.join(PLACE, "own-live.pcapng")
    cluster = Cluster(os.path.join(PLACE, "cluster"), nodes=3, bin_dir=BIN, wrap=namespace.wrap)
    dump = subprocess.Popen(namespace.wrap(["dumpcap", "-q", "-P", "-i", "lo", "-f", "tcp port 4379", "-w", tcp]), stderr=subprocess.DEVNULL)
    captures = [dump]
    try:
        wait_until(lambda: os.path.exists(tcp) and os.path.getsize(tcp) >= 24, "dumpcap captures")
        cluster.start()
        cluster.wait_healthy()
        captures.append(subprocess.Popen([f"{BIN}/ctdb-cli", "--base", cluster.nodes[0].base, "capture", "-w", own], stderr=subprocess.DEVNULL))
        wait_until(lambda: os.path.exists(own) and os.path.getsize(own) > 0, "ctdb-cli captures")
        live(cluster)
        time.sleep(0.5)  # so that the last replies are there
    finally:
        for process in captures:
            process.send_signal(signal.SIGINT)
            process.wait()
        cluster.stop()
        namespace.close()
    for path in (tcp, own):
        with open(path, "rb") as source, open(os.path.join(ROOT, "tests", "wireshark", "captures", f"{os.path.basename(path)}.gz"), "wb") as out:
            with gzip.GzipFile("", "wb", mtime=0, fileobj=out) as packed:
                packed.write(source.read())
    shutil.rmtree(PLACE)


if __name__ == "__main__":
    main()
