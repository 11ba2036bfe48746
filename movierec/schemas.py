"""The tables that `clean` gives, column by column; every later stage can rely on this."""

import pandera.pandas as pa

from movierec.fields import MAX_ID, MAX_TIMESTAMP

GENDERS = ("F", "M", "unknown")

USERS = pa.DataFrameSchema(
    {
        "UserID": pa.Column("int32", pa.Check.in_range(0, MAX_ID), unique=True),
        "Gender": pa.Column("str", pa.Check.isin(GENDERS)),
    },
    strict=True,
)
MOVIES = pa.DataFrameSchema(
    {
        "MovieID": pa.Column("int32", pa.Check.in_range(0, MAX_ID), unique=True),
        "Title": pa.Column("str", pa.Check.str_length(min_value=1)),
        "Year": pa.Column("Int16", pa.Check.in_range(1850, 2150), nullable=True),
        "Genres": pa.Column("str"),
    },
    strict=True,
)
RATINGS = pa.DataFrameSchema(
    {
        "UserID": pa.Column("int32", pa.Check.in_range(0, MAX_ID)),
        "MovieID": pa.Column("int32", pa.Check.in_range(0, MAX_ID)),
        "Rating": pa.Column("float32", pa.Check.gt(0)),  # stars, 0.5 to 5, or a weight
        "Timestamp": pa.Column("int64", pa.Check.in_range(0, MAX_TIMESTAMP)),
    },
    strict=True,
)
NAME = {"Name": pa.Column("str", pa.Check.str_length(min_value=1), unique=True)}  # an id of users or movies, where theirs are text
RATING_TYPES = {name: str(column.dtype) for name, column in RATINGS.columns.items()}
