# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that cut the network or stop daemons on purpose, and are made again all the same (disturbed.py) if the machine was too busy for the nodes
that they leave alone."""
from types import SimpleNamespace

from disturbed import Said

# A leader that loses its office costs nobody a record, but a test that has chosen its nodes by it.
LEADERS = ("this node is the leader of term ", "this node leads no more: ")


def some_nodes(cluster, nodes):
    """For a Said of these alone."""
    return SimpleNamespace(nodes=[cluster.nodes[node] for node in nodes])


class Watch(Said):
    """What is a disturbance from now on, as a cluster's `since_healthy`; what was one until now stays one. `more`: texts of recoveryd that are one
    for this test too."""

    def __init__(self, cluster, *more, nodes=None):
        super().__init__(cluster if nodes is None else some_nodes(cluster, nodes))
        self._more = more
        self._before = cluster.since_healthy.disturbances() + cluster.since_healthy.lines("ctdb-recoveryd", *more)

    def disturbances(self):
        return self._before + self.now()

    def now(self):
        return super().disturbances() + self.lines("ctdb-recoveryd", *self._more)


class Bystanders(Watch):
    """What the daemons of `nodes` (numbers; of a witness last) say, of their links only those to each other."""

    def __init__(self, cluster, nodes, *more):
        super().__init__(cluster, *more, nodes=nodes)
        self._links = [f"link to node {node.index} " for node in cluster.nodes if node.index not in nodes]

    def now(self):
        return [line for line in super().now() if not any(link in line for link in self._links)]


class RoutersReplaced(Watch):
    """Of three nodes. One whose router was killed has no quorum for a moment, and that costs nothing unless the others go on without it."""

    def now(self):
        without = [line for line in self.recoveries() if ", members 0,1,2," not in line]
        return without + [line for line in super().now() if "no quorum" not in line]


def leave_alone(cluster, nodes, *more):
    """From now on what comes over others than `nodes` is no disturbance; see Bystanders."""
    cluster.since_healthy = Bystanders(cluster, nodes, *more)
