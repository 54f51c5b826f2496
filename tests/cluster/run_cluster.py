# SPDX-License-Identifier: GPL-3.0-or-later
"""./run-cluster: builds our daemons and runs N nodes of them on this machine's loopback addresses.

Exit status: 0 (or CMD's with --exec), 1 something failed, 2 wrong arguments.
"""
import argparse
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import control
from cluster import DEFAULT_PORT, ROOT, Cluster, ClusterError

EPILOG = """\
acting on a node of a running cluster:
  run-cluster node INDEX start|stop|kill|quiet|active --dir DIR
    start    start its daemons; INDEX may be one more than the last: a new node, after 'ctdb-cli node add'
    stop     end them in good order
    kill     kill -9 them, they stay down
    quiet    drop off the links, stay alive        active   take the links up again

examples:
  ./run-cluster                                    three nodes until Ctrl-C
  ./run-cluster --nodes 5 --dir /tmp/five
  ./run-cluster --nodes 2 --witness                two, and a third that only votes: either of the two may die
  ./run-cluster --exec sh -c 'build/release/bin/ctdb-cli --base $CTDB_CLUSTER_DIR/node1 status'
  CTDB_TEST_MODE=1 CTDB_SOCKET=DIR/node0/ctdbd.socket ctdb status      Debian's own tool on node 0

environment:
  CTDB_BUILD=FOLDER   run the programs of this build folder as they are: nothing is installed or built
"""


class Stopped(Exception):
    """SIGINT or SIGTERM came."""


def parser():
    top = argparse.ArgumentParser(prog="run-cluster", formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOG,
                                  allow_abbrev=False, description="Starts N nodes on 127.0.0.1, 127.0.0.2, …, shows one "
                                  "record moving between them, and stays until Ctrl-C.")
    top.add_argument("--nodes", type=int, default=3, metavar="N", help="how many (default 3)")
    top.add_argument("--witness", action="store_true", help="one more node, the last: it votes and holds no records")
    top.add_argument("--dir", metavar="DIR", help="all state goes here, node i in DIR/node<i> (default: a temporary "
                     "folder, removed at the end)")
    top.add_argument("--port", type=int, default=DEFAULT_PORT, metavar="PORT",
                     help=f"TCP port of the links on each address (default {DEFAULT_PORT})")
    top.add_argument("--exec", metavar="CMD…", dest="command", help="when every node is healthy run CMD with "
                     "CTDB_CLUSTER_DIR=DIR, then stop; ends with CMD's exit status. Takes the rest of the line.")
    return top


def node_parser():
    node = argparse.ArgumentParser(prog="run-cluster node", allow_abbrev=False,
                                   description="Acts on one node of a running cluster.")
    node.add_argument("index", type=int, metavar="INDEX", help="0, 1, …")
    node.add_argument("action", choices=control.ACTIONS)
    node.add_argument("--dir", required=True, metavar="DIR", help="folder of the running cluster")
    return node


def parse(arguments):
    """All of --exec belongs to CMD, dashes included, which argparse cannot say."""
    command = None
    if "--exec" in arguments:
        at = arguments.index("--exec")
        arguments, command = arguments[:at], arguments[at + 1:]
        if not command:
            parser().error("--exec needs a command")
    options = parser().parse_args(arguments)
    options.command = command
    return options


def say(text):
    print(f"run-cluster: {text}", file=sys.stderr, flush=True)


def quietly(command):
    """Runs a step whose output only matters when it fails."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.stderr.buffer.write(done.stdout)
        raise ClusterError(f"{' '.join(command)} failed, see above")


def install_and_build():
    """Returns the folder of the programs."""
    ready = os.environ.get("CTDB_BUILD")
    if ready:
        return os.path.join(os.path.abspath(ready), "bin")
    if subprocess.run([os.path.join(ROOT, "install-deps")]).returncode != 0:
        raise ClusterError("install-deps failed")
    folder = os.path.join(ROOT, "build", "release")
    if not os.path.exists(os.path.join(folder, "bin", "ctdb-router")):
        say("building (some minutes the first time)")
    quietly(["cmake", "--preset", "release"])
    quietly(["ninja", "-C", folder, "ctdb-router", "ctdb-store", "ctdb-recoveryd", "ctdb-cli"])
    return os.path.join(folder, "bin")


def show_sockets(cluster):
    print(f"cluster of {len(cluster.nodes)} nodes in {cluster.directory}")
    for node in cluster.nodes:
        print(f"node {node.index}: {node.address} port {cluster.port}" + (", a witness" if node.witness else ""))
        print(f"  classic socket  {node.classic_socket}")
        print(f"  set-up socket   {node.setup_socket}")


def show_record(node, what):
    record = json.loads(node.cli("-o", "json", *what, check=True).stdout)
    print(f"  {what[1]} on node {node.index}: value {record['value']!r}, dmaster {record['dmaster']}, rsn {record['rsn']}")


def show_moving_record(cluster):
    """Each node works on the record where it is: in its own file. So it moves."""
    first = cluster.nodes[0]
    first.cli("db", "attach", "demo.tdb", check=True)
    print("one record, moving to whoever asks for it:")
    show_record(first, ["record", "put", "demo.tdb", "greeting", "hello from node 0"])
    for node in [node for node in cluster.nodes[1:3] if not node.witness] + [first]:
        show_record(node, ["record", "get", "demo.tdb", "greeting"])


def show_what_next(cluster):
    first = cluster.nodes[0]
    print("try:")
    print(f"  {cluster.program('ctdb-cli')} --base {first.base} status")
    print(f"  CTDB_TEST_MODE=1 CTDB_SOCKET={first.classic_socket} ctdb status")
    print(f"  {os.path.join(ROOT, 'run-cluster')} node {[node.index for node in cluster.nodes if not node.witness][-1]} kill --dir {cluster.directory}")
    print("Ctrl-C stops the cluster.", flush=True)


def run_command(cluster, command):
    environment = dict(os.environ, CTDB_CLUSTER_DIR=cluster.directory)
    try:
        child = subprocess.Popen(command, env=environment)
    except OSError as problem:
        raise ClusterError(f"{command[0]}: {problem.strerror}") from None
    try:
        status = child.wait()
    except Stopped:
        child.terminate()
        child.wait()
        raise
    return status if status >= 0 else 128 - status


def show(cluster):
    show_sockets(cluster)
    show_moving_record(cluster)
    print(cluster.nodes[0].cli("status").stdout, end="")
    show_what_next(cluster)


def run(cluster, command):
    try:
        cluster.start()
        cluster.wait_healthy()
        if command:
            return run_command(cluster, command)
        show(cluster)
        while True:
            signal.pause()
    finally:
        ignore_signals()
        cluster.stop()


def on_signal(number, frame):
    raise Stopped


def ignore_signals():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def start_and_stay(options):
    programs = install_and_build()
    temporary = None if options.dir else tempfile.mkdtemp(prefix="ctdb-cluster-")
    cluster = Cluster(options.dir or temporary, nodes=options.nodes, bin_dir=programs, port=options.port, say=say,
                      witness=options.witness)
    try:
        os.makedirs(cluster.directory, exist_ok=True)
    except OSError as problem:
        raise ClusterError(f"--dir {cluster.directory}: {problem.strerror}") from problem
    server = control.ControlServer(cluster)
    try:
        status = run(cluster, options.command)
    except ClusterError:
        if temporary and glob.glob(f"{temporary}/node*/log.*"):
            say(f"logs are kept in {temporary}/node*/log.*")
            temporary = None
        raise
    except Stopped:
        status = 128 + signal.SIGTERM if options.command else 0
        say("stopped")
    finally:
        server.close()
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)
    return status


def check(options):
    """Arguments that can be judged before anything is installed or built."""
    try:
        Cluster(options.dir or tempfile.gettempdir() + "/ctdb-cluster-12345678", nodes=options.nodes, port=options.port,
                witness=options.witness)
    except ClusterError as problem:
        parser().error(str(problem))
    if options.dir and os.path.exists(options.dir) and not os.path.isdir(options.dir):
        parser().error(f"--dir {options.dir}: is not a folder")
    if options.witness and options.nodes < 2:
        parser().error("--witness: more than half of the nodes must hold records, so it takes two beside it (--nodes 2)")


def main(arguments):
    try:
        if arguments[:1] == ["node"]:
            options = node_parser().parse_args(arguments[1:])
            control.act(options.dir, options.index, options.action)
            return 0
        options = parse(arguments)
        check(options)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, on_signal)
        return start_and_stay(options)
    except ClusterError as problem:
        say(str(problem))
        return 1
    except Stopped:
        say("stopped")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
