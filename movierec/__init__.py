"""A graph recommender for movies: what the stages share. Arrays in, arrays out; no paths, no DVC."""

import importlib
import os

__version__ = "1.0.0"

# Before torch loads its matrix library (Intel MKL on x86-64): without it, a long matrix product is
# summed in another order for each number of threads. It costs no time that could be measured.
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
# Threads that wait for each other do so asleep after a moment. By default they spin, and with another program on
# the same cores they then steal its time and their own: training was measured to take eight times as long.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")


def __getattr__(name: str):
    """`from movierec import Recommender`, loaded when it is asked for: the other parts need no torch."""
    if name == "Recommender":
        return importlib.import_module("movierec.recommender").Recommender
    raise AttributeError(f"module 'movierec' has no attribute '{name}'")
