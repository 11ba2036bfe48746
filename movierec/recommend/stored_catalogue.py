"""The arrays of a stored catalogue. This file does without pandas and SciPy, which load slowly."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from movierec.utils.arrays import unpack_text
from movierec.utils.checks import check_arrays, check_lists, check_rising, check_rows, checking

NAMES = ("user_names", "item_names")
SCHEMA = {"user_ids": "int n_users", "item_ids": "int n_items", "years": "int16 n_items"}
RATED = {"rated.data": "float32 n_rated", "rated.indices": "int n_rated", "rated.indptr": "int n_users+1"}
KNOWN = {"known.indptr": "int64 n_users+1", "known.items": "int32 n_known", "known.weight": "float32 n_known"}
KNOWN |= {"known.times": "int64 n_known"}
UPDATED = {"known.users": "int64 n_users", "known.gender": "int8 n_users 2"}  # where there are users after training


class StoredCatalogue:
    """The arrays of a catalogue, checked."""

    def __init__(self, arrays: Mapping[str, Any], source: str = "the catalogue"):
        """A UserError names the file `source` if the arrays are no catalogue."""
        with checking(source):
            self._check(arrays)

    def _check(self, arrays: Mapping[str, Any]) -> None:
        sizes: dict[str, int] = {}
        check_arrays(arrays, SCHEMA, sizes)
        for ids in ("user_ids", "item_ids"):
            check_rising(ids, arrays[ids])
        n_users, n_items = sizes["n_users"], sizes["n_items"]
        names = (_names(name, arrays, n) for name, n in zip(NAMES, (n_users, n_items), strict=True))
        self.arrays, self.run = arrays, str(arrays["run"])
        self.user_names, self.item_names = names
        self.user_keys = arrays["user_ids"] if self.user_names is None else self.user_names  # ids of the data set
        self.item_keys = arrays["item_ids"] if self.item_names is None else self.item_names
        self.titles, self.genres = (unpack_text(name, arrays) for name in ("titles", "genres"))  # (n_items,) object
        self.years = arrays["years"]  # (n_items,), 0 where unknown
        if not len(self.titles) == len(self.genres) == n_items:
            raise ValueError("titles or genres are not one for each movie")
        check_arrays(arrays, RATED, {"n_users+1": n_users + 1})
        check_rows("rated", arrays["rated.indptr"], arrays["rated.indices"], n_items)
        self.has_histories, self.is_updated = "known.indptr" in arrays, "known.users" in arrays
        if self.has_histories:
            check_arrays(arrays, KNOWN, {"n_users+1": n_users + 1})
            check_lists("known", arrays["known.indptr"], arrays["known.items"], n_items)
        self.places = np.arange(n_users)  # of the users in training, -1 for a later one
        if self.is_updated:
            check_arrays(arrays, UPDATED, {"n_users": n_users, "2": 2})
            self.places = arrays["known.users"]
            trained = self.places[self.places >= 0]
            if not np.array_equal(trained, np.arange(len(trained))) or self.places.min(initial=0) < -1:
                raise ValueError("known.users are no indices of training")

    def row(self, name: str, user: int) -> slice:
        """The place of a user's entries in the arrays of `rated` or `known`."""
        return slice(*self.arrays[f"{name}.indptr"][user : user + 2].tolist())


def _names(name: str, arrays: Mapping[str, Any], n: int) -> np.ndarray | None:
    """The n ids of the data set, where they are text or large numbers: sorted, each once."""
    found = arrays.get(name) if f"{name}.ends" not in arrays else unpack_text(name, arrays)
    if found is None:
        return None
    if found.dtype not in (np.int64, object) or found.shape != (n,) or (found[1:] <= found[:-1]).any():
        raise ValueError(f"{name} is not a sorted id for each")
    return found
