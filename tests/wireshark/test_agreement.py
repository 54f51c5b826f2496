# SPDX-License-Identifier: GPL-3.0-or-later
"""The built-in dissector and ours say the same of every field that both know: over a classic cluster's capture, and over one of our
own nodes while records move between them, ten thousand packets or more."""
import gzip
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from make_expected import HERE
from tshark import ROOT, Home

sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))
from support import BIN, NetworkNamespace, start_cluster  # noqa: E402

PACKETS_MIN = 10000
ENOUGH_BYTES = 5000000
# The built-in's field: ours. What it calls data is too many things here; it hashes keys as in 2007 and shows nothing that is behind
# the first packet of a segment.
FIELDS = {
    "ctdb.len": ["ctdbx.length"], "ctdb.dst": ["ctdbx.dst"], "ctdb.src": ["ctdbx.src"], "ctdb.id": ["ctdbx.reqid"], "ctdb.opcode": ["ctdbx.operation"],
    "ctdb.magic": ["ctdbx.magic"], "ctdb.version": ["ctdbx.version"], "ctdb.generation": ["ctdbx.generation"],
    "ctdb.immediate": ["ctdbx.call_flags.immediate_migration"], "ctdb.dbid": ["ctdbx.db_id"], "ctdb.callid": ["ctdbx.req_call.callid"],
    "ctdb.keylen": ["ctdbx.req_call.keylen", "ctdbx.req_dmaster.keylen", "ctdbx.reply_dmaster.keylen"], "ctdb.key": ["ctdbx.key"],
    "ctdb.hopcount": ["ctdbx.hopcount"], "ctdb.rsn": ["ctdbx.rsn"], "ctdb.dmaster": ["ctdbx.dmaster"], "ctdb.ctrl_opcode": ["ctdbx.req_control.opcode"],
    "ctdb.srvid": ["ctdbx.srvid"], "ctdb.clientid": ["ctdbx.req_control.client_id"], "ctdb.ctrl_flags": ["ctdbx.req_control.flags"],
    "ctdb.errorlen": ["ctdbx.reply_control.errorlen"],
    "ctdb.datalen": ["ctdbx.req_call.calldatalen", "ctdbx.reply_call.datalen", "ctdbx.req_dmaster.datalen", "ctdbx.reply_dmaster.datalen",
                     "ctdbx.req_control.datalen", "ctdbx.reply_control.datalen"],
    "ctdb.status": ["ctdbx.status"], "ctdb.num_nodes": ["ctdbx.nodemap.count"],
}


def number(text):
    """Signed or unsigned, decimal or hexadecimal, it is the same word."""
    try:
        return int(text, 0) & 0xFFFFFFFFFFFFFFFF if int(text, 0) >= 0 else int(text, 0) & 0xFFFFFFFF
    except ValueError:
        return text


class Agreement(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.home = Home(self.directory.name)

    def values(self, capture, occurrence, fields, *options):
        """{frame: values}."""
        found = self.home.lines(capture, ["frame.number"] + fields, "-E", f"occurrence={occurrence}", *options)
        return {line[0]: line[1:] for line in found}

    def compare(self, capture):
        """The number of packets that both have shown, after every value they share was compared."""
        built_in = self.values(capture, "f", list(FIELDS), "-o", "ctdbx.take_over:FALSE", "-Y", "ctdb")
        ours = [field for fields in FIELDS.values() for field in fields]
        # Packets that share a segment are left out: their fields cannot be told apart here.
        alone = {frame for frame, values in self.values(capture, "a", ["ctdbx.length"], "-Y", "ctdbx").items() if "," not in values[0]}
        mine = self.values(capture, "f", ours, "-Y", "ctdbx")
        both, different = 0, []
        for frame, values in built_in.items():
            if frame not in alone or not values[0]:
                continue
            said = dict(zip(ours, mine[frame]))
            if number(values[0]) != number(said["ctdbx.length"]):
                continue  # the segment begins inside a packet, the built-in shows another one
            both += 1
            for (field, names), value in zip(FIELDS.items(), values):
                other = next((said[name] for name in names if said[name]), "")
                if value and other and number(value) != number(other):
                    different.append((frame, field, value, other))
        self.assertEqual(different[:20], [])
        return both, len(mine)

    def test_over_a_classic_clusters_capture(self):
        with gzip.open(os.path.join(HERE, "captures", "classic-tcp-cli.pcapng.gz")) as source:
            capture = self.home.place("classic.pcapng", source.read())
        # One is in several segments, which the built-in dissector does not put together.
        self.assertEqual(self.compare(capture), (3910, 3911))

    def test_over_ten_thousand_packets_of_our_own_cluster(self):
        namespace = NetworkNamespace()
        self.addCleanup(namespace.close)
        with tempfile.TemporaryDirectory() as directory:
            cluster = start_cluster(directory, self.addCleanup, namespace=namespace)
            capture = os.path.join(self.home.path, "own.pcapng")
            recorder = subprocess.Popen(namespace.wrap(["dumpcap", "-q", "-i", "lo", "-f", "tcp", "-w", capture]), stderr=subprocess.PIPE)
            self.addCleanup(lambda: recorder.poll() is None and recorder.kill())
            counters = [subprocess.Popen([f"{BIN}/ctdb-increment", "--setup", node.setup_socket, "--db", "agree.tdb", "--key", key, "--count", "1000000000"],
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.PIPE)
                        for node in cluster.nodes for key in ("a", "b")]
            for process in counters:
                self.addCleanup(process.wait)
                self.addCleanup(process.kill)
            deadline = time.monotonic() + 240
            recorded = 0
            while recorded < ENOUGH_BYTES and time.monotonic() < deadline:
                self.assertIsNone(recorder.poll())
                recorded = os.path.getsize(capture) if os.path.exists(capture) else 0
                time.sleep(0.1)
            recorder.send_signal(signal.SIGINT)
            recorder.communicate(timeout=60)
            os.chmod(capture, 0o644)
        both, _ = self.compare(capture)
        self.assertGreaterEqual(both, PACKETS_MIN)
        complaints = self.home.lines(capture, ["frame.number", "_ws.expert.message"], "-Y",
                                     "ctdbx.expert.too_short || ctdbx.expert.unexplained || ctdbx.expert.granted_twice || ctdbx.expert.rsn_back")
        self.assertEqual(complaints, [])


if __name__ == "__main__":
    unittest.main()
