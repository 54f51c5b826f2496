# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest that boots systemd from a disk with the root file system of tests/systemd: what systemd-nspawn has no kernel for is enforced
here. Commands are given to it as to a machine of tests/systemd."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

import guest

sys.path.insert(0, str(guest.HERE.parent / "systemd"))
from machine import COMMAND_SECONDS, TOOLS, System, wait_until  # noqa: E402
from root import BUILD, installed_root  # noqa: E402

MODULES = ["virtio_pci", "virtio_blk", "ext4", "virtio_console", "veth"]
BOOT_SECONDS = 240  # only ends what hangs
DISK = "600M"       # sparse
INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /disk
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
while read module; do insmod "$module" || echo "guest: no $module"; done </modules.list
mount -t ext4 /dev/vda /disk
exec switch_root /disk /lib/systemd/systemd
"""
AGENT = f"""[Unit]
Description=does what the test says
[Service]
ExecStart=/usr/bin/python3 {TOOLS}/agent.py
"""
# For a test nothing of this machine's boot is worth its time.
NOT_NEEDED = ["systemd-journal-flush.service", "systemd-random-seed.service", "systemd-binfmt.service", "systemd-hwdb-update.service",
              "systemd-udev-trigger.service", "systemd-sysctl.service", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
              "ldconfig.service", "systemd-machine-id-commit.service", "apt-daily.timer", "e2scrub_all.timer", "fstrim.timer"]


def make_disk(work, files, enabled):
    """An image of the installed root with test programs in TOOLS, `files` {path: text} and the units that are `enabled`."""
    root = work / "disk"
    # Links: nothing of the copy is written to, only added.
    guest.run("cp", "--archive", "--link", installed_root(), str(root))
    tools = root / TOOLS.lstrip("/")
    tools.mkdir(parents=True)
    for program in [pathlib.Path(BUILD) / "bin/ctdb-increment", guest.HERE / "agent.py"]:
        shutil.copy(program, tools)
    units = root / "etc/systemd/system"
    for name in NOT_NEEDED:
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to("/dev/null")
    wanted = units / "multi-user.target.wants"
    wanted.mkdir(exist_ok=True)
    (units / "agent.service").write_text(AGENT)
    for unit in ["agent.service", *enabled]:
        (wanted / unit).symlink_to(f"../{unit}")
    for path, text in files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.write_text(text)
    image = work / "disk.img"
    image.touch()  # or its making is announced
    guest.run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal,^metadata_csum", "-d", str(root), str(image), DISK,
              env={**os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"})
    return image


class Program:
    """One that goes on in the guest, as much of subprocess.Popen as the tests use."""

    def __init__(self, ask, pid):
        self._ask, self.pid, self.returncode = ask, pid, None

    def communicate(self, stdin=None, timeout=COMMAND_SECONDS):
        said = self._ask(do="communicate", pid=self.pid, stdin=stdin, timeout=timeout)
        self.returncode = said["status"]
        return said["out"], said["err"]


class SystemdGuest(System):
    def __init__(self, kernel, files, enabled=()):
        self._directory = tempfile.TemporaryDirectory(prefix="ctdb-vm-")
        work = pathlib.Path(self._directory.name)
        self._console = work / "console.log"
        image = make_disk(work, files, enabled)
        guest.lay_out_start(work / "start", kernel, MODULES, INIT)
        initramfs = guest.pack(work, work / "start")
        here, there = socket.socketpair()
        self._qemu = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *guest.qemu(kernel, initramfs, self._console, [
                "-drive", f"file={image},format=raw,if=virtio,snapshot=on", "-device", "virtio-serial-pci",
                "-chardev", f"socket,id=agent,fd={there.fileno()}", "-device", "virtserialport,chardev=agent"],
                "systemd.show_status=0 systemd.unit=multi-user.target")],
            pass_fds=[there.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        there.close()
        self._port = here
        self._lines = here.makefile("rb")
        self._port.settimeout(BOOT_SECONDS)
        self.run("true")

    def _ask(self, timeout=COMMAND_SECONDS, **request):
        try:
            self._port.sendall(json.dumps({**request, "timeout": timeout}).encode() + b"\n")
            line = self._lines.readline()
        except OSError as problem:
            raise guest.GuestError(f"the guest does not answer: {problem}\n{self.console()}") from problem
        if not line:
            raise guest.GuestError(f"the guest has ended: {self._qemu.stderr.read()}\n{self.console()}")
        said = json.loads(line)
        if "problem" in said:
            raise guest.GuestError(f"{request}: {said['problem']}")
        return said

    def console(self):
        return self._console.read_text(errors="replace")[-3000:]

    def run(self, *command, check=True, stdin=None):
        said = self._ask(do="run", command=command, stdin=stdin)
        if check and said["status"] != 0:
            raise RuntimeError(f"{' '.join(command)}: status {said['status']}: {said['out']}{said['err']}")
        return said["out"]

    def status_of(self, *command):
        return self._ask(do="run", command=command, stdin=None)["status"]

    def start(self, *command):
        """With what other programs leave of the emulated processors."""
        return Program(self._ask, self._ask(do="start", command=["nice", "-n", "19", *command])["pid"])

    def close(self):
        self._qemu.kill()
        self._qemu.wait()
        self._port.close()
        self._directory.cleanup()
