# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that cut the network or stop daemons on purpose, and are made again all the same (disturbed.py) if the machine was too busy for the nodes
that they leave alone."""
from types import SimpleNamespace

from disturbed import Said, Undisturbed

# A leader that loses its office costs nobody a record, but a test that has chosen its nodes by it.
LEADERS = ("this node is the leader of term ", "this node leads no more: ")


def some_nodes(cluster, nodes):
    """For a Said of these alone."""
    return SimpleNamespace(nodes=[cluster.nodes[node] for node in nodes])


class Watch(Said):
    """What is a disturbance from now on, for tests that are Watched; what was one until now stays one. `more`: texts of recoveryd that are one
    for this test too."""

    def __init__(self, cluster, *more, nodes=None):
        super().__init__(cluster if nodes is None else some_nodes(cluster, nodes))
        self._more = more
        self._before = disturbances_of(cluster) + cluster.since_healthy.lines("ctdb-recoveryd", *more)

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


def disturbances_of(cluster):
    """Since its start."""
    watch = cluster.since_healthy
    return (watch if isinstance(watch, Watch) else Said(cluster, now=False)).disturbances()


def leave_alone(cluster, nodes, *more):
    """From now on what comes over others than `nodes` is no disturbance; see Bystanders."""
    cluster.since_healthy = Bystanders(cluster, nodes, *more)


class Watched(Undisturbed):
    """An Undisturbed test whose cluster may have a Watch for its `since_healthy`."""

    def doCleanups(self):
        cluster = getattr(self, "cluster", None)
        begun = hasattr(cluster, "since_healthy")
        found = disturbances_of(cluster) if begun else []
        found += cluster.since_healthy.recoveries() if begun and self.NO_RECOVERIES else []
        done = super().doCleanups()
        self._disturbances = found
        return done
