# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes ctdb-cli(1) from the table of commands, so that there is no second copy of it.
   ctdb_cli_page.py COMMANDS.DEF PAGE"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ctdb-cli"))

from command_table import rows  # noqa: E402

HEAD = r'''.\" Made from ctdb-cli/commands.def.
.TH CTDB-CLI 1 "" "CTDB suite 0.1.0"
.SH NAME
ctdb-cli \- looks at a node of a CTDB cluster and works on its records
.SH SYNOPSIS
.B ctdb-cli
.RB [ \-\-base
.IR DIR | \fB\-\-socket\fR
.IR PATH ]
.RB [ \-o
.BR table | json ]
.RB [ \-\-timeout
.IR SECONDS ]
.I COMMAND
\&...
.SH DESCRIPTION
The node is the one whose
.I ctdb.conf
and
.I nodes
are in
.I DIR
(default
.IR /etc/ctdb ),
or whose set-up socket is
.IR PATH .
The options may stand anywhere on the line. With
.B \-o json
each answer is one JSON object with a schema number, errors too; the schema is
.IR /usr/share/ctdb-suite/ctdb-cli.schema.json .
Within one number only additions are made.
.SH COMMANDS
'''
TAIL = r'''.SH EXIT STATUS
0 done, with
.BR status :
healthy; 1 failed; 2 wrong command line; 3 not healthy, or no answer within
.BR \-\-timeout ;
4 no daemon there; 78 wrong configuration.
.SH EXAMPLES
.nf
ctdb\-cli status
ctdb\-cli wait \-\-for=healthy \-\-timeout 30
ctdb\-cli \-o json record get demo.tdb greeting
.fi
.SH SEE ALSO
.BR ctdb.target (7),
.BR ctdb-configuration (5)
'''
def troff(text):
    lines = text.replace("\\", "\\e").replace("-", "\\-").split("\n")
    return "\n".join("\\&" + line if line.startswith((".", "'")) else line for line in lines)


def page(rows):
    out = HEAD
    for name, arguments, short, details in rows:
        out += f".TP\n\\fB{troff(name)}\\fR {troff(arguments)}".rstrip() + f"\n{troff(short)}.\n"
        if details:
            out += troff(details.replace("\n  ", "\n.br\n  ")).replace("\\&.br", ".br") + "\n"
    return out + TAIL


with open(sys.argv[2], "w") as made:
    made.write(page(rows(sys.argv[1])))
