"""The page in which a person looks at recommendations: one HTML file that needs no network, with all it shows inside.

Known users' recommendations and reasons are those of the whole model. Someone new is served by the graph part alone, computed in the
page: the messages of what they like, summed, against every movie's vector, both rounded to 8 bits.
"""

import base64
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from movierec.all_reasons import reasons_of_all
from movierec.features import genre_features
from movierec.interactions import users_of_items
from movierec.recommender import Recommender

TEMPLATE = Path(__file__).with_suffix(".html")
BEST, REASONS = 10, 3  # favourites of each user; reasons for each recommendation
NONE = 65535  # an empty place
MAX_MOVIES = 20_000  # more would make the file too large (and 65,535 are what 16 bits can tell apart)
MAX_CELLS = 3e8  # users x movies: above this, reasons would take too much memory
LIKED, MAX_STARS = 4.0, 5.0  # stars from which on a movie counts in a user's genres; more than five are weights, and count all


def page(recommender: Recommender, table: pd.DataFrame, max_users: int) -> str:
    """The page as HTML.

    Args:
        recommender: whose users and movies.
        table: recommendations for all users, as `Recommender.recommend` gives them.
        max_users: the page holds no more, evenly spaced.
    """
    n_users, n_items, h_item = len(recommender.user_ids), len(recommender.item_ids), recommender.model.h_item
    users = np.unique(np.linspace(0, n_users - 1, min(max_users, n_users)).round().astype(int))
    per_user = int(table["Rank"].max()) if len(table) else 0  # empty where everyone has seen everything
    items = np.full((n_users, per_user), -1, np.int64)
    items[np.searchsorted(recommender.user_ids, table["UserID"]), table["Rank"] - 1] = np.searchsorted(recommender.item_ids, table["MovieID"])
    items = items[users]
    if recommender.follows_time or n_users * n_items > MAX_CELLS:  # in time, a score is no sum over the history
        reasons = np.full((*items.shape, 0), -1, np.int32)
    else:
        reasons = reasons_of_all(recommender, users, items, REASONS)
    best, stars = favourites(recommender, users)
    rated = recommender.rated[users]
    genres, genre_names = genre_features(recommender.movies, recommender.item_ids)
    in_stars = not rated.nnz or rated.data.max() <= MAX_STARS
    liked = rated >= LIKED if in_stars else rated > 0
    of_liked = liked.astype(np.float32) @ genres.astype(np.float32)
    n_liked = np.maximum(np.asarray(liked.sum(axis=1)).reshape(-1, 1), 1)
    gender = recommender.graph.user_gender[users]
    vectors, vector_scales = in_8_bits(h_item)
    messages, message_scales = in_8_bits(recommender.model.item_messages)
    left_out = f" It holds {len(users):,} of {n_users:,} users." if len(users) < n_users else ""
    data = {
        "titles": recommender.movies["Title"].tolist(), "years": recommender.movies["Year"].fillna(0).astype(int).tolist(),
        "genres": recommender.movies["Genres"].tolist(), "movie_ids": recommender.item_ids.tolist(), "genre_names": genre_names,
        "liked_by": users_of_items(recommender.graph.matrix).tolist(),
        "user_ids": recommender.user_ids[users].tolist(), "genders": "".join(np.select([gender[:, 0] > 0, gender[:, 1] > 0], ["F", "M"], "-")),
        "rated": packed(np.minimum(np.diff(rated.indptr), NONE).astype(np.uint16)),
        "genre_shares": packed((100 * of_liked / n_liked).round().astype(np.uint8)),
        "best_per_user": BEST, "best": packed(best), "stars": packed(stars if in_stars else 0 * stars),
        "per_user": per_user, "recommended": packed(places(items)), "reasons_per_movie": reasons.shape[2], "reasons": packed(places(reasons)),
        "dim": h_item.shape[1], "vectors": packed(vectors), "vector_scales": packed(vector_scales),
        "messages": packed(messages), "message_scales": packed(message_scales),
        "about": "Recommendations for users of the data, and their reasons, are the whole model's. Those for someone new are computed in this page, "
        f"from its graph part alone; the command line has the whole model for them too.{left_out}",
    }  # fmt: skip
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")  # so that no title ends the script
    return TEMPLATE.read_text(encoding="utf-8").replace("{data}", text)


def favourites(recommender: Recommender, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `Recommender.taste`, for many: items (n, BEST) uint16, and half stars (n, BEST) uint8, five stars at most."""
    best, stars = np.full((len(users), BEST), NONE, np.uint16), np.zeros((len(users), BEST), np.uint8)
    for row, user in enumerate(users):
        items, values = recommender.best_rated(user, BEST)
        best[row, : len(items)], stars[row, : len(items)] = items, 2 * np.minimum(values, MAX_STARS)
    return best, stars


def in_8_bits(vectors: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (n, dim) as int8, and the scale of each, (n,) float32."""
    scale = np.maximum(np.abs(vectors.numpy()).max(axis=1), 1e-12) / 127
    return np.rint(vectors.numpy() / scale[:, None]).astype(np.int8), scale.astype(np.float32)


def places(items: np.ndarray) -> np.ndarray:
    """Item indices as uint16; -1 becomes `NONE`."""
    return np.where(items < 0, NONE, items).astype(np.uint16)


def packed(array: np.ndarray) -> str:
    """Little-endian bytes in base64."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
