"""Read data/raw, judge every row, and write three clean tables, what was rejected, and what the data look like."""

from pathlib import Path

import _stage

from movierec.cleaning import clean
from movierec.describing import degree_curves, rating_counts
from movierec.movielens import read_folder
from movierec.storage import write_csv, write_json, write_table

CLEAN = Path("data/clean")


def main() -> None:
    params = _stage.params("max_rejected")
    cleaned = clean(read_folder(Path("data/raw")), params.max_rejected)
    for name in ("users", "movies", "ratings"):
        write_table(getattr(cleaned, name), CLEAN / f"{name}.parquet")
    write_csv(cleaned.rejected, CLEAN / "rejected.csv")
    write_json(cleaned.summary, Path("metrics/data.json"))
    write_csv(rating_counts(cleaned.ratings), Path("plots/ratings.csv"))
    write_csv(degree_curves(cleaned.ratings), Path("plots/degrees.csv"))
    for table, rows in cleaned.summary.items():
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in rows["rejected"].items())
        print(f"{table}: {rows['kept']:,} of {rows['read']:,} rows kept" + (f" (rejected: {reasons})" if reasons else ""))
    if len(cleaned.rejected):
        print(f"the rejected rows, with line and reason: {CLEAN / 'rejected.csv'}")


if __name__ == "__main__":
    _stage.run(main)
