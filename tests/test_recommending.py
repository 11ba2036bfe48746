"""Recommendations as tables."""

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

from movierec.features import movies_by_index
from movierec.history import known_by
from movierec.recommending import reasons, recommend

MOVIES = pd.DataFrame({"MovieID": [30, 10, 20], "Title": ["C", "A", "B"], "Year": pd.array([2000, None, 1999], dtype="Int16"), "Genres": ["", "x", "y"]})


def test_each_user_gets_the_best_unseen_movies_in_order():
    movies = movies_by_index(MOVIES, np.array([10, 20, 30]))
    assert movies["Title"].tolist() == ["A", "B", "C"]
    scores = torch.tensor([[1.0, 3.0, 2.0], [5.0, 4.0, 6.0]])
    seen = sp.csr_matrix(np.array([[0, 1, 0], [1, 0, 1]], np.float32))
    table = recommend(lambda users: scores[users], np.array([1, 0]), seen, 2, np.array([7, 9]), movies)
    # The second user has one movie left.
    assert table[["UserID", "Rank", "MovieID", "Title", "Score"]].values.tolist() == [
        [9, 1, 20, "B", 4.0],
        [7, 1, 30, "C", 2.0],
        [7, 2, 10, "A", 1.0],
    ]


class LastTwo:
    """Stands for a model: item i + 1 scores 10 if i was the last, and 1 more if i was the one before the last; all others 1."""

    @staticmethod
    def scorer(graph, known):
        def score(users):
            out = torch.ones(len(users), 8)
            for row, user in enumerate(users):
                items = known.history.of(np.array([user])).items
                for weight, item in zip((9, 1), items[::-1]):
                    out[row, item + 1] += weight
            return out

        return score


def test_reasons_are_the_movies_without_which_the_score_would_be_lower():
    train = pd.DataFrame({"user": [0, 0, 0, 1], "item": [1, 5, 3, 2], "rating": np.float32(1)})
    known = known_by(2, 8, [train], 0.0)
    # 4 follows 3, the last. 6 follows 5, the one before; it would rise without 3. 0 follows nothing.
    assert reasons(LastTwo, None, known, 0, np.array([4, 6, 0])) == [[0], [1], []]
    assert reasons(LastTwo, None, known, 1, np.array([3])) == [[]], "without their only movie nothing is known of a user"
