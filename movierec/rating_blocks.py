"""Ratings as numbers, a block at a time, so that they need not fit into memory."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as arrow

from movierec.blocks import TEXTS, Block, LinesFile, parse_numbers
from movierec.delimited import BROKEN_COLUMNS, parse_lines, texts
from movierec.fields import MAX_ID, MAX_RATING, MAX_TIMESTAMP, Ids, Numbers, of_texts, seconds, star_numbers, weight_numbers, within
from movierec.own_data import CsvRows, ParquetRows

STARS_REASON = "Rating is not in whole or half stars from 0.5 to 5"
WEIGHT_REASON = "weight is not a number above 0"
NOT_BROKEN = pd.DataFrame(columns=BROKEN_COLUMNS)


class Ratings(NamedTuple):
    """A block's rows as numbers."""

    line: np.ndarray  # (n,) int64
    user: Numbers
    movie: Numbers
    stars: Numbers
    time: Numbers
    broken: pd.DataFrame  # line, reason, row
    rated: dict[str, int]  # MovieID as it is written, to the line where it stands first; empty unless asked for


class Reader:
    """Reads ratings with the columns of MovieLens, the fast way where a block holds plain numbers alone, else with care: both give the same."""

    stars_reason = STARS_REASON
    shown = "Rating"  # as what a rating is counted, in SQL

    def __init__(self, file: LinesFile, user_ids: Ids, movie_ids: Ids, with_rated: bool):
        """
        Args:
            file: of ratings.
            user_ids, movie_ids: how they become numbers.
            with_rated: whether to say which movies are rated.
        """
        self.file, self.user_ids, self.movie_ids, self.with_rated = file, user_ids, movie_ids, with_rated

    def read(self, block: Block) -> Ratings:
        """A block's ratings."""
        movies = TEXTS if self.with_rated else arrow.int64()
        table = parse_numbers(block, self.file.form, {"UserID": arrow.int64(), "MovieID": movies, "Rating": TEXTS, "Timestamp": arrow.int64()})
        return self._with_care(block) if table is None else self._of_plain_numbers(table, block)

    def _of_plain_numbers(self, table: arrow.Table, block: Block) -> Ratings:
        line = np.arange(block.first, block.first + len(table))
        movie, rated = table["MovieID"], {}
        if self.with_rated:
            rated = first_lines(movie.chunk(0), line)
            movie = of_texts(movie.chunk(0), self.movie_ids.numbers)
        else:
            movie = within(movie.to_numpy(), MAX_ID)
        stars = of_texts(table["Rating"].chunk(0), star_numbers)
        return Ratings(line, within(table["UserID"].to_numpy(), MAX_ID), movie, stars, within(table["Timestamp"].to_numpy(), MAX_TIMESTAMP), NOT_BROKEN, rated)

    def _with_care(self, block: Block) -> Ratings:
        rows, broken = parse_lines(self.file.text(block), self.file.form, block.first)
        first = rows.drop_duplicates("MovieID")
        return Ratings(
            rows["line"].to_numpy(), self.user_ids.numbers(texts(rows["UserID"])), self.movie_ids.numbers(texts(rows["MovieID"])),
            star_numbers(texts(rows["Rating"])), seconds(texts(rows["Timestamp"])), broken,
            dict(zip(first["MovieID"], first["line"])) if self.with_rated else {},
        )  # fmt: skip


class OwnReader(Reader):
    """Reads a table of one's own."""

    file: ParquetRows | CsvRows

    @property
    def stars_reason(self) -> str:
        return WEIGHT_REASON if "Weight" in self.file.names else STARS_REASON

    @property
    def shown(self) -> str:
        return "(2 ** floor(log2(Rating)))::FLOAT" if "Weight" in self.file.names else "Rating"

    def read(self, block) -> Ratings:
        """A block's ratings."""
        line, columns, broken = self.file.columns(block)
        if "Weight" in columns:
            stars = of_texts(columns["Weight"], weight_numbers)
        elif "Rating" in columns:
            stars = of_texts(columns["Rating"], star_numbers)
        else:  # whoever says only that, not how much, likes it: whatever min_rating is
            stars = Numbers(np.full(len(line), MAX_RATING, np.float32), np.zeros(len(line), bool))
        time = columns.get("Timestamp")
        if time is None:
            time = Numbers(np.zeros(len(line), np.int64), np.zeros(len(line), bool))
        else:
            time = seconds(time) if arrow.types.is_string(time.type) else within(time.to_numpy(), MAX_TIMESTAMP)
        user, movie = of_texts(columns["UserID"], self.user_ids.numbers), of_texts(columns["MovieID"], self.movie_ids.numbers)
        return Ratings(line, user, movie, stars, time, broken, first_lines(columns["MovieID"], line) if self.with_rated else {})


def first_lines(column: arrow.DictionaryArray, line: np.ndarray) -> dict[str, int]:
    """Each text of a column, to the line where it stands first."""
    first = np.empty(len(column.dictionary), np.int64)
    first[column.indices.to_numpy()[::-1]] = line[::-1]  # of several, the last one that is written stays
    return dict(zip(column.dictionary.to_pylist(), first.tolist()))
