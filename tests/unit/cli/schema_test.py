# SPDX-License-Identifier: GPL-3.0-or-later
"""The published schema of the JSON that ctdb-cli prints names every command. That it is true, tests/integration/test_cli.py shows."""
import json
import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(ROOT, "ctdb-cli"))

from command_table import rows  # noqa: E402


class SchemaTest(unittest.TestCase):
    def test_it_names_every_command_once(self):
        with open(os.path.join(ROOT, "docs", "ctdb-cli.schema.json")) as source:
            schema = json.load(source)
        described = [document["properties"]["command"].get("const") for document in schema["$defs"].values()]
        described.remove(None)  # an error, of whichever command
        commands = [name for name, *_ in rows(os.path.join(ROOT, "ctdb-cli", "commands.def"))]
        self.assertEqual(sorted(described), sorted(commands))
        self.assertEqual(len(schema["oneOf"]), len(schema["$defs"]))


if __name__ == "__main__":
    unittest.main()
