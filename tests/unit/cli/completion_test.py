# SPDX-License-Identifier: GPL-3.0-or-later
"""Completion of ctdb-cli in real shells; a stand-in for ctdb-cli answers what is asked of the node."""
import os
import pty
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
STAND_IN = """#!/bin/sh
echo "$*" >>"$0.asked"
case "$*" in
  *"db list") printf 'NAME KIND\\nlocking.tdb volatile\\nbrlock.tdb volatile\\n' ;;
  *"node list") printf 'NODE ADDRESS\\n0 127.0.0.1\\n7 127.0.0.8\\n' ;;
esac
"""


class CompletionTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="ctdb-completion-")
        cls.addClassCleanup(folder.cleanup)
        cls.bash, cls.zsh, cls.program = (os.path.join(folder.name, name) for name in ("bash", "_ctdb-cli", "ctdb-cli"))
        subprocess.run([sys.executable, os.path.join(ROOT, "ctdb-cli", "completion.py"),
                        os.path.join(ROOT, "ctdb-cli", "commands.def"), cls.bash, cls.zsh], check=True)
        with open(cls.program, "w") as out:
            out.write(STAND_IN)
        os.chmod(cls.program, 0o755)
        cls.environment = dict(os.environ, PATH=folder.name + ":" + os.environ["PATH"])

    def words(self, *typed):
        """What bash offers for the last of `typed`."""
        script = (f". {self.bash}; COMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1)); _ctdb_cli 2>/dev/null; "
                  "printf '%s\\n' \"${COMPREPLY[@]}\"")
        done = subprocess.run(["bash", "-c", script, "bash", "ctdb-cli", *typed], env=self.environment,
                              capture_output=True, text=True, check=True)
        return done.stdout.split()

    def test_nouns_and_verbs(self):
        self.assertIn("status", self.words(""))
        self.assertEqual(self.words("rec"), ["recovery", "record"])
        self.assertEqual(self.words("record", ""), ["get", "put", "delete", "add", "swap", "append", "call"])
        self.assertEqual(self.words("-o", "json", "record", "g"), ["get"])

    def test_options(self):
        self.assertEqual(self.words("status", "--w"), ["--watch"])
        self.assertIn("--timeout", self.words("status", "--"))
        self.assertEqual(self.words("--output", "j"), ["json"])
        self.assertEqual(self.words("wait", "--for", "=", "l"), ["leader"])
        self.assertEqual(self.words("wait", "--for", "="), ["healthy", "ready", "leader"])
        self.assertEqual(self.words("capture", "--red"), ["--redact"])

    def test_values_behind_an_option_are_no_words_of_the_command(self):
        """bash makes three words of --option=value, zsh one."""
        self.assertEqual(self.words("-o", "=", "json", "record", "g"), ["get"])
        self.assertEqual(self.words("--output=json", "record", "g"), ["get"])
        self.assertEqual(self.words("capture", "--seconds", "3", "--red"), ["--redact"])
        self.assertEqual(self.words("lock", "top", "--seconds", "=", "3", "--sec"), ["--seconds="])
        self.assertEqual(self.words("capture", "--seconds", "="), [])
        for place in (("--base", "/etc/other"), ("--base", "=", "/etc/other"), ("--base=/etc/other",)):
            self.assertEqual(self.words(*place, "capture", "--db", "=", "l"), ["locking.tdb"])
            with open(self.program + ".asked") as asked:
                self.assertRegex(asked.read().splitlines()[-1], "--timeout 1 --base[ =]/etc/other db list")
        self.assertEqual(self.words("capture", "--node", ""), ["0", "7"])

    def test_databases_and_nodes_are_asked_of_the_node_that_is_named(self):
        self.assertEqual(self.words("--base", "/etc/other", "record", "get", "l"), ["locking.tdb"])
        with open(self.program + ".asked") as asked:
            self.assertEqual(asked.read().splitlines()[-1], "--timeout 1 --base /etc/other db list")
        self.assertEqual(self.words("ping", ""), ["0", "7"])
        self.assertEqual(self.words("record", "get", "locking.tdb", ""), [])

    def test_files_are_the_shells_own_business(self):
        """Where nothing else is offered, as for FILE; names with spaces and all."""
        with tempfile.TemporaryDirectory(prefix="ctdb-completion-") as folder:
            with open(os.path.join(folder, "my backup"), "w"):
                pass
            terminal, end = pty.openpty()
            with subprocess.Popen(["bash", "--norc", "--noprofile", "-i"], stdin=end, stdout=subprocess.PIPE, stderr=end, cwd=folder,
                                  env=dict(self.environment, TERM="dumb"), text=True, start_new_session=True) as shell:
                os.close(end)
                os.write(terminal, f". {self.bash}; ctdb-cli() {{ printf '%s.' \"$@\"; }}\nctdb-cli db restore my\t; exit\n".encode())
                said = shell.stdout.read()
            os.close(terminal)
        self.assertEqual(said, "db.restore.my backup.")

    def test_zsh_takes_it(self):
        script = f"autoload -U compinit && compinit -u -D && source {self.zsh} 2>/dev/null; print $_comps[ctdb-cli]"
        done = subprocess.run(["zsh", "-fc", script], env=self.environment, capture_output=True, text=True, check=True)
        self.assertIn("_ctdb_cli", done.stdout, done.stderr)


if __name__ == "__main__":
    unittest.main()
