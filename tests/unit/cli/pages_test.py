# SPDX-License-Identifier: GPL-3.0-or-later
"""Every option of ctdb.conf that the daemons know stands in ctdb.conf(5), and no other; every option that all daemons have in the page that
all refer to."""
import os
import re
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as source:
        return source.read()


class PagesTest(unittest.TestCase):
    def test_the_page_names_every_option_of_the_configuration(self):
        known = set(re.findall(r'^      \{"([a-z]+/[a-z ]+)",', read("libctdbipc", "runtime", "config.cc"), re.M))
        self.assertGreater(len(known), 30)
        described = set()
        for line in read("man", "ctdb.conf.5.scd").splitlines():
            term = re.fullmatch(r"\*\[([a-z]+)\] ([a-z ]+)\*((, \*[a-z ]+\*)*)", line)
            if term:
                described |= {f"{term[1]}/{name}" for name in [term[2], *re.findall(r"\*([a-z ]+)\*", term[3])]}
        self.assertEqual(described, known)

    def test_the_pages_of_the_daemons_name_every_option(self):
        common = set(re.findall(r'"(--[a-z-]+)"', read("libctdbipc", "runtime", "daemon.cc")))
        self.assertIn("--base", common)
        page = read("man", "ctdb-router.8.scd")
        self.assertEqual({option for option in common | {"--help"} if option not in page}, set())
        for daemon in ("ctdb-store", "ctdb-recoveryd"):
            self.assertIn("# OPTIONS\n\nAs of *ctdb-router*(8).\n", read("man", f"{daemon}.8.scd"))


if __name__ == "__main__":
    unittest.main()
