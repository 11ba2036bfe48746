"""`contributions` for many users at once: only at the items that are recommended, and only the best of them."""

import numpy as np
import torch

from movierec.graph import node_scale
from movierec.interactions import users_of_items
from movierec.kernels import degree_power, item_weights, trained_messages
from movierec.ranking import CHUNK
from movierec.recommender import Recommender


def reasons_of_all(recommender: Recommender, users: np.ndarray, items: np.ndarray, n_reasons: int) -> np.ndarray:
    """The liked movies that add most to each recommended one.

    As `contributions` splits the scores of users with their histories of training; but where that makes all parts of all scores, this makes those
    that are asked for, and needs a dense (n_items, n_users) matrix.

    Args:
        recommender: one that does not follow time.
        users: (n,) indices.
        items: (n, k) recommended items, -1 for an empty place.
        n_reasons: for each.

    Returns:
        (n, k, n_reasons) int32 item indices, best first; -1 where there are fewer.
    """
    model, graph = recommender.model, recommender.graph
    weighted = torch.from_numpy(graph.matrix.toarray().T.copy())  # (n_items, n_users)
    degree = users_of_items(graph.matrix)
    user_mean = torch.from_numpy(np.asarray(graph.matrix.sum(axis=1)).ravel() / graph.n_items).float()  # (n_users,): of a row over all items
    item_mean = model.h_item.mean(dim=0)
    weights = item_weights(graph, model.items) if model.items and model.mix[2] else None
    counts = degree_power(degree, 2 * model.users.kernel.scale_power) if model.users and model.mix[1] else None  # (n_items, 1)
    scale = node_scale(abs(graph.matrix), axis=1)
    parts = model.parts(graph)
    out = np.full((*items.shape, n_reasons), -1, np.int32)
    for begin in range(0, len(users), CHUNK):
        batch = users[begin : begin + CHUNK]
        deviations = [part(batch).std(dim=1, correction=0).clamp(min=1e-12) if part and share else None for part, share in zip(parts, model.mix)]
        messages = trained_messages(graph, model.users, batch) if counts is not None else None  # (n_users, chunk)
        for row, user in enumerate(batch):
            at = items[begin + row][items[begin + row] >= 0].astype(np.int64)
            history = graph.matrix[[user]]
            movies, weight = torch.from_numpy(history.indices.astype(np.int64)), torch.from_numpy(history.data).unsqueeze(1)
            total = torch.zeros(len(movies), len(at))
            if model.mix[0]:
                sent = model.item_messages[movies] * weight * scale[user]
                length = (sent.sum(dim=0) + model.user_embedding[user]).norm().clamp(min=1e-12)
                total += model.mix[0] * (sent @ (model.h_item[at] - item_mean).T) / length / deviations[0][row]
            if counts is not None:
                shared = weighted[movies] * (weight * counts[movies])  # (n_movies, n_users)
                overlap = shared.sum(dim=0)
                shared *= torch.where(overlap > 0, messages[:, row] / overlap.clamp(min=1e-12), 0)
                total += model.mix[1] * (shared @ weighted[at].T - (shared @ user_mean).unsqueeze(1)) / deviations[1][row]
            if weights is not None:
                of_items = weights[movies]
                total += model.mix[2] * weight * (of_items[:, at] - of_items.mean(dim=1, keepdim=True)) / deviations[2][row]
            best = torch.topk(total, min(n_reasons, len(movies)), dim=0)
            found = np.where(best.values.numpy() > 0, movies.numpy()[best.indices.numpy()], -1)  # (n_reasons, k)
            out[begin + row, : len(at), : len(found)] = found.T
    return out
