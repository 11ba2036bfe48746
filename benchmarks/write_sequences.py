"""MovieLens as sequences for next_item.py: python benchmarks/write_sequences.py ml-1m.zip sequences.txt

Writes a line per rating, `user item`, sorted by UserID and time; ratings of the same second keep the order of the file.
All ratings count, whatever their value.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import _bench

from movierec.data.cleaning import clean
from movierec.data.layouts import read_folder
from movierec.datasets.download import fetch_release
from movierec.datasets.releases import RELEASES
from movierec.utils.errors import UserError
from movierec.utils.storage import read_table, replacing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, help="a release's zip, by its own name: ml-1m.zip")
    parser.add_argument("sequences", type=Path, help="the file to write")
    args = parser.parse_args()
    name = args.archive.stem
    if name not in RELEASES:
        known = ", ".join(f"{name}.zip" for name in RELEASES)
        raise UserError(f"{args.archive}: no known release; its name must be one of {known}.")
    if not args.archive.exists():
        raise UserError(f"{args.archive} is missing; it comes from {RELEASES[name].url}.")
    with tempfile.TemporaryDirectory() as folder:
        fetch_release(RELEASES[name], args.archive.parent, Path(folder), _bench.say)
        clean(read_folder(Path(folder)), 0, Path(folder))
        ratings = read_table(Path(folder) / "ratings.parquet").sort_values(["UserID", "Timestamp"], kind="stable")
    lines = ratings[["UserID", "MovieID"]]
    with replacing(args.sequences) as partial:
        lines.to_csv(partial, sep=" ", header=False, index=False, lineterminator="\n")
    n_users, n_movies = lines["UserID"].nunique(), lines["MovieID"].nunique()
    print(f"{args.sequences}: {len(lines):,} interactions of {n_users:,} users with {n_movies:,} movies")
    gaps = ratings.groupby("UserID")["Timestamp"].diff().dropna()
    within = f"{(gaps == 0).mean():.1%} in the same second, {(gaps <= 60).mean():.1%} within a minute"
    print(f"time since the user's previous rating: {within}")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"write_sequences: {error}")
