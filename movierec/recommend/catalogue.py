"""The catalogue: titles, genres, ratings and histories, which recommending needs beside the model."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from movierec.interactions.history import Histories, Profiles
from movierec.interactions.matrix import CSR, to_csr
from movierec.utils.checks import check_arrays, check_lists, check_matrix, check_rising, checking
from movierec.utils.storage import pack_text, unpack_text

NAMES = ("user_names", "item_names")
SCHEMA = {"user_ids": "int n_users", "item_ids": "int n_items", "years": "int16 n_items"}
RATED = {"rated.data": "float32 n_rated", "rated.indices": "int n_rated", "rated.indptr": "int n_users+1"}
KNOWN = {"known.indptr": "int64 n_users+1", "known.items": "int32 n_known", "known.weight": "float32 n_known"}
KNOWN |= {"known.times": "int64 n_known"}
UPDATED = {"known.users": "int64 n_users", "known.gender": "int8 n_users 2"}  # where there are users after training


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

    @property
    def trained_ids(self) -> np.ndarray:
        """The `user_ids` of training."""
        return self.user_ids[self.profiles.users >= 0] if self.profiles else self.user_ids

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
    def from_arrays(cls, arrays: dict[str, np.ndarray], source: str = "the catalogue") -> "Catalogue":
        """The reverse of `arrays`; a UserError names the file `source` if the arrays are no catalogue."""
        with checking(source):
            return cls._from_arrays(arrays)

    @classmethod
    def _from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Catalogue":
        sizes: dict[str, int] = {}
        check_arrays(arrays, SCHEMA, sizes)
        for ids in ("user_ids", "item_ids"):
            check_rising(ids, arrays[ids])
        shape = sizes["n_users"], sizes["n_items"]
        years = pd.array(arrays["years"], dtype="Int16")
        years[arrays["years"] == 0] = pd.NA
        names = {name: _names(name, arrays, n) for name, n in zip(NAMES, shape, strict=True)}
        movie_ids = arrays["item_ids"] if names["item_names"] is None else names["item_names"]
        text = {"Title": unpack_text("titles", arrays), "Year": years, "Genres": unpack_text("genres", arrays)}
        movies = pd.DataFrame({"MovieID": movie_ids} | text)
        check_arrays(arrays, RATED, {"n_users+1": shape[0] + 1})
        check_lists("rated", arrays["rated.indptr"], arrays["rated.indices"], shape[1])
        rated = sp.csr_matrix(tuple(arrays[f"rated.{name}"] for name in CSR), shape=shape)
        check_matrix("rated", rated)
        profiles = None
        if "known.indptr" in arrays:
            check_arrays(arrays, KNOWN, {"n_users+1": shape[0] + 1})
            check_lists("known", arrays["known.indptr"], arrays["known.items"], shape[1])
            histories = Histories(arrays["known.indptr"], arrays["known.items"], arrays["known.times"])
            matrix = sp.csr_matrix((arrays["known.weight"], (histories.users, histories.items)), shape=shape)
            matrix.sort_indices()
            profiles = Profiles(matrix, histories, np.arange(shape[0]))
            if "known.users" in arrays:
                check_arrays(arrays, UPDATED, {"n_users": shape[0], "2": 2})
                index = arrays["known.users"]
                if not np.array_equal(index[index >= 0], np.arange((index >= 0).sum())) or index.min(initial=0) < -1:
                    raise ValueError("known.users are no indices of training")
                profiles = profiles._replace(users=index, gender=arrays["known.gender"])
        of_run = str(arrays["run"])
        return cls(arrays["user_ids"], arrays["item_ids"], movies, rated, profiles=profiles, run=of_run, **names)


def _names(name: str, arrays: dict[str, np.ndarray], n: int) -> np.ndarray | None:
    """The n ids of the data set, where they are text or large numbers: sorted, each once."""
    found = arrays.get(name) if f"{name}.ends" not in arrays else unpack_text(name, arrays)
    if found is None:
        return None
    if found.dtype not in (np.int64, object) or found.shape != (n,) or (found[1:] <= found[:-1]).any():
        raise ValueError(f"{name} is not a sorted id for each")
    return found
