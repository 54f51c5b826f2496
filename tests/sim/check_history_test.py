# SPDX-License-Identifier: GPL-3.0-or-later
"""check_history.py accepts what is right and finds what was planted."""
import json
import unittest

from check_history import Checker


def event(kind, client=0, node=0, life=0, key=0, **more):
    return json.dumps({"event": kind, "client": client, "node": node, "life": life, "key": key, **more})


def operation(client, node, seen, made=None, life=0, empty=False, deletes=False):
    """One client locks, sees a version, makes another, unlocks."""
    lines = [event("begin", client, node, life),
             event("locked", client, node, life, version=seen, **({"empty": True} if empty else {}))]
    if made is not None:
        lines.append(event("wrote", client, node, life, version=made, parent=seen,
                           **({"empty": True} if deletes else {})))
    return lines + [event("unlock", client, node, life)]


def read(client, node, version):
    return [event("begin", client, node), event("read", client, node, version=version)]


def over(node, life=0):
    return [json.dumps({"event": "life-over", "node": node, "life": life})]


def violations(*histories):
    return Checker().read([line for lines in histories for line in lines])


FIRST = operation(1, 1, 1, 10, empty=True)  # node 1 makes version 10 of an absent record
SECOND = operation(2, 2, 10, 11)


class Accepts(unittest.TestCase):
    def test_changes_one_after_the_other(self):
        self.assertEqual(violations(FIRST, SECOND, operation(1, 1, 11, 12), read(3, 0, 12)), [])

    def test_loss_of_what_was_written_in_a_life_that_is_over(self):
        self.assertEqual(violations(FIRST, SECOND, over(2), operation(1, 1, 10, 12)), [])

    def test_a_read_of_what_was_newest_when_it_began(self):
        begun = [event("begin", 3, 0)]
        self.assertEqual(violations(FIRST, begun, SECOND, [event("read", 3, 0, version=10)]), [])

    def test_a_client_that_is_killed_with_the_lock(self):
        self.assertEqual(violations(FIRST[:3], [event("gone", 1, 1)], SECOND), [])


class Finds(unittest.TestCase):
    def assert_found(self, text, *histories):
        found = violations(*histories)
        self.assertEqual(len(found), 1, found)
        self.assertIn(text, found[0])

    def test_a_lost_update(self):
        self.assert_found("version 11 is missing", FIRST, SECOND, operation(3, 0, 10, 12))

    def test_a_loss_that_the_end_of_another_life_does_not_explain(self):
        self.assert_found("version 11 is missing", FIRST, SECOND, over(1), operation(3, 0, 10, 12))

    def test_a_deleted_record_that_comes_back(self):
        self.assert_found("version 11 is missing", FIRST, operation(2, 2, 10, 11, deletes=True), operation(1, 1, 10, 12))

    def test_a_stale_read(self):
        self.assert_found("version 11 is missing", FIRST, SECOND, read(3, 0, 10))

    def test_two_holders(self):
        self.assert_found("holds the lock as well", FIRST, SECOND[:2], operation(1, 1, 10))

    def test_a_version_nobody_wrote(self):
        self.assert_found("nobody wrote", FIRST, read(2, 2, 77))

    def test_a_change_without_the_lock(self):
        self.assert_found("without the lock", FIRST, [event("wrote", 2, 2, version=11, parent=10)])

    def test_a_change_made_from_another_version_than_was_seen(self):
        self.assert_found("from another version", FIRST, SECOND,
                          [event("locked", 1, 1, version=11), event("wrote", 1, 1, version=12, parent=10)])


if __name__ == "__main__":
    unittest.main()
