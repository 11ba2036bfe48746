"""NDCG@20 by groups of users and of movies, with bootstrap intervals."""

import itertools

import numpy as np
import pandas as pd
import scipy.sparse as sp

from movierec.evaluation.bootstrap import interval, resampled_means
from movierec.evaluation.measure import Evaluation, GroundTruth, K
from movierec.interactions.matrix import item_degrees
from movierec.ranking.metrics import hits, metrics_of_hits

HISTORY_EDGES = (0, 20, 50, 100, 200, np.inf)  # movies in a history: 1 to 20, 21 to 50, ...
POPULARITY_SHARES = (0, 0.05, 0.2, 0.5, 1)  # of the movies, most popular first
SHOWN = ("model", "EASE", "popularity")  # models in the plots
COLUMNS = ["group", "series", "ndcg", "low", "high"]
Groups = dict[str, np.ndarray]  # name to members, bool by index


def users_by_history(truth: GroundTruth) -> Groups:
    """The users by the length of their history: (n,) each."""
    length = np.diff(truth.history.indptr)
    groups = {}
    for low, high in itertools.pairwise(HISTORY_EDGES):
        name = f"{low + 1} to {high} movies" if np.isfinite(high) else f"{low + 1} and more"
        groups[name] = (length > low) & (length <= high)
    return _with_sizes(groups, "users")


def users_by_gender(gender: np.ndarray) -> Groups:
    """The users by gender, from (n, 2), female and male: (n,) each."""
    women, men = gender[:, 0] > 0, gender[:, 1] > 0
    return _with_sizes({"women": women, "men": men, "unknown": ~women & ~men}, "users")


def movies_by_popularity(popularity: np.ndarray) -> Groups:
    """The movies by their number of users in train, (n_items,): (n_items,) each."""
    rank = np.empty(len(popularity), np.int64)
    rank[np.argsort(-popularity, kind="stable")] = np.arange(len(popularity))
    groups = {}
    for low, high in itertools.pairwise(POPULARITY_SHARES):
        begin, end = (round(share * len(popularity)) for share in (low, high))
        name = f"{low:.0%} to {high:.0%}" if low else f"most popular {high:.0%}"
        groups["the least popular half" if low == 0.5 else name] = (rank >= begin) & (rank < end)
    return _with_sizes(groups, "movies")


def movies_by_genre(genres: np.ndarray, names: list[str]) -> Groups:
    """The movies by genre, (n_items, n_genres); a movie can be in several groups: (n_items,) each."""
    # DVC writes the names into a script of its page, which `</script>` would end.
    shown = [name.replace("<", "‹") for name in names]
    return _with_sizes({name: genres[:, column] > 0 for column, name in enumerate(shown)}, "movies")


def group_tables(
    evaluation: Evaluation, train: sp.csr_matrix, *, gender: np.ndarray, genres: tuple[np.ndarray, list[str]]
) -> dict[str, pd.DataFrame]:
    """The tables of the `SHOWN` models by grouping, from train, (n_users, n_items); see the functions above."""
    models = [name for name in SHOWN if name in evaluation.lists]
    of_users = {"users_by_history": users_by_history(evaluation.truth), "users_by_gender": users_by_gender(gender)}
    of_movies = {"movies_by_popularity": movies_by_popularity(item_degrees(train))}
    of_movies["movies_by_genre"] = movies_by_genre(*genres)
    tables = {name: by_users(evaluation, models, groups) for name, groups in of_users.items()}
    return tables | {name: by_movies(evaluation, models, groups) for name, groups in of_movies.items()}


def _with_sizes(groups: Groups, unit: str) -> Groups:
    """The groups that are not empty, each with its size in its name."""
    return {f"{name} ({rows.sum():,} {unit})": rows for name, rows in groups.items() if rows.any()}


def by_users(evaluation: Evaluation, models: list[str], groups: Groups) -> pd.DataFrame:
    """`group_table` of groups of users."""
    members = np.stack(list(groups.values()), axis=1)  # (n, n_groups)
    values = {name: np.where(members, evaluation.ndcg[name][:, None], np.nan) for name in models}
    return group_table(values, list(groups))


def by_movies(evaluation: Evaluation, models: list[str], groups: Groups) -> pd.DataFrame:
    """`group_table` of groups of movies: the same lists, with the held-out movies of one group alone.

    A user counts in a group if one of its movies is held out for them.
    """
    if not groups:  # movies without genres
        return pd.DataFrame(columns=COLUMNS)
    relevant = evaluation.truth.relevant
    n_relevant = {name: relevant @ rows.astype(np.float32) for name, rows in groups.items()}
    values = {}
    for model in models:
        lists = evaluation.lists[model][:, :K]
        hit = hits(lists, relevant)
        columns = []
        for name, rows in groups.items():
            of_group, n = hit & np.append(rows, False)[lists], n_relevant[name]
            ndcg = metrics_of_hits(of_group, np.maximum(n, 1).astype(np.int64), [K])[f"ndcg@{K}"]
            columns.append(np.where(n > 0, ndcg, np.nan))
        values[model] = np.stack(columns, axis=1)
    return group_table(values, list(groups))


def group_table(values: dict[str, np.ndarray], groups: list[str]) -> pd.DataFrame:
    """Means with intervals, from NDCG@K by model, (n, n_groups), NaN where a user does not count.

    Returns:
        group, series (the model), ndcg, low, high, by group and then model; without groups in which no user counts.
    """
    of_all = np.stack(list(values.values()), axis=2)  # (n, n_groups, n_models)
    counted = ~np.isnan(of_all).all(axis=(0, 2))
    of_all = of_all[:, counted]
    low, high = interval(resampled_means(of_all.reshape(len(of_all), -1)))
    kept = [name for name, counts in zip(groups, counted, strict=True) if counts]
    columns = (np.repeat(kept, len(values)), list(values) * len(kept), np.nanmean(of_all, axis=0).ravel(), low, high)
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
