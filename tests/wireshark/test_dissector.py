# SPDX-License-Identifier: GPL-3.0-or-later
"""The plugin in tshark: every operation, control and message of the protocol, and the built-in dissector beside it."""
import os
import re
import struct
import tempfile
import unittest

import samples
from make_expected import CAPTURES, expected_captures, expected_path, json_of, lines_of, place_capture, text_of
from pcap import ETHERNET, RoceStream, TcpStream, pcap, ring_frame, upper_pdu
from tshark import PLUGIN, ROOT, Home

COMPLAINTS = ("bad_magic", "bad_version", "bad_length", "too_short", "unexplained", "too_many", "unknown_operation", "unknown_control",
              "no_request", "second_reply", "hop_back", "rsn_back", "granted_twice", "old_generation")


with open(os.path.join(ROOT, "wireshark", "experts.def"), encoding="utf-8") as table:
    EXPERTS = re.findall(r"^CTDBX_EXPERT\((\w+),", table.read(), re.M)


class Tshark(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.directory.cleanup)
        cls.home = Home(cls.directory.name)

    def upper(self, packets, name="upper.pcap"):
        return self.home.place(name, pcap([upper_pdu(packet) for packet in packets]))

    def tcp(self, segments, port=4379, name="tcp.pcap"):
        stream = TcpStream(port)
        return self.home.place(name, pcap([stream.segment(segment) for segment in segments], ETHERNET))

    def complaints(self, packets):
        """Names of the expert infos of a capture (its name, or packets), in its order."""
        capture = packets if isinstance(packets, str) else self.upper(packets, "complaints.pcap")
        wanted = [f"ctdbx.expert.{name}" for name in EXPERTS]
        found = self.home.lines(capture, ["frame.number"] + wanted, "-2")
        return [name.rsplit(".", 1)[1] for line in found for name, value in zip(wanted, line[1:]) if value]


class Tables(Tshark):
    def values_of(self, field):
        found = {}
        for line in self.home.text("-G", "values").splitlines():
            word = line.split("\t")
            if word[0] == "V" and word[1] == field:
                found[int(word[2], 0)] = word[3]
        return found

    def test_every_operation_of_the_protocol_has_its_name(self):
        self.assertEqual(self.values_of("ctdbx.operation"), {row[0]: row[1] for row in samples.rows("OPERATION")})

    def test_every_control_of_the_protocol_has_its_name(self):
        self.assertEqual(self.values_of("ctdbx.req_control.opcode"), {row[0]: row[1] for row in samples.rows("CONTROL")})

    def test_every_name_on_the_page_can_be_filtered_by(self):
        with open(os.path.join(ROOT, "docs", "wireshark.md"), encoding="utf-8") as page:
            named = set(re.findall(r"\bctdbx(?:\.[a-z_]+)+", page.read()))
        known = {line.split("\t")[2] for line in self.home.text("-G", "fields").splitlines() if "\tctdbx." in line}
        self.assertEqual(named - known, {"ctdbx.so", "ctdbx.take_over", "ctdbx.expert"})  # the plugin, a preference, and the beginning of many

    def test_every_payload_of_a_control_has_a_sample(self):
        named = {layout for row in samples.rows("CONTROL") for layout in row[2:4]}
        self.assertEqual(named - set(samples.SAMPLES), set())

    def test_every_operation_has_a_golden_packet(self):
        packets = samples.golden() + samples.controls() + samples.messages()
        seen = {struct.unpack_from("<I", packet, 16)[0] for packet in packets}
        self.assertEqual({row[0] for row in samples.rows("OPERATION")} - seen, set())

    def test_no_sample_and_no_golden_packet_is_complained_of(self):
        for made in (samples.controls(), samples.messages()):
            self.assertEqual([name for name in self.complaints(made) if name in COMPLAINTS], [])
        # Some golden replies stand there without their requests.
        found = [name for name in self.complaints(samples.golden()) if name in COMPLAINTS]
        self.assertEqual(set(found) - {"no_request", "old_generation", "second_reply", "granted_twice"}, set())

    def test_each_packet_is_shown_as_expected(self):
        self.maxDiff = 4000
        for name, packets in expected_captures().items():
            for kind, shown in (("txt", text_of), ("json", json_of)):
                with self.subTest(name, kind=kind), open(expected_path(f"{name}.{kind}"), encoding="utf-8") as expected:
                    self.assertEqual(shown(self.home, self.upper(packets)).splitlines(), expected.read().splitlines())


class Transport(Tshark):
    PACKETS = [samples.call(1, 0, b"key%d" % i, 100 + i) for i in range(5)]

    def test_several_packets_in_a_segment_are_all_shown(self):
        found = self.home.lines(self.tcp([b"".join(self.PACKETS)]), ["ctdbx.reqid"])
        self.assertEqual(found, [["0x00000064,0x00000065,0x00000066,0x00000067,0x00000068"]])

    def test_a_packet_over_several_segments_is_put_together(self):
        data = b"".join(self.PACKETS) + samples.packet(5, struct.pack("<QI", 7, 5000) + b"x" * 5000)
        found = self.home.lines(self.tcp([data[at:at + 700] for at in range(0, len(data), 700)]), ["ctdbx.operation"], "-Y", "ctdbx")
        self.assertEqual(",".join(line[0] for line in found), "0,0,0,0,0,5")

    def test_a_length_field_in_two_segments_is_put_together(self):
        data = b"".join(self.PACKETS)
        found = self.home.lines(self.tcp([data[:len(self.PACKETS[0]) + 2], data[len(self.PACKETS[0]) + 2:]]), ["ctdbx.reqid"])
        self.assertEqual(",".join(filter(None, (line[0] for line in found))), "0x00000064,0x00000065,0x00000066,0x00000067,0x00000068")

    def test_another_port_is_found_by_the_look_of_its_packets(self):
        self.assertEqual(len(self.home.lines(self.tcp(self.PACKETS, 14379), ["ctdbx.reqid"], "-Y", "ctdbx")), 5)

    def test_it_takes_over_from_the_built_in_dissector_or_leaves_it_be(self):
        for port in (4379, 14379):
            capture = self.tcp(self.PACKETS, port)
            for options, ours, built_in in (([], 5, 0), (["-o", "ctdbx.take_over:FALSE"], 0, 5), (["--disable-protocol", "ctdbx"], 0, 5),
                                            (["--disable-protocol", "ctdb"], 5, 0)):
                with self.subTest(port=port, options=options):
                    found = self.home.lines(capture, ["ctdbx.reqid", "ctdb.id"], *options)
                    self.assertEqual([sum(bool(line[i]) for line in found) for i in (0, 1)], [ours, built_in])

    def test_it_lives_beside_the_built_in_dissector(self):
        loaded = self.home.text("-G", "plugins")
        self.assertIn("ctdbx.so", loaded)
        protocols = self.home.run("-G", "protocols")
        names = [line.rsplit("\t", 1)[1] for line in protocols.stdout.decode().splitlines()]
        self.assertEqual((names.count("ctdb"), names.count("ctdbx")), (1, 1))
        self.assertNotIn(b"ctdb", protocols.stderr)

    def test_a_capture_of_a_router_opens_without_the_plugin_too(self):
        with tempfile.TemporaryDirectory() as directory:
            bare = Home(directory, plugin=None)
            capture = bare.place("upper.pcap", pcap([upper_pdu(packet) for packet in self.PACKETS]))
            self.assertEqual(len(bare.lines(capture, ["ctdb.id"], "-Y", "ctdb")), 5)


class Frames(Tshark):
    """What packets travel in where it is no TCP."""
    PACKETS = [samples.call(1, 0, b"key%d" % i, 100 + i) for i in range(3)]

    def roce(self, frames):
        return self.home.place("roce.pcap", pcap(frames, ETHERNET))

    def test_kinds_have_the_names_that_the_sources_give_them(self):
        for field, path, name in (("ctdbx.ring_frame.kind", "libctdbipc/ring/connection_states.h", "ConnectionFrame"),
                                  ("ctdbx.verbs_chunk.kind", "ctdb-router/transport/verbs/chunk.h", "ChunkKind")):
            self.assertEqual(Tables.values_of(self, field), samples.enumerators(path, name))

    def test_every_kind_of_ring_frame_is_shown(self):
        frames = [ring_frame(content, 3 << 16 | kind) for kind, content in samples.connection_frames()]
        capture = self.home.place("rings.pcap", pcap(frames))
        fields = ["ring_frame.kind", "ring_frame.hand_over", "ring_frame.endpoint", "reqid", "ring_frame_taken.slot", "ring_frame_returned.written"]
        found = self.home.lines(capture, [f"ctdbx.{field}" for field in fields])
        wanted = {1: ["0x0000004d", "", ""], 2: ["", "40", ""], 3: ["", "", "12"]}
        self.assertEqual(found, [[str(kind), "3", "5", *wanted.get(kind, ["", "", ""])] for kind, _ in samples.connection_frames()])
        self.assertEqual(set(self.complaints(capture)) & {"bad_frame", "too_short", "unexplained", "bad_length"}, set())

    def test_packets_that_share_a_chunk_are_all_shown(self):
        found = self.home.lines(self.roce(RoceStream().send(samples.chunks(self.PACKETS)[0])), ["ctdbx.reqid", "ctdbx.verbs_chunk.kind"])
        self.assertEqual(found, [["0x00000064,0x00000065,0x00000066", "1"]])

    def test_a_packet_in_several_chunks_of_several_pieces_is_put_together(self):
        message = samples.packet(5, struct.pack("<QI", 7, 9000) + b"x" * 9000)
        stream = RoceStream()
        pieces = [stream.send(chunk) for chunk in samples.chunks(self.PACKETS + [message] + self.PACKETS)]
        self.assertEqual([len(frames) for frames in pieces], [4, 4, 2])
        capture = self.roce(sum(pieces, []))
        found = self.home.lines(capture, ["ctdbx.operation", "_ws.col.Info"])
        self.assertEqual([line[0] for line in found], ["", "", "", "0,0,0", "", "", "", "", "", "5,0,0,0"])
        self.assertEqual(self.home.lines(capture, ["ctdbx.operation"], "-2"), [[line[0]] for line in found])
        self.assertEqual([name for name in self.complaints(capture) if name != "no_reply"], [])

    def test_what_is_no_packet_in_a_chunk_is_shown_too(self):
        stream = RoceStream()
        frames = sum((stream.send(chunk) for chunk in (samples.chunk(samples.CHUNK_PING, 0, struct.pack("<Q", 0xABC)),
                                                       samples.chunk(samples.CHUNK_TOLD, 1, limit=99))), [])
        found = self.home.lines(self.roce(frames), ["ctdbx.verbs_chunk.kind", "ctdbx.verbs_chunk.limit", "ctdbx.verbs_echo.echo"])
        self.assertEqual(found, [["3", "32", "0x0000000000000abc"], ["2", "99", ""]])

    def test_after_a_hole_packets_are_found_again(self):
        stream = RoceStream()
        lost = samples.chunks([samples.packet(5, struct.pack("<QI", 7, 9000) + b"x" * 9000)])
        frames = sum((stream.send(chunk) for chunk in lost[:1] + lost[2:] + samples.chunks(self.PACKETS, 3)), [])
        found = self.home.lines(self.roce(frames), ["ctdbx.reqid", "ctdbx.expert.chunk_lost"])
        self.assertEqual([line[0] for line in found if line[0]], ["0x00000064,0x00000065,0x00000066"])
        self.assertEqual(sum(bool(line[1]) for line in found), 1)

    def test_other_traffic_over_rdma_is_left_alone(self):
        self.assertEqual(self.home.lines(self.roce(RoceStream().send(b"something else" * 10)), ["ctdbx", "ctdbx.verbs_chunk.kind"]), [["", ""]])


class Analysis(Tshark):
    KEY = b"hot"

    def migration(self, reqid=50, **options):
        """Node 2 asks lmaster 0, which sends the call on to node 1, whose record goes through 0 to 2."""
        return [samples.call(2, 0, self.KEY, reqid, **options), samples.call(2, 1, self.KEY, reqid, hops=1, **options),
                samples.req_dmaster(1, 0, 2, self.KEY, reqid, **options), samples.reply_dmaster(0, 2, self.KEY, reqid, **options)]

    def test_a_call_is_followed_over_all_nodes_to_its_answer(self):
        fields = ["ctdbx.request_in", "ctdbx.step_in", "ctdbx.reply_in", "ctdbx.time", "ctdbx.record", "ctdbx.record.previous_in",
                  "ctdbx.record.next_in"]
        found = self.home.lines(self.upper(self.migration()), fields, "-2")
        self.assertEqual(found, [["", "2,3", "4", "", "1", "", "2"], ["1", "3", "4", "", "1", "1", "3"],
                                 ["1", "2", "4", "", "1", "2", "4"], ["1", "2,3", "", "0.003000000", "1", "3", ""]])

    def test_requests_of_different_nodes_with_the_same_number_are_kept_apart(self):
        packets = [samples.call(1, 0, b"a", 7), samples.call(2, 0, b"b", 7), samples.reply_dmaster(0, 1, b"a", 7),
                   samples.reply_dmaster(0, 2, b"b", 7)]
        self.assertEqual([line[0] for line in self.home.lines(self.upper(packets), ["ctdbx.request_in"])], ["", "", "1", "2"])

    def test_a_reply_tells_the_time_since_its_request_and_a_missing_one_is_told(self):
        control = samples.packet(7, struct.pack("<I4xQIII", 3, 0, 0, 0, 0), reqid=5)
        reply = samples.packet(8, struct.pack("<iII", 0, 0, 0), 0, 1, reqid=5)
        self.assertEqual(self.complaints([control, reply]), [])
        self.assertEqual(self.complaints([control]), ["no_reply"])
        self.assertEqual(self.complaints([reply]), ["no_request"])

    def test_the_record_of_a_reply_is_taken_apart_when_the_call_wanted_its_header(self):
        record = samples.record(rsn=77, dmaster=3)
        reply = struct.pack("<iI", 0, len(record)) + record
        packets = [samples.packet(operation, payload, source, 1 - source, reqid) for reqid, callid in ((1, 0xFF000003), (2, 0xFF000002))
                   for operation, payload, source in ((0, samples.u32(0, samples.VOLATILE, callid, 0, 1, 0) + b"k", 0), (1, reply, 1))]
        rows = self.home.lines(self.upper(packets), ["ctdbx.rsn", "ctdbx.dmaster", "ctdbx.record_data"])
        self.assertEqual(rows, [["", "", ""], ["77", "3", b"value".hex()], ["", "", ""], ["", "", ""]])

    def test_a_healthy_migration_is_not_complained_of(self):
        self.assertEqual(self.complaints(self.migration(1) + [samples.req_dmaster(2, 0, 0, self.KEY, 1)] + self.migration(2)), [])

    def test_what_breaks_a_rule_is_told(self):
        rows = {
            "granted_twice": self.migration() + [samples.call(3, 0, self.KEY, 60), samples.reply_dmaster(0, 3, self.KEY, 60)],
            "rsn_back": [samples.req_dmaster(1, 0, 0, self.KEY, 1, rsn=100), samples.req_dmaster(1, 0, 0, self.KEY, 1, rsn=50)],
            "old_generation": [samples.call(0, 1, self.KEY, 1, generation=5), samples.reply_dmaster(1, 0, self.KEY, 1, generation=5),
                               samples.call(0, 1, self.KEY, 2, generation=6), samples.reply_dmaster(1, 0, self.KEY, 2, generation=5)],
            "invalid_generation": [samples.call(0, 1, self.KEY, 1, generation=1), samples.reply_dmaster(1, 0, self.KEY, 1)],
            "hop_back": self.migration()[:1] + [samples.call(2, 1, self.KEY, 50, hops=4), samples.call(2, 3, self.KEY, 50, hops=2)],
            "many_hops": [samples.call(2, 1, self.KEY, 50, hops=30)],
            "second_reply": self.migration() + [samples.reply_dmaster(1, 2, self.KEY, 50)],
            "failed": [samples.packet(4, struct.pack("<iI", -1, 4) + b"why\0")],
            "never_answered": [samples.packet(7, struct.pack("<I4xQIII", 3, 0, 0, 0, 0), destination=0xF0000004)],
            "obsolete_control": [samples.packet(7, struct.pack("<I4xQIII", 10, 0, 0, 1, 0))],
            "unknown_control": [samples.packet(7, struct.pack("<I4xQIII", 500, 0, 0, 1, 0))],
            "unknown_operation": [samples.packet(77, b"")],
            "too_short": [samples.packet(7, struct.pack("<I4xQIII", 109, 0, 0, 1, 4) + b"1234")],
            "unexplained": [samples.packet(7, struct.pack("<I4xQIII", 109, 0, 0, 1, 12) + b"1" * 12)],
            "bad_length": [samples.packet(77, b"") + b"\0" * 8],
            "bad_version": [samples.packet(3, b"\0" * 40).replace(struct.pack("<III", 64 + 8, samples.MAGIC, 1), struct.pack("<III", 72, samples.MAGIC, 2))],
            "mixed_versions": [samples.packet(9, samples.u32(0x40011, 5)), samples.packet(9, samples.u32(0x40012, 5), 2)],
        }
        rows.update({
            "hops": [samples.call(2, 1, self.KEY, 50, hops=2)],
            "no_request": [samples.packet(8, struct.pack("<iII", 0, 0, 0), 0, 1, reqid=5)],
            "no_reply": [samples.packet(7, struct.pack("<I4xQIII", 3, 0, 0, 0, 0), reqid=5)],
            "bad_magic": [b"\0" * 40],
            "too_many": [samples.packet(8, struct.pack("<iII", 0, 4 + 8 * 20001, 0) + samples.u32(20001) + b"\0" * 8 * 20001, 0, 1, reqid=9)],
            "cut_off": self.home.place("cut.pcap", pcap([upper_pdu(samples.call(1, 0, b"a long key", 1))[:-20]], missing=20)),
            "unpadded": self.tcp([struct.pack("<I", 70) + samples.packet(5, struct.pack("<QI", 7, 26) + b"x" * 26)[4:70]]),
            "broadcast_on_link": self.tcp([samples.packet(7, struct.pack("<I4xQIII", 3, 0, 0, 1, 0), destination=0xF0000004)], name="broadcast.pcap"),
            "bad_frame": self.home.place("frame.pcap", pcap([ring_frame(b"\0" * 8, 6)[:-4]])),
            "bad_chunk": self.home.place("chunk.pcap", pcap(RoceStream().send(samples.chunk(9, 0)), ETHERNET)),
            "chunk_lost": self.home.place("lost.pcap", pcap(RoceStream().send(samples.chunk(samples.CHUNK_TOLD, 5)), ETHERNET)),
        })
        rows["too_many"].insert(0, samples.packet(7, struct.pack("<I4xQIII", 9, 0, 0, 0, 0), reqid=9))
        self.assertEqual(set(EXPERTS) - set(rows), set())
        for name, packets in rows.items():
            with self.subTest(name):
                self.assertIn(name, self.complaints(packets))

    def test_keys_of_sambas_databases_are_decoded(self):
        rows = {0x7A19D84D: (samples.FILE_ID, "file dev 0xfd00 inode 4711 ext 0"), 0x66F71B8C: (b"\0\1\2\3", "id 0x00010203"),
                0x477D2E20: (bytes(range(16)), "client 03020100-0504-0706-0809-0a0b0c0d0e0f"), 0x4D2A432B: (b"samba_version_string\0", "samba_version_string"),
                0x06916E77: (bytes(range(32)), "client 03020100-0504-0706-0809-0a0b0c0d0e0f lease 101112131415161718191a1b1c1d1e1f"),
                0x12345678: (b"\0\xff", "00ff")}
        packets = [samples.packet(0, samples.u32(1, db, 0xFF000001, 0, len(key), 0) + key) for db, (key, _) in rows.items()]
        found = self.home.lines(self.upper(packets), ["ctdbx.key.text"])
        self.assertEqual([line[0] for line in found], [text for _, text in rows.values()])

    def test_databases_are_called_by_names_that_were_mentioned(self):
        attach = samples.packet(7, struct.pack("<I4xQIII", 18, 0, 0, 1, 8) + b"vol.tdb\0")
        found = self.home.lines(self.upper([samples.call(1, 0, b"k", 1), attach, samples.call(1, 0, b"k", 2)]), ["ctdbx.db"])
        self.assertEqual([line[0] for line in found], ["", "", "vol.tdb"])


class Captures(Tshark):
    """A classic cluster's packets: start, many commands of its tool, stop, ban, recoveries, traverses."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.capture = place_capture(cls.home, "classic-tcp-cli.pcapng")

    def test_nothing_of_a_healthy_cluster_is_complained_of(self):
        wanted = " || ".join(f"ctdbx.expert.{name}" for name in COMPLAINTS + ("no_reply",))
        self.assertEqual(self.home.lines(self.capture, ["frame.number", "_ws.expert.message"], "-2", "-Y", wanted), [])

    def test_statistics_count_what_the_capture_holds(self):
        out = self.home.text("-r", self.capture, "-q", *(word for tap in ("ctdbx,tree", "ctdbx_keys,tree", "ctdbx_migrations,tree", "ctdbx,srt")
                                                         for word in ("-z", tap)))
        rows = [line.split() for line in out.splitlines()]
        packets = len(self.home.lines(self.capture, ["frame.number"], "-Y", "ctdbx"))
        self.assertIn(["CTDB", "packets", str(packets)], [row[:3] for row in rows])
        calls = len(self.home.lines(self.capture, ["frame.number"], "-Y", "ctdbx.operation == 0"))
        self.assertIn(["Calls", "by", "key", str(calls)], [row[:4] for row in rows])
        moved = len(self.home.lines(self.capture, ["frame.number"], "-Y", "ctdbx.operation == 3"))
        self.assertIn("Migrations", [row[0] for row in rows if row])
        self.assertGreaterEqual(int(next(row[3] for row in rows if row[:3] == ["Migrations", "by", "node"])), moved)
        answered = len(self.home.lines(self.capture, ["frame.number"], "-Y", "ctdbx.control == 91 && ctdbx.time"))
        self.assertIn(["91", "GET_NODEMAP", str(answered)], [row[:3] for row in rows])

    def test_conversations_and_endpoints_are_those_of_nodes(self):
        """A request and its reply, each in a connection of its own, are one conversation."""
        out = self.home.text("-r", self.capture, "-q", "-z", "conv,ctdbx", "-z", "endpoints,ctdbx")
        def packets(what):
            return len(self.home.lines(self.capture, ["frame.number"], "-Y", what))
        for a, b in ((0, 1), (0, 2), (1, 2)):
            both = packets(f"(ctdbx.src == {a} && ctdbx.dst == {b}) || (ctdbx.src == {b} && ctdbx.dst == {a})")
            row = next(line.split() for line in out.splitlines() if re.match(rf"({a} +<-> {b}|{b} +<-> {a}) ", line))
            self.assertEqual(int(row[9]), both, row)
        for node in range(3):
            row = next(line.split() for line in out.splitlines() if re.match(rf"{node} +\d", line))
            self.assertEqual(int(row[1]), packets(f"ctdbx.node == {node}"), row)

    def test_all_of_it_is_shown_as_expected(self):
        for name in CAPTURES:
            with self.subTest(name), open(expected_path(f"{name.split('.')[0]}.txt"), encoding="utf-8") as expected:
                self.assertEqual(lines_of(self.home, place_capture(self.home, name)).splitlines(), expected.read().splitlines())

    def test_nothing_of_our_own_cluster_is_complained_of(self):
        """One capture begins before it, and sees all links; the other begins while it runs, and sees what no network card does."""
        for name in CAPTURES[1:]:
            wanted = " || ".join(f"ctdbx.expert.{complaint}" for complaint in COMPLAINTS)
            found = self.home.lines(place_capture(self.home, name), ["frame.number", "_ws.expert.message"], "-2", "-Y", wanted)
            self.assertEqual(found, [], name)


if __name__ == "__main__":
    assert os.path.exists(PLUGIN), PLUGIN
    unittest.main()
