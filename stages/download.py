"""Put the data set's files into data/raw: from the archives folder, a download, or a folder of your own."""

import json
import os
from pathlib import Path

import _stage

from movierec.datasets.download import Unreachable, fetch_release
from movierec.datasets.own_files import copy_files, own_folder
from movierec.datasets.releases import RELEASES
from movierec.utils.arrays import read, replacing
from movierec.utils.errors import UserError

RAW = Path("data/raw")


def main() -> None:
    params = _stage.params()
    archives = _stage.at_home(os.environ.get("MOVIELENS_ARCHIVES") or "data/archives")
    name = params.dataset
    with replacing(RAW) as folder:
        folder.mkdir()
        try:
            if name == "path":
                own = read(_stage.OWN_DATA, lambda path: json.loads(path.read_text(encoding="utf-8")))
                if not own:
                    raise UserError(f"{_stage.OWN_DATA} is of a release; `dvc repro` lists your own data first.")
                source = own["data_path"]
                copy_files(own_folder(source, _stage.at_home(source)), own["files"], folder)
            else:
                source = fetch_release(RELEASES[name], archives, folder, say=print)
        except Unreachable as error:
            raise UserError(
                f"{error} Ways out: put {name}.zip (from {RELEASES[name].url}) into data/archives/, or set "
                f"MOVIELENS_ARCHIVES to the folder that holds it; or set `dataset: ml-100k` in params.yaml, which also "
                f"comes from the package registry (`make repro` does that by itself); or use your own data "
                f"(`dataset: path`)."
            ) from None
    print(f"data/raw: {', '.join(sorted(path.name for path in RAW.iterdir()))} from {source}")


if __name__ == "__main__":
    _stage.run(main, has_bar=True)
