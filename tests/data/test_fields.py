"""Fields of text as numbers: each agrees with a regular expression and Python's own numbers."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from movierec.data.fields import MAX_ID, MAX_TIMESTAMP, Ids, encoded, seconds, stars, weights, whole_numbers

# Texts that are numbers, nearly numbers, or anything.
LIKELY = ["", "0", "5", "0.5", "4.50", "3.7", "5.5", "05", ".5", "5.", "-1", "+1", "nan", "inf", " 1", "1 ", "1\n"]
LIKELY += ["1e3", "1E+30", "1e39", "1e-46", "1e999", "٢", "９", "²", "1_0", "0x1", "1,5", "9.0", "9.000", "9.01"]
LIKELY += ["9.0.0", "007", "9" * 18, "9" * 19, "1".zfill(19)]
LIKELY += [str(limit + more) for limit in (MAX_ID, MAX_TIMESTAMP) for more in (0, 1)]
TEXT = st.one_of(
    st.sampled_from(LIKELY),
    st.text("0123456789.eE+-", max_size=8),
    st.from_regex(r"[0-9]{1,20}(\.[0-9]{1,7})?([eE][+-]?[0-9]{1,2})?", fullmatch=True),
    st.integers(0, 2 * MAX_TIMESTAMP).map(str),
    st.floats(0, 10).map(str),
    st.text(max_size=3),
)
COLUMN = st.lists(TEXT, max_size=8)


def check(found, texts, number, dtype):
    """Compare numbers with those of plain Python, None for an invalid text."""
    expected = [number(text) for text in texts]
    assert found.bad.dtype == bool and found.bad.tolist() == [value is None for value in expected]
    assert found.value.dtype == dtype and found.value.tolist() == np.array([of or 0 for of in expected], dtype).tolist()


def int_of(text, high):
    return int(text) if re.fullmatch("[0-9]{1,18}", text) and int(text) <= high else None


def array(texts):
    return pa.array(texts, pa.string())


@given(COLUMN, st.sampled_from([0, 7, MAX_ID, MAX_TIMESTAMP, 10**18 - 1]))
@example(LIKELY, MAX_ID)
def test_whole_numbers_agree_with_int(texts, high):
    check(whole_numbers(array(texts), high), texts, lambda text: int_of(text, high), np.int64)


@given(COLUMN)
@example(LIKELY)
def test_stars_agree_with_float(texts):
    def number(text):
        value = float(text) if re.fullmatch(r"[0-9](\.[0-9]{1,6})?", text) else None
        return value if value in [half / 2 for half in range(1, 11)] else None

    check(stars(array(texts)), texts, number, np.float32)


@given(COLUMN)
@example(LIKELY)
def test_weights_agree_with_float(texts):
    limits = np.finfo(np.float32)

    def number(text):
        value = float(text) if re.fullmatch(r"[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?", text) else 0
        return value if float(limits.tiny) < value < float(limits.max) else None

    check(weights(array(texts)), texts, number, np.float32)


@given(COLUMN)
@example(LIKELY)
@example([text for text in LIKELY if "." not in text])
def test_seconds_agree_with_int_where_a_fraction_is_all_zeros(texts):
    check(seconds(array(texts)), texts, lambda text: int_of(re.sub(r"\.0+\Z", "", text), MAX_TIMESTAMP), np.int64)


@given(COLUMN)
def test_numbers_of_distinct_texts_are_those_of_the_column(texts):
    whole, found = stars(array(texts)), encoded(array(texts).dictionary_encode(), stars)
    assert found.value.tolist() == whole.value.tolist() and found.bad.tolist() == whole.bad.tolist()


def test_ids_that_are_numbers():
    ids = Ids("UserID")
    value, bad = ids.numbers(array(["7", "x", "2147483647", "2147483648", ""]))
    assert value.tolist() == [7, 0, MAX_ID, 0, 0] and bad.tolist() == [False, True, False, True, True]
    assert ids.reason == "UserID is not a whole number from 0 to 2147483647"
    assert ids.text_of(np.array([3, 7])).tolist() == ["3", "7"] and ids.names_of(np.array([3])) == {}


def test_ids_that_are_text_are_their_places_in_sorted_order():
    ids = Ids("MovieID", array(["10", "cake", "Ärger"]))
    value, bad = ids.numbers(array(["Ärger", "", "10", "cake", "tea"]))
    assert (
        value.dtype == np.int64
        and value.tolist() == [2, 0, 0, 1, 0]
        and bad.tolist() == [False, True, False, False, True]
    )
    assert ids.reason == "MovieID is missing"
    assert ids.text_of(np.array([2, 0])).tolist() == ["Ärger", "10"]
    assert {name: names.tolist() for name, names in ids.names_of(np.array([1])).items()} == {"Name": ["cake"]}


@pytest.mark.parametrize("number", [whole_numbers, stars, weights, seconds])
def test_columns_may_be_empty(number):
    value, bad = number(array([]), 5) if number is whole_numbers else number(array([]))
    assert len(value) == len(bad) == 0
