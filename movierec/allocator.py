"""What the C library does with memory that is freed."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


def keep_freed_memory() -> None:
    """Have glibc keep what is freed for the next tensor, as long as this process lives.

    By default what is larger than 32 MB comes from the system and goes back to it, which hands it out page by page, each filled with zeros. Where
    the vectors of all users are that large, some go and come in each step of propagation: a fifth of the time of training. Other C libraries
    are left as they are.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
