"""Processes that import much: their garbage is collected seldom, and not at the end."""

import subprocess
import sys

import pytest

LEFT = """
from harness.garbage import collect_seldom

class Told:
    def __del__(self): print("collected", flush=True)

{call}
told = Told()
told.itself = told
del told
kept = [[] for _ in range({objects})]
"""


@pytest.mark.parametrize(
    ("call", "objects", "collected"),
    [("", 0, True), ("collect_seldom()", 10_000, False), ("collect_seldom()", 100_000, True)],
)
def test_garbage_is_collected_seldom_and_not_at_the_end(call: str, objects: int, collected: bool) -> None:
    code = LEFT.format(call=call, objects=objects)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ("collected" in done.stdout) is collected
