"""The model as arrays of one file that is complete in itself; nothing is pickled."""

import json
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from movierec import __version__
from movierec.interactions.graph_arrays import GraphArrays
from movierec.interactions.matrix import CSR, run_id
from movierec.model.gaussian_process import Process
from movierec.model.graph import Graph
from movierec.model.kernels import Kernel, Powers
from movierec.model.model import Model
from movierec.model.nearest_neighbors import LocalProcess
from movierec.model.next_movie import NextMovie
from movierec.model.trend import Trend
from movierec.utils.checks import check_arrays, check_matrix, check_rising, checking
from movierec.utils.errors import UserError, printable

FORMAT = 2  # rises when older code could not read what newer code writes
VECTORS = ("h_user", "h_item", "user_embedding", "item_messages")
SCHEMA = {name: f"float32 n_{'users' if 'user' in name else 'items'} dim" for name in VECTORS}
SCHEMA |= {"user_ids": "int n_users", "item_ids": "int n_items", "mix": "float64 3"}
SCHEMA |= {f"graph.{name}": "int32 n_edges" for name in ("source", "target")} | {"graph.weight": "float32 n_edges"}
SCHEMA |= {
    "graph.degree": "int32 n_nodes",
    "graph.user_gender": "int8 n_users 2",
    "graph.item_genres": "int8 n_items n_genres",
}


class StoredModel(NamedTuple):
    """The content of the file."""

    model: Model
    user_ids: np.ndarray  # (n_users,) UserID by user index
    item_ids: np.ndarray  # (n_items,) MovieID by item index
    params: dict[str, Any]  # of the training
    version: str = __version__  # of the code that wrote it
    run: str = ""  # see `run_id`


def pack(
    model: Model, graph: GraphArrays, user_ids: np.ndarray, item_ids: np.ndarray, *, params: dict[str, Any]
) -> dict[str, Any]:
    """A model, its training graph, and the params of its training, as arrays to be stored."""
    text = json.dumps(params, separators=(",", ":"))
    arrays: dict[str, Any] = {"format": FORMAT, "version": __version__, "params": text}
    arrays |= {"user_ids": user_ids, "item_ids": item_ids, "run": run_id(user_ids, item_ids, graph.matrix())}
    arrays |= {f"graph.{name}": value for name, value in graph._asdict().items()}
    arrays |= {name: getattr(model, name).numpy() for name in VECTORS} | {"mix": np.array(model.mix)}
    for name, process in (("users", model.users), ("items", model.items)):
        arrays |= _process_arrays(name, process) if process else {}
    if model.next and model.trend is not None:
        arrays |= {f"next.{name}": array for name, array in model.next.arrays().items()}
        arrays |= {f"trend.{name}": np.asarray(value) for name, value in model.trend._asdict().items()}
        arrays |= {"shares": np.array(model.shares)}
    return arrays


def unpack(arrays: dict[str, Any], source: str) -> StoredModel:
    """The reverse of `pack`; a UserError names the file `source` if other code wrote it, or it is damaged."""
    with checking(source):
        found = int(arrays["format"]) if "format" in arrays else None
        if found != FORMAT:
            by = f" (movierec {printable(str(arrays['version']))[:20]} wrote it)" if "version" in arrays else ""
            raise UserError(f"{source} has format {found}{by}, not {FORMAT}; `dvc repro` writes it anew.")
        return _unpack(arrays)


def _unpack(arrays: dict[str, Any]) -> StoredModel:
    """Check the arrays, and make a model of them; `DAMAGE` if they are no model."""
    sizes: dict[str, int] = {"3": 3, "2": 2}
    check_arrays(arrays, SCHEMA, sizes)
    for ids in ("user_ids", "item_ids"):
        check_rising(ids, arrays[ids])
    graph_of = {name.removeprefix("graph."): array for name, array in arrays.items() if name.startswith("graph.")}
    stored = GraphArrays.from_stored(graph_of)
    if (stored.n_users, stored.n_items) != (sizes["n_users"], sizes["n_items"]) or (
        sizes["n_nodes"] != stored.n_users + stored.n_items
        or stored.degree.min() < 0
        or stored.degree[: stored.n_users].sum() != (stored.target < stored.n_users).sum()
    ):
        raise ValueError("graph.degree does not fit")
    check_matrix("graph", stored.matrix())
    processes: dict[str, Any] = {side: _process(arrays, side, sizes[f"n_{side}"]) for side in ("users", "items")}
    following = {name: array for name, array in arrays.items() if name.startswith("next.")}
    if following:
        wanted = {name: " ".join(["float32", *map(str, of.shape)]) for name, of in following.items()}
        wanted |= {"next.end": "float32 n_items d", "next.half_lives": "float64 k", "next.temperature": "float64"}
        wanted |= {"trend.times": "int64 s", "trend.popularity": "float32 s n_items", "shares": "float64 2 3"}
        wanted |= {"trend.half_life": "float64", "trend.returns": "bool"}
        check_arrays(arrays, wanted, sizes)
        check_rising("trend.times", arrays["trend.times"])
        if min(arrays["next.half_lives"].min(), arrays["next.temperature"]) <= 0:
            raise ValueError("next.half_lives or next.temperature is not above 0")

    def within(prefix: str) -> dict[str, np.ndarray]:
        return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

    graph, mix = Graph(stored), tuple(arrays["mix"].tolist())
    vectors: dict[str, Any] = {name: torch.from_numpy(arrays[name]) for name in VECTORS}
    model = Model(graph, **vectors, **processes, mix=mix)
    if following:
        kind = float(arrays["trend.half_life"]), bool(arrays["trend.returns"])
        trend = Trend(arrays["trend.times"], torch.from_numpy(arrays["trend.popularity"]), *kind)
        session, away = map(tuple, arrays["shares"].tolist())
        model = model._replace(next=NextMovie.from_arrays(within("next.")), trend=trend, shares=(session, away))
    params, version = json.loads(str(arrays["params"])), str(arrays["version"])
    if not isinstance(params, dict):
        raise ValueError("params is no object")
    user_ids, item_ids = arrays["user_ids"], arrays["item_ids"]
    return StoredModel(model, user_ids, item_ids, params=params, run=str(arrays["run"]), version=version)


def _process_arrays(side: str, process: Process | LocalProcess) -> dict[str, Any]:
    """The Gaussian process of a side as arrays."""
    arrays: dict[str, Any] = {f"{side}_powers": np.array(process.powers), f"{side}_kernel": np.array(process.kernel)}
    if isinstance(process, LocalProcess):
        csr = {f"{side}_weights.{part}": getattr(process.weights, part) for part in CSR}
        return arrays | csr | {f"{side}_noise": np.array(process.noise)}
    return arrays | {f"{side}_inverse": lower_triangle(process.inverse)}


def _process(arrays: dict[str, Any], side: str, n: int) -> Process | LocalProcess | None:
    """The Gaussian process of a side with n nodes, or None; `DAMAGE` if the arrays are none."""
    if f"{side}_powers" not in arrays:
        return None
    wanted = {f"{side}_powers": f"float64 {len(Powers._fields)}", f"{side}_kernel": f"float64 {len(Kernel._fields)}"}
    sizes = {str(size): size for size in range(9)} | {"rows": n + 1, "triangle": n * (n + 1) // 2}
    local = f"{side}_noise" in arrays
    if local:
        wanted |= {f"{side}_noise": "float64", f"{side}_weights.data": "float32 nnz"}
        wanted |= {f"{side}_weights.indices": "int32 nnz", f"{side}_weights.indptr": "int32 rows"}
    else:
        wanted |= {f"{side}_inverse": "float32 triangle"}
    check_arrays(arrays, wanted, sizes)
    kernel, powers = Kernel(*arrays[f"{side}_kernel"].tolist()), Powers(*arrays[f"{side}_powers"].tolist())
    if not local:
        return Process(symmetric(arrays[f"{side}_inverse"]), powers, kernel)
    weights = sp.csr_matrix(tuple(arrays[f"{side}_weights.{part}"] for part in CSR), shape=(n, n))
    check_matrix(f"{side}_weights", weights)
    if arrays[f"{side}_noise"] <= 0:
        raise ValueError(f"{side}_noise is not above 0")
    return LocalProcess(weights, powers, kernel, float(arrays[f"{side}_noise"]))


def lower_triangle(matrix: Tensor) -> np.ndarray:
    """The lower triangle of a symmetric matrix, row by row, diagonal included: (n (n + 1) / 2,)."""
    return np.concatenate([row[: i + 1] for i, row in enumerate(matrix.numpy())])


def symmetric(triangle: np.ndarray) -> Tensor:
    """The reverse of `lower_triangle`."""
    n = int((2 * len(triangle)) ** 0.5)
    matrix = np.empty((n, n), np.float32)
    begin = 0
    for i in range(n):
        matrix[i, : i + 1] = matrix[: i + 1, i] = triangle[begin : begin + i + 1]
        begin += i + 1
    return torch.from_numpy(matrix)
