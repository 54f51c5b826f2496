# SPDX-License-Identifier: GPL-3.0-or-later
"""tshark with our plugin. As root Wireshark looks for no plugins of a user, so it runs as nobody, in a home of its own."""
import os
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PLUGIN = os.environ.get("CTDBX_PLUGIN", os.path.join(ROOT, "build", "dev", "wireshark", "ctdbx.so"))
ASAN_PLUGIN = os.environ.get("CTDBX_ASAN_PLUGIN", os.path.join(ROOT, "build", "asan", "wireshark", "ctdbx.so"))
NOBODY = 65534


def version():
    """The folder Wireshark looks into: 4.0."""
    first = subprocess.run(["tshark", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    return ".".join(first.split(".")[:2])


def sanitizers():
    """For a program that loads code with sanitizers and has none itself."""
    library = subprocess.run(["clang", "-print-file-name=libclang_rt.asan-x86_64.so"], capture_output=True, text=True,
                             check=True).stdout.strip()
    return {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1", "WIRESHARK_DEBUG_WMEM_OVERRIDE": "simple"}


class Home:
    """A home directory below `directory` with the plugin in it."""

    def __init__(self, directory, plugin=PLUGIN, asan=False):
        self.path = directory
        os.chmod(directory, 0o755)
        self.environment = dict(sanitizers() if asan else {}, HOME=directory, WIRESHARK_ABORT_ON_DISSECTOR_BUG="1",
                                PATH=os.environ["PATH"], TZ="UTC", LC_ALL="C.UTF-8")
        if plugin is not None:
            folder = os.path.join(directory, ".local/lib/wireshark/plugins", version(), "epan")
            os.makedirs(folder)
            shutil.copy(plugin, folder)

    def place(self, name, content):
        """A file that nobody can read."""
        path = os.path.join(self.path, name)
        with open(path, "wb") as out:
            out.write(content)
        os.chmod(path, 0o644)
        return path

    def words(self, *command):
        """The command line of somebody who is not root."""
        if os.geteuid() != 0:
            return list(command)
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "env", *command]

    def run(self, *arguments, program="tshark", timeout=300):
        return subprocess.run(self.words(program, *arguments), capture_output=True, env=self.environment, cwd=self.path, timeout=timeout)

    def text(self, *arguments, **options):
        """What tshark prints; an exception with what it complains of when it fails."""
        done = self.run(*arguments, **options)
        if done.returncode != 0:
            raise AssertionError(f"{arguments}: exit status {done.returncode}\n{done.stderr.decode(errors='replace')}")
        return done.stdout.decode(errors="replace")

    def lines(self, capture, fields, *arguments):
        """One list of values a frame that matches."""
        wanted = [word for field in fields for word in ("-e", field)]
        out = self.text("-r", capture, "-T", "fields", "-E", "separator=/t", *wanted, *arguments)
        return [line.split("\t") for line in out.splitlines()]
