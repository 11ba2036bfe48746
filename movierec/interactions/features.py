"""Side features of users and movies, aligned with their indices."""

import numpy as np
import pandas as pd

YEAR_SCALE = 2.0  # of a year beside a genre, which is 1


def gender_features(users: pd.DataFrame, user_ids: np.ndarray) -> np.ndarray:
    """Female and male by user index: (n_users, 2) int8, both 0 where unknown."""
    gender = users.set_index("UserID")["Gender"].reindex(user_ids)
    return np.stack([gender.eq("F"), gender.eq("M")], axis=1).astype(np.int8)


def genre_features(movies: pd.DataFrame, item_ids: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Genres by item index, (n_items, n_genres) int8, and the sorted names of the genres."""
    table = movies.set_index("MovieID")["Genres"].str.get_dummies("|").drop(columns="", errors="ignore")
    table = table.sort_index(axis=1)
    return table.reindex(item_ids).to_numpy(np.int8), list(table.columns)


def placing_features(genres: np.ndarray, years: pd.Series) -> np.ndarray:
    """Genres, and years as their nearness to each decade: (n_items, n_genres + n_decades) float64.

    Args:
        genres: (n_items, n_genres) int8.
        years: (n_items,), missing where unknown, which is near to none.
    """
    year = years.to_numpy(float, na_value=np.nan)
    if np.isnan(year).all():
        return genres.astype(float)
    decades = np.arange(np.nanmin(year) // 10 * 10 + 5, np.nanmax(year) + 10, 10)
    near = np.nan_to_num(np.exp(-(((year[:, None] - decades) / 10) ** 2)))
    share = near / np.maximum(near.sum(axis=1, keepdims=True), 1e-12)
    return np.concatenate([genres, YEAR_SCALE * share], axis=1)


def movies_by_index(movies: pd.DataFrame, item_ids: np.ndarray) -> pd.DataFrame:
    """The rows of the movies table in the order of the item indices."""
    return movies.set_index("MovieID").loc[item_ids].reset_index()
