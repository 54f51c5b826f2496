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
CAPTURES = ("classic-tcp-cli.pcapng", "own-live.pcapng", "own-tcp.pcap")


def expected_captures():
    return {"packets": samples.golden(), "controls": samples.controls(), "messages": samples.messages()}


def text_of(home, capture):
    """The fields of our dissector, without what a frame is wrapped in."""
    out = home.text("-r", capture, "-2", "-V", "-O", "ctdbx")
    return "\n".join(line for line in out.splitlines() if not line.startswith(("Frame ", "EXPORTED", "Wireshark upper"))) + "\n"


def json_of(home, capture):
    """The same as JSON, a line for each frame."""
    frames = json.loads(home.text("-r", capture, "-2", "-T", "json", "--no-duplicate-keys", "-J", "ctdbx"))
    return "".join(json.dumps(frame["_source"]["layers"]["ctdbx"], separators=(",", ":")) + "\n" for frame in frames)


def place_capture(home, name):
    """Of captures/."""
    with gzip.open(os.path.join(HERE, "captures", f"{name}.gz")) as source:
        return home.place(name, source.read())


def lines_of(home, capture):
    """Of each of our frames its number and what the list says of it."""
    return "".join("\t".join(line) + "\n" for line in home.lines(capture, ["frame.number", "_ws.col.Info"], "-Y", "ctdbx", "-2"))


def expected_path(name):
    return os.path.join(HERE, "expected", name)


def write(name, text):
    with open(expected_path(name), "w", encoding="utf-8") as out:
        out.write(text)


def main():
    with tempfile.TemporaryDirectory() as directory:
        home = Home(directory)
        for name, packets in expected_captures().items():
            capture = home.place("capture.pcap", pcap([upper_pdu(packet) for packet in packets]))
            write(f"{name}.txt", text_of(home, capture))
            write(f"{name}.json", json_of(home, capture))
        for name in CAPTURES:
            write(f"{name.split('.')[0]}.txt", lines_of(home, place_capture(home, name)))


if __name__ == "__main__":
    main()
