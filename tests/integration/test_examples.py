# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of a program of the C API, as it is built and run by who has installed the library."""
import os
import subprocess
import tempfile
import unittest

from support import BUILD, ROOT, Undisturbed, start_cluster

SOURCE = os.path.join(ROOT, "examples", "visits.c")


class VisitsTest(Undisturbed):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="ctdb-examples-")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = directory.name
        cls.cluster = start_cluster(os.path.join(directory.name, "nodes"), cls.addClassCleanup, nodes=2)
        cls.prefix = os.path.join(directory.name, "usr")
        subprocess.run(["cmake", "--install", BUILD, "--component", "client", "--prefix", cls.prefix], check=True, stdout=subprocess.DEVNULL)
        library, = (folder for folder, _, files in os.walk(cls.prefix) if "libctdbipc.so.0" in files)
        cls.environment = dict(os.environ, LD_LIBRARY_PATH=library, PKG_CONFIG_PATH=os.path.join(library, "pkgconfig"))

    def build(self, *compiler):
        """As the man page says."""
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "ctdbipc"], check=True, env=self.environment, capture_output=True,
                               text=True).stdout.split()
        program = os.path.join(self.directory, f"visits-{compiler[0]}")
        subprocess.run([*compiler, "-Wall", "-Wextra", "-pedantic", "-Werror", "-o", program, SOURCE, "-x", "none", *flags], check=True)
        return program

    def run_it(self, program, *words, status=0, node=0):
        environment = dict(self.environment, CTDB_SETUP_SOCKET=self.cluster.nodes[node].setup_socket)
        done = subprocess.run([program, *words], env=environment, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout or done.stderr

    def test_in_a_cluster(self):
        program = self.build("cc", "-std=c11")
        self.assertEqual(self.run_it(program, "Anne", node=0), "visit number 1\n")
        self.assertEqual(self.run_it(program, "Bert", node=1), "before you: Anne\nvisit number 2\n")
        self.assertEqual(self.run_it(program, "Carl", node=0), "before you: Bert\nvisit number 3\n")

    def test_in_a_directory_and_from_another_language(self):
        program = self.build("c++", "-std=c++20", "-x", "c++")
        self.assertEqual(self.run_it(program, "Anne", self.directory), "visit number 1\n")
        self.assertRegex(self.run_it(program, "Anne", "/nowhere", status=1), "^visits: connecting: system call failed: .*/nowhere")
        self.assertEqual(self.run_it(program, status=2), "usage: visits NAME [DIRECTORY]\n")


if __name__ == "__main__":
    unittest.main()
