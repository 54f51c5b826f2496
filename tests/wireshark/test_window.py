# SPDX-License-Identifier: GPL-3.0-or-later
"""The real Wireshark on a screen that nobody sees: it starts with a capture and the profile, shows the capture in the profile's colours, and ends.
CTDBX_SCREENSHOT names a PNG file to look at."""
import gzip
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

from display import Display, png
from make_expected import HERE
from tshark import NOBODY, ROOT, Home

PROFILE = os.path.join(ROOT, "wireshark", "profile", "CTDB")


def colours_of_profile():
    """{name of the rule: its background, as bytes}."""
    found = {}
    with open(os.path.join(PROFILE, "colorfilters"), encoding="utf-8") as rules:
        for line in rules:
            if line.startswith("@"):
                _, name, _, colours = line.rstrip("\n").split("@", 3)
                background = colours[1:colours.index("]")].split(",")
                found[name] = bytes(int(value) >> 8 for value in background)
    return found


class Window(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.home = Home(directory.name)
        profiles = os.path.join(directory.name, ".config", "wireshark", "profiles")
        os.makedirs(profiles)
        shutil.copytree(PROFILE, os.path.join(profiles, "CTDB"))
        # It asks nobody for updates or for the opinion of a user.
        with open(os.path.join(profiles, "CTDB", "preferences"), "a", encoding="utf-8") as preferences:
            preferences.write("gui.update.enabled: FALSE\ngui.ask_unsaved: FALSE\n")
        with open(os.path.join(directory.name, ".config", "wireshark", "recent_common"), "w", encoding="utf-8") as recent:
            for name, value in zip(("x", "y", "width", "height"), (0, 0, *Display.SIZE)):
                recent.write(f"gui.geometry_main_{name}: {value}\n")
        os.makedirs(os.path.join(directory.name, "run"), mode=0o700)
        for folder, _, _ in os.walk(directory.name):
            os.chown(folder, NOBODY if os.geteuid() == 0 else -1, -1)
        screen = tempfile.TemporaryDirectory()
        self.addCleanup(screen.cleanup)
        self.display = Display(screen.name)
        self.addCleanup(self.display.close)

    def start(self, capture):
        environment = dict(self.home.environment, DISPLAY=self.display.name, QT_QPA_PLATFORM="xcb",
                           XDG_RUNTIME_DIR=os.path.join(self.home.path, "run"))
        with open(os.path.join(self.home.path, "log"), "wb") as log:
            process = subprocess.Popen(self.home.words("wireshark", "-C", "CTDB", "-r", capture, "-g", "2768"), env=environment,
                                       cwd=self.home.path, stdout=log, stderr=subprocess.STDOUT)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_it_shows_a_capture_in_the_profile_and_ends(self):
        with gzip.open(os.path.join(HERE, "captures", "classic-tcp-cli.pcapng.gz")) as source:
            process = self.start(self.home.place("classic.pcapng", source.read()))
        self.display.wait_for(process, lambda: "classic.pcapng" in self.display.titles(), "the window of the capture")
        # Around the packet that is selected there are calls and records that move; a line of either is much wider than it is high.
        wanted = [colours_of_profile()[name] for name in ("CTDB call", "CTDB record moves")]
        try:
            self.display.wait_for(process, lambda: all(self.display.picture()[2].count(colour * 50) > 0 for colour in wanted),
                                  "lines in the profile's colours")
        finally:
            self.keep_picture()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=120)
        with open(os.path.join(self.home.path, "log"), encoding="utf-8", errors="replace") as log:
            said = log.read()
        self.assertIn(process.returncode, (0, -signal.SIGTERM), said)
        for word in ("WARNING", "ERROR", "Dissector bug", "colorfilters", "io_graphs"):
            self.assertNotIn(word, said)

    def keep_picture(self):
        path = os.environ.get("CTDBX_SCREENSHOT")
        if path:
            with open(path, "wb") as out:
                out.write(png(*self.display.picture()))


if __name__ == "__main__":
    unittest.main()
