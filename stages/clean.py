"""Read data/raw, judge every row, and write clean tables, the rejected rows, and tables for the plots of the data."""

from pathlib import Path

import _stage

from movierec.data.cleaning import clean, degree_curves
from movierec.data.layouts import read_folder
from movierec.utils.params import Columns
from movierec.utils.storage import write_csv, write_json, write_table

CLEAN, PLOTS = Path("data/clean"), Path("plots/data")


def main() -> None:
    params = _stage.params()
    names = {use: getattr(params.columns, use) for use in Columns.model_fields}
    tables = read_folder(Path("data/raw"), names, params.rating_scale)
    cleaned = clean(tables, params.max_rejected, CLEAN, params.max_repeated)
    write_table(cleaned.users, CLEAN / "users.parquet")
    write_table(cleaned.movies, CLEAN / "movies.parquet")
    write_json(cleaned.summary, Path("metrics/data.json"))
    write_csv(cleaned.stars, PLOTS / "ratings.csv")
    write_csv(degree_curves(cleaned.by_user, cleaned.by_movie), PLOTS / "degrees.csv")
    print(*cleaned.notes, sep="\n")
    for table, rows in cleaned.summary.items():
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in rows["rejected"].items())
        print(f"{table}: {rows['kept']:,} of {rows['read']:,} rows kept{reasons and f' (rejected: {reasons})'}")
    if any(rows["rejected"] for rows in cleaned.summary.values()):
        print(f"the rejected rows, with line and reason: {CLEAN / 'rejected.csv'}")


if __name__ == "__main__":
    _stage.run(main)
