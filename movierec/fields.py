"""What a field may hold: text as numbers, and where it is none of those allowed."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.compute as pc

MAX_ID = 2**31 - 1
MIN_RATING, MAX_RATING = 0.5, 5.0
MAX_TIMESTAMP = 2**32  # seconds, the year 2106: more must be milliseconds


class Numbers(NamedTuple):
    """A column as numbers."""

    value: np.ndarray
    bad: np.ndarray  # bool: where it is none of those allowed


def whole_numbers(text: arrow.Array, high: int) -> Numbers:
    """Text as int64, and where it is not a whole number from 0 to `high` (0 there)."""
    fits = pc.match_substring_regex(text, r"^[0-9]{1,18}$")
    numbers = pc.cast(pc.if_else(fits, text, "0"), arrow.int64()).to_numpy(zero_copy_only=False)
    bad = ~fits.to_numpy(zero_copy_only=False) | (numbers > high)
    return Numbers(np.where(bad, 0, numbers), bad)


def star_numbers(text: arrow.Array) -> Numbers:
    """Text as float32, and where it is not a rating in whole or half stars (0 there)."""
    fits = pc.match_substring_regex(text, r"^[0-9](\.[0-9]{1,6})?$")
    numbers = pc.cast(pc.if_else(fits, text, "0"), arrow.float32()).to_numpy(zero_copy_only=False)
    bad = ~fits.to_numpy(zero_copy_only=False) | (numbers < MIN_RATING) | (numbers > MAX_RATING) | (numbers * 2 % 1 != 0)
    return Numbers(np.where(bad, np.float32(0), numbers), bad)


def weight_numbers(text: arrow.Array) -> Numbers:
    """Text as float32, and where it is not a number above 0 (0 there)."""
    fits = pc.match_substring_regex(text, r"^[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?$")
    numbers = pc.cast(pc.if_else(fits, text, "0"), arrow.float64()).to_numpy(zero_copy_only=False)
    bad = ~((numbers > np.finfo(np.float32).tiny) & (numbers < np.finfo(np.float32).max))
    return Numbers(np.where(bad, 0, numbers).astype(np.float32), bad)


def seconds(text: arrow.Array) -> Numbers:
    """Times. RecBole writes them as floats at times; a fraction of zeros says nothing."""
    return whole_numbers(pc.replace_substring_regex(text, r"\.0+$", ""), MAX_TIMESTAMP)


def within(column: np.ndarray, high: int) -> Numbers:
    """Whole numbers from 0 on, and where they are above `high`."""
    return Numbers(column, column > high)


def of_texts(column: arrow.DictionaryArray, numbers: Callable[[arrow.Array], Numbers]) -> Numbers:
    """A column's numbers from those of the texts in it that differ."""
    indices, of = column.indices.to_numpy(), numbers(column.dictionary)
    return Numbers(of.value[indices], of.bad[indices])


class Ids(NamedTuple):
    """How the ids of users or movies become numbers."""

    column: str
    names: arrow.Array | None = None  # where they are text: all of them, sorted; an id's number is its place. None: they are numbers

    @property
    def reason(self) -> str:
        return f"{self.column} is {f'not a whole number from 0 to {MAX_ID}' if self.names is None else 'missing'}"

    def numbers(self, text: arrow.Array) -> Numbers:
        """Ids as they are written, as int64; bad where there is none."""
        if self.names is None:
            return whole_numbers(text, MAX_ID)
        places = pc.index_in(text, value_set=self.names)
        return Numbers(pc.fill_null(places, 0).to_numpy().astype(np.int64), pc.is_null(places).to_numpy(zero_copy_only=False))

    def names_of(self, numbers: np.ndarray) -> dict[str, pd.Series]:
        """A column `Name`, where ids are text; else none."""
        return {} if self.names is None else {"Name": self.names.take(arrow.array(numbers)).to_pandas().astype("str").to_numpy()}
