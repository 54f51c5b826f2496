# SPDX-License-Identifier: GPL-3.0-or-later
"""A network namespace of our own, with loopback up: systems under test get port 4379 on 127.0.0.x each to itself.

Unix sockets and pids are shared with everybody, so clients need not be inside.
"""
import ctypes
import os
import subprocess


class NetworkNamespace:
    """Lives as long as this object; kept alive by a process that only waits for its standard input to close."""

    def __init__(self):
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec cat >/dev/null"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._holder.stdout.readline().strip() != "ready":
            raise RuntimeError("no network namespace: unshare --net failed (needs root)")

    def wrap(self, command):
        """The command line that runs `command` inside."""
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "--"] + list(command)

    def enter(self):
        """Moves the calling process inside, for good: for a child that was forked for it."""
        with open(f"/proc/{self._holder.pid}/ns/net") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    def close(self):
        if self._holder.poll() is None:
            self._holder.stdin.close()
            self._holder.wait()
        self._holder.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def inside_own_namespace():
    """True when this process is not in init's network namespace."""
    return os.readlink("/proc/self/ns/net") != os.readlink("/proc/1/ns/net")
