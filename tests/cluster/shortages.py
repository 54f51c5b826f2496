# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node can run out of: room on a disk, descriptors."""
import os
import resource
import subprocess


class SmallDisk:
    """The directory `path` on a file system of its own, which can be filled to the last byte. What is written there while it is
    full fails as on any full disk. Needs root."""

    def __init__(self, path, kilobytes):
        self.path, self._filler = path, os.path.join(path, "filler")
        os.makedirs(path)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", path], check=True)

    def fill(self):
        left = os.statvfs(self.path)
        with open(self._filler, "wb", buffering=0) as filler:
            try:
                if left.f_bavail:
                    os.posix_fallocate(filler.fileno(), 0, left.f_bavail * left.f_frsize)
                filler.seek(0, os.SEEK_END)
                while True:
                    filler.write(bytes(1024))
            except OSError:
                pass  # others may write there too

    def empty(self):
        os.unlink(self._filler)

    def close(self):
        subprocess.run(["umount", "--lazy", self.path], check=True)


class FewDescriptors:
    """From now on the process may open `more` descriptors beside those it has, until restore(). One that has ended is passed over."""

    def __init__(self, pid, more):
        self._pid, self._limits = pid, None
        try:
            self.most = len(os.listdir(f"/proc/{pid}/fd")) + more
            self._limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (self.most, self._limits[1]))
        except (ProcessLookupError, FileNotFoundError):
            pass

    def used_up(self):
        return len(os.listdir(f"/proc/{self._pid}/fd")) >= self.most

    def restore(self):
        try:
            if self._limits:
                resource.prlimit(self._pid, resource.RLIMIT_NOFILE, self._limits)
        except ProcessLookupError:
            pass
