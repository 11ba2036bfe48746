"""A recommender that trains in a second: 50 users of two tastes and 40 movies."""

import functools
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from conftest import params_with

from movierec.interactions.graph_arrays import GraphArrays, graph_arrays
from movierec.interactions.matrix import run_id
from movierec.interactions.profiles import Profiles
from movierec.model.fit import fit
from movierec.model.saving import StoredModel, pack
from movierec.recommend.catalogue import Catalogue
from movierec.recommend.recommender import Recommender
from movierec.recommend.scores import Profile
from movierec.utils.arrays import write_arrays

N_USERS, N_ITEMS = 50, 40
USER_IDS, ITEM_IDS = 100 + 2 * np.arange(N_USERS), 1000 + 3 * np.arange(N_ITEMS)
YEARS = pd.array([None, *range(1981, 1980 + N_ITEMS)], dtype="Int16")
GENRES = [["Drama", "Comedy|War", "War", ""][item % 4] for item in range(N_ITEMS)]
MOVIES = pd.DataFrame(
    {"MovieID": ITEM_IDS, "Title": [f"Film {item}" for item in range(N_ITEMS)], "Year": YEARS, "Genres": GENRES}
)
NEXT = {"half_lives": [1, 8], "dim": 8, "hidden": 8, "temperature": 0.2, "epochs": 1, "batch_steps": 64}
PARAMS = params_with(embedding_dim=8, temperature=0.2, lr=0.01, batch_size=32, epochs=2, patience=2, next=NEXT)
MIX = (0.2, 0.4, 0.4)  # all components, whatever validation would choose


class Small(NamedTuple):
    """A recommender and what it is made of."""

    stored: StoredModel
    catalogue: Catalogue
    arrays: GraphArrays

    @property
    def recommender(self) -> Recommender:
        return Recommender(self.model_arrays, self.catalogue.arrays())

    @property
    def model_arrays(self):
        """The model as it is stored."""
        return pack(self.stored.model, self.arrays, *self.stored[1:3], params=PARAMS.model_dump())


def interactions():
    """Ratings of 3 to 5 in the order of time; even users mostly rate even movies."""
    rng = np.random.default_rng(0)
    rows = [
        (user, item, rng.integers(3, 6))
        for user in range(N_USERS)
        for item in rng.permutation(np.arange(user % 2, N_ITEMS, 2) if rng.random() < 0.8 else N_ITEMS)[:9]
    ]
    times = 10**9 + np.random.default_rng(2).choice([0, 40, 20_000, 2 * 10**6], len(rows)).cumsum()
    return pd.DataFrame(rows, columns=["user", "item", "rating"]).astype({"rating": np.float32}).assign(timestamp=times)


@functools.cache
def small(temporal=False) -> Small:
    """A trained recommender; `temporal`: of a split that follows time."""
    table = interactions()
    profiles = Profiles.from_interactions(N_USERS, N_ITEMS, [table], 1.0)
    gender = np.eye(2, dtype=np.int8)[np.arange(N_USERS) % 2]
    genres = MOVIES["Genres"].str.get_dummies("|").drop(columns="", errors="ignore").to_numpy(np.int8).copy()
    arrays = graph_arrays(profiles.matrix, gender, genres)
    unseen = profiles.matrix.toarray() == 0
    valid = sp.csr_matrix((np.random.default_rng(1).random(unseen.shape) < 0.1) & unseen, dtype=np.float32)
    model = fit(arrays, valid, PARAMS, profiles=profiles if temporal else None).model._replace(mix=MIX)
    if temporal:
        model = model._replace(shares=((0.4, 0.5, 0.1), (0.3, 0.5, 0.2)))
    rated = profiles.matrix.copy()
    rated.data = np.round(rated.data * table["rating"].mean()).astype(np.float32)
    run = run_id(USER_IDS, ITEM_IDS, profiles.matrix)
    catalogue = Catalogue(USER_IDS, ITEM_IDS, MOVIES, rated, profiles if temporal else None, run=run)
    return Small(StoredModel(model, USER_IDS, ITEM_IDS, PARAMS.model_dump()), catalogue, arrays)


def write_small(folder, of: Small):
    """The files that `Recommender.load` reads."""
    write_arrays(folder / "model.npz", **of.model_arrays)
    write_arrays(folder / "catalogue.npz", **of.catalogue.arrays())


def with_catalogue(of: Small, **changes) -> Recommender:
    """The recommender with another catalogue."""
    return of._replace(catalogue=of.catalogue._replace(**changes)).recommender


def with_model(of: Small, **changes) -> Recommender:
    """The recommender with another model."""
    return of._replace(stored=of.stored._replace(model=of.stored.model._replace(**changes))).recommender


def one_of(profiles: Profiles, row) -> Profile:
    """One of the profiles, with its items in the order of time."""
    one = profiles.of(np.array([row]))
    later = np.setdiff1d(one.matrix.indices, one.histories.items)  # disliked
    items = np.concatenate([one.histories.items, later]).astype(np.int64)
    weight = one.matrix.toarray()[0, items]
    gender = None if one.gender is None else one.gender[0].astype(np.float32)
    return Profile(items, weight, one.histories, int(one.users[0]), gender)


def movie_ids(*items):
    """The MovieIDs of item indices."""
    return [int(ITEM_IDS[item]) for item in items]


def item_indices(movies):
    """The item indices of a table's movies."""
    return np.searchsorted(ITEM_IDS, movies["MovieID"])


def updated() -> Catalogue:
    """The catalogue with a user who came after the training, between the others."""
    catalogue = small(temporal=True).catalogue
    index = np.arange(len(USER_IDS))
    index[index > 7] -= 1
    index[7] = -1
    gender = np.zeros((len(USER_IDS), 2), np.int8)
    gender[3] = [1, 0]
    return catalogue._replace(profiles=catalogue.profiles._replace(users=index, gender=gender))
