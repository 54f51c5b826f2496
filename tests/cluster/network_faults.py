# SPDX-License-Identifier: GPL-3.0-or-later
"""What can happen to the network between the nodes of a cluster on loopback, inside a network namespace: packets from
one address to another vanish silently (nft), connections are reset (ss -K). Node i is 127.0.0.(i+1)."""
import subprocess

RULES = """\
table inet ctdb_faults {
  set dropped {
    type ipv4_addr . ipv4_addr
  }
  chain input {
    type filter hook input priority 0
    ip saddr . ip daddr @dropped drop
  }
}
"""


def address(node):
    return f"127.0.0.{node + 1}"


class NetworkFaults:
    """`namespace` is the NetworkNamespace the nodes live in; its end takes the rules with it."""

    def __init__(self, namespace, nodes=3):
        self._namespace = namespace
        self._nodes = range(nodes)
        self._run("nft", "-f", "-", stdin=RULES)

    def _run(self, *command, stdin=None):
        done = subprocess.run(self._namespace.wrap(command), input=stdin, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def drop(self, source, *targets):
        """What `source` sends to `targets` vanishes; nobody is told."""
        pairs = ", ".join(f"{address(source)} . {address(target)}" for target in targets)
        self._run("nft", "add", "element", "inet", "ctdb_faults", "dropped", f"{{ {pairs} }}")

    def cut(self, a, b):
        self.drop(a, b)
        self.drop(b, a)

    def isolate(self, node):
        """Both ways, silently."""
        others = [other for other in self._nodes if other != node]
        self.drop(node, *others)
        for other in others:
            self.drop(other, node)

    def heal(self):
        self._run("nft", "flush", "set", "inet", "ctdb_faults", "dropped")

    def reset(self, a, b):
        """Ends every connection between two nodes as a reset does, at both ends."""
        for one, other in ((a, b), (b, a)):
            self._run("ss", "-K", "-t", "src", address(one), "dst", address(other))
