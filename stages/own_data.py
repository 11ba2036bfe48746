"""List the files of your own data set with their hashes, for `download`; of a release, the list is empty.

So only this stage depends on `data_path`, and others run again only if `dataset: path` and the content has changed.
"""

from typing import Any

import _stage

from movierec.datasets.own_files import check_folder, list_files, own_folder
from movierec.utils.storage import write_json


def main() -> None:
    params = _stage.params()
    listed: dict[str, Any] = {}
    if params.dataset == "path":
        folder = own_folder(params.data_path, _stage.at_home(params.data_path))
        for project in (_stage.ROOT, _stage.home()):
            check_folder(folder, project, _stage.PIPELINE)
        listed = {"data_path": params.data_path, "files": list_files(folder)}
    write_json(listed, _stage.OWN_DATA)
    print(f"{_stage.OWN_DATA}: {', '.join(listed.get('files', [])) or 'nothing, since the data set is a release'}")


if __name__ == "__main__":
    _stage.run(main)
