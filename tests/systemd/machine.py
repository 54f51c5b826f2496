# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that boots systemd: systemd-nspawn with a network of its own. Its files vanish with it."""
import os
import signal
import subprocess
import sys
import tempfile

from root import BUILD, ROOT, installed_root

sys.path.insert(0, f"{ROOT}/tests/cluster")
from processes import children_of, with_children  # noqa: E402
from waiting import wait_until  # noqa: E402

# They only end what hangs.
BOOT_SECONDS = 240
COMMAND_SECONDS = 240
TOOLS = "/opt/ctdb-tests"  # where the test programs of the build are


def sockets_of(command):
    """Those of a program that Machine.start() began, as the kernel numbers them."""
    pid = children_of(command.pid)[0]
    links = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd")]
    return {link for link in links if link.startswith("socket:")}


class ControlGroup:
    """A control group of its own for a machine: two in one would end each other's services."""

    def __init__(self):
        with open("/proc/self/mounts") as mounts:
            mount = [words[1] for words in map(str.split, mounts) if words[2] == "cgroup2"][0]
        with open("/proc/self/cgroup") as own:
            inside = [line.strip().split("::")[1] for line in own if line.startswith("0::")][0]
        self._path = tempfile.mkdtemp(prefix="ctdb-systemd-", dir=mount + inside)

    def enter(self):
        with open(f"{self._path}/cgroup.procs", "w") as members:
            members.write(str(os.getpid()))

    def _removed(self):
        for directory, _, _ in os.walk(self._path, topdown=False):
            try:
                os.rmdir(directory)
            except OSError:
                return False  # its last processes are on their way out
        return True

    def remove(self):
        wait_until(self._removed, f"{self._path} is empty")


class System:
    """A running systemd that commands can be given to: run(), status_of() and start() are the machine's own."""

    def cursor(self):
        """Where its journal ends now, for journal()."""
        self.run("journalctl", "--sync")
        return self.run("journalctl", "--lines=0", "--show-cursor").split("-- cursor: ")[1].strip()

    def write(self, path, text, mode="644"):
        self.run("sh", "-c", f"cat >{path} && chmod {mode} {path}", stdin=text)

    def show(self, unit, *names):
        """Properties of a unit: one as text, several as a list."""
        out = self.run("systemctl", "show", unit, *[f"--property={name}" for name in names])
        values = dict(line.split("=", 1) for line in out.strip().split("\n"))
        return values[names[0]] if len(names) == 1 else [values[name] for name in names]

    def pid_of(self, unit):
        return int(self.show(unit, "MainPID"))

    def kill(self, unit, number=signal.SIGKILL):
        self.run("kill", f"-{int(number)}", str(self.pid_of(unit)))

    def journal(self, *arguments):
        """With all that was said until now: journald may not have read it yet."""
        self.run("journalctl", "--sync")
        return self.run("journalctl", "--no-pager", "--output=cat", *arguments, check=False)


class Machine(System):
    def __init__(self):
        self._directory = tempfile.TemporaryDirectory(prefix="ctdb-systemd-")
        self._console = open(os.path.join(self._directory.name, "console"), "w+b")
        self._group = ControlGroup()
        # kill -9 of nspawn would leave the container: the pid namespace takes it along. It ends with this process too.
        self._nspawn = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL",
             "unshare", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc",
             "systemd-nspawn", "--quiet", f"--directory={installed_root()}", "--boot", "--register=no", "--keep-unit", "--private-network",
             f"--bind-ro={BUILD}/bin:{TOOLS}", "--volatile=overlay", "--console=read-only", "--machine=ctdb-test",
             "--link-journal=no",
             "systemd.unit=multi-user.target"],
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            stdin=subprocess.DEVNULL, stdout=self._console, stderr=self._console, preexec_fn=self._group.enter)
        self.init = wait_until(self._find_init, lambda: "the machine starts\n" + self.console(), BOOT_SECONDS)
        wait_until(lambda: self.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded"),
                   lambda: "systemd is up\n" + self.console(), BOOT_SECONDS)

    def console(self):
        with open(self._console.name, errors="replace") as text:
            return text.read()

    def _find_init(self):
        """The machine's process 1, seen from here."""
        if self._nspawn.poll() is not None:
            raise RuntimeError("systemd-nspawn ended\n" + self.console())
        for pid in with_children([self._nspawn.pid]):
            try:
                with open(f"/proc/{pid}/status") as status:
                    pids = [line.split()[1:] for line in status if line.startswith("NSpid:")][0]
                with open(f"/proc/{pid}/comm") as comm:
                    if pids[-1] == "1" and comm.read().strip() == "systemd":
                        return pid
            except OSError:
                continue  # ended meanwhile
        return None

    def seen_from_here(self, path):
        """A path of the machine, for a program outside of it."""
        return f"/proc/{self.init}/root{path}"

    def _command(self, command):
        return ["nsenter", "--target", str(self.init), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--",
                *command]

    def run(self, *command, check=True, stdin=None):
        """What it prints; with check an error raises, with all it said."""
        done = subprocess.run(self._command(command), input=stdin, capture_output=True, text=True,
                              timeout=COMMAND_SECONDS, cwd="/", env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: status {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def status_of(self, *command):
        return subprocess.run(self._command(command), capture_output=True, cwd="/", timeout=COMMAND_SECONDS).returncode

    def start(self, *command):
        return subprocess.Popen(self._command(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, cwd="/")

    def close(self):
        self._nspawn.kill()  # its pid namespace goes with it
        self._nspawn.wait()
        self._group.remove()
        self._console.close()
        self._directory.cleanup()
