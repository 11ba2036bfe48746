"""A graph recommender for movies: the library behind the stages. Arrays in, arrays out; no paths, no DVC."""

import importlib
import os
from typing import Any

__version__ = "1.0.0"

# Before torch loads its matrix library (Intel MKL on x86-64): otherwise the order in which a long matrix product is
# summed depends on the number of threads. It costs no measurable time.
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
# Waiting threads sleep soon. By default they spin, and beside another program training took eight times as long.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")

LAZY = {"Recommender": "movierec.recommend.recommender", "Filters": "movierec.recommend.filters"}  # they need torch


def __getattr__(name: str) -> Any:
    """`from movierec import Recommender`, loaded when it is asked for."""
    if name in LAZY:
        return getattr(importlib.import_module(LAZY[name]), name)
    raise AttributeError(f"module 'movierec' has no attribute '{name}'")
