"""The arrays of a stored model: names, shapes, checks. This file does without torch and SciPy, which load slowly."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from movierec.interactions.gaps import N_CLASSES, N_SITUATIONS
from movierec.utils.checks import check_arrays, check_rising, check_rows, checking
from movierec.utils.errors import UserError, printable

FORMAT = 2  # rises when older code could not read what newer code writes
NEIGHBORS = 200  # of a node, in a Gaussian process over many: see `nearest_neighbors`
LEAST = 1e-30  # what a probability of an item is at least, so that its logarithm is finite
UNLIKELY = 0.03  # a gap as improbable as this, beside the most probable one, is left out: see `next_movie`
VECTORS = ("h_user", "h_item", "user_embedding", "item_messages")
SCHEMA = {name: f"float32 n_{'users' if 'user' in name else 'items'} dim" for name in VECTORS}
SCHEMA |= {"user_ids": "int n_users", "item_ids": "int n_items", "mix": "float64 3"}
SCHEMA |= {f"graph.{name}": "int32 n_edges" for name in ("source", "target")} | {"graph.weight": "float32 n_edges"}
SCHEMA |= {
    "graph.degree": "int32 n_nodes",
    "graph.user_gender": "int8 n_users 2",
    "graph.item_genres": "int8 n_items n_genres",
}
NEXT = {"origin": "n_items width", "end": "n_items d", "bias": "n_items", "mix.weight": "d width", "mix.bias": "d"}
NEXT |= {"situation": f"{N_SITUATIONS} d", "gap": f"{N_CLASSES} d", "when.weight": f"{N_CLASSES} d"}
NEXT |= {"when.bias": f"{N_CLASSES}", "up.weight": "hidden d", "up.bias": "hidden"}
NEXT |= {"down.weight": "d hidden", "down.bias": "d"}
FOLLOWING = {f"next.{name}": f"float32 {sizes}" for name, sizes in NEXT.items()}
FOLLOWING |= {"next.half_lives": "float64 k", "next.temperature": "float64", "shares": "float64 2 3"}
FOLLOWING |= {"trend.times": "int64 s", "trend.popularity": "float32 s n_items", "trend.half_life": "float64"}
FOLLOWING |= {"trend.returns": "bool"}


class Kernel(NamedTuple):
    """The hyperparameters of a kernel."""

    history_weight: float
    graph_weight: float
    scale_power: float  # in r, an interaction counts (degree of its other end) ^ this
    feature_weight: float = 0.0


class Powers(NamedTuple):
    """How the scores depend on degrees."""

    target: float  # y of a node is its degree ^ this: negative powers down-weight nodes with many interactions
    popularity: float  # an item's score is multiplied by its degree ^ this


class Rows(NamedTuple):
    """A sparse matrix by its rows, whose columns rise."""

    indptr: np.ndarray  # (n_rows + 1,) int64: row r has the entries indptr[r] : indptr[r + 1]
    columns: np.ndarray  # (n,) int64
    values: np.ndarray  # (n,) float32

    def entries(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The entries of some rows (k,), one row after the other, and which of the k each is in."""
        lengths = self.indptr[at + 1] - self.indptr[at]
        ends = np.cumsum(lengths)
        entry = np.arange(lengths.sum()) + np.repeat(self.indptr[at] - ends + lengths, lengths)
        return entry, np.repeat(np.arange(len(at)), lengths)

    def product(self, x: np.ndarray) -> np.ndarray:
        """The product with a vector: (n_columns,) to (n_rows,)."""
        return segment_sums(self.values * np.take(x.astype(np.float32), self.columns), self.indptr)


class Edges(NamedTuple):
    """The interactions of training in both directions, as they are stored (see `GraphArrays`)."""

    by_user: Rows  # (n_users, n_items)
    by_item: Rows  # (n_items, n_users)

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> "Edges":
        """Of a stored model."""
        n_users, target, degree = len(arrays["user_ids"]), arrays["graph.target"], arrays["graph.degree"]
        n = int(np.searchsorted(target, n_users))  # the edges to users come first
        parts = (slice(n), degree[:n_users], n_users), (slice(n, None), degree[n_users:], 0)

        def rows(at: slice, degrees: np.ndarray, first: int) -> Rows:
            indptr = np.concatenate([[0], np.cumsum(degrees, dtype=np.int64)])
            return Rows(indptr, arrays["graph.source"][at].astype(np.int64) - first, arrays["graph.weight"][at])

        return cls(*(rows(*part) for part in parts))


def segment_sums(values: np.ndarray, indptr: np.ndarray) -> np.ndarray:
    """The sums of consecutive parts of values, (n,) or (n, k), which may be empty: (n_parts,) or (n_parts, k)."""
    out = np.zeros((len(indptr) - 1, *values.shape[1:]))
    filled = np.flatnonzero(np.diff(indptr))
    if len(filled):
        out[filled] = np.add.reduceat(values, indptr[filled], axis=0)
    return out


class Symmetric:
    """A symmetric matrix, stored as its lower triangle row by row: n (n + 1) / 2 numbers."""

    def __init__(self, triangle: np.ndarray):
        self.triangle, self.n = triangle, int((2 * len(triangle)) ** 0.5)
        self.starts = np.arange(self.n) * np.arange(1, self.n + 1) // 2  # of the rows
        self._unpacked: np.ndarray | None = None

    def diagonal(self) -> np.ndarray:
        """The diagonal, (n,)."""
        return self.triangle[self.starts + np.arange(self.n)]

    def rows(self, at: np.ndarray) -> np.ndarray:
        """Some rows: (k,) int64 to (k, n)."""
        out = np.empty((len(at), self.n), self.triangle.dtype)
        for row, i in zip(out, at.tolist(), strict=True):
            row[: i + 1] = self.triangle[self.starts[i] : self.starts[i] + i + 1]
            row[i + 1 :] = self.triangle[self.starts[i + 1 :] + i]
        return out

    def whole(self) -> np.ndarray:
        """All rows: (n, n)."""
        return self.rows(np.arange(self.n))

    def unpack(self) -> None:
        """Keep the whole matrix, for many products: twice the memory, and a third of the time of each."""
        self._unpacked = self.whole()

    def product(self, x: np.ndarray) -> np.ndarray:
        """The product with a vector: (n,) float32 to (n,) float32."""
        if self._unpacked is not None:
            return self._unpacked @ x
        out = np.zeros(self.n, np.float32)
        for i, start in enumerate(self.starts.tolist()):
            row = self.triangle[start : start + i]
            out[i] += row @ x[:i] + self.triangle[start + i] * x[i]
            out[:i] += row * x[i]
        return out


def check_model(arrays: Mapping[str, Any], source: str) -> None:
    """Check that arrays are those of a stored model.

    Raises:
        UserError: other code wrote the file `source`, or it is damaged.
    """
    with checking(source):
        found = int(arrays["format"]) if "format" in arrays else None
        if found != FORMAT:
            by = f" (movierec {printable(str(arrays['version']))[:20]} wrote it)" if "version" in arrays else ""
            raise UserError(f"{source} has format {found}{by}, not {FORMAT}; `dvc repro` writes it anew.")
        _check(arrays)


def _check(arrays: Mapping[str, Any]) -> None:
    """See `check_model`; `DAMAGE` if they are no model."""
    sizes: dict[str, int] = {str(size): size for size in range(N_SITUATIONS + 1)}
    check_arrays(arrays, SCHEMA, sizes)
    for ids in ("user_ids", "item_ids"):
        check_rising(ids, arrays[ids])
    shape = sizes["n_users"], sizes["n_items"]
    degree, target = arrays["graph.degree"], arrays["graph.target"]
    fits = (int(arrays["graph.n_users"]), int(arrays["graph.n_items"])) == shape and sizes["n_nodes"] == sum(shape)
    if not fits or degree.min(initial=0) < 0 or (target[1:] < target[:-1]).any():
        raise ValueError("graph.degree or graph.target does not fit")
    for rows, n in zip(Edges.of(arrays), shape[::-1], strict=True):
        check_rows("graph", rows.indptr, rows.columns, n)
    for side, n in zip(("users", "items"), shape, strict=True):
        _check_process(arrays, side, n)
    if any(name.startswith(("next.", "trend.")) for name in arrays):
        check_arrays(arrays, FOLLOWING, sizes)
        check_rising("trend.times", arrays["trend.times"])
        if sizes["width"] != sizes["k"] * sizes["d"]:
            raise ValueError("next.origin does not fit the half-lives")
        if min(arrays["next.half_lives"].min(), arrays["next.temperature"]) <= 0:
            raise ValueError("next.half_lives or next.temperature is not above 0")
    is_text = not any(np.ndim(arrays[name]) for name in ("run", "version"))
    if not is_text or not isinstance(json.loads(str(arrays["params"])), dict):
        raise ValueError("params, run or version is no text")


def _check_process(arrays: Mapping[str, Any], side: str, n: int) -> None:
    """Check the Gaussian process of a side with n nodes, if there is one."""
    if f"{side}_powers" not in arrays:
        return
    wanted = {f"{side}_powers": f"float64 {len(Powers._fields)}", f"{side}_kernel": f"float64 {len(Kernel._fields)}"}
    sizes = {str(size): size for size in range(9)} | {"rows": n + 1, "triangle": n * (n + 1) // 2}
    if f"{side}_noise" not in arrays:
        check_arrays(arrays, wanted | {f"{side}_inverse": "float32 triangle"}, sizes)
        return
    wanted |= {f"{side}_noise": "float64", f"{side}_weights.data": "float32 nnz"}
    wanted |= {f"{side}_weights.indices": "int32 nnz", f"{side}_weights.indptr": "int32 rows"}
    check_arrays(arrays, wanted, sizes)
    check_rows(f"{side}_weights", arrays[f"{side}_weights.indptr"], arrays[f"{side}_weights.indices"], n)
    if arrays[f"{side}_noise"] <= 0:
        raise ValueError(f"{side}_noise is not above 0")
