# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of ctdb-cli's commands, for what is made from it when the suite is built: the manual page and the shells' completion."""
import ast
import re

STRING = r'"(?:[^"\\]|\\.)*"'
ROW = re.compile(rf"^CTDB_COMMAND\(\s*({STRING}(?:\s*{STRING})*)\s*,\s*({STRING}(?:\s*{STRING})*)\s*,"
                 rf"\s*({STRING}(?:\s*{STRING})*)\s*,\s*({STRING}(?:\s*{STRING})*)\s*,\s*\w+\)", re.M)


def text_of(literals):
    """What adjacent C strings say."""
    return "".join(ast.literal_eval(one) for one in re.findall(STRING, literals))


def rows(path):
    """(name, arguments, help, details) of each command of commands.def."""
    with open(path) as source:
        table = source.read()
    found = [tuple(text_of(part) for part in row.groups()) for row in ROW.finditer(table)]
    if len(found) != len(re.findall(r"^CTDB_COMMAND\(", table, re.M)):
        raise SystemExit(f"{path}: a row of the table is not understood")
    return found
