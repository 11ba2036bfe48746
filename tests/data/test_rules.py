"""The rules by which rows are rejected, and the list of the rejected rows."""

import contextlib
import re
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from in_memory import clean_folder, write_files

from movierec.data import rules
from movierec.data.engine import Engine
from movierec.data.ids import MAX_ID, Ids
from movierec.data.layouts import Tables
from movierec.data.rules import MAX_TIMESTAMP, UNITS, RatingRules, Rejections, first_fault
from movierec.utils.errors import UserError
from movierec.utils.storage import write_csv

ID = "is not a whole number from 0 to 2147483647"


@pytest.fixture
def rejections(tmp_path):
    with contextlib.closing(Engine(tmp_path / "scratch")) as engine:
        yield Rejections(engine)


def listed(rejections):
    """All rejected rows as tuples."""
    return [row for frame in rejections.frames() for row in frame.itertuples(index=False, name=None)]


def test_rejected_rows_are_listed_by_table_and_line(rejections, tmp_path):
    rejections.add("ratings", [(9, "b", "x|y"), (3, "a", "z" * 300)])
    rejections.add("movies", [(7, "c", 'é "q"')])
    rejections.add("users", [])
    rejections.add("ratings", [(5, "b", "")])
    expected = [
        ("movies", 7, "c", 'é "q"'),
        ("ratings", 3, "a", "z" * 200),
        ("ratings", 5, "b", ""),
        ("ratings", 9, "b", "x|y"),
    ]
    assert listed(rejections) == expected, "long rows are cut off"
    write_csv(rejections.frames(), tmp_path / "rejected.csv")
    assert (tmp_path / "rejected.csv").read_text().startswith('table,line,reason,row\nmovies,7,c,"é ""q"""\n')


def test_a_list_without_rows_still_has_its_columns(rejections):
    assert list(next(rejections.frames())) == ["table", "line", "reason", "row"]
    assert listed(rejections) == [] and rejections.summary("users", 3) == {"read": 3, "kept": 3, "rejected": {}}


def test_reasons_are_counted_with_their_first_line(rejections):
    rejections.add("ratings", [(9, "b", "nine"), (3, "a", "three"), (5, "b", "five"), (1, "c", "one")])
    assert rejections.reasons("ratings") == [("b", 2, 5, "five"), ("c", 1, 1, "one"), ("a", 1, 3, "three")]
    assert rejections.summary("ratings", 10) == {"read": 10, "kept": 6, "rejected": {"a": 1, "b": 2, "c": 1}}
    assert list(rejections.summary("ratings", 10)["rejected"]) == ["a", "b", "c"]


def test_too_many_rejected_rows_are_an_error_with_each_reason(rejections):
    rejections.add("ratings", [(9, "b", "nine"), (5, "b", "five"), (1, "a", "one"), (2, rules.RATED_AGAIN, "two")])
    rejections.check_share("ratings", "r.csv", 6, 0.5)
    rejections.check_share("users", "u.csv", 0, 0)
    with pytest.raises(
        UserError, match=r"r\.csv: 3 of 7 rows \(42\.9%\).*max_rejected in params\.yaml \(0\.4\)"
    ) as error:
        rejections.check_share("ratings", "r.csv", 7, 0.4)
    assert "2 b (line 5: 'five'); 1 a (line 1: 'one')" in str(error.value) and rules.RATED_AGAIN not in str(error.value)


def test_each_row_has_the_first_of_its_reasons():
    faults = {"a": np.array([0, 0, 1, 0], bool), "b": np.array([1, 0, 1, 0], bool), "c": np.array([1, 0, 0, 1], bool)}
    at, reasons = first_fault(faults)
    assert at.tolist() == [0, 2, 3] and reasons == ["b", "a", "c"]


# --- ratings as SQL ------------------------------------------------------------------------------

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
    st.text(st.characters(exclude_characters="\0"), max_size=3),
)
COLUMN = st.lists(TEXT, min_size=1, max_size=8)


def judged(columns, own=False, **changes):
    """The table that the rules make of columns of text: rows of user, movie, rating, time, reason, text."""
    tables = Tables(None, own=own, **{name: of for name, of in changes.items() if name in Tables._fields})
    others = {name: of for name, of in changes.items() if name not in Tables._fields}
    view = SimpleNamespace(name="given", source=SimpleNamespace(columns=columns))
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(Engine(Path(folder, "scratch"))) as engine:
        engine.insert("given", pa.table({name: pa.array(of, pa.string()) for name, of in columns.items()}))
        sql = RatingRules(view, tables, Ids("UserID"), Ids("MovieID"), **others).sql()
        return engine.rows(sql.replace("{line}", ""))


def check(column, texts, number, **changes):
    """Compare one column of the rules' table with plain Python, where None stands for an invalid text."""
    good = {"UserID": "1", "MovieID": "1", "Rating": "5", "Timestamp": "9"}
    if column == "Weight":
        good = {"UserID": "1", "MovieID": "1", "Weight": "5"}
    rows = judged({name: texts if name == column else [of] * len(texts) for name, of in good.items()}, **changes)
    found = [row[list(good).index(column)] for row in rows]
    assert found == [number(text) for text in texts]
    assert [row[4] is not None for row in rows] == [of is None for of in found]


@given(COLUMN)
@example(LIKELY)
def test_ids_are_whole_numbers_written_in_one_way(texts):
    def number(text):
        return int(text) if re.fullmatch("0|[1-9][0-9]{0,9}", text) and int(text) <= MAX_ID else None

    check("UserID", texts, number)
    check("MovieID", texts, number)
    value, bad = Ids("UserID").numbers(pd.Series(texts, dtype="str"))
    assert [None if b else v for v, b in zip(value.tolist(), bad.tolist(), strict=True)] == [number(of) for of in texts]


@given(COLUMN)
@example(LIKELY)
def test_stars_agree_with_float(texts):
    def number(text):
        value = float(text) if re.fullmatch(r"[0-9](\.[0-9]{1,6})?", text) else None
        return value if value in [half / 2 for half in range(1, 11)] else None

    check("Rating", texts, number)


@pytest.mark.parametrize("scale", [1, 10, 100])
@given(COLUMN)
@example(LIKELY)
def test_ratings_on_another_scale_become_stars(scale, texts):
    def number(text):
        value = float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) else scale + 1
        return np.float32(max(value * 5 / scale, 0.01)).item() if value <= scale else None

    check("Rating", texts, number, own=True, scale=scale)


@given(COLUMN)
@example(LIKELY)
def test_weights_agree_with_float(texts):
    def number(text):
        value = float(text) if re.fullmatch(r"[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?", text) else 0
        return np.float32(value).item() if 1.2e-38 < value < 3.4e38 else None

    check("Weight", texts, number)


@pytest.mark.parametrize("unit", UNITS)
@given(COLUMN)
@example(LIKELY)
def test_seconds_agree_with_int_where_a_fraction_is_all_zeros(unit, texts):
    def number(text):
        whole = re.sub(r"\.0+\Z", "", text)
        value = int(whole) if re.fullmatch("[0-9]{1,19}", whole) and int(whole) < 2**63 else -1
        return value // unit if 0 <= value // unit <= MAX_TIMESTAMP else None

    check("Timestamp", texts, number, seconds=unit)


def test_dates_are_times_of_ones_own_tables_alone():
    dates = {"2001-09-09": 999993600, "2001-09-09T01:46:40Z": 10**9, "2001-09-09 03:46:40.75+02:00": 10**9}
    dates |= {"2001-09-09T01:46": 999999960, "1969-12-31": None, "2001-02-30": None, "09/09/2001": None, "a-b": None}
    check("Timestamp", list(dates), dates.get, own=True)
    check("Timestamp", list(dates), lambda _: None)


def test_a_rating_is_rejected_for_its_first_fault_with_its_text():
    lines = ["1,1,5,9", "x,x,x,x", "1,x,9,9", "1,1,9,x", "1,1,5,x"]
    columns = zip(*(line.split(",") for line in lines), strict=True)
    rows = judged(dict(zip(["UserID", "MovieID", "Rating", "Timestamp"], map(list, columns), strict=True)))
    reasons = [None, f"UserID {ID}", f"MovieID {ID}", rules.STARS_REASON, rules.TIME_REASON]
    assert [row[4] for row in rows] == reasons
    assert [row[5] for row in rows] == [None, *(line.replace(",", "|") for line in lines[1:])]


def test_without_ratings_and_times_all_interactions_are_positive_at_time_0():
    assert judged({"UserID": ["1", ""], "MovieID": ["2", None]}) == [
        (1, 2, 5, 0, None, None),
        (None, None, 5, 0, f"UserID {ID}", "|"),
    ]


def test_a_rating_of_0_may_stand_for_none():
    rows = judged({"UserID": ["1"] * 2, "MovieID": ["1"] * 2, "Rating": ["0", "10"]}, scale=10, zeros_are_none=True)
    assert [row[4] for row in rows] == [rules.NO_RATING, None] and rows[1][2] == 5


RATINGS = """1::1::5::100
x::1::5::1
3::1::5::1
1::1::2::300
1::1
1::1::3::200
2::1::1::7
2::1::4::7
2::1::4::7
3::2::4::7
1::9::4::7
"""


def test_superseded_ratings_unknown_ids_and_broken_lines_are_rejected_with_their_lines(tmp_path):
    users, movies = "1::F::1::1::1\n2::M::1::1::1\n", "1::A::\n2::B::\n"
    tables = clean_folder(write_files(tmp_path, {"users.dat": users, "movies.dat": movies, "ratings.dat": RATINGS}))
    again = {1: "1|1|5.0|100", 6: "1|1|3.0|200", 7: "2|1|1.0|7", 8: "2|1|4.0|7"}
    expected = [(line, rules.RATED_AGAIN, text) for line, text in again.items()]
    expected += [(3, rules.UNKNOWN_USER, "3|1|5|1"), (10, rules.UNKNOWN_USER, "3|2|4|7")]
    expected += [(2, f"UserID {ID}", "x|1|5|1"), (5, "not 4 fields", "1::1"), (11, rules.UNKNOWN_MOVIE, "1|9|4|7")]
    assert tables.rejected.values.tolist() == [["ratings", *row] for row in sorted(expected)]
    assert tables.ratings.values.tolist() == [[1, 1, 2, 300], [2, 1, 4, 7]]
