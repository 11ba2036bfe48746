"""Freed memory stays with the process."""

import ctypes
import subprocess
import sys

import pytest

FAULTS = """
import resource
from movierec.allocator import keep_freed_memory

n = 64 * 2**20
if {keep}:
    keep_freed_memory()
b"x" * n
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
b"x" * n
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc")
def test_what_is_large_takes_the_place_of_what_is_freed():
    pages = {keep: int(subprocess.run([sys.executable, "-c", FAULTS.format(keep=keep)], capture_output=True, text=True, check=True).stdout) for keep in (True, False)}
    assert pages[True] < 1000 < pages[False], "64 MB are 16,384 pages, unless they are there already"
