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


def read_files(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arrays of the model and of the catalogue; a UserError if one of the files is missing or damaged."""
    model, catalogue = read_arrays(folder / MODEL), read_arrays(folder / CATALOGUE)
    check_model(model, str(folder / MODEL))
    return model, catalogue


def check_match(model: Mapping[str, Any], catalogue: StoredCatalogue, source: str) -> None:
    """A UserError if a model and a catalogue are of different runs."""
    user_ids, item_ids = (catalogue.arrays[name] for name in ("user_ids", "item_ids"))
    same = str(model["run"]) == catalogue.run and np.array_equal(model["item_ids"], item_ids)
    same = same and np.array_equal(model["user_ids"], user_ids[catalogue.places >= 0])
    follows_time = "trend.times" in model
    if not same or catalogue.has_histories != (follows_time or catalogue.is_updated):
        raise UserError(f"{source} are of different runs; run `dvc repro`.")
