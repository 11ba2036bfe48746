"""The model as one file that needs nothing else: arrays, the graph, whose they are, and what it was trained with. No pickle."""

import json
from typing import Any, NamedTuple

import numpy as np

from movierec import __version__
from movierec.edges import GraphArrays, stored_graph
from movierec.errors import UserError
from movierec.graph import Graph
from movierec.model import Model, stored_model

FORMAT = 1  # rises when older code could not read what newer code writes


class Packed(NamedTuple):
    """What the file holds."""

    model: Model
    graph: Graph
    user_ids: np.ndarray  # (n_users,) UserID of each user index
    item_ids: np.ndarray  # (n_items,) MovieID of each item index
    params: dict[str, Any]  # that it was trained with
    version: str = __version__  # of the code that wrote it


def pack(model: Model, graph: GraphArrays, user_ids: np.ndarray, item_ids: np.ndarray, params: dict[str, Any]) -> dict[str, np.ndarray]:
    """As arrays, to be stored."""
    of_graph = {f"graph.{name}": value for name, value in graph._asdict().items()}
    known = {"format": FORMAT, "version": __version__, "params": json.dumps(params), "user_ids": user_ids, "item_ids": item_ids}
    return known | of_graph | model.arrays()


def unpack(arrays: dict[str, np.ndarray], source: str) -> Packed:
    """The reverse of `pack`.

    Args:
        arrays: as stored.
        source: the file, for the message.

    Raises:
        UserError: it was written by other code.
    """
    found = int(arrays["format"]) if "format" in arrays else None
    if found != FORMAT:
        by = f" (movierec {arrays['version']} wrote it)" if "version" in arrays else ""
        raise UserError(f"{source} has format {found}{by}, but this code reads format {FORMAT}; `dvc repro` writes it anew, or use the code that wrote it.")
    graph = Graph(stored_graph({name.removeprefix("graph."): array for name, array in arrays.items() if name.startswith("graph.")}))
    return Packed(stored_model(arrays, graph), graph, arrays["user_ids"], arrays["item_ids"], json.loads(str(arrays["params"])), str(arrays["version"]))
