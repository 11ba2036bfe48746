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
from movierec.model.model import Model
from movierec.model.nearest_neighbors import LocalProcess
from movierec.model.next_movie import NextMovie
from movierec.model.stored import FORMAT, VECTORS, Kernel, Powers, Symmetric, check_model
from movierec.model.trend import Trend


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
    check_model(arrays, source)
    graph = Graph(GraphArrays.from_stored(_within("graph.", arrays)))
    vectors: dict[str, Any] = {name: torch.from_numpy(arrays[name]) for name in VECTORS}
    processes: dict[str, Any] = {side: _process(arrays, side) for side in ("users", "items")}
    model = Model(graph, **vectors, **processes, mix=tuple(arrays["mix"].tolist()))
    if "trend.times" in arrays:
        kind = float(arrays["trend.half_life"]), bool(arrays["trend.returns"])
        trend = Trend(arrays["trend.times"], torch.from_numpy(arrays["trend.popularity"]), *kind)
        session, away = map(tuple, arrays["shares"].tolist())
        following = NextMovie.from_arrays(_within("next.", arrays))
        model = model._replace(next=following, trend=trend, shares=(session, away))
    params, run, version = json.loads(str(arrays["params"])), str(arrays["run"]), str(arrays["version"])
    return StoredModel(model, arrays["user_ids"], arrays["item_ids"], params=params, run=run, version=version)


def _within(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _process_arrays(side: str, process: Process | LocalProcess) -> dict[str, Any]:
    """The Gaussian process of a side as arrays."""
    arrays: dict[str, Any] = {f"{side}_powers": np.array(process.powers), f"{side}_kernel": np.array(process.kernel)}
    if isinstance(process, LocalProcess):
        csr = {f"{side}_weights.{part}": getattr(process.weights, part) for part in CSR}
        return arrays | csr | {f"{side}_noise": np.array(process.noise)}
    return arrays | {f"{side}_inverse": lower_triangle(process.inverse)}


def _process(arrays: dict[str, Any], side: str) -> Process | LocalProcess | None:
    """The Gaussian process of a side, or None."""
    if f"{side}_powers" not in arrays:
        return None
    kernel, powers = Kernel(*arrays[f"{side}_kernel"].tolist()), Powers(*arrays[f"{side}_powers"].tolist())
    if f"{side}_noise" not in arrays:
        return Process(torch.from_numpy(Symmetric(arrays[f"{side}_inverse"]).whole()), powers, kernel)
    csr, n = tuple(arrays[f"{side}_weights.{part}"] for part in CSR), len(arrays[f"{side[:-1]}_ids"])
    return LocalProcess(sp.csr_matrix(csr, shape=(n, n)), powers, kernel, float(arrays[f"{side}_noise"]))


def lower_triangle(matrix: Tensor) -> np.ndarray:
    """The lower triangle of a symmetric matrix, row by row, diagonal included: (n (n + 1) / 2,)."""
    return np.concatenate([row[: i + 1] for i, row in enumerate(matrix.numpy())])
