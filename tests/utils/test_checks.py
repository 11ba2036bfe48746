"""Checks of arrays that come from a file."""

import numpy as np
import pytest

from movierec.utils.checks import check_arrays, check_lists, check_rising, check_rows, checking
from movierec.utils.errors import UserError

GOOD = {"h": np.ones((3, 2), np.float32), "ids": np.arange(3)}
SCHEMA = {"h": "float32 n dim", "ids": "int n"}


def test_sizes_are_those_of_the_first_array_that_has_them():
    sizes = {}
    check_arrays(GOOD, SCHEMA, sizes)
    assert sizes == {"n": 3, "dim": 2}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"h": np.ones((3, 2))}, r"h is float64 \(3, 2\), not float32 n dim"),
        ({"h": np.ones(3, np.float32)}, "h is float32"),
        *(({"h": np.array([[of, 1]] * 3, np.float32)}, "h has values that are not") for of in (np.nan, np.inf, -2e6)),
        ({"ids": np.arange(4)}, r"ids is int64 \(4,\), not int n"),
        ({"ids": np.arange(3, dtype=np.uint8)}, "ids is uint8"),
        ({"ids": np.array(["a", "b", "c"])}, "ids is <U1"),
    ],
)
def test_a_wrong_array_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        check_arrays(GOOD | change, SCHEMA, {})


def test_what_is_wrong_names_the_file_in_one_line():
    with (
        pytest.raises(UserError, match=r"^m\.npz is damaged \(it lacks 'ids'\); delete it and run `dvc repro`\.$"),
        checking("m.npz"),
    ):
        check_arrays({"h": GOOD["h"]}, SCHEMA, {})


WRAPPING = [0, 2**62, -(2**63), -(2**62), 0, 2]  # all of its int64 differences are positive


@pytest.mark.parametrize("array", [[-1, 2], [1, 1], [2, 1], WRAPPING[:-1]])
def test_ids_must_rise_from_0_or_more(array):
    check_rising("ids", np.array([0, 5]))
    with pytest.raises(ValueError, match="ids does not rise"):
        check_rising("ids", np.array(array))


@pytest.mark.parametrize(
    ("indices", "indptr"),
    [
        *(([0, 9], [0, 1, 2]), ([0, -1], [0, 1, 2]), ([0, 1], [0, 5, 2]), ([0, 1], [0, 1, 9])),
        *(([1, 0], [0, 2, 2]), ([1, 1], [0, 2]), ([2, 0, 1, 1], [0, 1, 1, 4])),
    ],
)
def test_a_matrix_whose_arrays_do_not_fit_is_an_error(indices, indptr):
    for good in ([1, 0], [0, 0, 1, 2, 2]), ([2, 0], [0, 1, 2]), ([0, 1], [0, 2]), ([], [0, 0]):
        check_rows("m", np.array(good[1]), np.array(good[0]), 3)
    with pytest.raises(ValueError, match=r"^m"):
        check_rows("m", np.array(indptr), np.array(indices), 3)


@pytest.mark.parametrize(
    ("indptr", "items"),
    [([0, 3], [0, 1]), ([1, 2], [0, 1]), ([0, 2, 1, 2], [0, 1]), ([0, 2], [0, 7]), (WRAPPING, [0, 1])],
)
def test_lists_that_do_not_fit_are_an_error(indptr, items):
    check_lists("known", np.array([0, 1, 2]), np.array([0, 6]), 7)
    with pytest.raises(ValueError, match="known"):
        check_lists("known", np.array(indptr), np.array(items), 7)
