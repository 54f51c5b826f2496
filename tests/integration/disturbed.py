# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that is too busy: a daemon that does not get to run for as long as a lease lasts costs its node its membership. What a test sees
then is as it should be, and not what it expects. The daemons say so in their logs."""
import os
import sys
import unittest

NO_MEMBER = "this node is no member now: "
# Why a node stopped serving that nobody had told to.
TOO_LATE = ("no word from a leader for too long", "ctdb-store hangs", "ctdb-store stopped serving: its lease was over")
STORE_AWAY = "its store is not running"  # for more than two seconds
GONE_ON = "the cluster has gone on without this node"
FALLEN_BACK = ("have fallen back", "left behind: ")
SILENT = " is down: it does not answer pings"
RECOVERY = " recovery begins: "


class Said:
    """What the daemons of a cluster say in their logs from now on; `now` false: since their start."""

    def __init__(self, cluster, now=True):
        self._cluster, self._marks = cluster, {}
        for path in self._paths(*cluster.nodes[0].daemons) if now else ():
            self._marks[path] = os.path.getsize(path) if os.path.exists(path) else 0

    def _paths(self, *daemons):
        return [node.log_path(name) for node in self._cluster.nodes for name in daemons if name in node.daemons]

    def lines(self, daemon, *texts):
        """Those of one kind of daemon that have one of the texts."""
        found = []
        for path in filter(os.path.exists, self._paths(daemon)):
            with open(path, errors="replace") as log:
                log.seek(self._marks.get(path, 0))
                found += [line for line in log if any(text in line for text in texts)]
        return found

    def too_late(self, *more):
        """Of nodes that the machine was too busy for: their lease ended by time alone, or their store did not get to run. That a node was told to
        stop, or that others have gone on without it, is no such reason; `more` are those of a test."""
        return self.lines("ctdb-recoveryd", *(NO_MEMBER + why for why in (*TOO_LATE, *more)))

    def recoveries(self):
        return self.lines("ctdb-recoveryd", RECOVERY)

    def fallen_back(self):
        """Of records that are lost."""
        return self.lines("ctdb-store", *FALLEN_BACK)

    def disturbances(self):
        """All that a test which asks for no such thing need not allow for."""
        return self.too_late(STORE_AWAY, GONE_ON, "no quorum") + self.lines("ctdb-router", SILENT)


class SinceHealthy(Said):
    """Of a cluster that is healthy now. What came over it in an earlier test counts, or when it was started: it has lost a member or records
    then, and says so as long as it lives. That a cluster is made with one recovery or three is no disturbance."""

    def disturbances(self):
        return Said(self._cluster, now=False).disturbances()


class Recorded(unittest.TestResult):
    """What came of one test, to be told to another result, or not."""
    TOLD = ("addSuccess", "addError", "addFailure", "addSkip", "addExpectedFailure", "addUnexpectedSuccess", "addSubTest")

    def __init__(self):
        super().__init__()
        self.told = []
        for name in self.TOLD:
            setattr(self, name, self._noting(name, getattr(super(), name)))

    def _noting(self, name, noted):
        def note(*arguments):
            self.told.append((name, arguments))
            noted(*arguments)
        return note

    def tell(self, result):
        for name, arguments in self.told:
            getattr(result, name)(*arguments)

    def problems(self):
        return "".join(text for _, text in self.errors + self.failures)


class Undisturbed(unittest.TestCase):
    """A test that fails is made again, in a cluster that is begun anew, if the machine was too busy for the daemons meanwhile. Who fails
    undisturbed has failed, and who fails three times. The cluster is `self.cluster`, of the test or of the class. Not for tests that cut the
    network or stop daemons on purpose: their logs say the same."""

    TRIES = 3
    NO_RECOVERIES = False  # true: tests of the class cause none themselves
    _disturbances = []

    @classmethod
    def shared_cluster(cls):
        """That of all the class's tests, if there is one."""
        return getattr(cls, "cluster", None)

    @classmethod
    def begin_anew(cls):
        cls.tearDownClass()
        cls.doClassCleanups()
        for _, error, _ in cls.tearDown_exceptions:
            raise error
        cls.setUpClass()

    def run(self, result=None):
        result = result or self.defaultTestResult()
        result.startTest(self)
        for number in range(1, self.TRIES + 1):
            recorded = self._try(number)
            if recorded.wasSuccessful() or not self._disturbances or number == self.TRIES:
                break
            print(f"{self.id()}: once more ({number + 1} of {self.TRIES}), the machine was too busy:\n{''.join(self._disturbances)}"
                  f"{recorded.problems()}", file=sys.stderr, flush=True)
        recorded.tell(result)
        result.stopTest(self)
        return result

    def _try(self, number):
        recorded, self._disturbances = Recorded(), []
        try:
            if number > 1:
                self.begin_anew()
        except Exception:
            recorded.addError(self, sys.exc_info())
            return recorded
        super().run(recorded)
        return recorded

    def doCleanups(self):
        """The logs are there yet."""
        cluster = getattr(self, "cluster", None) or self.shared_cluster()
        since = getattr(cluster, "since_healthy", None)
        if since:
            self._disturbances = since.disturbances() + (since.recoveries() if self.NO_RECOVERIES else [])
        return super().doCleanups()
