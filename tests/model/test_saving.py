"""The model as the arrays of one file: what is read is what was written, and other formats are refused."""

import json

import numpy as np
import pytest
import torch
from conftest import params_with
from small_model import SMALL, fit_in_time, fit_small

import movierec
from movierec.interactions.profiles import Profiles
from movierec.model.saving import FORMAT, lower_triangle, pack, unpack
from movierec.model.stored import Symmetric
from movierec.utils.arrays import read_arrays, write_arrays
from movierec.utils.errors import UserError

USER_IDS, ITEM_IDS = 100 + np.arange(40), 1000 + np.arange(20)
PARAMS = params_with(**SMALL)
EVERYONE = np.arange(40)


@pytest.fixture
def stored_in(checkerboard, graph_of, tmp_path):
    """A function that writes a model into a file and reads it again."""

    def store(model):
        arrays = pack(model, graph_of(checkerboard[0]), USER_IDS, ITEM_IDS, params=PARAMS.model_dump())
        write_arrays(tmp_path / "model.npz", **arrays)
        return unpack(read_arrays(tmp_path / "model.npz"), "model.npz")

    return store


@pytest.mark.parametrize("kind", ["dense", "local", "none"])
def test_a_stored_model_gives_the_same_scores(checkerboard, graph_of, stored_in, kind):
    model = fit_small(*checkerboard, user_process=kind, item_process=kind).model
    stored = stored_in(model)
    unpack(
        pack(model, graph_of(checkerboard[0]), USER_IDS, ITEM_IDS, params=PARAMS.model_dump()),
        "the arrays, before they are stored",
    )
    assert [type(of) for of in (stored.model.users, stored.model.items)] == [type(model.users), type(model.items)]
    assert stored.model.mix == model.mix
    torch.testing.assert_close(stored.model.scorer()(EVERYONE), model.scorer()(EVERYONE), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shares", [None, ((0.4, 0.4, 0.2), (0.2, 0.2, 0.6))])
def test_a_stored_model_in_time_gives_the_same_scores(checkerboard, stored_in, shares):
    model, profiles = fit_in_time(*checkerboard).model, Profiles.without_order(checkerboard[0])
    model = model._replace(mix=(0.2, 0.4, 0.4), shares=shares or model.shares)
    again = stored_in(model).model
    assert again.shares == model.shares and torch.equal(again.trend.popularity, model.trend.popularity)
    assert again.trend.times.tolist() == model.trend.times.tolist()
    torch.testing.assert_close(again.scorer(profiles)(EVERYONE), model.scorer(profiles)(EVERYONE), atol=1e-4, rtol=1e-4)


def test_the_file_is_complete_in_itself(checkerboard, stored_in):
    """It has the training graph, the ids, the params and the version of the code."""
    stored = stored_in(fit_small(*checkerboard).model)
    assert (stored.model.graph.matrix != checkerboard[0]).nnz == 0
    assert stored.user_ids.tolist() == USER_IDS.tolist() and stored.item_ids.tolist() == ITEM_IDS.tolist()
    assert stored.params == json.loads(PARAMS.model_dump_json()) and stored.version == movierec.__version__


def test_a_packed_model_repeats_to_the_byte(checkerboard, graph_of):
    packed = [
        pack(
            fit_in_time(*checkerboard).model, graph_of(checkerboard[0]), USER_IDS, ITEM_IDS, params=PARAMS.model_dump()
        )
        for _ in range(2)
    ]
    for name, array in packed[0].items():
        assert np.asarray(array).tobytes() == np.asarray(packed[1][name]).tobytes(), name


@pytest.mark.parametrize(
    ("arrays", "found"),
    [({"format": FORMAT + 1, "version": "9.8"}, r"format 3 .*9\.8"), ({"h_user": np.zeros(3)}, "format None")],
)
def test_another_format_is_refused_with_its_version_and_the_way_out(arrays, found):
    with pytest.raises(UserError, match=rf"^models/model\.npz .*{found}.*, not 2; .*dvc repro"):
        unpack(arrays, "models/model.npz")


def test_a_version_of_many_lines_makes_no_error_of_many_lines():
    with pytest.raises(UserError, match=r"^m\.npz has format 3 \(movierec 9 x wrote it\), not 2; .*dvc repro") as error:
        unpack({"format": FORMAT + 1, "version": np.array("9\n\x1b[31mx")}, "m.npz")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("h_user", lambda of: of * np.nan),
        ("h_item", lambda of: of[:, :-1]),
        ("user_ids", lambda of: of[::-1]),
        ("graph.source", lambda of: of * 0 - 1),
        ("graph.degree", lambda of: of * 0),
        ("graph.weight", lambda of: of[:-1]),
        ("users_inverse", lambda of: of[:-1]),
        ("items_kernel", lambda of: np.full_like(of, np.inf)),
        ("mix", lambda of: of[:2]),
        ("params", lambda of: "[1]"),
        ("params", lambda of: "{"),
    ],
)
def test_an_array_that_does_not_fit_is_an_error_in_one_line(checkerboard, graph_of, name, change):
    arrays = pack(
        fit_small(*checkerboard).model, graph_of(checkerboard[0]), USER_IDS, ITEM_IDS, params=PARAMS.model_dump()
    )
    arrays[name] = change(arrays[name])
    with pytest.raises(UserError, match=r"^m\.npz is damaged \(.+\); delete it and run `dvc repro`\.$"):
        unpack(arrays, "m.npz")


@pytest.mark.parametrize("n", [1, 2, 7])
def test_a_symmetric_matrix_is_stored_as_its_lower_triangle(n):
    square = torch.randn(n, n, generator=torch.Generator().manual_seed(0))
    matrix = square + square.T
    triangle = lower_triangle(matrix)
    assert triangle.shape == (n * (n + 1) // 2,) and triangle.tolist() == matrix.numpy()[np.tril_indices(n)].tolist()
    assert Symmetric(triangle).whole().tolist() == matrix.tolist()
