# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a guest and does what it is told through a virtio port: a JSON object a line each way (systemd_guest.py)."""
import glob
import json
import os
import subprocess
import sys
import time

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
programs = {}


def run(request):
    done = subprocess.run(request["command"], input=request["stdin"] or "", capture_output=True, text=True, errors="replace", cwd="/",
                          timeout=request["timeout"], env=ENVIRONMENT)
    return {"status": done.returncode, "out": done.stdout, "err": done.stderr}


def start(request):
    program = subprocess.Popen(request["command"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, cwd="/", env=ENVIRONMENT)
    programs[program.pid] = program
    return {"pid": program.pid}


def communicate(request):
    program = programs.pop(request["pid"])
    out, err = program.communicate(request["stdin"], timeout=request["timeout"])
    return {"status": program.returncode, "out": out, "err": err}


WHAT = {"run": run, "start": start, "communicate": communicate}


def answer(line):
    try:
        request = json.loads(line)
        return WHAT[request["do"]](request)
    except Exception as problem:  # whatever it is, the test is to see it
        return {"problem": repr(problem)}


def main():
    port = os.open(glob.glob("/dev/vport*")[0], os.O_RDWR)
    received = b""
    while True:
        piece = os.read(port, 65536)
        if not piece:
            time.sleep(0.1)  # nobody is at the other end yet
        received += piece
        while b"\n" in received:
            line, _, received = received.partition(b"\n")
            said = json.dumps(answer(line)).encode() + b"\n"
            while said:
                said = said[os.write(port, said):]


sys.exit(main())
