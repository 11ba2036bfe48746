"""Read data/raw, judge every row, and write three clean tables, what was rejected, and what the data look like."""

from pathlib import Path

import _stage

from movierec.cleaning import clean
from movierec.describing import degree_curves
from movierec.movielens import read_folder
from movierec.storage import write_csv, write_json, write_table

CLEAN = Path("data/clean")


def main() -> None:
    params = _stage.params("max_rejected")
    cleaned = clean(read_folder(Path("data/raw")), params.max_rejected, CLEAN)
    for name in ("users", "movies"):
        write_table(getattr(cleaned, name), CLEAN / f"{name}.parquet")
    write_json(cleaned.summary, Path("metrics/data.json"))
    write_csv(cleaned.stars, Path("plots/ratings.csv"))
    write_csv(degree_curves(cleaned.by_user, cleaned.by_movie), Path("plots/degrees.csv"))
    for table, rows in cleaned.summary.items():
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in rows["rejected"].items())
        print(f"{table}: {rows['kept']:,} of {rows['read']:,} rows kept" + (f" (rejected: {reasons})" if reasons else ""))
    if any(rows["rejected"] for rows in cleaned.summary.values()):
        print(f"the rejected rows, with line and reason: {CLEAN / 'rejected.csv'}")


if __name__ == "__main__":
    _stage.run(main)
