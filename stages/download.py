"""Have the data set's files in data/raw: from the archives folder, a download, or a folder of one's own."""

import os
import shutil
from pathlib import Path

import _stage

from movierec.archives import Unreachable, copy_folder, fetch_release
from movierec.errors import UserError
from movierec.movielens import RELEASES

RAW = Path("data/raw")


def main() -> None:
    params = _stage.params("dataset", "data_path")
    archives = Path(os.environ.get("MOVIELENS_ARCHIVES") or "data/archives")
    # Built beside and renamed at the end, so that data/raw is never half there.
    partial = RAW.with_name("raw.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        if params.dataset == "path":
            copy_folder(Path(params.data_path), partial)
            source = params.data_path
        else:
            source = fetch_release(RELEASES[params.dataset], archives, partial, say=print)
    except Unreachable as error:
        name = params.dataset
        raise UserError(
            f"{error} Ways out: put {name}.zip (from {RELEASES[name].url}) into data/archives/, or set MOVIELENS_ARCHIVES "
            f"to the folder that holds it; or set `dataset: ml-100k` in params.yaml, which also comes from the package "
            f"registry (`make repro` does that by itself); or use data of your own (`dataset: path`)."
        ) from None
    names = sorted(path.name for path in partial.iterdir())
    shutil.rmtree(RAW, ignore_errors=True)
    partial.rename(RAW)
    print(f"data/raw: {', '.join(names)} from {source}")


if __name__ == "__main__":
    _stage.run(main)
