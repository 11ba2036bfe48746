"""The ids of users and movies: whole numbers, or text that is numbered. One text is one id: 007 is not 7."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec.data.source import EXACT, View
from movierec.utils.errors import UserError, printable

MAX_ID = 2**31 - 1
NUMBER = "0|[1-9][0-9]{0,9}"
FLOAT = r"-?[0-9]+(\.[0-9]+|(\.[0-9]+)?e[+-][0-9]+)"  # of a column of floats, which missing ids make of numbers


class Ids(NamedTuple):
    """The mapping of the ids of users or of movies to numbers."""

    column: str
    names: np.ndarray | None = None  # all ids, sorted, where they are text or large: an id's number is its place

    @property
    def reason(self) -> str:
        """The reason why an id is invalid."""
        return f"{self.column} is {f'not a whole number from 0 to {MAX_ID}' if self.names is None else 'missing'}"

    @property
    def sql(self) -> str:
        """SQL for the number of an id, NULL where it is invalid."""
        if self.names is None:
            return f"CASE WHEN {small_sql(self.column)} THEN {self.column}::INTEGER END"
        return f"enum_code(try_cast({self.column} AS ids_{self.column}))::INTEGER"

    def text_sql(self, number: str) -> str:
        """SQL for the text of an id, from its number."""
        names = f"enum_range(NULL::ids_{self.column})"
        return f"{number}::VARCHAR" if self.names is None else f"{names}[{number} + 1]::VARCHAR"

    def numbers(self, text: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of ids, int64 with 0 where invalid, and where they are invalid."""
        if self.names is None:
            number = pd.to_numeric(text.where(text.str.fullmatch(NUMBER), "-1")).to_numpy(np.int64)
        else:
            number = pd.Index(self.names.astype(str)).get_indexer(text)
        bad = (number < 0) | (number > MAX_ID)
        return np.where(bad, 0, number), bad

    def names_of(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """A column `Name`, where ids are text or large: without control characters, if that leaves them different.

        Raises:
            UserError: two ids differ in control characters alone.
        """
        if self.names is None:
            return {}
        names = pd.Series(self.names[numbers])
        if names.dtype != np.int64:
            plain = names.map(printable)
            if (same := plain.duplicated()).any() or plain.eq("").any():
                shown = names[same | plain.eq("")].iloc[0]
                raise UserError(f"{self.column} {shown!r} is another id's, or none, without its control characters.")
            names = plain.astype("str")
        return {"Name": names.to_numpy()}

    def text_of(self, numbers: np.ndarray) -> np.ndarray:
        """The ids as text, from their numbers."""
        return pd.Series(numbers if self.names is None else self.names[numbers]).astype("str").to_numpy()


def small_sql(column: str) -> str:
    """SQL for whether a text is a whole number up to `MAX_ID`, in the one way in which such a number is written."""
    return f"(try_cast({column} AS UINTEGER)::VARCHAR = {column} AND try_cast({column} AS UINTEGER) <= {MAX_ID})"


def ids_of(column: str, views: list[View], small: bool) -> Ids:
    """The ids in a column of views: numbers if each is a whole number up to `MAX_ID`, else text (or int64).

    Args:
        column: UserID or MovieID.
        views: that have it.
        small: whether each is known to be such a number.

    Raises:
        UserError: a column of floats has fractions, or whole numbers that floats do not hold exactly.
    """
    engine, table = views[0].engine, f"distinct_{column}"
    for view in views:
        if not small or column in view.source.exact:
            engine.rows(f"CREATE OR REPLACE TABLE {table} AS SELECT {column} AS id FROM {view.name} GROUP BY id")
            _check_floats(view, column, table)
            engine.rows(f"CREATE TABLE IF NOT EXISTS all_{table} (id VARCHAR)")
            engine.rows(f"INSERT INTO all_{table} SELECT id FROM {table} WHERE regexp_matches(id, '\\S')")
    if small:
        return Ids(column)
    kinds = f"count(*), count_if({small_sql('id')}), count_if(try_cast(id AS BIGINT)::VARCHAR = id)"
    ((n, n_small, n_whole),) = engine.rows(f"SELECT {kinds} FROM all_{table}")
    if n == n_small:
        return Ids(column)
    order = "id::BIGINT" if n == n_whole else "id"
    engine.rows(f"CREATE TYPE ids_{column} AS ENUM (SELECT id FROM all_{table} GROUP BY id ORDER BY {order})")
    (names,) = engine.arrays(f"SELECT unnest(enum_range(NULL::ids_{column}))::VARCHAR AS name")
    return Ids(column, np.asarray(names).astype(np.int64 if n == n_whole else object))


def _check_floats(view: View, column: str, table: str) -> None:
    """Make whole numbers of a column of floats, in the view and in the table of its distinct texts; see `ids_of`."""
    exact = view.source.exact.get(column)
    if not exact and view.source.form:
        ends = f"count(id), count_if(regexp_full_match(id, '{FLOAT}', 'i')), count_if(ends_with(id, '.0'))"
        ((n, n_floats, n_whole),) = view.engine.rows(f"SELECT {ends} FROM {table}")
        if n == n_floats and n_whole:
            exact = EXACT[64]
            whole = "floor({0}::DOUBLE) = {0}::DOUBLE AND abs({0}::DOUBLE) < 1e18 THEN {0}::DOUBLE::BIGINT::VARCHAR"
            sql = f"CASE WHEN {whole} ELSE {{0}} END"
            view.redefine(column, sql.format(view.source.columns[column]))
            view.engine.rows(f"CREATE OR REPLACE TABLE {table} AS SELECT {sql.format('id')} AS id FROM {table}")
    if exact:
        whole = "CASE WHEN regexp_full_match(id, '-?[0-9]+') THEN abs(try_cast(id AS HUGEINT)) END"
        inexact = f"id IS NOT NULL AND NOT coalesce({whole} <= {exact}, false)"
        ((shown,),) = view.engine.rows(f"SELECT min(id) FROM {table} WHERE {inexact}")
        if shown is not None:
            floats = f"in a column of floats, which hold whole numbers exactly only up to {exact:,}"
            raise UserError(f"{view.path}: {column} {shown} is {floats}; write it as integers or text.")
