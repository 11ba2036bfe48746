"""Why a movie is recommended: how much of its score comes from each movie that the user likes.

By the model's own arithmetic. A score is a sum of messages, and each message is split over the user's movies that it
comes through, so that the parts, and a rest that no movie of theirs has a part in, sum to the score:

    graph    cos(h_u, h_i): h_u is a sum of messages from the user's movies, and layer 0 (the rest)
    movies   a sum of messages from the user's movies
    users    a message from each user v of like taste: it is split over the movies that u and v share,
             in the shares that they have in r_u . r_v; those who share none are the rest
"""

from typing import NamedTuple

import numpy as np
import torch

from movierec.graph import Graph, node_scale
from movierec.history import Known
from movierec.interactions import users_of_items
from movierec.kernels import Nodes, degree_power, folded_messages, item_weights, trained_messages
from movierec.model import Model


class Contributions(NamedTuple):
    """What a user's score for every item is made of."""

    movies: np.ndarray  # (n,) int, the items of the user's history
    parts: torch.Tensor  # (n, n_items), what each of them adds
    rest: torch.Tensor  # (n_items,), what comes from nothing that they like

    def total(self) -> torch.Tensor:
        """The score: (n_items,)."""
        return self.parts.sum(dim=0) + self.rest


def contributions(model: Model, graph: Graph, known: Known, row: int, trained: bool) -> Contributions:
    """The parts of one user's taste scores, standardised and mixed as `Model.scorer` does.

    Args:
        model: whose taste.
        graph: of training.
        known: users and their histories.
        row: the user, by row of `known`.
        trained: whether the history is that of training, so that users of like taste are those of the fitted inverse itself.
    """
    rows = known.matrix[[row]]
    one = Known(rows, known.history.of(np.array([row])), known.users[[row]], None if known.gender is None else known.gender[[row]])
    user = model.nodes(graph, one)
    made = (
        lambda: graph_parts(model, one, user),
        lambda: user_parts(model, graph, one, user, trained),
        lambda: item_parts(model, graph, one),
    )
    parts, rest = torch.zeros(rows.nnz, graph.n_items), torch.zeros(graph.n_items)
    for share, make in zip(model.mix, made):
        if share:
            of_movies, of_nothing = make()
            deviation = (of_movies.sum(dim=0) + of_nothing).std(correction=0).clamp(min=1e-12)
            parts += share * (of_movies - of_movies.mean(dim=1, keepdim=True)) / deviation
            rest += share * (of_nothing - of_nothing.mean()) / deviation
    return Contributions(rows.indices, parts, rest)


def graph_parts(model: Model, one: Known, user: Nodes) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the cosine: (n, n_items) and (n_items,)."""
    scale = node_scale(abs(one.matrix), axis=1)
    messages = model.item_messages[torch.from_numpy(one.matrix.indices.astype(np.int64))] * torch.from_numpy(one.matrix.data).unsqueeze(1) * scale
    layer_0 = torch.zeros_like(messages[:1]) if one.users[0] < 0 else model.user_embedding[one.users[[0]]]
    length = (messages.sum(dim=0) + layer_0).norm().clamp(min=1e-12)
    return messages @ model.h_item.T / length, (layer_0 @ model.h_item.T / length).squeeze(0)


def item_parts(model: Model, graph: Graph, one: Known) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the movies with a like public: (n, n_items), and nothing."""
    weights = item_weights(graph, model.items, one.matrix.indices)
    return weights * torch.from_numpy(one.matrix.data).unsqueeze(1), torch.zeros(graph.n_items)


def user_parts(model: Model, graph: Graph, one: Known, user: Nodes, trained: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the users of like taste: (n, n_items) and (n_items,)."""
    messages = trained_messages(graph, model.users, one.users) if trained else folded_messages(graph, model.users, model.h_user, user)  # (n_users, 1)
    degree = users_of_items(graph.matrix)
    counts = torch.from_numpy(one.matrix.data) * degree_power(degree, 2 * model.users.kernel.scale_power).squeeze(1)[one.matrix.indices]
    shared = torch.from_numpy(graph.matrix[:, one.matrix.indices].toarray()) * counts  # (n_users, n)
    overlap = shared.sum(dim=1, keepdim=True)
    split = torch.where(overlap > 0, shared / overlap.clamp(min=1e-12), 0) * messages
    alone = torch.where(overlap > 0, 0, messages)
    carried = graph.to_items(torch.cat([split, alone], dim=1)).T  # (n + 1, n_items)
    return carried[:-1], carried[-1]
