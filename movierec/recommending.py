"""Recommendations as tables that a person can read."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from movierec.graph import Graph
from movierec.history import Known
from movierec.model import Model
from movierec.ranking import Scorer, top_k

REASONS_FROM = 20  # of a history, the movies that can be a reason: the last ones
REASONS, REASON_SHARE = 2, 0.05  # at most so many a recommendation, each worth at least this share of the score


def recommend(
    scorer: Scorer, users: np.ndarray, seen: sp.csr_matrix, k: int, user_ids: np.ndarray, movies: pd.DataFrame
) -> pd.DataFrame:
    """The k best movies that each user has not rated.

    Args:
        scorer: of the model.
        users: (n,) user indices.
        seen: (n_users, n_items), movies left out.
        k: recommendations per user; fewer where a user has rated nearly all.
        user_ids: UserID of each user index.
        movies: MovieID, Title, Year and Genres of each item index.

    Returns:
        UserID, Rank (from 1), MovieID, Title, Year, Genres, Score; a user's rows together, best first.
    """
    items, scores = top_k(scorer, users, seen, k)
    there = items >= 0
    row, place = np.nonzero(there)
    table = movies.iloc[items[there]].reset_index(drop=True)
    table.insert(0, "UserID", user_ids[users[row]])
    table.insert(1, "Rank", (place + 1).astype(np.int32))
    return table.assign(Score=scores[there])


def reasons(model: Model, graph: Graph, known: Known, row: int, items: np.ndarray) -> list[list[int]]:
    """Which of a user's last movies decide that items are recommended: those without which the score would be lower.

    By the model's own arithmetic: the user is scored again, once without each of these movies.

    Args:
        model: one that follows time.
        graph: of training.
        known: the users' histories.
        row: the user, by row of `known`.
        items: (k,) item indices.

    Returns:
        For each of the items the ages (0: the last movie) of at most `REASONS` movies, the weightiest first;
        none where no single one matters.
    """
    length = int(known.history.lengths[row])
    ages = np.arange(min(length - 1, REASONS_FROM))  # without its only movie, a history says nothing
    if not len(ages):
        return [[] for _ in items]
    whole = model.scorer(graph, known)(np.array([row]))[:, items]  # (1, k)
    lost = (whole - model.scorer(graph, known.without(row, length - 1 - ages))(ages)[:, items]).numpy()  # (n_ages, k)
    least = REASON_SHARE * np.abs(whole[0].numpy())
    weightiest = np.argsort(-lost, axis=0, kind="stable")[:REASONS]
    return [[int(age) for age in weightiest[:, k] if lost[age, k] > least[k]] for k in range(len(items))]
