# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files are ours, for the checks of this folder."""
import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PRODUCT = ("libctdbipc", "libctdbshare", "ctdb-router", "ctdb-store", "ctdb-recoveryd", "ctdb-cli", "wireshark")
CODE = (".h", ".cc", ".c", ".def")


def files(folders, endings):
    """Paths below the root, sorted."""
    found = []
    for folder in folders:
        for where, below, names in os.walk(os.path.join(ROOT, folder)):
            below[:] = [name for name in below if name not in ("build", "__pycache__", "corpus")]
            found += [os.path.relpath(os.path.join(where, name), ROOT) for name in names if name.endswith(endings)]
    return sorted(found)


def text_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as source:
        return source.read()
