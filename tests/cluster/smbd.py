# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's unmodified smbd on the nodes of a cluster, one on each node's address, all with one exported directory, and
Debian's clients for them. Everything lives below one directory; ports are the usual ones in a network namespace of ours."""
import os
import re
import subprocess
import time

USER, PASSWORD = "root", "secret"
START_TIMEOUT_S = 60


class Samba:
    """`sockets`: the classic socket of each node; `wrap` puts a command into the namespace; node i listens on 127.0.0.(i+1)."""

    def __init__(self, directory, sockets, wrap):
        self.directory = os.path.abspath(directory)
        self.wrap = wrap
        self.share = os.path.join(self.directory, "share")
        os.makedirs(self.share, exist_ok=True)
        os.chmod(self.share, 0o777)
        self.sockets = sockets
        self.processes = {}
        for node in range(len(sockets)):
            self._configure(node)

    def address(self, node):
        return f"127.0.0.{node + 1}"

    def base(self, node):
        return os.path.join(self.directory, f"smb{node}")

    def configuration(self, node):
        return os.path.join(self.base(node), "smb.conf")

    def log(self, node):
        path = os.path.join(self.base(node), "log.smbd")
        with open(path, errors="replace") as log:
            return log.read()

    def restart_with(self, option):
        """All smbd anew, with one more line among their global options."""
        self.stop_all()
        for node in range(len(self.sockets)):
            with open(self.configuration(node)) as file:
                text = file.read()
            with open(self.configuration(node), "w") as file:
                file.write(text.replace("[share]", f"  {option}\n[share]"))
        self.start_all()

    def _configure(self, node):
        base = self.base(node)
        for folder in ("private", "lock", "state", "cache", "pid", "ncalrpc", "run"):
            os.makedirs(os.path.join(base, folder), exist_ok=True)
        with open(self.configuration(node), "w") as out:
            out.write(f"""[global]
  clustering = yes
  ctdbd socket = {self.sockets[node]}
  netbios name = CLUSTER
  workgroup = TEST
  server role = standalone server
  security = user
  interfaces = {self.address(node)}/8
  bind interfaces only = yes
  smb ports = 445
  server min protocol = NT1
  disable netbios = yes
  disable spoolss = yes
  load printers = no
  private dir = {base}/private
  lock directory = {base}/lock
  state directory = {base}/state
  cache directory = {base}/cache
  pid directory = {base}/pid
  ncalrpc dir = {base}/ncalrpc
  log file = {base}/log.smbd
  log level = 1
  max log size = 0
  include = registry
  registry shares = yes
  kernel oplocks = no
  kernel share modes = no
  posix locking = no
  smb2 leases = yes
[share]
  path = {self.share}
  read only = no
  force user = root
""")

    def run(self, node, *command, timeout=120, check=False, stdin=None):
        """One of Samba's programs with the node's configuration (the option goes last)."""
        words = self.wrap([*command, f"--configfile={self.configuration(node)}"])
        return subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=check, input=stdin)

    def set_password(self, node=0):
        done = subprocess.run(self.wrap(["smbpasswd", "-c", self.configuration(node), "-s", "-a", USER]),
                              capture_output=True, text=True, timeout=120, input=f"{PASSWORD}\n{PASSWORD}\n")
        if done.returncode != 0:
            raise RuntimeError(f"smbpasswd: {done.stdout}{done.stderr}")

    def start(self, node):
        log = open(os.path.join(self.base(node), "out.smbd"), "ab")
        command = ["setpriv", "--pdeathsig", "TERM", "--", "smbd", "--foreground", "--no-process-group",
                   f"--configfile={self.configuration(node)}"]
        with log:
            # A session of its own: at its end smbd sends SIGTERM to its whole process group.
            self.processes[node] = subprocess.Popen(self.wrap(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                    start_new_session=True)

    def wait_started(self, node):
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.client(node, "quit").returncode != 0:
            if self.processes[node].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"smbd of node {node} does not serve:\n{self.log(node)[-4000:]}")
            time.sleep(0.1)

    def start_all(self):
        """One after another: of two that claim their version in the same moment one gives up ("POSSIBLE_DEADLOCK"), on Debian's
        ctdbd as well."""
        self.set_password()
        for node in range(len(self.sockets)):
            self.start(node)
            self.wait_started(node)

    def stop(self, node):
        process = self.processes.pop(node, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop_all(self):
        for node in list(self.processes):
            self.stop(node)

    # ---- clients ----

    def unc(self, node):
        return f"//{self.address(node)}/share"

    def client_command(self, node, *more):
        return ["smbclient", "-s", "/dev/null", self.unc(node), "-U", f"{USER}%{PASSWORD}", *more]

    def client(self, node, commands, timeout=60):
        return subprocess.run(self.wrap(self.client_command(node, "-c", commands)), capture_output=True, text=True, timeout=timeout)

    def sessions(self):
        """The smbds that serve a client each: "node:process"."""
        out = self.run(0, "smbstatus", "--processes", check=True).stdout
        return set(re.findall(rf"(?m)^(\d+:\d+) .*{USER}", out))

    def torture(self, node, test, *options, others=(), timeout=900):
        """smbtorture against one node, or more: its connections go to all of them in turn."""
        words = ["smbtorture", "-s", "/dev/null", self.unc(node), "-U", f"{USER}%{PASSWORD}",
                 "--option=torture:progress=no", "--option=clientminprotocol=NT1"]
        if others:
            path = os.path.join(self.directory, "unc." + ".".join(map(str, [node, *others])))
            with open(path, "w") as out:
                out.writelines(f"{self.unc(each)}\n" for each in [node, *others])
            words.append(f"--unclist={path}")
        return subprocess.run(self.wrap([*words, *options, test]), capture_output=True, text=True, timeout=timeout)

    def locktest(self, node, other, operations=200):
        """Samba's random lock tester, with two nodes as the two servers it compares."""
        return subprocess.run(
            self.wrap(["locktest", self.unc(node), self.unc(other), "-s", "/dev/null", f"--user1={USER}%{PASSWORD}",
                       f"--user2={USER}%{PASSWORD}", "--option=clientminprotocol=NT1", "--seed=1",
                       f"--num-ops={operations}"]), capture_output=True, text=True, timeout=300)
