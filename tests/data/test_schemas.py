"""The schemas of the clean tables."""

import pandas as pd
import pytest
from pandera.errors import SchemaError, SchemaErrors

from movierec.data.schemas import MOVIES, RATING_TYPES, RATINGS, USERS

INVALID = (SchemaError, SchemaErrors)
FRAMES = {
    "users": {"UserID": [1, 7], "Gender": ["F", "unknown"]},
    "movies": {"MovieID": [0, 9], "Title": ["Heat", "Ran"], "Year": [1995, None], "Genres": ["", "War"]},
    "ratings": {"UserID": [1, 1], "MovieID": [0, 9], "Rating": [0.5, 250], "Timestamp": [0, 2**32]},
}
TYPES = {"users": {"UserID": "int32"}, "movies": {"MovieID": "int32", "Year": "Int16"}, "ratings": RATING_TYPES}
SCHEMAS = {"users": USERS, "movies": MOVIES, "ratings": RATINGS}
GOOD = {name: (SCHEMAS[name], pd.DataFrame(frame).astype(TYPES[name])) for name, frame in FRAMES.items()}


@pytest.mark.parametrize(("schema", "table"), GOOD.values(), ids=GOOD)
def test_a_clean_table_is_valid_with_and_without_names(schema, table):
    assert schema.validate(table).equals(table)
    if schema is not RATINGS:
        assert len(schema.validate(table.assign(Name=pd.Series(["a", "b"], dtype="str")))) == 2


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("users", {"UserID": [1, 1]}),
        ("users", {"UserID": [-1, 1]}),
        ("users", {"Gender": ["F", "x"]}),
        ("users", {"Name": ["a", "a"]}),
        ("users", {"Name": ["a", ""]}),
        ("users", {"Age": [1, 2]}),
        ("movies", {"MovieID": [9, 9]}),
        ("movies", {"Title": ["Heat", ""]}),
        ("movies", {"Title": ["Heat", None]}),
        ("movies", {"Year": [12, None]}),
        ("movies", {"Genres": [None, ""]}),
        ("ratings", {"Rating": [0, 5]}),
        ("ratings", {"Rating": [float("nan"), 5]}),
        ("ratings", {"MovieID": [0, -1]}),
        ("ratings", {"Timestamp": [0, 2**32 + 1]}),
        ("ratings", {"Timestamp": [0, -1]}),
    ],
)
def test_a_value_out_of_range_is_an_error(name, change):
    schema, table = GOOD[name]
    columns = {
        column: pd.Series(of, dtype=table.dtypes.get(column, pd.Series(of).dtype)) for column, of in change.items()
    }
    with pytest.raises(INVALID):
        schema.validate(table.assign(**columns))


@pytest.mark.parametrize(("schema", "table"), GOOD.values(), ids=GOOD)
def test_a_column_that_is_missing_or_of_another_type_is_an_error(schema, table):
    for column in table:
        for wrong in (table.drop(columns=column), table.assign(**{column: pd.Series([1, 2], dtype="float64")})):
            with pytest.raises(INVALID):
                schema.validate(wrong)


def test_types_of_ratings():
    assert RATING_TYPES == {"UserID": "int32", "MovieID": "int32", "Rating": "float32", "Timestamp": "int64"}
