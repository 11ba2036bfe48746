"""Fields of text as numbers, and which of them are invalid."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

MAX_ID = 2**31 - 1
MIN_RATING, MAX_RATING = 0.5, 5.0
MAX_TIMESTAMP = 2**32  # seconds, the year 2106: larger numbers must be milliseconds


class Numbers(NamedTuple):
    """A column as numbers."""

    value: np.ndarray  # 0 where invalid
    bad: np.ndarray  # bool, where invalid


def whole_numbers(text: pa.Array, high: int) -> Numbers:
    """int64, from 0 to `high`: one to 18 digits and nothing else."""
    fits = pc.and_(pc.ascii_is_decimal(text), pc.less_equal(pc.binary_length(text), 18))
    numbers = pc.cast(pc.if_else(fits, text, "0"), pa.int64()).to_numpy(zero_copy_only=False)
    bad = ~fits.to_numpy(zero_copy_only=False) | (numbers > high)
    return Numbers(np.where(bad, 0, numbers), bad)


def _floats(text: pa.Array, pattern: str) -> np.ndarray:
    """float64, NaN where the text does not match."""
    fits = pc.match_substring_regex(text, pattern)
    return pc.cast(pc.if_else(fits, text, "nan"), pa.float64()).to_numpy(zero_copy_only=False)


def stars(text: pa.Array) -> Numbers:
    """float32: ratings in whole or half stars."""
    numbers = _floats(text, r"^[0-9](\.[0-9]{1,6})?$")
    bad = ~((numbers >= MIN_RATING) & (numbers <= MAX_RATING) & (numbers * 2 % 1 == 0))
    return Numbers(np.where(bad, 0, numbers).astype(np.float32), bad)


def weights(text: pa.Array) -> Numbers:
    """float32: numbers above 0."""
    numbers = _floats(text, r"^[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?$")
    bad = ~((numbers > np.finfo(np.float32).tiny) & (numbers < np.finfo(np.float32).max))
    return Numbers(np.where(bad, 0, numbers).astype(np.float32), bad)


def seconds(text: pa.Array) -> Numbers:
    """int64: times in whole seconds; RecBole writes some as floats, with a fraction of zeros."""
    if pc.any(pc.match_substring(text, ".")).as_py():
        text = pc.replace_substring_regex(text, r"\.0+$", "")
    return whole_numbers(text, MAX_TIMESTAMP)


def encoded(column: pa.DictionaryArray, numbers: Callable[[pa.Array], Numbers]) -> Numbers:
    """The numbers of a column from those of its distinct texts."""
    indices, of = column.indices.to_numpy(), numbers(column.dictionary)
    return Numbers(of.value[indices], of.bad[indices])


class Ids(NamedTuple):
    """The mapping of the ids of users or movies to numbers."""

    column: str
    names: pa.Array | None = None  # all ids, sorted, where they are text: an id's number is its place; None: numbers

    @property
    def reason(self) -> str:
        """The reason why an id is invalid."""
        return f"{self.column} is {f'not a whole number from 0 to {MAX_ID}' if self.names is None else 'missing'}"

    def numbers(self, text: pa.Array) -> Numbers:
        """Ids as int64."""
        if self.names is None:
            return whole_numbers(text, MAX_ID)
        places = pc.index_in(text, value_set=self.names)
        bad = pc.is_null(places).to_numpy(zero_copy_only=False)
        return Numbers(pc.fill_null(places, 0).to_numpy().astype(np.int64), bad)

    def text_of(self, numbers: np.ndarray) -> np.ndarray:
        """The ids as text, from their numbers."""
        text = pd.Series(numbers) if self.names is None else self.names.take(pa.array(numbers)).to_pandas()
        return text.astype("str").to_numpy()

    def names_of(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """A column `Name`, where ids are text."""
        return {} if self.names is None else {"Name": self.text_of(numbers)}
