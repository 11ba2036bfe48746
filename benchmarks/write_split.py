"""A release's split as text for published_split.py: python benchmarks/write_split.py ml-100k benchmarks/data/ml-100k

Runs the stages up to `split` in a temporary copy of the project. In train.txt, valid.txt and test.txt, a line is a
UserID and the MovieIDs of that user's positive interactions.
"""

import tempfile
from pathlib import Path

import _bench
from _project import copy_project, run_stages

from movierec.utils.errors import UserError
from movierec.utils.params import read_yaml
from movierec.utils.storage import read_table, write_text

STAGES = ("own-data", "download", "clean", "split")
PARTS = {"train": "split/train", "valid": "split/valid", "test": "test/test"}


def main() -> None:
    parser = _bench.parser(__doc__, "set")
    parser.add_argument("release", help="a MovieLens release, such as ml-100k")
    parser.add_argument("folder", type=Path, help="the folder to write")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        project, log = Path(scratch) / "project", Path(scratch) / "log"
        copy_project(project, [*args.set, f"dataset={args.release}"])
        others = read_yaml(project / "dvc.yaml")["stages"].keys() - set(STAGES)
        costs = run_stages(project, log, lambda name, cost: None, others)
        if failed := next((cost["failed"] for cost in costs.values() if "failed" in cost), None):
            raise UserError(failed)
        data = project / "data"
        user_ids, movie_ids = (
            read_table(data / f"split/{name}.parquet").iloc[:, 0].to_numpy() for name in ("users", "items")
        )
        sizes = {}
        for part, path in PARTS.items():
            table = read_table(data / f"{path}.parquet")
            lines = (
                " ".join(map(str, [user_ids[user], *movie_ids[items]])) for user, items in table.groupby("user")["item"]
            )
            write_text("\n".join(lines) + "\n", args.folder / f"{part}.txt")
            sizes[part] = len(table)
    _bench.say(f"{args.folder}: {', '.join(f'{part} {n:,}' for part, n in sizes.items())}")


if __name__ == "__main__":
    _bench.run(main)
