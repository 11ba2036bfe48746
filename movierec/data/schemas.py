"""The schemas of the clean tables, on which every later stage relies."""

import pandera.pandas as pa

from movierec.data.ids import MAX_ID
from movierec.data.rules import MAX_TIMESTAMP

GENDERS = ("F", "M", "unknown")
# The ids of the data set, where they are text or large (int64).
NAME = {"Name": pa.Column(None, pa.Check(lambda name: name.astype("str") != ""), unique=True, required=False)}
ID = pa.Check.in_range(0, MAX_ID)

USERS = pa.DataFrameSchema(
    {"UserID": pa.Column("int32", ID, unique=True), "Gender": pa.Column("str", pa.Check.isin(GENDERS)), **NAME},
    strict=True,
)
MOVIES = pa.DataFrameSchema(
    {
        "MovieID": pa.Column("int32", ID, unique=True),
        "Title": pa.Column("str", pa.Check.str_length(min_value=1)),
        "Year": pa.Column("Int16", pa.Check.in_range(1850, 2150), nullable=True),
        "Genres": pa.Column("str"),
        **NAME,
    },
    strict=True,
)
RATINGS = pa.DataFrameSchema(
    {
        "UserID": pa.Column("int32", ID),
        "MovieID": pa.Column("int32", ID),
        "Rating": pa.Column("float32", pa.Check.gt(0)),  # stars, up to 5, or a weight
        "Timestamp": pa.Column("int64", pa.Check.in_range(0, MAX_TIMESTAMP)),
    },
    strict=True,
)
RATING_TYPES = {name: str(column.dtype) for name, column in RATINGS.columns.items()}
