# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for conditions: no test waits for time to pass."""
import time


def wait_until(condition, what, seconds=60):
    """What the condition returns as soon as it is true. `what` tells a person what was waited for, a text or a function that
    makes one. The deadline is generous, its only use is to end a hung test."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain: {what() if callable(what) else what}")
        time.sleep(0.01)
