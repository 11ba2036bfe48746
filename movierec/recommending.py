"""Recommendations as tables that a person can read."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from movierec.ranking import Scorer, top_k


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


def movies_by_index(movies: pd.DataFrame, item_ids: np.ndarray) -> pd.DataFrame:
    """The movies table in the order of the item indices."""
    return movies.set_index("MovieID").loc[item_ids].reset_index()
