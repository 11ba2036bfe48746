"""The files of a data set of one's own: which they are, and a copy of them."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from movierec.datasets.releases import LAYOUTS, find_layout, is_leftover, layout_of, matching
from movierec.utils.errors import UserError
from movierec.utils.params import read_yaml


def file_hash(path: Path, algorithm: str) -> str:
    """The hash of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def own_folder(data_path: str, at_home: Path) -> Path:
    """The folder of a data set: `at_home` where `data_path` holds none, as in a copy without the ignored files.

    Raises:
        UserError: `data_path` holds only a part of the files at home, as in a copy where DVC tracks only that part.
    """
    folder = Path(data_path)
    if not layout_of(folder):
        return at_home
    if layout_of(at_home):
        here, there = ({path.relative_to(of).as_posix() for path in _files(of)} for of in (folder, at_home))
        if missing := sorted(there - here):
            raise UserError(
                f"{folder} in this copy of the project lacks {', '.join(missing)}, which {at_home} holds: track all "
                f"files of a data set or none. `dvc add` the others too, and commit the .dvc files."
            )
    return folder


def list_files(folder: Path) -> dict[str, dict[str, Any]]:
    """The size and MD5 of each file of the data set in a folder, by its path in the folder.

    Raises:
        UserError: no known layout, two files for one table, or other files between a table's parts.
    """
    return {
        path.relative_to(folder).as_posix(): {"size": path.stat().st_size, "md5": file_hash(path, "md5")}
        for path in _files(folder)
    }


def _files(folder: Path) -> list[Path]:
    """The files of the data set in a folder; the errors of `list_files`."""
    found: list[Path] = []
    for pattern in LAYOUTS[find_layout(folder)].files:
        tables = matching(folder, pattern)
        if len(tables) > 1:
            names = ", ".join(path.name for path in tables)
            raise UserError(f"{folder} must hold one {pattern} file, but holds {names}; move the others away.")
        found += [file for table in tables for file in (_parts(table) if table.is_dir() else [table])]
    return found


def _parts(table: Path) -> list[Path]:
    """The files of a Parquet table that is a folder, without the marks that Spark and Hadoop put beside them."""
    parts = [path for path in sorted(table.iterdir()) if not is_leftover(path) and not path.name.startswith("_")]
    if others := [path.name for path in parts if path.suffix != ".parquet" or not path.is_file()]:
        raise UserError(f"{table} must hold Parquet files alone, but holds {others[0]}; move it away.")
    return parts


def copy_files(source: Path, listed: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Copy the listed files into an empty folder; a UserError if one is missing, or another than it was when listed."""
    for name, of in listed.items():
        target = folder / name
        target.parent.mkdir(exist_ok=True)
        if (source / name).is_file():
            shutil.copyfile(source / name, target)
        if not target.exists() or file_hash(target, "md5") != of["md5"]:
            raise UserError(f"{source / name} has changed since own-data listed it; run `dvc repro` again.")


def check_folder(folder: Path, project: Path, pipeline: Path) -> None:
    """Check that a data_path is a folder that neither lies in an output of a project nor holds one.

    Args:
        folder: the data_path.
        project: the project's folder.
        pipeline: its dvc.yaml.

    Raises:
        UserError: names the folder, and the output; links are followed.
    """
    if not folder.is_dir():
        raise UserError(f"data_path '{folder}' is not a folder; set it in params.yaml to the folder of your data.")
    place = folder.resolve()
    for stage in read_yaml(pipeline)["stages"].values():
        for out in (out for kind in ("outs", "metrics", "plots") for out in stage.get(kind, [])):
            name = out if isinstance(out, str) else next(iter(out))
            output = (project / name).resolve()
            if place.is_relative_to(output) or output.is_relative_to(place):
                raise UserError(
                    f"data_path '{folder}' in params.yaml overlaps with {name}, which the pipeline writes and DVC may "
                    f"delete; put your data into a folder of its own, such as data/own, and set data_path to it."
                )
