# SPDX-License-Identifier: GPL-3.0-or-later
"""`ctdb-cli db`: whole databases saved, wiped and restored, and their files checked, repaired and made compact."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from support import BIN, Undisturbed, start_cluster, tool_again, wait_until

KINDS = ("volatile", "persistent", "replicated")


class DatabaseFilesCase(Undisturbed):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="ctdb-files-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.cluster = start_cluster(cls.directory.name, cls.addClassCleanup)

    def cli(self, node, *words, status=0):
        done = self.cluster.nodes[node].cli(*words)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def json(self, node, *words, status=0):
        done = self.cluster.nodes[node].cli("-o", "json", *words)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def tool(self, node, *words):
        done = tool_again(self.cluster, node, *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def fill(self, kind, name, count=30):
        self.tool(0, "attach", name, *([] if kind == "volatile" else [kind]))
        for number in range(count):
            command = "writekey" if kind == "volatile" else "pstore"
            self.tool(number % 3, command, name, f"key{number}", f"value {number}")

    def records(self, node, name):
        rows = self.json(node, "db", "dump", name)["records"]
        return {row["key"]: row["value"] for row in rows if not row["key"].startswith("hex:5f5f64625f73")}

    def path(self, *parts):
        return os.path.join(self.directory.name, *parts)


class DatabaseFilesTest(DatabaseFilesCase):
    NO_RECOVERIES = True

    def test_saved_wiped_and_restored(self):
        for kind in KINDS:
            with self.subTest(kind):
                name, file = f"saved-{kind}.tdb", self.path(kind)
                self.fill(kind, name)
                before = self.records(0, name)
                self.assertEqual(len([key for key in before if key.startswith("key")]), 30)
                self.assertIn("is saved in", self.cli(1, "db", "backup", name, file))
                self.assertEqual(self.cli(2, "db", "wipe", name), f"{name} is empty\n")
                self.assertEqual(self.json(0, "db", "dump", name)["count"], 0)
                self.assertIn("has what it had on", self.cli(0, "db", "restore", file))
                for node in range(3):
                    self.assertEqual(self.records(node, name), before)
                self.cli(1, "db", "restore", file, f"other-{kind}.tdb")
                self.assertEqual(self.records(2, f"other-{kind}.tdb"), before)

    def test_who_gives_up_leaves_nothing_frozen(self):
        name = "gives-up.tdb"
        self.cli(0, "record", "put", name, "free", "value")
        at = self.cluster.nodes[1]
        holder = subprocess.Popen([f"{BIN}/ctdb-increment", "--setup", at.setup_socket, "--db", name, "--key", "held",
                                   "--hold", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(holder.kill)
        self.assertEqual(holder.stdout.readline(), "locked\n")
        # Where it gets to within that second is a matter of the machine.
        wait_until(lambda: "node 1" in self.cli(0, "--timeout", "1", "db", "wipe", name, status=3), "it waits for the record that is held")
        for node in (2, 1, 0):
            self.cli(node, "record", "put", name, "free", "moves again")
        holder.communicate("")

    def test_debians_tool_reads_our_backups_and_we_read_its(self):
        for kind in KINDS:
            with self.subTest(kind):
                name, ours, theirs = f"shared-{kind}.tdb", self.path(kind + ".ours"), self.path(kind + ".theirs")
                self.fill(kind, name)
                if kind == "volatile":  # the tool saves what its node's file has
                    for number in range(30):
                        self.tool(0, "readkey", name, f"key{number}")
                before = self.records(0, name)
                self.cli(0, "db", "backup", name, ours)
                self.tool(0, "backupdb", name, theirs)
                dumps = [self.tool(0, "dumpdbbackup", file) for file in (ours, theirs)]
                keys = [sorted(re.findall(r"^key\(\d+\) = .*$", dump, re.M)) for dump in dumps]
                self.assertEqual(keys[0], keys[1])
                self.tool(1, "restoredb", ours)
                self.assertEqual(self.records(2, name), before)
                self.cli(1, "db", "wipe", name)
                self.cli(1, "db", "restore", theirs)
                self.assertEqual(self.records(0, name), before)

    def test_what_is_no_backup_changes_nothing(self):
        self.fill("persistent", "kept.tdb", 3)
        before = self.records(0, "kept.tdb")
        good, bad = self.path("good"), self.path("bad")
        self.cli(0, "db", "backup", "kept.tdb", good)
        with open(good, "rb") as source:
            content = source.read()
        for wrong in (b"", content[:50], content[:-1], b"\x01" + content[1:], content + b"x"):
            with open(bad, "wb") as out:
                out.write(wrong)
            self.assertIn("not a backup of a database", self.cli(0, "db", "restore", bad, status=1))
        # Who mixes up the arguments, or names a database where a file is meant, hears what is meant.
        self.assertIn("'db restore FILE [DB]' reads it", self.cli(0, "db", "restore", "leaving.tdb", self.path("nowhere"), status=1))
        self.assertIn("'db check' shows this node's files", self.cli(0, "db", "repair", "leaving.tdb", status=1))
        self.assertIn("no database", self.cli(0, "db", "wipe", "nowhere.tdb", status=1))
        self.assertEqual(self.records(0, "kept.tdb"), before)

    def test_files_are_checked_while_they_are_used(self):
        self.fill("volatile", "check-v.tdb")
        self.fill("persistent", "check-p.tdb")
        rows = {row["database"]: row for row in self.json(0, "db", "check")["files"]}
        self.assertEqual(rows["check-p.tdb"]["records"], 31)
        self.assertGreater(rows["check-p.tdb"]["file_bytes"], rows["check-p.tdb"]["data_bytes"])
        self.assertEqual({row["damage"] for row in rows.values()}, {None})
        self.assertEqual(len(self.json(0, "db", "check", "check-v.tdb")["files"]), 1)
        self.assertIn("no database", self.cli(0, "db", "check", "nowhere.tdb", status=1))

    def test_a_damaged_file_is_told_and_repaired(self):
        self.fill("persistent", "damaged.tdb", 60)
        file = self.path("copy.tdb")
        live = self.json(0, "db", "check", "damaged.tdb")["files"][0]["file"]
        with open(live, "rb") as source:
            content = bytearray(source.read())
        at = content.index(b"key30")
        content[at - 20:at + 60] = b"\xa5" * 80
        with open(file, "wb") as out:
            out.write(content)
        self.assertIn("its structure is damaged", self.cli(0, "db", "check", file, status=1))
        self.assertIn("has what could be found", self.cli(0, "db", "repair", file))
        repaired = self.json(0, "db", "check", file + ".repaired")["files"][0]
        self.assertGreater(repaired["records"], 20)
        self.assertIn("is there already", self.cli(0, "db", "repair", file, status=1))
        os.unlink(file + ".repaired")
        with open(file, "wb") as out:
            out.write(b"%PDF-1.4 not a database at all" * 100)
        for command in ("check", "repair"):
            self.assertIn("it is no database", self.cli(0, "db", command, file, status=1))

    def test_a_file_of_a_volatile_database_too(self):
        """It has mutexes, which libtdb does not open like other files. They are what is put aside as .corrupted., too."""
        self.fill("volatile", "mutexes.tdb", 60)
        live = self.json(0, "db", "check", "mutexes.tdb")["files"][0]
        file = self.path("volatile.tdb")
        shutil.copy(live["file"], file)
        checked = self.json(0, "db", "check", file)["files"][0]
        self.assertEqual((checked["records"], checked["damage"]), (live["records"], None))
        self.assertIn("has what could be found", self.cli(0, "db", "repair", file))
        self.assertEqual(self.json(0, "db", "check", file + ".repaired")["files"][0]["records"], live["records"])
        for command in ("check", "repair"):
            self.assertIn("is in use", self.cli(0, "db", command, live["file"], status=1))


class StoppedTest(DatabaseFilesCase):
    def test_a_file_is_made_compact_when_the_node_is_stopped(self):
        name = "big.tdb"
        self.fill("persistent", name, 1)
        for number in range(6):
            self.tool(0, "pstore", name, f"large{number}", "x" * 100_000)
        for number in range(5):
            self.tool(0, "pdelete", name, f"large{number}")
        before = self.records(0, name)
        path = self.json(1, "db", "check", name)["files"][0]["file"]
        self.assertIn("stop them first", self.cli(1, "db", "compact", path, status=1))
        self.cluster.nodes[1].stop()
        size = os.path.getsize(path)
        # As a service's user would have it; by another name.
        os.chmod(path, 0o640)
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)
        os.symlink(path, self.path("link"))
        before_it = os.stat(path)
        self.assertIn("is compact", self.cli(1, "db", "compact", self.path("link")))
        after_it = os.stat(path)
        self.assertLess(after_it.st_size, size / 2)
        self.assertEqual((after_it.st_uid, after_it.st_gid, after_it.st_mode), (before_it.st_uid, before_it.st_gid, before_it.st_mode))
        self.assertTrue(os.path.islink(self.path("link")))
        self.cluster.nodes[1].start()
        self.cluster.wait_healthy()
        wait_until(lambda: self.records(1, name) == before, "the records are there")
        self.tool(1, "pstore", name, "more", "x")
        self.assertEqual(self.records(2, name)["more"], "x")


if __name__ == "__main__":
    unittest.main()
