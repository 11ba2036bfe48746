"""What is known of users and movies beside their interactions, as arrays."""

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F


def gender_features(users: pd.DataFrame, user_ids: np.ndarray) -> np.ndarray:
    """(n_users, 2) int8, by user index: female, male; both 0 where unknown."""
    gender = users.set_index("UserID")["Gender"].reindex(user_ids)
    return np.stack([gender.eq("F"), gender.eq("M")], axis=1).astype(np.int8)


def genre_features(movies: pd.DataFrame, item_ids: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """(n_items, n_genres) int8, by item index, 1 for each genre of a movie; and the genres' names, sorted."""
    table = movies.set_index("MovieID")["Genres"].str.get_dummies("|").drop(columns="", errors="ignore").sort_index(axis=1)
    return table.reindex(item_ids).to_numpy(np.int8), list(table.columns)


def vectors_from_features(h: torch.Tensor, features: np.ndarray, wanted: np.ndarray) -> torch.Tensor:
    """Vectors of users or movies of which the features alone are known: two messages over a graph of features.

    A feature's vector is the mean over those that have it, and a newcomer's the mean of its features'
    vectors; one without any feature gets the mean of all.

    Args:
        h: unit vectors of the known, (n, dim).
        features: of the known, (n, n_features), 0 or 1.
        wanted: of the newcomers, (n_new, n_features), 0 or 1.

    Returns:
        (n_new, dim) float32, unit vectors.
    """
    has, asks = torch.from_numpy(features).float(), torch.from_numpy(wanted).float()
    per_feature = has.T @ h / has.sum(dim=0).clamp(min=1).unsqueeze(1)  # (n_features, dim)
    mean = asks @ per_feature / asks.sum(dim=1, keepdim=True).clamp(min=1)
    return F.normalize(torch.where(asks.any(dim=1, keepdim=True), mean, h.mean(dim=0)))
