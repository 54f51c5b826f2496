# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests in guests have in common: a kernel, a share with programs and scripts, and the guest's output as the message of a failure.
CTDB_BUILD is the build."""
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

import guest

BUILD = pathlib.Path(os.environ.get("CTDB_BUILD", guest.HERE.parent.parent / "build/dev"))

# Only ends what hangs.
HUNG_S = 1200


class GuestTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        gone = guest.missing_tools()
        if gone:
            raise RuntimeError("missing packages (./install-deps): " + " ".join(gone))
        cls.kernel = guest.fetch_kernel(guest.HERE.parent.parent / "build/vm")

    def run_in_guest(self, files, script, boot):
        """Runs `script` beside copies of the files, in the guest that boot(work, share) starts and whose status it returns."""
        with tempfile.TemporaryDirectory(prefix="ctdb-vm-") as directory:
            work = pathlib.Path(directory)
            share = work / "share"
            share.mkdir()
            for path in [*files, *guest.HERE.glob("*.sh")]:
                shutil.copy(path, share)
            (share / "run.sh").write_text(script)
            try:
                status = boot(work, share)
            except guest.GuestError as error:
                status = error
            output = share / "output"
            text = output.read_text(errors="replace") if output.exists() else ""
            sys.stderr.write("".join(line + "\n" for line in text.splitlines() if line.startswith(("ok ", "{"))))
            self.assertEqual(status, 0, text[-12000:])
            return text
