# SPDX-License-Identifier: GPL-3.0-or-later
"""The built-in dissector and ours say the same of every field that both know: over a classic cluster's capture, and over one of our
own nodes while records move between them, ten thousand packets or more."""
import collections
import gzip
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import samples
from make_expected import HERE
from pcap import pcap, upper_pdu
from tshark import ROOT, Home

sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))
from support import BIN, NetworkNamespace, start_cluster  # noqa: E402

PACKETS_MIN = 10000
ENOUGH_BYTES = 5000000
# The built-in's field: ours.
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
    "ctdb.data": [f"ctdbx.{packet}.data" for packet in ("req_call", "reply_call", "req_dmaster", "reply_dmaster", "req_control", "reply_control")],
    "ctdb.error": ["ctdbx.reply_control.error"], "ctdb.pid": ["ctdbx.i32.value"],
    "ctdb.status": ["ctdbx.status"], "ctdb.recmaster": ["ctdbx.status"], "ctdb.recmode": ["ctdbx.status"], "ctdb.process_exists": ["ctdbx.status"],
    # The first node of the map; from the second on the built-in reads past the end of what it takes for an entry, 24 bytes instead of 36
    # (wireshark §1.3).
    "ctdb.num_nodes": ["ctdbx.nodemap.count"], "ctdb.vnn": ["ctdbx.node_and_flags.pnn"], "ctdb.node_flags": ["ctdbx.node_and_flags.flags"],
    "ctdb.node_ip": ["ctdbx.address.ipv4"],
    "ctdb.request_in": ["ctdbx.request_in"], "ctdb.response_in": ["ctdbx.reply_in"], "ctdb.time": ["ctdbx.time"],
}
MATCHING = ("ctdb.request_in", "ctdb.response_in", "ctdb.time")
WRONG = {
    "ctdb.keyhash": "the hash of 2007, where the protocol's is Jenkins' (wireshark §1.3, wire-protocol §6.1); no packet holds it",
    "ctdb.too_many_nodes": "a complaint of its own, about the second entry of a map as it reads it (see ctdb.vnn), and about the text of a failure",
}


def number(text):
    """Signed or unsigned, decimal or hexadecimal, it is the same word."""
    try:
        return int(text, 0) & 0xFFFFFFFFFFFFFFFF if int(text, 0) >= 0 else int(text, 0) & 0xFFFFFFFF
    except ValueError:
        return text


def same(field, theirs, ours):
    if field == "ctdb.error":  # bytes to one, a text to the other
        return bytes.fromhex(theirs) == ours.encode()
    return number(theirs) == number(ours)


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
        """(packets that both have shown, all of ours, {field: values compared}), after every value they share was compared."""
        built_in = self.values(capture, "f", list(FIELDS), "-2", "-o", "ctdbx.take_over:FALSE", "-Y", "ctdb")
        ours = sorted({field for fields in FIELDS.values() for field in fields} | {"ctdbx.exchange"})
        # Packets that share a segment are left out: their fields cannot be told apart here.
        alone = {frame for frame, values in self.values(capture, "a", ["ctdbx.length"], "-Y", "ctdbx").items() if "," not in values[0]}
        mine = {frame: dict(zip(ours, values)) for frame, values in self.values(capture, "f", ours, "-2", "-Y", "ctdbx").items()}
        redirected = {said["ctdbx.exchange"] for said in mine.values() if said["ctdbx.hopcount"] not in ("", "0")}
        both, different, compared = 0, [], collections.Counter()
        for frame, values in built_in.items():
            if frame not in alone or not values[0]:
                continue
            said = mine[frame]
            if number(values[0]) != number(said["ctdbx.length"]):
                continue  # the segment begins inside a packet, the built-in shows another one
            both += 1
            theirs = dict(zip(FIELDS, values))
            unseen = {said["ctdbx.request_in"], said["ctdbx.reply_in"], theirs["ctdb.request_in"], theirs["ctdb.response_in"]} - alone - {""}
            for (field, names), value in zip(FIELDS.items(), values):
                other = next((said[name] for name in names if said[name]), "")
                # A call that was sent on is to the built-in another request (wire-protocol §4.1: it is the same, one hop further); and of a
                # segment it knows the first packet only, of a packet in several segments the first piece (wireshark §1.3).
                if not value or not other or (field in MATCHING and (said["ctdbx.exchange"] in redirected or unseen)):
                    continue
                compared[field] += 1
                if not same(field, value, other):
                    different.append((frame, field, value, other))
        self.assertEqual(different[:20], [])
        return both, len(mine), compared

    def test_no_field_is_left_out_but_for_a_reason(self):
        known = {line.split("\t")[2] for line in self.home.text("-G", "fields").splitlines() if line.startswith("F\t")}
        self.assertEqual({field for field in known if field.startswith("ctdb.")}, set(FIELDS) | set(WRONG))

    def test_over_a_sample_of_everything(self):
        packets = samples.controls() + samples.golden() + samples.messages()
        capture = self.home.place("samples.pcap", pcap([upper_pdu(packet) for packet in packets]))
        both, _, compared = self.compare(capture)
        self.assertGreater(both, 450)
        self.assertEqual(set(FIELDS) - set(compared), set())

    def test_over_a_classic_clusters_capture(self):
        with gzip.open(os.path.join(HERE, "captures", "classic-tcp-cli.pcapng.gz")) as source:
            capture = self.home.place("classic.pcapng", source.read())
        # One is in several segments, which the built-in dissector does not put together.
        both, ours, compared = self.compare(capture)
        self.assertEqual((both, ours), (3910, 3911))
        # What its tool never asked for: the samples have it.
        self.assertEqual(set(FIELDS) - set(compared), {"ctdb.error", "ctdb.pid", "ctdb.process_exists", "ctdb.recmaster"})

    def test_over_ten_thousand_packets_of_our_own_cluster(self):
        namespace = NetworkNamespace()
        self.addCleanup(namespace.close)
        with tempfile.TemporaryDirectory() as directory:
            cluster = start_cluster(directory, self.addCleanup, namespace=namespace)
            capture = os.path.join(self.home.path, "own.pcapng")
            recorder = subprocess.Popen(namespace.wrap(["dumpcap", "-q", "-B", "256", "-i", "lo", "-f", "tcp", "-w", capture]), stderr=subprocess.PIPE)
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
        both, _, _ = self.compare(capture)
        self.assertGreaterEqual(both, PACKETS_MIN)
        complaints = self.home.lines(capture, ["frame.number", "_ws.expert.message"], "-Y",
                                     "ctdbx.expert.too_short || ctdbx.expert.unexplained || ctdbx.expert.granted_twice || ctdbx.expert.rsn_back")
        self.assertEqual(complaints, [])


if __name__ == "__main__":
    unittest.main()
