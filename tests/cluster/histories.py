# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients wrote down of counters (ctdb-increment) and of lists (ctdb-append), and whether it can have been so."""
import math
from dataclasses import dataclass, field


class Broken(AssertionError):
    """A promise."""


def lines_of(path):
    """What a killed client had not written to its end is no line."""
    try:
        with open(path) as source:
            return source.read().split("\n")[:-1]
    except FileNotFoundError:
        return []


def check_counter(key, lines, unknown, late=0):
    """`lines`: [(value, begun, ended, node)] of one counter. `unknown`: how often an increment may have happened without a
    line. `late`: how often a client may have had the record when another had it already.
    Returns (operations, increments lost); raises Broken when that was exceeded."""
    lines = sorted(lines, key=lambda line: line[1])
    lost = jumps = overlaps = 0
    for (value, _, ended, node), (next_value, next_begun, _, next_node) in zip(lines, lines[1:]):
        if next_begun < ended:
            overlaps += 1
            if overlaps > late:
                raise Broken(f"{key}: nodes {node} and {next_node} had it at once, {value} until {ended} and "
                             f"{next_value} from {next_begun}, {overlaps} times")
        if next_value <= value:
            lost += value + 1 - next_value
        elif next_value > value + 1:
            jumps += 1
    if jumps > unknown:  # increments of which no line tells, or lost ones that came back
        raise Broken(f"{key}: {jumps} times the counter went up by more than clients say, at most {unknown} can be explained")
    return len(lines), lost


def named(element):
    return f"{element >> 32}/{element & 0xFFFFFFFF}"


@dataclass
class Visit:
    begun: int
    ended: int
    older: bool  # the record was found marked
    elements: list  # as it was left
    node: int
    kept: int = 0  # how many of them the visit before has left


@dataclass
class ListHistory:
    """Of one list, by all clients. `calls`: element -> (begun, ended, size); `unknown`: element -> begun."""
    visits: list = field(default_factory=list)
    calls: dict = field(default_factory=dict)
    unknown: dict = field(default_factory=dict)
    added: dict = field(default_factory=dict)  # element -> Visit
    torn: list = field(default_factory=list)
    told: bool = False  # a client was told that it is lost


@dataclass
class Lists:
    """Elements that were seen or acknowledged, those of them lost, and those of these of which nobody has told."""
    elements: int = 0
    lost: int = 0
    untold: int = 0

    def __add__(self, other):
        return Lists(self.elements + other.elements, self.lost + other.lost, self.untold + other.untold)


def read_lists(path, node, writer, lists):
    """Adds what one writer has written down (tests/clients/append.cc) to `lists`: {number of the list: ListHistory}. Returns the element
    that it may have added without a line, if it was killed: the one after the last it tells of."""
    last = (writer << 32) - 1
    shown, shown_list = [], None
    for line in lines_of(path):
        kind, number, *words = line.split()
        history = lists.setdefault(int(number), ListHistory())
        words = [int(word) for word in words]
        own = None
        if kind == "=":
            begun, ended, older, kept, *more = words
            shown, shown_list = (shown[:kept] if number == shown_list else []) + more, number
            history.visits.append(Visit(begun, ended, bool(older), shown, node))
            if shown and shown[-1] > last and shown[-1] >> 32 == writer:
                own = shown[-1]
                history.added[own] = history.visits[-1]
        elif kind == "+":
            begun, ended, size, own = words
            history.calls[own] = (begun, ended, size)
        elif kind == "?":
            begun, own = words
            history.unknown[own] = begun
        elif kind == "-":
            own, = words
        elif kind == "x":
            history.told = True
        else:
            history.torn.append(words[0])
        last = last if own is None else own
    return last + 1


class ListCheck:
    """Goes through the visits of one list in their order. The lock orders visits; a call lies somewhere between its begin and its
    end. What must hold:
    - One client at a time (but for `late` times, see check_counter()).
    - A visit finds what the last one left and behind it what others added meanwhile: nothing that nobody tried, nothing twice, nothing
      before it was tried, nothing in another place than its call said, and what came later behind what had ended before.
    - What is missing is lost: told, by a mark in the record or in a log (`told`), and it does not come back. A list of which
      nothing at all is left may be one of those that a log does not name but counts: Lists.untold.
    """

    def __init__(self, name, history, killed, told=False, late=0):
        self.name, self.history, self.killed, self.late = name, history, killed, late
        self.told = told or history.told
        self.overlaps = self.back = self.lost = self.untold = 0
        self.gone = set()
        self.found = {}  # element -> the first visit that saw it

    def broken(self, text):
        raise Broken(f"{self.name}: {text}")

    def run(self):
        """Returns Lists."""
        if self.history.torn:
            self.broken(f"a value of {self.history.torn[0]} bytes is no list")
        visits = sorted(self.history.visits, key=lambda visit: visit.begun)
        before = Visit(0, 0, False, [], None)
        for visit in visits:
            self.follow(before, visit)
            before = visit
        self.look_for_calls(visits)
        self.check_order(before.elements)
        return Lists(len(self.found.keys() | self.history.calls.keys()), self.lost, self.untold)

    def follow(self, before, visit):
        if visit.begun < before.ended:
            self.overlaps += 1
            if self.overlaps > self.late:
                self.broken(f"nodes {before.node} and {visit.node} had it at once, until {before.ended} and from "
                            f"{visit.begun}, {self.overlaps} times")
        kept = next((at for at, pair in enumerate(zip(before.elements, visit.elements)) if pair[0] != pair[1]),
                    min(len(before.elements), len(visit.elements)))
        visit.kept = kept
        missing = before.elements[kept:]
        if missing:
            self.lose(missing, visit)
        for at, element in enumerate(visit.elements[kept:], kept):
            self.appears(at, element, before, visit)
        if len(set(visit.elements)) != len(visit.elements):
            twice = [named(element) for element in visit.elements if visit.elements.count(element) > 1]
            self.broken(f"{twice[0]} is in it twice at {visit.begun}")

    def lose(self, elements, visit):
        self.lost += len(elements)
        self.gone.update(elements)
        if visit.older or self.told:
            return
        self.untold += len(elements)
        if visit.kept > 0:
            self.broken(f"{len(elements)} elements from {named(elements[0])} on are missing at {visit.begun} (node "
                        f"{visit.node}), and nobody has said so")

    def appears(self, at, element, before, visit):
        if element in self.gone:
            self.back += 1
            if self.back > self.late:
                self.broken(f"{named(element)} was missing and is there again, or in another place, at {visit.begun}")
        begun, ended = self.time_of(element)
        if begun is None:
            self.broken(f"nobody has added {named(element)}, which is there at {visit.begun}")
        if visit.ended < begun:
            self.broken(f"{named(element)} is there at {visit.ended}, before it was tried at {begun}")
        if element in self.history.calls:
            size = self.history.calls[element][2]
            if size != 8 * (at + 1):
                self.broken(f"{named(element)} is number {at + 1}, and its writer was told that the list has {size} bytes")
            if ended < before.begun:
                self.broken(f"{named(element)} was there at {ended}, not at {before.begun}, and is at {visit.begun}")
        self.found.setdefault(element, visit)

    def time_of(self, element):
        """(begun, ended) of its addition; (None, None): nobody has tried it."""
        if element in self.history.calls:
            return self.history.calls[element][:2]
        if element in self.history.added:
            visit = self.history.added[element]
            return visit.begun, visit.ended
        if element in self.history.unknown:
            return self.history.unknown[element], math.inf
        return (0, math.inf) if element in self.killed else (None, None)

    def look_for_calls(self, visits):
        """Calls that were acknowledged and that nobody has seen."""
        for element, (_, ended, _) in self.history.calls.items():
            if element in self.found:
                continue
            after = next((visit for visit in visits if visit.begun > ended), None)
            if after is None:
                self.broken(f"nobody has looked at it after {named(element)} was added")
            self.lose([element], after)

    def check_order(self, elements):
        latest, which = 0, None
        for element in elements:
            begun, ended = self.time_of(element)
            if ended < latest:
                self.broken(f"{named(element)} was there at {ended} and is behind {named(which)}, which was tried at {latest}")
            if begun > latest:
                latest, which = begun, element
