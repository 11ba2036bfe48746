"""Recommendations as tables."""

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

from movierec.recommending import movies_by_index, recommend

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
