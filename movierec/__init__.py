"""A graph recommender for movies: the library behind the stages. Arrays in, arrays out; no paths, no DVC."""

import importlib
import os
import sys
from typing import Any

__version__ = "1.0.0"

# The same bits on all of x86-64: each library takes the code for one kind of processor, whatever it finds, and OpenBLAS
# one thread, as its bits depend on their number. To be set before NumPy and torch are loaded; see `utils.operations`.
PINNED = {
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own loops
    "LIBXSMM_TARGET": "hsw",  # DGL's sums
    "MKL_CBWR": "COMPATIBLE",  # torch's products and functions, where they are not hot
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # NumPy's loops: no AVX-512
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",  # products and LAPACK of NumPy and SciPy
    "OPENBLAS_NUM_THREADS": "1",
}
if os.uname().machine != "x86_64":  # arm64: other names, and other bits
    PINNED = {"OPENBLAS_NUM_THREADS": "1"}
_early = {name: os.environ.get(name) for name in PINNED} if "numpy" in sys.modules else PINNED
for _name, _value in PINNED.items():
    os.environ.setdefault(_name, _value)
# Otherwise NumPy was loaded before, or the environment asks for more threads: OpenBLAS divides its work by itself.
IN_TIME = _early["OPENBLAS_NUM_THREADS"] == os.environ["OPENBLAS_NUM_THREADS"] == "1"
# Waiting threads sleep soon. By default they spin, and beside another program training took eight times as long.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # its own ones keep the memory of tables that are gone

LAZY = {"Recommender": "movierec.recommend.recommender", "Filters": "movierec.recommend.filters"}  # they load slowly


def __getattr__(name: str) -> Any:
    """`from movierec import Recommender`, loaded when it is asked for."""
    if name in LAZY:
        return getattr(importlib.import_module(LAZY[name]), name)
    raise AttributeError(f"module 'movierec' has no attribute '{name}'")
