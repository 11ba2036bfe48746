"""The page with everyone's recommendations: one HTML file that needs no network.

Recommendations of known users are those of the whole model. The page computes the scores of someone new, similar movies
and all reasons from the parts of `Newcomers`.
"""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from movierec.interactions.matrix import item_degrees
from movierec.page.newcomers import FIRST, Newcomers, Rounded
from movierec.recommend.ranker import DISLIKE
from movierec.recommend.recommender import Recommender

FOLDER = Path(__file__).parent
SCRIPTS = ("scoring", "search", "covers", "widgets", "map", "map_input", "users", "service", "page")  # in this order
BEST = 10  # best ratings of each user
NONE = 65535  # an empty place
MAX_MOVIES = 20_000  # more would make the file too large (and 16 bits have 65,535 values)
MAX_STARS = 5  # above, ratings are weights
LIKED_FROM = 3  # stars, where the data have none
LEVELS = 10  # of the weights of a history, at most


def page(recommender: Recommender, table: pd.DataFrame, places: pd.DataFrame, max_users: int) -> str:
    """The page as HTML.

    Args:
        recommender: of the users and movies.
        table: recommendations for all users, as `Recommender.recommend` returns them.
        places: of some movies on the map: item (its index), x, y.
        max_users: on the page, evenly spaced.
    """
    n_users = len(recommender.user_ids)
    users = np.unique(np.linspace(0, n_users - 1, min(max_users, n_users)).round().astype(int))
    newcomers = Newcomers.of(recommender.model)
    movies, liked_by = recommender.movies, item_degrees(recommender.model.graph.matrix)
    data = {"titles": movies["Title"].tolist(), "years": movies["Year"].fillna(0).astype(int).tolist()}
    data |= {"genres": movies["Genres"].tolist(), "movie_ids": ids_for_page(recommender.item_ids)}
    data |= {"liked_by": liked_by.tolist()} | of_users(recommender, users) | of_histories(recommender, users)
    data |= of_recommendations(recommender, users, table) | of_newcomers(newcomers) | of_map(places)
    data |= of_stars(recommender)
    data["about"] = about(recommender, newcomers, len(users))
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    html, style = ((FOLDER / name).read_text(encoding="utf-8") for name in ("page.html", "page.css"))
    script = "\n".join((FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    # The data last, as a title may hold a placeholder; and no title may end the script.
    html = html.replace("{style}", style).replace("{script}", script)
    return html.replace("{data}", text.replace("<", "\\u003c"), 1)


def about(recommender: Recommender, newcomers: Newcomers, shown: int) -> str:
    """What the page computes and what the command line adds, as text."""
    n_users, follows_time = len(recommender.user_ids), recommender.follows_time
    whole = "the model's long-term part" if follows_time else "the whole model"
    adds = "adds the order and the times of the movies" if follows_time else "takes a gender too"
    if newcomers.rest.values.size:
        parts = "the graph, similar movies and a linear approximation of the rest"
        nearness = f"; on average, {newcomers.agreement:.1f} of the first {FIRST} are those of"
    else:
        parts, nearness = "the graph", ", as by"
    text = f"Recommendations for someone new are computed in this page, from {parts}{nearness} the command line, "
    text += f"which computes with {whole} and {adds}."
    if follows_time:
        text += " All reasons are those of the long-term part."
    return text + (f" The page holds {shown:,} of {n_users:,} users." if shown < n_users else "")


def of_stars(recommender: Recommender) -> dict[str, Any]:
    """The weight of each number of stars in a history: as in training, or of a movie that is not liked."""
    known = recommender.profiles.matrix.tocoo()
    stars = np.ceil(np.asarray(recommender.rated[known.row, known.col]).ravel())
    if len(np.unique(stars)) < 2 or stars.max() > MAX_STARS:  # likes, or weights
        return {"star_weights": [1.0 if of >= LIKED_FROM else DISLIKE for of in range(1, MAX_STARS + 1)]}
    weights = [DISLIKE]  # one star is no like, even where all ratings are
    for of in range(2, MAX_STARS + 1):
        weights.append(max(known.data[stars == of].tolist(), default=weights[-1]))
    return {"star_weights": weights}


def ids_for_page(ids: np.ndarray) -> list[int | str]:
    """Ids as numbers, or as text where JavaScript would round them."""
    return [of if isinstance(of, str) or abs(of) < 2**53 else str(of) for of in ids.tolist()]


def of_users(recommender: Recommender, users: np.ndarray) -> dict[str, Any]:
    """Ids, number of ratings, and best ratings, of n users."""
    rated = recommender.rated[users]
    in_stars = not rated.nnz or rated.data.max() <= MAX_STARS
    best, stars = np.full((len(users), BEST), NONE, np.uint16), np.zeros((len(users), BEST), np.uint8)
    for row, user in enumerate(users):
        items, _, _, values = recommender.best_rated(user, BEST)
        assert values is not None
        best[row, : len(items)], stars[row, : len(items)] = items, 2 * np.minimum(values, MAX_STARS)  # half stars
    data: dict[str, Any] = {"user_ids": ids_for_page(recommender.user_ids[users]), "best_per_user": BEST}
    data["rated"] = packed(np.minimum(np.diff(rated.indptr), NONE).astype(np.uint16))
    return data | {"best": packed(best), "stars": packed(stars if in_stars else 0 * stars)}


def of_histories(recommender: Recommender, users: np.ndarray) -> dict[str, Any]:
    """The histories of n users: the items of each weight in turn, by their gaps, and the number of each weight."""
    matrix = recommender.profiles.matrix[users]
    matrix.sort_indices()
    levels = np.unique(matrix.data)
    if len(levels) > LEVELS:
        levels = np.unique(np.quantile(levels, np.linspace(0, 1, LEVELS), method="nearest"))
    between = (levels[1:] + levels[:-1]) / 2
    level, user = np.searchsorted(between, matrix.data), np.repeat(np.arange(len(users)), np.diff(matrix.indptr))
    group = user * len(levels) + level
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group, minlength=len(users) * len(levels)).astype(np.uint16)
    data = {"levels": levels.tolist(), "history_counts": packed(counts)}
    return data | {"histories": packed(gaps(matrix.indices[order], counts))}


def of_recommendations(recommender: Recommender, users: np.ndarray, table: pd.DataFrame) -> dict[str, Any]:
    """The recommendations of n users."""
    per_user = int(table["Rank"].max()) if len(table) else 0  # 0 where all users have seen everything
    items = np.full((len(recommender.user_ids), per_user), NONE, np.uint16)
    user = np.searchsorted(recommender.user_ids, table["UserID"])
    items[user, table["Rank"] - 1] = np.searchsorted(recommender.item_ids, table["MovieID"])
    return {"per_user": per_user, "recommended": packed(items[users])}


def of_newcomers(parts: Newcomers) -> dict[str, Any]:
    """The parts of the scores for someone new."""
    n, kept = parts.kept.shape
    data: dict[str, Any] = {"mix": list(parts.mix), "kept_per_movie": kept}
    data["kept"] = packed(gaps(parts.kept.ravel(), np.full(n, kept)))
    names = {"vectors": parts.vectors, "messages": parts.messages, "weights": parts.weights, "rest": parts.rest}
    return data | {name: of_rounded(vectors) for name, vectors in names.items()}


def of_rounded(vectors: Rounded) -> dict[str, Any]:
    """Vectors in 8 bits."""
    dim = vectors.values.shape[1]
    return {"dim": dim, "values": packed(vectors.values), "scales": packed(vectors.scales)}


def of_map(places: pd.DataFrame) -> dict[str, Any]:
    """The movies on the map by index, and their places, from 0 to 1."""
    at = places[["x", "y"]].to_numpy(np.float64)
    size = max(np.ptp(at, axis=0).max(), 1e-12)
    places_from_0 = ((at - at.min(axis=0)) / size).astype(np.float32)
    return {"map_movies": packed(places["item"].to_numpy(np.uint16)), "map_places": packed(places_from_0)}


def gaps(items: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The gaps between rising items, in groups of `counts`, as LEB128: 7 bits a byte, and 128 for more."""
    begins = np.cumsum(counts)[:-1]
    before = np.concatenate([[-1], items[:-1].astype(np.int64)])[: len(items)]
    before[begins[begins < len(items)]] = -1
    gap = items - before - 1  # below 2^21
    n_bytes = 1 + (gap[:, None] >= [1 << 7, 1 << 14]).sum(axis=1, keepdims=True)
    place = np.arange(3)
    seven = (gap[:, None] >> 7 * place) & 127 | np.where(place < n_bytes - 1, 128, 0)
    return seven[place < n_bytes].astype(np.uint8)


def packed(array: np.ndarray) -> str:
    """The bytes of an array, little-endian, in base64."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
