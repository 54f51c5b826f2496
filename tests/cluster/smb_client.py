# SPDX-License-Identifier: GPL-3.0-or-later
"""An SMB client that does what it is told on standard input and says how it ended: for the system's Python, which has Samba's
bindings (package python3-samba).

    smb_client.py ADDRESS
    open NAME ACCESS SHARE    r, w, d letters each; "-" for none. Answers with a number.
    close NUMBER
    write NUMBER TEXT [AT]    at that offset, or 0
    read NUMBER
    quit
Each line is answered with "ok ..." or "NT_STATUS_...".
"""
import sys

from samba import NTSTATUSError, credentials
from samba.samba3 import libsmb_samba_internal as libsmb
from samba.samba3 import param

READ, WRITE, DELETE = 0x1, 0x2, 0x10000
SHARE = {"r": libsmb.FILE_SHARE_READ, "w": libsmb.FILE_SHARE_WRITE, "d": libsmb.FILE_SHARE_DELETE}
ACCESS = {"r": READ, "w": WRITE, "d": DELETE}
OPEN_OR_MAKE = 3


def bits(letters, table):
    return sum(table[letter] for letter in letters if letter != "-")


def connect(address):
    options = param.get_context()
    options.load("/dev/null")
    who = credentials.Credentials()
    who.set_domain("TEST")
    who.set_workstation("client")
    who.set_username("root")
    who.set_password("secret")
    return libsmb.Conn(address, "share", lp=options, creds=who)


def serve(connection, word, arguments):
    if word == "open":
        name, access, share = arguments
        return connection.create(name, DesiredAccess=bits(access, ACCESS), ShareAccess=bits(share, SHARE),
                                 CreateDisposition=OPEN_OR_MAKE)
    if word == "close":
        connection.close(int(arguments[0]))
        return ""
    if word == "write":
        connection.write(int(arguments[0]), arguments[1].encode(), int(arguments[2]) if len(arguments) > 2 else 0)
        return ""
    if word == "read":
        return connection.read(int(arguments[0]), 0, 1 << 16).decode()
    raise SystemExit(f"smb_client: unknown word {word}")


def main():
    connection = connect(sys.argv[1])
    print("ok", flush=True)
    for line in sys.stdin:
        word, *arguments = line.split()
        if word == "quit":
            return
        try:
            print("ok", serve(connection, word, arguments), flush=True)
        except NTSTATUSError as error:
            print(error.args[1].split()[0].strip("{}") if len(error.args) > 1 else error, hex(error.args[0] & 0xFFFFFFFF),
                  flush=True)


main()
