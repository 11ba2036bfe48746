"""New items in a trained model, placed by their features and first users, without training.

Arrays with a row per item get rows for new ones by ridge regression on an item's features and the mean vector of its
users. It learns from the items of training. A new item has few users, and no part in their vectors: so the regression
sees as few users of a known item, drawn at random, without its messages. The Gaussian process over items takes the new
ones in by its kernel, in which their histories are empty.
"""

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor

from movierec.interactions.graph_arrays import GraphArrays
from movierec.interactions.profiles import Profiles
from movierec.model.gaussian_process import Process, kernel_matrix
from movierec.model.graph import Graph, weighted_sum
from movierec.model.kernels import Nodes, UnitNodes
from movierec.model.model import Model
from movierec.model.nearest_neighbors import LocalProcess, regress_new
from movierec.model.next_movie import NextMovie
from movierec.utils.linear_algebra import invert_spd_
from movierec.utils.operations import one_thread, product

SAMPLES = np.array([0, 3, 10, 30, 100])  # numbers of users of a known item that the regression sees; fewer tell little
RIDGE = 3.0
USERS_SCALE = 3.0  # of the mean vectors, whose length is at most 1, beside features of 0 and 1


def with_new_items(
    model: Model, graph: GraphArrays, profiles: Profiles, is_new: np.ndarray, features: np.ndarray
) -> Model:
    """The model with more items; its trend still has the old ones (see `Trend.of`).

    Args:
        model: of the items where `is_new` is False, in the same order.
        graph: of the users of training and of all items.
        profiles: of all users, those after training too, and of all items.
        is_new: (n_items,) bool.
        features: (n_items, n_features) float, such as of genres and years.
    """
    old, new = np.flatnonzero(~is_new), np.flatnonzero(is_new)
    place = torch.from_numpy(np.argsort(np.concatenate([old, new])))
    tables, arrays = {"h_item": model.h_item, "item_messages": model.item_messages}, {}
    if model.next:
        arrays = model.next.arrays()
        tables |= {name: torch.from_numpy(arrays[name]) for name in ("origin", "bias", "end")}
        tables |= {"bias": tables["bias"].unsqueeze(1), "end": F.normalize(tables["end"])}
    h_user = F.normalize(weighted_sum(profiles.matrix[:, old])(model.item_messages))
    users_of_new = profiles.matrix[:, new].T.tocsr(), h_user
    found = regression(model, torch.cat([*tables.values()], dim=1), *users_of_new, (features[old], features[new]))
    rows = dict(zip(tables, found.split([of.shape[1] for of in tables.values()], dim=1), strict=True))
    rows["h_item"] = F.normalize(rows["h_item"])
    grown = {name: torch.cat([of, rows[name]])[place] for name, of in tables.items()}
    process = model.items
    if process:
        known = Nodes(model.graph.matrix.T.tocsr(), model.h_item, model.graph.item_genres)
        empty = sp.csr_matrix((len(new), graph.n_users), dtype=np.float32)
        of_new = Nodes(empty, rows["h_item"], graph.item_genres[new])
        process = grown_process(model.graph, process, known, of_new, place=place)
    vectors = grown["h_item"], grown["item_messages"]
    model = model._replace(graph=Graph(graph), h_item=vectors[0], item_messages=vectors[1], items=process)
    if model.next:
        of_items = {name: grown[name].squeeze(1).numpy() for name in ("origin", "bias", "end")}
        model = model._replace(next=NextMovie.from_arrays(arrays | of_items))
    return model


def regression(
    model: Model, known: Tensor, users_of_new: sp.csr_matrix, h_user: Tensor, features: tuple[np.ndarray, np.ndarray]
) -> Tensor:
    """The rows of new items, (n_new, width), by ridge regression from those of the known ones.

    Args:
        model: of the known items.
        known: (n_old, width).
        users_of_new: (n_new, n), the users of new items.
        h_user: (n, dim), the unit vectors of these users, from messages of known items alone.
        features: of known items, (n_old, n_features), and of new ones.
    """
    by_item, messages = model.graph.matrix.T.tocsr(), weighted_sum(model.graph.matrix)(model.item_messages)
    degree, mean = np.diff(by_item.indptr), F.normalize(messages).mean(dim=0)
    item = np.repeat(np.arange(len(degree)), degree)
    shuffled = np.lexsort((np.random.default_rng(0).random(len(item)), item))
    rank = np.arange(len(item)) - by_item.indptr[item]  # of a user among those of an item

    def inputs(rows: sp.csr_matrix, h: Tensor, of_items: np.ndarray) -> np.ndarray:
        n_users = np.diff(rows.indptr)[:, None]
        vectors = np.zeros((len(of_items), h.shape[1]), np.float32)
        if rows.nnz:
            total = weighted_sum(rows)(h).numpy()
            vectors = np.where(n_users > 0, total / np.maximum(n_users, 1) - mean.numpy(), 0)
        return np.concatenate([of_items, np.ones((len(of_items), 1)), USERS_SCALE * vectors], axis=1)

    def sample(n: int) -> np.ndarray:
        """The inputs of known items with n users each, or with all that they have."""
        entry = shuffled[rank < n]
        at, user = torch.from_numpy(item[rank < n]), torch.from_numpy(by_item.indices[entry].astype(np.int64))
        own = model.item_messages[at] * torch.from_numpy(by_item.data[entry]).unsqueeze(1)
        indptr = np.concatenate([[0], np.cumsum(np.minimum(degree, n))])
        entries = np.ones(len(entry), np.float32), np.arange(len(entry)), indptr
        rows = sp.csr_matrix(entries, (len(degree), len(entry)))
        return inputs(rows, F.normalize(messages[user] - own), features[0])

    binary = sp.csr_matrix(users_of_new != 0, dtype=np.float32)
    x_new, y = inputs(binary, h_user, features[1]), known.numpy().astype(np.float64)
    usual = SAMPLES[[np.mean(degree >= n) >= 0.5 for n in SAMPLES]]
    size = usual[np.searchsorted(usual, np.diff(binary.indptr), side="right") - 1]  # of the sample, by new item
    out = np.empty((len(x_new), y.shape[1]))
    for n in np.unique(size):
        has_enough = degree >= n
        x, target = sample(n)[has_enough], y[has_enough]
        with one_thread():
            weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ target)
            out[size == n] = x_new[size == n] @ weights
    return torch.from_numpy(out.astype(np.float32))


def grown_process(
    graph: Graph, process: Process | LocalProcess, known: Nodes, new: Nodes, *, place: Tensor
) -> Process | LocalProcess:
    """The process over the known items and new ones, which are then put in the order of `place`, (n_items,).

    The inverse of the grown matrix [[A, B^T], [B, C]] comes from P = A^-1 and the Schur complement C - B P B^T.
    """
    similar = kernel_matrix(new, known, graph.to_items, process.kernel)  # B, (n_new, n_known)
    if isinstance(process, LocalProcess):
        rows = sp.csr_matrix(regress_new(process, known, similar).T.numpy())
        weights = sp.vstack([process.weights, rows], format="csr")
        weights.resize(len(place), len(place))
        return process._replace(weights=weights[place.numpy()][:, place.numpy()])
    one = Nodes(known.rows[:1], known.h[:1], known.features[:1])
    of_one = product(kernel_matrix(one, known, graph.to_items, process.kernel), process.inverse[:, :1].contiguous())
    noise = (1 - of_one) / process.inverse[0, 0]  # (1, 1), as (K + noise I) P = I
    weights = product(similar, process.inverse)  # B P
    schur = UnitNodes(new, process.kernel.scale_power).kernel_matrix(np.arange(len(new.h)), process.kernel)
    schur.fill_diagonal_(1).diagonal().add_(noise[0])
    inverse = invert_spd_(schur.sub_(product(weights, similar.T)))
    across = product(inverse, weights).neg_()  # (n_new, n_known)
    top = torch.cat([process.inverse - product(weights.T, across), across.T], dim=1)
    whole = torch.cat([top, torch.cat([across, inverse], dim=1)])
    return process._replace(inverse=whole[place][:, place])
