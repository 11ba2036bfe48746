"""The page with everyone's recommendations: one HTML file that needs no network.

Recommendations and reasons of known users are those of the whole model. For a new user, the page computes the graph
model alone: the sum of the messages of the liked movies against every movie's vector, both rounded to 8 bits.
"""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from movierec.interactions.features import genre_features
from movierec.interactions.matrix import item_degrees
from movierec.model.model import Model
from movierec.recommend.recommender import Recommender

TEMPLATE = Path(__file__).with_suffix(".html")
BEST = 10  # best ratings of each user
NONE = 65535  # an empty place
MAX_MOVIES = 20_000  # more would make the file too large (and 16 bits have 65,535 values)
LIKED = 4.0  # least rating that counts in a user's genres
MAX_STARS = 5.0  # above, ratings are weights, and all count


def page(recommender: Recommender, table: pd.DataFrame, max_users: int) -> str:
    """The page as HTML.

    Args:
        recommender: of the users and movies.
        table: recommendations for all users, as `Recommender.recommend` returns them.
        max_users: on the page, evenly spaced.
    """
    n_users = len(recommender.user_ids)
    users = np.unique(np.linspace(0, n_users - 1, min(max_users, n_users)).round().astype(int))
    left_out = f" It holds {len(users):,} of {n_users:,} users." if len(users) < n_users else ""
    about = (
        "Recommendations for users of the data, and their reasons, are the whole model's. Those for someone new are "
        "computed in this page, from its graph part alone; the command line has the whole model for them too."
    )
    genres, genre_names = genre_features(recommender.movies, recommender.item_ids)
    movies, liked_by = recommender.movies, item_degrees(recommender.model.graph.matrix)
    data = {"titles": movies["Title"].tolist(), "years": movies["Year"].fillna(0).astype(int).tolist()}
    data |= {"genres": movies["Genres"].tolist(), "movie_ids": ids_for_page(recommender.item_ids)}
    data |= {"genre_names": genre_names, "liked_by": liked_by.tolist()} | of_users(recommender, users, genres)
    data |= of_recommendations(recommender, users, table) | of_vectors(recommender.model) | {"about": about + left_out}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    # No title may end the script.
    return TEMPLATE.read_text(encoding="utf-8").replace("{data}", text.replace("<", "\\u003c"))


def ids_for_page(ids: np.ndarray) -> list[int | str]:
    """Ids as numbers, or as text where JavaScript would round them."""
    return [of if isinstance(of, str) or abs(of) < 2**53 else str(of) for of in ids.tolist()]


def of_users(recommender: Recommender, users: np.ndarray, genres: np.ndarray) -> dict[str, Any]:
    """Ids, genders, number of ratings, shares of genres, and best ratings, of n users."""
    rated, gender = recommender.rated[users], recommender.model.graph.user_gender[users]
    in_stars = not rated.nnz or rated.data.max() <= MAX_STARS
    liked = rated >= LIKED if in_stars else rated > 0
    n_liked = np.maximum(np.asarray(liked.sum(axis=1)).reshape(-1, 1), 1)
    of_genres = liked.astype(np.float32) @ genres.astype(np.float32)
    best, stars = np.full((len(users), BEST), NONE, np.uint16), np.zeros((len(users), BEST), np.uint8)
    for row, user in enumerate(users):
        items, _, _, values = recommender.best_rated(user, BEST)
        assert values is not None
        best[row, : len(items)], stars[row, : len(items)] = items, 2 * np.minimum(values, MAX_STARS)  # half stars
    genders = "".join(np.select([gender[:, 0] > 0, gender[:, 1] > 0], ["F", "M"], "-"))
    data = {"user_ids": ids_for_page(recommender.user_ids[users]), "genders": genders}
    data["rated"] = packed(np.minimum(np.diff(rated.indptr), NONE).astype(np.uint16))
    data["genre_shares"] = packed((100 * of_genres / n_liked).round().astype(np.uint8))
    return data | {"best_per_user": BEST, "best": packed(best), "stars": packed(stars if in_stars else 0 * stars)}


def of_recommendations(recommender: Recommender, users: np.ndarray, table: pd.DataFrame) -> dict[str, Any]:
    """The recommendations of n users, with their reasons."""
    per_user = int(table["Rank"].max()) if len(table) else 0  # 0 where all users have seen everything
    n_users = len(recommender.user_ids)
    items = np.full((n_users, per_user), -1, np.int64)
    user = np.searchsorted(recommender.user_ids, table["UserID"])
    items[user, table["Rank"] - 1] = np.searchsorted(recommender.item_ids, table["MovieID"])
    items = items[users]
    return {"per_user": per_user, "recommended": places(items), "reasons_per_movie": 0, "reasons": ""}


def of_vectors(model: Model) -> dict[str, Any]:
    """The movies' vectors and messages, as int8 and a scale for each movie."""
    data: dict[str, Any] = {"dim": model.h_item.shape[1]}
    for name, vectors in (("vector", model.h_item.numpy()), ("message", model.item_messages.numpy())):
        scale = np.maximum(np.abs(vectors).max(axis=1), 1e-12) / 127
        data[f"{name}s"] = packed(np.rint(vectors / scale[:, None]).astype(np.int8))
        data[f"{name}_scales"] = packed(scale.astype(np.float32))
    return data


def places(items: np.ndarray) -> str:
    """Item indices in 16 bits, packed; -1 becomes `NONE`."""
    return packed(np.where(items < 0, NONE, items).astype(np.uint16))


def packed(array: np.ndarray) -> str:
    """The bytes of an array, little-endian, in base64."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
