# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes ctdb-cli(1), for scdoc, from the table of commands, so that there is no second copy of it.
   ctdb_cli_page.py COMMANDS.DEF PAGE"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ctdb-cli"))

from command_table import rows  # noqa: E402

HEAD = r'''ctdb-cli(1) "CTDB suite @RELEASE@"

; Made from ctdb-cli/commands.def.

# NAME

ctdb-cli - looks at a node of a CTDB cluster and works on its records

# SYNOPSIS

*ctdb-cli* \[*--base* _DIR_|*--socket* _PATH_] \[*-o* *table*|*json*] \[*--timeout* _SECONDS_] _COMMAND_ ...

# DESCRIPTION

The node is the one whose _ctdb.conf_ and _nodes_ are in _DIR_ (default _/etc/ctdb_), or whose set-up socket is _PATH_. The options may stand anywhere
on the line. With *-o json* each answer (of *events* each line) is one JSON object with a schema number, errors too; the schema is _/usr/share/ctdb-suite/ctdb-cli.schema.json_.
Within one number only additions are made.

# COMMANDS

'''
TAIL = r'''# EXIT STATUS

0 done, with *status*: healthy; 1 failed; 2 wrong command line; 3 not healthy, or no answer within *--timeout*; 4 no daemon there; 78 wrong
configuration.

# EXAMPLES

```
ctdb-cli status
ctdb-cli wait --for=healthy --timeout 30
ctdb-cli -o json record get demo.tdb greeting
```

# SEE ALSO

*ctdb.target*(7), *ctdb.conf*(5), *nodes*(5)
'''


def plain(text):
    return re.sub(r"([\\*_`#~\[\]|+-])", r"\\\1", text)


def described(text):
    """Indented lines of the text stay lines, the others flow."""
    return "\n".join("\t" + plain(line) for line in text.replace("\n  ", "\n\n").split("\n")).replace("\t\n", "\n")


def page(rows):
    out = HEAD
    for name, arguments, short, details in rows:
        out += f"*{plain(name)}* {plain(arguments)}".rstrip() + f"\n{described(short)}.\n"
        if details:
            out += described(details) + "\n"
        out += "\n"
    return out + TAIL


with open(sys.argv[2], "w", encoding="utf-8") as made:
    made.write(page(rows(sys.argv[1])))
