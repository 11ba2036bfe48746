"""Damaged files of a model: an error in one line or finite recommendations, never a traceback or a signal."""

import subprocess
import sys

from imports import ROOT

DAMAGES = 1000
CODE = """
import io, sys, zipfile
import numpy as np
sys.path[:0] = [r"{root}", r"{root}/tests/helpers", r"{root}/tests"]
from pathlib import Path
from movierec.recommend.recommender import Recommender
from movierec.utils.errors import UserError
from small_recommender import small, write_small

folder, rng = Path(r"{folder}"), np.random.default_rng(0)
refused = 0
for temporal in (False, True):
    write_small(folder, small(temporal))
    good = {{name: (folder / name).read_bytes() for name in ("model.npz", "catalogue.npz")}}
    for number in range({damages} // 2):
        name = ("model.npz", "catalogue.npz")[number % 2]
        data = bytearray(good[name])
        kind, key = number // 2 % 6, None
        if kind == 0:  # a flipped bit
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        elif kind == 1:  # cut off
            del data[rng.integers(len(data)) :]
        else:
            arrays = dict(np.load(io.BytesIO(good[name])))
            key = sorted(arrays)[rng.integers(len(arrays))]
            array = arrays[key].copy()
            if kind == 2 and array.size and array.dtype.kind in "if":  # another value
                values = [-1, 2**31 - 1, 10**6, 0] if array.dtype.kind == "i" else [np.nan, np.inf, -1e30, 0]
                limits = np.iinfo(array.dtype) if array.dtype.kind == "i" else None
                value = values[rng.integers(4)]
                array.flat[rng.integers(array.size)] = value if limits is None else min(value, limits.max)
                arrays[key] = array
            elif kind == 3:  # another type or shape
                other = [array.astype("U4"), array.reshape(-1)[:-1], array[None], np.zeros(0), array.astype("U")]
                other += [array.astype(np.float64)] if array.dtype.kind in "if" else []
                arrays[key] = other[rng.integers(len(other))]
            elif kind == 4 and array.dtype.kind in "if" and array.size:  # all values changed
                wrapping = np.resize([2**62, -(2**63), -(2**62), 0], array.size)  # its differences are positive
                wrapping[[0, -1]] = 0, array.flat[-1]
                others = [np.sort(array, axis=None)[::-1], array.ravel() * 0, array.ravel() * 0 - 1, wrapping]
                other = others[rng.integers(4)] if array.dtype.kind == "i" else array.ravel() * 0 + 3e38
                arrays[key] = other.reshape(array.shape).astype(array.dtype)
            else:  # missing, renamed, or in another's place
                other = sorted(arrays)[rng.integers(len(arrays))]
                arrays[key + "x" if rng.random() < 0.3 else other] = arrays.pop(key)
            file = io.BytesIO()
            np.savez(file, **arrays)
            data = file.getvalue()
        (folder / name).write_bytes(bytes(data))
        try:
            recommender = Recommender.load(folder)
            table = recommender.recommend(None, 3)
            new = recommender.recommend_new([int(recommender.item_ids[0])], k=3)
            assert np.isfinite(table["Score"]).all() and np.isfinite(new["Score"]).all(), (number, name, key, kind)
        except UserError as error:
            assert "\\n" not in str(error) and str(folder) in str(error), error
            refused += 1
        (folder / name).write_bytes(good[name])
print(refused)
"""


def test_a_thousand_damages_give_an_error_in_one_line_or_finite_recommendations(tmp_path):
    code = CODE.format(root=ROOT, folder=tmp_path, damages=DAMAGES)
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) > DAMAGES / 2
