# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads histories of the simulator's clients (ctdb-sim --history FILE) and looks for what must not be, by its own reading
of the rules; it shares nothing with the simulator's checkers.

A history is one JSON object a line, in the order of events: begin, locked, wrote, unlock, read, read-copy (in the file, where others
may read it too), gone (a client was killed), life-over (what a node wrote in that life may be lost from now on), seed (another history begins).

Rules, for each key:
  1. Two clients whose nodes are in the cluster never hold the record's lock at the same time.
  2. A change is made by who holds the lock, from the version that was seen under it.
  3. Whoever gets the lock sees every change that was made before, and so does a reader every change made before it asked;
     missing ones were made in lives that are over, and so was everything made from them. Who reads a copy sees what whoever got the
     lock at that moment would see.
  4. What is seen was written before.

usage: check_history.py FILE... | check_history.py --simulator PROGRAM --seeds A..B
"""
import json
import os
import subprocess
import sys
import tempfile


class Key:
    def __init__(self):
        self.changes = {}  # version: (parent, (node, life))
        self.holders = {}  # client: (version seen, (node, life))
        self.alive = set()  # changes that must not be missing


class Checker:
    def __init__(self):
        self.violations = []
        self.begin_history(None)

    def begin_history(self, seed):
        self.seed = seed
        self.keys = {}
        self.over = set()
        self.wanted = {}  # client: changes that its read must show
        self.line = 0

    def violation(self, event, text):
        self.violations.append(f"seed {self.seed}: {text}: {json.dumps(event)}")

    def ancestors(self, key, version):
        """The version itself and all that it was made from."""
        line = set()
        while version in key.changes:
            line.add(version)
            version = key.changes[version][0]
        return line

    def must_show(self, key, changes, event):
        """Rule 3. An empty record does not say which of several deletes it is."""
        if event.get("empty"):
            return
        version = event["version"]
        if version not in key.changes:
            return self.violation(event, "a version that nobody wrote")
        shown = self.ancestors(key, version)
        for missing in sorted(changes - shown):
            if key.changes[missing][1] not in self.over:
                return self.violation(event, f"version {missing} is missing")

    def on_event(self, event):
        kind = event["event"]
        if kind == "seed":
            return self.begin_history(event["seed"])
        if kind == "life-over":
            self.over.add((event["node"], event["life"]))
            return None
        key = self.keys.setdefault(event["key"], Key())
        return getattr(self, "on_" + kind.replace("-", "_"))(event, key)

    def on_begin(self, event, key):
        self.wanted[event["client"]] = set(key.alive)

    def on_locked(self, event, key):
        life = (event["node"], event["life"])
        if event.get("counts", True):
            for client, (_, other) in key.holders.items():
                if other not in self.over and client != event["client"]:
                    self.violation(event, f"client {client} holds the lock as well")
            self.must_show(key, key.alive, event)
            if not event.get("empty"):
                # What is missing is lost for good.
                key.alive &= self.ancestors(key, event["version"])
        else:
            life = None
        if life:
            key.holders[event["client"]] = (event["version"], life)

    def on_wrote(self, event, key):
        key.changes[event["version"]] = (event["parent"], (event["node"], event["life"]))
        if not event.get("counts", True):
            return
        held = key.holders.get(event["client"])
        if held is None or held[0] != event["parent"]:
            self.violation(event, "a change without the lock, or from another version than was seen")
        # Only the newest must be looked for: what it was made from is in it.
        key.alive.discard(event["parent"])
        key.alive.add(event["version"])

    def on_unlock(self, event, key):
        key.holders.pop(event["client"], None)

    def on_read(self, event, key):
        self.must_show(key, self.wanted.get(event["client"], set()), event)

    def on_read_copy(self, event, key):
        self.must_show(key, key.alive, event)

    def on_gone(self, event, key):
        for each in self.keys.values():
            each.holders.pop(event["client"], None)

    def read(self, lines):
        for line in lines:
            self.on_event(json.loads(line))
        return self.violations


def main(arguments):
    checker = Checker()
    if arguments[:1] == ["--simulator"] and arguments[2:3] == ["--seeds"] and len(arguments) == 4:
        with tempfile.TemporaryDirectory() as directory:
            file = os.path.join(directory, "history")
            subprocess.run([arguments[1], "--seeds", arguments[3], "--history", file], check=True)
            with open(file, encoding="utf-8") as lines:
                checker.read(lines)
    elif arguments and not arguments[0].startswith("-"):
        for name in arguments:
            with open(name, encoding="utf-8") as lines:
                checker.read(lines)
    else:
        print(__doc__, file=sys.stderr)
        return 2
    for violation in checker.violations[:20]:
        print(violation)
    print(f"{len(checker.violations)} violations")
    return 1 if checker.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
