# SPDX-License-Identifier: GPL-3.0-or-later
"""The published schema of the JSON that ctdb-cli prints names every command, and keeps what earlier ones promised: schema-VERSION.json is as it was
published with that version and is never changed. That it is true, tests/integration/test_cli.py shows."""
import copy
import glob
import json
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, os.path.join(ROOT, "ctdb-cli"))

from command_table import rows  # noqa: E402


def load(path):
    with open(path, encoding="utf-8") as source:
        return json.load(source)


def as_set(value):
    return set(value) if isinstance(value, list) else {value}


def broken_promises(old, new, at=""):
    """What a program that was written by `old` may miss in answers that are by `new`."""
    found = []
    for word in ("type", "const", "$ref"):
        if word in old and (word not in new or as_set(old[word]) != as_set(new[word])):
            found.append(f"{at}: {word} is {new.get(word)}, was {old[word]}")
    for word in ("enum", "required"):
        for value in old.get(word, []):
            if value not in new.get(word, []):
                found.append(f"{at}: {word} lacks {value}")
    if new.get("minimum", old.get("minimum")) != old.get("minimum", new.get("minimum")):
        found.append(f"{at}: minimum is {new.get('minimum')}")
    for word in ("properties", "$defs"):
        for name, below in old.get(word, {}).items():
            there = new.get(word, {}).get(name)
            found += [f"{at}/{name}: is gone"] if there is None else broken_promises(below, there, f"{at}/{name}")
    for word in ("items", "additionalProperties"):
        if isinstance(old.get(word), dict):
            there = new.get(word)
            found += broken_promises(old[word], there, f"{at}/*") if isinstance(there, dict) else [f"{at}: {word} is gone"]
    for below in old.get("oneOf", []):
        if all(broken_promises(below, there) for there in new.get("oneOf", [])):
            found.append(f"{at}: one of its forms is gone or another: {json.dumps(below)[:80]}")
    return found


class SchemaTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.schema = load(os.path.join(ROOT, "docs", "ctdb-cli.schema.json"))

    def test_it_names_every_command_once(self):
        described = [document["properties"]["command"].get("const") for document in self.schema["$defs"].values()]
        described.remove(None)  # an error, of whichever command
        commands = [name for name, *_ in rows(os.path.join(ROOT, "ctdb-cli", "commands.def"))]
        self.assertEqual(sorted(described), sorted(commands))
        self.assertEqual(len(self.schema["oneOf"]), len(self.schema["$defs"]))

    def test_what_earlier_ones_promised_is_kept(self):
        earlier = glob.glob(os.path.join(HERE, "schema-*.json"))
        self.assertTrue(earlier)
        for path in earlier:
            with self.subTest(os.path.basename(path)):
                self.assertEqual(broken_promises(load(path), self.schema), [])

    def test_additions_are_allowed(self):
        more = copy.deepcopy(self.schema)
        more["$defs"]["ping"]["properties"]["more"] = {"type": "string"}
        more["$defs"]["wait"]["properties"]["condition"]["enum"].append("tired")
        more["$defs"]["new"] = {"type": "object"}
        self.assertEqual(broken_promises(self.schema, more), [])

    def test_what_is_taken_away_or_changed_is_found_wherever_it_is(self):
        """Every property in turn is removed, every type changed, every list of required names emptied."""
        tried = 0
        def change(part, way):
            nonlocal tried
            for word in ("properties", "$defs"):
                for name in list(part.get(word, {})):
                    below = part[word].pop(name)
                    self.assertNotEqual(broken_promises(self.schema, whole), [], f"{way}/{name} is removed")
                    part[word][name] = below
                    tried += 1
                    change(below, f"{way}/{name}")
            for word, other in (("type", "null"), ("required", []), ("const", "other"), ("enum", [])):
                if part.get(word):
                    before, part[word] = part[word], other
                    self.assertNotEqual(broken_promises(self.schema, whole), [], f"{way}: {word}")
                    part[word] = before
                    tried += 1
            for below in [part[word] for word in ("items", "additionalProperties") if isinstance(part.get(word), dict)] + part.get("oneOf", []):
                change(below, way)
        whole = copy.deepcopy(self.schema)
        change(whole, "")
        self.assertEqual(whole, self.schema)
        self.assertGreater(tried, 300)


if __name__ == "__main__":
    unittest.main()
