# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the source tree that no compiler checks, so that ARCHITECTURE.md stays true. Prints file:line: what is wrong;
exit status 1 if there was anything. With --self-test it checks itself on made-up lines."""
import re
import sys

import python_imports
from sources import CODE, PRODUCT, files, text_of

LINES_MAX = 600
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

# A core has no clock, descriptor, thread or dice (ARCHITECTURE.md §1).
CORE_MAY_INCLUDE = ("libctdbipc/base/", "libctdbipc/wire/")
# The one interface a core is built over that is not its own; it obeys the rules of a core itself.
CORE_CONTRACTS = ("ctdb-store/backend/record_file.h",)
CORE_NOT_FROM_STD = {"chrono", "thread", "mutex", "condition_variable", "future", "random", "fstream", "iostream",
                     "filesystem", "ctime", "time.h", "stop_token", "semaphore", "latch", "barrier"}
# Packages that are costly to compile or shall stay replaceable: who may include them.
ONLY_IN = {
    "nlohmann/": {"ctdb-cli/output.cc"},
    "CLI/": {"ctdb-cli/arguments.cc", "libctdbipc/runtime/daemon.cc"},
    "spdlog/": {"libctdbipc/runtime/log.cc"},
    "ini.h": {"libctdbipc/runtime/config.cc"},
    "boost/": {"libctdbipc/ring/segment.cc"},
    "tl/": {"libctdbipc/base/result.h"},
}
# Libraries of daemons whose headers others must not see.
TDB_ONLY_BELOW = ("ctdb-store/backend/", "libctdbipc/tdb/", "libctdbipc/client/", "ctdb-cli/tdb_files")
LAYERS = ("base", "tdb", "wire", "ring", "runtime", "client")  # an arrow points only to the left


def include_problem(path, kind, name):
    """Why `path` may not include `name`, or None."""
    parts = path.split("/")
    if "core" in parts[:-1] or path in CORE_CONTRACTS:
        own = f"{parts[0]}/core/"
        if kind == '"' and not name.startswith(CORE_MAY_INCLUDE + (own,) + CORE_CONTRACTS):
            return "a core includes only the standard library, libctdbipc/base, libctdbipc/wire and itself"
        if kind == "<" and ("/" in name or name.endswith(".h") and name not in ("stdint.h", "stddef.h")
                            or name in CORE_NOT_FROM_STD):
            return f"<{name}> has no place in a core: no clocks, descriptors, threads, randomness"
    for prefix, allowed in ONLY_IN.items():
        if (name == prefix or prefix.endswith("/") and name.startswith(prefix)) and path not in allowed:
            return f"{prefix} is included by {', '.join(sorted(allowed))} only"
    if name == "tdb.h" and not path.startswith(TDB_ONLY_BELOW):
        return f"tdb.h is included below {' and '.join(TDB_ONLY_BELOW)} only"
    return layer_problem(parts, name)


def layer_problem(parts, name):
    target = name.split("/")
    if parts[0] == "libctdbipc" and target[0].startswith("ctdb-"):
        return "libctdbipc knows nothing of the programs"
    if parts[0] == "libctdbipc" and target[0] == "libctdbipc" and parts[1] in LAYERS and target[1] in LAYERS:
        if LAYERS.index(target[1]) > LAYERS.index(parts[1]):
            return f"libctdbipc/{parts[1]} lies below libctdbipc/{target[1]}"
    if parts[0].startswith("ctdb-") and target[0].startswith("ctdb-") and target[0] != parts[0]:
        return "programs do not include each other"
    return share_problem(parts, name)


def share_problem(parts, name):
    """libctdbshare is built as a stranger would build it: on ctdb.h alone."""
    inside = parts[0] == "libctdbshare"
    if inside and name.startswith(("libctdbipc/", "ctdb-", "tests/")):
        return "libctdbshare knows of the suite what ctdb.h says, and includes it by that name"
    if not inside and name.startswith(("libctdbshare/", "ctdb_brlock.h", "ctdb_opendb.h")):
        return "libctdbshare is for other programs than those of the suite"
    return None


def licence_of(path):
    if path.startswith("wireshark/"):
        return "GPL-2.0-or-later"  # Wireshark's own
    return "LGPL-3.0-or-later" if path.startswith(("libctdbipc/", "libctdbshare/")) else "GPL-3.0-or-later"


def problems_of(path, text):
    lines = text.split("\n")
    start = 1 if lines[0].startswith("#!") else 0
    if f"SPDX-License-Identifier: {licence_of(path)}" not in lines[start]:
        yield start + 1, f"the file does not begin with 'SPDX-License-Identifier: {licence_of(path)}'"
    if len(lines) > LINES_MAX:
        yield len(lines), f"more than {LINES_MAX} lines: split it by subject"
    for number, line in enumerate(lines, 1):
        if UNFINISHED.search(line):
            yield number, "unfinished work belongs into an issue"
        match = INCLUDE.match(line)
        if match and path.startswith(PRODUCT):
            problem = include_problem(path, *match.groups())
            if problem:
                yield number, problem


# Documents that say which test shows something: `path` of a file, then `names` of tests in it.
NAMING_TESTS = ("docs/weaknesses.md",)
QUOTED = re.compile(r"`([^`]+)`")


def problems_of_named_tests(text, text_of_file):
    """Of every name that is quoted after a path below tests/ on the same line: it must be in that file, and the file be there."""
    for number, line in enumerate(text.split("\n"), 1):
        source = None
        for word in QUOTED.findall(line):
            if word.startswith("tests/"):
                source = text_of_file(word)
                if source is None:
                    yield number, f"{word} does not exist"
            elif source is not None and not re.search(rf"\b{re.escape(word)}\b", source):
                yield number, f"no test {word} there"


# Where each rule of the design is proved: mutations of the simulator, or tests, behind the path of their file.
RULE_TABLE = ("docs/simulator.md", "### The rules of design §6")
MUTATIONS = ("tests/sim/mutations.cc", re.compile(r'^    "([a-z-]+)",$', re.M))


def problems_of_rule_table(text, mutations, text_of_file):
    """Every row has a proof, and every proof exists."""
    lines, inside, rows = text.split("\n"), False, 0
    for number, line in enumerate(lines, 1):
        inside = line == RULE_TABLE[1] or inside and not line.startswith("#")
        if not inside or not line.startswith("| ") or line.startswith("| rule |"):
            continue
        rows += 1
        words = QUOTED.findall(line)
        if not words:
            yield number, "a rule that nothing proves"
        first_test = next((at for at, word in enumerate(words) if word.startswith("tests/")), len(words))
        for word in words[:first_test]:
            if word not in mutations:
                yield number, f"no mutation {word}"
        yield from ((number, problem) for _, problem in problems_of_named_tests(line, text_of_file))
    if rows == 0:
        yield 1, f"no table under '{RULE_TABLE[1]}'"


def text_or_none(path):
    try:
        return text_of(path)
    except OSError:
        return None


def self_test():
    bad = [("ctdb-store/core/a.cc", '"libctdbipc/ring/channel.h"'), ("ctdb-store/core/a.cc", "<chrono>"),
           ("ctdb-store/core/a.cc", "<sys/socket.h>"), ("ctdb-store/core/a.cc", "<unistd.h>"),
           ("ctdb-store/core/a.cc", '"ctdb-store/backend/b.h"'), ("ctdb-store/backend/record_file.h", "<tdb.h>"), ("ctdb-cli/main.cc", "<nlohmann/json.hpp>"),
           ("ctdb-router/shell.cc", "<tdb.h>"), ("libctdbipc/base/a.h", '"libctdbipc/wire/packet.h"'),
           ("libctdbipc/client/a.cc", '"ctdb-cli/report.h"'), ("ctdb-router/a.cc", '"ctdb-store/core/store.h"'),
           ("libctdbshare/brlock/a.cc", '"libctdbipc/base/bytes.h"'), ("libctdbipc/client/a.cc", '"ctdb_brlock.h"'),
           ("ctdb-cli/a.cc", '"ctdb_opendb.h"')]
    good = [("ctdb-store/core/a.cc", '"libctdbipc/wire/packet.h"'), ("ctdb-store/core/a.cc", "<vector>"),
            ("ctdb-store/core/a.cc", '"ctdb-store/core/b.h"'),
            ("ctdb-store/core/a.cc", '"ctdb-store/backend/record_file.h"'), ("ctdb-cli/output.cc", "<nlohmann/json.hpp>"),
            ("ctdb-store/backend/tdb_file.cc", "<tdb.h>"), ("libctdbipc/ring/a.cc", '"libctdbipc/base/result.h"'),
            ("ctdb-router/shell.cc", "<sys/epoll.h>"),
            ("libctdbshare/brlock/a.cc", '"ctdb.h"'), ("libctdbshare/brlock/a.cc", '"libctdbshare/brlock/ranges.h"')]
    for expected, cases in ((True, bad), (False, good)):
        for path, include in cases:
            found = include_problem(path, *INCLUDE.match(f"#include {include}").groups())
            assert bool(found) == expected, (path, include, found)
    licensed = "// SPDX-License-Identifier: GPL-3.0-or-later\n"
    assert not list(problems_of("ctdb-cli/a.cc", licensed))
    assert [line for line, _ in problems_of("ctdb-cli/a.cc", licensed + "// TO" + "DO\n")] == [2]
    assert list(problems_of("libctdbipc/a.cc", "// nothing\n"))
    assert list(problems_of("ctdb-cli/a.cc", licensed + "\n" * LINES_MAX))
    there = {"tests/a.py": "def test_one(self):"}.get
    assert not list(problems_of_named_tests("`tests/a.py` `test_one`", there))
    assert len(list(problems_of_named_tests("`tests/a.py` `test_two`; `tests/b.py`", there))) == 2
    table = RULE_TABLE[1] + "\n| rule | shown by |\n|---|---|\n| one | {} |\n\n## Other\n| `c` | |\n"
    assert not list(problems_of_rule_table(table.format("`a`, `b`; `tests/a.py` `test_one`"), {"a", "b"}, there))
    for missing in ("", "`c`", "`a`, `tests/a.py` `test_two`", "`tests/b.py` `test_one`"):
        assert [line for line, _ in problems_of_rule_table(table.format(missing), {"a", "b"}, there)] == [4], missing
    assert list(problems_of_rule_table("nothing", {"a"}, there))
    python_imports.self_test()


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return 0
    found = 0
    for path in files(PRODUCT + ("tests",), CODE + (".py",)):
        for line, problem in problems_of(path, text_of(path)):
            print(f"{path}:{line}: {problem}")
            found += 1
    for path in NAMING_TESTS:
        for line, problem in problems_of_named_tests(text_of(path), text_or_none):
            print(f"{path}:{line}: {problem}")
            found += 1
    mutations = set(MUTATIONS[1].findall(text_of(MUTATIONS[0])))
    for line, problem in problems_of_rule_table(text_of(RULE_TABLE[0]), mutations, text_or_none):
        print(f"{RULE_TABLE[0]}:{line}: {problem}")
        found += 1
    for path, line, problem in python_imports.problems_of_imports({path: text_of(path) for path in files(("tests",), (".py",))}):
        print(f"{path}:{line}: {problem}")
        found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
