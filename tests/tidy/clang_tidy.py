# SPDX-License-Identifier: GPL-3.0-or-later
"""clang-tidy over all sources of the product, one process a processor. A file that passed is not checked again while
it, what it includes of ours, the checks, its compile command and clang-tidy itself stay the same, in whatever clone
(marks in $XDG_CACHE_HOME/ctdb-tidy, gone after 30 days without use; removing them is always right). The analyzer stops
at 40,000 states of a function instead of its own 225,000, which halves the time; --deep leaves it its own limit."""
import argparse
import concurrent.futures
import contextlib
import functools
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import time

from sources import PRODUCT, ROOT, files

BUILD = os.path.join(ROOT, "build", "dev")
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "ctdb-tidy")
KEPT_SECONDS = 30 * 86400
INCLUDE = re.compile(rb'^\s*#\s*include\s*"([^"]+)"', re.M)
ANALYZER = [f"--extra-arg={word}" for word in ("-Xclang", "-analyzer-config", "-Xclang", "max-nodes=40000")]
NOISE = re.compile(r"^(\d+ warnings? (generated|treated)|Suppressed |Use -header-filter).*\n", re.M)


def closure(path, seen):
    """`path` and what it includes of ours, all relative to the root."""
    if path in seen:
        return
    try:
        with open(os.path.join(ROOT, path), "rb") as source:
            seen[path] = source.read()
    except OSError:
        return  # generated, or not ours
    for name in INCLUDE.findall(seen[path]):
        closure(name.decode(), seen)


@functools.cache
def version():
    return subprocess.run(["clang-tidy", "--version"], capture_output=True, text=True, check=True).stdout


def key_of(path, command, limits):
    seen = {}
    closure(path, seen)
    with open(os.path.join(ROOT, ".clang-tidy"), "rb") as checks:
        digest = hashlib.sha256(checks.read())
    digest.update(" ".join([version(), *command, *limits]).replace(ROOT, ".").encode())
    for name in sorted(seen):
        digest.update(name.encode() + b"\0" + hashlib.sha256(seen[name]).digest())
    return digest.hexdigest()


def check(path, command, limits):
    """Returns what clang-tidy found, '' when all is well."""
    mark = os.path.join(CACHE, key_of(path, command, limits))
    if os.path.exists(mark):
        os.utime(mark)
        return ""
    done = subprocess.run(["clang-tidy", "--quiet", *limits, "-p", BUILD, path], cwd=ROOT, capture_output=True,
                          text=True)
    if done.returncode == 0:
        with open(mark, "w"):
            pass
        return ""
    return NOISE.sub("", done.stdout + done.stderr).replace(ROOT + "/", "")


def compile_commands():
    with open(os.path.join(BUILD, "compile_commands.json")) as source:
        return {os.path.relpath(entry["file"], ROOT): shlex.split(entry["command"]) for entry in json.load(source)}


def forget_old_marks():
    for mark in os.scandir(CACHE):
        if mark.stat().st_mtime < time.time() - KEPT_SECONDS:
            with contextlib.suppress(FileNotFoundError):  # another run was first
                os.unlink(mark)


def main():
    parser = argparse.ArgumentParser(description="clang-tidy over the product's sources, as many at a time as there are processors; what it found "
                                                 "nothing in before is not looked at again.")
    parser.add_argument("--deep", action="store_true", help="the analyzer with its own limit of states")
    parser.add_argument("file", nargs="*", help="these sources only (default: all of the product)")
    arguments = parser.parse_args()
    os.makedirs(CACHE, exist_ok=True)
    forget_old_marks()
    commands = compile_commands()
    wanted = [os.path.relpath(os.path.abspath(path), ROOT) for path in arguments.file]
    chosen = wanted or [path for path in files(PRODUCT, (".cc",)) if path in commands]
    if unknown := [path for path in chosen if path not in commands]:
        sys.exit(f"clang_tidy.py: build/dev does not compile {', '.join(unknown)}")
    limits = [] if arguments.deep else ANALYZER
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, found in zip(chosen, pool.map(lambda path: check(path, commands[path], limits), chosen)):
            if found:
                print(f"== {path}\n{found}")
                failed += 1
    print(f"clang-tidy: {len(chosen)} files, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
