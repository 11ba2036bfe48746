"""A graph recommender for movies: what the stages share. Arrays in, arrays out; no paths, no DVC."""

import os

__version__ = "1.0.0"

# Before torch loads its matrix library (Intel MKL on x86-64): without it, a long matrix product is
# summed in another order for each number of threads. It costs no time that could be measured.
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
