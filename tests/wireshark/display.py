# SPDX-License-Identifier: GPL-3.0-or-later
"""A screen that nobody sees, and what is on it. Xvfb keeps its picture in a file of the XWD format."""
import os
import struct
import subprocess
import time
import zlib


class Display:
    """Xvfb below `directory`, until close()."""
    SIZE = 1280, 800

    def __init__(self, directory):
        self.directory = directory
        reader, writer = os.pipe()
        self.process = subprocess.Popen(["Xvfb", "-displayfd", str(writer), "-screen", "0", "%dx%dx24" % self.SIZE, "-fbdir", directory,
                                         "-nolisten", "tcp", "-ac"], pass_fds=[writer], stderr=subprocess.DEVNULL)
        os.close(writer)
        with os.fdopen(reader) as told:
            self.name = ":" + told.readline().strip()

    def close(self):
        self.process.terminate()
        self.process.wait()

    def titles(self):
        """Of the windows that are mapped."""
        out = subprocess.run(["xwininfo", "-display", self.name, "-root", "-tree"], capture_output=True, text=True, check=True).stdout
        return [line.split('"')[1] for line in out.splitlines() if line.lstrip().startswith("0x") and '"' in line]

    def wait_for(self, process, condition, what, seconds=300):
        """Until condition() holds while `process` runs."""
        deadline = time.monotonic() + seconds
        while not condition():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{what}: it does not happen; exit status {process.poll()}")
            time.sleep(0.2)

    def picture(self):
        """(width, height, bytes of red, green, blue)."""
        with open(os.path.join(self.directory, "Xvfb_screen0"), "rb") as source:
            raw = source.read()
        header = struct.unpack_from(">25I", raw)
        size, width, height, line, colours = header[0], header[4], header[5], header[12], header[19]
        at = size + colours * 12
        pixels = b"".join(raw[at + row * line:at + row * line + width * 4] for row in range(height))
        out = bytearray(width * height * 3)
        out[0::3], out[1::3], out[2::3] = pixels[2::4], pixels[1::4], pixels[0::4]
        return width, height, bytes(out)


def png(width, height, pixels):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + pixels[at:at + width * 3] for at in range(0, len(pixels), width * 3))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) +
            chunk(b"IEND", b""))
