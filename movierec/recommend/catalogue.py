"""The catalogue: titles, genres, ratings and histories, which recommending needs beside the model."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from movierec.interactions.histories import Histories
from movierec.interactions.matrix import CSR, to_csr
from movierec.interactions.profiles import Profiles
from movierec.recommend.stored_catalogue import NAMES, StoredCatalogue
from movierec.utils.arrays import pack_text


class Catalogue(NamedTuple):
    """The data of users and movies, by the model's indices."""

    user_ids: np.ndarray  # (n_users,)
    item_ids: np.ndarray  # (n_items,)
    movies: pd.DataFrame  # MovieID, Title, Year, Genres by item index
    rated: sp.csr_matrix  # (n_users, n_items) float32, stars
    profiles: Profiles | None  # of all users, for a model that follows time
    user_names: np.ndarray | None = None  # (n_users,) the ids of the data set, where they are text
    item_names: np.ndarray | None = None  # (n_items,)
    run: str = ""  # see `run_id`

    @property
    def user_keys(self) -> np.ndarray:
        """The ids of the users in the data set, sorted: numbers or text."""
        return self.user_ids if self.user_names is None else self.user_names

    @property
    def item_keys(self) -> np.ndarray:
        """The ids of the items in the data set, sorted."""
        return self.item_ids if self.item_names is None else self.item_names

    @property
    def is_updated(self) -> bool:
        """Whether there are users or histories from after the training."""
        return self.profiles is not None and self.profiles.gender is not None

    @classmethod
    def from_tables(
        cls,
        users: pd.DataFrame,
        movies: pd.DataFrame,
        ratings: pd.DataFrame,
        *,
        user_ids: np.ndarray,
        item_ids: np.ndarray,
        profiles: Profiles | None,
        run: str = "",
    ) -> "Catalogue":
        """From the clean tables, the movies by item index; ratings of other users and movies are left out."""
        rated = ratings[ratings["UserID"].isin(user_ids) & ratings["MovieID"].isin(item_ids)]
        user, item = np.searchsorted(user_ids, rated["UserID"]), np.searchsorted(item_ids, rated["MovieID"])
        pairs, shape = pd.DataFrame({"user": user, "item": item}), (len(user_ids), len(item_ids))
        matrix = to_csr(pairs, *shape, weight=rated["Rating"].to_numpy())
        user_names = users.set_index("UserID")["Name"].loc[user_ids].to_numpy() if "Name" in users else None
        item_names = movies["Name"].to_numpy() if "Name" in movies else None
        movies = movies if item_names is None else movies.assign(MovieID=item_names.astype(object))
        names = {"user_names": user_names, "item_names": item_names}
        return cls(user_ids, item_ids, movies, matrix, profiles=profiles, run=run, **names)

    def arrays(self) -> dict[str, Any]:
        """As arrays, to be stored."""
        arrays = {"user_ids": self.user_ids, "item_ids": self.item_ids, "run": self.run}
        arrays |= {"years": self.movies["Year"].fillna(0).to_numpy(np.int16)}
        arrays |= pack_text("titles", self.movies["Title"]) | pack_text("genres", self.movies["Genres"])
        arrays |= {f"rated.{name}": getattr(self.rated, name) for name in CSR}
        for name in NAMES:
            if (of := getattr(self, name)) is not None:  # large numbers, or text
                arrays |= {name: of} if of.dtype == np.int64 else pack_text(name, of)
        if self.profiles:
            histories = self.profiles.histories
            weight = np.asarray(self.profiles.matrix[histories.users, histories.items]).ravel()
            arrays |= {f"known.{name}": getattr(histories, name) for name in ("indptr", "items", "times")}
            arrays |= {"known.weight": weight}
            if self.is_updated:
                arrays |= {"known.users": self.profiles.users, "known.gender": self.profiles.gender}
        return arrays

    @classmethod
    def of_stored(cls, stored: StoredCatalogue) -> "Catalogue":
        """The reverse of `arrays`."""
        arrays, shape = stored.arrays, (len(stored.user_keys), len(stored.item_keys))
        years = pd.array(stored.years, dtype="Int16")
        years[stored.years == 0] = pd.NA
        columns = {"MovieID": stored.item_keys, "Title": stored.titles, "Year": years, "Genres": stored.genres}
        rated = sp.csr_matrix(tuple(arrays[f"rated.{name}"] for name in CSR), shape=shape)
        profiles = None
        if stored.has_histories:
            histories = Histories(*(arrays[f"known.{name}"] for name in ("indptr", "items", "times")))
            matrix = sp.csr_matrix((arrays["known.weight"], (histories.users, histories.items)), shape=shape)
            matrix.sort_indices()
            gender = arrays["known.gender"] if stored.is_updated else None
            profiles = Profiles(matrix, histories, stored.places, gender)
        ids = arrays["user_ids"], arrays["item_ids"]
        found = cls(*ids, pd.DataFrame(columns), rated, profiles=profiles, run=stored.run)
        return found._replace(user_names=stored.user_names, item_names=stored.item_names)
