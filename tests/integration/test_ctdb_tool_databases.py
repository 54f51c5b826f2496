# SPDX-License-Identifier: GPL-3.0-or-later
"""Database commands of Debian's unmodified `ctdb` tool that test_ctdb_tool.py has not: their output on our nodes is that on Debian's own
ctdbd, with what is wrong too."""
import os
import re
import tempfile
import unittest

import test_ctdb_tool
from test_ctdb_tool import TwoSystems, masked, sorted_records


def setUpModule():
    test_ctdb_tool.setUpModule()


def of_one_database(name):
    """Only what a list says of it: others come and go with other tests."""
    path = re.compile(r"\|/\S+/")
    return lambda text: "\n".join(path.sub("|DIR/", line) for line in masked(text).split("\n") if name in line)


class DatabaseCommandsTest(TwoSystems):
    def test_attach_with_every_word(self):
        for words in ((), ("persistent",), ("replicated",), ("readonly",), ("sticky",)):
            name = f"attached-{'-'.join(words) or 'plain'}.tdb"
            with self.subTest(name):
                self.ok(1, "attach", name, *words)
                for node in (0, 1, 2):
                    self.ok(node, "getdbmap", mask=of_one_database(name))
                    self.ok(node, "-X", "getdbmap", mask=of_one_database(name))
                    self.ok(node, "-Y", "getdbmap", mask=of_one_database(name))
                    self.ok(node, "getdbstatus", name)
        self.assertNotEqual(self.both(0, "attach").returncode, 0)
        self.assertNotEqual(self.both(0, "attach", "nonsense.tdb", "nonsense").returncode, 0)

    def test_by_number(self):
        self.ok(0, "attach", "numbered.tdb")
        number = re.search(r"dbid:(0x[0-9a-f]+) name:numbered.tdb", self.ok(0, "getdbmap")).group(1)
        self.ok(0, "writekey", number, "key", "value")
        for command in (("getdbstatus", number), ("readkey", number, "key"), ("getdbseqnum", number), ("catdb", number),
                        ("getdbstatus", "0x12345678"), ("readkey", "0x12345678", "key")):
            self.both(1, *command, mask=sorted_records if command[0] == "catdb" else masked)

    def test_attributes(self):
        for node, command in ((0, "setdbreadonly"), (1, "setdbsticky")):
            name = f"{command}.tdb"
            self.ok(0, "attach", name)
            self.ok(node, command, name)
            self.ok(node, "getdbstatus", name)
            self.ok(node, "getdbmap", mask=of_one_database(name))
            self.ok(0, "writekey", name, "key", "value")
            for reader in (1, 2, 0):
                self.ok(reader, "readkey", name, "key", "readonly")
            self.ok(2, "writekey", name, "key", "other")
            self.ok(1, "readkey", name, "key")

    def test_local_files(self):
        for kind, write in (("plain", "writekey"), ("persistent", "pstore")):
            name = f"local-{kind}.tdb"
            self.ok(0, "attach", name, *([] if kind == "plain" else [kind]))
            for key in ("a", "b c", 'quoted "', "back\\slash", "ü"):
                self.ok(0, write, name, key, f"value of {key}")
            for node in (0, 1):
                # A classic daemon's file has empty records of what lives elsewhere, too.
                if node == 0 or kind == "persistent":
                    self.ok(node, "cattdb", name, mask=sorted_records)
                self.ok(node, "catdb", name, mask=sorted_records)

    def test_files_are_read_and_written(self):
        """tfetch and tstore: one record of a tdb file, without any daemon."""
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "some.tdb")
            self.both(0, "tstore", file, "key", "value")
            self.ok(0, "attach", "stored.tdb", "persistent")
            self.ok(0, "pstore", "stored.tdb", "key", "value")
            paths = [re.search(r"path: (\S+)", run(0, "getdbstatus", "stored.tdb").stdout).group(1)
                     for run in (self.tool, test_ctdb_tool.CLASSIC.tool)]
            ours, theirs = (run(0, "tfetch", path, "key") for run, path in
                            zip((self.tool, test_ctdb_tool.CLASSIC.tool), paths))
            self.assertEqual((ours.returncode, masked(ours.stdout), masked(ours.stderr)),
                             (theirs.returncode, masked(theirs.stdout), masked(theirs.stderr)))
            self.assertEqual(ours.returncode, 0)

    def test_the_sequence_number(self):
        self.ok(0, "attach", "counted.tdb", "persistent")
        for number in range(3):
            self.ok(number, "getdbseqnum", "counted.tdb")
            self.ok(number, "pstore", "counted.tdb", "key", str(number))
        self.ok(2, "pstore", "counted.tdb", "key", "2")  # what is there already
        self.ok(0, "getdbseqnum", "counted.tdb")
        self.ok(0, "attach", "uncounted.tdb")
        self.ok(0, "getdbseqnum", "uncounted.tdb")

    def test_changes_from_the_standard_input_and_odd_ones(self):
        self.ok(0, "attach", "odd.tdb", "replicated")
        with tempfile.NamedTemporaryFile("w") as changes:
            changes.write('"0x6b6579" "0x31"\n\t"tab"\t"t"\n"empty" ""\n"two" "words here"\n"unfinished\n')
            changes.flush()
            self.both(0, "ptrans", "odd.tdb", changes.name)
        for key in ("key", "tab", "empty", "two", "0x6b6579", "none"):
            self.both(1, "pfetch", "odd.tdb", key)
        self.ok(2, "catdb", "odd.tdb", mask=sorted_records)
        self.ok(0, "pdelete", "odd.tdb", "none")
        self.assertNotEqual(self.both(0, "ptrans", "odd.tdb", "/nonexistent").returncode, 0)

    def test_what_is_wrong(self):
        self.ok(0, "attach", "right.tdb")
        self.ok(0, "attach", "right-pers.tdb", "persistent")
        for command in (("pfetch", "right.tdb", "k"), ("pdelete", "right.tdb", "k"), ("pstore", "right.tdb", "k", "v"),
                        ("ptrans", "right.tdb", "/dev/null"),
                        ("readkey", "right-pers.tdb", "k"), ("writekey", "right-pers.tdb", "k", "v"),
                        ("deletekey", "right-pers.tdb", "k"), ("detach", "right-pers.tdb"), ("detach", "nowhere.tdb"),
                        ("setdbreadonly", "nowhere.tdb"), ("setdbsticky", "nowhere.tdb"), ("dbstatistics", "nowhere.tdb"),
                        ("getdbseqnum", "nowhere.tdb"), ("catdb", "nowhere.tdb"), ("cattdb", "nowhere.tdb"),
                        ("wipedb", "nowhere.tdb"), ("backupdb", "nowhere.tdb", "/nonexistent/file"),
                        ("backupdb", "right.tdb", "/nonexistent/file"), ("restoredb", "/nonexistent/file"),
                        ("restoredb", "/etc/passwd"), ("dumpdbbackup", "/etc/passwd"), ("readkey", "right.tdb"),
                        ("writekey", "right.tdb", "k"), ("deletekey", "right.tdb"), ("pfetch", "right-pers.tdb"),
                        ("getdbstatus",), ("catdb",), ("tfetch", "/nonexistent", "k")):
            with self.subTest(" ".join(command)):
                self.both(0, *command)

    def test_records_that_are_not_there(self):
        self.ok(0, "attach", "empty.tdb")
        self.ok(0, "attach", "empty-pers.tdb", "persistent")
        for command in (("readkey", "empty.tdb", "none"), ("deletekey", "empty.tdb", "none"), ("catdb", "empty.tdb"),
                        ("readkey", "empty.tdb", ""), ("pfetch", "empty-pers.tdb", "none"),
                        ("pdelete", "empty-pers.tdb", "none"), ("catdb", "empty-pers.tdb"), ("cattdb", "empty-pers.tdb")):
            with self.subTest(" ".join(command)):
                self.both(2, *command, mask=sorted_records if "cat" in command[0] else masked)


if __name__ == "__main__":
    unittest.main()
