# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes expected/: what tshark shows of each kind of packet. Run it when that is meant to change, and read the difference.
    CTDBX_PLUGIN=build/dev/wireshark/ctdbx.so python3 tests/wireshark/make_expected.py"""
import gzip
import json
import os
import tempfile

import samples
from pcap import pcap, upper_pdu
from tshark import Home

HERE = os.path.dirname(os.path.abspath(__file__))
GET_NODEMAP_REPLY = "ctdbx.control == 91 && ctdbx.nodemap.count"


def expected_captures():
    return {"packets": samples.golden(), "controls": samples.controls(), "messages": samples.messages()}


def text_of(home, capture):
    """The fields of our dissector, without what a frame is wrapped in."""
    out = home.text("-r", capture, "-2", "-V", "-O", "ctdbx")
    return "\n".join(line for line in out.splitlines() if not line.startswith(("Frame ", "EXPORTED", "Wireshark upper"))) + "\n"


def main():
    with tempfile.TemporaryDirectory() as directory:
        home = Home(directory)
        for name, packets in expected_captures().items():
            with open(os.path.join(HERE, "expected", f"{name}.txt"), "w", encoding="utf-8") as out:
                out.write(text_of(home, home.place("capture.pcap", pcap([upper_pdu(packet) for packet in packets]))))
        capture = home.place("capture.pcap", pcap([upper_pdu(packet) for packet in samples.controls()]))
        with open(os.path.join(HERE, "expected", "nodemap.json"), "w", encoding="utf-8") as out:
            frames = json.loads(home.text("-r", capture, "-T", "json", "-J", "ctdbx", "-Y", GET_NODEMAP_REPLY))
            json.dump(frames[0]["_source"]["layers"]["ctdbx"], out, indent=1)
            out.write("\n")
        with gzip.open(os.path.join(HERE, "captures", "classic-tcp-cli.pcapng.gz")) as source:
            capture = home.place("classic.pcapng", source.read())
        with open(os.path.join(HERE, "expected", "classic-tcp-cli.txt"), "w", encoding="utf-8") as out:
            for line in home.lines(capture, ["frame.number", "_ws.col.Info"], "-Y", "ctdbx", "-2"):
                out.write("\t".join(line) + "\n")


if __name__ == "__main__":
    main()
