"""MovieLens as sequences for next_item.py: python benchmarks/write_sequences.py data/raw benchmarks/data/sequences.txt

Reads the folder of a release's files, which the pipeline's `download` makes, or a release's zip by its own name. Writes
a line per rating, `user item time`, sorted by UserID and time; ratings of the same second keep the order of the file.
All ratings count, whatever their value. The result has the shares of ratings within a second, and within a minute, of
the user's previous one.
"""

import tempfile
from pathlib import Path

import _bench

from movierec.data.cleaning import clean
from movierec.data.layouts import read_folder
from movierec.datasets.download import fetch_release
from movierec.datasets.releases import RELEASES
from movierec.utils.arrays import replacing
from movierec.utils.errors import UserError
from movierec.utils.storage import read_table


def main() -> None:
    parser = _bench.parser(__doc__)
    parser.add_argument("source", type=Path, help="a folder such as data/raw, or a release's zip: ml-1m.zip")
    parser.add_argument("sequences", type=Path, help="the file to write")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clean(read_folder(raw_folder(args.source, Path(folder))), 0, Path(folder))
        ratings = read_table(Path(folder) / "ratings.parquet").sort_values(["UserID", "Timestamp"], kind="stable")
    lines = ratings[["UserID", "MovieID", "Timestamp"]]
    with replacing(args.sequences) as partial:
        lines.to_csv(partial, sep=" ", header=False, index=False, lineterminator="\n")
    n_users, n_movies = lines["UserID"].nunique(), lines["MovieID"].nunique()
    print(f"{args.sequences}: {len(lines):,} interactions of {n_users:,} users with {n_movies:,} movies")
    gaps = ratings.groupby("UserID")["Timestamp"].diff().dropna()
    shares = {"same_second": float((gaps == 0).mean()), "within_minute": float((gaps <= 60).mean())}
    _bench.write_result(args.out, {"interactions": len(lines), "users": n_users, "movies": n_movies} | shares)


def raw_folder(source: Path, scratch: Path) -> Path:
    """The folder of a data set's files: the source, or the scratch folder, into which an archive is extracted."""
    if source.is_dir():
        return source
    if source.stem not in RELEASES:
        known = ", ".join(f"{name}.zip" for name in RELEASES)
        raise UserError(f"{source}: neither a folder nor a known release; its name must be one of {known}.")
    release = RELEASES[source.stem]
    if not source.exists():
        raise UserError(f"{source} is missing; it comes from {release.url}.")
    fetch_release(release, source.parent, scratch, _bench.say)
    return scratch


if __name__ == "__main__":
    _bench.run(main)
