# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a unit's sandbox and tries what the sandbox is there to deny, all of it or what the arguments name; prints one JSON
object {what: "done" or why not}. Only what was really done counts as done."""
import ctypes
import errno
import json
import mmap
import os
import signal
import socket
import struct
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
PER_LINUX32 = 8
MS_BIND = 4096
MANY_TASKS = 16
SYS_CLOCK_SETTIME, SYS_BPF, SYS_INIT_MODULE = 227, 321, 175  # x86-64


def called(result):
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def reached(result):
    """Whatever the kernel thinks of the arguments."""
    if result < 0 and ctypes.get_errno() == errno.EPERM:
        called(result)


def write(path):
    name = os.path.join(path, "ctdb-probe")
    with open(name, "w") as out:
        out.write("x")
    os.remove(name)


def open_socket(family, kind=socket.SOCK_STREAM):
    socket.socket(family, kind).close()


def other_interfaces():
    with open("/proc/self/net/dev") as listed:
        names = [line.split(":")[0].strip() for line in listed if ":" in line]
    if names == ["lo"]:
        raise OSError(0, "there is only lo")


def executable_memory():
    memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    called(LIBC.mprotect(ctypes.c_void_p(address), mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC))


def set_user_id_bit():
    name = "/run/ctdb/probe-suid"
    with open(name, "w"):
        pass
    try:
        os.chmod(name, 0o4755)
    finally:
        os.remove(name)


def realtime():
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def see_file(path):
    if not os.path.exists(path):
        raise OSError(0, "it is not to be seen")


def list_directory(path):
    os.listdir(path)


def see_process_1():
    with open("/proc/1/comm") as comm:
        comm.read()


def writable_mount(path):
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        raise OSError(0, "mounted read-only")


def status_field(name, free):
    """Done when the process still has what the field shows."""
    with open("/proc/self/status") as status:
        value = [line.split(":")[1].strip() for line in status if line.startswith(name + ":")][0]
    if not free(value):
        raise OSError(0, f"{name} is {value}")


def whole_user_range():
    with open("/proc/self/uid_map") as mapped:
        if mapped.read().split() != ["0", "0", "4294967295"]:
            raise OSError(0, "users are mapped")


def open_device(path):
    """A device of the machine whose node lies somewhere else than in /dev."""
    os.close(os.open(path, os.O_RDWR))


def many_tasks():
    """More than the router may have, which has few."""
    children = []
    try:
        for _ in range(MANY_TASKS):
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def send_packet():
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.sendto(b"probe", ("127.0.0.1", 9))


def run_32_bit_program():
    """exit(42), as an i386 ELF file of one page: mov $1,%eax; mov $42,%ebx; int $0x80."""
    code = b"\xb8\x01\x00\x00\x00\xbb\x2a\x00\x00\x00\xcd\x80"
    start, head = 0x8048000, 52 + 32
    elf = b"\x7fELF\x01\x01\x01" + bytes(9)
    elf += struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, start + head, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    elf += struct.pack("<IIIIIIII", 1, 0, start, start, head + len(code), head + len(code), 5, 4096) + code
    memory = os.memfd_create("probe-32")
    os.write(memory, elf)
    child = os.fork()
    if child == 0:
        try:
            os.execve(f"/proc/self/fd/{memory}", ["probe-32"], {})
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != 42:
        raise OSError(0, f"it ended with {os.waitstatus_to_exitcode(status)}")


def mounts_of_the_machine():
    """Done where a mount would be seen by all; the file holds what process 1 has."""
    with open("/usr/share/machine-mounts") as machine:
        if machine.read().strip() != os.readlink("/proc/self/ns/mnt"):
            raise OSError(0, "they are another name space")


PROBES = {
    "write /usr": lambda: write("/usr"),
    "write /etc/ctdb": lambda: write("/etc/ctdb"),
    "write /var/lib": lambda: write("/var/lib"),
    "write /var/lib/ctdb/volatile": lambda: write("/var/lib/ctdb/volatile"),
    "write /var/lib/ctdb/persistent": lambda: write("/var/lib/ctdb/persistent"),
    "write /var/lib/ctdb/state": lambda: write("/var/lib/ctdb/state"),
    "write /run/ctdb": lambda: write("/run/ctdb"),
    "write /run": lambda: write("/run"),
    "list databases": lambda: list_directory("/var/lib/ctdb/volatile"),
    "see /root": lambda: see_file("/root/marker"),
    "see /tmp of others": lambda: see_file("/tmp/marker"),
    "see a device": lambda: see_file("/dev/console"),
    "see process 1": see_process_1,
    "write kernel tunables": lambda: writable_mount("/proc/sys"),
    "write control groups": lambda: writable_mount("/sys/fs/cgroup"),
    "unix socket": lambda: open_socket(socket.AF_UNIX),
    "internet socket": lambda: open_socket(socket.AF_INET),
    "internet 6 socket": lambda: open_socket(socket.AF_INET6),
    "netlink socket": lambda: open_socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "packet socket": lambda: open_socket(socket.AF_PACKET, socket.SOCK_RAW),
    "see the network": other_interfaces,
    "new mount namespace": lambda: called(LIBC.unshare(CLONE_NEWNS)),
    "new user namespace": lambda: called(LIBC.unshare(CLONE_NEWUSER)),
    "mount": lambda: called(LIBC.mount(b"/usr", b"/tmp", None, MS_BIND, None)),
    "other personality": lambda: called(LIBC.personality(PER_LINUX32)),
    "executable memory": executable_memory,
    "set-user-id file": set_user_id_bit,
    "real-time class": realtime,
    "host name": lambda: called(LIBC.sethostname(b"probe", 5)),
    "other user": lambda: os.setresuid(65534, 65534, -1),
    "change of an owner": lambda: os.chown("/run/ctdb", 0, -1),
    "new root": lambda: os.chroot("/"),
    "higher priority": lambda: os.setpriority(os.PRIO_PROCESS, 0, 1),
    "clock": lambda: reached(LIBC.syscall(SYS_CLOCK_SETTIME, 0, None)),
    "kernel module": lambda: reached(LIBC.syscall(SYS_INIT_MODULE, None, 0, b"")),
    "bpf": lambda: reached(LIBC.syscall(SYS_BPF, 0, None, 0)),
    "kernel log": lambda: called(LIBC.klogctl(10, None, 0)),
    "capabilities": lambda: status_field("CapBnd", lambda value: int(value, 16) != 0),
    "new privileges": lambda: status_field("NoNewPrivs", lambda value: value == "0"),
    "all system calls": lambda: status_field("Seccomp", lambda value: value == "0"),
    "users of the machine": whole_user_range,
    "mounts of the machine": mounts_of_the_machine,
    "other device": lambda: open_device("/usr/share/probe-device"),
    "many tasks": many_tasks,
    "packet to this machine": send_packet,
    "32-bit program": run_32_bit_program,
}


def main():
    outcome = {}
    for name in sys.argv[1:] or PROBES:
        reader, writer = os.pipe()
        child = os.fork()  # what one probe gained must not help the next
        if child == 0:
            try:
                PROBES[name]()
                text = "done"
            except OSError as problem:
                text = str(problem)
            os.write(writer, text.encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as said:
            outcome[name] = said.read()
        os.waitpid(child, 0)
    json.dump(outcome, sys.stdout)


main()
