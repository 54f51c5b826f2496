# SPDX-License-Identifier: GPL-3.0-or-later
"""Read-only copies: every node reads a record without a packet, a writer waits until nobody does, whatever becomes of a node that
read; through the C API and, turned on with the ctdb tool, through the classic socket."""
import signal
import tempfile
import unittest

from bystanders import leave_alone
from support import Undisturbed, end_client, run_tool, start_cluster, start_counting, wait_until

READS = 1000


class Reader:
    """A client that reads and writes one record of one node as it is told (ctdb-read)."""

    def __init__(self, test, node, api, database, key, reads=READS, **options):
        self.process = start_counting(test, "ctdb-read", node, api, database, key, reads, **options)

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self):
        """(value, calls put to the store so far)"""
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("ctdb-read has ended: " + self.process.stderr.read())
        value, calls = line.rsplit(" ", 1)
        return value, int(calls)

    def read(self):
        """As often as it is to."""
        self.tell("read")
        return self.answer()

    def write(self, value):
        self.tell("write " + value)
        return self.answer()


class ReadCopiesTest(Undisturbed):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-read-copies-")
        self.addCleanup(directory.cleanup)
        self.cluster = start_cluster(directory.name, self.addCleanup)

    def readers(self, api, database, **options):
        return [Reader(self, node, api, database, "key", **options) for node in range(3)]

    def everybody_reads_without_asking(self, readers, value):
        before = [reader.read() for reader in readers]
        self.assertEqual([seen for seen, _ in before], [value] * len(readers))
        # The last of them to come may have ended what the others had: once more for those.
        wait_until(lambda: [reader.read() for reader in readers] == [reader.read() for reader in readers],
                   "nobody asks any more")
        after = [reader.read() for reader in readers]
        self.assertEqual([seen for seen, _ in after], [value] * len(readers))

    def check_rounds(self, readers):
        for turn in range(6):
            value = f"value {turn}"
            readers[turn % 3].write(value)
            self.everybody_reads_without_asking(readers, value)

    def test_native_clients_read_what_was_written_last(self):
        self.check_rounds(self.readers("native", "native.tdb", **{"read-copies": 1}))

    def test_a_record_that_many_read_gets_copies_by_itself(self):
        readers = self.readers("native", "hot.tdb")
        readers[0].write("hot")
        self.everybody_reads_without_asking(readers, "hot")
        readers[1].write("hotter")
        self.everybody_reads_without_asking(readers, "hotter")

    def test_classic_clients_of_a_database_that_the_tool_turned_on(self):
        readers = self.readers("classic", "classic.tdb")
        for reader in readers:
            reader.write("begin")
        tool = run_tool(self.cluster.nodes[0], "setdbreadonly", "classic.tdb")
        self.assertEqual(tool.returncode, 0, tool.stderr)
        for node in self.cluster.nodes:
            wait_until(lambda: "READONLY" in run_tool(node, "getdbmap").stdout, "every node has heard of it")
        self.check_rounds(readers)
        self.detached_while_everybody_has_a_copy("classic.tdb")

    def detached_while_everybody_has_a_copy(self, name):
        """Ends the classic daemon of every node (cluster-semantics §20.3)."""
        nodes = self.cluster.nodes
        for node in nodes:
            self.assertEqual(run_tool(node, "setvar", "AllowClientDBAttach", "0").returncode, 0)
            self.addCleanup(run_tool, node, "setvar", "AllowClientDBAttach", "1")
        pids = [node.daemons["ctdb-store"].pid for node in nodes]
        tool = run_tool(nodes[1], "detach", name)
        self.assertEqual(tool.returncode, 0, tool.stderr)
        for node in nodes:
            wait_until(lambda: name not in run_tool(node, "getdbmap").stdout, "every node has let it go")
        self.assertEqual([node.daemons["ctdb-store"].pid for node in nodes], pids)

    def test_a_reader_that_is_stopped_or_dead_does_not_keep_a_writer_for_ever(self):
        readers = self.readers("native", "lost.tdb", **{"read-copies": 1})
        readers[0].write("before")
        self.everybody_reads_without_asking(readers, "before")
        store = self.cluster.nodes[2].daemons["ctdb-store"]
        leave_alone(self.cluster, (0, 1))
        store.signal(signal.SIGSTOP)
        try:
            # The node is left out, for it does not answer; its clients ask, and wait.
            readers[0].write("while it is stopped")
            self.assertEqual(readers[1].read()[0], "while it is stopped")
            readers[2].tell("read")
        finally:
            store.signal(signal.SIGCONT)
        self.assertEqual(readers[2].answer()[0], "while it is stopped")
        self.cluster.wait_healthy()
        self.everybody_reads_without_asking(readers, "while it is stopped")
        end_client(readers[1].process)
        leave_alone(self.cluster, (0, 2))
        self.cluster.nodes[1].kill()
        readers[0].write("when it is dead")
        self.assertEqual(readers[2].read()[0], "when it is dead")
        self.cluster.nodes[1].start()
        self.cluster.wait_healthy()
        back = Reader(self, 1, "native", "lost.tdb", "key")
        self.assertEqual(back.read()[0], "when it is dead")

    def test_the_owner_dies_while_others_read(self):
        readers = self.readers("native", "owner.tdb", **{"read-copies": 1})
        readers[0].write("the only value")
        self.everybody_reads_without_asking(readers, "the only value")
        end_client(readers[0].process)
        self.cluster.nodes[0].kill()
        self.assertEqual(readers[1].read()[0], "the only value")
        readers[2].write("newer")
        self.assertEqual(readers[1].read()[0], "newer")


if __name__ == "__main__":
    unittest.main()
