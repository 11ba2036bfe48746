"""The files of a model and its catalogue: whether they are there and match."""

import numpy as np
import pytest
from small_recommender import USER_IDS, small, updated, write_small

from movierec.recommend.files import check_match, read_files
from movierec.recommend.stored_catalogue import StoredCatalogue
from movierec.utils.errors import UserError


def test_both_files_are_read(tmp_path):
    of = small()
    write_small(tmp_path, of)
    model, catalogue = read_files(tmp_path)
    assert model["user_ids"].tolist() == catalogue["user_ids"].tolist() == USER_IDS.tolist()
    check_match(model, StoredCatalogue(catalogue), "the files")


@pytest.mark.parametrize("name", ["model.npz", "catalogue.npz"])
def test_a_missing_file_is_named(tmp_path, name):
    write_small(tmp_path, small())
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match=f"{name} is missing; `dvc repro`"):
        read_files(tmp_path)


@pytest.mark.parametrize(
    "catalogue",
    [
        lambda of: of._replace(run="another"),
        lambda of: of._replace(user_ids=USER_IDS + 1),
        lambda of: of._replace(item_ids=of.item_ids + 1),
        lambda of: small(temporal=True).catalogue,
        lambda of: updated(),
    ],
)
def test_files_of_different_runs_do_not_match(catalogue):
    of = small()
    with pytest.raises(UserError, match=r"^a and b are of different runs; run `dvc repro`\.$"):
        check_match(of.model_arrays, StoredCatalogue(catalogue(of.catalogue).arrays()), "a and b")


def test_an_updated_catalogue_may_have_later_users():
    of = small(temporal=True)
    catalogue = updated()
    model = of.model_arrays | {"user_ids": np.delete(USER_IDS, 7)}
    check_match(model, StoredCatalogue(catalogue.arrays()), "the files")
