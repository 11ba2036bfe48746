"""The files of a model and its catalogue, as recommending reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from movierec.model.stored import check_model
from movierec.recommend.stored_catalogue import StoredCatalogue
from movierec.utils.arrays import read_arrays
from movierec.utils.errors import UserError

MODEL, CATALOGUE = "model.npz", "catalogue.npz"
FILES = f"{MODEL} and {CATALOGUE}"
CATALOGUE_PREFIX = "catalogue."  # of its arrays, where both are one file


def read_files(place: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arrays of the model and of the catalogue, from a folder with both files or from one file that has both.

    Raises:
        UserError: a file is missing or damaged.
    """
    if place.is_file():
        arrays = read_arrays(place)
        is_of = {name: name.startswith(CATALOGUE_PREFIX) for name in arrays}
        model = {name: of for name, of in arrays.items() if not is_of[name]}
        catalogue = {name.removeprefix(CATALOGUE_PREFIX): of for name, of in arrays.items() if is_of[name]}
    else:
        model, catalogue = read_arrays(place / MODEL), read_arrays(place / CATALOGUE)
    check_model(model, str(place if place.is_file() else place / MODEL))
    return model, catalogue


def check_match(model: Mapping[str, Any], catalogue: StoredCatalogue, source: str) -> None:
    """A UserError if a model and a catalogue are of different runs."""
    user_ids, item_ids = (catalogue.arrays[name] for name in ("user_ids", "item_ids"))
    same = str(model["run"]) == catalogue.run and np.array_equal(model["item_ids"], item_ids)
    same = same and np.array_equal(model["user_ids"], user_ids[catalogue.places >= 0])
    follows_time = "trend.times" in model
    if not same or catalogue.has_histories != (follows_time or catalogue.is_updated):
        raise UserError(f"{source} are of different runs; run `dvc repro`.")
