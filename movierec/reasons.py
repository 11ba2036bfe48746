"""Which movies a recommendation comes from, where the score cannot be split into parts: by leaving them out."""

import numpy as np

from movierec.graph import Graph
from movierec.history import Known
from movierec.model import Model

REASONS_FROM = 20  # of a history, the movies that can be a reason: the last ones
REASONS, REASON_SHARE = 3, 0.03  # at most so many a recommendation; the second and third are worth at least this share of the score


def reasons_by_leaving_out(model: Model, graph: Graph, known: Known, row: int, items: np.ndarray) -> list[list[tuple[int, float]]]:
    """Those of a user's last movies without which a movie's score would be lower, in time order.

    By the model's own arithmetic: the user is scored again, once without each of these movies.

    Args:
        model: one that follows time.
        graph: of training.
        known: the users' histories.
        row: the user, by row of `known`.
        items: (k,) item indices.

    Returns:
        For each of the items at most `REASONS` items of the history and the share of the score that goes with each, the
        weightiest first; none where the score would be no lower without any of them.
    """
    length = int(known.history.lengths[row])
    history = known.history.of(np.array([row])).items[::-1]  # by age
    if length < 2:  # an only movie is all that speaks for anything
        return [[(int(item), 1.0) for item in history] for _ in items]
    ages = np.arange(min(length - 1, REASONS_FROM))  # one must stay
    whole = model.scorer(graph, known)(np.array([row]))[:, items]  # (1, k)
    lost = (whole - model.scorer(graph, known.without(row, length - 1 - ages))(ages)[:, items]).numpy()  # (n_ages, k)
    share = lost / np.maximum(np.abs(whole[0].numpy()), 1e-6)
    weightiest = np.argsort(-share, axis=0, kind="stable")[:REASONS]
    return [
        [(int(history[age]), float(share[age, k])) for place, age in enumerate(weightiest[:, k]) if share[age, k] > (REASON_SHARE if place else 0)]
        for k in range(len(items))
    ]
