"""Write croissant.json, the description of the clean tables (Croissant 1.0), from their schemas and from data/clean."""

import hashlib
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import mlcroissant as mlc

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import movierec
from movierec.data.schemas import MOVIES, RATINGS, USERS
from movierec.datasets.releases import RELEASES
from movierec.utils.params import read_yaml

FILE = ROOT / "croissant.json"
TYPES = {"int32": mlc.DataType.INT32, "Int16": mlc.DataType.INT16, "int64": mlc.DataType.INT64}
TYPES |= {"float32": mlc.DataType.FLOAT32}  # all others are text
TABLES = {  # schema, key, subject
    "users": (USERS, ["UserID"], "Users, by id."),
    "movies": (MOVIES, ["MovieID"], "Movies, by id."),
    "ratings": (RATINGS, ["UserID", "MovieID"], "Ratings, at most one for each user and movie."),
}
FIELDS = {
    "users/UserID": "Id of the user.",
    "users/Gender": "Gender of the user: F, M or unknown.",
    "movies/MovieID": "Id of the movie.",
    "movies/Title": "Title without the year.",
    "movies/Year": "Year of release; missing where the source has none.",
    "movies/Genres": "Genres, separated by a vertical bar; empty if there are none.",
    "ratings/UserID": "Id of the user.",
    "ratings/MovieID": "Id of the movie.",
    "ratings/Rating": "Rating in stars.",
    "ratings/Timestamp": "Time of the rating, in seconds since 1970-01-01 UTC.",
}
CITATION = (
    "F. Maxwell Harper and Joseph A. Konstan. The MovieLens Datasets: History and Context. ACM Transactions on "
    "Interactive Intelligent Systems 5(4), article 19, 2015. https://doi.org/10.1145/2827872"
)


def main() -> None:
    name = read_yaml(ROOT / "params.yaml")["dataset"]
    if name != "ml-1m":
        sys.exit(f"croissant: croissant.json describes MovieLens 1M, but params.yaml has dataset: {name}.")
    FILE.write_text(json.dumps(described(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def described() -> dict[str, Any]:
    context = mlc.Context()  # Croissant 1.0
    release = RELEASES["ml-1m"]
    metadata = mlc.Metadata(
        ctx=context,
        name="movielens-1m-clean",
        description=f"{release.title} as clean tables: the output of the `clean` stage. The tables are not part of "
        "the repository, since MovieLens may not be redistributed; `dvc repro clean` makes them from the archive.",
        version=movierec.__version__,
        url="https://grouplens.org/datasets/movielens/1m/",
        license=["https://files.grouplens.org/datasets/movielens/ml-1m-README.txt"],
        cite_as=CITATION,
        date_published=datetime(2003, 2, 1),
        creators=[mlc.Organization(ctx=context, name="GroupLens", url="https://grouplens.org")],
        distribution=[file_of(context, table) for table in TABLES],
        record_sets=[records_of(context, table) for table in TABLES],
    )
    return metadata.to_json()


def file_of(context: mlc.Context, table: str) -> mlc.FileObject:
    path = Path(f"data/clean/{table}.parquet")
    return mlc.FileObject(
        ctx=context,
        id=path.name,
        name=path.name,
        content_url=path.as_posix(),
        content_size=f"{(ROOT / path).stat().st_size} B",
        encoding_formats=["application/x-parquet"],
        md5=hashlib.md5((ROOT / path).read_bytes()).hexdigest(),  # as in dvc.lock
    )


def records_of(context: mlc.Context, table: str) -> mlc.RecordSet:
    schema, key, description = TABLES[table]
    columns = {name: column for name, column in schema.columns.items() if column.required}
    fields = [field_of(context, table, name, str(column.dtype)) for name, column in columns.items()]
    keys = [f"{table}/{name}" for name in key]
    return mlc.RecordSet(ctx=context, id=table, name=table, description=description, key=keys, fields=fields)


def field_of(context: mlc.Context, table: str, column: str, kind: str) -> mlc.Field:
    other = {"UserID": "users", "MovieID": "movies"}.get(column, table)
    more = {} if other == table else {"references": mlc.Source(ctx=context, field=f"{other}/{column}")}
    return mlc.Field(
        ctx=context,
        id=f"{table}/{column}",
        name=column,
        description=FIELDS[f"{table}/{column}"],
        data_types=[TYPES.get(kind, mlc.DataType.TEXT)],
        source=mlc.Source(ctx=context, file_object=f"{table}.parquet", extract=mlc.Extract(ctx=context, column=column)),
        **more,
    )


if __name__ == "__main__":
    main()
