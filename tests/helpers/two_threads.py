"""Two members of a group as threads of one process, for what they do with NumPy arrays alone."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from movierec.utils.group import Group


class Member(Group):
    """A member that meets the other one at a barrier."""

    def __init__(self, rank, arrays, barrier):
        super().__init__(rank, 2)
        self.arrays, self.barrier = arrays, barrier

    def concat(self, own):
        self.arrays[self.rank] = own
        self.barrier.wait(10)
        both = np.concatenate(self.arrays)
        self.barrier.wait(10)
        return both


def in_two(work):
    """`work(group)` of both members; a failure of one fails the other."""
    arrays, barrier = [None, None], threading.Barrier(2)

    def run(rank):
        try:
            return work(Member(rank, arrays, barrier))
        except BaseException:
            barrier.abort()
            raise

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, range(2)))
