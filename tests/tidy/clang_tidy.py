# SPDX-License-Identifier: GPL-3.0-or-later
"""clang-tidy over all sources of the product, one process a processor. A file that passed is not checked again while
it, what it includes of ours, the checks and its compile command stay the same (build/dev/tidy-cache). The analyzer stops at
40,000 states of a function instead of its own 225,000, which halves the time; --deep leaves it its own limit."""
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys

from sources import PRODUCT, ROOT, files

BUILD = os.path.join(ROOT, "build", "dev")
CACHE = os.path.join(BUILD, "tidy-cache")
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


def key_of(path, command, limits):
    seen = {}
    closure(path, seen)
    with open(os.path.join(ROOT, ".clang-tidy"), "rb") as checks:
        digest = hashlib.sha256(checks.read())
    digest.update(" ".join([*command, *limits]).encode())
    for name in sorted(seen):
        digest.update(name.encode() + b"\0" + hashlib.sha256(seen[name]).digest())
    return digest.hexdigest()


def check(path, command, limits):
    """Returns what clang-tidy found, '' when all is well."""
    mark = os.path.join(CACHE, key_of(path, command, limits))
    if os.path.exists(mark):
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


def main():
    os.makedirs(CACHE, exist_ok=True)
    commands = compile_commands()
    chosen = [path for path in files(PRODUCT, (".cc",)) if path in commands]
    limits = [] if "--deep" in sys.argv[1:] else ANALYZER
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
