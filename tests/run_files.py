# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a folder's test files (unittest), several at a time, each in a process of its own: real processes mostly wait, and so does who tests
them one by one. What a file printed stands together, closing line and all; the slowest files are named at the end, and what a failed one
printed is the last thing of all: who sees only the end of a log has to see that.
   run_files.py FOLDER [JOBS]"""
import concurrent.futures
import glob
import os
import subprocess
import sys
import time


def run(path):
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-W", "ignore", "-m", "unittest", "-v", os.path.basename(path)[:-3]],
                          cwd=os.path.dirname(path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace")
    return path, done.returncode, done.stdout, time.monotonic() - begun


def main():
    folder = os.path.abspath(sys.argv[1])
    jobs = int(sys.argv[2]) if len(sys.argv) > 2 else os.cpu_count()
    # The biggest first, so that none is left for the end alone.
    paths = sorted(glob.glob(os.path.join(folder, "test_*.py")), key=os.path.getsize, reverse=True)
    took, failed = [], {}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run, path) for path in paths]):
            path, status, output, seconds = done.result()
            took.append((seconds, os.path.basename(path)))
            if status != 0:
                failed[os.path.basename(path)] = output
            else:
                print(f"== {os.path.relpath(path)}\n{output}", flush=True)
    for seconds, name in sorted(took, reverse=True)[:5]:
        print(f"{seconds:6.1f} s  {name}")
    for name, output in failed.items():
        print(f"== failed: {name}\n{output}", flush=True)
    if not paths or failed:
        sys.exit(f"failed: {', '.join(failed) or 'there is no test file'}")


if __name__ == "__main__":
    main()
