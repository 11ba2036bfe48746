"""Ids as a person gives them, and their indices."""

import numpy as np
import pytest

from movierec.recommend.lookup import indices, plain_id, typed
from movierec.utils.errors import UserError

NUMBERS, TEXTS = np.array([2, 7, 42, 2**53 + 1]), np.array(["007", "42", "7", "x"], object)


@pytest.mark.parametrize("one", [42, "42", np.int32(42), np.int64(42), np.uint8(42), 42.0, np.float32(42)])
def test_an_id_is_found_by_its_text_whatever_its_type(one):
    assert indices([one], NUMBERS, "user", "")[0] == 2 and indices([one], TEXTS, "user", "")[0] == 1


def test_one_text_is_one_id():
    assert indices(["007", "7", "007"], TEXTS, "user", "").tolist() == [0, 2]
    assert indices([2**53 + 1, str(2**53 + 1)], NUMBERS, "user", "").tolist() == [3]
    for unknown in ("007", "7.0", " 7", 2**53, "x"):
        with pytest.raises(UserError, match=f"no user {unknown}: UserIDs go from 2 to 9007199254740993"):
            indices([unknown], NUMBERS, "user", "")


@pytest.mark.parametrize("one", [1.5, float("nan"), True, None, b"7", [7]])
def test_what_is_no_id_is_named(one):
    with pytest.raises(UserError, match="is no id: it must be text or a whole number"):
        typed(one, NUMBERS)


def test_one_id_is_asked_for_as_several_are():
    for several in ((7, "42"), np.array([7, 42]), (of for of in (7.0, 42))):
        assert indices(several, NUMBERS, "user", "").tolist() == [1, 2]
    assert indices("42", NUMBERS, "user", "").tolist() == indices(42.0, NUMBERS, "user", "").tolist() == [2]


# The bytes of b"\x07" are the number 7.
@pytest.mark.parametrize("given", [b"\x07", np.array(7), np.eye(3), [[7]], [1.5], None])
def test_what_is_neither_an_id_nor_several_is_an_error_in_one_line(given):
    with pytest.raises(UserError, match="is no id") as error:
        indices(given, NUMBERS, "user", "")
    assert "\n" not in str(error.value)


def test_no_id_changes_a_terminal_or_breaks_the_line():
    with pytest.raises(UserError, match="no user a b: "):
        indices("a\n\x1b[31mb", TEXTS, "user", "")


def test_ids_come_out_as_plain_numbers_and_text():
    assert type(plain_id(NUMBERS[0])) is int and plain_id(TEXTS[0]) == "007"
