# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of our daemons on loopback, for run-cluster and for the integration tests.

Node i lives in DIR/node<i> and listens on 127.0.0.(i+1). Each daemon is supervised as systemd would do it: one that
ends without being asked is started again after 100 ms, unless it does so too often or says that its configuration is
wrong. Standard library only.
"""
import base64
import errno
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DAEMONS = ("ctdb-router", "ctdb-store", "ctdb-recoveryd")
DEFAULT_PORT = 4379
NODES_MAX = 250
SOCKET_PATH_MAX = 107  # sun_path without its final NUL
MARK = "# written by run-cluster"
EXIT_CONFIG = 78
KEEPER_PID_AT, SERVE_UNTIL_AT = 128, 192  # in the node page (libctdbipc/ring/node_page.h)

RESTART_DELAY_S = 0.1
RESTARTS_MAX = 5  # in RESTART_WINDOW_S; systemd's own defaults
RESTART_WINDOW_S = 10
STOP_TIMEOUT_S = 10


class ClusterError(Exception):
    """Something the user can put right; the text says what and how."""


def describe_exit(returncode):
    if returncode >= 0:
        return f"ended with status {returncode}"
    try:
        return f"was ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was ended by signal {-returncode}"


class Daemon:
    """One supervised process. Its thread starts it, waits for its end and starts it again; the thread must outlive
    the process, because the kernel ends the process with it (setpriv --pdeathsig): nothing is left behind when the
    supervisor itself is killed."""

    def __init__(self, name, command, log_path, say, restarts_max=RESTARTS_MAX):
        self.name = name
        self.command = command
        self.log_path = log_path
        self.say = say
        self.restarts_max = restarts_max
        self.restarts = 0
        self.failed = None  # why it is not started again
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._wanted = False
        self._pid = None
        self._pidfd = None
        self._thread = None

    @property
    def pid(self):
        """None while it does not run."""
        return self._pid

    def start(self):
        if self._thread and self._thread.is_alive():
            return
        self.failed = None
        self._wanted = True
        self._wake.clear()
        spawned = threading.Event()
        self._thread = threading.Thread(target=self._supervise, args=(spawned,), name=self.name, daemon=True)
        self._thread.start()
        spawned.wait()

    def signal(self, number):
        """Sends a signal to the process if it runs; whether it is started again is a matter of its exit."""
        with self._lock:
            if self._pidfd is None:
                return
            try:
                signal.pidfd_send_signal(self._pidfd, number)
            except ProcessLookupError:
                pass  # it has just ended

    def end(self, number):
        """Asks it to end for good; wait_ended() waits for that."""
        self._wanted = False
        self._wake.set()
        self.signal(number)
        if number == signal.SIGTERM:
            self.signal(signal.SIGCONT)  # one that a test has stopped must hear it

    def wait_ended(self, timeout=STOP_TIMEOUT_S):
        if not self._thread:
            return
        self._thread.join(timeout)
        if self._thread.is_alive():
            self.say(f"{self.name} did not end in {timeout} s, killing it")
            self.signal(signal.SIGKILL)
            self._thread.join()

    def _supervise(self, spawned):
        ends = []
        while self._wanted:
            process = self._spawn()
            spawned.set()
            if process is None:
                return
            returncode = process.wait()
            with self._lock:
                os.close(self._pidfd)
                self._pidfd = None
                self._pid = None
            if not self._wanted:
                return
            now = time.monotonic()
            ends = [end for end in ends if now - end < RESTART_WINDOW_S] + [now]
            self.failed = self._verdict(returncode, len(ends))
            if self.failed:
                self.say(f"{self.name} {describe_exit(returncode)}: {self.failed}")
                return
            self.say(f"{self.name} {describe_exit(returncode)}, starting it again")
            self.restarts += 1
            self._wake.wait(RESTART_DELAY_S)

    def _verdict(self, returncode, ends):
        if returncode == EXIT_CONFIG:
            return f"its configuration is wrong, not started again, see {self.log_path}"
        if ends > self.restarts_max:
            return f"that was too often, not started again, see {self.log_path}"
        return None

    def _spawn(self):
        try:
            with open(self.log_path, "ab") as log:
                process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           start_new_session=True)
        except OSError as problem:
            self.failed = str(problem)
            self.say(f"{self.name} cannot be started: {problem}")
            return None
        with self._lock:
            self._pidfd = os.pidfd_open(process.pid)
            self._pid = process.pid
        if not self._wanted:
            self.signal(signal.SIGKILL)  # asked to end while it was being started
        return process


class Node:
    """`options`: of its ctdb.conf alone, over the cluster's. A witness has no store."""

    def __init__(self, cluster, index, witness=False):
        self.cluster = cluster
        self.index = index
        self.witness = witness
        self.options = {}
        self.address = f"127.0.0.{index + 1}"
        self.base = os.path.join(cluster.directory, f"node{index}")
        self.classic_socket = os.path.join(self.base, "ctdbd.socket")
        self.setup_socket = os.path.join(self.base, "setup.socket")
        self.daemons = {name: self._daemon(name) for name in DAEMONS if not (witness and name == "ctdb-store")}

    def _daemon(self, name):
        return Daemon(name, self._command(name, self.cluster.bin_dir), self.log_path(name),
                      lambda text: self.cluster.say(f"node {self.index}: {text}"), self.cluster.restarts_max)

    def _command(self, name, bin_dir):
        command = ["env", f"CTDB_HOOKS={self.hooks}"] if self.cluster.hooks else []
        command += ["setpriv", "--pdeathsig", "TERM", "--", os.path.join(bin_dir, name), "--base", self.base]
        return self.cluster.wrap(command)

    def install(self, bin_dir):
        """Other programs: those of its daemons when they are started next."""
        for name, daemon in self.daemons.items():
            daemon.command = self._command(name, bin_dir)

    def log_path(self, daemon):
        return os.path.join(self.base, f"log.{daemon}")

    def write_configuration(self):
        os.makedirs(self.base, exist_ok=True)
        path = os.path.join(self.base, "ctdb.conf")
        if os.path.exists(path):
            with open(path) as old:
                if not old.readline().startswith(MARK):
                    raise ClusterError(f"{path} was not written by run-cluster; choose another --dir")
        sections = {"cluster": {"node address": self.address, "port": self.cluster.port,
                                "key file": self.cluster.key_file}}
        for section, options in [*self.cluster.options.items(), *self.options.items()]:
            sections.setdefault(section, {}).update(options)
        with open(path, "w") as out:
            out.write(f"{MARK}, which writes it anew at each start\n")
            for section, options in sections.items():
                out.write(f"[{section}]\n")
                out.writelines(f"  {key} = {value}\n" for key, value in options.items())

    @property
    def nodes_file(self):
        return os.path.join(self.base, "nodes")

    def write_nodes_file(self, text):
        with open(self.nodes_file, "w") as out:
            out.write(text)

    def read_nodes_file(self):
        with open(self.nodes_file) as source:
            return source.read()

    def start(self):
        """Starts the daemons that do not run."""
        for daemon in self.daemons.values():
            daemon.start()

    def begin_stop(self, number=signal.SIGTERM):
        for daemon in reversed(self.daemons.values()):  # the router last: the others say good-bye through it
            daemon.end(number)

    def stop(self):
        """Ends all daemons in good order (SIGTERM)."""
        self.begin_stop()
        self._wait_ended()

    def kill(self):
        """Kills all daemons and the keeper (SIGKILL); they stay down until start()."""
        self.begin_stop(signal.SIGKILL)
        self._wait_ended()
        self.kill_keeper()

    def keeper_pid(self):
        """The process that takes the records away when the store cannot; None: there is none on duty."""
        try:
            with open(os.path.join(self.base, "ctdb-node.page"), "rb") as page:
                return int.from_bytes(page.read(KEEPER_PID_AT + 4)[KEEPER_PID_AT:], "little") or None
        except OSError:
            return None

    def lease_left(self):
        """Seconds for which the node may serve yet, by its node page."""
        with open(os.path.join(self.base, "ctdb-node.page"), "rb") as page:
            until = int.from_bytes(page.read(SERVE_UNTIL_AT + 8)[SERVE_UNTIL_AT:], "little")
        return until / 1e9 - time.clock_gettime(time.CLOCK_BOOTTIME)

    def kill_keeper(self):
        self.signal_keeper(signal.SIGKILL)

    def signal_keeper(self, number):
        """Of SIGKILL the end is waited for."""
        pid = self.keeper_pid()
        if not pid:
            return
        try:
            with open(f"/proc/{pid}/comm") as comm:
                if comm.read().strip() != "ctdb-keeper":  # one that died and left its number
                    return
            pidfd = os.pidfd_open(pid)
            signal.pidfd_send_signal(pidfd, number)
            if number == signal.SIGKILL:
                select.select([pidfd], [], [], STOP_TIMEOUT_S)
            os.close(pidfd)
        except OSError:
            pass  # it has just ended

    def _wait_ended(self):
        for daemon in self.daemons.values():
            daemon.wait_ended()

    def kill_daemon(self, name, number=signal.SIGKILL):
        """Lets one daemon die; the supervisor starts it again."""
        self.daemons[name].signal(number)

    @property
    def hooks(self):
        return os.path.join(self.base, "hooks")

    def die_at(self, name, operation):
        """Lets a daemon kill itself when the next `operation` (a name of messages.def) reaches it; only with hooks=True.
        Returns a function that tells whether it has done so."""
        os.makedirs(self.hooks, exist_ok=True)
        hook = os.path.join(self.hooks, f"{name}.{operation}")
        with open(hook, "w"):
            pass
        return lambda: not os.path.exists(hook)

    def live_on(self, name, operation):
        """Takes back what die_at() has set up; False: too late, it has done so."""
        try:
            os.unlink(os.path.join(self.hooks, f"{name}.{operation}"))
        except FileNotFoundError:
            return False
        return True

    def running(self):
        return all(daemon.pid for daemon in self.daemons.values())

    def quiet(self):
        """Off all links to other nodes, alive otherwise."""
        self.cli("node", "quiet", check=True)

    def active(self):
        self.cli("node", "active", check=True)

    def cli(self, *arguments, check=False, timeout=60):
        """Runs ctdb-cli on this node and returns the completed process."""
        done = subprocess.run([self.cluster.program("ctdb-cli"), "--base", self.base, *arguments],
                              capture_output=True, text=True, timeout=timeout)
        if check and done.returncode != 0:
            raise ClusterError(f"ctdb-cli {' '.join(arguments)} on node {self.index} ended with status "
                               f"{done.returncode}: {done.stderr.strip()}")
        return done

    def wait(self, condition="healthy", timeout=60):
        done = self.cli("--timeout", str(timeout), "wait", f"--for={condition}", timeout=timeout + 30)
        if done.returncode != 0:
            raise ClusterError(f"node {self.index} is not {condition} after {timeout} s: "
                               f"{done.stderr.strip() or done.stdout.strip()}")

    def send_to_port(self, data):
        """Sends bytes to the node's link port from inside its network, and returns what came back before the end."""
        script = ("import socket,sys\n"
                  "s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 20)\n"
                  "try:\n"
                  "    s.sendall(sys.stdin.buffer.read())\n"
                  "    s.shutdown(socket.SHUT_WR)\n"
                  "    while True:\n"
                  "        got = s.recv(65536)\n"
                  "        if not got: break\n"
                  "        sys.stdout.buffer.write(got)\n"
                  "except OSError: pass  # closed by the other side: reset, broken pipe or not connected\n")
        command = [sys.executable, "-c", script, self.address, str(self.cluster.port)]
        return subprocess.run(self.cluster.wrap(command), input=data, stdout=subprocess.PIPE, check=True,
                              timeout=60).stdout


class Cluster:
    """`wrap` turns a command line into one that runs in the network the daemons shall live in (default: ours);
    `options` is {section: {option: value}} for every ctdb.conf; `say` is told what the supervisor does; `hooks`: daemons can
    be made to die at a step of the protocol (Node.die_at); `restarts_max`: so often in 10 s a daemon is started again;
    `witness`: one more node, the last, that votes and holds no records."""

    def __init__(self, directory, nodes=3, bin_dir=None, wrap=None, port=DEFAULT_PORT, options=None, say=None,
                 hooks=False, restarts_max=RESTARTS_MAX, witness=False):
        self.directory = os.path.abspath(directory)
        self.bin_dir = bin_dir or os.path.join(ROOT, "build", "release", "bin")
        self.port = port
        self.options = options or {}
        self.hooks = hooks
        self.restarts_max = restarts_max
        self.say = say or (lambda text: None)
        self._own_network = wrap is None
        self.wrap = wrap or (lambda command: list(command))
        self.socket_path = os.path.join(self.directory, "cluster.socket")
        self._check_size(nodes + witness)
        self.nodes = [Node(self, index) for index in range(nodes)]
        if witness:
            self.nodes.append(Node(self, nodes, witness=True))

    def program(self, name):
        return os.path.join(self.bin_dir, name)

    def _check_size(self, nodes):
        if not 1 <= nodes <= NODES_MAX:
            raise ClusterError(f"--nodes {nodes}: between 1 and {NODES_MAX} are possible")
        if not 1 <= self.port <= 65535:
            raise ClusterError(f"--port {self.port}: between 1 and 65535 are possible")
        longest = max((self.socket_path, os.path.join(self.directory, f"node{nodes - 1}", "ctdbd.socket")), key=len)
        if len(os.fsencode(longest)) > SOCKET_PATH_MAX:
            raise ClusterError(f"{longest} is longer than the {SOCKET_PATH_MAX} bytes a unix socket may have; "
                               "choose a shorter --dir")

    def add_node(self):
        """One more, for a cluster that grows while it runs: configured, with node 0's nodes file, not started."""
        self._check_size(len(self.nodes) + 1)
        node = Node(self, len(self.nodes))
        node.write_configuration()
        node.write_nodes_file(self.nodes[0].read_nodes_file())
        self.nodes.append(node)
        return node

    def check_ports(self):
        """Raises ClusterError naming the first address somebody listens on already."""
        if not self._own_network:
            return
        for node in self.nodes:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((node.address, self.port))
                    probe.listen(1)
                except OSError as problem:
                    if problem.errno == errno.EADDRINUSE:
                        raise ClusterError(f"{node.address} port {self.port} is in use by another program "
                                           "(another cluster? 'ss -ltnp' shows it); stop it or choose --port") from None
                    raise ClusterError(f"{node.address} port {self.port}: {problem.strerror}") from None

    @property
    def key_file(self):
        return os.path.join(self.directory, "cluster.key")

    def write_configuration(self):
        os.makedirs(self.directory, exist_ok=True)
        if not os.path.exists(self.key_file):
            with open(os.open(self.key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(base64.b64encode(os.urandom(48)) + b"\n")
        for node in self.nodes:
            node.write_configuration()
            node.write_nodes_file("".join(each.address + (" witness\n" if each.witness else "\n") for each in self.nodes))

    def start(self):
        """Starts every daemon; returns at once. Raises ClusterError, with nothing left running, if it cannot be."""
        for name in (*DAEMONS, "ctdb-cli"):
            if not os.access(self.program(name), os.X_OK):
                raise ClusterError(f"{self.program(name)} is missing: build it first")
        self.check_ports()
        self.write_configuration()
        for node in self.nodes:
            node.start()

    def wait_healthy(self, timeout=60):
        deadline = time.monotonic() + timeout
        for node in self.nodes:
            self._raise_if_failed()
            node.wait("healthy", max(1, round(deadline - time.monotonic())))

    def _raise_if_failed(self):
        for node in self.nodes:
            for daemon in node.daemons.values():
                if daemon.failed:
                    raise ClusterError(f"node {node.index}: {daemon.name}: {daemon.failed}")

    def daemon_pids(self):
        return [daemon.pid for node in self.nodes for daemon in node.daemons.values() if daemon.pid]

    def stop(self):
        """Ends all nodes at once. May be called at any time, also twice."""
        for node in self.nodes:
            node.begin_stop()
        for node in self.nodes:
            node.stop()
        # They would end by themselves when the last lease does; there is nobody left who could take anything over.
        for node in self.nodes:
            node.kill_keeper()

    def __enter__(self):
        try:
            self.start()
            self.wait_healthy()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
