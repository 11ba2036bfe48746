"""MovieLens as sequences for next_item.py: python benchmarks/write_sequences.py ml-1m.zip sequences.txt

A line per rating, `user item`, users in the order of their ids and each user's movies in the order of time; ratings
of the same second keep the order of the file. All ratings count, whatever their value.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import _bench

from movierec.archives import fetch_release
from movierec.cleaning import clean
from movierec.errors import UserError
from movierec.movielens import RELEASES, read_folder
from movierec.storage import read_table, write_whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, help="a release's zip, by its own name: ml-1m.zip")
    parser.add_argument("sequences", type=Path, help="the file to write")
    args = parser.parse_args()
    name = args.archive.stem
    if name not in RELEASES:
        raise UserError(f"{args.archive}: no known release; its name must be one of {', '.join(f'{known}.zip' for known in RELEASES)}.")
    if not args.archive.exists():
        raise UserError(f"{args.archive} is missing; it comes from {RELEASES[name].url}.")
    with tempfile.TemporaryDirectory() as folder:
        fetch_release(RELEASES[name], args.archive.parent, Path(folder), _bench.say)
        clean(read_folder(Path(folder)), 0, Path(folder))
        ratings = read_table(Path(folder) / "ratings.parquet").sort_values(["UserID", "Timestamp"], kind="stable")
    lines = ratings[["UserID", "MovieID"]]
    write_whole(args.sequences, lambda path: lines.to_csv(path, sep=" ", header=False, index=False, lineterminator="\n"))
    gaps = ratings.groupby("UserID")["Timestamp"].diff().dropna()
    print(f"{args.sequences}: {len(lines):,} interactions of {lines['UserID'].nunique():,} users with {lines['MovieID'].nunique():,} movies")
    print(f"after a user's last rating: {(gaps == 0).mean():.1%} in the same second, {(gaps <= 60).mean():.1%} within a minute")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"write_sequences: {error}")
