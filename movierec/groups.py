"""For whom it works: NDCG@20 of groups of users and of groups of movies, with bootstrap intervals."""

import numpy as np
import pandas as pd

from movierec.bootstrap import interval, resampled_means
from movierec.evaluation import Asked, K, Measured
from movierec.metrics import hits, per_user

HISTORY_EDGES = (0, 20, 50, 100, 200, np.inf)  # movies in a history: 1 to 20, 21 to 50, ...
POPULARITY_SHARES = (0, 0.05, 0.2, 0.5, 1)  # of the movies, most popular first
COLUMNS = ["group", "series", "ndcg", "low", "high"]


def users_by_history(part: Asked) -> dict[str, np.ndarray]:
    """The users by how many movies they are known to like: name to (n,) bool."""
    length = np.diff(part.history.indptr)
    groups = {}
    for low, high in zip(HISTORY_EDGES, HISTORY_EDGES[1:]):
        name = f"{low + 1} to {high} movies" if np.isfinite(high) else f"{low + 1} and more"
        groups[name] = (length > low) & (length <= high)
    return counted(groups, "users")


def users_by_gender(gender: np.ndarray) -> dict[str, np.ndarray]:
    """The users by gender, (n, 2) female and male: name to (n,) bool."""
    return counted({"women": gender[:, 0] > 0, "men": gender[:, 1] > 0, "unknown": ~gender.any(axis=1)}, "users")


def movies_by_popularity(popularity: np.ndarray) -> dict[str, np.ndarray]:
    """The movies by how many users liked them in train, (n_items,): name to (n_items,) bool."""
    place = np.empty(len(popularity), np.int64)
    place[np.argsort(-popularity, kind="stable")] = np.arange(len(popularity))
    groups = {}
    for low, high in zip(POPULARITY_SHARES, POPULARITY_SHARES[1:]):
        begin, end = (round(share * len(popularity)) for share in (low, high))
        name = f"most popular {high:.0%}" if not low else "the least popular half" if (low, high) == (0.5, 1) else f"{low:.0%} to {high:.0%}"
        groups[name] = (place >= begin) & (place < end)
    return counted(groups, "movies")


def movies_by_genre(genres: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
    """The movies by genre, (n_items, n_genres); a movie can be in several groups: name to (n_items,) bool."""
    return counted({name: genres[:, column] > 0 for column, name in enumerate(names)}, "movies")


def counted(groups: dict[str, np.ndarray], what: str) -> dict[str, np.ndarray]:
    """The groups that are not empty, each with its size in its name."""
    return {f"{name} ({rows.sum():,} {what})": rows for name, rows in groups.items() if rows.any()}


def by_users(measured: Measured, models: list[str], groups: dict[str, np.ndarray]) -> pd.DataFrame:
    """`group_table` of groups of users."""
    values = {name: np.stack([np.where(rows, measured.ndcg[name], np.nan) for rows in groups.values()], axis=1) for name in models}
    return group_table(values, list(groups))


def by_movies(measured: Measured, models: list[str], groups: dict[str, np.ndarray]) -> pd.DataFrame:
    """`group_table` of groups of movies: of the same lists, where the liked movies of one group alone are to be found.

    A user counts in a group if they liked a movie of it.
    """
    if not groups:  # movies without genres
        return pd.DataFrame(columns=COLUMNS)
    n_relevant = {name: measured.part.relevant @ rows.astype(np.float32) for name, rows in groups.items()}
    values = {}
    for model in models:
        lists = measured.lists[model][:, :K]
        hit = hits(lists, measured.part.relevant)
        columns = []
        for name, rows in groups.items():
            of_group = hit & np.append(rows, False)[lists]
            ndcg = per_user(of_group, np.maximum(n_relevant[name], 1).astype(np.int64), [K])[f"ndcg@{K}"]
            columns.append(np.where(n_relevant[name] > 0, ndcg, np.nan))
        values[model] = np.stack(columns, axis=1)
    return group_table(values, list(groups))


def group_table(values: dict[str, np.ndarray], groups: list[str]) -> pd.DataFrame:
    """Means by group and model, with intervals.

    Args:
        values: by model, (n, n_groups) NDCG@K, NaN where a user does not count.
        groups: their names.

    Returns:
        group, series (the model), ndcg, low, high, the models of a group together; without groups in which nobody counts.
    """
    of_all = np.stack(list(values.values()), axis=2)  # (n, n_groups, n_models)
    there = ~np.isnan(of_all).all(axis=(0, 2))
    of_all = of_all[:, there]
    low, high = interval(resampled_means(of_all.reshape(len(of_all), -1)))
    kept = [name for name, known in zip(groups, there) if known]
    columns = (np.repeat(kept, len(values)), list(values) * len(kept), np.nanmean(of_all, axis=0).ravel(), low, high)
    return pd.DataFrame(dict(zip(COLUMNS, columns)))
