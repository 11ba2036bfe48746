"""The rules by which rows are rejected, and the list of the rejected rows."""

import contextlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from in_memory import write_files

from movierec.data import rules
from movierec.data.engine import Engine
from movierec.data.fields import Ids
from movierec.data.rules import RatingRules, Rejections, first_fault, reject_rows, reject_together
from movierec.data.schemas import RATING_TYPES
from movierec.data.text_file import Form, Table, TextFile, parse_lines
from movierec.utils.errors import UserError
from movierec.utils.storage import write_csv

ID = "is not a whole number from 0 to 2147483647"
FORM = Form(",", 4, dict(enumerate(["UserID", "MovieID", "Rating", "Timestamp"])))
NUMBERED = RatingRules(Ids("UserID"), Ids("MovieID"), None)


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


def test_rows_of_a_whole_table_are_rejected_beside_its_broken_lines(rejections, tmp_path):
    frame = pd.DataFrame({"line": [1, 3, 4], "MovieID": ["x", "2", "3"], "Title": ["A", "B", " "]})
    table = Table(frame, [(2, "not 3 fields", "1::2")], tmp_path)
    faults = {"id": np.array([True, False, False]), "title": np.array([False, False, True])}
    assert reject_rows(rejections, "movies", table, faults).tolist() == [False, True, False]
    expected = [("movies", 1, "id", "x|A"), ("movies", 2, "not 3 fields", "1::2"), ("movies", 4, "title", "3| ")]
    assert listed(rejections) == expected


def judged(rows, text, form=FORM):
    return rows.judge(parse_lines(text, form, 11), text.count("\n") + 1)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("x,1,5,9", f"UserID {ID}"),
        ("1,x,5,9", f"MovieID {ID}"),
        ("1,1,9,9", rules.STARS_REASON),
        ("1,1,5,x", rules.TIME_REASON),
        ("1,4,5,9", rules.UNKNOWN_MOVIE),
        ("x,x,x,x", f"UserID {ID}"),
        ("1,x,9,9", f"MovieID {ID}"),
        ("1,4,9,9", rules.STARS_REASON),
        ("1,4,5,x", rules.TIME_REASON),
    ],
)
def test_a_rating_is_rejected_for_its_first_fault(line, reason):
    block = judged(NUMBERED._replace(known_movies=np.array([1, 3])), f"1,1,5,9\n{line}\n2,3,0.5,0")
    assert block.rejected == [(12, reason, line.replace(",", "|"))] and block.n_lines == 3 and block.n_broken == 0
    expected = {"UserID": [1, 2], "MovieID": [1, 3], "Rating": [5, 0.5], "Timestamp": [9, 0]}
    assert {name: column.tolist() for name, column in block.kept.items()} == expected
    assert {name: str(column.dtype) for name, column in block.kept.items()} == RATING_TYPES


def test_broken_lines_are_rejected_and_counted():
    block = judged(NUMBERED, "1\nx,1,5,9\n1,2")
    assert block.n_broken == 2 and not len(block.kept["UserID"]) and not len(block.pairs)
    expected = [(11, "not 4 fields", "1"), (12, f"UserID {ID}", "x|1|5|9"), (13, "not 4 fields", "1,2")]
    assert sorted(block.rejected) == expected


def test_pairs_of_user_and_movie_have_the_order_of_both():
    rng = np.random.default_rng(0)
    ids = [(int(user), int(movie)) for user, movie in rng.integers(0, 3, (20, 2)) + rng.choice([0, 2**31 - 4], (20, 2))]
    pairs = judged(NUMBERED, "\n".join(f"{user},{movie},5,9" for user, movie in ids)).pairs
    assert [[a < b for b in pairs] for a in pairs] == [[a < b for b in ids] for a in ids]


def test_weights_and_missing_columns():
    names = {0: "UserID", 1: "MovieID", 2: "Weight"}
    block = judged(NUMBERED, "1,1,250\n1,1,0", Form(",", 3, names))
    assert block.kept["Rating"].tolist() == [250] and block.kept["Timestamp"].tolist() == [0]
    assert block.rejected == [(12, rules.WEIGHT_REASON, "1|1|0")]
    block = judged(NUMBERED, "1,1", Form(",", 2, {0: "UserID", 1: "MovieID"}))
    assert block.kept["Rating"].tolist() == [5], "an interaction without a rating is a positive one"


def test_ids_that_are_text():
    ids = [Ids(name, pa.array(["a", "b"])) for name in ("UserID", "MovieID")]
    block = judged(RatingRules(*ids, None), "b,a,5,9\n,a,5,9\na,,5,9")
    assert [block.kept[name].tolist() for name in ("UserID", "MovieID")] == [[1], [0]]
    assert block.rejected == [(12, "UserID is missing", "|a|5|9"), (13, "MovieID is missing", "a||5|9")]


RATINGS = """user,item,rating,timestamp
1,1,5,100
x,1,5,1
3,1,5,1
1,1,2,300
1,1
1,1,3,200
2,1,1,7
2,1,4,7
2,1,4,7
3,2,4,7
"""


@pytest.mark.parametrize("block_size", [1, 20, 1000])
def test_superseded_ratings_and_unknown_users_are_rejected_with_their_lines(rejections, tmp_path, block_size):
    write_files(tmp_path, {"r.csv": RATINGS})
    file = TextFile(tmp_path / "r.csv", "utf-8", FORM._replace(header=True))
    kept = []
    for block in file.blocks():
        of = NUMBERED.judge(file.parse(block), block.n_lines)
        kept.append(pd.DataFrame(of.kept))
        rejections.add("ratings", of.rejected)
    pd.concat(kept).to_parquet(tmp_path / "judged.parquet", index=False)
    rejections.engine.open("judged", tmp_path / "judged.parquet")
    rows = reject_together(rejections, file, np.array([1, 2]), ordered=False, block_size=block_size)
    assert rows.tolist() == [0, 1, 3, 4, 5, 7]
    texts = {2: "1|1|5|100", 4: "3|1|5|1", 7: "1|1|3|200", 8: "2|1|1|7", 9: "2|1|4|7", 11: "3|2|4|7"}
    unknown = {4, 11}
    expected = [
        (line, rules.UNKNOWN_USER if line in unknown else rules.RATED_AGAIN, text) for line, text in texts.items()
    ]
    expected += [(3, f"UserID {ID}", "x|1|5|1"), (6, "not 4 fields", "1,1")]
    assert listed(rejections) == [("ratings", *row) for row in sorted(expected)]


def test_where_pairs_rise_and_any_user_is_known_nothing_is_rejected(rejections, tmp_path):
    file = TextFile(tmp_path / "r.csv", "utf-8", FORM)  # which is not read
    assert reject_together(rejections, file, None, ordered=True, block_size=1).tolist() == []
